//! The engine over its socket: several clients, changes behind its back, faults of array and catalogue, crashes.

mod house;

use ecdeck::catalog::memory::CommitFailure;
use ecdeck::driver::emulated::faults::Fault;
use ecdeck::engine::client::{Connection, Lifeline, Start};
use ecdeck::engine::protocol::{Answer, Ask, Message, hello};
use ecdeck::model::codes::Code;
use ecdeck::model::copy::Command;
use ecdeck::model::event::EventKind;
use ecdeck::model::records::{OperationEnd, Policy};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::snapshot::{Due, Reach, TransactionState};
use ecdeck::model::untrusted::Untrusted;
use ecdeck::process::frames::{FrameReader, greet};
use house::{House, agree, done, ends, operations, planned, run, soon, until};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

fn is_read(snapshot: &ecdeck::model::snapshot::Snapshot) -> bool {
    snapshot.arrays.iter().all(|array| array.reach == Reach::Reachable)
}

fn state(snapshot: &ecdeck::model::snapshot::Snapshot, house: &House, transaction: usize) -> TransactionState {
    snapshot.transaction_volume(house.transaction[transaction]).unwrap().state
}

#[tokio::test]
async fn a_volume_is_synchronized_backed_up_and_its_oldest_generation_given_up() {
    let house = House::new(1, 3).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    for round in 1..=4 {
        done(&client, &house.start_request(0)).await;
        house.gate.arrays().settle();
        until(&mut snapshots, "equivalence", |now| state(now, &house, 0) == TransactionState::Equivalent).await;
        done(&client, &house.backup_request(0)).await;
        let view = until(&mut snapshots, "the generation", |now| {
            now.generations.last().is_some_and(|generation| generation.version.0 == round)
        });
        assert_eq!(view.await.generations.len() as u64, round.min(2));
    }
    assert_eq!(house.disk.inner.records().operations.len(), 0);
}

#[tokio::test]
async fn two_clients_see_the_same() {
    let house = House::new(2, 2).await;
    let _engine = house.run().await;
    let (one, other) = (house.client().await, house.client().await);
    let (mut ones, mut others) = (one.watch().await.unwrap(), other.watch().await.unwrap());
    until(&mut ones, "a first reading", is_read).await;
    done(&one, &house.start_request(0)).await;
    let copying = |now: &ecdeck::model::snapshot::Snapshot| state(now, &house, 0) == TransactionState::Copying;
    let seen = until(&mut others, "the copy that the first one started", copying).await;
    let same = until(&mut ones, "the same snapshot", |now| now.sequence >= seen.sequence).await;
    assert_eq!(same.sessions.len(), 1);
    assert_eq!(same.sessions[0].pair, seen.sessions[0].pair);
}

