//! `ecdeck audit`: the events, the check of their chain, and their export.

use super::arguments::Audit;
use super::link::{House, Link, Need, unexpected};
use super::out::Reader;
use super::table::{Lean, Table};
use super::{Exit, Trouble, document::Stamp, json, out, times};
use crate::engine::protocol::{Answer, Ask};
use crate::model::chain::{ChainLink, ChainVerifier};
use crate::model::event::{ChainHash, ChainHead, Event, EventKind, NewEvent};
use crate::model::sentence;
use crate::model::snapshot::Snapshot;
use crate::model::untrusted::Untrusted;
use serde::Serialize;

/// Events asked for at once.
const PAGE: u32 = 500;

pub async fn run(verb: &Audit, house: &dyn House) -> Result<Exit, Trouble> {
    let link = &mut house.open(Need::Reading).await?;
    let snapshot = link.snapshot().await?;
    match verb {
        Audit::Show { last, json } => show(&snapshot, link, *last, *json).await,
        Audit::Verify { json } => verify(&snapshot, link, &house.anchors()?, *json).await,
        Audit::Export { from } => export(&snapshot, link, *from).await,
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    sequence: u64,
    at: Stamp,
    /// Null: the engine by itself.
    actor: Option<String>,
    text: String,
    event: &'a NewEvent,
    hash: &'a ChainHash,
}

impl<'a> Entry<'a> {
    fn new(event: &'a Event, snapshot: &Snapshot) -> Self {
        Self {
            sequence: event.sequence,
            at: Stamp(event.event.at),
            actor: event.event.actor.as_ref().map(ToString::to_string),
            text: text(event, snapshot),
            event: &event.event,
            hash: &event.hash,
        }
    }
}

fn text(event: &Event, snapshot: &Snapshot) -> String {
    let line = sentence::line(event, &|id| snapshot.label(id)).text;
    format!("{}{}", operation(event), Untrusted::new(line).escaped())
}

fn operation(event: &Event) -> String {
    event.event.operation.map_or_else(String::new, |operation| format!("{operation}: "))
}

#[derive(Serialize)]
struct Shown<'a> {
    events: Vec<Entry<'a>>,
}

async fn show(snapshot: &Snapshot, link: &mut Link, last: u32, as_json: bool) -> Result<Exit, Trouble> {
    let events = match link.ask(Ask::Events { most: last }).await? {
        Answer::Events { events } => events,
        other => return Err(unexpected(&other)),
    };
    if as_json {
        let events = events.iter().map(|event| Entry::new(event, snapshot)).collect();
        json::print(snapshot.site.demo, &Shown { events })?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[("event", Lean::Right), ("at", Lean::Left), ("by", Lean::Left), ("what", Lean::Left)]);
    for event in &events {
        let by = event.event.actor.as_ref().map_or_else(|| "engine".to_owned(), ToString::to_string);
        let line = sentence::beside_actor(&event.event, &|id| snapshot.label(id));
        let what = format!("{}{}", operation(event), Untrusted::new(line).escaped());
        table.row([event.sequence.to_string(), times::second(event.event.at), by, what]);
        if let EventKind::Requested { agreed, .. } = &event.event.kind {
            for line in agreed {
                let line = format!("  agreed: {}", Untrusted::new(line.as_str()).escaped());
                table.row([String::new(), String::new(), String::new(), line]);
            }
        }
    }
    out::print(&table.render())?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct VerdictDocument {
    intact: bool,
    events: u64,
    /// Heads kept outside the catalogue that were compared.
    anchors_matched: u64,
    /// What was done to the chain, as sentences.
    faults: Vec<String>,
    head: ChainHead,
}

async fn verify(snapshot: &Snapshot, link: &mut Link, anchors: &[ChainHead], as_json: bool) -> Result<Exit, Trouble> {
    let mut verifier = ChainVerifier::new(anchors);
    let mut next = 1;
    loop {
        let page = page(link, next).await?;
        let Some(last) = page.last() else { break };
        next = last.sequence + 1;
        for event in &page {
            verifier.take(&ChainLink::try_from(event).map_err(|error| Trouble::failed(error.to_string()))?);
        }
    }
    let verdict = verifier.finish();
    let intact = verdict.is_intact();
    let faults: Vec<String> = verdict.faults.iter().map(ToString::to_string).collect();
    if as_json {
        let (events, anchors_matched, head) = (verdict.events, verdict.anchors_matched, verdict.head);
        json::print(snapshot.site.demo, &VerdictDocument { intact, events, anchors_matched, faults, head })?;
    } else if intact {
        let (events, matched) = (verdict.events, verdict.anchors_matched);
        let head = verdict.head.hash.as_str();
        let line =
            format!("{events} events, the chain is whole, {matched} heads kept outside agree\nits head is {head}\n");
        out::print(&line)?;
    } else {
        for fault in &faults {
            out::say(&format!("ecdeck: {fault}"));
        }
    }
    Ok(if intact { Exit::Done } else { Exit::Failed })
}

async fn export(snapshot: &Snapshot, link: &mut Link, from: u64) -> Result<Exit, Trouble> {
    let mut next = from.max(1);
    loop {
        let page = page(link, next).await?;
        let Some(last) = page.last() else { return Ok(Exit::Done) };
        next = last.sequence + 1;
        for event in &page {
            if json::print_line(snapshot.site.demo, &Entry::new(event, snapshot))? == Reader::Gone {
                return Ok(Exit::Done);
            }
        }
    }
}

async fn page(link: &mut Link, sequence: u64) -> Result<Vec<Event>, Trouble> {
    match link.ask(Ask::EventsFrom { sequence, most: PAGE }).await? {
        Answer::Events { events } => Ok(events),
        other => Err(unexpected(&other)),
    }
}
