//! `ecdeck forced-command`: what an SSH key may do that OpenSSH ties to this command (`command=` of `authorized_keys`).
//!
//! The key's owner sends a command line; it is taken apart here, without a shell, and read like any other one. What it may
//! do is limited by the role that stands in `authorized_keys`: the engine is told and holds to it.

use super::CliError;
use super::arguments::{CommandLine, MapVerb, Reconcile, Sync, Verb};
use super::array_arguments::ArrayVerb;
use super::catalogue::CatalogueVerb;
use super::site_arguments::SiteVerb;
use crate::model::identity::Name;
use clap::Parser;
use std::path::Path;

/// What sshd puts the wanted command into.
pub const COMMAND_VARIABLE: &str = "SSH_ORIGINAL_COMMAND";
/// Bytes of a command line that is taken.
const MAX_COMMAND_BYTES: usize = 64 << 10;

/// The words of a wanted command, `ecdeck` first.
pub fn words(command: &str) -> Result<Vec<String>, CliError> {
    if command.len() > MAX_COMMAND_BYTES {
        return Err(CliError::usage(format!("the command is longer than {MAX_COMMAND_BYTES} bytes")));
    }
    let mut words = split(command).map_err(CliError::usage)?;
    if words.first().is_some_and(|word| word == "ecdeck" || word.ends_with("/ecdeck")) {
        words.remove(0);
    }
    if words.is_empty() {
        return Err(CliError::usage("give a command with ssh: `ssh USER@HOST ecdeck status`"));
    }
    words.insert(0, "ecdeck".to_owned());
    Ok(words)
}

/// Whether a key may ask for this at all. Everything here runs as the user of the engine, so what is not asked of the
/// engine is refused: above all files of this host, which the key's owner would read or write with that user's rights.
fn check(line: &CommandLine) -> Result<(), CliError> {
    if line.config.is_some() {
        return only("another configuration");
    }
    // Without a rest: whoever adds a verb decides here what it may touch.
    match &line.verb {
        None => only("the console"),
        Some(Verb::Serve(_)) => only("an engine"),
        Some(Verb::ForcedCommand { .. } | Verb::HookGuard) => only("a forced command"),
        Some(Verb::Init(_)) => only("a set-up"),
        Some(Verb::Array { verb }) if !is_a_look(verb) => only("a change of the arrays"),
        Some(Verb::Metrics(metrics)) => metrics.output.as_deref().map_or(Ok(()), |_| only(FILES)),
        Some(Verb::Map { verb }) => match verb {
            MapVerb::Edit { .. } => only("an editor"),
            MapVerb::Check { file, .. } => stream(file),
            MapVerb::Import { sources, .. } => sources.iter().try_for_each(|source| stream(source)),
            MapVerb::Export { folder, .. } => folder.as_deref().map_or(Ok(()), |_| only(FILES)),
            MapVerb::New { .. } | MapVerb::List { .. } | MapVerb::Show { .. } | MapVerb::Remove { .. } => Ok(()),
        },
        Some(Verb::Site { verb }) => match verb {
            SiteVerb::Export { file } | SiteVerb::Diff { file, .. } | SiteVerb::Apply { file, .. } => stream(file),
        },
        Some(Verb::Catalogue { verb }) => match verb {
            CatalogueVerb::List { .. } | CatalogueVerb::Save { file: None, .. } => Ok(()),
            CatalogueVerb::Save { file: Some(_), .. } | CatalogueVerb::Load(_) => only(FILES),
        },
        Some(Verb::Sync { verb: Sync::Start { map: Some(map), .. } }) => stored_map(map),
        Some(Verb::Reconcile(Reconcile { history: Some(_), .. })) => only(FILES),
        Some(
            Verb::Status(_)
            | Verb::Sync { .. }
            | Verb::Check(_)
            | Verb::Wait(_)
            | Verb::Report(_)
            | Verb::Backup(_)
            | Verb::Restore(_)
            | Verb::Snapshot(_)
            | Verb::Practice(_)
            | Verb::Reconcile(Reconcile { history: None, .. })
            | Verb::History(_)
            | Verb::Policy { .. }
            | Verb::Volume { .. }
            | Verb::Set { .. }
            | Verb::Audit { .. }
            | Verb::Explain(_)
            | Verb::Array { .. }
            | Verb::Hook { .. }
            | Verb::Notify { .. }
            | Verb::Host { .. }
            | Verb::Completions { .. }
            | Verb::Man,
        ) => Ok(()),
    }
}

