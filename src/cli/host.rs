//! `ecdeck host`: what the configured hosts report of their disks, volume groups and mounts.

use super::link::{Link, Need, SiteContext, unexpected};
use super::table::{Align, Table};
use super::{CliError, Exit, json, out};
use crate::engine::protocol::{Answer, Ask};
use crate::model::host_report::{Activation, HostDisk, HostReport, HostView, LogicalVolume, VolumeGroup, Wwid};
use crate::model::identity::Name;
use crate::model::service_nodes::{ServiceNode, ServiceView, reading_of};
use crate::model::snapshot::Snapshot;
use crate::model::units::Blocks;
use crate::model::untrusted::Untrusted;
use crate::model::volume_group::GroupPlace;
use clap::Subcommand;
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub enum HostVerb {
    /// The configured hosts, and whether they can be read
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// The disks, volume groups, logical volumes and mounts of a host
    Show {
        /// The host, by its name in the configuration
        #[arg(value_name = "HOST")]
        host: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Listed<'a> {
    hosts: &'a [HostView],
    services: &'a [ServiceView],
}

#[derive(Serialize)]
struct ShownService<'a> {
    service: &'a ServiceView,
    /// Its nodes, as they report themselves.
    hosts: &'a [HostView],
}

#[derive(Serialize)]
struct Shown<'a> {
    host: &'a HostView,
    /// One a disk of the host, in its order; empty where the disks are not known.
    array_volumes: Vec<ArrayVolumes>,
}

/// The volumes of arrays that a disk may be.
#[derive(Serialize)]
struct ArrayVolumes {
    device: Untrusted,
    /// The number that the disk's WWID has in it; null where it has none.
    number: Option<u32>,
    /// The volumes with this number and of the disk's size.
    candidates: Vec<String>,
}

pub async fn run(verb: &HostVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let mut link = site_context.open(Need::Reading).await?;
    let (wanted, as_json) = match verb {
        HostVerb::List { json } => (None, *json),
        HostVerb::Show { host, json } => (Some(host), *json),
    };
    let name = wanted
        .map(|host| host.parse::<Name>())
        .transpose()
        .map_err(|_| CliError::usage("this is no name of a host: `ecdeck host list` shows them"))?;
    let (hosts, services, configured) = match link.ask(Ask::Hosts { host: name }).await? {
        Answer::Hosts { hosts, services, configured } => (hosts, services, configured),
        other => return Err(unexpected(&other)),
    };
    let is_known = hosts.iter().all(|host| host.report.unknown.is_empty())
        && services.iter().flat_map(|service| &service.nodes).all(|node| node.active.is_some());
    let exit = if is_known { Exit::Done } else { Exit::Failed };
    match (wanted, &hosts[..]) {
        (Some(_), _) if !services.is_empty() => {
            let service = &services[0];
            if as_json {
                json::print(link.is_demo().await?, &ShownService { service, hosts: &hosts })?;
            } else {
                out::print(&show_service(service, &hosts))?;
            }
        }
        (Some(_), [host]) if as_json => {
            let snapshot = link.snapshot().await?;
            let disks = host.report.disks.iter().flatten();
            let array_volumes = disks.map(|disk| array_volumes(disk, &snapshot)).collect();
            json::print(snapshot.site.demo, &Shown { host, array_volumes })?;
        }
        (Some(_), [host]) => {
            out::print(&show(host, &*link.snapshot().await?))?;
        }
        (Some(host), _) => return Err(no_host(host, &configured)),
        (None, _) if as_json => json::print(link.is_demo().await?, &Listed { hosts: &hosts, services: &services })?,
        (None, _) => {
            out::print(&list(&hosts, &services))?;
        }
    }
    Ok(exit)
}

/// Reads the host of a group; of a service the node that says most of it.
pub async fn read(link: &mut Link, place: &GroupPlace) -> Result<HostReport, CliError> {
    match link.ask(Ask::Hosts { host: Some(place.host.clone()) }).await? {
        Answer::Hosts { hosts, configured, .. } => {
            let reports: Vec<&HostReport> = hosts.iter().map(|host| &host.report).collect();
            let found = reading_of(&place.group, &reports).map(|at| reports[at].clone());
            found.ok_or_else(|| no_host(place.host.as_str(), &configured))
        }
        other => Err(unexpected(&other)),
    }
}

