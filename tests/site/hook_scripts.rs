//! The scripts that come with ecdeck, on real file systems, and the guard over one that is really frozen.

use super::needs;
use crate::test_site::InTime;
use ecdeck::host::guard::{Guard, GuardFiles, GuardHook, GuardOrder};
use ecdeck::host::script::{Script, run};
use ecdeck::model::hook::{ScriptEnd, ScriptReport};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LONG: Duration = Duration::from_mins(1);

/// File systems that are unmounted, and thawed before, whatever becomes of the test.
struct Mounts {
    folder: tempfile::TempDir,
    places: Vec<PathBuf>,
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for place in &self.places {
            let _ = Command::new("fsfreeze").arg("-u").arg(place).output();
            let _ = Command::new("umount").arg(place).output();
        }
    }
}

impl Mounts {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), places: Vec::new() }
    }

    fn place(&mut self, name: &str) -> PathBuf {
        let place = self.folder.path().join(name);
        std::fs::create_dir(&place).unwrap();
        self.places.push(place.clone());
        place
    }

    /// An ext4 in a file; `None` where none can be mounted.
    fn ext4(&mut self, name: &str) -> Option<PathBuf> {
        for what in ["root", "mkfs.ext4", "fsfreeze"] {
            needs::needs(what)?;
        }
        let image = self.folder.path().join(format!("{name}.img"));
        std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        assert!(Command::new("mkfs.ext4").arg("-q").arg(&image).status().unwrap().success());
        let place = self.place(name);
        let mounted = Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&place).in_time();
        if !mounted.status.success() {
            needs::skip("loop mounts", String::from_utf8_lossy(&mounted.stderr).trim());
            return None;
        }
        Some(place)
    }

    fn script(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn is_mounted(place: &Path) -> bool {
    Command::new("mountpoint").arg("-q").arg(place).status().unwrap().success()
}

/// Whether a file system is frozen: then it cannot be frozen once more. Else it is thawed again.
fn is_frozen(place: &Path) -> bool {
    if !Command::new("fsfreeze").arg("-f").arg(place).in_time().status.success() {
        return true;
    }
    assert!(Command::new("fsfreeze").arg("-u").arg(place).status().unwrap().success());
    false
}

fn asset(name: &str) -> String {
    format!("{}/assets/hooks/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn script(argv: &[&str], variables: &[(&str, &str)]) -> Script {
    Script {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        run_as: None,
        ssh: None,
        environment: variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        limit_millis: 30_000,
    }
}

/// A script of ours: it is as it came, so who may write it is not asked here.
fn shipped(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> ScriptReport {
    let path = asset(name);
    run(&script(&[&["/bin/sh", path.as_str()], arguments].concat(), variables))
}

const BEFORE: (&str, &str) = ("ECDECK_PHASE", "before-backup");
const AFTER: (&str, &str) = ("ECDECK_PHASE", "after-backup");
const DRY: (&str, &str) = ("ECDECK_DRY_RUN", "1");

fn ends(report: &ScriptReport, status: i32) {
    assert_eq!(report.end, ScriptEnd::Exited { status }, "{}", report.output.raw());
}

#[test]
fn fsfreeze_freezes_and_thaws_and_thaws_what_is_not_frozen() {
    let mut mounts = Mounts::new();
    let Some(place) = mounts.ext4("fs") else { return };
    let at = place.to_str().unwrap();
    ends(&shipped("fsfreeze", &[at], &[BEFORE, DRY]), 0);
    assert!(!is_frozen(&place));
    ends(&shipped("fsfreeze", &[at], &[AFTER]), 0);
    ends(&shipped("fsfreeze", &[at], &[BEFORE]), 0);
    assert!(is_frozen(&place));
    ends(&shipped("fsfreeze", &[at], &[BEFORE]), 11);
    for _ in 0..2 {
        ends(&shipped("fsfreeze", &[at], &[AFTER]), 0);
        assert!(!is_frozen(&place));
    }
    ends(&shipped("fsfreeze", &["/nowhere"], &[BEFORE]), 10);
    ends(&shipped("fsfreeze", &[], &[BEFORE]), 2);
    ends(&shipped("fsfreeze", &[at], &[]), 2);
}

#[test]
fn unmount_mounts_again_what_it_unmounted_and_nothing_else() {
    if ["root", "findmnt", "mountpoint"].iter().any(|what| needs::needs(what).is_none()) {
        return;
    }
    let mut mounts = Mounts::new();
    let (one, other) = (mounts.place("one"), mounts.place("not mounted"));
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(&one).status().unwrap();
    if !mounted.success() {
        needs::skip("mounts", "nothing can be mounted here");
        return;
    }
    let state = mounts.folder.path().join("state");
    let state = ("ECDECK_HOOK_STATE", state.to_str().unwrap());
    let places = [one.to_str().unwrap(), other.to_str().unwrap()];
    ends(&shipped("unmount", &places, &[BEFORE, DRY, state]), 0);
    assert!(is_mounted(&one));
    ends(&shipped("unmount", &places, &[BEFORE, state]), 0);
    assert!(!is_mounted(&one));
    for _ in 0..2 {
        ends(&shipped("unmount", &places, &[AFTER, state]), 0);
        assert!(is_mounted(&one) && !is_mounted(&other));
    }
    let options = Command::new("findmnt").args(["-n", "-o", "OPTIONS"]).arg(&one).in_time();
    assert!(String::from_utf8_lossy(&options.stdout).contains("size=1024k"), "{options:?}");
}

#[tokio::test]
async fn a_script_that_writes_to_what_it_froze_cannot_be_ended_and_is_thawed_all_the_same() {
    let mut mounts = Mounts::new();
    let Some(place) = mounts.ext4("fs") else { return };
    let at = place.to_str().unwrap().to_owned();
    let before = mounts.script("before", &format!("#!/bin/sh\nfsfreeze -f {at} && echo lost > {at}/file\n"));
    let after = mounts.script("after", &format!("#!/bin/sh\nfsfreeze -u {at}\n"));
    let files = GuardFiles::of(&mounts.folder.path().join("run"), "op1");
    let order = GuardOrder {
        socket: files.socket.clone(),
        record: files.record.clone(),
        hooks: vec![GuardHook { before: Some(script(&[&before], &[])), after: Some(script(&[&after], &[])) }],
        pause_millis: Some(1_000),
        result_variable: "ECDECK_RESULT".to_owned(),
    };
    let guard = Guard::start(Some(Path::new(env!("CARGO_BIN_EXE_ecdeck"))), &order).await.unwrap();
    let run = guard.before(0, LONG).await.unwrap();
    assert!(matches!(run.report.end, ScriptEnd::TimedOut { left: true, .. }), "{run:?}");
    let undone = guard.after(0, ecdeck::model::hook::HookResult::Failed, None, LONG).await.unwrap();
    assert!(undone.report.is_success(), "{undone:?}");
    assert!(!is_frozen(&place));
    guard.leave().await.unwrap();
}
