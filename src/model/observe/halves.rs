//! One session out of what one or two boxes report of it.

use super::Sources;
use super::along::SortedCursor;
use super::tracker::{Tracked, by_pair};
use crate::model::identity::BoxId;
use crate::model::progress::RateHistory;
use crate::model::records::OurSession;
use crate::model::session::{CopyKind, Direction, Pair, Phase, Reading, SessionReading, Sight, Status};
use crate::model::snapshot::{Halves, Ready, SessionView, Snapshot};
use std::collections::BTreeSet;

/// What one box reports of a session.
#[derive(Clone, Copy)]
struct Half<'a> {
    session: &'a SessionReading,
    reading: &'a Reading,
    /// The pair that it is known by: that of our session where the array presents ours in another way.
    pair: Pair,
    /// Seen from that pair.
    direction: Direction,
    /// What earlier readings told.
    tracked: Option<&'a Tracked>,
}

/// All sessions that the arrays report, the halves of each REC joined, sorted by pair.
pub(super) fn join(sources: &Sources<'_>) -> Vec<SessionView> {
    let mut halves: Vec<Half<'_>> = Vec::new();
    let making = in_the_making(sources);
    // The pairs of which the reverse is reported as another program's session: one of the two is a mistaken view.
    let mut contradicted: BTreeSet<Pair> = BTreeSet::new();
    let ours: Vec<&OurSession> = sources.records.sessions.values().collect();
    for reading in sources.arrays.iter().filter_map(|array| array.reading.as_deref()) {
        let mut tracker = SortedCursor::new(sources.tracker.of(reading.box_id), |tracked| tracked.pair);
        let mut ours = SortedCursor::new(&ours, |session| session.pair);
        let sorted = by_pair(reading);
        let mut last: Option<(Pair, bool)> = None;
        for &session in sorted.iter().filter(|session| session.status != Status::Idle) {
            let known = halves.last().filter(|last| last.session.pair == session.pair).and_then(|last| last.tracked);
            let tracked = tracker.at(session.pair).first().or(known);
            let is_ours = match last {
                Some((pair, is_ours)) if pair == session.pair => is_ours,
                _ => !ours.at(session.pair).is_empty() || making.contains(&session.pair),
            };
            last = Some((session.pair, is_ours));
            let pair = if is_ours { session.pair } else { known_as(sources, &making, &sorted, session.pair) };
            if !is_ours && pair == session.pair {
                contradicted.insert(pair.turned());
            }
            if !sources.tracker.is_past(pair, reading) {
                halves.push(Half { session, reading, pair, direction: session.direction_of(&pair), tracked });
            }
        }
    }
    if !contradicted.is_empty() {
        let of_ours = halves.iter_mut().filter(|half| contradicted.contains(&half.pair));
        of_ours.for_each(|half| half.direction = Direction::Unknown);
    }
    halves.sort_by_key(|half| half.pair);
    let mut ours = SortedCursor::new(&ours, |session| session.pair);
    halves
        .chunk_by(|one, other| one.pair == other.pair)
        .filter_map(|halves| {
            let pair = halves.first()?.pair;
            let is_source = |half: &&Half<'_>| half.reading.box_id == pair.source.box_id;
            let source = halves.iter().rfind(is_source).copied();
            let target = halves.iter().rfind(|half| !is_source(half)).copied();
            view(sources, ours.at(pair).first().copied(), making.contains(&pair), source, target)
        })
        .collect()
}

/// The pair that a session which is not ours by its own pair is known by. Arrays may exchange source and target of a session
/// that was reversed, and a word for its kind that is not known makes no other session of it: either way it is ours still,
/// unless ours is reported beside it.
fn known_as(sources: &Sources<'_>, making: &BTreeSet<Pair>, reported: &[&SessionReading], pair: Pair) -> Pair {
    let is_ours = |pair: &Pair| sources.records.sessions.contains_key(pair) || making.contains(pair);
    let is_reported = |pair: &Pair| reported.binary_search_by_key(pair, |session| session.pair).is_ok();
    let whole = Pair::new(pair.source, pair.target);
    let presented = match pair.kind {
        CopyKind::Ec | CopyKind::Rec => [None, Some(pair.turned())],
        CopyKind::Other => [Some(whole), Some(whole.turned())],
        CopyKind::Opc | CopyKind::QuickOpc | CopyKind::SnapOpc | CopyKind::SnapOpcPlus => [None, None],
    };
    presented.into_iter().flatten().find(|pair| is_ours(pair) && !is_reported(pair)).unwrap_or(pair)
}

