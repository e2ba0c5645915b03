//! Verbs against answers that are laid out as in the manuals: what is sent, and what is made of the answer. Reverse, change
//! of modes and OPC above all, which the engine does not ask for yet.

use super::array::CcmDriver;
use super::server::Server;
use super::settings::Settings;
use super::word_table::{Row, StatusMeaning};
use crate::driver::Driver;
use crate::driver::transport::RawReply;
use crate::driver::transport::argv::Argv;
use crate::model::copy::{Command, ErrorClass, Outcome};
use crate::model::identity::{BoxId, Olu, VolumeId};
use crate::model::session::{Automation, CopyKind, Direction, Others, Pair, Phase, RecModes, Status, TransferMode};
use crate::model::units::Timestamp;
use crate::testkit::scripted::{Function, InjectedFault, Scripted};
use std::sync::Arc;
use std::time::Duration;

const BOXES: [&str; 2] = ["00ETERNUSDXL##ET08E21A####LN4310900021##", "00ETERNUSDXM##ET092DC#####LN4610900022##"];

fn pair(kind: CopyKind) -> Pair {
    let volume = |at: usize, olu| VolumeId { box_id: BOXES[at].parse::<BoxId>().unwrap(), olu: Olu(olu) };
    Pair { source: volume(0, 0x11), target: volume(usize::from(kind == CopyKind::Rec), 0x21), kind }
}

fn response(code: i32, body: &str) -> RawReply {
    let text = format!("<Response version=\"1.0\"><ReturnCode>{code}</ReturnCode><Message/>{body}</Response>");
    RawReply { exit: code, stdout: text.into_bytes(), stderr: Vec::new() }
}

fn data(id: &str, value: &str) -> String {
    format!("<Data id=\"{id}\">{value}</Data>")
}

/// One result of a pair, as the manuals show it: `Detail` ends its lines with a carriage return.
fn result(pair: &str, message: Option<&str>) -> RawReply {
    let (code, status) = if message.is_some() { (6, "Failed") } else { (0, "Succeeded") };
    let message = message.unwrap_or_default();
    let body = format!(
        "<ResultList><Result><Object>{pair}</Object><Status>{status}</Status><Message>{message}</Message>\
         <Detail>DATE : 2026/03/02 21:15:07 - &lt;&lt; EC Change &gt;&gt; &#13;\n</Detail></Result></ResultList>"
    );
    response(code, &body)
}

/// What a group's query shows of its only pair.
#[derive(Clone, Copy)]
struct Shown {
    direction: &'static str,
    status: &'static str,
    phase: &'static str,
}

const NOTHING: [&str; 3] = ["N/A", "action not startup", "Not set"];

fn group(kind: &str) -> String {
    format!("ecdeck{kind}{}", if kind == "REC" { "KYOTO1toNARA2sync" } else { "KYOTO1" })
}

fn shown(kind: &str, shown: Shown) -> RawReply {
    let (array, title) = match kind {
        "REC" => ("NARA2", "REC Status"),
        "OPC" => ("KYOTO1", "OPC Status"),
        _ => ("KYOTO1", "EC Status"),
    };
    let header = data("Copy Group Name", &group(kind))
        + &data("Copy Group Type", kind)
        + &data("Disk Array Name", &format!("KYOTO1 ({})", BOXES[0]));
    let sid = if shown.direction == "N/A" { "N/A" } else { "0x41" };
    let row = data("Source", "KYOTO1/0x11")
        + &data("&lt;=&gt;", &shown.direction.replace('<', "&lt;").replace('>', "&gt;"))
        + &data("Target", &format!("{array}/0x21"))
        + &data("SID", sid)
        + &data(title, shown.status)
        + &data("Copy Phase", shown.phase)
        + &data("Copied Block", "N/A");
    response(0, &format!("<List>{header}</List><Table><Row>{row}</Row></Table>"))
}

