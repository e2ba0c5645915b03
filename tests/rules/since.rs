//! The report of what happened since a moment, from events as the engine writes them.

use super::site::{Site, volume};
use ecdeck::model::actor::Actor;
use ecdeck::model::codes::Code;
use ecdeck::model::digest::Digest;
use ecdeck::model::event::{ChainHash, Event, EventKind, NewEvent};
use ecdeck::model::identity::VolumeId;
use ecdeck::model::records::{BackupMode, OperationEnd, Policy};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::session::{Phase, Status};
use ecdeck::model::since_report::{JobOutcome, SinceReport};
use ecdeck::model::trouble::open_troubles;
use ecdeck::model::units::Timestamp;

/// A morning that looks back at a night.
struct Night {
    site: Site,
    events: Vec<Event>,
}

fn actor(pid: u32) -> Actor {
    Actor { uid: 1001, user: Some("ana".to_owned()), login_uid: None, sudo_uid: None, ssh: None, pid }
}

fn backup(volumes: &[VolumeId], together: bool) -> Request {
    Request::new(Action::Backup { volumes: volumes.to_vec(), mode: None, together })
}

impl Night {
    fn new() -> Self {
        let mut site = Site::new();
        for olu in 0x10..0x13 {
            site.transaction_volume(&format!("t{olu:x}"), 0, olu, 48);
        }
        Self { site, events: Vec::new() }
    }

    fn event(&mut self, second: i64, pid: u32, kind: EventKind) {
        let event = NewEvent { at: Timestamp(second * 1_000), actor: Some(actor(pid)), operation: None, kind };
        let sequence = self.events.len() as u64 + 1;
        self.events.push(Event { sequence, event, hash: ChainHash::start(), rows: Vec::new() });
    }

    fn asks(&mut self, second: i64, pid: u32, request: Request) {
        let digest = Digest::of("plan");
        self.event(second, pid, EventKind::Requested { request, agreed: Vec::new(), digest });
    }

    fn is_refused(&mut self, second: i64, pid: u32, request: Request, code: Code) {
        self.event(second, pid, EventKind::Refused { request, code, reason: "because".to_owned() });
    }

    fn ends(&mut self, second: i64, pid: u32, volume: VolumeId, end: OperationEnd) {
        self.event(second, pid, EventKind::OperationEnded { volume, end });
    }

    fn report(&self, since: i64) -> SinceReport {
        SinceReport::new(&self.events, Timestamp(since * 1_000), &self.site.snapshot(), &jiff::tz::TimeZone::UTC)
    }
}

fn failed() -> OperationEnd {
    OperationEnd::Failed { code: Code::STEP_FAILED, why: "the array said no".to_owned() }
}

/// `done`, `failed`, ... of each volume of the only job.
fn outcomes(report: &SinceReport) -> Vec<&'static str> {
    assert_eq!(report.jobs.len(), 1, "{report:?}");
    report.jobs[0].volumes.values().map(|volume| volume.outcome.word()).collect()
}

const ONE: u32 = 0x10;

#[test]
fn the_requests_of_one_process_are_one_job_with_the_end_of_each_volume() {
    let mut night = Night::new();
    for (at, olu) in (0..3).zip(ONE..) {
        night.asks(100 + at, 7, backup(&[volume(0, olu)], false));
    }
    night.ends(110, 7, volume(0, ONE), OperationEnd::Done);
    night.ends(111, 7, volume(0, ONE + 1), failed());
    night.is_refused(112, 7, backup(&[volume(0, ONE + 2)], false), Code::NOT_EQUIVALENT);
    let report = night.report(100);
    assert_eq!(outcomes(&report), ["done", "failed", "refused"]);
    assert_eq!(report.jobs[0].began, Timestamp(100_000));
    let wrong: Vec<VolumeId> = report.failures().into_iter().map(|(_, id, _)| id).collect();
    assert_eq!(wrong, [volume(0, ONE + 1), volume(0, ONE + 2)]);
    // Another process is another job, and what it did later counts.
    night.asks(120, 8, backup(&[volume(0, ONE + 1)], false));
    night.ends(121, 8, volume(0, ONE + 1), OperationEnd::Done);
    let report = night.report(100);
    assert_eq!(report.jobs.len(), 2);
    assert_eq!(report.failures().len(), 1);
}

