//! Agreement to a plan: on the terminal, or by `--yes` and `--confirm`.

use super::arguments::Change;
use super::{CliError, Exit, out};
use crate::model::codes::Code;
use crate::model::plan::Plan;
use std::io::IsTerminal;

/// Asks for what the options leave open. Gives the confirmation to send along.
///
/// Default is no; a destroying plan wants the name typed, whatever `--yes` says.
pub fn agree(plan: &Plan, change: &Change) -> Result<Option<String>, CliError> {
    let limit = change.time_limit.unwrap_or(out::ANSWER_TIMEOUT);
    let can_ask = !change.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let confirmation = match (plan.confirmation(), &change.confirm) {
        (Some(wanted), Some(given)) if wanted.name == *given => Some(given.clone()),
        (Some(wanted), Some(_)) => {
            return Err(CliError::coded(
                Code::CONFIRMATION_MISMATCH,
                format!("this plan wants --confirm {} ({})", wanted.name, Code::CONFIRMATION_MISMATCH),
            ));
        }
        (Some(wanted), None) if can_ask && !change.yes => {
            let typed =
                out::ask(&format!("{}. Type {} to agree: ", wanted.what.trim_end_matches('.'), wanted.name), limit)?;
            if typed != wanted.name {
                return Err(declined(&format!("that is not {}: nothing was done", wanted.name)));
            }
            return Ok(Some(typed));
        }
        (Some(wanted), None) => {
            return Err(not_agreed(&format!("this plan destroys something and wants --confirm {}", wanted.name)));
        }
        (None, _) => None,
    };
    if change.yes {
        return Ok(confirmation);
    }
    if !can_ask {
        return Err(not_agreed("there is nobody to ask: give --yes, or --dry-run to see the plan only"));
    }
    let answer = out::ask("Do this? [y/N] ", limit)?;
    if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(confirmation)
    } else {
        Err(declined("nothing was done"))
    }
}

/// Wants a name typed, or given as `--confirm`, for what is about no plan.
pub fn by_name(name: &str, what: &str, change: &Change) -> Result<(), CliError> {
    match &change.confirm {
        Some(given) if given == name && change.yes => Ok(()),
        Some(given) if given != name => Err(CliError::coded(
            Code::CONFIRMATION_MISMATCH,
            format!("this wants --confirm {name} ({})", Code::CONFIRMATION_MISMATCH),
        )),
        _ if change.yes || change.json || !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) => {
            Err(not_agreed(&format!("{what}: without a terminal it wants --yes and --confirm {name}")))
        }
        _ => {
            let limit = change.time_limit.unwrap_or(out::ANSWER_TIMEOUT);
            let typed = out::ask(&format!("{what}. Type {name} to agree: "), limit)?;
            if typed == name { Ok(()) } else { Err(declined(&format!("that is not {name}: nothing was done"))) }
        }
    }
}

/// Asks a question that is about no plan. Default is no.
pub fn sure(question: &str) -> Result<(), CliError> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(not_agreed("there is nobody to ask: give --yes"));
    }
    match out::ask(&format!("{question} [y/N] "), out::ANSWER_TIMEOUT)?.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(declined("nothing was done")),
    }
}

/// Somebody was asked and said no, which needs no explanation.
fn declined(text: &str) -> CliError {
    CliError::new(Exit::Refused, text)
}

fn not_agreed(text: &str) -> CliError {
    CliError::coded(Code::NOT_AGREED, format!("{text} ({})", Code::NOT_AGREED))
}
