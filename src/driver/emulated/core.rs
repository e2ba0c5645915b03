//! The emulated arrays as a state machine: boxes, volumes, paths and sessions, without I/O and without a clock.
//!
//! The server drives it under a lock and moves real bytes; the simulator drives it directly.

use super::data::{FileStamp, OUT_OF_SERVICE};
use super::faults::{Fault, Faults, InjectedFault, Side};
use super::rule_table::RuleSet;
use super::sessions::{Orphan, Session, SessionKey};
use super::settings::Settings;
use crate::model::copy::{Ability, Capabilities, CommandVerb, Identity};
use crate::model::identity::{BoxId, Name, Olu, VolumeId};
use crate::model::session::{
    ArrayVolume, Automation, CopyKind, ErrorByte, Pair, Phase, Reading, SessionReading, Status, TransferMode,
};
use crate::model::units::{Blocks, Timestamp};
use crate::model::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Sessions that one source may have, as documented.
pub const SESSIONS_PER_SOURCE: usize = 8;
/// Sessions that one box may have, where nothing else is set. No document gives a number.
pub const SESSIONS_PER_BOX: usize = 4096;
/// Between two ticks.
pub const TICK_MILLIS: u32 = 250;
/// The largest volume: its map fits in memory a thousand times.
pub const LARGEST_VOLUME: Blocks = Blocks((16 << 40) / Blocks::BYTES);

/// A wrong administration request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoreError {
    #[error("there is already an array named {0}")]
    BoxExists(Name),
    #[error("there is no embedded array named {0:?}: `ecdeck array list` shows which there are")]
    NoBox(String),
    #[error("array {0} already has a volume {1}")]
    VolumeExists(Name, Olu),
    #[error("there is no volume {0}: `ecdeck array volumes` shows which there are")]
    NoVolume(VolumeId),
    #[error("a volume has 1 to {} blocks of 512 bytes, not {}", LARGEST_VOLUME.0, .0.0)]
    Size(Blocks),
    #[error("there is no path between the two arrays")]
    NoPath,
    #[error("the copy of {} to {} needs the path: end it first", .0.source, .0.target)]
    PathInUse(Pair),
    #[error("a path connects two different arrays")]
    PathToItself,
    #[error("there is no session of {} to {}", .0.source, .0.target)]
    NoSession(Pair),
    #[error("the copy of {} to {} does not run in consistency mode: it has no REC buffer", .0.source, .0.target)]
    NotInConsistency(Pair),
    #[error("a resolution is a multiple of 64 KiB, not {0}")]
    Resolution(Blocks),
    #[error("block {block} is beyond the end of {volume}")]
    BeyondEnd { volume: VolumeId, block: u64 },
    #[error("volume {0} is the destination of a running copy: suspend or stop that first")]
    IsDestination(VolumeId),
    #[error("volume {0} has a copy: end that first")]
    HasSession(VolumeId),
    #[error("volume {0} has a copy: end that first, or give --force, which ends it")]
    HasSessionToEnd(VolumeId),
    #[error("volume {volume} has {present}: it can be made larger only, not {wanted}")]
    NotLarger { volume: VolumeId, present: Blocks, wanted: Blocks },
    #[error("volume {0} is being copied to: until the copy is equivalent or suspended, no host reads it")]
    IsBeingCopied(VolumeId),
    #[error("the path is down and the session splits by hand only: the array takes no writes for {0}")]
    WaitsForSplit(VolumeId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The volume's number in this home, never used again: the key of the log of hot extents.
    pub number: u32,
    pub label: Untrusted,
    pub blocks: Blocks,
    /// Which file its image is; nothing is known of it in a home of an earlier release, nor in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<FileStamp>,
    /// No copy may be started to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// It is being expanded to this size: its image may have either size until that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growing: Option<Blocks>,
}

