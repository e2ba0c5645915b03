//! `ecdeck status`: the site now, as tables or as a document; with `--watch` what changes, as lines.

use super::arguments::Status;
use super::document::{Pages, StatusDocument, bytes_of_point};
use super::link::Link;
use super::names;
use super::out::Reader;
use super::table::{Align, Table};
use super::{CliError, Exit, json, out, set, times};
use crate::model::codes::Code;
use crate::model::group_alarm::way_out;
use crate::model::identity::VolumeId;
use crate::model::pages::{Page, PageList};
use crate::model::plan::pool_sizes;
use crate::model::plan::rotation::{backlog, versions};
use crate::model::plan::step_text::place;
use crate::model::proof::bytes_in_words;
use crate::model::recoverable::{Recoverable, recoverable};
use crate::model::session::Direction;
use crate::model::snapshot::{
    BackupState, Due, Problem, Reach, Ready, SessionView, Snapshot, TransactionState, TransactionVolumeView,
};
use crate::model::units::{Blocks, Progress, iec};
use crate::model::untrusted::{Untrusted, escaped};
use crate::model::volume_set::VolumeSet;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub async fn run(asked: &Status, link: &mut Link) -> Result<Exit, CliError> {
    if let Some(seconds) = asked.watch {
        return watch(link, asked.json, Duration::from_secs(seconds.into())).await;
    }
    if asked.set.is_none() && asked.volumes.is_empty() {
        if asked.json {
            stream(link, json::print_from).await?;
        } else {
            out::print(&text(&*link.snapshot().await?, true))?;
        }
        return Ok(Exit::Done);
    }
    let (snapshot, shown) = if let Some(name) = &asked.set {
        let snapshot = set::view(link, name).await?;
        let members = set::stored(&snapshot, name)?.members.clone();
        (snapshot, members)
    } else {
        let snapshot = link.view(&asked.volumes).await?;
        let named = names::volumes(&snapshot, &asked.volumes)?;
        (snapshot, named)
    };
    let part = part_of(&snapshot, &shown.into_iter().collect());
    if asked.json {
        json::print(part.site.demo, &StatusDocument::new(&part))?;
    } else {
        out::print(&text(&part, false))?;
    }
    Ok(Exit::Done)
}

/// Prints until Ctrl-C, which is its good end.
async fn watch(link: &mut Link, as_json: bool, every: Duration) -> Result<Exit, CliError> {
    let mut told = BTreeMap::new();
    let mut until = Instant::now();
    loop {
        let newest = async {
            tokio::time::sleep_until(until).await;
            if as_json {
                return stream(link, json::print_line_from).await;
            }
            print_watched(&*link.snapshot().await?, &mut told)
        };
        tokio::select! {
            printed = newest => if printed? == Reader::Gone {
                return Ok(Exit::Done);
            },
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
            // Where nothing changes nothing is printed, so that only this tells that nobody reads any more.
            () = out::reader_gone() => return Ok(Exit::Done),
        }
        until = Instant::now() + every;
    }
}

/// Pages that wait to be printed.
const READ_AHEAD: usize = 2;

