//! The arrays of a home at work: the rules of [`Core`] upon the bytes of the data plane, kept on disk.
//!
//! Every change is tried on a copy of the core first. What the bytes need beforehand is done (a barrier, a new map), then
//! the core is made durable, then it becomes the truth, then the bytes follow (copying, forgetting a map). So a crash at
//! any point leaves a target untouched unless a durable session says that it is copied to.

use super::codes::ArrayCode;
use super::core::{Core, CoreError};
use super::data::{Attach, DataError, DataPlane, Flow, MOMENT_LOST, Report};
use super::faults::{Fault, Mishap};
pub use super::kept::ArraysError;
use super::kept::{self, Kept};
use super::rules::Reply;
use super::sessions::SessionKey;
use super::wire::{FORMAT, Work};
use super::workload::Workloads;
use crate::model::copy::{Command, Outcome, PairOutcome};
use crate::model::identity::{BoxId, VolumeId};
use crate::model::session::{CopyKind, ErrorByte, Pair, Reading, Status};
use crate::model::units::{Blocks, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How late the other box of a REC hears of a change.
const REMOTE_DELAY: Duration = Duration::from_millis(250);
/// How long marks and copied regions wait for the next checkpoint.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);
/// Warnings that are kept for people to read.
const MOST_WARNINGS: usize = 100;

/// All arrays of a home.
pub struct Arrays {
    file: PathBuf,
    data: DataPlane,
    core: Mutex<Core>,
    /// Held by whoever changes anything: changes come one after the other.
    changing: Mutex<Change>,
    workloads: Workloads,
    warnings: Mutex<Vec<String>>,
    heart: Mutex<Sender<Beat>>,
}

#[derive(Debug, Default)]
struct Change {
    bytes_per_second: Option<u64>,
    stopped: bool,
}

enum Beat {
    Said(Report),
    Changed,
    Stop,
}

/// What a change of the core means for the bytes.
#[derive(Debug, Default)]
struct Moves {
    begun: Vec<Pair>,
    resumed: Vec<Pair>,
    suspended: Vec<Pair>,
    stopped_in_place: Vec<Pair>,
    /// And whether they flow backwards now.
    turned: Vec<(Pair, bool)>,
    ended: Vec<Pair>,
}

impl Moves {
    fn between(before: &Core, after: &Core) -> Self {
        let mut moves = Self::default();
        for session in after.sessions() {
            let Some(old) = before.session_by_key(session.key) else {
                moves.begun.push(session.pair);
                continue;
            };
            if old.reversed != session.reversed {
                moves.turned.push((session.pair, session.reversed));
            }
            match (old.status, session.status) {
                (old, new) if old == new => {}
                (_, Status::Active) => moves.resumed.push(session.pair),
                (_, Status::Suspended) => moves.suspended.push(session.pair),
                _ => moves.stopped_in_place.push(session.pair),
            }
        }
        let gone = |key: SessionKey| after.session_by_key(key).is_none();
        moves.ended = before.sessions().filter(|session| gone(session.key)).map(|session| session.pair).collect();
        moves
    }
}

impl Arrays {
    /// Opens the arrays of a folder, or begins with none. Sessions go on where the durable maps say.
    pub fn open(folder: &Path) -> Result<Arc<Self>, ArraysError> {
        let (heart, beats) = channel();
        let said = heart.clone();
        // A report that comes after the end has nobody to hear it.
        let report = Box::new(move |report| drop(said.send(Beat::Said(report))));
        let data = DataPlane::open(folder, report)?;
        let file = folder.join("arrays.json");
        let mut kept = match kept::read(&file)? {
            Some(kept) => kept,
            None => begin(&file, &data)?,
        };
        let mut warnings = set_aside_unknown(&data, &kept.core)?;
        data.set_rate(kept.bytes_per_second, None)?;
        for (volume, block) in kept.core.bad_blocks() {
            data.set_bad_blocks(volume, block * Blocks::BYTES, Blocks::BYTES)?;
        }
        // All are known before one of them copies: a target may be the source of others.
        let sessions: Vec<_> = kept.core.sessions().map(|session| (session.pair, session.reversed)).collect();
        for (pair, reversed) in &sessions {
            let found = data.attach(*pair, Attach::Stored, Flow::Tracking)?;
            if *reversed {
                data.turn(*pair, true)?;
            }
            if found.map_lost {
                warnings.push(lost(&mut kept.core, pair));
            }
            kept.core.go_on(pair, found.dirty);
        }
        kept.core.tell_all_again();
        let active = kept.core.sessions().filter(|session| session.status == Status::Active);
        active.map(|session| session.pair).try_for_each(|pair| data.run(pair))?;
        data.checkpoint()?;
        let changing = Change { bytes_per_second: kept.bytes_per_second, stopped: false };
        let arrays = Arc::new(Self {
            file,
            data,
            core: Mutex::new(kept.core),
            changing: Mutex::new(changing),
            workloads: Workloads::default(),
            warnings: Mutex::new(warnings),
            heart: Mutex::new(heart),
        });
        let life = Arc::downgrade(&arrays);
        let thread = std::thread::Builder::new().name("heart".to_owned());
        thread
            .spawn(move || beat(&life, &beats))
            .map_err(|error| ArraysError::File { path: folder.to_owned(), error })?;
        arrays.beat(Beat::Changed);
        for (volume, work) in kept.workloads {
            arrays.workloads.start(&arrays, volume, work);
        }
        Ok(arrays)
    }

    /// The rules' view, with what may differ as the maps have it now.
    pub fn core(&self) -> MutexGuard<'_, Core> {
        let mut core = held(&self.core);
        core.measure(|pair| self.data.state(*pair).map(|state| state.dirty));
        core
    }

    pub fn data(&self) -> &DataPlane {
        &self.data
    }

    pub fn workloads(&self) -> &Workloads {
        &self.workloads
    }

    pub fn warnings(&self) -> Vec<String> {
        held(&self.warnings).clone()
    }

    pub fn warn(&self, text: String) {
        let mut warnings = held(&self.warnings);
        if warnings.len() < MOST_WARNINGS && !warnings.contains(&text) {
            tracing::warn!("{text}");
            warnings.push(text);
        }
    }

    pub fn reading(&self, at: BoxId) -> Result<Reading, CoreError> {
        self.core().reading(at, now())
    }

    /// Carries a command out; when it returns, what it says is durable.
    pub fn execute(&self, at: BoxId, command: &Command, by: &str) -> Reply {
        let change = held(&self.changing);
        let mishap = held(&self.core).receive(at);
        let Ok(mishap) = mishap else { return Reply::Unreachable };
        if mishap.is_some()
            && let Err(error) = self.keep(&change, &held(&self.core))
        {
            self.warn(format!("the state of the arrays could not be written: {error}"));
        }
        let refuse_all = |code| command.pairs().iter().map(|pair| refused(*pair, code)).collect();
        match mishap {
            None => Reply::Answered(self.obey(&change, at, command, by)),
            Some(Mishap::LateReply { millis }) => Reply::Late(self.obey(&change, at, command, by), millis),
            Some(Mishap::Busy) => Reply::Answered(refuse_all(ArrayCode::Busy)),
            Some(Mishap::LostRequest) => Reply::Silence,
            Some(Mishap::LostReply) => {
                self.obey(&change, at, command, by);
                Reply::Silence
            }
        }
    }

    fn obey(&self, change: &Change, at: BoxId, command: &Command, by: &str) -> Vec<PairOutcome> {
        each_by_itself(command).iter().flat_map(|step| self.obey_one(change, at, step, by)).collect()
    }

    fn obey_one(&self, change: &Change, at: BoxId, step: &Command, by: &str) -> Vec<PairOutcome> {
        let before = self.core().clone();
        let mut after = before.clone();
        let outcomes = after.obey(at, step, by, now());
        match self.become_true(change, &before, after) {
            Ok(()) => outcomes,
            // Equivalence was lost between the rule and the barrier; nothing happened.
            Err(ArraysError::Data(DataError::NotEquivalent(_))) => {
                step.pairs().iter().map(|pair| refused(*pair, ArrayCode::WrongState)).collect()
            }
            Err(error) => {
                self.warn(format!("a command failed: {error}"));
                step.pairs().iter().map(|pair| refused(*pair, ArrayCode::Internal)).collect()
            }
        }
    }

    /// Changes the rules' world by hand: boxes, paths, faults.
    pub fn administer<T>(
        &self,
        change: impl FnOnce(&mut Core, &DataPlane) -> Result<T, ArraysError>,
    ) -> Result<T, ArraysError> {
        let turn = held(&self.changing);
        let before = self.core().clone();
        let mut after = before.clone();
        let made = change(&mut after, &self.data).and_then(|answer| {
            self.become_true(&turn, &before, after)?;
            Ok(answer)
        });
        self.tidy(made)
    }

    /// As [`Arrays::administer`], for what is done to the bytes by the caller: nothing is derived from the difference.
    pub fn provision<T>(
        &self,
        change: impl FnOnce(&mut Core, &DataPlane) -> Result<T, ArraysError>,
    ) -> Result<T, ArraysError> {
        let turn = held(&self.changing);
        let mut after = self.core().clone();
        let made = change(&mut after, &self.data).and_then(|answer| {
            self.keep(&turn, &after)?;
            *held(&self.core) = after;
            self.beat(Beat::Changed);
            Ok(answer)
        });
        self.tidy(made)
    }

    /// Takes away the images that a change made before it failed.
    fn tidy<T>(&self, made: Result<T, ArraysError>) -> Result<T, ArraysError> {
        if made.is_err() {
            forget_unfinished(&self.data, &held(&self.core))?;
        }
        made
    }

    pub fn inject(&self, at: BoxId, fault: Fault) -> Result<(), ArraysError> {
        self.administer(|core, data| {
            match &fault {
                Fault::BadBlock { volume, block } => {
                    data.set_bad_blocks(*volume, block * Blocks::BYTES, Blocks::BYTES)?;
                }
                Fault::Clear => {
                    for volume in core.volumes_of(at)? {
                        data.heal(volume.id)?;
                    }
                }
                _ => {}
            }
            Ok(core.inject(at, fault)?)
        })
    }

    /// A host's write, as far as the rules let one through.
    pub fn write_as_host(&self, id: VolumeId, offset: u64, bytes: &[u8]) -> Result<(), ArraysError> {
        held(&self.core).takes_writes(id)?;
        Ok(self.data.write(id, offset, bytes)?)
    }

    /// A file's bytes, written into the volume as a host would; tells how many.
    pub fn import(&self, id: VolumeId, file: &Path) -> Result<u64, ArraysError> {
        held(&self.core).takes_writes(id)?;
        Ok(self.data.import(id, file)?)
    }

    pub fn set_rate(&self, bytes_per_second: Option<u64>, pair: Option<Pair>) -> Result<(), ArraysError> {
        let mut change = held(&self.changing);
        self.data.set_rate(bytes_per_second, pair)?;
        if pair.is_none() {
            change.bytes_per_second = bytes_per_second;
        }
        self.keep(&change, &held(&self.core))
    }

    /// Starts or ends the host writes that go on at a volume.
    pub fn set_workload(self: &Arc<Self>, volume: VolumeId, work: Option<Work>) -> Result<(), ArraysError> {
        let change = held(&self.changing);
        let size = held(&self.core).volume(volume)?.blocks.bytes();
        if let Some(work) = &work
            && (work.start >= size || work.end > size || (work.end != 0 && work.end <= work.start))
        {
            return Err(ArraysError::Request(format!("a workload's range must lie within the volume's {size} bytes")));
        }
        match work {
            Some(work) => self.workloads.start(self, volume, work),
            None => self.workloads.stop(volume),
        }
        self.keep(&change, &held(&self.core))
    }

    /// Whether anything goes on that needs a process.
    pub fn is_idle(&self) -> bool {
        self.workloads.is_empty() && !held(&self.core).has_live_session()
    }

    /// A clean end: workloads and copying stop, everything is durable.
    pub fn shut_down(&self) -> Result<(), ArraysError> {
        let going_on = self.workloads.all();
        self.workloads.stop_all();
        let mut change = held(&self.changing);
        change.stopped = true;
        self.beat(Beat::Stop);
        self.data.checkpoint()?;
        self.write(&change, &held(&self.core), going_on)
    }

    /// Makes a changed core the truth, and the bytes follow it.
    fn become_true(&self, change: &Change, before: &Core, after: Core) -> Result<(), ArraysError> {
        let moves = Moves::between(before, &after);
        if let Err(error) = self.prepare(before, &moves).and_then(|()| self.keep(change, &after)) {
            self.undo(&moves);
            return Err(error);
        }
        *held(&self.core) = after;
        for (pair, reversed) in &moves.turned {
            self.data.turn(*pair, *reversed)?;
        }
        for pair in moves.begun.iter().chain(&moves.resumed) {
            self.data.run(*pair)?;
        }
        for pair in moves.ended {
            self.data.detach(pair)?;
        }
        self.beat(Beat::Changed);
        Ok(())
    }

    fn prepare(&self, before: &Core, moves: &Moves) -> Result<(), ArraysError> {
        if !moves.suspended.is_empty() {
            let equivalent =
                |pair: &Pair| before.session(pair).is_some_and(|session| session.reading().is_equivalent());
            let force = !moves.suspended.iter().all(equivalent);
            self.data.suspend(&moves.suspended, force)?;
        }
        for pair in &moves.stopped_in_place {
            self.data.track(*pair)?;
        }
        for pair in &moves.begun {
            self.data.attach(*pair, Attach::Full, Flow::Tracking)?;
        }
        Ok(())
    }

    /// What was prepared goes back; a session that failed meanwhile has nothing to go back to.
    fn undo(&self, moves: &Moves) {
        for pair in &moves.begun {
            let _ = self.data.detach(*pair);
        }
        let core = held(&self.core).clone();
        for pair in moves.suspended.iter().chain(&moves.stopped_in_place) {
            if core.session(pair).is_some_and(|session| session.status == Status::Active) {
                let _ = self.data.run(*pair);
            }
        }
    }

    fn keep(&self, change: &Change, core: &Core) -> Result<(), ArraysError> {
        if change.stopped {
            return Err(ArraysError::Request("the embedded array is ending".to_owned()));
        }
        self.write(change, core, self.workloads.all())
    }

    fn write(&self, change: &Change, core: &Core, workloads: BTreeMap<VolumeId, Work>) -> Result<(), ArraysError> {
        let bytes_per_second = change.bytes_per_second;
        kept::write(&self.file, &Kept { format: FORMAT, core: core.clone(), bytes_per_second, workloads })
    }

    /// The heart may be gone: then all is over anyway.
    fn beat(&self, beat: Beat) {
        let _ = held(&self.heart).send(beat);
    }

    /// What the data plane says becomes what the rules know.
    fn heed(&self, report: Report) {
        let turn = held(&self.changing);
        match report {
            Report::Equivalent(pair) if pair.kind == CopyKind::Opc => {
                if let Err(error) = self.end_copy(&turn, pair) {
                    self.warn(format!("the copy of {} to {} could not be ended: {error}", pair.source, pair.target));
                }
            }
            Report::Equivalent(pair) => {
                let still = self.data.state(pair).is_some_and(|state| state.dirty.0 == 0);
                if still {
                    self.core().became_equivalent(&pair);
                }
            }
            Report::Healed(volume) => {
                let core = {
                    let mut core = self.core();
                    core.healed(volume, |block| self.data.is_bad(volume, block * Blocks::BYTES).unwrap_or(false));
                    core.clone()
                };
                if let Err(error) = self.keep(&turn, &core) {
                    self.warn(format!("the state of the arrays could not be written: {error}"));
                }
            }
            Report::Failed { pair, error, detail } => {
                self.warn(format!("the copy of {} to {} failed: {detail}", pair.source, pair.target));
                let core = {
                    let mut core = self.core();
                    core.gave_up(&pair, ErrorByte(error));
                    core.clone()
                };
                if let Err(error) = self.keep(&turn, &core) {
                    self.warn(format!("the state of the arrays could not be written: {error}"));
                }
            }
        }
    }

    /// A one-point copy is through: its session ends once the target is durable.
    fn end_copy(&self, change: &Change, pair: Pair) -> Result<(), ArraysError> {
        // The report may be about an earlier copy of this pair.
        if self.data.state(pair).is_none_or(|state| state.dirty.0 > 0) {
            return Ok(());
        }
        self.data.secure(pair)?;
        let before = self.core().clone();
        let mut after = before.clone();
        after.became_equivalent(&pair);
        self.become_true(change, &before, after)
    }

    fn is_copying(&self) -> bool {
        held(&self.core).sessions().any(super::sessions::Session::is_copying)
    }
}

