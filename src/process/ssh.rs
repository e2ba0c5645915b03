//! A machine that is reached by the system's OpenSSH client, and what every call of that client is told: it asks nobody for
//! anything, an unknown or changed host key ends it, a dead line is noticed, nothing is forwarded. What else it uses is the
//! operator's own configuration.

use crate::model::identity::Name;
use crate::model::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// A word or a path that the OpenSSH client cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshArgumentError {
    #[error("{:?} fits no ssh command line: use A-Z a-z 0-9 . _ - : % and begin without -", text.escaped())]
    Word { text: Untrusted },
    #[error("{} depends on where the program was started: write the path from / on", path.escaped())]
    Relative { path: Untrusted },
    #[error("OpenSSH cannot be given the path {}: it has {what} in it, which OpenSSH reads as something else; use another path", path.escaped())]
    Path { path: Untrusted, what: &'static str },
}

/// A word of an ssh command line: the name of a host or of a user. It has nothing in it that a shell would look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SshWord(String);

impl SshWord {
    pub const MAX_LENGTH: usize = 255;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SshWord {
    type Err = SshArgumentError;

    fn from_str(text: &str) -> Result<Self, SshArgumentError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:%".contains(&byte);
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(plain);
        if fits { Ok(Self(text.to_owned())) } else { Err(SshArgumentError::Word { text: text.into() }) }
    }
}

impl TryFrom<String> for SshWord {
    type Error = SshArgumentError;

    fn try_from(text: String) -> Result<Self, SshArgumentError> {
        text.parse()
    }
}

impl From<SshWord> for String {
    fn from(word: SshWord) -> Self {
        word.0
    }
}

impl fmt::Display for SshWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An absolute path that OpenSSH takes as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PathBuf", into = "PathBuf")]
pub struct SshPath(PathBuf);

impl SshPath {
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl TryFrom<PathBuf> for SshPath {
    type Error = SshArgumentError;

    /// Refuses what no quotes of OpenSSH keep: its releases differ in what a backslash means, and a variable has no escape.
    fn try_from(path: PathBuf) -> Result<Self, SshArgumentError> {
        let shown = || Untrusted::from_bytes(path.as_os_str().as_encoded_bytes());
        let wrong = |what| Err(SshArgumentError::Path { path: shown(), what });
        if !path.is_absolute() {
            return Err(SshArgumentError::Relative { path: shown() });
        }
        let Some(text) = path.to_str() else { return wrong("a byte that is not UTF-8") };
        match text {
            _ if text.contains('"') => wrong("a quote"),
            _ if text.contains('\\') => wrong("a backslash"),
            _ if text.contains("${") => wrong("${"),
            _ if text.chars().any(char::is_control) => wrong("a control character"),
            _ => Ok(Self(path)),
        }
    }
}

impl From<SshPath> for PathBuf {
    fn from(path: SshPath) -> Self {
        path.0
    }
}

/// A machine, and what ssh is told beyond the operator's own configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// A name of `ssh_config`, a host name or an address.
    pub host: SshWord,
    pub user: Option<SshWord>,
    pub port: Option<u16>,
    /// Instead of `~/.ssh/config`.
    pub ssh_config: Option<SshPath>,
    /// A private key file; without one, the agent and `ssh_config` decide.
    pub identity: Option<SshPath>,
    /// Instead of the usual `known_hosts` files.
    pub known_hosts: Option<SshPath>,
}

impl Destination {
    pub fn at(host: SshWord) -> Self {
        Self { host, user: None, port: None, ssh_config: None, identity: None, known_hosts: None }
    }

    /// A host that nobody has configured: nothing is reached there.
    pub fn not_configured(name: &Name) -> Self {
        Self::at(SshWord(format!("{name}.is-not-configured.invalid")))
    }