/// The direction by what all boxes say that report the session: not known where they do not agree.
fn direction(source: Option<Half<'_>>, target: Option<Half<'_>>) -> Direction {
    match (source.map(|half| half.direction), target.map(|half| half.direction)) {
        (Some(one), Some(other)) if one != other => match (one, other) {
            // A box that gives no direction contradicts nobody.
            (known, Direction::Unknown) | (Direction::Unknown, known) => known,
            _ => Direction::Unknown,
        },
        (Some(direction), _) | (None, Some(direction)) => direction,
        (None, None) => Direction::Unknown,
    }
}

fn view(
    sources: &Sources<'_>,
    ours: Option<&OurSession>,
    in_the_making: bool,
    source: Option<Half<'_>>,
    target: Option<Half<'_>>,
) -> Option<SessionView> {
    let Half { session, reading, pair, direction: _, tracked } = source.or(target)?;
    let direction = direction(source, target);
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
        target_written: session.target_written,
        error: session.error,
        modes: session.modes,
        direction,
        reported_kind: session.pair.kind,
        requestor: session.requestor.clone(),
        rate: history.filter(|_| moves).and_then(RateHistory::bytes_per_second),
        ready: match (session.is_equivalent(), moves) {
            _ if direction != Direction::Forward || session.pair.kind != pair.kind => Ready::Never,
            (true, _) => Ready::Now,
            (false, true) => history.map_or(Ready::NotYetKnown, RateHistory::ready),
            (false, false) => Ready::Never,
        },
        since: tracked.map_or(reading.taken_at, |tracked| tracked.since),
        copied_in: tracked.and_then(|tracked| tracked.copied_in),
        by_target: source.is_none(),
        sid: session.sid,
    })
}

/// The sessions that open operations make or resume: ours before their rows are written.
fn in_the_making(sources: &Sources<'_>) -> BTreeSet<Pair> {
    let steps = sources.open_operations().flat_map(|operation| &operation.item.steps);
    steps.flat_map(|step| step.starts()).copied().collect()
}

fn compare(sources: &Sources<'_>, pair: Pair, source: Option<Half<'_>>, target: Option<Half<'_>>) -> Halves {
    let (Some(left), Some(right)) = (source, target) else {
        let missing_at = if source.is_some() { pair.target.box_id } else { pair.source.box_id };
        return missing(sources, &pair, missing_at, source.or(target), source.is_some());
    };
    let same = (left.session.status, left.session.phase) == (right.session.status, right.session.phase);
    let changed = [left.tracked, right.tracked].iter().flatten().map(|tracked| tracked.changed).max();
    let age = sources.moment.since(changed.unwrap_or(right.reading.began));
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

fn missing(sources: &Sources<'_>, pair: &Pair, at: BoxId, present: Option<Half<'_>>, source_reports: bool) -> Halves {
    let since = present.and_then(|half| half.tracked).map(|tracked| tracked.changed);
    let reading = sources.array(at).and_then(|array| array.reading.as_ref());
    let hides_it = reading.is_some_and(|reading| matches!(reading.look_for(pair), Sight::NotRead(_)));
    if hides_it || !is_read(sources, at) {
        Halves::OtherUnread
    } else if since.is_some_and(|since| sources.moment.since(since) <= patience(sources, at)) {
        Halves::Agree
    } else {
        Halves::Missing { source_reports }
    }
}

/// The far half is reported a little late: what changed no longer ago than this may still differ.
fn patience(sources: &Sources<'_>, box_id: BoxId) -> i64 {
    Snapshot::patience(sources.site.poll_millis, sources.array(box_id).map_or(0, |array| array.took_millis))
}

/// Whether the box answers and has been read lately.
pub(super) fn is_read(sources: &Sources<'_>, box_id: BoxId) -> bool {
    let Some(array) = sources.array(box_id) else { return false };
    let limit = Snapshot::max_reading_age(sources.site.poll_millis, array.took_millis);
    array.reading.as_ref().is_some_and(|reading| sources.moment.since(reading.began) <= limit)
}
