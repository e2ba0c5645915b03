//! The site as a file: what is written applies to nothing but the same site, and no damaged file is ever half applied.

use crate::site::{Site, volume};
use crate::site_change::kept;
use ecdeck::model::codes::Code;
use ecdeck::model::entity::RotationGuard;
use ecdeck::model::identity::{Name, VolumeId};
use ecdeck::model::lvm_text::GroupIdentity;
use ecdeck::model::map_set::{MapRound, MapRow, MapSet};
use ecdeck::model::plan::plan;
use ecdeck::model::records::{BackupMode, BackupVolume, Change, EntityChange, Policy, Records, TransactionVolume};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::site_file::{Compared, check, read, write};
use ecdeck::model::units::{Timestamp, Version};
use ecdeck::model::volume_group::{BackupGroup, LvmName, RegisteredGroup};
use ecdeck::model::volume_set::VolumeSet;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A line a finding: `line:column code text`.
fn compared(site: &Site, text: &str) -> Result<Compared, Vec<String>> {
    let lines = |found: Vec<ecdeck::model::device_map::Finding>| {
        found.iter().map(|one| format!("{}:{} {} {}", one.line, one.column, one.code, one.text)).collect::<Vec<_>>()
    };
    let file = read(text.as_bytes()).map_err(lines)?;
    check(&file, text, &site.snapshot()).map_err(lines)
}

/// What the site has after the file, in all that a file is about.
fn applied(site: &Site, compared: &Compared) -> Records {
    if compared.change.is_empty() {
        return site.records.clone();
    }
    let request = Request::new(Action::ApplySite { change: compared.change.clone() });
    let plan = plan(&site.snapshot(), &request).expect("what was compared can be planned");
    assert_eq!((plan.items().len(), plan.items()[0].steps.len()), (1, 1), "all of it is one step");
    kept(&plan, &site.records).expect("what was planned can be kept")
}

type Essence<'a> = (
    BTreeMap<VolumeId, (&'a str, Option<Policy>)>,
    BTreeMap<VolumeId, Option<&'a str>>,
    BTreeMap<&'a str, Vec<(&'a str, Vec<(VolumeId, VolumeId)>)>>,
    Vec<&'a VolumeSet>,
);

/// The records as far as a file says them.
fn essence(records: &Records) -> Essence<'_> {
    let transaction = records.transaction_volumes.values().map(|one| (one.id, (one.name.as_str(), one.policy)));
    let backup = records.backup_volumes.values().map(|one| (one.id, one.name.as_ref().map(Name::as_str)));
    let rows = |round: &MapRound| round.rows.iter().map(|row| (row.transaction_volume, row.backup_volume)).collect();
    let sets = records.map_sets.iter().map(|(name, set)| {
        (name.as_str(), set.rounds.iter().map(|round| (round.name.as_str(), rows(round))).collect())
    });
    (transaction.collect(), backup.collect(), sets.collect(), records.volume_sets.values().collect())
}

#[test]
fn a_group_is_written_for_both_roles_and_never_becomes_a_plain_volume() {
    let mut site = Site::new();
    let (live, copy) = (site.transaction_volume("db01", 0, 0x10, 48), site.backup_volume(0, 0x21, 48));
    let plain = site.backup_volume(0, 0x22, 48);
    let word = |text: &str| text.parse::<LvmName>().unwrap();
    let disk = |n: u8| format!("600000e00d2a0000002a0115000{n}0000").parse().unwrap();
    let group = RegisteredGroup { host: "db03".parse().unwrap(), name: word("vg01"), uuid: word("u1"), disk: disk(1) };
    let known = site.records.transaction_volumes[&live].clone();
    let known = TransactionVolume { group: Some(Box::new(group)), ..known };
    site.records.apply(&Change::Entity(EntityChange::PutTransactionVolume(known))).unwrap();
    let identity = GroupIdentity { name: word("vg01b"), uuid: word("u2"), physical: word("p2") };
    let group = BackupGroup { host: "db03".parse().unwrap(), identity, disk: disk(2) };
    let known = site.records.backup_volumes[&copy].clone();
    site.records.keep_backup_volume(BackupVolume { group: Some(Box::new(group)), ..known });
    let written = write(&site.snapshot());
    assert!(written.contains("group = \"db03:vg01\"") && written.contains("group = \"db03:vg01b\""), "{written}");
    assert_eq!(compared(&site, &written).unwrap().differences, Vec::new(), "what is written is what is there");

    let other = written.replace("db03:vg01b", "db03:vg07");
    let found = compared(&site, &other).unwrap_err();
    assert!(found[0].contains("is the volume group db03:vg01b, the file says group db03:vg07"), "{found:?}");
    // On a site that knows the same volume as a plain one, the file changes nothing of it.
    let known = site.records.backup_volumes[&copy].clone();
    site.records.keep_backup_volume(BackupVolume { group: None, ..known });
    let found = compared(&site, &written).unwrap_err();
    assert!(found.len() == 1 && found[0].contains("is a volume without a group"), "{found:?}");
    assert!(site.records.backup_volumes[&plain].group.is_none());
}

