//! The invariants, checked against what only the simulator knows: contents, who did what, what was durable when.

use super::bugs::Bug;
use super::engine::{finish, pairs_of, volumes_of};
use super::rotation::check_floor;
use super::world::{Wire, World};
use super::{Checked, Simulation, violated};
use ecdeck::catalog::EventRange;
use ecdeck::engine::operation::Commit;
use ecdeck::model::chain::verify;
use ecdeck::model::copy::{Command, Outcome, PairOutcome};
use ecdeck::model::event::EventKind;
use ecdeck::model::identity::{BoxId, VolumeId};
use ecdeck::model::plan::Plan;
use ecdeck::model::records::{
    Change, EntityChange, Generation, GenerationState, JournalEntry, OpenOperation, OperationEnd, OperationId, Records,
    ReleaseReason, ReleasedGeneration,
};
use ecdeck::model::request::Verb;
use ecdeck::model::session::{CopyKind, Direction, Others, Pair, Reading, SessionReading, Status, TransferMode};
use ecdeck::model::snapshot::{SessionView, Snapshot};
use ecdeck::model::step::{PlanStep, ResumeStep, StartFullStep, SuspendStep};
use ecdeck::model::units::{Timestamp, Version};
use ecdeck::testkit::in_process::REQUESTOR;
use std::collections::{BTreeMap, BTreeSet};

/// Readings that show a harm after which a generation must not be valid any more.
const READINGS_TO_DOUBT: u32 = 2;

/// What one operation did, whether it knows it or not.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Effects {
    /// A command of it changed something on an array.
    pub acted: bool,
    /// Its own un-forced suspends: when they were done, and contents of the sources at that instant.
    captured: BTreeMap<Pair, (Timestamp, Vec<u64>)>,
    /// Pairs that it saw suspended, since the engine started or since it sent last.
    saw_suspended: BTreeSet<Pair>,
    /// A start without an answer, and not looked for yet.
    blind_start: bool,
    stopped: bool,
    /// It cannot know whether its suspend was done: an answer was lost, or the engine crashed.
    in_doubt: bool,
    /// Intents in its journal when it sent last.
    intents: usize,
    /// Steps of the wall clock before it was first heard of.
    clock_steps: u32,
    /// Its script after the backup failed: what it recorded needs attention.
    script_failed: bool,
    /// A script before the backup was run, and none after it since.
    paused: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Truth {
    operations: BTreeMap<OperationId, Effects>,
    /// What each kept generation must hold.
    images: BTreeMap<(VolumeId, Version), Vec<u64>>,
    /// What each released generation held.
    released_images: BTreeMap<(VolumeId, Version), Vec<u64>>,
    ended: BTreeMap<OperationId, OperationEnd>,
    /// Operations that recorded a generation.
    recorded: BTreeSet<OperationId>,
    /// Sessions that another program ended, or that an operation of unknown outcome left behind.
    excused: BTreeSet<Pair>,
    /// Volumes of kept generations to which something happened without us, and in how many readings since then it could be seen.
    harmed: BTreeMap<(VolumeId, Version), u32>,
    harmed_volumes: BTreeSet<VolumeId>,
    /// How often the wall clock was stepped.
    clock_steps: u32,
    /// The newest un-forced suspends of another program: when, and what the source was then.
    suspended_by_others: BTreeMap<Pair, (Timestamp, Vec<u64>)>,
}

impl Truth {
    fn of(&mut self, id: OperationId) -> &mut Effects {
        let clock_steps = self.clock_steps;
        self.operations.entry(id).or_insert_with(|| Effects { clock_steps, ..Effects::default() })
    }

    /// An operation is about to be opened.
    pub fn opened(&mut self, id: OperationId) {
        self.of(id);
    }

    /// Whether the wall clock was stepped since an operation was first heard of: then its times tell no order.
    fn clock_was_stepped(&self, id: OperationId) -> bool {
        self.operations.get(&id).is_none_or(|effects| effects.clock_steps != self.clock_steps)
    }

    /// What a generation holds that the site has from the beginning.
    pub fn remember_image(&mut self, source: VolumeId, version: Version, content: &[u64]) {
        self.images.insert((source, version), content.to_vec());
    }

    /// Something happens to a volume without us.
    pub fn harm(&mut self, volume: VolumeId) {
        self.harmed_volumes.insert(volume);
    }

    /// The wall clock was stepped.
    pub fn clock_stepped(&mut self) {
        self.clock_steps += 1;
    }

