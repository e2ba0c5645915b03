//! A site whose array needs no bytes: sessions that move a little with every reading, served by an engine in this process.

use super::Error;
use ecdeck::catalog::Catalogue;
use ecdeck::catalog::sql::{CataloguePlace, OpenOptions, SqlCatalogue};
use ecdeck::driver::{Driver, DriverError};
use ecdeck::engine::operation::Limits;
use ecdeck::engine::{ConfiguredArray, Engine, Roles, Settings, Times, now};
use ecdeck::model::copy::{Ability, Capabilities, Command, CommandVerb, Identity, PairOutcome};
use ecdeck::model::identity::{BoxId, Olu, VolumeId};
use ecdeck::model::records::{BackupVolume, Change, EntityChange, OurSession, TransactionVolume};
use ecdeck::model::session::{
    ArrayVolume, ArrayWords, CopyKind, Direction, Pair, Phase, Reading, SessionReading, Status,
};
use ecdeck::model::snapshot::Site;
use ecdeck::model::units::{Blocks, Progress, Timestamp, Version};
use ecdeck::model::untrusted::Untrusted;
use ecdeck::process::instance::{self, Claim, InstanceLock};
use ecdeck::process::paths::Home;
use ecdeck::testkit::catalogue::MemoryCatalogue;
use futures_util::future::BoxFuture;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const BOX: &str = "00ETERNUSDXL##ET08E21A####LN4310901078##";
const BLOCKS: Blocks = Blocks::from_mib(10_240);
/// The name of the engine's threads.
pub const ENGINE_THREAD: &str = "bench-engine";

/// How large the site is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Transaction volumes, each with a session of its own.
    pub sessions: u32,
    /// So many of the sessions copy; the others are suspended.
    pub moving: u32,
    /// Backup volumes without a session.
    pub spare: u32,
}

/// An array whose first sessions copy a little with every reading; the others are suspended.
struct Moving {
    box_id: BoxId,
    pairs: Vec<Pair>,
    spare: Vec<VolumeId>,
    first: usize,
    readings: AtomicU64,
    requestor: Untrusted,
    words: ArrayWords,
}

impl Driver for Moving {
    fn identify(&self) -> BoxFuture<'_, Result<Identity, DriverError>> {
        let none = Untrusted::default();
        let (model, serial, firmware) = (none.clone(), none.clone(), none);
        Box::pin(async move { Ok(Identity { box_id: self.box_id, model, serial, firmware }) })
    }

    fn capabilities(&self) -> Capabilities {
        let verbs = [CommandVerb::Start, CommandVerb::Resume, CommandVerb::Suspend, CommandVerb::Stop];
        let verbs = verbs.map(|verb| (CopyKind::Ec, verb)).to_vec();
        Capabilities {
            verbs,
            atomic_suspend: Ability::No,
            sessions_per_source: 8,
            sees_target_writes: Ability::Unknown,
            reads_bytes: false,
            limited: None,
            message_ids: Vec::new(),
            tool_commands: Vec::new(),
        }
    }

    fn volumes(&self) -> BoxFuture<'_, Result<Vec<ArrayVolume>, DriverError>> {
        let paired = self.pairs.iter().flat_map(|pair| [pair.source, pair.target]);
        let ids = paired.chain(self.spare.iter().copied());
        let list = ids
            .map(|id| ArrayVolume { id, label: Untrusted::default(), blocks: BLOCKS, copy_inhibited: None })
            .collect();
        Box::pin(async move { Ok(list) })
    }

    fn sessions(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        let reading = self.readings.fetch_add(1, Ordering::Relaxed);
        let one = |(index, pair): (usize, &Pair)| {
            let moves = index < self.first;
            SessionReading {
                sid: u32::try_from(index).unwrap_or(0),
                pair: *pair,
                status: if moves { Status::Active } else { Status::Suspended },
                phase: if moves { Phase::Copying } else { Phase::Equivalent },
                progress: moves.then(|| progress(index as u64, reading)),
                difference: (!moves).then_some(Blocks(2048)),
                error: None,
                modes: None,
                direction: Direction::Forward,
                target_written: None,
                requestor: self.requestor.clone(),
                started: Some(Timestamp(0)),
                words: self.words.clone(),
            }
        };
        let sessions = self.pairs.iter().enumerate().map(one).collect();
        let reading = Reading::complete(self.box_id, now, sessions);
        Box::pin(async move { Ok(reading) })
    }

    fn execute(&self, _: Command, _: Duration) -> BoxFuture<'_, Vec<PairOutcome>> {
        Box::pin(async { Vec::new() })
    }

    fn describe(&self, _: &Command) -> Vec<String> {
        Vec::new()
    }
}

/// Every copy is somewhere else and goes on by about one percent with each reading, a little more or less than the last
/// time: what is seen of it changes every second. At its end it begins anew.
fn progress(index: u64, reading: u64) -> Progress {
    let step = BLOCKS.0 / 100;
    let sway = (index + reading) % 5 * step / 40;
    Progress { done: Blocks((reading * step + sway + index * 7 % 90 * step) % BLOCKS.0), total: BLOCKS }
}

