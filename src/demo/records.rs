//! The demonstration site's catalogue: what would be in it had the site run for some weeks, marked as provisioned.

use super::declaration::{Declaration, Kept, Transaction};
use super::groups;
use crate::model::event::{EventKind, NewEvent};
use crate::model::identity::VolumeId;
use crate::model::records::{
    BackupMode, BackupVolume, Change, EntityChange, Generation, GenerationState, OurSession, TransactionVolume,
};
use crate::model::request::VolumeRole;
use crate::model::session::Pair;
use crate::model::units::{Blocks, Timestamp, Version};
use crate::model::untrusted::Untrusted;
use jiff::ToSpan;

/// How long ago the site's volumes were registered: an interval of one day and no backup is overdue by a day.
const REGISTERED_DAYS_AGO: i64 = 2;

/// What the catalogue begins with, and the events that tell of it.
pub fn of(declaration: &Declaration, now: Timestamp) -> (Vec<Change>, Vec<NewEvent>) {
    let mut made = Made { changes: Vec::new(), events: Vec::new(), now };
    let last_backup = last_time_at(declaration.backup_hour, now);
    for array in &declaration.arrays {
        made.changes.push(Change::Entity(EntityChange::KnowArray { name: array.name.clone(), box_id: array.box_id }));
    }
    for (id, blocks) in &declaration.pool {
        made.backup_volume(declaration, *id, *blocks);
    }
    for volume in &declaration.transaction_volumes {
        made.transaction_volume(declaration, volume, last_backup);
    }
    if let Some(set) = groups::map_set(declaration) {
        made.event(EventKind::MapStored {
            map: set.name.clone(),
            rounds: set.rounds.iter().map(|round| round.name.clone()).collect(),
            pairs: set.rounds.iter().map(|round| round.rows.len()).sum(),
            edited: false,
        });
        made.changes.push(Change::Entity(EntityChange::PutMapSet(set)));
    }
    (made.changes, made.events)
}

struct Made {
    changes: Vec<Change>,
    events: Vec<NewEvent>,
    now: Timestamp,
}

impl Made {
    fn event(&mut self, kind: EventKind) {
        self.events.push(NewEvent::by_engine(self.now, kind));
    }

    fn registered_at(&self) -> Timestamp {
        self.now.plus_millis(-REGISTERED_DAYS_AGO * Timestamp::DAY)
    }

    fn backup_volume(&mut self, declaration: &Declaration, id: VolumeId, blocks: Blocks) {
        let registered_at = self.registered_at();
        self.changes.push(Change::Entity(EntityChange::PutBackupVolume(BackupVolume {
            id,
            name: None,
            blocks,
            registered_at,
            group: groups::backup_group(declaration, id),
        })));
        self.event(EventKind::VolumeAdded { volume: id, role: VolumeRole::Backup, name: None });
    }

    fn transaction_volume(&mut self, declaration: &Declaration, volume: &Transaction, last_backup: Timestamp) {
        let first = volume.generations.first().map_or(Version(1), |kept| kept.version);
        self.changes.push(Change::Entity(EntityChange::PutTransactionVolume(TransactionVolume {
            id: volume.id,
            name: volume.name.clone(),
            blocks: volume.blocks,
            policy: volume.policy,
            registered_at: self.registered_at(),
            next_version: first,
            group: groups::transaction_group(declaration, volume.id),
            window_since: None,
        })));
        let name = Some(volume.name.clone());
        self.event(EventKind::VolumeAdded { volume: volume.id, role: VolumeRole::Transaction, name });
        if let Some(policy) = volume.policy {
            self.event(EventKind::PolicySet { volume: volume.id, policy });
        }
        for kept in &volume.generations {
            self.generation(volume, kept, last_backup);
        }
        if let Some(live) = volume.live {
            self.session(live.pair, live.full);
        }
    }

