//! The line to the engine as the verbs use it, and what `main` wires behind it.

use super::Trouble;
use crate::engine::protocol::{Answer, Ask};
use crate::model::snapshot::{Reach, Snapshot};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A future that is boxed, so that the traits are object-safe.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How long the first reading of an array is waited for before a verb looks at what there is.
const FIRST_READING: Duration = Duration::from_secs(5);

/// What a verb is going to do with the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Reading,
    Changing,
}

/// Opens the line to the site's engine, and starts the engine if need be.
pub trait House: Send + Sync {
    fn open(&self, need: Need) -> Pending<'_, Result<Link, Trouble>>;

    /// Whether documents are marked as the demonstration's.
    fn is_demo(&self) -> bool;
}

/// A line to an engine.
pub trait Channel: Send {
    fn ask(&mut self, ask: Ask) -> Pending<'_, Result<Answer, Trouble>>;

    /// The next snapshot that differs from the one given before; the first call gives the present one.
    fn next_snapshot(&mut self) -> Pending<'_, Result<Arc<Snapshot>, Trouble>>;
}

/// The line, with the questions that verbs have.
pub struct Link(Box<dyn Channel>);

impl Link {
    pub fn new(channel: impl Channel + 'static) -> Self {
        Self(Box::new(channel))
    }

    /// Asks, and makes an engine that could not into a trouble.
    pub async fn ask(&mut self, ask: Ask) -> Result<Answer, Trouble> {
        match self.0.ask(ask).await? {
            Answer::Failed { why } => Err(Trouble::failed(why)),
            answer => Ok(answer),
        }
    }

    pub async fn next_snapshot(&mut self) -> Result<Arc<Snapshot>, Trouble> {
        self.0.next_snapshot().await
    }

    /// A snapshot that every array has been asked for, as far as they answer within a few seconds.
    pub async fn snapshot(&mut self) -> Result<Arc<Snapshot>, Trouble> {
        if let Answer::Snapshot { snapshot } = self.ask(Ask::Snapshot).await?
            && !is_waiting(&snapshot)
        {
            return Ok(Arc::from(snapshot));
        }
        let until = Instant::now() + FIRST_READING;
        let mut newest = self.next_snapshot().await?;
        while is_waiting(&newest) {
            match tokio::time::timeout_at(until, self.next_snapshot()).await {
                Ok(snapshot) => newest = snapshot?,
                Err(_) => break,
            }
        }
        Ok(newest)
    }
}

fn is_waiting(snapshot: &Snapshot) -> bool {
    snapshot.arrays.iter().any(|array| array.reach == Reach::Waiting)
}

/// An answer to another question than the one that was asked.
pub fn unexpected(answer: &Answer) -> Trouble {
    let json = serde_json::to_string(answer).unwrap_or_default();
    let short: String = json.chars().take(80).collect();
    Trouble::failed(format!(
        "the engine answered something else than was asked: {}",
        crate::model::untrusted::Untrusted::new(short).escaped()
    ))
}
