//! The state of the first set-up: what was chosen of the volumes that arrays report, and what that means for the pool.

use super::draft;
use super::groups::GroupsPart;
use crate::console::choice::is_like;
use crate::console::dialog::policy::PolicyForm;
use crate::console::screens::screen::{Context, Step};
use crate::console::types::Cursor;
use crate::model::entity::Policy;
use crate::model::identity::{Name, VolumeId};
use crate::model::plan::pool_sizes;
use crate::model::pool::PoolKey;
use crate::model::request::{Action, Request, VolumeRole};
use crate::model::session::ArrayVolume;
use crate::model::site_change::{NewGroup, NewVolume, SiteChange};
use crate::model::snapshot::{Severity, Snapshot, TransactionVolumeView};
use crate::model::units::{Blocks, count};
use crate::model::volume_group::GroupPlace;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tui_input::Input;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Volumes,
    /// Volume groups, as the hosts report them.
    Groups,
    Policies,
    /// What no device map pairs yet.
    Maps,
}

#[derive(Debug)]
pub enum Typing {
    Filter(Input),
    Name(VolumeId, Input),
    /// The volume group that a volume is.
    Group(VolumeId, Input),
}

impl Typing {
    pub fn input(&self) -> &Input {
        match self {
            Self::Filter(input) | Self::Name(_, input) | Self::Group(_, input) => input,
        }
    }
}

/// What a volume is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    pub role: VolumeRole,
    pub name: Option<Name>,
    /// The volume group that it is.
    pub group: Option<GroupPlace>,
    /// Of a transaction volume.
    pub policy: Policy,
}

#[derive(Debug)]
pub struct VolumeRow {
    pub id: VolumeId,
    pub place: String,
    /// The array's own name for it, escaped.
    pub label: String,
    pub blocks: Blocks,
}

/// The pool of one size as it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeRow {
    pub key: PoolKey,
    /// Transaction volumes, those that are chosen and those of the site.
    pub transaction: usize,
    /// Backup volumes that the policies of all volumes of this size need.
    pub need: usize,
    /// Backup volumes of the pool, with those that were chosen.
    pub have: usize,
    /// Volumes of this size that are nothing yet.
    pub free: usize,
}

impl SizeRow {
    fn new(key: PoolKey) -> Self {
        Self { key, transaction: 0, need: 0, have: 0, free: 0 }
    }

    pub fn missing(&self) -> usize {
        self.need.saturating_sub(self.have)
    }
}

/// A policy that is being edited, and whose.
#[derive(Debug)]
pub struct Editing {
    pub volumes: Vec<VolumeId>,
    pub policy: PolicyForm,
}

#[derive(Debug)]
pub struct InitScreen {
    pub stage: Stage,
    /// Lower case.
    pub filter: String,
    pub typing: Option<Typing>,
    pub form: Option<Editing>,
    pub rows: Vec<VolumeRow>,
    pub cursor: Cursor<VolumeId>,
    pub marks: BTreeSet<VolumeId>,
    pub chosen: BTreeMap<VolumeId, Chosen>,
    pub sizes: Vec<SizeRow>,
    pub groups: GroupsPart,
    /// What the plan that was shown last registers: when all of it is registered, the step of the maps comes.
    pub written: BTreeSet<VolumeId>,
    /// Somebody was asked whether to leave, and has pressed no other key since.
    pub asked: bool,
    /// The text of the choice as it is kept for a lost line.
    kept: Option<String>,
}

impl InitScreen {
    pub fn new(context: &Context) -> Self {
        let mut screen = Self {
            stage: Stage::Volumes,
            filter: String::new(),
            typing: None,
            form: None,
            rows: Vec::new(),
            cursor: Cursor::default(),
            marks: BTreeSet::new(),
            chosen: BTreeMap::new(),
            sizes: Vec::new(),
            groups: GroupsPart::asked(),
            written: BTreeSet::new(),
            asked: false,
            kept: None,
        };
        screen.settle(context);
        screen
    }

