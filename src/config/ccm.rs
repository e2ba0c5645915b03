//! The keys of an array that is driven by CCM, `AdvancedCopy` Manager's Copy Control Module.

use super::error::Fault;
use super::file::{LIMIT, absolute, name, time};
use crate::model::array_words::{MessageRow, TitleRow, WordRow};
use crate::model::identity::Name;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// Characters that tell one message from others.
const MIN_MESSAGE: usize = 4;

/// The CCM server of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ccm {
    /// The array's name in CCM.
    pub array: Name,
    /// Where CCM is; `None`: on this machine.
    pub ssh: Option<Ssh>,
    pub sudo: bool,
    /// The folder of CCM's commands.
    pub directory: Option<String>,
    pub connect: Duration,
    pub query: Duration,
    pub discover: Duration,
    pub words: Vec<WordRow>,
    pub titles: Vec<TitleRow>,
    pub messages: Vec<MessageRow>,
}

impl Ccm {
    /// CCM on this machine, everything else as by default.
    pub fn of(array: Name) -> Self {
        Self {
            array,
            ssh: None,
            sudo: false,
            directory: None,
            connect: Duration::from_secs(10),
            query: Duration::from_secs(20),
            discover: Duration::from_mins(1),
            words: Vec::new(),
            titles: Vec::new(),
            messages: Vec::new(),
        }
    }
}

/// What the OpenSSH client is told beyond its own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    pub host: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub ssh_config: Option<PathBuf>,
    pub identity: Option<PathBuf>,
    pub known_hosts: Option<PathBuf>,
}

/// As the file has them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CcmKeys {
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
    words: Vec<Spanned<WordRow>>,
    #[serde(default)]
    titles: Vec<Spanned<TitleRow>>,
    #[serde(default)]
    messages: Vec<Spanned<MessageRow>>,
}

pub(super) fn ccm(keys: &CcmKeys) -> Result<Ccm, Fault> {
    for row in &keys.words {
        let WordRow { word, status, phase, kind, .. } = row.get_ref();
        if status.is_none() && phase.is_none() && kind.is_none() {
            return Err(Fault::at(row, format!("the word {word:?} gets no meaning: give status, phase or kind")));
        }
    }
    if let Some(row) = keys.titles.iter().find(|row| row.get_ref().title.trim().is_empty()) {
        return Err(Fault::at(row, "the title is empty: write it as the command shows it".to_owned()));
    }
    // A short text is in messages that say something else.
    if let Some(row) = keys.messages.iter().find(|row| row.get_ref().text.trim().chars().count() < MIN_MESSAGE) {
        let text = &row.get_ref().text;
        return Err(Fault::at(row, format!("the text {text:?} is too short: write at least {MIN_MESSAGE} characters")));
    }
    let usual = Ccm::of(name(&keys.array)?);
    Ok(Ccm {
        array: usual.array,
        ssh: ssh(&SshKeys {
            host: keys.host.as_ref(),
            user: keys.user.as_ref(),
            port: keys.port.as_ref(),
            ssh_config: keys.ssh_config.as_ref(),
            identity: keys.identity.as_ref(),
            known_hosts: keys.known_hosts.as_ref(),
        })?,
        sudo: keys.sudo,
        directory: keys.directory.as_ref().map(folder).transpose()?,
        connect: time(keys.connect.as_ref(), usual.connect, LIMIT)?,
        query: time(keys.query.as_ref(), usual.query, LIMIT)?,
        discover: time(keys.discover.as_ref(), usual.discover, LIMIT)?,
        words: keys.words.iter().map(|row| row.get_ref().clone()).collect(),
        titles: keys.titles.iter().map(|row| row.get_ref().clone()).collect(),
        messages: keys.messages.iter().map(|row| row.get_ref().clone()).collect(),
    })
}

/// What is told of a machine that is reached over ssh.
pub(super) struct SshKeys<'a> {
    pub host: Option<&'a Spanned<String>>,
    pub user: Option<&'a Spanned<String>>,
    pub port: Option<&'a Spanned<u16>>,
    pub ssh_config: Option<&'a Spanned<PathBuf>>,
    pub identity: Option<&'a Spanned<PathBuf>>,
    pub known_hosts: Option<&'a Spanned<PathBuf>>,
}

/// `None`: this machine.
pub(super) fn ssh(keys: &SshKeys<'_>) -> Result<Option<Ssh>, Fault> {
    let Some(host) = keys.host else {
        let needless = [
            keys.user.map(Spanned::span),
            keys.port.map(Spanned::span),
            keys.ssh_config.map(Spanned::span),
            keys.identity.map(Spanned::span),
            keys.known_hosts.map(Spanned::span),
        ];
        return match needless.into_iter().flatten().next() {
            Some(span) => Err(Fault::at(&Spanned::new(span, ()), "this is for another machine: name its host")),
            None => Ok(None),
        };
    };
    Ok(Some(Ssh {
        host: word(host)?,
        user: keys.user.map(word).transpose()?,
        port: keys.port.map(|port| *port.get_ref()),
        ssh_config: keys.ssh_config.map(absolute).transpose()?,
        identity: keys.identity.map(absolute).transpose()?,
        known_hosts: keys.known_hosts.map(absolute).transpose()?,
    }))
}

/// A word of an ssh command line: the name of a host or of a user.
pub(super) fn word(word: &Spanned<String>) -> Result<String, Fault> {
    let text = word.get_ref();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:%".contains(&byte);
    if !text.is_empty() && text.len() <= 255 && !text.starts_with('-') && text.bytes().all(plain) {
        return Ok(text.clone());
    }
    Err(Fault::at(word, format!("{text:?} fits no ssh command line: use A-Z a-z 0-9 . _ - : % and begin without -")))
}

/// A folder on the CCM server.
fn folder(written: &Spanned<String>) -> Result<String, Fault> {
    let text = written.get_ref();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    if text.starts_with('/') && text.len() <= 200 && text.bytes().all(plain) {
        return Ok(text.clone());
    }
    Err(Fault::at(
        written,
        format!("{text:?} cannot be the folder of a command: write it from / on, with A-Z a-z 0-9 . _ - /"),
    ))
}
