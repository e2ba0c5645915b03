//! What the array server does for each request.

use super::arrays::{Arrays, ArraysError};
use super::core::Core;
use super::data::DataPlane;
use super::faults::Fault;
use super::provision::provision;
use super::rules::Reply;
use super::wire::{
    Administration, ArrayEntry, CopyEntry, CopyFigures, Created, Data, Failure, FailureKind, FaultEntry, NewVolumes,
    Overview, PathEntry, PathState, Request, SessionFault, VolumeEntry,
};
use super::workload::seeded;
use crate::model::identity::{BoxId, Name, VolumeId};
use crate::model::session::{ErrorByte, Pair};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;
use std::sync::Arc;

/// The longest read that is answered in one piece.
const MAX_READ: u32 = 8 << 20;
/// Bytes that are written in one piece.
const PIECE: u64 = 1 << 20;
/// Bytes of each of the scattered writes.
const SCATTERED: u64 = 4096;
/// Volumes that are made by one request.
const MAX_VOLUMES: u32 = 20_000;

/// What goes back to whoever asked.
#[derive(Debug)]
pub enum Answer {
    Value(Value),
    /// After so many milliseconds.
    Late(Value, u32),
    /// Nothing at all: a fault that was asked for.
    Silence,
}

/// Answers a request. It may take long: not for a thread that others wait for.
pub fn answer(arrays: &Arc<Arrays>, request: Request) -> Result<Answer, Failure> {
    done(arrays, request).map_err(|failure| in_names(arrays, failure))
}

/// A failure as people read it: the names of arrays instead of their identities.
fn in_names(arrays: &Arrays, failure: Failure) -> Failure {
    let text = arrays
        .core()
        .boxes()
        .fold(failure.text, |text, (box_id, cabinet)| in_name(&text, &box_id.to_string(), cabinet.name.as_str()));
    Failure { text, ..failure }
}

/// A text with the name instead of an identity, but where the identity is a folder of a path: that one has no other name.
fn in_name(text: &str, id: &str, name: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once(id) {
        out += before;
        out += if out.ends_with('/') { id } else { name };
        rest = after;
    }
    out + rest
}

fn done(arrays: &Arc<Arrays>, request: Request) -> Result<Answer, Failure> {
    match request {
        Request::Administer(what) => Ok(Answer::Value(administer(arrays, what)?)),
        Request::Identify { array } => reached(arrays, &array, |at| Ok(arrays.core().identity(at)?)),
        // One that is out of service is not reported: whatever it holds cannot be had.
        Request::Volumes { array } => reached(arrays, &array, |at| {
            let mut volumes = arrays.core().volumes_of(at)?;
            volumes.retain(|volume| arrays.why_out(volume.id).is_none());
            Ok(volumes)
        }),
        Request::Sessions { array } => reached(arrays, &array, |at| Ok(arrays.reading(at)?)),
        Request::Leaves { array, volume, first, count } => {
            reached(arrays, &array, |_| Ok(arrays.data().leaves(volume, first, count)?))
        }
        Request::ChangedLeaves { array, volume, since } => {
            reached(arrays, &array, |_| Ok(arrays.data().changed_leaves(volume, since.as_deref())?))
        }
        Request::Execute { array, command, requestor } => {
            let at = box_of(arrays, &array)?;
            let slow = arrays.core().reach(at).map_err(ArraysError::from)?.slow_millis;
            match arrays.execute(at, &command, &requestor) {
                Reply::Answered(outcomes) if slow == 0 => Ok(Answer::Value(value(&outcomes)?)),
                Reply::Answered(outcomes) => Ok(Answer::Late(value(&outcomes)?, slow)),
                Reply::Late(outcomes, millis) => Ok(Answer::Late(value(&outcomes)?, millis.saturating_add(slow))),
                Reply::Silence => Ok(Answer::Silence),
                Reply::Unreachable => Err(unreachable(&array)),
            }
        }
    }
}

fn reached<T: Serialize>(
    arrays: &Arrays,
    array: &str,
    question: impl FnOnce(BoxId) -> Result<T, ArraysError>,
) -> Result<Answer, Failure> {
    let at = box_of(arrays, array)?;
    let reach = arrays.core().reach(at).map_err(ArraysError::from)?;
    if !reach.answers {
        return Err(unreachable(array));
    }
    let answer = value(&question(at)?)?;
    Ok(if reach.slow_millis == 0 { Answer::Value(answer) } else { Answer::Late(answer, reach.slow_millis) })
}

