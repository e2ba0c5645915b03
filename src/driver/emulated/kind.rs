//! The entry of the embedded array among all drivers: how it is configured and made.

use super::admin::{Admin, Administration, Created, NewBox, NewVolumes};
use super::driver::Embedded as EmbeddedDriver;
use super::rule_table::RuleSet;
use crate::config_keys::{Fault, Table, absolute};
use crate::driver::Driver;
use crate::driver::kind::{ArrayConfig, ConnectError, Connecting, DriverKind, NoExamination};
use crate::model::check::Check;
use crate::model::identity::Name;
use crate::model::units::{Blocks, Timestamp};
use crate::process::paths::Home;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use toml::Spanned;

/// Volumes of an array to practise on: two to work with, and a pool for three generations of one or of both.
const PRACTICE_DATA: u32 = 2;
const PRACTICE_POOL: u32 = 6;
const PRACTICE_SIZE: Blocks = Blocks::from_mib(64);

/// `driver = "embedded"`.
#[derive(Debug)]
pub struct Embedded;

/// What the configuration says of an embedded array.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmbeddedConfig {
    /// The folder with its volumes; in the site's home when `None`.
    pub home: Option<PathBuf>,
    /// The rules that the array shall go by; those that it has when `None`.
    pub rules: Option<RuleSet>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    home: Option<Spanned<PathBuf>>,
    rules: Option<RuleSet>,
}

impl DriverKind for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn keys(&self) -> &'static [&'static str] {
        &["home", "rules"]
    }

    fn configure(&self, table: Table<'_>, _driver: &Spanned<String>) -> Result<Arc<dyn ArrayConfig>, Fault> {
        let Keys { home, rules } = table.read()?;
        Ok(Arc::new(EmbeddedConfig { home: home.as_ref().map(absolute).transpose()?, rules }))
    }

    fn example(&self) -> &'static str {
        ""
    }

    fn find<'a>(&'a self, home: &'a Home) -> BoxFuture<'a, Result<Vec<Name>, String>> {
        Box::pin(async move {
            match home.arrays_dir().try_exists() {
                Ok(false) => return Ok(Vec::new()),
                Ok(true) => {}
                Err(why) => return Err(format!("whether there are embedded arrays cannot be seen: {why}")),
            }
            let listed = Admin::new(home.clone(), true).list().await.map_err(|why| why.to_string())?;
            Ok(listed.arrays.into_iter().map(|array| array.name).collect())
        })
    }

    fn practice(&self) -> Option<&'static str> {
        Some("an embedded array to practise on")
    }

    fn make_for_practice<'a>(
        &'a self,
        home: &'a Home,
        array: &'a Name,
    ) -> Option<BoxFuture<'a, Result<String, String>>> {
        Some(Box::pin(async move {
            let admin = Admin::new(home.clone(), true);
            for (label, count) in [("data", PRACTICE_DATA), ("pool", PRACTICE_POOL)] {
                let volumes = NewVolumes { olu: None, label: label.to_owned(), blocks: PRACTICE_SIZE, count };
                let array = NewBox { name: array.clone(), box_id: None };
                let made = admin.ask::<Created>(Administration::Create { array, volumes: Some(volumes) });
                made.await.map_err(|why| why.to_string())?;
            }
            let volumes = PRACTICE_DATA + PRACTICE_POOL;
            Ok(format!("embedded array {array} is made, with {volumes} volumes of {PRACTICE_SIZE}"))
        }))
    }
}

impl ArrayConfig for EmbeddedConfig {
    fn connect(&self, array: &Name, site: &mut Connecting<'_>) -> Result<Arc<dyn Driver>, ConnectError> {
        let home = self.home.as_deref().map_or_else(|| site.home.clone(), Home::in_folder);
        Ok(Arc::new(EmbeddedDriver::new(home, array.to_string(), true).with_rules(self.rules)))
    }

    fn examine(
        &self,
        array: &Name,
        _site: &mut Connecting<'_>,
        _now: Timestamp,
    ) -> Result<BoxFuture<'static, Vec<Check>>, NoExamination> {
        let why = format!("{array} is an embedded array: `ecdeck array list` shows whether it answers");
        Err(NoExamination::Needless(why))
    }
}
