//! The engine over its socket: several clients, changes behind its back, faults of array and catalogue, crashes.

pub mod test_site;

use ecdeck::driver::emulated::faults::Fault;
use ecdeck::engine::client::{Connection, ReconnectingClient, Start};
use ecdeck::engine::protocol::{Answer, Ask, Message, hello};
use ecdeck::model::codes::Code;
use ecdeck::model::copy::Command;
use ecdeck::model::event::EventKind;
use ecdeck::model::pages::PageList;
use ecdeck::model::records::{EntityChange, OperationEnd, Policy};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::snapshot::{Due, Reach, Snapshot, TransactionState};
use ecdeck::model::untrusted::Untrusted;
use ecdeck::process::frames::{FrameReader, greet};
use ecdeck::testkit::catalogue::CommitFailure;
use std::sync::atomic::Ordering;
use std::time::Duration;
use test_site::{TestSite, agree, done, ends, operations, planned, run, soon, until};
use tokio::io::AsyncWriteExt;

fn is_read(snapshot: &Snapshot) -> bool {
    snapshot.arrays.iter().all(|array| array.reach == Reach::Reachable)
}

fn state(snapshot: &Snapshot, test_site: &TestSite, transaction: usize) -> TransactionState {
    snapshot.transaction_volume(test_site.transaction[transaction]).unwrap().state
}

#[tokio::test]
async fn a_volume_is_synchronized_backed_up_and_its_oldest_generation_given_up() {
    let test_site = TestSite::new(1, 3).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    for round in 1..=4 {
        done(&client, &test_site.start_request(0)).await;
        test_site.gate.arrays().settle();
        until(&mut snapshots, "equivalence", |now| state(now, &test_site, 0) == TransactionState::Equivalent).await;
        done(&client, &test_site.backup_request(0)).await;
        // A view from between record and release may still be on its way.
        until(&mut snapshots, "the generation, and the oldest given up", |now| {
            let newest = now.generations.last().is_some_and(|generation| generation.version.0 == round);
            newest && now.generations.len() as u64 == round.min(2)
        })
        .await;
    }
    assert_eq!(test_site.disk.inner.records().operations.len(), 0);
}

#[tokio::test]
async fn two_clients_see_the_same() {
    let test_site = TestSite::new(2, 2).await;
    let _engine = test_site.run().await;
    let (one, other) = (test_site.client().await, test_site.client().await);
    let (mut ones, mut others) = (one.watch().await.unwrap(), other.watch().await.unwrap());
    until(&mut ones, "a first reading", is_read).await;
    done(&one, &test_site.start_request(0)).await;
    let copying = |now: &Snapshot| state(now, &test_site, 0) == TransactionState::Copying;
    let seen = until(&mut others, "the copy that the first one started", copying).await;
    let same = until(&mut ones, "the same snapshot", |now| now.sequence >= seen.sequence).await;
    assert_eq!(same.sessions.len(), 1);
    assert_eq!(same.sessions[0].pair, seen.sessions[0].pair);
}

