//! Setting up an array by CCM and examining one: `ecdeck array add`, `ecdeck array doctor`.

use crate::cli::array_arguments::Add;
use crate::cli::{CliError, Exit, checks, out};
use crate::config::{self, Ccm, Config, ControlPlane, Ssh};
use crate::driver::ccm::CcmDriver;
use crate::driver::ccm::command;
use crate::driver::ccm::doctor;
use crate::driver::ccm::host_key::{self, HostKey};
use crate::driver::ccm::names::{NameError, Word};
use crate::driver::ccm::reply::arrays::{self, KnownArray};
use crate::driver::ccm::transport::ssh::Destination;
use crate::drivers;
use crate::engine::now;
use crate::model::check::{Check, Verdict, Way};
use crate::model::identity::Name;
use crate::model::untrusted::path as shown;
use crate::process::instance::{self, private_folder};
use crate::process::paths::Home;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::time::Instant;

/// Examines the ways to an array that the configuration has.
pub async fn examine(home: &Home, config: &Config, array: &str) -> Result<Vec<Check>, CliError> {
    let found = config.arrays.iter().find(|one| one.name.as_str() == array);
    let found = found.ok_or_else(|| CliError::usage(format!("the configuration has no array {array:?}")))?;
    let ways = [(Way::First, Some(&found.control)), (Way::Second, found.forced_stop.as_ref())];
    let mut checks = Vec::new();
    for (way, control) in ways {
        let Some(ControlPlane::Ccm(ccm)) = control else { continue };
        let driver = drivers::ccm(home, config, &found.name, ccm).map_err(|why| CliError::usage(why.to_string()))?;
        let examined = doctor::examine(&driver, now()).await;
        checks.extend(examined.into_iter().map(|check| Check { way, ..check }));
    }
    if checks.is_empty() {
        return Err(CliError::usage(format!(
            "{array} is an embedded array: `ecdeck array list` shows whether it answers"
        )));
    }
    Ok(checks)
}

/// Adds an array to the configuration: host key, CCM's list, a test, and only then the file.
pub async fn add(home: &Home, file: &Path, asked: &Add) -> Result<Exit, CliError> {
    let before = read(file, asked.site.as_ref())?;
    let config = Config::parse(&before, file).map_err(|why| CliError::usage(why.to_string()))?;
    if config.arrays.iter().any(|array| array.name == asked.name) {
        return Err(CliError::usage(format!("{} has an array {} already", shown(file), asked.name)));
    }
    let known_hosts = match &asked.host {
        Some(host) if !asked.known => Some(meet(host, asked, file).await?),
        _ => None,
    };
    let mut ccm = wanted(asked, known_hosts);
    ccm.array = choose(home, &config, asked, &ccm).await?;
    let driver = drivers::ccm(home, &config, &asked.name, &ccm).map_err(|why| CliError::usage(why.to_string()))?;
    let found = doctor::examine(&driver, now()).await;
    out::print(&checks::text(asked.name.as_str(), &found))?;
    if found.iter().any(|check| check.verdict == Verdict::Bad) {
        return Err(CliError::not_reachable("the array was not added: what is marked with ! comes first"));
    }
    let text = format!("{}\n{}", before.trim_end(), section(&asked.name, &ccm));
    Config::parse(&text, file).map_err(|why| CliError::failed(format!("{why}; nothing was written")))?;
    replace(file, &text)?;
    let pid = instance::pid_of(&home.engine());
    let running = pid.map_or_else(String::new, |pid| {
        format!(" The running engine reads it when it is started again: `kill {pid}`.")
    });
    out::print(&format!(
        "{} is in {} now.{running}\n`ecdeck volume list` shows its volumes, `ecdeck volume add` registers them.\n",
        asked.name,
        shown(file)
    ))?;
    Ok(Exit::Done)
}

fn read(file: &Path, site: Option<&Name>) -> Result<String, CliError> {
    match config::text(file) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => match site {
            Some(site) => Ok(format!("site = \"{site}\"\n")),
            None => Err(CliError::usage(format!("there is no {} yet: name the site with --site", shown(file)))),
        },
        Err(why) => Err(CliError::usage(why.to_string())),
    }
}

/// Shows the server's keys and keeps them once they are agreed to.
async fn meet(host: &str, asked: &Add, file: &Path) -> Result<PathBuf, CliError> {
    let word: Word = host.parse().map_err(|why: NameError| CliError::usage(why.to_string()))?;
    let destination = Destination { port: asked.port, ..Destination::at(word) };
    let keys = host_key::shown_by(&destination).await.map_err(|why| CliError::not_reachable(why.to_string()))?;
    let agreed = agreed(host, &keys, asked.fingerprint.as_deref())?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let known_hosts = folder.join("known_hosts");
    host_key::keep(&agreed, &known_hosts).map_err(|why| CliError::failed(why.to_string()))?;
    Ok(known_hosts)
}

