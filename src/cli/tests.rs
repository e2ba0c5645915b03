//! The dialogue of the verbs with an engine that plans by the real rules and runs nothing.

use super::arguments::{CommandLine, Verb};
use super::array_arguments::Add;
use super::catalogue::Load;
use super::fake::{self, Fake};
use super::link::{ConfiguredArray, Link, Need, SiteContext};
use super::request_line::{self, RenderContext};
use super::{CliError, Exit, dispatch};
use crate::engine::protocol::{Answer, Ask, PlannedAnswer};
use crate::model::check::Check;
use crate::model::codes::Code;
use crate::model::plan::plan;
use crate::model::proposal_kind::ProposalKind;
use crate::model::records::{BackupMode, OperationEnd, Policy};
use crate::model::request::{Action, CancelScope, Request, VolumeRole};
use crate::model::session::ArrayVolume;
use crate::model::site_change::NewVolume;
use crate::model::snapshot::Snapshot;
use crate::model::units::Version;
use crate::model::verb::Verb as AskedVerb;
use crate::process::paths::Home;
use clap::{CommandFactory, Parser};
use futures_util::future::BoxFuture;

impl SiteContext for Fake {
    fn open(&self, _need: Need) -> BoxFuture<'_, Result<Link, CliError>> {
        Box::pin(async { Ok(self.link()) })
    }

    fn serve(&self, _detached: bool) -> BoxFuture<'_, Result<(), CliError>> {
        Box::pin(async { Ok(()) })
    }

    fn arrays_home(&self, _need: Need, _array: Option<&str>) -> Result<Home, CliError> {
        Err(CliError::usage("there are no arrays here"))
    }

    fn array_homes(&self, _need: Need) -> Result<Vec<Home>, CliError> {
        Err(CliError::usage("there are no arrays here"))
    }

    fn serve_arrays(&self, _detached: bool) -> BoxFuture<'_, Result<(), CliError>> {
        Box::pin(async { Err(CliError::usage("there are no arrays here")) })
    }

    fn examine_array<'a>(&'a self, _array: &'a str) -> BoxFuture<'a, Result<Vec<Check>, CliError>> {
        Box::pin(async { Err(CliError::usage("there are no arrays here")) })
    }

    fn add_array<'a>(&'a self, _asked: &'a Add) -> BoxFuture<'a, Result<Exit, CliError>> {
        Box::pin(async { Err(CliError::usage("there are no arrays here")) })
    }

    fn load_catalogue<'a>(&'a self, _asked: &'a Load) -> BoxFuture<'a, Result<Exit, CliError>> {
        Box::pin(async { Err(CliError::usage("there is no catalogue here")) })
    }

    fn configured_arrays(&self) -> Result<Vec<ConfiguredArray>, CliError> {
        Ok(Vec::new())
    }

    fn engine_pid(&self) -> Option<u32> {
        None
    }

    fn site_words(&self) -> Vec<String> {
        vec!["--demo".to_owned()]
    }

    fn is_demo(&self) -> bool {
        true
    }
}

async fn run(fake: &Fake, words: &str) -> Result<Exit, CliError> {
    let line = CommandLine::try_parse_from(std::iter::once("ecdeck").chain(words.split_whitespace())).unwrap();
    let verb: Verb = line.verb.unwrap();
    dispatch(&verb, fake).await
}

async fn exit(fake: &Fake, words: &str) -> (Exit, Option<Code>) {
    match run(fake, words).await {
        Ok(exit) => (exit, None),
        Err(cli_error) => (cli_error.exit, cli_error.code),
    }
}

#[tokio::test]
async fn the_equivalent_volume_of_the_demonstration_can_be_backed_up_at_once() {
    let fake = Fake::default();
    assert_eq!(exit(&fake, "backup demo-ora02 --yes --json").await, (Exit::Done, None));
    assert!(fake.ran());
}

#[tokio::test]
async fn without_anybody_to_ask_nothing_runs_unless_agreed_to() {
    let fake = Fake::default();
    assert_eq!(exit(&fake, "backup demo-ora02 --json").await, (Exit::Refused, Some(Code::NOT_AGREED)));
    assert_eq!(exit(&fake, "backup demo-ora02 --dry-run --json").await, (Exit::Done, None));
    assert!(!fake.ran());
}

