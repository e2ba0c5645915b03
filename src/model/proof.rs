//! By which means a generation is proved, as far as the catalogue knows: what it says nothing of is not claimed.

use super::entity::{Generation, GenerationState, InstantProof, SetInstant};
use super::units::count;

/// The state in one or two words: why it is not valid is in [`proof`].
pub fn state(generation: &Generation) -> &'static str {
    match generation.state {
        GenerationState::Valid if generation.held.is_some() => "valid, held",
        GenerationState::Valid => "valid",
        GenerationState::InDoubt(_) => "in doubt",
        GenerationState::NeedsAttention(_) => "attention",
    }
}

/// What proves it, or speaks against it; `none` where the catalogue has nothing but the backup itself.
pub fn proof(generation: &Generation) -> String {
    let mut known: Vec<String> = Vec::new();
    match &generation.state {
        GenerationState::Valid => {}
        state => known.push(state.to_string()),
    }
    if let Some(SetInstant { name, volumes, by: InstantProof::Array, .. }) = &generation.set {
        known.push(format!("one instant, set {name} ({})", count(*volumes as usize, "volume", "volumes")));
    }
    if let Some(why) = &generation.crash_consistent {
        known.push(format!("crash-consistent: {}", why.escaped()));
    }
    if generation.provisioned {
        known.push("set up, not backed up".to_owned());
    }
    if known.is_empty() { "none".to_owned() } else { known.join("; ") }
}