/// A CCM server with one pair of that kind in its state, that answers the verb like this.
fn server(kind: CopyKind, state: Shown, answer: RawReply) -> (CcmDriver, Scripted) {
    let of_ccm = move |argv: &Argv| {
        let line = argv.to_string();
        if line.starts_with("acarray list") {
            let row = |name: &str, id: &str| {
                format!("<Row>{}{}{}</Row>", data("Name", name), data("BOX-ID", id), data("IP Address", "192.0.2.1"))
            };
            response(0, &format!("<Table>{}{}</Table>", row("KYOTO1", BOXES[0]), row("NARA2", BOXES[1])))
        } else if line.contains(&format!(" query -g {} ", group(&kind.to_string()))) {
            shown(&kind.to_string(), state)
        } else if line.starts_with("accopy") {
            response(0, "<Table/>")
        } else if line.contains(" query ") {
            response(4, "")
        } else if line.starts_with("acpair") || line.starts_with("acgroup") {
            response(0, "")
        } else {
            answer.clone()
        }
    };
    let ccm = Scripted::over(Arc::new(Function(of_ccm)));
    let row =
        |word: &str, status| Row { word: word.into(), status: Some(status), phase: None, kind: None, source: None };
    let words = vec![
        row("EC Suspend", StatusMeaning::Suspended),
        row("REC Suspend", StatusMeaning::Suspended),
        row("REC Executing", StatusMeaning::Active),
        row("REC action not startup", StatusMeaning::None),
    ];
    let settings = Settings { words, ..Settings::local("KYOTO1".parse().unwrap()) };
    (CcmDriver::new("DX1", settings, Server::new(Arc::new(ccm.clone()))).unwrap(), ccm)
}

const SUSPENDED_EC: Shown = Shown { direction: "==>", status: "\"EC Suspend\"", phase: "\"Tracking\"" };
const SUSPENDED_REC: Shown = Shown { direction: "==>", status: "\"REC Suspend\"", phase: "\"Tracking\"" };
const LOCAL: &str = "KYOTO1/0x11:KYOTO1/0x21";
const REMOTE: &str = "KYOTO1/0x11:NARA2/0x21";

async fn run(driver: &CcmDriver, command: Command) -> Outcome {
    driver.execute(command, Duration::from_secs(5)).await.remove(0).outcome
}

/// The command that is not a question and not about groups.
fn deed(ccm: &Scripted) -> Vec<String> {
    let about = |line: &String| ["acarray", "acpair", "acgroup"].iter().any(|word| line.starts_with(word));
    ccm.sent().into_iter().filter(|line| !line.contains(" query ") && !about(line)).collect()
}

fn class(outcome: &Outcome) -> Option<(ErrorClass, &str)> {
    match outcome {
        Outcome::Refused(refusal) => Some((refusal.class, refusal.code.as_str())),
        _ => None,
    }
}

#[tokio::test]
async fn a_reverse_is_sent_for_the_pair_and_a_warning_is_no_failure() {
    for (kind, state, group, name) in [
        (CopyKind::Ec, SUSPENDED_EC, "ecdeckECKYOTO1", LOCAL),
        (CopyKind::Rec, SUSPENDED_REC, "ecdeckRECKYOTO1toNARA2sync", REMOTE),
    ] {
        let (driver, ccm) = server(kind, state, result(name, None));
        let reverse = Command::Reverse { pairs: vec![pair(kind)] };
        assert_eq!(run(&driver, reverse.clone()).await, Outcome::Done);
        assert_eq!(deed(&ccm), [format!("acec reverse -g {group} -p {name} -xml")]);
        assert_eq!(driver.describe(&reverse), deed(&ccm), "the plan shows what is sent");
    }
    let warned = include_bytes!("../../../tests/rules/ccm/acec-reverse-warning.xml").to_vec();
    let (driver, _) = server(CopyKind::Ec, SUSPENDED_EC, RawReply { exit: 0, stdout: warned, stderr: Vec::new() });
    assert_eq!(run(&driver, Command::Reverse { pairs: vec![pair(CopyKind::Ec)] }).await, Outcome::Done);
}

