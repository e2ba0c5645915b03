//! What a script meets before there is any site: wrong usage, lost homes, engines of another version.

use super::test_site::TestSite;
use crate::test_site::InTime;
use ecdeck::catalog::sql::FORMAT;
use ecdeck::process::frames::{FrameReader, Hello, send};
use ecdeck::process::instance::{Claim, claim, wait_until_it_is_free};
use std::process::Stdio;

#[test]
fn every_code_explains_itself_and_an_unknown_one_is_wrong_usage() {
    let test_site = TestSite::new();
    let all = test_site.json("explain");
    let codes = all["codes"].as_array().unwrap();
    assert!(codes.len() > 50);
    let one = test_site.run("explain ecd-1301").ends(0).out;
    assert!(one.starts_with("ecd-1301: not yet equivalent"), "{one}");
    test_site.run("explain ecd-9999").ends(2);
    test_site.run("explain").ends(0);
}

#[test]
fn completions_and_manual_are_made_from_the_verbs() {
    let test_site = TestSite::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(test_site.run(&format!("completions {shell}")).ends(0).out.contains("force-stop"));
    }
    assert!(test_site.run("man").ends(0).out.starts_with(".ie"));
}

#[test]
fn a_cron_job_that_lost_its_home_fails_and_says_why() {
    let test_site = TestSite::new();
    for words in [
        "backup demo-ora02 --yes",
        "sync start demo-vg01 --yes",
        "policy set demo-dev --generations 1 --interval 1 --mode suspend --yes",
    ] {
        let ran = test_site.run(words).ends(2);
        assert!(ran.err.contains("ecd-1902"), "{ran:?}");
        let ran = test_site.run(&format!("{words} --json")).ends(2);
        assert_eq!(ran.json()["error"]["code"], "ecd-1902");
    }
    let mut command = test_site.command(&["backup", "ora", "--yes"]);
    let output = command.env_remove("ECDECK_HOME").in_time();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_configuration_that_is_named_and_missing_is_never_replaced_by_the_demonstration() {
    let test_site = TestSite::new();
    let ran = test_site.run("status --config nowhere.toml").ends(2);
    assert!(ran.err.contains("nowhere.toml"), "{ran:?}");
    std::fs::write(test_site.home().catalogue_file(), "").unwrap();
    let ran = test_site.run("status").ends(2);
    assert!(ran.err.contains("ecd-1902"), "{ran:?}");
}

#[test]
fn without_a_terminal_and_without_a_command_the_headless_mode_is_named() {
    let test_site = TestSite::new();
    let ran = test_site.run("").ends(2);
    assert!(ran.err.contains("ecdeck status"), "{ran:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let test_site = TestSite::new();
    let mut child = test_site.command(&["explain", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_of_another_release_is_named_with_the_command_that_ends_it() {
    another_release(999, "a later").await;
    another_release(1, "an earlier").await;
}

async fn another_release(protocol: u32, age: &str) {
    let test_site = TestSite::new();
    let demo = test_site.home().demonstration();
    let Claim::Ours(instance_lock) = claim(&demo.engine()).unwrap() else { panic!("nobody else is here") };
    let listener = instance_lock.bind().unwrap();
    let engine = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (reader, mut writer) = stream.into_split();
        send(&mut writer, &Hello::of("ecdeck-engine", protocol, FORMAT)).await.unwrap();
        FrameReader::new(reader).receive::<Hello>().await.unwrap()
    });
    let words = ["status", "--json", "--demo"];
    let ran = tokio::task::spawn_blocking(move || (test_site.run_words(&words), test_site)).await.unwrap();
    let error = ran.0.ends(5).json();
    assert_eq!(error["error"]["code"], "ecd-1903");
    let text = error["error"]["text"].as_str().unwrap();
    let pid = std::process::id();
    assert!(text.contains(&format!("the running engine (process {pid}) is of {age} release")), "{text}");
    assert!(text.contains(&format!("end it: `kill {pid}`")), "{text}");
    engine.await.unwrap();
    drop(instance_lock);
}

#[test]
fn an_engine_that_a_command_started_ends_when_the_configuration_says() {
    let test_site = TestSite::new();
    let config = "site = \"lab\"\n[[array]]\nname = \"A1\"\ndriver = \"embedded\"\n[engine]\nidle_end = \"100ms\"\n";
    std::fs::write(test_site.home().config_file(), config).unwrap();
    test_site.run("array create A1").ends(0);
    test_site.run("status").ends(0);
    // By default it would serve for ten minutes more.
    wait_until_it_is_free(&test_site.home().engine(), None).unwrap();
}
