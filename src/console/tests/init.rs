//! The first set-up: from volumes that nobody registered to a plan for all of them, by keys.

use super::Desk;
use crate::console::dialog::Dialog;
use crate::console::fixture::{self, one};
use crate::console::keys::{Key, Scope};
use crate::console::messages::{Effect, Msg};
use crate::console::types::Settings;
use crate::engine::protocol::{Answer, Ask};
use crate::model::entity::TransactionVolume;
use crate::model::host_report::{
    Activation, HostDisk, HostReport, HostView, LogicalVolume, PhysicalVolume, VolumeGroup,
};
use crate::model::identity::{Name, VolumeId};
use crate::model::request::{Action, VolumeRole};
use crate::model::rows::Rows;
use crate::model::session::ArrayVolume;
use crate::model::site_change::SiteChange;
use crate::model::snapshot::{Snapshot, TransactionVolumeView};
use crate::model::units::Blocks;

const SMALL: (u16, u16) = (80, 24);
const MIDDLE: (u16, u16) = (120, 40);

/// A picture's name and the keys that lead to it.
type Picture = (&'static str, fn(&mut Desk));

/// Arrays with volumes of two sizes, and nothing registered.
fn empty_site() -> Snapshot {
    let mut site = fixture::demo();
    (site.transaction_volumes, site.pool, site.sessions) = (Rows::default(), Rows::default(), Rows::default());
    (site.generations, site.map_sets, site.map_uses) = (Rows::default(), Rows::default(), Rows::default());
    site.operations.clear();
    let volume = |(olu, mib, label): (u32, u64, &str)| ArrayVolume {
        id: one(olu),
        label: label.into(),
        blocks: Blocks::from_mib(mib),
        copy_inhibited: None,
    };
    let of_pool = (0x20..0x26).map(|olu| (olu, 96, "bk"));
    let all = [(0x10, 96, "ora_data"), (0x11, 96, "ora_log"), (0x12, 192, "mail")].into_iter().chain(of_pool);
    site.unregistered = all.map(volume).collect();
    site
}

fn desk(size: (u16, u16)) -> Desk {
    Desk::on(empty_site(), Settings::default(), size)
}

fn proposed(desk: &Desk) -> SiteChange {
    match desk.app.dialogs.last() {
        Some(Dialog::Plan(plan)) => match &plan.request.action {
            Action::ApplySite { change } => change.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("no plan is shown, but {other:?}\n{}", desk.text()),
    }
}

/// Two transaction volumes, and the six of the pool by a filter.
fn choose(desk: &mut Desk) {
    desk.types("Itt").types("/bk").keys([Key::Enter]).types("*b").keys([Key::Esc]);
}

#[test]
fn every_step_of_the_set_up_is_complete_at_80x24_and_at_120x40() {
    let steps: [Picture; 6] = [
        ("init-offered", |_| {}),
        ("init-nothing-chosen", |desk| {
            desk.types("I");
        }),
        ("init-volumes", choose),
        ("init-policies", |desk| {
            choose(desk);
            desk.keys([Key::Enter]);
        }),
        ("init-policy", |desk| {
            choose(desk);
            desk.types("3*").keys([Key::Enter, Key::Char('3')]);
        }),
        ("init-plan", |desk| {
            choose(desk);
            desk.types("3*").keys([Key::Enter, Key::Char('3'), Key::Enter]).types("w");
        }),
    ];
    for (name, keys) in steps {
        for size in [SMALL, MIDDLE] {
            let mut desk = desk(size);
            keys(&mut desk);
            insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), desk.screen());
        }
    }
}

#[test]
fn volumes_roles_names_and_policies_become_one_plan() {
    let mut desk = desk(MIDDLE);
    choose(&mut desk);
    // A name of its own for the first one, and three generations for both.
    desk.types("gn").types("db01").keys([Key::Enter]);
    desk.types("3*").keys([Key::Enter, Key::Char('3')]);
    assert!(desk.text().contains("2 backup volumes missing"), "while it is edited: {}", desk.text());
    desk.keys([Key::Enter]).types("w");
    let change = proposed(&desk);
    let of = |role| {
        change.volumes.iter().filter(move |new| new.role == role).map(|new| new.volume).collect::<Vec<VolumeId>>()
    };
    assert_eq!(of(VolumeRole::Transaction), [one(0x10), one(0x11)]);
    assert_eq!(of(VolumeRole::Backup), (0x20..0x26).map(one).collect::<Vec<_>>());
    assert_eq!(change.volumes[0].name.as_ref().map(Name::as_str), Some("db01"));
    assert_eq!(change.policies.iter().map(|(_, policy)| policy.generations).collect::<Vec<_>>(), [3, 3]);
    assert!(desk.text().contains("2 backup volumes of 96 MiB missing"), "{}", desk.text());
    desk.types("Y");
    assert!(desk.effects.iter().any(|effect| matches!(effect, Effect::Run { .. })), "{}", desk.text());
}

