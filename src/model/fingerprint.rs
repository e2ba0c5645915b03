//! Fingerprints of generations: a BLAKE3 tree over leaves of 1 MiB, whose root is BLAKE3 of the whole volume.
//!
//! Belongs here: leaves, the root over them, what differs between two lists of them, what is to be read again. Does not:
//! reading a volume (driver), when that is done (`engine::fingerprints`).

use super::identity::VolumeId;
use super::units::{Blocks, Timestamp};
use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt::Write;
use std::ops::Range;

/// Bytes of a leaf; the last one of a volume may be shorter.
pub const LEAF_BYTES: u64 = 1 << 20;
/// Digits of a leaf in hexadecimal.
const DIGITS: usize = 64;

/// One leaf: the chaining value of its bytes at their place in the volume. A volume of one leaf has its root instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf([u8; 32]);

impl Leaf {
    /// Of the bytes of leaf `index` of a volume of so many bytes.
    pub fn of(index: u64, bytes: &[u8], volume_bytes: u64) -> Self {
        let mut hasher = Hasher::new();
        if volume_bytes <= LEAF_BYTES {
            return Self(*hasher.update(bytes).finalize().as_bytes());
        }
        hasher.set_input_offset(index * LEAF_BYTES);
        Self(hasher.update(bytes).finalize_non_root())
    }
}

/// The leaves that a volume of so many bytes has.
pub fn leaf_count(volume_bytes: u64) -> u64 {
    volume_bytes.div_ceil(LEAF_BYTES)
}

/// Several leaves as text without separators: 64 hexadecimal digits each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaves(pub Vec<Leaf>);

impl Serialize for Leaves {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Leaves {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| de::Error::custom("fingerprint leaves are 64 hexadecimal digits each"))
    }
}

impl Leaves {
    /// In hexadecimal.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.0.len() * DIGITS);
        for byte in self.0.iter().flat_map(|leaf| leaf.0) {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// What [`Leaves::text`] wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let bytes: Option<Vec<u8>> =
            text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect();
        let leaves = bytes?.chunks(DIGITS / 2).map(|leaf| leaf.try_into().ok().map(Leaf)).collect::<Option<_>>()?;
        Some(Self(leaves))
    }

    /// BLAKE3 of the whole volume, in hexadecimal; `None` where these are not all leaves of so many bytes.
    pub fn root(&self, volume_bytes: u64) -> Option<String> {
        if self.0.is_empty() || self.0.len() as u64 != leaf_count(volume_bytes) {
            return None;
        }
        let hash = match self.0.as_slice() {
            [only] => blake3::Hash::from_bytes(only.0),
            all => {
                let (left, right) = halves(all, volume_bytes);
                merge_subtrees_root(&node(left.0, left.1), &node(right.0, right.1), Mode::Hash)
            }
        };
        Some(hash.to_hex().to_string())
    }

    /// The leaves that are others in `other`, as ranges; all of them where the two have different numbers.
    pub fn differing(&self, other: &Self) -> Vec<Range<u64>> {
        if self.0.len() != other.0.len() {
            return vec![Range { start: 0, end: self.0.len().max(other.0.len()) as u64 }];
        }
        let differs = self.0.iter().zip(&other.0).map(|(one, other)| one != other);
        ranges(differs.enumerate().filter(|(_, differs)| *differs).map(|(at, _)| at as u64))
    }
}

/// Leaves that follow each other, and the bytes that they are of.
type Part<'a> = (&'a [Leaf], u64);

/// The left and the right part of a node. There is more than one leaf.
fn halves(leaves: &[Leaf], bytes: u64) -> (Part<'_>, Part<'_>) {
    let left = left_subtree_len(bytes);
    let (first, second) = leaves.split_at((left / LEAF_BYTES) as usize);
    ((first, left), (second, bytes - left))
}

fn node(leaves: &[Leaf], bytes: u64) -> ChainingValue {
    if let [only] = leaves {
        return only.0;
    }
    let (left, right) = halves(leaves, bytes);
    merge_subtrees_non_root(&node(left.0, left.1), &node(right.0, right.1), Mode::Hash)
}

/// Ascending numbers as ranges.
pub fn ranges(numbers: impl Iterator<Item = u64>) -> Vec<Range<u64>> {
    let mut all: Vec<Range<u64>> = Vec::new();
    for number in numbers {
        match all.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => all.push(number..number + 1),
        }
    }
    all
}

/// Which leaves of a volume were written to since a mark, as its array tells.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChangedLeaves {
    /// To be given with the next question; `None` where the array does not tell.
    pub mark: Option<String>,
    /// `None`: the array knows nothing of that mark, so each of them may have changed.
    pub changed: Option<Vec<Range<u64>>>,
}

/// The leaves that are to be read again: those that changed. All, where nothing is known.
pub fn to_read(count: u64, before: Option<&Leaves>, changed: Option<&[Range<u64>]>) -> Vec<Range<u64>> {
    let all = || Vec::from([Range { start: 0, end: count }]);
    match (before, changed) {
        (Some(before), Some(changed)) if before.0.len() as u64 == count => {
            let within = |range: &Range<u64>| range.start.min(count)..range.end.min(count);
            changed.iter().map(within).filter(|range| !range.is_empty()).collect()
        }
        _ => all(),
    }
}

