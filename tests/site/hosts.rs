//! Hosts of whole sites: what their tools report, through the real program. A script stands in the place of `ssh` and gives
//! recorded reports.

use super::array_lab::Lab;
use super::test_site::{InTime, Ran};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A site with the host `db03` behind a script.
pub struct Hosted {
    pub lab: Lab,
}

impl Hosted {
    pub fn new(lab: Lab) -> Self {
        let hosted = Self { lab };
        let ssh = hosted.folder().join("ssh");
        // The words of the other machine come quoted. Each tool's report lies in a file of its name; without one it fails.
        let script = "#!/bin/sh\nfolder=${0%/*}\ncase \"$*\" in\n  *\"'lsblk'\"*) tool=lsblk.json;;\n  *\"'fullreport'\"*) tool=groups.json;;\n  \
                      *\"'pvs'\"*) tool=duplicates.json;;\n  *\"'dmsetup'\"*) tool=dmsetup.txt;;\n  *\"'findmnt'\"*) tool=findmnt.json;;\n  *\"'fuser'\"*) tool=fuser.txt;;\n  \
                      *\"'ps'\"*) tool=ps.txt;;\nesac\n\
                      [ -e $folder/down ] && { echo 'ssh: connect to host db03 port 22: No route to host' >&2; exit 255; }\n\
                      exec cat $folder/$tool\n";
        fs::create_dir_all(hosted.folder()).unwrap();
        fs::write(&ssh, script).unwrap();
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
        hosted.lab.configure("[[host]]\nname = \"db03\"\nhost = \"db03.example\"\nuser = \"ecdeck\"\nsudo = true\n");
        hosted
    }

    /// Where the reports lie, with the script that gives them.
    pub fn folder(&self) -> PathBuf {
        self.lab.path().join("db03")
    }

