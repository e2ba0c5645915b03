//! `ecdeck array fault`: what goes wrong with the embedded arrays, injected and listed.

use super::Trouble;
use super::array::{changing, overview, tell, told};
use super::array_arguments::FaultVerb;
use super::json;
use super::link::House;
use crate::driver::emulated::admin::{Administration, Fault, FaultEntry, SessionFault};
use crate::model::identity::VolumeId;
use crate::model::units::Blocks;
use crate::model::untrusted::Untrusted;
use serde::Serialize;

#[derive(Serialize)]
struct FaultsDocument {
    faults: Vec<FaultEntry>,
}

/// The faults that have not ended, of one array or of all.
pub async fn list(array: Option<&str>, as_json: bool, house: &dyn House) -> Result<(), Trouble> {
    let found = overview(house).await?;
    if let Some(array) = array.filter(|array| found.arrays.iter().all(|known| known.name.as_str() != *array)) {
        return Err(Trouble::usage(format!("there is no embedded array named {array}")));
    }
    let mut faults = found.faults;
    faults.retain(|fault| array.is_none_or(|array| fault.array.as_str() == array));
    if as_json {
        return json::print(house.is_demo(), &FaultsDocument { faults });
    }
    if faults.is_empty() {
        println!("Nothing is wrong.");
    }
    for fault in &faults {
        println!("{}", sentence(fault));
    }
    for array in found.arrays.iter().filter(|array| faults.iter().any(|fault| fault.array == array.name)) {
        println!("`ecdeck array fault {} clear` ends them.", array.name);
    }
    Ok(())
}

/// A fault as people read it.
pub fn sentence(entry: &FaultEntry) -> String {
    let array = &entry.array;
    let next =
        |times: u32| if times == 1 { "the next command".to_owned() } else { format!("the next {times} commands") };
    let what = match &entry.fault {
        Fault::Busy { times } => format!("\"busy\" is the answer to {}", next(*times)),
        Fault::LostRequest { times } => format!("{} will not arrive", next(*times)),
        Fault::LostReply { times } => format!("{} will be done, and the answer lost", next(*times)),
        Fault::LateReply { times, millis } => format!("{} will be answered {millis} ms late", next(*times)),
        Fault::BadBlock { volume, block } => format!(
            "block {block} of {} cannot be read; `ecdeck array write {array}/{} --offset {} --length 512` overwrites it",
            volume.olu,
            volume.olu,
            block * Blocks::BYTES
        ),
        Fault::StrangeWord { pair, word } => {
            let word = Untrusted::from(word.as_str()).escaped();
            format!("the copy of {} to {} is reported as {word:?}", pair.source, pair.target)
        }
        Fault::Unreachable => "it does not answer".to_owned(),
        Fault::CopyTableFull => "its copy table has no room for another copy".to_owned(),
        Fault::Slow { millis } => format!("every call takes {millis} ms longer"),
        // These are done at once and are no longer faults of the box.
        Fault::ErrorSuspend { pair, .. } | Fault::HalfOpen { pair, .. } => {
            format!("the copy of {} to {} was changed", pair.source, pair.target)
        }
        Fault::Clear => "nothing is wrong".to_owned(),
    };
    format!("{array}: {what}")
}

pub async fn inject(array: &str, fault: &FaultVerb, house: &dyn House) -> Result<(), Trouble> {
    let session = |source: &str, target: &str, fault| Administration::SessionFault {
        source: within(array, source),
        target: within(array, target),
        fault,
    };
    let what = match fault {
        FaultVerb::ErrorSuspend { source, target, code } => {
            session(source, target, SessionFault::ErrorSuspend { byte: *code })
        }
        FaultVerb::HalfOpen { source, target, missing } => {
            session(source, target, SessionFault::HalfOpen { missing: (*missing).into() })
        }
        FaultVerb::StrangeWord { source, target, word } => {
            session(source, target, SessionFault::StrangeWord { word: word.clone() })
        }
        FaultVerb::BadBlock { volume, block } => {
            let known = changing(house)?.list().await.map_err(|error| told(&error))?;
            let found = known.arrays.iter().find(|entry| entry.name.as_str() == array);
            let box_id =
                found.ok_or_else(|| Trouble::usage(format!("there is no embedded array named {array}")))?.box_id;
            let volume = VolumeId { box_id, olu: *volume };
            Administration::Fault { array: array.to_owned(), fault: Fault::BadBlock { volume, block: *block } }
        }
        plain => Administration::Fault { array: array.to_owned(), fault: of_box(plain) },
    };
    tell(house, what).await
}

/// `0x21` is a volume of the array that was named.
fn within(array: &str, volume: &str) -> String {
    if volume.contains('/') { volume.to_owned() } else { format!("{array}/{volume}") }
}

fn of_box(fault: &FaultVerb) -> Fault {
    match *fault {
        FaultVerb::Busy { times } => Fault::Busy { times },
        FaultVerb::LostRequest { times } => Fault::LostRequest { times },
        FaultVerb::LostReply { times } => Fault::LostReply { times },
        FaultVerb::LateReply { times, millis } => Fault::LateReply { times, millis },
        FaultVerb::Unreachable => Fault::Unreachable,
        FaultVerb::CopyTableFull => Fault::CopyTableFull,
        FaultVerb::Slow { millis } => Fault::Slow { millis },
        FaultVerb::ErrorSuspend { .. }
        | FaultVerb::BadBlock { .. }
        | FaultVerb::HalfOpen { .. }
        | FaultVerb::StrangeWord { .. }
        | FaultVerb::Clear => Fault::Clear,
    }
}
