//! The total table: every cell, against the rules in words.

use crate::site::{Site, backup, resume, start, suspend};
use ecdeck::model::codes::Code;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::plan::legality::{Facts, Legality, PairVerb, Transfer, legality};
use ecdeck::model::records::BackupMode;
use ecdeck::model::request::{Action, CancelScope};
use ecdeck::model::session::{CopyKind, Direction, Phase, RecModes, Status, TransferMode};
use ecdeck::model::step::{PlanStep, StopStep, SuspendStep};

/// What may be done, said in sentences and not by the table's rows.
fn expected(facts: Facts, verb: PairVerb) -> Legality {
    use Legality::{Force, Legal, Refused};
    let Facts { status, phase, direction, kind_is_known, transfer } = facts;
    let usual = usually(status, phase, verb);
    if status == Status::Idle {
        return usual;
    }
    match verb {
        // Forced stop is the way out of every session, whatever is known of it.
        PairVerb::ForceStop => return usual,
        // A session is ended alike in either direction.
        PairVerb::Cancel => {}
        // Nothing else is done to a session that runs backwards, or in a direction that nobody knows.
        _ if direction == Direction::Reversed => return Refused(Code::REVERSED),
        _ if direction == Direction::Unknown => return Refused(Code::DIRECTION_UNKNOWN),
        _ => {}
    }
    if !kind_is_known {
        return Refused(Code::KIND_UNKNOWN);
    }
    let equivalent = phase == Phase::Equivalent;
    match (verb, usual, transfer) {
        // The target is a copy at one instant in synchronous and in consistency mode only.
        (
            PairVerb::Backup,
            Legal | Refused(Code::NOT_EQUIVALENT),
            Transfer::Mode(TransferMode::Stack | TransferMode::Through),
        ) => Refused(Code::NO_BACKUP_IN_THIS_MODE),
        // A mode that is not known permits neither.
        (PairVerb::Backup, Legal | Refused(Code::NOT_EQUIVALENT), Transfer::Unknown)
        | (PairVerb::Suspend, Force, Transfer::Unknown) => Refused(Code::MODES_UNKNOWN),
        // The array suspends nothing in through mode, and in stack mode only what is equivalent.
        (PairVerb::Suspend, Legal | Force, Transfer::Mode(TransferMode::Through)) => {
            Refused(Code::NO_SUSPEND_IN_THIS_MODE)
        }
        (PairVerb::Suspend, Legal | Force, Transfer::Mode(TransferMode::Stack)) if !equivalent => {
            Refused(Code::NO_SUSPEND_IN_THIS_MODE)
        }
        // A session in consistency mode is ended by force only.
        (PairVerb::Cancel, Legal, Transfer::Mode(TransferMode::Consistency)) => Force,
        // Suspended, it may be in consistency mode and be shown in the mode in force.
        (PairVerb::Cancel, Legal, Transfer::Mode(TransferMode::Through)) if status == Status::Suspended => Force,
        _ => usual,
    }
}

/// The same for a session of which everything is known and usual.
fn usually(status: Status, phase: Phase, verb: PairVerb) -> Legality {
    use Legality::{Force, Legal, Refused};
    let no_session = status == Status::Idle && phase == Phase::NoPair;
    let unknown = status == Status::Unknown || phase == Phase::Unknown || (status == Status::Idle && !no_session);
    let equivalent = status == Status::Active && phase == Phase::Equivalent;
    let whole = matches!(phase, Phase::Equivalent | Phase::Tracking);
    match verb {
        // Forced stop is the way out of every session, and needs one.
        PairVerb::ForceStop if no_session => Refused(Code::NO_SESSION),
        PairVerb::ForceStop => Force,
        // Words that are not known leave nothing else.
        _ if unknown => Refused(Code::UNKNOWN_WORDS),
        // Deleting a generation is the catalogue's own affair.
        PairVerb::Delete => Legal,
        // The absence of a session allows what makes one or copies back.
        PairVerb::Start | PairVerb::Restore | PairVerb::ResumeOnto if no_session => Legal,
        PairVerb::Resume if no_session => Refused(Code::NOTHING_TO_RESUME),
        PairVerb::Suspend | PairVerb::Backup | PairVerb::Cancel if no_session => Refused(Code::NO_SESSION),
        // A cancel is forced unless both sides were identical when it stopped.
        PairVerb::Cancel if equivalent || (status == Status::Suspended && whole) => Legal,
        PairVerb::Cancel => Force,
        _ if status == Status::ErrorSuspended => Refused(Code::ERROR_SUSPENDED),
        PairVerb::Suspend if status == Status::Halted => Force,
        _ if status == Status::Halted => Refused(Code::HALTED),
        PairVerb::Suspend | PairVerb::Backup if equivalent => Legal,
        PairVerb::Suspend if status == Status::Suspended => Refused(Code::ALREADY_SO),
        PairVerb::Suspend => Refused(Code::NOT_SUSPENDABLE),
        PairVerb::Backup if status == Status::Suspended => Refused(Code::RESUME_FIRST),
        PairVerb::Backup => Refused(Code::NOT_EQUIVALENT),
        PairVerb::Start | PairVerb::Resume | PairVerb::Restore | PairVerb::ResumeOnto => {
            if status == Status::Suspended { Legal } else { Refused(Code::ALREADY_SYNCHRONIZING) }
        }
    }
}

