//! Services: the node that each step on a host runs on. It is asked before the volumes are claimed, and stays with the operation:
//! what undoes a script runs where the script ran.

use super::Runner;
use crate::model::codes::Code;
use crate::model::hook::Hook;
use crate::model::identity::Name;
use crate::model::lvm_text::LvmName;
use crate::model::plan::{Plan, Refusal};
use crate::model::request::{Action, Request};
use crate::model::step::{HookStep, PlanStep};
use crate::model::volume_group::RegisteredGroup;
use std::collections::BTreeMap;
use std::fmt;

/// A group of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    service: Name,
    uuid: LvmName,
}

/// Where the groups of a plan's steps are active.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// For each group: its node, none where it is inactive on all of them, or why that is not known.
    found: BTreeMap<Wanted, Result<Option<Name>, String>>,
    /// A backup that runs no scripts goes on without an answer; who restores an identity later asks again.
    needs_no_host: bool,
}

fn no_group(hook: impl fmt::Display, service: &Name) -> String {
    format!(
        "{hook} runs on the service {service}, and the volume is no volume group of it: which node has it is not known"
    )
}

fn nowhere(group: &str, service: &Name, hook: impl fmt::Display) -> String {
    format!("{group} is active on no node of {service}: a script of {hook} has nowhere to run")
}

impl Runner {
    /// Asks the services of a plan's steps. A plan without services asks nobody.
    pub(super) async fn nodes_of(&self, plan: &Plan) -> Nodes {
        let steps = plan.items().iter().flat_map(|item| &item.steps);
        let mut wanted = BTreeMap::new();
        for step in steps {
            let PlanStep::Hook(step) = step else { continue };
            wanted.extend(self.groups_of_step(step));
        }
        let asked = wanted.into_iter().map(|(wanted, label)| async move {
            let node = self.hosts.active_node(&wanted.service, &label, &wanted.uuid).await;
            (wanted, node)
        });
        let request = plan.request();
        let needs_no_host = request.crash_consistent && matches!(request.action, Action::Backup { .. });
        Nodes { found: futures_util::future::join_all(asked).await.into_iter().collect(), needs_no_host }
    }

    /// The nodes of what a request would do now.
    pub(super) async fn nodes_of_request(&self, request: &Request) -> Nodes {
        if !self.hosts.has_services() {
            return Nodes::default();
        }
        match self.core.plan(request) {
            (_, Ok(plan)) => self.nodes_of(&plan).await,
            (_, Err(_)) => Nodes::default(),
        }
    }

    /// The same plan with the node of each step.
    pub(super) fn on_nodes(&self, plan: Plan, nodes: &Nodes) -> Plan {
        if !self.hosts.has_services() {
            return plan;
        }
        plan.on_nodes(|step| self.node_of(step, nodes).map_err(|why| Refusal::new(Code::GROUP_NODE_UNKNOWN, why)))
    }

    /// A hook as it would run for a volume of this group now.
    pub(super) async fn on_its_node(&self, hook: &Hook, group: Option<&RegisteredGroup>) -> Result<Hook, String> {
        let Some(service) = hook.host.as_ref().filter(|host| self.hosts.is_service(host)) else {
            return Ok(hook.clone());
        };
        let group = group.filter(|group| group.host == *service).ok_or_else(|| no_group(&hook.name, service))?;
        let node = self.hosts.active_node(service, &group.to_string(), &group.uuid).await?;
        let node = node.ok_or_else(|| nowhere(&group.to_string(), service, &hook.name))?;
        Ok(Hook { host: Some(node), ..hook.clone() })
    }

    fn node_of(&self, step: &HookStep, nodes: &Nodes) -> Result<Option<Name>, String> {
        let Some(host) = step.host().filter(|host| self.hosts.is_service(host)) else { return Ok(None) };
        let groups = self.groups_of_step(step);
        let Some((first, label)) = groups.first() else {
            return Err(no_group(step.label(), host));
        };
        let not_asked = || Err(format!("the plan for {label} has changed meanwhile: ask again"));
        for (wanted, _) in &groups {
            match nodes.found.get(wanted).cloned().unwrap_or_else(not_asked) {
                Ok(Some(node)) => return Ok(Some(node)),
                Ok(None) => {}
                Err(_) if nodes.needs_no_host => return Ok(None),
                Err(why) => return Err(why),
            }
        }
        match &step.identity {
            // Active nowhere: any node that sees the disk restores it.
            Some(_) => Ok(self.hosts.first_node(&first.service)),
            None => Err(nowhere(label, host, step.label())),
        }
    }

    /// The groups that decide on the node of a step, the first one first, each with what people call it; empty: no service.
    fn groups_of_step(&self, step: &HookStep) -> Vec<(Wanted, String)> {
        let is_service = |host: &Name| self.hosts.is_service(host);
        let wanted = |service: &Name, uuid: &LvmName| Wanted { service: service.clone(), uuid: uuid.clone() };
        if let Some(task) = &step.identity {
            let (backup, transaction) = (&task.backup, &task.transaction);
            let backup =
                is_service(&backup.host).then(|| (wanted(&backup.host, &backup.identity.uuid), backup.to_string()));
            let transaction = is_service(&transaction.host)
                .then(|| (wanted(&transaction.host, &transaction.uuid), transaction.to_string()));
            return backup.into_iter().chain(transaction).collect();
        }
        let Some(host) = step.host().filter(|host| is_service(host)) else { return Vec::new() };
        let group = self.core.with_records(|records| {
            let volume = records.transaction_volumes.get(&step.volume)?;
            volume.group.as_deref().filter(|group| group.host == *host).cloned()
        });
        group.map(|group| (wanted(host, &group.uuid), group.to_string())).into_iter().collect()
    }
}
