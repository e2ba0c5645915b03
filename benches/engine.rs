//! What the engine and one watching client cost while sessions move: processor time of each, and bytes on the socket.
//!
//! `ECDECK_BENCH_SECONDS` changes how long it looks (20 s by default).

use ecdeck::catalog::Catalogue;
use ecdeck::catalog::memory::MemoryCatalogue;
use ecdeck::driver::{Driver, DriverError, Pending};
use ecdeck::engine::client::{Client, Start};
use ecdeck::engine::operation::Limits;
use ecdeck::engine::{ConfiguredArray, Engine, Roles, Settings, Times, now};
use ecdeck::model::copy::{Ability, Capabilities, Command, Identity, PairOutcome};
use ecdeck::model::identity::{BoxId, Olu, VolumeId};
use ecdeck::model::records::{BackupVolume, Change, OurSession, TransactionVolume};
use ecdeck::model::session::{ArrayVolume, ArrayWords, Pair, Phase, Reading, SessionReading, Status, Truth};
use ecdeck::model::snapshot::Site;
use ecdeck::model::units::{Blocks, Progress, Timestamp, Version};
use ecdeck::model::untrusted::Untrusted;
use ecdeck::process::life::{self, Claim};
use ecdeck::process::paths::Home;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

type Error = Box<dyn std::error::Error>;

const BOX: &str = "00ETERNUSDXL##ET08E21A####LN4310901078##";
const BLOCKS: Blocks = Blocks::from_mib(10_240);

/// An array whose `first` sessions copy a little with every reading; the others are suspended.
struct Moving {
    box_id: BoxId,
    pairs: Vec<Pair>,
    first: usize,
    readings: AtomicU64,
}

impl Driver for Moving {
    fn identify(&self) -> Pending<'_, Result<Identity, DriverError>> {
        let none = Untrusted::default();
        let (model, serial, firmware) = (none.clone(), none.clone(), none);
        Box::pin(async move { Ok(Identity { box_id: self.box_id, model, serial, firmware }) })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { verbs: Vec::new(), atomic_suspend: Ability::No, sessions_per_source: 8, limited: None }
    }

    fn volumes(&self) -> Pending<'_, Result<Vec<ArrayVolume>, DriverError>> {
        let ids = self.pairs.iter().flat_map(|pair| [pair.source, pair.target]);
        let list = ids.map(|id| ArrayVolume { id, label: Untrusted::default(), blocks: BLOCKS }).collect();
        Box::pin(async move { Ok(list) })
    }

    fn sessions(&self, now: Timestamp) -> Pending<'_, Result<Reading, DriverError>> {
        let done = self.readings.fetch_add(1, Ordering::Relaxed) * 2048;
        let one = |(index, pair): (usize, &Pair)| {
            let moves = index < self.first;
            SessionReading {
                sid: u32::try_from(index).unwrap_or(0),
                pair: *pair,
                status: if moves { Status::Active } else { Status::Suspended },
                phase: if moves { Phase::Copying } else { Phase::Equivalent },
                progress: moves.then(|| Progress { done: Blocks(done + index as u64), total: BLOCKS }),
                difference: (!moves).then_some(Blocks(2048)),
                error: None,
                modes: None,
                reversed: false,
                requestor: Untrusted::from("ecdeck"),
                started: Some(Timestamp(0)),
                words: ArrayWords { status: Untrusted::from("Active"), phase: Untrusted::from("Copying") },
            }
        };
        let sessions = self.pairs.iter().enumerate().map(one).collect();
        let reading = Reading { box_id: self.box_id, taken_at: now, truth: Truth::Live, sessions };
        Box::pin(async move { Ok(reading) })
    }

    fn execute(&self, _: Command, _: Duration) -> Pending<'_, Vec<PairOutcome>> {
        Box::pin(async { Vec::new() })
    }

    fn describe(&self, _: &Command) -> Vec<String> {
        Vec::new()
    }
}

