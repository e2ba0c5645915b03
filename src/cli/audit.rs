//! `ecdeck audit`: the events, the check of their chain, and their export.

use super::arguments::Audit;
use super::link::{Link, Need, SiteContext, unexpected};
use super::out::Reader;
use super::table::{Align, Table};
use super::{CliError, Exit, document::Stamp, json, out, times};
use crate::engine::protocol::{Answer, Ask};
use crate::model::audit::{AnchorReport, AuditReport};
use crate::model::event::{ChainHash, ChainHead, Event, EventKind, NewEvent};
use crate::model::sentence;
use crate::model::snapshot::Snapshot;
use crate::model::untrusted::Untrusted;
use serde::Serialize;

/// Events asked for at once.
const PAGE: u32 = 500;

pub async fn run(verb: &Audit, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let link = &mut site_context.open(Need::Reading).await?;
    match verb {
        Audit::Show { last, json } => show(link, *last, *json).await,
        Audit::Verify { head, json } => verify(link, head, *json).await,
        // Events of years name most of the site's volumes.
        Audit::Export { from } => export(&*link.snapshot().await?, link, *from).await,
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

async fn show(link: &mut Link, last: u32, as_json: bool) -> Result<Exit, CliError> {
    let events = match link.ask(Ask::Events { most: last }).await? {
        Answer::Events { events } => events,
        other => return Err(unexpected(&other)),
    };
    let snapshot = link.view_of(Vec::new()).await?;
    let snapshot = &*link.with_all_in(snapshot, &events).await?;
    if as_json {
        let events = events.iter().map(|event| Entry::new(event, snapshot)).collect();
        json::print(snapshot.site.demo, &Shown { events })?;
        return Ok(Exit::Done);
    }
    let mut table =
        Table::new(&[("event", Align::Right), ("at", Align::Left), ("by", Align::Left), ("what", Align::Left)]);
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
struct VerdictDocument<'a> {
    intact: bool,
    events: u64,
    /// Heads kept outside the catalogue that were compared.
    anchors_matched: u64,
    /// Everything that was found, as sentences.
    faults: Vec<String>,
    head: &'a ChainHead,
    anchors: &'a [AnchorReport],
    /// The event from which on the rows of the tables were compared with the events.
    compared_from: Option<u64>,
    rows: u64,
}

async fn verify(link: &mut Link, heads: &[String], as_json: bool) -> Result<Exit, CliError> {
    let heads = heads.iter().map(|head| parse_head(head)).collect::<Result<_, _>>()?;
    let report = match link.ask(Ask::VerifyAudit { heads }).await? {
        Answer::Audit { report } => report,
        other => return Err(unexpected(&other)),
    };
    let (intact, faults) = (report.is_intact(), report.findings());
    if as_json {
        let AuditReport { events, anchors_matched, head, anchors, compared_from, rows, .. } = &*report;
        let (events, anchors_matched, compared_from, rows) = (*events, *anchors_matched, *compared_from, *rows);
        let document = VerdictDocument { intact, events, anchors_matched, faults, head, anchors, compared_from, rows };
        json::print(link.is_demo().await?, &document)?;
    } else {
        for fault in &faults {
            out::say(&format!("ecdeck: {fault}"));
        }
        if intact {
            out::print(&whole(&report))?;
        }
    }
    Ok(if intact { Exit::Done } else { Exit::Failed })
}

/// What a good check proves, and against whom.
fn whole(report: &AuditReport) -> String {
    let AuditReport { events, anchors_matched, rows, .. } = report;
    let mut lines = vec![format!("{events} events, the chain is whole, {anchors_matched} heads kept outside agree")];
    match report.compared_from {
        Some(0 | 1) => lines.push(format!("{rows} rows of the tables are what the events wrote")),
        Some(from) => lines.push(format!(
            "{rows} rows of the tables are what the events wrote; those before event {from} are checked by the chain only"
        )),
        None => {}
    }
    for anchor in &report.anchors {
        let place = Untrusted::new(anchor.place.as_str()).escaped();
        lines.push(match (anchor.present, anchor.write_only) {
            (false, _) => format!("no head is kept in the system log: this host has no {place}"),
            (true, true) => format!("heads also go to the system log ({place}): compare them there"),
            (true, false) => format!("{} heads are kept in {place}", anchor.heads),
        });
    }
    lines.push(
        "heads show a change by somebody who can write the catalogue, but not the place of the heads; whoever can write \
         both is found only by a head that was noted elsewhere: `ecdeck audit verify --head HEAD`"
            .to_owned(),
    );
    lines.push(format!("its head is {}", report.head.hash.as_str()));
    lines.join("\n") + "\n"
}

/// A head as `audit verify` prints it.
fn parse_head(text: &str) -> Result<ChainHash, CliError> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(ChainHash::from_stored(text.to_ascii_lowercase()));
    }
    let text = Untrusted::new(text).escaped();
    Err(CliError::usage(format!("{text:?} is not a head: give the 64 characters that `ecdeck audit verify` prints")))
}

async fn export(snapshot: &Snapshot, link: &mut Link, from: u64) -> Result<Exit, CliError> {
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

async fn page(link: &mut Link, sequence: u64) -> Result<Vec<Event>, CliError> {
    match link.ask(Ask::EventsFrom { sequence, most: PAGE }).await? {
        Answer::Events { events } => Ok(events),
        other => Err(unexpected(&other)),
    }
}
