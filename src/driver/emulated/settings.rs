//! What an emulated array is set to: the quantities and durations that its documents name, and that people of real arrays
//! meet as "too small", "too many" and "not yet".

use super::codes::ArrayCode;
use super::core::{Core, CoreError, SESSIONS_PER_BOX, TICK_MILLIS};
use super::regions::REGION_BLOCKS;
use super::sessions::{Session, SessionKey};
use crate::model::identity::BoxId;
use crate::model::session::{CopyKind, ErrorByte, Pair, RecModes, Status, TransferMode};
use crate::model::units::Blocks;
use serde::{Deserialize, Serialize};

/// The error of a session that the copy table has no room for any more. The documents say that it fails, not with which
/// byte: this one is ours.
pub const TABLE_LOST: ErrorByte = ErrorByte(0xF0);

/// The settings of one array. What is `None` has no limit that anybody meets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Size of the sources that the copy table can record, each counted once a session; 0 where no table is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_table: Option<Blocks>,
    /// Sessions that the array may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// What a difference is counted in, where that is more than a region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Blocks>,
    /// Milliseconds that the suspend of a REC goes on after its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend_millis: Option<u32>,
    /// Milliseconds for which a new EC or REC is reserved, and a new OPC readying, before it copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_millis: Option<u32>,
    /// Milliseconds for which a session remains after its stop was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_millis: Option<u32>,
    /// Milliseconds after which the other box of a REC hears of what has become of it, beyond the usual tick.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub far_millis: Option<u32>,
    /// A suspended REC in stack or consistency mode is shown in the mode that is in force then, through, and not in the one
    /// that its resume brings back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shows_mode_in_force: bool,
}

/// A change of the settings: what is not named stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingsChange {
    pub copy_table: Option<Setting<Blocks>>,
    pub sessions: Option<Setting<u32>>,
    pub resolution: Option<Blocks>,
    pub suspend_millis: Option<Setting<u32>>,
    pub start_millis: Option<Setting<u32>>,
    pub stop_millis: Option<Setting<u32>>,
    pub far_millis: Option<Setting<u32>>,
    pub shows_mode_in_force: Option<bool>,
}

/// A value, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting<T> {
    Unlimited,
    To(T),
}

impl<T> Setting<T> {
    fn value(self) -> Option<T> {
        match self {
            Self::Unlimited => None,
            Self::To(value) => Some(value),
        }
    }
}

impl Core {
    pub fn settings(&self, at: BoxId) -> Result<&Settings, CoreError> {
        Ok(&self.cabinet(at)?.settings)
    }

    /// Changes settings. A copy table that is made smaller takes the newest sessions with it: they fail.
    pub fn set(&mut self, at: BoxId, change: SettingsChange) -> Result<(), CoreError> {
        if let Some(unit) = change.resolution
            && (unit.0 == 0 || !unit.0.is_multiple_of(REGION_BLOCKS))
        {
            return Err(CoreError::Resolution(unit));
        }
        let settings = &mut self.cabinet_mut(at)?.settings;
        if let Some(unit) = change.resolution {
            settings.resolution = Some(unit).filter(|unit| unit.0 > REGION_BLOCKS);
        }
        if let Some(table) = change.copy_table {
            settings.copy_table = table.value();
        }
        if let Some(shows) = change.shows_mode_in_force {
            settings.shows_mode_in_force = shows;
        }
        if let Some(sessions) = change.sessions {
            settings.sessions = sessions.value();
        }
        for (wanted, kept) in [
            (change.suspend_millis, &mut settings.suspend_millis),
            (change.start_millis, &mut settings.start_millis),
            (change.stop_millis, &mut settings.stop_millis),
            (change.far_millis, &mut settings.far_millis),
        ] {
            if let Some(millis) = wanted {
                *kept = millis.value().filter(|millis| *millis > 0);
            }
        }
        while self.table_need(at, None) > self.table_of(at).unwrap_or(Blocks(u64::MAX)) {
            let newest = self.sessions.values().rev().find(|session| is_of(session, at) && needs_table(session));
            let Some(key) = newest.map(|session| session.key) else { break };
            self.fail(key, TABLE_LOST);
        }
        Ok(())
    }

    fn table_of(&self, at: BoxId) -> Option<Blocks> {
        self.boxes.get(&at)?.settings.copy_table
    }

    /// What the sessions of a box need of its copy table, but for one.
    fn table_need(&self, at: BoxId, but: Option<SessionKey>) -> Blocks {
        let mine = self.sessions.values().filter(|session| is_of(session, at) && Some(session.key) != but);
        let size = |session: &Session| self.volume(session.pair.source).map_or(0, |volume| volume.blocks.0);
        Blocks(mine.filter(|session| needs_table(session)).map(size).sum())
    }

    /// Whether the copy tables of both boxes have room for a pair, which is the session `known` already.
    pub(super) fn table_has_room(&self, pair: &Pair, known: Option<SessionKey>) -> Result<(), ArrayCode> {
        let source = self.volume(pair.source).map_or(0, |volume| volume.blocks.0);
        for at in [pair.source.box_id, pair.target.box_id] {
            match self.table_of(at) {
                Some(Blocks(0)) => return Err(ArrayCode::TableNotSet),
                Some(table) if self.table_need(at, known).0 + source > table.0 => return Err(ArrayCode::TableFull),
                None | Some(_) => {}
            }
        }
        Ok(())
    }

    /// Both boxes of a remote copy count differences in the same unit.
    pub(super) fn resolutions_agree(&self, pair: &Pair) -> Result<(), ArrayCode> {
        let of = |at: BoxId| self.boxes.get(&at).and_then(|cabinet| cabinet.settings.resolution);
        let agree = of(pair.source.box_id) == of(pair.target.box_id);
        if agree { Ok(()) } else { Err(ArrayCode::ResolutionDiffers) }
    }

