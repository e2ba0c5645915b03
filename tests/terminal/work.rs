//! An operator's work on a real terminal, with a real engine and real copies.

use crate::pty::Pty;
use crate::test_site::{PROGRAM, TestSite};
use rustix::process::{Pid, Signal, kill_process};

const SCREEN: (u16, u16) = (120, 40);

fn console(test_site: &TestSite, words: &[&str]) -> Pty {
    let mut argv = vec![PROGRAM, "--demo"];
    argv.extend(words);
    let environment = [("ECDECK_HOME", test_site.path().to_str().unwrap()), ("TZ", "UTC")];
    let pty = Pty::run(&argv, &environment, SCREEN);
    pty.until("demo-ora01");
    pty
}

/// Puts the cursor on a volume, by way of the filter.
fn choose(pty: &mut Pty, name: &str) {
    pty.types("/");
    pty.until("Enter keeps");
    pty.types(&format!("{name}\r"));
    pty.until(&format!("/{name}"));
}

fn state(test_site: &TestSite, name: &str) -> String {
    let status = test_site.json("status --demo");
    let volumes = status["transaction_volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|volume| volume["name"] == name).unwrap();
    volume["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_start_goes_on_when_the_line_is_lost_and_the_next_console_shows_it() {
    let test_site = TestSite::new();
    let mut pty = console(&test_site, &[]);
    choose(&mut pty, "demo-vg01");
    pty.types("s");
    pty.until("Start synchronization: demo-vg01");
    pty.until("Y run");
    pty.types("Y");
    pty.until("begun");
    kill_process(Pid::from_raw(pty.pid().cast_signed()).unwrap(), Signal::HUP).unwrap();
    assert_eq!(pty.end(), 0);
    pty.is_sane();
    let mut next = console(&test_site, &[]);
    choose(&mut next, "demo-vg01");
    next.until("demo-vg01    48 MiB  ◆ equivalent");
    next.types("b");
    next.until("Backup: demo-vg01");
    next.until("Y run");
    next.types("Y");
    next.until("1/1");
    assert_eq!(state(&test_site, "demo-vg01"), "suspended");
}

#[test]
fn a_paste_into_the_main_screen_starts_nothing() {
    let test_site = TestSite::new();
    let mut pty = console(&test_site, &[]);
    choose(&mut pty, "demo-vg01");
    pty.types("\u{1b}[200~sY\u{1b}[201~");
    pty.types("?");
    pty.until("Help");
    assert!(!pty.text().contains("Start synchronization:"));
    assert_eq!(state(&test_site, "demo-vg01"), "none");
}

#[test]
fn keys_typed_ahead_of_a_plan_do_not_agree_to_it() {
    let test_site = TestSite::new();
    let mut pty = console(&test_site, &[]);
    choose(&mut pty, "demo-vg01");
    pty.types("sYYY");
    pty.until("Start synchronization: demo-vg01");
    pty.until("Y run");
    pty.types("\u{1b}");
    pty.until_gone("Start synchronization: demo-vg01");
    assert_eq!(state(&test_site, "demo-vg01"), "none");
}

#[test]
fn a_read_only_console_refuses_with_its_reason() {
    let test_site = TestSite::new();
    let mut pty = console(&test_site, &["--read-only"]);
    choose(&mut pty, "demo-vg01");
    pty.types("s");
    pty.until("this console was started with --read-only");
}

/// Types a line as a person does, who sees what they type.
fn command(pty: &mut Pty, line: &str) {
    pty.types(":");
    pty.until("Commands");
    pty.types(line);
    pty.until(line);
    pty.types("\r");
}

#[test]
fn a_typed_line_registers_a_volume_group_by_its_host() {
    let test_site = TestSite::of_the_demonstration();
    test_site.run("volume remove DEMO1/0x39 --demo --yes").ends(0);
    let mut pty = console(&test_site, &[]);
    command(&mut pty, "volume add --transaction DEMO1/0x52 --group demo-host:vg02");
    pty.until("has 2 physical disks");
    pty.types("\x1b");
    pty.until_gone("has 2 physical disks");
    command(&mut pty, "volume add --backup DEMO1/0x39 --group demo-host:vg01bk2");
    pty.until("confirm that it is DEMO1/0x39");
    pty.until("Y run");
    pty.types("Y");
    pty.until("done");
    let status = test_site.json("status --demo");
    let pool = status["pool"].as_array().unwrap();
    let registered = pool.iter().find(|volume| volume["location"] == "DEMO1/0x39").unwrap();
    assert_eq!(registered["group"], "demo-host:vg01bk2", "{registered}");
}

/// The name that the plan on the screen wants typed.
fn wanted_name(pty: &Pty) -> String {
    let text = pty.text();
    let after = text.split_once("Type ").map(|(_, after)| after);
    after.and_then(|after| after.split_once(" to agree:")).expect("a plan that wants a name").0.to_owned()
}

#[test]
fn a_restore_is_done_by_who_only_reads_the_screen() {
    let test_site = TestSite::new();
    let mut pty = console(&test_site, &[]);
    choose(&mut pty, "demo-web");
    pty.types("t");
    pty.until("Restore: demo-web");
    pty.until("When were the data still good?");
    pty.types("40d");
    pty.until("no valid generation is older than");
    pty.types("\x15");
    pty.until("now: the newest valid one");
    pty.types("\t");
    pty.until("proof");
    // To the volumes, and to what is known of the hosts.
    pty.types("\t");
    pty.until("volumes can be chosen");
    pty.types("\t");
    pty.until("<  not looked  >");
    // Before the array has been read there is no target, and an answer about one would not be kept.
    pty.until("mounted is not checked");
    pty.types("\x1b[C");
    pty.until("Nothing of demo-web is lost");
    pty.until("by hand: unmount");
    pty.types("\r");
    pty.until("to agree:");
    pty.until("Y type the name");
    let name = wanted_name(&pty);
    pty.types("Y");
    pty.until(&format!("Enter overwrite {name} with"));
    pty.types(&name);
    pty.until(&format!("to agree: {name}"));
    let restores = |status: &serde_json::Value| status["restores"].as_array().unwrap().len();
    assert_eq!(restores(&test_site.json("status --demo")), 0, "nothing runs before Enter");
    // Enter does not count while the plan is drawn anew: who reads the screen sees that it is still there.
    for _ in 0..20 {
        if !pty.text().contains("to agree:") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        pty.types("\r");
        test_site.json("status --demo");
    }
    pty.until_gone("to agree:");
    // One Enter more than was needed opens the details of the row, over the events.
    pty.types("\u{1b}");
    pty.until("was restored to");
    assert_eq!(restores(&test_site.json("status --demo")), 0);
    assert_eq!(state(&test_site, "demo-web"), "suspended", "its suspended pairs stay");
}
