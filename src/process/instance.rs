//! The life of a server: one per home, proved by a lock held for life; started detached; ended by a signal or by idleness.

use super::paths::{Home, MAX_SOCKET_PATH, Place};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::UnixListener;

/// A server that has not said it is ready by then is reported, not waited for.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often the loser of a race for the lock looks whether the winner answers.
const POLL_AGAIN: Duration = Duration::from_millis(20);
/// How often idleness is looked at.
const IDLE_LOOK: Duration = Duration::from_secs(5);
pub const READY: &str = "ready";

#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    #[error("{what} {path:?}: {error}")]
    Io { what: &'static str, path: PathBuf, error: std::io::Error },
    #[error(
        "{path:?} cannot be written ({error}), and no server runs that could answer: a server keeps its lock, its socket and its \
         data there. Make it writable for this user, or set ECDECK_HOME to a folder that is"
    )]
    NotWritable { path: PathBuf, error: std::io::Error },
    #[error("{path:?} can be reached by others (mode {mode:03o}): run `chmod {wanted:03o} {path:?}`")]
    TooOpen { path: PathBuf, mode: u32, wanted: u32 },
    #[error(
        "{path:?} belongs to uid {owner}, but this program runs as uid {uid}: run it as that user or set ECDECK_HOME"
    )]
    Foreign { path: PathBuf, owner: u32, uid: u32 },
    #[error(
        "{0:?} is on NFS, where a lock and a catalogue cannot be relied on: set ECDECK_HOME to a folder on a local disk"
    )]
    Nfs(PathBuf),
    #[error(
        "the socket path {0:?} is longer than {MAX_SOCKET_PATH} bytes: set ECDECK_HOME or XDG_RUNTIME_DIR to a shorter one"
    )]
    LongSocket(PathBuf),
    #[error(
        "the group {group} cannot reach the socket {socket:?}: its members may not enter the folder {folder:?} (mode {mode:03o}); \
         run the engine as the service (assets/ecdeck.service), or leave engine.group away"
    )]
    Unreachable { group: u32, socket: PathBuf, folder: PathBuf, mode: u32 },
    #[error("the {0} could not be started: {1}")]
    Start(&'static str, String),
}

/// What needs the right to write in a folder of the home.
const WRITING: [&str; 4] = ["making the folder", "opening the lock", "removing the old socket", "binding the socket"];

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> InstanceError {
    let path = path.to_owned();
    move |error| match error.kind() {
        ErrorKind::ReadOnlyFilesystem => InstanceError::NotWritable { path, error },
        ErrorKind::PermissionDenied if WRITING.contains(&what) => InstanceError::NotWritable { path, error },
        _ => InstanceError::Io { what, path, error },
    }
}

/// Makes a folder of the home (0700) with its parents, or checks that it is ours alone and not on NFS.
pub fn private_folder(path: &Path) -> Result<(), InstanceError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io("making the folder", path))?;
    let folder = std::fs::symlink_metadata(path)
        .and_then(|link| if link.is_symlink() { std::fs::metadata(path) } else { Ok(link) })
        .map_err(io("looking at", path))?;
    check_private(path, &folder, 0o700)?;
    let system = rustix::fs::statfs(path).map_err(|e| io("looking at", path)(e.into()))?;
    if system.f_type == rustix::fs::NFS_SUPER_MAGIC { Err(InstanceError::Nfs(path.to_owned())) } else { Ok(()) }
}

/// Makes the folder of a socket with its parents, or checks that it is ours. A group may look into it and use the sockets
/// that are its own, but nobody else may change what is in it.
pub fn socket_folder(path: &Path) -> Result<(), InstanceError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io("making the folder", path))?;
    check_private(path, &std::fs::metadata(path).map_err(io("looking at", path))?, 0o750)
}

/// Whatever a server makes is for its own user alone, whatever the umask of whoever started it.
pub fn set_private_umask() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Checks that a file of the home, if it is there, is ours alone (0600).
pub fn private_file(path: &Path) -> Result<(), InstanceError> {
    match std::fs::metadata(path) {
        Ok(file) => check_private(path, &file, 0o600),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(io("looking at", path)(e)),
    }
}

fn check_private(path: &Path, found: &std::fs::Metadata, wanted: u32) -> Result<(), InstanceError> {
    let (uid, mode) = (rustix::process::geteuid().as_raw(), found.mode() & 0o777);
    if found.uid() != uid {
        Err(InstanceError::Foreign { path: path.to_owned(), owner: found.uid(), uid })
    } else if mode & !wanted != 0 {
        Err(InstanceError::TooOpen { path: path.to_owned(), mode, wanted })
    } else {
        Ok(())
    }
}

