//! Sets as rows of the main table: opened and closed, filtered and marked, and what keys do to all of a set.

use super::{Desk, of_one_instant};
use crate::console::dialog::Dialog;
use crate::console::fixture;
use crate::console::keys::Key;
use crate::console::types::{Pane, Settings};
use crate::model::entity::OperationId;
use crate::model::identity::{Name, VolumeId};
use crate::model::request::{Action, Request};
use crate::model::snapshot::{Ready, Snapshot, TransactionState};
use crate::model::volume_set::VolumeSet;

const SMALL: (u16, u16) = (80, 24);
const MIDDLE: (u16, u16) = (120, 40);

fn ids(snapshot: &Snapshot, names: &[&str]) -> Vec<VolumeId> {
    names.iter().map(|name| snapshot.find(name).unwrap()).collect()
}

/// The demonstration with two sets: `erp`, which is equivalent but for one volume, and `crm`, which has one in trouble. The
/// newest generations of `erp` are of one instant.
fn site() -> Snapshot {
    let mut site = fixture::demo();
    let erp = ids(&site, &["demo-ora02", "demo-ora01"]);
    let crm = ids(&site, &["demo-web", "demo-dwh", "demo-mail"]);
    let set = |name: &str, members: &[VolumeId]| VolumeSet::new(name.parse().unwrap(), members.to_vec());
    site.volume_sets = [set("crm", &crm), set("erp", &erp)].into_iter().collect();
    of_one_instant(&mut site, &"erp".parse().unwrap(), &erp);
    site
}

fn desk(size: (u16, u16)) -> Desk {
    Desk::on(site(), Settings::default(), size)
}

/// Puts the cursor on a set's row.
fn at(desk: &mut Desk, set: &str) {
    let picture = desk.app.picture.as_ref().unwrap();
    let row = (0..picture.rows.len()).find(|row| picture.set(*row).is_some_and(|known| known.name.as_str() == set));
    let row = row.unwrap();
    desk.app.select(Pane::Volumes, row);
    desk.app.settle();
}

/// The names in the table, each set with a star.
fn table(desk: &Desk) -> Vec<String> {
    let picture = desk.app.picture.as_ref().unwrap();
    let name = |row| match picture.set(row) {
        Some(set) => format!("*{}", set.name),
        None => picture.volume(row).unwrap().volume.name.to_string(),
    };
    (0..picture.rows.len()).map(name).collect()
}

fn proposed(desk: &Desk) -> Request {
    match desk.app.dialogs.last() {
        Some(Dialog::Plan(plan)) => plan.request.clone(),
        Some(Dialog::Refused(refused)) => refused.request.clone(),
        other => panic!("{other:?}\n{}", desk.text()),
    }
}

#[test]
fn a_set_is_a_row_that_opens_and_closes() {
    for size in [SMALL, MIDDLE] {
        let name = |which: &str| format!("sets-{which}-{}x{}", size.0, size.1);
        let mut desk = desk(size);
        at(&mut desk, "erp");
        insta::assert_snapshot!(name("closed"), desk.screen());
        desk.keys([Key::Right]);
        insta::assert_snapshot!(name("open"), desk.screen());
        desk.keys([Key::Char('i')]);
        insta::assert_snapshot!(name("details"), desk.screen());
        desk.keys([Key::Esc]).types("b");
        insta::assert_snapshot!(name("backup"), desk.screen());
    }
}

