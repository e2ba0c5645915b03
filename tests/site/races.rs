//! Several at once: two scripts, twelve volumes, a person who lets go, engines that come and go.

use super::array_lab::Lab;
use ecdeck::process::instance;
use rustix::process::Signal;

#[test]
fn of_two_scripts_at_once_one_wins_and_the_other_is_told_who_holds_the_volume() {
    let lab = Lab::of(1, 2, 1);
    lab.run("array fault A1 slow --millis 500").ends(0);
    let first = lab.spawn("sync start t1 --yes");
    let status = lab.wait_for("t1 held", |status| !lab.entry(status, "t1")["held_by"].is_null());
    assert_eq!(lab.entry(&status, "t1")["held_by"]["verb"], "start");
    let second = lab.run("sync start t1 --yes --json").ends(7).json();
    let refusal = &second["error"]["refusal"];
    assert_eq!(refusal["code"], "ecd-1802");
    assert!(!refusal["held_by"]["holder"].is_null() && !refusal["held_by"]["since"].is_null(), "{second:#}");
    first.end().ends(0);
    lab.run("array fault A1 clear").ends(0);
}

#[test]
fn scripts_that_start_at_the_same_moment_make_one_session() {
    let lab = Lab::of(1, 4, 1);
    let scripts: Vec<_> = (0..4).map(|_| lab.spawn("sync start t1 --yes")).collect();
    let mut exits: Vec<i32> = scripts.into_iter().map(|script| script.end().exit).collect();
    exits.sort_unstable();
    assert_eq!(exits[0], 0, "{exits:?}");
    assert!(exits[1..].iter().all(|exit| [3, 7].contains(exit)), "{exits:?}");
    assert_eq!(lab.status()["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn of_twelve_started_at_once_nine_run_and_three_say_why() {
    let lab = Lab::of(12, 9, 1);
    let all: Vec<String> = (1..=12).map(|number| format!("t{number}")).collect();
    let document = lab.run(&format!("sync start {} --yes --wait --json", all.join(" "))).ends(6).json();
    let operations = document["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 9);
    assert!(operations.iter().all(|operation| operation["end"]["end"] == "done"), "{document:#}");
    let refused = document["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 3);
    assert!(
        refused.iter().all(|refusal| refusal["code"] == "ecd-1201" && !refusal["reason"].as_str().unwrap().is_empty())
    );
    let status = lab.status();
    let equivalent =
        status["transaction_volumes"].as_array().unwrap().iter().filter(|volume| volume["state"] == "equivalent");
    assert_eq!(equivalent.count(), 9);
}

#[test]
fn who_lets_go_is_told_that_the_engine_goes_on() {
    let lab = Lab::of(1, 1, 4);
    lab.run("array rate 1MiB").ends(0);
    let mut waiting = lab.spawn("sync start t1 --yes --wait");
    waiting.until_it_says("waiting for equivalence");
    waiting.interrupt();
    let ran = waiting.end().ends(4);
    assert!(ran.err.contains("detached"), "{ran:?}");
    lab.run("array rate none").ends(0);
    lab.wait_for_state("t1", "equivalent");
}

#[test]
fn an_engine_that_is_asked_to_end_says_goodbye_and_the_next_one_finds_everything() {
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    let first = instance::pid_of(&lab.home().engine()).unwrap();
    lab.signal(&lab.home().engine(), Signal::TERM);
    assert!(!instance::answers(&lab.home().engine()));
    lab.back_up("t1");
    assert_ne!(instance::pid_of(&lab.home().engine()), Some(first));
    let events = lab.json("audit show --last 1000")["events"].to_string();
    assert!(events.contains("engine-stopped"), "{events}");
    lab.run("audit verify").ends(0);
}

#[test]
fn a_foreground_engine_serves_and_ends_cleanly_by_sigterm() {
    let lab = Lab::of(1, 1, 1);
    lab.signal(&lab.home().engine(), Signal::TERM);
    let service = lab.spawn("serve");
    // Asked without a verb: one that comes before the service would start an engine of its own.
    let deadline = std::time::Instant::now() + super::test_site::DEADLINE;
    while !instance::answers(&lab.home().engine()) {
        assert!(std::time::Instant::now() < deadline, "the service does not answer");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(instance::pid_of(&lab.home().engine()), Some(service.pid()));
    lab.synchronize("t1");
    super::test_site::kill_softly(service.pid());
    service.end().ends(0);
}
