//! The rules of the verbs that apply the file: what they refuse is a finding at the file's line.

use super::Check;
use crate::model::codes::Code;
use crate::model::device_map::Severity;
use crate::model::plan::{Refusal, plan};
use crate::model::request::{Action, Request};
use crate::model::untrusted::escaped;
use std::ops::Range;

impl Check<'_> {
    /// What the rules of the site say of the whole change, at the lines that it comes from.
    pub(super) fn by_the_rules(&mut self) {
        if self.change.is_empty() {
            return;
        }
        let request = Request::new(Action::ApplySite { change: self.change.clone() });
        let Err(refusal) = plan(self.snapshot, &request) else { return };
        for one in std::iter::once(&refusal).chain(&refusal.also) {
            if one.volume.is_some_and(|id| self.bad.contains(&id)) {
                continue;
            }
            let place = self.place_of(one);
            let help = one.code.explain().map_or("", |row| row.remedy);
            let reason = match (one.code, one.code.explain()) {
                // Its reason is the numbers alone.
                (Code::POLICY_OUT_OF_RANGE, Some(row)) => format!("{}: {}", row.text, one.reason),
                _ => one.reason.clone(),
            };
            let mut finding = self.lines.finding(Severity::Error, &place, escaped(&reason), help);
            finding.code = one.code;
            finding.volume = one.volume;
            self.found.push(finding);
        }
    }

    fn place_of(&self, refusal: &Refusal) -> Range<usize> {
        let of_map = matches!(
            refusal.code,
            Code::MAP_SYNTAX
                | Code::MAP_DUPLICATE
                | Code::MAP_IN_ANOTHER_SET
                | Code::MAP_CHANGED
                | Code::MAP_UNKNOWN
                | Code::NOT_A_BACKUP_VOLUME
                | Code::NOT_A_TRANSACTION_VOLUME
                | Code::UNEQUAL_SIZE
        );
        let pair = refusal.volume.and_then(|id| self.pair_places.get(&id)).filter(|_| of_map);
        let of_set = matches!(refusal.code, Code::IN_ANOTHER_SET | Code::SET_TOO_LARGE);
        let member = refusal.volume.and_then(|id| self.member_places.get(&id)).filter(|_| of_set);
        let own = || refusal.volume.and_then(|id| self.places.get(&id).or_else(|| self.pair_places.get(&id)));
        let set = || self.set_places.iter().find(|(name, _)| refusal.reason.contains(**name)).map(|(_, place)| place);
        pair.or(member).or_else(own).or_else(set).cloned().unwrap_or(0..0)
    }
}
