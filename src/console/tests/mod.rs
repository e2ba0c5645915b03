//! A console on the fixture without terminal and engine: what tests press and what they see.

mod agreement;
mod away;
mod behaviour;
mod fuzz;
mod init;
mod large_site;
mod maps;
mod pictures;
mod reconcile;
mod screens;
mod sets;

use crate::cli::typed;
use crate::console::app::App;
use crate::console::fixture;
use crate::console::format::Clock;
use crate::console::key_table::KeyMap;
use crate::console::keys::Key;
use crate::console::messages::{Effect, Msg};
use crate::console::terminal::paint::Painter;
use crate::console::types::{LineGrammar, Link, Settings};
use crate::console::update::update;
use crate::console::view::view;
use crate::engine::protocol::{Answer, PlannedAnswer, StepCommand};
use crate::model::entity::{Generation, InstantProof, OperationId, SetInstant};
use crate::model::identity::{Name, VolumeId};
use crate::model::plan::plan;
use crate::model::snapshot::Snapshot;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use std::fmt::Write;
use std::sync::Arc;

/// A console on a site, with an engine that answers questions by the rules.
pub struct Desk {
    pub app: App,
    pub snapshot: Arc<Snapshot>,
    /// What was asked for and not answered.
    pub effects: Vec<Effect>,
}

/// The command line's own, as in the program.
fn grammar() -> LineGrammar {
    LineGrammar { request: typed::request, candidates: typed::candidates }
}

impl Desk {
    pub fn new(settings: Settings, size: (u16, u16)) -> Self {
        Self::on(fixture::demo(), settings, size)
    }

    pub fn on(snapshot: Snapshot, settings: Settings, size: (u16, u16)) -> Self {
        let clock = Clock::new(fixture::NOW, TimeZone::UTC);
        let app = App::new(settings, KeyMap::default(), (plan, grammar()), clock, size);
        let mut desk = Self { app, snapshot: Arc::new(snapshot), effects: Vec::new() };
        desk.tell(Msg::Link(Link::Live));
        desk.tell(Msg::Snapshot(Arc::clone(&desk.snapshot)));
        desk.drawn();
        desk
    }

    pub fn tell(&mut self, msg: Msg) {
        let effects = update(&mut self.app, msg);
        self.effects.extend(effects);
    }

    /// The site changes.
    pub fn site(&mut self, change: impl FnOnce(&mut Snapshot)) {
        let mut next = (*self.snapshot).clone();
        next.sequence += 1;
        change(&mut next);
        self.snapshot = Arc::new(next);
        self.tell(Msg::Snapshot(Arc::clone(&self.snapshot)));
    }

    /// Presses keys as a person does, who looks; after each the engine answers and the screen is drawn.
    pub fn keys(&mut self, keys: impl IntoIterator<Item = Key>) -> &mut Self {
        for key in keys {
            self.tell(Msg::LoneKey(key));
            self.answer();
            self.drawn();
        }
        self
    }

    /// The screen is drawn and looked at for a moment.
    pub fn drawn(&mut self) {
        self.tell(Msg::Drawn);
        if let Some(number) = self.app.gate.resting() {
            self.tell(Msg::Rested(number));
        }
    }

    pub fn types(&mut self, text: &str) -> &mut Self {
        self.keys(text.chars().map(Key::Char))
    }

    /// Answers questions for plans, as the engine does. What is to be run stays.
    pub fn answer(&mut self) {
        let mut open = std::mem::take(&mut self.effects);
        open.retain(|effect| {
            let Effect::Plan { ticket, request, .. } = effect else { return true };
            let answer = match plan(&self.snapshot, request) {
                Ok(plan) => {
                    let command = |verb| vec![StepCommand { step: 0, line: format!("acec {verb} ...") }];
                    let commands = plan.items().iter().map(|item| command(item.verb)).collect();
                    Answer::Planned(PlannedAnswer { plan, commands, sequence: self.snapshot.sequence })
                }
                Err(refusal) => Answer::Refused { refusal },
            };
            update(&mut self.app, Msg::Answer { ticket: *ticket, answer: Box::new(answer) });
            false
        });
        self.effects = open;
    }

    /// Puts the cursor on a volume of that name.
    pub fn at(&mut self, name: &str) -> &mut Self {
        let id = self.snapshot.find(name).unwrap();
        crate::console::update::screens::select(&mut self.app, id);
        self.app.settle();
        assert_eq!(self.app.selected_volume().map(|view| view.volume.id), Some(id), "{name}");
        self
    }

    pub fn buffer(&self) -> Buffer {
        buffer(&self.app)
    }

    pub fn text(&self) -> String {
        text(&self.buffer())
    }

    /// The screen and under it the styles, run by run.
    pub fn screen(&self) -> String {
        let buffer = self.buffer();
        format!("{}\nstyles:\n{}", text(&buffer), styles(&buffer))
    }

    /// The screen as a terminal gets it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut terminal = Terminal::new(Painter::new(Vec::new(), self.app.size)).unwrap();
        terminal.draw(|frame| view(&self.app, frame)).unwrap();
        terminal.backend().out().clone()
    }
}

fn buffer(app: &App) -> Buffer {
    let (width, height) = app.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view(app, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// What a console shows.
fn screen_text(app: &App) -> String {
    text(&buffer(app))
}

fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// `row: from-to colours` for each run that is not plain text.
fn styles(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let look = |x: u16| {
                let cell = &buffer[(x, y)];
                (cell.fg, cell.bg, cell.modifier)
            };
            let from = x;
            while x < buffer.area.width && look(x) == look(from) {
                x += 1;
            }
            if look(from) != (Color::Reset, Color::Reset, Modifier::empty()) {
                let (fg, bg, modifier) = look(from);
                write!(line, " {from}-{}", x - 1).unwrap();
                if fg != Color::Reset {
                    write!(line, " {fg}").unwrap();
                }
                if bg != Color::Reset {
                    write!(line, " on {bg}").unwrap();
                }
                if !modifier.is_empty() {
                    write!(line, " {modifier:?}").unwrap();
                }
                line.push(';');
            }
        }
        if !line.is_empty() {
            writeln!(out, "{y}:{line}").unwrap();
        }
    }
    out
}

/// The newest generations of the volumes become one backup of their set.
fn of_one_instant(site: &mut Snapshot, set: &Name, volumes: &[VolumeId]) {
    let before = site.clone();
    let of_set = |mut kept: Generation| {
        let newest = before.generations_of(kept.transaction_volume).last().unwrap().version;
        if volumes.contains(&kept.transaction_volume) && kept.version == newest {
            kept.operation = Some(OperationId(7));
            let (name, by) = (set.clone(), InstantProof::Array);
            kept.set = Some(SetInstant { name, volumes: 2, within_millis: 9, by });
        }
        kept
    };
    site.generations = before.generations.iter().cloned().map(of_set).collect();
}
