//! The array's own codes: what the emulated rules answer with, in its numbers and our words.

use crate::model::copy::{ArrayRefusal, ErrorClass, Outcome};
use crate::model::untrusted::Untrusted;

/// A refusal or an "already so" of an array. The numbers and their meanings are those of the real ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArrayCode {
    Busy,
    Locked,
    Retry,
    BadSource,
    NoLicence,
    ResolutionDiffers,
    NoSuchVolume,
    VolumeUnfit,
    PathError,
    BadParameter,
    SourceLarger,
    ReverseFailed,
    SourceOverlaps,
    TargetOverlaps,
    CascadeCircle,
    TooManyHops,
    ErrorSuspended,
    WrongState,
    ConcurrentSuspend,
    NeedsForce,
    Protected,
    BufferLate,
    Cascade,
    AlreadyReversed,
    ReverseOverlaps,
    BoxLimit,
    SourceLimit,
    AlreadySet,
    AlreadyDeleted,
    AlreadySuspended,
    AlreadyActive,
    TableNotSet,
    TableFull,
    BufferInactive,
    BufferWrongWay,
    BufferChanging,
    BufferWrongWayReversed,
    UnknownBox,
    RemoteLeftOver,
    CopyAtWork,
    NotCertified,
    ForeignSource,
    Internal,
}

impl ArrayCode {
    pub const ALL: [Self; 43] = [
        Self::Busy,
        Self::Locked,
        Self::Retry,
        Self::BadSource,
        Self::NoLicence,
        Self::ResolutionDiffers,
        Self::NoSuchVolume,
        Self::VolumeUnfit,
        Self::PathError,
        Self::BadParameter,
        Self::SourceLarger,
        Self::ReverseFailed,
        Self::SourceOverlaps,
        Self::TargetOverlaps,
        Self::CascadeCircle,
        Self::TooManyHops,
        Self::ErrorSuspended,
        Self::WrongState,
        Self::ConcurrentSuspend,
        Self::NeedsForce,
        Self::Protected,
        Self::BufferLate,
        Self::Cascade,
        Self::AlreadyReversed,
        Self::ReverseOverlaps,
        Self::BoxLimit,
        Self::SourceLimit,
        Self::AlreadySet,
        Self::AlreadyDeleted,
        Self::AlreadySuspended,
        Self::AlreadyActive,
        Self::TableNotSet,
        Self::TableFull,
        Self::BufferInactive,
        Self::BufferWrongWay,
        Self::BufferChanging,
        Self::BufferWrongWayReversed,
        Self::UnknownBox,
        Self::RemoteLeftOver,
        Self::CopyAtWork,
        Self::NotCertified,
        Self::ForeignSource,
        Self::Internal,
    ];