fn no_host(name: &str, configured: &[Name]) -> CliError {
    let known: Vec<&str> = configured.iter().map(Name::as_str).collect();
    let known = if known.is_empty() { "none is configured".to_owned() } else { known.join(", ") };
    CliError::usage(format!("there is no host {}; known are: {known}", Untrusted::from(name).escaped()))
}

/// Whose volume a disk may be. It is never certain by itself: arrays do not report the WWIDs of their volumes here.
fn array_volumes(disk: &HostDisk, snapshot: &Snapshot) -> ArrayVolumes {
    let number = disk.wwid.as_ref().and_then(Wwid::volume_number);
    let registered = snapshot.transaction_volumes.iter().map(|view| (view.volume.id, view.volume.blocks));
    let pool = snapshot.pool.iter().map(|view| (view.volume.id, view.volume.blocks));
    let others = snapshot.unregistered.iter().map(|volume| (volume.id, volume.blocks));
    let all = registered.chain(pool).chain(others);
    let like = all.filter(|(id, blocks)| Some(id.olu.0) == number && Some(*blocks) == disk.blocks());
    let candidates = like.map(|(id, _)| snapshot.label(id)).collect();
    ArrayVolumes { device: disk.device.clone(), number, candidates }
}

fn list(hosts: &[HostView], services: &[ServiceView]) -> String {
    if hosts.is_empty() {
        return "no hosts are configured: docs/hosts.md shows how\n".to_owned();
    }
    let mut table = Table::new(&[
        ("host", Align::Left),
        ("where", Align::Left),
        ("disks", Align::Right),
        ("groups", Align::Right),
        ("mounts", Align::Right),
    ]);
    let count = |count: Option<usize>| count.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
    for host in hosts {
        table.row([
            host.name.to_string(),
            host.place.clone(),
            count(host.report.disks.as_ref().map(Vec::len)),
            count(host.report.groups.as_ref().map(Vec::len)),
            count(host.report.mounts.as_ref().map(Vec::len)),
        ]);
    }
    for service in services {
        let nodes: Vec<&str> = service.nodes.iter().map(|node| node.name.as_str()).collect();
        let place = format!("service of {}", nodes.join(", "));
        table.row([service.name.to_string(), place, "-".to_owned(), "-".to_owned(), "-".to_owned()]);
    }
    let rest = hosts.iter().map(unknown).chain(services.iter().map(active_groups));
    table.render() + &rest.collect::<String>()
}

/// Where the groups of a service are active, a line a node that has some or is not known.
fn active_groups(service: &ServiceView) -> String {
    let line = |node: &ServiceNode| match (&node.active, &node.why) {
        (Some(groups), _) if groups.is_empty() => String::new(),
        (Some(groups), _) => {
            let groups: Vec<String> = groups.iter().map(Untrusted::escaped).collect();
            format!("{}: active on {}: {}\n", service.name, node.name, groups.join(", "))
        }
        (None, why) => {
            let why = why.as_ref().map_or_else(|| "no report".to_owned(), Untrusted::escaped);
            format!("! {}: what is active on {} is unknown: {why}\n", service.name, node.name)
        }
    };
    let lines: String = service.nodes.iter().map(line).collect();
    if lines.is_empty() { format!("{}: no group is active on a node\n", service.name) } else { lines }
}

fn show_service(service: &ServiceView, hosts: &[HostView]) -> String {
    let mut text = format!("{} (service)\n", service.name) + &active_groups(service);
    for host in hosts {
        text.push_str(&format_args!("\n{} ({})\n", host.name, host.place).to_string());
        text += &groups_text(host);
        text += &unknown(host);
    }
    text
}

