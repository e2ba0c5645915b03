//! Sessions that are reversed or change their modes, and one-point copies: on real bytes, through the driver.

use super::setting::{REGION, SIZE, Setting, writes};
use ecdeck::driver::emulated::admin::{Administration, Data};
use ecdeck::model::copy::Command;
use ecdeck::model::session::{Automation, CopyKind, Direction, ErrorByte, Pair, Phase, RecModes, Status, TransferMode};
use std::time::{Duration, Instant};

fn opc(pair: Pair) -> Pair {
    Pair { kind: CopyKind::Opc, ..pair }
}

async fn start_opc(setting: &Setting, pair: Pair) -> Vec<String> {
    setting.send(Command::StartOpc { pairs: vec![pair] }).await
}

async fn reverse(setting: &Setting, pair: Pair) -> Vec<String> {
    setting.send(Command::Reverse { pairs: vec![pair] }).await
}

/// A one-point copy ends by itself.
async fn gone(setting: &Setting, pair: &Pair) {
    let deadline = Instant::now() + crate::test_site::DEADLINE;
    while let Some(reading) = setting.reading(pair).await {
        assert!(reading.status == Status::Active && Instant::now() < deadline, "{reading:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn write(setting: &Setting, volume: &str, offset: u64, seed: u64, length: u64) {
    let data = Data::Seeded { seed, length };
    setting.tell(Administration::Write { volume: volume.into(), offset, data }).await;
}

#[tokio::test]
async fn a_reversed_pair_brings_the_backups_bytes_back_and_then_mirrors_backwards() {
    let setting = Setting::new().await;
    for (target, volume) in [("ONE/0x1", "ONE/0x1"), ("TWO/0x0", "TWO/0x0")] {
        let pair = setting.pair("ONE/0x0", target).await;
        setting.start(pair).await;
        assert_eq!(reverse(&setting, pair).await, ["E5321"], "only while it is suspended");
        setting.equivalent(&pair).await;
        setting.suspend(&[pair]).await;
        let kept = setting.bytes(pair.target).await;
        write(&setting, "ONE/0x0", 5 * REGION, 77, 3 * REGION).await;
        assert_eq!(reverse(&setting, pair).await, ["done"]);
        assert_eq!(reverse(&setting, pair).await, ["already"]);
        assert!(setting.reading(&pair).await.unwrap().direction == Direction::Reversed);
        setting.crash();
        assert!(
            setting.reading(&pair).await.unwrap().direction == Direction::Reversed,
            "a turned direction outlasts the process"
        );
        setting.resume(pair).await;
        setting.equivalent(&pair).await;
        assert!(setting.bytes(pair.source).await == kept, "the source holds what was backed up");
        setting.check_equal(setting.both(&pair).await);
        // The roles are changed: a host writes to what was the target, and what was the source takes none.
        setting.test_site.run("array write ONE/0x0 --text no").ends(2);
        setting.scatter(volume, 3, 20).await;
        setting.suspend(&[pair]).await;
        setting.check_equal(setting.both(&pair).await);
        let back = Pair { source: pair.target, target: pair.source, kind: pair.kind };
        assert_eq!(reverse(&setting, back).await, ["done"]);
        setting.scatter("ONE/0x0", 4, 20).await;
        let wanted = setting.bytes(pair.source).await;
        setting.resume(pair).await;
        setting.equivalent(&pair).await;
        assert!(setting.bytes(pair.target).await == wanted);
        assert_eq!(setting.send(Command::Stop { pairs: vec![pair], force: false }).await, ["done"]);
    }
}

#[tokio::test]
async fn a_kill_after_a_reverse_never_calls_a_differing_region_the_same() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "TWO/0x0").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    let mut reversed = false;
    for round in 0..12 {
        setting.suspend(&[pair]).await;
        setting.scatter("ONE/0x0", round, 4).await;
        setting.scatter("TWO/0x0", round + 100, 4).await;
        if round % 3 == 2 {
            setting.crash();
        }
        let back = Pair { source: pair.target, target: pair.source, kind: pair.kind };
        assert_eq!(reverse(&setting, if reversed { back } else { pair }).await, ["done"]);
        reversed = !reversed;
        if round % 2 == 1 {
            setting.crash();
        }
        let reading = setting.reading(&pair).await.unwrap();
        assert!(
            reading.is_cleanly_suspended() && (reading.direction == Direction::Reversed) == reversed,
            "{reading:?}"
        );
        let differs = setting.differing_regions(&pair).await;
        assert!(reading.difference.unwrap().bytes() >= (differs - 1) * REGION, "{differs} regions differ");
        let wanted = setting.bytes(if reversed { pair.target } else { pair.source }).await;
        setting.resume(pair).await;
        if round % 4 == 3 {
            setting.crash();
        }
        setting.equivalent(&pair).await;
        setting.check_equal((setting.bytes(pair.source).await, wanted.clone()));
        setting.check_equal((setting.bytes(pair.target).await, wanted));
    }
}

