//! One site that is driven: its volumes, what scripts do to it, what happens to its processes.

use super::model::{Content, Kept, Model, content};
use crate::test_site::{DEADLINE, InTime, PROGRAM, Ran, TestSite, ran};
use ecdeck::process::instance;
use ecdeck::process::paths::Place;
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Transaction volumes: name, and OLU on A1.
const VOLUMES: [(&str, u32); 3] = [("t1", 1), ("t2", 2), ("t3", 3)];
const NEAR: std::ops::Range<u32> = 0x21..0x27;
const FAR: std::ops::Range<u32> = 0x31..0x33;
/// Of each volume, in bytes.
const SIZE: u64 = 1 << 20;
/// Scripts at the same time.
const SCRIPTS: usize = 3;
/// Something happens to a process at some moment of a round, at the latest after so many milliseconds.
const MOMENT: u64 = 400;

/// A wall clock that is stepped for single processes.
pub struct Clock {
    library: PathBuf,
}

impl Clock {
    pub fn new(library: PathBuf) -> Self {
        Self { library }
    }

    fn set(&self, command: &mut Command, hours: i32) {
        command.env("LD_PRELOAD", &self.library).env("FAKETIME", format!("{hours:+}h"));
        command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DISABLE_SHM", "1");
    }
}

/// What happens while the scripts of a round run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incident {
    Nothing,
    KillEngine,
    KillArrays,
    StopEngine,
    KillScript,
    FullDisk,
    ArrayFault(&'static str),
}

/// What somebody may type at a site, with the home's surroundings.
#[derive(Clone, Copy)]
struct Shell<'a> {
    home: &'a Path,
    clock: Option<&'a Clock>,
    /// Hours by which the wall clock of this command, and of whatever it starts, is off.
    hours: i32,
}

impl Shell<'_> {
    fn run(&self, words: &str) -> Ran {
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut command = Command::new(PROGRAM);
        command.args(&words).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("ECDECK_HOME", self.home).stdin(Stdio::null());
        if let Some(clock) = self.clock.filter(|_| self.hours != 0) {
            clock.set(&mut command, self.hours);
        }
        ran(&words, &command.in_time())
    }

    /// Runs a verb that changes something, agreeing to whatever it wants confirmed, and checks that status and document agree.
    fn change(&self, words: &str) -> (i32, Value) {
        let dry = self.run(&format!("{words} --dry-run --json"));
        let name = serde_json::from_str::<Value>(&dry.out).ok();
        let name = name.and_then(|plan| Some(plan["plan"]["confirmation"]["name"].as_str()?.to_owned()));
        let confirm = name.map_or_else(String::new, |name| format!(" --confirm {name}"));
        let ran = self.run(&format!("{words} --yes --json{confirm}"));
        let document = if ran.exit == -1 { Value::Null } else { ran.json() };
        // Who was killed says nothing.
        if ran.exit != -1
            && let Err(what) = Model::told(ran.exit, &document, words.contains("--wait"))
        {
            panic!("{what}\n{ran:?}");
        }
        (ran.exit, document)
    }
}

pub struct Site<'a> {
    place: &'a TestSite,
    rng: Rng,
    model: Model,
    images: BTreeMap<String, PathBuf>,
    may_fill: bool,
    clock: Option<&'a Clock>,
    /// Backups that a command called done: transaction volume and operation.
    done: Vec<(String, u64)>,
    counts: BTreeMap<String, u32>,
}

