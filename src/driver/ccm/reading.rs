//! All sessions of a box: one query of each of our groups at every poll, everybody's sessions when that is due.
//!
//! A poll costs the same with five sessions and with five hundred: a group is one answer, and there is one of a type.

use super::array::{CcmDriver, Discovery, Run, TRANSFER_MODES};
use super::command;
use super::names::{GroupName, GroupType};
use super::reply::copies::{self, CopyRow, CopyRows, Direction, GroupQuery, NamedVolume, OddRow, OddTarget};
use super::server::{Group, Names, ServerError, Turn};
use super::{refusal, unknown_terms};
use crate::driver::DriverError;
use crate::driver::transport::argv::Argv;
use crate::model::identity::{BoxId, VolumeId};
use crate::model::session::{
    self, ArrayWords, CopyKind, Others, Pair, Phase, Reading, RecModes, SessionReading, Status, UnknownRow,
};
use crate::model::units::{Progress, Timestamp};
use crate::model::untrusted::Untrusted;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;

/// Who is named as the requestor of a session that one of our groups holds.
const OURS: &str = "ecdeck";

/// Reads the box's sessions. `afresh`: nothing is taken from memory.
pub async fn read(driver: &CcmDriver, now: Timestamp, afresh: bool) -> Result<Reading, DriverError> {
    const WHAT: &str = "reading its sessions";
    let mut turn = driver.question(WHAT).await?;
    all(driver, &mut turn, now, afresh).await.map_err(|wrong| driver.error(WHAT, &wrong))
}

async fn all(driver: &CcmDriver, turn: &mut Turn<'_>, now: Timestamp, afresh: bool) -> Result<Reading, ServerError> {
    let names = turn.names(&driver.words, false).await?;
    let own = driver.own_box(&names)?;
    let mut reading = Reading::complete(own, now, Vec::new());
    let (mut pairs_of_groups, mut idle) = (BTreeSet::new(), BTreeSet::new());
    let mut answered = false;
    let mut gone = false;
    let mut unread_target = None;
    for OwnGroup { group, group_type, modes, boxes } in groups_of(driver, &names, own) {
        let before = turn.groups.get(&group).cloned();
        // A group that was removed from here was empty, so its silence is as good as its list.
        let is_removed = matches!(before, Some(Group::Absent { by_us: true, .. }));
        if is_removed && group_type != GroupType::Opc {
            reading.own_lists.extend(boxes);
        }
        if !afresh && was_absent_lately(driver, before.as_ref()) {
            continue;
        }
        // A query that fails says nothing of what is in the group: the reading fails, and what was known stays.
        let Some(query) = query(driver, turn, &group, group_type, &names).await? else {
            gone |= matches!(before, Some(Group::Present(_)));
            continue;
        };
        answered = true;
        if !is_removed && group_type != GroupType::Opc {
            reading.own_lists.extend(boxes);
        }
        for row in &query.table.rows {
            let Some((source, target)) = volumes_of(row, &names) else {
                reading.unknown_rows.push(of_unknown_boxes(row, &names));
                continue;
            };
            let session = session(driver, row, source, target, group_type.kind(), OURS);
            if session.is_some() {
                pairs_of_groups.insert((source, target));
            } else {
                idle.insert((source, target));
            }
            if source.box_id == own || target.box_id == own {
                reading.sessions.extend(session.map(|session| in_modes(driver, session, modes)));
            }
        }
        for row in &query.table.odd {
            unread_target = unread_target.or_else(|| unreadable_target(row, group.as_str()));
            // Every pair of a group has a target: one that is not there could not be read.
            reading.unknown_rows.push(UnknownRow { is_no_pair: false, ..unknown_row(row, &names) });
        }
    }
    if afresh || gone || !answered || discovery_is_due(driver) || was_discovered(driver, &idle) {
        let found = match discover(driver, turn, &names).await {
            Ok(found) => found,
            // What went with a group is in nobody's view now; and where nothing ran, nothing is known of CCM at all.
            Err(wrong) if gone || matches!(wrong, ServerError::Exec(_)) => return Err(wrong),
            Err(wrong) => not_discovered(driver, &wrong),
        };
        driver.memory().discovered = Some(found);
    }
    if let Some(found) = &driver.memory().discovered {
        let of_groups = |session: &&SessionReading| {
            let Pair { source, target, .. } = session.pair;
            // A session that a group shows one way round and CCM's list the other way round is the same one.
            !pairs_of_groups.contains(&(source, target)) && !pairs_of_groups.contains(&(target, source))
        };
        reading.sessions.extend(found.sessions.iter().filter(of_groups).cloned());
        reading.unknown_rows.extend(found.unknown_rows.iter().cloned());
        reading.others = found.others.clone();
    }
    if let (Others::Read, Some(why)) = (&reading.others, unread_target) {
        reading.others = Others::Failed { why };
    }
    reading.unread_volumes = driver.memory().unread_volumes.clone();
    reading.sessions.sort_by_key(|session| (session.pair, session.sid));
    reading.unknown_terms = unknown_terms::of(driver, &reading.sessions);
    Ok(reading)
}

