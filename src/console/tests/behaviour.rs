//! What keys do, and what they must never do.

use super::Desk;
use crate::console::choice::Order;
use crate::console::dialog::Dialog;
use crate::console::dialog::plan::{Note, Stage};
use crate::console::fixture::{self, NOW, one, two};
use crate::console::keys::Key;
use crate::console::messages::{Effect, Msg};
use crate::console::types::{Link, Pane, Settings};
use crate::engine::protocol::{Answer, PlannedAnswer};
use crate::model::codes::Code;
use crate::model::plan::plan;
use crate::model::records::{BackupMode, OperationId, Policy};
use crate::model::request::{Action, Request};
use crate::model::snapshot::{Attention, Problem, Reach, TransactionState, TransactionVolumeView};
use crate::model::untrusted::Untrusted;

const SIZE: (u16, u16) = (120, 40);

fn desk() -> Desk {
    Desk::new(Settings::default(), SIZE)
}

fn runs(desk: &Desk) -> Vec<&Effect> {
    desk.effects.iter().filter(|effect| matches!(effect, Effect::Run { .. })).collect()
}

fn plan_dialog(desk: &Desk) -> &crate::console::dialog::plan::PlanDialog {
    match desk.app.dialogs.last() {
        Some(Dialog::Plan(plan)) => plan,
        other => panic!("no plan is shown, but {other:?}"),
    }
}

#[test]
fn agreeing_runs_the_plan_that_was_shown() {
    let mut desk = desk();
    desk.at("demo-ora02").types("b");
    let agreement = plan_dialog(&desk).answer().unwrap().plan.agreement();
    desk.types("Y");
    let [Effect::Run { request, agreed, confirmation, .. }] = runs(&desk)[..] else { panic!() };
    assert_eq!(agreed, &agreement);
    assert_eq!(confirmation, &None);
    assert!(matches!(&request.action, Action::Backup { volumes, .. } if volumes[..] == [one(0x11)]));
}

#[test]
fn keys_typed_before_the_dialog_was_drawn_do_not_count() {
    let mut desk = desk();
    desk.at("demo-ora02");
    desk.tell(Msg::Key(Key::Char('b')));
    desk.tell(Msg::LoneKey(Key::Char('Y')));
    desk.answer();
    desk.tell(Msg::LoneKey(Key::Char('Y')));
    assert!(runs(&desk).is_empty());
    assert!(matches!(plan_dialog(&desk).stage, Stage::Shown(_)));
    desk.drawn();
    desk.tell(Msg::LoneKey(Key::Char('Y')));
    assert_eq!(runs(&desk).len(), 1);
}

#[test]
fn cancel_has_the_focus_and_enter_takes_it() {
    let mut desk = desk();
    desk.at("demo-ora02").types("b").keys([Key::Enter]);
    assert!(desk.app.dialogs.is_empty());
    assert!(runs(&desk).is_empty());
}

#[test]
fn an_open_dialog_plans_again_with_every_snapshot_and_a_changed_plan_must_be_seen_first() {
    let mut desk = desk();
    desk.at("demo-vg01").types("s");
    let before = plan_dialog(&desk).answer().unwrap().plan.digest().clone();
    // Another console takes the only unused volume of that size; one of the other box is registered in its place: a remote copy.
    desk.site(|site| {
        let taken = site.pool.iter_mut().find(|view| view.volume.id == one(0x2E)).unwrap();
        taken.volume.id = two(0x2B);
        site.pool.sort_by_key(|view| view.volume.id);
    });
    assert!(desk.effects.iter().any(|effect| matches!(effect, Effect::Plan { .. })));
    desk.answer();
    let dialog = plan_dialog(&desk);
    assert_ne!(dialog.answer().unwrap().plan.digest(), &before);
    assert_eq!(dialog.note, Some(Note::Changed));
    desk.tell(Msg::LoneKey(Key::Char('Y')));
    assert!(runs(&desk).is_empty(), "the new plan has not been seen");
    desk.drawn();
    desk.tell(Msg::LoneKey(Key::Char('Y')));
    assert_eq!(runs(&desk).len(), 1);
}

