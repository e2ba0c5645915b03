//! `ecdeck metrics`: the format, the figures, the file that a collector reads; the units in `assets/`.

use super::array_lab::Lab;
use super::test_site::TestSite;
use clap::Parser;
use ecdeck::cli::{CommandLine, Verb};
use ecdeck::process::instance;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

type Labels = BTreeMap<String, String>;

/// A document, read as strictly as the format is: families whole and once, samples once, units in names, the end at the end.
struct Document {
    samples: BTreeMap<(String, Labels), f64>,
}

impl Document {
    fn read(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: {text}"));
        assert!(!body.contains("# EOF"), "two ends: {text}");
        let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
        let (mut family, mut has_help) = (String::new(), true);
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# ") {
                let mut words = rest.splitn(3, ' ');
                let (what, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
                match what {
                    "TYPE" => {
                        assert!(has_help, "{family} has no HELP");
                        assert!(families.insert(name.to_owned()), "{name} stands twice");
                        // A node exporter's collector knows neither `stateset` nor `info`.
                        assert_eq!(rest, "gauge", "{line}");
                        (family, has_help) = (name.to_owned(), false);
                    }
                    "UNIT" => assert!(name == family && name.ends_with(&format!("_{rest}")), "{line}"),
                    "HELP" => {
                        assert!(name == family && !rest.is_empty(), "{line}");
                        has_help = true;
                    }
                    _ => panic!("{line}"),
                }
                continue;
            }
            let (name, labels, value) = sample(line);
            assert!(has_help && name == family, "{line} stands in {family}");
            assert!(samples.insert((name, labels), value).is_none(), "{line} stands twice");
        }
        Self { samples }
    }

    /// The value of the sample with exactly these labels.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    #[track_caller]
    fn is(&self, name: &str, labels: &[(&str, &str)], wanted: f64) {
        let found = self.value(name, labels);
        assert!(found.is_some_and(|found| (found - wanted).abs() < 1e-9), "{name} {labels:?}: {found:?}");
    }
}

/// Name, labels and value of a sample; there is no time.
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
    let mut labels = Labels::new();
    if rest.starts_with('{') {
        loop {
            let (label, value) = rest[1..].split_once("=\"").unwrap();
            let mut text = String::new();
            let mut characters = value.char_indices();
            let end = loop {
                match characters.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => text.push(match characters.next().unwrap().1 {
                        'n' => '\n',
                        c @ ('"' | '\\') => c,
                        c => panic!("\\{c} in {line}"),
                    }),
                    (_, c) => text.push(c),
                }
            };
            assert!(labels.insert(label.to_owned(), text).is_none(), "{line}");
            rest = &value[end + 1..];
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            assert!(rest.starts_with(','), "{line}");
        }
    }
    (name.to_owned(), labels, rest.strip_prefix(' ').unwrap().parse().unwrap())
}

fn metrics(site: &TestSite) -> Document {
    Document::read(&site.run("metrics").ends(0).out)
}

#[test]
fn the_figures_are_those_of_the_site() {
    let lab = Lab::of(2, 3, 4);
    lab.policy("t1", 1, "suspend");
    lab.status();
    let before = metrics(&lab);
    before.is("ecdeck_engine_up", &[], 1.0);
    before.is("ecdeck_catalogue_writable", &[], 1.0);
    before.is("ecdeck_array_reachable", &[("array", "A1")], 1.0);
    before.is("ecdeck_transaction_volumes", &[("state", "none")], 2.0);
    before.is("ecdeck_transaction_volumes", &[("state", "halted")], 0.0);
    before.is("ecdeck_volume_recoverable", &[("volume", "t1")], 0.0);
    before.is("ecdeck_volume_recovery", &[("volume", "t1"), ("recoverable", "no")], 1.0);
    before.is("ecdeck_volume_recovery", &[("volume", "t2"), ("recoverable", "no-policy")], 1.0);
    assert_eq!(before.value("ecdeck_volume_newest_generation_age_seconds", &[("volume", "t1")]), None);
    before.is("ecdeck_pool_unused_volumes", &[("array", "A1"), ("size", "4194304")], 3.0);

    lab.synchronize("t1");
    lab.back_up("t1");
    lab.run("array rate 64KiB").ends(0);
    lab.run("sync start t2 --yes").ends(0);
    lab.wait_for("progress", |status| lab.entry(status, "t2")["state"] == "copying");
    let after = metrics(&lab);
    after.is("ecdeck_volume_recoverable", &[("volume", "t1")], 1.0);
    after.is("ecdeck_volume_generations", &[("volume", "t1"), ("state", "valid")], 1.0);
    let age = after.value("ecdeck_volume_newest_generation_age_seconds", &[("volume", "t1")]).unwrap();
    assert!((0.0..600.0).contains(&age), "{age}");
    after.is("ecdeck_pool_unused_volumes", &[("array", "A1"), ("size", "4194304")], 1.0);
    let copies = after.samples.iter().filter(|((name, labels), _)| {
        name == "ecdeck_copy_progress_ratio" && labels["volume"] == "t2" && labels["kind"] == "EC"
    });
    let shares: Vec<f64> = copies.map(|(_, share)| *share).collect();
    assert!(matches!(shares[..], [share] if (0.0..1.0).contains(&share)), "{shares:?}");

    lab.run("array fault A1 unreachable").ends(0);
    lab.wait_for("the silent array", |status| status["arrays"][0]["reachable"] == false);
    let silent = metrics(&lab);
    silent.is("ecdeck_array_reachable", &[("array", "A1")], 0.0);
    silent.is("ecdeck_volume_recoverable", &[("volume", "t1")], 0.0);
    let codes = silent.samples.keys().filter(|(name, _)| name == "ecdeck_attentions").count();
    assert!(codes > 0, "a silent array needs attention");
}