    /// Number, class and text.
    pub fn row(self) -> (&'static str, ErrorClass, &'static str) {
        match self {
            Self::Busy => ("E0070", ErrorClass::Busy, "the array is busy"),
            Self::Locked => ("E0060", ErrorClass::Busy, "the resource is locked"),
            Self::Retry => ("E5360", ErrorClass::Busy, "the command can be repeated"),
            Self::BadSource => ("E5305", ErrorClass::MediaError, "the source has a bad sector"),
            Self::NoLicence => ("E5200", ErrorClass::NotLicensed, "there is no licence to copy"),
            Self::ResolutionDiffers => ("E5356", ErrorClass::Config, "the resolution of the two boxes differs"),
            Self::NoSuchVolume => ("E0110", ErrorClass::NotFound, "the volume does not exist"),
            Self::VolumeUnfit => ("E5304", ErrorClass::Parameter, "the volume cannot take a copy"),
            Self::PathError => ("E5300", ErrorClass::PathDown, "copy path connection error"),
            Self::BadParameter => ("E5310", ErrorClass::Parameter, "parameter error"),
            Self::SourceLarger => ("E5311", ErrorClass::Parameter, "the source is larger than the destination"),
            Self::ReverseFailed => {
                ("E5312", ErrorClass::InvalidState, "reverse failed: the two volumes differ in size")
            }
            Self::SourceOverlaps => ("E5314", ErrorClass::Overlap, "the source overlaps an existing session"),
            Self::TargetOverlaps => ("E5315", ErrorClass::Overlap, "the destination overlaps an existing session"),
            Self::CascadeCircle => {
                ("E5316", ErrorClass::Limit, "the cascade is impossible: it would copy into its own beginning")
            }
            Self::TooManyHops => ("E5318", ErrorClass::Limit, "the cascade would have too many hops"),
            Self::ErrorSuspended => ("E5319", ErrorClass::ErrorState, "the session is in Error Suspend"),
            Self::WrongState => ("E5321", ErrorClass::InvalidState, "the session's state does not allow it"),
            Self::ConcurrentSuspend => ("E5322", ErrorClass::Busy, "a concurrent suspend is being processed"),
            Self::NeedsForce => ("E5323", ErrorClass::NeedsForce, "only possible with force"),
            Self::Protected => ("E5325", ErrorClass::Parameter, "the destination is protected"),
            Self::BufferLate => ("E5327", ErrorClass::Busy, "buffer transfer is late: no suspend now"),
            Self::Cascade => ("E5329", ErrorClass::InvalidState, "would make an unsuspended cascade"),
            Self::AlreadyReversed => ("E5330", ErrorClass::AlreadyDone, "already reversed"),
            Self::ReverseOverlaps => ("E5339", ErrorClass::Overlap, "reversed, it would overlap an existing session"),
            Self::BoxLimit => ("E5331", ErrorClass::Limit, "too many sessions in the box"),
            Self::SourceLimit => ("E5333", ErrorClass::Limit, "too many sessions of the source"),
            Self::AlreadySet => ("E5342", ErrorClass::AlreadyDone, "the session exists already"),
            Self::AlreadyDeleted => ("E5343", ErrorClass::NotFound, "the session does not exist any more"),
            Self::AlreadySuspended => ("E5344", ErrorClass::AlreadyDone, "already suspended"),
            Self::AlreadyActive => ("E5345", ErrorClass::AlreadyDone, "already active"),
            Self::TableNotSet => ("E5346", ErrorClass::Config, "the copy table is not set"),
            Self::TableFull => ("E5347", ErrorClass::Config, "the copy table is too small"),
            Self::BufferInactive => ("E5348", ErrorClass::Config, "the REC buffer of this path is not active"),
            Self::BufferWrongWay => {
                ("E5349", ErrorClass::Config, "resumed, the REC buffer would have the wrong direction")
            }
            Self::BufferChanging => ("E5350", ErrorClass::Busy, "the REC buffer is being changed"),
            Self::BufferWrongWayReversed => {
                ("E5351", ErrorClass::Config, "reversed, the REC buffer would have the wrong direction")
            }
            Self::UnknownBox => ("E5353", ErrorClass::PathDown, "the Box ID is not found"),
            Self::RemoteLeftOver => (
                "E5354",
                ErrorClass::PartialDelete,
                "the path is not normal: deleted here, left over at the remote box",
            ),
            Self::CopyAtWork => ("E5367", ErrorClass::Overlap, "a one-point copy of the two volumes is still at work"),
            Self::NotCertified => {
                ("E5391", ErrorClass::Consistency, "consistency is not certified: nothing was suspended")
            }
            Self::ForeignSource => {
                ("E5392", ErrorClass::Consistency, "consistency is not certified: the sources are in more than one box")
            }
            Self::Internal => ("E5361", ErrorClass::Internal, "not ready, or an internal error"),
        }
    }

    pub fn refusal(self) -> ArrayRefusal {
        let (code, class, text) = self.row();
        ArrayRefusal { class, code: code.to_owned(), text: Untrusted::from(text) }
    }

    /// As an answer to a command: "already so" is success.
    pub fn outcome(self) -> Outcome {
        match self.row().1 {
            ErrorClass::AlreadyDone => Outcome::AlreadyDone,
            _ => Outcome::Refused(self.refusal()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_number_stands_for_two_things() {
        let numbers: HashSet<_> = ArrayCode::ALL.iter().map(|code| code.row().0).collect();
        assert_eq!(numbers.len(), ArrayCode::ALL.len());
    }
}
