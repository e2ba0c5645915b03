//! The catalogue's file under faults: a disk that is really full, errors of the disk, files removed, replaced and linked.
//! Nothing is lost, nothing stays stuck, and the engine goes on by itself.

use crate::array_lab::Lab;
use crate::catalogue::{block_on, rounds};
use crate::needs::needs;
use crate::test_site::{DEADLINE, InTime, PROGRAM, Ran, TestSite};
use ecdeck::catalog::CatalogueError;
use ecdeck::catalog::sql::{CataloguePlace, OpenOptions, SqlCatalogue};
use ecdeck::process::instance;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The folder of a small disk of its own, for the process that a test starts inside of a mount namespace.
const SMALL_DISK: &str = "ECDECK_TEST_SMALL_DISK";

/// Runs a test of this module once more in a mount namespace with a small disk, or gives that disk where it runs there.
fn on_a_small_disk(test: &str) -> Option<PathBuf> {
    const MOUNT: &str = r#"mount -t tmpfs -o size=8m,mode=0700 none "$1" && shift && exec "$@""#;
    if let Some(disk) = std::env::var_os(SMALL_DISK) {
        return Some(PathBuf::from(disk));
    }
    let unshare = needs("mount namespaces")?;
    let disk = tempfile::tempdir().unwrap();
    let mut inside = Command::new(unshare);
    inside.args(["--mount", "sh", "-c", MOUNT, "sh"]).arg(disk.path()).arg(std::env::current_exe().unwrap());
    inside.args(["--exact", &format!("catalogue_faults::{test}"), "--nocapture"]).env(SMALL_DISK, disk.path());
    let output = inside.stdin(Stdio::null()).in_time();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    None
}

/// A site whose catalogue lies in a folder; the first transaction volume is equivalent and has a policy.
fn lab_with_catalogue_in(folder: &Path) -> Lab {
    let lab = Lab::new();
    let config = lab.home().config_file();
    let url = format!("\n[catalogue]\nurl = \"sqlite:{}\"\n", folder.join("catalogue.db").display());
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + &url).unwrap();
    lab.transaction("t1", "A1", 1, 1);
    lab.backups("A1", 0x21..0x24, 1);
    lab.policy("t1", 2, "suspend");
    lab.synchronize("t1");
    lab
}

/// Takes every byte of a disk.
fn fill(disk: &Path) -> PathBuf {
    use std::io::Write;
    let path = disk.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    while file.write_all(&[0xA5; 4_096]).is_ok() {}
    path
}

fn set_policy(lab: &Lab, generations: u32) -> Ran {
    lab.run(&format!("policy set t1 --generations {generations} --interval 1 --mode suspend --yes --json"))
}

fn writable(status: &serde_json::Value) -> bool {
    status["catalogue"]["writable"] == true
}

#[test]
fn a_full_disk_stops_nothing_for_longer_than_it_is_full() {
    let Some(disk) = on_a_small_disk("a_full_disk_stops_nothing_for_longer_than_it_is_full") else { return };
    let lab = lab_with_catalogue_in(&disk);
    // A clean end folds the log into the file: the next commits need new blocks.
    lab.signal(&lab.home().engine(), Signal::TERM);
    lab.run("status").ends(0);
    lab.run("array fault A1 slow --millis 4000").ends(0);
    let waiting = lab.spawn("backup t1 --yes --json");
    lab.wait_for("the suspend is on its way", |status| {
        status["operations"][0]["step"].as_str().is_some_and(|step| step.contains("answer to suspend"))
    });
    let engine = instance::pid_of(&lab.home().engine());

    let filler = fill(&disk);
    for _ in 0..2 {
        let refused = lab.run("policy set t1 --generations 3 --interval 1 --mode suspend --yes --json");
        assert!([5, 7].contains(&refused.exit), "{refused:?}");
    }
    let other = lab.run("volume remove A1/0x23 --yes --json").ends(5).json();
    assert_eq!(other["error"]["code"], "ecd-1901", "{other:#}");
    lab.run("volume remove A1/0x23 --yes").ends(5);
    let status = lab.wait_for("the catalogue takes no writes", |status| !writable(status));
    assert!(status["catalogue"]["remedy"].as_str().unwrap().contains("repeat"), "{status:#}");
    let shown = lab.run("status").ends(0);
    assert!(shown.out.contains("takes no writes") && shown.out.contains("full"), "{shown:?}");
    lab.run("array fault A1 clear").ends(0);

    std::fs::remove_file(filler).unwrap();
    lab.run("volume remove A1/0x23 --yes").ends(0);
    lab.wait_for("the catalogue takes writes again", writable);
    let done = waiting.end();
    assert_eq!(done.exit, 0, "{done:?}");
    // No claim is left, and nothing was started anew.
    set_policy(&lab, 3).ends(0);
    assert_eq!(lab.kept("t1").iter().map(|(version, _)| *version).collect::<Vec<_>>(), [1]);
    lab.run("audit verify").ends(0);
    assert_eq!(instance::pid_of(&lab.home().engine()), engine);
}

