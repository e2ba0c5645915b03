//! A line that was typed into the console after `:`, read by the grammar of the command line, and what may follow in it.

use super::arguments::{Change, CommandLine, HistoryVerb, MapVerb, PolicyVerb, Sync, Verb as TypedVerb, VolumeVerb};
use super::{backup, change, forced, names, policy, practice, reconcile, restore, set, snapshot, sync, volume};
use crate::model::identity::VolumeId;
use crate::model::request::{Action, Request};
use crate::model::site_change::{NewGroup, NewVolume};
use crate::model::snapshot::Snapshot;
use crate::model::units::Version;
use crate::model::untrusted::Untrusted;
use crate::model::verb::Verb;
use clap::error::ErrorKind;
use clap::{ArgAction, Command, CommandFactory, Parser};

/// What a line without a volume, or without a version, is about: the selected row.
pub type Selected = Option<(VolumeId, Option<Version>)>;

/// The words of a line as the command line has them: `cancel --all` is `sync cancel --all`. With the verb, and how many of
/// the words are its name; `None` when they are no verb's.
fn of_a_verb(mut words: Vec<String>) -> Option<(Verb, usize, Vec<String>)> {
    if words.first().is_some_and(|word| word == "ecdeck") {
        words.remove(0);
    }
    let spelled = |verb: &&Verb| {
        let command = verb.info().command;
        words.len() >= command.len() && words.iter().zip(command).all(|(word, wanted)| word == wanted)
    };
    if let Some(&verb) = Verb::ALL.iter().find(spelled) {
        return Some((verb, verb.info().command.len(), words));
    }
    // A command of its own, such as `policy preview`: its first word is no key's name then.
    let first = words.first().and_then(|word| CommandLine::command().find_subcommand(word).cloned());
    if first.is_some_and(|of| words.get(1).is_some_and(|word| of.find_subcommand(word).is_some())) {
        return None;
    }
    let bound =
        |verb: &&Verb| verb.info().key.is_some_and(|key| Some(key.binding) == words.first().map(String::as_str));
    let verb = *Verb::ALL.iter().find(bound)?;
    let command = verb.info().command;
    let spelled = command.iter().map(|word| (*word).to_owned()).chain(words.into_iter().skip(1));
    Some((verb, command.len(), spelled.collect()))
}

/// The request that a line asks for, or what is wrong with it. `None`: it is no verb with its words; a verb alone acts as
/// its key does.
pub fn request(snapshot: &Snapshot, selected: Selected, line: &str) -> Option<Result<Request, String>> {
    let words = match forced::split(line) {
        Ok(words) => words,
        // It may still be the name of a key's command.
        Err(_) if !line.contains(char::is_whitespace) => return None,
        Err(error) => return Some(Err(error)),
    };
    let (verb, name, words) = of_a_verb(words)?;
    if words.len() == name {
        return None;
    }
    let parsed = parse(snapshot, selected, name, words);
    let shell = || format!("`ecdeck {}` is for a shell", verb.info().command.join(" "));
    Some(parsed.and_then(|typed| asked(&typed, snapshot)?.ok_or_else(shell)))
}

/// Reads the words. What misses a volume is read again with the selected one, and then with its version.
fn parse(snapshot: &Snapshot, selected: Selected, name: usize, words: Vec<String>) -> Result<TypedVerb, String> {
    let mut tries = vec![words];
    if let Some((volume, version)) = selected {
        let mut with_volume = tries[0].clone();
        with_volume.insert(name, snapshot.label(volume));
        let versioned = version.map(|version| {
            let mut with_version = with_volume.clone();
            let words = ["--version".to_owned(), version.0.to_string()];
            with_version.extend(words);
            with_version
        });
        tries.push(with_volume);
        tries.extend(versioned);
    }
    let mut first = None;
    for words in tries {
        match CommandLine::try_parse_from(std::iter::once("ecdeck".to_owned()).chain(words)) {
            // A time limit is the verb's own, where the verb waits at all.
            Ok(CommandLine {
                demo: false,
                config: None,
                read_only: false,
                slow: false,
                time_limit: _,
                verb: Some(verb),
            }) => {
                return Ok(verb);
            }
            Ok(_) => return Err("--demo, --config and the console's own options are for a shell".to_owned()),
            Err(error) => {
                let missing = error.kind() == ErrorKind::MissingRequiredArgument;
                first.get_or_insert(error);
                if !missing {
                    break;
                }
            }
        }
    }
    Err(first.map_or_else(String::new, |error| sentence(&error)))
}

