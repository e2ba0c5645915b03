//! Sets through the real program: one instant under load, all or nothing, and what the catalogue keeps of it.

use super::array_lab::Lab;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const MEMBERS: u32 = 5;
/// Bytes of one stamp, which is one block.
const STAMP: u64 = 512;

fn names() -> Vec<String> {
    (1..=MEMBERS).map(|number| format!("t{number}")).collect()
}

/// A set `erp` of five equivalent volumes; the last one is copied to the second array.
fn equivalent(mib: u32) -> Lab {
    let lab = Lab::of(MEMBERS, MEMBERS - 1, mib);
    lab.backups("A2", 0x21..0x22, mib);
    for name in names() {
        lab.policy(&name, 2, "suspend");
    }
    lab.run(&format!("set add erp {} --yes", names().join(" "))).ends(0);
    lab.run("sync start --set erp --wait --yes").ends(0);
    lab
}

/// The numbers of the writes that a volume's image holds: write `n` is in block `n / MEMBERS` of volume `n % MEMBERS`.
fn writes_in(image: &[u8], member: u64) -> BTreeSet<u64> {
    let stamps = image.chunks(usize::try_from(STAMP).unwrap()).enumerate().filter(|(_, block)| block[0] != 0);
    let number = |(at, _): (usize, &[u8])| at as u64 * u64::from(MEMBERS) + member;
    stamps.map(number).collect()
}

#[test]
fn a_backup_of_a_set_under_load_holds_every_write_before_each_write_that_it_holds() {
    let lab = equivalent(4);
    let (next, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // One write after the other: each is complete before the next one begins.
                let number = next.load(Ordering::Relaxed);
                let (olu, block) = (number % u64::from(MEMBERS) + 1, number / u64::from(MEMBERS));
                lab.run(&format!("array write A1/{olu:#x} --offset {} --text stamped", block * STAMP)).ends(0);
                next.store(number + 1, Ordering::Relaxed);
            }
        });
        // Some writes are before the backup, and some come after it.
        while next.load(Ordering::Relaxed) < 7 {
            std::thread::yield_now();
        }
        let ran = lab.run("backup --set erp --yes");
        let at = next.load(Ordering::Relaxed);
        while next.load(Ordering::Relaxed) < at + 7 {
            std::thread::yield_now();
        }
        over.store(true, Ordering::Relaxed);
        ran.ends(0);
    });
    let mut held = BTreeSet::new();
    for (member, name) in (0..).zip(names()) {
        let kept = lab.kept(&name);
        assert_eq!(kept.len(), 1, "{name}");
        held.extend(writes_in(&lab.bytes(&kept[0].1), member));
    }
    let all = next.load(Ordering::Relaxed);
    let newest = held.last().copied().expect("some writes were before the backup");
    assert!(newest >= 6 && newest + 1 < all, "{newest} of {all}");
    assert_eq!(held, (0..=newest).collect(), "a write is missing before one that is there");
}

#[test]
fn the_generations_of_a_set_carry_the_proof_of_their_instant() {
    let lab = equivalent(1);
    lab.run("backup --set erp --yes").ends(0);
    let generations = lab.generations("");
    assert_eq!(generations.len(), 5);
    for generation in &generations {
        let set = &generation["set"];
        assert_eq!(
            (&set["name"], &set["volumes"], &set["by"]),
            (&"erp".into(), &5.into(), &"array".into()),
            "{generation:#}"
        );
        assert!(set["within_millis"].as_u64().is_some_and(|millis| millis < 60_000), "{generation:#}");
        assert_eq!(generation["operation"], generations[0]["operation"]);
        assert_eq!(generation["taken_at"], generations[0]["taken_at"]);
    }
    let text = lab.run("history t1").ends(0).out;
    assert!(text.contains("one instant with set erp (5 volumes, by the array, within"), "{text}");
    // The next life of the engine reads the same, and the audit agrees with the tables.
    lab.kill_engine();
    assert_eq!(lab.generations(""), generations);
    lab.run("audit verify").ends(0);
    // A volume of the set alone: a backup, but of no instant with the others.
    lab.backups("A1", 0x31..0x32, 1);
    lab.synchronize("t1");
    let ran = lab.run("backup t1 --yes").ends(0);
    assert!(ran.out.contains("t1 is in set erp") && ran.out.contains("ecd-1246"), "{}", ran.out);
    assert_eq!(lab.json("history t1")["generations"][0]["set"], serde_json::Value::Null);
}