    /// All boxes were read, as far as they answer, and what is seen was kept: which harm could be seen.
    pub fn seen(&mut self, readings: &[Reading], world: &World, records: &Records) {
        for generation in records.generations.values() {
            let volume = generation.backup_volume;
            if !self.harmed_volumes.contains(&volume) || records.claims.contains_key(&volume) {
                continue;
            }
            let shows = |session: &SessionReading| {
                let to_it = session.pair.target == volume;
                let ours = session.requestor.raw() == REQUESTOR;
                let lives = matches!(session.status, Status::Active | Status::Reserved)
                    && session.direction == Direction::Forward;
                to_it && (!ours || lives || session.target_written == Some(true))
            };
            let key = (generation.transaction_volume, generation.version);
            let count = self.harmed.entry(key).or_default();
            let mut sessions = readings.iter().flat_map(|reading| &reading.sessions);
            // A volume that is gone is missed only where the whole list was read; another size is in the list.
            let is_listed =
                |reading: &Reading| reading.box_id == volume.box_id && !reading.unread_volumes.may_be(volume);
            let missed = world.is_altered(volume) && readings.iter().any(is_listed);
            *count += u32::from(missed || sessions.any(shows));
        }
    }

    /// A script of an operation has ended.
    pub fn script(&mut self, id: OperationId, after: bool, failed: bool) {
        let effects = self.of(id);
        if after {
            // One that is run again after a crash, and succeeds, has undone what there was to undo.
            effects.script_failed = failed;
        }
        effects.paused = !after;
    }

    /// The engine has an answer.
    pub fn answered(&mut self, id: OperationId, outcomes: &[PairOutcome]) {
        let unknown = outcomes.iter().any(|one| matches!(one.outcome, Outcome::Unknown { .. }));
        let effects = self.of(id);
        effects.in_doubt |= unknown || outcomes.iter().any(|one| one.outcome == Outcome::Accepted);
        effects.blind_start &= unknown;
    }

    /// The engine has a reading.
    pub fn read(&mut self, id: OperationId, reading: &Result<Reading, String>) {
        let Ok(reading) = reading else { return };
        let effects = self.of(id);
        effects.blind_start = false;
        let clean = reading.sessions.iter().filter(|session| session.is_cleanly_suspended());
        effects.saw_suspended.extend(clean.map(|session| session.pair));
    }

    /// A command has reached its array.
    pub fn acted(&mut self, wire: &Wire, outcomes: &[PairOutcome], world: &World, now: Timestamp) {
        if self.ended.contains_key(&wire.operation) {
            self.excused.extend(wire.command.pairs());
        }
        let effects = self.of(wire.operation);
        for one in outcomes.iter().filter(|one| one.outcome == Outcome::Done) {
            effects.acted = true;
            match &wire.command {
                Command::Suspend { force: false, .. } | Command::StartOpc { .. } => {
                    effects.captured.insert(one.pair, (now, world.arrays.content(one.pair.source).to_vec()));
                }
                Command::Stop { .. } => effects.stopped = true,
                _ => {}
            }
        }
    }

    pub fn meddled(&mut self, command: &Command, outcomes: &[PairOutcome], world: &World, now: Timestamp) {
        self.excused.extend(command.pairs());
        if matches!(command, Command::Suspend { .. }) {
            for one in outcomes.iter().filter(|one| one.outcome == Outcome::Done) {
                let content = world.arrays.content(one.pair.source).to_vec();
                self.suspended_by_others.insert(one.pair, (now, content));
            }
        }
    }

    /// A new engine begins by looking, and does not know what of the old one's commands was done.
    pub fn crashed<'a>(&mut self, open: impl Iterator<Item = &'a OperationId>) {
        for id in open {
            let effects = self.of(*id);
            (effects.blind_start, effects.in_doubt) = (false, true);
        }
    }

    /// When a suspend was that counts as this operation's, and what the source was then. An array does not tell whose suspend it was: an
    /// operation in doubt about its own takes another's that came since it began.
    fn captured(&self, id: OperationId, since: Option<Timestamp>, pair: &Pair) -> Option<(Timestamp, Vec<u64>)> {
        let effects = self.operations.get(&id)?;
        let others = || {
            let suspend = self.suspended_by_others.get(pair)?;
            let later = self.clock_was_stepped(id) || since.is_some_and(|since| suspend.0 >= since);
            (effects.in_doubt && later).then_some(suspend)
        };
        effects.captured.get(pair).or_else(others).cloned()
    }
}

