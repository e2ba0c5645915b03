//! What the console costs: a frame with 20,000 volumes, and the bytes for a terminal when nothing moves and when 300
//! sessions do.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![allow(dead_code, reason = "the fixture is shared with the tests")]

use ecdeck::console::app::{App, Msg, Settings};
use ecdeck::console::format::Clock;
use ecdeck::console::keys::{Key, KeyMap};
use ecdeck::console::terminal::paint::Painter;
use ecdeck::console::update::update;
use ecdeck::console::view::view;
use ecdeck::model;
use ecdeck::model::plan::plan;
use ecdeck::model::snapshot::Snapshot;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[path = "../src/console/fixture.rs"]
mod fixture;

const SIZE: (u16, u16) = (120, 40);
const FRAMES: usize = 1_000;
const SECONDS: usize = 60;

struct Desk {
    app: App,
    terminal: Terminal<Painter<Vec<u8>>>,
}

impl Desk {
    fn new(snapshot: Snapshot, size: (u16, u16)) -> Self {
        let clock = Clock::new(fixture::NOW, TimeZone::UTC);
        let mut app = App::new(Settings::default(), KeyMap::default(), plan, clock, size);
        update(&mut app, Msg::Snapshot(Arc::new(snapshot)));
        let mut desk = Self { app, terminal: Terminal::new(Painter::new(Vec::new(), size)).unwrap() };
        desk.draw();
        desk
    }

    /// Draws; gives the bytes that a terminal would get.
    fn draw(&mut self) -> usize {
        let app = &self.app;
        self.terminal.draw(|frame| view(app, frame)).unwrap();
        self.terminal.backend_mut().take_frames().len()
    }
}

fn main() {
    for size in [(80, 24), SIZE, (200, 60)] {
        frames(size);
    }
    bytes("nothing changes", &mut Desk::new(fixture::demo(), SIZE), |snapshot| Snapshot {
        sequence: snapshot.sequence + 1,
        ..snapshot.clone()
    });
    bytes("300 sessions move, 1 s", &mut Desk::new(fixture::large(300), SIZE), |snapshot| fixture::later(snapshot, 1));
    bytes("20,000 sessions move, 1 s", &mut Desk::new(fixture::large(20_000), SIZE), |snapshot| {
        fixture::later(snapshot, 1)
    });
}

/// The cursor goes down 20,000 volumes that all move; each step is a key and a frame.
fn frames(size: (u16, u16)) {
    let mut desk = Desk::new(fixture::large(20_000), size);
    let (mut keys, mut frames, mut written) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..FRAMES {
        let start = Instant::now();
        update(&mut desk.app, Msg::Key(Key::Down));
        keys.push(start.elapsed());
        let start = Instant::now();
        written.push(desk.draw());
        frames.push(start.elapsed());
    }
    let (width, height) = size;
    println!(
        "{width}x{height}, 20,000 volumes: frame {}; key {}; {} B a key",
        spread(&mut frames),
        spread(&mut keys),
        median(&mut written)
    );
}

fn bytes(what: &str, desk: &mut Desk, next: impl Fn(&Snapshot) -> Snapshot) {
    let mut snapshot = desk.app.snapshot().unwrap().clone();
    let (mut written, mut updates) = (Vec::new(), Vec::new());
    for _ in 0..SECONDS {
        snapshot = next(&snapshot);
        let message = Msg::Snapshot(Arc::new(snapshot.clone()));
        let start = Instant::now();
        update(&mut desk.app, message);
        updates.push(start.elapsed());
        written.push(desk.draw());
    }
    let mean = written.iter().sum::<usize>() / written.len();
    println!(
        "{what}: {mean} B a second at {}x{}, most {}; snapshot taken in {}",
        SIZE.0,
        SIZE.1,
        written.iter().max().unwrap(),
        spread(&mut updates)
    );
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_micros();
    format!("median {} us, p99 {} us", at(50), at(99))
}

fn median(values: &mut [usize]) -> usize {
    values.sort_unstable();
    values[values.len() / 2]
}
