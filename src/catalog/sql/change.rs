//! Changes as statements. Each one finds its rows by key: a commit's cost does not grow with the catalogue.
//!
//! [`Records::apply`](crate::model::records::Records::apply) says what a change means; the conformance suite compares.

use super::column_codec::{from_json, json, optional_json, parse, signed, unsigned, word};
use super::documents::{ACKNOWLEDGEMENTS, MAINTENANCES, NOTICES, TAKE_OVERS};
use super::failure::Failure;
use super::rows::{
    BACKUP_VOLUME, CLAIM, GENERATION, KNOWN_ARRAY, RETIRED_VOLUME, TRANSACTION_VOLUME, Touched, VOLUME_NAME,
};
use super::{groups, leaves, maps, notes, released, volume_sets};
use crate::model::actor::Actor;
use crate::model::identity::{Name, VolumeId};
use crate::model::records::{
    Change, ChangeError, Claim, EntityChange, Generation, GenerationState, JournalEntry, OpenOperation, OperationId,
    OurSession, TransactionVolume,
};
use crate::model::units::{Timestamp, Version};
use sqlx::{AnyConnection, Row, query, query_scalar};

/// The counters of the head row while a transaction has it.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    pub next_operation: u64,
    pub next_epoch: u64,
}

/// Makes one change, and notes every row that it wrote to or took away.
pub async fn apply(
    to: &mut AnyConnection,
    counters: &mut Counters,
    touched: &mut Touched,
    change: &Change,
) -> Result<(), Failure> {
    match change {
        Change::Entity(EntityChange::PutTransactionVolume(volume)) => put_transaction_volume(to, touched, volume).await,
        Change::Entity(EntityChange::RemoveTransactionVolume { id }) => {
            remove_transaction_volume(to, touched, *id).await
        }
        Change::Entity(EntityChange::PutBackupVolume(volume)) => {
            touched.text(BACKUP_VOLUME, &volume.id);
            has_no_other_role(to, "SELECT 1 FROM transaction_volume WHERE id = $1", volume.id).await?;
            set_name(to, touched, volume.id, volume.name.as_ref()).await?;
            let statement = "INSERT INTO backup_volume (id, blocks, registered_at) VALUES ($1, $2, $3)
                ON CONFLICT (id) DO UPDATE SET blocks = excluded.blocks, registered_at = excluded.registered_at";
            query(statement)
                .bind(volume.id.to_string())
                .bind(signed(volume.blocks.0))
                .bind(volume.registered_at.0)
                .execute(&mut *to)
                .await?;
            groups::set_backup(to, touched, volume).await
        }
        Change::Entity(EntityChange::RemoveBackupVolume { id }) => {
            touched.text(BACKUP_VOLUME, id);
            let removed =
                query("DELETE FROM backup_volume WHERE id = $1").bind(id.to_string()).execute(&mut *to).await?;
            one_row(removed.rows_affected(), || missing("backup volume", id))?;
            released::forget_on(to, touched, *id).await?;
            groups::remove_backup(to, touched, *id).await?;
            leaves::remove(to, *id).await?;
            set_name(to, touched, *id, None).await
        }
        Change::Entity(EntityChange::AddGeneration(generation)) => add_generation(to, touched, generation).await,
        Change::Entity(EntityChange::KeepFingerprint { transaction_volume, version, fingerprint, leaves }) => {
            is_kept(to, *transaction_volume, *version).await?;
            notes::FINGERPRINT.put(to, touched, (*transaction_volume, *version), fingerprint).await?;
            match leaves {
                Some(leaves) => leaves::put(to, leaves).await,
                None => Ok(()),
            }
        }
        Change::Entity(EntityChange::KeepGroupCopy { transaction_volume, version, group }) => {
            is_kept(to, *transaction_volume, *version).await?;
            notes::GROUP.put(to, touched, (*transaction_volume, *version), group).await
        }
        Change::Entity(EntityChange::SetGenerationState { transaction_volume, version, state }) => {
            touched.generation(GENERATION, *transaction_volume, *version);
            let (state, why) = state_columns(state)?;
            let statement = "UPDATE generation SET state = $3, why = $4
                WHERE transaction_volume = $1 AND version = $2 AND released_at IS NULL";
            let changed = query(statement)
                .bind(transaction_volume.to_string())
                .bind(signed(version.0))
                .bind(state)
                .bind(why)
                .execute(to)
                .await?;
            one_row(changed.rows_affected(), || missing("generation", version))
        }
        Change::Entity(EntityChange::HoldGeneration { transaction_volume, version, held }) => {
            touched.generation(GENERATION, *transaction_volume, *version);
            let statement = "UPDATE generation SET held = $3
                WHERE transaction_volume = $1 AND version = $2 AND released_at IS NULL";
            let changed = query(statement)
                .bind(transaction_volume.to_string())
                .bind(signed(version.0))
                .bind(optional_json(held.as_ref())?)
                .execute(to)
                .await?;
            one_row(changed.rows_affected(), || missing("generation", version))
        }
        Change::Entity(EntityChange::ReleaseGeneration { transaction_volume, version, at, why }) => {
            touched.generation(GENERATION, *transaction_volume, *version);
            let statement = "UPDATE generation SET released_at = $3, release_reason = $4
                WHERE transaction_volume = $1 AND version = $2 AND released_at IS NULL RETURNING backup_volume";
            let volume = query_scalar::<_, String>(statement)
                .bind(transaction_volume.to_string())
                .bind(signed(version.0))
                .bind(at.0)
                .bind(word(why)?)
                .fetch_optional(&mut *to)
                .await?;
            let volume = parse(&volume.ok_or_else(|| missing("generation", version))?)?;
            released::put(to, touched, volume, *transaction_volume, *version).await
        }
        Change::Entity(EntityChange::ReinstateGeneration { transaction_volume, version, state, held }) => {
            released::take(to, touched, *transaction_volume, *version).await?;
            touched.generation(GENERATION, *transaction_volume, *version);
            let (state, why) = state_columns(state)?;
            let statement = "UPDATE generation SET released_at = NULL, release_reason = NULL, state = $3, why = $4,
                    held = $5
                WHERE transaction_volume = $1 AND version = $2 AND released_at IS NOT NULL";
            let changed = query(statement)
                .bind(transaction_volume.to_string())
                .bind(signed(version.0))
                .bind(state)
                .bind(why)
                .bind(optional_json(Some(held))?)
                .execute(to)
                .await?;
            one_row(changed.rows_affected(), || missing("released generation", version))
        }
        Change::Entity(EntityChange::ForgetReleased { backup_volume }) => {
            released::forget_on(to, touched, *backup_volume).await
        }
        Change::Entity(EntityChange::PutSession(session)) => put_session(to, touched, session).await,
        Change::Entity(EntityChange::RemoveSession { pair }) => {
            touched.session(pair, word(&pair.kind)?);
            let removed = query("DELETE FROM our_session WHERE source = $1 AND target = $2 AND kind = $3")
                .bind(pair.source.to_string())
                .bind(pair.target.to_string())
                .bind(word(&pair.kind)?)
                .execute(&mut *to)
                .await?;
            one_row(removed.rows_affected(), || missing("session to", pair.target))?;
            groups::end_watch(to, touched, pair.target).await
        }
        Change::Entity(EntityChange::WatchGroup { backup_volume, watch }) => {
            groups::watch(to, touched, *backup_volume, watch).await
        }
        Change::Entity(EntityChange::KnowArray { name, box_id }) => {
            touched.text(KNOWN_ARRAY, name);
            let statement = "INSERT INTO known_array (name, box_id) VALUES ($1, $2)
                ON CONFLICT (name) DO UPDATE SET box_id = excluded.box_id";
            query(statement).bind(name.as_str()).bind(box_id.as_str()).execute(to).await?;
            Ok(())
        }
        Change::Entity(EntityChange::PutMapSet(set)) => maps::put(to, touched, set).await,
        Change::Entity(EntityChange::RemoveMapSet { name }) => maps::remove(to, touched, name).await,
        Change::Entity(EntityChange::PutVolumeSet(set)) => volume_sets::put(to, touched, set).await,
        Change::Entity(EntityChange::RemoveVolumeSet { name }) => volume_sets::remove(to, touched, name).await,
        Change::Entity(EntityChange::UseMapRow { transaction_volume, backup_volume, operation }) => {
            maps::mark_used(to, touched, *transaction_volume, *backup_volume, *operation).await
        }
        Change::Entity(EntityChange::PutNotice { key, notice }) => NOTICES.put(to, touched, key, notice).await,
        Change::Entity(EntityChange::RemoveNotice { key }) => NOTICES.remove(to, touched, key).await,
        Change::Entity(EntityChange::Acknowledge(known)) => {
            ACKNOWLEDGEMENTS.put(to, touched, &known.trouble, known).await
        }
        Change::Entity(EntityChange::PutMaintenance(known)) => MAINTENANCES.put(to, touched, &known.array, known).await,
        Change::Entity(EntityChange::PutTakeOver(known)) => TAKE_OVERS.put(to, touched, &known.volume, known).await,
        Change::Entity(EntityChange::EndMaintenance { array }) => MAINTENANCES.remove(to, touched, array).await,
        Change::Entity(EntityChange::EndAcknowledgement { trouble }) => {
            ACKNOWLEDGEMENTS.remove(to, touched, trouble).await
        }
        Change::Open { operation, claims, epoch } => open(to, counters, touched, operation, claims, *epoch).await,
        Change::Journal { operation, entry } => {
            let statement = "UPDATE operation SET journal_length = journal_length + 1
                WHERE id = $1 AND ended_at IS NULL RETURNING journal_length";
            let number = query_scalar::<_, i64>(statement).bind(signed(operation.0)).fetch_optional(&mut *to).await?;
            touched.operation(*operation);
            write_entry(to, touched, *operation, number.ok_or(ChangeError::LostClaim(*operation))?, entry).await
        }
        Change::Close { operation, end, at } => {
            touched.operation(*operation);
            let closed = query("UPDATE operation SET ended_at = $2, outcome = $3 WHERE id = $1 AND ended_at IS NULL")
                .bind(signed(operation.0))
                .bind(at.0)
                .bind(json(end)?)
                .execute(&mut *to)
                .await?;
            one_row(closed.rows_affected(), || ChangeError::LostClaim(*operation))?;
            let freed = "DELETE FROM claim WHERE operation = $1 RETURNING volume";
            for volume in query_scalar::<_, String>(freed).bind(signed(operation.0)).fetch_all(to).await? {
                touched.text(CLAIM, &volume);
            }
            Ok(())
        }
    }
}

