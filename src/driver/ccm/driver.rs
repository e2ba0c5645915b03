//! The driver of one array by way of CCM: what the engine asks, and which part of this folder answers it.

use super::array::CcmDriver;
use super::names::GroupType;
use super::reply::{arrays, volumes};
use super::server::ServerError;
use super::{command, execution, reading, refusal};
use crate::driver::{Driver, DriverError, MaySend};
use crate::model::copy::{Ability, Capabilities, Command, CommandVerb, Identity, PairOutcome};
use crate::model::identity::{BoxId, VolumeId};
use crate::model::session::{ArrayVolume, CopyKind, Reading, UnreadVolumes};
use crate::model::units::Timestamp;
use crate::model::untrusted::Untrusted;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Sessions that one source may have, of all kinds: the figure of the manuals on multi-copy.
const SESSIONS_PER_SOURCE: u16 = 8;
impl CcmDriver {
    async fn identity(&self) -> Result<Identity, DriverError> {
        const WHAT: &str = "asking who it is";
        let wrong = |wrong: ServerError| self.error(WHAT, &wrong);
        let turn = self.question(WHAT).await?;
        // Read afresh: a name may have gone to another box.
        let names = turn.names(&self.words, true).await.map_err(wrong)?;
        let box_id = self.own_box(&names).map_err(wrong)?;
        let argv = command::array_detail(&self.settings.array);
        let detail = turn.ask(&argv, |stdout| arrays::detail(&argv, stdout, &self.words)).await.map_err(wrong)?;
        if detail.box_id != box_id {
            tracing::warn!(array = self.name, "CCM's list and detail disagree about the box id");
        }
        Ok(identity_of(detail.box_id))
    }

    async fn all_volumes(&self) -> Result<Vec<ArrayVolume>, DriverError> {
        const WHAT: &str = "reading its volumes";
        let wrong = |wrong: ServerError| self.error(WHAT, &wrong);
        let turn = self.question(WHAT).await?;
        let names = turn.names(&self.words, false).await.map_err(wrong)?;
        let box_id = self.own_box(&names).map_err(wrong)?;
        let argv = command::list_volumes(&self.settings.array);
        let listed = turn.ask(&argv, |stdout| volumes::list(&argv, stdout, &self.words)).await.map_err(wrong)?;
        let mut found = Vec::with_capacity(listed.volumes.len());
        let mut unread = UnreadVolumes { named: Vec::new(), any: !listed.odd.is_empty() };
        let mut left_out: Vec<String> =
            listed.odd.iter().map(|line| format!("\"{}\" has no volume number", line.escaped())).collect();
        for volume in listed.volumes {
            let id = VolumeId { box_id, olu: volume.olu };
            if let Some(blocks) = volume.blocks {
                let copy_inhibited = volume.copy_inhibited;
                found.push(ArrayVolume { id, label: volume.label, blocks, copy_inhibited });
            } else {
                // Without an exact size it can be compared with no other volume, so it can be in no pair.
                unread.named.push(id);
                left_out.push(format!("{} has the size \"{}\"", volume.olu, volume.size.escaped()));
            }
        }
        for line in &left_out {
            tracing::debug!(array = self.name, "a volume is left out: {line}");
        }
        self.memory().left_out = left_out;
        self.memory().unread_volumes = unread;
        self.memory().sizes = found.iter().map(|volume| (volume.id, volume.blocks)).collect();
        Ok(found)
    }

    fn lines(&self, command: &Command) -> Vec<String> {
        let Some(names) = self.server.names_so_far() else {
            return vec![format!("(CCM {} has not reported its arrays' names yet)", self.server.place())];
        };
        let mut lines = Vec::new();
        for pair in command.pairs() {
            if GroupType::for_kind(pair.kind).is_none() {
                lines.push(format!("(CCM is not used for {} here)", pair.kind));
                continue;
            }
            match self.named(command, pair, &names, &BTreeMap::new()) {
                Ok(named) => {
                    lines.extend(
                        execution::commands(command, &named, self.settings.rec_modes(&named.name.target.array))
                            .iter()
                            .map(ToString::to_string),
                    );
                }
                Err(wrong) => lines.push(format!("({wrong})")),
            }
        }
        lines
    }
}

/// A box id has its parts in it: 2 characters of type, 12 of series, 12 of model, 2 of check, 12 of serial number.
fn identity_of(box_id: BoxId) -> Identity {
    let part = |from: usize, to: usize| {
        Untrusted::new(box_id.as_str().get(from..to).unwrap_or_default().trim_matches('#').trim())
    };
    Identity { box_id, model: part(14, 26), serial: part(28, 40), firmware: Untrusted::default() }
}

impl Driver for CcmDriver {
    fn identify(&self) -> BoxFuture<'_, Result<Identity, DriverError>> {
        Box::pin(self.identity())
    }

    fn capabilities(&self) -> Capabilities {
        use CommandVerb::{ChangeMode, Resume, Reverse, Start, StartOpc, Stop, Suspend};
        let both = [Start, Resume, Suspend, Stop, Reverse];
        let mut verbs: Vec<_> = both.iter().flat_map(|verb| [(CopyKind::Ec, *verb), (CopyKind::Rec, *verb)]).collect();
        verbs.extend([(CopyKind::Rec, ChangeMode), (CopyKind::Opc, StartOpc), (CopyKind::Opc, Stop)]);
        // Whether `acec suspend` of a whole group is one instant is on no public page.
        Capabilities {
            verbs,
            atomic_suspend: Ability::Unknown,
            sessions_per_source: SESSIONS_PER_SOURCE,
            sees_target_writes: Ability::No,
            reads_bytes: false,
            limited: None,
            message_ids: refusal::message_ids(),
            tool_commands: refusal::tool_commands(),
        }
    }

    fn volumes(&self) -> BoxFuture<'_, Result<Vec<ArrayVolume>, DriverError>> {
        Box::pin(self.all_volumes())
    }

    fn sessions(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        Box::pin(reading::read(self, now, false))
    }

    fn sessions_afresh(&self, now: Timestamp) -> BoxFuture<'_, Result<Reading, DriverError>> {
        Box::pin(reading::read(self, now, true))
    }

    fn execute(&self, command: Command, limit: Duration) -> BoxFuture<'_, Vec<PairOutcome>> {
        self.execute_in_turn(command, limit, Arc::new(|| Ok(())))
    }

    fn takes_turns(&self) -> Option<String> {
        Some(format!("CCM {}", self.server.place()))
    }

    fn execute_in_turn(&self, command: Command, limit: Duration, may_send: MaySend) -> BoxFuture<'_, Vec<PairOutcome>> {
        Box::pin(execution::execute(self, command, limit, may_send))
    }

    fn asked_at(&self, called: Instant) -> Option<Instant> {
        CcmDriver::asked_at(self, called)
    }

    fn sharing(&self) -> u32 {
        self.server.arrays()
    }

    fn describe(&self, command: &Command) -> Vec<String> {
        self.lines(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_and_serial_number_stand_in_the_box_id() {
        let identity = identity_of("00ETERNUSDXL##ET08E21A####LN4310900021##".parse().unwrap());
        assert_eq!(identity.model.raw(), "ET08E21A");
        assert_eq!(identity.serial.raw(), "4310900021");
    }
}