/// A site with so many volumes; numbers choose policies, names and pairs.
fn site(transaction: u32, backup: u32, choices: &[u16]) -> Site {
    let mut site = Site::new();
    let choice = |at: u32| choices.get(at as usize % choices.len().max(1)).copied().unwrap_or(0);
    for n in 0..transaction {
        let id = site.unregistered((n % 2) as usize, 0x10 + n, 48);
        let mode = if choice(n).is_multiple_of(2) { BackupMode::Suspend } else { BackupMode::Dissolve };
        let grace = choice(n + 4).is_multiple_of(3).then_some(u32::from(choice(n)));
        let policy = Policy {
            reuse_oldest: choice(n + 2).is_multiple_of(5),
            guard: RotationGuard { grace, ..RotationGuard::default() },
            ..Policy::new(1 + choice(n) % 9, 1 + choice(n + 1) % 30, mode)
        };
        let volume = TransactionVolume {
            id,
            name: format!("db{n:02}").parse().unwrap(),
            blocks: ecdeck::model::units::Blocks::from_mib(48),
            policy: (choice(n + 3) % 4 != 0).then_some(policy),
            registered_at: Timestamp(0),
            next_version: Version(1),
            group: None,
            window_since: None,
        };
        site.records.apply(&Change::Entity(EntityChange::PutTransactionVolume(volume))).unwrap();
    }
    for n in 0..backup {
        let id = site.backup_volume((n % 2) as usize, 0x100 + n, 48);
        if choice(n + 4).is_multiple_of(3) {
            let known = site.records.backup_volumes[&id].clone();
            let name = Some(format!("bv.{n}").parse().unwrap());
            site.records.keep_backup_volume(BackupVolume { name, ..known });
        }
    }
    let mut free: Vec<VolumeId> = site.records.backup_volumes.keys().copied().collect();
    let mut rounds: Vec<Vec<MapRow>> = vec![Vec::new(), Vec::new()];
    for (at, id) in site.records.transaction_volumes.keys().enumerate().filter(|(at, _)| choice(*at as u32) % 3 == 1) {
        if let Some(backup_volume) = free.pop() {
            let (transaction_name, backup_name) = ("t".into(), "b".into());
            rounds[at % 2].push(MapRow { transaction_volume: *id, backup_volume, transaction_name, backup_name });
        }
    }
    if rounds.iter().any(|rows| !rows.is_empty()) {
        let names = ["first", "second"].map(|name| name.parse().unwrap());
        let rounds = names.into_iter().zip(rounds).map(|(name, rows)| MapRound::new(name, rows)).collect();
        let set = MapSet { name: "nights".parse().unwrap(), rounds };
        site.records.apply(&Change::Entity(EntityChange::PutMapSet(set))).unwrap();
    }
    let ids: Vec<VolumeId> = site.records.transaction_volumes.keys().copied().collect();
    for (name, rest) in [("erp", 0), ("web", 1)] {
        let of_set = ids.iter().enumerate().filter(|(at, _)| choice(*at as u32 + 5) % 4 == rest);
        let members: Vec<VolumeId> = of_set.map(|(_, id)| *id).collect();
        if !members.is_empty() {
            let set = VolumeSet::new(name.parse().unwrap(), members);
            site.records.apply(&Change::Entity(EntityChange::PutVolumeSet(set))).unwrap();
        }
    }
    site
}

