//! The first set-up on a real terminal: from an empty home to a backup, by what the screen says.

use crate::pty::Pty;
use crate::test_site::{PROGRAM, TestSite};
use std::os::unix::fs::PermissionsExt;

const SCREEN: (u16, u16) = (80, 24);

fn init(test_site: &TestSite) -> Pty {
    let environment = [("ECDECK_HOME", test_site.path().to_str().unwrap()), ("TZ", "UTC")];
    Pty::run(&[PROGRAM, "init"], &environment, SCREEN)
}

#[test]
fn an_empty_home_becomes_a_site_with_a_backup() {
    let test_site = TestSite::new();
    let mut pty = init(&test_site);
    pty.until("Name of the site");
    pty.types("lab\r");
    pty.until("No array was found.");
    pty.until("Which one? [1/2]");
    pty.types("2\r");
    pty.until("Name of the array [LAB1]:");
    pty.types("\r");
    pty.until("embedded array LAB1 is made");
    pty.until("Write it? [Y/n]");
    pty.types("\r");
    pty.until("I (or :init) sets the site up");
    let mode = std::fs::metadata(test_site.home().config_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    pty.types("I");
    pty.until("8 not registered");
    pty.types("t");
    pty.until("1 transaction, 0 backup chosen");
    pty.types("t");
    pty.until("2 transaction, 0 backup chosen");
    pty.until("4 missing");
    pty.types("/");
    pty.until("show only:");
    pty.types("pool\r");
    pty.until("6 of 8");
    pty.types("*b");
    pty.until("2 transaction, 6 backup chosen");
    pty.until("enough");
    pty.types("w");
    pty.until("Y run");
    pty.types("Y");
    pty.until("apply site: done");
    pty.until("LAB1-0x1");
    // The first volume, which got the array's own name: a copy, then a backup.
    pty.types("s");
    pty.until("Start synchronization: ");
    pty.until("Y run");
    pty.types("Y");
    test_site.wait_for("equivalence", |status| {
        status["transaction_volumes"].as_array().unwrap().iter().any(|volume| volume["state"] == "equivalent")
    });
    pty.until("equivalent");
    pty.types("b");
    pty.until("Backup: ");
    pty.until("Y run");
    pty.types("Y");
    pty.until(": done");
    let history = test_site.json("history");
    assert_eq!(history["generations"].as_array().unwrap().len(), 1, "{history:#}");
    pty.types("q");
    assert_eq!(pty.end(), 0);
    pty.is_sane();
}

#[test]
fn arrays_that_are_there_are_found_and_nothing_is_written_unasked() {
    let test_site = TestSite::new();
    test_site.run("array create A1 --size 1MiB --count 2").ends(0);
    let mut pty = init(&test_site);
    pty.until("Name of the site");
    pty.types("lab\r");
    pty.until("1 array was found: A1 (embedded)");
    pty.until("Use what was found?");
    pty.types("\r");
    pty.until("name = \"A1\"");
    pty.until("Write it?");
    pty.types("n\r");
    pty.until("nothing was written");
    assert_eq!(pty.end(), 2);
    assert!(!test_site.home().config_file().exists());
}
