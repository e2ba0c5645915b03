//! The console's loop: messages in, effects out, frames when something changed. It waits for nothing but its terminal, the
//! engine's line and the clock's minute, and never for an answer.

use super::app::App;
use super::away::Away;
use super::drafts::DraftStore;
use super::editing::{Editing, EditorCommand};
use super::format::Clock;
use super::key_table::KeyMap;
use super::keys::{Key, Scope};
use super::messages::{Effect, Msg};
use super::terminal::background::{Background, IN_TIME, QUESTION};
use super::terminal::job;
use super::terminal::keyboard::Keyboard;
use super::terminal::paint::Painter;
use super::terminal::tty::{Tty, TtyError, Waiter};
use super::types::{ANSWER_TIMEOUT, LineGrammar, Link, Notice, Settings};
use super::update::{gate, update};
use super::view::view;
use crate::engine::client::{Asker, Connection, ReconnectingClient};
use crate::engine::protocol::Ask;
use crate::model::plan::plan;
use crate::model::snapshot::Severity;
use crate::model::units::Timestamp;
use ratatui::Terminal;
use std::io;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// Frames for new data on a slow line come no closer than this.
const SLOW_FRAMES: Duration = Duration::from_secs(5);
/// After the frame of a slow line that shows the volumes, before the one that shows what is beside them.
const REST_OF_PAINT: Duration = Duration::from_secs(1);
/// Bytes of a read that are kept before they are looked at.
const MAX_READ: usize = 64 << 10;
/// An answer that takes longer is waited for in words.
const SLOW_ANSWER: Duration = Duration::from_secs(2);
/// Answers that wait to be taken; more questions are not open at once.
const MAX_ANSWERS: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    #[error(transparent)]
    Terminal(#[from] TtyError),
    #[error("the console cannot wait for its terminal or for signals: {0}")]
    Waiting(#[from] io::Error),
}

/// Shows the site of a line to an engine until the person leaves, a signal ends it, or the terminal is gone.
pub async fn run(
    settings: Settings,
    keys: KeyMap,
    grammar: LineGrammar,
    line: ReconnectingClient,
    outside: Outside,
) -> Result<(), ConsoleError> {
    let mut signals = Signals::new()?;
    let tty = Tty::take()?;
    let mut console = Console::new(settings, keys, grammar, tty, &line, outside)?;
    let mut snapshots = line.snapshots();
    let mut first_rows = line.first_rows();
    let mut connection = line.connection();
    console.take_link(&connection.borrow_and_update().clone());
    if let Some(snapshot) = snapshots.borrow_and_update().clone() {
        console.tell(Msg::Snapshot(snapshot), Urgency::Data);
    }
    if settings.asks_background {
        console.tty.ask(QUESTION);
    }
    console.draw()?;
    while !console.ended {
        let minute = Instant::now() + Duration::from_millis(Clock::until_next_minute(now()));
        let keys_due = console.keyboard.due();
        let rested_at = console.resting.map(|(_, until)| until);
        tokio::select! {
            biased;
            which = signals.next() => console.take_signal(which),
            ready = console.waiter.readable() => {
                ready?.clear_ready();
                console.read_keys();
            }
            ready = console.waiter.writable(), if !console.pending.is_empty() => {
                ready?.clear_ready();
                console.write();
            }
            Some(msg) = console.answers.recv() => console.tell(msg, Urgency::Key),
            changed = connection.changed() => {
                let state = if changed.is_ok() { connection.borrow_and_update().clone() } else { Connection::Connecting };
                console.take_link(&state);
            }
            Ok(()) = first_rows.changed(), if console.app.picture.is_none() => {
                if let Some(first) = first_rows.borrow_and_update().clone() {
                    console.tell(Msg::FirstRows(first), Urgency::Data);
                }
            }
            Ok(()) = snapshots.changed() => {
                if let Some(snapshot) = snapshots.borrow_and_update().clone() {
                    console.tell(Msg::Snapshot(snapshot), Urgency::Data);
                }
            }
            () = sleep_until(keys_due.unwrap_or(minute)), if keys_due.is_some() => {
                for msg in console.keyboard.pass(Instant::now()) {
                    console.tell(msg, Urgency::Key);
                }
            }
            () = sleep_until(rested_at.unwrap_or(minute)), if rested_at.is_some() => console.rest(),
            () = sleep_until(console.frame_at.unwrap_or_else(Instant::now)), if console.may_draw() => {}
            () = sleep_until(minute) => console.tell(Msg::Minute(now()), Urgency::Data),
        }
        if let Some(editing) = console.editing.take() {
            console.edit(&editing, &mut signals).await;
        }
        if console.may_draw() && console.frame_at.is_some_and(|at| at <= Instant::now()) {
            console.draw()?;
        }
    }
    console.keep_look();
    if !console.keyboard.is_idle() || console.background.is_some_and(|(_, until)| Instant::now() <= until) {
        // The rest of what has begun is nothing for the shell.
        console.tty.drop_input();
    }
    Ok(())
}

/// What the console has of the world beside its terminal and its engine.
#[derive(Debug)]
pub struct Outside {
    pub drafts: DraftStore,
    pub editor: EditorCommand,
}

/// How soon a change has to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    Key,
    Data,
}

