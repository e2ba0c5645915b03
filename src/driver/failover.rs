//! An array with a second way to it: what the first way can no longer do, the second shows and, by force, ends.
//!
//! The second way is for the night in which the first one is dead. It reads the sessions, so that people see what is true,
//! and it sends forced stops, which are the way out. Everything else waits for the first way: it is not among the
//! capabilities meanwhile, so that a plan says so before anybody agrees to it.

use super::{Driver, DriverError, MaySend, all_refused, answer_within};
use crate::model::copy::{Capabilities, Command, CommandVerb, ErrorClass, Identity, Outcome, PairOutcome};
use crate::model::fingerprint::{ChangedLeaves, Leaves};
use crate::model::identity::VolumeId;
use crate::model::session::{ArrayVolume, Pair, Reading};
use crate::model::units::Timestamp;
use crate::model::untrusted::Untrusted;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// How long a question may take on the first way before the second is asked.
const PRIMARY_TIMEOUT: Duration = Duration::from_secs(8);
/// How often a first way that is dead is tried again.
const TRIED_AGAIN: Duration = Duration::from_secs(30);

/// The first way, after it failed.
#[derive(Debug, Clone)]
struct Dead {
    why: String,
    tried: Instant,
}

/// Two drivers of the same array.
pub struct FailoverDriver {
    /// The array's name in the configuration.
    name: String,
    first: Arc<dyn Driver>,
    second: Arc<dyn Driver>,
    tried_again: Duration,
    dead: Mutex<Option<Dead>>,
}

impl FailoverDriver {
    pub fn new(name: &str, first: Arc<dyn Driver>, second: Arc<dyn Driver>) -> Self {
        Self { name: name.to_owned(), first, second, tried_again: TRIED_AGAIN, dead: Mutex::new(None) }
    }