    /// `user@host`, or the host alone.
    pub fn named(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.to_string(),
        }
    }

    /// The arguments of one call, up to the destination. Whether a connection is shared is its caller's own.
    /// `connect_limit`: for making the connection, in whole seconds.
    pub fn client_arguments(&self, connect_limit: Duration) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(config) = &self.ssh_config {
            arguments.extend(["-F".to_owned(), config.as_path().to_string_lossy().into_owned()]);
        }
        let mut option = |key: &str, value: &str| arguments.extend(["-o".to_owned(), format!("{key}={value}")]);
        for (key, value) in [
            ("BatchMode", "yes"),
            ("StrictHostKeyChecking", "yes"),
            ("ServerAliveInterval", "5"),
            ("ServerAliveCountMax", "3"),
            ("ClearAllForwardings", "yes"),
            ("ForwardAgent", "no"),
            ("ForwardX11", "no"),
            ("PermitLocalCommand", "no"),
            ("RequestTTY", "no"),
            ("LogLevel", "ERROR"),
        ] {
            option(key, value);
        }
        option("ConnectTimeout", &connect_limit.as_secs().max(1).to_string());
        if let Some(known_hosts) = &self.known_hosts {
            option("UserKnownHostsFile", &format!("\"{}\"", without_tokens(known_hosts.as_path())));
        }
        if let Some(identity) = &self.identity {
            option("IdentitiesOnly", "yes");
            arguments.extend(["-i".to_owned(), without_tokens(identity.as_path())]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        arguments
    }
}

/// A path with its percent signs doubled: OpenSSH puts something in the place of a single one.
pub fn without_tokens(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> SshPath {
        PathBuf::from(text).try_into().unwrap()
    }

    #[test]
    fn a_call_asks_nobody_and_takes_paths_as_they_are() {
        let destination = Destination {
            host: "db03".parse().unwrap(),
            user: Some("ana".parse().unwrap()),
            ssh_config: Some(path("/etc/100%/config")),
            identity: Some(path("/keys/100%")),
            known_hosts: Some(path("/my hosts/100%")),
            port: Some(2_222),
        };
        assert_eq!(destination.named(), "ana@db03");
        let line = destination.client_arguments(Duration::from_millis(300)).join(" ");
        for wanted in [
            "-F /etc/100%/config ",
            "-o BatchMode=yes ",
            "-o StrictHostKeyChecking=yes ",
            "-o ConnectTimeout=1 ",
            "-o UserKnownHostsFile=\"/my hosts/100%%\" ",
            "-o IdentitiesOnly=yes -i /keys/100%% ",
        ] {
            assert!(line.contains(wanted), "{wanted} is not in {line}");
        }
        assert!(line.ends_with("-p 2222"), "{line}");
    }

    #[test]
    fn a_host_cannot_be_an_option_and_a_path_means_the_same_to_openssh() {
        for wrong in ["", "-oProxyCommand=x", "a b", "a;b", "$(id)", &"x".repeat(256)] {
            assert!(wrong.parse::<SshWord>().is_err(), "{wrong:?}");
        }
        assert!("fe80::1%eth0".parse::<SshWord>().is_ok());
        for wrong in ["keys/id", "/a\"b", "/a\\b", "/${HOME}/id", "/a\nb"] {
            assert!(SshPath::try_from(PathBuf::from(wrong)).is_err(), "{wrong:?}");
        }
        assert!(Destination::not_configured(&"db03".parse().unwrap()).host.as_str().parse::<SshWord>().is_ok());
    }

    #[test]
    fn a_destination_is_checked_wherever_it_comes_from() {
        let read = |text: &str| serde_json::from_str::<Destination>(text);
        let good = r#"{"host":"db03","user":null,"port":22,"ssh_config":null,"identity":"/k","known_hosts":null}"#;
        let found = read(good).unwrap();
        assert_eq!(serde_json::to_string(&found).unwrap(), good);
        assert!(read(&good.replace("db03", "-oProxyCommand=x")).is_err());
        assert!(read(&good.replace("/k", "k")).is_err());
    }
}
