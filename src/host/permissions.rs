//! Who may decide what a script does: it is run only if nobody but root, or the engine's own user, can change it.

use crate::model::untrusted;
use crate::process::ownership::{folders, trusted};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Whether a script may be run. `for_another_user`: it runs as somebody else than this process, so that only root may be
/// able to write it: else this process's user could become that one.
///
/// # Errors
/// What is wrong with it, with what to do.
pub fn check(program: &str, for_another_user: bool) -> Result<(), String> {
    let path = Path::new(program);
    let shown = untrusted::path(path);
    if !path.is_absolute() {
        return Err(format!("{shown} depends on where the program was started: write the path from / on"));
    }
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) => return Err(format!("{shown} cannot be looked at: {error}")),
    };
    if !found.is_file() {
        return Err(format!("{shown} is no regular file"));
    }
    let owner = if for_another_user { 0 } else { rustix::process::geteuid().as_raw() };
    trusted(path, &found, owner)?;
    folders(path, owner)?;
    let runnable = if for_another_user {
        found.permissions().mode() & 0o111 != 0
    } else {
        rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    if runnable { Ok(()) } else { Err(format!("{shown} is not executable: run `chmod a+x {shown}`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(folder: &Path, mode: u32) -> String {
        let path = folder.join("hook");
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_script_that_others_can_change_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check(&script(folder.path(), 0o755), false), Ok(()));
        for (mode, expected) in
            [(0o644, "chmod a+x"), (0o757, "other users can write"), (0o702, "other users can write")]
        {
            let why = check(&script(folder.path(), mode), false).unwrap_err();
            assert!(why.contains(expected), "{mode:o}: {why}");
        }
        let program = script(folder.path(), 0o755);
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o707)).unwrap();
        assert!(check(&program, false).unwrap_err().contains("other users can write"));
        assert!(check("hook", false).unwrap_err().contains("from / on"));
        assert!(check("/nowhere/hook", false).unwrap_err().contains("cannot be looked at"));
        assert!(check("/tmp", false).unwrap_err().contains("no regular file"));
    }

    #[test]
    fn a_script_of_another_owner_is_refused() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let program = script(folder.path(), 0o755);
        rustix::fs::chown(Path::new(&program), Some(rustix::fs::Uid::from_raw(4_242)), None).unwrap();
        for for_another_user in [false, true] {
            let why = check(&program, for_another_user).unwrap_err();
            assert!(why.contains("belongs to uid 4242"), "{why}");
        }
    }
}
