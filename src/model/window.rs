//! How a volume stands to the backup window of its policy: in time, late, missed. Pure: the time zone is given.

use super::backup_window::{WindowState, WindowTimes, WindowView};
use super::due::is_due_after;
use super::entity::Policy;
use super::snapshot::{Ready, TransactionState};
use super::units::Timestamp;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// What is decided on.
#[derive(Debug, Clone, Copy)]
pub struct WindowFacts {
    pub policy: Policy,
    /// When the window was set: one that began before is never missed.
    pub since: Option<Timestamp>,
    /// The newest backup that is not dated in the future.
    pub last_backup: Option<Timestamp>,
    pub state: TransactionState,
    pub ready: Ready,
    /// When its copy's state last changed.
    pub changed: Option<Timestamp>,
    /// Milliseconds that the copy before its newest backup took.
    pub copied_in: Option<i64>,
    pub now: Timestamp,
}

/// For so long a copy may be without a rate before that is worth saying, in milliseconds.
const ESTIMATING: i64 = 2 * 60 * Timestamp::SECOND;

/// How a volume stands to the window of its policy; `None`: it has none.
pub fn judge(facts: &WindowFacts, zone: &TimeZone) -> Option<WindowView> {
    let WindowFacts { policy, last_backup, now, .. } = *facts;
    let window = policy.window?;
    let (last, next) = window.around(zone, now)?;
    let is_running = next.start <= now;
    let is_due = is_due_after(last_backup, policy, next.end);
    let view = |times: WindowTimes, state, why| Some(WindowView { start: times.start, end: times.end, state, why });
    let clock = |at: Timestamp| clock(zone, at);
    let ahead = if last_backup.is_some_and(|at| at >= next.start) {
        (WindowState::Done, String::new())
    } else if is_due {
        ahead(facts, next, is_running, &clock)
    } else {
        (WindowState::NotDue, String::new())
    };
    if ahead.0.is_trouble() || ahead.0 == WindowState::Done || !is_missed(facts, last) {
        return view(next, ahead.0, ahead.1);
    }
    let so_far = match facts.ready {
        Ready::Now => ", it is equivalent now".to_owned(),
        Ready::Between { latest, .. } => format!(", its copy is ready at {}", clock(latest)),
        Ready::NotYetKnown => ", its copy runs".to_owned(),
        Ready::Never => String::new(),
    };
    view(last, WindowState::Missed, format!("no backup by {}, the end of the window {window}{so_far}", clock(last.end)))
}

/// A backup that was made at this moment came after the end of its window, which it missed: that end.
pub fn missed_before(
    policy: Policy,
    since: Option<Timestamp>,
    earlier: Option<Timestamp>,
    at: Timestamp,
    zone: &TimeZone,
) -> Option<WindowTimes> {
    let (last, next) = policy.window?.around(zone, at)?;
    let (state, ready, changed, copied_in) = (TransactionState::None, Ready::Never, None, None);
    let facts = WindowFacts { policy, since, last_backup: earlier, state, ready, changed, copied_in, now: at };
    (at < next.start && is_missed(&facts, last)).then_some(last)
}

fn is_missed(facts: &WindowFacts, last: WindowTimes) -> bool {
    facts.since.is_some_and(|since| since <= last.start)
        && facts.last_backup.is_none_or(|at| at < last.start)
        && is_due_after(facts.last_backup, facts.policy, last.end)
}

/// What is to be expected of a window that is not over, for a volume that is due and not backed up in it.
fn ahead(
    facts: &WindowFacts,
    times: WindowTimes,
    is_running: bool,
    clock: &dyn Fn(Timestamp) -> String,
) -> (WindowState, String) {
    let WindowFacts { now, ready, state, .. } = *facts;
    let ends = format!("the window ends at {}", clock(times.end));
    let calm = |state| (state, String::new());
    match (ready, state) {
        (Ready::Now, _) => calm(WindowState::InTime),
        (Ready::Between { latest, .. }, _) if latest <= times.end => calm(WindowState::InTime),
        (Ready::Between { earliest, latest }, _) if earliest == latest => {
            (WindowState::Late, format!("equivalent at {}, {ends}", clock(latest)))
        }
        (Ready::Between { earliest, latest }, _) => {
            let (earliest, latest) = (clock(earliest), clock(latest));
            (WindowState::Late, format!("equivalent between {earliest} and {latest}, {ends}"))
        }
        (Ready::NotYetKnown, _) if facts.changed.is_some_and(|since| now.since(since) < ESTIMATING) => {
            calm(WindowState::Estimating)
        }
        (Ready::NotYetKnown, _) => (WindowState::Unknown, format!("the rate of its copy is not known, {ends}")),
        (Ready::Never, TransactionState::None | TransactionState::Suspended) => match facts.copied_in {
            Some(millis) if is_running && now.plus_millis(millis) > times.end => {
                let took = super::duration::people(millis);
                (WindowState::Late, format!("its copy is not started, the last one took {took}, {ends}"))
            }
            _ => calm(WindowState::Waiting),
        },
        // Before the window begins somebody can still mend it, and it is a trouble of its own.
        (Ready::Never, _) if !is_running => calm(WindowState::Waiting),
        (Ready::Never, TransactionState::Copying | TransactionState::Equivalent | TransactionState::Unknown) => {
            (WindowState::Unknown, format!("nothing is known of its copy now, {ends}"))
        }
        (Ready::Never, state) => (WindowState::Late, format!("its copy does not run ({state}), {ends}")),
    }
}

/// `05:00`, with the offset where the clocks show that time twice.
fn clock(zone: &TimeZone, at: Timestamp) -> String {
    let Ok(at) = jiff::Timestamp::from_millisecond(at.0) else { return "?".to_owned() };
    let local = zone.to_datetime(at);
    let is_twice = matches!(zone.to_ambiguous_timestamp(local).offset(), AmbiguousOffset::Fold { .. });
    let format = if is_twice { "%H:%M%:z" } else { "%H:%M" };
    at.to_zoned_datetime(zone.clone()).strftime(format).to_string()
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
