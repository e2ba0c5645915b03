//! What the data plane's callers and its copier threads share: images, sessions and logs, found and made durable.

use super::attached::{Attached, Kept, sync_both};
use super::extents::{ExtentLog, Recovered};
use super::image::{Image, Registered};
use super::map::Logs;
use super::slots::MapToSave;
use super::types::{DataError, OUT_OF_SERVICE, Report, TARGET_FAILED, at, make_folder};
use crate::driver::emulated::disk::Disk;
use crate::model::identity::{BoxId, Olu, VolumeId};
use crate::model::session::Pair;
use parking_lot::{Condvar, Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::{fmt, fs};

pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) disk: Disk,
    pub(super) volumes: RwLock<BTreeMap<VolumeId, Volume>>,
    /// Volumes that are out of service, as far as was reported.
    pub(super) out: Mutex<BTreeSet<VolumeId>>,
    pub(super) sessions: RwLock<Sessions>,
    pub(super) logs: RwLock<BTreeMap<BoxId, Arc<ExtentLog>>>,
    pub(super) recovered: Mutex<BTreeMap<BoxId, Recovered>>,
    /// Volumes that were hot in logs that are still there, but not in the present ones. Held for a whole checkpoint.
    pub(super) owed: Mutex<BTreeSet<VolumeId>>,
    /// Host writes share it, and so does a barrier that concerns some volumes; one for all volumes takes it alone.
    pub(super) admission: RwLock<()>,
    pub(super) rate: Mutex<Option<u64>>,
    pub(super) alarm: Alarm,
    pub(super) report: Box<dyn Fn(Report) + Send + Sync>,
}

/// A volume: its image, and what a host's write to it has to know.
#[derive(Clone)]
pub(super) struct Volume {
    pub(super) image: Arc<Image>,
    /// `None` while no session knows the volume. Replaced as a whole, so that a write looks once.
    pub(super) known_in: Arc<RwLock<Option<Arc<KnownIn>>>>,
}

/// What a host write to a volume in a session has to know.
pub(super) struct KnownIn {
    pub(super) sessions: Vec<Arc<Attached>>,
    pub(super) log: Arc<ExtentLog>,
}

impl fmt::Debug for KnownIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A session shows its images, and these would show it again.
        write!(f, "KnownIn({} sessions)", self.sessions.len())
    }
}

#[derive(Default)]
pub(super) struct Sessions {
    pub(super) by_pair: BTreeMap<Pair, Arc<Attached>>,
    pub(super) by_volume: BTreeMap<VolumeId, Vec<Arc<Attached>>>,
}

#[derive(Default)]
pub(super) struct Alarm {
    pub(super) state: Mutex<AlarmState>,
    pub(super) rung: Condvar,
    /// Threads for short runs that sleep.
    pub(super) resting_helpers: AtomicUsize,
}

#[derive(Default)]
pub(super) struct AlarmState {
    pub(super) wakes: u64,
    pub(super) stop: bool,
}

/// Where a box's folder has the images of its volumes.
pub fn volumes_in(box_folder: &Path) -> PathBuf {
    box_folder.join("volumes")
}

/// Where a folder of arrays has a volume's image.
pub fn image_in(arrays: &Path, id: VolumeId) -> PathBuf {
    volumes_in(&arrays.join(id.box_id.as_str())).join(format!("{}.img", id.olu))
}

impl Volume {
    pub(super) fn new(image: Image) -> Self {
        Self { image: Arc::new(image), known_in: Arc::default() }
    }
}

impl Shared {
    pub(super) fn box_folder(&self, box_id: BoxId) -> PathBuf {
        self.folder.join(box_id.as_str())
    }

    pub(super) fn image_path(&self, id: VolumeId) -> PathBuf {
        image_in(&self.folder, id)
    }

