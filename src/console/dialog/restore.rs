//! The restore form: good until when, which generation, to which volume, and whether somebody has looked that no host uses it.

use crate::console::form::{ChoiceField, Field, Form, FormEvent, ListField, ListRow, TextField, Value};
use crate::console::format::Clock;
use crate::console::keys::Key;
use crate::model::identity::VolumeId;
use crate::model::plan::{RestoreTarget, restore_targets};
use crate::model::proof;
use crate::model::records::{Generation, GenerationState, OperationId};
use crate::model::request::{Action, Request};
use crate::model::set_instants;
use crate::model::snapshot::Snapshot;
use crate::model::units::{Timestamp, Version};
use crate::model::volume_set::VolumeSet;
use unicode_width::UnicodeWidthStr;

/// A restore while it is filled in.
#[derive(Debug, Clone)]
pub struct RestoreForm {
    pub volume: VolumeId,
    pub form: Form,
    pub armed: bool,
    /// Newest first.
    kept: Vec<Candidate>,
    /// The targets of the chosen version, in the order of the list.
    targets: Vec<VolumeId>,
    /// The set of the volume, where it is in one.
    set: Option<VolumeSet>,
    /// Somebody moved to the target that is chosen: else it is the best one.
    is_target_named: bool,
    /// A target can be chosen.
    has_target: bool,
}

/// What the form has to know of a kept generation.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    version: Version,
    taken_at: Timestamp,
    /// It is proposed: valid, and no state of before a restore.
    is_good: bool,
    /// The backup of the set that recorded it.
    instant: Option<OperationId>,
}

const UNTIL: &str = "until";
const VERSION: &str = "version";
const SCOPE: &str = "scope";
const TARGET: &str = "target";
const MOUNTED: &str = "mounted";
const PRESENT: &str = "present";

/// A minute on the screen is all of it: what was taken at 02:00:07 is good at `02:00`.
const REST_OF_MINUTE: i64 = 59_999;

