//! The policy form drawn, with what the rules say of it while it is filled in.

use super::{Body, Content, Typing, keys_line};
use crate::console::app::App;
use crate::console::dialog::policy::PolicyForm;
use crate::console::view::form;

/// Lines of the fields with their help, and with what the rules say: the form keeps its height while it is filled in.
const FORM_END: usize = 11;
const NOTICES_END: usize = 13;

pub fn content(app: &App, policy: &PolicyForm, width: usize) -> Content {
    let theme = app.look.theme;
    let mut body = Body::new(width);
    let drawn = form::lines(&app.look, &policy.form, width);
    let typing = drawn.typing.map(|(line, column)| Typing::Body(line, column));
    body.lines.extend(drawn.lines);
    body.at_least(FORM_END);
    if let Some(snapshot) = app.snapshot() {
        let lead = format!("{} ", app.look.glyphs.attention);
        match (app.planner)(snapshot, &policy.request()) {
            Ok(plan) => {
                for notice in plan.items().iter().flat_map(|item| &item.notices) {
                    body.hanging(1, &lead, &format!("{} ({})", notice.text, notice.code), theme.warning, theme.warning);
                }
            }
            Err(refusal) => body.text(1, &refusal.to_string(), theme.dim),
        }
    }
    body.at_least(NOTICES_END);
    let name = app.snapshot().map_or_else(String::new, |snapshot| match policy.volumes[..] {
        [volume] => snapshot.label(volume),
        ref volumes => {
            let set = volumes.first().and_then(|volume| snapshot.volume_set_of(*volume));
            set.map_or_else(String::new, |set| format!("all {} volumes of set {}", volumes.len(), set.name))
        }
    });
    let keys = [("Up Down", "field"), ("Left Right", "change"), ("Enter", "show the plan"), ("Esc", "back")];
    Content { title: format!("Policy: {name}"), body, bottom: vec![keys_line(app, &keys)], typing, loud: false }
}