    /// After the site, the size or the choice changed.
    pub fn settle(&mut self, context: &Context) {
        let snapshot = context.snapshot();
        let open = |id: &VolumeId| snapshot.unregistered_volume(*id).is_some();
        // An array that is silent for a moment takes nothing away; a volume that somebody registered does.
        let registered =
            |id: &VolumeId| snapshot.transaction_volume(*id).is_some() || snapshot.backup_volume(*id).is_some();
        self.chosen.retain(|id, _| !registered(id));
        if !self.written.is_empty() && self.written.iter().all(registered) {
            self.written.clear();
            self.stage = Stage::Maps;
        }
        self.marks.retain(open);
        self.rows = match self.stage {
            Stage::Maps => unpaired(snapshot),
            Stage::Volumes | Stage::Groups | Stage::Policies => {
                let shown = snapshot.unregistered.iter().filter(|volume| self.shows(snapshot, volume));
                let row = |volume: &ArrayVolume| VolumeRow {
                    id: volume.id,
                    place: snapshot.location(volume.id),
                    label: volume.label.escaped(),
                    blocks: volume.blocks,
                };
                shown.map(row).collect()
            }
        };
        self.sizes = self.sizes_of(snapshot);
        let rows = &self.rows;
        self.cursor.follow(rows.len(), |row| rows.get(row).map(|row| row.id));
        let (upper, _) = self.split(context.height());
        self.cursor.settle(rows.len(), usize::from(upper.saturating_sub(3)));
        self.groups.settle(snapshot, usize::from(upper.saturating_sub(3)));
    }

    /// Keeps the choice, where it is another one.
    pub fn keep(&mut self) -> Vec<Step> {
        let text = draft::text(&self.chosen);
        if text == self.kept {
            return Vec::new();
        }
        self.kept.clone_from(&text);
        vec![Step::KeepSetUp { text }]
    }

    /// The choice of an earlier line. What is chosen by now goes before it, and what was registered meanwhile is left out.
    pub fn take_draft(&mut self, context: &Context, texts: &[(String, String)], faults: &[String]) -> Vec<Step> {
        let mut faults = faults.to_vec();
        let here = !self.chosen.is_empty();
        for (file, text) in texts {
            match draft::read(text) {
                Ok(chosen) => {
                    self.kept = Some(text.clone());
                    if !here {
                        self.chosen.extend(chosen);
                    }
                }
                Err(why) => faults.push(format!("{file} is no set-up ({why}); it is left as it is")),
            }
        }
        self.settle(context);
        let mut steps = self.keep();
        if !faults.is_empty() {
            steps.push(Step::Tell(Severity::Warning, faults.join("; ")));
        } else if !here && !self.chosen.is_empty() {
            let many = count(self.chosen.len(), "volume", "volumes");
            steps.push(Step::Tell(
                Severity::Info,
                format!("{many} chosen earlier, not registered yet: w registers them"),
            ));
        }
        steps
    }

    /// Rows of the upper and of the lower pane, below the line of steps.
    pub fn split(&self, height: u16) -> (u16, u16) {
        let room = height.saturating_sub(1);
        let lower = u16::try_from(self.sizes.len().clamp(1, 5)).unwrap_or(5) + 3;
        let lower = lower.min(room / 2);
        (room - lower, lower)
    }

    fn shows(&self, snapshot: &Snapshot, volume: &ArrayVolume) -> bool {
        let chosen = self.chosen.get(&volume.id);
        if self.stage == Stage::Policies {
            return chosen.is_some_and(|chosen| chosen.role == VolumeRole::Transaction);
        }
        let place = snapshot.location(volume.id).to_ascii_lowercase();
        let label = volume.label.escaped().to_lowercase();
        let size = volume.blocks.to_string().to_lowercase().replace(' ', "");
        let role = chosen.map_or("-", |chosen| word(chosen.role));
        let fits = |word: &str| {
            if word.contains(['*', '?']) {
                let like = |text: &str| is_like(text.as_bytes(), word.as_bytes());
                return like(&place) || like(&label);
            }
            place.contains(word) || label.contains(word) || size == word || role == word
        };
        self.filter.split_whitespace().all(|word| match word.strip_prefix('!') {
            Some("") => true,
            Some(word) => !fits(word),
            None => fits(word),
        })
    }

