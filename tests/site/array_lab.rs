//! A configured site with two embedded arrays, `A1` and `A2`, and short ways to say what tests say often.

use super::test_site::{Ran, TestSite};
use crate::ccm::server::{WORDS, install_as};
use crate::ccm::strict::TITLES;
use serde_json::Value;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

/// These tests run twice: with the embedded arrays' own driver, and with CCM's commands in between.
pub fn by_ccm() -> bool {
    module_path!().contains("by_ccm")
}

/// As unkind as the manuals allow: tests run on this, and a few on the default.
const STRICT: &str = "--profile strict";

/// How kind CCM's commands are: `ECDECK_CCM_PROFILE="--profile default"` makes all of them as kind as CCM is usually taken to be.
fn profile() -> String {
    std::env::var("ECDECK_CCM_PROFILE").unwrap_or_else(|_| STRICT.to_owned())
}

/// The site's configuration. `commands`: the folder of CCM's commands, where they are in between.
fn config(commands: Option<&Path>) -> String {
    let array = |name: &str| match commands {
        None => format!("[[array]]\nname = \"{name}\"\ndriver = \"embedded\"\n"),
        Some(folder) => format!(
            "[[array]]\nname = \"{name}\"\ndriver = \"ccm\"\n[array.ccm]\narray = \"{name}\"\n\
             directory = \"{}\"\ndiscover = \"1s\"\n{WORDS}{TITLES}",
            folder.display()
        ),
    };
    format!("site = \"lab\"\n{}{}[engine]\npoll = \"500ms\"\n", array("A1"), array("A2"))
}

pub struct Lab {
    test_site: TestSite,
}

impl Deref for Lab {
    type Target = TestSite;

    fn deref(&self) -> &TestSite {
        &self.test_site
    }
}

impl Lab {
    pub fn new() -> Self {
        Self::with_profile(&profile())
    }

    /// `profile`: of CCM's commands, where they are in between.
    pub fn with_profile(profile: &str) -> Self {
        let test_site = TestSite::new();
        let commands = by_ccm().then(|| test_site.path().join("ccm-commands"));
        if let Some(folder) = &commands {
            install_as(folder, test_site.path(), profile);
        }
        std::fs::write(test_site.home().config_file(), config(commands.as_deref())).unwrap();
        test_site.run("array create A1").ends(0);
        test_site.run("array create A2").ends(0);
        Self { test_site }
    }

    /// Transaction volumes `t1`, `t2`, ... and so many backup volumes, all on `A1` and of one size.
    pub fn of(transactions: u32, backups: u32, mib: u32) -> Self {
        let lab = Self::new();
        for number in 1..=transactions {
            lab.transaction(&format!("t{number}"), "A1", number, mib);
        }
        lab.backups("A1", 0x21..0x21 + backups, mib);
        lab
    }

