//! A home that cannot be written, and no server that runs: what to do is said, and nothing is waited for.

use super::array_lab::Lab;
use crate::needs::{needs, skip};
use crate::test_site::InTime;
use ecdeck::process::instance;
use rustix::process::Signal;
use std::process::Command;

#[test]
fn a_home_that_cannot_be_written_is_refused_with_what_to_do() {
    let Some(unshare) = needs("unshare") else { return };
    if !rustix::process::geteuid().is_root() {
        return skip("a file system that is mounted for reading", "only root can mount one");
    }
    let lab = Lab::of(1, 1, 1);
    let home = lab.path().to_str().unwrap();
    let ask = |words: &str| {
        let script = format!("mount --bind {home} {home} && mount -o remount,ro,bind {home} && exec \"$0\" {words}");
        let mut command = Command::new(&unshare);
        command.args(["-m", "sh", "-c", &script, super::test_site::PROGRAM]).env("ECDECK_HOME", home);
        let output = command.in_time();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    lab.run("status").ends(0);
    assert_eq!(ask("status"), (Some(0), String::new()), "an engine that runs answers without writing");
    lab.signal(&lab.home().engine(), Signal::TERM);
    assert_eq!(instance::pid_of(&lab.home().engine()), None);
    for words in ["status", "history", "audit verify", "volume list", "backup t1 --yes"] {
        let (status, said) = ask(words);
        assert_eq!(status, Some(5), "{words}: {said}");
        for part in ["cannot be written", "ECDECK_HOME", "no server runs"] {
            assert!(said.contains(part), "{words}: {said}");
        }
    }
}
