//! Nothing waits for ever: a question at a terminal that was left, a reading verb whose engine hangs.

use super::array_lab::Lab;
use super::pty::Pty;
use super::test_site::PROGRAM;
use ecdeck::process::instance;
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn a_question_that_nobody_answers_ends_by_itself_and_nothing_was_done() {
    let lab = Lab::of(1, 1, 1);
    let home = lab.path().to_str().unwrap().to_owned();
    let argv = [PROGRAM, "sync", "start", "t1", "--time-limit", "2s"];
    let mut pty = Pty::run(&argv, &[("ECDECK_HOME", &home)], (100, 40));
    pty.until("Do this? [y/N]");
    // No line, so no answer.
    pty.types("y");
    let shown = String::from_utf8_lossy(&pty.everything()).into_owned();
    assert!(shown.contains("nobody answered within 2 s: nothing was done"), "{shown}");
    assert_eq!(pty.end(), 8);
    assert!(lab.status()["sessions"].as_array().unwrap().is_empty());
}

#[test]
fn a_reading_verb_ends_at_its_time_limit_and_says_who_was_waited_for() {
    let lab = Lab::of(1, 1, 1);
    lab.run("status").ends(0);
    let pid = instance::pid_of(&lab.home().engine()).unwrap();
    let engine = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(engine, Signal::STOP).unwrap();
    for words in ["status", "history", "volume list", "policy show", "audit show"] {
        let ran = lab.run(&format!("{words} --time-limit 1s")).ends(8);
        assert!(ran.err.contains("the time limit has passed") && ran.err.contains(&pid.to_string()), "{ran:?}");
    }
    let document = lab.run("status --json --time-limit 1s").ends(8).json();
    assert_eq!(document["exit"], 8, "{document:#}");
    kill_process(engine, Signal::CONT).unwrap();
    lab.run("status --time-limit 1m").ends(0);
}