/// The leaves of what a backup volume was read to hold, kept beside the generation whose fingerprint has this root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeLeaves {
    pub backup_volume: VolumeId,
    pub root: String,
    /// The array's mark of when the reading began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    pub leaves: Leaves,
}

impl VolumeLeaves {
    /// Whether they are what their root says, for a volume of this size.
    pub fn are_whole(&self, blocks: Blocks) -> bool {
        self.leaves.root(blocks.bytes()).as_deref() == Some(&self.root)
    }
}

/// What a generation was read to hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// BLAKE3 of the whole volume, in hexadecimal.
    pub blake3: String,
    /// When the reading ended.
    pub at: Timestamp,
    /// How long the reading took.
    pub millis: u64,
    /// When the volume was read again last, and compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verification>,
    /// When a copy of the volume was made for practice last, and compared. The time is that of all of it, the copy included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub practised: Option<Verification>,
}

/// What came of reading a generation again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Verification {
    pub at: Timestamp,
    pub millis: u64,
    /// What differs, in words; `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
}

impl Fingerprint {
    /// When the volume was last read to hold what the fingerprint says, after it was taken.
    pub fn verified_at(&self) -> Option<Timestamp> {
        self.verified.as_ref().filter(|verified| verified.differs.is_none()).map(|verified| verified.at)
    }
}

/// Ranges of leaves as people read them: `MiB 3, 17 to 20 and 2 more ranges`.
pub fn in_words(ranges: &[Range<u64>]) -> String {
    const SHOWN: usize = 8;
    let one = |range: &Range<u64>| match range.end - range.start {
        1 => range.start.to_string(),
        _ => format!("{} to {}", range.start, range.end - 1),
    };
    let shown: Vec<String> = ranges.iter().take(SHOWN).map(one).collect();
    let more = ranges.len().saturating_sub(SHOWN);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more ranges") };
    format!("MiB {}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(bytes: &[u8]) -> Leaves {
        let all = bytes.chunks(LEAF_BYTES as usize).enumerate();
        Leaves(all.map(|(at, part)| Leaf::of(at as u64, part, bytes.len() as u64)).collect())
    }

    #[test]
    fn the_root_over_the_leaves_is_blake3_of_the_whole_volume() {
        let mut random = fastrand::Rng::with_seed(7);
        for blocks in [1, 100, 2048, 2049, 4096, 4097, 6144, 10_240, 14_337, 34_000] {
            let bytes: Vec<u8> = (0..blocks * 512).map(|_| random.u8(..)).collect();
            let root = leaves(&bytes).root(bytes.len() as u64).unwrap();
            assert_eq!(root, blake3::hash(&bytes).to_hex().as_str(), "{blocks} blocks");
        }
        assert_eq!(leaves(&[1; 512]).root(LEAF_BYTES * 3), None);
        assert_eq!(Leaves::default().root(0), None);
    }

    #[test]
    fn leaves_survive_their_text_and_a_cut_text_is_refused() {
        let some = leaves(&vec![3; 3 << 20]);
        assert_eq!(Leaves::from_text(&some.text()), Some(some.clone()));
        for wrong in [&some.text()[1..], &some.text()[64 + 2..], "zz"] {
            assert_eq!(Leaves::from_text(wrong), None, "{wrong}");
        }
        assert_eq!(Leaves::from_text("é".repeat(32).as_str()), None);
    }

    #[test]
    fn what_differs_is_named_in_ranges() {
        let mut bytes = vec![0; 12 << 20];
        let before = leaves(&bytes);
        for mib in [2, 5, 6, 11] {
            bytes[(mib << 20) + 17] = 1;
        }
        let differing = before.differing(&leaves(&bytes));
        assert_eq!(differing, [2..3, 5..7, 11..12]);
        assert_eq!(in_words(&differing), "MiB 2, 5 to 6, 11");
        assert_eq!(before.differing(&before), []);
        let many: Vec<_> = (0..20).map(|at| at * 2..at * 2 + 1).collect();
        assert!(in_words(&many).ends_with("14 and 12 more ranges"), "{}", in_words(&many));
    }

    #[test]
    fn only_what_changed_is_read_again_and_all_where_that_is_unknown() {
        let read = |count, before, changed: Option<&[(u64, u64)]>| {
            let changed: Option<Vec<_>> = changed.map(|all| all.iter().map(|(start, end)| *start..*end).collect());
            let ranges = to_read(count, before, changed.as_deref());
            ranges.iter().map(|range| (range.start, range.end)).collect::<Vec<_>>()
        };
        let before = leaves(&vec![0; 4 << 20]);
        assert_eq!(read(4, Some(&before), Some(&[(1, 2), (3, 9)])), [(1, 2), (3, 4)]);
        assert_eq!(read(4, Some(&before), Some(&[])), []);
        assert_eq!(read(4, Some(&before), None), [(0, 4)]);
        assert_eq!(read(4, None, Some(&[(1, 2)])), [(0, 4)]);
        assert_eq!(read(5, Some(&before), Some(&[(1, 2)])), [(0, 5)], "the volume was made larger");
    }
}
