//! Copies on real bytes against other copiers, side by side in one run, and what a host's write costs while one is tracked.
//!
//! Every round runs every copier once, in another order; medians are compared as ratios, and the spread stands beside them.
//! `dd`, `qemu-img` and `nbdcopy` are measured where they are there, with the start of a process (`--version`) taken off:
//! ours has started. `ECDECK_BENCH_MIB` changes the volume's size (1024), `ECDECK_BENCH_ROUNDS` the rounds (7),
//! `ECDECK_BENCH_DISK` the folder on a disk (the target folder).

use ecdeck::driver::emulated::data::{Attach, DataPlane, Flow, REGION, Report};
use ecdeck::model::identity::{BoxId, Olu, VolumeId};
use ecdeck::model::session::Pair;
use ecdeck::model::units::Blocks;
use rustix::fs::{Advice, fadvise};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use support::Error;
use support::spread::{Spread, load};

mod support;

const BOX: &str = "00ETERNUSDXL##ET08E21A####LN4310901078##";
/// Of all regions, so many in a hundred are changed for a resume.
const CHANGED_PERCENT: u64 = 5;
/// Bytes of a host's small write and of its big one, and how many are made.
const HOST_WRITES: [(usize, u64); 2] = [(4 << 10, 20_000), (1 << 20, 256)];
const HOSTS: u64 = 4;
const MAX_LENGTH: Duration = Duration::from_mins(2);
/// Bytes a second that a host writes around a suspend, and bytes of each of its writes.
const BUSY_HOST: (f64, usize) = (200e6, 64 << 10);
/// A host of another volume writes so often.
const OTHER_HOST: Duration = Duration::from_micros(500);