#[tokio::test]
async fn one_of_two_wins_a_volume_and_the_other_is_told_who_holds_it_since_when() {
    let test_site = TestSite::new(1, 2).await;
    let _engine = test_site.run().await;
    let (one, other) = (test_site.client().await, test_site.client().await);
    let mut snapshots = one.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    test_site.gate.hold();
    let request = test_site.start_request(0);
    let plan = planned(&one, &request).await.plan;
    let (first, second) = tokio::join!(agree(&one, &request, &plan), agree(&other, &request, &plan));
    let (winner, loser) = if matches!(first, Answer::Running { .. }) { (first, second) } else { (second, first) };
    let Answer::Refused { refusal } = loser else { panic!("{loser:?}") };
    assert_eq!(refusal.code, Code::HELD_BY_OTHER);
    let held = refusal.held_by.unwrap();
    assert_eq!(vec![held.operation], operations(winner.clone()));
    assert_eq!(held.holder.pid, std::process::id());
    assert!(held.since.0 > 0);
    test_site.gate.let_go();
    assert_eq!(ends(&one, winner).await, [OperationEnd::Done]);
    assert_eq!(test_site.gate.commands.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_unused_volume_that_is_taken_behind_the_dialog_is_exchanged_for_an_equal_one() {
    let mut test_site = TestSite::new(1, 2).await;
    test_site.poll_millis = 600_000;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let request = test_site.start_request(0);
    let old = planned(&client, &request).await.plan;
    // Another program takes the backup volume that the plan chose; the engine has not seen it yet.
    let taken = old.items()[0].claims.iter().copied().find(|id| test_site.backup.contains(id)).unwrap();
    let elsewhere = test_site.gate.arrays().add_volume(test_site.box_id, None, "other", test_site::BLOCKS).unwrap();
    let foreign = Command::Start { pairs: vec![ecdeck::model::session::Pair::new(elsewhere, taken)], modes: None };
    test_site.gate.arrays().execute(test_site.box_id, &foreign, "somebody", ecdeck::engine::now());
    let answer = agree(&client, &request, &old).await;
    let Answer::Running { ran, refused, changed, .. } = &answer else { panic!("{answer:?}") };
    assert_eq!(ran.plan.digest(), old.digest(), "it is what was agreed to");
    assert!(!ran.plan.items()[0].claims.contains(&taken) && refused.is_empty() && changed.is_none(), "{answer:?}");
    assert_eq!(ends(&client, answer).await, [OperationEnd::Done]);
    assert_eq!(test_site.gate.commands.load(Ordering::SeqCst), 1);
    assert!(test_site.disk.inner.records().claims.is_empty());
    let events = test_site.events().await;
    let exchanged = |event: &&ecdeck::model::event::Event| matches!(&event.event.kind, EventKind::OperationEnded { end: OperationEnd::NotDone { why, .. }, .. } if why.contains("equal one"));
    assert_eq!(events.iter().filter(exchanged).count(), 1, "{events:?}");
}

#[tokio::test]
async fn a_volume_that_was_named_is_never_exchanged_and_stops_only_its_own_copy() {
    let mut test_site = TestSite::new(2, 3).await;
    test_site.poll_millis = 600_000;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let (volumes, named) = (test_site.transaction.clone(), test_site.backup[0]);
    let targets = vec![(volumes[0], named)];
    let request = Request::new(Action::Start { volumes: volumes.clone(), targets, together: false });
    let old = planned(&client, &request).await.plan;
    let elsewhere = test_site.gate.arrays().add_volume(test_site.box_id, None, "other", test_site::BLOCKS).unwrap();
    let foreign = Command::Start { pairs: vec![ecdeck::model::session::Pair::new(elsewhere, named)], modes: None };
    test_site.gate.arrays().execute(test_site.box_id, &foreign, "somebody", ecdeck::engine::now());
    let answer = agree(&client, &request, &old).await;
    let Answer::Running { ran, refused, .. } = &answer else { panic!("{answer:?}") };
    assert_eq!(ran.plan.items().iter().map(|item| item.volume).collect::<Vec<_>>(), [volumes[1]]);
    assert_eq!(refused.iter().map(|refusal| refusal.volume).collect::<Vec<_>>(), [Some(volumes[0])], "{answer:?}");
    assert_eq!(ends(&client, answer).await, [OperationEnd::Done]);
}

#[tokio::test]
async fn ten_scripts_at_the_same_moment_get_a_volume_each() {
    let test_site = TestSite::new(10, 10).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    // All of them see the same unused volumes, so all of them choose the same one.
    let requests: Vec<Request> = (0..10).map(|at| test_site.start_request(at)).collect();
    let plans = futures_util::future::join_all(requests.iter().map(|request| planned(&client, request))).await;
    let agreed = requests.iter().zip(&plans).map(|(request, planned)| agree(&client, request, &planned.plan));
    for answer in futures_util::future::join_all(agreed).await {
        assert_eq!(ends(&client, answer).await, [OperationEnd::Done]);
    }
    until(&mut snapshots, "ten copies", |now| now.sessions.iter().filter(|session| session.ours).count() == 10).await;
}

#[tokio::test]
async fn of_two_batches_at_the_same_moment_both_make_progress() {
    let test_site = TestSite::new(6, 6).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let batch = |volumes: &[ecdeck::model::identity::VolumeId]| {
        Request::new(Action::Start { volumes: volumes.to_vec(), targets: Vec::new(), together: false })
    };
    let (one, other) = (batch(&test_site.transaction[..3]), batch(&test_site.transaction[3..]));
    let (first, second) = (planned(&client, &one).await.plan, planned(&client, &other).await.plan);
    assert_eq!(first.choices().len(), 3);
    let answers = tokio::join!(agree(&client, &one, &first), agree(&client, &other, &second));
    for answer in [answers.0, answers.1] {
        assert_eq!(ends(&client, answer).await, vec![OperationEnd::Done; 3]);
    }
}

#[tokio::test]
async fn a_session_that_fell_back_to_copying_behind_the_dialog_is_not_backed_up() {
    let test_site = TestSite::new(1, 2).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    done(&client, &test_site.start_request(0)).await;
    test_site.gate.arrays().settle();
    until(&mut snapshots, "equivalence", |now| state(now, &test_site, 0) == TransactionState::Equivalent).await;
    let request = test_site.backup_request(0);
    let plan = planned(&client, &request).await.plan;
    let pairs: Vec<_> = test_site.disk.inner.records().sessions.keys().copied().collect();
    let now = ecdeck::engine::now();
    let somebody = |command| test_site.gate.arrays().execute(test_site.box_id, &command, "somebody", now);
    somebody(Command::Suspend { pairs: pairs.clone(), force: false, together: false });
    test_site.gate.arrays().write(test_site.transaction[0], 0).unwrap();
    somebody(Command::Resume { pairs });
    let sent = test_site.gate.commands.load(Ordering::SeqCst);
    let answer = agree(&client, &request, &plan).await;
    assert!(matches!(&answer, Answer::Refused { refusal } if refusal.code == Code::NOT_EQUIVALENT), "{answer:?}");
    assert_eq!(test_site.gate.commands.load(Ordering::SeqCst), sent);
    let records = test_site.disk.inner.records();
    assert!(records.generations.is_empty() && records.claims.is_empty() && records.operations.is_empty());
}

#[tokio::test]
async fn a_client_that_takes_nothing_slows_nobody_and_finds_the_present_when_it_looks() {
    let test_site = TestSite::new(1, 1).await;
    let _engine = test_site.run().await;
    let slow = tokio::net::UnixStream::connect(&test_site.home.engine().socket).await.unwrap();
    let (read, mut write) = slow.into_split();
    let mut reader = ecdeck::process::frames::FrameReader::new(read);
    let hello = ecdeck::engine::protocol::hello();
    ecdeck::process::frames::greet(&mut reader, &mut write, &hello, "").await.unwrap();
    let watch = ecdeck::engine::protocol::Question { number: 1, ask: Ask::Watch };
    // It asks for more and more whole snapshots and reads none of them.
    for _ in 0..2_000 {
        let frame = ecdeck::process::frames::encode(&watch).unwrap();
        if tokio::time::timeout(Duration::from_millis(50), write.write_all(&frame)).await.is_err() {
            break;
        }
    }
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    done(&client, &test_site.start_request(0)).await;
    test_site.gate.arrays().settle();
    until(&mut snapshots, "equivalence", |now| state(now, &test_site, 0) == TransactionState::Equivalent).await;
}

#[tokio::test]
async fn an_operation_outlives_the_client_that_asked_for_it() {
    let test_site = TestSite::new(1, 1).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    test_site.gate.hold();
    let ids = operations(run(&client, &test_site.start_request(0)).await);
    drop((client, snapshots));
    test_site.gate.let_go();
    let next = test_site.client().await;
    match next.ask(Ask::Wait { operations: ids }).await.unwrap() {
        Answer::Ended { ends, .. } => assert_eq!(ends[0].1, OperationEnd::Done),
        other => panic!("{other:?}"),
    }
    assert!(test_site.disk.inner.records().sessions.contains_key(&test_site.pair(0, 0)));
}

#[tokio::test]
async fn an_engine_killed_in_mid_operation_is_followed_by_one_that_finishes_it() {
    let test_site = TestSite::new(1, 1).await;
    let engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    test_site.gate.hold();
    operations(run(&client, &test_site.start_request(0)).await);
    soon("the command", || test_site.gate.commands.load(Ordering::SeqCst) == 1).await;
    drop(engine);
    assert_eq!(test_site.disk.inner.records().operations.len(), 1);
    test_site.gate.let_go();
    let _engine = test_site.run().await;
    let next = test_site.client().await;
    let mut snapshots = next.watch().await.unwrap();
    until(&mut snapshots, "the copy as ours", |now| now.sessions.iter().any(|session| session.full == Some(true)))
        .await;
    assert_eq!(test_site.gate.commands.load(Ordering::SeqCst), 1, "a start is never repeated blindly");
    let events = test_site.events().await;
    assert!(events.iter().any(|event| matches!(event.event.kind, EventKind::Recovered { .. })));
}

#[tokio::test]
async fn a_client_that_asks_nothing_is_given_signs_of_life() {
    let test_site = TestSite::new(1, 1).await;
    let _engine = test_site.run().await;
    let stream = tokio::net::UnixStream::connect(&test_site.home.engine().socket).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let mut reader = FrameReader::new(reader);
    greet(&mut reader, &mut writer, &hello(), "").await.unwrap();
    for _ in 0..2 {
        let message =
            tokio::time::timeout(test_site::ANSWER_TIMEOUT, reader.receive::<Message>()).await.unwrap().unwrap();
        let Some(Message::Heartbeat { every_millis }) = message else { panic!("{message:?}") };
        assert!((2_000..=6_000).contains(&every_millis), "{every_millis}");
    }
}

#[tokio::test]
async fn a_console_comes_back_by_itself_when_the_engine_does() {
    let test_site = TestSite::new(1, 1).await;
    let engine = test_site.run().await;
    let line = ReconnectingClient::open(test_site.home.clone(), Start::Never);
    let (mut snapshots, mut connection) = (line.snapshots(), line.connection());
    let before = until(&mut snapshots, "a first reading", is_read).await;
    drop(engine);
    let lost = connection.wait_for(|state| matches!(state, Connection::Lost { .. }));
    tokio::time::timeout(test_site::ANSWER_TIMEOUT, lost).await.unwrap().unwrap();
    assert!(line.asker().ask(Ask::Snapshot).await.is_err());
    assert!(snapshots.borrow().is_some(), "the last snapshot stays");
    let _engine = test_site.run().await;
    let back = connection.wait_for(|state| *state == Connection::Connected);
    tokio::time::timeout(test_site::ANSWER_TIMEOUT, back).await.unwrap().unwrap();
    until(&mut snapshots, "news", |now| now.taken_at > before.taken_at && is_read(now)).await;
}

#[tokio::test]
async fn nothing_is_sent_while_the_catalogue_is_full_and_all_goes_on_when_it_is_not() {
    let test_site = TestSite::new(2, 2).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let request = test_site.start_request(0);
    let plan = planned(&client, &request).await.plan;
    test_site.disk.full.store(true, Ordering::SeqCst);
    let answer = agree(&client, &request, &plan).await;
    assert!(matches!(&answer, Answer::Failed { why, .. } if why.contains("full")), "{answer:?}");
    assert_eq!(test_site.gate.commands.load(Ordering::SeqCst), 0);
    test_site.disk.full.store(false, Ordering::SeqCst);
    // Full again in mid-operation, while the answer is on its way: the outcome waits for the disk and is not lost.
    test_site.gate.hold();
    let running = run(&client, &request).await;
    soon("the command", || test_site.gate.commands.load(Ordering::SeqCst) == 1).await;
    test_site.disk.full.store(true, Ordering::SeqCst);
    test_site.gate.let_go();
    until(&mut snapshots, "the reason", |now| now.operations.iter().any(|operation| operation.step.contains("full")))
        .await;
    test_site.disk.full.store(false, Ordering::SeqCst);
    assert_eq!(ends(&client, running).await, [OperationEnd::Done]);
    assert!(test_site.disk.inner.records().sessions.contains_key(&test_site.pair(0, 0)));
}

#[tokio::test]
async fn a_catalogue_that_fills_up_before_the_command_leaves_the_operation_not_done() {
    let test_site = TestSite::new(1, 1).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    // The next commit opens the operation, the one after it is the intent.
    test_site.disk.inner.fail_commit(2, CommitFailure::Full);
    let running = run(&client, &test_site.start_request(0)).await;
    let ends = ends(&client, running).await;
    assert!(matches!(&ends[0], OperationEnd::NotDone { code, .. } if *code == Code::CATALOGUE_UNAVAILABLE), "{ends:?}");
    assert_eq!(test_site.gate.commands.load(Ordering::SeqCst), 0);
    soon("the claim's end", || test_site.disk.inner.records().claims.is_empty()).await;
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_looked_up() {
    for (failure, nth) in [
        (CommitFailure::UnknownKept, 1),
        (CommitFailure::UnknownKept, 2),
        (CommitFailure::UnknownKept, 3),
        (CommitFailure::UnknownKept, 4),
        (CommitFailure::UnknownLost, 3),
        (CommitFailure::UnknownLost, 4),
    ] {
        let mut test_site = TestSite::new(1, 1).await;
        test_site.poll_millis = 600_000;
        let _engine = test_site.run().await;
        let client = test_site.client().await;
        let mut snapshots = client.watch().await.unwrap();
        until(&mut snapshots, "a first reading", is_read).await;
        test_site.disk.inner.fail_commit(nth, failure);
        let running = run(&client, &test_site.start_request(0)).await;
        assert_eq!(ends(&client, running).await, [OperationEnd::Done], "{failure:?} {nth}");
        assert_eq!(test_site.gate.commands.load(Ordering::SeqCst), 1, "{failure:?} {nth}");
        assert!(test_site.disk.inner.records().operations.is_empty());
    }
}

#[tokio::test]
async fn an_array_lost_in_mid_operation_leaves_an_outcome_that_is_said_to_be_unknown() {
    let test_site = TestSite::new(1, 1).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    test_site.gate.hold();
    test_site.inject(Fault::LostReply { times: 1 });
    let running = run(&client, &test_site.start_request(0)).await;
    soon("the command", || test_site.gate.commands.load(Ordering::SeqCst) == 1).await;
    test_site.inject(Fault::Unreachable);
    test_site.gate.let_go();
    let ends = ends(&client, running).await;
    assert!(matches!(&ends[0], OperationEnd::OutcomeUnknown { .. }), "{ends:?}");
    let lost =
        until(&mut snapshots, "the array's loss", |now| matches!(now.arrays[0].reach, Reach::Unreachable { .. }));
    assert!(lost.await.arrays[0].taken_at.is_some(), "the last reading stays");
    test_site.inject(Fault::Clear);
    until(&mut snapshots, "the array", is_read).await;
    until(&mut snapshots, "the event of the return", |now| now.events.iter().any(|event| event.text == "A1 answers"))
        .await;
    let events = test_site.events().await;
    let lost = events.iter().filter(|event| matches!(event.event.kind, EventKind::ArrayUnreachable { .. })).count();
    assert_eq!(lost, 1, "told once, however often it is asked");
}

#[tokio::test]
async fn a_busy_array_is_tried_again() {
    let test_site = TestSite::new(1, 1).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    test_site.inject(Fault::Busy { times: 3 });
    done(&client, &test_site.start_request(0)).await;
    // A strict CCM is busy at random as well.
    let by_ccm = module_path!().contains("engine_by_ccm");
    let sent = test_site.gate.commands.load(Ordering::SeqCst);
    assert!(if by_ccm { sent >= 4 } else { sent == 4 }, "sent {sent} times");
}

#[tokio::test]
async fn twelve_started_at_once_with_nine_possible_are_nine_copies_and_three_reasons() {
    let test_site = TestSite::new(12, 9).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let volumes = test_site.transaction.clone();
    let request = Request::new(Action::Start { volumes, targets: Vec::new(), together: false });
    let readings = test_site.gate.readings.load(Ordering::SeqCst);
    let answer = run(&client, &request).await;
    let Answer::Running { operations, refused, .. } = &answer else { panic!("{answer:?}") };
    assert_eq!((operations.len(), refused.len()), (9, 3));
    assert!(refused.iter().all(|refusal| refusal.code == Code::NO_BACKUP_VOLUME && !refusal.reason.is_empty()));
    assert!(ends(&client, answer.clone()).await.iter().all(OperationEnd::is_done));
    until(&mut snapshots, "nine copies", |now| now.sessions.iter().filter(|session| session.ours).count() == 9).await;
    let more = test_site.gate.readings.load(Ordering::SeqCst) - readings;
    assert!(more < 60, "operations share readings: {more}");
}

#[tokio::test]
async fn a_refusal_and_a_wrong_confirmation_are_in_the_audit() {
    let test_site = TestSite::new(1, 1).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let plan = planned(&client, &test_site.start_request(0)).await.plan;
    let backup = test_site.backup_request(0);
    let ask = Ask::Run { request: backup, agreed: plan.agreement(), confirmation: None };
    let answer = client.ask(ask).await.unwrap();
    let Answer::Refused { refusal } = answer else { panic!("{answer:?}") };
    assert_eq!(refusal.code, Code::NO_SESSION);
    // Only tools that give message ids are quoted.
    let by_ccm = module_path!().contains("engine_by_ccm");
    assert_eq!(refusal.array_code.as_deref(), by_ccm.then_some("ccm4012"));
    let events = test_site.events().await;
    let refused = events.iter().find(|event| matches!(event.event.kind, EventKind::Refused { .. })).unwrap();
    assert_eq!(refused.event.actor.as_ref().unwrap().pid, std::process::id());
    done(&client, &test_site.start_request(0)).await;
    test_site.gate.arrays().settle();
    until(&mut snapshots, "equivalence", |now| state(now, &test_site, 0) == TransactionState::Equivalent).await;
    done(&client, &test_site.backup_request(0)).await;
    let view = until(&mut snapshots, "the generation", |now| !now.generations.is_empty()).await;
    let version = view.generations[0].version;
    let delete = Request::new(Action::DeleteGeneration { volume: test_site.transaction[0], version });
    let agreed = planned(&client, &delete).await.plan.agreement();
    let confirmation = Some("another\u{1b}[2J".to_owned());
    let answer = client.ask(Ask::Run { request: delete, agreed, confirmation }).await.unwrap();
    let Answer::Refused { refusal } = answer else { panic!("{answer:?}") };
    assert_eq!(refusal.code, Code::CONFIRMATION_MISMATCH);
    let events = test_site.events().await;
    let EventKind::Refused { reason, code, .. } = &events.last().unwrap().event.kind else { panic!("{events:?}") };
    assert_eq!(*code, Code::CONFIRMATION_MISMATCH);
    assert!(reason.starts_with("the confirmation names another") && !reason.contains('\u{1b}'), "{reason}");
}

#[tokio::test]
async fn an_overdue_backup_is_told_once() {
    let mut test_site = TestSite::new(1, 1).await;
    let long_ago = ecdeck::model::units::Timestamp(0);
    let mut volume = test_site.disk.inner.records().transaction_volumes[&test_site.transaction[0]].clone();
    volume.registered_at = long_ago;
    let change = ecdeck::model::records::Change::Entity(EntityChange::PutTransactionVolume(volume));
    ecdeck::catalog::Catalogue::commit(&test_site.disk, vec![change], Vec::new()).await.unwrap();
    test_site.poll_millis = 5;
    for _ in 0..2 {
        let engine = test_site.run().await;
        let client = test_site.client().await;
        let mut snapshots = client.watch().await.unwrap();
        let first = until(&mut snapshots, "the notice", |now| {
            matches!(now.transaction_volumes[0].due, Due::Overdue(_)) && is_read(now)
        });
        let after = first.await.sequence + 5;
        until(&mut snapshots, "some more polls", |now| now.sequence > after).await;
        drop(engine);
    }
    let events = test_site.events().await;
    let told = events.iter().filter(|event| matches!(event.event.kind, EventKind::Overdue { .. })).count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn another_box_under_the_known_name_stops_all_verbs() {
    let test_site = TestSite::new(1, 1).await;
    let other = "00EMUL##ANOTHER#########################".parse().unwrap();
    let change =
        ecdeck::model::records::Change::Entity(EntityChange::KnowArray { name: "A1".parse().unwrap(), box_id: other });
    ecdeck::catalog::Catalogue::commit(&test_site.disk, vec![change], Vec::new()).await.unwrap();
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "the discovery", |now| matches!(now.arrays[0].reach, Reach::IdentityChanged { .. })).await;
    let answer = client.ask(Ask::Plan { request: test_site.start_request(0), read_hosts: false }).await.unwrap();
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    let events = test_site.events().await;
    let told = events.iter().filter(|event| matches!(event.event.kind, EventKind::ArrayIdentityChanged { .. }));
    assert_eq!(told.count(), 1);
}

#[tokio::test]
async fn a_policy_is_changed_without_an_array_and_shows_at_once() {
    let test_site = TestSite::new(1, 4).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let policy = Policy::new(3, 7, ecdeck::model::records::BackupMode::Dissolve);
    done(&client, &Request::new(Action::SetPolicy { volume: test_site.transaction[0], policy })).await;
    until(&mut snapshots, "the policy", |now| now.transaction_volumes[0].volume.policy == Some(policy)).await;
    assert_eq!(test_site.gate.commands.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_engine_that_is_asked_to_end_finishes_what_runs_and_begins_nothing_new() {
    let test_site = TestSite::new(2, 2).await;
    let mut engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let next = planned(&client, &test_site.start_request(1)).await.plan;
    test_site.gate.hold();
    operations(run(&client, &test_site.start_request(0)).await);
    soon("the command", || test_site.gate.commands.load(Ordering::SeqCst) == 1).await;
    let ended = engine.end();
    let mut refused = false;
    while !refused {
        // Until the engine has heard of its end, the other volume may still be started.
        match agree(&client, &test_site.start_request(1), &next).await {
            Answer::Failed { why, .. } => refused = why.contains("ending"),
            Answer::Running { .. } | Answer::PlanChanged(_) | Answer::Refused { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    test_site.gate.let_go();
    tokio::time::timeout(test_site::ANSWER_TIMEOUT, ended).await.unwrap().unwrap();
    let records = test_site.disk.inner.records();
    assert!(records.operations.is_empty() && records.sessions.contains_key(&test_site.pair(0, 0)));
    assert!(matches!(test_site.events().await.last().unwrap().event.kind, EventKind::EngineStopped));
}

#[tokio::test]
async fn a_slow_array_that_answers_is_worked_with() {
    let test_site = TestSite::new(1, 1).await;
    // Far more than three poll intervals.
    *test_site.gate.slowness.lock() = Duration::from_millis(300);
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let request = test_site.start_request(0);
    // It has not been read yet: what is asked for by a verb waits for that.
    let answer = client.ask(Ask::Propose { request: request.clone() }).await.unwrap();
    assert!(matches!(answer, Answer::Planned(_)), "{answer:?}");
    done(&client, &request).await;
    test_site.gate.arrays().settle();
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "equivalence", |now| state(now, &test_site, 0) == TransactionState::Equivalent).await;
    done(&client, &test_site.backup_request(0)).await;
}

#[tokio::test]
async fn an_array_that_is_slower_than_the_limit_for_readings_counts_as_unreachable() {
    let mut test_site = TestSite::new(1, 1).await;
    test_site.times.reading = Duration::from_millis(20);
    *test_site.gate.slowness.lock() = Duration::from_mins(1);
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    let away = |now: &Snapshot| matches!(now.arrays[0].reach, Reach::Unreachable { .. });
    until(&mut snapshots, "the limit", away).await;
}

#[tokio::test]
async fn what_was_asked_for_refused_and_agreed_to_is_in_the_audit_and_what_was_only_looked_at_is_not() {
    let test_site = TestSite::new(1, 1).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let early = Request { reason: Some(Untrusted::from("before the upgrade")), ..test_site.backup_request(0) };
    client.ask(Ask::Plan { request: early.clone(), read_hosts: false }).await.unwrap();
    let refused = |events: &[ecdeck::model::event::Event]| -> Vec<Code> {
        let code = |kind: &EventKind| match kind {
            EventKind::Refused { code, request, .. } => {
                assert_eq!(request.reason.as_ref().map(Untrusted::raw), Some("before the upgrade"));
                Some(*code)
            }
            _ => None,
        };
        events.iter().filter_map(|event| code(&event.event.kind)).collect()
    };
    assert_eq!(refused(&test_site.events().await), []);
    let answer = client.ask(Ask::Propose { request: early.clone() }).await.unwrap();
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    assert_eq!(refused(&test_site.events().await), [Code::NO_SESSION]);
    let events = test_site.events().await;
    let actor = events.last().unwrap().event.actor.clone();
    assert_eq!(actor.map(|actor| actor.pid), Some(std::process::id()));
    let start = Request { reason: Some(Untrusted::from("nightly")), ..test_site.start_request(0) };
    done(&client, &start).await;
    let agreed = test_site.events().await.into_iter().find_map(|event| match event.event.kind {
        EventKind::Requested { agreed, request, .. } => Some((agreed, request)),
        _ => None,
    });
    let (agreed, request) = agreed.unwrap();
    assert_eq!(request, start);
    assert_eq!(agreed, ["start tv1: copy all 1 MiB to A1/0x1 (EC)"]);
}

/// Enough volumes for many pieces and pages, and a line that has everything by three ways.
#[tokio::test]
async fn a_large_site_comes_in_pieces_and_in_pages_of_one_moment() {
    let test_site = TestSite::new(700, 800).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    let watched = until(&mut snapshots, "a first reading", is_read).await;
    assert_eq!((watched.transaction_volumes.len(), watched.pool.len()), (700, 800));
    assert!(watched.transaction_volumes.is_sorted_by_key(|view| view.volume.id));
    let Answer::Snapshot { snapshot: asked } = client.ask(Ask::Snapshot).await.unwrap() else { panic!("no snapshot") };
    assert_eq!((&asked.transaction_volumes, &asked.pool), (&watched.transaction_volumes, &watched.pool));
    // A page without a moment that is held would be of any moment.
    let page = |list, from| client.ask(Ask::Page { list, from });
    let Answer::Failed { why, .. } = page(PageList::Pool, 0).await.unwrap() else { panic!("a page of what?") };
    assert!(why.contains("repeat the command"), "{why}");
    let Answer::PagesOpened { site } = client.ask(Ask::OpenPages).await.unwrap() else { panic!("nothing is held") };
    assert_eq!(site.row_count(), 0);
    // What happens meanwhile is not of that moment.
    done(&client, &test_site.start_request(3)).await;
    let (mut rows, mut from) = (0, Some(0));
    while let Some(at) = from {
        let Answer::Page(page) = page(PageList::TransactionVolumes, at).await.unwrap() else { panic!("no page") };
        assert_eq!(page.part.sequence, site.sequence);
        assert!(page.part.transaction_volumes.iter().all(|view| view.state == TransactionState::None));
        rows += page.part.transaction_volumes.len();
        from = page.next;
    }
    assert_eq!(rows, 700);
    // Changes go on after a snapshot that came in pieces.
    let copies = until(&mut snapshots, "the copy", |now| now.sessions.len() == 1).await;
    assert_eq!(copies.pool.len(), 800);
    // A console has rows before the whole.
    let line = ReconnectingClient::open(test_site.home.clone(), Start::Never);
    let mut first = line.first_rows();
    let mut whole = line.snapshots();
    let shown = tokio::select! {
        biased;
        shown = first.wait_for(Option::is_some) => shown.unwrap().clone().unwrap(),
        _ = whole.wait_for(Option::is_some) => panic!("the whole came first"),
    };
    assert_eq!(shown.volumes, 700);
    assert!((1..700).contains(&shown.part.transaction_volumes.len()));
    let whole = whole.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert_eq!(whole.transaction_volumes.len(), 700);
    first.wait_for(Option::is_none).await.unwrap();
}

#[tokio::test]
async fn a_view_of_one_volume_does_not_grow_with_the_site_and_is_followed_by_itself() {
    let test_site = TestSite::new(40, 60).await;
    let _engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    let whole = until(&mut snapshots, "a first reading", is_read).await;
    let name = whole.transaction_volume(test_site.transaction[7]).unwrap().volume.name.to_string();
    let view = async |names: &[&str]| {
        let names = names.iter().map(ToString::to_string).collect();
        match client.ask(Ask::View { names, volumes: Vec::new() }).await.unwrap() {
            Answer::Snapshot { snapshot } => *snapshot,
            answer => panic!("{answer:?}"),
        }
    };
    let narrow = view(&[&name]).await;
    assert_eq!(narrow.transaction_volumes.len(), 1);
    let bytes = |snapshot: &Snapshot| serde_json::to_vec(snapshot).unwrap().len();
    assert!(bytes(&narrow) * 8 < bytes(&whole), "{} of {}", bytes(&narrow), bytes(&whole));
    // Whoever typed a name that is not known is offered near ones.
    assert_eq!(view(&[&name, "nope"]).await.transaction_volumes.len(), 40);
    // Another line follows this volume only, and sees what becomes of it.
    let other = test_site.client().await;
    let mut followed = other.watch_volumes(vec![test_site.transaction[7]]).await.unwrap();
    done(&client, &test_site.start_request(3)).await;
    done(&client, &test_site.start_request(7)).await;
    test_site.gate.arrays().settle();
    let seen =
        until(&mut followed, "equivalence", |now| state(now, &test_site, 7) == TransactionState::Equivalent).await;
    assert_eq!((seen.transaction_volumes.len(), seen.sessions.len(), seen.pool.len()), (1, 1, 1));
    let whole = until(&mut snapshots, "the same in all", |now| now.sequence >= seen.sequence).await;
    assert_eq!(whole.sessions.len(), 2);
}

#[tokio::test]
async fn a_verb_on_one_volume_builds_no_rows_of_the_site() {
    let test_site = TestSite::new(150, 150).await;
    let engine = test_site.run().await;
    let client = test_site.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    done(&client, &test_site.start_request(0)).await;
    test_site.gate.arrays().settle();
    until(&mut snapshots, "equivalence", |now| state(now, &test_site, 0) == TransactionState::Equivalent).await;
    let built = || engine.engine.as_ref().unwrap().core().rows_built();
    let before = built();
    let view = client.ask(Ask::View { names: vec!["tv1".into()], volumes: Vec::new() }).await.unwrap();
    assert!(matches!(view, Answer::Snapshot { snapshot } if snapshot.transaction_volumes.len() == 1));
    // The plan, the claims, the plan on the fresh reading, and what comes of it.
    done(&client, &test_site.backup_request(0)).await;
    let rows = built() - before;
    assert!(rows < 60, "{rows} rows for one volume of a site of {}", test_site.transaction.len() * 2);
}
