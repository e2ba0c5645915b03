//! Recorded reports, and output that is none.

use super::assemble::{AllPrinted, report};
use super::{device_mapper, lsblk, lvm, mounts};
use crate::model::codes::Code;
use crate::model::host_report::KernelGroups;
use crate::model::host_report::{Activation, HostPart, HostReport, VolumeGroup};
use crate::model::units::Blocks;
use crate::model::untrusted::Untrusted;
use crate::model::volume_group::{GroupPlace, RegisteredGroup, check, contents, identify};
use proptest::prelude::*;
use std::collections::BTreeSet;

macro_rules! recorded {
    ($name:literal) => {{
        let file = |bytes: &[u8]| Ok(bytes.to_vec());
        AllPrinted {
            lsblk: file(include_bytes!(concat!("fixtures/", $name, "/lsblk.json"))),
            groups: file(include_bytes!(concat!("fixtures/", $name, "/groups.json"))),
            duplicates: file(include_bytes!(concat!("fixtures/", $name, "/duplicates.json"))),
            device_mapper: file(include_bytes!(concat!("fixtures/", $name, "/dmsetup.txt"))),
            mounts: file(include_bytes!(concat!("fixtures/", $name, "/findmnt.json"))),
            kernel_devices: None,
        }
    }};
}

fn group<'a>(report: &'a HostReport, name: &str) -> &'a VolumeGroup {
    report.groups.as_ref().unwrap().iter().find(|group| group.name.raw() == name).unwrap()
}

fn raw(texts: &[Untrusted]) -> Vec<&str> {
    texts.iter().map(Untrusted::raw).collect()
}

#[test]
fn a_healthy_host_is_reported_with_its_disks_groups_and_mounts() {
    let report = report(&recorded!("healthy"));
    assert_eq!(report.unknown, []);
    let disks = report.disks.as_ref().unwrap();
    // The drive without a medium is no disk; the partition is part of one.
    assert_eq!(disks.len(), 3);
    let sda = disks.iter().find(|disk| disk.device.raw() == "/dev/sda").unwrap();
    assert_eq!(sda.wwid.as_ref().unwrap().as_str(), "600000e00d2a0000002a011500140000");
    assert_eq!((sda.serial.as_ref().unwrap().raw(), sda.bytes), ("32117D", 96 << 20));
    let vg01 = group(&report, "vg01");
    assert_eq!(vg01.activation(), Some(Activation::Active));
    assert_eq!(raw(vg01.physical_volumes[0].disks.as_ref().unwrap()), ["/dev/sda"]);
    assert!(vg01.physical_volumes[0].whole_disk);
    let mounts = |at: usize| raw(vg01.logical_volumes[at].mounts.as_ref().unwrap());
    assert_eq!((mounts(0), mounts(1)), (vec!["/srv/ora"], vec!["/srv/with blank"]));
    assert_eq!(group(&report, "vg01b").logical_volumes, []);
    assert_eq!(report.duplicates, Some(Vec::new()));
    let json = serde_json::to_string(&report).unwrap();
    // Which groups are active stays in the engine.
    assert_eq!(report.kernel, KernelGroups::Read(BTreeSet::from([vg01.uuid.raw().replace('-', "")])));
    assert_eq!(
        serde_json::from_str::<HostReport>(&json).unwrap(),
        HostReport { kernel: KernelGroups::default(), ..report.clone() }
    );
}

#[test]
fn several_paths_are_one_disk_with_multipath_and_without() {
    let report = report(&recorded!("multipath"));
    let disks = report.disks.as_ref().unwrap();
    let seen: Vec<_> = disks.iter().map(|disk| (disk.device.raw(), raw(&disk.paths), disk.wwid.is_some())).collect();
    assert_eq!(
        seen,
        [
            ("/dev/mapper/mpatha", vec!["/dev/sda", "/dev/sdb"], true),
            ("/dev/sdc", vec!["/dev/sdc", "/dev/sdd"], true),
            // The WWID is cut short: it says nothing about the volume.
            ("/dev/sde", vec!["/dev/sde"], false),
        ]
    );
    let vg01 = group(&report, "vg01");
    assert_eq!(raw(vg01.physical_volumes[0].disks.as_ref().unwrap()), ["/dev/mapper/mpatha"]);
    assert!(vg01.physical_volumes[0].whole_disk);
    let states: Vec<_> = vg01.logical_volumes.iter().map(|volume| volume.activation).collect();
    assert_eq!(states, [Activation::Inactive, Activation::Active]);
    assert_eq!(report.duplicates.as_ref().unwrap()[0].device.raw(), "/dev/sdd");
}

