//! The command line's grammar after `:`: `backup demo-ora01`, `sync start db01 db02`, `cancel --all`. Without a volume it is
//! the selected one. Names complete with Tab.

use super::requests;
use super::types::Subject;
use crate::model::identity::VolumeId;
use crate::model::records::BackupMode;
use crate::model::request::{Action, CancelScope, Request};
use crate::model::snapshot::Snapshot;
use crate::model::untrusted::Untrusted;
use crate::model::verb::Verb;

/// The verbs that are taken here, in all words by which people call them.
fn verb_of<'a>(words: &'a [&'a str]) -> Option<(Verb, &'a [&'a str])> {
    let in_words = |verb: &Verb| {
        let info = verb.info();
        let command = words.len() >= info.command.len() && words.iter().zip(info.command).all(|(a, b)| a == b);
        if command {
            return Some(info.command.len());
        }
        (info.key?.binding == *words.first()?).then_some(1)
    };
    Verb::ALL.iter().find_map(|verb| in_words(verb).map(|used| (*verb, &words[used..])))
}

/// The request that a line asks for. `None`: the line is no verb with its arguments; `Err` says what is wrong.
pub fn request(snapshot: &Snapshot, selected: Option<Subject>, line: &str) -> Option<Result<Request, String>> {
    let line = line.trim();
    let line = line.strip_prefix("ecdeck ").unwrap_or(line);
    let words: Vec<&str> = line.split_whitespace().collect();
    let (verb, rest) = verb_of(&words)?;
    if rest.is_empty() {
        // The verb alone acts as its key does.
        return None;
    }
    Some(parse(snapshot, selected, verb, rest))
}

fn parse(snapshot: &Snapshot, selected: Option<Subject>, verb: Verb, rest: &[&str]) -> Result<Request, String> {
    let mut volumes = Vec::new();
    let (mut mode, mut target, mut all) = (None, None, false);
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        match (*word, verb) {
            ("--suspend", Verb::Backup) => mode = Some(BackupMode::Suspend),
            ("--dissolve", Verb::Backup) => mode = Some(BackupMode::Dissolve),
            ("--all", Verb::Cancel) => all = true,
            ("--volume", Verb::Suspend | Verb::Resume | Verb::Cancel | Verb::ForceStop) => {
                let name = words.next().ok_or("--volume wants the name of a backup volume")?;
                target = Some(backup_volume(snapshot, name)?);
            }
            (option, _) if option.starts_with('-') => {
                return Err(format!(
                    "{option} is not known here; `ecdeck {} --help` in a shell lists all",
                    verb.info().command.join(" ")
                ));
            }
            (name, _) => volumes.push(transaction_volume(snapshot, name)?),
        }
    }
    if volumes.is_empty() {
        volumes.extend(selected.and_then(Subject::owner));
    }
    let Some(&first) = volumes.first() else { return Err("name a volume: none is selected".to_owned()) };
    if volumes.len() > 1 && !verb.info().several {
        return Err(format!("{verb} takes one volume at a time"));
    }
    let action = match verb {
        Verb::Start => Action::Start { volumes, targets: Vec::new(), together: false },
        Verb::Resume => Action::Resume { volumes, target },
        Verb::Suspend => Action::Suspend { volumes, target },
        Verb::Backup => Action::Backup { volumes, mode, together: false },
        Verb::Cancel => {
            let scope = if all { CancelScope::All } else { target.map_or(CancelScope::Live, CancelScope::One) };
            Action::Cancel { volumes, scope }
        }
        Verb::ForceStop => Action::ForceStop { volume: first, target },
        // What needs more than volumes has its key, or its line in a shell.
        _ => {
            return requests::request(verb, Subject::Volume(first)).ok_or_else(|| {
                format!("{verb}: use its key, or `ecdeck {}` in a shell", verb.info().command.join(" "))
            });
        }
    };
    Ok(Request::new(action))
}

