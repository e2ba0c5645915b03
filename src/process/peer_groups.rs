//! `SO_PEERGROUPS`: the supplementary groups of a socket's peer. No safe wrapper of it is in the libraries used here.

#![allow(unsafe_code, reason = "one getsockopt into a buffer of known length")]

use std::io::{Error, Result};
use std::os::fd::AsRawFd;

/// Groups that the kernel grants a process at most (`NGROUPS_MAX`).
const MAX_GROUPS: usize = 65_536;
/// Enough for nearly everybody.
const USUAL_GROUPS: usize = 64;

/// The supplementary groups that the peer had when it connected.
pub fn of(socket: &impl AsRawFd) -> Result<Vec<u32>> {
    let mut groups = vec![0_u32; USUAL_GROUPS];
    loop {
        let size = size_of::<u32>();
        let mut length = libc::socklen_t::try_from(groups.len() * size).map_err(Error::other)?;
        // SAFETY: `groups` is valid for writes of `length` bytes, and `length` for a write of its own type; the kernel
        // writes at most `length` bytes and keeps neither pointer.
        let outcome = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let count = length as usize / size;
        if outcome == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() || count > MAX_GROUPS {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}
