//! Retention: which generations are beyond the policy, in which order they go, and what keeps one from being released now.
//!
//! Routine retention releases one generation at most, so that no loop of backups and no changed number ends a history
//! unseen. It never stops a backup: what is not released stays as a backlog, and a start that finds no other backup volume
//! takes the volume of one of it.

use super::case::{readable, unclaimed};
use super::restore;
use crate::model::codes::Code;
use crate::model::duration::people;
use crate::model::identity::VolumeId;
use crate::model::records::{Generation, GenerationState, Policy};
use crate::model::snapshot::{BackupState, Snapshot};
use crate::model::units::Version;

/// What retention does with one transaction volume.
#[derive(Debug, Default)]
pub(super) struct Retention<'a> {
    /// Released, in this order.
    pub released: Vec<&'a Generation>,
    /// Beyond the policy as well, and kept: the backlog.
    pub left: Vec<&'a Generation>,
    /// Why the first of them stays, as half a sentence.
    pub why: Option<String>,
    /// A generation older than those that the policy keeps is held.
    pub held: Option<&'a Generation>,
    /// Generations that are kept after it.
    pub kept: usize,
    /// A generation needs attention: nothing is released before that is cleared.
    pub waits_for_attention: bool,
}

/// A transaction volume with what retention looks at.
#[derive(Clone, Copy)]
pub(super) struct Rotation<'a> {
    snapshot: &'a Snapshot,
    id: VolumeId,
    policy: Policy,
    /// A generation is being recorded, which is the newest one and sound.
    recording: bool,
}

impl<'a> Rotation<'a> {
    /// What a backup does to the generations that are there.
    pub fn of_backup(snapshot: &'a Snapshot, id: VolumeId, policy: Policy) -> Self {
        Self { snapshot, id, policy, recording: true }
    }

    /// The generations as they are, without a new one.
    pub fn as_is(snapshot: &'a Snapshot, id: VolumeId, policy: Policy) -> Self {
        Self { snapshot, id, policy, recording: false }
    }

