//! `ecdeck metrics`: the site in figures, as `OpenMetrics` text for the textfile collector of a node exporter.
//!
//! Belongs here: which figures there are, the text format, the file that a collector reads. Does not: a listener, a judgement
//! (`check` has that), figures over time (whoever collects keeps them).

mod families;
mod file;
mod text;

use super::arguments::Metrics;
use super::link::{Need, SiteContext};
use super::{CliError, Exit, out};
use crate::model::codes::Code;
use text::Exposition;

pub async fn run(asked: &Metrics, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    // Who starts an engine to ask it does not learn that none was watching.
    if site_context.engine_pid().is_none() {
        let code = Code::ENGINE_NOT_STARTED;
        let text = format!("no engine runs: start its service, or `ecdeck serve` ({code})");
        return Err(CliError::coded(code, text));
    }
    // One snapshot: all figures are of the same moment.
    let snapshot = site_context.open(Need::Reading).await?.snapshot().await?;
    deliver(asked, families::of_site(&snapshot))?;
    Ok(Exit::Done)
}

/// What a collector gets where no engine answers: a document that says so, instead of the figures of an hour ago. Other errors
/// (no permission, a file that cannot be written) leave the file as it is, and its age tells.
///
/// Gives the error that the verb ends with.
pub fn engine_down(asked: &Metrics, error: CliError) -> CliError {
    if !matches!(error.exit, Exit::NotReachable | Exit::TimeLimit) {
        return error;
    }
    match deliver(asked, families::of_no_engine()) {
        Ok(()) => error.with_exit(Exit::NotReachable),
        Err(unwritten) => unwritten,
    }
}

fn deliver(asked: &Metrics, exposition: Exposition) -> Result<(), CliError> {
    let text = exposition.end();
    match &asked.output {
        None => out::print(&text).map(|_| ()),
        Some(path) => file::replace(path, &text),
    }
}
