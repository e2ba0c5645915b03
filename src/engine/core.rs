//! What the engine knows at this moment: records, readings, rates, operations; and the snapshots that are made of it.
//!
//! Locked for moments only, never across a wait. The records change through the ledger and nowhere else.

use super::clock;
use super::known::{Known, RowSources};
use super::operation::{Activity, Admission, admit};
use crate::catalog::CatalogueError;
use crate::driver::Driver;
use crate::model::catalogue_copy::NotCopied;
use crate::model::event::Event;
use crate::model::group_watch::GroupWatch;
use crate::model::host_report::KernelGroups;
use crate::model::identity::{BoxId, Name, VolumeId};
use crate::model::moment::{Moment, ReadingMark};
use crate::model::notice_record::NotifyTrouble;
use crate::model::observe::ArraySource;
use crate::model::plan::{Plan, Refusal, plan, plan_keeping};
use crate::model::records::{Change, EntityChange, OpenOperation, OperationEnd, OperationId, Records};
use crate::model::request::Request;
use crate::model::session::{ArrayVolume, Pair, Reading, Sight};
use crate::model::snapshot::{CatalogueTrouble, OperationView, Reach, Site, Snapshot};
use crate::model::untrusted::{Untrusted, escaped};
use crate::model::volume_group::BackupGroup;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Ends that are remembered for those who ask late; older ones are asked of the catalogue.
const MAX_ENDS: usize = 1_000;

/// How far the wall clock and the steady one may drift apart between two readings before it counts as a step.
const MAX_CLOCK_DRIFT_MILLIS: u64 = 1_000;

/// A configured array and how it is driven.
#[derive(Clone)]
pub struct ConfiguredArray {
    pub name: Name,
    pub driver: Arc<dyn Driver>,
}

/// A group that a session of ours is onto.
#[derive(Debug, Clone)]
pub(super) struct WatchedGroup {
    pub pair: Pair,
    pub group: BackupGroup,
    pub watch: Option<GroupWatch>,
}

/// Shared by all parts of the engine.
pub struct Core {
    state: Mutex<Known>,
    drivers: Vec<ConfiguredArray>,
    /// Something changed that a snapshot would show.
    changed: Notify,
    published: watch::Sender<Arc<Snapshot>>,
    /// Grows with every operation that ends.
    ended: watch::Sender<u64>,
}

impl Core {
    pub fn new(site: Site, records: Records, drivers: Vec<ConfiguredArray>, recent: &[Event]) -> Arc<Self> {
        let arrays = drivers.iter().map(|array| source(array, &records)).collect();
        let mut state = Known::new(site, records, arrays);
        state.tell(recent);
        let first = state.next();
        let (published, ended) = (watch::Sender::new(first), watch::Sender::new(0));
        Arc::new(Self { state: Mutex::new(state), drivers, changed: Notify::new(), published, ended })
    }

