//! Reading: everything in force in one consistent view; history and events by index.

use super::column_codec::{from_json, from_optional_json, from_word, parse, small, unsigned};
use super::failure::Failure;
use crate::catalog::{EventRange, Generations, HistoryQuery};
use crate::model::chain::ChainLink;
use crate::model::event::{ChainHash, ChainHead};
use crate::model::identity::{Name, VolumeId};
use crate::model::records::{
    BackupVolume, Claim, Generation, GenerationState, OpenOperation, OperationEnd, OperationId, OurSession,
    PastGeneration, Policy, Records, TransactionVolume,
};
use crate::model::session::Pair;
use crate::model::units::{Blocks, Timestamp, Version};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row, query, query_scalar};

/// Everything that is in force; the caller gives a transaction, so that all tables are of one moment.
pub async fn load(from: &mut AnyConnection) -> Result<Records, Failure> {
    let mut records = Records::default();
    let head = query("SELECT next_operation, next_epoch FROM head WHERE one = 1").fetch_one(&mut *from).await?;
    records.next_operation = unsigned(head.try_get(0)?);
    records.next_epoch = unsigned(head.try_get(1)?);

    let volumes = "SELECT id, name, blocks, generations, interval_days, mode, registered_at, next_version
        FROM transaction_volume LEFT JOIN volume_name ON volume = id";
    for row in query(volumes).fetch_all(&mut *from).await? {
        let volume = transaction_volume(&row).map_err(|failure| failure.in_row("transaction_volume", &row, 1))?;
        records.keep_transaction_volume(volume);
    }
    for row in query("SELECT id, next_version FROM retired_volume").fetch_all(&mut *from).await? {
        let retired = || Ok((volume_id(&row, 0)?, Version(unsigned(row.try_get(1)?))));
        let (id, next) = retired().map_err(|failure: Failure| failure.in_row("retired_volume", &row, 1))?;
        records.retired.insert(id, next);
    }
    let pool = "SELECT id, name, blocks, registered_at FROM backup_volume LEFT JOIN volume_name ON volume = id";
    for row in query(pool).fetch_all(&mut *from).await? {
        let volume = backup_volume(&row).map_err(|failure| failure.in_row("backup_volume", &row, 1))?;
        records.keep_backup_volume(volume);
    }
    let kept = "SELECT transaction_volume, version, backup_volume, blocks, taken_at, mode, state, why, held,
            provisioned, operation
        FROM generation WHERE released_at IS NULL ORDER BY transaction_volume, version";
    for row in query(kept).fetch_all(&mut *from).await? {
        let generation = generation(&row).map_err(|failure| failure.in_row("generation", &row, 2))?;
        records.generations.insert((generation.transaction_volume, generation.version), generation);
    }
    for row in
        query("SELECT source, target, kind, since, operation, full_copy FROM our_session").fetch_all(&mut *from).await?
    {
        let session = session(&row).map_err(|failure| failure.in_row("our_session", &row, 3))?;
        records.sessions.insert(session.pair, session);
    }
    super::maps::load(&mut *from, &mut records).await?;
    super::groups::load(&mut *from, &mut records).await?;
    super::volume_sets::load(&mut *from, &mut records).await?;
    super::released::load(&mut *from, &mut records).await?;
    super::notes::load(&mut *from, &mut records).await?;
    super::documents::load(&mut *from, &mut records).await?;
    load_operations(from, &mut records).await?;
    for row in query("SELECT volume, operation, holder, since, epoch FROM claim").fetch_all(&mut *from).await? {
        let claim = claim(&row).map_err(|failure| failure.in_row("claim", &row, 1))?;
        records.claims.insert(claim.volume, claim);
    }
    for row in query("SELECT name, box_id FROM known_array").fetch_all(from).await? {
        let array = || Ok((parse(&text(&row, 0)?)?, parse(&text(&row, 1)?)?));
        let (name, box_id) = array().map_err(|failure: Failure| failure.in_row("known_array", &row, 1))?;
        records.arrays.insert(name, box_id);
    }
    Ok(records)
}

async fn load_operations(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    let open = "SELECT id, actor, started, reason, item FROM operation WHERE ended_at IS NULL ORDER BY id";
    for row in query(open).fetch_all(&mut *from).await? {
        let mut operation = open_operation(&row).map_err(|failure: Failure| failure.in_row("operation", &row, 1))?;
        let entries = "SELECT operation, number, entry FROM journal WHERE operation = $1 ORDER BY number";
        let id = super::column_codec::signed(operation.id.0);
        for row in query(entries).bind(id).fetch_all(&mut *from).await? {
            let entry = || from_json(&text(&row, 2)?);
            operation.journal.push(entry().map_err(|failure: Failure| failure.in_row("journal", &row, 2))?);
        }
        records.operations.insert(operation.id, operation);
    }
    Ok(())
}

