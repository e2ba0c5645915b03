//! Properties that hold for every plan on every site: the invariants, the digest, changes between snapshots.

use crate::site::{Site, volume};
use ecdeck::model::codes::Code;
use ecdeck::model::copy::Ability;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::plan::{Plan, Refusal, plan};
use ecdeck::model::records::{BackupMode, GenerationState, Policy, ReleaseReason};
use ecdeck::model::request::{Action, CancelScope, Request, Verb, VolumeRole};
use ecdeck::model::session::{ArrayWords, CopyKind, Direction, Others, Pair, Phase, RecModes, Status, TransferMode};
use ecdeck::model::site_change::{NewVolume, SiteChange};
use ecdeck::model::snapshot::{Halves, SessionView, Snapshot};
use ecdeck::model::snapshot_change::SnapshotChange;
use ecdeck::model::step::{
    GiveUpStep, PlanStep, RecordStep, RegisterBackupStep, RegisterTransactionStep, ResumeStep, StartFullStep, StopStep,
    SuspendStep,
};
use ecdeck::model::units::{Blocks, Timestamp, Version};
use proptest::prelude::*;
use std::collections::BTreeSet;

const SOURCES: u32 = 4;
const TARGETS: u32 = 9;

fn source(n: u32) -> VolumeId {
    volume((n % 2) as usize, 0x10 + n)
}

fn target(n: u32) -> VolumeId {
    volume((n % 2) as usize, 0x40 + n)
}

/// What is on one backup volume.
#[derive(Debug, Clone)]
struct OnIt {
    owner: u32,
    session: Option<(usize, usize)>,
    ours: bool,
    generation: bool,
    held: bool,
    state: u8,
    difference: Option<u64>,
    transfer: u8,
    odd: u8,
}

#[derive(Debug, Clone)]
struct Drawn {
    sizes: Vec<bool>,
    on: Vec<Option<OnIt>>,
    policies: Vec<Option<(u16, bool)>>,
    claimed: Vec<u32>,
    limit: u16,
    atomic: bool,
    stale: bool,
    free: u32,
    others_failed: bool,
}

fn on_it() -> impl Strategy<Value = OnIt> {
    // Likely states are drawn more often than the odd corners of the table.
    let state = prop_oneof![
        4 => Just((Status::Suspended as usize, Phase::Tracking as usize)),
        2 => Just((Status::Active as usize, Phase::Equivalent as usize)),
        1 => Just((Status::Active as usize, Phase::Copying as usize)),
        2 => (1..7_usize, 0..7_usize),
    ];
    (
        0..SOURCES,
        prop::option::weighted(0.8, state),
        prop::bool::weighted(0.9),
        any::<bool>(),
        prop::bool::weighted(0.2),
        0..8_u8,
        prop::option::of(0..1000_u64),
        0..8_u8,
        0..24_u8,
    )
        .prop_map(|(owner, session, ours, generation, held, state, difference, transfer, odd)| OnIt {
            owner,
            session,
            ours,
            generation,
            held,
            state,
            difference,
            transfer,
            odd,
        })
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (
        prop::collection::vec(prop::bool::weighted(0.8), (SOURCES + TARGETS) as usize),
        prop::collection::vec(prop::option::weighted(0.7, on_it()), TARGETS as usize),
        prop::collection::vec(prop::option::weighted(0.8, (1..4_u16, any::<bool>())), SOURCES as usize),
        prop::collection::vec(0..SOURCES + TARGETS, 0..2),
        prop_oneof![4 => Just(8_u16), 1 => 1..4_u16],
        any::<bool>(),
        prop::bool::weighted(0.1),
        0..3_u32,
        prop::bool::weighted(0.1),
    )
        .prop_map(|(sizes, on, policies, claimed, limit, atomic, stale, free, others_failed)| Drawn {
            sizes,
            on,
            policies,
            claimed,
            limit,
            atomic,
            stale,
            free,
            others_failed,
        })
}

