//! Copies of the catalogue: made by themselves, on request, and put back.

use crate::array_lab::Lab;
use ecdeck::catalog::copies::{KEPT, list};
use ecdeck::process::instance;
use rustix::process::Signal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Ends the engine as its service manager does, and waits until it is gone.
fn end_engine(lab: &Lab) {
    let place = lab.home().engine();
    assert!(lab.signal(&place, Signal::TERM));
    let begun = Instant::now();
    while instance::pid_of(&place).is_some() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the engine does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn folder(lab: &Lab) -> PathBuf {
    lab.home().state_dir().join("catalogue-copies")
}

/// `t1` keeps two generations and has one.
fn one_backup() -> Lab {
    let lab = Lab::of(1, 3, 1);
    lab.policy("t1", 2, "suspend");
    lab.synchronize("t1");
    lab.back_up("t1");
    lab
}

#[test]
fn an_engine_that_ends_leaves_a_copy_of_its_last_backup() {
    let lab = one_backup();
    end_engine(&lab);
    let copies = list(&folder(&lab)).unwrap();
    assert_eq!(copies.len(), 1, "{copies:?}");
    // Nothing was recorded since: no other copy.
    lab.run("status").ends(0);
    end_engine(&lab);
    assert_eq!(list(&folder(&lab)).unwrap(), copies);
    for _ in 0..=KEPT {
        lab.run("catalogue save").ends(0);
        let number = lab.kept("t1").len();
        lab.run(&format!("policy set t1 --generations {} --interval 2 --mode suspend --yes --ensure", 2 + number))
            .ends(0);
        lab.run("history hold t1 --version 1 --reason kept --yes --ensure").ends(0);
        lab.run("history unhold t1 --version 1 --yes --ensure").ends(0);
    }
    let listed = lab.json("catalogue list");
    assert_eq!(listed["copies"].as_array().unwrap().len(), KEPT, "{listed:#}");
    assert_eq!(listed["failed"], serde_json::Value::Null);
}

#[test]
fn a_burst_of_backups_is_followed_by_a_copy() {
    let lab = one_backup();
    let begun = Instant::now();
    while list(&folder(&lab)).unwrap().is_empty() {
        assert!(begun.elapsed() < Duration::from_mins(1), "there is no copy");
        std::thread::sleep(Duration::from_millis(100));
    }
    let copy = &lab.json("catalogue list")["copies"][0];
    assert!(copy["bytes"].as_u64().unwrap() > 0 && copy["at"].is_string(), "{copy:#}");
}

#[test]
fn a_copy_that_cannot_be_made_is_an_event_and_harms_nothing() {
    let lab = one_backup();
    std::fs::write(folder(&lab), "in the way").unwrap();
    let failed = lab.run("catalogue save");
    assert_ne!(failed.exit, 0, "{failed:?}");
    assert!(failed.err.contains("was not copied to") && failed.err.contains("catalogue-copies"), "{failed:?}");
    let begun = Instant::now();
    while !lab.run("audit show").ends(0).out.contains("no copy of the catalogue was made") {
        assert!(begun.elapsed() < Duration::from_mins(1), "there is no event");
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = lab.run("status").ends(0).out;
    assert!(status.contains("! no copy of the catalogue is made") && status.contains("ecd-1910"), "{status}");
    let check = lab.run("check --json").ends(1).json();
    assert!(check["recoverable"] == true && check["not_copied"].is_string(), "{check:#}");
    assert!(lab.run("report --since 1h").ends(0).out.contains("ecd-1910"));
    lab.synchronize("t1");
    lab.back_up("t1");
    std::fs::remove_file(folder(&lab)).unwrap();
    lab.run("catalogue save").ends(0);
    assert_eq!(lab.json("catalogue list")["failed"], serde_json::Value::Null);
}

#[test]
fn a_copy_that_failed_is_made_when_time_passes() {
    let lab = one_backup();
    std::fs::write(folder(&lab), "in the way").unwrap();
    assert_ne!(lab.run("catalogue save").exit, 0);
    lab.wait_for("the line", |status| status["not_copied"]["code"] == "ecd-1910");
    // The next engine knows it from its begin, and says it once.
    let told =
        |lab: &Lab| lab.run("audit show --last 400").ends(0).out.matches("no copy of the catalogue was made").count();
    let before = told(&lab);
    assert!(lab.kill_engine());
    let status = lab.run("status").ends(0).out;
    assert!(status.contains("ecd-1910"), "{status}");
    assert_eq!(told(&lab), before);
    std::fs::remove_file(folder(&lab)).unwrap();
    // Nothing changes any more.
    lab.wait_for("a copy", |status| status["not_copied"].is_null());
    assert!(!list(&folder(&lab)).unwrap().is_empty());
}

#[test]
fn an_older_copy_is_loaded_by_name_and_all_of_it_is_in_doubt() {
    let lab = one_backup();
    let copy = lab.home().state_dir().join("saved.db");
    let saved = lab.run(&format!("catalogue save {}", copy.display())).ends(0);
    assert!(saved.out.contains("catalogue-"), "{saved:?}");
    // Nothing is overwritten.
    assert!(lab.run(&format!("catalogue save {}", copy.display())).ends(1).err.contains("choose another name"));
    lab.synchronize("t1");
    lab.back_up("t1");
    let load = format!("catalogue load {}", copy.display());
    let running = lab.run(&format!("{load} --yes --confirm lab")).ends(5);
    assert!(running.err.contains("the engine runs (process "), "{running:?}");
    end_engine(&lab);

    // What the copy does not know is named before anything is done.
    let shown = lab.run(&format!("{load} --dry-run")).ends(0);
    assert!(shown.out.contains("1 generation is not known to the copy"), "{shown:?}");
    assert!(shown.out.lines().any(|line| line.trim_start().starts_with("t1 v2 of ")), "{shown:?}");
    lab.run(&format!("{load} --yes")).ends(3);
    lab.run(&format!("{load} --yes --confirm other")).ends(3);
    assert_eq!(lab.kept("t1").len(), 2, "nothing was done");
    end_engine(&lab);

    let site = lab.status()["site"].as_str().unwrap().to_owned();
    end_engine(&lab);
    let loaded = lab.run(&format!("{load} --yes --confirm {site}")).ends(0);
    assert!(loaded.out.contains(".former-1"), "{loaded:?}");
    let history = lab.json("history t1");
    let generations = history["generations"].as_array().unwrap();
    assert_eq!(generations.len(), 1, "{history:#}");
    assert_eq!(generations[0]["state"], "in-doubt", "{history:#}");
    lab.run("audit verify").ends(0);

    // A copy whose catalogue was put in place while the heads of the newer one were not yet moved: no engine starts.
    end_engine(&lab);
    let heads = lab.home().state_dir().join("audit.heads");
    let catalogue = lab.home().catalogue_file();
    std::fs::copy(&copy, &catalogue).unwrap();
    assert!(heads.exists());
    let refused = lab.run("status").ends(5);
    assert!(refused.err.contains("ecd-19"), "{refused:?}");
    lab.run(&format!("{load} --yes --confirm {site}")).ends(0);
    assert_eq!(lab.json("history t1")["generations"][0]["state"], "in-doubt");
}

#[test]
fn a_file_that_is_no_whole_copy_is_refused_and_changes_nothing() {
    let lab = one_backup();
    let copy = lab.home().state_dir().join("saved.db");
    lab.run(&format!("catalogue save {}", copy.display())).ends(0);
    end_engine(&lab);
    let before = std::fs::read(lab.home().catalogue_file()).unwrap();
    let whole = std::fs::read(&copy).unwrap();
    let strange = lab.home().state_dir().join("strange.db");
    for bytes in [whole[..whole.len() / 2].to_vec(), b"not a database at all".to_vec(), Vec::new()] {
        std::fs::write(&strange, bytes).unwrap();
        let refused = lab.run(&format!("catalogue load {} --dry-run", strange.display()));
        assert_eq!(refused.exit, 5, "{refused:?}");
        assert!(refused.err.contains("is not a whole copy"), "{refused:?}");
    }
    lab.run("catalogue load /nonexistent.db --dry-run").ends(5);
    assert_eq!(std::fs::read(lab.home().catalogue_file()).unwrap(), before);
    assert_eq!(std::fs::read(&copy).unwrap(), whole, "a copy is only read");
    assert_eq!(lab.kept("t1").len(), 1);
}
