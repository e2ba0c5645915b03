//! `ecdeck array fault`: what can be made to go wrong, as the array is told.

use super::super::Trouble;
use super::super::array_arguments::{BoxFault, FaultVerb, PairFault};
use super::super::link::House;
use super::{changing, tell, told};
use crate::driver::emulated::admin::{Administration, Fault, SessionFault};
use crate::model::identity::VolumeId;

pub async fn inject(array: &str, fault: &FaultVerb, house: &dyn House) -> Result<(), Trouble> {
    let what = match fault {
        FaultVerb::OfBox(fault) => Administration::Fault { array: array.to_owned(), fault: of_box(fault) },
        FaultVerb::OfPair(fault) => of_pair(array, fault),
        FaultVerb::BadBlock { volume, block } => {
            let known = changing(house)?.list().await.map_err(|error| told(&error))?;
            let found = known.arrays.iter().find(|entry| entry.name.as_str() == array);
            let missing =
                || Trouble::usage(format!("there is no embedded array named {array}: `ecdeck array list` shows them"));
            let volume = VolumeId { box_id: found.ok_or_else(missing)?.box_id, olu: *volume };
            Administration::Fault { array: array.to_owned(), fault: Fault::BadBlock { volume, block: *block } }
        }
    };
    tell(house, what).await
}

fn of_box(fault: &BoxFault) -> Fault {
    match *fault {
        BoxFault::Busy { times } => Fault::Busy { times },
        BoxFault::LostRequest { times } => Fault::LostRequest { times },
        BoxFault::LostReply { times } => Fault::LostReply { times },
        BoxFault::LateReply { times, millis } => Fault::LateReply { times, millis },
        BoxFault::Unreachable => Fault::Unreachable,
        BoxFault::CopyTableFull => Fault::CopyTableFull,
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
            Some(Verb::Array { verb: ArrayVerb::Fault { fault, .. } }) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_goes_wrong_with_a_pair_is_told_of_the_pair_and_clears_nothing() {
        for (words, expected) in [
            ("error-suspend 0x1 A2/0x9", SessionFault::ErrorSuspend { byte: 0xBA }),
            ("half-open 0x1 A2/0x9 --missing target", SessionFault::HalfOpen { missing: Side::Target }),
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
