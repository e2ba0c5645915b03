//! The file as serde reads it, and the checks that need more than one key.

use super::ccm::{CcmKeys, ccm};
use super::error::{Fault, closest, line_of, syntax};
use super::hooks::{HookKeys, HostKeys, hooks, hosts};
use super::roles::{Member, Members};
use super::{
    Array, Binding, Config, Console, ControlPlane, Engine, Glyphs, Limits, Log, LogLevel, Roles, Theme, duration,
};
use crate::model::catalogue_url::CataloguePlace;
use crate::model::identity::Name;
use crate::model::session::{Automation, RecModes, TransferMode};
use serde::Deserialize;
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
    #[serde(default)]
    array: Vec<ArrayKeys>,
    #[serde(default)]
    rec: Vec<RecKeys>,
    #[serde(default)]
    host: Vec<HostKeys>,
    #[serde(default)]
    hook: Vec<HookKeys>,
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
struct ArrayKeys {
    name: Spanned<String>,
    driver: Spanned<Driver>,
    home: Option<Spanned<PathBuf>>,
    ccm: Option<Spanned<CcmKeys>>,
    forced_stop: Option<ControlKeys>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlKeys {
    driver: Spanned<Driver>,
    home: Option<Spanned<PathBuf>>,
    ccm: Option<Spanned<CcmKeys>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Driver {
    Embedded,
    Ccm,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecKeys {
    from: Spanned<String>,
    to: Spanned<String>,
    #[serde(default)]
    transfer: TransferMode,
    split: Option<Spanned<Automation>>,
    #[serde(default)]
    recovery: Automation,
}

/// Readings more often than this load an array, less often the screen lies.
const POLL: RangeInclusive<Duration> = Duration::from_millis(200)..=Duration::from_mins(5);
/// A limit of nothing refuses everything; one of a day is none.
pub(super) const LIMIT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(24);
const FPS: RangeInclusive<u8> = 1..=60;
const KEPT_LOGS: RangeInclusive<u16> = 1..=3_660;
const LOG_FILE_MIB: RangeInclusive<u16> = 1..=1_024;

pub fn read(text: &str) -> Result<Config, Fault> {
    if let Some(fault) = syntax(text) {
        return Err(fault);
    }
    let file: File = toml::from_str(text)?;
    let arrays = arrays(&file.array)?;
    let hosts = hosts(&file.host)?;
    Ok(Config {
        site: name(&file.site)?,
        engine: engine(&file.engine)?,
        limits: limits(&file.limits)?,
        catalogue: file.catalogue.url.as_ref().map(catalogue).transpose()?,
        log: log(&file.log)?,
        rec: rec(&file.rec, &arrays)?,
        arrays,
        hooks: hooks(&file.hook, &hosts)?,
        hosts,
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

pub(super) fn time(
    written: Option<&Spanned<String>>,
    usual: Duration,
    range: RangeInclusive<Duration>,
) -> Result<Duration, Fault> {
    let Some(written) = written else { return Ok(usual) };
    let time = duration::parse(written.get_ref()).map_err(|why| Fault::at(written, why))?;
    if range.contains(&time) {
        return Ok(time);
    }
    let (least, most) = range.into_inner();
    Err(Fault::at(written, format!("{time:?} is out of range: give a time from {least:?} to {most:?}")))
}

fn catalogue(url: &Spanned<String>) -> Result<CataloguePlace, Fault> {
    url.get_ref().parse().map_err(|why| Fault::at(url, format!("{why}")))
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

fn arrays(written: &[ArrayKeys]) -> Result<Vec<Array>, Fault> {
    let mut arrays: Vec<Array> = Vec::with_capacity(written.len());
    for keys in written {
        let name = name(&keys.name)?;
        if arrays.iter().any(|array| array.name == name) {
            return Err(Fault::at(&keys.name, format!("another array is called {name}: give each its own name")));
        }
        let control = control_plane(&keys.driver, keys.home.as_ref(), keys.ccm.as_ref(), "[array.ccm]")?;
        let forced_stop = keys.forced_stop.as_ref();
        let second = |keys: &ControlKeys| {
            control_plane(&keys.driver, keys.home.as_ref(), keys.ccm.as_ref(), "[array.forced_stop.ccm]")
        };
        let forced_stop = forced_stop.map(second).transpose()?;
        arrays.push(Array { name, control, forced_stop });
    }
    Ok(arrays)
}

fn control_plane(
    driver: &Spanned<Driver>,
    home: Option<&Spanned<PathBuf>>,
    keys: Option<&Spanned<CcmKeys>>,
    table: &str,
) -> Result<ControlPlane, Fault> {
    match (driver.get_ref(), home, keys) {
        (Driver::Embedded, home, None) => Ok(ControlPlane::Embedded { home: home.map(absolute).transpose()? }),
        (Driver::Embedded, _, Some(keys)) => {
            Err(Fault::at(keys, "this is for driver = \"ccm\"; the driver above is \"embedded\""))
        }
        (Driver::Ccm, None, Some(keys)) => Ok(ControlPlane::Ccm(Box::new(ccm(keys.get_ref())?))),
        (Driver::Ccm, Some(home), _) => Err(Fault::at(home, "this is for driver = \"embedded\"")),
        (Driver::Ccm, _, None) => {
            Err(Fault::at(driver, format!("this driver needs an {table} table that names the array as CCM does")))
        }
    }
}

fn rec(written: &[RecKeys], arrays: &[Array]) -> Result<BTreeMap<(Name, Name), RecModes>, Fault> {
    let mut modes = BTreeMap::new();
    for keys in written {
        let (from, to) = (array_name(&keys.from, arrays)?, array_name(&keys.to, arrays)?);
        if from == to {
            return Err(Fault::at(&keys.to, "a remote copy goes to another array: inside one it has no modes"));
        }
        if let Some(split) = &keys.split
            && keys.transfer != TransferMode::Synchronous
        {
            return Err(Fault::at(split, "split goes with synchronous transfer only: leave it away"));
        }
        let split = keys.split.as_ref().map_or(Automation::default(), |split| *split.get_ref());
        let made = RecModes { transfer: keys.transfer, split, recovery: keys.recovery };
        if modes.insert((from.clone(), to.clone()), made).is_some() {
            return Err(Fault::at(&keys.from, format!("the modes from {from} to {to} are here twice: keep one")));
        }
    }
    Ok(modes)
}

fn array_name(written: &Spanned<String>, arrays: &[Array]) -> Result<Name, Fault> {
    let known = || arrays.iter().map(|array| array.name.as_str());
    if let Some(array) = arrays.iter().find(|array| array.name.as_str() == written.get_ref()) {
        return Ok(array.name.clone());
    }
    let hint = match closest(written.get_ref(), known()) {
        Some(close) => format!("did you mean {close}?"),
        None => "name one of the [[array]] tables".to_owned(),
    };
    Err(Fault::at(written, format!("there is no array {:?}; {hint}", written.get_ref())))
}

pub(super) fn name(written: &Spanned<String>) -> Result<Name, Fault> {
    written.get_ref().parse().map_err(|why| Fault::at(written, format!("{why}")))
}

pub(super) fn absolute(path: &Spanned<PathBuf>) -> Result<PathBuf, Fault> {
    if path.get_ref().is_absolute() {
        return Ok(path.get_ref().clone());
    }
    let written = path.get_ref().display();
    Err(Fault::at(path, format!("{written} depends on where the program was started: write the path from / on")))
}

fn in_range<T: PartialOrd + Copy + std::fmt::Display>(
    written: &Spanned<T>,
    range: &RangeInclusive<T>,
) -> Result<T, Fault> {
    let value = *written.get_ref();
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Fault::at(written, format!("{value} is out of range: give {} to {}", range.start(), range.end())))
}
