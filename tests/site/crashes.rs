//! SIGKILL for the engine in the middle of operations and for the array in the middle of copies: nothing is lost.

use super::array_lab::{Lab, kills};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a command takes, and with it where a kill can hit: before, in or after what it does.
fn length_of(lab: &Lab, words: &str) -> Duration {
    let begun = Instant::now();
    lab.run(words).ends(0);
    begun.elapsed()
}

/// A moment that differs from round to round, anywhere in so long a time.
fn moment(round: u32, length: Duration) -> Duration {
    length.mul_f64(fastrand::Rng::with_seed(u64::from(round)).f64())
}

/// The next engine has driven what the killed one left open to its end; until then the volumes are held.
fn recovered(lab: &Lab) {
    lab.wait_for("recovery", |status| {
        status["operations"].as_array().unwrap().iter().all(|operation| !operation["end"].is_null())
    });
}

/// How often an engine found an operation of a dead one open, as the audit says.
fn recoveries(lab: &Lab) -> usize {
    let audit = lab.json("audit show --last 100000");
    let events = audit["events"].as_array().unwrap();
    events.iter().filter(|event| event["event"]["kind"]["what"] == "recovered").count()
}

#[test]
fn the_engine_is_killed_during_operations_and_no_generation_is_lost_or_invented() {
    let lab = Lab::of(1, 4, 1);
    lab.policy("t1", 2, "suspend");
    let mut bytes: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    // An operation takes much of its command's time, so that kills hit it.
    lab.run("array fault A1 slow --millis 80").ends(0);
    let start_takes = length_of(&lab, "sync start t1 --yes");
    lab.run("sync start t1 --yes --ensure --wait").ends(0);
    let source = lab.bytes("A1/0x1");
    let backup_takes = length_of(&lab, "backup t1 --yes");
    bytes.insert(1, source);
    // Two kills a round.
    let mut hits = 0;
    for round in 0..kills() / 2 {
        lab.run(&format!("array write A1/0x1 --scatter 4 --seed {round}")).ends(0);
        let start = lab.spawn("sync start t1 --yes --ensure");
        std::thread::sleep(moment(round * 2, start_takes));
        hits += u32::from(lab.kill_engine());
        start.end();
        recovered(&lab);
        lab.run("sync start t1 --yes --ensure --wait").ends(0);

        let source = lab.bytes("A1/0x1");
        let before = lab.kept("t1");
        let backup = lab.spawn("backup t1 --yes");
        std::thread::sleep(moment(round * 2 + 1, backup_takes));
        hits += u32::from(lab.kill_engine());
        let told = backup.end();
        recovered(&lab);
        let kept = lab.kept("t1");
        let is_new = kept.first().map(|(version, _)| *version) > before.first().map(|(version, _)| *version);
        assert!(is_new || told.exit != 0, "round {round}: a backup that was said to be done is not there: {told:?}");
        if is_new {
            assert!(lab.bytes(&kept[0].1) == source, "round {round}: v{} is not what was backed up", kept[0].0);
            bytes.insert(kept[0].0, source);
        }
        for (version, place) in &kept {
            assert!(lab.bytes(place) == bytes[version], "round {round}: v{version} on {place} has changed");
        }
        assert!((before.len().min(2)..=2).contains(&kept.len()), "round {round}: {before:?} {kept:?}");
    }
    let sessions = lab.status()["sessions"].as_array().unwrap().clone();
    assert!(sessions.iter().all(|session| session["ours"] == true), "{sessions:#?}");
    lab.run("audit verify").ends(0);
    let (kills, in_the_middle) = (kills() / 2 * 2, recoveries(&lab));
    println!("{kills} kills, {hits} met an engine, {in_the_middle} in the middle of an operation");
    assert!(in_the_middle * 5 >= kills as usize, "of {kills} kills {in_the_middle} hit an operation");
}

#[test]
fn the_array_is_killed_during_copies_and_both_sides_become_the_same() {
    /// What is copied in each round takes so long at the rate below.
    const COPY: Duration = Duration::from_millis(120);
    let lab = Lab::of(1, 1, 8);
    lab.run("array write A1/0x1 --length 8MiB --seed 1").ends(0);
    lab.synchronize("t1");
    for round in 0..kills() {
        lab.run("sync suspend t1 --yes --ensure").ends(0);
        lab.run(&format!("array write A1/0x1 --scatter 60 --seed {round}")).ends(0);
        lab.run("array rate 8MiB").ends(0);
        lab.run("sync start t1 --yes").ends(0);
        lab.run(&format!("array write A1/0x1 --scatter 10 --seed {}", round + 1_000)).ends(0);
        std::thread::sleep(moment(round, COPY));
        assert!(lab.kill_arrays(), "round {round}: no array was there");
        lab.run("array rate none").ends(0);
        lab.wait_for_state("t1", "equivalent");
        lab.run("sync suspend t1 --yes").ends(0);
        assert!(lab.bytes("A1/0x1") == lab.bytes("A1/0x21"), "round {round}: the sides differ");
    }
}
