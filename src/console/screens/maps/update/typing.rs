//! Keys while a filter or a name is typed.

use super::super::state::{MapsScreen, Typing};
use super::info;
use crate::console::keys::Key;
use crate::console::screens::screen::{Context, Step};
use crate::console::text_edit::edit;
use crate::model::identity::Name;
use crate::model::snapshot::Severity;

pub fn key(screen: &mut MapsScreen, context: &Context, key: Key) -> Vec<Step> {
    match (&mut screen.typing, key) {
        (Some(Typing::Filter(_)), Key::Enter | Key::Tab) => screen.typing = None,
        (Some(Typing::Filter(_)), Key::Esc) => {
            screen.typing = None;
            screen.volumes.filter.clear();
        }
        (Some(Typing::Filter(input)), key) => {
            if edit(input, key) {
                screen.volumes.filter = input.value().to_lowercase();
            }
        }
        (Some(_), Key::Esc) => screen.typing = None,
        (Some(Typing::Name(input)), Key::Enter) => {
            let text = input.value().trim().to_owned();
            return rename(screen, context, &text);
        }
        (Some(Typing::RoundName(input)), Key::Enter) => {
            let text = input.value().trim().to_owned();
            return rename_round(screen, context, &text);
        }
        (Some(Typing::Name(input) | Typing::RoundName(input)), key) => drop(edit(input, key)),
        (None, _) => {}
    }
    Vec::new()
}

fn no_name(text: &str) -> Vec<Step> {
    let why = if text.is_empty() { "type a name" } else { "this cannot be a name" };
    let most = Name::MAX_LENGTH;
    let text = format!("{why}: 1 to {most} of A-Z a-z 0-9 . _ -, beginning with a letter or a digit");
    vec![Step::Tell(Severity::Warning, text)]
}

fn rename(screen: &mut MapsScreen, context: &Context, text: &str) -> Vec<Step> {
    let Ok(name) = text.parse::<Name>() else { return no_name(text) };
    // A map set of somebody else may have got this name since.
    let is_stored = context.snapshot().map_set(name.as_str()).is_some();
    let is_own = !is_stored && screen.open.as_ref().is_some_and(|draft| *draft.name() == name);
    if !is_own && !screen.is_free(context.snapshot(), &name) {
        let text = format!("there is a map set or a draft {name} already: type another name");
        return vec![Step::Tell(Severity::Warning, text)];
    }
    screen.typing = None;
    if let Some(draft) = &mut screen.open {
        draft.rename(context.clock.now, name);
    }
    Vec::new()
}

fn rename_round(screen: &mut MapsScreen, context: &Context, text: &str) -> Vec<Step> {
    let Ok(name) = text.parse::<Name>() else { return no_name(text) };
    let round = screen.rounds.round;
    let Some(draft) = &mut screen.open else { return Vec::new() };
    if !draft.rename_round(context.clock.now, round, name) {
        return info("another round has this name: type another one");
    }
    screen.typing = None;
    Vec::new()
}
