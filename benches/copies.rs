//! Copies on real bytes against other copiers, side by side in one run, and what a host's write costs while one is tracked.
//!
//! Every round runs every copier once, in another order; medians are compared as ratios. `dd` and `qemu-img` are measured
//! where they are there. `ECDECK_BENCH_MIB` changes the volume's size (512), `ECDECK_BENCH_ROUNDS` the rounds (5),
//! `ECDECK_BENCH_DISK` the folder on a disk (the target folder).

use ecdeck::driver::emulated::data::{Attach, DataPlane, Flow, REGION, Report};
use ecdeck::model::identity::{BoxId, Olu, VolumeId};
use ecdeck::model::session::Pair;
use ecdeck::model::units::Blocks;
use rustix::fs::{Advice, fadvise};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;

const BOX: &str = "00ETERNUSDXL##ET08E21A####LN4310901078##";
/// Of all regions, so many in a hundred are changed for a resume.
const CHANGED_PERCENT: u64 = 5;
/// Bytes of a host's small write and of its big one, and how many are made.
const HOST_WRITES: [(usize, u64); 2] = [(4 << 10, 20_000), (1 << 20, 256)];
const HOSTS: u64 = 4;
const MAX_LENGTH: Duration = Duration::from_mins(2);

fn main() -> Result<(), Error> {
    let mib = setting("ECDECK_BENCH_MIB", 512);
    let rounds = setting("ECDECK_BENCH_ROUNDS", 5);
    let disk =
        std::env::var_os("ECDECK_BENCH_DISK").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let tools = [Tool::Dd, Tool::QemuImg].map(|tool| tool.is_there().then_some(tool));
    for (tool, name) in tools.iter().zip(["dd", "qemu-img"]) {
        if tool.is_none() {
            println!("{name} is not there: measured without it");
        }
    }
    let tools: Vec<Tool> = tools.into_iter().flatten().collect();
    for (name, folder) in [("disk", disk.as_path()), ("tmpfs", Path::new("/dev/shm"))] {
        if !folder.is_dir() {
            println!("{name}: {} is not there, skipped", folder.display());
            continue;
        }
        println!("\n{name}: {mib} MiB of random bytes, {rounds} rounds, medians");
        let bench = Bench::new(folder, mib << 20)?;
        bench.copies(&tools, rounds)?;
        bench.host_writes(rounds)?;
    }
    Ok(())
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise).max(1)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Dd,
    QemuImg,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Dd => "dd direct",
            Self::QemuImg => "qemu-img convert",
        }
    }

    fn is_there(self) -> bool {
        let program = if self == Self::Dd { "dd" } else { "qemu-img" };
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    }

    /// Copies a file onto one that is there, past the page cache, down to the medium.
    fn copy(self, from: &Path, to: &Path) -> Result<Duration, Error> {
        let mut command = match self {
            Self::Dd => {
                let mut command = Command::new("dd");
                let names = [("if=", from), ("of=", to)].map(|(what, path)| format!("{what}{}", path.display()));
                command.args(names).args(["bs=1M", "iflag=direct", "oflag=direct", "conv=fsync,notrunc"]);
                command
            }
            Self::QemuImg => {
                let mut command = Command::new("qemu-img");
                command.args(["convert", "-n", "-f", "raw", "-O", "raw", "-W", "-m", "8", "-T", "none", "-t", "none"]);
                command.args([from, to]);
                command
            }
        };
        let begun = Instant::now();
        let output = command.stdin(Stdio::null()).output()?;
        let took = begun.elapsed();
        if output.status.success() {
            Ok(took)
        } else {
            Err(format!("{} failed: {}", self.name(), String::from_utf8_lossy(&output.stderr)).into())
        }
    }
}

/// A source, a target of an EC, a target for the tools, and a volume in no session.
struct Bench {
    _folder: tempfile::TempDir,
    plane: DataPlane,
    reports: Receiver<Report>,
    box_id: BoxId,
    size: u64,
}

