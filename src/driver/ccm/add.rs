//! `ecdeck array add` by CCM: the server's host key, the arrays that CCM knows, and what the configuration says of one.

use super::array::CcmDriver;
use super::command;
use super::names::ArrayName;
use super::reply::arrays::{self, KnownArray};
use super::settings::Settings;
use crate::driver::kind::Connecting;
use crate::driver::set_up::{Asked, NewArray, Person, SetUp, SetUpError};
use crate::driver::transport::argv::Word;
use crate::model::identity::Name;
use crate::process::host_key::{self, HostKey};
use crate::process::ssh::{Destination, SshPath, SshWord};
use clap::{Args, Command};
use futures_util::future::BoxFuture;
use std::fmt::{Display, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

const HELP: &str = "\
The Copy Control Module (CCM) of AdvancedCopy Manager drives it, on this machine
or over ssh. You confirm the host key and choose one of CCM's arrays; everything
is tested; only then is the configuration written.

Examples:
  ecdeck array add DX1 --site db01 --host ccm01 --user backup --sudo
  ecdeck array add DX2 --array ET002           CCM on this machine
  ecdeck array doctor DX1                      afterwards, or when in doubt";

#[derive(Debug, Args)]
#[group(skip)]
struct Arguments {
    /// The machine that has CCM; without it, this one
    #[arg(long)]
    host: Option<String>,
    /// The user to log in as
    #[arg(long, requires = "host")]
    user: Option<String>,
    /// The port of its ssh server
    #[arg(long, requires = "host")]
    port: Option<u16>,
    /// A private key file, instead of the agent's keys
    #[arg(long, requires = "host")]
    identity: Option<PathBuf>,
    /// Use this file instead of ~/.ssh/config
    #[arg(long, requires = "host")]
    ssh_config: Option<PathBuf>,
    /// The host key, confirmed in another way: SHA256:...
    #[arg(long, requires = "host", conflicts_with = "known")]
    fingerprint: Option<String>,
    /// The host key is known to ssh already
    #[arg(long, requires = "host")]
    known: bool,
    /// CCM's commands need `sudo -n`
    #[arg(long)]
    sudo: bool,
    /// The folder of CCM's commands, if it is not in the PATH
    #[arg(long)]
    directory: Option<String>,
    /// The array's name in CCM, if CCM knows several
    #[arg(long)]
    array: Option<Name>,
}

/// The dialogue.
pub(super) struct AddByCcm;

impl SetUp for AddByCcm {
    fn arguments(&self, command: Command) -> Command {
        Arguments::augment_args(command)
    }

    fn title(&self) -> &'static str {
        "an array that AdvancedCopy Manager (CCM) drives"
    }

    fn first_question(&self) -> Option<(&'static str, &'static str)> {
        Some(("Machine that has CCM [this one]: ", "--host"))
    }

    fn help(&self) -> &'static str {
        HELP
    }

    fn ask<'a>(
        &'a self,
        asked: &'a Asked<'a>,
        site: &'a mut Connecting<'_>,
        person: &'a dyn Person,
    ) -> BoxFuture<'a, Result<NewArray, SetUpError>> {
        Box::pin(async move {
            let typed: Arguments = asked.arguments.of()?;
            let mut settings = wanted(&typed, asked.array)?;
            if let Some(destination) = &mut settings.ssh
                && !typed.known
            {
                let known_hosts = meet(destination, &typed, asked.file, person).await?;
                destination.known_hosts = Some(known_hosts.try_into().map_err(input)?);
            }
            let driver = settings.driver(asked.array, site).map_err(input)?;
            settings.array = choose(&driver, typed.array.as_ref(), person).await?;
            let lines = lines(&settings);
            Ok(NewArray { config: Arc::new(settings), lines })
        })
    }
}

fn input(why: impl Display) -> SetUpError {
    SetUpError::Input(why.to_string())
}

fn not_reachable(why: impl Display) -> SetUpError {
    SetUpError::NotReachable(why.to_string())
}

/// What the arguments say.
fn wanted(typed: &Arguments, array: &Name) -> Result<Settings, SetUpError> {
    let path = |path: &Option<PathBuf>| path.clone().map(SshPath::try_from).transpose().map_err(input);
    let ssh = match &typed.host {
        None => None,
        Some(host) => Some(Destination {
            host: host.parse().map_err(input)?,
            user: optional::<SshWord>(typed.user.as_deref())?,
            port: typed.port,
            ssh_config: path(&typed.ssh_config)?,
            identity: path(&typed.identity)?,
            known_hosts: None,
        }),
    };
    let array = typed.array.as_ref().unwrap_or(array);
    Ok(Settings {
        ssh,
        sudo: typed.sudo,
        directory: optional::<Word>(typed.directory.as_deref())?,
        ..Settings::local(array.as_str().parse().map_err(input)?)
    })
}

