//! The file as serde reads it, and the checks that need more than one key.

use super::arrays::{arrays, rec};
use super::hooks::{HookKeys, HostKeys, hooks, hosts};
use super::notify::{NotifyKeys, notify};
use super::pools::{PoolKeys, pools};
use super::roles::{Member, Members};
use super::{Binding, Config, Console, Engine, Glyphs, Limits, Log, LogLevel, Roles, Theme};
use crate::config_keys::{Fault, LIMIT, absolute, checked, in_range, line_of, name, syntax, time};
use crate::driver::kind::DriverKind;
use crate::model::identity::Name;
use crate::model::session::{Automation, TransferMode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    site: Spanned<String>,
    #[serde(default)]
    engine: EngineKeys,
    #[serde(default)]
    limits: LimitKeys,
    #[serde(default)]
    catalogue: CatalogueKeys,
    #[serde(default)]
    log: LogKeys,
    #[serde(default)]
    roles: RoleKeys,
    #[serde(default)]
    console: ConsoleKeys,
    /// Read key by key: each driver has its own.
    #[serde(default, rename = "array")]
    _arrays: Vec<IgnoredAny>,
    #[serde(default)]
    rec: Vec<RecKeys>,
    #[serde(default)]
    host: Vec<HostKeys>,
    #[serde(default)]
    hook: Vec<HookKeys>,
    notify: Option<NotifyKeys>,
    #[serde(default)]
    pool: Vec<PoolKeys>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EngineKeys {
    poll: Option<Spanned<String>>,
    group: Option<Member>,
    idle_end: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitKeys {
    reading: Option<Spanned<String>>,
    command: Option<Spanned<String>>,
    busy: Option<Spanned<String>>,
    observed: Option<Spanned<String>>,
    accepted: Option<Spanned<String>>,
    unreadable: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueKeys {
    url: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogKeys {
    level: Option<LogLevel>,
    folder: Option<Spanned<PathBuf>>,
    keep: Option<Spanned<u16>>,
    file_mib: Option<Spanned<u16>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleKeys {
    #[serde(default)]
    administrators: Members,
    #[serde(default)]
    operators: Members,
    #[serde(default)]
    viewers: Members,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsoleKeys {
    fps: Option<Spanned<u8>>,
    theme: Option<Theme>,
    glyphs: Option<Glyphs>,
    slow: Option<bool>,
    #[serde(default)]
    keys: BTreeMap<String, Spanned<Vec<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecKeys {
    pub from: Spanned<String>,
    pub to: Spanned<String>,
    #[serde(default)]
    pub transfer: TransferMode,
    pub split: Option<Spanned<Automation>>,
    #[serde(default)]
    pub recovery: Automation,
}

/// Readings more often than this load an array, less often the screen lies.
const POLL: RangeInclusive<Duration> = Duration::from_millis(200)..=Duration::from_mins(5);
const FPS: RangeInclusive<u8> = 1..=60;
const KEPT_LOGS: RangeInclusive<u16> = 1..=3_660;
const LOG_FILE_MIB: RangeInclusive<u16> = 1..=1_024;

pub fn read(text: &str, drivers: &[&'static dyn DriverKind]) -> Result<Config, Fault> {
    if let Some(fault) = syntax(text) {
        return Err(fault);
    }
    let file: File = toml::from_str(text)?;
    let arrays = arrays(text, drivers)?;
    let (hosts, services) = hosts(&file.host)?;
    let places: Vec<Name> =
        hosts.iter().map(|host| &host.name).chain(services.iter().map(|one| &one.name)).cloned().collect();
    Ok(Config {
        site: name(&file.site)?,
        engine: engine(&file.engine)?,
        limits: limits(&file.limits)?,
        catalogue: file.catalogue.url.as_ref().map(checked).transpose()?,
        log: log(&file.log)?,
        rec: rec(&file.rec, &arrays)?,
        pools: pools(&file.pool, &arrays, &places)?,
        arrays,
        hooks: hooks(&file.hook, &places)?,
        notify: file.notify.as_ref().map(|keys| notify(keys, &hosts)).transpose()?,
        hosts,
        services,
        roles: Roles {
            socket_group: file.engine.group,
            administrators: file.roles.administrators,
            operators: file.roles.operators,
            viewers: file.roles.viewers,
        },
        console: console(file.console, text)?,
    })
}

fn engine(keys: &EngineKeys) -> Result<Engine, Fault> {
    let usual = Engine::default();
    Ok(Engine {
        poll: time(keys.poll.as_ref(), usual.poll, POLL)?,
        idle_end: time(keys.idle_end.as_ref(), usual.idle_end, LIMIT)?,
    })
}

fn limits(keys: &LimitKeys) -> Result<Limits, Fault> {
    let usual = Limits::default();
    Ok(Limits {
        reading: time(keys.reading.as_ref(), usual.reading, LIMIT)?,
        command: time(keys.command.as_ref(), usual.command, LIMIT)?,
        busy: time(keys.busy.as_ref(), usual.busy, LIMIT)?,
        observed: time(keys.observed.as_ref(), usual.observed, LIMIT)?,
        accepted: time(keys.accepted.as_ref(), usual.accepted, LIMIT)?,
        unreadable: time(keys.unreadable.as_ref(), usual.unreadable, LIMIT)?,
    })
}

fn log(keys: &LogKeys) -> Result<Log, Fault> {
    let usual = Log::default();
    Ok(Log {
        level: keys.level.unwrap_or(usual.level),
        folder: keys.folder.as_ref().map(absolute).transpose()?,
        keep: keys.keep.as_ref().map_or(Ok(usual.keep), |keep| in_range(keep, &KEPT_LOGS))?,
        file_mib: keys.file_mib.as_ref().map_or(Ok(usual.file_mib), |size| in_range(size, &LOG_FILE_MIB))?,
    })
}

fn console(keys: ConsoleKeys, text: &str) -> Result<Console, Fault> {
    let usual = Console::default();
    let mut bound = BTreeMap::new();
    for (command, keys) in keys.keys {
        if keys.get_ref().is_empty() {
            return Err(Fault::at(
                &keys,
                "a command without a key cannot be reached: give one, or leave the line away",
            ));
        }
        let line = line_of(text, keys.span().start);
        bound.insert(command, Binding { keys: keys.into_inner(), line });
    }
    Ok(Console {
        fps: keys.fps.as_ref().map_or(Ok(usual.fps), |fps| in_range(fps, &FPS))?,
        theme: keys.theme.unwrap_or(usual.theme),
        glyphs: keys.glyphs.unwrap_or(usual.glyphs),
        slow: keys.slow.unwrap_or(usual.slow),
        keys: bound,
    })
}
