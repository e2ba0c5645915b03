//! `acec`, `acopc`, `accopy`: what is copied, and commanding it.

use super::inventory::{array_failed, no_pair};
use super::line::{Asked, Line};
use super::output::{Output, PairResult, Table};
use super::{Answer, Emulation, Failure, Member};
use crate::driver::ccm::names::GroupType;
use crate::model::copy::{Command, ErrorClass, Outcome, PairOutcome};
use crate::model::identity::{BoxId, VolumeId};
use crate::model::session::{
    Automation, CopyKind, Direction, Pair, Phase, RecModes, SessionReading, Status, TransferMode,
};
use crate::model::units::Blocks;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

/// The array's own time for one call.
const LIMIT: Duration = Duration::from_secs(30);

const GROUP_TITLES: [&[&str]; 2] = [
    &["Source", "<=>", "Target", "SID", "EC Status", "Copy Phase", "Copied Block"],
    &["Source", "<=>", "Target", "SID", "OPC Status", "Copy Phase", "Copied Block"],
];
const ALL_TITLES: &[&str] = &["Source", "<=>", "Target", "SID", "Type", "Status", "Phase", "Copied Block"];
/// The strict profile's titles: the last but one pair is in no table, so that an operator has to say what they are.
const STRICT_GROUP_TITLES: &[&str] =
    &["Source", "<=>", "Target", "Session Number", "Copy State", "Copy Stage", "Copied Block"];
const STRICT_ALL_TITLES: &[&str] =
    &["Copy Source", "<=>", "Copy Target", "Session ID", "Session Type", "Copy State", "Copy Stage", "Copied Block"];

impl Emulation {
    pub(super) async fn query(&self, line: &Line<'_>) -> Answer {
        let name = line.needed("-g");
        let group = self.group(name)?;
        if !line.fits(group.group_type()) {
            return Err(line.wrong());
        }
        let pairs = self.named_pairs(line)?;
        let sessions = self.sessions_of(&pairs).await?;
        let sizes = self.sizes_for(sessions.iter().flatten()).await?;
        let mut list =
            vec![("Copy Group Name", name.to_owned()), ("Copy Group Type", group.group_type().word().to_owned())];
        for (title, array) in ["Disk Array Name", "Disk Array Name (Target)"].iter().zip(&group.arrays) {
            list.push((title, format!("{array} ({})", self.member(array)?.box_id.as_str())));
        }
        let rows = pairs
            .iter()
            .zip(&sessions)
            .map(|(pair, session)| {
                let mut row = self.row(pair, session.as_ref(), &sizes);
                row.remove(4);
                row
            })
            .collect();
        let titles = if self.profile.strict { STRICT_GROUP_TITLES } else { GROUP_TITLES[usize::from(line.opc)] };
        Ok(Output::Display { list, table: Some(Table { titles, rows }) })
    }

    pub(super) async fn all_copies(&self, line: &Line<'_>) -> Answer {
        let member = self.member(line.needed("-a"))?;
        let wanted: Box<dyn Fn(&SessionReading) -> bool + Send> =
            match (line.option("-type"), line.option("-sa"), line.option("-ta")) {
                (Some("all"), None, None) => Box::new(|_| true),
                (Some("local"), None, None) => Box::new(|session| session.pair.kind != CopyKind::Rec),
                (Some("remote"), None, None) => Box::new(|session| session.pair.kind == CopyKind::Rec),
                (Some("odx"), None, None) => Box::new(|_| false),
                (None, Some(source), Some(target)) => {
                    let (source, target) = (self.box_named(source)?, self.box_named(target)?);
                    Box::new(move |session| {
                        session.pair.source.box_id == source && session.pair.target.box_id == target
                    })
                }
                _ => return Err(line.wrong()),
            };
        let sessions = sessions(member).await?;
        let sizes = self.sizes_for(&sessions).await?;
        let mut rows: Vec<Vec<String>> = sessions
            .iter()
            .filter(|session| wanted(session))
            .map(|session| self.row(&session.pair, Some(session), &sizes))
            .collect();
        if self.profile.strict && matches!(line.option("-type"), Some("all" | "local")) {
            // Updates of a volume are estimated by a session that has no target.
            let estimation = ["", "N/A", "-", "0x7f01", "Estimation", "\"Snap Executing\"", "\"N/A\"", "0"];
            let mut row: Vec<String> = estimation.map(str::to_owned).into();
            row[0] = format!("{}/0xfffe", member.name);
            rows.push(row);
        }
        let titles = if self.profile.strict { STRICT_ALL_TITLES } else { ALL_TITLES };
        Ok(Output::Display { list: Vec::new(), table: Some(Table { titles, rows }) })
    }