fn site(drawn: &Drawn) -> Site {
    let mut site = Site::new();
    let mib = |n: u32| if drawn.sizes[n as usize] { 48 } else { 49 };
    for n in 0..SOURCES {
        let id = site.transaction_volume(&format!("tv{n}"), (n % 2) as usize, 0x10 + n, mib(n));
        if let Some((generations, suspend)) = drawn.policies[n as usize] {
            site.policy(id, generations, if suspend { BackupMode::Suspend } else { BackupMode::Dissolve });
        }
    }
    for n in 0..TARGETS {
        site.backup_volume((n % 2) as usize, 0x40 + n, mib(SOURCES + n));
    }
    for n in 0..drawn.free {
        site.unregistered((n % 2) as usize, 0x80 + n, 48);
    }
    for (n, on) in drawn.on.iter().enumerate() {
        let Some(on) = on else { continue };
        put(&mut site, source(on.owner), target(n as u32), on);
    }
    let claimed: Vec<VolumeId> = drawn
        .claimed
        .iter()
        .map(|&n| if n < SOURCES { source(n) } else { target(n - SOURCES) })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if !claimed.is_empty() {
        site.claim(&claimed);
    }
    site.capabilities.sessions_per_source = drawn.limit;
    site.capabilities.atomic_suspend = if drawn.atomic { Ability::Yes } else { Ability::Unknown };
    if drawn.others_failed {
        site.others[0] = Others::Failed { why: "no answer".into() };
    }
    site.age[1] = if drawn.stale { 10_000 } else { 0 };
    site
}

