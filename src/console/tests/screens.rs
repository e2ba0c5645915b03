//! Screens over the main one: opening, one step back, going to a row, keys and help made from the table.

use super::Desk;
use crate::console::fixture::one;
use crate::console::key_table::TABLE;
use crate::console::keys::{Key, Scope};
use crate::console::messages::{Effect, Msg};
use crate::console::types::{Pane, Settings};
use crate::engine::protocol::{Answer, Ask};
use crate::model::event::{ChainHash, Event, EventKind, NewEvent};
use crate::model::snapshot::{EventLine, Severity, TransactionState};
use crate::model::units::Timestamp;

const SIZE: (u16, u16) = (120, 40);

fn desk() -> Desk {
    Desk::new(Settings::default(), SIZE)
}

/// An event of the audit, years before all others.
fn old_event(sequence: u64) -> Event {
    let kind = EventKind::StateChanged {
        volume: one(0x12),
        from: TransactionState::Copying,
        to: TransactionState::Equivalent,
        error: None,
    };
    let event = NewEvent::by_engine(Timestamp(0), kind);
    Event { sequence, event, hash: ChainHash::start(), rows: Vec::new() }
}

#[test]
fn the_events_screen_asks_for_what_is_older_and_shows_it() {
    let mut desk = desk();
    desk.types("v");
    assert_eq!(desk.app.screens.len(), 1);
    let Some(Effect::Ask { ticket, ask: Ask::Events { .. } }) = desk.effects.last().cloned() else {
        panic!("{:?}", desk.effects)
    };
    assert!(desk.text().contains("asking for older ones"));
    assert!(desk.text().contains("Enter goes to demo-log; i shows all of the event"), "{}", desk.text());
    let before = desk.text();
    let answer = Answer::Events { events: vec![old_event(0)] };
    desk.tell(Msg::Answer { ticket, answer: Box::new(answer) });
    assert!(!desk.text().contains("asking for older ones"));
    assert!(!before.contains("demo-mail is equivalent") && desk.text().contains("demo-mail is equivalent"));
}

#[test]
fn an_unanswered_question_is_said_and_the_newest_events_stay() {
    let mut desk = desk();
    desk.types("v");
    let Some(Effect::Ask { ticket, .. }) = desk.effects.last().cloned() else { panic!() };
    desk.tell(Msg::Unanswered { ticket, why: "the line to the engine was lost".to_owned() });
    assert!(desk.text().contains("older events are not shown: the line"), "{}", desk.text());
    assert!(desk.text().contains("demo-ora02 is equivalent"));
}

#[test]
fn esc_goes_one_step_back_and_then_to_the_main_screen() {
    let mut desk = desk();
    desk.types("v/ora").keys([Key::Enter]).types("!");
    desk.keys([Key::Esc]);
    assert!(!desk.text().contains("/ora") && desk.text().contains("problems only"), "{}", desk.text());
    desk.keys([Key::Esc]);
    assert_eq!(desk.app.screens.len(), 1);
    desk.keys([Key::Esc]);
    assert!(desk.app.screens.is_empty());
}

#[test]
fn enter_on_an_event_goes_to_its_volume_though_a_filter_hides_it() {
    for open in ["a4", "/zz\rv"] {
        let mut desk = desk();
        desk.keys(open.chars().map(|c| if c == '\r' { Key::Enter } else { Key::Char(c) })).keys([Key::Enter]);
        assert!(desk.app.screens.is_empty());
        assert_eq!(desk.app.main.focus, Pane::Volumes);
        let newest = desk.app.picture.as_ref().unwrap().events[0].volume;
        assert_eq!(desk.app.selected_volume().map(|view| view.volume.id), newest, "{open}");
    }
}

#[test]
fn what_comes_again_is_one_row_and_the_audit_is_shown_on_demand_only() {
    let mut desk = desk();
    desk.site(|site| {
        for sequence in 1_000..1_004 {
            let (severity, text) = (Severity::Warning, "demo-web: start refused: it copies (ecd-1301)".to_owned());
            let at = site.taken_at;
            site.events.push(EventLine { sequence, at, severity, volume: Some(one(0x13)), text, news: false });
        }
    });
    assert!(!desk.text().contains("start refused"), "a refused key is no news");
    desk.types("v");
    assert!(!desk.text().contains("start refused"));
    desk.types("a");
    assert_eq!(desk.text().matches("start refused").count(), 1);
    assert!(desk.text().contains("4 times"), "{}", desk.text());
}

#[test]
fn the_nights_to_come_are_those_of_the_selected_or_the_named_volume() {
    let mut desk = desk();
    desk.at("demo-ora01").types("w");
    assert!(desk.text().contains("Nights to come of demo-ora01"), "{}", desk.text());
    desk.keys([Key::Esc]);
    assert!(desk.app.screens.is_empty());
    desk.types(":policy preview").keys([Key::Enter]);
    assert!(desk.text().contains("Nights to come of demo-ora01"), "{}", desk.text());
    desk.types(":policy preview demo-web").keys([Key::Enter]);
    assert!(desk.text().contains("Nights to come of demo-web"), "{}", desk.text());
    desk.keys([Key::Esc]).types(":policy preview nowhere").keys([Key::Enter]);
    assert!(desk.text().contains("no volume is called nowhere"), "{}", desk.text());
}

#[test]
fn the_nights_to_come_follow_a_changed_policy() {
    let mut desk = desk();
    desk.at("demo-ora02").types("w");
    let before = desk.text();
    desk.site(|site| {
        for view in &mut site.transaction_volumes {
            view.volume.policy = None;
        }
    });
    assert!(!before.contains("no night is planned") && desk.text().contains("no night is planned"), "{}", desk.text());
}

#[test]
fn a_verb_key_means_nothing_on_another_screen() {
    let mut desk = desk();
    desk.at("demo-vg01").types("vs");
    assert!(desk.app.dialogs.is_empty());
    assert_eq!(desk.app.screens.len(), 1);
}

#[test]
fn footer_help_and_palette_are_made_from_the_keys_of_the_screen() {
    let mut desk = desk();
    desk.types("v");
    let own: Vec<_> = TABLE.iter().filter(|entry| entry.scope == Scope::Events).collect();
    assert!(own.len() >= 2);
    for entry in own.iter().filter(|entry| !entry.label.is_empty()) {
        assert!(desk.text().contains(&format!("{} {}", entry.keys[0], entry.label)), "{}", desk.text());
    }
    desk.types("?");
    assert!(own.iter().all(|entry| desk.text().contains(&entry.help[..40.min(entry.help.len())])), "{}", desk.text());
    desk.keys([Key::Esc]).types(":events-prob").keys([Key::Enter]);
    assert!(desk.text().contains("problems only"), "the palette does what the key does");
}

#[test]
fn a_paste_is_typed_into_the_filter_of_the_top_screen_only() {
    let mut desk = desk();
    desk.types("v");
    desk.tell(Msg::Paste("!a".to_owned()));
    assert!(!desk.text().contains("problems only"));
    desk.types("/");
    desk.tell(Msg::Paste("ora01".to_owned()));
    assert!(desk.text().contains("/ora01"));
    assert!(desk.app.main.choice.filter.is_empty());
}
