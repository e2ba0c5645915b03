//! The entry of the CCM driver among all drivers: how it is configured, made and examined.

use super::add::AddByCcm;
use super::array::CcmDriver;
use super::doctor;
use super::names::ArrayName;
use super::server::Server;
use super::settings::{SECTION, Settings};
use crate::config_keys::{Fault, Table};
use crate::driver::Driver;
use crate::driver::kind::{ArrayConfig, ConnectError, Connecting, DriverKind, NoExamination};
use crate::driver::set_up::SetUp;
use crate::driver::transport::Transport;
use crate::driver::transport::local::Local;
use crate::driver::transport::ssh::Ssh;
use crate::model::check::Check;
use crate::model::identity::Name;
use crate::model::units::Timestamp;
use crate::process::instance::private_folder;
use futures_util::future::BoxFuture;
use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;

/// `driver = "ccm"`.
#[derive(Debug)]
pub struct Ccm;

impl DriverKind for Ccm {
    fn name(&self) -> &'static str {
        "ccm"
    }

    fn keys(&self) -> &'static [&'static str] {
        &[SECTION]
    }

    fn configure(&self, table: Table<'_>, driver: &Spanned<String>) -> Result<Arc<dyn ArrayConfig>, Fault> {
        Ok(Arc::new(Settings::read(table, driver)?))
    }

    fn example(&self) -> &'static str {
        "[array.ccm]\narray = \"ET001\"\nhost = \"ccm01\"\n"
    }

    fn set_up(&self) -> Option<&'static dyn SetUp> {
        Some(&AddByCcm)
    }
}

impl ArrayConfig for Settings {
    fn connect(&self, array: &Name, site: &mut Connecting<'_>) -> Result<Arc<dyn Driver>, ConnectError> {
        Ok(Arc::new(self.driver(array, site)?))
    }

    fn examine(
        &self,
        array: &Name,
        site: &mut Connecting<'_>,
        now: Timestamp,
    ) -> Result<BoxFuture<'static, Vec<Check>>, NoExamination> {
        let driver = self.driver(array, site)?;
        Ok(Box::pin(async move { doctor::examine(&driver, now).await }))
    }
}

impl Settings {
    /// The driver of one array. Arrays that are reached in the same way share one server, and wait for each other.
    pub fn driver(&self, array: &Name, site: &mut Connecting<'_>) -> Result<CcmDriver, ConnectError> {
        let wrong = |why: String| ConnectError { array: array.clone(), why };
        let modes = |target: &Name| site.rec.get(&(array.clone(), target.clone())).copied().unwrap_or_default();
        let known = site.arrays.iter().filter_map(|(name, config)| Some((*name, by_ccm(*config)?)));
        let settings =
            Self { rec: known.map(|(name, target)| (target.clone(), modes(name))).collect(), ..self.clone() };
        let name = format!("ccm {:?} {} {:?}", self.ssh, self.sudo, self.directory);
        let (home, alone) = (site.home, site.alone);
        let socket = home.engine().socket;
        let runtime = socket.parent().unwrap_or(Path::new("/"));
        let server = site.shared.or_make(&name, || Ok(Server::new(self.transport(runtime, alone).map_err(wrong)?)))?;
        CcmDriver::new(array.as_str(), settings, server).map_err(|why| wrong(why.to_string()))
    }

    fn transport(&self, runtime: &Path, alone: bool) -> Result<Arc<dyn Transport>, String> {
        let (sudo, folder) = (self.sudo, self.directory.clone());
        let Some(destination) = self.ssh.clone() else {
            return Ok(Arc::new(Local { sudo, folder, environment: Vec::new() }));
        };
        private_folder(runtime).map_err(|why| format!("the folder for connections: {why}"))?;
        let ssh = Ssh::new(destination, sudo, folder, self.connect, runtime).map_err(|why| why.to_string())?;
        Ok(Arc::new(if alone { ssh.alone() } else { ssh }))
    }
}

/// The name in CCM of an array that is driven by it.
fn by_ccm(config: &dyn ArrayConfig) -> Option<&ArrayName> {
    let config: &dyn Any = config;
    config.downcast_ref::<Settings>().map(|settings| &settings.array)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::drivers;
    use crate::process::paths::Home;

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
        assert_eq!(drivers::of(&home, &config).unwrap().len(), 3);
        let mut site = drivers::connecting(&home, &config, false);
        let mut made = config.arrays.iter().map(|array| {
            let settings = array.control.config::<Settings>().unwrap();
            settings.driver(&array.name, &mut site).unwrap()
        });
        let drivers: [CcmDriver; 3] = std::array::from_fn(|_| made.next().unwrap());
        assert!(Arc::ptr_eq(drivers[0].server(), drivers[1].server()));
        assert!(!Arc::ptr_eq(drivers[0].server(), drivers[2].server()));
        let modes = drivers[0].settings().rec_modes(&"ET002".parse().unwrap());
        assert_eq!(modes, config.rec_modes(&config.arrays[0].name, &config.arrays[1].name));
        assert_ne!(modes, drivers[0].settings().rec_modes(&"ET003".parse().unwrap()));
    }
}
