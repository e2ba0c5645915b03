//! Two arrays with volumes, the administrator's end and the driver's.

#![allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "helpers that read well where they are called")]

use crate::test_site::{DEADLINE, TestSite};
use ecdeck::driver::Driver;
use ecdeck::driver::emulated::admin::{Admin, Administration, CopyEntry, Data, Work};
use ecdeck::driver::emulated::driver::Embedded;
use ecdeck::model::copy::{Command, Outcome};
use ecdeck::model::identity::VolumeId;
use ecdeck::model::session::{Pair, Phase, SessionReading, Status};
use ecdeck::model::units::Timestamp;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Regions of a volume: 16 MiB of them, and an odd end.
pub const REGION: u64 = 64 << 10;
pub const SIZE: u64 = (16 << 20) + 4096;
const LIMIT: Duration = Duration::from_secs(20);

pub struct Setting {
    pub test_site: TestSite,
    pub admin: Admin,
    pub one: Embedded,
    pub two: Embedded,
}

impl Setting {
    /// `ONE` and `TWO`, with four and two volumes that hold seeded bytes.
    pub async fn new() -> Self {
        let test_site = TestSite::new();
        test_site.run("array start").ends(0);
        for (array, count) in [("ONE", 4), ("TWO", 2)] {
            test_site.run(&format!("array create {array} --size {SIZE} --count {count}")).ends(0);
        }
        let home = test_site.home();
        let admin = Admin::new(home.clone(), false);
        let one = Embedded::new(home.clone(), "ONE".into(), false);
        let two = Embedded::new(home, "TWO".into(), false);
        let setting = Self { test_site, admin, one, two };
        for (seed, volume) in ["ONE/0x0", "ONE/0x1", "ONE/0x2", "ONE/0x3", "TWO/0x0", "TWO/0x1"].into_iter().enumerate()
        {
            let data = Data::Seeded { seed: seed as u64 + 1, length: SIZE };
            setting.tell(Administration::Write { volume: volume.into(), offset: 0, data }).await;
        }
        setting
    }

    pub async fn tell(&self, what: Administration) {
        self.admin.tell(what).await.unwrap();
    }

    pub async fn pair(&self, source: &str, target: &str) -> Pair {
        Pair::new(self.id(source).await, self.id(target).await)
    }

    async fn id(&self, volume: &str) -> VolumeId {
        let (array, olu) = volume.split_once('/').unwrap();
        let volumes = self.admin.volumes().await.unwrap();
        let is_it = |id: VolumeId, name: &str| name == array && id.olu == olu.parse().unwrap();
        volumes.iter().find(|entry| is_it(entry.id, entry.array.as_str())).unwrap().id
    }

    /// Sends to the source's array, and gives `done`, `already`, `unknown` or a code for each pair.
    pub async fn send(&self, command: Command) -> Vec<String> {
        self.send_within(command, LIMIT).await
    }

    pub async fn send_within(&self, command: Command, limit: Duration) -> Vec<String> {
        let at = if self.is_of_one(command.pairs()[0].source) { &self.one } else { &self.two };
        at.execute(command, limit).await.into_iter().map(|outcome| word(&outcome.outcome)).collect()
    }

    pub fn is_of_one(&self, volume: VolumeId) -> bool {
        volume.box_id.as_str().contains("##ONE#")
    }

    pub async fn start(&self, pair: Pair) {
        assert_eq!(self.send(Command::Start { pairs: vec![pair], modes: None }).await, ["done"]);
    }

    pub async fn suspend(&self, pairs: &[Pair]) {
        let words = self.send(Command::Suspend { pairs: pairs.to_vec(), force: false, together: true }).await;
        assert!(words.iter().all(|word| word == "done"), "{words:?}");
    }

    pub async fn resume(&self, pair: Pair) {
        assert_eq!(self.send(Command::Resume { pairs: vec![pair] }).await, ["done"]);
    }

    /// As the box of the source reports it.
    pub async fn reading(&self, pair: &Pair) -> Option<SessionReading> {
        self.half(if self.is_of_one(pair.source) { &self.one } else { &self.two }, pair).await
    }

