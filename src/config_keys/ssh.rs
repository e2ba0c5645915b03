//! The keys of a machine that is reached by the OpenSSH client. They stand beside others in one table.

use super::{Fault, checked};
use crate::process::ssh::{Destination, SshPath};
use std::path::PathBuf;
use toml::Spanned;

/// The keys as a table has them.
#[derive(Debug, Clone, Copy)]
pub struct SshKeys<'a> {
    pub host: Option<&'a Spanned<String>>,
    pub user: Option<&'a Spanned<String>>,
    pub port: Option<&'a Spanned<u16>>,
    pub ssh_config: Option<&'a Spanned<PathBuf>>,
    pub identity: Option<&'a Spanned<PathBuf>>,
    pub known_hosts: Option<&'a Spanned<PathBuf>>,
}

impl SshKeys<'_> {
    /// `None`: this machine.
    pub fn destination(&self) -> Result<Option<Destination>, Fault> {
        let Some(host) = self.host else {
            let needless = [
                self.user.map(Spanned::span),
                self.port.map(Spanned::span),
                self.ssh_config.map(Spanned::span),
                self.identity.map(Spanned::span),
                self.known_hosts.map(Spanned::span),
            ];
            return match needless.into_iter().flatten().next() {
                Some(span) => Err(Fault::at(&Spanned::new(span, ()), "this is for another machine: name its host")),
                None => Ok(None),
            };
        };
        Ok(Some(Destination {
            host: checked(host)?,
            user: self.user.map(checked).transpose()?,
            port: self.port.map(|port| *port.get_ref()),
            ssh_config: self.ssh_config.map(path).transpose()?,
            identity: self.identity.map(path).transpose()?,
            known_hosts: self.known_hosts.map(path).transpose()?,
        }))
    }
}

fn path(written: &Spanned<PathBuf>) -> Result<SshPath, Fault> {
    written.get_ref().clone().try_into().map_err(|why| Fault::at(written, format!("{why}")))
}