impl<'a> Site<'a> {
    pub fn new(test_site: &'a TestSite, seed: u64, may_fill: bool, clock: Option<&'a Clock>) -> Self {
        let arrays = ["A1", "A2"].map(|name| format!("[[array]]\nname = \"{name}\"\ndriver = \"embedded\"\n")).concat();
        let config = format!("site = \"driven\"\n{arrays}[engine]\npoll = \"500ms\"\n[limits]\ncommand = \"5s\"\n");
        std::fs::write(test_site.home().config_file(), config).unwrap();
        let mut site = Self {
            place: test_site,
            rng: Rng::with_seed(seed),
            model: Model::default(),
            images: BTreeMap::new(),
            may_fill,
            clock,
            done: Vec::new(),
            counts: BTreeMap::new(),
        };
        test_site.run("array create A1").ends(0);
        test_site.run("array create A2").ends(0);
        let make = |array: &str, olu: u32| {
            test_site.run(&format!("array create {array} --size {SIZE} --olu 0x{olu:x}")).ends(0);
            format!("{array}/0x{olu:X}")
        };
        for (name, olu) in VOLUMES {
            let place = make("A1", olu);
            test_site.run(&format!("volume add --transaction {place} --name {name} --yes")).ends(0);
            test_site
                .run(&format!("policy set {name} --generations 2 --interval 1 --mode suspend --min-interval 0s --yes"))
                .ends(0);
        }
        for (array, olu) in NEAR.map(|olu| ("A1", olu)).chain(FAR.map(|olu| ("A2", olu))) {
            let place = make(array, olu);
            test_site.run(&format!("volume add --backup {place} --yes")).ends(0);
        }
        let list = test_site.json("array volumes");
        for volume in list["volumes"].as_array().unwrap() {
            let id = volume["id"].as_str().unwrap();
            let olu = u64::from_str_radix(id.rsplit_once("/0x").unwrap().1, 16).unwrap();
            let place = format!("{}/0x{olu:X}", volume["array"].as_str().unwrap());
            site.images.insert(place, volume["image"].as_str().unwrap().into());
        }
        for (name, olu) in VOLUMES {
            let now = site.content(&format!("A1/0x{olu:X}"));
            site.model.wrote(name, now);
        }
        site
    }

    fn content(&self, place: &str) -> Content {
        content(&std::fs::read(&self.images[place]).unwrap())
    }

    /// Scripts run, hosts write, something happens; then everything comes to rest and is checked.
    pub fn round(&mut self) {
        let hours = if self.rng.u32(0..3) == 0 { self.rng.i32(-30..=30) } else { 0 };
        let shell = Shell { home: self.place.path(), clock: self.clock, hours };
        let incident = self.incident();
        *self.counts.entry(format!("{incident:?}")).or_default() += 1;
        if hours != 0 && self.clock.is_some() {
            // The next engine is started by a command whose clock is off.
            self.place.kill_engine();
            *self.counts.entry("clock stepped".to_owned()).or_default() += 1;
        }
        let kept: Vec<(String, u64)> = VOLUMES
            .iter()
            .flat_map(|(name, _)| self.versions(name).into_iter().map(|v| ((*name).to_owned(), v)))
            .collect();
        let scripts: Vec<Vec<String>> = (0..SCRIPTS).map(|_| self.script(&kept)).collect();
        let moment = Duration::from_millis(self.rng.u64(0..MOMENT));
        let writes: Vec<(usize, u64, u64)> = (0..self.rng.usize(1..4))
            .map(|_| (self.rng.usize(..VOLUMES.len()), self.rng.u64(..SIZE / 4096) * 4096, self.rng.u64(..)))
            .collect();
        let mut done = Vec::new();
        let test_site = self.place;
        std::thread::scope(|scope| {
            let running: Vec<_> = scripts
                .iter()
                .map(|script| scope.spawn(move || script.iter().map(|words| shell.change(words)).collect::<Vec<_>>()))
                .collect();
            let incidents = scope.spawn(move || happen(test_site, incident, moment));
            for (at, offset, seed) in writes {
                let (name, olu) = VOLUMES[at];
                let place = format!("A1/0x{olu:X}");
                // Whether it was refused, done or interrupted: what is there now is what the volume is.
                shell.run(&format!("array write {place} --offset {offset} --length 4KiB --seed {seed}"));
                let now = content(&std::fs::read(&self.images[&place]).unwrap());
                self.model.wrote(name, now);
            }
            incidents.join().unwrap();
            for (script, ran) in scripts.iter().zip(running) {
                for (words, (exit, document)) in script.iter().zip(ran.join().unwrap()) {
                    let verb = words
                        .split_whitespace()
                        .take_while(|word| !word.starts_with('t'))
                        .collect::<Vec<_>>()
                        .join(" ");
                    *self.counts.entry(format!("{verb}: {exit}")).or_default() += 1;
                    if verb == "backup" {
                        done.extend(done_operations(&document));
                    }
                }
            }
        });
        self.done.extend(done);
        self.come_to_rest();
        self.check();
    }

