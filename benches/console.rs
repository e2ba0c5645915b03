//! What the console costs. Drawing and taking snapshots are measured in this process; bytes, wake-ups, processor time,
//! memory and latency are those of the real program on a real terminal, with a real engine behind it.
//!
//! `cargo bench --bench console` prints each figure with its budget. `ECDECK_BENCH_SECONDS` changes how long a terminal is
//! looked at (10 s by default). Times are least, median and high percentiles of the calmest of several rounds: on a machine
//! with other work on it, the others tell of that work.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![allow(dead_code, reason = "the fixture is shared with the tests")]

use ecdeck::cli::typed;
use ecdeck::console::app::App;
use ecdeck::console::format::Clock;
use ecdeck::console::key_table::KeyMap;
use ecdeck::console::keys::Key;
use ecdeck::console::messages::Msg;
use ecdeck::console::terminal::paint::Painter;
use ecdeck::console::types::{LineGrammar, Settings};
use ecdeck::console::update::update;
use ecdeck::console::view::view;
use ecdeck::model;
use ecdeck::model::plan::plan;
use ecdeck::model::snapshot::Snapshot;
use ecdeck::model::snapshot_change::SnapshotChange;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::Error;
use support::counts::{cpu_of, memory, wake_ups};
use support::site::{Served, Size};
use support::terminal::Console;

#[path = "../src/console/fixture.rs"]
mod fixture;
mod support;

const SCREEN: (u16, u16) = (120, 40);
/// The least of so many rounds counts.
const ROUNDS: usize = 10;
const FRAMES: usize = 300;
const CHANGES: usize = 60;
const STARTS: usize = 5;
const KEYS: usize = 50;
/// The console has drawn the site's rows, the first of them too.
const ROWS: &str = "tv00000";

fn main() -> Result<(), Error> {
    for screen in [(80, 24), SCREEN, (200, 60)] {
        frames(screen);
    }
    changes("300 of 300 sessions move", fixture::large(300));
    changes("20,000 of 20,000 sessions move", fixture::large(20_000));

    let quiet = Served::new(Size { sessions: 300, moving: 0, spare: 0 })?;
    starts(&quiet, 300, "300 volumes")?;
    first_paint(&quiet)?;
    keys(&quiet, "300 volumes")?;
    look(&quiet, "300 sessions, nothing changes", &[], "0 B, a wake-up a poll")?;
    drop(quiet);
    let moving = Served::new(Size { sessions: 300, moving: 300, spare: 0 })?;
    look(&moving, "300 sessions move, 1 s", &[], "600 B/s, 0.2 %")?;
    look(&moving, "300 sessions move, --slow", &["--slow"], "100 B/s, 0.2 %")?;
    drop(moving);
    let large = Served::new(Size { sessions: 20_000, moving: 0, spare: 20_000 })?;
    starts(&large, 20_000, "20,000 + 40,000 volumes")?;
    keys(&large, "20,000 + 40,000 volumes")?;
    look(&large, "20,000 sessions, nothing changes", &[], "32 MiB")?;
    drop(large);
    let large = Served::new(Size { sessions: 20_000, moving: 300, spare: 20_000 })?;
    look(&large, "20,000 sessions, 300 move", &[], "32 MiB")?;
    drop(large);
    let huge = Served::new(Size { sessions: 60_000, moving: 0, spare: 60_000 })?;
    starts(&huge, 60_000, "60,000 + 120,000 volumes")?;
    look(&huge, "60,000 sessions, nothing changes", &[], "32 MiB")?;
    drop(huge);
    let third = Served::new(Size { sessions: 6_667, moving: 300, spare: 6_666 })?;
    look(&third, "20,000 volumes of both kinds, 300 move", &[], "32 MiB")
}

fn row(what: &str, figure: &str, budget: &str) {
    println!("{what:46} {figure:76} {budget}");
}

struct Desk {
    app: App,
    terminal: Terminal<Painter<Vec<u8>>>,
}

impl Desk {
    fn new(snapshot: Snapshot, size: (u16, u16)) -> Self {
        let clock = Clock::new(fixture::NOW, TimeZone::UTC);
        let grammar = LineGrammar { request: typed::request, candidates: typed::candidates };
        let mut app = App::new(Settings::default(), KeyMap::default(), (plan, grammar), clock, size);
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

/// The cursor goes down 20,000 volumes that all move; each step is a key and a frame.
fn frames(size: (u16, u16)) {
    let mut desk = Desk::new(fixture::large(20_000), size);
    let (mut keys, mut frames) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut taken, mut drawn) = (Vec::new(), Vec::new());
        for _ in 0..FRAMES {
            taken.push(time(|| update(&mut desk.app, Msg::Key(Key::Down))));
            drawn.push(time(|| desk.draw()));
        }
        keys.push(taken);
        frames.push(drawn);
    }
    let (width, height) = size;
    row(&format!("frame, 20,000 volumes, {width}x{height}"), &calmest(frames), "p99 1 ms");
    row("  taking a key", &calmest(keys), "");
}