#[test]
fn a_plan_that_changed_after_agreement_is_shown_and_nothing_ran() {
    let mut desk = desk();
    desk.at("demo-vg01").types("sY");
    let Some(Effect::Run { ticket, .. }) = desk.effects.last().cloned() else { panic!() };
    let other = plan(&desk.snapshot, &start(0x19)).unwrap();
    let answer = Answer::PlanChanged(PlannedAnswer { plan: other, commands: Vec::new(), sequence: 9 });
    desk.tell(Msg::Answer { ticket, answer: Box::new(answer) });
    assert_eq!(plan_dialog(&desk).note, Some(Note::NothingRan));
    assert!(desk.text().contains("Nothing ran"));
}

fn start(olu: u32) -> Request {
    Request::new(Action::Start { volumes: vec![one(olu)], targets: Vec::new(), together: false })
}

#[test]
fn the_palette_does_what_the_key_would_and_agrees_to_nothing() {
    let mut desk = desk();
    desk.at("demo-ora02").types(":back up").keys([Key::Enter]);
    desk.answer();
    assert!(matches!(plan_dialog(&desk).request.action, Action::Backup { .. }));
    assert!(runs(&desk).is_empty());
    desk.keys([Key::Esc]).types(":agree").keys([Key::Enter]);
    assert!(runs(&desk).is_empty());
    desk.keys([Key::Esc]).types(":practice demo-web");
    assert!(desk.text().contains("A command as in a shell"), "{}", desk.text());
    desk.keys([Key::Ctrl('u')]).types("practise");
    assert!(desk.text().contains("No command is called so"), "{}", desk.text());
}

#[test]
fn a_policy_is_edited_and_then_planned_like_everything_else() {
    let mut desk = desk();
    desk.at("demo-ora02").types("e");
    assert!(desk.text().contains("Policy: demo-ora02"));
    desk.types("5").keys([Key::Tab, Key::Right, Key::Tab, Key::Right]).keys([Key::Enter]);
    desk.answer();
    let Action::SetPolicy { volume, policy } = &plan_dialog(&desk).request.action else { panic!() };
    assert_eq!((*volume, *policy), (one(0x11), Policy::new(5, 2, BackupMode::Dissolve)));
    assert!(runs(&desk).is_empty(), "nothing runs before the plan is agreed to");
    desk.drawn();
    desk.types("Y");
    assert_eq!(runs(&desk).len(), 1);
}

#[test]
fn what_destroys_wants_the_exact_name_typed() {
    let mut desk = desk();
    desk.at("demo-ora02").types("3jd");
    let name = plan_dialog(&desk).answer().unwrap().plan.confirmation().expect("deleting destroys").name.clone();
    desk.types("Y").types("something else").keys([Key::Enter]);
    assert!(desk.text().contains("this is another name"));
    // The engine refuses it, and so it is in the audit as from a shell; the dialog goes on without the answer.
    let [Effect::Run { confirmation, .. }] = runs(&desk)[..] else { panic!() };
    assert_eq!(confirmation.as_deref(), Some("something else"));
    desk.keys([Key::Ctrl('u')]).types(&name).keys([Key::Enter]);
    let [_, Effect::Run { confirmation, .. }] = runs(&desk)[..] else { panic!() };
    assert_eq!(confirmation.as_ref(), Some(&name));
}

#[test]
fn a_refusal_shows_remedies_and_a_number_takes_one() {
    let mut desk = desk();
    desk.at("demo-erp").types("s");
    let Some(Dialog::Refused(refused)) = desk.app.dialogs.last() else { panic!("{:?}", desk.app.dialogs) };
    let remedy = refused.refusal.remedies[0].clone();
    desk.types("1");
    assert_eq!(plan_dialog(&desk).request, remedy.request);
}

