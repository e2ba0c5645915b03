//! The reconcile screen: rows, marks, and the plan of what is marked.

use super::Desk;
use crate::console::dialog::Dialog;
use crate::console::keys::{Key, Scope};
use crate::console::types::Settings;
use crate::model::request::Action;
use crate::model::snapshot::Snapshot;

/// Sessions of the demonstration that another program made: the first two suspended ones.
fn by_others(snapshot: &mut Snapshot) {
    let mut sessions = snapshot.sessions.to_vec();
    let suspended = sessions
        .iter_mut()
        .filter(|session| session.status == crate::model::session::Status::Suspended && session.phase.is_whole());
    for session in suspended.take(2) {
        session.ours = false;
        session.requestor = "AdvancedCopy Manager".into();
    }
    snapshot.sessions = sessions.into();
}

fn desk(size: (u16, u16)) -> Desk {
    let mut desk = Desk::new(Settings::default(), size);
    desk.site(by_others);
    desk.types("K");
    desk
}

#[test]
fn each_difference_is_a_row_and_all_of_it_is_told_below() {
    for size in [(120, 40), (80, 24)] {
        let desk = desk(size);
        assert_eq!(desk.app.screens.last().map(|screen| screen.scope()), Some(Scope::Reconcile));
        let text = desk.text();
        assert!(text.contains("the catalogue says") && text.contains("adopt"), "{text}");
        assert!(text.contains("of ACM: suspended"), "{text}");
        insta::assert_snapshot!(format!("reconcile_{}x{}", size.0, size.1), text);
    }
}

#[test]
fn what_is_marked_is_asked_for_and_esc_clears_the_marks_first() {
    let mut desk = desk((120, 40));
    desk.types("*x");
    assert!(matches!(desk.app.dialogs.last(), Some(Dialog::Plan(_))), "{}", desk.text());
    let asked = desk.text();
    assert!(asked.contains("adopt"), "{asked}");
    desk.keys([Key::Esc]);
    assert!(desk.text().contains("2 marked of 3"), "{}", desk.text());
    desk.keys([Key::Esc]);
    assert!(!desk.text().contains("marked of"));
    desk.keys([Key::Esc]);
    assert!(desk.app.screens.is_empty());
}

#[test]
fn one_row_alone_is_asked_for_by_the_volume_that_it_is_about() {
    let mut desk = desk((120, 40));
    desk.types("x");
    let Some(Dialog::Plan(dialog)) = desk.app.dialogs.last() else { panic!("{}", desk.text()) };
    let Action::Reconcile { volumes, only, .. } = &dialog.request.action else { panic!() };
    assert_eq!((volumes.len(), only.len()), (1, 1));
}

#[test]
fn where_nothing_differs_the_screen_says_so() {
    let mut desk = Desk::new(Settings::default(), (120, 40));
    desk.site(|snapshot| snapshot.sessions = Vec::new().into());
    desk.types("K");
    assert!(desk.text().contains("The catalogue and the arrays agree."), "{}", desk.text());
    desk.types("x");
    assert!(desk.text().contains("nothing is proposed"), "{}", desk.text());
}
