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
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
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
    #[error(
        "{} has volumes that the demonstration site did not make: it is not made over them; move that folder away, or use \
         another ECDECK_HOME",
        .0.display()
    )]
    NotOurs(PathBuf),
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
    let mark = begun_mark(home);
    let unwritten = |error| DemoError::Leftovers { folder: mark.clone(), error };
    std::fs::write(&mark, "The demonstration site is being made; what lies in `arrays` is its.\n")
        .map_err(unwritten)?;
    Admin::new(home.clone(), true).provision(arrays::of(&declaration)).await?;
    let (changes, mut events) = records_of(&declaration, now);
    events.insert(0, NewEvent::by_engine(now, EventKind::CatalogueMade { format: FORMAT, demo: true }));
    catalogue.commit(changes, events).await?;
    // One that stays behind is of no use any more: the catalogue says that the site was made.
    let _ = std::fs::remove_file(&mark);
    Ok(())
}

/// Lies beside the arrays while they are being made.
fn begun_mark(home: &Home) -> PathBuf {
    home.state_dir().join("arrays.being-made")
}

/// Whether a folder of arrays has a volume.
fn has_volumes(folder: &Path) -> std::io::Result<bool> {
    for array in std::fs::read_dir(folder)? {
        let volumes = array?.path().join("volumes");
        match std::fs::read_dir(&volumes).map(|mut found| found.next().is_some()) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Arrays without a catalogue: their making was cut off. Volumes that somebody else made there are not touched.
async fn remove_leftovers(home: &Home) -> Result<(), DemoError> {
    let folder = home.arrays_dir();
    if !folder.exists() {
        return Ok(());
    }
    let unread = |error| DemoError::Leftovers { folder: folder.clone(), error };
    if !begun_mark(home).exists() && has_volumes(&folder).map_err(unread)? {
        return Err(DemoError::NotOurs(folder));
    }
    // A server that is not there needs no end.
    let _ = Admin::new(home.clone(), false).tell(Administration::Stop).await;
    // The next server must not meet the one that is ending.
    let place = home.array_server();
    let free = tokio::task::spawn_blocking(move || life::wait_until_it_is_free(&place)).await;
    free.map_err(std::io::Error::other).map_err(|error| DemoError::Leftovers { folder: folder.clone(), error })??;
    std::fs::remove_dir_all(&folder).map_err(|error| DemoError::Leftovers { folder, error })
}
