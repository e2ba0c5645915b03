//! That copies are copies, byte by byte.

use super::setting::{REGION, SIZE, Setting, writes};
use ecdeck::driver::emulated::admin::{Administration, Data};
use ecdeck::model::copy::Command;
use ecdeck::model::session::{Pair, Phase, Status};
use std::os::unix::fs::FileExt;
use std::time::Duration;

async fn ec_and_rec(setting: &Setting) -> [Pair; 2] {
    [setting.pair("ONE/0x0", "ONE/0x1").await, setting.pair("ONE/0x0", "TWO/0x0").await]
}

#[tokio::test]
async fn both_sides_are_the_same_at_the_barrier_while_hosts_write() {
    let setting = Setting::new().await;
    let pairs = ec_and_rec(&setting).await;
    setting.workload("ONE/0x0", writes(7, 8 << 20)).await;
    for pair in pairs {
        setting.start(pair).await;
    }
    for pair in &pairs {
        setting.equivalent(pair).await;
    }
    setting.suspend(&pairs).await;
    // Two targets that were suspended at one instant hold the same moment, though the source has gone on.
    let (ec, rec) = (setting.bytes(pairs[0].target).await, setting.bytes(pairs[1].target).await);
    setting.check_equal((ec, rec));
    setting.workload("ONE/0x0", None).await;
    for pair in pairs {
        setting.resume(pair).await;
        setting.equivalent(&pair).await;
        setting.check_equal(setting.both(&pair).await);
    }
}

