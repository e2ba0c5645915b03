//! Text from outside: volume names on an array, replies, script output, old rows.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// Text that somebody else wrote. It has no `Display`: the ways out are `escaped`, for terminals,
/// and serde, for the wire and for JSON (whose writer in `cli` escapes every non-printing character). Copies share it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Untrusted(Arc<str>);

impl Untrusted {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// Bytes from outside; what is not UTF-8 is shown as the replacement character.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For comparing and parsing, never for showing.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// Fit for a terminal: C0, C1, DEL, bidirectional and zero-width characters as `\u{..}`, everything else as it is.
    pub fn escaped(&self) -> String {
        escaped(&self.0)
    }
}

/// As [`Untrusted::escaped`], for a text of ours that may quote what somebody else wrote.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// A path as people see it. Names of files are text from outside.
pub fn path(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Serialize for Untrusted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Untrusted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Cow::<'de, str>::deserialize(deserializer)?.into()))
    }
}

/// Whether a character could move the cursor, change colours, hide, or reorder its neighbours.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_escape_sequence_arrives_as_text() {
        assert_eq!(Untrusted::from("a\u{1b}[2J\u{9b}m\r\u{202e}b").escaped(), r"a\u{1b}[2J\u{9b}m\u{d}\u{202e}b");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_comes_out(text in any::<String>()) {
            prop_assert!(!Untrusted::new(text).escaped().chars().any(is_unsafe));
        }
    }
}
