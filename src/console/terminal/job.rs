//! Stopping for the shell: Ctrl-Z, and whether there is a shell that could bring us back.

use rustix::process::Signal;

/// Stops the whole job, as a shell expects it; returns when it goes on.
pub fn stop() {
    let _ = rustix::process::kill_current_process_group(Signal::STOP);
}

/// Whether a shell with job control waits for this job. Without one (`ssh host -t ecdeck`) nobody could continue it: the
/// kernel calls such a group orphaned.
pub fn has_shell() -> bool {
    let read = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|text| Place::of(&text));
    let Some(own) = i32::try_from(std::process::id()).ok().and_then(read) else { return false };
    let parent = read(own.group).and_then(|leader| read(leader.parent));
    parent.is_some_and(|parent| own.is_awaited_by(&parent))
}

/// Where a process stands among the others. A number is 0 where that process is outside of this PID namespace.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    parent: i32,
    group: i32,
    session: i32,
}

impl Place {
    /// From the fields of `/proc/PID/stat` that follow the command's name in parentheses, which may contain any of them.
    fn of(stat: &str) -> Option<Self> {
        let (_, after) = stat.rsplit_once(')')?;
        let mut numbers = after.split_whitespace().skip(1).map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { parent: next()?, group: next()?, session: next()? })
    }

    /// Whether the parent of the job's leader is of its session and not of the job: what a shell is. A session that cannot be
    /// seen may be any: not to stop where one could is a nuisance, to stop where nobody continues is a loss.
    fn is_awaited_by(&self, parent: &Self) -> bool {
        self.session > 0 && parent.session == self.session && parent.group != self.group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(stat: &str) -> Place {
        Place::of(stat).expect("a line of /proc/PID/stat")
    }

    #[test]
    fn a_command_s_name_may_look_like_the_fields_behind_it() {
        let odd = place("77 (a) S 1 2 3 (b) R 41 42 43 34816 77 4194304");
        assert_eq!(odd, Place { parent: 41, group: 42, session: 43 });
        for torn in ["", "77 (ecdeck", "77 (ecdeck) S", "77 (ecdeck) S 41 42", "77 (ecdeck) S 41 42 x"] {
            assert_eq!(Place::of(torn), None, "{torn}");
        }
    }

    #[test]
    fn only_a_parent_of_the_same_session_and_another_job_is_a_shell() {
        let job = place("50 (ecdeck) S 40 50 40 0");
        assert!(job.is_awaited_by(&place("40 (bash) S 1 40 40 0")));
        assert!(!job.is_awaited_by(&place("40 (script) S 1 50 40 0")), "of the job itself");
        assert!(!job.is_awaited_by(&place("40 (sshd) S 1 40 39 0")), "of another session");
        assert!(!job.is_awaited_by(&place("40 (cargo) S 1 40 0 0")), "of a session outside of this namespace");
        let outside = place("50 (ecdeck) S 40 50 0 0");
        assert!(!outside.is_awaited_by(&place("40 (bash) S 1 40 0 0")), "both outside, perhaps of two sessions");
    }
}
