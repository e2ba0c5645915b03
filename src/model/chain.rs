//! The chain of the audit: how an event gets its link, and the check that finds whatever was done to it afterwards.

use super::event::{ChainHash, ChainHead, Event, NewEvent, RowDigest};
use super::identity::VolumeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// An event as it is kept: the stored text is what is hashed, so a newer program checks an older one's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainLink {
    pub sequence: u64,
    pub text: String,
    pub hash: ChainHash,
}

/// The text of an event that is stored and hashed: the event, and the rows that its commit wrote where it carries them.
pub fn stored_text(event: &NewEvent, rows: &[RowDigest]) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Stored<'a> {
        #[serde(flatten)]
        event: &'a NewEvent,
        #[serde(skip_serializing_if = "<[RowDigest]>::is_empty")]
        rows: &'a [RowDigest],
    }
    serde_json::to_string(&Stored { event, rows })
}

/// The rows that a stored event carries.
pub fn rows_of(text: &str) -> Result<Vec<RowDigest>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Beside {
        #[serde(default)]
        rows: Vec<RowDigest>,
    }
    serde_json::from_str::<Beside>(text).map(|beside| beside.rows)
}

/// An event in its place, with its stored text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainedEvent {
    pub event: Event,
    pub text: String,
    /// What a reader would look for, taken before the event moves on.
    pub volume: Option<VolumeId>,
}

/// Gives events their places after `head`, in order.
pub fn chain(head: &ChainHead, events: Vec<NewEvent>) -> Result<Vec<ChainedEvent>, serde_json::Error> {
    chain_with_rows(head, events, Vec::new())
}

/// The same; the last event carries the rows that the commit wrote.
pub fn chain_with_rows(
    head: &ChainHead,
    events: Vec<NewEvent>,
    mut rows: Vec<RowDigest>,
) -> Result<Vec<ChainedEvent>, serde_json::Error> {
    let mut head = head.clone();
    let mut chained = Vec::with_capacity(events.len());
    let count = events.len();
    for (at, event) in events.into_iter().enumerate() {
        let rows = if at + 1 == count { std::mem::take(&mut rows) } else { Vec::new() };
        let text = stored_text(&event, &rows)?;
        let sequence = head.sequence + 1;
        let hash = head.hash.next(sequence, &text);
        head = ChainHead { sequence, hash: hash.clone() };
        let volume = event.volume();
        chained.push(ChainedEvent { event: Event { sequence, event, hash, rows }, text, volume });
    }
    Ok(chained)
}

impl TryFrom<&Event> for ChainLink {
    type Error = serde_json::Error;

    fn try_from(event: &Event) -> Result<Self, serde_json::Error> {
        Ok(Self { sequence: event.sequence, text: stored_text(&event.event, &event.rows)?, hash: event.hash.clone() })
    }
}

/// Something that was done to the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum ChainFault {
    /// Events are gone, from the first to the last of these numbers.
    Removed { first: u64, last: u64 },
    /// The event of this number stands where a later one should, or stands there twice.
    OutOfOrder { sequence: u64 },
    /// The text, the number or the hash of this event is not what was written.
    Altered { sequence: u64 },
    /// The chain is consistent, but not the one that was anchored outside at this number: it was written anew.
    Rewritten { sequence: u64 },
    /// An event of this number was anchored outside, and the chain ends before it.
    Truncated { last: u64, anchored: u64 },
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed { first, last } if first == last => write!(f, "event {first} was removed"),
            Self::Removed { first, last } => write!(f, "events {first} to {last} were removed"),
            Self::OutOfOrder { sequence } => write!(f, "event {sequence} is not in its place"),
            Self::Altered { sequence } => write!(f, "event {sequence} was altered"),
            Self::Rewritten { sequence } => {
                write!(f, "event {sequence} is not the one that was anchored outside: the chain was written again")
            }
            Self::Truncated { last, anchored } => {
                write!(f, "the chain ends at event {last}, but event {anchored} was anchored outside")
            }
        }
    }
}

/// What a check of the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub events: u64,
    pub anchors_matched: u64,
    pub head: ChainHead,
    pub faults: Vec<ChainFault>,
}

