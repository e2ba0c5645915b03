//! A site in this process for the tests of the engine: emulated arrays in memory, a catalogue in memory, real sockets.

use ecdeck::catalog::layer::Layer;
use ecdeck::catalog::{Catalogue, CatalogueError, EventRange};
use ecdeck::driver::ccm::CcmDriver;
use ecdeck::driver::ccm::server::Server;
use ecdeck::driver::ccm::settings::Settings as CcmSettings;
use ecdeck::driver::emulated::faults::Fault;
use ecdeck::driver::{Driver, DriverError};
use ecdeck::engine::client::{Client, Snapshots, Start};
use ecdeck::engine::operation::Limits;
use ecdeck::engine::protocol::{Answer, Ask, PlannedAnswer};
use ecdeck::engine::{ConfiguredArray, Engine, Roles, Settings, Times};
use ecdeck::model::array_words::{Column, StatusMeaning, TitleRow, WordRow};
use ecdeck::model::copy::{Capabilities, Command, Identity, PairOutcome};
use ecdeck::model::event::{Event, NewEvent};
use ecdeck::model::identity::{BoxId, Name, VolumeId};
use ecdeck::model::records::{
    BackupMode, BackupVolume, Change, EntityChange, OperationEnd, OperationId, Policy, RotationGuard, TransactionVolume,
};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::session::{ArrayVolume, Pair, Reading};
use ecdeck::model::snapshot::{Site, Snapshot};
use ecdeck::model::units::{Blocks, Timestamp, Version};
use ecdeck::process::instance::{self, Claim};
use ecdeck::process::paths::Home;
use ecdeck::testkit::catalogue::MemoryCatalogue;
use ecdeck::testkit::ccm_emulation::profile::Profile;
use ecdeck::testkit::ccm_emulation::{Emulation, InProcess as CcmInProcess, Member, Store};
use ecdeck::testkit::in_process::InProcess;
use ecdeck::testkit::memory::Memory;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Everything that a test waits for comes within this, or never.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
pub const BLOCKS: Blocks = Blocks::from_mib(1);

/// The driver of the emulated array, with a door before its commands and a count of its readings.
pub struct Gate {
    inner: Arc<dyn Driver>,
    arrays: Arc<Mutex<Memory>>,
    /// Commands go through it; closed, they wait after they were done.
    door: Semaphore,
    pub open: AtomicBool,
    pub commands: AtomicUsize,
    pub readings: AtomicUsize,
    /// What the array takes for a reading.
    pub slowness: Mutex<Duration>,
}

impl Gate {
    /// From now on commands are done, but not answered until [`Gate::let_go`].
    pub fn hold(&self) {
        self.open.store(false, Ordering::SeqCst);
    }

    pub fn let_go(&self) {
        self.open.store(true, Ordering::SeqCst);
        self.door.add_permits(1000);
    }

    pub fn arrays(&self) -> MutexGuard<'_, Memory> {
        self.arrays.lock()
    }
}

impl Driver for Gate {
    fn identify(&self) -> BoxFuture<'_, Result<Identity, DriverError>> {
        self.inner.identify()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn volumes(&self) -> BoxFuture<'_, Result<Vec<ArrayVolume>, DriverError>> {
        self.inner.volumes()
    }

    fn sessions(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        self.readings.fetch_add(1, Ordering::SeqCst);
        let slowness = *self.slowness.lock();
        Box::pin(async move {
            tokio::time::sleep(slowness).await;
            self.inner.sessions(now).await
        })
    }

    fn execute(&self, command: Command, limit: Duration) -> BoxFuture<'_, Vec<PairOutcome>> {
        Box::pin(async move {
            let outcomes = self.inner.execute(command, limit).await;
            self.commands.fetch_add(1, Ordering::SeqCst);
            if !self.open.load(Ordering::SeqCst) {
                self.door.acquire().await.unwrap().forget();
            }
            outcomes
        })
    }

    fn describe(&self, command: &Command) -> Vec<String> {
        self.inner.describe(command)
    }
}

/// A catalogue whose disk can be filled up.
#[derive(Clone, Default)]
pub struct Disk {
    pub inner: MemoryCatalogue,
    pub full: Arc<AtomicBool>,
}

impl Layer for Disk {
    fn below(&self) -> &dyn Catalogue {
        &self.inner
    }

