//! Images that are not what is registered, and folders that two servers want: one volume is out of service, bytes are not.

use super::setting::{SIZE, Setting};
use crate::array_lab::Lab;
use crate::test_site::{DEADLINE, TestSite};
use ecdeck::driver::Driver;
use ecdeck::model::copy::Command;
use ecdeck::model::session::{ErrorByte, Pair, SessionReading, Status};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn entry(test_site: &TestSite, olu: usize) -> Value {
    test_site.json("array volumes")["volumes"][olu].clone()
}

fn why(test_site: &TestSite, olu: usize) -> String {
    entry(test_site, olu)["out_of_service"].as_str().unwrap_or_default().to_owned()
}

fn image(test_site: &TestSite, olu: usize) -> PathBuf {
    PathBuf::from(entry(test_site, olu)["image"].as_str().unwrap())
}

/// What can become of a file while nobody looks.
fn damage(image: &Path, how: &str) {
    match how {
        "shrunk" => fs::File::options().write(true).open(image).unwrap().set_len(512 * 8).unwrap(),
        "emptied" => fs::write(image, "").unwrap(),
        "replaced" => {
            let other = image.with_extension("other");
            fs::write(&other, vec![7; fs::metadata(image).unwrap().len() as usize]).unwrap();
            fs::rename(other, image).unwrap();
        }
        "deleted" => fs::remove_file(image).unwrap(),
        "a folder" => {
            fs::remove_file(image).unwrap();
            fs::create_dir(image).unwrap();
        }
        other => panic!("{other}"),
    }
}

#[test]
fn an_image_that_changed_while_the_array_was_down_takes_its_volume_out_of_service_and_no_other_one() {
    for how in ["shrunk", "emptied", "replaced", "deleted", "a folder"] {
        let test_site = TestSite::new();
        test_site.run("array create ONE --size 4MiB --count 2").ends(0);
        let bad = image(&test_site, 0);
        test_site.run("array stop").ends(0);
        damage(&bad, how);
        test_site.run("array start").ends(0);
        assert!(!why(&test_site, 0).is_empty(), "{how}");
        assert_eq!(why(&test_site, 1), "", "{how}");
        test_site.run("array write ONE/0x1 --text fine").ends(0);
        let refused = test_site.run("array write ONE/0x0 --text lost").ends(1);
        assert!(refused.err.contains("out of service"), "{how}: {refused:?}");
        let list = test_site.json("array list");
        assert!(list["attentions"][0].as_str().unwrap().contains("array accept"), "{how}: {list:#}");
        assert!(test_site.run("array volumes").ends(0).out.contains("! ONE/0x0 is out of service"), "{how}");
    }
}

#[tokio::test]
async fn a_copy_with_a_bad_image_is_in_error_and_a_start_on_one_is_refused() {
    let setting = Setting::new().await;
    let (pair, other) = (setting.pair("ONE/0x0", "ONE/0x1").await, setting.pair("ONE/0x2", "ONE/0x3").await);
    for pair in [pair, other] {
        setting.start(pair).await;
        setting.equivalent(&pair).await;
    }
    setting.test_site.run("array stop").ends(0);
    let short = fs::File::options().write(true).open(image_of(&setting, pair).await).unwrap();
    short.set_len(SIZE / 2 / 512 * 512).unwrap();
    setting.test_site.run("array start").ends(0);
    let reading = setting.reading(&pair).await.unwrap();
    assert_eq!((reading.status, reading.error), (Status::ErrorSuspended, Some(ErrorByte(0xB3))));
    setting.equivalent(&other).await;
    let reported = setting.one.volumes().await.unwrap();
    assert!(reported.iter().all(|volume| volume.id != pair.target), "the driver does not report it");
    assert_eq!(setting.send(Command::Stop { pairs: vec![pair], force: true }).await, ["done"]);
    assert_eq!(setting.send(Command::Start { pairs: vec![pair], modes: None }).await, ["E5304"]);
    // The right size again: it is the same file.
    short.set_len(SIZE).unwrap();
    let deadline = std::time::Instant::now() + DEADLINE;
    while !why(&setting.test_site, 1).is_empty() {
        assert!(std::time::Instant::now() < deadline);
    }
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    setting.suspend(&[pair]).await;
    setting.check_equal(setting.both(&pair).await);
}

/// The image of a pair's target, wherever the array is.
async fn image_of(setting: &Setting, pair: Pair) -> PathBuf {
    setting.test_site.run("array start").ends(0);
    let image = setting.image(pair.target).await;
    setting.test_site.run("array stop").ends(0);
    image
}

#[test]
fn a_backup_on_an_image_that_was_deleted_meanwhile_records_no_generation() {
    let lab = Lab::of(1, 1, 4);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    fs::remove_file(lab.image("A1/0x21")).unwrap();
    let ran = lab.run("backup t1 --yes --json");
    assert_ne!(ran.exit, 0, "{ran:?}");
    assert!(lab.kept("t1").is_empty());
    let status = lab.wait_for_state("t1", "error");
    assert_eq!(lab.entry(&status, "t1")["kept"], 0);
}

