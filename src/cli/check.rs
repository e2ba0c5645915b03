//! `ecdeck check`: whether every volume is recoverable, as an exit status for monitors and scripts.

use super::arguments::Check;
use super::document::WindowEntry;
use super::link::{Need, SiteContext};
use super::table::{Align, Table};
use super::{CliError, Exit, json, names, out, times};
use crate::model::backup_window::WindowView;
use crate::model::catalogue_copy::NotCopied;
use crate::model::codes::Code;
use crate::model::duration::people;
use crate::model::identity::{Name, VolumeId};
use crate::model::maintenance::Maintenance;
use crate::model::notice_record::NotifyTrouble;
use crate::model::records::GenerationState;
use crate::model::records::Policy;
use crate::model::recoverable::{Recoverable, Recovery, recoverable};
use crate::model::snapshot::{ArrayView, Reach, Snapshot, TransactionVolumeView};
use crate::model::units::Version;
use serde::Serialize;
use std::fmt::Write;

/// How bad a finding is, as monitoring plugins grade it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Ok,
    Warning,
    Critical,
}

impl Grade {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }

    /// The status of a monitoring plugin: 0, 1 or 2.
    fn plugin_exit(self) -> Exit {
        match self {
            Self::Ok => Exit::Done,
            Self::Warning => Exit::Failed,
            Self::Critical => PLUGIN_CRITICAL,
        }
    }
}

/// The plugin's statuses 2 and 3 by our names for these numbers.
const PLUGIN_CRITICAL: Exit = Exit::Usage;
const PLUGIN_UNKNOWN: Exit = Exit::Refused;

/// What ended the check early, as a plugin says it: a monitor reads standard output and knows four statuses. What does not
/// answer is critical, and what is not known is never "OK".
pub fn plugin_error(error: &CliError) -> Exit {
    let is_silent = matches!(error.exit, Exit::NotReachable | Exit::TimeLimit);
    let (word, exit) = if is_silent { ("CRITICAL", PLUGIN_CRITICAL) } else { ("UNKNOWN", PLUGIN_UNKNOWN) };
    match out::print(&format!("ECDECK {word} - {}\n", one_line(&error.text))) {
        Ok(_) => exit,
        Err(_) => PLUGIN_UNKNOWN,
    }
}

pub async fn run(asked: &Check, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    // Who starts an engine to ask it does not learn that none was watching.
    if site_context.engine_pid().is_none() {
        let code = Code::ENGINE_NOT_STARTED;
        let text =
            format!("no engine runs, so nothing watches the site: start its service, or `ecdeck serve` ({code})");
        return Err(CliError::coded(code, text));
    }
    let mut link = site_context.open(Need::Reading).await?;
    let snapshot = if asked.volumes.is_empty() { link.snapshot().await? } else { link.view(&asked.volumes).await? };
    let wanted = names::volumes(&snapshot, &asked.volumes)?;
    if let Some(other) = wanted.iter().find(|id| snapshot.transaction_volume(**id).is_none()) {
        let code = Code::NOT_A_TRANSACTION_VOLUME;
        return Err(CliError::coded(code, format!("{} is not a transaction volume ({code})", snapshot.label(*other))));
    }
    let is_wanted = |view: &&TransactionVolumeView| wanted.is_empty() || wanted.contains(&view.volume.id);
    let volumes: Vec<Finding<'_>> =
        snapshot.transaction_volumes.iter().filter(is_wanted).map(|view| Finding::new(&snapshot, view)).collect();
    let in_force = |array: &ArrayView| array.box_id.and_then(|box_id| snapshot.maintenance_of(box_id));
    let unexpected = snapshot.arrays.iter().filter(|array| in_force(array).is_none());
    let silent: Vec<String> = unexpected.filter_map(|array| silence(&snapshot, array)).collect();
    let maintenance: Vec<String> = snapshot.maintenance.iter().map(|known| maintained(&snapshot, known)).collect();
    let is_expired = snapshot.maintenance.iter().any(|known| !known.is_in_force(snapshot.taken_at));
    let worst = volumes.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Warning);
    let worst = if silent.is_empty() && snapshot.catalogue.is_none() { worst } else { Grade::Critical };
    let all = || volumes.iter().all(|finding| finding.recoverable == Recoverable::Yes);
    let is_recoverable = worst != Grade::Critical && !volumes.is_empty() && all();
    // Who would be notified of the next trouble is not.
    let worst = if snapshot.notify.is_some() || snapshot.not_copied.is_some() || is_expired {
        worst.max(Grade::Warning)
    } else {
        worst
    };
    if asked.nagios {
        out::print(&plugin_line(&snapshot, worst, &volumes, (&silent, &maintenance)))?;
        return Ok(worst.plugin_exit());
    }
    if asked.json {
        let document = Document {
            recoverable: is_recoverable,
            notify: snapshot.notify.as_ref().map(NotifyTrouble::sentence),
            silent: &silent,
            not_copied: snapshot.not_copied.as_ref().map(NotCopied::sentence),
            maintenance: &maintenance,
            volumes: &volumes,
        };
        json::print(snapshot.site.demo, &document)?;
    } else {
        out::print(&text(&snapshot, &volumes, (&silent, &maintenance)))?;
    }
    Ok(match worst {
        _ if !silent.is_empty() || snapshot.catalogue.is_some() => Exit::NotReachable,
        Grade::Ok => Exit::Done,
        Grade::Warning | Grade::Critical => Exit::Failed,
    })
}

