//! Restores: what each refusal is called, the way on from it, and what is kept of the target before it is overwritten.

use crate::site::{Site, code, notices, round, steps, volume};
use ecdeck::model::codes::Code;
use ecdeck::model::copy::CommandVerb;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::plan::{PlanStep, plan, restore_targets};
use ecdeck::model::pool::NamedPool;
use ecdeck::model::records::{EntityChange, Generation, OperationId, OurSession, Records};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::session::{CopyKind, Pair, Phase, Status};
use ecdeck::model::step::{BeginPresentStateStep, Done, KeepPresentStateStep, OwnSuspend, Step};
use ecdeck::model::units::{Timestamp, Version};
use std::collections::BTreeMap;

/// A volume with one suspended generation, version 1 on the first of three backup volumes.
fn kept() -> (Site, VolumeId, [VolumeId; 3]) {
    let (mut site, source, targets) = round();
    site.capabilities.verbs.push((CopyKind::Opc, CommandVerb::StartOpc));
    site.session(source, targets[0], Status::Suspended, Phase::Tracking);
    site.generation(source, targets[0]);
    (site, source, targets)
}

fn to(volume: VolumeId, to: Option<VolumeId>) -> Action {
    Action::Restore { volume, version: Version(1), to, unmounted: true, without_present_state: false }
}

fn without(action: Action) -> Action {
    match action {
        Action::Restore { volume, version, to, unmounted, .. } => {
            Action::Restore { volume, version, to, unmounted, without_present_state: true }
        }
        other => other,
    }
}

fn spare(steps: &[PlanStep]) -> Option<VolumeId> {
    steps.iter().find_map(|step| match step {
        PlanStep::KeepPresentState(keep) => Some(keep.pair.target),
        _ => None,
    })
}

#[test]
fn the_present_state_is_copied_whole_before_the_target_is_marked() {
    let (site, source, targets) = kept();
    let plan = site.plan(to(source, Some(source))).unwrap();
    let (own, back) = (Pair::opc(source, targets[2]), Pair::opc(targets[0], source));
    assert!(
        matches!(
            steps(&plan),
            [
                PlanStep::BeginPresentState(begin),
                PlanStep::CopyPresentState(copy),
                PlanStep::KeepPresentState(keep),
                PlanStep::BeginRestore(mark),
                PlanStep::StartOpc(start),
                PlanStep::AwaitOpc(_),
            ] if [begin.pair, copy.pair, keep.pair] == [own; 3] && [mark.pair, start.pair] == [back; 2]
        ),
        "{plan:?}"
    );
    assert!(plan.items()[0].claims.contains(&targets[2]));
    assert!(notices(&plan).contains(&Code::PRESENT_STATE_KEPT));
    let declined = site.plan(without(to(source, Some(source)))).unwrap();
    assert_eq!(spare(steps(&declined)), None);
    assert!(notices(&declined).contains(&Code::PRESENT_STATE_LOST));
    assert_ne!(plan.digest(), declined.digest(), "people agree to what is kept");
}

#[test]
fn what_tonight_needs_keeps_no_present_state() {
    let (mut site, source, targets) = kept();
    // One of two unused volumes is tonight's: a third transaction volume that is due needs the other one.
    let other = site.transaction_volume("ora02", 0, 0x11, 48);
    site.policy(other, 1, ecdeck::model::records::BackupMode::Suspend);
    let refusal = site.plan(to(source, Some(source))).unwrap_err();
    assert_eq!(refusal.code, Code::NO_VOLUME_FOR_PRESENT_STATE);
    assert!(refusal.reason.contains("2 unused ones are needed tonight"), "{refusal}");
    let [remedy] = &refusal.remedies[..] else { panic!("{refusal:?}") };
    assert_eq!(remedy.request.action, without(to(source, Some(source))));
    assert!(plan(&site.snapshot(), &remedy.request).is_ok());
    let more = site.backup_volume(0, 0x24, 48);
    let planned = site.plan(to(source, Some(source))).unwrap();
    assert!([targets[1], targets[2], more].contains(&spare(steps(&planned)).unwrap()));
}

