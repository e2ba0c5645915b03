//! The engine's end of hooks: the guard of each operation, what its scripts are told, and trying one out.

use crate::host::guard::{Guard, GuardError, GuardFiles, GuardHook, GuardOrder};
use crate::host::script::{self, Script};
use crate::model::hook::{Hook, HookResult, HookRun, ScriptReport};
use crate::model::identity::{Name, VolumeId};
use crate::model::records::{JournalEntry, OpenOperation, OperationId, Records};
use crate::model::step::{HookPhase, HookStep, PlanStep};
use crate::model::units::Version;
use crate::process::ssh::Destination;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a guard may need beyond the limits of the scripts that it runs.
const ANSWER_GRACE: Duration = Duration::from_secs(30);

/// What hooks need to know of this machine and of others.
#[derive(Debug, Clone, Default)]
pub struct HookSettings {
    /// The configured machines; `None`: this one.
    pub hosts: BTreeMap<Name, Option<Destination>>,
    /// For the sockets of guards, of mode 0700 or 0750.
    pub folder: PathBuf,
    /// The file of this program, for tests, which are another one.
    pub program: Option<PathBuf>,
    /// The site's name.
    pub site: String,
}

impl HookSettings {
    /// How a machine is reached; `None`: it is this one. One that is not configured is never taken for this one.
    pub fn destination(&self, host: &Name) -> Option<Destination> {
        match self.hosts.get(host) {
            Some(ssh) => ssh.clone(),
            // The configuration had it when this was agreed to. It must not run here instead.
            None => Some(Destination::not_configured(host)),
        }
    }
}

/// Runs the hooks of operations. Clones share everything.
#[derive(Clone, Default)]
pub struct Hooks {
    settings: Arc<HookSettings>,
    guards: Arc<Mutex<BTreeMap<OperationId, Guard>>>,
}

impl Hooks {
    pub fn new(settings: HookSettings) -> Self {
        Self { settings: Arc::new(settings), guards: Arc::default() }
    }

