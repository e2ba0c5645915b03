//! What an emulated array is set to: the quantities and durations that its documents name, and that people of real arrays
//! meet as "too small", "too many" and "not yet".

use super::codes::ArrayCode;
use super::core::{Core, CoreError, SESSIONS_PER_BOX, TICK_MILLIS};
use super::sessions::{Session, SessionKey};
use crate::model::identity::BoxId;
use crate::model::session::{CopyKind, ErrorByte, Pair, Status};
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
    /// Milliseconds that the suspend of a REC goes on after its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend_millis: Option<u32>,
}

/// A change of the settings: what is not named stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingsChange {
    pub copy_table: Option<Setting<Blocks>>,
    pub sessions: Option<Setting<u32>>,
    pub suspend_millis: Option<Setting<u32>>,
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
        let settings = &mut self.cabinet_mut(at)?.settings;
        if let Some(table) = change.copy_table {
            settings.copy_table = table.value();
        }
        if let Some(sessions) = change.sessions {
            settings.sessions = sessions.value();
        }
        if let Some(millis) = change.suspend_millis {
            settings.suspend_millis = millis.value().filter(|millis| *millis > 0);
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

    /// Suspends that were accepted and are over now.
    pub(super) fn suspends_are_due(&self) -> bool {
        self.sessions.values().any(|session| session.suspending == Some(0))
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