#[tokio::test]
async fn what_the_array_or_ccm_says_to_a_reverse_becomes_its_class() {
    let failed = |function: &str, code: &str| format!("ccm5004 Operation failed. function={function}, message={code}.");
    for (message, wanted) in [
        (failed("STXCopyEC.REVERSE", "E5321"), Some((ErrorClass::InvalidState, "ccm5004"))),
        (failed("STXCopyEC.REVERSE", "E5328"), Some((ErrorClass::Busy, "ccm5004"))),
        (failed("STXCopyEC.REVERSE", "E5339"), Some((ErrorClass::Overlap, "ccm5004"))),
        (failed("STXCopyEC.REVERSE", "E5351"), Some((ErrorClass::Config, "ccm5004"))),
        ("ccm4014 The state forbids it.".to_owned(), Some((ErrorClass::InvalidState, "ccm4014"))),
        ("ccm4012 There is no session.".to_owned(), Some((ErrorClass::NotFound, "ccm4012"))),
        // Without a reason that is known, the session is looked at: it is as it was.
        ("ccm9999 Something else.".to_owned(), Some((ErrorClass::Internal, "ccm9999"))),
    ] {
        let (driver, _) = server(CopyKind::Ec, SUSPENDED_EC, result(LOCAL, Some(&message)));
        let outcome = run(&driver, Command::Reverse { pairs: vec![pair(CopyKind::Ec)] }).await;
        assert_eq!(class(&outcome), wanted, "{message}");
    }
    let already = failed("STXCopyEC.REVERSE", "E5330");
    let (driver, _) = server(CopyKind::Ec, SUSPENDED_EC, result(LOCAL, Some(&already)));
    assert_eq!(run(&driver, Command::Reverse { pairs: vec![pair(CopyKind::Ec)] }).await, Outcome::AlreadyDone);
    for unclear in [result(REMOTE, None), response(0, ""), response(0, "<Table/>"), response(6, "<ResultList/>")] {
        let (driver, _) = server(CopyKind::Ec, SUSPENDED_EC, unclear);
        let outcome = run(&driver, Command::Reverse { pairs: vec![pair(CopyKind::Ec)] }).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "it may have happened: {outcome:?}");
    }
}

#[tokio::test]
async fn modes_are_changed_of_a_suspended_rec_only_and_every_mode_has_its_options() {
    let modes = |transfer| RecModes { transfer, split: Automation::Manual, recovery: Automation::Manual };
    for (transfer, options) in [
        (TransferMode::Synchronous, "-transfer sync -split manual -recovery manual"),
        (TransferMode::Consistency, "-transfer consist -recovery manual"),
        (TransferMode::Stack, "-transfer stack -recovery manual"),
        (TransferMode::Through, "-transfer through -recovery manual"),
    ] {
        let (driver, ccm) = server(CopyKind::Rec, SUSPENDED_REC, result(REMOTE, None));
        let change = Command::ChangeMode { pairs: vec![pair(CopyKind::Rec)], modes: modes(transfer) };
        assert_eq!(run(&driver, change).await, Outcome::Done);
        assert_eq!(deed(&ccm), [format!("acec change -g ecdeckRECKYOTO1toNARA2sync -p {REMOTE} {options} -xml")]);
        let seen = driver.sessions(Timestamp(1)).await.unwrap();
        assert_eq!(seen.sessions[0].modes, Some(modes(transfer)), "its group still tells the old one");
    }
    let copying = Shown { status: "\"REC Executing\"", phase: "\"Copying\"", ..SUSPENDED_REC };
    let (driver, ccm) = server(CopyKind::Rec, copying, result(REMOTE, None));
    let change = Command::ChangeMode { pairs: vec![pair(CopyKind::Rec)], modes: modes(TransferMode::Stack) };
    assert_eq!(class(&run(&driver, change).await), Some((ErrorClass::InvalidState, "driver")));
    assert_eq!(deed(&ccm), Vec::<String>::new());
}

#[tokio::test]
async fn a_reversed_session_is_told_by_its_arrow_and_nothing_is_resumed_against_it() {
    let reversed = Shown { direction: "<==", ..SUSPENDED_EC };
    let (driver, ccm) = server(CopyKind::Ec, reversed, result(LOCAL, None));
    let seen = driver.sessions(Timestamp(1)).await.unwrap();
    assert_eq!((seen.sessions[0].direction, seen.sessions[0].status), (Direction::Reversed, Status::Suspended));
    let resume = Command::Resume { pairs: vec![pair(CopyKind::Ec)] };
    assert_eq!(class(&run(&driver, resume).await), Some((ErrorClass::InvalidState, "driver")));
    assert_eq!(deed(&ccm), Vec::<String>::new(), "it would copy the backup over the live volume");
}