#[test]
fn a_present_state_is_kept_in_the_pool_of_its_volume() {
    let (mut site, source, targets) = kept();
    let place = |olu: u32| format!("DEMO1/0x{olu:x}");
    let own: Vec<_> =
        [source, targets[0], targets[2]].iter().map(|volume| place(volume.olu.0).parse().unwrap()).collect();
    site.pools = vec![NamedPool { name: "own".parse().unwrap(), volumes: own, hosts: Vec::new() }];
    // What another pool's volumes need tonight takes nothing from this one; what is unused there serves nobody here.
    let other = site.transaction_volume("ora02", 0, 0x11, 48);
    site.policy(other, 1, ecdeck::model::records::BackupMode::Suspend);
    let planned = site.plan(to(source, Some(source)));
    let refusal = planned.unwrap_err();
    assert_eq!(refusal.code, Code::NO_VOLUME_FOR_PRESENT_STATE);
    assert!(refusal.reason.contains("in pool own is free") && refusal.reason.contains("1 unused one is"), "{refusal}");
    let more = site.backup_volume(0, 0x24, 48);
    assert!(site.plan(to(source, Some(source))).is_err(), "0x24 is in no named pool");
    site.pools[0].volumes.push(place(more.olu.0).parse().unwrap());
    let planned = site.plan(to(source, Some(source))).unwrap();
    assert!([targets[2], more].contains(&spare(steps(&planned)).unwrap()));
}

#[test]
fn only_a_transaction_volume_has_a_present_state_to_keep() {
    let (mut site, source, targets) = kept();
    let free = site.unregistered(0, 0x40, 48);
    for target in [free, targets[1]] {
        let plan = site.plan(to(source, Some(target))).unwrap();
        assert_eq!(spare(steps(&plan)), None);
        assert!(!notices(&plan).contains(&Code::PRESENT_STATE_LOST));
    }
    let other = site.transaction_volume("ora02", 0, 0x11, 48);
    let plan = site.plan(to(source, Some(other))).unwrap();
    assert_eq!(spare(steps(&plan)), Some(targets[2]), "another transaction volume has one");
}

#[test]
fn a_present_state_is_held_and_counts_for_nothing() {
    let (site, source, targets) = kept();
    let pair = Pair::opc(source, targets[2]);
    let blocks = site.records.transaction_volumes[&source].blocks;
    let keep = KeepPresentStateStep { pair, blocks, is_backup: false };
    let planned = site.plan(to(source, Some(source))).unwrap();
    let done = |records: &Records, own: &BTreeMap<Pair, OwnSuspend>, step: &dyn Step| {
        let (item, now) = (&planned.items()[0], Timestamp(9));
        step.changes(&Done {
            operation: OperationId(7),
            item,
            now,
            seen_at: now,
            own_suspends: own,
            catalogue: records,
            compared: None,
        })
    };
    let unseen = done(&site.records, &BTreeMap::new(), &keep).unwrap_err();
    assert_eq!(unseen.code, Code::PRESENT_STATE_NOT_KEPT);
    let own = BTreeMap::from([(pair, OwnSuspend { sent: Timestamp(5), went_on: false })]);
    let begun = done(&site.records, &own, &BeginPresentStateStep { pair }).unwrap();
    assert!(matches!(&begun.changes[..], [EntityChange::PutSession(OurSession { pair: at, .. })] if *at == pair));
    let kept = done(&site.records, &own, &keep).unwrap();
    let Some(EntityChange::AddGeneration(generation)) = kept.changes.last() else { panic!("{kept:?}") };
    assert_eq!(generation.taken_at, Timestamp(5), "the start of the copy");
    assert_eq!(generation.held.as_ref().unwrap().raw(), Generation::BEFORE_RESTORE);
    let unheld = Generation { held: None, ..generation.clone() };
    assert!(unheld.is_before_restore(), "it stays outside the policy's count when its hold is ended");
}