/// Before a frame that is wanted, since the last one: who pressed a key waits for nothing.
fn pause(urgency: Urgency, settings: Settings) -> Duration {
    let shortest = Duration::from_secs(1) / u32::from(settings.fps.max(1));
    match urgency {
        Urgency::Key => Duration::ZERO,
        Urgency::Data if settings.slow => SLOW_FRAMES.max(shortest),
        Urgency::Data => shortest,
    }
}

struct Console {
    app: App,
    tty: Tty,
    waiter: AsyncFd<Waiter>,
    terminal: Terminal<Painter<Vec<u8>>>,
    /// Bytes of a frame that the terminal has not taken yet. No frame is drawn before they are gone.
    pending: Vec<u8>,
    keyboard: Keyboard,
    /// While the terminal may still answer what its background is, and until when.
    background: Option<(Background, Instant)>,
    /// The number of the gate's rest, and when it is over.
    resting: Option<(u64, Instant)>,
    /// When the next frame is due; `None`: nothing changed.
    frame_at: Option<Instant>,
    last_frame: Option<Instant>,
    asker: Asker,
    answers: mpsc::Receiver<Msg>,
    answer: mpsc::Sender<Msg>,
    drafts: DraftStore,
    editor: EditorCommand,
    /// A text that the person is about to edit.
    editing: Option<Editing>,
    ended: bool,
}

impl Console {
    fn new(
        settings: Settings,
        keys: KeyMap,
        grammar: LineGrammar,
        tty: Tty,
        line: &ReconnectingClient,
        outside: Outside,
    ) -> Result<Self, ConsoleError> {
        let size = tty.size();
        let (clock, zone_unknown) = Clock::of_system(now());
        let (answer, answers) = mpsc::channel(MAX_ANSWERS);
        let mut painter = Painter::new(Vec::new(), size);
        painter.cleared();
        let mut app = App::new(settings, keys, (plan, grammar), clock, size);
        app.away = Away::since(outside.drafts.last_look());
        app.look.essential = settings.slow;
        app.notice = zone_unknown.map(|text| Notice { severity: Severity::Warning, text });
        Ok(Self {
            app,
            waiter: wait_on(&tty)?,
            tty,
            terminal: Terminal::new(painter)?,
            pending: Vec::new(),
            keyboard: Keyboard::default(),
            background: settings.asks_background.then(|| (Background::default(), Instant::now() + IN_TIME)),
            resting: None,
            frame_at: None,
            last_frame: None,
            asker: line.asker(),
            answers,
            answer,
            drafts: outside.drafts,
            editor: outside.editor,
            editing: None,
            ended: false,
        })
    }

