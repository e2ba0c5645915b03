//! Several changes of the site in one plan: each is judged as if those before it were done, and all of them run or none.

use super::case::Case;
use super::register::{NameIndex, register_new, rename};
use super::registry::{policy_item, pool_sizes, role_of};
use super::{Confirmation, PlanItem, PlanStep, Refusal, maps, volume_sets};
use crate::model::codes::Code;
use crate::model::entity::{BackupVolume, Policy, TransactionVolume};
use crate::model::identity::{Name, VolumeId};
use crate::model::map_set::MapSet;
use crate::model::pool::PoolKey;
use crate::model::request::{Request, VolumeRole};
use crate::model::rows::Rows;
use crate::model::site_change::{NewGroup, NewVolume, SiteChange};
use crate::model::snapshot::{
    BackupState, BackupVolumeView, Due, Ready, Snapshot, TransactionState, TransactionVolumeView,
};
use crate::model::step::{ChangeSiteStep, Notice, RegisterBackupStep, RegisterTransactionStep};
use crate::model::units::{count, listed};
use crate::model::volume_set::VolumeSet;
use std::collections::{BTreeMap, BTreeSet};

type Answer = Result<PlanItem, Refusal>;

/// Notices of one code that a plan has at most, and names in one sentence.
const NAMED: usize = 5;

/// Registers these volumes, all of them or none.
pub(super) fn register_all(snapshot: &Snapshot, request: &Request, volumes: &[NewVolume]) -> Vec<Answer> {
    Planned::new(snapshot, request).all(&SiteChange { volumes: volumes.to_vec(), ..SiteChange::default() })
}

/// Makes all of a site change. The answers are one item, or every refusal.
pub(super) fn apply(snapshot: &Snapshot, request: &Request, change: &SiteChange) -> Vec<Answer> {
    Planned::new(snapshot, request).all(change)
}

/// What has been planned so far.
struct Planned<'a> {
    snapshot: &'a Snapshot,
    request: &'a Request,
    /// The site as it will be.
    after: Snapshot,
    names: NameIndex,
    steps: Vec<PlanStep>,
    claims: Vec<VolumeId>,
    notices: BTreeMap<Code, Vec<String>>,
    /// What must be confirmed: volume and sentence.
    confirmations: Vec<Confirmation>,
    refused: Vec<Refusal>,
}

