//! Whether a generation can be read again and compared with its fingerprint.

use super::Refusal;
use super::case::{readable, unclaimed};
use crate::model::codes::Code;
use crate::model::entity::Generation;
use crate::model::identity::VolumeId;
use crate::model::snapshot::{ArrayView, Snapshot};
use crate::model::units::Version;

/// The generation, if its bytes can be read now and there is something to compare them with.
///
/// # Errors
/// The refusal says what else can be done.
pub fn verifiable(snapshot: &Snapshot, id: VolumeId, version: Version) -> Result<&Generation, Refusal> {
    let name = snapshot.label(id);
    let refused = |code, reason: String| Refusal::new(code, reason).about(id);
    let generation = snapshot.generation(id, version).ok_or_else(|| {
        refused(
            Code::NO_SUCH_GENERATION,
            format!("{name} has no generation {version}: `ecdeck history {name}` shows them"),
        )
    })?;
    let target = generation.backup_volume;
    readable(snapshot, target.box_id).map_err(|refusal| refusal.about(id))?;
    let otherwise = format!(
        "where a person has checked {version}, `ecdeck history accept TV --version N --reason TEXT` takes the doubt from it"
    );
    let array = snapshot.array(target.box_id);
    if !array.is_some_and(ArrayView::reads_bytes) {
        let array = array.map_or_else(|| target.box_id.to_string(), |array| array.name.to_string());
        let reason = format!("the bytes of volumes of {array} cannot be read by ecdeck; {otherwise}");
        return Err(refused(Code::BYTES_NOT_READABLE, reason));
    }
    if generation.fingerprint.is_none() {
        let reason =
            format!("{version} of {name} is not fingerprinted, so there is nothing to compare it with; {otherwise}");
        return Err(refused(Code::NOT_FINGERPRINTED, reason));
    }
    unclaimed(snapshot, target).map_err(|refusal| refusal.about(id))?;
    Ok(generation)
}
