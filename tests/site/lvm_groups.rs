//! Volume groups with the real LVM: groups on exported volumes, backed up by maps over groups of their own, and their
//! identities restored. The kernel needs no device-mapper: nothing is activated.

use super::array_lab::{Lab, kills};
use super::block_devices::{Undo, block_device, copied_regions, run};
use super::needs;
use super::test_site::{InTime, Ran};
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Logical volumes: name, MiB, and MiB from the begin of the disk.
const VOLUMES: [(&str, u64, u64); 2] = [("lvdata", 16, 1), ("lvlog", 8, 17)];
/// Programs that the engine runs on the host to restore an identity.
const WRAPPED: [&str; 6] = ["blockdev", "lvm", "mktemp", "rm", "tee", "wipefs"];
/// Between two looks at a state that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Commands of one post-processing, from the first look to the end: three that read, nine that write.
const COMMANDS: u32 = 12;
const COMMANDS_THAT_WRITE: u32 = 9;

/// A site with the group `vg01` on `A1/0x1`, and groups `vg01b1` and so on that are backup volumes.
pub struct GroupLab {
    // Dropped first: what is exported is unmounted before its site ends.
    undo: Undo,
    pub lab: Lab,
    device: String,
    /// As LVM had them in the beginning: name, identity of the group and of its disk.
    before: BTreeSet<(String, String, String)>,
    _alone: MutexGuard<'static, ()>,
}

/// One site of these at a time: the tools of this machine list the devices of all of them.
static ALONE: Mutex<()> = Mutex::new(());

impl GroupLab {
    /// `None`: this machine lacks something, which is said aloud.
    pub fn new(backups: u32) -> Option<Self> {
        for what in ["root", "lvm", "wipefs", "blockdev", "mkfs.ext4", "e2fsck", "debugfs"] {
            needs::needs(what)?;
        }
        let alone = ALONE.lock();
        let (lab, mut undo) = (Lab::new(), Undo::default());
        let mut config = vec!["[[host]]\nname = \"lab\"\n[host.wwid]\n".to_owned()];
        let mut devices = Vec::new();
        for olu in std::iter::once(1).chain(0x21..0x21 + backups) {
            let place = lab.volume("A1", olu, 32);
            devices.push(block_device(&lab, &place, "on", &mut undo)?);
            config.push(format!("\"{}\" = \"lab-{olu:x}\"\n", devices.last()?));
        }
        let system = lab.path().join("lvm");
        fs::create_dir_all(&system).unwrap();
        let accept: Vec<String> = devices.iter().map(|device| format!("\"a|^{device}$|\"")).collect();
        let conf = format!(
            "devices {{ filter = [{}, \"r|.*|\"] use_devicesfile = 0 hints = \"none\" }}\n\
             activation {{ udev_sync = 0 udev_rules = 0 monitoring = 0 }}\n\
             global {{ use_lvmlockd = 0 use_lvmpolld = 0 event_activation = 0 locking_dir = \"{}\" }}\n",
            accept.join(", "),
            system.join("lock").display()
        );
        fs::write(system.join("lvm.conf"), conf).unwrap();
        wrap(&lab.path().join("tools"));
        lab.configure(&config.concat());
        let mut this = Self { undo, lab, device: devices[0].clone(), before: BTreeSet::new(), _alone: alone };
        for (at, device) in devices.iter().enumerate() {
            let name = if at == 0 { "vg01".to_owned() } else { format!("vg01b{at}") };
            this.lvm(&["vgcreate", "--driverloaded", "n", "-s", "1m", &name, device]);
        }
        for (name, mib, _) in VOLUMES {
            this.lvm(&[
                "lvcreate",
                "--driverloaded",
                "n",
                "-an",
                "-Zn",
                "-Wn",
                "-n",
                name,
                "-L",
                &format!("{mib}m"),
                "vg01",
            ]);
            let device = this.part(name);
            run(&["mkfs.ext4", "-q", &device]);
            run(&["losetup", "-d", &device]);
        }
        this.before = this.groups();
        this.run("volume add --transaction A1/0x1 --name vg01 --group lab:vg01 --yes").ends(0);
        for at in 1..=backups {
            let place = format!("A1/0x{:X}", 0x20 + at);
            this.run(&format!("volume add --backup {place} --group lab:vg01b{at} --yes")).ends(0);
            fs::write(this.map(at), format!("# host: lab\nvg01 vg01b{at}\n")).unwrap();
        }
        Some(this)
    }

    pub fn map(&self, round: u32) -> PathBuf {
        self.lab.path().join(format!("round{round}.map"))
    }

    fn armed(&self) -> PathBuf {
        self.lab.path().join("tools/countdown")
    }

