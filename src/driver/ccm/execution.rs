//! Runs a command: the group and the pairs are there, the state is read, then each pair is commanded once.
//!
//! What a session is like is looked at in the same turn, right before: a pair that is not in the state that the command is
//! meant for is not commanded.

use super::array::{CcmDriver, Named, Run};
use super::command;
use super::groups::{self, LeftOver};
use super::looks::Number;
use super::names::{GroupName, GroupType};
use super::reading;
use super::refusal::{UNKNOWN_ARGUMENT, refusal, refused};
use super::reply::copies::CopyRow;
use super::reply::execution::{self as answer, Said};
use super::server::{Names, ServerError, Turn};
use super::word_table::{self, StatusMeaning};
use crate::driver::MaySend;
use crate::driver::transport::ExecError;
use crate::driver::transport::argv::Argv;
use crate::model::copy::{ArrayRefusal, Command, ErrorClass, Outcome, PairOutcome};
use crate::model::session::{CopyKind, Direction, Pair, Phase, RecModes, Status};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The command lines that a command means for one pair, when its group and pair are yet to be made. For people.
pub(super) fn commands(command: &Command, named: &Named, modes: RecModes) -> Vec<Argv> {
    let mut lines = Vec::new();
    if matches!(command, Command::Start { .. } | Command::StartOpc { .. }) {
        lines.push(command::add_pair(&named.group, &named.name));
    }
    lines.extend(line(command, named, modes));
    if matches!(command, Command::Stop { .. }) {
        lines.push(command::remove_pair(&named.group, &named.name));
    }
    lines
}

/// The command line that does it.
fn line(command: &Command, named: &Named, modes: RecModes) -> Option<Argv> {
    let Named { name, group, group_type, .. } = named;
    let rec = *group_type == GroupType::Rec;
    Some(match command {
        Command::Start { modes: given, .. } => {
            let modes = given.unwrap_or(modes);
            command::start(group, *group_type, name, rec.then_some(&modes))
        }
        Command::Resume { .. } => command::resume(group, name),
        Command::StartOpc { .. } => command::start(group, *group_type, name, None),
        Command::Suspend { force, .. } => command::suspend(group, name, *force),
        Command::Stop { force, .. } => command::cancel(group, *group_type, name, *force),
        Command::Reverse { .. } => command::reverse(group, name),
        Command::ChangeMode { modes, .. } if rec => command::change(group, name, modes),
        Command::ChangeMode { .. } => return None,
    })
}

/// Does a command: an outcome for each pair, in order. `limit` counts from its turn, in which `may_send` is asked first.
pub(super) async fn execute(
    driver: &CcmDriver,
    command: Command,
    limit: Duration,
    may_send: MaySend,
) -> Vec<PairOutcome> {
    let pairs = command.pairs().to_vec();
    let all = |outcome: &Outcome| {
        pairs.iter().map(|pair| PairOutcome { pair: *pair, outcome: outcome.clone() }).collect::<Vec<_>>()
    };
    if let Some(refusal) = never(driver, &command) {
        return all(&Outcome::Refused(refusal));
    }
    let came = driver.server.draw();
    let mut turn = driver.server.turn(limit).await;
    if let Err(refusal) = may_send() {
        return all(&Outcome::Refused(refusal));
    }
    let names = match turn.names(&driver.words, false).await {
        Ok(names) => names,
        Err(wrong) => return all(&before_sending(&wrong)),
    };
    let mut outcomes: BTreeMap<Pair, Outcome> = BTreeMap::new();
    let mut ready: Vec<Named> = Vec::new();
    for pair in &pairs {
        match driver.named(&command, pair, &names, &turn.groups) {
            Ok(named) => ready.push(named),
            Err(wrong) => {
                outcomes.insert(*pair, before_sending(&wrong));
            }
        }
    }
    let mut left_over = Vec::new();
    let states = match shared_look(driver, &turn, &command, &ready, came) {
        Some(states) => states,
        None => look(driver, &mut turn, &ready, &names, &mut outcomes, &mut left_over).await,
    };
    send_all(driver, &mut turn, &command, &ready, &states, &mut outcomes).await;
    groups::tidy(driver, &mut turn, &ready, &left_over, &names).await;
    if changes_what_others_see(&command, &outcomes) {
        driver.memory().discovered = None;
    }
    pairs
        .iter()
        .map(|pair| {
            let nothing = || refused(ErrorClass::Transport, "nothing was sent for this pair");
            PairOutcome { pair: *pair, outcome: outcomes.remove(pair).unwrap_or_else(nothing) }
        })
        .collect()
}

