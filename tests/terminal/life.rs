//! The terminal is given back whatever ends the console, and no terminal can make it spin.

use crate::needs::needs;
use crate::pty::Pty;
use crate::test_site::{PROGRAM, TestSite, kill};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

const SCREEN: (u16, u16) = (100, 30);

/// A console on the demonstration site, drawn.
fn console(test_site: &TestSite, words: &[&str], environment: &[(&str, &str)]) -> Pty {
    let mut argv = vec![PROGRAM, "--demo"];
    argv.extend(words);
    let pty = run(test_site, &argv, environment);
    pty.until("demo-ora01");
    pty
}

fn run(test_site: &TestSite, argv: &[&str], environment: &[(&str, &str)]) -> Pty {
    let mut all = vec![("ECDECK_HOME", test_site.path().to_str().unwrap()), ("TZ", "UTC")];
    all.extend(environment);
    Pty::run(argv, &all, SCREEN)
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

#[test]
fn it_shows_the_demonstration_site_and_leaves_the_terminal_as_it_was() {
    let test_site = TestSite::new();
    let mut pty = console(&test_site, &[], &[]);
    assert!(pty.text().contains("demonstration site"));
    assert!(pty.look(|screen| screen.alternate_screen() && screen.hide_cursor()));
    pty.types("q");
    assert_eq!(pty.end(), 0);
    pty.is_sane();
}

#[test]
fn signals_end_it_and_the_terminal_is_given_back() {
    let test_site = TestSite::new();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let mut pty = console(&test_site, &[], &[]);
        send(pty.pid(), signal);
        assert_eq!(pty.end(), 0, "{signal:?}");
        pty.is_sane();
    }
    let mut pty = console(&test_site, &[], &[]);
    pty.types("\u{3}");
    assert_eq!(pty.end(), 0);
    pty.is_sane();
}

#[test]
fn it_stops_for_the_shell_and_comes_back() {
    let test_site = TestSite::new();
    let script = r#"set -m; "$0" --demo; echo STOPPED; read answer; fg >/dev/null; echo BACK"#;
    let mut pty = run(&test_site, &["bash", "-c", script, PROGRAM], &[]);
    for stop in ["\u{1a}", "signal"] {
        pty.until("demo-ora01");
        if stop == "signal" {
            let console = children(pty.pid())[0];
            send(console, Signal::TSTP);
        } else {
            pty.types(stop);
        }
        pty.until("STOPPED");
        pty.is_sane();
        if stop == "signal" {
            break;
        }
        let before = pty.written();
        pty.types("\n");
        pty.until_written(before, "demo-ora01");
        pty.types("q");
        pty.until("BACK");
        assert_eq!(pty.end(), 0);
        pty = run(&test_site, &["bash", "-c", script, PROGRAM], &[]);
    }
    pty.types("\n");
    pty.until("demo-ora01");
    pty.types("q");
    pty.until("BACK");
}

#[test]
fn without_a_shell_to_go_back_to_it_stays() {
    let test_site = TestSite::new();
    let mut pty = console(&test_site, &[], &[]);
    pty.types("\u{1a}");
    pty.until("there is no shell to go back to");
    pty.types("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn a_terminal_that_dies_ends_it_within_a_second_even_when_no_signal_tells() {
    let test_site = TestSite::new();
    if needs("script").is_none() {
        return;
    }
    // `script` owns the terminal of the console; killed, it takes it away without a word.
    let inner = format!("exec env --block-signal=HUP {PROGRAM} --demo");
    let pty = run(&test_site, &["script", "-qc", &inner, "/dev/null"], &[("SHELL", "/bin/bash")]);
    pty.until("demo-ora01");
    let console = children(pty.pid()).into_iter().find(|pid| name_of(*pid) == "ecdeck").expect("the console runs");
    send(pty.pid(), Signal::KILL);
    let since = Instant::now();
    while name_of(console) == "ecdeck" {
        assert!(since.elapsed() < Duration::from_secs(1), "the console outlives its terminal");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

/// The command of a process that runs; empty when it is gone.
fn name_of(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let dead = stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X']));
    let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("", |(name, _)| name);
    if dead { String::new() } else { name.to_owned() }
}

#[test]
fn any_size_is_lived_with_while_it_runs() {
    let test_site = TestSite::new();
    let mut pty = console(&test_site, &[], &[]);
    for size in [(200, 60), (20, 5), (80, 24), (1, 1), (120, 40), (41, 8), (20, 5)] {
        pty.resize(size);
    }
    pty.until("needs 40x8");
    pty.resize((200, 60));
    pty.until("policy");
    pty.resize((80, 24));
    pty.until("1 copies");
    pty.types("q");
    assert_eq!(pty.end(), 0);
    pty.is_sane();
}

#[test]
fn without_colour_the_selected_row_is_still_seen() {
    let test_site = TestSite::new();
    let mut pty = console(&test_site, &[], &[("NO_COLOR", "1")]);
    let (inverse, coloured) = pty.look(|screen| {
        let cells = (0..SCREEN.1).flat_map(|row| (0..SCREEN.0).map(move |column| (row, column)));
        let cells: Vec<_> = cells.filter_map(|(row, column)| screen.cell(row, column)).collect();
        let coloured =
            |cell: &&&vt100::Cell| cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default;
        (cells.iter().filter(|cell| cell.inverse()).count(), cells.iter().filter(coloured).count())
    });
    assert!(inverse >= usize::from(SCREEN.0) / 2, "{inverse} cells are reversed");
    assert_eq!(coloured, 0);
    pty.types("q");
    pty.end();
}

/// The test program itself, on a terminal, in the test that follows.
#[test]
#[ignore = "run by the next test"]
fn panics_with_the_terminal_in_its_hands() {
    let _tty = ecdeck::console::terminal::tty::Tty::take().unwrap();
    panic!("on purpose");
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_message() {
    let this = std::env::current_exe().unwrap();
    let argv =
        [this.to_str().unwrap(), "--ignored", "--exact", "--nocapture", "life::panics_with_the_terminal_in_its_hands"];
    let mut pty = Pty::run(&argv, &[], SCREEN);
    pty.until("on purpose");
    pty.is_sane();
    assert_ne!(pty.end(), 0);
}

#[test]
fn an_engine_that_is_killed_is_said_and_found_again() {
    let test_site = TestSite::new();
    let mut pty = console(&test_site, &[], &[]);
    let engine = test_site.home().demonstration().engine();
    let pid = ecdeck::process::instance::pid_of(&engine).unwrap();
    let before = pty.written();
    kill(pid, Signal::KILL);
    pty.until_written(before, "engine lost");
    pty.until_gone("engine lost");
    pty.until("demo-ora01");
    pty.types("/ora02\r");
    pty.until("1 of 10");
    pty.types("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn an_engine_that_hangs_is_said_what_is_shown_is_dated_and_nothing_is_sent_to_it() {
    let test_site = TestSite::new();
    let mut pty = console(&test_site, &[], &[]);
    let engine = test_site.home().demonstration().engine();
    let pid = ecdeck::process::instance::pid_of(&engine).unwrap();
    pty.types("/ora02\r");
    pty.until("1 of 10");
    send(pid, Signal::STOP);
    pty.until(&format!("no sign of life of the engine (pid {pid}) since"));
    pty.until("as of");
    pty.types("s");
    // The question is given up by itself, and that is said.
    pty.until("has given no sign of life for");
    send(pid, Signal::CONT);
    pty.until_gone("as of");
    pty.types("\u{3}");
    assert_eq!(pty.end(), 0);
}
