//! The steps of a plan: each with its data, its line in the digest, its sentence, what does it, and what it changes.
//!
//! Belongs here: everything that is known of one sort of step, in the file of its family; the enum that the journal keeps.
//! Does not: which steps a request needs (`plan`), the order of journal, command and reading (`engine::operation`).
//!
//! A new step is a type with its [`Step`] in the file of its family, and one line of `steps!`.

mod generation;
mod hook;
mod item;
mod maps;
mod practice;
mod present_state;
mod reconcile;
mod registry;
mod restore;
mod session;
mod site;
mod volume_sets;

pub use generation::{GiveUpStep, HoldStep, NewGeneration, RecordStep, ReinstateStep, SetGenerationStateStep};
pub use hook::{HookPhase, HookStep, IdentityTask};
pub use item::{Confirmation, Notice, PlanItem};
pub use maps::{PutMapSetStep, RemoveMapSetStep, UseMapRowStep};
pub use practice::{BeginPracticeStep, CompareCopyStep, Compared};
pub use present_state::{BeginPresentStateStep, CopyPresentStateStep, KeepPresentStateStep};
pub use reconcile::{AdoptStep, AdoptedGeneration, ForgetSessionStep, GiveBackStep};
pub use registry::{RegisterBackupStep, RegisterTransactionStep, RenameStep, SetPolicyStep, UnregisterStep};
pub use restore::{
    AwaitOpcStep, BeginRestoreStep, CancelRestoreStep, EndOpcStep, EndRestoreStep, ForgetRestoreStep, StartOpcStep,
    end_command,
};
pub use session::{ResumeStep, StartFullStep, StopLeftOverStep, StopStep, SuspendStep};
pub use site::ChangeSiteStep;
pub use volume_sets::{AddToSetStep, RemoveFromSetStep};

use super::codes::Code;
use super::copy::Command;
use super::entity::{BackupVolume, Generation, OperationId, OurSession, ReleasedGeneration, TransactionVolume};
use super::entity_change::EntityChange;
use super::event::EventKind;
use super::identity::{BoxId, Name, VolumeId};
use super::session::Pair;
use super::units::{Timestamp, Version};
use super::volume_names::VolumeNames;
use super::volume_set::VolumeSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::ops::Deref;

/// What every step can say of itself.
pub trait Step {
    /// Its line in the digest: what people agree to, and nothing that changes while they read.
    fn agree(&self, digest: &mut DigestText);

    /// Half a sentence that begins with what is done. Nothing in it can act on a terminal.
    fn sentence(&self, names: &dyn VolumeNames) -> String;

    /// What does it; `None` when it names nothing to do it to.
    fn effect(&self) -> Option<StepEffect> {
        Some(StepEffect::Records)
    }

    /// What it changes in the catalogue once it is done, and the events of that.
    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let _ = done;
        Ok(StepChanges::default())
    }

    /// What has to be in the catalogue when nobody knows whether it was done.
    fn changes_in_doubt(&self, done: &Done<'_>) -> Vec<EntityChange> {
        let _ = done;
        Vec::new()
    }

    /// The sessions that it makes or goes on with: from its first command on they are ours.
    fn starts(&self) -> &[Pair] {
        &[]
    }

    /// The sessions that it ends.
    fn ends(&self) -> &[Pair] {
        &[]
    }

    /// The generations that it records.
    fn records(&self) -> &[NewGeneration] {
        &[]
    }

    /// The changes that it makes together; empty where it is one.
    fn parts(&self) -> &[PlanStep] {
        &[]
    }

    /// Whether it would be wrong to take what another program did for this step of `item`.
    fn must_be_ours(&self, item: &PlanItem) -> bool {
        let _ = item;
        false
    }
}

/// Makes the enum that plans and journals keep, and the one way from it to what a step can say.
macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident($data:ty)),* $(,)?) => {
        /// One thing that is done, on an array or in the catalogue.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", tag = "step")]
        pub enum PlanStep {
            $($(#[$doc])* $step($data),)*
        }

        impl Deref for PlanStep {
            type Target = dyn Step;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$step(data) => data,)*
                }
            }
        }

        $(impl From<$data> for PlanStep {
            fn from(data: $data) -> Self {
                Self::$step(data)
            }
        })*
    };
}

