//! A transport for tests: another transport, or a function, with injected faults in between.

use crate::driver::transport::argv::Argv;
use crate::driver::transport::{ExecError, RawReply, Transport, ssh, unless_never_run};
use crate::model::copy::ErrorClass;
use crate::model::untrusted::Untrusted;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What goes wrong with a command. It goes wrong once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InjectedFault {
    /// It ran, and the answer ends after so many bytes.
    CutAt(usize),
    /// It ran, and the line went before the answer came: a lost reply, a late one, or a server that went down after it.
    DoneAndLost,
    /// It did not run, and nobody can know: the line went with the command on it.
    NeverRunAndLost,
    /// The shell did not find it.
    MissingProgram,
    /// sudo wanted a password.
    NoRights,
    /// ssh did not connect, and said this.
    NotConnected(String),
    /// Another answer than the one given.
    Answers { exit: i32, stdout: Vec<u8> },
    /// Somebody else ran this first.
    After(Argv),
}

/// An injected fault for the next command whose line contains a text.
#[derive(Debug, Clone)]
struct Planned {
    line: String,
    fault: InjectedFault,
}

/// Passes commands on, keeps what was sent, and lets go wrong what was planned.
#[derive(Clone)]
pub struct Scripted {
    inner: Arc<dyn Transport>,
    planned: Arc<Mutex<Vec<Planned>>>,
    sent: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Scripted {
    pub fn over(inner: Arc<dyn Transport>) -> Self {
        Self { inner, planned: Arc::default(), sent: Arc::default() }
    }

    /// Plans an injected fault for the next command whose line contains `line`.
    pub fn plan(&self, line: &str, fault: InjectedFault) {
        self.planned.lock().push(Planned { line: line.to_owned(), fault });
    }

    /// The command lines so far, those that never arrived included.
    pub fn sent(&self) -> Vec<String> {
        self.sent.lock().iter().map(|(_, line)| line.clone()).collect()
    }

    /// The same, each with when it was sent.
    pub fn sent_at(&self) -> Vec<(Instant, String)> {
        self.sent.lock().clone()
    }

    /// Forgets the command lines so far.
    pub fn forget(&self) {
        self.sent.lock().clear();
    }

    fn next(&self, line: &str) -> Option<InjectedFault> {
        let mut planned = self.planned.lock();
        let at = planned.iter().position(|planned| line.contains(&planned.line))?;
        Some(planned.remove(at).fault)
    }

    async fn run(&self, argv: &Argv, limit: Duration) -> Result<RawReply, ExecError> {
        let line = argv.to_string();
        self.sent.lock().push((Instant::now(), line.clone()));
        let lost = |why: &str| Err(ExecError::Lost { command: line.clone(), place: self.place(), why: why.into() });
        let reply = |exit, stderr: &str| RawReply { exit, stdout: Vec::new(), stderr: stderr.into() };
        match self.next(&line) {
            None => self.inner.exec(argv, limit).await,
            Some(InjectedFault::CutAt(at)) => {
                let mut reply = self.inner.exec(argv, limit).await?;
                reply.stdout.truncate(at);
                Ok(reply)
            }
            Some(InjectedFault::DoneAndLost) => {
                self.inner.exec(argv, limit).await?;
                lost("the connection was lost")
            }
            Some(InjectedFault::NeverRunAndLost) => lost("the connection was lost"),
            Some(InjectedFault::MissingProgram) => {
                unless_never_run(argv, &self.place(), reply(127, "sh: not found"), false)
            }
            Some(InjectedFault::NoRights) => {
                unless_never_run(argv, &self.place(), reply(1, "sudo: a password is required"), true)
            }
            Some(InjectedFault::NotConnected(told)) => {
                let (class, why) = ssh::why_not_connected(Some(255), &told);
                Err(ExecError::NotRun { command: line, place: self.place(), class, why: Untrusted::new(why) })
            }
            Some(InjectedFault::Answers { exit, stdout }) => Ok(RawReply { exit, stdout, stderr: Vec::new() }),
            Some(InjectedFault::After(first)) => {
                self.inner.exec(&first, limit).await?;
                self.inner.exec(argv, limit).await
            }
        }
    }
}

impl Transport for Scripted {
    fn exec<'a>(&'a self, argv: &'a Argv, limit: Duration) -> BoxFuture<'a, Result<RawReply, ExecError>> {
        Box::pin(self.run(argv, limit))
    }

    fn place(&self) -> String {
        self.inner.place()
    }
}

/// A transport made of a function from a command to an answer.
pub struct Function<F>(pub F);

impl<F: Fn(&Argv) -> RawReply + Send + Sync> Transport for Function<F> {
    fn exec<'a>(&'a self, argv: &'a Argv, _limit: Duration) -> BoxFuture<'a, Result<RawReply, ExecError>> {
        Box::pin(std::future::ready(Ok((self.0)(argv))))
    }

    fn place(&self) -> String {
        "in a script".to_owned()
    }
}

/// A server that nothing reaches.
pub struct Nowhere;

impl Transport for Nowhere {
    fn exec<'a>(&'a self, argv: &'a Argv, _limit: Duration) -> BoxFuture<'a, Result<RawReply, ExecError>> {
        Box::pin(std::future::ready(Err(ExecError::NotRun {
            command: argv.to_string(),
            place: self.place(),
            class: ErrorClass::Transport,
            why: "nothing is there".into(),
        })))
    }

    fn place(&self) -> String {
        "nowhere".to_owned()
    }
}
