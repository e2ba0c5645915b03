//! Hooks of whole sites: real scripts around real backups, and engines that die or hang between them.

use super::array_lab::{Lab, by_ccm};
use super::test_site::kill;
use ecdeck::process::instance;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// For what surely comes.
const LONG: Duration = Duration::from_mins(1);

/// A site with one equivalent volume and hooks whose scripts note what they are told.
struct Hooked {
    lab: Lab,
}

impl Hooked {
    /// `hooks`: name, more keys, and what the scripts before and after the backup do beyond noting.
    fn new(backups: u32, generations: u32, hooks: &[(&str, &str, &str, &str)]) -> Self {
        let hooked = Self { lab: Lab::of(1, backups, 1) };
        let mut config = String::new();
        for (name, keys, before, after) in hooks {
            let (before, after) =
                (hooked.script(&format!("{name}-before"), before), hooked.script(&format!("{name}-after"), after));
            writeln!(
                config,
                "[[hook]]\nname = \"{name}\"\nbefore_backup = [\"{}\", \"an argument\"]\nafter_backup = [\"{}\"]\n{keys}",
                before.display(),
                after.display()
            )
            .unwrap();
        }
        hooked.lab.configure(&config);
        hooked.lab.policy("t1", generations, "suspend");
        hooked.lab.synchronize("t1");
        hooked
    }

    fn script(&self, name: &str, more: &str) -> PathBuf {
        let path = self.lab.path().join(name);
        let log = self.lab.path().join("hooks.log");
        let text = format!(
            "#!/bin/sh\necho \"{name} $ECDECK_PHASE $ECDECK_VOLUME $ECDECK_RESULT $ECDECK_VERSION $ECDECK_DRY_RUN\" >> {}\n\
             {more}\n",
            log.display()
        );
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Each run: name, result and version.
    fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.lab.path().join("hooks.log")).unwrap_or_default();
        let told = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let [name, _, volume, result, version, _] = words[..] else { panic!("{line}") };
            assert_eq!(volume, "t1");
            [name, result, version].join(" ").trim().to_owned()
        };
        text.lines().map(told).collect()
    }

    fn forget(&self) {
        let _ = std::fs::remove_file(self.lab.path().join("hooks.log"));
    }

    fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + LONG;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The newest generation.
    fn newest(&self) -> Value {
        self.lab.json("history t1")["generations"][0].clone()
    }

    fn again(&self) {
        self.forget();
        self.lab.synchronize("t1");
    }
}

#[test]
fn scripts_run_around_a_backup_and_the_plan_lists_them() {
    let hooked = Hooked::new(2, 1, &[("a", "", "", ""), ("b", "limit = \"2s\"\npause = \"5s\"", "", "")]);
    let lab = &hooked.lab;
    let plan = lab.run("backup t1 --dry-run").ends(0).out;
    for part in [
        "a-before an argument before the backup (hook a, required)",
        "b-after after the backup",
        "for 58 s at the longest",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    lab.back_up("t1");
    assert_eq!(hooked.log(), ["a-before", "b-before", "b-after done v1", "a-after done v1"]);
    assert_eq!(hooked.newest()["crash_consistent"], Value::Null);
    let audit = lab.run("audit show --last 50").ends(0).out;
    assert!(audit.contains("the script of b after the backup succeeded"), "{audit}");
    // Nothing is left of the guard.
    let run = lab.home().engine().socket.parent().unwrap().to_owned();
    let left = || {
        std::fs::read_dir(&run).unwrap().flatten().any(|file| file.file_name().to_string_lossy().starts_with("hook-"))
    };
    hooked.until("the guard is gone", |_| !left());
    lab.run("audit verify").ends(0);
}

#[test]
fn a_failed_script_before_the_backup_suspends_nothing_and_what_was_begun_is_undone() {
    for (status, said) in
        [(5, "status 5"), (12, "status 12"), (31, "status 31"), (100, "status 100"), (255, "status 255")]
    {
        let fails = format!("printf 'no \\033[2Jroom\\n' >&2; exit {status}");
        let hooked = Hooked::new(1, 1, &[("a", "", "", ""), ("b", "", &fails, ""), ("c", "", "", "")]);
        let ran = hooked.lab.run("backup t1 --yes");
        assert!(ran.exit != 0 && !ran.err.contains('\u{1b}') && !ran.out.contains('\u{1b}'), "{ran:?}");
        let text = format!("{}{}", ran.out, ran.err);
        assert!(text.contains("ecd-1506") && text.contains(said) && text.contains("room"), "{text}");
        assert_eq!(hooked.log(), ["a-before", "b-before", "b-after failed", "a-after failed"]);
        assert!(hooked.lab.kept("t1").is_empty());
        let status = hooked.lab.status();
        assert_eq!(hooked.lab.entry(&status, "t1")["state"], "equivalent");
        if by_ccm() {
            return;
        }
    }
}

#[test]
fn scripts_that_cannot_run_or_do_not_end_are_failures_that_say_why() {
    if by_ccm() {
        return;
    }
    let hang = "trap '' TERM; (trap '' TERM; sleep 3600) & sleep 3600";
    let hooked = Hooked::new(1, 1, &[("a", "limit = \"2s\"\npause = \"30s\"", hang, "head -c 3000000 /dev/zero")]);
    let lab = &hooked.lab;
    let begun = Instant::now();
    let ran = lab.run("backup t1 --yes");
    assert!(ran.exit != 0 && begun.elapsed() < Duration::from_secs(30), "{ran:?}");
    assert!(format!("{}{}", ran.out, ran.err).contains("had not ended after 2 s and was ended"), "{ran:?}");
    let script = lab.path().join("a-before");
    let fails = |said: &str| {
        let ran = lab.run("backup t1 --yes");
        let text = format!("{}{}", ran.out, ran.err);
        assert!(ran.exit != 0 && text.contains(said), "{said}: {ran:?}");
        let list = lab.run("hook list");
        assert!(list.exit == 1 && list.out.contains(said), "{said}: {list:?}");
        assert!(lab.kept("t1").is_empty());
    };
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o644)).unwrap();
    fails("is not executable");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o777)).unwrap();
    fails("other users can write");
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        rustix::fs::chown(&script, Some(rustix::fs::Uid::from_raw(4_242)), None).unwrap();
        fails("belongs to uid 4242");
    }
    std::fs::remove_file(&script).unwrap();
    fails("cannot be looked at");
    hooked.script("a-before", "");
    lab.run("hook list").ends(0);
    lab.back_up("t1");
}