/// What could not be read, a line each.
fn unknown(host: &HostView) -> String {
    let lines = host
        .report
        .unknown
        .iter()
        .map(|unknown| format!("! {}: {} unknown: {}\n", host.name, unknown.what.word(), unknown.why.escaped()));
    lines.collect()
}

fn show(host: &HostView, snapshot: &Snapshot) -> String {
    let mut text = format!("{} ({})\n", host.name, host.place);
    text += "\ndisks\n";
    text += &match &host.report.disks {
        Some(disks) => disk_table(disks, snapshot),
        None => "unknown\n".to_owned(),
    };
    text += "\nvolume groups\n";
    text += &groups_text(host);
    text.extend(host.report.duplicates.iter().flatten().map(|twice| {
        let (device, group) = (twice.device.escaped(), twice.group.escaped());
        format!("! {device} is a copy of a physical volume of {group}: LVM does not use it\n")
    }));
    text + &unknown(host)
}

fn groups_text(host: &HostView) -> String {
    match &host.report.groups {
        Some(groups) if groups.is_empty() => "none\n".to_owned(),
        Some(groups) => groups.iter().map(|group| group_text(group, host)).collect(),
        None => "unknown\n".to_owned(),
    }
}

fn disk_table(disks: &[HostDisk], snapshot: &Snapshot) -> String {
    let mut table = Table::new(&[
        ("device", Align::Left),
        ("size", Align::Right),
        ("WWID", Align::Left),
        ("serial", Align::Left),
        ("paths", Align::Right),
        ("array volume", Align::Left),
    ]);
    for disk in disks {
        let found = array_volumes(disk, snapshot);
        let perhaps = match (found.number, &found.candidates[..]) {
            (_, [one]) => format!("perhaps {one}"),
            (_, [_, ..]) => format!("one of {}", found.candidates.join(", ")),
            (Some(number), []) => format!("unknown, number 0x{number:X}"),
            (None, []) => "unknown".to_owned(),
        };
        let size = disk.blocks().map_or_else(|| format!("{} B", disk.bytes), |blocks: Blocks| blocks.to_string());
        table.row([
            disk.device.escaped(),
            size,
            disk.wwid.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string),
            disk.serial.as_ref().map_or_else(|| "-".to_owned(), Untrusted::escaped),
            disk.paths.len().to_string(),
            perhaps,
        ]);
    }
    if table.is_empty() { "none\n".to_owned() } else { table.render() }
}

fn group_text(group: &VolumeGroup, host: &HostView) -> String {
    let mut disks: Vec<String> = Vec::new();
    for physical in &group.physical_volumes {
        let here = match &physical.disks {
            _ if physical.missing => vec!["a missing disk".to_owned()],
            Some(on) => on.iter().map(Untrusted::escaped).collect(),
            None => vec![format!("{} (its disk is unknown)", physical.device.escaped())],
        };
        disks.extend(here);
    }
    disks.sort();
    disks.dedup();
    let mut states = vec![group.activation().map_or("no logical volumes", Activation::word)];
    states.extend(group.exported.then_some("exported"));
    states.extend(group.partial.then_some("partial"));
    let mut text = format!("{}:{}  {}  on {}\n", host.name, group.name.escaped(), states.join(", "), disks.join(", "));
    let mut table = Table::new(&[
        ("  logical volume", Align::Left),
        ("size", Align::Right),
        ("state", Align::Left),
        ("mounted on", Align::Left),
    ]);
    for logical in &group.logical_volumes {
        let size = Blocks::from_bytes(logical.bytes);
        table.row([
            format!("  {}", logical.name.escaped()),
            size.map_or_else(|| format!("{} B", logical.bytes), |blocks| blocks.to_string()),
            logical.activation.word().to_owned(),
            mounted(logical),
        ]);
    }
    text += &if table.is_empty() { String::new() } else { table.render() };
    text
}

fn mounted(logical: &LogicalVolume) -> String {
    match &logical.mounts {
        None => "unknown".to_owned(),
        Some(targets) if targets.is_empty() => "-".to_owned(),
        Some(targets) => targets.iter().map(Untrusted::escaped).collect::<Vec<_>>().join(", "),
    }
}
