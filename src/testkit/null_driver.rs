//! A driver that does nothing: what a new one has to have at least. It answers no question and sends no command.

use crate::config_keys::{Fault, Table, checked};
use crate::driver::kind::{ArrayConfig, ConnectError, Connecting, DriverKind, NoExamination};
use crate::driver::{Driver, DriverError};
use crate::model::check::Check;
use crate::model::copy::{Ability, ArrayRefusal, Capabilities, Command, ErrorClass, Identity, Outcome, PairOutcome};
use crate::model::identity::{BoxId, Name};
use crate::model::session::{ArrayVolume, Reading};
use crate::model::units::Timestamp;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

/// `driver = "null"`.
#[derive(Debug)]
pub struct Null;

/// What the configuration says of such an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NullConfig {
    /// The identity that it claims to have.
    pub box_id: BoxId,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    null_box: Spanned<String>,
}

impl DriverKind for Null {
    fn name(&self) -> &'static str {
        "null"
    }

    fn keys(&self) -> &'static [&'static str] {
        &["null_box"]
    }

    fn configure(&self, table: Table<'_>, _driver: &Spanned<String>) -> Result<Arc<dyn ArrayConfig>, Fault> {
        let Keys { null_box } = table.read()?;
        Ok(Arc::new(NullConfig { box_id: checked(&null_box)? }))
    }

    fn example(&self) -> &'static str {
        "null_box = \"00ETERNUSDXL##ET08E21A####LN4310900021##\"\n"
    }
}

impl ArrayConfig for NullConfig {
    fn connect(&self, array: &Name, _site: &mut Connecting<'_>) -> Result<Arc<dyn Driver>, ConnectError> {
        Ok(Arc::new(NullDriver { array: array.clone() }))
    }

    fn examine(
        &self,
        array: &Name,
        _site: &mut Connecting<'_>,
        _now: Timestamp,
    ) -> Result<BoxFuture<'static, Vec<Check>>, NoExamination> {
        Err(NoExamination::Needless(format!("{array} does nothing: there is nothing to examine")))
    }
}

struct NullDriver {
    array: Name,
}

const WHY: &str = "this driver does nothing";

impl NullDriver {
    fn no<T: Send + 'static>(&self, what: &str) -> BoxFuture<'_, Result<T, DriverError>> {
        let (array, what) = (self.array.to_string(), what.to_owned());
        Box::pin(async { Err(DriverError { array, class: ErrorClass::NotFound, what, detail: WHY.into() }) })
    }
}

impl Driver for NullDriver {
    fn identify(&self) -> BoxFuture<'_, Result<Identity, DriverError>> {
        self.no("asking who it is")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            verbs: Vec::new(),
            atomic_suspend: Ability::No,
            sessions_per_source: 0,
            sees_target_writes: Ability::No,
            reads_bytes: false,
            limited: None,
            message_ids: Vec::new(),
            tool_commands: Vec::new(),
        }
    }

    fn volumes(&self) -> BoxFuture<'_, Result<Vec<ArrayVolume>, DriverError>> {
        self.no("reading its volumes")
    }

    fn sessions(&self, _now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        self.no("reading its sessions")
    }

    fn execute(&self, command: Command, _limit: Duration) -> BoxFuture<'_, Vec<PairOutcome>> {
        let refusal = ArrayRefusal { class: ErrorClass::NotFound, code: "driver".to_owned(), text: WHY.into() };
        let outcome = |pair| PairOutcome { pair, outcome: Outcome::Refused(refusal.clone()) };
        Box::pin(std::future::ready(command.pairs().iter().copied().map(outcome).collect()))
    }

    fn describe(&self, _command: &Command) -> Vec<String> {
        Vec::new()
    }
}
