//! The driver against the emulation on arrays in memory: every verb, every injected fault of the way.

mod batches;

use super::array::CcmDriver;
use super::server::Server;
use super::settings::Settings;
use super::word_table::{Column, Row, StatusMeaning, TitleRow};
use crate::driver::emulated::faults::{Fault, Side};
use crate::driver::transport::Transport;
use crate::driver::{Driver, DriverError};
use crate::model::copy::{Command, ErrorClass, Outcome};
use crate::model::identity::{BoxId, Name, Olu, VolumeId};
use crate::model::session::{
    Automation, CopyKind, Direction, ErrorByte, Pair, Phase, Reading, RecModes, SessionReading, Sight, Status,
    TransferMode,
};
use crate::model::units::{Blocks, Timestamp};
use crate::testkit::ccm_emulation::profile::Profile;
use crate::testkit::ccm_emulation::{Emulation, InProcess, Member, Store};
use crate::testkit::in_process::InProcess as EmulatedArray;
use crate::testkit::memory::Memory;
use crate::testkit::scripted::{InjectedFault, Scripted};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const SIZE: Blocks = Blocks::from_mib(8);

/// Two boxes with a path, a CCM server that knows both, and a driver for each.
struct Site {
    arrays: Arc<Mutex<Memory>>,
    ccm: Scripted,
    emulation: Arc<Emulation>,
    kyoto: CcmDriver,
    nara: CcmDriver,
    boxes: [BoxId; 2],
}

/// The words that an operator has confirmed.
fn confirmed() -> Vec<Row> {
    let row =
        |word: &str, status| Row { word: word.into(), status: Some(status), phase: None, kind: None, source: None };
    let mut rows = Vec::new();
    for kind in ["EC", "REC"] {
        rows.push(row(&format!("{kind} Suspend"), StatusMeaning::Suspended));
        rows.push(row(&format!("{kind} Error Suspend"), StatusMeaning::ErrorSuspended));
    }
    rows.push(row("REC Executing", StatusMeaning::Active));
    rows.push(row("REC Halt", StatusMeaning::Halted));
    rows.push(row("REC action not startup", StatusMeaning::None));
    rows
}

impl Site {
    fn new(words: &[Row]) -> Self {
        Self::with_profile(words, Profile::default())
    }

    /// With an emulation that is as kind as that.
    fn with_profile(words: &[Row], profile: Profile) -> Self {
        let mut memory = Memory::new();
        let (kyoto, nara): (Name, Name) = ("KYOTO1".parse().unwrap(), "NARA-2".parse().unwrap());
        let boxes = [memory.add_box(&kyoto).unwrap(), memory.add_box(&nara).unwrap()];
        memory.core_mut().add_path(boxes[0], boxes[1]).unwrap();
        for at in boxes {
            for olu in 1..=20 {
                memory.add_volume(at, Some(Olu(olu)), &format!("lv{olu}"), SIZE).unwrap();
            }
        }
        memory.add_volume(boxes[0], Some(Olu(0x99)), "odd", Blocks::from_mib(16)).unwrap();
        let arrays = Arc::new(Mutex::new(memory));
        let member = |name: &str, box_id| Member {
            name: name.parse().unwrap(),
            box_id,
            driver: Arc::new(EmulatedArray::new(Arc::clone(&arrays), box_id)),
        };
        let emulation =
            Emulation::new(vec![member("KYOTO1", boxes[0]), member("NARA-2", boxes[1])], Store::in_memory());
        let emulation = Arc::new(emulation.with_profile(profile));
        let title = |column, title: &str| TitleRow { column, title: title.to_owned(), source: None };
        let ccm = Scripted::over(Arc::new(InProcess(Arc::clone(&emulation))));
        let server = Server::new(Arc::new(ccm.clone()) as Arc<dyn Transport>);
        let driver = |name: &str| {
            // The strict profile's titles; the others have none of these.
            let titles = vec![title(Column::Status, "Copy State"), title(Column::Phase, "Copy Stage")];
            let settings = Settings { words: words.to_vec(), titles, ..Settings::local(name.parse().unwrap()) };
            CcmDriver::new(name, settings, Arc::clone(&server)).unwrap()
        };
        Self { arrays, ccm, emulation, kyoto: driver("KYOTO1"), nara: driver("NARA-2"), boxes }
    }

    fn arrays(&self) -> MutexGuard<'_, Memory> {
        self.arrays.lock()
    }

    fn volume(&self, at: usize, olu: u32) -> VolumeId {
        VolumeId { box_id: self.boxes[at], olu: Olu(olu) }
    }

    fn ec(&self, source: u32, target: u32) -> Pair {
        Pair::new(self.volume(0, source), self.volume(0, target))
    }

    fn rec(&self, source: u32, target: u32) -> Pair {
        Pair::new(self.volume(0, source), self.volume(1, target))
    }

    async fn reading(&self) -> Reading {
        self.kyoto.sessions(Timestamp(7)).await.unwrap()
    }

    async fn session(&self, pair: &Pair) -> Option<SessionReading> {
        self.reading().await.look_for(pair).shown().cloned()
    }

    async fn state(&self, pair: &Pair) -> Option<(Status, Phase)> {
        self.session(pair).await.map(|session| (session.status, session.phase))
    }

    async fn run(&self, command: Command) -> Outcome {
        let mut outcomes = self.kyoto.execute(command, LIMIT).await;
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0).outcome
    }

    async fn start(&self, pair: Pair) -> Outcome {
        self.run(Command::Start { pairs: vec![pair], modes: None }).await
    }

    async fn suspend(&self, pair: Pair, force: bool) -> Outcome {
        self.run(Command::Suspend { pairs: vec![pair], force, together: false }).await
    }

    /// How often the array itself was told to start something.
    fn starts(&self) -> usize {
        self.ccm.sent().iter().filter(|line| line.starts_with("acec start")).count()
    }
}