steps! {
    StartFull(StartFullStep),
    Resume(ResumeStep),
    Suspend(SuspendStep),
    Stop(StopStep),
    StopLeftOver(StopLeftOverStep),
    Record(RecordStep),
    GiveUp(GiveUpStep),
    Hook(HookStep),
    SetPolicy(SetPolicyStep),
    RegisterTransaction(RegisterTransactionStep),
    RegisterBackup(RegisterBackupStep),
    Rename(RenameStep),
    Unregister(UnregisterStep),
    Hold(HoldStep),
    Reinstate(ReinstateStep),
    SetGenerationState(SetGenerationStateStep),
    PutMapSet(PutMapSetStep),
    RemoveMapSet(RemoveMapSetStep),
    UseMapRow(UseMapRowStep),
    BeginPresentState(BeginPresentStateStep),
    CopyPresentState(CopyPresentStateStep),
    KeepPresentState(KeepPresentStateStep),
    BeginRestore(BeginRestoreStep),
    StartOpc(StartOpcStep),
    AwaitOpc(AwaitOpcStep),
    EndRestore(EndRestoreStep),
    EndOpc(EndOpcStep),
    CancelRestore(CancelRestoreStep),
    ForgetRestore(ForgetRestoreStep),
    ChangeSite(ChangeSiteStep),
    AddToSet(AddToSetStep),
    RemoveFromSet(RemoveFromSetStep),
    Adopt(AdoptStep),
    ForgetSession(ForgetSessionStep),
    GiveBack(GiveBackStep),
    BeginPractice(BeginPracticeStep),
    CompareCopy(CompareCopyStep),
}

/// What does a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepEffect {
    /// One command to one array.
    Array(ArrayCommand),
    /// A change of the catalogue.
    Records,
    /// The end of a one-point copy, looked for at its source's box.
    Await(Pair),
    /// The bytes of a copy, read and compared.
    Compare(Box<CompareCopyStep>),
    /// A script on this host: phase and words of its command line.
    Script { phase: HookPhase, argv: Vec<String> },
}

/// A command and the box that it goes to, whose reading shows what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayCommand {
    /// The box of the sources, but for what is left over at a target's.
    pub array: BoxId,
    pub command: Command,
}

/// What the digest is made of, a line a step.
#[derive(Debug, Default)]
pub struct DigestText(String);

impl DigestText {
    /// Adds a line. Writing to a `String` cannot fail.
    pub fn line(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{line}");
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What steps look up in the catalogue.
pub trait Lookup {
    fn transaction_volume(&self, id: VolumeId) -> Option<&TransactionVolume>;
    fn backup_volume(&self, id: VolumeId) -> Option<&BackupVolume>;
    /// A kept generation.
    fn generation(&self, transaction_volume: VolumeId, version: Version) -> Option<&Generation>;
    /// The kept generation on a backup volume.
    fn generation_on(&self, backup_volume: VolumeId) -> Option<&Generation>;
    /// All kept generations of a transaction volume, oldest first.
    fn generations_of(&self, transaction_volume: VolumeId) -> Vec<&Generation>;
    /// The released generation that can come back on a backup volume.
    fn released_on(&self, backup_volume: VolumeId) -> Option<&ReleasedGeneration>;
    /// The newest kept generation.
    fn newest_generation(&self, transaction_volume: VolumeId) -> Option<&Generation>;
    /// Our session of a pair.
    fn our_session(&self, pair: &Pair) -> Option<&OurSession>;
    /// The one-point copies of restores to this volume that have not come to their end.
    fn restores_to(&self, target: VolumeId) -> Vec<Pair>;
    /// The volume that is called so, in whichever role.
    fn named(&self, name: &Name) -> Option<VolumeId>;
    /// The set of this name.
    fn volume_set(&self, name: &Name) -> Option<&VolumeSet>;
    /// The set that a transaction volume is in.
    fn volume_set_of(&self, transaction_volume: VolumeId) -> Option<&VolumeSet>;
}

/// An un-forced suspend that an operation issued and then observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnSuspend {
    /// When it was about to be sent: it was not done before.
    pub sent: Timestamp,
    /// It was not known to be complete with its answer, so that it may have gone on until it was seen.
    pub went_on: bool,
}

/// A step that is done, and what its operation knows.
#[derive(Clone, Copy)]
pub struct Done<'a> {
    pub operation: OperationId,
    pub item: &'a PlanItem,
    pub now: Timestamp,
    /// When its effect was seen on the array.
    pub seen_at: Timestamp,
    /// Un-forced suspends and one-point copies that this operation issued and then observed.
    pub own_suspends: &'a BTreeMap<Pair, OwnSuspend>,
    pub catalogue: &'a dyn Lookup,
    /// What came of reading a copy, in the step that reads it.
    pub compared: Option<&'a Compared>,
}

/// What a step changes in the catalogue, and the events that report it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepChanges {
    pub changes: Vec<EntityChange>,
    pub events: Vec<EventKind>,
}

impl StepChanges {
    fn one(change: EntityChange, event: EventKind) -> Self {
        Self { changes: vec![change], events: vec![event] }
    }
}

/// Why a step cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotKeepable {
    pub code: Code,
    pub why: String,
}

impl NotKeepable {
    fn new(code: Code, why: String) -> Self {
        Self { code, why }
    }

    fn unregistered(volume: VolumeId) -> Self {
        Self::new(Code::UNKNOWN_VOLUME, format!("{volume} is no longer registered"))
    }
}