#[tokio::test]
async fn a_suspended_pair_is_resumed_by_resume_and_by_start_only_where_ccm_knows_no_resume() {
    let usage = include_bytes!("../../../tests/rules/ccm/usage-error.xml").to_vec();
    let resume = || Command::Resume { pairs: vec![pair(CopyKind::Ec)] };
    let line = |verb: &str| format!("acec {verb} -g ecdeckECKYOTO1 -p {LOCAL} -xml");
    let (driver, ccm) = server(CopyKind::Ec, SUSPENDED_EC, result(LOCAL, None));
    assert_eq!(run(&driver, resume()).await, Outcome::Done);
    assert_eq!(deed(&ccm), [line("resume")]);

    let (driver, ccm) = server(CopyKind::Ec, SUSPENDED_EC, result(LOCAL, None));
    ccm.plan("acec resume", InjectedFault::Answers { exit: 1, stdout: usage });
    assert_eq!(run(&driver, resume()).await, Outcome::Done);
    assert_eq!(deed(&ccm), [line("resume"), line("start")]);

    // Any other refusal is one.
    let (driver, ccm) = server(CopyKind::Ec, SUSPENDED_EC, result(LOCAL, Some("ccm4014 The state forbids it.")));
    assert_eq!(class(&run(&driver, resume()).await), Some((ErrorClass::InvalidState, "ccm4014")));
    assert_eq!(deed(&ccm), [line("resume")]);
}

#[tokio::test]
async fn words_tell_a_busy_array_and_it_is_so_already_is_believed_when_it_is_seen() {
    let failed =
        |words: &str| result(LOCAL, Some(&format!("ccm5004 Operation failed. function=STXCopyEC.X, message={words}")));
    let (resume, suspend) = (
        Command::Resume { pairs: vec![pair(CopyKind::Ec)] },
        Command::Suspend { pairs: vec![pair(CopyKind::Ec)], force: false, together: false },
    );
    let equivalent = Shown { direction: "==>", status: "\"EC Executing\"", phase: "\"Paired\"" };
    for (words, wanted) in [
        ("The storage device is busy. Please retry.", ErrorClass::Busy),
        ("Only possible with force.", ErrorClass::NeedsForce),
        ("invalid BoxID.", ErrorClass::Internal),
        // The session is there and suspended: it was not resumed.
        ("The session already exists.", ErrorClass::InvalidState),
        ("E5342", ErrorClass::InvalidState),
    ] {
        let (driver, _) = server(CopyKind::Ec, SUSPENDED_EC, failed(words));
        assert_eq!(class(&run(&driver, resume.clone()).await), Some((wanted, "ccm5004")), "{words}");
    }
    let (driver, _) = server(CopyKind::Ec, equivalent, failed("The session is already suspended."));
    assert_eq!(class(&run(&driver, suspend).await), Some((ErrorClass::InvalidState, "ccm5004")));
}

