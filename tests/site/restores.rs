//! Generations brought back: three with different files, each restored to another volume and to its own, and what is closed
//! meanwhile.

use super::array_lab::{Lab, by_ccm};
use crate::needs::needs;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// MiB of the file system, and of the volumes.
const FILE_SYSTEM: u32 = 8;
const VOLUME: u32 = 12;

/// A file system of its own for each generation, with files that no other one has.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// `None`: the host lacks what makes and checks a file system.
    fn new() -> Option<Self> {
        needs("mke2fs")?;
        needs("e2fsck")?;
        needs("debugfs")?;
        Some(Self { folder: tempfile::tempdir().unwrap() })
    }

    fn folder(&self, number: u64) -> PathBuf {
        self.folder.path().join(format!("files{number}"))
    }

    /// An image with the files of one generation.
    fn image(&self, number: u64) -> PathBuf {
        let files = self.folder(number);
        std::fs::create_dir(&files).unwrap();
        for file in 0..12_u64 {
            let mut random = fastrand::Rng::with_seed(100 * number + file);
            let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(1 + 7_919 * file as usize).collect();
            std::fs::write(files.join(format!("file{file}-of-{number}")), bytes).unwrap();
        }
        let image = self.folder.path().join(format!("image{number}"));
        let made = Command::new(needs("mke2fs").unwrap())
            .args(["-q", "-F", "-t", "ext4", "-b", "1024", "-d"])
            .args([&files, &image])
            .arg(format!("{FILE_SYSTEM}M"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        image
    }

    /// The file system on a volume is clean, and has the files of this generation and no others.
    fn are_on(&self, lab: &Lab, place: &str, number: u64) {
        let image = lab.image(place);
        let checked = Command::new(needs("e2fsck").unwrap()).arg("-fn").arg(&image).output().unwrap();
        assert!(checked.status.success(), "{place}: {}", String::from_utf8_lossy(&checked.stdout));
        let out = tempfile::tempdir().unwrap();
        let dump = format!("rdump / {}", out.path().display());
        let dumped = Command::new(needs("debugfs").unwrap()).args(["-R", &dump]).arg(&image).output().unwrap();
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        assert_eq!(names(out.path()), names(&self.folder(number)), "{place} has the files of version {number}");
        for name in names(&self.folder(number)) {
            let (copied, kept) =
                (std::fs::read(out.path().join(&name)), std::fs::read(self.folder(number).join(&name)));
            assert!(copied.unwrap() == kept.unwrap(), "{name} differs on {place}");
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name != "lost+found").collect();
    names.sort();
    names
}

/// Three generations with different files in them.
fn three_generations(files: &Files) -> Lab {
    let lab = Lab::new();
    lab.transaction("t1", "A1", 1, VOLUME);
    lab.backups("A1", 0x21..0x25, VOLUME);
    lab.policy("t1", 3, "suspend");
    for number in 1..=3 {
        let image = files.image(number);
        lab.run_words(&["array", "import", "A1/0x1", image.to_str().unwrap()]).ends(0);
        lab.synchronize("t1");
        lab.back_up("t1");
    }
    lab
}

/// The image of a volume of two, of which one has been backed up.
fn one_generation() -> Lab {
    let lab = Lab::of(2, 3, 2);
    lab.policy("t1", 1, "suspend");
    lab.run("array write A1/0x1 --scatter 30 --seed 5").ends(0);
    lab.synchronize("t1");
    lab.back_up("t1");
    lab
}

fn restores(lab: &Lab) -> Vec<Value> {
    lab.status()["restores"].as_array().unwrap().clone()
}

#[test]
fn three_generations_come_back_to_another_volume_and_to_their_own() {
    let Some(files) = Files::new() else { return };
    let lab = three_generations(&files);
    for number in [2, 1, 3_u64] {
        let place = lab.volume("A1", 0x40 + number as u32, VOLUME);
        lab.seen(&place);
        let done =
            lab.run(&format!("restore t1 --version {number} --to {place} --unmounted --confirm {place} --yes")).ends(0);
        assert!(done.out.contains("mount -o ro"), "{done:?}");
        files.are_on(&lab, &place, number);
    }
    for number in [1, 3, 2_u64] {
        let words = format!("restore t1 --version {number} --to t1 --unmounted --confirm t1 --yes");
        lab.run(&format!("{words} --without-present-state")).ends(0);
        files.are_on(&lab, "A1/0x1", number);
    }
    // The generations are as they were, and the suspended pairs stay.
    let kept = lab.kept("t1");
    assert_eq!(kept.len(), 3);
    for (version, place) in &kept {
        files.are_on(&lab, place, *version);
    }
    assert_eq!(lab.status()["sessions"].as_array().unwrap().len(), 3);
    lab.run("array write A1/0x1 --offset 9MiB --length 64KiB --seed 7").ends(0);
    assert!(lab.run("sync start t1 --wait --yes").exit == 0);
    lab.back_up("t1");
    files.are_on(&lab, &lab.kept("t1")[0].1, 2);
    lab.run("audit verify").ends(0);
}

#[test]
fn a_volume_that_nothing_uses_is_proposed_before_one_of_the_pool() {
    let lab = one_generation();
    let proposed = |lab: &Lab| {
        let planned = lab.run("restore t1 --version 1 --unmounted --dry-run --json").ends(0).json();
        planned["plan"]["confirmation"]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(proposed(&lab), "A1/0x22", "the pool has one that is unused");
    let free = lab.volume("A1", 0x40, 2);
    lab.seen(&free);
    assert_eq!(proposed(&lab), free);
}

#[test]
fn a_volume_of_the_pool_that_is_restored_to_leaves_the_pool() {
    let lab = one_generation();
    let done = lab.run("restore t1 --version 1 --to A1/0x22 --unmounted --confirm A1/0x22 --yes").ends(0);
    assert!(lab.bytes("A1/0x22") == lab.bytes(&lab.kept("t1")[0].1));
    let back = done.out.lines().find_map(|line| line.trim().strip_prefix("to give it back:  ecdeck ")).unwrap();
    let pool = |lab: &Lab| lab.status()["pool"].as_array().unwrap().len();
    assert_eq!(pool(&lab), 2);
    lab.run(&format!("{back} --yes")).ends(0);
    assert_eq!(pool(&lab), 3);
}

#[test]
fn a_restore_says_what_it_wants_to_know_before_it_overwrites() {
    let lab = one_generation();
    let free = lab.volume("A1", 0x40, 2);
    lab.seen(&free);
    lab.refused(&format!("restore t1 --version 1 --to {free} --yes"), "ecd-1604");
    lab.refused(&format!("restore t1 --version 1 --to {free} --unmounted --yes"), "ecd-1003");
    lab.refused(&format!("restore t1 --version 1 --to {free} --unmounted --yes --confirm t1"), "ecd-1004");
    lab.refused("restore t1 --version 9 --unmounted --yes", "ecd-1111");
    lab.refused("restore t1 --version 1 --to A1/0x21 --unmounted --yes", "ecd-1603");
    let other_size = lab.volume("A1", 0x41, 3);
    lab.seen(&other_size);
    lab.refused(&format!("restore t1 --version 1 --to {other_size} --unmounted --yes"), "ecd-1204");
    let far = lab.volume("A2", 0x40, 2);
    lab.seen(&far);
    lab.refused(&format!("restore t1 --version 1 --to {far} --unmounted --yes"), "ecd-1602");
    // A volume that is copied from, to, or suspended with.
    lab.synchronize("t1");
    lab.refused("restore t1 --version 1 --to t1 --unmounted --yes", "ecd-1307");
    lab.refused("restore t1 --version 1 --to A1/0x22 --unmounted --yes", "ecd-1603");
    lab.run("sync suspend t1 --yes").ends(0);
    lab.refused("restore t1 --version 1 --to A1/0x22 --unmounted --yes", "ecd-1603");
    let planned = lab.run("restore t1 --version 1 --to t1 --unmounted --dry-run").ends(0);
    assert!(planned.out.contains("2 suspended pairs of t1 stay") && planned.out.contains("in full"), "{planned:?}");
    let other = lab.run("restore t1 --version 1 --to t2 --unmounted --dry-run").ends(0);
    assert!(other.out.contains("another transaction volume") && other.out.contains("--confirm t2"), "{other:?}");
}

#[test]
fn what_a_restore_reads_and_overwrites_is_closed_until_it_ends() {
    let lab = one_generation();
    lab.synchronize("t1");
    let free = lab.volume("A1", 0x40, 2);
    lab.seen(&free);
    lab.run("array rate 16KiB").ends(0);
    let running = lab.spawn(&format!("restore t1 --version 1 --to {free} --unmounted --confirm {free} --yes"));
    let copying = lab.wait_for("a restore that copies", |status| {
        let sessions = status["sessions"].as_array().unwrap();
        let shows = |session: &Value| session["kind"] == "opc" && session["percent"].is_number();
        // CCM does not tell how far a one-point copy is.
        status["restores"][0]["state"] == "restoring" && (by_ccm() || sessions.iter().any(shows))
    });
    assert_eq!(copying["restores"][0]["target"]["location"], free.as_str());
    for words in [
        "history delete t1 --version 1 --yes",
        "history hold t1 --version 1 --reason tape --yes",
        "sync cancel t1 --volume A1/0x21 --yes",
        &format!("restore t1 --version 1 --to {free} --unmounted --yes"),
        &format!("volume add --backup {free} --yes"),
    ] {
        let refused = lab.run(&format!("{words} --json"));
        assert!([3, 7].contains(&refused.exit), "{refused:?}");
        assert!(refused.out.contains("ecd-1802"), "{refused:?}");
    }
    // A backup goes on, and retention passes the generation by that is read.
    let backup = lab.run("backup t1 --yes").ends(0);
    assert!(backup.out.contains("is read by a restore"), "{backup:?}");
    assert_eq!(lab.kept("t1").len(), 2);
    lab.run("array rate none").ends(0);
    running.end().ends(0);
    assert!(restores(&lab).is_empty());
    assert!(lab.bytes(&free) == lab.bytes("A1/0x21"));
}

#[test]
fn a_cancelled_restore_leaves_its_target_incomplete_until_one_succeeds() {
    let lab = one_generation();
    lab.run("array rate 64KiB").ends(0);
    let words = "restore t1 --version 1 --to A1/0x22 --unmounted --confirm A1/0x22 --yes";
    let running = lab.spawn(words);
    lab.wait_for("a restore that copies", |status| status["restores"][0]["state"] == "restoring");
    lab.run("restore --cancel A1/0x22 --yes").ends(0);
    let ended = running.end().ends(1);
    assert!(ended.err.contains("ecd-1607"), "{ended:?}");
    assert_eq!(restores(&lab)[0]["state"], "restore-incomplete");
    let status = lab.wait_for("no copy", |status| status["sessions"].as_array().unwrap().len() == 1);
    let pool = status["pool"].as_array().unwrap();
    assert!(pool.iter().any(|volume| volume["state"] == "restore-incomplete"), "{status:#}");
    // No start takes it, also after a new engine.
    lab.kill_engine();
    lab.run("array rate none").ends(0);
    let started = lab.run("sync start t1 --yes --wait --json").ends(0).json();
    assert_eq!(
        started["plan"]["items"][0]["steps"][0]["pair"]["target"].as_str().map(|id| id.ends_with("0x23")),
        Some(true),
        "{started:#}"
    );
    lab.run(words).ends(0);
    assert!(restores(&lab).is_empty());
    assert!(lab.bytes("A1/0x22") == lab.bytes("A1/0x21"));
}

#[test]
fn an_incomplete_restore_can_be_given_up_by_the_name_of_its_target() {
    let lab = one_generation();
    lab.run("array rate 64KiB").ends(0);
    let running = lab.spawn("restore t1 --version 1 --to t2 --unmounted --without-present-state --confirm t2 --yes");
    lab.wait_for("a restore that copies", |status| status["restores"][0]["state"] == "restoring");
    assert_eq!(lab.entry(&lab.status(), "t2")["state"], "restoring");
    lab.run("sync start t2 --yes").ends(7);
    lab.run("restore --cancel t2 --yes").ends(0);
    running.end().ends(1);
    assert_eq!(lab.entry(&lab.status(), "t2")["state"], "restore-incomplete");
    lab.refused("sync start t2 --yes", "ecd-1601");
    lab.refused("restore --cancel t2 --yes", "ecd-1003");
    lab.run("restore --cancel t2 --yes --confirm t2").ends(0);
    assert_eq!(lab.entry(&lab.status(), "t2")["state"], "none");
    lab.refused("restore --cancel t2 --yes", "ecd-1606");
}

#[test]
fn a_copy_that_the_array_stops_is_never_taken_for_a_restore() {
    let lab = one_generation();
    lab.run("array rate 64KiB").ends(0);
    let running = lab.spawn("restore t1 --version 1 --to A1/0x22 --unmounted --confirm A1/0x22 --yes");
    lab.wait_for("a restore that copies", |status| status["restores"][0]["state"] == "restoring");
    lab.run("array fault A1 bad-block 0x21 4000").ends(0);
    lab.run("array rate none").ends(0);
    let ended = running.end().ends(1);
    assert!(ended.err.contains("ecd-1608"), "{ended:?}");
    assert_eq!(restores(&lab)[0]["state"], "restore-incomplete");
    lab.run("array fault A1 clear").ends(0);
    lab.run("restore t1 --version 1 --to A1/0x22 --unmounted --confirm A1/0x22 --yes").ends(0);
    assert!(lab.bytes("A1/0x22") == lab.bytes("A1/0x21"));
}

#[test]
fn a_restore_survives_the_deaths_of_engine_and_array() {
    let lab = one_generation();
    let words = "restore t1 --version 1 --to A1/0x22 --unmounted --confirm A1/0x22 --yes";
    lab.run("array rate 512KiB").ends(0);
    let running = lab.spawn(words);
    lab.wait_for("a restore that copies", |status| status["restores"][0]["state"] == "restoring");
    lab.kill_engine();
    lab.kill_arrays();
    lab.run("array rate none").ends(0);
    // It follows its operation to the new engine.
    running.end().ends(0);
    lab.wait_for("the end of the restore", |status| status["restores"].as_array().unwrap().is_empty());
    assert!(lab.bytes("A1/0x22") == lab.bytes("A1/0x21"));
    lab.run("audit verify").ends(0);
}

#[test]
fn the_present_state_is_kept_before_a_volume_is_overwritten() {
    let lab = one_generation();
    lab.run("array write A1/0x1 --scatter 20 --seed 9").ends(0);
    let present = lab.bytes("A1/0x1");
    let words = "restore t1 --version 1 --to t1 --unmounted --confirm t1 --yes";
    let planned = lab.run("restore t1 --version 1 --to t1 --unmounted --dry-run").ends(0);
    assert!(planned.out.contains("ecd-1615") && planned.out.contains("before restore"), "{planned:?}");
    lab.run(words).ends(0);
    let kept = lab.kept("t1");
    assert_eq!(kept.iter().map(|(version, _)| *version).collect::<Vec<_>>().len(), 2);
    let on = |wanted: u64| kept.iter().find(|(version, _)| *version == wanted).unwrap().1.clone();
    assert!(lab.bytes(&on(2)) == present, "version 2 is what t1 was");
    assert!(lab.bytes("A1/0x1") == lab.bytes(&on(1)), "t1 is version 1 again");
    assert!(lab.run("history t1").ends(0).out.contains("before restore"));
    // The way back: nothing is unused but what tonight needs, so the state of now is given up.
    lab.refused("restore t1 --version 2 --to t1 --unmounted --confirm t1 --yes", "ecd-1612");
    lab.run("restore t1 --version 2 --to t1 --unmounted --without-present-state --confirm t1 --yes").ends(0);
    assert!(lab.bytes("A1/0x1") == present);
    // A backup neither counts nor releases it.
    lab.synchronize("t1");
    lab.back_up("t1");
    assert!(lab.kept("t1").iter().any(|(version, _)| *version == 2));
    lab.run("audit verify").ends(0);
}

#[test]
fn a_present_state_that_cannot_be_kept_leaves_the_target_as_it_is() {
    let lab = one_generation();
    let before = lab.bytes("A1/0x1");
    lab.run("array rate 64KiB").ends(0);
    let words = "restore t1 --version 1 --to t1 --unmounted --confirm t1 --yes";
    let running = lab.spawn(words);
    let copying = lab.wait_for("a copy of the present state", |status| status["restores"][0]["state"] == "restoring");
    let spare = copying["restores"][0]["target"]["location"].as_str().unwrap().to_owned();
    lab.kill_engine();
    lab.run("restore --cancel t1 --yes").ends(0);
    let ended = running.end().ends(1);
    assert!(ended.err.contains("ecd-1607") && ended.err.contains("nothing was overwritten"), "{ended:?}");
    assert!(restores(&lab).is_empty());
    let status = lab.wait_for("an unused volume", |status| status["sessions"].as_array().unwrap().len() == 1);
    let pool = status["pool"].as_array().unwrap();
    let view = pool.iter().find(|volume| volume["location"] == spare.as_str());
    assert_eq!(view.map(|volume| volume["state"].as_str().unwrap()), Some("unused"), "{status:#}");
    assert!(lab.bytes("A1/0x1") == before);
}

#[test]
fn a_snapshot_is_a_generation_of_the_moment_at_which_it_began() {
    let lab = Lab::of(1, 3, 2);
    lab.policy("t1", 2, "suspend");
    lab.run("array write A1/0x1 --scatter 30 --seed 5").ends(0);
    let then = lab.bytes("A1/0x1");
    let planned = lab.run("snapshot t1 --dry-run").ends(0).out;
    assert!(planned.contains("what a power cut would leave") && planned.contains("record v1"), "{planned}");
    lab.run("array rate 64KiB").ends(0);
    let running = lab.spawn("snapshot t1 --yes");
    lab.wait_for("a copy", |status| !status["restores"].as_array().unwrap().is_empty());
    // What hosts write while it copies is not in it.
    lab.run("array write A1/0x1 --scatter 30 --seed 6").ends(0);
    lab.kill_engine();
    lab.run("array rate none").ends(0);
    running.end().ends(0);
    let kept = lab.kept("t1");
    assert_eq!(kept.len(), 1);
    assert!(lab.bytes(&kept[0].1) == then, "the snapshot is of before that write");
    let generation = lab.json("history t1")["generations"][0].clone();
    assert_eq!(generation["crash_consistent"], "snapshot", "{generation:#}");
    assert_eq!(generation["held"], Value::Null, "{generation:#}");
    // It goes on beside a live session, is restored like any other, and the policy counts it.
    lab.synchronize("t1");
    lab.run("snapshot t1 --yes").ends(0);
    assert_eq!(lab.kept("t1").len(), 2);
    lab.refused("snapshot t1 --yes", "ecd-1201");
    lab.run("sync cancel t1 --yes").ends(0);
    lab.run("restore t1 --version 1 --to t1 --unmounted --without-present-state --confirm t1 --yes").ends(0);
    assert!(lab.bytes("A1/0x1") == then);
    lab.run("audit verify").ends(0);
}

#[test]
fn a_snapshot_that_is_readying_first_is_of_the_moment_at_which_it_began() {
    let lab = Lab::of(1, 1, 2);
    lab.policy("t1", 1, "suspend");
    lab.run("array set A1 --start-time 2s").ends(0);
    lab.run("array write A1/0x1 --scatter 30 --seed 5").ends(0);
    let then = lab.bytes("A1/0x1");
    let running = lab.spawn("snapshot t1 --yes");
    lab.wait_for("a copy that is readying", |status| status["sessions"][0]["phase"] == "readying");
    lab.run("array write A1/0x1 --scatter 30 --seed 6").ends(0);
    lab.run("array stop").ends(0);
    lab.run("array start").ends(0);
    running.end().ends(0);
    let kept = lab.kept("t1");
    assert_eq!(kept.len(), 1);
    assert!(lab.bytes(&kept[0].1) == then, "the snapshot is of before that write");
}

#[test]
fn a_cancelled_snapshot_records_nothing() {
    let lab = Lab::of(1, 2, 2);
    lab.policy("t1", 1, "suspend");
    lab.run("array rate 64KiB").ends(0);
    let running = lab.spawn("snapshot t1 --yes");
    lab.wait_for("a copy", |status| !status["restores"].as_array().unwrap().is_empty());
    lab.run("snapshot t1 --cancel --yes").ends(0);
    let ended = running.end().ends(1);
    assert!(ended.err.contains("no generation was recorded"), "{ended:?}");
    assert!(lab.kept("t1").is_empty());
    let unused = |status: &Value| {
        let pool = status["pool"].as_array().unwrap();
        status["sessions"].as_array().unwrap().is_empty() && pool.iter().all(|volume| volume["state"] == "unused")
    };
    lab.wait_for("both backup volumes are unused", unused);
}

#[test]
fn a_snapshot_onto_the_only_generation_says_that_there_is_none_meanwhile() {
    let lab = Lab::of(1, 1, 1);
    lab.run("policy set t1 --generations 1 --interval 1 --mode dissolve --reuse-oldest --min-interval 0s --yes --confirm t1").ends(0);
    lab.run("snapshot t1 --yes").ends(0);
    let planned = lab.run("snapshot t1 --dry-run").ends(0).out;
    assert!(planned.contains("has no backup at all"), "{planned}");
    lab.run("array write A1/0x1 --scatter 10 --seed 9").ends(0);
    lab.run("snapshot t1 --yes").ends(0);
    let kept = lab.kept("t1");
    assert_eq!((kept.len(), kept[0].0), (1, 2));
    assert!(lab.bytes(&kept[0].1) == lab.bytes("A1/0x1"));
}
