//! Who may do what: by the peer's user and groups, checked in the engine.

use super::protocol::Answer;
use crate::model::actor::Actor;
use crate::model::codes::Code;
use crate::model::plan::Refusal;
use crate::model::verb::{Role, Verb};

/// Who asks, and what that person may do here.
#[derive(Debug, Clone)]
pub struct Caller {
    pub actor: Actor,
    /// `None`: nothing at all.
    pub role: Option<Role>,
}

impl Caller {
    /// Whether the caller may ask for a verb.
    pub fn check(&self, verb: Verb) -> Result<(), Refusal> {
        self.needs(verb.info().role, &verb.to_string())
    }

    /// Whether the caller has at least this role. `what`: what it is needed for, as the beginning of a sentence.
    pub fn needs(&self, needed: Role, what: &str) -> Result<(), Refusal> {
        if self.role.is_some_and(|role| role >= needed) {
            return Ok(());
        }
        let has = self.role.map_or("no role", Role::with_article);
        let is = if self.role.is_some() { "is" } else { "has" };
        let reason =
            format!("{what} needs the role of {}; {} {is} {has} on this site", needed.with_article(), self.actor);
        Err(Refusal::new(Code::NOT_AUTHORISED, reason))
    }

    /// Takes the ways on out of an answer that this caller may not take, and says so.
    pub fn only_permitted(&self, answer: &mut Answer) {
        match answer {
            Answer::Refused { refusal } => self.permitted_ways(refusal),
            Answer::Planned(planned) | Answer::PlanChanged(planned) => {
                planned.plan.refused_mut().iter_mut().for_each(|refusal| self.permitted_ways(refusal));
            }
            Answer::Running { refused, .. } | Answer::AlreadySo { refused } => {
                for refusal in refused {
                    self.permitted_ways(refusal);
                }
            }
            _ => {}
        }
    }

    fn permitted_ways(&self, refusal: &mut Refusal) {
        let before = refusal.remedies.len();
        refusal.remedies.retain(|remedy| self.check(remedy.request.action.verb()).is_ok());
        if refusal.remedies.len() < before {
            refusal.reason =
                format!("{}; other ways on need a higher role: ask for them", refusal.reason.trim_end_matches('.'));
        }
        refusal.also.iter_mut().for_each(|also| self.permitted_ways(also));
    }
}

/// The roles of a site. The user that the engine runs as, and root, are administrators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    owner: u32,
    /// The group whose members reach the engine's socket; `None`: the engine's user and root only.
    pub socket_group: Option<u32>,
    pub administrators: Members,
    pub operators: Members,
    pub viewers: Members,
}

/// Who has a role, by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    pub users: Vec<u32>,
    /// Whoever is in one of these groups, as the kernel knows the peer.
    pub groups: Vec<u32>,
}

impl Members {
    fn has(&self, uid: u32, groups: &[u32]) -> bool {
        self.users.contains(&uid) || self.groups.iter().any(|group| groups.contains(group))
    }
}

impl Default for Roles {
    fn default() -> Self {
        let owner = rustix::process::geteuid().as_raw();
        let nobody = Members::default;
        Self { owner, socket_group: None, administrators: nobody(), operators: nobody(), viewers: nobody() }
    }
}

impl Roles {
    /// The highest role of a user with these groups.
    pub fn of(&self, uid: u32, groups: &[u32]) -> Option<Role> {
        if uid == 0 || uid == self.owner || self.administrators.has(uid, groups) {
            Some(Role::Administrator)
        } else if self.operators.has(uid, groups) {
            Some(Role::Operator)
        } else {
            self.viewers.has(uid, groups).then_some(Role::Viewer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::VolumeId;
    use crate::model::plan::Remedy;
    use crate::model::request::Action;

    fn members(users: &[u32], groups: &[u32]) -> Members {
        Members { users: users.to_vec(), groups: groups.to_vec() }
    }

    fn roles() -> Roles {
        Roles {
            owner: 900,
            socket_group: None,
            administrators: members(&[1], &[]),
            operators: members(&[2], &[34]),
            viewers: members(&[3], &[35]),
        }
    }

    fn caller(uid: u32, groups: &[u32]) -> Caller {
        Caller { actor: Actor { uid, ..Actor::default() }, role: roles().of(uid, groups) }
    }

    #[test]
    fn each_role_may_do_what_the_one_below_may_and_more() {
        for (uid, start, policy) in
            [(0, true, true), (900, true, true), (1, true, true), (2, true, false), (3, false, false)]
        {
            assert_eq!(caller(uid, &[]).check(Verb::Start).is_ok(), start, "{uid}");
            assert_eq!(caller(uid, &[]).check(Verb::SetPolicy).is_ok(), policy, "{uid}");
            assert!(caller(uid, &[]).role.is_some());
        }
        assert_eq!(caller(4, &[]).role, None);
        assert_eq!(caller(4, &[]).check(Verb::Backup).unwrap_err().code, Code::NOT_AUTHORISED);
    }

    #[test]
    fn a_group_of_the_peer_gives_its_role_and_the_highest_one_counts() {
        assert_eq!(caller(4, &[100, 34]).role, Some(Role::Operator));
        assert_eq!(caller(4, &[35]).role, Some(Role::Viewer));
        assert_eq!(caller(3, &[34, 35]).role, Some(Role::Operator));
        assert_eq!(caller(4, &[36]).role, None);
    }

    #[test]
    fn a_refusal_offers_only_what_the_asker_may_do() {
        let box_id = "00ETERNUSDXMS3ET203ACU####LN4613456078##".parse().unwrap();
        let volume = VolumeId { box_id, olu: crate::model::identity::Olu(1) };
        let answer = || {
            let refusal = Refusal::new(Code::NO_BACKUP_VOLUME, "no backup volume can be used")
                .with_remedy(Remedy::new("take it out", Action::Unregister { volume }))
                .with_remedy(Remedy::new("suspend it", Action::Suspend { volumes: vec![volume], target: None }));
            Answer::Refused { refusal }
        };
        let offered = |uid| {
            let mut answer = answer();
            caller(uid, &[]).only_permitted(&mut answer);
            let Answer::Refused { refusal } = answer else { panic!() };
            (refusal.remedies.len(), refusal.reason.contains("need a higher role"))
        };
        assert_eq!(offered(1), (2, false));
        assert_eq!(offered(2), (1, true));
        assert_eq!(offered(3), (0, true));
    }
}
