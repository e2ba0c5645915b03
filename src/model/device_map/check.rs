//! What is wrong with a map on a site, by the rules that a start uses.

use super::{DeviceMap, Finding, MapRow, NamedPair, PlacedName, Severity};
use crate::model::codes::Code;
use crate::model::identity::{Name, VolumeId};
use crate::model::plan;
use crate::model::snapshot::Snapshot;
use std::collections::{BTreeMap, BTreeSet};

/// A pair whose names are known and that nothing forbids for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedPair {
    /// Line of the map, from 1.
    pub line: usize,
    pub transaction: VolumeId,
    pub backup: VolumeId,
}

/// A pair of a map that the catalogue can keep, with its names as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedPair {
    /// Line of the map, from 1.
    pub line: usize,
    pub row: MapRow,
}

/// The pairs that can be used, and every finding in the order of lines. A finding stops its own transaction volume only.
pub fn check(map: &DeviceMap, snapshot: &Snapshot) -> (Vec<CheckedPair>, Vec<Finding>) {
    let (mut usable, mut findings) = (Vec::new(), Vec::new());
    for examined in examine(map, snapshot) {
        let stopped = examined.findings.iter().any(|finding| finding.severity != Severity::NotNow);
        if let (Some((transaction, backup)), false) = (examined.volumes, stopped) {
            usable.push(CheckedPair { line: examined.pair.line, transaction, backup });
        }
        findings.extend(examined.findings);
    }
    (usable, findings)
}

/// The pairs that a map set may keep, and what keeps the others out: unknown names, wrong roles, unequal sizes, volumes that
/// are named twice or that another map set has. What only the present state forbids passes by, so it is no finding here.
pub fn resolve(map: &DeviceMap, snapshot: &Snapshot, set: &Name) -> (Vec<ResolvedPair>, Vec<Finding>) {
    let others = snapshot.map_sets.iter().filter(|other| other.name != *set);
    let taken: BTreeMap<VolumeId, &Name> =
        others.flat_map(|other| other.transaction_volumes().into_iter().map(move |id| (id, &other.name))).collect();
    let (mut kept, mut findings) = (Vec::new(), Vec::new());
    for mut examined in examine(map, snapshot) {
        examined.findings.retain(|finding| lasts(finding.code));
        if let Some((id, other)) = examined.volumes.and_then(|(id, _)| Some((id, taken.get(&id)?))) {
            examined.findings.push(Finding {
                text: format!("{} is in map set {other} already", snapshot.label(id)),
                help: format!("remove it from {other} first: `ecdeck map edit {other}`"),
                volume: Some(id),
                ..at(examined.pair, &examined.pair.transaction, Severity::Error, Code::MAP_IN_ANOTHER_SET)
            });
        }
        if let (Some((transaction_volume, backup_volume)), true) = (examined.volumes, examined.findings.is_empty()) {
            let row = MapRow {
                transaction_volume,
                backup_volume,
                transaction_name: examined.pair.transaction.text.clone(),
                backup_name: examined.pair.backup.text.clone(),
            };
            kept.push(ResolvedPair { line: examined.pair.line, row });
        }
        findings.append(&mut examined.findings);
    }
    (kept, findings)
}

/// One pair of a map, with everything that is wrong with it.
struct Examined<'a> {
    pair: &'a NamedPair,
    /// Where both names are known.
    volumes: Option<(VolumeId, VolumeId)>,
    findings: Vec<Finding>,
}