/// Snapshots that follow each other, as a client makes them out of what the engine sends.
fn changes(what: &str, first: Snapshot) {
    let mut desk = Desk::new(first, SCREEN);
    let mut current = desk.app.picture.as_ref().map(|picture| Arc::clone(&picture.snapshot)).unwrap();
    let (mut applied, mut taken) = (Vec::new(), Vec::new());
    for _ in 0..CHANGES {
        let change = SnapshotChange::between(&current, &fixture::later(&current, 1));
        applied.push(time(|| change.apply(Arc::make_mut(&mut current)).unwrap()));
        let snapshot = Arc::clone(&current);
        taken.push(time(|| update(&mut desk.app, Msg::Snapshot(snapshot))));
        desk.draw();
    }
    row(&format!("change applied, {what}"), &calmest(vec![applied]), "");
    row("  taken into the picture", &calmest(vec![taken]), "");
}

/// From the start of the process to the site's rows, and to the whole site, which the header counts.
fn starts(served: &Served, suspended: u32, what: &str) -> Result<(), Error> {
    let (mut rows, mut wholes) = (Vec::new(), Vec::new());
    let whole = format!("{suspended} suspended");
    for _ in 0..ROUNDS {
        let (mut sites, mut all) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let console = Console::start(served.folder(), &[], SCREEN)?;
            sites.push(console.until(ROWS)?);
            all.push(console.until(&whole)?);
        }
        rows.push(sites);
        wholes.push(all);
    }
    row(&format!("start to the site's rows, {what}"), &calmest(rows), "50 ms");
    row("  to the whole site", &calmest(wholes), "");
    Ok(())
}

/// Bytes until the site's rows are there, and until all of the screen is, and how long a line of 9,600 baud takes for them.
fn first_paint(served: &Served) -> Result<(), Error> {
    for screen in [(80, 24), SCREEN] {
        let console = Console::start(served.folder(), &["--slow"], screen)?;
        console.until(ROWS)?;
        let figure = |bytes: usize| format!("{bytes} bytes, {:.1} s", bytes as f64 / 960.0);
        // The end of the frame in which they are.
        std::thread::sleep(Duration::from_millis(200));
        let what = format!("first paint, --slow, {}x{}, 9,600 baud", screen.0, screen.1);
        row(&what, &figure(console.bytes()), "4 s");
        // The panes beside the table come a second later.
        std::thread::sleep(Duration::from_secs(2));
        row("  all of the screen", &figure(console.bytes()), "");
    }
    Ok(())
}

/// Up and down where nothing else moves: every byte answers a key.
fn keys(served: &Served, what: &str) -> Result<(), Error> {
    let mut console = Console::start(served.folder(), &[], SCREEN)?;
    console.until(ROWS)?;
    // The rest of a large site comes after its first rows, and draws a frame that answers no key.
    std::thread::sleep(Duration::from_secs(1));
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut round = Vec::new();
        for number in 0..KEYS {
            round.push(console.key(if number % 4 < 2 { b"j" } else { b"k" })?);
        }
        times.push(round);
    }
    row(&format!("key to the end of its frame, {what}"), &calmest(times), "p95 2 ms");
    Ok(())
}

/// Looks at a console that nobody touches.
fn look(served: &Served, what: &str, words: &[&str], budget: &str) -> Result<(), Error> {
    let seconds = std::env::var("ECDECK_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let console = Console::start(served.folder(), words, SCREEN)?;
    console.until(ROWS)?;
    // Rates and times of readiness need some readings before they are there.
    std::thread::sleep(Duration::from_secs(4));
    away_from_the_minute(seconds);
    let pid = console.pid();
    let counts = || (console.bytes(), wake_ups(pid), cpu_of(pid), Instant::now());
    let before = counts();
    std::thread::sleep(Duration::from_secs(seconds));
    let after = counts();
    let elapsed = (after.3 - before.3).as_secs_f64();
    let (resident, most) = memory(pid);
    let figure = format!(
        "{:.0} B/s, {:.1} wake-ups/s, {:.3} % of a core, {:.1} MiB (at most {:.1})",
        (after.0 - before.0) as f64 / elapsed,
        (after.1 - before.1) as f64 / elapsed,
        (after.2.saturating_sub(before.2)).as_secs_f64() / elapsed * 100.0,
        resident as f64 / 1024.0,
        most as f64 / 1024.0,
    );
    row(what, &figure, budget);
    Ok(())
}

/// The clock on the screen changes with the minute, and that is allowed to cost bytes.
fn away_from_the_minute(seconds: u64) {
    #[expect(clippy::disallowed_methods, reason = "the measured screen has a clock in minutes")]
    let into = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % 60;
    if seconds < 58 && into + seconds >= 59 {
        std::thread::sleep(Duration::from_secs(61 - into));
    }
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let result = work();
    let time = start.elapsed();
    drop(result);
    time
}

/// The round in which the most of the times was least.
fn calmest(rounds: Vec<Vec<Duration>>) -> String {
    let mut times = rounds.into_iter().min_by_key(|times| times.iter().max().copied()).unwrap_or_default();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    format!("least {:.3}, median {:.3}, p95 {:.3}, p99 {:.3} ms", at(0), at(50), at(95), at(99))
}
