//! Backups of many volumes over one CCM server that takes its time: all are done, and CCM is asked little more than it is
//! commanded.

use super::ccm_site::CcmSite;
use super::engine::test_site::{agree, operations, planned};
use ecdeck::engine::client::{Client, Start};
use ecdeck::engine::protocol::{Answer, Ask};
use ecdeck::model::records::OperationEnd;
use ecdeck::model::request::{Action, Request};
use ecdeck::model::snapshot::Reach;
use std::time::Duration;

const VOLUMES: u32 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_backups_over_a_slow_server_are_done_with_little_more_than_a_command_each() {
    let site = CcmSite::equivalent(VOLUMES, Duration::from_millis(2), Duration::from_secs(1)).await.unwrap();
    let client = Client::connect(&site.home(), &Start::Never).await.unwrap();
    let mut snapshots = client.watch().await.unwrap();
    let read = snapshots.wait_for(|snapshot| {
        snapshot.as_ref().is_some_and(|now| now.arrays.iter().all(|array| array.reach == Reach::Reachable))
    });
    read.await.unwrap();
    let action = Action::Backup { volumes: site.volumes.clone(), mode: None, together: false };
    let request = Request::new(action);
    let plan = planned(&client, &request).await.plan;
    assert_eq!(plan.items().len(), VOLUMES as usize, "{:?}", plan.refused().first());
    site.sent();
    let operations = operations(agree(&client, &request, &plan).await);
    // Operations that wait for their turn on the server say so, and for whom.
    let waits = snapshots.wait_for(|snapshot| {
        let operations = snapshot.iter().flat_map(|now| &now.operations);
        let waiting = operations.filter(|operation| operation.waits_for.is_some());
        waiting.count() > VOLUMES as usize / 2
    });
    let waits = waits.await.unwrap().clone().unwrap();
    let one = waits.operations.iter().find(|operation| operation.waits_for.is_some()).unwrap();
    assert!(one.step.starts_with("waiting for its turn at CCM"), "{}", one.step);
    let Answer::Ended { ends, .. } = client.ask(Ask::Wait { operations }).await.unwrap() else { panic!("no ends") };
    let failed: Vec<_> = ends.iter().filter(|(_, end)| *end != OperationEnd::Done).collect();
    assert!(failed.is_empty(), "{} of {VOLUMES}: {:?}", failed.len(), failed.first());
    let sent = site.sent();
    let suspends = sent.iter().filter(|line| line.starts_with("acec suspend")).count();
    assert_eq!(suspends, VOLUMES as usize);
    let looks = sent.len() - suspends;
    assert!(looks <= suspends / 20, "{looks} questions beside {suspends} commands");
}
