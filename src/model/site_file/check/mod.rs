//! A site file on a site: what it would change, or everything that is wrong with it.

mod absent;
mod maps;
mod rules;
mod sets;

use super::policy::over;
use super::{FileVolume, Lines, SiteFile};
use crate::model::device_map::{Finding, Severity};
use crate::model::entity::Policy;
use crate::model::identity::{Olu, VolumeId};
use crate::model::request::VolumeRole;
use crate::model::site_change::{NewVolume, SiteChange};
use crate::model::snapshot::Snapshot;
use crate::model::units::Blocks;
use crate::model::untrusted::escaped;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Spanned;

/// Names that a sentence lists at most.
const LISTED: usize = 5;
const SEE: &str = "`ecdeck volume list` shows every volume";

/// What a file would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    pub change: SiteChange,
    pub differences: Vec<Difference>,
    /// What the site has and the file does not name, a sentence a kind. Nothing is done to it.
    pub not_in_file: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// The file has it, the site does not.
    Add,
    /// Both have it, and they differ.
    Change,
}

/// One thing that would be other than now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub kind: DifferenceKind,
    /// `volume`, `name`, `policy`, `pair`, `set`.
    pub of: &'static str,
    /// The volume that it is about; of a pair the transaction volume.
    pub volume: VolumeId,
    pub text: String,
}

/// Compares a file with a site. `text`: the file's. The error has every finding, in the order of the text.
pub fn check<'a>(file: &'a SiteFile, text: &'a str, snapshot: &'a Snapshot) -> Result<Compared, Vec<Finding>> {
    let mut check = Check::new(text, snapshot);
    check.site(file);
    for volume in &file.volumes {
        check.volume(volume);
    }
    for set in &file.map_sets {
        check.map_set(set);
    }
    for set in &file.sets {
        check.set(set);
    }
    check.by_the_rules();
    if check.found.is_empty() {
        let not_in_file = check.not_in_file(file);
        return Ok(Compared { change: check.change, differences: check.differences, not_in_file });
    }
    check.found.sort_by_key(|finding| (finding.line, finding.column));
    Err(check.found)
}

struct Check<'a> {
    lines: Lines<'a>,
    snapshot: &'a Snapshot,
    /// Volumes by the names that they will have.
    names: BTreeMap<&'a str, VolumeId>,
    /// The same for names of the file, in small letters, with their places.
    own_names: BTreeMap<String, Range<usize>>,
    /// Where each volume of the file stands, and where its pairs.
    places: BTreeMap<VolumeId, Range<usize>>,
    pair_places: BTreeMap<VolumeId, Range<usize>>,
    set_places: BTreeMap<&'a str, Range<usize>>,
    /// Role and blocks of what comes in.
    new: BTreeMap<VolumeId, (VolumeRole, Blocks)>,
    /// The map set of the file that has each transaction volume.
    mapped: BTreeMap<VolumeId, &'a str>,
    /// The place in the file's sets of each transaction volume.
    member_places: BTreeMap<VolumeId, Range<usize>>,
    volume_set_places: BTreeMap<&'a str, Range<usize>>,
    /// Volumes with a finding: what follows from it is not reported.
    bad: BTreeSet<VolumeId>,
    change: SiteChange,
    differences: Vec<Difference>,
    found: Vec<Finding>,
}

impl<'a> Check<'a> {
    fn new(text: &'a str, snapshot: &'a Snapshot) -> Self {
        let transaction = snapshot.transaction_volumes.iter().map(|view| (view.volume.name.as_str(), view.volume.id));
        let backup =
            snapshot.pool.iter().filter_map(|view| Some((view.volume.name.as_ref()?.as_str(), view.volume.id)));
        Self {
            lines: Lines::of(text),
            snapshot,
            names: transaction.chain(backup).collect(),
            own_names: BTreeMap::new(),
            places: BTreeMap::new(),
            pair_places: BTreeMap::new(),
            set_places: BTreeMap::new(),
            new: BTreeMap::new(),
            mapped: BTreeMap::new(),
            member_places: BTreeMap::new(),
            volume_set_places: BTreeMap::new(),
            bad: BTreeSet::new(),
            change: SiteChange::default(),
            differences: Vec::new(),
            found: Vec::new(),
        }
    }

    fn wrong<T>(&mut self, at: &Spanned<T>, text: impl Into<String>, help: &str) {
        self.found.push(self.lines.finding(Severity::Error, &at.span(), text.into(), help));
    }

