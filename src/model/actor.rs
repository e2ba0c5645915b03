//! Who asked: the person behind a request, as the engine sees the other end of its socket.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The peer of a request. Nothing in it comes from the peer's own words or environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Actor {
    pub uid: u32,
    /// The user's name on this host, where it has one.
    pub user: Option<String>,
    /// The uid that the person logged in with, whatever was changed to since.
    pub login_uid: Option<u32>,
    /// The uid that called sudo.
    pub sudo_uid: Option<u32>,
    /// The other end of the SSH connection that the peer runs under.
    pub ssh: Option<String>,
    pub pid: u32,
}

/// `ana (uid 1001, login 1001, ssh 192.0.2.7)`.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{} (uid {}", super::untrusted::Untrusted::new(user.as_str()).escaped(), self.uid)?;
        } else {
            write!(f, "(uid {}", self.uid)?;
        }
        if let Some(login) = self.login_uid.filter(|login| *login != self.uid) {
            write!(f, ", login {login}")?;
        }
        if let Some(sudo) = self.sudo_uid {
            write!(f, ", sudo by {sudo}")?;
        }
        if let Some(ssh) = &self.ssh {
            write!(f, ", ssh {}", super::untrusted::Untrusted::new(ssh.as_str()).escaped())?;
        }
        f.write_str(")")
    }
}
