//! What people wait for: a verb and `status` on small and large sites, and backups of many volumes over CCM.
//!
//! `cargo bench --bench verbs`. `ECDECK_BENCH_ROUNDS` changes how often each is timed (15 by default), `ECDECK_BENCH_VOLUMES`
//! the sizes of the sites (`10,1000,10000`), `ECDECK_BENCH_COMMAND_MILLIS` what a command of CCM takes (300).
//! Times are of whole processes of the program, from start to end. The site's array is synthetic and costs nothing. The
//! suspends over CCM are those of the driver, on CCM's emulation in this process.

use ecdeck::driver::Driver;
use ecdeck::driver::ccm::CcmDriver;
use ecdeck::driver::ccm::server::Server;
use ecdeck::driver::ccm::settings::Settings;
use ecdeck::driver::ccm::word_table::{Row, StatusMeaning};
use ecdeck::engine::client::{Client, Start};
use ecdeck::engine::protocol::{Answer, Ask};
use ecdeck::model::copy::{Command as CopyCommand, Outcome};
use ecdeck::model::identity::{Name, Olu, VolumeId};
use ecdeck::model::session::Pair;
use ecdeck::model::units::Blocks;
use ecdeck::process::frames::encode;
use ecdeck::testkit::ccm_emulation::profile::Profile;
use ecdeck::testkit::ccm_emulation::{Emulation, InProcess, Member, Store};
use ecdeck::testkit::in_process::InProcess as EmulatedArray;
use ecdeck::testkit::memory::Memory;
use ecdeck::testkit::scripted::Scripted;
use parking_lot::Mutex;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::Error;
use support::counts::memory;
use support::site::{Served, Size, threads};

mod support;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ecdeck");
const VERB: &str = "policy set tv00005 --generations 3 --interval 1 --mode suspend --dry-run";
/// Volumes that are backed up together over CCM.
const BATCH: u32 = 50;
const LIMIT: Duration = Duration::from_secs(30);

fn main() -> Result<(), Error> {
    let rounds = setting("ECDECK_BENCH_ROUNDS", "15").parse()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!("load average at the start: {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
    for volumes in setting("ECDECK_BENCH_VOLUMES", "10,1000,10000").split(',') {
        site(volumes.trim().parse()?, rounds)?;
    }
    let delay = Duration::from_millis(setting("ECDECK_BENCH_COMMAND_MILLIS", "300").parse()?);
    threads("bench-ccm")?.block_on(suspends(delay))
}

fn setting(name: &str, usual: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| usual.to_owned())
}

/// One size of site: each command in turn, so that what else the machine does hits all alike.
fn site(volumes: u32, rounds: usize) -> Result<(), Error> {
    let served = Served::new(Size { sessions: volumes, moving: volumes.min(300), spare: volumes })?;
    println!("{volumes} transaction volumes, {} backup volumes", 2 * volumes);
    let bytes = threads("bench-client")?.block_on(bytes_of_view(&served))?;
    println!("  from the engine for one volume by name: {bytes} bytes");
    let commands = [VERB, "status tv00005", "history tv00005", "status --json"];
    let mut timed = commands.map(|_| Vec::new());
    for _ in 0..rounds {
        for (command, timed) in commands.iter().zip(&mut timed) {
            timed.push(run(&served, command)?);
        }
    }
    for (command, mut timed) in commands.iter().zip(timed) {
        timed.sort_unstable();
        let at = |hundredth: usize| timed[(timed.len() - 1) * hundredth / 100].0.as_secs_f64() * 1000.0;
        let memory = timed.iter().map(|(_, memory, _)| memory).max().unwrap_or(&0);
        let printed = timed[0].2;
        println!(
            "  {command:<75} {:>7.1} ms (p10 {:.1}, p90 {:.1}, most {:.1}), {} MiB, prints {printed} bytes",
            at(50),
            at(10),
            at(90),
            at(100),
            memory / 1024
        );
    }
    Ok(())
}

