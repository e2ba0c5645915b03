//! What is done to embedded arrays: their process, new arrays and volumes, hosts' writes.

use super::super::array_arguments::{Create, Workload, Write};
use super::super::link::{Need, SiteContext};
use super::super::{CliError, json, out};
use super::{array_in, changing, told};
use crate::driver::emulated::admin::{Admin, AdminError, Administration, Created, Data, NewBox, NewVolumes, Work};
use crate::model::identity::{BoxId, VolumeId};
use crate::model::units::iec;
use crate::process::instance;
use crate::process::paths::Home;
use serde::Serialize;
use std::path::Path;

pub async fn start(site_context: &dyn SiteContext) -> Result<(), CliError> {
    for home in site_context.array_homes(Need::Changing)? {
        let found = Admin::new(home, true).list().await.map_err(|error| told(&error))?;
        out::print(&format!("the embedded arrays run, process {}\n", found.pid))?;
    }
    Ok(())
}

/// Ends the process. An engine that goes on polling starts it again, which whoever wanted it down has to know.
pub async fn stop(site_context: &dyn SiteContext) -> Result<(), CliError> {
    let mut ended = false;
    for home in site_context.array_homes(Need::Changing)? {
        ended |= end(home).await?;
    }
    if !ended {
        return out::print("no embedded array was running\n").map(|_| ());
    }
    out::print("the embedded arrays have ended; copies continue at the next start\n")?;
    if let Some(pid) = site_context.engine_pid() {
        out::say(&format!(
            "the engine starts them again with its next reading; to keep them down, end it first: `kill {pid}`"
        ));
    }
    Ok(())
}

/// Ends the process of a home's arrays, and tells whether there was one.
async fn end(home: Home) -> Result<bool, CliError> {
    let place = home.array_server();
    // An engine that reads its arrays starts the next one within moments.
    let pid = instance::pid_of(&place);
    match Admin::new(home, false).tell(Administration::Stop).await {
        Ok(()) => {}
        Err(AdminError::NotRunning) => {
            // A socket that does not let one in is no sign that nobody is there: the lock tells.
            let free = instance::claim(&place).map_err(|error| CliError::not_reachable(error.to_string()))?;
            if matches!(free, instance::Claim::Taken) {
                return Err(CliError::not_reachable(format!(
                    "an embedded array has the lock {}, but does not answer: it begins, it ends, or it belongs to somebody else",
                    place.lock.display()
                )));
            }
            return Ok(false);
        }
        Err(error) => return Err(told(&error)),
    }
    let ended = tokio::task::spawn_blocking(move || instance::wait_until_it_is_free(&place, pid)).await;
    ended.map_err(|error| CliError::failed(error.to_string()))?.map_err(|error| CliError::failed(error.to_string()))?;
    Ok(true)
}

#[derive(Serialize)]
struct CreatedDocument {
    array: String,
    box_id: Option<BoxId>,
    volumes: Vec<VolumeId>,
}

pub async fn create(asked: &Create, site_context: &dyn SiteContext) -> Result<(), CliError> {
    let admin = changing(site_context, &asked.array)?;
    let name = asked.array.parse().map_err(|error| CliError::usage(format!("{error}")))?;
    let volumes =
        asked.size.map(|blocks| NewVolumes { olu: asked.olu, label: asked.label.clone(), blocks, count: asked.count });
    if volumes.is_none() && admin.list().await.is_ok_and(|known| known.arrays.iter().any(|array| array.name == name)) {
        let text = format!("there is already an array named {}: give --size to make volumes in it", asked.array);
        return Err(CliError::usage(text));
    }
    let array = NewBox { name, box_id: asked.box_id };
    let created: Created = admin.ask(Administration::Create { array, volumes }).await.map_err(|error| told(&error))?;
    let Created { box_id, volumes } = created;
    if asked.json {
        let document = CreatedDocument { array: asked.array.clone(), box_id: Some(box_id), volumes };
        return json::print(site_context.is_demo(), &document);
    }
    let lines: Vec<String> = match volumes.as_slice() {
        [] => vec![format!("{} is {box_id}\n", asked.array)],
        made => made.iter().map(|volume| format!("{}/{}\n", asked.array, volume.olu)).collect(),
    };
    out::print(&lines.concat())?;
    if !site_context.configured_arrays()?.iter().any(|array| array.name.as_str() == asked.array) {
        out::say(&format!(
            "{} is not in the configuration yet: an [[array]] with this name and driver = \"embedded\" in config.toml makes it \
             one of the site",
            asked.array
        ));
    }
    Ok(())
}

pub async fn import(volume: &str, file: &Path, site_context: &dyn SiteContext) -> Result<(), CliError> {
    let absolute =
        std::path::absolute(file).map_err(|error| CliError::usage(format!("{}: {error}", file.display())))?;
    if !absolute.is_file() {
        return Err(CliError::usage(format!("{} is not a file", file.display())));
    }
    let wanted = Administration::Import { volume: volume.to_owned(), file: absolute };
    let bytes: u64 = changing(site_context, array_in(volume))?.ask(wanted).await.map_err(|error| told(&error))?;
    out::print(&format!("{} copied into {volume}\n", iec(bytes))).map(|_| ())
}

pub fn write(asked: &Write) -> Administration {
    let seed = asked.seed;
    let data = match (&asked.text, asked.length, asked.scatter) {
        (Some(text), ..) => Data::Text { text: text.clone() },
        (None, Some(length), _) => Data::Seeded { seed, length },
        (None, None, writes) => Data::Scattered { seed, writes: writes.unwrap_or(0) },
    };
    Administration::Write { volume: asked.volume.clone(), offset: asked.offset, data }
}

pub fn workload(asked: &Workload) -> Administration {
    let work = asked.rate.filter(|_| !asked.stop).map(|bytes_per_second| Work {
        seed: asked.seed,
        bytes_per_second,
        start: asked.from,
        end: asked.to,
    });
    Administration::Workload { volume: asked.volume.clone(), work }
}
