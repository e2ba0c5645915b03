//! Map sets: the round that each volume takes, night after night; proposals, imports, and sites without a spare volume.

use crate::site::{Site, code, notices, round, start, steps};
use ecdeck::model::codes::Code;
use ecdeck::model::device_map::grid::{self, Cell, Fit, candidates, propose, shortages};
use ecdeck::model::device_map::{MapRound, MapRow, MapSet, difference, parse, rounds_of, write_set};
use ecdeck::model::entity::{BackupMode, OperationId, Policy, ReleaseReason};
use ecdeck::model::identity::{Name, VolumeId};
use ecdeck::model::plan::{Plan, PlanStep, plan};
use ecdeck::model::records::{Change, EntityChange};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::session::{Pair, Phase, Status};
use ecdeck::model::units::Version;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn row(transaction_volume: VolumeId, backup_volume: VolumeId) -> MapRow {
    let (transaction_name, backup_name) = ("as".into(), "written".into());
    MapRow { transaction_volume, backup_volume, transaction_name, backup_name }
}

/// Rounds A, B, ... of pairs.
fn set(called: &str, rounds: &[&[(VolumeId, VolumeId)]]) -> MapSet {
    let round = |(at, pairs): (usize, &&[(VolumeId, VolumeId)])| {
        let rows = pairs.iter().map(|(transaction, backup)| row(*transaction, *backup)).collect();
        MapRound::new(grid::round_name(at).unwrap(), rows)
    };
    MapSet { name: name(called), rounds: rounds.iter().enumerate().map(round).collect() }
}

fn store(site: &mut Site, set: &MapSet) {
    site.records.apply(&Change::Entity(EntityChange::PutMapSet(set.clone()))).unwrap();
}

fn used(site: &mut Site, transaction_volume: VolumeId, backup_volume: VolumeId, operation: u64) {
    let operation = OperationId(operation);
    site.records
        .apply(&Change::Entity(EntityChange::UseMapRow { transaction_volume, backup_volume, operation }))
        .unwrap();
}

fn reuse(site: &mut Site, id: VolumeId) {
    site.change_policy(id, |policy| policy.map(|policy| Policy { reuse_oldest: true, ..policy }));
}

/// The round and the backup volume that each volume takes.
fn taken(plan: &Plan) -> BTreeMap<VolumeId, (String, VolumeId)> {
    let steps = plan.items().iter().flat_map(|item| &item.steps);
    steps
        .filter_map(|step| match step {
            PlanStep::UseMapRow(used) => Some((used.transaction_volume, (used.round.to_string(), used.backup_volume))),
            _ => None,
        })
        .collect()
}

#[test]
fn a_mapped_volume_takes_the_round_that_fits_and_was_used_least_recently() {
    let (mut site, db, [first, second, third]) = round();
    store(&mut site, &set("nightly", &[&[(db, third)], &[(db, second)]]));
    let planned = site.plan(start(&[db])).unwrap();
    assert_eq!(taken(&planned)[&db], ("A".to_owned(), third), "never used: the first one");
    assert!(planned.choices().is_empty(), "a volume that a map names is agreed to, no equal one takes its place");
    used(&mut site, db, third, 7);
    used(&mut site, db, second, 3);
    assert_eq!(taken(&site.plan(start(&[db])).unwrap())[&db].0, "B");
    // Round B keeps its version: round A, however lately it was used. The first volume is in no round.
    site.session(db, second, Status::Suspended, Phase::Tracking);
    site.generation(db, second);
    assert_eq!(taken(&site.plan(start(&[db])).unwrap())[&db].0, "A");
    site.session(db, third, Status::Suspended, Phase::Tracking);
    site.generation(db, third);
    let refused = site.plan(start(&[db])).unwrap_err();
    assert_eq!(refused.code, Code::MAP_NO_ROUND);
    let whys: Vec<String> = refused.near_misses.iter().map(|miss| format!("{}: {}", miss.name, miss.why)).collect();
    assert_eq!(whys.len(), 2, "every round with its reason: {whys:?}");
    assert!(whys.iter().all(|why| why.contains("not due this round")), "{whys:?}");
    assert!(whys[0].starts_with("round B, ") && whys[0].contains("holds v1"), "{whys:?}");
    assert!(!whys.iter().any(|why| why.contains(&site.snapshot().label(first))));
}

