//! The policy form: how many generations, how often, and what becomes of the session. What the rules say of it is shown
//! while it is filled in.

use super::super::app::App;
use super::{Body, Content, keys_line};
use crate::model::identity::VolumeId;
use crate::model::records::{BackupMode, Policy};
use crate::model::request::{Action, Request};
use crate::model::units::count;
use ratatui::text::{Line, Span};

#[derive(Debug, Clone)]
pub struct PolicyForm {
    pub volume: VolumeId,
    pub policy: Policy,
    field: Field,
    /// The next digit begins a new number.
    fresh: bool,
    pub armed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Generations,
    Interval,
    Mode,
}

impl Field {
    const ALL: [Self; 3] = [Self::Generations, Self::Interval, Self::Mode];

    fn label(self) -> &'static str {
        match self {
            Self::Generations => "generations kept",
            Self::Interval => "backed up every",
            Self::Mode => "after a backup",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Generations => {
                "With one more, the oldest is released. Each needs a backup volume, and one more is needed for the next copy."
            }
            Self::Interval => "Exceeded, it gives a notice; nothing is ever started by itself.",
            Self::Mode => {
                "suspend keeps the session, and the next start copies the difference; dissolve ends it, and the next \
                 start copies everything, to any unused volume."
            }
        }
    }
}

/// Lines after the fields and their help, and after what the rules say: the form keeps its height while it is filled in.
const HELP_END: usize = 7;
const NOTICES_END: usize = 9;

impl PolicyForm {
    /// With the policy that is, or else one generation a day.
    pub fn new(volume: VolumeId, present: Option<Policy>) -> Self {
        let policy = present.unwrap_or(Policy {
            generations: 1,
            interval_days: 1,
            mode: BackupMode::default(),
            reuse_oldest: false,
        });
        Self { volume, policy, field: Field::Generations, fresh: true, armed: false }
    }

    pub fn request(&self) -> Request {
        Request::new(Action::SetPolicy { volume: self.volume, policy: self.policy })
    }

    pub fn next_field(&mut self) {
        self.turn(1);
    }

    pub fn previous_field(&mut self) {
        self.turn(Field::ALL.len() - 1);
    }

    fn turn(&mut self, by: usize) {
        let at = Field::ALL.iter().position(|field| *field == self.field).unwrap_or(0);
        self.field = Field::ALL[(at + by) % Field::ALL.len()];
        self.fresh = true;
    }

    pub fn more(&mut self) {
        self.change(|number| number + 1);
    }

    pub fn less(&mut self) {
        self.change(|number| number.saturating_sub(1));
    }

    /// A digit typed at the end of the number.
    pub fn digit(&mut self, digit: u16) {
        if self.field != Field::Mode {
            let fresh = std::mem::take(&mut self.fresh);
            self.change(|number| if fresh { digit } else { number * 10 + digit });
            self.fresh = false;
        }
    }

    /// Takes the last digit back; a number is never empty.
    pub fn erase(&mut self) {
        if self.field != Field::Mode {
            self.change(|number| number / 10);
        }
    }

    fn change(&mut self, to: impl FnOnce(u16) -> u16) {
        let Policy { generations, interval_days, mode, .. } = &mut self.policy;
        match self.field {
            Field::Generations => *generations = to(*generations).clamp(1, Policy::MAX_GENERATIONS),
            Field::Interval => *interval_days = to(*interval_days).clamp(1, Policy::MAX_DAYS),
            Field::Mode => {
                *mode = match mode {
                    BackupMode::Suspend => BackupMode::Dissolve,
                    BackupMode::Dissolve => BackupMode::Suspend,
                }
            }
        }
    }

    fn value(&self, field: Field) -> String {
        match field {
            Field::Generations => self.policy.generations.to_string(),
            Field::Interval => count(self.policy.interval_days.into(), "day", "days"),
            Field::Mode => self.policy.mode.to_string(),
        }
    }
}

pub fn content(app: &App, form: &PolicyForm, width: usize) -> Content {
    let theme = app.look.theme;
    let mut body = Body::new(width);
    for field in Field::ALL {
        let here = field == form.field;
        let (label, value) = if here { (theme.text, theme.button_focused) } else { (theme.dim, theme.text) };
        body.lines.push(Line::from(vec![
            Span::styled(format!(" {:<18}", field.label()), label),
            Span::styled(if here { "< " } else { "  " }, theme.key),
            Span::styled(format!(" {:^10} ", form.value(field)), value),
            Span::styled(if here { " >" } else { "  " }, theme.key),
        ]));
    }
    body.gap();
    body.text(1, form.field.help(), theme.dim);
    body.at_least(HELP_END);
    if let Some(snapshot) = app.snapshot() {
        let lead = format!("{} ", app.look.glyphs.attention);
        match (app.planner)(snapshot, &form.request()) {
            Ok(plan) => {
                for notice in plan.items().iter().flat_map(|item| &item.notices) {
                    body.hanging(1, &lead, &format!("{} ({})", notice.text, notice.code), theme.warning, theme.warning);
                }
            }
            Err(refusal) => body.text(1, &refusal.to_string(), theme.dim),
        }
    }
    body.at_least(NOTICES_END);
    let name = app.snapshot().map_or_else(String::new, |snapshot| snapshot.label(form.volume));
    let keys = [("Up Down", "field"), ("Left Right", "change"), ("Enter", "show the plan"), ("Esc", "back")];
    Content { title: format!("Policy: {name}"), body, bottom: vec![keys_line(app, &keys)], typing: None, loud: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::fixture::one;

    fn form() -> PolicyForm {
        PolicyForm::new(
            one(0x10),
            Some(Policy { generations: 3, interval_days: 7, mode: BackupMode::Suspend, reuse_oldest: false }),
        )
    }

    #[test]
    fn digits_begin_a_new_number_and_stay_within_bounds() {
        let mut form = form();
        form.digit(1);
        form.digit(2);
        assert_eq!(form.policy.generations, 12);
        form.digit(9);
        assert_eq!(form.policy.generations, Policy::MAX_GENERATIONS);
        form.erase();
        form.erase();
        assert_eq!(form.policy.generations, 1, "a number is never empty");
    }

    #[test]
    fn each_field_changes_by_itself() {
        let mut form = form();
        form.less();
        form.next_field();
        form.more();
        form.next_field();
        form.more();
        form.digit(5);
        form.next_field();
        form.digit(0);
        assert_eq!(
            form.policy,
            Policy { generations: 1, interval_days: 8, mode: BackupMode::Dissolve, reuse_oldest: false }
        );
        form.previous_field();
        form.less();
        assert_eq!(form.policy.mode, BackupMode::Suspend);
    }
}
