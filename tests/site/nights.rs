//! Unattended nights: many cron lines at once, volumes that are late, limits by the clock, clocks that are wrong, an engine
//! that hangs.

use super::array_lab::Lab;
use super::test_site::{DEADLINE, kill_softly};
use crate::needs::{needs, skip};
use crate::test_site::InTime;
use ecdeck::process::instance;
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

#[test]
fn ten_cron_lines_in_the_same_second_all_get_a_copy() {
    let lab = Lab::of(10, 10, 1);
    lab.status();
    let scripts: Vec<_> = (1..=10).map(|number| lab.spawn(&format!("sync start t{number} --wait --yes"))).collect();
    for script in scripts {
        script.end().ends(0);
    }
    let status = lab.status();
    let volumes = status["transaction_volumes"].as_array().unwrap();
    assert!(volumes.iter().all(|volume| volume["state"] == "equivalent"), "{status:#}");
    lab.run("audit verify").ends(0);
}

/// `t1` is equivalent, `t2` copies for a long time.
fn one_is_late() -> Lab {
    let lab = Lab::of(2, 2, 4);
    lab.policy("t1", 1, "suspend");
    lab.policy("t2", 1, "suspend");
    lab.synchronize("t1");
    lab.run("array rate 64KiB").ends(0);
    lab.run("sync start t2 --yes").ends(0);
    lab
}

#[test]
fn each_volume_is_backed_up_when_it_is_ready_and_the_late_one_is_named() {
    let lab = one_is_late();
    let ran = lab.run("backup t1 t2 --wait --yes --time-limit 3s --json").ends(6);
    let document = ran.json();
    assert_eq!(document["result"], "time-limit");
    let late = document["late"].as_array().unwrap();
    assert_eq!(late.len(), 1);
    assert_eq!(late[0]["volume"]["name"], "t2");
    assert!(late[0]["percent"].is_number(), "{document:#}");
    assert_eq!((lab.kept("t1").len(), lab.kept("t2").len()), (1, 0));
    // Whoever looks in the morning finds it as well, with how far it was.
    let report = lab.run("report --since 1h").ends(0);
    let is_there = |words: &[&str]| report.out.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(is_there(&["t2", "% copied", "ecd-1505"]), "{}", report.out);
    lab.run("array rate none").ends(0);
    // The same line again backs up just the missing one.
    lab.run("backup t1 t2 --wait --yes --ensure").ends(0);
    assert_eq!((lab.kept("t1")[0].0, lab.kept("t2").len()), (1, 1));
    lab.run("backup t1 t2 --wait --yes --ensure").ends(0);
    assert_eq!((lab.kept("t1")[0].0, lab.kept("t2")[0].0), (1, 1));
}

#[test]
fn a_volume_without_a_session_does_not_keep_the_others() {
    let lab = Lab::of(2, 2, 4);
    lab.policy("t1", 1, "suspend");
    lab.policy("t2", 1, "suspend");
    lab.run("array rate 64KiB").ends(0);
    lab.run("sync start t2 --yes").ends(0);
    let mut waiting = lab.spawn("backup t1 t2 --wait --yes");
    waiting.until_it_says("ecd-1302");
    lab.run("array rate none").ends(0);
    waiting.end().ends(6);
    assert_eq!((lab.kept("t1").len(), lab.kept("t2").len()), (0, 1));
}

#[test]
fn nothing_is_suspended_after_the_time_of_the_clock() {
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    let past = lab.run("backup t1 --yes --json --until 2020-01-01T04:00").ends(8).json();
    assert_eq!(past["error"]["code"], "ecd-1505");
    assert_eq!(lab.entry(&lab.status(), "t1")["state"], "equivalent");
    lab.run("backup t1 --yes --until 2199-01-01T04:00").ends(0);
    assert_eq!(lab.kept("t1").len(), 1);
}

