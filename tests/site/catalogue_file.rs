//! The catalogue in a SQLite file: full, damaged, newer, foreign, in use, altered.

use crate::array_lab::Lab;
use crate::catalogue::{ALL, block_on, event, open_sql, sqlite, volume};
use crate::needs::needs;
use crate::test_site::{InTime, PROGRAM};
use ecdeck::catalog::sql::{CataloguePlace, FORMAT, OpenOptions, SqlCatalogue};
use ecdeck::catalog::{Catalogue, CatalogueError, Outside};
use ecdeck::model::chain::verify;
use ecdeck::model::event::{EventKind, NewEvent};
use ecdeck::model::records::{BackupVolume, Change, EntityChange};
use ecdeck::model::units::{Blocks, Timestamp};
use std::path::Path;

#[test]
fn a_full_file_is_told_and_nothing_is_lost() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions { most_pages: Some(96) };
        let catalogue = SqlCatalogue::open(&sqlite(folder.path()), options).await.unwrap();
        let mut kept = 0;
        let full = loop {
            let long = EventKind::EngineStarted { version: "x".repeat(3_000) };
            match catalogue.commit(Vec::new(), vec![NewEvent::by_engine(Timestamp(1), long)]).await {
                Ok(_) => kept += 1,
                Err(error) => break error,
            }
            assert!(kept < 1_000, "the limit of pages has no effect");
        };
        assert!(matches!(full, CatalogueError::Full { .. }), "{full}");
        assert_eq!(catalogue.head().await.unwrap().sequence, kept);
        catalogue.close().await;
        drop(catalogue);
        let again = open_sql(&sqlite(folder.path())).await;
        assert!(verify(&again.links(ALL).await.unwrap(), &[]).is_intact());
        assert_eq!(again.commit(Vec::new(), vec![event(1)]).await.unwrap()[0].sequence, kept + 1);
    });
}

#[test]
fn a_second_engine_on_the_same_file_is_refused() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let place = sqlite(folder.path());
        let first = open_sql(&place).await;
        let second = SqlCatalogue::open(&place, OpenOptions::default()).await;
        assert!(matches!(second, Err(CatalogueError::InUse { .. })), "{second:?}");
        first.close().await;
        drop(first);
        open_sql(&place).await;
    });
}

#[test]
fn a_newer_catalogue_is_refused_and_not_touched() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let place = sqlite(folder.path());
        open_sql(&place).await.close().await;
        let CataloguePlace::Sqlite(path) = &place else { unreachable!() };
        raw(path, "PRAGMA journal_mode = DELETE").await;
        raw(path, &format!("INSERT INTO migration (number) VALUES ({})", FORMAT + 1)).await;
        let before = std::fs::read(path).unwrap();
        let refused = SqlCatalogue::open(&place, OpenOptions::default()).await.unwrap_err();
        assert!(matches!(refused, CatalogueError::Newer { found, .. } if found == FORMAT + 1), "{refused}");
        assert!(before == std::fs::read(path).unwrap(), "the file was changed");
    });
}

/// The tables of format 3 are new ones: what an earlier format wrote is still compared with its own events.
#[test]
fn a_catalogue_of_format_2_is_brought_up_and_compared_from_its_first_event() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let place = sqlite(folder.path());
        let catalogue = open_sql(&place).await;
        let volume =
            BackupVolume { id: volume(1), name: None, blocks: Blocks(8), registered_at: Timestamp(7), group: None };
        catalogue.commit(vec![Change::Entity(EntityChange::PutBackupVolume(volume))], vec![event(1)]).await.unwrap();
        let before = catalogue.load().await.unwrap();
        catalogue.close().await;
        drop(catalogue);
        let CataloguePlace::Sqlite(path) = &place else { unreachable!() };
        for statement in [
            "DROP TABLE map_set",
            "DROP TABLE map_member",
            "DROP TABLE map_use",
            "DROP TABLE policy_option",
            "DROP TABLE generation_note",
            "DROP TABLE generation_suspend",
            "DROP TABLE policy_guard",
            "DROP TABLE policy_window",
            "DROP TABLE maintenance",
            "DROP TABLE take_over",
            "DROP TABLE released_generation",
            "DROP TABLE volume_set",
            "DROP TABLE volume_set_member",
            "DROP TABLE volume_group",
            "DROP TABLE generation_set",
            "DROP TABLE backup_group",
            "DROP TABLE generation_group",
            "DROP TABLE group_watch",
            "DROP TABLE generation_copy",
            "DROP TABLE generation_fingerprint",
            "DROP TABLE volume_leaves",
            "DROP TABLE notice",
            "DROP TABLE acknowledgement",
            "DROP INDEX generation_by_operation",
            "DELETE FROM migration WHERE number > 2",
        ] {
            raw(path, statement).await;
        }
        let again = open_sql(&place).await;
        assert_eq!(again.load().await.unwrap(), before);
        let report = again.verify(Outside::default()).await.unwrap();
        assert!(report.is_intact(), "{:?}", report.findings());
        assert_eq!((report.compared_from, report.rows), (Some(1), 1));
        again.close().await;
        raw(path, "UPDATE backup_volume SET blocks = 9").await;
        drop(again);
        let report = open_sql(&place).await.verify(Outside::default()).await.unwrap();
        assert!(!report.is_intact());
    });
}

