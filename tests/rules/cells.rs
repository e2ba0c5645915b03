//! The total table: every cell, against the rules in words.

use crate::site::{Site, backup, resume, start, suspend};
use ecdeck::model::codes::Code;
use ecdeck::model::plan::PlanStep;
use ecdeck::model::plan::legality::{Legality, PairVerb, legality};
use ecdeck::model::records::BackupMode;
use ecdeck::model::request::{Action, CancelScope};
use ecdeck::model::session::{Phase, Status};

/// What a cell must be, told in sentences and not by the table's rows.
fn expected(status: Status, phase: Phase, verb: PairVerb) -> Legality {
    use Legality::{Force, Legal, Refused};
    let no_session = status == Status::Idle && phase == Phase::NoPair;
    let unknown = status == Status::Unknown || phase == Phase::Unknown || (status == Status::Idle && !no_session);
    let equivalent = status == Status::Active && phase == Phase::Equivalent;
    let unfinished = matches!(phase, Phase::Copying | Phase::NoPair | Phase::Readying);
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
        PairVerb::Cancel if equivalent || (status == Status::Suspended && !unfinished) => Legal,
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

#[test]
fn every_cell_is_as_the_rules_say() {
    for status in Status::ALL {
        for phase in Phase::ALL {
            for verb in PairVerb::ALL {
                assert_eq!(legality(status, phase, verb), expected(status, phase, verb), "{status}, {phase}, {verb}");
            }
        }
    }
}

/// A transaction volume with one session of ours in a state, and an unused backup volume beside.
fn site(status: Status, phase: Phase) -> (Site, ecdeck::model::identity::VolumeId) {
    let mut site = Site::new();
    let source = site.transaction_volume("ora01", 0, 0x10, 48);
    let target = site.backup_volume(0, 0x21, 48);
    site.policy(source, 2, BackupMode::Suspend);
    site.session(source, target, status, phase);
    (site, source)
}

#[test]
fn plans_do_what_the_cell_of_the_only_session_says() {
    for status in Status::ALL.into_iter().filter(|status| *status != Status::Idle) {
        for phase in Phase::ALL {
            let (site, source) = site(status, phase);
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
                let told = format!("{status}, {phase}, {verb}: {plan:?}");
                match legality(status, phase, verb) {
                    Legality::Refused(code) => assert_eq!(plan.map_err(|refusal| refusal.code), Err(code), "{told}"),
                    cell => assert_eq!(forces(&plan.expect(&told)), cell == Legality::Force, "{told}"),
                }
            }
        }
    }
}

fn forces(plan: &ecdeck::model::plan::Plan) -> bool {
    plan.items()
        .iter()
        .flat_map(|item| &item.steps)
        .any(|step| matches!(step, PlanStep::Suspend { force: true, .. } | PlanStep::Stop { force: true, .. }))
}
