//! Named pools: who takes which backup volume, what is counted together, and what a hold costs.

use crate::site::{Site, code, start, steps};
use ecdeck::model::codes::Code;
use ecdeck::model::copy::CommandVerb;
use ecdeck::model::device_map::grid::{candidates, propose};
use ecdeck::model::hold_cost::noted;
use ecdeck::model::host_report::Wwid;
use ecdeck::model::identity::{Name, VolumeId};
use ecdeck::model::lvm_text::{GroupIdentity, LvmName};
use ecdeck::model::map_set::MapSet;
use ecdeck::model::notice::pool_short;
use ecdeck::model::plan::{pairing, pool_sizes};
use ecdeck::model::pool::NamedPool;
use ecdeck::model::records::{BackupMode, BackupVolume, Change, EntityChange, TransactionVolume};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::session::{CopyKind, Phase, Status};
use ecdeck::model::step::PlanStep;
use ecdeck::model::units::{Timestamp, Version};
use ecdeck::model::volume_group::{BackupGroup, GroupCopy, RegisteredGroup};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn pool(called: &str, volumes: &[&str], hosts: &[&str]) -> NamedPool {
    NamedPool {
        name: name(called),
        volumes: volumes.iter().map(|range| range.parse().unwrap()).collect(),
        hosts: hosts.iter().map(|host| name(host)).collect(),
    }
}

fn word(text: &str) -> LvmName {
    text.parse().unwrap()
}

fn disk(text: &str) -> Wwid {
    text.parse().unwrap()
}

/// The transaction volume is the volume group `vg01` of `db03`.
pub fn becomes_a_group(site: &mut Site, id: VolumeId) {
    let group = RegisteredGroup { host: name("db03"), name: word("vg01"), uuid: word("u1"), disk: disk("lab-1") };
    let known = site.records.transaction_volumes[&id].clone();
    site.records.keep_transaction_volume(TransactionVolume { group: Some(Box::new(group)), ..known });
}

/// The backup volume has a group of its own on `db03`: its name, its physical volume, its disk.
pub fn becomes_a_copy(site: &mut Site, id: VolumeId, (called, physical, on): (&str, &str, &str)) {
    let identity = GroupIdentity { name: word(called), uuid: word("u2"), physical: word(physical) };
    let known = site.records.backup_volumes[&id].clone();
    let backup = BackupGroup { host: name("db03"), identity, disk: disk(on) };
    site.records.keep_backup_volume(BackupVolume { group: Some(Box::new(backup)), ..known });
}

/// `db01` is in no named pool, `db02` and the volumes 0x30 to 0x3F in pool `db02`.
fn two_pools() -> (Site, VolumeId, VolumeId) {
    let mut site = Site::new();
    let usual = site.transaction_volume("db01", 0, 0x10, 48);
    let named = site.transaction_volume("db02", 0, 0x11, 48);
    for id in [usual, named] {
        site.policy(id, 1, BackupMode::Suspend);
    }
    site.pools = vec![pool("db02", &["DEMO1/0x11", "DEMO1/0x30-0x3F"], &[])];
    (site, usual, named)
}

fn target(site: &Site, id: VolumeId) -> VolumeId {
    let plan = site.plan(start(&[id])).unwrap();
    let pair = steps(&plan).iter().find_map(|step| match step {
        PlanStep::StartFull(start) => Some(start.pair),
        PlanStep::Resume(resume) => Some(resume.pair),
        _ => None,
    });
    pair.unwrap().target
}

#[test]
fn each_volume_takes_the_backup_volumes_of_its_own_pool() {
    let (mut site, usual, named) = two_pools();
    let (low, high) = (site.backup_volume(0, 0x21, 48), site.backup_volume(0, 0x31, 48));
    assert_eq!((target(&site, usual), target(&site, named)), (low, high));
    // Without the configuration the lowest one serves, as ever.
    site.pools.clear();
    assert_eq!(target(&site, named), low);
}

#[test]
fn a_volume_of_another_pool_is_a_near_miss_that_says_so() {
    let (mut site, usual, named) = two_pools();
    let high = site.backup_volume(0, 0x31, 48);
    let refusal = site.plan(start(&[usual])).unwrap_err();
    assert_eq!(refusal.code, Code::NO_BACKUP_VOLUME);
    assert_eq!(refusal.near_misses[0].why, "DEMO1/0x31 is in pool db02, db01 in no named pool");
    assert_eq!(code(pairing(&site.snapshot(), usual, high)), Code::OTHER_POOL);
    let low = site.backup_volume(0, 0x21, 48);
    let by_name = Action::Start { volumes: vec![named], targets: vec![(named, low)], together: false };
    let refusal = site.plan(by_name).unwrap_err();
    assert_eq!(refusal.code, Code::OTHER_POOL);
    assert_eq!(refusal.reason, "DEMO1/0x21 is in no named pool, db02 in pool db02");
}