    /// The host reports this from now on.
    pub fn reports(&self, recorded: &str) {
        let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/host/report/fixtures").join(recorded);
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), self.folder().join(file.file_name())).unwrap();
        }
    }

    pub fn run(&self, words: &str) -> Ran {
        let path = format!("{}:{}", self.folder().display(), std::env::var("PATH").unwrap());
        let output = self.lab.command(&words.split_whitespace().collect::<Vec<_>>()).env("PATH", path).in_time();
        Ran {
            words: words.to_owned(),
            exit: output.status.code().unwrap(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

#[test]
fn a_host_is_shown_with_its_disks_groups_and_mounts_and_what_is_unknown_is_said() {
    let lab = Lab::new();
    lab.volume("A1", 0x14, 96);
    let hosted = Hosted::new(lab);
    hosted.reports("healthy");
    let shown = hosted.run("host show db03").ends(0).out;
    for part in [
        "db03 (ecdeck@db03.example)",
        "600000e00d2a0000002a011500140000",
        "perhaps A1/0x14",
        "unknown, number 0x15",
        "db03:vg01  active  on /dev/sda",
        "db03:vg01b  no logical volumes  on /dev/sdb",
        "/srv/with blank",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = hosted.run("host show db03 --json").ends(0).json();
    assert_eq!(json["host"]["groups"][0]["logical_volumes"][0]["activation"], "active");
    assert_eq!(json["array_volumes"].as_array().unwrap().len(), 3);

    // A host that reports less than everything is not a host that has nothing.
    fs::write(hosted.folder().join("groups.json"), "").unwrap();
    fs::remove_file(hosted.folder().join("findmnt.json")).unwrap();
    let ran = hosted.run("host show db03").ends(1);
    assert!(ran.out.contains("volume groups\nunknown\n"), "{ran:?}");
    assert!(ran.out.contains("! db03: mounts unknown: findmnt on ecdeck@db03.example ended with 1"), "{ran:?}");
    fs::write(hosted.folder().join("down"), "").unwrap();
    let ran = hosted.run("host list").ends(1);
    assert!(ran.out.contains("disks unknown: no connection on ecdeck@db03.example"), "{ran:?}");
    let json = hosted.run("host list --json").ends(1).json();
    assert!(json["hosts"][0]["disks"].is_null() && json["hosts"][0]["unknown"][0]["what"] == "disks", "{json}");
    let ran = hosted.run("host show db04").ends(2);
    assert!(ran.err.contains("there is no host db04; known are: db03"), "{ran:?}");
}

#[test]
fn a_volume_group_is_checked_at_registration_start_and_backup() {
    let lab = Lab::new();
    lab.volume("A1", 0x14, 96);
    lab.volume("A1", 0x15, 96);
    lab.backups("A1", 0x21..0x22, 96);
    let hosted = Hosted::new(lab);
    let refused = |words: &str, code: &str, part: &str| {
        let ran = hosted.run(words).ends(3);
        assert!(ran.err.contains(code) && ran.err.contains(part), "{ran:?}");
    };
    let add = |group: &str| format!("volume add --transaction A1/0x14 --name vg01 --group {group} --yes");

    hosted.reports("two-disks");
    refused(&add("db03:vg02"), "ecd-1252", "/dev/sda (600000e00d2a0000002a011500140000), /dev/sdb (");
    refused(&add("db03:vg01"), "ecd-1250", "no volume group vg01");
    hosted.run(&add("vg01")).ends(2);
    hosted.run(&add("db04:vg01")).ends(2);
    hosted.reports("healthy");
    // Its disk has the number of another volume.
    refused(&add("db03:vg01b"), "ecd-1254", "volume 0x15, not of 0x14");
    let ran = hosted.run(&add("db03:vg01")).ends(0);
    assert!(ran.out.contains("the volume group db03:vg01") && ran.out.contains("ecd-1258"), "{ran:?}");
    assert_eq!(hosted.run("status --json").ends(0).json()["transaction_volumes"][0]["group"], "db03:vg01");
    let list = hosted.run("volume list").ends(0).out;
    assert!(list.lines().any(|line| line.starts_with("A1/0x14") && line.trim_end().ends_with("db03:vg01")), "{list}");
    hosted.run("policy set vg01 --generations 1 --interval 1 --mode suspend --yes").ends(0);

    // Only a map pairs it.
    refused("sync start vg01 --yes", "ecd-1256", "no device map pairs it");
    let map = hosted.lab.path().join("night.map");
    fs::write(&map, "vg01 A1/0x21\n").unwrap();
    let start = format!("sync start vg01 --map {} --wait --yes", map.display());
    refused(&start, "ecd-1260", "A1/0x21 is none");
    hosted.run("volume add --backup A1/0x15 --group db03:vg01b --yes").ends(0);
    fs::write(&map, "vg01 A1/0x15\n").unwrap();
    hosted.reports("two-disks");
    refused(&start, "ecd-1250", "no volume group vg01");
    hosted.reports("partial");
    refused(&start, "ecd-1253", "misses physical volumes");
    fs::write(hosted.folder().join("down"), "").unwrap();
    refused(&start, "ecd-1251", "No route to host");
    fs::remove_file(hosted.folder().join("down")).unwrap();
    hosted.reports("healthy");
    let ran = hosted.run(&start).ends(0);
    assert!(ran.out.contains("lvdata (64 MiB), lvlog (16 MiB)"), "{ran:?}");

    // The group was extended by a second disk while it was equivalent: the new part would not be in the backup.
    let groups = fs::read_to_string(hosted.folder().join("groups.json")).unwrap();
    hosted.reports("two-disks");
    let two = fs::read_to_string(hosted.folder().join("groups.json")).unwrap().replace("vg02", "vg01");
    fs::write(hosted.folder().join("groups.json"), two).unwrap();
    refused("backup vg01 --yes", "ecd-1252", "2 physical disks");
    hosted.reports("healthy");
    fs::write(hosted.folder().join("groups.json"), groups).unwrap();
    let plan = hosted.run("backup vg01 --dry-run").ends(0);
    assert!(plan.out.contains("ecd-1257"), "{plan:?}");
    let uncovered = "no script before the backup names lvdata (/srv/ora), lvlog (/srv/with blank) (ecd-1272)";
    assert!(plan.out.contains(uncovered), "{plan:?}");
    // Without hooks and without a host: possible, and the plan says what is not known. A group that does not fit is no such case.
    fs::write(hosted.folder().join("down"), "").unwrap();
    refused("backup vg01 --yes", "ecd-1251", "No route to host");
    let plan = hosted.run("backup vg01 --crash-consistent --dry-run").ends(0);
    assert!(plan.out.contains("ecd-1259") && plan.out.contains("No route to host"), "{plan:?}");
    fs::remove_file(hosted.folder().join("down")).unwrap();
    hosted.reports("two-disks");
    refused("backup vg01 --crash-consistent --yes", "ecd-1250", "no volume group vg01");
    fs::write(hosted.folder().join("down"), "").unwrap();
    // The identity of the group on the backup volume waits for the host.
    let ran = hosted.run("backup vg01 --crash-consistent --yes").ends(1);
    assert!(ran.err.contains("the restore of the identity of db03:vg01b"), "{ran:?}");
    fs::remove_file(hosted.folder().join("down")).unwrap();
    assert_eq!(hosted.lab.kept("vg01").len(), 1);

    // A site file says which volume is a group, and never makes a plain volume of one.
    let file = hosted.lab.path().join("site.toml");
    hosted.run(&format!("site export {}", file.display())).ends(0);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("group = \"db03:vg01\""), "{text}");
    hosted.run(&format!("site diff {}", file.display())).ends(0);
    fs::write(&file, text.replace("db03:vg01", "db03:vg02")).unwrap();
    let ran = hosted.run(&format!("site diff {}", file.display())).ends(2);
    assert!(ran.err.contains("is the volume group db03:vg01, the file says group db03:vg02"), "{ran:?}");
    // It survives the engine, and the audit agrees with the tables.
    hosted.lab.kill_engine();
    assert_eq!(hosted.run("status --json").ends(0).json()["transaction_volumes"][0]["group"], "db03:vg01");
    hosted.run("audit verify").ends(0);
}

#[test]
fn a_restore_asks_the_hosts_that_see_its_target() {
    let lab = Lab::new();
    for olu in [0x10, 0x14, 0x15] {
        lab.volume("A1", olu, 96);
    }
    lab.backups("A1", 0x21..0x22, 96);
    let hosted = Hosted::new(lab);
    hosted.reports("healthy");
    hosted.run("volume add --transaction A1/0x10 --name db --yes").ends(0);
    hosted.run("policy set db --generations 1 --interval 1 --mode suspend --yes").ends(0);
    hosted.run("sync start db --wait --yes").ends(0);
    hosted.run("backup db --yes").ends(0);
    let restore = |to: &str| format!("restore db --version 1 --to {to} --unmounted --confirm {to} --yes");
    let refused = |to: &str, code: &str, part: &str| {
        let ran = hosted.run(&restore(to)).ends(3);
        assert!(ran.err.contains(code) && ran.err.contains(part), "{ran:?}");
    };

    fs::write(hosted.folder().join("fuser.txt"), " 4711c 4712\n").unwrap();
    fs::write(hosted.folder().join("ps.txt"), " 4711 postgres\n 4712 tar\n").unwrap();
    refused("A1/0x14", "ecd-1640", "mounted at /srv/ora, /srv/with blank, used by postgres (4711), tar (4712)");
    // Mounts that cannot be read are not none.
    let mounts = fs::read(hosted.folder().join("findmnt.json")).unwrap();
    fs::remove_file(hosted.folder().join("findmnt.json")).unwrap();
    refused("A1/0x15", "ecd-1641", "its mounts are unknown");
    fs::write(hosted.folder().join("findmnt.json"), mounts).unwrap();

    let shown = hosted.run("restore db --version 1 --to A1/0x15 --unmounted --dry-run").ends(0).out;
    assert!(shown.contains("ecd-1642") && shown.contains("db03 sees A1/0x15 and has it mounted nowhere"), "{shown}");
    assert!(!shown.contains("ecd-1609"), "{shown}");
    // No host sees this one, and none that is down answers for it.
    let shown =
        hosted.run("restore db --version 1 --to A1/0x10 --unmounted --without-present-state --dry-run").ends(0).out;
    assert!(shown.contains("ecd-1609") && !shown.contains("ecd-1642"), "{shown}");
    fs::write(hosted.folder().join("down"), "").unwrap();
    let shown = hosted.run("restore db --version 1 --to A1/0x15 --unmounted --dry-run").ends(0).out;
    assert!(shown.contains("the disks of db03 could not be read"), "{shown}");
    fs::remove_file(hosted.folder().join("down")).unwrap();

    hosted.run(&restore("A1/0x15")).ends(0);
}
