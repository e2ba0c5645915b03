//! Random bytes, cuts, pauses, frames, sizes and sites over the keyboard and the console. Whatever comes, a verb runs only
//! by a lone agreeing key on a plan whose end was on the screen, and what runs is the plan that was drawn.

use super::Desk;
use crate::console::dialog::{self, Dialog};
use crate::console::fixture::{self, NOW};
use crate::console::messages::{Effect, Msg};
use crate::console::terminal::keyboard::Keyboard;
use crate::console::types::{Link, Settings};
use crate::console::update::gate::REST;
use crate::console::view::dialog::plan;
use crate::model::plan::Agreement;
use crate::model::snapshot::Snapshot;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

/// Reads that a person's agreement may be, as terminals send it: by itself, and as the keyboard protocols encode it.
const AGREEMENTS: [&[u8]; 7] = [b"Y", b"\r", b"\n", b"\x1b[121;2u", b"\x1b[89;2u", b"\x1b[27;2;89~", b"\x1b[13u"];

/// What terminals send that is no key, and keys in all their forms.
const SEQUENCES: [&str; 34] = [
    "\x1b[<35;10;10M",
    "\x1b[<0;3;4M\x1b[<0;3;4m",
    "\x1b[M !!",
    "\x1b[32;10;10M",
    "\x1b[?62;1;22c",
    "\x1b[?1;2c",
    "\x1b[24;80R",
    "\x1b[0n",
    "\x1b]11;rgb:0000/0000/0000\x1b\\",
    "\x1b]11;rgb:ffff/ffff/ffff\x07",
    "\x1bP>|xterm(380)\x1b\\",
    "\x1b_Gi=1;OK\x1b\\",
    "\x1b^sY\r\x1b\\",
    "\x1bXsYb\x1b\\",
    "\u{9b}?1;2c",
    "\x1b[I",
    "\x1b[O",
    "\x1b[200~sYbY\r\x1b[201~",
    "\x1b[200~Y\x1b[201~",
    "\x1b[200~",
    "\x1b[201~",
    "\x1b[A",
    "\x1bOB",
    "\x1b[5~",
    "\x1b[121;2u",
    "\x1b[27;2;89~",
    "\x1b[99;5:3u",
    "\x1b[115u",
    "\x1bs",
    "\x1bY",
    "\x1b[",
    "\x1bO",
    "\x1b]",
    "\x1bP",
];

/// Cases of a normal run; `ECDECK_ROUNDS` times as many when that is set.
const CASES: u32 = 96;

