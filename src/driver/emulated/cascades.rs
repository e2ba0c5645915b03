//! Cascades: a live copy into the source of another live one. Two hops at most, and the second one waits for the first.

use super::codes::ArrayCode;
use super::core::Core;
use super::sessions::{Session, SessionKey};
use crate::model::identity::VolumeId;
use crate::model::session::{CopyKind, Pair, Phase, Status};
use std::collections::BTreeSet;

/// Live copies one behind the other, as documented.
const MAX_HOPS: usize = 2;

impl Core {
    /// Whether a pair, which is the session `known` already, may copy beside the live sessions that there are.
    pub(super) fn may_cascade(&self, pair: &Pair, known: Option<SessionKey>) -> Result<(), ArrayCode> {
        let (from, to) = match known.and_then(|key| self.sessions.get(&key)) {
            Some(session) => session.flow(),
            None => (pair.source, pair.target),
        };
        let live = || self.sessions.values().filter(|session| Some(session.key) != known && session.is_live());
        if !self.is_documented(pair.source.box_id) {
            let feeds = |session: &Session| {
                let (other_from, other_to) = session.flow();
                other_to == from || other_from == to || other_to == to
            };
            let code = if pair.kind == CopyKind::Opc { ArrayCode::SourceOverlaps } else { ArrayCode::Cascade };
            return if live().any(feeds) { Err(code) } else { Ok(()) };
        }
        if live().any(|session| session.flow().1 == to) {
            return Err(ArrayCode::TargetOverlaps);
        }
        let (mut above, mut beginning) = (0, from);
        while let Some(session) = live().find(|session| session.flow().1 == beginning) {
            if pair.kind == CopyKind::Opc && session.pair.kind == CopyKind::Opc && above == 0 {
                // What it would copy is not all on its source yet.
                return Err(ArrayCode::CopyAtWork);
            }
            (above, beginning) = (above + 1, session.flow().0);
            if beginning == to {
                return Err(ArrayCode::CascadeCircle);
            }
            if above > MAX_HOPS {
                break;
            }
        }
        let fed = |volume: VolumeId| live().filter(move |session| session.flow().0 == volume);
        let below = match fed(to).next() {
            None => 0,
            Some(_) if fed(to).any(|session| fed(session.flow().1).next().is_some()) => 2,
            Some(_) => 1,
        };
        if above + 1 + below > MAX_HOPS { Err(ArrayCode::TooManyHops) } else { Ok(()) }
    }

    /// Volumes that live sessions copy into, or will: nothing that copies from them is equivalent.
    pub(super) fn copied_into(&self) -> BTreeSet<VolumeId> {
        self.sessions.values().filter(|session| copies(session)).map(|session| session.flow().1).collect()
    }

    /// Whether an EC or a REC waits for the copy into its source.
    pub(super) fn waits(&self, session: &Session) -> bool {
        let from = session.flow().0;
        session.pair.kind != CopyKind::Opc
            && self.sessions.values().any(|other| copies(other) && other.flow().1 == from)
    }

    /// Sessions that were equivalent copy again once something copies into their source.
    pub(super) fn hold_back(&mut self) {
        let equivalent = |session: &Session| session.status == Status::Active && session.phase == Phase::Equivalent;
        if !self.sessions.values().any(copies) {
            return;
        }
        let copied_into = self.copied_into();
        for session in self.sessions.values_mut() {
            if equivalent(session) && copied_into.contains(&session.flow().0) {
                session.begin_copy();
                session.held = true;
                self.pending_events.insert(session.key);
            }
        }
    }

    /// Sessions that had nothing left to copy when they had to wait, and need not wait any more.
    pub(super) fn let_go(&self) -> Vec<Pair> {
        let held = self.sessions.values().filter(|session| session.held && session.is_copying());
        held.filter(|session| !self.waits(session)).map(|session| session.pair).collect()
    }
}

/// Its destination is not whole, and it is to become so. What is suspended or in error holds up nobody.
fn copies(session: &Session) -> bool {
    session.is_live() && session.phase != Phase::Equivalent
}
