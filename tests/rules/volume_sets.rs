//! Sets: who may be in one, what a start and a backup of one do, and what is refused.

use crate::site::{Site, volume};
use crate::site_change::kept;
use ecdeck::model::codes::Code;
use ecdeck::model::copy::Ability;
use ecdeck::model::identity::{Name, VolumeId};
use ecdeck::model::plan::{Plan, PlanStep, Refusal, plan};
use ecdeck::model::records::{BackupMode, Change, EntityChange, Records};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::session::{Phase, Status};
use ecdeck::model::volume_set::VolumeSet;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn put(site: &mut Site, text: &str, members: &[VolumeId]) {
    let set = VolumeSet::new(name(text), members.to_vec());
    site.records.apply(&Change::Entity(EntityChange::PutVolumeSet(set))).unwrap();
}

fn add(text: &str, volumes: &[VolumeId]) -> Action {
    Action::AddToSet { name: name(text), volumes: volumes.to_vec() }
}

fn remove(text: &str, volumes: &[VolumeId]) -> Action {
    Action::RemoveFromSet { name: name(text), volumes: volumes.to_vec() }
}

fn codes(answer: &Result<Plan, Refusal>) -> Vec<Code> {
    match answer {
        Ok(plan) => plan.items().iter().flat_map(|item| &item.notices).map(|notice| notice.code).collect(),
        Err(refusal) => std::iter::once(refusal).chain(&refusal.also).map(|one| one.code).collect(),
    }
}

/// Three transaction volumes, a free backup volume for each, and no session.
fn three() -> (Site, [VolumeId; 3], [VolumeId; 3]) {
    let mut site = Site::new();
    let sources = [0x10, 0x11, 0x12].map(|olu| site.transaction_volume(&format!("db{olu:x}"), 0, olu, 48));
    let targets = [0x20, 0x21, 0x22].map(|olu| site.backup_volume(0, olu, 48));
    for id in sources {
        site.policy(id, 1, BackupMode::Suspend);
    }
    (site, sources, targets)
}

fn after(site: &Site, action: Action) -> Records {
    kept(&site.plan(action).unwrap(), &site.records).unwrap()
}

#[test]
fn a_set_is_made_grows_shrinks_and_ends_with_its_last_volume() {
    let (mut site, [one, two, three], _) = three();
    site.records = after(&site, add("erp", &[two, one]));
    assert_eq!(site.records.volume_sets[&name("erp")].members, [one, two]);
    site.records = after(&site, add("erp", &[three, one]));
    assert_eq!(site.records.volume_sets[&name("erp")].members, [one, two, three]);
    assert_eq!(codes(&site.plan(add("erp", &[one]))), [Code::ALREADY_SO]);
    site.records = after(&site, remove("erp", &[two]));
    assert_eq!(site.records.volume_sets[&name("erp")].members, [one, three]);
    assert_eq!(codes(&site.plan(remove("erp", &[two]))), [Code::SET_UNKNOWN]);
    assert_eq!(codes(&site.ensure(remove("erp", &[two]))), [Code::ALREADY_SO]);
    site.records = after(&site, remove("erp", &[one, three]));
    assert!(site.records.volume_sets.is_empty());
    assert_eq!(codes(&site.plan(remove("erp", &[]))), [Code::SET_UNKNOWN]);
    assert_eq!(codes(&site.ensure(remove("erp", &[]))), [Code::ALREADY_SO]);
}

#[test]
fn a_volume_is_in_one_set_and_only_transaction_volumes_are_in_one() {
    let (mut site, [one, two, _], targets) = three();
    put(&mut site, "erp", &[one]);
    let refused = site.plan(add("web", &[one, two, targets[0], volume(0, 0x77)]));
    let found = codes(&refused);
    assert_eq!(found.len(), 3, "db11 alone could join: {refused:?}");
    assert!(found.contains(&Code::IN_ANOTHER_SET), "{refused:?}");
    let stays = site.plan(Action::Unregister { volume: one });
    assert_eq!(codes(&stays), [Code::IN_A_SET]);
    let remedy = &stays.unwrap_err().remedies[0].request;
    site.records = kept(&plan(&site.snapshot(), remedy).unwrap(), &site.records).unwrap();
    assert!(site.plan(Action::Unregister { volume: one }).is_ok());
    let many: Vec<VolumeId> = (0..=VolumeSet::MAX_MEMBERS as u32).map(|n| volume(0, 0x1000 + n)).collect();
    for (number, id) in many.iter().enumerate() {
        site.transaction_volume(&format!("many{number}"), 0, id.olu.0, 48);
    }
    assert_eq!(codes(&site.plan(add("all", &many))), [Code::SET_TOO_LARGE]);
    assert!(site.plan(add("all", &many[1..])).is_ok());
}