    /// A REC's map belongs to the source's box; its name tells the target's box apart by a hash, as ids are long.
    pub(super) fn map_path(&self, pair: Pair) -> PathBuf {
        let mark = blake3::hash(pair.target.box_id.as_str().as_bytes()).to_hex();
        let name = format!("{}-{}-{}.map", pair.source.olu, &mark[..8], pair.target.olu);
        self.box_folder(pair.source.box_id).join("maps").join(name)
    }

    /// What a one-point copy keeps lies beside the maps.
    pub(super) fn moment_path(&self, pair: Pair) -> PathBuf {
        self.map_path(pair).with_extension("opc")
    }

    /// Makes a box known with its volumes: those that are registered, and whatever other images lie there.
    pub(super) fn open_box(&self, box_id: BoxId, registered: &BTreeMap<VolumeId, Registered>) -> Result<(), DataError> {
        let mut logs = self.logs.write();
        if logs.contains_key(&box_id) {
            return Ok(());
        }
        let folder = self.box_folder(box_id);
        for part in [folder.clone(), volumes_in(&folder), folder.join("maps")] {
            make_folder(&part)?;
        }
        let mut volumes = self.volumes.write();
        let (first, last) = (VolumeId { box_id, olu: Olu(0) }, VolumeId { box_id, olu: Olu(u32::MAX) });
        for (id, known) in registered.range(first..=last) {
            volumes.insert(*id, Volume::new(Image::open(&self.image_path(*id), Some(*known), &self.disk)));
        }
        for entry in fs::read_dir(volumes_in(&folder)).map_err(at(&folder))? {
            let path = entry.map_err(at(&folder))?.path();
            let is_image = path.extension().is_some_and(|ending| ending == "img");
            let olu = path.file_stem().filter(|_| is_image).and_then(|name| name.to_str()?.parse::<Olu>().ok());
            if let Some(olu) = olu {
                let open = || Volume::new(Image::open(&path, None, &self.disk));
                volumes.entry(VolumeId { box_id, olu }).or_insert_with(open);
            }
        }
        let (log, recovered) = ExtentLog::open(&folder.join("maps"), &self.disk).map_err(at(&folder))?;
        logs.insert(box_id, Arc::new(log));
        self.recovered.lock().insert(box_id, recovered);
        Ok(())
    }

    /// Looks at images, and takes out of service what does not pass.
    pub(super) fn verify(&self, images: &[(VolumeId, &Arc<Image>)]) -> Result<(), DataError> {
        let mut bad = None;
        for (id, image) in images {
            let why = image.look();
            self.judge(*id, why.as_deref());
            if let Some(why) = why {
                bad = bad.or_else(|| Some(DataError::OutOfService { volume: *id, why, image: image.path.clone() }));
            }
        }
        bad.map_or(Ok(()), Err)
    }

    /// Looks at every image that is in a session.
    pub(super) fn verify_sessions(&self) {
        let sessions: Vec<_> = self.sessions.read().by_pair.values().cloned().collect();
        for session in sessions {
            // What does not pass ends its own sessions and is reported.
            let _ = self.verify(&session.images());
        }
    }

    /// What a look at an image came to: of a volume that went out of service every run ends, and it is said once.
    pub(super) fn judge(&self, id: VolumeId, why: Option<&str>) {
        let Some(why) = why else {
            self.out.lock().remove(&id);
            return;
        };
        if !self.out.lock().insert(id) {
            return;
        }
        let sessions = self.sessions.read().by_volume.get(&id).cloned().unwrap_or_default();
        for session in sessions {
            self.fail(&session, OUT_OF_SERVICE, why.to_owned());
        }
        (self.report)(Report::OutOfService { volume: id, why: why.to_owned() });
    }

    pub(super) fn find(&self, id: VolumeId) -> Result<Arc<Image>, DataError> {
        self.volume(id).map(|volume| volume.image)
    }

    pub(super) fn volume(&self, id: VolumeId) -> Result<Volume, DataError> {
        self.volumes.read().get(&id).cloned().ok_or(DataError::NoVolume(id))
    }

