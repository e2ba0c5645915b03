//! `ecdeck array`: the embedded arrays and their administration.

use super::array_arguments::{ArrayVerb, Create, PathState, Workload, Write};
use super::link::{House, Need};
use super::table::{Lean, Table};
use super::{Exit, Trouble, array_faults, checks, json};
use crate::driver::emulated::admin::{
    Admin, AdminError, Administration, ArrayEntry, CopyEntry, Data, FailureKind, FaultEntry, Overview, PathEntry,
    VolumeEntry, Work,
};
use crate::model::check::{Check, Verdict};
use crate::model::identity::{BoxId, Name, VolumeId};
use crate::model::units::{Blocks, iec};
use crate::process::life;
use serde::Serialize;
use std::path::Path;

/// Runs a verb; every one is about the home's own arrays, not about what an engine knows.
pub async fn run(verb: &ArrayVerb, house: &dyn House) -> Result<Exit, Trouble> {
    match verb {
        ArrayVerb::Add(asked) => return house.add_array(asked).await,
        ArrayVerb::Doctor { array, json } => return doctor(array, *json, house).await,
        ArrayVerb::Serve { detached } => house.serve_arrays(*detached).await?,
        ArrayVerb::List { json } => list(*json, house).await?,
        ArrayVerb::Volumes { array, json } => volumes(array.as_deref(), *json, house).await?,
        ArrayVerb::Fingerprint { volume, json } => fingerprint(volume, *json, house).await?,
        ArrayVerb::Start => {
            changing(house)?.list().await.map_err(|error| told(&error))?;
        }
        ArrayVerb::Stop => stop(house).await?,
        ArrayVerb::Create(asked) => create(asked, house).await?,
        ArrayVerb::Import { volume, file } => import(volume, file, house).await?,
        ArrayVerb::Write(asked) => tell(house, write(asked)).await?,
        ArrayVerb::Workload(asked) => tell(house, workload(asked)).await?,
        ArrayVerb::Rate { rate, of } => {
            let pair = of.as_ref().map(|of| (of[0].clone(), of[1].clone()));
            tell(house, Administration::Rate { bytes_per_second: rate.0, pair }).await?;
        }
        ArrayVerb::Fault { array, json, fault: None } => array_faults::list(array.as_deref(), *json, house).await?,
        ArrayVerb::Fault { array, fault: Some(fault), .. } => {
            let unnamed = || Trouble::usage("name the array: `ecdeck array fault ARRAY ...`".to_owned());
            array_faults::inject(array.as_deref().ok_or_else(unnamed)?, fault, house).await?;
        }
        ArrayVerb::Path { one, other, state } => {
            let up = *state == PathState::Up;
            tell(house, Administration::Path { one: one.clone(), other: other.clone(), up }).await?;
        }
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct DoctorDocument<'a> {
    array: &'a str,
    checks: &'a [Check],
}

/// Failed when something is wrong that verbs would stumble over.
async fn doctor(array: &str, as_json: bool, house: &dyn House) -> Result<Exit, Trouble> {
    let found = house.examine_array(array).await?;
    if as_json {
        json::print(house.is_demo(), &DoctorDocument { array, checks: &found })?;
    } else {
        checks::print(&found);
    }
    let bad = found.iter().any(|check| check.verdict == Verdict::Bad);
    Ok(if bad { Exit::NotReachable } else { Exit::Done })
}

pub(super) fn changing(house: &dyn House) -> Result<Admin, Trouble> {
    Ok(Admin::new(house.arrays_home(Need::Changing)?, true))
}

pub(super) async fn tell(house: &dyn House, what: Administration) -> Result<(), Trouble> {
    changing(house)?.tell(what).await.map_err(|error| told(&error))
}

#[derive(Serialize)]
struct ListDocument {
    arrays: Vec<ListedArray>,
    paths: Vec<PathEntry>,
    faults: Vec<FaultEntry>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct ListedArray {
    #[serde(flatten)]
    entry: ArrayEntry,
    driver: &'static str,
    /// Of the process that is the array.
    pid: u32,
}

pub(super) async fn overview(house: &dyn House) -> Result<Overview, Trouble> {
    let home = house.arrays_home(Need::Reading)?;
    // Where no array was ever made there is no reason to start a process.
    let may_start = home.arrays_dir().exists();
    match Admin::new(home, may_start).list().await {
        Err(AdminError::NotRunning) => Ok(Overview::default()),
        found => found.map_err(|error| told(&error)),
    }
}

async fn list(as_json: bool, house: &dyn House) -> Result<(), Trouble> {
    let found = overview(house).await?;
    if as_json {
        let (pid, driver) = (found.pid, "embedded");
        let arrays = found.arrays.into_iter().map(|entry| ListedArray { entry, driver, pid }).collect();
        let (paths, faults, warnings) = (found.paths, found.faults, found.warnings);
        return json::print(house.is_demo(), &ListDocument { arrays, paths, faults, warnings });
    }
    let headings = [
        ("array", Lean::Left),
        ("driver", Lean::Left),
        ("process", Lean::Right),
        ("volumes", Lean::Right),
        ("sessions", Lean::Right),
        ("answers", Lean::Left),
        ("box id", Lean::Left),
    ];
    let mut table = Table::new(&headings);
    for array in &found.arrays {
        table.row([
            array.name.to_string(),
            "embedded".to_owned(),
            found.pid.to_string(),
            array.volumes.to_string(),
            array.sessions.to_string(),
            if array.reachable { "yes" } else { "no" }.to_owned(),
            array.box_id.to_string(),
        ]);
    }
    if table.is_empty() {
        println!(
            "There is no embedded array here: `ecdeck array create NAME --size 48MiB --count 4` makes one with volumes."
        );
        return Ok(());
    }
    print!("{}", table.render());
    for path in found.paths.iter().filter(|path| !path.up) {
        println!("The path between {} and {} is down.", path.one, path.other);
    }
    for fault in &found.faults {
        println!("! {}", array_faults::sentence(fault));
    }
    for warning in found.warnings {
        println!("! {}", crate::model::untrusted::Untrusted::new(warning).escaped());
    }
    Ok(())
}

#[derive(Serialize)]
struct VolumesDocument {
    volumes: Vec<ListedVolume>,
    /// Said to people and to scripts alike.
    note: &'static str,
}

#[derive(Serialize)]
struct ListedVolume {
    id: VolumeId,
    array: Name,
    location: String,
    label: String,
    blocks: Blocks,
    image: String,
    workload: Option<Work>,
    sessions: Vec<CopyEntry>,
}

const NOTE: &str = "Writing into an image file past the array is not tracked; use `ecdeck array write` or `import`.";

async fn volumes(array: Option<&str>, as_json: bool, house: &dyn House) -> Result<(), Trouble> {
    let home = house.arrays_home(Need::Reading)?;
    let may_start = home.arrays_dir().exists();
    let mut found = match Admin::new(home, may_start).volumes().await {
        Err(AdminError::NotRunning) => Vec::new(),
        found => found.map_err(|error| told(&error))?,
    };
    found.retain(|volume| array.is_none_or(|array| volume.array.as_str() == array));
    if as_json {
        let volumes = found.into_iter().map(listed).collect();
        return json::print(house.is_demo(), &VolumesDocument { volumes, note: NOTE });
    }
    let headings = [("volume", Lean::Left), ("size", Lean::Right), ("label", Lean::Left), ("image", Lean::Left)];
    let mut table = Table::new(&headings);
    for volume in found.into_iter().map(listed) {
        let label = crate::model::untrusted::Untrusted::new(volume.label).escaped();
        table.row([volume.location, volume.blocks.to_string(), label, volume.image]);
    }
    if table.is_empty() {
        println!("There is no volume.");
        return Ok(());
    }
    print!("{}", table.render());
    println!("{NOTE}");
    Ok(())
}

fn listed(volume: VolumeEntry) -> ListedVolume {
    ListedVolume {
        location: format!("{}/{}", volume.array, volume.id.olu),
        id: volume.id,
        array: volume.array,
        label: volume.label.raw().to_owned(),
        blocks: volume.blocks,
        image: volume.image.to_string_lossy().into_owned(),
        workload: volume.workload,
        sessions: volume.sessions,
    }
}

#[derive(Serialize)]
struct FingerprintDocument<'a> {
    volume: &'a str,
    blake3: &'a str,
}

async fn fingerprint(volume: &str, as_json: bool, house: &dyn House) -> Result<(), Trouble> {
    let home = house.arrays_home(Need::Reading)?;
    let blake3 = Admin::new(home, true).fingerprint(volume).await.map_err(|error| told(&error))?;
    if as_json {
        return json::print(house.is_demo(), &FingerprintDocument { volume, blake3: &blake3 });
    }
    println!("{blake3}");
    Ok(())
}

async fn stop(house: &dyn House) -> Result<(), Trouble> {
    let home = house.arrays_home(Need::Changing)?;
    let place = home.array_server();
    match Admin::new(home, false).tell(Administration::Stop).await {
        Ok(()) => {}
        Err(AdminError::NotRunning) => return Ok(()),
        Err(error) => return Err(told(&error)),
    }
    let ended = tokio::task::spawn_blocking(move || life::wait_until_it_is_free(&place)).await;
    ended.map_err(|error| Trouble::failed(error.to_string()))?.map_err(|error| Trouble::failed(error.to_string()))
}

#[derive(Serialize)]
struct CreatedDocument {
    array: String,
    box_id: Option<BoxId>,
    volumes: Vec<VolumeId>,
}

async fn create(asked: &Create, house: &dyn House) -> Result<(), Trouble> {
    let admin = changing(house)?;
    let known = admin.list().await.map_err(|error| told(&error))?;
    let found = known.arrays.iter().find(|array| array.name.as_str() == asked.array);
    let box_id = match found {
        Some(_) if asked.size.is_none() => {
            return Err(Trouble::usage(format!("there is already an array named {}", asked.array)));
        }
        Some(array) => array.box_id,
        None => {
            let name = asked.array.parse().map_err(|error| Trouble::usage(format!("{error}")))?;
            admin.ask(Administration::CreateArray { name, box_id: asked.box_id }).await.map_err(|error| told(&error))?
        }
    };
    let mut volumes: Vec<VolumeId> = Vec::new();
    if let Some(blocks) = asked.size {
        let (array, label) = (asked.array.clone(), asked.label.clone());
        let wanted = Administration::CreateVolumes { array, olu: asked.olu, label, blocks, count: asked.count };
        volumes = admin.ask(wanted).await.map_err(|error| told(&error))?;
    }
    if asked.json {
        let document = CreatedDocument { array: asked.array.clone(), box_id: Some(box_id), volumes };
        return json::print(house.is_demo(), &document);
    }
    if volumes.is_empty() {
        println!("{} is {box_id}", asked.array);
    }
    for volume in volumes {
        println!("{}/{}", asked.array, volume.olu);
    }
    Ok(())
}

async fn import(volume: &str, file: &Path, house: &dyn House) -> Result<(), Trouble> {
    let absolute = std::path::absolute(file).map_err(|error| Trouble::usage(format!("{}: {error}", file.display())))?;
    if !absolute.is_file() {
        return Err(Trouble::usage(format!("{} is not a file", file.display())));
    }
    let wanted = Administration::Import { volume: volume.to_owned(), file: absolute };
    let bytes: u64 = changing(house)?.ask(wanted).await.map_err(|error| told(&error))?;
    println!("{} copied into {volume}", iec(bytes));
    Ok(())
}

fn write(asked: &Write) -> Administration {
    let seed = asked.seed;
    let data = match (&asked.text, asked.length, asked.scatter) {
        (Some(text), ..) => Data::Text { text: text.clone() },
        (None, Some(length), _) => Data::Seeded { seed, length },
        (None, None, writes) => Data::Scattered { seed, writes: writes.unwrap_or(0) },
    };
    Administration::Write { volume: asked.volume.clone(), offset: asked.offset, data }
}

fn workload(asked: &Workload) -> Administration {
    let work = asked.rate.filter(|_| !asked.stop).map(|bytes_per_second| Work {
        seed: asked.seed,
        bytes_per_second,
        start: asked.from,
        end: asked.to,
    });
    Administration::Workload { volume: asked.volume.clone(), work }
}

pub(super) fn told(error: &AdminError) -> Trouble {
    match error {
        AdminError::Failed(failure) => match failure.kind {
            FailureKind::NotFound | FailureKind::Refused => Trouble::usage(failure.text.clone()),
            FailureKind::Unreachable => Trouble::not_reachable(failure.text.clone()),
            FailureKind::Internal => Trouble::failed(failure.text.clone()),
        },
        error if error.was_sent() => Trouble::new(Exit::OutcomeUnknown, error.to_string()),
        error => Trouble::not_reachable(error.to_string()),
    }
}
