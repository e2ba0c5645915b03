//! Fingerprints of generations, made in the background: one at a time, within a bandwidth, never in the way of a verb.
//!
//! Belongs here: reading backup volumes by their driver, for fingerprints and for comparing with them. Does not: what is due
//! (`model::fingerprint`), what follows from a difference (`model::step`).

use super::clock;
use super::core::Core;
use super::ledger::Ledger;
use super::operation::{Commit, NotCompared};
use super::protocol::Answer;
use super::roles::Caller;
use crate::driver::{Driver, DriverError};
use crate::model::codes::Code;
use crate::model::event::{EventKind, NewEvent};
use crate::model::fingerprint::{Fingerprint, Leaves, Verification, VolumeLeaves, in_words, leaf_count, to_read};
use crate::model::identity::VolumeId;
use crate::model::plan::{Refusal, verifiable};
use crate::model::records::{Change, EntityChange, Generation, GenerationState};
use crate::model::request::{Action, Request};
use crate::model::step::{CompareCopyStep, Compared};
use crate::model::units::{Blocks, Version};
use crate::model::verb::Role;
use crate::model::verification::{Verified, due, still_due};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Leaves that are read with one question.
const PIECE: u64 = 16;
/// What reading may take of an array, in leaves a second. Copies and hosts have the rest.
const LEAVES_A_SECOND: u32 = 200;
/// Before a generation that could not be read is tried again.
const TRIED_AGAIN: Duration = Duration::from_mins(1);

