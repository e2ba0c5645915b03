//! Tests of the configuration: the example, and what is said of each kind of mistake.

use super::*;
use crate::driver::ccm::settings::Settings;
use crate::driver::emulated::kind::{Embedded, EmbeddedConfig};
use crate::model::hook::HookNeed;
use std::collections::BTreeSet;

const EXAMPLE: &str = include_str!("../../config.example.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("/etc/ecdeck/config.toml")).map_err(|error| error.to_string())
}

fn error(text: &str) -> String {
    parse(text).expect_err("this is wrong")
}

/// The example with every key that is commented out put in force: `#key` is a key, `# text` is an explanation.
fn uncommented() -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') => rest.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

fn embedded(home: Option<&str>) -> ControlPlane {
    ControlPlane::new(&Embedded, Arc::new(EmbeddedConfig { home: home.map(PathBuf::from), rules: None }))
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[test]
fn the_example_as_it_is_has_every_default() {
    let config = parse(EXAMPLE).unwrap();
    let embedded = Array { name: name("DX1"), control: embedded(None), forced_stop: None };
    assert_eq!(config, Config { arrays: vec![embedded], ..Config::of_site(name("db01")) });
}

#[test]
fn every_value_that_the_example_explains_is_the_default() {
    let config = parse(&uncommented()).unwrap();
    let usual = Config::of_site(name("db01"));
    assert_eq!(config.engine, usual.engine);
    assert_eq!(config.limits, usual.limits);
    let of = |log: &Log| (log.level, log.keep, log.file_mib);
    assert_eq!(of(&config.log), of(&usual.log));
    assert_eq!(Console { keys: BTreeMap::new(), ..config.console }, usual.console);
    assert_eq!(config.rec[&(name("DX1"), name("DX2"))], RecModes::default());
    let [hook] = &config.hooks[..] else { panic!("one hook is shown") };
    assert_eq!((hook.need, hook.limit_millis, hook.pause_millis), (HookNeed::Required, 30_000, 60_000));
    // These have no value by default: the example shows how one is written.
    assert!(config.catalogue.is_some() && config.log.folder.is_some() && !config.console.keys.is_empty());
    assert!(config.arrays.iter().any(|array| array.forced_stop.is_some()));
    assert!(config.roles.operators.groups.contains(&Member::Name("backup".into())));
}

#[test]
fn the_example_has_every_key() {
    let tables = [
        ("", ""),
        ("[engine]", ""),
        ("[limits]", ""),
        ("[catalogue]", ""),
        ("[log]", ""),
        ("[roles]", ""),
        ("[roles.operators]", ""),
        ("[console]", ""),
        ("[[array]]", "name = \"X\"\ndriver = \"embedded\""),
        ("[array.ccm]", "array = \"X\""),
        ("[[array.ccm.words]]", "word = \"X\""),
        ("[array.forced_stop]", "driver = \"embedded\""),
        ("[[rec]]", "from = \"X\"\nto = \"Y\""),
        ("[[host]]", "name = \"X\""),
        ("[[hook]]", "name = \"X\""),
        ("[[pool]]", "name = \"X\""),
    ];
    let example = uncommented();
    let mut checked = BTreeSet::new();
    for (table, needed) in tables {
        let before = match table {
            "[array.ccm]" => "[[array]]\nname = \"X\"\ndriver = \"ccm\"\n",
            "[array.forced_stop]" => "[[array]]\nname = \"X\"\ndriver = \"embedded\"\n",
            "[[array.ccm.words]]" => "[[array]]\nname = \"X\"\ndriver = \"ccm\"\n[array.ccm]\narray = \"X\"\n",
            _ => "",
        };
        let text =
            format!("site = \"x\"\n{before}{table}\n{needed}\nqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq = 1\n");
        let said = error(&text);
        let known = said.split_once("known are: ").unwrap_or_else(|| panic!("{table}: {said}")).1;
        for key in known.split(", ") {
            let written = example.lines().any(|line| {
                let line = line.trim_start_matches(['[']);
                line.starts_with(&format!("{key} ="))
                    || line.starts_with(&format!("{key}]"))
                    || line.contains(&format!(".{key}]"))
                    || line.starts_with(&format!("{key}."))
            });
            assert!(written, "config.example.toml does not explain {table} {key}");
            checked.insert(key.to_owned());
        }
    }
    assert!(checked.len() >= 30, "only {} keys were found: {checked:?}", checked.len());
}

#[test]
fn a_slip_of_the_finger_is_told_with_file_line_key_and_what_was_meant() {
    let said = error("site = \"db01\"\n\n[engine]\npol = \"2s\"\n");
    assert_eq!(said, "/etc/ecdeck/config.toml:4: engine.pol: there is no such key; did you mean poll?");
    let said = error("site = \"db01\"\n[console]\nfps = 10\ntheme = \"drak\"\n");
    assert_eq!(said, "/etc/ecdeck/config.toml:4: console.theme: \"drak\" is not known here; did you mean dark?");
    let said = error("site = \"db01\"\n[[array]]\nname = \"DX1\"\ndriver = \"embeded\"\n");
    assert_eq!(
        said,
        "/etc/ecdeck/config.toml:4: array[1].driver: \"embeded\" is not known here; did you mean embedded?"
    );
    let said = error("site = \"db01\"\n[consol]\nfps = 10\n");
    assert_eq!(said, "/etc/ecdeck/config.toml:2: consol: there is no such key; did you mean console?");
}

#[test]
fn wrong_values_are_told_with_what_may_stand_there() {
    for (text, line, key, part) in [
        ("site = \"a b\"", 1, "site", "is not a name"),
        ("site = 7", 1, "site", "expected a string"),
        ("site = \"x\"\n[engine]\npoll = \"2w\"", 3, "engine.poll", "write a whole number with ms, s, m, h or d"),
        ("site = \"x\"\n[engine]\npoll = \"1ms\"", 3, "engine.poll", "from 200ms to 300s"),
        ("site = \"x\"\n[console]\nfps = 0", 3, "console.fps", "give 1 to 60"),
        ("site = \"x\"\n[console]\nfps = 300", 3, "console.fps", "300"),
        ("site = \"x\"\n[console.keys]\nbackup = []", 3, "console.keys.backup", "give one"),
        ("site = \"x\"\n[log]\nfolder = \"log\"", 3, "log.folder", "write the path from / on"),
        ("site = \"x\"\n[catalogue]\nurl = \"postgres://a:secret@h/d\"", 3, "catalogue.url", "password"),
        ("site = \"x\"\n[[array]]\nname = \"A\"", 2, "array[1]", "the key driver is missing"),
        ("site = \"x\"\n[roles.viewers]\nusers = [true]", 3, "roles.viewers.users", "a name in quotes"),
        ("site = \"x\"\nsite = \"y\"", 2, "site", "keep one of them"),
        ("site = \"x\nrest", 1, "", "config.example.toml"),
    ] {
        let said = error(text);
        let place = format!("/etc/ecdeck/config.toml:{line}: ");
        assert!(said.starts_with(&place) && said.contains(key) && said.contains(part), "{text:?} gives\n{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    assert!(error("").contains("the key site is missing"));
}

#[test]
fn arrays_and_remote_copies_must_fit_together() {
    let two = "site = \"x\"\n[[array]]\nname = \"DX1\"\ndriver = \"embedded\"\n[[array]]\nname = \"DX2\"\ndriver = \"embedded\"\n";
    let with = |more: &str| format!("{two}{more}");
    let good = parse(&with("[[rec]]\nfrom = \"DX1\"\nto = \"DX2\"\ntransfer = \"consistency\"\n")).unwrap();
    assert_eq!(good.rec_modes(&name("DX1"), &name("DX2")).transfer, crate::model::session::TransferMode::Consistency);
    assert_eq!(good.rec_modes(&name("DX2"), &name("DX1")), RecModes::default());
    for (more, part) in [
        ("[[array]]\nname = \"DX1\"\ndriver = \"embedded\"\n", ":9: array[3].name: another array is called DX1"),
        ("[[rec]]\nfrom = \"DX1\"\nto = \"DX3\"\n", ":10: rec[1].to: there is no array \"DX3\"; did you mean DX1?"),
        ("[[rec]]\nfrom = \"DX1\"\nto = \"DX1\"\n", ":10: rec[1].to: a remote copy goes to another array"),
        ("[[rec]]\nfrom = \"DX1\"\nto = \"DX2\"\ntransfer = \"stack\"\nsplit = \"manual\"\n", ":12: rec[1].split: "),
        ("[[rec]]\nfrom = \"DX1\"\nto = \"DX2\"\n[[rec]]\nfrom = \"DX1\"\nto = \"DX2\"\n", ":12: rec[2].from: "),
    ] {
        let said = error(&with(more));
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let said = Config::load(Path::new("/nowhere/config.toml")).unwrap_err().to_string();
    assert!(said.contains("/nowhere/config.toml"), "{said}");
}

#[test]
fn roles_are_found_by_user_by_group_and_by_own_group() {
    let passwd = "root:x:0:0::/:\nana:x:1001:100::/:\nben:x:1002:50::/:\neva:x:1003:100::/:\n";
    let group = "users:x:100:\nbackup:x:50:eva\n";
    let members = |users: &[&str], groups: &[&str]| Members {
        users: users.iter().map(|user| Member::Name((*user).to_owned())).collect(),
        groups: groups.iter().map(|group| Member::Name((*group).to_owned())).collect(),
    };
    let roles = Roles {
        socket_group: Some(Member::Name("backup".to_owned())),
        administrators: members(&["ana"], &[]),
        operators: members(&[], &["backup"]),
        viewers: Members { users: vec![Member::Id(4_000)], groups: vec![Member::Id(100)] },
    };
    let found = roles.resolve(passwd, group).unwrap();
    let backup = found.socket_group.unwrap();
    assert_eq!(found.administrators.users, [1001]);
    assert_eq!((found.operators.users, found.operators.groups), (vec![1002, 1003], vec![backup]));
    assert_eq!((found.viewers.users, found.viewers.groups), (vec![1001, 1003, 4_000], vec![100]));
    let unknown = Roles { socket_group: Some(Member::Name("nogroup".to_owned())), ..Roles::default() };
    let why = unknown.resolve(passwd, group).unwrap_err().to_string();
    assert!(why.starts_with("engine.group names the group \"nogroup\"") && why.contains("groupadd"), "{why}");
    let unknown = Roles { viewers: members(&[], &["nogroup"]), ..Roles::default() };
    assert!(
        unknown.resolve(passwd, group).unwrap_err().to_string().contains("roles.viewers names the group \"nogroup\"")
    );
}

#[test]
fn an_array_by_ccm_is_read_and_its_mistakes_have_their_line() {
    let ccm = |keys: &str| format!("site = \"x\"\n[[array]]\nname = \"DX1\"\ndriver = \"ccm\"\n[array.ccm]\n{keys}\n");
    let config = parse(&ccm("array = \"ET001\"\nhost = \"ccm01\"\nquery = \"5s\"")).unwrap();
    let made = config.arrays[0].control.config::<Settings>().unwrap();
    assert_eq!((made.array.as_str(), made.query), ("ET001", Duration::from_secs(5)));
    assert_eq!(made.ssh.as_ref().unwrap().host.as_str(), "ccm01");
    for (keys, said) in [
        ("array = \"ET 001\"", ":6: array[1].ccm.array"),
        ("array = \"ET001\"\nhost = \"-oProxyCommand=x\"", ":7: array[1].ccm.host"),
        ("array = \"ET001\"\nuser = \"root\"", ":7: array[1].ccm.user"),
        ("array = \"ET001\"\ndirectory = \"bin; reboot\"", ":7: array[1].ccm.directory"),
        ("array = \"ET001\"\n[[array.ccm.words]]\nword = \"EC Suspend\"", "no meaning"),
        ("array = \"ET001\"\nhots = \"x\"", "did you mean host"),
    ] {
        let told = error(&ccm(keys));
        assert!(told.contains(said), "{keys}: {told}");
    }
    assert!(error("site = \"x\"\n[[array]]\nname = \"A\"\ndriver = \"ccm\"\n").contains("[array.ccm]"));
    let second =
        "site = \"x\"\n[[array]]\nname = \"A\"\ndriver = \"embedded\"\n[array.forced_stop]\ndriver = \"ccm\"\n";
    assert!(error(second).contains("[array.forced_stop.ccm]"));
}