    fn box_named(&self, name: &str) -> Result<BoxId, Failure> {
        self.member(name).map(|member| member.box_id).or_else(|unknown| name.parse().map_err(|_| unknown))
    }

    /// The sizes of the sources whose copies are paired: the manuals show the number of all their blocks as copied.
    async fn sizes_for(
        &self,
        sessions: impl IntoIterator<Item = &SessionReading>,
    ) -> Result<BTreeMap<VolumeId, Blocks>, Failure> {
        let paired = sessions.into_iter().filter(|session| session.phase == Phase::Equivalent);
        let boxes: BTreeSet<BoxId> = paired.map(|session| session.pair.source.box_id).collect();
        let mut sizes = BTreeMap::new();
        for member in self.members.iter().filter(|member| boxes.contains(&member.box_id)) {
            let volumes = member.driver.volumes().await;
            let volumes = volumes.map_err(|wrong| array_failed("STXCopy.LIST", &wrong.detail.escaped()))?;
            sizes.extend(volumes.into_iter().map(|volume| (volume.id, volume.blocks)));
        }
        Ok(sizes)
    }

    /// The columns of [`ALL_TITLES`].
    fn row(&self, pair: &Pair, session: Option<&SessionReading>, sizes: &BTreeMap<VolumeId, Blocks>) -> Vec<String> {
        let na = || "N/A".to_owned();
        let kind = pair.kind;
        let (direction, sid, copied) = match session {
            None => (na(), na(), na()),
            Some(session) => (
                if session.direction == Direction::Reversed && !self.profile.strict { "<==" } else { "==>" }.to_owned(),
                format!("0x{:x}", session.sid),
                match session.progress {
                    Some(progress) => progress.done.0.to_string(),
                    None if session.phase == Phase::Equivalent => {
                        sizes.get(&pair.source).map_or_else(na, |blocks| blocks.0.to_string())
                    }
                    None => na(),
                },
            ),
        };
        // Where no arrow shows it, a reversed pair stands the other way round.
        let turned = self.profile.strict && session.is_some_and(|session| session.direction == Direction::Reversed);
        let (source, target) = if turned { (pair.target, pair.source) } else { (pair.source, pair.target) };
        vec![
            self.volume_written(source),
            direction,
            self.volume_written(target),
            sid,
            kind.to_string(),
            format!("\"{}\"", status_word(kind, session)),
            format!("\"{}\"", phase_word(session)),
            copied,
        ]
    }

    /// The pairs that a line is about: the one that it names, or all of the group.
    fn named_pairs(&self, line: &Line<'_>) -> Result<Vec<Pair>, Failure> {
        let group = self.group(line.needed("-g"))?;
        match line.option("-p") {
            None => Ok(group.pairs),
            Some(text) => {
                let pair = self.pair(text, group.group_type()).ok_or_else(|| line.wrong())?;
                if group.pairs.contains(&pair) { Ok(vec![pair]) } else { Err(no_pair(text)) }
            }
        }
    }

    /// The sessions of pairs as the boxes of their sources report them, in order.
    pub(super) async fn sessions_of(&self, pairs: &[Pair]) -> Result<Vec<Option<SessionReading>>, Failure> {
        let mut by_box: BTreeMap<BoxId, Vec<SessionReading>> = BTreeMap::new();
        for pair in pairs {
            let source = pair.source.box_id;
            if let Entry::Vacant(entry) = by_box.entry(source) {
                entry.insert(sessions(self.member(source.as_str())?).await?);
            }
        }
        Ok(pairs
            .iter()
            .map(|pair| by_box.get(&pair.source.box_id)?.iter().find(|session| session.pair == *pair).cloned())
            .collect())
    }

