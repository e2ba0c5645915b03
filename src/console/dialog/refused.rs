//! The refusal dialog: why not, what nearly fits, and requests that lead on.

use crate::model::plan::Refusal;
use crate::model::request::Request;

/// A request that the rules refuse. It is asked again with every snapshot: what becomes possible turns into its plan.
#[derive(Debug, Clone)]
pub struct RefusedDialog {
    pub request: Request,
    pub refusal: Refusal,
    pub ticket: Option<u64>,
    /// The engine said it. The rules here know less: they cannot ask a host.
    pub by_engine: bool,
    pub scroll: usize,
}

impl RefusedDialog {
    pub fn new(request: Request, refusal: Refusal) -> Self {
        Self { request, refusal, ticket: None, by_engine: false, scroll: 0 }
    }
}
