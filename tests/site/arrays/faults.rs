//! Each fault that can be injected, as the driver sees it.

use super::setting::{REGION, Setting};
use ecdeck::driver::Driver;
use ecdeck::driver::emulated::admin::{Administration, Fault};
use ecdeck::driver::emulated::driver::Embedded;
use ecdeck::model::copy::{Command, ErrorClass, Outcome};
use ecdeck::model::session::{Automation, ErrorByte, Phase, RecModes, Status};
use std::time::Duration;

async fn fault(setting: &Setting, fault: Fault) {
    setting.tell(Administration::Fault { array: "ONE".into(), fault }).await;
}

#[tokio::test]
async fn a_busy_array_says_so_and_then_obeys() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.test_site.run("array fault ONE busy --times 2").ends(0);
    let start = || Command::Start { pairs: vec![pair], modes: None };
    assert_eq!(setting.send(start()).await, ["E0070"]);
    assert_eq!(setting.send(start()).await, ["E0070"]);
    assert_eq!(setting.send(start()).await, ["done"]);
    assert_eq!(setting.send(start()).await, ["already"]);
}

#[tokio::test]
async fn a_lost_line_leaves_it_open_whether_the_command_was_done() {
    let setting = Setting::new().await;
    let (done, lost) = (setting.pair("ONE/0x0", "ONE/0x1").await, setting.pair("ONE/0x2", "ONE/0x3").await);
    let soon = Duration::from_millis(300);
    for (pair, what, is_there) in
        [(done, Fault::LostReply { times: 1 }, true), (lost, Fault::LostRequest { times: 1 }, false)]
    {
        fault(&setting, what).await;
        let start = Command::Start { pairs: vec![pair], modes: None };
        assert_eq!(setting.send_within(start, soon).await, ["unknown"]);
        assert_eq!(setting.reading(&pair).await.is_some(), is_there);
    }
}

#[tokio::test]
async fn a_late_reply_meets_nobody() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    fault(&setting, Fault::LateReply { times: 1, millis: 400 }).await;
    let start = Command::Start { pairs: vec![pair], modes: None };
    assert_eq!(setting.send_within(start, Duration::from_millis(50)).await, ["unknown"]);
    setting.equivalent(&pair).await;
    // The next answer belongs to the next question.
    assert_eq!(setting.send(Command::Suspend { pairs: vec![pair], force: false, together: false }).await, ["done"]);
    assert_eq!(setting.send(Command::Suspend { pairs: vec![pair], force: false, together: false }).await, ["already"]);
}

#[tokio::test]
async fn an_array_that_does_not_answer_was_sent_nothing() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.test_site.run("array fault ONE unreachable").ends(0);
    assert_eq!(setting.one.identify().await.unwrap_err().class, ErrorClass::Transport);
    let start = || Command::Start { pairs: vec![pair], modes: None };
    assert_eq!(setting.send(start()).await, ["Transport"]);
    assert!(setting.two.identify().await.is_ok(), "the other box is not concerned");
    setting.test_site.run("array fault ONE clear").ends(0);
    assert_eq!(setting.send(start()).await, ["done"]);
    setting.test_site.kill_arrays();
    let fresh = Embedded::new(setting.test_site.home(), "ONE".into(), false);
    let outcome = fresh.execute(start(), Duration::from_secs(5)).await.remove(0).outcome;
    let Outcome::Refused(refusal) = outcome else { panic!("{outcome:?}") };
    assert_eq!(refusal.class, ErrorClass::Transport, "nor is anything sent to a dead process");
}

#[tokio::test]
async fn a_full_copy_table_refuses_starts_only() {
    let setting = Setting::new().await;
    let (pair, next) = (setting.pair("ONE/0x0", "ONE/0x1").await, setting.pair("ONE/0x0", "ONE/0x2").await);
    setting.start(pair).await;
    setting.test_site.run("array fault ONE copy-table-full").ends(0);
    assert_eq!(setting.send(Command::Start { pairs: vec![next], modes: None }).await, ["E5347"]);
    setting.equivalent(&pair).await;
    setting.suspend(&[pair]).await;
}

