//! The command lines of CCM that this driver sends: argument vectors, never text for a shell.
//!
//! Documented: `start`, `query` and their options; `-g` of `suspend`, `resume`, `reverse` and `cancel`; `acgroup create`, `acpair add`,
//! `acarray`, `acinq lv`, `accopy query`, `acopc`. Inferred from their sisters, because the pages were not to be had: `-p` of
//! `suspend`, `reverse`, `change` and `cancel`; `-force` of `acec suspend` and `acec cancel`; the mode options of `acec change`;
//! `acpair remove`'s arguments; `acgroup delete`. CCM answers an option it does not know with ccm1001 and does nothing, so a wrong inference is
//! a refusal and never a deed. Whether one command takes several `-p` is on no public page either: each command has one pair.

use super::names::{ArrayName, GroupName, GroupType, PairName};
use crate::driver::transport::argv::{Argv, Word};
use crate::model::session::{Automation, RecModes, TransferMode};

/// Words that come from this file and from names that are checked already.
fn line(words: &[&str]) -> Argv {
    let checked = words.iter().filter_map(|word| word.parse().ok()).collect::<Vec<Word>>();
    debug_assert_eq!(checked.len(), words.len(), "every word of {words:?} fits");
    Argv::of_tools(checked)
}

/// The program that runs copies of a group type.
fn program(group: GroupType) -> &'static str {
    match group {
        GroupType::Ec | GroupType::Rec => "acec",
        GroupType::Opc => "acopc",
    }
}

pub fn list_arrays() -> Argv {
    line(&["acarray", "list", "-xml"])
}

/// The other programs, without anything to do: each says that an argument is missing, and how it is used.
pub fn usages() -> impl Iterator<Item = Argv> {
    ["acinq", "accopy", "acgroup", "acpair", "acec", "acopc"].into_iter().map(|program| line(&[program, "-xml"]))
}

pub fn array_detail(array: &ArrayName) -> Argv {
    line(&["acarray", "detail", "-a", array.as_str(), "-xml"])
}

pub fn list_volumes(array: &ArrayName) -> Argv {
    line(&["acinq", "lv", "-a", array.as_str(), "-l", "-xml"])
}

/// Every session of a box, ours and others'.
pub fn list_copies(array: &ArrayName) -> Argv {
    line(&["accopy", "query", "-a", array.as_str(), "-type", "all", "-xml"])
}

pub fn create_group(name: &GroupName, group: GroupType, source: &ArrayName, target: &ArrayName) -> Argv {
    let mut words = vec!["acgroup", "create", "-g", name.as_str(), "-type", group.word(), "-a", source.as_str()];
    if source != target {
        words.extend(["-a", target.as_str()]);
    }
    words.push("-xml");
    line(&words)
}

pub fn delete_group(name: &GroupName) -> Argv {
    line(&["acgroup", "delete", "-g", name.as_str(), "-xml"])
}

pub fn add_pair(group: &GroupName, pair: &PairName) -> Argv {
    line(&["acpair", "add", "-g", group.as_str(), "-p", &pair.to_string(), "-xml"])
}

pub fn remove_pair(group: &GroupName, pair: &PairName) -> Argv {
    line(&["acpair", "remove", "-g", group.as_str(), "-p", &pair.to_string(), "-xml"])
}

/// All pairs of a group, in one command.
pub fn query(group: &GroupName, kind: GroupType) -> Argv {
    line(&[program(kind), "query", "-g", group.as_str(), "-xml"])
}

/// Starts a pair. A pair is always named: the whole group would be all our pairs of the array.
pub fn start(group: &GroupName, kind: GroupType, pair: &PairName, modes: Option<&RecModes>) -> Argv {
    with_modes(&[program(kind), "start", "-g", group.as_str(), "-p", &pair.to_string()], modes)
}

/// Goes on with a suspended pair: the session operation that Express 15.0's table A.1 names `acec resume`.
pub fn resume(group: &GroupName, pair: &PairName) -> Argv {
    line(&["acec", "resume", "-g", group.as_str(), "-p", &pair.to_string(), "-xml"])
}

pub fn suspend(group: &GroupName, pair: &PairName, force: bool) -> Argv {
    with_force(&["acec", "suspend", "-g", group.as_str(), "-p", &pair.to_string()], force)
}

pub fn cancel(group: &GroupName, kind: GroupType, pair: &PairName, force: bool) -> Argv {
    with_force(&[program(kind), "cancel", "-g", group.as_str(), "-p", &pair.to_string()], force)
}

pub fn reverse(group: &GroupName, pair: &PairName) -> Argv {
    line(&["acec", "reverse", "-g", group.as_str(), "-p", &pair.to_string(), "-xml"])
}

pub fn change(group: &GroupName, pair: &PairName, modes: &RecModes) -> Argv {
    with_modes(&["acec", "change", "-g", group.as_str(), "-p", &pair.to_string()], Some(modes))
}

/// Seconds since 1970 by the server's clock. Not CCM's, but every UNIX server has it.
pub fn clock() -> Argv {
    line(&["date", "-u", "+%s"]).of_system()
}

