//! The policy form: how many generations, how often, and what becomes of the session.

use crate::console::form::{ChoiceField, Field, Form, NumberField, TextField, Value};
use crate::model::backup_window::BackupWindow;
use crate::model::duration;
use crate::model::identity::VolumeId;
use crate::model::records::{BackupMode, Policy, RotationGuard};
use crate::model::request::{Action, Request};
use crate::model::site_change::SiteChange;
use crate::model::volume_set::VolumeSet;
use std::collections::BTreeSet;

/// A policy while it is filled in.
#[derive(Debug, Clone)]
pub struct PolicyForm {
    /// One, or all of a set.
    pub volumes: Vec<VolumeId>,
    pub form: Form,
    /// The volumes that give their oldest generation up. Not in the form: the command line sets it, with a name typed. It stays
    /// as it was.
    reuse_oldest: BTreeSet<VolumeId>,
    pub armed: bool,
}

const GENERATIONS: &str = "generations";
const INTERVAL: &str = "interval";
const MODE: &str = "mode";
const FLOOR: &str = "floor";
const MIN_INTERVAL: &str = "min-interval";
const GRACE: &str = "grace";
const WINDOW: &str = "window";
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
            Field::new(
                MIN_INTERVAL,
                "min-interval",
                "Nothing is released while the newest sound generation is younger than this: 12h, 90m.",
                Value::Text(time_field(policy.guard.min_interval, "half of the days")),
            )
            .checked(|value| time(value).map(drop)),
            Field::new(
                GRACE,
                "grace",
                "So much later than the days above a backup is still in time: 2h, 1d.",
                Value::Text(time_field(policy.guard.grace, "a tenth of the days")),
            )
            .checked(|value| time(value).map(drop)),
            Field::new(
                WINDOW,
                "window",
                "The time of day by whose end a backup should be made: 02:00-05:00. Nothing starts by itself.",
                Value::Text(
                    TextField::new(policy.window.map_or_else(String::new, |window| window.to_string())).or_else("none"),
                ),
            )
            .checked(|value| window(value).map(drop)),
        ]);
        let reuse_oldest = policy.reuse_oldest.then_some(volume).into_iter().collect();
        Self { volumes: vec![volume], form, reuse_oldest, armed: false }
    }

    /// The same for all volumes of a set, with the policy of its first one. `present`: the policy of a volume.
    pub fn for_set(set: &VolumeSet, present: impl Fn(VolumeId) -> Option<Policy>) -> Self {
        let volumes = set.members.clone();
        let gives_up = |id: &VolumeId| present(*id).is_some_and(|policy| policy.reuse_oldest);
        let reuse_oldest = volumes.iter().copied().filter(gives_up).collect();
        match volumes.first() {
            Some(&first) => Self { volumes, reuse_oldest, ..Self::new(first, present(first)) },
            None => unreachable!("a set has volumes"),
        }
    }

    /// What is filled in, for the first volume.
    pub fn policy(&self) -> Policy {
        self.policy_of(self.volumes[0])
    }

    fn policy_of(&self, volume: VolumeId) -> Policy {
        let number = |name| u16::try_from(self.form.number(name).unwrap_or(1)).unwrap_or(u16::MAX);
        let mode = self.form.choice(MODE).and_then(|index| MODES.get(index)).copied().unwrap_or_default();
        let floor = Some(number(FLOOR)).filter(|floor| *floor != 1);
        let limit = |name| self.form.value(name).and_then(|value| time(value).ok()).flatten();
        let guard = RotationGuard { floor, min_interval: limit(MIN_INTERVAL), grace: limit(GRACE) };
        let window = self.form.value(WINDOW).and_then(|value| window(value).ok()).flatten();
        let policy = Policy::new(number(GENERATIONS), number(INTERVAL), mode);
        Policy { reuse_oldest: self.reuse_oldest.contains(&volume), guard, window, ..policy }
    }

    pub fn request(&self) -> Request {
        if let [volume] = self.volumes[..] {
            return Request::new(Action::SetPolicy { volume, policy: self.policy() });
        }
        let policies = self.volumes.iter().map(|volume| (*volume, self.policy_of(*volume))).collect();
        Request::new(Action::ApplySite { change: SiteChange { policies, ..SiteChange::default() } })
    }
}

fn time_field(seconds: Option<u32>, usual: &'static str) -> TextField {
    TextField::new(seconds.map_or_else(String::new, duration::written)).or_else(usual)
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text.value().trim(),
        Value::Number(_) | Value::Choice(_) | Value::List(_) => "",
    }
}

/// Seconds; `None`: as usual.
fn time(value: &Value) -> Result<Option<u32>, String> {
    let text = text(value);
    if text.is_empty() {
        return Ok(None);
    }
    let seconds = duration::millis(text)? / 1_000;
    let most = u64::from(Policy::MAX_DAYS) * 24 * 60 * 60;
    let within = u32::try_from(seconds).ok().filter(|_| seconds <= most);
    within.map(Some).ok_or_else(|| format!("{text} is too long: at most {} days", Policy::MAX_DAYS))
}

fn window(value: &Value) -> Result<Option<BackupWindow>, String> {
    let text = text(value);
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
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

    #[test]
    fn what_is_not_in_the_form_stays_for_each_volume_of_a_set() {
        let volumes = [0x10, 0x11, 0x12].map(one);
        let set = VolumeSet { name: "shop".parse().unwrap(), members: volumes.to_vec() };
        let present = |id| {
            let policy = Policy::new(3, 7, BackupMode::Suspend);
            (id != volumes[2]).then_some(Policy { reuse_oldest: id == volumes[1], ..policy })
        };
        let request = PolicyForm::for_set(&set, present).request();
        let Action::ApplySite { change } = request.action else { panic!("{request:?}") };
        let kept: Vec<bool> = change.policies.iter().map(|(_, policy)| policy.reuse_oldest).collect();
        assert_eq!(kept, [false, true, false]);
    }

    #[test]
    fn window_and_limits_are_typed_and_what_is_wrong_is_said() {
        let mut form = PolicyForm::new(one(0x10), Some(Policy::new(3, 7, BackupMode::Suspend)));
        let usual = form.policy();
        for text in ["12h", "2h", "22:00-05:00"] {
            while form.form.focused().unwrap().name != MIN_INTERVAL && text == "12h" {
                form.form.key(Key::Down);
            }
            for c in text.chars() {
                form.form.key(Key::Char(c));
            }
            form.form.key(Key::Tab);
        }
        let guard = RotationGuard { floor: None, min_interval: Some(12 * 3_600), grace: Some(2 * 3_600) };
        assert_eq!(form.policy(), Policy { guard, window: BackupWindow::new(22 * 60, 5 * 60), ..usual });
        // An empty field is the usual value again; a wrong one is not taken.
        form.form.key(Key::BackTab);
        form.form.key(Key::Ctrl('u'));
        assert_eq!(form.policy().window, None);
        for c in "25:00-26".chars() {
            form.form.key(Key::Char(c));
        }
        assert!(form.form.focused().unwrap().error().unwrap().contains("22:00-05:00"));
        assert_eq!(form.form.key(Key::Enter), crate::console::form::FormEvent::Wrong);
    }
}
