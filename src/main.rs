//! ecdeck: reads the command line and wires the house together.

use clap::Parser;
use ecdeck::cli::link::{House, Link, Need, Pending};
use ecdeck::cli::{CommandLine, Exit, Trouble};
use std::process::ExitCode;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let Some(verb) = &line.verb else {
        let trouble = Trouble::usage("give a command; `ecdeck --help` lists them, `ecdeck status` shows the site");
        trouble.print(false, line.demo);
        return trouble.exit.into();
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(ecdeck::cli::run(verb, &Wiring)).into(),
        Err(error) => {
            eprintln!("ecdeck: no runtime: {error}");
            Exit::Failed.into()
        }
    }
}

struct Wiring;

impl House for Wiring {
    fn open(&self, _need: Need) -> Pending<'_, Result<Link, Trouble>> {
        Box::pin(async { Err(Trouble::not_reachable("no engine runs for this site")) })
    }

    fn is_demo(&self) -> bool {
        false
    }
}
