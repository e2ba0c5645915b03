//! The demonstration site: arrays and a catalogue that look like a site after some weeks, on real bytes.
//!
//! Belongs here: reading its declaration, making it once. Does not: anything that a site does afterwards; it is a site
//! like any other, but marked.

mod arrays;
mod declaration;
mod records;

pub use declaration::{Declaration, DeclarationError, Live, LiveState};
pub use records::of as records_of;

use crate::catalog::sql::FORMAT;
use crate::catalog::{Catalogue, CatalogueError};
use crate::config::{Array, Config, ControlPlane};
use crate::driver::emulated::admin::{Admin, AdminError, Administration};
use crate::model::event::{EventKind, NewEvent};
use crate::model::units::Timestamp;
use crate::process::life::{self, LifeError};
use crate::process::paths::Home;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no demonstration site.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    #[error("the demonstration site's arrays could not be made: {0}")]
    Arrays(#[from] AdminError),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Life(#[from] LifeError),
    #[error("what is left of an earlier demonstration site in {folder:?} cannot be removed: {error}")]
    Leftovers { folder: PathBuf, error: std::io::Error },
}

/// Somebody looks at it right now, and its arrays cost nothing to ask.
const POLL: Duration = Duration::from_secs(1);

/// The demonstration site's configuration: it reads no file.
pub fn configuration() -> Result<Config, DeclarationError> {
    let declaration = Declaration::built_in()?;
    let mut config = Config::of_site(declaration.site.clone());
    config.engine.poll = POLL;
    config.arrays = declaration
        .arrays
        .iter()
        .map(|array| Array {
            name: array.name.clone(),
            control: ControlPlane::Embedded { home: None },
            forced_stop: None,
        })
        .collect();
    Ok(config)
}

/// Makes the site in its home, unless it was made before. The catalogue's first commit is the last thing that is done, so
/// that a site that was cut off in the making is made again.
pub async fn make_once(home: &Home, catalogue: &dyn Catalogue, now: Timestamp) -> Result<(), DemoError> {
    if catalogue.head().await?.sequence > 0 {
        return Ok(());
    }
    let declaration = Declaration::built_in()?;
    remove_leftovers(home).await?;
    Admin::new(home.clone(), true).provision(arrays::of(&declaration)).await?;
    let (changes, mut events) = records_of(&declaration, now);
    events.insert(0, NewEvent::by_engine(now, EventKind::CatalogueMade { format: FORMAT, demo: true }));
    catalogue.commit(changes, events).await?;
    Ok(())
}

/// Arrays without a catalogue: their making was cut off.
async fn remove_leftovers(home: &Home) -> Result<(), DemoError> {
    let folder = home.arrays_dir();
    if !folder.exists() {
        return Ok(());
    }
    // A server that is not there needs no end.
    let _ = Admin::new(home.clone(), false).tell(Administration::Stop).await;
    // The next server must not meet the one that is ending.
    let place = home.array_server();
    let free = tokio::task::spawn_blocking(move || life::wait_until_it_is_free(&place)).await;
    free.map_err(std::io::Error::other).map_err(|error| DemoError::Leftovers { folder: folder.clone(), error })??;
    std::fs::remove_dir_all(&folder).map_err(|error| DemoError::Leftovers { folder, error })
}
