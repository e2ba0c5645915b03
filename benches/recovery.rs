//! How soon a site with 1,000 sessions is there again after `kill -9` of its array and of its engine: the real program, real
//! files, the catalogue on SQLite. Ready is when `ecdeck status --json` shows every session as it was.
//!
//! `cargo bench --bench recovery`

use ecdeck::catalog::Catalogue;
use ecdeck::catalog::sql::{CataloguePlace, OpenOptions, SqlCatalogue};
use ecdeck::driver::emulated::admin::{Admin, NewArray, NewSession, NewState, NewVolume, Provision};
use ecdeck::driver::emulated::core::box_id;
use ecdeck::model::identity::{Name, Olu, VolumeId};
use ecdeck::model::records::{BackupVolume, Change, EntityChange, OurSession, TransactionVolume};
use ecdeck::model::session::Pair;
use ecdeck::model::units::{Blocks, Timestamp, Version};
use ecdeck::process::instance;
use ecdeck::process::paths::{Home, Place};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ecdeck");
const SESSIONS: u32 = 1_000;
const SIZE: Blocks = Blocks::from_mib(1);
const ROUNDS: usize = 10;
const MAX_LENGTH: Duration = Duration::from_mins(1);

fn main() -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
    std::fs::write(
        folder.path().join("config.toml"),
        "site = \"bench\"\n[[array]]\nname = \"BIG\"\ndriver = \"embedded\"\n",
    )?;
    let home = Home::in_folder(folder.path());
    let result = run(folder.path(), &home);
    for place in [home.engine(), home.array_server()] {
        kill(&place)?;
    }
    result
}

fn run(folder: &Path, home: &Home) -> Result<(), Error> {
    ecdeck(folder, &["array", "start"])?;
    tokio::runtime::Runtime::new()?.block_on(make(home))?;
    wait(folder, Instant::now())?;
    let (mut array, mut site) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        kill(&home.array_server())?;
        let killed = Instant::now();
        ecdeck(folder, &["array", "start"])?;
        array.push(killed.elapsed());
        wait(folder, killed)?;
        kill(&home.engine())?;
        kill(&home.array_server())?;
        site.push(wait(folder, Instant::now())?);
    }
    report("array answers", array);
    report("array and engine, every session as it was", site);
    Ok(())
}

fn pair(number: u32, name: &Name) -> Pair {
    let id = |olu| VolumeId { box_id: box_id(name), olu: Olu(olu) };
    Pair::new(id(number), id(number + SESSIONS))
}

/// 1,000 equivalent pairs, on the array and in the catalogue.
async fn make(home: &Home) -> Result<(), Error> {
    let name: Name = "BIG".parse()?;
    let pairs: Vec<Pair> = (0..SESSIONS).map(|number| pair(number, &name)).collect();
    let volume = |id| NewVolume { id, label: String::new(), blocks: SIZE, content: None };
    let session =
        |pair| NewSession { pair, state: NewState::Equivalent, percent: 100, full: true, modes: None, started: None };
    let wanted = Provision {
        arrays: vec![NewArray { name: name.clone(), box_id: box_id(&name) }],
        volumes: pairs.iter().flat_map(|pair| [volume(pair.source), volume(pair.target)]).collect(),
        sessions: pairs.iter().copied().map(session).collect(),
        ..Provision::default()
    };
    Admin::new(home.clone(), false).provision(wanted).await?;
    let place = CataloguePlace::Sqlite(home.catalogue_file());
    let catalogue = SqlCatalogue::open(&place, OpenOptions::default()).await?;
    let mut changes = Vec::new();
    for (number, pair) in pairs.into_iter().enumerate() {
        let registered_at = Timestamp(0);
        changes.push(Change::Entity(EntityChange::PutTransactionVolume(TransactionVolume {
            id: pair.source,
            name: format!("tv{number:04}").parse()?,
            blocks: SIZE,
            policy: None,
            registered_at,
            next_version: Version(1),
            group: None,
            window_since: None,
        })));
        changes.push(Change::Entity(EntityChange::PutBackupVolume(BackupVolume {
            id: pair.target,
            name: None,
            blocks: SIZE,
            registered_at,
            group: None,
        })));
        changes.push(Change::Entity(EntityChange::PutSession(OurSession {
            pair,
            since: Timestamp(0),
            operation: None,
            full: true,
        })));
    }
    catalogue.commit(changes, Vec::new()).await?;
    catalogue.close().await;
    Ok(())
}

/// Waits until every pair is seen to be equivalent; gives the time since then.
fn wait(folder: &Path, since: Instant) -> Result<Duration, Error> {
    while since.elapsed() < MAX_LENGTH {
        if let Ok(out) = ecdeck(folder, &["status", "--json"]) {
            let status: serde_json::Value = serde_json::from_slice(&out)?;
            let sessions = status["sessions"].as_array().map_or(&[][..], Vec::as_slice);
            let equivalent = sessions.iter().filter(|session| session["phase"] == "equivalent").count();
            if equivalent == SESSIONS as usize {
                return Ok(since.elapsed());
            }
        }
    }
    Err(format!("the site was not there again within {} s", MAX_LENGTH.as_secs()).into())
}

fn ecdeck(folder: &Path, words: &[&str]) -> Result<Vec<u8>, Error> {
    let ran = Command::new(PROGRAM).args(words).env("ECDECK_HOME", folder).output()?;
    if ran.status.success() { Ok(ran.stdout) } else { Err(String::from_utf8_lossy(&ran.stderr).into()) }
}

fn kill(place: &Place) -> Result<(), Error> {
    if let Some(pid) = instance::pid_of(place).and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        kill_process(pid, Signal::KILL)?;
        instance::wait_until_it_is_free(place, None)?;
    }
    Ok(())
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let [least, median, most] = [0, times.len() / 2, times.len() - 1].map(|at| times[at]);
    println!("{SESSIONS} sessions, after kill -9, {what:44} least {least:.2?}, median {median:.2?}, most {most:.2?}");
}