#[tokio::test]
async fn a_plan_that_changed_does_not_run_and_the_new_one_is_shown() {
    let fake = Fake::default();
    let snapshot = fake::snapshot();
    let other = Request::new(Action::Start {
        volumes: vec![snapshot.find("demo-vg01").unwrap()],
        targets: Vec::new(),
        together: false,
    });
    let new = PlannedAnswer { plan: plan(&snapshot, &other).unwrap(), commands: Vec::new(), sequence: 2 };
    fake.answers.lock().push_back(Answer::PlanChanged(new));
    assert_eq!(exit(&fake, "backup demo-ora02 --yes --json").await, (Exit::Refused, None));
}

#[tokio::test]
async fn some_refused_and_some_run_is_partly_done() {
    let fake = Fake::default();
    assert_eq!(exit(&fake, "sync start demo-vg01 demo-ora01 --yes --json").await, (Exit::PartlyDone, None));
    assert_eq!(exit(&fake, "backup demo-vg01 --yes --json").await, (Exit::Refused, Some(Code::NO_SESSION)));
}

#[tokio::test]
async fn ends_of_operations_become_exit_statuses() {
    for (end, expected) in [
        (OperationEnd::OutcomeUnknown { why: "the line was lost".into() }, Exit::OutcomeUnknown),
        (OperationEnd::NotDone { code: Code::HELD_BY_OTHER, why: "held".into() }, Exit::HeldByAnother),
        (OperationEnd::NotDone { code: Code::ARRAY_UNREACHABLE, why: "silent".into() }, Exit::NotReachable),
        (OperationEnd::Failed { code: Code::NOT_EQUIVALENT, why: "fell back".into() }, Exit::Failed),
    ] {
        let fake = Fake::default();
        fake.ends.lock().push_back(end.clone());
        assert_eq!(exit(&fake, "backup demo-ora02 --yes --json").await, (expected, None), "{end:?}");
    }
}

#[tokio::test]
async fn what_destroys_wants_its_exact_name() {
    let fake = Fake::default();
    let words = "sync start demo-web --overwrite-version 20 --yes --json";
    assert_eq!(exit(&fake, words).await, (Exit::Refused, Some(Code::NOT_AGREED)));
    assert_eq!(
        exit(&fake, &format!("{words} --confirm demo-web")).await,
        (Exit::Refused, Some(Code::CONFIRMATION_MISMATCH))
    );
    // The engine is asked to run it, refuses, and so has it in the audit.
    let last = fake.asked.lock().last().cloned();
    assert!(matches!(last, Some(Ask::Run { confirmation: Some(given), .. }) if given == "demo-web"));
    let name = {
        let snapshot = fake::snapshot();
        let volume = snapshot.find("demo-web").unwrap();
        let request = Request::new(Action::Overwrite { volume, version: Version(20) });
        plan(&snapshot, &request).unwrap().confirmation().unwrap().name.clone()
    };
    assert_eq!(exit(&fake, &format!("{words} --confirm {name}")).await, (Exit::Done, None));
}

#[tokio::test]
async fn an_unknown_name_is_refused_with_names_that_are_near() {
    let cli_error = run(&Fake::default(), "backup demo-roa02 --yes").await.unwrap_err();
    assert_eq!(cli_error.code, Some(Code::UNKNOWN_VOLUME));
    assert!(cli_error.text.contains("demo-ora02"), "{}", cli_error.text);
}

#[tokio::test]
async fn a_wish_that_has_come_true_is_a_success_only_when_that_was_asked_for() {
    let fake = Fake::default();
    assert_eq!(exit(&fake, "sync start demo-ora02 --yes --json").await.0, Exit::Refused);
    assert_eq!(exit(&fake, "sync start demo-ora02 --yes --json --ensure").await, (Exit::Done, None));
}

#[tokio::test]
async fn reading_verbs_print_the_demonstration_site() {
    let fake = Fake::default();
    for words in [
        "status",
        "status --json",
        "volume list",
        "volume list --json",
        "policy show",
        "policy show demo-web --json",
        "policy preview demo-web",
        "policy preview demo-ora01 --weeks 52 --json",
    ] {
        assert_eq!(exit(&fake, words).await, (Exit::Done, None), "{words}");
    }
}

