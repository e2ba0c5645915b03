//! Makes the drivers of a configuration's arrays, and examines the ways to one.

use crate::config::{Config, ControlPlane};
use crate::driver::Driver;
use crate::driver::failover::FailoverDriver;
use crate::driver::kind::{ConnectError, Connecting, NoExamination, Shared};
use crate::engine::ConfiguredArray;
use crate::model::check::{Check, Way};
use crate::model::units::Timestamp;
use crate::process::paths::Home;
use std::sync::Arc;

/// The site of a configuration, for making drivers. `alone`: with connections of this process, for a look at what is wrong.
pub fn connecting<'a>(home: &'a Home, config: &'a Config, alone: bool) -> Connecting<'a> {
    let arrays = config.arrays.iter().map(|array| (&array.name, array.control.array_config()));
    Connecting { home, arrays: arrays.collect(), rec: &config.rec, shared: Shared::default(), alone }
}

/// The drivers, in the configuration's order.
pub fn of(home: &Home, config: &Config) -> Result<Vec<ConfiguredArray>, ConnectError> {
    let mut site = connecting(home, config, false);
    let mut made = Vec::with_capacity(config.arrays.len());
    for array in &config.arrays {
        let mut by = |control: &ControlPlane| control.array_config().connect(&array.name, &mut site);
        let primary = by(&array.control)?;
        let driver: Arc<dyn Driver> = match &array.forced_stop {
            Some(fallback) => Arc::new(FailoverDriver::new(array.name.as_str(), primary, by(fallback)?)),
            None => primary,
        };
        made.push(ConfiguredArray { name: array.name.clone(), driver });
    }
    Ok(made)
}

/// Why the ways to an array are not examined.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    #[error("the configuration has no array {0:?}")]
    NoSuchArray(String),
    #[error(transparent)]
    Not(#[from] NoExamination),
}

/// Examines the ways to an array that the configuration has. A way that needs none is left out, unless the other does, too.
pub async fn examine(home: &Home, config: &Config, array: &str, now: Timestamp) -> Result<Vec<Check>, ExamineError> {
    let found = config.arrays.iter().find(|one| one.name.as_str() == array);
    let found = found.ok_or_else(|| ExamineError::NoSuchArray(array.to_owned()))?;
    let ways = [(Way::First, Some(&found.control)), (Way::Second, found.forced_stop.as_ref())];
    let mut checks = Vec::new();
    let mut needless = None;
    for (way, control) in ways {
        let Some(control) = control else { continue };
        // Each on connections of its own: the second must not live on what the first has opened.
        let begun = {
            let mut site = connecting(home, config, true);
            control.array_config().examine(&found.name, &mut site, now)
        };
        match begun {
            Ok(examined) => checks.extend(examined.await.into_iter().map(|check| Check { way, ..check })),
            Err(NoExamination::Needless(why)) => needless = needless.or(Some(why)),
            Err(why) => return Err(why.into()),
        }
    }
    match needless {
        Some(why) if checks.is_empty() => Err(NoExamination::Needless(why).into()),
        _ => Ok(checks),
    }
}