fn class(outcome: &Outcome) -> Option<ErrorClass> {
    match outcome {
        Outcome::Refused(refusal) => Some(refusal.class),
        _ => None,
    }
}

#[tokio::test]
async fn the_box_its_volumes_and_its_sessions_are_read() {
    let site = Site::new(&confirmed());
    assert_eq!(site.kyoto.identify().await.unwrap().box_id, site.boxes[0]);
    let volumes = site.kyoto.volumes().await.unwrap();
    assert_eq!(volumes.len(), 21);
    assert_eq!((volumes[0].id, volumes[0].blocks, volumes[0].label.raw()), (site.volume(0, 1), SIZE, "lv1"));
    let reading = site.reading().await;
    assert_eq!((reading.box_id, reading.taken_at, reading.sessions.len()), (site.boxes[0], Timestamp(7), 0));
}

/// Strict, and never busy: what is refused is refused for its own sake.
fn strict() -> Profile {
    Profile { busy_one_in: 0, ..Profile::strict(0) }
}

#[tokio::test]
async fn a_strict_ccm_resumes_by_resume_only_and_gives_its_reasons_in_words() {
    let site = Site::with_profile(&confirmed(), strict());
    let pair = site.ec(1, 11);
    assert_eq!(site.start(pair).await, Outcome::Done);
    assert_eq!(class(&site.suspend(pair, false).await), Some(ErrorClass::NeedsForce), "it still copies");
    site.arrays().settle();
    assert_eq!(site.suspend(pair, false).await, Outcome::Done);
    assert!(site.session(&pair).await.unwrap().is_cleanly_suspended());
    let by_start = crate::driver::transport::argv::Argv::new(
        "acec start -g ecdeckECKYOTO1 -p KYOTO1/0x1:KYOTO1/0xb -xml".split(' '),
    )
    .unwrap();
    let reply = site.ccm.exec(&by_start, LIMIT).await.unwrap();
    assert!(String::from_utf8_lossy(&reply.stdout).contains("already exists"), "{reply:?}");
    assert_eq!(site.run(Command::Resume { pairs: vec![pair] }).await, Outcome::Done);
    site.arrays().settle();
    assert_eq!(site.state(&pair).await, Some((Status::Active, Phase::Equivalent)));
    let reading = site.kyoto.sessions_afresh(Timestamp(9)).await.unwrap();
    assert_eq!(reading.unknown_rows.len(), 1, "an estimation has no target: {:?}", reading.unknown_rows);
    assert_eq!(reading.others, crate::model::session::Others::Read);
    assert_eq!(site.run(Command::Stop { pairs: vec![pair], force: false }).await, Outcome::Done);
}

#[tokio::test]
async fn a_consistency_rec_is_ended_by_force_only_under_a_strict_ccm() {
    let site = Site::with_profile(&confirmed(), strict());
    let pair = site.rec(1, 1);
    let modes = RecModes { transfer: TransferMode::Consistency, ..RecModes::default() };
    assert_eq!(site.run(Command::Start { pairs: vec![pair], modes: Some(modes) }).await, Outcome::Done);
    site.arrays().settle();
    assert_eq!(class(&site.run(Command::Stop { pairs: vec![pair], force: false }).await), Some(ErrorClass::NeedsForce));
    assert!(site.state(&pair).await.is_some());
    assert_eq!(site.run(Command::Stop { pairs: vec![pair], force: true }).await, Outcome::Done);
    assert_eq!(site.state(&pair).await, None);
}

#[tokio::test]
async fn a_reversed_pair_that_stands_the_other_way_round_is_neither_resumed_nor_added_again() {
    let site = Site::with_profile(&confirmed(), strict());
    let pair = site.ec(1, 11);
    site.start(pair).await;
    site.arrays().settle();
    site.suspend(pair, false).await;
    assert_eq!(site.run(Command::Reverse { pairs: vec![pair] }).await, Outcome::Done);
    let turned = Pair { source: pair.target, target: pair.source, kind: pair.kind };
    let reading = site.reading().await;
    assert_eq!(reading.sessions[0].pair, turned);
    site.ccm.forget();
    for command in [Command::Resume { pairs: vec![pair] }, Command::Start { pairs: vec![pair], modes: None }] {
        assert_eq!(class(&site.run(command).await), Some(ErrorClass::InvalidState));
    }
    let sent = site.ccm.sent();
    assert!(!sent.iter().any(|line| line.contains("acpair add") || line.contains("resume")), "{sent:?}");
}

