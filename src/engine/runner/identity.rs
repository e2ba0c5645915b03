//! Post-processing of a backup that the engine does itself: the identity of the group on the backup volume.

use super::Runner;
use crate::host::identity::CopyDisk;
use crate::model::hook::{HookRun, ScriptEnd, ScriptReport};
use crate::model::host_report::Activation;
use crate::model::step::{HookPhase, HookStep, IdentityTask};
use crate::model::units::Version;
use crate::model::untrusted::Untrusted;
use crate::model::volume_group::{GroupCopy, check_backup};
use std::time::{Duration, Instant};

/// For a lock that somebody holds on the host, and for a line that was lost.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

impl Runner {
    /// One pass: without a kept text it is read and given back, and nothing is written; with one it is restored.
    pub(super) async fn restore_identity(
        &self,
        step: &HookStep,
        task: &IdentityTask,
        version: Option<Version>,
    ) -> HookRun {
        let volume = step.volume;
        let began = Instant::now();
        let kept = version.and_then(|version| {
            self.core
                .with_records(|records| records.generations.get(&(volume, version)).map(|found| found.group.clone()))
        });
        let Some(kept) = kept else { return HookRun::failed("there is no generation on the volume") };
        let own = step.phase == HookPhase::AfterRestore;
        if own && kept.is_none() {
            return HookRun::failed("the generation has no text of its group");
        }
        let mut attempt = 1;
        loop {
            match self.one_pass(step, task, own, kept.as_deref()).await {
                Ok(read) => {
                    let took_millis = began.elapsed().as_millis() as u64;
                    let end = ScriptEnd::Exited { status: 0 };
                    let report = ScriptReport { end, why: None, output: Untrusted::default(), dropped: 0, took_millis };
                    return HookRun { group: read.map(Box::new), ..HookRun::of(report) };
                }
                Err(why) if attempt == ATTEMPTS => return HookRun::failed(why),
                Err(_) => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// `own`: the volume was restored, and gets the identity back that was copied once.
    async fn one_pass(
        &self,
        step: &HookStep,
        task: &IdentityTask,
        own: bool,
        kept: Option<&GroupCopy>,
    ) -> Result<Option<GroupCopy>, String> {
        let group = &task.backup;
        // Where the node could not be asked when the volumes were claimed, it is asked now.
        let machine = match &step.node {
            Some(node) => node.clone(),
            None => self.hosts.machine_of(&group.host, &group.to_string(), &group.identity.uuid).await?,
        };
        let host = &machine;
        let not_configured = || format!("no [[host]] of the configuration is called {host}");
        let reporter = self.hosts.reporter(host).ok_or_else(not_configured)?;
        let report = self.hosts.read(host).await.ok_or_else(not_configured)?;
        let kernel = self.kernel_with(&group.host, &report).await;
        let now = kernel.activation(&group.identity.uuid);
        self.core.take_kernel(&group.host, kernel);
        let watch = self.core.with_records(|records| records.group_watches.get(&task.target).cloned());
        if watch.is_some_and(|watch| watch.at_start == Activation::Active && now != Activation::Active) {
            return Err(format!("{} was active when its session began, and is {} now", task.backup, now.word()));
        }
        let disk = check_backup(&task.backup, task.blocks, task.target.olu.0, &report).map_err(|unfit| unfit.reason)?;
        let disk = CopyDisk { host: reporter, device: disk.device.raw() };
        match kept {
            None => disk.read(&task.transaction, &task.backup).await.map(Some),
            Some(copy) if own => disk.restore(&copy.reversed(disk.device)?).await.map(|()| None),
            Some(copy) => disk.restore(copy).await.map(|()| None),
        }
    }
}