/// The same arrays, and nothing registered.
fn emptied(site: &Site) -> Site {
    Site { records: Records::default(), ..site.clone() }
}

fn sites() -> impl Strategy<Value = Site> {
    (0..9_u32, 0..14_u32, prop::collection::vec(any::<u16>(), 1..12))
        .prop_map(|(tv, bv, choices)| site(tv, bv, &choices))
}

/// One thing that may happen to a file on its way.
#[derive(Debug, Clone)]
enum Damage {
    Cut(usize, usize),
    Insert(usize, String),
    TakeOutLine(usize),
    DoubleLine(usize),
    Replace(usize, String),
}

fn damage() -> impl Strategy<Value = Damage> {
    let word = prop::sample::select(vec![
        "\"",
        "[",
        "]",
        "{",
        "}",
        ",",
        "=",
        "\n",
        "#",
        "db00",
        "DEMO1/0x10",
        "DEMO2/0x101",
        "\u{feff}",
        "\u{1b}[2J",
        "99999",
        "generations = 0",
        "volume",
        "-1",
        "\r\n",
        "'''",
        "nights",
        "format = 2\n",
        "x = 1\n",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        (any::<usize>(), 1..40_usize).prop_map(|(at, many)| Damage::Cut(at, many)),
        (any::<usize>(), word.clone()).prop_map(|(at, word)| Damage::Insert(at, word)),
        any::<usize>().prop_map(Damage::TakeOutLine),
        any::<usize>().prop_map(Damage::DoubleLine),
        (any::<usize>(), word).prop_map(|(at, word)| Damage::Replace(at, word)),
    ]
}

fn damaged(text: &str, damage: &Damage) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let mut lines: Vec<&str> = text.lines().collect();
    let (length, number) = (characters.len().max(1), lines.len().max(1));
    match damage {
        Damage::Cut(at, many) => {
            let at = at % length;
            characters.drain(at..(at + many).min(characters.len()));
            characters.into_iter().collect()
        }
        Damage::Insert(at, word) => {
            let at = at % length;
            characters.splice(at..at, word.chars());
            characters.into_iter().collect()
        }
        Damage::Replace(at, word) => {
            let at = at % length;
            characters.splice(at..(at + word.len()).min(length), word.chars());
            characters.into_iter().collect()
        }
        Damage::TakeOutLine(at) => {
            lines.remove(at % number);
            lines.join("\n")
        }
        Damage::DoubleLine(at) => {
            lines.insert(at % number, lines[at % number]);
            lines.join("\n")
        }
    }
}

proptest! {
    #[test]
    fn a_site_that_is_written_down_and_applied_is_the_same_site(site in sites()) {
        let text = write(&site.snapshot());
        let same = compared(&site, &text).unwrap();
        prop_assert!(same.change.is_empty() && same.differences.is_empty() && same.not_in_file.is_empty(), "{same:?}");
        let empty = emptied(&site);
        let made = compared(&empty, &text).unwrap();
        let after = applied(&empty, &made);
        prop_assert_eq!(essence(&after), essence(&site.records));
        let again = Site { records: after, ..empty };
        prop_assert_eq!(write(&again.snapshot()), text);
    }

    /// On its own site nothing is taken away by a line that is missing, and a damaged file is applied whole or not at all.
    #[test]
    fn a_damaged_file_takes_nothing_away_and_is_never_half_applied(
        site in sites(),
        damages in prop::collection::vec(damage(), 1..4),
        on_empty in any::<bool>(),
    ) {
        let text = damages.iter().fold(write(&site.snapshot()), |text, damage| damaged(&text, damage));
        let target = if on_empty { emptied(&site) } else { site };
        let before = target.records.clone();
        match compared(&target, &text) {
            Err(findings) => {
                prop_assert!(!findings.is_empty());
                prop_assert!(findings.iter().all(|finding| !finding.contains(char::is_control)), "{findings:?}");
            }
            Ok(compared) => {
                let after = applied(&target, &compared);
                prop_assert!(before.transaction_volumes.keys().all(|id| after.transaction_volumes.contains_key(id)));
                prop_assert!(before.backup_volumes.keys().all(|id| after.backup_volumes.contains_key(id)));
                let pairs = |records: &Records| records.map_sets.values().map(MapSet::pairs).sum::<usize>();
                prop_assert!(pairs(&before) <= pairs(&after));
                let policies = |records: &Records| records.transaction_volumes.values().filter(|one| one.policy.is_some()).count();
                prop_assert!(policies(&before) <= policies(&after));
            }
        }
    }

    #[test]
    fn no_bytes_make_a_site_file_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(file) = read(&bytes) {
            let _ = check(&file, std::str::from_utf8(&bytes).unwrap(), &Site::new().snapshot());
        }
    }
}