#[tokio::test]
async fn a_ccm_that_is_busy_at_random_is_asked_again_and_answers_in_the_end() {
    let site = Site::with_profile(&confirmed(), Profile { busy_one_in: 3, ..Profile::strict(5) });
    let pair = site.ec(1, 11);
    // Commands are sent once: whoever asked sends them again, as the engine does.
    for _ in 0..20 {
        match site.start(pair).await {
            Outcome::Done | Outcome::AlreadyDone => break,
            other => assert_eq!(class(&other), Some(ErrorClass::Busy), "{other:?}"),
        }
    }
    assert_eq!(site.arrays().core().sessions().count(), 1);
}

#[tokio::test]
async fn an_ec_lives_through_start_equivalence_suspend_resume_and_cancel() {
    let site = Site::new(&confirmed());
    site.kyoto.volumes().await.unwrap();
    let pair = site.ec(1, 11);
    assert_eq!(site.start(pair).await, Outcome::Done);
    site.arrays().advance(Blocks::from_mib(2));
    let session = site.session(&pair).await.unwrap();
    assert_eq!((session.status, session.phase), (Status::Active, Phase::Copying));
    let progress = session.progress.unwrap();
    assert_eq!((progress.total, progress.done > Blocks(0)), (SIZE, true));
    assert_eq!(class(&site.suspend(pair, false).await), Some(ErrorClass::NeedsForce));

    site.arrays().settle();
    assert_eq!(site.state(&pair).await, Some((Status::Active, Phase::Equivalent)));
    assert_eq!(site.suspend(pair, false).await, Outcome::Done);
    assert!(site.session(&pair).await.unwrap().is_cleanly_suspended());

    site.arrays().write(site.volume(0, 1), 3).unwrap();
    assert_eq!(site.run(Command::Resume { pairs: vec![pair] }).await, Outcome::Done);
    assert_eq!(site.session(&pair).await.unwrap().progress, None, "a difference has no total that CCM tells");
    site.arrays().settle();
    assert_eq!(site.run(Command::Stop { pairs: vec![pair], force: false }).await, Outcome::Done);
    assert_eq!(site.state(&pair).await, None);
    assert!(site.ccm.sent().contains(&"acpair remove -g ecdeckECKYOTO1 -p KYOTO1/0x1:KYOTO1/0xb -xml".to_owned()));
}

impl Site {
    /// What CCM has under our names: the groups that it answers for, with their pairs.
    async fn left_in_ccm(&self, group: &str) -> Option<String> {
        let query = crate::driver::transport::argv::Argv::new(["acec", "query", "-g", group, "-xml"]).unwrap();
        let reply = self.ccm.exec(&query, LIMIT).await.unwrap();
        (reply.exit == 0).then(|| String::from_utf8(reply.stdout).unwrap())
    }

    /// A driver that knows nothing yet, as after a crash.
    fn after_a_crash(&self) -> CcmDriver {
        let server = Server::new(Arc::new(self.ccm.clone()) as Arc<dyn Transport>);
        CcmDriver::new("KYOTO1", self.kyoto.settings().clone(), server).unwrap()
    }
}

#[tokio::test]
async fn the_last_stop_leaves_nothing_in_ccm_and_the_next_start_makes_it_anew() {
    let site = Site::new(&confirmed());
    let (one, two) = (site.ec(1, 11), site.ec(2, 12));
    for _ in 0..2 {
        for pair in [one, two] {
            assert_eq!(site.start(pair).await, Outcome::Done);
        }
        site.run(Command::Stop { pairs: vec![one], force: true }).await;
        let there = site.left_in_ccm("ecdeckECKYOTO1").await.unwrap();
        assert!(there.contains("KYOTO1/0x2") && !there.contains("KYOTO1/0x1<"), "{there}");
        site.run(Command::Stop { pairs: vec![two], force: true }).await;
        assert_eq!(site.left_in_ccm("ecdeckECKYOTO1").await, None);
        assert_eq!(site.reading().await.sessions.len(), 0);
    }
}

#[tokio::test]
async fn what_a_crash_left_in_ccm_is_used_again_or_removed_with_the_next_command() {
    let site = Site::new(&confirmed());
    let pairs: Vec<Pair> = (1..=6).map(|at| site.ec(at, 10 + at)).collect();
    site.kyoto.execute(Command::Start { pairs: pairs.clone(), modes: None }, LIMIT).await;
    // Stopped, and then came the crash.
    let stop = Command::Stop { pairs: pairs.clone(), force: true };
    site.arrays().execute(site.boxes[0], &stop, "ecdeck", Timestamp(0));
    let driver = site.after_a_crash();
    let start = |pair: Pair| driver.execute(Command::Start { pairs: vec![pair], modes: None }, LIMIT);
    site.ccm.forget();
    assert_eq!(start(pairs[5]).await[0].outcome, Outcome::Done);
    let removed = || site.ccm.sent().iter().filter(|line| line.starts_with("acpair remove")).count();
    assert!(!site.ccm.sent().iter().any(|line| line.starts_with("acpair add")), "its pair was there");
    assert_eq!(removed(), 4, "people wait for the answer: {:?}", site.ccm.sent());
    assert_eq!(start(pairs[0]).await[0].outcome, Outcome::Done);
    let there = site.left_in_ccm("ecdeckECKYOTO1").await.unwrap();
    assert_eq!(there.matches("<Row>").count(), 2, "{there}");
    assert_eq!(site.reading().await.sessions.len(), 2);
}

