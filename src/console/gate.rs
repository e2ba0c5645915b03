//! What is known of the plan on top: whether its end has been on the screen, and for how long.
//!
//! The gate opens for a plan when the **end** of it has been on the screen, at the present size, for a moment. It shuts when
//! another plan, other lines or another size come. `update/gate` moves it, and nothing else does.

use super::dialog::plan::{self, PlanDialog, Stage};
use super::dialog::rows;
use super::screens::main::layout::is_too_small;
use crate::model::plan::Digest;

/// What an agreement is to. All of it must be as it was when it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The dialog, and which plan in it.
    dialog: u64,
    revision: u32,
    digest: Digest,
    lines: usize,
    size: (u16, u16),
}

/// How far the plan on top is from being agreed to.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    pub state: GateState,
    /// The last rest's number.
    pub number: u64,
}

#[derive(Debug, Clone, Default)]
pub enum GateState {
    #[default]
    Shut,
    /// Its end has been shown, just now.
    Resting(Shown),
    Open(Shown),
}

/// What the dialog's button says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Its end has not been shown: the last line that is, and how many there are.
    Unseen {
        last: usize,
        of: usize,
    },
    Resting,
    Open,
}

impl Gate {
    /// A rest that has begun and not ended: whoever has a clock says when it is over, by this number.
    pub fn resting(&self) -> Option<u64> {
        matches!(self.state, GateState::Resting(_)).then_some(self.number)
    }

    /// How near a plan dialog of so many lines is to being agreed to, on a screen of that size.
    pub fn readiness(&self, size: (u16, u16), plan: &PlanDialog, lines: usize) -> Readiness {
        let now = Shown::of(size, plan, lines);
        match (&self.state, now) {
            (GateState::Open(shown), Some(now)) if *shown == now => Readiness::Open,
            (GateState::Resting(shown), Some(now)) if *shown == now => Readiness::Resting,
            _ => {
                let last = last_line(size, plan, lines);
                if last < lines { Readiness::Unseen { last, of: lines } } else { Readiness::Resting }
            }
        }
    }
}

impl Shown {
    /// What a dialog shows on a screen of that size; `None`: nothing that can be agreed to.
    pub fn of(size: (u16, u16), plan: &PlanDialog, lines: usize) -> Option<Self> {
        let Stage::Shown(answer) = &plan.stage else { return None };
        if is_too_small(size) {
            return None;
        }
        let digest = answer.plan.digest().clone();
        Some(Self { dialog: plan.number, revision: plan.revision, digest, lines, size })
    }
}

/// The last line of a plan of so many that is on the screen.
pub fn last_line(size: (u16, u16), plan: &PlanDialog, lines: usize) -> usize {
    let rows = rows(lines, plan::bottom_lines(plan), size.1);
    plan.scroll.min(lines.saturating_sub(rows)) + rows
}
