//! The gate before everything that runs: only a lone key, only on a plan whose end has been on the screen for a moment.

use super::Desk;
use crate::console::dialog::Dialog;
use crate::console::fixture::{one, two};
use crate::console::keys::Key;
use crate::console::messages::{Effect, Msg};
use crate::console::types::Settings;
use crate::model::records::ReleaseReason;
use crate::model::step::{GiveUpStep, PlanStep};

const Y: Key = Key::Char('Y');

fn desk(size: (u16, u16)) -> Desk {
    Desk::new(Settings::default(), size)
}

fn runs(desk: &Desk) -> usize {
    desk.effects.iter().filter(|effect| matches!(effect, Effect::Run { .. })).count()
}

/// Opens the plan of a backup whose oldest generation is given up, and draws it.
fn backup(size: (u16, u16)) -> Desk {
    let mut desk = desk(size);
    desk.at("demo-ora02").types("b");
    let Some(Dialog::Plan(plan)) = desk.app.dialogs.last() else { panic!("{:?}", desk.app.dialogs) };
    let steps = &plan.answer().unwrap().plan.items()[0].steps;
    assert!(
        steps.iter().any(|step| matches!(step, PlanStep::GiveUp(GiveUpStep { why: ReleaseReason::Retention, .. })))
    );
    desk
}

#[test]
fn the_key_counts_a_moment_after_the_plan_was_drawn_and_the_button_says_so() {
    let mut desk = desk((120, 40));
    desk.at("demo-ora02");
    desk.tell(Msg::LoneKey(Key::Char('b')));
    desk.answer();
    desk.tell(Msg::Drawn);
    assert!(desk.text().contains("Y in a moment"), "{}", desk.text());
    desk.tell(Msg::LoneKey(Y));
    assert_eq!(runs(&desk), 0, "it has only just been drawn");
    assert!(desk.text().contains("too soon"), "{}", desk.text());
    let number = desk.app.gate.resting().unwrap();
    desk.tell(Msg::Rested(number + 1));
    desk.tell(Msg::LoneKey(Y));
    assert_eq!(runs(&desk), 0, "another rest is over");
    desk.tell(Msg::Rested(number));
    assert!(desk.text().contains("Y run"), "{}", desk.text());
    desk.tell(Msg::LoneKey(Y));
    assert_eq!(runs(&desk), 1);
}

#[test]
fn a_key_that_comes_with_others_does_not_agree() {
    let mut desk = backup((120, 40));
    desk.tell(Msg::Key(Y));
    desk.tell(Msg::Key(Key::Alt('Y')));
    assert_eq!(runs(&desk), 0);
    let mut desk = backup((120, 40));
    desk.tell(Msg::Key(Y));
    assert!(desk.text().contains("press it alone"), "{}", desk.text());
    desk.keys([Y]);
    assert_eq!(runs(&desk), 1);
}

#[test]
fn what_is_given_up_is_the_first_that_a_plan_says_on_every_screen() {
    for size in [(120, 40), (80, 24), (60, 16), (40, 8)] {
        let desk = backup(size);
        let text = desk.text();
        assert!(text.contains("demo-ora02: release v16"), "{size:?}: {text}");
    }
    for size in [(120, 40), (80, 24), (40, 10)] {
        let mut desk = desk(size);
        desk.at("demo-ora02").types("3jd");
        let Some(Dialog::Plan(plan)) = desk.app.dialogs.last() else { panic!("{:?}", desk.app.dialogs) };
        let what = plan.answer().unwrap().plan.confirmation().unwrap().what.clone();
        let first: String = what.chars().take(20).collect();
        assert!(desk.text().contains(&first), "{size:?}: {first}: {}", desk.text());
    }
}