    fn line_of(&self, span: &Range<usize>) -> usize {
        self.lines.finding(Severity::Error, span, String::new(), "").line
    }

    fn differs(&mut self, kind: DifferenceKind, of: &'static str, volume: VolumeId, text: String) {
        self.differences.push(Difference { kind, of, volume, text });
    }

    /// Whether the file is of this site, and of these boxes.
    fn site(&mut self, file: &SiteFile) {
        if let Some(site) = file.site.as_ref().filter(|site| *site.get_ref() != self.snapshot.site.name) {
            let text =
                format!("the file is of site {}, this is site {}", escaped(site.get_ref()), self.snapshot.site.name);
            self.wrong(site, text, "if it is meant for this site, correct the line or take it out");
        }
        for (name, box_id) in &file.arrays {
            let array = self.snapshot.arrays.iter().find(|array| array.name == *name.get_ref());
            match array.map(|array| array.box_id) {
                None => {
                    let text = format!("no array {} is configured", name.get_ref());
                    self.wrong(name, text, "`ecdeck array add` adds one; `ecdeck array list` shows those that are");
                }
                Some(None) => {
                    let text =
                        format!("whether array {} is this box is not known: it has not answered yet", name.get_ref());
                    self.wrong(box_id, text, "repeat it when the array answers");
                }
                Some(Some(known)) if known != *box_id.get_ref() => {
                    let text = format!("array {} is another box: {known}", name.get_ref());
                    self.wrong(
                        box_id,
                        text,
                        "the file may be of another site; correct the line if it is meant for this box",
                    );
                }
                Some(Some(_)) => {}
            }
        }
    }

    /// The volume at a place; a name is no place.
    fn located(&mut self, at: &Spanned<String>) -> Option<VolumeId> {
        let found = self.snapshot.located(at.get_ref());
        if found.is_none() {
            let shown = escaped(at.get_ref());
            let (text, help) = match at.get_ref().rsplit_once('/') {
                Some((array, olu)) if olu.parse::<Olu>().is_ok() => {
                    (format!("no array {} is configured", escaped(array)), "`ecdeck array list` shows those that are")
                }
                _ => (format!("{shown} is no place of a volume"), "write ARRAY/0x21"),
            };
            self.wrong(at, text, help);
        }
        found
    }

    fn volume(&mut self, volume: &'a FileVolume) {
        let Some(id) = self.located(&volume.volume) else { return };
        let before = self.found.len();
        if let Some(first) = self.places.get(&id) {
            let line = self.line_of(&first.clone());
            self.wrong(&volume.volume, format!("the volume is in line {line} too"), "keep one of the two lines");
            self.bad.insert(id);
            return;
        }
        self.places.insert(id, volume.volume.span());
        let transaction = self.snapshot.transaction_volume(id).map(|view| &view.volume);
        let backup = self.snapshot.backup_volume(id).map(|view| &view.volume);
        let role = match (transaction, backup) {
            (Some(_), _) => Some(VolumeRole::Transaction),
            (None, Some(_)) => Some(VolumeRole::Backup),
            (None, None) => None,
        };
        if role.is_some_and(|role| role != volume.role) {
            let role = if role == Some(VolumeRole::Backup) { "backup" } else { "transaction" };
            let text = format!("{} is registered as a {role} volume", self.snapshot.label(id));
            self.wrong(&volume.volume, text, "move the line to the list of its role, or take it out of the site first: `ecdeck volume remove VOLUME`");
        }
        let known = transaction.map(|known| known.blocks).or_else(|| backup.map(|known| known.blocks));
        let blocks = known.or_else(|| self.snapshot.unregistered_volume(id).map(|volume| volume.blocks));
        if let (Some(given), Some(known)) = (&volume.blocks, blocks)
            && *given.get_ref() != known.0
        {
            let text = format!("{} has {} blocks, the file says {}", self.snapshot.label(id), known.0, given.get_ref());
            self.wrong(
                given,
                text,
                "it may be another volume than the file was written for; correct the line if it is meant",
            );
        }
        if let Some(name) = &volume.name {
            let key = name.get_ref().as_str().to_ascii_lowercase();
            if let Some(other) = self.own_names.insert(key, name.span()) {
                let text = format!("the volume in line {} is called so too", self.line_of(&other));
                self.wrong(name, text, "give each volume a name of its own");
            }
        }
        self.group(volume, id);
        let present = transaction.and_then(|known| known.policy);
        let policy = match volume.policy.as_ref().map(|given| (given, over(present, given.get_ref()))) {
            Some((_, Ok(policy))) => Some(policy),
            Some((given, Err(why))) => {
                self.wrong(given, escaped(&why), "docs/site-file.md explains every key");
                None
            }
            None => None,
        };
        if self.found.len() > before {
            self.bad.insert(id);
            return;
        }
        self.accept(volume, id, role, blocks, policy.filter(|policy| present != Some(*policy)));
    }

