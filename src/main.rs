//! ecdeck: reads the command line and wires its parts together.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use clap::Parser;
use ecdeck::cli::arguments::Init;
use ecdeck::cli::array::add;
use ecdeck::cli::array_arguments::{Add, ArrayVerb};
use ecdeck::cli::catalogue::{self, Load};
use ecdeck::cli::link::{ConfiguredArray, EngineLine, Link, Need, SiteContext};
use ecdeck::cli::site_arguments::SiteVerb;
use ecdeck::cli::{CliError, CommandLine, Exit, Verb, forced, out, site, typed, usage};
use ecdeck::config::{Config, Glyphs, Theme};
use ecdeck::console::drafts::DraftStore;
use ecdeck::console::glyphs::GlyphMode;
use ecdeck::console::key_table::KeyMap;
use ecdeck::console::run::{Outside, run};
use ecdeck::console::theme::ThemeName;
use ecdeck::console::types::{LineGrammar, Settings};
use ecdeck::driver::emulated::kind::EmbeddedConfig;
use ecdeck::driver::set_up::SetUpError;
use ecdeck::drivers;
use ecdeck::engine::client::{ReconnectingClient, Start};
use ecdeck::engine::now;
use ecdeck::host::guard;
use ecdeck::model::check::Check;
use ecdeck::model::identity::Name;
use ecdeck::model::untrusted;
use ecdeck::model::verb::Role;
use ecdeck::process::editor;
use ecdeck::process::instance;
use ecdeck::process::paths::{DEMO_VARIABLE, Home};
use ecdeck::serve;
use ecdeck::setup;
use ecdeck::setup::load::{self, LoadError};
use ecdeck::site::{NoSite, Site, SiteChoice, choose, is_there};
use futures_util::future::BoxFuture;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|fault| {
        out::say(&format!("ecdeck: a fault of the program, please report it: {fault}"));
    }));
    let words: Vec<OsString> = std::env::args_os().collect();
    match usage::parse(&words) {
        Ok(CommandLine { verb: Some(Verb::ForcedCommand { role }), .. }) => forced(role),
        Ok(CommandLine { verb: Some(Verb::HookGuard), .. }) => {
            guard::serve();
            ExitCode::SUCCESS
        }
        Ok(line) => match &line.verb {
            Some(Verb::Init(asked)) => first_run(&line, asked),
            _ => act(&line, None),
        },
        Err(exit) => exit.into(),
    }
}

/// What the owner of an SSH key asks for, in no higher role than `authorized_keys` says.
fn forced(role: Role) -> ExitCode {
    let command = std::env::var_os(forced::COMMAND_VARIABLE).unwrap_or_default();
    let command = command.to_string_lossy();
    match forced::read(&command) {
        Ok(Ok(line)) => act(&line, Some(role)),
        Ok(Err(error)) => usage::print(&error, &[command.as_ref().into()]).into(),
        Err(cli_error) => usage::fail(&cli_error).into(),
    }
}

/// `role`: the highest one to act in.
fn act(line: &CommandLine, role: Option<Role>) -> ExitCode {
    let Some(verb) = &line.verb else {
        return console(line);
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let exit =
                runtime.block_on(ecdeck::cli::run_within(verb, line.time_limit, &Wiring { role, ..Wiring::new(line) }));
            // A verb that stopped waiting does not wait for what it left behind.
            runtime.shutdown_background();
            exit.into()
        }
        Err(error) => {
            out::say(&format!("ecdeck: no runtime: {error}"));
            Exit::Failed.into()
        }
    }
}

/// The first set-up: by a file, or guided on a terminal.
fn first_run(line: &CommandLine, asked: &Init) -> ExitCode {
    let ended = match &asked.from {
        Some(file) => init_from(line, asked, file),
        None => init_guided(line),
    };
    ended.unwrap_or_else(|cli_error| {
        cli_error.print(asked.change.json, line.demo);
        cli_error.exit.into()
    })
}

