//! Histories out of seeds: many in memory, some on SQLite, the same twice, and every deliberate bug caught.

use super::bugs::Bug;
use super::{Summary, Violation, history, history_by_ccm, history_on};
use ecdeck::catalog::sql::{CataloguePlace, OpenOptions, SqlCatalogue};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
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
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut sum = Summary::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(sum);
            }
            match one(seed) {
                Ok(summary) => add(&mut sum, &summary),
                Err(Violation(what)) => {
                    next.store(seeds.end, Ordering::Relaxed);
                    return Err((seed, what));
                }
            }
        }
    };
    let results: Vec<Result<Summary, (u64, String)>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let mut sum = Summary::default();
    let mut worst: Option<(u64, String)> = None;
    for result in results {
        match result {
            Ok(summary) => add(&mut sum, &summary),
            Err(found) if worst.as_ref().is_none_or(|other| found.0 < other.0) => worst = Some(found),
            Err(_) => {}
        }
    }
    if let Some((seed, what)) = worst {
        panic!("seed {seed}: {what}; keep the seed in tests/rules/simulation/seeds.txt");
    }
    sum
}

fn add(sum: &mut Summary, one: &Summary) {
    sum.done += one.done;
    sum.not_done += one.not_done;
    sum.failed += one.failed;
    sum.unknown += one.unknown;
    sum.crashes += one.crashes;
    sum.refused += one.refused;
    sum.generations += one.generations;
    sum.faults += one.faults;
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
    // A simulator that does nothing finds nothing.
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
    for seed in 0..count {
        let place: CataloguePlace = CataloguePlace::Sqlite(folder.path().join(format!("{seed}.db")));
        let catalogue = runtime().block_on(SqlCatalogue::open(&place, OpenOptions::default())).unwrap();
        let catalogue = Arc::new(catalogue);
        if let Err(Violation(what)) = history_on(seed, None, Arc::<SqlCatalogue>::clone(&catalogue), None) {
            panic!("seed {seed} on SQLite: {what}");
        }
        runtime().block_on(catalogue.close());
    }
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
    catch(&Bug::ALL, history);
}

#[test]
fn deliberate_bugs_are_caught_by_ccm_too() {
    catch(&Bug::ALL, history_by_ccm);
}

fn catch(bugs: &[Bug], one: impl Fn(u64, Option<Bug>) -> Result<Summary, Violation> + Sync) {
    let next = AtomicU64::new(0);
    let caught: Vec<BTreeMap<String, Option<(u64, String)>>> = std::thread::scope(|scope| {
        let work = || {
            let mut found = BTreeMap::new();
            while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                let first = (0..TO_CATCH_A_BUG)
                    .find_map(|seed| one(seed, Some(*bug)).err().map(|Violation(what)| (seed, what)));
                found.insert(format!("{bug:?}"), first);
            }
            found
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let caught: BTreeMap<_, _> = caught.into_iter().flatten().collect();
    for (bug, first) in &caught {
        println!("{bug}: {first:?}");
    }
    let missed: Vec<&String> = caught.iter().filter(|(_, first)| first.is_none()).map(|(bug, _)| bug).collect();
    assert!(missed.is_empty(), "not caught in {TO_CATCH_A_BUG} histories: {missed:?}");
}
