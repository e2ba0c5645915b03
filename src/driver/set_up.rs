//! How an array is added to the configuration: what each kind of driver asks for, and whom.

use super::DRIVERS;
use super::kind::{ArrayConfig, Connecting};
use crate::model::identity::Name;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use futures_util::future::BoxFuture;
use std::path::Path;
use std::sync::Arc;

/// The dialogue of `array add` for one kind of driver.
pub trait SetUp: Sync {
    /// Adds its arguments to those of `array add`.
    fn arguments(&self, command: Command) -> Command;

    /// What such an array is, for a list to choose from: `an array that ... drives`.
    fn title(&self) -> &'static str;

    /// The question that a first set-up asks before the dialogue, and the option that takes its answer. No answer leaves the
    /// option away.
    fn first_question(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// What it needs, and examples, below the arguments.
    fn help(&self) -> &'static str;

    /// Finds out what the configuration has to say. Nothing is written but what the array's tools need (host keys).
    fn ask<'a>(
        &'a self,
        asked: &'a Asked<'a>,
        site: &'a mut Connecting<'_>,
        person: &'a dyn Person,
    ) -> BoxFuture<'a, Result<NewArray, SetUpError>>;
}

/// What was typed.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The array's name on the site.
    pub array: &'a Name,
    pub arguments: &'a AddArguments,
    /// The configuration file, which need not be there yet.
    pub file: &'a Path,
}

/// What the configuration will say.
#[derive(Debug)]
pub struct NewArray {
    pub config: Arc<dyn ArrayConfig>,
    /// The lines of its `[[array]]` table behind `driver`.
    pub lines: String,
}

/// Whoever adds an array.
pub trait Person: Send + Sync {
    fn say(&self, text: &str);

    /// Whether somebody is there to answer.
    fn answers(&self) -> bool;

    fn ask(&self, question: &str) -> Result<String, SetUpError>;
}

/// Why an array is not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetUpError {
    /// Something else has to be typed, or answered.
    #[error("{0}")]
    Input(String),
    #[error("{0}")]
    NotReachable(String),
    #[error("{0}")]
    Failed(String),
}

/// The arguments of all kinds of drivers, as they were typed. Each kind reads its own.
#[derive(Debug, Clone)]
pub struct AddArguments(ArgMatches);

impl AddArguments {
    /// One kind's arguments.
    pub fn of<T: FromArgMatches>(&self) -> Result<T, SetUpError> {
        T::from_arg_matches(&self.0).map_err(|why| SetUpError::Input(why.to_string()))
    }

    fn added_to(command: Command) -> Command {
        dialogues().fold(command, |command, set_up| set_up.arguments(command))
    }
}

/// The dialogues of the kinds that have one.
fn dialogues() -> impl Iterator<Item = &'static dyn SetUp> {
    DRIVERS.iter().filter_map(|kind| kind.set_up())
}

/// What `array add` says below its arguments.
pub fn help() -> String {
    dialogues().map(SetUp::help).collect::<Vec<_>>().join("\n\n")
}

impl FromArgMatches for AddArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(matches.clone()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0 = matches.clone();
        Ok(())
    }
}

impl Args for AddArguments {
    fn augment_args(command: Command) -> Command {
        Self::added_to(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::added_to(command)
    }
}