/// Where the first configuration goes, and whether there is one already. A home that had a site is none to begin in.
fn first_place(line: &CommandLine) -> Result<(Home, PathBuf, bool), CliError> {
    if line.demo || demo_in_environment() {
        return Err(CliError::usage("the demonstration site sets itself up: leave --demo and ECDECK_DEMO away"));
    }
    let home = Home::from_environment().map_err(|error| CliError::usage(error.to_string()))?;
    let named = line.config.as_ref().map(std::path::absolute).transpose();
    let named = named.map_err(|error| CliError::usage(error.to_string()))?;
    let config = named.unwrap_or_else(|| home.config_file());
    let there = is_there(&config).map_err(|error| no_site(&error))?;
    let catalogue = home.catalogue_file();
    if !there && is_there(&catalogue).map_err(|error| no_site(&error))? {
        return Err(no_site(&NoSite::Lost { config, catalogue }));
    }
    Ok((home, config, there))
}

fn a_runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let made = tokio::runtime::Builder::new_current_thread().enable_all().build();
    made.map_err(|error| CliError::failed(format!("no runtime: {error}")))
}

/// Questions at the terminal, then the console.
fn init_guided(line: &CommandLine) -> Result<ExitCode, CliError> {
    let (home, config, _) = first_place(line)?;
    setup::init::is_first(&config)?;
    if has_terminal().is_err() || !std::io::stderr().is_terminal() {
        return Err(CliError::usage(
            "the guided set-up needs a terminal; without one, `ecdeck init --from FILE` applies a site that is written down",
        ));
    }
    let added_by = |name: &Name, option: Option<(&str, &str)>| {
        let option = option.into_iter().flat_map(|(option, value)| [option.to_owned(), value.to_owned()]);
        let words = ["ecdeck", "array", "add", name.as_str()].map(str::to_owned).into_iter().chain(option);
        match CommandLine::try_parse_from(words).map(|line| line.verb) {
            Ok(Some(Verb::Array { verb: ArrayVerb::Add(add) })) => Ok(add.driver),
            Ok(_) => Err(SetUpError::Failed("`array add` is not known".to_owned())),
            Err(error) => Err(SetUpError::Input(error.to_string())),
        }
    };
    a_runtime()?.block_on(setup::init::guide(&home, &config, &added_by, &add::Typist))?;
    Ok(console(line))
}

/// A configuration for the arrays that the file names, where there is none yet; then the file is applied.
fn init_from(line: &CommandLine, asked: &Init, file: &Path) -> Result<ExitCode, CliError> {
    if file == Path::new("-") {
        return Err(CliError::usage("--from takes a file: it is read more than once"));
    }
    let (home, config, there) = first_place(line)?;
    if !there && !configured_for(&home, &config, asked, file)? {
        return Ok(Exit::Done.into());
    }
    let verb = Verb::Site { verb: SiteVerb::Apply { file: file.to_owned(), change: asked.change.clone() } };
    let runtime = a_runtime()?;
    let exit = runtime.block_on(ecdeck::cli::run_within(&verb, line.time_limit, &Wiring::new(line)));
    runtime.shutdown_background();
    Ok(exit.into())
}

