//! The names of volumes in sentences, wherever they come from.

use super::identity::VolumeId;
use super::units::Version;

/// The names of volumes in sentences.
pub trait VolumeNames {
    /// What a volume is called.
    fn label(&self, id: VolumeId) -> String;

    /// Where it is: `ARRAY/0x21`.
    fn location(&self, id: VolumeId) -> String;

    /// The version that the next generation of a transaction volume gets.
    fn next_version(&self, id: VolumeId) -> Option<Version>;

    /// A volume by its name and by where it is, once where both are the same.
    fn place(&self, id: VolumeId) -> String {
        let (label, location) = (self.label(id), self.location(id));
        if label == location { location } else { format!("{label} ({location})") }
    }
}
