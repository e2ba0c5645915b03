//! Admission: from agreement to running, volume by volume. The volumes are claimed, the arrays are read afresh, and only what
//! was agreed to runs; an unused volume of the pool that is taken meanwhile is exchanged for an equal one.

use super::nodes::Nodes;
use super::{HostReading, Runner, declined, refused, wants_a_reading};
use crate::catalog::CatalogueError;
use crate::engine::clock;
use crate::engine::operation::{Admission, Commit, Operation, boxes_of_item, boxes_to_read, in_the_way, opening};
use crate::engine::protocol::Answer;
use crate::engine::roles::Caller;
use crate::model::actor::Actor;
use crate::model::codes::Code;
use crate::model::copy::Command;
use crate::model::identity::{BoxId, Name, VolumeId};
use crate::model::plan::{Agreement, Plan, Refusal, step_text};
use crate::model::records::{Change, ChangeError, EntityChange, OpenOperation, OperationId, OurSession};
use crate::model::request::Request;
use crate::model::step::PlanItem;
use crate::model::untrusted::Untrusted;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// How often a request is planned anew because somebody else was quicker, before it is given up.
const MAX_ROUNDS: usize = 16;

/// How long a practice that is in the way may take to end.
const PRACTICE_ENDS_IN: Duration = Duration::from_mins(1);
const LOOK_AT_PRACTICES: Duration = Duration::from_millis(50);

/// What has become of a request so far.
#[derive(Default)]
struct Admitted {
    running: Vec<OperationId>,
    /// What runs.
    ran: Option<Plan>,
    refused: Vec<Refusal>,
    /// Volumes whose plan is another one now.
    changed: BTreeSet<VolumeId>,
}

impl Admitted {
    /// Nothing has run and nothing was refused so far.
    fn is_untouched(&self) -> bool {
        self.running.is_empty() && self.refused.is_empty() && self.changed.is_empty()
    }
}

impl Runner {
    /// Runs what was agreed to, and nothing else.
    pub async fn run(
        &self,
        request: Request,
        agreed: &Agreement,
        confirmation: Option<&str>,
        caller: &Caller,
    ) -> Answer {
        let answer = match self.admit(&request, agreed, confirmation, caller).await {
            Ok(admitted) => self.admitted(&request, admitted),
            Err(answer) => answer,
        };
        self.note(&request, &answer, &caller.actor).await;
        self.heard(answer)
    }

    /// Begins every item that was agreed to and still is what would run.
    async fn admit(
        &self,
        request: &Request,
        agreed: &Agreement,
        confirmation: Option<&str>,
        caller: &Caller,
    ) -> Result<Admitted, Answer> {
        if self.ending.load(Ordering::Relaxed) {
            let why = "the engine is ending: nothing was done; repeat it when the next one serves".to_owned();
            return Err(Answer::Failed { why, code: None });
        }
        caller.check(request.action.verb()).map_err(refused)?;
        let identified = self.identified(request).await.map_err(refused)?;
        let request = &*identified;
        let mut admitted = Admitted::default();
        self.look_at_groups(request).await;
        let groups = self.groups_now(request, HostReading::Fresh).await;
        let mut open = groups.what_is_left(request).map_err(refused)?;
        admitted.refused.extend(groups.refused.into_values());
        let nodes = self.nodes_of_request(&open).await;
        let mut read = false;
        for _ in 0..MAX_ROUNDS {
            let (plan, operations) =
                match self.claim((&open, &nodes), agreed, confirmation, &caller.actor, &mut admitted).await {
                    // An array that answers, however slowly, is waited for.
                    Err(answer) if !read && wants_a_reading(&answer) => {
                        read = true;
                        self.read_what_is_old().await;
                        continue;
                    }
                    Err(answer) => return Err(answer),
                    Ok(Claimed::Nothing) => return Ok(admitted),
                    Ok(Claimed::SomebodyWasQuicker) => continue,
                    Ok(Claimed::AfterPractices(practices)) => {
                        self.end_practices(&practices).await.map_err(refused)?;
                        continue;
                    }
                    Ok(Claimed::Volumes(plan, operations)) => (plan, operations),
                };
            let exchanged = self.begin(&open, &plan, operations, &mut admitted).await;
            if exchanged.is_empty() {
                return Ok(admitted);
            }
            open = open.only(|volume| exchanged.contains(&volume));
        }
        let left = open.action.volumes().iter().copied();
        admitted.changed.extend(left);
        Ok(admitted)
    }

