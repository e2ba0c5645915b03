//! `ecdeck wait`: until volumes are in a state, for scripts that did not start what brings them there.

use super::arguments::WaitFor;
use super::link::Link;
use super::table::{Align, Table};
use super::wait::{self, Deadline, Waited};
use super::{CliError, Exit, json, names, out, set, times};
use crate::model::awaited::{Awaited, Progress, progress};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::moment::ReadingMark;
use crate::model::snapshot::{Snapshot, TransactionState};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How often the clock is looked at while nothing changes.
const LOOK: Duration = Duration::from_secs(1);

pub async fn run(asked: &WaitFor, link: &mut Link, deadline: Deadline) -> Result<Exit, CliError> {
    let awaited = Awaited::from(asked.awaited);
    let snapshot = match &asked.set {
        Some(name) => set::view(link, name).await?,
        None => link.view(&asked.volumes).await?,
    };
    let volumes = volumes(asked, &snapshot)?;
    link.watch_only(&volumes);
    if !asked.json {
        out::say("waiting; Ctrl-C ends only the waiting");
    }
    let mut last = snapshot;
    let waited = deadline.wait(until(link, &volumes, awaited, &mut last)).await?;
    let (result, exit) = match (&waited, wait::told(&waited)) {
        (Waited::Came(end), _) => *end,
        (_, Some((result, exit, text))) => {
            if !asked.json {
                out::say(text);
            }
            (result, exit)
        }
        (_, None) => ("detached", Exit::OutcomeUnknown),
    };
    // Where waiting ended early, the newest snapshot is shown as it is.
    let entries: Vec<Entry> = volumes.iter().map(|&id| Entry::new(&last, id, awaited)).collect();
    if asked.json {
        json::print(last.site.demo, &Document { awaited, result, volumes: &entries })?;
    } else {
        out::print(&text(&entries))?;
    }
    Ok(exit)
}

/// Each volume once.
fn volumes(asked: &WaitFor, snapshot: &Snapshot) -> Result<Vec<VolumeId>, CliError> {
    let mut volumes = match &asked.set {
        Some(name) => set::stored(snapshot, name)?.members.clone(),
        None => names::volumes(snapshot, &asked.volumes)?,
    };
    let mut seen = std::collections::BTreeSet::new();
    volumes.retain(|id| seen.insert(*id));
    match volumes.iter().find(|id| snapshot.transaction_volume(**id).is_none()) {
        Some(other) => {
            let code = Code::NOT_A_TRANSACTION_VOLUME;
            Err(CliError::coded(code, format!("{} is not a transaction volume ({code})", snapshot.label(*other))))
        }
        None => Ok(volumes),
    }
}

/// Until all volumes are there at the same time, or one of them can no longer come. `last` is the newest snapshot that was
/// seen, whatever becomes of the waiting.
async fn until(
    link: &mut Link,
    volumes: &[VolumeId],
    awaited: Awaited,
    last: &mut Arc<Snapshot>,
) -> Result<(&'static str, Exit), CliError> {
    let mut since = wait::mark(link).await?;
    loop {
        if let Some(end) = ended(last, volumes, awaited, since) {
            return Ok(end);
        }
        let next = {
            let mut next = std::pin::pin!(link.next_snapshot());
            loop {
                tokio::select! {
                    biased;
                    snapshot = &mut next => break snapshot?,
                    () = tokio::time::sleep(LOOK) => {
                        // An array's silence grows while nothing else changes.
                        if let Some(end) = ended(last, volumes, awaited, since) {
                            return Ok(end);
                        }
                    }
                }
            }
        };
        since = wait::asked_again(link, &next, since).await?;
        *last = next;
    }
}

fn ended(
    snapshot: &Snapshot,
    volumes: &[VolumeId],
    awaited: Awaited,
    since: ReadingMark,
) -> Option<(&'static str, Exit)> {
    let all: Vec<Progress> = volumes.iter().map(|&id| progress(snapshot, id, awaited, since, times::now())).collect();
    if all.iter().any(|one| matches!(one, Progress::Never(..))) {
        return Some(("impossible", Exit::Failed));
    }
    if all.iter().any(|one| matches!(one, Progress::NotReachable(_))) {
        return Some(("not-reachable", Exit::NotReachable));
    }
    all.iter().all(|one| *one == Progress::Reached).then_some(("reached", Exit::Done))
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "for")]
    awaited: Awaited,
    /// `reached`, `impossible`, `not-reachable`, `time-limit` or `detached`.
    result: &'static str,
    volumes: &'a [Entry],
}

#[derive(Serialize)]
struct Entry {
    id: VolumeId,
    name: String,
    state: Option<TransactionState>,
    reached: bool,
    code: Option<Code>,
    why: Option<String>,
}

impl Entry {
    fn new(snapshot: &Snapshot, id: VolumeId, awaited: Awaited) -> Self {
        let any = ReadingMark { start: snapshot.mark.start, count: 0 };
        let (reached, code, why) = match progress(snapshot, id, awaited, any, times::now()) {
            Progress::Reached => (true, None, None),
            Progress::Moving => (false, None, None),
            Progress::Never(code, why) => (false, Some(code), Some(why)),
            Progress::NotReachable(why) => (false, Some(Code::ARRAY_UNREACHABLE), Some(why)),
        };
        let state = snapshot.transaction_volume(id).map(|view| view.state);
        Self { id, name: snapshot.label(id), state, reached, code, why }
    }
}

fn text(entries: &[Entry]) -> String {
    let mut table = Table::new(&[("volume", Align::Left), ("state", Align::Left), ("why not", Align::Left)]);
    for entry in entries {
        let state = entry.state.map_or_else(|| "not registered".to_owned(), |state| state.to_string());
        let why = match (&entry.why, entry.code) {
            (Some(why), Some(code)) => format!("{why} ({code})"),
            _ if entry.reached => "-".to_owned(),
            _ => "not yet".to_owned(),
        };
        table.row([entry.name.clone(), state, why]);
    }
    table.render()
}
