//! How kind the emulation is: as CCM is usually taken to be, or as unkind as the manuals allow.
//!
//! The strict profile resumes by `acec resume` only, gives its reasons in words instead of the array's codes, calls columns
//! otherwise, lists an estimation of updates that has no target, shows a reversed pair the other way round, ends a REC in
//! consistency mode by force only, has another code for a group that does not exist, and is busy at random under a seed.

use super::Failure;
use super::inventory::array_failed;
use std::path::Path;
use std::time::Duration;

/// The file beside the links that says how strict they are: ssh and sudo pass no environment on.
pub const PROFILE_FILE: &str = "ccm-emulation.profile";
/// Of so many commands of the strict profile, one is refused as busy.
const BUSY_ONE_IN: u64 = 9;

/// How the emulation behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Profile {
    pub strict: bool,
    pub seed: u64,
    /// One command in so many is refused as busy before anything is done; 0: none.
    pub busy_one_in: u64,
    /// What every command takes on top.
    pub delay: Duration,
}

impl Profile {
    pub fn strict(seed: u64) -> Self {
        Self { strict: true, seed, busy_one_in: BUSY_ONE_IN, delay: Duration::ZERO }
    }

    /// Reads `--profile strict --seed 7 --busy 9 --delay 20`, each of them optional. The delay is in milliseconds.
    ///
    /// # Errors
    /// When a word is none of these, or no number follows.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut profile = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{word} needs a number, not {value:?}"));
            match (word, value) {
                ("--profile", "default") => profile.strict = false,
                ("--profile", "strict") => profile = Self { delay: profile.delay, ..Self::strict(profile.seed) },
                ("--seed", _) => profile.seed = number()?,
                ("--busy", _) => profile.busy_one_in = number()?,
                ("--delay", _) => profile.delay = Duration::from_millis(number()?),
                _ => return Err(format!("{word} {value} is unknown: see --help")),
            }
        }
        Ok(profile)
    }

    /// What the folder of the links says; without a word of it, the default.
    ///
    /// # Errors
    /// When its words are unknown.
    pub fn of_folder(folder: &Path) -> Result<Self, String> {
        match std::fs::read_to_string(folder.join(PROFILE_FILE)) {
            Ok(text) => Self::parse(text.split_whitespace()),
            Err(_) => Ok(Self::default()),
        }
    }

    /// Refuses the `number`th command at random: the same seed refuses the same ones.
    pub(super) fn admit(&self, number: u64) -> Result<(), Failure> {
        let drawn = mixed(self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        if self.busy_one_in > 0 && drawn.is_multiple_of(self.busy_one_in) {
            return Err(array_failed("STXCopy.OPEN", "The storage device is busy. Please retry."));
        }
        Ok(())
    }
}

/// Steele, Lea and Flood's mixing function of splitmix64.
fn mixed(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_from_words_and_what_is_no_profile_is_refused() {
        let parse = |text: &str| Profile::parse(text.split_whitespace());
        assert_eq!(parse(""), Ok(Profile::default()));
        assert_eq!(parse("--profile strict"), Ok(Profile::strict(0)));
        let whole = Profile { seed: 7, busy_one_in: 3, delay: Duration::from_millis(20), ..Profile::strict(0) };
        assert_eq!(parse("--delay 20 --profile strict --seed 7 --busy 3"), Ok(whole));
        for wrong in ["--profile", "--profile kind", "--seed seven", "strict"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_same_seed_refuses_the_same_commands_and_about_as_many_as_it_says() {
        let refused =
            |seed| (0..9_000).filter(|number| Profile::strict(seed).admit(*number).is_err()).collect::<Vec<u64>>();
        assert_eq!(refused(7), refused(7));
        assert_ne!(refused(7), refused(8));
        assert!((800..1_200).contains(&refused(7).len()), "{}", refused(7).len());
        assert!((0..1_000).all(|number| Profile::default().admit(number).is_ok()));
    }
}
