//! `audit verify` from outside: tables that were forged, heads that were cut, and what is said of them.

use crate::array_lab::Lab;
use crate::catalogue::block_on;
use crate::earlier::home_of_format_1;
use crate::test_site::TestSite;
use std::path::Path;

/// Runs a statement on the catalogue of a home whose engine does not run, as somebody with the sqlite3 program would.
fn forge(home: &TestSite, statement: &str) {
    use sqlx::{ConnectOptions, Connection};
    home.kill_engine();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(home.home().catalogue_file());
    block_on(async {
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[track_caller]
fn found(home: &TestSite, wanted: &str) {
    let verdict = home.run("audit verify --json").ends(1).json();
    assert_eq!(verdict["intact"], false);
    let faults = verdict["faults"].as_array().unwrap();
    assert!(faults.iter().any(|fault| fault.as_str().unwrap().contains(wanted)), "no {wanted:?} in {verdict:#}");
    assert!(home.run("audit verify").ends(1).err.contains(wanted));
}

/// Forges, wants it found by name, and puts everything back.
#[track_caller]
fn forged_and_found(home: &TestSite, forgery: &str, wanted: &str) {
    const FILES: [&str; 4] = ["catalogue.db", "catalogue.db-wal", "catalogue.db-shm", "audit.heads"];
    home.kill_engine();
    let aside = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &Path| {
        for file in FILES {
            let _ = std::fs::remove_file(to.join(file));
            let _ = std::fs::copy(from.join(file), to.join(file));
        }
    };
    copy(home.path(), aside.path());
    forge(home, forgery);
    found(home, wanted);
    home.kill_engine();
    copy(aside.path(), home.path());
    home.run("audit verify").ends(0);
}

#[test]
fn every_forged_row_is_named() {
    let lab = Lab::of(1, 4, 1);
    lab.policy("t1", 2, "suspend");
    for _ in 0..3 {
        lab.synchronize("t1");
        lab.back_up("t1");
    }
    let whole = lab.run("audit verify").ends(0);
    assert!(whole.out.contains("the chain is whole") && whole.out.contains("--head"), "{whole:?}");
    let cases = [
        // A generation that was pushed out is there again.
        ("UPDATE generation SET released_at = NULL, release_reason = NULL WHERE version = 1", "table generation, row"),
        ("UPDATE generation SET taken_at = taken_at + 1 WHERE version = 3", "/0x1 3: it is not what event"),
        ("UPDATE generation SET state = 'in-doubt', why = '\"x\"' WHERE version = 2", "/0x1 2: it is not what event"),
        ("UPDATE transaction_volume SET generations = 3", "table transaction_volume, row"),
        (
            "UPDATE operation SET actor = replace(actor, '\"uid\":', '\"uid\":4') WHERE id = 1",
            "table operation, row 1:",
        ),
        ("UPDATE journal SET number = number + 50 WHERE operation = 1", "table journal, row 1 "),
        ("DELETE FROM our_session WHERE target LIKE '%/0x21'", "it is gone; event"),
        (
            "INSERT INTO known_array VALUES ('X', '00EMUL##X###############################')",
            "row X: no event wrote this row",
        ),
        ("UPDATE event SET uid = 4711 WHERE sequence = 2", "event 2: its time, kind, operation, volume or user"),
        ("UPDATE head SET next_operation = 0", "the number of the next operation was used already"),
    ];
    for (forgery, wanted) in cases {
        forged_and_found(&lab, forgery, wanted);
    }
}

#[test]
fn rows_of_an_earlier_format_are_named_as_well_and_its_events_are_checked_by_the_chain_only() {
    let home = home_of_format_1();
    home.run("array fault A1 clear").ends(0);
    home.wait_for("the backup that was open", |status| status["operations"][0]["end"]["end"] == "done");
    let whole = home.run("audit verify --json").ends(0).json();
    assert_eq!(whole["compared_from"], 145, "{whole:#}");
    let said = home.run("audit verify").ends(0);
    assert!(said.out.contains("before event 145 are checked by the chain only"), "{said:?}");
    forge(&home, "UPDATE generation SET blocks = 4096 WHERE version = 1 AND released_at IS NOT NULL");
    found(&home, "it is not what event 145 wrote");
    forge(&home, "DELETE FROM generation WHERE blocks = 4096");
    found(&home, "it is gone; event 145 wrote it");
    forge(&home, "DELETE FROM baseline WHERE table_name = 'generation'");
    found(&home, "the digests of table generation that belong to event 145 were altered");
}

#[test]
fn heads_that_are_missing_or_damaged_are_findings_and_one_noted_elsewhere_is_compared() {
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    let head = lab.run("audit verify --json").ends(0).json()["head"]["hash"].as_str().unwrap().to_owned();
    lab.policy("t1", 2, "suspend");
    lab.run(&format!("audit verify --head {head}")).ends(0);
    let other = "0".repeat(64);
    assert!(lab.run(&format!("audit verify --head {other}")).ends(1).err.contains(&other));
    lab.run("audit verify --head nonsense").ends(2);

    let heads: &Path = &lab.path().join("audit.heads");
    let kept = std::fs::read_to_string(heads).unwrap();
    std::fs::write(heads, kept.replacen(' ', "_", 1)).unwrap();
    found(&lab, "1 lines are no heads");
    std::fs::write(heads, &kept).unwrap();
    lab.run("audit verify").ends(0);
    std::fs::remove_file(heads).unwrap();
    found(&lab, "audit.heads cannot be read");
}

#[test]
fn a_damaged_row_is_named_and_nothing_else_is_said_to_be_wrong() {
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    lab.back_up("t1");
    for (damage, back) in [("state = 'rotten'", "state = 'valid'"), ("blocks = 'many'", "blocks = 2048")] {
        forge(&lab, &format!("UPDATE generation SET {damage}"));
        let refused = lab.run("status --json").ends(5).json();
        assert_eq!(refused["error"]["code"], "ecd-1912", "{refused:#}");
        let text = refused["error"]["text"].as_str().unwrap();
        assert!(text.contains("is damaged: table generation, row ") && text.contains("/0x1 1:"), "{text}");
        forge(&lab, &format!("UPDATE generation SET {back}"));
        lab.run("audit verify").ends(0);
    }
}

#[test]
fn an_older_catalogue_that_is_put_back_leaves_every_kept_generation_in_doubt() {
    let lab = Lab::of(1, 3, 1);
    lab.policy("t1", 2, "suspend");
    lab.synchronize("t1");
    lab.back_up("t1");
    lab.signal(&lab.home().engine(), rustix::process::Signal::TERM);
    let (file, older) = (lab.home().catalogue_file(), lab.path().join("older"));
    std::fs::copy(&file, &older).unwrap();
    lab.synchronize("t1");
    lab.back_up("t1");
    lab.signal(&lab.home().engine(), rustix::process::Signal::TERM);
    assert!(!lab.path().join("catalogue.db-wal").exists(), "a clean end leaves one file");
    std::fs::copy(&older, &file).unwrap();
    let refused = lab.run("status --json").ends(5).json();
    assert_eq!(refused["error"]["code"], "ecd-1904", "{refused:#}");
    std::fs::remove_file(lab.path().join("audit.heads")).unwrap();
    for _ in 0..2 {
        let history = lab.json("history t1");
        let newest = &history["generations"][0];
        assert_eq!((&newest["version"], &newest["kept"]), (&1.into(), &true.into()), "{history:#}");
        assert!(newest["state"].to_string().contains("doubt"), "{history:#}");
        lab.kill_engine();
    }
    assert!(lab.run("audit show").ends(0).out.contains("kept generations are in doubt"));
}
