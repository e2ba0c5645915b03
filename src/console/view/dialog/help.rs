//! Help, made from the key table.

use super::{Body, Content, keys_line};
use crate::console::app::App;
use crate::console::key_table::entries_of;
use crate::console::keys::Group;
use crate::model::snapshot::{BackupState, TransactionState};

const SIGNS: [TransactionState; 12] = [
    TransactionState::None,
    TransactionState::Copying,
    TransactionState::Equivalent,
    TransactionState::Suspended,
    TransactionState::Halted,
    TransactionState::HalfOpen,
    TransactionState::Unknown,
    TransactionState::Error,
    TransactionState::Inbound,
    TransactionState::Reversed,
    TransactionState::Restoring,
    TransactionState::RestoreIncomplete,
];

const POOL_SIGNS: [BackupState; 5] = [
    BackupState::Unused,
    BackupState::Bound,
    BackupState::Generation,
    BackupState::SuspendedGeneration,
    BackupState::Foreign,
];

pub fn content(app: &App, width: usize) -> Content {
    let theme = app.look.theme;
    let mut body = Body::new(width);
    for group in Group::ALL {
        body.gap();
        body.text(0, group.title(), theme.title);
        for entry in entries_of(app.scope()).filter(|entry| entry.group == group) {
            let keys: Vec<String> = app.keys.keys(entry.command).iter().map(ToString::to_string).collect();
            body.hanging(2, &format!("{:<18}", keys.join(" ")), entry.help, theme.key, theme.text);
        }
    }
    body.gap();
    body.text(0, "Signs", theme.title);
    for state in SIGNS {
        let lead = format!("{:<18}", app.look.glyphs.transaction(state));
        body.hanging(2, &lead, &state.to_string(), theme.transaction(state), theme.text);
    }
    for state in POOL_SIGNS {
        let lead = format!("{:<18}", app.look.glyphs.backup(state));
        body.hanging(2, &lead, &format!("pool: {state}"), theme.backup(state), theme.text);
    }
    body.gap();
    body.text(
        0,
        "A dim key would be refused for the selected row; pressing it shows why, and what you can do. \
         Whatever changes something shows its plan first and runs only what is agreed to.",
        theme.dim,
    );
    let bottom = vec![keys_line(app, &[("j k", "scroll"), ("Esc", "back")])];
    Content { title: "Help".to_owned(), body, bottom, typing: None, loud: false }
}
