//! SIGKILL at any moment: sessions are as they were, and what differs is never called the same.

use super::setting::{SIZE, Setting, writes};
use ecdeck::driver::emulated::admin::{Administration, Data};
use ecdeck::driver::emulated::wire::FORMAT;
use ecdeck::model::copy::Command;
use ecdeck::model::session::{Phase, Status};
use std::time::Duration;

/// Kills in a run; more with `ECDECK_ROUNDS`.
fn kills() -> u64 {
    let rounds: u64 = std::env::var("ECDECK_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    25 * rounds
}

#[tokio::test]
async fn a_killed_array_goes_on_copying_from_where_its_map_says() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "TWO/0x0").await;
    setting.rate(Some(6 << 20)).await;
    setting.workload("ONE/0x0", writes(3, 1 << 20)).await;
    setting.start(pair).await;
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..kills() {
        // A moment in mid copy: chance is what is tested here.
        tokio::time::sleep(Duration::from_millis(random.u64(1..250))).await;
        setting.crash();
        let reading = setting.reading(&pair).await.unwrap();
        assert_eq!(reading.status, Status::Active);
    }
    setting.rate(None).await;
    setting.equivalent(&pair).await;
    setting.workload("ONE/0x0", None).await;
    setting.suspend(&[pair]).await;
    setting.check_equal(setting.both(&pair).await);
}

#[tokio::test]
async fn a_killed_array_knows_what_was_being_mirrored() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    let mut random = fastrand::Rng::with_seed(12);
    for round in 0..kills() {
        setting.workload("ONE/0x0", writes(round, 16 << 20)).await;
        tokio::time::sleep(Duration::from_millis(random.u64(1..150))).await;
        setting.crash();
        setting.workload("ONE/0x0", None).await;
        setting.equivalent(&pair).await;
        setting.check_equal(setting.both(&pair).await);
    }
}

#[tokio::test]
async fn a_killed_array_remembers_what_was_written_while_suspended() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    for round in 0..kills() {
        setting.suspend(&[pair]).await;
        setting.scatter("ONE/0x0", round, 4).await;
        setting.crash();
        let reading = setting.reading(&pair).await.unwrap();
        assert!(reading.is_cleanly_suspended(), "{reading:?}");
        let differing = reading.difference.unwrap().bytes();
        assert!(differing < SIZE, "only hot extents are unsure: {differing}");
        // A second crash right after the start, before anything was written anew.
        setting.scatter("ONE/0x1", round + 100, 1).await;
        setting.crash();
        setting.resume(pair).await;
        setting.equivalent(&pair).await;
        setting.check_equal(setting.both(&pair).await);
    }
}

#[tokio::test]
async fn commands_that_were_answered_are_remembered() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.crash();
    assert!(setting.reading(&pair).await.is_some());
    setting.equivalent(&pair).await;
    setting.suspend(&[pair]).await;
    setting.crash();
    let reading = setting.reading(&pair).await.unwrap();
    assert_eq!((reading.status, reading.phase), (Status::Suspended, Phase::Equivalent));
    assert_eq!(reading.difference.unwrap().0, 0, "a suspend leaves nothing unsure");
    setting.resume(pair).await;
    setting.crash();
    assert_eq!(setting.reading(&pair).await.unwrap().status, Status::Active);
    setting.equivalent(&pair).await;
    assert_eq!(setting.send(Command::Stop { pairs: vec![pair], force: false }).await, ["done"]);
    setting.crash();
    assert!(setting.reading(&pair).await.is_none());
}

#[tokio::test]
async fn a_damaged_map_is_all_dirty_and_people_are_told() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    setting.suspend(&[pair]).await;
    setting.test_site.run("array stop").ends(0);
    let folder = setting.test_site.home().arrays_dir().join(pair.source.box_id.as_str()).join("maps");
    let maps = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    for map in maps.filter(|path| path.extension().is_some_and(|ending| ending == "map")) {
        let length = std::fs::metadata(&map).unwrap().len();
        std::fs::write(&map, vec![0x5A; length as usize]).unwrap();
    }
    setting.test_site.run("array start").ends(0);
    let reading = setting.reading(&pair).await.unwrap();
    assert_eq!(reading.difference.unwrap().bytes(), SIZE);
    let warnings = setting.admin.list().await.unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("was lost")), "{warnings:?}");
}

#[tokio::test]
async fn a_state_file_of_another_format_is_refused_and_left_alone() {
    let setting = Setting::new().await;
    setting.test_site.run("array stop").ends(0);
    let file = setting.test_site.home().arrays_dir().join("arrays.json");
    let kept = std::fs::read_to_string(&file).unwrap();
    for (text, wanted) in [
        (kept.replacen(&format!("\"format\":{FORMAT}"), "\"format\":99", 1), "format 99"),
        (kept[..kept.len() / 2].to_owned(), "cannot be read"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let ran = setting.test_site.run("array start").ends(5);
        assert!(ran.err.contains(wanted), "{ran:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
}

#[tokio::test]
async fn a_state_file_of_the_format_before_is_understood() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    setting.test_site.run("array stop").ends(0);
    let file = setting.test_site.home().arrays_dir().join("arrays.json");
    let kept = std::fs::read_to_string(&file).unwrap();
    let before = kept.replacen(&format!("\"format\":{FORMAT}"), "\"format\":1", 1);
    assert_ne!(before, kept);
    std::fs::write(&file, before).unwrap();
    setting.test_site.run("array start").ends(0);
    setting.equivalent(&pair).await;
    assert_eq!(setting.entry(&pair).await.figures.differing.0, 0);
}

#[tokio::test]
async fn a_write_in_flight_at_the_kill_is_on_both_sides_or_marked() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    let admin = ecdeck::driver::emulated::admin::Admin::new(setting.test_site.home(), false);
    let writing = tokio::spawn(async move {
        let data = Data::Seeded { seed: 99, length: SIZE };
        admin.tell(Administration::Write { volume: "ONE/0x0".into(), offset: 0, data }).await
    });
    let image = setting.image(pair.source).await;
    let before = std::fs::metadata(&image).unwrap().modified().unwrap();
    while std::fs::metadata(&image).unwrap().modified().unwrap() == before {
        tokio::task::yield_now().await;
    }
    setting.test_site.kill_arrays();
    let _ = writing.await.unwrap();
    setting.test_site.run("array start").ends(0);
    setting.equivalent(&pair).await;
    setting.check_equal(setting.both(&pair).await);
}