#[tokio::test]
async fn changed_modes_hold_after_a_kill_and_are_only_changed_while_suspended() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "TWO/0x0").await;
    // The array itself sets split to manual when it leaves synchronous transfer.
    let modes =
        RecModes { transfer: TransferMode::Consistency, recovery: Automation::Manual, split: Automation::Manual };
    let asked = RecModes { split: Automation::Automatic, ..modes };
    let change = || Command::ChangeMode { pairs: vec![pair], modes: asked };
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    assert_eq!(setting.send(change()).await, ["E5321"]);
    setting.suspend(&[pair]).await;
    assert_eq!(setting.send(change()).await, ["done"]);
    setting.crash();
    assert_eq!(setting.reading(&pair).await.unwrap().modes, Some(modes));
    setting.wait_at(&setting.two, &pair, "the remote half", |it| it.modes == Some(modes)).await;
    setting.resume(pair).await;
    setting.equivalent(&pair).await;
    // What the mode says happens: a lost path that comes back waits for a person.
    setting.test_site.run("array path ONE TWO down").ends(0);
    setting.test_site.run("array path ONE TWO up").ends(0);
    assert_eq!(setting.reading(&pair).await.unwrap().status, Status::Halted);
    let suspend = Command::Suspend { pairs: vec![pair], force: true, together: false };
    assert_eq!(setting.send(suspend).await, ["done"]);
    setting.resume(pair).await;
    setting.equivalent(&pair).await;
    setting.check_equal(setting.both(&pair).await);
}

#[tokio::test]
async fn a_one_point_copy_is_the_source_at_its_start_while_a_host_goes_on_writing() {
    let setting = Setting::new().await;
    let pair = opc(setting.pair("ONE/0x0", "ONE/0x1").await);
    let moment = setting.bytes(pair.source).await;
    setting.rate(Some(2 << 20)).await;
    assert_eq!(start_opc(&setting, pair).await, ["done"]);
    assert_eq!(start_opc(&setting, pair).await, ["E5367"]);
    let reading = setting.reading(&pair).await.unwrap();
    assert_eq!((reading.status, reading.phase), (Status::Active, Phase::Copying));
    // At once, though hardly anything was copied.
    let print = setting.test_site.json("array fingerprint ONE/0x1")["blake3"].clone();
    assert_eq!(print, blake3::hash(&moment).to_hex().to_string());
    setting.workload("ONE/0x0", writes(5, 8 << 20)).await;
    setting.scatter("ONE/0x0", 6, 40).await;
    setting.rate(None).await;
    gone(&setting, &pair).await;
    setting.workload("ONE/0x0", None).await;
    assert!(setting.bytes(pair.target).await == moment);
    assert!(setting.bytes(pair.source).await != moment);
}

#[tokio::test]
async fn a_one_point_copy_stays_inside_its_box_and_out_of_the_way_of_others() {
    let setting = Setting::new().await;
    let far = opc(setting.pair("ONE/0x0", "TWO/0x0").await);
    assert_eq!(start_opc(&setting, far).await, ["E5310"]);
    let live = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(live).await;
    setting.equivalent(&live).await;
    assert_eq!(start_opc(&setting, opc(setting.pair("ONE/0x2", "ONE/0x1").await)).await, ["E5315"]);
    let beside = opc(setting.pair("ONE/0x0", "ONE/0x2").await);
    setting.rate(Some(1 << 20)).await;
    let moment = setting.bytes(live.source).await;
    assert_eq!(start_opc(&setting, beside).await, ["done"], "a source may have several copies");
    setting.scatter("ONE/0x0", 9, 30).await;
    setting.check_equal(setting.both(&live).await);
    let stop = |force| Command::Stop { pairs: vec![beside], force };
    setting.rate(None).await;
    gone(&setting, &beside).await;
    assert!(setting.bytes(beside.target).await == moment);
    assert_eq!(setting.send(stop(true)).await, ["already"]);
}