impl Verdict {
    pub fn is_intact(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Checks a chain link by link, so that a million events need no memory.
#[derive(Debug)]
pub struct ChainVerifier {
    /// Hashes anchored outside, by number; two different ones of one number cannot both be right.
    anchors: BTreeMap<u64, Vec<ChainHash>>,
    last_anchor: u64,
    head: ChainHead,
    events: u64,
    anchors_matched: u64,
    faults: Vec<ChainFault>,
}

impl ChainVerifier {
    pub fn new(anchors: &[ChainHead]) -> Self {
        let mut by_sequence: BTreeMap<u64, Vec<ChainHash>> = BTreeMap::new();
        for anchor in anchors {
            let hashes = by_sequence.entry(anchor.sequence).or_default();
            if !hashes.contains(&anchor.hash) {
                hashes.push(anchor.hash.clone());
            }
        }
        let last_anchor = by_sequence.last_key_value().map_or(0, |(sequence, _)| *sequence);
        let head = ChainHead { sequence: 0, hash: ChainHash::start() };
        Self { anchors: by_sequence, last_anchor, head, events: 0, anchors_matched: 0, faults: Vec::new() }
    }

    /// The next stored event, in the order of the catalogue.
    pub fn take(&mut self, link: &ChainLink) {
        self.events += 1;
        let expected = self.head.sequence + 1;
        if link.sequence < expected {
            self.faults.push(ChainFault::OutOfOrder { sequence: link.sequence });
            return;
        }
        if link.sequence > expected {
            self.faults.push(ChainFault::Removed { first: expected, last: link.sequence - 1 });
        } else if self.head.hash.next(link.sequence, &link.text) != link.hash {
            self.faults.push(ChainFault::Altered { sequence: link.sequence });
        }
        self.compare_with_anchor(link);
        // Going on from the stored hash tells of one altered event as one fault, not of every event after it.
        self.head = ChainHead { sequence: link.sequence, hash: link.hash.clone() };
    }

    /// The end of the chain is reached.
    pub fn finish(mut self) -> Verdict {
        if self.last_anchor > self.head.sequence {
            self.faults.push(ChainFault::Truncated { last: self.head.sequence, anchored: self.last_anchor });
        }
        Verdict { events: self.events, anchors_matched: self.anchors_matched, head: self.head, faults: self.faults }
    }

    fn compare_with_anchor(&mut self, link: &ChainLink) {
        match self.anchors.get(&link.sequence).map(Vec::as_slice) {
            None => {}
            Some([only]) if *only == link.hash => self.anchors_matched += 1,
            Some(_) => self.faults.push(ChainFault::Rewritten { sequence: link.sequence }),
        }
    }
}

/// Checks a chain against itself and against what was anchored outside.
pub fn verify<'a>(links: impl IntoIterator<Item = &'a ChainLink>, anchors: &[ChainHead]) -> Verdict {
    let mut verifier = ChainVerifier::new(anchors);
    links.into_iter().for_each(|link| verifier.take(link));
    verifier.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::EventKind;
    use crate::model::units::Timestamp;
    use proptest::prelude::*;

    fn links(count: u64) -> Vec<ChainLink> {
        let events = (0..count)
            .map(|n| {
                NewEvent::by_engine(
                    Timestamp(n.cast_signed()),
                    EventKind::EngineStarted { version: format!("0.{n}.0") },
                )
            })
            .collect();
        chain(&ChainHead { sequence: 0, hash: ChainHash::start() }, events)
            .unwrap()
            .into_iter()
            .map(|event| ChainLink::try_from(&event.event).unwrap())
            .collect()
    }

    fn anchors(links: &[ChainLink]) -> Vec<ChainHead> {
        links.iter().map(|link| ChainHead { sequence: link.sequence, hash: link.hash.clone() }).collect()
    }

    /// Hashes the chain anew, as somebody would who knows how it is made.
    fn forge(links: &mut [ChainLink]) {
        let mut hash = ChainHash::start();
        for (at, link) in links.iter_mut().enumerate() {
            link.sequence = at as u64 + 1;
            hash = hash.next(link.sequence, &link.text);
            link.hash = hash.clone();
        }
    }

    #[test]
    fn an_untouched_chain_is_intact_and_matches_every_anchor() {
        let links = links(20);
        let verdict = verify(&links, &anchors(&links));
        assert!(verdict.is_intact(), "{:?}", verdict.faults);
        assert_eq!((verdict.events, verdict.anchors_matched), (20, 20));
        assert!(verify(&[], &[]).is_intact());
    }

    proptest! {
        #[test]
        fn an_altered_entry_is_named(at in 0_usize..20, text in "[a-z]{1,8}") {
            let mut links = links(20);
            links[at].text = text;
            let faults = verify(&links, &[]).faults;
            prop_assert_eq!(faults, vec![ChainFault::Altered { sequence: at as u64 + 1 }]);
        }

        #[test]
        fn a_removed_entry_is_named(at in 0_usize..19) {
            let mut links = links(20);
            links.remove(at);
            let sequence = at as u64 + 1;
            prop_assert_eq!(verify(&links, &[]).faults, vec![ChainFault::Removed { first: sequence, last: sequence }]);
        }

        #[test]
        fn exchanged_entries_are_found_with_and_without_their_numbers(a in 0_usize..20, b in 0_usize..20) {
            prop_assume!(a != b);
            let mut swapped = links(20);
            swapped.swap(a, b);
            prop_assert!(!verify(&swapped, &[]).is_intact());
            let (first, second) = (swapped[a].sequence, swapped[b].sequence);
            swapped[a].sequence = second;
            swapped[b].sequence = first;
            prop_assert!(!verify(&swapped, &[]).is_intact());
        }

        #[test]
        fn entries_cut_off_at_the_end_are_found_by_the_anchors(kept in 0_usize..20) {
            let whole = links(20);
            let faults = verify(&whole[..kept], &anchors(&whole)).faults;
            prop_assert_eq!(faults, vec![ChainFault::Truncated { last: kept as u64, anchored: 20 }]);
        }

        #[test]
        fn a_chain_written_anew_is_found_by_the_anchors(at in 0_usize..20) {
            let whole = links(20);
            let mut forged = whole.clone();
            forged[at].text.push(' ');
            forge(&mut forged);
            prop_assert!(verify(&forged, &[]).is_intact());
            let faults = verify(&forged, &anchors(&whole)).faults;
            prop_assert_eq!(faults.first(), Some(&ChainFault::Rewritten { sequence: at as u64 + 1 }));
        }
    }
}