#[tokio::test]
async fn an_error_suspended_session_has_its_byte_and_goes_on_when_resumed() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    setting.test_site.run("array fault ONE error-suspend 0x0 0x1 --code 0xBA").ends(0);
    setting.scatter("ONE/0x0", 9, 3).await;
    setting.crash();
    let reading = setting.reading(&pair).await.unwrap();
    assert_eq!((reading.status, reading.error), (Status::ErrorSuspended, Some(ErrorByte(0xBA))));
    assert_eq!(setting.send(Command::Suspend { pairs: vec![pair], force: false, together: false }).await, ["E5319"]);
    setting.resume(pair).await;
    setting.equivalent(&pair).await;
    setting.check_equal(setting.both(&pair).await);
}

#[tokio::test]
async fn a_bad_block_ends_the_copy_until_it_is_written_over() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    let block = 20 * REGION / 512;
    setting.test_site.run(&format!("array fault ONE bad-block 0x0 {block}")).ends(0);
    setting.start(pair).await;
    setting.wait_until(&pair, "an error", |it| it.status == Status::ErrorSuspended).await;
    assert_eq!(setting.reading(&pair).await.unwrap().error, Some(ErrorByte(0xBA)));
    setting.test_site.run(&format!("array write ONE/0x0 --offset {} --length 4KiB", 20 * REGION)).ends(0);
    setting.resume(pair).await;
    setting.equivalent(&pair).await;
    setting.check_equal(setting.both(&pair).await);
}

#[tokio::test]
async fn a_lost_path_halts_a_rec_at_both_ends_and_its_return_heals_it() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "TWO/0x0").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    setting.wait_at(&setting.two, &pair, "the remote half", |it| it.phase == Phase::Equivalent).await;
    setting.test_site.run("array path ONE TWO down").ends(0);
    for at in [&setting.one, &setting.two] {
        assert_eq!(setting.half(at, &pair).await.unwrap().status, Status::Halted);
    }
    setting.scatter("ONE/0x0", 4, 5).await;
    setting.crash();
    assert_eq!(setting.reading(&pair).await.unwrap().status, Status::Halted, "a path stays down");
    setting.test_site.run("array path ONE TWO up").ends(0);
    setting.equivalent(&pair).await;
    setting.check_equal(setting.both(&pair).await);
}

#[tokio::test]
async fn with_manual_split_a_host_s_writes_stop_with_the_path_and_with_automatic_split_they_go_on() {
    for (split, goes_on) in [(Automation::Automatic, true), (Automation::Manual, false)] {
        let setting = Setting::new().await;
        let pair = setting.pair("ONE/0x0", "TWO/0x0").await;
        let modes = RecModes { split, recovery: Automation::Automatic, ..RecModes::default() };
        assert_eq!(setting.send(Command::Start { pairs: vec![pair], modes: Some(modes) }).await, ["done"]);
        setting.equivalent(&pair).await;
        let onto = setting.test_site.run("array write TWO/0x0 --text x").ends(2);
        assert!(onto.err.contains("destination of a running copy"), "{onto:?}");
        setting.test_site.run("array path ONE TWO down").ends(0);
        setting.wait_until(&pair, "halted", |it| it.status == Status::Halted).await;
        let told = setting.test_site.run("array write ONE/0x0 --text during").ends(if goes_on { 0 } else { 2 });
        assert!(goes_on || told.err.contains("splits by hand"), "{told:?}");
        setting.test_site.run("array path ONE TWO up").ends(0);
        setting.equivalent(&pair).await;
        assert_eq!(setting.bytes(pair.source).await.starts_with(b"during"), goes_on);
        setting.check_equal(setting.both(&pair).await);
    }
}

#[tokio::test]
async fn a_stop_without_a_path_leaves_the_remote_half_which_its_own_box_ends() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "TWO/0x0").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    setting.test_site.run("array path ONE TWO down").ends(0);
    let stop = || Command::Stop { pairs: vec![pair], force: true };
    assert_eq!(setting.send(stop()).await, ["E5354"]);
    assert!(setting.half(&setting.one, &pair).await.is_none());
    assert!(setting.half(&setting.two, &pair).await.is_some());
    let outcomes = setting.two.execute(stop(), Duration::from_secs(5)).await;
    assert_eq!(outcomes[0].outcome, Outcome::Done);
    assert!(setting.half(&setting.two, &pair).await.is_none());
}

