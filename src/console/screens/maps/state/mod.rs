//! The state of the screen of device maps: the list of map sets, then four steps on one draft.

pub mod check;
pub mod rounds;
pub mod sets;
pub mod volumes;
pub mod write;

use super::draft::Draft;
use crate::console::screens::screen::{Context, Step};
use crate::console::types::Subject;
use crate::model::identity::{Name, VolumeId};
use crate::model::request::{Action, Request};
use crate::model::snapshot::{Severity, Snapshot};
use check::CheckPart;
use rounds::RoundsPart;
use sets::{SetKey, SetsPart};
use std::collections::BTreeMap;
use tui_input::Input;
use volumes::VolumesPart;
use write::WritePart;

/// Where a person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The list of map sets.
    Sets,
    Volumes,
    Rounds,
    Check,
    /// The preview, from which the map set is written.
    Write,
}

/// What is being typed.
#[derive(Debug)]
pub enum Typing {
    Filter(Input),
    /// The name of the map set.
    Name(Input),
    /// The name of the selected round.
    RoundName(Input),
}

impl Typing {
    pub fn input(&self) -> &Input {
        match self {
            Self::Filter(input) | Self::Name(input) | Self::RoundName(input) => input,
        }
    }

    pub fn input_mut(&mut self) -> &mut Input {
        match self {
            Self::Filter(input) | Self::Name(input) | Self::RoundName(input) => input,
        }
    }
}

#[derive(Debug)]
pub struct MapsScreen {
    pub stage: Stage,
    /// The draft that is worked on; `None` in the list of map sets.
    pub open: Option<Draft>,
    /// Other drafts that are changed and not stored.
    pub drafts: Vec<Draft>,
    pub typing: Option<Typing>,
    pub sets: SetsPart,
    pub volumes: VolumesPart,
    pub rounds: RoundsPart,
    pub check: CheckPart,
    pub write: WritePart,
    /// What the main screen had selected.
    pub subject: Option<VolumeId>,
    /// It was opened at the round of one volume: one step back from there leaves the screen.
    pub direct: bool,
    /// Nothing was done here yet but to show the round below a plan.
    pub passing: bool,
    /// Somebody was asked whether to leave, or to drop a draft, and has pressed no other key since.
    pub asked: bool,
    /// Revisions of the drafts as they are kept.
    kept: BTreeMap<Name, u64>,
}

impl MapsScreen {
    pub fn new(context: &Context) -> Self {
        let mut screen = Self {
            stage: Stage::Sets,
            open: None,
            drafts: Vec::new(),
            typing: None,
            sets: SetsPart::default(),
            volumes: VolumesPart::default(),
            rounds: RoundsPart::default(),
            check: CheckPart::default(),
            write: WritePart::default(),
            subject: context.selected.and_then(Subject::owner),
            direct: false,
            passing: false,
            asked: false,
            kept: BTreeMap::new(),
        };
        screen.settle(context);
        if let Some(set) = screen.subject.and_then(|id| context.snapshot().map_set_of(id)) {
            screen.sets.select(&SetKey::Stored(set.name.clone()));
        }
        screen
    }

    /// At the round of one volume that its map set takes now; `None`: no map set has the volume.
    pub fn at_round_of(context: &Context, volume: VolumeId) -> Option<Self> {
        let set = context.snapshot().map_set_of(volume)?;
        let mut screen = Self::new(context);
        screen.open = Some(Draft::of(set));
        screen.stage = Stage::Rounds;
        (screen.direct, screen.passing) = (true, true);
        screen.settle(context);
        screen.rounds.go_to(volume, None);
        screen.settle(context);
        Some(screen)
    }

    /// After the site, the size or the draft changed.
    pub fn settle(&mut self, context: &Context) {
        self.note_stored(context.snapshot());
        let height = context.height();
        match (self.stage, &self.open) {
            (Stage::Volumes, Some(draft)) => self.volumes.settle(context.snapshot(), draft, height),
            (Stage::Rounds, Some(draft)) => self.rounds.settle(context.snapshot(), draft, context.size.0, height),
            (Stage::Check, Some(draft)) => self.check.settle(context, draft, height),
            (Stage::Write, Some(draft)) => self.write.settle(context.snapshot(), draft, context.size),
            _ => {
                self.stage = Stage::Sets;
                self.sets.settle(context.snapshot(), &self.drafts, height);
            }
        }
    }

    /// A draft that has become what is stored is none any more; whoever waits for that in the preview is back in the list.
    fn note_stored(&mut self, snapshot: &Snapshot) {
        let stored = |draft: &Draft| snapshot.map_set(draft.name().as_str());
        if let Some(draft) = &mut self.open
            && draft.is_changed()
            && let Some(set) = stored(draft).filter(|set| draft.is_stored_as(Some(set)))
        {
            draft.base = Some(set.clone());
            if self.stage == Stage::Write {
                let name = set.name.clone();
                self.write = WritePart::default();
                self.close_draft();
                self.stage = Stage::Sets;
                self.sets.said = Some(format!("map set {name} is stored"));
                self.sets.select(&SetKey::Stored(name));
            }
        }
        self.drafts.retain(|draft| draft.is_changed() && !draft.is_stored_as(stored(draft)));
    }

