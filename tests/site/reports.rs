//! `ecdeck report`: what happened since a moment, and whether anything needs a person.

use super::array_lab::Lab;

#[test]
fn a_report_counts_jobs_and_says_what_needs_a_person() {
    let lab = Lab::of(2, 4, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.back_up("t1");
    let good = lab.run("report --since 1h").ends(0);
    assert!(good.out.starts_with("Nothing needs a person.\n"), "{}", good.out);
    assert!(good.out.contains("backup: 1 of 1 done") && good.out.contains("start: 1 of 1 done"), "{}", good.out);

    // t2 has a policy and no copy: its part of the job is refused.
    lab.policy("t2", 1, "suspend");
    lab.synchronize("t1");
    lab.run("backup t1 t2 --yes").ends(6);
    let bad = lab.run("report --since 1h").ends(0);
    assert!(bad.out.starts_with("2 things need a person.\n"), "{}", bad.out);
    assert!(bad.out.contains("! t2 backup refused: ") && bad.out.contains("ecd-1302"), "{}", bad.out);
    assert!(bad.out.contains("! t2: recoverable: no; there is no backup"), "{}", bad.out);
    assert!(bad.out.contains("in total: 1 of 2 backed up"), "{}", bad.out);

    let document = lab.json("report --since 1h");
    assert_eq!(document["needs_person"], 2, "{document:#}");
    assert_eq!(document["failures"][0]["name"], "t2");
    assert_eq!(document["failures"][0]["code"], "ecd-1302");
    let jobs = document["jobs"].as_array().unwrap();
    let backups: Vec<_> = jobs.iter().filter(|job| job["verb"] == "backup").collect();
    assert_eq!((&backups[0]["done"], &backups[0]["total"]), (&1.into(), &1.into()), "{document:#}");
    assert!(backups[0]["volumes"][0]["seconds"].is_number(), "{document:#}");
    let outcomes: Vec<_> = backups[1]["volumes"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    assert_eq!(outcomes, ["done", "refused"], "{document:#}");

    // A later success takes the failure away; the engine's end changes nothing of what is told.
    lab.synchronize("t2");
    lab.kill_engine();
    lab.back_up("t2");
    let mended = lab.run("report --since 1h").ends(0);
    assert!(mended.out.starts_with("Nothing needs a person.\n"), "{}", mended.out);
    assert!(mended.out.contains("in total: 2 of 2 backed up"), "{}", mended.out);
}

#[test]
fn what_was_before_is_left_out_and_what_is_wrong_now_is_said() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.back_up("t1");
    let quiet = lab.run("report --since 0s").ends(0);
    assert!(quiet.out.contains("nothing happened"), "{}", quiet.out);
    assert_eq!(lab.json("report --since 0s")["jobs"], serde_json::json!([]));
    lab.run("array fault A1 unreachable").ends(0);
    lab.wait_for("the silent array", |status| status["arrays"][0]["reachable"] == false);
    let silent = lab.run("report --since 0s").ends(0);
    assert!(!silent.out.starts_with("Nothing") && silent.out.contains("! A1 does not answer"), "{}", silent.out);
    for wrong in ["25:00", "2199-01-01T00:00", "yesterday", "60"] {
        lab.run(&format!("report --since {wrong}")).ends(2);
    }
}

#[test]
fn an_acknowledged_trouble_needs_nobody_until_it_comes_back() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.back_up("t1");
    lab.synchronize("t1");
    let fail = || {
        lab.run("array fault A1 error-suspend 0x1 0x21").ends(0);
        lab.wait_for_state("t1", "error");
        let document = lab.json("report --since 1h");
        let troubles = document["troubles"].as_array().unwrap();
        let error = troubles.iter().find(|trouble| trouble["kind"] == "error").unwrap().clone();
        (document["needs_person"].as_u64().unwrap(), error)
    };
    let (before, error) = fail();
    let id = error["id"].as_str().unwrap();
    assert!(error["acknowledged"].is_null(), "{error:#}");
    lab.run(&format!("report acknowledge {id} --reason disk --until 2000-01-01T00:00")).ends(2);
    lab.run("report acknowledge 00000000 --reason disk --until 2999-01-01T00:00").ends(3);
    lab.run("report acknowledge db07 --reason disk --until 2999-01-01T00:00").ends(2);
    lab.run(&format!("report acknowledge {id} --reason disk --until 2999-01-01T00:00")).ends(0);
    let after = lab.json("report --since 1h");
    assert_eq!(after["needs_person"].as_u64(), Some(before - 1), "{after:#}");
    let status = lab
        .wait_for("the acknowledgement", |status| status["acknowledged"].as_array().is_some_and(|all| all.len() == 1));
    assert_eq!((&status["acknowledged"][0]["id"], &status["acknowledged"][0]["reason"]), (&id.into(), &"disk".into()));
    assert_eq!(lab.entry(&status, "t1")["state"], "error", "it hides nothing");
    assert!(lab.run("status").ends(0).out.contains("acknowledged until 2999-01-01 00:00 by "));
    let text = lab.run("report --since 1h").ends(0).out;
    assert!(text.contains("acknowledged until") && !text.contains("! t1: the array stopped"), "{text}");

    // It outlives the engine, and ends with its trouble: the same one that comes back is new.
    lab.kill_engine();
    assert_eq!(lab.json("report --since 1h")["needs_person"].as_u64(), Some(before - 1));
    lab.run("sync cancel t1 --all --yes").ends(0);
    lab.wait_for("the end of the acknowledgement", |status| {
        status["acknowledged"].as_array().is_some_and(Vec::is_empty)
    });
    lab.synchronize("t1");
    let target = lab.status()["sessions"][0]["target"]["location"].as_str().unwrap().to_owned();
    lab.run(&format!("array fault A1 error-suspend A1/0x1 {target}")).ends(0);
    lab.wait_for_state("t1", "error");
    let again = lab.json("report --since 1h");
    let again =
        again["troubles"].as_array().unwrap().iter().find(|trouble| trouble["kind"] == "error").unwrap().clone();
    assert!(again["id"] == id && again["acknowledged"].is_null(), "{again:#}");
    lab.run("audit verify").ends(0);
}
