//! `dmsetup info`: which logical volumes the kernel has devices of. This is independent of what LVM can read on the disks.

use super::{MAX_ROWS, number};
use crate::model::untrusted::Untrusted;
use std::collections::BTreeMap;

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
            if let Some(uuid) = uuid.strip_prefix(LVM)
                && uuid.len() == 2 * UUID_LENGTH
            {
                mapped.numbers.insert(uuid.to_owned(), format!("{major}:{minor}"));
            }
        }
        Ok(mapped)
    }

    /// The device number of a logical volume; `None`: it has no device, so it is inactive.
    pub fn number(&self, group: &Untrusted, volume: &Untrusted) -> Option<&str> {
        let plain = |uuid: &Untrusted| uuid.raw().replace('-', "");
        self.numbers.get(&(plain(group) + &plain(volume))).map(String::as_str)
    }
}