/// Whether the list of all sessions may be another one now. A pair that is suspended or goes on keeps its session, and its
/// group shows it.
fn changes_what_others_see(command: &Command, outcomes: &BTreeMap<Pair, Outcome>) -> bool {
    let keeps = matches!(command, Command::Suspend { .. } | Command::Resume { .. });
    !keeps || !outcomes.values().all(|outcome| matches!(outcome, Outcome::Done | Outcome::Accepted))
}

/// What cannot be done by any state of the array.
fn never(driver: &CcmDriver, command: &Command) -> Option<ArrayRefusal> {
    use crate::driver::Driver;
    let capabilities = driver.capabilities();
    let verb = command.verb();
    if let Some(pair) = command.pairs().iter().find(|pair| !capabilities.can(pair.kind, verb)) {
        return Some(refusal(
            ErrorClass::Unsupported,
            format!("CCM has no command here to {verb} a copy of kind {}", pair.kind),
        ));
    }
    if let Command::Suspend { pairs, together, .. } = command {
        if *together && pairs.len() > 1 {
            return Some(refusal(
                ErrorClass::Unsupported,
                "whether CCM suspends several pairs at one instant is not known; freeze the applications around single suspends",
            ));
        }
        if let Some(pair) = pairs.iter().find(|pair| !driver.words.can_tell(pair.kind, StatusMeaning::Suspended)) {
            return Some(refusal(
                ErrorClass::Config,
                format!(
                    "no word of CCM for a suspended {} is confirmed, so the suspend could not be observed: \
                     see it once with `acec query` and add it to the array's words in the configuration",
                    pair.kind
                ),
            ));
        }
    }
    None
}

/// An outcome of what went wrong while nothing was done to any session.
fn before_sending(wrong: &ServerError) -> Outcome {
    let class = match wrong.class() {
        class @ (ErrorClass::Busy | ErrorClass::Config | ErrorClass::Auth | ErrorClass::Limit) => class,
        _ if wrong.is_refusal() => wrong.class(),
        _ => ErrorClass::Transport,
    };
    refused(class, format!("nothing was done: {wrong}"))
}

/// The states by a look that began after the command had come, whoever it was made for. Only an un-forced suspend goes by
/// one: the array itself refuses it unless the pair is equivalent. `None`: a look of its own decides.
fn shared_look(
    driver: &CcmDriver,
    turn: &Turn<'_>,
    command: &Command,
    ready: &[Named],
    came: Number,
) -> Option<BTreeMap<Pair, State>> {
    if !matches!(command, Command::Suspend { force: false, .. }) {
        return None;
    }
    let (looks, now) = (turn.looks(), Instant::now());
    let of_pair = |named: &Named| {
        let state = state(driver, looks.row(&named.group, &named.name, came, now)?, named, false);
        settled(command, &state).is_none().then_some((named.pair, state))
    };
    ready.iter().map(of_pair).collect()
}

