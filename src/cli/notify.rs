//! `ecdeck notify`: trying the notification hook out.

use super::agree::sure;
use super::hook::tried_out;
use super::link::{Link, Need, SiteContext, unexpected};
use super::{CliError, Exit, json, out};
use crate::engine::protocol::{Answer, Ask};
use crate::model::hook::ScriptReport;
use clap::{Args, Subcommand};
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub enum NotifyVerb {
    /// Run the notification hook once with a document that says it is a test
    Test(TestNotify),
}

#[derive(Debug, Args)]
pub struct TestNotify {
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Tested<'a> {
    #[serde(flatten)]
    report: &'a ScriptReport,
}

pub async fn run(verb: &NotifyVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let NotifyVerb::Test(asked) = verb;
    test(asked, &mut site_context.open(Need::Changing).await?).await
}

async fn test(asked: &TestNotify, link: &mut Link) -> Result<Exit, CliError> {
    if !asked.yes {
        sure("run the notification hook with ECDECK_DRY_RUN=1?")?;
    }
    let report = match link.ask(Ask::TestNotify).await? {
        Answer::NotifyTested { report: Some(report) } => report,
        Answer::NotifyTested { report: None } => {
            let text = "there is no [notify] in the configuration: docs/notify.md shows how";
            return Err(CliError::usage(text));
        }
        Answer::Refused { refusal } => return Err(CliError::coded(refusal.code, refusal.to_string())),
        other => return Err(unexpected(&other)),
    };
    let exit = if report.is_success() { Exit::Done } else { Exit::Failed };
    if asked.json {
        json::print(link.is_demo().await?, &Tested { report: &report })?;
        return Ok(exit);
    }
    out::print(&tried_out("notification hook", &report))?;
    Ok(exit)
}
