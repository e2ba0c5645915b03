//! Makes the drivers of a configuration's arrays.

use crate::config::{Ccm, Config, ControlPlane};
use crate::driver::Driver;
use crate::driver::ccm::CcmDriver;
use crate::driver::ccm::names::{ArrayName, NameError, Word};
use crate::driver::ccm::server::Server;
use crate::driver::ccm::settings::Settings;
use crate::driver::ccm::transport::Transport;
use crate::driver::ccm::transport::local::Local;
use crate::driver::ccm::transport::ssh::{Destination, Ssh, SshError};
use crate::driver::ccm::word_table::WordsError;
use crate::driver::emulated::driver::Embedded;
use crate::driver::failover::FailoverDriver;
use crate::engine::ConfiguredArray;
use crate::model::identity::Name;
use crate::process::instance::{InstanceError, private_folder};
use crate::process::paths::Home;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// An array that cannot be driven as the configuration says.
#[derive(Debug, thiserror::Error)]
pub enum DriversError {
    #[error("array {array}: {why}")]
    Name { array: Name, why: NameError },
    #[error("array {array}: {why}")]
    Ssh { array: Name, why: SshError },
    #[error("array {array}: {why}")]
    Words { array: Name, why: WordsError },
    #[error("the folder for connections: {0}")]
    Folder(#[from] InstanceError),
}

/// The drivers, in the configuration's order.
pub fn of(home: &Home, config: &Config) -> Result<Vec<ConfiguredArray>, DriversError> {
    let mut servers = Servers::default();
    config
        .arrays
        .iter()
        .map(|array| {
            let mut by = |control| servers.by(home, config, &array.name, control);
            let first = by(&array.control)?;
            let driver = match &array.forced_stop {
                Some(second) => Arc::new(FailoverDriver::new(array.name.as_str(), first, by(second)?)),
                None => first,
            };
            Ok(ConfiguredArray { name: array.name.clone(), driver })
        })
        .collect()
}

/// The CCM driver of one array, with a connection of its own: for setting up and for looking what is wrong.
pub fn ccm(home: &Home, config: &Config, array: &Name, ccm: &Ccm) -> Result<CcmDriver, DriversError> {
    Servers { alone: true, ..Servers::default() }.driver(home, config, array, ccm)
}

/// CCM servers: arrays that are reached in the same way share one, and wait for each other.
#[derive(Default)]
struct Servers {
    made: BTreeMap<String, Arc<Server>>,
    /// Their connections are not those of an engine that runs.
    alone: bool,
}

impl Servers {
    fn by(
        &mut self,
        home: &Home,
        config: &Config,
        array: &Name,
        control: &ControlPlane,
    ) -> Result<Arc<dyn Driver>, DriversError> {
        Ok(match control {
            ControlPlane::Embedded { home: folder } => {
                let home = folder.as_deref().map_or_else(|| home.clone(), Home::in_folder);
                Arc::new(Embedded::new(home, array.to_string(), true))
            }
            ControlPlane::Ccm(ccm) => Arc::new(self.driver(home, config, array, ccm)?),
        })
    }

    fn driver(&mut self, home: &Home, config: &Config, array: &Name, ccm: &Ccm) -> Result<CcmDriver, DriversError> {
        let name = |why| DriversError::Name { array: array.clone(), why };
        let rec = config.arrays.iter().filter_map(|target| match &target.control {
            ControlPlane::Ccm(there) => Some((there.array.as_str(), config.rec_modes(array, &target.name))),
            ControlPlane::Embedded { .. } => None,
        });
        let settings = Settings {
            array: ccm.array.as_str().parse().map_err(name)?,
            ssh: destination(ccm).map_err(name)?,
            sudo: ccm.sudo,
            directory: word(ccm.directory.as_deref()).map_err(name)?,
            connect: ccm.connect,
            query: ccm.query,
            discover: ccm.discover,
            rec: rec
                .map(|(target, modes)| Ok((target.parse::<ArrayName>()?, modes)))
                .collect::<Result<_, _>>()
                .map_err(name)?,
            words: ccm.words.clone(),
            titles: ccm.titles.clone(),
            messages: ccm.messages.clone(),
        };
        let server = self.server(home, array, &settings)?;
        let driver = CcmDriver::new(array.as_str(), settings, server);
        driver.map_err(|why| DriversError::Words { array: array.clone(), why })
    }