#[derive(Debug, Clone)]
enum Step {
    /// One read.
    Read(Vec<u8>),
    Pause(u64),
    Frame,
    Size(u16, u16),
    Site(u8),
    Lost,
    Live,
    /// A long paste, in reads of that many bytes.
    LongPaste(usize),
    /// Somebody opens a plan, reads it and agrees; with a stranger's bytes at some point, or none.
    Work {
        verb: char,
        noise: Option<(u8, Vec<u8>)>,
    },
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => proptest::collection::vec(any::<u8>(), 1..12),
        4 => proptest::sample::select(SEQUENCES.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        2 => "[sbYrxjk1-9\r\x1b]{1,6}".prop_map(String::into_bytes),
        3 => proptest::sample::select(b"sbYYrxdj3\r\x1b:e?* GqlY".to_vec()).prop_map(|byte| vec![byte]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let cut = (noise(), any::<proptest::sample::Index>()).prop_map(|(bytes, at)| {
        let at = at.index(bytes.len() + 1);
        Step::Read(bytes[..at].to_vec())
    });
    let work =
        (proptest::sample::select(vec!['b', 's', 'r', 'c', 'x']), proptest::option::weighted(0.6, (0..8_u8, noise())));
    prop_oneof![
        8 => noise().prop_map(Step::Read),
        4 => cut,
        6 => prop_oneof![Just(0_u64), 1..60_u64, 100..1_000_u64, 1_000..8_000_u64].prop_map(Step::Pause),
        6 => Just(Step::Frame),
        1 => prop_oneof![Just((120, 40)), Just((80, 24)), Just((40, 8)), (1..140_u16, 1..45_u16)].prop_map(|(w, h)| Step::Size(w, h)),
        1 => (0..4_u8).prop_map(Step::Site),
        1 => Just(Step::Lost),
        1 => Just(Step::Live),
        1 => (1..5_000_usize).prop_map(Step::LongPaste),
        4 => work.prop_map(|(verb, noise)| Step::Work { verb, noise }),
    ]
}

/// A console behind a keyboard, with its own clock, and what an onlooker has seen of it.
struct Rig {
    desk: Desk,
    keyboard: Keyboard,
    now: Instant,
    /// The plan whose end the onlooker has seen, since when, at which size.
    seen: Option<(Agreement, Instant, (u16, u16))>,
    resting: Option<(u64, Instant)>,
    runs: u32,
}

impl Rig {
    fn new() -> Self {
        let desk = Desk::new(Settings::default(), (120, 40));
        let mut rig =
            Self { desk, keyboard: Keyboard::default(), now: Instant::now(), seen: None, resting: None, runs: 0 };
        rig.frame();
        rig
    }

    fn read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        for msg in self.keyboard.read(bytes, self.now) {
            self.tell(msg, bytes);
        }
    }

    /// Tells the console something and judges what it does. `read`: what was read, if it comes of that.
    fn tell(&mut self, msg: Msg, read: &[u8]) {
        self.desk.tell(msg);
        let runs: Vec<Effect> =
            self.desk.effects.extract_if(.., |effect| matches!(effect, Effect::Run { .. })).collect();
        for run in runs {
            let Effect::Run { agreed, .. } = run else { continue };
            assert!(AGREEMENTS.contains(&read), "{read:?} ran something");
            let Some((seen, since, size)) = &self.seen else { panic!("it ran unseen") };
            assert_eq!(*seen, agreed, "another plan ran than was drawn");
            assert!(self.now.saturating_duration_since(*since) >= REST, "it ran too soon");
            assert_eq!(*size, self.desk.app.size, "it was seen at another size");
            self.runs += 1;
        }
    }

    fn pause(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        loop {
            let due = self.keyboard.due().into_iter().chain(self.resting.map(|(_, until)| until)).min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            for msg in self.keyboard.pass(self.now) {
                self.tell(msg, b"");
            }
            if let Some((number, _)) = self.resting.take_if(|(_, until)| *until <= self.now) {
                self.tell(Msg::Rested(number), b"");
            }
        }
        self.now = end;
    }

    /// The engine answers, a frame goes out, and the onlooker looks at it.
    fn frame(&mut self) {
        self.desk.answer();
        let size = self.desk.app.size;
        let seen = self.end_of_plan_on_screen();
        match (&self.seen, seen) {
            (Some((digest, _, at)), Some((now, _))) if *digest == now && *at == size => {}
            (_, Some((digest, true))) => self.seen = Some((digest, self.now, size)),
            _ => self.seen = None,
        }
        self.tell(Msg::Drawn, b"");
        match (self.desk.app.gate.resting(), self.resting) {
            (Some(number), Some((known, _))) if number == known => {}
            (Some(number), _) => self.resting = Some((number, self.now + REST)),
            (None, _) => self.resting = None,
        }
    }

    /// The plan that the screen shows, and whether its last line is on it: by the text of the screen.
    fn end_of_plan_on_screen(&self) -> Option<(Agreement, bool)> {
        let app = &self.desk.app;
        let Some(Dialog::Plan(dialog)) = app.dialogs.last() else { return None };
        let digest = dialog.answer()?.plan.agreement();
        let body = plan::body(app, dialog, dialog::text_width(app.size))?;
        let mut last = body.lines.iter().rev().map(ToString::to_string).find(|line| !line.trim().is_empty())?;
        last.truncate(last.trim_end().len());
        let text = self.desk.text();
        Some((digest, text.lines().any(|line| line.contains(&last))))
    }

    fn person(&mut self, keys: &[&[u8]], noise: Option<&(u8, Vec<u8>)>) {
        for (at, key) in keys.iter().enumerate() {
            if let Some((_, bytes)) = noise.filter(|(when, _)| usize::from(*when) == at) {
                self.read(bytes);
            }
            self.read(key);
            self.frame();
            self.pause(500);
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Read(bytes) => self.read(bytes),
            Step::Pause(millis) => self.pause(*millis),
            Step::Frame => self.frame(),
            Step::Size(width, height) => self.tell(Msg::Resize(*width, *height), b""),
            Step::Site(which) => {
                let which = *which;
                self.desk.site(|site| match which {
                    0 => site.sessions.clear(),
                    1 => *site = fixture::large(12),
                    2 => site.pool.clear(),
                    _ => *site = Snapshot { sequence: site.sequence, ..fixture::demo() },
                });
            }
            Step::Lost => self.tell(Msg::Link(Link::Lost { since: NOW, why: "gone".to_owned() }), b""),
            Step::Live => self.tell(Msg::Link(Link::Live), b""),
            Step::LongPaste(size) => {
                let mut bytes = b"\x1b[200~".to_vec();
                bytes.extend(b"sYb\rY".iter().cycle().take(70_000));
                bytes.extend(b"\x1b[201~");
                for part in bytes.chunks(*size) {
                    self.read(part);
                    self.now += Duration::from_millis(1);
                }
            }
            Step::Work { verb, noise } => {
                let verb = [*verb as u8];
                let keys: [&[u8]; 8] = [b"\x1b", b"\x1b", b"j", &verb, b"\x1b[F", b"\x1b[H", b"Y", b"\x1b"];
                self.person(&keys, noise.as_ref());
            }
        }
        if self.desk.app.size.0 > 0 && self.desk.app.size.1 > 0 {
            self.desk.buffer();
        }
    }
}

#[test]
fn no_verb_ever_runs_but_by_a_lone_agreeing_key_on_a_plan_that_was_seen_to_its_end() {
    let cases = CASES * std::env::var("ECDECK_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    let runs = Cell::new(0);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&proptest::collection::vec(step(), 1..40), |steps| {
        let mut rig = Rig::new();
        for step in &steps {
            rig.take(step);
        }
        runs.set(runs.get() + rig.runs);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // Without these the property would hold because nothing ever runs.
    assert!(runs.get() >= cases / 4, "only {} runs in {cases} cases", runs.get());
}

#[test]
fn somebody_who_reads_the_plan_and_agrees_runs_it_whatever_the_size() {
    for size in [(120, 40), (80, 24), (40, 8)] {
        for agreement in [&b"Y"[..], b"\x1b[121;2u", b"\x1b[27;2;89~", b"\x1b[89;2u"] {
            let mut rig = Rig::new();
            rig.tell(Msg::Resize(size.0, size.1), b"");
            rig.desk.at("demo-ora02");
            rig.person(&[b"b", b"\x1b[F", b"\x1b[H"], None);
            rig.person(&[agreement], None);
            assert_eq!(rig.runs, 1, "{size:?} {agreement:?}: {}", rig.desk.text());
        }
    }
}
