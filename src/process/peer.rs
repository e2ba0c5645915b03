//! Who is at the other end of a socket: asked of the kernel and of /proc, never of the peer's environment.

use crate::model::actor::Actor;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Processes between a shell and `init` that are looked at; a longer chain is not a login.
const FARTHEST_ANCESTOR: usize = 64;
/// The kernel's word for "nobody logged in".
const NO_LOGIN: u32 = u32::MAX;

/// The groups of the peer, as the kernel knew them when it connected: its own one and the supplementary ones.
pub fn groups(stream: &tokio::net::UnixStream) -> std::io::Result<Vec<u32>> {
    let mut groups = super::peer_groups::of(stream)?;
    groups.push(stream.peer_cred()?.gid());
    Ok(groups)
}

/// A server process, and the command that ends it: for whoever meets one of another release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HowToEnd {
    pub pid: u32,
    /// In backquotes, with who may give it where that is not everybody who reads it.
    pub command: String,
}

impl fmt::Display for HowToEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.command)
    }
}

impl HowToEnd {
    /// The process at the other end of a socket. `restarts`: a service manager that runs it ends it by restarting its unit.
    pub fn peer(stream: &tokio::net::UnixStream, restarts: bool) -> Option<Self> {
        let credentials = stream.peer_cred().ok()?;
        let pid = u32::try_from(credentials.pid()?).ok()?;
        Some(Self::of(pid, credentials.uid(), restarts))
    }

    fn of(pid: u32, owner: u32, restarts: bool) -> Self {
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let ours = rustix::process::geteuid().as_raw();
        let (command, may) = match service_unit(&groups).filter(|_| restarts) {
            Some(unit) => (format!("`systemctl restart {unit}`"), ours == 0),
            None => (format!("`kill {pid}`"), ours == 0 || ours == owner),
        };
        if may {
            return Self { pid, command };
        }
        let owner = match (restarts && command.contains("systemctl"), user_name(owner)) {
            (true, _) => "root".to_owned(),
            (false, Some(name)) => format!("{} or root", crate::model::untrusted::escaped(&name)),
            (false, None) => format!("uid {owner} or root"),
        };
        Self { pid, command: format!("{command} (only {owner} may do that)") }
    }
}

/// The unit of the system's service manager that a process belongs to, from the text of /proc/PID/cgroup.
fn service_unit(groups: &str) -> Option<&str> {
    let path = groups.lines().find_map(|line| line.split_once("/system.slice/").map(|(_, path)| path))?;
    let unit = path.split('/').next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    (unit.ends_with(".service") && unit.bytes().all(plain)).then_some(unit)
}

/// The peer of a connection.
pub fn of(stream: &tokio::net::UnixStream) -> std::io::Result<Actor> {
    let credentials = stream.peer_cred()?;
    let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
    Ok(describe(credentials.uid(), pid))
}

/// This process itself.
pub fn ourselves() -> Actor {
    describe(rustix::process::getuid().as_raw(), std::process::id())
}

fn describe(uid: u32, pid: u32) -> Actor {
    let ancestors = ancestors(pid);
    Actor {
        uid,
        user: user_name(uid),
        login_uid: login_uid(pid),
        sudo_uid: sudo_uid(&ancestors),
        ssh: ssh_address(&ancestors),
        pid,
    }
}

/// The name of a uid in the host's user table.
pub fn user_name(uid: u32) -> Option<String> {
    let table = std::fs::read_to_string("/etc/passwd").ok()?;
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>().ok()? == uid).then(|| name.to_owned())
    })
}

/// The name of a group in the host's group table.
pub fn group_name(gid: u32) -> Option<String> {
    let table = std::fs::read_to_string("/etc/group").ok()?;
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>().ok()? == gid).then(|| name.to_owned())
    })
}

/// One process as /proc tells it.
#[derive(Debug, Clone)]
struct Process {
    pid: u32,
    command: String,
    parent: u32,
    real_uid: u32,
    effective_uid: u32,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let mut uids = field("Uid:")?.split_ascii_whitespace().map(str::parse);
        Some(Self {
            pid,
            command: field("Name:")?.to_owned(),
            parent: field("PPid:")?.parse().ok()?,
            real_uid: uids.next()?.ok()?,
            effective_uid: uids.next()?.ok()?,
        })
    }
}

/// The process and its parents, nearest first.
fn ancestors(pid: u32) -> Vec<Process> {
    let mut chain = Vec::new();
    let mut next = pid;
    while next > 0 && chain.len() < FARTHEST_ANCESTOR {
        let Some(process) = Process::read(next) else { break };
        next = process.parent;
        chain.push(process);
    }
    chain
}

fn login_uid(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?;
    text.trim().parse().ok().filter(|uid| *uid != NO_LOGIN)
}

/// The uid that called `sudo`. Anybody can call a program sudo: only one that runs as root is believed.
fn sudo_uid(ancestors: &[Process]) -> Option<u32> {
    let sudo = ancestors.iter().position(|process| process.command == "sudo" && process.effective_uid == 0)?;
    // Newer versions put a second sudo between the terminal and the command.
    ancestors[sudo..].iter().find(|process| process.command != "sudo").map(|caller| caller.real_uid)
}

