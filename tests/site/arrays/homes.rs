//! Which home the verbs on embedded arrays work in, and what they say of processes that they cannot reach.

use crate::array_lab::Lab;
use crate::test_site::{DEADLINE, Ran, TestSite};
use ecdeck::process::instance::{Claim, claim};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;

#[test]
fn the_home_of_a_configured_array_is_the_one_that_its_verbs_work_in() {
    let test_site = TestSite::new();
    let elsewhere = TestSite::new();
    let config = format!(
        "site = \"two\"\n[[array]]\nname = \"FAR\"\ndriver = \"embedded\"\nhome = {:?}\n\
         [[array]]\nname = \"NEAR\"\ndriver = \"embedded\"\n",
        elsewhere.path()
    );
    fs::write(test_site.home().config_file(), config).unwrap();
    test_site.run("array create FAR --size 1MiB").ends(0);
    test_site.run("array create NEAR --size 1MiB --olu 0x7").ends(0);
    test_site.run("array write FAR/0x0 --text far").ends(0);
    let volumes = test_site.json("array volumes");
    let places: Vec<&str> =
        volumes["volumes"].as_array().unwrap().iter().map(|volume| volume["location"].as_str().unwrap()).collect();
    assert_eq!(places, ["NEAR/0x7", "FAR/0x0"]);
    let image = volumes["volumes"][1]["image"].as_str().unwrap();
    assert!(image.starts_with(elsewhere.path().to_str().unwrap()), "{image}");
    let list = test_site.json("array list");
    let pids: Vec<_> = list["arrays"].as_array().unwrap().iter().map(|array| array["pid"].as_u64()).collect();
    assert!(pids.iter().all(Option::is_some) && pids[0] != pids[1], "{list:#}");
    let known = test_site.json("volume list")["unregistered"].to_string();
    assert!(known.contains("FAR/0x0"), "the engine has the same array: {known}");
    test_site.kill_engine();
    test_site.run("array stop").ends(0);
    for home in [&test_site, &elsewhere] {
        assert!(matches!(claim(&home.home().array_server()).unwrap(), Claim::Ours(_)), "both have ended");
    }
}

#[test]
fn a_server_that_does_not_answer_is_not_said_to_be_none() {
    let test_site = TestSite::new();
    let place = test_site.home().array_server();
    let Claim::Ours(lock) = claim(&place).unwrap() else { panic!("nobody else is here") };
    let said = test_site.run("array stop").ends(5);
    assert!(said.err.contains("does not answer"), "{said:?}");
    drop(lock);
    assert!(test_site.run("array stop").ends(0).out.contains("no embedded array was running"));
}

#[test]
fn who_may_not_reach_the_arrays_is_not_told_that_there_are_none() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED another user's `array stop`: not root");
        return;
    }
    let test_site = TestSite::new();
    test_site.run("array create ONE --size 1MiB").ends(0);
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", crate::test_site::PROGRAM, "array", "stop"]);
    let Ok(output) = command.env("ECDECK_HOME", test_site.path()).output() else {
        eprintln!("SKIPPED another user's `array stop`: no setpriv");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_ne!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("no embedded array was running"), "{said}");
    test_site.run("array write ONE/0x0 --text there").ends(0);
}

#[test]
fn the_demonstration_site_is_never_made_over_volumes_that_are_there() {
    let test_site = TestSite::new();
    test_site.run("--demo array create DEMO1 --size 1MiB").ends(0);
    test_site.run("--demo array write DEMO1/0x0 --text precious").ends(0);
    let refused = test_site.run("--demo status");
    assert_ne!(refused.exit, 0, "{refused:?}");
    assert!(refused.err.contains("did not make"), "{refused:?}");
    let image = test_site.json("--demo array volumes")["volumes"][0]["image"].as_str().unwrap().to_owned();
    assert!(fs::read(image).unwrap().starts_with(b"precious"));
}

/// Signals and does not wait.
fn strike(pid: Option<u32>) {
    let pid = pid.and_then(|pid| Pid::from_raw(pid.cast_signed()));
    kill_process(pid.expect("it runs"), Signal::KILL).unwrap();
}

#[test]
fn a_verb_in_the_moment_after_a_kill_waits_for_the_next_server() {
    let lab = Lab::of(1, 1, 1);
    let began = std::time::Instant::now();
    for round in 0..6 {
        let (engine, arrays) = (lab.home().engine(), lab.home().array_server());
        lab.status();
        strike(ecdeck::process::instance::pid_of(&engine));
        if round % 2 == 0 {
            strike(ecdeck::process::instance::pid_of(&arrays));
        }
        let ran: Ran = lab.run("status --json");
        assert_eq!(ran.exit, 0, "{ran:?}");
        lab.run("array volumes").ends(0);
    }
    assert!(began.elapsed() < DEADLINE, "no start waited for a lock that was free: {:?}", began.elapsed());
}
