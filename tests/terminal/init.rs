//! The first set-up on a real terminal: from an empty home to a backup, by what the screen says.

use crate::maps::store_the_map;
use crate::pty::Pty;
use crate::test_site::{PROGRAM, TestSite};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const SCREEN: (u16, u16) = (80, 24);

fn init(test_site: &TestSite) -> Pty {
    let environment = [("ECDECK_HOME", test_site.path().to_str().unwrap()), ("TZ", "UTC")];
    Pty::run(&[PROGRAM, "init"], &environment, SCREEN)
}

/// Types a line, and waits for what is written after it.
#[track_caller]
fn answers(pty: &mut Pty, line: &str, next: &str) {
    let from = pty.written();
    pty.types(&format!("{line}\r"));
    pty.until_written(from, next);
}

#[test]
fn an_empty_home_becomes_a_site_with_a_backup() {
    let test_site = TestSite::new();
    let mut pty = init(&test_site);
    pty.until("Name of the site");
    pty.types("lab\r");
    pty.until("No array was found.");
    pty.until("Which one? [1/2]");
    // A wrong answer ends nothing.
    pty.types("LAB1\r");
    pty.until("Write one of 1, 2.");
    pty.types("2\r");
    pty.until("Name of the array [LAB1]:");
    pty.types("\r");
    pty.until("embedded array LAB1 is made");
    pty.until("Add another array? [y/N]");
    pty.types("\r");
    pty.until("Name of a host with volume groups [none]:");
    pty.types("\r");
    pty.until("Write it? [Y/n]");
    pty.types("\r");
    pty.until("I (or :init) sets the site up");
    let mode = fs::metadata(test_site.home().config_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    pty.types("I");
    pty.until("8 not registered");
    pty.types("t");
    pty.until("1 transaction, 0 backup");
    pty.types("t");
    pty.until("2 transaction, 0 backup");
    pty.until("4 missing");
    pty.types("/");
    pty.until("show only:");
    pty.types("pool\r");
    pty.until("6 of 8");
    pty.types("*b");
    pty.until("2 transaction, 6 backup");
    pty.until("enough");
    pty.types("w");
    pty.until("Y run");
    pty.types("Y");
    pty.until("apply site: done");
    // The last step: device maps. These volumes need none.
    pty.until("Transaction volumes without a device map");
    pty.types("\u{1b}");
    pty.until("LAB1-0x1");
    pty.until("s start");
    // The first volume, which got the array's own name: a copy, then a backup.
    pty.types("s");
    pty.until("Start synchronization: ");
    pty.until("Y run");
    pty.types("Y");
    test_site.wait_for("equivalence", |status| {
        status["transaction_volumes"].as_array().unwrap().iter().any(|volume| volume["state"] == "equivalent")
    });
    pty.until("equivalent");
    pty.types("b");
    pty.until("Backup: ");
    pty.until("Y run");
    pty.types("Y");
    pty.until(": done");
    let history = test_site.json("history");
    assert_eq!(history["generations"].as_array().unwrap().len(), 1, "{history:#}");
    pty.types("q");
    assert_eq!(pty.end(), 0);
    pty.is_sane();
}

#[test]
fn arrays_that_are_there_are_found_and_nothing_is_written_unasked() {
    let test_site = TestSite::new();
    test_site.run("array create A1 --size 1MiB --count 2").ends(0);
    test_site.run("array create A2 --size 1MiB --count 2").ends(0);
    let mut pty = init(&test_site);
    pty.until("Name of the site");
    pty.types("lab\r");
    pty.until("2 arrays were found:");
    pty.until("Take A1? [Y/n]");
    pty.types("\r");
    pty.until("Take A2? [Y/n]");
    pty.types("n\r");
    pty.until("Add another array? [y/N]");
    pty.types("\r");
    // A word that is no host says so, and is asked for again.
    pty.until("[none]:");
    answers(&mut pty, "db03", "it is this machine:");
    answers(&mut pty, "-x@db03", "run by sudo there? [y/N]");
    answers(&mut pty, "", "fits no ssh command line");
    answers(&mut pty, "db03", "it is this machine:");
    answers(&mut pty, "ops@db03.example", "run by sudo there? [y/N]");
    answers(&mut pty, "y", "[none]:");
    pty.types("\r");
    pty.until("user = \"ops\"");
    let shown = pty.text();
    assert!(shown.contains("name = \"A1\"") && !shown.contains("name = \"A2\""), "{shown}");
    assert!(shown.contains("host = \"db03.example\"") && shown.contains("sudo = true"), "{shown}");
    pty.until("Write it?");
    pty.types("n\r");
    pty.until("nothing was written");
    assert_eq!(pty.end(), 2);
    assert!(!test_site.home().config_file().exists());
}

/// Tools of a host with the recorded groups `vg01` and `vg01b`, for whoever has this folder first in the path. They change nothing
/// anywhere: LVM's label of the copy is the one that was recorded.
fn recorded_tools(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recorded = root.join("src/host/report/fixtures/healthy");
    let (physical, own) = ("ZUZMGZ-VeSw-YK80-ZUZi-pzrz-YhR1-yx7Y7e", "Cznxed-JpNI-du3W-vV1e-Lbi0-YeHU-kn02vy");
    let text = fs::read_to_string(root.join("src/model/lvm_text/one-disk.txt")).unwrap();
    let text = text.replace("MzecBv-8O2r-MTDO-BiUs-cgWT-B9xB-X7Kd8N", "NaLPCz-13ip-bdrA-sxSz-N3RG-WzAa-ociI3p");
    let text = text.replace("1SdQ9B-qIGu-SYa5-UyP3-yhzL-TQYV-Y3ZOZi", physical);
    fs::create_dir(folder).unwrap();
    fs::write(folder.join("dump"), format!("  metadata text\n  ---\n{text}\n  ---\n")).unwrap();
    fs::write(
        folder.join("label"),
        format!("{{\"signatures\":[{{\"type\":\"LVM2_member\",\"uuid\":\"{physical}\"}}]}}"),
    )
    .unwrap();
    let logical = |name: &str| serde_json::json!({ "lv_name": name, "lv_uuid": name, "lv_size": "16777216" });
    let restored = serde_json::json!({ "report": [{
        "vg": [{ "vg_name": "vg01b", "vg_uuid": "Uhd7vg-tdr5-XOZV-QRCi-cwuK-0Ffb-mJ4xfL", "vg_exported": "", "vg_partial": "",
            "pv_count": "1", "vg_missing_pv_count": "0", "lv_count": "2" }],
        "pv": [{ "pv_name": "/dev/sdb", "pv_uuid": own, "pv_major": "8", "pv_minor": "16", "pv_missing": "" }],
        "lv": [logical("lvdata"), logical("lvlog")],
    }] });
    fs::write(folder.join("restored"), restored.to_string()).unwrap();
    let (from, here) = (recorded.display(), folder.display());
    let lvm = format!(
        "echo \"$1\" >> {here}/calls\ncase \" $* \" in\n  *' pvck '*) exec cat {here}/dump;;\n  *' fullreport '*--devices*) exec cat {here}/restored;;\n  \
         *' fullreport '*) exec cat {from}/groups.json;;\n  *' pvs '*) exec cat {from}/duplicates.json;;\nesac"
    );
    let wipefs = format!("case \" $* \" in *' --json '*) exec cat {here}/label;; esac");
    for (name, script) in [
        ("lvm", lvm),
        ("wipefs", wipefs),
        ("blockdev", String::new()),
        ("lsblk", format!("exec cat {from}/lsblk.json")),
        ("dmsetup", format!("exec cat {from}/dmsetup.txt")),
        ("findmnt", format!("exec cat {from}/findmnt.json")),
    ] {
        fs::write(folder.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn an_empty_home_becomes_a_backed_up_volume_group() {
    let test_site = TestSite::new();
    for olu in ["0x14", "0x15"] {
        test_site.run(&format!("array create A1 --size 96MiB --olu {olu}")).ends(0);
    }
    let tools = test_site.path().join("tools");
    recorded_tools(&tools);
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let environment = [("ECDECK_HOME", test_site.path().to_str().unwrap()), ("TZ", "UTC"), ("PATH", path.as_str())];
    let mut pty = Pty::run(&[PROGRAM, "init"], &environment, (120, 40));
    pty.until("Name of the site");
    answers(&mut pty, "lab", "Take A1? [Y/n]");
    answers(&mut pty, "", "Add another array? [y/N]");
    answers(&mut pty, "", "Name of a host with volume groups [none]:");
    answers(&mut pty, "db03", "it is this machine:");
    answers(&mut pty, "", "run by sudo there? [y/N]");
    answers(&mut pty, "", "Name of a host with volume groups [none]:");
    pty.types("\r");
    pty.until("Write it? [Y/n]");
    pty.types("\r");
    pty.until("I (or :init) sets the site up");
    pty.types("I");
    pty.until("2 not registered");
    pty.types("2");
    pty.until("A1/0x14, 2 logical volumes, active");
    pty.types("t");
    pty.until("1 transaction, 0 backup");
    pty.types("b");
    pty.until("1 transaction, 1 backup");
    pty.types("w");
    pty.until("ecd-1258");
    pty.until("Y run");
    pty.types("Y");
    pty.until("apply site: done");
    pty.until("needs a map: volume group db03:vg01");
    pty.types("m");
    pty.until("new map set");
    pty.types("a");
    pty.until("0 of 1 chosen");
    pty.types(" ");
    pty.until("1 of 1 chosen");
    pty.types("\r");
    pty.until("For vg01 in round A");
    store_the_map(&mut pty);
    pty.types("s");
    pty.until("by round A of map set");
    pty.until("Y run");
    pty.types("Y");
    pty.until("begun");
    test_site.wait_for("equivalence", |status| status["transaction_volumes"][0]["state"] == "equivalent");
    pty.types("\u{1b}");
    pty.until("No transaction volume is left without a device map.");
    pty.types("\u{1b}");
    pty.until("b backup");
    pty.types("b");
    pty.until("Backup: ");
    pty.until("lvdata (64 MiB), lvlog (16 MiB)");
    pty.until("Y run");
    pty.types("Y");
    pty.until("backup of vg01: done");
    let history = test_site.json("history vg01");
    assert_eq!(history["generations"][0]["state"], "valid", "{history:#}");
    // What makes the group of the backup volume its own again has run.
    let calls = fs::read_to_string(tools.join("calls")).unwrap();
    assert!(calls.contains("pvcreate") && calls.contains("vgcfgrestore"), "{calls}");
    pty.types("q");
    assert_eq!(pty.end(), 0);
    pty.is_sane();
}