#[test]
fn a_young_generation_is_enough_and_an_old_one_is_not() {
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.run("backup t1 --yes --ensure").ends(0);
    lab.run("backup t1 --yes --ensure --newer-than 1h").ends(0);
    lab.run("backup t1 --yes --ensure --newer-than 0s").ends(3);
    lab.run("backup t1 --yes --newer-than 1h").ends(2);
    assert_eq!(lab.kept("t1")[0].0, 1);
}

#[test]
fn a_hanging_engine_is_waited_for_no_longer_than_the_time_limit_and_named() {
    let lab = Lab::of(1, 1, 1);
    lab.status();
    let pid = instance::pid_of(&lab.home().engine()).unwrap();
    let engine = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(engine, Signal::STOP).unwrap();
    let began = Instant::now();
    let ran = lab.run("sync start t1 --yes --json --time-limit 1500ms");
    let took = began.elapsed();
    kill_process(engine, Signal::CONT).unwrap();
    let ran = ran.ends(8);
    assert!(ran.json()["error"]["text"].as_str().unwrap().contains(&pid.to_string()), "{ran:?}");
    assert!(took < DEADLINE, "{took:?}");
    lab.synchronize("t1");
}

/// The library that gives a process another wall clock, where it is installed.
fn other_clock() -> Option<PathBuf> {
    needs("faketime")?;
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib64/faketime"];
    let library =
        folders.iter().map(|folder| PathBuf::from(folder).join("libfaketime.so.1")).find(|file| file.is_file());
    if library.is_none() {
        skip("faketime", "its library is in none of the usual folders");
    }
    library
}

#[test]
fn whoever_waits_with_another_clock_than_the_engine_waits_no_longer() {
    let Some(library) = other_clock() else { return };
    let lab = Lab::of(2, 4, 1);
    lab.policy("t1", 1, "dissolve");
    lab.policy("t2", 1, "dissolve");
    lab.status();
    for (volume, shift) in [("t1", "+2h"), ("t2", "-2h")] {
        let run = |words: &[&str]| {
            let mut command = lab.command(words);
            command.env("LD_PRELOAD", &library).env("FAKETIME", shift).env("DONT_FAKE_MONOTONIC", "1");
            let output = command.in_time();
            assert_eq!(output.status.code(), Some(0), "{shift} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        run(&["sync", "start", volume, "--wait", "--yes", "--time-limit", "50s"]);
        run(&["backup", volume, "--wait", "--yes", "--time-limit", "50s"]);
    }
}

#[test]
fn watching_ends_when_nobody_reads() {
    let lab = Lab::of(1, 1, 1);
    lab.status();
    let mut command = lab.command(&["status", "--watch", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    let deadline = Instant::now() + DEADLINE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            kill_softly(child.id());
            panic!("it watches for nobody");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn what_was_done_and_could_not_be_told_is_no_failure() {
    let lab = Lab::of(1, 1, 1);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = lab.command(&["sync", "start", "t1", "--yes", "--json"]);
    assert_eq!(command.stdout(full).status().unwrap().code(), Some(4));
    lab.wait_for_state("t1", "equivalent");
}

#[test]
fn names_that_read_like_others_are_refused() {
    let lab = Lab::of(1, 0, 1);
    for (olu, name) in (0x41..).zip(["T1", "0x1", "ALL"]) {
        let place = lab.volume("A1", olu, 1);
        lab.refused(&format!("volume add --backup {place} --name {name} --yes"), "ecd-1108");
    }
}

#[test]
fn a_policy_that_keeps_fewer_names_what_the_next_backup_releases() {
    let lab = Lab::of(1, 4, 1);
    lab.policy("t1", 3, "dissolve");
    for _ in 0..3 {
        lab.synchronize("t1");
        lab.back_up("t1");
    }
    let document = lab.policy("t1", 1, "dissolve").json();
    let notices = document["plan"]["items"][0]["notices"].as_array().unwrap();
    let notice = notices.iter().find(|notice| notice["code"] == "ecd-1809").unwrap();
    let text = notice["text"].as_str().unwrap();
    assert!(text.contains("v1, v2 and v3 of t1 are beyond"), "{text}");
    assert_eq!(lab.kept("t1").len(), 3, "nothing is given up yet");
}
