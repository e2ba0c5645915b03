//! Several changes of the site in one request: judged together, kept together, or not at all.

use crate::site::{Site, code, round, steps, volume};
use ecdeck::model::codes::Code;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::map_set::{MapRound, MapRow, MapSet};
use ecdeck::model::plan::{Plan, plan};
use ecdeck::model::records::{BackupMode, Change, OperationId, Policy, Records};
use ecdeck::model::request::{Action, Request, VolumeRole};
use ecdeck::model::site_change::{MapChange, NewVolume, SiteChange};
use ecdeck::model::step::{Done, NotKeepable, PlanStep};
use ecdeck::model::units::Timestamp;
use ecdeck::model::volume_set::VolumeSet;

fn new(volume: VolumeId, role: VolumeRole, name: Option<&str>) -> NewVolume {
    NewVolume { volume, role, name: name.map(|name| name.parse().unwrap()), group: None }
}

fn all(volumes: Vec<NewVolume>) -> Action {
    Action::RegisterAll { volumes }
}

fn apply(change: SiteChange) -> Action {
    Action::ApplySite { change }
}

fn policy(generations: u16) -> Policy {
    Policy::new(generations, 1, BackupMode::Suspend)
}

/// What the catalogue has after the plan's only step.
pub fn kept(plan: &Plan, records: &Records) -> Result<Records, NotKeepable> {
    let (own_suspends, item) = (std::collections::BTreeMap::new(), &plan.items()[0]);
    let now = Timestamp(7);
    let done = Done {
        operation: OperationId(1),
        item,
        now,
        seen_at: now,
        own_suspends: &own_suspends,
        catalogue: records,
        compared: None,
    };
    let made = item.steps[0].changes(&done)?;
    let mut after = records.clone();
    let changes: Vec<Change> = made.changes.into_iter().map(Change::Entity).collect();
    after.apply_all(&changes).unwrap();
    Ok(after)
}

fn parts(plan: &Plan) -> &[PlanStep] {
    let [PlanStep::ChangeSite(step)] = steps(plan) else { panic!("{plan:?}") };
    &step.parts
}

fn pair(set: &str, transaction_volume: VolumeId, backup_volume: VolumeId) -> MapSet {
    let (transaction_name, backup_name) = ("one".into(), "two".into());
    let row = MapRow { transaction_volume, backup_volume, transaction_name, backup_name };
    MapSet { name: set.parse().unwrap(), rounds: vec![MapRound { name: "A".parse().unwrap(), rows: vec![row].into() }] }
}

#[test]
fn several_volumes_are_registered_as_one_operation() {
    let (mut site, _, _) = round();
    let ids: Vec<VolumeId> = (0..5).map(|n| site.unregistered(0, 0x30 + n, 48)).collect();
    let plan = site.plan(all(ids.iter().map(|id| new(*id, VolumeRole::Backup, None)).collect())).unwrap();
    assert_eq!(plan.items().len(), 1);
    assert_eq!(parts(&plan).len(), 5);
    assert_eq!(plan.items()[0].claims, ids);
    let after = kept(&plan, &site.records).unwrap();
    assert!(ids.iter().all(|id| after.backup_volumes.contains_key(id)));
}

#[test]
fn one_wrong_volume_of_several_stops_all_and_every_one_is_named() {
    let (mut site, source, targets) = round();
    let fine = site.unregistered(0, 0x30, 48);
    let (unknown, backup) = (volume(0, 0x99), VolumeRole::Backup);
    let wrong = vec![
        new(fine, backup, None),
        new(targets[0], backup, None),
        new(unknown, backup, None),
        new(source, VolumeRole::Transaction, None),
    ];
    let refusal = site.plan(all(wrong)).unwrap_err();
    let named: Vec<_> = std::iter::once(&refusal).chain(&refusal.also).map(|one| (one.volume, one.code)).collect();
    assert_eq!(
        named,
        [
            (Some(targets[0]), Code::ALREADY_REGISTERED),
            (Some(unknown), Code::UNKNOWN_VOLUME),
            (Some(source), Code::ALREADY_REGISTERED)
        ]
    );
    // What is so already is no mistake for who only wants it so; the rest is done.
    let some = || vec![new(fine, backup, None), new(targets[0], backup, None)];
    assert_eq!(parts(&site.ensure(all(some())).unwrap()).len(), 1);
    assert_eq!(code(site.ensure(all(some()[1..].to_vec()))), Code::ALREADY_SO);
    assert_eq!(code(site.ensure(all(vec![new(targets[0], VolumeRole::Transaction, None)]))), Code::ALREADY_REGISTERED);
}

#[test]
fn volumes_of_one_request_do_not_get_the_same_name() {
    let (mut site, _, targets) = round();
    let (one, two) = (site.unregistered(0, 0x30, 48), site.unregistered(0, 0x31, 48));
    let role = VolumeRole::Transaction;
    assert_eq!(code(site.plan(all(vec![new(one, role, Some("db")), new(two, role, Some("DB"))]))), Code::NAME_TAKEN);
    assert_eq!(code(site.plan(all(vec![new(one, role, None), new(one, role, None)]))), Code::ALREADY_REGISTERED);
    // A name that a volume gives up in the same request is free for another one.
    let names = vec![(targets[0], "old".parse().unwrap())];
    let mut site_change = SiteChange { names, ..SiteChange::default() };
    site.records.keep_backup_volume(ecdeck::model::records::BackupVolume {
        name: Some("spare".parse().unwrap()),
        ..site.records.backup_volumes[&targets[0]].clone()
    });
    site_change.volumes = vec![new(one, role, Some("spare"))];
    let plan = site.plan(apply(site_change)).unwrap();
    let after = kept(&plan, &site.records).unwrap();
    assert_eq!(after.named(&"spare".parse().unwrap()), Some(one));
    assert_eq!(after.named(&"old".parse().unwrap()), Some(targets[0]));
    // Somebody took a name between plan and step: nothing of it is kept.
    let mut taken = site.records.clone();
    taken.keep_backup_volume(ecdeck::model::records::BackupVolume {
        name: Some("old".parse().unwrap()),
        ..site.records.backup_volumes[&targets[1]].clone()
    });
    assert_eq!(kept(&plan, &taken).unwrap_err().code, Code::NAME_TAKEN);
}

