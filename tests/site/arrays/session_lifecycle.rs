//! The life of the array's process.

use super::setting::Setting;
use crate::test_site::{DEADLINE, TestSite};
use ecdeck::driver::Driver;
use ecdeck::driver::emulated::admin::{Admin, Content, NewArray, NewSession, NewState, NewVolume, Provision};
use ecdeck::driver::emulated::driver::Embedded;
use ecdeck::model::copy::ErrorClass;
use ecdeck::model::identity::{Olu, VolumeId};
use ecdeck::model::session::{Pair, Phase, Status};
use ecdeck::model::units::{Blocks, Timestamp};
use ecdeck::process::frames::{FrameReader, Hello, greet};
use ecdeck::process::instance;
use rustix::process::Signal;
use std::time::Instant;

#[test]
fn two_starters_at_once_get_one_server() {
    let test_site = TestSite::new();
    let starters: Vec<_> = (0..4).map(|_| test_site.spawn("array start")).collect();
    for starter in starters {
        starter.end().ends(0);
    }
    let pid = instance::pid_of(&test_site.home().array_server()).unwrap();
    test_site.run("array create ONE --size 1MiB").ends(0);
    assert_eq!(test_site.json("array list")["arrays"][0]["pid"], pid);
    let second = test_site.run("array serve").ends(5);
    assert!(second.err.contains("already serves"), "{second:?}");
}

#[test]
fn arrays_whose_list_is_lost_are_not_opened_and_no_image_is_deleted() {
    let test_site = TestSite::new();
    test_site.run("array create ONE --size 1MiB --count 2").ends(0);
    test_site.run("array write ONE/0x0 --text precious").ends(0);
    let folder = test_site.home().arrays_dir();
    let (list, aside) = (folder.join("arrays.json"), test_site.path().join("arrays.json"));
    test_site.kill_arrays();
    std::fs::rename(&list, &aside).unwrap();
    let told = test_site.run("array list").ends(5);
    assert!(told.err.contains("arrays.json is missing, and 2 images"), "{told:?}");
    std::fs::rename(&aside, &list).unwrap();
    let image = |at: usize| {
        let volumes = test_site.json("array volumes");
        std::path::PathBuf::from(volumes["volumes"][at]["image"].as_str().unwrap())
    };
    assert!(std::fs::read(image(0)).unwrap().starts_with(b"precious"));

    // A list that is older than an image: its bytes are kept, out of the way.
    std::fs::copy(&list, &aside).unwrap();
    test_site.run("array create ONE --size 1MiB --olu 0x9").ends(0);
    test_site.run("array write ONE/0x9 --text newer").ends(0);
    let newer = image(2);
    test_site.kill_arrays();
    std::fs::copy(&aside, &list).unwrap();
    let warnings = test_site.json("array list")["warnings"].to_string();
    assert!(warnings.contains("is no volume here"), "{warnings}");
    let unknown = newer.with_extension("unknown");
    assert!(warnings.contains(unknown.to_str().unwrap()), "{warnings}");
    assert!(std::fs::read(&unknown).unwrap().starts_with(b"newer"));
}

#[test]
fn a_write_beyond_the_volume_s_end_writes_nothing() {
    let test_site = TestSite::new();
    test_site.run("array create ONE --size 4MiB").ends(0);
    let before = test_site.run("array fingerprint ONE/0x0").ends(0).out;
    for words in
        ["--length 5MiB", "--offset 3MiB --length 2MiB", "--scatter 3 --offset 64MiB", "--offset 4MiB --text x"]
    {
        let told = test_site.run(&format!("array write ONE/0x0 {words}")).ends(2);
        assert!(told.err.contains("4194304"), "{told:?}");
    }
    assert_eq!(test_site.run("array fingerprint ONE/0x0").ends(0).out, before);
}

#[test]
fn a_home_without_arrays_starts_no_process_for_a_list() {
    let test_site = TestSite::new();
    std::fs::create_dir(test_site.home().arrays_dir()).unwrap();
    std::fs::remove_dir(test_site.home().arrays_dir()).unwrap();
    let ran = test_site.run("array stop").ends(0);
    assert!(ran.err.is_empty());
    assert!(instance::pid_of(&test_site.home().array_server()).is_none());
}

#[tokio::test]
async fn sigterm_is_a_clean_end_and_everything_is_there_again() {
    let setting = Setting::new().await;
    let pair = setting.pair("ONE/0x0", "ONE/0x1").await;
    setting.start(pair).await;
    setting.equivalent(&pair).await;
    setting.scatter("ONE/0x0", 1, 20).await;
    setting.test_site.signal(&setting.test_site.home().array_server(), Signal::TERM);
    assert!(!setting.test_site.home().array_server().socket.exists());
    setting.test_site.run("array start").ends(0);
    let reading = setting.reading(&pair).await.unwrap();
    assert!(reading.is_equivalent(), "a clean end leaves nothing unsure: {reading:?}");
}

#[tokio::test]
async fn an_array_of_another_version_is_an_error_with_its_remedy() {
    let test_site = TestSite::new();
    let place = test_site.home().array_server();
    let instance::Claim::Ours(instance_lock) = instance::claim(&place).unwrap() else { panic!("nobody else is here") };
    let listener = instance_lock.bind().unwrap();
    let served = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (read, mut write) = stream.into_split();
            let hello = Hello::of("ecdeck-array", 99, 1);
            let _ = greet(&mut FrameReader::new(read), &mut write, &hello, "").await;
        }
    });
    let error = Embedded::new(test_site.home(), "ONE".into(), false).identify().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Protocol);
    let text = error.to_string();
    let pid = std::process::id();
    assert!(text.contains("protocol 99") && text.contains("another release"), "{text}");
    assert!(text.contains(&format!("end it: `kill {pid}`")), "{text}");
    served.abort();
}

