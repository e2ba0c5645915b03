//! Waiting, with a time limit and a way to let go: the engine goes on in any case.

use super::document::pair_text;
use super::link::Link;
use super::{Exit, Trouble, out, times};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::session::{Automation, Pair, Phase, Status};
use crate::model::snapshot::{Ready, SessionView, Snapshot, TransactionState};
use crate::model::units::{Progress, Timestamp};
use std::future::Future;
use std::io::IsTerminal;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// What waiting came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited<T> {
    Came(T),
    TimeLimit,
    /// The person let go with Ctrl-C.
    Detached,
}

/// How long a verb waits, all its waits together.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    until: Option<Instant>,
}

impl Patience {
    pub fn new(limit: Option<Duration>) -> Self {
        Self { until: limit.map(|limit| Instant::now() + limit) }
    }

    pub async fn wait<T>(self, awaited: impl Future<Output = Result<T, Trouble>>) -> Result<Waited<T>, Trouble> {
        let limit = async {
            match self.until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        // Heard from here on, so before anybody is told that we wait.
        let heard = signal(SignalKind::interrupt());
        let mut interrupts = heard.map_err(|error| Trouble::failed(format!("signals cannot be heard: {error}")))?;
        tokio::select! {
            biased;
            came = awaited => came.map(Waited::Came),
            () = limit => Ok(Waited::TimeLimit),
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
/// `since`: readings from before that time tell nothing, they may be older than the start.
pub async fn until_equivalent(
    link: &mut Link,
    pairs: &[Pair],
    since: Timestamp,
    mut progress: ProgressLine,
) -> Result<Vec<NeverEquivalent>, Trouble> {
    progress.begin();
    loop {
        let snapshot = link.next_snapshot().await?;
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

enum Towards {
    There,
    Moving,
    Stopped(String),
}

fn towards(snapshot: &Snapshot, pair: &Pair, since: Timestamp) -> Towards {
    let session = snapshot.session(pair);
    let read_at = snapshot.array(pair.source.box_id).and_then(|array| array.taken_at);
    if session.is_none_or(|session| snapshot.read_at(session) < Some(since)) && read_at.is_none_or(|at| at < since) {
        return Towards::Moving;
    }
    match session {
        None => Towards::Stopped("its session is gone".to_owned()),
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
                    "the path to the other box is lost, and with manual recovery the copy does not go on by itself";
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
    shown: String,
}

impl ProgressLine {
    pub fn new(json: bool) -> Self {
        Self { on: !json && std::io::stderr().is_terminal(), quiet: json, shown: String::new() }
    }

    fn begin(&self) {
        if !self.on && !self.quiet {
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
            "the time limit has passed; the engine and the array go on, `ecdeck status` shows how far they are",
        )),
        Waited::Detached => Some((
            "detached",
            Exit::OutcomeUnknown,
            "detached; the engine and the array go on, `ecdeck status` shows how far they are",
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
        let since = snapshot.array(pair.source.box_id).and_then(|array| array.taken_at).unwrap();
        let mut recovers = |recovery| {
            snapshot.sessions[at].modes = Some(RecModes { recovery, ..RecModes::default() });
            towards(&snapshot, &pair, since)
        };
        assert!(matches!(recovers(Automation::Automatic), Towards::Moving));
        assert!(matches!(recovers(Automation::Manual), Towards::Stopped(why) if why.contains("ecd-1402")));
    }
}
