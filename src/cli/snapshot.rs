//! `ecdeck snapshot`: a backup by a one-point copy of a volume as it is.

use super::arguments::TakeSnapshot;
use super::change::{self, Then};
use super::link::Link;
use super::wait::Deadline;
use super::{CliError, Exit, names};
use crate::model::request::Action;
use crate::model::snapshot::Snapshot;

pub async fn run(asked: &TakeSnapshot, link: &mut Link, deadline: Deadline) -> Result<Exit, CliError> {
    let snapshot = link.view(&[&asked.volume]).await?;
    let request = change::request(action(asked, &snapshot)?, &asked.change);
    change::run(link, &asked.change, request, deadline, Then::Return).await
}

pub fn action(asked: &TakeSnapshot, snapshot: &Snapshot) -> Result<Action, CliError> {
    let volume = names::volume(snapshot, &asked.volume)?;
    Ok(if asked.cancel { Action::CancelRestore { target: volume } } else { Action::Snapshot { volume } })
}
