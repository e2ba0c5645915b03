//! `ecdeck array`: the arrays of the site, and the administration of the embedded ones.
//!
//! Belongs here: the verbs as they are typed and what is printed for them. Does not: what an array does (driver).

mod administration;
mod faults;
mod list;
mod volumes;

use super::array_arguments::{ArrayVerb, PathState};
use super::link::{House, Need};
use super::{Exit, Trouble, checks, json, out};
use crate::driver::emulated::admin::{Admin, AdminError, Administration, FailureKind};
use crate::model::check::{Check, Verdict};
use serde::Serialize;

/// Runs a verb.
pub async fn run(verb: &ArrayVerb, house: &dyn House) -> Result<Exit, Trouble> {
    match verb {
        ArrayVerb::Add(asked) => return house.add_array(asked).await,
        ArrayVerb::Doctor { array, json } => return doctor(array, *json, house).await,
        ArrayVerb::Serve { detached } => house.serve_arrays(*detached).await?,
        ArrayVerb::List { json } => list::run(*json, house).await?,
        ArrayVerb::Volumes { array, json } => volumes::run(array.as_deref(), *json, house).await?,
        ArrayVerb::Fingerprint { volume, json } => volumes::fingerprint(volume, *json, house).await?,
        ArrayVerb::Start => administration::start(house).await?,
        ArrayVerb::Stop => administration::stop(house).await?,
        ArrayVerb::Create(asked) => administration::create(asked, house).await?,
        ArrayVerb::Accept { volume } => {
            tell(house, array_in(volume), Administration::Accept { volume: volume.clone() }).await?;
        }
        ArrayVerb::Import { volume, file } => administration::import(volume, file, house).await?,
        ArrayVerb::Write(asked) => tell(house, array_in(&asked.volume), administration::write(asked)).await?,
        ArrayVerb::Workload(asked) => tell(house, array_in(&asked.volume), administration::workload(asked)).await?,
        ArrayVerb::Rate { rate, of } => {
            let pair = of.as_ref().map(|of| (of[0].clone(), of[1].clone()));
            match pair {
                Some(pair) => {
                    let array = array_in(&pair.0).to_owned();
                    let what = Administration::Rate { bytes_per_second: rate.0, pair: Some(pair) };
                    tell(house, &array, what).await?;
                }
                None => {
                    for home in house.array_homes(Need::Changing)? {
                        let what = Administration::Rate { bytes_per_second: rate.0, pair: None };
                        Admin::new(home, true).tell(what).await.map_err(|error| told(&error))?;
                    }
                }
            }
        }
        ArrayVerb::Fault { array, json, fault: None } => faults::list(array.as_deref(), *json, house).await?,
        ArrayVerb::Fault { array, fault: Some(fault), .. } => {
            let unnamed =
                || Trouble::usage("name the array before the fault: `ecdeck array fault ARRAY busy`".to_owned());
            faults::inject(array.as_deref().ok_or_else(unnamed)?, fault, house).await?;
        }
        ArrayVerb::Rules { array, rules } => {
            tell(house, array, Administration::Rules { array: array.clone(), rules: (*rules).into() }).await?;
        }
        ArrayVerb::Path { one, other, state } => {
            let up = *state == PathState::Up;
            tell(house, one, Administration::Path { one: one.clone(), other: other.clone(), up }).await?;
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
        out::print(&checks::text(array, &found))?;
    }
    let bad = found.iter().any(|check| check.verdict == Verdict::Bad);
    Ok(if bad { Exit::NotReachable } else { Exit::Done })
}

/// The embedded arrays that have an array, or shall have it.
fn changing(house: &dyn House, array: &str) -> Result<Admin, Trouble> {
    Ok(Admin::new(house.arrays_home(Need::Changing, Some(array))?, true))
}

/// The array of `ARRAY/0xOLU`.
fn array_in(volume: &str) -> &str {
    volume.rsplit_once('/').map_or(volume, |(array, _)| array)
}

async fn tell(house: &dyn House, array: &str, what: Administration) -> Result<(), Trouble> {
    changing(house, array)?.tell(what).await.map_err(|error| told(&error))
}

fn told(error: &AdminError) -> Trouble {
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