fn main() -> Result<(), Error> {
    let mib = setting("ECDECK_BENCH_MIB", 1024);
    let rounds = setting("ECDECK_BENCH_ROUNDS", 7);
    let disk =
        std::env::var_os("ECDECK_BENCH_DISK").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let mut tools = Vec::new();
    for tool in [Tool::Dd, Tool::QemuImg, Tool::NbdCopy] {
        match tool.start() {
            Ok(start) => tools.push((tool, start)),
            Err(_) => println!("{} is not there: measured without it", tool.program()),
        }
    }
    println!("qemu's incremental backup is no peer here: the resume stands beside our own full copy");
    for (name, folder) in [("disk", disk.as_path()), ("tmpfs", Path::new("/dev/shm"))] {
        if !folder.is_dir() {
            println!("{name}: {} is not there, skipped", folder.display());
            continue;
        }
        println!("\n{name}: {mib} MiB of random bytes, {rounds} rounds, medians, load {}", load());
        let bench = Bench::new(folder, mib << 20)?;
        bench.copies(&tools, rounds)?;
        bench.host_writes(rounds)?;
        bench.pauses(rounds)?;
        println!("  load at the end {}", load());
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
    NbdCopy,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Dd => "dd direct",
            Self::QemuImg => "qemu-img convert",
            Self::NbdCopy => "nbdcopy",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Dd => "dd",
            Self::QemuImg => "qemu-img",
            Self::NbdCopy => "nbdcopy",
        }
    }

    /// How long it takes to start and end; an error where it is not there.
    fn start(self) -> Result<Duration, Error> {
        let mut starts = Spread::default();
        for _ in 0..10 {
            let began = Instant::now();
            Command::new(self.program()).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status()?;
            starts.add(began.elapsed());
        }
        Ok(Duration::from_secs_f64(starts.median() / 1000.0))
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
            Self::NbdCopy => {
                let mut command = Command::new("nbdcopy");
                command.arg("--flush").args([from, to]);
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

    fn copies(&self, tools: &[(Tool, Duration)], rounds: u64) -> Result<(), Error> {
        let (mut full, mut resume) = (Spread::default(), Spread::default());
        let mut others = vec![Spread::default(); tools.len()];
        for round in 0..rounds {
            for turn in 0..=tools.len() {
                let at = (turn + round as usize) % (tools.len() + 1);
                self.settle()?;
                if let Some((tool, start)) = tools.get(at) {
                    let (from, to) = (self.plane.image(self.volume(0))?, self.plane.image(self.volume(2))?);
                    others[at].add(tool.copy(&from, &to)?.saturating_sub(*start));
                } else {
                    full.add(self.full_copy()?);
                    resume.add(self.resume(round)?);
                }
            }
        }
        let ours = full.median();
        println!("  full copy      ecdeck           {full}");
        for ((tool, _), times) in tools.iter().zip(&others) {
            println!("                 {:<16} {times}   theirs / ours {:.2}", tool.name(), times.median() / ours);
        }
        let changed = self.changed_regions() * REGION;
        println!("  resume after {CHANGED_PERCENT} %, scattered    {resume}");
        println!(
            "                 {} MiB: {:.0} MB/s, {:.2} of the time of a full copy",
            changed >> 20,
            changed as f64 / resume.median() / 1e3,
            resume.median() / ours
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
                let mut times: [Spread; 3] = Default::default();
                // The same places each time, and in the cache before they are timed: filling it is not what is measured.
                let warm = |olu| self.write(olu, length, count, hosts, 0);
                for round in 0..rounds {
                    for turn in 0..3 {
                        match (round + turn) % 3 {
                            0 => {
                                warm(3)?;
                                times[0].add(warm(3)?);
                            }
                            1 => {
                                warm(0)?;
                                times[1].add(warm(0)?);
                            }
                            _ => {
                                self.plane.suspend(&[self.pair()], false)?;
                                warm(0)?;
                                times[2].add(warm(0)?);
                                self.plane.run(self.pair())?;
                                self.until_equivalent()?;
                            }
                        }
                    }
                }
                let [plain, equivalent, suspended] = times.each_ref().map(Spread::median);
                println!("  host writes of {:>4} KiB by {hosts}, plain  {}", length >> 10, times[0]);
                println!("    while equivalent {:.2} of that, {}", plain / equivalent, times[1]);
                println!("    while suspended  {:.2} of that, {}", plain / suspended, times[2]);
            }
        }
        Ok(())
    }

    /// The longest that a host's write takes while a pair is suspended: of a host that writes much to the pair's source, and of
    /// one on another volume. Ends with the pair equivalent.
    fn pauses(&self, rounds: u64) -> Result<(), Error> {
        let (mut own, mut other, mut verb) = (Spread::default(), Spread::default(), Spread::default());
        let (plane, size, volumes) = (&self.plane, self.size, [self.volume(0), self.volume(3)]);
        for round in 0..rounds {
            let ended = AtomicBool::new(false);
            let longest = [AtomicU64::new(0), AtomicU64::new(0)];
            std::thread::scope(|scope| {
                let host = |at: usize, length: usize, every: Duration| {
                    let mut random = fastrand::Rng::with_seed(round << 8 | at as u64);
                    let mut bytes = vec![0; length];
                    random.fill(&mut bytes);
                    let mut next = Instant::now();
                    while !ended.load(Ordering::Relaxed) {
                        let offset = random.u64(0..size / length as u64) * length as u64;
                        let began = Instant::now();
                        plane.write(volumes[at], offset, &bytes)?;
                        longest[at].fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                        next = (next + every).max(began);
                        std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    }
                    Ok::<_, ecdeck::driver::emulated::data::DataError>(())
                };
                let (rate, length) = BUSY_HOST;
                let hosts = [
                    scope.spawn(move || host(0, length, Duration::from_secs_f64(length as f64 / rate))),
                    scope.spawn(move || host(1, 4 << 10, OTHER_HOST)),
                ];
                std::thread::sleep(Duration::from_secs(1));
                for longest in &longest {
                    longest.store(0, Ordering::Relaxed);
                }
                let began = Instant::now();
                let suspended = self.plane.suspend(&[self.pair()], false);
                verb.add(began.elapsed());
                ended.store(true, Ordering::Relaxed);
                for host in hosts {
                    host.join().map_err(|_| "a host's thread failed")??;
                }
                suspended.map_err(Error::from)
            })?;
            let [busy, quiet] = longest.map(|longest| Duration::from_micros(longest.into_inner()));
            own.add(busy);
            other.add(quiet);
            self.plane.run(self.pair())?;
            self.until_equivalent()?;
        }
        println!("  suspend while a host writes {:.0} MB/s, the verb     {verb}", BUSY_HOST.0 / 1e6);
        println!("    longest write of that host in each round        {own}");
        println!("    longest 4 KiB write to another volume           {other}");
        Ok(())
    }

    /// So many writes at random places by so many hosts at once.
    fn write(&self, olu: u32, length: usize, count: u64, hosts: u64, seed: u64) -> Result<Duration, Error> {
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
        Ok(begun.elapsed())
    }
}
