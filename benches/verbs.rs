//! What people wait for: verbs and `status` on sites of every size, a small difference that is resumed, many volumes that are
//! registered, and backups of many volumes over CCM.
//!
//! `cargo bench --bench verbs`. Times are of whole processes of the program, from start to end, unless a row says otherwise.
//! The site's array is synthetic and costs nothing; the catalogue is in memory but where SQLite is named. CCM is its
//! emulation, each command delayed.
//!
//! Settings: `ECDECK_BENCH_ROUNDS` (15), `ECDECK_BENCH_VOLUMES` (`10,1000,10000,50000`), `ECDECK_BENCH_LARGEST` (60000, 0:
//! without), `ECDECK_BENCH_REGISTERED` (30000, 0: without), `ECDECK_BENCH_BATCHES` (volumes and milliseconds a command:
//! `50x300,500x10`; `500x1000` takes nine minutes).

use ecdeck::engine::client::{Client, Start};
use ecdeck::engine::protocol::{Answer, Ask};
use ecdeck::process::frames::encode;
use ecdeck::process::instance;
use ecdeck::process::paths::Home;
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::Error;
use support::ccm_site::{CcmSite, name};
use support::counts::{cpu_of_threads, memory};
use support::site::{ENGINE_THREAD, Served, Size, threads};
use support::spread::{Spread, load};

mod support;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ecdeck");
const VERB: &str = "policy set tv00005 --generations 3 --interval 1 --mode suspend --dry-run";
/// So long the engine of a site is looked at that nobody asks anything.
const CALM: Duration = Duration::from_secs(5);

fn main() -> Result<(), Error> {
    let rounds = setting("ECDECK_BENCH_ROUNDS", "15").parse()?;
    println!("load average at the start: {}", load());
    let mut growth = Vec::new();
    for volumes in setting("ECDECK_BENCH_VOLUMES", "10,1000,10000,50000").split(',') {
        growth.push(site(volumes.trim().parse()?, rounds)?);
    }
    println!("\ngrowth: medians; engine: processor time a second with a poll a second and 300 copies moving");
    println!("  volumes        verb      bytes   status VOLUME  status --json  its memory     engine  its memory");
    for row in &growth {
        println!("{row}");
    }
    let largest: u32 = setting("ECDECK_BENCH_LARGEST", "60000").parse()?;
    if largest > 0 {
        println!();
        site(largest, 3)?;
    }
    println!("\nembedded array, real processes, SQLite, medium {}", medium());
    notice(rounds)?;
    let registered: u32 = setting("ECDECK_BENCH_REGISTERED", "30000").parse()?;
    if registered > 0 {
        register(registered)?;
    }
    println!();
    for batch in setting("ECDECK_BENCH_BATCHES", "50x300,500x10").split(',') {
        let (volumes, millis) = batch.trim().split_once('x').ok_or("VOLUMESxMILLISECONDS")?;
        backups(volumes.parse()?, Duration::from_millis(millis.parse()?))?;
    }
    println!("load average at the end: {}", load());
    Ok(())
}

fn setting(name: &str, usual: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| usual.to_owned())
}

/// One size of site: each command in turn, so that what else the machine does hits all alike. Gives its row of the table.
fn site(volumes: u32, rounds: usize) -> Result<String, Error> {
    let served = Served::new(Size { sessions: volumes, moving: volumes.min(300), spare: volumes })?;
    println!("{volumes} transaction volumes, {} backup volumes, load {}", 2 * volumes, load());
    let bytes = threads("bench-client")?.block_on(bytes_of_view(&served))?;
    println!("  from the engine for one volume by name: {bytes} bytes");
    let commands = [VERB, "status tv00005", "history tv00005", "status --json", "status"];
    let mut timed = commands.map(|_| Spread::default());
    let mut memories = commands.map(|_| 0);
    for _ in 0..rounds {
        for ((command, timed), most) in commands.iter().zip(&mut timed).zip(&mut memories) {
            let (took, memory, printed) = run(served.folder(), command)?;
            timed.add(took);
            *most = memory.max(*most);
            assert!(printed > 0, "{command} prints nothing");
        }
    }
    for ((command, timed), memory) in commands.iter().zip(&timed).zip(memories) {
        println!("  {command:<75} {timed}, {} MiB", memory / 1024);
    }
    let before = cpu_of_threads(ENGINE_THREAD);
    std::thread::sleep(CALM);
    let spent = cpu_of_threads(ENGINE_THREAD).saturating_sub(before);
    let engine = spent.as_secs_f64() / CALM.as_secs_f64();
    let own = memory(std::process::id()).0 / 1024;
    println!("  engine, {} s without a question: {:.1} % of a core", CALM.as_secs(), engine * 100.0);
    let [verb, status, _, json, _] = timed.each_ref().map(Spread::median);
    Ok(format!(
        "  {volumes:>7} {verb:>8.1} ms {bytes:>8} B {status:>12.1} ms {json:>11.1} ms {:>7} MiB {:>7.1} ms {own:>7} MiB",
        memories[3] / 1024,
        engine * 1000.0,
    ))
}

