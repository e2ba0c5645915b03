//! CCM's names: checked against an alphabet and refused when they do not fit it; nothing is ever escaped.
//!
//! The manuals show names of letters and digits (`ET001`, `ECGroup`). Array names also get `_`, `-` and `.`; group names,
//! which we choose, stay inside what is shown.

use crate::model::identity::Olu;
use crate::model::session::{CopyKind, TransferMode};
use crate::model::untrusted::Untrusted;
use std::fmt;
use std::str::FromStr;

/// A name or word that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error(
        "{:?} cannot be an array's name in CCM commands: 1 to {} of A-Z a-z 0-9 . _ -, beginning with a letter or digit. \
         Give the array such a name in CCM",
        text.escaped(), ArrayName::MAX_LENGTH
    )]
    Array { text: Untrusted },
    #[error("{:?} cannot be a copy group's name: 1 to {} of A-Z a-z 0-9 _ -, beginning with a letter or digit", text.escaped(), GroupName::MAX_LENGTH)]
    Group { text: Untrusted },
}

fn plain_letters(name: &ArrayName) -> String {
    name.0.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn plain(byte: u8, more: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || more.contains(&byte)
}

/// The name that an array has in CCM, which need not be the one it has here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrayName(String);

impl ArrayName {
    pub const MAX_LENGTH: usize = 32;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ArrayName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && text.bytes().all(|byte| plain(byte, b"._-"));
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError::Array { text: text.into() }) }
    }
}

impl fmt::Display for ArrayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The types of copy group that this driver makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupType {
    Ec,
    Rec,
    Opc,
}

impl GroupType {
    /// The group type that a kind of copy needs; `None` for kinds that this driver only looks at.
    pub fn for_kind(kind: CopyKind) -> Option<Self> {
        match kind {
            CopyKind::Ec => Some(Self::Ec),
            CopyKind::Rec => Some(Self::Rec),
            CopyKind::Opc => Some(Self::Opc),
            CopyKind::QuickOpc | CopyKind::SnapOpc | CopyKind::SnapOpcPlus | CopyKind::Other => None,
        }
    }

    pub fn kind(self) -> CopyKind {
        match self {
            Self::Ec => CopyKind::Ec,
            Self::Rec => CopyKind::Rec,
            Self::Opc => CopyKind::Opc,
        }
    }

    /// CCM's word for it, on the command line and in replies.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ec => "EC",
            Self::Rec => "REC",
            Self::Opc => "OPC",
        }
    }
}

/// A copy group's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

impl GroupName {
    pub const MAX_LENGTH: usize = 80;

    /// The one group that holds all our pairs of a type in an array; of REC, those of the default transfer mode.
    /// Made from the names alone, so that it is found again after a restart, by another engine, and by people.
    pub fn of(group: GroupType, source: &ArrayName, target: &ArrayName) -> Self {
        match group {
            GroupType::Ec | GroupType::Opc => Self(format!("ecdeck{}{}", group.word(), plain_letters(source))),
            GroupType::Rec => Self::of_rec(source, target, TransferMode::default()),
        }
    }

    /// The one group of our RECs from one array to another in a transfer mode. CCM's queries do not show the mode, and no
    /// backup may be made in some of them: the group tells it.
    pub fn of_rec(source: &ArrayName, target: &ArrayName, transfer: TransferMode) -> Self {
        let mode = match transfer {
            TransferMode::Synchronous => "sync",
            TransferMode::Stack => "stack",
            TransferMode::Consistency => "consist",
            TransferMode::Through => "through",
        };
        Self(format!("ecdeckREC{}to{}{mode}", plain_letters(source), plain_letters(target)))
    }

    /// A name that nobody gives a group: for learning how CCM says that one does not exist.
    pub fn of_nobody() -> Self {
        Self("ecdeckNoSuchGroup0".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && text.bytes().all(|byte| plain(byte, b"_-"));
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError::Group { text: text.into() }) }
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A volume as CCM writes it: `ET001/0x1f`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeName {
    pub array: ArrayName,
    pub olu: Olu,
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/0x{:x}", self.array, self.olu.0)
    }
}

/// A copy pair as CCM writes it: `ET001/0x1:ET001/0x6`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairName {
    pub source: VolumeName,
    pub target: VolumeName,
}

impl PairName {
    /// The pair the other way round.
    #[must_use]
    pub fn exchanged(&self) -> Self {
        Self { source: self.target.clone(), target: self.source.clone() }
    }
}

impl fmt::Display for PairName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_do_not_fit_are_refused_and_not_escaped() {
        for good in ["ET001", "DX80B", "NARA-2", "e.4_000"] {
            assert_eq!(good.parse::<ArrayName>().unwrap().as_str(), good);
        }
        for bad in
            ["", "-a", ".x", "ET 1", "ET001;reboot", "$(id)", "a'b", "ET001/0x1", "ET\u{1b}", "Ä1", &"x".repeat(33)]
        {
            assert!(bad.parse::<ArrayName>().is_err(), "{bad:?}");
            assert!(bad.parse::<GroupName>().is_err() || bad.len() == 33, "{bad:?}");
        }
        let told = "E\u{1b}[2J".parse::<ArrayName>().unwrap_err().to_string();
        assert!(!told.contains('\u{1b}'), "{told}");
    }

    #[test]
    fn a_group_is_named_after_its_arrays_and_nothing_else() {
        let (kyoto, nara) = ("KYOTO1".parse().unwrap(), "NARA-2".parse().unwrap());
        assert_eq!(GroupName::of(GroupType::Ec, &kyoto, &kyoto).as_str(), "ecdeckECKYOTO1");
        assert_eq!(GroupName::of(GroupType::Rec, &kyoto, &nara).as_str(), "ecdeckRECKYOTO1toNARA2sync");
        let stack = GroupName::of_rec(&kyoto, &nara, TransferMode::Stack);
        assert_eq!(stack.as_str(), "ecdeckRECKYOTO1toNARA2stack");
        assert_ne!(
            GroupName::of(GroupType::Rec, &kyoto, &nara),
            GroupName::of(GroupType::Rec, &nara, &kyoto),
            "each direction has its own"
        );
        let longest: ArrayName = "x".repeat(ArrayName::MAX_LENGTH).parse().unwrap();
        assert!(GroupName::of(GroupType::Rec, &longest, &longest).as_str().parse::<GroupName>().is_ok());
    }

    #[test]
    fn pairs_are_written_as_in_the_manuals() {
        let kyoto: ArrayName = "KYOTO1".parse().unwrap();
        let volume = |olu| VolumeName { array: kyoto.clone(), olu: Olu(olu) };
        let pair = PairName { source: volume(1), target: volume(0x1f) };
        assert_eq!(pair.to_string(), "KYOTO1/0x1:KYOTO1/0x1f");
        assert!(pair.to_string().parse::<crate::driver::transport::argv::Word>().is_ok());
    }
}
