//! Puts an engine together: configuration, log, catalogue and drivers; for the demonstration site, what it is made of.

use crate::catalog::Catalogue;
use crate::catalog::anchor::{self, Anchor, Anchored, FileAnchor, SyslogAnchor};
use crate::catalog::copies::Copied;
use crate::catalog::sql::{FORMAT, OpenOptions, SqlCatalogue};
use crate::config::{Config, Log, ResolvedMembers};
use crate::demo;
use crate::driver::emulated;
use crate::drivers;
use crate::engine::hooks::HookSettings;
use crate::engine::hosts::Hosts;
use crate::engine::operation::Limits;
use crate::engine::serve::{ServeError, serve};
use crate::engine::{Members, Roles, Settings, Times, now};
use crate::host::report::{HostTools, ReportsItself};
use crate::logs;
use crate::model::catalogue_url::CataloguePlace;
use crate::model::codes::Code;
use crate::model::event::{EventKind, NewEvent};
use crate::model::records::{Change, EntityChange, GenerationState};
use crate::model::snapshot::{self, RecRoute};
use crate::process::instance;
use crate::process::paths::Home;
use crate::site::Site;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Serves the site's home until asked to end.
pub async fn run(site: &Site, detached: bool) -> Result<(), ServeError> {
    let mut log = None;
    let kept = &mut log;
    let served = serve(site.home(), detached, move || async move {
        let config = configuration(site).map_err(ServeError::Site)?;
        *kept = Some(logs::start(&config.log, &site.home().log_dir(), "engine").map_err(told)?);
        prepare(site, &config).await
    })
    .await;
    if let Err(error) = &served {
        tracing::error!(%error, "the engine ends");
    }
    drop(log);
    served
}

/// What is wrong, as the one who started the engine is told.
fn told(error: impl std::fmt::Display) -> ServeError {
    ServeError::Site(error.to_string())
}

/// The file outside the catalogue with the heads of its audit.
pub fn anchor_file(home: &Home) -> PathBuf {
    home.state_dir().join("audit.heads")
}

/// Where copies of a home's catalogue are kept.
pub fn copies_folder(home: &Home) -> PathBuf {
    home.state_dir().join("catalogue-copies")
}

/// Where a home's catalogue is.
pub fn place_of(home: &Home, config: &Config) -> CataloguePlace {
    config.catalogue.clone().unwrap_or_else(|| CataloguePlace::Sqlite(home.catalogue_file()))
}

/// The configuration of a site; the demonstration's is part of the program.
pub fn configuration(site: &Site) -> Result<Config, String> {
    match site {
        Site::Configured { config, .. } | Site::Service { config, .. } => {
            Config::load(config).map_err(|error| error.to_string())
        }
        Site::Demonstration { .. } => demo::configuration(site.home()).map_err(|error| error.to_string()),
    }
}

async fn prepare(site: &Site, config: &Config) -> Result<(Arc<dyn Catalogue>, Settings), ServeError> {
    let home = site.home();
    let roles = roles(config)?;
    let catalogue = open_catalogue(site, config).await?;
    make_once(site, catalogue.as_ref()).await?;
    let arrays = drivers::of(home, config).map_err(told)?;
    let poll_millis = u32::try_from(config.engine.poll.as_millis()).unwrap_or(u32::MAX);
    let rec =
        config.rec.iter().map(|((from, to), modes)| RecRoute { from: from.clone(), to: to.clone(), modes: *modes });
    let (name, demo) = (config.site.to_string(), site.is_demonstration());
    let emulated = if demo { demo::host(home) } else { None };
    let site = snapshot::Site {
        name,
        demo,
        poll_millis,
        rec: rec.collect(),
        hooks: config.hooks.clone(),
        pools: config.pools.clone(),
    };
    let limits = limits(config);
    // A demonstration is made anew whenever it is gone.
    let is_file = !demo && matches!(place_of(home, config), CataloguePlace::Sqlite(_));
    let catalogue: Arc<dyn Catalogue> =
        if is_file { Arc::new(Copied::new(catalogue, copies_folder(home))) } else { catalogue };
    let anchored = anchored(home, config, catalogue).await?;
    let times = Times { reading: config.limits.reading, idle_end: config.engine.idle_end };
    let configuration = Some(config.engine_digest());
    let hosts = config.hosts.iter().map(|host| (host.name.clone(), host.ssh.clone())).collect();
    let folder = home.engine().socket.parent().map_or_else(|| home.state_dir().to_owned(), Path::to_owned);
    let hooks = HookSettings { hosts, folder, program: None, site: config.site.to_string() };
    let hosts = config.hosts.iter().map(|host| {
        let tools: Arc<dyn ReportsItself> =
            Arc::new(HostTools { ssh: host.ssh.clone(), sudo: host.sudo, wwids: host.wwids.clone() });
        (host.name.clone(), tools)
    });
    let emulated = emulated.map(|(name, host)| (name, Arc::new(host) as Arc<dyn ReportsItself>));
    let services = config.services.iter().map(|service| (service.name.clone(), service.nodes.clone()));
    let hosts = Hosts::new(hosts.chain(emulated)).with_services(services);
    Ok((
        anchored,
        Settings { site, arrays, roles, limits, configuration, times, hooks, hosts, notify: config.notify.clone() },
    ))
}

/// What a catalogue begins with.
async fn make_once(site: &Site, catalogue: &dyn Catalogue) -> Result<(), ServeError> {
    if site.is_demonstration() {
        return demo::make_once(site.home(), catalogue, now()).await.map_err(told);
    }
    if catalogue.head().await?.sequence == 0 {
        let made = EventKind::CatalogueMade { format: FORMAT, demo: false };
        catalogue.commit(Vec::new(), vec![NewEvent::by_engine(now(), made)]).await?;
    }
    Ok(())
}