#[test]
fn arrows_and_enter_open_a_set_and_the_cursor_stays_on_it() {
    let mut desk = desk(MIDDLE);
    let closed = table(&desk);
    assert!(closed.contains(&"*erp".to_owned()) && !closed.contains(&"demo-ora01".to_owned()), "{closed:?}");
    assert_eq!(closed[0], "*crm", "where its worst volume would stand");
    at(&mut desk, "erp");
    let row = desk.app.main.volumes.selected;
    for (open, close) in [(Key::Right, Key::Left), (Key::Enter, Key::Enter), (Key::Char('+'), Key::Char('-'))] {
        desk.keys([open]);
        let rows = table(&desk);
        assert_eq!(rows.len(), closed.len() + 2, "{rows:?}");
        let place = rows.iter().position(|row| row == "*erp").unwrap();
        let mut below = rows[place + 1..place + 3].to_vec();
        below.sort();
        assert_eq!(below, ["demo-ora01", "demo-ora02"]);
        // Closing one of its volumes closes the set.
        desk.keys([if close == Key::Enter { Key::Up } else { Key::Down }]);
        desk.keys([if close == Key::Enter { Key::Down } else { Key::Home }]);
        at(&mut desk, "erp");
        desk.keys([close]);
        assert_eq!(table(&desk), closed);
        assert_eq!(desk.app.main.volumes.selected, row);
    }
    desk.keys([Key::Right, Key::Down, Key::Left]);
    assert_eq!((table(&desk), desk.app.main.volumes.selected), (closed, row));
    // Elsewhere the arrows go to another pane, and so does Tab on a set.
    desk.keys([Key::Tab]);
    assert_ne!(desk.app.main.focus, Pane::Volumes);
}

#[test]
fn verbs_on_a_set_are_those_of_the_whole_set() {
    let mut desk = desk(MIDDLE);
    let members = site().volume_set("erp").unwrap().members.clone();
    for (key, expected) in [
        ('s', Action::Start { volumes: members.clone(), targets: Vec::new(), together: true }),
        ('b', Action::Backup { volumes: members.clone(), mode: None, together: true }),
    ] {
        at(&mut desk, "erp");
        desk.keys([Key::Char(key)]);
        let request = proposed(&desk);
        assert_eq!((&request.action, request.set.as_ref().map(Name::as_str)), (&expected, Some("erp")));
        desk.keys([Key::Esc]);
    }
    at(&mut desk, "erp");
    desk.types("z");
    assert_eq!(proposed(&desk).action, Action::Suspend { volumes: members.clone(), target: None });
    desk.keys([Key::Esc]);
    // What is a matter of one volume says so.
    desk.types("x");
    let notice = desk.app.notice.as_ref().map(|notice| notice.text.clone());
    assert!(
        desk.app.dialogs.is_empty() && notice.as_ref().is_some_and(|text| text.contains("volume by volume")),
        "{notice:?} {:?}",
        desk.app.dialogs
    );
    desk.types("e");
    assert!(desk.text().contains("Policy: all 2 volumes of set erp"), "{}", desk.text());
    desk.keys([Key::Char('5'), Key::Enter]);
    let Action::ApplySite { change } = proposed(&desk).action else { panic!("{}", desk.text()) };
    assert_eq!(change.policies.iter().map(|(id, _)| *id).collect::<Vec<_>>(), members);
    assert!(change.policies.iter().all(|(_, policy)| policy.generations == 5));
}

#[test]
fn a_set_is_restored_as_a_whole_from_its_row_or_its_backup() {
    let mut desk = desk((120, 50));
    for keys in ["t", "3t"] {
        at(&mut desk, "erp");
        desk.types(keys);
        let screen = desk.text();
        assert!(screen.contains("each volume of set erp itself"), "{screen}");
        desk.keys([Key::Tab, Key::Tab, Key::Tab, Key::Tab, Key::Right, Key::Enter]);
        match proposed(&desk).action {
            Action::RestoreSet { instant, volumes, .. } => assert_eq!((instant, volumes.len()), (OperationId(7), 2)),
            other => panic!("{other:?}"),
        }
        desk.keys([Key::Esc, Key::Esc, Key::Esc, Key::Esc]);
    }
    at(&mut desk, "crm");
    desk.types("t");
    assert!(desk.text().contains("no backup of the whole set crm is kept"), "{}", desk.text());
}

