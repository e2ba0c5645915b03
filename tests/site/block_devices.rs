//! Volumes of embedded arrays as block devices of this machine.

use super::needs;
use super::test_site::{InTime, TestSite};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The socket of a volume's export.
#[track_caller]
pub fn export(lab: &TestSite, volume: &str) -> PathBuf {
    let socket = lab.path().join(format!("{}.nbd", volume.replace('/', "-")));
    lab.run(&format!("array export {volume} --socket {}", socket.display())).ends(0);
    socket
}

/// Regions that the one session with a target has copied since it is there.
pub fn copied_regions(lab: &TestSite, target: &str) -> u64 {
    let volumes = lab.json("array volumes A1");
    let volume = volumes["volumes"].as_array().unwrap().iter().find(|one| one["location"] == target).unwrap();
    volume["sessions"][0]["copied_regions"].as_u64().unwrap()
}

/// Ends what was begun, in the reverse order, whatever becomes of the test.
#[derive(Default)]
pub struct Undo {
    pub commands: Vec<Vec<String>>,
    daemons: Vec<Child>,
}

impl Drop for Undo {
    fn drop(&mut self) {
        for command in self.commands.iter().rev() {
            let _ = Command::new(&command[0]).args(&command[1..]).stderr(Stdio::null()).status();
        }
        for daemon in &mut self.daemons {
            let pid = rustix::process::Pid::from_child(daemon);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = daemon.wait();
        }
    }
}

/// Runs a tool of this machine, which must succeed.
#[track_caller]
pub fn run(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).in_time();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A volume as a block device: a loop device over the FUSE export of a client of its NBD export. `direct`: `on` where the
/// array writes beneath it, and the kernel must not keep what it read.
pub fn block_device(lab: &TestSite, volume: &str, direct: &str, undo: &mut Undo) -> Option<String> {
    let socket = export(lab, volume);
    let (daemon, losetup) = (needs::needs("qemu-storage-daemon")?, needs::needs("losetup")?);
    let file = lab.path().join(format!("{}.lu", volume.replace('/', "-")));
    std::fs::write(&file, "").unwrap();
    let size = std::fs::metadata(&file).unwrap().len();
    let blockdev =
        format!("driver=nbd,node-name=lu0,server.type=unix,server.path={},reconnect-delay=5", socket.display());
    let fuse = format!("type=fuse,id=f0,node-name=lu0,mountpoint={},writable=on,growable=off", file.display());
    let child = Command::new(daemon).args(["--blockdev", &blockdev, "--export", &fuse]).spawn().unwrap();
    undo.daemons.push(child);
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::fs::metadata(&file).unwrap().len() == size {
        let ended = undo.daemons.last_mut().unwrap().try_wait().unwrap();
        if ended.is_some() || Instant::now() > deadline {
            needs::skip("fuse", "qemu-storage-daemon exports nothing here");
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let made = Command::new(&losetup).args(["-f", "--show", &format!("--direct-io={direct}")]).arg(&file).in_time();
    if !made.status.success() {
        needs::skip("losetup", "no loop device can be made here");
        return None;
    }
    let device = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    undo.commands.push(vec![losetup.to_str().unwrap().to_owned(), "-d".to_owned(), device.clone()]);
    Some(device)
}
