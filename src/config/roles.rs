//! Who may do what, by the users and groups of the host.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;

/// A user or a group, by name or by number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a user or group is a name in quotes, or its number")]
pub enum Member {
    Id(u32),
    Name(String),
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Name(name) => write!(f, "{name:?}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Members {
    #[serde(default)]
    pub users: Vec<Member>,
    #[serde(default)]
    pub groups: Vec<Member>,
}

/// The roles of a site. The engine's own user and root are administrators in any case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles {
    /// `engine.group`: the group whose members reach the engine's socket.
    pub socket_group: Option<Member>,
    pub administrators: Members,
    pub operators: Members,
    pub viewers: Members,
}

/// The roles by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResolvedRoles {
    pub socket_group: Option<u32>,
    pub administrators: ResolvedMembers,
    pub operators: ResolvedMembers,
    pub viewers: ResolvedMembers,
}

/// Who has a role, by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResolvedMembers {
    /// Those named, and those who are in one of the groups as this host's own files say.
    pub users: Vec<u32>,
    /// The groups themselves: of a user from a directory service, the kernel knows the groups and no file does.
    pub groups: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownMember {
    #[error(
        "engine.group names the group {0}, which this host does not have; create it (`groupadd --system {0}`), correct the \
         name, or give the number"
    )]
    SocketGroup(Member),
    #[error("roles.{role} names the user {member}, whom this host does not have; correct the name, or give the number")]
    User { role: &'static str, member: Member },
    #[error(
        "roles.{role} names the group {member}, which this host does not have; correct the name, or give the number"
    )]
    Group { role: &'static str, member: Member },
}

impl Roles {
    /// Looks names up in the texts of passwd and group files. Members of a group are those listed and those whose own it is.
    pub fn resolve(&self, passwd: &str, group: &str) -> Result<ResolvedRoles, UnknownMember> {
        let host = Host { users: entries(passwd), groups: entries(group) };
        let group = |group: &Member| {
            let found = find(&host.groups, group).or(number(group));
            found.ok_or_else(|| UnknownMember::SocketGroup(group.clone()))
        };
        Ok(ResolvedRoles {
            socket_group: self.socket_group.as_ref().map(group).transpose()?,
            administrators: host.resolve("administrators", &self.administrators)?,
            operators: host.resolve("operators", &self.operators)?,
            viewers: host.resolve("viewers", &self.viewers)?,
        })
    }

    /// The same with this host's own files.
    pub fn resolve_here(&self) -> Result<ResolvedRoles, UnknownMember> {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        self.resolve(&read("/etc/passwd"), &read("/etc/group"))
    }
}

/// A line of passwd or group: name, number, and the fourth field, which is the user's own group or the group's members.
struct Entry<'a> {
    name: &'a str,
    id: u32,
    fourth: &'a str,
}

struct Host<'a> {
    users: Vec<Entry<'a>>,
    groups: Vec<Entry<'a>>,
}

fn entries(text: &str) -> Vec<Entry<'_>> {
    let entry = |line| {
        let mut fields = str::split(line, ':');
        let (name, id, fourth) = (fields.next()?, fields.nth(1)?, fields.next()?);
        Some(Entry { name, id: id.parse().ok()?, fourth })
    };
    text.lines().filter_map(entry).collect()
}

impl Host<'_> {
    fn resolve(&self, role: &'static str, members: &Members) -> Result<ResolvedMembers, UnknownMember> {
        let (mut ids, mut groups) = (BTreeSet::new(), BTreeSet::new());
        for member in &members.users {
            let id = find(&self.users, member).or(number(member));
            ids.insert(id.ok_or_else(|| UnknownMember::User { role, member: member.clone() })?);
        }
        for member in &members.groups {
            let group = find(&self.groups, member).or(number(member));
            let group = group.ok_or_else(|| UnknownMember::Group { role, member: member.clone() })?;
            ids.extend(self.users_in(group));
            groups.insert(group);
        }
        Ok(ResolvedMembers { users: ids.into_iter().collect(), groups: groups.into_iter().collect() })
    }

    fn users_in(&self, group: u32) -> impl Iterator<Item = u32> + '_ {
        let listed: BTreeSet<&str> =
            self.groups.iter().filter(|entry| entry.id == group).flat_map(|entry| entry.fourth.split(',')).collect();
        let own = group.to_string();
        self.users.iter().filter(move |user| user.fourth == own || listed.contains(user.name)).map(|user| user.id)
    }
}

fn find(entries: &[Entry<'_>], member: &Member) -> Option<u32> {
    let Member::Name(name) = member else { return None };
    entries.iter().find(|entry| entry.name == name).map(|entry| entry.id)
}

fn number(member: &Member) -> Option<u32> {
    match member {
        Member::Id(id) => Some(*id),
        Member::Name(_) => None,
    }
}
