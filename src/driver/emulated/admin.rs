//! Administration of the embedded arrays, as the command line and the demonstration site use it.

pub use super::core::RecBuffer;
pub use super::faults::{Fault, RefusedWith, Side};
use super::line::{LineError, Lines};
pub use super::provision::{Content, NewArray, NewSession, NewState, NewVolume, Provision};
pub use super::rule_table::{Basis, RULES, Rule, RuleSet};
pub use super::settings::{Setting, Settings, SettingsChange};
use super::wire::Request;
pub use super::wire::{
    Administration, ArrayEntry, CopyEntry, CopyFigures, Created, Data, FailureKind, FaultEntry, NewBox, NewVolumes,
    Overview, PathEntry, PathState, SessionFault, VolumeEntry, Work,
};
use crate::model::identity::VolumeId;
use crate::model::units::Blocks;
use crate::process::paths::Home;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Longer than any import or fingerprint of what fits on a workstation.
const LIMIT: Duration = Duration::from_hours(1);

pub type AdminError = LineError;

/// The administrator's end of the line.
#[derive(Debug)]
pub struct Admin {
    lines: Lines,
}

impl Admin {
    /// `may_start`: whether the array server is started when it is not there.
    pub fn new(home: Home, may_start: bool) -> Self {
        Self { lines: Lines::new(home, may_start) }
    }

    /// Sends a request; the answer's type is told beside each of them.
    pub async fn ask<T: DeserializeOwned>(&self, what: Administration) -> Result<T, AdminError> {
        self.lines.ask(&Request::Administer(what), LIMIT).await
    }

    /// A request that is done, or fails.
    pub async fn tell(&self, what: Administration) -> Result<(), AdminError> {
        self.ask::<()>(what).await
    }

    pub async fn list(&self) -> Result<Overview, AdminError> {
        self.ask(Administration::List).await
    }

    pub async fn volumes(&self) -> Result<Vec<VolumeEntry>, AdminError> {
        self.ask(Administration::AllVolumes).await
    }

    pub async fn create_volumes(
        &self,
        array: &str,
        label: &str,
        blocks: Blocks,
        count: u32,
    ) -> Result<Vec<VolumeId>, AdminError> {
        let (array, label) = (array.to_owned(), label.to_owned());
        self.ask(Administration::CreateVolumes { array, olu: None, label, blocks, count }).await
    }

    /// BLAKE3 of a volume, in hexadecimal.
    pub async fn fingerprint(&self, volume: &str) -> Result<String, AdminError> {
        self.ask(Administration::Fingerprint { volume: volume.to_owned() }).await
    }

    pub async fn copied(&self, source: &str, target: &str) -> Result<CopyFigures, AdminError> {
        self.ask(Administration::Copied { source: source.to_owned(), target: target.to_owned() }).await
    }

    pub async fn provision(&self, wanted: Provision) -> Result<(), AdminError> {
        self.tell(Administration::Provision(wanted)).await
    }
}