    /// Routine retention: the first generation beyond the policy, unless something keeps it.
    pub fn routine(&self) -> Retention<'a> {
        let mut beyond = self.beyond();
        let why = beyond.first().and_then(|first| self.keeps_all().or_else(|| self.keeps(first, &[])));
        let left = if beyond.is_empty() || why.is_some() { std::mem::take(&mut beyond) } else { beyond.split_off(1) };
        self.retention(beyond, left, why)
    }

    /// Everything beyond the policy, as somebody asked for by name. What is held stays, and so do as many sound generations
    /// as the floor says.
    pub fn all(&self) -> Retention<'a> {
        let (mut released, mut left): (Vec<&Generation>, Vec<&Generation>) = (Vec::new(), Vec::new());
        let mut why = self.waits_for_attention();
        for generation in self.beyond() {
            let obstacle = why.clone().or_else(|| self.keeps(generation, &released));
            if obstacle.is_none() && left.is_empty() {
                released.push(generation);
            } else {
                why = why.or(obstacle);
                left.push(generation);
            }
        }
        self.retention(released, left, why)
    }

    fn retention(
        &self,
        released: Vec<&'a Generation>,
        left: Vec<&'a Generation>,
        why: Option<String>,
    ) -> Retention<'a> {
        let counted = self.counted();
        let held = counted[..self.outside(counted.len())].iter().copied().find(|generation| generation.held.is_some());
        let kept = counted.len() + usize::from(self.recording) - released.len();
        let waits_for_attention = self.needs_attention().is_some();
        Retention { released, left, why, held, kept, waits_for_attention }
    }

    /// The generations beyond the policy, in the order in which they are released: incomplete or missing ones, those in
    /// doubt that are older than the newest sound one, then the oldest. A held one takes the place of none of them: it stays
    /// beside the policy's number.
    pub fn beyond(&self) -> Vec<&'a Generation> {
        let counted = self.counted();
        let outside = &counted[..self.outside(counted.len())];
        let number = outside.iter().filter(|generation| generation.held.is_none()).count();
        let newest_sound = self.newest_sound();
        let rank = |generation: &Generation| {
            if is_missing(self.snapshot, generation) {
                0
            } else if matches!(generation.state, GenerationState::InDoubt(_))
                && (self.recording || newest_sound.is_some_and(|newest| generation.version < newest.version))
            {
                1
            } else {
                2
            }
        };
        let mut order: Vec<&Generation> = counted.into_iter().filter(|generation| generation.held.is_none()).collect();
        order.sort_by_key(|generation| (rank(generation), generation.version));
        order.truncate(number);
        order
    }

    /// What counts for the policy, oldest first.
    fn counted(&self) -> Vec<&'a Generation> {
        let all = self.snapshot.generations_of(self.id).iter();
        all.filter(|generation| !generation.is_before_restore()).collect()
    }

    /// How many of `counted` are older than the policy's number of newest ones.
    fn outside(&self, counted: usize) -> usize {
        let newer = usize::from(self.policy.generations).saturating_sub(self.recording.into());
        counted.saturating_sub(newer)
    }

    pub fn newest_sound(&self) -> Option<&'a Generation> {
        self.snapshot.generations_of(self.id).iter().rev().find(|generation| is_sound(self.snapshot, generation))
    }

    /// What keeps every generation from being released without somebody's word.
    pub fn keeps_all(&self) -> Option<String> {
        self.waits_for_attention().or_else(|| self.too_young())
    }

    /// The first generation that needs attention: nothing is released before that is cleared.
    pub fn needs_attention(&self) -> Option<&'a Generation> {
        let needs = |kept: &&Generation| matches!(kept.state, GenerationState::NeedsAttention(_));
        self.snapshot.generations_of(self.id).iter().find(needs)
    }

    fn waits_for_attention(&self) -> Option<String> {
        self.needs_attention().map(|generation| format!("{} needs attention", generation.version))
    }

    /// The newest sound generation is younger than the policy's least time between two backups. One that cannot be read
    /// now may be sound. One that is dated in the future is of no known age.
    fn too_young(&self) -> Option<String> {
        let valid = |kept: &&Generation| kept.state == GenerationState::Valid && !kept.is_before_restore();
        let kept = self.snapshot.generations_of(self.id).iter().filter(valid);
        let ages = kept.map(|kept| (kept, self.snapshot.taken_at.since(kept.taken_at)));
        let (newest, age) = ages.filter(|(_, age)| *age >= 0).min_by_key(|(_, age)| *age)?;
        let limit = self.policy.min_interval();
        let version = newest.version;
        (age < limit)
            .then(|| format!("{version} is {} old, less than the min-interval of {}", people(age), people(limit)))
    }

    /// What keeps one generation from being released, where `before` go as well.
    pub fn keeps(&self, generation: &Generation, before: &[&Generation]) -> Option<String> {
        if restore::is_read(self.snapshot, generation) {
            return Some(format!("{} is read by a restore", generation.version));
        }
        if let Err(refusal) = unclaimed(self.snapshot, generation.backup_volume) {
            return Some(refusal.reason);
        }
        // One that is surely not sound leaves as many sound ones as there are.
        if matches!(generation.state, GenerationState::InDoubt(_)) || is_missing(self.snapshot, generation) {
            return None;
        }
        let goes =
            |version: Version| version == generation.version || before.iter().any(|gone| gone.version == version);
        let kept = self.snapshot.generations_of(self.id).iter().filter(|kept| !goes(kept.version));
        let sound = kept.filter(|kept| is_sound(self.snapshot, kept)).count() + usize::from(self.recording);
        let floor = usize::from(self.policy.floor());
        (sound < floor).then(|| format!("without {} fewer than {floor} sound generations are left", generation.version))
    }
}

/// A generation that nothing is known against, on a volume that is read. What a volume was before a restore is no backup.
pub fn is_sound(snapshot: &Snapshot, generation: &Generation) -> bool {
    let volume = generation.backup_volume;
    generation.state == GenerationState::Valid
        && !generation.is_before_restore()
        && readable(snapshot, volume.box_id).is_ok()
        && snapshot.backup_volume(volume).is_some_and(|view| {
            let held = matches!(view.state, BackupState::Generation | BackupState::SuspendedGeneration);
            held && view.problem.is_none() && view.generation == Some(generation.version)
        })
}

/// Its backup volume is gone from the site or from its array.
fn is_missing(snapshot: &Snapshot, generation: &Generation) -> bool {
    snapshot
        .backup_volume(generation.backup_volume)
        .is_none_or(|view| view.problem.as_ref().is_some_and(|problem| problem.code == Code::VOLUME_MISSING))
}

/// The generations of a transaction volume that its policy does not keep and that are not held, in the order in which they
/// are released.
pub fn backlog(snapshot: &Snapshot, id: VolumeId) -> Vec<Version> {
    let policy = snapshot.transaction_volume(id).and_then(|view| view.volume.policy);
    let beyond = policy.map_or_else(Vec::new, |policy| Rotation::as_is(snapshot, id, policy).beyond());
    beyond.into_iter().map(|generation| generation.version).collect()
}

/// `v1`, `v1 and v2`, `v1, v2 and 7 more`.
pub fn versions(list: &[Version]) -> String {
    match list {
        [] => String::new(),
        [one] => one.to_string(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, more @ ..] => format!("{one}, {two} and {} more", more.len()),
    }
}