    fn server(&mut self, home: &Home, array: &Name, settings: &Settings) -> Result<Arc<Server>, DriversError> {
        let key = format!("{:?} {} {:?}", settings.ssh, settings.sudo, settings.directory);
        if let Some(server) = self.made.get(&key) {
            return Ok(Arc::clone(server));
        }
        let transport = transport(home, settings, array, self.alone)?;
        let server = Server::new(transport);
        self.made.insert(key, Arc::clone(&server));
        Ok(server)
    }
}

fn transport(home: &Home, settings: &Settings, array: &Name, alone: bool) -> Result<Arc<dyn Transport>, DriversError> {
    let (sudo, folder) = (settings.sudo, settings.directory.clone());
    let Some(destination) = settings.ssh.clone() else {
        return Ok(Arc::new(Local { sudo, folder, environment: Vec::new() }));
    };
    let socket = home.engine().socket;
    let runtime = socket.parent().unwrap_or(Path::new("/"));
    private_folder(runtime)?;
    let ssh = Ssh::new(destination, sudo, folder, settings.connect, runtime);
    let ssh = ssh.map_err(|why| DriversError::Ssh { array: array.clone(), why })?;
    Ok(Arc::new(if alone { ssh.alone() } else { ssh }))
}

fn destination(ccm: &Ccm) -> Result<Option<Destination>, NameError> {
    let Some(ssh) = &ccm.ssh else { return Ok(None) };
    Ok(Some(Destination {
        host: ssh.host.parse()?,
        user: word(ssh.user.as_deref())?,
        port: ssh.port,
        ssh_config: ssh.ssh_config.clone(),
        identity: ssh.identity.clone(),
        known_hosts: ssh.known_hosts.clone(),
    }))
}

fn word(text: Option<&str>) -> Result<Option<Word>, NameError> {
    text.map(str::parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
        site = "kyoto"
        [[array]]
        name = "DX1"
        driver = "ccm"
        [array.ccm]
        array = "ET001"
        directory = "/opt/FJSVccm/bin"
        [[array]]
        name = "DX2"
        driver = "ccm"
        [array.ccm]
        array = "ET002"
        directory = "/opt/FJSVccm/bin"
        [[array]]
        name = "DX3"
        driver = "ccm"
        [array.ccm]
        array = "ET003"
        host = "ccm02"
        [[rec]]
        from = "DX1"
        to = "DX2"
        transfer = "consistency"
        recovery = "manual"
    "#;

    #[test]
    fn arrays_of_one_ccm_server_share_its_queue_and_modes_go_by_target() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::in_folder(folder.path());
        let config = Config::parse(CONFIG, Path::new("config.toml")).unwrap();
        assert_eq!(of(&home, &config).unwrap().len(), 3);
        let mut servers = Servers::default();
        let drivers: Vec<CcmDriver> = config
            .arrays
            .iter()
            .map(|array| match &array.control {
                ControlPlane::Ccm(ccm) => servers.driver(&home, &config, &array.name, ccm).unwrap(),
                ControlPlane::Embedded { .. } => panic!("not embedded"),
            })
            .collect();
        assert!(Arc::ptr_eq(drivers[0].server(), drivers[1].server()));
        assert!(!Arc::ptr_eq(drivers[0].server(), drivers[2].server()));
        let modes = drivers[0].settings().rec_modes(&"ET002".parse().unwrap());
        assert_eq!(modes, config.rec_modes(&config.arrays[0].name, &config.arrays[1].name));
        assert_ne!(modes, drivers[0].settings().rec_modes(&"ET003".parse().unwrap()));
    }
}