fn agreed(host: &str, keys: &[HostKey], fingerprint: Option<&str>) -> Result<Vec<HostKey>, CliError> {
    if let Some(given) = fingerprint {
        let same: Vec<HostKey> = keys.iter().filter(|key| key.fingerprint == given).cloned().collect();
        if same.is_empty() {
            let shown = keys.iter().map(|key| key.fingerprint.as_str()).collect::<Vec<_>>().join(", ");
            return Err(CliError::usage(format!("{host} shows other keys than {given}: {shown}; find out why")));
        }
        return Ok(same);
    }
    out::say(&format!("{host} shows these host keys:"));
    for key in keys {
        out::say(&format!("  {} {}", key.algorithm, key.fingerprint));
    }
    if !asks() {
        return Err(CliError::usage("compare one with the server's administrator and give it with --fingerprint"));
    }
    let answer = out::ask("Compare one with the server's administrator. Is it right? [y/N] ")?;
    if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(keys.to_vec())
    } else {
        Err(CliError::usage("the host key was not confirmed; nothing was written"))
    }
}

fn wanted(asked: &Add, known_hosts: Option<PathBuf>) -> Ccm {
    let ssh = asked.host.as_ref().map(|host| Ssh {
        host: host.clone(),
        user: asked.user.clone(),
        port: asked.port,
        ssh_config: asked.ssh_config.clone(),
        identity: asked.identity.clone(),
        known_hosts,
    });
    Ccm {
        array: asked.array.clone().unwrap_or_else(|| asked.name.clone()),
        ssh,
        sudo: asked.sudo,
        directory: asked.directory.clone(),
        ..Ccm::of(asked.name.clone())
    }
}

/// The array's name in CCM: as asked, or the only one that CCM knows.
async fn choose(home: &Home, config: &Config, asked: &Add, ccm: &Ccm) -> Result<Name, CliError> {
    let driver = drivers::ccm(home, config, &asked.name, ccm).map_err(|why| CliError::usage(why.to_string()))?;
    let known = known_arrays(&driver).await?;
    let shown = || {
        let lines = known.iter().map(|one| format!("  {} {}", one.name.escaped(), one.box_id));
        lines.collect::<Vec<_>>().join("\n")
    };
    match (&asked.array, known.as_slice()) {
        (Some(array), _) if known.iter().any(|one| one.name.raw() == array.as_str()) => Ok(array.clone()),
        (Some(array), _) => Err(CliError::usage(format!("CCM knows no array {array}; it knows:\n{}", shown()))),
        (None, [one]) => one.name.raw().parse().map_err(|why| CliError::usage(format!("{why}"))),
        (None, []) => Err(CliError::usage("CCM knows no array: add it there with `acarray add` first")),
        (None, _) if asks() => {
            out::say(&format!("CCM knows these arrays:\n{}", shown()));
            let answer = out::ask("Which one? ")?;
            match known.iter().find(|one| one.name.raw() == answer) {
                Some(one) => one.name.raw().parse().map_err(|why| CliError::usage(format!("{why}"))),
                None => Err(CliError::usage(format!("{answer:?} is none of them; nothing was written"))),
            }
        }
        (None, _) => Err(CliError::usage(format!("CCM knows several arrays; choose with --array:\n{}", shown()))),
    }
}

/// Whether somebody is there to answer.
fn asks() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

async fn known_arrays(driver: &CcmDriver) -> Result<Vec<KnownArray>, CliError> {
    let limit = driver.settings().connect.saturating_mul(3) + driver.settings().query;
    let argv = command::list_arrays();
    let turn = driver.server().turn(Instant::now() + limit).await;
    let turn = turn.ok_or_else(|| CliError::not_reachable("the CCM server is busy"))?;
    let reply = turn.send(&argv).await.map_err(|why| CliError::not_reachable(why.to_string()))?;
    arrays::list(&argv, &reply.stdout, driver.words()).map_err(|why| CliError::not_reachable(why.to_string()))
}

/// The array as the configuration has it.
fn section(name: &Name, ccm: &Ccm) -> String {
    let mut text =
        format!("\n[[array]]\nname = \"{name}\"\ndriver = \"ccm\"\n[array.ccm]\narray = \"{}\"\n", ccm.array);
    let mut line = |key: &str, value: Option<toml::Value>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {value}");
        }
    };
    let word = |word: &String| toml::Value::String(word.clone());
    let path = |path: &PathBuf| toml::Value::String(path.to_string_lossy().into_owned());
    if let Some(ssh) = &ccm.ssh {
        line("host", Some(word(&ssh.host)));
        line("port", ssh.port.map(|port| toml::Value::Integer(port.into())));
        line("user", ssh.user.as_ref().map(word));
        line("ssh_config", ssh.ssh_config.as_ref().map(path));
        line("identity", ssh.identity.as_ref().map(path));
        line("known_hosts", ssh.known_hosts.as_ref().map(path));
    }
    line("sudo", ccm.sudo.then_some(toml::Value::Boolean(true)));
    line("directory", ccm.directory.as_ref().map(word));
    text
}

/// Puts a file in the place of another, whole or not at all.
fn replace(file: &Path, text: &str) -> Result<(), CliError> {
    let failed = |why: std::io::Error| CliError::failed(format!("{}: {why}", shown(file)));
    if let Some(folder) = file.parent()
        && !folder.exists()
    {
        private_folder(folder).map_err(|why| CliError::failed(why.to_string()))?;
    }
    let beside = file.with_extension("toml.new");
    let mut out = std::fs::File::create(&beside).map_err(failed)?;
    // Whatever the umask: a configuration that others can write is not used.
    let before = std::fs::metadata(file).map_or_else(|_| Permissions::from_mode(0o644), |before| before.permissions());
    out.set_permissions(before).map_err(failed)?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, file).map_err(failed)
}