#[test]
fn a_log_that_is_removed_under_a_running_engine_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let lab = lab_with_catalogue_in(folder.path());
    let log = folder.path().join("catalogue.db-wal");
    lab.back_up("t1");
    std::fs::remove_file(&log).unwrap();
    set_policy(&lab, 4).ends(0);
    let aside = folder.path().join("catalogue.db-wal.aside");
    std::fs::rename(&log, aside).unwrap();
    std::fs::write(&log, "the log of another catalogue").unwrap();
    set_policy(&lab, 5).ends(0);
    std::fs::remove_file(folder.path().join("catalogue.db-shm")).unwrap();
    set_policy(&lab, 6).ends(0);
    lab.kill_engine();
    let status = lab.status();
    assert_eq!(lab.entry(&status, "t1")["policy"]["generations"], 6, "{status:#}");
    assert_eq!(lab.kept("t1").len(), 1);
    lab.run("audit verify").ends(0);
}

#[test]
fn a_log_that_is_removed_while_nobody_writes_is_noticed_too() {
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 2, "suspend");
    std::fs::remove_file(lab.path().join("catalogue.db-wal")).unwrap();
    let deadline = Instant::now() + DEADLINE;
    while !lab.path().join("catalogue.db-wal").exists() {
        assert!(Instant::now() < deadline, "the log does not come back");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    lab.kill_engine();
    let status = lab.status();
    assert_eq!(lab.entry(&status, "t1")["policy"]["generations"], 2, "{status:#}");
}

#[test]
fn a_catalogue_that_is_replaced_under_a_running_engine_is_not_written_and_goes_on_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let lab = lab_with_catalogue_in(folder.path());
    let (file, aside) = (folder.path().join("catalogue.db"), folder.path().join("aside.db"));
    std::fs::rename(&file, &aside).unwrap();
    let gone = set_policy(&lab, 4).ends(5).json();
    assert_eq!(gone["error"]["code"], "ecd-1912", "{gone:#}");
    std::fs::copy(&aside, &file).unwrap();
    let other = set_policy(&lab, 4).ends(5).json();
    assert_eq!(other["error"]["code"], "ecd-1912", "{other:#}");
    lab.wait_for("the catalogue takes no writes", |status| !writable(status));
    std::fs::rename(&aside, &file).unwrap();
    lab.wait_for("the catalogue takes writes again", writable);
    set_policy(&lab, 5).ends(0);
    lab.kill_engine();
    let status = lab.status();
    assert_eq!(lab.entry(&status, "t1")["policy"]["generations"], 5, "{status:#}");
}

#[test]
fn whatever_path_leads_to_a_catalogue_a_second_engine_is_refused_and_told_who_has_it() {
    const BIND: &str = r#"mount --bind "$1" "$2" && shift 2 && exec "$@""#;
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    let pid = instance::pid_of(&lab.home().engine()).unwrap();
    let file = lab.home().catalogue_file();
    let links = tempfile::tempdir().unwrap();
    let (folder, symbolic, hard) =
        (links.path().join("folder"), links.path().join("symbolic.db"), links.path().join("hard.db"));
    std::os::unix::fs::symlink(lab.home().state_dir(), &folder).unwrap();
    std::os::unix::fs::symlink(&file, &symbolic).unwrap();
    std::fs::hard_link(&file, &hard).unwrap();
    for path in [folder.join(file.file_name().unwrap()), symbolic, hard.clone()] {
        let place = CataloguePlace::Sqlite(path.clone());
        let refused = block_on(SqlCatalogue::open(&place, OpenOptions::default())).unwrap_err();
        let CatalogueError::InUse { holder, .. } = &refused else { panic!("{}: {refused}", path.display()) };
        assert_eq!(holder.as_ref().map(|holder| holder.pid), (path != hard).then_some(pid), "{refused}");
    }
    // A second home names the same file.
    let other = TestSite::new();
    let config = format!("site = \"other\"\n[catalogue]\nurl = \"sqlite:{}\"\n", file.display());
    std::fs::write(other.home().config_file(), config).unwrap();
    let refused = other.run("status --json").ends(5).json();
    assert_eq!(refused["error"]["code"], "ecd-1911", "{refused:#}");
    assert!(refused["error"]["text"].as_str().unwrap().contains(&format!("process {pid} on host")), "{refused:#}");

    let Some(unshare) = needs("mount namespaces") else { return };
    let bound = links.path().join("bound");
    std::fs::create_dir(&bound).unwrap();
    let config = format!("site = \"other\"\n[catalogue]\nurl = \"sqlite:{}\"\n", bound.join("catalogue.db").display());
    std::fs::write(other.home().config_file(), config).unwrap();
    let mut inside = Command::new(unshare);
    inside.args(["--mount", "sh", "-c", BIND, "sh"]).arg(lab.home().state_dir()).arg(&bound);
    let output = inside.arg(PROGRAM).arg("status").env("ECDECK_HOME", other.path()).stdin(Stdio::null()).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("ecd-1911"), "{output:?}");
}

