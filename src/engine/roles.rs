//! Who may do what: by the peer's uid, checked in the engine.

use crate::model::actor::Actor;
use crate::model::codes::Code;
use crate::model::plan::Refusal;
use crate::model::verb::{Role, Verb};

/// The roles of a site. The user that the engine runs as, and root, are administrators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    owner: u32,
    pub administrators: Vec<u32>,
    pub operators: Vec<u32>,
    pub viewers: Vec<u32>,
}

impl Default for Roles {
    fn default() -> Self {
        let owner = rustix::process::geteuid().as_raw();
        Self { owner, administrators: Vec::new(), operators: Vec::new(), viewers: Vec::new() }
    }
}

impl Roles {
    pub fn role(&self, actor: &Actor) -> Option<Role> {
        let uid = actor.uid;
        if uid == 0 || uid == self.owner || self.administrators.contains(&uid) {
            Some(Role::Administrator)
        } else if self.operators.contains(&uid) {
            Some(Role::Operator)
        } else {
            self.viewers.contains(&uid).then_some(Role::Viewer)
        }
    }

    /// Whether somebody may ask for a verb.
    pub fn check(&self, actor: &Actor, verb: Verb) -> Result<(), Refusal> {
        let needed = verb.info().role;
        if self.role(actor).is_some_and(|role| role >= needed) {
            return Ok(());
        }
        let reason = format!("{verb} needs the role of {}, which {actor} has not", needed.with_article());
        Err(Refusal::new(Code::NOT_AUTHORISED, reason))
    }

    /// Whether somebody may see the site at all.
    pub fn admits(&self, actor: &Actor) -> bool {
        self.role(actor).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(uid: u32) -> Actor {
        Actor { uid, ..Actor::default() }
    }

    #[test]
    fn each_role_may_do_what_the_one_below_may_and_more() {
        let roles = Roles { owner: 900, administrators: vec![1], operators: vec![2], viewers: vec![3] };
        for (uid, start, policy) in
            [(0, true, true), (900, true, true), (1, true, true), (2, true, false), (3, false, false)]
        {
            assert_eq!(roles.check(&actor(uid), Verb::Start).is_ok(), start, "{uid}");
            assert_eq!(roles.check(&actor(uid), Verb::SetPolicy).is_ok(), policy, "{uid}");
            assert!(roles.admits(&actor(uid)));
        }
        assert!(!roles.admits(&actor(4)));
        assert_eq!(roles.check(&actor(4), Verb::Backup).unwrap_err().code, Code::NOT_AUTHORISED);
    }
}