    /// More lines for the configuration, for the next engine.
    pub fn configure(&self, lines: &str) {
        let file = self.home().config_file();
        std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + lines).unwrap();
        self.kill_engine();
    }

    pub fn volume(&self, array: &str, olu: u32, mib: u32) -> String {
        let ran = self.run(&format!("array create {array} --size {mib}MiB --olu {olu:#X}").replace("0X", "0x"));
        ran.ends(0);
        format!("{array}/0x{olu:X}")
    }

    pub fn transaction(&self, name: &str, array: &str, olu: u32, mib: u32) -> String {
        let place = self.volume(array, olu, mib);
        self.run(&format!("volume add --transaction {place} --name {name} --yes")).ends(0);
        place
    }

    pub fn backups(&self, array: &str, olus: Range<u32>, mib: u32) {
        for olu in olus {
            let place = self.volume(array, olu, mib);
            self.run(&format!("volume add --backup {place} --yes")).ends(0);
        }
    }

    /// Lets the engine read a volume that was just made.
    pub fn seen(&self, place: &str) {
        let list = self.json("volume list");
        let is_there = |volume: &Value| volume["location"] == place;
        assert!(list["unregistered"].as_array().unwrap().iter().any(is_there), "{place} is not seen: {list:#}");
    }

    pub fn policy(&self, name: &str, generations: u32, mode: &str) -> Ran {
        self.run(&format!(
            "policy set {name} --generations {generations} --interval 1 --mode {mode} --min-interval 0s --yes --json"
        ))
        .ends(0)
    }

    /// Synchronizes until equivalence, and gives the plan's first step: `start-full` or `resume`.
    #[track_caller]
    pub fn synchronize(&self, name: &str) -> String {
        let done = self.run(&format!("sync start {name} --wait --yes --json")).ends(0).json();
        done["plan"]["items"][0]["steps"][0]["step"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn back_up(&self, name: &str) {
        self.run(&format!("backup {name} --yes")).ends(0);
    }

    /// The entry of a transaction volume in the status.
    #[expect(clippy::unused_self, reason = "it reads like the rest")]
    pub fn entry<'a>(&self, status: &'a Value, name: &str) -> &'a Value {
        let volumes = status["transaction_volumes"].as_array().unwrap();
        volumes.iter().find(|volume| volume["name"] == name).unwrap()
    }

    pub fn wait_for_state(&self, name: &str, state: &str) -> Value {
        self.wait_for(&format!("{name} {state}"), |status| self.entry(status, name)["state"] == state)
    }

    /// The kept generations of a transaction volume, newest first: version and place.
    pub fn kept(&self, name: &str) -> Vec<(u64, String)> {
        let history = self.json(&format!("history {name}"));
        let generations = history["generations"].as_array().unwrap().iter();
        let kept = generations.filter(|generation| generation["kept"] == true);
        kept.map(|generation| {
            let place = generation["backup_volume"]["location"].as_str().unwrap().to_owned();
            (generation["version"].as_u64().unwrap(), place)
        })
        .collect()
    }

    pub fn image(&self, place: &str) -> PathBuf {
        let list = self.json("array volumes");
        let volumes = list["volumes"].as_array().unwrap();
        let (array, olu) = place.split_once('/').unwrap();
        let number = u64::from_str_radix(olu.trim_start_matches("0x"), 16).unwrap();
        let is = |volume: &&Value| {
            let id = volume["id"].as_str().unwrap_or_default();
            volume["array"] == array
                && id.rsplit("/0x").next().and_then(|hex| u64::from_str_radix(hex, 16).ok()) == Some(number)
        };
        let found = volumes.iter().find(is).unwrap_or_else(|| panic!("no {place} in {list:#}"));
        PathBuf::from(found["image"].as_str().unwrap())
    }

    pub fn bytes(&self, place: &str) -> Vec<u8> {
        std::fs::read(self.image(place)).unwrap()
    }

    /// The document of a refusal: exit status 3 and this code.
    #[track_caller]
    pub fn refused(&self, words: &str, code: &str) -> Value {
        let document = self.run(&format!("{words} --json")).ends(3).json();
        assert_eq!(document["error"]["code"], code, "{document:#}");
        document
    }

    /// Takes a remedy as its command line, agreeing to whatever its plan wants confirmed.
    #[track_caller]
    pub fn take(&self, remedy: &Value) {
        let mut words: Vec<String> =
            remedy["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        let with = |more: &[&str]| [words.clone(), more.iter().map(|word| (*word).to_owned()).collect()].concat();
        let plan = self.run_words(&with(&["--dry-run", "--json"])).ends(0).json();
        words = with(&["--yes"]);
        if let Some(name) = plan["plan"]["confirmation"]["name"].as_str() {
            assert_eq!(remedy["destroys"], true, "{remedy:#}");
            words.extend(["--confirm".to_owned(), name.to_owned()]);
        }
        self.run_words(&words).ends(0);
    }
}

/// How often tests kill a process: few times on a developer's machine, a hundred in `.ci/run`; with CCM's commands in
/// between, where each step takes a process, a tenth of that.
pub fn kills() -> u32 {
    let kills = std::env::var("ECDECK_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(8);
    if by_ccm() { (kills / 10).max(4) } else { kills }
}