/// That the generation is there and not released.
async fn is_kept(to: &mut AnyConnection, transaction_volume: VolumeId, version: Version) -> Result<(), Failure> {
    let kept = "SELECT 1 FROM generation WHERE transaction_volume = $1 AND version = $2 AND released_at IS NULL";
    let found = query(kept).bind(transaction_volume.to_string()).bind(signed(version.0)).fetch_all(to).await?;
    one_row(found.len() as u64, || missing("generation", version))
}

async fn put_transaction_volume(
    to: &mut AnyConnection,
    touched: &mut Touched,
    volume: &TransactionVolume,
) -> Result<(), Failure> {
    has_no_other_role(to, "SELECT 1 FROM backup_volume WHERE id = $1", volume.id).await?;
    set_name(to, touched, volume.id, Some(&volume.name)).await?;
    touched.text(TRANSACTION_VOLUME, &volume.id);
    touched.text(RETIRED_VOLUME, &volume.id);
    let id = volume.id.to_string();
    let retired = query_scalar::<_, i64>("DELETE FROM retired_volume WHERE id = $1 RETURNING next_version")
        .bind(&id)
        .fetch_optional(&mut *to)
        .await?;
    let next_version = volume.next_version.0.max(retired.map_or(0, unsigned));
    let statement = "INSERT INTO transaction_volume
            (id, blocks, generations, interval_days, mode, registered_at, next_version)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (id) DO UPDATE SET blocks = excluded.blocks, generations = excluded.generations, interval_days = excluded.interval_days, mode = excluded.mode,
            registered_at = excluded.registered_at,
            next_version = CASE WHEN excluded.next_version > transaction_volume.next_version
                THEN excluded.next_version ELSE transaction_volume.next_version END";
    query(statement)
        .bind(id)
        .bind(signed(volume.blocks.0))
        .bind(volume.policy.map(|policy| i64::from(policy.generations)))
        .bind(volume.policy.map(|policy| i64::from(policy.interval_days)))
        .bind(volume.policy.map(|policy| word(&policy.mode)).transpose()?)
        .bind(volume.registered_at.0)
        .bind(signed(next_version))
        .execute(&mut *to)
        .await?;
    groups::set(to, touched, volume).await?;
    maps::set_policy_option(to, touched, volume).await
}

