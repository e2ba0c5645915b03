//! Barriers: host writes wait at the volumes that an instant concerns, and at no other one.

use super::attached::Attached;
use super::image::Image;
use super::shared::Shared;
use crate::model::identity::VolumeId;
use parking_lot::{RwLockReadGuard, RwLockWriteGuard};
use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;

/// Holds host writes off until it is dropped.
#[expect(dead_code, reason = "the guards are held, never read")]
pub(super) enum Barrier<'a> {
    /// Writes to these volumes. Nothing that concerns all volumes happens meanwhile.
    Volumes(RwLockReadGuard<'a, ()>, Vec<RwLockWriteGuard<'a, ()>>),
    /// All writes, and all copying that other sessions have to know of.
    All(RwLockWriteGuard<'a, ()>),
}

impl Shared {
    /// Waits for the host writes that are under way on the volumes of these sessions, and holds off new ones. Where another
    /// session copies into one of the volumes, that copying has to stand still as well: then everything waits.
    pub(super) fn barrier<'a>(&'a self, sessions: &'a [Arc<Attached>]) -> Barrier<'a> {
        // Barriers take the volumes in the same order, so that none of two waits for the other.
        let images: BTreeMap<VolumeId, &Arc<Image>> = sessions.iter().flat_map(|session| session.images()).collect();
        let admission = self.admission.read();
        if self.is_copied_into(&images, sessions) {
            drop(admission);
            return Barrier::All(self.admission.write());
        }
        Barrier::Volumes(admission, images.values().map(|image| image.admission.write()).collect())
    }

    /// Whether a session other than these copies into one of the volumes.
    fn is_copied_into(&self, images: &BTreeMap<VolumeId, &Arc<Image>>, sessions: &[Arc<Attached>]) -> bool {
        let table = self.sessions.read();
        images.keys().any(|id| {
            let all = table.by_volume.get(id).into_iter().flatten();
            let mut others = all.filter(|other| sessions.iter().all(|session| session.pair != other.pair));
            others.any(|other| other.is_running() && other.to().id == *id)
        })
    }

    /// Ends a session's mirroring and copying at one instant. What is written from then on is marked.
    pub(super) fn stop(&self, session: &Arc<Attached>) {
        let _barrier = self.barrier(slice::from_ref(session));
        session.track();
        drop(session.busy.write());
    }
}
