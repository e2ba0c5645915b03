//! Many commands at once, on a CCM server that takes its time for each: who waits for whom, and what one look serves.

use super::super::server::Waits;
use super::*;
use crate::driver::MaySend;
use crate::driver::transport::argv::Argv;
use crate::model::copy::ArrayRefusal;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a command of CCM takes on a slow server.
const SLOW: Duration = Duration::from_millis(2);
/// Questions that soon pass those who wait, on a server whose looks do not age within a test.
const SHORT_QUESTIONS: Waits = Waits { question: Duration::from_millis(50), look: Duration::from_hours(1) };

/// A site with pairs 1 to `count` equivalent, that says how often it asks and commands from now on.
async fn equivalent(count: u32, profile: Profile, waits: Waits) -> (Arc<Site>, Vec<Pair>) {
    let site = Site::with_profile(&confirmed(), Profile { delay: Duration::ZERO, ..profile });
    for at in [1, 1001] {
        for olu in (at.max(21)..=at + count + 1).filter(|olu| *olu != 0x99) {
            site.arrays().add_volume(site.boxes[0], Some(Olu(olu)), "more", SIZE).unwrap();
        }
    }
    let pairs: Vec<Pair> =
        (1..=count + 1).filter(|at| *at != 0x99).take(count as usize).map(|at| site.ec(at, 1000 + at)).collect();
    let start = Command::Start { pairs: pairs.clone(), modes: None };
    for one in site.kyoto.execute(start, LIMIT).await {
        assert_eq!(one.outcome, Outcome::Done, "{:?}", one.pair);
    }
    site.arrays().settle();
    let site = Site { emulation: Arc::new(site.emulation.again(profile)), ..site };
    let site = site.connected(waits);
    site.reading().await;
    site.ccm.forget();
    (Arc::new(site), pairs)
}

impl Site {
    /// The same arrays by a transport to the emulation as it is now.
    fn connected(self, waits: Waits) -> Self {
        let ccm = Scripted::over(Arc::new(InProcess(Arc::clone(&self.emulation))));
        let server = Server::with_waits(Arc::new(ccm.clone()) as Arc<dyn Transport>, waits);
        let again = |driver: &CcmDriver| {
            let name = driver.settings().array.as_str().to_owned();
            CcmDriver::new(&name, driver.settings().clone(), Arc::clone(&server)).unwrap()
        };
        let (kyoto, nara) = (again(&self.kyoto), again(&self.nara));
        Self { ccm, kyoto, nara, ..self }
    }

    fn count(&self, what: &str) -> usize {
        self.ccm.sent().iter().filter(|line| line.starts_with(what)).count()
    }
}

fn slow() -> Profile {
    Profile { delay: SLOW, ..Profile::default() }
}

fn suspend(pair: Pair) -> Command {
    Command::Suspend { pairs: vec![pair], force: false, together: false }
}

