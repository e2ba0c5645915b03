//! Every sign on the screen, in three forms: for any Unicode terminal, for terminals that draw ambiguous characters two
//! columns wide (East Asia), and plain ASCII. Nothing else in the console writes a character beyond ASCII.

use crate::model::snapshot::{BackupState, TransactionState};

/// Which table is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GlyphMode {
    #[default]
    Unicode,
    /// Only characters that are one column wide everywhere.
    Safe,
    Ascii,
}

/// The lines of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    pub horizontal: &'static str,
    pub vertical: &'static str,
    pub top_left: &'static str,
    pub top_right: &'static str,
    pub bottom_left: &'static str,
    pub bottom_right: &'static str,
}

/// One form of every sign. All are one column wide but `arrow`.
#[derive(Debug, Clone, Copy)]
pub struct Glyphs {
    pub frame: Frame,
    /// Left of the selected row.
    pub cursor: &'static str,
    pub mark: &'static str,
    pub arrow: &'static str,
    /// The other way.
    pub arrow_back: &'static str,
    pub dot: &'static str,
    pub ellipsis: &'static str,
    pub attention: &'static str,
    pub good: &'static str,
    /// Where a list goes on above or below.
    pub more_above: &'static str,
    pub more_below: &'static str,
    /// A bar's parts from nearly empty to full.
    pub bar: &'static [&'static str],
    /// The part of a bar that is still to come.
    pub track: &'static str,
    /// Heights of a sparkline, lowest first; empty: none is drawn.
    pub spark: &'static [&'static str],
    pub none: &'static str,
    pub copying: &'static str,
    pub equivalent: &'static str,
    pub suspended: &'static str,
    pub halted: &'static str,
    pub half_open: &'static str,
    pub restoring: &'static str,
    pub practice: &'static str,
    /// A restore that did not come to its end.
    pub restore_incomplete: &'static str,
    /// Data comes into the volume: from its own backup volume, or by another copy.
    pub reversed: &'static str,
    pub inbound: &'static str,
    pub unknown: &'static str,
    pub unused: &'static str,
    pub generation: &'static str,
    pub suspended_generation: &'static str,
    pub foreign: &'static str,
    /// Before a set whose volumes stand below it, or do not.
    pub opened: &'static str,
    pub closed: &'static str,
}

const PLAIN_FRAME: Frame =
    Frame { horizontal: "-", vertical: "|", top_left: "+", top_right: "+", bottom_left: "+", bottom_right: "+" };

static UNICODE: Glyphs = Glyphs {
    frame: Frame {
        horizontal: "─", vertical: "│", top_left: "╭", top_right: "╮", bottom_left: "╰", bottom_right: "╯"
    },
    cursor: "▌",
    mark: "✓",
    arrow: "→",
    arrow_back: "←",
    dot: "·",
    ellipsis: "…",
    attention: "!",
    good: "✓",
    more_above: "▴",
    more_below: "▾",
    bar: &["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
    track: " ",
    spark: &["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    none: "·",
    copying: "◐",
    equivalent: "◆",
    suspended: "◇",
    halted: "▮",
    half_open: "▯",
    restoring: "◂",
    practice: "▹",
    restore_incomplete: "◔",
    reversed: "◃",
    inbound: "«",
    unknown: "?",
    unused: "▫",
    generation: "▪",
    suspended_generation: "◈",
    foreign: "×",
    opened: "▾",
    closed: "▸",
};

static SAFE: Glyphs = Glyphs {
    frame: PLAIN_FRAME,
    cursor: ">",
    mark: "✓",
    arrow: "->",
    arrow_back: "<-",
    dot: "-",
    ellipsis: "~",
    attention: "!",
    good: "✓",
    more_above: "▴",
    more_below: "▾",
    bar: &["▰"],
    track: "▱",
    spark: &[],
    none: "-",
    copying: "▸",
    equivalent: "=",
    suspended: "◊",
    halted: "▮",
    half_open: "▯",
    restoring: "◂",
    practice: "p",
    restore_incomplete: "%",
    reversed: "◃",
    inbound: "«",
    unknown: "?",
    unused: "▫",
    generation: "▪",
    suspended_generation: "▰",
    foreign: "x",
    opened: "-",
    closed: "+",
};

static ASCII: Glyphs = Glyphs {
    frame: PLAIN_FRAME,
    cursor: ">",
    mark: "*",
    arrow: "->",
    arrow_back: "<-",
    dot: "-",
    ellipsis: "~",
    attention: "!",
    good: "+",
    more_above: "^",
    more_below: "v",
    bar: &["#"],
    track: ".",
    spark: &[],
    none: "-",
    copying: ">",
    equivalent: "=",
    suspended: "~",
    halted: "#",
    half_open: "%",
    restoring: "<",
    practice: "P",
    restore_incomplete: "/",
    reversed: "R",
    inbound: "I",
    unknown: "?",
    unused: ".",
    generation: "o",
    suspended_generation: "@",
    foreign: "x",
    opened: "-",
    closed: "+",
};

impl Glyphs {
    pub fn of(mode: GlyphMode) -> &'static Self {
        match mode {
            GlyphMode::Unicode => &UNICODE,
            GlyphMode::Safe => &SAFE,
            GlyphMode::Ascii => &ASCII,
        }
    }

    pub fn transaction(&self, state: TransactionState) -> &'static str {
        match state {
            TransactionState::None => self.none,
            TransactionState::Suspended => self.suspended,
            TransactionState::Equivalent => self.equivalent,
            TransactionState::Copying => self.copying,
            TransactionState::Restoring => self.restoring,
            TransactionState::Unknown => self.unknown,
            TransactionState::HalfOpen => self.half_open,
            TransactionState::Halted => self.halted,
            TransactionState::Error => self.attention,
            TransactionState::Inbound => self.inbound,
            TransactionState::Reversed => self.reversed,
            TransactionState::RestoreIncomplete => self.restore_incomplete,
        }
    }

    pub fn backup(&self, state: BackupState) -> &'static str {
        match state {
            BackupState::Unused => self.unused,
            BackupState::Bound => self.suspended,
            BackupState::Copying => self.copying,
            BackupState::Equivalent => self.equivalent,
            BackupState::Generation => self.generation,
            BackupState::SuspendedGeneration => self.suspended_generation,
            BackupState::Error => self.attention,
            BackupState::Foreign => self.foreign,
            BackupState::Unverified => self.unknown,
            BackupState::Reversed => self.reversed,
            BackupState::Restoring => self.restoring,
            BackupState::Practice => self.practice,
            BackupState::RestoreIncomplete => self.restore_incomplete,
        }
    }
}

