//! Who a volume is: the box's own 40-character id and the volume's number in it.

use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// An identity that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("a box id is 40 printable ASCII characters, padded with '#'; this has {0} characters or others among them")]
    BoxId(usize),
    #[error("{MAX_BOXES} different box ids were read already: this is no site; end the program that names them")]
    TooManyBoxes,
    #[error("{0:?} is not a volume number: write it as 0x21")]
    Olu(String),
    #[error("{0:?} is not a volume identity: write BOXID/0x21 with the box's 40 characters")]
    Volume(String),
    #[error("{0:?} is not a name: 1 to 32 of A-Z a-z 0-9 . _ -, beginning with a letter or digit")]
    Name(String),
}

/// Different box ids that one process remembers: a site has a handful.
const MAX_BOXES: usize = 65_536;

/// The identity of an array, which it reports itself: 40 ASCII characters, padded with `#`.
///
/// A snapshot names a box some hundred thousand times, and sorting by it is most of what making one costs: each id is kept
/// once a process, and what is passed around points to it.
#[derive(Clone, Copy)]
pub struct BoxId(&'static [u8; 40]);

/// Box ids that were read so far.
static READ: Mutex<BTreeSet<&'static [u8; 40]>> = Mutex::new(BTreeSet::new());

impl BoxId {
    pub fn as_str(&self) -> &str {
        // `from_str` lets printable ASCII in and nothing else.
        std::str::from_utf8(self.0).unwrap_or("")
    }

    fn kept(bytes: &[u8; 40]) -> Result<Self, IdentityError> {
        let mut read = READ.lock();
        if let Some(known) = read.get(bytes) {
            return Ok(Self(known));
        }
        if read.len() >= MAX_BOXES {
            return Err(IdentityError::TooManyBoxes);
        }
        let new: &'static [u8; 40] = Box::leak(Box::new(*bytes));
        read.insert(new);
        Ok(Self(new))
    }
}

/// Each id is kept once, so the same place is the same id.
impl PartialEq for BoxId {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for BoxId {}

/// By their characters, whatever was read first.
impl Ord for BoxId {
    fn cmp(&self, other: &Self) -> Ordering {
        if self == other { Ordering::Equal } else { self.0.cmp(other.0) }
    }
}

impl PartialOrd for BoxId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for BoxId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl FromStr for BoxId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let bytes: [u8; 40] = text.as_bytes().try_into().map_err(|_| IdentityError::BoxId(text.chars().count()))?;
        if bytes.iter().all(u8::is_ascii_graphic) && !bytes.contains(&b'/') {
            Self::kept(&bytes)
        } else {
            Err(IdentityError::BoxId(40))
        }
    }
}

impl fmt::Display for BoxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for BoxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The number of a volume inside its box, written `0x21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Olu(pub u32);

impl fmt::Display for Olu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:X}", self.0)
    }
}

impl FromStr for Olu {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let wrong = || IdentityError::Olu(text.to_owned());
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).ok_or_else(wrong)?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u32::from_str_radix(digits, 16).map(Self).map_err(|_| wrong())
    }
}

/// A volume, whatever it is called: (box id, OLU). Written `BOXID/0x21`; ordered by box, then number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId {
    pub box_id: BoxId,
    pub olu: Olu,
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.box_id.as_str())?;
        f.write_str("/")?;
        fmt::Display::fmt(&self.olu, f)
    }
}

impl fmt::Debug for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VolumeId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let (box_id, olu) = text.rsplit_once('/').ok_or_else(|| IdentityError::Volume(text.to_owned()))?;
        Ok(Self { box_id: box_id.parse()?, olu: olu.parse()? })
    }
}

/// A name that people give: an array's, a volume's. Safe on any command line and any screen. Copies share it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    pub const MAX_LENGTH: usize = 32;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if fits { Ok(Self(text.into())) } else { Err(IdentityError::Name(text.to_owned())) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Serde by way of the written form, so that identities are strings in JSON and can be keys of maps.
macro_rules! serde_as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(BoxId, VolumeId, Name);

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: &str = "00ETERNUSDXL##ET08E21A####LN4310901078##";

    #[test]
    fn identities_read_back_as_written() {
        let id: VolumeId = format!("{BOX}/0x1F").parse().unwrap();
        assert_eq!(id.olu, Olu(31));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{BOX}/0x1F\""));
        assert_eq!(serde_json::from_str::<VolumeId>(&json).unwrap(), id);
    }

    #[test]
    fn a_box_is_the_same_however_often_it_is_read_and_boxes_are_ordered_by_their_characters() {
        let read = |text: &str| text.parse::<BoxId>().unwrap();
        let later = BOX.replace("1078", "1079");
        let (second, first) = (read(&later), read(BOX));
        assert_eq!((first, second), (read(&String::from(BOX)), read(&later)));
        assert!(first < second && first != second);
        assert_eq!(first.as_str(), BOX);
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        assert!("short".parse::<BoxId>().is_err());
        assert!(BOX.replace('D', "\u{7}").parse::<BoxId>().is_err());
        for olu in ["", "21", "0x", "0x+1", "0xG", "0x100000000"] {
            assert!(olu.parse::<Olu>().is_err(), "{olu}");
        }
        for name in ["", "-a", "a b", "a/b", "ä", "a\u{1b}", &"x".repeat(33)] {
            assert!(name.parse::<Name>().is_err(), "{name:?}");
        }
    }
}