    /// The engine is killed right after so many of its commands, and the next one after so many of its own.
    pub fn kill_after(&self, first: u32, second: u32) {
        fs::write(self.armed(), format!("{first} {second}\n")).unwrap();
    }

    /// Whether the engines were killed that were to be.
    pub fn are_killed(&self) -> bool {
        fs::read_to_string(self.armed()).unwrap().trim() == "0"
    }

    /// While this is so, `wipefs` fails.
    pub fn wipefs_fails(&self, fails: bool) {
        let file = self.lab.path().join("tools/fail-wipefs");
        if fails { fs::write(file, "").unwrap() } else { fs::remove_file(file).unwrap() }
    }

    pub fn run(&self, words: &str) -> Ran {
        let path = format!("{}:{}", self.lab.path().join("tools").display(), std::env::var("PATH").unwrap());
        let mut command = self.lab.command(&words.split_whitespace().collect::<Vec<_>>());
        let output = command.env("PATH", path).env("LVM_SYSTEM_DIR", self.lab.path().join("lvm")).in_time();
        Ran {
            words: words.to_owned(),
            exit: output.status.code().unwrap(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The real LVM, seeing the disks of this site only.
    #[track_caller]
    fn lvm(&self, words: &[&str]) -> String {
        let output = Command::new(needs::needs("lvm").unwrap())
            .args(words)
            .env("LVM_SYSTEM_DIR", self.lab.path().join("lvm"))
            .env("LVM_SUPPRESS_FD_WARNINGS", "1")
            .in_time();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn rows(&self, words: &[&str]) -> Vec<Vec<String>> {
        let printed = self.lvm(&[words, &["--noheadings", "--separator", "|"]].concat());
        printed.lines().map(|line| line.trim().split('|').map(str::to_owned).collect()).collect()
    }

    fn groups(&self) -> BTreeSet<(String, String, String)> {
        let rows = self.rows(&["pvs", "-a", "-o", "vg_name,vg_uuid,pv_uuid,pv_duplicate"]);
        rows.into_iter()
            .map(|row| {
                assert_eq!(row[3], "", "seen twice: {row:?}");
                (row[0].clone(), row[1].clone(), row[2].clone())
            })
            .collect()
    }

    /// A loop device over one logical volume of the transaction volume.
    fn part(&self, name: &str) -> String {
        let (_, mib, start) = VOLUMES.iter().find(|(known, ..)| *known == name).unwrap();
        let (offset, size) = ((start << 20).to_string(), (mib << 20).to_string());
        run(&["losetup", "-f", "--show", "-o", &offset, "--sizelimit", &size, &self.device])
    }

    /// The file system of a logical volume is mounted until the end of the test.
    pub fn mount(&mut self, name: &str, place: &str) {
        let device = self.part(name);
        self.undo.commands.push(vec!["losetup".to_owned(), "-d".to_owned(), device.clone()]);
        fs::create_dir_all(place).unwrap();
        run(&["mount", &device, place]);
        self.undo.commands.push(vec!["umount".to_owned(), place.to_owned()]);
    }

    /// The host writes a file into each file system.
    pub fn writes(&mut self, text: &str) {
        for (name, ..) in VOLUMES {
            let (device, place) = (self.part(name), self.lab.path().join("mnt"));
            fs::create_dir_all(&place).unwrap();
            let place = place.to_str().unwrap();
            self.undo.commands.push(vec!["losetup".to_owned(), "-d".to_owned(), device.clone()]);
            run(&["mount", &device, place]);
            self.undo.commands.push(vec!["umount".to_owned(), place.to_owned()]);
            fs::write(Path::new(place).join("file"), format!("{text} in {name}")).unwrap();
            run(&["umount", place]);
            run(&["losetup", "-d", &device]);
            self.undo.commands.truncate(self.undo.commands.len() - 2);
        }
        run(&["blockdev", "--flushbufs", &self.device]);
    }

    pub fn starts(&self, round: u32) -> Value {
        self.run(&format!("sync start vg01 --map {} --wait --yes --json", self.map(round).display())).ends(0).json()
    }

    /// Every group is seen by LVM as it was in the beginning, nothing twice; the backup volume has all logical volumes, whose
    /// file systems are whole and have this text.
    #[track_caller]
    pub fn is_whole(&self, round: u32, text: &str) {
        self.is_whole_on(&format!("vg01b{round}"), &format!("A1/0x{:X}", 0x20 + round), text);
    }

    /// The same for the group on one volume.
    #[track_caller]
    fn is_whole_on(&self, group: &str, place: &str, text: &str) {
        assert_eq!(self.groups(), self.before);
        let rows = self.rows(&["lvs", "-o", "vg_name,lv_name,lv_size,seg_pe_ranges", "--units", "m", "--nosuffix"]);
        let bytes = self.lab.bytes(place);
        for (name, mib, start) in VOLUMES {
            let first = start - 1;
            let is = |row: &&Vec<String>| row[0] == group && row[1] == name;
            let row = rows.iter().find(is).unwrap_or_else(|| panic!("no {name} on {group}: {rows:?}"));
            assert_eq!(row[2], format!("{mib}.00"));
            assert!(row[3].ends_with(&format!(":{first}-{}", first + mib - 1)), "{row:?}");
            let copy = self.lab.path().join("copy");
            fs::write(&copy, &bytes[(start << 20) as usize..((start + mib) << 20) as usize]).unwrap();
            run(&["e2fsck", "-fn", copy.to_str().unwrap()]);
            let found = run(&["debugfs", "-R", "cat /file", copy.to_str().unwrap()]);
            assert_eq!(found, format!("{text} in {name}"));
        }
    }

    /// Engines are started until one has ended every operation.
    pub fn goes_on(&self) {
        let deadline = Instant::now() + Duration::from_mins(2);
        loop {
            let ran = self.run("status --json");
            // Those that have ended are shown for a while.
            let open = |operation: &Value| operation["ended"].is_null();
            if ran.exit == 0 && !ran.json()["operations"].as_array().unwrap().iter().any(open) {
                return;
            }
            assert!(Instant::now() < deadline, "{ran:?}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// State of the newest generation.
    #[track_caller]
    pub fn newest(&self) -> (u64, String) {
        let history = self.run("history vg01 --json").ends(0).json();
        let newest = &history["generations"][0];
        (newest["version"].as_u64().unwrap(), newest["state"].to_string())
    }
}

/// The tools of this machine behind scripts that end the engine after a number of them, or fail.
fn wrap(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("countdown"), "0\n").unwrap();
    for name in WRAPPED {
        let real = needs::needs(name).unwrap();
        let text = format!(
            "#!/bin/sh\nfolder={}\ncase \"{name} $1\" in\n  lvm\\ pvck|lvm\\ pvcreate|lvm\\ vgcfgrestore|[!l]*) ;;\n  \
             *) exec {real} \"$@\";;\nesac\n[ {name} = wipefs ] && [ -e $folder/fail-wipefs ] && exit 1\n\
             {real} \"$@\"\nend=$?\nread left next < $folder/countdown\n[ $left = 0 ] && exit $end\n\
             [ $left = 1 ] || {{ echo $((left - 1)) $next > $folder/countdown; exit $end; }}\n\
             echo ${{next:-0}} > $folder/countdown\nkill -9 $PPID\n",
            folder.display(),
            real = real.display()
        );
        fs::write(folder.join(name), text).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn three_rounds_over_three_groups_keep_every_identity_and_the_next_copies_the_difference() {
    let Some(mut site) = GroupLab::new(3) else { return };
    site.run("policy set vg01 --generations 2 --interval 1 --mode suspend --min-interval 0s --yes").ends(0);
    for round in 1..=3 {
        let text = format!("round {round}");
        site.writes(&text);
        assert_eq!(site.starts(round)["plan"]["items"][0]["steps"][0]["step"], "start-full");
        let plan = site.run("backup vg01 --dry-run").ends(0).out;
        assert!(plan.contains(&format!("restore the identity of lab:vg01b{round}")), "{plan}");
        assert!(plan.contains("ecd-1262") && plan.contains("lvdata (16 MiB), lvlog (8 MiB)"), "{plan}");
        site.run("backup vg01 --yes").ends(0);
        site.is_whole(round, &text);
    }
    // The first generation went with the third backup. Its volume is resumed: what the host wrote, and the region in which
    // the identity was restored.
    let before = copied_regions(&site.lab, "A1/0x21");
    site.writes("round 4");
    assert_eq!(site.starts(1)["plan"]["items"][0]["steps"][0]["step"], "resume");
    assert_eq!(site.lab.bytes("A1/0x1"), site.lab.bytes("A1/0x21"), "the label of the copied disk included");
    let copied = copied_regions(&site.lab, "A1/0x21") - before;
    assert!((2..256).contains(&copied), "{copied} of 512 regions");
    site.run("backup vg01 --yes").ends(0);
    site.is_whole(1, "round 4");
    site.is_whole(3, "round 3");
    site.run("audit verify").ends(0);
}

#[test]
fn an_identity_that_could_not_be_restored_needs_attention_and_is_restored_later() {
    let Some(mut site) = GroupLab::new(2) else { return };
    site.run("policy set vg01 --generations 1 --interval 1 --mode suspend --min-interval 0s --yes").ends(0);
    for (version, fails) in [(1, false), (2, true)] {
        site.writes("kept");
        site.starts(version);
        if fails {
            site.wipefs_fails(true);
        }
        let ran = site.run("backup vg01 --yes").ends(i32::from(fails));
        assert_eq!(ran.err.contains("the restore of the identity of lab:vg01b2"), fails, "{ran:?}");
    }
    let (version, state) = site.newest();
    assert!(version == 2 && state.contains("needs-attention"), "{state}");
    let versions: Vec<u64> = site.lab.kept("vg01").iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, [2, 1], "nothing is released while one needs attention");
    // A repetition that fails changes nothing.
    site.run("history post vg01 --version 2 --yes").ends(1);
    site.wipefs_fails(false);
    site.run("history post vg01 --version 2 --yes").ends(0);
    let (_, state) = site.newest();
    assert!(state.contains("valid"), "{state}");
    site.is_whole(2, "kept");
    site.run("audit verify").ends(0);
}

#[test]
fn an_engine_that_is_killed_after_any_command_twice_restores_the_same_identity() {
    let Some(mut site) = GroupLab::new(2) else { return };
    site.run("policy set vg01 --generations 1 --interval 1 --mode suspend --min-interval 0s --yes").ends(0);
    // Each command in `.ci/run`, every third one on a developer's machine.
    let points = (1..=COMMANDS).step_by(if kills() < 2 * COMMANDS { 3 } else { 1 });
    for (version, commands) in (1_u64..).zip(points) {
        let (round, text) = (1 + (version % 2) as u32, format!("before kill {commands}"));
        site.writes(&text);
        site.starts(round);
        // The second engine starts from the top again.
        site.kill_after(commands, commands % COMMANDS_THAT_WRITE + 1);
        site.run("backup vg01 --yes");
        site.goes_on();
        assert!(site.are_killed(), "{commands}");
        let (newest, state) = site.newest();
        assert!(newest == version && state.contains("valid"), "{commands}: {newest} {state}");
        site.is_whole(round, &text);
    }
    site.run("audit verify").ends(0);
}

#[test]
fn a_group_that_was_restored_has_its_own_identity_again() {
    const RESTORE: &str = "restore vg01 --version 1 --to vg01 --unmounted --without-present-state --confirm vg01";
    let Some(mut site) = GroupLab::new(1) else { return };
    site.run("policy set vg01 --generations 1 --interval 1 --mode suspend --min-interval 0s --yes").ends(0);
    site.writes("kept");
    site.starts(1);
    site.run("backup vg01 --yes").ends(0);
    site.writes("lost");
    let plan = site.run(&format!("{RESTORE} --dry-run")).ends(0).out;
    assert!(plan.contains("restore the identity of lab:vg01 on") && plan.contains("ecd-1265"), "{plan}");
    site.run(&format!("{RESTORE} --yes")).ends(0);
    site.is_whole_on("vg01", "A1/0x1", "kept");
    site.is_whole(1, "kept");

    // Without its identity it is not restored: the row stays red, and a repetition does it.
    site.writes("lost again");
    site.wipefs_fails(true);
    let ran = site.run(&format!("{RESTORE} --yes")).ends(1);
    assert!(ran.err.contains("ecd-1267") && ran.err.contains("the identity of lab:vg01"), "{ran:?}");
    let status = site.run("status --json").ends(0).json();
    assert_eq!(status["transaction_volumes"][0]["state"], "restore-incomplete", "{status}");
    site.wipefs_fails(false);
    site.run(&format!("{RESTORE} --yes")).ends(0);
    site.is_whole_on("vg01", "A1/0x1", "kept");

    // The engine is killed after each command, and the next one after one of its own.
    let points = (1..=COMMANDS_THAT_WRITE).step_by(if kills() < 2 * COMMANDS { 4 } else { 1 });
    for commands in points {
        site.writes("lost");
        site.kill_after(commands, commands % COMMANDS_THAT_WRITE + 1);
        site.run(&format!("{RESTORE} --yes"));
        site.goes_on();
        assert!(site.are_killed(), "{commands}");
        let status = site.run("status --json").ends(0).json();
        assert!(status["restores"].as_array().unwrap().is_empty(), "{commands}: {status}");
        site.is_whole_on("vg01", "A1/0x1", "kept");
    }
    // Elsewhere a copy shows the backup volume's group twice.
    let free = site.lab.volume("A1", 0x31, 32);
    site.lab.seen(&free);
    let plan =
        site.run(&format!("restore vg01 --version 1 --to {free} --unmounted --confirm {free} --dry-run")).ends(0);
    assert!(plan.out.contains("ecd-1266"), "{plan:?}");
    site.run("audit verify").ends(0);
}