fn examine<'a>(map: &'a DeviceMap, snapshot: &Snapshot) -> Vec<Examined<'a>> {
    let names = Names::new(snapshot);
    let mut transactions: BTreeMap<VolumeId, usize> = BTreeMap::new();
    let mut backups: BTreeMap<VolumeId, usize> = BTreeMap::new();
    let mut marks = map.rounds.iter().peekable();
    let mut examined = Vec::with_capacity(map.pairs.len());
    for pair in &map.pairs {
        // Another round is another map: it may name the same volumes.
        while marks.next_if(|mark| mark.line < pair.line).is_some() {
            transactions.clear();
            backups.clear();
        }
        let host = map.host_at(pair.line);
        let (transaction, backup) = (names.find(&pair.transaction, host), names.find(&pair.backup, host));
        let mut findings = Vec::new();
        let mut found = |place: &PlacedName, severity, code, text: String, help: String| {
            findings.push(Finding { text, help, volume: transaction.ok(), ..at(pair, place, severity, code) });
        };
        for (place, name) in [(&pair.transaction, transaction), (&pair.backup, backup)] {
            if let Err(why) = name {
                let (text, help) = names.words(place, host, why);
                found(place, Severity::Error, Code::UNKNOWN_VOLUME, text, help);
            }
        }
        let mut twice = false;
        for (place, id, seen) in
            [(&pair.transaction, transaction, &mut transactions), (&pair.backup, backup, &mut backups)]
        {
            let Ok(id) = id else { continue };
            if let Some(first) = seen.get(&id) {
                let text = format!("{} is in line {first} already", place.text.escaped());
                found(place, Severity::Error, Code::MAP_DUPLICATE, text, "keep one of the two lines".to_owned());
                twice = true;
            } else {
                seen.insert(id, pair.line);
            }
        }
        let volumes = transaction.ok().zip(backup.ok());
        if let (Some((transaction, backup)), false) = (volumes, twice) {
            if transaction == backup {
                let text = "this is the transaction volume itself".to_owned();
                found(&pair.backup, Severity::Error, Code::MAP_DUPLICATE, text, "name a backup volume".to_owned());
            } else if let Err(refusal) = plan::pairing(snapshot, transaction, backup) {
                let (severity, code) = judged(refusal.code);
                let place =
                    if refusal.code == Code::NOT_A_TRANSACTION_VOLUME { &pair.transaction } else { &pair.backup };
                let help = refusal.code.explain().map_or("", |row| row.remedy);
                found(place, severity, code, refusal.reason, help.to_owned());
            }
        }
        examined.push(Examined { pair, volumes, findings });
    }
    examined
}

/// A finding at a place, still without its words.
fn at(pair: &NamedPair, place: &PlacedName, severity: Severity, code: Code) -> Finding {
    let (line, column, width) = (pair.line, place.column, place.width.max(1));
    Finding { severity, line, column, width, code, text: String::new(), help: String::new(), volume: None }
}

/// What passes by itself or with the next backups is not an error of the map.
fn judged(code: Code) -> (Severity, Code) {
    match code {
        Code::HOLDS_A_GENERATION => (Severity::NotNow, Code::MAP_HOLDS_A_VERSION),
        Code::BACKUP_VOLUME_BUSY
        | Code::HELD_BY_OTHER
        | Code::ERROR_SUSPENDED
        | Code::ARRAY_STALE
        | Code::ARRAY_UNREACHABLE => (Severity::NotNow, code),
        _ => (Severity::Error, code),
    }
}

/// Whether a pair stays wrong whatever the arrays do: such a pair is not kept in the catalogue.
pub(super) fn lasts(code: Code) -> bool {
    matches!(
        code,
        Code::UNKNOWN_VOLUME
            | Code::MAP_DUPLICATE
            | Code::NOT_A_TRANSACTION_VOLUME
            | Code::NOT_A_BACKUP_VOLUME
            | Code::UNEQUAL_SIZE
            | Code::MAP_IN_ANOTHER_SET
    )
}

/// Why a name is of no volume.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NotFound {
    Unknown,
    Ambiguous,
    /// A registered volume and a volume group of the map's host are called so, and are not the same.
    AlsoGroup,
    /// It is the name of a volume group, and the map names no host.
    NoHost,
    /// A name that a host gives to a disk.
    Device,
}

/// Registered names, looked up fast: a map may have ten thousand lines.
struct Names<'a> {
    snapshot: &'a Snapshot,
    registered: BTreeMap<&'a str, VolumeId>,
    /// Names that more than one volume answers to.
    twice: BTreeSet<&'a str>,
    /// Volume groups, by host and name. `None`: two volumes answer to it.
    groups: BTreeMap<(&'a str, &'a str), Option<VolumeId>>,
}