    pub(super) async fn execute(&self, line: &Line<'_>) -> Answer {
        let group = self.group(line.needed("-g"))?;
        if !line.fits(group.group_type()) {
            return Err(line.wrong());
        }
        let given = Given::read(line, group.group_type())?;
        let pairs = self.commanded_pairs(line, &group.pairs)?;
        let members: Vec<Pair> = pairs.iter().map(|pair| member_of_group(pair, &group.pairs)).collect();
        let sessions = self.sessions_of(&members).await?;
        let mut results = Vec::new();
        for (pair, session) in pairs.iter().zip(sessions) {
            let object = self.written(pair);
            let admitted = if self.profile.strict { refused_strictly(line, session.as_ref()) } else { Ok(()) };
            let command = admitted.and_then(|()| command(line, *pair, session.as_ref(), given));
            let outcome = match command {
                Ok(command) => self.one(line, command).await,
                Err(message) => Err(message),
            };
            results.push(PairResult { object, outcome });
        }
        Ok(Output::Results(results))
    }

    /// As [`Self::named_pairs`]; a reversed pair is turned back by naming it the other way round.
    fn commanded_pairs(&self, line: &Line<'_>, of_group: &[Pair]) -> Result<Vec<Pair>, Failure> {
        let turned = line.option("-p").filter(|_| line.asked == Asked::Reverse).and_then(|text| {
            let (source, target) = text.split_once(':')?;
            let pair = self.pair(&format!("{target}:{source}"), GroupType::Ec)?;
            of_group.contains(&pair).then(|| swapped(&pair))
        });
        turned.map_or_else(|| self.named_pairs(line), |pair| Ok(vec![pair]))
    }

    /// Commands one pair and says it as CCM does.
    async fn one(&self, line: &Line<'_>, command: Command) -> Result<Vec<String>, String> {
        let Some(pair) = command.pairs().first().copied() else { return Err(String::new()) };
        let function = function(line);
        let member = self.member(pair.source.box_id.as_str()).map_err(|failure| failure.message)?;
        let starts = matches!(command, Command::Start { .. } | Command::Resume { .. } | Command::StartOpc { .. });
        let outcomes = member.driver.execute(command, LIMIT).await;
        let failed = |why: String| Err(array_failed(function, &why).message);
        let in_words = self.profile.strict;
        match outcomes.into_iter().next() {
            Some(PairOutcome { outcome: Outcome::Done | Outcome::Accepted, .. }) => Ok(record(line, &pair, starts)),
            Some(PairOutcome { outcome: Outcome::AlreadyDone, .. }) if in_words => {
                failed(format!("The copy session is {} already.", already_in_words(line.asked)))
            }
            Some(PairOutcome { outcome: Outcome::AlreadyDone, .. }) => {
                failed(format!("{} it is so already", already(line.asked)))
            }
            Some(PairOutcome { outcome: Outcome::Refused(refusal), .. }) if refusal.class == ErrorClass::NotFound => {
                Err(format!("ccm4012 There is no copy session. {}", refusal.text.escaped()))
            }
            Some(PairOutcome { outcome: Outcome::Refused(refusal), .. }) if in_words => {
                failed(if refusal.class == ErrorClass::Busy { BUSY.to_owned() } else { refusal.text.escaped() })
            }
            Some(PairOutcome { outcome: Outcome::Refused(refusal), .. }) => {
                failed(format!("{} {}", refusal.code, refusal.text.escaped()))
            }
            Some(PairOutcome { outcome: Outcome::Unknown { why }, .. }) => {
                failed(format!("the array did not answer: {why}"))
            }
            None => failed("the array said nothing".to_owned()),
        }
    }
}

async fn sessions(member: &Member) -> Result<Vec<SessionReading>, Failure> {
    let now = crate::process::clock::now();
    let reading =
        member.driver.sessions(now).await.map_err(|wrong| array_failed("STXCopy.LIST", &wrong.detail.escaped()))?;
    Ok(reading.sessions)
}

