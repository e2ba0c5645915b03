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

#[test]
fn starts_and_stops_that_take_their_time_are_waited_for() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 1, "dissolve");
    lab.run("array set A1 --start-time 600ms --stop-time 600ms").ends(0);
    let shown = lab.run("array set A1").ends(0).out;
    assert!(shown.contains("is reserved for 0.600 s"), "{shown}");
    lab.synchronize("t1");
    // Dissolved: the copy remains for a while, and the volume is a generation all the same.
    lab.run("backup t1 --yes").ends(0);
    let generations = lab.json("history t1")["generations"].as_array().unwrap().clone();
    assert_eq!((generations.len(), &generations[0]["state"]), (1, &"valid".into()), "{generations:#?}");
    // CCM's word for a reserved copy is not known here: what is not read is not timed.
    let time = &generations[0]["copied_in"];
    assert!(by_ccm() || (time["full"] == true && time["millis"].as_u64().unwrap() < 60_000), "{time:#}");
    assert!(lab.status()["sessions"].as_array().unwrap().is_empty());
    lab.synchronize("t1");
    lab.run("sync cancel t1 --yes").ends(0);
    lab.run("array set A1 --start-time 0s --stop-time 0s").ends(0);
    assert!(lab.run("array set A1").ends(0).out.contains("copies at once"));
}

#[test]
fn an_engine_that_ends_while_a_stop_goes_on_finds_it_done() {
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.run("array set A1 --stop-time 3s").ends(0);
    lab.run("sync cancel t1 --yes").ends(0);
    lab.run("array set A1 --stop-time 1s --start-time 1s").ends(0);
    lab.run("sync start t1 --yes").ends(0);
    lab.kill_engine();
    lab.run("array stop").ends(0);
    lab.run("array start").ends(0);
    lab.run("backup t1 --wait --yes").ends(0);
}

#[test]
fn consistency_mode_without_a_buffer_is_refused_by_its_code() {
    if by_ccm() {
        return;
    }
    let lab = Lab::new();
    let file = lab.home().config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let rec = "[[rec]]\nfrom = \"A1\"\nto = \"A2\"\ntransfer = \"consistency\"\n";
    std::fs::write(&file, format!("{text}\n{rec}")).unwrap();
    lab.transaction("t1", "A1", 1, 1);
    lab.backups("A2", 0x21..0x22, 1);
    lab.run("array buffer A1 A2 none").ends(0);
    let refused = lab.run("sync start t1 --yes --wait");
    assert!(refused.exit != 0 && refused.err.contains("REC buffer"), "{refused:?}");
    lab.run("array buffer A1 A2 active").ends(0);
    lab.synchronize("t1");
    lab.run("array buffer A1 A1 none").ends(2);
}

#[test]
fn a_volume_that_is_expanded_keeps_its_data_and_is_no_longer_what_was_registered() {
    if by_ccm() {
        return;
    }
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    let refused = lab.run("array expand A1/0x21 3MiB").ends(2);
    assert!(refused.err.contains("has a copy"), "{refused:?}");
    lab.run("sync cancel t1 --yes").ends(0);
    lab.run("array write A1/0x21 --text something").ends(0);
    let image = lab.image("A1/0x21");
    let before = std::fs::read(&image).unwrap();
    assert!(lab.run("array expand A1/0x21 512KiB").ends(2).err.contains("larger only"));
    lab.run("array expand A1/0x21 3MiB").ends(0);
    let after = std::fs::read(&image).unwrap();
    assert_eq!((after.len(), &after[..before.len()]), (3 << 20, before.as_slice()));
    assert!(after[before.len()..].iter().all(|byte| *byte == 0));
    lab.run("array stop").ends(0);
    lab.run("array start").ends(0);
    lab.kill_engine();
    lab.wait_for("the volume has another size than was registered", |status| {
        status["pool"][0]["problem"]["code"] == "ecd-1706"
    });
    let listed = lab.run("volume list").ends(0).out;
    assert!(listed.contains("! A1/0x21: A1 reports 6144 blocks"), "{listed}");
    let refused = lab.run("sync start t1 --yes");
    assert!(refused.exit == 3 && refused.err.contains("6144 blocks"), "{refused:?}");
}

#[test]
fn a_crash_in_an_expansion_leaves_one_size_or_the_other() {
    if by_ccm() {
        return;
    }
    let lab = Lab::of(1, 1, 1);
    let (image, file) = (lab.image("A1/0x21"), lab.home().arrays_dir().join("arrays.json"));
    for grown in [false, true] {
        lab.run("array stop").ends(0);
        let text = std::fs::read_to_string(&file).unwrap();
        // As the file is between the two halves of an expansion.
        let mut kept: serde_json::Value = serde_json::from_str(&text).unwrap();
        let boxes = kept["core"]["boxes"].as_object_mut().unwrap();
        let a1 = boxes.values_mut().find(|cabinet| cabinet["name"] == "A1").unwrap();
        a1["volumes"]["33"]["growing"] = (3 << 11).into();
        std::fs::write(&file, serde_json::to_string(&kept).unwrap()).unwrap();
        if grown {
            std::fs::OpenOptions::new().write(true).open(&image).unwrap().set_len(3 << 20).unwrap();
        }
        lab.run("array start").ends(0);
        let volumes = lab.json("array volumes A1");
        let at =
            volumes["volumes"].as_array().unwrap().iter().find(|volume| volume["image"] == image.to_str().unwrap());
        let volume = at.unwrap_or_else(|| panic!("{volumes:#}"));
        assert!(volume["out_of_service"].is_null(), "{volume:#}");
        assert_eq!(volume["blocks"], if grown { 3 << 11 } else { 1 << 11 }, "{volume:#}");
    }
}
