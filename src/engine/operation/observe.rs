//! The table of what a reading says about a step: before it, after it, on the way, or something else altogether.

use crate::model::copy::Command;
#[cfg(test)]
use crate::model::session::Phase;
use crate::model::session::{Direction, Pair, Reading, SessionReading, Sight, Status, Truth};
use crate::model::step::ArrayCommand;

/// Where a session stands, seen from a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// As if the step's command had never come.
    Before,
    /// As the command leaves it.
    After,
    /// Neither yet, or in words that are not known here: look again.
    Between,
    /// Nothing that this step could have led to.
    Else,
}

/// Where the session of a pair stands, as a reading presents it. One that does not surely run forward is ended like any other,
/// and is never what another step leads to. One that was not read is looked for again.
fn stands(command: &Command, pair: &Pair, sight: Sight<'_>) -> Seen {
    match sight {
        Sight::Shown(session) if matches!(command, Command::Stop { .. }) => seen(command, Some(session)),
        Sight::Shown(session) if session.pair.kind != pair.kind => Seen::Between,
        Sight::Shown(session) => match session.direction_of(pair) {
            Direction::Forward => seen(command, Some(session)),
            Direction::Reversed => Seen::Else,
            Direction::Unknown => Seen::Between,
        },
        Sight::Absent => seen(command, None),
        Sight::NotRead(_) => Seen::Between,
    }
}

/// Where one session stands.
#[allow(clippy::match_same_arms, reason = "a table reads row by row")]
pub(super) fn seen(command: &Command, session: Option<&SessionReading>) -> Seen {
    use crate::model::session::Phase::{Copying, NoPair};
    use Status::{Active, ErrorSuspended, Halted, Idle, Reserved, Suspended, Unknown};
    let state = session.map(|session| (session.status, session.phase));
    match (command, state) {
        (Command::Stop { .. }, None) => Seen::After,
        (Command::Stop { .. }, Some(_)) | (Command::Start { .. } | Command::StartOpc { .. }, None) => Seen::Before,
        (_, Some((Idle | Unknown, _))) => Seen::Between,
        // A copy that began and was stopped by an error or a lost path did begin.
        (
            Command::Start { .. } | Command::Resume { .. } | Command::StartOpc { .. },
            Some((Active | Reserved | Halted | ErrorSuspended, _)),
        ) => Seen::After,
        (Command::Resume { .. }, Some((Suspended, _))) => Seen::Before,
        (Command::Suspend { force: true, .. }, Some((Suspended, _))) => Seen::After,
        (Command::Suspend { force: true, .. }, Some(_)) => Seen::Before,
        (Command::Suspend { force: false, .. }, Some((Suspended, phase))) if phase.is_whole() => Seen::After,
        (Command::Suspend { force: false, .. }, Some((Suspended, phase))) if !matches!(phase, Copying | NoPair) => {
            Seen::Between
        }
        (Command::Suspend { force: false, .. }, Some((Active | Reserved, _))) => Seen::Before,
        (Command::Start { .. } | Command::Suspend { .. }, Some(_))
        | (Command::Resume { .. } | Command::Suspend { .. }, None) => Seen::Else,
        // No step sends these: nothing is ever taken for their outcome.
        (Command::Reverse { .. } | Command::ChangeMode { .. } | Command::StartOpc { .. }, _) => Seen::Between,
    }
}

/// Where all pairs of a step stand, and which of them the command has yet to be sent for.
pub(super) struct View {
    pub seen: Seen,
    pub before: Vec<Pair>,
    /// Those that stand as the command leaves them.
    pub after: Vec<Pair>,
    /// What the array shows, for people.
    pub text: String,
}

/// Looks at a reading of the step's box. A remembered one is no proof of anything.
pub(super) fn view(step: &ArrayCommand, reading: &Reading) -> View {
    let each: Vec<(Pair, Seen)> =
        step.command.pairs().iter().map(|pair| (*pair, stands(&step.command, pair, reading.look_for(pair)))).collect();
    let any = |wanted: Seen| each.iter().any(|(_, seen)| *seen == wanted);
    let together = step.command.pairs().len() > 1;
    let seen = if reading.truth == Truth::Cached || reading.box_id != step.array || any(Seen::Between) {
        Seen::Between
    } else if any(Seen::Else) {
        Seen::Else
    } else if !any(Seen::Before) {
        Seen::After
    } else if together && any(Seen::After) {
        Seen::Between
    } else {
        Seen::Before
    };
    let those = |wanted: Seen| each.iter().filter(|(_, seen)| *seen == wanted).map(|(pair, _)| *pair).collect();
    let text = step.command.pairs().iter().map(|pair| words(pair, reading)).collect::<Vec<_>>().join("; ");
    View { seen, before: those(Seen::Before), after: those(Seen::After), text }
}

