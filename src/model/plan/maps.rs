//! Map sets: storing and removing them, and the pairs that they give to a start.

use super::allocate::{Allocation, Pool};
use super::case::{Case, unclaimed};
use super::map_rounds;
use super::release::{release_for_start, with_backlog};
use super::synchronize::item;
use super::{NearMiss, PlanItem, PlanStep, Refusal};
use crate::model::codes::Code;
use crate::model::entity::BackupMode;
use crate::model::identity::{Name, VolumeId};
use crate::model::map_set::{MapRound, MapRow, MapSet, difference};
use crate::model::request::Request;
use crate::model::snapshot::Snapshot;
use crate::model::step::{PutMapSetStep, RemoveMapSetStep, UseMapRowStep};
use crate::model::units::{count, listed};
use std::collections::{BTreeMap, BTreeSet};

type Answer = Result<PlanItem, Refusal>;

/// Pairs that one notice names at most.
const NAMED: usize = 5;

/// Stores a map set. `before`: what an edit was made from.
pub(super) fn store(snapshot: &Snapshot, request: &Request, set: &MapSet, before: Option<&str>) -> Answer {
    let stored = snapshot.map_set(set.name.as_str());
    if let Some(before) = before {
        let Some(stored) = stored else { return Err(unknown(&set.name)) };
        if stored.fingerprint() != before {
            let reason = format!("map set {} was stored anew since you began to edit it", set.name);
            return Err(Refusal::new(Code::MAP_CHANGED, reason));
        }
    }
    well_formed(snapshot, set)?;
    for (round, row) in set.rows() {
        may_be_kept(snapshot, set, stored, round, row)?;
    }
    if stored.is_some_and(|stored| stored.rounds == set.rounds) {
        return Err(Refusal::new(Code::ALREADY_SO, format!("map set {} is stored like this already", set.name)));
    }
    let volumes = set.transaction_volumes();
    let claims: Vec<VolumeId> = volumes
        .first()
        .copied()
        .into_iter()
        .chain(stored.and_then(|set| set.transaction_volumes().first().copied()))
        .collect();
    let Some(&first) = claims.first() else {
        return Err(Refusal::new(Code::MAP_SYNTAX, format!("map set {} would have no pair", set.name)));
    };
    for volume in &claims {
        unclaimed(snapshot, *volume)?;
    }
    let step = PlanStep::PutMapSet(PutMapSetStep { set: set.clone(), edited: before.is_some() });
    let mut item = PlanItem::new(request.action.verb(), first, vec![step], claims);
    if stored.is_some() {
        let changes = difference(stored, Some(set));
        let of = |wanted: fn(Option<VolumeId>, Option<VolumeId>) -> bool| {
            changes.iter().filter(|change| wanted(change.before, change.after)).count()
        };
        let added = of(|before, after| before.is_none() && after.is_some());
        let removed = of(|before, after| before.is_some() && after.is_none());
        let changed = changes.len() - added - removed;
        let pairs = count(added, "pair", "pairs");
        let text = format!("compared with the stored map set: {pairs} added, {changed} changed, {removed} removed");
        item.notice(Code::MAP_DIFFERENCE, text);
    }
    for short in map_rounds::shortages(snapshot, set) {
        let text = if short.volumes > 0 {
            short.in_words()
        } else {
            let (pairs, are) = (count(short.pairs, "pair", "pairs"), if short.pairs == 1 { "is" } else { "are" });
            format!(
                "{pairs} for volumes of {} {are} missing for G + 1; the pool has unused backup volumes for them",
                short.key
            )
        };
        item.notice(Code::POOL_TOO_SMALL_FOR_POLICY, text);
    }
    shared(snapshot, set, &mut item);
    Ok(item)
}

