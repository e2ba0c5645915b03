//! The restore form drawn: with what is lost, and the whole plan as far as there is room for it.

use super::{Body, Content, Typing, around_restore, keys_line};
use crate::console::app::App;
use crate::console::dialog::restore::RestoreForm;
use crate::console::dialog::{AIRY, rows};
use crate::console::view::form;
use crate::model::plan::AroundRestore;
use crate::model::units::count;

/// Rows of a list of the form.
const LIST_ROWS: usize = 8;
/// The same on a screen of few rows.
const FEW_ROWS: usize = 4;

pub fn content(app: &App, restore: &RestoreForm, width: usize) -> Content {
    let theme = app.look.theme;
    let mut body = Body::new(width);
    let list_rows = if app.size.1 < AIRY { FEW_ROWS } else { LIST_ROWS };
    let drawn = form::folded(&app.look, &restore.form, width, list_rows);
    let typing = drawn.typing.map(|(line, column)| Typing::Body(line, column));
    body.lines.extend(drawn.lines);
    body.gap();
    let asked = restore.request();
    if let Some(Err(why)) = &asked {
        body.text(1, why, theme.dim);
    }
    if let (Some(snapshot), Some(Ok(request))) = (app.snapshot(), asked) {
        match (app.planner)(snapshot, &request) {
            Ok(plan) => {
                for item in plan.items() {
                    let around = AroundRestore::of(snapshot, item);
                    for lost in around_restore::losses(app, &around) {
                        body.text(1, &lost, theme.warning);
                    }
                    let mut steps = Body::new(width);
                    steps.gap();
                    around_restore::plan(app, snapshot, item, &around, &mut steps);
                    let room = rows(usize::MAX, 1, app.size.1).saturating_sub(body.lines.len());
                    if steps.lines.len() < room {
                        body.gap();
                        body.lines.append(&mut steps.lines);
                    } else {
                        let steps = count(item.steps.len(), "step", "steps");
                        body.text(
                            1,
                            &format!("Enter shows the plan: {steps}, what is done by hand, the next job."),
                            theme.dim,
                        );
                    }
                }
            }
            Err(refusal) => body.text(1, &refusal.to_string(), theme.dim),
        }
    }
    let name = app.snapshot().map_or_else(String::new, |snapshot| snapshot.label(restore.volume));
    let keys = [("Tab", "field"), ("Up Down", "row"), ("Left Right", "change"), ("Enter", "plan"), ("Esc", "back")];
    Content { title: format!("Restore: {name}"), body, bottom: vec![keys_line(app, &keys)], typing, loud: false }
}
