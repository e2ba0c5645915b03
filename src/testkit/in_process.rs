//! A driver on emulated arrays in this process's memory: for the simulator and for tests.

use super::memory::Memory;
use crate::driver::emulated::core::{CoreError, capabilities};
pub use crate::driver::emulated::driver::REQUESTOR;
use crate::driver::emulated::driver::describe;
use crate::driver::emulated::regions::REGION_BLOCKS;
use crate::driver::emulated::rules::{Reply, outcomes_of};
use crate::driver::{Driver, DriverError};
use crate::model::copy::{Capabilities, Command, ErrorClass, Identity, PairOutcome};
use crate::model::fingerprint::{LEAF_BYTES, Leaf, Leaves};
use crate::model::identity::{BoxId, VolumeId};
use crate::model::session::{ArrayVolume, Reading};
use crate::model::units::{Blocks, Timestamp};
use crate::model::untrusted::Untrusted;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;

/// One box of shared emulated arrays.
#[derive(Debug, Clone)]
pub struct InProcess {
    arrays: Arc<Mutex<Memory>>,
    at: BoxId,
    /// The time that started sessions carry: the last reading's, since this has no clock.
    now: Arc<Mutex<Timestamp>>,
}

impl InProcess {
    pub fn new(arrays: Arc<Mutex<Memory>>, at: BoxId) -> Self {
        Self { arrays, at, now: Arc::default() }
    }

    /// The arrays behind it, for advancing them and for faults.
    pub fn arrays(&self) -> MutexGuard<'_, Memory> {
        self.arrays.lock()
    }

    fn ask<T>(&self, what: &str, question: impl FnOnce(&Memory) -> Result<T, CoreError>) -> Result<T, DriverError> {
        let failed = |class: ErrorClass, detail: String| DriverError {
            array: self.at.to_string(),
            class,
            what: what.to_owned(),
            detail: Untrusted::new(detail),
        };
        let arrays = self.arrays();
        match arrays.core().reach(self.at) {
            Ok(reach) if !reach.answers => Err(failed(ErrorClass::Transport, "the array does not answer".to_owned())),
            _ => question(&arrays).map_err(|e| failed(ErrorClass::NotFound, e.to_string())),
        }
    }
}

impl Driver for InProcess {
    fn identify(&self) -> BoxFuture<'_, Result<Identity, DriverError>> {
        Box::pin(async { self.ask("asking who it is", |arrays| arrays.core().identity(self.at)) })
    }

    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    fn volumes(&self) -> BoxFuture<'_, Result<Vec<ArrayVolume>, DriverError>> {
        Box::pin(async { self.ask("reading its volumes", |arrays| arrays.core().volumes_of(self.at)) })
    }

    fn sessions(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        Box::pin(async move {
            *self.now.lock() = now;
            self.ask("reading its sessions", |arrays| arrays.core().reading(self.at, now))
        })
    }

    fn execute(&self, command: Command, limit: Duration) -> BoxFuture<'_, Vec<PairOutcome>> {
        Box::pin(async move {
            let now = *self.now.lock();
            let reply = self.arrays().execute(self.at, &command, REQUESTOR, now);
            let reply = match reply {
                // Too late is as good as never.
                Reply::Late(_, millis) if Duration::from_millis(millis.into()) > limit => Reply::Silence,
                reply => reply,
            };
            outcomes_of(reply, &command)
        })
    }

    /// Of the stamps of its regions: equal leaves, equal content.
    fn leaves(&self, volume: VolumeId, first: u64, count: u64) -> BoxFuture<'_, Result<Leaves, DriverError>> {
        Box::pin(async move {
            self.ask("reading the bytes of a volume", |arrays| {
                let bytes = arrays.core().volume(volume)?.blocks.bytes();
                let regions = (LEAF_BYTES / (REGION_BLOCKS * Blocks::BYTES)) as usize;
                let parts = (0..).zip(arrays.content(volume).chunks(regions));
                let leaf = |(index, stamps): (u64, &[u64])| {
                    let stamps: Vec<u8> = stamps.iter().flat_map(|stamp| stamp.to_le_bytes()).collect();
                    Leaf::of(index, &stamps, bytes)
                };
                Ok(Leaves(parts.skip(first as usize).take(count as usize).map(leaf).collect()))
            })
        })
    }

    fn describe(&self, command: &Command) -> Vec<String> {
        describe(&self.at.to_string(), command)
    }
}
