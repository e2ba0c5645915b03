//! CCM's own tables: its copy groups and their pairs, in a file of JSON behind a lock file, or in memory.

use super::Failure;
use crate::driver::ccm::names::GroupType;
use crate::model::session::Pair;
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A copy group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredGroup {
    #[serde(rename = "type")]
    group_type: String,
    /// The names of its arrays.
    pub arrays: Vec<String>,
    pub pairs: Vec<Pair>,
}

impl StoredGroup {
    pub fn new(group_type: GroupType, arrays: Vec<String>) -> Self {
        Self { group_type: group_type.word().to_owned(), arrays, pairs: Vec::new() }
    }

    pub fn group_type(&self) -> GroupType {
        match self.group_type.as_str() {
            "REC" => GroupType::Rec,
            "OPC" => GroupType::Opc,
            _ => GroupType::Ec,
        }
    }
}

type Groups = BTreeMap<String, StoredGroup>;

/// Tables that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the folder {0} cannot be used for CCM's tables: {1}")]
    Folder(PathBuf, std::io::Error),
}

/// Where the tables are.
pub enum Store {
    Memory(Mutex<Groups>, AtomicU64),
    File { tables: PathBuf, lock: PathBuf, count: PathBuf },
}

impl Store {
    pub fn in_memory() -> Self {
        Self::Memory(Mutex::default(), AtomicU64::new(0))
    }

    pub fn in_folder(folder: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(|why| StoreError::Folder(folder.to_owned(), why))?;
        Ok(Self::File {
            tables: folder.join("ccm-groups.json"),
            lock: folder.join("ccm-groups.json.lck"),
            count: folder.join("ccm-commands"),
        })
    }

    /// How many commands there were before this one, whatever process they ran in: the length of a file that grows.
    pub(super) fn next_number(&self) -> u64 {
        match self {
            Self::Memory(_, count) => count.fetch_add(1, Ordering::Relaxed),
            Self::File { count, .. } => {
                let file = OpenOptions::new().create(true).append(true).open(count);
                file.and_then(|mut file| file.write_all(b".").and_then(|()| file.metadata())).map_or(0, |at| at.len())
            }
        }
    }

    /// Looks at the tables, and keeps what was changed when that succeeded.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Groups) -> Result<T, Failure>) -> Result<T, Failure> {
        match self {
            Self::Memory(groups, _) => {
                let mut groups = groups.lock();
                let mut changed = groups.clone();
                let value = change(&mut changed)?;
                *groups = changed;
                Ok(value)
            }
            Self::File { tables, lock, .. } => {
                let _held = held(lock)?;
                let before = read(tables)?;
                let mut groups = before.clone();
                let value = change(&mut groups)?;
                if groups != before {
                    write(tables, &groups)?;
                }
                Ok(value)
            }
        }
    }
}

/// As CCM does it: a second command at the same time fails.
fn held(lock: &Path) -> Result<File, Failure> {
    let busy = || Failure::new(8, format!("ccm8003 Could not open the file. file={}", lock.display()));
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(lock).map_err(|_| busy())?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| busy())?;
    Ok(file)
}

fn unusable(tables: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(8, format!("ccm8003 Could not open the file. file={} ({why})", tables.display()))
}

fn read(tables: &Path) -> Result<Groups, Failure> {
    match std::fs::read(tables) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|why| unusable(tables, &why)),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(Groups::new()),
        Err(why) => Err(unusable(tables, &why)),
    }
}

fn write(tables: &Path, groups: &Groups) -> Result<(), Failure> {
    let bytes = serde_json::to_vec_pretty(groups).map_err(|why| unusable(tables, &why))?;
    let beside = tables.with_extension("new");
    std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, tables)).map_err(|why| unusable(tables, &why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_kept_and_a_second_command_at_the_same_time_fails_as_ccm_does() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path()).unwrap();
        store
            .with(|groups| {
                groups.insert("G".into(), StoredGroup::new(GroupType::Rec, vec!["A".into(), "B".into()]));
                let second = Store::in_folder(folder.path()).unwrap().with(|_| Ok(()));
                assert!(second.unwrap_err().message.starts_with("ccm8003"));
                Ok(())
            })
            .unwrap();
        let again = Store::in_folder(folder.path()).unwrap();
        assert_eq!(again.with(|groups| Ok(groups["G"].group_type())).unwrap(), GroupType::Rec);
        let failed: Result<(), _> = again.with(|groups| {
            groups.clear();
            Err(Failure::new(1, "no"))
        });
        assert!(failed.is_err());
        assert_eq!(again.with(|groups| Ok(groups.len())).unwrap(), 1, "a failure changes nothing");
    }
}
