//! The arrays of a home at work: the rules of [`Core`] upon the bytes of the data plane, kept on disk.
//!
//! Every change is tried on a copy of the core first. What the bytes need beforehand is done (a barrier, a new map), then
//! the core is made durable, then it becomes the truth, then the bytes follow (copying, forgetting a map). So a crash at
//! any point leaves a target untouched unless a durable session says that it is copied to.

use super::codes::ArrayCode;
use super::core::{Core, CoreError, TICK_MILLIS, Volume};
use super::data::{Attach, DataError, DataPlane, FileStamp, Flow, POINT_IN_TIME_LOST, Registered, Report, image_in};
use super::disk::Disk;
use super::export::Exports;
use super::faults::{Fault, InjectedFault};
pub use super::persistence::ArraysError;
use super::persistence::{self, Durable, Kept};
use super::rules::{Reply, refuse_all};
use super::sessions::{Session, SessionKey};
use super::troubles::{ArrayProblem, Troubles};
use super::wire::{FORMAT, Work};
use super::workload::Workloads;
use crate::model::copy::{Command, Outcome, PairOutcome};
use crate::model::identity::{BoxId, Olu, VolumeId};
use crate::model::session::{CopyKind, ErrorByte, Pair, Reading, Status};
use crate::model::units::Blocks;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How late the other box of a REC hears of a change.
const REMOTE_DELAY: Duration = Duration::from_millis(TICK_MILLIS as u64);
/// Bytes that formatting writes at once.
const FORMAT_PIECE: u64 = 1 << 20;
/// How long marks and copied regions wait for the next checkpoint.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// All arrays of a home.
pub struct Arrays {
    file: PathBuf,
    disk: Disk,
    place: Option<FileStamp>,
    data: DataPlane,
    core: Mutex<Core>,
    /// Held by whoever changes anything: changes come one after the other.
    changing: Mutex<Change>,
    workloads: Workloads,
    exports: Exports,
    /// What is wrong now, and what happened.
    troubles: Troubles,
    heart: Mutex<Sender<Beat>>,
}

#[derive(Debug, Default)]
struct Change {
    bytes_per_second: Option<u64>,
    stopped: bool,
    /// The file does not say what the core does: a write of it failed. It is tried again.
    unkept: bool,
    /// One-point copies that are through and whose end could not be written. It is tried again.
    unended: BTreeSet<Pair>,
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
            let starts = old.starting.is_some() && session.starting.is_none();
            match (old.status, session.status) {
                // A one-point copy is active before it copies.
                (old, new) if old == new && !starts => {}
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
        Self::open_on(folder, Disk::default())
    }

    /// As [`Arrays::open`], upon a disk that a test may let fail.
    pub(super) fn open_on(folder: &Path, disk: Disk) -> Result<Arc<Self>, ArraysError> {
        let (heart, beats) = channel();
        let said = heart.clone();
        // A report that comes after the end has nobody to hear it.
        let report = Box::new(move |report| drop(said.send(Beat::Said(report))));
        let file = folder.join("arrays.json");
        let mut found = persistence::read(&file)?;
        if let Some(kept) = &mut found {
            end_expansions(folder, &mut kept.core)?;
        }
        let place = FileStamp::of(folder).ok();
        let data = DataPlane::open_registered(folder, &registered(found.as_ref(), place), disk.clone(), report)?;
        let mut kept = match found {
            Some(kept) => kept,
            None => begin(&file, &data, &disk)?,
        };
        let troubles = Troubles::new(set_aside_unknown(&data, &kept.core)?);
        data.set_rate(kept.bytes_per_second, None)?;
        for (volume, block) in kept.core.bad_blocks() {
            data.set_bad_blocks(volume, block * Blocks::BYTES, Blocks::BYTES)?;
        }
        attach_all(&data, &mut kept, place, &troubles)?;
        take_out_bad(&data, &mut kept.core, &troubles)?;
        kept.core.hold_back();
        kept.core.tell_all_again();
        kept.core.sessions().try_for_each(|session| data.go_on(session.pair, flow_of(session)))?;
        // A disk that is full is no reason not to serve what is there.
        troubles.judge(ArrayProblem::Checkpoint, data.checkpoint());
        let changing = Change { bytes_per_second: kept.bytes_per_second, ..Change::default() };
        let arrays = Arc::new(Self {
            file,
            disk,
            place,
            data,
            core: Mutex::new(kept.core),
            changing: Mutex::new(changing),
            workloads: Workloads::default(),
            exports: Exports::default(),
            troubles,
            heart: Mutex::new(heart),
        });
        let life = Arc::downgrade(&arrays);
        let thread = std::thread::Builder::new().name("heart".to_owned());
        thread
            .spawn(move || beat(&life, &beats))
            .map_err(|error| ArraysError::File { path: folder.to_owned(), error })?;
        for (volume, work) in kept.workloads {
            arrays.workloads.start(&arrays, volume, work);
        }
        arrays.keep_core(&mut arrays.changing.lock());
        arrays.beat(Beat::Changed);
        Ok(arrays)
    }