    fn incident(&mut self) -> Incident {
        match self.rng.u32(0..10) {
            0..2 => Incident::KillEngine,
            2 => Incident::KillArrays,
            3 => Incident::StopEngine,
            4 => Incident::KillScript,
            5 if self.may_fill => Incident::FullDisk,
            6 => Incident::ArrayFault("lost-reply"),
            7 => Incident::ArrayFault("busy"),
            8 => Incident::ArrayFault("lost-request"),
            _ => Incident::Nothing,
        }
    }

    /// The versions that the model saw kept last.
    fn versions(&self, volume: &str) -> Vec<u64> {
        self.model.kept_versions(volume)
    }

    fn script(&mut self, kept: &[(String, u64)]) -> Vec<String> {
        (0..self.rng.usize(1..4)).map(|_| self.words(kept)).collect()
    }

    fn words(&mut self, kept: &[(String, u64)]) -> String {
        let (name, _) = VOLUMES[self.rng.usize(..VOLUMES.len())];
        let version = |rng: &mut Rng, verb: &str| match kept {
            [] => format!("sync start {name}"),
            kept => {
                let (name, version) = &kept[rng.usize(..kept.len())];
                format!("history {verb} {name} --version {version}")
            }
        };
        match self.rng.u32(0..16) {
            0..3 => format!("sync start {name} --ensure"),
            3..5 => format!("sync start {name} --ensure --wait --time-limit 10s"),
            5..10 => format!("backup {name}"),
            10 => format!("sync suspend {name}"),
            11 => format!("sync cancel {name}"),
            12 => version(&mut self.rng, "delete"),
            13 => version(&mut self.rng, "hold") + " --reason tape",
            14 => version(&mut self.rng, "unhold"),
            _ => {
                let mode = if self.rng.bool() { "suspend" } else { "dissolve" };
                format!(
                    "policy set {name} --generations {} --interval 1 --mode {mode} --min-interval 0s",
                    self.rng.u32(1..4)
                )
            }
        }
    }

