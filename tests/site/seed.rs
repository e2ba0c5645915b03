//! The description of synchronized high-speed backup, sentence by sentence: `docs/scenarios.md` has the sentences, and each test has
//! the number of its own.

use super::array_lab::Lab;
use super::block_devices::{copied_regions, run};
use super::hosts::Hosted;
use super::lvm_groups::GroupLab;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between two looks at a state that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

fn state_of(lab: &Lab, place: &str) -> String {
    let status = lab.json("status");
    let pool = status["pool"].as_array().unwrap();
    pool.iter().find(|volume| volume["location"] == place).unwrap()["state"].as_str().unwrap().to_owned()
}

#[test]
fn seed_01_ec_and_rec_copy_to_an_unused_backup_volume() {
    let lab = Lab::new();
    for (name, array) in [("near", "A1"), ("far", "A2")] {
        let (source, target) = if array == "A1" { (1, 0x21) } else { (2, 0x22) };
        lab.transaction(name, "A1", source, 4);
        lab.run(&format!("array write A1/0x{source:X} --length 64KiB --seed {source}")).ends(0);
        let place = lab.volume(array, target, 4);
        lab.run(&format!("volume add --backup {place} --yes")).ends(0);
        assert_eq!(state_of(&lab, &place), "unused");
        lab.synchronize(name);
        assert_eq!(lab.bytes(&format!("A1/0x{source:X}")), lab.bytes(&place), "{name}");
        let kind = if array == "A1" { "ec" } else { "rec" };
        let sessions = lab.json("status")["sessions"].to_string().to_lowercase();
        assert!(sessions.contains(&format!("\"{kind}\"")), "{kind}: {sessions}");
    }
}

#[test]
fn seed_02_a_start_takes_an_unused_volume_of_the_same_capacity() {
    let lab = Lab::of(1, 0, 4);
    lab.backups("A1", 0x20..0x21, 5);
    lab.refused("sync start t1 --yes", "ecd-1201");
    lab.backups("A1", 0x21..0x22, 4);
    assert_eq!(lab.synchronize("t1"), "start-full");
    assert_eq!((state_of(&lab, "A1/0x20"), state_of(&lab, "A1/0x21")), ("unused".into(), "equivalent".into()));
}

#[test]
fn seed_03_from_equivalence_on_every_write_is_on_both_volumes() {
    let lab = Lab::of(1, 1, 4);
    lab.synchronize("t1");
    lab.wait_for_state("t1", "equivalent");
    for round in 1..4 {
        let before = lab.bytes("A1/0x21");
        lab.run(&format!("array write A1/0x1 --scatter 4 --seed {round}")).ends(0);
        assert_ne!(lab.bytes("A1/0x21"), before);
        assert_eq!(lab.bytes("A1/0x1"), lab.bytes("A1/0x21"));
    }
    lab.wait_for_state("t1", "equivalent");
}

#[test]
fn seed_04_a_backup_stops_the_synchronization_and_records_it() {
    let lab = Lab::of(1, 1, 4);
    lab.policy("t1", 1, "dissolve");
    lab.synchronize("t1");
    assert!(lab.kept("t1").is_empty());
    lab.back_up("t1");
    assert_eq!(lab.kept("t1"), [(1, "A1/0x21".to_owned())]);
    assert_eq!(lab.json("status")["sessions"].as_array().unwrap().len(), 0);
    assert_eq!(state_of(&lab, "A1/0x21"), "generation");
}

#[test]
fn seed_05_the_oldest_volume_becomes_unused() {
    let lab = Lab::of(1, 3, 4);
    lab.policy("t1", 2, "dissolve");
    for _ in 0..3 {
        lab.synchronize("t1");
        lab.back_up("t1");
    }
    let kept: Vec<u64> = lab.kept("t1").iter().map(|(version, _)| *version).collect();
    assert_eq!(kept, [3, 2]);
    assert_eq!(state_of(&lab, "A1/0x21"), "unused");
    // As any other one: the next start takes it.
    assert_eq!(lab.synchronize("t1"), "start-full");
    assert_eq!(state_of(&lab, "A1/0x21"), "equivalent");
}

