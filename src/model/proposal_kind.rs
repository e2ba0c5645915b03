//! The sorts of what reconcile proposes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The sort of a proposal, as it is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProposalKind {
    Adopt,
    Forget,
    Release,
    ByHand,
}

impl fmt::Display for ProposalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Adopt => "adopt",
            Self::Forget => "forget",
            Self::Release => "release",
            Self::ByHand => "by hand",
        })
    }
}
