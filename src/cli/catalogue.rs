//! `ecdeck catalogue`: copies of the catalogue, and putting one in its place.

use super::arguments::Change;
use super::link::{Need, SiteContext, unexpected};
use super::table::{Align, Table};
use super::{CliError, Exit, agree, document::Stamp, json, out, times};
use crate::engine::protocol::{Answer, Ask};
use crate::model::catalogue_copy::{CatalogueContents, CatalogueCopies, CatalogueCopy, LoadSummary};
use crate::model::units::count;
use crate::model::untrusted::{escaped, path as shown};
use crate::process::duplicate::duplicate;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub enum CatalogueVerb {
    /// The copies that are kept: one is made after each burst of backups
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make a copy now, and check it
    Save {
        /// Where it goes as well; the file must not be there yet
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Put a copy in the catalogue's place, while no engine runs
    #[command(after_help = LOAD_NOTE)]
    Load(Load),
}

const LOAD_NOTE: &str = "\
The copy is older than what the volumes hold: afterwards all that it keeps is in
doubt until somebody has looked (`ecdeck history accept`). Generations that were
recorded after the copy are named first: their volumes look unused then. The
former catalogue stays beside the new one.";

#[derive(Debug, Args)]
pub struct Load {
    /// A file that `ecdeck catalogue save` made
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Serialize)]
struct Listed {
    folder: String,
    copies: Vec<Entry>,
    /// Null: the last one was made.
    failed: Option<String>,
}

#[derive(Serialize)]
struct Entry {
    file: String,
    at: Stamp,
    /// The number of the newest event in it.
    sequence: u64,
    bytes: u64,
}

impl From<CatalogueCopy> for Entry {
    fn from(copy: CatalogueCopy) -> Self {
        let CatalogueCopy { file, sequence, bytes, at } = copy;
        Self { file, at: Stamp(at), sequence, bytes }
    }
}

#[derive(Serialize)]
struct Saved {
    copy: Entry,
    /// Null: nowhere else.
    also: Option<PathBuf>,
}

pub async fn run(verb: &CatalogueVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    match verb {
        CatalogueVerb::List { json } => list(site_context, *json).await,
        CatalogueVerb::Save { file, json } => save(site_context, file.as_deref(), *json).await,
        CatalogueVerb::Load(asked) => site_context.load_catalogue(asked).await,
    }
}

async fn list(site_context: &dyn SiteContext, as_json: bool) -> Result<Exit, CliError> {
    let mut link = site_context.open(Need::Reading).await?;
    let CatalogueCopies { folder, kept, failed } = match link.ask(Ask::CatalogueCopies).await? {
        Answer::CatalogueCopies { copies } => copies,
        other => return Err(unexpected(&other)),
    };
    if as_json {
        let copies = kept.into_iter().map(Entry::from).collect();
        json::print(site_context.is_demo(), &Listed { folder, copies, failed })?;
        return Ok(Exit::Done);
    }
    if let Some(why) = failed {
        out::say(&format!("the last copy was not made: {}", escaped(&why)));
    }
    if kept.is_empty() {
        out::print("There is no copy yet: one is made after each burst of backups, or by `ecdeck catalogue save`.\n")?;
        return Ok(Exit::Done);
    }
    let mut table =
        Table::new(&[("made", Align::Left), ("event", Align::Right), ("bytes", Align::Right), ("file", Align::Left)]);
    for copy in kept {
        let row = [times::minute(copy.at), copy.sequence.to_string(), copy.bytes.to_string(), escaped(&copy.file)];
        table.row(row);
    }
    out::print(&table.render())?;
    Ok(Exit::Done)
}

