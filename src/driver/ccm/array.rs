//! One array that CCM drives: how it is reached and named, and what is remembered of it between questions.

use super::names::{ArrayName, GroupName, GroupType, PairName, VolumeName};
use super::server::{Group, Names, Server, ServerError, Turn};
use super::settings::Settings;
use super::word_table::{Column, Words, WordsError};
use crate::driver::DriverError;
use crate::model::copy::{Command, ErrorClass};
use crate::model::identity::{BoxId, VolumeId};
use crate::model::session::{Others, Pair, RecModes, SessionReading, TransferMode, UnknownRow, UnreadVolumes};
use crate::model::units::Blocks;
use crate::model::untrusted::Untrusted;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;

/// Commands of one reading, at most: names, our groups, everybody's sessions.
const COMMANDS_A_READING: u32 = 4;

pub(super) const TRANSFER_MODES: [TransferMode; 4] =
    [TransferMode::Synchronous, TransferMode::Consistency, TransferMode::Stack, TransferMode::Through];

/// What a copy that runs began with: only for the first is the volume's size its total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    Full,
    Difference,
}

/// Sessions of others as they were last looked at.
#[derive(Debug, Clone)]
pub(super) struct Discovery {
    pub when: Instant,
    pub sessions: Vec<SessionReading>,
    pub unknown_rows: Vec<UnknownRow>,
    pub others: Others,
}

/// What is remembered between questions. All of it can be forgotten.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Sessions of the box that `accopy query` gave.
    pub discovered: Option<Discovery>,
    /// By command: columns that no title of its answer is known for, and titles of it that are of no column.
    pub titles: BTreeMap<String, (Vec<Column>, Vec<Untrusted>)>,
    /// Words for kinds of copy that the last list of all sessions had and that have no meaning.
    pub kinds: BTreeSet<Untrusted>,
    /// Volumes and lines of `acinq lv` that were left out, as half sentences.
    pub left_out: Vec<String>,
    pub unread_volumes: UnreadVolumes,
    /// Sizes of the box's volumes.
    pub sizes: BTreeMap<VolumeId, Blocks>,
    /// How the copies that this driver started began.
    pub runs: BTreeMap<Pair, Run>,
    /// Modes of RECs that were changed from here: their groups still tell those that they started with.
    pub changed_modes: BTreeMap<Pair, RecModes>,
    /// Words without a meaning that the log has already.
    pub told: BTreeSet<String>,
}

/// One array, driven by CCM.
pub struct CcmDriver {
    /// The array's name in the configuration, for people.
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) words: Words,
    pub(super) server: Arc<Server>,
    memory: Mutex<Memory>,
    turns: Mutex<Turns>,
}

impl Drop for CcmDriver {
    fn drop(&mut self) {
        self.server.remove_array();
    }
}

impl CcmDriver {
    /// # Errors
    /// When the configuration's words cannot be used.
    pub fn new(name: &str, settings: Settings, server: Arc<Server>) -> Result<Self, WordsError> {
        let words = Words::new(&settings.words, &settings.titles, &settings.messages)?;
        server.add_array();
        Ok(Self { name: name.to_owned(), settings, words, server, memory: Mutex::default(), turns: Mutex::default() })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What CCM's words, titles and messages mean here.
    pub fn words(&self) -> &Words {
        &self.words
    }

    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock()
    }

    pub(super) fn kinds_seen(&self) -> BTreeSet<Untrusted> {
        self.memory().kinds.clone()
    }

    pub(super) fn error(&self, what: &str, wrong: &ServerError) -> DriverError {
        DriverError {
            array: self.name.clone(),
            class: wrong.class(),
            what: what.to_owned(),
            detail: Untrusted::new(wrong.to_string()),
        }
    }