    pub(super) fn session(&self, pair: Pair) -> Result<Arc<Attached>, DataError> {
        self.sessions.read().by_pair.get(&pair).cloned().ok_or(DataError::NoSession(pair))
    }

    pub(super) fn log(&self, box_id: BoxId) -> Result<Arc<ExtentLog>, DataError> {
        let missing = || DataError::NoVolume(VolumeId { box_id, olu: Olu(0) });
        self.logs.read().get(&box_id).cloned().ok_or_else(missing)
    }

    /// What the earlier life's logs say of both sides of a pair: damage, and the hot extents.
    pub(super) fn recovered_for(&self, pair: Pair) -> (bool, Vec<u32>) {
        let recovered = self.recovered.lock();
        let (mut damaged, mut extents) = (false, Vec::new());
        for side in [pair.source, pair.target] {
            if let Some(of_box) = recovered.get(&side.box_id) {
                damaged |= of_box.damaged;
                extents.extend(of_box.hot.iter().filter(|(olu, _)| *olu == side.olu).map(|(_, extent)| *extent));
            }
        }
        (damaged, extents)
    }

    /// Makes a session known to host writes and copiers. Behind a barrier: a write that knows nothing of it is over by then,
    /// so that none comes after the copy of its region.
    pub(super) fn insert(&self, session: &Arc<Attached>) -> Result<(), DataError> {
        let _barrier = self.barrier(std::slice::from_ref(session));
        let pair = session.pair;
        let side = |id: VolumeId| Ok::<_, DataError>((id, self.volume(id)?.known_in, self.log(id.box_id)?));
        let sides = [side(pair.source)?, side(pair.target)?];
        let mut sessions = self.sessions.write();
        sessions.by_pair.insert(pair, Arc::clone(session));
        for (side, known_in, log) in sides {
            let list = sessions.by_volume.entry(side).or_default();
            list.retain(|other| other.pair != pair);
            list.push(Arc::clone(session));
            *known_in.write() = Some(Arc::new(KnownIn { sessions: list.clone(), log }));
        }
        let mut into: Vec<_> =
            [pair.source, pair.target].iter().flat_map(|id| &sessions.by_volume[id]).cloned().collect();
        into.retain(|other| other.pair != pair && session.images().iter().any(|(id, _)| other.to().id == *id));
        drop(sessions);
        // A copier that did not find this session may have a chunk under way: none is when something is copied from there.
        for other in into {
            drop(other.busy.write());
        }
        Ok(())
    }

    pub(super) fn forget(&self, pair: Pair) {
        let mut sessions = self.sessions.write();
        if sessions.by_pair.remove(&pair).is_none() {
            return;
        }
        for side in [pair.source, pair.target] {
            let Some(list) = sessions.by_volume.get_mut(&side) else { continue };
            list.retain(|other| other.pair != pair);
            let Ok(volume) = self.volume(side) else { continue };
            let mut known_in = volume.known_in.write();
            *known_in = known_in
                .take()
                .filter(|_| !list.is_empty())
                .map(|known| Arc::new(KnownIn { sessions: list.clone(), log: Arc::clone(&known.log) }));
        }
    }

    pub(super) fn wake(&self) {
        self.alarm.state.lock().wakes += 1;
        self.alarm.rung.notify_all();
    }

    /// A sync that fails is final: the kernel may have dropped the data, so the copy is given up and nothing of it
    /// counts as the same.
    pub(super) fn make_durable(&self, session: &Attached) -> Result<(), DataError> {
        sync_both(session).inspect_err(|error| {
            if session.moment().is_none() {
                session.map.set(0..session.size);
            }
            self.fail(session, TARGET_FAILED, error.to_string());
        })
    }

