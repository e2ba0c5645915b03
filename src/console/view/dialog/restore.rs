//! The restore form drawn, with what the rules say of it while it is filled in.

use super::{Body, Content, keys_line};
use crate::console::app::App;
use crate::console::dialog::restore::RestoreForm;
use crate::console::view::form;
use crate::model::units::count;

pub fn content(app: &App, restore: &RestoreForm, width: usize) -> Content {
    let theme = app.look.theme;
    let mut body = Body::new(width);
    let drawn = form::lines(&app.look, &restore.form, width);
    body.lines.extend(drawn.lines);
    body.gap();
    if let (Some(snapshot), Some(request)) = (app.snapshot(), restore.request()) {
        match (app.planner)(snapshot, &request) {
            Ok(plan) => {
                let what = plan.confirmation().map(|confirmation| confirmation.what.as_str());
                body.text(1, what.unwrap_or_default(), theme.warning);
                if restore.target() == Some(restore.volume) && restore.newer() > 0 {
                    let newer = count(restore.newer(), "generation is", "generations are");
                    body.text(1, &format!("{newer} newer than this one, and stay."), theme.text);
                }
            }
            Err(refusal) => body.text(1, &refusal.to_string(), theme.dim),
        }
    }
    let name = app.snapshot().map_or_else(String::new, |snapshot| snapshot.label(restore.volume));
    let keys = [("Tab", "field"), ("Up Down", "volume"), ("Left Right", "change"), ("Enter", "plan"), ("Esc", "back")];
    Content { title: format!("Restore: {name}"), body, bottom: vec![keys_line(app, &keys)], typing: None, loud: false }
}
