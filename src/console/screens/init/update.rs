//! Keys of the first set-up.

use super::groups::{Candidate, usual_name};
use super::keys;
use super::state::{Chosen, Editing, InitScreen, Stage, Typing};
use crate::console::dialog::policy::PolicyForm;
use crate::console::form::FormEvent;
use crate::console::keys::{Command, Key, Scope};
use crate::console::screens::screen::{Context, Step, moved};
use crate::console::text_edit::edit;
use crate::model::identity::Name;
use crate::model::request::VolumeRole;
use crate::model::snapshot::Severity;
use crate::model::volume_group::GroupPlace;
use tui_input::Input;

pub fn key(screen: &mut InitScreen, context: &Context, key: Key, command: Option<Command>) -> Vec<Step> {
    let asked = std::mem::take(&mut screen.asked);
    let mut steps = if screen.form.is_some() {
        form_key(screen, key)
    } else if screen.typing.is_some() {
        typing_key(screen, key)
    } else {
        command.map_or_else(Vec::new, |command| act(screen, context, command, asked))
    };
    screen.settle(context);
    steps.extend(screen.keep());
    steps
}

fn act(screen: &mut InitScreen, context: &Context, command: Command, asked: bool) -> Vec<Step> {
    let at = if screen.stage == Stage::Groups { screen.groups.cursor.selected } else { screen.cursor.selected };
    if let Some(row) = moved(command, at, usize::from(context.height() / 2)) {
        if screen.stage == Stage::Groups {
            screen.groups.move_to(row);
        } else {
            screen.move_to(row);
        }
        return Vec::new();
    }
    match command {
        keys::MAPS => screen.stage = Stage::Maps,
        keys::PAIR => return vec![Step::Open(Scope::Maps)],
        Command::Open if screen.stage == Stage::Maps => return vec![Step::Open(Scope::Maps)],
        keys::WRITE => return write(screen),
        keys::TRANSACTION if screen.stage == Stage::Groups => {
            return choose_group(screen, context, Some(VolumeRole::Transaction));
        }
        keys::BACKUP if screen.stage == Stage::Groups => {
            return choose_group(screen, context, Some(VolumeRole::Backup));
        }
        keys::NEITHER if screen.stage == Stage::Groups => return choose_group(screen, context, None),
        keys::GROUPS => screen.stage = Stage::Groups,
        keys::VOLUMES => screen.stage = Stage::Volumes,
        keys::POLICIES => return to_policies(screen),
        Command::Back => return back(screen, asked),
        // What follows is about volumes that are chosen here.
        _ if screen.stage == Stage::Maps => return info("m pairs them by device maps; 1 goes back to the volumes"),
        Command::Open if screen.stage == Stage::Groups => return to_policies(screen),
        _ if screen.stage == Stage::Groups => {
            return info("t transaction, b backup, x neither; names and policies are in the other steps");
        }
        Command::Filter if screen.stage == Stage::Volumes => {
            screen.typing = Some(Typing::Filter(Input::new(screen.filter.clone())));
        }
        Command::Open if screen.stage == Stage::Volumes && !screen.groups.rows.is_empty() => {
            screen.stage = Stage::Groups;
        }
        Command::Open if screen.stage == Stage::Volumes => return to_policies(screen),
        Command::Open | keys::POLICY => return edit_policy(screen),
        keys::TRANSACTION => choose(screen, VolumeRole::Transaction),
        keys::BACKUP => choose(screen, VolumeRole::Backup),
        keys::NEITHER => {
            for id in screen.subjects() {
                screen.chosen.remove(&id);
            }
            screen.marks.clear();
        }
        keys::NAME => return name(screen),
        keys::GROUP => return group(screen),
        keys::MARK => {
            if let Some(id) = screen.selected().map(|row| row.id) {
                if !screen.marks.remove(&id) {
                    screen.marks.insert(id);
                }
                screen.move_to(screen.cursor.selected + 1);
            }
        }
        keys::MARK_ALL => {
            if screen.rows.iter().all(|row| screen.marks.contains(&row.id)) {
                screen.marks.clear();
            } else {
                screen.marks.extend(screen.rows.iter().map(|row| row.id));
            }
        }
        _ => {}
    }
    Vec::new()
}