/// Writes the first configuration for a site file, after showing it; `false`: it was only shown.
fn configured_for(home: &Home, config: &Path, asked: &Init, file: &Path) -> Result<bool, CliError> {
    let (site, wanted) = site::needs_of(file)?;
    let site = site.unwrap_or_else(setup::init::usual_name);
    let site: Name = site.parse().map_err(|error| CliError::usage(format!("{error}")))?;
    let runtime = a_runtime()?;
    let found = runtime.block_on(setup::init::find(home))?;
    let known = |name: &String| found.iter().any(|one| one.name.as_str() == name);
    let missing: Vec<&str> = wanted.iter().filter(|name| !known(name)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(CliError::usage(format!(
            "{} names arrays that no driver finds by itself: {}. Add them first (`ecdeck array add`), then repeat; nothing was \
             written",
            untrusted::path(file),
            untrusted::escaped(&missing.join(", "))
        )));
    }
    let arrays: Vec<_> = found.into_iter().filter(|one| wanted.contains(one.name.as_str())).collect();
    let text = setup::init::text(&site, &arrays);
    runtime.block_on(setup::init::examined(home, config, &text, &add::Typist))?;
    out::say(&format!("There is no configuration yet. This is written to {}:\n\n{text}", untrusted::path(config)));
    if asked.change.dry_run {
        return Ok(false);
    }
    if !asked.change.yes {
        if !std::io::stdin().is_terminal() {
            return Err(CliError::usage(
                "nobody is there to agree: --yes agrees to the configuration and to the plan as printed",
            ));
        }
        let answer = out::ask("Write it? [y/N] ", asked.change.time_limit.unwrap_or(out::ANSWER_TIMEOUT))?;
        if !matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") {
            return Err(CliError::usage("nothing was written"));
        }
    }
    setup::init::write(config, &text)?;
    Ok(true)
}

/// The console, on the site that a reading verb would take.
fn console(line: &CommandLine) -> ExitCode {
    let wiring = Wiring::new(line);
    let opened = has_terminal().and_then(|()| wiring.site(false)).and_then(|site| {
        let (settings, keys) = looks(line, &site)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CliError::usage(format!("no runtime: {error}")))?;
        let start = start(&site);
        runtime.block_on(async {
            let engine = ReconnectingClient::open(site.home().clone(), start);
            let grammar = LineGrammar { request: typed::request, candidates: typed::candidates };
            let outside = Outside { drafts: DraftStore::new(drafts_of(&site)?), editor: editor::command };
            run(settings, keys, grammar, engine, outside).await.map_err(|error| CliError::usage(error.to_string()))
        })
    });
    match opened {
        Ok(()) => ExitCode::SUCCESS,
        Err(cli_error) => {
            cli_error.print(false, line.demo);
            cli_error.exit.into()
        }
    }
}

/// Where this person's drafts of a site are: the service's own folders are not his.
fn drafts_of(site: &Site) -> Result<PathBuf, CliError> {
    if site.is_service() {
        let home = Home::from_environment().map_err(|error| CliError::usage(error.to_string()))?;
        return Ok(home.state_dir().join("drafts-of-service"));
    }
    Ok(site.home().state_dir().join("drafts"))
}

fn has_terminal() -> Result<(), CliError> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(CliError::usage(
        "the console needs a terminal; without one, `ecdeck status` shows the site, `ecdeck status --json` for scripts, and \
         `ecdeck --help` lists the other commands",
    ))
}

/// How the console looks and which keys it hears: the environment's word on colours goes first, then the configuration.
fn looks(line: &CommandLine, site: &Site) -> Result<(Settings, KeyMap), CliError> {
    let config = match serve::configuration(site) {
        Ok(config) => config.console,
        // Of the service's configuration only the looks are wanted here, and those it has by default too.
        Err(_) if site.is_service() => ecdeck::config::Console::default(),
        Err(error) => return Err(CliError::usage(error)),
    };
    let mut settings = Settings::from_environment(line.read_only, line.slow || config.slow);
    settings.fps = config.fps;
    // What somebody configured is not asked for.
    settings.asks_background &= match config.theme {
        Theme::Dark => matches!(settings.theme, ThemeName::Dark | ThemeName::Sixteen),
        // Which sixteen colours can be read depends on the background.
        Theme::Sixteen => settings.theme != ThemeName::Plain,
        Theme::Light | Theme::None => false,
    };
    settings.theme = match (settings.theme, config.theme) {
        (ThemeName::Plain, _) | (_, Theme::None) => ThemeName::Plain,
        (_, Theme::Light) => ThemeName::Light,
        (ThemeName::Light | ThemeName::SixteenLight, Theme::Sixteen) => ThemeName::SixteenLight,
        (ThemeName::SixteenDark, Theme::Sixteen) => ThemeName::SixteenDark,
        (_, Theme::Sixteen) => ThemeName::Sixteen,
        (suggested, Theme::Dark) => suggested,
    };
    if settings.slow {
        settings.theme = settings.theme.in_few_bytes();
    }
    settings.glyphs = match config.glyphs {
        Glyphs::Auto => settings.glyphs,
        Glyphs::Unicode => GlyphMode::Unicode,
        Glyphs::Safe => GlyphMode::Safe,
        Glyphs::Ascii => GlyphMode::Ascii,
    };
    let keys: Vec<(&str, String)> =
        config.keys.iter().map(|(command, binding)| (command.as_str(), binding.keys.join(" "))).collect();
    let keys = KeyMap::with_bindings(keys.iter().map(|(command, keys)| (*command, keys.as_str())));
    Ok((settings, keys.map_err(|error| CliError::usage(format!("console.keys: {error}")))?))
}