impl<'a> Planned<'a> {
    fn new(snapshot: &'a Snapshot, request: &'a Request) -> Self {
        Self {
            snapshot,
            request,
            after: snapshot.clone(),
            names: NameIndex::of(snapshot),
            steps: Vec::new(),
            claims: Vec::new(),
            notices: BTreeMap::new(),
            confirmations: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn all(mut self, change: &SiteChange) -> Vec<Answer> {
        if change.len() > SiteChange::MAX_CHANGES {
            let most = SiteChange::MAX_CHANGES;
            let reason = format!("{} changes at once; at most {most} are made together", change.len());
            return vec![Err(Refusal::new(Code::SITE_FILE_WRONG, reason))];
        }
        self.rename(&change.names);
        self.register(&change.volumes);
        self.set_policies(&change.policies);
        for map in &change.maps {
            self.store(&map.set, map.before.as_deref());
        }
        for set in &change.sets {
            self.extend_set(set);
        }
        self.item()
    }

    fn item(mut self) -> Vec<Answer> {
        if !self.refused.is_empty() {
            return self.refused.into_iter().map(Err).collect();
        }
        self.claims.sort_unstable();
        let Some(&first) = self.claims.first() else {
            let reason = "the site is like this already: there is nothing to change";
            return vec![Err(Refusal::new(Code::ALREADY_SO, reason))];
        };
        self.warn_of_pool();
        let step = PlanStep::ChangeSite(ChangeSiteStep { parts: self.steps });
        let mut item = PlanItem::new(self.request.action.verb(), first, vec![step], self.claims);
        item.confirmation = confirmation(self.snapshot, self.confirmations);
        for (code, texts) in self.notices {
            let more = texts.len().saturating_sub(NAMED);
            item.notices.extend(texts.into_iter().take(NAMED).map(|text| Notice::new(code, text)));
            if more > 0 {
                item.notice(code, format!("and {more} more like this"));
            }
        }
        vec![Ok(item)]
    }

    /// Takes an answer in. With `ensure`, what is so already is left out.
    fn take(&mut self, answer: Answer) -> bool {
        match answer {
            Ok(item) => {
                self.claims.extend(item.claims);
                self.steps.extend(item.steps);
                self.confirmations.extend(item.confirmation);
                for notice in item.notices {
                    self.notices.entry(notice.code).or_default().push(notice.text);
                }
                true
            }
            Err(refusal) if refusal.code == Code::ALREADY_SO => false,
            Err(refusal) => {
                self.refused.push(refusal);
                false
            }
        }
    }

    fn rename(&mut self, names: &[(VolumeId, Name)]) {
        for (id, name) in names {
            let before: Option<Name> = self.after.label(*id).parse().ok();
            let planned = rename(&self.after, self.request, *id, name, &self.names);
            if !self.take(planned) {
                continue;
            }
            match before {
                Some(before) => self.names.rename(*id, &before, name.clone()),
                None => self.names.add(*id, name.clone()),
            }
            if let Ok(at) = self.after.transaction_volumes.binary_search_by_key(id, |view| view.volume.id) {
                self.after.transaction_volumes[at].volume.name = name.clone();
            }
            if let Ok(at) = self.after.pool.binary_search_by_key(id, |view| view.volume.id) {
                self.after.pool[at].volume.name = Some(name.clone());
            }
        }
    }

    fn register(&mut self, volumes: &[NewVolume]) {
        let (mut transaction, mut backup) = (Vec::new(), Vec::new());
        let (mut seen, mut disks) = (BTreeSet::new(), BTreeSet::new());
        for new in volumes {
            if !seen.insert(new.volume) {
                let reason = format!("{} is named twice", self.snapshot.location(new.volume));
                self.refused.push(Refusal::new(Code::ALREADY_REGISTERED, reason).about(new.volume));
                continue;
            }
            if self.request.ensure && is_registered(self.snapshot, new) {
                continue;
            }
            if let Some(disk) = new.group.as_ref().and_then(NewGroup::disk)
                && !disks.insert(disk)
            {
                let reason = format!("the disk {disk} is named for another volume of this request too");
                self.refused.push(Refusal::new(Code::ALREADY_REGISTERED, reason).about(new.volume));
                continue;
            }
            match register_new(self.snapshot, self.request, new, &self.names) {
                Ok(item) => {
                    match item.steps.first() {
                        Some(PlanStep::RegisterTransaction(RegisterTransactionStep { volume })) => {
                            self.names.add(volume.id, volume.name.clone());
                            transaction.push(new_transaction_volume(volume));
                        }
                        Some(PlanStep::RegisterBackup(RegisterBackupStep { volume })) => {
                            if let Some(name) = &volume.name {
                                self.names.add(volume.id, name.clone());
                            }
                            backup.push(volume.clone());
                        }
                        _ => {}
                    }
                    self.take(Ok(item));
                }
                Err(refusal) => self.refused.push(refusal),
            }
        }
        let foreign: BTreeSet<VolumeId> =
            self.snapshot.sessions.iter().filter(|session| !session.ours).map(|session| session.pair.target).collect();
        let backup = backup.iter().map(|volume| new_backup_volume(volume, foreign.contains(&volume.id)));
        let id = |view: &BackupVolumeView| view.volume.id;
        self.after.pool = merged(&self.after.pool, backup.collect(), id);
        let id = |view: &TransactionVolumeView| view.volume.id;
        self.after.transaction_volumes = merged(&self.after.transaction_volumes, transaction, id);
    }

    fn set_policies(&mut self, policies: &[(VolumeId, Policy)]) {
        let mut set: BTreeMap<VolumeId, Policy> = BTreeMap::new();
        for &(id, policy) in policies {
            let answer = Case::new(&self.after, self.request, id).and_then(|case| policy_item(&case, policy));
            if set.insert(id, policy).is_some() {
                let reason = format!("the policy of {} is given twice", self.after.label(id));
                self.refused.push(Refusal::new(Code::POLICY_OUT_OF_RANGE, reason).about(id));
                continue;
            }
            self.take(answer);
        }
        if set.is_empty() {
            return;
        }
        for view in &mut *self.after.transaction_volumes {
            if let Some(policy) = set.get(&view.volume.id) {
                view.volume.policy = Some(*policy);
            }
        }
    }

    fn store(&mut self, set: &MapSet, before: Option<&str>) {
        let stored = maps::store(&self.after, self.request, set, before);
        if !self.take(stored) {
            return;
        }
        match self.after.map_sets.binary_search_by(|known| known.name.cmp(&set.name)) {
            Ok(at) => self.after.map_sets[at] = set.clone(),
            Err(at) => self.after.map_sets.insert(at, set.clone()),
        }
    }

    fn extend_set(&mut self, set: &VolumeSet) {
        let mut added = true;
        for answer in volume_sets::add(&self.after, self.request, &set.name, &set.members) {
            added &= self.take(answer);
        }
        if !added {
            return;
        }
        match self.after.volume_sets.binary_search_by(|known| known.name.cmp(&set.name)) {
            Ok(at) => self.after.volume_sets[at] = self.after.volume_sets[at].with(&set.members),
            Err(at) => self.after.volume_sets.insert(at, VolumeSet::new(set.name.clone(), set.members.clone())),
        }
    }

    /// How many backup volumes of which size are missing afterwards, where this changes something about it.
    fn warn_of_pool(&mut self) {
        let before = pool_sizes(self.snapshot);
        for (key, size) in pool_sizes(&self.after) {
            let was = before.get(&key).copied().unwrap_or_default();
            let changed = (size.total, size.needed) != (was.total, was.needed);
            if changed && size.total < size.needed {
                let text = short_of(&key, size.needed, size.total);
                self.notices.entry(Code::POOL_TOO_SMALL_FOR_POLICY).or_default().push(text);
            }
        }
    }
}

fn short_of(key: &PoolKey, needed: usize, have: usize) -> String {
    let missing = count(needed - have, "backup volume", "backup volumes");
    format!("{missing} of {key} missing: the policies of all volumes of this size need {needed}, the pool has {have}")
}

/// One confirmation for all: of one volume its name, of several the site's.
fn confirmation(snapshot: &Snapshot, mut all: Vec<Confirmation>) -> Option<Confirmation> {
    if all.len() < 2 {
        return all.pop();
    }
    let names = listed(all.iter().map(|one| one.name.clone()), NAMED);
    let what = format!(
        "where no backup volume is free, a start ends the oldest generation of {names} before the new backup exists"
    );
    Some(Confirmation::new(snapshot.site.name.as_str(), what))
}

/// Whether a volume is registered as it is to be.
fn is_registered(snapshot: &Snapshot, new: &NewVolume) -> bool {
    let called = || match new.role {
        VolumeRole::Transaction => snapshot.transaction_volume(new.volume).map(|view| &view.volume.name),
        VolumeRole::Backup => snapshot.backup_volume(new.volume).and_then(|view| view.volume.name.as_ref()),
    };
    let group = || match new.role {
        VolumeRole::Transaction => {
            snapshot.transaction_volume(new.volume)?.volume.group.as_ref().map(|group| group.place())
        }
        VolumeRole::Backup => snapshot.backup_volume(new.volume)?.volume.group.as_ref().map(|group| group.place()),
    };
    if new.group.as_ref().is_some_and(|wanted| group() != Some(wanted.place())) {
        return false;
    }
    role_of(snapshot, new.volume) == Some(new.role) && new.name.as_ref().is_none_or(|name| called() == Some(name))
}

fn new_transaction_volume(volume: &TransactionVolume) -> TransactionVolumeView {
    TransactionVolumeView {
        volume: volume.clone(),
        state: TransactionState::None,
        kept: 0,
        last_backup: None,
        due: Due::NoPolicy,
        window: None,
        ready: Ready::Never,
        claimed: None,
        problem: None,
    }
}

fn new_backup_volume(volume: &BackupVolume, foreign: bool) -> BackupVolumeView {
    BackupVolumeView {
        volume: volume.clone(),
        state: if foreign { BackupState::Foreign } else { BackupState::Unused },
        transaction_volume: None,
        generation: None,
        claimed: None,
        problem: None,
        session_unread: false,
        session_gone: None,
        group_state: None,
    }
}

/// Rows with new ones between them, in their order.
fn merged<T: Clone>(known: &Rows<T>, new: Vec<T>, id: impl Fn(&T) -> VolumeId) -> Rows<T> {
    if new.is_empty() {
        return known.clone();
    }
    let mut all: Vec<T> = known.iter().cloned().chain(new).collect();
    all.sort_by_key(id);
    all.into()
}