/// A parser's error as one line.
fn sentence(error: &clap::Error) -> String {
    if !error.use_stderr() {
        return "the help of a command is for a shell: `ecdeck COMMAND --help`".to_owned();
    }
    let text = error.render().to_string();
    let first: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let first = first.join(" ");
    Untrusted::new(first.strip_prefix("error: ").unwrap_or(&first)).escaped()
}

/// The request of a verb; `None` where it needs more than words and a snapshot.
fn asked(typed: &TypedVerb, snapshot: &Snapshot) -> Result<Option<Request>, String> {
    let (request, change) = match typed {
        TypedVerb::Sync { verb: Sync::Start { volumes, map: Some(set), change, .. } } => {
            let set = set.to_str().and_then(|name| snapshot.map_set(name));
            let set = set.ok_or("--map takes a stored map set here; a file is for a shell")?;
            let members = set.transaction_volumes();
            let volumes = names::volumes(snapshot, volumes).map_err(|error| error.text)?;
            if let Some(other) = volumes.iter().find(|id| !members.contains(id)) {
                return Err(format!("{} is not in map set {}", snapshot.label(*other), set.name));
            }
            let volumes = if volumes.is_empty() { members } else { volumes };
            let action = Action::on_volumes(Verb::Start, volumes, None).ok_or("nothing to start")?;
            (Ok(change::request(action, change)), change)
        }
        TypedVerb::Sync { verb } => {
            let request = sync::action(verb, snapshot);
            let set = verb.set().cloned();
            let request = request.map(|(action, _)| Request { set, ..change::request(action, verb.change()) });
            (request, verb.change())
        }
        TypedVerb::Backup(typed) => (backup::request(typed, snapshot), &typed.change),
        TypedVerb::Snapshot(typed) => {
            (snapshot::action(typed, snapshot).map(|action| change::request(action, &typed.change)), &typed.change)
        }
        TypedVerb::Practice(typed) if !typed.due => {
            (practice::action(typed, snapshot).map(|action| change::request(action, &typed.change)), &typed.change)
        }
        TypedVerb::Reconcile(typed) if typed.history.is_none() && (typed.accept || typed.verb.is_some()) => {
            let request = reconcile::action(typed, snapshot, Vec::new());
            (request.map(|action| change::request(action, typed.change())), typed.change())
        }
        TypedVerb::Restore(typed) => (restore::request(typed, snapshot), &typed.change),
        TypedVerb::History(typed) => {
            let Some(HistoryVerb::Generation(line)) = &typed.verb else { return Ok(None) };
            (line.action(snapshot).map(|action| change::request(action, &line.on.change)), &line.on.change)
        }
        TypedVerb::Policy { verb: PolicyVerb::Set(typed) } => {
            (policy::action(typed, snapshot).map(|action| change::request(action, &typed.change)), &typed.change)
        }
        // The engine asks the host who the group is.
        TypedVerb::Volume { verb: verb @ VolumeVerb::Add { group: Some(place), change, .. } } => {
            let of_group = |action| match action {
                Action::Register { volume, role, name } => {
                    let group = Some(NewGroup::At(place.clone()));
                    Ok(Action::RegisterAll { volumes: vec![NewVolume { volume, role, name, group }] })
                }
                _ => Err(volume::several_of_a_group()),
            };
            (volume::action(verb, snapshot).and_then(of_group).map(|action| change::request(action, change)), change)
        }
        TypedVerb::Volume { verb } => {
            let Some(change) = verb.change() else { return Ok(None) };
            (volume::action(verb, snapshot).map(|action| change::request(action, change)), change)
        }
        TypedVerb::Set { verb } => {
            let Some(change) = verb.change() else { return Ok(None) };
            (set::action(verb, snapshot).map(|action| change::request(action, change)), change)
        }
        TypedVerb::Map { verb: MapVerb::Remove { name, change } } => {
            (Ok(change::request(Action::RemoveMap { name: name.clone() }, change)), change)
        }
        _ => return Ok(None),
    };
    if let Some(option) = for_a_shell(typed, change) {
        return Err(format!("{option} is for a shell: the console shows the plan and asks"));
    }
    request.map(Some).map_err(|error| error.text)
}