#[test]
fn a_dead_or_hanging_engine_gives_a_document_and_status_5() {
    let lab = Lab::of(1, 1, 1);
    let file = lab.path().join("ecdeck.prom");
    let words = ["metrics", "--output", file.to_str().unwrap(), "--time-limit", "1500ms"];
    lab.status();
    lab.run_words(&words).ends(0);
    let good = fs::read_to_string(&file).unwrap();
    Document::read(&good).is("ecdeck_engine_up", &[], 1.0);

    let engine = Pid::from_raw(instance::pid_of(&lab.home().engine()).unwrap().cast_signed()).unwrap();
    kill_process(engine, Signal::STOP).unwrap();
    let hanging = lab.run_words(&words);
    kill_process(engine, Signal::CONT).unwrap();
    hanging.ends(5);
    let down = Document::read(&fs::read_to_string(&file).unwrap());
    down.is("ecdeck_engine_up", &[], 0.0);
    assert_eq!(down.samples.len(), 1);

    fs::write(&file, &good).unwrap();
    lab.kill_engine();
    let dead = lab.run_words(&words).ends(5);
    assert!(dead.err.contains("no engine runs") && dead.out.is_empty(), "{dead:?}");
    Document::read(&fs::read_to_string(&file).unwrap()).is("ecdeck_engine_up", &[], 0.0);
    assert!(instance::pid_of(&lab.home().engine()).is_none(), "no engine was started");
    Document::read(&lab.run("metrics").ends(5).out).is("ecdeck_engine_up", &[], 0.0);
}

#[test]
fn a_file_that_cannot_be_replaced_is_named_and_left() {
    let lab = Lab::of(1, 1, 1);
    lab.status();
    let folder = lab.path().join("textfile");
    fs::create_dir(&folder).unwrap();
    let wrong = lab.run_words(&["metrics", "--output", folder.to_str().unwrap()]).ends(2);
    assert!(wrong.err.contains("no regular file"), "{wrong:?}");
    let file = folder.join("ecdeck.prom");
    lab.run_words(&["metrics", "--output", file.to_str().unwrap()]).ends(0);
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["ecdeck.prom"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644, "the collector reads it");
    let none = folder.join("none/ecdeck.prom");
    lab.run_words(&["metrics", "--output", none.to_str().unwrap()]).ends(1);
}

/// The values of a key in a unit file.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let lines = unit.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).filter(|(found, _)| *found == key).map(|(_, value)| value).collect()
}

#[test]
fn each_command_of_the_units_can_be_typed() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(&assets).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some((stem, kind)) = name.rsplit_once('.').filter(|(_, kind)| ["service", "timer"].contains(kind)) else {
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            assert!(line.contains('=') || (line.starts_with('[') && line.ends_with(']')), "{name}: {line}");
        }
        if kind == "timer" {
            assert!(assets.join(format!("{stem}.service")).is_file(), "{name} starts nothing");
            assert_eq!(values(&text, "OnCalendar").len(), 1, "{name}");
            assert_eq!(values(&text, "WantedBy"), ["timers.target"], "{name}");
            continue;
        }
        assert_eq!(values(&text, "User"), ["ecdeck"], "{name}");
        let commands = values(&text, "ExecStart");
        assert_eq!(commands.len(), 1, "{name}");
        let typed = |command: &str| {
            let words: Vec<&str> = command.split_whitespace().collect();
            assert_eq!(words[0], "/usr/local/bin/ecdeck", "{name}");
            CommandLine::try_parse_from(&words).unwrap_or_else(|error| panic!("{name}: {error}")).verb.unwrap()
        };
        for before in values(&text, "ExecStartPre") {
            assert!(matches!(typed(before), Verb::Sync { verb } if verb.change().yes), "{name}: {before}");
        }
        seen.insert(match typed(commands[0]) {
            Verb::Serve(_) => "serve",
            Verb::Backup(asked) => {
                assert!(asked.change.yes, "nobody answers a timer");
                "backup"
            }
            Verb::Check(_) => "check",
            Verb::Metrics(asked) => {
                let file = asked.output.unwrap();
                assert_eq!(values(&text, "ReadWritePaths"), [file.parent().unwrap().to_str().unwrap()]);
                "metrics"
            }
            Verb::Practice(asked) => {
                assert!(asked.due && asked.change.yes, "nobody answers a timer");
                "practice"
            }
            other => panic!("{name}: {other:?}"),
        });
    }
    assert_eq!(seen, BTreeSet::from(["backup", "check", "metrics", "practice", "serve"]));
}
