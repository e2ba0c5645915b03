//! Watches whether the groups of backup volumes stay active while sessions are onto them: one task a host, one small question
//! a time, and none for hosts without such a session. A host that does not answer holds up nobody else.

use super::clock;
use super::core::{Core, WatchedGroup};
use super::hosts::Hosts;
use super::ledger::Ledger;
use super::operation::Commit;
use crate::model::event::{EventKind, NewEvent};
use crate::model::group_watch::GroupWatch;
use crate::model::host_report::KernelGroups;
use crate::model::identity::Name;
use crate::model::records::{Change, EntityChange};
use crate::model::snapshot::Snapshot;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Poll intervals of the arrays between two questions to a host.
const ROUNDS: u32 = 10;

/// Starts the watch of every configured host.
pub fn start(core: &Arc<Core>, ledger: &Ledger, hosts: &Hosts, interval: Duration) -> Vec<JoinHandle<()>> {
    let watch = |name: &Name| {
        let watch =
            HostWatch { core: Arc::clone(core), ledger: ledger.clone(), hosts: hosts.clone(), name: name.clone() };
        tokio::spawn(watch.run(interval * ROUNDS))
    };
    hosts.names().map(watch).collect()
}

struct HostWatch {
    core: Arc<Core>,
    ledger: Ledger,
    hosts: Hosts,
    name: Name,
}

impl HostWatch {
    async fn run(self, interval: Duration) {
        let mut news = self.core.snapshots();
        loop {
            if self.core.watched_groups(&self.name).is_empty() {
                if news.changed().await.is_err() {
                    return;
                }
                continue;
            }
            // What was read before the start was agreed to is the state at the start.
            self.keep(self.core.kernel_since(&self.name, interval)).await;
            let began = Instant::now();
            if let Some(kernel) = self.hosts.kernel_groups(&self.name).await {
                self.core.take_kernel(&self.name, kernel.clone());
                self.keep(Some(kernel)).await;
            }
            // A slow host is asked for three tenths of its time at most, as an array is.
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let rest = interval.max(Duration::from_millis(Snapshot::rest_after(took)));
            if tokio::time::timeout(rest, self.new_session(&mut news)).await == Ok(false) {
                return;
            }
        }
    }

    /// Waits for a session whose group has not been seen yet; false: the engine ends.
    async fn new_session(&self, news: &mut tokio::sync::watch::Receiver<Arc<Snapshot>>) -> bool {
        let mut known = self.core.watched_groups(&self.name).len();
        while news.changed().await.is_ok() {
            let now = self.core.watched_groups(&self.name).len();
            if now > known {
                return true;
            }
            known = now;
        }
        false
    }

    /// Keeps the state at the start of each session, and that a group was deactivated.
    async fn keep(&self, kernel: Option<KernelGroups>) {
        let Some(kernel) = kernel else { return };
        let now = clock::now();
        let (mut changes, mut events) = (Vec::new(), Vec::new());
        for WatchedGroup { pair, group, watch } in self.core.watched_groups(&self.name) {
            let uuid = &group.identity.uuid;
            let next = GroupWatch::next(watch.as_ref(), uuid, kernel.activation(uuid), now);
            let Some(watch) = next else { continue };
            if watch.deactivated.is_some() {
                tracing::error!(%group, "the group of a synchronized backup volume was deactivated");
                let kind = EventKind::GroupDeactivated { pair, group: group.to_string() };
                events.push(NewEvent::by_engine(now, kind));
            }
            changes.push(Change::Entity(EntityChange::WatchGroup { backup_volume: pair.target, watch }));
        }
        if let Err(error) = self.ledger.commit(Commit { changes, events }).await {
            // It is seen and shown again with the next reading.
            tracing::warn!(%error, host = %self.name, "the state of volume groups is not kept");
        }
    }
}