#[tokio::test]
async fn a_pair_of_a_session_that_ended_without_us_is_removed_too() {
    let site = Site::new(&confirmed());
    let (ended, other) = (site.ec(1, 11), site.ec(2, 12));
    site.start(ended).await;
    let stop = Command::Stop { pairs: vec![ended], force: true };
    site.arrays().execute(site.boxes[0], &stop, "somebody", Timestamp(0));
    site.start(other).await;
    let there = site.left_in_ccm("ecdeckECKYOTO1").await.unwrap();
    assert_eq!(there.matches("<Row>").count(), 1, "{there}");
}

#[tokio::test]
async fn that_a_pair_or_a_group_exists_already_is_no_failure() {
    let site = Site::new(&confirmed());
    let (one, two) = (site.ec(1, 11), site.ec(2, 12));
    let line = |line: &str| crate::driver::transport::argv::Argv::new(line.split(' ')).unwrap();
    // Somebody makes the group, and then the pair, right before us.
    site.ccm
        .plan("acgroup create", InjectedFault::After(line("acgroup create -g ecdeckECKYOTO1 -type EC -a KYOTO1 -xml")));
    assert_eq!(site.start(one).await, Outcome::Done);
    site.ccm
        .plan("acpair add", InjectedFault::After(line("acpair add -g ecdeckECKYOTO1 -p KYOTO1/0x2:KYOTO1/0xc -xml")));
    assert_eq!(site.start(two).await, Outcome::Done);
    // Somebody removes a pair before us: it is gone, which is what was wanted.
    site.ccm.plan(
        "acpair remove",
        InjectedFault::After(line("acpair remove -g ecdeckECKYOTO1 -p KYOTO1/0x2:KYOTO1/0xc -xml")),
    );
    assert_eq!(site.run(Command::Stop { pairs: vec![two], force: true }).await, Outcome::Done);
    // A pair that CCM will not have is refused in CCM's own words, and not because it is missing afterwards.
    let refused = site.start(site.ec(4, 0x99)).await;
    assert!(matches!(&refused, Outcome::Refused(refusal) if refusal.text.raw().contains("sizes")), "{refused:?}");
}

#[tokio::test]
async fn a_group_that_ccm_does_not_let_go_of_stays_and_harms_nothing() {
    let site = Site::new(&confirmed());
    let pair = site.ec(1, 11);
    let no = b"<Response><ReturnCode>1</ReturnCode><Message>ccm1001 What is delete?</Message></Response>".to_vec();
    for _ in 0..2 {
        site.start(pair).await;
        site.ccm.plan("acgroup delete", InjectedFault::Answers { exit: 1, stdout: no.clone() });
        assert_eq!(site.run(Command::Stop { pairs: vec![pair], force: true }).await, Outcome::Done);
        assert!(site.left_in_ccm("ecdeckECKYOTO1").await.is_some());
    }
}

#[tokio::test]
async fn a_rec_starts_with_its_modes_and_both_boxes_show_it() {
    for (at, transfer) in
        [TransferMode::Synchronous, TransferMode::Consistency, TransferMode::Stack].into_iter().enumerate()
    {
        let site = Site::new(&confirmed());
        let pair = site.rec(1 + at as u32, 1);
        let modes = RecModes { transfer, split: Automation::Manual, recovery: Automation::Manual };
        let start = Command::Start { pairs: vec![pair], modes: Some(modes) };
        assert_eq!(site.run(start).await, Outcome::Done);
        assert_eq!(site.arrays().core().session(&pair).unwrap().modes.unwrap().transfer, transfer);
        site.arrays().settle();
        assert_eq!(site.session(&pair).await.unwrap().modes.unwrap().transfer, transfer, "its group tells it");
        let there = site.nara.sessions(Timestamp(8)).await.unwrap();
        assert_eq!((there.box_id, there.look_for(&pair).shown().is_some()), (site.boxes[1], true));
        if transfer != TransferMode::Stack {
            assert_eq!(site.suspend(pair, false).await, Outcome::Accepted, "believed when it is seen");
            assert!(site.session(&pair).await.unwrap().is_cleanly_suspended());
            let change = Command::ChangeMode { pairs: vec![pair], modes: RecModes::default() };
            assert_eq!(site.run(change).await, Outcome::Done);
            assert_eq!(site.run(Command::Reverse { pairs: vec![pair] }).await, Outcome::Done);
            assert!(site.session(&pair).await.unwrap().direction == Direction::Reversed);
        }
    }
}

#[tokio::test]
async fn a_forced_stop_ends_a_copy_that_runs() {
    let site = Site::new(&confirmed());
    let pair = site.ec(2, 12);
    site.start(pair).await;
    assert!(class(&site.run(Command::Stop { pairs: vec![pair], force: false }).await).is_some());
    assert_eq!(site.run(Command::Stop { pairs: vec![pair], force: true }).await, Outcome::Done);
    assert_eq!(site.state(&pair).await, None);
    assert_eq!(site.run(Command::Stop { pairs: vec![pair], force: true }).await, Outcome::AlreadyDone);
}