#[tokio::test]
async fn a_killed_array_finishes_its_one_point_copy_with_the_moment_it_began_with() {
    let setting = Setting::new().await;
    let mut random = fastrand::Rng::with_seed(21);
    for round in 0..6 {
        let pair = opc(setting.pair("ONE/0x0", "ONE/0x1").await);
        let moment = setting.bytes(pair.source).await;
        setting.rate(Some(4 << 20)).await;
        assert_eq!(start_opc(&setting, pair).await, ["done"]);
        for _ in 0..3 {
            setting.workload("ONE/0x0", writes(round, 8 << 20)).await;
            // A moment in mid copy: chance is what is tested here.
            tokio::time::sleep(Duration::from_millis(random.u64(1..200))).await;
            setting.crash();
        }
        setting.rate(None).await;
        gone(&setting, &pair).await;
        setting.workload("ONE/0x0", None).await;
        setting.check_equal((setting.bytes(pair.target).await, moment));
    }
}

#[tokio::test]
async fn a_restore_by_one_point_copy_is_known_to_the_suspended_sessions_of_its_target() {
    let setting = Setting::new().await;
    let kept = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(kept).await;
    setting.equivalent(&kept).await;
    setting.suspend(&[kept]).await;
    let other = setting.pair("ONE/0x0", "TWO/0x0").await;
    setting.start(other).await;
    setting.equivalent(&other).await;
    setting.suspend(&[other]).await;
    let backup = setting.bytes(kept.target).await;
    setting.scatter("ONE/0x0", 8, 30).await;
    let restore = opc(setting.pair("ONE/0x1", "ONE/0x0").await);
    setting.rate(Some(4 << 20)).await;
    assert_eq!(start_opc(&setting, restore).await, ["done"]);
    assert_eq!(setting.send(Command::Resume { pairs: vec![kept] }).await, ["E5316"], "it would copy in a circle");
    setting.crash();
    for pair in [kept, other] {
        assert_eq!(setting.reading(&pair).await.unwrap().difference.unwrap().bytes(), SIZE);
    }
    setting.resume(other).await;
    let suspend = Command::Suspend { pairs: vec![other], force: false, together: false };
    assert_eq!(setting.send(suspend).await, ["E5321"], "it waits for the restore");
    setting.rate(None).await;
    gone(&setting, &restore).await;
    assert!(setting.bytes(kept.source).await == backup);
    setting.crash();
    setting.resume(kept).await;
    for pair in [kept, other] {
        setting.equivalent(&pair).await;
        setting.check_equal(setting.both(&pair).await);
    }
}

#[tokio::test]
async fn a_one_point_copy_that_cannot_go_on_says_so_and_its_moment_is_over() {
    let setting = Setting::new().await;
    let pair = opc(setting.pair("ONE/0x0", "ONE/0x1").await);
    setting.test_site.run(&format!("array fault ONE bad-block 0x0 {}", 20 * REGION / 512)).ends(0);
    assert_eq!(start_opc(&setting, pair).await, ["done"]);
    setting.wait_until(&pair, "an error", |it| it.status == Status::ErrorSuspended).await;
    assert_eq!(setting.reading(&pair).await.unwrap().error, Some(ErrorByte(0xBA)));
    assert_eq!(setting.send(Command::Resume { pairs: vec![pair] }).await, ["E5321"]);
    assert_eq!(setting.send(Command::Stop { pairs: vec![pair], force: false }).await, ["done"]);
    setting.test_site.run("array fault ONE clear").ends(0);
    assert_eq!(start_opc(&setting, pair).await, ["done"]);
    gone(&setting, &pair).await;
    setting.check_equal(setting.both(&pair).await);

    // And one of which nobody knows any more what it had copied.
    setting.rate(Some(1 << 20)).await;
    assert_eq!(start_opc(&setting, pair).await, ["done"]);
    setting.test_site.kill_arrays();
    let folder = setting.test_site.home().arrays_dir().join(pair.source.box_id.as_str()).join("maps");
    let records = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    for record in records.filter(|path| path.extension().is_some_and(|ending| ending == "opc")) {
        std::fs::remove_file(record).unwrap();
    }
    setting.test_site.run("array start").ends(0);
    let reading = setting.reading(&pair).await.unwrap();
    assert_eq!((reading.status, reading.error), (Status::ErrorSuspended, Some(ErrorByte(0xB2))));
    let warnings = setting.admin.list().await.unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("start it again")), "{warnings:?}");
}