fn transaction_volume(snapshot: &Snapshot, name: &str) -> Result<VolumeId, String> {
    let views = &snapshot.transaction_volumes;
    let named =
        views.iter().find(|view| view.volume.name.as_str() == name || snapshot.location(view.volume.id) == name);
    let unknown = || format!("there is no transaction volume {}; Tab completes names", Untrusted::new(name).escaped());
    named.map(|view| view.volume.id).ok_or_else(unknown)
}

fn backup_volume(snapshot: &Snapshot, name: &str) -> Result<VolumeId, String> {
    let named = snapshot.pool.iter().map(|view| view.volume.id);
    let mut named = named.filter(|id| snapshot.label(*id) == name || snapshot.location(*id) == name);
    named.next().ok_or_else(|| format!("there is no backup volume {}", Untrusted::new(name).escaped()))
}

/// What Tab makes of a line: the longest text that all continuations have in common. `names`: the commands of the screen.
pub fn complete(snapshot: &Snapshot, names: &[&str], line: &str) -> Option<String> {
    let (before, last) = line.rsplit_once(' ').map_or(("", line), |(before, last)| (before, last));
    let found: Vec<String> = if before.is_empty() {
        names.iter().filter(|name| name.starts_with(last)).map(|name| (*name).to_owned()).collect()
    } else {
        let volumes = snapshot.transaction_volumes.iter().map(|view| view.volume.name.to_string());
        volumes.filter(|name| name.starts_with(last)).collect()
    };
    let first = found.first()?;
    let shared = found.iter().fold(first.len(), |shared, name| {
        let same = first.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        shared.min(same)
    });
    let shared = (0..=shared).rev().find(|at| first.is_char_boundary(*at)).unwrap_or(0);
    let end = if found.len() == 1 { " " } else { "" };
    let gap = if before.is_empty() { "" } else { " " };
    Some(format!("{before}{gap}{}{end}", &first[..shared]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::fixture::{self, one};

    fn ask(line: &str) -> Option<Result<Action, String>> {
        let selected = Some(Subject::Volume(one(0x11)));
        request(&fixture::demo(), selected, line).map(|request| request.map(|request| request.action))
    }

    #[test]
    fn a_line_is_the_request_of_the_shell() {
        let backup = |volumes, mode| Some(Ok(Action::Backup { volumes, mode, together: false }));
        assert_eq!(ask("backup demo-ora01"), backup(vec![one(0x10)], None));
        assert_eq!(ask("ecdeck backup demo-ora01 demo-ora02"), backup(vec![one(0x10), one(0x11)], None));
        assert_eq!(ask("backup --dissolve"), backup(vec![one(0x11)], Some(BackupMode::Dissolve)));
        let cancel = Action::Cancel { volumes: vec![one(0x11)], scope: CancelScope::All };
        assert_eq!(ask("sync cancel --all"), Some(Ok(cancel)));
        assert_eq!(ask("backup"), None, "the verb alone acts as its key does");
        assert_eq!(ask("all-events"), None);
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        let wrong = |line| ask(line).unwrap().unwrap_err();
        assert!(wrong("backup db99").contains("no transaction volume db99"));
        assert!(wrong("backup --force").contains("--force is not known"));
        assert!(wrong("force-stop demo-ora01 demo-ora02").contains("one volume"));
        assert!(wrong("resume --volume").contains("wants the name"));
    }

    #[test]
    fn tab_completes_commands_and_then_names() {
        let done = |line| complete(&fixture::demo(), &["backup", "back", "start"], line);
        assert_eq!(done("sta"), Some("start ".to_owned()));
        assert_eq!(done("ba"), Some("back".to_owned()));
        assert_eq!(done("backup demo-o"), Some("backup demo-ora0".to_owned()));
        assert_eq!(done("backup demo-ma"), Some("backup demo-mail ".to_owned()));
        assert_eq!(done("nothing"), None);
    }
}
