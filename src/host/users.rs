//! Which processes use a file system: on this machine by `/proc`, over ssh by `fuser` and `ps`.

use std::fs;
use std::path::Path;

/// Processes that are named at most.
pub const MAX_NAMED: usize = 5;

/// A process that has the file system open, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystemUser {
    pub pid: u32,
    pub name: String,
}

/// The processes of this machine whose folder, root, program or open files lie there, as far as this user may look.
pub fn here(mount: &str) -> Vec<FileSystemUser> {
    let under = |link: &Path| fs::read_link(link).is_ok_and(|to| to.starts_with(mount));
    let uses = |process: &Path| {
        ["cwd", "root", "exe"].iter().any(|name| under(&process.join(name)))
            || fs::read_dir(process.join("fd")).is_ok_and(|files| files.flatten().any(|file| under(&file.path())))
    };
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let mut users: Vec<FileSystemUser> = processes
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let name = || fs::read_to_string(entry.path().join("comm")).unwrap_or_default().trim().to_owned();
            uses(&entry.path()).then(|| FileSystemUser { pid, name: name() })
        })
        .collect();
    users.sort_by_key(|user| user.pid);
    users.truncate(MAX_NAMED);
    users
}

/// The numbers that `fuser -m` prints; letters behind them say how each is used.
pub fn printed_by_fuser(printed: &[u8]) -> Vec<u32> {
    let text = String::from_utf8_lossy(printed);
    let number = |word: &str| word.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok();
    text.split_whitespace().filter_map(number).take(MAX_NAMED).collect()
}

/// What `ps -o pid=,comm=` prints.
pub fn printed_by_ps(printed: &[u8]) -> Vec<FileSystemUser> {
    let text = String::from_utf8_lossy(printed);
    let user = |line: &str| {
        let (pid, name) = line.trim().split_once(' ')?;
        Some(FileSystemUser { pid: pid.parse().ok()?, name: name.trim().to_owned() })
    };
    text.lines().filter_map(user).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_an_open_file_there_is_found_by_its_name() {
        let folder = std::env::temp_dir().join(format!("ecdeck-users-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let folder = fs::canonicalize(folder).unwrap();
        assert_eq!(here(folder.to_str().unwrap()), []);
        let open = fs::File::create(folder.join("open")).unwrap();
        let users = here(folder.to_str().unwrap());
        assert!(users.iter().any(|user| user.pid == std::process::id() && !user.name.is_empty()), "{users:?}");
        drop(open);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_the_tools_print_is_read_and_what_is_no_process_is_left_out() {
        assert_eq!(printed_by_fuser(b"  4711c  4712 12m x\n"), [4711, 4712, 12]);
        let users = printed_by_ps(b" 4711 postgres\n   12 tar czf\nrubbish\n");
        let user = |pid, name: &str| FileSystemUser { pid, name: name.to_owned() };
        assert_eq!(users, [user(4711, "postgres"), user(12, "tar czf")]);
    }
}
