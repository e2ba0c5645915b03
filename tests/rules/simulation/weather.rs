//! What goes wrong, and how often: drawn anew for every history, so that some are calm and some are wild.

use super::world::SendOutcome;
use super::{Checked, Simulation, tell};
use ecdeck::driver::emulated::core::RecBuffer;
use ecdeck::driver::emulated::faults::{Fault, Side};
use ecdeck::driver::emulated::rules::outcomes_of;
use ecdeck::model::copy::{Command, Outcome};
use ecdeck::model::identity::VolumeId;
use ecdeck::model::session::{CopyKind, ErrorByte, Pair, Status};
use ecdeck::model::units::Timestamp;
use fastrand::Rng;

/// Chances in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct FaultPlan {
    pub catalogue: u32,
    pub reading: u32,
    pub lost_request: u32,
    pub lost_reply: u32,
    pub accepted: u32,
    pub busy: u32,
    pub crash: u32,
    pub array: u32,
    pub meddling: u32,
    /// Backups with a script after them.
    pub script: u32,
    /// Commands for several pairs whose answer about one of them is lost.
    pub part_lost: u32,
    /// Commands for several pairs of which the array refuses one and does the others.
    pub part_refused: u32,
    /// Readings without the sessions of other programs.
    pub others_unread: u32,
    /// Readings with a row that cannot be read.
    pub row_unread: u32,
    /// Readings with a row in which the direction or the mode is missing.
    pub half_row: u32,
    /// What happens to kept generations from outside.
    pub harm: u32,
    /// Jumps of the wall clock.
    pub clock: u32,
}

/// How far the wall clock jumps at most, either way.
const MAX_JUMP: i64 = 2 * Timestamp::DAY;

fn opc(pair: Pair) -> Pair {
    Pair { kind: CopyKind::Opc, ..pair }
}

pub fn strikes(rng: &mut Rng, chance: u32) -> bool {
    chance > 0 && rng.u32(0..1000) < chance
}

impl FaultPlan {
    pub fn calm() -> Self {
        Self::default()
    }

    pub fn draw(rng: &mut Rng) -> Self {
        let mut often = |most: u32| if rng.u32(0..3) == 0 { 0 } else { rng.u32(0..most) };
        Self {
            catalogue: often(120),
            reading: often(200),
            lost_request: often(200),
            lost_reply: often(250),
            accepted: often(250),
            busy: often(200),
            crash: often(1000),
            array: often(400),
            meddling: often(400),
            script: often(400),
            part_lost: often(300),
            part_refused: often(300),
            others_unread: often(100),
            row_unread: often(100),
            half_row: often(100),
            harm: often(200),
            clock: often(60),
        }
    }

    pub fn reading_is_lost(&self, rng: &mut Rng) -> bool {
        strikes(rng, self.reading)
    }

    /// `pairs`: of the command.
    pub fn fate(&self, rng: &mut Rng, pairs: usize) -> SendOutcome {
        if pairs > 1 && strikes(rng, self.part_lost) {
            return SendOutcome::PartLost(rng.usize(..pairs));
        }
        if pairs > 1 && strikes(rng, self.part_refused) {
            return SendOutcome::PartRefused(rng.usize(..pairs));
        }
        for (chance, fate) in [
            (self.lost_request, SendOutcome::LostRequest),
            (self.lost_reply, SendOutcome::LostReply),
            (self.accepted, SendOutcome::AcceptedLate),
            (self.accepted / 8, SendOutcome::AcceptedNever),
            (self.busy, SendOutcome::Busy),
        ] {
            if strikes(rng, chance) {
                return fate;
            }
        }
        SendOutcome::Normal
    }
}

impl Simulation {
    /// Something happens to an array, or somebody else does something on it.
    pub fn inject_faults(&mut self) {
        let weather = self.weather;
        if strikes(&mut self.rng, weather.array) {
            self.summary.faults += 1;
            self.array_fault();
        }
        if strikes(&mut self.rng, weather.meddling) {
            self.summary.faults += 1;
            self.meddle();
        }
        if strikes(&mut self.rng, weather.harm) {
            self.summary.faults += 1;
            self.do_harm();
        }
        if strikes(&mut self.rng, weather.clock) {
            self.summary.count("the wall clock jumps");
            self.engine.step_clock(self.rng.i64(-MAX_JUMP..=MAX_JUMP));
            self.truth.clock_stepped();
        }
    }

