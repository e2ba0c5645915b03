use super::*;
use crate::model::backup_window::BackupWindow;
use crate::model::entity::BackupMode;

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn window(text: &str) -> BackupWindow {
    text.parse().unwrap()
}

fn facts(now: &str) -> WindowFacts {
    let policy = Policy { window: Some(window("02:00-05:00")), ..Policy::new(3, 1, BackupMode::Suspend) };
    WindowFacts {
        policy,
        since: Some(at("2026-01-01T00:00:00Z")),
        last_backup: Some(at("2026-01-09T03:00:00Z")),
        state: TransactionState::Copying,
        ready: Ready::NotYetKnown,
        changed: Some(at("2026-01-10T01:30:00Z")),
        copied_in: None,
        now: at(now),
    }
}

fn judged(facts: WindowFacts) -> WindowView {
    judge(&facts, &TimeZone::UTC).unwrap()
}

fn between(earliest: &str, latest: &str) -> Ready {
    Ready::Between { earliest: at(earliest), latest: at(latest) }
}

#[test]
fn a_copy_that_ends_after_the_window_is_late_at_once() {
    // Long before the window begins.
    let now = "2026-01-09T20:00:00Z";
    let ends_at = "2026-01-10T05:40:00Z";
    let late = judged(WindowFacts { ready: between(ends_at, ends_at), ..facts(now) });
    assert_eq!(late.state, WindowState::Late);
    assert_eq!(late.sentence(), "late: equivalent at 05:40, the window ends at 05:00");
    let perhaps = judged(WindowFacts { ready: between("2026-01-10T04:50:00Z", ends_at), ..facts(now) });
    assert_eq!(perhaps.why, "equivalent between 04:50 and 05:40, the window ends at 05:00");
    let in_time = between("2026-01-10T04:50:00Z", "2026-01-10T05:00:00Z");
    assert_eq!(judged(WindowFacts { ready: in_time, ..facts(now) }).state, WindowState::InTime);
    let equivalent = WindowFacts { ready: Ready::Now, state: TransactionState::Equivalent, ..facts(now) };
    assert_eq!(judged(equivalent).state, WindowState::InTime);
}

#[test]
fn a_copy_without_a_rate_is_not_called_calm() {
    let now = "2026-01-10T01:31:00Z";
    assert_eq!(judged(facts(now)).state, WindowState::Estimating, "for a minute");
    let later = judged(facts("2026-01-10T01:33:00Z"));
    assert_eq!(later.state, WindowState::Unknown);
    assert_eq!(
        later.sentence(),
        "in time or late is not known: the rate of its copy is not known, the window ends at 05:00"
    );
    let silent = judged(WindowFacts { ready: Ready::Never, ..facts("2026-01-10T03:00:00Z") });
    assert_eq!(silent.state, WindowState::Unknown);
    let halted = WindowFacts { ready: Ready::Never, state: TransactionState::Halted, ..facts("2026-01-10T03:00:00Z") };
    assert_eq!(judged(halted).state, WindowState::Late);
    assert_eq!(judged(WindowFacts { now: at("2026-01-10T01:00:00Z"), ..halted }).state, WindowState::Waiting);
}

#[test]
fn a_copy_that_is_not_started_is_late_when_it_took_longer() {
    let facts = |now| WindowFacts { ready: Ready::Never, state: TransactionState::Suspended, ..facts(now) };
    let took = |millis, now| judged(WindowFacts { copied_in: millis, ..facts(now) });
    let hour = 3_600_000;
    assert_eq!(took(Some(hour), "2026-01-10T04:00:00Z").state, WindowState::Waiting);
    let late = took(Some(hour), "2026-01-10T04:00:01Z");
    assert_eq!(late.state, WindowState::Late);
    assert!(late.why.contains("its copy is not started, the last one took 60 min"), "{}", late.why);
    assert_eq!(took(None, "2026-01-10T04:00:01Z").state, WindowState::Waiting);
}

#[test]
fn a_window_that_is_over_without_a_backup_was_missed() {
    let morning = WindowFacts { ready: Ready::Now, ..facts("2026-01-10T05:00:00Z") };
    let missed = judged(morning);
    assert_eq!((missed.state, missed.end), (WindowState::Missed, at("2026-01-10T05:00:00Z")));
    assert_eq!(missed.why, "no backup by 05:00, the end of the window 02:00-05:00, it is equivalent now");
    // It lasts into the next window, until there is a backup.
    let next = WindowFacts { now: at("2026-01-11T02:30:00Z"), ..morning };
    assert_eq!(judged(next).state, WindowState::Missed);
    let backed_up = WindowFacts { last_backup: Some(at("2026-01-10T08:00:00Z")), ..morning };
    assert_eq!(
        judged(WindowFacts { now: at("2026-01-10T08:01:00Z"), ..backed_up }).state,
        WindowState::InTime,
        "of the next one"
    );
    // A window that was not set when it began, and one in which no backup is due.
    let new = WindowFacts { since: Some(at("2026-01-10T02:00:01Z")), ..morning };
    assert_ne!(judged(new).state, WindowState::Missed);
    let weekly = Policy { interval_days: 7, ..morning.policy };
    assert_eq!(judged(WindowFacts { policy: weekly, ..morning }).state, WindowState::NotDue);
    let in_it = WindowFacts { last_backup: Some(at("2026-01-10T02:00:00Z")), ..morning };
    assert_eq!(judged(WindowFacts { now: at("2026-01-10T03:00:00Z"), ..in_it }).state, WindowState::Done);
    let plain = Policy { window: None, ..morning.policy };
    assert_eq!(judge(&WindowFacts { policy: plain, ..morning }, &TimeZone::UTC), None);
}

#[test]
fn a_backup_after_the_window_names_what_it_missed() {
    let facts = facts("2026-01-10T05:20:00Z");
    let before =
        |earlier: &str, now: &str| missed_before(facts.policy, facts.since, Some(at(earlier)), at(now), &TimeZone::UTC);
    let missed = before("2026-01-09T03:00:00Z", "2026-01-10T05:20:00Z").unwrap();
    assert_eq!(missed.end, at("2026-01-10T05:00:00Z"));
    assert_eq!(before("2026-01-09T03:00:00Z", "2026-01-10T04:59:59Z"), None, "in its window");
    assert_eq!(before("2026-01-10T03:00:00Z", "2026-01-10T05:20:00Z"), None, "a second one");
}