/// Whether a group was not there when it was last looked for, and that is not long ago.
fn was_absent_lately(driver: &CcmDriver, before: Option<&Group>) -> bool {
    matches!(before, Some(Group::Absent { since, .. }) if since.elapsed() < driver.settings.discover)
}

/// What is known of others when they could not be looked at: what was known before, and that it is not enough.
fn not_discovered(driver: &CcmDriver, wrong: &ServerError) -> Discovery {
    let before = driver.memory().discovered.clone();
    let (sessions, unknown_rows) =
        before.map_or_else(Default::default, |before| (before.sessions, before.unknown_rows));
    let others = if wrong.refusal().is_some_and(|refusal| refusal.code == refusal::UNKNOWN_ARGUMENT) {
        Others::NotShown { why: "CCM does not know `accopy query`".to_owned() }
    } else {
        tracing::warn!("sessions of others are not seen: {wrong}");
        Others::Failed { why: Untrusted::new(wrong.to_string()) }
    };
    Discovery { when: Instant::now(), sessions, unknown_rows, others }
}

/// A REC's modes: its group's, unless they were changed from here since.
fn in_modes(driver: &CcmDriver, session: SessionReading, of_group: Option<RecModes>) -> SessionReading {
    let changed = driver.memory().changed_modes.get(&session.pair).copied();
    SessionReading { modes: changed.or(of_group), ..session }
}

/// A group of ours that can hold sessions of this box.
struct OwnGroup {
    group: GroupName,
    group_type: GroupType,
    /// Of the RECs in it.
    modes: Option<RecModes>,
    /// The boxes of its sources and targets, where CCM's list has both.
    boxes: Option<(BoxId, BoxId)>,
}

fn groups_of(driver: &CcmDriver, names: &Names, box_id: BoxId) -> Vec<OwnGroup> {
    let own = &driver.settings.array;
    let local = |group_type| {
        let group = GroupName::of(group_type, own, own);
        OwnGroup { group, group_type, modes: None, boxes: Some((box_id, box_id)) }
    };
    let mut groups = vec![local(GroupType::Ec), local(GroupType::Opc)];
    for other in names.all().filter(|other| *other != own) {
        let far = names.box_of(other.as_str());
        for transfer in TRANSFER_MODES {
            let there = RecModes { transfer, ..driver.settings.rec_modes(other) };
            let here = RecModes { transfer, ..RecModes::default() };
            let mut remote = |group, modes, boxes| {
                groups.push(OwnGroup { group, group_type: GroupType::Rec, modes: Some(modes), boxes });
            };
            remote(GroupName::of_rec(own, other, transfer), there, far.map(|far| (box_id, far)));
            remote(GroupName::of_rec(other, own, transfer), here, far.map(|far| (far, box_id)));
        }
    }
    groups
}

/// Queries one group and remembers what is in it. `None` when CCM says that it does not exist.
///
/// # Errors
/// When there is no answer, or CCM refuses it for another reason: then nothing new is known of the group.
pub async fn query(
    driver: &CcmDriver,
    turn: &mut Turn<'_>,
    group: &GroupName,
    group_type: GroupType,
    names: &Names,
) -> Result<Option<Arc<GroupQuery>>, ServerError> {
    let argv = command::query(group, group_type);
    turn.looks().forget(group);
    let (began, at) = (turn.draw(), Instant::now());
    let query = match turn.ask(&argv, |stdout| copies::group(&argv, stdout, &driver.words)).await {
        Ok(query) => Arc::new(query),
        Err(wrong) => {
            if turn.says_no_such_group(&wrong, group_type, &driver.words).await? {
                let by_us = matches!(turn.groups.get(group), Some(Group::Absent { by_us: true, .. }));
                turn.groups.insert(group.clone(), Group::Absent { since: Instant::now(), by_us });
                return Ok(None);
            }
            return Err(wrong);
        }
    };
    belongs(driver, turn, group, group_type, &query, names)?;
    note_titles(driver, &argv, &query.table);
    let pairs = query.table.rows.iter().filter_map(CopyRow::pair_name).collect();
    turn.groups.insert(group.clone(), Group::Present(pairs));
    turn.looks().keep(group, began, at, &query);
    Ok(Some(query))
}