    fn guards(&self) -> MutexGuard<'_, BTreeMap<OperationId, Guard>> {
        self.guards.lock()
    }

    fn files(&self, open: &OpenOperation) -> GuardFiles {
        GuardFiles::of(&self.settings.folder, &format!("{}-{}", open.id.0, open.started.0))
    }

    /// The guard that serves this operation, of this engine or of an earlier one.
    async fn serving(&self, open: &OpenOperation) -> Option<Guard> {
        let known = self.guards().get(&open.id).cloned();
        if known.is_some() {
            return known;
        }
        let found = Guard::find(self.files(open)).await?;
        self.guards().insert(open.id, found.clone());
        Some(found)
    }

    async fn start(&self, open: &OpenOperation, scripts: &ItemScripts) -> Result<Guard, GuardError> {
        let files = self.files(open);
        let order = GuardOrder {
            socket: files.socket,
            record: files.record,
            hooks: scripts.hooks.iter().map(|(_, hook)| hook.clone()).collect(),
            pause_millis: scripts.pause_millis,
            result_variable: "ECDECK_RESULT".to_owned(),
        };
        let guard = Guard::start(self.settings.program.as_deref(), &order).await?;
        self.guards().insert(open.id, guard.clone());
        Ok(guard)
    }

    /// Whether the pause still holds: no guard, no pause.
    pub async fn pause_holds(&self, open: &OpenOperation) -> bool {
        match self.serving(open).await {
            Some(guard) => guard.view().await.is_ok_and(|view| view.holds),
            None => false,
        }
    }

    /// Runs the script of a step, once; after a crash it gives the end of a run that an earlier engine asked for.
    pub async fn run(
        &self,
        open: &OpenOperation,
        names: &TransactionNames,
        step: usize,
        result: HookResult,
        version: Option<Version>,
    ) -> HookRun {
        let scripts = self.scripts(open, names);
        let Some((index, phase)) = scripts.place_of(step) else {
            return HookRun {
                report: ScriptReport::not_started("the step names no hook"),
                by_deadline: false,
                group: None,
            };
        };
        let limit = Duration::from_millis(scripts.longest_millis) * 2 + ANSWER_GRACE;
        let asked = match phase {
            HookPhase::BeforeBackup | HookPhase::BeforeRestore => {
                let guard = match self.serving(open).await {
                    Some(guard) => Ok(guard),
                    None => self.start(open, &scripts).await,
                };
                match guard {
                    Ok(guard) => guard.before(index, limit).await,
                    Err(error) => Err(error),
                }
            }
            HookPhase::AfterBackup | HookPhase::AfterRestore => {
                let version = version.map(|version| version.to_string());
                self.after(open, &scripts, index, result, version, limit).await
            }
        };
        asked.unwrap_or_else(|error| match error {
            GuardError::Gone(_) => HookRun::unknown(error.to_string()),
            _ => HookRun { report: ScriptReport::not_started(error.to_string()), by_deadline: false, group: None },
        })
    }

    /// A script after the backup runs even if its guard is gone: then by another one.
    async fn after(
        &self,
        open: &OpenOperation,
        scripts: &ItemScripts,
        index: usize,
        result: HookResult,
        version: Option<String>,
        limit: Duration,
    ) -> Result<HookRun, GuardError> {
        if let Some(guard) = self.serving(open).await {
            match guard.after(index, result, version.clone(), limit).await {
                Err(GuardError::Gone(why)) => {
                    tracing::warn!(%why, operation = %open.id, "a guard of hooks is gone: another one takes its place");
                    self.guards().remove(&open.id);
                }
                ran => return ran,
            }
        }
        let left = self.files(open).left_report();
        if let Some(run) = left.and_then(|mut view| view.after.get_mut(index).and_then(Option::take)) {
            return Ok(run);
        }
        let guard = self.start(open, scripts).await?;
        guard.after(index, result, version, limit).await
    }

    /// The operation has ended: its guard is no longer needed.
    pub async fn leave(&self, open: &OpenOperation) {
        if !open.item.steps.iter().any(|step| matches!(step, PlanStep::Hook(_))) {
            return;
        }
        let left = match self.serving(open).await {
            Some(guard) => guard.leave().await,
            None => Ok(()),
        };
        self.guards().remove(&open.id);
        match left {
            Ok(()) | Err(GuardError::Gone(_)) => self.files(open).remove(),
            // It has something to do yet, and whoever goes on with the operation finds it.
            Err(error) => tracing::warn!(%error, operation = %open.id, "the guard of the hooks stays"),
        }
    }

    /// Runs a hook's scripts with `ECDECK_DRY_RUN=1`, in their order: each with the phase that it was run for.
    pub async fn try_out(&self, hook: &Hook, volume: &(Name, VolumeId)) -> Vec<(HookPhase, ScriptReport)> {
        let mut tried = Vec::new();
        for (phase, argv) in hook.scripts() {
            let mut script = self.script(hook, hook.host.as_ref(), argv);
            let about = [
                ("PHASE", phase.word().to_owned()),
                ("VOLUME", volume.0.to_string()),
                ("VOLUME_ID", volume.1.to_string()),
                ("OPERATION", "dry-run".to_owned()),
                ("ATTEMPT", "1".to_owned()),
                ("DRY_RUN", "1".to_owned()),
                ("RESULT", HookResult::Done.word().to_owned()),
            ];
            script.environment.extend(about.map(|(key, value)| (format!("ECDECK_{key}"), value)));
            let ran = tokio::task::spawn_blocking(move || script::run(&script)).await;
            tried.push((phase, ran.unwrap_or_else(|error| ScriptReport::unknown(error.to_string()))));
        }
        tried
    }

    /// What is wrong with the scripts of a hook, as far as this machine can tell.
    pub fn check(&self, hook: &Hook) -> Option<String> {
        hook.scripts().find_map(|(_, argv)| self.script(hook, hook.host.as_ref(), argv).check().err())
    }

    /// A script with what it is told whatever it runs for. `host`: where it runs.
    fn script(&self, hook: &Hook, host: Option<&Name>, argv: &[String]) -> Script {
        let mut environment = hook.environment.clone();
        environment.push(("ECDECK_SITE".to_owned(), self.settings.site.clone()));
        environment.push(("ECDECK_HOOK".to_owned(), hook.name.to_string()));
        let ssh = host.and_then(|host| self.settings.destination(host));
        Script { argv: argv.to_vec(), run_as: hook.run_as.clone(), ssh, environment, limit_millis: hook.limit_millis }
    }

    /// The scripts of an item, in the order of their guard.
    fn scripts(&self, open: &OpenOperation, names: &TransactionNames) -> ItemScripts {
        let mut scripts =
            ItemScripts { hooks: Vec::new(), steps: BTreeMap::new(), pause_millis: None, longest_millis: 0 };
        let steps = || {
            open.item.steps.iter().enumerate().filter_map(|(at, step)| match step {
                PlanStep::Hook(step) => Some((at, step)),
                _ => None,
            })
        };
        for (at, step) in steps() {
            let Some(hook) = &step.hook else { continue };
            let known = scripts.hooks.iter().position(|(name, _)| *name == hook.name);
            let index = known.unwrap_or_else(|| {
                scripts.hooks.push((hook.name.clone(), GuardHook { before: None, after: None }));
                scripts.hooks.len() - 1
            });
            let entries = &open.journal;
            let begun =
                entries.iter().filter(|entry| matches!(entry, JournalEntry::Intent { step, .. } if *step == at));
            let script = self.script_of(open, names, step, hook, begun.count() + 1);
            let guarded = &mut scripts.hooks[index].1;
            if step.phase.is_before() {
                guarded.before = Some(script);
                // A copy back takes as long as it takes, and nothing may be mounted before its end.
                let pause = (!step.phase.is_of_restore()).then_some(hook.pause_millis);
                scripts.pause_millis = scripts.pause_millis.into_iter().chain(pause).min();
            } else {
                guarded.after = Some(script);
            }
            scripts.steps.insert(at, (index, step.phase));
            let longest = hook.limit_millis + Hook::GRACE_MILLIS + Hook::REAP_MILLIS;
            scripts.longest_millis = scripts.longest_millis.max(longest);
        }
        scripts
    }

    fn script_of(
        &self,
        open: &OpenOperation,
        names: &TransactionNames,
        step: &HookStep,
        hook: &Hook,
        attempt: usize,
    ) -> Script {
        // It was resolved once: what undoes a script runs where the script ran.
        let mut script = self.script(hook, step.node.as_ref().or(hook.host.as_ref()), &step.argv);
        let targets: Vec<String> = open
            .item
            .claims
            .iter()
            .filter(|claim| **claim != step.volume && !names.transaction.contains_key(claim))
            .map(ToString::to_string)
            .collect();
        let about = [
            ("PHASE", step.phase.word().to_owned()),
            ("VOLUME", names.of(step.volume)),
            ("VOLUME_ID", step.volume.to_string()),
            ("BACKUP_VOLUMES", targets.join(" ")),
            ("OPERATION", open.id.to_string()),
            ("ATTEMPT", attempt.to_string()),
            ("DRY_RUN", "0".to_owned()),
        ];
        script.environment.extend(about.map(|(key, value)| (format!("ECDECK_{key}"), value)));
        let mut restored = open.item.steps.iter().filter_map(|step| match step {
            PlanStep::BeginRestore(begin) => Some(begin),
            _ => None,
        });
        if let Some(begin) = restored.find(|begin| begin.pair.target == step.volume) {
            script.environment.push(("ECDECK_VERSION".to_owned(), begin.version.to_string()));
            script.environment.push(("ECDECK_VERSION_OF".to_owned(), names.of(begin.transaction_volume)));
        }
        script
    }
}