#[test]
fn a_filter_opens_sets_and_marks_of_a_set_are_its_volumes() {
    let mut desk = desk(MIDDLE);
    desk.types("/ora01").keys([Key::Enter]);
    assert_eq!(table(&desk), ["*erp", "demo-ora01"]);
    at(&mut desk, "erp");
    desk.keys([Key::Left]);
    assert!(desk.text().contains("Esc shows all volumes again"), "{}", desk.text());
    desk.keys([Key::Char(' ')]);
    assert_eq!(desk.app.main.marks.len(), 1, "what the filter hides is not marked");
    desk.keys([Key::Esc, Key::Esc]);
    // The name of a set shows all of its volumes.
    desk.types("/erp").keys([Key::Enter]);
    assert_eq!(table(&desk).iter().filter(|row| row.contains("ora")).count(), 2, "{:?}", table(&desk));
    desk.keys([Key::Esc]);
    at(&mut desk, "crm");
    desk.keys([Key::Char(' ')]);
    assert_eq!(desk.app.main.marks.len(), 3);
    assert!(desk.text().contains("3 marked"), "{}", desk.text());
    at(&mut desk, "crm");
    desk.keys([Key::Char(' ')]);
    assert!(desk.app.main.marks.is_empty());
    desk.keys([Key::Char('*')]);
    assert_eq!(desk.app.main.marks.len(), site().transaction_volumes.len(), "those of closed sets, too");
}

#[test]
fn a_volume_of_a_closed_set_is_found() {
    let mut desk = desk(MIDDLE);
    let id = site().find("demo-ora01").unwrap();
    crate::console::update::screens::select(&mut desk.app, id);
    desk.app.settle();
    assert_eq!(desk.app.selected_volume().map(|view| view.volume.id), Some(id));
    // `n` stops at a closed set for what is in it.
    at(&mut desk, "erp");
    desk.keys([Key::Char('N')]);
    assert!(desk.app.selected_volume().is_some() || desk.app.selected_set().is_some());
    desk.keys([Key::Home, Key::Char('N'), Key::Char('n')]);
    assert_eq!(desk.app.selected_set().map(|set| set.name.as_str()), Some("crm"));
}

#[test]
fn a_row_of_a_set_says_how_far_the_least_of_it_is() {
    let mut desk = desk(MIDDLE);
    let row = |desk: &Desk, set: &str| {
        let text = desk.text();
        text.lines().find(|line| line.contains(&format!("▸ {set}"))).unwrap().to_owned()
    };
    let erp = row(&desk, "erp");
    assert!(erp.contains("copying") && erp.contains("73 %") && erp.contains("1/3"), "{erp}");
    assert!(row(&desk, "crm").contains("1 trouble"), "{}", row(&desk, "crm"));
    let members = site().volume_set("erp").unwrap().members.clone();
    desk.site(|site| {
        let all = site.transaction_volumes.iter().cloned();
        let ready = all.map(|mut view| {
            if members.contains(&view.volume.id) {
                (view.state, view.ready) = (TransactionState::Equivalent, Ready::Now);
            }
            view
        });
        site.transaction_volumes = ready.collect();
        site.sessions = site.sessions.iter().filter(|session| session.progress.is_none()).cloned().collect();
    });
    let erp = row(&desk, "erp");
    assert!(erp.contains("equivalent") && erp.contains("now") && !erp.contains('%'), "{erp}");
}

#[test]
fn a_set_that_goes_leaves_its_volumes_where_they_belong() {
    let mut desk = desk(MIDDLE);
    at(&mut desk, "erp");
    desk.keys([Key::Right]);
    desk.site(|site| site.volume_sets = Vec::new().into());
    assert_eq!(table(&desk).len(), site().transaction_volumes.len());
    assert!(desk.app.selected_volume().is_some());
}

#[test]
fn a_large_site_of_sets_is_in_order_and_a_new_picture_is_the_same() {
    let mut large = fixture::large(20_000);
    let ids: Vec<VolumeId> = large.transaction_volumes.iter().map(|view| view.volume.id).collect();
    let set =
        |(at, members): (usize, &[VolumeId])| VolumeSet::new(format!("set{at:05}").parse().unwrap(), members.to_vec());
    large.volume_sets = ids.chunks(5).enumerate().map(set).collect();
    let mut desk = Desk::on(large.clone(), Settings::default(), MIDDLE);
    assert_eq!(table(&desk).len(), 4_000);
    desk.keys([Key::End, Key::Right]);
    assert_eq!(table(&desk).len(), 4_005);
    let selected = desk.app.main.volumes.selected;
    desk.site(|site| *site = fixture::later(site, 1));
    assert_eq!((table(&desk).len(), desk.app.main.volumes.selected), (4_005, selected), "nothing jumps");
}
