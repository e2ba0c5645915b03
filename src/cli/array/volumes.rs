//! `ecdeck array volumes` and `fingerprint`: what embedded arrays have, with the files behind it.

use super::super::link::{Need, SiteContext};
use super::super::table::{Align, Table};
use super::super::{CliError, json, out};
use super::{array_in, told};
use crate::driver::emulated::admin::{Admin, AdminError, CopyEntry, VolumeEntry, Work};
use crate::model::identity::{Name, VolumeId};
use crate::model::units::{Blocks, iec};
use crate::model::untrusted::Untrusted;
use serde::Serialize;
use std::fmt::Write;

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
    /// Why nothing can be done with it; null while it is in service.
    out_of_service: Option<String>,
    workload: Option<Work>,
    /// The socket on which hosts reach it over NBD; null where it is not exported.
    export: Option<String>,
    sessions: Vec<CopyEntry>,
}

const NOTE: &str =
    "Writing into an image file past the array is not tracked; use `ecdeck array write` or `ecdeck array import`.";

pub async fn run(array: Option<&str>, as_json: bool, site_context: &dyn SiteContext) -> Result<(), CliError> {
    let homes = match array {
        Some(array) => vec![site_context.arrays_home(Need::Reading, Some(array))?],
        None => site_context.array_homes(Need::Reading)?,
    };
    let mut found = Vec::new();
    for home in homes {
        let admin = Admin::new(home.clone(), home.arrays_dir().exists());
        if let Some(array) = array {
            known(array, &admin, site_context).await?;
        }
        match admin.volumes().await {
            Err(AdminError::NotRunning) => {}
            volumes => found.extend(volumes.map_err(|error| told(&error))?),
        }
    }
    found.retain(|volume| array.is_none_or(|array| volume.array.as_str() == array));
    if as_json {
        let volumes = found.into_iter().map(listed).collect();
        return json::print(site_context.is_demo(), &VolumesDocument { volumes, note: NOTE });
    }
    let headings = [
        ("volume", Align::Left),
        ("size", Align::Right),
        ("label", Align::Left),
        ("workload", Align::Right),
        ("image", Align::Left),
    ];
    let mut table = Table::new(&headings);
    let mut out_of_service = String::new();
    for volume in found.into_iter().map(listed) {
        if let Some(why) = &volume.out_of_service {
            let (location, why) = (&volume.location, Untrusted::new(why.as_str()).escaped());
            let _ = writeln!(
                out_of_service,
                "! {location} is out of service: {why}. Put the right file back, or run `ecdeck array accept {location}`."
            );
        }
        let label = if volume.label.is_empty() { "-".to_owned() } else { Untrusted::new(volume.label).escaped() };
        let work = volume.workload.map_or_else(|| "-".to_owned(), |work| format!("{}/s", iec(work.bytes_per_second)));
        let image = Untrusted::new(volume.image).escaped();
        table.row([volume.location, volume.blocks.to_string(), label, work, image]);
    }
    let text = if table.is_empty() {
        "there is no volume: `ecdeck array create NAME --size 48MiB --count 4` makes some\n".to_owned()
    } else {
        format!("{}{out_of_service}{NOTE}\n", table.render())
    };
    out::print(&text).map(|_| ())
}

/// A name that no embedded array has is a slip, and not an array without volumes.
async fn known(array: &str, admin: &Admin, site_context: &dyn SiteContext) -> Result<(), CliError> {
    let names: Vec<String> = match admin.list().await {
        Err(AdminError::NotRunning) => Vec::new(),
        found => found.map_err(|error| told(&error))?.arrays.iter().map(|entry| entry.name.to_string()).collect(),
    };
    if names.iter().any(|name| name == array) {
        return Ok(());
    }
    let shown = Untrusted::new(array).escaped();
    let configured = site_context.configured_arrays()?;
    if configured.iter().any(|one| one.name.as_str() == array && one.home.is_none()) {
        let text = format!(
            "{shown} is no embedded array of this home: `ecdeck volume list` shows what is known of its volumes"
        );
        return Err(CliError::usage(text));
    }
    let there = match names.as_slice() {
        [] => "there is none: `ecdeck array create NAME --size 48MiB --count 4` makes one".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    Err(CliError::usage(format!("there is no embedded array named {shown}; {there}")))
}

fn listed(volume: VolumeEntry) -> ListedVolume {
    ListedVolume {
        location: format!("{}/{}", volume.array, volume.id.olu),
        id: volume.id,
        array: volume.array,
        label: volume.label.raw().to_owned(),
        blocks: volume.blocks,
        image: volume.image.to_string_lossy().into_owned(),
        out_of_service: volume.out_of_service,
        workload: volume.workload,
        export: volume.export.map(|socket| socket.to_string_lossy().into_owned()),
        sessions: volume.sessions,
    }
}

#[derive(Serialize)]
struct FingerprintDocument<'a> {
    volume: &'a str,
    blake3: &'a str,
}

pub async fn fingerprint(volume: &str, as_json: bool, site_context: &dyn SiteContext) -> Result<(), CliError> {
    let home = site_context.arrays_home(Need::Reading, Some(array_in(volume)))?;
    let blake3 = Admin::new(home, true).fingerprint(volume).await.map_err(|error| told(&error))?;
    if as_json {
        return json::print(site_context.is_demo(), &FingerprintDocument { volume, blake3: &blake3 });
    }
    out::print(&format!("{blake3}\n")).map(|_| ())
}
