//! Hooks within an operation: the scripts before and after a backup or a restore, the pause between them, and what is run when the operation
//! ends early.
//!
//! For every script before the backup that was begun, the script after it runs, whatever becomes of the rest. A suspend counts
//! as one of a paused file system only if the guard says, after the suspend was seen, that the pause still holds.

use super::{Activity, Commit, Operation, Output, Phase, Then, World};
use crate::model::codes::Code;
use crate::model::copy::Command;
use crate::model::event::EventKind;
use crate::model::hook::{HookNeed, HookResult, HookRun};
use crate::model::identity::VolumeId;
use crate::model::records::{Change, EntityChange, Generation, GenerationState, JournalEntry, OperationEnd};
use crate::model::request::Verb;
use crate::model::step::{HookPhase, HookStep, PlanStep, StepChanges};
use crate::model::units::{Timestamp, Version};
use crate::model::untrusted::Untrusted;

/// What a step machine wants of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookTask {
    /// Run the script of this step of the item, once. `result` and `version` are for one after the backup.
    Run { step: usize, result: HookResult, version: Option<Version> },
    /// Say whether the pause that the scripts before the backup made still holds.
    AskPause,
}

/// What follows the answer about the pause.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    /// The suspend is about to be sent.
    Send(Command),
    /// The suspend was seen.
    Finish(Timestamp),
}

/// What an operation knows of its hooks.
#[derive(Debug, Clone, Default)]
pub(super) struct Hooking {
    /// How the operation ends once the scripts that are due have run.
    ending: Option<OperationEnd>,
    /// What the guard said after the suspend was seen.
    held: Option<bool>,
    /// Required scripts after the backup that failed.
    failed: Vec<String>,
    /// The engine ended after the scripts before the restore: it is not begun any more.
    begins_no_restore: bool,
}

fn hook_ran(hook: &HookStep, run: &HookRun) -> EventKind {
    EventKind::HookRan {
        volume: hook.volume,
        hook: hook.label(),
        phase: hook.phase,
        need: hook.need(),
        run: HookRun { group: None, ..run.clone() },
    }
}

fn nothing_done(phase: HookPhase) -> &'static str {
    if phase.is_of_restore() { "nothing was copied" } else { "nothing was suspended" }
}

impl Operation {
    fn hook(&self, step: usize) -> Option<&HookStep> {
        match self.open.item.steps.get(step)? {
            PlanStep::Hook(hook) => Some(hook),
            _ => None,
        }
    }

    /// The journal as it is now.
    fn journal_now<'a>(&'a self, world: &World<'a>) -> &'a [JournalEntry] {
        world.records.operations.get(&self.open.id).map_or(&self.open.journal, |open| &open.journal)
    }

    fn is_begun(&self, wanted: usize, world: &World<'_>) -> bool {
        let begun = |entry: &JournalEntry| matches!(entry, JournalEntry::Intent { step, .. } if *step == wanted);
        self.journal_now(world).iter().any(begun)
    }

    /// Whether a script before the backup was begun: then file systems may stand still.
    fn is_paused(&self, world: &World<'_>) -> bool {
        let before = |step: &usize| self.hook(*step).is_some_and(|hook| hook.phase.is_before());
        (0..self.open.item.steps.len()).filter(before).any(|step| self.is_begun(step, world))
    }

    /// Whether nothing but scripts before the backup came before the present step.
    pub(super) fn only_hooks_so_far(&self) -> bool {
        (0..self.step).all(|step| self.hook(step).is_some_and(|hook| hook.phase.is_before()))
    }

    /// The next script that has to run because the one before it was begun.
    fn due(&self, world: &World<'_>) -> Option<usize> {
        let steps = 0..self.open.item.steps.len();
        let journal = self.journal_now(world);
        let partner_is_begun = |after: &HookStep| {
            steps.clone().any(|step| {
                let is_partner = self.hook(step).is_some_and(|before| before.phase.is_before() && before.is_of(after));
                is_partner && self.is_begun(step, world)
            })
        };
        steps.clone().find(|step| {
            let Some(hook) = self.hook(*step).filter(|hook| !hook.phase.is_before()) else { return false };
            !journal.contains(&JournalEntry::Finished { step: *step }) && partner_is_begun(hook)
        })
    }

