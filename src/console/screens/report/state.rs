//! The state of the report screen: its lines, made anew with every snapshot.

use crate::console::screens::screen::Context;
use crate::console::types::Cursor;
use crate::model::identity::VolumeId;
use crate::model::report_text::{ReportLine, failures, happened, known_troubles, unknown_troubles};
use crate::model::since_report::SinceReport;
use crate::model::trouble::{OpenTrouble, open_troubles};
use crate::model::trouble_kind::TroubleId;
use crate::model::units::Timestamp;

/// Who has never looked is shown the last day.
const FIRST_LOOK: i64 = Timestamp::DAY;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowLook {
    Heading,
    /// It needs a person.
    Problem,
    Plain,
    /// Nothing is to be done about it now.
    Quiet,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    pub look: RowLook,
    pub volume: Option<VolumeId>,
    pub trouble: Option<TroubleId>,
    pub text: String,
}

#[derive(Debug)]
pub struct ReportScreen {
    pub since: Timestamp,
    /// `None` until the engine has answered.
    pub report: Option<SinceReport>,
    pub rows: Vec<ReportRow>,
    pub cursor: Cursor<usize>,
    /// The snapshot that the rows are of.
    made_of: Option<u64>,
}

impl ReportScreen {
    pub fn new(context: &Context) -> Self {
        let since = context.last_look.unwrap_or_else(|| context.snapshot().taken_at.plus_millis(-FIRST_LOOK));
        let mut screen = Self { since, report: None, rows: Vec::new(), cursor: Cursor::default(), made_of: None };
        screen.settle(context);
        screen
    }

    pub fn take(&mut self, context: &Context, report: SinceReport) {
        self.report = Some(report);
        self.made_of = None;
        self.settle(context);
    }

    pub fn settle(&mut self, context: &Context) {
        let snapshot = context.snapshot();
        if self.made_of != Some(snapshot.sequence) {
            self.made_of = Some(snapshot.sequence);
            self.rows = self.rows(context);
        }
        let count = self.rows.len();
        self.cursor.follow(count, Some);
        self.cursor.settle(count, usize::from(context.height().saturating_sub(2)));
    }

    fn rows(&self, context: &Context) -> Vec<ReportRow> {
        let snapshot = context.snapshot();
        let at = |moment| context.clock.moment(moment);
        let mut troubles = open_troubles(snapshot);
        let short = self.report.iter().flat_map(|report| &report.short);
        let here = short.filter(|(volume, ..)| snapshot.transaction_volume(*volume).is_some());
        troubles.extend(here.map(|(volume, code, why)| OpenTrouble::pool_short(*volume, *code, why)));
        let mut needs = self.report.as_ref().map_or_else(Vec::new, |report| failures(report, snapshot));
        needs.extend(unknown_troubles(&troubles, snapshot));
        let known = known_troubles(&troubles, snapshot, &at);
        let mut rows = Vec::new();
        let heading = match needs.len() {
            0 => "Nothing needs a person".to_owned(),
            1 => "1 thing needs a person".to_owned(),
            many => format!("{many} things need a person"),
        };
        put(&mut rows, heading, RowLook::Problem, needs);
        if !known.is_empty() {
            put(&mut rows, "Acknowledged".to_owned(), RowLook::Quiet, known);
        }
        let (heading, lines) = match &self.report {
            Some(report) => (format!("Since {}", at(self.since)), happened(report, snapshot, &at)),
            None => ("Asking what happened".to_owned(), Vec::new()),
        };
        let is_quiet = lines.is_empty() && self.report.is_some();
        put(&mut rows, heading, RowLook::Plain, lines);
        if is_quiet {
            let text = "nothing happened".to_owned();
            rows.push(ReportRow { look: RowLook::Quiet, volume: None, trouble: None, text });
        }
        rows
    }

    pub fn select(&mut self, row: usize) {
        let count = self.rows.len();
        self.cursor.select(row, count, Some);
    }

    pub fn selected(&self) -> Option<&ReportRow> {
        self.rows.get(self.cursor.selected)
    }
}

fn put(rows: &mut Vec<ReportRow>, heading: String, look: RowLook, lines: Vec<ReportLine>) {
    rows.push(ReportRow { look: RowLook::Heading, volume: None, trouble: None, text: heading });
    rows.extend(lines.into_iter().map(|line| {
        let ReportLine { volume, trouble, text } = line;
        ReportRow { look, volume, trouble, text }
    }));
}
