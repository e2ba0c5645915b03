//! A site of equivalent pairs behind one CCM server that takes its time, with an engine in this process: what many backups at
//! once cost. CCM is its emulation in this process; everything above its command lines is the real thing.

use ecdeck::catalog::Catalogue;
use ecdeck::driver::Driver;
use ecdeck::driver::ccm::CcmDriver;
use ecdeck::driver::ccm::server::{Server, Waits};
use ecdeck::driver::ccm::settings::Settings as CcmSettings;
use ecdeck::driver::ccm::word_table::{Row, StatusMeaning};
use ecdeck::engine::operation::Limits;
use ecdeck::engine::{ConfiguredArray, Engine, Roles, Settings, Times, now};
use ecdeck::model::copy::Command;
use ecdeck::model::identity::{Name, Olu, VolumeId};
use ecdeck::model::records::{
    BackupMode, BackupVolume, Change, EntityChange, OurSession, Policy, RotationGuard, TransactionVolume,
};
use ecdeck::model::session::Pair;
use ecdeck::model::snapshot::Site;
use ecdeck::model::units::{Blocks, Timestamp, Version};
use ecdeck::process::instance::{self, Claim, InstanceLock};
use ecdeck::process::paths::Home;
use ecdeck::testkit::catalogue::MemoryCatalogue;
use ecdeck::testkit::ccm_emulation::profile::Profile;
use ecdeck::testkit::ccm_emulation::{Emulation, InProcess, Member, Store};
use ecdeck::testkit::in_process::InProcess as EmulatedArray;
use ecdeck::testkit::memory::Memory;
use ecdeck::testkit::scripted::Scripted;
use parking_lot::Mutex;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

type Error = Box<dyn std::error::Error>;

const BLOCKS: Blocks = Blocks::from_mib(8);
const LIMIT: Duration = Duration::from_mins(10);

/// Served until it is dropped.
pub struct CcmSite {
    folder: TempDir,
    ccm: Scripted,
    pub volumes: Vec<VolumeId>,
    _engine: Engine,
    _lock: InstanceLock,
}

impl CcmSite {
    /// So many pairs, all equivalent; from now on each command of CCM takes `delay`. The engine's and the driver's limits are
    /// the usual ones, made shorter as `second` is shorter than a second.
    pub async fn equivalent(count: u32, delay: Duration, second: Duration) -> Result<Self, Error> {
        let mut memory = Memory::new();
        let name: Name = "A1".parse()?;
        let box_id = memory.add_box(&name)?;
        let id = |olu| VolumeId { box_id, olu: Olu(olu) };
        let pairs: Vec<Pair> = (0..count).map(|at| Pair::new(id(0x1_0000 + at), id(0x2_0000 + at))).collect();
        for volume in pairs.iter().flat_map(|pair| [pair.source, pair.target]) {
            memory.add_volume(box_id, Some(volume.olu), "lv", BLOCKS)?;
        }
        let arrays = Arc::new(Mutex::new(memory));
        let array: Arc<dyn Driver> = Arc::new(EmulatedArray::new(Arc::clone(&arrays), box_id));
        let member = Member { name: "A1".parse()?, box_id, driver: array };
        let fast = Emulation::new(vec![member], Store::in_memory());
        let slow = fast.again(Profile { delay, ..Profile::default() });
        let scaled = |usual: Duration| usual.mul_f64(second.as_secs_f64()).max(2 * delay);
        let (usual, waits) = (Limits::default(), Waits::default());
        let waits = Waits { question: scaled(waits.question), look: scaled(waits.look) };
        let driver = |ccm: Scripted| {
            let word = Row {
                word: "EC Suspend".into(),
                status: Some(StatusMeaning::Suspended),
                phase: None,
                kind: None,
                source: None,
            };
            let settings = CcmSettings { words: vec![word], ..CcmSettings::local("A1".parse()?) };
            Ok::<_, Error>(CcmDriver::new("A1", settings, Server::with_waits(Arc::new(ccm), waits))?)
        };
        let start = Command::Start { pairs: pairs.clone(), modes: None };
        driver(Scripted::over(Arc::new(InProcess(Arc::new(fast)))))?.execute(start, LIMIT).await;
        arrays.lock().settle();

        let catalogue = MemoryCatalogue::new();
        catalogue.commit(records(&pairs)?, Vec::new()).await?;
        let ccm = Scripted::over(Arc::new(InProcess(Arc::new(slow))));
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
            arrays: vec![ConfiguredArray { name, driver: Arc::new(driver(ccm.clone())?) }],
            roles: Roles::default(),
            limits: Limits {
                send: scaled(usual.send),
                first_pause: scaled(usual.first_pause),
                longest_pause: scaled(usual.longest_pause),
                busy: scaled(usual.busy),
                observe: scaled(usual.observe),
                accepted: scaled(usual.accepted),
                unreadable: scaled(usual.unreadable),
                unknown_sends: usual.unknown_sends,
            },
            configuration: None,
            hooks: ecdeck::engine::hooks::HookSettings::default(),
            hosts: ecdeck::engine::hosts::Hosts::default(),
            times: Times::default(),
        };
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
        // The program takes the home for this site's; the engine here has an array of its own under the name.
        let config = "site = \"bench\"\n[[array]]\nname = \"A1\"\ndriver = \"embedded\"\n";
        std::fs::write(folder.path().join("config.toml"), config)?;
        let Claim::Ours(lock) = instance::claim(&Home::in_folder(folder.path()).engine())? else {
            return Err("the folder is taken".into());
        };
        let mut engine = Engine::start(Arc::new(catalogue), settings).await?;
        engine.listen(lock.bind()?);
        let volumes = pairs.iter().map(|pair| pair.source).collect();
        Ok(Self { folder, ccm, volumes, _engine: engine, _lock: lock })
    }

    pub fn home(&self) -> Home {
        Home::in_folder(self.folder.path())
    }

    pub fn home_folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command lines that CCM was sent, each with its time, since this or [`Self::sent`] was asked last.
    pub fn sent_at(&self) -> Vec<(Instant, String)> {
        let sent = self.ccm.sent_at();
        self.ccm.forget();
        sent
    }

    /// The command lines that CCM was sent since this was asked last.
    pub fn sent(&self) -> Vec<String> {
        let sent = self.ccm.sent();
        self.ccm.forget();
        sent
    }
}

/// The name of the volume at a place of [`CcmSite::volumes`].
pub fn name(at: usize) -> String {
    format!("tv{at:05}")
}

fn records(pairs: &[Pair]) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    let guard = RotationGuard::default();
    let policy = Some(Policy {
        generations: 1,
        interval_days: 1,
        mode: BackupMode::Suspend,
        reuse_oldest: false,
        guard,
        window: None,
    });
    for (at, pair) in pairs.iter().enumerate() {
        changes.push(EntityChange::PutTransactionVolume(TransactionVolume {
            id: pair.source,
            name: name(at).parse()?,
            blocks: BLOCKS,
            policy,
            registered_at: now(),
            next_version: Version(1),
            group: None,
            window_since: None,
        }));
        changes.push(EntityChange::PutBackupVolume(BackupVolume {
            id: pair.target,
            name: None,
            blocks: BLOCKS,
            registered_at: now(),
            group: None,
        }));
        changes.push(EntityChange::PutSession(OurSession {
            pair: *pair,
            since: Timestamp(0),
            operation: None,
            full: true,
        }));
    }
    Ok(changes.into_iter().map(Change::Entity).collect())
}
