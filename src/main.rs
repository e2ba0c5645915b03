//! ecdeck: reads the command line and wires the house together.

use clap::Parser;
use ecdeck::cli::link::{EngineLine, House, Link, Need, Pending};
use ecdeck::cli::{CommandLine, Exit, Trouble};
use ecdeck::engine::client::Start;
use ecdeck::process::paths::{DEMO_VARIABLE, Home};
use ecdeck::site::{NoSite, Site, Wish, choose};
use std::io::IsTerminal;
use std::process::ExitCode;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let Some(verb) = &line.verb else {
        let trouble = Trouble::usage("give a command; `ecdeck --help` lists them, `ecdeck status` shows the site");
        trouble.print(false, line.demo);
        return trouble.exit.into();
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(ecdeck::cli::run(verb, &Wiring { line: &line })).into(),
        Err(error) => {
            eprintln!("ecdeck: no runtime: {error}");
            Exit::Failed.into()
        }
    }
}

/// What the verbs are wired to.
struct Wiring<'a> {
    line: &'a CommandLine,
}

impl Wiring<'_> {
    fn site(&self, changes: bool) -> Result<Site, Trouble> {
        let home = Home::from_environment().map_err(|error| Trouble::usage(error.to_string()))?;
        let wish = Wish {
            demo: self.line.demo || demo_in_environment(),
            named: self.line.config.clone(),
            changes,
            terminal: std::io::stdin().is_terminal(),
            serves: false,
        };
        choose(&home, &wish).map_err(|error| no_site(&error))
    }
}

fn demo_in_environment() -> bool {
    std::env::var_os(DEMO_VARIABLE).is_some_and(|value| value == "1")
}

fn no_site(error: &NoSite) -> Trouble {
    match error.code() {
        Some(code) => Trouble::coded(code, error.to_string()),
        None => Trouble::usage(error.to_string()),
    }
}

/// The engine is told which configuration to serve.
fn serve_arguments(site: &Site) -> Vec<String> {
    match site {
        Site::Configured { config, .. } => vec!["--config".to_owned(), config.to_string_lossy().into_owned()],
        Site::Demonstration { .. } => vec!["--demo".to_owned()],
    }
}

impl House for Wiring<'_> {
    fn open(&self, need: Need) -> Pending<'_, Result<Link, Trouble>> {
        Box::pin(async move {
            let site = self.site(need == Need::Changing)?;
            let start = Start::IfNeeded { arguments: serve_arguments(&site) };
            Ok(Link::new(EngineLine::open(site.home().clone(), start).await?))
        })
    }

    fn is_demo(&self) -> bool {
        self.site(false).is_ok_and(|site| site.is_demonstration())
    }
}
