//! Stopping for the shell: Ctrl-Z, and whether there is a shell that could bring us back.

use rustix::process::{Pid, Signal};

/// Stops the whole job, as a shell expects it; returns when it goes on.
pub fn stop() {
    let _ = rustix::process::kill_current_process_group(Signal::STOP);
}

/// Whether a shell with job control waits for this job. Without one (`ssh host -t ecdeck`) nobody could continue it: the
/// kernel calls such a group orphaned.
pub fn has_shell() -> bool {
    let group = rustix::process::getpgrp();
    let Some(parent) = parent_of(group) else { return false };
    let session = |pid| rustix::process::getsid(Some(pid)).ok();
    let same_session = session(parent).is_some() && session(parent) == rustix::process::getsid(None).ok();
    same_session && rustix::process::getpgid(Some(parent)).is_ok_and(|other| other != group)
}

/// From the fourth field of `/proc/PID/stat`, which follows the command's name in parentheses.
fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    Pid::from_raw(after.split_whitespace().nth(1)?.parse().ok()?)
}