impl Simulation {
    /// Invariants 7 to 10 when a command is about to go out: its own intent is durable, its volumes are the operation's own,
    /// of one size, and no transaction volume is copied to.
    pub fn check_sending(&mut self, open: &OpenOperation, array: BoxId, command: &Command) -> Checked {
        let durable = &self.engine.durable;
        let Some(known) = durable.operations.get(&open.id) else {
            return violated(format!("{} sends and is not open in the catalogue", open.id));
        };
        let intents = known.journal.iter().filter(|entry| matches!(entry, JournalEntry::Intent { .. })).count();
        let intended = match known.journal.last() {
            Some(JournalEntry::Intent { step, .. }) => known.item.commands().find(|(at, _)| at == step),
            _ => None,
        };
        // Not all of one instant were suspended: those that were are resumed, as the journal says.
        let undone = known.journal.iter().find_map(|entry| match entry {
            JournalEntry::Undo { pairs, .. } => Some(pairs),
            _ => None,
        });
        let ended_copy = known.journal.iter().find_map(|entry| match entry {
            JournalEntry::EndCopy { pair, .. } => Some(*pair),
            _ => None,
        });
        let ends_copy =
            matches!(command, Command::Stop { pairs, .. } if pairs.iter().all(|pair| Some(*pair) == ended_copy));
        let undoes = ends_copy
            || matches!(command, Command::Resume { pairs } if undone.is_some_and(|undone| pairs.iter().all(|pair| undone.contains(pair))));
        let of_this_step = |meant: &Command| {
            let same_flags = match (meant, command) {
                (Command::Suspend { force, .. }, Command::Suspend { force: sent, .. })
                | (Command::Stop { force, .. }, Command::Stop { force: sent, .. }) => force == sent,
                (Command::Start { modes, .. }, Command::Start { modes: sent, .. }) => modes == sent,
                _ => meant.verb() == command.verb(),
            };
            same_flags && command.pairs().iter().all(|pair| meant.pairs().contains(pair))
        };
        // These bugs change the order of the steps, so that a number means another step.
        let misordered = matches!(self.bug, Some(Bug::OverwriteBeforeRelease | Bug::RetentionBeforeRecord));
        if !misordered && !undoes && !intended.is_some_and(|(_, meant)| of_this_step(&meant.command)) {
            return violated(format!("{} sends {} without a durable intent of this step", open.id, command.verb()));
        }
        if intents <= self.truth.of(open.id).intents {
            return violated(format!("{} sends {} again without another durable intent", open.id, command.verb()));
        }
        if matches!(command, Command::Start { .. } | Command::Resume { .. }) {
            for pair in command.pairs() {
                if self.world.sources.contains(&pair.target) {
                    return violated(format!("{} makes the transaction volume {} a target", open.id, pair.target));
                }
                if self.world.blocks(pair.source) != self.world.blocks(pair.target) {
                    return violated(format!("{} copies between volumes of different sizes: {pair:?}", open.id));
                }
            }
        }
        if matches!(command, Command::StartOpc { .. }) {
            for pair in command.pairs() {
                self.check_restore(open, pair)?;
            }
        }
        let durable = &self.engine.durable;
        for volume in volumes_of(command.pairs()) {
            if durable.claims.get(&volume).is_none_or(|claim| claim.operation != open.id) {
                return violated(format!("{} touches {volume} without having it to itself", open.id));
            }
        }
        let left_over =
            matches!(open.item.verb, Verb::ForceStop | Verb::Reconcile) && matches!(command, Command::Stop { .. });
        if !left_over && command.pairs().iter().any(|pair| pair.source.box_id != array) {
            return violated("a copy is commanded at the box of its source");
        }
        let start = matches!(command, Command::Start { .. });
        let effects = self.truth.of(open.id);
        if start && effects.blind_start {
            return violated(format!("{} repeats a start without having looked", open.id));
        }
        effects.blind_start = start;
        effects.intents = intents;
        for pair in command.pairs() {
            effects.saw_suspended.remove(pair);
        }
        Ok(())
    }

    /// A restore reads a kept generation, and overwrites a volume that it marked, that holds none and that no live session of ours uses.
    fn check_restore(&self, open: &OpenOperation, pair: &Pair) -> Checked {
        let durable = &self.engine.durable;
        let target = pair.target;
        let keeps = |step: &PlanStep| matches!(step, PlanStep::KeepPresentState(keep) if keep.pair == *pair);
        let is_present_state = open.item.steps.iter().any(keeps);
        if is_present_state && !durable.backup_volumes.contains_key(&target) {
            return violated(format!("{} keeps a present state on {target}, which is no backup volume", open.id));
        }
        if !is_present_state {
            self.check_present_state(open, target)?;
        }
        if !is_present_state && durable.generation_on(pair.source).is_none() {
            return violated(format!("{} restores from {}, which holds no generation", open.id, pair.source));
        }
        if durable.generation_on(target).is_some() {
            return violated(format!("{} restores over {target}, which holds a generation", open.id));
        }
        if self.world.blocks(pair.source) != self.world.blocks(target) {
            return violated(format!("{} restores to a volume of another size: {pair:?}", open.id));
        }
        if durable.sessions.get(pair).is_none_or(|mark| mark.operation != Some(open.id)) {
            return violated(format!("{} restores to {target}, which it did not mark as restore-incomplete", open.id));
        }
        Ok(())
    }