/// Remembers, for `array doctor`, the columns that no title is known for.
fn note_titles(driver: &CcmDriver, argv: &Argv, table: &CopyRows) {
    let program = argv.words().take(2).collect::<Vec<_>>().join(" ");
    let mut memory = driver.memory();
    if table.missing.is_empty() {
        memory.titles.remove(&program);
    } else {
        memory.titles.insert(program, (table.missing.clone(), table.strange.clone()));
    }
}

/// A group under our name must be of our type and for the boxes that CCM's list gives those names.
fn belongs(
    driver: &CcmDriver,
    turn: &Turn<'_>,
    group: &GroupName,
    group_type: GroupType,
    query: &GroupQuery,
    names: &Names,
) -> Result<(), ServerError> {
    let of_others = |found: String, wanted: String| {
        Err(ServerError::GroupOfOthers { place: turn.place(), group: group.clone(), found, wanted })
    };
    if query.group != group.as_str() || query.group_type != group_type.word() {
        return of_others(
            format!("{} {}", Untrusted::from(&*query.group_type).escaped(), Untrusted::from(&*query.group).escaped()),
            format!("{} {group}", group_type.word()),
        );
    }
    for (name, id) in &query.arrays {
        let known = names.box_of(name);
        if known.is_none() || id.is_some_and(|id| known != Some(id)) {
            return of_others(
                Untrusted::from(name.as_str()).escaped(),
                format!("an array of `acarray list`, as {} is", driver.settings.array),
            );
        }
    }
    Ok(())
}

fn discovery_is_due(driver: &CcmDriver) -> bool {
    let interval = driver.settings.discover;
    driver.memory().discovered.as_ref().is_none_or(|found| found.when.elapsed() >= interval)
}

/// Whether the last discovery has a session of a pair that its group shows without one. It ended since, or it is the half
/// of a REC that only its target's box still has: only a fresh look tells.
fn was_discovered(driver: &CcmDriver, idle: &BTreeSet<(VolumeId, VolumeId)>) -> bool {
    let memory = driver.memory();
    let mut found = memory.discovered.iter().flat_map(|found| &found.sessions);
    found.any(|session| idle.contains(&(session.pair.source, session.pair.target)))
}

/// Everybody's sessions of the box.
async fn discover(driver: &CcmDriver, turn: &Turn<'_>, names: &Names) -> Result<Discovery, ServerError> {
    let argv = command::list_copies(&driver.settings.array);
    let table = turn.ask(&argv, |stdout| copies::all(&argv, stdout, &driver.words)).await?;
    note_titles(driver, &argv, &table);
    let mut found =
        Discovery { when: Instant::now(), sessions: Vec::new(), unknown_rows: Vec::new(), others: Others::Read };
    let mut kinds = BTreeSet::new();
    for row in &table.rows {
        let Some((source, target)) = volumes_of(row, names) else {
            found.unknown_rows.push(of_unknown_boxes(row, names));
            continue;
        };
        let kind = row.kind.as_deref().map_or(CopyKind::Other, |word| driver.words.kind(word));
        if let Some(word) = row.kind.as_deref().filter(|word| driver.words.kind_hint(word).is_some()) {
            kinds.insert(word.into());
        }
        found.sessions.extend(session(driver, row, source, target, kind, ""));
    }
    for row in &table.odd {
        if let Some(why) = unreadable_target(row, &argv.to_string()) {
            found.others = Others::Failed { why };
        }
        found.unknown_rows.push(unknown_row(row, names));
    }
    driver.memory().kinds = kinds;
    Ok(found)
}

/// A line whose target cannot be read may copy to any volume: then not all sessions were read.
fn unreadable_target(row: &OddRow, of: &str) -> Option<Untrusted> {
    let why = || Untrusted::new(format!("the line \"{}\" of `{of}`: {}", row.words.escaped(), row.why));
    (row.target == OddTarget::Unreadable).then(why)
}

fn id_of(volume: &NamedVolume, names: &Names) -> Option<VolumeId> {
    Some(VolumeId { box_id: names.box_of(&volume.array)?, olu: volume.olu })
}