fn administer(arrays: &Arc<Arrays>, what: Administration) -> Result<Value, Failure> {
    let done = |()| Ok(Value::Null);
    match what {
        Administration::List => value(&overview(arrays)?),
        Administration::AllVolumes => value(&all_volumes(arrays)?),
        Administration::CreateArray { name, box_id } => {
            value(&arrays.administer(|core, _| make_box(core, &name, box_id))?)
        }
        Administration::CreateVolumes { array, olu, label, blocks, count } => {
            let at = box_of(arrays, &array)?;
            let wanted = NewVolumes { olu, label, blocks, count };
            value(&arrays.administer(|core, data| make_volumes(core, data, at, &wanted))?)
        }
        Administration::Create { array, volumes } => value(&arrays.administer(|core, data| {
            let box_id = match core.box_named(array.name.as_str()) {
                Ok(known) if volumes.is_some() => known,
                _ => make_box(core, &array.name, array.box_id)?,
            };
            let volumes = volumes.as_ref().map(|wanted| make_volumes(core, data, box_id, wanted)).transpose()?;
            Ok(Created { box_id, volumes: volumes.unwrap_or_default() })
        })?),
        Administration::Rules { array, rules } => {
            let at = box_of(arrays, &array)?;
            // A driver says it again with every look at who the array is.
            let known = arrays.core().rules(at).map_err(ArraysError::from)?;
            if known != rules {
                arrays.administer(|core, _| Ok(core.set_rules(at, rules)?))?;
            }
            done(())
        }
        Administration::Set { array, change } => {
            let at = box_of(arrays, &array)?;
            arrays.administer(|core, _| Ok(core.set(at, change)?))?;
            value(arrays.core().settings(at).map_err(ArraysError::from)?)
        }
        Administration::Buffer { from, to, buffer } => {
            let (from, to) = (box_of(arrays, &from)?, box_of(arrays, &to)?);
            done(arrays.administer(|core, _| Ok(core.set_buffer(from, to, buffer)?))?)
        }
        Administration::Expand { volume, blocks } => done(arrays.expand(volume_of(arrays, &volume)?, blocks)?),
        Administration::Delete { volume, force } => done(arrays.delete(volume_of(arrays, &volume)?, force)?),
        Administration::Format { volume } => done(arrays.format(volume_of(arrays, &volume)?)?),
        Administration::Protect { volume, protected } => {
            let id = volume_of(arrays, &volume)?;
            done(arrays.administer(|core, _| Ok(core.protect(id, protected)?))?)
        }
        Administration::Accept { volume } => done(arrays.accept(volume_of(arrays, &volume)?)?),
        Administration::Import { volume, file } => {
            let id = volume_of(arrays, &volume)?;
            value(&arrays.import(id, &file)?)
        }
        Administration::Write { volume, offset, data } => {
            let id = volume_of(arrays, &volume)?;
            done(write(arrays, id, offset, &data)?)
        }
        Administration::Read { volume, offset, length } => {
            if length > MAX_READ {
                let text = format!("at most {MAX_READ} bytes are read at once");
                return Err(Failure { kind: FailureKind::Refused, text });
            }
            let mut bytes = vec![0; length as usize];
            let id = volume_of(arrays, &volume)?;
            arrays.read_as_host(id, offset, &mut bytes)?;
            value(&bytes.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            }))
        }
        Administration::Workload { volume, work } => done(arrays.set_workload(volume_of(arrays, &volume)?, work)?),
        Administration::Export { volume, socket } => {
            let id = volume_of(arrays, &volume)?;
            let array = arrays.core().boxes().find(|(at, _)| *at == id.box_id).map(|(_, cabinet)| cabinet.name.clone());
            let name = array.map_or_else(|| volume.clone(), |array| format!("{array}/{}", id.olu));
            done(arrays.set_export(id, name, socket.as_deref())?)
        }
        Administration::Rate { bytes_per_second, pair } => {
            let pair = pair.map(|(source, target)| pair_of(arrays, &source, &target)).transpose()?;
            done(arrays.set_rate(bytes_per_second, pair)?)
        }
        Administration::Fault { array, fault } => done(arrays.inject(box_of(arrays, &array)?, fault)?),
        Administration::SessionFault { source, target, fault } => {
            let pair = pair_of(arrays, &source, &target)?;
            let (at, fault) = match fault {
                SessionFault::ErrorSuspend { byte } => {
                    (pair.source.box_id, Fault::ErrorSuspend { pair, byte: ErrorByte(byte) })
                }
                SessionFault::HalfOpen { missing } => (pair.source.box_id, Fault::HalfOpen { pair, missing }),
                SessionFault::BufferOverrun => (pair.source.box_id, Fault::BufferOverrun { pair }),
                SessionFault::StrangeWord { word } => (pair.source.box_id, Fault::StrangeWord { pair, word }),
            };
            done(arrays.inject(at, fault)?)
        }
        Administration::Path { one, other, state } => {
            let (one, other) = (box_of(arrays, &one)?, box_of(arrays, &other)?);
            let change = |core: &mut Core| match state {
                PathState::Up => core.add_path(one, other),
                PathState::Down => core.set_path(one, other, false),
                PathState::None => core.remove_path(one, other),
            };
            done(arrays.administer(|core, _| Ok(change(core)?))?)
        }
        Administration::Fingerprint { volume } => {
            let id = volume_of(arrays, &volume)?;
            value(&arrays.data().fingerprint(id).map_err(ArraysError::from)?)
        }
        Administration::Copied { source, target } => {
            let pair = pair_of(arrays, &source, &target)?;
            let missing = ArraysError::Core(super::core::CoreError::NoSession(pair));
            value(&figures(arrays, &pair).ok_or(missing)?)
        }
        Administration::Provision(wanted) => done(provision(arrays, &wanted)?),
        // The server ends when it has answered.
        Administration::Stop => done(()),
    }
}

