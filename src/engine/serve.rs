//! The engine as a process: one per home, ready when it says so, ended by a signal or, when a command started it, by idleness.

use super::site::{Engine, Settings};
use crate::catalog::{Catalogue, CatalogueError};
use crate::model::codes::Code;
use crate::process::instance::{self, Claim, InstanceError, Ready};
use crate::process::paths::Home;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Life(#[from] InstanceError),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// What the site is made of could not be put together: a sentence.
    #[error("{0}")]
    Site(String),
    #[error("another engine serves {0} already")]
    Taken(String),
    #[error("signals cannot be received: {0}")]
    Signals(#[from] std::io::Error),
}

impl ServeError {
    /// The code of the cause: the one that its sentence names, where it names one.
    pub fn code(&self) -> Code {
        match self {
            Self::Catalogue(error) => error.code(),
            other => Code::named_in(&other.to_string()).unwrap_or(Code::ENGINE_NOT_STARTED),
        }
    }

    /// The sentence, with the code.
    pub fn told(&self) -> String {
        let (text, code) = (self.to_string(), self.code());
        if Code::named_in(&text).is_some() { text } else { format!("{text} ({code})") }
    }
}

/// Serves a home until it is asked to end. `prepare` opens the catalogue and builds the drivers; it is called when this
/// process is surely the home's engine. `detached`: a command started this process and waits for its word.
pub async fn serve<P, F>(home: &Home, detached: bool, prepare: P) -> Result<(), ServeError>
where
    P: FnOnce() -> F,
    F: Future<Output = Result<(Arc<dyn Catalogue>, Settings), ServeError>>,
{
    let mut ready = detached.then(instance::detach);
    let served = instance_lock(home, &mut ready, prepare).await;
    if let (Err(error), Some(ready)) = (&served, ready) {
        ready.fail(&error.told());
    }
    served
}

async fn instance_lock<P, F>(home: &Home, ready: &mut Option<Ready>, prepare: P) -> Result<(), ServeError>
where
    P: FnOnce() -> F,
    F: Future<Output = Result<(Arc<dyn Catalogue>, Settings), ServeError>>,
{
    instance::set_private_umask();
    let place = home.engine();
    let claimed = tokio::task::spawn_blocking(move || instance::claim_or_wait(&place)).await;
    let instance_lock = match claimed.map_err(|error| ServeError::Site(error.to_string()))?? {
        Claim::Ours(instance_lock) => instance_lock,
        Claim::Taken => {
            let Some(ready) = ready.take() else {
                return Err(ServeError::Taken(home.state_dir().display().to_string()));
            };
            // The starter only wants an engine: the one that was quicker will do.
            ready.say();
            return Ok(());
        }
    };
    let (catalogue, settings) = prepare().await?;
    let idle_end = settings.times.idle_end;
    let group = settings.roles.socket_group;
    let mut engine = Engine::start(catalogue, settings).await?;
    engine.listen(instance_lock.bind_for(group)?);
    let detached = ready.is_some();
    if let Some(ready) = ready.take() {
        ready.say();
    }
    tracing::info!(home = %home.state_dir().display(), "the engine serves");
    let idle = async {
        if detached {
            instance::idle_for(idle_end, || engine.is_idle()).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        asked = instance::asked_to_end() => asked?,
        () = idle => tracing::info!("nobody needs the engine: it ends"),
    }
    engine.end().await;
    Ok(())
}
