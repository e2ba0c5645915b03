//! The figures of a site. Names of families and labels are kept for ever: dashboards and alarms are built on them.

use super::text::{Exposition, Family, Value};
use crate::model::backup_window::WindowState;
use crate::model::codes::Code;
use crate::model::entity::GenerationState;
use crate::model::pool::PoolKey;
use crate::model::records::Policy;
use crate::model::recoverable::{Recoverable, recoverable};
use crate::model::snapshot::{BackupState, Due, Reach, Snapshot, TransactionState};
use std::collections::BTreeMap;

const ENGINE_UP: Family = Family {
    name: "ecdeck_engine_up",
    unit: None,
    help: "1 if the engine answered. Without it there is nothing else.",
};
const CATALOGUE_WRITABLE: Family =
    Family { name: "ecdeck_catalogue_writable", unit: None, help: "1 if the catalogue takes writes." };
const ARRAY_REACHABLE: Family = Family {
    name: "ecdeck_array_reachable",
    unit: None,
    help: "1 if the array answers and its last reading is not too old.",
};
const VOLUMES: Family =
    Family { name: "ecdeck_transaction_volumes", unit: None, help: "Transaction volumes in each state." };
const RECOVERABLE: Family = Family {
    name: "ecdeck_volume_recoverable",
    unit: None,
    help: "1 if the newest sound generation is not older than interval and grace.",
};
const RECOVERY: Family = Family {
    name: "ecdeck_volume_recovery",
    unit: None,
    help: "1 for the word that holds of the volume: yes, late, no-policy, in-doubt, no.",
};
const AGE: Family = Family {
    name: "ecdeck_volume_newest_generation_age_seconds",
    unit: Some("seconds"),
    help: "Age of the newest sound generation; absent without one.",
};
const LIMIT: Family = Family {
    name: "ecdeck_volume_generation_age_limit_seconds",
    unit: Some("seconds"),
    help: "How old the newest sound generation may be: interval and grace of the policy.",
};
const GENERATIONS: Family =
    Family { name: "ecdeck_volume_generations", unit: None, help: "Kept generations of the volume by state." };
const OVERDUE: Family =
    Family { name: "ecdeck_volume_overdue", unit: None, help: "1 if a backup of the volume is overdue." };
const OVERDUE_TIME: Family = Family {
    name: "ecdeck_volume_overdue_seconds",
    unit: Some("seconds"),
    help: "For how long the backup has been overdue; absent where it is not, or not known.",
};
const LATE: Family = Family {
    name: "ecdeck_volume_window",
    unit: None,
    help: "1 for how the volume stands to its window; absent without a window.",
};
const WINDOW_END: Family = Family {
    name: "ecdeck_volume_window_end_timestamp_seconds",
    unit: Some("seconds"),
    help: "The end of the window that it stands so to; absent without a window.",
};
const COPY_PROGRESS: Family = Family {
    name: "ecdeck_copy_progress_ratio",
    unit: Some("ratio"),
    help: "Share of a copy of this site that is done.",
};
const COPY_RATE: Family = Family {
    name: "ecdeck_copy_rate_bytes_per_second",
    unit: Some("bytes_per_second"),
    help: "Rate of a copy of this site; absent while nothing moves.",
};
const POOL: Family = Family {
    name: "ecdeck_pool_volumes",
    unit: None,
    help: "Backup volumes of one size (bytes) on one array, in each state that occurs.",
};
const POOL_UNUSED: Family = Family {
    name: "ecdeck_pool_unused_volumes",
    unit: None,
    help: "Backup volumes of one size (bytes) on one array that are unused, and that no operation has claimed.",
};
const ATTENTIONS: Family = Family {
    name: "ecdeck_attentions",
    unit: None,
    help: "What is wrong now with arrays, volumes, generations and the catalogue, by code.",
};

/// The states of a transaction volume: each has a sample, so that none vanishes when it holds of no volume.
const STATES: [TransactionState; 12] = [
    TransactionState::None,
    TransactionState::Suspended,
    TransactionState::Equivalent,
    TransactionState::Copying,
    TransactionState::Restoring,
    TransactionState::Unknown,
    TransactionState::HalfOpen,
    TransactionState::Halted,
    TransactionState::Error,
    TransactionState::Inbound,
    TransactionState::Reversed,
    TransactionState::RestoreIncomplete,
];

const RECOVERIES: [(Recoverable, &str); 5] = [
    (Recoverable::Yes, "yes"),
    (Recoverable::Late, "late"),
    (Recoverable::NoPolicy, "no-policy"),
    (Recoverable::InDoubt, "in-doubt"),
    (Recoverable::No, "no"),
];

