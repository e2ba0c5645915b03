//! A service that one of several nodes runs: on which of them a volume group of it is active now. What a node does not say
//! refuses: it is never taken for inactive.

use super::host_report::{Activation, HostReport, HostView, KernelGroups, VolumeGroup};
use super::identity::Name;
use super::lvm_text::LvmName;
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A node that was asked, and which groups its kernel has.
pub type AskedNode = (Name, KernelGroups);

/// The node that a group is active on; `None`: every node says that it is inactive there. `group`: what people call it.
///
/// # Errors
/// One sentence, when it is active on several nodes, or a node does not say.
pub fn active_node(group: &str, uuid: &LvmName, nodes: &[AskedNode]) -> Result<Option<Name>, String> {
    let on = |state: Activation| nodes.iter().filter(move |(_, kernel)| kernel.activation(uuid) == state);
    let active: Vec<&str> = on(Activation::Active).map(|(name, _)| name.as_str()).collect();
    if active.len() > 1 {
        return Err(format!("{group} is active on {}: two nodes write to one disk", active.join(" and ")));
    }
    if let Some((name, kernel)) = on(Activation::Unknown).next() {
        let elsewhere = active.first().map_or_else(String::new, |other| format!("; it is active on {other}"));
        return Err(format!("whether {group} is active on {name} is not known: {}{elsewhere}", why_unknown(kernel)));
    }
    Ok(on(Activation::Active).next().map(|(name, _)| name.clone()))
}

fn why_unknown(kernel: &KernelGroups) -> String {
    match kernel {
        KernelGroups::Unread(why) => why.escaped(),
        KernelGroups::NoDeviceMapper | KernelGroups::Read(_) => "its kernel has no device-mapper".to_owned(),
    }
}

/// What all nodes together have: a group that is active on one of them is active. Where one does not say, nothing is known.
pub fn together(nodes: &[AskedNode]) -> KernelGroups {
    if nodes.iter().all(|(_, kernel)| *kernel == KernelGroups::NoDeviceMapper) {
        return KernelGroups::NoDeviceMapper;
    }
    let mut all = BTreeSet::new();
    for (name, kernel) in nodes {
        match kernel {
            KernelGroups::Read(active) => all.extend(active.iter().cloned()),
            unknown => return KernelGroups::Unread(Untrusted::new(format!("{name}: {}", why_unknown(unknown)))),
        }
    }
    KernelGroups::Read(all)
}

/// Which of these readings of a service's nodes says most of a group that nobody registered yet: that of the node where it is
/// active, else of one that sees it, else the first.
pub fn reading_of(group: &LvmName, nodes: &[&HostReport]) -> Option<usize> {
    let named = |node: &&HostReport| {
        let mut groups = node.groups.iter().flatten();
        groups.find(|found| found.name.raw() == group.as_str()).map(VolumeGroup::activation)
    };
    let is_active = |node: &&HostReport| named(node) == Some(Some(Activation::Active));
    let active = nodes.iter().position(is_active);
    let seen = || nodes.iter().position(|node| named(node).is_some());
    active.or_else(seen).or((!nodes.is_empty()).then_some(0))
}

/// A service, and what its nodes say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceView {
    pub name: Name,
    pub nodes: Vec<ServiceNode>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceNode {
    pub name: Name,
    /// The names of the groups that are active there; null where that is not known.
    pub active: Option<Vec<Untrusted>>,
    /// Why it is not known.
    #[serde(default)]
    pub why: Option<Untrusted>,
}

impl ServiceNode {
    /// Of a node that was read.
    pub fn of(view: &HostView) -> Self {
        let name = view.name.clone();
        let KernelGroups::Read(active) = &view.report.kernel else {
            let why = Untrusted::new(why_unknown(&view.report.kernel));
            return Self { name, active: None, why: Some(why) };
        };
        let groups = view.report.groups.iter().flatten();
        let named = groups.filter(|group| active.contains(&group.uuid.raw().replace('-', "")));
        Self { name, active: Some(named.map(|group| group.name.clone()).collect()), why: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "Uhd7vg-tdr5-XOZV-QRCi-cwuK-0Ffb-mJ4xfL";

    fn active() -> KernelGroups {
        KernelGroups::Read(BTreeSet::from([UUID.replace('-', "")]))
    }

    fn inactive() -> KernelGroups {
        KernelGroups::Read(BTreeSet::new())
    }

    fn asked(kernels: &[KernelGroups]) -> Vec<AskedNode> {
        let name = |number: usize| format!("node{number}").parse().unwrap();
        kernels.iter().zip(1..).map(|(kernel, number)| (name(number), kernel.clone())).collect()
    }

    #[test]
    fn the_node_is_the_one_where_the_group_is_active_and_doubt_refuses() {
        let uuid: LvmName = UUID.parse().unwrap();
        let node = |kernels: &[KernelGroups]| active_node("db03:vg01", &uuid, &asked(kernels));
        assert_eq!(node(&[inactive(), active()]).unwrap().unwrap().as_str(), "node2");
        assert_eq!(node(&[inactive(), inactive()]).unwrap(), None);
        let unread = || KernelGroups::Unread(Untrusted::from("no\u{1b} route"));
        for (kernels, part) in [
            (&[active(), active()][..], "is active on node1 and node2"),
            (&[active(), unread()], "active on node2 is not known: no\\u{1b} route; it is active on node1"),
            (&[inactive(), KernelGroups::NoDeviceMapper], "node2 is not known: its kernel has no device-mapper"),
        ] {
            let why = node(kernels).unwrap_err();
            assert!(why.contains(part) && !why.contains('\u{1b}'), "{why}");
        }
    }

    #[test]
    fn nodes_together_are_unknown_where_one_of_them_is() {
        let uuid: LvmName = UUID.parse().unwrap();
        let of = |kernels: &[KernelGroups]| together(&asked(kernels)).activation(&uuid);
        assert_eq!(of(&[inactive(), active()]), Activation::Active);
        assert_eq!(of(&[inactive(), inactive()]), Activation::Inactive);
        for unknown in [KernelGroups::NoDeviceMapper, KernelGroups::default()] {
            assert_eq!(of(&[active(), unknown.clone()]), Activation::Unknown);
            assert_eq!(of(&[inactive(), unknown]), Activation::Unknown);
        }
        assert_eq!(together(&asked(&[KernelGroups::NoDeviceMapper])), KernelGroups::NoDeviceMapper);
    }
}
