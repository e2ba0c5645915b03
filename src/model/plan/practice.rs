//! Practice: a generation is copied to a spare volume and the copy compared with its fingerprint. It gives way to every other
//! verb.

use super::case::Case;
use super::present_state::Spares;
use super::restore::may_be_read;
use super::synchronize::generation;
use super::verify::verifiable;
use super::{PlanItem, PlanStep, Refusal};
use crate::model::codes::Code;
use crate::model::duration;
use crate::model::identity::VolumeId;
use crate::model::request::Request;
use crate::model::session::Pair;
use crate::model::snapshot::Snapshot;
use crate::model::step::{AwaitOpcStep, BeginPracticeStep, CompareCopyStep, StartOpcStep};
use crate::model::units::Version;

pub(super) fn practice(
    snapshot: &Snapshot,
    request: &Request,
    id: VolumeId,
    version: Version,
) -> Result<PlanItem, Refusal> {
    let case = Case::new(snapshot, request, id)?;
    let kept = generation(&case, version)?;
    may_be_read(&case, kept)?;
    verifiable(snapshot, id, version)?;
    let refused = |code, reason: String| Refusal::new(code, reason).about(id);
    if let Some(group) = &case.view.volume.group {
        let reason = format!(
            "{} is the volume group {group}: a copy of it would have the identity of a group that a host sees already",
            case.name()
        );
        return Err(refused(Code::PRACTICE_OF_GROUP, reason));
    }
    let Some(fingerprint) = &kept.fingerprint else {
        return Err(refused(Code::NOT_FINGERPRINTED, format!("{version} of {} is not fingerprinted", case.name())));
    };
    let Some(spare) = Spares::new(snapshot, &[id]).take(&case) else {
        let array = snapshot.array(id.box_id).map_or_else(|| "its array".to_owned(), |array| array.name.to_string());
        let reason = format!(
            "no backup volume of {array} of {} ({} blocks) is unused and not needed tonight",
            kept.blocks, kept.blocks.0
        );
        return Err(refused(Code::NO_PRACTICE_SPARE, reason));
    };
    let (pair, blocks) = (Pair::opc(kept.backup_volume, spare), kept.blocks);
    let steps = vec![
        PlanStep::BeginPractice(BeginPracticeStep { transaction_volume: id, version, pair }),
        PlanStep::StartOpc(StartOpcStep { pair, version, blocks }),
        PlanStep::AwaitOpc(AwaitOpcStep { transaction_volume: id, version, pair, keeps_mark: true }),
        PlanStep::CompareCopy(CompareCopyStep {
            transaction_volume: id,
            version,
            pair,
            blocks,
            blake3: fingerprint.blake3.clone(),
        }),
    ];
    let mut item = PlanItem::new(case.verb(), id, steps, vec![kept.backup_volume, spare]);
    let last = fingerprint.practised.as_ref().map_or_else(String::new, |last| {
        let time = duration::people(i64::try_from(last.millis).unwrap_or(i64::MAX));
        format!(" (the last time it took {time})")
    });
    let text = format!(
        "whatever needs {} or {} meanwhile ends the practice{last}",
        snapshot.label(kept.backup_volume),
        snapshot.label(spare)
    );
    item.notice(Code::PRACTICE_GIVES_WAY, text);
    Ok(item)
}
