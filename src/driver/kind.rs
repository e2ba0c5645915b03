//! A kind of driver: what the program has to know of it before it drives an array.
//!
//! A driver is one entry of [`super::DRIVERS`] and whatever stands behind it. Nothing else names one.

use super::Driver;
use super::set_up::SetUp;
use crate::config_keys::{Fault, Table};
use crate::model::check::Check;
use crate::model::identity::Name;
use crate::model::session::RecModes;
use crate::model::units::Timestamp;
use crate::process::paths::Home;
use futures_util::future::BoxFuture;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use toml::Spanned;

/// What configures, makes and examines drivers of one kind.
pub trait DriverKind: fmt::Debug + Send + Sync {
    /// As `driver = "..."` names it in the configuration, and in JSON.
    fn name(&self) -> &'static str;

    /// The keys that an array's table has for this driver, beside the common ones.
    fn keys(&self) -> &'static [&'static str];

    /// Reads and checks those keys; the table has no others. `driver`: where the configuration names the driver.
    ///
    /// # Errors
    /// What is wrong, with its place.
    fn configure(&self, table: Table<'_>, driver: &Spanned<String>) -> Result<Arc<dyn ArrayConfig>, Fault>;

    /// The lines of an `[[array]]` table behind its `driver`, as config.example.toml explains them: the least that works.
    fn example(&self) -> &'static str;

    /// The arrays of this kind that are there already, in this home. The error says why that cannot be seen.
    fn find<'a>(&'a self, _home: &'a Home) -> BoxFuture<'a, Result<Vec<Name>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// What an array to practise on is, for a list to choose from; `None` where there is no such thing.
    fn practice(&self) -> Option<&'static str> {
        None
    }

    /// Makes an array to practise on, and says what it has; `None` where there is no such thing.
    fn make_for_practice<'a>(
        &'a self,
        _home: &'a Home,
        _array: &'a Name,
    ) -> Option<BoxFuture<'a, Result<String, String>>> {
        None
    }

    /// How `array add` asks for such an array; `None` where there is nothing to ask.
    fn set_up(&self) -> Option<&'static dyn SetUp> {
        None
    }
}

/// What the configuration says of one array, checked by its driver.
pub trait ArrayConfig: fmt::Debug + Any + Send + Sync {
    /// Makes the driver. Nothing is sent.
    fn connect(&self, array: &Name, site: &mut Connecting<'_>) -> Result<Arc<dyn Driver>, ConnectError>;

    /// Starts to examine the way to the array, on a connection of its own.
    fn examine(
        &self,
        array: &Name,
        site: &mut Connecting<'_>,
        now: Timestamp,
    ) -> Result<BoxFuture<'static, Vec<Check>>, NoExamination>;
}

/// An array that cannot be driven as the configuration says.
#[derive(Debug, thiserror::Error)]
#[error("array {array}: {why}")]
pub struct ConnectError {
    pub array: Name,
    pub why: String,
}

/// Why an array is not examined.
#[derive(Debug, thiserror::Error)]
pub enum NoExamination {
    /// There is nothing between this program and the array that could be wrong: a sentence that says where to look.
    #[error("{0}")]
    Needless(String),
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// The site around an array, while its driver is made.
#[derive(Debug)]
pub struct Connecting<'a> {
    pub home: &'a Home,
    /// All arrays of the site.
    pub arrays: Vec<(&'a Name, &'a dyn ArrayConfig)>,
    /// By source and target array; what is not here has the default modes.
    pub rec: &'a BTreeMap<(Name, Name), RecModes>,
    pub shared: Shared,
    /// Connections are of this process alone: those of an engine that runs tell nothing of keys and rights of today.
    pub alone: bool,
}

/// What drivers of several arrays have in common, such as the server that all of them go through.
#[derive(Debug, Default)]
pub struct Shared(BTreeMap<String, Arc<dyn Any + Send + Sync>>);

impl Shared {
    /// The thing of a name, made where there is none yet. Names begin with that of the kind of driver.
    pub fn or_make<T, E>(&mut self, name: &str, make: impl FnOnce() -> Result<Arc<T>, E>) -> Result<Arc<T>, E>
    where
        T: Any + Send + Sync,
    {
        let known = self.0.get(name).map(Arc::clone).and_then(|known| known.downcast::<T>().ok());
        if let Some(known) = known {
            return Ok(known);
        }
        let made = make()?;
        self.0.insert(name.to_owned(), Arc::<T>::clone(&made));
        Ok(made)
    }
}
