//! Services that one of two nodes runs, through real sshds: each node gives recorded reports, and runs the site's scripts.

use super::array_lab::Lab;
use super::ccm::server::Sshd;
use super::test_site::Ran;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What `dmsetup` prints of a group that is active: one device of it.
const LIVE: &str = "LVM-NaLPCz13ipbdrAsxSzN3RGWzAaociI3pRCVITWWTr7bK1TBnp7GS0OeODGeVj923/253/0\n";
const COPY: &str = "LVM-Uhd7vgtdr5XOZVQRCicwuK0FfbmJ4xfLrS7hVYg8oDyo9prRlccRNiAmXeViZpYp/253/5\n";

/// A site with the service `erp` on two nodes, and a hook that notes on which of them its scripts run.
struct Clustered {
    lab: Lab,
    nodes: Vec<Sshd>,
}

impl Clustered {
    /// `None` where the host has no OpenSSH.
    fn new() -> Option<Self> {
        let lab = Lab::new();
        lab.volume("A1", 0x14, 96);
        lab.volume("A1", 0x15, 96);
        let mut config = "[[host]]\nname = \"erp\"\nnodes = [\"node1\", \"node2\"]\n".to_owned();
        let mut nodes = Vec::new();
        for name in ["node1", "node2"] {
            let sshd = Sshd::start()?;
            let folder = lab.path().join(name);
            fs::create_dir(&folder).unwrap();
            let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/host/report/fixtures/healthy");
            for file in fs::read_dir(from).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), folder.join(file.file_name())).unwrap();
            }
            // Every line of the engine to a machine begins with `env`: its tools are recorded, its scripts are run.
            let folder = folder.display();
            let script = format!(
                "case \" $* \" in\n  *' lsblk '*) exec cat {folder}/lsblk.json;;\n  *' fullreport '*) exec cat {folder}/groups.json;;\n  \
                 *' pvs '*) exec cat {folder}/duplicates.json;;\n  *' dmsetup '*) exec cat {folder}/dmsetup.txt;;\n  \
                 *' findmnt '*) exec cat {folder}/findmnt.json;;\nesac\nNODE={name} exec /usr/bin/env \"$@\""
            );
            sshd.program("env", &script);
            write!(config, "[[host]]\nname = \"{name}\"\n{}", sshd.keys()).unwrap();
            nodes.push(sshd);
        }
        let clustered = Self { lab, nodes };
        clustered.active([true, false]);
        let (path, log) = (clustered.lab.path().join("note"), clustered.lab.path().join("hooks.log"));
        let text = format!("#!/bin/sh\necho \"$NODE $ECDECK_PHASE $ECDECK_RESULT\" >> {}\n", log.display());
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let path = path.display();
        write!(
            config,
            "[[hook]]\nname = \"note\"\nhost = \"erp\"\nvolumes = [\"vg01\"]\npause = \"50s\"\nbefore_backup = [\"{path}\"]\nafter_backup = [\"{path}\"]\n"
        )
        .unwrap();
        clustered.lab.configure(&config);
        Some(clustered)
    }

    /// On which nodes the group is active. That of the backup volume stays active on the first one.
    fn active(&self, on: [bool; 2]) {
        for (number, on) in on.into_iter().enumerate() {
            let text = [if on { LIVE } else { "" }, if number == 0 { COPY } else { "" }].concat();
            let folder = self.lab.path().join(format!("node{}", number + 1));
            fs::write(folder.join("dmsetup.new"), text).unwrap();
            fs::rename(folder.join("dmsetup.new"), folder.join("dmsetup.txt")).unwrap();
        }
    }

    fn refused(&self, words: &str, code: &str, part: &str) -> Ran {
        let ran = self.lab.run(words).ends(3);
        assert!(ran.err.contains(code) && ran.err.contains(part), "{ran:?}");
        ran
    }

    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.lab.path().join("hooks.log")).unwrap_or_default();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    fn until_scripts(&self, number: usize) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.log().len() < number {
            assert!(Instant::now() < deadline, "{number} scripts: {:?}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn scripts_of_a_service_stay_on_the_node_that_was_active() {
    let Some(mut site) = Clustered::new() else { return };
    let lab = &site.lab;
    let shown = lab.run("host show erp").ends(0).out;
    assert!(shown.contains("erp: active on node1: vg01, vg01b") && shown.contains("node2:vg01 "), "{shown}");
    let listed = lab.run("host list --json").ends(0).json();
    assert_eq!(listed["services"][0]["nodes"][1]["active"].as_array().unwrap().len(), 0, "{listed:#}");
    lab.run("volume add --transaction A1/0x14 --name vg01 --group erp:vg01 --yes").ends(0);
    lab.run("volume add --backup A1/0x15 --group erp:vg01b --yes").ends(0);
    lab.run("policy set vg01 --generations 1 --interval 1 --mode suspend --yes").ends(0);
    let map = lab.path().join("map");
    fs::write(&map, "vg01 A1/0x15\n").unwrap();
    let start = format!("sync start vg01 --map {} --wait --yes", map.display());
    site.active([true, true]);
    site.refused(&start, "ecd-1270", "erp:vg01 is active on node1 and node2");
    site.active([true, false]);
    lab.run(&start).ends(0);
    lab.run("hook test note --volume vg01 --yes").ends(0);
    assert_eq!(site.log(), ["node1 before-backup done", "node1 after-backup done"]);

    // Asked each time: none and two refuse, and nothing ran.
    let plan = lab.run("backup vg01 --dry-run").ends(0).out;
    assert!(plan.contains("on node1 (erp) before the backup"), "{plan}");
    site.active([false, true]);
    let plan = lab.run("backup vg01 --dry-run").ends(0).out;
    assert!(plan.contains("on node2 (erp) before the backup"), "{plan}");
    site.active([false, false]);
    site.refused("backup vg01 --yes", "ecd-1270", "erp:vg01 is active on no node of erp: a script of note");
    site.refused("hook test note --volume vg01 --yes", "ecd-1270", "active on no node");
    site.active([true, true]);
    site.refused("backup vg01 --yes", "ecd-1270", "two nodes write to one disk");
    lab.run("backup vg01 --crash-consistent --dry-run").ends(0);
    assert_eq!(site.log().len(), 2);

    // The service moves between the scripts, and the engine dies: what undoes a script runs where the script ran.
    site.active([true, false]);
    lab.run("array fault A1 slow --millis 2500").ends(0);
    let backup = lab.spawn("backup vg01 --yes");
    site.until_scripts(3);
    site.active([false, true]);
    lab.kill_engine();
    backup.end();
    lab.run("array fault A1 clear").ends(0);
    lab.wait_for("recovery", |status| {
        status["operations"].as_array().unwrap().iter().all(|operation| !operation["end"].is_null())
    });
    let log = site.log();
    assert!(log[2] == "node1 before-backup" && log.len() > 3, "{log:?}");
    assert!(log[3..].iter().all(|line| line.starts_with("node1 after-backup")), "{log:?}");

    // The recorded node has no LVM to restore an identity with: repeated, the script runs where the group is now.
    if lab.kept("vg01").len() == 1 {
        let before = site.log().len();
        lab.run("history post vg01 --version 1 --yes").ends(1);
        assert!(site.log()[before].starts_with("node2 after-backup"), "{:?}", site.log());
    }

    // A node that does not answer is not a node where nothing is active.
    site.nodes[1].go_down();
    let ran = site.lab.run("host show erp").ends(1);
    assert!(ran.out.contains("! erp: what is active on node2 is unknown"), "{ran:?}");
    site.refused("hook test note --volume vg01 --yes", "ecd-1270", "whether erp:vg01 is active on node2 is not known");
    site.lab.run("audit verify").ends(0);
}

#[test]
fn a_hook_on_a_service_needs_a_volume_group_of_it() {
    let Some(site) = Clustered::new() else { return };
    site.lab.transaction("vg01", "A1", 1, 4);
    site.lab.backups("A1", 0x21..0x22, 4);
    site.lab.policy("vg01", 1, "suspend");
    site.lab.synchronize("vg01");
    site.refused(
        "backup vg01 --yes",
        "ecd-1270",
        "note runs on the service erp, and the volume is no volume group of it",
    );
    site.lab.run("backup vg01 --crash-consistent --yes").ends(0);
    assert!(site.log().is_empty());
}
