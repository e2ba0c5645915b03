//! The emulation of CCM's commands as an executable: by its own name, or by links named like the commands.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use ecdeck::testkit::ccm_emulation::{HELP, executable};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let Some(words) = executable::command_of(&words) else {
        let _ = std::io::stdout().write_all(HELP.as_bytes());
        return ExitCode::SUCCESS;
    };
    let reply = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(executable::run(&words)),
        Err(why) => Err(format!("no runtime: {why}")),
    };
    match reply {
        Ok(reply) => {
            // Whoever does not read it to the end does not want it.
            let _ = std::io::stdout().write_all(&reply.stdout);
            ExitCode::from(u8::try_from(reply.exit).unwrap_or(1))
        }
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "ccm-emulation: {why}");
            ExitCode::from(9)
        }
    }
}