/// The frame that answers a look at one volume by its name.
async fn bytes_of_view(served: &Served) -> Result<usize, Error> {
    let client = Client::connect(&served.home(), &Start::Never).await?;
    let answer = client.ask(Ask::View { names: vec!["tv00005".to_owned()], volumes: Vec::new() }).await?;
    let Answer::Snapshot { snapshot } = answer else { return Err("another answer".into()) };
    Ok(encode(&snapshot)?.len())
}

/// How long a command took, the most KiB that it had in memory while it printed, and how much it printed.
fn run(home: &Path, words: &str) -> Result<(Duration, u64, usize), Error> {
    let began = Instant::now();
    let mut command = Command::new(PROGRAM);
    command.args(words.split(' ')).env("ECDECK_HOME", home);
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

/// Where temporary folders lie: what kind of file system it is.
fn medium() -> String {
    let folder = std::env::temp_dir();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (device, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
        folder.starts_with(point).then(|| (point.len(), format!("{kind} on {device}")))
    });
    points.max_by_key(|(length, _)| *length).map_or_else(|| "not known".to_owned(), |(_, medium)| medium)
}

/// A resume of a small difference: the copy takes milliseconds, so that nearly all of the time is the start of the program and
/// the time until the engine has seen that the pair is equivalent.
fn notice(rounds: usize) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let home = folder.path();
    let done = |words: &str| run(home, words).map(|(took, ..)| took);
    std::fs::write(home.join("config.toml"), "site = \"bench\"\n[[array]]\nname = \"A1\"\ndriver = \"embedded\"\n")?;
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o700))?;
    done("array start")?;
    let result = (|| {
        for olu in ["0x1", "0x2"] {
            done(&format!("array create A1 --olu {olu} --size 64MiB"))?;
        }
        done("volume add --transaction A1/0x1 --name tv --yes")?;
        done("volume add --backup A1/0x2 --yes")?;
        done("sync start tv --wait --yes")?;
        let mut noticed = Spread::default();
        for round in 0..rounds {
            done("sync suspend tv --yes")?;
            done(&format!("array write A1/0x1 --offset {}MiB --length 192KiB", round % 48))?;
            noticed.add(done("sync resume tv --wait --yes")?);
        }
        println!("  resume of 3 regions until it is seen to be equivalent, whole verb {noticed}");
        Ok(())
    })();
    // Whatever became of it, no process is left behind.
    let engine = Home::in_folder(home).engine();
    if let Some(pid) = instance::pid_of(&engine).and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        kill_process(pid, Signal::TERM)?;
    }
    done("array stop")?;
    result
}

/// Many volumes of an array, registered by one verb.
fn register(volumes: u32) -> Result<(), Error> {
    let served = Served::with_unregistered(volumes)?;
    let words = format!("volume add --backup {} --yes", Served::range(volumes));
    let (took, ..) = run(served.folder(), &words)?;
    println!("  {volumes} volumes registered by one verb: {:.1} s", took.as_secs_f64());
    Ok(())
}

/// Backups of many volumes by one verb over one CCM server, to the end of the program.
fn backups(volumes: u32, delay: Duration) -> Result<(), Error> {
    let runtime = threads("bench-ccm")?;
    // A short command stands for one of a second, and all limits are shorter by as much.
    let second = if delay < Duration::from_millis(100) { delay } else { Duration::from_secs(1) };
    let site = runtime.block_on(CcmSite::equivalent(volumes, delay, second))?;
    run(site.home_folder(), "status --json")?;
    site.sent();
    let names: Vec<String> = (0..volumes as usize).map(name).collect();
    let began = Instant::now();
    let (took, ..) = run(site.home_folder(), &format!("backup {} --wait --yes", names.join(" ")))?;
    let sent = site.sent_at();
    let suspends: Vec<Duration> = sent
        .iter()
        .filter(|(_, line)| line.starts_with("acec suspend"))
        .map(|(at, _)| at.duration_since(began))
        .collect();
    let window =
        suspends.last().copied().unwrap_or_default().saturating_sub(suspends.first().copied().unwrap_or_default());
    println!(
        "{volumes} backups over CCM at {} ms a command, status 0: {:.1} s, first to last suspend {:.1} s, {:.3} commands a volume",
        delay.as_millis(),
        took.as_secs_f64(),
        window.as_secs_f64(),
        sent.len() as f64 / f64::from(volumes)
    );
    runtime.shutdown_background();
    Ok(())
}
