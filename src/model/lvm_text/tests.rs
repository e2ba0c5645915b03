//! The texts of LVM 2.03.16 as it wrote them, and texts that nobody wrote.

use super::*;
use proptest::prelude::*;

const ONE_DISK: &str = include_str!("one-disk.txt");
const TWO_DISKS: &str = include_str!("two-disks.txt");

fn backup() -> GroupIdentity {
    GroupIdentity {
        name: "vg01b".parse().unwrap(),
        uuid: "cxP8AP-G79h-x1HM-cJEv-XOMq-uUcR-4rveRQ".parse().unwrap(),
        physical: "RnYqLb-4Soy-nHK9-c5de-8zYi-HGD1-vVdrRr".parse().unwrap(),
    }
}

#[test]
fn a_recorded_text_gets_another_identity_and_nothing_else_changes() {
    let before = read(ONE_DISK).unwrap();
    assert_eq!((before.identity.name.as_str(), before.sequence), ("vg01", 3));
    assert_eq!(before.logical_volumes, ["lvdata", "lvlog"]);
    let text = under_identity(ONE_DISK, &backup(), "/dev/sdb").unwrap();
    let changed: Vec<(&str, &str)> = ONE_DISK.lines().zip(text.lines()).filter(|(one, other)| one != other).collect();
    assert_eq!(
        changed,
        [
            ("vg01 {", "vg01b {"),
            ("id = \"MzecBv-8O2r-MTDO-BiUs-cgWT-B9xB-X7Kd8N\"", "id = \"cxP8AP-G79h-x1HM-cJEv-XOMq-uUcR-4rveRQ\""),
            ("id = \"1SdQ9B-qIGu-SYa5-UyP3-yhzL-TQYV-Y3ZOZi\"", "id = \"RnYqLb-4Soy-nHK9-c5de-8zYi-HGD1-vVdrRr\""),
            ("device = \"/dev/sda\"", "device = \"/dev/sdb\""),
        ]
    );
    assert_eq!(text.lines().count(), ONE_DISK.lines().count());
    let after = read(&text).unwrap();
    assert_eq!(after, GroupText { identity: backup(), ..before });
}

#[test]
fn the_disk_that_a_text_names_by_its_wwid_is_named_no_longer() {
    let with = "device = \"/dev/sda\"\ndevice_id_type = \"sys_wwid\"\ndevice_id = \"naa.600\"\n";
    let text = ONE_DISK.replace("device = \"/dev/sda\"\n", with);
    let text = under_identity(&text, &backup(), "/dev/sdb").unwrap();
    assert!(!text.contains("device_id") && !text.contains("naa.600") && text.contains("\"/dev/sdb\""), "{text}");
    assert_eq!(read(&text).unwrap().identity, backup());
}

#[test]
fn what_is_not_one_known_group_on_one_disk_is_refused() {
    assert!(read(TWO_DISKS).unwrap_err().contains("2 physical volumes"));
    for (from, to, part) in [
        ("type = \"striped\"", "type = \"thin-pool\"", "type thin-pool"),
        ("\"pv0\", 16", "\"pv1\", 16", "not on the one physical volume"),
        ("\"pv0\", 16", "", "not on the one physical volume"),
        ("segment_count = 1", "segment_count = 2", "as many segments"),
        ("segment1 {", "historical {", "section historical"),
        ("Text Format Volume Group", "Text", "not that of a volume group"),
        ("seqno = 3", "", "no seqno"),
        ("# Generated", "other { }\n# Generated", "exactly one group"),
        ("extent_size = 2048", "id = \"x\"", "id twice"),
        ("pe_start = 2048", "pe_start", "no value"),
        ("physical_volumes {", "physical_volumes {{", "key is missing"),
        ("flags = []", "flags = [", "list does not end"),
    ] {
        let why = read(&ONE_DISK.replacen(from, to, 1)).unwrap_err();
        assert!(why.contains(part), "{to}: {why}");
    }
    assert!(under_identity(ONE_DISK, &backup(), "/dev/s\"da").unwrap_err().contains("device"));
    assert!(read(&format!("{}{}", "a {".repeat(99), "}".repeat(99))).unwrap_err().contains("sections within"));
    assert!(read("").is_err());
}

proptest! {
    #[test]
    fn no_text_panics_and_whatever_is_rewritten_reads_as_the_new_identity(
        at in 0..ONE_DISK.len(), with in "[{}\\[\\]=\",#a-z0-9 \\n\\\\é-]{0,12}", cut in 0..20_usize,
    ) {
        let end = (at + cut).min(ONE_DISK.len());
        let text = format!("{}{with}{}", &ONE_DISK[..at], &ONE_DISK[end..]);
        if let (Ok(before), Ok(text)) = (read(&text), under_identity(&text, &backup(), "/dev/sdb")) {
            let after = read(&text);
            prop_assert_eq!(after, Ok(GroupText { identity: backup(), ..before }));
        }
    }

    #[test]
    fn bytes_panic_nowhere(text in "\\PC{0,200}", braces in "[{}=\\[\\]\"a#\n]{0,80}") {
        let _ = read(&text);
        let _ = read(&braces);
    }

    #[test]
    fn a_group_written_by_nobody_keeps_its_logical_volumes(names in proptest::collection::btree_set("[a-z][a-z0-9_+.]{0,8}", 0..6)) {
        let volumes: Vec<String> = names.iter().map(|name| format!(
            "{name} {{ id = \"i\" segment_count = 1 segment1 {{ type = \"striped\" stripes = [ \"pv0\", 0 ] }} }}\n"
        )).collect();
        let text = format!(
            "contents = \"Text Format Volume Group\" # of \"nobody\" {{\nvg {{ id = \"a\" seqno = 1 \
             physical_volumes {{ pv0 {{ id = \"b\" }} }} logical_volumes {{ {} }} }}\n",
            volumes.concat()
        );
        let text = under_identity(&text, &backup(), "/dev/sdb").unwrap();
        prop_assert_eq!(read(&text).unwrap().logical_volumes, names.into_iter().collect::<Vec<_>>());
    }
}
