//! ecdeck: reads the command line and wires the house together.

use clap::Parser;
use ecdeck::catalog::anchor::FileAnchor;
use ecdeck::cli::link::{EngineLine, House, Link, Need, Pending};
use ecdeck::cli::{CommandLine, Exit, Trouble};
use ecdeck::console::app::Settings;
use ecdeck::console::keys::KeyMap;
use ecdeck::console::run::run;
use ecdeck::engine::client::{Lifeline, Start};
use ecdeck::model::event::ChainHead;
use ecdeck::process::paths::{DEMO_VARIABLE, Home};
use ecdeck::serve;
use ecdeck::site::{NoSite, Site, Wish, choose};
use std::io::IsTerminal;
use std::process::ExitCode;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let Some(verb) = &line.verb else {
        return console(&line);
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(ecdeck::cli::run(verb, &Wiring { line: &line })).into(),
        Err(error) => {
            eprintln!("ecdeck: no runtime: {error}");
            Exit::Failed.into()
        }
    }
}

/// The console, on the site that a reading verb would take.
fn console(line: &CommandLine) -> ExitCode {
    let wiring = Wiring { line };
    let opened = wiring.site(false).and_then(|site| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Trouble::usage(format!("no runtime: {error}")))?;
        let settings = Settings::from_environment(line.read_only, line.slow);
        let start = Start::IfNeeded { arguments: serve_arguments(&site) };
        runtime.block_on(async {
            let engine = Lifeline::open(site.home().clone(), start);
            run(settings, KeyMap::default(), engine).await.map_err(|error| Trouble::usage(error.to_string()))
        })
    });
    match opened {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            trouble.print(false, line.demo);
            trouble.exit.into()
        }
    }
}

/// What the verbs are wired to.
struct Wiring<'a> {
    line: &'a CommandLine,
}

impl Wiring<'_> {
    fn wish(&self) -> Wish {
        Wish {
            demo: self.line.demo || demo_in_environment(),
            named: self.line.config.clone(),
            changes: false,
            terminal: std::io::stdin().is_terminal(),
            serves: false,
        }
    }

    fn choose(&self, wish: &Wish) -> Result<Site, Trouble> {
        let home = Home::from_environment().map_err(|error| Trouble::usage(error.to_string()))?;
        choose(&home, wish).map_err(|error| no_site(&error))
    }

    fn site(&self, changes: bool) -> Result<Site, Trouble> {
        self.choose(&Wish { changes, ..self.wish() })
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
            // Here and not only in the engine, so that a slip in the file is wrong input and not an engine out of reach.
            serve::configuration(&site).map_err(Trouble::usage)?;
            let start = Start::IfNeeded { arguments: serve_arguments(&site) };
            Ok(Link::new(EngineLine::open(site.home().clone(), start).await?))
        })
    }

    fn anchors(&self) -> Result<Vec<ChainHead>, Trouble> {
        let file = serve::anchor_file(self.site(false)?.home());
        match FileAnchor::read(&file) {
            Ok(heads) => Ok(heads),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Trouble::failed(format!("{}: {error}", file.display()))),
        }
    }

    fn serve(&self, detached: bool) -> Pending<'_, Result<(), Trouble>> {
        Box::pin(async move {
            let site = self.choose(&Wish { serves: true, changes: true, ..self.wish() })?;
            let served = serve::run(&site, detached).await;
            served.map_err(|error| Trouble::not_reachable(error.to_string()))
        })
    }

    fn is_demo(&self) -> bool {
        self.site(false).is_ok_and(|site| site.is_demonstration())
    }
}
