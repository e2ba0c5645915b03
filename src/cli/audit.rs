//! `ecdeck audit`: the events, the check of their chain, and their export.

use super::arguments::Audit;
use super::link::{Link, unexpected};
use super::table::{Lean, Table};
use super::{Exit, Trouble, document::Stamp, json, times};
use crate::engine::protocol::{Answer, Ask};
use crate::model::event::{ChainHash, ChainHead, Event, NewEvent};
use crate::model::sentence;
use crate::model::snapshot::Snapshot;
use crate::model::untrusted::Untrusted;
use serde::Serialize;

/// Events asked for at once.
const PAGE: u32 = 500;

pub async fn run(verb: &Audit, link: &mut Link) -> Result<Exit, Trouble> {
    let snapshot = link.snapshot().await?;
    match verb {
        Audit::Show { last, json } => show(&snapshot, link, *last, *json).await,
        Audit::Verify { json } => verify(&snapshot, link, *json).await,
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
    let operation = event.event.operation.map_or_else(String::new, |operation| format!("{operation}: "));
    let line = sentence::line(event, &|id| snapshot.label(id)).text;
    format!("{operation}{}", Untrusted::new(line).escaped())
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
        table.row([event.sequence.to_string(), times::second(event.event.at), by, text(event, snapshot)]);
    }
    json::write_out(table.render().as_bytes())?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Verdict {
    intact: bool,
    events: u64,
    /// The first event that does not fit, where there is one.
    broken_at: Option<u64>,
    head: ChainHead,
}

async fn verify(snapshot: &Snapshot, link: &mut Link, as_json: bool) -> Result<Exit, Trouble> {
    let mut chain = ChainHead { sequence: 0, hash: ChainHash::start() };
    let mut broken_at = None;
    'pages: loop {
        let page = page(link, chain.sequence + 1).await?;
        if page.is_empty() {
            break;
        }
        for event in page {
            let text = serde_json::to_string(&event.event).map_err(|error| Trouble::failed(error.to_string()))?;
            let hash = chain.hash.next(chain.sequence + 1, &text);
            if event.sequence != chain.sequence + 1 || event.hash != hash {
                broken_at = Some(chain.sequence + 1);
                break 'pages;
            }
            chain = ChainHead { sequence: event.sequence, hash };
        }
    }
    let intact = broken_at.is_none();
    if as_json {
        let events = chain.sequence;
        json::print(snapshot.site.demo, &Verdict { intact, events, broken_at, head: chain })?;
    } else if let Some(sequence) = broken_at {
        eprintln!("ecdeck: the chain breaks at event {sequence}: it or what came before was altered or taken away");
    } else {
        let line = format!("{} events, the chain is whole, its head is {}\n", chain.sequence, chain.hash.as_str());
        json::write_out(line.as_bytes())?;
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
            json::print_line(snapshot.site.demo, &Entry::new(event, snapshot))?;
        }
    }
}

async fn page(link: &mut Link, sequence: u64) -> Result<Vec<Event>, Trouble> {
    match link.ask(Ask::EventsFrom { sequence, most: PAGE }).await? {
        Answer::Events { events } => Ok(events),
        other => Err(unexpected(&other)),
    }
}