    fn generation(&mut self, volume: &Transaction, kept: &Kept, last_backup: Timestamp) {
        let held = kept.held.as_deref().map(Untrusted::from);
        let mode = if kept.suspended { BackupMode::Suspend } else { BackupMode::Dissolve };
        self.changes.push(Change::Entity(EntityChange::AddGeneration(Generation {
            transaction_volume: volume.id,
            version: kept.version,
            backup_volume: kept.on,
            blocks: volume.blocks,
            taken_at: last_backup.plus_millis(-i64::from(kept.days) * Timestamp::DAY),
            mode,
            state: GenerationState::Valid,
            held: held.clone(),
            provisioned: true,
            crash_consistent: None,
            group: None,
            copied_in: None,
            fingerprint: None,
            suspend_complete_by: None,
            set: None,
            operation: None,
        })));
        let (version, backup_volume) = (kept.version, kept.on);
        self.event(EventKind::GenerationRecorded { volume: volume.id, version, backup_volume, provisioned: true });
        if held.is_some() {
            self.event(EventKind::GenerationHeld { volume: volume.id, version, held });
        }
        if kept.suspended {
            self.session(Pair::new(volume.id, kept.on), true);
        }
    }

    fn session(&mut self, pair: Pair, full: bool) {
        self.changes.push(Change::Entity(EntityChange::PutSession(OurSession {
            pair,
            since: self.now,
            operation: None,
            full,
        })));
        self.event(EventKind::SessionMade { pair, full });
    }
}

/// The last time that local clocks showed this full hour.
fn last_time_at(hour: i8, now: Timestamp) -> Timestamp {
    let back_a_day = || now.plus_millis(-Timestamp::DAY);
    let at_hour = || {
        let now = jiff::Timestamp::from_millisecond(now.0).ok()?.to_zoned_datetime(jiff::tz::TimeZone::system());
        let today = now.with().hour(hour).minute(0).second(0).subsec_nanosecond(0).build().ok()?;
        let last = if today <= now { today } else { today.checked_sub(1.day()).ok()? };
        Some(Timestamp(last.timestamp().as_millisecond()))
    };
    at_hour().unwrap_or_else(back_a_day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::records::Policy;
    use crate::model::records::Records;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn records() -> (Declaration, Records) {
        let declaration = Declaration::built_in().unwrap();
        let mut records = Records::default();
        records.apply_all(&of(&declaration, NOW).0).unwrap();
        (declaration, records)
    }

    #[test]
    fn its_catalogue_holds_together() {
        let (declaration, records) = records();
        assert_eq!(records.transaction_volumes.len(), declaration.transaction_volumes.len());
        assert_eq!(records.backup_volumes.len(), declaration.pool.len());
        assert!(records.generations.values().all(|generation| generation.provisioned && generation.taken_at < NOW));
        for volume in records.transaction_volumes.values() {
            let kept = records.generations_of(volume.id).count();
            assert!(kept <= usize::from(volume.policy.map_or(0, |policy| policy.generations)), "{}", volume.name);
        }
    }

    #[test]
    fn the_pool_is_too_small_for_one_size_only() {
        let (_, records) = records();
        let mut short = Vec::new();
        for blocks in
            records.backup_volumes.values().map(|volume| volume.blocks).collect::<std::collections::BTreeSet<_>>()
        {
            let volumes = records.transaction_volumes.values().filter(|volume| volume.blocks == blocks);
            let need: usize = volumes.filter_map(|volume| volume.policy).map(Policy::backup_volumes).sum();
            let have = records.backup_volumes.values().filter(|volume| volume.blocks == blocks).count();
            if need > have {
                short.push((blocks, need - have));
            }
        }
        assert_eq!(short, [(Blocks::from_mib(192), 1)]);
    }

    #[test]
    fn the_last_backup_hour_is_less_than_a_day_and_an_hour_ago() {
        let last = last_time_at(2, NOW);
        assert!(last <= NOW && NOW.since(last) <= Timestamp::DAY + 3_600_000);
    }
}