/// Who is the server of a home.
#[derive(Debug)]
pub enum Claim {
    /// We are, as long as this lives.
    Ours(InstanceLock),
    /// Another process is.
    Taken,
}

/// The lock of a home's server, held for life. Only its holder may bind the socket.
#[derive(Debug)]
pub struct InstanceLock {
    lock: File,
    place: Place,
}

/// Tries to become the server of a place; never waits.
pub fn claim(place: &Place) -> Result<Claim, InstanceError> {
    let folder = |path: &Path| path.parent().unwrap_or(Path::new("/")).to_owned();
    private_folder(&folder(&place.lock))?;
    socket_folder(&folder(&place.socket))?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&place.lock)
        .map_err(io("opening the lock", &place.lock))?;
    private_file(&place.lock)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Claim::Ours(InstanceLock { lock, place: place.clone() })),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Claim::Taken),
        Err(e) => Err(io("locking", &place.lock)(e.into())),
    }
}

impl InstanceLock {
    /// Binds the socket anew: whatever is at its path is left over from an earlier holder of the lock.
    pub fn bind(&self) -> Result<UnixListener, InstanceError> {
        self.bind_for(None)
    }

    /// As [`Self::bind`], for a group: its members reach the socket (0660) through its folder (0750).
    pub fn bind_for(&self, group: Option<u32>) -> Result<UnixListener, InstanceError> {
        let socket = &self.place.socket;
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(InstanceError::LongSocket(socket.clone()));
        }
        match std::fs::remove_file(socket) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(io("removing the old socket", socket)(e)),
            _ => {}
        }
        let listener = UnixListener::bind(socket).map_err(io("binding the socket", socket))?;
        let mode = if group.is_some() { 0o660 } else { 0o600 };
        if let Some(group) = group {
            let folder = socket.parent().unwrap_or(Path::new("/"));
            give_to_group(socket, group)?;
            give_to_group(folder, group)?;
            std::fs::set_permissions(folder, Permissions::from_mode(0o750))
                .map_err(io("opening the folder", folder))?;
            check_reachable(socket, group)?;
        }
        std::fs::set_permissions(socket, Permissions::from_mode(mode)).map_err(io("protecting the socket", socket))?;
        Ok(listener)
    }
}

fn give_to_group(path: &Path, group: u32) -> Result<(), InstanceError> {
    let given = rustix::fs::chown(path, None, Some(rustix::fs::Gid::from_raw(group)));
    given.map_err(|error| {
        io("giving to the group of engine.group, of which the engine's user must be a member,", path)(error.into())
    })
}

/// Whether the members of a group may enter every folder on the way to the socket.
fn check_reachable(socket: &Path, group: u32) -> Result<(), InstanceError> {
    for folder in socket.ancestors().skip(1) {
        let found = std::fs::metadata(folder).map_err(io("looking at", folder))?;
        let enters = if found.gid() == group { 0o010 } else { 0o001 };
        if found.mode() & enters == 0 {
            let (socket, folder, mode) = (socket.to_owned(), folder.to_owned(), found.mode() & 0o777);
            return Err(InstanceError::Unreachable { group, socket, folder, mode });
        }
    }
    Ok(())
}

impl Drop for InstanceLock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.place.socket);
        // A child that is being started may still hold the descriptor: closing ours would not let go.
        let _ = rustix::fs::flock(&self.lock, FlockOperation::Unlock);
    }
}

/// Whether somebody answers on the place's socket.
pub fn answers(place: &Place) -> bool {
    std::os::unix::net::UnixStream::connect(&place.socket).is_ok()
}

/// The pid of the process that answers on the place's socket.
pub fn pid_of(place: &Place) -> Option<u32> {
    let stream = std::os::unix::net::UnixStream::connect(&place.socket).ok()?;
    let credentials = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    u32::try_from(credentials.pid.as_raw_nonzero().get()).ok()
}

/// Becomes the server of a place, or waits until the server that is there answers.
///
/// The lock is tried again for as long as nobody answers: its holder may be a process that was just killed.
///
/// # Errors
/// When the place cannot be used, or its lock is held for [`START_TIMEOUT`] by a process that does not answer.
pub fn claim_or_wait(place: &Place) -> Result<Claim, InstanceError> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if let Claim::Ours(lock) = claim(place)? {
            return Ok(Claim::Ours(lock));
        }
        if answers(place) {
            return Ok(Claim::Taken);
        }
        if Instant::now() > deadline {
            let why = format!("another process holds {} but does not answer", place.lock.display());
            return Err(InstanceError::Start(place.server, why));
        }
        std::thread::sleep(POLL_AGAIN);
    }
}