#[test]
fn a_physical_volume_outside_of_any_group_hides_no_group() {
    let alone =
        r#"{"pv": [{"pv_name": "/dev/sdc", "pv_uuid": "a", "pv_major": "8", "pv_minor": "32", "pv_missing": ""}]}"#;
    let whole = String::from_utf8(recorded!("healthy").groups.unwrap()).unwrap();
    let at = whole.rfind(']').unwrap();
    let with = format!("{}, {alone} {}", &whole[..at], &whole[at..]);
    assert_eq!(lvm::groups(with.as_bytes()).unwrap().len(), lvm::groups(whole.as_bytes()).unwrap().len());
}

#[test]
fn a_group_on_two_disks_or_on_a_partition_is_seen_as_such() {
    let report = report(&recorded!("two-disks"));
    let on: Vec<_> =
        group(&report, "vg02").physical_volumes.iter().map(|one| raw(one.disks.as_ref().unwrap())).collect();
    assert_eq!(on, [["/dev/sda"], ["/dev/sdb"]]);
    let part = &group(&report, "vg03").physical_volumes[0];
    assert_eq!((raw(part.disks.as_ref().unwrap()), part.whole_disk), (vec!["/dev/sdc"], false));
}

#[test]
fn a_missing_disk_is_no_known_disk() {
    let report = report(&recorded!("partial"));
    let vg01 = group(&report, "vg01");
    assert!(vg01.partial && vg01.exported);
    assert!(vg01.physical_volumes[1].missing);
    assert_eq!(vg01.physical_volumes[1].disks, None);
}

#[test]
fn what_a_tool_did_not_give_is_unknown_and_so_is_what_depends_on_it() {
    let mut printed = recorded!("healthy");
    printed.device_mapper = Err("dmsetup on this machine ended with 1: open failed".to_owned());
    printed.mounts = Ok(b"{\"filesystems\": 3}".to_vec());
    printed.lsblk = Ok(Vec::new());
    let found = report(&printed);
    assert_eq!(found.disks, None);
    let vg01 = group(&found, "vg01");
    assert_eq!(vg01.activation(), Some(Activation::Unknown));
    assert_eq!(vg01.logical_volumes[0].mounts, None);
    assert_eq!(vg01.physical_volumes[0].disks, None);
    assert!(found.why_unknown(HostPart::Activation).unwrap().raw().contains("open failed"));
    assert!(found.why_unknown(HostPart::Mounts).unwrap().raw().contains("findmnt"));
    assert!(found.why_unknown(HostPart::Disks).unwrap().raw().contains("lsblk"));
    assert!(found.why_unknown(HostPart::Groups).is_none());

    // Mounts that were not read are not "mounted nowhere".
    let mut printed = recorded!("healthy");
    printed.mounts = Err("no".to_owned());
    assert_eq!(group(&report(&printed), "vg01").logical_volumes[0].mounts, None);
}