#[tokio::test]
async fn a_half_open_rec_and_an_unknown_word_are_reported_as_they_are() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "TWO/0x0").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    setting.test_site.run("array fault ONE strange-word 0x0 TWO/0x0 Zombie").ends(0);
    let reading = setting.reading(&pair).await.unwrap();
    assert_eq!((reading.status, reading.words.status.raw()), (Status::Unknown, "Zombie"));
    setting.test_site.run("array fault ONE half-open 0x0 TWO/0x0 --missing target").ends(0);
    assert!(setting.half(&setting.two, &pair).await.is_none());
    assert!(setting.half(&setting.one, &pair).await.is_some());
}

#[tokio::test]
async fn a_slow_array_is_slow_and_right() {
    let setting = Setting::new().await;
    setting.test_site.run("array fault ONE slow --millis 150").ends(0);
    let begun = std::time::Instant::now();
    assert_eq!(setting.one.volumes().await.unwrap().len(), 4);
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

fn listed(setting: &Setting) -> Vec<serde_json::Value> {
    setting.test_site.json("array fault")["faults"].as_array().unwrap().clone()
}

#[tokio::test]
async fn faults_outlast_the_process_until_they_have_happened_or_are_cleared() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    for words in
        ["ONE busy --times 3", "ONE slow --millis 1", "ONE strange-word 0x0 0x1 Zombie", "TWO bad-block 0x1 77"]
    {
        setting.test_site.run(&format!("array fault {words}")).ends(0);
    }
    let faults = listed(&setting);
    assert_eq!(faults.len(), 4, "{faults:?}");
    setting.crash();
    assert_eq!(listed(&setting), faults);
    let suspend = || Command::Suspend { pairs: vec![pair], force: false, together: false };
    assert_eq!(setting.send(suspend()).await, ["E0070"]);
    assert_eq!(setting.reading(&pair).await.unwrap().words.status.raw(), "Zombie");
    setting.crash();
    assert_eq!(setting.send(suspend()).await, ["E0070"]);
    assert_eq!(setting.send(suspend()).await, ["E0070"], "what has happened does not happen again");
    assert_eq!(setting.send(suspend()).await, ["done"]);
    let shown = setting.test_site.run("array fault TWO").ends(0).out;
    assert!(shown.contains("block 77 of 0x1 cannot be read") && !shown.contains("Zombie"), "{shown}");
    assert!(
        setting.test_site.run("array list").ends(0).out.contains("block 77 of 0x1"),
        "and people who do not ask are told"
    );
    for array in ["ONE", "TWO"] {
        setting.test_site.run(&format!("array fault {array} clear")).ends(0);
    }
    setting.crash();
    assert!(listed(&setting).is_empty());
    assert!(setting.test_site.run("array fault").ends(0).out.contains("Nothing is wrong"));
    setting.test_site.run("array fault THREE").ends(2);
    setting.test_site.run("array fault busy").ends(2);
}

#[tokio::test]
async fn a_bad_block_is_bad_again_after_a_kill_and_good_once_it_was_overwritten() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    let block = 20 * REGION / 512;
    setting.test_site.run(&format!("array fault ONE bad-block 0x0 {block}")).ends(0);
    setting.crash();
    setting.start(pair).await;
    setting.wait_until(&pair, "an error", |it| it.status == Status::ErrorSuspended).await;
    // Its cause is still there.
    assert_eq!(setting.send(Command::Resume { pairs: vec![pair] }).await, ["E5319"]);
    setting.test_site.run(&format!("array write ONE/0x0 --offset {} --length 512", 20 * REGION)).ends(0);
    let deadline = std::time::Instant::now() + crate::test_site::DEADLINE;
    while !listed(&setting).is_empty() {
        assert!(std::time::Instant::now() < deadline, "the fault does not end");
    }
    setting.crash();
    setting.resume(pair).await;
    setting.equivalent(&pair).await;
    setting.check_equal(setting.both(&pair).await);
}
