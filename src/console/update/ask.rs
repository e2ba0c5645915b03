//! Verbs become requests, requests become questions to the engine.

use super::screens;
use crate::console::app::App;
use crate::console::dialog::Dialog;
use crate::console::dialog::plan::{PlanDialog, Stage};
use crate::console::dialog::policy::PolicyForm;
use crate::console::dialog::prompt::Prompt;
use crate::console::dialog::refused::RefusedDialog;
use crate::console::dialog::restore::RestoreForm;
use crate::console::messages::Effect;
use crate::console::requests;
use crate::console::screens::maps::MapsScreen;
use crate::console::types::{Link, Pane, Subject};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::plan::Refusal;
use crate::model::request::Request;
use crate::model::snapshot::Severity;
use crate::model::verb::Verb;
use tui_input::Input;

/// A verb's key: for the marked volumes if there are any, else for the focused pane's row.
pub fn verb(app: &mut App, verb: Verb) -> Vec<Effect> {
    if app.main.focus == Pane::Volumes && !app.main.marks.is_empty() {
        let marked = app.main.marks.iter().copied().collect();
        return if let Some(request) = requests::batch(verb, marked) {
            propose(app, request)
        } else {
            app.tell(Severity::Warning, "this acts on one volume at a time: Esc clears the marks");
            Vec::new()
        };
    }
    match app.subject() {
        Some(subject) => {
            let mut effects = round_below(app, verb, subject);
            effects.extend(verb_on(app, verb, subject));
            effects
        }
        None => Vec::new(),
    }
}

/// Below the plan that starts a volume of a map set stands its round: who does not agree sees why it is this one.
fn round_below(app: &mut App, verb: Verb, subject: Subject) -> Vec<Effect> {
    let volume = subject.owner().filter(|_| verb == Verb::Start && !app.settings.read_only);
    let Some((volume, context)) = volume.zip(app.context()) else { return Vec::new() };
    match MapsScreen::at_round_of(&context, volume) {
        Some(screen) => screens::put(app, Box::new(screen)),
        None => Vec::new(),
    }
}

/// A verb for one subject.
pub fn verb_on(app: &mut App, verb: Verb, subject: Subject) -> Vec<Effect> {
    let on_held = verb.of_generation().and_then(|known| known.on_held).filter(|_| is_held(subject));
    let verb = on_held.unwrap_or(verb);
    let reason = verb.of_generation().and_then(|known| known.reason);
    if let Some(needed) = reason.filter(|_| requests::generation(subject).is_some()) {
        if app.settings.read_only {
            app.tell(Severity::Warning, requests::read_only().to_string());
        } else {
            let prompt = Prompt { verb, needed, subject, input: Input::default(), armed: false };
            app.dialogs.push(Dialog::Prompt(Box::new(prompt)));
        }
        return Vec::new();
    }
    if let Some(set) = subject.set() {
        return verb_on_set(app, verb, subject, set);
    }
    if verb == Verb::SetPolicy
        && let Some(view) = subject.owner().and_then(|owner| app.snapshot()?.transaction_volume(owner))
    {
        let form = PolicyForm::new(view.volume.id, view.volume.policy);
        if app.settings.read_only {
            return propose(app, form.request());
        }
        app.dialogs.push(Dialog::Policy(Box::new(form)));
        return Vec::new();
    }
    if verb == Verb::Restore {
        return restore(app, subject);
    }
    let request = app.snapshot().and_then(|snapshot| requests::request(snapshot, verb, subject));
    if let Some(request) = request {
        propose(app, request)
    } else {
        let text = if verb.of_generation().is_some() {
            "select a generation first: 3 goes to them"
        } else {
            "this volume of the pool belongs to no transaction volume"
        };
        app.tell(Severity::Warning, text);
        Vec::new()
    }
}

/// A verb for the set that a volume is the first one of, or for one of its backups.
fn verb_on_set(app: &mut App, verb: Verb, subject: Subject, volume: VolumeId) -> Vec<Effect> {
    let Some(snapshot) = app.snapshot() else { return Vec::new() };
    let Some(set) = snapshot.volume_set_of(volume).cloned() else {
        app.tell(Severity::Warning, "this set is no longer there");
        return Vec::new();
    };
    let dialog = match verb {
        Verb::SetPolicy => {
            let policy = |id| snapshot.transaction_volume(id).and_then(|view| view.volume.policy);
            Some(Dialog::Policy(Box::new(PolicyForm::for_set(&set, policy))))
        }
        Verb::Restore => {
            let wanted = match subject {
                Subject::Instant { operation, .. } => Some(operation),
                _ => None,
            };
            RestoreForm::for_set(snapshot, &app.clock, &set, wanted).map(|form| Dialog::Restore(Box::new(form)))
        }
        _ => None,
    };
    let request = requests::request(snapshot, verb, subject);
    match (dialog, request) {
        (Some(_), _) if app.settings.read_only => app.tell(Severity::Warning, requests::read_only().to_string()),
        (Some(dialog), _) => app.dialogs.push(dialog),
        (None, Some(request)) => return propose(app, request),
        (None, None) if verb == Verb::Restore => {
            app.tell(Severity::Warning, format!("no backup of the whole set {} is kept and valid", set.name));
        }
        (None, None) => {
            let text = format!("this is done volume by volume: open set {} and choose one of them", set.name);
            app.tell(Severity::Warning, text);
        }
    }
    Vec::new()
}