/// Where the SSH connection comes from. Believed only when the chain has a server process that runs as root.
fn ssh_address(ancestors: &[Process]) -> Option<String> {
    let is_server = |process: &&Process| process.command == "sshd" || process.command.starts_with("sshd-");
    let servers: Vec<&Process> = ancestors.iter().filter(is_server).collect();
    let trusted = servers.iter().position(|process| process.effective_uid == 0)?;
    let address = servers[..=trusted].iter().rev().find_map(|process| remote_address(process.pid));
    Some(address.map_or_else(|| "address not readable".to_owned(), |address| address.to_string()))
}

/// The far end of a process's established TCP connection.
fn remote_address(pid: u32) -> Option<IpAddr> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let inodes: Vec<String> = descriptors.flatten().filter_map(|entry| socket_inode(&entry.path())).collect();
    ["tcp", "tcp6"].into_iter().find_map(|table| {
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok()?;
        table.lines().skip(1).find_map(|row| connection_of(row, &inodes))
    })
}

fn socket_inode(descriptor: &Path) -> Option<String> {
    let link = std::fs::read_link(descriptor).ok()?;
    Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
}

/// The remote address of a row of /proc/net/tcp that is established and has one of the inodes.
fn connection_of(row: &str, inodes: &[String]) -> Option<IpAddr> {
    const ESTABLISHED: &str = "01";
    let fields: Vec<&str> = row.split_ascii_whitespace().collect();
    let (remote, state, inode) = (fields.get(2)?, fields.get(3)?, fields.get(9)?);
    if *state != ESTABLISHED || !inodes.iter().any(|known| known == inode) {
        return None;
    }
    parse_address(remote.split(':').next()?)
}

/// The kernel prints addresses as 32-bit words in the host's byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let words: Vec<u32> = (0..hex.len() / 8)
        .map(|word| u32::from_str_radix(hex.get(word * 8..word * 8 + 8)?, 16).ok())
        .collect::<Option<_>>()?;
    match words[..] {
        [word] => Some(IpAddr::V4(Ipv4Addr::from(word.to_ne_bytes()))),
        [a, b, c, d] => {
            let mut bytes = [0; 16];
            for (slot, word) in bytes.chunks_exact_mut(4).zip([a, b, c, d]) {
                slot.copy_from_slice(&word.to_ne_bytes());
            }
            let address = Ipv6Addr::from(bytes);
            Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(command: &str, real_uid: u32, effective_uid: u32) -> Process {
        Process { pid: u32::MAX, command: command.into(), parent: 0, real_uid, effective_uid }
    }

    #[test]
    fn the_caller_of_sudo_is_the_parent_of_a_root_sudo() {
        let chain =
            [process("ecdeck", 0, 0), process("sudo", 0, 0), process("sudo", 0, 0), process("bash", 1001, 1001)];
        assert_eq!(sudo_uid(&chain), Some(1001));
    }

    #[test]
    fn a_program_that_only_calls_itself_sudo_or_sshd_is_not_believed() {
        let chain = [process("ecdeck", 1001, 1001), process("sudo", 1001, 1001), process("sshd", 1001, 1001)];
        assert_eq!(sudo_uid(&chain), None);
        assert_eq!(ssh_address(&chain), None);
    }

    #[test]
    fn an_established_connection_gives_its_far_address() {
        let word = u32::from_ne_bytes([192, 0, 2, 7]);
        let row = format!("0: 0100007F:0016 {word:08X}:D431 01 00000000:00000000 02:0 00000000 0 0 4242 2 0");
        assert_eq!(connection_of(&row, &["4242".into()]), Some("192.0.2.7".parse().unwrap()));
        assert_eq!(connection_of(&row, &["4243".into()]), None);
    }

    #[test]
    fn a_service_is_ended_by_its_unit_and_a_process_by_its_number() {
        assert_eq!(service_unit("0::/system.slice/ecdeck.service\n"), Some("ecdeck.service"));
        assert_eq!(service_unit("0::/user.slice/user-1000.slice/session-3.scope\n"), None);
        assert_eq!(service_unit("0::/system.slice/ssh.service; rm x.service\n"), None);
        let ours = rustix::process::geteuid().as_raw();
        assert_eq!(HowToEnd::of(u32::MAX, ours, true).command, format!("`kill {}`", u32::MAX));
        let foreign = HowToEnd::of(u32::MAX, 4_242, false).command;
        assert_eq!(foreign.contains("only uid 4242 or root may do that"), ours != 0, "{foreign}");
    }

    #[tokio::test]
    async fn the_groups_of_our_own_socket_are_ours() {
        let (near, _far) = tokio::net::UnixStream::pair().unwrap();
        let mut found = groups(&near).unwrap();
        let mut ours: Vec<u32> = rustix::process::getgroups().unwrap().iter().map(|group| group.as_raw()).collect();
        ours.push(rustix::process::getegid().as_raw());
        for list in [&mut found, &mut ours] {
            list.sort_unstable();
            list.dedup();
        }
        assert_eq!(found, ours);
    }

    #[tokio::test]
    async fn the_peer_of_our_own_socket_is_this_process() {
        let (near, _far) = tokio::net::UnixStream::pair().unwrap();
        let actor = of(&near).unwrap();
        assert_eq!(actor.uid, rustix::process::getuid().as_raw());
        assert_eq!(actor.pid, std::process::id());
        assert_eq!(actor.pid, ourselves().pid);
    }
}