#[tokio::test]
async fn a_replaced_image_is_accepted_by_its_administrator_and_counts_as_all_different() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    setting.suspend(&[pair]).await;
    damage(&setting.image(pair.target).await, "replaced");
    let accept = || setting.test_site.run("array accept ONE/0x1");
    // Seen by whoever looks at the volumes.
    let deadline = std::time::Instant::now() + DEADLINE;
    while why(&setting.test_site, 1).is_empty() {
        assert!(std::time::Instant::now() < deadline);
    }
    accept().ends(0);
    assert_eq!(why(&setting.test_site, 1), "");
    accept().ends(2);
    let is_in_error = |reading: &SessionReading| reading.status == Status::ErrorSuspended;
    setting.wait_until(&pair, "the error", is_in_error).await;
    assert_eq!(setting.entry(&pair).await.figures.differing.bytes(), SIZE);
    setting.crash();
    assert_eq!(why(&setting.test_site, 1), "", "it is the volume's from now on");
    assert!(is_in_error(&setting.reading(&pair).await.unwrap()));
    setting.test_site.run("array write ONE/0x1 --text mine").ends(0);
}

#[test]
fn a_home_that_was_copied_or_restored_goes_on_with_its_images() {
    for killed in [false, true] {
        let test_site = TestSite::new();
        test_site.run("array create ONE --size 4MiB --count 2").ends(0);
        test_site.run("array write ONE/0x0 --text precious").ends(0);
        if killed {
            test_site.kill_arrays();
        } else {
            test_site.run("array stop").ends(0);
        }
        let copy = TestSite::new();
        let status = std::process::Command::new("cp")
            .args(["-a", test_site.home().arrays_dir().to_str().unwrap(), copy.home().arrays_dir().to_str().unwrap()])
            .status()
            .unwrap();
        assert!(status.success());
        copy.run("array start").ends(0);
        test_site.run("array start").ends(0);
        for home in [&test_site, &copy] {
            assert_eq!((why(home, 0), why(home, 1)), (String::new(), String::new()), "killed: {killed}");
            assert!(fs::read(image(home, 0)).unwrap().starts_with(b"precious"));
        }
    }
}

#[tokio::test]
async fn a_home_that_was_copied_while_its_arrays_ran_calls_nothing_the_same() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    setting.suspend(&[pair]).await;
    let copy = TestSite::new();
    let (from, to) = (setting.test_site.home().arrays_dir(), copy.home().arrays_dir());
    let copied = std::process::Command::new("cp").arg("-a").arg(&from).arg(&to).status().unwrap();
    assert!(copied.success());
    copy.run("array start").ends(0);
    let volumes = copy.json("array volumes");
    assert_eq!(volumes["volumes"][0]["sessions"][0]["differing"], SIZE / 512, "{volumes:#}");
    setting.test_site.run("array stop").ends(0);
    setting.test_site.run("array start").ends(0);
    assert_eq!(setting.entry(&pair).await.figures.differing.0, 0, "where it was made nothing is unsure");
}

#[test]
fn a_second_server_on_the_same_images_is_refused_by_whatever_path_it_comes() {
    let test_site = TestSite::new();
    test_site.run("array create ONE --size 4MiB").ends(0);
    let pid = test_site.json("array list")["arrays"][0]["pid"].clone();
    let other = TestSite::new();
    std::os::unix::fs::symlink(test_site.home().arrays_dir(), other.home().arrays_dir()).unwrap();
    let refused = other.run("array start").ends(5);
    assert!(refused.err.contains(&format!("process {pid}")), "{refused:?}");
    // Deeper down the lock on each image counts.
    let deeper = TestSite::new();
    deeper.run("array create ONE --size 4MiB").ends(0);
    deeper.run("array stop").ends(0);
    let volumes = image(&test_site, 0).parent().unwrap().to_owned();
    let own = deeper.home().arrays_dir().join(volumes.parent().unwrap().file_name().unwrap()).join("volumes");
    fs::remove_dir_all(&own).unwrap();
    std::os::unix::fs::symlink(&volumes, &own).unwrap();
    deeper.run("array start").ends(0);
    assert!(!why(&deeper, 0).is_empty());
    test_site.run("array write ONE/0x0 --text mine").ends(0);
}

#[test]
fn what_cannot_be_made_leaves_nothing_behind() {
    let test_site = TestSite::new();
    test_site.run("array create ONE --size 4MiB").ends(0);
    let refused = test_site.run("array create TWO --size 16777217MiB");
    assert_ne!(refused.exit, 0, "{refused:?}");
    let list = test_site.json("array list");
    assert_eq!(list["arrays"].as_array().unwrap().len(), 1, "an array whose volumes cannot be made is not made");
    test_site.run("array create TWO --size 4MiB").ends(0);
}
