//! Practice on real bytes: a generation comes back on a spare volume, and the spare is unused again whatever happens.

use super::array_lab::Lab;
use super::fingerprints::{fingerprinted, flip, generation};
use serde_json::Value;

/// The state of a backup volume.
fn state(status: &Value, place: &str) -> String {
    let pool = status["pool"].as_array().unwrap();
    let found = pool.iter().find(|volume| volume["location"] == place);
    found.unwrap_or_else(|| panic!("{place}: {status:#}"))["state"].as_str().unwrap().to_owned()
}

fn lab_practises(status: &Value) -> bool {
    status["pool"].as_array().unwrap().iter().any(|volume| volume["state"] == "practice")
}

/// `t1` with one kept generation that is fingerprinted, and so many backup volumes.
fn kept(backups: u32) -> Lab {
    let lab = Lab::of(1, backups, 12);
    lab.policy("t1", 1, "suspend");
    lab.run("array write A1/0x1 --scatter 200 --seed 5").ends(0);
    lab.synchronize("t1");
    lab.back_up("t1");
    fingerprinted(&lab, 1);
    lab
}

#[test]
fn a_generation_comes_back_with_its_bytes_and_the_spare_is_unused() {
    let lab = kept(3);
    let plan = lab.run("practice t1 --dry-run").ends(0).out;
    for part in ["take A1/0x23 for the practice of v1", "compare with the fingerprint of v1", "ecd-1647"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    lab.run("array rate 4MiB").ends(0);
    let running = lab.spawn("practice t1 --yes");
    lab.wait_for("the practice", |status| state(status, "A1/0x23") == "practice");
    // The engine dies: the next one goes on.
    lab.kill_engine();
    lab.run("array rate none").ends(0);
    lab.wait_for("its end", |status| state(status, "A1/0x23") == "unused");
    drop(running.end());
    let practised = &generation(&lab, 1)["fingerprint"]["practised"];
    assert!(practised["differs"].is_null() && practised["millis"].as_u64().unwrap() > 0, "{practised}");
    assert!(lab.run("history t1").ends(0).out.contains("practised on "));
    assert_eq!(lab.entry(&lab.status(), "t1")["recovery_point_bytes"], "practised");
    let again = lab.run("practice t1 --yes").ends(0).out;
    assert!(!again.contains("mount -o ro"), "nothing is left to be mounted: {again}");
    assert!(again.contains("v1 of t1 came back in ") && again.contains("with the bytes of its fingerprint"), "{again}");
    assert_eq!(state(&lab.status(), "A1/0x23"), "unused");
    assert_eq!(lab.kept("t1").len(), 1);
    lab.run("audit verify").ends(0);
}

#[test]
fn a_start_that_needs_the_spare_ends_the_practice() {
    let lab = kept(3);
    // Of the three, one has the generation and one is another volume's: the third is what the next start takes.
    lab.run("array rate 1MiB").ends(0);
    let running = lab.spawn("practice t1 --yes");
    lab.wait_for("the practice", |status| state(status, "A1/0x23") == "practice");
    let second = lab.run("practice t1 --yes --json").ends(7).json();
    assert_eq!(second["error"]["code"], "ecd-1802", "{second:#}");
    let plan = lab.run("sync start t1 --dry-run").ends(0).out;
    assert!(!plan.contains("ecd-1648"), "another one is unused: {plan}");
    lab.run("volume remove A1/0x22 --yes").ends(0);
    let started = lab.run("sync start t1 --yes").ends(0).out;
    assert!(started.contains("the practice of v1 of t1 on A1/0x23 is ended first (ecd-1648)"), "{started}");
    let ended = running.end().ends(1);
    assert!(ended.err.contains("ecd-1644"), "{ended:?}");
    assert_eq!(state(&lab.status(), "A1/0x23"), "copying");
    lab.run("array rate none").ends(0);
    lab.wait_for_state("t1", "equivalent");
    assert_eq!(lab.bytes("A1/0x1"), lab.bytes("A1/0x23"));
    assert_eq!(generation(&lab, 1)["state"], "valid");
    lab.run("audit verify").ends(0);
}

#[test]
fn a_copy_that_differs_puts_the_generation_in_doubt() {
    let lab = kept(3);
    flip(&lab, "A1/0x21", (5 << 20) + 77);
    let ran = lab.run("practice t1 --yes").ends(1);
    assert!(ran.out.contains("is not what was backed up: MiB 5 (in doubt)"), "{ran:?}");
    assert_eq!(generation(&lab, 1)["state"], "in-doubt");
    assert_eq!(generation(&lab, 1)["fingerprint"]["practised"]["differs"], "MiB 5");
    assert_eq!(state(&lab.status(), "A1/0x23"), "unused");
    lab.run("audit verify").ends(0);
}

#[test]
fn what_is_due_is_practised_and_nothing_due_is_no_error() {
    let lab = kept(2);
    // The only unused one is what the next start takes.
    let ran = lab.run("practice --due --yes").ends(0);
    assert!(ran.err.contains("nothing was practised: v1 of t1: no backup volume of A1 of 12 MiB"), "{ran:?}");
    lab.refused("practice t1 --yes", "ecd-1646");
    lab.backups("A1", 0x30..0x31, 12);
    // Something else needs the spare: no fault of a timer.
    lab.run("array rate 1MiB").ends(0);
    let running = lab.spawn("practice --due --yes");
    lab.wait_for("the practice", lab_practises);
    lab.run("practice t1 --cancel --yes").ends(0);
    assert!(running.end().ends(0).err.contains("ecd-1644"));
    lab.run("array rate none").ends(0);
    let ran = lab.run("practice --due --yes").ends(0);
    assert!(ran.out.contains("v1 of t1 came back in "), "{ran:?}");
    let ran = lab.run("practice --due --yes").ends(0);
    assert!(ran.err.contains("nothing is due"), "{ran:?}");
}

#[test]
fn a_cancelled_practice_gives_its_spare_back() {
    let lab = kept(3);
    lab.run("array rate 1MiB").ends(0);
    let running = lab.spawn("practice t1 --yes");
    lab.wait_for("the practice", |status| state(status, "A1/0x23") == "practice");
    lab.run("practice t1 --cancel --yes").ends(0);
    running.end().ends(1);
    assert_eq!(state(&lab.status(), "A1/0x23"), "unused");
    assert_eq!(lab.run("practice t1 --cancel --yes").ends(3).out, "");
    lab.run("audit verify").ends(0);
}
