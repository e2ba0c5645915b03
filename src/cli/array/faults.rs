//! `ecdeck array fault`: what goes wrong with the embedded arrays, injected and listed.

use super::super::array_arguments::{BoxFault, FaultVerb, PairFault};
use super::super::link::SiteContext;
use super::super::{CliError, json, out};
use super::list::embedded;
use super::{changing, tell, told};
use crate::driver::emulated::admin::{Administration, Fault, FaultEntry, SessionFault};
use crate::model::identity::VolumeId;
use crate::model::units::Blocks;
use crate::model::untrusted::Untrusted;
use serde::Serialize;
use std::fmt::Write;

#[derive(Serialize)]
struct Document {
    faults: Vec<FaultEntry>,
}

/// The faults that have not ended, of one array or of all.
pub async fn list(array: Option<&str>, as_json: bool, site_context: &dyn SiteContext) -> Result<(), CliError> {
    let found = embedded(site_context).await?;
    if let Some(array) = array.filter(|array| found.arrays.iter().all(|known| known.entry.name.as_str() != *array)) {
        return Err(no_such(array));
    }
    let mut faults = found.faults;
    faults.retain(|fault| array.is_none_or(|array| fault.array.as_str() == array));
    if as_json {
        return json::print(site_context.is_demo(), &Document { faults });
    }
    if faults.is_empty() {
        return out::print("Nothing is wrong.\n").map(|_| ());
    }
    let mut text: String = faults.iter().map(|fault| sentence(fault) + "\n").collect();
    for array in found.arrays.iter().map(|of| &of.entry) {
        if faults.iter().all(|fault| fault.array != array.name) {
            continue;
        }
        let _ = writeln!(text, "`ecdeck array fault {} clear` ends them.", array.name);
    }
    out::print(&text).map(|_| ())
}

fn no_such(array: &str) -> CliError {
    CliError::usage(format!("there is no embedded array named {array}: `ecdeck array list` shows them"))
}

/// A fault as people read it.
pub fn sentence(entry: &FaultEntry) -> String {
    let array = &entry.array;
    let next =
        |times: u32| if times == 1 { "the next command".to_owned() } else { format!("the next {times} commands") };
    let what = match &entry.fault {
        Fault::Busy { times } => format!("\"busy\" is the answer to {}", next(*times)),
        Fault::Refuse { times, code } => format!("{} is the answer to {}", code.code().row().0, next(*times)),
        Fault::LostRequest { times } => format!("{} will not arrive", next(*times)),
        Fault::LostReply { times } => format!("{} will be done, and the answer lost", next(*times)),
        Fault::LateReply { times, millis } => format!("{} will be answered {millis} ms late", next(*times)),
        Fault::BadBlock { volume, block } => {
            let (olu, offset) = (volume.olu, block * Blocks::BYTES);
            format!(
                "block {block} of {olu} cannot be read; \
                 `ecdeck array write {array}/{olu} --offset {offset} --length 512` overwrites it"
            )
        }
        Fault::StrangeWord { pair, word } => {
            let word = Untrusted::from(word.as_str()).escaped();
            format!("the copy of {} to {} is reported as {word:?}", pair.source, pair.target)
        }
        Fault::Unreachable => "it does not answer".to_owned(),
        Fault::CopyTableFull => "its copy table has no room for another copy".to_owned(),
        Fault::BufferLate { times } => {
            let count = if *times == 1 { "suspend".to_owned() } else { format!("{times} suspends") };
            format!("its transfer buffer is late: the next {count} of remote copies will be refused")
        }
        Fault::Slow { millis } => format!("every call takes {millis} ms longer"),
        // These are done at once and are no longer faults of the box.
        Fault::ErrorSuspend { pair, .. } | Fault::HalfOpen { pair, .. } | Fault::BufferOverrun { pair } => {
            format!("the copy of {} to {} was changed", pair.source, pair.target)
        }
        Fault::Clear => "nothing is wrong".to_owned(),
    };
    format!("{array}: {what}")
}

