//! What is outside the engine: arrays with real contents, commands on their way, hosts that write.

use super::by_ccm::Ccm;
use super::engine::LIMITS;
use ecdeck::driver::emulated::admin::{Setting, SettingsChange};
use ecdeck::driver::emulated::core::{RecBuffer, TICK_MILLIS, capabilities};
use ecdeck::driver::emulated::faults::Fault;
use ecdeck::driver::emulated::rules::{Reply, outcomes_of};
use ecdeck::model::copy::{ArrayRefusal, Capabilities, Command, ErrorClass, Outcome, PairOutcome};
use ecdeck::model::identity::{BoxId, Olu, VolumeId};
use ecdeck::model::records::OperationId;
use ecdeck::model::session::{ArrayVolume, CopyKind, Pair, Reading, Status};
use ecdeck::model::units::{Blocks, Timestamp};
use ecdeck::testkit::in_process::REQUESTOR;
use ecdeck::testkit::memory::Memory;
use fastrand::Rng;
use std::collections::BTreeMap;

/// Regions of a volume: enough that a copy takes several events.
const REGIONS: u64 = 4;
const REGION_BLOCKS: u64 = 128;
pub const BLOCKS: Blocks = Blocks(REGIONS * REGION_BLOCKS);

/// What becomes of a command that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    Normal,
    LostRequest,
    LostReply,
    /// Answered before it is done.
    AcceptedLate,
    AcceptedNever,
    Busy,
    /// Done for all pairs; the answer about one of several is lost.
    PartLost(usize),
    /// Refused for one of several pairs, done for the others.
    PartRefused(usize),
}

/// A command between the engine and an array.
#[derive(Debug, Clone)]
pub struct Wire {
    pub number: u64,
    pub operation: OperationId,
    pub array: BoxId,
    pub command: Command,
    pub fate: SendOutcome,
    /// What the array answered, once it was there.
    pub outcomes: Option<Vec<PairOutcome>>,
    /// Nobody waits for the answer any more; after this time it does not arrive.
    pub lost_after: Option<Timestamp>,
}

impl Wire {
    /// It has yet to reach the array, and will.
    fn will_arrive(&self) -> bool {
        self.outcomes.is_none()
            && !matches!(self.fate, SendOutcome::LostRequest | SendOutcome::Busy | SendOutcome::AcceptedNever)
    }

    /// What the engine is told, once something comes back or the time is over.
    pub fn answer(&self) -> Option<Vec<PairOutcome>> {
        let all = |outcome: Outcome| {
            let one = |pair: &_| PairOutcome { pair: *pair, outcome: outcome.clone() };
            Some(self.command.pairs().iter().map(one).collect())
        };
        match self.fate {
            SendOutcome::Normal | SendOutcome::PartRefused(_) => self.outcomes.clone(),
            SendOutcome::PartLost(which) => self.outcomes.clone().map(|mut outcomes| {
                let lost = which % outcomes.len();
                outcomes[lost].outcome = Outcome::Unknown { why: "no answer".to_owned() };
                outcomes
            }),
            SendOutcome::LostRequest => all(Outcome::Unknown { why: "no answer".to_owned() }),
            SendOutcome::LostReply => {
                self.outcomes.as_ref().and_then(|_| all(Outcome::Unknown { why: "no answer".to_owned() }))
            }
            SendOutcome::AcceptedLate | SendOutcome::AcceptedNever => all(Outcome::Accepted),
            SendOutcome::Busy => all(Outcome::Refused(ArrayRefusal {
                class: ErrorClass::Busy,
                code: ["E5327", "E0060", "E5360"][(self.number % 3) as usize].to_owned(),
                text: "busy".into(),
            })),
        }
    }
}

#[derive(Clone)]
pub struct World {
    pub arrays: Memory,
    pub boxes: [BoxId; 2],
    pub sources: Vec<VolumeId>,
    pub targets: Vec<VolumeId>,
    /// Volumes of another program.
    pub others: Vec<VolumeId>,
    pub wires: Vec<Wire>,
    sent: u64,
    /// Volumes that their array does not list any more, or with another size.
    altered: BTreeMap<VolumeId, Option<Blocks>>,
    /// CCM between the engine and the arrays.
    pub ccm: Option<Ccm>,
}

