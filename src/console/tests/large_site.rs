//! A site too large for one message: it comes in pieces, page by page, and its first rows before the rest.

use super::{grammar, screen_text};
use crate::console::app::App;
use crate::console::fixture;
use crate::console::format::Clock;
use crate::console::key_table::KeyMap;
use crate::console::keys::Key;
use crate::console::messages::Msg;
use crate::console::terminal::paint::Painter;
use crate::console::types::{Link, Settings};
use crate::console::update::update;
use crate::console::view::view;
use crate::model::pages::{PAGE_ROWS, Page, PageList, trouble_rank};
use crate::model::pieces::{Assembly, Piece};
use crate::model::plan::plan;
use crate::model::snapshot::{Snapshot, TransactionState};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Cut, sent as documents, and put together at the other end.
fn sent(snapshot: &Snapshot) -> (usize, Snapshot) {
    let (pieces, end) = snapshot.cut();
    let mut assembly = Assembly::default();
    for piece in &pieces {
        let document = serde_json::to_vec(piece).unwrap();
        assembly.take(serde_json::from_slice::<Piece<'_>>(&document).unwrap());
    }
    let mut whole = serde_json::from_slice(&serde_json::to_vec(&end).unwrap()).unwrap();
    assembly.finish(&mut whole);
    (pieces.len(), whole)
}

#[test]
fn a_snapshot_of_many_pieces_is_put_together_as_it_was() {
    let mut snapshot = fixture::large(1_200);
    let operation = fixture::demo().operations.into_iter().next();
    snapshot.operations.extend(operation);
    let (pieces, whole) = sent(&snapshot);
    assert!(pieces > 6, "{pieces}");
    assert!(snapshot.cut().1.transaction_volumes.is_empty(), "what is sent last has no rows");
    assert_eq!(whole, snapshot);
}

#[test]
fn a_small_snapshot_is_one_message() {
    let snapshot = fixture::demo();
    assert_eq!(sent(&snapshot), (0, snapshot));
}

#[test]
fn no_piece_is_long() {
    let snapshot = fixture::large(3_000);
    let longest = snapshot.cut().0.iter().map(|piece| serde_json::to_vec(piece).unwrap().len()).max();
    assert!(longest.is_some_and(|bytes| bytes < 1 << 20), "{longest:?}");
}

#[test]
fn pages_have_every_row_once_and_names_for_what_they_refer_to() {
    let site = fixture::large(3 * PAGE_ROWS as u32 / 2);
    let pages = |list| {
        let mut pages = vec![site.page(list, 0)];
        while let Some(from) = pages.last().unwrap().next {
            pages.push(site.page(list, from));
        }
        assert!(pages.len() > 1);
        pages
    };
    let mut volumes = Vec::new();
    for Page { part, .. } in pages(PageList::TransactionVolumes) {
        for view in &part.transaction_volumes {
            assert_eq!(part.generations_of(view.volume.id), site.generations_of(view.volume.id));
        }
        volumes.extend(part.transaction_volumes.to_vec());
    }
    assert_eq!(volumes, *site.transaction_volumes);
    let mut pool = Vec::new();
    for Page { part, .. } in pages(PageList::Pool) {
        let owners = part.pool.iter().filter_map(|view| view.transaction_volume);
        owners.for_each(|id| assert_eq!(part.label(id), site.label(id)));
        pool.extend(part.pool.to_vec());
    }
    assert_eq!(pool, *site.pool);
    let mut sessions = Vec::new();
    for Page { part, .. } in pages(PageList::Sessions) {
        for session in &part.sessions {
            assert_eq!(part.label(session.pair.source), site.label(session.pair.source));
            assert_eq!(part.label(session.pair.target), site.label(session.pair.target));
        }
        sessions.extend(part.sessions.to_vec());
    }
    assert_eq!(sessions, *site.sessions);
    assert_eq!(site.page(PageList::Sessions, usize::MAX).next, None);
}

#[test]
fn the_first_rows_are_those_that_a_table_with_trouble_first_begins_with() {
    let mut site = fixture::large(500);
    let last = site.transaction_volumes.len() - 1;
    site.transaction_volumes[last].state = TransactionState::Error;
    let mut names: Vec<_> = site.transaction_volumes.iter().collect();
    names.sort_by_key(|view| (Reverse(trouble_rank(view)), view.volume.name.as_str().to_owned()));
    let first = site.first_rows(40);
    assert_eq!(first.volumes, 500);
    let expected: BTreeSet<_> = names[..40].iter().map(|view| view.volume.id).collect();
    assert!(expected.contains(&site.transaction_volumes[last].volume.id));
    assert_eq!(first.part.transaction_volumes.iter().map(|view| view.volume.id).collect::<BTreeSet<_>>(), expected);
    for view in &first.part.transaction_volumes {
        let id = view.volume.id;
        assert_eq!(first.part.sessions_of(id), site.sessions_of(id));
        assert_eq!(first.part.generations_of(id), site.generations_of(id));
        for session in first.part.sessions_of(id) {
            assert_eq!(first.part.label(session.pair.target), site.label(session.pair.target));
        }
    }
    assert_eq!(site.first_rows(1_000).part.transaction_volumes, site.transaction_volumes);
}

#[test]
fn the_first_rows_are_shown_before_the_site_is_whole_and_no_key_acts_on_them() {
    let site = fixture::large(60);
    let clock = Clock::new(fixture::NOW, TimeZone::UTC);
    for size in [(120, 40), (80, 24), (40, 8)] {
        let mut app = App::new(Settings::default(), KeyMap::default(), (plan, grammar()), clock.clone(), size);
        update(&mut app, Msg::Link(Link::Live));
        update(&mut app, Msg::FirstRows(Arc::new(site.first_rows(20))));
        let text = screen_text(&app);
        assert!(text.contains("vol00000"), "{text}");
        if size.0 == 120 {
            assert!(text.contains("60, the rest is being read"), "{text}");
            assert!(!text.contains("20 copying"), "nothing is counted that was not read: {text}");
        }
        for key in ["s", "z", "r", "b", "c", "t", "m", " ", "*", "j", "k", "/", "!", "?", "a", "v", "w"] {
            let effects = update(&mut app, Msg::LoneKey(Key::Char(key.chars().next().unwrap())));
            assert!(effects.is_empty(), "{key}: {effects:?}");
            screen_text(&app);
            update(&mut app, Msg::LoneKey(Key::Esc));
        }
        update(&mut app, Msg::Snapshot(Arc::new(site.clone())));
        assert!(app.first.is_none());
        assert!(!screen_text(&app).contains("being read"));
        // What comes late is nothing new.
        update(&mut app, Msg::FirstRows(Arc::new(site.first_rows(20))));
        assert!(app.first.is_none());
    }
}

/// A line of 9,600 baud takes 960 bytes a second.
#[test]
fn a_slow_line_shows_the_volumes_within_four_seconds() {
    let settings = Settings { slow: true, ..Settings::default() };
    let size = (120, 40);
    let clock = Clock::new(fixture::NOW, TimeZone::UTC);
    let mut app = App::new(settings, KeyMap::default(), (plan, grammar()), clock, size);
    app.look.essential = true;
    update(&mut app, Msg::Link(Link::Live));
    update(&mut app, Msg::Snapshot(Arc::new(fixture::large(300))));
    let mut terminal = Terminal::new(Painter::new(Vec::new(), size)).unwrap();
    let mut draw = |app: &App| {
        terminal.draw(|frame| view(app, frame)).unwrap();
        terminal.backend_mut().take_frames()
    };
    let first = draw(&app);
    app.look.essential = false;
    let rest = draw(&app);
    assert!(first.len() <= 4 * 960, "{} bytes", first.len());
    let mut screen = vt100::Parser::new(40.try_into().unwrap(), 120.try_into().unwrap(), 0);
    screen.process(&first);
    let shown = screen.screen().contents();
    assert!(shown.contains("synchronization") && shown.contains("help") && !shown.contains("Pool"), "{shown}");
    screen.process(&rest);
    assert!(screen.screen().contents().contains("Pool"));
}