/// Makes groups and pairs where they are missing and looks at every pair's state.
async fn look(
    driver: &CcmDriver,
    turn: &mut Turn<'_>,
    ready: &[Named],
    names: &Names,
    outcomes: &mut BTreeMap<Pair, Outcome>,
    left_over: &mut Vec<LeftOver>,
) -> BTreeMap<Pair, State> {
    let mut states = BTreeMap::new();
    let mut groups: Vec<(GroupName, GroupType)> = Vec::new();
    for named in ready {
        let group = (named.group.clone(), named.group_type);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    for (group, group_type) in groups {
        let members: Vec<&Named> = ready.iter().filter(|named| named.group == group).collect();
        match groups::with_pairs(driver, turn, &group, group_type, &members, names, outcomes).await {
            Ok((query, added)) => {
                left_over.extend(groups::left_over(driver, &group, &query, ready));
                for named in &members {
                    if outcomes.contains_key(&named.pair) {
                        continue;
                    }
                    if let Some(row) = query.row_of(&named.name) {
                        states.insert(named.pair, state(driver, row, named, added.contains(&named.pair)));
                    } else {
                        let text = format!("{} is not in the group {group}, though it was added", named.name);
                        outcomes.insert(named.pair, refused(ErrorClass::Protocol, text));
                    }
                }
            }
            Err(wrong) => {
                for named in members {
                    outcomes.entry(named.pair).or_insert_with(|| before_sending(&wrong));
                }
            }
        }
    }
    states
}

/// A pair right before it is commanded.
struct State {
    /// `None`: no session.
    session: Option<(Status, Phase)>,
    /// Of the session, where there is one.
    direction: Direction,
    words: String,
    /// The pair was put into the group for this command.
    added: bool,
    /// The source is in another box than this driver's: CCM's query does not show what this box has.
    of_other_box: bool,
}

fn state(driver: &CcmDriver, row: &CopyRow, named: &Named, added: bool) -> State {
    let session = reading::session(driver, row, named.pair.source, named.pair.target, named.pair.kind, "");
    let direction = session.as_ref().map_or(Direction::Forward, |session| session.direction);
    let is_exchanged = row.pair_name().is_some_and(|name| name != named.name);
    let direction = if is_exchanged { direction.turned() } else { direction };
    State {
        direction,
        session: session.map(|session| (session.status, session.phase)),
        words: format!("{} / {}", row.status.escaped(), row.phase.escaped()),
        added,
        of_other_box: named.name.source.array != driver.settings.array,
    }
}

/// What the state makes of a command: `None` to send it, or the outcome without sending.
fn settled(command: &Command, state: &State) -> Option<Outcome> {
    use Status::{Active, Halted, Reserved, Suspended, Unknown};
    enum Means {
        Send,
        Already,
        Nothing,
        Wrong(&'static str),
        Unable(&'static str),
    }
    let status = state.session.map(|(status, _)| status);
    let unknown = matches!(state.session, Some((Unknown, _) | (_, Phase::Unknown)));
    let suspended_only = match status {
        Some(Suspended) => Means::Send,
        Some(_) => Means::Wrong("the session is not suspended"),
        None => Means::Nothing,
    };
    let means = match command {
        Command::Stop { .. } if status.is_none() && state.of_other_box => Means::Unable(
            "what only its target's box has left of a REC is ended at that array: by its web interface or CLI",
        ),
        Command::Stop { .. } if status.is_none() => Means::Already,
        Command::Stop { force: true, .. } => Means::Send,
        _ if unknown => Means::Wrong("the session's words are not known, so nothing was sent"),
        Command::Stop { .. } => Means::Send,
        Command::Start { .. } | Command::Resume { .. } | Command::Suspend { .. }
            if state.direction == Direction::Reversed =>
        {
            Means::Wrong("the session is reversed: it copies from its target to its source, so nothing was sent")
        }
        Command::Start { .. } | Command::Resume { .. } | Command::Suspend { .. }
            if state.direction == Direction::Unknown =>
        {
            Means::Wrong("which way the session copies is not known, so nothing was sent")
        }
        Command::Start { .. } => match status {
            None => Means::Send,
            Some(Active | Reserved) => Means::Already,
            Some(_) => Means::Wrong("there is a session already, and a start would continue it"),
        },
        Command::StartOpc { .. } if status.is_none() => Means::Send,
        Command::StartOpc { .. } => Means::Wrong("an earlier copy of this pair is still at work"),
        Command::Resume { .. } => match status {
            Some(Active) => Means::Already,
            Some(Halted) => Means::Send,
            _ => suspended_only,
        },
        Command::Suspend { .. } => match status {
            Some(Suspended) => Means::Already,
            Some(_) => Means::Send,
            None => Means::Nothing,
        },
        Command::Reverse { .. } | Command::ChangeMode { .. } => suspended_only,
    };
    let says = |class, text: &str| Some(refused(class, format!("{text} (CCM says: {})", state.words)));
    match means {
        Means::Send => None,
        Means::Already => Some(Outcome::AlreadyDone),
        Means::Nothing => says(ErrorClass::NotFound, "there is no session"),
        Means::Wrong(text) => says(ErrorClass::InvalidState, text),
        Means::Unable(text) => says(ErrorClass::Unsupported, text),
    }
}

/// Commands the pairs one after the other. After a lost answer nothing more is sent: the line is not to be trusted.
async fn send_all(
    driver: &CcmDriver,
    turn: &mut Turn<'_>,
    command: &Command,
    ready: &[Named],
    states: &BTreeMap<Pair, State>,
    outcomes: &mut BTreeMap<Pair, Outcome>,
) {
    let mut lost = false;
    for named in ready {
        let Some(state) = states.get(&named.pair) else { continue };
        if outcomes.contains_key(&named.pair) {
            continue;
        }
        if lost {
            let text = "not sent: the answer of the command before it was lost";
            outcomes.insert(named.pair, refused(ErrorClass::Transport, text));
            continue;
        }
        let outcome = match settled(command, state) {
            Some(outcome) => outcome,
            None => match line(command, named, driver.settings.rec_modes(&named.name.target.array)) {
                Some(argv) => {
                    let outcome = send(driver, turn, &argv, named, command).await;
                    let outcome = in_other_words(driver, turn, named, command, outcome).await;
                    check_refusal(driver, turn, command, named, state, outcome).await
                }
                None => refused(ErrorClass::Unsupported, "modes are of REC only"),
            },
        };
        lost = matches!(outcome, Outcome::Unknown { .. });
        remember(driver, command, named, &outcome);
        if !is_needed(command, state, &outcome) {
            groups::remove_pair(driver, turn, &named.group, &named.name).await;
        }
        outcomes.insert(named.pair, outcome);
    }
}

/// Sends one command for one pair, once.
async fn send(driver: &CcmDriver, turn: &Turn<'_>, argv: &Argv, named: &Named, command: &Command) -> Outcome {
    turn.looks().use_up(&named.name);
    let reply = match turn.send(argv).await {
        Ok(reply) => reply,
        Err(ExecError::NotRun { class, why, .. }) => {
            let class =
                if class == ErrorClass::Config || class == ErrorClass::Auth { class } else { ErrorClass::Transport };
            return refused(class, why.raw());
        }
        Err(wrong @ ExecError::Lost { .. }) => return Outcome::Unknown { why: wrong.to_string() },
    };
    match answer::of_pair(argv, reply.exit, &reply.stdout, &named.name) {
        Ok(Said::Succeeded { warning }) => {
            if let Some(warning) = warning {
                tracing::warn!(command = %argv, "CCM warns: {}", warning.escaped());
            }
            // A REC's suspend goes on after its answer: it is believed when it is seen.
            let goes_on = named.pair.kind == CopyKind::Rec && matches!(command, Command::Suspend { .. });
            if goes_on { Outcome::Accepted } else { Outcome::Done }
        }
        Ok(Said::Refused(refusal)) => Outcome::Refused(driver.words.judge(refusal)),
        Ok(Said::Unclear(why)) => Outcome::Unknown { why },
        Err(wrong) => Outcome::Unknown { why: wrong.to_string() },
    }
}

/// A command that CCM does not know did nothing, and is said in the other way that there may be. An older CCM may have no
/// `acec resume`, and goes on by `acec start`. Whether `acec cancel` has `-force` is on no public page, and it is the way out
/// when nothing else is: without it, CCM may refuse that one, too.
async fn in_other_words(
    driver: &CcmDriver,
    turn: &Turn<'_>,
    named: &Named,
    command: &Command,
    outcome: Outcome,
) -> Outcome {
    if !matches!(&outcome, Outcome::Refused(refusal) if refusal.code == UNKNOWN_ARGUMENT) {
        return outcome;
    }
    let argv = match command {
        Command::Resume { .. } => command::start(&named.group, named.group_type, &named.name, None),
        Command::Stop { force: true, .. } => command::cancel(&named.group, named.group_type, &named.name, false),
        _ => return outcome,
    };
    tracing::warn!(command = %argv, "CCM does not know the command as it was sent: it is sent in the other form");
    send(driver, turn, &argv, named, command).await
}

/// A failure whose reason is in no table may be one of CCM's way to the array, and the array may have done it. A refusal that
/// nothing but words explains may mean something else. "It is so already" may be said of something else than what was wanted.
/// All three are believed together with the session as it is seen afterwards.
async fn check_refusal(
    driver: &CcmDriver,
    turn: &mut Turn<'_>,
    command: &Command,
    named: &Named,
    before: &State,
    outcome: Outcome,
) -> Outcome {
    let Outcome::Refused(refusal) = outcome else { return outcome };
    let is_so = refusal.class == ErrorClass::AlreadyDone
        || (refusal.class == ErrorClass::NotFound && matches!(command, Command::Stop { .. }));
    let by_words = word_table::is_by_words(&refusal);
    if !is_so && !by_words {
        return Outcome::Refused(refusal);
    }
    // What these change is not in a pair's status: the array's own code is all that tells.
    if is_so && !by_words && matches!(command, Command::Reverse { .. } | Command::ChangeMode { .. }) {
        return Outcome::AlreadyDone;
    }
    let failed = format!("CCM answered {}: {}", refusal.code, refusal.text.escaped());
    let names = match turn.names(&driver.words, false).await {
        Ok(names) => names,
        Err(wrong) => return Outcome::Unknown { why: format!("{failed}; and then {wrong}") },
    };
    let after = match reading::query(driver, turn, &named.group, named.group_type, &names).await {
        Ok(query) => query,
        Err(wrong) => return Outcome::Unknown { why: format!("{failed}; and then {wrong}") },
    };
    let row = after.as_ref().and_then(|query| query.row_of(&named.name));
    let Some(after) = row.map(|row| state(driver, row, named, before.added)) else {
        return Outcome::Unknown { why: format!("{failed}; and now the pair is not in its group") };
    };
    let settled = settled(command, &after);
    if is_so && settled == Some(Outcome::AlreadyDone) {
        return Outcome::AlreadyDone;
    }
    if after.session != before.session {
        return Outcome::Unknown { why: format!("{failed}; and now the session is {}", after.words) };
    }
    // It is not so: the refusal is one, and sending the same again would not help.
    let class = if is_so { ErrorClass::InvalidState } else { refusal.class };
    Outcome::Refused(ArrayRefusal { class, ..refusal })
}

/// Whether a pair is needed in its group after this: not when its session is over, nor when it was put in for nothing.
fn is_needed(command: &Command, state: &State, outcome: &Outcome) -> bool {
    let over = matches!(command, Command::Stop { .. }) && matches!(outcome, Outcome::Done | Outcome::AlreadyDone);
    let for_nothing = state.added && state.session.is_none() && matches!(outcome, Outcome::Refused(_));
    !over && !for_nothing
}

fn remember(driver: &CcmDriver, command: &Command, named: &Named, outcome: &Outcome) {
    let mut memory = driver.memory();
    match (command, outcome) {
        (Command::Start { .. }, Outcome::Done) => {
            memory.runs.insert(named.pair, Run::Full);
            memory.changed_modes.remove(&named.pair);
        }
        (Command::Resume { .. }, Outcome::Done) => {
            memory.runs.insert(named.pair, Run::Difference);
        }
        (Command::ChangeMode { modes, .. }, Outcome::Done) => {
            memory.changed_modes.insert(named.pair, *modes);
        }
        (_, Outcome::Refused(_)) => {}
        // What runs now, if anything does, did not surely begin here.
        _ => {
            memory.runs.remove(&named.pair);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> Vec<Option<(Status, Phase)>> {
        let mut states = vec![None];
        states.extend(Status::ALL.iter().flat_map(|status| Phase::ALL.map(|phase| Some((*status, phase)))));
        states
    }

    fn state(session: Option<(Status, Phase)>) -> State {
        State { session, direction: Direction::Forward, words: "words".to_owned(), added: false, of_other_box: false }
    }

    #[test]
    fn nothing_is_started_resumed_or_suspended_against_its_direction_or_in_an_unknown_one() {
        for session in states().into_iter().flatten() {
            for direction in [Direction::Reversed, Direction::Unknown] {
                let state = State { direction, ..state(Some(session)) };
                for command in [
                    Command::Start { pairs: Vec::new(), modes: None },
                    Command::Resume { pairs: Vec::new() },
                    Command::Suspend { pairs: Vec::new(), force: false, together: false },
                ] {
                    assert!(
                        matches!(settled(&command, &state), Some(Outcome::Refused(_))),
                        "{command:?} on {session:?}"
                    );
                }
                assert!(settled(&Command::Stop { pairs: Vec::new(), force: true }, &state).is_none());
            }
        }
    }

    #[test]
    fn only_a_forced_stop_is_ever_sent_on_words_that_are_not_known() {
        let pairs = Vec::new;
        let modes = RecModes::default();
        for session in states().into_iter().flatten() {
            if session.0 != Status::Unknown && session.1 != Phase::Unknown {
                continue;
            }
            for command in [
                Command::Start { pairs: pairs(), modes: None },
                Command::Resume { pairs: pairs() },
                Command::Suspend { pairs: pairs(), force: true, together: false },
                Command::Reverse { pairs: pairs() },
                Command::ChangeMode { pairs: pairs(), modes },
                Command::StartOpc { pairs: pairs() },
            ] {
                assert!(settled(&command, &state(Some(session))).is_some(), "{command:?} on {session:?}");
            }
            let stop = Command::Stop { pairs: pairs(), force: true };
            assert!(settled(&stop, &state(Some(session))).is_none(), "{session:?}");
        }
    }

    #[test]
    fn a_start_is_sent_only_where_there_is_no_session_and_a_resume_only_where_one_waits() {
        for session in states() {
            let start = settled(&Command::Start { pairs: Vec::new(), modes: None }, &state(session));
            assert_eq!(start.is_none(), session.is_none(), "{session:?}");
            let resume = settled(&Command::Resume { pairs: Vec::new() }, &state(session));
            let waits = matches!(session, Some((Status::Suspended | Status::Halted, phase)) if phase != Phase::Unknown);
            assert_eq!(resume.is_none(), waits, "{session:?}");
        }
    }
}
