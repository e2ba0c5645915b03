//! What was found on the way to an array, for people.

use crate::model::check::{Check, Verdict};
use std::fmt::Write;

/// A line each, with what to do below it.
pub fn text(checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        let mark = match check.verdict {
            Verdict::Good => ' ',
            Verdict::Attention => '?',
            Verdict::Bad => '!',
        };
        let _ = writeln!(out, "{mark} {}: {}", check.what, check.told);
        if let Some(remedy) = &check.remedy {
            let _ = writeln!(out, "    {remedy}");
        }
    }
    out
}
