//! What a hold costs: which backups find no volume because of it, and from when on.

use super::codes::Code;
use super::identity::VolumeId;
use super::plan::{Plan, pool_sizes};
use super::preview::preview;
use super::request::Request;
use super::snapshot::Snapshot;
use super::units::{Version, count, listed};
use super::untrusted::Untrusted;
use std::collections::BTreeSet;
use std::ops::Deref;

/// Nights that are looked ahead, and transaction volumes of one pool for which they are.
const NIGHTS: usize = 14;
const MAX_PLANNED: usize = 100;
/// Volumes that one sentence names.
const LISTED: usize = 5;

/// The plan of a hold with its cost. Every other plan is as it was, and the whole site is not looked at for it.
pub fn noted<S: Deref<Target = Snapshot>>(mut plan: Plan, site: impl FnOnce() -> S, request: &Request) -> Plan {
    // Only a hold keeps a generation for a reason.
    if let (Some((volume, version)), Some(why)) = (request.action.generation(), request.action.reason())
        && let Some(text) = cost(&site(), volume, version, why)
    {
        plan.notice(volume, Code::HOLD_LEAVES_TOO_FEW, &text);
    }
    plan
}

fn cost(snapshot: &Snapshot, id: VolumeId, version: Version, why: &Untrusted) -> Option<String> {
    let view = snapshot.transaction_volume(id)?;
    let kept = snapshot.generation(id, version)?;
    if kept.held.is_some() {
        return None;
    }
    let key = snapshot.pool_key(view);
    let size = pool_sizes(snapshot).remove(&key).unwrap_or_default();
    // Where there is one to spare, no night has to be planned.
    if size.total > size.needed {
        return None;
    }
    let mut held = snapshot.clone();
    for generation in &mut *held.generations {
        if generation.transaction_volume == id && generation.version == version {
            generation.held = Some(why.clone());
        }
    }
    let name = &view.volume.name;
    if snapshot.transaction_volumes.iter().filter(|view| snapshot.pool_key(view) == key).count() > MAX_PLANNED {
        let missing = count(size.missing() + 1, "backup volume", "backup volumes");
        return Some(format!("{missing} of {key} missing while {version} of {name} is held"));
    }
    let dry = |site: &Snapshot| -> Vec<BTreeSet<VolumeId>> {
        let nights = preview(site, id, NIGHTS).nights;
        nights.iter().map(|night| night.without_volume().map(|backup| backup.volume).collect()).collect()
    };
    let worse = std::iter::zip(dry(snapshot), dry(&held)).map(|(before, after)| &after - &before);
    let (night, volumes) = worse.enumerate().find(|(_, volumes)| !volumes.is_empty())?;
    let who = listed(volumes.iter().map(|id| snapshot.label(*id)), LISTED);
    let have = if volumes.len() == 1 { "has" } else { "have" };
    let from = match night {
        0 => "from the next night on".to_owned(),
        _ => format!("after {}", count(night, "night", "nights")),
    };
    Some(format!("{from}, {who} {have} no backup volume: {version} of {name} keeps its own"))
}