    /// The rules' view, with what may differ as the maps have it now.
    pub fn core(&self) -> MutexGuard<'_, Core> {
        let mut core = self.core.lock();
        core.measure(|pair| self.data.state(*pair).map(|state| state.dirty));
        core
    }

    pub fn data(&self) -> &DataPlane {
        &self.data
    }

    pub fn workloads(&self) -> &Workloads {
        &self.workloads
    }

    /// What people should know.
    pub fn exports(&self) -> &Exports {
        &self.exports
    }

    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    pub fn warn(&self, text: String) {
        self.troubles.warn(text);
    }

    pub fn reading(&self, at: BoxId) -> Result<Reading, CoreError> {
        self.core().reading(at, now())
    }

    /// Carries a command out; when it returns, what it says is durable.
    pub fn execute(&self, at: BoxId, command: &Command, by: &str) -> Reply {
        let mut change = self.changing.lock();
        let fault = self.core.lock().receive(at, command);
        let Ok(fault) = fault else { return Reply::Unreachable };
        if fault.is_some() {
            self.keep_core(&mut change);
        }
        match fault {
            None => Reply::Answered(self.obey(&change, at, command, by)),
            Some(InjectedFault::LateReply { millis }) => Reply::Late(self.obey(&change, at, command, by), millis),
            Some(InjectedFault::Busy) => Reply::Answered(refuse_all(command, ArrayCode::Busy)),
            Some(InjectedFault::Refuse { code }) => Reply::Answered(refuse_all(command, code.code())),
            Some(InjectedFault::LostRequest) => Reply::Silence,
            Some(InjectedFault::LostReply) => {
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
        let refuse = |code| step.pairs().iter().map(|pair| refused(*pair, code)).collect();
        match self.become_true(change, &before, after) {
            Ok(Durable::Yes) => outcomes,
            Ok(Durable::Unknown) => {
                let why = || "the array did it, but does not know whether it would survive a loss of power".to_owned();
                let unknown = |pair: &Pair| PairOutcome { pair: *pair, outcome: Outcome::Unknown { why: why() } };
                step.pairs().iter().map(unknown).collect()
            }
            // Equivalence was lost between the rule and the barrier; nothing happened.
            Err(ArraysError::Data(DataError::NotEquivalent(_))) => refuse(ArrayCode::WrongState),
            Err(ArraysError::Data(DataError::OutOfService { .. })) => refuse(match step {
                Command::Start { .. } | Command::StartOpc { .. } => ArrayCode::VolumeUnfit,
                _ => ArrayCode::ErrorSuspended,
            }),
            Err(error) => {
                self.warn(format!("a command failed: {error}"));
                refuse(ArrayCode::Internal)
            }
        }
    }

    /// Changes the rules' world by hand: boxes, paths, faults.
    pub fn administer<T>(
        &self,
        change: impl FnOnce(&mut Core, &DataPlane) -> Result<T, ArraysError>,
    ) -> Result<T, ArraysError> {
        let turn = self.changing.lock();
        let before = self.core().clone();
        let mut after = before.clone();
        let made = change(&mut after, &self.data).and_then(|answer| {
            self.stamp_all(&mut after);
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
        let turn = self.changing.lock();
        let mut after = self.core().clone();
        let made = change(&mut after, &self.data).and_then(|answer| {
            self.stamp_all(&mut after);
            self.keep(&turn, &after)?;
            *self.core.lock() = after;
            self.beat(Beat::Changed);
            Ok(answer)
        });
        self.tidy(made)
    }

    /// Notes which files the images of new volumes are.
    fn stamp_all(&self, core: &mut Core) {
        let new: Vec<VolumeId> = core.unstamped().collect();
        for id in new {
            core.stamp(id, self.data.stamp(id));
        }
    }

    /// Takes the file that lies in the place of a volume's image as the volume's.
    pub fn accept(&self, id: VolumeId) -> Result<(), ArraysError> {
        let change = self.changing.lock();
        self.core.lock().volume(id)?;
        if self.why_out(id).is_none() {
            return Err(ArraysError::Request(format!("{id} is in service: its image is the one that is registered")));
        }
        let stamp = self.data.accept(id)?;
        let mut after = self.core().clone();
        after.take_out(id);
        after.stamp(id, stamp);
        self.keep(&change, &after)?;
        *self.core.lock() = after;
        self.troubles.end(&ArrayProblem::Volume(id));
        Ok(())
    }

    /// Why a volume is out of service, if it is.
    pub fn why_out(&self, id: VolumeId) -> Option<String> {
        let why = self.data.why_out(id).ok()?;
        if why.is_none() {
            self.troubles.end(&ArrayProblem::Volume(id));
        }
        why
    }

    /// Takes away the images that a change made before it failed.
    fn tidy<T>(&self, made: Result<T, ArraysError>) -> Result<T, ArraysError> {
        if made.is_err() {
            forget_unfinished(&self.data, &self.core.lock())?;
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
        self.core.lock().takes_writes(id)?;
        Ok(self.data.write(id, offset, bytes)?)
    }

    /// A host's read, as far as the rules let one through.
    pub fn read_as_host(&self, id: VolumeId, offset: u64, into: &mut [u8]) -> Result<(), ArraysError> {
        self.core.lock().takes_reads(id)?;
        Ok(self.data.read(id, offset, into)?)
    }

    /// Takes a volume away, with what serves it and, by force, with its sessions.
    pub fn delete(&self, id: VolumeId, force: bool) -> Result<(), ArraysError> {
        if !force && self.core.lock().is_in_no_session(id).is_err_and(|error| error == CoreError::HasSession(id)) {
            return Err(CoreError::HasSessionToEnd(id).into());
        }
        self.workloads.stop(id);
        self.exports.stop(id);
        self.administer(|core, _| Ok(core.delete_volume(id, force)?))?;
        // The durable core knows it no more: its image goes now, or is set aside at the next start.
        Ok(self.data.remove(id)?)
    }

    /// Makes a volume larger that no session knows. The new size counts once the image has it for certain; a crash in between
    /// leaves the one or the other.
    pub fn expand(&self, id: VolumeId, blocks: Blocks) -> Result<(), ArraysError> {
        self.administer(|core, _| Ok(core.begin_expand(id, blocks)?))?;
        let grown = self.data.expand(id, blocks);
        let size = self.data.blocks(id)?;
        self.administer(|core, _| Ok(core.end_expand(id, size)?))?;
        Ok(grown?)
    }

    /// Writes zeros all over a volume that no session knows.
    pub fn format(&self, id: VolumeId) -> Result<(), ArraysError> {
        self.core.lock().is_in_no_session(id)?;
        let (size, zeros) = (self.data.blocks(id)?.bytes(), vec![0; FORMAT_PIECE as usize]);
        let mut at = 0;
        while at < size {
            let piece = (size - at).min(FORMAT_PIECE);
            self.write_as_host(id, at, &zeros[..piece as usize])?;
            at += piece;
        }
        Ok(())
    }

    /// A file's bytes, written into the volume as a host would; tells how many.
    pub fn import(&self, id: VolumeId, file: &Path) -> Result<u64, ArraysError> {
        self.core.lock().takes_writes(id)?;
        Ok(self.data.import(id, file)?)
    }

    pub fn set_rate(&self, bytes_per_second: Option<u64>, pair: Option<Pair>) -> Result<(), ArraysError> {
        let mut change = self.changing.lock();
        self.data.set_rate(bytes_per_second, pair)?;
        if pair.is_none() {
            change.bytes_per_second = bytes_per_second;
        }
        self.keep(&change, &self.core.lock()).map(|_| ())
    }

    /// Starts or ends the host writes that go on at a volume.
    pub fn set_workload(self: &Arc<Self>, volume: VolumeId, work: Option<Work>) -> Result<(), ArraysError> {
        let change = self.changing.lock();
        let size = self.core.lock().volume(volume)?.blocks.bytes();
        if let Some(work) = &work
            && (work.start >= size || work.end > size || (work.end != 0 && work.end <= work.start))
        {
            return Err(ArraysError::Request(format!("a workload's range must lie within the volume's {size} bytes")));
        }
        match work {
            Some(work) => self.workloads.start(self, volume, work),
            None => self.workloads.stop(volume),
        }
        self.keep(&change, &self.core.lock()).map(|_| ())
    }

    /// Serves a volume to hosts on a socket, or ends that.
    pub fn set_export(self: &Arc<Self>, volume: VolumeId, name: String, at: Option<&Path>) -> Result<(), ArraysError> {
        let _turn = self.changing.lock();
        self.core.lock().volume(volume)?;
        match at {
            Some(socket) => self.exports.start(self, volume, name, socket),
            None if self.exports.stop(volume) => Ok(()),
            None => Err(ArraysError::Request(format!("{name} is not exported"))),
        }
    }

    /// Whether anything goes on that needs a process.
    pub fn is_idle(&self) -> bool {
        self.workloads.is_empty() && self.exports.is_empty() && !self.core.lock().has_live_session()
    }

    /// A clean end: workloads and copying stop, everything is durable.
    pub fn shut_down(&self) -> Result<(), ArraysError> {
        let going_on = self.workloads.all();
        self.workloads.stop_all();
        self.exports.stop_all();
        let mut change = self.changing.lock();
        change.stopped = true;
        self.beat(Beat::Stop);
        let saved = self.data.checkpoint();
        let written = self.write(&change, &self.core.lock(), going_on, saved.is_ok());
        saved?;
        written.map(|_| ())
    }

    /// Makes a changed core the truth, and the bytes follow it. After the core is written there is no way back.
    fn become_true(&self, change: &Change, before: &Core, after: Core) -> Result<Durable, ArraysError> {
        let moves = Moves::between(before, &after);
        let written = self.prepare(before, &moves).and_then(|()| self.keep(change, &after)).inspect_err(|_| {
            self.undo(&moves);
        })?;
        let going = moves.begun.iter().chain(&moves.resumed).filter_map(|pair| after.session(pair));
        let going: Vec<(Pair, Flow)> = going.map(|session| (session.pair, flow_of(session))).collect();
        *self.core.lock() = after;
        let turned = moves.turned.iter().map(|(pair, reversed)| self.data.turn(*pair, *reversed));
        let run = going.into_iter().map(|(pair, flow)| self.data.go_on(pair, flow));
        let ended = moves.ended.iter().map(|pair| self.data.detach(*pair));
        for failed in turned.chain(run).chain(ended).filter_map(Result::err) {
            self.warn(format!("what a command did to the bytes was not all done: {failed}"));
        }
        self.beat(Beat::Changed);
        Ok(written)
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
        for pair in &moves.resumed {
            self.data.verify(*pair)?;
        }
        Ok(())
    }

    /// What was prepared goes back; a session that failed meanwhile has nothing to go back to.
    fn undo(&self, moves: &Moves) {
        for pair in &moves.begun {
            let _ = self.data.detach(*pair);
        }
        let core = self.core.lock().clone();
        for pair in moves.suspended.iter().chain(&moves.stopped_in_place) {
            if let Some(session) = core.session(pair) {
                let _ = self.data.go_on(*pair, flow_of(session));
            }
        }
    }

    fn keep(&self, change: &Change, core: &Core) -> Result<Durable, ArraysError> {
        if change.stopped {
            return Err(ArraysError::Request("the embedded array is ending".to_owned()));
        }
        self.write(change, core, self.workloads.all(), false)
    }

    /// Keeps what has happened by itself; where that fails it is tried again.
    fn keep_core(&self, change: &mut Change) {
        let core = self.core.lock().clone();
        change.unkept = self.keep(change, &core).is_err();
    }

    fn write(
        &self,
        change: &Change,
        core: &Core,
        workloads: BTreeMap<VolumeId, Work>,
        clean: bool,
    ) -> Result<Durable, ArraysError> {
        let (bytes_per_second, core, place) = (change.bytes_per_second, core.clone(), self.place);
        let kept = Kept { format: FORMAT, core, bytes_per_second, workloads, place, clean };
        let written = persistence::write(&self.file, &kept, &self.disk);
        self.troubles.judge(ArrayProblem::State, written.as_ref().map(|_| ()));
        written
    }

    /// The heart may be gone: then all is over anyway.
    fn beat(&self, beat: Beat) {
        let _ = self.heart.lock().send(beat);
    }

    /// Time acts: remote boxes hear, and what was accepted is done.
    fn tick(&self) {
        let turn = self.changing.lock();
        self.core().tick();
        if let Err(error) = self.end_due(&turn, Core::suspends_are_due, Core::end_suspends) {
            self.warn(format!("a suspend that was accepted could not be done: {error}"));
            self.core.lock().give_suspends_up();
        }
        // Where it cannot be made durable now, the next tick tries again.
        if let Err(error) = self.end_due(&turn, Core::starts_or_stops_are_due, Core::end_starts_and_stops) {
            tracing::warn!("a start or a stop that was accepted could not be done yet: {error}");
        }
    }

    /// Ends what was accepted and is due, if anything is.
    fn end_due(&self, change: &Change, is_due: fn(&Core) -> bool, end: fn(&mut Core)) -> Result<(), ArraysError> {
        if !is_due(&self.core.lock()) {
            return Ok(());
        }
        let before = self.core().clone();
        let mut after = before.clone();
        end(&mut after);
        self.become_true(change, &before, after).map(|_| ())
    }

    /// Copies that waited for the one into their source, and are the same now.
    fn let_go(&self) {
        let held = self.core.lock().let_go();
        if held.is_empty() {
            return;
        }
        let _turn = self.changing.lock();
        for pair in held {
            let same = self.data.state(pair).is_some_and(|state| state.dirty.0 == 0 && state.flow == Flow::Running);
            if same {
                self.core().became_equivalent(&pair);
            }
        }
    }

    /// What the data plane says becomes what the rules know.
    fn heed(&self, report: Report) {
        let mut turn = self.changing.lock();
        match report {
            Report::Equivalent(pair) if pair.kind == CopyKind::Opc => {
                if let Err(error) = self.end_copy(&turn, pair) {
                    self.warn(format!("the copy of {} to {} could not be ended: {error}", pair.source, pair.target));
                    turn.unended.insert(pair);
                }
            }
            Report::Equivalent(pair) => {
                let still = self.data.state(pair).is_some_and(|state| state.dirty.0 == 0);
                if still {
                    self.core().became_equivalent(&pair);
                }
            }
            Report::Healed(volume) => {
                self.core().healed(volume, |block| self.data.is_bad(volume, block * Blocks::BYTES).unwrap_or(false));
                self.keep_core(&mut turn);
            }
            Report::OutOfService { volume, why } => {
                self.troubles.begin(ArrayProblem::Volume(volume), out_of_service(volume, &why));
                self.core().take_out(volume);
                self.keep_core(&mut turn);
            }
            Report::Failed { pair, error, detail } => {
                self.warn(format!("the copy of {} to {} failed: {detail}", pair.source, pair.target));
                self.core().gave_up(&pair, ErrorByte(error));
                self.keep_core(&mut turn);
            }
        }
    }

    /// A one-point copy is through: its session ends once the target is durable.
    fn end_copy(&self, change: &Change, pair: Pair) -> Result<(), ArraysError> {
        // The report may be about an earlier copy of this pair.
        if self.data.state(pair).is_none_or(|state| state.dirty.0 > 0) {
            return Ok(());
        }
        self.data.verify(pair)?;
        self.data.secure(pair)?;
        let before = self.core().clone();
        let mut after = before.clone();
        after.became_equivalent(&pair);
        self.become_true(change, &before, after).map(|_| ())
    }

    /// What is done every few seconds while anything goes on: maps and, where it failed before, the core are written.
    pub(super) fn save(&self) {
        self.troubles.judge(ArrayProblem::Checkpoint, self.data.checkpoint());
        let mut change = self.changing.lock();
        if change.stopped {
            return;
        }
        if change.unkept {
            self.keep_core(&mut change);
        }
        for pair in change.unended.clone() {
            if self.end_copy(&change, pair).is_ok() {
                change.unended.remove(&pair);
            }
        }
    }

    fn wants_saving(&self) -> bool {
        self.is_copying()
            || self.data.wants_checkpoint()
            || !self.workloads.is_empty()
            || self.troubles.has(&ArrayProblem::Checkpoint)
            || self.changing.lock().unkept
    }

    fn is_copying(&self) -> bool {
        self.core.lock().sessions().any(Session::is_copying)
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
            arrays.tick();
        }
        arrays.let_go();
        if checkpoint_due.is_some_and(|due| due <= now) {
            checkpoint_due = None;
            arrays.save();
        }
        if tick_due.is_none() && arrays.core.lock().wants_tick() {
            tick_due = Some(now + REMOTE_DELAY);
        }
        if checkpoint_due.is_none() && arrays.wants_saving() {
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
        core.gave_up(pair, ErrorByte(POINT_IN_TIME_LOST));
        format!(
            "what the one-point copy of {source} to {target} had copied was lost: it cannot continue, start it again"
        )
    } else {
        format!("the map of {source} to {target} was lost: all of it counts as changed")
    };
    tracing::warn!("{text}");
    text
}

fn refused(pair: Pair, code: ArrayCode) -> PairOutcome {
    PairOutcome { pair, outcome: Outcome::Refused(code.refusal()) }
}

/// The volumes that a home has, each with the file that its image was. In another place all files are other ones.
fn registered(kept: Option<&Kept>, place: Option<FileStamp>) -> BTreeMap<VolumeId, Registered> {
    let Some(kept) = kept else { return BTreeMap::new() };
    let same = place.is_some() && kept.place == place;
    let volumes = kept.core.boxes().flat_map(|(box_id, cabinet)| {
        let one = move |(olu, volume): (&Olu, &Volume)| {
            let known = Registered { blocks: volume.blocks, stamp: volume.image.filter(|_| same) };
            (VolumeId { box_id, olu: *olu }, known)
        };
        cabinet.volumes.iter().map(one)
    });
    volumes.collect()
}

/// How a session's bytes flow as the rules have it. What is reserved copies nothing; a one-point copy that is readying holds
/// its moment.
fn flow_of(session: &Session) -> Flow {
    match (session.status, session.starting) {
        (Status::Active, None) => Flow::Running,
        (Status::Active, Some(_)) => Flow::Holding,
        _ => Flow::Tracking,
    }
}

/// Expansions that a crash cut short: what size the image has is the volume's.
fn end_expansions(folder: &Path, core: &mut Core) -> Result<(), CoreError> {
    for id in core.growing() {
        let bytes = std::fs::metadata(image_in(folder, id)).map_or(0, |image| image.len());
        core.end_expand(id, Blocks(bytes / Blocks::BYTES))?;
    }
    Ok(())
}

/// Makes all sessions known, still. All of them are before one of them copies: a target may be the source of others.
fn attach_all(
    data: &DataPlane,
    kept: &mut Kept,
    place: Option<FileStamp>,
    troubles: &Troubles,
) -> Result<(), ArraysError> {
    // A home that was copied while its arrays ran: maps and images are of different moments.
    let torn = kept.place.is_some() && kept.place != place && !kept.clean;
    let sessions: Vec<_> = kept.core.sessions().map(|session| (session.pair, session.reversed)).collect();
    for (pair, reversed) in &sessions {
        let found = data.attach(*pair, Attach::Stored, Flow::Tracking)?;
        if *reversed {
            data.turn(*pair, true)?;
        }
        if torn && pair.kind != CopyKind::Opc {
            let size = data.blocks(pair.source)?.bytes();
            troubles.judge(ArrayProblem::Checkpoint, data.mark_dirty(*pair, 0, size));
        }
        if found.map_lost || torn {
            troubles.warn(lost(&mut kept.core, pair));
        }
        let dirty = data.state(*pair).map_or(found.dirty, |state| state.dirty);
        kept.core.go_on(pair, dirty);
    }
    Ok(())
}

/// Volumes whose images do not pass: none of their sessions goes on.
fn take_out_bad(data: &DataPlane, core: &mut Core, troubles: &Troubles) -> Result<(), ArraysError> {
    let volumes: Vec<VolumeId> = core.volume_ids().collect();
    for id in volumes {
        match data.why_out(id)? {
            Some(why) => {
                core.take_out(id);
                troubles.begin(ArrayProblem::Volume(id), out_of_service(id, &why));
            }
            None => core.stamp(id, data.stamp(id)),
        }
    }
    Ok(())
}

fn out_of_service(volume: VolumeId, why: &str) -> String {
    format!(
        "{volume} is out of service: {why}. Put the right file back, or run `ecdeck array accept {volume}` to continue with the          file that is there"
    )
}

/// Begins with no arrays. The file is there from then on: where it is missing beside images, it was lost.
fn begin(file: &Path, data: &DataPlane, disk: &Disk) -> Result<Kept, ArraysError> {
    let images = data.volumes().len();
    if images > 0 {
        return Err(ArraysError::Lost { path: file.to_owned(), images });
    }
    let kept = Kept { format: FORMAT, ..Kept::default() };
    persistence::write(file, &kept, disk)?;
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
pub use crate::process::clock::now;