#[test]
fn every_remedy_of_a_full_pool_is_a_command_line() {
    let snapshot = fake::snapshot();
    let render_context = RenderContext { snapshot: &snapshot, site: &[] };
    let volume = snapshot.find("demo-dev").unwrap();
    let all = snapshot.transaction_volumes.iter().map(|view| view.volume.id);
    for id in all.chain([volume]) {
        for action in [
            Action::Start { volumes: vec![id], targets: Vec::new(), together: false },
            Action::Backup { volumes: vec![id], mode: None, together: false },
            Action::Suspend { volumes: vec![id], target: None },
        ] {
            let Err(refusal) = plan(&snapshot, &Request::new(action)) else { continue };
            for remedy in &refusal.remedies {
                let words = super::request_line::words(&remedy.request, render_context).expect("a verb makes it");
                let line = CommandLine::try_parse_from(std::iter::once("ecdeck".to_owned()).chain(words.clone()));
                assert!(line.is_ok(), "{words:?}");
            }
        }
    }
}

/// Requests of each verb on the demonstration site: with and without what may be left out. A new verb has to be added here.
fn requests_of(verb: AskedVerb, snapshot: &Snapshot) -> Vec<Action> {
    use AskedVerb as Verb;
    let named = |name: &str| snapshot.find(name).unwrap_or_else(|| panic!("the demonstration has {name}"));
    let volume = named("demo-web");
    let volumes = vec![volume, named("demo-mail")];
    let own = snapshot.sessions_of(volume).first().map(|session| session.pair.target);
    let targets = || [None, own].into_iter();
    let version = snapshot.generations_of(volume).last().expect("demo-web has a generation").version;
    match verb {
        Verb::Start => vec![Action::Start { volumes, targets: Vec::new(), together: false }],
        Verb::Suspend => targets().map(|target| Action::Suspend { volumes: vec![volume], target }).collect(),
        Verb::Resume => targets().map(|target| Action::Resume { volumes: vec![volume], target }).collect(),
        Verb::Backup => [None, Some(BackupMode::Suspend), Some(BackupMode::Dissolve)]
            .map(|mode| Action::Backup { volumes: volumes.clone(), mode, together: false })
            .into(),
        Verb::Cancel => [Some(CancelScope::Live), own.map(CancelScope::One), Some(CancelScope::All)]
            .into_iter()
            .flatten()
            .map(|scope| Action::Cancel { volumes: vec![volume], scope })
            .collect(),
        Verb::ForceStop => targets().map(|target| Action::ForceStop { volume, target }).collect(),
        Verb::DeleteGeneration => vec![Action::DeleteGeneration { volume, version }],
        Verb::Hold => vec![Action::Hold { volume, version, why: "tape 7 'monthly'".into() }],
        Verb::Unhold => vec![Action::Unhold { volume, version }],
        Verb::Reinstate => vec![Action::Reinstate { volume, version }],
        Verb::PostProcess => vec![Action::PostProcess { volume, version }],
        Verb::AcceptGeneration => vec![Action::AcceptGeneration { volume, version }],
        Verb::SetPolicy => {
            let policy = Policy::new(2, 3, BackupMode::Dissolve);
            vec![Action::SetPolicy { volume, policy }]
        }
        Verb::Overwrite => vec![Action::Overwrite { volume, version }],
        Verb::Reconcile => [Vec::new(), vec![ProposalKind::Adopt, ProposalKind::Release]]
            .map(|kinds| Action::Reconcile { volumes: vec![volume], only: Vec::new(), kinds, listed: Vec::new() })
            .into(),
        Verb::GiveBack => vec![Action::GiveBack { volume }],
        Verb::Snapshot => vec![Action::Snapshot { volume }],
        Verb::Practice => vec![Action::Practice { volume, version }],
        Verb::Restore => {
            let to = snapshot.unregistered.first().map(|free| free.id);
            [(None, false, false), (to, true, false), (Some(volume), true, true)]
                .map(|(to, unmounted, without_present_state)| Action::Restore {
                    volume,
                    version,
                    to,
                    unmounted,
                    without_present_state,
                })
                .into()
        }
        Verb::CancelRestore => vec![Action::CancelRestore { target: volume }],
        Verb::Register => {
            let free = snapshot.unregistered.first().map_or(volume, |free| free.id);
            let name = || Some("fresh".parse().unwrap());
            let one = [(VolumeRole::Transaction, name()), (VolumeRole::Backup, name()), (VolumeRole::Backup, None)]
                .map(|(role, name)| Action::Register { volume: free, role, name });
            let new = |volume: &ArrayVolume| NewVolume {
                volume: volume.id,
                role: VolumeRole::Backup,
                name: None,
                group: None,
            };
            let all = Action::RegisterAll { volumes: snapshot.unregistered.iter().take(2).map(new).collect() };
            one.into_iter().chain([all]).collect()
        }
        Verb::Rename => vec![Action::Rename { volume, name: "demo-shop".parse().unwrap() }],
        Verb::Unregister => vec![Action::Unregister { volume }],
        // They are about files of maps: `tests/rules/map_sets.rs` has their rules, `tests/site/maps.rs` their words.
        // `tests/rules/site_change.rs` has those of a site file.
        Verb::AddToSet => {
            vec![Action::AddToSet { name: "shop".parse().unwrap(), volumes: vec![volume] }]
        }
        Verb::RemoveFromSet => [vec![volume], Vec::new()]
            .map(|volumes| Action::RemoveFromSet { name: "shop".parse().unwrap(), volumes })
            .into(),
        Verb::ImportMap | Verb::EditMap | Verb::RemoveMap | Verb::ApplySite => Vec::new(),
    }
}

