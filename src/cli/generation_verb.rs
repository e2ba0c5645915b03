//! The verbs of one generation below `ecdeck history`, made from their descriptors: a new one needs no line here.

use super::CliError;
use super::arguments::{Change, OnVersion};
use super::names;
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::records::GenerationState;
use crate::model::request::Action;
use crate::model::snapshot::Snapshot;
use crate::model::units::Version;
use crate::model::verb::{GenerationVerb, Verb};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, Subcommand};
use std::collections::BTreeSet;

/// A verb of one generation, as typed.
#[derive(Debug)]
pub struct GenerationLine {
    verb: Verb,
    pub on: OnVersion,
    /// Every generation of the site that it can act on.
    all: bool,
}

/// The option that stands for the volume and the version.
const ALL: &str = "all";

/// The arguments of a verb; only a doubt is taken from many generations at once.
fn with_arguments(command: Command, verb: Verb) -> Command {
    let command = OnVersion::augment_args(command);
    if verb != Verb::AcceptGeneration {
        return command;
    }
    let all = Arg::new(ALL).long(ALL).action(ArgAction::SetTrue).conflicts_with_all(["volume", "version"]);
    let all = all.help("All generations of the site that are in doubt (the site's name in --confirm)");
    let optional = |arg: Arg| arg.required(false).required_unless_present(ALL);
    command.arg(all).mut_arg("volume", optional).mut_arg("version", optional)
}

/// Each verb with its word below `history`.
fn verbs() -> impl Iterator<Item = (Verb, &'static str, GenerationVerb)> {
    Verb::ALL.iter().filter_map(|verb| Some((*verb, *verb.info().command.last()?, verb.of_generation()?)))
}

impl GenerationLine {
    /// Whether it is about every generation of the site that it can act on.
    pub fn is_of_all(&self) -> bool {
        self.all
    }

    /// What is asked for. What needs a reason is not made without one.
    pub fn action(&self, snapshot: &Snapshot) -> Result<Action, CliError> {
        let reason = self.on.change.reason.as_deref().map_or("", str::trim);
        let needed = self.verb.of_generation().and_then(|known| known.reason);
        if let Some(needed) = needed.filter(|_| reason.is_empty()) {
            return Err(CliError::usage(format!("{} needs its reason: give --reason TEXT", needed.of)));
        }
        if self.all {
            return all_in_doubt(snapshot);
        }
        let volume = names::volume(snapshot, &self.on.volume)?;
        let action = Action::on_generation(self.verb, volume, Version(self.on.version), reason);
        action.ok_or_else(|| CliError::usage(format!("{} does not act on a generation", self.verb)))
    }
}

/// Accepts whatever is in doubt now.
fn all_in_doubt(snapshot: &Snapshot) -> Result<Action, CliError> {
    let doubtful = snapshot.generations.iter().filter(|generation| generation.state != GenerationState::Valid);
    let volumes: BTreeSet<VolumeId> = doubtful.map(|generation| generation.transaction_volume).collect();
    if volumes.is_empty() {
        let text = format!("no generation of this site is in doubt ({})", Code::NOT_IN_DOUBT);
        return Err(CliError::coded(Code::NOT_IN_DOUBT, text));
    }
    Ok(Action::AcceptAll { volumes: volumes.into_iter().collect() })
}

impl Subcommand for GenerationLine {
    fn augment_subcommands(command: Command) -> Command {
        verbs().fold(command, |command, (verb, word, known)| {
            command.subcommand(with_arguments(Command::new(word), verb).about(known.about))
        })
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        verbs().any(|(_, word, _)| word == name)
    }
}

impl FromArgMatches for GenerationLine {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let typed = matches.subcommand();
        let found = typed.and_then(|(name, below)| Some((verbs().find(|(_, word, _)| *word == name)?.0, below)));
        let (verb, below) = found.ok_or_else(|| Error::new(ErrorKind::MissingSubcommand))?;
        let all = matches!(below.try_get_one::<bool>(ALL), Ok(Some(true)));
        let on = if all {
            OnVersion { volume: String::new(), version: 0, change: Change::from_arg_matches(below)? }
        } else {
            OnVersion::from_arg_matches(below)?
        };
        Ok(Self { verb, on, all })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