#[test]
fn a_generation_whose_required_script_failed_needs_attention_until_it_is_cleared() {
    let hooked = Hooked::new(2, 1, &[("a", "", "", "exit $(cat $0.status 2> /dev/null || echo 0)")]);
    let lab = &hooked.lab;
    lab.back_up("t1");
    hooked.again();
    std::fs::write(lab.path().join("a-after.status"), "7").unwrap();
    let ran = lab.run("backup t1 --yes").ends(1);
    assert!(format!("{}{}", ran.out, ran.err).contains("ecd-1508"), "{ran:?}");
    // Nothing is released for it.
    let kept: Vec<u64> = lab.kept("t1").iter().map(|(version, _)| *version).collect();
    assert_eq!(kept, [2, 1]);
    assert!(hooked.newest()["state"].to_string().contains("needs-attention"), "{:#}", hooked.newest());
    let audit = lab.run("audit show --last 50").ends(0).out;
    assert!(audit.contains("nothing is released until v2 is in order; its next start has no backup volume"), "{audit}");
    // It fails again, and again nothing is cleared.
    lab.run("history post t1 --version 2 --yes").ends(1);
    assert!(hooked.newest()["state"].to_string().contains("needs-attention"));
    std::fs::remove_file(lab.path().join("a-after.status")).unwrap();
    hooked.forget();
    lab.run("history post t1 --version 2 --yes").ends(0);
    assert_eq!(hooked.log(), ["a-after done v2"]);
    assert!(hooked.newest()["state"].to_string().contains("valid"), "{:#}", hooked.newest());
    lab.refused("history post t1 --version 2 --yes", "ecd-1310");
    lab.run("audit verify").ends(0);
}

#[test]
fn an_advisory_script_that_fails_is_a_warning_and_the_generation_says_so() {
    let hooked = Hooked::new(2, 1, &[("a", "need = \"advisory\"", "exit 3", "exit 4")]);
    hooked.lab.run("backup t1 --yes").ends(0);
    let newest = hooked.newest();
    assert!(newest["state"].to_string().contains("valid"), "{newest:#}");
    assert!(newest["crash_consistent"].as_str().unwrap().contains("advisory script of a"), "{newest:#}");
    let history = hooked.lab.run("history t1").ends(0).out;
    assert!(history.contains("crash-consistent"), "{history}");
}

#[test]
fn a_backup_without_its_hooks_is_a_stated_one() {
    let hooked = Hooked::new(1, 1, &[("a", "", "exit 1", "")]);
    hooked.lab.run("backup t1 --crash-consistent --yes").ends(0);
    assert!(hooked.log().is_empty());
    assert!(hooked.newest()["crash_consistent"].as_str().unwrap().contains("without hooks"), "{:#}", hooked.newest());
}

