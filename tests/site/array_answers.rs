//! What arrays may answer at any time, and what engine and person make of it.

use super::array_lab::{Lab, by_ccm};

/// A site with a REC of `t1` on A1 to A2.
fn remote(modes: &str) -> Lab {
    let lab = Lab::new();
    lab.configure(&format!("\n[[rec]]\nfrom = \"A1\"\nto = \"A2\"\n{modes}\n"));
    lab.transaction("t1", "A1", 1, 1);
    lab.backups("A2", 0x21..0x23, 1);
    lab
}

#[test]
fn an_answer_that_wants_to_be_repeated_is_repeated() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 1, "suspend");
    for code in ["E0060", "E5360"] {
        lab.run(&format!("array fault A1 refuse --code {code} --times 2")).ends(0);
        lab.synchronize("t1");
        assert!(!lab.run("array fault").ends(0).out.contains(code), "{code} was not met");
        lab.run(&format!("array fault A1 refuse --code {code} --times 2")).ends(0);
        lab.back_up("t1");
        assert!(!lab.run("array fault").ends(0).out.contains(code), "{code} was not met");
    }
    assert_eq!(lab.kept("t1").len(), 1);
}

#[test]
fn a_source_with_a_bad_sector_refuses_the_start_and_nothing_else() {
    let lab = Lab::of(2, 2, 1);
    lab.run("array fault A1 refuse --code E5305").ends(0);
    let refused = lab.run("sync start t1 --yes");
    assert!(refused.exit == 1 && refused.err.contains("the source has a bad sector"), "{refused:?}");
    // CCM's words do not say what is to be done about it.
    assert!(by_ccm() || refused.err.contains("then start again"), "{refused:?}");
    assert!(lab.status()["sessions"].as_array().unwrap().is_empty());
    lab.synchronize("t2");
    lab.synchronize("t1");
}

#[test]
fn a_buffer_that_cannot_keep_up_halts_the_copy_which_continues_when_it_does() {
    if by_ccm() {
        return;
    }
    let lab = remote("transfer = \"consistency\"\nrecovery = \"automatic\"");
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.run("array fault A1 buffer-overrun 0x1 A2/0x21").ends(0);
    let status = lab.wait_for("halted", |status| status["sessions"][0]["status"] == "halted");
    assert_ne!(lab.entry(&status, "t1")["state"], "equivalent", "{status:#}");
    let refused = lab.run("backup t1 --yes");
    assert_ne!(refused.exit, 0, "{refused:?}");
    assert!(lab.kept("t1").is_empty());
    lab.run("array write A1/0x1 --text later").ends(0);
    lab.run("array fault A1 clear").ends(0);
    lab.run("backup t1 --wait --yes").ends(0);
    assert_eq!(lab.kept("t1").len(), 1);
    assert_eq!(fingerprint(&lab, "A1/0x1"), fingerprint(&lab, &lab.kept("t1")[0].1));
}

fn fingerprint(lab: &Lab, place: &str) -> String {
    lab.run(&format!("array fingerprint {place}")).ends(0).out.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn boxes_of_two_resolutions_refuse_the_start_by_its_code() {
    let lab = remote("");
    lab.run("array set A1 --resolution 1MiB").ends(0);
    let refused = lab.run("sync start t1 --yes");
    assert!(refused.exit == 1 && refused.err.contains("the resolution of the two boxes differs"), "{refused:?}");
    lab.run("array set A2 --resolution 1MiB").ends(0);
    lab.synchronize("t1");
    lab.run("sync suspend t1 --yes").ends(0);
    lab.run("array write A1/0x1 --text a").ends(0);
    if !by_ccm() {
        // One byte: a unit of the resolution is to copy.
        lab.wait_for("a difference of one unit", |status| status["sessions"][0]["difference_blocks"] == 2048);
    }
    assert_eq!(lab.synchronize("t1"), "resume");
}

#[test]
fn arrays_that_are_disconnected_refuse_remote_copies_until_they_are_connected() {
    let lab = remote("");
    let refused = lab.run("array path A1 A2 sideways").ends(2);
    assert!(refused.err.contains("up, down, none"), "{refused:?}");
    lab.run("array path A1 A2 none").ends(0);
    let refused = lab.run("sync start t1 --yes");
    assert!(refused.exit == 1 && refused.err.contains("the Box ID is not found"), "{refused:?}");
    lab.run("array path A1 A2 up").ends(0);
    lab.synchronize("t1");
    let refused = lab.run("array path A2 A1 none").ends(2);
    assert!(refused.err.contains("needs the path"), "{refused:?}");
}

/// The mode that is shown while a copy is suspended is not its own: neither is a backup refused for it, nor does its end fail.
#[test]
fn a_suspended_copy_that_is_shown_in_through_mode_is_resumed_backed_up_and_ended() {
    if by_ccm() {
        return;
    }
    let lab = remote("transfer = \"consistency\"");
    lab.policy("t1", 1, "suspend");
    lab.run("array set A1 --suspended-mode in-force").ends(0);
    lab.synchronize("t1");
    let transfer = || lab.status()["sessions"][0]["modes"]["transfer"].as_str().map(str::to_owned);
    assert_eq!(transfer().as_deref(), Some("consistency"));
    for generation in 1..=2 {
        lab.back_up("t1");
        assert_eq!(transfer().as_deref(), Some("through"));
        let plan = lab.run("sync start t1 --dry-run").ends(0);
        assert!(!plan.out.contains("cannot be backed up"), "generation {generation}: {plan:?}");
        lab.synchronize("t1");
    }
    lab.back_up("t1");
    let plan = lab.run("sync cancel t1 --all --dry-run").ends(0);
    assert!(plan.out.contains("through") && plan.out.contains("by force"), "{plan:?}");
    lab.run("sync cancel t1 --all --yes").ends(0);
    assert!(lab.status()["sessions"].as_array().unwrap().is_empty());
}

#[test]
fn a_copy_that_is_started_in_through_mode_says_that_it_cannot_be_backed_up() {
    if by_ccm() {
        return;
    }
    let lab = remote("transfer = \"through\"");
    lab.policy("t1", 1, "suspend");
    let plan = lab.run("sync start t1 --dry-run").ends(0);
    assert!(plan.out.contains("cannot be backed up"), "{plan:?}");
    lab.synchronize("t1");
    let refused = lab.run("backup t1 --yes");
    assert!(refused.exit == 3 && refused.err.contains("through mode"), "{refused:?}");
    lab.run("sync cancel t1 --yes").ends(0);
}

/// Both arrays are read; for a while they say two things of one copy. Nothing is recorded twice or lost meanwhile.
#[test]
fn an_array_that_hears_of_a_change_seconds_later_is_waited_for() {
    let lab = remote("");
    lab.policy("t1", 1, "suspend");
    lab.run("array set A1 --far-half-time 2s").ends(0);
    lab.synchronize("t1");
    lab.run("backup t1 --wait --yes").ends(0);
    assert_eq!(lab.kept("t1").len(), 1);
    let status = lab.status();
    assert_eq!(status["sessions"][0]["status"], "suspended", "{status:#}");
    lab.run("array set A1 --far-half-time 0s").ends(0);
    lab.run("sync start t1 --wait --yes").ends(0);
    lab.run("backup t1 --wait --yes").ends(0);
}