/// What the verbs are wired to.
struct Wiring<'a> {
    line: &'a CommandLine,
    /// Whether the site that was opened is the demonstration; not known before.
    demo: OnceLock<bool>,
    /// The highest role to act in, where rights were given up.
    role: Option<Role>,
}

impl<'a> Wiring<'a> {
    fn new(line: &'a CommandLine) -> Self {
        Self { line, demo: OnceLock::new(), role: None }
    }

    fn wish(&self) -> SiteChoice {
        SiteChoice {
            demo: self.line.demo || demo_in_environment(),
            named: self.line.config.clone(),
            changes: false,
            terminal: std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
            serves: false,
            service: Some(Home::of_service()),
        }
    }

    fn choose(&self, wish: &SiteChoice) -> Result<Site, CliError> {
        let home = Home::from_environment().map_err(|error| CliError::usage(error.to_string()))?;
        let site = choose(&home, wish).map_err(|error| no_site(&error))?;
        let _ = self.demo.set(site.is_demonstration());
        Ok(site)
    }

    fn site(&self, changes: bool) -> Result<Site, CliError> {
        self.choose(&SiteChoice { changes, ..self.wish() })
    }
}

fn demo_in_environment() -> bool {
    std::env::var_os(DEMO_VARIABLE).is_some_and(|value| value == "1")
}

/// The engine that runs was started with another configuration than the file has now.
fn outdated(site: &Site) -> String {
    let file = match site {
        Site::Configured { config, .. } => untrusted::path(config),
        Site::Service { config, .. } => {
            return format!(
                "ecdeck: the engine still goes by another configuration than {} has now: root restarts it with `systemctl \
                 restart ecdeck`; nothing is lost by that",
                untrusted::path(config)
            );
        }
        Site::Demonstration { .. } => "this program".to_owned(),
    };
    let pid = instance::pid_of(&site.home().engine());
    let end = pid.map_or_else(|| "end it".to_owned(), |pid| format!("end it (`kill {pid}`)"));
    format!(
        "ecdeck: the engine still goes by another configuration than {file} has now: {end}, or restart its service; \
         nothing is lost, the next command starts it anew"
    )
}

fn no_site(error: &NoSite) -> CliError {
    match error.code() {
        Some(code) => CliError::coded(code, error.to_string()),
        None => CliError::usage(error.to_string()),
    }
}

/// How the site's engine is started where none runs.
fn start(site: &Site) -> Start {
    match site {
        Site::Service { .. } => Start::ByServiceManager,
        Site::Configured { .. } | Site::Demonstration { .. } => Start::IfNeeded { arguments: serve_arguments(site) },
    }
}

/// The engine is told which configuration to serve.
fn serve_arguments(site: &Site) -> Vec<String> {
    match site {
        Site::Configured { config, .. } | Site::Service { config, .. } => {
            vec!["--config".to_owned(), config.to_string_lossy().into_owned()]
        }
        Site::Demonstration { .. } => vec!["--demo".to_owned()],
    }
}

