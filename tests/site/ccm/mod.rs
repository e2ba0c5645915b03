//! CCM from end to end: command line, engine, driver, ssh or a process, the emulation's commands, the embedded array.

mod cutter;
mod directions;
mod injected_faults;
mod learning;
mod outputs;
pub mod server;
mod silence;
pub mod strict;

use crate::test_site::{DEADLINE, InTime, TestSite};
use ecdeck::config::Config;
use ecdeck::driver::Driver;
use ecdeck::driver::ccm::CcmDriver;
use ecdeck::driver::ccm::server::Server;
use ecdeck::driver::ccm::settings::Settings;
use ecdeck::driver::emulated::driver::Embedded;
use ecdeck::driver::transport::Transport;
use ecdeck::driver::transport::local::Local;
use ecdeck::drivers;
use ecdeck::model::array_words::{StatusMeaning, WordRow};
use ecdeck::model::copy::{Command, Outcome};
use ecdeck::model::identity::{Olu, VolumeId};
use ecdeck::model::session::{Automation, CopyKind, Pair, Phase, RecModes, Status};
use ecdeck::model::units::Timestamp;
use serde_json::Value;
use server::{CcmServer, Sshd};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Registers K1/0x0 as tv and those volumes as its pool.
fn register(test_site: &TestSite, pool: &[&str]) {
    test_site.wait_for("both arrays", |status| {
        status["arrays"].as_array().unwrap().iter().all(|array| array["reachable"] == true)
    });
    test_site.run("volume add --transaction K1/0x0 --name tv --yes").ends(0);
    for volume in pool {
        test_site.run(&format!("volume add --backup {volume} --yes")).ends(0);
    }
    test_site.run("policy set tv --generations 2 --interval 1 --mode suspend --min-interval 0s --yes").ends(0);
}

fn state(status: &Value) -> &str {
    status["transaction_volumes"][0]["state"].as_str().unwrap()
}

/// Everything that this test site printed into its logs.
fn logs(test_site: &TestSite) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(test_site.home().log_dir()).into_iter().flatten().flatten() {
        text += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap());
    }
    text
}

#[test]
fn an_ec_is_started_backed_up_resumed_and_cancelled_over_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(4);
    ccm.arrays.run("array write K1/0x0 --length 1MiB --seed 7").ends(0);
    let test_site = ccm.test_site(Some(&sshd), "");
    register(&test_site, &["K1/0x1", "K1/0x2", "K1/0x3"]);

    let started = test_site.run("sync start tv --wait --yes").ends(0);
    assert!(started.out.contains("$ acec start -g ecdeckECK1 -p K1/0x0:K1/0x1 -xml"), "{started:?}");
    test_site.run("backup tv --yes").ends(0);
    let at_backup = ccm.fingerprint("K1/0x1");
    assert_eq!(at_backup, ccm.fingerprint("K1/0x0"), "the backup is the transaction volume at its barrier");
    assert_eq!(test_site.json("history")["generations"][0]["version"], 1);

    ccm.arrays.run("array write K1/0x0 --scatter 20 --seed 8").ends(0);
    assert_eq!(ccm.fingerprint("K1/0x1"), at_backup, "a suspended backup does not follow");
    test_site.run("sync start tv --wait --yes").ends(0);
    test_site.run("sync suspend tv --yes").ends(0);
    test_site.run("sync resume tv --yes").ends(0);
    test_site.wait_for("equivalence", |status| state(status) == "equivalent");
    assert_eq!(ccm.fingerprint("K1/0x2"), ccm.fingerprint("K1/0x0"));
    test_site.run("sync cancel tv --yes").ends(0);
    test_site.wait_for("the end of the live session", |status| state(status) == "suspended");
    assert!(test_site.run("audit verify").exit == 0);
}

