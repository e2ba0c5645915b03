//! One session out of what one or two boxes report of it.

use super::{ArraySource, Sources};
use crate::model::identity::BoxId;
use crate::model::plan::PlanStep;
use crate::model::progress::RateHistory;
use crate::model::session::{CopyKind, Pair, Phase, Reading, SessionReading, Status};
use crate::model::snapshot::{Halves, Ready, SessionView, Snapshot};
use std::collections::{BTreeMap, BTreeSet};

/// A half: the session, and the reading that it stands in.
type Half<'a> = (&'a SessionReading, &'a Reading);

/// All sessions that the arrays report, the halves of each REC joined, sorted by pair.
pub(super) fn join(sources: &Sources<'_>) -> Vec<SessionView> {
    let mut found: BTreeMap<Pair, (Option<Half<'_>>, Option<Half<'_>>)> = BTreeMap::new();
    for reading in sources.arrays.iter().filter_map(|array| array.reading.as_deref()) {
        let is_there = |session: &&SessionReading| {
            session.status != Status::Idle && !sources.tracker.is_past(session.pair, reading)
        };
        for session in reading.sessions.iter().filter(is_there) {
            let halves = found.entry(session.pair).or_default();
            let side = if session.pair.source.box_id == reading.box_id { &mut halves.0 } else { &mut halves.1 };
            *side = Some((session, reading));
        }
    }
    let making = in_the_making(sources);
    found.into_iter().filter_map(|(pair, (source, target))| view(sources, &making, pair, source, target)).collect()
}

fn view(
    sources: &Sources<'_>,
    making: &BTreeSet<Pair>,
    pair: Pair,
    source: Option<Half<'_>>,
    target: Option<Half<'_>>,
) -> Option<SessionView> {
    let (session, reading) = source.or(target)?;
    let tracker = sources.tracker;
    let ours = sources.records.sessions.get(&pair);
    let history = tracker.rate(pair, reading.box_id);
    let moves = session.status == Status::Active && session.phase == Phase::Copying;
    Some(SessionView {
        pair,
        status: session.status,
        phase: session.phase,
        words: session.words.clone(),
        halves: if pair.kind == CopyKind::Rec { compare(sources, pair, source, target) } else { Halves::One },
        ours: ours.is_some() || making.contains(&pair),
        full: ours.map(|session| session.full),
        progress: session.progress,
        difference: session.difference,
        error: session.error,
        modes: session.modes,
        requestor: session.requestor.clone(),
        rate: history.filter(|_| moves).and_then(RateHistory::bytes_per_second),
        ready: match (session.is_equivalent(), moves) {
            (true, _) => Ready::Now,
            (false, true) => history.map_or(Ready::NotYetKnown, RateHistory::ready),
            (false, false) => Ready::Never,
        },
        since: tracker.since(pair, reading.box_id).unwrap_or(reading.taken_at),
        taken_at: reading.taken_at,
        sid: session.sid,
    })
}

/// The sessions that open operations make or resume: ours before their rows are written.
fn in_the_making(sources: &Sources<'_>) -> BTreeSet<Pair> {
    let steps = sources.records.operations.values().flat_map(|operation| &operation.item.steps);
    steps
        .filter_map(|step| match step {
            PlanStep::StartFull { pair, .. } | PlanStep::Resume { pair, .. } => Some(*pair),
            _ => None,
        })
        .collect()
}

fn compare(sources: &Sources<'_>, pair: Pair, source: Option<Half<'_>>, target: Option<Half<'_>>) -> Halves {
    let (Some((left, left_reading)), Some((right, right_reading))) = (source, target) else {
        let missing_at = if source.is_some() { pair.target.box_id } else { pair.source.box_id };
        let present = source.or(target).map(|(_, reading)| reading.box_id);
        return missing(sources, pair, missing_at, present, source.is_some());
    };
    let same = (left.status, left.phase) == (right.status, right.phase);
    let changed = [left_reading, right_reading]
        .iter()
        .filter_map(|reading| sources.tracker.since(pair, reading.box_id))
        .max()
        .unwrap_or(right_reading.taken_at);
    let grace = patience(sources, pair.source.box_id).max(patience(sources, pair.target.box_id));
    if same || sources.now.since(changed) <= grace {
        Halves::Agree
    } else if is_read(sources, pair.target.box_id) {
        let (other_status, other_phase, other_taken_at) = (right.status, right.phase, right_reading.taken_at);
        Halves::Disagree { other_status, other_phase, other_words: right.words.clone(), other_taken_at }
    } else {
        Halves::OtherUnread
    }
}

fn missing(sources: &Sources<'_>, pair: Pair, at: BoxId, present: Option<BoxId>, source_reports: bool) -> Halves {
    let since = present.and_then(|box_id| sources.tracker.since(pair, box_id));
    if !is_read(sources, at) {
        Halves::OtherUnread
    } else if since.is_some_and(|since| sources.now.since(since) <= patience(sources, at)) {
        Halves::Agree
    } else {
        Halves::Missing { source_reports }
    }
}

/// The far half is reported a little late: what changed no longer ago than this may still differ. The same age makes a
/// reading too old.
fn patience(sources: &Sources<'_>, box_id: BoxId) -> i64 {
    Snapshot::patience(sources.site.poll_millis, array(sources, box_id).map_or(0, |array| array.took_millis))
}

fn array<'a>(sources: &Sources<'a>, box_id: BoxId) -> Option<&'a ArraySource> {
    sources.arrays.iter().find(|array| array.box_id == Some(box_id))
}

/// Whether the box answers and has been read lately.
pub(super) fn is_read(sources: &Sources<'_>, box_id: BoxId) -> bool {
    let reading = array(sources, box_id).and_then(|array| array.reading.as_ref());
    reading.is_some_and(|reading| sources.now.since(reading.taken_at) <= patience(sources, box_id))
}
