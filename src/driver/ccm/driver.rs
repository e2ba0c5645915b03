//! The driver of one array by way of CCM.

use super::names::{ArrayName, GroupName, GroupType, PairName, VolumeName};
use super::reading::Discovery;
use super::reply::{arrays, volumes};
use super::server::{Group, Names, Server, ServerError, Turn};
use super::settings::Settings;
use super::word_table::{Column, Words, WordsError};
use super::{command, execution, reading, refusal};
use crate::driver::{Driver, DriverError, MaySend};
use crate::model::copy::{Ability, Capabilities, Command, CommandVerb, ErrorClass, Identity, PairOutcome};
use crate::model::identity::{BoxId, VolumeId};
use crate::model::session::{ArrayVolume, CopyKind, Pair, Reading, RecModes, TransferMode, UnreadVolumes};
use crate::model::units::{Blocks, Timestamp};
use crate::model::untrusted::Untrusted;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Sessions that one source may have, of all kinds: the figure of the manuals on multi-copy.
const SESSIONS_PER_SOURCE: u16 = 8;
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
    name: String,
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

    async fn identity(&self) -> Result<Identity, DriverError> {
        const WHAT: &str = "asking who it is";
        let wrong = |wrong: ServerError| self.error(WHAT, &wrong);
        let turn = self.question(WHAT).await?;
        // Read afresh: a name may have gone to another box.
        let names = turn.names(&self.words, true).await.map_err(wrong)?;
        let box_id = self.own_box(&names).map_err(wrong)?;
        let argv = command::array_detail(&self.settings.array);
        let detail = turn.ask(&argv, |stdout| arrays::detail(&argv, stdout, &self.words)).await.map_err(wrong)?;
        if detail.box_id != box_id {
            tracing::warn!(array = self.name, "CCM's list and detail disagree about the box id");
        }
        Ok(identity_of(detail.box_id))
    }

    async fn all_volumes(&self) -> Result<Vec<ArrayVolume>, DriverError> {
        const WHAT: &str = "reading its volumes";
        let wrong = |wrong: ServerError| self.error(WHAT, &wrong);
        let turn = self.question(WHAT).await?;
        let names = turn.names(&self.words, false).await.map_err(wrong)?;
        let box_id = self.own_box(&names).map_err(wrong)?;
        let argv = command::list_volumes(&self.settings.array);
        let listed = turn.ask(&argv, |stdout| volumes::list(&argv, stdout, &self.words)).await.map_err(wrong)?;
        let mut found = Vec::with_capacity(listed.volumes.len());
        let mut unread = UnreadVolumes { named: Vec::new(), any: !listed.odd.is_empty() };
        let mut left_out: Vec<String> =
            listed.odd.iter().map(|line| format!("\"{}\" has no volume number", line.escaped())).collect();
        for volume in listed.volumes {
            let id = VolumeId { box_id, olu: volume.olu };
            if let Some(blocks) = volume.blocks {
                let copy_inhibited = volume.copy_inhibited;
                found.push(ArrayVolume { id, label: volume.label, blocks, copy_inhibited });
            } else {
                // Without an exact size it can be compared with no other volume, so it can be in no pair.
                unread.named.push(id);
                left_out.push(format!("{} has the size \"{}\"", volume.olu, volume.size.escaped()));
            }
        }
        for line in &left_out {
            tracing::debug!(array = self.name, "a volume is left out: {line}");
        }
        self.memory().left_out = left_out;
        self.memory().unread_volumes = unread;
        self.memory().sizes = found.iter().map(|volume| (volume.id, volume.blocks)).collect();
        Ok(found)
    }

    fn lines(&self, command: &Command) -> Vec<String> {
        let Some(names) = self.server.names_so_far() else {
            return vec![format!("(CCM {} has not reported its arrays' names yet)", self.server.place())];
        };
        let mut lines = Vec::new();
        for pair in command.pairs() {
            if GroupType::for_kind(pair.kind).is_none() {
                lines.push(format!("(CCM is not used for {} here)", pair.kind));
                continue;
            }
            match self.named(command, pair, &names, &BTreeMap::new()) {
                Ok(named) => {
                    lines.extend(
                        execution::commands(command, &named, self.settings.rec_modes(&named.name.target.array))
                            .iter()
                            .map(ToString::to_string),
                    );
                }
                Err(wrong) => lines.push(format!("({wrong})")),
            }
        }
        lines
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

/// A box id has its parts in it: 2 characters of type, 12 of series, 12 of model, 2 of check, 12 of serial number.
fn identity_of(box_id: BoxId) -> Identity {
    let part = |from: usize, to: usize| {
        Untrusted::new(box_id.as_str().get(from..to).unwrap_or_default().trim_matches('#').trim())
    };
    Identity { box_id, model: part(14, 26), serial: part(28, 40), firmware: Untrusted::default() }
}

impl Driver for CcmDriver {
    fn identify(&self) -> BoxFuture<'_, Result<Identity, DriverError>> {
        Box::pin(self.identity())
    }

    fn capabilities(&self) -> Capabilities {
        use CommandVerb::{ChangeMode, Resume, Reverse, Start, StartOpc, Stop, Suspend};
        let both = [Start, Resume, Suspend, Stop, Reverse];
        let mut verbs: Vec<_> = both.iter().flat_map(|verb| [(CopyKind::Ec, *verb), (CopyKind::Rec, *verb)]).collect();
        verbs.extend([(CopyKind::Rec, ChangeMode), (CopyKind::Opc, StartOpc), (CopyKind::Opc, Stop)]);
        // Whether `acec suspend` of a whole group is one instant is on no public page.
        Capabilities {
            verbs,
            atomic_suspend: Ability::Unknown,
            sessions_per_source: SESSIONS_PER_SOURCE,
            sees_target_writes: Ability::No,
            limited: None,
            message_ids: refusal::message_ids(),
            tool_commands: refusal::tool_commands(),
        }
    }

    fn volumes(&self) -> BoxFuture<'_, Result<Vec<ArrayVolume>, DriverError>> {
        Box::pin(self.all_volumes())
    }

    fn sessions(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        Box::pin(reading::read(self, now, false))
    }

    fn sessions_afresh(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        Box::pin(reading::read(self, now, true))
    }

    fn execute(&self, command: Command, limit: Duration) -> BoxFuture<'_, Vec<PairOutcome>> {
        self.execute_in_turn(command, limit, Arc::new(|| Ok(())))
    }

    fn takes_turns(&self) -> Option<String> {
        Some(format!("CCM {}", self.server.place()))
    }

    fn execute_in_turn(&self, command: Command, limit: Duration, may_send: MaySend) -> BoxFuture<'_, Vec<PairOutcome>> {
        Box::pin(execution::execute(self, command, limit, may_send))
    }

    fn asked_at(&self, called: Instant) -> Option<Instant> {
        let turns = self.turns.lock();
        (turns.waiting == 0).then(|| turns.last.map_or(called, |last| last.max(called)))
    }

    fn sharing(&self) -> u32 {
        self.server.arrays()
    }

    fn describe(&self, command: &Command) -> Vec<String> {
        self.lines(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_and_serial_number_stand_in_the_box_id() {
        let identity = identity_of("00ETERNUSDXL##ET08E21A####LN4310900021##".parse().unwrap());
        assert_eq!(identity.model.raw(), "ET08E21A");
        assert_eq!(identity.serial.raw(), "4310900021");
    }
}
