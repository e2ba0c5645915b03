//! The catalogue on PostgreSQL: two engines, lines that are lost, servers that go away.

use crate::array_lab::Lab;
use crate::catalogue::{ALL, agrees_with_the_model, block_on, event, open, open_sql, random_histories, rounds};
use crate::catalogue::{server, server_of_its_own};
use crate::lossy::{Cut, LossyLine};
use crate::postgres::Server;
use ecdeck::catalog::sql::{CataloguePlace, OpenOptions, SqlCatalogue};
use ecdeck::catalog::{Catalogue, CatalogueError};
use ecdeck::model::chain::verify;
use ecdeck::process::instance;
use rustix::process::Signal;

#[test]
fn random_changes_mean_the_same_in_postgresql() {
    let Some(server) = server() else { return };
    let number = std::cell::Cell::new(0);
    random_histories(rounds(12), |batches| {
        number.set(number.get() + 1);
        block_on(async {
            let url = server.new_database(&format!("random{}", number.get()));
            let catalogue = open_sql(&url.parse().unwrap()).await;
            let agreed = agrees_with_the_model(&catalogue, &batches).await;
            catalogue.close().await;
            agreed
        })
    });
}

#[test]
fn a_second_engine_on_postgresql_is_refused_and_told_who_has_the_catalogue() {
    let Some(server) = server() else { return };
    block_on(async {
        let place: CataloguePlace = server.new_database("two").parse().unwrap();
        let first = open_sql(&place).await;
        first.commit(vec![open(1, 1, &[1, 2])], vec![event(1)]).await.unwrap();
        let refused = SqlCatalogue::open(&place, OpenOptions::default()).await.unwrap_err();
        let CatalogueError::InUse { holder: Some(holder), .. } = &refused else { panic!("{refused}") };
        assert_eq!(holder.pid, std::process::id());
        assert!(refused.to_string().contains("since 20"), "{refused}");
        first.close().await;
        open_sql(&place).await.close().await;
    });
}

/// Ends the session that holds the lock of a database's engine, and waits until the lock is free.
fn end_the_locks_session(server: &Server, database: &str) {
    const LOCKS: &str = "pg_locks JOIN pg_database ON pg_locks.database = pg_database.oid
        WHERE locktype = 'advisory' AND granted AND datname = current_database()";
    assert!(server.sql(database, &format!("SELECT pg_terminate_backend(pid) FROM {LOCKS}")));
    let deadline = std::time::Instant::now() + crate::test_site::DEADLINE;
    while !server.sql(database, &format!("SELECT 1 / CAST(NOT EXISTS (SELECT 1 FROM {LOCKS}) AS INTEGER)")) {
        assert!(std::time::Instant::now() < deadline, "the lock is not let go of");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_lock_that_was_lost_is_taken_again_before_anything_is_written() {
    let Some(server) = server() else { return };
    block_on(async {
        let place: CataloguePlace = server.new_database("again").parse().unwrap();
        let first = open_sql(&place).await;
        for number in 1..4 {
            end_the_locks_session(server, "again");
            first.commit(Vec::new(), vec![event(number)]).await.unwrap();
            let second = SqlCatalogue::open(&place, OpenOptions::default()).await;
            assert!(matches!(second, Err(CatalogueError::InUse { .. })), "{second:?}");
        }
        first.close().await;
    });
}

#[test]
fn an_engine_that_lost_its_lock_to_another_one_writes_nothing_ever_after() {
    let Some(server) = server() else { return };
    block_on(async {
        let place: CataloguePlace = server.new_database("lostlock").parse().unwrap();
        let first = open_sql(&place).await;
        first.commit(Vec::new(), vec![event(1)]).await.unwrap();
        end_the_locks_session(server, "lostlock");
        let second = open_sql(&place).await;
        second.commit(Vec::new(), vec![event(2)]).await.unwrap();
        let refused = first.commit(Vec::new(), vec![event(3)]).await.unwrap_err();
        assert!(matches!(refused, CatalogueError::InUse { .. }), "{refused}");
        second.commit(Vec::new(), vec![event(4)]).await.unwrap();
        second.close().await;
        // What it knows of the catalogue is old by now.
        let refused = first.commit(Vec::new(), vec![event(5)]).await.unwrap_err();
        assert!(matches!(refused, CatalogueError::TakenOver { .. }), "{refused}");
        let third = open_sql(&place).await;
        assert_eq!(third.head().await.unwrap().sequence, 3);
        third.close().await;
    });
}

#[test]
fn a_line_lost_at_commit_is_looked_up() {
    let Some(server) = server() else { return };
    block_on(async {
        server.new_database("lost");
        let folder = tempfile::tempdir().unwrap();
        let line = LossyLine::listen(folder.path(), &server.socket());
        let url = format!("postgres://ecdeck@localhost/lost?host={}", folder.path().display());
        let catalogue = open_sql(&url.parse().unwrap()).await;
        catalogue.commit(Vec::new(), vec![event(1)]).await.unwrap();

        line.cut_next_commit(Cut::AfterSending);
        let kept = catalogue.commit(Vec::new(), vec![event(2)]).await.unwrap();
        assert_eq!(kept[0].sequence, 2);
        assert!(line.was_cut());

        line.cut_next_commit(Cut::BeforeSending);
        let lost = catalogue.commit(Vec::new(), vec![event(3)]).await.unwrap_err();
        assert!(matches!(lost, CatalogueError::Unreachable { .. }), "{lost}");
        assert!(line.was_cut());
        assert_eq!(catalogue.commit(Vec::new(), vec![event(4)]).await.unwrap()[0].sequence, 3);
        assert!(verify(&catalogue.links(ALL).await.unwrap(), &[]).is_intact());
        catalogue.close().await;
    });
}

#[test]
fn a_server_that_only_reads_is_told_at_the_start() {
    let Some(server) = server() else { return };
    block_on(async {
        let place: CataloguePlace = server.new_database("standby").parse().unwrap();
        open_sql(&place).await.close().await;
        assert!(server.sql("postgres", "ALTER DATABASE standby SET default_transaction_read_only = on"));
        let refused = SqlCatalogue::open(&place, OpenOptions::default()).await.unwrap_err();
        assert!(matches!(refused, CatalogueError::ReadOnly { .. }), "{refused}");
    });
}

#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("postgres://ecdeck@localhost/none?host={}", folder.path().display());
        let refused = SqlCatalogue::open(&url.parse().unwrap(), OpenOptions::default()).await.unwrap_err();
        assert!(matches!(refused, CatalogueError::Unreachable { .. }), "{refused}");
    });
}