#[test]
fn a_bound_volume_that_changed_its_pool_is_not_resumed() {
    let (mut site, usual, _) = two_pools();
    let (low, bound) = (site.backup_volume(0, 0x21, 48), site.backup_volume(0, 0x31, 48));
    site.session(usual, bound, Status::Suspended, Phase::Tracking);
    assert_eq!(target(&site, usual), low);
}

#[test]
fn what_policies_need_is_counted_by_pool_and_size() {
    let (mut site, usual, named) = two_pools();
    for olu in [0x21, 0x22, 0x31] {
        site.backup_volume(0, olu, 48);
    }
    let sizes = pool_sizes(&site.snapshot());
    let of = |id| {
        let snapshot = site.snapshot();
        let size = sizes[&snapshot.pool_key(snapshot.transaction_volume(id).unwrap())];
        (size.needed, size.total, size.missing())
    };
    assert_eq!((of(usual), of(named)), ((2, 2, 0), (2, 1, 1)));
    let change =
        Action::SetPolicy { volume: named, policy: ecdeck::model::records::Policy::new(2, 1, BackupMode::Suspend) };
    let plan = site.plan(change).unwrap();
    let text = &plan.items()[0].notices[0].text;
    assert!(text.starts_with("2 backup volumes of 48 MiB in pool db02 missing"), "{text}");
}

#[test]
fn groups_and_plain_volumes_of_one_size_are_not_added_up() {
    let (mut site, usual, group) = two_pools();
    site.pools = vec![pool("db03", &[], &["db03"])];
    becomes_a_group(&mut site, group);
    let plain = site.backup_volume(0, 0x21, 48);
    let copy = site.backup_volume(0, 0x22, 48);
    becomes_a_copy(&mut site, copy, ("vg01b", "p2", "lab-2"));
    let snapshot = site.snapshot();
    let sizes = pool_sizes(&snapshot);
    let missing: Vec<(String, usize)> = sizes.iter().map(|(key, size)| (key.which(), size.missing())).collect();
    assert_eq!(missing, [("-".to_owned(), 1), ("groups of db03, pool db03".to_owned(), 1)]);
    // The proposal of a map keeps to it, and the candidates say why.
    let empty = MapSet { name: name("nightly"), rounds: Vec::new() };
    let set = propose(&snapshot, &empty, &[usual, group]);
    let pairs: Vec<_> = set.rows().map(|(_, row)| (row.transaction_volume, row.backup_volume)).collect();
    assert_eq!(pairs, [(usual, plain), (group, copy)]);
    let shown = candidates(&snapshot, &empty, usual, &name("A"));
    assert!(shown[0].verdict.is_ok() && shown[1].verdict.is_err(), "{shown:?}");
}

#[test]
fn a_pool_of_groups_only_keeps_no_present_state_and_says_what_to_do() {
    let (mut site, _, group) = two_pools();
    site.pools = vec![pool("db03", &[], &["db03"])];
    becomes_a_group(&mut site, group);
    let copies = [0x22, 0x23].map(|olu| {
        let copy = site.backup_volume(0, olu, 48);
        becomes_a_copy(&mut site, copy, (&format!("vg{olu}"), &format!("p{olu}"), &format!("lab-{olu}")));
        copy
    });
    site.capabilities.verbs.push((CopyKind::Opc, CommandVerb::StartOpc));
    site.session(group, copies[0], Status::Suspended, Phase::Tracking);
    let version = site.generation(group, copies[0]);
    let identity = |text: &str| GroupIdentity { name: word(text), uuid: word("u1"), physical: word("p1") };
    let copy = GroupCopy { copied: identity("vg01"), identity: identity("vg34"), text: String::new() };
    site.records.generations.get_mut(&(group, version)).unwrap().group = Some(Box::new(copy));
    let restore =
        || Action::Restore { volume: group, version, to: Some(group), unmounted: true, without_present_state: false };
    let refusal = site.plan(restore()).unwrap_err();
    assert_eq!(refusal.code, Code::NO_VOLUME_FOR_PRESENT_STATE);
    for part in ["no plain backup volume of DEMO1", "in pool db03", "`volumes` of [[pool]] db03 can have one"] {
        assert!(refusal.reason.contains(part), "{part}: {}", refusal.reason);
    }
    // A plain volume of another pool does not; one that the pool names does.
    let plain = site.backup_volume(0, 0x31, 48);
    assert_eq!(site.plan(restore()).unwrap_err().code, Code::NO_VOLUME_FOR_PRESENT_STATE);
    site.pools = vec![pool("db03", &["DEMO1/0x31"], &["db03"])];
    let plan = site.plan(restore());
    let kept = |step: &PlanStep| matches!(step, PlanStep::KeepPresentState(keep) if keep.pair.target == plain);
    assert!(plan.as_ref().is_ok_and(|plan| steps(plan).iter().any(kept)), "{plan:?}");
}