/// One array.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cabinet {
    pub name: Name,
    pub volumes: BTreeMap<Olu, Volume>,
    /// Halves of REC whose source box does not know them any more.
    pub(super) orphans: Vec<Orphan>,
    /// An array that an earlier release made has none on disk and keeps the rules that it had.
    #[serde(default)]
    pub(super) rules: RuleSet,
    #[serde(default)]
    pub(super) settings: Settings,
    #[serde(default)]
    pub(super) faults: Faults,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Path {
    pub ends: [BoxId; 2],
    pub up: bool,
    /// The REC buffers: from the first end to the second one, and back.
    #[serde(default)]
    pub buffers: [RecBuffer; 2],
}

/// The REC buffer of one direction of a path, which consistency mode needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecBuffer {
    #[default]
    Active,
    /// None is assigned.
    None,
    /// It is being assigned or taken away.
    Changing,
}

/// All emulated arrays of a home.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Core {
    pub(super) boxes: BTreeMap<BoxId, Cabinet>,
    pub(super) paths: Vec<Path>,
    pub(super) sessions: BTreeMap<SessionKey, Session>,
    pub(super) last_session: u64,
    pub(super) last_volume: u32,
    /// One-point copies that were copied to their end since they were started last.
    #[serde(default)]
    pub(super) completed: BTreeSet<Pair>,
    /// Whose turn it is to copy.
    #[serde(skip)]
    pub(super) turn: SessionKey,
    /// Sessions whose other box has not heard the latest.
    #[serde(skip)]
    pub(super) pending_events: BTreeSet<SessionKey>,
}

/// The identity that the emulated array of a name reports.
pub fn box_id(name: &Name) -> BoxId {
    // 8 characters and a name of at most 32 are always a box id.
    #[allow(clippy::unwrap_used)]
    format!("{:#<40}", format!("00EMUL##{name}")).parse().unwrap()
}

impl Core {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn add_box(&mut self, name: &Name) -> Result<BoxId, CoreError> {
        self.add_box_as(name, box_id(name))
    }

    /// A box that reports this identity.
    pub fn add_box_as(&mut self, name: &Name, id: BoxId) -> Result<BoxId, CoreError> {
        if self.boxes.contains_key(&id) || self.box_named(name.as_str()).is_ok() {
            return Err(CoreError::BoxExists(name.clone()));
        }
        let (volumes, orphans, settings, faults) = Default::default();
        let rules = RuleSet::Documented;
        self.boxes.insert(id, Cabinet { name: name.clone(), volumes, orphans, rules, settings, faults });
        Ok(id)
    }

    /// Makes a volume, with the lowest free number unless one is named.
    pub fn add_volume(
        &mut self,
        at: BoxId,
        olu: Option<Olu>,
        label: &str,
        blocks: Blocks,
    ) -> Result<VolumeId, CoreError> {
        if blocks.0 == 0 || blocks > LARGEST_VOLUME {
            return Err(CoreError::Size(blocks));
        }
        let number = self.last_volume + 1;
        let cabinet = self.cabinet_mut(at)?;
        let free = (0..=u32::MAX).map(Olu).find(|olu| !cabinet.volumes.contains_key(olu)).unwrap_or(Olu(0));
        let olu = olu.unwrap_or(free);
        if cabinet.volumes.contains_key(&olu) {
            return Err(CoreError::VolumeExists(cabinet.name.clone(), olu));
        }
        cabinet.volumes.insert(
            olu,
            Volume { number, label: Untrusted::from(label), blocks, image: None, protected: false, growing: None },
        );
        self.last_volume = number;
        Ok(VolumeId { box_id: at, olu })
    }

    /// Takes a volume away. Its sessions hinder that, or vanish with it; of a REC the other box keeps its half.
    pub fn delete_volume(&mut self, id: VolumeId, force: bool) -> Result<(), CoreError> {
        self.volume(id)?;
        let mine: Vec<(SessionKey, Pair)> = self
            .sessions
            .values()
            .filter(|session| session.touches(id))
            .map(|session| (session.key, session.pair))
            .collect();
        if !mine.is_empty() && !force {
            return Err(CoreError::HasSessionToEnd(id));
        }
        for (key, pair) in mine {
            if pair.source == id {
                self.orphan(key);
            }
            self.sessions.remove(&key);
        }
        let cabinet = self.cabinet_mut(id.box_id)?;
        cabinet.orphans.retain(|orphan| orphan.pair.target != id);
        cabinet.volumes.remove(&id.olu);
        cabinet.faults.retain_bad_blocks(id, |_| false);
        Ok(())
    }

