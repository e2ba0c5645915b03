//! Device maps on a real terminal: a map set made and started by keys only, drafts after a lost line, the editor.

use crate::pty::Pty;
use crate::test_site::{PROGRAM, TestSite};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const SCREEN: (u16, u16) = (80, 24);

fn console(test_site: &TestSite, editor: &str) -> Pty {
    let environment = [("ECDECK_HOME", test_site.path().to_str().unwrap()), ("TZ", "UTC"), ("EDITOR", editor)];
    let pty = Pty::run(&[PROGRAM, "--demo"], &environment, SCREEN);
    // Only an array that was read can say what fits.
    pty.until("◆ equivalent");
    pty
}

/// A new map set with `demo-vg01`, at the grid with its proposal.
fn propose(pty: &mut Pty) {
    pty.types("m");
    pty.until("new map set");
    pty.types("a");
    pty.until("0 of 10 chosen");
    pty.types("/");
    pty.until("show only:");
    pty.types("vg01\r");
    pty.until("shown: /vg01");
    pty.types(" ");
    pty.until("1 of 10 chosen");
    pty.types("\r");
    pty.until("For demo-vg01 in round A");
}

fn hang_up(pty: &mut Pty) {
    kill_process(Pid::from_raw(pty.pid().cast_signed()).unwrap(), Signal::HUP).unwrap();
    assert_eq!(pty.end(), 0);
    pty.is_sane();
}

/// From the rounds on: checked, shown as a file, stored.
pub fn store_the_map(pty: &mut Pty) {
    pty.types("3");
    pty.until("can be stored");
    pty.types("w");
    pty.until("The file that is written");
    pty.types("w");
    pty.until("Y run");
    pty.types("Y");
    pty.until("import map: done");
    pty.until("tonight");
}

#[test]
fn a_map_set_is_made_and_a_synchronization_started_with_it_by_keys_only() {
    let test_site = TestSite::of_the_demonstration();
    let mut pty = console(&test_site, "false");
    propose(&mut pty);
    store_the_map(&mut pty);
    let shown = test_site.json("map show nightly");
    let pairs = shown["pairs"].as_array().unwrap();
    let rounds: Vec<_> = pairs.iter().map(|pair| pair["round"].as_str().unwrap()).collect();
    assert_eq!(rounds, ["A", "B"], "G + 1: {shown:#}");
    let round_a = pairs[0]["backup_volume"].clone();
    pty.types("s");
    pty.until("by round A of map set nightly");
    pty.until("Y run");
    pty.types("Y");
    pty.until("begun");
    test_site.wait_for("the copy of demo-vg01 to the volume of its round", |status| {
        status["sessions"].as_array().unwrap().iter().any(|session| session["target"]["id"] == round_a)
    });
    pty.types("\u{1b}");
    pty.until("demo-ora01");
    pty.types("q");
    assert_eq!(pty.end(), 0);
    pty.is_sane();
}

#[test]
fn a_draft_survives_a_lost_line_and_a_damaged_one_stops_nothing() {
    let test_site = TestSite::of_the_demonstration();
    let mut pty = console(&test_site, "false");
    propose(&mut pty);
    hang_up(&mut pty);
    let drafts = test_site.home().demonstration().state_dir().join("drafts");
    let draft = drafts.join("map-nightly.json");
    let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&draft), mode(&drafts)), (0o600, 0o700));
    let mut pty = console(&test_site, "false");
    pty.types(":");
    pty.until("Tab complete");
    pty.types("map");
    pty.until("which backup volume");
    pty.types("\r");
    pty.until("not stored");
    pty.types("\r");
    pty.until("For demo-vg01 in round A");
    hang_up(&mut pty);
    // A disk that was full, or a careless hand.
    let text = std::fs::read_to_string(&draft).unwrap();
    std::fs::write(&draft, &text[..text.len() / 2]).unwrap();
    let mut pty = console(&test_site, "false");
    pty.types("m");
    pty.until("a draft was damaged");
    assert!(drafts.join("map-nightly.json.damaged").exists());
    pty.types("a");
    pty.until("0 of 10 chosen");
}

/// A program that is called as the editor is.
fn editor(test_site: &TestSite, script: &str) -> String {
    let path = test_site.path().join("editor");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_editor_has_the_terminal_as_a_shell_leaves_it_and_its_text_comes_back() {
    let test_site = TestSite::of_the_demonstration();
    let modes = test_site.path().join("modes");
    // First a text with a fault, then the same without it: the fault stands beside its line.
    let script = format!(
        "stty -a > {0}\necho in the editor\nif grep -q '^#!' \"$1\"; then cp \"$1\" {0}.second; \
         sed -i 's/ nowhere$/ DEMO1\\/0x36/' \"$1\"; else sed -i 's/DEMO1.0x3[0-9]$/nowhere/' \"$1\"; fi",
        modes.display()
    );
    let mut pty = console(&test_site, &editor(&test_site, &script));
    propose(&mut pty);
    let before = pty.written();
    pty.types("-");
    pty.until("removed");
    pty.types("e");
    pty.until_written(before, "in the editor");
    pty.until("no volume is called nowhere");
    assert!(pty.look(|screen| screen.alternate_screen() && screen.hide_cursor()));
    let in_editor = std::fs::read_to_string(&modes).unwrap();
    assert!(in_editor.contains(" icanon") && in_editor.contains(" echo "), "{in_editor}");
    pty.types("e");
    pty.until("changed by the text");
    pty.until("DEMO1/0x36");
    let second = std::fs::read_to_string(modes.with_extension("second")).unwrap();
    assert!(second.contains("#! error: no volume is called nowhere"), "{second}");
    let left = std::fs::read_dir(test_site.home().demonstration().state_dir().join("drafts")).unwrap().count();
    assert_eq!(left, 1, "the draft; the edited file is gone");
    pty.types("q");
    pty.until("press it again to leave");
    pty.types("q");
    assert_eq!(pty.end(), 0);
    pty.is_sane();
}

#[test]
fn an_editor_that_fails_or_is_missing_is_said_and_changes_nothing() {
    let test_site = TestSite::of_the_demonstration();
    for (editor, said) in [("false", "the editor false failed (exit status: 1)"), ("/nowhere/vi", "did not start")] {
        let mut pty = console(&test_site, editor);
        pty.types("m");
        pty.until("new map set");
        pty.types("a");
        pty.until("0 of 10 chosen");
        pty.types(" ");
        pty.until("1 of 10 chosen");
        pty.types("e");
        pty.until(said);
        assert!(pty.look(|screen| screen.alternate_screen() && screen.hide_cursor()));
        pty.types("1");
        pty.until("1 of 10 chosen");
    }
}
