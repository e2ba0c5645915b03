//! `ecdeck history verify`: generations read again and compared with their fingerprints.

use super::arguments::VerifyArguments;
use super::document::Stamp;
use super::link::{Link, SiteContext, unexpected};
use super::wait::Deadline;
use super::{CliError, Exit, json, names, out, times};
use crate::engine::protocol::{Answer, Ask};
use crate::model::codes::Code;
use crate::model::duration::people;
use crate::model::identity::VolumeId;
use crate::model::plan::Refusal;
use crate::model::records::GenerationState;
use crate::model::snapshot::Snapshot;
use crate::model::units::Version;
use crate::model::verification::Verified;
use serde::Serialize;

/// What came of one generation.
enum Outcome {
    Verified(Box<Verified>),
    Refused(Box<Refusal>),
    Failed { why: String, code: Option<Code> },
}

#[derive(Serialize)]
struct Document<'a> {
    verified: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: VolumeId,
    name: String,
    version: Version,
    /// `equal`, `differs`, `refused` or `failed`.
    outcome: &'static str,
    /// BLAKE3 of the fingerprint; null where it was not compared.
    blake3: Option<&'a str>,
    at: Option<Stamp>,
    millis: Option<u64>,
    /// Which MiB differ; null where none does.
    differs: Option<&'a str>,
    /// `valid`, `in-doubt` or `needs-attention` from now on.
    #[serde(flatten)]
    state: Option<&'a GenerationState>,
    code: Option<Code>,
    reason: Option<&'a str>,
}

pub async fn run(asked: &VerifyArguments, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let deadline = Deadline::new(asked.time_limit);
    let mut link = super::opened(site_context, deadline).await?;
    let snapshot = match &asked.volume {
        Some(name) => link.view(&[name]).await?,
        None => link.snapshot().await?,
    };
    let wanted = generations(asked, &snapshot)?;
    let one_named = asked.version.is_some();
    let mut outcomes = Vec::with_capacity(wanted.len());
    for (volume, version) in wanted {
        let outcome = verify(&mut link, volume, version, deadline).await?;
        if let Outcome::Refused(refusal) = &outcome
            && one_named
        {
            return Err(CliError::coded(refusal.code, format!("{} ({})", refusal.reason, refusal.code)));
        }
        if !asked.json {
            out::print(&sentence(&snapshot, volume, version, &outcome))?;
        }
        outcomes.push((volume, version, outcome));
    }
    if asked.json {
        let verified = outcomes.iter().map(|(volume, version, outcome)| entry(&snapshot, *volume, *version, outcome));
        json::print(snapshot.site.demo, &Document { verified: verified.collect() })?;
    }
    Ok(Exit::together(outcomes.iter().map(|(_, _, outcome)| exit(outcome))))
}

/// The generations that are meant: the one that is named, else those that have a fingerprint.
fn generations(asked: &VerifyArguments, snapshot: &Snapshot) -> Result<Vec<(VolumeId, Version)>, CliError> {
    let volume = asked.volume.as_deref().map(|text| names::volume(snapshot, text)).transpose()?;
    if let (Some(volume), Some(version)) = (volume, asked.version) {
        return Ok(vec![(volume, Version(version))]);
    }
    let of_volume = snapshot.generations.iter().filter(|kept| volume.is_none_or(|id| kept.transaction_volume == id));
    let fingerprinted = of_volume.filter(|kept| kept.fingerprint.is_some());
    let found: Vec<_> = fingerprinted.map(|kept| (kept.transaction_volume, kept.version)).collect();
    if found.is_empty() {
        let whose = volume.map_or_else(|| "of this site".to_owned(), |id| format!("of {}", snapshot.label(id)));
        let code = Code::NOT_FINGERPRINTED;
        let text = format!("no generation {whose} is fingerprinted, so nothing can be verified ({code})");
        return Err(CliError::coded(code, text));
    }
    Ok(found)
}

async fn verify(link: &mut Link, volume: VolumeId, version: Version, deadline: Deadline) -> Result<Outcome, CliError> {
    let whom = || format!("the array to read {version} again; what was read by then is not kept");
    let answer = deadline.bound(whom, link.ask(Ask::Verify { volume, version })).await?;
    Ok(match answer {
        Answer::Verified { verified } => Outcome::Verified(verified),
        Answer::Refused { refusal } => Outcome::Refused(Box::new(refusal)),
        Answer::Failed { why, code } => Outcome::Failed { why, code },
        other => return Err(unexpected(&other)),
    })
}

fn exit(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Verified(verified) if verified.verification.differs.is_none() => Exit::Done,
        Outcome::Verified(_) | Outcome::Failed { code: None, .. } => Exit::Failed,
        Outcome::Refused(refusal) => Exit::of_code(refusal.code),
        Outcome::Failed { code: Some(code), .. } => Exit::of_code(*code),
    }
}

fn sentence(snapshot: &Snapshot, volume: VolumeId, version: Version, outcome: &Outcome) -> String {
    let of = format!("{version} of {}", snapshot.label(volume));
    let verified = match outcome {
        Outcome::Verified(verified) => verified,
        Outcome::Refused(refusal) => return format!("refused: {} ({})\n", refusal.reason, refusal.code),
        Outcome::Failed { why, code } => {
            let code = code.map_or_else(String::new, |code| format!(" ({code})"));
            return format!("failed: {why}{code}\n");
        }
    };
    let took = people(i64::try_from(verified.verification.millis).unwrap_or(i64::MAX));
    let read = format!("{} MiB read in {took}", verified.leaves);
    if let Some(what) = &verified.verification.differs {
        let code = Code::DIFFERS_FROM_FINGERPRINT;
        return format!(
            "! {of} is not what its fingerprint says: it differs in {what}; it is in doubt ({code}; {read})\n"
        );
    }
    let since = times::minute(verified.fingerprinted_at);
    let doubt = match (&verified.stays, verified.was_in_doubt) {
        (Some(why), _) => format!("; it stays in doubt: {why}"),
        (None, true) => "; it is no longer in doubt".to_owned(),
        (None, false) => String::new(),
    };
    format!("{of} is verified: the same bytes as on {since} ({read}){doubt}\n")
}

fn entry<'a>(snapshot: &Snapshot, volume: VolumeId, version: Version, outcome: &'a Outcome) -> Entry<'a> {
    let empty = Entry {
        id: volume,
        name: snapshot.label(volume),
        version,
        outcome: "failed",
        blake3: None,
        at: None,
        millis: None,
        differs: None,
        state: None,
        code: None,
        reason: None,
    };
    match outcome {
        Outcome::Verified(verified) => Entry {
            outcome: if verified.verification.differs.is_none() { "equal" } else { "differs" },
            blake3: Some(&verified.blake3),
            at: Some(Stamp(verified.verification.at)),
            millis: Some(verified.verification.millis),
            differs: verified.verification.differs.as_deref(),
            state: Some(&verified.state),
            code: verified.verification.differs.as_ref().map(|_| Code::DIFFERS_FROM_FINGERPRINT),
            reason: verified.stays.as_deref(),
            ..empty
        },
        Outcome::Refused(refusal) => {
            Entry { outcome: "refused", code: Some(refusal.code), reason: Some(&refusal.reason), ..empty }
        }
        Outcome::Failed { why, code } => Entry { code: *code, reason: Some(why), ..empty },
    }
}
