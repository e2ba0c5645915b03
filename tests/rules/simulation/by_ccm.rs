//! The same arrays with CCM's commands between them and the engine: the driver of CCM on the emulation of its commands,
//! without processes. Everything that the simulator does is done through them; the truth is still the arrays' own.

use super::engine::finish;
use super::world::World;
use ecdeck::driver::ccm::CcmDriver;
use ecdeck::driver::ccm::server::Server;
use ecdeck::driver::ccm::settings::Settings;
use ecdeck::driver::{Driver, DriverError};
use ecdeck::model::array_words::{Column, StatusMeaning, TitleRow, WordRow};
use ecdeck::model::copy::{Capabilities, Command, Identity, PairOutcome};
use ecdeck::model::identity::{BoxId, Name};
use ecdeck::model::session::{ArrayVolume, Reading};
use ecdeck::model::units::Timestamp;
use ecdeck::testkit::ccm_emulation::profile::Profile;
use ecdeck::testkit::ccm_emulation::{Emulation, InProcess as CcmInProcess, Member, Store};
use ecdeck::testkit::in_process::InProcess;
use ecdeck::testkit::memory::Memory;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Time of the host's clock, which nothing here waits for.
const LIMIT: Duration = Duration::from_mins(1);

/// CCM on two boxes. The arrays are in it only while it is at work.
pub struct Ccm {
    arrays: Arc<Mutex<Memory>>,
    emulation: Arc<Emulation>,
    names: [(BoxId, Name); 2],
    drivers: BTreeMap<BoxId, CcmDriver>,
    /// The simulated time, for the arrays.
    now: Arc<Mutex<Timestamp>>,
    /// What the arrays themselves said, whatever CCM made of it.
    said: Arc<Mutex<Vec<PairOutcome>>>,
}

impl Clone for Ccm {
    fn clone(&self) -> Self {
        panic!("the drivers of CCM cannot be copied: run the scenario again instead")
    }
}

impl Ccm {
    /// As unkind as the manuals allow, and for some seeds as kind as CCM is usually taken to be. Busy it is by the simulator's
    /// faults only: the driver's pauses would take real time.
    pub fn new(names: [(BoxId, Name); 2], seed: u64) -> Self {
        let (arrays, now, said) = (Arc::default(), Arc::default(), Arc::default());
        let member = |(box_id, name): &(BoxId, Name)| Member {
            name: name.as_str().parse().unwrap(),
            box_id: *box_id,
            driver: Arc::new(Witness {
                inner: InProcess::new(Arc::clone(&arrays), *box_id),
                now: Arc::clone(&now),
                said: Arc::clone(&said),
            }),
        };
        let profile = if seed.is_multiple_of(4) {
            Profile::default()
        } else {
            Profile { busy_one_in: 0, ..Profile::strict(seed) }
        };
        let members = names.iter().map(member).collect();
        let emulation = Emulation::new(members, Store::in_memory()).with_profile(profile);
        let mut ccm = Self { arrays, emulation: Arc::new(emulation), names, drivers: BTreeMap::new(), now, said };
        ccm.forget();
        ccm
    }

    /// A new engine: its drivers know nothing yet. CCM's groups stay.
    pub fn forget(&mut self) {
        let server = Server::new(Arc::new(CcmInProcess(Arc::clone(&self.emulation))));
        let driver = |(box_id, name): &(BoxId, Name)| {
            let array = name.as_str().parse().unwrap();
            let settings =
                Settings { words: words(), titles: titles(), discover: Duration::ZERO, ..Settings::local(array) };
            (*box_id, CcmDriver::new(name.as_str(), settings, Arc::clone(&server)).unwrap())
        };
        self.drivers = self.names.iter().map(driver).collect();
    }

    pub fn capabilities(&self) -> Capabilities {
        self.drivers[&self.names[0].0].capabilities()
    }
}

impl World {
    fn by_ccm<T>(&mut self, now: Timestamp, act: impl FnOnce(&Ccm) -> T) -> Option<T> {
        let ccm = self.ccm.as_ref()?;
        *ccm.now.lock() = now;
        std::mem::swap(&mut self.arrays, &mut *ccm.arrays.lock());
        let result = act(ccm);
        std::mem::swap(&mut self.arrays, &mut *ccm.arrays.lock());
        Some(result)
    }

    /// `None` when the engine drives the arrays themselves.
    pub fn reading_by_ccm(&mut self, at: BoxId, now: Timestamp) -> Option<Result<Reading, String>> {
        self.by_ccm(now, |ccm| finish(ccm.drivers[&at].sessions(now)).map_err(|error| error.to_string()))
    }

    /// What the engine is told, and what the arrays did.
    pub fn execute_by_ccm(
        &mut self,
        at: BoxId,
        command: &Command,
        now: Timestamp,
    ) -> Option<(Vec<PairOutcome>, Vec<PairOutcome>)> {
        self.by_ccm(now, |ccm| {
            ccm.said.lock().clear();
            let told = finish(ccm.drivers[&at].execute(command.clone(), LIMIT));
            let said = ccm.said.lock().clone();
            let truly = |told: &PairOutcome| said.iter().find(|said| said.pair == told.pair).unwrap_or(told).clone();
            let truth = told.iter().map(truly).collect();
            (told, truth)
        })
    }
}

/// The words that an operator has confirmed.
fn words() -> Vec<WordRow> {
    let row = |word: String, status| WordRow { word, status: Some(status), phase: None, kind: None, source: None };
    let of_kind = |kind: &str| {
        [
            ("action not startup", StatusMeaning::None),
            ("Executing", StatusMeaning::Active),
            ("Suspend", StatusMeaning::Suspended),
            ("Error Suspend", StatusMeaning::ErrorSuspended),
            ("Halt", StatusMeaning::Halted),
        ]
        .map(|(word, status)| row(format!("{kind} {word}"), status))
    };
    ["EC", "REC"].iter().flat_map(|kind| of_kind(kind)).collect()
}

/// The strict profile's titles, as an operator has confirmed them.
fn titles() -> Vec<TitleRow> {
    let title = |column, title: &str| TitleRow { column, title: title.to_owned(), source: None };
    vec![title(Column::Status, "Copy State"), title(Column::Phase, "Copy Stage")]
}

/// An array's own driver, with the simulated time, that keeps what the array said.
struct Witness {
    inner: InProcess,
    now: Arc<Mutex<Timestamp>>,
    said: Arc<Mutex<Vec<PairOutcome>>>,
}

impl Driver for Witness {
    fn identify(&self) -> BoxFuture<'_, Result<Identity, DriverError>> {
        self.inner.identify()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn volumes(&self) -> BoxFuture<'_, Result<Vec<ArrayVolume>, DriverError>> {
        self.inner.volumes()
    }

    fn sessions(&self, _host: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        let now = *self.now.lock();
        self.inner.sessions(now)
    }

    fn execute(&self, command: Command, limit: Duration) -> BoxFuture<'_, Vec<PairOutcome>> {
        Box::pin(async move {
            let outcomes = self.inner.execute(command, limit).await;
            self.said.lock().extend(outcomes.clone());
            outcomes
        })
    }

    fn describe(&self, command: &Command) -> Vec<String> {
        self.inner.describe(command)
    }
}