async fn save(site_context: &dyn SiteContext, file: Option<&Path>, as_json: bool) -> Result<Exit, CliError> {
    let mut link = site_context.open(Need::Changing).await?;
    let copy = match link.ask(Ask::SaveCatalogue).await? {
        Answer::CatalogueSaved { copy } => copy,
        Answer::Refused { refusal } => {
            return Err(CliError::coded(refusal.code, format!("{} ({})", refusal.reason, refusal.code)));
        }
        other => return Err(unexpected(&other)),
    };
    if let Some(file) = file {
        put_into(Path::new(&copy.file), file)?;
    }
    if as_json {
        let also = file.map(Path::to_owned);
        json::print(site_context.is_demo(), &Saved { copy: copy.into(), also })?;
        return Ok(Exit::Done);
    }
    let also = file.map_or_else(String::new, |file| format!(", and in {}", shown(file)));
    out::print(&format!("The catalogue up to event {} is in {}{also}\n", copy.sequence, escaped(&copy.file)))?;
    Ok(Exit::Done)
}

/// Names on one line each, at most.
const NAMED: usize = 20;

/// Shows what loading a copy does and asks; `false`: it was only to be shown.
///
/// # Errors
/// When nobody agrees.
pub fn agreed_to_load(site: &str, summary: &LoadSummary, change: &Change) -> Result<bool, CliError> {
    out::print(&text(summary))?;
    if change.dry_run {
        return Ok(false);
    }
    agree::by_name(site, "All that is kept is in doubt afterwards", change)?;
    Ok(true)
}

fn text(summary: &LoadSummary) -> String {
    let contents = |of: &CatalogueContents| {
        let newest = of.newest.map_or_else(|| "no time".to_owned(), times::minute);
        let (volumes, kept) = (
            count(of.transaction_volumes, "transaction volume", "transaction volumes"),
            count(of.generations, "generation", "generations"),
        );
        format!("up to event {} of {newest}: {volumes}, {kept}", of.sequence)
    };
    let present = match &summary.present {
        Ok(present) => contents(present),
        Err(why) => format!("cannot be read: {}", escaped(why)),
    };
    let mut text = format!("The copy:              {}\nThe present catalogue: {present}\n", contents(&summary.copy));
    let newest = summary.present.as_ref().ok().map(|present| present.sequence).max(summary.newest_head);
    if let Some(lost) = newest.and_then(|newest| newest.checked_sub(summary.copy.sequence)).filter(|lost| *lost > 0) {
        let _ = writeln!(text, "{} are not in the copy.", count(lost as usize, "event", "events"));
    }
    let unknown = &summary.unknown;
    if !unknown.is_empty() {
        let kept = count(unknown.len(), "generation is", "generations are");
        let _ = writeln!(
            text,
            "\n{kept} not known to the copy. Afterwards their volumes look unused, and a start may overwrite them:"
        );
        for one in unknown.iter().take(NAMED) {
            let (volume, at) = (escaped(&one.volume), times::minute(one.taken_at));
            let _ = writeln!(text, "  {volume} {} of {at} on {}", one.version, one.backup_volume);
        }
        if unknown.len() > NAMED {
            let _ = writeln!(text, "  and {} more", unknown.len() - NAMED);
        }
    } else if summary.present.is_err() {
        text += "\nWhether generations were recorded after the copy is not known: their volumes would look unused.\n";
    }
    text
}

/// After a copy was put in place. `former`: where the catalogue is that was there.
///
/// # Errors
/// When nobody reads it.
pub fn loaded(former: Option<&Path>) -> Result<Exit, CliError> {
    let former = former.map_or_else(String::new, |former| format!(" The former catalogue is {}.", shown(former)));
    out::print(&format!(
        "The copy is the catalogue now.{former}\nThe next start of the engine marks all that is kept as in doubt: look at \
         each generation, then `ecdeck history accept`.\n"
    ))?;
    Ok(Exit::Done)
}

fn put_into(from: &Path, to: &Path) -> Result<(), CliError> {
    let failed = |path: &Path, error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => ": only the engine's user and root may read copies",
            io::ErrorKind::AlreadyExists => ": choose another name, nothing is overwritten",
            _ => "",
        };
        CliError::failed(format!("{}: {error}{hint}; the copy itself is in {}", shown(path), shown(from)))
    };
    duplicate(from, to).map_err(|(path, error)| failed(path, error))
}
