//! A PostgreSQL server for the tests: on a Unix socket in a temporary folder. It ends with the tests' process, however that
//! ends.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a server on the usual port calls its socket.
pub const SOCKET: &str = ".s.PGSQL.5432";
/// Between two looks whether the server is ready.
const POLL_AGAIN: Duration = Duration::from_millis(20);

/// A running server. It ends when this is dropped, or with the process.
pub struct Server {
    folder: tempfile::TempDir,
    /// Ends the server and removes its folder when this process is gone: nobody drops what is static.
    guard: Child,
    programs: PathBuf,
    user: Option<User>,
    process: Child,
}

/// Whom the server runs as when the tests run as root, which it refuses.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Server {
    /// Starts a server with the programs of a folder, or says why it does not start.
    pub fn start(programs: PathBuf) -> Result<Self, String> {
        let user =
            if rustix_is_root() { Some(plain_user().ok_or("root, and no user postgres or nobody")?) } else { None };
        let folder = tempfile::Builder::new().prefix("ecdeck-pg-").tempdir().map_err(|error| error.to_string())?;
        let data = folder.path().join("data");
        if let Some(user) = user {
            fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).map_err(|error| error.to_string())?;
            fs::create_dir(&data).map_err(|error| error.to_string())?;
            chown(folder.path(), Some(user.uid), Some(user.gid)).map_err(|error| error.to_string())?;
            chown(&data, Some(user.uid), Some(user.gid)).map_err(|error| error.to_string())?;
        }
        let made = as_user(user, &programs.join("initdb"), folder.path())
            .args(["--auth=trust", "--username=ecdeck", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .output()
            .map_err(|error| error.to_string())?;
        if !made.status.success() {
            return Err(format!("initdb failed: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let process = spawn(user, &programs, folder.path())?;
        let guard = guard(folder.path())?;
        let mut server = Self { folder, guard, programs, user, process };
        server.wait_ready()?;
        Ok(server)
    }

    /// A new, empty database, by its url.
    pub fn new_database(&self, name: &str) -> String {
        let made = self.sql("postgres", &format!("CREATE DATABASE {name}"));
        assert!(made, "CREATE DATABASE {name}");
        self.url(name)
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://ecdeck@localhost/{database}?host={}", self.folder.path().display())
    }

    /// The server's socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// Runs statements with psql; whether they all worked.
    pub fn sql(&self, database: &str, statements: &str) -> bool {
        Command::new(self.programs.join("psql"))
            .args(["-q", "-v", "ON_ERROR_STOP=1", "-U", "ecdeck", "-d", database, "-c", statements, "-h"])
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// The server dies as in a crash, and starts again.
    pub fn crash_and_restart(&mut self) {
        self.crash(|| ());
    }

    /// The same; something is done while there is no server.
    pub fn crash(&mut self, meanwhile: impl FnOnce()) {
        self.signal("-QUIT");
        self.process.wait().expect("the server was started here");
        meanwhile();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            // Right after a crash the old socket's lock may still be in the way.
            self.process = spawn(self.user, &self.programs, self.folder.path()).expect("it started before");
            match self.wait_ready() {
                Ok(()) => return,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        }
    }

    /// The process started here may be `setpriv`'s own: it becomes the server, so its id is the server's.
    fn signal(&self, signal: &str) {
        let _ = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("postgres ended at once: {status}"));
            }
            let ready = Command::new(self.programs.join("pg_isready"))
                .args(["-q", "-t", "1", "-h"])
                .arg(self.folder.path())
                .status()
                .is_ok_and(|status| status.success());
            if ready {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err("postgres was not ready within 20 s".to_owned());
            }
            std::thread::park_timeout(POLL_AGAIN);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("-QUIT");
        let _ = self.process.wait();
        self.guard.stdin.take();
        let _ = self.guard.wait();
    }
}

fn spawn(user: Option<User>, programs: &Path, folder: &Path) -> Result<Child, String> {
    as_user(user, &programs.join("postgres"), folder)
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200", "-k"])
        .arg(folder)
        .arg("-D")
        .arg(folder.join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())
}

/// Waits for the end of the pipe that only this process holds.
fn guard(folder: &Path) -> Result<Child, String> {
    const WATCH: &str = r#"cat; kill -QUIT "$(head -n 1 "$1/data/postmaster.pid")"; rm -rf "$1""#;
    Command::new("sh")
        .args(["-c", WATCH, "sh"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())
}

fn as_user(user: Option<User>, program: &Path, folder: &Path) -> Command {
    let mut command = match user {
        None => Command::new(program),
        Some(User { uid, gid }) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups").arg(program);
            command
        }
    };
    command.current_dir(folder).env("LC_ALL", "C");
    command
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn plain_user() -> Option<User> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    })
}