    /// A group is registered with its host at hand. The file says which volumes are groups, so that none becomes a plain volume.
    fn group(&mut self, volume: &FileVolume, id: VolumeId) {
        let Some(given) = &volume.group else { return };
        let transaction = self.snapshot.transaction_volume(id).map(|view| &view.volume);
        let backup = self.snapshot.backup_volume(id).map(|view| &view.volume);
        let of_transaction = transaction.and_then(|volume| Some(volume.group.as_deref()?.place()));
        let known = of_transaction.or_else(|| Some(backup?.group.as_deref()?.place()));
        if known.as_ref() == Some(given.get_ref()) {
            return;
        }
        let is_now = match known {
            Some(known) => format!("the volume group {known}"),
            None if transaction.is_some() || backup.is_some() => "a volume without a group".to_owned(),
            None => "not registered yet".to_owned(),
        };
        let text = format!("{} is {is_now}, the file says group {}", self.snapshot.label(id), given.get_ref());
        let help = match volume.role {
            VolumeRole::Transaction => {
                "the host is asked when a group is registered: `ecdeck volume add --transaction VOLUME --group HOST:VG`, \
                 then apply the file"
            }
            VolumeRole::Backup => {
                "the host is asked when a group is registered: `ecdeck volume add --backup VOLUME --group HOST:VG`, \
                 then apply the file"
            }
        };
        self.wrong(given, text, help);
    }

    /// Takes in what a volume's line changes.
    fn accept(
        &mut self,
        volume: &'a FileVolume,
        id: VolumeId,
        role: Option<VolumeRole>,
        blocks: Option<Blocks>,
        policy: Option<Policy>,
    ) {
        let label = self.snapshot.label(id);
        if let Some(name) = &volume.name {
            self.names.insert(name.get_ref().as_str(), id);
        }
        let name = volume.name.as_ref().map(|name| name.get_ref().clone());
        let called = name.as_ref().map_or_else(|| label.clone(), ToString::to_string);
        if role.is_none() {
            let what = if volume.role == VolumeRole::Backup { "backup" } else { "transaction" };
            let named = name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
            let size = blocks.map_or_else(String::new, |blocks| format!(", {blocks}"));
            self.differs(DifferenceKind::Add, "volume", id, format!("{label}: {what} volume{named}{size}"));
            self.new.insert(id, (volume.role, blocks.unwrap_or_default()));
            self.change.volumes.push(NewVolume { volume: id, role: volume.role, name, group: None });
        } else if let Some(name) = name.filter(|name| name.as_str() != label) {
            self.differs(DifferenceKind::Change, "name", id, format!("{label}: called {name}"));
            self.change.names.push((id, name));
        }
        if let Some(policy) = policy {
            let present = self.snapshot.transaction_volume(id).and_then(|view| view.volume.policy);
            let (kind, text) = match present {
                Some(present) => (DifferenceKind::Change, format!("{called}: {present} becomes {policy}")),
                None => (DifferenceKind::Add, format!("{called}: {policy}")),
            };
            self.differs(kind, "policy", id, text);
            self.change.policies.push((id, policy));
        }
    }

    /// The volume that a pair names: by a name of the file, a registered one, or its place.
    fn named(&mut self, at: &Spanned<String>) -> Option<VolumeId> {
        let text = at.get_ref().as_str();
        let found = self.names.get(text).copied().or_else(|| self.snapshot.located(text));
        if found.is_none() {
            self.wrong(at, format!("there is no volume {}", escaped(text)), SEE);
        }
        found
    }

    fn role(&self, id: VolumeId) -> Option<(VolumeRole, Blocks)> {
        let transaction =
            self.snapshot.transaction_volume(id).map(|view| (VolumeRole::Transaction, view.volume.blocks));
        let backup = || self.snapshot.backup_volume(id).map(|view| (VolumeRole::Backup, view.volume.blocks));
        transaction.or_else(backup).or_else(|| self.new.get(&id).copied())
    }
}