/// The words of every verb are read back to the request that they were written for, and its rule answers it: by a plan of this
/// verb, or by a refusal with a code that can be explained. Roles and keys are fields of the descriptor, which has no default.
#[tokio::test]
async fn every_verb_has_a_rule_and_words_that_ask_for_it() {
    let snapshot = fake::snapshot();
    for &verb in AskedVerb::ALL {
        for action in requests_of(verb, &snapshot) {
            // A hold's reason is part of what is asked for; an accepted generation is refused without one.
            let request = Request { reason: Some("seen by 'ana'".into()), ..Request::new(action) };
            assert_eq!(request.action.verb(), verb);
            match plan(&snapshot, &request) {
                Ok(plan) => {
                    assert!(plan.items().iter().all(|item| item.verb == verb && !item.steps.is_empty()), "{plan:?}");
                    assert!(!verb.info().destroys || plan.confirmation().is_some(), "{verb} destroys unasked");
                }
                Err(refusal) => assert!(refusal.code.explain().is_some(), "{verb}: {refusal}"),
            }
            let render_context = RenderContext { snapshot: &snapshot, site: &[] };
            let words = request_line::words(&request, render_context).expect("the command line has the verb");
            assert!(words.iter().zip(verb.info().command).all(|(word, wanted)| word == wanted), "{verb}: {words:?}");
            let words = std::iter::once("ecdeck".to_owned()).chain(words).chain(["--dry-run".to_owned()]);
            let line = CommandLine::try_parse_from(words.clone());
            let line = line.unwrap_or_else(|error| panic!("{:?}: {error}", words.collect::<Vec<_>>()));
            let fake = Fake::default();
            let _ = dispatch(&line.verb.unwrap(), &fake).await;
            let asked = fake.asked.lock().clone();
            let planned = asked.iter().find_map(|ask| match ask {
                Ask::Plan { request, .. } => Some(request.action.clone()),
                _ => None,
            });
            assert_eq!(planned.as_ref(), Some(&request.action), "{verb}: {asked:?}");
        }
    }
}

/// What a person puts in the place of a word in capitals, or of what the program fills in.
fn filled_in(word: &str) -> &str {
    match word {
        "TV" | "NAME" | "SITE" | "{name}" => "t1",
        "BV" | "VOLUME" => "A1/0x21",
        "ARRAY" => "A1",
        "HOST" => "host",
        "N" | "DAYS" | "SECONDS" | "{offset}" => "1",
        "suspend|dissolve" => "suspend",
        "FILE" => "config.toml",
        "COMMAND" => "status",
        "TEXT" => "why",
        "TIME" => "18:00",
        "CODE" | "{code}" => "ecd-1301",
        made if made.starts_with('{') => "A1",
        word => word,
    }
}