/// A volume has one role in a site. `wanted`: looks for it in the other one.
async fn has_no_other_role(to: &mut AnyConnection, wanted: &'static str, id: VolumeId) -> Result<(), Failure> {
    match query(wanted).bind(id.to_string()).fetch_optional(to).await? {
        Some(_) => Err(ChangeError::other_role(id).into()),
        None => Ok(()),
    }
}

/// Gives a volume its name, or takes it away.
async fn set_name(
    to: &mut AnyConnection,
    touched: &mut Touched,
    id: VolumeId,
    name: Option<&Name>,
) -> Result<(), Failure> {
    touched.text(VOLUME_NAME, &id);
    query("DELETE FROM volume_name WHERE volume = $1").bind(id.to_string()).execute(&mut *to).await?;
    let Some(name) = name else { return Ok(()) };
    let statement = "INSERT INTO volume_name (name, volume) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    let named = query(statement).bind(name.as_str()).bind(id.to_string()).execute(to).await?;
    one_row(named.rows_affected(), || ChangeError::name_taken(name))
}

async fn remove_transaction_volume(to: &mut AnyConnection, touched: &mut Touched, id: VolumeId) -> Result<(), Failure> {
    touched.text(TRANSACTION_VOLUME, &id);
    touched.text(RETIRED_VOLUME, &id);
    let removed = query_scalar::<_, i64>("DELETE FROM transaction_volume WHERE id = $1 RETURNING next_version")
        .bind(id.to_string())
        .fetch_optional(&mut *to)
        .await?;
    let next_version = removed.ok_or_else(|| missing("transaction volume", id))?;
    set_name(to, touched, id, None).await?;
    maps::remove_policy_option(to, touched, id).await?;
    groups::remove(to, touched, id).await?;
    released::forget_of(to, touched, id).await?;
    query("INSERT INTO retired_volume (id, next_version) VALUES ($1, $2)")
        .bind(id.to_string())
        .bind(next_version)
        .execute(to)
        .await?;
    Ok(())
}

