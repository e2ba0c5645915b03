//! Limits, durations and the life of volumes of the arrays, as people of a site meet them.

use super::array_lab::{Lab, by_ccm};

#[test]
fn a_remote_suspend_that_continues_after_its_answer_makes_one_generation() {
    let lab = Lab::new();
    lab.transaction("t1", "A1", 1, 1);
    lab.backups("A2", 0x21..0x23, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.run("array set A1 --suspend-time 900ms").ends(0);
    lab.run("backup t1 --yes").ends(0);
    let history = lab.json("history t1");
    let generations = history["generations"].as_array().unwrap();
    assert_eq!(generations.len(), 1, "{history:#}");
    assert_eq!(generations[0]["state"], "valid", "{history:#}");
    let status = lab.status();
    assert_eq!(status["sessions"][0]["status"], "suspended", "{status:#}");
}

#[test]
fn a_late_buffer_is_waited_for() {
    let lab = Lab::new();
    lab.transaction("t1", "A1", 1, 1);
    lab.backups("A2", 0x21..0x22, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.run("array fault A1 buffer-late --times 2").ends(0);
    assert!(lab.run("array fault").ends(0).out.contains("the next 2 suspends of remote copies will be refused"));
    lab.run("backup t1 --yes").ends(0);
    assert!(!lab.run("array fault").ends(0).out.contains("buffer"));
}

#[test]
fn a_copy_table_that_is_too_small_refuses_with_its_code_and_what_to_do() {
    let lab = Lab::of(1, 2, 1);
    let shown = lab.json("array set A1");
    assert!(shown["copy_table"].is_null() && shown["sessions"].is_null(), "{shown:#}");
    lab.run("array set A1 --copy-table 512KiB").ends(0);
    assert_eq!(lab.json("array set A1")["copy_table"], 1024);
    let refused = lab.run("sync start t1 --yes --wait");
    assert_ne!(refused.exit, 0, "{refused:?}");
    assert!(refused.err.contains("the copy table is too small"), "{refused:?}");
    lab.run("array set A1 --copy-table unlimited").ends(0);
    lab.synchronize("t1");
}

#[test]
fn a_volume_that_is_deleted_behind_the_catalogue_stops_only_itself() {
    if by_ccm() {
        return;
    }
    let lab = Lab::of(2, 4, 1);
    lab.policy("t1", 1, "suspend");
    lab.policy("t2", 1, "suspend");
    lab.synchronize("t1");
    lab.back_up("t1");
    let place = lab.json("history t1")["generations"][0]["backup_volume"]["location"].as_str().unwrap().to_owned();
    let refused = lab.run(&format!("array delete {place}")).ends(2);
    assert!(refused.err.contains("--force"), "{refused:?}");
    lab.run(&format!("array delete {place} --force")).ends(0);
    // The next engine reads the list of volumes at once.
    lab.kill_engine();
    lab.wait_for("the generation is missing", |_| lab.json("history t1")["generations"][0]["state"] != "valid");
    lab.synchronize("t2");
    lab.back_up("t2");
    lab.run("array stop").ends(0);
    lab.run("array start").ends(0);
    lab.synchronize("t1");
    lab.back_up("t1");
}

#[test]
fn a_protected_volume_takes_no_copy_and_a_formatted_one_is_empty() {
    let lab = Lab::of(1, 1, 1);
    lab.run("array protect A1/0x21").ends(0);
    let refused = lab.run("sync start t1 --yes --wait");
    assert!(refused.exit != 0 && refused.err.contains("is protected"), "{refused:?}");
    lab.run("array protect A1/0x21 --off").ends(0);
    lab.synchronize("t1");
    let refused = lab.run("array format A1/0x21").ends(2);
    assert!(refused.err.contains("has a copy"), "{refused:?}");
    lab.run("sync cancel t1 --yes").ends(0);
    lab.run("array write A1/0x21 --text something").ends(0);
    let full = lab.run("array fingerprint A1/0x21").ends(0).out;
    lab.run("array format A1/0x21").ends(0);
    let empty = lab.run("array fingerprint A1/0x21").ends(0).out;
    assert_ne!(full, empty);
    lab.volume("A1", 0x30, 1);
    let new = lab.run("array fingerprint A1/0x30").ends(0).out;
    assert_eq!(empty.split_whitespace().next(), new.split_whitespace().next());
}

#[test]
fn the_rules_of_an_array_are_chosen_by_the_configuration() {
    if by_ccm() {
        return;
    }
    let lab = Lab::of(1, 1, 1);
    let file = lab.home().config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let lenient = text.replacen("driver = \"embedded\"\n", "driver = \"embedded\"\nrules = \"lenient\"\n", 1);
    std::fs::write(&file, lenient).unwrap();
    lab.kill_engine();
    lab.status();
    // A lenient array lets an unfinished copy go without force once it is suspended.
    lab.run("array rate 64KiB").ends(0);
    lab.run("sync start t1 --yes").ends(0);
    let kept = std::fs::read_to_string(lab.home().arrays_dir().join("arrays.json")).unwrap();
    assert!(kept.contains("lenient"), "{kept}");
    std::fs::write(&file, text.replacen("\"embedded\"\n", "\"embedded\"\nrules = \"kind\"\n", 1)).unwrap();
    let refused = lab.run("status").ends(2);
    assert!(refused.err.contains("rules") && refused.err.contains("documented"), "{refused:?}");
}