fn put(site: &mut Site, source: VolumeId, target: VolumeId, on: &OnIt) {
    if let Some((status, phase)) = on.session {
        let (status, phase) = (Status::ALL[status], Phase::ALL[phase]);
        let session = if on.ours {
            site.session(source, target, status, phase)
        } else {
            site.foreign(source, target, status, phase)
        };
        session.difference = on.difference.map(Blocks);
        if session.pair.kind == CopyKind::Rec {
            let transfer = match on.transfer {
                0 => TransferMode::Stack,
                1 => TransferMode::Through,
                2 => TransferMode::Consistency,
                _ => TransferMode::Synchronous,
            };
            session.modes = (on.transfer != 7).then(|| RecModes { transfer, ..RecModes::default() });
        }
        // Now and then a fact is unusual, or is not known.
        match on.odd {
            0 => session.direction = Direction::Reversed,
            1 => session.direction = Direction::Unknown,
            2 => session.pair = session.pair.turned(),
            3 => session.pair.kind = CopyKind::Other,
            _ => {}
        }
    }
    // A generation stands on a volume without a live session, as the rules keep it.
    let quiet = on.session.is_none_or(|(status, _)| {
        matches!(Status::ALL[status], Status::Suspended | Status::ErrorSuspended | Status::Idle)
    });
    if on.generation && quiet && (on.ours || on.session.is_none()) {
        let version = site.generation(source, target);
        let generation = site.records.generations.get_mut(&(source, version)).unwrap();
        generation.state = match on.state {
            0 => GenerationState::InDoubt("0xBA".to_owned()),
            1 => GenerationState::NeedsAttention("post-hook".to_owned()),
            _ => GenerationState::Valid,
        };
        if on.held {
            site.hold(source, version);
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    let volumes = || prop::collection::vec((0..SOURCES).prop_map(source), 1..4);
    let one = || (0..SOURCES).prop_map(source);
    let on = || (0..TARGETS).prop_map(target);
    let mode = || prop::option::of(prop_oneof![Just(BackupMode::Suspend), Just(BackupMode::Dissolve)]);
    let version = || (1..5_u64).prop_map(Version);
    prop_oneof![
        4 => (volumes(), prop::collection::vec((one(), on()), 0..2), any::<bool>())
            .prop_map(|(volumes, targets, together)| Action::Start { volumes, targets, together }),
        2 => (volumes(), prop::option::of(on())).prop_map(|(volumes, target)| Action::Resume { volumes, target }),
        2 => (one(), version()).prop_map(|(volume, version)| Action::Overwrite { volume, version }),
        1 => (volumes(), prop::option::of(on())).prop_map(|(volumes, target)| Action::Suspend { volumes, target }),
        1 => (volumes(), prop_oneof![Just(CancelScope::Live), Just(CancelScope::All), on().prop_map(CancelScope::One)])
            .prop_map(|(volumes, scope)| Action::Cancel { volumes, scope }),
        1 => (one(), prop::option::of(on())).prop_map(|(volume, target)| Action::ForceStop { volume, target }),
        1 => one().prop_map(|volume| Action::Snapshot { volume }),
        4 => (volumes(), mode(), any::<bool>())
            .prop_map(|(volumes, mode, together)| Action::Backup { volumes, mode, together }),
        1 => (one(), 0..101_u16).prop_map(|(volume, generations)| Action::SetPolicy {
            volume,
            policy: Policy::new(generations, 1, BackupMode::Suspend)
        }),
        1 => (0..4_u32).prop_map(|n| Action::Register {
            volume: volume((n % 2) as usize, 0x80 + n),
            role: VolumeRole::Backup,
            name: None
        }),
        1 => prop::collection::vec(0..6_u32, 0..4).prop_map(|numbers| {
            let new = |n: u32| NewVolume { volume: volume(0, 0x80 + n), role: VolumeRole::Backup, name: None, group: None };
            Action::RegisterAll { volumes: numbers.into_iter().map(new).collect() }
        }),
        1 => (one(), one(), 0..101_u16).prop_map(|(one, two, generations)| {
            let policy = Policy::new(generations, 1, BackupMode::Suspend);
            let names = vec![(two, "other".parse().unwrap())];
            Action::ApplySite { change: SiteChange { names, policies: vec![(one, policy)], ..SiteChange::default() } }
        }),
        1 => prop_oneof![one(), on()].prop_map(|volume| Action::Unregister { volume }),
        1 => prop_oneof![one(), on()].prop_map(|volume| Action::Rename { volume, name: "other".parse().unwrap() }),
        1 => (one(), version()).prop_map(|(volume, version)| Action::Hold { volume, version, why: "tape".into() }),
        1 => (one(), version()).prop_map(|(volume, version)| Action::Unhold { volume, version }),
        2 => (one(), version()).prop_map(|(volume, version)| Action::DeleteGeneration { volume, version }),
    ]
}

/// The session would stand in the way of another one of its transaction volume.
fn is_live(session: &SessionView) -> bool {
    session.ours && !matches!(session.status, Status::Suspended | Status::ErrorSuspended)
}

/// What the steps of one item have done so far, as far as the invariants are about it.
#[derive(Default)]
struct SoFar {
    overwritten: BTreeSet<VolumeId>,
    suspended: BTreeSet<Pair>,
    recorded: BTreeSet<VolumeId>,
    given_up: BTreeSet<(VolumeId, Version)>,
}

/// Invariants 1 to 7 and the order of steps, for every step of a plan.
fn check(snapshot: &Snapshot, plan: &Plan) {
    let mut claimed = BTreeSet::new();
    for item in plan.items() {
        assert!(item.claims.is_sorted() && !item.steps.is_empty(), "{item:?}");
        for &claim in &item.claims {
            assert!(claimed.insert(claim), "two items need {claim}");
            let free = |view: Option<_>| view.is_none_or(|claim: &Option<_>| claim.is_none());
            assert!(free(snapshot.transaction_volume(claim).map(|view| &view.claimed)), "{claim} is claimed");
            assert!(free(snapshot.backup_volume(claim).map(|view| &view.claimed)), "{claim} is claimed");
        }
        let mut so_far = SoFar::default();
        for step in &item.steps {
            check_step(snapshot, item.verb, step, &mut so_far);
            for id in volumes_of(step) {
                assert!(item.claims.contains(&id), "{id} is touched and not claimed: {item:?}");
            }
        }
        let destroys = item.steps.iter().any(|step| {
            matches!(
                step,
                PlanStep::GiveUp(GiveUpStep { why: ReleaseReason::Deleted | ReleaseReason::Overwritten, .. })
            )
        });
        assert_eq!(item.confirmation.is_some(), destroys);
    }
}

fn check_step(snapshot: &Snapshot, verb: Verb, step: &PlanStep, so_far: &mut SoFar) {
    match step {
        PlanStep::StartFull(StartFullStep { pair, .. }) => {
            becomes_destination(snapshot, pair, so_far);
            assert!(snapshot.sessions.iter().all(|session| session.pair.target != pair.target), "in a session already");
        }
        PlanStep::Resume(ResumeStep { pair, .. }) => {
            becomes_destination(snapshot, pair, so_far);
            let session = snapshot.session(pair).unwrap();
            assert!(session.ours && session.status == Status::Suspended);
            assert!(session.is_forward(), "it copies into the live volume: {session:?}");
        }
        PlanStep::Suspend(SuspendStep { pairs, force }) => {
            for pair in pairs {
                let session = snapshot.session(pair).unwrap();
                assert!(session.ours && session.is_forward());
                assert!(*force || session.is_equivalent());
                if !force {
                    so_far.suspended.insert(*pair);
                }
            }
        }
        PlanStep::Stop(StopStep { pair, .. }) => {
            assert!(snapshot.session(pair).is_none_or(|session| session.ours), "a session of others");
            assert!(matches!(verb, Verb::Cancel | Verb::ForceStop | Verb::Backup), "{verb} ends no session");
            assert!(verb != Verb::Backup || so_far.recorded.contains(&pair.source));
        }
        PlanStep::Record(RecordStep { generations }) => {
            for new in generations {
                let pair = Pair::new(new.transaction_volume, new.backup_volume);
                assert!(so_far.suspended.contains(&pair), "recorded without its own suspend");
                let modes = snapshot.session(&pair).unwrap().modes;
                let transfer = modes.map(|modes| modes.transfer);
                let good = matches!(transfer, Some(TransferMode::Synchronous | TransferMode::Consistency));
                assert!(good || pair.kind == CopyKind::Ec, "{modes:?}");
                becomes_readable(snapshot, &pair);
                so_far.recorded.insert(new.transaction_volume);
            }
        }
        PlanStep::GiveUp(GiveUpStep { transaction_volume, version, backup_volume, why }) => {
            let kept = snapshot.generations_of(*transaction_volume);
            let generation = kept.iter().find(|generation| generation.version == *version).unwrap();
            assert_eq!(generation.backup_volume, *backup_volume);
            assert!(generation.held.is_none(), "a held generation is never given up");
            match why {
                ReleaseReason::Retention => {
                    assert!(so_far.recorded.contains(transaction_volume), "before the new one is there");
                    // The oldest goes first, but one that nobody can rely on goes before a better one that is older.
                    let doubtful = |g: &ecdeck::model::records::Generation| {
                        let lost = snapshot.backup_volume(g.backup_volume).is_none_or(|view| view.problem.is_some());
                        lost || matches!(g.state, GenerationState::InDoubt(_))
                    };
                    for older in kept.iter().take_while(|older| older.version < *version) {
                        let gone = so_far.given_up.contains(&(*transaction_volume, older.version));
                        let better = doubtful(generation) && !doubtful(older);
                        assert!(gone || older.held.is_some() || better, "{older:?} stays, {generation:?} goes");
                    }
                    let attention =
                        |g: &&ecdeck::model::records::Generation| matches!(g.state, GenerationState::NeedsAttention(_));
                    assert!(kept.iter().find(attention).is_none());
                }
                ReleaseReason::Reused => {
                    // No policy here reuses the oldest: a start takes only what is beyond the policy already.
                    assert_eq!(verb, Verb::Start);
                    let view = snapshot.transaction_volume(*transaction_volume).unwrap();
                    assert!(kept.len() > usize::from(view.volume.policy.unwrap().generations), "within the policy");
                    let sound = |newer: &&ecdeck::model::records::Generation| {
                        newer.version > *version && newer.state == GenerationState::Valid
                    };
                    assert!(kept.iter().find(sound).is_some(), "without a newer sound one");
                    so_far.overwritten.insert(*backup_volume);
                }
                ReleaseReason::Overwritten => {
                    assert_eq!(verb, Verb::Overwrite);
                    so_far.overwritten.insert(*backup_volume);
                }
                ReleaseReason::Deleted => assert_eq!(verb, Verb::DeleteGeneration),
                ReleaseReason::Reconciled => panic!("no verb plans this"),
            }
            so_far.given_up.insert((*transaction_volume, *version));
        }
        _ => {}
    }
}

/// Invariants 1, 2, 6 and 7 for a volume that a copy is made to.
fn becomes_destination(snapshot: &Snapshot, pair: &Pair, so_far: &SoFar) {
    let source = snapshot.transaction_volume(pair.source).unwrap();
    let target = snapshot.backup_volume(pair.target).expect("only registered volumes are copied to");
    assert_eq!(source.volume.blocks, target.volume.blocks);
    let kind = if pair.source.box_id == pair.target.box_id { CopyKind::Ec } else { CopyKind::Rec };
    assert_eq!(pair.kind, kind);
    let generation = snapshot.generations.iter().any(|generation| generation.backup_volume == pair.target);
    assert!(!generation || so_far.overwritten.contains(&pair.target), "a generation would be overwritten");
    assert!(!snapshot.sessions_of(pair.source).iter().any(is_live), "a second live session");
    becomes_readable(snapshot, pair);
    let others = snapshot.sessions.iter().filter(|session| session.pair.target == pair.target);
    assert!(others.into_iter().all(|session| session.pair == *pair && session.ours), "another session's target");
}

/// Nothing else writes to the volume that is copied from, as far as anybody knows, and that was looked at.
fn becomes_readable(snapshot: &Snapshot, pair: &Pair) {
    let writes = |session: &&SessionView| !session.is_at_rest() && session.destinations().any(|id| id == pair.source);
    assert_eq!(snapshot.sessions.iter().find(writes), None, "a copy into the live volume");
    for id in [pair.source, pair.target] {
        assert_eq!(snapshot.array(id.box_id).unwrap().failed_reading(), None);
    }
}

fn volumes_of(step: &PlanStep) -> Vec<VolumeId> {
    match step {
        PlanStep::StartFull(StartFullStep { pair, .. })
        | PlanStep::Resume(ResumeStep { pair, .. })
        | PlanStep::Stop(StopStep { pair, .. }) => {
            vec![pair.source, pair.target]
        }
        PlanStep::Suspend(SuspendStep { pairs, .. }) => {
            pairs.iter().flat_map(|pair| [pair.source, pair.target]).collect()
        }
        PlanStep::GiveUp(GiveUpStep { transaction_volume, backup_volume, .. }) => {
            vec![*transaction_volume, *backup_volume]
        }
        _ => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_keeps_the_invariants_and_is_the_same_again(
        drawn in drawn(), action in action(), ensure: bool
    ) {
        let snapshot = site(&drawn).snapshot();
        let request = Request { ensure, ..Request::new(action.clone()) };
        let planned = plan(&snapshot, &request);
        prop_assert_eq!(&planned, &plan(&snapshot, &request));
        match planned {
            Ok(plan) => {
                check(&snapshot, &plan);
                let told: BTreeSet<VolumeId> = plan.refused().iter().filter_map(|refusal| refusal.volume).collect();
                prop_assert!(told.iter().all(|id| action.volumes().contains(id)));
            }
            Err(refusal) => {
                prop_assert!(!refusal.reason.is_empty());
                prop_assert!(refusal.code.explain().is_some());
                prop_assert!(ensure || refusal.code != Code::PLAN_CHANGED);
            }
        }
    }

    #[test]
    fn every_remedy_leads_somewhere(drawn in drawn(), action in action()) {
        let snapshot = site(&drawn).snapshot();
        let refusals: Vec<Refusal> = match plan(&snapshot, &Request::new(action)) {
            Ok(plan) => plan.refused().to_vec(),
            Err(refusal) => vec![refusal],
        };
        for remedy in refusals.iter().flat_map(|refusal| &refusal.remedies) {
            let answer = plan(&snapshot, &remedy.request);
            if let Ok(plan) = &answer {
                prop_assert_eq!(plan.destroys(), remedy.destroys, "{}", remedy.label);
            }
            // A remedy may need another one first; it never leads back to itself.
            if let Err(refusal) = answer {
                prop_assert!(refusal.remedies.iter().all(|next| next.request != remedy.request), "{}", remedy.label);
            }
        }
    }

    #[test]
    fn the_digest_is_about_what_is_agreed_to_and_nothing_else(
        drawn in drawn(), action in action(), blocks in 1..1000_u64, later in 1..1_000_000_i64
    ) {
        let before = site(&drawn);
        let Ok(first) = before.plan(action.clone()) else { return Ok(()) };
        // Time passes, differences grow: the same is agreed to.
        let mut after = before.clone();
        after.now = after.now.plus_millis(later);
        for session in &mut after.sessions {
            session.difference = session.difference.map(|difference| Blocks(difference.0 + blocks));
        }
        if let Ok(second) = after.plan(action.clone()) {
            prop_assert_eq!(first.digest(), second.digest());
        }
        // Another wish is another agreement, unless it comes to the same steps.
        for session in &mut after.sessions {
            session.phase = Phase::Equivalent;
            session.status = Status::Active;
        }
        if let Ok(third) = after.plan(action) {
            let strip = |plan: &Plan| {
                let choices = plan.choices();
                plan.items().iter().map(|item| (item.volume, agreed(&item.steps, &choices))).collect::<Vec<_>>()
            };
            prop_assert_eq!(strip(&first) == strip(&third), first.digest() == third.digest());
        }
    }

    #[test]
    fn a_change_makes_the_new_snapshot_out_of_the_old_one(old in drawn(), new in drawn(), later in 0..100_i64) {
        let old = site(&old).snapshot();
        let mut new_site = site(&new);
        new_site.now = new_site.now.plus_millis(later);
        let mut new = new_site.snapshot();
        new.sequence = old.sequence + 1;
        let change = SnapshotChange::between(&old, &new);
        let mut applied = old.clone();
        change.apply(&mut applied).unwrap();
        prop_assert_eq!(&applied, &new);
        let json = serde_json::to_string(&new).unwrap();
        prop_assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), new);
    }

    #[test]
    fn halves_that_disagree_leave_forced_stop_and_deleting(drawn in drawn(), action in action()) {
        let mut snapshot = site(&drawn).snapshot();
        for session in snapshot.sessions.iter_mut().filter(|session| session.pair.kind == CopyKind::Rec) {
            session.halves = Halves::Disagree {
                other_status: Status::Halted,
                other_phase: Phase::Copying,
                other_words: ArrayWords::default(),
                other_taken_at: Timestamp(0),
            };
        }
        if let Ok(plan) = plan(&snapshot, &Request::new(action)) {
            for step in plan.items().iter().filter(|item| item.verb != Verb::ForceStop).flat_map(|item| &item.steps) {
                let touches_half_open = match step {
                    PlanStep::Resume(ResumeStep { pair, .. }) | PlanStep::Stop(StopStep { pair, .. }) => {
                        snapshot.session(pair).is_some_and(SessionView::is_half_open)
                    }
                    PlanStep::Suspend(SuspendStep { pairs, .. }) => {
                        pairs.iter().any(|pair| snapshot.session(pair).is_some_and(SessionView::is_half_open))
                    }
                    _ => false,
                };
                prop_assert!(!touches_half_open, "{:?}", step);
            }
        }
    }
}

/// The steps without figures.
fn agreed(steps: &[PlanStep], choices: &[(VolumeId, VolumeId)]) -> Vec<PlanStep> {
    let mut steps = steps.to_vec();
    for step in &mut steps {
        match step {
            PlanStep::ChangeSite(step) => step.parts = agreed(&step.parts, choices),
            // Any equal volume of the same box.
            PlanStep::StartFull(StartFullStep { pair, .. }) if choices.contains(&(pair.source, pair.target)) => {
                pair.target.olu = pair.source.olu;
            }
            PlanStep::Resume(ResumeStep { difference, .. }) => *difference = None,
            PlanStep::RegisterBackup(RegisterBackupStep { volume }) => volume.registered_at = Timestamp(0),
            PlanStep::RegisterTransaction(RegisterTransactionStep { volume }) => volume.registered_at = Timestamp(0),
            _ => {}
        }
    }
    steps
}