#[test]
fn a_target_of_another_array_is_refused_with_the_way_there() {
    let (mut site, source, _) = kept();
    let far = site.unregistered(1, 0x40, 48);
    let refusal = site.plan(to(source, Some(far))).unwrap_err();
    assert_eq!(refusal.code, Code::RESTORE_OTHER_BOX);
    let steps: Vec<String> = refusal.advice.iter().map(|advice| format!("{advice:?}")).collect();
    assert_eq!(steps.len(), 5);
    for (step, words) in steps.iter().zip([
        "ecdeck restore ora01 --version N --unmounted`, with N = 1,",
        "ecdeck volume add --transaction",
        "ecdeck volume add --backup",
        "ecdeck sync start ora01-back --wait",
        "ecdeck restore ora01-back --version 1 --to DEMO2/0x40",
    ]) {
        assert!(step.contains(words), "{step}");
    }
}

#[test]
fn each_target_that_cannot_be_overwritten_has_its_code() {
    let (mut site, source, targets) = kept();
    site.session(source, targets[1], Status::Suspended, Phase::Tracking);
    let small = site.unregistered(0, 0x41, 24);
    let inhibited = site.unregistered(0, 0x42, 48);
    site.volumes.last_mut().unwrap().copy_inhibited = Some(true);
    let busy = site.transaction_volume("ora02", 0, 0x11, 48);
    site.session(busy, targets[2], Status::Active, Phase::Equivalent);
    for (target, expected) in [
        (targets[0], Code::RESTORE_TARGET_IN_USE),
        (targets[1], Code::RESTORE_TARGET_IN_USE),
        (targets[2], Code::RESTORE_TARGET_IN_USE),
        (small, Code::UNEQUAL_SIZE),
        (inhibited, Code::COPY_INHIBITED),
        (busy, Code::ALREADY_SYNCHRONIZING),
        (volume(0, 0x99), Code::UNKNOWN_VOLUME),
    ] {
        assert_eq!(code(site.plan(to(source, Some(target)))), expected, "{target}");
    }
    // The way out of a live session: suspend it, or end it. Of a bound volume: cancel that pair.
    for target in [busy, targets[1]] {
        let refusal = site.plan(to(source, Some(target))).unwrap_err();
        assert!(!refusal.remedies.is_empty());
        for remedy in &refusal.remedies {
            assert!(plan(&site.snapshot(), &remedy.request).is_ok(), "{}", remedy.label);
        }
    }
    let listed = restore_targets(&site.snapshot(), source, Version(1));
    assert!(listed.iter().all(|target| target.volume != targets[0]), "what is read is no target");
    assert!(listed.iter().any(|target| target.volume == busy && target.refusal.is_some()));
}

#[test]
fn a_restore_wants_what_it_cannot_see_for_itself() {
    let (mut site, source, _) = kept();
    let asks = Action::Restore {
        volume: source,
        version: Version(1),
        to: Some(source),
        unmounted: false,
        without_present_state: true,
    };
    let refusal = site.plan(asks.clone()).unwrap_err();
    assert_eq!(refusal.code, Code::NOT_SAID_UNMOUNTED);
    assert_eq!(
        refusal.remedies[0].request.action,
        without(to(source, Some(source))),
        "what was declined stays declined"
    );
    let unknown = Action::Restore {
        volume: source,
        version: Version(9),
        to: None,
        unmounted: true,
        without_present_state: false,
    };
    assert_eq!(code(site.plan(unknown)), Code::NO_SUCH_GENERATION);
    assert_eq!(code(site.plan(Action::CancelRestore { target: source })), Code::NO_RESTORE);
    site.capabilities.verbs.retain(|(_, verb)| *verb != CommandVerb::StartOpc);
    assert_eq!(code(site.plan(to(source, None))), Code::UNSUPPORTED);
}

#[test]
fn without_a_free_volume_its_own_is_offered_and_never_proposed() {
    let (mut site, source, targets) = kept();
    for target in &targets[1..] {
        site.session(source, *target, Status::Suspended, Phase::Tracking);
    }
    let refusal = plan(&site.snapshot(), &Request::new(to(source, None))).unwrap_err();
    assert_eq!(refusal.code, Code::NO_RESTORE_TARGET);
    let [remedy] = &refusal.remedies[..] else { panic!("{refusal:?}") };
    assert_eq!(remedy.request.action, to(source, Some(source)));
}