    /// Journals that a script is about to run; it follows the commit.
    pub(super) fn begin_hook(&mut self, world: &World<'_>) -> Output {
        let begun = |entry: &&JournalEntry| matches!(entry, JournalEntry::Intent { step, .. } if *step == self.step);
        let attempt = 1 + self.journal_now(world).iter().filter(begun).count() as u32;
        let entry = JournalEntry::Intent { step: self.step, attempt, at: world.now };
        self.doing = Activity::Recording;
        self.commit(Commit { changes: vec![self.journal(entry)], events: Vec::new() }, Then::Hook)
    }

    pub(super) fn run_hook(&mut self, world: &World<'_>) -> Output {
        let of_step = self.hook(self.step).filter(|hook| hook.identity.is_some()).map(|hook| hook.volume);
        let recorded = of_step.map_or_else(|| self.recorded(world), |volume| self.version_of(volume, world));
        let named = self.open.item.steps.iter().find_map(|step| match step {
            PlanStep::SetGenerationState(step) => Some(step.version),
            _ => None,
        });
        let version = recorded.or(named);
        let result = match self.hook(self.step) {
            Some(hook) if hook.phase.is_of_restore() => self.restored(world),
            _ if version.is_some() => HookResult::Done,
            _ => HookResult::Failed,
        };
        self.phase = Phase::Hooking;
        self.doing = Activity::Script;
        Output::Hook(HookTask::Run { step: self.step, result, version })
    }

    /// What became of a restore: its scripts must not take a part of a generation for all of it.
    fn restored(&self, world: &World<'_>) -> HookResult {
        let marks = |step: &PlanStep| matches!(step, PlanStep::BeginRestore(_));
        let mark = self.open.item.steps.iter().position(marks);
        let is_marked = mark.is_some_and(|step| self.journal_now(world).contains(&JournalEntry::Finished { step }));
        match &self.hooking.ending {
            None => HookResult::Done,
            Some(end) if end.is_done() => HookResult::Done,
            Some(OperationEnd::OutcomeUnknown { .. }) => HookResult::Unknown,
            Some(_) if is_marked => HookResult::Incomplete,
            Some(_) => HookResult::Failed,
        }
    }

    /// The version of this volume that the operation recorded, or is about.
    fn version_of(&self, volume: VolumeId, world: &World<'_>) -> Option<Version> {
        let mut ours = self.backups(world).filter(|generation| generation.transaction_volume == volume);
        let recorded = ours.next().map(|generation| generation.version);
        recorded.or_else(|| {
            self.open.item.steps.iter().find_map(|step| match step {
                PlanStep::SetGenerationState(step) if step.volume == volume => Some(step.version),
                PlanStep::BeginRestore(step) if step.transaction_volume == volume => Some(step.version),
                _ => None,
            })
        })
    }

    /// The version of the generation that this operation recorded.
    fn recorded(&self, world: &World<'_>) -> Option<Version> {
        self.backups(world).next().map(|generation| generation.version)
    }

