//! What our groups were like when they were last looked at, so that one query serves all commands that wait for their turn.
//!
//! A look serves a command only if its query began after that command had come here: whatever was so before does not count.
//! A row is used up as soon as a command about its pair is sent. A look permits to send; it never says that something is
//! done already, that it cannot be done, or that a pair is left over: that is found out by a look of one's own.

use super::names::{GroupName, PairName};
use super::reply::copies::{CopyRow, GroupQuery};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// When something began, by a server's own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(pub u64);

/// One answer of a group's query.
#[derive(Debug)]
struct Look {
    /// Drawn before the query was sent.
    began: Number,
    at: Instant,
    query: Arc<GroupQuery>,
    /// Pairs that a command was sent about since.
    used: BTreeSet<PairName>,
}

/// The last look at each group.
#[derive(Debug)]
pub(super) struct Looks {
    last: BTreeMap<GroupName, Look>,
    max_age: Duration,
}

impl Looks {
    /// `max_age`: then a look serves nobody any more.
    pub fn new(max_age: Duration) -> Self {
        Self { last: BTreeMap::new(), max_age }
    }

    /// Keeps an answer. `began` was drawn, and `at` was, before it was asked for.
    pub fn keep(&mut self, group: &GroupName, began: Number, at: Instant, query: &Arc<GroupQuery>) {
        let look = Look { began, at, query: Arc::clone(query), used: BTreeSet::new() };
        self.last.insert(group.clone(), look);
    }

    /// Forgets a group of which nothing is known now.
    pub fn forget(&mut self, group: &GroupName) {
        self.last.remove(group);
    }

    /// A command about this pair is about to be sent: what its rows say is of the past.
    pub fn use_up(&mut self, pair: &PairName) {
        for look in self.last.values_mut() {
            look.used.insert(pair.clone());
            look.used.insert(pair.exchanged());
        }
    }

    /// The row of a pair for a command that came here when `since` was drawn.
    pub fn row(&self, group: &GroupName, pair: &PairName, since: Number, now: Instant) -> Option<&CopyRow> {
        let look = self.last.get(group)?;
        let serves = look.began > since && now.duration_since(look.at) < self.max_age && !look.used.contains(pair);
        serves.then(|| look.query.row_of(pair)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::super::names::{ArrayName, GroupType, VolumeName};
    use super::super::reply::copies;
    use super::super::word_table::Words;
    use super::*;
    use crate::model::identity::Olu;

    const MAX_AGE: Duration = Duration::from_secs(30);

    fn pair(target: u32) -> PairName {
        let volume = |olu| VolumeName { array: "ET001".parse().unwrap(), olu: Olu(olu) };
        PairName { source: volume(1), target: volume(target) }
    }

    fn group() -> GroupName {
        let array: ArrayName = "ET001".parse().unwrap();
        GroupName::of(GroupType::Ec, &array, &array)
    }

    fn looked(began: u64, at: Instant) -> Looks {
        let data = |id: &str, value: &str| format!("<Data id=\"{id}\">{value}</Data>");
        let row = |pair: &PairName| {
            let fields = [
                ("Source", pair.source.to_string()),
                ("&lt;=&gt;", "==&gt;".to_owned()),
                ("Target", pair.target.to_string()),
                ("SID", "0x1".to_owned()),
                ("EC Status", "EC Executing".to_owned()),
                ("Copy Phase", "Paired".to_owned()),
                ("Copied Block", "N/A".to_owned()),
            ];
            format!("<Row>{}</Row>", fields.map(|(id, value)| data(id, &value)).concat())
        };
        let list = data("Copy Group Name", group().as_str())
            + &data("Copy Group Type", "EC")
            + &data("Disk Array Name", "ET001 (00ETERNUSDXL##ET08E21A####LN4310900021##)");
        let text = format!(
            "<Response version=\"1.0\"><ReturnCode>0</ReturnCode><Message/><List>{list}</List><Table>{}{}</Table></Response>",
            row(&pair(2)),
            row(&pair(3).exchanged())
        );
        let words = Words::new(&[], &[], &[]).unwrap();
        let argv = command::query(&group(), GroupType::Ec);
        let query = Arc::new(copies::group(&argv, text.as_bytes(), &words).unwrap());
        let mut looks = Looks::new(MAX_AGE);
        looks.keep(&group(), Number(began), at, &query);
        looks
    }

    #[test]
    fn a_look_serves_whoever_was_there_before_it_began_and_nobody_else() {
        let now = Instant::now();
        let looks = looked(5, now);
        for (since, serves) in [(0, true), (4, true), (5, false), (6, false)] {
            assert_eq!(looks.row(&group(), &pair(2), Number(since), now).is_some(), serves, "{since}");
        }
        assert!(looks.row(&group(), &pair(9), Number(0), now).is_none(), "no such row");
        assert!(looks.row(&group(), &pair(2), Number(0), now + MAX_AGE).is_none(), "too old");
    }

    #[test]
    fn a_row_serves_one_command_of_its_pair_whichever_way_round_it_stands() {
        let now = Instant::now();
        let mut looks = looked(5, now);
        for target in [2, 3] {
            assert!(looks.row(&group(), &pair(target), Number(0), now).is_some());
            looks.use_up(&pair(target));
            assert!(looks.row(&group(), &pair(target), Number(0), now).is_none());
            assert!(looks.row(&group(), &pair(target).exchanged(), Number(0), now).is_none());
        }
        let mut looks = looked(5, now);
        looks.use_up(&pair(2));
        assert!(looks.row(&group(), &pair(3), Number(0), now).is_some(), "others are not concerned");
        looks.forget(&group());
        assert!(looks.row(&group(), &pair(3), Number(0), now).is_none());
    }
}