    fn state(&self) -> MutexGuard<'_, Known> {
        // A panic of one task must not take the engine down: each change of the state is made whole under the lock.
        self.state.lock()
    }

    /// The number of the latest snapshot that was published.
    pub(super) fn sequence(&self) -> u64 {
        self.published.borrow().sequence
    }

    /// The latest snapshot, and those to come.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.published.subscribe()
    }

    /// Waits for a change that a snapshot would show.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Makes a snapshot of this moment and gives it to everybody who watches.
    pub fn publish(&self) -> Arc<Snapshot> {
        let snapshot = self.state().next();
        let last = Arc::clone(&self.published.borrow());
        let shared = Arc::new(Snapshot::clone(&snapshot).sharing(&last));
        self.state().hold_instead(&snapshot, &shared);
        self.published.send_replace(Arc::clone(&shared));
        shared
    }

    /// A snapshot of this moment for one decision; nobody else is given it. Its rows are built only if something has changed
    /// since they were built last: a question costs the same on a large site.
    pub fn look(&self) -> Arc<Snapshot> {
        self.state().now()
    }

    /// A snapshot of this moment of these volumes and of those with these names, with what belongs to them; of the site where one
    /// of the names is not known.
    pub fn view(&self, names: &[String], volumes: Vec<VolumeId>) -> Snapshot {
        let mut state = self.state();
        let named: Option<Vec<VolumeId>> = names.iter().map(|name| state.find(name)).collect();
        match named {
            Some(named) => state.view(&volumes.into_iter().chain(named).collect()),
            None => Snapshot::clone(&state.now()),
        }
    }

    /// The rows that were built so far because somebody asked something, and not for a snapshot that everybody is given.
    pub fn rows_built(&self) -> u64 {
        self.state().rows_built()
    }

    /// The catalogue took no write.
    pub(super) fn catalogue_refuses(&self, error: &CatalogueError) {
        let mut state = self.state();
        let since = state.catalogue.as_ref().map_or_else(clock::now, |trouble| trouble.since);
        let text = error.to_string();
        let (_, remedy) = text.rsplit_once("; ").unwrap_or(("", &text));
        let remedy = escaped(remedy);
        let now = Some(CatalogueTrouble { since, why: Untrusted::from(text.as_str()), remedy, code: error.code() });
        let news = state.catalogue != now;
        state.catalogue = now;
        drop(state);
        if news {
            tracing::error!(%error, "the catalogue takes no writes");
            self.changed.notify_one();
        }
    }

    /// The catalogue took a write.
    pub(super) fn catalogue_writes(&self) {
        if self.state().catalogue.take().is_some() {
            tracing::info!("the catalogue takes writes again");
            self.changed.notify_one();
        }
    }

    /// What the notification hook does wrong, if anything.
    pub(super) fn show_notify(&self, trouble: Option<NotifyTrouble>) {
        let mut state = self.state();
        if state.notify == trouble {
            return;
        }
        state.notify = trouble;
        drop(state);
        self.changed.notify_one();
    }

    /// Why no copy of the catalogue is made, if that is so.
    pub(super) fn show_not_copied(&self, why: Option<&str>) {
        let mut state = self.state();
        let since = state.not_copied.as_ref().map_or_else(clock::now, |known| known.since);
        let now = why.map(|why| NotCopied { since, why: Untrusted::from(why) });
        if state.not_copied == now {
            return;
        }
        state.not_copied = now;
        drop(state);
        self.changed.notify_one();
    }

    /// The plan for a request at this moment, and the snapshot that it was made on. Where rows would have to be built for it,
    /// only those of its volumes are, as long as what they tell is all that the plan is made of.
    pub fn plan(&self, request: &Request) -> (Arc<Snapshot>, Result<Plan, Refusal>) {
        let mut state = self.state();
        if !state.has_rows()
            && let Some(volumes) = request.action.decided_near()
        {
            let near = state.near_without(&volumes, &[]);
            drop(state);
            let planned = plan(&near, request);
            if planned.as_ref().is_ok_and(|plan| plan.refused().is_empty()) {
                return (Arc::new(near), planned);
            }
            state = self.state();
        }
        let snapshot = state.now();
        drop(state);
        let planned = plan(&snapshot, request);
        (snapshot, planned)
    }

    /// What the rules say at this moment of each item that was agreed to, as if their operations were not there; unused volumes
    /// that the agreed plan chose are kept where they still can be.
    pub fn admissions(&self, agreed: &Plan, operations: &[OpenOperation], request: &Request) -> Vec<Admission> {
        let set_aside: Vec<OperationId> = operations.iter().map(|operation| operation.id).collect();
        let verdict = |snapshot: &Snapshot| admit(agreed, &plan_keeping(snapshot, request, &agreed.choices()));
        if let Some(mut volumes) = request.action.kept_near() {
            volumes.extend(agreed.items().iter().flat_map(|item| &item.claims));
            let near = self.state().near_without(&volumes, &set_aside);
            let verdicts = verdict(&near);
            // Whatever else is said of them, it is said on all that there is.
            if verdicts.iter().all(|verdict| *verdict == Admission::Run) {
                return verdicts;
            }
        }
        let snapshot = self.state().without(&set_aside);
        verdict(&snapshot)
    }

    /// Looks at the records.
    pub fn with_records<T>(&self, look: impl FnOnce(&Records) -> T) -> T {
        look(&self.state().records)
    }

    /// What the catalogue kept: changes that its own rules let pass, and their events.
    pub(super) fn apply(&self, changes: &[Change], events: &[Event]) {
        let mut state = self.state();
        for change in changes {
            if let Err(error) = state.records.apply(change) {
                tracing::error!(%error, ?change, "the catalogue kept a change that does not fit what was loaded from it");
            }
        }
        for change in changes {
            if let Change::Entity(EntityChange::KnowArray { name, box_id }) = change
                && let Some(array) = state.arrays.iter_mut().find(|array| array.name == *name)
            {
                array.box_id = Some(*box_id);
            }
        }
        state.tracker.kept(changes, clock::moment());
        state.tell(events);
        drop(state);
        self.changed.notify_one();
    }

    /// What the catalogue has after all, when a commit's outcome was in doubt.
    pub(super) fn replace_records(&self, records: Records, events: &[Event]) {
        let mut state = self.state();
        let now = clock::moment();
        let before = std::mem::replace(&mut state.records, records);
        let RowSources { records, tracker, .. } = &mut **state;
        let gone = before.sessions.into_keys().filter(|pair| !records.sessions.contains_key(pair));
        gone.for_each(|pair| tracker.end(pair, now));
        state.tell(events);
        drop(state);
        self.changed.notify_one();
    }

    pub fn arrays(&self) -> &[ConfiguredArray] {
        &self.drivers
    }

    /// The driver of the box with this identity.
    pub fn driver(&self, box_id: BoxId) -> Option<(usize, Arc<dyn Driver>)> {
        let index = self.state().arrays.iter().position(|array| array.box_id == Some(box_id))?;
        Some((index, Arc::clone(&self.drivers[index].driver)))
    }

    /// A box's name for people.
    pub fn array_name(&self, box_id: BoxId) -> String {
        let state = self.state();
        let array = state.arrays.iter().find(|array| array.box_id == Some(box_id));
        array.map_or_else(|| box_id.to_string(), |array| array.name.to_string())
    }

    /// A reading begins: its number, and the moment.
    pub(super) fn begin_reading(&self) -> (u64, Moment) {
        let mut state = self.state();
        state.begun.count += 1;
        (state.begun.count, clock::moment())
    }

    /// The readings that have begun by now: one that is to tell of what has happened has a higher number.
    pub fn mark(&self) -> ReadingMark {
        self.state().begun
    }

    /// The latest reading of the array, by the order of the calls. Where the host's wall clock was stepped since the last
    /// one, nothing can be told of rates across it.
    pub(super) fn take_reading(&self, index: usize, reading: &Arc<Reading>, took: Duration) {
        let mut state = self.state();
        let array = &state.arrays[index];
        let step = array
            .reading
            .as_ref()
            .map_or(0, |last| reading.taken_at.since(last.taken_at).abs_diff(reading.began.since(last.began)));
        if step > MAX_CLOCK_DRIFT_MILLIS {
            tracing::warn!(array = %array.name, step, "the clock was stepped: rates begin again");
            state.tracker.restart_rates();
        }
        let array = &mut state.arrays[index];
        array.reach = Reach::Reachable;
        array.capabilities = Some(self.drivers[index].driver.capabilities());
        array.reading = Some(Arc::clone(reading));
        array.took_millis = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        state.tracker.take(reading);
        drop(state);
        self.changed.notify_one();
    }

    pub(super) fn take_volumes(&self, index: usize, volumes: Vec<ArrayVolume>) {
        let mut state = self.state();
        if state.arrays[index].volumes.as_ref().is_some_and(|known| **known == volumes) {
            return;
        }
        state.arrays[index].volumes = Some(Arc::new(volumes));
        drop(state);
        self.changed.notify_one();
    }

    pub(super) fn unreachable(&self, index: usize, why: &str) {
        let mut state = self.state();
        let since = match &state.arrays[index].reach {
            Reach::Unreachable { since, .. } => *since,
            _ => clock::now(),
        };
        let reach = Reach::Unreachable { since, why: Untrusted::from(why) };
        if state.arrays[index].reach == reach {
            return;
        }
        state.arrays[index].reach = reach;
        drop(state);
        self.changed.notify_one();
    }

    pub(super) fn identity_changed(&self, index: usize, found: BoxId) {
        self.state().arrays[index].reach = Reach::IdentityChanged { found };
        self.changed.notify_one();
    }

    pub(super) fn reach(&self, index: usize) -> Reach {
        self.state().arrays[index].reach.clone()
    }

    /// What the kernel of a host was seen to have.
    pub(super) fn take_kernel(&self, host: &Name, kernel: KernelGroups) {
        let mut state = self.state();
        state.kernels_read.insert(host.clone(), Instant::now());
        if state.kernels.get(host) == Some(&kernel) {
            return;
        }
        state.kernels.insert(host.clone(), kernel);
        drop(state);
        self.changed.notify_one();
    }

    /// The same, if it was read not longer ago than this.
    pub(super) fn kernel_since(&self, host: &Name, age: Duration) -> Option<KernelGroups> {
        let state = self.state();
        let is_recent = state.kernels_read.get(host).is_some_and(|read| read.elapsed() <= age);
        state.kernels.get(host).filter(|_| is_recent).cloned()
    }

    /// The groups of this host that sessions of ours are onto: the session, the group, and what is kept of it.
    pub(super) fn watched_groups(&self, host: &Name) -> Vec<WatchedGroup> {
        let state = self.state();
        let records = &state.records;
        let of = |pair: &Pair| {
            let group =
                records.backup_volumes.get(&pair.target)?.group.as_deref().filter(|group| group.host == *host)?;
            let watch = records.group_watches.get(&pair.target).filter(|watch| watch.group == group.identity.uuid);
            Some(WatchedGroup { pair: *pair, group: group.clone(), watch: watch.cloned() })
        };
        records.sessions.keys().filter_map(of).collect()
    }

    /// The hosts of the groups that these sessions' targets are.
    pub(super) fn hosts_of_groups(&self, concerns: impl Fn(&Pair) -> bool) -> BTreeSet<Name> {
        let state = self.state();
        let pairs = state.records.sessions.keys().filter(|pair| concerns(pair));
        let volumes = pairs.filter_map(|pair| state.records.backup_volumes.get(&pair.target));
        volumes.filter_map(|volume| Some(volume.group.as_deref()?.host.clone())).collect()
    }

    /// Whether somebody waits for something to move.
    pub(super) fn is_operating(&self) -> bool {
        !self.state().records.operations.is_empty()
    }

    /// Shows what an operation is at.
    pub(super) fn show(&self, open: &OpenOperation, doing: &Activity, progress: (usize, usize)) {
        let mut state = self.state();
        let step = phrase(doing, &state);
        let view = OperationView {
            id: open.id,
            verb: open.item.verb,
            volume: open.item.volume,
            actor: open.actor.clone(),
            started: open.started,
            step,
            waits_for: None,
            steps_done: progress.0,
            steps_total: progress.1,
            end: None,
        };
        let news = state.operations.get(&open.id) != Some(&view);
        state.operations.insert(open.id, view);
        drop(state);
        if news {
            self.changed.notify_one();
        }
    }

    /// Shows that the next command of an operation waits for its turn, or that the turn has come.
    pub(super) fn show_waiting(&self, id: OperationId, plane: Option<String>, doing: &Activity) {
        let mut state = self.state();
        let step = match &plane {
            Some(plane) => format!("waiting for its turn at {plane}, which takes one command at a time"),
            None => phrase(doing, &state),
        };
        if let Some(view) = state.operations.get_mut(&id).filter(|view| view.waits_for != plane) {
            (view.step, view.waits_for) = (step, plane);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// An operation has ended: whoever waits for it is told.
    pub(super) fn end(&self, id: OperationId, end: &OperationEnd) {
        let mut state = self.state();
        if let Some(view) = state.operations.get_mut(&id) {
            view.end = Some((clock::now(), end.clone()));
            "ended".clone_into(&mut view.step);
            view.waits_for = None;
            if end.is_done() {
                view.steps_done = view.steps_total;
            }
        }
        self.told(state, id, end);
    }

    /// An operation of which nothing was done, and which only the catalogue keeps from ending: those who wait need not.
    pub(super) fn announce_end(&self, id: OperationId, end: &OperationEnd) {
        self.told(self.state(), id, end);
    }

    fn told(&self, mut state: MutexGuard<'_, Known>, id: OperationId, end: &OperationEnd) {
        state.ends.insert(id, end.clone());
        if state.ends.len() > MAX_ENDS {
            state.ends.pop_first();
        }
        drop(state);
        self.ended.send_modify(|count| *count += 1);
        self.changed.notify_one();
    }

    /// How an operation ended, if it did in this engine's life.
    pub fn end_of(&self, id: OperationId) -> Option<OperationEnd> {
        self.state().ends.get(&id).cloned()
    }

    /// Tells of every operation that ends.
    pub fn ends(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Whether nothing is under way that the engine must see the end of.
    pub fn is_quiet(&self) -> bool {
        use crate::model::session::Status::{Active, Halted, Reserved};
        let state = self.state();
        let readings = state.arrays.iter().filter_map(|array| array.reading.as_ref());
        let mut live = readings
            .flat_map(|reading| &reading.sessions)
            .filter(|session| matches!(session.status, Active | Reserved | Halted));
        let not_read = |pair: &Pair| {
            let readings = state.arrays.iter().filter_map(|array| array.reading.as_ref());
            let mut of_source = readings.filter(|reading| reading.box_id == pair.source.box_id);
            of_source.any(|reading| matches!(reading.look_for(pair), Sight::NotRead(_)))
        };
        state.records.operations.is_empty()
            && !live.any(|session| state.records.sessions.contains_key(&session.pair))
            && !state.records.sessions.keys().any(not_read)
    }
}

fn source(array: &ConfiguredArray, records: &Records) -> ArraySource {
    ArraySource {
        name: array.name.clone(),
        box_id: records.arrays.get(&array.name).copied(),
        reach: Reach::Waiting,
        capabilities: None,
        took_millis: 0,
        reading: None,
        volumes: None,
    }
}

/// What an operation is at, in half a sentence.
fn phrase(doing: &Activity, state: &Known) -> String {
    let name = |box_id: &BoxId| {
        let array = state.arrays.iter().find(|array| array.box_id == Some(*box_id));
        array.map_or_else(|| box_id.to_string(), |array| array.name.to_string())
    };
    match doing {
        Activity::Beginning => "reading the array again".to_owned(),
        Activity::Telling { array, what } => format!("waiting for {}'s answer to {what}", name(array)),
        Activity::Looking { array } => format!("looking what {} shows", name(array)),
        Activity::WaitingForBusy { array, why } => format!("waiting for {}: {why}", name(array)),
        Activity::WaitingToRead { array, why } => format!("waiting to read {}: {why}", name(array)),
        Activity::WaitingForCatalogue { why } => format!("waiting for the catalogue: {why}"),
        Activity::Copying { percent: Some(percent), .. } => format!("{percent} copied"),
        Activity::Copying { array, percent: None } => format!("waiting for the end of the copy on {}", name(array)),
        Activity::Recording => "writing the journal".to_owned(),
        Activity::Script => "running a script".to_owned(),
        Activity::Comparing => "reading the copy".to_owned(),
        Activity::Ended => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::Timestamp;
    use crate::testkit::in_process::InProcess;
    use crate::testkit::memory::Memory;

    fn core() -> (Arc<Core>, BoxId) {
        let name: Name = "A1".parse().unwrap();
        let mut arrays = Memory::new();
        let box_id = arrays.add_box(&name).unwrap();
        let driver = Arc::new(InProcess::new(Arc::new(Mutex::new(arrays)), box_id));
        let mut records = Records::default();
        records.apply(&Change::Entity(EntityChange::KnowArray { name: name.clone(), box_id })).unwrap();
        let site = Site {
            name: "test".into(),
            demo: false,
            poll_millis: 1000,
            rec: Vec::new(),
            hooks: Vec::new(),
            pools: Vec::new(),
        };
        (Core::new(site, records, vec![ConfiguredArray { name, driver }], &[]), box_id)
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_the_engine_blind() {
        let (core, box_id) = core();
        let read = |at| {
            let reading = Reading::complete(box_id, Timestamp(at), Vec::new());
            core.take_reading(0, &Arc::new(reading), Duration::ZERO);
            core.look().arrays[0].taken_at
        };
        assert_eq!(read(7_200_000), Some(Timestamp(7_200_000)));
        assert_eq!(read(3_600_000), Some(Timestamp(3_600_000)));
    }

    #[test]
    fn rows_are_built_anew_only_after_what_they_are_made_of_changed() {
        let (core, box_id) = core();
        let volume = |olu| ArrayVolume {
            id: VolumeId { box_id, olu: crate::model::identity::Olu(olu) },
            label: Untrusted::default(),
            blocks: crate::model::units::Blocks(8),
            copy_inhibited: None,
        };
        core.take_volumes(0, (1..=5).map(volume).collect());
        assert_eq!((core.look().unregistered.len(), core.rows_built()), (5, 5));
        // Whoever asks again, and whatever is told beside the rows, builds none.
        core.begin_reading();
        core.catalogue_writes();
        core.take_volumes(0, (1..=5).map(volume).collect());
        assert_eq!((core.look().unregistered.len(), core.rows_built()), (5, 5));
        assert_eq!(core.look().mark, core.mark());
        core.publish();
        assert_eq!(core.rows_built(), 5);
        core.take_volumes(0, (1..=4).map(volume).collect());
        assert_eq!((core.look().unregistered.len(), core.rows_built()), (4, 9));
        // One volume costs its own row.
        core.take_volumes(0, (1..=5).map(volume).collect());
        assert_eq!((core.view(&["A1/0x3".into()], Vec::new()).unregistered.len(), core.rows_built()), (1, 10));
        assert_eq!(core.view(&["A1/0x9".into()], Vec::new()).unregistered.len(), 5, "all, for one that is not known");
    }

    #[test]
    fn a_snapshot_that_is_only_looked_at_is_nobody_elses() {
        let (core, _) = core();
        let published = core.snapshots().borrow().sequence;
        core.look();
        assert_eq!(core.snapshots().borrow().sequence, published);
        assert_eq!(core.publish().sequence, published + 1);
    }
}
