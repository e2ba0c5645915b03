//! Waiting, with a time limit and a way to let go: the engine goes on in any case.

use super::document::pair_text;
use super::link::{Link, unexpected};
use super::{CliError, Exit, out, times};
use crate::engine::protocol::{Answer, Ask};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::moment::ReadingMark;
use crate::model::session::{Automation, Pair, Phase, Status};
use crate::model::snapshot::{Ready, SessionView, Snapshot, TransactionState};
use crate::model::units::{Progress, Timestamp};
use crate::process::clock;
use std::future::Future;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What waiting came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited<T> {
    Came(T),
    TimeLimit,
    /// The person let go with Ctrl-C.
    Detached,
}

/// How often a wait looks at the clocks: they may be stepped, and the host may sleep.
const LOOK: Duration = Duration::from_secs(1);

/// How long a verb waits, all its waits together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deadline {
    /// On the clock that never jumps.
    limit: Option<Duration>,
    /// By the wall clock.
    until: Option<Timestamp>,
}

impl Deadline {
    pub fn new(limit: Option<Duration>) -> Self {
        Self { limit: limit.map(|limit| clock::steady().saturating_add(limit)), until: None }
    }

    /// The same, and no longer than until this time of the clock.
    pub fn until(self, until: Option<Timestamp>) -> Self {
        Self { until, ..self }
    }

    /// What is left; `None` without a limit.
    fn left(self) -> Option<Duration> {
        let steady = self.limit.map(|limit| limit.saturating_sub(clock::steady()));
        let by_clock = self.until.map(|until| {
            let millis = until.since(clock::now()).saturating_add(1);
            Duration::from_millis(u64::try_from(millis).unwrap_or(0))
        });
        steady.into_iter().chain(by_clock).min()
    }

    /// Returns when nothing is left.
    async fn passed(self) {
        while let Some(left) = self.left() {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
        std::future::pending::<()>().await;
    }

    /// Waits for something that has no way to be let go of. `whom`: who is waited for, and for what; asked only when the time
    /// is over, for finding the engine's process takes a connection of it.
    pub async fn bound<T>(
        self,
        whom: impl FnOnce() -> String,
        awaited: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        tokio::select! {
            biased;
            came = awaited => came,
            () = self.passed() => Err(CliError::new(
                Exit::TimeLimit,
                format!("the time limit has passed; it was waited for {}", whom()),
            )),
        }
    }

    pub async fn wait<T>(self, awaited: impl Future<Output = Result<T, CliError>>) -> Result<Waited<T>, CliError> {
        // Heard from here on, so before anybody is told that we wait.
        let heard = signal(SignalKind::interrupt());
        let mut interrupts = heard.map_err(|error| CliError::failed(format!("signals cannot be received: {error}")))?;
        tokio::select! {
            biased;
            came = awaited => came.map(Waited::Came),
            () = self.passed() => Ok(Waited::TimeLimit),
            _ = interrupts.recv() => Ok(Waited::Detached),
        }
    }
}

/// Why a copy that was waited for does not come to equivalence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverEquivalent {
    pub pair: Pair,
    pub why: String,
}

/// Waits until every pair is equivalent or has stopped moving towards it; gives those that have.
///
/// `since`: readings that had begun by then tell nothing, they may be older than the start.
pub async fn until_equivalent(
    link: &mut Link,
    pairs: &[Pair],
    since: ReadingMark,
    mut progress: ProgressLine,
) -> Result<Vec<NeverEquivalent>, CliError> {
    progress.begin();
    let mut since = since;
    loop {
        let snapshot = link.next_snapshot().await?;
        since = asked_again(link, &snapshot, since).await?;
        let mut stopped = Vec::new();
        let mut moving = false;
        for pair in pairs {
            match towards(&snapshot, pair, since) {
                Towards::There => {}
                Towards::Moving => moving = true,
                Towards::Stopped(why) => stopped.push(NeverEquivalent { pair: *pair, why }),
            }
        }
        if !moving {
            progress.end();
            return Ok(stopped);
        }
        progress.show(&snapshot, pairs);
    }
}

/// Waits until one of the pairs at least is equivalent or has stopped moving towards it; gives all that have. `last` is the
/// newest snapshot that was seen, whatever becomes of the waiting.
pub async fn until_some_are_ready(
    link: &mut Link,
    pairs: &[Pair],
    since: &mut ReadingMark,
    progress: &mut ProgressLine,
    last: &mut Arc<Snapshot>,
) -> Result<Vec<Pair>, CliError> {
    progress.begin();
    loop {
        let snapshot = link.next_snapshot().await?;
        *since = asked_again(link, &snapshot, *since).await?;
        *last = Arc::clone(&snapshot);
        let ready = |pair: &&Pair| !matches!(towards(&snapshot, pair, *since), Towards::Moving);
        let ready: Vec<Pair> = pairs.iter().filter(ready).copied().collect();
        if !ready.is_empty() {
            progress.end();
            return Ok(ready);
        }
        progress.show(&snapshot, pairs);
    }
}

/// The readings that have begun by now.
pub async fn mark(link: &mut Link) -> Result<ReadingMark, CliError> {
    match link.ask(Ask::Wait { operations: Vec::new() }).await? {
        Answer::Ended { mark, .. } => Ok(mark),
        other => Err(unexpected(&other)),
    }
}

/// The mark to wait by: an engine that was started since knows nothing of the old one, so it is asked for its own.
pub async fn asked_again(link: &mut Link, snapshot: &Snapshot, since: ReadingMark) -> Result<ReadingMark, CliError> {
    if snapshot.mark.start == since.start { Ok(since) } else { mark(link).await }
}