impl GlyphMode {
    /// From the locale: anything that is not UTF-8 gets ASCII; Chinese, Japanese and Korean terminals the safe table.
    pub fn from_locale(locale: &str) -> Self {
        let lower = locale.to_ascii_lowercase();
        if !lower.contains("utf-8") && !lower.contains("utf8") {
            Self::Ascii
        } else if ["ja", "ko", "zh"].iter().any(|language| lower.starts_with(language)) {
            Self::Safe
        } else {
            Self::Unicode
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    fn all(glyphs: &Glyphs) -> Vec<&'static str> {
        let frame = glyphs.frame;
        let mut all = vec![
            frame.horizontal,
            frame.vertical,
            frame.top_left,
            frame.top_right,
            frame.bottom_left,
            frame.bottom_right,
            glyphs.cursor,
            glyphs.mark,
            glyphs.dot,
            glyphs.ellipsis,
            glyphs.attention,
            glyphs.good,
            glyphs.more_above,
            glyphs.more_below,
            glyphs.track,
            glyphs.none,
            glyphs.copying,
            glyphs.equivalent,
            glyphs.suspended,
            glyphs.halted,
            glyphs.half_open,
            glyphs.restoring,
            glyphs.practice,
            glyphs.reversed,
            glyphs.inbound,
            glyphs.unknown,
            glyphs.unused,
            glyphs.generation,
            glyphs.suspended_generation,
            glyphs.foreign,
            glyphs.opened,
            glyphs.closed,
        ];
        all.extend(glyphs.bar);
        all.extend(glyphs.spark);
        all
    }

    #[test]
    fn every_sign_is_one_column_wide() {
        for mode in [GlyphMode::Unicode, GlyphMode::Safe, GlyphMode::Ascii] {
            for glyph in all(Glyphs::of(mode)) {
                assert_eq!(glyph.width(), 1, "{mode:?} {glyph}");
            }
        }
    }

    #[test]
    fn safe_signs_are_one_column_wide_in_east_asia_too() {
        for glyph in all(Glyphs::of(GlyphMode::Safe)) {
            assert_eq!(glyph.width_cjk(), 1, "{glyph}");
        }
        assert!(all(Glyphs::of(GlyphMode::Ascii)).concat().is_ascii());
    }

    #[test]
    fn states_of_a_kind_have_signs_of_their_own() {
        use std::collections::BTreeSet;
        for mode in [GlyphMode::Unicode, GlyphMode::Safe, GlyphMode::Ascii] {
            let glyphs = Glyphs::of(mode);
            let backup = [
                BackupState::Unused,
                BackupState::Bound,
                BackupState::Copying,
                BackupState::Equivalent,
                BackupState::Generation,
                BackupState::SuspendedGeneration,
                BackupState::Error,
                BackupState::Foreign,
                BackupState::Unverified,
                BackupState::Reversed,
                BackupState::Restoring,
                BackupState::Practice,
                BackupState::RestoreIncomplete,
            ];
            assert_eq!(backup.iter().map(|state| glyphs.backup(*state)).collect::<BTreeSet<_>>().len(), 13, "{mode:?}");
            let transaction = [
                TransactionState::None,
                TransactionState::Suspended,
                TransactionState::Equivalent,
                TransactionState::Copying,
                TransactionState::Restoring,
                TransactionState::Unknown,
                TransactionState::HalfOpen,
                TransactionState::Halted,
                TransactionState::Error,
                TransactionState::Inbound,
                TransactionState::Reversed,
                TransactionState::RestoreIncomplete,
            ];
            let signs: BTreeSet<_> = transaction.iter().map(|state| glyphs.transaction(*state)).collect();
            assert_eq!(signs.len(), transaction.len(), "{mode:?}");
        }
    }

    #[test]
    fn the_locale_chooses_the_table() {
        assert_eq!(GlyphMode::from_locale("en_US.UTF-8"), GlyphMode::Unicode);
        assert_eq!(GlyphMode::from_locale("ja_JP.utf8"), GlyphMode::Safe);
        assert_eq!(GlyphMode::from_locale("C"), GlyphMode::Ascii);
        assert_eq!(GlyphMode::from_locale(""), GlyphMode::Ascii);
    }
}