fn main() -> Result<(), Error> {
    let seconds = std::env::var("ECDECK_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    for (sessions, moving) in [(300, 300), (300, 0), (10_000, 300)] {
        look(sessions, moving, Duration::from_secs(seconds))?;
    }
    Ok(())
}

fn threads(name: &str) -> Result<Runtime, Error> {
    Ok(Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build()?)
}

fn look(sessions: u32, moving: usize, time: Duration) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
    let home = Home::in_folder(folder.path());
    let box_id: BoxId = BOX.parse()?;
    let id = |olu| VolumeId { box_id, olu: Olu(olu) };
    let pairs: Vec<Pair> = (0..sessions).map(|number| Pair::new(id(number), id(1_000_000 + number))).collect();
    let catalogue = MemoryCatalogue::new();
    let driver = Moving { box_id, pairs: pairs.clone(), first: moving, readings: AtomicU64::new(0) };
    let (ours, theirs) = (threads("bench-engine")?, threads("bench-client")?);
    let Claim::Ours(reign) = life::claim(&home.engine())? else { return Err("the folder is taken".into()) };
    let listener = {
        let _inside = ours.enter();
        reign.bind()?
    };
    let engine = ours.block_on(async {
        catalogue.commit(records(&pairs)?, Vec::new()).await?;
        let settings = Settings {
            site: Site { name: "bench".into(), demo: false, poll_millis: 1_000, rec: Vec::new() },
            arrays: vec![ConfiguredArray { name: "A1".parse()?, driver: Arc::new(driver) }],
            roles: Roles::default(),
            limits: Limits::default(),
            configuration: None,
            times: Times::default(),
        };
        let mut engine = Engine::start(Arc::new(catalogue), settings).await?;
        engine.listen(listener);
        Ok::<_, Error>(engine)
    })?;
    let counted = theirs.block_on(theirs.spawn(async move {
        let client = Client::connect(&home, &Start::Never).await.map_err(|error| error.to_string())?;
        let mut snapshots = client.watch().await.map_err(|error| error.to_string())?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = (cpu("bench-engine"), cpu("bench-client"), Instant::now());
        let mut count = 0;
        while before.2.elapsed() < time {
            if tokio::time::timeout(time, snapshots.changed()).await.is_ok() {
                count += 1;
            }
        }
        let share = |spent: Duration| spent.as_secs_f64() / before.2.elapsed().as_secs_f64() * 100.0;
        let (engine, client) =
            (cpu("bench-engine").saturating_sub(before.0), cpu("bench-client").saturating_sub(before.1));
        Ok::<_, String>((count, share(engine), share(client)))
    }))??;
    let (count, engine_share, client_share) = counted;
    println!(
        "{sessions:>6} sessions, {moving:>3} move, {count:>3} snapshots in {} s: engine {engine_share:.3} %, client {client_share:.3} % of a core",
        time.as_secs()
    );
    drop(engine);
    ours.shutdown_background();
    theirs.shutdown_background();
    Ok(())
}

fn records(pairs: &[Pair]) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    for (number, pair) in pairs.iter().enumerate() {
        changes.push(Change::PutTransactionVolume(TransactionVolume {
            id: pair.source,
            name: format!("tv{number}").parse()?,
            blocks: BLOCKS,
            policy: None,
            registered_at: now(),
            next_version: Version(1),
        }));
        let (id, registered_at) = (pair.target, now());
        changes.push(Change::PutBackupVolume(BackupVolume { id, name: None, blocks: BLOCKS, registered_at }));
        changes.push(Change::PutSession(OurSession { pair: *pair, since: Timestamp(0), operation: None, full: true }));
    }
    Ok(changes)
}

/// Processor time that threads of this name have used.
fn cpu(name: &str) -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let named = tasks
        .map(|task| task.path())
        .filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name));
    let nanos = named.filter_map(|task| {
        std::fs::read_to_string(task.join("schedstat")).ok()?.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