#[test]
fn one_step_back_loses_nothing_and_leaving_with_a_choice_asks() {
    let mut desk = desk(SMALL);
    choose(&mut desk);
    desk.types("3").keys([Key::Enter, Key::Char('9'), Key::Esc]);
    desk.types("w");
    assert!(proposed(&desk).policies.iter().all(|(_, policy)| policy.generations == 1), "Esc leaves the policy");
    desk.keys([Key::Esc, Key::Esc, Key::Esc]);
    assert!(desk.text().contains("8 volumes are chosen and not registered"), "{}", desk.text());
    // Another key takes the question back.
    desk.keys([Key::Down, Key::Esc, Key::Esc]);
    assert!(desk.app.screens.is_empty(), "{}", desk.text());
}

#[test]
fn what_somebody_registers_meanwhile_is_chosen_no_more() {
    let mut desk = desk(MIDDLE);
    choose(&mut desk);
    let taken = fixture::demo().pool.iter().find(|view| view.volume.id == one(0x21)).cloned().unwrap();
    desk.site(|site| {
        site.unregistered.retain(|volume| volume.id != one(0x21));
        site.pool = vec![taken].into();
    });
    desk.types("w");
    let change = proposed(&desk);
    assert_eq!(change.volumes.len(), 7);
    assert!(change.volumes.iter().all(|new| new.volume != one(0x21)));
}

#[test]
fn without_a_choice_nothing_is_proposed_and_a_bad_name_is_not_taken() {
    let mut desk = desk(MIDDLE);
    desk.types("Iw");
    assert!(desk.app.dialogs.is_empty() && desk.text().contains("no volume is chosen yet"), "{}", desk.text());
    desk.types("1n");
    assert!(desk.text().contains("say first what the volume is"), "{}", desk.text());
    desk.types("tgn").types("a b").keys([Key::Enter]);
    assert!(desk.text().contains("this cannot be a name"), "{}", desk.text());
    desk.keys([Key::Esc]).types("x").types("w");
    assert!(desk.app.dialogs.is_empty(), "{}", desk.text());
}

#[test]
fn a_volume_that_is_a_volume_group_is_registered_as_one() {
    for size in [SMALL, MIDDLE] {
        let mut desk = desk(size);
        desk.types("Itgvdb03").keys([Key::Enter]);
        assert!(desk.text().contains("write HOST:VG"), "{}", desk.text());
        desk.types(":vg01").keys([Key::Enter]).types("jjjbkv").types("db03:vg01b").keys([Key::Enter]);
        insta::assert_snapshot!(format!("init-group-{}x{}", size.0, size.1), desk.screen());
        desk.types("w");
        // Whose group it is, only the engine can ask: the rules alone refuse.
        assert!(desk.text().contains("db03 was not asked which group db03:vg01"), "{}", desk.text());
    }
}

/// The host `db03` as it was recorded, with its two disks as volumes of the first array.
fn host(active: bool) -> HostView {
    let wwid = |olu: u32| format!("600000e00d2a0000002a0115{olu:04x}0000").parse().ok();
    let disk = |device: &str, olu| HostDisk {
        device: device.into(),
        paths: vec![device.into()],
        wwid: wwid(olu),
        serial: None,
        vendor: None,
        model: None,
        bytes: 96 << 20,
    };
    let physical = |device: &str| PhysicalVolume {
        device: device.into(),
        uuid: format!("Physical-{}", &device[5..]).as_str().into(),
        missing: false,
        disks: Some(vec![device.into()]),
        whole_disk: true,
    };
    let activation = if active { Activation::Active } else { Activation::Inactive };
    let logical = LogicalVolume {
        name: "lvdata".into(),
        uuid: "Logical-0".into(),
        bytes: 64 << 20,
        activation,
        mounts: Some(Vec::new()),
    };
    let group = |name: &str, devices: &[&str]| VolumeGroup {
        name: name.into(),
        uuid: format!("Group-{name}").as_str().into(),
        exported: false,
        partial: false,
        physical_volumes: devices.iter().map(|device| physical(device)).collect(),
        logical_volumes: vec![logical.clone()],
    };
    let report = HostReport {
        disks: Some(vec![disk("/dev/sda", 0x10), disk("/dev/sdb", 0x20), disk("/dev/sdc", 0x77)]),
        groups: Some(vec![
            group("vg01", &["/dev/sda"]),
            group("vg01b", &["/dev/sdb"]),
            group("vg02", &["/dev/sda", "/dev/sdb"]),
            group("vg03", &["/dev/sdc"]),
        ]),
        ..HostReport::default()
    };
    HostView { name: "db03".parse().unwrap(), place: "this machine".to_owned(), report }
}

/// Answers the set-up's question for the hosts.
fn hosts_answer(desk: &mut Desk, hosts: Vec<HostView>) {
    let asked = desk.effects.iter().rev().find_map(|effect| match effect {
        Effect::Ask { ticket, ask: Ask::Hosts { host: None } } => Some(*ticket),
        _ => None,
    });
    let services = Vec::new();
    let answer = Box::new(Answer::Hosts { hosts, services, configured: Vec::new() });
    desk.tell(Msg::Answer { ticket: asked.unwrap(), answer });
}