#[test]
fn a_report_that_contradicts_itself_or_is_none_is_refused() {
    let whole = String::from_utf8(recorded!("healthy").groups.unwrap()).unwrap();
    for (from, to) in [
        ("\"pv_count\": \"1\"", "\"pv_count\": \"2\""),
        ("\"lv_count\": \"2\"", "\"lv_count\": \"1\""),
        ("\"lv_count\": \"2\"", "\"lv_count\": 2"),
        ("\"vg_uuid\"", "\"vg_id\""),
        ("\"lv_size\": \"67108864\"", "\"lv_size\": \"64m\""),
        ("{", "  WARNING: Device mismatch\n{"),
    ] {
        assert!(lvm::groups(whole.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
    }
    let lsblk = String::from_utf8(recorded!("healthy").lsblk.unwrap()).unwrap();
    for (from, to) in [("\"maj:min\": \"8:16\"", "\"maj:min\": \"8:0\""), ("\"size\"", "\"bytes\"")] {
        assert!(lsblk::Devices::read(lsblk.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
    }
    for wrong in ["LVM-x/253", "LVM-x/a/0", "Device does not exist."] {
        assert!(device_mapper::Mapped::read(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

fn place(text: &str) -> GroupPlace {
    text.parse().unwrap()
}

/// The group of the healthy host, as it is registered.
fn registered() -> RegisteredGroup {
    identify(&place("db03:vg01"), &report(&recorded!("healthy"))).unwrap()
}

/// 96 MiB: the size of the recorded disks.
const BLOCKS: Blocks = Blocks::from_mib(96);
/// The number that the WWID of the first recorded disk has in it.
const NUMBER: u32 = 0x14;

#[test]
fn a_group_on_one_disk_is_identified_and_all_its_logical_volumes_are_in_the_backup() {
    for name in ["healthy", "multipath"] {
        let report = if name == "healthy" { report(&recorded!("healthy")) } else { report(&recorded!("multipath")) };
        let group = check(&registered(), BLOCKS, NUMBER, &report).unwrap();
        let text = contents(&registered(), group);
        assert!(text.ends_with("db03:vg01 are in the backup: lvdata (64 MiB), lvlog (16 MiB)"), "{text}");
    }
}

#[test]
fn a_group_that_is_not_one_known_whole_disk_is_refused_with_the_disks_named() {
    let refused = |recorded: &AllPrinted, name: &str| identify(&place(name), &report(recorded)).unwrap_err();
    let several = refused(&recorded!("two-disks"), "db03:vg02");
    assert_eq!(several.code, Code::GROUP_SEVERAL_DISKS);
    assert!(several.reason.contains("/dev/sda (600000e00d2a0000002a011500140000), /dev/sdb ("), "{several:?}");
    assert_eq!(refused(&recorded!("two-disks"), "db03:vg03").code, Code::GROUP_DISK_UNFIT);
    assert_eq!(refused(&recorded!("two-disks"), "db03:vg01").code, Code::GROUP_NOT_FOUND);
    assert_eq!(refused(&recorded!("partial"), "db03:vg01").code, Code::GROUP_NOT_WHOLE);

    let mut no_wwid = recorded!("healthy");
    let lsblk = String::from_utf8(no_wwid.lsblk.unwrap()).unwrap();
    no_wwid.lsblk = Ok(lsblk.replace("0x600000e00d2a0000002a011500140000", "0x600000e00d2a0000").into_bytes());
    let unknown = refused(&no_wwid, "db03:vg01");
    assert!(unknown.code == Code::GROUP_UNKNOWN && unknown.reason.contains("WWID"), "{unknown:?}");
}

#[test]
fn what_is_not_known_of_a_group_refuses_it() {
    for broken in 0..2 {
        let mut printed = recorded!("healthy");
        let part = if broken == 0 { &mut printed.lsblk } else { &mut printed.groups };
        *part = Err("no connection on db03".to_owned());
        let unfit = check(&registered(), BLOCKS, NUMBER, &report(&printed)).unwrap_err();
        assert_eq!(unfit.code, Code::GROUP_UNKNOWN);
        assert!(unfit.reason.contains("no connection on db03"), "{unfit:?}");
    }
}

#[test]
fn another_group_another_disk_or_another_size_is_refused() {
    let now = report(&recorded!("healthy"));
    let code = |group: &RegisteredGroup, blocks, number| check(group, blocks, number, &now).unwrap_err().code;
    assert_eq!(code(&registered(), Blocks::from_mib(95), NUMBER), Code::GROUP_DISK_UNFIT);
    assert_eq!(code(&registered(), BLOCKS, 0x15), Code::GROUP_DISK_UNFIT);
    let renewed = RegisteredGroup { uuid: "another".parse().unwrap(), ..registered() };
    assert_eq!(code(&renewed, BLOCKS, NUMBER), Code::GROUP_CHANGED);
    let moved = RegisteredGroup { disk: "600000e00d2a0000002a011500990000".parse().unwrap(), ..registered() };
    assert_eq!(code(&moved, BLOCKS, NUMBER), Code::GROUP_CHANGED);
    let two = report(&recorded!("two-disks"));
    let grown = RegisteredGroup { name: "vg02".parse().unwrap(), ..registered() };
    assert_eq!(check(&grown, BLOCKS, NUMBER, &two).unwrap_err().code, Code::GROUP_SEVERAL_DISKS);
}

proptest! {
    #[test]
    fn no_output_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\{\\}\\[\\]\":,a-z0-9/_ ]{0,200}") {
        for printed in [&bytes[..], text.as_bytes()] {
            let _ = lsblk::Devices::read(printed);
            let _ = lvm::groups(printed);
            let _ = lvm::duplicates(printed);
            let _ = device_mapper::Mapped::read(printed);
            let _ = mounts::mounts(printed);
        }
    }
}
