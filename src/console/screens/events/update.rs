//! Keys on the events screen.

use super::keys;
use super::state::EventsScreen;
use crate::console::dialog::Dialog;
use crate::console::dialog::text::TextDialog;
use crate::console::keys::{Command, Key};
use crate::console::screens::screen::{Context, Step, moved};
use crate::console::text_edit::edit;
use crate::engine::protocol::Answer;
use crate::model::sentence;
use crate::model::snapshot::Severity;
use tui_input::Input;

pub fn key(screen: &mut EventsScreen, context: &Context, key: Key, command: Option<Command>) -> Vec<Step> {
    if screen.filter_input.is_some() {
        filter_key(screen, key);
        return Vec::new();
    }
    let page = usize::from(context.height().saturating_sub(3));
    if let Some(row) = command.and_then(|command| moved(command, screen.cursor.selected, page)) {
        screen.select(row);
        return Vec::new();
    }
    match command {
        Some(Command::Filter) => screen.filter_input = Some(Input::new(screen.filter.clone())),
        Some(Command::Open) => return open(screen, context),
        Some(Command::Details) => return details(screen, context),
        Some(Command::Back) => return back(screen),
        Some(command) if command == keys::SEVERE => {
            screen.severe = !screen.severe;
            screen.choose();
        }
        Some(command) if command == keys::ALL => {
            screen.with_audit = !screen.with_audit;
            screen.choose();
        }
        _ => {}
    }
    Vec::new()
}

fn filter_key(screen: &mut EventsScreen, key: Key) {
    let Some(input) = &mut screen.filter_input else { return };
    match key {
        Key::Enter | Key::Tab => screen.filter_input = None,
        Key::Esc => {
            screen.filter_input = None;
            screen.filter.clear();
            screen.choose();
        }
        key => {
            if edit(input, key) {
                screen.filter = input.value().to_lowercase();
                screen.choose();
            }
        }
    }
}

/// To the volume that the event is about; an event about none is shown in full.
fn open(screen: &EventsScreen, context: &Context) -> Vec<Step> {
    let Some(event) = screen.selected() else { return Vec::new() };
    let known = event.volume.filter(|id| context.snapshot().transaction_volume(*id).is_some());
    known.map_or_else(|| details(screen, context), |id| vec![Step::Select(id)])
}

fn details(screen: &EventsScreen, context: &Context) -> Vec<Step> {
    let Some(event) = screen.selected() else { return Vec::new() };
    let title = format!("Event {}, {}", event.sequence, context.clock.moment(event.at));
    let text = if event.times > 1 {
        let first = context.clock.moment(event.first_at);
        format!("{}\n{} times since {first}.", event.text, event.times)
    } else {
        event.text.clone()
    };
    vec![Step::Dialog(Dialog::Text(TextDialog { title, text, severity: event.severity, scroll: 0 }))]
}

/// One step back: the filter, the choice of severe ones, the screen.
fn back(screen: &mut EventsScreen) -> Vec<Step> {
    if !screen.filter.is_empty() {
        screen.filter.clear();
    } else if screen.severe {
        screen.severe = false;
    } else {
        return vec![Step::Close];
    }
    screen.choose();
    Vec::new()
}

/// What the engine has kept that is older than a snapshot's newest events.
pub fn answer(screen: &mut EventsScreen, context: &Context, answer: Result<&Answer, &str>) -> Vec<Step> {
    match answer {
        Ok(Answer::Events { events }) => {
            let label = |id| context.snapshot().label(id);
            let mut lines: Vec<_> = events.iter().map(|event| sentence::line(event, &label)).collect();
            lines.sort_by_key(|line| line.sequence);
            screen.take(lines);
            Vec::new()
        }
        Ok(Answer::Failed { why, .. }) => older_unknown(why),
        Ok(_) => Vec::new(),
        Err(why) => older_unknown(why),
    }
}

fn older_unknown(why: &str) -> Vec<Step> {
    vec![Step::Tell(Severity::Warning, format!("older events are not shown: {why}"))]
}
