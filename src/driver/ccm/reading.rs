//! All sessions of a box: one query of each of our groups at every poll, everybody's sessions when that is due.
//!
//! A poll costs the same with five sessions and with five hundred: a group is one answer, and there is one of a type.

use super::command;
use super::driver::{CcmDriver, Run, TRANSFER_MODES};
use super::names::{ArrayName, GroupName, GroupType, PairName, VolumeName};
use super::reply::copies::{self, CopyRow, Direction, GroupQuery, NamedVolume};
use super::server::{Group, Names, ServerError, Turn};
use crate::driver::DriverError;
use crate::model::copy::ErrorClass;
use crate::model::identity::{BoxId, VolumeId};
use crate::model::session::{self, ArrayWords, CopyKind, Pair, Phase, Reading, RecModes, SessionReading, Status};
use crate::model::units::{Progress, Timestamp};
use crate::model::untrusted::Untrusted;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// Who is named as the requestor of a session that one of our groups holds.
const OURS: &str = "ecdeck";

/// Reads the box's sessions.
pub async fn read(driver: &CcmDriver, now: Timestamp) -> Result<Reading, DriverError> {
    const WHAT: &str = "reading its sessions";
    let mut turn = driver.question(WHAT).await?;
    let result = all(driver, &mut turn).await;
    let (box_id, sessions) = result.map_err(|wrong| driver.error(WHAT, &wrong))?;
    Ok(Reading::complete(box_id, now, sessions))
}

async fn all(driver: &CcmDriver, turn: &mut Turn<'_>) -> Result<(BoxId, Vec<SessionReading>), ServerError> {
    let names = turn.names(false).await?;
    let own = driver.own_box(&names)?;
    let mut sessions = Vec::new();
    let (mut pairs_of_groups, mut idle) = (BTreeSet::new(), BTreeSet::new());
    let mut answered = false;
    let mut gone = false;
    for (group, group_type, modes) in groups_of(driver, &names) {
        let before = turn.groups.get(&group).cloned();
        if before == Some(Group::Absent) {
            continue;
        }
        match query(driver, turn, &group, group_type, &names).await {
            Ok(query) => {
                answered = true;
                for row in &query.rows {
                    let Some((source, target)) = volumes_of(row, &names) else { continue };
                    let session = session(driver, row, source, target, group_type.kind(), OURS);
                    if session.is_some() {
                        pairs_of_groups.insert((source, target));
                    } else {
                        idle.insert((source, target));
                    }
                    if source.box_id == own || target.box_id == own {
                        sessions.extend(session.map(|session| in_modes(driver, session, modes)));
                    }
                }
            }
            Err(refused) if refused.is_refusal() => gone |= before.is_some(),
            Err(wrong) => return Err(wrong),
        }
    }
    if gone || !answered || discovery_is_due(driver) || was_discovered(driver, &idle) {
        match discover(driver, turn, &names).await {
            Ok(found) => driver.memory().discovered = Some((Instant::now(), found)),
            // Our own sessions are known; CCM before `accopy` had no way to show the others.
            Err(wrong) if answered && !gone && wrong.class() != ErrorClass::Transport => {
                tracing::warn!("sessions of others are not seen: {wrong}");
                driver.memory().discovered = Some((Instant::now(), Vec::new()));
            }
            Err(wrong) => return Err(wrong),
        }
    }
    let memory = driver.memory();
    let others = memory.discovered.iter().flat_map(|(_, found)| found);
    sessions.extend(
        others.filter(|session| !pairs_of_groups.contains(&(session.pair.source, session.pair.target))).cloned(),
    );
    drop(memory);
    sessions.sort_by_key(|session| (session.pair, session.sid));
    Ok((own, sessions))
}

/// A REC's modes: its group's, unless they were changed from here since.
fn in_modes(driver: &CcmDriver, session: SessionReading, of_group: Option<RecModes>) -> SessionReading {
    let changed = driver.memory().changed_modes.get(&session.pair).copied();
    SessionReading { modes: changed.or(of_group), ..session }
}

/// Our groups that can hold sessions of this box, those of REC with the modes of what is in them.
fn groups_of(driver: &CcmDriver, names: &Names) -> Vec<(GroupName, GroupType, Option<RecModes>)> {
    let own = &driver.settings.array;
    let mut groups = vec![
        (GroupName::of(GroupType::Ec, own, own), GroupType::Ec, None),
        (GroupName::of(GroupType::Opc, own, own), GroupType::Opc, None),
    ];
    for other in names.all().filter(|other| *other != own) {
        for transfer in TRANSFER_MODES {
            let there = RecModes { transfer, ..driver.settings.rec_modes(other) };
            groups.push((GroupName::of_rec(own, other, transfer), GroupType::Rec, Some(there)));
            let here = RecModes { transfer, ..RecModes::default() };
            groups.push((GroupName::of_rec(other, own, transfer), GroupType::Rec, Some(here)));
        }
    }
    groups
}

