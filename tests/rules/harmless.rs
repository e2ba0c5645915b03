//! Before anything is ended or given up, a refusal shows what gives nothing up.

use crate::site::{Site, backup, notices, resume, round, start, suspend};
use ecdeck::model::advice::{Advice, TermUse, UnknownTerm};
use ecdeck::model::codes::Code;
use ecdeck::model::copy::Ability;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::plan::Refusal;
use ecdeck::model::records::BackupMode;
use ecdeck::model::request::{Action, CancelScope, Verb};
use ecdeck::model::session::{ArrayWords, CopyKind, Direction, Phase, RecModes, Status, TransferMode};
use std::collections::BTreeSet;

/// The first thing that is shown ends no session and gives nothing up.
#[track_caller]
fn begins_harmlessly(refusal: &Refusal, what: &str) {
    let ends = |verb| matches!(verb, Verb::Cancel | Verb::ForceStop);
    let first = refusal.remedies.first();
    if first.is_some_and(|remedy| remedy.destroys || ends(remedy.request.action.verb())) {
        assert!(!refusal.advice.is_empty(), "{what}: {refusal}: {:?}", refusal.remedies);
    }
}

fn actions(source: VolumeId, target: VolumeId) -> Vec<Action> {
    vec![
        start(&[source]),
        Action::Start { volumes: vec![source], targets: vec![(source, target)], together: false },
        resume(source),
        suspend(source),
        backup(source, None),
        Action::Cancel { volumes: vec![source], scope: CancelScope::Live },
        Action::Cancel { volumes: vec![source], scope: CancelScope::One(target) },
        Action::Unregister { volume: source },
        Action::Unregister { volume: target },
    ]
}

/// Every state of a session, and how it may differ from the usual one.
fn sites() -> Vec<(String, Site, VolumeId, VolumeId)> {
    let mut all = Vec::new();
    let facts = ["", "reversed", "direction", "kind", "stack", "through", "modes", "half"];
    for (status, phase) in Status::ALL.into_iter().flat_map(|status| Phase::ALL.map(|phase| (status, phase))) {
        for (fact, kept) in facts.iter().flat_map(|fact| [(*fact, false), (*fact, true)]) {
            let (mut site, source, [near, ..]) = round();
            let far = site.backup_volume(1, 0x31, 48);
            let remote = matches!(fact, "stack" | "through" | "modes" | "half");
            let target = if remote { far } else { near };
            let session = site.session(source, target, status, phase);
            match fact {
                "reversed" => session.direction = Direction::Reversed,
                "direction" => session.direction = Direction::Unknown,
                "kind" => session.pair.kind = CopyKind::Other,
                "stack" => session.modes = Some(RecModes { transfer: TransferMode::Stack, ..RecModes::default() }),
                "through" => session.modes = Some(RecModes { transfer: TransferMode::Through, ..RecModes::default() }),
                "modes" => session.modes = None,
                _ => {}
            }
            if fact == "half" {
                site.halves[0] = site.sessions.pop();
            }
            if kept {
                site.generation(source, target);
            }
            all.push((format!("{status}, {phase}, {fact}, kept: {kept}"), site, source, target));
        }
    }
    all
}

#[test]
fn whatever_the_state_a_refusal_shows_first_what_gives_nothing_up() {
    let mut codes = BTreeSet::new();
    for (what, site, source, target) in sites() {
        for action in actions(source, target) {
            if let Err(refusal) = site.plan(action.clone()) {
                begins_harmlessly(&refusal, &format!("{what}, {action:?}"));
                codes.extend((!refusal.advice.is_empty()).then_some(refusal.code));
            }
        }
    }
    let wanted = [
        Code::UNKNOWN_WORDS,
        Code::KIND_UNKNOWN,
        Code::DIRECTION_UNKNOWN,
        Code::REVERSED,
        Code::HALF_OPEN,
        Code::HALTED,
        Code::ERROR_SUSPENDED,
        Code::NO_SUSPEND_IN_THIS_MODE,
        Code::NOT_SUSPENDABLE,
        Code::ALREADY_SYNCHRONIZING,
        Code::VOLUME_IN_USE,
    ];
    let missing: Vec<Code> = wanted.into_iter().filter(|code| !codes.contains(code)).collect();
    assert!(missing.is_empty(), "no refusal with advice for {missing:?}");
}

#[test]
fn a_pool_without_a_free_volume_is_answered_with_one_more_volume_first() {
    let (mut site, source, targets) = round();
    site.policy(source, 3, BackupMode::Suspend);
    for target in targets {
        site.session(source, target, Status::Suspended, Phase::Tracking);
        site.generation(source, target);
    }
    let refusal = site.plan(start(&[source])).unwrap_err();
    assert_eq!(refusal.code, Code::NO_BACKUP_VOLUME);
    assert!(refusal.advice[0].text.contains("`ecdeck volume add --backup VOLUME`"), "{refusal:?}");
}

#[test]
fn a_word_without_a_meaning_is_answered_with_the_lines_that_give_it_one() {
    let lines = |word: &str| vec!["[[array.ccm.words]]".to_owned(), format!("word = \"{word}\"")];
    let term = |used_as, word: &str| UnknownTerm {
        used_as,
        term: word.into(),
        what: format!("\"{word}\" of a session"),
        advice: Advice::new("it is in no table").with_lines(lines(word)),
    };
    let (mut site, source, [target, ..]) = round();
    site.session(source, target, Status::Unknown, Phase::Tracking).words =
        ArrayWords { status: "EC Rest".into(), phase: "Tracking".into() };
    site.unknown_terms = vec![
        term(TermUse::Status, "EC Rest"),
        term(TermUse::Status, "EC of another session"),
        term(TermUse::Phase, "Tracking"),
    ];
    let refusal = site.plan(backup(source, None)).unwrap_err();
    let shown: Vec<&[String]> = refusal.advice.iter().map(|advice| &advice.lines[..]).collect();
    assert_eq!(shown, [lines("EC Rest")], "{refusal:?}");
    assert_eq!(refusal.remedies.last().unwrap().request.action.verb(), Verb::ForceStop, "the last way");
    let attentions = site.snapshot().arrays[0].attentions.clone();
    assert!(
        attentions.iter().any(|it| it.code == Code::UNKNOWN_WORDS && it.text.contains("EC Rest")),
        "{attentions:?}"
    );
}

#[test]
fn what_an_array_never_shows_stands_in_every_plan_of_a_start() {
    let (mut site, source, [target, ..]) = round();
    site.capabilities.sees_target_writes = Ability::Unknown;
    assert!(notices(&site.plan(start(&[source])).unwrap()).contains(&Code::HOST_WRITES_NOT_SEEN));
    site.session(source, target, Status::Suspended, Phase::Tracking);
    assert!(notices(&site.plan(resume(source)).unwrap()).contains(&Code::HOST_WRITES_NOT_SEEN));
}
