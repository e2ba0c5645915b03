//! The command line: what can be typed, and what is printed for it, as text or as JSON.
//!
//! Belongs here: one file a family of verbs, the dialogue of plan, agreement and waiting, exit statuses, documents.
//! Does not: what is legal (model), doing it (engine), starting processes and choosing the site (main wires that).

mod agree;
pub mod arguments;
mod array;
pub mod array_arguments;
mod audit;
mod backup;
mod change;
pub mod checks;
mod document;
mod exit;
mod explain;
pub mod forced;
mod help;
mod history;
mod json;
pub mod link;
mod map;
mod names;
pub mod out;
mod pages;
mod plan_text;
mod policy;
mod request_line;
mod status;
mod sync;
mod table;
mod times;
mod trouble;
mod until;
pub mod usage;
mod volume;
mod wait;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use arguments::{CommandLine, Verb};
pub use exit::Exit;
pub use trouble::Trouble;

use link::{House, Link, Need};
use wait::Patience;

/// Runs a verb to its end and tells how it ended. Everything that goes wrong has been printed by then.
pub async fn run(verb: &Verb, house: &dyn House) -> Exit {
    let json = verb.wants_json();
    match dispatch(verb, house).await {
        Ok(exit) => exit,
        Err(trouble) => {
            trouble.print(json, house.is_demo());
            trouble.exit
        }
    }
}

async fn dispatch(verb: &Verb, house: &dyn House) -> Result<Exit, Trouble> {
    match verb {
        Verb::Explain(asked) => explain::run(asked),
        Verb::Completions { shell } => help::completions(*shell),
        Verb::Man => help::man(),
        Verb::Status(asked) => status::run(asked, &mut house.open(Need::Reading).await?).await,
        Verb::History(asked) => history::run(asked, house).await,
        Verb::Audit { verb } => audit::run(verb, house).await,
        Verb::Policy { verb } => policy::run(verb, house).await,
        Verb::Volume { verb } => volume::run(verb, house).await,
        Verb::Map { verb } => map::run(verb, house).await,
        Verb::Sync { verb } => {
            let patience = Patience::new(verb.change().time_limit);
            sync::run(verb, &mut opened(house, patience).await?, patience).await
        }
        Verb::Backup(asked) => {
            backup::in_time(asked)?;
            let patience = Patience::new(asked.change.time_limit).until(asked.until);
            backup::run(asked, &mut opened(house, patience).await?, patience).await
        }
        Verb::Array { verb } => array::run(verb, house).await,
        Verb::ForcedCommand { .. } => Err(Trouble::usage("this is for `command=` of authorized_keys, once")),
        Verb::Serve(asked) => house.serve(asked.detached).await.map(|()| Exit::Done),
    }
}

/// The line for a verb that changes something; opening it counts towards its time limit, and so does every question.
async fn opened(house: &dyn House, patience: Patience) -> Result<Link, Trouble> {
    let whom = format!("{} to take the line", link::engine_name(house.engine_pid()));
    let mut link = patience.bound(&whom, house.open(Need::Changing)).await?;
    link.bound_by(patience);
    Ok(link)
}
