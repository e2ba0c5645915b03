//! The state of the console: the site as it was last read, the main screen, the screens over it, and the dialogs on top.

use super::availability::VerbAvailability;
use super::away::Away;
use super::dialog::Dialog;
use super::format::Clock;
use super::gate::Gate;
use super::glyphs::Glyphs;
use super::key_table::KeyMap;
use super::keys::{Command, Key, Scope};
use super::picture::{FirstPicture, Picture};
use super::projection::MANY;
use super::screens::main::layout::{Content, Layout, NIGHTS, Shape};
use super::screens::main::state::MainScreen;
use super::screens::screen::{Context, Screen};
use super::theme::{Look, Theme};
use super::types::{LineGrammar, Link, Notice, Pane, Planner, Settings, Subject};
use crate::model::records::OperationId;
use crate::model::snapshot::{Reach, Severity, Snapshot, TransactionVolumeView};
use crate::model::volume_set::VolumeSet;

/// Lines after `:` that are remembered.
const MAX_LINES: usize = 50;

/// Everything that the screen is drawn from.
#[derive(Debug)]
pub struct App {
    pub settings: Settings,
    pub look: Look,
    pub keys: KeyMap,
    pub planner: Planner,
    pub grammar: LineGrammar,
    pub clock: Clock,
    pub size: (u16, u16),
    pub link: Link,
    /// `None` until the first snapshot.
    pub picture: Option<Picture>,
    /// What is shown of a large site until then.
    pub first: Option<Box<FirstPicture>>,
    pub main: MainScreen,
    /// The screens over the main one. The last one is on top and has the keys.
    pub screens: Vec<Box<dyn Screen>>,
    /// The questions of screens that are not answered, and which screen asked.
    pub asked: Vec<(u64, Scope)>,
    /// Dialogs over the top screen. The last one is on top and has the keys.
    pub dialogs: Vec<Dialog>,
    pub notice: Option<Notice>,
    /// Lines that were typed after `:`, oldest first.
    pub lines: Vec<String>,
    /// Operations that were started here and have not been seen to end.
    pub watching: Vec<OperationId>,
    /// What happened since the person's last look.
    pub away: Away,
    /// Whether the plan on top can be agreed to.
    pub gate: Gate,
    /// The key that is being handled came alone.
    pub came_alone: bool,
    next_ticket: u64,
}

impl App {
    pub fn new(
        settings: Settings,
        keys: KeyMap,
        (planner, grammar): (Planner, LineGrammar),
        clock: Clock,
        size: (u16, u16),
    ) -> Self {
        let look = Look {
            theme: Theme::of(settings.theme),
            glyphs: Glyphs::of(settings.glyphs),
            whole_bars: settings.slow,
            essential: false,
        };
        Self {
            settings,
            look,
            keys,
            planner,
            grammar,
            clock,
            size,
            link: Link::Connecting,
            picture: None,
            first: None,
            main: MainScreen::default(),
            screens: Vec::new(),
            asked: Vec::new(),
            dialogs: Vec::new(),
            notice: None,
            lines: Vec::new(),
            watching: Vec::new(),
            away: Away::default(),
            gate: Gate::default(),
            came_alone: false,
            next_ticket: 1,
        }
    }

    pub fn layout(&self) -> Layout {
        let first = self.first.as_ref().map(|first| (&first.picture, first.volumes));
        let shown = self.picture.as_ref().map(|picture| (picture, picture.rows.len())).or(first);
        let content = shown.map_or_else(Content::default, |(picture, volumes)| Content {
            volumes,
            copies: if self.main.all { picture.copies.len() } else { picture.most_copies + 1 },
            sizes: picture.sizes.len(),
            pool: if self.main.all { picture.pool.len() } else { picture.most_copies + 4 },
            generations: picture.most_generations,
            nights: if volumes < MANY { NIGHTS } else { 0 },
            away: self.away.news().is_some(),
        });
        Layout::of(self.size, self.main.detail, self.main.focus, content)
    }

