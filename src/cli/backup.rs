//! `ecdeck backup`: now, or each volume as soon as its live session has become equivalent.

use super::arguments::Backup;
use super::change::{self, Report, Round, Then};
use super::link::Link;
use super::wait::{self, Deadline, ProgressLine, Waited};
use super::{CliError, Exit, names, set, times};
use crate::engine::protocol::{Answer, Ask};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::plan::Refusal;
use crate::model::records::BackupMode;
use crate::model::request::{Action, Request};
use crate::model::session::Pair;
use crate::model::snapshot::Snapshot;
use crate::model::units::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

pub async fn run(asked: &Backup, link: &mut Link, deadline: Deadline) -> Result<Exit, CliError> {
    let snapshot = match &asked.set {
        Some(name) => set::view(link, name).await?,
        None => link.view(&asked.volumes).await?,
    };
    let request = request(asked, &snapshot)?;
    let volumes = request.action.volumes();
    let waiting = if asked.wait && !asked.change.dry_run { wait::on_their_way(&snapshot, volumes) } else { Vec::new() };
    if waiting.is_empty() {
        return change::run(link, &asked.change, request, deadline, Then::Return).await;
    }
    each_when_ready(asked, link, &request, waiting, deadline).await
}

/// Refuses what would be too late before anything is asked.
pub fn in_time(asked: &Backup) -> Result<(), CliError> {
    if let Some(until) = asked.until.filter(|until| times::now() > *until) {
        let text = format!(
            "{} has passed: nothing is suspended after it; write a later one with its date",
            times::minute(until)
        );
        return Err(CliError::coded(Code::PAST_LIMIT, format!("{text} ({})", Code::PAST_LIMIT)));
    }
    Ok(())
}

/// What is asked for, however long it is waited for.
pub fn request(asked: &Backup, snapshot: &Snapshot) -> Result<Request, CliError> {
    let volumes = match &asked.set {
        Some(name) => set::stored(snapshot, name)?.members.clone(),
        None => names::volumes(snapshot, &asked.volumes)?,
    };
    let mode = match (asked.suspend, asked.dissolve) {
        (true, _) => Some(BackupMode::Suspend),
        (_, true) => Some(BackupMode::Dissolve),
        _ => None,
    };
    // The name agrees to releasing what is beyond the policy of that volume.
    let named = |id: &VolumeId| asked.change.confirm.as_ref().is_some_and(|name| snapshot.label(*id) == *name);
    let release_backlog = volumes.iter().copied().find(named);
    let action = Action::Backup { volumes, mode, together: asked.set.is_some() };
    let newer_than = asked.newer_than.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    Ok(Request {
        until: asked.until,
        newer_than,
        crash_consistent: asked.crash_consistent,
        release_backlog,
        set: asked.set.clone(),
        ..change::request(action, &asked.change)
    })
}

