//! The catalogue in memory, for the simulator and the tests: the same rules, and switches that make a commit fail.

use crate::catalog::{Catalogue, CatalogueError, EventRange, Generations, HistoryQuery, Outside, keeps_no_copies};
use crate::model::audit::{AuditReport, ComparedRows, WantedHeads};
use crate::model::catalogue_copy::{CatalogueCopies, CatalogueCopy};
use crate::model::chain::{ChainLink, ChainVerifier, chain};
use crate::model::event::{ChainHash, ChainHead, Event, NewEvent};
use crate::model::fingerprint::VolumeLeaves;
use crate::model::identity::VolumeId;
use crate::model::records::{Change, EntityChange, Generation, OperationEnd, OperationId, PastGeneration, Records};
use crate::model::units::Version;
use crate::model::untrusted::Untrusted;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How a commit is made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFailure {
    /// The disk is full: nothing is kept.
    Full,
    /// The line is lost at COMMIT, and everything was kept.
    UnknownKept,
    /// The line is lost at COMMIT, and nothing was kept.
    UnknownLost,
}

/// A catalogue whose clones share one store, as processes that come and go share one disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryCatalogue {
    store: Arc<Mutex<Store>>,
}

#[derive(Debug, Clone, Default)]
struct Store {
    records: Records,
    generations: BTreeMap<(VolumeId, Version), PastGeneration>,
    ends: BTreeMap<OperationId, OperationEnd>,
    reasons: BTreeMap<OperationId, Untrusted>,
    leaves: BTreeMap<VolumeId, VolumeLeaves>,
    events: Vec<Event>,
    texts: Vec<String>,
    commits: u64,
    failures: BTreeMap<u64, CommitFailure>,
}

const PLACE: &str = "in memory";

impl MemoryCatalogue {
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the `nth` commit from now on fail; the next one is the first.
    pub fn fail_commit(&self, nth: u64, how: CommitFailure) {
        let mut store = self.store();
        let number = store.commits + nth;
        store.failures.insert(number, how);
    }

    /// A catalogue with the same contents and a store of its own: what is committed to one is not in the other.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { store: Arc::new(Mutex::new(self.store().clone())) }
    }

    /// How many commits were asked for, failed ones included.
    pub fn commits(&self) -> u64 {
        self.store().commits
    }

    /// What `load` gives, without a future.
    pub fn records(&self) -> Records {
        self.store().records.clone()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic elsewhere leaves whole commits behind: every one is made on a copy first.
        self.store.lock()
    }
}

impl Store {
    fn head(&self) -> ChainHead {
        self.events.last().map_or_else(
            || ChainHead { sequence: 0, hash: ChainHash::start() },
            |event| ChainHead { sequence: event.sequence, hash: event.hash.clone() },
        )
    }

    fn commit(&mut self, changes: &[Change], events: Vec<NewEvent>) -> Result<Vec<Event>, CatalogueError> {
        self.commits += 1;
        let failure = self.failures.remove(&self.commits);
        match failure {
            Some(CommitFailure::Full) => {
                return Err(CatalogueError::Full { place: PLACE.into(), detail: "made to fail".into() });
            }
            Some(CommitFailure::UnknownLost) => return Err(lost_at_commit()),
            Some(CommitFailure::UnknownKept) | None => {}
        }
        let chained = chain(&self.head(), events).map_err(|error| CatalogueError::unfit(&error))?;
        self.records.apply_all(changes)?;
        for change in changes {
            self.remember(change);
        }
        let mut kept = Vec::with_capacity(chained.len());
        for event in chained {
            self.texts.push(event.text);
            kept.push(event.event);
        }
        self.events.extend(kept.iter().cloned());
        if failure.is_some() { Err(lost_at_commit()) } else { Ok(kept) }
    }