    /// The line of the screen with the selected transaction volume; `None` where the table does not show it.
    pub fn selected_row(&self) -> Option<u16> {
        let layout = self.layout();
        if !self.screens.is_empty() || !layout.shows(Pane::Volumes) || self.selected_name().is_none() {
            return None;
        }
        let line = self.main.volumes.selected.checked_sub(self.main.volumes.offset)?;
        let top = layout.volumes.bottom() - u16::try_from(layout.rows(Pane::Volumes)).ok()?;
        let frame = u16::from(layout.shape == Shape::Wide);
        u16::try_from(line).ok().map(|line| top - frame + line)
    }

    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.picture.as_ref().map(|picture| &*picture.snapshot)
    }

    /// The site and its arrays as far as they are known: their heads come before the rows.
    pub fn heading(&self) -> Option<&Snapshot> {
        self.snapshot().or_else(|| self.first.as_ref().map(|first| &*first.picture.snapshot))
    }

    /// What a screen over the main one sees of the console; `None` before the first snapshot.
    pub fn context(&self) -> Option<Context<'_>> {
        let picture = self.picture.as_ref()?;
        Some(Context {
            picture,
            clock: &self.clock,
            keys: &self.keys,
            look: self.look,
            settings: self.settings,
            size: self.size,
            planner: self.planner,
            selected: self.subject(),
            last_look: self.away.since,
        })
    }

    /// Whose keys count: the top screen's.
    pub fn scope(&self) -> Scope {
        self.screens.last().map_or(Scope::Main, |screen| screen.scope())
    }

    /// What a key means on the top screen.
    pub fn command(&self, key: Key) -> Option<Command> {
        self.keys.command(self.scope(), key)
    }

    /// The transaction volume under the cursor of the main table.
    pub fn selected_volume(&self) -> Option<&TransactionVolumeView> {
        self.main.selected_volume(self.picture.as_ref()?)
    }

    /// The set under the cursor of the main table.
    pub fn selected_set(&self) -> Option<&VolumeSet> {
        self.picture.as_ref()?.set(self.main.volumes.selected)
    }

    /// What the row under the cursor of the main table is called: a volume, or `set erp`.
    pub fn selected_name(&self) -> Option<String> {
        let of_set = self.selected_set().map(|set| format!("set {}", set.name));
        of_set.or_else(|| self.selected_volume().map(|view| view.volume.name.to_string()))
    }

    /// Rows of a pane of the main screen.
    pub fn len(&self, pane: Pane) -> usize {
        self.picture.as_ref().map_or(0, |picture| self.main.len(picture, pane))
    }

    /// Selects a row of a pane of the main screen.
    pub fn select(&mut self, pane: Pane, row: usize) {
        if let Some(picture) = &self.picture {
            self.main.select(picture, pane, row);
        }
    }

    /// What the focused pane's row is about.
    pub fn subject(&self) -> Option<Subject> {
        self.main.subject(self.picture.as_ref()?)
    }

    /// After rows, choice or size changed: every cursor on its subject and in sight, every verb judged anew.
    pub fn settle(&mut self) {
        let layout = self.layout();
        if let Some(picture) = &self.picture {
            self.main.settle(picture, &layout);
        }
        if !layout.shows(self.main.focus) {
            self.main.focus = Pane::Volumes;
        }
        let mut screens = std::mem::take(&mut self.screens);
        if let Some(context) = self.context() {
            for screen in &mut screens {
                screen.settle(&context);
            }
        }
        self.screens = screens;
        self.judge();
    }

    /// Plans the verbs for the selected row, if row, snapshot or marks are others than last time. Several volumes are
    /// planned when their dialog opens: it says for each.
    fn judge(&mut self) {
        let several = self.main.focus == Pane::Volumes && !self.main.marks.is_empty();
        let subject = if several { None } else { self.subject() };
        let Some(snapshot) = self.snapshot() else { return };
        if !self.main.availability.is_of(snapshot, subject) {
            let verdicts = VerbAvailability::of(snapshot, subject, self.planner, self.settings.read_only);
            self.main.availability = verdicts;
        }
    }

    /// Says something on the last line, until the next key.
    pub fn tell(&mut self, severity: Severity, text: impl Into<String>) {
        self.notice = Some(Notice { severity, text: text.into() });
    }

    /// Keeps a line that was typed after `:`, once and as the newest.
    pub fn remember(&mut self, line: &str) {
        self.lines.retain(|known| known != line);
        self.lines.push(line.to_owned());
        let surplus = self.lines.len().saturating_sub(MAX_LINES);
        self.lines.drain(..surplus);
    }

    /// Whether a dialog is open that keys must not reach before it has been seen.
    pub fn wants_arming(&self) -> bool {
        match self.dialogs.last() {
            Some(Dialog::Plan(plan)) => !plan.armed && plan.answer().is_some(),
            Some(Dialog::Prompt(prompt)) => !prompt.armed,
            Some(Dialog::Policy(form)) => !form.armed,
            Some(Dialog::Restore(form)) => !form.armed,
            Some(Dialog::Palette(palette)) => !palette.armed,
            _ => false,
        }
    }

    /// Whether what is on the screen is the engine's latest word. Before the first one nothing is.
    pub fn is_stale(&self) -> bool {
        self.picture.is_some() && matches!(self.link, Link::Silent { .. } | Link::Lost { .. })
    }

    /// The arrays whose first reading is under way.
    pub fn being_read(&self) -> Vec<&str> {
        let arrays = self.snapshot().into_iter().flat_map(|snapshot| &snapshot.arrays);
        arrays.filter(|array| matches!(array.reach, Reach::Waiting)).map(|array| array.name.as_str()).collect()
    }

    /// A number for a question to the engine that no other question has.
    pub fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }
}