async fn add_generation(to: &mut AnyConnection, touched: &mut Touched, generation: &Generation) -> Result<(), Failure> {
    touched.generation(GENERATION, generation.transaction_volume, generation.version);
    touched.text(TRANSACTION_VOLUME, &generation.transaction_volume);
    let id = generation.transaction_volume.to_string();
    let known = "SELECT name, next_version FROM transaction_volume LEFT JOIN volume_name ON volume = id WHERE id = $1";
    let known =
        query(known).bind(&id).fetch_optional(&mut *to).await?.ok_or_else(|| missing("transaction volume", &id))?;
    if generation.version < Version(unsigned(known.try_get(1)?)) {
        let name: String = known.try_get(0)?;
        let name: Name = parse(&name)?;
        return Err(ChangeError::Exists(format!("generation {} of {name}", generation.version)).into());
    }
    let held = query("SELECT 1 FROM generation WHERE backup_volume = $1 AND released_at IS NULL")
        .bind(generation.backup_volume.to_string())
        .fetch_optional(&mut *to)
        .await?;
    if held.is_some() {
        return Err(ChangeError::holds_generation(generation.backup_volume).into());
    }
    released::forget_on(to, touched, generation.backup_volume).await?;
    query("UPDATE transaction_volume SET next_version = $2 WHERE id = $1")
        .bind(&id)
        .bind(signed(generation.version.0 + 1))
        .execute(&mut *to)
        .await?;
    let (state, why) = state_columns(&generation.state)?;
    let statement = "INSERT INTO generation (transaction_volume, version, backup_volume, blocks, taken_at, mode,
            state, why, held, provisioned, operation)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    query(statement)
        .bind(id)
        .bind(signed(generation.version.0))
        .bind(generation.backup_volume.to_string())
        .bind(signed(generation.blocks.0))
        .bind(generation.taken_at.0)
        .bind(word(&generation.mode)?)
        .bind(state)
        .bind(why)
        .bind(optional_json(generation.held.as_ref())?)
        .bind(i64::from(generation.provisioned))
        .bind(generation.operation.map(|operation| signed(operation.0)))
        .execute(&mut *to)
        .await?;
    notes::put(to, touched, generation).await
}

