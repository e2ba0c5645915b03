//! Step 3: everything that is wrong with the draft, by the rules of `map check` and of the plan that stores it.

use super::super::draft::Draft;
use super::volumes::{SizeNeed, needs_of};
use super::{request, split};
use crate::console::screens::screen::Context;
use crate::console::types::Cursor;
use crate::model::codes::Code;
use crate::model::device_map::{self, DeviceMap, Finding, rounds_of, write_set};
use crate::model::identity::VolumeId;
use crate::model::snapshot::{Severity, Snapshot};
use crate::model::units::count;

/// What Enter does with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayOn {
    /// To the cell; without a round to the one that is due.
    Cell(VolumeId, Option<usize>),
    /// To the choice of volumes, at this one.
    Volume(VolumeId),
    /// Another name is typed.
    Name,
    /// The draft goes on from the map set as it is stored now.
    Rebase,
    None,
}

/// One thing to know before the map set is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// `Problem`: it cannot be stored like this. `Warning`: it can, and something will lack. `Info`: it passes by itself.
    pub severity: Severity,
    pub text: String,
    /// What you can do.
    pub help: String,
    pub way_on: WayOn,
}

#[derive(Debug, Default)]
pub struct CheckPart {
    pub notes: Vec<Note>,
    pub cursor: Cursor<usize>,
    pub needs: Vec<SizeNeed>,
    of: Option<(u64, u64)>,
}

impl CheckPart {
    pub fn settle(&mut self, context: &Context, draft: &Draft, height: u16) {
        let snapshot = context.snapshot();
        let of = Some((snapshot.sequence, draft.revision));
        if self.of != of {
            self.of = of;
            self.notes = notes(context, draft);
            self.needs = needs_of(snapshot, &draft.set());
        }
        self.move_to(self.cursor.selected);
        let (upper, _) = self.split(height);
        self.cursor.settle(self.notes.len(), usize::from(upper.saturating_sub(4)));
    }

    pub fn split(&self, height: u16) -> (u16, u16) {
        let lower = u16::try_from(self.needs.len().clamp(1, 6)).unwrap_or(6) + 3;
        split(height, usize::from(height), lower)
    }

    pub fn selected(&self) -> Option<&Note> {
        self.notes.get(self.cursor.selected)
    }

    pub fn move_to(&mut self, row: usize) {
        self.cursor.select(row, self.notes.len(), |_| None);
    }

    pub fn problems(&self) -> usize {
        self.notes.iter().filter(|note| note.severity == Severity::Problem).count()
    }
}

/// Everything, worst first.
fn notes(context: &Context, draft: &Draft) -> Vec<Note> {
    let snapshot = context.snapshot();
    let mut notes = about_the_stored(snapshot, draft);
    notes.extend(about_pairs(snapshot, draft));
    notes.extend(about_volumes(snapshot, draft));
    notes.extend(about_rounds(draft));
    let known = notes.len();
    match (context.planner)(snapshot, &request(draft)) {
        // What the pairs say already is not said twice.
        Err(refusal)
            if refusal.code != Code::ALREADY_SO && !notes.iter().any(|note| note.severity == Severity::Problem) =>
        {
            let help = refusal.code.explain().map_or("", |row| row.remedy).to_owned();
            let way_on = refusal.volume.map_or(WayOn::None, |volume| WayOn::Cell(volume, None));
            let text = refusal.to_string();
            notes.push(Note { severity: Severity::Problem, text, help, way_on });
        }
        Err(_) => {}
        Ok(plan) => {
            let notices = plan.items().iter().flat_map(|item| &item.notices);
            // The preview shows the difference, and the pane below what the pool lacks.
            let below = [Code::MAP_DIFFERENCE, Code::POOL_TOO_SMALL_FOR_POLICY];
            for notice in notices.filter(|notice| !below.contains(&notice.code)) {
                let help = notice.code.explain().map_or("", |row| row.remedy).to_owned();
                let text = format!("{} ({})", notice.text, notice.code);
                notes.push(Note { severity: Severity::Warning, text, help, way_on: WayOn::None });
            }
        }
    }
    if known == 0 && notes.is_empty() {
        let text = "nothing is wrong".to_owned();
        let help = "4 shows the file and the difference to what is stored".to_owned();
        notes.push(Note { severity: Severity::Good, text, help, way_on: WayOn::None });
    }
    notes.sort_by_key(|note| std::cmp::Reverse(note.severity));
    notes
}