#[test]
fn a_hold_says_which_backup_will_find_no_volume() {
    let (mut site, _, named) = two_pools();
    for (at, olu) in [0x31, 0x32].into_iter().enumerate() {
        let target = site.backup_volume(0, olu, 48);
        let live = at == 1;
        let (status, phase) =
            if live { (Status::Active, Phase::Equivalent) } else { (Status::Suspended, Phase::Tracking) };
        site.session(named, target, status, phase);
        if !live {
            let version = site.generation(named, target);
            site.records.generations.get_mut(&(named, version)).unwrap().taken_at =
                site.now.plus_millis(-Timestamp::DAY);
        }
    }
    let hold = Action::Hold { volume: named, version: Version(1), why: "audit".into() };
    let planned = |site: &Site| {
        let plan = site.plan(hold.clone()).unwrap();
        noted(plan, || std::sync::Arc::new(site.snapshot()), &Request::new(hold.clone()))
    };
    let plan = planned(&site);
    let notice = plan.items()[0].notices.iter().find(|notice| notice.code == Code::HOLD_LEAVES_TOO_FEW).unwrap();
    assert_eq!(notice.text, "after 1 night, db02 has no backup volume: v1 of db02 keeps its own");
    // With one more there is nothing to say, and one of the other pool does not help.
    site.backup_volume(0, 0x21, 48);
    assert!(!planned(&site).items()[0].notices.is_empty());
    site.backup_volume(0, 0x33, 48);
    assert!(planned(&site).items()[0].notices.is_empty());
}

/// Whose next start finds no backup volume, and the sentence on it.
fn short(site: &Site) -> Vec<(VolumeId, String)> {
    pool_short(&site.snapshot()).into_iter().map(|trouble| (trouble.volume.unwrap(), trouble.text)).collect()
}

/// Backed up last night, its only volume suspended with the generation on it.
fn keeps(site: &mut Site, id: VolumeId, on: VolumeId) {
    site.session(id, on, Status::Suspended, Phase::Tracking);
    site.generation(id, on);
}

#[test]
fn tonight_is_short_in_the_pool_that_is_short_and_in_no_other() {
    let (mut site, usual, named) = two_pools();
    let (low, high) = (site.backup_volume(0, 0x21, 48), site.backup_volume(0, 0x31, 48));
    site.backup_volume(0, 0x22, 48);
    keeps(&mut site, usual, low);
    keeps(&mut site, named, high);
    site.now = Timestamp(15 * 60 * 60 * Timestamp::SECOND);
    // The spare one is of the other pool.
    let found = short(&site);
    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [named], "{found:?}");
    assert!(found[0].1.contains("db02"), "{found:?}");
    // Where all volumes are in one pool, the first one of the night takes it, and the other one is short.
    let pools = std::mem::take(&mut site.pools);
    assert_eq!(short(&site).len(), 1, "{:?}", short(&site));
    site.pools = pools;
    site.backup_volume(0, 0x32, 48);
    assert!(short(&site).is_empty(), "{:?}", short(&site));
}

#[test]
fn tonight_is_short_for_a_group_whose_rounds_are_all_kept() {
    let (mut site, usual, group) = two_pools();
    site.pools = vec![pool("db03", &[], &["db03"])];
    becomes_a_group(&mut site, group);
    site.backup_volume(0, 0x21, 48);
    site.backup_volume(0, 0x23, 48);
    let copy = site.backup_volume(0, 0x22, 48);
    becomes_a_copy(&mut site, copy, ("vg01b", "p2", "lab-2"));
    let empty = MapSet { name: name("nightly"), rounds: Vec::new() };
    let set = propose(&site.snapshot(), &empty, &[group]);
    site.records.apply(&Change::Entity(EntityChange::PutMapSet(set.clone()))).unwrap();
    keeps(&mut site, group, copy);
    site.now = Timestamp(15 * 60 * 60 * Timestamp::SECOND);
    let found = short(&site);
    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [group], "{found:?}");
    // A second group on that host, and a round with it.
    let more = site.backup_volume(0, 0x24, 48);
    becomes_a_copy(&mut site, more, ("vg01c", "p3", "lab-3"));
    let set = propose(&site.snapshot(), &set, &[group]);
    site.records.apply(&Change::Entity(EntityChange::PutMapSet(set))).unwrap();
    assert!(short(&site).is_empty(), "{:?}", short(&site));
    assert!(site.plan(start(&[usual])).is_ok());
}
