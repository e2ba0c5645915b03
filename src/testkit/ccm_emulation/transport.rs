//! The emulation as a transport of the driver, without processes in between.

use super::Emulation;
use crate::driver::transport::argv::Argv;
use crate::driver::transport::{ExecError, RawReply, Transport};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// Runs command lines in the emulation itself.
#[derive(Clone)]
pub struct InProcess(pub Arc<Emulation>);

impl Transport for InProcess {
    fn exec<'a>(&'a self, argv: &'a Argv, _limit: Duration) -> BoxFuture<'a, Result<RawReply, ExecError>> {
        Box::pin(async move {
            let words: Vec<&str> = argv.words().collect();
            Ok(self.0.run(&words).await)
        })
    }

    fn place(&self) -> String {
        "in the emulation".to_owned()
    }
}