fn words(pair: &Pair, reading: &Reading) -> String {
    let target = pair.target.olu;
    match reading.look_for(pair) {
        Sight::Absent => format!("no session to {target}"),
        Sight::NotRead(why) => format!("{why}, so it is not known whether there is a session to {target}"),
        Sight::Shown(session) => {
            let error = session.error.map(|error| format!(", error {error}")).unwrap_or_default();
            format!("the session to {target} is {}, {}{error}", session.status, session.phase)
        }
    }
}

/// What a step starts from and leads to, for people.
pub(super) fn expectation(command: &Command) -> (&'static str, &'static str) {
    match command {
        Command::Start { .. } | Command::StartOpc { .. } => ("no session", "a session that copies"),
        Command::Resume { .. } => ("a suspended session", "a session that copies"),
        Command::Suspend { force: false, .. } => {
            ("an equivalent session", "a suspended session, equivalent at its suspend")
        }
        Command::Suspend { force: true, .. } => ("a session", "a suspended session"),
        Command::Stop { .. } => ("a session", "no session"),
        Command::Reverse { .. } | Command::ChangeMode { .. } => ("what it was", "what the command leads to"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::operation::fake;
    use crate::model::session::CopyKind;

    fn start() -> Command {
        Command::Start { pairs: vec![fake::pair(1)], modes: None }
    }

    fn resume() -> Command {
        Command::Resume { pairs: vec![fake::pair(1)] }
    }

    fn suspend(force: bool) -> Command {
        Command::Suspend { pairs: vec![fake::pair(1)], force, together: false }
    }

    fn stop() -> Command {
        Command::Stop { pairs: vec![fake::pair(1)], force: true }
    }

    #[test]
    fn only_a_clean_suspend_counts_as_one() {
        let suspend = suspend(false);
        for phase in Phase::ALL {
            let expected = match phase {
                Phase::Copying | Phase::NoPair => Seen::Else,
                phase if phase.is_whole() => Seen::After,
                _ => Seen::Between,
            };
            assert_eq!(seen(&suspend, Some(&fake::session(1, Status::Suspended, phase))), expected, "{phase}");
        }
    }

    #[test]
    fn a_session_that_does_not_surely_run_forward_is_no_outcome_but_of_a_stop() {
        let pair = fake::pair(1);
        let at = |direction| SessionReading { direction, ..fake::session(1, Status::Active, Phase::Copying) };
        let (backwards, either) = (at(Direction::Reversed), at(Direction::Unknown));
        let swapped = SessionReading { pair: pair.turned(), ..at(Direction::Forward) };
        let of_unknown_kind = SessionReading { pair: Pair { kind: CopyKind::Other, ..pair }, ..at(Direction::Forward) };
        for verb in [start(), resume(), suspend(true)] {
            assert_eq!(stands(&verb, &pair, Sight::Shown(&backwards)), Seen::Else);
            assert_eq!(stands(&verb, &pair, Sight::Shown(&swapped)), Seen::Else);
            assert_eq!(stands(&verb, &pair, Sight::Shown(&either)), Seen::Between);
            assert_eq!(stands(&verb, &pair, Sight::Shown(&of_unknown_kind)), Seen::Between);
        }
        for there in [&backwards, &swapped, &either, &of_unknown_kind] {
            assert_eq!(stands(&stop(), &pair, Sight::Shown(there)), Seen::Before);
        }
    }

    #[test]
    fn what_could_not_be_read_is_neither_before_nor_after() {
        for command in [start(), resume(), suspend(false), suspend(true), stop()] {
            assert_eq!(stands(&command, &fake::pair(1), Sight::NotRead("")), Seen::Between, "{command:?}");
        }
    }

    #[test]
    fn unknown_words_are_never_taken_for_an_outcome() {
        for verb in [start(), resume(), suspend(false)] {
            for phase in Phase::ALL {
                assert_eq!(seen(&verb, Some(&fake::session(1, Status::Unknown, phase))), Seen::Between);
            }
        }
    }
}
