//! `[notify]`: one hook that is given what is wrong, what is over and how jobs ended, once each, also across engines.

use super::array_lab::Lab;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A site whose notification hook does what a script says. By default it keeps what it reads.
struct Notified {
    lab: Lab,
}

const KEEP: &str = "cat >> {log}";

impl Notified {
    fn new(script: &str, keys: &str) -> Self {
        let notified = Self { lab: Lab::of(1, 2, 1) };
        notified.script(script);
        let path = notified.path();
        notified.lab.configure(&format!("[notify]\ncommand = [\"{}\"]\n{keys}\n", path.display()));
        notified.lab.policy("t1", 1, "suspend");
        notified.lab.synchronize("t1");
        notified
    }

    fn path(&self) -> PathBuf {
        self.lab.path().join("notify")
    }

    fn script(&self, script: &str) {
        let log = self.lab.path().join("notified.log");
        let text = format!("#!/bin/sh\n{}\n", script.replace("{log}", &log.display().to_string()));
        std::fs::write(self.path(), text).unwrap();
        std::fs::set_permissions(self.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Each once: one that an engine did not see the end of is given again with its number.
    fn deliveries(&self) -> Vec<Value> {
        let mut all = self.given();
        all.dedup_by_key(|one| one["number"].as_u64());
        all
    }

    fn given(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.lab.path().join("notified.log")).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn notifications(&self) -> Vec<(String, String, String)> {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |entry: &Value| (word(&entry["kind"]), word(&entry["state"]), word(&entry["volume"]));
        let deliveries = self.deliveries();
        deliveries.iter().flat_map(|one| one["notifications"].as_array().unwrap()).map(of).collect()
    }

    fn jobs(&self) -> Vec<String> {
        let deliveries = self.deliveries();
        let jobs = deliveries.iter().flat_map(|one| one["jobs"].as_array().unwrap());
        jobs.map(|job| job["text"].as_str().unwrap().to_owned()).collect()
    }

    fn until(&self, what: &str, fulfilled: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(2);
        while !fulfilled(self) {
            assert!(Instant::now() < deadline, "{what}: {:#?}", self.deliveries());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_notified(&self, kind: &str, state: &str) -> bool {
        self.notifications().iter().any(|(its_kind, its_state, _)| its_kind == kind && its_state == state)
    }
}

#[test]
fn a_fault_and_its_end_and_each_job_are_notified_once() {
    let site = Notified::new(KEEP, "");
    let lab = &site.lab;
    site.until("the start is summed up", |site| site.jobs().contains(&"start: 1 of 1".to_owned()));
    lab.run("array fault A1 error-suspend 0x1 0x21").ends(0);
    site.until("the error is notified", |site| site.is_notified("error", "new"));
    let deliveries = site.deliveries();
    let with_error = deliveries.iter().find(|one| one["text"].as_str().unwrap().contains("t1 error")).unwrap();
    assert_eq!((&with_error["schema"], &with_error["demo"]), (&1.into(), &false.into()), "{with_error:#}");
    let numbers: Vec<u64> = deliveries.iter().map(|one| one["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());

    // Another engine finds the fault and has nothing new to say of it.
    let before = site.deliveries().len();
    lab.kill_engine();
    lab.run("backup t1 --yes").ends(3);
    site.until("the refused backup is summed up", |site| {
        site.jobs().iter().any(|job| job.starts_with("backup: 0 of 1, t1"))
    });
    assert_eq!(site.deliveries().len(), before + 1, "{:#?}", site.deliveries());
    let errors = site.notifications().into_iter().filter(|(kind, ..)| kind == "error").count();
    assert_eq!(errors, 1, "{:?}", site.notifications());

    lab.run("sync cancel t1 --yes").ends(0);
    site.until("the end of the fault is notified", |site| site.is_notified("error", "recovered"));
    lab.run("audit verify").ends(0);
}

#[test]
fn what_is_wrong_before_there_is_a_hook_is_notified_once() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.run("array fault A1 error-suspend 0x1 0x21").ends(0);
    lab.wait_for_state("t1", "error");
    let site = Notified { lab };
    site.script(KEEP);
    site.lab.configure(&format!("[notify]\ncommand = [\"{}\"]\n", site.path().display()));
    site.lab.run("status").ends(0);
    site.until("the fault is notified", |site| site.is_notified("error", "new"));
    // What was done before is nobody's news.
    assert!(site.jobs().is_empty(), "{:?}", site.jobs());
}

#[test]
fn a_hook_that_fails_or_hangs_delays_nothing_and_is_shown() {
    let site = Notified::new("exec sleep 3600", "limit = \"1s\"");
    let lab = &site.lab;
    lab.back_up("t1");
    let status = lab.wait_for("the trouble with the hook", |status| status["notify"].is_object());
    assert_eq!(status["notify"]["code"], "ecd-1906", "{:#}", status["notify"]);
    assert!(lab.run("status").ends(0).out.contains("! the notification hook fails: "));
    let report = lab.run("report --since 1h").ends(0);
    assert!(report.out.contains("ecd-1906"), "{}", report.out);
    assert!(lab.run("check --nagios").ends(1).out.contains("notification hook fails"));

    // What it was not given is kept: the next engine gives it to the mended hook.
    site.script(KEEP);
    lab.kill_engine();
    lab.run("status").ends(0);
    site.until("the summaries come", |site| site.jobs().contains(&"backup: 1 of 1".to_owned()));
    lab.wait_for("that the hook works", |status| status["notify"].is_null());
    assert!(lab.run("report --since 1h").ends(0).out.starts_with("Nothing needs a person."));
}

#[test]
fn a_hook_that_is_missing_is_shown_before_it_is_needed() {
    let lab = Lab::of(1, 2, 1);
    lab.configure("[notify]\ncommand = [\"/nowhere/notify\"]\n");
    let status = lab.wait_for("the trouble with the hook", |status| status["notify"].is_object());
    let why = status["notify"]["why"].as_str().unwrap();
    assert!(why.contains("/nowhere/notify"), "{why}");
}

#[test]
fn a_start_that_finds_no_volume_is_notified_before_it() {
    let site = Notified::new(KEEP, "kinds = [\"pool-short\"]");
    let lab = &site.lab;
    // Two backup volumes for three volumes that were never backed up: their next start is now.
    for (olu, name) in [(2, "t2"), (3, "t3")] {
        lab.transaction(name, "A1", olu, 1);
        lab.policy(name, 1, "suspend");
    }
    site.until("the short pool is notified", |site| {
        site.notifications().contains(&("pool-short".to_owned(), "new".to_owned(), "t3".to_owned()))
    });
    assert_eq!(site.notifications().len(), 1, "{:?}", site.notifications());
    // The report has it, too, and a person may know of it.
    let short = |lab: &Lab| {
        let report = lab.json("report --since 1h");
        let all = report["troubles"].as_array().unwrap();
        all.iter().find(|trouble| trouble["kind"] == "pool-short").unwrap().clone()
    };
    let trouble = short(lab);
    assert!(trouble["volume"] == "t3" && trouble["acknowledged"].is_null(), "{trouble:#}");
    let id = trouble["id"].as_str().unwrap();
    lab.run(&format!("report acknowledge {id} --reason ordered --until 2999-01-01T00:00")).ends(0);
    assert_eq!(short(lab)["acknowledged"]["reason"], "ordered");
    lab.backups("A1", 0x31..0x34, 1);
    site.until("the pool is long enough again", |site| {
        site.notifications().contains(&("pool-short".to_owned(), "recovered".to_owned(), "t3".to_owned()))
    });
}

#[test]
fn a_test_of_the_hook_says_that_it_is_one() {
    let site = Notified::new("printf '%s ' \"$ECDECK_DRY_RUN\"; cat", "kinds = [\"catalogue\"]");
    let lab = &site.lab;
    let tested = lab.run("notify test --yes --json").ends(0).json();
    let output = tested["output"].as_str().unwrap();
    let document = output.strip_prefix("1 ").unwrap();
    let given: Value = serde_json::from_str(document.trim()).unwrap();
    assert_eq!(
        (&given["dry_run"], &given["number"], &given["schema"]),
        (&true.into(), &0.into(), &1.into()),
        "{given:#}"
    );
    assert!(given["text"].as_str().unwrap().starts_with("test of the notification hook"), "{given:#}");
    assert!(lab.run("audit show").ends(0).out.contains("tested the notification hook"));
    site.script("echo no mail server; exit 7");
    let failed = lab.run("notify test --yes").ends(1).out;
    assert!(failed.contains("no mail server"), "{failed}");
    assert!(lab.status()["notify"].is_null(), "nothing waits for it");
    Lab::of(1, 1, 1).run("notify test --yes").ends(2);
}
