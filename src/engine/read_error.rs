//! Why there is no reading of an array.

use crate::catalog::CatalogueError;
use crate::driver::DriverError;
use crate::model::identity::BoxId;
use std::time::Duration;

/// An array that was not read. Several may have waited for the same reading, so it can be cloned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("the engine is ending")]
    EngineEnds,
    #[error("no configured array has this box id")]
    NotConfigured,
    #[error("box {0} answers instead of the known one")]
    AnotherBox(BoxId),
    /// The driver's answer, without the array's name: whoever shows it names the array.
    #[error("{}", .0.about_it())]
    Driver(DriverError),
    #[error("the driver failed: {0}")]
    DriverFailed(String),
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
    /// What was learned of the array could not be kept: the catalogue's reason.
    #[error("{0}")]
    Catalogue(String),
}

impl From<CatalogueError> for ReadError {
    fn from(error: CatalogueError) -> Self {
        Self::Catalogue(error.to_string())
    }
}