/// All of them at once, each for itself.
async fn at_once(site: &Arc<Site>, commands: Vec<Command>) -> Vec<Outcome> {
    let tasks: Vec<_> = commands
        .into_iter()
        .map(|command| {
            let site = Arc::clone(site);
            tokio::spawn(async move { site.run(command).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

#[tokio::test]
async fn fifty_suspends_that_come_together_cost_two_looks_at_most() {
    for profile in [slow(), Profile { delay: SLOW, ..strict() }] {
        let (site, pairs) = equivalent(50, profile, Waits::default()).await;
        let outcomes = at_once(&site, pairs.iter().map(|pair| suspend(*pair)).collect()).await;
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
        // The first to come looks at once. Whoever came after that look began needs another one.
        let (suspends, looks) = (site.count("acec suspend"), site.count("acec query"));
        assert!(suspends == 50 && looks <= 2, "{suspends} suspends, {looks} looks");
        assert_eq!(site.ccm.sent().len(), suspends + looks, "{:?}", site.ccm.sent());
        let reading = site.reading().await;
        assert!(pairs.iter().all(|pair| reading.look_for(pair).shown().unwrap().is_cleanly_suspended()));
    }
}

#[tokio::test]
async fn commands_that_wait_on_a_slow_server_are_all_done_while_the_array_is_read() {
    let (site, pairs) = equivalent(120, slow(), SHORT_QUESTIONS).await;
    let all_done = Arc::new(AtomicBool::new(false));
    let (reader, ends) = (Arc::clone(&site), Arc::clone(&all_done));
    let reads = tokio::spawn(async move {
        let (mut reads, mut between) = (0, 0);
        while !ends.load(Ordering::Relaxed) {
            reader.kyoto.sessions(Timestamp(0)).await.unwrap();
            reads += 1;
            between += usize::from((1..120).contains(&reader.count("acec suspend")));
        }
        (reads, between)
    });
    let outcomes = at_once(&site, pairs.iter().map(|pair| suspend(*pair)).collect()).await;
    all_done.store(true, Ordering::Relaxed);
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
    let (reads, between) = reads.await.unwrap();
    assert!(between > 0, "a question does not wait for all commands");
    assert_eq!(site.count("acec suspend"), 120);
    let looks = site.count("acec query") - reads;
    assert!(looks <= 2, "{looks} looks beside {reads} readings");
}

#[tokio::test]
async fn a_look_from_before_a_command_came_does_not_decide_about_it() {
    let (site, pairs) = equivalent(3, Profile::default(), Waits::default()).await;
    for pair in &pairs {
        site.reading().await;
        site.ccm.forget();
        assert_eq!(site.run(suspend(*pair)).await, Outcome::Done);
        assert_eq!(site.count("acec query"), 1);
    }
}

#[tokio::test]
async fn a_row_serves_one_command_of_its_pair_and_the_next_one_looks_for_itself() {
    let (site, pairs) = equivalent(2, slow(), Waits::default()).await;
    let commands = [pairs[0], pairs[0], pairs[1]].map(suspend).to_vec();
    assert_eq!(at_once(&site, commands).await, [Outcome::Done, Outcome::AlreadyDone, Outcome::Done]);
    assert_eq!((site.count("acec suspend"), site.count("acec query")), (2, 2));
}

#[tokio::test]
async fn what_a_shared_row_does_not_permit_is_decided_by_a_look_of_its_own() {
    let (site, pairs) = equivalent(3, slow(), Waits::default()).await;
    let by_hand = Argv::new("acec suspend -g ecdeckECKYOTO1 -p KYOTO1/0x2:KYOTO1/0x3ea -xml".split(' ')).unwrap();
    let resume = Argv::new("acec resume -g ecdeckECKYOTO1 -p KYOTO1/0x2:KYOTO1/0x3ea -xml".split(' ')).unwrap();
    site.ccm.exec(&by_hand, LIMIT).await.unwrap();
    site.ccm.forget();
    // The first look finds the second pair suspended. While the first pair is commanded, somebody resumes it.
    site.ccm.plan("-p KYOTO1/0x1:", InjectedFault::After(resume));
    let outcomes = at_once(&site, pairs.iter().map(|pair| suspend(*pair)).collect()).await;
    assert_eq!(outcomes[0], Outcome::Done);
    assert_ne!(outcomes[1], Outcome::AlreadyDone, "it was resumed before its turn came");
    assert_eq!(outcomes[2], Outcome::Done);
    assert_eq!(site.count("acec query"), 2);
}

#[tokio::test]
async fn starts_and_resumes_look_for_themselves() {
    let (site, pairs) = equivalent(4, Profile::default(), Waits::default()).await;
    at_once(&site, pairs.iter().map(|pair| suspend(*pair)).collect()).await;
    site.ccm.forget();
    let resume = |pair: &Pair| Command::Resume { pairs: vec![*pair] };
    assert_eq!(at_once(&site, pairs.iter().map(resume).collect()).await, vec![Outcome::Done; 4]);
    assert_eq!(site.count("acec query"), 4);
}

#[tokio::test]
async fn waiting_for_a_turn_is_no_failure() {
    let (site, pairs) = equivalent(40, Profile { delay: SLOW * 10, ..Profile::default() }, Waits::default()).await;
    let run = |pair: Pair| {
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.kyoto.execute(suspend(pair), SLOW * 100).await.remove(0).outcome })
    };
    let tasks: Vec<_> = pairs.iter().map(|pair| run(*pair)).collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Outcome::Done, "each has its limit from its own turn");
    }
}

#[tokio::test]
async fn what_is_no_longer_wanted_when_its_turn_comes_is_not_sent() {
    let (site, pairs) = equivalent(1, Profile::default(), Waits::default()).await;
    let refusal = ArrayRefusal { class: ErrorClass::Transport, code: "engine".to_owned(), text: "too late".into() };
    let says = refusal.clone();
    let may_send: MaySend = Arc::new(move || Err(says.clone()));
    let outcomes = site.kyoto.execute_in_turn(suspend(pairs[0]), LIMIT, may_send).await;
    assert_eq!(outcomes[0].outcome, Outcome::Refused(refusal));
    assert!(site.ccm.sent().is_empty());
}