/// What a line means for a pair in its state. CCM checks some states by itself before it asks the array.
fn command(line: &Line<'_>, pair: Pair, session: Option<&SessionReading>, given: Given) -> Result<Command, String> {
    let pairs = vec![pair];
    let force = line.flag("-force");
    let no_session = || "ccm4012 There is no copy session.".to_owned();
    let suspended = session.is_some_and(|session| session.status == Status::Suspended);
    Ok(match line.asked {
        Asked::Start if line.opc && session.is_some() => {
            return Err("ccm4014 The state of the copy session forbids it.".to_owned());
        }
        Asked::Start if line.opc => Command::StartOpc { pairs },
        Asked::Start if suspended => Command::Resume { pairs },
        Asked::Start => Command::Start { pairs, modes: given.of_start() },
        _ if session.is_none() => return Err(no_session()),
        Asked::Resume => Command::Resume { pairs },
        Asked::Suspend => Command::Suspend { pairs, force, together: false },
        Asked::Reverse => Command::Reverse { pairs },
        Asked::Change => {
            let modes = given.upon(session.and_then(|session| session.modes).unwrap_or_default());
            Command::ChangeMode { pairs, modes }
        }
        _ => Command::Stop { pairs, force },
    })
}

const BUSY: &str = "The storage device is busy. Please retry.";

/// What the manuals leave open and a strict CCM refuses, in words.
fn refused_strictly(line: &Line<'_>, session: Option<&SessionReading>) -> Result<(), String> {
    let Some(session) = session else { return Ok(()) };
    let failed = |why: &str| Err(array_failed(function(line), why).message);
    let consistency = session.modes.is_some_and(|modes| modes.transfer == TransferMode::Consistency);
    match line.asked {
        Asked::Start if !line.opc => failed("The copy session already exists."),
        Asked::Cancel if consistency && session.pair.kind == CopyKind::Rec && !line.flag("-force") => {
            failed("Only possible with force.")
        }
        _ => Ok(()),
    }
}

fn already_in_words(asked: Asked) -> &'static str {
    match asked {
        Asked::Start | Asked::Resume => "active",
        Asked::Suspend => "suspended",
        Asked::Reverse => "reversed",
        _ => "stopped",
    }
}

fn swapped(pair: &Pair) -> Pair {
    Pair { source: pair.target, target: pair.source, kind: pair.kind }
}

/// The pair as its group has it, whichever way round it was named.
fn member_of_group(pair: &Pair, of_group: &[Pair]) -> Pair {
    if of_group.contains(pair) { *pair } else { swapped(pair) }
}

/// The array's code for what is so already; the driver's answer has none.
fn already(asked: Asked) -> &'static str {
    match asked {
        Asked::Start => "E5342",
        Asked::Reverse => "E5330",
        Asked::Resume => "E5345",
        Asked::Suspend => "E5344",
        _ => "E5343",
    }
}

/// The modes that a line gives; for REC only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Given {
    is_rec: bool,
    transfer: Option<TransferMode>,
    split: Option<Automation>,
    recovery: Option<Automation>,
}

impl Given {
    fn read(line: &Line<'_>, group_type: GroupType) -> Result<Self, Failure> {
        let automation = |option: &str| match line.option(option) {
            None => Ok(None),
            Some("auto") => Ok(Some(Automation::Automatic)),
            Some("manual") => Ok(Some(Automation::Manual)),
            Some(_) => Err(line.wrong()),
        };
        let transfer = match line.option("-transfer") {
            None => None,
            Some("sync") => Some(TransferMode::Synchronous),
            Some("stack") => Some(TransferMode::Stack),
            Some("consist") => Some(TransferMode::Consistency),
            Some("through") => Some(TransferMode::Through),
            Some(_) => return Err(line.wrong()),
        };
        let is_rec = group_type == GroupType::Rec;
        let given = Self { is_rec, transfer, split: automation("-split")?, recovery: automation("-recovery")? };
        let nothing = given.transfer.is_none() && given.split.is_none() && given.recovery.is_none();
        let split_without_sync = given.split.is_some() && given.transfer != Some(TransferMode::Synchronous);
        let changes_nothing = line.asked == Asked::Change && (nothing || !is_rec);
        if split_without_sync || changes_nothing || !(nothing || is_rec) {
            return Err(line.wrong());
        }
        Ok(given)
    }