#[tokio::test]
async fn an_opc_runs_inside_one_box() {
    let site = Site::new(&confirmed());
    let pair = Pair { kind: CopyKind::Opc, ..site.ec(3, 13) };
    assert_eq!(site.run(Command::StartOpc { pairs: vec![pair] }).await, Outcome::Done);
    assert!(site.session(&pair).await.is_some());
    assert!(site.ccm.sent().contains(&"acopc start -g ecdeckOPCKYOTO1 -p KYOTO1/0x3:KYOTO1/0xd -xml".to_owned()));
}

#[tokio::test]
async fn what_ccm_cannot_do_is_refused_before_anything_is_sent() {
    let site = Site::new(&confirmed());
    let [one, two] = [site.ec(1, 11), site.ec(2, 12)];
    for command in [
        Command::Suspend { pairs: vec![one, two], force: false, together: true },
        Command::Start { pairs: vec![Pair { kind: CopyKind::SnapOpcPlus, ..one }], modes: None },
        Command::ChangeMode { pairs: vec![one], modes: RecModes::default() },
    ] {
        let outcomes = site.kyoto.execute(command, LIMIT).await;
        assert!(outcomes.iter().all(|each| class(&each.outcome) == Some(ErrorClass::Unsupported)), "{outcomes:?}");
    }
    assert_eq!(site.ccm.sent(), Vec::<String>::new());
}

#[tokio::test]
async fn a_suspend_that_could_not_be_observed_is_not_sent() {
    let site = Site::new(&[]);
    let pair = site.ec(1, 11);
    site.start(pair).await;
    site.arrays().settle();
    site.ccm.forget();
    let outcome = site.suspend(pair, false).await;
    assert_eq!(class(&outcome), Some(ErrorClass::Config), "{outcome:?}");
    assert!(site.ccm.sent().is_empty());

    // Somebody suspends by hand: the word is shown, and nothing but a forced stop acts on it.
    let words = ["acec", "suspend", "-g", "ecdeckECKYOTO1", "-p", "KYOTO1/0x1:KYOTO1/0xb", "-xml"];
    let by_hand = crate::driver::transport::argv::Argv::new(words).unwrap();
    site.ccm.exec(&by_hand, LIMIT).await.unwrap();
    let session = site.session(&pair).await.unwrap();
    assert_eq!((session.status, session.words.status.raw()), (Status::Unknown, "EC Suspend"));
    assert_eq!(class(&site.run(Command::Resume { pairs: vec![pair] }).await), Some(ErrorClass::InvalidState));
    assert_eq!(site.run(Command::Stop { pairs: vec![pair], force: true }).await, Outcome::Done);
}

#[tokio::test]
async fn several_pairs_get_an_outcome_each_in_their_order() {
    let site = Site::new(&confirmed());
    let unequal = site.ec(4, 0x99);
    let pairs = vec![site.ec(1, 11), unequal, site.ec(2, 12), site.ec(3, 13)];
    let outcomes = site.kyoto.execute(Command::Start { pairs: pairs.clone(), modes: None }, LIMIT).await;
    assert_eq!(outcomes.iter().map(|each| each.pair).collect::<Vec<_>>(), pairs);
    assert_eq!(outcomes.iter().filter(|each| each.outcome == Outcome::Done).count(), 3);
    assert!(class(&outcomes[1].outcome).is_some(), "{:?}", outcomes[1]);
    assert_eq!(site.reading().await.sessions.len(), 3);
}

#[tokio::test]
async fn an_answer_lost_after_the_start_is_unknown_and_a_second_start_starts_nothing() {
    let site = Site::new(&confirmed());
    let pair = site.ec(1, 11);
    site.ccm.plan("acec start", InjectedFault::DoneAndLost);
    assert!(matches!(site.start(pair).await, Outcome::Unknown { .. }));
    assert_eq!(site.state(&pair).await, Some((Status::Active, Phase::Copying)));
    assert_eq!(site.start(pair).await, Outcome::AlreadyDone);
    assert_eq!(site.starts(), 1, "{:?}", site.ccm.sent());
}

#[tokio::test]
async fn after_a_lost_answer_the_rest_of_the_command_is_not_sent() {
    let site = Site::new(&confirmed());
    let pairs = vec![site.ec(1, 11), site.ec(2, 12), site.ec(3, 13)];
    site.ccm.plan("-p KYOTO1/0x2", InjectedFault::DoneAndLost); // the second pair is not added to the group
    let outcomes = site.kyoto.execute(Command::Start { pairs: pairs.clone(), modes: None }, LIMIT).await;
    assert!(outcomes.iter().all(|each| class(&each.outcome) == Some(ErrorClass::Transport)), "{outcomes:?}");
    assert_eq!(site.starts(), 0);

    site.ccm.plan("acec start -g ecdeckECKYOTO1 -p KYOTO1/0x2", InjectedFault::NeverRunAndLost);
    let outcomes = site.kyoto.execute(Command::Start { pairs, modes: None }, LIMIT).await;
    assert_eq!(outcomes[0].outcome, Outcome::Done);
    assert!(matches!(outcomes[1].outcome, Outcome::Unknown { .. }));
    assert_eq!(class(&outcomes[2].outcome), Some(ErrorClass::Transport));
    assert_eq!(site.starts(), 2);
}

