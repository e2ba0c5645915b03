//! The dialogue of every verb that changes something: plan, agreement to its digest, run, wait for the ends.

use super::agree::agree;
use super::arguments::Change;
use super::document::{ChangeDocument, LateEntry, OutcomeEntry, PlanDocument, RefusalDocument, VolumeRef, pair_text};
use super::link::{Link, unexpected};
use super::request_line::RenderContext;
use super::wait::{self, Deadline, ProgressLine, Waited};
use super::{CliError, Exit, json, out, plan_text, restore};
use crate::engine::protocol::{Answer, Ask, PlannedAnswer};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::moment::ReadingMark;
use crate::model::plan::step_text::{place, subject};
use crate::model::plan::{Plan, Refusal};
use crate::model::records::{OperationEnd, OperationId};
use crate::model::request::{Action, Request, Verb};
use crate::model::session::Pair;
use crate::model::snapshot::Snapshot;
use crate::model::untrusted::Untrusted;
use std::sync::Arc;

/// What is waited for after the operations have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Return,
    /// Until the copies that were started are equivalent.
    UntilEquivalent,
}

/// The request with what every changing verb may say about it.
pub fn request(action: Action, change: &Change) -> Request {
    Request { ensure: change.ensure, reason: change.reason.as_deref().map(Untrusted::from), ..Request::new(action) }
}

/// Leads a request through the dialogue, and prints what came of it.
pub async fn run(
    link: &mut Link,
    change: &Change,
    request: Request,
    deadline: Deadline,
    then: Then,
) -> Result<Exit, CliError> {
    let snapshot = of_request(link, &request).await?;
    let mut report = Report::new(request.action.verb(), change, snapshot, link.site().to_vec());
    match round(link, change, request, deadline, &mut report).await? {
        Round::Refused(refusal) => report.nothing_runs(&refusal),
        Round::AlreadySo(refused) => report.already_so(refused),
        Round::AllRefused(plan) => report.all_refused(&plan),
        Round::DryRun(planned) => report.dry_run(planned),
        Round::Changed(planned) => report.plan_changed(planned),
        Round::Left(result, exit, text) => report.finish(result, exit, Some(text.to_owned())),
        Round::Ended => match then {
            Then::Return => {
                let exit = report.exit();
                let text = report.json.then(|| report.afterwards()).flatten();
                report.finish("ended", exit, text)
            }
            Then::UntilEquivalent => until_equivalent(link, report, deadline).await,
        },
    }
}

/// What there is of the volumes of a request; of the whole site for one that names none.
async fn of_request(link: &mut Link, request: &Request) -> Result<Arc<Snapshot>, CliError> {
    match request.action.volumes() {
        [] => link.snapshot().await,
        volumes => link.view_of(volumes.to_vec()).await,
    }
}

/// What came of one round of the dialogue.
pub enum Round {
    /// Nothing of it runs.
    Refused(Refusal),
    AlreadySo(Vec<Refusal>),
    AllRefused(Plan),
    DryRun(PlannedAnswer),
    /// Nothing ran: this is the plan now.
    Changed(PlannedAnswer),
    /// The operations have ended; the report has their ends.
    Ended,
    /// They go on, but nobody waits for them any more: result, exit and sentence.
    Left(&'static str, Exit, &'static str),
}

/// Plan, agreement, run, and the ends of the operations.
pub async fn round(
    link: &mut Link,
    change: &Change,
    request: Request,
    deadline: Deadline,
    report: &mut Report,
) -> Result<Round, CliError> {
    // Who only wants to see a plan asks for nothing.
    let asked = request.clone();
    let ask =
        if change.dry_run { Ask::Plan { request: asked, read_hosts: true } } else { Ask::Propose { request: asked } };
    let answer = link.ask(ask).await?;
    report.know(link, &answer).await?;
    let planned = match answer {
        Answer::Planned(planned) => planned,
        Answer::Refused { refusal } => return Ok(Round::Refused(refusal)),
        Answer::AlreadySo { refused } => return Ok(Round::AlreadySo(refused)),
        other => return Err(unexpected(&other)),
    };
    if planned.plan.items().is_empty() {
        return Ok(Round::AllRefused(planned.plan));
    }
    if !change.json {
        out::print(&plan_text::plan(&planned, report.render_context()))?;
    }
    if change.dry_run {
        return Ok(Round::DryRun(planned));
    }
    let confirmation = match agree(&planned.plan, change) {
        Ok(confirmation) => confirmation,
        Err(cli_error) => {
            if let (Some(Code::CONFIRMATION_MISMATCH), Some(given)) = (cli_error.code, change.confirm.clone()) {
                // The engine refuses it, for the audit.
                let agreed = planned.plan.agreement();
                link.ask(Ask::Run { request, agreed, confirmation: Some(given) }).await?;
            }
            return Err(cli_error);
        }
    };
    let agreed = planned.plan.agreement();
    let answer = link.ask(Ask::Run { request, agreed, confirmation }).await?;
    report.know(link, &answer).await?;
    match answer {
        Answer::Running { operations, ran, refused, changed } => {
            report.begun(&planned, operations, *ran, refused, changed.as_deref())?;
            follow(link, report, deadline).await
        }
        Answer::PlanChanged(new) => Ok(Round::Changed(new)),
        Answer::Refused { refusal } => Ok(Round::Refused(refusal)),
        Answer::AlreadySo { refused } => Ok(Round::AlreadySo(refused)),
        other => Err(unexpected(&other)),
    }
}