impl World {
    /// `sizes`: volumes of two sizes.
    pub fn new(rng: &mut Rng, sizes: bool) -> Self {
        let mut arrays = Memory::new();
        let boxes = ["DX1", "DX2"].map(|name| arrays.add_box(&name.parse().unwrap()).unwrap());
        arrays.core_mut().add_path(boxes[0], boxes[1]).unwrap();
        let mut add = |at: usize, olu: u32, large: bool| {
            let blocks = if large { Blocks(2 * BLOCKS.0) } else { BLOCKS };
            arrays.add_volume(boxes[at], Some(Olu(olu)), "", blocks).unwrap()
        };
        let large = sizes && rng.u32(0..3) == 0;
        let sources = vec![add(0, 0x10, false), add(0, 0x11, large), add(1, 0x10, false)];
        let near = if sizes { rng.u32(4..=7) } else { rng.u32(3..=5) };
        let places = (0..near).map(|n| (0, n)).chain((0..2).map(|n| (1, n)));
        let targets = places.map(|(at, n)| add(at, 0x20 + n, large && at == 0 && n % 3 == 1)).collect();
        let others = vec![add(0, 0x80, false), add(1, 0x80, false)];
        Self {
            arrays,
            boxes,
            sources,
            targets,
            others,
            wires: Vec::new(),
            sent: 0,
            altered: BTreeMap::new(),
            ccm: None,
        }
    }

    /// In every fifth world the copy tables are too small for all copies that the site may have.
    pub fn limit(&mut self, seed: u64) {
        if seed % 5 == 3 {
            let copies = 3 + seed / 5 % 6;
            self.set_copy_tables(Setting::To(Blocks(copies * BLOCKS.0)));
        }
    }

    /// In every tenth world starts and stops take their time.
    pub fn take_time(&mut self, seed: u64) {
        if seed % 10 != 5 {
            return;
        }
        let ticks = |n: u64| Some(Setting::To((n % 4) as u32 * TICK_MILLIS));
        let (start_millis, stop_millis) = (ticks(seed / 10), ticks(seed / 40));
        for at in self.boxes {
            let change = SettingsChange { start_millis, stop_millis, ..SettingsChange::default() };
            self.arrays.core_mut().set(at, change).unwrap();
        }
    }

    /// In every sixth world arrays show the mode in force of what is suspended, in every seventh the other box of a REC hears
    /// late of what has become of it.
    pub fn show_otherwise(&mut self, seed: u64) {
        let shows_mode_in_force = Some(seed % 6 == 1);
        let far_millis = (seed % 7 == 4).then(|| Setting::To((1 + seed / 7 % 6) as u32 * TICK_MILLIS));
        // Mostly both boxes, sometimes one: they need not be of one model.
        let boxes = if (seed / 6).is_multiple_of(4) { &self.boxes[..1] } else { &self.boxes[..] };
        for at in boxes {
            let change = SettingsChange { shows_mode_in_force, far_millis, ..SettingsChange::default() };
            self.arrays.core_mut().set(*at, change).unwrap();
        }
    }

    /// Assigns or takes away the REC buffer of one direction.
    pub fn set_buffer(&mut self, from: BoxId, buffer: RecBuffer) {
        let to = if from == self.boxes[0] { self.boxes[1] } else { self.boxes[0] };
        self.arrays.core_mut().set_buffer(from, to, buffer).unwrap();
    }

    fn set_copy_tables(&mut self, copy_table: Setting<Blocks>) {
        let change = SettingsChange { copy_table: Some(copy_table), ..SettingsChange::default() };
        for at in self.boxes {
            self.arrays.core_mut().set(at, change).unwrap();
        }
    }

    /// From now on the engine drives the arrays by CCM's commands.
    pub fn go_by_ccm(&mut self, seed: u64) {
        let names = self.boxes.map(|at| {
            let (_, cabinet) = self.arrays.core().boxes().find(|(id, _)| *id == at).unwrap();
            (at, cabinet.name.clone())
        });
        self.ccm = Some(Ccm::new(names, seed));
    }