/// The scripts of an operation's item.
struct ItemScripts {
    hooks: Vec<(Name, GuardHook)>,
    /// The hook and the phase of each step that runs a script.
    steps: BTreeMap<usize, (usize, HookPhase)>,
    /// `None`: nothing is paused, and no deadline is needed.
    pause_millis: Option<u64>,
    /// The longest run of one of them, with its end by force.
    longest_millis: u64,
}

impl ItemScripts {
    fn place_of(&self, step: usize) -> Option<(usize, HookPhase)> {
        self.steps.get(&step).copied()
    }
}

/// What the transaction volumes of one item are called.
#[derive(Debug, Clone, Default)]
pub struct TransactionNames {
    transaction: BTreeMap<VolumeId, Name>,
}

impl TransactionNames {
    /// Of the volumes that the item's scripts are run for or that it has claimed: no other is looked at.
    pub fn of_item(records: &Records, open: &OpenOperation) -> Self {
        let of_scripts = open.item.steps.iter().filter_map(|step| match step {
            PlanStep::Hook(step) => Some(&step.volume),
            PlanStep::BeginRestore(step) => Some(&step.transaction_volume),
            _ => None,
        });
        let volumes = of_scripts.chain(&open.item.claims).filter_map(|id| records.transaction_volumes.get(id));
        Self { transaction: volumes.map(|volume| (volume.id, volume.name.clone())).collect() }
    }

    fn of(&self, id: VolumeId) -> String {
        self.transaction.get(&id).map_or_else(|| id.to_string(), ToString::to_string)
    }
}
