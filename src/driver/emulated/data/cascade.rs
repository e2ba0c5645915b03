//! Writes of one session into a volume that others know: what reads from it goes along, the rest remembers.
//!
//! Who writes into such a volume holds `admission` from the mark to the end of the write, so that no mark falls between two
//! logs. Ranges are locked in the direction of the copies, the source before its target: nobody waits in a circle.

use super::attached::{Attached, End};
use super::ranges::RangeGuard;
use super::shared::Shared;
use super::types::{DataError, at};
use crate::model::identity::VolumeId;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Sessions that know a volume, besides the one that writes into it.
#[derive(Default)]
pub(super) struct Readers {
    /// EC and REC, whichever side the volume is.
    pub(super) sessions: Vec<Arc<Attached>>,
    /// One-point copies that still read from it.
    moments: Vec<Arc<Attached>>,
}

impl Readers {
    fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.moments.is_empty()
    }
}

impl Shared {
    /// Whoever else knows the volume that a session writes into.
    pub(super) fn readers(&self, session: &Attached) -> Readers {
        let written = session.to().id;
        let table = self.sessions.read();
        let mut readers = Readers::default();
        for other in table.by_volume.get(&written).into_iter().flatten().filter(|other| other.pair != session.pair) {
            if other.moment().is_none() {
                readers.sessions.push(Arc::clone(other));
            } else if other.is_running() && other.from().id == written {
                readers.moments.push(Arc::clone(other));
            }
        }
        readers
    }

    /// Whether copying has to be told to other sessions.
    pub(super) fn is_known_elsewhere(&self, session: &Attached) -> bool {
        !self.readers(session).is_empty()
    }

    /// Before a session writes into its target: one-point copies have what they need of it, it is durably noted that it is
    /// going to change, and nobody copies from there meanwhile.
    pub(super) fn hold_target<'a>(
        &self,
        target: End<'a>,
        readers: &Readers,
        bytes: &Range<u64>,
        direct: bool,
    ) -> io::Result<Option<RangeGuard<'a>>> {
        if readers.is_empty() {
            return Ok(None);
        }
        for moment in &readers.moments {
            self.settle(moment, bytes);
        }
        let alone = target.image.locks.lock_to_copy(bytes.clone(), direct);
        if !readers.sessions.is_empty() {
            self.note(target.id, bytes).map_err(|error| io::Error::other(error.to_string()))?;
        }
        Ok(Some(alone))
    }

    /// Tells all other sessions that know the volume that is written, durably and beforehand, that it is going to change.
    pub(super) fn mark_elsewhere(&self, session: &Attached, bytes: &Range<u64>) -> Result<(), DataError> {
        let readers = self.readers(session);
        if readers.sessions.is_empty() {
            return Ok(());
        }
        for reader in &readers.sessions {
            reader.mark(bytes.clone());
        }
        self.note(session.to().id, bytes)
    }

    fn note(&self, written: VolumeId, bytes: &Range<u64>) -> Result<(), DataError> {
        self.log(written.box_id)?.mark(written.olu, bytes).map_err(at(&self.box_folder(written.box_id)))
    }

    /// Writes a host's bytes into the target of a session, and into the targets of those that are equal to that one.
    pub(super) fn write_on(&self, target: End<'_>, readers: &Readers, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let range = offset..offset + bytes.len() as u64;
        let _alone = self.hold_target(target, readers, &range, false)?;
        let goes_along = |reader: &&Arc<Attached>| reader.is_running() && reader.from().id == target.id;
        let (along, others): (Vec<_>, Vec<_>) = readers.sessions.iter().partition(goes_along);
        for reader in others {
            reader.mark(range.clone());
        }
        let written = self.put(target.id, target.image, offset, bytes);
        for reader in along {
            if written.is_ok() {
                self.mirror(reader, offset, bytes);
            } else {
                // Part of it may be on the disk.
                reader.mark(range.clone());
                self.wake();
            }
        }
        written
    }

    /// Makes durable what was mirrored from a volume, to the end of the cascade. A target that fails ends its session's run.
    pub(super) fn flush_mirrors(&self, id: VolumeId) {
        let sessions = self.sessions.read().by_volume.get(&id).cloned().unwrap_or_default();
        for session in sessions.iter().filter(|session| session.is_running() && session.from().id == id) {
            let _ = self.make_durable(session);
            self.flush_mirrors(session.to().id);
        }
    }
}
