//! What the site has and the file does not name.

use super::{Check, LISTED};
use crate::model::identity::VolumeId;
use crate::model::site_file::SiteFile;
use crate::model::units::count;
use crate::model::volume_set::VolumeSet;

impl Check<'_> {
    /// What the site has and the file does not name.
    pub(super) fn not_in_file(&self, file: &SiteFile) -> Vec<String> {
        let left = |id: &VolumeId| !self.places.contains_key(id);
        let transaction: Vec<VolumeId> =
            self.snapshot.transaction_volumes.iter().map(|view| view.volume.id).filter(left).collect();
        let backup: Vec<VolumeId> = self.snapshot.pool.iter().map(|view| view.volume.id).filter(left).collect();
        let mut lines = Vec::new();
        for (ids, one, many) in
            [(transaction, "transaction volume", "transaction volumes"), (backup, "backup volume", "backup volumes")]
        {
            let names: Vec<String> = ids.iter().take(LISTED).map(|id| self.snapshot.label(*id)).collect();
            lines.extend(listed(&names, ids.len(), one, many));
        }
        let is_left_out = |set: &&VolumeSet| !file.sets.iter().any(|own| *own.name.get_ref() == set.name);
        let left: Vec<String> =
            self.snapshot.volume_sets.iter().filter(is_left_out).map(|set| set.name.to_string()).collect();
        lines.extend(listed(&left[..left.len().min(LISTED)], left.len(), "set", "sets"));
        let named = self.snapshot.volume_sets.iter().filter(|set| !is_left_out(set));
        let members = named.flat_map(|set| &set.members).filter(|id| !self.member_places.contains_key(id)).count();
        if members > 0 {
            lines.push(format!("{} of sets", count(members, "volume", "volumes")));
        }
        let mut pairs = 0;
        let mut sets = Vec::new();
        for set in &self.snapshot.map_sets {
            if file.map_sets.iter().any(|own| *own.name.get_ref() == set.name) {
                let kept = set.rows().filter(|(_, row)| !self.pair_places.contains_key(&row.transaction_volume));
                pairs += kept.count();
            } else {
                sets.push(set.name.to_string());
            }
        }
        let number = sets.len();
        sets.truncate(LISTED);
        lines.extend(listed(&sets, number, "map set", "map sets"));
        if pairs > 0 {
            lines.push(format!("{} of map sets", count(pairs, "pair", "pairs")));
        }
        lines
    }
}

/// `3 backup volumes: DX1/0x21, DX1/0x22 and 1 more`; nothing where there are none.
fn listed(names: &[String], number: usize, one: &str, many: &str) -> Option<String> {
    let more = number.saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (number > 0).then(|| format!("{}: {}{more}", count(number, one, many), names.join(", ")))
}
