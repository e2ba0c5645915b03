//! Map sets end to end: imported, used night after night, edited, exported, removed; the audit follows.

use crate::array_lab::Lab;
use crate::test_site::InTime;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Two volumes with three backup volumes each, and a folder with a map a round.
fn lab() -> (Lab, PathBuf) {
    let lab = Lab::of(2, 6, 1);
    for volume in ["t1", "t2"] {
        lab.policy(volume, 2, "suspend");
    }
    let folder = lab.path().join("maps");
    std::fs::create_dir(&folder).unwrap();
    for (round, first, second) in [("A", 0x21, 0x22), ("B", 0x23, 0x24), ("C", 0x25, 0x26)] {
        let text = format!("# round of the night\r\nt1\tA1/{first:#x}\r\n\r\nt2 A1/{second:#x} # why\r\n");
        std::fs::write(folder.join(format!("{round}.map")), text).unwrap();
    }
    (lab, folder)
}

/// The rounds that the volumes of a started plan take, in the order of the volumes.
fn rounds(started: &Value) -> Vec<String> {
    let items = started["plan"]["items"].as_array().unwrap();
    let steps = items.iter().flat_map(|item| item["steps"].as_array().unwrap());
    steps.filter(|step| step["step"] == "use-map-row").map(|step| step["round"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_map_set_pairs_its_volumes_night_after_night() {
    let (lab, folder) = lab();
    let folder = folder.to_str().unwrap();
    let dry = lab.run(&format!("map import nightly {folder} --dry-run")).ends(0);
    assert!(dry.out.contains("store map set nightly: 3 rounds, 2 volumes, 6 pairs"), "{dry:?}");
    assert!(lab.json("map list")["map_sets"].as_array().unwrap().is_empty());
    lab.run(&format!("map import nightly {folder} --yes --reason adoption")).ends(0);
    // t2 misses the second night and the third.
    for (volumes, expected) in
        [("t1 t2", vec!["A", "A"]), ("t1", vec!["B"]), ("t1", vec!["C"]), ("t1 t2", vec!["A", "B"])]
    {
        let started = lab.run(&format!("sync start {volumes} --wait --yes --json")).ends(0).json();
        assert_eq!(rounds(&started), expected, "{started:#}");
        lab.run(&format!("backup {volumes} --yes")).ends(0);
    }
    let shown = lab.run("map show nightly").ends(0);
    assert!(shown.out.contains("not due this round") && shown.out.contains('>'), "{shown:?}");
    let plan = lab.run("sync start --map nightly --dry-run").ends(0);
    assert!(plan.out.contains("map set nightly: round "), "{plan:?}");
    // A file is strict: the round that keeps a version is refused, and nothing is overwritten.
    let strict = lab.run(&format!("sync start t1 --map {folder}/A.map --yes")).ends(3);
    assert!(strict.err.contains("ecd-1203") || strict.err.contains("ecd-1212"), "{strict:?}");
    // A folder is a set of rounds for this one start.
    let by_folder = lab.run(&format!("sync start --map {folder} --dry-run")).ends(0);
    assert!(by_folder.out.contains("copy"), "{by_folder:?}");
    lab.run("audit verify").ends(0);
    let told = lab.run("audit show --last 400").ends(0);
    assert!(told.out.contains("map set nightly imported: 3 rounds, 6 pairs"), "{told:?}");
    assert!(told.out.contains("round B of map set nightly used"), "{told:?}");
}

#[test]
fn all_that_is_wrong_with_a_map_is_said_at_once() {
    let (lab, folder) = lab();
    let file = folder.join("bad.map");
    // A line that is no pair, a name that is none, a volume twice, another size.
    let small = lab.volume("A1", 0x31, 2);
    lab.run(&format!("volume add --backup {small} --yes")).ends(0);
    std::fs::write(&file, format!("t1\nt1 A1/0x99\nnobody A1/0x21\nt2 {small}\nt2 A1/0x22\n")).unwrap();
    for words in [format!("map check {}", file.display()), format!("map import nightly {} --yes", file.display())] {
        let refused = lab.run(&words).ends(2);
        let lines: Vec<&str> = refused.err.lines().filter(|line| line.contains("bad.map:")).collect();
        for (line, part) in [(1, "no backup volume beside it"), (2, "A1/0x99"), (3, "nobody"), (5, "t2")] {
            let place = format!("bad.map:{line}:");
            assert!(lines.iter().any(|told| told.contains(&place) && told.contains(part)), "{line}: {refused:?}");
        }
        assert!(
            refused.err.contains("not a device map, so nothing was done") || words.contains("import"),
            "{refused:?}"
        );
    }
}

#[test]
fn a_set_is_edited_exported_imported_and_removed() {
    let (lab, folder) = lab();
    lab.run(&format!("map import nightly {} --yes", folder.display())).ends(0);
    let out = lab.path().join("out");
    lab.run(&format!("map export nightly {}", out.display())).ends(0);
    lab.run(&format!("map export nightly {}", out.display())).ends(2);
    // What was exported is what is stored.
    lab.run(&format!("map import nightly {} --yes --ensure", out.display())).ends(0);
    lab.run("map check /dev/null").ends(2);
    let one = lab.run(&format!("map import other {} --yes", out.join("A.map").display())).ends(3);
    assert!(one.err.contains("ecd-1215") && one.err.contains("^^"), "{one:?}");

    // An editor that breaks the text: nothing is stored, the text is kept.
    let editor = lab.path().join("editor");
    let edit = |script: &str| {
        std::fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o700)).unwrap();
        let output = lab.command(&["map", "edit", "nightly", "--yes"]).env("EDITOR", &editor).in_time();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (exit, said) = edit("echo 'nobody A1/0x21' >> \"$1\"");
    assert!(exit == 3 || exit == 2, "{exit}: {said}");
    assert!(said.contains("no volume is called nobody") && said.contains("your text is kept in"), "{said}");
    let kept = said.split("kept in ").nth(1).unwrap().split(": correct").next().unwrap().replace('\n', " ");
    let kept = PathBuf::from(kept.trim());
    assert!(std::fs::read_to_string(&kept).unwrap().contains("nobody A1/0x21"));
    std::fs::remove_file(&kept).unwrap();
    let (exit, said) = edit("exit 1");
    assert!(exit == 1 && said.contains("nothing was stored"), "{exit}: {said}");
    let kept = said.split("kept in ").nth(1).unwrap().split(": correct").next().unwrap().replace('\n', " ");
    std::fs::remove_file(kept.trim()).unwrap();
    let (exit, said) = edit("sed -i '/# round: C/,$d' \"$1\"");
    assert_eq!(exit, 0, "{said}");
    let shown = lab.json("map show nightly");
    assert_eq!(shown["pairs"].as_array().unwrap().len(), 4, "{shown:#}");
    assert_eq!(edit("true").0, 0);

    // A volume of the set is taken out: named before, its rows stay.
    let removed = lab.run("volume remove t2 --yes").ends(0);
    assert!(removed.out.contains("map set nightly uses t2"), "{removed:?}");
    let shown = lab.run("map show nightly").ends(0);
    assert!(shown.out.contains("t2 (not registered)"), "{shown:?}");
    lab.run("sync start t1 --wait --yes").ends(0);
    lab.run("map remove nightly --yes").ends(0);
    lab.run("map remove nightly --yes --ensure").ends(0);
    lab.run("map show nightly").ends(3);
    lab.run("audit verify").ends(0);
}

#[test]
fn a_site_with_as_many_volumes_as_generations_says_so_once() {
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.run("backup t1 --yes").ends(0);
    lab.run("sync start t1 --yes").ends(3);
    lab.run("policy set t1 --reuse-oldest --yes").ends(3);
    lab.run("policy set t1 --reuse-oldest --yes --confirm t1").ends(0);
    let shown = lab.json("policy show t1");
    assert_eq!(shown["policies"][0]["policy"]["reuse_oldest"], true, "{shown:#}");
    let started = lab.run("sync start t1 --wait --yes").ends(0);
    assert!(started.out.contains("v1 of t1 ends now, before the new backup exists"), "{started:?}");
    lab.run("backup t1 --yes").ends(0);
    let newest = &lab.json("history t1")["generations"][0];
    assert_eq!((&newest["version"], &newest["kept"]), (&2.into(), &true.into()));
    lab.kill_engine();
    assert_eq!(lab.json("policy show t1")["policies"][0]["policy"]["reuse_oldest"], true);
    lab.run("audit verify").ends(0);
}
