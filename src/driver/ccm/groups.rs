//! Copy groups and pairs in CCM: made when they are needed, taken away when they are not.
//!
//! Their names say what they are for, so they are found again after a crash and by another engine. What CCM answers to
//! making and removing is not what is believed: which code it has for "exists already" and "is not there" is on no public
//! page, so a refusal counts only if the group's query bears it out. What is left over of a crash, or of sessions that ended
//! without us, is removed with the next command on the same group.

use super::array::{CcmDriver, Named};
use super::command;
use super::names::{GroupName, GroupType, PairName};
use super::reading;
use super::refusal::{refusal, refused};
use super::reply::ReplyError;
use super::reply::copies::{CopyRow, GroupQuery};
use super::reply::execution::{self as answer, Said};
use super::server::{Group, Names, ServerError, Turn};
use crate::driver::transport::argv::Argv;
use crate::model::copy::{ArrayRefusal, ErrorClass, Outcome};
use crate::model::session::Pair;
use crate::model::untrusted::Untrusted;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;

/// Pairs of the past that one command removes at most: people wait for its answer.
const REMOVED_AT_ONCE: usize = 4;

/// A pair of ours without a session, that no command of now is about.
pub struct LeftOver {
    group: GroupName,
    name: PairName,
}

/// The group with all its pairs in it, and which of them had to be added.
pub async fn with_pairs(
    driver: &CcmDriver,
    turn: &mut Turn<'_>,
    group: &GroupName,
    group_type: GroupType,
    members: &[&Named],
    names: &Names,
    outcomes: &mut BTreeMap<Pair, Outcome>,
) -> Result<(Arc<GroupQuery>, Vec<Pair>), ServerError> {
    let first = reading::query(driver, turn, group, group_type, names).await?;
    if first.is_none() {
        make_group(driver, turn, group, group_type, members).await?;
    }
    let (mut added, mut not_added) = (Vec::new(), Vec::new());
    for named in members {
        if first.as_ref().is_some_and(|query| query.row_of(&named.name).is_some()) {
            continue;
        }
        if let Some(refusal) = leave_other_groups(driver, turn, named).await? {
            outcomes.insert(named.pair, Outcome::Refused(refusal));
            continue;
        }
        match answered(driver, turn, &command::add_pair(group, &named.name)).await? {
            Said::Succeeded { .. } => added.push(named.pair),
            Said::Refused(refusal) => not_added.push((*named, Outcome::Refused(refusal))),
            Said::Unclear(why) => {
                let text = format!("nothing was started: {why}");
                not_added.push((*named, refused(ErrorClass::Protocol, text)));
            }
        }
    }
    outcomes.extend(not_added.iter().map(|(named, outcome)| (named.pair, outcome.clone())));
    let query = match first {
        Some(query) if added.is_empty() && not_added.is_empty() => query,
        _ => reading::query(driver, turn, group, group_type, names)
            .await?
            .ok_or_else(|| ServerError::GroupNotMade { place: turn.place(), group: group.clone() })?,
    };
    for (named, _) in not_added {
        if query.row_of(&named.name).is_some() {
            outcomes.remove(&named.pair);
        }
    }
    Ok((query, added))
}

async fn make_group(
    driver: &CcmDriver,
    turn: &mut Turn<'_>,
    group: &GroupName,
    group_type: GroupType,
    members: &[&Named],
) -> Result<(), ServerError> {
    let Some(member) = members.first() else { return Ok(()) };
    let argv = command::create_group(group, group_type, &member.name.source.array, &member.name.target.array);
    match answered(driver, turn, &argv).await? {
        Said::Succeeded { .. } => {
            turn.groups.insert(group.clone(), Group::Present(BTreeSet::new()));
        }
        Said::Refused(refusal) if refusal.class == ErrorClass::Busy => {
            return Err(ServerError::Reply(ReplyError::Refused { command: argv.to_string(), code: 0, refusal }));
        }
        // It may be there after all, and the query was refused for another reason: adding the pair will tell.
        Said::Refused(refusal) => {
            tracing::info!(%group, "the group was not made: {} {}", refusal.code, refusal.text.escaped());
            turn.groups.remove(group);
        }
        Said::Unclear(why) => {
            tracing::info!(%group, "whether the group was made is not clear: {}", Untrusted::new(why).escaped());
            turn.groups.remove(group);
        }
    }
    Ok(())
}