#[test]
fn what_ended_before_the_moment_is_left_out_and_what_ended_after_it_is_not() {
    let mut night = Night::new();
    night.asks(90, 7, backup(&[volume(0, ONE), volume(0, ONE + 1)], false));
    night.ends(95, 7, volume(0, ONE), OperationEnd::Done);
    night.ends(105, 7, volume(0, ONE + 1), OperationEnd::Done);
    let report = night.report(100);
    let volumes: Vec<&VolumeId> = report.jobs[0].volumes.keys().collect();
    assert_eq!(volumes, [&volume(0, ONE + 1)]);
    assert!(night.report(106).jobs.is_empty());
}

#[test]
fn a_set_ends_as_one_and_other_volumes_one_by_one() {
    let volumes = [volume(0, ONE), volume(0, ONE + 1)];
    for together in [true, false] {
        let mut night = Night::new();
        night.site.claim(&[volumes[1]]);
        night.asks(100, 7, backup(&volumes, together));
        night.ends(101, 7, volumes[0], failed());
        let report = night.report(100);
        let second = if together { "failed" } else { "running" };
        assert_eq!(outcomes(&report), ["failed", second]);
    }
}

#[test]
fn a_volume_without_an_operation_was_as_wanted_and_a_claimed_one_runs() {
    let mut night = Night::new();
    night.site.claim(&[volume(0, ONE + 1)]);
    night.asks(100, 7, backup(&[volume(0, ONE), volume(0, ONE + 1)], false));
    assert_eq!(outcomes(&night.report(100)), ["not begun", "running"]);
    // A second request while the first one runs is refused, and is no end of it.
    night.is_refused(101, 7, backup(&[volume(0, ONE + 1)], false), Code::HELD_BY_OTHER);
    assert_eq!(outcomes(&night.report(100)), ["not begun", "running"]);
    night.is_refused(102, 7, backup(&[volume(0, ONE)], false), Code::ALREADY_SO);
    let report = night.report(100);
    assert_eq!(outcomes(&report), ["already so", "running"]);
    assert!(report.failures().is_empty());
    assert!(JobOutcome::AlreadySo.is_good() && !JobOutcome::Refused.is_good());
}

#[test]
fn a_refused_start_was_answered_when_it_was_asked_for_a_failed_one_was_not() {
    let mut night = Night::new();
    let start =
        |olu| Request::new(Action::Start { volumes: vec![volume(0, olu)], targets: Vec::new(), together: false });
    night.is_refused(100, 7, start(ONE), Code::NO_BACKUP_VOLUME);
    night.asks(101, 7, start(ONE + 1));
    night.ends(102, 7, volume(0, ONE + 1), failed());
    let wrong: Vec<VolumeId> = night.report(100).failures().into_iter().map(|(_, id, _)| id).collect();
    assert_eq!(wrong, [volume(0, ONE + 1)]);
}

#[test]
fn what_is_wrong_with_a_copy_is_said_once() {
    let mut night = Night::new();
    let target = night.site.backup_volume(0, 0x40, 48);
    night.site.session(volume(0, ONE), target, Status::ErrorSuspended, Phase::Copying);
    let troubles = open_troubles(&night.site.snapshot());
    let about: Vec<_> = troubles.iter().filter_map(|trouble| Some((trouble.volume?, trouble.code?))).collect();
    assert_eq!(about.len(), 1, "{troubles:?}");
    assert_eq!(about[0].0, volume(0, ONE));
}

#[test]
fn a_backup_after_its_window_or_given_up_in_it_is_late() {
    // The window of every day is from 00:01 to 00:02; the volumes are due.
    let mut night = Night::new();
    for olu in ONE..ONE + 3 {
        let window = ecdeck::model::backup_window::BackupWindow::new(1, 2);
        let policy = Policy { window, ..Policy::new(2, 1, BackupMode::Suspend) };
        night.site.change_policy(volume(0, olu), |_| Some(policy));
    }
    night.asks(100, 7, backup(&[volume(0, ONE)], false));
    night.ends(110, 7, volume(0, ONE), OperationEnd::Done);
    night.is_refused(120, 7, backup(&[volume(0, ONE + 1)], false), Code::PAST_LIMIT);
    night.asks(300, 7, backup(&[volume(0, ONE + 2)], false));
    night.ends(420, 7, volume(0, ONE + 2), OperationEnd::Done);
    let report = night.report(0);
    assert_eq!(outcomes(&report), ["done", "late", "late"]);
    assert_eq!(report.jobs[0].volumes[&volume(0, ONE + 2)].why, "made 5 min after the end of its window 00:01-00:02");
    let wrong: Vec<VolumeId> = report.failures().into_iter().map(|(_, id, _)| id).collect();
    assert_eq!(wrong, [volume(0, ONE + 1)], "one of them was not made at all");
}
