//! Which troubles the notification hook is given, and which are said again.

use ecdeck::model::codes::Code;
use ecdeck::model::entity_change::EntityChange;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::notice::{Judged, MIN_GAP, compare};
use ecdeck::model::notice_record::{NoticeRecord, TroubleNotice};
use ecdeck::model::trouble::OpenTrouble;
use ecdeck::model::units::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;

const DAY: i64 = Timestamp::DAY;

fn trouble(olu: u32) -> OpenTrouble {
    let id: VolumeId = format!("00ETERNUSDXL##ET08E21A####LN4310901078##/{olu:#x}").parse().unwrap();
    OpenTrouble::pool_short(id, Code::NO_BACKUP_VOLUME, "none is free")
}

/// What is kept, as an engine keeps it.
#[derive(Default, Clone)]
struct Kept(BTreeMap<String, NoticeRecord>);

impl Kept {
    fn look(&mut self, troubles: &[OpenTrouble], judged: Judged, now: i64) {
        for change in compare(&self.0, troubles, &|_| judged, Timestamp(now), DAY) {
            match change {
                EntityChange::PutNotice { key, notice } => drop(self.0.insert(key, *notice)),
                EntityChange::RemoveNotice { key } => drop(self.0.remove(&key).unwrap()),
                other => panic!("{other:?}"),
            }
        }
    }

    /// What the hook is given now: how it is, and how often it was said before.
    fn deliver(&mut self) -> Vec<(bool, u32)> {
        let mut given = Vec::new();
        for record in self.0.values_mut() {
            if let NoticeRecord::Trouble(notice) = record
                && !notice.sent
            {
                notice.sent = true;
                given.push((notice.over, notice.times));
            }
        }
        given
    }

    fn only(&self) -> &TroubleNotice {
        match self.0.values().next() {
            Some(NoticeRecord::Trouble(notice)) if self.0.len() == 1 => notice,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_trouble_is_said_once_a_day_and_its_end_once() {
    let mut kept = Kept::default();
    let there = [trouble(1)];
    kept.look(&there, Judged::Over, 0);
    assert_eq!(kept.deliver(), [(false, 0)]);
    kept.look(&there, Judged::Over, DAY - 1);
    assert!(kept.deliver().is_empty());
    kept.look(&there, Judged::Over, DAY);
    assert_eq!(kept.deliver(), [(false, 1)]);
    assert_eq!(kept.only().since, Timestamp(0));
    kept.look(&[], Judged::Over, DAY + 1);
    assert_eq!(kept.deliver(), [(true, 1)]);
    kept.look(&[], Judged::Over, DAY + 1 + MIN_GAP);
    assert!(kept.deliver().is_empty() && kept.0.is_empty());
}

#[test]
fn what_comes_and_goes_is_not_said_each_time() {
    let mut kept = Kept::default();
    let mut given = 0;
    for second in 0..600 {
        let troubles = if second % 2 == 0 { vec![trouble(1)] } else { Vec::new() };
        kept.look(&troubles, Judged::Over, second * 1_000);
        given += kept.deliver().len();
    }
    assert_eq!(given, 4, "new and over, and once more after the gap");
    // It lasts now: that is said.
    kept.look(&[trouble(1)], Judged::Over, 1_200_000);
    assert_eq!(kept.deliver(), [(false, 0)]);
}

#[test]
fn of_what_nobody_sees_nothing_is_said() {
    let mut kept = Kept::default();
    kept.look(&[trouble(1)], Judged::Over, 0);
    kept.deliver();
    kept.look(&[], Judged::Unseen, 1_000);
    assert!(kept.deliver().is_empty() && !kept.only().over);
    kept.look(&[], Judged::Forgotten, 2_000);
    assert!(kept.deliver().is_empty() && kept.0.is_empty());
}

#[test]
fn what_the_hook_did_not_take_waits_and_is_not_counted_as_a_repeat() {
    let mut kept = Kept::default();
    kept.look(&[trouble(1)], Judged::Over, 0);
    kept.look(&[trouble(1)], Judged::Over, 3 * DAY);
    assert_eq!(kept.deliver(), [(false, 0)]);
    // A clock that was set back stops nothing.
    kept.look(&[trouble(1)], Judged::Over, 2 * DAY - 1);
    assert_eq!(kept.deliver(), [(false, 1)]);
}

proptest! {
    /// Whatever comes and goes, and whenever engines begin: each look that changes nothing gives nothing, what is there in
    /// the end was said last as there, and one trouble is given at most twice in a gap.
    #[test]
    fn the_last_word_is_true(steps in proptest::collection::vec((any::<bool>(), 1_i64..400), 1..60)) {
        let mut kept = Kept::default();
        let (mut now, mut given): (i64, Vec<i64>) = (0, Vec::new());
        let mut is_there = false;
        for (there, seconds) in steps {
            now += seconds * 1_000;
            is_there = there;
            let troubles = if there { vec![trouble(1)] } else { Vec::new() };
            kept.look(&troubles, Judged::Over, now);
            given.extend(kept.deliver().iter().map(|_| now));
            let before = kept.clone();
            kept.look(&troubles, Judged::Over, now);
            prop_assert!(kept.0 == before.0);
        }
        for (at, later) in given.iter().zip(given.iter().skip(2)) {
            prop_assert!(later - at >= MIN_GAP, "{:?}", given);
        }
        let troubles = if is_there { vec![trouble(1)] } else { Vec::new() };
        kept.look(&troubles, Judged::Over, now + MIN_GAP);
        kept.deliver();
        let said_last = kept.0.values().next().is_some_and(|record| matches!(record, NoticeRecord::Trouble(notice) if !notice.over));
        prop_assert_eq!(said_last, is_there);
    }
}