fn info(text: &str) -> Vec<Step> {
    vec![Step::Tell(Severity::Info, text.to_owned())]
}

/// The role of the subjects. What a volume was before in it, its name and its policy, stays.
fn choose(screen: &mut InitScreen, role: VolumeRole) {
    let subjects = screen.subjects();
    for id in &subjects {
        let usual = || PolicyForm::new(*id, None).policy();
        let chosen =
            screen.chosen.entry(*id).or_insert_with(|| Chosen { role, name: None, group: None, policy: usual() });
        chosen.role = role;
    }
    if subjects.len() == 1 && screen.marks.is_empty() {
        screen.move_to(screen.cursor.selected + 1);
    }
    screen.marks.clear();
}

/// The role of the volume that the selected group is on.
fn choose_group(screen: &mut InitScreen, context: &Context, role: Option<VolumeRole>) -> Vec<Step> {
    let Some(row) = screen.groups.selected() else { return info("there is no volume group to choose") };
    let (place, candidate) = (row.place.clone(), row.candidate.clone());
    let id = match candidate {
        Candidate::Volume(id) => id,
        Candidate::Registered(name) => return info(&format!("{place} is registered already, as {name}")),
        Candidate::None(why) => return vec![Step::Tell(Severity::Warning, format!("{place}: {why}"))],
    };
    let Some(role) = role else {
        screen.chosen.remove(&id);
        return Vec::new();
    };
    let named = match role {
        VolumeRole::Transaction => usual_name(&place, context.snapshot(), &screen.chosen),
        VolumeRole::Backup => None,
    };
    let usual = || PolicyForm::new(id, None).policy();
    let chosen = screen.chosen.entry(id).or_insert_with(|| Chosen { role, name: None, group: None, policy: usual() });
    chosen.role = role;
    chosen.group = Some(place);
    chosen.name = chosen.name.take().or(named);
    screen.groups.move_to(screen.groups.cursor.selected + 1);
    Vec::new()
}

fn to_policies(screen: &mut InitScreen) -> Vec<Step> {
    if screen.of_role(VolumeRole::Transaction) == 0 {
        return info("no volume is a transaction volume yet: t makes the selected one, or all marked ones, so");
    }
    screen.stage = Stage::Policies;
    screen.marks.clear();
    Vec::new()
}

fn edit_policy(screen: &mut InitScreen) -> Vec<Step> {
    if screen.stage == Stage::Volumes {
        return to_policies(screen);
    }
    let volumes = screen.subjects();
    let first = volumes.first().and_then(|id| Some((*id, screen.chosen.get(id)?.policy)));
    let Some((id, policy)) = first else { return Vec::new() };
    screen.form = Some(Editing { volumes, policy: PolicyForm::new(id, Some(policy)) });
    Vec::new()
}

fn form_key(screen: &mut InitScreen, key: Key) -> Vec<Step> {
    let Some(editing) = &mut screen.form else { return Vec::new() };
    match editing.policy.form.key(key) {
        FormEvent::Submitted => {
            let policy = editing.policy.policy();
            let volumes = std::mem::take(&mut editing.volumes);
            for id in volumes {
                if let Some(chosen) = screen.chosen.get_mut(&id) {
                    chosen.policy = policy;
                }
            }
            screen.form = None;
            screen.marks.clear();
        }
        FormEvent::Cancelled => screen.form = None,
        FormEvent::Moved | FormEvent::Changed | FormEvent::Wrong | FormEvent::Ignored => {}
    }
    Vec::new()
}