/// What is written to a disk, and what makes it durable.
const CALLS: &str = "pwrite64,write,fsync,fdatasync,ftruncate";

/// From now on the `nth` call of each of the engine's threads on the catalogue's and the heads' files fails, until strace ends.
fn with_an_error(strace: &Path, lab: &Lab, error: &str, nth: u32) -> std::process::Child {
    let engine = instance::pid_of(&lab.home().engine()).unwrap();
    let mut command = Command::new(strace);
    command.args(["-f", "-qq", "-o", "/dev/null"]);
    for file in ["catalogue.db", "catalogue.db-wal", "catalogue.db-shm", "audit.heads"] {
        command.arg("-P").arg(lab.path().join(file));
    }
    command.arg("-e").arg(format!("trace={CALLS}"));
    command.arg("-e").arg(format!("inject={CALLS}:error={error}:when={nth}"));
    command.arg("-p").arg(engine.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let tracer = command.spawn().unwrap();
    let deadline = Instant::now() + DEADLINE;
    let traced = || std::fs::read_to_string(format!("/proc/{engine}/status")).unwrap();
    while traced().lines().any(|line| line.starts_with("TracerPid:") && line.ends_with("\t0")) {
        assert!(Instant::now() < deadline, "strace does not trace the engine");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    tracer
}

#[test]
fn an_error_of_the_disk_at_any_write_or_flush_loses_nothing_and_nothing_stays_stuck() {
    let Some(strace) = needs("strace") else { return };
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 2, "suspend");
    lab.synchronize("t1");
    let rounds = rounds(4).min(80);
    for round in 0..rounds {
        // Few rounds are spread over the calls, many take all of them.
        let nth = if rounds < 80 { 1 + round * 40 / rounds } else { 1 + round / 2 };
        let error = if round % 2 == 0 { "EIO" } else { "ENOSPC" };
        lab.status();
        let engine = instance::pid_of(&lab.home().engine());
        let mut tracer = with_an_error(&strace, &lab, error, nth);
        for generations in [3 + round % 5, 10 + round % 5] {
            // The tracer fails the nth call of each new thread, so an operation may wait until the tracer is gone.
            let set = lab.run(&format!(
                "policy set t1 --generations {generations} --interval 1 --mode suspend --yes --json --time-limit 3s"
            ));
            assert!([0, 1, 4, 5, 7, 8].contains(&set.exit), "{error} at {nth}: {set:?}");
        }
        // The disk is well again: everything goes on, without a new start.
        crate::test_site::kill(tracer.id(), Signal::TERM);
        let _ = tracer.wait();
        lab.wait_for("the catalogue takes writes", writable);
        lab.wait_for("no operation is open", |status| {
            status["operations"].as_array().unwrap().iter().all(|operation| !operation["end"].is_null())
        });
        let expected = 20 + round % 5;
        set_policy(&lab, expected).ends(0);
        assert_eq!(instance::pid_of(&lab.home().engine()), engine, "{error} at {nth}");
        lab.kill_engine();
        let status = lab.status();
        assert_eq!(lab.entry(&status, "t1")["policy"]["generations"], expected, "{error} at {nth}: {status:#}");
        lab.run("audit verify").ends(0);
    }
}