    /// Puts the open draft aside; one that changes nothing goes.
    pub fn close_draft(&mut self) {
        if let Some(draft) = self.open.take().filter(Draft::is_changed) {
            self.drafts.retain(|other| other.name() != draft.name());
            self.drafts.push(draft);
        }
        self.volumes = VolumesPart::default();
        self.rounds = RoundsPart::default();
        self.write = WritePart::default();
        self.direct = false;
    }

    /// The draft of that name, where there is one, else the stored map set.
    pub fn open_set(&mut self, snapshot: &Snapshot, name: &Name) -> bool {
        self.close_draft();
        let kept = self.drafts.iter().position(|draft| draft.name() == name);
        self.open = match kept {
            Some(at) => Some(self.drafts.remove(at)),
            None => snapshot.map_set(name.as_str()).map(Draft::of),
        };
        self.open.is_some()
    }

    pub fn is_free(&self, snapshot: &Snapshot, name: &Name) -> bool {
        let others = self.drafts.iter().map(Draft::name);
        snapshot.map_set(name.as_str()).is_none() && !others.into_iter().any(|other| other == name)
    }

    /// A new draft under a name that is free.
    pub fn open_new(&mut self, snapshot: &Snapshot) {
        self.close_draft();
        let names = (1..).map_while(|number: u32| {
            if number == 1 { "nightly".parse().ok() } else { format!("nightly-{number}").parse().ok() }
        });
        let mut free = names.filter(|name: &Name| self.is_free(snapshot, name));
        self.open = free.next().map(Draft::new);
    }

    /// Every draft that would be lost.
    pub fn changed(&self) -> impl Iterator<Item = &Draft> {
        self.open.iter().filter(|draft| draft.is_changed()).chain(&self.drafts)
    }

    /// Work that is not stored, as a sentence.
    pub fn unsaved(&self) -> Option<String> {
        let names: Vec<&str> = self.changed().map(|draft| draft.name().as_str()).collect();
        match names[..] {
            [] => None,
            [one] => Some(format!("map set {one} is not stored; its draft is kept")),
            _ => Some(format!("map sets {} are not stored; their drafts are kept", names.join(", "))),
        }
    }

    /// What of the drafts has to be kept, or removed, since the last time.
    pub fn keep(&mut self) -> Vec<Step> {
        let drafts: BTreeMap<Name, &Draft> = self.changed().map(|draft| (draft.name().clone(), draft)).collect();
        let gone = self.kept.keys().filter(|name| !drafts.contains_key(*name));
        let mut steps: Vec<Step> = gone.map(|name| Step::KeepDraft { name: name.clone(), text: None }).collect();
        let news = drafts.iter().filter(|(name, draft)| self.kept.get(*name) != Some(&draft.revision));
        steps.extend(
            news.filter_map(|(name, draft)| Some(Step::KeepDraft { name: name.clone(), text: Some(draft.text()?) })),
        );
        self.kept = drafts.into_iter().map(|(name, draft)| (name, draft.revision)).collect();
        steps
    }

    /// Drafts of an earlier line. What is open goes before them; a text that is no draft is named and left where it is.
    pub fn take_drafts(&mut self, context: &Context, texts: &[(String, String)], faults: &[String]) -> Vec<Step> {
        let mut wrong: Vec<String> = faults.to_vec();
        for (file, text) in texts {
            match Draft::read(text) {
                Ok(draft) => {
                    self.kept.insert(draft.name().clone(), draft.revision);
                    let is_open =
                        self.open.as_ref().is_some_and(|open| open.name() == draft.name() && open.is_changed());
                    if !is_open && !self.drafts.iter().any(|other| other.name() == draft.name()) {
                        self.drafts.push(draft);
                    }
                }
                Err(why) => wrong.push(format!("{file} is not a draft of a map set ({why}); it is left as it is")),
            }
        }
        self.settle(context);
        if let Some(first) = self.drafts.first().filter(|_| self.stage == Stage::Sets) {
            self.sets.select(&SetKey::Draft(first.name().clone()));
        }
        self.settle(context);
        let mut steps = self.keep();
        if !wrong.is_empty() {
            steps.push(Step::Tell(Severity::Warning, wrong.join("; ")));
        }
        steps
    }
}

/// The request that stores a draft.
pub fn request(draft: &Draft) -> Request {
    let set = draft.to_store();
    Request::new(match &draft.base {
        Some(base) => Action::EditMap { set, before: base.fingerprint() },
        None => Action::ImportMap { set },
    })
}

/// Rows of the upper and of the lower pane, frames included, on a body of so many rows below the line of steps. `wanted`:
/// what the upper one would like to have.
pub fn split(height: u16, wanted: usize, lower: u16) -> (u16, u16) {
    let room = height.saturating_sub(1);
    let wanted = u16::try_from(wanted).unwrap_or(u16::MAX);
    let upper = wanted.clamp(5.min(room), room.saturating_sub(lower.min(room / 2)).max(5.min(room)));
    (upper, room - upper)
}