fn name(screen: &mut InitScreen) -> Vec<Step> {
    let Some(id) = screen.selected().map(|row| row.id) else { return Vec::new() };
    let Some(chosen) = screen.chosen.get(&id) else {
        return info("say first what the volume is: t transaction, b backup");
    };
    let present = chosen.name.as_ref().map(ToString::to_string).unwrap_or_default();
    screen.typing = Some(Typing::Name(id, Input::new(present)));
    Vec::new()
}

fn group(screen: &mut InitScreen) -> Vec<Step> {
    let Some(id) = screen.selected().map(|row| row.id) else { return Vec::new() };
    let Some(chosen) = screen.chosen.get(&id) else {
        return info("say first what the volume is: t transaction, b backup");
    };
    let present = chosen.group.as_ref().map(ToString::to_string).unwrap_or_default();
    screen.typing = Some(Typing::Group(id, Input::new(present)));
    Vec::new()
}

fn typing_key(screen: &mut InitScreen, key: Key) -> Vec<Step> {
    match (&mut screen.typing, key) {
        (Some(Typing::Filter(_)), Key::Enter | Key::Tab) | (Some(Typing::Name(..) | Typing::Group(..)), Key::Esc) => {
            screen.typing = None;
        }
        (Some(Typing::Filter(_)), Key::Esc) => {
            screen.typing = None;
            screen.filter.clear();
        }
        (Some(Typing::Filter(input)), key) => {
            if edit(input, key) {
                screen.filter = input.value().to_lowercase();
            }
        }
        (Some(Typing::Name(id, input)), Key::Enter) => {
            let (id, text) = (*id, input.value().trim().to_owned());
            let name = if text.is_empty() { None } else { text.parse::<Name>().ok() };
            if name.is_none() && !text.is_empty() {
                let most = Name::MAX_LENGTH;
                let text = format!(
                    "this cannot be a name: 1 to {most} of A-Z a-z 0-9 . _ -, beginning with a letter or a digit"
                );
                return vec![Step::Tell(Severity::Warning, text)];
            }
            if let Some(chosen) = screen.chosen.get_mut(&id) {
                chosen.name = name;
            }
            screen.typing = None;
        }
        (Some(Typing::Group(id, input)), Key::Enter) => {
            let (id, text) = (*id, input.value().trim().to_owned());
            let group = if text.is_empty() { Ok(None) } else { text.parse::<GroupPlace>().map(Some) };
            match (group, screen.chosen.get_mut(&id)) {
                (Err(why), _) => return vec![Step::Tell(Severity::Warning, why)],
                (Ok(group), Some(chosen)) => chosen.group = group,
                (Ok(_), None) => {}
            }
            screen.typing = None;
        }
        (Some(Typing::Name(_, input) | Typing::Group(_, input)), key) => drop(edit(input, key)),
        (None, _) => {}
    }
    Vec::new()
}

fn write(screen: &mut InitScreen) -> Vec<Step> {
    if screen.chosen.is_empty() {
        return info("no volume is chosen yet: t makes the selected one a transaction volume, b a backup volume");
    }
    screen.written = screen.chosen.keys().copied().collect();
    vec![Step::Propose(screen.request())]
}

/// One step back.
fn back(screen: &mut InitScreen, asked: bool) -> Vec<Step> {
    if !screen.marks.is_empty() {
        screen.marks.clear();
    } else if screen.stage == Stage::Policies && !screen.groups.rows.is_empty() {
        screen.stage = Stage::Groups;
    } else if matches!(screen.stage, Stage::Policies | Stage::Groups) {
        screen.stage = Stage::Volumes;
    } else if !screen.filter.is_empty() && screen.stage == Stage::Volumes {
        screen.filter.clear();
    } else {
        let Some(work) = screen.unsaved().filter(|_| !asked) else { return vec![Step::Close] };
        screen.asked = true;
        return vec![Step::Tell(
            Severity::Warning,
            format!("{work}; Esc again leaves and keeps the choice for later, w registers them"),
        )];
    }
    Vec::new()
}