    /// Without a transfer mode a start is in through mode: so say the manuals on replication.
    fn of_start(self) -> Option<RecModes> {
        let through = RecModes { transfer: TransferMode::Through, ..RecModes::default() };
        self.is_rec.then(|| self.upon(through))
    }

    /// What is not named stays as it is; another transfer than synchronous has no split.
    fn upon(self, present: RecModes) -> RecModes {
        let transfer = self.transfer.unwrap_or(present.transfer);
        let split = if transfer == TransferMode::Synchronous {
            self.split.unwrap_or(present.split)
        } else {
            Automation::default()
        };
        RecModes { transfer, split, recovery: self.recovery.unwrap_or(present.recovery) }
    }
}

fn function(line: &Line<'_>) -> &'static str {
    match (line.opc, line.asked) {
        (true, Asked::Start) => "STXCopyOPC.START",
        (true, _) => "STXCopyOPC.STOP",
        (false, Asked::Start) => "STXCopyEC.START",
        (false, Asked::Suspend) => "STXCopyEC.SUSPEND",
        (false, Asked::Resume) => "STXCopyEC.RESUME",
        (false, Asked::Reverse) => "STXCopyEC.REVERSE",
        (false, Asked::Change) => "STXCopyEC.CHANGE",
        (false, _) => "STXCopyEC.STOP",
    }
}

/// The lines that CCM prints for a pair that succeeded.
fn record(line: &Line<'_>, pair: &Pair, starts: bool) -> Vec<String> {
    let what = match (line.opc, line.asked) {
        (true, Asked::Start) => "OPC Started",
        (true, _) => "OPC Stopped",
        (false, Asked::Start | Asked::Resume) => "EC Started",
        (false, Asked::Suspend) => "EC Suspended",
        (false, Asked::Reverse | Asked::Change) => "EC Change",
        (false, _) => "EC Stopped",
    };
    let now = crate::process::clock::now();
    let now = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    let date = now.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y/%m/%d %H:%M:%S");
    let mut lines = vec![format!("DATE : {date} - << {what} >> ")];
    if starts {
        let place = |id: VolumeId| format!("BoxID={}/Olu={}/Adr_high=0/Adr_low=0", hex(id.box_id), id.olu.0);
        lines.push(format!("From:{}/size_high=0/size_low=0", place(pair.source)));
        lines.push(format!("To  :{}", place(pair.target)));
    }
    lines
}

/// Records show a box id as the hex digits of its characters.
fn hex(box_id: BoxId) -> String {
    box_id.as_str().bytes().fold(String::with_capacity(80), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// CCM's word for a session's status. What is not in the manuals is in [`super::HELP`].
fn status_word(kind: CopyKind, session: Option<&SessionReading>) -> String {
    let prefix = match kind {
        CopyKind::Rec => "REC",
        CopyKind::Opc | CopyKind::QuickOpc => "OPC",
        _ => "EC",
    };
    let word = match session.map(|session| session.status) {
        None | Some(Status::Idle) => "action not startup",
        Some(Status::Reserved) => "Starting",
        Some(Status::Active) => "Executing",
        Some(Status::Suspended) => "Suspend",
        Some(Status::ErrorSuspended) => "Error Suspend",
        Some(Status::Halted) => "Halt",
        Some(Status::Unknown) => "Odd State",
    };
    format!("{prefix} {word}")
}

fn phase_word(session: Option<&SessionReading>) -> &'static str {
    match session.map(|session| session.phase) {
        None | Some(Phase::NoPair) => "Not set",
        Some(Phase::Copying) => "Copying",
        Some(Phase::Equivalent) => "Paired",
        Some(Phase::Tracking) => "Tracking",
        Some(Phase::TrackingAndCopying) => "Copying/Tracking",
        Some(Phase::Readying) => "Readying",
        Some(Phase::Unknown) => "Odd Phase",
    }
}
