//! Keys, answers and steps of the screens over the main one.

use super::ask;
use crate::console::app::App;
use crate::console::keys::{Command, Key, Scope};
use crate::console::messages::Effect;
use crate::console::screens;
use crate::console::screens::main::update::{choose, program};
use crate::console::screens::nights::NightsScreen;
use crate::console::screens::screen::{Context, Screen, Step};
use crate::console::unbound;
use crate::engine::protocol::Answer;
use crate::model::identity::VolumeId;
use crate::model::snapshot::Severity;

/// Opens a screen over the one on top. One of a scope is open at a time.
pub fn open(app: &mut App, scope: Scope) -> Vec<Effect> {
    if app.screens.iter().any(|screen| screen.scope() == scope) {
        return Vec::new();
    }
    let Some(context) = app.context() else { return Vec::new() };
    let Some(screen) = screens::open(scope, &context) else { return Vec::new() };
    put(app, screen)
}

/// The nights to come of a volume that was named.
pub fn open_nights(app: &mut App, volume: VolumeId) -> Vec<Effect> {
    app.screens.retain(|screen| screen.scope() != Scope::Nights);
    let Some(context) = app.context() else { return Vec::new() };
    let screen = Box::new(NightsScreen::of(&context, Some(volume)));
    put(app, screen)
}

/// Shows a screen over the one on top.
pub fn put(app: &mut App, mut screen: Box<dyn Screen>) -> Vec<Effect> {
    let Some(context) = app.context() else { return Vec::new() };
    let (scope, steps) = (screen.scope(), screen.opened(&context));
    app.screens.push(screen);
    take(app, scope, steps)
}

/// A key on the top screen.
pub fn key(app: &mut App, key: Key) -> Vec<Effect> {
    let command = app.command(key);
    let Some(top) = app.screens.last() else { return Vec::new() };
    let (scope, is_typing) = (top.scope(), top.is_typing());
    let said = app.notice.take();
    if key == Key::Ctrl('c') || command == Some(Command::Quit) && !is_typing {
        let warning = top.unsaved().map(|work| format!("{work}; press it again to leave"));
        if let Some(text) = warning.filter(|text| said.is_none_or(|notice| notice.text != *text)) {
            app.tell(Severity::Warning, text);
            return Vec::new();
        }
        return vec![Effect::Quit];
    }
    if let Some(command) = command.filter(|_| !is_typing) {
        if let Command::Show(scope) = command {
            return open(app, scope);
        }
        if let Some(effects) = program(app, command) {
            return effects;
        }
    }
    if command.is_none()
        && !is_typing
        && let Some(why) = unbound::why(&app.keys, scope, key)
    {
        app.tell(Severity::Info, why);
    }
    let steps = on_top(app, |screen, app| app.context().map(|context| screen.key(&context, key, command)));
    take(app, scope, steps.flatten().unwrap_or_default())
}

/// A command of the top screen's that was chosen by its name.
pub fn act(app: &mut App, command: Command) -> Vec<Effect> {
    let Some(scope) = app.screens.last().map(|screen| screen.scope()) else { return Vec::new() };
    let key = app.keys.keys(command).first().copied().unwrap_or(Key::Esc);
    let steps = on_top(app, |screen, app| app.context().map(|context| screen.key(&context, key, Some(command))));
    take(app, scope, steps.flatten().unwrap_or_default())
}

/// The engine's answer, if a screen asked for it.
pub fn answer(app: &mut App, ticket: u64, answer: Result<&Answer, &str>) -> Option<Vec<Effect>> {
    let at = app.asked.iter().position(|(asked, _)| *asked == ticket)?;
    let (_, scope) = app.asked.swap_remove(at);
    Some(tell(app, scope, |screen, context| screen.answer(context, answer)))
}

/// Tells the screen of a scope something, if it is still open.
pub fn tell(app: &mut App, scope: Scope, news: impl FnOnce(&mut dyn Screen, &Context) -> Vec<Step>) -> Vec<Effect> {
    let mut screens = std::mem::take(&mut app.screens);
    let steps = match (screens.iter_mut().find(|screen| screen.scope() == scope), app.context()) {
        (Some(screen), Some(context)) => news(&mut **screen, &context),
        _ => Vec::new(),
    };
    app.screens = screens;
    take(app, scope, steps)
}

/// Lets the top screen change itself while it sees the rest of the state.
fn on_top<T>(app: &mut App, change: impl FnOnce(&mut dyn Screen, &App) -> T) -> Option<T> {
    let mut top = app.screens.pop()?;
    let given = change(&mut *top, app);
    app.screens.push(top);
    Some(given)
}

/// Does what a screen wants done.
fn take(app: &mut App, scope: Scope, steps: Vec<Step>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for step in steps {
        match step {
            Step::Close => app.screens.retain(|screen| screen.scope() != scope),
            Step::Open(other) => effects.extend(open(app, other)),
            Step::Propose(request) => effects.extend(ask::propose(app, request)),
            Step::Ask(ask) => {
                let ticket = app.ticket();
                app.asked.push((ticket, scope));
                effects.push(Effect::Ask { ticket, ask });
            }
            Step::Dialog(dialog) => app.dialogs.push(dialog),
            Step::Select(volume) => {
                app.screens.clear();
                select(app, volume);
            }
            Step::Tell(severity, text) => app.tell(severity, text),
            Step::LoadDrafts => effects.push(Effect::LoadDrafts { scope }),
            Step::KeepDraft { name, text } => effects.push(Effect::KeepDraft { name, text }),
            Step::KeepSetUp { text } => effects.push(Effect::KeepSetUp { text }),
            Step::Edit { name, text } => effects.push(Effect::Edit { scope, name, text }),
        }
    }
    effects
}

/// Selects a transaction volume on the main screen; what hides it is taken away.
pub fn select(app: &mut App, volume: VolumeId) {
    let Some(picture) = &app.picture else { return };
    if app.main.select_volume(picture, volume) {
        return;
    }
    if let Some(set) = picture.snapshot.volume_set_of(volume) {
        app.main.choice.opened.insert(set.name.clone());
        choose(app);
        let picture = app.picture.as_ref();
        if picture.is_some_and(|picture| app.main.select_volume(picture, volume)) {
            return;
        }
    }
    app.main.choice.filter.clear();
    app.main.choice.problems = false;
    choose(app);
    let found = app.picture.as_ref().is_some_and(|picture| app.main.select_volume(picture, volume));
    let text = if found { "all volumes are shown again" } else { "this volume is no longer registered" };
    app.tell(Severity::Info, text);
}
