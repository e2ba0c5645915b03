//! `ecdeck array`: the arrays of the site, and the administration of the embedded ones.
//!
//! Belongs here: the verbs as they are typed and what is printed for them. Does not: what an array does (driver).

pub mod add;
mod administration;
mod faults;
mod list;
mod maintenance;
mod settings;
mod volumes;

use super::array_arguments::ArrayVerb;
use super::link::{Need, SiteContext};
use super::{CliError, Exit, checks, json, out, times};
use crate::driver::emulated::admin::{Admin, AdminError, Administration, FailureKind};
use crate::model::check::{Check, Verdict, Way};
use serde::Serialize;

/// Runs a verb.
pub async fn run(verb: &ArrayVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    match verb {
        ArrayVerb::Add(asked) => return site_context.add_array(asked).await,
        ArrayVerb::Doctor { array, json } => return doctor(array, *json, site_context).await,
        ArrayVerb::Maintenance { array, verb } => return maintenance::run(array, verb, site_context).await,
        ArrayVerb::Serve { detached } => site_context.serve_arrays(*detached).await?,
        ArrayVerb::List { json } => return list::run(*json, site_context).await,
        ArrayVerb::Volumes { array, json } => volumes::run(array.as_deref(), *json, site_context).await?,
        ArrayVerb::Fingerprint { volume, json } => volumes::fingerprint(volume, *json, site_context).await?,
        ArrayVerb::Start => administration::start(site_context).await?,
        ArrayVerb::Stop => administration::stop(site_context).await?,
        ArrayVerb::Create(asked) => administration::create(asked, site_context).await?,
        ArrayVerb::Accept { volume } => {
            tell(site_context, array_in(volume), Administration::Accept { volume: volume.clone() }).await?;
        }
        ArrayVerb::Import { volume, file } => administration::import(volume, file, site_context).await?,
        ArrayVerb::Write(asked) => tell(site_context, array_in(&asked.volume), administration::write(asked)).await?,
        ArrayVerb::Workload(asked) => {
            tell(site_context, array_in(&asked.volume), administration::workload(asked)).await?;
        }
        ArrayVerb::Export { volume, socket, .. } => {
            let socket = socket.as_ref().map(std::path::absolute).transpose();
            let socket = socket.map_err(|error| CliError::usage(error.to_string()))?;
            let what = Administration::Export { volume: volume.clone(), socket };
            tell(site_context, array_in(volume), what).await?;
        }
        ArrayVerb::Rate { rate, of } => {
            let pair = of.as_ref().map(|of| (of[0].clone(), of[1].clone()));
            match pair {
                Some(pair) => {
                    let array = array_in(&pair.0).to_owned();
                    let what = Administration::Rate { bytes_per_second: rate.0, pair: Some(pair) };
                    tell(site_context, &array, what).await?;
                }
                None => {
                    for home in site_context.array_homes(Need::Changing)? {
                        let what = Administration::Rate { bytes_per_second: rate.0, pair: None };
                        Admin::new(home, true).tell(what).await.map_err(|error| told(&error))?;
                    }
                }
            }
        }
        ArrayVerb::Fault { array, json, fault: None } => faults::list(array.as_deref(), *json, site_context).await?,
        ArrayVerb::Fault { array, fault: Some(fault), .. } => {
            let unnamed =
                || CliError::usage("name the array before the fault: `ecdeck array fault ARRAY busy`".to_owned());
            faults::inject(array.as_deref().ok_or_else(unnamed)?, fault, site_context).await?;
        }
        ArrayVerb::Rules { array, rules } => {
            tell(site_context, array, Administration::Rules { array: array.clone(), rules: (*rules).into() }).await?;
        }
        ArrayVerb::Set(set) => settings::run(set, site_context).await?,
        ArrayVerb::Delete { volume, force } => {
            let what = Administration::Delete { volume: volume.clone(), force: *force };
            tell(site_context, array_in(volume), what).await?;
        }
        ArrayVerb::Buffer { from, to, state } => {
            let what = Administration::Buffer { from: from.clone(), to: to.clone(), buffer: (*state).into() };
            tell(site_context, from, what).await?;
        }
        ArrayVerb::Expand { volume, size } => {
            let what = Administration::Expand { volume: volume.clone(), blocks: *size };
            tell(site_context, array_in(volume), what).await?;
        }
        ArrayVerb::Format { volume } => {
            tell(site_context, array_in(volume), Administration::Format { volume: volume.clone() }).await?;
        }
        ArrayVerb::Protect { volume, off } => {
            let what = Administration::Protect { volume: volume.clone(), protected: !off };
            tell(site_context, array_in(volume), what).await?;
        }
        ArrayVerb::Path { one, other, state } => {
            let state = (*state).into();
            tell(site_context, one, Administration::Path { one: one.clone(), other: other.clone(), state }).await?;
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
async fn doctor(array: &str, as_json: bool, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let known = in_maintenance(array, site_context).await;
    let mut found = match (site_context.examine_array(array).await, &known) {
        // An embedded array has nothing to examine, and may be in maintenance all the same.
        (Err(error), Some(_)) => {
            out::say(&error.text);
            Vec::new()
        }
        (found, _) => found?,
    };
    found.extend(known);
    if as_json {
        json::print(site_context.is_demo(), &DoctorDocument { array, checks: &found })?;
    } else {
        out::print(&checks::text(array, &found))?;
    }
    let bad = found.iter().any(|check| check.verdict == Verdict::Bad);
    Ok(if bad { Exit::NotReachable } else { Exit::Done })
}

/// Only an engine that runs knows: nobody starts one to ask it.
async fn in_maintenance(array: &str, site_context: &dyn SiteContext) -> Option<Check> {
    site_context.engine_pid()?;
    let snapshot = site_context.open(Need::Reading).await.ok()?.snapshot().await.ok()?;
    let known = snapshot.maintenance.iter().find(|known| known.array.as_str() == array)?;
    let until = times::minute(known.until);
    let told = if known.is_in_force(snapshot.taken_at) {
        format!("{}, until {until}: no start, resume or backup runs there", known.in_words())
    } else {
        format!("{}, is past its time ({until}) and was not ended", known.in_words())
    };
    let remedy = Some(format!("`ecdeck array maintenance {array} end` ends it and resumes what was live"));
    let verdict = Verdict::Attention;
    Some(Check { way: Way::First, what: "maintenance", verdict, told, remedy, paste: Vec::new() })
}

/// The embedded arrays that have an array, or shall have it.
fn changing(site_context: &dyn SiteContext, array: &str) -> Result<Admin, CliError> {
    Ok(Admin::new(site_context.arrays_home(Need::Changing, Some(array))?, true))
}

/// The array of `ARRAY/0xOLU`.
fn array_in(volume: &str) -> &str {
    volume.rsplit_once('/').map_or(volume, |(array, _)| array)
}

async fn tell(site_context: &dyn SiteContext, array: &str, what: Administration) -> Result<(), CliError> {
    changing(site_context, array)?.tell(what).await.map_err(|error| told(&error))
}

fn told(error: &AdminError) -> CliError {
    match error {
        AdminError::Failed(failure) => match failure.kind {
            FailureKind::NotFound | FailureKind::Refused => CliError::usage(failure.text.clone()),
            FailureKind::Unreachable => CliError::not_reachable(failure.text.clone()),
            FailureKind::Internal => CliError::failed(failure.text.clone()),
        },
        error if error.was_sent() => CliError::new(Exit::OutcomeUnknown, error.to_string()),
        error => CliError::not_reachable(error.to_string()),
    }
}