    /// The engine is gone, and with it what its drivers knew.
    pub fn engine_died(&mut self) {
        if let Some(ccm) = &mut self.ccm {
            ccm.forget();
        }
    }

    pub fn capabilities(&self) -> Capabilities {
        self.ccm.as_ref().map_or_else(capabilities, Ccm::capabilities)
    }

    /// Of what is on a volume now.
    pub fn fingerprint(&self, volume: VolumeId) -> String {
        let mut hasher = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(self.arrays.content(volume), &mut hasher);
        format!("{:016x}", std::hash::Hasher::finish(&hasher))
    }

    /// All contents are unlike each other from the start; this makes them more so.
    pub fn host_write(&mut self, rng: &mut Rng) {
        let volume = self.sources[rng.usize(..self.sources.len())];
        // A write may be refused, as when a path is down and the split is by hand.
        let _ = self.arrays.write(volume, rng.u32(..REGIONS as u32));
    }

    /// Its array does not list it any more.
    pub fn lose(&mut self, volume: VolumeId) {
        self.altered.insert(volume, None);
    }

    /// Its array lists it with another size: another volume has its number now.
    pub fn resize(&mut self, volume: VolumeId) {
        self.altered.insert(volume, Some(Blocks(3 * BLOCKS.0)));
    }

    pub fn is_altered(&self, volume: VolumeId) -> bool {
        self.altered.contains_key(&volume)
    }

    /// What a box lists.
    pub fn volumes_of(&self, at: BoxId) -> Vec<ArrayVolume> {
        let mut volumes = self.arrays.core().volumes_of(at).unwrap();
        volumes.retain(|volume| self.altered.get(&volume.id) != Some(&None));
        for volume in &mut volumes {
            if let Some(Some(blocks)) = self.altered.get(&volume.id) {
                volume.blocks = *blocks;
            }
        }
        volumes
    }

    pub fn blocks(&self, volume: VolumeId) -> Option<Blocks> {
        self.arrays.core().volume(volume).ok().map(|known| known.blocks)
    }

    pub fn copy(&mut self, regions: u64) {
        self.arrays.advance(Blocks(regions * REGION_BLOCKS));
    }

    pub fn reading(&mut self, at: BoxId, now: Timestamp) -> Result<Reading, String> {
        if let Some(reading) = self.reading_by_ccm(at, now) {
            return reading;
        }
        if self.arrays.core().reach(at).is_ok_and(|reach| !reach.answers) {
            return Err("the array does not answer".to_owned());
        }
        self.arrays.core().reading(at, now).map_err(|error| error.to_string())
    }

    pub fn send(&mut self, operation: OperationId, array: BoxId, command: Command, fate: SendOutcome) -> u64 {
        self.sent += 1;
        let accepted = matches!(fate, SendOutcome::AcceptedLate | SendOutcome::AcceptedNever);
        let fate = if accepted && !self.would_be_accepted(array, &command) { SendOutcome::Normal } else { fate };
        let number = self.sent;
        self.wires.push(Wire { number, operation, array, command, fate, outcomes: None, lost_after: None });
        number
    }

    /// Only a suspend goes on after its answer, and an array answers so only when it has checked that it may begin.
    fn would_be_accepted(&self, array: BoxId, command: &Command) -> bool {
        let Command::Suspend { pairs, force, .. } = command else { return false };
        pairs.iter().all(|pair| self.arrays.core().may_suspend(array, pair, *force).is_ok())
    }

    /// A command that can reach its array now.
    pub fn arriving(&self, rng: &mut Rng) -> Option<usize> {
        let arriving: Vec<usize> =
            (0..self.wires.len()).filter(|&at| self.wires[at].will_arrive() && self.may_arrive(at)).collect();
        (!arriving.is_empty()).then(|| arriving[rng.usize(..arriving.len())])
    }

    /// What an array accepted is done after its answer, not before.
    fn may_arrive(&self, at: usize) -> bool {
        self.wires[at].fate != SendOutcome::AcceptedLate || self.wires[at].lost_after.is_some()
    }

