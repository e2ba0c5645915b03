//! What ACM's `swsthistdisp` prints, as far as its layout is known: a heading that names the device, a line
//! of titles, and a line a backup. What is not understood is given back as it stands, never guessed.

use super::identity::VolumeId;
use super::local_time::first;
use super::units::Timestamp;
use super::untrusted::Untrusted;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A backup that a list names, its volumes known by their identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedBackup {
    pub volume: VolumeId,
    pub backup_volume: VolumeId,
    pub taken_at: Timestamp,
}

/// A line of a list that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListLine {
    /// From 1.
    pub number: usize,
    pub content: LineContent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineContent {
    /// The heading or the titles: they say what the next lines are.
    Frame,
    /// A backup that was completed: of which device, on which, and when.
    Backup { device: Untrusted, backup_device: Untrusted, taken_at: Timestamp },
    /// Not understood, and why.
    Unclear { text: Untrusted, why: String },
}

/// The titles whose columns are read, in the order in which they are printed.
const TITLES: [&str; 6] = ["Generation", "Version", "Backup-Date", "Backup-Disk", "Status", "Execute"];
/// Statuses of a backup that was completed.
const COMPLETED: [&str; 1] = ["succeeded"];

/// All lines of a list. Its times are those of the zone.
pub fn read(text: &str, zone: &TimeZone) -> Vec<ListLine> {
    let mut device: Option<Untrusted> = None;
    let mut has_titles = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        let content = if let Some(named) = words.iter().find_map(|word| word.strip_prefix("Device=")) {
            (device, has_titles) = (Some(named.into()), false);
            LineContent::Frame
        } else if words == TITLES {
            has_titles = true;
            LineContent::Frame
        } else {
            let backup = backup(&words, device.as_ref().filter(|_| has_titles), zone);
            backup.unwrap_or_else(|why| LineContent::Unclear { text: line.into(), why })
        };
        lines.push(ListLine { number: index + 1, content });
    }
    lines
}

fn backup(words: &[&str], device: Option<&Untrusted>, zone: &TimeZone) -> Result<LineContent, String> {
    let device = device.ok_or("it stands before a heading with Device= and the titles")?;
    let &[generation, version, day, time, disk, status, ref execute @ ..] = words else {
        return Err("it has fewer columns than the titles".to_owned());
    };
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(generation) || !is_number(version) || execute.len() > 1 {
        return Err("its columns are not those of the titles".to_owned());
    }
    if !COMPLETED.contains(&status) {
        return Err("its status is not known to be that of a completed backup".to_owned());
    }
    let at = format!("{day} {time}");
    let local = ["%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S"].iter().find_map(|form| DateTime::strptime(form, &at).ok());
    let taken_at = local.and_then(|local| first(local, zone)).ok_or("its date is not YYYY/MM/DD HH:MM")?;
    Ok(LineContent::Backup { device: device.clone(), backup_device: disk.into(), taken_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
Server=db Device=g1d0p3 Mount-Point=/db

Generation Version Backup-Date      Backup-Disk Status    Execute
1          17      2026/11/27 02:00 g1d0p11     succeeded ----
2          16      2026/11/26 02:00 g1d0p12     failed    ----
3          15      26.11.2026 02:00 g1d0p13     succeeded ----
what is this
";

    #[test]
    fn what_is_understood_is_a_backup_and_the_rest_is_shown() {
        let lines = read(LIST, &TimeZone::UTC);
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 3, 4, 5, 6, 7]);
        let LineContent::Backup { device, backup_device, taken_at } = &lines[2].content else { panic!("{lines:?}") };
        assert_eq!((device.raw(), backup_device.raw()), ("g1d0p3", "g1d0p11"));
        assert_eq!(jiff::Timestamp::from_millisecond(taken_at.0).unwrap().to_string(), "2026-11-27T02:00:00Z");
        for line in &lines[3..] {
            assert!(matches!(line.content, LineContent::Unclear { .. }), "{line:?}");
        }
    }

    #[test]
    fn no_line_is_a_backup_without_heading_and_titles() {
        let line = "1 17 2026/11/27 02:00 g1d0p11 succeeded ----";
        for text in [line.to_owned(), format!("Server=db Device=g1d0p3\n{line}")] {
            let lines = read(&text, &TimeZone::UTC);
            assert!(matches!(lines.last().unwrap().content, LineContent::Unclear { .. }), "{lines:?}");
        }
    }
}