#[test]
fn a_file_is_strict_and_goes_before_the_stored_set() {
    let (mut site, db, [first, second, _]) = round();
    store(&mut site, &set("nightly", &[&[(db, second)]]));
    let action = Action::Start { volumes: vec![db], targets: vec![(db, first)], together: false };
    let planned = site.plan(action.clone()).unwrap();
    assert!(planned.items()[0].claims.contains(&first) && taken(&planned).is_empty());
    site.session(db, first, Status::Suspended, Phase::Tracking);
    site.generation(db, first);
    assert_eq!(code(site.plan(action)), Code::HOLDS_A_GENERATION);
}

#[test]
fn what_a_map_keeps_for_one_volume_is_not_chosen_for_another() {
    let (mut site, db, [first, second, third]) = round();
    let other = site.transaction_volume("other", 0, 0x11, 48);
    store(&mut site, &set("nightly", &[&[(db, first)], &[(db, second)]]));
    let planned = site.plan(start(&[other])).unwrap();
    assert!(planned.items()[0].claims.contains(&third));
    store(&mut site, &set("nightly", &[&[(db, first)], &[(db, second)], &[(db, third)]]));
    let refused = site.plan(start(&[other])).unwrap_err();
    assert_eq!(refused.code, Code::NO_BACKUP_VOLUME);
    assert!(refused.near_misses[0].why.contains("is kept for ora01 by map set nightly"), "{refused:?}");
    // Rows of a volume that is gone keep nothing.
    site.records.apply(&Change::Entity(EntityChange::RemoveTransactionVolume { id: db })).unwrap();
    assert!(site.plan(start(&[other])).is_ok());
}

#[test]
fn volumes_that_belong_together_need_one_round_that_fits_all() {
    let mut site = Site::new();
    let volumes = [0x10, 0x11].map(|olu| site.transaction_volume(&format!("t{olu:x}"), 0, olu, 48));
    let backups = [0x21, 0x22, 0x23, 0x24].map(|olu| site.backup_volume(0, olu, 48));
    for volume in volumes {
        site.policy(volume, 1, BackupMode::Suspend);
    }
    let [a, b] = volumes;
    store(&mut site, &set("erp", &[&[(a, backups[0]), (b, backups[1])], &[(a, backups[2]), (b, backups[3])]]));
    let together = Action::Start { volumes: volumes.to_vec(), targets: Vec::new(), together: true };
    let rounds = |planned: &Plan| taken(planned).into_values().map(|(round, _)| round).collect::<Vec<_>>();
    assert_eq!(rounds(&site.plan(together.clone()).unwrap()), ["A", "A"]);
    site.session(a, backups[0], Status::Suspended, Phase::Tracking);
    site.generation(a, backups[0]);
    assert_eq!(rounds(&site.plan(together.clone()).unwrap()), ["B", "B"]);
    site.session(b, backups[3], Status::Suspended, Phase::Tracking);
    site.generation(b, backups[3]);
    let refused = site.plan(together).unwrap_err();
    assert_eq!((refused.code, refused.near_misses.len()), (Code::MAP_NO_ROUND, 2), "{refused:?}");
    // Each for itself, both have a round.
    let each = site.plan(start(&volumes)).unwrap();
    assert_eq!(rounds(&each), ["B", "A"]);
    let words = ecdeck::model::device_map::rounds::in_words(&each, &site.snapshot());
    assert_eq!(words.len(), 1);
    assert!(words[0].starts_with("map set erp: round ") && words[0].contains("for 1 volume"), "{words:?}");
}