pub async fn inject(array: &str, fault: &FaultVerb, site_context: &dyn SiteContext) -> Result<(), CliError> {
    let what = match fault {
        FaultVerb::OfBox(fault) => Administration::Fault { array: array.to_owned(), fault: of_box(fault) },
        FaultVerb::OfPair(fault) => of_pair(array, fault),
        FaultVerb::BadBlock { volume, block } => {
            let known = changing(site_context, array)?.list().await.map_err(|error| told(&error))?;
            let found = known.arrays.iter().find(|entry| entry.name.as_str() == array);
            let volume = VolumeId { box_id: found.ok_or_else(|| no_such(array))?.box_id, olu: *volume };
            Administration::Fault { array: array.to_owned(), fault: Fault::BadBlock { volume, block: *block } }
        }
    };
    tell(site_context, array, what).await
}

fn of_box(fault: &BoxFault) -> Fault {
    match *fault {
        BoxFault::Busy { times } => Fault::Busy { times },
        BoxFault::Refuse { times, code } => Fault::Refuse { times, code },
        BoxFault::LostRequest { times } => Fault::LostRequest { times },
        BoxFault::LostReply { times } => Fault::LostReply { times },
        BoxFault::LateReply { times, millis } => Fault::LateReply { times, millis },
        BoxFault::Unreachable => Fault::Unreachable,
        BoxFault::CopyTableFull => Fault::CopyTableFull,
        BoxFault::BufferLate { times } => Fault::BufferLate { times },
        BoxFault::Slow { millis } => Fault::Slow { millis },
        BoxFault::Clear => Fault::Clear,
    }
}

fn of_pair(array: &str, fault: &PairFault) -> Administration {
    let (source, target, fault) = match fault {
        PairFault::ErrorSuspend { source, target, code } => {
            (source, target, SessionFault::ErrorSuspend { byte: *code })
        }
        PairFault::HalfOpen { source, target, missing } => {
            (source, target, SessionFault::HalfOpen { missing: (*missing).into() })
        }
        PairFault::BufferOverrun { source, target } => (source, target, SessionFault::BufferOverrun),
        PairFault::StrangeWord { source, target, word } => {
            (source, target, SessionFault::StrangeWord { word: word.clone() })
        }
    };
    Administration::SessionFault { source: within(array, source), target: within(array, target), fault }
}

/// `0x21` is a volume of the array that was named.
fn within(array: &str, volume: &str) -> String {
    if volume.contains('/') { volume.to_owned() } else { format!("{array}/{volume}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::array_arguments::ArrayVerb;
    use crate::cli::{CommandLine, Verb};
    use crate::driver::emulated::admin::Side;
    use clap::Parser;

    fn typed(words: &str) -> FaultVerb {
        let words = ["ecdeck", "array", "fault", "A1"].into_iter().chain(words.split_whitespace());
        match CommandLine::try_parse_from(words).unwrap().verb {
            Some(Verb::Array { verb: ArrayVerb::Fault { fault: Some(fault), .. } }) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_goes_wrong_with_a_pair_is_told_of_the_pair_and_clears_nothing() {
        for (words, expected) in [
            ("error-suspend 0x1 A2/0x9", SessionFault::ErrorSuspend { byte: 0xBA }),
            ("half-open 0x1 A2/0x9 --missing target", SessionFault::HalfOpen { missing: Side::Target }),
            ("buffer-overrun 0x1 A2/0x9", SessionFault::BufferOverrun),
            ("strange-word 0x1 A2/0x9 Resting", SessionFault::StrangeWord { word: "Resting".into() }),
        ] {
            let FaultVerb::OfPair(fault) = typed(words) else { panic!("{words}") };
            let Administration::SessionFault { source, target, fault } = of_pair("A1", &fault) else {
                panic!("{words}")
            };
            assert_eq!((source.as_str(), target.as_str(), fault), ("A1/0x1", "A2/0x9", expected));
        }
        assert!(matches!(typed("clear"), FaultVerb::OfBox(BoxFault::Clear)));
    }
}