/// Without its journal.
fn open_operation(row: &AnyRow) -> Result<OpenOperation, Failure> {
    Ok(OpenOperation {
        id: OperationId(unsigned(row.try_get(0)?)),
        actor: from_json(&text(row, 1)?)?,
        started: Timestamp(row.try_get(2)?),
        reason: from_optional_json(row.try_get(3)?)?,
        item: from_json(&text(row, 4)?)?,
        journal: Vec::new(),
    })
}

pub async fn head(from: &mut AnyConnection) -> Result<ChainHead, Failure> {
    let row = query("SELECT sequence, hash FROM head WHERE one = 1").fetch_one(from).await?;
    Ok(ChainHead { sequence: unsigned(row.try_get(0)?), hash: ChainHash::from_stored(text(&row, 1)?) })
}

/// The stored events of a range, oldest first.
pub async fn links(from: &mut AnyConnection, range: EventRange) -> Result<Vec<ChainLink>, Failure> {
    let rows = match range {
        EventRange::Newest(most) => {
            let newest = "SELECT sequence, document, hash FROM event ORDER BY sequence DESC LIMIT $1";
            let mut rows = query(newest).bind(i64::from(most)).fetch_all(from).await?;
            rows.reverse();
            rows
        }
        EventRange::From { sequence, most } => {
            let following =
                "SELECT sequence, document, hash FROM event WHERE sequence >= $1 ORDER BY sequence LIMIT $2";
            let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
            query(following).bind(sequence).bind(i64::from(most)).fetch_all(from).await?
        }
    };
    rows.iter()
        .map(|row| {
            let hash = ChainHash::from_stored(text(row, 2)?);
            Ok(ChainLink { sequence: unsigned(row.try_get(0)?), text: text(row, 1)?, hash })
        })
        .collect()
}

/// A statement for generations, kept and released, in the columns that [`past_generation`] reads.
macro_rules! past_generations {
    ($which:literal) => {
        concat!(
            "SELECT transaction_volume, version, backup_volume, blocks, taken_at, mode, state, why, held, provisioned, ",
            "operation, released_at, release_reason, reason, ",
            "(SELECT crash_consistent FROM generation_note WHERE generation_note.transaction_volume = ",
            "generation.transaction_volume AND generation_note.version = generation.version), ",
            "(SELECT complete_by FROM generation_suspend WHERE generation_suspend.transaction_volume = ",
            "generation.transaction_volume AND generation_suspend.version = generation.version), ",
            "(SELECT document FROM generation_set WHERE generation_set.transaction_volume = ",
            "generation.transaction_volume AND generation_set.version = generation.version), ",
            "(SELECT document FROM generation_group WHERE generation_group.transaction_volume = ",
            "generation.transaction_volume AND generation_group.version = generation.version), ",
            "(SELECT document FROM generation_copy WHERE generation_copy.transaction_volume = ",
            "generation.transaction_volume AND generation_copy.version = generation.version), ",
            "(SELECT document FROM generation_fingerprint WHERE generation_fingerprint.transaction_volume = ",
            "generation.transaction_volume AND generation_fingerprint.version = generation.version) ",
            "FROM generation LEFT JOIN operation ON operation.id = generation.operation ",
            $which
        )
    };
}

pub async fn history(from: &mut AnyConnection, wanted: HistoryQuery) -> Result<Vec<PastGeneration>, Failure> {
    let most = i64::from(wanted.most);
    let rows = match wanted.of {
        Generations::OfTransactionVolume(volume) => {
            let statement = past_generations!("WHERE transaction_volume = $1 ORDER BY version DESC LIMIT $2");
            query(statement).bind(volume.to_string()).bind(most).fetch_all(from).await?
        }
        Generations::OnBackupVolume(volume) => {
            let statement = past_generations!(
                "WHERE backup_volume = $1 ORDER BY COALESCE(generation.operation, -1) DESC, taken_at DESC, transaction_volume, version DESC LIMIT $2"
            );
            query(statement).bind(volume.to_string()).bind(most).fetch_all(from).await?
        }
        Generations::All => {
            let statement = past_generations!(
                "ORDER BY COALESCE(generation.operation, -1) DESC, taken_at DESC, transaction_volume, version DESC LIMIT $1"
            );
            query(statement).bind(most).fetch_all(from).await?
        }
    };
    let read = |row| past_generation(row).map_err(|failure| failure.in_row("generation", row, 2));
    rows.iter().map(read).collect()
}

pub async fn operation_end(from: &mut AnyConnection, id: OperationId) -> Result<Option<OperationEnd>, Failure> {
    let end = query_scalar::<_, Option<String>>("SELECT outcome FROM operation WHERE id = $1")
        .bind(super::column_codec::signed(id.0))
        .fetch_optional(from)
        .await?;
    from_optional_json(end.flatten())
}