async fn put_session(to: &mut AnyConnection, touched: &mut Touched, session: &OurSession) -> Result<(), Failure> {
    touched.session(&session.pair, word(&session.pair.kind)?);
    released::forget_on(to, touched, session.pair.target).await?;
    let statement = "INSERT INTO our_session (source, target, kind, since, operation, full_copy)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (source, target, kind) DO UPDATE SET since = excluded.since, operation = excluded.operation,
            full_copy = excluded.full_copy";
    query(statement)
        .bind(session.pair.source.to_string())
        .bind(session.pair.target.to_string())
        .bind(word(&session.pair.kind)?)
        .bind(session.since.0)
        .bind(session.operation.map(|operation| signed(operation.0)))
        .bind(i64::from(session.full))
        .execute(to)
        .await?;
    Ok(())
}

async fn open(
    to: &mut AnyConnection,
    counters: &mut Counters,
    touched: &mut Touched,
    operation: &OpenOperation,
    claims: &[VolumeId],
    epoch: u64,
) -> Result<(), Failure> {
    if operation.id.0 < counters.next_operation {
        return Err(ChangeError::Exists(format!("operation {}", operation.id)).into());
    }
    for volume in claims {
        if let Some(claim) = read_claim(to, *volume).await? {
            return Err(ChangeError::Held(Box::new(claim)).into());
        }
    }
    let holder = json(&operation.actor)?;
    touched.operation(operation.id);
    for volume in claims {
        touched.text(CLAIM, volume);
        let statement = "INSERT INTO claim (volume, operation, holder, since, epoch) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (volume) DO NOTHING";
        query(statement)
            .bind(volume.to_string())
            .bind(signed(operation.id.0))
            .bind(&holder)
            .bind(operation.started.0)
            .bind(signed(epoch))
            .execute(&mut *to)
            .await?;
    }
    counters.next_operation = operation.id.0 + 1;
    counters.next_epoch = counters.next_epoch.max(epoch + 1);
    let statement = "INSERT INTO operation (id, verb, volume, actor, started, reason, item, journal_length)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    query(statement)
        .bind(signed(operation.id.0))
        .bind(word(&operation.item.verb)?)
        .bind(operation.item.volume.to_string())
        .bind(holder)
        .bind(operation.started.0)
        .bind(optional_json(operation.reason.as_ref())?)
        .bind(json(&operation.item)?)
        .bind(signed(operation.journal.len() as u64))
        .execute(&mut *to)
        .await?;
    for (number, entry) in (1..).zip(&operation.journal) {
        write_entry(to, touched, operation.id, number, entry).await?;
    }
    Ok(())
}

async fn write_entry(
    to: &mut AnyConnection,
    touched: &mut Touched,
    operation: OperationId,
    number: i64,
    entry: &JournalEntry,
) -> Result<(), Failure> {
    touched.journal(operation, number);
    query("INSERT INTO journal (operation, number, entry) VALUES ($1, $2, $3)")
        .bind(signed(operation.0))
        .bind(number)
        .bind(json(entry)?)
        .execute(to)
        .await?;
    Ok(())
}

async fn read_claim(from: &mut AnyConnection, volume: VolumeId) -> Result<Option<Claim>, Failure> {
    let row = query("SELECT operation, holder, since, epoch FROM claim WHERE volume = $1")
        .bind(volume.to_string())
        .fetch_optional(from)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let holder: String = row.try_get(1)?;
    Ok(Some(Claim {
        volume,
        operation: OperationId(unsigned(row.try_get(0)?)),
        holder: from_json::<Actor>(&holder)?,
        since: Timestamp(row.try_get(2)?),
        epoch: unsigned(row.try_get(3)?),
    }))
}

/// The state's word, and why as JSON text: a reason may hold characters that a text column does not.
fn state_columns(state: &GenerationState) -> Result<(&'static str, Option<String>), Failure> {
    Ok(match state {
        GenerationState::Valid => ("valid", None),
        GenerationState::InDoubt(why) => ("in-doubt", Some(json(why)?)),
        GenerationState::NeedsAttention(why) => ("needs-attention", Some(json(why)?)),
    })
}

fn one_row(affected: u64, otherwise: impl FnOnce() -> ChangeError) -> Result<(), Failure> {
    if affected == 0 { Err(otherwise().into()) } else { Ok(()) }
}

fn missing(what: &str, which: impl std::fmt::Display) -> ChangeError {
    ChangeError::Missing(format!("{what} {which}"))
}