    /// What a box shows of a session's modes.
    pub(super) fn shown_modes(&self, at: BoxId, status: Status, modes: RecModes) -> RecModes {
        let in_force = self.boxes.get(&at).is_some_and(|cabinet| cabinet.settings.shows_mode_in_force);
        let stopped = matches!(status, Status::Suspended | Status::ErrorSuspended);
        let asynchronous = matches!(modes.transfer, TransferMode::Stack | TransferMode::Consistency);
        if in_force && stopped && asynchronous { RecModes { transfer: TransferMode::Through, ..modes } } else { modes }
    }

    /// How many sessions a box may have.
    pub(super) fn session_limit(&self, at: BoxId) -> usize {
        let set = self.boxes.get(&at).and_then(|cabinet| cabinet.settings.sessions);
        set.map_or(SESSIONS_PER_BOX, |sessions| sessions as usize)
    }

    /// For how many ticks a suspend of this session goes on after its answer.
    pub(super) fn suspend_ticks(&self, session: &Session) -> Option<u32> {
        let cabinet = self.boxes.get(&session.pair.source.box_id)?;
        let millis = cabinet.settings.suspend_millis.filter(|_| session.pair.kind == CopyKind::Rec)?;
        Some(millis.div_ceil(TICK_MILLIS))
    }

    /// For how many ticks a new session is reserved, or readying, before it copies.
    pub(super) fn start_ticks(&self, pair: &Pair) -> Option<u32> {
        let cabinet = self.boxes.get(&pair.source.box_id)?;
        Some(cabinet.settings.start_millis?.div_ceil(TICK_MILLIS))
    }

    /// For how many ticks a session remains after its stop was accepted.
    pub(super) fn stop_ticks(&self, at: BoxId) -> Option<u32> {
        self.boxes.get(&at)?.settings.stop_millis.map(|millis| millis.div_ceil(TICK_MILLIS))
    }

    /// After how many ticks the other box hears of a change to this session.
    pub(super) fn far_ticks(&self, session: &Session) -> Option<u32> {
        let cabinet = self.boxes.get(&session.pair.source.box_id)?;
        let millis = cabinet.settings.far_millis.filter(|_| session.pair.kind == CopyKind::Rec)?;
        Some(millis.div_ceil(TICK_MILLIS))
    }

    /// What was accepted or begun and takes its time comes nearer to its end.
    pub(super) fn count_down(&mut self) {
        let counters = self.sessions.values_mut().flat_map(|session| {
            [&mut session.suspending, &mut session.starting, &mut session.stopping, &mut session.telling]
                .into_iter()
                .flatten()
        });
        for left in counters {
            *left = left.saturating_sub(1);
        }
    }

    /// Whether a session waits for its time to come.
    pub(super) fn counts_down(&self) -> bool {
        let counts = |session: &Session| {
            // A reserved session whose path is down waits for that, not for the time.
            let starts = session.starting.is_some_and(|left| left > 0 || self.crosses(session.key));
            starts
                || session.suspending.is_some()
                || session.stopping.is_some()
                || (session.telling.is_some() && self.crosses(session.key))
        };
        self.sessions.values().any(counts)
    }

    /// Suspends that were accepted and are over now.
    pub(super) fn suspends_are_due(&self) -> bool {
        self.sessions.values().any(|session| session.suspending == Some(0))
    }

    /// Starts and stops that were accepted and are over now.
    pub(super) fn starts_or_stops_are_due(&self) -> bool {
        self.sessions.values().any(|session| self.start_is_due(session) || session.stopping == Some(0))
    }

    /// A reserved session waits for its path as well; one that is being stopped does not begin.
    fn start_is_due(&self, session: &Session) -> bool {
        session.starting == Some(0) && session.stopping.is_none() && self.crosses(session.key)
    }

    /// Lets what is reserved and due copy, and ends what is to be stopped and due. The caller sees to the bytes.
    pub fn end_starts_and_stops(&mut self) {
        let due = self.sessions.values().filter(|session| self.start_is_due(session));
        let due: Vec<SessionKey> = due.map(|session| session.key).collect();
        for key in due {
            if let Some(session) = self.sessions.get_mut(&key) {
                session.begin_copy();
                self.pending_events.insert(key);
            }
        }
        let over: Vec<SessionKey> =
            self.sessions.values().filter(|session| session.stopping == Some(0)).map(|session| session.key).collect();
        for key in over {
            // Where the path went down meanwhile, the other box does not hear of the end.
            if self.crosses(key) {
                self.sessions.remove(&key);
            } else {
                self.orphan(key);
            }
        }
        self.hold_back();
    }

    /// Ends the suspends that are due. The caller sees to the bytes.
    pub fn end_suspends(&mut self) {
        for session in self.sessions.values_mut().filter(|session| session.suspending == Some(0)) {
            session.suspending = None;
            session.status = Status::Suspended;
            self.pending_events.insert(session.key);
        }
    }

    /// Suspends that are due cannot be: the sessions go on as they are.
    pub(super) fn give_suspends_up(&mut self) {
        for session in self.sessions.values_mut().filter(|session| session.suspending == Some(0)) {
            session.suspending = None;
        }
    }
}

/// Whether a box has a part in a session.
fn is_of(session: &Session, at: BoxId) -> bool {
    session.pair.source.box_id == at || session.pair.target.box_id == at
}

/// A session that failed records nothing.
fn needs_table(session: &Session) -> bool {
    session.status != Status::ErrorSuspended
}
