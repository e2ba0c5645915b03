//! The demonstration site's arrays: volumes with real bytes, and sessions in the middle of their lives.

use super::declaration::{Declaration, Live, LiveState, Transaction};
use crate::driver::emulated::admin::{Content, NewArray, NewSession, NewState, NewVolume, Provision, Work};
use crate::model::identity::VolumeId;
use crate::model::session::{Automation, CopyKind, Pair, RecModes};
use crate::model::units::Blocks;
use std::collections::BTreeMap;

/// Rounds of changes that a transaction volume had by the last backup hour; one a day.
const ROUNDS: u32 = 10;

/// Everything that is on the arrays.
pub fn of(declaration: &Declaration) -> Provision {
    let mut contents = BTreeMap::new();
    let mut sessions = Vec::new();
    for (index, volume) in declaration.transaction_volumes.iter().enumerate() {
        let content = |rounds| Content { seed: declaration.seed + index as u64, filled: declaration.filled, rounds };
        contents.insert(volume.id, content(ROUNDS + 1));
        for kept in &volume.generations {
            contents.insert(kept.on, content(ROUNDS.saturating_sub(kept.days.into())));
        }
        if let Some(live) = volume.live.filter(|live| !live.full || keeps_old_bytes(live.state)) {
            contents.insert(live.pair.target, content(ROUNDS));
        }
        sessions.extend(suspended(volume));
        sessions.extend(volume.live.map(session));
    }
    let volume = |(id, blocks): (VolumeId, Blocks)| NewVolume {
        id,
        label: label(declaration, id),
        blocks,
        content: contents.get(&id).copied(),
    };
    let work = |(index, workload): (usize, &super::declaration::Workload)| {
        let seed = declaration.seed + 1_000 + index as u64;
        (workload.volume, Work { seed, bytes_per_second: workload.bytes_per_second, start: 0, end: workload.within })
    };
    Provision {
        arrays: declaration
            .arrays
            .iter()
            .map(|array| NewArray { name: array.name.clone(), box_id: array.box_id })
            .collect(),
        volumes: declaration.volumes().map(volume).collect(),
        sessions,
        bytes_per_second: Some(declaration.bytes_per_second),
        workloads: declaration.workloads.iter().enumerate().map(work).collect(),
    }
}

/// What the array itself calls a volume.
fn label(declaration: &Declaration, id: VolumeId) -> String {
    let transaction = declaration.transaction_volumes.iter().find(|volume| volume.id == id);
    transaction.map_or_else(|| format!("vol-{:x}", id.olu.0), |volume| volume.name.to_string())
}

/// Whether the target holds an earlier state of the source, which it differs from.
fn keeps_old_bytes(state: LiveState) -> bool {
    matches!(state, LiveState::Suspended | LiveState::Halted)
}

/// The sessions of kept generations.
fn suspended(volume: &Transaction) -> impl Iterator<Item = NewSession> + '_ {
    volume.generations.iter().filter(|kept| kept.suspended).map(|kept| NewSession {
        pair: Pair::new(volume.id, kept.on),
        state: NewState::Suspended,
        percent: 100,
        full: true,
        modes: None,
        started: None,
    })
}

fn session(live: Live) -> NewSession {
    let state = match live.state {
        LiveState::Copying => NewState::Copying,
        LiveState::Equivalent => NewState::Equivalent,
        LiveState::Suspended => NewState::Suspended,
        LiveState::Error => NewState::BadSector,
        LiveState::Halted => NewState::Halted,
    };
    // With automatic recovery it would not stay halted: the path is there.
    let recovery = if live.state == LiveState::Halted { Automation::Manual } else { Automation::Automatic };
    let modes = (live.pair.kind == CopyKind::Rec).then(|| RecModes { recovery, ..RecModes::default() });
    NewSession { pair: live.pair, state, percent: live.percent, full: live.full, modes, started: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kept_generation_has_bytes_of_its_own_day() {
        let declaration = Declaration::built_in().unwrap();
        let provision = of(&declaration);
        let content = |id| provision.volumes.iter().find(|volume| volume.id == id).and_then(|volume| volume.content);
        for volume in &declaration.transaction_volumes {
            let now = content(volume.id).unwrap();
            for kept in &volume.generations {
                let then = content(kept.on).unwrap();
                assert_eq!(then.seed, now.seed);
                assert!((1..now.rounds).contains(&then.rounds), "{} {}", volume.name, kept.version);
            }
        }
    }

    #[test]
    fn the_sessions_are_those_of_the_catalogue() {
        let declaration = Declaration::built_in().unwrap();
        let mut records = crate::model::records::Records::default();
        records.apply_all(&super::super::records_of(&declaration, crate::model::units::Timestamp(1)).0).unwrap();
        let mut pairs: Vec<Pair> = of(&declaration).sessions.iter().map(|session| session.pair).collect();
        pairs.sort();
        assert_eq!(pairs, records.sessions.keys().copied().collect::<Vec<_>>());
    }
}
