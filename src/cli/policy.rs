//! `ecdeck policy`: what is kept of each transaction volume.

use super::arguments::{Limit, PolicyVerb, SetPolicy};
use super::change::{self, Then};
use super::link::{Need, SiteContext};
use super::table::{Align, Table};
use super::wait::Deadline;
use super::{CliError, Exit, json, names, out, preview};
use crate::model::codes::Code;
use crate::model::duration::people;
use crate::model::identity::{Name, VolumeId};
use crate::model::plan::rotation::backlog;
use crate::model::records::{Policy, RotationGuard};
use crate::model::request::Action;
use crate::model::snapshot::{Snapshot, TransactionVolumeView};
use crate::model::units::{Timestamp, Version, count};
use serde::Serialize;

pub async fn run(verb: &PolicyVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    match verb {
        PolicyVerb::Show { volumes, json } => {
            let mut link = site_context.open(Need::Reading).await?;
            let snapshot = if volumes.is_empty() { link.snapshot().await? } else { link.view(volumes).await? };
            show(&snapshot, volumes, *json)
        }
        PolicyVerb::Preview(asked) => {
            let snapshot = site_context.open(Need::Reading).await?.snapshot().await?;
            preview::show(asked, &snapshot)
        }
        PolicyVerb::Set(asked) => {
            let change = &asked.change;
            let deadline = Deadline::new(change.time_limit);
            let mut link = super::opened(site_context, deadline).await?;
            let action = action(asked, &*link.view(&[&asked.volume]).await?)?;
            change::run(&mut link, change, change::request(action, change), deadline, Then::Return).await
        }
    }
}

/// What is not given stays as it is.
pub fn action(asked: &SetPolicy, snapshot: &Snapshot) -> Result<Action, CliError> {
    let volume = names::volume(snapshot, &asked.volume)?;
    let present = snapshot.transaction_volume(volume).and_then(|view| view.volume.policy);
    let (generations, interval, mode) = (asked.generations, asked.interval, asked.mode.map(Into::into));
    let policy = Policy {
        generations: given(generations, present.map(|policy| policy.generations), "--generations")?,
        interval_days: given(interval, present.map(|policy| policy.interval_days), "--interval")?,
        mode: given(mode, present.map(|policy| policy.mode), "--mode")?,
        reuse_oldest: asked.reuse_oldest
            || (!asked.no_reuse_oldest && present.is_some_and(|policy| policy.reuse_oldest)),
        guard: guard(asked, present.map(|policy| policy.guard).unwrap_or_default()),
        window: asked.window.map_or_else(|| present.and_then(|policy| policy.window), |choice| choice.0),
    };
    Ok(Action::SetPolicy { volume, policy })
}

/// What is not given stays as it is; `default` follows the policy's numbers again.
fn guard(asked: &SetPolicy, present: RotationGuard) -> RotationGuard {
    let limit = |asked: Option<Limit>, present| match asked {
        None => present,
        Some(Limit::Default) => None,
        Some(Limit::Seconds(seconds)) => Some(seconds),
    };
    RotationGuard {
        floor: asked.floor.or(present.floor),
        min_interval: limit(asked.min_interval, present.min_interval),
        grace: limit(asked.grace, present.grace),
    }
}

/// What was given, else the present policy's.
fn given<T>(given: Option<T>, present: Option<T>, option: &str) -> Result<T, CliError> {
    given.or(present).ok_or_else(|| CliError::usage(format!("the volume has no policy yet: give {option}")))
}

#[derive(Serialize)]
struct Document<'a> {
    policies: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: VolumeId,
    name: &'a Name,
    policy: Option<Policy>,
    /// What limits retention, with the defaults where the policy sets nothing.
    guard: Option<Guard>,
    kept: u16,
    /// Beyond the policy, in the order in which they are released.
    backlog: Vec<Version>,
}

#[derive(Serialize)]
struct Guard {
    floor: u16,
    min_interval_seconds: i64,
    grace_seconds: i64,
}

impl Guard {
    fn new(policy: Policy) -> Self {
        let seconds = |millis| millis / Timestamp::SECOND;
        let (min_interval_seconds, grace_seconds) = (seconds(policy.min_interval()), seconds(policy.grace()));
        Self { floor: policy.floor(), min_interval_seconds, grace_seconds }
    }
}

fn show(snapshot: &Snapshot, volumes: &[String], as_json: bool) -> Result<Exit, CliError> {
    let wanted = names::volumes(snapshot, volumes)?;
    let is_wanted = |view: &&TransactionVolumeView| wanted.is_empty() || wanted.contains(&view.volume.id);
    let views: Vec<&TransactionVolumeView> = snapshot.transaction_volumes.iter().filter(is_wanted).collect();
    if let Some(other) = wanted.iter().find(|id| snapshot.transaction_volume(**id).is_none()) {
        let code = Code::NOT_A_TRANSACTION_VOLUME;
        return Err(CliError::coded(code, format!("{} is not a transaction volume ({code})", snapshot.label(*other))));
    }
    if as_json {
        let policies = views.iter().map(|view| {
            let volume = &view.volume;
            let (guard, backlog) = (volume.policy.map(Guard::new), backlog(snapshot, volume.id));
            Entry { id: volume.id, name: &volume.name, policy: volume.policy, guard, kept: view.kept, backlog }
        });
        json::print(snapshot.site.demo, &Document { policies: policies.collect() })?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        ("volume", Align::Left),
        ("kept", Align::Right),
        ("of", Align::Right),
        ("every", Align::Right),
        ("floor", Align::Right),
        ("min-interval", Align::Right),
        ("grace", Align::Right),
        ("window", Align::Left),
        ("mode", Align::Left),
    ]);
    for view in views {
        let none = || ["-", "-", "-", "-", "-", "-", "no policy"].map(str::to_owned);
        let columns = view.volume.policy.map_or_else(none, |policy| {
            [
                policy.generations.to_string(),
                count(usize::from(policy.interval_days), "day", "days"),
                policy.floor().to_string(),
                people(policy.min_interval()),
                people(policy.grace()),
                policy.window.map_or_else(|| "-".to_owned(), |window| window.to_string()),
                format!("{}{}", policy.mode, if policy.reuse_oldest { ", reuses the oldest" } else { "" }),
            ]
        });
        table.row([view.volume.name.to_string(), view.kept.to_string()].into_iter().chain(columns));
    }
    out::print(&table.render())?;
    Ok(Exit::Done)
}
