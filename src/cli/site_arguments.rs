//! The words of `ecdeck site`.

use super::arguments::Change;
use super::pages::{SITE_APPLY_NOTE, SITE_EXAMPLES};
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum SiteVerb {
    /// Write the site as a file: volumes, names, policies, map sets
    #[command(after_help = SITE_EXAMPLES)]
    Export {
        /// A file that is not there yet; - is standard output
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show what a file would change; changes nothing
    Diff {
        /// The file; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make the site as it is written down: all of it, or nothing
    #[command(after_help = SITE_APPLY_NOTE)]
    Apply {
        /// The file; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        change: Change,
    },
}
