//! A way to CCM that is silent, or says far too much: the examination ends, says who did not answer, and leaves nothing
//! behind. No server is needed: the client is the one of the host, or a script in its place.

use crate::needs::needs;
use crate::test_site::{InTime, Ran, TestSite};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// A site with one array behind ssh, with times that are short.
fn site(ssh_config: &Path) -> TestSite {
    let test_site = TestSite::new();
    let config = format!(
        "site = \"kyoto\"\n[[array]]\nname = \"DX1\"\ndriver = \"ccm\"\n[array.ccm]\narray = \"ET001\"\nhost = \"ccm01\"\n\
         connect = \"1s\"\nquery = \"1s\"\nssh_config = \"{}\"\n",
        ssh_config.display()
    );
    fs::write(test_site.path().join("config.toml"), config).unwrap();
    test_site
}

/// `array doctor` with a script in the place of `ssh`.
fn doctor_with(test_site: &TestSite, script: &str) -> Ran {
    let programs = test_site.path().join("programs");
    fs::create_dir_all(&programs).unwrap();
    let ssh = programs.join("ssh");
    fs::write(&ssh, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let output = test_site.command(&["array", "doctor", "DX1"]).env("PATH", path).in_time();
    Ran {
        words: "array doctor DX1".to_owned(),
        exit: output.status.code().unwrap(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What was printed, without its columns.
fn in_one_line(ran: &Ran) -> String {
    ran.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits until the process whose number is in the file has ended.
fn is_ended(file: &Path) {
    let pid = fs::read_to_string(file).unwrap().trim().to_owned();
    let deadline = Instant::now() + Duration::from_secs(30);
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "process {pid} stays");
        std::thread::yield_now();
    }
}

#[test]
fn an_examination_ends_whatever_the_ssh_client_does_and_says_who_did_not_answer() {
    let test_site = site(Path::new("/dev/null"));
    // It hangs in every call, the one that ends the shared connection included.
    let hanging = "trap '' TERM INT; for word in \"$@\"; do case $word in ControlPath=*) p=${word#ControlPath=};; esac; done\n\
                   p=${p#\\\"}; p=${p%\\\"}; : > \"$p\"; sleep 3600; sleep 3600";
    let ran = doctor_with(&test_site, hanging).ends(5);
    assert!(in_one_line(&ran).contains("the server is reached no connection after 6 s"), "{ran:?}");
    // It writes messages without end.
    let ran = doctor_with(&test_site, "exec cat /dev/zero >&2").ends(5);
    assert!(in_one_line(&ran).contains("more than 16 MiB of error messages"), "{ran:?}");
    assert_eq!(files_above(test_site.path(), 1 << 20), Vec::<String>::new(), "nothing of it is kept");
}

#[test]
fn what_a_proxy_command_started_ends_with_the_connection_that_was_not_made() {
    if needs("ssh").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (config, pid) = (folder.path().join("ssh config"), folder.path().join("pid"));
    let proxy = format!("ProxyCommand sh -c 'echo $$ > {}; sleep 3600; sleep 3600'\n", pid.display());
    fs::write(&config, format!("Host ccm01\n{proxy}")).unwrap();
    let test_site = site(&config);
    let ran = test_site.run("array doctor DX1").ends(5);
    assert!(in_one_line(&ran).contains("BAD the server is reached"), "{ran:?}");
    is_ended(&pid);
}

/// The files below a folder that are larger than that.
fn files_above(folder: &Path, bytes: u64) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            found.extend(files_above(&entry.path(), bytes));
        } else if metadata.len() > bytes {
            found.push(entry.path().display().to_string());
        }
    }
    found
}
