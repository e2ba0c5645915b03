//! The verbs of one generation below `ecdeck history`, made from their descriptors: a new one needs no line here.

use super::CliError;
use super::arguments::OnVersion;
use super::names;
use crate::model::request::Action;
use crate::model::snapshot::Snapshot;
use crate::model::units::Version;
use crate::model::verb::{GenerationVerb, Verb};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand};

/// A verb of one generation, as typed.
#[derive(Debug)]
pub struct GenerationLine {
    verb: Verb,
    pub on: OnVersion,
}

/// Each verb with its word below `history`.
fn verbs() -> impl Iterator<Item = (Verb, &'static str, GenerationVerb)> {
    Verb::ALL.iter().filter_map(|verb| Some((*verb, *verb.info().command.last()?, verb.of_generation()?)))
}

impl GenerationLine {
    /// What is asked for. What needs a reason is not made without one.
    pub fn action(&self, snapshot: &Snapshot) -> Result<Action, CliError> {
        let volume = names::volume(snapshot, &self.on.volume)?;
        let reason = self.on.change.reason.as_deref().map_or("", str::trim);
        let needed = self.verb.of_generation().and_then(|known| known.reason);
        if let Some(needed) = needed.filter(|_| reason.is_empty()) {
            return Err(CliError::usage(format!("{} needs its reason: give --reason TEXT", needed.of)));
        }
        let action = Action::on_generation(self.verb, volume, Version(self.on.version), reason);
        action.ok_or_else(|| CliError::usage(format!("{} does not act on a generation", self.verb)))
    }
}

impl Subcommand for GenerationLine {
    fn augment_subcommands(command: Command) -> Command {
        verbs().fold(command, |command, (_, word, known)| {
            command.subcommand(OnVersion::augment_args(Command::new(word)).about(known.about))
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
        Ok(Self { verb, on: OnVersion::from_arg_matches(below)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