/// Waits for the ends of the operations that have none yet.
async fn follow(link: &mut Link, report: &mut Report, deadline: Deadline) -> Result<Round, CliError> {
    let open = report.outcomes.iter().filter(|(_, end)| end.is_none());
    let operations: Vec<OperationId> = open.map(|(operation, _)| *operation).collect();
    let asked = async {
        match link.ask(Ask::Wait { operations }).await? {
            Answer::Ended { ends, mark } => Ok((ends, mark)),
            other => Err(unexpected(&other)),
        }
    };
    let waited = deadline.wait(asked).await?;
    if let Some((result, exit, text)) = wait::told(&waited) {
        return Ok(Round::Left(result, exit, text));
    }
    let Waited::Came((ends, mark)) = waited else { return Err(CliError::failed("nothing came of waiting")) };
    report.mark = mark;
    for (operation, end) in ends {
        if let Some(outcome) = report.outcomes.iter_mut().find(|(id, _)| *id == operation) {
            outcome.1 = Some(end);
        }
    }
    Ok(Round::Ended)
}

/// Waits for the equivalence of what was started.
async fn until_equivalent(link: &mut Link, report: Report, deadline: Deadline) -> Result<Exit, CliError> {
    let pairs = report.started_pairs();
    if pairs.is_empty() {
        let exit = report.exit();
        return report.finish("ended", exit, None);
    }
    let progress = ProgressLine::new(report.json);
    let both: Vec<VolumeId> = pairs.iter().flat_map(|pair| [pair.source, pair.target]).collect();
    link.watch_only(&both);
    let waited = deadline.wait(wait::until_equivalent(link, &pairs, report.mark, progress)).await?;
    if let Some((result, exit, text)) = wait::told(&waited) {
        return report.finish(result, exit, Some(text.to_owned()));
    }
    let Waited::Came(never) = waited else { return Err(CliError::failed("nothing came of waiting")) };
    let mut exits = vec![report.exit()];
    exits.extend(never.iter().map(|_| Exit::Failed));
    let there = pairs.len() - never.len();
    let exit = if there == 0 { Exit::Failed } else { Exit::together(exits) };
    let told: Vec<String> = never
        .iter()
        .map(|never| format!("{} does not become equivalent: {}", report.pair(never.pair), never.why))
        .collect();
    let text = if told.is_empty() { report.equivalent(&pairs) } else { told.join("; ") };
    report.finish("ended", exit, Some(text))
}

/// What is told at the end.
pub struct Report {
    verb: Verb,
    json: bool,
    ensure: bool,
    snapshot: Arc<Snapshot>,
    site: Vec<String>,
    /// What runs, of all rounds.
    planned: Option<PlannedAnswer>,
    refused: Vec<Refusal>,
    /// The refusals that stand in the printed plan.
    printed: Vec<(Option<VolumeId>, Code)>,
    /// In the order of the plan's items.
    outcomes: Vec<(OperationId, Option<OperationEnd>)>,
    /// The readings that had begun when the operations ended.
    mark: ReadingMark,
    /// Volumes that were not equivalent in time.
    late: Vec<LateEntry>,
}

impl Report {
    pub fn new(verb: Verb, change: &Change, snapshot: Arc<Snapshot>, site: Vec<String>) -> Self {
        let (json, ensure) = (change.json, change.ensure);
        let (planned, refused, printed, outcomes) = (None, Vec::new(), Vec::new(), Vec::new());
        let (mark, late) = (ReadingMark::default(), Vec::new());
        Self { verb, json, ensure, snapshot, site, planned, refused, printed, outcomes, mark, late }
    }