    /// What this operation recorded; a present state that it kept is no backup.
    fn backups<'a>(&self, world: &World<'a>) -> impl Iterator<Item = &'a Generation> + use<'a> {
        let id = self.open.id;
        let all = world.records.generations.values();
        all.filter(move |generation| generation.operation == Some(id) && !generation.is_before_restore())
    }

    pub(super) fn hook_ended(&mut self, run: &HookRun, world: &World<'_>) -> Output {
        let Some(hook) = self.hook(self.step).cloned() else { return self.enter(world) };
        let version = self.version_of(hook.volume, world);
        if let (Some(group), Some(version)) = (&run.group, version) {
            // From here on a run may have been begun, and every later one restores this text.
            let (transaction_volume, group) = (hook.volume, group.clone());
            let kept = Change::Entity(EntityChange::KeepGroupCopy { transaction_volume, version, group });
            let event = self.event(world.now, hook_ran(&hook, run));
            self.doing = Activity::Recording;
            return self.commit(Commit { changes: vec![kept], events: vec![event] }, Then::Hook);
        }
        let failed = !run.report.is_success();
        let required = hook.need() == HookNeed::Required;
        let sentence = match &hook.identity {
            Some(task) => format!("the restore of the identity of {} {}", task.backup, run.report),
            None => format!("the script of {} {} {}", hook.label(), hook.phase.in_words(), run.report),
        };
        self.pending_events.push(self.event(world.now, hook_ran(&hook, run)));
        if hook.phase.is_before() {
            if failed && required {
                return self.fail(Code::HOOK_FAILED, format!("{sentence}: {}", nothing_done(hook.phase)), world);
            }
            if failed {
                // What is recorded now is no state of paused file systems.
                let entry = JournalEntry::HookFailed { step: self.step };
                return self
                    .commit(Commit { changes: vec![self.journal(entry)], events: Vec::new() }, Then::FinishHook);
            }
            return self.finish(world.now, world);
        }
        if failed && hook.identity.is_some() && hook.phase == HookPhase::AfterRestore {
            // The mark of the target stays, so that nobody takes it for what it was.
            return self.fail(Code::RESTORED_GROUP_UNFINISHED, sentence, world);
        }
        let mut commit =
            Commit { changes: vec![self.journal(JournalEntry::Finished { step: self.step })], ..Commit::default() };
        if failed && required {
            let only = hook.identity.is_some().then_some(hook.volume);
            self.need_attention(only, &sentence, &mut commit, world);
            if hook.phase.is_of_restore() {
                // No generation says it after a crash.
                commit.changes.push(self.journal(JournalEntry::HookFailed { step: self.step }));
            }
            self.hooking.failed.push(sentence);
        }
        let next = self.step + 1;
        if self.hooking.ending.is_some() {
            return self.commit(commit, Then::Undo);
        }
        if self.open.item.verb == Verb::PostProcess && !self.hooking.failed.is_empty() {
            // The rest would say that it is in order.
            let end = self.with_failures(OperationEnd::Done);
            return self.close(commit, end, world.now);
        }
        if next < self.open.item.steps.len() {
            return self.commit(commit, Then::NextStep(next));
        }
        self.close(commit, OperationEnd::Done, world.now)
    }

    /// The generations of this operation, or the one that it is about, are not in order until somebody has seen to it.
    fn need_attention(&self, only: Option<VolumeId>, why: &str, commit: &mut Commit, world: &World<'_>) {
        let wanted = self.open.item.steps.iter().find_map(|step| match step {
            PlanStep::SetGenerationState(step) => Some((step.volume, step.version)),
            _ => None,
        });
        let records = world.records;
        let ours = records.generations.values().filter(|generation| {
            let key = (generation.transaction_volume, generation.version);
            let recorded = generation.operation == Some(self.open.id) && !generation.is_before_restore();
            (recorded || wanted == Some(key)) && only.is_none_or(|volume| volume == key.0)
        });
        for generation in ours {
            let (transaction_volume, version) = (generation.transaction_volume, generation.version);
            let state = GenerationState::NeedsAttention(why.to_owned());
            let set = EntityChange::SetGenerationState { transaction_volume, version, state: state.clone() };
            commit.changes.push(Change::Entity(set));
            let event = EventKind::GenerationStateSet { volume: transaction_volume, version, state };
            commit.events.push(self.event(world.now, event));
            let unused = records
                .backup_volumes
                .values()
                .filter(|volume| volume.blocks == generation.blocks)
                .filter(|volume| records.generation_on(volume.id).is_none())
                .filter(|volume| {
                    records.sessions.keys().all(|pair| pair.target != volume.id || pair.source == transaction_volume)
                })
                .count();
            let event = EventKind::ReleasesStopped { volume: transaction_volume, version, left: unused };
            commit.events.push(self.event(world.now, event));
        }
    }

    /// An end as it is reported: a backup whose required script after it failed is no plain success.
    pub(super) fn with_failures(&self, end: OperationEnd) -> OperationEnd {
        match end {
            OperationEnd::Done if !self.hooking.failed.is_empty() => {
                let failed = self.hooking.failed.join("; ");
                if self.open.item.verb == Verb::Restore {
                    let why = format!("{failed}; the data are restored");
                    return OperationEnd::Failed { code: Code::AFTER_RESTORE_FAILED, why };
                }
                let why = format!("{failed}; the generation needs attention");
                OperationEnd::Failed { code: Code::NEEDS_ATTENTION, why }
            }
            end => end,
        }
    }

    /// An operation that ends while scripts are due: they run first. `None`: none is due.
    pub(super) fn undo_first(
        &mut self,
        commit: Commit,
        end: &OperationEnd,
        world: &World<'_>,
    ) -> Result<Output, Box<Commit>> {
        if self.hooking.ending.is_some() || self.due(world).is_none() {
            return Err(Box::new(commit));
        }
        self.hooking.ending = Some(end.clone());
        let mut commit = commit;
        commit.changes.push(self.journal(JournalEntry::Ending { end: end.clone() }));
        Ok(self.commit(commit, Then::Undo))
    }

    /// Runs the scripts that are due, then ends.
    pub(super) fn undo(&mut self, world: &World<'_>) -> Output {
        if let Some(step) = self.due(world) {
            self.step = step;
            return self.begin_hook(world);
        }
        let lost = || OperationEnd::OutcomeUnknown { why: "how it ended is not known".to_owned() };
        let end = self.hooking.ending.clone().unwrap_or_else(lost);
        self.close(Commit::default(), end, world.now)
    }

    /// Whether the guard is asked before a command goes out: a suspend of what scripts have paused.
    pub(super) fn asks_before(&self, command: &Command, world: &World<'_>) -> bool {
        matches!(command, Command::Suspend { force: false, .. }) && self.is_paused(world)
    }

    pub(super) fn ask_pause(&mut self, then: Asked) -> Output {
        self.phase = Phase::Asking(then);
        self.doing = Activity::Script;
        Output::Hook(HookTask::AskPause)
    }

    /// Whether the guard has to be asked before a step counts as done.
    pub(super) fn asks_after(&self, world: &World<'_>) -> bool {
        let suspends = matches!(self.open.item.steps.get(self.step), Some(PlanStep::Suspend(_)));
        suspends && self.hooking.held.is_none() && self.is_paused(world)
    }

    pub(super) fn pause_is(&mut self, then: Asked, holds: bool, world: &World<'_>) -> Output {
        match then {
            Asked::Send(command) if holds => self.send_now(command),
            Asked::Send(_) => {
                let why = "the pause was over before the suspend was sent: nothing was suspended".to_owned();
                self.fail(Code::PAUSE_OVER, why, world)
            }
            Asked::Finish(at) => {
                self.hooking.held = Some(holds);
                let together = self.open.item.steps.iter().any(|step| step.records().len() > 1);
                if !holds && together {
                    let why = "the pause was over before all volumes of the set were seen suspended";
                    if let Some(output) = self.resume_all(Code::PAUSE_OVER, why) {
                        return output;
                    }
                    return self.end(OperationEnd::Failed { code: Code::PAUSE_OVER, why: why.to_owned() }, world);
                }
                self.finish(at, world)
            }
        }
    }

    /// Why what is recorded now is not a state of paused file systems, where scripts should have paused them.
    fn crash_consistent(&self, world: &World<'_>) -> Option<Untrusted> {
        if self.hooking.held == Some(false) {
            return Some(Untrusted::from("the pause was over before the suspend was seen"));
        }
        self.journal_now(world).iter().find_map(|entry| match entry {
            JournalEntry::HookFailed { step } => {
                let label = self.hook(*step).map_or_else(String::new, HookStep::label);
                Some(Untrusted::new(format!("the advisory script of {label} before the backup failed")))
            }
            _ => None,
        })
    }

    /// Notes on what is recorded that it is no state of paused file systems, where hooks should have paused them.
    pub(super) fn mark_crash_consistent(&self, kept: &mut StepChanges, world: &World<'_>) {
        let Some(why) = self.crash_consistent(world) else { return };
        for change in &mut kept.changes {
            if let EntityChange::AddGeneration(generation) = change
                && !generation.is_before_restore()
            {
                generation.crash_consistent = Some(why.clone());
                let (volume, version) = (generation.transaction_volume, generation.version);
                kept.events.push(EventKind::CrashConsistent { volume, version, why: why.clone() });
            }
        }
    }

    /// Whether the copy of a present state was begun, and its end was not seen.
    fn may_copy_present_state(&self, world: &World<'_>) -> bool {
        let mut steps = self.open.item.steps.iter().enumerate();
        // Right after each of these copies stands the step that waits for its end.
        steps.any(|(index, step)| {
            matches!(step, PlanStep::CopyPresentState(_)) && self.is_begun(index, world) && self.step <= index + 1
        })
    }

    /// The end of a restore that is not begun after a crash, once its present state is kept.
    pub(super) fn not_begun(&mut self, world: &World<'_>) -> Option<Output> {
        let next = self.open.item.steps.get(self.step);
        let is_next = matches!(next, Some(PlanStep::BeginRestore(_) | PlanStep::BeginPresentState(_)));
        if !self.hooking.begins_no_restore || !is_next {
            return None;
        }
        let why = "the engine ended after the scripts before the restore had run: nothing was overwritten";
        Some(self.fail(Code::INTERRUPTED, why.to_owned(), world))
    }

    /// After a crash: what the hooks want before anything else, if they do.
    pub(super) fn recover_hooks(&mut self, world: &World<'_>) -> Option<Output> {
        if !self.open.item.steps.iter().any(|step| matches!(step, PlanStep::Hook(_))) {
            return None;
        }
        let attention = world.records.generations.values().find_map(|generation| match &generation.state {
            GenerationState::NeedsAttention(why) if generation.operation == Some(self.open.id) => Some(why.clone()),
            _ => None,
        });
        self.hooking.failed.extend(attention);
        let unmended = self.open.journal.iter().filter_map(|entry| match entry {
            JournalEntry::HookFailed { step } => self.hook(*step).filter(|hook| hook.phase == HookPhase::AfterRestore),
            _ => None,
        });
        let unmended = unmended.map(|hook| format!("the script of {} {} failed", hook.label(), hook.phase.in_words()));
        let unmended: Vec<String> = unmended.collect();
        self.hooking.failed.extend(unmended);
        let ending = self.open.journal.iter().find_map(|entry| match entry {
            JournalEntry::Ending { end } => Some(end.clone()),
            _ => None,
        });
        if ending.is_some() {
            self.hooking.ending = ending;
            return Some(self.undo(world));
        }
        let suspends = matches!(self.open.item.steps.get(self.step), Some(PlanStep::Suspend(_)));
        let is_before = self.hook(self.step).is_some_and(|hook| hook.phase.is_before());
        // What a script unmounted may be mounted again since: a copy that was not begun does not begin after a crash.
        // Of several volumes the others follow once one was begun.
        let copies = |step: &usize| matches!(self.open.item.steps.get(*step), Some(PlanStep::StartOpc(_)));
        let first = (0..self.open.item.steps.len()).find(copies);
        let is_unsent = suspends && !self.is_begun(self.step, world);
        let is_uncopied = first.is_some_and(|step| self.step <= step && !self.is_begun(step, world));
        if is_uncopied && self.is_paused(world) && self.may_copy_present_state(world) {
            // That copy comes to its end first, so that its volume has one.
            self.hooking.begins_no_restore = true;
            return None;
        }
        if (is_before || is_unsent || is_uncopied) && self.is_paused(world) {
            let phase = if is_uncopied { HookPhase::BeforeRestore } else { HookPhase::BeforeBackup };
            let nothing = nothing_done(phase);
            let why = format!("the engine ended while the scripts {} ran: {nothing}", phase.in_words());
            return Some(self.fail(Code::INTERRUPTED, why, world));
        }
        None
    }
}