impl RestoreForm {
    /// `wanted`: the selected generation; else the newest valid one. `None`: the volume keeps no generation.
    pub fn new(snapshot: &Snapshot, clock: &Clock, volume: VolumeId, wanted: Option<Version>) -> Option<Self> {
        let generations: Vec<&Generation> = snapshot.generations_of(volume).iter().rev().collect();
        let kept: Vec<Candidate> = generations.iter().map(|generation| candidate(generation)).collect();
        let proposed = kept.iter().position(|candidate| candidate.is_good).unwrap_or(0);
        let named = wanted.and_then(|wanted| kept.iter().position(|candidate| candidate.version == wanted));
        let at = named.unwrap_or(proposed);
        kept.get(at)?;
        let (columns, rows) = rows(&generations, clock);
        let mut list = ListField::new(rows, ("generation", "generations")).with_head("version  time", &columns);
        list.select(at);
        let set = snapshot.volume_set_of(volume).filter(|set| set.members.len() > 1).cloned();
        let mut fields = vec![
            Field::new(
                UNTIL,
                "good until",
                "When were the data still good? 18:00, Mon 02:00, 2d: the newest valid generation before that is chosen.",
                Value::Text(TextField::new("").or_else("now: the newest valid one")),
            ),
            Field::new(
                VERSION,
                "generation",
                "It stays as it is, and nothing may change it meanwhile. Proof: what the catalogue knows, and no more.",
                Value::List(list),
            ),
            Field::new(
                TARGET,
                "to",
                "All that is on this volume is overwritten. Volumes that nothing uses come first, its own volume last.",
                Value::List(ListField::new(Vec::new(), ("volume", "volumes"))),
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
        ];
        if let Some(set) = &set {
            let whole = format!("all {} volumes of set {}", set.members.len(), set.name);
            let scope = Field::new(
                SCOPE,
                "what",
                "Right: every volume of its set, onto itself, with the generations of the same instant; all of them, or none.",
                Value::Choice(ChoiceField::new(["this volume".to_owned(), whole], 0)),
            );
            fields.insert(2, scope);
        }
        let form = Form::new(fields);
        let mut restore = Self {
            volume,
            form,
            armed: false,
            kept,
            targets: Vec::new(),
            set,
            is_target_named: false,
            has_target: true,
        };
        restore.follow(snapshot);
        Some(restore)
    }

    /// All of a set: the wanted backup of it, else the newest one that is whole and valid. `None`: there is none.
    pub fn for_set(snapshot: &Snapshot, clock: &Clock, set: &VolumeSet, wanted: Option<OperationId>) -> Option<Self> {
        let instants = set_instants::kept(snapshot, set);
        let instant = match wanted {
            Some(wanted) => instants.iter().find(|instant| instant.operation == wanted),
            None => instants.iter().find(|instant| instant.is_whole && instant.is_valid),
        }?;
        let (volume, version) = instant.versions.first_key_value()?;
        let mut form = Self::new(snapshot, clock, *volume, Some(*version))?;
        form.form.change(SCOPE, |value| {
            if let Value::Choice(choice) = value {
                choice.choose(1);
            }
        });
        form.follow(snapshot);
        Some(form)
    }

    /// A key. Another time has another generation, and another generation may have other targets.
    pub fn key(&mut self, snapshot: Option<&Snapshot>, clock: &Clock, key: Key) -> FormEvent {
        let (target, version, until) = (self.target(), self.version(), self.until().to_owned());
        let scope = self.whole_set().is_some();
        let event = self.form.key(key);
        self.is_target_named |= self.target() != target;
        if self.until() != until {
            self.choose_by_time(clock);
        }
        let is_other_scope = self.whole_set().is_some() != scope;
        if (self.version() != version || is_other_scope)
            && let Some(snapshot) = snapshot
        {
            self.is_target_named = false;
            self.follow(snapshot);
        }
        if is_other_scope {
            self.form.change(MOUNTED, |value| *value = mounted());
        }
        self.forget_hosts_of_other(target);
        event
    }

    /// The set, where all of it is to be restored.
    fn whole_set(&self) -> Option<&VolumeSet> {
        self.set.as_ref().filter(|_| self.form.choice(SCOPE) == Some(1))
    }

    /// The site has changed: other volumes may be free now. The generations stay those that were listed.
    pub fn refresh(&mut self, snapshot: &Snapshot) {
        let target = self.target();
        self.follow(snapshot);
        self.forget_hosts_of_other(target);
    }

    fn forget_hosts_of_other(&mut self, target: Option<VolumeId>) {
        // Who looked for one volume did not look for another.
        if self.target() != target {
            self.form.change(MOUNTED, |value| *value = mounted());
        }
    }

    /// What was typed as the time until which the data were good.
    fn until(&self) -> &str {
        self.form.text(UNTIL).unwrap_or("").trim()
    }

    /// Puts the cursor on the newest valid generation that is not newer than the time that was typed.
    fn choose_by_time(&mut self, clock: &Clock) {
        let text = self.until();
        let limit = if text.is_empty() { Ok(None) } else { clock.past(text).map(Some) };
        let found = limit.and_then(|limit| {
            let fits = |candidate: &Candidate| {
                let is_old = limit.is_none_or(|limit| candidate.taken_at <= limit.plus_millis(REST_OF_MINUTE));
                candidate.is_good && is_old
            };
            let newest = self.kept.iter().position(fits);
            match (newest, limit) {
                (Some(newest), _) => Ok(Some(newest)),
                (None, None) => Ok(None),
                (None, Some(limit)) => {
                    let oldest = self.kept.iter().rfind(|candidate| candidate.is_good);
                    let oldest = oldest.map_or_else(
                        || "no generation is valid".to_owned(),
                        |oldest| format!("the oldest is {}, {}", oldest.version, clock.moment(oldest.taken_at)),
                    );
                    Err(format!("no valid generation is older than {}: {oldest}", clock.moment(limit)))
                }
            }
        });
        let (at, error) = match found {
            Ok(at) => (at, None),
            Err(why) => (None, Some(why)),
        };
        if let Some(at) = at {
            self.form.change(VERSION, |value| {
                if let Value::List(list) = value {
                    list.select(at);
                }
            });
        }
        self.form.judge(UNTIL, error);
    }

    fn follow(&mut self, snapshot: &Snapshot) {
        if let Some(set) = self.whole_set() {
            let text = format!("each volume of set {} itself", set.name);
            let names: Vec<String> = set.members.iter().map(|id| snapshot.label(*id)).collect();
            let row = ListRow::new(text, names.join(", "));
            self.targets.clear();
            self.form.change(TARGET, |value| {
                if let Value::List(list) = value {
                    list.set_rows(vec![row]);
                }
            });
            return;
        }
        let named = self.target().filter(|_| self.is_target_named);
        let targets = self.version().map_or_else(Vec::new, |version| restore_targets(snapshot, self.volume, version));
        self.has_target = targets.iter().any(|target| target.refusal.is_none());
        self.targets = targets.iter().map(|target| target.volume).collect();
        let rows = targets.iter().map(row).collect();
        let at = named.and_then(|named| self.targets.iter().position(|target| *target == named)).unwrap_or(0);
        self.form.change(TARGET, |value| {
            if let Value::List(list) = value {
                list.set_rows(rows);
                list.select(at);
            }
        });
    }

    fn chosen(&self) -> Option<&Candidate> {
        self.kept.get(self.form.list(VERSION)?.selected()?)
    }

    fn version(&self) -> Option<Version> {
        Some(self.chosen()?.version)
    }

    /// `None` where there is none, or none that can be overwritten: the rules then say what is missing.
    fn target(&self) -> Option<VolumeId> {
        if !self.has_target {
            return None;
        }
        self.targets.get(self.form.list(TARGET)?.selected()?).copied()
    }

    /// What is asked for, or why the chosen generation cannot be.
    pub fn request(&self) -> Option<Result<Request, String>> {
        let unmounted = self.form.choice(MOUNTED) == Some(1);
        let (volume, version, to) = (self.volume, self.version()?, self.target());
        let without_present_state = self.form.choice(PRESENT) == Some(1);
        if let Some(set) = self.whole_set() {
            let Some(instant) = self.chosen()?.instant else {
                return Some(Err(format!("{version} was not backed up with the other volumes of set {}", set.name)));
            };
            let volumes = set.members.clone();
            let action = Action::RestoreSet { volumes, instant, unmounted, without_present_state };
            return Some(Ok(Request { set: Some(set.name.clone()), ..Request::new(action) }));
        }
        Some(Ok(Request::new(Action::Restore { volume, version, to, unmounted, without_present_state })))
    }
}

fn candidate(generation: &Generation) -> Candidate {
    Candidate {
        version: generation.version,
        taken_at: generation.taken_at,
        is_good: generation.state == GenerationState::Valid && !generation.is_before_restore(),
        instant: generation.operation.filter(|_| generation.set.is_some()),
    }
}

/// The titles of the columns after the time, and a row for each generation.
fn rows(generations: &[&Generation], clock: &Clock) -> (String, Vec<ListRow>) {
    let cells: Vec<[String; 5]> = generations
        .iter()
        .map(|generation| {
            [
                generation.version.to_string(),
                clock.moment(generation.taken_at),
                Clock::age(generation.taken_at, clock.now),
                proof::state(generation).to_owned(),
                proof::proof(generation, |at| clock.moment(at)),
            ]
        })
        .collect();
    let widest = |column: usize, title: &str| {
        cells.iter().map(|cells| cells[column].width()).max().unwrap_or(0).max(title.width())
    };
    let (version, age, state) = (widest(0, "version"), widest(2, "age"), widest(3, "state"));
    let titles = format!("{:>age$}  {:<state$}  proof", "age", "state");
    let rows = cells.iter().map(|[number, time, old, word, proof]| {
        ListRow::new(format!("{number:<version$}  {time}"), format!("{old:>age$}  {word:<state$}  {proof}"))
    });
    (titles, rows.collect())
}

/// What is known of the hosts, at first.
fn mounted() -> Value {
    Value::Choice(ChoiceField::new(["not looked", "unmounted"], 0))
}

fn row(target: &RestoreTarget) -> ListRow {
    let row = ListRow::new(target.label.as_str(), target.what.as_str());
    match &target.refusal {
        // The volume stands before it already.
        Some(refusal) => row.refused(refusal.reason.strip_prefix(&target.label).unwrap_or(&refusal.reason).trim()),
        None => row,
    }
}
