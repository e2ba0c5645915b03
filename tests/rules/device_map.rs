//! Device maps on a site: every finding at its place, and no pair that the rules forbid.

use crate::named_pools::{becomes_a_copy, becomes_a_group};
use crate::site::{Site, round, start};
use ecdeck::model::codes::Code;
use ecdeck::model::device_map::{self, CheckedPair, Finding, Severity, check, parse};
use ecdeck::model::plan::plan;
use ecdeck::model::request::{Action, Request};
use ecdeck::model::session::{Phase, Status};
use ecdeck::model::snapshot::Snapshot;

fn checked(snapshot: &Snapshot, text: &str) -> (Vec<CheckedPair>, Vec<Finding>) {
    check(&parse(text.as_bytes()).unwrap(), snapshot)
}

fn codes(findings: &[Finding]) -> Vec<(usize, usize, Severity, Code)> {
    findings.iter().map(|finding| (finding.line, finding.column, finding.severity, finding.code)).collect()
}

#[test]
fn a_sound_map_has_no_finding_by_any_name() {
    let (site, db, [first, second, _]) = round();
    let snapshot = site.snapshot();
    let name = snapshot.label(db);
    for backup in [snapshot.label(first), first.to_string()] {
        let (pairs, findings) = checked(&snapshot, &format!("# night A\n{name}\t{backup} # why\n"));
        assert_eq!(findings, []);
        assert_eq!(pairs, [CheckedPair { line: 2, transaction: db, backup: first }]);
    }
    let (pairs, _) = checked(&snapshot, &format!("{db} {second}"));
    assert_eq!(pairs[0].backup, second);
}

#[test]
fn a_bare_name_is_a_group_of_the_maps_host_and_of_no_other() {
    let (mut site, db, [first, second, _]) = round();
    becomes_a_group(&mut site, db);
    becomes_a_copy(&mut site, first, ("vg01b", "p2", "lab-2"));
    becomes_a_copy(&mut site, second, ("vg01c", "p3", "lab-3"));
    let snapshot = site.snapshot();
    let pair = |line, backup| CheckedPair { line, transaction: db, backup };
    // With the host in each name, above the lines, or said by whoever reads the file; a later line says something else.
    for (text, line) in
        [("db03:vg01 db03:vg01b", 1), ("# host: db03\nvg01 vg01b", 2), ("# host: db09\n# host: db03\nvg01 vg01b", 3)]
    {
        assert_eq!(checked(&snapshot, text), (vec![pair(line, first)], Vec::new()), "{text}");
    }
    let mut map = parse(b"vg01 vg01b\n# round: B\n# host: db09\nvg01 vg01c\n").unwrap();
    map.host = Some("db03".parse().unwrap());
    let (pairs, findings) = check(&map, &snapshot);
    assert_eq!(pairs, [pair(1, first)]);
    let words: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
    let unknown = |name: &str| format!("no volume is called {name}, and no volume group of db09");
    assert_eq!(words, [unknown("vg01"), unknown("vg01c")]);
    // Without a host it is said what to write; a registered name needs none.
    let (_, findings) = checked(&snapshot, &format!("{} vg01b", snapshot.label(db)));
    assert_eq!(codes(&findings).iter().map(|found| found.3).collect::<Vec<_>>(), [Code::UNKNOWN_VOLUME]);
    assert_eq!(findings[0].text, "vg01b is a volume group, and the map does not say of which host");
    assert_eq!(findings[0].help, "write db03:vg01b, or a line `# host: db03` above it");
    let (_, findings) = checked(&snapshot, &format!("{db} db09:vg01b\n/dev/sdb {first}"));
    assert_eq!(findings[0].text, "no volume is called db09:vg01b");
    assert!(findings[1].text.starts_with("/dev/sdb is a name that a host gives to a disk"), "{findings:?}");
    // The same words in all verbs.
    assert_eq!(snapshot.find("db03:vg01"), Some(db));
    assert_eq!(snapshot.find("db03:vg01b"), Some(first));
    assert_eq!(site.records.meant("db03:vg01c"), Some(second));
    assert_eq!((snapshot.find("db09:vg01"), site.records.meant("db09:vg01")), (None, None));
}

#[test]
fn a_name_that_two_volumes_answer_to_is_neither() {
    let (mut site, db, [first, second, third]) = round();
    for backup in [first, second] {
        becomes_a_copy(&mut site, backup, ("vg01b", "p2", "lab-2"));
    }
    becomes_a_copy(&mut site, third, ("other", "p2", "lab-4"));
    site.transaction_volume("other", 0, 0x90, 48);
    let snapshot = site.snapshot();
    let (pairs, findings) = checked(&snapshot, &format!("# host: db03\n{db} vg01b\n{db} other\n"));
    assert_eq!(pairs, []);
    assert_eq!(findings[0].text, "vg01b is the name of two volumes");
    assert_eq!(findings[1].text, "other is a registered volume, and another one is the volume group db03:other");
    assert_eq!((snapshot.find("db03:vg01b"), site.records.meant("db03:vg01b")), (None, None));
}