/// An array that is connected with every other one.
fn make_box(core: &mut Core, name: &Name, box_id: Option<BoxId>) -> Result<BoxId, ArraysError> {
    let id = core.add_box_as(name, box_id.unwrap_or_else(|| super::core::box_id(name)))?;
    let others: Vec<BoxId> = core.boxes().map(|(id, _)| id).filter(|other| *other != id).collect();
    others.into_iter().try_for_each(|other| core.add_path(id, other))?;
    Ok(id)
}

fn make_volumes(
    core: &mut Core,
    data: &DataPlane,
    at: BoxId,
    wanted: &NewVolumes,
) -> Result<Vec<VolumeId>, ArraysError> {
    if wanted.count == 0 || wanted.count > MAX_VOLUMES || (wanted.olu.is_some() && wanted.count > 1) {
        let text = format!("1 to {MAX_VOLUMES} volumes are made at once, and a single one when its number is given");
        return Err(ArraysError::Request(text));
    }
    let mut made = Vec::new();
    for _ in 0..wanted.count {
        let id = core.add_volume(at, wanted.olu, &wanted.label, wanted.blocks)?;
        data.create(id, wanted.blocks)?;
        made.push(id);
    }
    Ok(made)
}

/// All of it, or nothing where the volume ends before.
fn write(arrays: &Arrays, id: VolumeId, offset: u64, data: &Data) -> Result<(), ArraysError> {
    let length = match data {
        Data::Text { text } => text.len() as u64,
        Data::Seeded { length, .. } => *length,
        Data::Scattered { .. } => SCATTERED,
    };
    let size = arrays.data().within(id, offset, length)?;
    match data {
        Data::Text { text } => arrays.write_as_host(id, offset, text.as_bytes())?,
        Data::Seeded { seed, length } => {
            let mut at = 0;
            while at < *length {
                let piece = (length - at).min(PIECE);
                arrays.write_as_host(id, offset + at, &seeded(seed.wrapping_add(at), piece as usize))?;
                at += piece;
            }
        }
        Data::Scattered { seed, writes } => {
            let mut random = fastrand::Rng::with_seed(*seed);
            for _ in 0..*writes {
                let at = offset + random.u64(0..(size - offset) / SCATTERED) * SCATTERED;
                arrays.write_as_host(id, at, &seeded(random.u64(..), SCATTERED as usize))?;
            }
        }
    }
    Ok(())
}