#[test]
fn an_import_checks_every_pair_and_counts_what_the_pool_lacks() {
    let (mut site, db, [first, second, third]) = round();
    let other = site.transaction_volume("other", 0, 0x11, 48);
    let small = site.backup_volume(0, 0x31, 16);
    let import = |set: MapSet| Action::ImportMap { set };
    let planned = site.plan(import(set("nightly", &[&[(db, first)], &[(db, second)]]))).unwrap();
    assert_eq!(planned.items()[0].claims, [db]);
    assert!(matches!(steps(&planned), [PlanStep::PutMapSet(put)] if !put.edited));
    // Two generations want three backup volumes; the third is unused and in no map.
    let said: Vec<&str> = planned.items()[0].notices.iter().map(|notice| notice.text.as_str()).collect();
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("1 pair for volumes of 48 MiB"), "{said:?}");
    site.policy(db, 3, BackupMode::Suspend);
    let planned = site.plan(import(set("nightly", &[&[(db, first)], &[(db, second)]]))).unwrap();
    assert_eq!(planned.items()[0].notices[0].text, "1 backup volume of 48 MiB is missing for G + 1");
    site.policy(db, 2, BackupMode::Suspend);
    let whole = set("nightly", &[&[(db, first)], &[(db, second)], &[(db, third)]]);
    assert!(notices(&site.plan(import(whole.clone())).unwrap()).is_empty());

    assert_eq!(code(site.plan(import(set("x", &[&[(db, small)]])))), Code::UNEQUAL_SIZE);
    assert_eq!(code(site.plan(import(set("x", &[&[(db, other)]])))), Code::NOT_A_BACKUP_VOLUME);
    assert_eq!(code(site.plan(import(set("x", &[&[(first, second)]])))), Code::NOT_A_TRANSACTION_VOLUME);
    assert_eq!(code(site.plan(import(set("x", &[&[(db, first), (other, first)]])))), Code::MAP_DUPLICATE);
    assert_eq!(code(site.plan(import(set("x", &[&[]])))), Code::MAP_SYNTAX);
    store(&mut site, &whole);
    assert_eq!(code(site.plan(import(set("x", &[&[(db, first)]])))), Code::MAP_IN_ANOTHER_SET);
    assert_eq!(code(site.plan(import(whole.clone()))), Code::ALREADY_SO);
    assert!(site.plan(Action::RemoveMap { name: name("nightly") }).is_ok());
    assert_eq!(code(site.plan(Action::RemoveMap { name: name("x") })), Code::MAP_UNKNOWN);
    assert_eq!(code(site.ensure(Action::RemoveMap { name: name("x") })), Code::ALREADY_SO);
    // Shared backup volumes are said: in suspend mode one of the two rounds never fits.
    let shared = site.plan(import(set("nightly", &[&[(db, first)], &[(other, first)]]))).unwrap();
    assert!(notices(&shared).contains(&Code::MAP_SHARED) && notices(&shared).contains(&Code::MAP_DIFFERENCE));
}

#[test]
fn an_edit_is_stored_only_on_what_it_was_made_from() {
    let (mut site, db, [first, second, _]) = round();
    let before = set("nightly", &[&[(db, first)]]);
    let edit = |to: MapSet, before: &MapSet| Action::EditMap { set: to, before: before.fingerprint() };
    let after = set("nightly", &[&[(db, second)]]);
    assert_eq!(code(site.plan(edit(after.clone(), &before))), Code::MAP_UNKNOWN);
    store(&mut site, &before);
    let planned = site.plan(edit(after.clone(), &before)).unwrap();
    assert!(matches!(steps(&planned), [PlanStep::PutMapSet(put)] if put.edited));
    let changes = difference(Some(&before), Some(&after));
    assert_eq!((changes.len(), changes[0].before, changes[0].after), (1, Some(first), Some(second)));
    store(&mut site, &set("nightly", &[&[(db, first)], &[(db, second)]]));
    assert_eq!(code(site.plan(edit(after, &before))), Code::MAP_CHANGED);
}