enum Towards {
    There,
    Moving,
    Stopped(String),
}

fn towards(snapshot: &Snapshot, pair: &Pair, since: ReadingMark) -> Towards {
    if !snapshot.is_read_since(pair, since) {
        return Towards::Moving;
    }
    match snapshot.session(pair) {
        None if snapshot.lacks(pair) => Towards::Stopped("its session is gone".to_owned()),
        // Not all of the array's answer could be read: another reading tells.
        None => Towards::Moving,
        Some(session) if is_equivalent(session) => Towards::There,
        Some(session) => match session.status {
            Status::Suspended => Towards::Stopped("it was suspended".to_owned()),
            Status::ErrorSuspended => {
                let error = session.error.map_or_else(String::new, |error| format!(" {error}"));
                Towards::Stopped(format!("the array stopped it with an error{error}"))
            }
            Status::Idle => Towards::Stopped("its session ended".to_owned()),
            Status::Halted if waits_for_people(session) => {
                let why =
                    "the path to the other box is lost, and with manual recovery the copy does not continue by itself";
                Towards::Stopped(format!("{why} ({})", Code::HALTED))
            }
            Status::Reserved | Status::Active | Status::Halted | Status::Unknown => Towards::Moving,
        },
    }
}

/// A halted copy that an operator has to take up again; one whose recovery is not told may go on by itself.
fn waits_for_people(session: &SessionView) -> bool {
    session.modes.is_some_and(|modes| modes.recovery == Automation::Manual)
}

fn is_equivalent(session: &SessionView) -> bool {
    session.status == Status::Active && session.phase == Phase::Equivalent
}

/// The volumes whose live session is on its way to equivalence.
pub fn on_their_way(snapshot: &Snapshot, volumes: &[VolumeId]) -> Vec<Pair> {
    let copying = |id: &&VolumeId| {
        snapshot
            .transaction_volume(**id)
            .is_some_and(|view| matches!(view.state, TransactionState::Copying | TransactionState::Halted))
    };
    volumes
        .iter()
        .filter(copying)
        .flat_map(|id| snapshot.sessions_of(*id))
        .filter(|session| is_live(session))
        .map(|session| session.pair)
        .collect()
}

fn is_live(session: &SessionView) -> bool {
    session.ours && matches!(session.status, Status::Reserved | Status::Active | Status::Halted)
}

/// One line on standard error: written over where that is a terminal, said once where it is not.
pub struct ProgressLine {
    on: bool,
    quiet: bool,
    begun: bool,
    shown: String,
}

impl ProgressLine {
    pub fn new(json: bool) -> Self {
        Self { on: !json && std::io::stderr().is_terminal(), quiet: json, begun: false, shown: String::new() }
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) && !self.on && !self.quiet {
            out::say("waiting for equivalence; Ctrl-C leaves the waiting, not the copy");
        }
    }

    fn show(&mut self, snapshot: &Snapshot, pairs: &[Pair]) {
        let line = progress_text(snapshot, pairs);
        if self.on && line != self.shown {
            out::overwrite(&line);
            self.shown = line;
        }
    }

    fn end(&mut self) {
        if !self.shown.is_empty() {
            out::overwrite("");
            self.shown.clear();
        }
    }
}

/// The slowest copy, and when it will be ready.
fn progress_text(snapshot: &Snapshot, pairs: &[Pair]) -> String {
    let moving = pairs.iter().filter_map(|pair| snapshot.session(pair)).filter(|session| !is_equivalent(session));
    let share = |session: &&SessionView| session.progress.and_then(Progress::percent);
    let Some(slowest) = moving.min_by_key(share) else { return "waiting".to_owned() };
    let percent = share(&slowest).map_or_else(String::new, |percent| format!(" {percent}"));
    let ready = match slowest.ready {
        Ready::Between { latest, .. } => format!(", ready {}", times::clock(latest)),
        _ => String::new(),
    };
    format!("waiting for equivalence: {}{percent}{ready}", pair_text(slowest.pair, snapshot))
}

/// What is said when waiting ends before the awaited thing.
pub fn told<T>(waited: &Waited<T>) -> Option<(&'static str, Exit, &'static str)> {
    match waited {
        Waited::Came(_) => None,
        Waited::TimeLimit => Some((
            "time-limit",
            Exit::TimeLimit,
            "the time limit has passed; engine and array continue, `ecdeck status` shows their progress",
        )),
        Waited::Detached => Some((
            "detached",
            Exit::OutcomeUnknown,
            "detached; engine and array continue, `ecdeck status` shows their progress",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::session::RecModes;

    #[test]
    fn a_halted_copy_is_waited_for_only_where_it_goes_on_by_itself() {
        let mut snapshot = super::super::fake::snapshot();
        let at = snapshot.sessions.iter().position(|session| session.status == Status::Halted).unwrap();
        let pair = snapshot.sessions[at].pair;
        // The reading of the fixture is newer than this.
        let since = ReadingMark::default();
        snapshot.arrays.iter_mut().for_each(|array| array.reading = 1);
        let mut recovers = |recovery| {
            snapshot.sessions[at].modes = Some(RecModes { recovery, ..RecModes::default() });
            towards(&snapshot, &pair, since)
        };
        assert!(matches!(recovers(Automation::Automatic), Towards::Moving));
        assert!(matches!(recovers(Automation::Manual), Towards::Stopped(why) if why.contains("ecd-1402")));
    }
}