#[test]
fn a_hook_is_tried_out_with_a_dry_run_after_a_question() {
    let hooked = Hooked::new(1, 1, &[("a", "", "", "exit 9")]);
    let lab = &hooked.lab;
    lab.run("hook test a --volume t1").ends(3);
    assert!(hooked.log().is_empty());
    let ran = lab.run("hook test a --volume t1 --yes").ends(1);
    assert!(ran.out.contains("after-backup: ended with status 9"), "{ran:?}");
    let text = std::fs::read_to_string(lab.path().join("hooks.log")).unwrap();
    assert!(text.lines().count() == 2 && text.lines().all(|line| line.ends_with(" 1")), "{text}");
    assert!(lab.run("hook test b --volume t1 --yes").ends(2).err.contains("known are: a"));
    lab.configure("[[hook]]\nname = \"lost\"\nvolumes = [\"t9\"]\nafter_backup = [\"/bin/true\"]\n");
    assert!(lab.run("hook list").ends(1).out.contains("lost: t9 is no transaction volume"));
}

/// A backup that is between its scripts: the one before it has run, and the array takes its time.
fn between(hooked: &Hooked) -> super::test_site::Running {
    hooked.lab.run("array fault A1 slow --millis 2500").ends(0);
    let backup = hooked.lab.spawn("backup t1 --yes");
    hooked.until("the script before the backup has run", |hooked| hooked.log().len() == 1);
    backup
}

#[test]
fn an_engine_that_is_killed_between_the_scripts_twice_leaves_nothing_paused() {
    let hooked = Hooked::new(3, 2, &[("a", "limit = \"3s\"\npause = \"6s\"", "", "")]);
    for _ in 0..2 {
        let backup = between(&hooked);
        hooked.lab.kill_engine();
        backup.end();
        // The next engine, dead as well before it could do much.
        hooked.lab.spawn("status").end();
        hooked.lab.kill_engine();
        // Nobody is there but the guard.
        hooked.until("the guard undoes it in time", |hooked| hooked.log().len() >= 2);
        hooked.lab.run("array fault A1 clear").ends(0);
        hooked.lab.wait_for("recovery", |status| {
            status["operations"].as_array().unwrap().iter().all(|operation| !operation["end"].is_null())
        });
        let log = hooked.log();
        assert!(log[0] == "a-before" && log[1..].iter().all(|line| line.starts_with("a-after")), "{log:?}");
        // What was recorded after the pause says so.
        for generation in hooked.lab.json("history t1")["generations"].as_array().unwrap() {
            let undone_by_guard = log.contains(&"a-after unknown".to_owned());
            assert!(!undone_by_guard || generation["crash_consistent"].is_string(), "{generation:#} {log:?}");
        }
        hooked.forget();
        hooked.lab.run("sync start t1 --wait --ensure --yes").ends(0);
    }
}

#[test]
fn an_engine_that_hangs_between_the_scripts_is_not_waited_for() {
    let hooked = Hooked::new(2, 2, &[("a", "limit = \"3s\"\npause = \"4s\"", "", "")]);
    let backup = between(&hooked);
    let pid = instance::pid_of(&hooked.lab.home().engine()).unwrap();
    let engine = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(engine, Signal::STOP).unwrap();
    hooked.until("the guard undoes it in time", |hooked| hooked.log().len() == 2);
    assert_eq!(hooked.log(), ["a-before", "a-after unknown"]);
    kill_process(engine, Signal::CONT).unwrap();
    backup.end();
    hooked.lab.run("array fault A1 clear").ends(0);
    hooked.lab.wait_for("its end", |status| {
        status["operations"].as_array().unwrap().iter().all(|operation| !operation["end"].is_null())
    });
    for generation in hooked.lab.json("history t1")["generations"].as_array().unwrap() {
        assert!(generation["crash_consistent"].is_string(), "{generation:#}");
    }
    assert_eq!(hooked.log().len(), 2, "the guard's run counts: {:?}", hooked.log());
}

#[test]
fn when_engine_and_guard_are_both_killed_the_next_engine_undoes_it() {
    let hooked = Hooked::new(2, 2, &[("a", "", "", "")]);
    let backup = between(&hooked);
    hooked.lab.kill_engine();
    let guard = std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let is_guard = String::from_utf8_lossy(&line).contains("hook-guard");
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let home = hooked.lab.path().to_str()?.to_owned();
        (is_guard && String::from_utf8_lossy(&environment).contains(&home)).then_some(pid)
    });
    kill(guard.expect("the guard of this site"), Signal::KILL);
    backup.end();
    hooked.lab.run("array fault A1 clear").ends(0);
    hooked.lab.wait_for("recovery", |status| {
        status["operations"].as_array().unwrap().iter().all(|operation| !operation["end"].is_null())
    });
    let log = hooked.log();
    assert!(log.len() == 2 && log[1].starts_with("a-after"), "{log:?}");
}