/// A site that is served until it is dropped.
pub struct Served {
    folder: TempDir,
    _engine: Engine,
    _reign: InstanceLock,
    // Last: the engine's tasks are still in it.
    _runtime: Runtime,
}

/// The first number of volumes that nobody registered.
const UNREGISTERED: u32 = 3_000_000;

impl Served {
    pub fn new(size: Size) -> Result<Self, Error> {
        Self::serving(size, 0)
    }

    /// A site of so many volumes that are to be registered, with a catalogue on SQLite.
    pub fn with_unregistered(volumes: u32) -> Result<Self, Error> {
        Self::serving(Size { sessions: 0, moving: 0, spare: 0 }, volumes)
    }

    /// These volumes, as a verb names them.
    pub fn range(volumes: u32) -> String {
        format!("A1/{:#x}-{:#x}", UNREGISTERED, UNREGISTERED + volumes - 1)
    }

    fn serving(size: Size, unregistered: u32) -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
        // The program takes the home for this site's; the engine here has an array of its own under the name.
        std::fs::write(
            folder.path().join("config.toml"),
            "site = \"bench\"\n[[array]]\nname = \"A1\"\ndriver = \"embedded\"\n",
        )?;
        let home = Home::in_folder(folder.path());
        let runtime = threads(ENGINE_THREAD)?;
        let Claim::Ours(instance_lock) = instance::claim(&home.engine())? else {
            return Err("the folder is taken".into());
        };
        let mut engine = runtime.block_on(start(size, unregistered, folder.path()))?;
        {
            let _inside = runtime.enter();
            engine.listen(instance_lock.bind()?);
        }
        Ok(Self { folder, _engine: engine, _reign: instance_lock, _runtime: runtime })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn home(&self) -> Home {
        Home::in_folder(self.folder())
    }
}

/// A runtime of one thread with a name, to count what it uses.
pub fn threads(name: &str) -> Result<Runtime, Error> {
    Ok(Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build()?)
}

async fn start(size: Size, unregistered: u32, folder: &Path) -> Result<Engine, Error> {
    let box_id: BoxId = BOX.parse()?;
    let id = |olu| VolumeId { box_id, olu: Olu(olu) };
    let pairs: Vec<Pair> = (0..size.sessions).map(|number| Pair::new(id(number), id(1_000_000 + number))).collect();
    let spare: Vec<VolumeId> = (0..size.spare).map(|number| id(2_000_000 + number)).collect();
    let catalogue: Arc<dyn Catalogue> = if unregistered > 0 {
        let place = CataloguePlace::Sqlite(folder.join("catalogue.db"));
        Arc::new(SqlCatalogue::open(&place, OpenOptions::default()).await?)
    } else {
        Arc::new(MemoryCatalogue::new())
    };
    catalogue.commit(records(&pairs, &spare)?, Vec::new()).await?;
    let spare = spare.into_iter().chain((0..unregistered).map(|number| id(UNREGISTERED + number))).collect();
    let driver = Moving {
        box_id,
        pairs,
        spare,
        first: size.moving as usize,
        readings: AtomicU64::new(0),
        requestor: Untrusted::from("ecdeck"),
        words: ArrayWords { status: Untrusted::from("Active"), phase: Untrusted::from("Copying") },
    };
    let settings = Settings {
        notify: None,
        site: Site {
            name: "bench".into(),
            demo: false,
            poll_millis: 1_000,
            rec: Vec::new(),
            hooks: Vec::new(),
            pools: Vec::new(),
        },
        arrays: vec![ConfiguredArray { name: "A1".parse()?, driver: Arc::new(driver) }],
        roles: Roles::default(),
        limits: Limits::default(),
        configuration: None,
        hooks: ecdeck::engine::hooks::HookSettings::default(),
        hosts: ecdeck::engine::hosts::Hosts::default(),
        times: Times::default(),
    };
    Ok(Engine::start(catalogue, settings).await?)
}

fn records(pairs: &[Pair], spare: &[VolumeId]) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    let backup = |id| BackupVolume { id, name: None, blocks: BLOCKS, registered_at: now(), group: None };
    for (number, pair) in pairs.iter().enumerate() {
        changes.push(Change::Entity(EntityChange::PutTransactionVolume(TransactionVolume {
            id: pair.source,
            name: format!("tv{number:05}").parse()?,
            blocks: BLOCKS,
            policy: None,
            registered_at: now(),
            next_version: Version(1),
            group: None,
            window_since: None,
        })));
        changes.push(Change::Entity(EntityChange::PutBackupVolume(backup(pair.target))));
        changes.push(Change::Entity(EntityChange::PutSession(OurSession {
            pair: *pair,
            since: Timestamp(0),
            operation: None,
            full: true,
        })));
    }
    changes.extend(spare.iter().map(|&id| Change::Entity(EntityChange::PutBackupVolume(backup(id)))));
    Ok(changes)
}