#[test]
fn what_was_refused_and_becomes_possible_turns_into_its_plan() {
    let mut desk = desk();
    desk.at("demo-ora01").types("b");
    assert!(matches!(desk.app.dialogs.last(), Some(Dialog::Refused(_))));
    desk.site(|site| {
        let view = site.transaction_volumes.iter_mut().find(|view| view.volume.id == one(0x10)).unwrap();
        view.state = TransactionState::Equivalent;
        let session = site.sessions.iter_mut().find(|session| session.pair.target == one(0x21)).unwrap();
        session.phase = crate::model::session::Phase::Equivalent;
        session.progress = None;
    });
    desk.answer();
    assert!(plan_dialog(&desk).answer().is_some());
    desk.tell(Msg::LoneKey(Key::Char('Y')));
    assert!(runs(&desk).is_empty(), "it has not been seen yet");
}

#[test]
fn marked_volumes_share_one_dialog_that_says_how_many_run() {
    let mut desk = desk();
    desk.types("*s");
    let plan = &plan_dialog(&desk).answer().unwrap().plan;
    assert_eq!(plan.items().len() + plan.refused().len(), 11);
    let text = desk.text();
    assert!(text.contains("run 3 of 11"), "{text}");
    assert!(text.contains("not at one instant"));
    desk.types("Y");
    let Some(Effect::Run { ticket, .. }) = desk.effects.last().cloned() else { panic!() };
    let ran = plan_dialog(&desk).answer().unwrap().clone();
    let operations = (50..53).map(OperationId).collect();
    let answer = Answer::Running { operations, ran: Box::new(ran), refused: Vec::new(), changed: None };
    desk.tell(Msg::Answer { ticket, answer: Box::new(answer) });
    assert!(desk.app.main.marks.is_empty() && desk.app.dialogs.is_empty());
    assert!(desk.text().contains("3 operations begun (op50, op51, op52)"));
}