impl Wiring<'_> {
    /// The home of the embedded arrays that have none of their own. Arrays may be made before there is a configuration that
    /// names them; only reading goes to the demonstration then.
    fn own_arrays_home(&self, need: Need) -> Result<Home, CliError> {
        let home = Home::from_environment().map_err(|error| CliError::usage(error.to_string()))?;
        if let Ok(Site::Service { home, .. }) = choose(&home, &self.wish()) {
            return Ok(home);
        }
        if self.wish().demo {
            Ok(home.demonstration())
        } else if need == Need::Changing || is_there(&home.arrays_dir()).map_err(|error| no_site(&error))? {
            Ok(home)
        } else {
            Ok(self.site(false)?.home().clone())
        }
    }

    /// The embedded arrays whose configuration names a home, with it.
    fn homes_elsewhere(&self, own: &Home) -> Result<Vec<(Name, Home)>, CliError> {
        let config = self.line.config.clone().unwrap_or_else(|| own.config_file());
        if own.is_demonstration() || !is_there(&config).map_err(|error| no_site(&error))? {
            return Ok(Vec::new());
        }
        let config = Config::load(&config).map_err(|error| CliError::usage(error.to_string()))?;
        let elsewhere = config.arrays.into_iter().filter_map(|array| {
            let folder = array.control.config::<EmbeddedConfig>()?.home.as_deref()?;
            let home = Home::in_folder(folder);
            Some((array.name, home))
        });
        Ok(elsewhere.collect())
    }
}