#[test]
fn a_rec_runs_in_the_modes_of_the_configuration_over_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    for (transfer, word, backup) in [("synchronous", "sync", 0), ("consistency", "consist", 0), ("stack", "stack", 3)] {
        let ccm = CcmServer::new(1);
        let rec = format!("[[rec]]\nfrom = \"K1\"\nto = \"N2\"\ntransfer = \"{transfer}\"\nrecovery = \"manual\"\n");
        let test_site = ccm.test_site(Some(&sshd), &rec);
        register(&test_site, &["N2/0x0", "N2/0x1"]);
        let started = test_site.run("sync start tv --yes").ends(0);
        assert!(started.out.contains(&format!("-transfer {word}")), "{started:?}");
        assert_eq!(ccm.sessions()[0]["modes"]["transfer"], transfer);
        assert_eq!(ccm.sessions()[0]["modes"]["recovery"], "manual");
        test_site.wait_for("equivalence", |status| state(status) == "equivalent");
        let ran = test_site.run("backup tv --yes");
        if backup == 0 {
            ran.ends(0);
            assert_eq!(ccm.fingerprint("N2/0x0"), ccm.fingerprint("K1/0x0"));
        } else {
            assert_ne!(ran.exit, 0, "a stack copy has no order: {ran:?}");
        }
    }
}

#[test]
fn a_copy_that_runs_is_stopped_by_force_over_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(2);
    ccm.arrays.run("array rate 64KiB").ends(0);
    let test_site = ccm.test_site(Some(&sshd), "");
    register(&test_site, &["K1/0x1"]);
    test_site.run("sync start tv --yes").ends(0);
    test_site.wait_for("progress", |status| status["sessions"][0]["percent"].is_number());
    test_site.run("sync force-stop tv --yes").ends(0);
    test_site.wait_for("its end", |status| state(status) == "none");
    assert!(ccm.sessions().is_empty());
}