#[tokio::test]
async fn one_of_two_wins_a_volume_and_the_other_is_told_who_holds_it_since_when() {
    let house = House::new(1, 2).await;
    let _engine = house.run().await;
    let (one, other) = (house.client().await, house.client().await);
    let mut snapshots = one.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    house.gate.hold();
    let request = house.start_request(0);
    let plan = planned(&one, &request).await.plan;
    let (first, second) = tokio::join!(agree(&one, &request, &plan), agree(&other, &request, &plan));
    let (winner, loser) = if matches!(first, Answer::Running { .. }) { (first, second) } else { (second, first) };
    let Answer::Refused { refusal } = loser else { panic!("{loser:?}") };
    assert_eq!(refusal.code, Code::HELD_BY_OTHER);
    let held = refusal.held_by.unwrap();
    assert_eq!(vec![held.operation], operations(winner.clone()));
    assert_eq!(held.holder.pid, std::process::id());
    assert!(held.since.0 > 0);
    house.gate.let_go();
    assert_eq!(ends(&one, winner).await, [OperationEnd::Done]);
    assert_eq!(house.gate.commands.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_unused_volume_that_is_taken_behind_the_dialog_is_exchanged_for_an_equal_one() {
    let mut house = House::new(1, 2).await;
    house.poll_millis = 600_000;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let request = house.start_request(0);
    let old = planned(&client, &request).await.plan;
    // Another program takes the backup volume that the plan chose; the engine has not seen it yet.
    let taken = old.items()[0].claims.iter().copied().find(|id| house.backup.contains(id)).unwrap();
    let elsewhere = house.gate.arrays().add_volume(house.box_id, None, "other", house::BLOCKS).unwrap();
    let foreign = Command::Start { pairs: vec![ecdeck::model::session::Pair::new(elsewhere, taken)], modes: None };
    house.gate.arrays().execute(house.box_id, &foreign, "somebody", ecdeck::engine::now());
    let answer = agree(&client, &request, &old).await;
    let Answer::Running { ran, refused, changed, .. } = &answer else { panic!("{answer:?}") };
    assert_eq!(ran.plan.digest(), old.digest(), "it is what was agreed to");
    assert!(!ran.plan.items()[0].claims.contains(&taken) && refused.is_empty() && changed.is_none(), "{answer:?}");
    assert_eq!(ends(&client, answer).await, [OperationEnd::Done]);
    assert_eq!(house.gate.commands.load(Ordering::SeqCst), 1);
    assert!(house.disk.inner.records().claims.is_empty());
    let events = house.events().await;
    let exchanged = |event: &&ecdeck::model::event::Event| matches!(&event.event.kind, EventKind::OperationEnded { end: OperationEnd::NotDone { why, .. }, .. } if why.contains("equal one"));
    assert_eq!(events.iter().filter(exchanged).count(), 1, "{events:?}");
}

#[tokio::test]
async fn a_volume_that_was_named_is_never_exchanged_and_stops_only_its_own_copy() {
    let mut house = House::new(2, 3).await;
    house.poll_millis = 600_000;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let (volumes, named) = (house.transaction.clone(), house.backup[0]);
    let targets = vec![(volumes[0], named)];
    let request = Request::new(Action::Start { volumes: volumes.clone(), targets, together: false });
    let old = planned(&client, &request).await.plan;
    let elsewhere = house.gate.arrays().add_volume(house.box_id, None, "other", house::BLOCKS).unwrap();
    let foreign = Command::Start { pairs: vec![ecdeck::model::session::Pair::new(elsewhere, named)], modes: None };
    house.gate.arrays().execute(house.box_id, &foreign, "somebody", ecdeck::engine::now());
    let answer = agree(&client, &request, &old).await;
    let Answer::Running { ran, refused, .. } = &answer else { panic!("{answer:?}") };
    assert_eq!(ran.plan.items().iter().map(|item| item.volume).collect::<Vec<_>>(), [volumes[1]]);
    assert_eq!(refused.iter().map(|refusal| refusal.volume).collect::<Vec<_>>(), [Some(volumes[0])], "{answer:?}");
    assert_eq!(ends(&client, answer).await, [OperationEnd::Done]);
}

#[tokio::test]
async fn ten_scripts_at_the_same_moment_get_a_volume_each() {
    let house = House::new(10, 10).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    // All of them see the same unused volumes, so all of them choose the same one.
    let requests: Vec<Request> = (0..10).map(|at| house.start_request(at)).collect();
    let plans = futures_util::future::join_all(requests.iter().map(|request| planned(&client, request))).await;
    let agreed = requests.iter().zip(&plans).map(|(request, planned)| agree(&client, request, &planned.plan));
    for answer in futures_util::future::join_all(agreed).await {
        assert_eq!(ends(&client, answer).await, [OperationEnd::Done]);
    }
    until(&mut snapshots, "ten copies", |now| now.sessions.iter().filter(|session| session.ours).count() == 10).await;
}

#[tokio::test]
async fn of_two_batches_at_the_same_moment_both_make_progress() {
    let house = House::new(6, 6).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let batch = |volumes: &[ecdeck::model::identity::VolumeId]| {
        Request::new(Action::Start { volumes: volumes.to_vec(), targets: Vec::new(), together: false })
    };
    let (one, other) = (batch(&house.transaction[..3]), batch(&house.transaction[3..]));
    let (first, second) = (planned(&client, &one).await.plan, planned(&client, &other).await.plan);
    assert_eq!(first.choices().len(), 3);
    let answers = tokio::join!(agree(&client, &one, &first), agree(&client, &other, &second));
    for answer in [answers.0, answers.1] {
        assert_eq!(ends(&client, answer).await, vec![OperationEnd::Done; 3]);
    }
}

#[tokio::test]
async fn a_session_that_fell_back_to_copying_behind_the_dialog_is_not_backed_up() {
    let house = House::new(1, 2).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    done(&client, &house.start_request(0)).await;
    house.gate.arrays().settle();
    until(&mut snapshots, "equivalence", |now| state(now, &house, 0) == TransactionState::Equivalent).await;
    let request = house.backup_request(0);
    let plan = planned(&client, &request).await.plan;
    let pairs: Vec<_> = house.disk.inner.records().sessions.keys().copied().collect();
    let now = ecdeck::engine::now();
    let somebody = |command| house.gate.arrays().execute(house.box_id, &command, "somebody", now);
    somebody(Command::Suspend { pairs: pairs.clone(), force: false, together: false });
    house.gate.arrays().write(house.transaction[0], 0).unwrap();
    somebody(Command::Resume { pairs });
    let sent = house.gate.commands.load(Ordering::SeqCst);
    let answer = agree(&client, &request, &plan).await;
    assert!(matches!(&answer, Answer::Refused { refusal } if refusal.code == Code::NOT_EQUIVALENT), "{answer:?}");
    assert_eq!(house.gate.commands.load(Ordering::SeqCst), sent);
    let records = house.disk.inner.records();
    assert!(records.generations.is_empty() && records.claims.is_empty() && records.operations.is_empty());
}

#[tokio::test]
async fn a_client_that_takes_nothing_slows_nobody_and_finds_the_present_when_it_looks() {
    let house = House::new(1, 1).await;
    let _engine = house.run().await;
    let slow = tokio::net::UnixStream::connect(&house.home.engine().socket).await.unwrap();
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
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    done(&client, &house.start_request(0)).await;
    house.gate.arrays().settle();
    until(&mut snapshots, "equivalence", |now| state(now, &house, 0) == TransactionState::Equivalent).await;
}

#[tokio::test]
async fn an_operation_outlives_the_client_that_asked_for_it() {
    let house = House::new(1, 1).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    house.gate.hold();
    let ids = operations(run(&client, &house.start_request(0)).await);
    drop((client, snapshots));
    house.gate.let_go();
    let next = house.client().await;
    match next.ask(Ask::Wait { operations: ids }).await.unwrap() {
        Answer::Ended { ends, .. } => assert_eq!(ends[0].1, OperationEnd::Done),
        other => panic!("{other:?}"),
    }
    assert!(house.disk.inner.records().sessions.contains_key(&house.pair(0, 0)));
}

#[tokio::test]
async fn an_engine_killed_in_mid_operation_is_followed_by_one_that_finishes_it() {
    let house = House::new(1, 1).await;
    let engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    house.gate.hold();
    operations(run(&client, &house.start_request(0)).await);
    soon("the command", || house.gate.commands.load(Ordering::SeqCst) == 1).await;
    drop(engine);
    assert_eq!(house.disk.inner.records().operations.len(), 1);
    house.gate.let_go();
    let _engine = house.run().await;
    let next = house.client().await;
    let mut snapshots = next.watch().await.unwrap();
    until(&mut snapshots, "the copy as ours", |now| now.sessions.iter().any(|session| session.full == Some(true)))
        .await;
    assert_eq!(house.gate.commands.load(Ordering::SeqCst), 1, "a start is never repeated blindly");
    let events = house.events().await;
    assert!(events.iter().any(|event| matches!(event.event.kind, EventKind::Recovered { .. })));
}

#[tokio::test]
async fn a_client_that_asks_nothing_is_given_signs_of_life() {
    let house = House::new(1, 1).await;
    let _engine = house.run().await;
    let stream = tokio::net::UnixStream::connect(&house.home.engine().socket).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let mut reader = FrameReader::new(reader);
    greet(&mut reader, &mut writer, &hello(), "").await.unwrap();
    for _ in 0..2 {
        let message = tokio::time::timeout(house::PATIENCE, reader.receive::<Message>()).await.unwrap().unwrap();
        let Some(Message::Heartbeat { every_millis }) = message else { panic!("{message:?}") };
        assert!((2_000..=6_000).contains(&every_millis), "{every_millis}");
    }
}

#[tokio::test]
async fn a_console_comes_back_by_itself_when_the_engine_does() {
    let house = House::new(1, 1).await;
    let engine = house.run().await;
    let line = Lifeline::open(house.home.clone(), Start::Never);
    let (mut snapshots, mut connection) = (line.snapshots(), line.connection());
    let before = until(&mut snapshots, "a first reading", is_read).await;
    drop(engine);
    let lost = connection.wait_for(|state| matches!(state, Connection::Lost { .. }));
    tokio::time::timeout(house::PATIENCE, lost).await.unwrap().unwrap();
    assert!(line.asker().ask(Ask::Snapshot).await.is_err());
    assert!(snapshots.borrow().is_some(), "the last snapshot stays");
    let _engine = house.run().await;
    let back = connection.wait_for(|state| *state == Connection::Connected);
    tokio::time::timeout(house::PATIENCE, back).await.unwrap().unwrap();
    until(&mut snapshots, "news", |now| now.taken_at > before.taken_at && is_read(now)).await;
}

#[tokio::test]
async fn nothing_is_sent_while_the_catalogue_is_full_and_all_goes_on_when_it_is_not() {
    let house = House::new(2, 2).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let request = house.start_request(0);
    let plan = planned(&client, &request).await.plan;
    house.disk.full.store(true, Ordering::SeqCst);
    let answer = agree(&client, &request, &plan).await;
    assert!(matches!(&answer, Answer::Failed { why, .. } if why.contains("full")), "{answer:?}");
    assert_eq!(house.gate.commands.load(Ordering::SeqCst), 0);
    house.disk.full.store(false, Ordering::SeqCst);
    // Full again in mid-operation, while the answer is on its way: the outcome waits for the disk and is not lost.
    house.gate.hold();
    let running = run(&client, &request).await;
    soon("the command", || house.gate.commands.load(Ordering::SeqCst) == 1).await;
    house.disk.full.store(true, Ordering::SeqCst);
    house.gate.let_go();
    until(&mut snapshots, "the reason", |now| now.operations.iter().any(|operation| operation.step.contains("full")))
        .await;
    house.disk.full.store(false, Ordering::SeqCst);
    assert_eq!(ends(&client, running).await, [OperationEnd::Done]);
    assert!(house.disk.inner.records().sessions.contains_key(&house.pair(0, 0)));
}

#[tokio::test]
async fn a_catalogue_that_fills_up_before_the_command_leaves_the_operation_not_done() {
    let house = House::new(1, 1).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    // The next commit opens the operation, the one after it is the intent.
    house.disk.inner.fail_commit(2, CommitFailure::Full);
    let running = run(&client, &house.start_request(0)).await;
    let ends = ends(&client, running).await;
    assert!(matches!(&ends[0], OperationEnd::NotDone { code, .. } if *code == Code::CATALOGUE_UNAVAILABLE), "{ends:?}");
    assert_eq!(house.gate.commands.load(Ordering::SeqCst), 0);
    soon("the claim's end", || house.disk.inner.records().claims.is_empty()).await;
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
        let mut house = House::new(1, 1).await;
        house.poll_millis = 600_000;
        let _engine = house.run().await;
        let client = house.client().await;
        let mut snapshots = client.watch().await.unwrap();
        until(&mut snapshots, "a first reading", is_read).await;
        house.disk.inner.fail_commit(nth, failure);
        let running = run(&client, &house.start_request(0)).await;
        assert_eq!(ends(&client, running).await, [OperationEnd::Done], "{failure:?} {nth}");
        assert_eq!(house.gate.commands.load(Ordering::SeqCst), 1, "{failure:?} {nth}");
        assert!(house.disk.inner.records().operations.is_empty());
    }
}

#[tokio::test]
async fn an_array_lost_in_mid_operation_leaves_an_outcome_that_is_said_to_be_unknown() {
    let house = House::new(1, 1).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    house.gate.hold();
    house.inject(Fault::LostReply { times: 1 });
    let running = run(&client, &house.start_request(0)).await;
    soon("the command", || house.gate.commands.load(Ordering::SeqCst) == 1).await;
    house.inject(Fault::Unreachable);
    house.gate.let_go();
    let ends = ends(&client, running).await;
    assert!(matches!(&ends[0], OperationEnd::OutcomeUnknown { .. }), "{ends:?}");
    let lost =
        until(&mut snapshots, "the array's loss", |now| matches!(now.arrays[0].reach, Reach::Unreachable { .. }));
    assert!(lost.await.arrays[0].taken_at.is_some(), "the last reading stays");
    house.inject(Fault::Clear);
    until(&mut snapshots, "the array", is_read).await;
    until(&mut snapshots, "the event of the return", |now| now.events.iter().any(|event| event.text == "A1 answers"))
        .await;
    let events = house.events().await;
    let lost = events.iter().filter(|event| matches!(event.event.kind, EventKind::ArrayUnreachable { .. })).count();
    assert_eq!(lost, 1, "told once, however often it is asked");
}

#[tokio::test]
async fn a_busy_array_is_tried_again() {
    let house = House::new(1, 1).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    house.inject(Fault::Busy { times: 3 });
    done(&client, &house.start_request(0)).await;
    assert_eq!(house.gate.commands.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn twelve_started_at_once_with_nine_possible_are_nine_copies_and_three_reasons() {
    let house = House::new(12, 9).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let volumes = house.transaction.clone();
    let request = Request::new(Action::Start { volumes, targets: Vec::new(), together: false });
    let readings = house.gate.readings.load(Ordering::SeqCst);
    let answer = run(&client, &request).await;
    let Answer::Running { operations, refused, .. } = &answer else { panic!("{answer:?}") };
    assert_eq!((operations.len(), refused.len()), (9, 3));
    assert!(refused.iter().all(|refusal| refusal.code == Code::NO_BACKUP_VOLUME && !refusal.reason.is_empty()));
    assert!(ends(&client, answer.clone()).await.iter().all(OperationEnd::is_done));
    until(&mut snapshots, "nine copies", |now| now.sessions.iter().filter(|session| session.ours).count() == 9).await;
    let more = house.gate.readings.load(Ordering::SeqCst) - readings;
    assert!(more < 60, "operations share readings: {more}");
}

#[tokio::test]
async fn a_refusal_and_a_wrong_confirmation_are_in_the_audit() {
    let house = House::new(1, 1).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let plan = planned(&client, &house.start_request(0)).await.plan;
    let backup = house.backup_request(0);
    let ask = Ask::Run { request: backup, agreed: plan.agreement(), confirmation: None };
    let answer = client.ask(ask).await.unwrap();
    let Answer::Refused { refusal } = answer else { panic!("{answer:?}") };
    assert_eq!(refusal.code, Code::NO_SESSION);
    // Only tools that give message ids are quoted.
    let by_ccm = module_path!().contains("engine_by_ccm");
    assert_eq!(refusal.array_code.as_deref(), by_ccm.then_some("ccm4012"));
    let events = house.events().await;
    let refused = events.iter().find(|event| matches!(event.event.kind, EventKind::Refused { .. })).unwrap();
    assert_eq!(refused.event.actor.as_ref().unwrap().pid, std::process::id());
}

#[tokio::test]
async fn an_overdue_backup_is_told_once() {
    let mut house = House::new(1, 1).await;
    let long_ago = ecdeck::model::units::Timestamp(0);
    let mut volume = house.disk.inner.records().transaction_volumes[&house.transaction[0]].clone();
    volume.registered_at = long_ago;
    let change = ecdeck::model::records::Change::PutTransactionVolume(volume);
    ecdeck::catalog::Catalogue::commit(&house.disk, vec![change], Vec::new()).await.unwrap();
    house.poll_millis = 5;
    for _ in 0..2 {
        let engine = house.run().await;
        let client = house.client().await;
        let mut snapshots = client.watch().await.unwrap();
        let first = until(&mut snapshots, "the notice", |now| {
            matches!(now.transaction_volumes[0].due, Due::Overdue(_)) && is_read(now)
        });
        let after = first.await.sequence + 5;
        until(&mut snapshots, "some more polls", |now| now.sequence > after).await;
        drop(engine);
    }
    let events = house.events().await;
    let told = events.iter().filter(|event| matches!(event.event.kind, EventKind::Overdue { .. })).count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn another_box_under_the_known_name_stops_all_verbs() {
    let house = House::new(1, 1).await;
    let other = "00EMUL##ANOTHER#########################".parse().unwrap();
    let change = ecdeck::model::records::Change::KnowArray { name: "A1".parse().unwrap(), box_id: other };
    ecdeck::catalog::Catalogue::commit(&house.disk, vec![change], Vec::new()).await.unwrap();
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "the discovery", |now| matches!(now.arrays[0].reach, Reach::IdentityChanged { .. })).await;
    let answer = client.ask(Ask::Plan { request: house.start_request(0) }).await.unwrap();
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    let events = house.events().await;
    let told = events.iter().filter(|event| matches!(event.event.kind, EventKind::ArrayIdentityChanged { .. }));
    assert_eq!(told.count(), 1);
}

#[tokio::test]
async fn a_policy_is_changed_without_an_array_and_shows_at_once() {
    let house = House::new(1, 4).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let policy = Policy { generations: 3, interval_days: 7, mode: ecdeck::model::records::BackupMode::Dissolve };
    done(&client, &Request::new(Action::SetPolicy { volume: house.transaction[0], policy })).await;
    until(&mut snapshots, "the policy", |now| now.transaction_volumes[0].volume.policy == Some(policy)).await;
    assert_eq!(house.gate.commands.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_engine_that_is_asked_to_end_finishes_what_runs_and_begins_nothing_new() {
    let house = House::new(2, 2).await;
    let mut engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let next = planned(&client, &house.start_request(1)).await.plan;
    house.gate.hold();
    operations(run(&client, &house.start_request(0)).await);
    soon("the command", || house.gate.commands.load(Ordering::SeqCst) == 1).await;
    let ended = engine.end();
    let mut refused = false;
    while !refused {
        // Until the engine has heard of its end, the other volume may still be started.
        match agree(&client, &house.start_request(1), &next).await {
            Answer::Failed { why, .. } => refused = why.contains("ending"),
            Answer::Running { .. } | Answer::PlanChanged(_) | Answer::Refused { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    house.gate.let_go();
    tokio::time::timeout(house::PATIENCE, ended).await.unwrap().unwrap();
    let records = house.disk.inner.records();
    assert!(records.operations.is_empty() && records.sessions.contains_key(&house.pair(0, 0)));
    assert!(matches!(house.events().await.last().unwrap().event.kind, EventKind::EngineStopped));
}

#[tokio::test]
async fn a_slow_array_that_answers_is_worked_with() {
    let house = House::new(1, 1).await;
    // Far more than three poll intervals.
    *house.gate.slowness.lock().unwrap() = Duration::from_millis(300);
    let _engine = house.run().await;
    let client = house.client().await;
    let request = house.start_request(0);
    // It has not been read yet: what is asked for by a verb waits for that.
    let answer = client.ask(Ask::Propose { request: request.clone() }).await.unwrap();
    assert!(matches!(answer, Answer::Planned(_)), "{answer:?}");
    done(&client, &request).await;
    house.gate.arrays().settle();
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "equivalence", |now| state(now, &house, 0) == TransactionState::Equivalent).await;
    done(&client, &house.backup_request(0)).await;
}

#[tokio::test]
async fn an_array_that_is_slower_than_the_limit_for_readings_counts_as_unreachable() {
    let mut house = House::new(1, 1).await;
    house.times.reading = Duration::from_millis(20);
    *house.gate.slowness.lock().unwrap() = Duration::from_mins(1);
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    let away = |now: &ecdeck::model::snapshot::Snapshot| matches!(now.arrays[0].reach, Reach::Unreachable { .. });
    until(&mut snapshots, "the limit", away).await;
}

#[tokio::test]
async fn what_was_asked_for_refused_and_agreed_to_is_in_the_audit_and_what_was_only_looked_at_is_not() {
    let house = House::new(1, 1).await;
    let _engine = house.run().await;
    let client = house.client().await;
    let mut snapshots = client.watch().await.unwrap();
    until(&mut snapshots, "a first reading", is_read).await;
    let early = Request { reason: Some(Untrusted::from("before the upgrade")), ..house.backup_request(0) };
    client.ask(Ask::Plan { request: early.clone() }).await.unwrap();
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
    assert_eq!(refused(&house.events().await), []);
    let answer = client.ask(Ask::Propose { request: early.clone() }).await.unwrap();
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    assert_eq!(refused(&house.events().await), [Code::NO_SESSION]);
    let given = "another".to_owned();
    let answer = client.ask(Ask::Misnamed { request: early, given }).await.unwrap();
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    let events = house.events().await;
    assert_eq!(refused(&events), [Code::NO_SESSION, Code::CONFIRMATION_MISMATCH]);
    let actor = events.last().unwrap().event.actor.clone();
    assert_eq!(actor.map(|actor| actor.pid), Some(std::process::id()));
    let start = Request { reason: Some(Untrusted::from("nightly")), ..house.start_request(0) };
    done(&client, &start).await;
    let agreed = house.events().await.into_iter().find_map(|event| match event.event.kind {
        EventKind::Requested { agreed, request, .. } => Some((agreed, request)),
        _ => None,
    });
    let (agreed, request) = agreed.unwrap();
    assert_eq!(request, start);
    assert_eq!(agreed, ["start tv1: copy all 1 MiB to A1/0x1 (EC)"]);
}
