//! The demonstration site: there at once, alive, marked, and never mistaken for a real one.

use super::test_site::TestSite;
use crate::test_site::InTime;
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn it_is_there_at_once_and_every_state_of_life_is_on_it() {
    let test_site = TestSite::of_the_demonstration();
    let began = Instant::now();
    let status = test_site.status();
    let took = began.elapsed();
    // The promise is 2 seconds on a machine that does nothing else.
    assert!(took < Duration::from_secs(10), "{took:?}");
    eprintln!("from nothing to the first status: {took:?}");
    assert_eq!(status["demo"], true);
    let volumes = status["transaction_volumes"].as_array().unwrap();
    assert!(volumes.len() >= 9);
    for state in ["none", "copying", "equivalent", "suspended", "error", "halted"] {
        assert!(volumes.iter().any(|volume| volume["state"] == state), "nothing is {state}: {status:#}");
    }
    assert!(volumes.iter().any(|volume| volume["overdue_days"].as_u64() > Some(0)));
    let error =
        status["sessions"].as_array().unwrap().iter().find(|session| session["status"] == "error-suspended").unwrap();
    assert_eq!(error["error"], "0xBA");
    let percent = |status: &serde_json::Value| {
        let sessions = status["sessions"].as_array().unwrap();
        let copying = sessions.iter().filter(|session| session["phase"] == "copying" && session["status"] == "active");
        copying.map(|session| session["blocks_done"].as_u64().unwrap_or(0)).max()
    };
    let first = percent(&status);
    test_site.wait_for("a copy moves", |status| percent(status) > first);
    assert!(blocks_on_disk(test_site.path()) <= 3 << 30);
}

fn blocks_on_disk(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => blocks_on_disk(&entry.path()),
        Ok(data) => data.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(of).sum()
}

#[test]
fn its_kept_backups_are_real_bytes_and_marked_as_provisioned() {
    let test_site = TestSite::of_the_demonstration();
    let history = test_site.json("history");
    let generations = history["generations"].as_array().unwrap();
    assert!(generations.len() >= 6);
    assert!(generations.iter().all(|generation| generation["provisioned"] == true));
    let volumes = test_site.json("array volumes");
    assert_eq!(volumes["demo"], true);
    let image = |id: &serde_json::Value| {
        let volume = volumes["volumes"].as_array().unwrap().iter().find(|volume| volume["id"] == *id).unwrap();
        std::fs::read(volume["image"].as_str().unwrap()).unwrap()
    };
    let of_web: Vec<_> = generations.iter().filter(|entry| entry["transaction_volume"]["name"] == "demo-web").collect();
    let (newer, older) = (image(&of_web[0]["backup_volume"]["id"]), image(&of_web[1]["backup_volume"]["id"]));
    assert!(newer.iter().any(|byte| *byte != 0));
    assert!(newer != older, "two generations of different days are the same");
    assert_eq!(newer.len() as u64, generations[0]["blocks"].as_u64().map(|_| newer.len() as u64).unwrap());
    let audit = test_site.json("audit show --last 1000")["events"].to_string();
    assert!(audit.contains("\"provisioned\":true"), "{audit}");
    test_site.run("audit verify").ends(0);
}

#[test]
fn the_equivalent_volume_can_be_backed_up_at_once_by_who_means_the_demonstration() {
    let test_site = TestSite::new();
    test_site.run("backup demo-ora02 --yes").ends(2);
    let document = test_site.run("backup demo-ora02 --yes --demo --json").ends(0).json();
    assert_eq!(document["demo"], true);
    let mut command = test_site.command(&["backup", "demo-ora02", "--yes", "--json"]);
    let output = command.env("ECDECK_DEMO", "1").in_time();
    assert_eq!(output.status.code(), Some(3), "it is suspended by now");
    let history = test_site.json("history demo-ora02 --demo");
    assert_eq!(history["generations"][0]["version"], 10);
    assert_eq!(history["generations"][0]["provisioned"], false);
}

#[test]
fn the_volume_in_error_has_a_bad_block_and_the_way_out_is_to_repair_it() {
    let test_site = TestSite::of_the_demonstration();
    let state = |status: &serde_json::Value| {
        let volumes = status["transaction_volumes"].as_array().unwrap();
        volumes.iter().find(|volume| volume["name"] == "demo-dwh").unwrap()["state"].clone()
    };
    assert_eq!(state(&test_site.status()), "error");
    test_site.run("array rate none --demo").ends(0);
    let faults = test_site.json("array fault")["faults"].clone();
    assert_eq!(faults.as_array().map(Vec::len), Some(1), "{faults}");
    let again = |wanted: &str| {
        test_site.run("sync cancel demo-dwh --demo --yes").ends(0);
        test_site.run("sync start demo-dwh --demo --yes").ends(0);
        test_site.wait_for(wanted, |status| state(status) == wanted);
    };
    again("error");
    let offset = faults[0]["block"].as_u64().unwrap() * 512;
    test_site.run(&format!("array write DEMO1/0x5 --offset {offset} --length 512 --demo")).ends(0);
    again("equivalent");
    assert_eq!(test_site.json("array fault")["faults"].as_array().map(Vec::len), Some(0));
}

#[test]
fn it_never_answers_a_monitor_that_lost_its_home() {
    let test_site = TestSite::new();
    for words in ["status --json", "status", "history", "audit show", "volume list", "policy show"] {
        let ran = test_site.run(words).ends(2);
        assert!(format!("{}{}", ran.out, ran.err).contains("--demo"), "{ran:?}");
        assert!(!ran.out.contains("demo-ora01"), "{ran:?}");
    }
    assert_eq!(test_site.run("status --json").ends(2).json()["error"]["code"], "ecd-1902");
    assert_eq!(test_site.run("status --json --demo").ends(0).json()["demo"], true);
}

