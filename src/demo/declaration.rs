//! What `assets/demo.toml` declares, read and checked.

use crate::model::identity::{BoxId, Name, Olu, VolumeId};
use crate::model::records::Policy;
use crate::model::session::Pair;
use crate::model::units::{Blocks, Version};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The declaration that comes with the program.
const DECLARATION: &str = include_str!("../../assets/demo.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    site: Name,
    rate: u64,
    filled: u64,
    seed: u64,
    backup_hour: i8,
    array: Vec<Array>,
    transaction_volume: Vec<DeclaredTransaction>,
    backup_volumes: Vec<Group>,
    unregistered: Vec<Group>,
    workload: Vec<DeclaredWorkload>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Array {
    pub name: Name,
    pub box_id: BoxId,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredTransaction {
    name: Name,
    place: String,
    mib: u64,
    policy: Option<Policy>,
    live: Option<DeclaredLive>,
    #[serde(default)]
    generations: Vec<DeclaredGeneration>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredLive {
    target: String,
    state: LiveState,
    percent: Option<u8>,
    full: bool,
}

/// What the session that belongs to no generation is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LiveState {
    Copying,
    Equivalent,
    /// Suspended without a generation, with changes since.
    Suspended,
    /// Stopped by a bad sector on the source (0xBA).
    Error,
    /// A remote copy whose path was lost; it waits for an operator.
    Halted,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredGeneration {
    version: u64,
    days: u16,
    on: String,
    #[serde(default)]
    suspended: bool,
    held: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    array: Name,
    mib: u64,
    olus: Vec<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredWorkload {
    volume: Name,
    rate: u64,
    within: u64,
}

/// The demonstration site as it is when it is made.
#[derive(Debug, Clone)]
pub struct Declaration {
    pub site: Name,
    pub bytes_per_second: u64,
    /// Bytes of each volume that are not a hole.
    pub filled: u64,
    pub seed: u64,
    /// Local hour at which the kept backups were taken.
    pub backup_hour: i8,
    pub arrays: Vec<Array>,
    pub transaction_volumes: Vec<Transaction>,
    /// The registered pool.
    pub pool: BTreeMap<VolumeId, Blocks>,
    pub unregistered: BTreeMap<VolumeId, Blocks>,
    pub workloads: Vec<Workload>,
}

#[derive(Debug, Clone)]
pub struct Transaction {
    pub id: VolumeId,
    pub name: Name,
    pub blocks: Blocks,
    pub policy: Option<Policy>,
    pub live: Option<Live>,
    /// Oldest first.
    pub generations: Vec<Kept>,
}

#[derive(Debug, Clone, Copy)]
pub struct Live {
    pub pair: Pair,
    pub state: LiveState,
    /// How far the copy was; of no meaning in other states.
    pub percent: u8,
    pub full: bool,
}

#[derive(Debug, Clone)]
pub struct Kept {
    pub version: Version,
    /// Whole days before the last backup hour.
    pub days: u16,
    pub on: VolumeId,
    /// Its session is kept, suspended.
    pub suspended: bool,
    pub held: Option<String>,
}

/// Host writes that go on.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    pub volume: VolumeId,
    pub bytes_per_second: u64,
    /// Bytes from the volume's begin that it stays within, so that differences stay differences.
    pub within: u64,
}

/// A declaration that does not hold together: a fault of the program, told like any other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the demonstration site's declaration does not hold together: {0}")]
pub struct DeclarationError(String);

impl Declaration {
    /// What comes with the program.
    pub fn built_in() -> Result<Self, DeclarationError> {
        let file: File = toml::from_str(DECLARATION).map_err(|error| DeclarationError(error.to_string()))?;
        let places = Places(&file.array);
        let pool = places.group(&file.backup_volumes)?;
        let transaction_volumes: Vec<Transaction> = file
            .transaction_volume
            .iter()
            .map(|declared| places.transaction(declared, &pool))
            .collect::<Result<_, _>>()?;
        let of_name = |name: &Name| {
            let found = transaction_volumes.iter().find(|volume| volume.name == *name);
            found
                .map(|volume| volume.id)
                .ok_or_else(|| DeclarationError(format!("a workload names {name}, which is not declared")))
        };
        let workloads = file.workload.iter().map(|declared| {
            let (bytes_per_second, within) = (declared.rate << 10, declared.within << 20);
            Ok(Workload { volume: of_name(&declared.volume)?, bytes_per_second, within })
        });
        Ok(Self {
            workloads: workloads.collect::<Result<_, _>>()?,
            unregistered: places.group(&file.unregistered)?,
            site: file.site,
            bytes_per_second: file.rate << 20,
            filled: file.filled << 20,
            seed: file.seed,
            backup_hour: file.backup_hour,
            arrays: file.array.clone(),
            transaction_volumes,
            pool,
        })
    }

    /// All volumes of the site's arrays with their sizes.
    pub fn volumes(&self) -> impl Iterator<Item = (VolumeId, Blocks)> + '_ {
        let transaction = self.transaction_volumes.iter().map(|volume| (volume.id, volume.blocks));
        transaction.chain(self.pool.iter().chain(&self.unregistered).map(|(id, blocks)| (*id, *blocks)))
    }
}

/// Makes identities out of `ARRAY/0x21`.
struct Places<'a>(&'a [Array]);

impl Places<'_> {
    fn box_of(&self, name: &str) -> Result<BoxId, DeclarationError> {
        let array = self.0.iter().find(|array| array.name.as_str() == name);
        array.map(|array| array.box_id).ok_or_else(|| DeclarationError(format!("array {name} is not declared")))
    }

    fn volume(&self, place: &str) -> Result<VolumeId, DeclarationError> {
        let (array, olu) =
            place.split_once('/').ok_or_else(|| DeclarationError(format!("{place} is not ARRAY/0x21")))?;
        let olu = olu.parse().map_err(|error| DeclarationError(format!("{place}: {error}")))?;
        Ok(VolumeId { box_id: self.box_of(array)?, olu })
    }

    fn group(&self, groups: &[Group]) -> Result<BTreeMap<VolumeId, Blocks>, DeclarationError> {
        let mut volumes = BTreeMap::new();
        for group in groups {
            let box_id = self.box_of(group.array.as_str())?;
            for olu in &group.olus {
                volumes.insert(VolumeId { box_id, olu: Olu(*olu) }, Blocks::from_mib(group.mib));
            }
        }
        Ok(volumes)
    }

    fn transaction(
        &self,
        declared: &DeclaredTransaction,
        pool: &BTreeMap<VolumeId, Blocks>,
    ) -> Result<Transaction, DeclarationError> {
        let (id, blocks) = (self.volume(&declared.place)?, Blocks::from_mib(declared.mib));
        let target = |place: &str| {
            let target = self.volume(place)?;
            if pool.get(&target) == Some(&blocks) {
                Ok(target)
            } else {
                Err(DeclarationError(format!("{place} is no backup volume of the size of {}", declared.name)))
            }
        };
        let live = declared.live.as_ref().map(|live| {
            let pair = Pair::new(id, target(&live.target)?);
            Ok(Live { pair, state: live.state, percent: live.percent.unwrap_or(100), full: live.full })
        });
        let generations = declared.generations.iter().map(|kept| {
            let (version, on) = (Version(kept.version), target(&kept.on)?);
            Ok(Kept { version, days: kept.days, on, suspended: kept.suspended, held: kept.held.clone() })
        });
        Ok(Transaction {
            id,
            name: declared.name.clone(),
            blocks,
            policy: declared.policy,
            live: live.transpose()?,
            generations: generations.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_fits_on_three_gib_even_when_everything_was_copied() {
        let declaration = Declaration::built_in().unwrap();
        let bytes: u64 = declaration.volumes().map(|(_, blocks)| blocks.bytes()).sum();
        assert!(bytes <= 3 << 30, "{} MiB", bytes >> 20);
        let volumes = declaration.volumes().count();
        assert_eq!(declaration.volumes().map(|(id, _)| id).collect::<BTreeSet<_>>().len(), volumes);
    }

    #[test]
    fn every_state_of_life_is_there() {
        let declaration = Declaration::built_in().unwrap();
        let volumes = &declaration.transaction_volumes;
        assert!(volumes.len() >= 9);
        assert!(volumes.iter().all(|volume| (16..=192).contains(&(volume.blocks.bytes() >> 20))));
        for state in
            [LiveState::Copying, LiveState::Equivalent, LiveState::Suspended, LiveState::Error, LiveState::Halted]
        {
            assert!(volumes.iter().any(|volume| volume.live.is_some_and(|live| live.state == state)), "{state:?}");
        }
        assert!(volumes.iter().any(|volume| volume.live.is_none() && volume.generations.is_empty()));
        assert!(
            volumes
                .iter()
                .any(|volume| volume.live.is_some_and(|live| live.pair.source.box_id != live.pair.target.box_id))
        );
    }

    #[test]
    fn each_backup_volume_has_one_use() {
        let declaration = Declaration::built_in().unwrap();
        let mut used = BTreeSet::new();
        for volume in &declaration.transaction_volumes {
            let targets =
                volume.live.iter().map(|live| live.pair.target).chain(volume.generations.iter().map(|kept| kept.on));
            assert!(targets.into_iter().all(|target| used.insert(target)), "{} shares a backup volume", volume.name);
        }
    }
}