fn optional<T: FromStr<Err: Display>>(text: Option<&str>) -> Result<Option<T>, SetUpError> {
    text.map(str::parse).transpose().map_err(input)
}

/// Shows the server's keys and keeps them once they are agreed to.
async fn meet(
    destination: &Destination,
    typed: &Arguments,
    file: &Path,
    person: &dyn Person,
) -> Result<PathBuf, SetUpError> {
    let keys = host_key::shown_by(destination).await.map_err(not_reachable)?;
    let agreed = agreed(destination.host.as_str(), &keys, typed.fingerprint.as_deref(), person)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let known_hosts = folder.join("known_hosts");
    host_key::keep(&agreed, &known_hosts).map_err(|why| SetUpError::Failed(why.to_string()))?;
    Ok(known_hosts)
}

fn agreed(
    host: &str,
    keys: &[HostKey],
    fingerprint: Option<&str>,
    person: &dyn Person,
) -> Result<Vec<HostKey>, SetUpError> {
    if let Some(given) = fingerprint {
        let same: Vec<HostKey> = keys.iter().filter(|key| key.fingerprint == given).cloned().collect();
        if same.is_empty() {
            let shown = keys.iter().map(|key| key.fingerprint.as_str()).collect::<Vec<_>>().join(", ");
            return Err(input(format!("{host} shows other keys than {given}: {shown}; find out why")));
        }
        return Ok(same);
    }
    person.say(&format!("{host} shows these host keys:"));
    for key in keys {
        person.say(&format!("  {} {}", key.algorithm, key.fingerprint));
    }
    if !person.answers() {
        return Err(input("compare one with the server's administrator and give it with --fingerprint"));
    }
    let answer = person.ask("Compare one with the server's administrator. Is it right? [y/N] ")?;
    if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(keys.to_vec())
    } else {
        Err(input("the host key was not confirmed; nothing was written"))
    }
}

/// The array's name in CCM: as asked, or the only one that CCM knows.
async fn choose(driver: &CcmDriver, wanted: Option<&Name>, person: &dyn Person) -> Result<ArrayName, SetUpError> {
    let known = known_arrays(driver).await?;
    let shown = || {
        let lines = known.iter().map(|one| format!("  {} {}", one.name.escaped(), one.box_id));
        lines.collect::<Vec<_>>().join("\n")
    };
    let named = |one: &KnownArray| one.name.raw().parse().map_err(input);
    match (wanted, known.as_slice()) {
        (Some(array), _) => match known.iter().find(|one| one.name.raw() == array.as_str()) {
            Some(one) => named(one),
            None => Err(input(format!("CCM knows no array {array}; it knows:\n{}", shown()))),
        },
        (None, [one]) => named(one),
        (None, []) => Err(input("CCM knows no array: add it there with `acarray add` first")),
        (None, _) if person.answers() => {
            person.say(&format!("CCM knows these arrays:\n{}", shown()));
            let answer = person.ask("Which one? ")?;
            match known.iter().find(|one| one.name.raw() == answer) {
                Some(one) => named(one),
                None => Err(input(format!("{answer:?} is none of them; nothing was written"))),
            }
        }
        (None, _) => Err(input(format!("CCM knows several arrays; choose with --array:\n{}", shown()))),
    }
}

async fn known_arrays(driver: &CcmDriver) -> Result<Vec<KnownArray>, SetUpError> {
    let limit = driver.settings().connect.saturating_mul(3) + driver.settings().query;
    let argv = command::list_arrays();
    let turn = driver.server().question(limit).await;
    let turn = turn.ok_or_else(|| not_reachable("the CCM server is busy"))?;
    let reply = turn.send(&argv).await.map_err(not_reachable)?;
    arrays::list(&argv, &reply.stdout, driver.words()).map_err(not_reachable)
}

/// The array's lines in the configuration.
fn lines(settings: &Settings) -> String {
    let mut text = format!("[array.ccm]\narray = \"{}\"\n", settings.array);
    let mut line = |key: &str, value: Option<toml::Value>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {value}");
        }
    };
    let word = |word: &str| toml::Value::String(word.to_owned());
    let path = |path: &SshPath| toml::Value::String(path.as_path().to_string_lossy().into_owned());
    if let Some(ssh) = &settings.ssh {
        line("host", Some(word(ssh.host.as_str())));
        line("port", ssh.port.map(|port| toml::Value::Integer(port.into())));
        line("user", ssh.user.as_ref().map(|user| word(user.as_str())));
        line("ssh_config", ssh.ssh_config.as_ref().map(path));
        line("identity", ssh.identity.as_ref().map(path));
        line("known_hosts", ssh.known_hosts.as_ref().map(path));
    }
    line("sudo", settings.sudo.then_some(toml::Value::Boolean(true)));
    line("directory", settings.directory.as_ref().map(|folder| word(folder.as_str())));
    text
}
