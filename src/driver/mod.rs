//! The ETERNUS driver layer: the trait that the engine drives arrays by, and a folder for each way to reach one.
//!
//! Belongs here: how an array is asked and told, and how its answers become the model's words.
//! Does not: what is legal (model), when something is asked (engine).

pub mod ccm;
pub mod emulated;
pub mod failover;
pub mod kind;
pub mod set_up;
pub mod transport;

use kind::DriverKind;

/// The drivers that there are. A new one is a folder, its `mod` above and its line here.
pub const DRIVERS: &[&dyn DriverKind] = &[&emulated::kind::Embedded, &ccm::kind::Ccm];

use crate::model::copy::{ArrayRefusal, Capabilities, Command, ErrorClass, Identity, Outcome, PairOutcome};
use crate::model::fingerprint::{ChangedLeaves, Leaves};
use crate::model::identity::VolumeId;
use crate::model::session::{ArrayVolume, Pair, Reading};
use crate::model::units::Timestamp;
use crate::model::untrusted::Untrusted;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Says whether a command is still wanted: it may have waited.
pub type MaySend = Arc<dyn Fn() -> Result<(), ArrayRefusal> + Send + Sync>;

/// The outcomes of a command that was not sent for any of its pairs.
fn all_refused(command: &Command, refusal: &ArrayRefusal) -> Vec<PairOutcome> {
    let outcome = |pair: &Pair| PairOutcome { pair: *pair, outcome: Outcome::Refused(refusal.clone()) };
    command.pairs().iter().map(outcome).collect()
}

impl DriverError {
    /// The sentence without the array's name, for places that name it themselves.
    pub fn about_it(&self) -> String {
        format!("{}: {}", self.what, self.detail.escaped())
    }
}

/// A question that got no usable answer. Questions change nothing, so they may be asked again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("array {array}: {what}: {}", detail.escaped())]
pub struct DriverError {
    /// The array's name in the configuration.
    pub array: String,
    pub class: ErrorClass,
    /// What was being done, as a phrase: `reading its sessions`.
    pub what: String,
    pub detail: Untrusted,
}

/// Waits for the answer of a question, for as long as `limit` from when the array was asked: while the question waits for its
/// turn, the array is not silent. The driver bounds that wait. `None`: no answer came.
pub async fn answer_within<F: Future + Unpin>(
    driver: &dyn Driver,
    limit: Duration,
    mut question: F,
) -> Option<F::Output> {
    let called = Instant::now();
    let mut until = called + limit;
    loop {
        if let Ok(answer) = tokio::time::timeout_at(until, &mut question).await {
            return Some(answer);
        }
        until = driver.asked_at(called).unwrap_or_else(Instant::now) + limit;
        if until <= Instant::now() {
            return None;
        }
    }
}

/// One array, whatever it is reached by. Implementations keep to their control plane's connection limits by themselves.
pub trait Driver: Send + Sync {
    /// Asks the array who it is.
    fn identify(&self) -> BoxFuture<'_, Result<Identity, DriverError>>;

    /// What it can do. No I/O: known from the kind of driver and from the last `identify`.
    fn capabilities(&self) -> Capabilities;

    /// All volumes of the box.
    fn volumes(&self) -> BoxFuture<'_, Result<Vec<ArrayVolume>, DriverError>>;

    /// All sessions of the box as one atomic reading, however many there are. `now` becomes its time.
    fn sessions(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>>;

    /// The same with nothing taken from memory, for a command whose choice depends on the sessions of others.
    fn sessions_afresh(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        self.sessions(now)
    }

    /// Sends a command once and gives an outcome for each of its pairs, in order.
    ///
    /// Never an error: what was surely not sent is `Refused` with class `Transport`, what may have been sent and got no
    /// answer within `limit` is `Unknown`. The future must be driven to its end (the engine gives it a task of its own).
    fn execute(&self, command: Command, limit: Duration) -> BoxFuture<'_, Vec<PairOutcome>>;

    /// The same for a control plane that takes one command at a time. `may_send` is asked once, when the command's turn has
    /// come and before anything is sent; what it refuses is not sent. Waiting for the turn does not count towards `limit`.
    fn execute_in_turn(&self, command: Command, limit: Duration, may_send: MaySend) -> BoxFuture<'_, Vec<PairOutcome>> {
        match may_send() {
            Ok(()) => self.execute(command, limit),
            Err(refusal) => Box::pin(std::future::ready(all_refused(&command, &refusal))),
        }
    }

    /// What takes one command of this array at a time, in words: `CCM on k1 over ssh`. `None`: no command waits for others.
    fn takes_turns(&self) -> Option<String> {
        None
    }

    /// When the question that was called then was put to the array. `None`: it still waits for the turn of its control plane.
    fn asked_at(&self, called: Instant) -> Option<Instant> {
        Some(called)
    }

    /// How many arrays share this array's control plane, and the time that it has for questions.
    fn sharing(&self) -> u32 {
        1
    }

    /// Leaves of the fingerprint of a volume, from its bytes as they are now: `count` of them from `first` on. Only asked where
    /// the capabilities say that bytes can be read.
    fn leaves(&self, volume: VolumeId, first: u64, count: u64) -> BoxFuture<'_, Result<Leaves, DriverError>> {
        let _ = (first, count);
        let (what, detail) = (format!("reading the bytes of {volume}"), "this driver cannot read them".into());
        let error = DriverError { array: volume.box_id.to_string(), class: ErrorClass::Unsupported, what, detail };
        Box::pin(std::future::ready(Err(error)))
    }

    /// Which leaves of a volume were written to since an earlier mark of the same volume. The mark in the answer is of a
    /// moment before the answer, and not after it.
    fn changed_leaves(
        &self,
        volume: VolumeId,
        since: Option<String>,
    ) -> BoxFuture<'_, Result<ChangedLeaves, DriverError>> {
        let _ = (volume, since);
        Box::pin(std::future::ready(Ok(ChangedLeaves::default())))
    }

    /// The exact commands that `execute` would send, for the plan that people read.
    fn describe(&self, command: &Command) -> Vec<String>;
}