#[test]
fn a_changed_host_key_stops_all_work_loudly_until_it_is_right_again() {
    let Some(sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(2);
    sshd.know("stranger");
    let test_site = ccm.test_site(Some(&sshd), "");
    let status = test_site.wait_for("the loud word", |status| {
        status["arrays"][0]["why"].as_str().is_some_and(|why| why.contains("CHANGED"))
    });
    assert_eq!(status["arrays"][0]["reachable"], false);
    let doctor = test_site.run("array doctor K1");
    assert!(doctor.exit == 5 && doctor.out.contains("CHANGED"), "{doctor:?}");
    sshd.know("host");
    register(&test_site, &["K1/0x1"]);
    test_site.run("sync start tv --wait --yes").ends(0);
}

#[test]
fn a_ccm_server_that_goes_down_in_mid_operation_is_waited_for_and_nothing_is_started_twice() {
    let Some(mut sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(3);
    ccm.arrays.run("array rate 256KiB").ends(0);
    let test_site = ccm.test_site(Some(&sshd), "");
    register(&test_site, &["K1/0x1", "K1/0x2"]);
    let waiting = test_site.spawn("sync start tv --wait --yes");
    test_site.wait_for("the copy", |status| state(status) == "copying");
    sshd.go_down();
    test_site.wait_for("the array out of reach", |status| status["arrays"][0]["reachable"] == false);
    assert_ne!(test_site.run("sync suspend tv --yes").exit, 0, "nothing is done on what nobody can see");
    sshd.run();
    ccm.arrays.run("array rate none").ends(0);
    waiting.end().ends(0);
    let sessions = ccm.sessions();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
}

#[test]
fn an_answer_that_the_array_kept_is_looked_up_and_the_operation_ends_well() {
    let Some(sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(3);
    let test_site = ccm.test_site(Some(&sshd), "");
    register(&test_site, &["K1/0x1", "K1/0x2"]);
    ccm.arrays.run("array fault K1 lost-reply").ends(0);
    test_site.run("sync start tv --wait --yes").ends(0);
    assert_eq!(ccm.sessions().len(), 1);
}

#[test]
fn an_array_is_added_with_its_fingerprint_and_examined() {
    let Some(sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(2);
    let test_site = TestSite::new();
    let port = sshd.port.to_string();
    let (commands, identity) = (ccm.commands().display().to_string(), sshd.identity().display().to_string());
    let add = |more: &[&str]| {
        let mut words = vec!["array", "add", "DX1", "--host", "127.0.0.1", "--port", &port, "--identity", &identity];
        words.extend(["--ssh-config", "/dev/null", "--directory", &commands]);
        words.extend(more);
        test_site.run_words(&words)
    };
    let config = test_site.path().join("config.toml");
    add(&[]).ends(2);
    let unconfirmed = add(&["--site", "kyoto"]).ends(2);
    assert!(unconfirmed.err.contains(&sshd.fingerprint()), "{unconfirmed:?}");
    let strange = add(&["--site", "kyoto", "--fingerprint", "SHA256:AAAA"]).ends(2);
    assert!(strange.err.contains("other keys"), "{strange:?}");
    let fingerprint = sshd.fingerprint();
    let confirmed = ["--site", "kyoto", "--fingerprint", fingerprint.as_str()];
    let several = add(&confirmed).ends(2);
    assert!(several.err.contains("K1") && several.err.contains("N2"), "{several:?}");
    assert!(!config.exists(), "nothing is written before everything is right");

    let added = add(&[&confirmed[..], &["--array", "K1"]].concat()).ends(0);
    assert!(added.out.contains("CCM knows the array"), "{added:?}");
    assert!(std::fs::read_to_string(&config).unwrap().contains("array = \"K1\""));
    add(&[&confirmed[..], &["--array", "K1"]].concat()).ends(2);
    let checks = test_site.json("array doctor DX1");
    let bad: Vec<&Value> =
        checks["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == "bad").collect();
    assert!(bad.is_empty(), "{bad:?}");
    test_site.wait_for("the array", |status| status["arrays"][0]["reachable"] == true);
    assert_eq!(test_site.run("volume list").ends(0).out.matches("unregistered").count(), 2);
}

/// What an embedded array and CCM on it say of the same sessions.
struct Both {
    ccm: CcmDriver,
    array: Embedded,
}

impl Both {
    fn new(server: &CcmServer) -> Self {
        let folder = server.commands().to_str().unwrap().parse().unwrap();
        Self::by(server, Arc::new(Local { folder: Some(folder), ..Local::default() }))
    }

    fn by(server: &CcmServer, transport: Arc<dyn Transport>) -> Self {
        let row = |word: &str, status| WordRow {
            word: word.to_owned(),
            status: Some(status),
            phase: None,
            kind: None,
            source: None,
        };
        let words = vec![row("EC Suspend", StatusMeaning::Suspended)];
        let settings = Settings { words, ..Settings::local("K1".parse().unwrap()) };
        let ccm = CcmDriver::new("K1", settings, Server::new(transport)).unwrap();
        Self { ccm, array: Embedded::new(server.arrays.home(), "K1".to_owned(), false) }
    }

    async fn states(driver: &dyn Driver) -> BTreeMap<Pair, (Status, bool)> {
        let reading = driver.sessions(Timestamp(1)).await.unwrap();
        reading
            .sessions
            .iter()
            .map(|session| (session.pair, (session.status, session.is_cleanly_suspended())))
            .collect()
    }
}

#[tokio::test]
async fn a_hundred_commands_through_real_processes_do_what_they_say() {
    let server = CcmServer::new(8);
    let both = Both::new(&server);
    let box_id = both.array.identify().await.unwrap().box_id;
    let volume = |olu| VolumeId { box_id, olu: Olu(olu) };
    let pairs: Vec<Pair> = (0..4).map(|at| Pair::new(volume(at), volume(at + 4))).collect();
    let mut random = fastrand::Rng::with_seed(0x00EC_DECC);
    let mut done = 0;
    for round in 0..100 {
        let pair = vec![pairs[random.usize(..pairs.len())]];
        let before = Both::states(&both.array).await;
        let command = match random.u8(..6) {
            0 | 1 => Command::Start { pairs: pair.clone(), modes: None },
            2 => Command::Resume { pairs: pair.clone() },
            3 => Command::Suspend { pairs: pair.clone(), force: random.bool(), together: false },
            4 => Command::Stop { pairs: pair.clone(), force: false },
            _ => Command::Stop { pairs: pair.clone(), force: true },
        };
        let verb = command.verb();
        let outcome = both.ccm.execute(command, Duration::from_secs(30)).await.remove(0).outcome;
        let after = Both::states(&both.array).await;
        let told = format!(
            "round {round}: {verb} on {:?} gave {outcome:?} and {:?}",
            before.get(&pair[0]),
            after.get(&pair[0])
        );
        match outcome {
            Outcome::Done => done += 1,
            Outcome::Refused(_) | Outcome::AlreadyDone => {
                assert_eq!(
                    before.get(&pair[0]).map(|state| state.0),
                    after.get(&pair[0]).map(|state| state.0),
                    "{told}"
                );
            }
            Outcome::Accepted | Outcome::Unknown { .. } => panic!("{told}"),
        }
        assert_eq!(Both::states(&both.ccm).await, after, "{told}");
    }
    assert!(done > 20, "only {done} of the commands did something");
}

/// The driver of K1 as a configuration makes it.
fn driver_of(test_site: &TestSite) -> Arc<dyn Driver> {
    let file = test_site.home().config_file();
    let config = Config::parse(&std::fs::read_to_string(&file).unwrap(), &file).unwrap();
    Arc::clone(&drivers::of(&test_site.home(), &config).unwrap()[0].driver)
}

#[tokio::test(flavor = "multi_thread")]
async fn reverse_changed_modes_and_opc_reach_real_bytes_over_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(4);
    ccm.arrays.run("array write K1/0x0 --length 1MiB --seed 7").ends(0);
    let test_site = ccm.test_site(Some(&sshd), "");
    let driver = driver_of(&test_site);
    let box_id = driver.identify().await.unwrap().box_id;
    let far = Embedded::new(ccm.arrays.home(), "N2".to_owned(), false).identify().await.unwrap().box_id;
    let volume = |box_id, olu| VolumeId { box_id, olu: Olu(olu) };
    let done = async |command: Command| {
        let outcome = driver.execute(command, Duration::from_secs(30)).await.remove(0).outcome;
        assert!(matches!(outcome, Outcome::Done | Outcome::Accepted), "{outcome:?}");
    };
    let becomes = async |pair: Pair, wanted: Status, phase: Phase| {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let reading = driver.sessions(Timestamp(1)).await.unwrap();
            let found = reading.sessions.iter().find(|session| session.pair == pair);
            if found.is_some_and(|session| (session.status, session.phase) == (wanted, phase)) {
                return;
            }
            assert!(Instant::now() < deadline, "{pair:?} does not become {wanted:?}, {phase:?}: {found:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };

    // What was copied goes back: after the reverse, a resume copies from the target to the source.
    let ec = Pair::new(volume(box_id, 0), volume(box_id, 1));
    done(Command::Start { pairs: vec![ec], modes: None }).await;
    becomes(ec, Status::Active, Phase::Equivalent).await;
    done(Command::Suspend { pairs: vec![ec], force: false, together: false }).await;
    let kept = ccm.fingerprint("K1/0x1");
    ccm.arrays.run("array write K1/0x0 --scatter 9 --seed 8").ends(0);
    assert_ne!(ccm.fingerprint("K1/0x0"), kept);
    done(Command::Reverse { pairs: vec![ec] }).await;
    assert_eq!(ccm.sessions()[0]["direction"], "reversed");

    // An OPC is the source at its start.
    let opc = Pair { kind: CopyKind::Opc, ..Pair::new(volume(box_id, 1), volume(box_id, 2)) };
    done(Command::StartOpc { pairs: vec![opc] }).await;
    assert_eq!(ccm.fingerprint("K1/0x2"), kept);

    // A suspended remote copy changes its modes.
    let rec = Pair::new(volume(box_id, 3), volume(far, 0));
    done(Command::Start { pairs: vec![rec], modes: Some(RecModes::default()) }).await;
    becomes(rec, Status::Active, Phase::Equivalent).await;
    done(Command::Suspend { pairs: vec![rec], force: false, together: false }).await;
    let modes = RecModes { recovery: Automation::Manual, ..RecModes::default() };
    done(Command::ChangeMode { pairs: vec![rec], modes }).await;
    let sessions = ccm.sessions();
    let changed = sessions.iter().find(|session| session["modes"].is_object()).unwrap();
    assert_eq!(changed["modes"]["recovery"], "manual", "{changed:#}");
}

#[test]
fn the_emulation_says_that_it_is_one_and_what_is_inferred() {
    let run = |program: &Path, words: &[&str]| std::process::Command::new(program).args(words).in_time();
    let own = Path::new(env!("CARGO_BIN_EXE_ccm-emulation"));
    let help = String::from_utf8(run(own, &["--help"]).stdout).unwrap();
    for word in ["EMULATION", "not Fujitsu's program", "Inferred:", "From the manuals:"] {
        assert!(help.contains(word), "{help}");
    }
    let server = CcmServer::new(2);
    let acec = run(&server.commands().join("acec"), &["start", "-g"]);
    let text = String::from_utf8(acec.stdout).unwrap();
    assert_eq!(acec.status.code(), Some(1));
    assert!(text.starts_with("ccm1001 ") && text.contains("Usage:"), "{text}");
}