/// What two requests that were planned on the same site become when both run.
#[test]
fn what_was_planned_before_somebody_else_changed_the_set_takes_nothing_from_him() {
    let (mut site, [one, two, three], _) = three();
    let (mine, his) = (site.plan(add("erp", &[one])).unwrap(), site.plan(add("erp", &[two])).unwrap());
    let records = kept(&his, &kept(&mine, &site.records).unwrap()).unwrap();
    assert_eq!(records.volume_sets[&name("erp")].members, [one, two]);
    put(&mut site, "erp", &[one, two]);
    let (mine, his) = (site.plan(remove("erp", &[])).unwrap(), site.plan(add("erp", &[three])).unwrap());
    let records = kept(&mine, &kept(&his, &site.records).unwrap()).unwrap();
    assert_eq!(records.volume_sets[&name("erp")].members, [three], "its new volume stays");
    let (mine, his) = (site.plan(add("web", &[three])).unwrap(), site.plan(add("erp", &[three])).unwrap());
    let records = kept(&his, &site.records).unwrap();
    assert!(kept(&mine, &records).is_err(), "a volume is in one set");
}

fn of_set(action: Action, set: &str) -> Request {
    Request { set: Some(name(set)), ..Request::new(action) }
}

#[test]
fn a_start_of_a_set_starts_what_is_not_synchronized_or_nothing() {
    let (mut site, sources, targets) = three();
    put(&mut site, "erp", &sources);
    let action = Action::Start { volumes: sources.to_vec(), targets: Vec::new(), together: true };
    let request = of_set(action, "erp");
    let started = |plan: &Plan| plan.items()[0].steps.iter().filter(|step| !step.starts().is_empty()).count();
    let planned = plan(&site.snapshot(), &request).unwrap();
    assert_eq!((planned.items().len(), started(&planned)), (1, 3));
    site.session(sources[1], targets[1], Status::Active, Phase::Copying);
    let planned = plan(&site.snapshot(), &request);
    assert_eq!(codes(&planned), [Code::ALREADY_SYNCHRONIZING], "{planned:?}");
    assert_eq!(started(&planned.unwrap()), 2);
    // One volume that cannot be started stops the others.
    site.backup_volume(0, 0x30, 24);
    site.session(volume(1, 9), targets[2], Status::Active, Phase::Copying);
    assert!(plan(&site.snapshot(), &request).is_err());
    site.session(sources[0], targets[0], Status::Active, Phase::Equivalent);
    site.session(sources[2], targets[2], Status::Active, Phase::Equivalent);
    let refused = plan(&site.snapshot(), &request);
    assert_eq!(codes(&refused)[0], Code::ALREADY_SYNCHRONIZING);
}

#[test]
fn a_backup_of_a_set_is_one_suspend_of_all_and_names_the_set() {
    let (mut site, sources, targets) = three();
    put(&mut site, "erp", &sources);
    for (source, target) in sources.into_iter().zip(targets) {
        site.session(source, target, Status::Active, Phase::Equivalent);
    }
    let action = Action::Backup { volumes: sources.to_vec(), mode: None, together: true };
    let planned = plan(&site.snapshot(), &of_set(action.clone(), "erp")).unwrap();
    assert_eq!(planned.items().len(), 1);
    let item = &planned.items()[0];
    assert_eq!(item.set, Some(name("erp")));
    assert!(matches!(&item.steps[..], [PlanStep::Suspend(suspend), PlanStep::Record(record)]
        if suspend.pairs.len() == 3 && !suspend.force && record.generations.len() == 3));
    assert!(sources.iter().chain(&targets).all(|id| item.claims.contains(id)), "it has all of them to itself");
    // The set has changed since somebody read it.
    put(&mut site, "erp", &sources[..2]);
    assert_eq!(codes(&plan(&site.snapshot(), &of_set(action.clone(), "erp"))), [Code::SET_CHANGED]);
    assert_eq!(codes(&plan(&site.snapshot(), &of_set(action.clone(), "web"))), [Code::SET_UNKNOWN]);
    // A volume of a set alone is a backup, and no instant with the others.
    let alone = Action::Backup { volumes: vec![sources[0]], mode: None, together: false };
    assert_eq!(codes(&site.plan(alone)), [Code::MEMBER_ALONE]);
    let outside = Action::Backup { volumes: vec![sources[2]], mode: None, together: false };
    assert_eq!(codes(&site.plan(outside)), []);
    // An array that does not do it, or of which it is not known, is never asked for an instant.
    put(&mut site, "erp", &sources);
    for ability in [Ability::No, Ability::Unknown] {
        site.capabilities.atomic_suspend = ability;
        let refused = plan(&site.snapshot(), &of_set(action.clone(), "erp"));
        assert_eq!(codes(&refused), [Code::UNSUPPORTED], "{refused:?}");
    }
}

#[test]
fn a_set_over_two_arrays_is_made_with_a_warning() {
    let (mut site, [one, ..], _) = three();
    let far = site.transaction_volume("far", 1, 0x10, 48);
    assert_eq!(codes(&site.plan(add("erp", &[one, far]))), [Code::SET_NOT_AT_ONE_INSTANT]);
    assert_eq!(codes(&site.plan(add("erp", &[one]))), []);
}
