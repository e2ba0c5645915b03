//! The policy form: how many generations, how often, and what becomes of the session.

use crate::console::form::{ChoiceField, Field, Form, NumberField, Value};
use crate::model::backup_window::BackupWindow;
use crate::model::identity::VolumeId;
use crate::model::records::{BackupMode, Policy, RotationGuard};
use crate::model::request::{Action, Request};

/// A policy while it is filled in.
#[derive(Debug, Clone)]
pub struct PolicyForm {
    pub volume: VolumeId,
    pub form: Form,
    /// Not in the form: the command line sets these. They stay as they were.
    reuse_oldest: bool,
    min_interval: Option<u32>,
    grace: Option<u32>,
    window: Option<BackupWindow>,
    pub armed: bool,
}

const GENERATIONS: &str = "generations";
const INTERVAL: &str = "interval";
const MODE: &str = "mode";
const FLOOR: &str = "floor";
const MODES: [BackupMode; 2] = [BackupMode::Suspend, BackupMode::Dissolve];

impl PolicyForm {
    /// With the policy that is, or else one generation a day.
    pub fn new(volume: VolumeId, present: Option<Policy>) -> Self {
        let policy = present.unwrap_or(Policy::new(1, 1, BackupMode::default()));
        let generations = NumberField::new(policy.generations.into(), 1, Policy::MAX_GENERATIONS.into());
        let interval = NumberField::new(policy.interval_days.into(), 1, Policy::MAX_DAYS.into());
        let mode = MODES.iter().position(|mode| *mode == policy.mode).unwrap_or(0);
        let form = Form::new(vec![
            Field::new(
                GENERATIONS,
                "generations kept",
                "With one more, the oldest is released. Each needs a backup volume, and one more is needed for the next copy.",
                Value::Number(generations),
            ),
            Field::new(
                INTERVAL,
                "backed up every",
                "When this time has passed, the volume is shown as overdue. Nothing starts by itself.",
                Value::Number(interval.counting("day", "days")),
            ),
            Field::new(
                MODE,
                "after a backup",
                "suspend: the session stays, and the next start copies only what changed. dissolve: the session ends, and \
                 the next start copies everything.",
                Value::Choice(ChoiceField::new(MODES.map(|mode| mode.to_string()), mode)),
            ),
            Field::new(
                FLOOR,
                "floor",
                "Retention always leaves so many sound generations: not in doubt, and without need of attention.",
                Value::Number(NumberField::new(policy.floor().into(), 1, Policy::MAX_GENERATIONS.into())),
            ),
        ]);
        let RotationGuard { min_interval, grace, .. } = policy.guard;
        let window = policy.window;
        Self { volume, form, reuse_oldest: policy.reuse_oldest, min_interval, grace, window, armed: false }
    }

    pub fn policy(&self) -> Policy {
        let number = |name| u16::try_from(self.form.number(name).unwrap_or(1)).unwrap_or(u16::MAX);
        let mode = self.form.choice(MODE).and_then(|index| MODES.get(index)).copied().unwrap_or_default();
        let floor = Some(number(FLOOR)).filter(|floor| *floor != 1);
        let guard = RotationGuard { floor, min_interval: self.min_interval, grace: self.grace };
        let policy = Policy::new(number(GENERATIONS), number(INTERVAL), mode);
        Policy { reuse_oldest: self.reuse_oldest, guard, window: self.window, ..policy }
    }

    pub fn request(&self) -> Request {
        Request::new(Action::SetPolicy { volume: self.volume, policy: self.policy() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::fixture::one;
    use crate::console::keys::Key;

    #[test]
    fn each_field_changes_by_itself() {
        let guard = RotationGuard { floor: Some(2), min_interval: Some(60), grace: None };
        let window = BackupWindow::new(120, 300);
        let present = Policy { reuse_oldest: true, guard, window, ..Policy::new(3, 7, BackupMode::Suspend) };
        let mut form = PolicyForm::new(one(0x10), Some(present));
        assert_eq!(form.policy(), present);
        for key in [Key::Char('1'), Key::Down, Key::Right, Key::Tab, Key::Char('l'), Key::Char('5'), Key::Tab] {
            form.form.key(key);
        }
        let expected = Policy { reuse_oldest: true, guard, window, ..Policy::new(1, 8, BackupMode::Dissolve) };
        assert_eq!(form.policy(), expected);
        form.form.key(Key::Up);
        form.form.key(Key::Left);
        assert_eq!(form.policy().mode, BackupMode::Suspend);
    }
}