const FILES: &str = "a file of this host";

fn only(what: &str) -> Result<(), CliError> {
    Err(CliError::usage(format!("{what} cannot be asked for by a forced command")))
}

/// What the key's owner sends or gets by the line itself.
fn stream(file: &Path) -> Result<(), CliError> {
    if file == Path::new("-") {
        return Ok(());
    }
    Err(CliError::usage(format!("{FILES} cannot be asked for by a forced command: use - for the line itself")))
}

/// The name of a stored map set, which is no file that happens to lie here.
fn stored_map(map: &Path) -> Result<(), CliError> {
    let name = map.to_str().and_then(|name| name.parse::<Name>().ok());
    if name.is_some() && map.symlink_metadata().is_err() { Ok(()) } else { only("a device map file of this host") }
}

fn is_a_look(verb: &ArrayVerb) -> bool {
    matches!(
        verb,
        ArrayVerb::List { .. } | ArrayVerb::Volumes { .. } | ArrayVerb::Doctor { .. } | ArrayVerb::Maintenance { .. }
    )
}

/// Reads the command of a key.
pub fn read(command: &str) -> Result<Result<CommandLine, clap::Error>, CliError> {
    match CommandLine::try_parse_from(words(command)?) {
        Ok(line) => check(&line).map(|()| Ok(line)),
        Err(error) => Ok(Err(error)),
    }
}

/// Takes a command line apart at its blanks, as a shell does with quotes and backslashes, and does nothing else a shell does.
pub fn split(command: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = command.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (None, ' ' | '\t' | '\n') => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => {
                let next = characters.next().ok_or("the command ends with a backslash")?;
                word.get_or_insert_default().push(next);
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("the command has a quote without its end".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(command: &str) -> bool {
        matches!(read(command), Ok(Ok(_)))
    }

    #[test]
    fn a_command_line_is_taken_apart_without_a_shell() {
        let split = |text: &str| words(text).unwrap().join("|");
        assert_eq!(split("ecdeck backup db01 --yes"), "ecdeck|backup|db01|--yes");
        assert_eq!(split("/usr/local/bin/ecdeck  status"), "ecdeck|status");
        assert_eq!(
            split(r#"history hold db01 --reason "the 'monthly' one" --version 7"#),
            "ecdeck|history|hold|db01|--reason|the 'monthly' one|--version|7"
        );
        assert_eq!(split(r"explain \; $(reboot) `x` 'a;b' >f"), "ecdeck|explain|;|$(reboot)|`x`|a;b|>f");
        assert_eq!(split("explain ''"), "ecdeck|explain|");
        for wrong in ["", "  ", "ecdeck", "status '", "status \\"] {
            assert!(words(wrong).is_err(), "{wrong:?}");
        }
        assert!(words(&"x ".repeat(MAX_COMMAND_BYTES)).is_err());
    }

    #[test]
    fn what_is_not_asked_of_the_engine_is_refused() {
        for command in [
            "ecdeck status --json",
            "backup db01 --wait --yes",
            "array list",
            "audit verify",
            "history db01",
            "metrics",
            "map import nightly - --yes",
            "map export nightly",
            "site export -",
            "sync start --map nightly",
            "wait db01 --for idle",
        ] {
            assert!(allowed(command), "{command}");
        }
        for command in [
            "serve",
            "array serve",
            "array stop",
            "array create A1",
            "status --config /tmp/other.toml",
            "forced-command --role administrator",
            "metrics --output /tmp/x.prom",
            "map check /etc/shadow",
            "map import nightly a.map -",
            "map export nightly /tmp/maps",
            "map edit nightly",
            "site export /tmp/site.toml",
            "site diff /etc/passwd",
            "site apply ./site.toml --yes",
            "sync start db01 --map /etc/shadow",
            "sync start db01 --map ../x.map",
            "sync start db01 --map Cargo.toml",
            "init",
            "init --from /tmp/site.toml",
            "--demo",
        ] {
            assert!(read(command).is_err(), "{command}");
        }
        assert!(matches!(read("no-such-verb"), Ok(Err(_))));
    }
}