/// What came of reading a volume.
pub(super) enum Reading {
    /// All leaves, and how many of them were read now.
    Whole {
        leaves: Leaves,
        mark: Option<String>,
        read: u64,
    },
    /// Somebody needs the volume.
    Given(&'static str),
    Failed(DriverError),
}

/// Fingerprints whatever has none yet, for as long as the engine lives.
pub(super) async fn run(core: Arc<Core>, ledger: Ledger) {
    let mut news = core.snapshots();
    let mut later: BTreeMap<(VolumeId, Version), Instant> = BTreeMap::new();
    loop {
        let now = Instant::now();
        later.retain(|_, until| *until > now);
        let snapshot = news.borrow_and_update().clone();
        let next = core.with_records(|records| due(&snapshot, records, |key| later.contains_key(key)).cloned());
        let Some(generation) = next else {
            let wait = later.values().min().map_or(TRIED_AGAIN * 60, |until| until.saturating_duration_since(now));
            if matches!(tokio::time::timeout(wait, news.changed()).await, Ok(Err(_))) {
                return;
            }
            continue;
        };
        let key = (generation.transaction_volume, generation.version);
        if let Err(why) = make(&core, &ledger, &generation).await {
            tracing::info!(volume = %key.0, version = %key.1, "not fingerprinted yet: {why}");
            later.insert(key, Instant::now() + TRIED_AGAIN);
        }
    }
}

async fn make(core: &Core, ledger: &Ledger, generation: &Generation) -> Result<(), String> {
    let (volume, version, target) = (generation.transaction_volume, generation.version, generation.backup_volume);
    let (_, driver) = core.driver(target.box_id).ok_or("no configured array has its volume")?;
    let before = ledger.catalogue().leaves(target).await.map_err(|error| error.to_string())?;
    let began = Instant::now();
    let wanted = || core.with_records(|records| still_due(records, generation));
    let (leaves, mark, read) = match read(&*driver, (target, generation.blocks), before, wanted).await {
        Reading::Whole { leaves, mark, read } => (leaves, mark, read),
        Reading::Given(why) => return Err(why.to_owned()),
        Reading::Failed(error) => return Err(error.to_string()),
    };
    let blake3 = leaves.root(generation.blocks.bytes()).ok_or("its volume has another size by now")?;
    let kept = VolumeLeaves { backup_volume: target, root: blake3.clone(), mark, leaves };
    let at = clock::now();
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let count = kept.leaves.0.len() as u64;
    let fingerprint = Fingerprint { blake3: blake3.clone(), at, millis, verified: None, practised: None };
    let change = EntityChange::KeepFingerprint {
        transaction_volume: volume,
        version,
        fingerprint: Box::new(fingerprint),
        leaves: Some(Box::new(kept)),
    };
    if !wanted() {
        return Err("its volume is needed".to_owned());
    }
    let event = EventKind::GenerationFingerprinted { volume, version, blake3, leaves: count, read };
    let commit = Commit { changes: vec![Change::Entity(change)], events: vec![NewEvent::by_engine(at, event)] };
    ledger.commit(commit).await.map_err(|error| error.to_string())
}

/// Reads the copy of a practice and compares it with the fingerprint of its generation, for as long as `wanted` says so.
pub(super) async fn compare(
    (core, ledger): (&Core, &Ledger),
    step: &CompareCopyStep,
    wanted: impl Fn() -> bool,
) -> Result<Compared, NotCompared> {
    let failed = |why: String| Err(NotCompared::Failed(why));
    let Some((_, driver)) = core.driver(step.pair.target.box_id) else {
        return failed("no configured array has its volume".to_owned());
    };
    let leaves = match read(&*driver, (step.pair.target, step.blocks), None, &wanted).await {
        Reading::Whole { leaves, .. } => leaves,
        Reading::Given(_) if !wanted() => return Err(NotCompared::GaveWay),
        Reading::Given(why) => return failed(why.to_owned()),
        Reading::Failed(error) => return failed(error.to_string()),
    };
    if leaves.root(step.blocks.bytes()).as_deref() == Some(step.blake3.as_str()) {
        return Ok(Compared { differs: None });
    }
    // The leaves of the generation's own volume tell where.
    let stored = ledger.catalogue().leaves(step.pair.source).await.ok().flatten();
    let stored = stored.filter(|stored| stored.root == step.blake3 && stored.are_whole(step.blocks));
    let differs = stored.map_or_else(
        || "some MiB (which ones is not known: the leaves of the fingerprint are no longer kept)".to_owned(),
        |stored| in_words(&stored.leaves.differing(&leaves)),
    );
    Ok(Compared { differs: Some(differs) })
}

/// Reads a volume: only what changed since `before`, where the array tells that. `wanted` is asked before
/// each piece.
pub(super) async fn read(
    driver: &dyn Driver,
    (target, blocks): (VolumeId, Blocks),
    before: Option<VolumeLeaves>,
    wanted: impl Fn() -> bool,
) -> Reading {
    const NEEDED: &str = "its volume is needed";
    let before = before.filter(|before| before.are_whole(blocks));
    // A mark of before the first piece: what is written from here on shows.
    let since = before.as_ref().and_then(|before| before.mark.clone());
    let known = match driver.changed_leaves(target, since).await {
        Ok(known) => known,
        Err(error) => return Reading::Failed(error),
    };
    let count = leaf_count(blocks.bytes());
    // They are whole, so there is one for each leaf of the volume.
    let before = before.map(|before| before.leaves);
    let ranges = to_read(count, before.as_ref(), known.changed.as_deref());
    let mut all = before.unwrap_or_default().0;
    let (began, mut read) = (Instant::now(), 0_u64);
    for piece in ranges.into_iter().flat_map(pieces) {
        if !wanted() {
            return Reading::Given(NEEDED);
        }
        let length = piece.end - piece.start;
        let answer = match driver.leaves(target, piece.start, length).await {
            Ok(answer) if answer.0.len() as u64 == length => answer,
            Ok(_) => return Reading::Given("its volume has another size by now"),
            Err(error) => return Reading::Failed(error),
        };
        if all.len() as u64 == piece.start {
            all.extend(answer.0);
        } else {
            all[piece.start as usize..piece.end as usize].copy_from_slice(&answer.0);
        }
        read += length;
        let due = Duration::from_secs(1) * u32::try_from(read).unwrap_or(u32::MAX) / LEAVES_A_SECOND;
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
    }
    if !wanted() {
        return Reading::Given(NEEDED);
    }
    if let Some(mark) = &known.mark {
        match driver.changed_leaves(target, Some(mark.clone())).await {
            Ok(after) if after.changed.as_ref().is_some_and(Vec::is_empty) => {}
            Ok(_) => return Reading::Given("its volume was written to meanwhile"),
            Err(error) => return Reading::Failed(error),
        }
    }
    Reading::Whole { leaves: Leaves(all), mark: known.mark, read }
}

fn pieces(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = range.end;
    range.step_by(PIECE as usize).map(move |start| start..(start + PIECE).min(end))
}

/// Reads a generation again and compares it. Equal bytes take the doubt from it, if nothing is seen any more that puts it
/// there; others put it in doubt. No volume is claimed: whoever needs the volume meanwhile has it.
pub(super) async fn verify(
    (core, ledger): (&Core, &Ledger),
    (volume, version): (VolumeId, Version),
    caller: &Caller,
) -> Answer {
    let refused = |refusal: Refusal| Answer::Refused { refusal };
    if let Err(refusal) = caller.needs(Role::Operator, "verifying a generation") {
        return refused(refusal);
    }
    let snapshot = core.look();
    let generation = match verifiable(&snapshot, volume, version) {
        Ok(generation) => generation.clone(),
        Err(refusal) => return refused(refusal),
    };
    let failed = |why: String, code| Answer::Failed { why, code: Some(code) };
    let name = snapshot.label(volume);
    let (Some(known), Some((_, driver))) =
        (generation.fingerprint.clone(), core.driver(generation.backup_volume.box_id))
    else {
        return failed(format!("{version} of {name} cannot be read"), Code::NOT_FINGERPRINTED);
    };
    let began = Instant::now();
    let wanted = || {
        core.with_records(|records| {
            let kept = records.generations.get(&(volume, version));
            let same = |kept: &Generation| kept.fingerprint.as_ref().is_some_and(|now| now.blake3 == known.blake3);
            kept.is_some_and(same) && !records.claims.contains_key(&generation.backup_volume)
        })
    };
    let (leaves, mark, read) = match read(&*driver, (generation.backup_volume, generation.blocks), None, wanted).await {
        Reading::Whole { leaves, mark, read } => (leaves, mark, read),
        Reading::Given(why) => {
            return failed(format!("{version} of {name} was not verified: {why}"), Code::HELD_BY_OTHER);
        }
        Reading::Failed(error) => {
            return failed(format!("{version} of {name} was not verified: {error}"), Code::STEP_FAILED);
        }
    };
    let stored = match ledger.catalogue().leaves(generation.backup_volume).await {
        Ok(stored) => stored.filter(|stored| stored.root == known.blake3 && stored.are_whole(generation.blocks)),
        Err(error) => return failed(error.to_string(), error.code()),
    };
    let equal = leaves.root(generation.blocks.bytes()).as_deref() == Some(known.blake3.as_str());
    let differs = (!equal).then(|| match stored {
        Some(stored) => in_words(&stored.leaves.differing(&leaves)),
        None => "some MiB (which ones is not known: the leaves of the fingerprint are no longer kept)".to_owned(),
    });
    let at = clock::now();
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let verification = Verification { at, millis, differs: differs.clone() };
    let (state, stays) = match &differs {
        Some(what) => (GenerationState::InDoubt(format!("its bytes are not those of its fingerprint: {what}")), None),
        None => without_doubt(core, &generation),
    };
    let kept = VolumeLeaves { backup_volume: generation.backup_volume, root: known.blake3.clone(), mark, leaves };
    let mut changes = vec![Change::Entity(EntityChange::KeepFingerprint {
        transaction_volume: volume,
        version,
        fingerprint: Box::new(Fingerprint { verified: Some(verification.clone()), ..(*known).clone() }),
        // What differs stays known by the leaves of the fingerprint.
        leaves: equal.then(|| Box::new(kept)),
    })];
    let mut kinds = vec![EventKind::GenerationVerified { volume, version, differs }];
    if state != generation.state {
        let state = state.clone();
        changes.push(Change::Entity(EntityChange::SetGenerationState {
            transaction_volume: volume,
            version,
            state: state.clone(),
        }));
        kinds.push(EventKind::GenerationStateSet { volume, version, state });
    }
    if !wanted() {
        return failed(format!("{version} of {name} was not verified: its volume is needed"), Code::HELD_BY_OTHER);
    }
    let event = |kind| NewEvent { at, actor: Some(caller.actor.clone()), operation: None, kind };
    match ledger.commit(Commit { changes, events: kinds.into_iter().map(event).collect() }).await {
        Ok(()) => Answer::Verified {
            verified: Box::new(Verified {
                volume,
                version,
                blake3: known.blake3.clone(),
                fingerprinted_at: known.at,
                leaves: read,
                verification,
                was_in_doubt: matches!(generation.state, GenerationState::InDoubt(_)),
                state,
                stays,
            }),
        },
        Err(error) => failed(error.to_string(), error.code()),
    }
}

/// The state of a generation whose bytes are those of its fingerprint, and why it stays in doubt.
fn without_doubt(core: &Core, generation: &Generation) -> (GenerationState, Option<String>) {
    let state = generation.state.clone();
    if !matches!(state, GenerationState::InDoubt(_)) {
        return (state, None);
    }
    let (volume, version) = (generation.transaction_volume, generation.version);
    // The same must be true as where a person answers for it.
    match core.plan(&Request::new(Action::AcceptGeneration { volume, version })).1 {
        Ok(_) => (GenerationState::Valid, None),
        Err(refusal) => (state, Some(refusal.reason)),
    }
}