    fn commit(&self, changes: Vec<Change>, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>> {
        if self.full.load(Ordering::SeqCst) {
            let full = CatalogueError::Full { place: "of the test".into(), detail: "no space left".into() };
            return Box::pin(async { Err(full) });
        }
        self.inner.commit(changes, events)
    }
}

/// What outlasts an engine: folder, array, catalogue.
pub struct TestSite {
    _folder: tempfile::TempDir,
    pub home: Home,
    pub disk: Disk,
    pub gate: Arc<Gate>,
    pub box_id: BoxId,
    pub transaction: Vec<VolumeId>,
    pub backup: Vec<VolumeId>,
    pub poll_millis: u32,
    pub limits: Limits,
    pub times: Times,
    pub roles: Roles,
}

/// An engine that serves a test site. Dropped, it is dead at once, as after SIGKILL.
pub struct Running {
    pub engine: Option<Engine>,
    runtime: Option<tokio::runtime::Runtime>,
    _reign: instance::InstanceLock,
}

impl Running {
    /// Begins a clean end, as SIGTERM does.
    pub fn end(&mut self) -> tokio::task::JoinHandle<()> {
        let engine = self.engine.take().unwrap();
        self.runtime.as_ref().unwrap().spawn(engine.end())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.engine.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl TestSite {
    /// So many transaction volumes and backup volumes of one size on one array, registered, with a policy.
    pub async fn new(transaction: usize, backup: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let home = Home::in_folder(folder.path());
        let mut arrays = Memory::new();
        let name: Name = "A1".parse().unwrap();
        let box_id = arrays.add_box(&name).unwrap();
        let mut changes = Vec::new();
        let mut volume = |label: &str| arrays.add_volume(box_id, None, label, BLOCKS).unwrap();
        // Backups follow each other at once here.
        let guard = RotationGuard { min_interval: Some(0), ..RotationGuard::default() };
        let policy = Policy { guard, ..Policy::new(2, 1, BackupMode::Suspend) };
        let transaction: Vec<VolumeId> = (1..=transaction).map(|number| volume(&format!("tv{number}"))).collect();
        let backup: Vec<VolumeId> = (1..=backup).map(|number| volume(&format!("bv{number}"))).collect();
        for (number, &id) in transaction.iter().enumerate() {
            changes.push(Change::Entity(EntityChange::PutTransactionVolume(TransactionVolume {
                id,
                name: format!("tv{}", number + 1).parse().unwrap(),
                blocks: BLOCKS,
                policy: Some(policy),
                registered_at: ecdeck::engine::now(),
                next_version: Version(1),
                group: None,
                window_since: None,
            })));
        }
        for &id in &backup {
            let registered_at = ecdeck::engine::now();
            changes.push(Change::Entity(EntityChange::PutBackupVolume(BackupVolume {
                id,
                name: None,
                blocks: BLOCKS,
                registered_at,
                group: None,
            })));
        }
        let disk = Disk::default();
        Catalogue::commit(&disk, changes, Vec::new()).await.unwrap();
        let arrays = Arc::new(Mutex::new(arrays));
        let embedded = Arc::new(InProcess::new(Arc::clone(&arrays), box_id));
        let gate = Gate {
            inner: if by_ccm() { ccm_upon(embedded, box_id) } else { embedded },
            arrays,
            door: Semaphore::new(0),
            open: AtomicBool::new(true),
            commands: AtomicUsize::new(0),
            readings: AtomicUsize::new(0),
            slowness: Mutex::default(),
        };
        let limits = Limits {
            send: Duration::from_secs(2),
            first_pause: Duration::from_millis(2),
            longest_pause: Duration::from_millis(20),
            busy: Duration::from_millis(200),
            observe: Duration::from_millis(500),
            accepted: Duration::from_millis(500),
            unreadable: Duration::from_millis(500),
            ..Limits::default()
        };
        Self {
            _folder: folder,
            home,
            disk,
            gate: Arc::new(gate),
            box_id,
            transaction,
            backup,
            poll_millis: 20,
            limits,
            times: Times::default(),
            roles: Roles::default(),
        }
    }

    /// An engine of its own threads.
    pub async fn run(&self) -> Running {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let Claim::Ours(instance_lock) = instance::claim(&self.home.engine()).unwrap() else {
            panic!("an engine runs already")
        };
        let settings = Settings {
            notify: None,
            site: Site {
                name: "test".into(),
                demo: false,
                poll_millis: self.poll_millis,
                rec: Vec::new(),
                hooks: Vec::new(),
                pools: Vec::new(),
            },
            arrays: vec![ConfiguredArray {
                name: "A1".parse().unwrap(),
                driver: Arc::clone(&self.gate) as Arc<dyn Driver>,
            }],
            roles: self.roles.clone(),
            limits: self.limits,
            configuration: None,
            hooks: ecdeck::engine::hooks::HookSettings::default(),
            hosts: ecdeck::engine::hosts::Hosts::default(),
            times: self.times,
        };
        let catalogue: Arc<dyn Catalogue> = Arc::new(self.disk.clone());
        let listener = {
            let _inside = runtime.enter();
            instance_lock.bind().unwrap()
        };
        let started = runtime.spawn(async move {
            let mut engine = Engine::start(catalogue, settings).await.unwrap();
            engine.listen(listener);
            engine
        });
        let engine = started.await.unwrap();
        Running { engine: Some(engine), runtime: Some(runtime), _reign: instance_lock }
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.home, &Start::Never).await.unwrap()
    }

    pub fn inject(&self, fault: Fault) {
        self.gate.arrays().core_mut().inject(self.box_id, fault).unwrap();
    }

    pub fn pair(&self, transaction: usize, backup: usize) -> Pair {
        Pair::new(self.transaction[transaction], self.backup[backup])
    }

    pub fn start_request(&self, transaction: usize) -> Request {
        let volumes = vec![self.transaction[transaction]];
        Request::new(Action::Start { volumes, targets: Vec::new(), together: false })
    }

    pub fn backup_request(&self, transaction: usize) -> Request {
        Request::new(Action::Backup { volumes: vec![self.transaction[transaction]], mode: None, together: false })
    }

    pub async fn events(&self) -> Vec<Event> {
        Catalogue::events(&self.disk, EventRange::Newest(10_000)).await.unwrap()
    }
}

/// These tests run twice: on the embedded array's driver, and on that of CCM with its emulation on the same array.
fn by_ccm() -> bool {
    module_path!().contains("engine_by_ccm")
}

/// The driver of CCM, as an operator would have it who has seen and confirmed CCM's words.
fn ccm_upon(array: Arc<dyn Driver>, box_id: BoxId) -> Arc<dyn Driver> {
    let word = |word: &str, status| WordRow {
        word: word.to_owned(),
        status: Some(status),
        phase: None,
        kind: None,
        source: Some("the emulation".to_owned()),
    };
    let words =
        vec![word("EC Suspend", StatusMeaning::Suspended), word("EC Error Suspend", StatusMeaning::ErrorSuspended)];
    let title = |column, title: &str| TitleRow { column, title: title.to_owned(), source: None };
    let titles = vec![title(Column::Status, "Copy State"), title(Column::Phase, "Copy Stage")];
    let member = Member { name: "A1".parse().unwrap(), box_id, driver: array };
    let emulation = Emulation::new(vec![member], Store::in_memory()).with_profile(Profile::strict(1));
    let server = Server::new(Arc::new(CcmInProcess(Arc::new(emulation))));
    let settings = CcmSettings { words, titles, ..CcmSettings::local("A1".parse().unwrap()) };
    Arc::new(CcmDriver::new("A1", settings, server).unwrap())
}

pub async fn planned(client: &Client, request: &Request) -> PlannedAnswer {
    match client.ask(Ask::Plan { request: request.clone(), read_hosts: false }).await.unwrap() {
        Answer::Planned(planned) => planned,
        other => panic!("{other:?}"),
    }
}

/// Plans, agrees and runs.
pub async fn run(client: &Client, request: &Request) -> Answer {
    let plan = planned(client, request).await.plan;
    agree(client, request, &plan).await
}

pub async fn agree(client: &Client, request: &Request, plan: &ecdeck::model::plan::Plan) -> Answer {
    let confirmation = plan.confirmation().map(|wanted| wanted.name.clone());
    let ask = Ask::Run { request: request.clone(), agreed: plan.agreement(), confirmation };
    tokio::time::timeout(ANSWER_TIMEOUT, client.ask(ask)).await.unwrap().unwrap()
}

pub fn operations(answer: Answer) -> Vec<OperationId> {
    match answer {
        Answer::Running { operations, .. } => operations,
        other => panic!("{other:?}"),
    }
}

/// The ends of what was asked for.
pub async fn ends(client: &Client, answer: Answer) -> Vec<OperationEnd> {
    let operations = operations(answer);
    let waited = tokio::time::timeout(ANSWER_TIMEOUT, client.ask(Ask::Wait { operations })).await;
    match waited.unwrap().unwrap() {
        Answer::Ended { ends, .. } => ends.into_iter().map(|(_, end)| end).collect(),
        other => panic!("{other:?}"),
    }
}

/// Runs a request to its good end.
pub async fn done(client: &Client, request: &Request) {
    let answer = run(client, request).await;
    for end in ends(client, answer).await {
        assert_eq!(end, OperationEnd::Done);
    }
}

/// Waits until a watched snapshot is as wanted.
pub async fn until(snapshots: &mut Snapshots, what: &str, wanted: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let seen = snapshots.wait_for(|snapshot| snapshot.as_ref().is_some_and(|snapshot| wanted(snapshot)));
    let found =
        tokio::time::timeout(ANSWER_TIMEOUT, seen).await.ok().map(|seen| Arc::clone(seen.unwrap().as_ref().unwrap()));
    found.unwrap_or_else(|| panic!("{what} did not come; this is the last snapshot: {:#?}", *snapshots.borrow()))
}

/// Waits until something becomes so that no snapshot shows.
pub async fn soon(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + ANSWER_TIMEOUT;
    while !so() {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not come");
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn the_driver_is_the_one_that_these_tests_are_about() {
    let test_site = TestSite::new(1, 1).await;
    let unknown = test_site.gate.capabilities().atomic_suspend == ecdeck::model::copy::Ability::Unknown;
    assert_eq!(unknown, by_ccm(), "CCM does not tell whether it suspends several pairs at one instant");
}
