//! The guard of the rotation and what a monitor is told, through the real program.

use super::array_lab::Lab;

const MIB: u32 = 2;

#[test]
fn a_loop_of_backups_leaves_the_history_and_the_backlog_goes_by_name() {
    let lab = Lab::of(1, 4, MIB);
    lab.policy("t1", 3, "suspend");
    for _ in 0..3 {
        lab.synchronize("t1");
        lab.back_up("t1");
    }
    // From here on with the usual guard: nothing is released within half a day.
    lab.run("policy set t1 --min-interval default --yes").ends(0);
    lab.synchronize("t1");
    let ran = lab.run("backup t1 --yes").ends(0);
    assert!(ran.out.contains("t1 is then over by 1: v1 is not released, because v3 is"), "{}", ran.out);
    assert_eq!(lab.kept("t1").len(), 4);
    let refused = lab.run("sync start t1 --yes").ends(3);
    assert!(refused.err.contains("v1 is beyond the policy and not released"), "{}", refused.err);
    assert_eq!(lab.entry(&lab.status(), "t1")["over_by"], 1);
    // The day after, or with a shorter limit: the backlog's volume is taken.
    let set = lab.run("policy set t1 --generations 1 --interval 1 --mode suspend --min-interval 0s --yes").ends(0);
    assert!(set.out.contains("v1, v2 and 2 more of t1 are beyond this policy"), "{}", set.out);
    assert_eq!(lab.synchronize("t1"), "give-up");
    let wants = lab.run("backup t1 --confirm t1 --dry-run --json").ends(0).json();
    assert_eq!(wants["plan"]["confirmation"]["name"], "t1", "{wants:#}");
    lab.run("backup t1 --yes --confirm t1").ends(0);
    let kept: Vec<u64> = lab.kept("t1").into_iter().map(|(version, _)| version).collect();
    assert_eq!(kept, [5]);
    assert_eq!(lab.entry(&lab.status(), "t1")["over_by"], 0);
    lab.run("policy set t1 --floor 2 --yes").ends(3);
    lab.run("audit verify").ends(0);
}

#[test]
fn a_release_is_undone_until_a_copy_ends_it() {
    let lab = Lab::of(1, 3, MIB);
    lab.policy("t1", 1, "suspend");
    for _ in 0..2 {
        lab.synchronize("t1");
        lab.back_up("t1");
    }
    let first = lab.bytes("A1/0x21");
    lab.run("history reinstate t1 --version 2 --yes").ends(3);
    lab.run("history reinstate t1 --version 2 --yes --ensure").ends(0);
    lab.refused("history reinstate t1 --version 7 --yes", "ecd-1111");
    lab.run("history reinstate t1 --version 1 --yes").ends(0);
    // The engine's next life knows it, too.
    lab.kill_engine();
    let history = lab.json("history t1");
    let entry = history["generations"].as_array().unwrap().iter().find(|entry| entry["version"] == 1).unwrap();
    assert_eq!((&entry["kept"], &entry["held"]), (&true.into(), &"reinstated".into()), "{entry:#}");
    assert_eq!(entry["state"], "in-doubt", "embedded arrays do not show what hosts write: {entry:#}");
    lab.run("history accept t1 --version 1 --reason checked --confirm t1 --yes").ends(0);
    assert_eq!(lab.bytes("A1/0x21"), first);
    lab.run("history unhold t1 --version 1 --yes").ends(0);
    lab.run("history delete t1 --version 1 --yes --confirm A1/0x21").ends(0);
    // The volume that held it last is bound: the next start ends it, and says so.
    let plan = lab.run("sync start t1 --dry-run").ends(0);
    let says = |text: &str| assert!(plan.out.contains(text), "{text}: {}", plan.out);
    says("overwrites the released v1 of t1 on A1/0x21, ");
    says(" s old: it cannot come back then");
    lab.synchronize("t1");
    lab.refused("history reinstate t1 --version 1 --yes", "ecd-1114");
    lab.run("audit verify").ends(0);
}

#[test]
fn a_monitor_is_told_what_can_be_recovered() {
    let lab = Lab::of(2, 2, MIB);
    lab.policy("t1", 1, "suspend");
    lab.status();
    let never = lab.run("check --nagios t1").ends(2);
    assert!(
        never.out.starts_with("ECDECK CRITICAL - 0 of 1 recoverable; t1 no: there is no backup | "),
        "{}",
        never.out
    );
    lab.run("check t1").ends(1);
    lab.synchronize("t1");
    lab.back_up("t1");
    let good = lab.run("check --nagios t1").ends(0);
    assert!(good.out.starts_with("ECDECK OK - 1 of 1 recoverable | recoverable=1 "), "{}", good.out);
    lab.run("check t1").ends(0);
    assert_eq!(lab.entry(&lab.status(), "t1")["recoverable"], "yes");
    // t2 has neither policy nor backup.
    let document = lab.run("check --json").ends(1).json();
    assert_eq!(document["volumes"][1]["recoverable"], "no-policy", "{document:#}");
    assert_eq!((&document["recoverable"], &document["volumes"][1]["grade"]), (&false.into(), &"critical".into()));
    lab.run("check --nagios nothing").ends(3);
    lab.run("array fault A1 unreachable").ends(0);
    lab.wait_for("the silent array", |status| status["arrays"][0]["reachable"] == false);
    let silent = lab.run("check --nagios t1").ends(2);
    assert!(silent.out.starts_with("ECDECK CRITICAL - 0 of 1 recoverable; A1 does not answer"), "{}", silent.out);
    lab.run("check t1").ends(5);
    lab.kill_engine();
    let dead = lab.run("check --nagios").ends(2);
    assert!(dead.out.starts_with("ECDECK CRITICAL - no engine runs"), "{}", dead.out);
    lab.run("check").ends(5);
}
