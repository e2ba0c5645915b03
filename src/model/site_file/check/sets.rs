//! Sets of a site file against the site.

use super::{Check, DifferenceKind, SEE};
use crate::model::request::VolumeRole;
use crate::model::site_file::FileSet;
use crate::model::untrusted::escaped;
use crate::model::volume_set::VolumeSet;

impl<'a> Check<'a> {
    pub(super) fn set(&mut self, set: &'a FileSet) {
        let before = self.found.len();
        let name = set.name.get_ref();
        if let Some(first) = self.volume_set_places.insert(name.as_str(), set.name.span()) {
            let line = self.line_of(&first);
            self.wrong(&set.name, format!("set {name} is in line {line} too"), "give each set a name of its own");
            return;
        }
        let stored = self.snapshot.volume_set(name.as_str());
        let mut new = Vec::new();
        for member in &set.members {
            let Some(id) = self.named(member) else { continue };
            if let Some(first) = self.member_places.insert(id, member.span()) {
                let text = format!("{} is in a set in line {} too", escaped(member.get_ref()), self.line_of(&first));
                self.wrong(member, text, "a transaction volume is in one set, once");
            } else if self.bad.contains(&id) || stored.is_some_and(|stored| stored.has(id)) {
                // What is wrong with the volume has been said at its own line.
            } else if self.role(id).is_some_and(|(role, _)| role == VolumeRole::Transaction) {
                new.push(id);
            } else {
                let text = format!("{} is no transaction volume of this site or file", escaped(member.get_ref()));
                self.wrong(member, text, SEE);
            }
        }
        if set.members.is_empty() && stored.is_none() {
            self.wrong(&set.name, format!("set {name} has no volume"), "name its volumes, or take the set out");
        }
        if self.found.len() > before || new.is_empty() {
            return;
        }
        for &id in &new {
            let kind = if stored.is_some() { DifferenceKind::Change } else { DifferenceKind::Add };
            let label = self.names.iter().find(|(_, known)| **known == id).map(|(name, _)| (*name).to_owned());
            let label = label.unwrap_or_else(|| self.snapshot.label(id));
            self.differs(kind, "set", id, format!("set {name}: with {label}"));
        }
        self.change.sets.push(VolumeSet::new(name.clone(), new));
    }
}
