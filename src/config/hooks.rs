//! The keys of hosts and hooks: the site's scripts before and after a backup or a restore, and the machines that they run on.

use super::{Host, Service};
use crate::config_keys::{Fault, SshKeys, absolute, checked, closest, name, time};
use crate::model::hook::{Hook, HookNeed};
use crate::model::host_report::Wwid;
use crate::model::identity::Name;
use crate::process::ssh::SshWord;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// For one run of a script, and for a pause. Nobody keeps a file system frozen for an hour on purpose.
pub(super) const HOOK_LIMIT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(1);
pub(super) const USUAL_LIMIT: Duration = Duration::from_secs(30);
const USUAL_PAUSE: Duration = Duration::from_mins(1);
/// Words of one command line, and bytes of one word.
const MAX_WORDS: usize = 100;
const MAX_WORD: usize = 4_096;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostKeys {
    name: Spanned<String>,
    host: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    port: Option<Spanned<u16>>,
    ssh_config: Option<Spanned<PathBuf>>,
    identity: Option<Spanned<PathBuf>>,
    known_hosts: Option<Spanned<PathBuf>>,
    #[serde(default)]
    sudo: bool,
    /// Names of other hosts: it is a service, and no machine.
    nodes: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    wwid: BTreeMap<Spanned<String>, Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookKeys {
    name: Spanned<String>,
    #[serde(default)]
    volumes: Vec<Spanned<String>>,
    before_backup: Option<Spanned<Vec<String>>>,
    after_backup: Option<Spanned<Vec<String>>>,
    before_restore: Option<Spanned<Vec<String>>>,
    after_restore: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    need: HookNeed,
    host: Option<Spanned<String>>,
    run_as: Option<Spanned<String>>,
    limit: Option<Spanned<String>>,
    pause: Option<Spanned<String>>,
    #[serde(default)]
    environment: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// The machines, and the services that some of them run.
pub(super) fn hosts(written: &[HostKeys]) -> Result<(Vec<Host>, Vec<Service>), Fault> {
    let mut hosts: Vec<Host> = Vec::with_capacity(written.len());
    let mut services = Vec::new();
    let mut names: Vec<Name> = Vec::with_capacity(written.len());
    for keys in written {
        let name = name(&keys.name)?;
        if names.contains(&name) {
            return Err(Fault::at(&keys.name, format!("another host is called {name}: give each its own name")));
        }
        names.push(name.clone());
        if let Some(nodes) = &keys.nodes {
            services.push((keys, name, nodes));
            continue;
        }
        let ssh = SshKeys {
            host: keys.host.as_ref(),
            user: keys.user.as_ref(),
            port: keys.port.as_ref(),
            ssh_config: keys.ssh_config.as_ref(),
            identity: keys.identity.as_ref(),
            known_hosts: keys.known_hosts.as_ref(),
        };
        hosts.push(Host { name, ssh: ssh.destination()?, sudo: keys.sudo, wwids: wwids(&keys.wwid)? });
    }
    let services = services.into_iter().map(|(keys, name, nodes)| service(keys, name, nodes, &hosts));
    let services = services.collect::<Result<_, _>>()?;
    Ok((hosts, services))
}

fn service(
    keys: &HostKeys,
    name: Name,
    written: &Spanned<Vec<Spanned<String>>>,
    hosts: &[Host],
) -> Result<Service, Fault> {
    let reached = keys.host.is_some() || keys.user.is_some() || keys.port.is_some() || keys.ssh_config.is_some();
    if reached || keys.identity.is_some() || keys.known_hosts.is_some() || keys.sudo || !keys.wwid.is_empty() {
        let text =
            format!("{name} is a service: it has `nodes` only. How a node is reached stands in its own [[host]]");
        return Err(Fault::at(written, text));
    }
    if written.get_ref().is_empty() {
        return Err(Fault::at(
            written,
            format!("the service {name} has no nodes: give the names of its [[host]] tables"),
        ));
    }
    let mut nodes = Vec::new();
    for node in written.get_ref() {
        let known = machine(node, hosts)?;
        if nodes.contains(&known) {
            return Err(Fault::at(node, format!("{known} is a node of {name} already: name it once")));
        }
        nodes.push(known);
    }
    Ok(Service { name, nodes })
}

/// Devices that report no WWID, and the identity that a person gives them.
fn wwids(written: &BTreeMap<Spanned<String>, Spanned<String>>) -> Result<BTreeMap<String, Wwid>, Fault> {
    let mut wwids: BTreeMap<String, Wwid> = BTreeMap::new();
    for (device, wwid) in written {
        if !device.get_ref().starts_with("/dev/") {
            return Err(Fault::at(
                device,
                format!("{:?} is no device: write its path, as /dev/loop0", device.get_ref()),
            ));
        }
        let given: Wwid =
            wwid.get_ref().parse().map_err(|why| Fault::at(wwid, format!("{why}; give the whole of it")))?;
        if let Some((other, _)) = wwids.iter().find(|(_, known)| **known == given) {
            return Err(Fault::at(wwid, format!("{other} has this WWID too: one disk has one device here")));
        }
        wwids.insert(device.get_ref().clone(), given);
    }
    Ok(wwids)
}

pub(super) fn hooks(written: &[HookKeys], hosts: &[Name]) -> Result<Vec<Hook>, Fault> {
    let mut hooks: Vec<Hook> = Vec::with_capacity(written.len());
    for keys in written {
        let hook = hook(keys, hosts)?;
        if hooks.iter().any(|other| other.name == hook.name) {
            return Err(Fault::at(&keys.name, format!("another hook is called {}: give each its own name", hook.name)));
        }
        hooks.push(hook);
    }
    Ok(hooks)
}

/// `hosts`: machines and services.
fn hook(keys: &HookKeys, hosts: &[Name]) -> Result<Hook, Fault> {
    let own_name = name(&keys.name)?;
    let scripts = [&keys.before_backup, &keys.after_backup, &keys.before_restore, &keys.after_restore];
    if scripts.iter().all(|script| script.is_none()) {
        let text = "the hook runs nothing: give before_backup, after_backup, before_restore or after_restore";
        return Err(Fault::at(&keys.name, text));
    }
    let limit = time(keys.limit.as_ref(), USUAL_LIMIT, HOOK_LIMIT)?;
    let pause = time(keys.pause.as_ref(), USUAL_PAUSE, HOOK_LIMIT)?;
    if let (Some(place), true) = (keys.pause.as_ref().or(keys.limit.as_ref()), pause <= limit) {
        return Err(Fault::at(
            place,
            format!(
                "the pause ({pause:?}) is over before a script may reach its limit ({limit:?}): give a longer pause"
            ),
        ));
    }
    Ok(Hook {
        name: own_name,
        volumes: keys.volumes.iter().map(name).collect::<Result<_, _>>()?,
        before_backup: keys.before_backup.as_ref().map(command).transpose()?,
        after_backup: keys.after_backup.as_ref().map(command).transpose()?,
        before_restore: keys.before_restore.as_ref().map(command).transpose()?,
        after_restore: keys.after_restore.as_ref().map(command).transpose()?,
        need: keys.need,
        host: keys.host.as_ref().map(|host| known(host, hosts)).transpose()?,
        run_as: keys.run_as.as_ref().map(user).transpose()?,
        limit_millis: limit.as_millis() as u64,
        pause_millis: pause.as_millis() as u64,
        environment: keys.environment.iter().map(|(key, value)| variable(key, value)).collect::<Result<_, _>>()?,
    })
}

/// A user's name: `sudo` takes the same words as ssh.
pub(super) fn user(written: &Spanned<String>) -> Result<String, Fault> {
    checked::<SshWord>(written).map(String::from)
}

/// The host of this name among machines and services.
pub(super) fn known(written: &Spanned<String>, hosts: &[Name]) -> Result<Name, Fault> {
    if let Some(host) = hosts.iter().find(|host| host.as_str() == written.get_ref()) {
        return Ok(host.clone());
    }
    let hint = match closest(written.get_ref(), hosts.iter().map(Name::as_str)) {
        Some(close) => format!("did you mean {close}?"),
        None => "name one of the [[host]] tables".to_owned(),
    };
    Err(Fault::at(written, format!("there is no host {:?}; {hint}", written.get_ref())))
}

/// The machine of this name.
pub(super) fn machine(written: &Spanned<String>, hosts: &[Host]) -> Result<Name, Fault> {
    let machines: Vec<Name> = hosts.iter().map(|host| host.name.clone()).collect();
    known(written, &machines)
}

/// A program by its absolute path, and its arguments. No shell reads them.
pub(super) fn command(written: &Spanned<Vec<String>>) -> Result<Vec<String>, Fault> {
    let words = written.get_ref();
    let Some(program) = words.first() else {
        return Err(Fault::at(
            written,
            "a command line has at least a program: write [\"/path/of/script\", \"argument\"]",
        ));
    };
    absolute(&Spanned::new(written.span(), PathBuf::from(program)))?;
    if words.len() > MAX_WORDS {
        return Err(Fault::at(written, format!("a command line has at most {MAX_WORDS} words")));
    }
    match words.iter().find(|word| word.len() > MAX_WORD || word.chars().any(char::is_control)) {
        Some(word) => {
            let start: String = word.chars().take(40).collect();
            Err(Fault::at(written, format!("{start:?} is too long, or has a control character in it")))
        }
        None => Ok(words.clone()),
    }
}

/// Variables that decide what a program loads are not the configuration's to set, and ours have their documented values.
pub(super) fn variable(key: &Spanned<String>, value: &Spanned<String>) -> Result<(String, String), Fault> {
    let text = key.get_ref();
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = text.bytes().all(plain) && text.starts_with(|c: char| c.is_ascii_uppercase());
    if !fits || text.len() > 64 || ["ECDECK_", "LD_"].iter().any(|ours| text.starts_with(ours)) || text == "PATH" {
        return Err(Fault::at(
            key,
            format!("{text:?} cannot be set: use A-Z 0-9 _, and neither PATH nor names that begin with ECDECK_ or LD_"),
        ));
    }
    if value.get_ref().len() > MAX_WORD || value.get_ref().chars().any(char::is_control) {
        return Err(Fault::at(value, "the value is too long, or has a control character in it"));
    }
    Ok((text.clone(), value.get_ref().clone()))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::model::hook::HookNeed;
    use std::path::Path;

    fn parse(text: &str) -> Result<Config, String> {
        let text =
            format!("site = \"x\"\n[[host]]\nname = \"db03\"\nhost = \"db03.example\"\nuser = \"ecdeck\"\n{text}\n");
        Config::parse(&text, Path::new("/etc/ecdeck/config.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_service_is_the_names_of_its_nodes_and_nothing_else() {
        let nodes =
            "[[host]]\nname = \"erp\"\nnodes = [\"db03\", \"db04\"]\n[[host]]\nname = \"db04\"\nhost = \"db04\"\n";
        let config =
            parse(&format!("{nodes}[[hook]]\nname = \"f\"\nhost = \"erp\"\nafter_backup = [\"/bin/true\"]")).unwrap();
        let names: Vec<&str> = config.hosts.iter().map(|host| host.name.as_str()).collect();
        assert_eq!((names, config.services[0].nodes.len()), (vec!["db03", "db04"], 2));
        assert_eq!(config.hooks[0].host.as_ref().unwrap().as_str(), "erp");
        for (wrong, part) in [
            ("nodes = []", "has no nodes"),
            ("nodes = [\"db05\"]", "there is no host \"db05\"; did you mean db03?"),
            ("nodes = [\"db03\", \"db03\"]", "db03 is a node of erp already"),
            ("nodes = [\"erp\"]", "there is no host \"erp\""),
            ("nodes = [\"db03\"]\nsudo = true", "erp is a service: it has `nodes` only"),
            ("nodes = [\"db03\"]\n[notify]\nhost = \"erp\"\ncommand = [\"/bin/true\"]", "there is no host \"erp\""),
        ] {
            let why = parse(&format!("[[host]]\nname = \"erp\"\n{wrong}")).unwrap_err();
            assert!(why.contains(part), "{wrong}: {why}");
        }
    }

    #[test]
    fn a_hook_is_read_with_its_defaults() {
        let config = parse(
            "[[hook]]\nname = \"freeze\"\nvolumes = [\"ora01\"]\nhost = \"db03\"\n\
             before_backup = [\"/etc/ecdeck/hooks/fsfreeze\", \"/srv/ora\"]\n\
             [[hook]]\nname = \"log\"\nneed = \"advisory\"\nafter_backup = [\"/usr/bin/logger\"]\nrun_as = \"root\"\n\
             limit = \"5s\"\n[hook.environment]\nSWSTGNODE = \"node1\"",
        );
        let config = config.unwrap();
        let [freeze, log] = &config.hooks[..] else { panic!("two hooks") };
        assert_eq!((freeze.need, freeze.limit_millis, freeze.pause_millis), (HookNeed::Required, 30_000, 60_000));
        assert_eq!(config.hosts[0].ssh.as_ref().unwrap().host.as_str(), "db03.example");
        assert!(freeze.is_for(&"ora01".parse().unwrap()) && !freeze.is_for(&"ora02".parse().unwrap()));
        assert!(log.is_for(&"ora02".parse().unwrap()));
        assert_eq!((log.need, log.limit_millis), (HookNeed::Advisory, 5_000));
        assert_eq!(log.environment, [("SWSTGNODE".to_owned(), "node1".to_owned())]);
    }

    #[test]
    fn a_wrong_hook_is_reported_with_its_line() {
        let script = "after_backup = [\"/bin/true\"]";
        for (keys, part) in [
            (String::new(), ":7: hook[1].name: the hook runs nothing"),
            ("after_backup = []".to_owned(), ":8: hook[1].after_backup: a command line has at least a program"),
            ("after_backup = [\"true\"]".to_owned(), ":8: hook[1].after_backup: true depends on where"),
            ("before_backup = [\"/bin/echo\", \"a\\u001bb\"]".to_owned(), "a control character"),
            (format!("{script}\nhost = \"db04\""), ":9: hook[1].host: there is no host \"db04\"; did you mean db03?"),
            (format!("{script}\nrun_as = \"-u\""), ":9: hook[1].run_as"),
            (format!("{script}\nneed = \"maybe\""), ":9: hook[1].need"),
            (format!("{script}\nlimit = \"2h\""), ":9: hook[1].limit"),
            (format!("{script}\nlimit = \"2m\""), ":9: hook[1].limit: the pause (60s) is over before"),
            (format!("{script}\npause = \"30s\""), ":9: hook[1].pause: the pause (30s) is over before"),
            (format!("{script}\n[hook.environment]\nLD_PRELOAD = \"x\""), "LD_PRELOAD"),
            (format!("{script}\n[hook.environment]\nECDECK_RESULT = \"x\""), "ECDECK_RESULT"),
            (format!("{script}\n[[hook]]\nname = \"one\"\n{script}"), ":10: hook[2].name: another hook is called one"),
        ] {
            let why = parse(&format!("[[hook]]\nname = \"one\"\n{keys}")).unwrap_err();
            assert!(why.contains(part), "{keys}: {why}");
        }
    }
}