    /// Whether a volume may be written all over: no session knows it.
    pub fn is_in_no_session(&self, id: VolumeId) -> Result<(), CoreError> {
        self.volume(id)?;
        let known = self.sessions.values().any(|session| session.touches(id));
        if known { Err(CoreError::HasSession(id)) } else { Ok(()) }
    }

    /// Notes that a volume is about to be expanded. A copy of it hinders that, and cannot be ended by force.
    pub fn begin_expand(&mut self, id: VolumeId, blocks: Blocks) -> Result<(), CoreError> {
        self.is_in_no_session(id)?;
        if self.cabinet(id.box_id)?.orphans.iter().any(|orphan| orphan.pair.target == id) {
            return Err(CoreError::HasSession(id));
        }
        if blocks > LARGEST_VOLUME {
            return Err(CoreError::Size(blocks));
        }
        let volume = self.volume_mut(id)?;
        if blocks <= volume.blocks {
            return Err(CoreError::NotLarger { volume: id, present: volume.blocks, wanted: blocks });
        }
        volume.growing = Some(blocks);
        Ok(())
    }

    /// The image has its new size, or `image` says that it has not: then the volume stays as it was.
    pub fn end_expand(&mut self, id: VolumeId, image: Blocks) -> Result<(), CoreError> {
        let volume = self.volume_mut(id)?;
        if volume.growing.take().is_some_and(|wanted| wanted == image) {
            volume.blocks = image;
        }
        Ok(())
    }

    /// Volumes whose expansion did not come to its end.
    pub(super) fn growing(&self) -> Vec<VolumeId> {
        self.volume_ids().filter(|id| self.volume(*id).is_ok_and(|volume| volume.growing.is_some())).collect()
    }

    fn volume_mut(&mut self, id: VolumeId) -> Result<&mut Volume, CoreError> {
        self.cabinet_mut(id.box_id)?.volumes.get_mut(&id.olu).ok_or(CoreError::NoVolume(id))
    }

    /// A protected volume is no destination of a new copy.
    pub fn protect(&mut self, id: VolumeId, protected: bool) -> Result<(), CoreError> {
        self.volume_mut(id)?.protected = protected;
        Ok(())
    }

    /// Connects two boxes; both directions, and up.
    pub fn add_path(&mut self, one: BoxId, other: BoxId) -> Result<(), CoreError> {
        if one == other {
            return Err(CoreError::PathToItself);
        }
        self.cabinet(one)?;
        self.cabinet(other)?;
        if self.path(one, other).is_none() {
            self.paths.push(Path { ends: [one, other], up: true, buffers: Default::default() });
        }
        self.set_path(one, other, true)
    }

    /// Takes a path between two connected boxes up or down; RECs halt, and come back by themselves where their recovery mode says so.
    pub fn set_path(&mut self, one: BoxId, other: BoxId, up: bool) -> Result<(), CoreError> {
        let path = self.paths.iter_mut().find(|path| path.ends.contains(&one) && path.ends.contains(&other));
        path.ok_or(CoreError::NoPath)?.up = up;
        for session in self.sessions.values_mut() {
            let (source, target) = (session.pair.source.box_id, session.pair.target.box_id);
            if source == target || ![one, other].contains(&source) || ![one, other].contains(&target) {
                continue;
            }
            if up {
                if session.status == Status::Halted && recovers_by_itself(session) {
                    session.begin_copy();
                }
            } else if session.status == Status::Active {
                session.status = Status::Halted;
                session.suspending = None;
                // Both boxes see the light go out.
                session.tell_remote();
            }
            self.pending_events.insert(session.key);
        }
        self.hold_back();
        Ok(())
    }

