//! What to do first when a session stands in the way: it ends no session and gives nothing up. Whatever only a forced stop
//! or a cancel could end has an entry here.

use super::{Refusal, Remedy};
use crate::model::advice::{Advice, TermUse, UnknownTerm};
use crate::model::codes::Code;
use crate::model::identity::BoxId;
use crate::model::request::Verb;
use crate::model::session::{ErrorByte, Phase, Status};
use crate::model::session_halves::halves;
use crate::model::snapshot::{ArrayView, Halves, SessionView, Snapshot};

/// In the order in which to try them.
pub(super) fn first(snapshot: &Snapshot, session: &SessionView, code: Code) -> Vec<Advice> {
    let name = |box_id: BoxId| {
        snapshot.array(box_id).map_or_else(|| box_id.to_string(), |array: &ArrayView| array.name.to_string())
    };
    let reporter = session.reported_by();
    let wait = || vec![Advice::new("wait until it is equivalent: `ecdeck status --watch 5` shows how far it is")];
    match code {
        Code::UNKNOWN_WORDS => or_examine(meanings(snapshot, session), &name(reporter)),
        Code::KIND_UNKNOWN => or_examine(
            terms(snapshot, reporter, |term| matches!(term.used_as, TermUse::Kind | TermUse::KindTitle)),
            &name(reporter),
        ),
        Code::DIRECTION_UNKNOWN => {
            let titles = terms(snapshot, reporter, |term| term.used_as == TermUse::DirectionTitle);
            or_examine(titles, &name(reporter))
        }
        Code::MODES_UNKNOWN => or_examine(Vec::new(), &name(reporter)),
        Code::HALTED => {
            let (source, target) = (name(session.pair.source.box_id), name(session.pair.target.box_id));
            let text =
                format!("restore the path between {source} and {target}; with automatic recovery it goes on by itself");
            vec![Advice::new(text)]
        }
        Code::REVERSED => vec![Advice::new(format!("turn it back with {}", own_tools(snapshot, reporter, code)))],
        Code::HALF_OPEN => half_open(snapshot, session, &name),
        Code::ERROR_SUSPENDED => vec![Advice::new(repair(session.error, &name(reporter)))],
        Code::NO_SUSPEND_IN_THIS_MODE => {
            let tools = own_tools(snapshot, reporter, code);
            vec![Advice::new(format!("change its transfer mode to synchronous or consistency with {tools}"))]
        }
        Code::NOT_SUSPENDABLE => wait(),
        Code::ALREADY_SYNCHRONIZING if !session.is_equivalent() => wait(),
        _ => Vec::new(),
    }
}

/// What ecdeck has no verb for: the array's own tools, by the command that they have for it where the driver knows one.
fn own_tools(snapshot: &Snapshot, box_id: BoxId, code: Code) -> String {
    let capabilities = snapshot.array(box_id).and_then(|array| array.capabilities.as_ref());
    let command = capabilities.and_then(|capabilities| capabilities.tool_command(code));
    command.map_or_else(|| "the array's own tools".to_owned(), |command| format!("the array's own tools (`{command}`)"))
}

/// A refusal whose first way on ends a session or gives data up says before it what does not.
pub(super) fn before_the_rest(refusal: Refusal) -> Refusal {
    let ends =
        |remedy: &Remedy| remedy.destroys || matches!(remedy.request.action.verb(), Verb::Cancel | Verb::ForceStop);
    if !refusal.advice.is_empty() || !refusal.remedies.first().is_some_and(ends) {
        return refusal;
    }
    let text = match refusal.code {
        Code::NO_BACKUP_VOLUME | Code::MAP_NO_ROUND => {
            "make one more volume with as many blocks on the array, then `ecdeck volume add --backup VOLUME`"
        }
        Code::BOUND_TO_ANOTHER | Code::HOLDS_A_GENERATION => {
            "name no backup volume: `ecdeck sync start TV` takes one that is free"
        }
        Code::SESSION_LIMIT => "end the sessions of other programs that are not needed, with those programs",
        Code::VOLUME_IN_USE => "leave the volume in the site while it is in use; it costs nothing",
        Code::ONLY_SUSPENDED => "leave them suspended: their next copy is the difference only",
        Code::NO_SESSION => "find out what ended its session: `ecdeck audit show` has what ecdeck sent",
        _ => "look at the present state first: `ecdeck status`",
    };
    refusal.with_advice([Advice::new(text)])
}

/// The lines that give the session's own words a meaning.
fn meanings(snapshot: &Snapshot, session: &SessionView) -> Vec<Advice> {
    let (status, phase) = (session.status == Status::Unknown, session.phase == Phase::Unknown);
    terms(snapshot, session.reported_by(), |term| match term.used_as {
        TermUse::Status => status && term.term == session.words.status,
        TermUse::Phase => phase && term.term == session.words.phase,
        TermUse::StatusTitle => status,
        TermUse::PhaseTitle => phase,
        TermUse::Kind | TermUse::KindTitle | TermUse::DirectionTitle | TermUse::OtherTitle => false,
    })
}

fn terms(snapshot: &Snapshot, of: BoxId, is_it: impl Fn(&UnknownTerm) -> bool) -> Vec<Advice> {
    let array = snapshot.array(of);
    let all = array.iter().flat_map(|array| &array.unknown_terms).filter(|term| is_it(term));
    let advice = |term: &UnknownTerm| {
        let name = array.map_or_else(String::new, |array| format!("{}: ", array.name));
        Advice::new(format!("{name}{}: {}", term.what, term.advice.text)).with_lines(term.advice.lines.clone())
    };
    all.map(advice).collect()
}

/// Where no line of configuration is known to help, a look does.
fn or_examine(advice: Vec<Advice>, array: &str) -> Vec<Advice> {
    if advice.is_empty() {
        vec![Advice::new(format!("`ecdeck array doctor {array}` shows what is missing"))]
    } else {
        advice
    }
}

fn half_open(snapshot: &Snapshot, session: &SessionView, name: &impl Fn(BoxId) -> String) -> Vec<Advice> {
    let (source, target) = (session.pair.source.box_id, session.pair.target.box_id);
    let other = if session.reported_by() == source { target } else { source };
    let mut advice = match &session.halves {
        Halves::Disagree { other_words, .. } => terms(snapshot, other, |term| match term.used_as {
            TermUse::Status => term.term == other_words.status,
            TermUse::Phase => term.term == other_words.phase,
            TermUse::StatusTitle | TermUse::PhaseTitle => true,
            TermUse::Kind | TermUse::KindTitle | TermUse::DirectionTitle | TermUse::OtherTitle => false,
        }),
        Halves::One | Halves::Agree | Halves::Missing { .. } | Halves::OtherUnread => Vec::new(),
    };
    advice.push(Advice::new(format!(
        "restore the path between {} and {}, and look again with `ecdeck status`: now {}",
        name(source),
        name(target),
        halves(session, snapshot)
    )));
    advice
}

fn repair(error: Option<ErrorByte>, array: &str) -> String {
    let cause = error.map_or_else(|| "the cause".to_owned(), |error| format!("the cause of error {error}"));
    format!("find and repair {cause} on {array}; a copy that is started before stops again")
}