    /// Something happens to volumes of ours that the engine did not do and does not want.
    fn do_harm(&mut self) {
        let durable = &self.engine.durable;
        let kept: Vec<VolumeId> = durable.generations.values().map(|one| one.backup_volume).collect();
        let target = (!kept.is_empty()).then(|| kept[self.rng.usize(..kept.len())]);
        let (what, command) = match (self.rng.u32(0..8), target) {
            (0..2, Some(target)) => {
                let region = self.rng.u32(..4);
                if self.world.arrays.write(target, region).is_err() {
                    return;
                }
                self.truth.harm(target);
                self.summary.count("harm: a host writes on a kept generation");
                return;
            }
            (2, Some(target)) => {
                let source = self.world.others[self.world.boxes.iter().position(|at| *at == target.box_id).unwrap()];
                self.truth.harm(target);
                (
                    "another program copies onto a kept generation",
                    Command::Start { pairs: vec![Pair::new(source, target)], modes: None },
                )
            }
            (3, Some(_)) => {
                let kept_and_suspended =
                    |pair: &Pair, status| status == Status::Suspended && kept.contains(&pair.target);
                let Some(pair) = self.some_session(kept_and_suspended) else { return };
                self.truth.harm(pair.target);
                ("another program resumes onto a kept generation", Command::Resume { pairs: vec![pair] })
            }
            (4, Some(target)) => {
                self.world.lose(target);
                self.truth.harm(target);
                self.summary.count("harm: the volume of a kept generation vanishes");
                return;
            }
            (5, Some(target)) => {
                self.world.resize(target);
                self.truth.harm(target);
                self.summary.count("harm: the volume of a kept generation has another size");
                return;
            }
            (6, _) => {
                let Some(pair) = self.some_session(|_, status| status == Status::Suspended) else { return };
                ("another program reverses a session", Command::Reverse { pairs: vec![pair] })
            }
            _ => {
                let source = self.world.others[0];
                let target = self.world.sources[self.rng.usize(..2)];
                (
                    "another program copies into a transaction volume",
                    Command::Start { pairs: vec![Pair::new(source, target)], modes: None },
                )
            }
        };
        self.summary.count(format!("harm: {what}"));
        let array = command.pairs()[0].source.box_id;
        let reply = self.world.arrays.execute(array, &command, "another program", self.now);
        tell(self.now, || format!("{what}: {command:?}: {reply:?}"));
        self.truth.meddled(&command, &outcomes_of(reply, &command), &self.world, self.engine.wall(self.now));
    }

    /// Another program copies into a transaction volume, or out of a backup volume, while these may be in live copies, writes
    /// to what it copies from, or ends such a copy.
    pub fn draw_cascade(&mut self) {
        let other = self.world.others[0];
        let source = self.world.sources[self.rng.usize(..2)];
        let near: Vec<VolumeId> =
            self.world.targets.iter().filter(|target| target.box_id == other.box_id).copied().collect();
        let backup = near[self.rng.usize(..near.len())];
        let (into, out) = (Pair::new(other, source), Pair::new(backup, other));
        let (what, command) = match self.rng.u32(0..8) {
            0 => ("an EC into a transaction volume", Command::Start { pairs: vec![into], modes: None }),
            1..3 => ("an OPC into a transaction volume", Command::StartOpc { pairs: vec![opc(into)] }),
            3 => ("an EC out of a backup volume", Command::Start { pairs: vec![out], modes: None }),
            4 => ("an OPC out of a backup volume", Command::StartOpc { pairs: vec![opc(out)] }),
            5..7 => {
                let theirs = |pair: &Pair, _| pair.source == other || pair.target == other;
                let Some(pair) = self.some_session(theirs) else { return };
                ("an end", Command::Stop { pairs: vec![pair], force: true })
            }
            _ => {
                let _ = self.world.arrays.write(other, self.rng.u32(..4));
                self.truth.harm(other);
                return;
            }
        };
        if command.pairs().iter().any(|pair| pair.target == other) {
            // What was restored to it is written over.
            self.truth.harm(other);
        }
        let array = command.pairs()[0].source.box_id;
        let reply = self.world.arrays.execute(array, &command, "another program", self.now);
        tell(self.now, || format!("cascade, {what}: {command:?}: {reply:?}"));
        let outcomes = outcomes_of(reply, &command);
        let core = self.world.arrays.core();
        let touch = |volume: VolumeId| core.sessions().filter(|session| session.touches(volume)).count() > 1;
        if outcomes[0].outcome == Outcome::Done
            && command.pairs().iter().any(|pair| touch(pair.source) || touch(pair.target))
        {
            self.summary.count(format!("cascade: {what}"));
        }
        self.truth.meddled(&command, &outcomes, &self.world, self.engine.wall(self.now));
    }

    pub fn maybe_crash(&mut self) -> Checked {
        let weather = self.weather;
        if strikes(&mut self.rng, weather.crash) { self.crash() } else { Ok(()) }
    }