#[test]
fn rows_of_a_volume_that_is_gone_stay_and_stop_only_themselves() {
    let (mut site, db, [first, second, _]) = round();
    let other = site.transaction_volume("other", 0, 0x11, 48);
    let stored = set("nightly", &[&[(db, first), (other, second)]]);
    store(&mut site, &stored);
    let planned = site.plan(Action::Unregister { volume: second }).unwrap();
    let notice = &planned.items()[0].notices[0];
    assert_eq!(notice.code, Code::MAP_USES_VOLUME);
    assert!(notice.text.contains("map set nightly uses"), "{}", notice.text);
    site.records.apply(&Change::Entity(EntityChange::RemoveBackupVolume { id: second })).unwrap();
    assert!(site.plan(start(&[db])).is_ok());
    let snapshot = site.snapshot();
    assert_eq!(code(site.plan(start(&[other]))), Code::MAP_NO_ROUND);
    let seen = grid::grid(&snapshot, &stored);
    let cells: Vec<bool> = seen.rows.iter().map(|row| matches!(row.cells[0], Cell::Usable { .. })).collect();
    assert_eq!(cells, [true, false]);
    // What is stored may stay in a set that is edited elsewhere, by text too.
    let text = write_set(&stored, &snapshot);
    let (rounds, findings) = rounds_of(&parse(text.as_bytes()).unwrap(), &snapshot, &stored.name, &name("X"));
    assert_eq!((findings, rounds.len(), rounds[0].rows.len()), (Vec::new(), 1, 2));
    site.records.apply(&Change::Entity(EntityChange::RemoveTransactionVolume { id: db })).unwrap();
    let seen = grid::grid(&site.snapshot(), &stored);
    assert_eq!((seen.rows[0].is_registered, seen.rows[0].name.as_str()), (false, "as"));
}

#[test]
fn a_set_reads_back_from_its_text_and_a_new_round_may_name_the_same_volumes() {
    let (mut site, db, [first, second, _]) = round();
    let other = site.transaction_volume("other", 0, 0x11, 48);
    let stored = set("nightly", &[&[(db, first), (other, second)], &[(db, second)]]);
    let snapshot = site.snapshot();
    let text = write_set(&stored, &snapshot);
    let map = parse(text.as_bytes()).unwrap();
    let (rounds, findings) = rounds_of(&map, &snapshot, &stored.name, &name("X"));
    assert_eq!(findings, []);
    let read = MapSet { name: stored.name.clone(), rounds };
    assert_eq!(read.fingerprint(), stored.fingerprint());
    assert_eq!(ecdeck::model::device_map::check(&map, &snapshot).1, []);
    // Without marks the text is one round, and twice the same round is an error at its line.
    let plain = parse(format!("{db} {first}\n").as_bytes()).unwrap();
    let (rounds, _) = rounds_of(&plain, &snapshot, &stored.name, &name("X"));
    assert_eq!((rounds.len(), rounds[0].name.as_str()), (1, "X"));
    let twice = parse(format!("# round: A\n{db} {first}\n# round: A\n{db} {second}\n").as_bytes()).unwrap();
    let (_, findings) = rounds_of(&twice, &snapshot, &stored.name, &name("X"));
    assert_eq!((findings.len(), findings[0].line, findings[0].code), (1, 3, Code::MAP_DUPLICATE));
    // What another set has is an error of the import, at its place.
    store(&mut site, &stored);
    let (_, findings) = rounds_of(&plain, &site.snapshot(), &name("weekly"), &name("X"));
    assert_eq!((findings[0].line, findings[0].code), (1, Code::MAP_IN_ANOTHER_SET));
}

