//! The choice of a set-up as a text, so that it outlives a lost line.

use super::state::Chosen;
use crate::model::identity::VolumeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The form in which a choice is kept in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    schema: u32,
    chosen: BTreeMap<VolumeId, Chosen>,
}

const SCHEMA: u32 = 1;

/// The text that [`read`] reads; `None` where nothing is chosen.
pub(super) fn text(chosen: &BTreeMap<VolumeId, Chosen>) -> Option<String> {
    let kept = Kept { schema: SCHEMA, chosen: chosen.clone() };
    if chosen.is_empty() { None } else { serde_json::to_string_pretty(&kept).ok() }
}

/// The choice of a file's text.
///
/// # Errors
/// When it is none.
pub fn read(text: &str) -> Result<BTreeMap<VolumeId, Chosen>, String> {
    let kept: Kept = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if kept.schema != SCHEMA {
        return Err(format!("it has format {}, this program writes {SCHEMA}", kept.schema));
    }
    Ok(kept.chosen)
}
