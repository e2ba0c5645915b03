//! The catalogue on PostgreSQL: two engines, lines that are lost, servers that go away.

use crate::catalogue::{ALL, agrees_with_the_model, block_on, event, open, open_sql, random_histories, rounds};
use crate::catalogue::{server, server_of_its_own};
use crate::lossy::{Cut, LossyLine};
use ecdeck::catalog::sql::{CataloguePlace, OpenOptions, SqlCatalogue};
use ecdeck::catalog::{Catalogue, CatalogueError};
use ecdeck::model::chain::verify;

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
fn two_engines_on_postgresql_make_one_chain_and_one_of_them_gets_the_volume() {
    let Some(server) = server() else { return };
    block_on(async {
        let place: CataloguePlace = server.new_database("two").parse().unwrap();
        let (first, second) = (open_sql(&place).await, open_sql(&place).await);
        let work = |engine: SqlCatalogue, base: i64| async move {
            for number in 0..40 {
                engine.commit(Vec::new(), vec![event(base + number)]).await.unwrap();
            }
        };
        tokio::join!(work(first.clone(), 0), work(second.clone(), 1_000));
        let links = first.links(ALL).await.unwrap();
        let verdict = verify(&links, &[second.head().await.unwrap()]);
        assert!(verdict.is_intact() && verdict.events == 80, "{verdict:?}");

        let (one, other) = tokio::join!(
            first.commit(vec![open(1, 1, &[1, 2])], Vec::new()),
            second.commit(vec![open(2, 2, &[1, 2])], Vec::new())
        );
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        first.close().await;
        second.close().await;
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