/// One volume as it is found.
#[derive(Serialize)]
struct Finding<'a> {
    id: VolumeId,
    name: &'a Name,
    recoverable: Recoverable,
    grade: Grade,
    version: Option<Version>,
    age_seconds: Option<i64>,
    /// How old the newest sound generation may be: interval and grace.
    limit_seconds: Option<i64>,
    /// Why it is not recoverable, or late for its window.
    why: String,
    /// null: its policy has no window.
    window: Option<WindowEntry<'a>>,
    #[serde(skip)]
    recovery: Recovery,
}

impl<'a> Finding<'a> {
    fn new(snapshot: &Snapshot, view: &'a TransactionVolumeView) -> Self {
        let recovery = recoverable(snapshot, view);
        let limit = view.volume.policy.map(Policy::limit);
        let far_too_old = recovery.age.zip(limit).is_none_or(|(age, limit)| age > 2 * limit);
        let grade = match recovery.word {
            Recoverable::Yes => Grade::Ok,
            Recoverable::Late if !far_too_old => Grade::Warning,
            Recoverable::NoPolicy if recovery.point.is_some() => Grade::Warning,
            Recoverable::Late | Recoverable::NoPolicy | Recoverable::InDoubt | Recoverable::No => Grade::Critical,
        };
        let window = view.window.as_deref();
        let late = window.filter(|window| window.state.is_trouble()).map(WindowView::sentence);
        let grade = if late.is_some() { grade.max(Grade::Warning) } else { grade };
        let maintenance = snapshot.maintenance_around(view.volume.id);
        let kept = snapshot.generations_of(view.volume.id);
        let is_explained = kept.iter().all(|kept| kept.state == GenerationState::Valid);
        let muted =
            maintenance.filter(|_| is_explained && grade != Grade::Ok && recovery.word != Recoverable::NoPolicy);
        let grade = if muted.is_some() { Grade::Ok } else { grade };
        let muted = muted.map(|known| format!("muted: {} is in maintenance", known.array));
        let parts = [Some(recovery.why.clone()).filter(|why| !why.is_empty()), late, muted];
        let why = parts.into_iter().flatten().collect::<Vec<String>>().join("; ");
        Self {
            id: view.volume.id,
            name: &view.volume.name,
            recoverable: recovery.word,
            grade,
            version: recovery.point.map(|(version, _)| version),
            age_seconds: recovery.age.map(|age| age / 1_000),
            limit_seconds: limit.map(|limit| limit / 1_000),
            why,
            window: window.map(WindowEntry::new),
            recovery,
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    /// Every volume is, and nothing is silent.
    recoverable: bool,
    /// What does not answer, as sentences.
    silent: &'a [String],
    /// Arrays in maintenance, as sentences: what does not answer or is overdue there is expected.
    maintenance: &'a [String],
    /// Why nobody is notified; null while the notification hook works, and where there is none.
    notify: Option<String>,
    /// Why no copy of the catalogue is made; null while copies are made.
    not_copied: Option<String>,
    volumes: &'a [Finding<'a>],
}

/// Why nothing is known of an array now.
fn silence(snapshot: &Snapshot, array: &ArrayView) -> Option<String> {
    let name = &array.name;
    match &array.reach {
        Reach::Reachable if snapshot.is_stale(array) => Some(format!("the last reading of {name} is too old")),
        Reach::Reachable => None,
        Reach::Waiting => Some(format!("{name} has not answered yet")),
        Reach::Unreachable { since, why } => {
            Some(format!("{name} does not answer since {}: {}", times::minute(*since), why.escaped()))
        }
        Reach::IdentityChanged { found } => Some(format!("another box answers as {name}: {found}")),
    }
}

/// A maintenance, with what its array's silence would have said.
fn maintained(snapshot: &Snapshot, known: &Maintenance) -> String {
    let (words, until) = (known.in_words(), times::minute(known.until));
    if known.is_in_force(snapshot.taken_at) {
        format!("{words}, until {until}")
    } else {
        format!("{words}, is past its time ({until}) and was not ended ({})", Code::MAINTENANCE_EXPIRED)
    }
}

/// Volumes that a plugin's line names at most.
const NAMED: usize = 10;

fn plugin_line(
    snapshot: &Snapshot,
    worst: Grade,
    volumes: &[Finding<'_>],
    (silent, maintenance): (&[String], &[String]),
) -> String {
    let mut bad: Vec<&Finding<'_>> = volumes.iter().filter(|finding| finding.grade != Grade::Ok).collect();
    bad.sort_by_key(|finding| std::cmp::Reverse(finding.grade));
    let mut parts: Vec<String> = silent.iter().chain(maintenance).cloned().collect();
    parts.extend(snapshot.catalogue.as_ref().map(|_| "the catalogue takes no writes".to_owned()));
    parts.extend(snapshot.notify.as_ref().map(NotifyTrouble::sentence));
    parts.extend(snapshot.not_copied.as_ref().map(NotCopied::sentence));
    let say = |finding: &&Finding<'_>| format!("{} {}: {}", finding.name, finding.recoverable, finding.why);
    parts.extend(bad.iter().take(NAMED).map(say));
    if bad.len() > NAMED {
        parts.push(format!("{} more", bad.len() - NAMED));
    }
    let good = volumes.len() - bad.len();
    let said = match (volumes.is_empty(), parts.is_empty()) {
        (true, true) => "no transaction volume is registered".to_owned(),
        (_, true) => format!("{good} of {} recoverable", volumes.len()),
        _ => format!("{good} of {} recoverable; {}", volumes.len(), parts.join("; ")),
    };
    let number = |word| volumes.iter().filter(|finding| finding.recoverable == word).count();
    let oldest = volumes.iter().filter_map(|finding| finding.age_seconds).max().unwrap_or(0);
    format!(
        "ECDECK {} - {} | recoverable={} late={} in_doubt={} no={} no_policy={} oldest={oldest}s\n",
        worst.word(),
        one_line(&said),
        number(Recoverable::Yes),
        number(Recoverable::Late),
        number(Recoverable::InDoubt),
        number(Recoverable::No),
        number(Recoverable::NoPolicy),
    )
}

/// What follows a bar is figures, and a plugin says one line.
fn one_line(text: &str) -> String {
    text.replace('|', "/").replace(['\n', '\r'], " ")
}

fn text(snapshot: &Snapshot, volumes: &[Finding<'_>], (silent, maintenance): (&[String], &[String])) -> String {
    let mut out = String::new();
    for line in maintenance {
        let _ = writeln!(out, "{line}");
    }
    for line in silent {
        let _ = writeln!(out, "! {line}");
    }
    if let Some(trouble) = &snapshot.catalogue {
        let _ = writeln!(out, "! the catalogue takes no writes since {}", times::minute(trouble.since));
    }
    if let Some(trouble) = &snapshot.not_copied {
        let _ = writeln!(out, "! {} ({})", trouble.sentence(), Code::CATALOGUE_NOT_COPIED);
    }
    if let Some(trouble) = &snapshot.notify {
        let _ = writeln!(out, "! {} ({})", trouble.sentence(), Code::NOTIFY_FAILED);
    }
    if volumes.is_empty() {
        out.push_str("no transaction volume is registered\n");
        return out;
    }
    let mut table = Table::new(&[
        ("volume", Align::Left),
        ("recoverable", Align::Left),
        ("point", Align::Left),
        ("age", Align::Right),
        ("limit", Align::Right),
        ("what is wrong", Align::Left),
    ]);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for finding in volumes {
        let point = finding.recovery.point.map(|(version, at)| format!("{version} {}", times::minute(at)));
        table.row([
            finding.name.to_string(),
            finding.recoverable.to_string(),
            or_dash(point),
            or_dash(finding.recovery.age.map(people)),
            or_dash(finding.limit_seconds.map(|seconds| people(seconds * 1_000))),
            finding.why.clone(),
        ]);
    }
    out.push_str(&table.render());
    out
}
