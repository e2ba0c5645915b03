//! What CCM says and nobody knows yet: the refusal has the lines that teach it, and with them the site goes on.

use super::server::CcmServer;
use super::strict::TITLES;
use super::{register, state};
use std::fs;

const SUSPENDED: &str = "\n[[array.ccm.words]]\nword = \"EC Suspend\"\nstatus = \"suspended\"\n";

#[test]
fn the_lines_that_a_refusal_shows_first_are_pasted_and_the_same_verb_works() {
    for (profile, unknown, count) in [("", SUSPENDED, 1), ("--profile strict --busy 0", TITLES, 2)] {
        let ccm = CcmServer::with_profile(2, profile);
        let test_site = ccm.house_of_one("", if unknown == TITLES { TITLES } else { "" });
        register(&test_site, &["K1/0x1"]);
        test_site.run("sync start tv --wait --yes").ends(0);
        let suspended = ccm.by_hand("acec suspend -g ecdeckECK1 -p K1/0x0:K1/0x1");
        assert!(suspended.contains("Succeeded"), "{suspended}");
        let file = test_site.home().config_file();
        let taught = fs::read_to_string(&file).unwrap();
        assert!(taught.contains(unknown), "{taught}");
        fs::write(&file, taught.replacen(unknown, "\n", 1)).unwrap();
        test_site.kill_engine();
        test_site.wait_for("words without a meaning", |status| state(status) == "unknown");

        let status = test_site.run("status").ends(0).out;
        assert!(status.contains("(ecd-1405)"), "{status}");
        let error = test_site.run("sync resume tv --yes --json").ends(3).json()["error"].clone();
        assert_eq!(error["code"], "ecd-1405");
        let advice = error["refusal"]["advice"].as_array().unwrap().clone();
        let lines: Vec<&str> =
            advice.iter().flat_map(|one| one["lines"].as_array().unwrap()).map(|line| line.as_str().unwrap()).collect();
        assert_eq!(lines.len(), 3 * count, "{advice:#?}");

        let shown = test_site.run("sync resume tv --yes").ends(3).err;
        let (first, forced) = (shown.find(lines[0]).unwrap(), shown.find("force-stop").unwrap());
        assert!(first < forced, "{shown}");
        for line in &lines {
            assert!(shown.lines().any(|whole| whole == *line), "{line} can be pasted: {shown}");
        }
        fs::write(&file, fs::read_to_string(&file).unwrap() + "\n" + &lines.join("\n") + "\n").unwrap();
        test_site.kill_engine();
        test_site.wait_for("the suspended pair", |status| state(status) == "suspended");
        test_site.run("sync resume tv --yes").ends(0);
        let status = test_site.run("status").ends(0).out;
        assert!(!status.contains("(ecd-1405)"), "{status}");
    }
}

#[test]
fn what_ccm_never_shows_is_said_by_the_examination_the_status_and_each_start() {
    let ccm = CcmServer::new(2);
    let test_site = ccm.house_of_one("", "");
    register(&test_site, &["K1/0x1"]);
    for words in ["array doctor K1", "status", "sync start tv --dry-run"] {
        let ran = test_site.run(words).ends(0);
        assert!(ran.out.contains("ecd-1710"), "{ran:?}");
    }
}
