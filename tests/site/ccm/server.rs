//! A CCM server of one's own: embedded arrays, the emulation's commands in a folder, and sshd before them.

use crate::needs::needs;
use crate::test_site::{DEADLINE, InTime, TestSite, kill};
use rustix::process::Signal;
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The arrays and the commands that drive them.
pub struct CcmServer {
    pub arrays: TestSite,
    folder: PathBuf,
}

impl CcmServer {
    /// K1 with so many volumes of 4 MiB, N2 with some, a path between them.
    pub fn new(volumes: u32) -> Self {
        Self::with_profile(volumes, "")
    }

    /// The same with commands that are as kind as these words say.
    pub fn with_profile(volumes: u32, profile: &str) -> Self {
        let arrays = TestSite::new();
        arrays.run(&format!("array create K1 --size 4MiB --count {volumes}")).ends(0);
        arrays.run("array create N2 --size 4MiB --count 8").ends(0);
        arrays.run("array path K1 N2 up").ends(0);
        let folder = arrays.path().join("ccm-commands");
        install_as(&folder, arrays.path(), profile);
        Self { arrays, folder }
    }

    pub fn commands(&self) -> &Path {
        &self.folder
    }

    /// Puts a script of the shell in the place of a command; `$REAL` is the command itself.
    pub fn replace(&self, command: &str, script: &str) {
        let real = self.arrays.path().join("ccm-real");
        if !real.exists() {
            install(&real, self.arrays.path());
        }
        let file = self.folder.join(command);
        let text = format!("#!/bin/sh\nREAL={}\n{script}\n", real.join(command).display());
        fs::remove_file(&file).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A folder for what scripts leave behind.
    pub fn traces(&self) -> &Path {
        self.arrays.path()
    }

    /// What somebody at the CCM server types.
    pub fn by_hand(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let program = self.folder.join(words.next().unwrap());
        let out = Command::new(program).args(words).in_time();
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Somebody gives a copy group another name.
    pub fn rename(&self, from: &str, to: &str) {
        let program = Command::new(env!("CARGO_BIN_EXE_ccm-emulation"))
            .args(["rename", from, to])
            .env("ECDECK_HOME", self.arrays.path())
            .in_time();
        assert!(program.status.success(), "{program:?}");
    }

    /// BLAKE3 of a volume.
    pub fn fingerprint(&self, volume: &str) -> String {
        self.arrays.run(&format!("array fingerprint {volume}")).ends(0).out.trim().to_owned()
    }

    /// The sessions as the arrays themselves have them, each once.
    pub fn sessions(&self) -> Vec<serde_json::Value> {
        let volumes = self.arrays.json("array volumes");
        let of = |volume: &serde_json::Value| volume["sessions"].as_array().cloned().unwrap_or_default();
        let mut sessions: Vec<_> = volumes["volumes"].as_array().unwrap().iter().flat_map(of).collect();
        sessions.sort_by_key(|session| session["pair"].to_string());
        sessions.dedup_by_key(|session| session["pair"].to_string());
        sessions
    }

    /// An engine's home with a configuration for both arrays, over sshd or on this machine.
    pub fn test_site(&self, sshd: Option<&Sshd>, rec: &str) -> TestSite {
        let way = sshd.map(Sshd::keys).unwrap_or_default();
        self.house_by(&way, "", rec)
    }

    /// The same with other keys for the way to CCM, further tables of each array, and further tables at the end.
    pub fn house_by(&self, way: &str, of_array: &str, rest: &str) -> TestSite {
        let test_site = TestSite::new();
        let array = |name: &str| {
            let keys = self.keys(name, way);
            format!("[[array]]\nname = \"{name}\"\ndriver = \"ccm\"\n[array.ccm]\n{keys}{WORDS}{of_array}")
        };
        let config = format!(
            "site = \"kyoto\"\n[log]\nlevel = \"debug\"\n[engine]\npoll = \"500ms\"\n[limits]\ncommand = \"6s\"\n\
             {}{}{rest}",
            array("K1"),
            array("N2")
        );
        fs::write(test_site.path().join("config.toml"), config).unwrap();
        test_site
    }

    /// A home with K1 alone.
    pub fn house_of_one(&self, way: &str, of_array: &str) -> TestSite {
        let test_site = self.house_by(way, of_array, "");
        let file = test_site.path().join("config.toml");
        let text = fs::read_to_string(&file).unwrap();
        let of_n2 = text.rfind("[[array]]").unwrap();
        fs::write(file, &text[..of_n2]).unwrap();
        test_site
    }

    /// The keys of an `[array.ccm]` table. A key of the way comes before the usual one.
    pub fn keys(&self, array: &str, way: &str) -> String {
        let usual = [
            ("array", array.to_owned()),
            ("directory", self.folder.display().to_string()),
            ("discover", "1s".to_owned()),
        ];
        let own = |key: &str| way.lines().any(|line| line.starts_with(&format!("{key} =")));
        let usual = usual.iter().filter(|(key, _)| !own(key)).map(|(key, value)| format!("{key} = \"{value}\"\n"));
        usual.collect::<String>() + way
    }
}

/// Links named like CCM's commands.
pub fn install(folder: &Path, home: &Path) {
    install_as(folder, home, "");
}

/// The same, as kind as those words say.
pub fn install_as(folder: &Path, home: &Path, profile: &str) {
    let program = env!("CARGO_BIN_EXE_ccm-emulation");
    let mut install = Command::new(program);
    let install = install.arg("install").args([folder, home]).args(profile.split_whitespace()).in_time();
    assert!(install.status.success(), "{install:?}");
}

/// What an operator has seen of the emulation and confirmed.
pub const WORDS: &str = r#"
[[array.ccm.words]]
word = "EC Suspend"
status = "suspended"
[[array.ccm.words]]
word = "REC Suspend"
status = "suspended"
[[array.ccm.words]]
word = "REC Executing"
status = "active"
[[array.ccm.words]]
word = "REC action not startup"
status = "none"
[[array.ccm.words]]
word = "REC Halt"
status = "halted"
[[array.ccm.words]]
word = "EC Error Suspend"
status = "error-suspended"
"#;

/// An OpenSSH server on a loopback port with keys of its own.
pub struct Sshd {
    folder: tempfile::TempDir,
    program: PathBuf,
    pub port: u16,
    child: Option<Child>,
}

impl Sshd {
    /// `None` where the host has no OpenSSH; the test is skipped.
    pub fn start() -> Option<Self> {
        let program = needs("sshd")?;
        needs("ssh")?;
        needs("ssh-keygen")?;
        let folder = tempfile::Builder::new().prefix("sshd").tempdir().unwrap();
        let mut sshd = Self { folder, program, port: 0, child: None };
        for name in ["host", "user", "stranger"] {
            sshd.make_key(name);
        }
        sshd.authorize("user");
        fs::create_dir(sshd.file("bin")).unwrap();
        // A free port may be another's by the time that the server binds it.
        for _ in 0..5 {
            sshd.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            sshd.know("host");
            if sshd.starts() {
                return Some(sshd);
            }
        }
        panic!("sshd finds no port of its own: {}", fs::read_to_string(sshd.file("log")).unwrap_or_default());
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make_key(&self, name: &str) {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(self.file(name))
            .status()
            .unwrap();
        assert!(made.success());
    }

    /// Makes that key the known one of this server.
    pub fn know(&self, name: &str) {
        let key = fs::read_to_string(self.file(&format!("{name}.pub"))).unwrap();
        fs::write(self.file("known_hosts"), format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
    }

    /// Makes the right key the known one of another port, too.
    pub fn know_also(&self, port: u16) {
        let key = fs::read_to_string(self.file("host.pub")).unwrap();
        let known = fs::read_to_string(self.file("known_hosts")).unwrap();
        fs::write(self.file("known_hosts"), format!("{known}[127.0.0.1]:{port} {key}")).unwrap();
    }

    /// The text of the user's private key, which nobody but ssh may ever see.
    pub fn secret(&self) -> String {
        let text = fs::read_to_string(self.file("user")).unwrap();
        text.lines().nth(1).unwrap().to_owned()
    }

    pub fn fingerprint(&self) -> String {
        let out = Command::new("ssh-keygen").arg("-lf").arg(self.file("host.pub")).in_time();
        let text = String::from_utf8(out.stdout).unwrap();
        text.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap().to_owned()
    }

    pub fn identity(&self) -> PathBuf {
        self.file("user")
    }

    /// The keys of the configuration that lead here.
    pub fn keys(&self) -> String {
        self.keys_by(self.port)
    }

    /// The same by another port, which leads to this server's.
    pub fn keys_by(&self, port: u16) -> String {
        format!(
            "host = \"127.0.0.1\"\nport = {port}\nssh_config = \"/dev/null\"\nidentity = \"{}\"\nknown_hosts = \"{}\"\n",
            self.file("user").display(),
            self.file("known_hosts").display()
        )
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.file("known_hosts")
    }

    /// A program that comes first in the path of whoever logs in.
    pub fn program(&self, name: &str, script: &str) {
        let file = self.file("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Who may log in: by this key and no other.
    pub fn authorize(&self, name: &str) {
        fs::copy(self.file(&format!("{name}.pub")), self.file("authorized_keys")).unwrap();
    }

    /// How many connections were let in so far.
    pub fn connections(&self) -> usize {
        fs::read_to_string(self.file("log")).unwrap().matches("Accepted publickey").count()
    }

    /// Starts the server again.
    pub fn run(&mut self) {
        assert!(self.starts(), "sshd does not start");
    }

    /// Starts the server, and waits until it greets; whether it does.
    fn starts(&mut self) -> bool {
        let config = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\nSetEnv HOME={} PATH={}:/usr/bin:/bin\n",
            self.port,
            self.file("host").display(),
            self.file("authorized_keys").display(),
            // What the account's own shell does at its start is no part of the test.
            self.folder.path().display(),
            self.file("bin").display()
        );
        fs::write(self.file("sshd_config"), config).unwrap();
        // Where the test is root, sshd wants its folder, which a package of a host without init has not made.
        if rustix::process::geteuid().is_root() {
            fs::DirBuilder::new().recursive(true).mode(0o755).create("/run/sshd").unwrap();
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(self.file("log")).unwrap();
        let child = Command::new(&self.program)
            .args(["-D", "-e", "-f"])
            .arg(self.file("sshd_config"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let child = self.child.insert(child);
        let deadline = Instant::now() + DEADLINE;
        while !greets(self.port) {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "sshd does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// The machine goes down: the server and every connection.
    pub fn go_down(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        for process in descendants(child.id()) {
            kill(process, Signal::KILL);
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.go_down();
    }
}

fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut greeting = [0_u8; 4];
    stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-"
}

/// The processes below one, deepest last.
fn descendants(of: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        for child in text.split_whitespace().filter_map(|child| child.parse().ok()) {
            found.push(child);
            parents.push(child);
        }
    }
    found
}