/// A line whose pair could not be read.
fn unknown_row(row: &OddRow, names: &Names) -> UnknownRow {
    let may_copy_to = match &row.target {
        OddTarget::Volume(volume) => id_of(volume, names).into_iter().collect(),
        OddTarget::None | OddTarget::Unreadable => Vec::new(),
    };
    let source = row.source.as_ref().and_then(|source| id_of(source, names));
    UnknownRow {
        words: row.words.clone(),
        why: row.why.clone(),
        names: source.into_iter().chain(may_copy_to.iter().copied()).collect(),
        is_no_pair: row.target == OddTarget::None,
        may_copy_to,
    }
}

/// A line that names an array that CCM's own list does not have. Which way it copies is not asked: it may write on the one
/// volume that is known.
fn of_unknown_boxes(row: &CopyRow, names: &Names) -> UnknownRow {
    let NamedVolume { array, .. } = if id_of(&row.source, names).is_none() { &row.source } else { &row.target };
    UnknownRow {
        words: Untrusted::new(format!(
            "{}/{} to {}/{}, {}, {}",
            row.source.array,
            row.source.olu,
            row.target.array,
            row.target.olu,
            row.status.raw(),
            row.phase.raw()
        )),
        why: format!("CCM's list of arrays has no {}", Untrusted::from(array.as_str()).escaped()),
        may_copy_to: id_of(&row.target, names).into_iter().collect(),
        names: [&row.source, &row.target].into_iter().filter_map(|volume| id_of(volume, names)).collect(),
        is_no_pair: false,
    }
}

fn volumes_of(row: &CopyRow, names: &Names) -> Option<(VolumeId, VolumeId)> {
    Some((id_of(&row.source, names)?, id_of(&row.target, names)?))
}

/// What a row says of its session; `None` when there is none.
pub fn session(
    driver: &CcmDriver,
    row: &CopyRow,
    source: VolumeId,
    target: VolumeId,
    kind: CopyKind,
    requestor: &str,
) -> Option<SessionReading> {
    if row.has_no_session() {
        return None;
    }
    let status = driver.words.status(row.status.raw())?;
    let phase = driver.words.phase(row.status.raw(), row.phase.raw());
    tell_unknown(driver, row, status, phase);
    let whole = !row.source.extent && !row.target.extent;
    let fits = !kind.is_synchronization() || kind == CopyKind::between(source, target);
    let pair = Pair { source, target, kind: if whole && fits { kind } else { CopyKind::Other } };
    Some(SessionReading {
        sid: row.sid.unwrap_or(0),
        pair,
        status,
        phase,
        progress: progress(driver, row, &pair, status, phase),
        difference: None,
        error: row.error,
        modes: None,
        direction: match row.direction {
            Direction::Forward => session::Direction::Forward,
            Direction::Reversed => session::Direction::Reversed,
            Direction::None | Direction::Untold => session::Direction::Unknown,
        },
        target_written: None,
        requestor: requestor.into(),
        started: None,
        words: ArrayWords { status: row.status.clone(), phase: row.phase.clone() },
    })
}

/// CCM tells how many blocks are copied and not of how many. The volume's size is the total of a full copy only, and
/// whether a copy is full is known for those that were started from here.
fn progress(driver: &CcmDriver, row: &CopyRow, pair: &Pair, status: Status, phase: Phase) -> Option<Progress> {
    if status != Status::Active || phase != Phase::Copying {
        return None;
    }
    let memory = driver.memory();
    let total = *memory.sizes.get(&pair.source)?;
    let done = row.copied?;
    (memory.runs.get(pair) == Some(&Run::Full)).then_some(Progress { done, total })
}

/// Says once in the log what the operator can do about a word without a meaning.
fn tell_unknown(driver: &CcmDriver, row: &CopyRow, status: Status, phase: Phase) {
    let hints = [
        (status == Status::Unknown).then(|| (&row.status, driver.words.status_hint(row.status.raw()))),
        (phase == Phase::Unknown).then(|| (&row.phase, driver.words.phase_hint(row.phase.raw()))),
    ];
    for (word, hint) in hints.into_iter().flatten() {
        if let Some(hint) = hint.filter(|_| !word.is_empty())
            && driver.memory().told.insert(word.raw().to_owned())
        {
            tracing::warn!("CCM says {:?} of a session: {}: {}", word.escaped(), hint.text, hint.lines.join(" "));
        }
    }
}
