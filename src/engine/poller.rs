//! One reader an array: everybody who wants to know something of it gets it from here, by one list call at a time.

use super::clock;
use super::core::Core;
use super::ledger::Ledger;
use super::operation::Commit;
use super::pace::Pace;
use super::read_error::ReadError;
use crate::driver::{Driver, DriverError, answer_within};
use crate::model::event::EventKind;
use crate::model::identity::BoxId;
use crate::model::records::{Change, EntityChange};
use crate::model::session::Reading;
use crate::model::snapshot::Reach;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// How often the list of volumes is read.
const VOLUMES_EVERY: Duration = Duration::from_mins(1);
/// Readings that are waited for at the same time: more than operations that run at once.
const MAX_WAITING: usize = 1024;

type Answer = oneshot::Sender<Result<Arc<Reading>, ReadError>>;

/// What is asked of a poller.
#[derive(Debug)]
struct Wanted {
    /// With the list of volumes, and with nothing from the driver's memory.
    afresh: bool,
    answer: Answer,
}

/// Asks the poller of an array for a reading.
#[derive(Debug, Clone)]
pub struct Reader(mpsc::Sender<Wanted>);

impl Reader {
    /// A reading whose call begins after this one.
    pub async fn read(&self) -> Result<Arc<Reading>, ReadError> {
        self.ask(false).await
    }

    /// The same with the list of the array's volumes before it, and with nothing from the driver's memory.
    pub async fn read_afresh(&self) -> Result<Arc<Reading>, ReadError> {
        self.ask(true).await
    }

    async fn ask(&self, afresh: bool) -> Result<Arc<Reading>, ReadError> {
        let (sender, answer) = oneshot::channel();
        self.0.send(Wanted { afresh, answer: sender }).await.map_err(|_| ReadError::EngineEnds)?;
        answer.await.map_err(|_| ReadError::EngineEnds)?
    }
}

/// Starts the poller of the `index`th array. It ends with the last of its readers. `longest`: a call that asks the array and
/// gives no answer for so long means that it is unreachable.
pub fn start(core: Arc<Core>, ledger: Ledger, index: usize, interval: Duration, longest: Duration) -> Reader {
    let (sender, requests) = mpsc::channel(MAX_WAITING);
    let poller = Poller {
        driver: Arc::clone(&core.arrays()[index].driver),
        core,
        ledger,
        index,
        interval,
        longest,
        identified: false,
        is_other: false,
        volumes_due: Instant::now(),
        pace: Pace::default(),
        took: Duration::ZERO,
    };
    tokio::spawn(poller.run(requests));
    Reader(sender)
}

struct Poller {
    core: Arc<Core>,
    ledger: Ledger,
    driver: Arc<dyn Driver>,
    index: usize,
    interval: Duration,
    longest: Duration,
    /// The box answered to its identity since it was last out of reach.
    identified: bool,
    /// Another box answers under the name.
    is_other: bool,
    volumes_due: Instant,
    pace: Pace,
    /// How long the array needed for the last reading, for each array that shares its control plane.
    took: Duration,
}

impl Poller {
    async fn run(mut self, mut requests: mpsc::Receiver<Wanted>) {
        let mut waiting: Vec<Wanted> = Vec::new();
        loop {
            let afresh = waiting.iter().any(|wanted| wanted.afresh);
            if afresh {
                self.volumes_due = Instant::now();
            }
            let reading = self.read(afresh).await;
            if let Err(why) = &reading
                && !self.is_other
            {
                self.core.unreachable(self.index, &why.to_string());
            }
            for wanted in waiting.drain(..) {
                let _ = wanted.answer.send(reading.clone());
            }
            let busy = self.core.is_operating();
            let pause = match &reading {
                Ok(reading) => self.pace.after(reading, Instant::now(), self.took, self.interval, busy),
                Err(_) => self.pace.after_failure(self.interval, busy),
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                request = requests.recv() => match request {
                    Some(wanted) => waiting.push(wanted),
                    None => return,
                },
            }
            // Whoever asked before the call begins is served by it.
            while let Ok(wanted) = requests.try_recv() {
                waiting.push(wanted);
            }
        }
    }

    async fn read(&mut self, afresh: bool) -> Result<Arc<Reading>, ReadError> {
        self.is_other = false;
        let reading = self.ask(afresh).await;
        if reading.is_err() {
            self.identified = false;
        }
        reading
    }

    async fn ask(&mut self, afresh: bool) -> Result<Arc<Reading>, ReadError> {
        if !self.identified {
            self.identify().await?;
            self.identified = true;
        }
        if Instant::now() >= self.volumes_due {
            let volumes = self.call(Driver::volumes).await?;
            self.core.take_volumes(self.index, volumes);
            self.volumes_due = Instant::now() + VOLUMES_EVERY;
        }
        let (now, called) = (clock::now(), Instant::now());
        let (number, began) = self.core.begin_reading();
        let reading =
            self.call(move |driver| if afresh { driver.sessions_afresh(now) } else { driver.sessions(now) }).await?;
        let reading = Arc::new(Reading { number, began, ..reading });
        self.check(reading.box_id)?;
        // Arrays with the same control plane share its time. What a question waited for its turn took nobody's.
        self.took = self.driver.asked_at(called).unwrap_or(called).elapsed() * self.driver.sharing();
        self.core.take_reading(self.index, &reading, self.took.max(called.elapsed()));
        Ok(reading)
    }

    async fn identify(&mut self) -> Result<(), ReadError> {
        let identity = self.call(Driver::identify).await?;
        let name = self.core.arrays()[self.index].name.clone();
        if self.known().is_none() {
            let changes = vec![Change::Entity(EntityChange::KnowArray { name, box_id: identity.box_id })];
            self.ledger.commit(Commit { changes, events: Vec::new() }).await?;
        } else if let Some(known) = self.known()
            && known != identity.box_id
            && !matches!(self.core.reach(self.index), Reach::IdentityChanged { .. })
        {
            let told = EventKind::ArrayIdentityChanged { array: name, known, found: identity.box_id };
            self.ledger.tell([told]).await?;
        }
        self.volumes_due = Instant::now();
        self.check(identity.box_id)
    }

    fn known(&self) -> Option<BoxId> {
        let name = &self.core.arrays()[self.index].name;
        self.core.with_records(|records| records.arrays.get(name).copied())
    }

    /// Nothing is believed of a box that is not the known one.
    fn check(&mut self, found: BoxId) -> Result<(), ReadError> {
        if self.known() == Some(found) {
            return Ok(());
        }
        self.is_other = true;
        self.core.identity_changed(self.index, found);
        Err(ReadError::AnotherBox(found))
    }

    /// A question in a task of its own, so that a time limit drops nothing half-way.
    async fn call<T, F>(&self, ask: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a (dyn Driver + 'static)) -> BoxFuture<'a, Result<T, DriverError>> + Send + 'static,
    {
        let driver = Arc::clone(&self.driver);
        let task = tokio::spawn(async move { ask(&*driver).await });
        match answer_within(&*self.driver, self.longest, task).await {
            Some(Ok(Ok(answer))) => Ok(answer),
            Some(Ok(Err(error))) => Err(ReadError::Driver(error)),
            Some(Err(error)) => Err(ReadError::DriverFailed(error.to_string())),
            None => Err(ReadError::Silent(self.longest)),
        }
    }
}