/// A REC that was in the group of another transfer mode comes out of it: its group is to tell its mode.
async fn leave_other_groups(
    driver: &CcmDriver,
    turn: &mut Turn<'_>,
    named: &Named,
) -> Result<Option<ArrayRefusal>, ServerError> {
    if named.group_type != GroupType::Rec {
        return Ok(None);
    }
    let holds = |pairs: &BTreeSet<PairName>| pairs.contains(&named.name);
    let others: Vec<GroupName> = turn
        .groups
        .iter()
        .filter(|(group, state)| **group != named.group && matches!(state, Group::Present(pairs) if holds(pairs)))
        .map(|(group, _)| group.clone())
        .collect();
    for group in others {
        match answered(driver, turn, &command::remove_pair(&group, &named.name)).await? {
            Said::Succeeded { .. } => forget(turn, &group, &named.name),
            Said::Refused(refusal) => return Ok(Some(refusal)),
            Said::Unclear(why) => return Ok(Some(refusal(ErrorClass::Protocol, why))),
        }
    }
    Ok(None)
}

/// Pairs of a group that have no session, but for those of the command.
pub fn left_over(driver: &CcmDriver, group: &GroupName, query: &GroupQuery, wanted: &[Named]) -> Vec<LeftOver> {
    let is_wanted = |name: &PairName| wanted.iter().any(|named| named.name == *name);
    let idle =
        query.table.rows.iter().filter(|row| row.has_no_session() || driver.words.status(row.status.raw()).is_none());
    let names = idle.filter_map(CopyRow::pair_name).filter(|name| !is_wanted(name));
    names.map(|name| LeftOver { group: group.clone(), name }).collect()
}

/// Takes a pair out of its group. That it fails harms nothing: the pair is found there next time.
pub async fn remove_pair(driver: &CcmDriver, turn: &mut Turn<'_>, group: &GroupName, name: &PairName) {
    let argv = command::remove_pair(group, name);
    match answered(driver, turn, &argv).await {
        Ok(Said::Succeeded { .. }) => forget(turn, group, name),
        other => tracing::info!(command = %argv, "the pair stays in its group: {other:?}"),
    }
}

/// Removes what was left over, and every group of the command in which nothing is any more.
pub async fn tidy(driver: &CcmDriver, turn: &mut Turn<'_>, ready: &[Named], left_over: &[LeftOver], names: &Names) {
    for LeftOver { group, name } in left_over.iter().take(REMOVED_AT_ONCE) {
        remove_pair(driver, turn, group, name).await;
    }
    let groups: BTreeMap<_, _> = ready.iter().map(|named| (&named.group, named.group_type)).collect();
    for (group, group_type) in groups {
        let seems_empty = matches!(turn.groups.get(group), Some(Group::Present(pairs)) if pairs.is_empty());
        if seems_empty && is_empty(driver, turn, group, group_type, names).await {
            remove_group(driver, turn, group).await;
        }
    }
}

/// What CCM itself says: somebody may have put a pair in.
async fn is_empty(
    driver: &CcmDriver,
    turn: &mut Turn<'_>,
    group: &GroupName,
    group_type: GroupType,
    names: &Names,
) -> bool {
    let query = reading::query(driver, turn, group, group_type, names).await;
    query.is_ok_and(|query| query.is_some_and(|query| query.table.rows.is_empty() && query.table.odd.is_empty()))
}

async fn remove_group(driver: &CcmDriver, turn: &mut Turn<'_>, group: &GroupName) {
    let argv = command::delete_group(group);
    match answered(driver, turn, &argv).await {
        Ok(Said::Succeeded { .. }) => {
            turn.groups.insert(group.clone(), Group::Absent { since: Instant::now(), by_us: true });
        }
        other => tracing::info!(command = %argv, "the empty group stays: {other:?}"),
    }
}

fn forget(turn: &mut Turn<'_>, group: &GroupName, name: &PairName) {
    if let Some(Group::Present(pairs)) = turn.groups.get_mut(group) {
        pairs.remove(name);
    }
}

/// Sends a command about groups, and reads what CCM says of it.
async fn answered(driver: &CcmDriver, turn: &Turn<'_>, argv: &Argv) -> Result<Said, ServerError> {
    let reply = turn.send(argv).await?;
    Ok(match answer::whole(argv, reply.exit, &reply.stdout)? {
        Said::Refused(refusal) => Said::Refused(driver.words.judge(refusal)),
        other => other,
    })
}