fn overview(arrays: &Arrays) -> Result<Overview, ArraysError> {
    let core = arrays.core();
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    for (box_id, cabinet) in core.boxes() {
        let array = || cabinet.name.clone();
        faults.extend(core.faults(box_id)?.into_iter().map(|fault| FaultEntry { array: array(), fault }));
        let reachable = core.reach(box_id)?.answers;
        let sessions = core.reading(box_id, super::arrays::now())?.sessions.len();
        let volumes = cabinet.volumes.len();
        entries.push(ArrayEntry { name: cabinet.name.clone(), box_id, volumes, sessions, reachable });
    }
    let name = |id: &BoxId| core.boxes().find(|(other, _)| other == id).map(|(_, cabinet)| cabinet.name.clone());
    let paths =
        core.paths().filter_map(|([one, other], up)| Some(PathEntry { one: name(&one)?, other: name(&other)?, up }));
    let paths = paths.collect();
    Ok(Overview {
        pid: std::process::id(),
        arrays: entries,
        paths,
        faults,
        attentions: arrays.troubles().now(),
        warnings: arrays.troubles().happened(),
    })
}

fn all_volumes(arrays: &Arrays) -> Result<Vec<VolumeEntry>, ArraysError> {
    let core = arrays.core();
    let (workloads, exports) = (arrays.workloads().all(), arrays.exports().all());
    let mut entries = Vec::new();
    for (box_id, cabinet) in core.boxes() {
        for (olu, volume) in &cabinet.volumes {
            let id = VolumeId { box_id, olu: *olu };
            let mine = core.sessions().filter(|session| session.touches(id));
            let mine = mine.filter_map(|session| {
                Some(CopyEntry { reading: session.reading(), figures: figures(arrays, &session.pair)? })
            });
            entries.push(VolumeEntry {
                id,
                array: cabinet.name.clone(),
                label: volume.label.clone(),
                blocks: volume.blocks,
                image: arrays.data().image(id)?,
                out_of_service: arrays.why_out(id),
                workload: workloads.get(&id).cloned(),
                export: exports.get(&id).cloned(),
                sessions: mine.collect(),
            });
        }
    }
    Ok(entries)
}

fn figures(arrays: &Arrays, pair: &Pair) -> Option<CopyFigures> {
    let state = arrays.data().state(*pair)?;
    Some(CopyFigures { copied_regions: state.copied_regions, differing: state.dirty })
}

fn box_of(arrays: &Arrays, array: &str) -> Result<BoxId, ArraysError> {
    let core = arrays.core();
    let by_id = array.parse().ok().filter(|id| core.identity(*id).is_ok());
    Ok(by_id.map_or_else(|| core.box_named(array), Ok)?)
}

fn volume_of(arrays: &Arrays, volume: &str) -> Result<VolumeId, ArraysError> {
    let wrong = |why: String| ArraysError::Request(format!("{volume:?} is not a volume of an embedded array: {why}"));
    let (array, olu) = volume.rsplit_once('/').ok_or_else(|| wrong("write it as ARRAY/0x21".to_owned()))?;
    let olu = olu.parse().map_err(|error: crate::model::identity::IdentityError| wrong(error.to_string()))?;
    let id = VolumeId { box_id: box_of(arrays, array)?, olu };
    arrays.core().volume(id)?;
    Ok(id)
}

/// The session of a source and a target; the kind is what the session has.
fn pair_of(arrays: &Arrays, source: &str, target: &str) -> Result<Pair, ArraysError> {
    let (source, target) = (volume_of(arrays, source)?, volume_of(arrays, target)?);
    let (equivalent, opc) = (Pair::new(source, target), Pair::opc(source, target));
    let core = arrays.core();
    // The copy that there is; a one-point copy has no session before or after.
    Ok(if core.session(&equivalent).is_none() && core.session(&opc).is_some() { opc } else { equivalent })
}

fn value<T: Serialize>(answer: &T) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| Failure { kind: FailureKind::Internal, text: error.to_string() })
}

fn unreachable(array: &str) -> Failure {
    Failure { kind: FailureKind::Unreachable, text: format!("array {array} does not answer") }
}

#[cfg(test)]
mod tests {
    use super::in_name;

    #[test]
    fn a_path_stays_a_path_and_everything_else_is_named() {
        let text = "BOX/0x1 is at /srv/arrays/BOX/0x1.img; BOX is full";
        assert_eq!(in_name(text, "BOX", "A1"), "A1/0x1 is at /srv/arrays/BOX/0x1.img; A1 is full");
    }
}