#[test]
fn a_site_without_a_spare_volume_gives_the_oldest_up_where_its_policy_says_so() {
    let mut site = Site::new();
    let db = site.transaction_volume("db", 0, 0x10, 48);
    let [first, second] = [0x21, 0x22].map(|olu| site.backup_volume(0, olu, 48));
    site.policy(db, 2, BackupMode::Suspend);
    site.session(db, first, Status::Suspended, Phase::Tracking);
    site.generation(db, first);
    reuse(&mut site, db);
    // One generation of two is kept: the other volume is unused and is taken.
    assert!(matches!(steps(&site.plan(start(&[db])).unwrap()), [PlanStep::StartFull(_)]));
    site.session(db, second, Status::Suspended, Phase::Tracking);
    site.generation(db, second);
    let gives_up_first = |planned: &Plan| {
        let PlanStep::GiveUp(given) = &planned.items()[0].steps[0] else { return false };
        (given.version, given.backup_volume, given.why) == (Version(1), first, ReleaseReason::Reused)
    };
    let planned = site.plan(start(&[db])).unwrap();
    assert!(gives_up_first(&planned) && planned.confirmation().is_none(), "{planned:?}");
    let said = &planned.items()[0].notices;
    assert!(said.iter().any(|notice| notice.text == "v1 of db ends now, before the new backup exists"), "{said:?}");
    // By a map as well, but only onto a volume of the map.
    store(&mut site, &set("nightly", &[&[(db, first)], &[(db, second)]]));
    let planned = site.plan(start(&[db])).unwrap();
    assert!(gives_up_first(&planned));
    assert_eq!(taken(&planned)[&db], ("A".to_owned(), first));
    store(&mut site, &set("nightly", &[&[(db, second)]]));
    assert_eq!(code(site.plan(start(&[db]))), Code::MAP_NO_ROUND);
    store(&mut site, &set("nightly", &[&[(db, first)], &[(db, second)]]));
    site.hold(db, Version(1));
    assert!(site.plan(start(&[db])).is_err(), "a held generation is never given up");
    // Without the policy's word nothing that it keeps is given up.
    let (mut site, other, targets) = round();
    site.policy(other, 3, BackupMode::Suspend);
    for target in targets {
        site.session(other, target, Status::Suspended, Phase::Tracking);
        site.generation(other, target);
    }
    assert_eq!(code(site.plan(start(&[other]))), Code::NO_BACKUP_VOLUME);
}

#[test]
fn reuse_wants_the_volumes_name_once() {
    let (mut site, db, _) = round();
    let set = |reuse_oldest| Action::SetPolicy {
        volume: db,
        policy: Policy { reuse_oldest, ..Policy::new(2, 1, BackupMode::Suspend) },
    };
    assert_eq!(site.plan(set(true)).unwrap().confirmation().unwrap().name, "ora01");
    reuse(&mut site, db);
    assert!(site.plan(set(false)).unwrap().confirmation().is_none());
}