/// The restore form: of the selected generation, or of the newest valid one of the selected volume.
fn restore(app: &mut App, subject: Subject) -> Vec<Effect> {
    if app.settings.read_only {
        app.tell(Severity::Warning, requests::read_only().to_string());
        return Vec::new();
    }
    let chosen = requests::generation(subject).map(|(volume, version)| (volume, Some(version)));
    let volume = chosen.or_else(|| subject.owner().map(|owner| (owner, None)));
    let form = volume.and_then(|(volume, version)| RestoreForm::new(app.snapshot()?, &app.clock, volume, version));
    match form {
        Some(form) => app.dialogs.push(Dialog::Restore(Box::new(form))),
        None => app.tell(Severity::Warning, "no generation is kept that could be restored"),
    }
    Vec::new()
}

fn is_held(subject: Subject) -> bool {
    matches!(subject, Subject::Generation { held: true, .. } | Subject::Backup { held: true, .. })
}

/// Opens the dialog for a request: its plan, or why not. The rules answer here and now; the engine's plan follows.
pub fn propose(app: &mut App, request: Request) -> Vec<Effect> {
    if app.settings.read_only {
        let refused = RefusedDialog::new(request, requests::read_only());
        app.dialogs.push(Dialog::Refused(Box::new(refused)));
        return Vec::new();
    }
    let Some(snapshot) = app.snapshot() else { return Vec::new() };
    let refusal = (app.planner)(snapshot, &request).err().filter(|refusal| !is_early(app, refusal));
    let ticket = app.ticket();
    // The engine is asked in any case: what it refuses to a pressed key belongs into the audit.
    app.dialogs.push(match refusal {
        Some(refusal) => {
            let refused = RefusedDialog { ticket: Some(ticket), ..RefusedDialog::new(request.clone(), refusal) };
            Dialog::Refused(Box::new(refused))
        }
        None => Dialog::Plan(Box::new(PlanDialog::new(request.clone(), ticket))),
    });
    vec![Effect::Plan { ticket, request, asked: true }]
}

/// Whether a refusal only says that the first reading of an array is under way: it is a matter of a moment, and no fact of
/// the site. An array that does not answer is refused by another code.
pub fn is_early(app: &App, refusal: &Refusal) -> bool {
    refusal.code == Code::ARRAY_STALE && !app.being_read().is_empty()
}

/// An open dialog plans again with every snapshot, one question at a time.
pub fn again(app: &mut App) -> Vec<Effect> {
    if app.link != Link::Live || app.settings.read_only {
        return Vec::new();
    }
    let ticket = app.ticket();
    let request = match app.dialogs.last_mut() {
        Some(Dialog::Plan(plan)) if plan.ticket.is_none() && !matches!(plan.stage, Stage::Running(_)) => {
            plan.ticket = Some(ticket);
            plan.request.clone()
        }
        Some(Dialog::Refused(refused)) if refused.ticket.is_none() => {
            refused.ticket = Some(ticket);
            refused.request.clone()
        }
        _ => return Vec::new(),
    };
    vec![Effect::Plan { ticket, request, asked: false }]
}

/// No open question will be answered, and why. What was agreed to may have begun, so its dialog goes.
pub fn forget(app: &mut App, why: &str) {
    let mut unsure = false;
    app.dialogs.retain_mut(|dialog| match dialog {
        Dialog::Plan(plan) if matches!(plan.stage, Stage::Running(_)) => {
            unsure = true;
            false
        }
        Dialog::Plan(plan) => {
            plan.ticket = None;
            true
        }
        Dialog::Refused(refused) => {
            refused.ticket = None;
            true
        }
        _ => true,
    });
    if unsure {
        let text = format!("{why} after you agreed: it may run or not; events and copies show which");
        app.tell(Severity::Warning, text);
    }
}