    /// Saves a session's map as it is now. Nothing that it calls clean may still be on its way to disk.
    pub(super) fn save(&self, session: &Attached) -> Result<(), DataError> {
        let pair = session.pair;
        let Kept::Slots(slots) = &session.kept else { return Ok(()) };
        // Read before the map: a mark that comes in between is in the map or in this log.
        let logs = [self.log(pair.source.box_id)?.generation(), self.log(pair.target.box_id)?.generation()];
        slots.save(&MapToSave::of(&session.map, logs)).map_err(at(&self.map_path(pair)))
    }

    /// Saves the map of a session that may be copying: what the map calls clean is made durable before it.
    pub(super) fn save_while_copying(&self, session: &Attached) -> Result<(), DataError> {
        let pair = session.pair;
        let logs = [self.log(pair.source.box_id)?.generation(), self.log(pair.target.box_id)?.generation()];
        self.save_map(session, &MapToSave::of(&session.map, logs))
    }

    /// Whether the logs that go on from a map were found at the start. `in_doubt`: an older map, so all logs since are needed.
    pub(super) fn logs_are_there(&self, pair: Pair, logs: Logs, in_doubt: bool) -> bool {
        let recovered = self.recovered.lock();
        let there = |box_id: &BoxId, log: u64| {
            recovered.get(box_id).is_some_and(|found| (!in_doubt || found.oldest <= log) && log <= found.newest)
        };
        there(&pair.source.box_id, logs[0]) && there(&pair.target.box_id, logs[1])
    }

    pub(super) fn checkpoint(&self) -> Result<(), DataError> {
        self.verify_sessions();
        let mut owed = self.owed.lock();
        let mut moments = Vec::new();
        let (maps, begun) = {
            let _barrier = self.admission.write();
            let logs = self.logs.read();
            let mut begun = BTreeMap::new();
            for (box_id, log) in logs.iter() {
                let (generation, hot) = log.begin_next().map_err(at(&self.box_folder(*box_id)))?;
                owed.extend(hot.into_iter().map(|olu| VolumeId { box_id: *box_id, olu }));
                begun.insert(*box_id, (Arc::clone(log), generation));
            }
            let log = |id: VolumeId| begun.get(&id.box_id).map_or(0, |(_, generation)| *generation);
            // A map that is on disk already, of volumes that were not written, loses nothing with the old logs.
            let sessions = self.sessions.read();
            let is_owed =
                |session: &Attached| owed.contains(&session.pair.source) || owed.contains(&session.pair.target);
            let mut maps = Vec::new();
            for session in sessions.by_pair.values() {
                let Kept::Slots(slots) = &session.kept else {
                    moments.push(Arc::clone(session));
                    continue;
                };
                if !slots.hold(&session.map) || is_owed(session) {
                    let logs = [log(session.pair.source), log(session.pair.target)];
                    maps.push((Arc::clone(session), MapToSave::of(&session.map, logs)));
                }
            }
            (maps, begun)
        };
        // What the maps call clean was written before they were read; it must be on disk before they are.
        // One session that fails holds up no other one; but the old logs go on until all maps are there.
        let mut failed = None;
        for (session, map) in &maps {
            if let Err(error) = self.save_map(session, map) {
                failed = failed.or(Some(error));
            }
        }
        for session in moments {
            if let Err(error) = self.settle_copied(&session) {
                failed = failed.or_else(|| Some(at(&self.moment_path(session.pair))(error)));
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        for (box_id, (log, generation)) in begun {
            log.forget_before(generation).map_err(at(&self.box_folder(box_id)))?;
        }
        owed.clear();
        self.recovered.lock().clear();
        Ok(())
    }

    /// Makes durable what a map calls clean, and then the map. Where an image cannot be synced the session is given up:
    /// the map that says so is saved instead.
    fn save_map(&self, session: &Attached, map: &MapToSave) -> Result<(), DataError> {
        let Kept::Slots(slots) = &session.kept else { return Ok(()) };
        match self.make_durable(session) {
            Ok(()) => slots.save(map).map_err(at(&self.map_path(session.pair))),
            Err(_) => self.save(session),
        }
    }
}