#[test]
fn a_plan_that_is_longer_than_the_screen_wants_its_end_to_be_seen() {
    let mut desk = backup((40, 8));
    assert!(desk.text().contains("more, "), "{}", desk.text());
    assert!(!desk.text().contains("Y run"), "{}", desk.text());
    desk.keys([Y]);
    assert_eq!(runs(&desk), 0);
    desk.keys([Key::End]);
    assert!(desk.text().contains("Y run"), "{}", desk.text());
    // Back at its beginning, the end has still been seen.
    desk.keys([Key::Home, Y]);
    assert_eq!(runs(&desk), 1);
}

#[test]
fn a_batch_is_agreed_to_at_its_end() {
    let mut desk = desk((80, 24));
    desk.types("*s");
    desk.keys([Y]);
    assert_eq!(runs(&desk), 0);
    assert!(desk.text().contains("read the plan to its end first"), "{}", desk.text());
    desk.keys([Key::PageDown, Key::PageDown, Key::PageDown, Key::PageDown, Key::PageDown]);
    assert!(desk.text().contains("run 3 of 11"), "{}", desk.text());
    desk.keys([Y]);
    assert_eq!(runs(&desk), 1);
}

#[test]
fn another_size_or_another_plan_must_be_seen_again() {
    let mut desk = backup((120, 40));
    desk.tell(Msg::Resize(100, 30));
    desk.tell(Msg::LoneKey(Y));
    assert_eq!(runs(&desk), 0, "nothing has been drawn at this size");
    desk.drawn();
    desk.tell(Msg::LoneKey(Y));
    assert_eq!(runs(&desk), 1);

    let mut desk = self::desk((120, 40));
    desk.at("demo-vg01").types("s");
    desk.site(|site| {
        site.pool.iter_mut().find(|view| view.volume.id == one(0x2E)).unwrap().volume.id = two(0x2B);
        site.pool.sort_by_key(|view| view.volume.id);
    });
    desk.answer();
    let stale = desk.app.gate.resting();
    desk.tell(Msg::LoneKey(Y));
    assert_eq!((runs(&desk), stale), (0, None), "the new plan has not been drawn");
}

#[test]
fn on_a_screen_that_is_too_small_keys_only_lead_out() {
    for size in [(39, 24), (120, 7)] {
        let mut desk = desk(size);
        desk.at("demo-ora02").types("b").keys([Y, Key::Enter, Key::Tab, Y]);
        assert!(desk.effects.is_empty() && desk.app.dialogs.is_empty(), "{size:?}: {:?}", desk.effects);
        let mut desk = backup((120, 40));
        desk.tell(Msg::Resize(size.0, size.1));
        desk.drawn();
        desk.keys([Y]);
        assert_eq!(runs(&desk), 0);
        desk.keys([Key::Esc]);
        assert!(desk.app.dialogs.is_empty());
        desk.keys([Key::Ctrl('c')]);
        assert_eq!(desk.effects.last(), Some(&Effect::Quit));
    }
}

#[test]
fn a_typed_name_counts_when_it_has_been_seen_and_enter_came_alone() {
    let mut desk = desk((120, 40));
    desk.at("demo-ora02").types("3jdY");
    let Some(Dialog::Plan(plan)) = desk.app.dialogs.last() else { panic!("{:?}", desk.app.dialogs) };
    assert!(plan.typing);
    let name = plan.answer().unwrap().plan.confirmation().unwrap().name.clone();
    for c in name.chars() {
        desk.tell(Msg::Key(Key::Char(c)));
    }
    desk.tell(Msg::LoneKey(Key::Enter));
    assert_eq!(runs(&desk), 0, "the name has not been drawn");
    desk.drawn();
    desk.tell(Msg::Key(Key::Enter));
    assert_eq!(runs(&desk), 0, "not alone");
    desk.keys([Key::Enter]);
    assert_eq!(runs(&desk), 1);
}

#[test]
fn alt_with_a_key_that_has_no_meaning_is_esc_and_the_key() {
    let mut desk = desk((120, 40));
    desk.types("/ora");
    desk.tell(Msg::Key(Key::Alt('?')));
    assert!(desk.app.main.filter_input.is_none(), "Esc left the field");
    assert!(matches!(desk.app.dialogs.last(), Some(Dialog::Help { .. })));
}
