//! What the engine and one watching client cost while sessions move: processor time of each, and how many snapshots came.
//!
//! `cargo bench --bench engine`; `ECDECK_BENCH_SECONDS` changes how long it looks (20 s by default).

use ecdeck::engine::client::{Client, Start};
use std::time::{Duration, Instant};
use support::Error;
use support::counts::cpu_of_threads;
use support::site::{ENGINE_THREAD, Served, Size, threads};

mod support;

const CLIENT_THREAD: &str = "bench-client";

fn main() -> Result<(), Error> {
    let seconds = std::env::var("ECDECK_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    for (sessions, moving) in [(300, 300), (300, 0), (10_000, 300), (10_000, 0)] {
        look(Size { sessions, moving, spare: 0 }, Duration::from_secs(seconds))?;
    }
    Ok(())
}

fn look(size: Size, time: Duration) -> Result<(), Error> {
    let served = Served::new(size)?;
    let home = served.home();
    let theirs = threads(CLIENT_THREAD)?;
    let counted = theirs.block_on(theirs.spawn(async move {
        let client = Client::connect(&home, &Start::Never).await.map_err(|error| error.to_string())?;
        let mut snapshots = client.watch().await.map_err(|error| error.to_string())?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = (cpu_of_threads(ENGINE_THREAD), cpu_of_threads(CLIENT_THREAD), Instant::now());
        let mut count = 0;
        while before.2.elapsed() < time {
            if tokio::time::timeout(time, snapshots.changed()).await.is_ok() {
                count += 1;
            }
        }
        let share = |spent: Duration| spent.as_secs_f64() / before.2.elapsed().as_secs_f64() * 100.0;
        let engine = cpu_of_threads(ENGINE_THREAD).saturating_sub(before.0);
        let client = cpu_of_threads(CLIENT_THREAD).saturating_sub(before.1);
        Ok::<_, String>((count, share(engine), share(client)))
    }))??;
    let (count, engine, client) = counted;
    println!(
        "{:>6} sessions, {:>3} move, {count:>3} snapshots in {} s: engine {engine:.3} %, client {client:.3} % of a core",
        size.sessions,
        size.moving,
        time.as_secs()
    );
    theirs.shutdown_background();
    Ok(())
}
