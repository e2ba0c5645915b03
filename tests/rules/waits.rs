//! What a script waits for: reached, still on its way, or impossible; and a silence is never taken for any of them.

use crate::site::{Site, round};
use ecdeck::model::awaited::{Awaited, OUTAGE, Progress, progress};
use ecdeck::model::codes::Code;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::moment::ReadingMark;
use ecdeck::model::session::{Automation, Phase, RecModes, Status};
use ecdeck::model::snapshot::{Reach, Snapshot};
use ecdeck::model::untrusted::Untrusted;

const ALL: [Awaited; 3] = [Awaited::Equivalent, Awaited::Suspended, Awaited::Idle];

/// All arrays were read after this.
fn read(site: &Site) -> (Snapshot, ReadingMark) {
    let mut snapshot = site.snapshot();
    let since = ReadingMark { start: snapshot.mark.start, count: 4 };
    snapshot.arrays.iter_mut().for_each(|array| array.reading = 5);
    (snapshot, since)
}

/// `r`eached, `m`oving, the number of the code, or `silent`, for each of what can be waited for.
fn all(site: &Site, id: VolumeId) -> [String; 3] {
    let (snapshot, since) = read(site);
    ALL.map(|awaited| match progress(&snapshot, id, awaited, since, site.now) {
        Progress::Reached => "r".to_owned(),
        Progress::Moving => "m".to_owned(),
        Progress::Never(code, why) => {
            assert!(!why.is_empty());
            code.to_string()
        }
        Progress::NotReachable(_) => "silent".to_owned(),
    })
}

#[test]
fn each_state_is_reached_on_its_way_or_impossible() {
    let none = Code::NO_SESSION.to_string();
    let resume = Code::RESUME_FIRST.to_string();
    let error = Code::ERROR_SUSPENDED.to_string();
    let unknown = Code::UNKNOWN_WORDS.to_string();
    let (site, id, _) = round();
    assert_eq!(all(&site, id), [none.as_str(), &none, "r"]);
    for (status, phase, expected) in [
        (Status::Active, Phase::Copying, ["m", "m", "m"]),
        (Status::Active, Phase::Equivalent, ["r", "m", "m"]),
        (Status::Suspended, Phase::Equivalent, [&resume, "r", "r"]),
        (Status::ErrorSuspended, Phase::Copying, [&error, &error, &error]),
        (Status::Unknown, Phase::Unknown, [&unknown, &unknown, &unknown]),
    ] {
        let (mut site, id, targets) = round();
        site.session(id, targets[0], status, phase);
        assert_eq!(all(&site, id), expected, "{status:?} {phase:?}");
    }
}

#[test]
fn an_operation_that_leads_there_is_waited_for() {
    let (mut site, id, targets) = round();
    site.claim(&[id]);
    let none = Code::NO_SESSION.to_string();
    assert_eq!(all(&site, id), [none.as_str(), "m", "m"], "a backup ends suspended, never equivalent");
    site.session(id, targets[0], Status::Suspended, Phase::Equivalent);
    assert_eq!(all(&site, id), [Code::RESUME_FIRST.to_string().as_str(), "r", "m"]);
}

#[test]
fn a_halted_copy_is_waited_for_only_where_it_continues_by_itself() {
    let (mut site, id, targets) = round();
    site.session(id, targets[0], Status::Halted, Phase::Copying);
    let (mut snapshot, since) = read(&site);
    let mut sessions = snapshot.sessions.to_vec();
    let mut recovers = |recovery| {
        sessions[0].modes = Some(RecModes { recovery, ..RecModes::default() });
        snapshot.sessions = sessions.clone().into();
        progress(&snapshot, id, Awaited::Equivalent, since, site.now)
    };
    assert_eq!(recovers(Automation::Automatic), Progress::Moving);
    assert!(matches!(recovers(Automation::Manual), Progress::Never(Code::HALTED, _)));
}

#[test]
fn a_reading_that_may_be_older_than_the_script_decides_nothing() {
    let (mut site, id, targets) = round();
    site.session(id, targets[0], Status::Active, Phase::Equivalent);
    let (mut snapshot, since) = read(&site);
    snapshot.arrays.iter_mut().for_each(|array| array.reading = since.count);
    for awaited in ALL {
        assert_eq!(progress(&snapshot, id, awaited, since, site.now), Progress::Moving, "{awaited}");
    }
}

#[test]
fn a_silent_array_ends_waiting_after_its_grace_whatever_was_read_before() {
    let (mut site, id, targets) = round();
    site.session(id, targets[0], Status::Active, Phase::Equivalent);
    let (mut snapshot, since) = read(&site);
    snapshot.arrays[0].reach = Reach::Unreachable { since: site.now, why: Untrusted::new("no route\u{1b}[2J") };
    let at = |later: i64| {
        progress(&snapshot, id, Awaited::Equivalent, since, ecdeck::model::units::Timestamp(site.now.0 + later))
    };
    let Progress::NotReachable(why) = at(OUTAGE + 1) else { panic!("{:?}", at(OUTAGE + 1)) };
    assert!(why.starts_with("DEMO1 does not answer: no route") && !why.contains('\u{1b}'), "{why}");
    assert_eq!(at(OUTAGE), Progress::Moving, "what a silent array showed last is not how it is");
}
