//! What was found on the way to an array, for people.

use crate::model::check::{Check, Verdict};

/// A line each, with what to do below it.
pub fn print(checks: &[Check]) {
    for check in checks {
        let mark = match check.verdict {
            Verdict::Good => ' ',
            Verdict::Attention => '?',
            Verdict::Bad => '!',
        };
        println!("{mark} {}: {}", check.what, check.told);
        if let Some(remedy) = &check.remedy {
            println!("    {remedy}");
        }
    }
}
