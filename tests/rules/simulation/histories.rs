//! Histories out of seeds: many in memory, some on SQLite, the same twice, and every deliberate bug caught.

use super::bugs::Bug;
use super::cores::on_all_cores;
use super::{Summary, Violation, history, history_by_ccm, history_on};
use ecdeck::catalog::sql::{CataloguePlace, OpenOptions, SqlCatalogue};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Histories of a normal run; `ECDECK_ROUNDS` times as many when that is set. `SIMULATION_FIRST` and
/// `SIMULATION_HISTORIES` choose seeds, `SIMULATION_TRACE` tells what happens in them.
const IN_MEMORY: u64 = 10_000;
const ON_SQLITE: u64 = 200;
const BY_CCM: u64 = 300;
/// Histories in which a deliberate bug must show at the latest.
const TO_CATCH_A_BUG: u64 = 3_000;

/// Seeds that failed once, and seeds that stand for a situation: run first, for ever.
const KEPT: &str = include_str!("seeds.txt");

/// The executor of the SQL catalogue.
pub fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
}

fn wanted(variable: &str, normal: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(normal)
}

/// Runs seeds on all cores; gives what they came to together, or the first violation of the lowest seed.
fn run_all(seeds: std::ops::Range<u64>, one: impl Fn(u64) -> Result<Summary, Violation> + Sync) -> Summary {
    const AT_ONCE: u64 = 20;
    let failed = AtomicBool::new(false);
    let parts = seeds.clone().step_by(AT_ONCE as usize).map(|first| first..(first + AT_ONCE).min(seeds.end)).collect();
    let results = on_all_cores(parts, |part: std::ops::Range<u64>| {
        let mut sum = Summary::default();
        for seed in part {
            if failed.load(Ordering::Relaxed) {
                break;
            }
            match one(seed) {
                Ok(summary) => sum.add(&summary),
                Err(Violation(what)) => {
                    failed.store(true, Ordering::Relaxed);
                    return Err((seed, what));
                }
            }
        }
        Ok(sum)
    });
    let mut sum = Summary::default();
    for result in results {
        match result {
            Ok(summary) => sum.add(&summary),
            Err((seed, what)) => panic!("seed {seed}: {what}; keep the seed in tests/rules/simulation/seeds.txt"),
        }
    }
    sum
}

/// How often something must happen in a thousand histories: a simulator that hardly ever does it finds nothing.
const MINIMA: &[(&str, u32)] = &[
    ("a REC buffer is missing", 100),
    ("backup done", 300),
    ("backup failed", 10),
    ("backup not done", 30),
    ("backup unknown", 5),
    ("cancel done", 150),
    ("cascade: an EC into a transaction volume", 20),
    ("cascade: an OPC into a transaction volume", 20),
    ("cascade: an OPC out of a backup volume", 20),
    ("delete generation done", 80),
    ("force-stop done", 60),
    ("harm: a host writes on a kept generation", 100),
    ("harm: another program copies into a transaction volume", 300),
    ("harm: another program copies onto a kept generation", 50),
    ("harm: another program resumes onto a kept generation", 40),
    ("harm: another program reverses a session", 50),
    ("harm: the volume of a kept generation has another size", 50),
    ("harm: the volume of a kept generation vanishes", 50),
    ("hold done", 150),
    ("unhold done", 50),
    ("overwrite done", 80),
    ("part of a set refused", 1),
    ("reading with a row in which something is missing", 500),
    ("reading with an unreadable row", 500),
    ("reading without a line of the list of volumes", 500),
    ("reading without the sessions of others", 500),
    ("register done", 15),
    ("reinstated", 3),
    ("released as Deleted", 80),
    ("released as Overwritten", 80),
    ("released as Retention", 30),
    ("resume done", 20),
    ("script done", 20),
    ("script failed", 10),
    ("set policy done", 100),
    ("several at once: backup", 50),
    ("several at once: start", 100),
    ("several at once: suspend", 3),
    ("start done", 800),
    ("start not done", 100),
    ("start unknown", 15),
    ("state in doubt", 100),
    ("suspend done", 50),
    ("the wall clock jumps", 200),
    ("unregister done", 100),
];

fn check_counts(sum: &Summary, histories: u64) {
    for (what, count) in &sum.counts {
        println!("{what:40} {:>8} a thousand: {}", count, u64::from(*count) * 1000 / histories);
    }
    let rare: Vec<String> = MINIMA
        .iter()
        .map(|(what, least)| (what, least, u64::from(sum.counts.get(*what).copied().unwrap_or(0)) * 1000 / histories))
        .filter(|(_, least, count)| *count < u64::from(**least))
        .map(|(what, least, count)| format!("{what}: {count}, at least {least}"))
        .collect();
    assert!(histories < 1000 || rare.is_empty(), "too rare in a thousand histories:\n{}", rare.join("\n"));
}

#[test]
fn seeds_that_failed_once_do_not_fail_again() {
    for line in KEPT.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let seed: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
        if let Err(Violation(what)) = history(seed, None) {
            panic!("seed {seed}: {what}");
        }
    }
}

