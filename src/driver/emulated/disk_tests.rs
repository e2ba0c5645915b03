//! A disk that fails at any one of the array's writes, syncs and renames: nothing acknowledged is lost, nothing stays stuck.

use super::arrays::Arrays;
use super::disk::Disk;
use super::disk::faults::DiskFaults;
use super::rules::Reply;
use crate::model::copy::{Command, Outcome};
use crate::model::identity::VolumeId;
use crate::model::session::{CopyKind, Pair, Phase, Status};
use crate::model::units::Blocks;
use rustix::io::Errno;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIZE: u64 = 1 << 20;
const DEADLINE: Duration = Duration::from_mins(1);

/// Arrays at work, with what their source must hold.
struct Site {
    arrays: Arc<Arrays>,
    source: VolumeId,
    target: VolumeId,
    copy: VolumeId,
    bytes: Vec<u8>,
    /// Writes that were refused: what they would have changed is one or the other.
    refused: Vec<(u64, u8)>,
}

impl Site {
    /// The volumes are made on a disk that works.
    fn make(folder: &Path) {
        let arrays = Arrays::open(folder).unwrap();
        arrays
            .administer(|core, data| {
                let at = core.add_box(&"ONE".parse().unwrap())?;
                for _ in 0..3 {
                    let id = core.add_volume(at, None, "", Blocks::from_bytes(SIZE).unwrap())?;
                    data.create(id, Blocks::from_bytes(SIZE).unwrap())?;
                }
                Ok(())
            })
            .unwrap();
        arrays.shut_down().unwrap();
    }

    fn open(folder: &Path, disk: Disk) -> Option<Self> {
        let arrays = Arrays::open_on(folder, disk).ok()?;
        let [source, target, copy] = {
            let core = arrays.core();
            let ids: Vec<VolumeId> = core.volume_ids().collect();
            [ids[0], ids[1], ids[2]]
        };
        Some(Self { arrays, source, target, copy, bytes: vec![0; SIZE as usize], refused: Vec::new() })
    }

    fn pair(&self) -> Pair {
        Pair::new(self.source, self.target)
    }

    fn send(&self, command: &Command) -> Outcome {
        let Reply::Answered(mut outcomes) = self.arrays.execute(self.source.box_id, command, "test") else {
            panic!("no fault of the line was asked for")
        };
        outcomes.remove(0).outcome
    }

    fn write(&mut self, offset: u64, byte: u8) {
        match self.arrays.write_as_host(self.source, offset, &[byte; 700]) {
            Ok(()) => self.bytes[offset as usize..][..700].fill(byte),
            Err(_) => self.refused.push((offset, byte)),
        }
    }

    fn status(&self, pair: &Pair) -> Option<(Status, Phase)> {
        let core = self.arrays.core();
        core.session(pair).map(|session| (session.status, session.phase))
    }