#[tokio::test]
async fn a_start_is_never_repeated_wherever_its_answer_is_cut() {
    let whole = {
        let site = Site::new(&confirmed());
        site.start(site.ec(1, 11)).await;
        let words: Vec<String> =
            site.ccm.sent().iter().filter(|line| line.starts_with("acec start")).cloned().collect();
        assert_eq!(words.len(), 1);
        1200
    };
    for cut in (0..whole).step_by(7) {
        let site = Site::new(&confirmed());
        let pair = site.ec(1, 11);
        site.ccm.plan("acec start", InjectedFault::CutAt(cut));
        let outcome = site.start(pair).await;
        assert!(matches!(outcome, Outcome::Unknown { .. } | Outcome::Done), "cut at {cut}: {outcome:?}");
        assert!(site.state(&pair).await.is_some());
        assert_eq!(site.start(pair).await, Outcome::AlreadyDone, "cut at {cut}");
        assert_eq!(site.starts(), 1);
    }
}

#[tokio::test]
async fn a_cut_answer_before_the_start_means_that_nothing_was_started() {
    for line in ["acarray list", "acec query", "acgroup create", "acpair add"] {
        let site = Site::new(&confirmed());
        let pair = site.ec(1, 11);
        site.ccm.plan(line, InjectedFault::CutAt(60));
        let outcome = site.start(pair).await;
        assert!(class(&outcome).is_some() || outcome == Outcome::Done, "{line}: {outcome:?}");
        let running = site.arrays().core().session(&pair).is_some();
        assert_eq!(running, outcome == Outcome::Done, "{line}");
        assert!(matches!(site.start(pair).await, Outcome::Done | Outcome::AlreadyDone), "{line}: the next one works");
    }
}

#[tokio::test]
async fn what_surely_did_not_run_is_refused_with_its_cause() {
    let changed = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @";
    for (fault, wanted) in [
        (InjectedFault::MissingProgram, ErrorClass::Config),
        (InjectedFault::NoRights, ErrorClass::Auth),
        (InjectedFault::NotConnected(changed.to_owned()), ErrorClass::Auth),
        (
            InjectedFault::NotConnected("ssh: connect to host ccm01 port 22: Connection refused".into()),
            ErrorClass::Transport,
        ),
    ] {
        let site = Site::new(&confirmed());
        let pair = site.ec(1, 11);
        for line in ["acarray list", "acec start"] {
            site.ccm.plan(line, fault.clone());
            let outcome = site.start(pair).await;
            assert_eq!(class(&outcome), Some(wanted), "{line} {fault:?}: {outcome:?}");
            assert_eq!(site.state(&pair).await, None);
        }
        site.ccm.plan("query", fault.clone());
        let error: DriverError = site.kyoto.sessions(Timestamp(0)).await.err().unwrap_or_else(|| panic!("{fault:?}"));
        assert_eq!(error.class, wanted);
        assert!(error.to_string().contains("accopy query"), "{error}");
    }
}

#[tokio::test]
async fn a_failure_without_a_reason_that_is_known_is_checked_before_it_is_believed() {
    let site = Site::new(&confirmed());
    let pair = site.ec(1, 11);
    // CCM gave up on the array, and the array did it.
    site.arrays().core_mut().inject(site.boxes[0], Fault::LostReply { times: 1 }).unwrap();
    assert!(matches!(site.start(pair).await, Outcome::Unknown { .. }));
    assert!(site.state(&pair).await.is_some());
    // CCM gave up on the array, and the array never heard of it.
    let other = site.ec(2, 12);
    site.arrays().core_mut().inject(site.boxes[0], Fault::LostRequest { times: 1 }).unwrap();
    assert_eq!(class(&site.start(other).await), Some(ErrorClass::Internal));
    assert_eq!(site.state(&other).await, None);
    site.arrays().core_mut().inject(site.boxes[0], Fault::Busy { times: 1 }).unwrap();
    assert_eq!(class(&site.start(other).await), Some(ErrorClass::Busy));
}

#[tokio::test]
async fn another_program_that_was_faster_is_seen_and_not_run_over() {
    let site = Site::new(&confirmed());
    let pair = site.ec(1, 11);
    site.start(pair).await;
    site.arrays().settle();
    let cancel = ["acec", "cancel", "-g", "ecdeckECKYOTO1", "-p", "KYOTO1/0x1:KYOTO1/0xb", "-xml"];
    // Between the look and the suspend, the session is gone.
    site.ccm.plan("acec suspend", InjectedFault::After(crate::driver::transport::argv::Argv::new(cancel).unwrap()));
    assert_eq!(class(&site.suspend(pair, false).await), Some(ErrorClass::NotFound));
    assert_eq!(site.state(&pair).await, None);
    // A resume of what is gone must not become a full start.
    assert_eq!(class(&site.run(Command::Resume { pairs: vec![pair] }).await), Some(ErrorClass::NotFound));
    assert_eq!(site.state(&pair).await, None);
}

#[tokio::test]
async fn a_start_on_a_suspended_session_does_not_become_a_resume() {
    let site = Site::new(&confirmed());
    let pair = site.ec(1, 11);
    site.start(pair).await;
    site.arrays().settle();
    site.suspend(pair, false).await;
    assert_eq!(class(&site.start(pair).await), Some(ErrorClass::InvalidState));
    assert_eq!(site.state(&pair).await.unwrap().0, Status::Suspended);
}

