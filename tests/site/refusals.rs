//! What is refused, with which status and code, and that every way on that is offered leads on.

use super::array_lab::{Lab, by_ccm};
use serde_json::Value;

fn remedies(document: &Value) -> Vec<Value> {
    document["error"]["refusal"]["remedies"].as_array().unwrap().clone()
}

/// Each remedy of a refusal works when taken, and afterwards the refused verb works.
#[track_caller]
fn each_remedy_leads_on(build: impl Fn() -> Lab, words: &str, code: &str) {
    let count = remedies(&build().refused(&format!("{words} --yes"), code)).len();
    assert!(count > 0, "{code} offers no way on");
    for index in 0..count {
        let lab = build();
        let remedy = remedies(&lab.refused(&format!("{words} --yes"), code))[index].clone();
        lab.take(&remedy);
        let again = lab.run(&format!("{words} --yes --json --ensure --wait"));
        assert!(again.exit == 0, "after {remedy:#}: {again:?}");
    }
}

/// Two transaction volumes; every backup volume holds a generation of one or is bound to the other; one is not registered.
fn exhausted() -> Lab {
    let lab = Lab::of(2, 2, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.back_up("t1");
    lab.synchronize("t2");
    lab.run("sync suspend t2 --yes").ends(0);
    let place = lab.volume("A1", 0x31, 1);
    lab.seen(&place);
    lab
}

#[test]
fn a_start_with_an_exhausted_pool_is_refused_and_each_remedy_works() {
    each_remedy_leads_on(exhausted, "sync start t1", "ecd-1201");
}

#[test]
fn a_volume_of_another_size_does_not_serve() {
    let lab = Lab::of(1, 0, 1);
    lab.backups("A1", 0x21..0x22, 2);
    let document = lab.refused("sync start t1 --yes", "ecd-1201");
    let reason = document["error"]["refusal"]["reason"].as_str().unwrap();
    assert!(reason.contains("0 of this size"), "{document:#}");
    let status = lab.status();
    assert_eq!(status["pool"][0]["state"], "unused");
    assert!(status["sessions"].as_array().unwrap().is_empty());
}

#[test]
fn a_policy_that_the_pool_cannot_serve_is_accepted_with_a_warning() {
    let lab = Lab::of(1, 1, 1);
    let document = lab.policy("t1", 3, "suspend").json();
    let notices = document["plan"]["items"][0]["notices"].as_array().unwrap();
    assert!(notices.iter().any(|notice| notice["code"] == "ecd-1103"), "{document:#}");
    assert_eq!(lab.json("policy show t1")["policies"][0]["policy"]["generations"], 3);
}

/// A copy that takes so long that tests see it.
fn copying() -> Lab {
    let lab = Lab::of(1, 2, 4);
    lab.policy("t1", 1, "suspend");
    lab.run("array rate 64KiB").ends(0);
    lab.run("sync start t1 --yes").ends(0);
    lab
}

#[test]
fn an_early_backup_is_refused_and_waiting_helps() {
    let lab = copying();
    lab.refused("backup t1 --yes", "ecd-1301");
    lab.run("backup t1 --wait --yes --time-limit 1").ends(8);
    lab.run("array rate none").ends(0);
    lab.run("backup t1 --wait --yes").ends(0);
    assert_eq!(lab.kept("t1").len(), 1);
}

#[test]
fn a_backup_without_a_session_is_refused_at_once_even_when_it_would_wait() {
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    lab.refused("backup t1 --yes", "ecd-1302");
    lab.refused("backup t1 --wait --yes", "ecd-1302");
    assert!(lab.kept("t1").is_empty());
}

#[test]
fn a_backup_without_a_policy_is_refused() {
    let lab = Lab::of(1, 1, 1);
    lab.synchronize("t1");
    lab.refused("backup t1 --yes", "ecd-1102");
}

fn suspended() -> Lab {
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.run("sync suspend t1 --yes").ends(0);
    lab
}

#[test]
fn a_backup_on_a_suspended_pair_wants_a_resume_first() {
    each_remedy_leads_on(suspended, "backup t1", "ecd-1306");
}

#[test]
fn a_second_start_is_refused_but_so_already_when_that_is_the_wish() {
    let lab = copying();
    lab.refused("sync start t1 --yes", "ecd-1307");
    lab.run("sync start t1 --yes --ensure").ends(0);
}

#[test]
fn cancel_does_in_every_state_what_the_rules_say() {
    // The first MiB of a copy is copied whatever the rate.
    let lab = Lab::of(1, 2, 4);
    lab.refused("sync cancel t1 --yes", "ecd-1302");
    lab.run("sync cancel t1 --yes --ensure").ends(0);
    // Copying.
    lab.run("array rate 64KiB").ends(0);
    lab.run("sync start t1 --yes").ends(0);
    lab.run("sync cancel t1 --yes").ends(0);
    lab.wait_for_state("t1", "none");
    // Equivalent.
    lab.run("array rate none").ends(0);
    lab.synchronize("t1");
    lab.run("sync cancel t1 --yes").ends(0);
    lab.wait_for_state("t1", "none");
    // Suspended: only by name, or all.
    lab.synchronize("t1");
    lab.run("sync suspend t1 --yes").ends(0);
    lab.refused("sync cancel t1 --yes", "ecd-1304");
    lab.run("sync cancel t1 --all --yes").ends(0);
    lab.wait_for_state("t1", "none");
    // In error.
    lab.synchronize("t1");
    let target = lab.status()["sessions"][0]["target"]["location"].as_str().unwrap().to_owned();
    lab.run(&format!("array fault A1 error-suspend A1/0x1 {target}")).ends(0);
    let status = lab.wait_for_state("t1", "error");
    // CCM's queries have no column for it, as far as anybody has seen.
    let error = if by_ccm() { Value::Null } else { "0xBA".into() };
    assert_eq!(status["sessions"][0]["error"], error);
    lab.run("sync cancel t1 --yes").ends(0);
    lab.wait_for_state("t1", "none");
}

#[test]
fn a_silent_array_is_not_reachable() {
    let lab = Lab::of(1, 1, 1);
    // Several readings are waited for in vain, each as long as this.
    lab.configure("[limits]\nreading = \"5s\"\n");
    lab.run("array fault A1 unreachable").ends(0);
    lab.wait_for("A1 silent", |status| status["arrays"][0]["reachable"] == false);
    let ran = lab.run("sync start t1 --yes --json").ends(5);
    assert!(["ecd-1702", "ecd-1703"].contains(&ran.json()["error"]["code"].as_str().unwrap()), "{ran:?}");
    lab.run("array fault A1 clear").ends(0);
    lab.wait_for("A1 back", |status| status["arrays"][0]["reachable"] == true);
    lab.synchronize("t1");
}

#[test]
fn an_answer_that_was_lost_is_looked_up_and_nothing_is_done_twice() {
    let lab = Lab::of(1, 1, 1);
    // An answer is waited for so long, and no longer.
    lab.configure("[limits]\ncommand = \"3s\"\n");
    lab.run("array fault A1 lost-reply").ends(0);
    lab.run("sync start t1 --yes --wait").ends(0);
    assert_eq!(lab.status()["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn nothing_runs_without_agreement() {
    let lab = Lab::of(1, 1, 1);
    lab.refused("sync start t1", "ecd-1003");
    let plan = lab.run("sync start t1 --dry-run --json").ends(0).json();
    assert_eq!(plan["result"], "planned");
    assert!(!plan["plan"]["items"][0]["commands"].as_array().unwrap().is_empty(), "{plan:#}");
    assert_eq!(lab.entry(&lab.status(), "t1")["state"], "none");
}

#[test]
fn an_overwrite_wants_the_exact_name_and_gives_that_version_up() {
    let lab = exhausted();
    let words = "sync start t1 --overwrite-version 1 --yes";
    lab.refused(words, "ecd-1003");
    lab.refused(&format!("{words} --confirm t1"), "ecd-1004");
    let plan = lab.run("sync start t1 --overwrite-version 1 --dry-run --json").ends(0).json();
    let name = plan["plan"]["confirmation"]["name"].as_str().unwrap().to_owned();
    lab.run(&format!("{words} --confirm {name} --wait")).ends(0);
    assert!(lab.kept("t1").is_empty());
    let history = lab.json("history t1");
    assert_eq!(history["generations"][0]["released_why"], "overwritten");
}

#[test]
fn an_unknown_name_offers_near_ones() {
    let lab = Lab::of(1, 1, 1);
    let document = lab.refused("sync start t11 --yes", "ecd-1101");
    assert!(document["error"]["text"].as_str().unwrap().contains("t1"), "{document:#}");
}

#[test]
fn audit_and_history_tell_what_was_refused_what_was_agreed_to_and_why() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 1, "suspend");
    lab.refused("backup t1 --yes", "ecd-1302");
    lab.synchronize("t1");
    lab.run("backup t1 --yes --reason upgrade").ends(0);
    lab.refused("history delete t1 --version 1 --yes --confirm t1", "ecd-1004");
    let audit = lab.run("audit show --last 1000").ends(0).out;
    for told in [
        "t1: backup refused: ",
        "(ecd-1302)",
        "the confirmation names t1; v1 of t1 on A1/0x21 is released: type A1/0x21 to confirm (ecd-1004)",
        "because: upgrade",
        "agreed: backup t1: suspend A1/0x21; record v1 on A1/0x21",
    ] {
        assert!(audit.contains(told), "{told} is not in {audit}");
    }
    assert!(lab.run("history t1").ends(0).out.contains("because: upgrade"));
    assert_eq!(lab.json("history t1")["generations"][0]["reason"], "upgrade");
    lab.run("audit verify").ends(0);
}

#[test]
fn a_remote_copy_that_was_cancelled_is_started_again_at_once_and_was_never_another_programs() {
    let lab = Lab::new();
    // Between two readings of the target's box there is time for both.
    let config = std::fs::read_to_string(lab.home().config_file()).unwrap();
    std::fs::write(lab.home().config_file(), config.replace("500ms", "5m")).unwrap();
    lab.transaction("t3", "A1", 3, 1);
    lab.backups("A2", 0x9..0xa, 1);
    lab.synchronize("t3");
    lab.run("sync cancel t3 --yes").ends(0);
    lab.run("sync start t3 --yes --wait").ends(0);
    let audit = lab.run("audit show --last 1000").ends(0).out;
    assert!(!audit.contains("another program"), "{audit}");
}
