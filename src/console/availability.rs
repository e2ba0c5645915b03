//! What the verbs' keys would do on the selected row: a key is dim because the rules refuse it, and says why.

use super::keys::Command;
use super::requests::{read_only, request};
use super::types::{Planner, Subject};
use crate::model::plan::{Plan, Refusal};
use crate::model::snapshot::Snapshot;
use crate::model::verb::Verb;

/// The verbs' answers for one row of one snapshot.
#[derive(Debug, Default)]
pub struct VerbAvailability {
    /// The snapshot's number and the row that they are for; `None`: for nothing yet.
    of: Option<(u64, Option<Subject>)>,
    verbs: Vec<(Verb, Result<Plan, Refusal>)>,
}

/// The verbs that the footer and the hint tell about.
pub const VERBS: [Verb; 6] = [Verb::Start, Verb::Suspend, Verb::Resume, Verb::Backup, Verb::Cancel, Verb::ForceStop];

/// Volumes of a set that are planned with every snapshot at most.
const MAX_PLANNED: usize = 50;

impl VerbAvailability {
    /// What each verb would do to a subject of a snapshot. Without a subject (several rows are marked) nothing is planned.
    pub fn of(snapshot: &Snapshot, subject: Option<Subject>, planner: Planner, is_read_only: bool) -> Self {
        let of = Some((snapshot.sequence, subject));
        let set = subject.and_then(Subject::set).and_then(|volume| snapshot.volume_set_of(volume));
        // A large one is planned when its dialog opens.
        let subject = subject.filter(|_| set.is_none_or(|set| set.members.len() <= MAX_PLANNED));
        let verdict = |verb| {
            let request = request(snapshot, verb, subject?)?;
            let verdict = if is_read_only { Err(read_only()) } else { planner(snapshot, &request) };
            Some((verb, verdict))
        };
        Self { of, verbs: VERBS.into_iter().filter_map(verdict).collect() }
    }

    /// Whether this is what [`Self::of`] would give again.
    pub fn is_of(&self, snapshot: &Snapshot, subject: Option<Subject>) -> bool {
        self.of == Some((snapshot.sequence, subject))
    }

    pub fn verdict(&self, verb: Verb) -> Option<&Result<Plan, Refusal>> {
        self.verbs.iter().find(|(known, _)| *known == verb).map(|(_, verdict)| verdict)
    }

    /// Whether the key would lead to a plan. What was not planned may be tried.
    pub fn allows(&self, command: Command) -> bool {
        match command {
            Command::Verb(verb) => self.verdict(verb).is_none_or(Result::is_ok),
            _ => true,
        }
    }
}
