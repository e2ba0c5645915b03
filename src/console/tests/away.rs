//! What happened while the person was away: asked once, counted on the main screen until the report was shown.

use super::Desk;
use crate::console::away::Away;
use crate::console::fixture::{NOW, one};
use crate::console::keys::Key;
use crate::console::messages::{Effect, Msg};
use crate::console::types::Settings;
use crate::engine::protocol::{Answer, Ask};
use crate::model::records::ReleaseReason;
use crate::model::since_report::SinceReport;
use crate::model::snapshot::TransactionState;
use crate::model::units::{Timestamp, Version};

const HOUR: i64 = 3_600_000;

fn last_look() -> Timestamp {
    NOW.plus_millis(-8 * HOUR)
}

/// A console of somebody who looked eight hours ago.
fn back(size: (u16, u16)) -> Desk {
    let mut desk = Desk::new(Settings::default(), size);
    desk.app.away = Away::since(Some(last_look()));
    desk.site(|_| ());
    desk
}

fn night() -> SinceReport {
    SinceReport {
        states: vec![
            (NOW.plus_millis(-2 * HOUR), one(0x10), TransactionState::Error),
            (NOW.plus_millis(-HOUR), one(0x10), TransactionState::Error),
        ],
        overdue: vec![(NOW.plus_millis(-HOUR), one(0x11))],
        released: vec![(NOW.plus_millis(-HOUR), one(0x11), Version(3), ReleaseReason::Deleted)],
        ..SinceReport::default()
    }
}

/// The engine answers what was asked of it, once.
fn answer(desk: &mut Desk, report: &SinceReport) {
    let asked = desk.effects.iter().filter_map(|effect| match effect {
        Effect::Ask { ticket, ask: Ask::Report { since } } => Some((*ticket, *since)),
        _ => None,
    });
    let asked: Vec<(u64, Timestamp)> = asked.collect();
    let [(ticket, since)] = asked[..] else { panic!("{:?}", desk.effects) };
    assert_eq!(since, last_look());
    desk.effects.clear();
    desk.tell(Msg::Answer { ticket, answer: Box::new(Answer::Report { report: Box::new(report.clone()) }) });
    desk.drawn();
}

#[test]
fn the_main_screen_counts_what_happened_until_it_was_shown() {
    let mut desk = back((120, 40));
    assert!(!desk.text().contains("L shows it"));
    answer(&mut desk, &night());
    let text = desk.text();
    assert!(text.contains(": 1 volume was in trouble, 1 overdue") && text.contains("L shows it"), "{text}");
    assert!(!desk.app.away.is_seen());
    // It is asked once, whatever comes.
    desk.site(|_| ());
    assert!(desk.effects.is_empty(), "{:?}", desk.effects);

    desk.types("L");
    assert!(desk.text().contains("Asking what happened"), "{}", desk.text());
    desk.keys([Key::Esc]);
    assert!(!desk.app.away.is_seen(), "nothing was shown yet");
    assert!(desk.text().contains("L shows it"));
    desk.effects.clear();
    desk.types("L");
    answer(&mut desk, &night());
    assert!(desk.text().contains("1 generation released"), "{}", desk.text());
    assert!(desk.app.away.is_seen());
    desk.keys([Key::Esc]);
    assert!(!desk.text().contains("L shows it"), "{}", desk.text());
}

#[test]
fn a_quiet_night_is_no_line_and_counts_as_seen() {
    let mut desk = back((80, 24));
    answer(&mut desk, &SinceReport::default());
    assert!(desk.app.away.is_seen() && !desk.text().contains("L shows it"));
    // Nobody knows: the next console asks again.
    let mut desk = back((80, 24));
    let Some(Effect::Ask { ticket, .. }) = desk.effects.pop() else { panic!() };
    desk.tell(Msg::Unanswered { ticket, why: "no line".to_owned() });
    assert!(!desk.app.away.is_seen());
    // Who has never looked has missed nothing.
    assert!(Desk::new(Settings::default(), (80, 24)).app.away.is_seen());
}

#[test]
fn the_report_screen_leads_to_the_volume_and_says_how_to_acknowledge() {
    let mut desk = back((120, 40));
    answer(&mut desk, &night());
    desk.types("L");
    answer(&mut desk, &night());
    desk.keys([Key::Down]);
    assert!(desk.text().contains("ecdeck report acknowledge "), "{}", desk.text());
    desk.keys([Key::Enter]);
    assert!(desk.app.screens.is_empty(), "{}", desk.text());
}

#[test]
fn the_report_screen_lists_a_pool_that_is_short_tonight() {
    let mut desk = back((120, 40));
    let code = crate::model::codes::Code::NO_BACKUP_VOLUME;
    let short = vec![(one(0x13), code, "no backup volume of 48 MiB is free".to_owned())];
    let report = SinceReport { short, ..night() };
    answer(&mut desk, &report);
    desk.types("L");
    answer(&mut desk, &report);
    let line = desk.text().lines().find(|line| line.contains("no backup volume of 48 MiB is free")).map(str::to_owned);
    assert!(line.is_some_and(|line| line.contains("demo-web")), "{}", desk.text());
}

#[test]
fn the_line_and_the_report_at_each_size() {
    for (size, name) in [((80, 24), "80x24"), ((120, 40), "120x40")] {
        let mut desk = back(size);
        answer(&mut desk, &night());
        insta::assert_snapshot!(format!("away-{name}"), desk.screen());
        desk.types("L");
        answer(&mut desk, &night());
        insta::assert_snapshot!(format!("report-{name}"), desk.screen());
    }
}