#[test]
fn seed_06_no_backup_before_equivalence() {
    let lab = Lab::of(1, 1, 4);
    lab.policy("t1", 1, "suspend");
    lab.refused("backup t1 --yes", "ecd-1302");
    lab.run("array rate 64KiB").ends(0);
    lab.run("sync start t1 --yes").ends(0);
    lab.wait_for_state("t1", "copying");
    lab.refused("backup t1 --yes", "ecd-1301");
    assert!(lab.kept("t1").is_empty());
}

#[test]
fn seed_07_a_session_is_suspended_and_resumed() {
    let lab = Lab::of(1, 1, 4);
    lab.synchronize("t1");
    lab.run("sync suspend t1 --yes").ends(0);
    lab.wait_for_state("t1", "suspended");
    assert_eq!(lab.synchronize("t1"), "resume");
    lab.wait_for_state("t1", "equivalent");
    // A backup may do it: the session stays, and the next start resumes it once the generation is given up.
    lab.policy("t1", 1, "suspend");
    lab.back_up("t1");
    assert_eq!(state_of(&lab, "A1/0x21"), "suspended+generation");
    lab.wait_for_state("t1", "suspended");
    lab.run("history delete t1 --version 1 --confirm A1/0x21 --yes").ends(0);
    assert_eq!(lab.synchronize("t1"), "resume");
}

#[test]
fn seed_08_a_resume_copies_the_difference_only() {
    let lab = Lab::of(1, 1, 4);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.back_up("t1");
    lab.run("history delete t1 --version 1 --confirm A1/0x21 --yes").ends(0);
    let before = copied_regions(&lab, "A1/0x21");
    lab.run("array write A1/0x1 --text changed").ends(0);
    assert_eq!(lab.synchronize("t1"), "resume");
    assert_eq!(copied_regions(&lab, "A1/0x21") - before, 1, "of 64");
    assert_eq!(lab.bytes("A1/0x1"), lab.bytes("A1/0x21"));
}

#[test]
fn seed_09_without_an_unused_volume_there_is_no_copy() {
    let lab = Lab::of(1, 2, 4);
    lab.policy("t1", 2, "dissolve");
    for _ in 0..2 {
        lab.synchronize("t1");
        lab.back_up("t1");
    }
    let refused = lab.refused("sync start t1 --yes", "ecd-1201");
    assert!(refused.to_string().contains("holds v1 of t1"), "{refused:#}");
    assert_eq!(lab.json("status")["sessions"].as_array().unwrap().len(), 0);
    assert_eq!(lab.kept("t1").len(), 2);
}

#[test]
fn seed_10_all_logical_volumes_are_in_the_backup() {
    let Some(mut site) = GroupLab::new(1) else { return };
    site.run("policy set vg01 --generations 1 --interval 1 --mode dissolve --yes").ends(0);
    site.writes("all of it");
    site.starts(1);
    assert_eq!(site.lab.bytes("A1/0x1"), site.lab.bytes("A1/0x21"), "the whole disk");
    let plan = site.run("backup vg01 --dry-run").ends(0).out;
    assert!(plan.contains("lvdata (16 MiB), lvlog (8 MiB)"), "{plan}");
    site.run("backup vg01 --yes").ends(0);
    // Both file systems are whole and have their files.
    site.is_whole(1, "all of it");
}

/// The recorded host with `vg01` and `vg01b`, and a volume that is no group.
fn recorded() -> Hosted {
    let lab = Lab::new();
    lab.volume("A1", 0x14, 96);
    lab.volume("A1", 0x15, 96);
    lab.backups("A1", 0x21..0x22, 96);
    let hosted = Hosted::new(lab);
    hosted.reports("healthy");
    hosted.run("volume add --transaction A1/0x14 --name vg01 --group db03:vg01 --yes").ends(0);
    hosted
}

fn start(hosted: &Hosted, target: &str) -> super::test_site::Ran {
    let map = hosted.lab.path().join("map");
    fs::write(&map, format!("vg01 {target}\n")).unwrap();
    hosted.run(&format!("sync start vg01 --map {} --yes", map.display()))
}

