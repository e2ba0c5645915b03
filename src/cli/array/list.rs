//! `ecdeck array list`: every array of the site, whatever drives it, and whether it answers.

use super::super::link::{ConfiguredArray, Need, SiteContext};
use super::super::table::{Align, Table};
use super::super::{CliError, Exit, json, out, times};
use super::faults::sentence;
use super::told;
use crate::driver::emulated::admin::{Admin, AdminError, ArrayEntry, FaultEntry, Overview, PathEntry};
use crate::model::identity::{BoxId, Name};
use crate::model::session::Pair;
use crate::model::snapshot::{ArrayView, Reach, Snapshot};
use crate::model::untrusted::Untrusted;
use crate::process::paths::Home;
use serde::Serialize;
use std::fmt::Write;
use std::sync::Arc;

#[derive(Serialize)]
struct Document<'a> {
    arrays: &'a [Listed],
    paths: &'a [PathEntry],
    faults: &'a [FaultEntry],
    /// What is wrong now, each with its remedy.
    attentions: &'a [String],
    warnings: &'a [String],
}

#[derive(Debug, Serialize)]
struct Listed {
    name: Name,
    box_id: Option<BoxId>,
    /// Null while nothing is known of the array.
    volumes: Option<usize>,
    sessions: Option<usize>,
    reachable: bool,
    /// Why it is not reachable.
    why: Option<String>,
    driver: &'static str,
    /// Of the process that is the array; null where it is none of this home's.
    pid: Option<u32>,
    /// Whether the site's configuration has it.
    configured: bool,
}

pub async fn run(as_json: bool, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let embedded = embedded(site_context).await?;
    let configured = site_context.configured_arrays()?;
    let mut arrays: Vec<Listed> = Vec::new();
    let elsewhere = configured.iter().any(|array| array.home.is_none());
    let seen = if elsewhere { Some(seen(site_context).await) } else { None };
    for array in &configured {
        let own =
            embedded.arrays.iter().find(|of| of.entry.name == array.name && Some(&of.home) == array.home.as_ref());
        arrays.push(match (own, &seen) {
            (Some(of), _) => of_process(&of.entry, of.pid, true),
            (None, Some(seen)) if array.home.is_none() => of_engine(array, seen),
            _ => never_made(array),
        });
    }
    let is_listed = |name: &Name| configured.iter().any(|array| array.name == *name && array.home.is_some());
    let others = embedded.arrays.iter().filter(|of| !is_listed(&of.entry.name));
    arrays.extend(others.map(|of| of_process(&of.entry, of.pid, false)));
    if as_json {
        let Embedded { paths, faults, attentions, warnings, .. } = &embedded;
        let document = Document { arrays: &arrays, paths, faults, attentions, warnings };
        json::print(site_context.is_demo(), &document)?;
    } else {
        out::print(&text(&arrays, &embedded, !configured.is_empty()))?;
    }
    Ok(Exit::Done)
}

/// The embedded arrays of all homes.
#[derive(Debug, Default)]
pub(super) struct Embedded {
    pub arrays: Vec<OfHome>,
    pub paths: Vec<PathEntry>,
    pub faults: Vec<FaultEntry>,
    pub attentions: Vec<String>,
    pub warnings: Vec<String>,
}

/// An embedded array, and the process that it is in.
#[derive(Debug)]
pub(super) struct OfHome {
    pub home: Home,
    pub pid: u32,
    pub entry: ArrayEntry,
}

/// The arrays of the homes' own processes. Where no array was ever made there is no reason to start one.
pub(super) async fn embedded(site_context: &dyn SiteContext) -> Result<Embedded, CliError> {
    let mut all = Embedded::default();
    for home in site_context.array_homes(Need::Reading)? {
        let may_start = home.arrays_dir().exists();
        let found = match Admin::new(home.clone(), may_start).list().await {
            Err(AdminError::NotRunning) => continue,
            found => found.map_err(|error| told(&error))?,
        };
        let Overview { pid, arrays, paths, faults, attentions, warnings } = found;
        all.arrays.extend(arrays.into_iter().map(|entry| OfHome { home: home.clone(), pid, entry }));
        all.paths.extend(paths);
        all.faults.extend(faults);
        all.attentions.extend(attentions);
        all.warnings.extend(warnings);
    }
    Ok(all)
}

/// What the engine knows; an engine that cannot be asked is the reason why nothing is known.
async fn seen(site_context: &dyn SiteContext) -> Result<Arc<Snapshot>, String> {
    let opened = async { site_context.open(Need::Reading).await?.snapshot().await };
    opened.await.map_err(|cli_error| cli_error.text)
}