    /// A turn for questions.
    pub(super) async fn question(&self, what: &str) -> Result<Turn<'_>, DriverError> {
        let limit = self.settings.query.saturating_mul(COMMANDS_A_READING);
        let waiting = Waiting::of(&self.turns);
        let turn = self.server.question(limit).await;
        drop(waiting);
        turn.ok_or_else(|| DriverError {
            array: self.name.clone(),
            class: ErrorClass::Busy,
            what: what.to_owned(),
            detail: Untrusted::new(format!(
                "CCM {} was at work for others for {} s",
                self.server.place(),
                (self.server.waits().question + limit).as_secs()
            )),
        })
    }

    /// Our own box, by the names that CCM has.
    pub(super) fn own_box(&self, names: &Names) -> Result<BoxId, ServerError> {
        names.box_of(self.settings.array.as_str()).ok_or_else(|| ServerError::NoSuchArray {
            place: self.server.place(),
            name: self.settings.array.clone(),
            known: match names.all().map(ArrayName::as_str).collect::<Vec<_>>().join(", ") {
                known if known.is_empty() => "none".to_owned(),
                known => known,
            },
        })
    }

    /// A pair and its group as CCM writes them. `known`: the groups as last read.
    pub(super) fn named(
        &self,
        command: &Command,
        pair: &Pair,
        names: &Names,
        known: &BTreeMap<GroupName, Group>,
    ) -> Result<Named, ServerError> {
        let volume = |id: VolumeId| {
            let array = names.name_of(id.box_id).cloned();
            array
                .map(|array| VolumeName { array, olu: id.olu })
                .ok_or_else(|| ServerError::NoSuchBox { place: self.server.place(), box_id: id.box_id })
        };
        let pair_name = PairName { source: volume(pair.source)?, target: volume(pair.target)? };
        // Kinds without a group type never come here: `execution` refuses them first.
        let group_type = GroupType::for_kind(pair.kind).unwrap_or(GroupType::Ec);
        let group = self.group_of(command, &pair_name, group_type, known);
        Ok(Named { pair: *pair, name: pair_name, group, group_type })
    }

    /// The group that a pair is in, or that it goes into when it is started. A REC's is that of its transfer mode.
    fn group_of(
        &self,
        command: &Command,
        name: &PairName,
        group_type: GroupType,
        known: &BTreeMap<GroupName, Group>,
    ) -> GroupName {
        let (source, target) = (&name.source.array, &name.target.array);
        if group_type != GroupType::Rec {
            return GroupName::of(group_type, source, target);
        }
        let configured = self.settings.rec_modes(target).transfer;
        match command {
            Command::Start { modes, .. } => {
                GroupName::of_rec(source, target, modes.map_or(configured, |modes| modes.transfer))
            }
            _ => TRANSFER_MODES
                .map(|transfer| GroupName::of_rec(source, target, transfer))
                .into_iter()
                .find(|group| matches!(known.get(group), Some(Group::Present(pairs)) if pairs.contains(name)))
                .unwrap_or_else(|| GroupName::of_rec(source, target, configured)),
        }
    }

    /// Since when the question that is asked now has been on its way; `None` while one waits for its turn.
    pub(super) fn asked_at(&self, called: Instant) -> Option<Instant> {
        let turns = self.turns.lock();
        (turns.waiting == 0).then(|| turns.last.map_or(called, |last| last.max(called)))
    }
}

/// The turns of an array's questions.
#[derive(Debug, Default)]
struct Turns {
    /// Questions that wait for theirs.
    waiting: u32,
    /// When the last one came.
    last: Option<Instant>,
}

/// Counts one who waits for as long as it lives.
struct Waiting<'a>(&'a Mutex<Turns>);

impl<'a> Waiting<'a> {
    fn of(turns: &'a Mutex<Turns>) -> Self {
        turns.lock().waiting += 1;
        Self(turns)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut turns = self.0.lock();
        turns.waiting -= 1;
        turns.last = Some(Instant::now());
    }
}

/// A pair with its names in CCM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub pair: Pair,
    pub name: PairName,
    pub group: GroupName,
    pub group_type: GroupType,
}