#[test]
fn a_server_that_went_away_is_told_and_used_again_when_it_is_back() {
    let Some(mut server) = server_of_its_own() else { return };
    block_on(async {
        let catalogue = open_sql(&server.new_database("back").parse().unwrap()).await;
        let before = catalogue.commit(Vec::new(), vec![event(1)]).await.unwrap();
        server.crash_and_restart();
        // The pool may first hand out lines that died with the server.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let after = loop {
            match catalogue.commit(Vec::new(), vec![event(2)]).await {
                Ok(kept) => break kept,
                Err(error @ CatalogueError::Unreachable { .. }) => {
                    assert!(std::time::Instant::now() < deadline, "{error}");
                }
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!((before[0].sequence, after[0].sequence), (1, 2));
        assert!(verify(&catalogue.links(ALL).await.unwrap(), &[]).is_intact());
        catalogue.close().await;
    });
}

/// A site whose catalogue is on the server, and whose server dies in the middle of operations.
#[test]
fn operations_outlast_a_server_that_is_killed_in_any_of_their_steps() {
    let Some(mut server) = server_of_its_own() else { return };
    let lab = Lab::new();
    let config = lab.home().config_file();
    let url = format!("\n[catalogue]\nurl = \"{}\"\n", server.new_database("site"));
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + &url).unwrap();
    lab.transaction("t1", "A1", 1, 1);
    lab.backups("A1", 0x21..0x24, 1);
    lab.policy("t1", 2, "suspend");
    let engine = instance::pid_of(&lab.home().engine());
    for (round, pause) in [0, 15, 40].into_iter().enumerate() {
        lab.synchronize("t1");
        lab.run("array fault A1 slow --millis 3000").ends(0);
        let backup = lab.spawn("backup t1 --yes --json");
        lab.wait_for("the suspend is on its way", |status| {
            status["operations"]
                .as_array()
                .unwrap()
                .iter()
                .any(|operation| operation["step"].as_str().is_some_and(|step| step.contains("answer to suspend")))
        });
        server.crash(|| {
            lab.wait_for("the catalogue takes no writes", |status| status["catalogue"]["writable"] == false);
            let refused = lab.run("policy set t1 --generations 2 --interval 2 --mode suspend --yes --json");
            assert!([5, 7].contains(&refused.exit), "{refused:?}");
            lab.run("array fault A1 clear").ends(0);
        });
        // It goes on at once, and the server dies in another step of it.
        std::thread::park_timeout(std::time::Duration::from_millis(pause));
        server.crash(|| ());
        backup.end().ends(0);
        let kept = lab.kept("t1");
        assert_eq!(kept[0].0, round as u64 + 1, "{kept:?}");
        lab.run(&format!("policy set t1 --generations 2 --interval {} --mode suspend --yes", round + 3)).ends(0);
    }
    assert_eq!(instance::pid_of(&lab.home().engine()), engine);
    lab.run("audit verify").ends(0);
    lab.signal(&lab.home().engine(), Signal::TERM);
}