/// The shape that every reader of a set relies on, whoever made the request.
fn well_formed(snapshot: &Snapshot, set: &MapSet) -> Result<(), Refusal> {
    let wrong = |reason: String| Err(Refusal::new(Code::MAP_SYNTAX, reason));
    if set.rounds.len() > MapSet::MAX_ROUNDS || set.pairs() > MapSet::MAX_PAIRS {
        let (rounds, pairs) = (MapSet::MAX_ROUNDS, MapSet::MAX_PAIRS);
        return wrong(format!("a map set has at most {rounds} rounds and {pairs} pairs"));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = set.rounds.iter().find(|round| !names.insert(&round.name)) {
        return wrong(format!("two rounds of map set {} are called {}", set.name, twice.name));
    }
    for round in &set.rounds {
        if !round.rows.is_sorted_by(|a, b| a.transaction_volume < b.transaction_volume) {
            return wrong(format!("round {} names a transaction volume twice", round.name));
        }
        let mut backups = BTreeMap::new();
        for row in &*round.rows {
            if let Some(other) = backups.insert(row.backup_volume, row.transaction_volume) {
                let (backup, one) = (snapshot.label(row.backup_volume), snapshot.label(other));
                let two = snapshot.label(row.transaction_volume);
                let reason = format!("round {} gives {backup} to {one} and to {two}", round.name);
                return Err(Refusal::new(Code::MAP_DUPLICATE, reason).about(row.transaction_volume));
            }
        }
    }
    Ok(())
}

/// A pair that is stored already stays, whatever became of its volumes; a new one needs volumes that can be a pair.
fn may_be_kept(
    snapshot: &Snapshot,
    set: &MapSet,
    stored: Option<&MapSet>,
    round: &MapRound,
    row: &MapRow,
) -> Result<(), Refusal> {
    let (transaction, backup) = (row.transaction_volume, row.backup_volume);
    if let Some(other) =
        snapshot.map_sets.iter().find(|other| other.name != set.name && other.rows_of(transaction).next().is_some())
    {
        let reason = format!("{} is in map set {} already", snapshot.label(transaction), other.name);
        return Err(Refusal::new(Code::MAP_IN_ANOTHER_SET, reason).about(transaction));
    }
    let is_stored = |stored: &MapSet| stored.rows_of(transaction).any(|(_, known)| known.backup_volume == backup);
    if stored.is_some_and(is_stored) {
        return Ok(());
    }
    let in_round =
        |refusal: Refusal| Refusal { reason: format!("round {}: {}", round.name, refusal.reason), ..refusal };
    let Some(view) = snapshot.transaction_volume(transaction) else {
        return Err(in_round(super::case::not_a_transaction_volume(snapshot, transaction)));
    };
    let Some(pooled) = snapshot.backup_volume(backup) else {
        let reason = format!("{} is not a backup volume of this site", snapshot.label(backup));
        return Err(in_round(Refusal::new(Code::NOT_A_BACKUP_VOLUME, reason).about(transaction)));
    };
    if pooled.volume.blocks != view.volume.blocks {
        let (have, want) = (pooled.volume.blocks.0, view.volume.blocks.0);
        let (label, name) = (snapshot.label(backup), &view.volume.name);
        let reason = format!("{label} has {have} blocks, {name} has {want}");
        return Err(in_round(Refusal::new(Code::UNEQUAL_SIZE, reason).about(transaction)));
    }
    super::allocate::in_one_pool(snapshot, view, pooled).map_err(in_round)
}

/// In suspend mode a backup volume stays with one transaction volume, so a shared one makes a round of another useless.
fn shared(snapshot: &Snapshot, set: &MapSet, item: &mut PlanItem) {
    let mut users: BTreeMap<VolumeId, BTreeSet<VolumeId>> = BTreeMap::new();
    for (_, row) in set.rows() {
        users.entry(row.backup_volume).or_default().insert(row.transaction_volume);
    }
    let suspends = |id: &VolumeId| {
        let policy = snapshot.transaction_volume(*id).and_then(|view| view.volume.policy);
        policy.is_none_or(|policy| policy.mode == BackupMode::Suspend)
    };
    let both = users.iter().filter(|(_, users)| users.len() > 1 && users.iter().any(suspends));
    let texts: Vec<String> = both
        .map(|(backup, users)| {
            let users: Vec<String> = users.iter().map(|id| snapshot.label(*id)).collect();
            format!("{} is for {}", snapshot.label(*backup), users.join(" and "))
        })
        .collect();
    if !texts.is_empty() {
        item.notice(Code::MAP_SHARED, listed(texts, NAMED));
    }
}

pub(super) fn remove(snapshot: &Snapshot, request: &Request, name: &Name) -> Answer {
    let Some(set) = snapshot.map_set(name.as_str()) else { return Err(unknown(name)) };
    let claims: Vec<VolumeId> = set.transaction_volumes().into_iter().take(1).collect();
    let Some(&first) = claims.first() else { return Err(unknown(name)) };
    unclaimed(snapshot, first)?;
    let step = PlanStep::RemoveMapSet(RemoveMapSetStep { name: name.clone(), pairs: set.pairs() });
    Ok(PlanItem::new(request.action.verb(), first, vec![step], claims))
}

fn unknown(name: &Name) -> Refusal {
    Refusal::new(Code::MAP_UNKNOWN, format!("there is no map set {name}"))
}

/// Starts a volume of a map set: with the backup volume of the least recently used round that can be used now.
pub(super) fn start(case: &Case<'_>, set: &MapSet, pool: &mut Pool<'_>) -> Answer {
    let mut reasons = Vec::new();
    for (round, row) in map_rounds::in_order(case.snapshot, set, case.id()) {
        match pool.named(case, row.backup_volume).and_then(|allocation| by_map(case, set, round, row, allocation)) {
            Ok(item) => return Ok(item),
            Err(refusal) => reasons.push((round, row, refusal)),
        }
    }
    let mapped: BTreeSet<VolumeId> = reasons.iter().map(|(_, row, _)| row.backup_volume).collect();
    if let Some(reused) = release_for_start(case, |volume| mapped.contains(&volume)) {
        let mut item = reused?;
        let given = item.claims.iter().find_map(|claim| reasons.iter().find(|(_, row, _)| row.backup_volume == *claim));
        if let Some((round, row, _)) = given {
            item.steps.push(used(set, round, row));
        }
        return Ok(item);
    }
    let reason = format!("no round of map set {} can be used for {} now", set.name, case.name());
    let reason = with_backlog(case, reason);
    let misses = reasons.iter().map(|(round, row, refusal)| near_miss(case.snapshot, round, row, refusal));
    let refusal =
        Refusal::new(Code::MAP_NO_ROUND, reason).about(case.id()).with_near_misses(misses, MapSet::MAX_ROUNDS);
    let remedies = reasons.iter().flat_map(|(_, _, refusal)| refusal.remedies.clone());
    Err(refusal.with_remedies(remedies.collect::<Vec<_>>()))
}

/// A round with what is wrong with it. A version that it does not give up now is due in another round.
fn near_miss(snapshot: &Snapshot, round: &MapRound, row: &MapRow, refusal: &Refusal) -> NearMiss {
    let name = format!("round {}, {}", round.name, snapshot.label(row.backup_volume));
    let not_due = if refusal.code == Code::HOLDS_A_GENERATION { ", not due this round" } else { "" };
    NearMiss { volume: row.backup_volume, name, why: format!("{}{not_due}", refusal.reason) }
}

/// For volumes that belong together one round must fit all. Gives the item of each, or the refusal that stands for all.
pub(super) fn start_together<'a>(
    snapshot: &'a Snapshot,
    set: &MapSet,
    cases: &[Case<'a>],
    pool: &mut Pool<'a>,
) -> Result<Vec<PlanItem>, Refusal> {
    let volumes: Vec<VolumeId> = cases.iter().map(Case::id).collect();
    let mut misses = Vec::new();
    for round in &set.rounds {
        if let Some(missing) = volumes.iter().find(|volume| round.row(**volume).is_none()) {
            let why = format!("has no backup volume for {}", snapshot.label(*missing));
            misses.push(NearMiss { volume: *missing, name: format!("round {}", round.name), why });
        }
    }
    for round in map_rounds::in_order_together(snapshot, set, &volumes) {
        let rows = cases.iter().filter_map(|case| Some((case, round.row(case.id())?)));
        let unusable = rows.clone().find_map(|(case, row)| {
            pool.would_take(case, row.backup_volume).err().map(|refusal| near_miss(snapshot, round, row, &refusal))
        });
        if let Some(miss) = unusable {
            misses.push(miss);
            continue;
        }
        return rows
            .map(|(case, row)| {
                pool.named(case, row.backup_volume).and_then(|allocation| by_map(case, set, round, row, allocation))
            })
            .collect();
    }
    let reason = format!("no round of map set {} fits all of {}", set.name, count(volumes.len(), "volume", "volumes"));
    let refusal = Refusal::new(Code::MAP_NO_ROUND, reason).with_near_misses(misses.into_iter(), MapSet::MAX_ROUNDS);
    Err(match volumes.first() {
        Some(first) => refusal.about(*first),
        None => refusal,
    })
}

fn by_map(case: &Case<'_>, set: &MapSet, round: &MapRound, row: &MapRow, allocation: Allocation<'_>) -> Answer {
    let mut item = item(case, allocation)?;
    item.steps.push(used(set, round, row));
    Ok(item)
}

fn used(set: &MapSet, round: &MapRound, row: &MapRow) -> PlanStep {
    PlanStep::UseMapRow(UseMapRowStep {
        map: set.name.clone(),
        round: round.name.clone(),
        transaction_volume: row.transaction_volume,
        backup_volume: row.backup_volume,
    })
}

/// The names of the map sets that have a volume, in either role.
pub(super) fn that_use(snapshot: &Snapshot, id: VolumeId) -> Vec<&Name> {
    let uses = |set: &&MapSet| set.rows().any(|(_, row)| row.transaction_volume == id || row.backup_volume == id);
    snapshot.map_sets.iter().filter(uses).map(|set| &set.name).collect()
}

/// The backup volumes that map sets keep for registered transaction volumes, and which: nothing else chooses them.
pub(super) fn reserved(snapshot: &Snapshot) -> BTreeMap<VolumeId, VolumeId> {
    let rows = snapshot.map_sets.iter().flat_map(MapSet::rows).map(|(_, row)| row);
    let registered = rows.filter(|row| snapshot.transaction_volume(row.transaction_volume).is_some());
    registered.map(|row| (row.backup_volume, row.transaction_volume)).collect()
}

/// What a start says of a backup volume that is kept for another one.
pub(super) fn kept_for(snapshot: &Snapshot, target: VolumeId, other: VolumeId) -> String {
    let set = snapshot.map_set_of(other).map_or_else(String::new, |set| format!(" by map set {}", set.name));
    format!("{} is kept for {}{set}", snapshot.label(target), snapshot.label(other))
}
