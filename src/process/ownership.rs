//! Whether other users decide what a file says: whose it is, who can write it, and who can put another one into its place.

use super::peer::user_name;
use crate::model::untrusted;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Write permission for the group.
const GROUP_WRITE: u32 = 0o020;
/// Write permission for all others.
const ALL_WRITE: u32 = 0o002;
/// In such a folder only the owner of a file can rename or remove it.
const STICKY: u32 = 0o1000;

/// Whether a file or folder belongs to this user or to root, and nobody else can write it.
pub fn trusted(path: &Path, found: &Metadata, uid: u32) -> Result<(), String> {
    let shown = untrusted::path(path);
    if found.uid() != uid && found.uid() != 0 {
        let owner =
            user_name(found.uid()).map_or_else(|| format!("uid {}", found.uid()), |name| untrusted::escaped(&name));
        let ours = if uid == 0 { "root".to_owned() } else { format!("uid {uid} or root") };
        return Err(format!(
            "{shown} belongs to {owner}, who decides by it what this program runs; run this as {owner}, or make it belong \
             to {ours}"
        ));
    }
    let by_group = found.mode() & GROUP_WRITE != 0 && !is_private_group(found.gid(), found.uid());
    if by_group || found.mode() & ALL_WRITE != 0 {
        let mode = found.mode() & 0o7777;
        return Err(format!("other users can write {shown} (mode {mode:04o}): run `chmod go-w {shown}`"));
    }
    Ok(())
}

/// Whether a group is that of one user alone, as hosts make it where the usual umask is 002.
///
/// A group that this host's own files do not show in full counts as shared.
pub fn is_private_group(gid: u32, owner: u32) -> bool {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    is_private(&read("/etc/passwd"), &read("/etc/group"), gid, owner)
}

fn is_private(passwd: &str, group: &str, gid: u32, owner: u32) -> bool {
    let fields = |line| str::split(line, ':').collect::<Vec<_>>();
    let number = |text: &str| text.parse::<u32>().ok();
    let users: Vec<Vec<&str>> = passwd.lines().map(fields).filter(|user| user.len() > 3).collect();
    let groups: Vec<Vec<&str>> = group.lines().map(fields).filter(|group| group.len() > 3).collect();
    let Some(user) = users.iter().find(|user| number(user[2]) == Some(owner)) else { return false };
    let Some(group) = groups.iter().find(|group| number(group[2]) == Some(gid)) else { return false };
    let named_alike = group[0] == user[0] && number(user[3]) == Some(gid);
    let has_no_other = group[3].split(',').all(|member| member.is_empty() || member == user[0])
        && users.iter().all(|other| number(other[3]) != Some(gid) || number(other[2]) == Some(owner));
    named_alike && has_no_other
}

/// The folders through which the file is reached: as it is named, and where links lead. Nobody else may put another file
/// into its place.
pub fn folders(path: &Path, uid: u32) -> Result<(), String> {
    let resolved = path.canonicalize().map_err(|error| error.to_string())?;
    for file in [path, &resolved] {
        for (distance, folder) in file.ancestors().skip(1).filter(|folder| *folder != Path::new("")).enumerate() {
            let found = match folder.metadata() {
                Ok(found) => found,
                Err(error) if error.kind() == ErrorKind::PermissionDenied => continue,
                Err(error) => return Err(format!("{}: {error}", untrusted::path(folder))),
            };
            if distance == 0 && found.mode() & STICKY == 0 {
                trusted(folder, &found, uid)?;
            }
            if found.mode() & ALL_WRITE != 0 && found.mode() & STICKY == 0 {
                let shown = untrusted::path(folder);
                return Err(format!("all users can write the folder {shown}: run `chmod o-w {shown}`"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_one_user_alone_may_write() {
        let passwd = "root:x:0:0::/root:/bin/sh\nana:x:1001:1001::/home/ana:/bin/sh\nbob:x:1002:1002::/:/bin/sh\n";
        let group = "root:x:0:\nana:x:1001:\nbob:x:1002:ana\nbackup:x:34:\n";
        assert!(is_private(passwd, group, 1001, 1001));
        assert!(!is_private(passwd, group, 1002, 1002), "ana is in it too");
        assert!(!is_private(passwd, group, 34, 1001), "not her own");
        let shared = format!("{passwd}eve:x:1003:1001::/:/bin/sh\n");
        assert!(!is_private(&shared, group, 1001, 1001), "eve has it too");
        assert!(!is_private("", "", 1001, 1001), "not known here");
    }
}