const TRANSFERS: [Transfer; 6] = [
    Transfer::Local,
    Transfer::Unknown,
    Transfer::Mode(TransferMode::Synchronous),
    Transfer::Mode(TransferMode::Stack),
    Transfer::Mode(TransferMode::Consistency),
    Transfer::Mode(TransferMode::Through),
];

/// Every combination of what can be known of a session.
fn all_facts() -> Vec<Facts> {
    let mut all = Vec::new();
    for status in Status::ALL {
        for phase in Phase::ALL {
            for direction in Direction::ALL {
                for kind_is_known in [true, false] {
                    all.extend(TRANSFERS.map(|transfer| Facts { status, phase, direction, kind_is_known, transfer }));
                }
            }
        }
    }
    all
}

#[test]
fn every_cell_is_as_the_rules_say() {
    for facts in all_facts() {
        for verb in PairVerb::ALL {
            assert_eq!(legality(&facts, verb), expected(facts, verb), "{facts:?}, {verb}");
        }
    }
}

/// A transaction volume with one session of ours of which this is known, and an unused backup volume beside.
fn site(facts: Facts) -> (Site, VolumeId) {
    let mut site = Site::new();
    let source = site.transaction_volume("ora01", 0, 0x10, 48);
    let local = site.backup_volume(0, 0x21, 48);
    let target = if facts.transfer == Transfer::Local { local } else { site.backup_volume(1, 0x21, 48) };
    site.policy(source, 2, BackupMode::Suspend);
    let session = site.session(source, target, facts.status, facts.phase);
    session.direction = facts.direction;
    session.modes = match facts.transfer {
        Transfer::Mode(transfer) => Some(RecModes { transfer, ..RecModes::default() }),
        Transfer::Local | Transfer::Unknown => None,
    };
    if !facts.kind_is_known {
        session.pair.kind = CopyKind::Other;
    }
    (site, source)
}

#[test]
fn plans_do_what_the_cell_of_the_only_session_says() {
    for facts in all_facts().into_iter().filter(|facts| facts.status != Status::Idle) {
        let (site, source) = site(facts);
        let cancel = Action::Cancel { volumes: vec![source], scope: CancelScope::All };
        let force_stop = Action::ForceStop { volume: source, target: None };
        let verbs = [
            (PairVerb::Start, start(&[source])),
            (PairVerb::Resume, resume(source)),
            (PairVerb::Suspend, suspend(source)),
            (PairVerb::Backup, backup(source, None)),
            (PairVerb::Cancel, cancel),
            (PairVerb::ForceStop, force_stop),
        ];
        for (verb, action) in verbs {
            let plan = site.plan(action);
            let text = format!("{facts:?}, {verb}: {plan:?}");
            match legality(&facts, verb) {
                Legality::Refused(code) => assert_eq!(plan.map_err(|refusal| refusal.code), Err(code), "{text}"),
                cell => assert_eq!(forces(&plan.expect(&text)), cell == Legality::Force, "{text}"),
            }
        }
    }
}

fn forces(plan: &ecdeck::model::plan::Plan) -> bool {
    plan.items().iter().flat_map(|item| &item.steps).any(|step| {
        matches!(
            step,
            PlanStep::Suspend(SuspendStep { force: true, .. }) | PlanStep::Stop(StopStep { force: true, .. })
        )
    })
}
