//! Running a host's own tools, on this machine or over ssh, all at once and each within its limits.

use super::assemble::{AllPrinted, kernel_groups, report};
use super::{Printed, ReportsItself, device_mapper, lsblk, lvm, mounts};
use crate::host::script::{client, quoted};
use crate::model::host_report::KernelGroups;
use crate::model::host_report::{HostReport, Wwid};
use crate::model::untrusted::Untrusted;
use crate::process::child::{self, ChildError, Ended};
use crate::process::ssh::Destination;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::process::Command;

/// For one tool. LVM reads every disk; one that does not answer must not hold the rest up.
const TOOL_LIMIT: Duration = Duration::from_secs(20);
/// For ending a tool on the other machine, and for the line to it.
const GRACE: Duration = Duration::from_secs(10);
/// The longest that a whole reading takes.
pub const MAX_READ: Duration = TOOL_LIMIT.saturating_add(GRACE).saturating_add(GRACE);
/// Where the tools are found, behind what this process's own PATH has.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// What ssh ends with when it failed itself, and what a shell ends with when there is no such program.
const CLIENT_FAILED: i32 = 255;
const NOT_FOUND: i32 = 127;
/// What LVM prints when another command holds a lock, how often it is then run, and the time in between.
const LOCKED: &str = "flock failed";
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(200);
/// What LVM prints for another user than root. Some of its releases report nothing then, and call it a success.
const NOT_ROOT: &str = "Running as a non-root user";

/// A host that is asked by its own tools.
#[derive(Debug, Clone)]
pub struct HostTools {
    /// `None`: this machine.
    pub ssh: Option<Destination>,
    /// `lvm` and `dmsetup` run as root, by `sudo -n`.
    pub sudo: bool,
    /// Devices that report no WWID, and the identity that the configuration gives them.
    pub wwids: BTreeMap<String, Wwid>,
}

impl ReportsItself for HostTools {
    fn report(&self) -> BoxFuture<'_, HostReport> {
        Box::pin(async move {
            let (groups, duplicates) = (lvm::groups_line(), lvm::duplicates_line());
            // One after the other: two commands of LVM disturb each other's locks, even if both only read.
            let lvm = async { (self.run(&groups, true, None).await, self.run(&duplicates, true, None).await) };
            let (lsblk, (groups, duplicates), (device_mapper, kernel_devices), mounts) = tokio::join!(
                self.run(&lsblk::ARGUMENTS, false, None),
                lvm,
                self.device_mapper(),
                self.run(&mounts::ARGUMENTS, false, None),
            );
            let mut report = report(&AllPrinted { lsblk, groups, duplicates, device_mapper, mounts, kernel_devices });
            name_disks(&mut report, &self.wwids);
            report
        })
    }

    fn kernel_groups(&self) -> BoxFuture<'_, KernelGroups> {
        Box::pin(async move {
            let (device_mapper, kernel_devices) = self.device_mapper().await;
            kernel_groups(&device_mapper, kernel_devices.as_ref())
        })
    }

    fn call(&self, words: Vec<String>, as_root: bool, input: Option<Vec<u8>>) -> BoxFuture<'_, Printed> {
        Box::pin(async move {
            let line: Vec<&str> = words.iter().map(String::as_str).collect();
            self.run(&line, as_root, input.as_deref()).await
        })
    }

    fn is_here(&self) -> bool {
        self.ssh.is_none()
    }

    fn place(&self) -> String {
        self.ssh.as_ref().map_or_else(|| "this machine".to_owned(), Destination::named)
    }
}

/// What a disk reports itself is never replaced: it is the better identity, or the configuration is of another disk.
fn name_disks(report: &mut HostReport, wwids: &BTreeMap<String, Wwid>) {
    for disk in report.disks.iter_mut().flatten().filter(|disk| disk.wwid.is_none()) {
        disk.wwid = wwids.get(disk.device.raw()).cloned();
    }
}

impl HostTools {
    /// What the kernel maps; where that cannot be read, whether the kernel could map anything.
    async fn device_mapper(&self) -> (Printed, Option<Printed>) {
        let printed = self.run(&device_mapper::ARGUMENTS, true, None).await;
        let devices = match &printed {
            Ok(_) => None,
            Err(_) => Some(self.run(&["cat", "/proc/devices"], false, None).await),
        };
        (printed, devices)
    }

    /// `as_root`: the tool reads disks or the kernel's device-mapper.
    ///
    /// Somebody else's lock is tried again for a moment: LVM itself does not wait for it.
    async fn run(&self, tool: &[&str], as_root: bool, input: Option<&[u8]>) -> Printed {
        for _ in 1..LOCK_ATTEMPTS {
            match self.run_once(tool, as_root, input).await {
                Err(why) if why.contains(LOCKED) => tokio::time::sleep(LOCK_PAUSE).await,
                printed => return printed,
            }
        }
        self.run_once(tool, as_root, input).await
    }

