//! CCM as unkind as the manuals allow: the emulation's strict profile, from the command line to copied bytes.

use super::server::CcmServer;
use super::{register, state};

/// What an operator says of the strict profile's titles.
pub const TITLES: &str = r#"
[[array.ccm.titles]]
column = "status"
title = "Copy State"
[[array.ccm.titles]]
column = "phase"
title = "Copy Stage"
"#;

#[test]
fn backups_are_made_and_resumed_under_a_strict_ccm_that_is_busy_at_random() {
    for seed in [7, 11] {
        let ccm = CcmServer::with_profile(4, &format!("--profile strict --seed {seed}"));
        ccm.arrays.run("array write K1/0x0 --length 1MiB --seed 7").ends(0);
        let test_site = ccm.house_by("", TITLES, "");
        register(&test_site, &["K1/0x1", "K1/0x2"]);
        test_site.run("sync start tv --wait --yes").ends(0);
        test_site.run("backup tv --yes").ends(0);
        let kept = ccm.fingerprint("K1/0x1");
        assert_eq!(kept, ccm.fingerprint("K1/0x0"), "seed {seed}");
        test_site.run("sync start tv --wait --yes").ends(0);
        test_site.run("sync suspend tv --yes").ends(0);
        ccm.arrays.run("array write K1/0x0 --scatter 20 --seed 8").ends(0);
        let plan = test_site.run("sync resume tv --dry-run").ends(0);
        assert!(plan.out.contains("$ acec resume -g ecdeckECK1 -p K1/0x0:K1/0x2 -xml"), "{plan:?}");
        test_site.run("sync resume tv --yes").ends(0);
        test_site.wait_for("equivalence", |status| state(status) == "equivalent");
        test_site.run("backup tv --yes").ends(0);
        assert_eq!(ccm.fingerprint("K1/0x2"), ccm.fingerprint("K1/0x0"), "seed {seed}");
        assert_eq!(ccm.fingerprint("K1/0x1"), kept, "seed {seed}: an earlier generation stays");
        let generations = test_site.json("history")["generations"].as_array().unwrap().len();
        assert_eq!(generations, 2, "seed {seed}");
    }
}

#[test]
fn titles_that_nobody_knows_are_shown_with_the_lines_that_teach_them() {
    let ccm = CcmServer::with_profile(3, "--profile strict --busy 0");
    for line in [
        "acgroup create -g theirs -type EC -a K1",
        "acpair add -g theirs -p K1/0x1:K1/0x2",
        "acec start -g theirs -p K1/0x1:K1/0x2",
    ] {
        ccm.by_hand(line);
    }
    assert_eq!(ccm.sessions().len(), 1);
    let test_site = ccm.test_site(None, "");
    let doctor = test_site.run("array doctor K1").ends(0);
    for line in ["[[array.ccm.titles]]", "column = \"status\"", "title = \"Copy State\"", "title = \"Copy Stage\""] {
        assert!(doctor.out.lines().any(|shown| shown == line), "{line}: {doctor:?}");
    }
    let taught = ccm.house_by("", TITLES, "").run("array doctor K1").ends(0);
    assert!(!taught.out.contains("[[array.ccm.titles]]"), "{taught:?}");
    let words = taught.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("it has no target"), "an estimation is one line: {taught:?}");
}

#[test]
fn a_session_whose_group_somebody_renamed_is_still_ours_and_goes_on() {
    let ccm = CcmServer::with_profile(3, "--profile strict --busy 0");
    let test_site = ccm.house_by("", TITLES, "");
    register(&test_site, &["K1/0x1"]);
    test_site.run("sync start tv --wait --yes").ends(0);
    ccm.rename("ecdeckECK1", "nightly");
    test_site.run("backup tv --yes").ends(0);
    assert_eq!(ccm.sessions().len(), 1);
    assert_eq!(test_site.json("history")["generations"][0]["version"], 1);
}
