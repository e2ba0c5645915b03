//! What people should know of the arrays: what is wrong now, which ends with its cause, and what happened.

use crate::model::identity::VolumeId;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Sentences about what happened that are kept.
const MAX_WARNINGS: usize = 100;

/// What is wrong now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArrayProblem {
    /// The state of the arrays cannot be written: commands that would change it are refused.
    State,
    /// The maps cannot be written: after a crash more is copied again.
    Checkpoint,
    /// A volume is out of service.
    Volume(VolumeId),
    /// The workload of a volume fails.
    Workload(VolumeId),
}

impl ArrayProblem {
    fn opening(&self) -> String {
        match self {
            Self::State => "the state of the arrays cannot be written, so they take no commands".to_owned(),
            Self::Checkpoint => "what is copied cannot be noted, so a crash would copy it again".to_owned(),
            Self::Volume(id) => format!("{id} is out of service"),
            Self::Workload(id) => format!("the workload on {id} fails"),
        }
    }
}

#[derive(Debug, Default)]
pub struct Troubles {
    now: Mutex<BTreeMap<ArrayProblem, String>>,
    happened: Mutex<Vec<String>>,
}

impl Troubles {
    pub fn new(happened: Vec<String>) -> Self {
        Self { now: Mutex::default(), happened: Mutex::new(happened) }
    }

    /// Something is wrong from now on, in a sentence with its remedy.
    pub fn begin(&self, trouble: ArrayProblem, text: String) {
        let mut now = self.now.lock();
        if now.get(&trouble) != Some(&text) {
            tracing::warn!("{text}");
            now.insert(trouble, text);
        }
    }

    pub fn end(&self, trouble: &ArrayProblem) {
        self.now.lock().remove(trouble);
    }

    /// Begins or ends a trouble, as what was tried came out.
    pub fn judge<T, E: std::fmt::Display>(&self, trouble: ArrayProblem, result: Result<T, E>) {
        match result {
            Ok(_) => self.end(&trouble),
            Err(error) => {
                let text = format!("{}: {error}", trouble.opening());
                self.begin(trouble, text);
            }
        }
    }

    pub fn has(&self, trouble: &ArrayProblem) -> bool {
        self.now.lock().contains_key(trouble)
    }

    /// Something happened.
    pub fn warn(&self, text: String) {
        let mut happened = self.happened.lock();
        if happened.len() < MAX_WARNINGS && !happened.contains(&text) {
            tracing::warn!("{text}");
            happened.push(text);
        }
    }

    /// What is wrong now, one sentence each.
    pub fn now(&self) -> Vec<String> {
        self.now.lock().values().cloned().collect()
    }

    pub fn happened(&self) -> Vec<String> {
        self.happened.lock().clone()
    }
}