#[test]
fn seed_11_the_backup_volume_is_another_group_of_the_same_size() {
    let hosted = recorded();
    let refused = start(&hosted, "A1/0x21").ends(3);
    assert!(refused.err.contains("ecd-1260"), "{refused:?}");
    // The same group is no other one, and a disk of another volume is not this one.
    let same = hosted.run("volume add --backup A1/0x15 --group db03:vg01 --yes").ends(3);
    assert!(same.err.contains("already, on the same disk"), "{same:?}");
    hosted.lab.volume("A1", 0x16, 96);
    let other = hosted.run("volume add --backup A1/0x16 --group db03:vg01b --yes").ends(3);
    assert!(other.err.contains("ecd-1254"), "{other:?}");
    let added = hosted.run("volume add --backup A1/0x15 --group db03:vg01b --yes").ends(0);
    assert!(added.out.contains("the volume group db03:vg01b") && added.out.contains("ecd-1258"), "{added:?}");
    start(&hosted, "A1/0x15").ends(0);
    // A group on a disk of another size is registered, and is no backup volume of this one.
    let (lsblk, groups) = (hosted.folder().join("lsblk.json"), hosted.folder().join("groups.json"));
    let small = fs::read_to_string(&lsblk).unwrap().replacen("/dev/sdb", "/dev/sdd", 2).replace("00150000", "00170000");
    let (before, after) = small.split_once("/dev/sdd").unwrap();
    fs::write(&lsblk, format!("{before}/dev/sdd{}", after.replacen("100663296", "50331648", 1))).unwrap();
    let known = fs::read_to_string(&groups).unwrap();
    let named = known.replace("vg01b", "vg01c").replace("/dev/sdb", "/dev/sdd").replace("Uhd7vg", "Uhd7vh");
    fs::write(&groups, named.replace("ZUZi-pzrz", "ZUZi-pzr9")).unwrap();
    hosted.lab.volume("A1", 0x17, 48);
    hosted.run("volume add --backup A1/0x17 --group db03:vg01c --yes").ends(0);
    hosted.lab.wait_for_state("vg01", "equivalent");
    hosted.run("sync cancel vg01 --yes").ends(0);
    let refused = start(&hosted, "A1/0x17").ends(3);
    assert!(refused.err.contains("A1/0x17 has 98304 blocks, vg01 has 196608"), "{refused:?}");
    hosted.reports("healthy");
    start(&hosted, "A1/0x15").ends(0);
    // A plain volume never gets a group's disk.
    hosted.lab.transaction("plain", "A1", 1, 96);
    let map = hosted.lab.path().join("plain.map");
    fs::write(&map, "plain A1/0x15\n").unwrap();
    hosted.run(&format!("sync start plain --map {} --yes", map.display())).ends(3);
    assert_eq!(
        hosted.run("sync start plain --dry-run --json").ends(0).json()["plan"]["items"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn seed_12_a_volume_group_needs_a_device_map() {
    let hosted = recorded();
    hosted.run("volume add --backup A1/0x15 --group db03:vg01b --yes").ends(0);
    let refused = hosted.run("sync start vg01 --yes").ends(3);
    assert!(refused.err.contains("ecd-1256"), "{refused:?}");
    let started = start(&hosted, "A1/0x15").ends(0);
    assert!(started.out.contains("A1/0x15"), "{started:?}");
}

#[test]
fn seed_12_a_device_map_says_which_volume_is_paired_with_which() {
    let lab = Lab::of(2, 3, 4);
    let map = lab.path().join("map");
    fs::write(&map, "# night\nt1  A1/0x23\n\nt2\tA1/0x21  # the other one\n").unwrap();
    lab.run(&format!("sync start --map {} --wait --yes", map.display())).ends(0);
    assert_eq!(lab.json("status")["sessions"].as_array().unwrap().len(), 2);
    for (transaction, backup) in [("A1/0x1", "A1/0x23"), ("A1/0x2", "A1/0x21")] {
        assert_eq!(state_of(&lab, backup), "equivalent");
        assert_eq!(lab.bytes(transaction), lab.bytes(backup), "{transaction}");
    }
    assert_eq!(state_of(&lab, "A1/0x22"), "unused");
}

#[test]
fn seed_13_the_lvm_configuration_is_restored_after_the_backup() {
    let Some(mut site) = GroupLab::new(1) else { return };
    site.run("policy set vg01 --generations 1 --interval 1 --mode suspend --yes").ends(0);
    site.writes("as it was");
    site.starts(1);
    // Now the disk has the LVM configuration of the transaction volume.
    let [transaction, backup] = ["A1/0x1", "A1/0x21"].map(|place| site.lab.bytes(place)[..1 << 20].to_vec());
    assert_eq!(transaction, backup);
    site.run("backup vg01 --yes").ends(0);
    assert_ne!(site.lab.bytes("A1/0x21")[..1 << 20], transaction);
    site.is_whole(1, "as it was");
}

#[test]
fn seed_14_scripts_unmount_and_mount_all_logical_volumes() {
    let Some(mut site) = GroupLab::new(1) else { return };
    let places = ["lvdata", "lvlog"].map(|name| site.lab.path().join(name).to_str().unwrap().to_owned());
    let script = site.lab.path().join("unmount");
    fs::copy(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/hooks/unmount"), &script).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let words = format!("[\"{}\", \"{}\", \"{}\"]", script.display(), places[0], places[1]);
    site.lab.configure(&format!(
        "[[hook]]\nname = \"unmount\"\nvolumes = [\"vg01\"]\nbefore_backup = {words}\nafter_backup = {words}\n"
    ));
    site.run("policy set vg01 --generations 1 --interval 1 --mode suspend --yes").ends(0);
    site.writes("while mounted");
    for (name, place) in ["lvdata", "lvlog"].iter().zip(&places) {
        site.mount(name, place);
    }
    site.starts(1);
    site.run("backup vg01 --yes").ends(0);
    for (name, place) in ["lvdata", "lvlog"].iter().zip(&places) {
        run(&["mountpoint", "-q", place]);
        assert_eq!(fs::read_to_string(format!("{place}/file")).unwrap(), format!("while mounted in {name}"));
    }
    // No file system needs its journal: it was unmounted when it was copied.
    site.is_whole(1, "while mounted");
    let events = site.run("audit export").ends(0).out;
    assert!(events.contains("before-backup") && events.contains("after-backup"), "{events}");
}

#[test]
fn seed_15_a_group_of_two_disks_is_an_error() {
    let lab = Lab::new();
    lab.volume("A1", 0x14, 96);
    lab.volume("A1", 0x15, 96);
    let hosted = Hosted::new(lab);
    hosted.reports("two-disks");
    let refused = hosted.run("volume add --transaction A1/0x14 --name vg02 --group db03:vg02 --yes").ends(3);
    assert!(refused.err.contains("ecd-1252") && refused.err.contains("/dev/sdb"), "{refused:?}");
    // It became one later.
    hosted.reports("healthy");
    hosted.run("volume add --transaction A1/0x14 --name vg02 --group db03:vg01 --yes").ends(0);
    hosted.run("volume add --backup A1/0x15 --group db03:vg01b --yes").ends(0);
    hosted.reports("two-disks");
    let groups = hosted.folder().join("groups.json");
    fs::write(&groups, fs::read_to_string(&groups).unwrap().replace("vg02", "vg01")).unwrap();
    let map = hosted.lab.path().join("map");
    fs::write(&map, "vg02 A1/0x15\n").unwrap();
    let start = format!("sync start vg02 --map {} --wait --yes", map.display());
    let refused = hosted.run(&start).ends(3);
    assert!(refused.err.contains("ecd-1252"), "{refused:?}");
    // And later still: it is equivalent, and a backup of it would lack the second disk.
    hosted.run("policy set vg02 --generations 1 --interval 1 --mode suspend --yes").ends(0);
    let two_disks = fs::read_to_string(&groups).unwrap();
    hosted.reports("healthy");
    hosted.run(&start).ends(0);
    hosted.run("backup vg02 --dry-run").ends(0);
    hosted.reports("two-disks");
    fs::write(&groups, two_disks).unwrap();
    for words in ["backup vg02 --yes", "backup vg02 --crash-consistent --yes"] {
        let refused = hosted.run(words).ends(3);
        assert!(refused.err.contains("ecd-1252") && refused.err.contains("2 physical disks"), "{refused:?}");
    }
    assert!(hosted.lab.kept("vg02").is_empty());
}

/// Waits until the group of the backup volume is shown like this.
#[track_caller]
fn group_is(hosted: &Hosted, wanted: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let json = hosted.run("status --json").ends(0).json();
        let volume = json["pool"].as_array().unwrap().iter().find(|volume| volume["location"] == "A1/0x15").unwrap();
        if volume["group_state"] == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{wanted}: {volume}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

#[test]
fn seed_16_a_group_that_is_deactivated_meanwhile_stops_everything() {
    let Synchronized { hosted, kernel, inactive, active } = synchronized();
    let refused = |words: &str, code: &str| {
        let ran = hosted.run(words).ends(3);
        assert!(ran.err.contains(code), "{ran:?}");
        ran.err
    };

    // What is not known never counts as inactive. It refuses what needs the host, and nothing else.
    fs::remove_file(&kernel).unwrap();
    group_is(&hosted, "unknown");
    let status = hosted.run("status --json").ends(0).json();
    assert!(status["transaction_volumes"][0]["problem"].is_null(), "{status}");
    refused("backup vg01 --yes", "ecd-1264");
    hosted.run("backup vg01 --crash-consistent --dry-run").ends(0);
    hosted.run("sync cancel vg01 --dry-run").ends(0);

    // Active, then inactive: red at once, and nothing that needs the host.
    fs::write(&kernel, &inactive).unwrap();
    group_is(&hosted, "deactivated");
    let status = hosted.run("status").ends(0).out;
    let way_out =
        ["ecdeck sync force-stop vg01 --volume A1/0x15", "vgchange -ay vg01b", "ecdeck sync start vg01 --map"];
    assert!(status.contains("! vg01") && status.contains("ecd-1263"), "{status}");
    let row = status.lines().find(|line| line.starts_with("vg01")).unwrap();
    assert!(row.contains("group lost") && !row.contains("equivalent") && !row.contains("now"), "{row}");
    let told = refused("backup vg01 --yes", "ecd-1263");
    for line in way_out {
        assert!(status.contains(line) && told.contains(line), "{line}: {status}{told}");
    }
    assert!(told.contains("cannot be activated again"), "{told}");
    let events = hosted.run("audit export").ends(0).out;
    assert_eq!(events.matches("group-deactivated").count(), 1, "{events}");

    // It stays so, over an engine that dies, and if somebody activates the group after all.
    hosted.lab.kill_engine();
    fs::write(&kernel, &active).unwrap();
    refused("backup vg01 --yes", "ecd-1263");
    group_is(&hosted, "deactivated");

    // A new session has a new watch.
    hosted.run("sync force-stop vg01 --volume A1/0x15 --yes").ends(0);
    start(&hosted, "A1/0x15").ends(0);
    hosted.lab.wait_for_state("vg01", "equivalent");
    group_is(&hosted, "active");

    // Deactivated while it is suspended: post-processing is refused, too.
    fs::write(hosted.folder().join("down"), "").unwrap();
    hosted.run("backup vg01 --crash-consistent --yes").ends(1);
    fs::remove_file(hosted.folder().join("down")).unwrap();
    fs::write(&kernel, &inactive).unwrap();
    refused("history post vg01 --version 1 --yes", "ecd-1263");
    hosted.run("audit verify").ends(0);
}

/// A synchronized group, equivalent, and what the kernel reports of its backup volume's group.
struct Synchronized {
    hosted: Hosted,
    /// Where the kernel's report is read from.
    kernel: PathBuf,
    inactive: String,
    active: String,
}

fn synchronized() -> Synchronized {
    let hosted = recorded();
    let kernel = hosted.folder().join("dmsetup.txt");
    let inactive = fs::read_to_string(&kernel).unwrap();
    let active = format!("{inactive}LVM-Uhd7vgtdr5XOZVQRCicwuK0FfbmJ4xfL{}/253/2\n", "v".repeat(32));
    fs::write(&kernel, &active).unwrap();
    hosted.run("volume add --backup A1/0x15 --group db03:vg01b --yes").ends(0);
    hosted.run("policy set vg01 --generations 1 --interval 1 --mode suspend --yes").ends(0);
    start(&hosted, "A1/0x15").ends(0);
    hosted.lab.wait_for_state("vg01", "equivalent");
    group_is(&hosted, "active");
    Synchronized { hosted, kernel, inactive, active }
}

/// The same after its backup volume's group was deactivated; and what the kernel reports while it is active.
fn lost() -> (Hosted, String) {
    let Synchronized { hosted, kernel, inactive, active } = synchronized();
    fs::write(&kernel, &inactive).unwrap();
    group_is(&hosted, "deactivated");
    (hosted, active)
}

#[test]
fn seed_17_neither_stop_nor_backup_nor_cancel_works_any_more() {
    let (hosted, _) = lost();
    let words = [
        "sync suspend vg01 --yes",
        "sync cancel vg01 --yes",
        "sync cancel vg01 --volume A1/0x15 --yes",
        "sync cancel vg01 --all --yes",
        "backup vg01 --yes",
        "backup vg01 --crash-consistent --yes",
        "backup vg01 --dissolve --yes",
    ];
    for words in words {
        let refused = hosted.run(words).ends(3);
        assert!(refused.err.contains("ecd-1263") && refused.err.contains("cannot be activated again"), "{refused:?}");
        assert!(refused.err.contains("ecdeck sync force-stop vg01 --volume A1/0x15"), "{refused:?}");
    }
    // A script that waits for it is not told that it is ready.
    let waited = hosted.run("wait vg01 --for equivalent --time-limit 1m").ends(1);
    assert!(waited.err.contains("ecd-1263") || waited.out.contains("ecd-1263"), "{waited:?}");
    // The array goes on with what it does.
    assert_eq!(hosted.run("status --json").ends(0).json()["sessions"].as_array().unwrap().len(), 1);
    assert!(hosted.lab.kept("vg01").is_empty());
}

#[test]
fn seed_18_after_a_forced_stop_and_an_activation_it_starts_anew() {
    let (hosted, active) = lost();
    // As `ecdeck status` prints it.
    hosted.run("sync force-stop vg01 --volume A1/0x15 --yes").ends(0);
    assert_eq!(state_of(&hosted.lab, "A1/0x15"), "unused");
    fs::write(hosted.folder().join("dmsetup.txt"), active).unwrap();
    start(&hosted, "A1/0x15").ends(0);
    hosted.lab.wait_for_state("vg01", "equivalent");
    group_is(&hosted, "active");
    hosted.run("backup vg01 --dry-run").ends(0);
}

#[test]
fn seed_18_a_forced_stop_on_the_array_needs_no_host() {
    let hosted = recorded();
    hosted.run("volume add --backup A1/0x15 --group db03:vg01b --yes").ends(0);
    start(&hosted, "A1/0x15").ends(0);
    fs::write(hosted.folder().join("down"), "").unwrap();
    hosted.run("policy set vg01 --generations 1 --interval 1 --mode suspend --yes").ends(0);
    hosted.run("sync force-stop vg01 --yes").ends(0);
    assert_eq!(hosted.run("status --json").ends(0).json()["sessions"].as_array().unwrap().len(), 0);
}

#[test]
fn every_sentence_has_a_row_and_every_scenario_a_sentence() {
    let page = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md")).unwrap();
    let numbers = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse::<u32>().ok());
    assert_eq!(numbers.collect::<Vec<_>>(), (1..=18).collect::<Vec<_>>());
    let scenarios =
        include_str!("seed.rs").lines().filter_map(|line| line.strip_prefix("fn seed_")?.strip_suffix("() {"));
    for scenario in scenarios {
        let number: u32 = scenario[..2].parse().unwrap();
        let row = page.lines().find(|line| line.contains(&format!("`seed_{scenario}`")));
        assert!(row.is_some_and(|row| row.starts_with(&format!("| {number} |"))), "{scenario}");
    }
}