#[test]
fn each_wrong_line_stops_only_itself() {
    let (mut site, db, [first, second, third]) = round();
    let other = site.transaction_volume("other", 0, 0x90, 48);
    let small = site.backup_volume(0, 0x91, 16);
    let plain = site.unregistered(0, 0x92, 48);
    let snapshot = site.snapshot();
    let text =
        format!("nobody {first}\n{other} {other}\n{other} nowhere\n{first} {second}\n{db} {third}\n{db} {first}\n");
    let (pairs, findings) = checked(&snapshot, &text);
    let column = |id: ecdeck::model::identity::VolumeId| id.to_string().len() + 2;
    assert_eq!(
        codes(&findings),
        [
            (1, 1, Severity::Error, Code::UNKNOWN_VOLUME),
            (2, column(other), Severity::Error, Code::MAP_DUPLICATE),
            (3, column(other), Severity::Error, Code::UNKNOWN_VOLUME),
            (3, 1, Severity::Error, Code::MAP_DUPLICATE),
            (4, 1, Severity::Error, Code::NOT_A_TRANSACTION_VOLUME),
            (6, 1, Severity::Error, Code::MAP_DUPLICATE),
            (6, column(db), Severity::Error, Code::MAP_DUPLICATE),
        ]
    );
    assert_eq!(pairs, [CheckedPair { line: 5, transaction: db, backup: third }]);
    for (backup, code) in [(small, Code::UNEQUAL_SIZE), (plain, Code::NOT_A_BACKUP_VOLUME)] {
        let (pairs, findings) = checked(&snapshot, &format!("{db} {backup}"));
        assert_eq!((pairs.len(), findings[0].code, findings[0].severity), (0, code, Severity::Error));
    }
}

#[test]
fn a_kept_generation_is_not_now_and_never_ended() {
    let (mut site, db, [first, ..]) = round();
    site.session(db, first, Status::Suspended, Phase::Tracking);
    site.generation(db, first);
    let snapshot = site.snapshot();
    let (pairs, findings) = checked(&snapshot, &format!("{db} {first}"));
    assert_eq!(codes(&findings)[0].2, Severity::NotNow);
    assert_eq!(findings[0].code, Code::MAP_HOLDS_A_VERSION);
    assert!(findings[0].text.contains("holds v1"), "{}", findings[0].text);
    let targets = pairs.iter().map(|pair| (pair.transaction, pair.backup)).collect();
    let action = Action::Start { volumes: vec![db], targets, together: false };
    assert_eq!(plan(&snapshot, &Request::new(action)).unwrap_err().code, Code::HOLDS_A_GENERATION);
}

#[test]
fn a_volume_bound_to_another_is_an_error_and_a_live_pair_is_none() {
    let (mut site, db, [first, second, _]) = round();
    let other = site.transaction_volume("other", 0, 0x90, 48);
    site.session(other, first, Status::Suspended, Phase::Tracking);
    site.session(db, second, Status::Active, Phase::Copying);
    let snapshot = site.snapshot();
    let (_, findings) = checked(&snapshot, &format!("{db} {first}"));
    assert_eq!((findings[0].code, findings[0].severity), (Code::BOUND_TO_ANOTHER, Severity::Error));
    assert_eq!(checked(&snapshot, &format!("{db} {second}")).1, []);
    let (_, findings) = checked(&snapshot, &format!("{other} {second}"));
    assert_eq!((findings[0].code, findings[0].severity), (Code::BACKUP_VOLUME_BUSY, Severity::NotNow));
}

/// What the check lets through without a finding, a start takes.
#[test]
fn pairs_without_a_finding_are_what_a_start_takes() {
    let (site, db, backups): (Site, _, _) = round();
    let snapshot = site.snapshot();
    for backup in backups {
        let (pairs, findings) = checked(&snapshot, &device_map::write([(&*db.to_string(), &*backup.to_string())]));
        assert_eq!((pairs.len(), findings.len()), (1, 0));
        let targets = vec![(db, backup)];
        let Action::Start { volumes, together, .. } = start(&[db]) else { unreachable!() };
        let planned = plan(&snapshot, &Request::new(Action::Start { volumes, targets, together })).unwrap();
        assert!(planned.items()[0].claims.contains(&backup));
    }
}