    /// Plans what is left of a request and claims the volumes of every item that was agreed to. `nodes`: where its steps run.
    async fn claim(
        &self,
        (open, nodes): (&Request, &Nodes),
        agreed: &Agreement,
        confirmation: Option<&str>,
        actor: &Actor,
        admitted: &mut Admitted,
    ) -> Result<Claimed, Answer> {
        let _turn = self.claiming.lock().await;
        let (snapshot, planned) = self.core.plan(open);
        let now = match planned {
            Ok(plan) => plan,
            Err(refusal) if admitted.is_untouched() => return Err(declined(open, refusal)),
            Err(refusal) => {
                admitted.refused.extend(refusal.each());
                return Ok(Claimed::Nothing);
            }
        };
        let digests = now.agreement();
        let still_agreed = |volume| agreed.of(volume).is_some() && agreed.of(volume) == digests.of(volume);
        let changed = now.items().iter().map(|item| item.volume).filter(|volume| !still_agreed(*volume));
        let plan = self.on_nodes(now.only(still_agreed), nodes);
        admitted.refused.extend(plan.refused().iter().cloned());
        if plan.items().is_empty() {
            admitted.refused.extend(now.refused().iter().cloned());
            admitted.changed.extend(changed);
            return Ok(Claimed::Nothing);
        }
        confirm(&plan, confirmation)?;
        let practices = self.core.with_records(|records| in_the_way(&plan, records));
        if !practices.is_empty() {
            return Ok(Claimed::AfterPractices(practices));
        }
        let text = step_text::agreed(&plan, &snapshot);
        let (operations, commit) = self.core.with_records(|records| opening(&plan, text, actor, records, clock::now()));
        match self.ledger.commit(commit).await {
            Ok(()) => {
                admitted.refused.extend(now.refused().iter().cloned());
                admitted.changed.extend(changed);
                Ok(Claimed::Volumes(Box::new(plan), operations))
            }
            // Somebody was quicker: the next round's plan says who, or finds other volumes.
            Err(CatalogueError::Change(ChangeError::Held(_) | ChangeError::Exists(_))) => {
                Ok(Claimed::SomebodyWasQuicker)
            }
            Err(error) if admitted.running.is_empty() => {
                Err(Answer::Failed { why: format!("nothing was done: {error}"), code: Some(error.code()) })
            }
            Err(error) => {
                let refuse = |item: &PlanItem| {
                    Refusal::new(error.code(), format!("nothing was done: {error}")).about(item.volume)
                };
                admitted.refused.extend(plan.items().iter().map(refuse));
                Ok(Claimed::Nothing)
            }
        }
    }

    /// Takes the marks of these practices and waits until they have ended: a practice never stands in the way.
    async fn end_practices(&self, practices: &BTreeSet<OperationId>) -> Result<(), Refusal> {
        let begun = Instant::now();
        loop {
            let (open, marks) = self.core.with_records(|records| {
                let open: Vec<OperationId> =
                    practices.iter().filter(|id| records.operations.contains_key(id)).copied().collect();
                let of_open = records.restores().filter(|mark| mark.operation.is_some_and(|id| open.contains(&id)));
                (open.clone(), of_open.cloned().collect::<Vec<OurSession>>())
            });
            let Some(first) = open.first() else { return Ok(()) };
            if begun.elapsed() > PRACTICE_ENDS_IN {
                let reason = format!("the practice {first} was told to end and has not ended yet");
                return Err(Refusal::new(Code::HELD_BY_OTHER, reason));
            }
            let taken = marks.into_iter().map(|mark| OurSession { operation: None, ..mark });
            let changes: Vec<Change> = taken.map(|mark| Change::Entity(EntityChange::PutSession(mark))).collect();
            if !changes.is_empty() {
                // Where the catalogue takes no write, the request itself finds that.
                let _ = self.ledger.commit(Commit { changes, events: Vec::new() }).await;
            }
            tokio::time::sleep(LOOK_AT_PRACTICES).await;
        }
    }

