//! What is bounded for everyone: clients, half-read messages, configuration files.

use super::array_lab::Lab;
use super::test_site::{TestSite, kill};
use ecdeck::driver::emulated::wire;
use ecdeck::engine::protocol::hello;
use ecdeck::process::frames::{FrameReader, Hello, encode, greet};
use ecdeck::process::instance;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A line to a server, greeted by a client that says nothing more.
async fn idle_client(
    socket: &Path,
    ours: &Hello,
) -> Option<(FrameReader<tokio::net::unix::OwnedReadHalf>, tokio::net::unix::OwnedWriteHalf)> {
    let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut reader = FrameReader::new(read);
    greet(&mut reader, &mut write, ours, "").await.ok().map(|_| (reader, write))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_when_the_engine_is_full_is_told_so() {
    let lab = Lab::of(1, 1, 1);
    lab.run("status").ends(0);
    let socket = lab.home().engine().socket;
    let mut clients = Vec::new();
    while let Some(client) = idle_client(&socket, &hello()).await {
        clients.push(client);
        assert!(clients.len() < 1_000, "the number of clients is not limited");
    }
    assert!(clients.len() > 200, "{} clients", clients.len());
    let (lab, text, json) = tokio::task::spawn_blocking(move || {
        let (text, json) = (lab.run("status"), lab.run("status --json"));
        (lab, text, json)
    })
    .await
    .unwrap();
    let text = text.ends(5);
    assert!(text.err.contains("the engine is full") && text.err.contains("ecd-1905"), "{text:?}");
    assert!(!text.err.contains("pipe"), "{text:?}");
    assert_eq!(json.ends(5).json()["error"]["code"], "ecd-1905");
    drop(clients);
    tokio::task::spawn_blocking(move || lab.wait_for("room for a client", |_| true)).await.unwrap();
}

#[test]
fn half_messages_of_many_clients_take_little_memory() {
    let lab = Lab::of(1, 1, 1);
    lab.run("status").ends(0);
    let servers = [(lab.home().engine(), hello()), (lab.home().array_server(), wire::hello())];
    for (place, ours) in servers {
        let pid = instance::pid_of(&place).unwrap();
        let before = resident_mib(pid);
        let mut lines = Vec::new();
        for _ in 0..24 {
            let mut line = UnixStream::connect(&place.socket).unwrap();
            // A client that has greeted may send longer messages than one that has not.
            let mut greeted = UnixStream::connect(&place.socket).unwrap();
            send_half(&mut greeted, &encode(&ours).unwrap(), 15);
            lines.push(greeted);
            send_half(&mut line, &[], 60);
            lines.push(line);
        }
        let grown = resident_mib(pid).saturating_sub(before);
        assert!(grown < 128, "the {} has grown by {grown} MiB", place.server);
    }
    lab.run("status").ends(0);
}

/// Announces a message of so many MiB and sends all but the last one of it, as far as the server takes it.
fn send_half(line: &mut UnixStream, before: &[u8], mib: u32) {
    line.set_write_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
    let _ = line.write_all(before).and_then(|()| line.write_all(&(mib << 20).to_be_bytes()));
    let block = vec![b' '; 1 << 20];
    for _ in 1..mib {
        if line.write_all(&block).is_err() {
            break;
        }
    }
}

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

#[test]
fn a_configuration_that_is_none_is_refused_at_once() {
    let test_site = TestSite::new();
    let file = test_site.home().config_file();
    mknodat(CWD, &file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let refused = |said: &str, exit: i32| {
        for words in ["status", "backup t1 --yes", "status --json"] {
            let ran = test_site.run(words).ends(exit);
            let text = if words.ends_with("json") { &ran.out } else { &ran.err };
            assert!(text.contains(said) && text.contains("config.toml"), "{ran:?}");
        }
    };
    refused("it is a FIFO: give a regular file", 2);
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    refused("it is a device: give a regular file", 2);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    refused("it is a folder: give a regular file", 2);
    std::fs::remove_dir(&file).unwrap();
    std::fs::File::create(&file).unwrap().set_len(3 << 30).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    refused("longer than 4 MiB", 2);
    // Of others: what stands in it would run as this user.
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "site = \"lab\"\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    refused("other users can write", 2);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    if rustix::process::geteuid().is_root() {
        rustix::fs::chown(&file, Some(rustix::fs::Uid::from_raw(4_242)), None).unwrap();
        refused("belongs to uid 4242", 2);
        rustix::fs::chown(&file, Some(rustix::fs::Uid::ROOT), None).unwrap();
    }
    test_site.run("status").ends(0);
}

#[test]
fn a_log_whose_folder_was_removed_goes_on() {
    let lab = Lab::of(1, 1, 1);
    lab.run("status").ends(0);
    let folder = lab.home().log_dir();
    std::fs::remove_dir_all(&folder).unwrap();
    let pid = instance::pid_of(&lab.home().engine()).unwrap();
    // A client that says nonsense is logged.
    let mut line = UnixStream::connect(lab.home().engine().socket).unwrap();
    line.write_all(b"\0\0\0\x04!\x1b[2").unwrap();
    let logged = || {
        let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        files.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default()).collect::<String>()
    };
    lab.wait_for("a new log", |_| logged().contains("a client is gone"));
    assert!(!logged().contains('\u{1b}'));
    kill(pid, Signal::TERM);
}