/// Queries one group and remembers what is in it; a refusal means that it is not there.
pub async fn query(
    driver: &CcmDriver,
    turn: &mut Turn<'_>,
    group: &GroupName,
    group_type: GroupType,
    names: &Names,
) -> Result<GroupQuery, ServerError> {
    let argv = command::query(group, group_type);
    let reply = turn.send(&argv).await?;
    let query = match copies::group(&argv, &reply.stdout, &driver.words) {
        Ok(query) => query,
        Err(wrong) => {
            let wrong = ServerError::from(wrong);
            if wrong.is_refusal() && wrong.class() != ErrorClass::Busy {
                turn.groups.insert(group.clone(), Group::Absent);
            }
            return Err(wrong);
        }
    };
    belongs(driver, turn, group, group_type, &query, names)?;
    let pairs = query.rows.iter().filter_map(pair_name).collect();
    turn.groups.insert(group.clone(), Group::Present(pairs));
    Ok(query)
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
    driver.memory().discovered.as_ref().is_none_or(|(when, _)| when.elapsed() >= interval)
}

/// Whether the last discovery has a session of a pair that its group shows without one. It ended since, or it is the half
/// of a REC that only its target's box still has: only a fresh look tells.
fn was_discovered(driver: &CcmDriver, idle: &BTreeSet<(VolumeId, VolumeId)>) -> bool {
    let memory = driver.memory();
    let mut found = memory.discovered.iter().flat_map(|(_, found)| found);
    found.any(|session| idle.contains(&(session.pair.source, session.pair.target)))
}

/// Everybody's sessions of the box.
async fn discover(driver: &CcmDriver, turn: &Turn<'_>, names: &Names) -> Result<Vec<SessionReading>, ServerError> {
    let argv = command::list_copies(&driver.settings.array);
    let reply = turn.send(&argv).await?;
    let rows = copies::all(&argv, &reply.stdout, &driver.words)?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let Some((source, target)) = volumes_of(row, names) else {
                tracing::warn!(
                    "a session between boxes that CCM does not know is left out: {} to {}",
                    Untrusted::from(row.source.array.as_str()).escaped(),
                    Untrusted::from(row.target.array.as_str()).escaped()
                );
                return None;
            };
            let kind = row.kind.as_deref().map_or(CopyKind::Other, |word| driver.words.kind(word));
            session(driver, row, source, target, kind, "")
        })
        .collect())
}

fn volumes_of(row: &CopyRow, names: &Names) -> Option<(VolumeId, VolumeId)> {
    let id = |volume: &NamedVolume| Some(VolumeId { box_id: names.box_of(&volume.array)?, olu: volume.olu });
    Some((id(&row.source)?, id(&row.target)?))
}

/// A row's pair as CCM's commands name it; `None` for parts of volumes and for boxes without a name.
pub fn pair_name(row: &CopyRow) -> Option<PairName> {
    let name = |volume: &NamedVolume| {
        let array = volume.array.parse::<ArrayName>().ok().filter(|_| !volume.extent)?;
        Some(VolumeName { array, olu: volume.olu })
    };
    Some(PairName { source: name(&row.source)?, target: name(&row.target)? })
}

/// The row of a pair in a group's answer. One that was reversed may stand there with its volumes exchanged.
pub fn row_of<'a>(query: &'a GroupQuery, pair: &PairName) -> Option<&'a CopyRow> {
    let exchanged = PairName { source: pair.target.clone(), target: pair.source.clone() };
    let row = |wanted: &PairName| query.rows.iter().find(|row| pair_name(row).as_ref() == Some(wanted));
    row(pair).or_else(|| row(&exchanged))
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
    let phase = driver.words.phase(row.phase.raw());
    tell_unknown(driver, row, status, phase);
    let whole = !row.source.extent && !row.target.extent;
    let fits = !matches!(kind, CopyKind::Ec | CopyKind::Rec) || kind == CopyKind::between(source, target);
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
    let unknown = [(status == Status::Unknown, &row.status), (phase == Phase::Unknown, &row.phase)];
    for (_, word) in unknown.into_iter().filter(|(unknown, _)| *unknown) {
        if driver.memory().told.insert(word.raw().to_owned())
            && let Some(hint) = driver.words.hint(word.raw())
        {
            tracing::warn!("CCM says {:?} of a session: {}", word.escaped(), Untrusted::new(hint).escaped());
        }
    }
}