/// Backs up what can be backed up now, and the rest one after the other as it becomes equivalent. What is refused is refused
/// at once; what is late at the limit is named.
async fn each_when_ready(
    asked: &Backup,
    link: &mut Link,
    request: &Request,
    mut waiting: Vec<Pair>,
    deadline: Deadline,
) -> Result<Exit, CliError> {
    let mut newest = link.view_of(request.action.volumes().to_vec()).await?;
    link.watch_only(request.action.volumes());
    let mut mark = newest.mark;
    let mut report = Report::new(request.action.verb(), &asked.change, Arc::clone(&newest), link.site().to_vec());
    let done = done_already(link, request).await?;
    waiting.retain(|pair| !done.iter().any(|refusal| refusal.volume == Some(pair.source)));
    let is_done = |id: &VolumeId| done.iter().any(|refusal| refusal.volume == Some(*id));
    let is_waiting = |id: &VolumeId| waiting.iter().any(|pair| pair.source == *id);
    let mut ready: BTreeSet<VolumeId> =
        request.action.volumes().iter().copied().filter(|id| !is_done(id) && !is_waiting(id)).collect();
    report.refuse(done);
    // A set is backed up when all of it is ready: what can never be ready is not waited for.
    if request.set.is_some() {
        let others = ready.iter().copied().collect();
        for refusal in refused_each(link, request, others).await? {
            report.refused_now(refusal, &asked.change);
        }
        if report.has_refused() {
            let exit = report.exit();
            return report.finish("ended", exit, None);
        }
    }
    let mut progress = ProgressLine::new(asked.change.json);
    loop {
        if !ready.is_empty() && (request.set.is_none() || waiting.is_empty()) {
            let part = request.only(|volume| ready.contains(&volume));
            match change::round(link, &asked.change, part, deadline, &mut report).await? {
                Round::Ended | Round::DryRun(_) => {}
                Round::Refused(refusal) => report.refused_now(refusal, &asked.change),
                Round::AllRefused(plan) => {
                    plan.refused().iter().for_each(|refusal| report.refused_now(refusal.clone(), &asked.change));
                }
                Round::AlreadySo(refused) => report.refuse(refused),
                Round::Changed(planned) => report.plans_changed(&planned)?,
                Round::Left(result, late, text) => {
                    report.are_late(waiting, &newest);
                    let exit = report.exit_with_late(late);
                    return report.finish(result, exit, Some(text.to_owned()));
                }
            }
        }
        if waiting.is_empty() {
            let exit = report.exit();
            return report.finish("ended", exit, None);
        }
        let awaited = wait::until_some_are_ready(link, &waiting, &mut mark, &mut progress, &mut newest);
        let (result, exit, text) = match deadline.wait(awaited).await? {
            Waited::Came(pairs) => {
                waiting.retain(|pair| !pairs.contains(pair));
                ready = pairs.iter().map(|pair| pair.source).collect();
                continue;
            }
            Waited::TimeLimit => ("time-limit", Exit::TimeLimit, "the time limit has passed; the copies continue"),
            Waited::Detached => {
                ("detached", Exit::OutcomeUnknown, "detached; the copies continue, but no backup follows them")
            }
        };
        if exit == Exit::TimeLimit {
            note_late(link, request, &waiting).await;
        }
        report.are_late(waiting, &newest);
        let exit = report.exit_with_late(exit);
        return report.finish(result, exit, Some(text.to_owned()));
    }
}

/// Tells the engine which volumes were not ready at the limit: it refuses their backup, with how far they are, so that the
/// audit and the report of the night have them. What cannot be told changes nothing here: they are named to who waits.
async fn note_late(link: &mut Link, request: &Request, late: &[Pair]) {
    let is_late = |volume| late.iter().any(|pair| pair.source == volume);
    let request = Request { until: Some(Timestamp(0)), ..request.only(is_late) };
    if !link.last_word(Ask::Propose { request }).await {
        tracing::warn!("the engine was not told which volumes were late");
    }
}

/// Why volumes of a set could not be backed up now, each for itself.
async fn refused_each(link: &mut Link, request: &Request, volumes: Vec<VolumeId>) -> Result<Vec<Refusal>, CliError> {
    if volumes.is_empty() {
        return Ok(Vec::new());
    }
    let mode = match &request.action {
        Action::Backup { mode, .. } => *mode,
        _ => None,
    };
    let action = Action::Backup { volumes, mode, together: false };
    refused_now(link, Request { action, set: None, ensure: false, ..request.clone() }).await
}

/// What would be refused of a request now, each for itself.
async fn refused_now(link: &mut Link, request: Request) -> Result<Vec<Refusal>, CliError> {
    Ok(match link.ask(Ask::Plan { request, read_hosts: false }).await? {
        Answer::Planned(planned) => planned.plan.refused().to_vec(),
        Answer::Refused { refusal } => refusal.each().collect(),
        Answer::AlreadySo { refused } => refused,
        _ => Vec::new(),
    })
}

/// With `--ensure`, the volumes whose newest sound generation is young enough: nobody waits for them.
async fn done_already(link: &mut Link, request: &Request) -> Result<Vec<Refusal>, CliError> {
    if !request.ensure {
        return Ok(Vec::new());
    }
    let refused = refused_now(link, request.clone()).await?;
    Ok(refused.into_iter().filter(|refusal| refusal.code == Code::ALREADY_SO).collect())
}
