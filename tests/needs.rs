//! What a test needs of the host and a host may lack: it is there, or the test is skipped aloud, or, where everything must
//! run, the test fails.
//!
//! Whether it is there is asked of the host before the test begins, never of what is tested.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Set by `.ci/run` to `1`: whatever a test needs must be there, and a skip is a failure.
pub const ALL_TESTS: &str = "ECDECK_ALL_TESTS";
/// What may be missing all the same, separated by commas: what no package brings.
pub const MAY_LACK: &str = "ECDECK_MAY_LACK";

/// Where it is, or `None`: the test is skipped, and says so where nobody can miss it. Names are those of programs, or of
/// [`lookup`].
#[track_caller]
pub fn needs(what: &str) -> Option<PathBuf> {
    match lookup(what) {
        Ok(place) => Some(place),
        Err(why) => {
            skip(what, &why);
            None
        }
    }
}

/// Says that a test is skipped; fails it where everything must run.
#[track_caller]
pub fn skip(what: &str, why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let all = std::env::var_os(ALL_TESTS).is_some_and(|all| all == "1");
    let excused = std::env::var(MAY_LACK).is_ok_and(|lack| lack.split(',').any(|excused| excused == what));
    assert!(!all || excused, "{test} needs {what}: {why}; with {ALL_TESTS}=1 nothing is skipped");
    // Straight to the descriptor: the harness keeps what a passing test prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: needs {what}: {why}");
}

fn lookup(what: &str) -> Result<PathBuf, String> {
    match what {
        "root" if rustix::process::geteuid().is_root() => Ok(PathBuf::new()),
        "root" => Err("this is another user".to_owned()),
        // A namespace of mounts, and the right to mount in it.
        "mount namespaces" => {
            let unshare = program("unshare").ok_or("there is no unshare")?;
            let tried = Command::new(&unshare)
                .args(["--mount", "mount", "-t", "tmpfs", "none", "/tmp"])
                .stdin(Stdio::null())
                .output()
                .map_err(|error| error.to_string())?;
            if tried.status.success() { Ok(unshare) } else { Err(String::from_utf8_lossy(&tried.stderr).into_owned()) }
        }
        // The folder of the server's own programs: wrappers in PATH do not have all of them.
        "postgresql" => postgresql().ok_or_else(|| "no initdb in /usr/lib/postgresql/*/bin or PATH".to_owned()),
        // The wall clock of one process, stepped.
        "libfaketime" => faketime().ok_or_else(|| "no /usr/lib/*/faketime/libfaketimeMT.so.1".to_owned()),
        name => program(name).ok_or_else(|| format!("no {name} in PATH, /sbin and /usr/sbin")),
    }
}

/// A program of the host, where it is there.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/sbin".into(), "/usr/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = folders.chain(["/usr/lib".into(), "/usr/lib64".into()]);
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|file| file.is_file())
}

fn postgresql() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let programs = ["initdb", "postgres", "pg_isready", "psql"];
    folders.into_iter().find(|folder| programs.iter().all(|name| folder.join(name).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does what a test does that needs something, when the next test asks it to.
    #[test]
    fn whoever_needs_something() {
        if let Ok(what) = std::env::var("ECDECK_TEST_NEEDS") {
            needs(&what);
        }
    }

    /// This binary, with one test that needs something on a host with an empty PATH.
    fn needing(what: &str, all: &str) -> (bool, String) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["whoever_needs_something", "--test-threads", "1"])
            .env("PATH", "")
            .env("ECDECK_TEST_NEEDS", what)
            .env(ALL_TESTS, all)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    #[test]
    fn what_is_missing_is_skipped_aloud_and_fails_where_everything_must_run() {
        let (passed, said) = needing("a-program-that-nobody-has", "");
        assert!(passed && said.contains("whoever_needs_something: needs a-program-that-nobody-has"), "{said}");
        assert!(said.starts_with("SKIPPED "), "{said}");
        let (passed, _) = needing("a-program-that-nobody-has", "1");
        assert!(!passed, "a missing program is no failure with {ALL_TESTS}=1");
        let (passed, said) = needing("mount namespaces", "");
        assert!(passed && said.contains("there is no unshare"), "{said}");
    }

    #[test]
    fn what_is_there_is_found() {
        assert!(needs("sh").is_some_and(|place| place.is_file()));
    }
}
