//! Pools: which backup volumes may serve which transaction volumes.
//!
//! Without a configured pool there is one for all. A configured pool has volumes by their places and by the hosts of their
//! volume groups; its transaction volumes take its backup volumes, and nobody else does.

use super::identity::{Name, Olu};
use super::units::Blocks;
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A configured pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPool {
    pub name: Name,
    /// Transaction volumes and backup volumes alike.
    pub volumes: Vec<VolumeRange>,
    /// Volume groups of these hosts belong to it, wherever their disks are; a place goes before.
    pub hosts: Vec<Name>,
}

/// Volumes of one array from one number to another, both included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRange {
    pub array: Name,
    pub first: Olu,
    pub last: Olu,
}

impl VolumeRange {
    pub fn has(&self, array: &Name, olu: Olu) -> bool {
        (self.first..=self.last).contains(&olu) && self.array == *array
    }

    /// The first volume that both have.
    pub fn shared(&self, other: &Self) -> Option<Olu> {
        let first = self.first.max(other.first);
        (self.array == other.array && first <= self.last.min(other.last)).then_some(first)
    }
}

impl FromStr for VolumeRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = || {
            let (array, numbers) = text.rsplit_once('/')?;
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            Some(Self { array: array.parse().ok()?, first: first.parse().ok()?, last: last.parse().ok()? })
        };
        let written = Untrusted::from(text).escaped();
        match parts() {
            Some(range) if range.first <= range.last => Ok(range),
            Some(_) => Err(format!("{written:?} ends before it begins: write the lower number first")),
            None => Err(format!("{written:?} is no place of volumes: write ARRAY/0x20 or ARRAY/0x20-0x2F")),
        }
    }
}

/// Backup volumes that can stand for each other: one size of one pool, and either plain volumes or the volume groups of one
/// host. What a policy needs is counted in them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PoolKey {
    pub blocks: Blocks,
    /// `None`: the pool of all volumes that no configured one has.
    pub pool: Option<Name>,
    /// The host of the volume groups; `None`: plain volumes.
    pub groups_of: Option<Name>,
}

impl PoolKey {
    /// Plain volumes of the pool that is not configured.
    pub fn is_usual(&self) -> bool {
        self.pool.is_none() && self.groups_of.is_none()
    }

    /// Which ones, without their size: `-`, `pool db02`, `groups of db03`.
    pub fn which(&self) -> String {
        match (&self.groups_of, &self.pool) {
            (None, None) => "-".to_owned(),
            (None, Some(pool)) => format!("pool {pool}"),
            (Some(host), None) => format!("groups of {host}"),
            (Some(host), Some(pool)) => format!("groups of {host}, pool {pool}"),
        }
    }
}

/// `96 MiB`, `96 MiB in pool db02`.
impl fmt::Display for PoolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.blocks)?;
        if let Some(host) = &self.groups_of {
            write!(f, " that are groups of {host}")?;
        }
        match &self.pool {
            Some(pool) => write!(f, " in pool {pool}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_volume_or_a_range() {
        let range: VolumeRange = "DX1/0x20-0x2F".parse().unwrap();
        let dx1: Name = "DX1".parse().unwrap();
        assert!(range.has(&dx1, Olu(0x20)) && range.has(&dx1, Olu(0x2F)) && !range.has(&dx1, Olu(0x30)));
        assert!(!range.has(&"DX2".parse().unwrap(), Olu(0x20)));
        let one: VolumeRange = "DX1/0x2F".parse().unwrap();
        assert_eq!((one.first, one.last), (Olu(0x2F), Olu(0x2F)));
        assert_eq!(range.shared(&one), Some(Olu(0x2F)));
        assert_eq!(range.shared(&"DX1/0x30-0x40".parse().unwrap()), None);
        for wrong in ["db01", "DX1/", "DX1/0x20-", "DX1/20", "DX1/0x2F-0x20", "D X/0x20"] {
            assert!(wrong.parse::<VolumeRange>().is_err(), "{wrong}");
        }
    }
}