impl<'a> Names<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let transactions = snapshot.transaction_volumes.iter().map(|view| (view.volume.name.as_str(), view.volume.id));
        let pool = snapshot.pool.iter().filter_map(|view| Some((view.volume.name.as_ref()?.as_str(), view.volume.id)));
        let (mut registered, mut twice) = (BTreeMap::new(), BTreeSet::new());
        for (name, id) in transactions.chain(pool) {
            if registered.insert(name, id).is_some_and(|other| other != id) {
                twice.insert(name);
            }
        }
        let transactions = snapshot.transaction_volumes.iter().filter_map(|view| {
            let group = view.volume.group.as_ref()?;
            Some(((group.host.as_str(), group.name.as_str()), view.volume.id))
        });
        let backups = snapshot.pool.iter().filter_map(|view| {
            let group = view.volume.group.as_ref()?;
            Some(((group.host.as_str(), group.identity.name.as_str()), view.volume.id))
        });
        let mut groups = BTreeMap::new();
        for (place, id) in transactions.chain(backups) {
            groups.entry(place).and_modify(|known| *known = None).or_insert(Some(id));
        }
        Self { snapshot, registered, twice, groups }
    }

    /// The volume that a name means: a registered name, `ARRAY/0x21`, `HOST:VG`, or a volume group of the map's host. A group
    /// is never searched on other hosts.
    fn find(&self, place: &PlacedName, host: Option<&Name>) -> Result<VolumeId, NotFound> {
        let text = place.text.raw();
        if self.twice.contains(text) {
            return Err(NotFound::Ambiguous);
        }
        let of = |host: &str, group: &str| match self.groups.get(&(host, group)) {
            Some(Some(id)) => Ok(Some(*id)),
            Some(None) => Err(NotFound::Ambiguous),
            None => Ok(None),
        };
        let group = match (text.split_once(':'), host) {
            (Some((host, group)), _) => of(host, group)?,
            (None, Some(host)) => of(host.as_str(), text)?,
            (None, None) => None,
        };
        let registered = self.registered.get(text).copied();
        if let (Some(group), Some(registered)) = (group, registered)
            && group != registered
        {
            return Err(NotFound::AlsoGroup);
        }
        let is_group = || host.is_none() && self.groups.keys().any(|(_, group)| *group == text);
        registered.or(group).or_else(|| self.snapshot.located(text)).ok_or_else(|| match text {
            _ if text.contains("/dev/") => NotFound::Device,
            _ if is_group() => NotFound::NoHost,
            _ => NotFound::Unknown,
        })
    }

    /// What is wrong with a name, and what to do.
    fn words(&self, place: &PlacedName, host: Option<&Name>, why: NotFound) -> (String, String) {
        let name = place.text.escaped();
        let whole = "write ARRAY/0x21 instead of the name".to_owned();
        match (why, host) {
            (NotFound::Ambiguous, _) => (format!("{name} is the name of two volumes"), whole),
            (NotFound::AlsoGroup, Some(host)) => {
                (format!("{name} is a registered volume, and another one is the volume group {host}:{name}"), whole)
            }
            (NotFound::NoHost, _) => {
                let hosts = self.groups.keys().filter(|(_, group)| *group == place.text.raw()).map(|(host, _)| *host);
                let one: Vec<&str> = hosts.take(1).collect();
                let help = format!("write {}:{name}, or a line `# host: {0}` above it", one.concat());
                (format!("{name} is a volume group, and the map does not say of which host"), help)
            }
            (NotFound::Device, _) => (
                format!("{name} is a name that a host gives to a disk; a map names volumes of arrays"),
                "`ecdeck host show HOST` shows which array volume a disk is".to_owned(),
            ),
            (_, Some(host)) if !place.text.raw().contains([':', '/']) => (
                format!("no volume is called {name}, and no volume group of {host}"),
                "`ecdeck volume list` shows the names".to_owned(),
            ),
            _ => (format!("no volume is called {name}"), "`ecdeck volume list` shows the names".to_owned()),
        }
    }
}