#[tokio::test]
async fn errors_halts_and_strange_words_of_the_array_are_shown() {
    let site = Site::new(&confirmed());
    let (failed, halted, strange) = (site.ec(1, 11), site.rec(2, 2), site.ec(3, 13));
    for pair in [failed, halted, strange] {
        assert_eq!(site.start(pair).await, Outcome::Done);
    }
    {
        let mut arrays = site.arrays();
        let (one, two) = (site.boxes[0], site.boxes[1]);
        arrays.core_mut().inject(one, Fault::ErrorSuspend { pair: failed, byte: ErrorByte(0xBA) }).unwrap();
        arrays.core_mut().inject(one, Fault::StrangeWord { pair: strange, word: "Hydrating".into() }).unwrap();
        arrays.core_mut().set_path(one, two, false).unwrap();
    }
    assert_eq!(site.state(&failed).await.unwrap().0, Status::ErrorSuspended);
    assert_eq!(site.state(&halted).await.unwrap().0, Status::Halted);
    assert_eq!(site.state(&strange).await.unwrap().0, Status::Unknown);
}

#[tokio::test]
async fn sessions_of_others_are_seen_when_it_is_due_and_not_before() {
    let site = Site::new(&confirmed());
    let ours = site.ec(1, 11);
    site.start(ours).await;
    assert_eq!(site.reading().await.sessions.len(), 1);
    let foreign = site.ec(5, 15);
    let start = Command::Start { pairs: vec![foreign], modes: None };
    site.arrays().execute(site.boxes[0], &start, "somebody", Timestamp(0));
    assert_eq!(site.reading().await.sessions.len(), 1, "not due yet");
    let always = Settings { discover: Duration::ZERO, ..site.kyoto.settings().clone() };
    let driver = CcmDriver::new("KYOTO1", always, Arc::clone(site.kyoto.server())).unwrap();
    let reading = driver.sessions(Timestamp(9)).await.unwrap();
    let found = reading.look_for(&foreign).shown().unwrap();
    assert_eq!((found.requestor.raw(), reading.look_for(&ours).shown().unwrap().requestor.raw()), ("", "ecdeck"));
}

#[tokio::test]
async fn a_session_whose_group_is_gone_is_not_gone_while_others_cannot_be_read() {
    let site = Site::new(&confirmed());
    let pair = site.ec(1, 11);
    site.start(pair).await;
    let refuse = || {
        let stdout = b"<Response><ReturnCode>8</ReturnCode><Message>E9008 no licence</Message></Response>".to_vec();
        site.ccm.plan("accopy", InjectedFault::Answers { exit: 8, stdout });
    };
    refuse();
    let reading = site.kyoto.sessions_afresh(Timestamp(1)).await.unwrap();
    assert!(matches!(reading.look_for(&pair), Sight::Shown(_)));
    let never = site.ec(2, 12);
    assert_eq!(reading.look_for(&never), Sight::Absent, "its group has all sessions of ours");
    site.emulation.rename_group("ecdeckECKYOTO1", "theirs").unwrap();
    // A new engine remembers nothing of the group.
    let driver =
        CcmDriver::new("KYOTO1", site.kyoto.settings().clone(), Server::new(Arc::new(site.ccm.clone()))).unwrap();
    refuse();
    let reading = driver.sessions_afresh(Timestamp(2)).await.unwrap();
    assert!(matches!(reading.look_for(&pair), Sight::NotRead(_)), "{reading:?}");
    let reading = driver.sessions_afresh(Timestamp(3)).await.unwrap();
    assert!(matches!(reading.look_for(&pair), Sight::Shown(_)), "{reading:?}");
    // A group that was removed from here was empty.
    site.emulation.rename_group("theirs", "ecdeckECKYOTO1").unwrap();
    assert_eq!(site.run(Command::Stop { pairs: vec![pair], force: true }).await, Outcome::Done);
    refuse();
    let reading = site.kyoto.sessions_afresh(Timestamp(4)).await.unwrap();
    assert_eq!(reading.look_for(&pair), Sight::Absent);
}

#[tokio::test]
async fn the_half_of_a_rec_that_only_its_targets_box_still_has_is_seen_there() {
    let site = Site::new(&confirmed());
    let pair = site.rec(1, 1);
    site.start(pair).await;
    site.arrays().settle();
    assert!(site.nara.sessions(Timestamp(1)).await.unwrap().look_for(&pair).shown().is_some());
    site.arrays().core_mut().inject(site.boxes[0], Fault::HalfOpen { pair, missing: Side::Source }).unwrap();
    assert!(site.reading().await.look_for(&pair).shown().is_none(), "its source's box has none");
    assert!(site.nara.sessions(Timestamp(2)).await.unwrap().look_for(&pair).shown().is_some());
    let stop = Command::Stop { pairs: vec![pair], force: true };
    let outcome = site.nara.execute(stop, LIMIT).await.remove(0).outcome;
    assert_eq!(class(&outcome), Some(ErrorClass::Unsupported), "it is not said to be done: {outcome:?}");
    // And one that has ended is not kept alive by what was discovered a while ago.
    let other = site.rec(2, 2);
    site.start(other).await;
    assert!(site.nara.sessions(Timestamp(3)).await.unwrap().look_for(&other).shown().is_some());
    let stop = Command::Stop { pairs: vec![other], force: true };
    site.arrays().execute(site.boxes[0], &stop, "somebody", Timestamp(4));
    assert!(site.nara.sessions(Timestamp(5)).await.unwrap().look_for(&other).shown().is_none());
}