/// The heart: hears the data plane, lets remote boxes hear, and writes checkpoints. It sleeps when nothing is to be done.
fn beat(arrays: &Weak<Arrays>, beats: &Receiver<Beat>) {
    let mut checkpoint_due: Option<Instant> = None;
    let mut tick_due: Option<Instant> = None;
    loop {
        let due = [checkpoint_due, tick_due].into_iter().flatten().min();
        let beat = match due {
            None => beats.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => beats.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        let Some(arrays) = arrays.upgrade() else { return };
        match beat {
            Ok(Beat::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Beat::Said(report)) => arrays.heed(report),
            Ok(Beat::Changed) | Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        if tick_due.is_some_and(|due| due <= now) {
            tick_due = None;
            let _turn = held(&arrays.changing);
            arrays.core().tick();
        }
        if checkpoint_due.is_some_and(|due| due <= now) {
            checkpoint_due = None;
            if let Err(error) = arrays.data.checkpoint() {
                arrays.warn(format!("a checkpoint failed: {error}"));
            }
        }
        if tick_due.is_none() && held(&arrays.core).wants_tick() {
            tick_due = Some(now + REMOTE_DELAY);
        }
        let wanted = arrays.is_copying() || arrays.data.wants_checkpoint() || !arrays.workloads.is_empty();
        if checkpoint_due.is_none() && wanted {
            checkpoint_due = Some(now + CHECKPOINT_EVERY);
        }
    }
}

/// A suspend at one instant is one step; everything else goes pair by pair, each with its own outcome.
fn each_by_itself(command: &Command) -> Vec<Command> {
    let one = |pair: &Pair| {
        let pairs = vec![*pair];
        match command {
            Command::Start { modes, .. } => Command::Start { pairs, modes: *modes },
            Command::Resume { .. } => Command::Resume { pairs },
            Command::Suspend { force, .. } => Command::Suspend { pairs, force: *force, together: false },
            Command::Stop { force, .. } => Command::Stop { pairs, force: *force },
            Command::Reverse { .. } => Command::Reverse { pairs },
            Command::ChangeMode { modes, .. } => Command::ChangeMode { pairs, modes: *modes },
            Command::StartOpc { .. } => Command::StartOpc { pairs },
        }
    };
    match command {
        Command::Suspend { together: true, .. } => vec![command.clone()],
        _ => command.pairs().iter().map(one).collect(),
    }
}

/// A map that cannot be used: an EC or REC copies everything, a one-point copy has lost its moment. In words for people.
fn lost(core: &mut Core, pair: &Pair) -> String {
    let (source, target) = (pair.source, pair.target);
    let text = if pair.kind == CopyKind::Opc {
        core.gave_up(pair, ErrorByte(MOMENT_LOST));
        format!("what the one-point copy of {source} to {target} had copied was lost: it cannot go on, start it again")
    } else {
        format!("the map of {source} to {target} was lost: all of it counts as changed")
    };
    tracing::warn!("{text}");
    text
}

fn refused(pair: Pair, code: ArrayCode) -> PairOutcome {
    PairOutcome { pair, outcome: Outcome::Refused(code.refusal()) }
}

/// Begins with no arrays. The file is there from then on: where it is missing beside images, it was lost.
fn begin(file: &Path, data: &DataPlane) -> Result<Kept, ArraysError> {
    let images = data.volumes().len();
    if images > 0 {
        return Err(ArraysError::Lost { path: file.to_owned(), images });
    }
    let kept = Kept { format: FORMAT, ..Kept::default() };
    kept::write(file, &kept)?;
    Ok(kept)
}

/// Images that the durable core does not know: of volumes that were never finished, or of an older file that was put back.
/// Nothing tells which, so their bytes are kept, out of the way.
fn set_aside_unknown(data: &DataPlane, core: &Core) -> Result<Vec<String>, ArraysError> {
    let volumes = data.volumes();
    let unknown = volumes.iter().filter(|(id, _)| core.volume(*id).is_err());
    let set_aside = |(id, _): &(VolumeId, Blocks)| {
        let place = data.set_aside(*id)?;
        Ok(format!("{id} is no volume here: its image is now {}; delete it if nobody misses it", place.display()))
    };
    unknown.map(set_aside).collect()
}

/// What a change made before it failed was never acknowledged.
fn forget_unfinished(data: &DataPlane, core: &Core) -> Result<(), ArraysError> {
    for (id, _) in data.volumes() {
        if core.volume(id).is_err() {
            data.remove(id)?;
        }
    }
    Ok(())
}

/// The array's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Locks as if no holder could panic: none of them leaves anything half done behind.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
