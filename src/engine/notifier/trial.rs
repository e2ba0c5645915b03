//! Trying the notification hook out, on a person's word.

use super::document::{self, NotifyDocument};
use super::script_of;
use crate::engine::clock;
use crate::engine::core::Core;
use crate::engine::hooks::HookSettings;
use crate::engine::ledger::Ledger;
use crate::engine::operation::Commit;
use crate::engine::protocol::Answer;
use crate::engine::roles::Caller;
use crate::host::script;
use crate::model::event::{EventKind, NewEvent};
use crate::model::hook::ScriptReport;
use crate::model::notice::NotifyHook;
use crate::model::untrusted::Untrusted;
use crate::model::verb::Role;

/// A person's test of the hook: it changes nothing of what was notified.
pub struct NotifyTest {
    hook: NotifyHook,
    settings: HookSettings,
}

impl NotifyTest {
    pub fn new(hook: NotifyHook, settings: HookSettings) -> Self {
        Self { hook, settings }
    }

    /// Gives the hook a document that says it is a test.
    pub async fn run(&self, core: &Core, ledger: &Ledger, caller: &Caller) -> Answer {
        if let Err(refusal) = caller.needs(Role::Administrator, "testing the notification hook") {
            return Answer::Refused { refusal };
        }
        let document = NotifyDocument::of_a_test(clock::now(), &core.look()).to_json();
        let mut script = script_of(&self.hook, &self.settings);
        script.environment.push(("ECDECK_DRY_RUN".to_owned(), "1".to_owned()));
        let ran = tokio::task::spawn_blocking(move || script::run_with_input(&script, document)).await;
        let report = ran.unwrap_or_else(|error| ScriptReport::unknown(error.to_string()));
        let why = (!report.is_success()).then(|| Untrusted::from(document::failure(&report).as_str()));
        let (at, actor) = (clock::now(), Some(caller.actor.clone()));
        let event = NewEvent { at, actor, operation: None, kind: EventKind::NotifyTested { why } };
        if let Err(error) = ledger.commit(Commit { changes: Vec::new(), events: vec![event] }).await {
            tracing::warn!(%error, "a test of the notification hook is not in the audit");
        }
        Answer::NotifyTested { report: Some(report) }
    }
}