    /// Keeps what history tells of a change that was made.
    fn remember(&mut self, change: &Change) {
        if let Change::Entity(entity) = change
            && let Some(past) = entity.altered_generation().and_then(|key| self.generations.get_mut(&key))
        {
            entity.alter(&mut past.generation);
        }
        match change {
            Change::Entity(EntityChange::AddGeneration(generation)) => {
                let key = (generation.transaction_volume, generation.version);
                let past = PastGeneration { generation: generation.clone(), released: None, reason: None };
                self.generations.insert(key, past);
            }
            Change::Entity(EntityChange::ReleaseGeneration { transaction_volume, version, at, why }) => {
                if let Some(past) = self.generations.get_mut(&(*transaction_volume, *version)) {
                    past.released = Some((*at, *why));
                }
            }
            Change::Entity(EntityChange::ReinstateGeneration { transaction_volume, version, state, held }) => {
                if let Some(past) = self.generations.get_mut(&(*transaction_volume, *version)) {
                    past.released = None;
                    (past.generation.state, past.generation.held) = (state.clone(), Some(held.clone()));
                }
            }
            Change::Entity(EntityChange::KeepFingerprint { leaves: Some(leaves), .. }) => {
                self.leaves.insert(leaves.backup_volume, (**leaves).clone());
            }
            Change::Entity(EntityChange::RemoveBackupVolume { id }) => {
                self.leaves.remove(id);
            }
            Change::Open { operation, .. } => {
                self.reasons.extend(operation.reason.clone().map(|reason| (operation.id, reason)));
            }
            Change::Close { operation, end, .. } => {
                self.ends.insert(*operation, end.clone());
            }
            _ => {}
        }
    }

    fn range(&self, range: EventRange) -> std::ops::Range<usize> {
        let count = self.events.len();
        match range {
            EventRange::Newest(most) => count.saturating_sub(most as usize)..count,
            EventRange::From { sequence, most } => {
                let first = usize::try_from(sequence.max(1) - 1).unwrap_or(usize::MAX).min(count);
                first..first.saturating_add(most as usize).min(count)
            }
        }
    }

    fn history(&self, query: HistoryQuery) -> Vec<PastGeneration> {
        let wanted = |past: &&PastGeneration| match query.of {
            Generations::All => true,
            Generations::OfTransactionVolume(volume) => volume == past.generation.transaction_volume,
            Generations::OnBackupVolume(volume) => volume == past.generation.backup_volume,
        };
        let told = |past: &PastGeneration| {
            let reason = past.generation.operation.and_then(|id| self.reasons.get(&id)).cloned();
            PastGeneration { reason, ..past.clone() }
        };
        let one_volume = matches!(query.of, Generations::OfTransactionVolume(_));
        let mut found: Vec<_> = self.generations.values().filter(wanted).map(told).collect();
        found.sort_by(|a, b| newest_first(one_volume, &a.generation, &b.generation));
        found.truncate(query.most as usize);
        found
    }
}

fn lost_at_commit() -> CatalogueError {
    CatalogueError::OutcomeUnknown { place: PLACE.into(), detail: "made to fail".into() }
}