#[test]
fn a_line_that_is_taken_out_deletes_nothing() {
    let site = site(4, 6, &[1, 7, 13, 4, 5]);
    let text = write(&site.snapshot());
    let lines: Vec<&str> = text.lines().collect();
    for at in (0..lines.len()).filter(|at| lines[*at].starts_with("  ")) {
        let without: Vec<&str> = lines.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, line)| *line).collect();
        let compared = compared(&site, &without.join("\n")).unwrap();
        assert!(compared.change.is_empty(), "{}: {compared:?}", lines[at]);
        assert_eq!(compared.not_in_file.len(), 1, "{}", lines[at]);
    }
}

#[test]
fn every_error_of_a_file_is_reported_at_its_place() {
    let mut site = site(2, 3, &[2]);
    site.unregistered(0, 0x40, 48);
    let text = "format = 1
sit = \"x\"
transaction_volumes = [
  { volume = \"DEMO1/0x10\", name = \"db00\", color = \"red\" },
  { volume = \"DEMO9/0x10\" },
  { name = \"lost\" },
  { volume = 12, policy = { generations = \"many\", interval_day = 1 } },
]
backup_volumes = { }
hook = []
";
    assert_eq!(
        compared(&site, text).unwrap_err(),
        [
            "2:1 ecd-1230 there is no key \"sit\"; known are: format, site, arrays, transaction_volumes, backup_volumes, sets, map_sets",
            "4:43 ecd-1230 there is no key \"color\"; known are: volume, name, blocks, policy, group",
            "6:3 ecd-1230 the key volume is missing",
            "7:14 ecd-1230 here stands a number: write a text in quotes",
            "7:51 ecd-1230 there is no key \"interval_day\"; known are: floor, generations, grace, interval_days, min_interval, mode, reuse_oldest, window",
            "9:18 ecd-1230 here stands a table: write a list, [ ... ]",
            "10:1 ecd-1230 hook is configuration, not part of a site file; known are: format, site, arrays, transaction_volumes, backup_volumes, sets, map_sets",
        ]
    );
}

#[test]
fn every_disagreement_with_the_site_is_reported_at_its_place() {
    let mut site = site(2, 3, &[2]);
    site.unregistered(0, 0x40, 48);
    site.unregistered(0, 0x41, 24);
    site.unregistered(0, 0x42, 24);
    let text = "format = 1
site = \"other\"
transaction_volumes = [
  { volume = \"DEMO1/0x10\", name = \"db00\" },
  { volume = \"DEMO9/0x10\" },
  { volume = \"db01\" },
  { volume = \"DEMO1/0x40\", name = \"new\", blocks = 7 },
  { volume = \"DEMO1/0x41\", name = \"half\", policy = { generations = 200, interval_days = 1, mode = \"suspend\" } },
  { volume = \"DEMO1/0x99\" },
  { volume = \"DEMO1/0x100\" },
  { volume = \"DEMO1/0x10\" },
  { volume = \"DEMO1/0x42\", name = \"DB01\" },
  { volume = \"DEMO2/0x11\", policy = { generations = 70000 } },
]
[arrays]
DEMO1 = \"00ETERNUSDXL##ET08E21A####LN4310901099##\"
DEMO7 = \"00ETERNUSDXL##ET08E21A####LN4310901078##\"
[[map_sets]]
name = \"nights\"
[[map_sets.rounds]]
name = \"A\"
pairs = [ [\"db00\", \"nobody\"], [\"half\", \"DEMO1/0x100\"], [\"DEMO1/0x102\", \"DEMO2/0x101\"],
  [\"db00\", \"DEMO2/0x101\"], [\"db00\", \"DEMO1/0x102\"], [\"a\"] ]
";
    let one = "pairs = [ [\"db00\", \"nobody\"]";
    assert!(compared(&site, text).unwrap_err().iter().any(|line| line.starts_with("23:") && line.contains("has 1")));
    let text = text.replace(", [\"a\"]", "");
    assert!(text.contains(one));
    let findings = compared(&site, &text).unwrap_err();
    insta::assert_snapshot!(findings.join("\n"));
    assert!(findings.iter().any(|finding| finding.contains(&Code::NAME_TAKEN.to_string())));
}

#[test]
fn pairs_use_the_names_that_the_file_gives() {
    let mut site = Site::new();
    let (source, target) = (site.unregistered(0, 0x10, 48), site.unregistered(1, 0x20, 48));
    let text = "format = 1
transaction_volumes = [ { volume = \"DEMO1/0x10\", name = \"db\" } ]
backup_volumes = [ { volume = \"DEMO2/0x20\", name = \"spare\" } ]
[[map_sets]]
name = \"nights\"
rounds = [ { name = \"A\", pairs = [ [\"db\", \"spare\"] ] } ]
";
    let compared = compared(&site, text).unwrap();
    let after = applied(&site, &compared);
    let row = after.map_sets.values().next().unwrap().rows().next().unwrap().1.clone();
    assert_eq!((row.transaction_volume, row.backup_volume), (source, target));
    let texts: Vec<&str> = compared.differences.iter().map(|one| one.text.as_str()).collect();
    assert_eq!(texts[0], "DEMO1/0x10: transaction volume db, 48 MiB");
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert_eq!(volume(0, 0x10), source);
}

#[test]
fn a_set_of_the_file_has_volumes_of_the_file_and_takes_none_out() {
    let mut site = Site::new();
    let (old, new) = (site.transaction_volume("db00", 0, 0x10, 48), site.unregistered(0, 0x11, 48));
    site.backup_volume(0, 0x20, 48);
    let other = site.transaction_volume("web", 0, 0x12, 48);
    let set = |name: &str, ids: &[VolumeId]| VolumeSet::new(name.parse().unwrap(), ids.to_vec());
    site.records.apply(&Change::Entity(EntityChange::PutVolumeSet(set("erp", &[old])))).unwrap();
    site.records.apply(&Change::Entity(EntityChange::PutVolumeSet(set("shop", &[other])))).unwrap();
    let text = "format = 1
transaction_volumes = [ { volume = \"DEMO1/0x11\", name = \"db01\" } ]
[[sets]]
name = \"erp\"
members = [ \"db01\" ]
";
    let good = compared(&site, text).unwrap();
    assert_eq!(
        applied(&site, &good).volume_sets.values().cloned().collect::<Vec<_>>(),
        [set("erp", &[old, new]), set("shop", &[other])]
    );
    let wrong = format!(
        "{text}[[sets]]\nname = \"erp\"\nmembers = []\n[[sets]]\nname = \"two\"\nmembers = [ \"db01\", \"web\", \"nobody\", \"DEMO1/0x20\" ]\n[[sets]]\nname = \"none\"\n"
    );
    assert_eq!(
        compared(&site, &wrong).unwrap_err(),
        [
            "7:8 ecd-1230 set erp is in line 4 too",
            "11:13 ecd-1230 db01 is in a set in line 5 too",
            "11:28 ecd-1230 there is no volume nobody",
            "11:38 ecd-1230 DEMO1/0x20 is no transaction volume of this site or file",
            "13:8 ecd-1230 set none has no volume",
        ]
    );
    let taken = format!("{text}[[sets]]\nname = \"two\"\nmembers = [ \"web\" ]\n");
    assert_eq!(compared(&site, &taken).unwrap_err(), ["8:13 ecd-1241 web is in set shop already"]);
}