/// No engine answers, so nothing is known.
pub fn of_no_engine() -> Exposition {
    let mut out = Exposition::default();
    out.family(&ENGINE_UP).add(&[], Value::yes(false));
    out
}

pub fn of_site(snapshot: &Snapshot) -> Exposition {
    let mut out = Exposition::default();
    out.family(&ENGINE_UP).add(&[], Value::yes(true));
    out.family(&CATALOGUE_WRITABLE).add(&[], Value::yes(snapshot.catalogue.is_none()));
    let mut samples = out.family(&ARRAY_REACHABLE);
    for array in &snapshot.arrays {
        let is_reachable = array.reach == Reach::Reachable && !snapshot.is_stale(array);
        samples.add(&[("array", array.name.as_str())], Value::yes(is_reachable));
    }
    volumes(&mut out, snapshot);
    windows(&mut out, snapshot);
    copies(&mut out, snapshot);
    pool(&mut out, snapshot);
    let mut samples = out.family(&ATTENTIONS);
    for (code, number) in attentions(snapshot) {
        samples.add(&[("code", &code.to_string())], Value::count(number));
    }
    out
}

fn volumes(out: &mut Exposition, snapshot: &Snapshot) {
    let views = &snapshot.transaction_volumes;
    let mut samples = out.family(&VOLUMES);
    for state in STATES {
        let number = views.iter().filter(|view| view.state == state).count();
        samples.add(&[("state", &state.to_string())], Value::count(number));
    }
    let found: Vec<_> = views.iter().map(|view| (view, recoverable(snapshot, view))).collect();
    let mut samples = out.family(&RECOVERABLE);
    for (view, recovery) in &found {
        samples.add(&[("volume", view.volume.name.as_str())], Value::yes(recovery.word == Recoverable::Yes));
    }
    let mut samples = out.family(&RECOVERY);
    for (view, recovery) in &found {
        for (word, text) in RECOVERIES {
            let labels = [("volume", view.volume.name.as_str()), ("recoverable", text)];
            samples.add(&labels, Value::yes(recovery.word == word));
        }
    }
    let mut samples = out.family(&AGE);
    for (view, recovery) in &found {
        if let Some(age) = recovery.age {
            samples.add(&[("volume", view.volume.name.as_str())], Value::Whole(age / 1_000));
        }
    }
    let mut samples = out.family(&LIMIT);
    for (view, limit) in views.iter().filter_map(|view| Some((view, view.volume.policy.map(Policy::limit)?))) {
        samples.add(&[("volume", view.volume.name.as_str())], Value::Whole(limit / 1_000));
    }
    let mut samples = out.family(&GENERATIONS);
    for view in views {
        let kept = snapshot.generations_of(view.volume.id);
        let number = |is: fn(&GenerationState) -> bool| kept.iter().filter(|one| is(&one.state)).count();
        for (state, number) in [
            ("valid", number(|state| matches!(state, GenerationState::Valid))),
            ("in-doubt", number(|state| matches!(state, GenerationState::InDoubt(_)))),
            ("needs-attention", number(|state| matches!(state, GenerationState::NeedsAttention(_)))),
        ] {
            samples.add(&[("volume", view.volume.name.as_str()), ("state", state)], Value::count(number));
        }
    }
    let mut samples = out.family(&OVERDUE);
    for view in views {
        let is_overdue = matches!(view.due, Due::Overdue(_));
        samples.add(&[("volume", view.volume.name.as_str())], Value::yes(is_overdue));
    }
    let mut samples = out.family(&OVERDUE_TIME);
    for (view, late) in views.iter().filter_map(|view| Some((view, snapshot.overdue_for(view)?))) {
        samples.add(&[("volume", view.volume.name.as_str())], Value::Whole(late / 1_000));
    }
}

/// How the volumes that have a window stand to it.
fn windows(out: &mut Exposition, snapshot: &Snapshot) {
    let views = || {
        let all = snapshot.transaction_volumes.iter();
        all.filter_map(|view| Some((view.volume.name.as_str(), view.window.as_deref()?)))
    };
    let mut samples = out.family(&LATE);
    for (name, window) in views() {
        for state in WindowState::ALL {
            let labels = [("volume", name), ("state", state.word())];
            samples.add(&labels, Value::yes(window.state == state));
        }
    }
    let mut samples = out.family(&WINDOW_END);
    for (name, window) in views() {
        samples.add(&[("volume", name)], Value::Whole(window.end.0 / 1_000));
    }
}