impl SiteContext for Wiring<'_> {
    fn open(&self, need: Need) -> BoxFuture<'_, Result<Link, CliError>> {
        Box::pin(async move {
            let site = self.site(need == Need::Changing)?;
            // Here and not only in the engine, so that a slip in the file is wrong input and not an engine out of reach.
            let config = match serve::configuration(&site) {
                Ok(config) => Some(config),
                // The service's engine has read its own; whoever may use it need not be able to.
                Err(_) if site.is_service() => None,
                Err(error) => return Err(CliError::usage(error)),
            };
            let line = EngineLine::open(site.home().clone(), start(&site), self.role).await?;
            if let Some(config) = config
                && line.configuration().is_some_and(|served| served != config.engine_digest())
            {
                out::say(&outdated(&site));
            }
            Ok(Link::new(line, self.site_words()).to_engine(instance::pid_of(&site.home().engine())))
        })
    }

    fn serve(&self, detached: bool) -> BoxFuture<'_, Result<(), CliError>> {
        Box::pin(async move {
            let site = self.choose(&SiteChoice { serves: true, changes: true, service: None, ..self.wish() })?;
            let served = serve::run(&site, detached).await;
            served.map_err(|error| CliError::not_reachable(error.told()).with_code(error.code()))
        })
    }

    fn arrays_home(&self, need: Need, array: Option<&str>) -> Result<Home, CliError> {
        let own = self.own_arrays_home(need)?;
        let elsewhere = self.homes_elsewhere(&own)?;
        if let Some((_, home)) = elsewhere.iter().find(|(name, _)| Some(name.as_str()) == array) {
            return Ok(home.clone());
        }
        Ok(own)
    }

    fn array_homes(&self, need: Need) -> Result<Vec<Home>, CliError> {
        let own = self.own_arrays_home(need)?;
        let elsewhere = self.homes_elsewhere(&own)?;
        let mut homes = vec![own];
        for (_, home) in elsewhere {
            if !homes.contains(&home) {
                homes.push(home);
            }
        }
        Ok(homes)
    }

    fn serve_arrays(&self, detached: bool) -> BoxFuture<'_, Result<(), CliError>> {
        Box::pin(async move {
            let served = serve::arrays(&self.own_arrays_home(Need::Changing)?, detached).await;
            served.map_err(|error| CliError::not_reachable(error.to_string()))
        })
    }

    fn examine_array<'a>(&'a self, array: &'a str) -> BoxFuture<'a, Result<Vec<Check>, CliError>> {
        Box::pin(async move {
            let site = self.site(false)?;
            let config = serve::configuration(&site).map_err(CliError::usage)?;
            let examined = drivers::examine(site.home(), &config, array, now()).await;
            examined.map_err(|error| CliError::usage(error.to_string()))
        })
    }

    /// There need not be a configuration yet.
    fn add_array<'a>(&'a self, asked: &'a Add) -> BoxFuture<'a, Result<Exit, CliError>> {
        Box::pin(async move {
            let home = Home::from_environment().map_err(|error| CliError::usage(error.to_string()))?;
            let named = self.line.config.as_ref().map(std::path::absolute).transpose();
            let named = named.map_err(|error| CliError::usage(error.to_string()))?;
            let file = named.unwrap_or_else(|| home.config_file());
            let added = setup::add(&home, &file, asked.site.as_ref(), &asked.name, &asked.driver, &add::Typist).await?;
            add::print(asked.name.as_str(), &added.checks, added.done.as_deref())
        })
    }

    fn load_catalogue<'a>(&'a self, asked: &'a Load) -> BoxFuture<'a, Result<Exit, CliError>> {
        Box::pin(async move {
            let site = self.site(true)?;
            if site.is_demonstration() {
                return Err(CliError::usage("the demonstration site has no copies: it is made anew when it is gone"));
            }
            let config = serve::configuration(&site).map_err(CliError::usage)?;
            let failed = |error: LoadError| CliError::coded(error.code(), format!("{error} ({})", error.code()));
            let load = load::prepare(site.home(), &config, &asked.file).await.map_err(failed)?;
            match catalogue::agreed_to_load(config.site.as_str(), &load.summary, &asked.change) {
                Ok(true) => catalogue::loaded(load.put_in_place().map_err(failed)?.as_deref()),
                Ok(false) => load.give_up().map_err(failed).map(|()| Exit::Done),
                Err(cli_error) => load.give_up().map_err(failed).and(Err(cli_error)),
            }
        })
    }

    /// Where the embedded arrays of a home come before its configuration, that has none yet.
    fn configured_arrays(&self) -> Result<Vec<ConfiguredArray>, CliError> {
        let arrays_home = self.own_arrays_home(Need::Reading)?;
        let home = Home::from_environment().map_err(|error| CliError::usage(error.to_string()))?;
        let site = match choose(&home, &self.wish()) {
            // Arrays that were made before there is a configuration: nothing of the demonstration is asked for.
            Err(NoSite::Unwatched { .. } | NoSite::NotConfigured { .. }) if home == arrays_home => {
                return Ok(Vec::new());
            }
            chosen => chosen.map_err(|error| no_site(&error))?,
        };
        let _ = self.demo.set(site.is_demonstration());
        if *site.home() != arrays_home {
            return Ok(Vec::new());
        }
        if site.is_demonstration() && !site.home().arrays_dir().exists() {
            // The first verb that looks at the site makes them.
            return Ok(Vec::new());
        }
        let config = serve::configuration(&site).map_err(CliError::usage)?;
        let listed = config.arrays.into_iter().map(|array| {
            let embedded = array.control.config::<EmbeddedConfig>();
            let home =
                embedded.map(|embedded| embedded.home.as_deref().map_or_else(|| site.home().clone(), Home::in_folder));
            let driver = array.control.driver();
            ConfiguredArray { name: array.name, driver, home }
        });
        Ok(listed.collect())
    }

    fn engine_pid(&self) -> Option<u32> {
        instance::pid_of(&self.site(false).ok()?.home().engine())
    }

    fn site_words(&self) -> Vec<String> {
        let demo = self.line.demo.then(|| "--demo".to_owned());
        let named = self.line.config.iter().flat_map(|file| ["--config".to_owned(), file.display().to_string()]);
        demo.into_iter().chain(named).collect()
    }

    fn is_demo(&self) -> bool {
        self.demo.get().copied().unwrap_or_else(|| self.wish().demo)
    }
}