    /// It speaks of the volumes that an answer names by their names.
    async fn know(&mut self, link: &mut Link, answer: &Answer) -> Result<(), CliError> {
        self.snapshot = link.with_all_in(Arc::clone(&self.snapshot), answer).await?;
        Ok(())
    }

    fn render_context(&self) -> RenderContext<'_> {
        RenderContext { snapshot: &self.snapshot, site: &self.site }
    }

    fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Takes what the engine began; where it chose other volumes than it had planned with, or where a plan has changed,
    /// people are told at once.
    fn begun(
        &mut self,
        planned: &PlannedAnswer,
        operations: Vec<OperationId>,
        ran: PlannedAnswer,
        refused: Vec<Refusal>,
        changed: Option<&PlannedAnswer>,
    ) -> Result<(), CliError> {
        if !self.json {
            let chosen = planned.plan.choices();
            let other: Vec<VolumeId> =
                ran.plan.choices().into_iter().filter(|choice| !chosen.contains(choice)).map(|(tv, _)| tv).collect();
            if !other.is_empty() {
                out::say("ecdeck: a chosen backup volume was taken meanwhile; an equal one takes its place:");
                let only =
                    ran.plan.items().iter().zip(ran.commands.iter()).filter(|(item, _)| other.contains(&item.volume));
                let commands = only.map(|(_, commands)| commands.clone()).collect();
                let plan = ran.plan.only(|volume| other.contains(&volume));
                out::print(&plan_text::plan(&PlannedAnswer { plan, commands, ..ran.clone() }, self.render_context()))?;
            }
            if let Some(changed) = changed {
                out::say(&format!(
                    "ecdeck: the plan of some volumes has changed, nothing ran for them ({}); this is it now:",
                    Code::PLAN_CHANGED
                ));
                out::print(&plan_text::plan(changed, self.render_context()))?;
            }
        }
        self.printed.extend(planned.plan.refused().iter().map(|refusal| (refusal.volume, refusal.code)));
        self.refused.extend(refused);
        self.outcomes.extend(operations.into_iter().map(|operation| (operation, None)));
        self.planned = Some(match self.planned.take() {
            None => ran,
            Some(before) => PlannedAnswer {
                plan: before.plan.and(ran.plan),
                commands: [before.commands, ran.commands].concat(),
                sequence: ran.sequence,
            },
        });
        Ok(())
    }

    fn pair(&self, pair: Pair) -> String {
        pair_text(pair, self.snapshot())
    }

    /// What was waited for has come true.
    fn equivalent(&self, pairs: &[Pair]) -> String {
        match pairs {
            [pair] => {
                let source = self.snapshot().label(pair.source);
                format!("{source} is equivalent with {}", place(pair.target, self.snapshot()))
            }
            several => format!("all {} copies are equivalent", several.len()),
        }
    }

    /// Takes the refusals of a round of which nothing ran.
    pub fn refuse(&mut self, refused: impl IntoIterator<Item = Refusal>) {
        self.refused.extend(refused.into_iter().flat_map(Refusal::each));
    }

    /// As [`Self::refuse`], and people are told at once: who waits for other volumes should not learn it hours later.
    pub fn refused_now(&mut self, refusal: Refusal, change: &Change) {
        let all = std::iter::once(&refusal).chain(&refusal.also);
        let told: Vec<&Refusal> = all.filter(|one| self.exit_of(one) != Exit::Done).collect();
        for one in told {
            if !change.json {
                out::say(&format!("ecdeck: {}", plan_text::refusal(one, self.render_context())));
            }
            self.printed.push((one.volume, one.code));
        }
        self.refuse([refusal]);
    }

    /// Whether something of what was asked for was refused.
    pub fn has_refused(&self) -> bool {
        self.refused.iter().any(|refusal| self.exit_of(refusal) != Exit::Done)
    }

    /// Takes a round of which nothing ran because its plans have changed.
    pub fn plans_changed(&mut self, now: &PlannedAnswer) -> Result<(), CliError> {
        if !self.json {
            out::say(&format!("ecdeck: the plan has changed, nothing ran ({}); this is it now:", Code::PLAN_CHANGED));
            out::print(&plan_text::plan(now, self.render_context()))?;
        }
        for item in now.plan.items() {
            let reason = format!("the plan for {} has changed", self.snapshot().label(item.volume));
            self.refused.push(Refusal::new(Code::PLAN_CHANGED, reason).about(item.volume));
            self.printed.push((Some(item.volume), Code::PLAN_CHANGED));
        }
        self.refused.extend(now.plan.refused().iter().cloned());
        Ok(())
    }

    /// Names the volumes that were not equivalent in time, as the newest snapshot has them.
    pub fn are_late(&mut self, pairs: impl IntoIterator<Item = Pair>, newest: &Snapshot) {
        let entry = |pair: Pair| LateEntry::new(pair, newest);
        self.late.extend(pairs.into_iter().map(entry));
    }

    /// One status for all volumes, those that are late being waited for in vain.
    pub fn exit_with_late(&self, late: Exit) -> Exit {
        let own = (!self.outcomes.is_empty() || !self.refused.is_empty()).then(|| self.exit());
        Exit::together(own.into_iter().chain(self.late.iter().map(|_| late)))
    }

    /// One status for all volumes.
    pub fn exit(&self) -> Exit {
        let refused = self.refused.iter().map(|refusal| self.exit_of(refusal));
        let ended = self.outcomes.iter().map(|(_, end)| match end {
            Some(OperationEnd::Done) => Exit::Done,
            Some(OperationEnd::NotDone { code, .. }) => Exit::of_code(*code),
            Some(OperationEnd::Failed { code, .. }) => match Exit::of_code(*code) {
                Exit::Refused => Exit::Failed,
                exit => exit,
            },
            Some(OperationEnd::OutcomeUnknown { .. }) | None => Exit::OutcomeUnknown,
        });
        Exit::together(ended.chain(refused))
    }

    /// The pairs that the done operations started or resumed.
    fn started_pairs(&self) -> Vec<Pair> {
        let Some(planned) = &self.planned else { return Vec::new() };
        let done =
            planned.plan.items().iter().zip(&self.outcomes).filter(|(_, (_, end))| *end == Some(OperationEnd::Done));
        done.flat_map(|(item, _)| &item.steps).flat_map(|step| step.starts()).copied().collect()
    }

    fn exit_of(&self, refusal: &Refusal) -> Exit {
        Exit::of_refusal(refusal.code, self.ensure)
    }

    /// Everything was refused, which is success where it was only so already and that was the wish.
    fn nothing_runs(self, refusal: &Refusal) -> Result<Exit, CliError> {
        let all = || std::iter::once(refusal).chain(&refusal.also);
        if all().all(|one| self.exit_of(one) != Exit::Done) {
            return Err(CliError::refused(refusal, self.render_context()));
        }
        let told: Vec<Refusal> = all().cloned().collect();
        let refused = told.iter().filter(|one| self.exit_of(one) != Exit::Done).cloned().collect();
        self.so_already(&told, refused)
    }

    fn already_so(self, told: Vec<Refusal>) -> Result<Exit, CliError> {
        self.so_already(&told.clone(), told)
    }

    /// What is so already was the wish: it is told as it is, and not as a refusal.
    fn so_already(mut self, told: &[Refusal], refused: Vec<Refusal>) -> Result<Exit, CliError> {
        let exit = Exit::together(told.iter().map(|one| self.exit_of(one)).chain([Exit::Done]));
        let so = told.iter().filter(|one| self.exit_of(one) == Exit::Done);
        let reasons: Vec<String> = so.map(|one| plan_text::sentence(&one.reason)).collect();
        let text = match reasons.as_slice() {
            [] => "nothing to do: it is so already".to_owned(),
            some => format!("nothing to do: {}", some.join("; ")),
        };
        self.refused = refused;
        self.finish("already-so", exit, Some(text))
    }

    fn all_refused(self, plan: &Plan) -> Result<Exit, CliError> {
        match plan.refused() {
            [] => self.finish("already-so", Exit::Done, Some("nothing to do".to_owned())),
            [only] => Err(CliError::refused(only, self.render_context())),
            several => {
                let exit = Exit::together(several.iter().map(|refusal| self.exit_of(refusal)));
                Report { refused: several.to_vec(), ..self }.finish(
                    "refused",
                    exit,
                    Some("nothing was done".to_owned()),
                )
            }
        }
    }

    fn dry_run(self, planned: PlannedAnswer) -> Result<Exit, CliError> {
        let refused = planned.plan.refused().iter().map(|refusal| self.exit_of(refusal));
        let exit = Exit::together(refused.chain([Exit::Done]));
        if self.json {
            return Report { planned: Some(planned), ..self }.finish("planned", exit, None);
        }
        Ok(exit)
    }

    fn plan_changed(self, new: PlannedAnswer) -> Result<Exit, CliError> {
        let text = format!("the plan has changed, nothing ran ({}); this is the plan now", Code::PLAN_CHANGED);
        if !self.json {
            out::say(&format!("ecdeck: {text}:"));
            out::print(&plan_text::plan(&new, self.render_context()))?;
            return Ok(Exit::Refused);
        }
        Report { planned: Some(new), ..self }.finish("changed", Exit::Refused, Some(text))
    }

    pub fn finish(self, result: &'static str, exit: Exit, text: Option<String>) -> Result<Exit, CliError> {
        let ran = !self.outcomes.is_empty();
        let printed = if self.json { self.print_json(result, exit, text) } else { self.print_text(text.as_deref()) };
        match printed {
            Ok(()) => Ok(exit),
            // It was done, or part of it: only nobody could be told. That is not "failed".
            Err(mut cli_error) => {
                if ran {
                    cli_error.exit = Exit::OutcomeUnknown;
                }
                Err(cli_error)
            }
        }
    }

    /// What people do next with what was done, where a verb has such lines.
    fn afterwards(&self) -> Option<String> {
        let items = self.planned.as_ref()?.plan.items().iter().zip(&self.outcomes);
        let done = items.filter(|(_, (_, end))| *end == Some(OperationEnd::Done));
        let lines: String = done.filter_map(|(item, _)| restore::afterwards(item, self.snapshot())).collect();
        (!lines.is_empty()).then_some(lines)
    }

    fn volume_of(&self, index: usize) -> Option<VolumeId> {
        self.planned.as_ref().and_then(|planned| planned.plan.items().get(index)).map(|item| item.volume)
    }

    fn print_json(self, result: &'static str, exit: Exit, text: Option<String>) -> Result<(), CliError> {
        let outcomes = self.outcomes.iter().enumerate().filter_map(|(index, (operation, end))| {
            let volume = VolumeRef::new(self.volume_of(index)?, self.snapshot());
            Some(OutcomeEntry { operation: operation.0, volume, end: end.clone() })
        });
        let document = ChangeDocument {
            verb: self.verb,
            result,
            plan: self.planned.as_ref().map(|planned| PlanDocument::new(planned, self.render_context())),
            refused: self.refused.iter().map(|refusal| RefusalDocument::new(refusal, self.render_context())).collect(),
            operations: outcomes.collect(),
            late: self.late.clone(),
            text,
            exit: exit as u8,
        };
        json::print(self.snapshot().site.demo, &document)
    }

    fn print_text(self, text: Option<&str>) -> Result<(), CliError> {
        for (index, (operation, end)) in self.outcomes.iter().enumerate() {
            let Some(volume) = self.volume_of(index) else { continue };
            let item = self.planned.as_ref().and_then(|planned| planned.plan.items().get(index));
            let label = item.map_or_else(|| self.snapshot().label(volume), |item| subject(item, self.snapshot()));
            match end {
                Some(OperationEnd::Done) => {
                    out::print(&format!("{} {label}: done\n", self.verb))?;
                }
                Some(end) => {
                    out::say(&format!("ecdeck: {} {label} ({operation}): {}", self.verb, end_text(end)));
                    if let Some(row) = code_of(end).and_then(Code::explain) {
                        out::say(&format!("  {}", row.remedy));
                    }
                }
                None => out::say(&format!("ecdeck: {} {label} ({operation}): goes on", self.verb)),
            }
        }
        if let Some(lines) = self.afterwards() {
            out::print(&lines)?;
        }
        // What the plan refused stands in the printed plan; here is what was refused without one, or since.
        let printed = |one: &Refusal| self.printed.contains(&(one.volume, one.code));
        for refusal in self.refused.iter().filter(|one| self.exit_of(one) != Exit::Done && !printed(one)) {
            out::say(&format!("ecdeck: {}", plan_text::refusal(refusal, self.render_context())));
        }
        for late in &self.late {
            out::say(&format!("ecdeck: {}", late.text()));
        }
        if let Some(text) = text {
            out::say(text);
        }
        Ok(())
    }
}

/// The code that an end tells of, where it was not the wanted one.
fn code_of(end: &OperationEnd) -> Option<Code> {
    match end {
        OperationEnd::Done => None,
        OperationEnd::NotDone { code, .. } | OperationEnd::Failed { code, .. } => Some(*code),
        OperationEnd::OutcomeUnknown { .. } => Some(Code::OUTCOME_UNKNOWN),
    }
}

/// How an operation ended, in words.
pub fn end_text(end: &OperationEnd) -> String {
    match end {
        OperationEnd::Done => "done".to_owned(),
        OperationEnd::NotDone { code, why } => format!("not done: {} ({code})", plan_text::sentence(why)),
        OperationEnd::Failed { code, why } => format!("failed part way: {} ({code})", plan_text::sentence(why)),
        OperationEnd::OutcomeUnknown { why } => {
            format!("outcome unknown: {} ({})", plan_text::sentence(why), Code::OUTCOME_UNKNOWN)
        }
    }
}
