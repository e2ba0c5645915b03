//! One session out of what one or two boxes report of it.

use super::Sources;
use super::along::Along;
use super::tracker::{Tracked, by_pair};
use crate::model::identity::BoxId;
use crate::model::plan::PlanStep;
use crate::model::progress::RateHistory;
use crate::model::records::OurSession;
use crate::model::session::{CopyKind, Pair, Phase, Reading, SessionReading, Status};
use crate::model::snapshot::{Halves, Ready, SessionView, Snapshot};
use std::collections::BTreeSet;

/// What one box reports of a session.
#[derive(Clone, Copy)]
struct Half<'a> {
    session: &'a SessionReading,
    reading: &'a Reading,
    /// What earlier readings told.
    tracked: Option<&'a Tracked>,
}

/// All sessions that the arrays report, the halves of each REC joined, sorted by pair.
pub(super) fn join(sources: &Sources<'_>) -> Vec<SessionView> {
    let mut halves: Vec<Half<'_>> = Vec::new();
    for reading in sources.arrays.iter().filter_map(|array| array.reading.as_deref()) {
        let mut tracker = Along::new(sources.tracker.of(reading.box_id), |tracked| tracked.pair);
        let is_there = |session: &&SessionReading| {
            session.status != Status::Idle && !sources.tracker.is_past(session.pair, reading)
        };
        for session in by_pair(reading).into_iter().filter(is_there) {
            let known = halves.last().filter(|last| last.session.pair == session.pair).and_then(|last| last.tracked);
            halves.push(Half { session, reading, tracked: tracker.at(session.pair).first().or(known) });
        }
    }
    halves.sort_by_key(|half| half.session.pair);
    let making = in_the_making(sources);
    let ours: Vec<&OurSession> = sources.records.sessions.values().collect();
    let mut ours = Along::new(&ours, |session| session.pair);
    halves
        .chunk_by(|one, other| one.session.pair == other.session.pair)
        .filter_map(|halves| {
            let pair = halves.first()?.session.pair;
            let is_source = |half: &&Half<'_>| half.reading.box_id == pair.source.box_id;
            let source = halves.iter().rfind(is_source).copied();
            let target = halves.iter().rfind(|half| !is_source(half)).copied();
            view(sources, ours.at(pair).first().copied(), making.contains(&pair), source, target)
        })
        .collect()
}

fn view(
    sources: &Sources<'_>,
    ours: Option<&OurSession>,
    in_the_making: bool,
    source: Option<Half<'_>>,
    target: Option<Half<'_>>,
) -> Option<SessionView> {
    let Half { session, reading, tracked } = source.or(target)?;
    let pair = session.pair;
    let history = tracked.map(|tracked| &tracked.rate);
    let moves = session.status == Status::Active && session.phase == Phase::Copying;
    Some(SessionView {
        pair,
        status: session.status,
        phase: session.phase,
        words: session.words.clone(),
        halves: if pair.kind == CopyKind::Rec { compare(sources, pair, source, target) } else { Halves::One },
        ours: ours.is_some() || in_the_making,
        full: ours.map(|session| session.full),
        progress: session.progress,
        difference: session.difference,
        error: session.error,
        modes: session.modes,
        direction: session.direction,
        reported_kind: session.pair.kind,
        requestor: session.requestor.clone(),
        rate: history.filter(|_| moves).and_then(RateHistory::bytes_per_second),
        ready: match (session.is_equivalent(), moves) {
            (true, _) => Ready::Now,
            (false, true) => history.map_or(Ready::NotYetKnown, RateHistory::ready),
            (false, false) => Ready::Never,
        },
        since: tracked.map_or(reading.taken_at, |tracked| tracked.since),
        by_target: source.is_none(),
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
    let (Some(left), Some(right)) = (source, target) else {
        let missing_at = if source.is_some() { pair.target.box_id } else { pair.source.box_id };
        return missing(sources, missing_at, source.or(target), source.is_some());
    };
    let same = (left.session.status, left.session.phase) == (right.session.status, right.session.phase);
    let changed = [left.tracked, right.tracked].iter().flatten().map(|tracked| tracked.since).max();
    let age = sources.now.since(changed.unwrap_or(right.reading.taken_at));
    if same || age <= patience(sources, pair.source.box_id).max(patience(sources, pair.target.box_id)) {
        Halves::Agree
    } else if is_read(sources, pair.target.box_id) {
        let (other_status, other_phase) = (right.session.status, right.session.phase);
        let (other_words, other_taken_at) = (right.session.words.clone(), right.reading.taken_at);
        Halves::Disagree { other_status, other_phase, other_words, other_taken_at }
    } else {
        Halves::OtherUnread
    }
}

fn missing(sources: &Sources<'_>, at: BoxId, present: Option<Half<'_>>, source_reports: bool) -> Halves {
    let since = present.and_then(|half| half.tracked).map(|tracked| tracked.since);
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
    Snapshot::patience(sources.site.poll_millis, sources.array(box_id).map_or(0, |array| array.took_millis))
}

/// Whether the box answers and has been read lately.
pub(super) fn is_read(sources: &Sources<'_>, box_id: BoxId) -> bool {
    let reading = sources.array(box_id).and_then(|array| array.reading.as_ref());
    reading.is_some_and(|reading| sources.now.since(reading.taken_at) <= patience(sources, box_id))
}
