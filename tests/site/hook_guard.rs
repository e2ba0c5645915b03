//! The guard of hooks as a real process: whatever becomes of whoever started it, the scripts after a backup run in time.

use ecdeck::host::guard::{Guard, GuardError, GuardFiles, GuardHook, GuardOrder};
use ecdeck::host::script::Script;
use ecdeck::model::hook::{HookResult, ScriptEnd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For what surely comes.
const LONG: Duration = Duration::from_mins(1);

/// A folder with scripts that write what they are run for into one log.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A script that notes its name and its result, then does `more`.
    fn script(&self, name: &str, more: &str, limit_millis: u64) -> Script {
        let path = self.path(name);
        let log = self.path("log");
        let text = format!("#!/bin/sh\necho \"{name} $ECDECK_RESULT\" >> {}\n{more}\n", log.display());
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let argv = vec![path.to_str().unwrap().to_owned()];
        Script { argv, run_as: None, ssh: None, environment: Vec::new(), limit_millis }
    }

    fn hook(&self, name: &str, before: &str, limit_millis: u64) -> GuardHook {
        GuardHook {
            before: Some(self.script(&format!("{name}-before"), before, limit_millis)),
            after: Some(self.script(&format!("{name}-after"), "", limit_millis)),
        }
    }

    fn order(&self, pause_millis: u64, hooks: Vec<GuardHook>) -> GuardOrder {
        let files = self.files();
        GuardOrder {
            socket: files.socket,
            record: files.record,
            hooks,
            pause_millis: Some(pause_millis),
            result_variable: "ECDECK_RESULT".to_owned(),
        }
    }

    fn files(&self) -> GuardFiles {
        GuardFiles::of(&self.path("run"), "op1")
    }

    fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + LONG;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn start(order: &GuardOrder) -> Guard {
    Guard::start(Some(Path::new(env!("CARGO_BIN_EXE_ecdeck"))), order).await.unwrap()
}

#[tokio::test]
async fn scripts_run_once_in_the_order_that_is_asked_for_and_nothing_stays() {
    let bench = Bench::new();
    let guard =
        start(&bench.order(600_000, vec![bench.hook("a", "", 30_000), bench.hook("b", "exit 5", 30_000)])).await;
    assert!(guard.before(0, LONG).await.unwrap().report.is_success());
    for _ in 0..2 {
        assert_eq!(guard.before(1, LONG).await.unwrap().report.end, ScriptEnd::Exited { status: 5 });
    }
    assert!(guard.view().await.unwrap().holds);
    // Nothing may be forgotten.
    assert!(matches!(guard.leave().await, Err(GuardError::Refused(_))));
    for hook in [1, 0] {
        let run = guard.after(hook, HookResult::Done, Some("v7".into()), LONG).await.unwrap();
        assert!(run.report.is_success() && !run.by_deadline, "{run:?}");
    }
    assert!(!guard.view().await.unwrap().holds);
    assert_eq!(bench.log(), ["a-before", "b-before", "b-after done", "a-after done"]);
    guard.leave().await.unwrap();
    bench.until("the guard's files are gone", |bench| !bench.files().socket.exists()).await;
    assert_eq!(bench.files().left_report(), None);
}

#[tokio::test]
async fn at_the_deadline_the_guard_undoes_what_was_begun_and_says_so_to_whoever_comes_later() {
    let bench = Bench::new();
    let hooks = vec![bench.hook("a", "", 30_000), bench.hook("b", "", 30_000), bench.hook("c", "", 30_000)];
    let guard = start(&bench.order(1_500, hooks)).await;
    guard.before(0, LONG).await.unwrap();
    guard.before(1, LONG).await.unwrap();
    // Nobody asks for anything any more: the engine is dead, or stopped.
    bench.until("both are undone", |bench| bench.log().len() == 4).await;
    assert_eq!(bench.log(), ["a-before", "b-before", "b-after unknown", "a-after unknown"]);
    let later = Guard::find(bench.files()).await.expect("the guard waits for the next engine");
    let run = later.after(1, HookResult::Failed, None, LONG).await.unwrap();
    assert!(run.by_deadline && run.report.is_success(), "{run:?}");
    assert!(!later.view().await.unwrap().holds);
    // Too late for the third one.
    assert!(matches!(later.before(2, LONG).await, Err(GuardError::Refused(_))));
    assert_eq!(bench.log().len(), 4, "{:?}", bench.log());
    let left = bench.files().left_report().expect("for an engine that comes when the guard is gone");
    assert!(!left.holds && left.after[0].as_ref().is_some_and(|run| run.by_deadline) && left.after[2].is_none());
    later.leave().await.unwrap();
    bench.until("the report is gone", |bench| !bench.files().record.exists()).await;
}

#[tokio::test]
async fn a_script_that_hangs_is_ended_at_the_deadline_and_undone() {
    let bench = Bench::new();
    let guard = start(&bench.order(1_000, vec![bench.hook("a", "trap '' TERM; sleep 3600 & wait", 900_000)])).await;
    let run = guard.before(0, LONG).await.unwrap();
    assert!(matches!(run.report.end, ScriptEnd::TimedOut { limit_millis: ..=1_000, left: false }), "{run:?}");
    bench.until("it is undone", |bench| bench.log().len() == 2).await;
    assert_eq!(bench.log(), ["a-before", "a-after unknown"]);
    let deadline = Instant::now() + LONG;
    // The script has written its line and may not have ended yet. A guard that is not told to leave waits an hour for an engine.
    while guard.view().await.unwrap().holds || guard.leave().await.is_err() {
        assert!(Instant::now() < deadline, "the guard still holds");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn whoever_asked_may_go_and_the_script_comes_to_its_end() {
    let bench = Bench::new();
    let (go, gate) = (bench.path("go"), bench.path("begun"));
    let wait = format!("touch {}; while ! [ -e {} ]; do sleep 0.01; done", gate.display(), go.display());
    let guard = start(&bench.order(600_000, vec![bench.hook("a", &wait, 60_000)])).await;
    let asking = tokio::spawn({
        let guard = guard.clone();
        async move { guard.before(0, LONG).await }
    });
    bench.until("it has begun", |_| gate.exists()).await;
    asking.abort();
    let _ = asking.await;
    let next = Guard::find(bench.files()).await.unwrap();
    std::fs::write(&go, "").unwrap();
    assert!(next.before(0, LONG).await.unwrap().report.is_success());
    assert!(next.after(0, HookResult::Failed, None, LONG).await.unwrap().report.is_success());
    assert_eq!(bench.log(), ["a-before", "a-after failed"]);
    next.leave().await.unwrap();
}

#[tokio::test]
async fn an_order_that_cannot_be_followed_is_refused_by_name() {
    let bench = Bench::new();
    let mut order = bench.order(1_000, Vec::new());
    order.socket = bench.path("x").join("y").join("z".repeat(200));
    let why = Guard::start(Some(Path::new(env!("CARGO_BIN_EXE_ecdeck"))), &order).await.unwrap_err().to_string();
    assert!(why.contains("could not be started"), "{why}");
    let missing = Guard::start(Some(Path::new("/nowhere/ecdeck")), &bench.order(1_000, Vec::new())).await;
    assert!(matches!(missing, Err(GuardError::NotStarted(_))));
}