/// Another person may have stored it, or a map set of its name, meanwhile.
fn about_the_stored(snapshot: &Snapshot, draft: &Draft) -> Vec<Note> {
    let name = draft.name();
    let stored = snapshot.map_set(name.as_str());
    let problem = |text: String, help: &str, way_on| {
        vec![Note { severity: Severity::Problem, text, help: help.to_owned(), way_on }]
    };
    match (&draft.base, stored) {
        (None, Some(_)) => problem(
            format!("there is a map set {name} already"),
            "Enter gives this one another name; Esc goes back to the list, where the stored one can be opened",
            WayOn::Name,
        ),
        (Some(base), Some(stored)) if base.fingerprint() != stored.fingerprint() => problem(
            format!("map set {name} was stored anew by somebody since you began ({})", Code::MAP_CHANGED),
            "Enter compares your draft with it as it is now; your cells stay, and the preview shows the difference",
            WayOn::Rebase,
        ),
        (Some(_), None) => problem(
            format!("map set {name} is not stored any more ({})", Code::MAP_UNKNOWN),
            "Enter makes a new map set of your draft; you may give it another name",
            WayOn::Rebase,
        ),
        _ => Vec::new(),
    }
}

/// The findings of the text that will be written.
fn about_pairs(snapshot: &Snapshot, draft: &Draft) -> Vec<Note> {
    let set = draft.set();
    let text = write_set(&set, snapshot);
    let map = match device_map::parse(text.as_bytes()) {
        Ok(map) => map,
        Err(findings) => return findings.iter().map(|finding| of_finding(finding, &DeviceMap::default())).collect(),
    };
    let Some(first) = set.rounds.first() else { return Vec::new() };
    let (_, mut findings) = rounds_of(&map, snapshot, draft.name(), &first.name);
    let (_, now) = device_map::check(&map, snapshot);
    for finding in now {
        if !findings.iter().any(|known| (known.line, known.code) == (finding.line, finding.code)) {
            // What keeps a pair out is said already: this one can be stored, and stops only itself.
            findings.push(Finding { severity: device_map::Severity::NotNow, ..finding });
        }
    }
    findings.sort_by_key(|finding| (finding.line, finding.column));
    findings.iter().map(|finding| of_finding(finding, &map)).collect()
}

fn of_finding(finding: &Finding, map: &DeviceMap) -> Note {
    let severity = match finding.severity {
        device_map::Severity::NotNow => Severity::Info,
        device_map::Severity::Error | device_map::Severity::Syntax => Severity::Problem,
    };
    let round = map.rounds.iter().rposition(|mark| mark.line < finding.line);
    let place = round.and_then(|round| Some(format!("round {}: ", map.rounds.get(round)?.name)));
    let text = format!("{}{} ({})", place.unwrap_or_default(), finding.text, finding.code);
    let way_on = finding.volume.map_or(WayOn::None, |volume| WayOn::Cell(volume, round));
    Note { severity, text, help: finding.help.clone(), way_on }
}

fn about_volumes(snapshot: &Snapshot, draft: &Draft) -> Vec<Note> {
    let set = draft.set();
    let mut notes = Vec::new();
    if draft.chosen().is_empty() {
        let (text, help) = ("the map set has no volume".to_owned(), "1 goes to the choice of volumes".to_owned());
        notes.push(Note { severity: Severity::Problem, text, help, way_on: WayOn::None });
    }
    for id in draft.chosen() {
        let name = snapshot.label(*id);
        let rounds = set.rows_of(*id).count();
        let Some(view) = snapshot.transaction_volume(*id) else {
            let text = format!("{name} is not registered: its pairs stay, and stop only themselves");
            let help = "take it out of the map set, or register it again".to_owned();
            notes.push(Note { severity: Severity::Info, text, help, way_on: WayOn::Volume(*id) });
            continue;
        };
        if rounds == 0 {
            let text = format!("{name} has no backup volume in any round, so the map set will not have it");
            let help = "choose one, or take the volume out".to_owned();
            notes.push(Note { severity: Severity::Warning, text, help, way_on: WayOn::Cell(*id, Some(0)) });
        } else if let Some(policy) = view.volume.policy.filter(|policy| rounds < policy.backup_volumes()) {
            let (kept, needs) = (policy.generations, policy.backup_volumes());
            let text = format!(
                "{name} keeps {kept} and has {}: it needs {needs}",
                count(rounds, "backup volume", "backup volumes")
            );
            let help = "add a backup volume in another round, or keep fewer generations".to_owned();
            let open = set.rounds.iter().position(|round| round.row(*id).is_none());
            notes.push(Note { severity: Severity::Warning, text, help, way_on: WayOn::Cell(*id, open) });
        }
    }
    notes
}

fn about_rounds(draft: &Draft) -> Vec<Note> {
    let set = draft.set();
    let empty = set.rounds.iter().filter(|round| round.rows.is_empty());
    empty
        .map(|round| {
            let text = format!("round {} has no pair, so it is not written", round.name);
            let help = "in step 2, - removes the round, p fills it".to_owned();
            Note { severity: Severity::Info, text, help, way_on: WayOn::None }
        })
        .collect()
}
