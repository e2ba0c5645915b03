//! The engine put together: what it is started with, and the running whole.

use super::core::{ConfiguredArray, Core};
use super::hooks::{HookSettings, Hooks};
use super::hosts::Hosts;
use super::ledger::Ledger;
use super::notices::Notices;
use super::notifier::{Notifier, NotifyTest};
use super::operation::Limits;
use super::roles::Roles;
use super::runner::Runner;
use super::server::Server;
use super::{fingerprints, group_watch, poller, publisher, reports};
use crate::catalog::{Catalogue, CatalogueError, EventRange};
use crate::model::event::EventKind;
use crate::model::notice::NotifyHook;
use crate::model::snapshot::Site;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

/// Events that are read at the start, so that what was told lately is not told again.
const RECALLED_EVENTS: u32 = 2_000;
/// How long a clean end waits for operations; what is left open is taken up at the next start.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// What an engine is started with.
pub struct Settings {
    pub site: Site,
    pub arrays: Vec<ConfiguredArray>,
    pub roles: Roles,
    pub limits: Limits,
    /// A digest of the configuration that all this comes from: clients are told, and see whether it has changed since.
    pub configuration: Option<String>,
    pub times: Times,
    pub hooks: HookSettings,
    pub hosts: Hosts,
    /// The site's notification hook.
    pub notify: Option<NotifyHook>,
}

/// How long the engine waits outside of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// For one reading of an array.
    pub reading: Duration,
    /// Until an engine that a command started ends, when nobody needs it.
    pub idle_end: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { reading: Duration::from_secs(20), idle_end: Duration::from_mins(10) }
    }
}

/// A running engine. Dropping it without [`Engine::end`] is a crash, as far as the catalogue can tell.
pub struct Engine {
    core: Arc<Core>,
    ledger: Ledger,
    runner: Runner,
    server: Server,
    tasks: Vec<JoinHandle<()>>,
    notifier: Option<Notifier>,
}

impl Engine {
    /// Loads the catalogue, begins to read the arrays, and goes on with what a crash left open.
    pub async fn start(catalogue: Arc<dyn Catalogue>, settings: Settings) -> Result<Self, CatalogueError> {
        let records = catalogue.load().await?;
        let recent = catalogue.events(EventRange::Newest(RECALLED_EVENTS)).await?;
        let newest = recent.last().map_or(0, |event| event.sequence);
        let open: Vec<_> = records.operations.values().cloned().collect();
        let Settings { site, arrays, roles, limits, configuration, times, hooks, hosts, notify } = settings;
        let interval = Duration::from_millis(u64::from(site.poll_millis));
        let core = Core::new(site, records, arrays, &recent);
        let ledger = Ledger::new(catalogue, Arc::clone(&core), newest);
        ledger.tell([EventKind::EngineStarted { version: env!("CARGO_PKG_VERSION").to_owned() }]).await?;
        let readers = (0..core.arrays().len())
            .map(|index| poller::start(Arc::clone(&core), ledger.clone(), index, interval, times.reading))
            .collect();
        let notify_test = notify.as_ref().map(|hook| NotifyTest::new(hook.clone(), hooks.clone()));
        let notifier =
            notify.map(|hook| Notifier::start(hook, hooks.clone(), Arc::clone(&core), ledger.clone(), newest));
        let runner = Runner::new(Arc::clone(&core), ledger.clone(), readers, limits, Hooks::new(hooks), hosts.clone());
        for operation in open {
            runner.go_on(operation);
        }
        let notices = Notices::recall(&recent);
        let watches = group_watch::start(&core, &ledger, &hosts, interval);
        let mut tasks = vec![
            tokio::spawn(publisher::run(Arc::clone(&core), ledger.clone(), notices)),
            tokio::spawn(ledger.clone().watch()),
            tokio::spawn(reports::run(Arc::clone(&core), ledger.clone())),
            tokio::spawn(fingerprints::run(Arc::clone(&core), ledger.clone())),
        ];
        tasks.extend(watches);
        let server =
            Server::new(Arc::clone(&core), ledger.clone(), runner.clone(), hosts, roles, (configuration, notify_test));
        Ok(Self { core, ledger, runner, server, tasks, notifier })
    }

    /// Begins to serve clients.
    pub fn listen(&mut self, listener: UnixListener) {
        self.tasks.push(tokio::spawn(self.server.clone().accept(listener)));
    }

    pub fn core(&self) -> &Core {
        &self.core
    }

    /// No client, no live session, no open operation.
    pub fn is_idle(&self) -> bool {
        self.server.clients() == 0 && self.core.is_quiet()
    }

    /// Takes no more clients, lets operations come to their ends for a moment, and says goodbye in the audit.
    pub async fn end(mut self) {
        self.runner.end();
        for task in self.tasks.drain(..) {
            task.abort();
        }
        let mut ends = self.core.ends();
        let farewell = async {
            while self.core.with_records(|records| !records.operations.is_empty()) {
                if ends.changed().await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, farewell).await.is_err() {
            tracing::warn!("operations are still open; the next engine continues them");
        }
        if let Some(notifier) = self.notifier.take() {
            notifier.end().await;
        }
        if let Err(error) = self.ledger.tell([EventKind::EngineStopped]).await {
            tracing::warn!(%error, "the end is not in the audit");
        }
        // A file that is copied now has everything.
        self.ledger.catalogue().close().await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