impl Bench {
    fn new(folder: &Path, size: u64) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("ecdeck-bench").tempdir_in(folder)?;
        let (sender, reports) = channel();
        let report = Box::new(move |report| drop(sender.send(report)));
        let plane = DataPlane::open(folder.path(), report)?;
        let bench = Self { _folder: folder, plane, reports, box_id: BOX.parse()?, size };
        let mut bytes = vec![0; 1 << 20];
        for olu in 0..4 {
            bench.plane.create(bench.volume(olu), Blocks(size / Blocks::BYTES))?;
            // Targets have all their blocks too: making them is not what is measured.
            let mut random = fastrand::Rng::with_seed(u64::from(olu));
            for offset in (0..size).step_by(1 << 20) {
                random.fill(&mut bytes);
                bench.plane.write(bench.volume(olu), offset, &bytes)?;
            }
            std::fs::File::open(bench.plane.image(bench.volume(olu))?)?.sync_all()?;
        }
        Ok(bench)
    }

    fn volume(&self, olu: u32) -> VolumeId {
        VolumeId { box_id: self.box_id, olu: Olu(olu) }
    }

    fn pair(&self) -> Pair {
        Pair::new(self.volume(0), self.volume(1))
    }

    fn copies(&self, tools: &[Tool], rounds: u64) -> Result<(), Error> {
        let (mut full, mut resume) = (Vec::new(), Vec::new());
        let mut others: Vec<Vec<f64>> = vec![Vec::new(); tools.len()];
        for round in 0..rounds {
            for turn in 0..=tools.len() {
                let at = (turn + round as usize) % (tools.len() + 1);
                self.settle()?;
                if let Some(tool) = tools.get(at) {
                    let (from, to) = (self.plane.image(self.volume(0))?, self.plane.image(self.volume(2))?);
                    others[at].push(tool.copy(&from, &to)?.as_secs_f64());
                } else {
                    full.push(self.full_copy()?.as_secs_f64());
                    resume.push(self.resume(round)?.as_secs_f64());
                }
            }
        }
        let per_second = |seconds: f64| self.size as f64 / seconds / 1e6;
        let ours = median(&mut full);
        println!("  full copy           ecdeck {:>28.0} MB/s", per_second(ours));
        for (tool, times) in tools.iter().zip(&mut others) {
            let theirs = median(times);
            let (speed, ratio) = (per_second(theirs), theirs / ours);
            println!("                      {:<20} {speed:>14.0} MB/s   ecdeck is at {ratio:.2} of it", tool.name());
        }
        let changed = self.changed_regions() * REGION;
        let seconds = median(&mut resume);
        println!(
            "  resume after {CHANGED_PERCENT} %    ecdeck {:>28.0} MB/s   {:.3} s for {} MiB, {:.2} of its full copy's time",
            changed as f64 / seconds / 1e6,
            seconds,
            changed >> 20,
            seconds / ours
        );
        Ok(())
    }

    /// Nothing of the round before is left to be written, and nothing is in the page cache.
    fn settle(&self) -> Result<(), Error> {
        for olu in 0..4 {
            let image = std::fs::File::open(self.plane.image(self.volume(olu))?)?;
            image.sync_all()?;
            fadvise(&image, 0, None, Advice::DontNeed)?;
        }
        Ok(())
    }

    /// From the start to a durable, equal target.
    fn full_copy(&self) -> Result<Duration, Error> {
        let begun = Instant::now();
        self.plane.attach(self.pair(), Attach::Full, Flow::Running)?;
        self.until_equivalent()?;
        self.plane.suspend(&[self.pair()], false)?;
        Ok(begun.elapsed())
    }

    fn until_equivalent(&self) -> Result<(), Error> {
        match self.reports.recv_timeout(MAX_LENGTH)? {
            Report::Equivalent(_) => Ok(()),
            report => Err(format!("{report:?}").into()),
        }
    }

    fn changed_regions(&self) -> u64 {
        (self.size / REGION * CHANGED_PERCENT / 100).max(1)
    }

    /// Of a suspended pair, after scattered changes; the two sides are the same afterwards, or this fails.
    fn resume(&self, seed: u64) -> Result<Duration, Error> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut regions: Vec<u64> = (0..self.size / REGION).collect();
        random.shuffle(&mut regions);
        let mut bytes = [0; 4096];
        for region in &regions[..self.changed_regions() as usize] {
            random.fill(&mut bytes);
            self.plane.write(self.pair().source, region * REGION, &bytes)?;
        }
        self.settle()?;
        let begun = Instant::now();
        self.plane.run(self.pair())?;
        self.until_equivalent()?;
        self.plane.suspend(&[self.pair()], false)?;
        let took = begun.elapsed();
        if !self.is_equal()? {
            return Err("the two sides differ".into());
        }
        self.plane.detach(self.pair())?;
        Ok(took)
    }

    fn is_equal(&self) -> Result<bool, Error> {
        let open = |id| Ok::<_, Error>(std::fs::File::open(self.plane.image(id)?)?);
        let (source, target) = (open(self.pair().source)?, open(self.pair().target)?);
        let (mut one, mut other) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        for offset in (0..self.size).step_by(1 << 20) {
            source.read_exact_at(&mut one, offset)?;
            target.read_exact_at(&mut other, offset)?;
            if one != other {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes of hosts to a volume that is in no session, in an equivalent one, and in a suspended one.
    fn host_writes(&self, rounds: u64) -> Result<(), Error> {
        self.plane.attach(self.pair(), Attach::Full, Flow::Running)?;
        self.until_equivalent()?;
        for (length, count) in HOST_WRITES {
            for hosts in [1, HOSTS] {
                let mut times: [Vec<f64>; 3] = Default::default();
                for round in 0..rounds {
                    self.settle()?;
                    times[1].push(self.write(0, length, count, hosts, round)?);
                    self.plane.suspend(&[self.pair()], false)?;
                    self.settle()?;
                    times[2].push(self.write(0, length, count, hosts, round)?);
                    self.settle()?;
                    times[0].push(self.write(3, length, count, hosts, round)?);
                    self.plane.run(self.pair())?;
                    self.until_equivalent()?;
                }
                let [plain, equivalent, suspended] = times.each_mut().map(|times| median(times));
                println!(
                    "  host writes of {:>4} KiB by {hosts}: {:>8.0} a second, while equivalent {:.2} of that, while suspended {:.2}",
                    length >> 10,
                    count as f64 / plain,
                    plain / equivalent,
                    plain / suspended
                );
            }
        }
        Ok(())
    }

    /// So many writes at random places by so many hosts at once, in seconds.
    fn write(&self, olu: u32, length: usize, count: u64, hosts: u64, seed: u64) -> Result<f64, Error> {
        let (plane, volume, size) = (&self.plane, self.volume(olu), self.size);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let host = |host: u64| {
                let mut random = fastrand::Rng::with_seed(seed << 8 | host);
                let mut bytes = vec![0; length];
                random.fill(&mut bytes);
                for _ in 0..count / hosts {
                    let offset = random.u64(0..size / length as u64) * length as u64;
                    plane.write(volume, offset, &bytes)?;
                }
                Ok::<_, ecdeck::driver::emulated::data::DataError>(())
            };
            let all: Vec<_> = (0..hosts).map(|number| scope.spawn(move || host(number))).collect();
            all.into_iter().try_for_each(|host| host.join().map_err(|_| "a host's thread failed")?.map_err(Error::from))
        })?;
        Ok(begun.elapsed().as_secs_f64())
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
