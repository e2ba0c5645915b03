//! What the configuration says of an array that is driven by CCM.

use super::names::{ArrayName, Word};
use super::transport::ssh::Destination;
use super::word_table::{MessageRow, Row, TitleRow};
use crate::model::session::RecModes;
use std::collections::BTreeMap;
use std::time::Duration;

/// One array and the CCM server that drives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The array's name in CCM, as `acarray list` shows it.
    pub array: ArrayName,
    /// Where CCM is; without it, on this machine.
    pub ssh: Option<Destination>,
    /// CCM's commands need root: run them behind `sudo -n`.
    pub sudo: bool,
    /// The folder of CCM's commands, where the server's PATH does not have it.
    pub directory: Option<Word>,
    /// For making the connection.
    pub connect: Duration,
    /// For one question to CCM.
    pub query: Duration,
    /// Between two looks at the sessions that are not ours.
    pub discover: Duration,
    /// Modes of the RECs that start here, by their target's name in CCM.
    pub rec: BTreeMap<ArrayName, RecModes>,
    /// Meanings of CCM's words, on top of the table that comes with the program.
    pub words: Vec<Row>,
    /// Titles of columns, on top of the same table.
    pub titles: Vec<TitleRow>,
    /// Messages of refusals, on top of the same table.
    pub messages: Vec<MessageRow>,
}

impl Settings {
    /// CCM on this machine, everything else as it is by default.
    pub fn local(array: ArrayName) -> Self {
        Self {
            array,
            ssh: None,
            sudo: false,
            directory: None,
            connect: Duration::from_secs(10),
            query: Duration::from_mins(1),
            discover: Duration::from_mins(1),
            rec: BTreeMap::new(),
            words: Vec::new(),
            titles: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// The modes of a REC from here to there.
    pub fn rec_modes(&self, target: &ArrayName) -> RecModes {
        self.rec.get(target).copied().unwrap_or_default()
    }
}