    /// Disconnects two boxes, as before they were introduced to each other.
    ///
    /// # Errors
    /// While a session, or a half of one, needs the path.
    pub fn remove_path(&mut self, one: BoxId, other: BoxId) -> Result<(), CoreError> {
        let between = |pair: &Pair| {
            pair.kind == CopyKind::Rec
                && [one, other].contains(&pair.source.box_id)
                && [one, other].contains(&pair.target.box_id)
        };
        let orphans = self.boxes.values().flat_map(|cabinet| &cabinet.orphans).map(|orphan| orphan.pair);
        if let Some(pair) = self.sessions.values().map(|session| session.pair).chain(orphans).find(between) {
            return Err(CoreError::PathInUse(pair));
        }
        let connected = self.paths.len();
        self.paths.retain(|path| !(path.ends.contains(&one) && path.ends.contains(&other)));
        if self.paths.len() == connected { Err(CoreError::NoPath) } else { Ok(()) }
    }

    /// Sets the REC buffer from one box to another. It is asked for at start, resume and reverse.
    pub fn set_buffer(&mut self, from: BoxId, to: BoxId, buffer: RecBuffer) -> Result<(), CoreError> {
        let path = self.paths.iter_mut().find(|path| path.ends.contains(&from) && path.ends.contains(&to));
        let path = path.filter(|_| from != to).ok_or(CoreError::NoPath)?;
        path.buffers[usize::from(path.ends[0] != from)] = buffer;
        Ok(())
    }

    /// The REC buffer from one box to another; `None` without a path.
    pub(super) fn buffer(&self, from: BoxId, to: BoxId) -> Option<RecBuffer> {
        let path = self.paths.iter().find(|path| path.ends.contains(&from) && path.ends.contains(&to))?;
        Some(path.buffers[usize::from(path.ends[0] != from)])
    }

    pub fn boxes(&self) -> impl Iterator<Item = (BoxId, &Cabinet)> {
        self.boxes.iter().map(|(id, cabinet)| (*id, cabinet))
    }

    pub fn box_named(&self, name: &str) -> Result<BoxId, CoreError> {
        let found = self.boxes.iter().find(|(_, cabinet)| cabinet.name.as_str() == name);
        found.map(|(id, _)| *id).ok_or_else(|| CoreError::NoBox(name.to_owned()))
    }

    /// Pairs of boxes that are connected, and whether the path is up.
    pub fn paths(&self) -> impl Iterator<Item = ([BoxId; 2], bool)> {
        self.paths.iter().map(|path| (path.ends, path.up))
    }

    pub fn volume(&self, id: VolumeId) -> Result<&Volume, CoreError> {
        let volume = self.boxes.get(&id.box_id).and_then(|cabinet| cabinet.volumes.get(&id.olu));
        volume.ok_or(CoreError::NoVolume(id))
    }

    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    pub fn session(&self, pair: &Pair) -> Option<&Session> {
        self.sessions.values().find(|session| session.pair == *pair)
    }

    pub fn session_by_key(&self, key: SessionKey) -> Option<&Session> {
        self.sessions.get(&key)
    }

    pub fn identity(&self, at: BoxId) -> Result<Identity, CoreError> {
        let name = self.cabinet(at)?.name.to_string();
        Ok(Identity {
            box_id: at,
            model: "ecdeck embedded array".into(),
            serial: Untrusted::new(name),
            firmware: env!("CARGO_PKG_VERSION").into(),
        })
    }

    pub fn volumes_of(&self, at: BoxId) -> Result<Vec<ArrayVolume>, CoreError> {
        let volume = |(olu, volume): (&Olu, &Volume)| ArrayVolume {
            id: VolumeId { box_id: at, olu: *olu },
            label: volume.label.clone(),
            blocks: volume.blocks,
            copy_inhibited: Some(false),
        };
        Ok(self.cabinet(at)?.volumes.iter().map(volume).collect())
    }