#[test]
fn volume_groups_are_chosen_from_what_the_hosts_report() {
    for size in [SMALL, MIDDLE] {
        let mut desk = desk(size);
        desk.types("I2");
        assert!(desk.text().contains("The hosts are being asked"), "{}", desk.text());
        hosts_answer(&mut desk, vec![host(true)]);
        // One of several disks, and one that no array has, say why.
        desk.types("jjt");
        assert!(desk.text().contains("2 physical disks"), "{}", desk.text());
        desk.types("jt");
        assert!(desk.text().contains("no volume that is free has the number 0x77"), "{}", desk.text());
        desk.types("gtb");
        insta::assert_snapshot!(format!("init-groups-{}x{}", size.0, size.1), desk.screen());
        desk.keys([Key::Enter]);
        assert!(desk.text().contains("Policies of the transaction volumes"), "{}", desk.text());
        desk.types("w");
        assert!(desk.text().contains("db03 was not asked which group db03:vg01"), "{}", desk.text());
        // Step by step back, and nothing is lost.
        desk.keys([Key::Esc, Key::Esc]);
        assert!(desk.text().contains("Volume groups of the hosts"), "{}", desk.text());
        desk.keys([Key::Esc]);
        assert!(desk.text().contains("group db03:vg01b") || size == SMALL, "{}", desk.text());
        assert!(desk.text().contains("1 transaction, 1 backup"), "{}", desk.text());
    }
}

#[test]
fn without_hosts_the_step_of_groups_says_so_and_is_passed_over() {
    let mut desk = desk(SMALL);
    desk.types("I");
    hosts_answer(&mut desk, Vec::new());
    desk.types("t2");
    assert!(desk.text().contains("No host is configured"), "{}", desk.text());
    desk.types("1").keys([Key::Enter]);
    assert!(desk.text().contains("Policies of the transaction volumes"), "{}", desk.text());
    desk.types("2").keys([Key::Enter]);
    assert!(desk.text().contains("Policies of the transaction volumes"), "{}", desk.text());
}

#[test]
fn what_is_registered_leads_to_the_device_maps() {
    for size in [SMALL, MIDDLE] {
        let mut desk = desk(size);
        desk.types("It").types("w");
        assert_eq!(proposed(&desk).volumes.len(), 1);
        desk.types("Y");
        let view = fixture::demo().transaction_volumes[0].clone();
        desk.site(|site| {
            site.unregistered = site.unregistered.iter().filter(|volume| volume.id != one(0x10)).cloned().collect();
            let volume = TransactionVolume { id: one(0x10), ..view.volume.clone() };
            site.transaction_volumes = [TransactionVolumeView { volume, ..view.clone() }].into_iter().collect();
        });
        while !desk.app.dialogs.is_empty() {
            desk.keys([Key::Esc]);
        }
        insta::assert_snapshot!(format!("init-maps-{}x{}", size.0, size.1), desk.screen());
        desk.keys([Key::Enter]);
        assert_eq!(desk.app.screens.last().unwrap().scope(), Scope::Maps, "{}", desk.text());
        desk.keys([Key::Esc, Key::Esc]);
        assert!(desk.app.screens.is_empty(), "{}", desk.text());
    }
}

#[test]
fn a_choice_outlives_a_lost_line() {
    let mut lost = desk(SMALL);
    choose(&mut lost);
    let text = lost.effects.iter().rev().find_map(|effect| match effect {
        Effect::KeepSetUp { text } => Some(text.clone()),
        _ => None,
    });
    let text = text.unwrap().unwrap();
    let mut next = desk(SMALL);
    next.types("I");
    assert!(next.effects.iter().any(|effect| matches!(effect, Effect::LoadDrafts { scope: Scope::Init })));
    // One of them was registered meanwhile.
    next.site(|site| {
        site.unregistered = site.unregistered.iter().filter(|volume| volume.id != one(0x11)).cloned().collect();
        let view = fixture::demo().transaction_volumes[0].clone();
        let volume = TransactionVolume { id: one(0x11), ..view.volume.clone() };
        site.transaction_volumes = [TransactionVolumeView { volume, ..view }].into_iter().collect();
    });
    let texts = vec![("set-up.json".to_owned(), text)];
    next.tell(Msg::Drafts { scope: Scope::Init, texts, faults: Vec::new() });
    assert!(next.text().contains("1 transaction, 6 backup"), "{}", next.text());
    next.types("w");
    assert_eq!(proposed(&next).volumes.len(), 7);
    // What is taken back is not kept either.
    next.keys([Key::Esc]).types("*x");
    assert!(matches!(next.effects.last(), Some(Effect::KeepSetUp { text: None })), "{:?}", next.effects.last());
}