    /// A target whose present state was to be kept is untouched until all of that is kept.
    fn check_present_state(&self, open: &OpenOperation, target: VolumeId) -> Checked {
        let keeps = open.item.steps.iter().find_map(|step| match step {
            PlanStep::KeepPresentState(keep) if keep.pair.source == target => Some(keep.pair.target),
            _ => None,
        });
        let Some(spare) = keeps else { return Ok(()) };
        let kept = self.engine.durable.generation_on(spare);
        if kept.is_none_or(|kept| kept.operation != Some(open.id) || !kept.is_before_restore()) {
            return violated(format!("{} overwrites {target}, and its present state is not kept on {spare}", open.id));
        }
        Ok(())
    }

    /// What is said to be restored is there, to the last block, but for what hosts and other programs wrote since.
    fn check_restored(&mut self, volume: VolumeId, version: Version, target: VolumeId) -> Checked {
        self.summary.count("restored");
        let kept = self.engine.durable.generations.get(&(volume, version));
        let Some(source) = kept.map(|generation| generation.backup_volume) else {
            return violated(format!("{version} of {volume} is restored and no longer kept"));
        };
        let written = self.world.sources.contains(&target)
            || [source, target].iter().any(|volume| self.truth.harmed_volumes.contains(volume));
        let pair = Pair::opc(source, target);
        // CCM does not tell a copy that another program ended from one that came to its end.
        let ended_by_others = self.world.ccm.is_some() && self.truth.excused.contains(&pair);
        let same = self.world.arrays.content(target) == self.world.arrays.content(source);
        if !written && !ended_by_others && !same {
            return violated(format!(
                "{version} of {volume} is said to be restored to {target}, which holds something else"
            ));
        }
        Ok(())
    }

    /// Invariants 2, 3, 5, 6 and 7 at the instant that a command acts.
    pub fn check_arriving(&self, wire: &Wire) -> Checked {
        let durable = &self.engine.durable;
        for pair in wire.command.pairs() {
            let session = self.world.arrays.core().session(pair);
            let open = durable.operations.get(&wire.operation);
            let by_name = open.is_some_and(|open| open.item.verb == Verb::Reconcile)
                && matches!(wire.command, Command::Stop { force: true, .. });
            let adopted = durable.sessions.contains_key(pair);
            if !by_name && !adopted && session.is_some_and(|session| session.requestor.raw() != REQUESTOR) {
                return violated(format!("{} touches a session of another program: {pair:?}", wire.operation));
            }
            let makes_destination = matches!(wire.command, Command::Start { .. } | Command::Resume { .. });
            let kept = durable.generations.values().find(|generation| generation.backup_volume == pair.target);
            let acts = match (&wire.command, session.map(|session| session.status)) {
                (Command::Start { .. }, None) => true,
                (Command::Resume { .. }, Some(status)) => status == Status::Suspended,
                _ => false,
            };
            if let Some(kept) = kept.filter(|_| makes_destination && acts) {
                return violated(format!(
                    "{} copies over {} of {}, which is kept",
                    wire.operation, kept.version, kept.transaction_volume
                ));
            }
            let modes = session.and_then(|session| session.modes);
            let torn = modes.is_some_and(|modes| matches!(modes.transfer, TransferMode::Stack | TransferMode::Through));
            let records = durable.operations.get(&wire.operation).is_some_and(|open| open.item.verb == Verb::Backup);
            if torn && records && matches!(wire.command, Command::Suspend { force: false, .. }) {
                return violated(format!("{} backs up a copy whose mode keeps no order: {pair:?}", wire.operation));
            }
            let kind = if pair.source.box_id == pair.target.box_id { CopyKind::Ec } else { CopyKind::Rec };
            if pair.kind != kind && pair.kind != CopyKind::Opc {
                return violated(format!("{pair:?} is not of the kind that fits its boxes"));
            }
        }
        Ok(())
    }