    fn array_fault(&mut self) {
        let at = self.world.boxes[self.rng.usize(0..2)];
        let pair = self.some_session(|_, _| true);
        let draw = self.rng.u32(0..12);
        if draw == 2 {
            let buffer =
                [RecBuffer::None, RecBuffer::Changing, RecBuffer::Active, RecBuffer::None][self.rng.usize(..4)];
            self.world.set_buffer(at, buffer);
            if buffer != RecBuffer::Active {
                self.summary.count("a REC buffer is missing");
            }
            tell(self.now, || format!("the REC buffer from {at:?}: {buffer:?}"));
            return;
        }
        let core = self.world.arrays.core_mut();
        let boxes = self.world.boxes;
        // A fault that finds nothing to break is no fault.
        let _ = match draw {
            0 | 1 => core.inject(at, Fault::Unreachable),
            3 | 4 => core.inject(at, Fault::Clear),
            5 => core.set_path(boxes[0], boxes[1], false),
            6..8 => core.set_path(boxes[0], boxes[1], true),
            8 => pair.map_or(Ok(()), |pair| core.inject(at, Fault::ErrorSuspend { pair, byte: ErrorByte(0xBA) })),
            9 => pair.map_or(Ok(()), |pair| core.inject(at, Fault::StrangeWord { pair, word: "Frozen".to_owned() })),
            10 => core.inject(at, Fault::CopyTableFull),
            _ => pair.filter(|pair| pair.kind == CopyKind::Rec).map_or(Ok(()), |pair| {
                let missing = if pair.target.olu.0.is_multiple_of(2) { Side::Source } else { Side::Target };
                core.inject(at, Fault::HalfOpen { pair, missing })
            }),
        };
    }

    fn some_session(&mut self, which: impl Fn(&Pair, Status) -> bool) -> Option<Pair> {
        let sessions = self.world.arrays.core().sessions();
        let fitting: Vec<Pair> = sessions.filter(|s| which(&s.pair, s.status)).map(|session| session.pair).collect();
        (!fitting.is_empty()).then(|| fitting[self.rng.usize(..fitting.len())])
    }

    /// Another program acts on its own sessions, or on ours; never on a volume with a generation in a way that loses it.
    fn meddle(&mut self) {
        let durable = &self.engine.durable;
        let kept = |volume: &VolumeId| durable.generations.values().any(|g| g.backup_volume == *volume);
        let claimed = |volume: &VolumeId| durable.claims.contains_key(volume);
        let quiet = |pair: &Pair| !claimed(&pair.source) && !claimed(&pair.target) && !kept(&pair.target);
        let command = match self.rng.u32(0..8) {
            0..2 => {
                let target = self.world.targets[self.rng.usize(..self.world.targets.len())];
                let ours = durable.sessions.keys().any(|pair| pair.target == target);
                if kept(&target) || claimed(&target) || ours {
                    return;
                }
                // Mostly of its own volume, sometimes of one of ours.
                let at = self.world.boxes.iter().position(|id| *id == target.box_id).unwrap();
                let shared = self.world.sources[self.rng.usize(..self.world.sources.len())];
                let source = if self.rng.u32(0..3) == 0 { shared } else { self.world.others[at] };
                if claimed(&source) {
                    return;
                }
                Command::Start { pairs: vec![Pair::new(source, target)], modes: None }
            }
            2..5 => {
                let active = self.some_session(|_, status| status == Status::Active);
                let Some(pair) = active else { return };
                Command::Suspend { pairs: vec![pair], force: false, together: false }
            }
            5 => {
                let idle = |pair: &Pair| quiet(pair) && self.world.live_of(pair.source, |_| true) == 0;
                let quiet: Vec<Pair> = durable.sessions.keys().filter(|pair| idle(pair)).copied().collect();
                let suspended = |pair: &Pair, status| status == Status::Suspended && quiet.contains(pair);
                let Some(pair) = self.some_session(suspended) else { return };
                // A generation of its may be reinstated before anybody looks again.
                self.truth.harm(pair.target);
                Command::Resume { pairs: vec![pair] }
            }
            _ => {
                let Some(pair) = self.some_session(|_, _| true) else { return };
                Command::Stop { pairs: vec![pair], force: true }
            }
        };
        let array = command.pairs()[0].source.box_id;
        let reply = self.world.arrays.execute(array, &command, "another program", self.now);
        tell(self.now, || format!("another program: {command:?}: {reply:?}"));
        self.truth.meddled(&command, &outcomes_of(reply, &command), &self.world, self.engine.wall(self.now));
    }
}
