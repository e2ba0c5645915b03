//! The screen of device maps: from an empty list to a stored map set by keys, one step back without loss, drafts, the editor.

use super::Desk;
use crate::console::dialog::Dialog;
use crate::console::fixture::{self, one};
use crate::console::keys::{Key, Scope};
use crate::console::messages::{Effect, Msg};
use crate::console::screens::maps::Draft;
use crate::console::types::Settings;
use crate::model::device_map::{MapRow, MapSet, grid, parse, rounds_of, write_set};
use crate::model::plan::plan;
use crate::model::request::{Action, Request};
use crate::model::snapshot::{BackupState, Snapshot};
use crate::model::untrusted::Untrusted;

const SMALL: (u16, u16) = (80, 24);
const MIDDLE: (u16, u16) = (120, 40);

/// A picture's name and the keys that lead to it.
type Picture = (&'static str, fn(&mut Desk));

fn desk(size: (u16, u16)) -> Desk {
    Desk::new(Settings::default(), size)
}

/// A map set of two volumes: `demo-web` with two rounds of its own, `demo-vg01` with one.
fn stored() -> MapSet {
    let row = |transaction: u32, backup: u32| MapRow {
        transaction_volume: one(transaction),
        backup_volume: one(backup),
        transaction_name: Untrusted::new("written"),
        backup_name: Untrusted::new("written"),
    };
    let round = |name: &str, rows| crate::model::device_map::MapRound::new(name.parse().unwrap(), rows);
    let rounds = vec![round("A", vec![row(0x13, 0x31), row(0x15, 0x2E)]), round("B", vec![row(0x13, 0x34)])];
    MapSet { name: "erp".parse().unwrap(), rounds }
}

fn with_stored(size: (u16, u16)) -> Desk {
    let mut site = fixture::demo();
    site.map_sets = vec![stored()].into();
    Desk::on(site, Settings::default(), size)
}

/// Marks `demo-vg01` and `demo-web` in a new map set.
fn choose(desk: &mut Desk) {
    desk.types("m").keys([Key::Enter]).types("/vg").keys([Key::Enter]).types(" ").keys([Key::Esc]);
    desk.types("/web").keys([Key::Enter]).types(" ").keys([Key::Esc]);
}

/// The texts of the drafts that are kept, by name; `None`: it was removed.
fn kept(desk: &Desk) -> Vec<(String, Option<Draft>)> {
    let keeps = desk.effects.iter().filter_map(|effect| match effect {
        Effect::KeepDraft { name, text } => {
            Some((name.to_string(), text.as_ref().map(|text| Draft::read(text).unwrap())))
        }
        _ => None,
    });
    keeps.collect()
}

fn proposed(desk: &Desk) -> &Request {
    match desk.app.dialogs.last() {
        Some(Dialog::Plan(plan)) => &plan.request,
        other => panic!("no plan is shown, but {other:?}\n{}", desk.text()),
    }
}

fn refused(desk: &Desk) -> String {
    match desk.app.dialogs.last() {
        Some(Dialog::Refused(refused)) => refused.refusal.to_string(),
        other => panic!("nothing is refused, but {other:?}"),
    }
}

fn imported(desk: &Desk) -> MapSet {
    match &proposed(desk).action {
        Action::ImportMap { set } | Action::EditMap { set, .. } => set.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_step_is_complete_at_80x24_and_at_120x40() {
    let steps: [Picture; 6] = [
        ("maps-empty", |desk| {
            desk.types("m");
        }),
        ("maps-volumes", choose),
        ("maps-rounds", |desk| {
            choose(desk);
            desk.keys([Key::Enter, Key::Down]);
        }),
        ("maps-candidates", |desk| {
            choose(desk);
            desk.keys([Key::Enter, Key::Right, Key::Enter, Key::Down, Key::Down]);
        }),
        ("maps-check", |desk| {
            choose(desk);
            desk.keys([Key::Enter]).types("x3");
        }),
        ("maps-preview", |desk| {
            choose(desk);
            desk.keys([Key::Enter]).types("4");
        }),
    ];
    for (name, keys) in steps {
        for size in [SMALL, MIDDLE] {
            let mut desk = desk(size);
            keys(&mut desk);
            insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), desk.screen());
        }
    }
    for size in [SMALL, MIDDLE] {
        let mut desk = with_stored(size);
        desk.at("demo-web").types("m");
        insta::assert_snapshot!(format!("maps-list-{}x{}", size.0, size.1), desk.screen());
        desk.keys([Key::Enter]).types("e");
        desk.tell(Msg::Edited { scope: Scope::Maps, text: Ok("# round: A\ndemo-web\ndemo-vg01 nothing\n".to_owned()) });
        insta::assert_snapshot!(format!("maps-edited-{}x{}", size.0, size.1), desk.screen());
    }
}

#[test]
fn a_map_set_is_made_by_keys_and_stored_as_the_plan_says() {
    let mut desk = desk(MIDDLE);
    choose(&mut desk);
    desk.types("n").keys([Key::Ctrl('u')]).types("erp").keys([Key::Enter, Key::Enter]);
    assert!(desk.text().contains("proposed for 2 volumes"), "{}", desk.text());
    desk.types("ww");
    let set = imported(&desk);
    assert_eq!(set.name.as_str(), "erp");
    assert_eq!(set.transaction_volumes(), [one(0x13), one(0x15)]);
    assert_eq!(set.rounds.len(), 3, "G + 1 rounds");
    assert!(!desk.text().contains("Now:"), "a map set is no volume: {}", desk.text());
    desk.types("Y");
    assert!(desk.effects.iter().any(|effect| matches!(effect, Effect::Run { .. })), "{}", desk.text());
    // The engine stores it: the screen is back in its list, and the draft is none any more.
    desk.keys([Key::Esc]);
    desk.site(|site| site.map_sets = vec![set].into());
    assert!(desk.text().contains("map set erp is stored"), "{}", desk.text());
    desk.keys([Key::Down]);
    assert!(matches!(kept(&desk).last(), Some((name, None)) if name == "erp"), "{:?}", kept(&desk));
    desk.keys([Key::Esc]);
    assert!(desk.app.screens.is_empty(), "nothing is unsaved: {}", desk.text());
}

#[test]
fn what_is_proposed_is_legal_and_reads_back_from_its_file() {
    let site = fixture::demo();
    let volumes: Vec<_> = site.transaction_volumes.iter().map(|view| view.volume.id).collect();
    let draft = MapSet { name: "all".parse().unwrap(), rounds: Vec::new() };
    let set = grid::propose(&site, &draft, &volumes);
    assert!(plan(&site, &Request::new(Action::ImportMap { set: set.clone() })).is_ok());
    let map = parse(write_set(&set, &site).as_bytes()).unwrap();
    let (rounds, findings) = rounds_of(&map, &site, &set.name, &set.rounds[0].name);
    assert_eq!(findings, []);
    let pairs = |rounds: &[crate::model::device_map::MapRound]| {
        rounds
            .iter()
            .flat_map(|round| round.rows.iter())
            .map(|row| (row.transaction_volume, row.backup_volume))
            .collect::<Vec<_>>()
    };
    assert_eq!(pairs(&rounds), pairs(&set.rounds));
}

#[test]
fn esc_goes_one_step_back_and_loses_nothing() {
    let mut desk = desk(MIDDLE);
    choose(&mut desk);
    desk.keys([Key::Enter]).types("34");
    let file = desk.text();
    let titles = ["Check", "Rounds", "Volumes", "Map sets"];
    for title in titles {
        desk.keys([Key::Esc]);
        assert!(desk.text().contains(&format!("╭ {title} ")), "{title}: {}", desk.text());
    }
    assert!(desk.text().contains("nightly") && desk.text().contains("not stored"), "{}", desk.text());
    desk.keys([Key::Enter]).types("4");
    let body = |text: &str| text.lines().skip(2).take(30).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(body(&desk.text()), body(&file));
}

#[test]
fn leaving_with_work_that_is_not_stored_asks_once() {
    let mut desk = desk(SMALL);
    choose(&mut desk);
    desk.keys([Key::Esc, Key::Esc]);
    assert!(desk.text().contains("nightly is not stored"), "{}", desk.text());
    desk.keys([Key::Up, Key::Esc]);
    assert_eq!(desk.app.screens.len(), 1, "another key was between");
    desk.keys([Key::Esc]);
    assert!(desk.app.screens.is_empty());
    desk.types("m").keys([Key::Enter]);
}

#[test]
fn a_draft_is_kept_after_each_change_and_offered_again() {
    let mut desk = desk(MIDDLE);
    choose(&mut desk);
    desk.keys([Key::Enter]);
    let (name, draft) = kept(&desk).pop().unwrap();
    let text = draft.unwrap().text().unwrap();
    assert_eq!(kept(&desk).len(), 3, "two marks and a proposal");
    // Another line, another console.
    let mut next = self::desk(MIDDLE);
    next.types("m");
    assert!(next.effects.contains(&Effect::LoadDrafts { scope: Scope::Maps }));
    let damaged = "the draft x was damaged".to_owned();
    next.tell(Msg::Drafts {
        scope: Scope::Maps,
        texts: vec![("map-nightly.json".to_owned(), text)],
        faults: vec![damaged],
    });
    assert!(
        next.text().contains("draft since 01:31, not stored") && next.text().contains("was damaged"),
        "{}",
        next.text()
    );
    next.keys([Key::Enter]);
    assert!(next.text().contains("Rounds") && next.text().contains("demo-web"), "{}", next.text());
    next.types("w");
    assert!(next.text().contains("# round: A"));
    // Dropping it asks first.
    next.keys([Key::Esc, Key::Esc, Key::Esc, Key::Esc]).types("x");
    assert!(kept(&next).is_empty(), "{}", next.text());
    next.types("x");
    assert_eq!(kept(&next).pop().map(|(name, draft)| (name, draft.is_none())), Some((name, true)));
}

#[test]
fn every_candidate_that_does_not_fit_has_its_reason_and_cannot_be_taken() {
    let mut desk = desk(MIDDLE);
    choose(&mut desk);
    desk.keys([Key::Enter, Key::Enter, Key::End]);
    let before = kept(&desk).len();
    assert!(desk.text().contains("blocks"), "the last one has another size: {}", desk.text());
    desk.keys([Key::Enter]);
    assert!(desk.text().contains("(ecd-"), "{}", desk.text());
    assert_eq!(kept(&desk).len(), before);
    let site = fixture::demo();
    let set = MapSet { name: "x".parse().unwrap(), rounds: Vec::new() };
    for view in &site.transaction_volumes {
        let all = grid::candidates(&site, &set, view.volume.id, &"A".parse().unwrap());
        assert_eq!(all.len(), site.pool.len());
        assert!(all.iter().all(|found| found.verdict.as_ref().err().is_none_or(|why| !why.reason.is_empty())));
    }
}

#[test]
fn a_cell_is_changed_emptied_and_brought_back() {
    let mut desk = desk(MIDDLE);
    choose(&mut desk);
    desk.keys([Key::Enter]);
    let proposal = desk.text();
    desk.types("x");
    assert_ne!(desk.text(), proposal);
    desk.keys([Key::Enter, Key::Enter]);
    let taken = kept(&desk).pop().unwrap().1.unwrap().to_store();
    desk.types("u").types("u");
    let back = kept(&desk).pop().unwrap().1.unwrap().to_store();
    assert_eq!(taken.pairs(), back.pairs());
    desk.types("+");
    assert!(desk.text().contains("round D"), "{}", desk.text());
    desk.types("n").keys([Key::Ctrl('u')]).types("sunday").keys([Key::Enter]);
    assert!(desk.text().contains("round sunday"), "{}", desk.text());
    desk.types("-");
    assert!(desk.text().contains("Rounds · 3") && desk.text().contains("round sunday removed"), "{}", desk.text());
}

#[test]
fn what_another_person_does_to_the_pool_is_seen_in_the_grid() {
    let mut desk = with_stored(MIDDLE);
    desk.at("demo-vg01").types("m").keys([Key::Enter]);
    assert!(desk.text().contains("demo-vg01 in round A: DEMO1/0x2E: copies all"), "{}", desk.text());
    desk.site(|site| {
        let mut pool: Vec<_> = site.pool.to_vec();
        let view = pool.iter_mut().find(|view| view.volume.id == one(0x2E)).unwrap();
        view.state = BackupState::Foreign;
        site.pool = pool.into();
    });
    assert!(desk.text().contains("(ecd-"), "{}", desk.text());
    assert!(!desk.text().contains("demo-vg01 in round A: DEMO1/0x2E: copies all"));
}

#[test]
fn a_map_set_that_was_stored_anew_meanwhile_is_compared_before_it_is_replaced() {
    let mut desk = with_stored(MIDDLE);
    desk.at("demo-vg01").types("m").keys([Key::Enter]).types("x");
    desk.site(|site| {
        let mut other = stored();
        other.rounds.pop();
        site.map_sets = vec![other].into();
    });
    desk.types("ww");
    assert!(refused(&desk).contains("ecd-"), "{}", desk.text());
    desk.keys([Key::Esc, Key::Esc]);
    assert!(desk.text().contains("was stored anew by somebody"), "{}", desk.text());
    desk.keys([Key::Enter]).types("w");
    assert!(desk.text().contains("+ round B: demo-web DEMO1/0x34"), "{}", desk.text());
    desk.types("w");
    assert_eq!(imported(&desk).rounds.len(), 2);
}

#[test]
fn a_volume_that_is_no_longer_registered_stops_only_itself() {
    let mut desk = with_stored(MIDDLE);
    desk.site(|site| {
        let mut volumes: Vec<_> = site.transaction_volumes.to_vec();
        volumes.retain(|view| view.volume.id != one(0x15));
        site.transaction_volumes = volumes.into();
    });
    desk.at("demo-web").types("m").keys([Key::Enter]).types("x3");
    let text = desk.text();
    assert!(text.contains("Check · can be stored") && text.contains("is not registered"), "{text}");
    desk.types("ww");
    assert_eq!(imported(&desk).transaction_volumes(), [one(0x13), one(0x15)]);
}

#[test]
fn on_an_array_that_does_not_answer_only_what_is_a_volumes_own_is_proposed() {
    let mut desk = desk(MIDDLE);
    let silent = crate::model::snapshot::Reach::Unreachable { since: fixture::NOW, why: Untrusted::new("no route") };
    let before = desk.snapshot.arrays[0].reach.clone();
    desk.site(|site| site.arrays[0].reach = silent);
    choose(&mut desk);
    desk.keys([Key::Enter]);
    // What a volume has already stays its own; nothing new is promised.
    assert!(desk.text().contains("2 cells proposed") && desk.text().contains("0 of 21 fit"), "{}", desk.text());
    desk.site(|site| site.arrays[0].reach = before);
    desk.types("p");
    assert!(desk.text().contains("2 cells filled"), "{}", desk.text());
}

#[test]
fn a_new_map_set_never_replaces_another_ones() {
    let mut desk = desk(MIDDLE);
    choose(&mut desk);
    desk.keys([Key::Enter]);
    desk.site(|site| {
        let mut other = stored();
        other.name = "nightly".parse().unwrap();
        other.rounds[0].rows = Vec::new().into();
        site.map_sets = vec![other].into();
    });
    desk.types("ww");
    assert!(desk.app.dialogs.is_empty());
    assert!(desk.text().contains("there is a map set nightly already"), "{}", desk.text());
    desk.types("n").keys([Key::Ctrl('u')]).types("nightly").keys([Key::Enter]);
    assert!(desk.app.screens.last().unwrap().is_typing() || desk.text().contains("already"), "{}", desk.text());
}

#[test]
fn a_volume_of_another_map_set_cannot_be_taken_and_says_where_it_is() {
    let mut desk = with_stored(MIDDLE);
    desk.types("ma/web").keys([Key::Enter]).types(" ");
    assert!(desk.text().contains("demo-web is in map set erp: a volume is in one map set only"), "{}", desk.text());
    assert!(kept(&desk).is_empty());
}

#[test]
fn a_start_of_a_mapped_volume_stands_over_its_round() {
    let mut desk = with_stored(MIDDLE);
    desk.at("demo-vg01").types("s");
    assert!(matches!(&proposed(&desk).action, Action::Start { volumes, .. } if volumes[..] == [one(0x15)]));
    assert!(desk.text().contains("by round A of map set erp"), "{}", desk.text());
    desk.keys([Key::Esc]);
    assert!(desk.text().contains("demo-vg01 in round A"), "the round is below the plan: {}", desk.text());
    desk.types("s");
    proposed(&desk);
    desk.keys([Key::Esc, Key::Esc]);
    assert!(desk.app.screens.is_empty(), "one step back is the main screen: {}", desk.text());
}

#[test]
fn the_list_says_what_fits_the_selected_volume_and_what_does_not() {
    let mut desk = with_stored(MIDDLE);
    desk.at("demo-web").types("m");
    let text = desk.text();
    assert!(text.contains("round A  DEMO1/0x31: holds v5, another round is due"), "{text}");
    assert!(text.contains("round B  tonight: DEMO1/0x34: copies all"), "{text}");
    desk.keys([Key::Esc]).at("demo-crm").types("m").keys([Key::Home]);
    assert!(desk.text().contains("erp does not fit: it has no round for demo-crm"), "{}", desk.text());
    assert!(desk.text().contains("It is in no map set"));
    desk.types("x");
    assert!(matches!(&proposed(&desk).action, Action::RemoveMap { name } if name.as_str() == "erp"));
}

#[test]
fn the_editor_gets_the_file_and_what_comes_back_is_taken_or_named() {
    let mut desk = with_stored(MIDDLE);
    desk.at("demo-web").types("m").keys([Key::Enter]).types("e");
    let Some(Effect::Edit { text, .. }) = desk.effects.last().cloned() else { panic!("{:?}", desk.effects) };
    assert!(text.contains("# round: B") && text.contains("demo-web"), "{text}");
    let back = |text: &str| Msg::Edited { scope: Scope::Maps, text: Ok(text.to_owned()) };
    desk.tell(back(&text.replace("DEMO1/0x34", "nowhere")));
    assert!(desk.text().contains("no volume is called nowhere"), "{}", desk.text());
    desk.types("w");
    assert!(desk.app.dialogs.is_empty(), "a text with findings is not stored");
    // The editor has the finding below the line, and it is gone from what is read.
    desk.types("e");
    let Some(Effect::Edit { text: again, .. }) = desk.effects.last().cloned() else { panic!() };
    assert!(again.contains("#! error: no volume is called nowhere"), "{again}");
    desk.tell(back(&again.replace(" nowhere", " DEMO1/0x35")));
    assert!(desk.text().contains("~ round B: demo-web DEMO1/0x35, was DEMO1/0x34"), "{}", desk.text());
    desk.types("w");
    assert_eq!(imported(&desk).rounds[1].rows[0].backup_volume, one(0x35));
    desk.keys([Key::Esc]).types("u");
    assert!(desk.text().contains("Nothing differs"), "{}", desk.text());
    desk.tell(Msg::Edited { scope: Scope::Maps, text: Err("the editor vi failed (exit status: 1)".to_owned()) });
    assert!(desk.text().contains("the editor vi failed (exit status: 1); the draft is as it was"), "{}", desk.text());
}

#[test]
fn sixty_volumes_of_five_rounds_are_one_grid() {
    let mut site = fixture::large(60);
    let mut pool: Vec<_> = site.pool.to_vec();
    for index in 0..240 {
        let mut view = pool[0].clone();
        view.volume.id = one(0x9_0000 + index);
        (view.state, view.transaction_volume, view.generation) = (BackupState::Unused, None, None);
        pool.push(view);
    }
    site.pool = pool.into();
    site.transaction_volumes = site
        .transaction_volumes
        .iter()
        .cloned()
        .map(|mut view| {
            view.volume.policy =
                view.volume.policy.map(|policy| crate::model::records::Policy { generations: 4, ..policy });
            view
        })
        .collect();
    let mut desk = Desk::on(site, Settings::default(), SMALL);
    desk.types("m").keys([Key::Enter]).types("*").keys([Key::Enter]);
    let set = kept(&desk).pop().unwrap().1.unwrap().to_store();
    assert_eq!((set.rounds.len(), set.transaction_volumes().len(), set.pairs()), (5, 60, 300));
    desk.keys([Key::End, Key::Right, Key::Right, Key::Right, Key::Right]);
    assert!(desk.text().contains("vol00059 in round E"), "{}", desk.text());
    desk.types("3");
    assert!(desk.text().contains("can be stored"), "{}", desk.text());
}

#[test]
fn the_screen_never_panics_whatever_keys_come_at_whatever_size() {
    let keys: Vec<Key> = "m1234wpuenasx*+- /abg\u{1b}"
        .chars()
        .map(|c| if c == '\u{1b}' { Key::Esc } else { Key::Char(c) })
        .chain([Key::Enter, Key::Esc, Key::Tab, Key::Left, Key::Right, Key::Up, Key::Down, Key::End, Key::Delete])
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..60 {
        let size = (random.u16(40..130), random.u16(8..45));
        let mut desk = if random.bool() { with_stored(size) } else { self::desk(size) };
        desk.types("m");
        for _ in 0..60 {
            desk.keys([keys[random.usize(..keys.len())]]);
            if random.u8(..8) == 0 {
                desk.site(|site| shuffle(site, &mut random));
            }
            desk.text();
        }
    }
}

fn shuffle(site: &mut Snapshot, random: &mut fastrand::Rng) {
    let mut pool: Vec<_> = site.pool.to_vec();
    random.shuffle(&mut pool);
    pool.truncate(random.usize(..=pool.len()));
    pool.sort_by_key(|view| view.volume.id);
    site.pool = pool.into();
    site.map_sets = if random.bool() { vec![stored()].into() } else { Vec::new().into() };
    let mut volumes: Vec<_> = site.transaction_volumes.to_vec();
    if random.bool() && volumes.len() > 3 {
        volumes.remove(random.usize(..volumes.len()));
    }
    site.transaction_volumes = volumes.into();
}