#[test]
fn enter_on_a_red_row_leads_out_and_its_keys_work_there() {
    let mut desk = desk();
    desk.at("demo-dwh").keys([Key::Enter]);
    let text = desk.text();
    for part in ["bad sector on the source (ecd-1401)", "EC Error Suspend / Copying", "0xBA", "The window"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    desk.types("c");
    assert!(matches!(plan_dialog(&desk).request.action, Action::Cancel { .. }));
}

#[test]
fn a_read_only_console_asks_for_nothing() {
    let mut desk = Desk::new(Settings { read_only: true, ..Settings::default() }, SIZE);
    for name in ["demo-ora01", "demo-ora02", "demo-web", "demo-dwh"] {
        for verb in "szrbcxdp".chars() {
            desk.at(name).types(&verb.to_string()).types("Y").keys([Key::Esc, Key::Esc]);
            desk.types("3").types(&verb.to_string()).types("Y").keys([Key::Esc, Key::Esc, Key::Esc]);
        }
    }
    assert!(desk.effects.is_empty(), "{:?}", desk.effects);
    assert!(desk.text().contains("read-only"));
}

#[test]
fn a_paste_is_no_command() {
    let mut desk = desk();
    desk.at("demo-ora02");
    desk.tell(Msg::Paste("bY\u{1b}[A".to_owned()));
    assert!(desk.app.dialogs.is_empty() && desk.effects.is_empty());
    desk.types("/");
    desk.tell(Msg::Paste("ora\u{1b}".to_owned()));
    assert_eq!(desk.app.main.choice.filter, "ora");
}

#[test]
fn the_filter_follows_every_letter_and_esc_backs_out_of_it() {
    let mut desk = desk();
    desk.types("/ora");
    assert_eq!(desk.app.len(Pane::Volumes), 2);
    desk.keys([Key::Enter]).types("*");
    assert_eq!(desk.app.main.marks.len(), 2);
    desk.keys([Key::Esc]);
    assert!(desk.app.main.marks.is_empty());
    assert_eq!(desk.app.len(Pane::Volumes), 2);
    desk.keys([Key::Esc]);
    assert_eq!(desk.app.len(Pane::Volumes), 11);
    desk.types("/nothing");
    assert!(desk.text().contains("No volume fits /nothing."));
}

#[test]
fn problems_only_shows_what_needs_attention() {
    let mut desk = desk();
    desk.types("!");
    let shown: Vec<String> = (0..desk.app.len(Pane::Volumes))
        .map(|row| desk.app.picture.as_ref().unwrap().volume(row).unwrap().volume.name.to_string())
        .collect();
    assert_eq!(shown, ["demo-crm", "demo-dwh", "demo-mail", "demo-vg01"]);
}

#[test]
fn the_header_keeps_its_names_beside_what_arrays_never_tell() {
    let mut desk = desk();
    let attention = |code| Attention { code, text: "a sentence".to_owned(), failed: false };
    desk.site(|site| {
        site.arrays.iter_mut().for_each(|array| array.attentions = vec![attention(Code::HOST_WRITES_NOT_SEEN)]);
    });
    let header = |desk: &Desk| desk.text().lines().next().unwrap().to_owned();
    assert!(header(&desk).starts_with(" ecdeck  demonstration site    DEMO1  DEMO2 "), "{}", header(&desk));
    // What is wrong today has its place, and what has none leaves it to shorter parts.
    desk.site(|site| {
        site.arrays.iter_mut().for_each(|array| array.attentions.push(attention(Code::SESSIONS_UNREAD)));
    });
    let wrong = header(&desk);
    assert!(wrong.contains("! DEMO1 others not read") && !wrong.contains('+'), "{wrong}");
    assert!(wrong.contains("2 trouble"), "{wrong}");
}

#[test]
fn the_order_can_be_changed_and_trouble_comes_first() {
    let mut desk = desk();
    desk.types("o");
    assert_eq!(desk.app.main.choice.order, Order::Name);
    let first = desk.app.picture.as_ref().unwrap().volume(0).unwrap();
    assert_eq!(first.volume.name.as_str(), "demo-crm");
    desk.types("o");
    let first = desk.app.picture.as_ref().unwrap().volume(0).unwrap();
    assert_eq!(first.volume.name.as_str(), "demo-mail");
}

#[test]
fn the_cursor_stays_on_its_volume_when_others_come_and_go() {
    let mut desk = desk();
    desk.at("demo-ora01").types(" k");
    desk.site(|site| drop(site.transaction_volumes.remove(2)));
    assert_eq!(desk.app.selected_volume().unwrap().volume.name.as_str(), "demo-ora01");
    assert_eq!(desk.app.main.marks.len(), 1);
    desk.site(|site| site.transaction_volumes.retain(|view| view.volume.name.as_str() != "demo-ora01"));
    assert!(desk.app.main.marks.is_empty());
    assert!(desk.app.selected_volume().is_some());
}

#[test]
fn a_lost_engine_is_said_in_the_header_and_what_was_agreed_to_is_in_doubt() {
    let mut desk = desk();
    desk.at("demo-ora02").types("bY");
    desk.tell(Msg::Link(Link::Lost { since: NOW, why: "it was closed".to_owned() }));
    assert!(desk.app.dialogs.is_empty());
    let text = desk.text();
    assert!(text.contains("engine lost at 01:31, reconnecting"), "{text}");
    assert!(text.contains("it may run or not"), "{text}");
    desk.tell(Msg::Link(Link::Live));
    assert!(!desk.text().contains("reconnecting"));
}

#[test]
fn an_open_plan_survives_a_lost_engine_and_is_asked_again() {
    let mut desk = desk();
    desk.at("demo-ora02").types("b");
    desk.tell(Msg::Link(Link::Lost { since: NOW, why: "it was closed".to_owned() }));
    desk.types("Y");
    assert!(runs(&desk).is_empty(), "there is nobody to run it");
    desk.tell(Msg::Link(Link::Live));
    assert!(desk.effects.iter().any(|effect| matches!(effect, Effect::Plan { .. })));
}

#[test]
fn the_end_of_an_operation_that_was_started_here_is_told() {
    let mut desk = desk();
    desk.app.watching.push(OperationId(41));
    desk.site(|site| {
        let end = crate::model::records::OperationEnd::Failed {
            code: crate::model::codes::Code::ARRAY_REFUSED,
            why: "E5323".to_owned(),
        };
        site.operations[0].end = Some((NOW, end));
    });
    assert!(desk.text().contains("backup of demo-log: failed, E5323 (ecd-1501)"));
}

#[test]
fn text_from_outside_reaches_the_screen_escaped() {
    let mut desk = desk();
    desk.site(|site| {
        for session in &mut site.sessions {
            session.words.status = fixture::hostile();
            session.requestor = fixture::hostile();
        }
        for generation in &mut site.generations {
            generation.held = Some(fixture::hostile());
        }
    });
    for keys in ["", "i", "3i", "1i", "2i"] {
        desk.types(keys);
        let text = desk.text();
        assert!(!text.chars().any(|c| crate::model::untrusted::is_unsafe(c) && c != '\n'), "{keys}");
        desk.keys([Key::Esc, Key::Esc, Key::Esc]);
    }
    desk.types("1i");
    assert!(desk.text().contains(r"a\u{1b}[2J"));
}

#[test]
fn letters_that_can_end_an_escape_sequence_do_nothing() {
    for open in ["", "b", "i", "*s", "?"] {
        let mut desk = desk();
        desk.at("demo-ora02").types(open);
        desk.effects.clear();
        let before = desk.screen();
        desk.types("ABCDO[");
        assert_eq!(desk.screen(), before, "after {open:?}");
        assert!(desk.effects.is_empty());
    }
}

#[test]
fn a_silent_engine_is_named_what_is_shown_is_dated_and_nothing_is_sent_to_it() {
    let mut desk = desk();
    desk.at("demo-ora02").types("b");
    let engine = "the engine (pid 4711)".to_owned();
    desk.tell(Msg::Link(Link::Silent { since: NOW, engine }));
    let later = NOW.plus_millis(180_000);
    desk.tell(Msg::Minute(later));
    desk.drawn();
    desk.types("Y");
    assert!(runs(&desk).is_empty());
    let text = desk.text();
    for part in ["no sign of life of the engine (pid 4711) since 01:31", "as of 01:31", "nothing was sent"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    desk.tell(Msg::Link(Link::Live));
    desk.tell(Msg::Minute(later));
    let text = desk.text();
    assert!(text.contains("01:34 UTC") && !text.contains("as of") && !text.contains("no sign of life of"), "{text}");
    desk.drawn();
    desk.types("Y");
    assert_eq!(runs(&desk).len(), 1);
}

#[test]
fn a_plan_asked_for_before_the_first_reading_comes_with_it_and_says_of_no_change() {
    let mut desk = desk();
    let reach = desk.app.snapshot().unwrap().arrays[0].reach.clone();
    desk.site(|site| site.arrays[0].reach = Reach::Waiting);
    desk.at("demo-vg01").types("s");
    desk.answer();
    assert!(desk.text().contains("The plan comes with the first reading of DEMO1."), "{}", desk.text());
    desk.site(|site| site.arrays[0].reach = reach);
    desk.answer();
    let dialog = plan_dialog(&desk);
    assert!(dialog.answer().is_some() && dialog.note.is_none(), "{dialog:?}");
    // An array that does not answer is a refusal at once.
    desk.keys([Key::Esc]).site(|site| {
        site.arrays[0].reach = Reach::Unreachable { since: NOW, why: Untrusted::new("no route to host") };
    });
    desk.types("s");
    assert!(desk.text().contains("Refused - Start synchronization"), "{}", desk.text());
}

#[test]
fn every_wait_names_who_is_waited_for_and_ends() {
    let mut desk = desk();
    desk.at("demo-ora02");
    desk.tell(Msg::LoneKey(Key::Char('b')));
    let Some(&Effect::Plan { ticket, .. }) = desk.effects.last() else { panic!("{:?}", desk.effects) };
    assert!(desk.text().contains("Asking the engine"));
    desk.tell(Msg::Slow { ticket });
    assert!(desk.text().contains("waited for 60 s"), "{}", desk.text());
    desk.tell(Msg::Unanswered { ticket, why: "the engine did not answer within 60 s".to_owned() });
    let text = desk.text();
    assert!(text.contains("The engine did not answer.") && text.contains("within 60 s"), "{text}");
    // What was agreed to may have begun: its dialog goes, and that is said.
    desk.site(|_| {});
    desk.answer();
    desk.drawn();
    desk.types("Y");
    let Some(&Effect::Run { ticket, .. }) = desk.effects.last() else { panic!("{:?}", desk.effects) };
    desk.tell(Msg::Slow { ticket });
    assert!(desk.text().contains("Agreed; the engine has not answered yet"), "{}", desk.text());
    desk.tell(Msg::Unanswered { ticket, why: "the engine did not answer within 60 s".to_owned() });
    assert!(desk.app.dialogs.is_empty());
    assert!(desk.text().contains("within 60 s after you agreed: it may run or not"), "{}", desk.text());
}

#[test]
fn a_generation_that_is_dated_in_the_future_is_said_to_be() {
    let mut desk = desk();
    desk.site(|site| {
        let newest = site.generations.iter_mut().rfind(|kept| kept.transaction_volume == one(0x11)).unwrap();
        newest.taken_at = NOW.plus_millis(3_600_000);
    });
    desk.at("demo-ora02").types("3");
    assert!(desk.text().contains("in the future; "), "{}", desk.text());
    desk.types("i");
    assert!(desk.text().contains("in the future, by this clock"), "{}", desk.text());
}

#[test]
fn help_quit_and_commands_never_leave_the_footer() {
    for width in 40..=200 {
        let desk = Desk::new(Settings::default(), (width, 24));
        let text = desk.text();
        let footer = text.lines().nth(22).unwrap();
        assert!(["? help", "q quit", ": command"].iter().all(|key| footer.contains(key)), "{width}: {footer}");
    }
}

#[test]
fn panes_follow_the_selected_volume_until_a_key_shows_all() {
    let mut desk = desk();
    desk.at("demo-ora01");
    assert!(desk.text().contains("Copies of demo-ora01 · 3 of 16"), "{}", desk.text());
    assert!(desk.text().contains("Events of demo-ora01"));
    assert!(!desk.text().contains("demo-dwh: bad sector"), "an event of another volume");
    desk.types("a");
    assert!(desk.text().contains("3 moving of 16") && desk.text().contains("demo-dwh: bad sector"), "{}", desk.text());
    desk.types("/ora").keys([Key::Enter]);
    assert!(!desk.text().contains("demo-dwh"), "what the filter hides is hidden in every pane: {}", desk.text());
}

#[test]
fn trouble_is_on_top_with_its_cause_and_n_goes_to_the_next() {
    let mut desk = desk();
    let first = |desk: &Desk| desk.app.selected_volume().unwrap().volume.name.to_string();
    assert!(desk.text().contains("the path to DEMO2 is lost"));
    let start = first(&desk);
    desk.types("n");
    assert_ne!(first(&desk), start);
    desk.types("N");
    assert_eq!(first(&desk), start);
}

#[test]
fn a_dialog_covers_neither_its_row_nor_half_a_word() {
    for size in [(80, 24), (120, 40), (200, 60)] {
        for name in ["demo-crm", "demo-ora02", "demo-web"] {
            let mut desk = Desk::new(Settings::default(), size);
            desk.at(name).types("e");
            let text = desk.text();
            assert!(text.lines().any(|line| line.contains('▌') && line.contains(name)), "{size:?} {text}");
            for line in text.lines().filter(|line| line.contains("backed up every")) {
                let outside = line.trim().trim_start_matches('│').trim_end_matches('│').trim();
                assert!(outside.starts_with("backed up every"), "{size:?}: {line}");
            }
        }
    }
}

#[test]
fn a_key_that_does_nothing_says_why() {
    let mut desk = desk();
    desk.types("\u{ff42}");
    assert!(desk.text().contains("full-width"), "{}", desk.text());
    desk.types("S");
    assert!(desk.text().contains("Caps Lock"));
    assert!(desk.app.dialogs.is_empty());
    desk.at("demo-vg01").types("3s");
    assert!(matches!(desk.app.dialogs.last(), Some(Dialog::Plan(_))), "an empty pane acts on the selected volume");
}

#[test]
fn the_line_after_the_colon_is_the_shell_s_and_is_remembered() {
    let mut desk = desk();
    desk.types(":backup demo-ora0").keys([Key::Tab]).types("2").keys([Key::Enter]);
    assert!(matches!(&plan_dialog(&desk).request.action, Action::Backup { volumes, .. } if volumes[..] == [one(0x11)]));
    desk.keys([Key::Esc]).types(":").keys([Key::Up, Key::Enter]);
    assert!(matches!(plan_dialog(&desk).request.action, Action::Backup { .. }));
    desk.keys([Key::Esc]).types(":backup db99").keys([Key::Enter]);
    assert!(desk.text().contains("there is no volume db99"), "{}", desk.text());
    assert!(runs(&desk).is_empty());
}

#[test]
fn exact_commands_are_shown_on_demand_and_must_be_seen_before_agreeing() {
    let mut desk = desk();
    desk.at("demo-ora02").types("b");
    assert!(!desk.text().contains("acec"));
    desk.tell(Msg::LoneKey(Key::Char('i')));
    desk.tell(Msg::LoneKey(Key::Char('Y')));
    assert!(runs(&desk).is_empty(), "other lines than those that were seen");
    desk.drawn();
    assert!(desk.text().contains("$ acec"));
    desk.types("Y");
    assert_eq!(runs(&desk).len(), 1);
}

#[test]
fn a_plan_says_its_price_and_a_repeated_backup_says_what_is_there() {
    let mut desk = desk();
    desk.at("demo-crm").types("x");
    assert!(desk.text().contains("The next start then copies all 48 MiB again"), "{}", desk.text());
    desk.keys([Key::Esc]).at("demo-web").types("b");
    assert!(desk.text().contains("Backed up at") && desk.text().contains("changed since"), "{}", desk.text());
    desk.keys([Key::Esc]).at("demo-ora02").types("e1").keys([Key::Enter]);
    assert!(desk.text().contains("The next backup releases v16 to v18."), "{}", desk.text());
}

#[test]
fn the_terminal_s_answer_chooses_the_theme() {
    use crate::console::theme::{Theme, ThemeName};
    let mut desk = desk();
    desk.tell(Msg::Background { light: true });
    assert_eq!(desk.app.look.theme.dim, Theme::of(ThemeName::Light).dim);
}

#[test]
fn a_restore_is_filled_in_planned_and_comes_back_as_it_was_on_esc() {
    let mut desk = Desk::new(Settings::default(), (120, 40));
    desk.at("demo-ora02").types("t");
    assert!(desk.screen().contains("Restore: demo-ora02"), "{}", desk.screen());
    assert!(desk.screen().contains("not checked (ecd-1604)"), "{}", desk.screen());
    desk.keys([Key::Tab, Key::Tab, Key::Tab, Key::Right]);
    assert!(desk.screen().contains("Nothing of demo-ora02 is lost"), "{}", desk.screen());
    assert!(desk.screen().contains("by hand: unmount DEMO1/0x41"), "{}", desk.screen());
    desk.keys([Key::Enter]);
    assert!(desk.screen().contains("(OPC)") && desk.screen().contains("restore-incomplete"), "{}", desk.screen());
    desk.keys([Key::Esc]);
    let screen = desk.screen();
    assert!(screen.contains("Restore: demo-ora02") && screen.contains("unmounted"), "{screen}");
    desk.keys([Key::BackTab, Key::Down]);
    assert!(desk.screen().contains("not looked"), "it was said of another volume: {}", desk.screen());
    desk.keys([Key::Esc]);
    assert!(!desk.screen().contains("Restore: demo-ora02"), "{}", desk.screen());
}

#[test]
fn the_restore_form_takes_the_newest_valid_generation_before() {
    let mut desk = Desk::new(Settings::default(), (120, 40));
    desk.at("demo-ora02").types("t");
    assert!(desk.screen().contains("v18  Mon 02:00"), "{}", desk.screen());
    // The minute that the list shows is all of it.
    for (typed, chosen) in [("sun 02:00", "v17"), ("Mon 01:59", "v17"), ("mon 02:00", "v18"), ("", "v18")] {
        desk.keys([Key::Ctrl('u')]).types(typed);
        let screen = desk.screen();
        assert!(screen.contains(&format!("generation          {chosen}  ")), "{typed:?}: {screen}");
    }
    desk.types("40d");
    assert!(desk.screen().contains("no valid generation is older than"), "{}", desk.screen());
    desk.keys([Key::Enter]);
    assert!(!desk.screen().contains("(OPC)"), "it goes to what is wrong: {}", desk.screen());
    desk.keys([Key::Ctrl('u')]).types("soon");
    assert!(desk.screen().contains("is not a time"), "{}", desk.screen());
}

#[test]
fn a_restore_onto_the_own_volume_says_what_is_lost_and_what_follows() {
    let mut desk = Desk::new(Settings::default(), (120, 60));
    desk.at("demo-web").types("t").keys([Key::Tab, Key::Tab]).types("/own").keys([Key::Enter, Key::Tab]);
    desk.keys([Key::Right]);
    let screen = desk.screen();
    assert!(screen.contains("What was written to demo-web since Mon 02:00"), "{screen}");
    assert!(screen.contains("next job, about"), "{screen}");
}

#[test]
fn the_restore_form_offers_the_whole_set_of_a_volume() {
    use crate::model::volume_set::VolumeSet;
    let mut snapshot = crate::console::fixture::demo();
    let members = ["demo-web", "demo-ora02"].map(|name| snapshot.find(name).unwrap()).to_vec();
    let set = VolumeSet::new("erp".parse().unwrap(), members.clone());
    let name = set.name.clone();
    snapshot.volume_sets = std::iter::once(set).collect();
    super::of_one_instant(&mut snapshot, &name, &members);
    let mut desk = Desk::on(snapshot, Settings::default(), (120, 50));
    desk.at("demo-web").types("t").keys([Key::Tab, Key::Tab]);
    let screen = desk.screen();
    assert!(screen.contains("one instant, set erp (2 volumes)") && screen.contains("this volume"), "{screen}");
    desk.keys([Key::Right]);
    let screen = desk.screen();
    assert!(screen.contains("each volume of set erp itself") && screen.contains("ecd-"), "{screen}");
    // Of another night the two were not backed up together.
    desk.keys([Key::BackTab, Key::Down]);
    assert!(desk.screen().contains("was not backed up with the other volumes of set erp"), "{}", desk.screen());
}

#[test]
fn a_deactivated_group_is_a_red_row_that_leads_out() {
    for size in [(80, 24), (120, 40)] {
        let mut site = fixture::demo();
        let view =
            site.transaction_volumes.iter().find(|view| view.state == TransactionState::Equivalent).unwrap().clone();
        let text = "the volume group db03:vg01b was deactivated while its volume is synchronized".to_owned();
        let problem = Some(Box::new(Problem { code: Code::GROUP_DEACTIVATED, text, array_error: None, since: None }));
        let lost = TransactionVolumeView { problem, ..view.clone() };
        site.transaction_volumes = site
            .transaction_volumes
            .iter()
            .map(|known| if known.volume.id == view.volume.id { lost.clone() } else { known.clone() })
            .collect();
        let before = Desk::new(Settings::default(), size);
        let mut desk = Desk::on(site, Settings::default(), size);
        // The header counts it as what it is.
        let counts = |desk: &Desk| {
            let summary = &desk.app.picture.as_ref().unwrap().summary;
            (summary.equivalent, summary.troubled)
        };
        let ((equivalent, troubled), header) = (counts(&before), desk.text().lines().next().unwrap().to_owned());
        assert_eq!(counts(&desk), (equivalent - 1, troubled + 1));
        let words = if size.0 < 100 {
            [format!("!{}", troubled + 1), String::new()]
        } else {
            [format!("{} equivalent", equivalent - 1), format!("{} trouble", troubled + 1)]
        };
        assert!(words.iter().all(|word| header.contains(word.as_str())), "{words:?}: {header}");
        desk.types("/").types(view.volume.name.as_str()).keys([Key::Enter]);
        let row = desk.text().lines().find(|line| line.contains("group lost")).unwrap().to_owned();
        assert!(row.contains(view.volume.name.as_str()) && row.contains("! group lost"), "{row}");
        assert!(!row.contains("equivalent"), "{row}");
        desk.keys([Key::Enter]);
        assert!(desk.text().contains("Way out: ") && desk.text().contains("ecd-1263"), "{}", desk.text());
    }
}