    fn dead(&self) -> MutexGuard<'_, Option<Dead>> {
        self.dead.lock()
    }

    /// Whether the first way is worth a try just now.
    fn is_worth_a_try(&self) -> bool {
        self.dead().as_ref().is_none_or(|dead| dead.tried.elapsed() >= self.tried_again)
    }

    fn found_alive(&self) {
        if self.dead().take().is_some() {
            tracing::info!("the primary path to the array works again");
        }
    }

    fn mark_down(&self, why: &DriverError) {
        let dead = Dead { why: why.to_string(), tried: Instant::now() };
        if self.dead().replace(dead).is_none() {
            tracing::warn!("the array is looked at by its second way: {why}");
        }
    }

    /// Asks the first way, and the second where the first is dead.
    async fn question<T, F>(&self, ask: F) -> Result<T, DriverError>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a (dyn Driver + 'static)) -> BoxFuture<'a, Result<T, DriverError>> + Clone + Send + 'static,
    {
        if self.is_worth_a_try() {
            match self.by_the_first(ask.clone()).await {
                Ok(answer) => {
                    self.found_alive();
                    return Ok(answer);
                }
                // It is there, and at work for somebody else.
                Err(wrong) if wrong.class == ErrorClass::Busy => return Err(wrong),
                Err(wrong) => self.mark_down(&wrong),
            }
        }
        ask(&*self.second).await.map_err(|wrong| self.neither(wrong))
    }

    /// In a task of its own, so that the time limit drops nothing half-way.
    async fn by_the_first<T, F>(&self, ask: F) -> Result<T, DriverError>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a (dyn Driver + 'static)) -> BoxFuture<'a, Result<T, DriverError>> + Send + 'static,
    {
        let first = Arc::clone(&self.first);
        let asked = tokio::spawn(async move { ask(&*first).await });
        let silent = |detail: String| {
            let (what, detail) = ("asking by its first way".to_owned(), Untrusted::new(detail));
            Err(DriverError { array: self.name.clone(), class: ErrorClass::Transport, what, detail })
        };
        match answer_within(&*self.first, PRIMARY_TIMEOUT, asked).await {
            Some(Ok(answer)) => answer,
            Some(Err(failed)) => silent(format!("the driver failed: {failed}")),
            None => silent(format!("no answer within {} s", PRIMARY_TIMEOUT.as_secs())),
        }
    }

    fn neither(&self, second: DriverError) -> DriverError {
        let first = self.dead().as_ref().map_or_else(|| "it is not known why".to_owned(), |dead| dead.why.clone());
        let detail = format!("by the first way: {first}; by the second: {}", second.detail.raw());
        DriverError { detail: Untrusted::new(detail), ..second }
    }

    /// A forced stop: by the first way, and by the second for the pairs of which the first surely did nothing.
    async fn stop_by_force(&self, command: Command, limit: Duration, may_send: MaySend) -> Vec<PairOutcome> {
        let turn: Arc<OnceLock<Instant>> = Arc::default();
        let first_is_dead = self.dead().is_some();
        let mut outcomes = Vec::new();
        if !first_is_dead {
            let (asked, came) = (Arc::clone(&may_send), Arc::clone(&turn));
            let in_turn: MaySend = Arc::new(move || {
                asked()?;
                came.get_or_init(Instant::now);
                Ok(())
            });
            let mut first = self.first.execute_in_turn(command.clone(), limit, in_turn);
            // Nothing is sent before the turn has come, so until then it can be dropped.
            match tokio::time::timeout(limit, &mut first).await {
                Ok(done) if turn.get().is_none() => return done,
                Ok(done) => outcomes = done,
                Err(_) if turn.get().is_some() => outcomes = first.await,
                Err(_) => {}
            }
        }
        if turn.get().is_none()
            && let Err(refusal) = may_send()
        {
            return all_refused(&command, &refusal);
        }
        let deadline = *turn.get_or_init(Instant::now) + limit;
        let settled =
            |pair: &Pair| outcomes.iter().any(|outcome| outcome.pair == *pair && !was_not_reached(&outcome.outcome));
        let open: Vec<Pair> = command.pairs().iter().copied().filter(|pair| !settled(pair)).collect();
        let left = deadline.saturating_duration_since(Instant::now());
        if open.is_empty() || (left.is_zero() && !first_is_dead) {
            return outcomes;
        }
        let second = self.second.execute(Command::Stop { pairs: open.clone(), force: true }, left).await;
        outcomes.retain(|outcome| !open.contains(&outcome.pair));
        outcomes.extend(second);
        outcomes.sort_by_key(|outcome| command.pairs().iter().position(|pair| *pair == outcome.pair));
        outcomes
    }
}

/// Whether a refusal says that the array was not even asked. A refusal of the array itself is one by either way.
fn was_not_reached(outcome: &Outcome) -> bool {
    let classes = [ErrorClass::Transport, ErrorClass::Auth, ErrorClass::Config];
    matches!(outcome, Outcome::Refused(refusal) if classes.contains(&refusal.class))
}

impl Driver for FailoverDriver {
    fn identify(&self) -> BoxFuture<'_, Result<Identity, DriverError>> {
        Box::pin(self.question(|driver| driver.identify()))
    }

    fn capabilities(&self) -> Capabilities {
        let whole = self.first.capabilities();
        match &*self.dead() {
            None => whole,
            Some(Dead { why, .. }) => Capabilities {
                verbs: whole.verbs.into_iter().filter(|(_, verb)| *verb == CommandVerb::Stop).collect(),
                reads_bytes: false,
                limited: Some(format!("only the fallback path works, which is for forced stops: {why}")),
                ..whole
            },
        }
    }

    fn volumes(&self) -> BoxFuture<'_, Result<Vec<ArrayVolume>, DriverError>> {
        Box::pin(self.question(|driver| driver.volumes()))
    }

    fn sessions(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        Box::pin(self.question(move |driver| driver.sessions(now)))
    }

    fn sessions_afresh(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        Box::pin(self.question(move |driver| driver.sessions_afresh(now)))
    }

    fn leaves(&self, volume: VolumeId, first: u64, count: u64) -> BoxFuture<'_, Result<Leaves, DriverError>> {
        self.first.leaves(volume, first, count)
    }

    fn changed_leaves(
        &self,
        volume: VolumeId,
        since: Option<String>,
    ) -> BoxFuture<'_, Result<ChangedLeaves, DriverError>> {
        self.first.changed_leaves(volume, since)
    }

    fn execute(&self, command: Command, limit: Duration) -> BoxFuture<'_, Vec<PairOutcome>> {
        match command {
            Command::Stop { force: true, .. } => Box::pin(self.stop_by_force(command, limit, Arc::new(|| Ok(())))),
            _ => self.first.execute(command, limit),
        }
    }

    fn takes_turns(&self) -> Option<String> {
        self.first.takes_turns()
    }

    fn execute_in_turn(&self, command: Command, limit: Duration, may_send: MaySend) -> BoxFuture<'_, Vec<PairOutcome>> {
        match command {
            Command::Stop { force: true, .. } => Box::pin(self.stop_by_force(command, limit, may_send)),
            _ => self.first.execute_in_turn(command, limit, may_send),
        }
    }

    fn asked_at(&self, called: Instant) -> Option<Instant> {
        self.first.asked_at(called)
    }

    fn sharing(&self) -> u32 {
        self.first.sharing()
    }

    fn describe(&self, command: &Command) -> Vec<String> {
        let by_the_second = self.dead().is_some() && matches!(command, Command::Stop { force: true, .. });
        if by_the_second { self.second.describe(command) } else { self.first.describe(command) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::copy::ArrayRefusal;
    use crate::model::identity::{Name, Olu, VolumeId};
    use crate::model::units::Blocks;
    use crate::testkit::in_process::InProcess;
    use crate::testkit::memory::Memory;

    const LIMIT: Duration = Duration::from_secs(5);

    /// A way to an array in memory, that can be out of order, and counts what it is told.
    struct Way {
        inner: InProcess,
        fails: Mutex<Option<Outcome>>,
        told: Mutex<Vec<CommandVerb>>,
        asked: Mutex<usize>,
    }

    impl Way {
        fn fails(&self, how: Option<Outcome>) {
            *self.fails.lock() = how;
        }

        fn told(&self) -> Vec<CommandVerb> {
            self.told.lock().clone()
        }

        fn question<T>(&self) -> Result<(), BoxFuture<'static, Result<T, DriverError>>>
        where
            T: Send + 'static,
        {
            *self.asked.lock() += 1;
            let failure = self.fails.lock().clone();
            let Some(Outcome::Refused(refusal)) = failure else { return Ok(()) };
            let (what, detail) = ("asking".to_owned(), refusal.text);
            let wrong = DriverError { array: "A1".into(), class: refusal.class, what, detail };
            Err(Box::pin(async { Err(wrong) }))
        }
    }

    impl Driver for Way {
        fn identify(&self) -> BoxFuture<'_, Result<Identity, DriverError>> {
            self.question().map_or_else(|failed| failed, |()| self.inner.identify())
        }

        fn capabilities(&self) -> Capabilities {
            self.inner.capabilities()
        }

        fn volumes(&self) -> BoxFuture<'_, Result<Vec<ArrayVolume>, DriverError>> {
            self.question().map_or_else(|failed| failed, |()| self.inner.volumes())
        }

        fn sessions(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
            self.question().map_or_else(|failed| failed, |()| self.inner.sessions(now))
        }

        fn execute(&self, command: Command, limit: Duration) -> BoxFuture<'_, Vec<PairOutcome>> {
            self.told.lock().push(command.verb());
            match self.fails.lock().clone() {
                None => self.inner.execute(command, limit),
                Some(outcome) => {
                    let all = command.pairs().iter().map(|pair| PairOutcome { pair: *pair, outcome: outcome.clone() });
                    Box::pin(std::future::ready(all.collect()))
                }
            }
        }

        fn describe(&self, command: &Command) -> Vec<String> {
            self.inner.describe(command)
        }
    }

    struct Bench {
        first: Arc<Way>,
        second: Arc<Way>,
        ways: FailoverDriver,
        pairs: [Pair; 2],
    }

    /// Two copies that run, each way good.
    async fn bench() -> Bench {
        let name: Name = "A1".parse().unwrap();
        let mut memory = Memory::new();
        let box_id = memory.add_box(&name).unwrap();
        for olu in 1..=4 {
            memory.add_volume(box_id, Some(Olu(olu)), "lv", Blocks::from_mib(8)).unwrap();
        }
        let inner = InProcess::new(Arc::new(Mutex::new(memory)), box_id);
        let way = || {
            let inner = inner.clone();
            Arc::new(Way { inner, fails: Mutex::default(), told: Mutex::default(), asked: Mutex::default() })
        };
        let (first, second) = (way(), way());
        let ways = FailoverDriver::new("A1", Arc::<Way>::clone(&first), Arc::<Way>::clone(&second));
        let volume = |olu| VolumeId { box_id, olu: Olu(olu) };
        let pairs = [Pair::new(volume(1), volume(3)), Pair::new(volume(2), volume(4))];
        let started = ways.execute(Command::Start { pairs: pairs.to_vec(), modes: None }, LIMIT).await;
        assert!(started.iter().all(|outcome| outcome.outcome == Outcome::Done), "{started:?}");
        Bench { first, second, ways, pairs }
    }

    fn refused(class: ErrorClass, text: &str) -> Outcome {
        Outcome::Refused(ArrayRefusal { class, code: "driver".to_owned(), text: text.into() })
    }

    fn stop(bench: &Bench, force: bool) -> Command {
        Command::Stop { pairs: bench.pairs.to_vec(), force }
    }

    #[tokio::test]
    async fn the_second_way_is_left_alone_while_the_first_is_good() {
        let bench = bench().await;
        assert_eq!(bench.ways.sessions(Timestamp(1)).await.unwrap().sessions.len(), 2);
        bench.ways.identify().await.unwrap();
        bench.ways.volumes().await.unwrap();
        assert_eq!(bench.ways.execute(stop(&bench, true), LIMIT).await.len(), 2);
        assert_eq!((bench.second.told(), *bench.second.asked.lock()), (Vec::new(), 0));
        assert_eq!(bench.ways.capabilities(), bench.first.capabilities());
    }

    #[tokio::test]
    async fn while_the_first_is_dead_the_second_shows_the_sessions_and_ends_them_by_force_and_nothing_else() {
        let bench = bench().await;
        bench.first.fails(Some(refused(ErrorClass::Auth, "the host key has CHANGED")));
        assert_eq!(bench.ways.sessions(Timestamp(1)).await.unwrap().sessions.len(), 2);
        let able = bench.ways.capabilities();
        assert!(able.verbs.iter().all(|(_, verb)| *verb == CommandVerb::Stop) && !able.verbs.is_empty());
        assert!(able.limited.unwrap().contains("CHANGED"), "people are told why");

        let suspend = Command::Suspend { pairs: bench.pairs.to_vec(), force: true, together: false };
        for command in [suspend, stop(&bench, false)] {
            let outcomes = bench.ways.execute(command, LIMIT).await;
            assert!(outcomes.iter().all(|each| was_not_reached(&each.outcome)), "{outcomes:?}");
        }
        assert_eq!(bench.second.told(), []);
        let told = bench.first.told().len();
        let outcomes = bench.ways.execute(stop(&bench, true), LIMIT).await;
        assert_eq!(outcomes.iter().map(|each| each.pair).collect::<Vec<_>>(), bench.pairs);
        assert!(outcomes.iter().all(|each| each.outcome == Outcome::Done), "{outcomes:?}");
        assert_eq!((bench.second.told(), bench.first.told().len()), (vec![CommandVerb::Stop], told));
        assert_eq!(bench.ways.sessions(Timestamp(2)).await.unwrap().sessions.len(), 0);
    }

    #[tokio::test]
    async fn a_dead_first_way_is_tried_again_now_and_then_and_taken_when_it_is_back() {
        let mut bench = bench().await;
        bench.first.fails(Some(refused(ErrorClass::Transport, "no connection")));
        for _ in 0..3 {
            bench.ways.sessions(Timestamp(1)).await.unwrap();
        }
        assert_eq!(*bench.first.asked.lock(), 1, "not at every reading");
        bench.first.fails(None);
        bench.ways.tried_again = Duration::ZERO;
        bench.ways.sessions(Timestamp(2)).await.unwrap();
        assert_eq!(bench.ways.capabilities(), bench.first.capabilities());
    }

    #[tokio::test]
    async fn a_forced_stop_is_sent_again_only_where_the_first_way_surely_did_nothing() {
        for (first, again) in [
            (refused(ErrorClass::Transport, "no connection"), true),
            (refused(ErrorClass::Auth, "sudo refused it"), true),
            (refused(ErrorClass::Busy, "E5327"), false),
            (refused(ErrorClass::InvalidState, "E5321"), false),
            (Outcome::Unknown { why: "the line was lost".to_owned() }, false),
            (Outcome::AlreadyDone, false),
        ] {
            let bench = bench().await;
            bench.first.fails(Some(first.clone()));
            let outcomes = bench.ways.execute(stop(&bench, true), LIMIT).await;
            let wanted = if again { Outcome::Done } else { first };
            assert!(outcomes.iter().all(|each| each.outcome == wanted), "{outcomes:?}");
            assert_eq!(bench.second.told().len(), usize::from(again));
        }
    }

    #[tokio::test]
    async fn when_neither_way_leads_there_both_are_told() {
        let bench = bench().await;
        bench.first.fails(Some(refused(ErrorClass::Transport, "no connection to ccm01")));
        bench.second.fails(Some(refused(ErrorClass::Transport, "no connection to ccm02")));
        let told = bench.ways.sessions(Timestamp(1)).await.unwrap_err().to_string();
        assert!(told.contains("ccm01") && told.contains("ccm02"), "{told}");
        bench.first.fails(Some(refused(ErrorClass::Busy, "at work for others")));
        let again = FailoverDriver::new("A1", Arc::<Way>::clone(&bench.first), Arc::<Way>::clone(&bench.second));
        assert_eq!(again.sessions(Timestamp(1)).await.unwrap_err().class, ErrorClass::Busy, "it is there");
    }
}
