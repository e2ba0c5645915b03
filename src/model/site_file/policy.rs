//! A policy in a site file: the keys that are given. What is left out stays as it is.

use crate::model::backup_window::BackupWindow;
use crate::model::entity::{BackupMode, Policy, RotationGuard};
use serde::Serialize;
use serde_json::{Map, Value};
use toml::de::DeValue;

/// The keys of a policy, as the catalogue's own documents have them.
pub(super) type PolicyKeys = Map<String, Value>;

/// Every key that a policy can have.
pub(super) fn known() -> Vec<String> {
    // Each field stands here: a new one is a key of the file as soon as it compiles.
    let mode = BackupMode::Suspend;
    let (guard, window) = (every_guard(), BackupWindow::new(0, 1));
    let all = Policy { generations: 1, interval_days: 1, mode, reuse_oldest: true, guard, window };
    keys_of(all).into_iter().map(|(key, _)| key).collect()
}

/// A guard in which every key says something.
fn every_guard() -> RotationGuard {
    RotationGuard { floor: Some(1), min_interval: Some(1), grace: Some(1) }
}

/// The key of the guard in the catalogue's documents. In the file its keys stand among the others.
const GUARD: &str = "guard";
const WINDOW: &str = "window";
/// The policy has no window.
const NO_WINDOW: &str = "none";

fn members(document: impl Serialize) -> PolicyKeys {
    match serde_json::to_value(document) {
        Ok(Value::Object(keys)) => keys.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

/// The keys of a policy that says something.
pub(super) fn keys_of(policy: Policy) -> PolicyKeys {
    let mut keys = members(policy);
    if let Some(Value::Object(guard)) = keys.remove(GUARD) {
        keys.extend(guard);
    }
    keys
}

/// The policy that these keys make of the present one. The error is one sentence.
pub(super) fn over(present: Option<Policy>, given: &PolicyKeys) -> Result<Policy, String> {
    let mut keys = present.map(keys_of).unwrap_or_default();
    keys.extend(given.clone());
    // What is left out stays, so that no window has a word of its own.
    if keys.get(WINDOW).and_then(Value::as_str) == Some(NO_WINDOW) {
        keys.remove(WINDOW);
    }
    let guard: PolicyKeys = members(every_guard()).keys().filter_map(|key| keys.remove_entry(key)).collect();
    keys.insert(GUARD.to_owned(), Value::Object(guard));
    let policy: Policy = serde_json::from_value(Value::Object(keys)).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix("missing field ") {
            Some(field) => format!("the policy of a volume that has none needs {}", field.trim_matches('`')),
            None => "a value is not one that this key of a policy can have".to_owned(),
        }
    })?;
    Ok(policy)
}

/// A value of the file as the catalogue's documents have it; `None`: no policy has such a value.
pub(super) fn value(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::from(text.as_ref())),
        DeValue::Boolean(yes) => Some(Value::from(*yes)),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::from),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_left_out_stay_as_they_are() {
        let guard = RotationGuard { floor: Some(2), ..RotationGuard::default() };
        let mode = BackupMode::Dissolve;
        let window = BackupWindow::new(22 * 60, 5 * 60);
        let present = Policy { generations: 3, interval_days: 2, mode, reuse_oldest: true, guard, window };
        assert_eq!(over(Some(present), &Map::new()), Ok(present));
        let given = Map::from_iter([("generations".to_owned(), Value::from(5))]);
        assert_eq!(over(Some(present), &given), Ok(Policy { generations: 5, ..present }));
        assert!(over(None, &given).unwrap_err().contains("needs interval_days"));
        assert_eq!(over(None, &keys_of(present)), Ok(present));
        assert!(
            ["reuse_oldest", "floor", "min_interval", "grace", "window"]
                .iter()
                .all(|key| known().contains(&(*key).to_owned()))
        );
        let later = Map::from_iter([("grace".to_owned(), Value::from(60))]);
        let guard = RotationGuard { grace: Some(60), ..guard };
        assert_eq!(over(Some(present), &later), Ok(Policy { guard, ..present }));
    }
}