    /// All sessions as one box reports them. Of a REC each box reports its own half.
    pub fn reading(&self, at: BoxId, now: Timestamp) -> Result<Reading, CoreError> {
        let cabinet = self.cabinet(at)?;
        let own = self.sessions.values().filter_map(|session| {
            if session.pair.source.box_id == at {
                Some(session.reading())
            } else if session.pair.target.box_id == at {
                session.remote_reading()
            } else {
                None
            }
        });
        let mut sessions: Vec<SessionReading> = own.chain(cabinet.orphans.iter().map(Orphan::reading)).collect();
        for session in &mut sessions {
            session.modes = session.modes.map(|modes| self.shown_modes(at, session.status, modes));
        }
        for (pair, word) in &cabinet.faults.strange_words {
            for session in sessions.iter_mut().filter(|session| session.pair == *pair) {
                session.status = Status::Unknown;
                session.words.status = Untrusted::new(word.as_str());
            }
        }
        if let Some(unit) = cabinet.settings.resolution {
            for session in &mut sessions {
                let size = self.volume(session.pair.source).map_or(Blocks(u64::MAX), |volume| volume.blocks);
                session.difference = session.difference.map(|exact| Blocks(exact.0.next_multiple_of(unit.0)).min(size));
            }
        }
        sessions.sort_by_key(|session| session.sid);
        let completed = self.completed.iter().filter(|pair| pair.source.box_id == at).copied().collect();
        Ok(Reading { completed: Some(completed), ..Reading::complete(at, now, sessions) })
    }

    /// What time does to the arrays: finished copies become equivalent, and remote boxes hear what has happened.
    pub fn tick(&mut self) {
        self.count_down();
        let copied_into = self.copied_into();
        // Where a data plane has the maps it says by itself when it is through.
        let through = |session: &&Session| {
            session.measured.is_none()
                && session.is_copying()
                && session.map.is_clean()
                && session.in_hand.is_empty()
                && !(session.pair.kind != CopyKind::Opc && copied_into.contains(&session.flow().0))
        };
        let finished: Vec<SessionKey> = self.sessions.values().filter(through).map(|session| session.key).collect();
        for key in std::mem::take(&mut self.pending_events) {
            let late = self.sessions.get(&key).and_then(|session| self.far_ticks(session));
            if !self.crosses(key) {
                // It is told when the path is back.
                self.pending_events.insert(key);
            } else if let Some(session) = self.sessions.get_mut(&key) {
                match (late, session.telling) {
                    (None, _) | (Some(_), Some(0)) => {
                        session.telling = None;
                        session.tell_remote();
                    }
                    (Some(ticks), None) => {
                        session.telling = Some(ticks);
                        self.pending_events.insert(key);
                    }
                    (Some(_), Some(_)) => drop(self.pending_events.insert(key)),
                }
            }
        }
        for key in finished {
            self.finish(key);
        }
        let moving = self.sessions.values().filter(|session| session.remote.is_some() && session.is_copying());
        self.pending_events.extend(moving.map(|session| session.key));
    }

    fn finish(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.pair.kind == CopyKind::Opc {
            self.completed.insert(session.pair);
            self.sessions.remove(&key);
        } else {
            (session.phase, session.held) = (Phase::Equivalent, false);
            self.pending_events.insert(key);
        }
    }

    /// Takes over how much of each session may differ, where a data plane has the maps.
    pub fn measure(&mut self, dirty: impl Fn(&Pair) -> Option<Blocks>) {
        for session in self.sessions.values_mut() {
            if let Some(dirty) = dirty(&session.pair) {
                session.measured = Some(dirty);
            }
        }
    }

    /// The data plane says that both sides of a copying session are the same.
    pub fn became_equivalent(&mut self, pair: &Pair) {
        let Some(session) = self.session(pair).filter(|session| session.is_copying()) else { return };
        let (key, waits) = (session.key, self.waits(session));
        if !waits {
            self.finish(key);
        } else if let Some(session) = self.sessions.get_mut(&key) {
            session.held = true;
        }
    }

