//! What the configuration says of an array that is driven by CCM.

use super::names::{ArrayName, Word};
use super::transport::ssh::Destination;
use super::words::Row;
use crate::model::session::RecModes;
use serde::Deserialize;
use std::time::Duration;

/// One array and the CCM server that drives it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The array's name in CCM, as `acarray list` shows it.
    pub array: ArrayName,
    /// Where CCM is; without it, on this machine.
    #[serde(default)]
    pub ssh: Option<Destination>,
    /// CCM's commands need root: run them behind `sudo -n`.
    #[serde(default)]
    pub sudo: bool,
    /// The folder of CCM's commands, where the server's PATH does not have it.
    #[serde(default)]
    pub directory: Option<Word>,
    /// Seconds for making the connection.
    #[serde(default = "ten")]
    pub connect_seconds: u32,
    /// Seconds for one question to CCM.
    #[serde(default = "sixty")]
    pub query_seconds: u32,
    /// Seconds between two looks at the sessions that are not ours.
    #[serde(default = "sixty")]
    pub discover_seconds: u32,
    /// Modes of the RECs that start here.
    #[serde(default)]
    pub rec: RecModes,
    /// Meanings of CCM's words, on top of the table that comes with the program.
    #[serde(default)]
    pub words: Vec<Row>,
}

fn ten() -> u32 {
    10
}

fn sixty() -> u32 {
    60
}

impl Settings {
    /// CCM on this machine, everything else as it is by default.
    pub fn local(array: ArrayName) -> Self {
        Self {
            array,
            ssh: None,
            sudo: false,
            directory: None,
            connect_seconds: ten(),
            query_seconds: sixty(),
            discover_seconds: sixty(),
            rec: RecModes::default(),
            words: Vec::new(),
        }
    }

    pub fn connect_limit(&self) -> Duration {
        Duration::from_secs(u64::from(self.connect_seconds.max(1)))
    }

    pub fn query_limit(&self) -> Duration {
        Duration::from_secs(u64::from(self.query_seconds.max(1)))
    }

    pub fn discover_interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.discover_seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_needs_a_name_and_nothing_else() {
        let settings: Settings = toml::from_str("array = \"KYOTO1\"").unwrap();
        assert_eq!(settings, Settings::local("KYOTO1".parse().unwrap()));
    }

    #[test]
    fn everything_can_be_said_and_a_typo_is_refused() {
        let text = r#"
            array = "KYOTO1"
            sudo = true
            directory = "/opt/FJSVccm/bin"
            connect_seconds = 5
            ssh = { host = "ccm01", user = "backup", port = 2222 }
            rec = { transfer = "consistency", recovery = "manual" }
            words = [{ word = "EC Suspend", status = "suspended" }]
        "#;
        let settings: Settings = toml::from_str(text).unwrap();
        assert_eq!(settings.ssh.as_ref().unwrap().port, Some(2222));
        for wrong in ["array = \"KYOTO 1\"", "array = \"K\"\nsudoo = true", "array = \"K\"\nssh = { host = \"a b\" }"] {
            assert!(toml::from_str::<Settings>(wrong).is_err(), "{wrong}");
        }
    }
}
