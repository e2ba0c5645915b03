//! What every call of the system's OpenSSH client is told: it asks nobody for anything, an unknown or changed host key ends it,
//! a dead line is noticed, nothing is forwarded. What else it uses is the operator's own configuration.

use std::path::Path;
use std::time::Duration;

/// One call, up to the destination. Whether a connection is shared is its caller's own.
#[derive(Debug, Clone, Copy)]
pub struct ClientCall<'a> {
    /// Instead of `~/.ssh/config`.
    pub ssh_config: Option<&'a Path>,
    /// A private key file; without one, the agent and `ssh_config` decide.
    pub identity: Option<&'a Path>,
    /// Instead of the usual `known_hosts` files.
    pub known_hosts: Option<&'a Path>,
    pub port: Option<u16>,
    /// For making the connection, in whole seconds.
    pub connect_limit: Duration,
}

impl ClientCall<'_> {
    /// The arguments. Paths are UTF-8 by now: both who calls this and OpenSSH need them so.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(config) = self.ssh_config {
            arguments.extend(["-F".to_owned(), config.to_string_lossy().into_owned()]);
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
        option("ConnectTimeout", &self.connect_limit.as_secs().max(1).to_string());
        if let Some(known_hosts) = self.known_hosts {
            option("UserKnownHostsFile", &format!("\"{}\"", without_tokens(known_hosts)));
        }
        if let Some(identity) = self.identity {
            option("IdentitiesOnly", "yes");
            arguments.extend(["-i".to_owned(), without_tokens(identity)]);
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

    #[test]
    fn a_call_asks_nobody_and_takes_paths_as_they_are() {
        let call = ClientCall {
            ssh_config: Some(Path::new("/etc/100%/config")),
            identity: Some(Path::new("/keys/100%")),
            known_hosts: Some(Path::new("/my hosts/100%")),
            port: Some(2_222),
            connect_limit: Duration::from_millis(300),
        };
        let line = call.arguments().join(" ");
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
}