    /// The data plane gave a session up.
    pub fn gave_up(&mut self, pair: &Pair, byte: ErrorByte) {
        let found = self.session(pair).filter(|session| session.status == Status::Active);
        if let Some(key) = found.map(|session| session.key) {
            self.fail(key, byte);
        }
    }

    /// The image of a volume is not what is registered: no session can go on with it.
    pub fn take_out(&mut self, volume: VolumeId) {
        let hit = self.sessions.values().filter(|session| session.touches(volume));
        let hit = hit.filter(|session| session.status != Status::ErrorSuspended);
        let keys: Vec<SessionKey> = hit.map(|session| session.key).collect();
        for key in keys {
            self.fail(key, ErrorByte(OUT_OF_SERVICE));
        }
    }

    pub(super) fn volume_ids(&self) -> impl Iterator<Item = VolumeId> {
        self.boxes
            .iter()
            .flat_map(|(box_id, cabinet)| cabinet.volumes.keys().map(|olu| VolumeId { box_id: *box_id, olu: *olu }))
    }

    /// Volumes of which it is not noted which file their image is.
    pub(super) fn unstamped(&self) -> impl Iterator<Item = VolumeId> {
        self.volume_ids().filter(|id| self.volume(*id).is_ok_and(|volume| volume.image.is_none()))
    }

    /// Remembers which file the image of a volume is.
    pub(super) fn stamp(&mut self, id: VolumeId, stamp: Option<FileStamp>) {
        let cabinet = self.boxes.get_mut(&id.box_id);
        if let Some(volume) = cabinet.and_then(|cabinet| cabinet.volumes.get_mut(&id.olu)) {
            volume.image = stamp;
        }
    }

    /// After a start of the server: what the stored maps say of the phase of a session that was active.
    pub fn go_on(&mut self, pair: &Pair, dirty: Blocks) {
        let found = self.sessions.values_mut().find(|session| session.pair == *pair);
        if let Some(session) = found {
            session.measured = Some(dirty);
            if session.status == Status::Active {
                let was_copying = session.phase == Phase::Copying;
                // A one-point copy is never equivalent: it ends.
                let equivalent = dirty.0 == 0 && session.pair.kind != CopyKind::Opc;
                session.phase = match session.starting {
                    _ if equivalent => Phase::Equivalent,
                    Some(_) => Phase::Readying,
                    None => Phase::Copying,
                };
                session.total = if was_copying { session.total.max(dirty) } else { dirty };
            }
        }
    }

    /// After a start of the server nobody knows what the other boxes had heard before: they hear all again.
    pub fn tell_all_again(&mut self) {
        self.pending_events
            .extend(self.sessions.values().filter(|session| session.remote.is_some()).map(|session| session.key));
    }

    /// Whether remote boxes have something to hear.
    pub fn wants_tick(&self) -> bool {
        self.pending_events.iter().any(|key| self.crosses(*key))
            || self.sessions.values().any(|s| s.remote.is_some() && s.is_copying())
            || self.counts_down()
    }

    /// Whether what one box of a session knows can reach the other one now.
    pub(super) fn crosses(&self, key: SessionKey) -> bool {
        let Some(session) = self.sessions.get(&key) else { return true };
        let (source, target) = (session.pair.source.box_id, session.pair.target.box_id);
        source == target || self.path(source, target) == Some(true) || !self.is_documented(source)
    }

    /// Whether a box goes by the documented rules.
    pub(super) fn is_documented(&self, at: BoxId) -> bool {
        self.boxes.get(&at).is_some_and(|cabinet| cabinet.rules == RuleSet::Documented)
    }

    /// The rules that a box goes by.
    pub fn rules(&self, at: BoxId) -> Result<RuleSet, CoreError> {
        Ok(self.cabinet(at)?.rules)
    }

    /// Chooses the rules that a box goes by.
    pub fn set_rules(&mut self, at: BoxId, rules: RuleSet) -> Result<(), CoreError> {
        self.cabinet_mut(at)?.rules = rules;
        Ok(())
    }

