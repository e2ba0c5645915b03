//! Keys in the preview: storing, and the editor.

use super::super::keys;
use super::super::state::write::{Edited, editor_text, read};
use super::super::state::{MapsScreen, Stage, request};
use super::{go, info};
use crate::console::keys::Command;
use crate::console::screens::screen::{Context, Step, moved};
use crate::model::device_map::{difference, with_findings, without_findings};
use crate::model::snapshot::Severity;
use crate::model::units::count;

pub fn act(screen: &mut MapsScreen, context: &Context, command: Command, asked: bool) -> Vec<Step> {
    let part = &mut screen.write;
    let (at, rows) = if part.other { (part.other_scroll, part.rows.1) } else { (part.scroll, part.rows.0) };
    if let Some(to) = moved(command, at, rows) {
        // Settling brings it back to where there are lines.
        *(if part.other { &mut part.other_scroll } else { &mut part.scroll }) = to;
        return Vec::new();
    }
    match command {
        keys::OTHER_PANE => part.other = !part.other,
        keys::WRITE => return store(screen, context),
        keys::CLEAR if part.edited.is_some() => {
            if asked {
                part.edited = None;
                return info("the edited text is dropped; the draft is as it was");
            }
            screen.asked = true;
            return vec![Step::Tell(Severity::Warning, "the edited text would be lost; x again drops it".to_owned())];
        }
        Command::Open => return info("w stores the map set: you see the plan first, and agree to it"),
        _ => {}
    }
    Vec::new()
}

/// Shows the plan that stores the map set.
fn store(screen: &MapsScreen, context: &Context) -> Vec<Step> {
    if screen.write.edited.is_some() {
        return vec![Step::Tell(
            Severity::Warning,
            "correct the edited text first: e opens it again, x drops it".to_owned(),
        )];
    }
    let Some(draft) = &screen.open else { return Vec::new() };
    if draft.base.is_none() && context.snapshot().map_set(draft.name().as_str()).is_some() {
        // An import would replace it, and nobody has said that this is meant.
        let text = format!("there is a map set {} already: n gives this one another name", draft.name());
        return vec![Step::Tell(Severity::Warning, text)];
    }
    vec![Step::Propose(request(draft))]
}

/// The map set as text in the person's editor. A text that was wrong comes back with what is wrong below its lines.
pub fn edit(screen: &mut MapsScreen, context: &Context) -> Vec<Step> {
    if screen.open.is_none() {
        return info("open a map set first, or begin a new one: Enter on its row");
    }
    let steps = go(screen, context, Stage::Write);
    let Some(draft) = screen.open.as_ref().filter(|_| screen.stage == Stage::Write) else { return steps };
    let text = match &screen.write.edited {
        Some(edited) => with_findings(&edited.text, &edited.findings),
        None => editor_text(context.snapshot(), draft),
    };
    vec![Step::Edit { name: draft.name().clone(), text }]
}

/// What came back from the editor.
pub fn edited(screen: &mut MapsScreen, context: &Context, text: Result<&str, &str>) -> Vec<Step> {
    let Some(draft) = &mut screen.open else { return Vec::new() };
    let text = match text {
        Ok(text) => without_findings(text),
        Err(why) => return vec![Step::Tell(Severity::Problem, format!("{why}; the draft is as it was"))],
    };
    let step = match read(context.snapshot(), draft, &text) {
        Ok(set) => {
            let changed = difference(Some(&draft.to_store()), Some(&set)).len();
            draft.replace(context.clock.now, &set);
            screen.write.edited = None;
            if changed == 0 {
                Step::Tell(Severity::Info, "the text has the same pairs as before".to_owned())
            } else {
                let pairs = count(changed, "pair", "pairs");
                Step::Tell(Severity::Good, format!("{pairs} changed by the text; u takes it back"))
            }
        }
        Err(findings) => {
            let wrong = count(findings.len(), "finding", "findings");
            screen.write.edited = Some(Edited { text, findings });
            screen.write.scroll = 0;
            let text = format!("{wrong}: e opens the text again, each below its line; x drops it");
            Step::Tell(Severity::Problem, text)
        }
    };
    screen.settle(context);
    let mut steps = vec![step];
    steps.extend(screen.keep());
    steps
}
