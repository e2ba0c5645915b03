//! The configuration: config.toml becomes a checked [`Config`], or an error that names file, line and key.
//!
//! Belongs here: what can be configured, its defaults, and reading it. Does not: what anything does with it, what a
//! driver has to be told (each driver reads its own keys).

mod arrays;
mod file;
mod hooks;
mod notify;
mod pools;
mod roles;
mod source;

pub use crate::config_keys::ConfigError;
pub use roles::{Member, Members, ResolvedMembers, ResolvedRoles, Roles, UnknownMember};
pub use source::text;

use crate::driver::DRIVERS;
use crate::driver::kind::{ArrayConfig, DriverKind};
use crate::model::catalogue_url::CataloguePlace;
use crate::model::hook::Hook;
use crate::model::host_report::Wwid;
use crate::model::identity::Name;
use crate::model::notice::NotifyHook;
use crate::model::pool::NamedPool;
use crate::model::session::RecModes;
use crate::process::ssh::Destination;
use serde::Deserialize;
use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Everything that can be configured. `config.example.toml` explains each key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The site's name, on every screen and in every document.
    pub site: Name,
    pub engine: Engine,
    pub limits: Limits,
    /// `None`: a SQLite file in the home.
    pub catalogue: Option<CataloguePlace>,
    pub log: Log,
    pub roles: Roles,
    pub console: Console,
    pub arrays: Vec<Array>,
    /// By source and target array; what is not here has the default modes.
    pub rec: BTreeMap<(Name, Name), RecModes>,
    /// The machines that hooks run on, beside this one.
    pub hosts: Vec<Host>,
    /// Names that several of these machines can run.
    pub services: Vec<Service>,
    /// In the order in which their scripts before a backup run.
    pub hooks: Vec<Hook>,
    /// What is run when somebody has to know of something.
    pub notify: Option<NotifyHook>,
    /// Backup volumes for some transaction volumes only.
    pub pools: Vec<NamedPool>,
}

/// A machine with the volumes' file systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub name: Name,
    /// `None`: this machine.
    pub ssh: Option<Destination>,
    /// Its volume groups are read as root, by `sudo -n`.
    pub sudo: bool,
    /// Devices that report no WWID, and the identity that a person gives them.
    pub wwids: BTreeMap<String, Wwid>,
}

/// A service with volume groups that one of several machines runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub name: Name,
    /// Names of hosts.
    pub nodes: Vec<Name>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    /// Between two readings of an array on which nothing moves.
    pub poll: Duration,
    /// An engine that a command started ends after so long without a client, a live session or an open operation.
    pub idle_end: Duration,
}

impl Default for Engine {
    fn default() -> Self {
        Self { poll: Duration::from_secs(5), idle_end: Duration::from_mins(10) }
    }
}

/// How long is waited before something counts as failed or unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one reading of an array.
    pub reading: Duration,
    /// For one command to an array, all in.
    pub command: Duration,
    /// For an array that says it is busy.
    pub busy: Duration,
    /// For seeing what the array said is done.
    pub observed: Duration,
    /// For seeing what the array said it goes on with after its answer.
    pub accepted: Duration,
    /// For an array that cannot be read after something may have been sent.
    pub unreadable: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reading: Duration::from_secs(20),
            command: Duration::from_secs(30),
            busy: Duration::from_mins(1),
            observed: Duration::from_secs(30),
            accepted: Duration::from_mins(3),
            unreadable: Duration::from_mins(15),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub level: LogLevel,
    /// `None`: `log` in the home's state folder.
    pub folder: Option<PathBuf>,
    /// Files kept: one a day, and more of a day with much to say.
    pub keep: u16,
    /// MiB of one file.
    pub file_mib: u16,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, folder: None, keep: 14, file_mib: 16 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// Most frames drawn in a second.
    pub fps: u8,
    pub theme: Theme,
    pub glyphs: Glyphs,
    /// For slow lines: fewer frames, coarser bars.
    pub slow: bool,
    /// Other keys for the console's commands, by the command's name in the help.
    pub keys: BTreeMap<String, Binding>,
}

impl Default for Console {
    fn default() -> Self {
        Self { fps: 20, theme: Theme::Dark, glyphs: Glyphs::Auto, slow: false, keys: BTreeMap::new() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    Dark,
    Light,
    /// The terminal's own sixteen colours.
    #[serde(rename = "16")]
    Sixteen,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Glyphs {
    /// As the locale says.
    Auto,
    Unicode,
    /// Only characters that are one column wide in East Asia too.
    Safe,
    Ascii,
}

/// The keys of one command, and where they stand, for whoever finds that one of them is no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub keys: Vec<String>,
    pub line: usize,
}

/// An array, by what drives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    pub name: Name,
    pub control: ControlPlane,
    /// A second way to the array, for forced stops when the first one is dead.
    pub forced_stop: Option<ControlPlane>,
}

/// What drives an array, and what that has to know.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    kind: &'static dyn DriverKind,
    config: Arc<dyn ArrayConfig>,
}

impl ControlPlane {
    pub fn new(kind: &'static dyn DriverKind, config: Arc<dyn ArrayConfig>) -> Self {
        Self { kind, config }
    }

    /// The name of the kind of driver: `driver = "..."`.
    pub fn driver(&self) -> &'static str {
        self.kind.name()
    }

    pub fn array_config(&self) -> &dyn ArrayConfig {
        &*self.config
    }

    /// What the configuration says, for those that know the driver; `None` where it is another one.
    pub fn config<T: Any>(&self) -> Option<&T> {
        let config: &dyn Any = &*self.config;
        config.downcast_ref()
    }
}

/// Two are equal that say the same of the same kind: each kind shows all that it keeps.
impl PartialEq for ControlPlane {
    fn eq(&self, other: &Self) -> bool {
        self.driver() == other.driver() && format!("{:?}", self.config) == format!("{:?}", other.config)
    }
}

impl Eq for ControlPlane {}

impl Config {
    /// A site without any array, everything else as by default.
    pub fn of_site(site: Name) -> Self {
        Self {
            site,
            engine: Engine::default(),
            limits: Limits::default(),
            catalogue: None,
            log: Log::default(),
            roles: Roles::default(),
            console: Console::default(),
            arrays: Vec::new(),
            rec: BTreeMap::new(),
            hosts: Vec::new(),
            services: Vec::new(),
            hooks: Vec::new(),
            notify: None,
            pools: Vec::new(),
        }
    }

    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let gone = || ConfigError::Unreadable { file: path.to_owned(), why: "it does not exist".to_owned() };
        Self::parse(&text(path)?.ok_or_else(gone)?, path)
    }

    /// `file` is for the errors only.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        Self::parse_with(DRIVERS, text, file)
    }

    /// With other drivers than those of the program.
    pub fn parse_with(drivers: &[&'static dyn DriverKind], text: &str, file: &Path) -> Result<Self, ConfigError> {
        file::read(text, drivers).map_err(|fault| fault.in_file(file, text))
    }

    /// What an engine was made of, in short: another digest means that a running engine has to be ended to be up to date. How
    /// the console looks is none of its business.
    pub fn engine_digest(&self) -> String {
        let of_engine = Self { console: Console::default(), ..self.clone() };
        blake3::hash(format!("{of_engine:?}").as_bytes()).to_hex().to_string()
    }

    /// The modes of a remote copy from one array to another.
    pub fn rec_modes(&self, from: &Name, to: &Name) -> RecModes {
        self.rec.get(&(from.clone(), to.clone())).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod earlier_tests;
#[cfg(test)]
mod tests;