    /// Makes something go wrong.
    pub fn inject(&mut self, at: BoxId, fault: Fault) -> Result<(), CoreError> {
        let session_of = |core: &Self, pair: &Pair| core.session(pair).map(|session| session.key);
        match fault {
            Fault::ErrorSuspend { pair, byte } => {
                let key = session_of(self, &pair).ok_or(CoreError::NoSession(pair))?;
                self.fail(key, byte);
            }
            Fault::HalfOpen { pair, missing } => {
                let key = session_of(self, &pair).ok_or(CoreError::NoSession(pair))?;
                self.lose_half(key, missing)?;
            }
            Fault::BufferOverrun { pair } => {
                let key = session_of(self, &pair).ok_or(CoreError::NoSession(pair))?;
                self.overrun(key)?;
            }
            Fault::BadBlock { volume, block } => {
                if block >= self.volume(volume)?.blocks.0 {
                    return Err(CoreError::BeyondEnd { volume, block });
                }
                self.cabinet_mut(volume.box_id)?.faults.add_bad_block(volume, block);
            }
            Fault::Clear => {
                self.cabinet_mut(at)?.faults = Faults::default();
                self.keep_up(at);
            }
            other => {
                let faults = &mut self.cabinet_mut(at)?.faults;
                match other {
                    Fault::Busy { times } => faults.queue(InjectedFault::Busy, times),
                    Fault::Refuse { times, code } => faults.queue(InjectedFault::Refuse { code }, times),
                    Fault::LostRequest { times } => faults.queue(InjectedFault::LostRequest, times),
                    Fault::LostReply { times } => faults.queue(InjectedFault::LostReply, times),
                    Fault::LateReply { times, millis } => faults.queue(InjectedFault::LateReply { millis }, times),
                    Fault::StrangeWord { pair, word } => faults.strange_words.push((pair, word)),
                    Fault::Unreachable => faults.unreachable = true,
                    Fault::CopyTableFull => faults.copy_table_full = true,
                    Fault::BufferLate { times } => faults.buffer_late = times,
                    Fault::Slow { millis } => faults.slow_millis = millis,
                    Fault::Clear
                    | Fault::ErrorSuspend { .. }
                    | Fault::HalfOpen { .. }
                    | Fault::BufferOverrun { .. }
                    | Fault::BadBlock { .. } => {}
                }
            }
        }
        Ok(())
    }

    /// The array halts a copy in consistency mode by itself, as its buffer cannot keep up.
    fn overrun(&mut self, key: SessionKey) -> Result<(), CoreError> {
        let Some(session) = self.sessions.get_mut(&key) else { return Ok(()) };
        let consistent = session.modes.is_some_and(|modes| modes.transfer == TransferMode::Consistency);
        if !consistent || session.status != Status::Active {
            return Err(CoreError::NotInConsistency(session.pair));
        }
        (session.status, session.suspending) = (Status::Halted, None);
        self.pending_events.insert(key);
        Ok(())
    }

    /// The buffers keep up again: what was halted goes on where its recovery mode says so, and its path and far half are there.
    fn keep_up(&mut self, at: BoxId) {
        let halted = |session: &&Session| {
            session.pair.source.box_id == at
                && session.status == Status::Halted
                && session.remote.is_some()
                && recovers_by_itself(session)
                && self.path(at, session.pair.target.box_id) == Some(true)
        };
        let keys: Vec<SessionKey> = self.sessions.values().filter(halted).map(|session| session.key).collect();
        for key in keys {
            if let Some(session) = self.sessions.get_mut(&key) {
                session.begin_copy();
                self.pending_events.insert(key);
            }
        }
        self.hold_back();
    }

    /// The faults of a box that have not ended, as they would be injected anew.
    pub fn faults(&self, at: BoxId) -> Result<Vec<Fault>, CoreError> {
        Ok(self.cabinet(at)?.faults.list())
    }

