//! The configured hosts, read when somebody needs to know what they see.

use crate::host::report::ReportsItself;
use crate::model::host_report::KernelGroups;
use crate::model::host_report::{HostReport, HostView};
use crate::model::identity::Name;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a look may use what somebody else had read.
const RECENT: Duration = Duration::from_secs(30);

/// How old a reading may be that one request shares between its own questions.
const JUST_NOW: Duration = Duration::from_secs(5);

/// One host. Askers that come while it is being read wait, and share the reading that began after they asked.
#[derive(Debug)]
struct OneHost {
    reporter: Arc<dyn ReportsItself>,
    last: Mutex<Option<(Instant, Arc<HostReport>)>>,
}

/// Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Arc<BTreeMap<Name, OneHost>>);

impl Hosts {
    pub fn new(reporters: impl IntoIterator<Item = (Name, Arc<dyn ReportsItself>)>) -> Self {
        let one = |(name, reporter)| (name, OneHost { reporter, last: Mutex::default() });
        Self(Arc::new(reporters.into_iter().map(one).collect()))
    }

    /// The reading of a host, begun after this was called. `None`: no such host is configured.
    pub async fn read(&self, name: &Name) -> Option<Arc<HostReport>> {
        let asked = Instant::now();
        let host = self.0.get(name)?;
        let mut last = host.last.lock().await;
        if let Some((began, report)) = &*last
            && *began >= asked
        {
            return Some(Arc::clone(report));
        }
        let began = Instant::now();
        let report = Arc::new(host.reporter.report().await);
        *last = Some((began, Arc::clone(&report)));
        Some(report)
    }

    /// Which groups are active on a host, read now by its kernel only. One reader at a time: somebody who reads all of the host
    /// is waited for. `None`: no such host is configured.
    pub async fn kernel_groups(&self, name: &Name) -> Option<KernelGroups> {
        let host = self.0.get(name)?;
        let _turn = host.last.lock().await;
        Some(host.reporter.kernel_groups().await)
    }

    /// The reading that was made for this request a moment ago, else one now.
    pub async fn recent_or_read(&self, name: &Name) -> Option<Arc<HostReport>> {
        let just_now = {
            let last = self.0.get(name)?.last.lock().await;
            last.as_ref().filter(|(began, _)| began.elapsed() < JUST_NOW).map(|(_, report)| Arc::clone(report))
        };
        match just_now {
            Some(report) => Some(report),
            None => self.read(name).await,
        }
    }

    /// For what is done on a host, not only read.
    pub fn reporter(&self, name: &Name) -> Option<&dyn ReportsItself> {
        self.0.get(name).map(|host| &*host.reporter)
    }

    /// The last reading of a host, if it is only a moment old.
    pub fn recent(&self, name: &Name) -> Option<Arc<HostReport>> {
        let last = self.0.get(name)?.last.try_lock().ok()?;
        let (began, report) = last.as_ref()?;
        (began.elapsed() < RECENT).then(|| Arc::clone(report))
    }

    /// Reads one host, or all of them at the same time.
    pub async fn views(&self, only: Option<&Name>) -> Vec<HostView> {
        let wanted = self.0.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
        let read = wanted.map(|(name, host)| async move {
            let report = self.read(name).await?;
            Some(HostView { name: name.clone(), place: host.reporter.place(), report: (*report).clone() })
        });
        futures_util::future::join_all(read).await.into_iter().flatten().collect()
    }

    /// The names of the configured hosts.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }
}