    /// Tells the state something, does what it asks for, and says when that has to be seen.
    fn tell(&mut self, msg: Msg, urgency: Urgency) {
        for effect in update(&mut self.app, msg) {
            self.act(effect);
        }
        let now = Instant::now();
        let due = self.last_frame.map_or(now, |last| (last + pause(urgency, self.app.settings)).max(now));
        self.frame_at = Some(self.frame_at.map_or(due, |at| at.min(due)));
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::Quit => self.ended = true,
            Effect::Redraw => self.redraw(),
            Effect::ToShell => self.stop_for_shell(),
            Effect::LoadDrafts { scope } => {
                let (texts, faults) = if scope == Scope::Init { self.drafts.load_set_up() } else { self.drafts.load() };
                self.tell(Msg::Drafts { scope, texts, faults }, Urgency::Key);
            }
            Effect::KeepDraft { name, text } => {
                if let Err(why) = self.drafts.keep(&name, text.as_deref()) {
                    self.tell(Msg::NotKept(why), Urgency::Key);
                }
            }
            Effect::KeepSetUp { text } => {
                if let Err(why) = self.drafts.keep_set_up(text.as_deref()) {
                    self.tell(Msg::NotKept(why), Urgency::Key);
                }
            }
            Effect::Edit { scope, name, text } => self.editing = Some(Editing { scope, name, text }),
            Effect::Ask { ticket, ask } => self.ask(ticket, ask),
            Effect::Plan { ticket, request, asked: true } => self.ask(ticket, Ask::Propose { request }),
            Effect::Plan { ticket, request, asked: false } => {
                self.ask(ticket, Ask::Plan { request, read_hosts: false });
            }
            Effect::Run { ticket, request, agreed, confirmation } => {
                self.ask(ticket, Ask::Run { request, agreed, confirmation });
            }
        }
    }

    /// The next look begins here, if this one was shown what there was.
    fn keep_look(&self) {
        let seen = self.app.snapshot().filter(|_| self.app.away.is_seen());
        if let Some(snapshot) = seen
            && let Err(why) = self.drafts.keep_last_look(snapshot.taken_at)
        {
            tracing::warn!(why, "the next console begins its report earlier");
        }
    }

    /// Asks in a task of its own, which ends with an answer or with the reason why there is none.
    fn ask(&self, ticket: u64, ask: Ask) {
        let (asker, answer) = (self.asker.clone(), self.answer.clone());
        tokio::spawn(async move {
            let mut asked = std::pin::pin!(timeout(ANSWER_TIMEOUT, asker.ask(ask)));
            let reply = if let Ok(reply) = timeout(SLOW_ANSWER, &mut asked).await {
                reply
            } else {
                let _ = answer.send(Msg::Slow { ticket }).await;
                asked.await
            };
            let msg = match reply {
                Ok(Ok(reply)) => Msg::Answer { ticket, answer: Box::new(reply) },
                Ok(Err(error)) => Msg::Unanswered { ticket, why: error.to_string() },
                Err(_) => {
                    let why = format!("the engine did not answer within {} s", ANSWER_TIMEOUT.as_secs());
                    Msg::Unanswered { ticket, why }
                }
            };
            let _ = answer.send(msg).await;
        });
    }

    fn take_link(&mut self, connection: &Connection) {
        let link = match connection {
            Connection::Connecting => Link::Connecting,
            Connection::Connected => Link::Live,
            Connection::Silent { since, engine } => Link::Silent { since: *since, engine: engine.clone() },
            Connection::Lost { why, .. } => Link::Lost { since: now(), why: why.clone() },
        };
        self.tell(Msg::Link(link), Urgency::Key);
        self.tell(Msg::Minute(now()), Urgency::Key);
    }

    fn take_signal(&mut self, which: Caught) {
        match which {
            Caught::End | Caught::Interrupt => self.ended = true,
            Caught::Stop => {
                self.tty.leave();
                job::stop();
                self.back_from_shell();
            }
            Caught::Continue => self.back_from_shell(),
            Caught::Resize => {
                let (width, height) = self.tty.size();
                self.tell(Msg::Resize(width, height), Urgency::Key);
            }
        }
    }

    fn read_keys(&mut self) {
        for msg in self.read_all() {
            self.tell(msg, Urgency::Key);
        }
    }

    /// The person's editor on a text, in the foreground. Engine and snapshots go on meanwhile; the screen is the editor's.
    async fn edit(&mut self, editing: &Editing, signals: &mut Signals) {
        self.tty.leave();
        let (ended, text) = editing.run(self.editor, &self.drafts, signals).await;
        self.ended |= ended;
        if self.ended {
            return;
        }
        self.back_from_shell();
        self.tell(Msg::Edited { scope: editing.scope, text }, Urgency::Key);
    }

    /// The terminal's answer, if it is in what was read, and in time.
    fn background_of(&mut self, bytes: &[u8]) -> Option<bool> {
        let (background, until) = self.background.as_mut()?;
        let answer = if Instant::now() <= *until { background.read(bytes) } else { None };
        if answer.is_some() || Instant::now() > *until {
            self.background = None;
        }
        answer
    }

    /// Everything that can be read now counts as one read.
    fn read_all(&mut self) -> Vec<Msg> {
        let mut messages = Vec::new();
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.tty.read(&mut buffer) {
                Ok(read) => bytes.extend(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The other end is gone: reading on would never end.
                Err(_) => {
                    self.ended = true;
                    break;
                }
            }
            if bytes.len() >= MAX_READ {
                messages.extend(self.keyboard.read(&bytes, Instant::now()));
                bytes.clear();
            }
        }
        if !bytes.is_empty() {
            messages.extend(self.keyboard.read(&bytes, Instant::now()));
            messages.extend(self.background_of(&bytes).map(|light| Msg::Background { light }));
        }
        messages
    }

    /// Something changed, and the terminal has taken the frame before.
    fn may_draw(&self) -> bool {
        self.frame_at.is_some() && self.pending.is_empty()
    }

    fn draw(&mut self) -> io::Result<()> {
        self.frame_at = None;
        // A frame that waits for its site holds nothing up: the site's rows are shown as soon as they come.
        self.last_frame = self.app.picture.is_some().then(Instant::now);
        self.app.look.essential &= self.app.dialogs.is_empty() && self.app.screens.is_empty();
        let app = &self.app;
        self.terminal.draw(|frame| view(app, frame))?;
        self.pending = self.terminal.backend_mut().take_frames();
        if self.app.picture.is_some() && std::mem::take(&mut self.app.look.essential) {
            self.frame_at = Some(Instant::now() + REST_OF_PAINT);
        }
        if self.app.wants_arming() {
            // What was typed before this frame was typed to another one. Ways out count all the same.
            // It is not thrown away unread: a sequence that has begun goes on.
            for msg in self.read_all() {
                if matches!(msg, Msg::Key(Key::Ctrl('c') | Key::Esc) | Msg::LoneKey(Key::Ctrl('c') | Key::Esc)) {
                    self.tell(msg, Urgency::Key);
                }
            }
        }
        self.write();
        Ok(())
    }

    /// Writes what the terminal takes; once it has all of a frame, keys answer to that frame.
    fn write(&mut self) {
        while !self.pending.is_empty() {
            match self.tty.write(&self.pending) {
                Ok(written) => drop(self.pending.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.ended = true;
                    self.pending.clear();
                }
            }
        }
        update(&mut self.app, Msg::Drawn);
        match (self.app.gate.resting(), self.resting) {
            (Some(number), Some((known, _))) if number == known => {}
            (Some(number), _) => self.resting = Some((number, Instant::now() + gate::REST)),
            (None, _) => self.resting = None,
        }
    }

    /// What the screen shows has been there for long enough.
    fn rest(&mut self) {
        if let Some((number, _)) = self.resting.take() {
            self.tell(Msg::Rested(number), Urgency::Key);
        }
    }

    /// Everything anew: nothing is known of what the terminal shows.
    fn redraw(&mut self) {
        let size = self.tty.size();
        self.app.size = size;
        self.pending.clear();
        self.terminal.backend_mut().forget();
        self.terminal.backend_mut().resize(size);
        if self.terminal.resize(ratatui::layout::Rect::new(0, 0, size.0, size.1)).is_err() {
            self.ended = true;
        }
        self.frame_at = Some(Instant::now());
    }

    fn stop_for_shell(&mut self) {
        if !job::has_shell() {
            self.tell(Msg::NoShell, Urgency::Key);
            return;
        }
        self.tty.leave();
        job::stop();
        self.back_from_shell();
    }

    fn back_from_shell(&mut self) {
        if self.tty.enter().is_err() {
            self.ended = true;
            return;
        }
        self.keyboard.clear();
        self.redraw();
        self.tell(Msg::Minute(now()), Urgency::Key);
    }
}