#[test]
fn while_the_array_refuses_one_of_five_none_is_suspended_and_then_all_are() {
    let lab = equivalent(1);
    // Of the five only the remote copy is refused; the engine asks again for a while.
    lab.run("array fault A1 buffer-late --times 100000").ends(0);
    lab.run("backup --set erp --yes --time-limit 2s").ends(8);
    for name in names() {
        assert!(lab.kept(&name).is_empty(), "{name}");
        assert_eq!(lab.entry(&lab.status(), &name)["state"], "equivalent", "{name}");
    }
    lab.run("array fault A1 clear").ends(0);
    for name in names() {
        lab.wait_for("all of the set are recorded", |status| lab.entry(status, &name)["kept"] == 1);
    }
    let generations = lab.json("history")["generations"].as_array().unwrap().clone();
    assert!(generations.iter().all(|generation| generation["operation"] == generations[0]["operation"]));
}

#[test]
fn a_set_is_refused_as_a_whole_and_waits_as_a_whole() {
    let lab = Lab::of(2, 2, 1);
    for name in ["t1", "t2"] {
        lab.policy(name, 1, "suspend");
    }
    lab.run("set add erp t1 t2 --yes").ends(0);
    lab.refused("set add web t2 --yes", "ecd-1241");
    lab.refused("volume remove t2 --yes", "ecd-1242");
    lab.run("set show nope").ends(3);
    assert!(lab.run("backup --set nope --yes").ends(3).err.contains("there is no set nope; there are: erp"));
    lab.synchronize("t1");
    // One without a session: refused at once, also by whoever would wait.
    for line in ["backup --set erp --yes", "backup --set erp --wait --yes"] {
        let refused = lab.run(line).ends(3);
        assert!(refused.err.contains("t2 has no session"), "{refused:?}");
        assert!(lab.kept("t1").is_empty());
    }
    // The rest is started, slowly; the backup waits for it, and takes both.
    lab.run("array rate 256KiB").ends(0);
    let started = lab.run("sync start --set erp --yes").ends(0);
    assert!(
        started.out.contains("start set erp") && started.out.contains("t1 is synchronized already"),
        "{}",
        started.out
    );
    lab.run("backup --set erp --wait --yes").ends(0);
    assert_eq!((lab.kept("t1").len(), lab.kept("t2").len()), (1, 1));
    assert_eq!(lab.status()["sets"][0]["name"], "erp");
    assert_eq!(lab.json("status --set erp")["transaction_volumes"].as_array().unwrap().len(), 2);
    lab.run("set remove erp --yes").ends(0);
    assert!(lab.run("set list").ends(0).out.contains("there is no set"));
    assert_eq!(lab.kept("t1").len(), 1, "its backups stay");
    lab.run("audit verify").ends(0);
}

/// A set `erp` of three, backed up at one instant and written to since; six backup volumes are unused.
fn backed_up(mib: u32) -> Lab {
    let lab = Lab::of(3, 9, mib);
    for name in ["t1", "t2", "t3"] {
        lab.policy(name, 2, "suspend");
    }
    for olu in 1..=3 {
        lab.run(&format!("array write A1/{olu:#x} --scatter 30 --seed {olu}")).ends(0);
    }
    lab.run("set add erp t1 t2 t3 --yes").ends(0);
    lab.run("sync start --set erp --wait --yes").ends(0);
    lab.run("backup --set erp --yes").ends(0);
    for olu in 1..=3 {
        lab.run(&format!("array write A1/{olu:#x} --scatter 20 --seed 10{olu}")).ends(0);
    }
    lab
}

fn version_on(lab: &Lab, name: &str, version: u64) -> String {
    lab.kept(name).into_iter().find(|(kept, _)| *kept == version).unwrap().1
}