fn transaction_volume(row: &AnyRow) -> Result<TransactionVolume, Failure> {
    let policy = match row.try_get::<Option<i64>, _>(3)? {
        None => None,
        // `load` adds the options.
        Some(generations) => {
            Some(Policy::new(small(generations)?, small(row.try_get(4)?)?, from_word(&text(row, 5)?)?))
        }
    };
    Ok(TransactionVolume {
        id: volume_id(row, 0)?,
        name: parse(&text(row, 1)?)?,
        blocks: Blocks(unsigned(row.try_get(2)?)),
        policy,
        registered_at: Timestamp(row.try_get(6)?),
        next_version: Version(unsigned(row.try_get(7)?)),
        // `load` adds it.
        group: None,
        window_since: None,
    })
}

fn backup_volume(row: &AnyRow) -> Result<BackupVolume, Failure> {
    let name = row.try_get::<Option<String>, _>(1)?;
    Ok(BackupVolume {
        id: volume_id(row, 0)?,
        name: name.map(|name| parse::<Name>(&name)).transpose()?,
        blocks: Blocks(unsigned(row.try_get(2)?)),
        registered_at: Timestamp(row.try_get(3)?),
        // `load` adds it.
        group: None,
    })
}

pub fn generation(row: &AnyRow) -> Result<Generation, Failure> {
    let why = || {
        let why = row.try_get::<Option<String>, _>(7)?;
        Ok::<String, Failure>(from_optional_json(why)?.unwrap_or_default())
    };
    let state = match text(row, 6)?.as_str() {
        "valid" => GenerationState::Valid,
        "in-doubt" => GenerationState::InDoubt(why()?),
        "needs-attention" => GenerationState::NeedsAttention(why()?),
        other => return Err(Failure::Damaged(format!("a generation has the unknown state {other:?}"))),
    };
    Ok(Generation {
        transaction_volume: volume_id(row, 0)?,
        version: Version(unsigned(row.try_get(1)?)),
        backup_volume: volume_id(row, 2)?,
        blocks: Blocks(unsigned(row.try_get(3)?)),
        taken_at: Timestamp(row.try_get(4)?),
        mode: from_word(&text(row, 5)?)?,
        state,
        held: from_optional_json(row.try_get(8)?)?,
        provisioned: row.try_get::<i64, _>(9)? != 0,
        // `load` and `past_generation` add these.
        copied_in: None,
        fingerprint: None,
        suspend_complete_by: None,
        set: None,
        group: None,
        crash_consistent: None,
        operation: operation_id(row, 10)?,
    })
}

fn past_generation(row: &AnyRow) -> Result<PastGeneration, Failure> {
    let released = match row.try_get::<Option<i64>, _>(11)? {
        None => None,
        Some(at) => Some((Timestamp(at), from_word(&text(row, 12)?)?)),
    };
    let reason = from_optional_json(row.try_get(13)?)?;
    let crash_consistent = from_optional_json(row.try_get(14)?)?;
    let suspend_complete_by = row.try_get::<Option<i64>, _>(15)?.map(Timestamp);
    let set = from_optional_json(row.try_get(16)?)?;
    let group = from_optional_json(row.try_get(17)?)?;
    let copied_in = from_optional_json(row.try_get(18)?)?;
    let fingerprint = from_optional_json(row.try_get(19)?)?;
    let known = generation(row)?;
    let generation = Generation { suspend_complete_by, crash_consistent, set, group, copied_in, fingerprint, ..known };
    Ok(PastGeneration { generation, released, reason })
}

fn session(row: &AnyRow) -> Result<OurSession, Failure> {
    let pair = Pair { source: volume_id(row, 0)?, target: volume_id(row, 1)?, kind: from_word(&text(row, 2)?)? };
    Ok(OurSession {
        pair,
        since: Timestamp(row.try_get(3)?),
        operation: operation_id(row, 4)?,
        full: row.try_get::<i64, _>(5)? != 0,
    })
}

fn claim(row: &AnyRow) -> Result<Claim, Failure> {
    Ok(Claim {
        volume: volume_id(row, 0)?,
        operation: OperationId(unsigned(row.try_get(1)?)),
        holder: from_json(&text(row, 2)?)?,
        since: Timestamp(row.try_get(3)?),
        epoch: unsigned(row.try_get(4)?),
    })
}

fn text(row: &AnyRow, column: usize) -> Result<String, sqlx::Error> {
    row.try_get(column)
}

fn volume_id(row: &AnyRow, column: usize) -> Result<VolumeId, Failure> {
    parse(&text(row, column)?)
}

fn operation_id(row: &AnyRow, column: usize) -> Result<Option<OperationId>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(|id| OperationId(unsigned(id))))
}