#[test]
fn every_document_of_it_is_marked() {
    let test_site = TestSite::of_the_demonstration();
    for words in
        ["status", "volume list", "policy show", "history", "audit show", "audit verify", "array list", "array volumes"]
    {
        let document = test_site.json(words);
        assert_eq!(document["demo"], true, "{words}");
        assert_eq!(document["schema"], 1, "{words}");
    }
    assert!(test_site.run("status").ends(0).out.contains("demonstration site"));
    let nothing = test_site.run("backup nothing --demo --yes --json").ends(3).json();
    assert_eq!(nothing["demo"], true);
}

/// A demonstration site that was made, and whose catalogue is gone.
fn without_catalogue() -> TestSite {
    let test_site = TestSite::of_the_demonstration();
    test_site.status();
    lose_catalogue(&test_site);
    test_site
}

fn lose_catalogue(test_site: &TestSite) {
    let demo = test_site.home().demonstration();
    test_site.signal(&demo.engine(), rustix::process::Signal::KILL);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", demo.catalogue_file().display()));
    }
}

#[test]
fn its_catalogue_may_be_thrown_away_and_it_is_made_anew() {
    let test_site = without_catalogue();
    assert_eq!(test_site.status()["transaction_volumes"].as_array().unwrap().len(), 10);
    test_site.run("audit verify").ends(0);
}

#[test]
fn it_is_not_made_anew_over_a_volume_that_somebody_added_to_it() {
    let test_site = TestSite::of_the_demonstration();
    test_site.status();
    test_site.run("array create DEMO1 --size 1MiB --olu 0xF0").ends(0);
    test_site.run("array write DEMO1/0xF0 --text precious").ends(0);
    lose_catalogue(&test_site);
    let refused = test_site.run("status");
    assert_ne!(refused.exit, 0, "{refused:?}");
    assert!(refused.err.contains("did not make"), "{refused:?}");
    let volumes = test_site.json("array volumes");
    let mut images = volumes["volumes"].as_array().unwrap().iter().filter_map(|volume| volume["image"].as_str());
    let added = images.find(|image| image.ends_with("/0xF0.img"));
    assert!(std::fs::read(added.unwrap_or_else(|| panic!("{volumes:#}"))).unwrap().starts_with(b"precious"));
}

#[test]
fn a_site_that_was_cut_off_in_the_making_is_made_again() {
    let test_site = without_catalogue();
    let _ = std::fs::remove_file(test_site.home().demonstration().state_dir().join("audit.heads"));
    let status = test_site.status();
    assert_eq!(status["transaction_volumes"].as_array().unwrap().len(), 10);
    test_site.run("audit verify").ends(0);
}

#[test]
fn its_volume_group_is_backed_up_by_its_map_and_the_one_on_two_disks_is_refused() {
    let test_site = TestSite::of_the_demonstration();
    let shown = test_site.run("host show demo-host --demo").ends(0).out;
    assert!(
        shown.contains("emulated") && shown.contains("demo-host:vg01  active") && shown.contains("vg02"),
        "{shown}"
    );
    let refused = test_site.run("volume add --transaction DEMO1/0x52 --group demo-host:vg02 --demo --yes").ends(3);
    assert!(refused.err.contains("ecd-1252") && refused.err.contains("/dev/sde"), "{refused:?}");

    test_site.run("array rate none --demo").ends(0);
    let started = test_site.run("sync start demo-lvm01 --map demo-nights --wait --yes --demo").ends(0);
    assert!(started.out.contains("DEMO1/0x38"), "{started:?}");
    // The copy has overwritten the label: the host sees the live group twice, and the other one not at all.
    let shown = test_site.json("host show demo-host");
    let names = |shown: &serde_json::Value| -> Vec<String> {
        let groups = shown["host"]["groups"].as_array().unwrap();
        groups.iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&shown), ["vg01", "vg01bk2", "vg02"]);
    assert_eq!(shown["host"]["duplicates"][0]["device"], "/dev/sdb");
    test_site.run("backup demo-lvm01 --yes --demo").ends(0);
    let shown = test_site.json("host show demo-host");
    assert_eq!(names(&shown), ["vg01", "vg01bk1", "vg01bk2", "vg02"]);
    let history = test_site.json("history demo-lvm01 --demo");
    assert_eq!(history["generations"][0]["state"], "valid", "{history}");
    let log = std::fs::read_to_string(test_site.home().demonstration().state_dir().join("demo-hook.log")).unwrap();
    assert!(log.contains("before-backup of demo-lvm01") && log.contains("result done"), "{log}");
    test_site
        .run("restore demo-lvm01 --version 1 --to demo-lvm01 --unmounted --without-present-state --confirm demo-lvm01 --yes --demo")
        .ends(0);
    assert_eq!(names(&test_site.json("host show demo-host")), ["vg01", "vg01bk1", "vg01bk2", "vg02"]);
    let log = std::fs::read_to_string(test_site.home().demonstration().state_dir().join("demo-hook.log")).unwrap();
    let of_restore: Vec<&str> = log.lines().filter(|line| line.contains("-restore of demo-lvm01")).collect();
    assert!(of_restore.len() == 2 && of_restore[1].contains("after-restore of demo-lvm01, result done"), "{log}");
    test_site.run("audit verify").ends(0);
}