/// Options that mean nothing in a console: it shows the plan, asks, and does not wait.
const FOR_A_SHELL: [&str; 6] = ["--wait", "--yes", "--confirm", "--dry-run", "--json", "--time-limit"];

/// The first of them that was given.
fn for_a_shell(typed: &TypedVerb, change: &Change) -> Option<&'static str> {
    let waits = match typed {
        TypedVerb::Sync { verb: Sync::Start { wait, .. } } => *wait,
        TypedVerb::Sync { verb: Sync::Resume(on) } => on.wait,
        TypedVerb::Backup(typed) => typed.wait,
        _ => false,
    };
    // With a backup it says what is released; the dialog still asks for the name.
    let confirms = change.confirm.is_some() && !matches!(typed, TypedVerb::Backup(_));
    let given = [waits, change.yes, confirms, change.dry_run, change.json, change.time_limit.is_some()];
    FOR_A_SHELL.into_iter().zip(given).find(|(_, is_given)| *is_given).map(|(option, _)| option)
}

/// What may stand in the place of a line's last word, which may be empty: words of the grammar, options, and names.
pub fn candidates(snapshot: &Snapshot, line: &str) -> Vec<String> {
    let (before, last) = line.rsplit_once(' ').map_or(("", line), |(before, last)| (before, last));
    let before: Vec<String> = before.split_whitespace().map(str::to_owned).collect();
    let mut at = CommandLine::command();
    let spelled = of_a_verb(before.clone()).map_or_else(|| before.clone(), |(_, _, words)| words);
    for word in &spelled {
        let Some(below) = at.find_subcommand(word).cloned() else { break };
        at = below;
    }
    let found: Vec<String> = if before.is_empty() {
        Verb::ALL.iter().map(|verb| verb.info().command[0].to_owned()).collect()
    } else if last.starts_with('-') {
        options(&at).collect()
    } else {
        let below = at.get_subcommands().map(|below| below.get_name().to_owned());
        let takes_names = at.get_arguments().any(clap::Arg::is_positional);
        let after = before.last().map_or("", String::as_str);
        below.chain(takes_names.then(|| values(snapshot, after)).into_iter().flatten()).collect()
    };
    let mut found: Vec<String> = found.into_iter().filter(|word| word.starts_with(last)).collect();
    found.sort();
    found.dedup();
    found
}

/// The options of a command that mean something in a console.
fn options(command: &Command) -> impl Iterator<Item = String> + '_ {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set() && !argument.is_global_set());
    let shown = shown.filter(|argument| !matches!(argument.get_action(), ArgAction::Help | ArgAction::Version));
    let long = shown.filter_map(|argument| argument.get_long()).map(|long| format!("--{long}"));
    long.filter(|option| !FOR_A_SHELL.contains(&option.as_str()))
}