    pub async fn half(&self, at: &Embedded, pair: &Pair) -> Option<SessionReading> {
        at.sessions(Timestamp(1)).await.unwrap().look_for(pair).shown().cloned()
    }

    pub async fn entry(&self, pair: &Pair) -> CopyEntry {
        let volumes = self.admin.volumes().await.unwrap();
        let entries = volumes.into_iter().filter(|entry| entry.id == pair.source);
        entries.flat_map(|entry| entry.sessions).find(|entry| entry.reading.pair == *pair).unwrap()
    }

    pub async fn wait_until(&self, pair: &Pair, what: &str, fulfilled: impl Fn(&SessionReading) -> bool) {
        let at = if self.is_of_one(pair.source) { &self.one } else { &self.two };
        self.wait_at(at, pair, what, fulfilled).await;
    }

    pub async fn wait_at(&self, at: &Embedded, pair: &Pair, what: &str, fulfilled: impl Fn(&SessionReading) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let reading = self.half(at, pair).await;
            if reading.as_ref().is_some_and(&fulfilled) {
                return;
            }
            assert!(Instant::now() < deadline, "{what} did not come true: {reading:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn equivalent(&self, pair: &Pair) {
        self.wait_until(pair, "equivalence", |it| it.status == Status::Active && it.phase == Phase::Equivalent).await;
    }

    pub async fn workload(&self, volume: &str, work: Option<Work>) {
        self.tell(Administration::Workload { volume: volume.into(), work }).await;
    }

    pub async fn rate(&self, bytes_per_second: Option<u64>) {
        self.tell(Administration::Rate { bytes_per_second, pair: None }).await;
    }

    pub async fn scatter(&self, volume: &str, seed: u64, writes: u32) {
        let data = Data::Scattered { seed, writes };
        self.tell(Administration::Write { volume: volume.into(), offset: 0, data }).await;
    }

    pub async fn image(&self, volume: VolumeId) -> PathBuf {
        let volumes = self.admin.volumes().await.unwrap();
        volumes.into_iter().find(|entry| entry.id == volume).unwrap().image
    }

    pub async fn bytes(&self, volume: VolumeId) -> Vec<u8> {
        std::fs::read(self.image(volume).await).unwrap()
    }

    /// 64 KiB regions in which the two sides differ.
    pub async fn differing_regions(&self, pair: &Pair) -> u64 {
        let (source, target) = (self.bytes(pair.source).await, self.bytes(pair.target).await);
        let regions = source.chunks(REGION as usize).zip(target.chunks(REGION as usize));
        regions.filter(|(one, other)| one != other).count() as u64
    }

    #[track_caller]
    pub fn check_equal(&self, (one, other): (Vec<u8>, Vec<u8>)) {
        let regions = one.chunks(REGION as usize).zip(other.chunks(REGION as usize));
        let differing: Vec<_> =
            regions.enumerate().filter(|(_, (one, other))| one != other).map(|(region, _)| region).collect();
        assert!(one.len() == other.len() && differing.is_empty(), "regions differ: {differing:?}");
    }

    pub async fn both(&self, pair: &Pair) -> (Vec<u8>, Vec<u8>) {
        (self.bytes(pair.source).await, self.bytes(pair.target).await)
    }

    /// SIGKILL, and started again.
    pub fn crash(&self) {
        self.test_site.kill_arrays();
        self.test_site.run("array start").ends(0);
    }
}

pub fn writes(seed: u64, bytes_per_second: u64) -> Option<Work> {
    Some(Work { seed, bytes_per_second, start: 0, end: 0 })
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".into(),
        Outcome::AlreadyDone => "already".into(),
        Outcome::Accepted => "accepted".into(),
        Outcome::Unknown { .. } => "unknown".into(),
        Outcome::Refused(refusal) if refusal.code.is_empty() => format!("{:?}", refusal.class),
        Outcome::Refused(refusal) => refusal.code.clone(),
    }
}
