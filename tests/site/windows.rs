//! `policy set --window`: what will not be equivalent by its end is late everywhere, and what missed it stays so.

use super::array_lab::Lab;
use jiff::tz::TimeZone;

/// Local times of day, so many minutes from now.
fn window(from: i64, to: i64) -> String {
    let at = |minutes: i64| {
        let at = jiff::Timestamp::from_millisecond(ecdeck::process::clock::now().0 + minutes * 60_000).unwrap();
        at.to_zoned_datetime(TimeZone::system()).strftime("%H:%M").to_string()
    };
    format!("{}-{}", at(from), at(to))
}

#[test]
fn a_copy_that_will_not_be_in_time_is_late_everywhere() {
    let lab = Lab::of(2, 4, 256);
    lab.policy("t1", 1, "suspend");
    lab.policy("t2", 1, "suspend");
    for name in ["t1", "t2"] {
        lab.run(&format!("policy set {name} --window {} --yes", window(-60, 6))).ends(0);
    }
    lab.run("policy set t1 --window 02:00-02:00 --yes").ends(2);
    lab.run("array rate 256KiB").ends(0);
    lab.run("sync start t1 --yes").ends(0);
    let status = lab.wait_for("late", |status| lab.entry(status, "t1")["window"]["state"] == "late");
    let window = &lab.entry(&status, "t1")["window"];
    assert!(window["why"].as_str().unwrap().contains("the window ends at"), "{window}");
    assert_eq!(lab.entry(&status, "t2")["window"]["state"], "waiting", "nothing runs, and no copy was timed");
    let text = lab.run("status").ends(0).out;
    assert!(text.lines().any(|line| line.starts_with("t1") && line.contains("! late")), "{text}");

    let check = lab.run("check t1 --json").ends(1).json();
    assert!(check["volumes"][0]["why"].as_str().unwrap().contains("late: equivalent "), "{check}");
    let report = lab.run("report --since 1h").out;
    assert!(report.contains("t1: late: equivalent "), "{report}");
    let metrics = lab.run("metrics").ends(0).out;
    assert!(metrics.contains("ecdeck_volume_window{volume=\"t1\",state=\"late\"} 1"), "{metrics}");
    assert!(metrics.contains("ecdeck_volume_window{volume=\"t2\",state=\"waiting\"} 1"), "{metrics}");

    // As fast as it can: it is in time again, and backed up in its window.
    lab.run("array rate none").ends(0);
    lab.wait_for_state("t1", "equivalent");
    let status = lab.status();
    assert_eq!(lab.entry(&status, "t1")["window"]["state"], "in-time", "{status}");
    lab.back_up("t1");
    lab.wait_for("done", |status| lab.entry(status, "t1")["window"]["state"] == "done");
    lab.run("check t1").ends(0);
}

#[test]
fn a_window_is_kept_with_the_policy_until_it_is_taken_away() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 1, "suspend");
    let plan = lab.run("policy set t1 --window 22:00-05:30 --dry-run").ends(0).out;
    assert!(plan.contains("window 22:00-05:30"), "{plan}");
    lab.run("policy set t1 --window 22:00-05:30 --yes").ends(0);
    lab.run("policy set t1 --floor 1 --yes").ends(0);
    assert!(lab.kill_engine());
    let shown = lab.run("policy show t1 --json").ends(0).json();
    assert_eq!(shown["policies"][0]["policy"]["window"], "22:00-05:30", "{shown}");
    let site = lab.run("site export -").ends(0).out;
    assert!(site.contains("window = \"22:00-05:30\""), "{site}");
    lab.run("policy set t1 --window none --yes").ends(0);
    let shown = lab.run("policy show t1 --json").ends(0).json();
    assert!(shown["policies"][0]["policy"]["window"].is_null(), "{shown}");
    let status = lab.status();
    assert!(lab.entry(&status, "t1")["window"].is_null(), "{status}");
}