/// Serves the home's embedded arrays until asked to end.
pub async fn arrays(home: &Home, detached: bool) -> Result<(), emulated::server::ServeError> {
    let ready = detached.then(instance::detach);
    // A log that cannot be written is no reason to stop copying.
    let log = logs::start(&Log::default(), &home.log_dir(), "arrays").ok();
    let served = emulated::server::serve(home, ready).await;
    drop(log);
    served
}

/// The catalogue, its audit anchored outside.
async fn anchored(
    home: &Home,
    config: &Config,
    catalogue: Arc<dyn Catalogue>,
) -> Result<Arc<dyn Catalogue>, ServeError> {
    let file = anchor_file(home);
    let opened = FileAnchor::open(&file);
    let opened = opened.map_err(|error| unreadable(&file, &error))?;
    let mut anchors: Vec<Box<dyn Anchor>> = vec![Box::new(opened)];
    // A host without a system log has the file.
    let syslog = SyslogAnchor::open(Path::new(SyslogAnchor::SOCKET), config.site.as_str()).ok().flatten();
    let logged = syslog.map(|syslog| anchors.push(Box::new(syslog))).is_some();
    let anchored = Anchored::new(catalogue, anchors);
    let anchored = if logged { anchored } else { anchored.without(SyslogAnchor::SOCKET) };
    anchored.anchor_now().await?;
    Ok(Arc::new(anchored))
}

/// Opens the catalogue that the audit's heads are of. Any other one, a new one above all, would know nothing of the
/// generations that are kept.
async fn open_catalogue(site: &Site, config: &Config) -> Result<Arc<dyn Catalogue>, ServeError> {
    let home = site.home();
    let place = place_of(home, config);
    let heads = anchor_file(home);
    let newest = FileAnchor::newest(&heads).map_err(|error| unreadable(&heads, &error))?;
    let another = |what: &str| {
        let (heads, code) = (heads.display(), Code::CATALOGUE_REPLACED);
        ServeError::Site(format!(
            "the catalogue {place} is not the one that {heads} is of: {what}; put the catalogue back, or, to begin anew \
             on purpose, move {heads} away: every kept generation is in doubt then ({code})"
        ))
    };
    if let (CataloguePlace::Sqlite(file), Some(_), false) = (&place, &newest, site.is_demonstration())
        && !file.try_exists().map_err(|error| unreadable(file, &error))?
    {
        // Said before an empty one stands in its place.
        return Err(another("there is none"));
    }
    let catalogue = SqlCatalogue::open(&place, OpenOptions::default()).await?;
    if newest.is_none() && !site.is_demonstration() {
        doubt(&catalogue, &heads).await?;
    }
    if let Some(newest) = newest {
        if site.is_demonstration() && catalogue.head().await?.sequence == 0 {
            // It is made anew whenever its catalogue is gone.
            std::fs::remove_file(&heads).map_err(|error| unreadable(&heads, &error))?;
        } else if let Some(what) = anchor::missing(&catalogue, &newest).await? {
            return Err(another(&what));
        }
    }
    Ok(Arc::new(catalogue))
}

/// A catalogue whose heads are gone may be an older copy: its volumes may hold something else by now. What it keeps is in
/// doubt until somebody has compared it; that is durable before there are heads again.
async fn doubt(catalogue: &SqlCatalogue, heads: &Path) -> Result<(), ServeError> {
    let records = catalogue.load().await?;
    let valid = records.generations.values().filter(|kept| kept.state == GenerationState::Valid);
    let why = format!("{} was not there: the catalogue may be older than what the volumes hold", heads.display());
    let state = GenerationState::InDoubt(why.clone());
    let mut events = vec![NewEvent::by_engine(now(), EventKind::CatalogueDoubted { why })];
    let mut changes = Vec::new();
    for kept in valid {
        let (transaction_volume, version, state) = (kept.transaction_volume, kept.version, state.clone());
        let told = EventKind::GenerationStateSet { volume: transaction_volume, version, state: state.clone() };
        events.push(NewEvent::by_engine(now(), told));
        changes.push(Change::Entity(EntityChange::SetGenerationState { transaction_volume, version, state }));
    }
    // Nobody knows whether their volumes were used since.
    for backup_volume in records.released.keys().copied() {
        changes.push(Change::Entity(EntityChange::ForgetReleased { backup_volume }));
    }
    if !changes.is_empty() {
        tracing::error!(generations = changes.len(), "kept generations are in doubt: the audit's heads are gone");
        catalogue.commit(changes, events).await?;
    }
    Ok(())
}

fn unreadable(file: &Path, error: &std::io::Error) -> ServeError {
    ServeError::Site(format!("{}: {error}", file.display()))
}

fn roles(config: &Config) -> Result<Roles, ServeError> {
    let resolved = config.roles.resolve_here().map_err(told)?;
    let members = |of: ResolvedMembers| Members { users: of.users, groups: of.groups };
    let mut roles = Roles::default();
    roles.socket_group = resolved.socket_group;
    roles.administrators = members(resolved.administrators);
    roles.operators = members(resolved.operators);
    roles.viewers = members(resolved.viewers);
    Ok(roles)
}

fn limits(config: &Config) -> Limits {
    Limits {
        send: config.limits.command,
        busy: config.limits.busy,
        observe: config.limits.observed,
        accepted: config.limits.accepted,
        unreadable: config.limits.unreadable,
        ..Limits::default()
    }
}