/// Prints the document of the whole site while its pages come, all of one moment. A few pages of it are in memory at a time.
async fn stream(
    link: &mut Link,
    print: fn(bool, &StatusDocument<'_>) -> Result<Reader, CliError>,
) -> Result<Reader, CliError> {
    let site = link.open_pages().await?;
    let (pages, coming) = mpsc::channel(READ_AHEAD);
    let (ended, printed) = oneshot::channel();
    // A thread of its own, which the end of the program does not wait for: whoever should read may have stopped reading.
    std::thread::spawn(move || {
        let document = print(site.site.demo, &StatusDocument::of_pages(&site, &Coming(Mutex::new(coming))));
        let _ = ended.send(document);
    });
    let brought = bring(link, &pages).await;
    drop(pages);
    let printed = printed.await.map_err(|_| CliError::failed("the document could not be made: see the text above"))?;
    brought.map_err(|mut error| {
        error.text += "; what was printed is not whole";
        error
    })?;
    printed
}

/// Brings all pages in the order of the document, as long as somebody takes them.
async fn bring(link: &mut Link, pages: &mpsc::Sender<Page>) -> Result<(), CliError> {
    for list in StatusDocument::LISTS {
        let mut from = Some(0);
        while let Some(at) = from {
            let page = link.page(list, at).await?;
            from = page.next;
            if pages.send(page).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Pages in the order in which the document wants them.
struct Coming(Mutex<mpsc::Receiver<Page>>);

impl Pages for Coming {
    fn page(&self, _: PageList, _: usize) -> Result<(Cow<'_, Snapshot>, Option<usize>), String> {
        let page = self.0.lock().blocking_recv().ok_or("the rest did not come")?;
        Ok((Cow::Owned(*page.part), page.next))
    }
}

/// A line for every transaction volume that reads otherwise than before.
fn print_watched(snapshot: &Snapshot, told: &mut BTreeMap<String, String>) -> Result<Reader, CliError> {
    let mut out = String::new();
    for view in &snapshot.transaction_volumes {
        let line = format!("{}  {}  ready {}", view.volume.name, synchronization(view, snapshot), ready(view.ready));
        let before = told.insert(view.volume.name.to_string(), line.clone());
        if before.is_none_or(|before| before != line) {
            let mark = if snapshot.site.demo { "DEMO  " } else { "" };
            let _ = writeln!(out, "{}  {mark}{line}", times::second(snapshot.taken_at));
        }
    }
    out::print(&out)
}

/// A few volumes, and only what they alone can tell: the state of a set is that of all its volumes.
fn part_of(snapshot: &Snapshot, volumes: &BTreeSet<VolumeId>) -> Snapshot {
    let part = snapshot.of_volumes(volumes);
    let is_here = |set: &&VolumeSet| set.members.iter().all(|id| part.transaction_volume(*id).is_some());
    let volume_sets = part.volume_sets.iter().filter(is_here).cloned().collect();
    Snapshot { volume_sets, ..part }
}

/// Everything that a person at a prompt wants to know. `whole`: of the whole site. The pool is shared by all its volumes, so a
/// part of the site tells nothing of it.
fn text(snapshot: &Snapshot, whole: bool) -> String {
    let mut out = String::new();
    head(&mut out, snapshot);
    out.push('\n');
    out.push_str(&transaction_volumes(snapshot));
    problems(&mut out, snapshot);
    section(&mut out, "Sets", &set::table(snapshot));
    if whole {
        section(&mut out, "Pool", &pool(snapshot));
    }
    section(&mut out, "Copies", &copies(snapshot));
    section(&mut out, "Restores", &restores(snapshot));
    section(&mut out, "Operations", &operations(snapshot));
    out
}

fn section(out: &mut String, title: &str, table: &Table) {
    if !table.is_empty() {
        let _ = write!(out, "\n{title}:\n{}", table.render());
    }
}

fn head(out: &mut String, snapshot: &Snapshot) {
    let demo = if snapshot.site.demo { " (demonstration site)" } else { "" };
    let site = escaped(&snapshot.site.name);
    let _ = writeln!(out, "{site}{demo}, {}", times::minute(snapshot.taken_at));
    if let Some(cli_error) = &snapshot.catalogue {
        let (since, why, code) = (times::minute(cli_error.since), cli_error.why.escaped(), cli_error.code);
        let _ = writeln!(out, "! the catalogue takes no writes since {since}: {why} ({code})");
    }
    if let Some(trouble) = &snapshot.not_copied {
        let since = times::minute(trouble.since);
        let _ = writeln!(out, "! {}, since {since} ({})", trouble.sentence(), Code::CATALOGUE_NOT_COPIED);
    }
    if let Some(trouble) = &snapshot.notify {
        let since = times::minute(trouble.since);
        let _ = writeln!(out, "! {}, since {since} ({})", trouble.sentence(), Code::NOTIFY_FAILED);
    }
    for known in snapshot.acknowledged.iter().filter(|known| known.counts_at(snapshot.taken_at)) {
        let whose = known.volume.map_or_else(String::new, |id| format!("{}: ", snapshot.label(id)));
        let (until, by, reason) = (times::minute(known.until), &known.by, known.reason.escaped());
        let _ =
            writeln!(out, "acknowledged until {until} by {by}: {whose}{}; {reason}  [{}]", known.text, known.trouble);
    }
    maintenance(out, snapshot);
    for array in &snapshot.arrays {
        let reach = match &array.reach {
            Reach::Reachable if snapshot.is_stale(array) => "its last reading is too old".to_owned(),
            Reach::Reachable => match array.limited() {
                Some(why) => format!("reachable, but {}", Untrusted::new(why).escaped()),
                None => "reachable".to_owned(),
            },
            Reach::Waiting => "not read yet".to_owned(),
            Reach::Unreachable { since, why } => {
                format!("does not answer since {}: {}", times::minute(*since), why.escaped())
            }
            Reach::IdentityChanged { found } => format!("another box answers here: {found}; all verbs stop"),
        };
        let _ = writeln!(out, "array {}: {reach}", array.name);
        for attention in &array.attentions {
            // What a driver can never show is to be known, and nobody can mend it.
            let mark = if attention.is_note() { "note:" } else { "!" };
            let _ = writeln!(out, "{mark} {} ({})", escaped(&attention.text), attention.code);
        }
    }
}

fn transaction_volumes(snapshot: &Snapshot) -> String {
    if snapshot.transaction_volumes.is_empty() {
        return "no transaction volumes: `ecdeck volume list` shows what the arrays have, `ecdeck volume add --transaction VOLUME` \
                registers one\n"
            .to_owned();
    }
    let mut table = Table::new(&[
        ("volume", Align::Left),
        ("size", Align::Right),
        ("synchronization", Align::Left),
        ("ready", Align::Right),
        ("kept", Align::Right),
        ("last backup", Align::Left),
        ("due", Align::Left),
        ("recoverable", Align::Left),
        ("bytes", Align::Left),
    ]);
    for view in &snapshot.transaction_volumes {
        let of = view.volume.policy.map_or_else(|| "-".to_owned(), |policy| policy.generations.to_string());
        let whole = recoverable(snapshot, view);
        let recovery = whole.word;
        let point = bytes_of_point(snapshot, view, &whole);
        table.row([
            view.volume.name.to_string(),
            view.volume.blocks.to_string(),
            synchronization(view, snapshot),
            ready(view.ready),
            format!("{}/{of}", view.kept),
            view.last_backup
                .map_or_else(|| "never".to_owned(), |(version, at)| format!("{version} {}", times::minute(at))),
            due(view, recovery, snapshot),
            recovery.to_string(),
            point.map_or_else(|| "-".to_owned(), |generation| bytes_in_words(generation, times::minute)),
        ]);
    }
    table.render()
}

/// The state's word, with how far the live copy is or what differs.
fn synchronization(view: &TransactionVolumeView, snapshot: &Snapshot) -> String {
    let word = if view.has_lost_group() { "group lost".to_owned() } else { view.state.to_string() };
    if let Some(claim) = &view.claimed {
        return match snapshot.waits_for(claim) {
            Some(plane) => format!("{word} ({} waits for {})", claim.verb, escaped(plane)),
            None => format!("{word} ({} runs)", claim.verb),
        };
    }
    let live = snapshot.sessions_of(view.volume.id).iter().find(|session| session.progress.is_some());
    if let Some(percent) = live.and_then(|session| session.progress).and_then(Progress::percent)
        && view.state == TransactionState::Copying
        && !view.has_lost_group()
    {
        return format!("{word} {percent}");
    }
    match view.problem.as_ref().and_then(|problem| problem.array_error) {
        Some(error) => format!("{word} {error}"),
        None => word,
    }
}

fn ready(ready: Ready) -> String {
    match ready {
        Ready::Now => "now".to_owned(),
        Ready::Between { earliest, latest } => {
            let (earliest, latest) = (times::clock(earliest), times::clock(latest));
            if earliest == latest { latest } else { format!("{earliest}-{latest}") }
        }
        Ready::NotYetKnown => "?".to_owned(),
        Ready::Never => "-".to_owned(),
    }
}

fn due(view: &TransactionVolumeView, recovery: Recoverable, snapshot: &Snapshot) -> String {
    match view.due {
        Due::NoPolicy => "no policy".to_owned(),
        // "ok" is said of what can be recovered, and of nothing else.
        Due::Ok if let Some(window) = view.window.as_deref().filter(|window| window.state.is_trouble()) => {
            format!("! {}", window.short())
        }
        Due::Ok if recovery == Recoverable::Yes => "ok".to_owned(),
        Due::Ok => "in time".to_owned(),
        Due::Overdue(_) => format!("! {}", snapshot.overdue_text(view).unwrap_or_default()),
    }
}

/// Arrays in maintenance, and maintenances that nobody ended.
pub(super) fn maintenance(out: &mut String, snapshot: &Snapshot) {
    for known in &snapshot.maintenance {
        let (until, words) = (times::minute(known.until), known.in_words());
        let _ = if known.is_in_force(snapshot.taken_at) {
            writeln!(out, "{words}; until {until} no start, resume or backup runs there ({})", Code::IN_MAINTENANCE)
        } else {
            let end = format!("`ecdeck array maintenance {} end`", known.array);
            writeln!(out, "! {words}; its time passed at {until}: {end} ({})", Code::MAINTENANCE_EXPIRED)
        };
    }
}

/// What is wrong, once: a backup volume's error that its transaction volume has reported is the same session's.
pub(super) fn problems(out: &mut String, snapshot: &Snapshot) {
    let mut line = |id: VolumeId, with: Option<VolumeId>, problem: &Problem| {
        let with = with.map_or_else(String::new, |target| format!(" with {}", place(target, snapshot)));
        let text = escaped(problem.text.trim_end_matches('.'));
        let _ = writeln!(out, "! {}{with}: {text} ({})", snapshot.label(id), problem.code);
        if problem.code == Code::GROUP_DEACTIVATED {
            let lost =
                snapshot.pool.iter().filter(|view| [view.transaction_volume, Some(view.volume.id)].contains(&Some(id)));
            let lines = lost.filter_map(|view| way_out(snapshot, view.volume.id)).flatten();
            for line in lines {
                let _ = writeln!(out, "    {line}");
            }
        }
    };
    let mut told = BTreeSet::new();
    for view in &snapshot.transaction_volumes {
        let Some(problem) = &view.problem else { continue };
        let target = snapshot.same_problem_on(view);
        told.extend(target);
        line(view.volume.id, target, problem);
    }
    for view in snapshot.pool.iter().filter(|view| !told.contains(&view.volume.id)) {
        if let Some(problem) = &view.problem {
            line(view.volume.id, None, problem);
        }
    }
    for view in &snapshot.transaction_volumes {
        let over = backlog(snapshot, view.volume.id);
        if !over.is_empty() {
            let (name, number, which) = (&view.volume.name, over.len(), versions(&over));
            let way = format!("`ecdeck backup {name} --confirm {name}` releases all of them with the next backup");
            let _ = writeln!(
                out,
                "! {name}: over by {number}: the policy does not keep {which}; {way} ({})",
                Code::OVER_POLICY
            );
        }
    }
}

/// The pool by size: every volume in one column, then what the policies need of this size and how many that is too many.
fn pool(snapshot: &Snapshot) -> Table {
    let sizes = pool_sizes(snapshot);
    // A site with one pool and without volume groups has no column of them.
    let has_others = sizes.keys().any(|key| !key.is_usual());
    let mut columns = vec![
        ("size", Align::Right),
        ("unused", Align::Right),
        ("bound", Align::Right),
        ("kept", Align::Right),
        ("live", Align::Right),
        ("trouble", Align::Right),
        ("foreign", Align::Right),
        ("need", Align::Right),
        ("missing", Align::Right),
    ];
    columns.extend(has_others.then_some(("of", Align::Left)));
    let mut table = Table::new(&columns);
    for (key, size) in sizes {
        let count = |states: &[BackupState]| {
            let of_size = snapshot.pool.iter().filter(|view| view.volume.blocks == key.blocks);
            let of_size = of_size.filter(|view| snapshot.backup_key(view) == key);
            of_size.filter(|view| states.contains(&view.state)).count()
        };
        let counts = [
            size.unused,
            size.bound,
            size.kept,
            count(&[BackupState::Copying, BackupState::Equivalent, BackupState::Restoring]),
            count(&[
                BackupState::Error,
                BackupState::Unverified,
                BackupState::Reversed,
                BackupState::RestoreIncomplete,
            ]),
            count(&[BackupState::Foreign]),
            size.needed,
        ];
        let missing = if size.missing() == 0 { "-".to_owned() } else { format!("! {}", size.missing()) };
        let which = has_others.then(|| key.which());
        let figures = [key.blocks.to_string()].into_iter().chain(counts.map(|count| count.to_string()));
        table.row(figures.chain([missing]).chain(which));
    }
    table
}

/// The restores that run, and those that did not come to their end.
fn restores(snapshot: &Snapshot) -> Table {
    let mut table = Table::new(&[
        ("target", Align::Left),
        ("generation", Align::Left),
        ("from", Align::Left),
        ("state", Align::Left),
        ("done", Align::Right),
    ]);
    for restore in &snapshot.restores {
        let generation = restore.generation.map_or_else(
            || "no longer kept".to_owned(),
            |(volume, version)| format!("{version} of {}", snapshot.label(volume)),
        );
        let copy = snapshot.session(&restore.pair()).and_then(|session| session.progress);
        let percent = copy.and_then(Progress::percent).map_or_else(|| "-".to_owned(), |percent| percent.to_string());
        table.row([
            place(restore.target, snapshot),
            generation,
            place(restore.source, snapshot),
            restore.state().to_owned(),
            percent,
        ]);
    }
    table
}

fn copies(snapshot: &Snapshot) -> Table {
    let mut table = Table::new(&[
        ("from", Align::Left),
        ("to", Align::Left),
        ("kind", Align::Left),
        ("state", Align::Left),
        ("done", Align::Right),
        ("to copy", Align::Right),
        ("rate", Align::Right),
    ]);
    for session in &snapshot.sessions {
        let amount = |blocks: Option<Blocks>| blocks.map_or_else(|| "-".to_owned(), |blocks| blocks.to_string());
        // From where the data are to where they go.
        let (from, to) = match session.direction {
            Direction::Reversed => (session.pair.target, session.pair.source),
            Direction::Forward | Direction::Unknown => (session.pair.source, session.pair.target),
        };
        table.row([
            snapshot.label(from),
            place(to, snapshot),
            kind(session),
            session_state(session),
            session.progress.and_then(Progress::percent).map_or_else(|| "-".to_owned(), |percent| percent.to_string()),
            amount(session.difference.or(session.progress.map(Progress::left))),
            session.rate.map_or_else(|| "-".to_owned(), |rate| format!("{}/s", iec(rate))),
        ]);
    }
    table
}

fn kind(session: &SessionView) -> String {
    let how = match session.full {
        Some(true) => " full",
        Some(false) => " difference",
        None => " (of others)",
    };
    format!("{}{how}", session.pair.kind)
}

fn session_state(session: &SessionView) -> String {
    let error = session.error.map_or_else(String::new, |error| format!(" {error}"));
    let direction = match session.direction {
        Direction::Forward => "",
        Direction::Reversed => "reversed, ",
        Direction::Unknown => "direction not known, ",
    };
    format!("{direction}{}, {}{error}", session.status, session.phase)
}

fn operations(snapshot: &Snapshot) -> Table {
    let mut table = Table::new(&[
        ("operation", Align::Left),
        ("verb", Align::Left),
        ("volume", Align::Left),
        ("by", Align::Left),
        ("since", Align::Left),
        ("now", Align::Left),
    ]);
    for operation in snapshot.operations.iter().filter(|operation| operation.end.is_none()) {
        table.row([
            operation.id.to_string(),
            operation.verb.to_string(),
            snapshot.label(operation.volume),
            operation.actor.to_string(),
            times::second(operation.started),
            escaped(&operation.step),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake;
    use crate::model::identity::Olu;
    use crate::model::session::Pair;

    #[test]
    fn a_document_from_pages_is_the_one_from_the_whole_site() {
        struct InPages<'a>(&'a Snapshot);
        impl Pages for InPages<'_> {
            fn page(&self, list: PageList, from: usize) -> Result<(Cow<'_, Snapshot>, Option<usize>), String> {
                let page = self.0.page(list, from);
                Ok((Cow::Owned(*page.part), page.next))
            }
        }
        let site = large();
        let whole = serde_json::to_value(StatusDocument::new(&site)).unwrap();
        let head = site.without_rows();
        let paged = serde_json::to_value(StatusDocument::of_pages(&head, &InPages(&site))).unwrap();
        assert_eq!(paged, whole);
        assert!(whole["pool"].as_array().is_some_and(|pool| pool.len() > 2 * crate::model::pages::PAGE_ROWS));
    }

    /// The demonstration site many times over.
    fn large() -> Snapshot {
        let site = fake::snapshot();
        let mut large = site.clone();
        for copy in 1..60_u32 {
            let other = |id: VolumeId| VolumeId { olu: Olu(id.olu.0 + copy * 0x1_0000), ..id };
            large.transaction_volumes.extend(site.transaction_volumes.iter().cloned().map(|mut view| {
                view.volume.id = other(view.volume.id);
                view.volume.name = format!("{}-{copy}", view.volume.name).parse().unwrap();
                view
            }));
            large.pool.extend(site.pool.iter().cloned().map(|mut view| {
                view.volume.id = other(view.volume.id);
                view.transaction_volume = view.transaction_volume.map(other);
                view
            }));
            large.sessions.extend(site.sessions.iter().cloned().map(|mut view| {
                view.pair = Pair { source: other(view.pair.source), target: other(view.pair.target), ..view.pair };
                view
            }));
            large.generations.extend(site.generations.iter().cloned().map(|mut kept| {
                kept.transaction_volume = other(kept.transaction_volume);
                kept.backup_volume = other(kept.backup_volume);
                kept
            }));
        }
        large.transaction_volumes.sort_by_key(|view| view.volume.id);
        large.pool.sort_by_key(|view| view.volume.id);
        large.sessions.sort_by_key(|view| view.pair);
        large.generations.sort_by_key(|kept| (kept.transaction_volume, kept.version));
        let members: Vec<VolumeId> = large.transaction_volumes.iter().step_by(40).map(|view| view.volume.id).collect();
        large.volume_sets = [VolumeSet::new("erp".parse().unwrap(), members)].into_iter().collect();
        large
    }

    #[test]
    fn a_part_of_the_site_tells_nothing_of_what_all_share() {
        let mut site = fake::snapshot();
        let ids: Vec<VolumeId> = site.transaction_volumes.iter().take(2).map(|view| view.volume.id).collect();
        site.volume_sets = [VolumeSet::new("erp".parse().unwrap(), ids.clone())].into_iter().collect();
        let whole = text(&site, true);
        assert!(whole.contains("\nPool:\n") && whole.contains("\nSets:\n") && whole.contains("missing"), "{whole}");

        let one = text(&part_of(&site, &ids[..1].iter().copied().collect()), false);
        assert!(one.contains(site.label(ids[0]).as_str()), "{one}");
        for absent in ["Pool:", "missing", "Sets:"] {
            assert!(!one.contains(absent), "{absent} is of the whole site:\n{one}");
        }
        let set = text(&part_of(&site, &ids.into_iter().collect()), false);
        assert!(set.contains("\nSets:\n") && !set.contains("Pool:"), "{set}");
    }
}