/// The answer is there at once: no executor is needed.
fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Catalogue for MemoryCatalogue {
    fn load(&self) -> BoxFuture<'_, Result<Records, CatalogueError>> {
        ready(Ok(self.records()))
    }

    fn commit(&self, changes: Vec<Change>, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>> {
        // Nothing happens before the future is awaited, as with the other catalogues.
        Box::pin(async move { self.store().commit(&changes, events) })
    }

    fn events(&self, range: EventRange) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>> {
        let store = self.store();
        ready(Ok(store.events[store.range(range)].to_vec()))
    }

    fn links(&self, range: EventRange) -> BoxFuture<'_, Result<Vec<ChainLink>, CatalogueError>> {
        let store = self.store();
        let wanted = store.range(range);
        let pairs = store.events[wanted.clone()].iter().zip(&store.texts[wanted]);
        let links = pairs
            .map(|(event, text)| ChainLink { sequence: event.sequence, text: text.clone(), hash: event.hash.clone() })
            .collect();
        ready(Ok(links))
    }

    fn head(&self) -> BoxFuture<'_, Result<ChainHead, CatalogueError>> {
        ready(Ok(self.store().head()))
    }

    fn history(&self, query: HistoryQuery) -> BoxFuture<'_, Result<Vec<PastGeneration>, CatalogueError>> {
        ready(Ok(self.store().history(query)))
    }

    fn operation_end(&self, id: OperationId) -> BoxFuture<'_, Result<Option<OperationEnd>, CatalogueError>> {
        ready(Ok(self.store().ends.get(&id).cloned()))
    }

    /// It has no tables: the chain is checked, and the heads.
    fn verify(&self, outside: Outside) -> BoxFuture<'_, Result<AuditReport, CatalogueError>> {
        Box::pin(async move {
            let links = self.links(EventRange::From { sequence: 1, most: u32::MAX }).await?;
            let mut verifier = ChainVerifier::new(&outside.anchors);
            let mut wanted = WantedHeads::new(&outside.heads);
            for link in &links {
                verifier.take(link);
                wanted.found(&link.hash);
            }
            Ok(AuditReport::of_catalogue(verifier.finish(), wanted, ComparedRows::default()))
        })
    }

    fn leaves(&self, backup_volume: VolumeId) -> BoxFuture<'_, Result<Option<VolumeLeaves>, CatalogueError>> {
        ready(Ok(self.store().leaves.get(&backup_volume).cloned()))
    }

    fn check(&self) -> BoxFuture<'_, Result<(), CatalogueError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn copy_to(&self, file: PathBuf) -> BoxFuture<'_, Result<ChainHead, CatalogueError>> {
        let (place, detail) = (file.display().to_string(), "this catalogue cannot be copied".to_owned());
        Box::pin(std::future::ready(Err(CatalogueError::NotCopied { place, detail })))
    }

    fn save_copy(&self) -> BoxFuture<'_, Result<CatalogueCopy, CatalogueError>> {
        keeps_no_copies()
    }

    fn copy_failed(&self) -> Option<String> {
        None
    }

    fn copies(&self) -> std::io::Result<CatalogueCopies> {
        Ok(CatalogueCopies::default())
    }
}

/// The order of history. Within one volume the version tells what is newer, whatever a clock did.
fn newest_first(one_volume: bool, a: &Generation, b: &Generation) -> Ordering {
    let by_version = || b.version.cmp(&a.version);
    if one_volume {
        return by_version();
    }
    // By the number of the operation that made them: clocks may be stepped. What no operation made is older than all.
    let made = b.operation.cmp(&a.operation).then_with(|| b.taken_at.cmp(&a.taken_at));
    made.then_with(|| a.transaction_volume.cmp(&b.transaction_volume)).then_with(by_version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::EventKind;
    use crate::model::units::Timestamp;

    fn known() -> Change {
        let box_id = "00ETERNUSDXL##ET08E21A####LN4310901078##".parse().unwrap();
        Change::Entity(EntityChange::KnowArray { name: "DX1".parse().unwrap(), box_id })
    }

    fn started() -> NewEvent {
        NewEvent::by_engine(Timestamp(1), EventKind::EngineStarted { version: "0".into() })
    }

    fn commit(catalogue: &MemoryCatalogue) -> Result<Vec<Event>, CatalogueError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(catalogue.commit(vec![known()], vec![started()]))
    }

    #[test]
    fn a_commit_that_is_full_keeps_nothing() {
        let catalogue = MemoryCatalogue::new();
        catalogue.fail_commit(1, CommitFailure::Full);
        assert!(matches!(commit(&catalogue), Err(CatalogueError::Full { .. })));
        assert_eq!(catalogue.records(), Records::default());
        assert_eq!(commit(&catalogue).unwrap()[0].sequence, 1);
    }

    #[test]
    fn a_commit_of_unknown_outcome_keeps_all_or_nothing() {
        for (how, kept) in [(CommitFailure::UnknownKept, 1), (CommitFailure::UnknownLost, 0)] {
            let catalogue = MemoryCatalogue::new();
            catalogue.fail_commit(1, how);
            assert!(matches!(commit(&catalogue), Err(CatalogueError::OutcomeUnknown { .. })));
            assert_eq!(catalogue.records().arrays.len(), kept);
            assert_eq!(catalogue.store().events.len(), kept);
        }
    }
}