#[test]
fn all_volumes_of_a_set_come_back_to_one_instant() {
    let lab = backed_up(2);
    let present: Vec<Vec<u8>> = (1..=3).map(|olu| lab.bytes(&format!("A1/{olu:#x}"))).collect();
    let refused = lab.refused("restore --set erp --version 1 --yes", "ecd-1604");
    let refusal = &refused["error"]["refusal"];
    assert!(refusal["reason"].as_str().unwrap().contains("t1, t2, t3"), "{refused:#}");
    let way_on: Vec<&str> =
        refusal["remedies"][0]["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(way_on, ["restore", "--set", "erp", "--version", "1", "--unmounted"]);
    lab.refused("restore --set erp --version 1 --unmounted --yes", "ecd-1003");
    lab.refused("restore --set erp --version 1 --unmounted --yes --confirm t1", "ecd-1004");
    lab.run("restore --set erp --version 1 --to A1/0x29 --unmounted").ends(2);
    assert!(lab.run("restore --set erp --version 7 --unmounted").ends(3).err.contains("kept of it, newest first"));
    let planned = lab.run("restore --set erp --version 1 --unmounted --dry-run").ends(0).out;
    let at = |what: &str| planned.find(what).unwrap_or_else(|| panic!("{what}: {planned}"));
    let last_kept = planned.rfind("keep it as v2").unwrap();
    assert!(last_kept < at("mark t1 ") && planned.rfind("mark t3 ").unwrap() < at("of v1 from"), "{planned}");
    assert!(planned.contains("wants --confirm erp") && planned.contains("by hand: unmount t1, t2, t3"), "{planned}");
    // Which backup it is can be said by its time, too.
    let by_time = lab.run("restore --set erp --instant 0s --unmounted --dry-run").ends(0).out;
    assert_eq!(by_time, planned);
    lab.run("restore --set erp --version 1 --unmounted --confirm erp --yes").ends(0);
    for (name, olu, present) in
        [("t1", "A1/0x1", &present[0]), ("t2", "A1/0x2", &present[1]), ("t3", "A1/0x3", &present[2])]
    {
        assert!(lab.bytes(olu) == lab.bytes(&version_on(&lab, name, 1)), "{name} is version 1");
        assert!(lab.bytes(&version_on(&lab, name, 2)) == *present, "version 2 of {name} is what it was");
    }
    assert!(lab.status()["restores"].as_array().unwrap().is_empty());
    lab.run("audit verify").ends(0);
}

#[test]
fn a_set_that_is_restored_in_part_says_so_and_comes_back_whole() {
    let lab = backed_up(2);
    let broken = version_on(&lab, "t2", 1);
    let (_, olu) = broken.split_once('/').unwrap();
    lab.run(&format!("array fault A1 bad-block {olu} 4000")).ends(0);
    let words = "restore --set erp --version 1 --unmounted --without-present-state --confirm erp --yes";
    let ended = lab.run(words).ends(1);
    assert!(ended.err.contains("restored: t1; restore-incomplete: t2, t3"), "{ended:?}");
    let states: Vec<String> =
        ["t1", "t2", "t3"].map(|name| lab.entry(&lab.status(), name)["state"].as_str().unwrap().to_owned()).into();
    assert_eq!(states[1..], ["restore-incomplete", "restore-incomplete"]);
    assert_ne!(states[0], "restore-incomplete");
    lab.refused("sync start t3 --yes", "ecd-1601");
    lab.run("array fault A1 clear").ends(0);
    // Of a set that is partly restored nothing is kept first, whatever was asked for.
    lab.run("restore --set erp --version 1 --unmounted --confirm erp --yes").ends(0);
    for (name, olu) in [("t1", "A1/0x1"), ("t2", "A1/0x2"), ("t3", "A1/0x3")] {
        assert_eq!(lab.kept(name).len(), 1, "{name}");
        assert!(lab.bytes(olu) == lab.bytes(&version_on(&lab, name, 1)), "{name} is version 1");
    }
    lab.run("audit verify").ends(0);
}

#[test]
fn one_volume_that_cannot_be_restored_refuses_the_whole_set() {
    let lab = backed_up(1);
    let before = lab.bytes("A1/0x1");
    lab.run("history delete t2 --version 1 --confirm A1/0x22 --yes").ends(0);
    let refused = lab.refused("restore --set erp --version 1 --unmounted --confirm erp --yes", "ecd-1111");
    assert!(refused.to_string().contains("t2 keeps no generation of that instant"), "{refused:#}");
    assert!(lab.run("restore --set erp --instant 0s --unmounted").ends(3).err.contains("not of all volumes"));
    assert!(lab.bytes("A1/0x1") == before);
    // A remote copy's generation is in another array.
    let far = equivalent(1);
    far.run("backup --set erp --yes").ends(0);
    far.refused("restore --set erp --version 1 --unmounted --confirm erp --yes", "ecd-1602");
}
