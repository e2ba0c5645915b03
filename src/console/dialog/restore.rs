//! The restore form: which generation, to which volume, and whether somebody has looked that no host uses it.

use crate::console::form::{ChoiceField, Field, Form, FormEvent, ListField, ListRow, Value};
use crate::console::format::Clock;
use crate::console::keys::Key;
use crate::model::identity::VolumeId;
use crate::model::plan::{RestoreTarget, restore_targets};
use crate::model::records::{Generation, GenerationState};
use crate::model::request::{Action, Request};
use crate::model::snapshot::Snapshot;
use crate::model::units::Version;

/// A restore while it is filled in.
#[derive(Debug, Clone)]
pub struct RestoreForm {
    pub volume: VolumeId,
    pub form: Form,
    pub armed: bool,
    /// Newest first.
    versions: Vec<Version>,
    /// The targets of the chosen version, in the order of the list.
    targets: Vec<VolumeId>,
}

const VERSION: &str = "version";
const TARGET: &str = "target";
const MOUNTED: &str = "mounted";
const PRESENT: &str = "present";

impl RestoreForm {
    /// `wanted`: the selected generation; else the newest valid one. `None`: the volume keeps no generation.
    pub fn new(snapshot: &Snapshot, clock: &Clock, volume: VolumeId, wanted: Option<Version>) -> Option<Self> {
        let kept: Vec<&Generation> = snapshot.generations_of(volume).iter().rev().collect();
        let is_good = |kept: &&Generation| kept.state == GenerationState::Valid && !kept.is_before_restore();
        let valid = kept.iter().position(is_good).unwrap_or(0);
        let named = wanted.and_then(|wanted| kept.iter().position(|generation| generation.version == wanted));
        let at = named.unwrap_or(valid);
        kept.get(at)?;
        let options = kept.iter().map(|generation| {
            let doubt = if generation.state == GenerationState::Valid { "" } else { ", not valid" };
            let doubt = if generation.is_before_restore() { ", before a restore" } else { doubt };
            format!("{}  {}{doubt}", generation.version, clock.moment(generation.taken_at))
        });
        let form = Form::new(vec![
            Field::new(
                VERSION,
                "generation",
                "Left and Right choose another one, newest first. It stays as it is, and nothing may change it meanwhile.",
                Value::Choice(ChoiceField::new(options, at)),
            ),
            Field::new(
                TARGET,
                "to",
                "All that is on this volume is overwritten. Volumes that nothing uses come first, its own volume last.",
                Value::List(ListField::new(Vec::new())),
            ),
            Field::new(
                MOUNTED,
                "on the hosts",
                "ecdeck does not ask the hosts. Look on every host that sees the volume, then say so here.",
                mounted(),
            ),
            Field::new(
                PRESENT,
                "live data",
                "What a transaction volume is now is first copied to an unused backup volume, and held. Right: it is lost.",
                Value::Choice(ChoiceField::new(["kept first", "not kept"], 0)),
            ),
        ]);
        let versions = kept.iter().map(|generation| generation.version).collect();
        let mut restore = Self { volume, form, armed: false, versions, targets: Vec::new() };
        restore.follow(snapshot);
        Some(restore)
    }

    /// A key; another generation may have other targets.
    pub fn key(&mut self, snapshot: Option<&Snapshot>, key: Key) -> FormEvent {
        let before = self.target();
        let event = self.form.key(key);
        if let (FormEvent::Changed, Some(snapshot)) = (event, snapshot) {
            self.follow(snapshot);
        }
        // Who looked for one volume did not look for another.
        if self.target() != before {
            self.form.change(MOUNTED, |value| *value = mounted());
        }
        event
    }

    fn follow(&mut self, snapshot: &Snapshot) {
        let targets = self.version().map_or_else(Vec::new, |version| restore_targets(snapshot, self.volume, version));
        self.targets = targets.iter().map(|target| target.volume).collect();
        let rows = targets.iter().map(row).collect();
        self.form.change(TARGET, |value| {
            if let Value::List(list) = value {
                list.set_rows(rows);
            }
        });
    }

    fn version(&self) -> Option<Version> {
        self.versions.get(self.form.choice(VERSION)?).copied()
    }

    pub fn target(&self) -> Option<VolumeId> {
        self.targets.get(self.form.list(TARGET)?.selected()?).copied()
    }

    pub fn request(&self) -> Option<Request> {
        let unmounted = self.form.choice(MOUNTED) == Some(1);
        let (volume, version, to) = (self.volume, self.version()?, self.target());
        let without_present_state = self.form.choice(PRESENT) == Some(1);
        Some(Request::new(Action::Restore { volume, version, to, unmounted, without_present_state }))
    }

    /// What is lost where it goes to its own volume: how many generations are newer than the chosen one.
    pub fn newer(&self) -> usize {
        self.form.choice(VERSION).unwrap_or(0)
    }
}

/// What is known of the hosts, at first.
fn mounted() -> Value {
    Value::Choice(ChoiceField::new(["not looked", "unmounted"], 0))
}

fn row(target: &RestoreTarget) -> ListRow {
    let row = ListRow::new(target.label.as_str(), target.what.as_str());
    match &target.refusal {
        Some(refusal) => row.refused(refusal.reason.as_str()),
        None => row,
    }
}
