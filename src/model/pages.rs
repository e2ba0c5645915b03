//! Pages of a snapshot for who prints a site without holding all of it, and the first rows for who shows it.

use super::identity::VolumeId;
use super::snapshot::{BackupVolumeView, Due, Snapshot, TransactionVolumeView};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Rows of a page: some 200 KB as a document, with what the rows refer to.
pub const PAGE_ROWS: usize = 256;

/// A list of a site that is read page by page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PageList {
    TransactionVolumes,
    Pool,
    Sessions,
    Restores,
    Sets,
    Operations,
}

/// Some rows of one list, with the rows of other lists that they refer to: enough to print them, and nothing else. Whoever
/// counts or compares in it sees a page, not the site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    pub part: Box<Snapshot>,
    /// Where the next page of the list begins; `None`: this is the last one.
    pub next: Option<usize>,
}

/// The transaction volumes that a screen shows first, while the rest of a large site is still on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirstRows {
    pub part: Box<Snapshot>,
    /// How many transaction volumes the site has.
    pub volumes: usize,
}

/// How much a volume needs somebody: the order of a table with trouble first.
pub fn trouble_rank(view: &TransactionVolumeView) -> (bool, bool, bool) {
    (view.state.is_trouble(), view.problem.is_some(), matches!(view.due, Due::Overdue(_)))
}

impl Snapshot {
    /// The same moment without any row. The site and its arrays are whole.
    #[must_use]
    pub fn without_rows(&self) -> Self {
        Self {
            sequence: self.sequence,
            taken_at: self.taken_at,
            moment: self.moment,
            mark: self.mark,
            site: self.site.clone(),
            arrays: self.arrays.clone(),
            catalogue: self.catalogue.clone(),
            notify: self.notify.clone(),
            not_copied: self.not_copied.clone(),
            acknowledged: self.acknowledged.clone(),
            maintenance: self.maintenance.clone(),
            take_overs: self.take_overs.clone(),
            transaction_volumes: Vec::new().into(),
            pool: Vec::new().into(),
            sessions: Vec::new().into(),
            generations: Vec::new().into(),
            released: Vec::new().into(),
            operations: Vec::new(),
            unregistered: Vec::new().into(),
            events: Vec::new(),
            map_sets: Vec::new().into(),
            map_uses: Vec::new().into(),
            volume_sets: Vec::new().into(),
            restores: Vec::new(),
        }
    }

    /// The page of a list that begins at a row.
    pub fn page(&self, list: PageList, from: usize) -> Page {
        let count = match list {
            PageList::TransactionVolumes => self.transaction_volumes.len(),
            PageList::Pool => self.pool.len(),
            PageList::Sessions => self.sessions.len(),
            PageList::Restores => self.restores.len(),
            PageList::Sets => self.volume_sets.len(),
            PageList::Operations => self.operations.len(),
        };
        let rows = from.min(count)..from.saturating_add(PAGE_ROWS).min(count);
        let next = (rows.end < count).then_some(rows.end);
        let mut part = self.without_rows();
        match list {
            PageList::TransactionVolumes => {
                part.transaction_volumes = self.transaction_volumes[rows].to_vec().into();
                let ids = part.transaction_volumes.iter().map(|view| view.volume.id);
                let kept: Vec<_> = ids.flat_map(|id| self.generations_of(id)).cloned().collect();
                let volumes: BTreeSet<VolumeId> = kept.iter().map(|generation| generation.backup_volume).collect();
                (part.pool, part.generations) = (self.backup_rows(&volumes).into(), kept.into());
            }
            PageList::Pool => {
                let pool = &self.pool[rows];
                let owners = pool.iter().filter_map(|view| view.transaction_volume).collect();
                (part.transaction_volumes, part.pool) = (self.transaction_rows(&owners).into(), pool.to_vec().into());
            }
            PageList::Sessions => {
                let sessions = &self.sessions[rows];
                let ends = sessions.iter().flat_map(|session| [session.pair.source, session.pair.target]);
                self.name(&mut part, &ends.collect());
                part.sessions = sessions.to_vec().into();
            }
            PageList::Restores => {
                let restores = &self.restores[rows];
                let named = restores.iter().flat_map(|restore| {
                    [restore.target, restore.source].into_iter().chain(restore.generation.map(|(volume, _)| volume))
                });
                self.name(&mut part, &named.collect());
                part.restores = restores.to_vec();
            }
            PageList::Sets => {
                let sets = &self.volume_sets[rows];
                let members = sets.iter().flat_map(|set| set.members.iter().copied());
                self.name(&mut part, &members.collect());
                part.volume_sets = sets.to_vec().into();
            }
            PageList::Operations => {
                let operations = &self.operations[rows];
                self.name(&mut part, &operations.iter().map(|operation| operation.volume).collect());
                part.operations = operations.to_vec();
            }
        }
        Page { part: Box::new(part), next }
    }

    /// So many transaction volumes, those in trouble first and then by name, each with its sessions, its generations and
    /// their backup volumes.
    pub fn first_rows(&self, most: usize) -> FirstRows {
        let views = &self.transaction_volumes;
        let key = |index: &u32| {
            let view = &views[*index as usize];
            (Reverse(trouble_rank(view)), view.volume.name.as_str())
        };
        let mut order: Vec<u32> = (0..views.len()).map(|index| index as u32).collect();
        if most < order.len() {
            order.select_nth_unstable_by(most, |a, b| key(a).cmp(&key(b)));
            order.truncate(most);
        }
        // Lists of a snapshot are sorted by identity, which is the order of their indexes.
        order.sort_unstable();
        let rows: Vec<_> = order.iter().map(|index| views[*index as usize].clone()).collect();
        let ids = || rows.iter().map(|view| view.volume.id);
        let sessions: Vec<_> = ids().flat_map(|id| self.sessions_of(id)).cloned().collect();
        let kept: Vec<_> = ids().flat_map(|id| self.generations_of(id)).cloned().collect();
        let targets = sessions.iter().map(|session| session.pair.target);
        let near = targets.chain(kept.iter().map(|generation| generation.backup_volume)).collect();
        let part = Self {
            pool: self.backup_rows(&near).into(),
            transaction_volumes: rows.into(),
            sessions: sessions.into(),
            generations: kept.into(),
            ..self.without_rows()
        };
        FirstRows { part: Box::new(part), volumes: views.len() }
    }

    /// Puts the rows of these volumes into a part, so that it has names for them.
    fn name(&self, part: &mut Self, volumes: &BTreeSet<VolumeId>) {
        part.transaction_volumes = self.transaction_rows(volumes).into();
        // Without a name of its own a volume is called by its place, which the arrays tell.
        let named = volumes.iter().filter_map(|id| self.backup_volume(*id)).filter(|view| view.volume.name.is_some());
        part.pool = named.cloned().collect();
    }

    fn transaction_rows(&self, volumes: &BTreeSet<VolumeId>) -> Vec<TransactionVolumeView> {
        volumes.iter().filter_map(|id| self.transaction_volume(*id)).cloned().collect()
    }

    fn backup_rows(&self, volumes: &BTreeSet<VolumeId>) -> Vec<BackupVolumeView> {
        volumes.iter().filter_map(|id| self.backup_volume(*id)).cloned().collect()
    }
}