    /// All faults end, whatever was stopped goes on, and every operation has ended.
    fn come_to_rest(&self) {
        for array in ["A1", "A2"] {
            self.place.run(&format!("array fault {array} clear"));
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            let ran = self.place.run("status --json");
            if ran.exit == 0 {
                let status = ran.json();
                let reachable = status["arrays"].as_array().unwrap().iter().all(|array| array["reachable"] == true);
                let open = |operation: &Value| operation["end"].is_null();
                if reachable && !status["operations"].as_array().unwrap().iter().any(open) {
                    return;
                }
            }
            assert!(Instant::now() < deadline, "the site does not come to rest: {ran:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn check(&mut self) {
        let mut kept = Vec::new();
        for (name, _) in VOLUMES {
            let history = self.place.json(&format!("history {name}"));
            let generations = history["generations"].as_array().unwrap();
            let of_volume: Vec<Kept> = generations
                .iter()
                .filter(|generation| generation["kept"] == true)
                .map(|generation| {
                    let place = generation["backup_volume"]["location"].as_str().unwrap().to_owned();
                    let content = self.content(&place);
                    Kept { version: generation["version"].as_u64().unwrap(), place, content }
                })
                .collect();
            let verdict = self.model.kept(name, &of_volume);
            self.verdict(verdict.map_err(|what| format!("{what}\n{history:#}")));
            kept.extend(of_volume.into_iter().map(|generation| (name.to_owned(), generation.place)));
            for (volume, operation) in self.done.extract_if(.., |(volume, _)| volume == name) {
                let its = |generation: &Value| generation["operation"].as_u64() == Some(operation);
                assert!(
                    generations.iter().any(its),
                    "a backup of {volume} was called done and is not there: {history:#}"
                );
            }
        }
        let status = self.place.status();
        self.verdict(Model::used(&kept, &status).map_err(|what| format!("{what}\n{status:#}")));
    }

    #[track_caller]
    fn verdict(&self, verdict: Result<(), String>) {
        if let Err(what) = verdict {
            let audit = self.place.run("audit show --last 40").out;
            panic!("{what}\n{audit}");
        }
    }

    /// After all that, the main job still works on every volume.
    pub fn end(&mut self) {
        for (name, _) in VOLUMES {
            let shell = Shell { home: self.place.path(), clock: None, hours: 0 };
            let (exit, document) = shell.change(&format!("sync start {name} --ensure --wait"));
            // A pool whose every volume holds something is a refusal that names the ways out.
            assert!([0, 3].contains(&exit), "{name}: {document:#}");
            if exit == 0 {
                let (exit, document) = shell.change(&format!("backup {name}"));
                assert_eq!(exit, 0, "{name}: {document:#}");
            }
        }
        self.check();
        self.place.run("audit verify").ends(0);
        assert!(self.model.checked > 0, "no generation was ever checked");
    }

    pub fn report(&self) {
        println!("{} generations checked; {:?}", self.model.checked, self.counts);
    }

    /// Ends the servers, so that the file system under them can go.
    pub fn stop(&self) {
        self.place.kill_engine();
        self.place.kill_arrays();
    }
}

/// The backups that a document calls done.
fn done_operations(document: &Value) -> Vec<(String, u64)> {
    let operations = document["operations"].as_array().into_iter().flatten();
    let done = operations.filter(|operation| operation["end"]["end"] == "done");
    done.map(|one| (one["volume"]["name"].as_str().unwrap().to_owned(), one["operation"].as_u64().unwrap())).collect()
}

fn happen(test_site: &TestSite, incident: Incident, moment: Duration) {
    if let Incident::ArrayFault(fault) = incident {
        test_site.run(&format!("array fault A1 {fault}"));
        return;
    }
    std::thread::sleep(moment);
    match incident {
        Incident::KillEngine => drop(test_site.kill_engine()),
        Incident::KillArrays => drop(test_site.kill_arrays()),
        Incident::StopEngine => paused(&test_site.home().engine(), moment),
        Incident::KillScript => {
            if let Some(pid) = some_script(test_site.path()) {
                signal(pid, Signal::KILL);
            }
        }
        Incident::FullDisk => full(test_site.path(), moment),
        Incident::Nothing | Incident::ArrayFault(_) => {}
    }
}

/// A process that does nothing for a while, and goes on.
fn paused(place: &Place, moment: Duration) {
    let Some(pid) = instance::pid_of(place) else { return };
    signal(pid, Signal::STOP);
    std::thread::sleep(moment * 3);
    signal(pid, Signal::CONT);
}

/// Nothing more can be written for a while.
fn full(folder: &Path, moment: Duration) {
    let ballast = folder.join("ballast");
    let block = vec![1; 64 << 10];
    if let Ok(mut file) = std::fs::File::create(&ballast) {
        // Large pieces first, then what is left.
        for piece in [block.as_slice(), &block[..512]] {
            while std::io::Write::write(&mut file, piece).is_ok_and(|written| written == piece.len()) {}
        }
    }
    std::thread::sleep(moment * 2);
    let _ = std::fs::remove_file(ballast);
}

/// A command of this home that runs: no server of it.
fn some_script(home: &Path) -> Option<u32> {
    let variable = format!("ECDECK_HOME={}", home.display());
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.into_iter().find(|pid| {
        let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
        read("environ").split('\0').any(|one| one == variable) && read("cmdline").contains("--yes")
    })
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, signal);
    }
}
