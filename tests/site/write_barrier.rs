//! What a backup holds: the transaction volume as it was at one instant, while hosts write on; and what a resume copies.

use super::array_lab::Lab;
use ecdeck::driver::emulated::admin::{Admin, Work};
use ecdeck::driver::emulated::workload::Writes;
use std::collections::BTreeSet;

const MIB: u64 = 1 << 20;
const BLOCK: usize = 512;

/// How many of the workload's writes, in their order, make the one state out of the other; `None`: no number does.
fn writes_between(before: &[u8], after: &[u8], work: &Work, most: usize) -> Option<usize> {
    let mut now = before.to_vec();
    let block = |bytes: &[u8], at: usize| bytes[at * BLOCK..(at + 1) * BLOCK].to_vec();
    let mut differing: BTreeSet<usize> =
        (0..now.len() / BLOCK).filter(|at| block(&now, *at) != block(after, *at)).collect();
    for (count, (offset, bytes)) in Writes::new(work, before.len() as u64).enumerate().take(most) {
        if differing.is_empty() {
            return Some(count);
        }
        let offset = usize::try_from(offset).unwrap();
        now[offset..offset + bytes.len()].copy_from_slice(&bytes);
        for at in offset / BLOCK..(offset + bytes.len()).div_ceil(BLOCK) {
            if block(&now, at) == block(after, at) {
                differing.remove(&at);
            } else {
                differing.insert(at);
            }
        }
    }
    differing.is_empty().then_some(most)
}

/// A workload writes into the first half all the time; one write each side of the backup goes into the second half.
fn the_state_of_one_instant(target: &str) {
    const MOST: usize = 100_000;
    let lab = Lab::new();
    lab.transaction("t1", "A1", 1, 4);
    lab.backups(target, 0x21..0x23, 4);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    let before = lab.bytes("A1/0x1");
    lab.run("array workload A1/0x1 --rate 4MiB --seed 42 --to 2MiB").ends(0);
    let work = Work { seed: 42, bytes_per_second: 4 * MIB, start: 0, end: 2 * MIB };
    let mut since = before.clone();
    // The host is at work: the volume changes, and changes again.
    for _ in 0..2 {
        lab.wait_for("the workload writes", |_| lab.bytes("A1/0x1") != since);
        since = lab.bytes("A1/0x1");
    }
    lab.run("array write A1/0x1 --offset 3MiB --text before").ends(0);
    lab.back_up("t1");
    lab.run("array write A1/0x1 --offset 3MiB --text behind").ends(0);
    let at_backup = lab.bytes("A1/0x1");
    lab.wait_for("the workload writes on", |_| lab.bytes("A1/0x1") != at_backup);
    lab.run("array workload A1/0x1 --stop").ends(0);

    let place = lab.kept("t1")[0].1.clone();
    let mut backup = lab.bytes(&place);
    let second_half = usize::try_from(3 * MIB).unwrap();
    assert_eq!(&backup[second_half..second_half + 6], b"before");
    backup[second_half..second_half + 6].fill(0);
    let writes = writes_between(&before, &backup, &work, MOST);
    assert!(writes.is_some_and(|writes| writes > 0), "{place} is no state that the volume ever had: {writes:?}");
    let live = lab.bytes("A1/0x1");
    assert!(live != lab.bytes(&place), "the volume has gone on");
}

#[test]
fn a_backup_under_load_is_the_state_of_one_instant_in_one_box() {
    the_state_of_one_instant("A1");
}

#[test]
fn a_backup_under_load_is_the_state_of_one_instant_on_another_box() {
    the_state_of_one_instant("A2");
}

/// 5 % of a volume changes, scattered: as many regions as differ are copied, and no more.
fn only_what_changed_is_copied(target: &str) {
    const REGION: usize = 64 << 10;
    let lab = Lab::new();
    lab.transaction("t1", "A1", 1, 16);
    lab.backups(target, 0x21..0x22, 16);
    lab.run("array write A1/0x1 --length 16MiB --seed 1").ends(0);
    assert_eq!(lab.synchronize("t1"), "start-full");
    lab.run("sync suspend t1 --yes").ends(0);
    let before = lab.bytes("A1/0x1");
    lab.run("array write A1/0x1 --scatter 12 --seed 5").ends(0);
    let after = lab.bytes("A1/0x1");
    let changed = before.chunks(REGION).zip(after.chunks(REGION)).filter(|(a, b)| a != b).count() as u64;
    assert!((1..=24).contains(&changed), "{changed} regions");
    let place = format!("{target}/0x21");
    let copied = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let admin = Admin::new(lab.home(), false);
        runtime.block_on(admin.copied("A1/0x1", &place)).unwrap()
    };
    let so_far = copied();
    assert_eq!(so_far.differing.bytes(), changed * REGION as u64);
    assert_eq!(lab.synchronize("t1"), "resume");
    assert_eq!(copied().copied_regions - so_far.copied_regions, changed, "regions that are copied again");
    assert!(lab.bytes(&place) == after);
}

#[test]
fn a_resume_in_one_box_copies_the_regions_that_changed_and_no_other() {
    only_what_changed_is_copied("A1");
}

#[test]
fn a_resume_to_another_box_copies_the_regions_that_changed_and_no_other() {
    only_what_changed_is_copied("A2");
}

#[test]
fn the_check_itself_tells_a_torn_state_from_a_whole_one() {
    let work = Work { seed: 3, bytes_per_second: 1, start: 0, end: 0 };
    let before = vec![0; usize::try_from(MIB).unwrap()];
    let mut state = before.clone();
    let writes: Vec<(u64, Vec<u8>)> = Writes::new(&work, MIB).take(6).collect();
    for (offset, bytes) in &writes[..5] {
        let at = usize::try_from(*offset).unwrap();
        state[at..at + bytes.len()].copy_from_slice(bytes);
    }
    assert_eq!(writes_between(&before, &state, &work, 100), Some(5));
    // The sixth write, half of it.
    let (offset, bytes) = &writes[5];
    let at = usize::try_from(*offset).unwrap();
    state[at..at + bytes.len() / 2].copy_from_slice(&bytes[..bytes.len() / 2]);
    assert_eq!(writes_between(&before, &state, &work, 100), None);
}
