//! What every driver keeps to, before any array is asked: its keys, its example, its examination, its refusals. The driver that does
//! nothing shows what a new one needs: one file, and one line in a list of drivers.

use ecdeck::config::Config;
use ecdeck::driver::DRIVERS;
use ecdeck::driver::kind::{DriverKind, NoExamination};
use ecdeck::drivers;
use ecdeck::model::codes::Code;
use ecdeck::model::copy::{Command, Outcome};
use ecdeck::model::identity::{Olu, VolumeId};
use ecdeck::model::session::Pair;
use ecdeck::model::units::Timestamp;
use ecdeck::process::paths::Home;
use ecdeck::testkit::null_driver::{Null, NullConfig};
use std::path::Path;
use std::time::Duration;

const EXAMPLE: &str = include_str!("../../config.example.toml");

/// The program's drivers, and one more.
fn all() -> Vec<&'static dyn DriverKind> {
    DRIVERS.iter().copied().chain([&Null as &dyn DriverKind]).collect()
}

fn parse(text: &str) -> Result<Config, String> {
    Config::parse_with(&all(), text, Path::new("/etc/ecdeck/config.toml")).map_err(|error| error.to_string())
}

/// A site of one array, with some lines in its table.
fn site_of(kind: &dyn DriverKind, lines: &str) -> String {
    format!("site = \"x\"\n[[array]]\nname = \"A1\"\ndriver = \"{}\"\n{lines}", kind.name())
}

#[test]
fn a_driver_is_configured_by_its_own_keys_and_no_others() {
    for kind in all() {
        let config = parse(&site_of(kind, kind.example())).unwrap();
        assert_eq!(config.arrays[0].control.driver(), kind.name());
        let again = parse(&site_of(kind, kind.example())).unwrap();
        assert_eq!(config.engine_digest(), again.engine_digest());

        let unknown = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq = 1\n";
        let said = parse(&site_of(kind, unknown)).unwrap_err();
        assert!(said.starts_with("/etc/ecdeck/config.toml:5: array[1].qqq"), "{said}");
        for key in kind.keys().iter().chain(&["name", "driver", "forced_stop"]) {
            assert!(said.contains(key), "{said} does not name {key}");
        }
        for other in all().into_iter().filter(|other| other.name() != kind.name()) {
            for key in other.keys() {
                let said = parse(&site_of(kind, &format!("{key} = 1\n"))).unwrap_err();
                let wanted = format!("driver = \"{}\"; the driver above is \"{}\"", other.name(), kind.name());
                assert!(said.contains(&wanted), "{said}");
            }
        }
    }
    for kind in DRIVERS {
        let named = EXAMPLE.contains(&format!("driver = \"{}\"", kind.name()));
        assert!(named && kind.keys().iter().all(|key| EXAMPLE.contains(key)), "{kind:?} is not explained");
    }
}

#[test]
fn drivers_share_neither_a_name_nor_a_key() {
    let all = all();
    for (at, kind) in all.iter().enumerate() {
        for other in &all[at + 1..] {
            assert_ne!(kind.name(), other.name());
            assert!(kind.keys().iter().all(|key| !other.keys().contains(key)));
        }
    }
}

#[tokio::test]
async fn any_two_drivers_are_the_two_ways_to_an_array() {
    for kind in all() {
        let second = format!("[array.forced_stop]\ndriver = \"null\"\n{}", Null.example());
        let config = parse(&site_of(kind, &format!("{}{second}", kind.example()))).unwrap();
        let second = config.arrays[0].forced_stop.as_ref().unwrap();
        assert!(second.config::<NullConfig>().is_some());
        let folder = tempfile::tempdir().unwrap();
        let made = drivers::of(&Home::in_folder(folder.path()), &config).unwrap();
        assert_eq!(made[0].name.as_str(), "A1");
    }
}

#[tokio::test]
async fn an_examination_finds_something_or_says_why_there_is_nothing() {
    let config = parse(&site_of(&Null, Null.example())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let home = Home::in_folder(folder.path());
    let why = drivers::examine(&home, &config, "A1", Timestamp(1)).await.unwrap_err();
    assert!(matches!(&why, drivers::ExamineError::Not(NoExamination::Needless(text)) if text.contains("A1")), "{why}");
    let why = drivers::examine(&home, &config, "A2", Timestamp(1)).await.unwrap_err();
    assert!(why.to_string().contains("no array \"A2\""), "{why}");
}

#[tokio::test]
async fn a_driver_that_does_nothing_refuses_each_pair() {
    let config = parse(&site_of(&Null, Null.example())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = drivers::of(&Home::in_folder(folder.path()), &config).unwrap();
    let driver = &made[0].driver;
    assert!(driver.identify().await.is_err() && driver.sessions(Timestamp(1)).await.is_err());
    assert!(driver.volumes().await.is_err());
    let able = driver.capabilities();
    assert!(able.verbs.is_empty() && able.message_id(Code::NO_SESSION).is_none());
    let box_id = config.arrays[0].control.config::<NullConfig>().unwrap().box_id;
    let volume = |olu| VolumeId { box_id, olu: Olu(olu) };
    let pairs = vec![Pair::new(volume(1), volume(2)), Pair::new(volume(3), volume(4))];
    let outcomes = driver.execute(Command::Start { pairs: pairs.clone(), modes: None }, Duration::from_secs(1)).await;
    assert_eq!(outcomes.iter().map(|each| each.pair).collect::<Vec<_>>(), pairs);
    assert!(outcomes.iter().all(|each| matches!(each.outcome, Outcome::Refused(_))), "{outcomes:?}");
}
