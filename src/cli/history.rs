//! `ecdeck history`: generations, kept and released; the verbs of one generation.

use super::arguments::{History, HistoryVerb};
use super::change::{self, Then};
use super::document::GenerationEntry;
use super::link::{Link, Need, SiteContext, unexpected};
use super::table::{Align, Table};
use super::wait::Deadline;
use super::{CliError, Exit, json, names, out, times};
use crate::engine::protocol::{Answer, Ask};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::plan::step_text::place;
use crate::model::proof::bytes_in_words;
use crate::model::records::{PastGeneration, ReleaseReason};
use crate::model::snapshot::Snapshot;
use serde::Serialize;
use std::collections::BTreeMap;

pub async fn run(asked: &History, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let verb = match &asked.verb {
        None => return show(asked, &mut site_context.open(Need::Reading).await?).await,
        Some(HistoryVerb::Verify(verify)) => return super::verify::run(verify, site_context).await,
        Some(HistoryVerb::Generation(line)) => line,
    };
    let change = &verb.on.change;
    let deadline = Deadline::new(change.time_limit);
    let mut link = super::opened(site_context, deadline).await?;
    let snapshot = if verb.is_of_all() { link.snapshot().await? } else { link.view(&[&verb.on.volume]).await? };
    let action = verb.action(&snapshot)?;
    change::run(&mut link, change, change::request(action, change), deadline, Then::Return).await
}

#[derive(Serialize)]
struct Document<'a> {
    generations: Vec<GenerationEntry<'a>>,
}

async fn show(asked: &History, link: &mut Link) -> Result<Exit, CliError> {
    let snapshot = match &asked.volume {
        Some(name) => link.view(&[name]).await?,
        None => link.snapshot().await?,
    };
    let volume = asked.volume.as_deref().map(|text| names::volume(&snapshot, text)).transpose()?;
    let generations = match link.ask(Ask::History { volume, most: asked.last }).await? {
        Answer::History { generations } => generations,
        other => return Err(unexpected(&other)),
    };
    let snapshot = link.with_all_in(snapshot, &generations).await?;
    if let (Some(id), []) = (volume, generations.as_slice())
        && snapshot.transaction_volume(id).is_none()
        && snapshot.backup_volume(id).is_none()
    {
        let code = Code::UNKNOWN_VOLUME;
        let text = format!("{} is not registered in this site and has no generations ({code})", snapshot.label(id));
        return Err(CliError::coded(code, text));
    }
    if asked.json {
        let generations = generations.iter().map(|past| GenerationEntry::new(past, &snapshot)).collect();
        json::print(snapshot.site.demo, &Document { generations })?;
    } else {
        out::print(&text(&generations, volume, &snapshot))?;
    }
    Ok(Exit::Done)
}

fn text(generations: &[PastGeneration], volume: Option<VolumeId>, snapshot: &Snapshot) -> String {
    if generations.is_empty() {
        let label = volume.map(|id| (snapshot.label(id), snapshot.backup_volume(id).is_some()));
        return match label {
            None => "no generations yet: `ecdeck backup TV` takes one of an equivalent volume\n".to_owned(),
            Some((name, true)) => format!("no generations on {name}\n"),
            Some((name, false)) => {
                format!("no generations of {name} yet: `ecdeck backup {name}` takes one when it is equivalent\n")
            }
        };
    }
    let mut table = Table::new(&[
        ("volume", Align::Left),
        ("version", Align::Right),
        ("taken", Align::Left),
        ("size", Align::Right),
        ("copied in", Align::Right),
        ("on", Align::Left),
        ("mode", Align::Left),
        ("bytes", Align::Left),
        ("state", Align::Left),
    ]);
    for (past, taken) in generations.iter().zip(taken(generations)) {
        let generation = &past.generation;
        table.row([
            snapshot.label(generation.transaction_volume),
            generation.version.to_string(),
            taken,
            generation.blocks.to_string(),
            generation.copied_in.map_or_else(|| "-".to_owned(), |time| time.to_string()),
            place(generation.backup_volume, snapshot),
            generation.mode.to_string(),
            bytes(past),
            state(past),
        ]);
    }
    table.render()
}

/// When each was taken: to the minute, and with seconds where several of a volume were taken in the same minute.
fn taken(all: &[PastGeneration]) -> Vec<String> {
    let minute = |past: &PastGeneration| (past.generation.transaction_volume, times::minute(past.generation.taken_at));
    let mut in_minute: BTreeMap<(VolumeId, String), usize> = BTreeMap::new();
    for past in all {
        *in_minute.entry(minute(past)).or_default() += 1;
    }
    let one = |past: &PastGeneration| match minute(past) {
        key if in_minute[&key] > 1 => times::second(past.generation.taken_at),
        (_, minute) => minute,
    };
    all.iter().map(one).collect()
}

/// What is known of the bytes; nothing is to be known any more of a generation that was released without a fingerprint.
fn bytes(past: &PastGeneration) -> String {
    if past.released.is_some() && past.generation.fingerprint.is_none() {
        return "-".to_owned();
    }
    bytes_in_words(&past.generation, times::minute)
}

fn state(past: &PastGeneration) -> String {
    let generation = &past.generation;
    let mut words = Vec::new();
    match past.released {
        None => words.push(generation.state.to_string()),
        Some((at, why)) => {
            let why = match why {
                ReleaseReason::Retention => "pushed out",
                ReleaseReason::Deleted => "deleted",
                ReleaseReason::Overwritten => "overwritten",
                ReleaseReason::Reused => "used again",
                ReleaseReason::Reconciled => "reconciled",
            };
            words.push(format!("{why} {}", times::minute(at)));
        }
    }
    if let Some(at) = generation.suspend_complete_by {
        words.push(format!("suspend complete by {}", times::second(at)));
    }
    if let Some(set) = &generation.set {
        words.push(set.in_words());
    }
    if let Some(held) = &generation.held {
        words.push(format!("held: {}", held.escaped()));
    }
    if let Some(reason) = &past.reason {
        words.push(format!("because: {}", reason.escaped()));
    }
    if let Some(why) = &generation.crash_consistent {
        words.push(format!("crash-consistent: {}", why.escaped()));
    }
    if generation.provisioned {
        words.push("provisioned".to_owned());
    }
    words.join(", ")
}