#[tokio::test]
async fn a_whole_site_is_provisioned_at_once_with_bytes_that_are_what_they_are_said_to_be() {
    let test_site = TestSite::new();
    test_site.run("array start").ends(0);
    let admin = Admin::new(test_site.home(), false);
    let arrays: Vec<NewArray> = ["D1", "D2"]
        .map(|name| {
            let name: ecdeck::model::identity::Name = name.parse().unwrap();
            NewArray { box_id: ecdeck::driver::emulated::core::box_id(&name), name }
        })
        .into();
    let volume = |array: usize, olu| VolumeId { box_id: arrays[array].box_id, olu: Olu(olu) };
    let content = |rounds| Some(Content { seed: 5, filled: 6 << 20, rounds });
    let make = |id, rounds| NewVolume {
        id,
        label: "v".into(),
        blocks: Blocks::from_mib(96),
        content: if rounds == 0 { None } else { content(rounds) },
    };
    let source = volume(0, 0);
    let mut volumes = vec![make(source, 9)];
    volumes.extend([(1, 7), (2, 8), (3, 0), (4, 0), (5, 6)].map(|(olu, rounds)| make(volume(0, olu), rounds)));
    volumes.extend((0..20).map(|olu| make(volume(1, olu), 3)));
    let session = |target, state, percent, full| NewSession {
        pair: Pair::new(source, target),
        state,
        percent,
        full,
        modes: None,
        started: Some(Timestamp(1)),
    };
    let sessions = vec![
        session(volume(0, 1), NewState::Suspended, 100, false),
        session(volume(0, 2), NewState::Suspended, 100, false),
        session(volume(0, 3), NewState::Copying, 40, true),
        session(volume(0, 4), NewState::Equivalent, 100, true),
        session(volume(0, 5), NewState::Error(0xBA), 50, false),
        session(volume(1, 0), NewState::Halted, 100, false),
    ];
    let wanted = Provision { arrays: arrays.clone(), volumes, sessions, bytes_per_second: None, workloads: Vec::new() };
    let begun = Instant::now();
    admin.provision(wanted.clone()).await.unwrap();
    let took = begun.elapsed();
    println!("26 volumes of 96 MiB and 6 sessions were made in {took:?}");
    assert!(took.as_secs() < 20, "{took:?}");
    assert!(admin.provision(wanted).await.is_err(), "what is there is not made again");
    let driver = Embedded::new(test_site.home(), "D1".into(), false);
    let state = async |target| {
        let pair = Pair::new(source, target);
        let reading = driver.sessions(Timestamp(1)).await.unwrap().look_for(&pair).shown().cloned().unwrap();
        (reading.status, reading.phase)
    };
    assert_eq!(state(volume(0, 1)).await, (Status::Suspended, Phase::Equivalent));
    assert_eq!(state(volume(0, 4)).await, (Status::Active, Phase::Equivalent));
    assert_eq!(state(volume(0, 5)).await, (Status::ErrorSuspended, Phase::Copying));
    assert_eq!(state(volume(1, 0)).await.0, Status::Halted);
    let deadline = Instant::now() + DEADLINE;
    while state(volume(0, 3)).await.1 != Phase::Equivalent {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let entries = admin.volumes().await.unwrap();
    let bytes = |id| std::fs::read(&entries.iter().find(|entry| entry.id == id).unwrap().image).unwrap();
    assert_eq!(bytes(source), bytes(volume(0, 3)));
    assert_eq!(bytes(source), bytes(volume(0, 4)));
    assert_ne!(bytes(volume(0, 1)), bytes(volume(0, 2)), "generations are bytes of their own");
    // What a suspended session says of its difference is exactly what differs.
    for olu in [1, 2] {
        let pair = Pair::new(source, volume(0, olu));
        let regions =
            bytes(source).chunks(65_536).zip(bytes(pair.target).chunks(65_536)).filter(|(a, b)| a != b).count();
        let reading = driver.sessions(Timestamp(1)).await.unwrap().look_for(&pair).shown().cloned().unwrap();
        assert_eq!(reading.difference.unwrap().bytes(), regions as u64 * 65_536);
    }
}

/// A thousand sessions, killed and started again; what it took is printed.
#[tokio::test]
async fn a_thousand_sessions_are_back_soon_after_a_kill() {
    let test_site = TestSite::new();
    test_site.run("array start").ends(0);
    let admin = Admin::new(test_site.home(), false);
    let name: ecdeck::model::identity::Name = "BIG".parse().unwrap();
    let box_id = ecdeck::driver::emulated::core::box_id(&name);
    let id = |olu| VolumeId { box_id, olu: Olu(olu) };
    let volume = |olu| NewVolume { id: id(olu), label: String::new(), blocks: Blocks::from_mib(1), content: None };
    let session = |olu| NewSession {
        pair: Pair::new(id(olu), id(olu + 1000)),
        state: NewState::Equivalent,
        percent: 100,
        full: true,
        modes: None,
        started: None,
    };
    let wanted = Provision {
        arrays: vec![NewArray { name, box_id }],
        volumes: (0..2000).map(volume).collect(),
        sessions: (0..1000).map(session).collect(),
        ..Provision::default()
    };
    admin.provision(wanted).await.unwrap();
    test_site.kill_arrays();
    let begun = Instant::now();
    test_site.run("array start").ends(0);
    let took = begun.elapsed();
    println!("1,000 sessions were back after {took:?}");
    assert!(took.as_secs() < 20, "{took:?}");
    let reading = Embedded::new(test_site.home(), "BIG".into(), false).sessions(Timestamp(1)).await.unwrap();
    assert_eq!(reading.sessions.iter().filter(|session| session.is_equivalent()).count(), 1000);
}
