//! Cancel and forced stop in bad weather, and on pairs that hold a generation.

use super::array_lab::Lab;
use serde_json::Value;

/// One transaction volume, equivalent with a volume of another box.
fn remote() -> Lab {
    let lab = Lab::new();
    lab.transaction("t1", "A1", 1, 1);
    lab.backups("A2", 0x21..0x22, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab
}

/// The state of the pool's first volume.
fn backup_state(status: &Value) -> &str {
    status["pool"][0]["state"].as_str().unwrap()
}

#[test]
fn a_halted_copy_is_cancelled_by_force_and_what_that_leaves_on_the_other_box_by_a_forced_stop() {
    let lab = remote();
    lab.run("array path A1 A2 down").ends(0);
    lab.wait_for_state("t1", "halted");
    let plan = lab.run("sync cancel t1 --dry-run --json").ends(0).json();
    assert_eq!(plan["plan"]["items"][0]["steps"][0]["force"], true, "{plan:#}");
    // The path is down, so the array cannot tell the other box.
    let torn = lab.run("sync cancel t1 --yes").ends(1);
    assert!(torn.err.contains("left over at its target's"), "{torn:?}");
    lab.wait_for_state("t1", "half-open");
    lab.run("sync force-stop t1 --yes").ends(0);
    let status = lab.wait_for("nothing is left", |status| {
        lab.entry(status, "t1")["state"] == "none" && status["sessions"].as_array().unwrap().is_empty()
    });
    assert_eq!(backup_state(&status), "unused");
    lab.run("array path A1 A2 up").ends(0);
    assert_eq!(lab.synchronize("t1"), "start-full");
}

#[test]
fn a_half_open_copy_refuses_cancel_and_its_forced_stop_leads_out() {
    let lab = remote();
    lab.run("array fault A2 half-open A1/0x1 A2/0x21 --missing target").ends(0);
    lab.wait_for_state("t1", "half-open");
    let refused = lab.refused("sync cancel t1 --yes", "ecd-1403");
    lab.take(&refused["error"]["refusal"]["remedies"][0]);
    lab.wait_for_state("t1", "none");
    lab.run("array fault A2 clear").ends(0);
    assert_eq!(lab.synchronize("t1"), "start-full");
}

#[test]
fn a_copy_with_a_word_that_nobody_knows_is_touched_by_a_forced_stop_only() {
    let lab = remote();
    lab.run("array fault A1 strange-word A1/0x1 A2/0x21 Pondering").ends(0);
    let status = lab.wait_for_state("t1", "unknown");
    let problem = lab.entry(&status, "t1")["problem"]["text"].as_str().unwrap().to_owned();
    assert!(problem.contains("Pondering"), "{problem}");
    for verb in ["sync cancel t1", "sync suspend t1", "backup t1", "sync start t1"] {
        lab.refused(&format!("{verb} --yes"), "ecd-1405");
    }
    lab.run("sync force-stop t1 --yes").ends(0);
    lab.wait_for_state("t1", "none");
}

#[test]
fn cancelling_a_pair_with_a_generation_ends_the_session_and_keeps_the_generation() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 2, "suspend");
    lab.synchronize("t1");
    lab.back_up("t1");
    let kept = lab.kept("t1");
    let (place, bytes) = (kept[0].1.clone(), lab.bytes(&kept[0].1));
    let cancel = format!("sync cancel t1 --volume {place}");
    let plan = lab.run(&format!("{cancel} --dry-run --json")).ends(0).json();
    assert_eq!(plan["plan"]["items"][0]["commands"][0], "A1: stop EC 0x1 to 0x21", "{plan:#}");
    lab.run(&format!("{cancel} --yes")).ends(0);
    let status = lab.wait_for("the session is gone", |status| status["sessions"].as_array().unwrap().is_empty());
    assert_eq!(backup_state(&status), "generation");
    assert_eq!(lab.kept("t1"), kept);
    // The next one goes elsewhere, and what is kept is not written to.
    assert_eq!(lab.synchronize("t1"), "start-full");
    lab.run("array write A1/0x1 --length 64KiB --seed 9").ends(0);
    assert!(lab.bytes(&place) == bytes);
    lab.run("sync cancel t1 --all --yes").ends(0);
    assert_eq!(lab.kept("t1"), kept, "ending sessions deletes no generation");
}