    async fn run_once(&self, tool: &[&str], as_root: bool, input: Option<&[u8]>) -> Printed {
        let line = self.command_line(tool, as_root && self.sudo);
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).current_dir("/");
        if self.ssh.is_none() {
            let own = std::env::var("PATH").unwrap_or_default();
            command.env("PATH", format!("{own}:{PATH}").trim_start_matches(':'));
            command.env("LC_ALL", "C").env("LANG", "C").env("LVM_SUPPRESS_FD_WARNINGS", "1");
        }
        let name = tool.first().copied().unwrap_or_default();
        let ended = child::run(command, input, TOOL_LIMIT + GRACE).await;
        self.printed(name, ended)
    }

    /// The words of one call, as they are executed.
    fn command_line(&self, tool: &[&str], sudo: bool) -> Vec<String> {
        let mut words = Vec::new();
        let Some(ssh) = &self.ssh else {
            words.extend(sudo.then_some(["sudo", "-n"]).into_iter().flatten().map(str::to_owned));
            words.extend(tool.iter().map(|word| (*word).to_owned()));
            return words;
        };
        words.extend(client(ssh));
        let path = format!("PATH={PATH}");
        let limit = TOOL_LIMIT.as_secs().to_string();
        // The client's end does not end what it started: the other machine keeps the limit itself.
        let mut remote =
            vec!["env", &path, "LC_ALL=C", "LANG=C", "LVM_SUPPRESS_FD_WARNINGS=1", "timeout", "-k", "5", &limit];
        remote.extend(sudo.then_some(["sudo", "-n"]).into_iter().flatten());
        remote.extend(tool);
        words.extend(remote.into_iter().map(quoted));
        words
    }

    fn printed(&self, tool: &str, ended: Result<Ended, ChildError>) -> Printed {
        let place = self.ssh.as_ref().map_or_else(|| "on this machine".to_owned(), |ssh| format!("on {}", ssh.named()));
        let ended = match ended {
            Ok(ended) => ended,
            Err(ChildError::NotStarted(why)) => {
                let program = if self.ssh.is_some() { "ssh" } else { tool };
                return Err(format!("{program} cannot be started {place}: {why}; install it"));
            }
            Err(why) => return Err(format!("{tool} {place}: {why}")),
        };
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        let told = || {
            let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
            let locked = lines().find(|line| line.contains(LOCKED));
            let line = locked.or_else(|| lines().next()).unwrap_or("it says nothing");
            Untrusted::from(line).escaped()
        };
        match ended.exit {
            _ if said.contains(NOT_ROOT) => Err(format!(
                "{tool} {place} does not run as root: set `sudo = true` for the host, and allow it in sudoers"
            )),
            0 => Ok(ended.stdout),
            CLIENT_FAILED if self.ssh.is_some() => Err(format!("no connection {place}: {}", told())),
            NOT_FOUND => Err(format!("there is no {tool} {place}: {}; install it", told())),
            exit if said.contains("sudo:") => Err(format!(
                "sudo {place} ended with {exit}: {}; allow `{tool}` in sudoers, without a password",
                told()
            )),
            exit => Err(format!("{tool} {place} ended with {exit}: {}", told())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_ssh_every_word_is_quoted_and_only_what_reads_disks_runs_by_sudo() {
        let there =
            HostTools { ssh: Some(Destination::at("db03".parse().unwrap())), sudo: true, wwids: BTreeMap::new() };
        let line = there.command_line(&lvm::duplicates_line(), true);
        let at = line.iter().position(|word| word == "--").unwrap();
        assert_eq!(line[at + 1], "db03");
        let remote = line[at + 2..].join(" ");
        assert!(remote.starts_with("'env' 'PATH=/usr/sbin:"), "{remote}");
        assert!(remote.contains("'timeout' '-k' '5' '20' 'sudo' '-n' 'lvm' 'pvs' '-a' '--config' "), "{remote}");
        let here = HostTools { ssh: None, sudo: true, wwids: BTreeMap::new() };
        assert_eq!(here.command_line(&lsblk::ARGUMENTS, false)[0], "lsblk");
        assert_eq!(here.command_line(&device_mapper::ARGUMENTS, true)[..3], ["sudo", "-n", "dmsetup"]);
    }

    #[test]
    fn a_tool_that_failed_is_no_empty_report() {
        let tools = HostTools { ssh: None, sudo: false, wwids: BTreeMap::new() };
        let ended = |exit, stderr: &str| Ok(Ended { exit, stdout: b"{}".to_vec(), stderr: stderr.as_bytes().to_vec() });
        for (ended, part) in [
            (ended(5, "\n  Volume group \"x\" not found\u{1b}[2J\n"), r"ended with 5: Volume group "),
            (ended(0, "  WARNING: Running as a non-root user. Functionality may be unavailable."), "sudo = true"),
            (ended(1, "sudo: a password is required"), "allow `lvm` in sudoers"),
            (ended(127, ""), "there is no lvm on this machine"),
            (Err(ChildError::TooLong { limit: TOOL_LIMIT }), "had not ended after 20 s"),
            (Err(ChildError::TooMuch), "more than 16 MiB"),
        ] {
            let why = tools.printed("lvm", ended).unwrap_err();
            assert!(why.contains(part) && !why.contains('\u{1b}'), "{part}: {why}");
        }
        let told = "Failure to communicate with kernel device-mapper driver.";
        assert_eq!(tools.printed("lvm", ended(0, told)).unwrap(), b"{}");
    }
}
