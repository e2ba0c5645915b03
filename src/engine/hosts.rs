//! The configured hosts, read when somebody needs to know what they see.

use crate::host::report::ReportsItself;
use crate::model::host_report::KernelGroups;
use crate::model::host_report::{HostReport, HostView};
use crate::model::identity::Name;
use crate::model::lvm_text::LvmName;
use crate::model::service_nodes::{AskedNode, ServiceNode, ServiceView, active_node, reading_of, together};
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

/// The machines, and the services that one of several machines runs. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    machines: Arc<BTreeMap<Name, OneHost>>,
    services: Arc<BTreeMap<Name, Vec<Name>>>,
}

impl Hosts {
    pub fn new(reporters: impl IntoIterator<Item = (Name, Arc<dyn ReportsItself>)>) -> Self {
        let one = |(name, reporter)| (name, OneHost { reporter, last: Mutex::default() });
        Self { machines: Arc::new(reporters.into_iter().map(one).collect()), services: Arc::default() }
    }

    /// With services, each by the names of its nodes.
    #[must_use]
    pub fn with_services(self, services: impl IntoIterator<Item = (Name, Vec<Name>)>) -> Self {
        Self { services: Arc::new(services.into_iter().collect()), ..self }
    }

    pub fn has_services(&self) -> bool {
        !self.services.is_empty()
    }

    /// The first node of a service.
    pub fn first_node(&self, service: &Name) -> Option<Name> {
        self.services.get(service)?.first().cloned()
    }

    /// Whether this is a service, which no machine has for its name.
    pub fn is_service(&self, name: &Name) -> bool {
        self.services.contains_key(name)
    }

    /// What every node of a service says now of its groups; `None`: there is no such service.
    async fn nodes(&self, service: &Name) -> Option<Vec<AskedNode>> {
        let asked = self.services.get(service)?.iter().map(|node| async move {
            let kernel = self.kernel_of(node).await.unwrap_or_default();
            (node.clone(), kernel)
        });
        Some(futures_util::future::join_all(asked).await)
    }

    /// The machine that a group of this host is active on now. Of a service it is a node, or none where the group is inactive on
    /// all of them; any other host is its own.
    ///
    /// # Errors
    /// One sentence, when the node is not known.
    pub async fn active_node(&self, host: &Name, group: &str, uuid: &LvmName) -> Result<Option<Name>, String> {
        match self.nodes(host).await {
            Some(nodes) => active_node(group, uuid, &nodes),
            None => Ok(Some(host.clone())),
        }
    }

    /// The machine that a group is read on: where it is active, else the first node.
    ///
    /// # Errors
    /// As for [`Self::active_node`].
    pub async fn machine_of(&self, host: &Name, group: &str, uuid: &LvmName) -> Result<Name, String> {
        let node = self.active_node(host, group, uuid).await?;
        Ok(node.or_else(|| self.first_node(host)).unwrap_or_else(|| host.clone()))
    }

    /// The reading of a moment ago, or one now, that says most of a group of which only the name is known.
    pub async fn reading_of(&self, host: &Name, group: &LvmName) -> Option<Arc<HostReport>> {
        let Some(nodes) = self.services.get(host) else { return self.recent_or_read(host).await };
        let read = futures_util::future::join_all(nodes.iter().map(|node| self.recent_or_read(node))).await;
        let reports: Vec<Arc<HostReport>> = read.into_iter().flatten().collect();
        let at = reading_of(group, &reports.iter().map(|report| &**report).collect::<Vec<_>>())?;
        reports.get(at).cloned()
    }

    /// The reading of a host, begun after this was called. `None`: no such host is configured.
    pub async fn read(&self, name: &Name) -> Option<Arc<HostReport>> {
        let asked = Instant::now();
        let host = self.machines.get(name)?;
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

    /// Which groups are active on a host, or on a service's nodes together. `None`: no such host is configured.
    pub async fn kernel_groups(&self, name: &Name) -> Option<KernelGroups> {
        match self.nodes(name).await {
            Some(nodes) => Some(together(&nodes)),
            None => self.kernel_of(name).await,
        }
    }

    /// Read now by the kernel of a machine only. One reader at a time: somebody who reads all of the machine is waited for.
    async fn kernel_of(&self, name: &Name) -> Option<KernelGroups> {
        let host = self.machines.get(name)?;
        let _turn = host.last.lock().await;
        Some(host.reporter.kernel_groups().await)
    }

    /// The reading that was made for this request a moment ago, else one now.
    pub async fn recent_or_read(&self, name: &Name) -> Option<Arc<HostReport>> {
        let just_now = {
            let last = self.machines.get(name)?.last.lock().await;
            last.as_ref().filter(|(began, _)| began.elapsed() < JUST_NOW).map(|(_, report)| Arc::clone(report))
        };
        match just_now {
            Some(report) => Some(report),
            None => self.read(name).await,
        }
    }

    /// For what is done on a host, not only read.
    pub fn reporter(&self, name: &Name) -> Option<&dyn ReportsItself> {
        self.machines.get(name).map(|host| &*host.reporter)
    }

    /// The last reading of a host, if it is only a moment old.
    pub fn recent(&self, name: &Name) -> Option<Arc<HostReport>> {
        let last = self.machines.get(name)?.last.try_lock().ok()?;
        let (began, report) = last.as_ref()?;
        (began.elapsed() < RECENT).then(|| Arc::clone(report))
    }

    /// Reads one machine, the nodes of a service, or all of them at the same time.
    pub async fn views(&self, only: Option<&Name>) -> Vec<HostView> {
        let nodes = only.and_then(|only| self.services.get(only));
        let is_wanted = |name: &Name| match nodes {
            Some(nodes) => nodes.contains(name),
            None => only.is_none_or(|only| only == name),
        };
        let wanted = self.machines.iter().filter(|(name, _)| is_wanted(name));
        let read = wanted.map(|(name, host)| async move {
            let report = self.read(name).await?;
            Some(HostView { name: name.clone(), place: host.reporter.place(), report: (*report).clone() })
        });
        futures_util::future::join_all(read).await.into_iter().flatten().collect()
    }

    /// Services as these readings of their nodes show them.
    pub fn services(&self, only: Option<&Name>, read: &[HostView]) -> Vec<ServiceView> {
        let wanted = self.services.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
        let view = |(name, nodes): (&Name, &Vec<Name>)| {
            let nodes = nodes.iter().filter_map(|node| read.iter().find(|view| view.name == *node));
            ServiceView { name: name.clone(), nodes: nodes.map(ServiceNode::of).collect() }
        };
        wanted.map(view).collect()
    }

    /// The names of the configured hosts, machines and services.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.machines.keys().chain(self.services.keys())
    }
}
