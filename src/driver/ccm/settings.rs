//! What the configuration says of an array that is driven by CCM: read, checked, and what the driver goes by.

use super::names::ArrayName;
use super::word_table::{MessageRow, Row, TitleRow};
use crate::config_keys::{Fault, LIMIT, SshKeys, Table, checked, time};
use crate::driver::transport::argv::Word;
use crate::model::session::RecModes;
use crate::process::ssh::Destination;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// Characters that tell one message from others.
const MIN_MESSAGE: usize = 4;
/// The key of the driver's own table.
pub const SECTION: &str = "ccm";

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
    /// Modes of the RECs that start here, by their target's name in CCM. They come from the site's `[[rec]]` tables.
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
            query: Duration::from_secs(20),
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

    /// Reads the keys of an `[[array]]` table. `driver`: where the configuration names the driver.
    pub fn read(table: Table<'_>, driver: &Spanned<String>) -> Result<Self, Fault> {
        let section = table.section(SECTION);
        let Section { ccm } = table.read()?;
        let missing = || format!("this driver needs an {section} table that names the array as CCM does");
        ccm.ok_or_else(|| Fault::at(driver, missing()))?.checked()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    ccm: Option<Keys>,
}

/// The keys as they are written. Those of ssh stand among the others, which is why this is not [`Settings`] itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    array: Spanned<String>,
    host: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    port: Option<Spanned<u16>>,
    ssh_config: Option<Spanned<PathBuf>>,
    identity: Option<Spanned<PathBuf>>,
    known_hosts: Option<Spanned<PathBuf>>,
    #[serde(default)]
    sudo: bool,
    directory: Option<Spanned<String>>,
    connect: Option<Spanned<String>>,
    query: Option<Spanned<String>>,
    discover: Option<Spanned<String>>,
    #[serde(default)]
    words: Vec<Spanned<Row>>,
    #[serde(default)]
    titles: Vec<Spanned<TitleRow>>,
    #[serde(default)]
    messages: Vec<Spanned<MessageRow>>,
}

impl Keys {
    fn checked(self) -> Result<Settings, Fault> {
        self.check_rows()?;
        let usual = Settings::local(checked(&self.array)?);
        let ssh = SshKeys {
            host: self.host.as_ref(),
            user: self.user.as_ref(),
            port: self.port.as_ref(),
            ssh_config: self.ssh_config.as_ref(),
            identity: self.identity.as_ref(),
            known_hosts: self.known_hosts.as_ref(),
        };
        Ok(Settings {
            ssh: ssh.destination()?,
            sudo: self.sudo,
            directory: self.directory.as_ref().map(folder).transpose()?,
            connect: time(self.connect.as_ref(), usual.connect, LIMIT)?,
            query: time(self.query.as_ref(), usual.query, LIMIT)?,
            discover: time(self.discover.as_ref(), usual.discover, LIMIT)?,
            words: self.words.into_iter().map(Spanned::into_inner).collect(),
            titles: self.titles.into_iter().map(Spanned::into_inner).collect(),
            messages: self.messages.into_iter().map(Spanned::into_inner).collect(),
            ..usual
        })
    }

    fn check_rows(&self) -> Result<(), Fault> {
        for row in &self.words {
            let Row { word, status, phase, kind, .. } = row.get_ref();
            if status.is_none() && phase.is_none() && kind.is_none() {
                return Err(Fault::at(row, format!("the word {word:?} gets no meaning: give status, phase or kind")));
            }
        }
        if let Some(row) = self.titles.iter().find(|row| row.get_ref().title.trim().is_empty()) {
            return Err(Fault::at(row, "the title is empty: write it as the command shows it".to_owned()));
        }
        // A short text is in messages that say something else.
        if let Some(row) = self.messages.iter().find(|row| row.get_ref().text.trim().chars().count() < MIN_MESSAGE) {
            let text = &row.get_ref().text;
            let said = format!("the text {text:?} is too short: write at least {MIN_MESSAGE} characters");
            return Err(Fault::at(row, said));
        }
        Ok(())
    }
}

/// A folder on the CCM server.
fn folder(written: &Spanned<String>) -> Result<Word, Fault> {
    let text = written.get_ref();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    if text.starts_with('/') && text.len() <= 200 && text.bytes().all(plain) {
        return checked(written);
    }
    Err(Fault::at(
        written,
        format!("{text:?} cannot be the folder of a command: write it from / on, with A-Z a-z 0-9 . _ - /"),
    ))
}