/// What a signal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caught {
    End,
    /// Ctrl-C or Ctrl-\\ while the terminal was not ours.
    Interrupt,
    Stop,
    Continue,
    Resize,
}

pub struct Signals {
    ends: [Signal; 4],
    stop: Signal,
    go_on: Signal,
    resize: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let raw = |signal: rustix::process::Signal| SignalKind::from_raw(signal.as_raw());
        Ok(Self {
            ends: [
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::quit())?,
            ],
            stop: signal(raw(rustix::process::Signal::TSTP))?,
            go_on: signal(raw(rustix::process::Signal::CONT))?,
            resize: signal(SignalKind::window_change())?,
        })
    }

    pub async fn next(&mut self) -> Caught {
        let [terminate, hangup, interrupt, quit] = &mut self.ends;
        tokio::select! {
            _ = terminate.recv() => Caught::End,
            _ = hangup.recv() => Caught::End,
            _ = interrupt.recv() => Caught::Interrupt,
            _ = quit.recv() => Caught::Interrupt,
            _ = self.stop.recv() => Caught::Stop,
            _ = self.go_on.recv() => Caught::Continue,
            _ = self.resize.recv() => Caught::Resize,
        }
    }
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the console shows it to people and decides nothing by it")]
fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

/// The safe registration is called deprecated because a descriptor might be closed under it; ours lives in an `Arc`.
#[allow(deprecated)]
fn wait_on(tty: &Tty) -> io::Result<AsyncFd<Waiter>> {
    AsyncFd::new(tty.waiter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_frames_for_new_data_are_drawn_than_the_configuration_says_and_a_key_is_answered_at_once() {
        let few = Settings { fps: 4, ..Settings::default() };
        let slow = Settings { slow: true, ..few };
        assert_eq!(pause(Urgency::Data, few), Duration::from_millis(250));
        assert_eq!(pause(Urgency::Data, slow), SLOW_FRAMES);
        assert_eq!((pause(Urgency::Key, few), pause(Urgency::Key, slow)), (Duration::ZERO, Duration::ZERO));
    }
}