    /// Invariants 3, 4 and 5 for what is kept now and was not before.
    pub fn check_commit(&mut self, before: &Records, commit: &Commit) -> Checked {
        let mut recorded: Vec<(VolumeId, OperationId)> = Vec::new();
        let operation = commit.changes.iter().find_map(|change| match change {
            Change::Journal { operation, .. } | Change::Close { operation, .. } => Some(*operation),
            _ => None,
        });
        let verb = operation.and_then(|id| before.operations.get(&id)).map(|open| open.item.verb);
        for event in &commit.events {
            if let EventKind::Restored { volume, version, target } = event.kind {
                self.check_restored(volume, version, target)?;
            }
        }
        for change in &commit.changes {
            match change {
                Change::Entity(EntityChange::AddGeneration(generation)) if verb == Some(Verb::Reconcile) => {
                    self.check_adopted(generation)?;
                }
                Change::Entity(EntityChange::AddGeneration(generation)) => {
                    self.check_recording(before, generation)?;
                    recorded.extend(generation.operation.map(|id| (generation.transaction_volume, id)));
                    self.summary.generations += 1;
                }
                Change::Entity(EntityChange::ReleaseGeneration { transaction_volume, version, why, .. }) => {
                    let key = (*transaction_volume, *version);
                    let Some(known) = before.generations.get(&key) else {
                        return violated(format!("{version} of {transaction_volume} is given up twice"));
                    };
                    if known.held.is_some() && verb != Some(Verb::GiveBack) {
                        return violated(format!("{version} of {transaction_volume} is held and is given up"));
                    }
                    let reader = before.claims.get(&known.backup_volume).map(|claim| claim.operation);
                    let reader = reader.and_then(|id| before.operations.get(&id));
                    if reader.is_some_and(|open| open.item.verb == Verb::Restore) {
                        return violated(format!(
                            "{version} of {transaction_volume} is given up while a restore reads it"
                        ));
                    }
                    let doubtful = |volume, version| {
                        let backup_volume = before.generations[&(volume, version)].backup_volume;
                        self.truth.harmed_volumes.contains(&backup_volume)
                            || self.truth.excused.iter().any(|pair| pair.target == backup_volume)
                    };
                    check_release(before, (*transaction_volume, *version), *why, operation, verb, &recorded, doubtful)?;
                    let failed = operation.is_some_and(|id| self.truth.of(id).script_failed);
                    if *why == ReleaseReason::Retention && failed {
                        return violated(format!("{version} is given up though what replaces it needs attention"));
                    }
                    if let Some(image) = self.truth.images.remove(&key) {
                        self.truth.released_images.insert(key, image);
                    }
                    self.summary.count(format!("released as {why:?}"));
                }
                Change::Entity(EntityChange::ReinstateGeneration { transaction_volume, version, state, held: _ }) => {
                    self.check_reinstated(before, (*transaction_volume, *version), state)?;
                }
                Change::Entity(EntityChange::SetGenerationState { state, .. }) => {
                    let word = match state {
                        GenerationState::Valid => "valid",
                        GenerationState::InDoubt(_) => "in doubt",
                        GenerationState::NeedsAttention(_) => "needs attention",
                    };
                    self.summary.count(format!("state {word}"));
                }
                Change::Entity(EntityChange::RemoveSession { pair }) if verb == Some(Verb::DeleteGeneration) => {
                    return violated(format!("a deletion forgets the session {pair:?}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Nobody saw how it was made: it is in doubt, and retention never takes it.
    fn check_adopted(&mut self, generation: &Generation) -> Checked {
        let (volume, version) = (generation.transaction_volume, generation.version);
        if generation.held.is_none() || !matches!(generation.state, GenerationState::InDoubt(_)) {
            return violated(format!("{version} of {volume} is adopted, and not held in doubt"));
        }
        let content = self.world.arrays.content(generation.backup_volume).to_vec();
        self.truth.images.insert((volume, version), content);
        self.summary.count("adopted");
        Ok(())
    }

    /// What comes back is what was released, or nobody says that it is good.
    fn check_reinstated(&mut self, before: &Records, key: (VolumeId, Version), state: &GenerationState) -> Checked {
        let of = |released: &&ReleasedGeneration| {
            (released.generation.transaction_volume, released.generation.version) == key
        };
        let Some(released) = before.released.values().find(of) else {
            return violated(format!("{} of {} is reinstated, and nothing of it is left", key.1, key.0));
        };
        let volume = released.generation.backup_volume;
        let Some(image) = self.truth.released_images.remove(&key) else {
            return violated(format!("{} of {} is reinstated, and was not released", key.1, key.0));
        };
        let changed = self.world.arrays.content(volume) != image;
        // A copy of another program that begins and ends between two readings is seen by nobody.
        let by_others = self.truth.excused.iter().any(|pair| pair.target == volume);
        let touched = by_others || self.truth.harmed_volumes.contains(&volume) || self.world.is_altered(volume);
        if changed && !touched {
            return violated(format!("{} of {} is reinstated, and something was copied onto it", key.1, key.0));
        }
        if changed && *state == GenerationState::Valid && !by_others {
            return violated(format!("{} of {} is reinstated as valid, and its bytes are others", key.1, key.0));
        }
        self.summary.count("reinstated");
        // What was changed before its return was judged here; from now on the bytes that came back must stay.
        let now = self.world.arrays.content(volume).to_vec();
        self.truth.images.insert(key, now);
        Ok(())
    }

    /// A generation is what its source was at a suspend that this operation issued, un-forced, and then saw.
    fn check_recording(&mut self, before: &Records, generation: &Generation) -> Checked {
        let of_opc = generation.is_of_one_point_copy();
        let make = if of_opc { Pair::opc } else { Pair::new };
        let pair = make(generation.transaction_volume, generation.backup_volume);
        let Some(id) = generation.operation else { return violated("a generation of no operation") };
        let since = before.operations.get(&id).map(|open| open.started);
        let Some((at, captured)) = self.truth.captured(id, since, &pair) else {
            return violated(format!("{id} records a generation without an un-forced suspend of its own"));
        };
        if !of_opc && !self.truth.of(id).saw_suspended.contains(&pair) {
            return violated(format!("{id} records a generation whose suspend it never saw"));
        }
        // Another program's suspend may have come between the last look and the intent that may have done it.
        let own = self.truth.of(id).captured.contains_key(&pair);
        let mut intents =
            before.operations.get(&id).into_iter().flat_map(|open| open.journal.iter().filter_map(intended));
        let by_intent = !own && intents.any(|intent| intent == generation.taken_at);
        if generation.taken_at > at && !by_intent && !self.truth.clock_was_stepped(id) {
            return violated(format!("{id} dates a generation {} ms after its suspend", generation.taken_at.since(at)));
        }
        if self.world.arrays.content(generation.backup_volume) != captured {
            return violated(format!("{id} records a generation that is not what the source was at the suspend"));
        }
        if !self.world.is_altered(generation.backup_volume) {
            self.truth.harmed_volumes.remove(&generation.backup_volume);
        }
        self.truth.images.insert((generation.transaction_volume, generation.version), captured);
        self.truth.recorded.insert(id);
        Ok(())
    }

    /// What must hold at any time: invariants 1, 2 and 6.
    pub fn check_everything(&self) -> Checked {
        let durable = &self.engine.durable;
        let mut on: BTreeMap<VolumeId, VolumeId> = BTreeMap::new();
        for generation in durable.generations.values() {
            if on.insert(generation.backup_volume, generation.transaction_volume).is_some() {
                return violated(format!("{} holds two generations", generation.backup_volume));
            }
            let key = (generation.transaction_volume, generation.version);
            let image = self.truth.images.get(&key);
            let changed = image.is_some_and(|image| self.world.arrays.content(generation.backup_volume) != image);
            let harmed = self.truth.harmed_volumes.contains(&generation.backup_volume);
            if changed && !harmed {
                return violated(format!("{} of {} is no longer what it was", key.1, key.0));
            }
            let seen = self.truth.harmed.get(&key).copied().unwrap_or_default();
            let lost = changed || self.world.is_altered(generation.backup_volume);
            if lost && seen >= READINGS_TO_DOUBT && generation.state == GenerationState::Valid {
                return violated(format!("{} of {} is valid, and its bytes are others", key.1, key.0));
            }
        }
        let mut in_session: BTreeMap<VolumeId, Pair> = BTreeMap::new();
        for pair in durable.sessions.keys() {
            if let Some(other) = in_session.insert(pair.target, *pair)
                && self.really_in_a_session(&other)
                && self.really_in_a_session(pair)
            {
                return violated(format!("{} is in two sessions", pair.target));
            }
            if on.get(&pair.target).is_some_and(|owner| *owner != pair.source) && self.really_in_a_session(pair) {
                return violated(format!(
                    "{} is in a session of one volume and holds a generation of another",
                    pair.target
                ));
            }
        }
        for session in self.world.arrays.core().sessions().filter(|s| s.requestor.raw() == REQUESTOR) {
            let moves = !matches!(session.status, Status::Suspended | Status::ErrorSuspended);
            let harmed = self.truth.harmed_volumes.contains(&session.pair.target);
            if moves && !harmed && on.contains_key(&session.pair.target) {
                return violated(format!("{} holds a generation and is copied to", session.pair.target));
            }
        }
        // What another program resumed counts for nobody.
        let by_us = |pair: &Pair| !self.truth.harmed_volumes.contains(&pair.target);
        match self.world.sources.iter().find(|source| self.world.live_of(**source, by_us) > 1) {
            Some(source) => violated(format!("{source} has two live sessions of ours")),
            None => Ok(()),
        }
    }

    /// What runs depends on nothing that the newest readings do not know: no unreadable row on a target, no list of sessions that
    /// failed, no unknown direction or mode, no copy into the source.
    pub fn check_known(&self, plan: &Plan) -> Checked {
        for item in plan.items() {
            for step in &item.steps {
                let (pairs, starts, suspends) = match step {
                    PlanStep::StartFull(StartFullStep { pair, .. }) | PlanStep::Resume(ResumeStep { pair, .. }) => {
                        (vec![*pair], true, false)
                    }
                    PlanStep::Suspend(SuspendStep { pairs, force: false }) if item.verb == Verb::Backup => {
                        (pairs.clone(), false, true)
                    }
                    _ => continue,
                };
                for pair in pairs {
                    self.check_pair_is_known(item.verb, &pair, starts, suspends)?;
                }
            }
        }
        Ok(())
    }

    fn check_pair_is_known(&self, verb: Verb, pair: &Pair, starts: bool, suspends: bool) -> Checked {
        let (Some(near), Some(far)) =
            (self.engine.reading(pair.source.box_id), self.engine.reading(pair.target.box_id))
        else {
            return violated(format!("{verb} of {pair:?} runs on a box that was never read"));
        };
        let unknown = |reading: &Reading| reading.unknown_rows.iter().any(|row| row.may_copy_to.contains(&pair.target));
        if starts && (unknown(near) || unknown(far)) {
            return violated(format!("{verb} copies onto {}, which an unreadable row names", pair.target));
        }
        let new = near.look_for(pair).shown().is_none();
        if starts && new && matches!(far.others, Others::Failed { .. }) {
            return violated(format!("{verb} copies onto {}, and the sessions of others were not read", pair.target));
        }
        let inbound = |reading: &Reading| {
            reading
                .sessions
                .iter()
                .any(|session| session.pair.target == pair.source && session.status == Status::Active)
        };
        if inbound(near) {
            return violated(format!("{verb} of {}, into which another copy goes", pair.source));
        }
        let session = near.look_for(pair).shown();
        // A box that gives no direction contradicts nobody: the other half of a REC may give it.
        let of = |reading: &Reading| reading.look_for(pair).shown().map(|session| session.direction_of(pair));
        let direction = of(near).filter(|direction| *direction != Direction::Unknown).or_else(|| of(far)).or(of(near));
        if direction.is_some_and(|direction| direction != Direction::Forward) {
            return violated(format!("{verb} of {pair:?}, whose direction is {direction:?}"));
        }
        if suspends && pair.kind == CopyKind::Rec && session.is_some_and(|session| session.modes.is_none()) {
            return violated(format!("{verb} of {pair:?}, whose mode is not known"));
        }
        Ok(())
    }

    fn really_in_a_session(&self, pair: &Pair) -> bool {
        self.world.arrays.core().session(pair).is_some_and(|session| session.requestor.raw() == REQUESTOR)
    }

    /// A session that the engine made is never shown as another program's.
    pub fn check_whose(&self, snapshot: &Snapshot) -> Checked {
        let by_us = |session: &&SessionView| session.requestor.raw() == REQUESTOR;
        let mut strangers = snapshot.sessions.iter().filter(by_us).filter(|session| !session.ours);
        match strangers.find(|session| !self.truth.excused.contains(&session.pair)) {
            Some(session) => violated(format!("our session {:?} is told as another program's", session.pair)),
            None => Ok(()),
        }
    }

    /// What an operation says of its end is so, and it has let go of everything.
    pub fn check_end(&mut self, open: &OpenOperation, end: &OperationEnd) -> Checked {
        if self.truth.of(open.id).paused && self.bug.is_none() {
            return violated(format!("{} ended and left what its script before the backup paused", open.id));
        }
        let id = open.id;
        if self.engine.durable.operations.contains_key(&id) {
            return violated(format!("{id} ended and is still open in the catalogue"));
        }
        if let Some(claim) = self.engine.durable.claims.values().find(|claim| claim.operation == id) {
            return violated(format!("{id} ended and still holds {}", claim.volume));
        }
        if self.truth.ended.insert(id, end.clone()).is_some() {
            return violated(format!("{id} ended twice"));
        }
        if open.item.verb == Verb::Practice && !matches!(end, OperationEnd::OutcomeUnknown { .. }) {
            let left = self.engine.durable.restores().find(|mark| pairs_of(open).contains(&mark.pair));
            if let Some(mark) = left {
                return violated(format!("{id} ended and its spare {} is not given back", mark.pair.target));
            }
        }
        let effects = self.truth.of(id).clone();
        // What another program undid is as if it had never been.
        let undone = pairs_of(open).iter().any(|pair| self.truth.excused.contains(pair));
        match end {
            OperationEnd::NotDone { code, .. } if effects.acted && !undone => {
                return violated(format!("{id} says that nothing of it happened ({code}), but something did"));
            }
            OperationEnd::OutcomeUnknown { .. } => self.truth.excused.extend(pairs_of(open)),
            // By now another operation may have given it up.
            OperationEnd::Done if open.item.verb == Verb::Backup && !self.truth.recorded.contains(&id) => {
                return violated(format!("{id} is done and recorded no generation"));
            }
            _ => {}
        }
        match open.item.verb {
            Verb::DeleteGeneration if effects.stopped => {
                violated(format!("{id} deletes a generation and ended a session"))
            }
            _ => Ok(()),
        }
    }

    /// After the faults: everything has ended, is told once, and the sessions on the arrays are known.
    pub fn check_at_the_end(&mut self) -> Checked {
        if !self.engine.durable.claims.is_empty() || !self.engine.durable.operations.is_empty() {
            return violated("volumes are still held, and no operation runs");
        }
        let all = EventRange::From { sequence: 1, most: u32::MAX };
        let events = finish(self.engine.catalogue().events(all)).unwrap();
        let links = finish(self.engine.catalogue().links(all)).unwrap();
        let head = finish(self.engine.catalogue().head()).unwrap();
        if !verify(&links, &[head]).is_intact() {
            return violated("the chain of the audit does not verify");
        }
        if let Some(gap) = events.iter().zip(1..).find(|(event, place)| event.sequence != *place) {
            return violated(format!("the audit has a gap before {}", gap.1));
        }
        let mut told: BTreeMap<OperationId, u32> = BTreeMap::new();
        for event in &events {
            if let (EventKind::OperationEnded { .. }, Some(id)) = (&event.event.kind, event.event.operation) {
                *told.entry(id).or_default() += 1;
            }
        }
        for id in (1..self.engine.durable.next_operation).map(OperationId) {
            if told.get(&id) != Some(&1) {
                return violated(format!("the end of {id} is told {:?} times", told.get(&id)));
            }
            if finish(self.engine.catalogue().operation_end(id)).unwrap().is_none() {
                return violated(format!("the catalogue does not know how {id} ended"));
            }
        }
        let readings = self.world.boxes.map(|at| self.world.arrays.core().reading(at, self.now).unwrap());
        let sessions = readings.iter().flat_map(|reading| &reading.sessions);
        // CCM shows a pair through the source's box: a half that only the target's box has left is ended there, by a person.
        let by_ccm = self.world.ccm.is_some();
        let is_left_over = |pair: Pair| {
            let of_source = readings.iter().zip(self.world.boxes).find(|(_, at)| *at == pair.source.box_id);
            of_source.is_some_and(|(reading, _)| reading.sessions.iter().all(|session| session.pair != pair))
        };
        for session in sessions.filter(|session| session.requestor.raw() == REQUESTOR) {
            let known =
                self.engine.durable.sessions.contains_key(&session.pair) || by_ccm && is_left_over(session.pair);
            if !known && !self.truth.excused.contains(&session.pair) {
                return violated(format!("nobody remembers the session {:?}", session.pair));
            }
        }
        if self.bug == Some(Bug::SkipFreshPlan) {
            return Ok(());
        }
        match self.world.arrays.lies().first() {
            Some(lie) => violated(format!("the array believes regions to be the same that differ: {lie:?}")),
            None => Ok(()),
        }
    }
}

fn intended(entry: &JournalEntry) -> Option<Timestamp> {
    match entry {
        JournalEntry::Intent { at, .. } => Some(*at),
        _ => None,
    }
}

/// Retention gives up the oldest, once its own new generation is there and only what is beyond the policy.
fn check_release(
    before: &Records,
    (volume, version): (VolumeId, Version),
    why: ReleaseReason,
    operation: Option<OperationId>,
    verb: Option<Verb>,
    recorded: &[(VolumeId, OperationId)],
    doubtful: impl Fn(VolumeId, Version) -> bool,
) -> Checked {
    match (why, verb) {
        (ReleaseReason::Retention, Some(Verb::Backup | Verb::Snapshot)) => {
            let own = before.generations_of(volume).any(|generation| generation.operation == operation)
                || recorded.iter().any(|(source, id)| *source == volume && Some(*id) == operation);
            if !own {
                return violated(format!("{version} of {volume} is given up before the new generation is there"));
            }
            let sound = |kept: &&Generation| kept.held.is_none() && kept.state == GenerationState::Valid;
            let older = before.generations_of(volume).find(sound).is_some_and(|oldest| oldest.version < version);
            let known_bad = before.generations[&(volume, version)].state != GenerationState::Valid;
            // Doubt about one that goes before older ones is kept a moment later; then it is no history that is shortened.
            if older && !known_bad && !doubtful(volume, version) {
                return violated(format!("{version} of {volume} is given up, and an older one is kept"));
            }
            check_floor(before, volume, version, recorded.iter().any(|(source, _)| *source == volume))?;
            let limit = before.transaction_volumes[&volume].policy.map_or(0, |policy| usize::from(policy.generations));
            if before.generations_of(volume).count() <= limit {
                return violated(format!("{version} of {volume} is given up though the policy keeps it"));
            }
            Ok(())
        }
        // What the policy has let go already is released by the start that takes over its volume.
        (ReleaseReason::Reused, Some(Verb::Start | Verb::Snapshot)) => {
            // Where the oldest one ends before the new one exists, that one counts.
            let policy = before.transaction_volumes[&volume].policy;
            let to_come = policy.is_some_and(|policy| policy.reuse_oldest);
            let limit = policy.map_or(0, |policy| usize::from(policy.generations));
            if before.generations_of(volume).count() + usize::from(to_come) <= limit {
                return violated(format!("{version} of {volume} is given up though the policy keeps it"));
            }
            check_floor(before, volume, version, to_come)
        }
        (ReleaseReason::Deleted, Some(Verb::DeleteGeneration))
        | (ReleaseReason::Overwritten, Some(Verb::Overwrite))
        | (ReleaseReason::Reconciled, Some(Verb::Reconcile | Verb::GiveBack)) => Ok(()),
        (why, verb) => violated(format!("{version} of {volume} is given up as {why:?} by {verb:?}")),
    }
}