fn of_process(entry: &ArrayEntry, pid: u32, configured: bool) -> Listed {
    Listed {
        name: entry.name.clone(),
        box_id: Some(entry.box_id),
        volumes: Some(entry.volumes),
        sessions: Some(entry.sessions),
        reachable: entry.reachable,
        why: (!entry.reachable)
            .then(|| format!("as was asked for: `ecdeck array fault {} clear` ends that", entry.name)),
        driver: "embedded",
        pid: Some(pid),
        configured,
    }
}

fn never_made(array: &ConfiguredArray) -> Listed {
    let why = format!("it was never made: `ecdeck array create {}` makes it", array.name);
    Listed { why: Some(why), ..nothing_known(array) }
}

fn of_engine(array: &ConfiguredArray, seen: &Result<Arc<Snapshot>, String>) -> Listed {
    match seen {
        Err(why) => Listed { why: Some(why.clone()), ..nothing_known(array) },
        Ok(snapshot) => match snapshot.arrays.iter().find(|view| view.name == array.name) {
            Some(view) => as_seen(array, view, snapshot),
            None => Listed { why: Some("the running engine does not know it".to_owned()), ..nothing_known(array) },
        },
    }
}

fn as_seen(array: &ConfiguredArray, view: &ArrayView, snapshot: &Snapshot) -> Listed {
    let (volumes, sessions) = view.box_id.map_or((0, 0), |box_id| counted(box_id, snapshot));
    let known = view.taken_at.is_some();
    Listed {
        box_id: view.box_id,
        volumes: known.then_some(volumes),
        sessions: known.then_some(sessions),
        reachable: view.reach == Reach::Reachable,
        why: match &view.reach {
            Reach::Reachable => None,
            Reach::Waiting => Some("it has not answered yet".to_owned()),
            Reach::Unreachable { since, why } => Some(format!("since {}: {}", times::minute(*since), why.raw())),
            Reach::IdentityChanged { found } => Some(format!("another box answers here: {found}")),
        },
        ..nothing_known(array)
    }
}

fn nothing_known(array: &ConfiguredArray) -> Listed {
    Listed {
        name: array.name.clone(),
        box_id: None,
        volumes: None,
        sessions: None,
        reachable: false,
        why: None,
        driver: array.driver,
        pid: None,
        configured: true,
    }
}

/// The volumes that a box has, as far as the engine has read them, and the sessions that touch it.
fn counted(box_id: BoxId, snapshot: &Snapshot) -> (usize, usize) {
    let transaction = snapshot.transaction_volumes.iter().map(|view| view.volume.id);
    let pool = snapshot.pool.iter().map(|view| view.volume.id);
    let others = snapshot.unregistered.iter().map(|volume| volume.id);
    let volumes = transaction.chain(pool).chain(others).filter(|id| id.box_id == box_id).count();
    let here = |pair: &Pair| pair.source.box_id == box_id || pair.target.box_id == box_id;
    (volumes, snapshot.sessions.iter().filter(|session| here(&session.pair)).count())
}

fn text(arrays: &[Listed], embedded: &Embedded, is_site: bool) -> String {
    if arrays.is_empty() {
        return "there is no array here: `ecdeck array create NAME --size 48MiB --count 4` makes an embedded one with volumes, \
                `ecdeck array add NAME --host HOST` adds a real one\n"
            .to_owned();
    }
    let headings = [
        ("array", Align::Left),
        ("driver", Align::Left),
        ("process", Align::Right),
        ("volumes", Align::Right),
        ("sessions", Align::Right),
        ("answers", Align::Left),
        ("box id", Align::Left),
    ];
    let number = |count: Option<usize>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let mut table = Table::new(&headings);
    for array in arrays {
        table.row([
            array.name.to_string(),
            array.driver.to_owned(),
            array.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            number(array.volumes),
            number(array.sessions),
            if array.reachable { "yes" } else { "no" }.to_owned(),
            array.box_id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
        ]);
    }
    let mut out = table.render();
    for array in arrays {
        if let Some(why) = &array.why {
            let _ = writeln!(out, "! {} does not answer, {}", array.name, Untrusted::new(why.as_str()).escaped());
        }
        if is_site && !array.configured {
            let _ = writeln!(out, "  {} is not in the configuration: it is not part of the site", array.name);
        }
    }
    for path in embedded.paths.iter().filter(|path| !path.up) {
        let (one, other) = (&path.one, &path.other);
        let _ = writeln!(out, "! the path between {one} and {other} is down: `ecdeck array path {one} {other} up`");
    }
    for fault in &embedded.faults {
        let _ = writeln!(out, "! {}", sentence(fault));
    }
    for warning in embedded.attentions.iter().chain(&embedded.warnings) {
        let _ = writeln!(out, "! {}", Untrusted::new(warning.as_str()).escaped());
    }
    out
}
