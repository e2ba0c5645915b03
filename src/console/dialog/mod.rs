//! The state of boxes over a screen, one file a kind. Drawing is in `view/dialog`, keys are in `update/dialogs`.

pub mod palette;
pub mod plan;
pub mod policy;
pub mod prompt;
pub mod refused;
pub mod restore;
pub mod text;

use super::types::Subject;
use crate::model::identity::VolumeId;
use palette::Palette;
use plan::PlanDialog;
use policy::PolicyForm;
use prompt::Prompt;
use refused::RefusedDialog;
use restore::RestoreForm;
use text::TextDialog;

/// An open dialog.
#[derive(Debug, Clone)]
pub enum Dialog {
    Help { scroll: usize },
    Details { subject: Subject, scroll: usize },
    WayOut { volume: VolumeId, scroll: usize },
    Plan(Box<PlanDialog>),
    Refused(Box<RefusedDialog>),
    Prompt(Box<Prompt>),
    Policy(Box<PolicyForm>),
    Restore(Box<RestoreForm>),
    Palette(Palette),
    Text(TextDialog),
}

/// Rows of a screen from which on a dialog has a blank line above its text.
pub const AIRY: u16 = 30;

/// Columns that most dialogs like to have.
const PLAN_WIDTH: u16 = 92;

impl Dialog {
    pub fn scroll_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Help { scroll } | Self::Details { scroll, .. } | Self::WayOut { scroll, .. } => Some(scroll),
            Self::Plan(plan) => Some(&mut plan.scroll),
            Self::Refused(refused) => Some(&mut refused.scroll),
            Self::Text(text) => Some(&mut text.scroll),
            Self::Prompt(_) | Self::Policy(_) | Self::Restore(_) | Self::Palette(_) => None,
        }
    }

    pub fn scroll(&self) -> usize {
        match self {
            Self::Help { scroll } | Self::Details { scroll, .. } | Self::WayOut { scroll, .. } => *scroll,
            Self::Plan(plan) => plan.scroll,
            Self::Refused(refused) => refused.scroll,
            Self::Text(text) => text.scroll,
            Self::Prompt(_) | Self::Policy(_) | Self::Restore(_) | Self::Palette(_) => 0,
        }
    }

    /// Columns inside its frame and margins, on a screen of that size.
    pub fn inner_width(&self, screen: (u16, u16)) -> u16 {
        let wanted = match self {
            Self::Help { .. } => 100,
            Self::Prompt(_) => 64,
            Self::Policy(_) => 76,
            _ => PLAN_WIDTH,
        };
        columns(wanted, screen)
    }
}

fn columns(wanted: u16, screen: (u16, u16)) -> u16 {
    wanted.min(screen.0.saturating_sub(2)).saturating_sub(4)
}

/// Columns that a plan's text has on a screen of that size.
pub fn text_width(screen: (u16, u16)) -> usize {
    usize::from(columns(PLAN_WIDTH, screen))
}

/// How many of its lines a dialog shows at once on a screen of that height, above so many lines that stay.
pub fn rows(lines: usize, bottom: usize, screen: u16) -> usize {
    let bottom = if bottom == 0 { 0 } else { bottom + 1 };
    let above = usize::from(screen >= AIRY);
    // The header and the last line stay free, and one for the row that the dialog is about.
    let room = usize::from(screen.saturating_sub(3)).saturating_sub(2 + above + bottom).max(1);
    lines.min(room)
}