/// The frame that answers a look at one volume by its name.
async fn bytes_of_view(served: &Served) -> Result<usize, Error> {
    let client = Client::connect(&served.home(), &Start::Never).await?;
    let answer = client.ask(Ask::View { names: vec!["tv00005".to_owned()], volumes: Vec::new() }).await?;
    let Answer::Snapshot { snapshot } = answer else { return Err("another answer".into()) };
    Ok(encode(&snapshot)?.len())
}

/// How long a command took, the most KiB that it had in memory while it printed, and how much it printed.
fn run(served: &Served, words: &str) -> Result<(Duration, u64, usize), Error> {
    let began = Instant::now();
    let mut command = Command::new(PROGRAM);
    command.args(words.split(' ')).env("ECDECK_HOME", served.folder());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut out = child.stdout.take().ok_or("no output")?;
    let (mut room, mut printed, mut most) = (vec![0; 64 << 10], 0, 0);
    loop {
        let count = out.read(&mut room)?;
        if count == 0 {
            break;
        }
        // While the pipe is not empty the program is still there.
        if printed % (1 << 20) < count {
            most = most.max(memory(child.id()).1);
        }
        printed += count;
    }
    let ended = child.wait_with_output()?;
    let took = began.elapsed();
    if !ended.status.success() {
        return Err(format!("{words}: {}", String::from_utf8_lossy(&ended.stderr)).into());
    }
    Ok((took, most, printed))
}

/// Suspends of volumes that wait for one CCM server.
async fn suspends(delay: Duration) -> Result<(), Error> {
    let mut memory = Memory::new();
    let name: Name = "K1".parse()?;
    let box_id = memory.add_box(&name)?;
    for olu in (1..=BATCH).chain(1001..=1000 + BATCH) {
        memory.add_volume(box_id, Some(Olu(olu)), "lv", Blocks::from_mib(8))?;
    }
    let arrays = Arc::new(Mutex::new(memory));
    let array: Arc<dyn Driver> = Arc::new(EmulatedArray::new(Arc::clone(&arrays), box_id));
    let member = Member { name: "K1".parse()?, box_id, driver: array };
    let fast = Emulation::new(vec![member], Store::in_memory());
    let slow = fast.again(Profile { delay, ..Profile::default() });
    let driver = |ccm: Scripted| {
        let word = Row {
            word: "EC Suspend".into(),
            status: Some(StatusMeaning::Suspended),
            phase: None,
            kind: None,
            source: None,
        };
        let settings = Settings { words: vec![word], ..Settings::local("K1".parse()?) };
        Ok::<_, Error>(CcmDriver::new("K1", settings, Server::new(Arc::new(ccm)))?)
    };
    let id = |olu| VolumeId { box_id, olu: Olu(olu) };
    let pairs: Vec<Pair> = (1..=BATCH).map(|at| Pair::new(id(at), id(1000 + at))).collect();
    let start = CopyCommand::Start { pairs: pairs.clone(), modes: None };
    driver(Scripted::over(Arc::new(InProcess(Arc::new(fast)))))?.execute(start, LIMIT).await;
    arrays.lock().settle();
    let ccm = Scripted::over(Arc::new(InProcess(Arc::new(slow))));
    let by_ccm = driver(ccm.clone())?;
    by_ccm.identify().await?;
    ccm.forget();
    let began = Instant::now();
    let suspend = |pair: &Pair| CopyCommand::Suspend { pairs: vec![*pair], force: false, together: false };
    let all = pairs.iter().map(|pair| by_ccm.execute(suspend(pair), LIMIT));
    let outcomes = futures_util::future::join_all(all).await;
    let took = began.elapsed();
    let done = outcomes.iter().flatten().filter(|one| one.outcome == Outcome::Done).count();
    let commands = ccm.sent().len();
    println!(
        "{done} of {BATCH} volumes suspended over CCM at {} ms a command: {:.1} s, {commands} commands, {:.2} a volume",
        delay.as_millis(),
        took.as_secs_f64(),
        commands as f64 / f64::from(BATCH)
    );
    Ok(())
}
