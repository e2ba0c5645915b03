//! Where the volumes of a site count: the pool that each is in.

use super::identity::{Name, VolumeId};
use super::pool::{NamedPool, PoolKey};
use super::snapshot::{BackupVolumeView, Snapshot, TransactionVolumeView};
use super::units::Blocks;
use super::volume_group::{BackupGroup, RegisteredGroup};

impl Snapshot {
    /// The configured pool of a volume. `host`: of the volume group that it is.
    pub fn pool_of(&self, id: VolumeId, host: Option<&Name>) -> Option<&Name> {
        let pools = &self.site.pools;
        if pools.is_empty() {
            return None;
        }
        let array = self.array(id.box_id).map(|array| &array.name);
        let is_at = |pool: &&NamedPool| array.is_some_and(|array| pool.volumes.iter().any(|at| at.has(array, id.olu)));
        let by_host = |pool: &&NamedPool| host.is_some_and(|host| pool.hosts.contains(host));
        pools.iter().find(is_at).or_else(|| pools.iter().find(by_host)).map(|pool| &pool.name)
    }

    /// The backup volumes that a transaction volume may take.
    pub fn pool_key(&self, view: &TransactionVolumeView) -> PoolKey {
        let host = view.volume.group.as_deref().map(|group: &RegisteredGroup| &group.host);
        let pool = self.pool_of(view.volume.id, host).cloned();
        PoolKey { blocks: view.volume.blocks, pool, groups_of: host.cloned() }
    }

    /// The plain backup volumes of its pool: those that may keep what a transaction volume, also a volume group, is now.
    pub fn spare_key(&self, view: &TransactionVolumeView) -> PoolKey {
        PoolKey { groups_of: None, ..self.pool_key(view) }
    }

    /// Where a backup volume counts.
    pub fn backup_key(&self, view: &BackupVolumeView) -> PoolKey {
        let host = view.volume.group.as_deref().map(|group: &BackupGroup| &group.host);
        let pool = self.pool_of(view.volume.id, host).cloned();
        PoolKey { blocks: view.volume.blocks, pool, groups_of: host.cloned() }
    }

    /// Where a volume would count if it were registered as a plain one.
    pub fn plain_key(&self, id: VolumeId, blocks: Blocks) -> PoolKey {
        self.new_key(id, blocks, None)
    }

    /// The same, or as a volume group of this host.
    pub fn new_key(&self, id: VolumeId, blocks: Blocks, host: Option<&Name>) -> PoolKey {
        PoolKey { blocks, pool: self.pool_of(id, host).cloned(), groups_of: host.cloned() }
    }
}