#[test]
fn a_damaged_file_and_a_foreign_one_are_told_apart_from_an_empty_one() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let place = sqlite(folder.path());
        let CataloguePlace::Sqlite(path) = &place else { unreachable!() };

        std::fs::write(path, "this was never a database, and it is long enough to be read as one".repeat(20)).unwrap();
        let refused = SqlCatalogue::open(&place, OpenOptions::default()).await.unwrap_err();
        assert!(matches!(refused, CatalogueError::Corrupt { .. }), "{refused}");

        std::fs::write(path, "").unwrap();
        let catalogue = open_sql(&place).await;
        for number in 0..200 {
            catalogue.commit(Vec::new(), vec![event(number)]).await.unwrap();
        }
        catalogue.close().await;
        drop(catalogue);
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle - 2_048..middle + 2_048].fill(0xA5);
        std::fs::write(path, bytes).unwrap();
        let refused = SqlCatalogue::open(&place, OpenOptions::default()).await.unwrap_err();
        assert!(matches!(refused, CatalogueError::Corrupt { .. }), "{refused}");

        std::fs::remove_file(path).unwrap();
        raw_new(path, "CREATE TABLE recipe (name TEXT)").await;
        let refused = SqlCatalogue::open(&place, OpenOptions::default()).await.unwrap_err();
        assert!(refused.to_string().contains("another program"), "{refused}");
    });
}

#[test]
fn folder_and_files_are_private_and_an_open_folder_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    block_on(async {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        let catalogue = open_sql(&sqlite(&folder)).await;
        catalogue.commit(Vec::new(), vec![event(1)]).await.unwrap();
        assert_eq!(mode(&folder), 0o700);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        catalogue.close().await;
        drop(catalogue);
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
        let refused = SqlCatalogue::open(&sqlite(&folder), OpenOptions::default()).await.unwrap_err();
        assert!(matches!(refused, CatalogueError::Exposed { .. }), "{refused}");
    });
}

#[test]
fn an_altered_row_is_found_by_verifying_the_chain() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let place = sqlite(folder.path());
        let CataloguePlace::Sqlite(path) = &place else { unreachable!() };
        let catalogue = open_sql(&place).await;
        catalogue.commit(Vec::new(), (1..=9).map(event).collect()).await.unwrap();
        raw(path, "UPDATE event SET document = replace(document, '\"days\":4', '\"days\":5') WHERE sequence = 4").await;
        let verdict = verify(&catalogue.links(ALL).await.unwrap(), &[]);
        assert_eq!(verdict.faults.iter().map(ToString::to_string).collect::<Vec<_>>(), ["event 4 was altered"]);
    });
}

/// Runs one statement on the file, as somebody with the sqlite3 program would.
async fn raw(path: &Path, statement: &str) {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn raw_new(path: &Path, statement: &str) {
    std::fs::write(path, "").unwrap();
    raw(path, statement).await;
}

#[test]
fn a_file_on_a_read_only_disk_is_told_and_everything_is_there_when_it_is_writable_again() {
    // Root may write to what its mode forbids: only a mount can take that away, in a namespace of the command's own.
    const READ_ONLY: &str = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@""#;
    let Some(unshare) = needs("mount namespaces") else { return };
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 1, "suspend");
    lab.kill_engine();
    let folder = lab.path().join("disk");
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(lab.path()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("catalogue.db") {
            std::fs::rename(entry.path(), folder.join(name)).unwrap();
        }
    }
    let config = lab.home().config_file();
    let url = format!("\n[catalogue]\nurl = \"sqlite:{}\"\n", folder.join("catalogue.db").display());
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + &url).unwrap();

    let mut read_only = std::process::Command::new(unshare);
    read_only.args(["--mount", "sh", "-c", READ_ONLY, "sh"]).arg(&folder).arg(PROGRAM).args(["status", "--json"]);
    let output = read_only.env("ECDECK_HOME", lab.path()).stdin(std::process::Stdio::null()).in_time();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert!(text.contains("catalogue.db cannot be written") && text.contains("check the"), "{text}");
    let status = lab.status();
    assert_eq!(lab.entry(&status, "t1")["policy"]["generations"], 1, "{status:#}");
}

#[test]
fn an_engine_whose_catalogue_is_gone_begins_anew_only_when_the_heads_are_moved_away_on_purpose() {
    let lab = Lab::of(1, 1, 1);
    let (state, catalogue) = (lab.home().state_dir().to_owned(), lab.home().catalogue_file());
    let aside = state.join("aside");
    std::fs::create_dir(&aside).unwrap();
    let rename = |from: &Path, to: &Path| {
        for suffix in ["", "-wal", "-shm"] {
            let name = format!("{}{suffix}", catalogue.file_name().unwrap().to_str().unwrap());
            let _ = std::fs::rename(from.join(&name), to.join(&name));
        }
    };
    lab.kill_engine();
    rename(&state, &aside);
    let told = lab.run("status").ends(5);
    assert!(told.err.contains("ecd-1904") && told.err.contains("audit.heads"), "{told:?}");
    assert!(!catalogue.exists(), "an empty catalogue stands where the lost one belongs");
    // An empty one is no better than none.
    block_on(async { open_sql(&CataloguePlace::Sqlite(catalogue.clone())).await.close().await });
    assert!(lab.run("status").ends(5).err.contains("ecd-1904"));
    rename(&aside, &state);
    assert_eq!(lab.status()["transaction_volumes"].as_array().unwrap().len(), 1);
    lab.run("audit verify").ends(0);
    lab.kill_engine();
    rename(&state, &aside);
    std::fs::rename(state.join("audit.heads"), aside.join("audit.heads")).unwrap();
    assert!(lab.status()["transaction_volumes"].as_array().unwrap().is_empty());
}
