//! `dmsetup info`: which logical volumes the kernel has devices of. This is independent of what LVM can read on the disks.

use super::{MAX_ROWS, number};
use crate::model::untrusted::Untrusted;
use std::collections::{BTreeMap, BTreeSet};

pub const ARGUMENTS: [&str; 8] =
    ["dmsetup", "info", "--columns", "--noheadings", "--separator", "/", "-o", "uuid,major,minor"];
const NOTHING: &str = "No devices found";
/// What the identity of a logical volume's device begins with.
const LVM: &str = "LVM-";
/// Characters of a group's or a logical volume's identity, without its dashes.
const UUID_LENGTH: usize = 32;

/// Devices of logical volumes.
#[derive(Debug, Clone, Default)]
pub struct Mapped {
    /// The device number, by the identity of the group and of the logical volume, without dashes.
    numbers: BTreeMap<String, String>,
    /// Identities of the groups that have devices of any kind, without dashes.
    groups: BTreeSet<String>,
}

impl Mapped {
    /// # Errors
    /// One sentence, when this is not what `dmsetup` prints.
    pub fn read(printed: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(printed).map_err(|_| "the output of dmsetup is no UTF-8".to_owned())?;
        let mut mapped = Self::default();
        if text.trim() == NOTHING {
            return Ok(mapped);
        }
        for (at, line) in text.lines().enumerate() {
            let mut words = line.rsplitn(3, '/').map(str::trim);
            let (Some(minor), Some(major), Some(uuid)) = (words.next(), words.next(), words.next()) else {
                return Err(format!("line {} of dmsetup has not three columns", at + 1));
            };
            if at >= MAX_ROWS {
                return Err(format!("dmsetup lists more than {MAX_ROWS} devices"));
            }
            let (major, minor) = (number(major, "dmsetup", "a number")?, number(minor, "dmsetup", "a number")?);
            // A volume's own device; those of its parts have an ending: `-real`, `-cow`.
            let Some(uuid) = uuid.strip_prefix(LVM) else { continue };
            if let Some(group) = uuid.get(..UUID_LENGTH) {
                mapped.groups.insert(group.to_owned());
            }
            if uuid.len() == 2 * UUID_LENGTH {
                mapped.numbers.insert(uuid.to_owned(), format!("{major}:{minor}"));
            }
        }
        Ok(mapped)
    }

    pub fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// The device number of a logical volume; `None`: it has no device, so it is inactive.
    pub fn number(&self, group: &Untrusted, volume: &Untrusted) -> Option<&str> {
        let plain = |uuid: &Untrusted| uuid.raw().replace('-', "");
        self.numbers.get(&(plain(group) + &plain(volume))).map(String::as_str)
    }
}

/// Whether `/proc/devices` is that of a kernel without device-mapper. Anything else than its two lists is no proof of that.
pub fn is_absent(devices: &[u8]) -> bool {
    const LISTS: [&str; 2] = ["Character devices:", "Block devices:"];
    let Ok(text) = str::from_utf8(devices) else { return false };
    let is_there = |wanted: &str| text.lines().any(|line| line.trim() == wanted);
    LISTS.iter().all(|list| is_there(list)) && !text.contains("device-mapper")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_lacks_device_mapper_only_if_its_lists_say_so() {
        let lists = "Character devices:\n  1 mem\n\nBlock devices:\n  7 loop\n";
        assert!(is_absent(lists.as_bytes()));
        assert!(!is_absent(format!("{lists}253 device-mapper\n").as_bytes()));
        for other in ["", "Block devices:\n  7 loop\n", "Permission denied"] {
            assert!(!is_absent(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_group_is_active_while_any_device_of_it_is_there() {
        let (group, volume) = ("g".repeat(32), "v".repeat(32));
        let printed = format!("LVM-{group}{volume}-real/253/0\nmpath-3600/253/1\nLVM-short/253/2\n");
        let mapped = Mapped::read(printed.as_bytes()).unwrap();
        assert_eq!(mapped.groups(), &BTreeSet::from([group.clone()]));
        assert_eq!(mapped.number(&group.as_str().into(), &volume.as_str().into()), None);
    }
}