/// The names that may follow a word.
fn values(snapshot: &Snapshot, after: &str) -> Vec<String> {
    match after {
        "--to" | "--cancel" => {
            let free = snapshot.unregistered.iter().map(|volume| volume.id);
            let pool = snapshot.pool.iter().map(|view| view.volume.id);
            let live = snapshot.transaction_volumes.iter().map(|view| view.volume.id);
            free.chain(pool).chain(live).map(|id| snapshot.label(id)).collect()
        }
        "--volume" => snapshot.pool.iter().map(|view| snapshot.label(view.volume.id)).collect(),
        "--set" => snapshot.volume_sets.iter().map(|set| set.name.to_string()).collect(),
        "--map" => snapshot.map_sets.iter().map(|set| set.name.to_string()).collect(),
        "--mode" => vec!["suspend".to_owned(), "dissolve".to_owned()],
        option if option.starts_with("--") => Vec::new(),
        _ => snapshot.transaction_volumes.iter().map(|view| view.volume.name.to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake;
    use crate::model::entity::{BackupMode, Policy};
    use crate::model::request::CancelScope;

    fn site() -> Snapshot {
        fake::snapshot()
    }

    fn named(name: &str) -> VolumeId {
        site().find(name).unwrap()
    }

    fn typed(selected: Selected, line: &str) -> Option<Result<Action, String>> {
        request(&site(), selected, line).map(|request| request.map(|request| request.action))
    }

    fn ask(line: &str) -> Action {
        typed(Some((named("demo-web"), None)), line).expect(line).expect(line)
    }

    #[test]
    fn a_line_is_the_request_of_the_shell() {
        let (ora, web) = (named("demo-ora01"), named("demo-web"));
        let backup = |volumes, mode| Action::Backup { volumes, mode, together: false };
        assert_eq!(ask("backup demo-ora01"), backup(vec![ora], None));
        assert_eq!(ask("ecdeck backup demo-ora01 demo-web"), backup(vec![ora, web], None));
        assert_eq!(ask("backup --dissolve"), backup(vec![web], Some(BackupMode::Dissolve)), "of the selected volume");
        assert_eq!(ask("cancel --all"), Action::Cancel { volumes: vec![web], scope: CancelScope::All });
        assert_eq!(ask("sync cancel demo-ora01"), Action::Cancel { volumes: vec![ora], scope: CancelScope::Live });
        let policy = Policy::new(5, 1, BackupMode::Suspend);
        let line = "policy set --generations 5 --interval 1 --mode suspend";
        assert_eq!(ask(line), Action::SetPolicy { volume: web, policy });
        assert_eq!(ask("volume rename shop"), Action::Rename { volume: web, name: "shop".parse().unwrap() });
        let hold = Action::Hold { volume: ora, version: Version(3), why: "tape 7".into() };
        assert_eq!(ask("history hold demo-ora01 --version 3 --reason 'tape 7'"), hold);
        let free = site().unregistered.first().unwrap().id;
        let line = format!("volume add --backup {} --group db03:vg01b --name spare", site().location(free));
        let group = Some(NewGroup::At("db03:vg01b".parse().unwrap()));
        let name = Some("spare".parse().unwrap());
        let new = NewVolume { volume: free, role: crate::model::request::VolumeRole::Backup, name, group };
        assert_eq!(ask(&line), Action::RegisterAll { volumes: vec![new] });
    }

    #[test]
    fn what_a_line_leaves_out_is_the_selected_row() {
        let selected = Some((named("demo-ora01"), Some(Version(3))));
        let hold = Action::Hold { volume: named("demo-ora01"), version: Version(3), why: "tape 7".into() };
        assert_eq!(typed(selected, "hold --reason 'tape 7'"), Some(Ok(hold)));
        let hold = Action::Hold { volume: named("demo-ora01"), version: Version(2), why: "tape 7".into() };
        assert_eq!(typed(selected, "hold --version 2 --reason 'tape 7'"), Some(Ok(hold)));
        assert_eq!(typed(selected, "backup"), None, "the verb alone acts as its key does");
        assert_eq!(typed(selected, "all-events"), None);
        assert_eq!(typed(selected, "'"), None);
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_on_one_line() {
        let wrong = |selected, line| typed(selected, line).unwrap().unwrap_err();
        let web = Some((named("demo-web"), None));
        assert!(wrong(web, "backup db99").contains("no volume db99"));
        assert!(wrong(web, "backup --force").contains("--force"));
        assert!(wrong(None, "backup --suspend").contains("<TV>"), "{}", wrong(None, "backup --suspend"));
        assert!(wrong(web, "force-stop demo-ora01 demo-web").contains("demo-web"));
        assert!(wrong(web, "resume --volume").contains("--volume"));
        assert!(wrong(web, "hold --version 3").contains("a hold needs its reason"));
        assert!(wrong(web, "backup demo-web --yes").contains("--yes is for a shell"));
        assert!(wrong(web, "start --wait").contains("--wait is for a shell"));
        assert!(wrong(web, "backup --help").contains("for a shell"));
        assert!(wrong(web, "backup --demo").contains("for a shell"));
        assert!(wrong(web, "map import nights a.map").contains("for a shell"));
        assert!(wrong(web, "start --map nights").contains("stored map set"));
        assert!(wrong(web, "backup 'demo-web").contains("quote"));
        for line in ["backup \u{1b}[2J", "backup --\u{1b}[2J", "history hold x --version \u{7}"] {
            assert!(!wrong(web, line).contains(char::is_control), "{line:?}");
        }
    }
}