/// A site with two new volumes, and the change that makes one a transaction volume with policy and map, the other its backup.
fn with_all() -> (Site, SiteChange, [VolumeId; 2]) {
    let (mut site, _, _) = round();
    let (source, target) = (site.unregistered(0, 0x30, 24), site.unregistered(0, 0x31, 24));
    let change = SiteChange {
        names: Vec::new(),
        volumes: vec![new(source, VolumeRole::Transaction, Some("db")), new(target, VolumeRole::Backup, None)],
        policies: vec![(source, policy(1))],
        maps: vec![MapChange { set: pair("nights", source, target), before: None }],
        sets: vec![VolumeSet::new("erp".parse().unwrap(), vec![source])],
    };
    (site, change, [source, target])
}

#[test]
fn policies_and_maps_are_of_volumes_that_come_with_them() {
    let (site, change, [source, target]) = with_all();
    let plan = site.plan(apply(change.clone())).unwrap();
    let after = kept(&plan, &site.records).unwrap();
    assert_eq!(after.transaction_volumes[&source].policy, Some(policy(1)));
    assert!(after.backup_volumes.contains_key(&target));
    assert_eq!(after.map_sets.values().map(|set| set.name.as_str()).collect::<Vec<_>>(), ["nights"]);
    assert_eq!(after.volume_sets.values().map(|set| set.members.clone()).collect::<Vec<_>>(), [[source]]);
    assert_eq!(plan.items()[0].claims, [source, target]);
    // One of two backup volumes is there: the plan says which size is how many short, once.
    let short: Vec<_> =
        plan.items()[0].notices.iter().filter(|notice| notice.text.contains("missing: the pol")).collect();
    assert_eq!(short.len(), 1);
    assert!(short[0].text.starts_with("1 backup volume of 24 MiB missing"), "{short:?}");
    // The same again changes nothing.
    let again = Site { records: after, ..site };
    let change = SiteChange { volumes: Vec::new(), maps: Vec::new(), ..change };
    assert_eq!(code(again.plan(apply(change))), Code::ALREADY_SO);
    assert_eq!(code(again.plan(apply(SiteChange::default()))), Code::ALREADY_SO);
}

#[test]
fn a_fault_in_any_part_of_a_site_change_stops_the_whole() {
    let (site, change, [source, target]) = with_all();
    let wrong = |change: SiteChange| code(site.plan(apply(change)));
    let policies = vec![(target, policy(1))];
    assert_eq!(wrong(SiteChange { policies, ..change.clone() }), Code::NOT_A_TRANSACTION_VOLUME);
    let policies = vec![(source, policy(0))];
    assert_eq!(wrong(SiteChange { policies, ..change.clone() }), Code::POLICY_OUT_OF_RANGE);
    let policies = vec![(source, policy(1)), (source, policy(2))];
    assert_eq!(wrong(SiteChange { policies, ..change.clone() }), Code::POLICY_OUT_OF_RANGE);
    let maps = vec![MapChange { set: pair("nights", target, source), before: None }];
    assert_eq!(wrong(SiteChange { maps, ..change.clone() }), Code::NOT_A_TRANSACTION_VOLUME);
    let maps = vec![MapChange { set: pair("nights", source, target), before: Some("another".into()) }];
    assert_eq!(wrong(SiteChange { maps, ..change.clone() }), Code::MAP_UNKNOWN);
    let two = ["a", "b"].map(|set| MapChange { set: pair(set, source, target), before: None });
    assert_eq!(wrong(SiteChange { maps: two.into(), ..change }), Code::MAP_IN_ANOTHER_SET);
}

#[test]
fn a_volume_that_an_operation_has_is_not_changed_with_others() {
    let (mut site, change, _) = with_all();
    let source = volume(0, 0x10);
    let policies = vec![(source, policy(9))];
    let change = SiteChange { policies, ..change };
    assert!(site.plan(apply(change.clone())).is_ok());
    site.claim(&[source]);
    assert_eq!(code(site.plan(apply(change))), Code::HELD_BY_OTHER);
}

#[test]
fn policies_that_reuse_the_oldest_want_one_name_typed() {
    let (mut site, change, [new_one, _]) = with_all();
    let reuse = Policy { reuse_oldest: true, ..policy(1) };
    let one = SiteChange { policies: vec![(new_one, reuse)], ..change.clone() };
    let planned = site.plan(apply(one)).unwrap();
    assert_eq!(planned.confirmation().unwrap().name, "db");
    site.policy(volume(0, 0x10), 3, BackupMode::Suspend);
    let two = SiteChange { policies: vec![(new_one, reuse), (volume(0, 0x10), reuse)], ..change };
    let snapshot = site.snapshot();
    let planned = plan(&snapshot, &Request::new(apply(two))).unwrap();
    assert_eq!(planned.confirmation().unwrap().name, snapshot.site.name, "of several the site's");
    assert!(planned.confirmation().unwrap().what.contains("db, ora01"), "{planned:?}");
}