#[tokio::test]
async fn a_query_that_is_refused_says_nothing_of_its_group() {
    let (driver, ccm) = server(CopyKind::Ec, SUSPENDED_EC, result(LOCAL, None));
    assert_eq!(driver.sessions(Timestamp(1)).await.unwrap().sessions.len(), 1);
    let group = "acec query -g ecdeckECKYOTO1 ";
    // A question that CCM is too busy for is asked again.
    let busy = b"<Response><ReturnCode>5</ReturnCode><Message>The device is busy.</Message></Response>".to_vec();
    ccm.plan(group, InjectedFault::Answers { exit: 5, stdout: busy });
    assert_eq!(driver.sessions(Timestamp(1)).await.unwrap().sessions.len(), 1);
    for (exit, message) in [
        (5, "ccm5004 Operation failed. function=STXCopyEC.LIST, message=Connection timed out"),
        (8, "ccm8003 Could not open the file. file=/x/groups.xml"),
        (9, "ccm9101 Insufficient privilege."),
        (1, "ccm1001 An invalid argument was specified."),
        (5, "ccm7777 The service is not running."),
    ] {
        let stdout = format!("<Response><ReturnCode>{exit}</ReturnCode><Message>{message}</Message></Response>");
        ccm.plan(group, InjectedFault::Answers { exit, stdout: stdout.into_bytes() });
        assert!(driver.sessions(Timestamp(2)).await.is_err(), "{message}");
        // The next one is asked as if nothing had been.
        assert_eq!(driver.sessions(Timestamp(3)).await.unwrap().sessions.len(), 1, "{message}");
        let resume = Command::Resume { pairs: vec![pair(CopyKind::Ec)] };
        ccm.forget();
        ccm.plan(
            group,
            InjectedFault::Answers {
                exit,
                stdout: format!("<Response><ReturnCode>{exit}</ReturnCode><Message>{message}</Message></Response>")
                    .into_bytes(),
            },
        );
        assert!(class(&run(&driver, resume).await).is_some(), "{message}");
        assert!(!ccm.sent().iter().any(|line| line.contains("acgroup")), "no group is made on that: {:?}", ccm.sent());
    }
}

#[tokio::test]
async fn what_cannot_be_seen_of_others_is_told_and_what_was_known_stays() {
    let others = |rows: &str| {
        let head = "<Response><ReturnCode>0</ReturnCode><Message/><Table>";
        InjectedFault::Answers { exit: 0, stdout: format!("{head}{rows}</Table></Response>").into_bytes() }
    };
    let row = |source: &str, target: &str| {
        format!(
            "<Row>{}{}{}{}{}{}{}</Row>",
            data("Source", source),
            data("&lt;=&gt;", "==&gt;"),
            data("Target", target),
            data("SID", "0x7"),
            data("Type", "EC"),
            data("Status", "EC Executing"),
            data("Phase", "Copying")
        )
    };
    let (driver, ccm) = server(CopyKind::Ec, SUSPENDED_EC, result(LOCAL, None));
    // One estimation, one part, one unknown array: each is one line, and the session of somebody else is seen.
    let rows = [
        ("KYOTO1/0x1", "-"),
        ("KYOTO1/0x2", "KYOTO1/0x3"),
        ("OSAKA9/0x1", "KYOTO1/0x5"),
        ("KYOTO1/0x8", "c1t0d0s3@KYOTO1/0x9"),
    ];
    ccm.plan("accopy", others(&rows.map(|(source, target)| row(source, target)).concat()));
    let seen = driver.sessions_afresh(Timestamp(1)).await.unwrap();
    assert_eq!((seen.sessions.len(), seen.unknown_rows.len(), &seen.others), (3, 2, &Others::Read));
    let of_kind = |kind| seen.sessions.iter().filter(|session| session.pair.kind == kind).count();
    assert_eq!((of_kind(CopyKind::Ec), of_kind(CopyKind::Other)), (2, 1));
    let into = |row: usize| seen.unknown_rows[row].may_copy_to.iter().map(|id| id.olu.0).collect::<Vec<_>>();
    assert_eq!((into(0), into(1)), (vec![5], vec![]), "{:?}", seen.unknown_rows);

    let refused = b"<Response><ReturnCode>8</ReturnCode><Message>E9008 no licence</Message></Response>".to_vec();
    ccm.plan("accopy", InjectedFault::Answers { exit: 8, stdout: refused });
    let seen = driver.sessions_afresh(Timestamp(2)).await.unwrap();
    assert_eq!((seen.sessions.len(), seen.unknown_rows.len()), (3, 2), "what was known stays");
    assert!(matches!(&seen.others, Others::Failed { why } if why.raw().contains("E9008")), "{:?}", seen.others);

    let unknown = include_bytes!("../../../tests/rules/ccm/usage-error.xml").to_vec();
    ccm.plan("accopy", InjectedFault::Answers { exit: 1, stdout: unknown });
    assert!(matches!(driver.sessions_afresh(Timestamp(3)).await.unwrap().others, Others::NotShown { .. }));

    // A target that cannot be read may be any volume.
    ccm.plan("accopy", others(&row("KYOTO1/0x1", "KYOTO1/hda")));
    assert!(matches!(driver.sessions_afresh(Timestamp(4)).await.unwrap().others, Others::Failed { .. }));
    assert_eq!(driver.sessions_afresh(Timestamp(5)).await.unwrap().others, Others::Read);
}

