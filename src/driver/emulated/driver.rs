//! The driver of one embedded array: its server is another process, as real hardware would be.

use super::core::capabilities;
use super::line::{LineError, Lines};
use super::rule_table::RuleSet;
use super::rules::unreachable;
use super::wire::{Administration, FailureKind, Request};
use crate::driver::{Driver, DriverError};
use crate::model::copy::{Capabilities, Command, ErrorClass, Identity, Outcome, PairOutcome};
use crate::model::fingerprint::{ChangedLeaves, Leaves};
use crate::model::identity::VolumeId;
use crate::model::session::{ArrayVolume, Pair, Reading};
use crate::model::units::Timestamp;
use crate::model::untrusted::Untrusted;
use crate::process::frames::FrameError;
use crate::process::paths::Home;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The requestor of sessions that the engine starts.
pub const REQUESTOR: &str = "ecdeck";

/// How long a question may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(10);

/// One box of the home's embedded arrays.
#[derive(Debug)]
pub struct Embedded {
    /// Its name, in the array server as in the configuration.
    array: String,
    lines: Lines,
    /// What the configuration says of its rules; `None`: the array keeps those that it has.
    rules: Option<RuleSet>,
}

impl Embedded {
    /// `may_start`: whether the array's process is started when it is not there.
    pub fn new(home: Home, array: String, may_start: bool) -> Self {
        Self { array, lines: Lines::new(home, may_start), rules: None }
    }

    /// The array goes by these rules from the first question on.
    #[must_use]
    pub fn with_rules(self, rules: Option<RuleSet>) -> Self {
        Self { rules, ..self }
    }

    async fn question<T: DeserializeOwned>(&self, request: Request, what: &str) -> Result<T, DriverError> {
        let mut answer = self.lines.ask(&request, QUESTION_LIMIT).await;
        if matches!(answer, Err(LineError::Lost(_))) {
            // A question changes nothing: it may be asked again on a new line.
            answer = self.lines.ask(&request, QUESTION_LIMIT).await;
        }
        answer.map_err(|error| DriverError {
            array: self.array.clone(),
            class: class_of(&error),
            what: what.to_owned(),
            detail: Untrusted::new(without_name(&error)),
        })
    }
}

/// What is told of an array beside its name.
fn without_name(error: &LineError) -> String {
    match error {
        LineError::Failed(failure) if failure.kind == FailureKind::Unreachable => "no answer".to_owned(),
        error => error.to_string(),
    }
}

fn class_of(error: &LineError) -> ErrorClass {
    match error {
        LineError::Failed(failure) => match failure.kind {
            FailureKind::Unreachable => ErrorClass::Transport,
            FailureKind::NotFound => ErrorClass::NotFound,
            FailureKind::Refused => ErrorClass::Parameter,
            FailureKind::Internal => ErrorClass::Internal,
        },
        LineError::NotSent(FrameError::Mismatch(_)) | LineError::Lost(FrameError::Document(_)) => ErrorClass::Protocol,
        _ => ErrorClass::Transport,
    }
}

impl Driver for Embedded {
    fn identify(&self) -> BoxFuture<'_, Result<Identity, DriverError>> {
        Box::pin(async move {
            if let Some(rules) = self.rules {
                let what = Administration::Rules { array: self.array.clone(), rules };
                self.question::<()>(Request::Administer(what), "choosing its rules").await?;
            }
            self.question(Request::Identify { array: self.array.clone() }, "asking who it is").await
        })
    }

    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    fn volumes(&self) -> BoxFuture<'_, Result<Vec<ArrayVolume>, DriverError>> {
        let request = Request::Volumes { array: self.array.clone() };
        Box::pin(self.question(request, "reading its volumes"))
    }

    fn sessions(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        Box::pin(async move {
            let request = Request::Sessions { array: self.array.clone() };
            let reading: Reading = self.question(request, "reading its sessions").await?;
            Ok(Reading { taken_at: now, ..reading })
        })
    }

    fn execute(&self, command: Command, limit: Duration) -> BoxFuture<'_, Vec<PairOutcome>> {
        Box::pin(async move {
            let pairs = command.pairs().to_vec();
            let request = Request::Execute { array: self.array.clone(), command, requestor: REQUESTOR.to_owned() };
            match self.lines.ask::<Vec<PairOutcome>>(&request, limit).await {
                Ok(outcomes) => outcomes,
                Err(error) => {
                    let outcome = if error.was_sent() {
                        Outcome::Unknown { why: error.to_string() }
                    } else {
                        unreachable(&error.to_string())
                    };
                    pairs.into_iter().map(|pair| PairOutcome { pair, outcome: outcome.clone() }).collect()
                }
            }
        })
    }

    fn leaves(&self, volume: VolumeId, first: u64, count: u64) -> BoxFuture<'_, Result<Leaves, DriverError>> {
        let request = Request::Leaves { array: self.array.clone(), volume, first, count };
        Box::pin(self.question(request, "reading the bytes of a volume"))
    }

    fn changed_leaves(
        &self,
        volume: VolumeId,
        since: Option<String>,
    ) -> BoxFuture<'_, Result<ChangedLeaves, DriverError>> {
        let request = Request::ChangedLeaves { array: self.array.clone(), volume, since };
        Box::pin(self.question(request, "asking what of a volume changed"))
    }

    fn describe(&self, command: &Command) -> Vec<String> {
        describe(&self.array, command)
    }
}

/// An embedded array's commands, in its own notation: a copy inside the box needs only its volumes' numbers.
pub fn describe(array: &str, command: &Command) -> Vec<String> {
    let line = |pair: &Pair| {
        let near = pair.source.box_id == pair.target.box_id;
        let name = |id: VolumeId| if near { id.olu.to_string() } else { id.to_string() };
        let (source, target) = (name(pair.source), name(pair.target));
        let mut line = format!("{array}: {} {} {source} to {target}", command.verb(), pair.kind);
        match command {
            Command::Suspend { force, together, .. } => {
                line += if *force { " force" } else { "" };
                line += if *together { " together" } else { "" };
            }
            Command::Stop { force: true, .. } => line += " force",
            _ => {}
        }
        line
    };
    command.pairs().iter().map(line).collect()
}
