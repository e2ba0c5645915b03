//! A configuration of an earlier release loads with the same meaning, key by key, and so do the defaults.

use super::*;
use crate::driver::ccm::settings::Settings;
use crate::driver::emulated::kind::{Embedded, EmbeddedConfig};
use crate::driver::transport::argv::Word;
use crate::model::session::{Automation, TransferMode};
use crate::process::ssh::SshPath;

const FIRST_RELEASE: &str = include_str!("fixtures/release-0.1.toml");

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("/etc/ecdeck/config.toml")).unwrap()
}

fn members(users: &[Member], groups: &[Member]) -> Members {
    Members { users: users.to_vec(), groups: groups.to_vec() }
}

fn named(name: &str) -> Member {
    Member::Name(name.to_owned())
}

#[test]
fn every_key_of_the_first_release_means_the_same() {
    let config = parse(FIRST_RELEASE);
    let (seconds, minutes) = (Duration::from_secs, Duration::from_mins);
    assert_eq!(config.site.as_str(), "db01");
    assert_eq!(config.engine, Engine { poll: Duration::from_millis(1_500), idle_end: minutes(60) });
    let limits = Limits {
        reading: seconds(19),
        command: seconds(29),
        busy: minutes(2),
        observed: seconds(31),
        accepted: minutes(4),
        unreadable: minutes(16),
    };
    assert_eq!(config.limits, limits);
    assert_eq!(config.catalogue, Some(CataloguePlace::Sqlite("/srv/catalogue.db".into())));
    let log = (config.log.level, config.log.folder.as_deref(), config.log.keep);
    assert_eq!(log, (LogLevel::Debug, Some(Path::new("/var/log/ecdeck")), 15));
    assert_eq!(config.roles.viewers, members(&[named("ana"), Member::Id(1042)], &[named("monitoring")]));
    assert_eq!(config.roles.operators, members(&[named("otto")], &[named("backup"), Member::Id(34)]));
    assert_eq!(config.roles.administrators, members(&[Member::Id(7)], &[named("wheel")]));
    // There was no socket for a group: whoever did not ask for one does not get it.
    assert_eq!(config.roles.socket_group, None);
    let console = &config.console;
    assert_eq!((console.fps, console.theme, console.glyphs, console.slow), (12, Theme::Sixteen, Glyphs::Safe, true));
    assert_eq!(console.keys["backup"].keys, ["b", "ctrl-b"]);
    let (one, two): (Name, Name) = ("DX1".parse().unwrap(), "DX2".parse().unwrap());
    let there = config.rec_modes(&one, &two);
    assert_eq!((there.transfer, there.recovery), (TransferMode::Consistency, Automation::Manual));
    assert_eq!(config.rec_modes(&two, &one).split, Automation::Manual);
}

#[test]
fn every_array_of_the_first_release_means_the_same() {
    let arrays = parse(FIRST_RELEASE).arrays;
    let names: Vec<&str> = arrays.iter().map(|array| array.name.as_str()).collect();
    assert_eq!(names, ["DX1", "DX2", "DX3"]);
    let embedded = |home| ControlPlane::new(&Embedded, Arc::new(EmbeddedConfig { home, rules: None }));
    assert_eq!(arrays[0].control, embedded(None));
    assert_eq!(arrays[1].control, embedded(Some("/srv/arrays".into())));
    let ccm = arrays[2].control.config::<Settings>().unwrap();
    let folder = ccm.directory.as_ref().map(Word::as_str);
    assert_eq!((ccm.array.as_str(), ccm.sudo, folder), ("ET001", true, Some("/opt/FJSVccm/bin")));
    let times = (ccm.connect, ccm.query, ccm.discover);
    assert_eq!(times, (Duration::from_secs(11), Duration::from_secs(21), Duration::from_mins(2)));
    let ssh = ccm.ssh.as_ref().unwrap();
    assert_eq!((ssh.named(), ssh.port), ("backup@ccm01".to_owned(), Some(2222)));
    let path = |path: &Option<SshPath>| path.clone().map(PathBuf::from);
    assert_eq!(path(&ssh.ssh_config), Some("/etc/ecdeck/ssh_config".into()));
    assert_eq!(path(&ssh.identity), Some("/etc/ecdeck/id_ed25519".into()));
    assert_eq!(path(&ssh.known_hosts), Some("/etc/ecdeck/known_hosts".into()));
    assert_eq!((ccm.words.len(), ccm.words[0].word.as_str()), (1, "EC Suspend"));
    let second = arrays[2].forced_stop.as_ref().unwrap().config::<Settings>().unwrap();
    assert_eq!(second.ssh.as_ref().unwrap().host.as_str(), "ccm02");
}

#[test]
fn what_the_first_release_did_without_a_key_is_done_still() {
    let config = parse("site = \"x\"\n[[array]]\nname = \"D\"\ndriver = \"ccm\"\n[array.ccm]\narray = \"E\"\n");
    let (seconds, minutes) = (Duration::from_secs, Duration::from_mins);
    assert_eq!((config.engine.poll, config.engine.idle_end), (seconds(5), minutes(10)));
    assert_eq!((config.limits.reading, config.limits.command), (seconds(20), seconds(30)));
    assert_eq!((config.limits.busy, config.limits.observed), (minutes(1), seconds(30)));
    assert_eq!((config.limits.accepted, config.limits.unreadable), (minutes(3), minutes(15)));
    assert_eq!((config.log.level, config.log.keep, config.log.folder), (LogLevel::Info, 14, None));
    assert_eq!((config.console.fps, config.console.theme, config.console.slow), (20, Theme::Dark, false));
    let ccm = config.arrays[0].control.config::<Settings>().unwrap();
    assert_eq!((ccm.connect, ccm.query, ccm.discover), (seconds(10), seconds(20), minutes(1)));
    assert!(!ccm.sudo && ccm.ssh.is_none() && config.catalogue.is_none() && config.rec.is_empty());
}