    /// Reads the arrays afresh and begins what is still as agreed. Gives the volumes for which an equal backup volume must
    /// be chosen in the place of one that is taken.
    async fn begin(
        &self,
        open: &Request,
        agreed: &Plan,
        operations: Vec<OpenOperation>,
        admitted: &mut Admitted,
    ) -> BTreeSet<VolumeId> {
        let unread = self.unread(agreed).await;
        let verdicts = self.core.admissions(agreed, &operations, &open.only(|id| is_of(agreed, id)));
        let (mut exchanged, mut running) = (BTreeSet::new(), BTreeSet::new());
        for (operation, verdict) in operations.into_iter().zip(verdicts) {
            let item = &operation.item;
            let volume = item.volume;
            if let Some(why) = boxes_of_item(item).iter().find_map(|box_id| unread.get(box_id)) {
                let refusal = Refusal::new(Code::ARRAY_UNREACHABLE, why.as_str()).about(volume);
                self.close(&[operation], refusal.code, &refusal.reason).await;
                admitted.refused.push(refusal);
                continue;
            }
            match verdict {
                Admission::Run => {
                    running.insert(volume);
                    admitted.running.push(operation.id);
                    self.spawn(operation.clone(), Operation::new(operation, self.limits));
                }
                Admission::Exchanged => {
                    let why = "the chosen backup volume is taken: an equal one takes its place";
                    self.close(&[operation], Code::PLAN_CHANGED, why).await;
                    exchanged.insert(volume);
                }
                Admission::Changed => {
                    let why = "another plan would run now: nothing was done";
                    self.close(&[operation], Code::PLAN_CHANGED, why).await;
                    admitted.changed.insert(volume);
                }
                Admission::Refused(refusal) => {
                    self.close(&[operation], refusal.code, &refusal.reason).await;
                    admitted.refused.push(*refusal);
                }
            }
        }
        if !running.is_empty() {
            let plan = agreed.only(|volume| running.contains(&volume));
            admitted.ran = Some(match admitted.ran.take() {
                Some(before) => before.and(plan),
                None => plan,
            });
        }
        exchanged
    }

    /// Reads every array that the plan touches; those that did not answer, and why. Where a volume is chosen, what others do
    /// with it decides: then nothing comes from a driver's memory.
    async fn unread(&self, plan: &Plan) -> BTreeMap<BoxId, String> {
        let mut commands = plan.items().iter().flat_map(PlanItem::commands);
        let chooses = commands.any(|(_, to)| matches!(to.command, Command::Start { .. }));
        let read = |box_id| async move { (box_id, self.read(box_id, chooses).await) };
        let readings = boxes_to_read(plan).into_iter().map(read);
        let readings = futures_util::future::join_all(readings).await;
        let failed = readings.into_iter().filter_map(|(box_id, reading)| Some((box_id, reading.err()?)));
        failed.map(|(box_id, why)| (box_id, format!("{}: {why}", self.core.array_name(box_id)))).collect()
    }

    /// The answer to who agreed.
    fn admitted(&self, request: &Request, admitted: Admitted) -> Answer {
        let Admitted { running, ran, mut refused, changed } = admitted;
        let mut now = None;
        let mut not_run = Vec::new();
        if !changed.is_empty() {
            let (snapshot, planned) = self.core.plan(&request.only(|volume| changed.contains(&volume)));
            match planned {
                Ok(plan) => now = Some(self.planned(plan, snapshot.sequence)),
                Err(refusal) => refused.push(refusal),
            }
            not_run.extend(changed.into_iter().map(|volume| {
                let name = snapshot.label(volume);
                let reason = format!("the plan for {name} has changed since it was agreed to; nothing ran for it");
                Refusal::new(Code::PLAN_CHANGED, reason).about(volume)
            }));
        }
        let Some(ran) = ran else {
            return match now {
                Some(now) => Answer::PlanChanged(self.planned(now.plan.and_refused(refused), now.sequence)),
                None => nothing_runs(request, refused),
            };
        };
        refused.extend(not_run);
        Answer::Running {
            operations: running,
            ran: Box::new(self.planned(ran, self.core.sequence())),
            refused,
            changed: now.map(Box::new),
        }
    }
}

/// What came of claiming.
enum Claimed {
    /// Nothing is left that was agreed to.
    Nothing,
    SomebodyWasQuicker,
    /// These practices have volumes that are needed.
    AfterPractices(BTreeSet<OperationId>),
    Volumes(Box<Plan>, Vec<OpenOperation>),
}

/// Whether an item of the plan is of this volume.
fn is_of(plan: &Plan, volume: VolumeId) -> bool {
    plan.items().iter().any(|item| item.volume == volume)
}

/// The refusal that stands for all.
fn nothing_runs(request: &Request, refused: Vec<Refusal>) -> Answer {
    let Some(refusal) = Refusal::for_all(refused) else {
        let reason = "what was agreed to is not possible any more; ask again";
        return super::refused(Refusal::new(Code::PLAN_CHANGED, reason));
    };
    declined(request, refusal)
}

fn confirm(plan: &Plan, confirmation: Option<&str>) -> Result<(), Answer> {
    match plan.confirmation() {
        Some(wanted) if confirmation != Some(wanted.name.as_str()) => {
            let given = match confirmation {
                Some(given) => {
                    let given: String = given.chars().take(Name::MAX_LENGTH).collect();
                    format!("the confirmation names {}; ", Untrusted::new(given).escaped())
                }
                None => String::new(),
            };
            let reason = format!("{given}{}: type {} to confirm", wanted.what, wanted.name);
            Err(refused(Refusal::new(Code::CONFIRMATION_MISMATCH, reason)))
        }
        _ => Ok(()),
    }
}