/// One night of one volume: started by its map, equivalent, backed up, retention.
fn night(site: &mut Site, planned: &Plan, operation: u64) {
    for (&volume, &(_, backup)) in &taken(planned) {
        used(site, volume, backup, operation);
        let pair = Pair::new(volume, backup);
        site.sessions.retain(|session| session.pair != pair);
        site.session(volume, backup, Status::Suspended, Phase::Tracking);
        site.generation(volume, backup);
        let policy = site.records.transaction_volumes[&volume].policy.unwrap();
        if policy.mode == BackupMode::Dissolve {
            site.records.apply(&Change::Entity(EntityChange::RemoveSession { pair })).unwrap();
            site.sessions.retain(|session| session.pair != pair);
        }
        let kept: Vec<Version> = site.records.generations_of(volume).map(|generation| generation.version).collect();
        for version in kept.iter().take(kept.len().saturating_sub(policy.generations.into())) {
            let release = EntityChange::ReleaseGeneration {
                transaction_volume: volume,
                version: *version,
                at: site.now,
                why: ReleaseReason::Retention,
            };
            site.records.apply(&Change::Entity(release)).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever misses whichever nights: every later night finds a round for each volume that takes part.
    #[test]
    fn a_missed_night_spoils_no_later_one(
        policies in proptest::collection::vec((1_u16..4, any::<bool>()), 1..5),
        misses in proptest::collection::vec(proptest::collection::vec(0_u8..4, 5), 1..14),
    ) {
        let mut site = Site::new();
        let mut volumes = Vec::new();
        for (at, (generations, dissolve)) in (0_u32..).zip(&policies) {
            let id = site.transaction_volume(&format!("t{at}"), 0, 0x10 + at, 48);
            site.policy(id, *generations, if *dissolve { BackupMode::Dissolve } else { BackupMode::Suspend });
            for copy in 0..=u32::from(*generations) {
                site.backup_volume(0, 0x100 * (at + 1) + copy, 48);
            }
            volumes.push(id);
        }
        let empty = MapSet { name: name("nightly"), rounds: Vec::new() };
        let proposed = propose(&site.snapshot(), &empty, &volumes);
        prop_assert!(shortages(&site.snapshot(), &proposed).is_empty());
        store(&mut site, &proposed);
        for (operation, missing) in (1..).zip(&misses) {
            let present: Vec<VolumeId> =
                volumes.iter().zip(missing).filter(|(_, miss)| **miss > 0).map(|(id, _)| *id).collect();
            if present.is_empty() {
                continue;
            }
            let planned = site.plan(start(&present)).unwrap();
            prop_assert!(planned.refused().is_empty(), "{:?}", planned.refused());
            prop_assert_eq!(taken(&planned).len(), present.len());
            night(&mut site, &planned, operation);
        }
    }

    /// Whatever the pool is like, a proposal gives no volume to two, and what the grid calls usable a start takes.
    #[test]
    fn proposals_are_legal_by_the_plan_that_runs(
        transactions in proptest::collection::vec((0_usize..2, 0_u16..4, any::<bool>(), any::<bool>()), 1..7),
        backups in proptest::collection::vec((0_usize..2, any::<bool>(), 0_usize..8, 0_u8..4), 0..20),
    ) {
        let mut site = Site::new();
        let size = |large: bool| if large { 96 } else { 48 };
        let mut volumes = Vec::new();
        for (at, (array, generations, dissolve, large)) in (0_u32..).zip(&transactions) {
            let id = site.transaction_volume(&format!("t{at}"), *array, 0x10 + at, size(*large));
            if *generations > 0 {
                site.policy(id, *generations, if *dissolve { BackupMode::Dissolve } else { BackupMode::Suspend });
            }
            volumes.push((id, *large));
        }
        for (at, (array, large, owner, state)) in (0_u32..).zip(&backups) {
            let id = site.backup_volume(*array, 0x100 + at, size(*large));
            let Some((owner, _)) = volumes.get(*owner).filter(|(_, of)| of == large) else { continue };
            if *state > 0 {
                site.session(*owner, id, Status::Suspended, Phase::Tracking);
            }
            if *state > 1 {
                site.generation(*owner, id);
            }
        }
        let snapshot = site.snapshot();
        let all: Vec<VolumeId> = volumes.iter().map(|(id, _)| *id).collect();
        let empty = MapSet { name: name("nightly"), rounds: Vec::new() };
        let proposed = propose(&snapshot, &empty, &all);
        let mut once = BTreeSet::new();
        for (_, row) in proposed.rows() {
            prop_assert!(once.insert(row.backup_volume), "{} twice", row.backup_volume);
        }
        if !once.is_empty() {
            let import = Request::new(Action::ImportMap { set: proposed.clone() });
            prop_assert!(plan(&snapshot, &import).is_ok());
        }
        let seen = grid::grid(&snapshot, &proposed);
        for (at, round) in proposed.rounds.iter().enumerate() {
            let cells = seen.rows.iter().map(|row| (row.transaction_volume, &row.cells[at]));
            let usable: Vec<(VolumeId, VolumeId)> = cells
                .filter_map(|(id, cell)| match cell {
                    Cell::Usable { backup_volume, .. } => Some((id, *backup_volume)),
                    _ => None,
                })
                .collect();
            if usable.is_empty() {
                continue;
            }
            let volumes = usable.iter().map(|(id, _)| *id).collect();
            let action = Action::Start { volumes, targets: usable, together: false };
            let (planned, refused) = match plan(&snapshot, &Request::new(action)) {
                Ok(planned) => (planned.items().len(), planned.refused().to_vec()),
                Err(refusal) => (0, std::iter::once(refusal.clone()).chain(refusal.also).collect()),
            };
            // How many sessions a source may have is not a matter of the pair.
            prop_assert!(refused.iter().all(|refusal| refusal.code == Code::SESSION_LIMIT), "{}: {:?}", round.name, refused);
            prop_assert!(planned + refused.len() > 0);
        }
        // Every backup volume is a candidate or has a reason, the best first.
        for id in all {
            let listed = candidates(&snapshot, &proposed, id, &name("A"));
            prop_assert_eq!(listed.len(), snapshot.pool.len());
            let offered: Vec<bool> = listed.iter().map(|candidate| candidate.verdict.is_ok()).collect();
            prop_assert!(offered.is_sorted_by(|a, b| a >= b), "what is offered comes first");
            for candidate in listed {
                match candidate.verdict {
                    Ok(Fit::Now(_)) => {
                        let pair = ecdeck::model::plan::pairing(&snapshot, id, candidate.backup_volume);
                        prop_assert!(pair.is_ok());
                    }
                    Ok(Fit::NotDue(_)) => {}
                    Err(rejection) => prop_assert!(!rejection.reason.is_empty()),
                }
            }
        }
    }
}

#[test]
fn volumes_in_suspend_mode_are_served_before_those_in_dissolve_mode() {
    let mut site = Site::new();
    let [dissolves, suspends] = [0x10, 0x11].map(|olu| site.transaction_volume(&format!("t{olu:x}"), 0, olu, 48));
    site.policy(dissolves, 1, BackupMode::Dissolve);
    site.policy(suspends, 1, BackupMode::Suspend);
    for olu in [0x21, 0x22, 0x23] {
        site.backup_volume(0, olu, 48);
    }
    let empty = MapSet { name: name("nightly"), rounds: Vec::new() };
    let proposed = propose(&site.snapshot(), &empty, &[dissolves, suspends]);
    assert_eq!((proposed.rows_of(suspends).count(), proposed.rows_of(dissolves).count()), (2, 1));
    let short = shortages(&site.snapshot(), &proposed);
    assert_eq!(short[0].in_words(), "1 backup volume of 48 MiB is missing for G + 1");
    // What a person chose stays.
    let again = propose(&site.snapshot(), &proposed, &[suspends]);
    assert_eq!(again, proposed);
}

#[test]
fn ten_thousand_lines_report_five_hundred_errors_once_each() {
    let (site, db, [first, ..]) = round();
    let mut text = String::new();
    for number in 1..=10_000 {
        if number % 20 == 0 {
            let _ = write!(text, "nobody{number} {first}\r\n");
        } else if number == 1 {
            let _ = write!(text, "\u{feff}{db}\t{first}\r\n");
        } else {
            text.push_str("\t # nothing \r\n");
        }
    }
    let snapshot = site.snapshot();
    let (pairs, findings) = ecdeck::model::device_map::check(&parse(text.as_bytes()).unwrap(), &snapshot);
    assert_eq!(pairs.len(), 1);
    let unknown = findings.iter().filter(|finding| finding.code == Code::UNKNOWN_VOLUME);
    let lines: Vec<usize> = unknown.map(|finding| finding.line).collect();
    assert_eq!(lines, (1..=500).map(|number| number * 20).collect::<Vec<_>>());
}
