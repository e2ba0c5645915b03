//! What people should know of an array that answers: what it does not show, and what could not be read of it.

use super::ArraySource;
use crate::model::codes::Code;
use crate::model::copy::Ability;
use crate::model::session::Others;
use crate::model::snapshot::Attention;

/// Lines that are shown one by one at most.
const MAX_ROWS: usize = 5;

/// A capability that is lacking is said, and refuses nothing; a reading that failed refuses what depends on it.
pub(super) fn of(array: &ArraySource) -> Vec<Attention> {
    let name = &array.name;
    let mut attentions = Vec::new();
    let mut say = |failed, code, text| attentions.push(Attention { code, text, failed });
    if let Some(reading) = &array.reading {
        match &reading.others {
            Others::Read => {}
            Others::NotShown { why } => {
                say(false, Code::OTHERS_NOT_SEEN, format!("the sessions of others on {name} are not seen: {why}"));
            }
            Others::Failed { why } => {
                let text = format!("the sessions of others on {name} could not be read: {}", why.escaped());
                say(true, Code::SESSIONS_UNREAD, text);
            }
        }
        for row in reading.unknown_rows.iter().take(MAX_ROWS) {
            let text = format!("{name} reports \"{}\": {}", row.words.escaped(), row.why);
            say(false, Code::ROW_UNREADABLE, text);
        }
        let more = reading.unknown_rows.len().saturating_sub(MAX_ROWS);
        if more > 0 {
            say(false, Code::ROW_UNREADABLE, format!("{more} more lines of {name} could not be read"));
        }
        for term in reading.unknown_terms.iter().take(MAX_ROWS) {
            let text = format!("{name} uses terms without a meaning here: {}", term.what);
            say(false, Code::UNKNOWN_WORDS, text);
        }
        let more = reading.unknown_terms.len().saturating_sub(MAX_ROWS);
        if more > 0 {
            say(false, Code::UNKNOWN_WORDS, format!("{name} uses {more} more terms without a meaning here"));
        }
    }
    let sees = array.capabilities.as_ref().map(|capabilities| capabilities.sees_target_writes);
    if sees.is_some_and(|sees| sees != Ability::Yes) {
        let text = format!("{name} does not show whether a host wrote on a suspended backup volume");
        say(false, Code::HOST_WRITES_NOT_SEEN, text);
    }
    attentions
}
