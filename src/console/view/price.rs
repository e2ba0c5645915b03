//! What a plan costs, in sentences: how much is copied and until when, and what the next start will have to copy.

use crate::console::app::App;
use crate::console::format::{Clock, rate};
use crate::console::picture::is_moving;
use crate::model::identity::BoxId;
use crate::model::records::BackupMode;
use crate::model::snapshot::Snapshot;
use crate::model::step::{PlanItem, PlanStep, ResumeStep, SetPolicyStep, StartFullStep, StopStep};
use crate::model::units::Blocks;
use crate::model::verb::Verb;

/// The sentences about one item of a plan.
pub fn of(app: &App, snapshot: &Snapshot, item: &PlanItem) -> Vec<String> {
    item.steps.iter().filter_map(|step| of_step(app, snapshot, item, step)).collect()
}

fn of_step(app: &App, snapshot: &Snapshot, item: &PlanItem, step: &PlanStep) -> Option<String> {
    match step {
        PlanStep::StartFull(StartFullStep { pair, blocks, .. }) => until(app, snapshot, pair.source.box_id, *blocks),
        PlanStep::Resume(ResumeStep { pair, difference, .. }) => {
            until(app, snapshot, pair.source.box_id, (*difference).filter(|difference| difference.0 > 0)?)
        }
        PlanStep::Stop(StopStep { pair, .. }) => {
            let view = snapshot.transaction_volume(item.volume)?;
            let usual = item.verb == Verb::Backup
                && view.volume.policy.is_some_and(|policy| policy.mode == BackupMode::Dissolve);
            // Another suspended copy of the volume stays a base for a difference.
            let other = snapshot
                .sessions_of(item.volume)
                .iter()
                .any(|session| session.ours && session.pair.target != pair.target && session.difference.is_some());
            let span = fastest(snapshot, pair.source.box_id).map(|bytes| span(view.volume.blocks, bytes));
            let span = span.map_or_else(String::new, |millis| format!(", about {}", Clock::span(millis)));
            (!usual && !other).then(|| format!("The next start then copies all {} again{span}.", view.volume.blocks))
        }
        PlanStep::SetPolicy(SetPolicyStep { policy, .. }) => {
            let kept = snapshot.generations_of(item.volume);
            let surplus = (kept.len() + 1).saturating_sub(policy.generations.into());
            let released: Vec<String> = kept
                .iter()
                .filter(|generation| generation.held.is_none())
                .take(surplus)
                .map(|generation| generation.version.to_string())
                .collect();
            match &released[..] {
                [] => None,
                [one] => Some(format!("The next backup releases {one}.")),
                [first, .., last] => Some(format!("The next backup releases {first} to {last}.")),
            }
        }
        _ => None,
    }
}

/// When so much is copied, by the rate of what is copied on that box now; nothing where nothing is.
fn until(app: &App, snapshot: &Snapshot, box_id: BoxId, blocks: Blocks) -> Option<String> {
    let bytes = fastest(snapshot, box_id)?;
    let millis = span(blocks, bytes);
    let at = app.clock.moment_or_minute(app.clock.now.plus_millis(millis));
    Some(format!("Done about {at}: {blocks} at {} take {}.", rate(bytes), Clock::span(millis)))
}

fn span(blocks: Blocks, bytes_per_second: u64) -> i64 {
    i64::try_from(blocks.bytes().saturating_mul(1000) / bytes_per_second.max(1)).unwrap_or(i64::MAX)
}

/// The fastest copy that moves on a box, in bytes a second.
fn fastest(snapshot: &Snapshot, box_id: BoxId) -> Option<u64> {
    let moving = snapshot.sessions.iter().filter(|session| is_moving(session) && session.pair.source.box_id == box_id);
    moving.filter_map(|session| session.rate).max().filter(|rate| *rate > 0)
}