    /// The arithmetic of the pool with what was chosen, and with the policy that is being edited.
    fn sizes_of(&self, snapshot: &Snapshot) -> Vec<SizeRow> {
        let mut sizes: BTreeMap<PoolKey, SizeRow> = BTreeMap::new();
        for (key, size) in pool_sizes(snapshot) {
            let row = SizeRow { need: size.needed, have: size.total, ..SizeRow::new(key.clone()) };
            sizes.insert(key, row);
        }
        for view in &snapshot.transaction_volumes {
            let key = snapshot.pool_key(view);
            sizes.entry(key.clone()).or_insert_with(|| SizeRow::new(key)).transaction += 1;
        }
        for volume in &snapshot.unregistered {
            let group = self.chosen.get(&volume.id).and_then(|chosen| chosen.group.as_ref());
            let key = snapshot.new_key(volume.id, volume.blocks, group.map(|group| &group.host));
            let row = sizes.entry(key.clone()).or_insert_with(|| SizeRow::new(key));
            match self.chosen.get(&volume.id) {
                None => row.free += 1,
                Some(chosen) if chosen.role == VolumeRole::Backup => row.have += 1,
                Some(chosen) => {
                    let edited = self.form.as_ref().filter(|form| form.volumes.contains(&volume.id));
                    row.transaction += 1;
                    row.need += edited.map_or(chosen.policy, |form| form.policy.policy()).backup_volumes();
                }
            }
        }
        let mut sizes: Vec<SizeRow> = sizes.into_values().filter(|row| row.need > 0 || row.have > 0).collect();
        // What is missing is seen first.
        sizes.sort_by_key(|row| std::cmp::Reverse(row.missing() > 0));
        sizes
    }

    pub fn selected(&self) -> Option<&VolumeRow> {
        self.rows.get(self.cursor.selected)
    }

    pub fn move_to(&mut self, row: usize) {
        let rows = &self.rows;
        self.cursor.select(row, rows.len(), |row| rows.get(row).map(|row| row.id));
    }

    /// The marked volumes that are shown; where none is marked, the selected one.
    pub fn subjects(&self) -> Vec<VolumeId> {
        let marked: Vec<VolumeId> = self.rows.iter().map(|row| row.id).filter(|id| self.marks.contains(id)).collect();
        if marked.is_empty() { self.selected().map(|row| row.id).into_iter().collect() } else { marked }
    }

    pub fn of_role(&self, role: VolumeRole) -> usize {
        self.chosen.values().filter(|chosen| chosen.role == role).count()
    }

    /// All of it as one request.
    pub fn request(&self) -> Request {
        let volume = |(id, chosen): (&VolumeId, &Chosen)| NewVolume {
            volume: *id,
            role: chosen.role,
            name: chosen.name.clone(),
            group: chosen.group.clone().map(NewGroup::At),
        };
        let transaction = self.chosen.iter().filter(|(_, chosen)| chosen.role == VolumeRole::Transaction);
        let policies = transaction.map(|(id, chosen)| (*id, chosen.policy)).collect();
        let volumes = self.chosen.iter().map(volume).collect();
        Request::new(Action::ApplySite { change: SiteChange { volumes, policies, ..SiteChange::default() } })
    }

    pub fn unsaved(&self) -> Option<String> {
        let number = self.chosen.len();
        (number > 0).then(|| format!("{} chosen and not registered", count(number, "volume is", "volumes are")))
    }
}

/// The transaction volumes that no device map pairs, those that need one first.
fn unpaired(snapshot: &Snapshot) -> Vec<VolumeRow> {
    let open = snapshot.transaction_volumes.iter().filter(|view| snapshot.map_set_of(view.volume.id).is_none());
    let row = |view: &TransactionVolumeView| VolumeRow {
        id: view.volume.id,
        place: view.volume.name.to_string(),
        label: view.volume.group.as_ref().map_or_else(String::new, ToString::to_string),
        blocks: view.volume.blocks,
    };
    let mut rows: Vec<VolumeRow> = open.map(row).collect();
    rows.sort_by_key(|row| row.label.is_empty());
    rows
}

pub fn word(role: VolumeRole) -> &'static str {
    match role {
        VolumeRole::Transaction => "transaction",
        VolumeRole::Backup => "backup",
    }
}
