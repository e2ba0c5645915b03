//! What goes wrong between the engine and CCM's commands, over a real sshd.

use super::cutter::Cutter;
use super::server::{CcmServer, Sshd};
use super::{Both, register, state};
use crate::test_site::TestSite;
use ecdeck::driver::Driver;
use ecdeck::driver::transport::ssh::Ssh;
use ecdeck::model::copy::{Command, ErrorClass, Outcome};
use ecdeck::model::identity::{Olu, VolumeId};
use ecdeck::model::session::Pair;
use ecdeck::process::ssh::Destination;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The first thing that `array doctor` finds wrong: what, how it is told, and the remedy.
fn first_wrong(test_site: &TestSite) -> (String, String, String) {
    let ran = test_site.run("array doctor K1 --json").ends(5);
    let document = ran.json();
    let bad = document["checks"].as_array().unwrap().iter().find(|check| check["verdict"] == "bad").unwrap();
    let text = |key: &str| bad[key].as_str().unwrap_or_default().to_owned();
    (text("what"), text("told"), text("remedy"))
}

#[test]
fn a_missing_command_missing_rights_and_a_refused_key_are_each_told_with_their_remedy() {
    let Some(sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(2);
    let way = sshd.keys();

    let elsewhere = ccm.house_by(&format!("directory = \"/opt/nowhere\"\n{way}"), "", "");
    let (what, told, remedy) = first_wrong(&elsewhere);
    assert_eq!(what, "CCM's commands are found");
    assert!(told.contains("not found") && remedy.contains("directory"), "{told} {remedy}");
    let status = elsewhere.wait_for("the cause", |status| status["arrays"][0]["why"].is_string());
    assert!(status["arrays"][0]["why"].as_str().unwrap().contains("directory"), "{status:#}");

    // sudo is not part of every host: this one says what sudo says.
    let by_sudo = ccm.house_by(&format!("sudo = true\n{way}"), "", "");
    sshd.program("sudo", "echo 'sudo: a password is required' >&2; exit 1");
    let (what, told, remedy) = first_wrong(&by_sudo);
    assert_eq!(what, "they may be run");
    assert!(told.contains("a password is required") && remedy.contains("sudoers"), "{told} {remedy}");
    sshd.program("sudo", "[ \"$1\" = -n ] || exit 9; shift; exec \"$@\"");
    by_sudo.run("array doctor K1").ends(0);

    let plain = ccm.test_site(Some(&sshd), "");
    sshd.authorize("stranger");
    let (what, told, remedy) = first_wrong(&plain);
    assert_eq!(what, "the server is reached");
    assert!(told.contains("Permission denied") && remedy.contains("accepts your key"), "{told} {remedy}");
    sshd.authorize("user");
    plain.run("array doctor K1").ends(0);
}

#[test]
fn a_command_that_this_user_may_not_run_is_told_as_missing_rights() {
    use std::os::unix::fs::PermissionsExt;
    let Some(sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(2);
    ccm.replace("acarray", "exec \"$REAL\" \"$@\"");
    fs::set_permissions(ccm.commands().join("acarray"), fs::Permissions::from_mode(0o644)).unwrap();
    let (what, told, remedy) = first_wrong(&ccm.test_site(Some(&sshd), ""));
    assert_eq!(what, "they may be run");
    assert!(told.contains("Permission denied") && remedy.contains("sudo = true"), "{told} {remedy}");
}

/// How often `acec start` was called.
fn starts(ccm: &CcmServer) -> usize {
    fs::read_to_string(ccm.traces().join("starts")).map_or(0, |text| text.lines().count())
}

/// A site whose first `acec start` does this; `$PPID` is the connection.
fn site_where_a_start(sshd: &Sshd, does: &str) -> (CcmServer, TestSite) {
    let ccm = CcmServer::new(3);
    let trace = ccm.traces().join("starts");
    let once = ccm.traces().join("once");
    ccm.replace(
        "acec",
        &format!(
            "TRACE={}\n[ \"$1\" = start ] || exec \"$REAL\" \"$@\"\necho start >> $TRACE\n[ -e {1} ] && exec \"$REAL\" \"$@\"\n: > {1}\n{does}",
            trace.display(),
            once.display()
        ),
    );
    let test_site = ccm.test_site(Some(sshd), "");
    register(&test_site, &["K1/0x1", "K1/0x2"]);
    (ccm, test_site)
}

const DONE: &str = "\"$REAL\" \"$@\" > /dev/null";

#[test]
fn an_answer_that_comes_too_late_is_looked_up_and_nothing_is_started_twice() {
    let Some(sshd) = Sshd::start() else { return };
    let (ccm, test_site) = site_where_a_start(&sshd, &format!("{DONE}; exec tail -f /dev/null"));
    test_site.run("sync start tv --wait --yes").ends(0);
    assert_eq!((starts(&ccm), ccm.sessions().len()), (1, 1));
}

#[test]
fn a_line_that_goes_after_the_command_is_done_is_looked_up_and_nothing_is_started_twice() {
    let Some(sshd) = Sshd::start() else { return };
    let (ccm, test_site) = site_where_a_start(&sshd, &format!("{DONE}; kill -9 $PPID"));
    test_site.run("sync start tv --wait --yes").ends(0);
    assert_eq!((starts(&ccm), ccm.sessions().len()), (1, 1));
    let events = test_site.json("audit show --last 1000")["events"].to_string();
    assert!(events.contains("lost"), "the audit tells it: {events}");
}

#[test]
fn a_line_that_goes_with_the_command_is_looked_up_before_it_is_sent_again() {
    let Some(sshd) = Sshd::start() else { return };
    let (ccm, test_site) = site_where_a_start(&sshd, "kill -9 $PPID");
    test_site.run("sync start tv --wait --yes").ends(0);
    assert_eq!((starts(&ccm), ccm.sessions().len()), (2, 1));
    let logged = super::logs(&test_site);
    let lost = logged.find("CCM did not answer: `acec start").unwrap();
    let looked = logged[lost..].find("CCM answered command=acec query").unwrap();
    let again = logged[lost..].find("CCM answered command=acec start").unwrap();
    assert!(looked < again, "the array is read between the two");
}

#[test]
fn what_somebody_does_at_the_ccm_server_is_seen_and_not_run_over() {
    let Some(sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(3);
    let test_site = ccm.test_site(Some(&sshd), "");
    register(&test_site, &["K1/0x1", "K1/0x2"]);
    test_site.run("sync start tv --wait --yes").ends(0);
    let said = ccm.by_hand("acec suspend -g ecdeckECK1 -p K1/0x0:K1/0x1");
    assert!(said.contains("Succeeded : 1"), "{said}");
    test_site.wait_for("the suspend of somebody else", |status| state(status) == "suspended");
    let refused = test_site.run("backup tv --yes --json").ends(3).json();
    assert_eq!(refused["error"]["code"], "ecd-1306", "no generation of a suspend that was not ours: {refused:#}");
    ccm.by_hand("acec cancel -g ecdeckECK1 -p K1/0x0:K1/0x1");
    test_site.wait_for("the end by somebody else", |status| status["pool"][0]["state"] == "unverified");
    assert_eq!(test_site.json("history")["generations"], Value::Array(Vec::new()));
    // A session of somebody else's, of volumes that are ours: shown, and left alone.
    ccm.by_hand("acgroup create -g theirs -type EC -a K1");
    ccm.by_hand("acpair add -g theirs -p K1/0x0:K1/0x2");
    ccm.by_hand("acec start -g theirs -p K1/0x0:K1/0x2");
    test_site.wait_for("the foreign session", |status| status["pool"][1]["state"] == "foreign");
    test_site.run("sync start tv --yes").ends(3);
    assert_eq!(ccm.sessions().len(), 1);
}

#[test]
fn two_consoles_and_scripts_share_one_connection_and_commands_never_overlap() {
    let Some(sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(6);
    let (lock, overlaps) = (ccm.traces().join("lock"), ccm.traces().join("overlaps"));
    for command in ["acarray", "acinq", "acgroup", "acpair", "acec", "accopy"] {
        let script = format!(
            "mkdir {0} 2>/dev/null || echo \"$*\" >> {1}\n\"$REAL\" \"$@\"\nexit=$?\nrmdir {0} 2>/dev/null\nexit $exit",
            lock.display(),
            overlaps.display()
        );
        ccm.replace(command, &script);
    }
    let test_site = ccm.test_site(Some(&sshd), "");
    register(&test_site, &["K1/0x3", "K1/0x4", "K1/0x5"]);
    test_site.run("volume add --transaction K1/0x1 --name tv2 --yes").ends(0);
    test_site.run("volume add --transaction K1/0x2 --name tv3 --yes").ends(0);
    let consoles = [test_site.spawn("status --watch 1"), test_site.spawn("status --watch 1")];
    let scripts = [test_site.spawn("sync start tv tv2 tv3 --wait --yes"), test_site.spawn("volume list")];
    for script in scripts {
        script.end().ends(0);
    }
    for console in consoles {
        console.interrupt();
        console.end();
    }
    assert_eq!(sshd.connections(), 1, "the engine has one connection to the server, whoever asks it");
    assert_eq!(fs::read_to_string(&overlaps).unwrap_or_default(), "", "one command at a time");
    assert_eq!(ccm.sessions().len(), 3);
}

#[test]
fn while_the_first_ccm_server_is_down_the_second_shows_and_ends_what_runs() {
    let (Some(mut first), Some(second)) = (Sshd::start(), Sshd::start()) else { return };
    let ccm = CcmServer::new(3);
    ccm.arrays.run("array rate 64KiB").ends(0);
    let table =
        format!("[array.forced_stop]\ndriver = \"ccm\"\n[array.forced_stop.ccm]\n{}", ccm.keys("K1", &second.keys()));
    let table = table + &super::server::WORDS.replace("array.ccm", "array.forced_stop.ccm");
    let test_site = ccm.house_of_one(&first.keys(), &table);
    register(&test_site, &["K1/0x1", "K1/0x2"]);
    test_site.run("sync start tv --yes").ends(0);
    test_site.wait_for("the copy", |status| state(status) == "copying");
    let doctor = test_site.json("array doctor K1");
    let ways = |way: &str| doctor["checks"].as_array().unwrap().iter().filter(|check| check["way"] == way).count();
    assert!(ways("first") > 5 && ways("first") == ways("second"), "{doctor:#}");

    first.go_down();
    let limited = test_site.wait_for("the second way", |status| {
        let array = &status["arrays"][0];
        array["reachable"] == true
            && array["why"].as_str().is_some_and(|why| why.contains("only the fallback path works"))
    });
    assert_eq!(state(&limited), "copying", "what is true is still seen");
    let refused = test_site.run("sync suspend tv --yes --json");
    assert!([3, 5].contains(&refused.exit), "{refused:?}");
    let plan = test_site.run("sync force-stop tv --dry-run").ends(0);
    assert!(plan.out.contains("acec cancel -g ecdeckECK1 -p K1/0x0:K1/0x1 -force"), "{plan:?}");
    test_site.run("sync force-stop tv --yes").ends(0);
    test_site.wait_for("its end", |status| state(status) == "none");
    assert!(ccm.sessions().is_empty());
    let start = test_site.run("sync start tv --yes --json").ends(3).json();
    assert_eq!(start["error"]["code"], "ecd-1705", "{start:#}");
    assert_eq!(first.connections(), 2, "the engine's, and the doctor's own");
}

#[tokio::test]
async fn a_start_is_done_once_wherever_the_line_is_cut() {
    let Some(sshd) = Sshd::start() else { return };
    let server = CcmServer::new(2);
    let cutter = Cutter::before(sshd.port);
    sshd.know_also(cutter.port);
    let destination = Destination {
        port: Some(cutter.port),
        ssh_config: Some(PathBuf::from("/dev/null").try_into().unwrap()),
        identity: Some(sshd.identity().try_into().unwrap()),
        known_hosts: Some(sshd.known_hosts().try_into().unwrap()),
        ..Destination::at("127.0.0.1".parse().unwrap())
    };
    let runtime = tempfile::tempdir().unwrap();
    let folder = server.commands().to_str().unwrap().parse().unwrap();
    let ssh = Ssh::new(destination, false, Some(folder), Duration::from_secs(5), runtime.path()).unwrap();
    let both = Both::by(&server, Arc::new(ssh));
    let box_id = both.array.identify().await.unwrap().box_id;
    let volume = |olu| VolumeId { box_id, olu: Olu(olu) };
    let pairs = vec![Pair::new(volume(0), volume(1))];
    let limit = Duration::from_secs(20);
    let start = || Command::Start { pairs: pairs.clone(), modes: None };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    // First before there is a connection, then in one: its greeting and keys take some 3,000 bytes.
    for (fresh, cut) in
        (0..3_200).step_by(640).map(|cut| (true, cut)).chain((0..9_000).step_by(197).map(|cut| (false, cut)))
    {
        if !fresh {
            both.ccm.identify().await.unwrap();
        }
        cutter.cut_after(cut);
        let outcome = both.ccm.execute(start(), limit).await.remove(0).outcome;
        let was_cut = cutter.was_cut();
        cutter.heal();
        let is_there = !Both::states(&both.array).await.is_empty();
        match &outcome {
            Outcome::Done => assert!(is_there, "cut at {cut}: done, and it is not"),
            Outcome::Refused(refusal) => {
                assert_eq!(refusal.class, ErrorClass::Transport, "cut at {cut}: {refusal:?}");
                assert!(!is_there, "cut at {cut}: refused, and it was done: {refusal:?}");
            }
            Outcome::Unknown { .. } => {}
            other => panic!("cut at {cut}: {other:?}"),
        }
        *seen
            .entry(match outcome {
                Outcome::Done => "done",
                Outcome::Refused(_) => "refused",
                _ => "unknown",
            })
            .or_default() += 1;
        let again = both.ccm.execute(start(), limit).await.remove(0).outcome;
        match outcome {
            Outcome::Done => assert_eq!(again, Outcome::AlreadyDone, "cut at {cut}"),
            Outcome::Refused(_) => assert_eq!(again, Outcome::Done, "cut at {cut}"),
            // What was on its way may have come to the array before this one or not.
            _ => assert!(matches!(again, Outcome::Done | Outcome::AlreadyDone), "cut at {cut}: {again:?}"),
        }
        assert_eq!(Both::states(&both.array).await.len(), 1, "cut at {cut}");
        let stop = Command::Stop { pairs: pairs.clone(), force: true };
        assert_eq!(both.ccm.execute(stop, limit).await.remove(0).outcome, Outcome::Done);
        if !fresh && !was_cut {
            break;
        }
    }
    assert!(seen.len() == 3, "every outcome was met: {seen:?}");
}
