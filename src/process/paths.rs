//! Where a home keeps things: configuration, state, logs, sockets.

use etcetera::BaseStrategy;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Moves everything that the program keeps to one folder.
pub const HOME_VARIABLE: &str = "ECDECK_HOME";
/// Set to `1`: the demonstration site.
pub const DEMO_VARIABLE: &str = "ECDECK_DEMO";
/// Bytes that a Unix socket's path may have: `sun_path` has 108, one of them ends the text.
pub const MAX_SOCKET_PATH: usize = 107;

#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    #[error("no home folder is known: set HOME, or {HOME_VARIABLE} to the folder that ecdeck shall use")]
    NoHome,
    #[error("{HOME_VARIABLE} is {0:?}, which cannot be made an absolute path: {1}")]
    Relative(PathBuf, std::io::Error),
}

/// The lock and the socket of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The server's word for people: `engine`, `embedded array`.
    pub server: &'static str,
    /// Whoever holds its lock is the server.
    pub lock: PathBuf,
    pub socket: PathBuf,
}

/// All places of one site. The demonstration site has a home of its own, inside that of the real one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The folder that `ECDECK_HOME` names.
    moved: Option<PathBuf>,
    config: PathBuf,
    state: PathBuf,
    runtime: PathBuf,
    demonstration: bool,
}

impl Home {
    /// The real site's home: the folder in `ECDECK_HOME`, else the XDG folders.
    pub fn from_environment() -> Result<Self, PathsError> {
        if let Some(folder) = std::env::var_os(HOME_VARIABLE).filter(|value| !value.is_empty()) {
            let folder = PathBuf::from(folder);
            return std::path::absolute(&folder)
                .map(|folder| Self::in_folder(&folder))
                .map_err(|e| PathsError::Relative(folder, e));
        }
        let xdg = etcetera::base_strategy::Xdg::new().map_err(|_| PathsError::NoHome)?;
        let state = xdg.state_dir().unwrap_or_else(|| xdg.home_dir().join(".local/state")).join("ecdeck");
        let runtime = xdg.runtime_dir().map_or_else(|| state.join("run"), |folder| folder.join("ecdeck"));
        Ok(Self { moved: None, config: xdg.config_dir().join("ecdeck"), state, runtime, demonstration: false })
    }

    /// The home of a user whose base folders are these.
    pub fn of_user(config: &Path, state: &Path, runtime: &Path) -> Self {
        let at = |folder: &Path| folder.join("ecdeck");
        Self { moved: None, config: at(config), state: at(state), runtime: at(runtime), demonstration: false }
    }

    /// The home of this host's service, as assets/ecdeck.service sets it up.
    pub fn of_service() -> Self {
        Self::of_user(Path::new("/etc"), Path::new("/var/lib"), Path::new("/run"))
    }

    /// Whether `ECDECK_HOME` names it: then nothing outside of it is looked at.
    pub fn is_moved(&self) -> bool {
        self.moved.is_some()
    }

    /// A home with everything in one folder, which must be an absolute path.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            moved: Some(folder.to_owned()),
            config: folder.to_owned(),
            state: folder.to_owned(),
            runtime: folder.join("run"),
            demonstration: false,
        }
    }

    /// The home of the demonstration site, with its own catalogue, engine and arrays.
    #[must_use]
    pub fn demonstration(&self) -> Self {
        Self {
            state: if self.demonstration { self.state.clone() } else { self.state.join("demo") },
            runtime: if self.demonstration { self.runtime.clone() } else { self.runtime.join("demo") },
            demonstration: true,
            ..self.clone()
        }
    }

    pub fn is_demonstration(&self) -> bool {
        self.demonstration
    }

    /// The configuration that is read unless another is named; the demonstration site reads none.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    pub fn catalogue_file(&self) -> PathBuf {
        self.state.join("catalogue.db")
    }

    pub fn log_dir(&self) -> PathBuf {
        self.state.join("log")
    }

    /// The embedded array's boxes and images.
    pub fn arrays_dir(&self) -> PathBuf {
        self.state.join("arrays")
    }

    pub fn engine(&self) -> Place {
        self.place("engine", "engine")
    }

    pub fn array_server(&self) -> Place {
        self.place("embedded array", "arrays")
    }

    /// What a server that is started for this home needs in its environment; `None` means unset.
    pub fn environment(&self) -> [(&'static str, Option<OsString>); 2] {
        [
            (HOME_VARIABLE, self.moved.as_ref().map(|folder| folder.clone().into_os_string())),
            (DEMO_VARIABLE, self.demonstration.then(|| "1".into())),
        ]
    }

    fn place(&self, server: &'static str, file: &str) -> Place {
        Place {
            server,
            lock: self.state.join(format!("{file}.lock")),
            socket: short_enough(self.runtime.join(format!("{file}.sock"))),
        }
    }
}

/// The path itself, or one under the runtime folder that stands for it: a socket's path has a limit, a home has none.
fn short_enough(socket: PathBuf) -> PathBuf {
    if socket.as_os_str().len() <= MAX_SOCKET_PATH {
        return socket;
    }
    let digest = blake3::hash(socket.as_os_str().as_encoded_bytes()).to_hex();
    let folder = etcetera::base_strategy::Xdg::new()
        .ok()
        .and_then(|xdg| xdg.runtime_dir())
        .map(|runtime| runtime.join("ecdeck"))
        .filter(|folder| folder.as_os_str().len() + 38 <= MAX_SOCKET_PATH)
        .unwrap_or_else(|| PathBuf::from(format!("/tmp/ecdeck-{}", rustix::process::geteuid().as_raw())));
    folder.join(format!("{}.sock", &digest.as_str()[..32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_home_keeps_everything_in_its_folder() {
        let home = Home::in_folder(Path::new("/srv/ecdeck"));
        for path in
            [home.config_file(), home.catalogue_file(), home.log_dir(), home.engine().lock, home.engine().socket]
        {
            assert!(path.starts_with("/srv/ecdeck"), "{path:?}");
        }
    }

    #[test]
    fn the_demonstration_site_shares_no_file_with_the_real_one() {
        let real = Home::in_folder(Path::new("/srv/ecdeck"));
        let demo = real.demonstration();
        assert_ne!(real.engine(), demo.engine());
        assert_ne!(real.array_server(), demo.array_server());
        assert_ne!(real.catalogue_file(), demo.catalogue_file());
        assert_eq!(demo, demo.demonstration());
    }

    #[test]
    fn a_deep_home_gets_a_short_socket_of_its_own() {
        let deep = PathBuf::from("/").join("d".repeat(150));
        let (one, other) = (Home::in_folder(&deep.join("1")), Home::in_folder(&deep.join("2")));
        assert!(one.engine().socket.as_os_str().len() <= MAX_SOCKET_PATH);
        assert_ne!(one.engine().socket, other.engine().socket);
        assert_ne!(one.engine().socket, one.array_server().socket);
    }
}