#[tokio::test]
async fn a_poll_costs_one_query_however_many_sessions_there_are() {
    let mut memory = Memory::new();
    let name: Name = "KYOTO1".parse().unwrap();
    let at = memory.add_box(&name).unwrap();
    let pair = |at: u32| {
        let id = |olu| VolumeId { box_id: memory.core().boxes().next().unwrap().0, olu: Olu(olu) };
        Pair::new(id(at), id(1000 + at))
    };
    let pairs: Vec<Pair> = (1..=500).map(pair).collect();
    for volume in pairs.iter().flat_map(|pair| [pair.source, pair.target]) {
        memory.add_volume(at, Some(volume.olu), "lv", Blocks::from_mib(1)).unwrap();
    }
    let arrays = Arc::new(Mutex::new(memory));
    let driver = Arc::new(EmulatedArray::new(Arc::clone(&arrays), at));
    let member = Member { name: "KYOTO1".parse().unwrap(), box_id: at, driver };
    let ccm = Scripted::over(Arc::new(InProcess(Arc::new(Emulation::new(vec![member], Store::in_memory())))));
    let server = Server::new(Arc::new(ccm.clone()) as Arc<dyn Transport>);
    let settings = Settings { words: confirmed(), ..Settings::local("KYOTO1".parse().unwrap()) };
    let driver = CcmDriver::new("KYOTO1", settings, server).unwrap();
    let mut per_poll = Vec::new();
    for count in [1, 50, 500] {
        let started = driver.sessions(Timestamp(0)).await.unwrap().sessions.len();
        let command = Command::Start { pairs: pairs[started..count].to_vec(), modes: None };
        let outcomes = driver.execute(command, Duration::from_mins(5)).await;
        assert!(outcomes.iter().all(|each| each.outcome == Outcome::Done));
        driver.sessions(Timestamp(1)).await.unwrap();
        ccm.forget();
        assert_eq!(driver.sessions(Timestamp(2)).await.unwrap().sessions.len(), count);
        per_poll.push(ccm.sent());
    }
    assert!(per_poll.iter().all(|sent| *sent == ["acec query -g ecdeckECKYOTO1 -xml"]), "{per_poll:?}");
}

#[tokio::test]
async fn commands_of_many_callers_go_one_after_the_other() {
    let site = Arc::new(Site::new(&confirmed()));
    let tasks: Vec<_> = (1..=8)
        .map(|at| {
            let site = Arc::clone(&site);
            tokio::spawn(async move { site.start(site.ec(at, 10 + at)).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Outcome::Done);
    }
    assert_eq!(site.reading().await.sessions.len(), 8);
    assert_eq!(site.starts(), 8);
}

#[tokio::test]
async fn a_plan_shows_the_commands_that_would_be_sent() {
    let site = Site::new(&confirmed());
    let start = Command::Start { pairs: vec![site.rec(1, 1)], modes: None };
    assert!(site.kyoto.describe(&start)[0].contains("not reported"), "before the first contact");
    site.reading().await;
    assert_eq!(
        site.kyoto.describe(&start),
        [
            "acpair add -g ecdeckRECKYOTO1toNARA2sync -p KYOTO1/0x1:NARA-2/0x1 -xml",
            "acec start -g ecdeckRECKYOTO1toNARA2sync -p KYOTO1/0x1:NARA-2/0x1 -transfer sync -split auto -recovery auto -xml",
        ]
    );
    site.run(start).await;
    let sent = site.ccm.sent();
    for line in site.kyoto.describe(&Command::Start { pairs: vec![site.rec(1, 1)], modes: None }) {
        assert!(sent.contains(&line), "{line} in {sent:?}");
    }
}

#[tokio::test]
async fn an_array_that_ccm_does_not_know_is_named_with_those_that_it_knows() {
    let site = Site::new(&confirmed());
    let settings = Settings::local("OSAKA3".parse().unwrap());
    let driver = CcmDriver::new("osaka", settings, Arc::clone(site.kyoto.server())).unwrap();
    let error = driver.identify().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Config);
    let text = error.to_string();
    assert!(text.contains("OSAKA3") && text.contains("KYOTO1, NARA-2"), "{text}");
}

#[tokio::test]
async fn no_control_character_of_ccm_comes_through_in_an_error() {
    let site = Site::new(&confirmed());
    let stdout = b"\x1b[2J\xe2\x80\xaeboo".to_vec();
    for line in ["acarray list", "acec query", "accopy query"] {
        site.ccm.plan(line, InjectedFault::Answers { exit: 0, stdout: stdout.clone() });
    }
    for _ in 0..3 {
        if let Err(error) = site.kyoto.sessions(Timestamp(0)).await {
            assert!(!error.to_string().chars().any(crate::model::untrusted::is_unsafe), "{error:?}");
        }
    }
}
