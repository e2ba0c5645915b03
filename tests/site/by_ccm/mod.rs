//! The same tests of whole sites with CCM's commands between the engine and the arrays: real processes all the way, the
//! emulation's commands in the place of CCM's. `lab` is what differs.

#![allow(clippy::duplicate_mod, reason = "the same tests, told apart by the module's name")]

use crate::test_site;

#[path = "../array_answers.rs"]
mod array_answers;
#[path = "../array_lab.rs"]
mod array_lab;
#[path = "../array_settings.rs"]
mod array_settings;
#[path = "../cascades.rs"]
mod cascades;
#[path = "../crashes.rs"]
mod crashes;
#[path = "../end_to_end_backup.rs"]
mod end_to_end_backup;
#[path = "../races.rs"]
mod races;
#[path = "../refusals.rs"]
mod refusals;
#[path = "../restores.rs"]
mod restores;

#[test]
fn the_commands_in_between_are_those_of_ccm() {
    let lab = array_lab::Lab::of(1, 1, 1);
    let plan = lab.run("sync start t1 --dry-run").ends(0);
    assert!(plan.out.contains("$ acec start -g ecdeckECA1 -p A1/0x1:A1/0x21 -xml"), "{plan:?}");
}

#[test]
fn backups_go_round_by_kind_commands_too() {
    let lab = array_lab::Lab::with_profile("--profile default");
    lab.transaction("t1", "A1", 1, 1);
    lab.backups("A1", 0x21..0x23, 1);
    lab.policy("t1", 1, "suspend");
    for step in ["start-full", "start-full", "resume"] {
        assert_eq!(lab.synchronize("t1"), step);
        lab.back_up("t1");
    }
    assert_eq!(lab.kept("t1").len(), 1);
}