/// The copies of this site. Those of others have no name here, and no bound.
fn copies(out: &mut Exposition, snapshot: &Snapshot) {
    let ours = || snapshot.sessions.iter().filter(|session| session.ours);
    let mut samples = out.family(&COPY_PROGRESS);
    for (session, share) in ours().filter_map(|session| Some((session, session.progress?.share()?))) {
        let (source, target) = (snapshot.label(session.pair.source), snapshot.location(session.pair.target));
        let kind = session.pair.kind.to_string();
        samples.add(&[("volume", &source), ("target", &target), ("kind", &kind)], Value::Ratio(share));
    }
    let mut samples = out.family(&COPY_RATE);
    for (session, rate) in ours().filter_map(|session| Some((session, session.rate?))) {
        let (source, target) = (snapshot.label(session.pair.source), snapshot.location(session.pair.target));
        let kind = session.pair.kind.to_string();
        samples.add(&[("volume", &source), ("target", &target), ("kind", &kind)], Value::unsigned(rate));
    }
}

fn pool(out: &mut Exposition, snapshot: &Snapshot) {
    // A backup is only possible on the same number of blocks, and most of them only inside one array.
    let mut sizes: BTreeMap<(String, PoolKey), BTreeMap<BackupState, usize>> = BTreeMap::new();
    let mut unused: BTreeMap<(String, PoolKey), usize> = BTreeMap::new();
    for view in &snapshot.pool {
        let box_id = view.volume.id.box_id;
        let array = snapshot.array(box_id).map_or_else(|| box_id.to_string(), |array| array.name.to_string());
        let key = (array, snapshot.backup_key(view));
        *sizes.entry(key.clone()).or_default().entry(view.state).or_default() += 1;
        let is_unused = view.state == BackupState::Unused && view.claimed.is_none();
        *unused.entry(key).or_default() += usize::from(is_unused);
    }
    let mut samples = out.family(&POOL);
    for ((array, key), states) in &sizes {
        let bytes = key.blocks.bytes().to_string();
        for (state, number) in states {
            let state = state.to_string();
            let mut labels = vec![("array", array.as_str()), ("size", bytes.as_str()), ("state", &state)];
            labels.extend(pool_labels(key));
            samples.add(&labels, Value::count(*number));
        }
    }
    let mut samples = out.family(&POOL_UNUSED);
    for ((array, key), number) in &unused {
        let bytes = key.blocks.bytes().to_string();
        let mut labels = vec![("array", array.as_str()), ("size", bytes.as_str())];
        labels.extend(pool_labels(key));
        samples.add(&labels, Value::count(*number));
    }
}

/// What tells backup volumes of one size apart, where they cannot stand for each other.
fn pool_labels(key: &PoolKey) -> impl Iterator<Item = (&'static str, &str)> {
    let (pool, host) = (key.pool.as_ref(), key.groups_of.as_ref());
    pool.map(|pool| ("pool", pool.as_str())).into_iter().chain(host.map(|host| ("groups_of", host.as_str())))
}

/// How often each code holds. What an array never shows is a note, not an attention.
fn attentions(snapshot: &Snapshot) -> BTreeMap<Code, usize> {
    let arrays = snapshot.arrays.iter().flat_map(|array| &array.attentions).filter(|attention| !attention.is_note());
    let silent = snapshot.arrays.iter().filter_map(|array| match array.reach {
        Reach::Unreachable { .. } => Some(Code::ARRAY_UNREACHABLE),
        Reach::IdentityChanged { .. } => Some(Code::IDENTITY_CHANGED),
        Reach::Waiting | Reach::Reachable => None,
    });
    let sources = snapshot.transaction_volumes.iter().filter_map(|view| view.problem.as_ref());
    let targets = snapshot.pool.iter().filter_map(|view| view.problem.as_ref());
    let generations = snapshot.generations.iter().filter_map(|generation| match generation.state {
        // Doubt has no code of its own: the volume's generations are counted by state.
        GenerationState::Valid | GenerationState::InDoubt(_) => None,
        GenerationState::NeedsAttention(_) => Some(Code::NEEDS_ATTENTION),
    });
    let mut found = BTreeMap::new();
    let codes = arrays.map(|attention| attention.code).chain(silent).chain(generations);
    let codes = codes.chain(sources.chain(targets).map(|problem| problem.code));
    let codes = codes.chain(snapshot.notify.as_ref().map(|_| Code::NOTIFY_FAILED));
    let codes = codes.chain(snapshot.not_copied.as_ref().map(|_| Code::CATALOGUE_NOT_COPIED));
    for code in codes.chain(snapshot.catalogue.as_ref().map(|trouble| trouble.code)) {
        *found.entry(code).or_insert(0) += 1;
    }
    found
}
