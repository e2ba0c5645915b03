//! The demonstration site: arrays and a catalogue that look like a site after some weeks, on real bytes.
//!
//! Belongs here: reading its declaration, making it once. Does not: anything that a site does afterwards; it is a site
//! like any other, but marked.

mod arrays;
mod declaration;
mod groups;
mod host;
mod records;

pub use declaration::{Declaration, DeclarationError, Live, LiveState};
pub use host::DemoHost;
pub use records::of as records_of;

use crate::catalog::sql::FORMAT;
use crate::catalog::{Catalogue, CatalogueError};
use crate::config::{Array, Config, ControlPlane};
use crate::driver::emulated::admin::{Admin, AdminError, Administration};
use crate::driver::emulated::data::{image_in, volumes_in};
use crate::driver::emulated::kind;
use crate::model::event::{EventKind, NewEvent};
use crate::model::hook::{Hook, HookNeed};
use crate::model::identity::Name;
use crate::model::units::Timestamp;
use crate::process::instance::{self, InstanceError};
use crate::process::paths::Home;
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Why there is no demonstration site.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    #[error("the demonstration site's arrays could not be made: {0}")]
    Arrays(#[from] AdminError),
    #[error("the disks of the demonstration's host could not be labelled: {0}")]
    Host(String),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Life(#[from] InstanceError),
    #[error(
        "{} has volumes that the demonstration site did not make: it is not made over them; move that folder away, or use \
         another ECDECK_HOME",
        .0.display()
    )]
    NotOurs(PathBuf),
    #[error("what is left of an earlier demonstration site in {folder:?} cannot be removed: {error}")]
    Leftovers { folder: PathBuf, error: std::io::Error },
    #[error(
        "the demonstration site cannot write in {folder:?}: {error}; free space there, or correct the folder's permissions"
    )]
    Unmarked { folder: PathBuf, error: std::io::Error },
}

/// Somebody looks at it right now, and its arrays cost nothing to ask.
const POLL: Duration = Duration::from_secs(1);

/// The demonstration site's configuration: it reads no file.
pub fn configuration(home: &Home) -> Result<Config, DeclarationError> {
    let declaration = Declaration::built_in()?;
    let mut config = Config::of_site(declaration.site.clone());
    config.engine.poll = POLL;
    config.hooks = hook(home).into_iter().collect();
    config.arrays = declaration
        .arrays
        .iter()
        .map(|array| Array {
            name: array.name.clone(),
            control: ControlPlane::new(&kind::Embedded, Arc::new(kind::EmbeddedConfig::default())),
            forced_stop: None,
        })
        .collect();
    Ok(config)
}

/// The host, which is emulated, by its name.
pub fn host(home: &Home) -> Option<(Name, DemoHost)> {
    Some((groups::host_name()?, DemoHost::new(Admin::new(home.clone(), true))))
}

/// A line in a log before and after each backup and each restore of the volume group: what a script would be told.
fn hook(home: &Home) -> Option<Hook> {
    const SCRIPT: &str =
        "echo \"$(date '+%F %T') $ECDECK_PHASE of $ECDECK_VOLUME, result ${ECDECK_RESULT:-none yet}\" >> \"$DEMO_LOG\"";
    let script = Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), SCRIPT.to_owned()]);
    let log = home.state_dir().join("demo-hook.log");
    Some(Hook {
        name: "demo-log".parse().ok()?,
        volumes: vec!["demo-lvm01".parse().ok()?],
        before_backup: script.clone(),
        after_backup: script.clone(),
        before_restore: script.clone(),
        after_restore: script,
        need: HookNeed::Advisory,
        host: None,
        run_as: None,
        limit_millis: 5_000,
        pause_millis: 30_000,
        environment: vec![("DEMO_LOG".to_owned(), log.to_str()?.to_owned())],
    })
}

/// Makes the site in its home, unless it was made before. The catalogue's first commit is the last thing that is done, so
/// that a site that was cut off in the making is made again.
pub async fn make_once(home: &Home, catalogue: &dyn Catalogue, now: Timestamp) -> Result<(), DemoError> {
    if catalogue.head().await?.sequence > 0 {
        return Ok(());
    }
    let declaration = Declaration::built_in()?;
    remove_leftovers(home, &declaration).await?;
    mark_as_ours(&home.arrays_dir())?;
    let admin = Admin::new(home.clone(), true);
    admin.provision(arrays::of(&declaration)).await?;
    DemoHost::prepare(&admin).await.map_err(DemoError::Host)?;
    let (changes, mut events) = records_of(&declaration, now);
    events.insert(0, NewEvent::by_engine(now, EventKind::CatalogueMade { format: FORMAT, demo: true }));
    catalogue.commit(changes, events).await?;
    Ok(())
}

/// Lies among the arrays as long as they do, and says who made them. It goes wherever that folder goes.
const MARK: &str = "made-by-the-demonstration";

/// Before the first volume is made, so that no cut leaves volumes of nobody.
fn mark_as_ours(folder: &Path) -> Result<(), DemoError> {
    let make = || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut mark = File::create(folder.join(MARK))?;
        mark.write_all(b"The demonstration site made its volumes here. It may make them again.\n")?;
        mark.sync_all()?;
        File::open(folder)?.sync_all()
    };
    make().map_err(|error| DemoError::Unmarked { folder: folder.to_owned(), error })
}

/// Whether a folder of arrays has a volume that the demonstration site did not make. In a folder without the mark it made
/// none; in one with it, it made those of its declaration.
fn has_volumes_of_others(folder: &Path, declaration: &Declaration) -> std::io::Result<bool> {
    let ours: BTreeSet<PathBuf> = if folder.join(MARK).try_exists()? {
        declaration.volumes().map(|(id, _)| image_in(folder, id)).collect()
    } else {
        BTreeSet::new()
    };
    for array in std::fs::read_dir(folder)? {
        match std::fs::read_dir(volumes_in(&array?.path())) {
            Ok(found) => {
                for volume in found {
                    if !ours.contains(&volume?.path()) {
                        return Ok(true);
                    }
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Arrays without a catalogue: their making was cut off, or the catalogue is lost. Volumes that somebody else made there
/// are not touched.
async fn remove_leftovers(home: &Home, declaration: &Declaration) -> Result<(), DemoError> {
    let folder = home.arrays_dir();
    if !folder.exists() {
        return Ok(());
    }
    let unread = |error| DemoError::Leftovers { folder: folder.clone(), error };
    if has_volumes_of_others(&folder, declaration).map_err(unread)? {
        return Err(DemoError::NotOurs(folder));
    }
    // A server that is not there needs no end.
    let _ = Admin::new(home.clone(), false).tell(Administration::Stop).await;
    // The next server must not meet the one that is ending.
    let place = home.array_server();
    let free = tokio::task::spawn_blocking(move || instance::wait_until_it_is_free(&place, None)).await;
    free.map_err(std::io::Error::other).map_err(|error| DemoError::Leftovers { folder: folder.clone(), error })??;
    remove_arrays(&folder).map_err(|error| DemoError::Leftovers { folder, error })
}

/// The mark stays: a cut in the removal must not leave volumes of nobody.
fn remove_arrays(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != MARK {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
