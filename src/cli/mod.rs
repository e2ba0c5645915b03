//! The command line: what can be typed, and what is printed for it, as text or as JSON.
//!
//! Belongs here: one file a family of verbs, the dialogue of plan, agreement and waiting, exit statuses, documents.
//! Does not: what is legal (model), doing it (engine), starting processes and choosing the site (main wires that).

mod agree;
pub mod arguments;
pub mod array;
pub mod array_arguments;
mod audit;
mod backup;
pub mod catalogue;
mod change;
mod check;
pub mod checks;
mod cli_error;
mod document;
mod exit;
mod explain;
pub mod forced;
mod generation_verb;
mod help;
mod history;
pub mod hook;
pub mod host;
mod json;
pub mod link;
mod map;
mod map_files;
mod map_sets;
mod metrics;
mod names;
pub mod notify;
pub mod out;
mod pages;
mod plan_text;
mod policy;
mod practice;
mod preview;
mod reconcile;
mod report;
mod request_line;
mod restore;
mod set;
mod since;
pub mod site;
pub mod site_arguments;
mod snapshot;
mod status;
mod sync;
mod table;
mod times;
pub mod typed;
mod until;
pub mod usage;
mod verify;
mod volume;
mod wait;
mod wait_for;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use arguments::{CommandLine, Verb};
pub use cli_error::CliError;
pub use exit::Exit;

use link::{Link, Need, SiteContext};
use std::time::Duration;
use wait::Deadline;

/// Runs a verb to its end and tells how it ended. Everything that goes wrong has been printed by then.
pub async fn run(verb: &Verb, site_context: &dyn SiteContext) -> Exit {
    run_within(verb, None, site_context).await
}

/// As [`run`]. `limit`: for a verb that only reads, as the command line has it.
pub async fn run_within(verb: &Verb, limit: Option<Duration>, site_context: &dyn SiteContext) -> Exit {
    let json = verb.wants_json();
    let deadline = Deadline::new(verb.reading_limit(limit));
    let whom = || format!("{} or an array to answer", link::engine_name(site_context.engine_pid()));
    let ran = deadline.bound(whom, dispatch(verb, site_context)).await;
    let ran = match (verb, ran) {
        (Verb::Metrics(asked), Err(error)) => Err(metrics::engine_down(asked, error)),
        (_, ran) => ran,
    };
    match ran {
        Ok(exit) => exit,
        Err(cli_error) if verb.is_plugin() => check::plugin_error(&cli_error),
        Err(cli_error) => {
            cli_error.print(json, site_context.is_demo());
            cli_error.exit
        }
    }
}

async fn dispatch(verb: &Verb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    match verb {
        Verb::Explain(asked) => explain::run(asked),
        Verb::Completions { shell } => help::completions(*shell),
        Verb::Man => help::man(),
        Verb::Status(asked) => status::run(asked, &mut site_context.open(Need::Reading).await?).await,
        Verb::Check(asked) => check::run(asked, site_context).await,
        Verb::Wait(asked) => {
            let deadline = Deadline::new(asked.time_limit);
            let whom = || format!("{} to take the line", link::engine_name(site_context.engine_pid()));
            let mut link = deadline.bound(whom, site_context.open(Need::Reading)).await?;
            link.bound_by(deadline);
            wait_for::run(asked, &mut link, deadline).await
        }
        Verb::Report(asked) => report::run(asked, site_context).await,
        Verb::Metrics(asked) => metrics::run(asked, site_context).await,
        Verb::History(asked) => history::run(asked, site_context).await,
        Verb::Audit { verb } => audit::run(verb, site_context).await,
        Verb::Catalogue { verb } => catalogue::run(verb, site_context).await,
        Verb::Policy { verb } => policy::run(verb, site_context).await,
        Verb::Volume { verb } => volume::run(verb, site_context).await,
        Verb::Set { verb } => set::run(verb, site_context).await,
        Verb::Map { verb } => map::run(verb, site_context).await,
        Verb::Site { verb } => site::run(verb, site_context).await,
        Verb::Sync { verb } => {
            let deadline = Deadline::new(verb.change().time_limit);
            sync::run(verb, &mut opened(site_context, deadline).await?, deadline).await
        }
        Verb::Backup(asked) => {
            backup::in_time(asked)?;
            let deadline = Deadline::new(asked.change.time_limit).until(asked.until);
            backup::run(asked, &mut opened(site_context, deadline).await?, deadline).await
        }
        Verb::Snapshot(asked) => {
            let deadline = Deadline::new(asked.change.time_limit);
            snapshot::run(asked, &mut opened(site_context, deadline).await?, deadline).await
        }
        Verb::Practice(asked) => {
            let deadline = Deadline::new(asked.change.time_limit);
            practice::run(asked, &mut opened(site_context, deadline).await?, deadline).await
        }
        Verb::Reconcile(asked) => reconcile::run(asked, site_context).await,
        Verb::Restore(asked) => {
            let deadline = Deadline::new(asked.change.time_limit);
            restore::run(asked, &mut opened(site_context, deadline).await?, deadline).await
        }
        Verb::Array { verb } => array::run(verb, site_context).await,
        Verb::ForcedCommand { .. } => Err(CliError::usage("this is for `command=` of authorized_keys, once")),
        Verb::Hook { verb } => hook::run(verb, site_context).await,
        Verb::Notify { verb } => notify::run(verb, site_context).await,
        Verb::Host { verb } => host::run(verb, site_context).await,
        Verb::Init(_) => Err(CliError::usage("this is for a shell: `ecdeck init`")),
        Verb::HookGuard => Err(CliError::usage("the engine starts this by itself")),
        Verb::Serve(asked) => site_context.serve(asked.detached).await.map(|()| Exit::Done),
    }
}

/// The line for a verb that changes something; opening it counts towards its time limit, and so does every question.
async fn opened(site_context: &dyn SiteContext, deadline: Deadline) -> Result<Link, CliError> {
    let whom = || format!("{} to take the line", link::engine_name(site_context.engine_pid()));
    let mut link = deadline.bound(whom, site_context.open(Need::Changing)).await?;
    link.bound_by(deadline);
    Ok(link)
}