    /// Waits until nothing of a pair moves any more.
    fn settle(&self, pair: &Pair) -> Option<(Status, Phase)> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = self.status(pair);
            // What was found broken is known to the rules a moment later.
            let runs = self.arrays.data().state(*pair).is_some_and(|state| state.flow == super::data::Flow::Running);
            match status {
                Some((Status::Active, phase)) if phase != Phase::Equivalent || !runs => {}
                status => return status,
            }
            assert!(Instant::now() < deadline, "stuck: {status:?}, running: {runs}");
            std::thread::yield_now();
        }
    }

    fn suspend(&self) -> Outcome {
        self.send(&Command::Suspend { pairs: vec![self.pair()], force: false, together: false })
    }

    /// What a night does, whatever is refused of it.
    fn night(&mut self) {
        let pair = self.pair();
        self.write(10, 1);
        self.send(&Command::Start { pairs: vec![pair], modes: None });
        self.settle(&pair);
        self.write(300_000, 2);
        self.suspend();
        self.write(70_000, 3);
        let _ = self.arrays.data().checkpoint();
        self.send(&Command::Resume { pairs: vec![pair] });
        self.settle(&pair);
        let opc = Pair { source: self.source, target: self.copy, kind: CopyKind::Opc };
        self.send(&Command::StartOpc { pairs: vec![opc] });
        self.write(500_000, 4);
        self.settle(&opc);
        self.suspend();
        self.write(900_000, 5);
        let _ = self.arrays.set_rate(Some(1 << 30), None);
    }

    /// The cause is gone, and nothing is started anew.
    fn works_again(&mut self, what: &str) {
        let pair = self.pair();
        for (offset, byte) in std::mem::take(&mut self.refused) {
            self.write(offset, byte);
        }
        self.write(640_000, 6);
        assert!(self.refused.is_empty(), "{what}: a host's write is refused");
        let opc = Pair { source: self.source, target: self.copy, kind: CopyKind::Opc };
        self.settle(&opc);
        self.send(&Command::Stop { pairs: vec![opc], force: true });
        match self.settle(&pair) {
            Some((Status::Suspended, Phase::Equivalent)) => {
                assert_eq!(self.send(&Command::Resume { pairs: vec![pair] }), Outcome::Done, "{what}");
            }
            Some((Status::Active, _)) => {}
            _ => {
                self.send(&Command::Stop { pairs: vec![pair], force: true });
                assert_eq!(self.send(&Command::Start { pairs: vec![pair], modes: None }), Outcome::Done, "{what}");
            }
        }
        assert_eq!(self.settle(&pair), Some((Status::Active, Phase::Equivalent)), "{what}");
        assert_eq!(self.suspend(), Outcome::Done, "{what}");
        self.check(what);
        self.arrays.save();
        assert_eq!(self.arrays.troubles().now(), Vec::<String>::new(), "{what}");
    }

    fn check(&self, what: &str) {
        let mut found = vec![0; SIZE as usize];
        self.arrays.data().read(self.source, 0, &mut found).unwrap();
        assert!(found == self.bytes, "{what}: what a host wrote is not there");
        let print = |id| self.arrays.data().fingerprint(id).unwrap();
        assert_eq!(print(self.source), print(self.target), "{what}");
    }
}

/// Every operation, or some of them unless more rounds are asked for.
fn operations(count: u64) -> impl Iterator<Item = u64> {
    let all = std::env::var("ECDECK_ROUNDS").is_ok_and(|rounds| rounds.parse().is_ok_and(|rounds: u64| rounds > 1));
    let step = if all { 1 } else { (count / 14).max(1) };
    (0..count).step_by(step as usize)
}

#[test]
fn whatever_write_of_the_array_fails_nothing_is_lost_and_nothing_stays_stuck() {
    let folder = tempfile::tempdir().unwrap();
    Site::make(folder.path());
    let counting = DiskFaults::never();
    let mut site = Site::open(folder.path(), counting.disk()).unwrap();
    site.night();
    let count = counting.count();
    assert!(count > 30, "{count} operations");
    drop(site);
    for failing in operations(count) {
        for (times, error) in [(1, Errno::IO), (u64::MAX, Errno::NOSPC)] {
            let what = format!("operation {failing}, {times} times {error:?}");
            let folder = tempfile::tempdir().unwrap();
            Site::make(folder.path());
            let faults = DiskFaults::new(failing, times, error);
            let Some(mut site) = Site::open(folder.path(), faults.disk()) else {
                // Not even the start was possible; with the cause gone it is.
                let mut site = Site::open(folder.path(), Disk::default()).unwrap();
                site.night();
                site.works_again(&what);
                continue;
            };
            site.night();
            if failing % 2 == 0 {
                // As after `kill -9`: only what is on the disk is known.
                let (bytes, refused) = (site.bytes.clone(), site.refused.clone());
                drop(site);
                site =
                    Site::open(folder.path(), Disk::default()).unwrap_or_else(|| panic!("{what}: it does not start"));
                (site.bytes, site.refused) = (bytes, refused);
            } else {
                faults.repair();
            }
            site.works_again(&what);
        }
    }
}