/// Every command between backticks of a text or a source, on one line. Comments name verbs, not commands.
fn commands_in(text: &str) -> Vec<String> {
    let mut joined = String::new();
    for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
        match joined.strip_suffix('\\') {
            Some(begun) => joined.truncate(begun.len()),
            None => joined.push('\n'),
        }
        joined.push_str(line);
    }
    let spans = joined.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    // A verb that is filled in is checked by the test of its descriptor.
    spans.filter(|span| span.starts_with("ecdeck ") && !span.starts_with("ecdeck {}")).map(str::to_owned).collect()
}

fn cannot_be_typed(command: &str) -> Option<String> {
    let words = command.split_whitespace().map(filled_in);
    match CommandLine::try_parse_from(words) {
        Err(error) if error.use_stderr() => Some(format!("`{command}`: {error}")),
        _ => None,
    }
}

/// Whether these are the words of a verb and nothing else: its name, not a line to be typed.
fn is_a_verbs_name(command: &str) -> bool {
    let mut at = CommandLine::command();
    command.split_whitespace().skip(1).all(|word| {
        let below = at.find_subcommand(word).cloned();
        below.is_some_and(|verb| {
            at = verb;
            true
        })
    })
}

#[test]
fn every_command_that_a_text_names_can_be_typed() {
    let mut files =
        vec![std::path::PathBuf::from("README.md"), "config.example.toml".into(), "docs".into(), "src".into()];
    let (mut found, mut wrong) = (0, Vec::new());
    while let Some(path) = files.pop() {
        let whole = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
        if whole.is_dir() {
            files.extend(std::fs::read_dir(&whole).unwrap().map(|entry| path.join(entry.unwrap().file_name())));
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&whole) else { continue };
        for command in commands_in(&text) {
            found += 1;
            let why = cannot_be_typed(&command).filter(|_| !is_a_verbs_name(&command));
            wrong.extend(why.map(|why| format!("{}: {why}", path.display())));
        }
    }
    assert!(found > 50, "only {found} commands were found: they are no longer looked for in the right way");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_to_do_about_a_code_names_whole_commands() {
    for row in crate::model::codes::TABLE {
        let spans = row.remedy.split('`').skip(1).step_by(2);
        for span in spans {
            assert!(span.starts_with("ecdeck "), "{}: `{span}` is no command", row.code);
            assert_eq!(cannot_be_typed(span), None, "{}", row.code);
        }
    }
    assert!(cannot_be_typed("ecdeck practise TV").is_some() && cannot_be_typed("ecdeck plan stage").is_some());
}

#[test]
fn a_volume_has_all_that_is_its_own_and_nothing_of_the_others() {
    let whole = super::fake::snapshot();
    for view in &*whole.transaction_volumes {
        let id = view.volume.id;
        let narrow = whole.of_volumes(&std::collections::BTreeSet::from([id]));
        assert_eq!(narrow.transaction_volumes.len(), 1);
        assert_eq!(narrow.transaction_volume(id), whole.transaction_volume(id));
        assert_eq!(narrow.sessions_of(id), whole.sessions_of(id));
        assert_eq!(narrow.generations_of(id), whole.generations_of(id));
        assert!(narrow.pool.iter().all(|one| one.transaction_volume == Some(id)));
        assert_eq!(narrow.find(view.volume.name.as_str()), Some(id));
        assert_eq!((narrow.arrays.len(), narrow.sequence), (whole.arrays.len(), whole.sequence));
    }
}

#[test]
fn a_backup_volume_comes_with_whose_it_is() {
    let whole = super::fake::snapshot();
    let owned = whole.pool.iter().find(|view| view.transaction_volume.is_some()).unwrap();
    let narrow = whole.of_volumes(&std::collections::BTreeSet::from([owned.volume.id]));
    assert_eq!(narrow.backup_volume(owned.volume.id), Some(owned));
    assert!(narrow.transaction_volume(owned.transaction_volume.unwrap()).is_some());
}
