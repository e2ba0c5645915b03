//! `array maintenance`: refused by that word until its end, listed everywhere, and what was live runs again.

use super::array_lab::Lab;

#[test]
fn an_array_in_maintenance_starts_nothing_until_its_end() {
    let lab = Lab::of(2, 4, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.run("array maintenance A9 begin --until 2999-01-01T00:00").ends(3);
    lab.run("array maintenance A1 end").ends(3);
    lab.run("array maintenance A1 begin --until 2000-01-01T00:00").ends(2);
    let plan = lab.run("array maintenance A1 begin --until 2999-01-01T00:00 --dry-run").ends(0).out;
    assert!(plan.contains("would be in maintenance") && plan.contains("live now: t1"), "{plan}");
    assert_eq!(lab.status()["maintenance"].as_array().unwrap().len(), 0);

    lab.run_words(&["array", "maintenance", "A1", "begin", "--until", "2999-01-01T00:00", "--reason", "new firmware"])
        .ends(0);
    lab.refused("backup t1 --yes", "ecd-1271");
    lab.refused("sync start t2 --yes", "ecd-1271");
    lab.refused("snapshot t2 --yes", "ecd-1271");
    lab.refused("restore t1 --version 1 --to t1 --unmounted --confirm t1", "ecd-1271");
    let status = lab.run("status").ends(0).out;
    assert!(status.contains("maintenance of A1, begun by ") && status.contains("new firmware"), "{status}");
    let doctor = lab.run("array doctor A1").out;
    assert!(doctor.contains("begun by ") && doctor.contains("no start, resume or backup runs there"), "{doctor}");
    assert!(doctor.contains("`ecdeck array maintenance A1 end`"), "{doctor}");
    assert!(!lab.run("array doctor A2").out.contains("maintenance"));
    let entry = &lab.status()["maintenance"][0];
    assert_eq!((&entry["array"], &entry["in_force"]), (&"A1".into(), &true.into()), "{entry}");
    assert_eq!(entry["live"].as_array().unwrap().len(), 1, "{entry}");
    // It was never backed up: listed, and nobody is called.
    let check = lab.run("check t1 --json").ends(0).json();
    assert_eq!((&check["recoverable"], &check["volumes"][0]["grade"]), (&false.into(), &"ok".into()), "{check}");
    assert!(check["volumes"][0]["why"].as_str().unwrap().contains("muted: A1 is in maintenance"), "{check}");
    let report = lab.json("report --since 1h");
    assert_eq!(report["maintenance"][0]["array"], "A1", "{report}");
    let trouble = report["troubles"].as_array().unwrap().iter().find(|trouble| trouble["volume"] == "t1").unwrap();
    assert!(trouble["acknowledged"]["reason"].as_str().unwrap().contains("new firmware"), "{trouble}");

    // It outlives the engine; what is suspended meanwhile is live again after its end.
    assert!(lab.kill_engine());
    lab.run("sync suspend t1 --yes").ends(0);
    lab.refused("sync resume t1 --yes", "ecd-1271");
    let plan = lab.run("array maintenance A1 end --dry-run").ends(0).out;
    assert!(plan.contains("to be resumed: t1"), "{plan}");
    lab.refused("sync resume t1 --yes", "ecd-1271");
    let ended = lab.run("array maintenance A1 end --yes").ends(0).out;
    assert!(ended.contains("the maintenance of A1 is over"), "{ended}");
    lab.wait_for_state("t1", "equivalent");
    assert_eq!(lab.status()["maintenance"].as_array().unwrap().len(), 0);
    lab.back_up("t1");
    lab.run("audit verify").ends(0);
}

#[test]
fn a_maintenance_past_its_time_is_said_and_refuses_nothing() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    let soon = jiff::Timestamp::from_millisecond(ecdeck::process::clock::now().0 + 3_000).unwrap();
    lab.run(&format!("array maintenance A1 begin --until {soon}")).ends(0);
    lab.refused("backup t1 --yes", "ecd-1271");
    lab.wait_for("its time", |status| status["maintenance"][0]["in_force"] == false);
    lab.back_up("t1");
    let status = lab.run("status").ends(0).out;
    assert!(
        status.lines().any(|line| line.starts_with("! maintenance of A1") && line.contains("ecd-1909")),
        "{status}"
    );
    assert!(lab.run("report --since 1h").ends(0).out.contains("ecd-1909"));
    let ended = lab.run("array maintenance A1 end --yes").ends(0).out;
    assert!(ended.contains("not resumed, its backup volume holds v1: t1"), "{ended}");
    assert!(!lab.run("report --since 1h").ends(0).out.contains("ecd-1909"));
}