/// Waits until a server that was asked to end has let go of its place. `pid`: the server's, where it is known; another one that
/// answers there by now, because somebody needed it at once, proves the end as well.
pub fn wait_until_it_is_free(place: &Place, pid: Option<u32>) -> Result<(), InstanceError> {
    let deadline = Instant::now() + START_TIMEOUT;
    while let Claim::Taken = claim(place)? {
        if pid.is_some() && pid_of(place).is_some_and(|now| Some(now) != pid) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let why = io("waiting for the end of the server of", &place.lock);
            return Err(why(ErrorKind::TimedOut.into()));
        }
        std::thread::sleep(POLL_AGAIN);
    }
    Ok(())
}

/// Starts this same program as a server of its own session and waits until it says that it is ready.
///
/// The server must call [`detach`] first, and [`Ready::say`] when its socket is bound.
pub fn start_detached(home: &Home, place: &Place, arguments: &[&str]) -> Result<(), InstanceError> {
    start_program_detached(Path::new("/proc/self/exe"), home, place, arguments)
}

/// As [`start_detached`], for a program that is not this one: tests are not the program that they test.
pub fn start_program_detached(
    program: &Path,
    home: &Home,
    place: &Place,
    arguments: &[&str],
) -> Result<(), InstanceError> {
    let failed = |why: String| InstanceError::Start(place.server, why);
    let mut command = Command::new(program);
    command.arg0("ecdeck").args(arguments).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    for (variable, value) in home.environment() {
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    let mut child = command.spawn().map_err(|e| failed(e.to_string()))?;
    let pipe = child.stdout.take();
    // A parent that lives on must not keep a zombie when the server ends before it.
    std::thread::spawn(move || child.wait());
    let answer = pipe.map(read_answer).transpose().map_err(|e| failed(e.to_string()))?.unwrap_or_default();
    match answer.trim() {
        READY => Ok(()),
        "" => Err(failed("it ended, or took too long, without a message; its log may say why".to_owned())),
        error => Err(failed(error.to_owned())),
    }
}

/// The first line from the pipe, or what there is of it when the time is up.
fn read_answer(mut pipe: std::process::ChildStdout) -> std::io::Result<String> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut answer = Vec::new();
    while !answer.contains(&b'\n') {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit =
            rustix::event::Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let mut waiting = [rustix::event::PollFd::new(&pipe, rustix::event::PollFlags::IN)];
        match rustix::event::poll(&mut waiting, Some(&limit)) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let mut some = [0; 512];
        match pipe.read(&mut some)? {
            0 => break,
            count => answer.extend_from_slice(&some[..count]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// What a server that was started by [`start_detached`] does first: leave the terminal and its signals behind.
pub fn detach() -> Ready {
    // Fails only for a leader of a group, which has no terminal to lose that it did not ask for.
    let _ = rustix::process::setsid();
    Ready(())
}

/// The pipe to the starter, on standard output; used once.
#[derive(Debug)]
#[must_use = "the starter waits for it"]
pub struct Ready(());

impl Ready {
    /// Tells the starter that the server answers, and lets go of the pipe.
    pub fn say(self) {
        Self::write(READY);
    }

    /// Tells the starter, in one sentence, why there will be no server.
    pub fn fail(self, why: &dyn std::fmt::Display) {
        Self::write(&why.to_string().replace('\n', " "));
    }

    fn write(line: &str) {
        // The starter may be gone; the server is no worse for it.
        let mut out = std::io::stdout();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        if let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()) {
            let _ = rustix::stdio::dup2_stdout(null);
        }
    }
}

/// Waits for SIGTERM or SIGINT: a clean end.
pub async fn asked_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
    Ok(())
}

/// Waits until `is_idle` was true, at every look, for so long.
pub async fn idle_for(limit: Duration, mut is_idle: impl FnMut() -> bool) {
    let mut since = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(IDLE_LOOK.min(limit)).await;
        if !is_idle() {
            since = tokio::time::Instant::now();
        } else if since.elapsed() >= limit {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        let home = Home::in_folder(folder.path());
        (folder, home)
    }

    #[tokio::test]
    async fn a_socket_for_a_group_is_reached_by_it_or_refused() {
        let (folder, home) = home();
        let place = home.engine();
        let Claim::Ours(instance_lock) = claim(&place).unwrap() else { panic!("nobody else is here") };
        let group = rustix::process::getegid().as_raw();
        let run = place.socket.parent().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        // The home is for its owner alone, so that no group gets through it.
        let error = instance_lock.bind_for(Some(group)).unwrap_err().to_string();
        let inner = format!("{:?} (mode 700)", folder.path());
        assert!(error.contains(&inner) && error.contains("ecdeck.service"), "{error}");
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        let _listener = instance_lock.bind_for(Some(group)).unwrap();
        assert_eq!((mode(&place.socket), mode(run)), (0o660, 0o750));
        // The folder may stay like that, and not be more open.
        socket_folder(run).unwrap();
        std::fs::set_permissions(run, Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(socket_folder(run), Err(InstanceError::TooOpen { wanted: 0o750, .. })));
    }

    #[tokio::test]
    async fn only_one_claims_a_place_and_it_is_free_again_afterwards() {
        let (_folder, home) = home();
        let place = home.engine();
        let Claim::Ours(instance_lock) = claim(&place).unwrap() else { panic!("nobody else is here") };
        assert!(matches!(claim(&place).unwrap(), Claim::Taken));
        let listener = instance_lock.bind().unwrap();
        assert!(answers(&place));
        assert_eq!(pid_of(&place), Some(std::process::id()));
        drop((listener, instance_lock));
        assert!(!answers(&place));
        assert!(matches!(claim(&place).unwrap(), Claim::Ours(_)));
    }

    #[tokio::test]
    async fn who_finds_the_lock_of_a_dead_server_becomes_the_server_as_soon_as_it_is_free() {
        let (_folder, home) = home();
        let place = home.engine();
        let Claim::Ours(dying) = claim(&place).unwrap() else { panic!("nobody else is here") };
        let (waits, waiting) = std::sync::mpsc::channel();
        let next = std::thread::spawn({
            let place = place.clone();
            move || {
                waits.send(()).unwrap();
                claim_or_wait(&place).unwrap()
            }
        });
        waiting.recv().unwrap();
        drop(dying);
        assert!(matches!(next.join().unwrap(), Claim::Ours(_)));
        let Claim::Ours(serving) = claim(&place).unwrap() else { panic!("it is free again") };
        let _listener = serving.bind().unwrap();
        assert!(matches!(claim_or_wait(&place).unwrap(), Claim::Taken), "a server that answers is not waited for");
    }

    #[tokio::test]
    async fn a_socket_left_over_by_a_killed_server_is_replaced() {
        let (_folder, home) = home();
        let place = home.engine();
        let Claim::Ours(instance_lock) = claim(&place).unwrap() else { panic!("nobody else is here") };
        drop(std::os::unix::net::UnixListener::bind(&place.socket).unwrap());
        assert!(!answers(&place));
        let _listener = instance_lock.bind().unwrap();
        assert!(answers(&place));
        assert_eq!(std::fs::metadata(&place.socket).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_others_can_reach_is_refused_with_the_command_that_helps() {
        let (folder, home) = home();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let text = claim(&home.engine()).unwrap_err().to_string();
        assert!(text.contains("chmod 700"), "{text}");
    }

    #[test]
    fn a_lock_file_that_others_can_reach_is_refused() {
        let (_folder, home) = home();
        let place = home.engine();
        std::fs::write(&place.lock, "").unwrap();
        std::fs::set_permissions(&place.lock, Permissions::from_mode(0o644)).unwrap();
        assert!(claim(&place).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_starter_hears_the_error_of_a_server_that_does_not_come_up() {
        let (_folder, home) = home();
        let shell = Path::new("/bin/sh");
        let start = |script: &str| start_program_detached(shell, &home, &home.engine(), &["-c", script]);
        start("echo ready").unwrap();
        let text = start("echo the catalogue is newer").unwrap_err().to_string();
        assert_eq!(text, "the engine could not be started: the catalogue is newer");
        assert!(start("exit 1").unwrap_err().to_string().contains("without a message"));
    }

    #[tokio::test]
    async fn idleness_counts_anew_after_every_client() {
        let mut looks = 0;
        idle_for(Duration::from_millis(5), || {
            looks += 1;
            looks > 6
        })
        .await;
        assert!(looks > 6, "one idle look after a busy one is not enough");
    }
}
