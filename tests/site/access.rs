//! The service as `assets/ecdeck.service` documents it, with users of every role: real users, real groups, real sockets.
//!
//! All of it happens in a namespace of mounts with copies of `/etc` and empty `/run` and `/var/lib`: nothing is left behind.

use super::needs::needs;
use super::test_site::{DEADLINE, PROGRAM, Ran};
use crate::test_site::InTime;
use ecdeck::process::instance;
use ecdeck::process::paths::Place;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const UNIT: &str = include_str!("../../assets/ecdeck.service");
const CONFIG: &str = r#"
site = "mgmt"
[[array]]
name = "A1"
driver = "embedded"
[engine]
poll = "500ms"
group = "ecdeck"
[roles.viewers]
users = ["vic"]
[roles.operators]
groups = ["nightly"]
[roles.administrators]
users = ["ada"]
"#;

/// A host with the service installed.
struct Host {
    holder: Child,
    engine: Option<Child>,
    _folder: tempfile::TempDir,
}

impl Host {
    /// `None`: this machine cannot have one, and that was said.
    fn new() -> Option<Self> {
        needs("root")?;
        needs("mount namespaces")?;
        for program in ["nsenter", "setpriv", "useradd", "groupadd", "usermod"] {
            needs(program)?;
        }
        let folder = tempfile::Builder::new().prefix("ecdeck-host").tempdir().unwrap();
        for name in ["etc", "bin"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let script = "set -e; cp -a /etc/. \"$1/etc\"; mount --bind \"$1/etc\" /etc; mount --bind \"$1/bin\" /usr/local/bin; \
                      for at in /run /var/lib /var/log /home; do mount -t tmpfs -o mode=755 none $at; done; \
                      echo ready; exec sleep 3600";
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let mut host = Self { holder, engine: None, _folder: folder };
        host.install();
        host.start();
        Some(host)
    }

    fn inside(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.holder.id().to_string(), "--"]).stdin(Stdio::null());
        command
    }

    fn path(&self, path: &str) -> PathBuf {
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(path.trim_start_matches('/'))
    }

    /// What the head of the unit file says, and some people.
    fn install(&self) {
        let commands: Vec<&str> = UNIT
            .lines()
            .filter_map(|line| line.strip_prefix("#   "))
            .map(|line| line.split("  ").next().unwrap().split(" && ").next().unwrap())
            .collect();
        assert!(commands.len() >= 4, "{commands:?}");
        let people = ["useradd ana", "useradd vic", "useradd ada", "useradd nat", "useradd out", "groupadd nightly"];
        let members = ["ana", "vic", "ada", "nat"].map(|user| format!("usermod --append --groups ecdeck {user}"));
        let all = people.iter().map(|line| (*line).to_owned());
        let all = all.chain(commands.iter().map(|line| line.replace("target/release/ecdeck", PROGRAM)));
        for line in all.chain(members).chain(["usermod --append --groups nightly ana".to_owned()]) {
            let mut command = self.inside();
            command.args(["env", "-C", env!("CARGO_MANIFEST_DIR")]).args(line.split_whitespace());
            let output = command.in_time();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::fs::write(self.path("/etc/ecdeck/config.toml"), CONFIG).unwrap();
    }

    /// What the service manager does with the unit.
    fn start(&mut self) {
        let unit = unit();
        let user = unit["User"].as_str();
        for (variable, parent) in [("StateDirectory", "/var/lib"), ("RuntimeDirectory", "/run")] {
            let folder = format!("{parent}/{}", unit[variable]);
            let mode = &unit[&format!("{variable}Mode")];
            let made = self
                .inside()
                .args(["install", "-d", "-m", mode, "-o", user, "-g", &unit["Group"], &folder])
                .status()
                .unwrap();
            assert!(made.success());
        }
        let mut command = self.inside();
        command.args(["setpriv", "--reuid", user, "--regid", &unit["Group"], "--init-groups"]);
        command.args(["env", "-i", "PATH=/usr/bin:/bin"]).args(unit["Environment"].split_whitespace());
        command.args(unit["ExecStart"].split_whitespace());
        self.engine = Some(command.stdout(Stdio::null()).spawn().unwrap());
        let deadline = Instant::now() + DEADLINE;
        while !instance::answers(&self.place("engine")) {
            assert!(Instant::now() < deadline, "the engine does not serve");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn place(&self, server: &str) -> Place {
        let socket = self.path(&format!("/run/ecdeck/{server}.sock"));
        Place { server: "server", lock: self.path("/var/lib/ecdeck/none"), socket }
    }

    /// Runs the program as a user, with nothing in its environment: no home, no locale, no terminal.
    fn run(&self, user: &str, words: &str) -> Ran {
        self.run_with(user, words, &[])
    }

    fn run_with(&self, user: &str, words: &str, environment: &[(&str, &str)]) -> Ran {
        let mut command = self.inside();
        command.args(["setpriv", "--reuid", user, "--regid", user, "--init-groups", "env", "-i"]);
        command.args(environment.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg("/usr/local/bin/ecdeck").args(words.split_whitespace());
        let output = command.current_dir("/").in_time();
        Ran {
            words: format!("{user}: {words}"),
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// As `ssh ecdeck@HOST COMMAND` with a key that `authorized_keys` ties to a role.
    fn ssh(&self, role: &str, command: &str) -> Ran {
        let environment = [("SSH_ORIGINAL_COMMAND", command)];
        self.run_with("ecdeck", &format!("forced-command --role {role}"), &environment)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(pid) = instance::pid_of(&self.place("arrays")) {
            let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
        }
        for child in self.engine.iter_mut().chain([&mut self.holder]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The keys of the unit's service section.
fn unit() -> BTreeMap<String, String> {
    let pairs = UNIT.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn each_user_of_the_service_may_do_what_the_role_says_and_is_offered_no_more() {
    let Some(host) = Host::new() else { return };
    let found = |path: &str| std::fs::metadata(host.path(path)).unwrap();
    let (folder, socket) = (found("/run/ecdeck"), found("/run/ecdeck/engine.sock"));
    assert_eq!((folder.permissions().mode() & 0o777, socket.permissions().mode() & 0o777), (0o750, 0o660));
    assert_eq!(folder.gid(), socket.gid());
    assert_ne!(folder.uid(), 0);
    assert_eq!(found("/var/lib/ecdeck").permissions().mode() & 0o777, 0o700);

    // The embedded array is the engine's user's alone.
    host.run("ecdeck", "array create A1 --size 1MiB --count 2").ends(0);
    assert_eq!(found("/run/ecdeck/arrays.sock").permissions().mode() & 0o777, 0o600);
    host.run("ada", "volume add --transaction A1/0x0 --name t1 --yes").ends(0);
    host.run("ada", "volume add --backup A1/0x1 --yes").ends(0);
    host.run("ada", "policy set t1 --generations 1 --interval 1 --mode suspend --yes").ends(0);

    // A viewer sees everything and changes nothing.
    let ran = host.run("vic", "status --json").ends(0);
    assert_eq!(ran.json()["site"], "mgmt");
    let ran = host.run("vic", "sync start t1 --yes").ends(3);
    assert!(ran.err.contains("ecd-1001") && ran.err.contains("needs the role of an operator"), "{ran:?}");
    assert!(!ran.err.contains("way on"), "{ran:?}");
    host.run("vic", "sync start t1 --dry-run").ends(0);
    host.run("vic", "history").ends(0);
    host.run("vic", "audit verify").ends(0);

    // An operator synchronizes and backs up, and is offered no way of an administrator.
    host.run("ana", "sync start t1 --wait --yes").ends(0);
    host.run("ana", "backup t1 --yes").ends(0);
    let ran = host.run("ana", "policy set t1 --generations 2 --interval 1 --mode suspend --yes").ends(3);
    assert!(ran.err.contains("ecd-1001") && ran.err.contains("needs the role of an administrator"), "{ran:?}");
    host.run("ada", "policy set t1 --generations 2 --interval 1 --mode suspend --yes").ends(0);
    host.run("ecdeck", "array create A1 --size 1MiB").ends(0);
    // The engine looks for new volumes when it is asked for them.
    host.run("ada", "volume list").ends(0);
    let offered = |user: &str| {
        let ran = host.run(user, "sync start t1 --yes --json").ends(3).json();
        let ways = ran["error"]["refusal"]["remedies"].as_array().unwrap().clone();
        ways.into_iter().map(|way| way["request"]["action"]["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(offered("ada").contains(&"register".to_owned()), "{:?}", offered("ada"));
    let offered = offered("ana");
    assert!(!offered.is_empty() && !offered.contains(&"register".to_owned()), "{offered:?}");

    // Whoever has no role, and whoever is not in the group.
    let ran = host.run("nat", "status").ends(3);
    assert!(ran.err.contains("has no role on this site") && ran.err.contains("ecd-1001"), "{ran:?}");
    let ran = host.run("out", "status").ends(3);
    assert!(ran.err.contains("members of the group ecdeck") && ran.err.contains("ecd-1001"), "{ran:?}");

    // Root and the engine's user are administrators without being named; the audit knows who asked.
    let ran = host.run("root", "audit verify").ends(0);
    assert!(ran.out.contains("the chain is whole"), "{ran:?}");
    host.run("ecdeck", "audit verify").ends(0);
    let audit = host.run("vic", "audit show --last 200").ends(0).out;
    for who in ["ana (uid ", "ada (uid ", "vic (uid "] {
        assert!(audit.contains(who), "{audit}");
    }
}

#[test]
fn a_key_with_a_forced_command_acts_in_its_role() {
    let Some(host) = Host::new() else { return };
    host.run("ecdeck", "array create A1 --size 1MiB --count 2").ends(0);
    host.ssh("administrator", "ecdeck volume add --transaction A1/0x0 --name t1 --yes").ends(0);
    host.ssh("administrator", "ecdeck volume add --backup A1/0x1 --yes").ends(0);
    host.ssh("administrator", "ecdeck policy set t1 --generations 1 --interval 1 --mode suspend --yes").ends(0);
    host.ssh("operator", "ecdeck sync start t1 --wait --yes").ends(0);
    host.ssh("operator", "ecdeck backup t1 --yes --reason 'the nightly one'").ends(0);
    let audit = host.ssh("viewer", "ecdeck audit show").ends(0).out;
    assert!(audit.contains("the nightly one"), "{audit}");
    // The user of the engine is an administrator; this key is not.
    let ran = host.ssh("operator", "ecdeck policy set t1 --generations 2 --interval 1 --mode suspend --yes").ends(3);
    assert!(ran.err.contains("ecd-1001"), "{ran:?}");
    host.ssh("viewer", "ecdeck backup t1 --yes").ends(3);
    for command in ["ecdeck array stop", "ecdeck serve", "ecdeck status --config /etc/ecdeck/config.toml", ""] {
        host.ssh("operator", command).ends(2);
    }
    // The client's locale comes along where sshd lets it: it changes nothing, whatever it is.
    let report = host.ssh("viewer", "ecdeck audit show").ends(0).out;
    for locale in ["C", "ja_JP.SJIS", "tr_TR.ISO-8859-9", "no such locale", "\u{1b}[31m"] {
        for name in ["LANG", "LC_ALL"] {
            let environment = [("SSH_ORIGINAL_COMMAND", "ecdeck audit show"), (name, locale)];
            let ran = host.run_with("ecdeck", "forced-command --role viewer", &environment).ends(0);
            assert_eq!((ran.out, ran.err), (report.clone(), String::new()), "{name}={locale:?}");
        }
    }
    // No shell is in between.
    let ran = host.ssh("operator", "ecdeck explain ecd-1301; touch /run/ecdeck/planted").ends(2);
    assert!(!host.path("/run/ecdeck/planted").exists(), "{ran:?}");
}

#[test]
fn a_service_that_does_not_run_is_not_replaced_by_a_command() {
    let Some(mut host) = Host::new() else { return };
    let mut engine = host.engine.take().unwrap();
    kill_process(Pid::from_raw(engine.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert!(engine.wait().unwrap().success());
    for user in ["ana", "ecdeck"] {
        let ran = host.run(user, "status").ends(5);
        assert!(ran.err.contains("systemctl start ecdeck"), "{ran:?}");
    }
    host.start();
    host.run("vic", "status").ends(0);
}
