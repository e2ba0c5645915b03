//! The person's own editor on a text of a screen: in the foreground, on the same terminal, for as long as it takes.

use super::drafts::DraftStore;
use super::keys::Scope;
use super::run::{Caught, Signals};
use super::terminal::job;
use crate::model::device_map::MAX_BYTES;
use crate::model::identity::Name;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, ExitStatus};
use tokio::process::Child;

/// The editor with its options, on a file.
pub type EditorCommand = fn(&Path) -> Command;

/// A text that is about to be edited, for the screen that asked.
#[derive(Debug)]
pub struct Editing {
    pub scope: Scope,
    pub name: Name,
    pub text: String,
}

impl Editing {
    /// Whether the program has to end, and the text as the editor left it, or why there is none.
    ///
    /// The terminal has been given back before. Ctrl-C and Ctrl-Z are the editor's: both reach the whole job.
    pub async fn run(
        &self,
        editor: EditorCommand,
        drafts: &DraftStore,
        signals: &mut Signals,
    ) -> (bool, Result<String, String>) {
        let file = match drafts.scratch(&self.text) {
            Ok(file) => file,
            Err(error) => {
                let why = format!("{} cannot be edited: no file in {}: {error}", self.name, drafts.folder().display());
                return (false, Err(why));
            }
        };
        let mut command = tokio::process::Command::from(editor(&file));
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let (ended, status) = match command.kill_on_drop(true).spawn() {
            Ok(child) => wait(child, signals).await,
            Err(error) => (false, Err(error)),
        };
        let text = match status {
            Err(error) => Err(format!("the editor {program} did not start: {error}; set $EDITOR to another one")),
            Ok(status) if !status.success() => Err(format!("the editor {program} failed ({status})")),
            Ok(_) => read(&file).map_err(|error| format!("the edited text cannot be read: {error}")),
        };
        // Who is cut off while he types finds the text in the folder of the drafts.
        if !ended {
            let _ = std::fs::remove_file(&file);
        }
        (ended, text)
    }
}

async fn wait(mut child: Child, signals: &mut Signals) -> (bool, io::Result<ExitStatus>) {
    loop {
        tokio::select! {
            biased;
            status = child.wait() => return (false, status),
            which = signals.next() => match which {
                Caught::End => return (true, Err(io::ErrorKind::Interrupted.into())),
                Caught::Stop => job::stop(),
                Caught::Interrupt | Caught::Continue | Caught::Resize => {}
            },
        }
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than a map may have: then it is refused with that reason.
    std::fs::File::open(file)?.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}