    /// Lets a command act. The outcomes are the array's.
    pub fn act(&mut self, at: usize, now: Timestamp) -> Vec<PairOutcome> {
        let Wire { array, command, fate, .. } = self.wires[at].clone();
        let (command, refused) = without_refused(command, fate);
        let by_ccm = self.execute_by_ccm(array, &command, now);
        let (told, truth) = by_ccm.unwrap_or_else(|| {
            let outcomes = match self.arrays.execute(array, &command, REQUESTOR, now) {
                Reply::Answered(outcomes) | Reply::Late(outcomes, _) => outcomes,
                reply => outcomes_of(reply, &command),
            };
            (outcomes.clone(), outcomes)
        });
        let with_refused = |mut outcomes: Vec<PairOutcome>| {
            outcomes.extend(refused.clone());
            outcomes
        };
        let (told, truth) = (with_refused(told), with_refused(truth));
        let wire = &mut self.wires[at];
        wire.outcomes = Some(told);
        if wire.lost_after.is_some() {
            self.wires.remove(at);
        }
        truth
    }

    /// Nobody waits for these answers any more; what is on its way may still arrive for a moment.
    pub fn abandon(&mut self, now: Timestamp, moment: i64, whose: impl Fn(&Wire) -> bool) {
        for wire in self.wires.iter_mut().filter(|wire| whose(wire) && wire.lost_after.is_none()) {
            wire.lost_after = Some(now.plus_millis(moment));
        }
        self.forget(now);
    }

    /// Drops what has arrived, or never will.
    pub fn forget(&mut self, now: Timestamp) {
        self.wires.retain(|wire| wire.lost_after.is_none_or(|until| wire.will_arrive() && now <= until));
    }

    pub fn nothing_on_its_way(&self) -> bool {
        self.wires.is_empty()
    }

    /// The engine has its answer. What was accepted is done a little later.
    pub fn answered(&mut self, number: u64, now: Timestamp) {
        let accepted = LIMITS.accepted.as_millis() as i64 / 2;
        self.abandon(now, accepted, |wire| wire.number == number);
    }

    /// All faults end. What they did stays.
    pub fn heal(&mut self, now: Timestamp) {
        for at in self.boxes {
            self.arrays.core_mut().inject(at, Fault::Clear).unwrap();
        }
        self.arrays.core_mut().set_path(self.boxes[0], self.boxes[1], true).unwrap();
        self.set_copy_tables(Setting::Unlimited);
        for at in self.boxes {
            self.set_buffer(at, RecBuffer::Active);
        }
        for wire in &mut self.wires {
            if wire.lost_after.is_none() && wire.outcomes.is_none() && wire.fate != SendOutcome::LostRequest {
                wire.fate = SendOutcome::Normal;
            }
        }
        self.forget(now);
    }

    /// The live sessions that the engine made, by source.
    pub fn live_of(&self, source: VolumeId, which: impl Fn(&Pair) -> bool) -> usize {
        let live = |status| matches!(status, Status::Reserved | Status::Active | Status::Halted);
        let ours = self.arrays.core().sessions().filter(|session| session.requestor.raw() == REQUESTOR);
        // A one-point copy ends by itself and mirrors nothing.
        let mirrors = |pair: &Pair| pair.kind != CopyKind::Opc && pair.source == source;
        ours.filter(|session| mirrors(&session.pair) && live(session.status) && which(&session.pair)).count()
    }
}

/// The part of a command that an array does when it refuses one pair of several, and the refusal.
fn without_refused(mut command: Command, fate: SendOutcome) -> (Command, Option<PairOutcome>) {
    let (SendOutcome::PartRefused(which), Command::Suspend { pairs, .. }) = (fate, &mut command) else {
        return (command, None);
    };
    let pair = pairs.remove(which % pairs.len());
    let (code, text) = ("E5321".to_owned(), "state".into());
    let outcome = Outcome::Refused(ArrayRefusal { class: ErrorClass::InvalidState, code, text });
    (command, Some(PairOutcome { pair, outcome }))
}