    /// All blocks that cannot be read.
    pub fn bad_blocks(&self) -> Vec<(VolumeId, u64)> {
        let faults = self.boxes.values().flat_map(|cabinet| cabinet.faults.list());
        let bad = |fault| if let Fault::BadBlock { volume, block } = fault { Some((volume, block)) } else { None };
        faults.filter_map(bad).collect()
    }

    /// Blocks that were overwritten are good again.
    pub fn healed(&mut self, volume: VolumeId, still_bad: impl Fn(u64) -> bool) {
        if let Some(cabinet) = self.boxes.get_mut(&volume.box_id) {
            cabinet.faults.retain_bad_blocks(volume, still_bad);
        }
    }

    fn lose_half(&mut self, key: SessionKey, missing: Side) -> Result<(), CoreError> {
        let documented = self.sessions.get(&key).is_some_and(|session| self.is_documented(session.pair.source.box_id));
        let Some(session) = self.sessions.get_mut(&key) else { return Ok(()) };
        if session.pair.kind != CopyKind::Rec {
            return Err(CoreError::NoSession(session.pair));
        }
        match missing {
            Side::Target => {
                session.remote = None;
                if documented && session.status == Status::Active {
                    // The far box knows of no session: nothing is taken there any more.
                    (session.status, session.suspending) = (Status::Halted, None);
                }
            }
            Side::Source => self.orphan(key),
        }
        Ok(())
    }

    /// Forgets a session at its own box; the other box keeps its half.
    pub(super) fn orphan(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.remove(&key) else { return };
        if let (Some(half), Some(cabinet)) = (session.remote, self.boxes.get_mut(&session.pair.target.box_id)) {
            let Session { pair, requestor, started, .. } = session;
            cabinet.orphans.push(Orphan { pair, half, requestor, started });
        }
    }

    /// Whether a box answers at all, and by how much it is slow.
    pub fn reach(&self, at: BoxId) -> Result<Reach, CoreError> {
        let faults = &self.cabinet(at)?.faults;
        Ok(Reach { answers: !faults.unreachable, slow_millis: faults.slow_millis })
    }

    pub(super) fn cabinet(&self, at: BoxId) -> Result<&Cabinet, CoreError> {
        self.boxes.get(&at).ok_or_else(|| CoreError::NoBox(at.to_string()))
    }

    pub(super) fn cabinet_mut(&mut self, at: BoxId) -> Result<&mut Cabinet, CoreError> {
        self.boxes.get_mut(&at).ok_or_else(|| CoreError::NoBox(at.to_string()))
    }

    /// Whether the path between two boxes is up; `None` without one.
    pub(super) fn path(&self, one: BoxId, other: BoxId) -> Option<bool> {
        self.paths.iter().find(|path| path.ends.contains(&one) && path.ends.contains(&other)).map(|path| path.up)
    }
}

/// How a box answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    pub answers: bool,
    pub slow_millis: u32,
}

fn recovers_by_itself(session: &Session) -> bool {
    session.modes.unwrap_or_default().recovery == Automation::Automatic
}

/// What every emulated array can do.
pub fn capabilities() -> Capabilities {
    use CommandVerb::{ChangeMode, Resume, Reverse, Start, StartOpc, Stop, Suspend};
    let mut verbs: Vec<_> = [CopyKind::Ec, CopyKind::Rec]
        .into_iter()
        .flat_map(|kind| [Start, Resume, Suspend, Stop, Reverse].into_iter().map(move |verb| (kind, verb)))
        .collect();
    verbs.extend([(CopyKind::Rec, ChangeMode), (CopyKind::Opc, StartOpc), (CopyKind::Opc, Stop)]);
    Capabilities {
        verbs,
        atomic_suspend: Ability::Yes,
        sessions_per_source: SESSIONS_PER_SOURCE as u16,
        sees_target_writes: Ability::No,
        reads_bytes: true,
        limited: None,
        message_ids: Vec::new(),
        tool_commands: Vec::new(),
    }
}