fn with_force(words: &[&str], force: bool) -> Argv {
    let mut words = words.to_vec();
    if force {
        words.push("-force");
    }
    words.push("-xml");
    line(&words)
}

fn with_modes(words: &[&str], modes: Option<&RecModes>) -> Argv {
    let automation = |automation| match automation {
        Automation::Automatic => "auto",
        Automation::Manual => "manual",
    };
    let mut words = words.to_vec();
    if let Some(modes) = modes {
        words.push("-transfer");
        match modes.transfer {
            TransferMode::Synchronous => words.extend(["sync", "-split", automation(modes.split)]),
            TransferMode::Stack => words.push("stack"),
            TransferMode::Consistency => words.push("consist"),
            TransferMode::Through => words.push("through"),
        }
        words.extend(["-recovery", automation(modes.recovery)]);
    }
    words.push("-xml");
    line(&words)
}

#[cfg(test)]
mod tests {
    use super::super::names::VolumeName;
    use super::*;
    use crate::model::identity::Olu;

    fn pair(source: &str, target: &str) -> PairName {
        let volume = |name: &str, olu| VolumeName { array: name.parse().unwrap(), olu: Olu(olu) };
        PairName { source: volume(source, 0x11), target: volume(target, 0x21) }
    }

    #[test]
    fn every_command_is_what_the_manual_says() {
        let (kyoto, nara): (ArrayName, ArrayName) = ("KYOTO1".parse().unwrap(), "NARA2".parse().unwrap());
        let local = GroupName::of(GroupType::Ec, &kyoto, &kyoto);
        let remote = GroupName::of(GroupType::Rec, &kyoto, &nara);
        let (ec, rec) = (pair("KYOTO1", "KYOTO1"), pair("KYOTO1", "NARA2"));
        let modes = |transfer| RecModes { transfer, split: Automation::Manual, recovery: Automation::Automatic };
        for (argv, wanted) in [
            (list_arrays(), "acarray list -xml"),
            (array_detail(&kyoto), "acarray detail -a KYOTO1 -xml"),
            (list_volumes(&kyoto), "acinq lv -a KYOTO1 -l -xml"),
            (list_copies(&kyoto), "accopy query -a KYOTO1 -type all -xml"),
            (
                create_group(&local, GroupType::Ec, &kyoto, &kyoto),
                "acgroup create -g ecdeckECKYOTO1 -type EC -a KYOTO1 -xml",
            ),
            (
                create_group(&remote, GroupType::Rec, &kyoto, &nara),
                "acgroup create -g ecdeckRECKYOTO1toNARA2sync -type REC -a KYOTO1 -a NARA2 -xml",
            ),
            (add_pair(&local, &ec), "acpair add -g ecdeckECKYOTO1 -p KYOTO1/0x11:KYOTO1/0x21 -xml"),
            (query(&local, GroupType::Ec), "acec query -g ecdeckECKYOTO1 -xml"),
            (start(&local, GroupType::Ec, &ec, None), "acec start -g ecdeckECKYOTO1 -p KYOTO1/0x11:KYOTO1/0x21 -xml"),
            (
                start(&remote, GroupType::Rec, &rec, Some(&modes(TransferMode::Synchronous))),
                "acec start -g ecdeckRECKYOTO1toNARA2sync -p KYOTO1/0x11:NARA2/0x21 -transfer sync -split manual -recovery auto -xml",
            ),
            (
                start(&remote, GroupType::Rec, &rec, Some(&modes(TransferMode::Consistency))),
                "acec start -g ecdeckRECKYOTO1toNARA2sync -p KYOTO1/0x11:NARA2/0x21 -transfer consist -recovery auto -xml",
            ),
            (resume(&local, &ec), "acec resume -g ecdeckECKYOTO1 -p KYOTO1/0x11:KYOTO1/0x21 -xml"),
            (suspend(&local, &ec, true), "acec suspend -g ecdeckECKYOTO1 -p KYOTO1/0x11:KYOTO1/0x21 -force -xml"),
            (
                cancel(&local, GroupType::Ec, &ec, false),
                "acec cancel -g ecdeckECKYOTO1 -p KYOTO1/0x11:KYOTO1/0x21 -xml",
            ),
            (
                change(&remote, &rec, &modes(TransferMode::Through)),
                "acec change -g ecdeckRECKYOTO1toNARA2sync -p KYOTO1/0x11:NARA2/0x21 -transfer through -recovery auto -xml",
            ),
        ] {
            assert_eq!(argv.to_string(), wanted);
        }
    }

    #[test]
    fn a_prefix_and_a_folder_come_before_the_program() {
        let prefix = ["sudo".parse().unwrap(), "-n".parse().unwrap()];
        let folder = "/opt/FJSVccm/bin/".parse().unwrap();
        assert_eq!(
            list_arrays().behind(&prefix, Some(&folder)).to_string(),
            "sudo -n /opt/FJSVccm/bin/acarray list -xml"
        );
        assert_eq!(list_arrays().behind(&[], None), list_arrays());
    }

    #[test]
    fn a_word_that_a_shell_would_change_makes_no_command() {
        assert!(Argv::new(["acec", "query", "-g", "x; reboot"]).is_err());
        assert!(Argv::new(["acec", "query", "-g", ""]).is_err());
    }
}