#[tokio::test]
async fn an_opc_is_started_where_there_is_none_seen_while_it_copies_and_cancelled() {
    let [direction, _, phase] = NOTHING;
    let idle = Shown { direction, status: "\"OPC action not startup\"", phase };
    let (driver, ccm) = server(CopyKind::Opc, idle, result(LOCAL, None));
    let start = Command::StartOpc { pairs: vec![pair(CopyKind::Opc)] };
    assert_eq!(run(&driver, start.clone()).await, Outcome::Done);
    assert_eq!(deed(&ccm), [format!("acopc start -g ecdeckOPCKYOTO1 -p {LOCAL} -xml")]);

    let copying = Shown { direction: "==>", status: "\"OPC Executing\"", phase: "\"Copying\"" };
    let (driver, ccm) = server(CopyKind::Opc, copying, result(LOCAL, None));
    let seen = driver.sessions(Timestamp(1)).await.unwrap();
    assert_eq!((seen.sessions[0].pair.kind, seen.sessions[0].phase), (CopyKind::Opc, Phase::Copying));
    assert_eq!(class(&run(&driver, start).await), Some((ErrorClass::InvalidState, "driver")), "one is at work");
    let stop = |force| Command::Stop { pairs: vec![pair(CopyKind::Opc)], force };
    assert_eq!(run(&driver, stop(false)).await, Outcome::Done);
    assert_eq!(run(&driver, stop(true)).await, Outcome::Done);
    let line = format!("acopc cancel -g ecdeckOPCKYOTO1 -p {LOCAL}");
    assert_eq!(deed(&ccm), [format!("{line} -xml"), format!("{line} -force -xml")]);
}

#[tokio::test]
async fn a_command_of_several_pairs_takes_each_pairs_own_result_out_of_a_partial_failure() {
    // CCM is asked for one pair at a time; whatever else it reports with code 6 is not mistaken for that pair's.
    let both = include_bytes!("../../../tests/rules/ccm/acec-start-partial.xml").to_vec();
    let [direction, _, phase] = NOTHING;
    let idle = Shown { direction, status: "\"EC action not startup\"", phase };
    let (driver, _) = server(CopyKind::Ec, idle, RawReply { exit: 6, stdout: both, stderr: Vec::new() });
    let start = Command::Start { pairs: vec![pair(CopyKind::Ec)], modes: None };
    assert_eq!(run(&driver, start).await, Outcome::Done);
}

#[tokio::test]
async fn a_forced_stop_of_a_ccm_that_knows_no_force_is_sent_without_it_and_nothing_else_ever_is() {
    let usage = include_bytes!("../../../tests/rules/ccm/usage-error.xml").to_vec();
    let copying = Shown { direction: "==>", status: "\"EC Executing\"", phase: "\"Copying\"" };
    let pairs = vec![pair(CopyKind::Ec)];
    let line = format!("acec cancel -g ecdeckECKYOTO1 -p {LOCAL}");
    let (driver, ccm) = server(CopyKind::Ec, copying, result(LOCAL, None));
    ccm.plan("-force", InjectedFault::Answers { exit: 1, stdout: usage.clone() });
    assert_eq!(run(&driver, Command::Stop { pairs: pairs.clone(), force: true }).await, Outcome::Done);
    assert_eq!(deed(&ccm), [format!("{line} -force -xml"), format!("{line} -xml")]);

    // A forced suspend leaves data behind: without its force it is another command.
    let (driver, ccm) = server(CopyKind::Ec, copying, result(LOCAL, None));
    ccm.plan("-force", InjectedFault::Answers { exit: 1, stdout: usage });
    let suspend = Command::Suspend { pairs, force: true, together: false };
    assert_eq!(class(&run(&driver, suspend).await), Some((ErrorClass::Parameter, "ccm1001")));
    assert_eq!(deed(&ccm).len(), 1);
}