#[tokio::test]
async fn a_barrier_over_a_set_of_volumes_is_one_instant() {
    let setting = Setting::new().await;
    let pairs = [setting.pair("ONE/0x0", "ONE/0x1").await, setting.pair("ONE/0x2", "ONE/0x3").await];
    for pair in pairs {
        setting.start(pair).await;
    }
    for pair in &pairs {
        setting.equivalent(pair).await;
    }
    // A host that writes a number to one volume, and only then to the other.
    let writer = {
        let admin = ecdeck::driver::emulated::admin::Admin::new(setting.test_site.home(), false);
        tokio::spawn(async move {
            for number in 0..2_000_u32 {
                for volume in ["ONE/0x0", "ONE/0x2"] {
                    let data = Data::Text { text: format!("{number:08}") };
                    let write = Administration::Write { volume: volume.into(), offset: 512, data };
                    admin.tell(write).await.unwrap();
                }
            }
        })
    };
    for _ in 0..10 {
        setting.suspend(&pairs).await;
        let mut seen = Vec::new();
        for pair in &pairs {
            let mut number = [0; 8];
            std::fs::File::open(setting.image(pair.target).await).unwrap().read_exact_at(&mut number, 512).unwrap();
            seen.push(String::from_utf8_lossy(&number).parse::<u32>().unwrap_or(0));
        }
        let (first, second) = (seen[0], seen[1]);
        assert!(first == second || first == second + 1, "{first} and {second} never were at one instant");
        for pair in pairs {
            setting.resume(pair).await;
            setting.equivalent(&pair).await;
        }
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_resume_copies_the_regions_that_changed_and_no_other() {
    let setting = Setting::new().await;
    for pair in ec_and_rec(&setting).await {
        setting.start(pair).await;
        setting.equivalent(&pair).await;
        let whole = SIZE.div_ceil(REGION);
        assert_eq!(setting.entry(&pair).await.figures.copied_regions, whole);
        setting.suspend(&[pair]).await;
        setting.scatter("ONE/0x0", 5, 12).await;
        let target = if setting.is_of_one(pair.target) { "ONE/0x1" } else { "TWO/0x0" };
        setting.scatter(target, 6, 3).await;
        let changed = setting.differing_regions(&pair).await;
        assert!((1..=15).contains(&changed));
        let differing = setting.entry(&pair).await.figures.differing;
        assert!(differing.bytes() >= changed * REGION - REGION && differing.bytes() <= 15 * REGION, "{differing}");
        setting.resume(pair).await;
        setting.equivalent(&pair).await;
        let copied = setting.entry(&pair).await.figures.copied_regions - whole;
        assert!((changed..=15).contains(&copied), "{copied} of {changed}");
        setting.check_equal(setting.both(&pair).await);
        let stop = Command::Stop { pairs: vec![pair], force: false };
        assert_eq!(setting.send(stop).await, ["done"]);
    }
}

#[tokio::test]
async fn a_forced_suspend_in_mid_copy_keeps_its_place() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.rate(Some(4 << 20)).await;
    setting.start(pair).await;
    setting.wait_until(&pair, "some progress", |it| it.progress.is_some_and(|p| p.done.0 > 0)).await;
    let suspend = |force| Command::Suspend { pairs: vec![pair], force, together: false };
    assert_eq!(setting.send(suspend(false)).await, ["E5323"]);
    assert_eq!(setting.send(suspend(true)).await, ["done"]);
    let reading = setting.reading(&pair).await.unwrap();
    assert_eq!((reading.status, reading.phase), (Status::Suspended, Phase::Copying));
    let left = reading.difference.unwrap().bytes();
    assert!(left > 0 && left < SIZE);
    setting.rate(None).await;
    setting.resume(pair).await;
    setting.equivalent(&pair).await;
    setting.check_equal(setting.both(&pair).await);
    let copied = setting.entry(&pair).await.figures.copied_regions;
    assert_eq!(copied, SIZE.div_ceil(REGION), "nothing is copied twice");
}

#[tokio::test]
async fn what_is_imported_is_the_file() {
    let setting = Setting::new().await;
    let file = setting.test_site.path().join("image");
    let bytes: Vec<u8> = (0..3_u32 << 20).map(|at| (at / 77) as u8).collect();
    std::fs::write(&file, &bytes).unwrap();
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.test_site.run_words(&["array", "import", "ONE/0x0", file.to_str().unwrap()]).ends(0);
    setting.equivalent(&pair).await;
    setting.suspend(&[pair]).await;
    assert_eq!(setting.bytes(pair.target).await[..bytes.len()], bytes);
    let prints = ["ONE/0x0", "ONE/0x1"].map(|volume| setting.test_site.json(&format!("array fingerprint {volume}")));
    assert_eq!(prints[0]["blake3"], prints[1]["blake3"]);
    let wanted = blake3::hash(&setting.bytes(pair.source).await).to_hex().to_string();
    assert_eq!(prints[0]["blake3"], wanted.as_str());
}

#[tokio::test]
async fn a_copy_into_a_volume_that_other_sessions_know_is_known_to_them() {
    let setting = Setting::new().await;
    let kept = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(kept).await;
    setting.equivalent(&kept).await;
    setting.suspend(&[kept]).await;
    // The source becomes the target of another copy.
    let onto = setting.pair("ONE/0x2", "ONE/0x0").await;
    setting.start(onto).await;
    setting.equivalent(&onto).await;
    setting.resume(kept).await;
    setting.crash();
    setting.equivalent(&onto).await;
    setting.equivalent(&kept).await;
    for pair in [onto, kept] {
        setting.check_equal(setting.both(&pair).await);
    }
}

#[tokio::test]
async fn a_cascade_between_boxes_outlasts_writes_and_kills() {
    let setting = Setting::new().await;
    let mut random = fastrand::Rng::with_seed(3);
    for round in 0..4 {
        // Set up in both orders, inside one box and to the other one.
        let (first, second) = (
            setting.pair("ONE/0x0", "ONE/0x1").await,
            setting.pair("ONE/0x1", ["ONE/0x2", "TWO/0x0"][round % 2]).await,
        );
        setting.rate(Some(8 << 20)).await;
        let order = if round < 2 { [first, second] } else { [second, first] };
        for pair in order {
            setting.start(pair).await;
        }
        assert_eq!(setting.reading(&second).await.unwrap().phase, Phase::Copying);
        setting.workload("ONE/0x0", writes(round as u64, 4 << 20)).await;
        for _ in 0..2 {
            // A moment in mid copy: chance is what is tested here.
            tokio::time::sleep(Duration::from_millis(random.u64(1..300))).await;
            setting.crash();
            let (one, two) = (setting.reading(&first).await.unwrap(), setting.reading(&second).await.unwrap());
            assert!(two.phase == Phase::Copying || one.phase == Phase::Equivalent, "{one:?} {two:?}");
        }
        setting.rate(None).await;
        setting.equivalent(&second).await;
        assert_eq!(setting.reading(&first).await.unwrap().phase, Phase::Equivalent);
        // At one instant of the writes that go on.
        setting.suspend(&[second]).await;
        setting.workload("ONE/0x0", None).await;
        setting.check_equal(setting.both(&first).await);
        setting.resume(second).await;
        setting.equivalent(&second).await;
        setting.check_equal(setting.both(&second).await);
        setting.crash();
        for pair in [second, first] {
            setting.equivalent(&pair).await;
            assert_eq!(setting.send(Command::Stop { pairs: vec![pair], force: false }).await, ["done"]);
            setting.check_equal(setting.both(&pair).await);
        }
    }
}