#[test]
fn no_history_in_memory_breaks_an_invariant() {
    let first = wanted("SIMULATION_FIRST", 0);
    let count = wanted("SIMULATION_HISTORIES", IN_MEMORY * wanted("ECDECK_ROUNDS", 1));
    let sum = run_all(first..first + count, |seed| history(seed, None));
    println!("{count} histories: {sum:?}");
    check_counts(&sum, count);
    assert!(sum.done > sum.unknown && u64::from(sum.generations) > count / 4, "{sum:?}");
    assert!(sum.crashes > 0 && sum.faults > 0 && sum.failed > 0 && sum.not_done > 0 && sum.refused > 0, "{sum:?}");
}

#[test]
fn no_history_by_ccm_breaks_an_invariant() {
    let first = wanted("SIMULATION_FIRST", 0);
    let count = wanted("SIMULATION_HISTORIES", BY_CCM * wanted("ECDECK_ROUNDS", 1));
    let sum = run_all(first..first + count, |seed| history_by_ccm(seed, None));
    println!("{count} histories by CCM: {sum:?}");
    assert!(sum.done > sum.unknown && u64::from(sum.generations) > count / 4, "{sum:?}");
    assert!(sum.crashes > 0 && sum.faults > 0 && sum.failed > 0 && sum.not_done > 0 && sum.refused > 0, "{sum:?}");
}

#[test]
fn no_history_on_sqlite_breaks_an_invariant() {
    let folder = tempfile::tempdir().unwrap();
    let count = ON_SQLITE * wanted("ECDECK_ROUNDS", 1);
    on_all_cores((0..count).collect(), |seed| {
        let place: CataloguePlace = CataloguePlace::Sqlite(folder.path().join(format!("{seed}.db")));
        let catalogue = runtime().block_on(SqlCatalogue::open(&place, OpenOptions::default())).unwrap();
        let catalogue = Arc::new(catalogue);
        if let Err(Violation(what)) = history_on(seed, None, Arc::<SqlCatalogue>::clone(&catalogue), None) {
            panic!("seed {seed} on SQLite: {what}");
        }
        runtime().block_on(catalogue.close());
    });
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 0..20 {
        assert_eq!(history(seed, None), history(seed, None));
    }
    for seed in 0..5 {
        assert_eq!(history_by_ccm(seed, None), history_by_ccm(seed, None));
    }
}

#[test]
fn every_deliberate_bug_is_caught() {
    catch(|row| Some(row.seed), history);
}

#[test]
fn deliberate_bugs_are_caught_by_ccm_too() {
    catch(|row| row.by_ccm, history_by_ccm);
}

/// What each bug breaks, and a history that shows it.
struct Known {
    bug: Bug,
    seed: u64,
    /// `None`: a rule of the catalogue alone, in which a driver has no part.
    by_ccm: Option<u64>,
    /// Of the violation: a history that breaks something else does not count.
    words: String,
}

fn known_bugs() -> Vec<Known> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules/simulation/known_bugs.txt");
    let text = std::fs::read_to_string(file).unwrap();
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        let [name, seed, by_ccm, words] = row.split(" | ").collect::<Vec<_>>().try_into().unwrap();
        let bug = *Bug::ALL.iter().find(|bug| format!("{bug:?}") == name).unwrap_or_else(|| panic!("no bug {name}"));
        assert!(!words.is_empty());
        Known {
            bug,
            seed: seed.parse().unwrap(),
            by_ccm: (by_ccm != "-").then(|| by_ccm.parse().unwrap()),
            words: words.to_owned(),
        }
    })
    .collect()
}

/// Runs each bug's known seed, and a search only when that no longer shows it in the expected words.
fn catch(
    seed_of: impl Fn(&Known) -> Option<u64> + Sync,
    one: impl Fn(u64, Option<Bug>) -> Result<Summary, Violation> + Sync,
) {
    let known = known_bugs();
    let rows = known.iter().filter_map(|row| Some((row, seed_of(row)?))).collect();
    let caught = on_all_cores(rows, |(row, seed): (&Known, u64)| {
        let shows = |seed: u64| {
            let Violation(what) = one(seed, Some(row.bug)).err()?;
            what.contains(&row.words).then_some((seed, what))
        };
        (row, seed, shows(seed).or_else(|| (0..wanted("SIMULATION_HISTORIES", TO_CATCH_A_BUG)).find_map(shows)))
    });
    for (row, known, found) in &caught {
        match found {
            Some((seed, what)) if seed != known => {
                println!("known_bugs.txt: {:?}: {seed} in the place of {known}: {what}", row.bug);
            }
            _ => {}
        }
    }
    let missed: Vec<_> =
        caught.iter().filter(|(.., found)| found.is_none()).map(|(row, ..)| (row.bug, &row.words)).collect();
    assert!(missed.is_empty(), "not caught in {TO_CATCH_A_BUG} histories: {missed:?}");
}

#[test]
fn every_deliberate_bug_has_a_known_seed() {
    let known = known_bugs();
    for bug in Bug::ALL {
        assert_eq!(known.iter().filter(|row| row.bug == bug).count(), 1, "{bug:?}");
    }
}
