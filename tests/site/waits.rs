//! `ecdeck wait` through the real program: scripts that wait for what others started.

use super::array_lab::Lab;

const MIB: u32 = 4;
const SAYS: &str = "waiting; Ctrl-C ends only the waiting";

#[test]
fn a_script_waits_for_what_another_one_started() {
    let lab = Lab::of(2, 2, MIB);
    lab.policy("t1", 1, "suspend");
    lab.run("set add erp t1 t2 --yes").ends(0);
    lab.run("array rate 64KiB").ends(0);
    lab.run("sync start t1 t2 --yes").ends(0);
    let mut both = lab.spawn("wait t1 t2 t1 --for equivalent");
    let mut set = lab.spawn("wait --set erp --for equivalent");
    both.until_it_says(SAYS);
    set.until_it_says(SAYS);
    // What is waited for outlives the engine, and so does the waiting.
    lab.kill_engine();
    lab.run("array rate none").ends(0);
    let both = both.end().ends(0);
    assert_eq!(both.out.matches("equivalent").count(), 2, "each volume once: {both:?}");
    set.end().ends(0);
    let mut suspended = lab.spawn("wait t1 --for suspended");
    suspended.until_it_says(SAYS);
    lab.run("backup t1 --yes").ends(0);
    suspended.end().ends(0);
    lab.run("wait t1 --for idle").ends(0);
    let document = lab.run("wait t1 --for suspended --json").ends(0).json();
    assert_eq!(document["result"], "reached", "{document:#}");
    assert_eq!(document["volumes"][0]["reached"], true, "{document:#}");
}

#[test]
fn a_wait_that_cannot_come_ends_with_its_code() {
    let lab = Lab::of(2, 2, MIB);
    let never = lab.run("wait t1 --for equivalent --json").ends(1).json();
    assert_eq!((&never["result"], &never["for"]), (&"impossible".into(), &"equivalent".into()), "{never:#}");
    assert_eq!(never["volumes"][0]["code"], "ecd-1302", "{never:#}");
    lab.run("wait t1 t2 --for idle").ends(0);
    lab.run("array rate 64KiB").ends(0);
    lab.run("sync start t1 --yes").ends(0);
    lab.wait_for_state("t1", "copying");
    let limited = lab.run("wait t1 --for equivalent --time-limit 500ms --json").ends(8).json();
    assert_eq!(limited["result"], "time-limit", "{limited:#}");
    assert_eq!((&limited["volumes"][0]["reached"], &limited["volumes"][0]["code"]), (&false.into(), &().into()));
    // The other one has no session, so both never come together.
    lab.run("wait t1 t2 --for equivalent").ends(1);
    // Somebody ends what it waits for.
    let mut waiting = lab.spawn("wait t1 --for suspended");
    waiting.until_it_says(SAYS);
    lab.run("sync cancel t1 --yes").ends(0);
    let ran = waiting.end().ends(1);
    assert!(ran.out.contains("t1 has no session, and nobody starts one (ecd-1302)"), "{ran:?}");
    lab.run("wait t3 --for idle").ends(3);
    let role = lab.run("wait A1/0x21 --for idle").ends(3);
    assert!(role.err.contains("ecd-1109"), "{role:?}");
    lab.run("wait t1 --for ready").ends(2);
}

#[test]
fn a_wait_ends_when_its_array_stays_silent() {
    let lab = Lab::of(1, 1, MIB);
    lab.run("array rate 64KiB").ends(0);
    lab.run("sync start t1 --yes").ends(0);
    lab.run("array fault A1 unreachable").ends(0);
    let silent = lab.run("wait t1 --for equivalent --json").ends(5).json();
    assert_eq!(silent["result"], "not-reachable", "{silent:#}");
    assert_eq!(silent["volumes"][0]["code"], "ecd-1703", "{silent:#}");
}
