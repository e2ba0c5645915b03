//! The main job, end to end: volumes with real files, synchronized, backed up, generation after generation.

use super::array_lab::Lab;
use crate::needs::needs;
use crate::test_site::InTime;
use std::path::Path;
use std::process::Command;

/// MiB of the file system; the volume is longer, so that writes beyond its end disturb nothing.
const FILE_SYSTEM: u32 = 8;
const VOLUME: u32 = 12;

/// A file system with some files on a transaction volume, or why not.
fn with_files(lab: &Lab) -> Option<tempfile::TempDir> {
    let make = needs("mke2fs")?;
    needs("e2fsck")?;
    needs("debugfs")?;
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    for number in 0_u64..20 {
        let bytes: Vec<u8> = std::iter::repeat_with({
            let mut random = fastrand::Rng::with_seed(number);
            move || random.u8(..)
        })
        .take(1 + 7_919 * number as usize)
        .collect();
        std::fs::write(files.join(format!("file{number}")), bytes).unwrap();
    }
    let image = folder.path().join("image");
    let made = Command::new(make)
        .args(["-q", "-F", "-t", "ext4", "-b", "1024", "-d"])
        .args([&files, &image])
        .arg(format!("{FILE_SYSTEM}M"))
        .in_time();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    lab.run_words(&["array", "import", "A1/0x1", image.to_str().unwrap()]).ends(0);
    Some(folder)
}

/// The file system on a backup volume is clean and has every file as it was.
fn check_files(lab: &Lab, folder: &Path, place: &str) {
    let image = lab.image(place);
    let checked = Command::new(needs("e2fsck").unwrap()).arg("-fn").arg(&image).in_time();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let out = folder.join(format!("out-{}", place.replace('/', "-")));
    std::fs::create_dir(&out).unwrap();
    let dump = format!("rdump / {}", out.display());
    let dumped = Command::new(needs("debugfs").unwrap()).args(["-R", &dump]).arg(&image).in_time();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    for entry in std::fs::read_dir(folder.join("files")).unwrap() {
        let path = entry.unwrap().path();
        let copied = std::fs::read(out.join(path.file_name().unwrap())).unwrap();
        assert!(copied == std::fs::read(&path).unwrap(), "{} differs on {place}", path.display());
    }
}

fn files_are_backed_up(target: &str) {
    let lab = Lab::new();
    lab.transaction("t1", "A1", 1, VOLUME);
    lab.backups(target, 0x21..0x23, VOLUME);
    let Some(folder) = with_files(&lab) else { return };
    lab.policy("t1", 2, "suspend");

    assert_eq!(lab.synchronize("t1"), "start-full");
    lab.back_up("t1");
    let kept = lab.kept("t1");
    assert_eq!(kept.len(), 1);
    assert!(lab.bytes("A1/0x1") == lab.bytes(&kept[0].1), "nothing wrote: both are the same");
    check_files(&lab, folder.path(), &kept[0].1);

    // A host that writes all the time, where the file system is not.
    lab.run(&format!("array workload A1/0x1 --rate 4MiB --from {FILE_SYSTEM}MiB")).ends(0);
    lab.synchronize("t1");
    lab.run("array write A1/0x1 --offset 9MiB --length 64KiB --seed 7").ends(0);
    lab.run("backup t1 --wait --yes").ends(0);
    let newest = lab.kept("t1")[0].clone();
    assert_eq!(newest.0, 2);
    check_files(&lab, folder.path(), &newest.1);
    lab.run("array workload A1/0x1 --stop").ends(0);
    lab.run("audit verify").ends(0);
}

#[test]
fn files_are_backed_up_in_one_box() {
    files_are_backed_up("A1");
}

#[test]
fn files_are_backed_up_to_another_box() {
    files_are_backed_up("A2");
}

/// Ten rounds with G generations on G + 1 volumes.
fn rounds(mode: &str) {
    const GENERATIONS: usize = 2;
    let lab = Lab::of(1, GENERATIONS as u32 + 1, 2);
    lab.policy("t1", GENERATIONS as u32, mode);
    for round in 1..=10_u64 {
        lab.run(&format!("array write A1/0x1 --scatter 8 --seed {round}")).ends(0);
        let step = lab.synchronize("t1");
        let expected = if mode == "suspend" && round > GENERATIONS as u64 + 1 { "resume" } else { "start-full" };
        assert_eq!(step, expected, "round {round}");
        let before = lab.kept("t1");
        lab.back_up("t1");
        let kept = lab.kept("t1");
        assert_eq!(kept.len(), GENERATIONS.min(round as usize), "{kept:?}");
        assert_eq!(kept[0].0, round, "the newest is the one that was just taken");
        assert!(lab.bytes("A1/0x1") == lab.bytes(&kept[0].1), "round {round}");
        assert!(
            before.iter().all(|(_, place)| *place != kept[0].1),
            "a kept generation was overwritten: {before:?} {kept:?}"
        );
        assert_eq!(kept[1..], before[..kept.len() - 1], "the oldest is given up, nothing else");
    }
    let history = lab.json("history t1");
    let released =
        history["generations"].as_array().unwrap().iter().filter(|entry| entry["released_why"] == "retention");
    assert_eq!(released.count(), 10 - GENERATIONS);
    let sessions = lab.status()["sessions"].as_array().unwrap().len();
    assert_eq!(sessions, if mode == "suspend" { GENERATIONS + 1 } else { 0 });
    lab.run("audit verify").ends(0);
}

#[test]
fn generations_roll_over_in_suspend_mode() {
    rounds("suspend");
}

#[test]
fn generations_roll_over_in_dissolve_mode() {
    rounds("dissolve");
}
