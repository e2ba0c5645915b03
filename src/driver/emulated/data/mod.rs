//! The data plane of the embedded array: images, dirty maps, host writes, copying. Real bytes, and nothing of the rules.
//!
//! Belongs here: that both sides are equal when they are said to be, and that a crash never makes a differing region clean.
//! Does not: which session may be made or suspended when (the core), who asks (the server).
//! Host access over NBD gets its place beside the host-write path.

mod attached;
mod barrier;
#[cfg(test)]
mod barrier_tests;
mod cascade;
#[cfg(test)]
mod cascade_tests;
mod changes;
mod copier;
mod extents;
mod image;
mod map;
#[cfg(test)]
mod moment_tests;
mod opc;
mod point_in_time;
#[cfg(test)]
mod power_cut_tests;
mod ranges;
mod shared;
mod slots;
#[cfg(test)]
mod tests;
mod types;

pub use extents::EXTENT;
pub use image::{FileStamp, Registered};
pub use map::REGION;
pub use shared::{image_in, volumes_in};
pub use types::{
    Attach, AttachReport, BAD_SECTOR, CopyState, DataError, Flow, OUT_OF_SERVICE, POINT_IN_TIME_LOST, Report,
    TARGET_FAILED,
};

use super::disk::Disk;
use crate::model::fingerprint::{ChangedLeaves, LEAF_BYTES, Leaf, Leaves, leaf_count};
use crate::model::identity::VolumeId;
use crate::model::session::{CopyKind, Pair};
use crate::model::units::Blocks;
use attached::{Attached, Kept, sync_both};
use copier::Duty;
use image::Image;
use map::{MapFile, RegionMap};
use parking_lot::{Mutex, RwLock};
use point_in_time::PointInTimeCopy;
use shared::{Alarm, Shared, Volume};
use slots::Slots;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;
use std::thread::JoinHandle;
use types::{at, make_folder};

/// One thread reads while another writes; more of them only make the disk seek.
const COPIER_THREADS: usize = 2;
/// Threads more for short runs past the page cache: a disk does many small requests in the time of one.
const SHORT_RUN_THREADS: usize = 6;

/// Images and sessions of all boxes of one array process.
pub struct DataPlane {
    data: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl DataPlane {
    /// Opens every box below the folder (`BOXID/volumes`, `BOXID/maps`) and starts the copier threads. Images are taken as
    /// they are.
    pub fn open(folder: &Path, report: Box<dyn Fn(Report) + Send + Sync>) -> Result<Self, DataError> {
        Self::open_registered(folder, &BTreeMap::new(), Disk::default(), report)
    }

    /// As [`DataPlane::open`], where it is known which volumes there are: one whose image does not pass is out of service.
    pub fn open_registered(
        folder: &Path,
        registered: &BTreeMap<VolumeId, Registered>,
        disk: Disk,
        report: Box<dyn Fn(Report) + Send + Sync>,
    ) -> Result<Self, DataError> {
        let data = Arc::new(Shared {
            folder: folder.to_owned(),
            disk,
            volumes: RwLock::default(),
            out: Mutex::default(),
            sessions: RwLock::default(),
            logs: RwLock::default(),
            recovered: Mutex::default(),
            owed: Mutex::default(),
            admission: RwLock::default(),
            rate: Mutex::default(),
            alarm: Alarm::default(),
            report,
        });
        make_folder(folder)?;
        for entry in fs::read_dir(folder).map_err(at(folder))? {
            let name = entry.map_err(at(folder))?.file_name();
            if let Some(box_id) = name.to_str().and_then(|name| name.parse().ok()) {
                data.open_box(box_id, registered)?;
            }
        }
        // Boxes whose folders are gone: their volumes are out of service.
        registered.keys().try_for_each(|id| data.open_box(id.box_id, registered))?;
        let threads = (0..COPIER_THREADS + SHORT_RUN_THREADS)
            .map(|first| {
                let data = Arc::clone(&data);
                let name = format!("copier-{first}");
                let duty = if first < COPIER_THREADS { Duty::All } else { Duty::ShortRuns };
                std::thread::Builder::new()
                    .name(name)
                    .spawn(move || copier::work(&data, first, duty))
                    .map_err(at(folder))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { data, threads })
    }

    /// A new volume of zeros; its box is made when it is the first one.
    pub fn create(&self, id: VolumeId, blocks: Blocks) -> Result<(), DataError> {
        self.data.open_box(id.box_id, &BTreeMap::new())?;
        let mut volumes = self.data.volumes.write();
        if volumes.contains_key(&id) {
            return Err(DataError::Exists(id));
        }
        let path = self.data.image_path(id);
        volumes.insert(id, Volume::new(Image::create(&path, blocks, &self.data.disk).map_err(at(&path))?));
        Ok(())
    }

    /// Which file the image of a volume is; `None` where none could be opened yet.
    pub fn stamp(&self, id: VolumeId) -> Option<FileStamp> {
        self.data.find(id).ok()?.stamp()
    }

    /// Why a volume is out of service, as a look at its image finds it now; within a second the last look will do.
    pub fn why_out(&self, id: VolumeId) -> Result<Option<String>, DataError> {
        Ok(self.why_out_of(id, &*self.data.find(id)?))
    }

    fn why_out_of(&self, id: VolumeId, image: &Image) -> Option<String> {
        let why = image.look_if_due();
        self.data.judge(id, why.as_deref());
        why
    }

    /// Takes the file that lies in an image's place as the volume's, if it has its size. Nothing is known of its bytes: all
    /// of it counts as different in every session. The stamp of the file.
    pub fn accept(&self, id: VolumeId) -> Result<Option<FileStamp>, DataError> {
        let _barrier = self.data.admission.write();
        let image = self.data.find(id)?;
        if image.look().is_none() {
            return Ok(image.stamp());
        }
        let refused = |why| DataError::OutOfService { volume: id, why, image: image.path.clone() };
        image.accept().map_err(refused)?;
        let sessions = self.data.sessions.read().by_volume.get(&id).cloned().unwrap_or_default();
        for session in sessions {
            self.data.fail(&session, OUT_OF_SERVICE, "the image was replaced".to_owned());
            session.map.set(0..session.size);
            self.data.save(&session)?;
        }
        Ok(image.stamp())
    }

    /// Makes a volume larger; its new blocks are zeros. The caller knows that it is in no session.
    pub fn expand(&self, id: VolumeId, blocks: Blocks) -> Result<(), DataError> {
        let _barrier = self.data.admission.write();
        let mut volumes = self.data.volumes.write();
        let image = &volumes.get(&id).ok_or(DataError::NoVolume(id))?.image;
        if let Some(why) = image.look() {
            return Err(DataError::OutOfService { volume: id, why, image: image.path.clone() });
        }
        let grown = image.grown(blocks).map_err(at(&image.path))?;
        volumes.insert(id, Volume::new(grown));
        Ok(())
    }

    /// Takes a volume away, with its bytes. The caller knows that it is in no session.
    pub fn remove(&self, id: VolumeId) -> Result<(), DataError> {
        let image = self.data.volumes.write().remove(&id).ok_or(DataError::NoVolume(id))?.image;
        self.data.disk.remove(&image.path).map_err(at(&image.path))
    }

    /// Takes a volume away and keeps its bytes in a file that is no volume's. The caller knows that it is in no session.
    pub fn set_aside(&self, id: VolumeId) -> Result<PathBuf, DataError> {
        let image = self.data.volumes.write().remove(&id).ok_or(DataError::NoVolume(id))?.image;
        let place = image.path.with_extension("unknown");
        self.data.disk.rename(&image.path, &place).map_err(at(&image.path))?;
        Ok(place)
    }

    /// All volumes with their sizes.
    pub fn volumes(&self) -> Vec<(VolumeId, Blocks)> {
        self.data.volumes.read().iter().map(|(id, volume)| (*id, volume.image.blocks)).collect()
    }

    /// The file of a volume. What is written into it past this program is not tracked.
    pub fn image(&self, id: VolumeId) -> Result<PathBuf, DataError> {
        Ok(self.data.find(id)?.path.clone())
    }

    pub fn blocks(&self, id: VolumeId) -> Result<Blocks, DataError> {
        Ok(self.data.find(id)?.blocks)
    }

    /// The volume's size in bytes, if so many from the offset on are within it.
    pub fn within(&self, id: VolumeId, offset: u64, length: u64) -> Result<u64, DataError> {
        let image = self.data.find(id)?;
        in_range(id, &image, offset, usize::try_from(length).unwrap_or(usize::MAX))?;
        Ok(image.blocks.bytes())
    }

    /// Copies a file's bytes into the volume from its beginning on, as a host would write them.
    pub fn import(&self, id: VolumeId, path: &Path) -> Result<u64, DataError> {
        let size = self.data.find(id)?.blocks.bytes();
        let mut file = File::open(path).map_err(at(path))?;
        let length = file.metadata().map_err(at(path))?.len();
        if length > size {
            return Err(DataError::TooLong { path: path.to_owned(), file: length, volume: id });
        }
        let mut buffer = vec![0; 1 << 20];
        let mut offset = 0;
        loop {
            let read = file.read(&mut buffer).map_err(at(path))?;
            if read == 0 {
                return Ok(offset);
            }
            self.write(id, offset, &buffer[..read])?;
            offset += read as u64;
        }
    }

    /// A host's read. From the target of a one-point copy it brings the moment, copied or not.
    pub fn read(&self, id: VolumeId, offset: u64, bytes: &mut [u8]) -> Result<(), DataError> {
        let image = self.data.find(id)?;
        let range = in_range(id, &image, offset, bytes.len())?;
        match self.data.moment_of(id) {
            None => image.read(offset, bytes).map_err(at(&image.path)),
            Some(session) => {
                let _alone = session.from().image.locks.lock(range);
                session.read_through(offset, bytes).map_err(at(&image.path))
            }
        }
    }

    /// A host's write. It is on the source when this returns, and on the target of every running session whose region was
    /// copied before; everything else is marked. A target that fails ends its session's run, never the write.
    pub fn write(&self, id: VolumeId, offset: u64, bytes: &[u8]) -> Result<(), DataError> {
        let Volume { image, known_in } = self.data.volume(id)?;
        let range = in_range(id, &image, offset, bytes.len())?;
        if let Some(why) = self.why_out_of(id, &image) {
            return Err(DataError::OutOfService { volume: id, why, image: image.path.clone() });
        }
        let _admitted = (self.data.admission.read(), image.admission.read());
        let known_in = known_in.read().clone();
        let all = || known_in.iter().flat_map(|known| &known.sessions);
        let sessions = || all().filter(|session| session.moment().is_none());
        if sessions().any(|session| session.is_running() && session.to().id == id) {
            return Err(DataError::NotReady(id));
        }
        for session in all().filter(|session| session.moment().is_some() && session.is_running()) {
            self.data.settle(session, &range);
        }
        if let Some(known) = known_in.as_ref().filter(|_| sessions().next().is_some()) {
            known.log.mark(id.olu, &range).map_err(at(&self.data.box_folder(id.box_id)))?;
        }
        let _alone = image.locks.lock(range.clone());
        for session in sessions().filter(|session| !session.is_running()) {
            session.map.set(range.clone());
        }
        if let Err(error) = self.data.put(id, &image, offset, bytes) {
            // Part of it may be on the disk.
            for session in sessions() {
                session.map.set(range.clone());
            }
            self.data.wake();
            return Err(at(&image.path)(error));
        }
        for session in sessions().filter(|session| session.from().id == id) {
            if session.is_running() {
                self.data.mirror(session, offset, bytes);
            } else {
                // It may have stopped running since the marking above.
                session.map.set(range.clone());
            }
        }
        Ok(())
    }

    /// Makes a host's writes durable, on the volume and on the target of every session that mirrors them. A target that fails
    /// ends its session's run, never the host's request.
    pub fn flush(&self, id: VolumeId) -> Result<(), DataError> {
        let image = self.data.find(id)?;
        image.sync().map_err(at(&image.path))?;
        self.data.flush_mirrors(id);
        Ok(())
    }

    /// BLAKE3 of the whole volume, in hex, with all its writers waiting meanwhile.
    pub fn fingerprint(&self, id: VolumeId) -> Result<String, DataError> {
        let image = self.data.find(id)?;
        let size = image.blocks.bytes();
        let moment = self.data.moment_of(id);
        // The source before the target, as copiers do.
        let _still = moment.as_ref().map(|session| session.from().image.locks.lock(0..size));
        let _alone = image.locks.lock(0..size);
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        let mut offset = 0;
        while offset < size {
            let part = &mut buffer[..(size - offset).min(1 << 20) as usize];
            let read = match &moment {
                None => image.read(offset, part),
                Some(session) => session.read_through(offset, part),
            };
            read.map_err(at(&image.path))?;
            hasher.update(part);
            offset += part.len() as u64;
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Leaves of the volume's fingerprint, `count` of them from `first` on. Hosts may write between two of them.
    pub fn leaves(&self, id: VolumeId, first: u64, count: u64) -> Result<Leaves, DataError> {
        let size = self.data.find(id)?.blocks.bytes();
        let mut buffer = vec![0; LEAF_BYTES as usize];
        let end = first.saturating_add(count).min(leaf_count(size));
        let leaf = |index: u64| {
            let offset = index * LEAF_BYTES;
            let part = &mut buffer[..(size - offset).min(LEAF_BYTES) as usize];
            self.read(id, offset, part)?;
            Ok(Leaf::of(index, part, size))
        };
        (first..end).map(leaf).collect::<Result<_, _>>().map(Leaves)
    }

    /// Which leaves were written to since a mark of this volume, and the mark of now.
    pub fn changed_leaves(&self, id: VolumeId, since: Option<&str>) -> Result<ChangedLeaves, DataError> {
        Ok(self.data.find(id)?.changes.since(since))
    }

    /// Makes a session's bytes known. Its map is durable when this returns, or, if it was stored, still is.
    pub fn attach(&self, pair: Pair, how: Attach, flow: Flow) -> Result<AttachReport, DataError> {
        let images = [self.data.find(pair.source)?, self.data.find(pair.target)?];
        if images[0].blocks > images[1].blocks {
            return Err(DataError::Shorter(pair));
        }
        if how != Attach::Stored {
            self.data.verify(&[(pair.source, &images[0]), (pair.target, &images[1])])?;
        }
        let (session, map_lost) = if pair.kind == CopyKind::Opc {
            self.attach_moment(pair, images, how)?
        } else {
            self.attach_map(pair, images, how)?
        };
        session.set_rate(*self.data.rate.lock());
        let dirty = session.state().dirty;
        self.data.insert(&session)?;
        self.data.wake();
        self.go_on(pair, flow)?;
        Ok(AttachReport { dirty, map_lost })
    }

    fn attach_map(&self, pair: Pair, images: [Arc<Image>; 2], how: Attach) -> Result<(Arc<Attached>, bool), DataError> {
        let data = &self.data;
        let size = images[0].blocks.bytes();
        let path = data.map_path(pair);
        let file = MapFile::open(&path, &data.disk).map_err(at(&path))?;
        let found = file.load(size.div_ceil(REGION));
        let epoch = found.as_ref().map_or(0, |stored| stored.epoch);
        let usable = found.filter(|stored| data.logs_are_there(pair, stored.logs, stored.in_doubt));
        let stored = usable.filter(|_| how == Attach::Stored);
        let in_doubt = stored.as_ref().is_some_and(|stored| stored.in_doubt);
        let recovered = (how == Attach::Stored).then(|| data.recovered_for(pair));
        let damaged = recovered.as_ref().is_some_and(|(damaged, _)| *damaged);
        let map_lost = how == Attach::Stored && (stored.is_none() || damaged);
        let map = match stored {
            Some(stored) if !damaged => stored.map,
            _ => RegionMap::new(size, how != Attach::Clean),
        };
        let slots = Slots::new(file, epoch);
        // A slot that cannot be read now may be read at the next start. The next checkpoint replaces it, and only then removes
        // the logs that it would need.
        if how == Attach::Stored && !map_lost && !in_doubt {
            slots.take_as_saved(&map);
        }
        for extent in recovered.into_iter().flat_map(|(_, extents)| extents) {
            let start = u64::from(extent) * EXTENT;
            map.set(start..(start + EXTENT).min(size));
        }
        let session = Arc::new(Attached::new(pair, images, map, Kept::Slots(slots)));
        // What was stored stays true together with the earlier life's logs, which stay until the next checkpoint.
        if how != Attach::Stored {
            data.save(&session)?;
        }
        Ok((session, map_lost))
    }

    fn attach_moment(
        &self,
        pair: Pair,
        images: [Arc<Image>; 2],
        how: Attach,
    ) -> Result<(Arc<Attached>, bool), DataError> {
        let data = &self.data;
        let size = images[0].blocks.bytes();
        let path = data.moment_path(pair);
        let target = pair.target.olu;
        let stored = match how {
            Attach::Stored => PointInTimeCopy::open(&path, target, &data.disk),
            Attach::Full | Attach::Clean => PointInTimeCopy::create(&path, target, &data.disk).map(Some),
        };
        let stored = stored.map_err(at(&path))?;
        let lost = stored.is_none();
        let moment = stored.unwrap_or_else(|| PointInTimeCopy::lost(&path, target, &data.disk));
        let map = if how == Attach::Clean { RegionMap::new(size, false) } else { moment.map(size) };
        let session = Arc::new(Attached::new(pair, images, map, Kept::PointInTimeCopy(moment)));
        if how != Attach::Stored {
            // All of the target changes at the instant of the start, for whoever knows it.
            let _admitted = data.admission.read();
            data.mark_elsewhere(&session, &(0..size))?;
        }
        Ok((session, lost))
    }

    /// Lets a session that only tracks go on so.
    pub fn go_on(&self, pair: Pair, flow: Flow) -> Result<(), DataError> {
        match flow {
            Flow::Running => self.run(pair),
            Flow::Holding => self.hold(pair),
            Flow::Tracking => Ok(()),
        }
    }

    /// A one-point copy that was just attached: this is its moment, and it copies from the next [`Self::run`] on.
    fn hold(&self, pair: Pair) -> Result<(), DataError> {
        let session = self.data.session(pair)?;
        let _barrier = self.data.barrier(slice::from_ref(&session));
        session.hold();
        Ok(())
    }

    /// Goes on with a session: what is dirty is copied, then everything is mirrored. Of a one-point copy that was just
    /// attached this is the moment.
    pub fn run(&self, pair: Pair) -> Result<(), DataError> {
        let session = self.data.session(pair)?;
        let _barrier = self.data.barrier(slice::from_ref(&session));
        session.run();
        self.data.wake();
        Ok(())
    }

    /// Looks at the images of both sides of a session, and ends what copies to or from one that does not pass.
    pub fn verify(&self, pair: Pair) -> Result<(), DataError> {
        let images = [self.data.find(pair.source)?, self.data.find(pair.target)?];
        self.data.verify(&[(pair.source, &images[0]), (pair.target, &images[1])])
    }

    /// Ends mirroring for all pairs at one instant. Un-forced, all must be equivalent, or nothing happens.
    /// When it returns both sides and the maps are durable. Host writes to these volumes wait only until the instant is
    /// marked: what comes after it is in the logs before it is on a volume, so it may come while the flushes go on.
    pub fn suspend(&self, pairs: &[Pair], force: bool) -> Result<(), DataError> {
        let sessions = pairs.iter().map(|pair| self.data.session(*pair)).collect::<Result<Vec<_>, _>>()?;
        // Most of the flushing goes on while hosts still write, so that the barrier is short.
        for session in &sessions {
            self.data.verify(&session.images())?;
            self.data.make_durable(session)?;
        }
        let barrier = self.data.barrier(&sessions);
        // What was made durable is worth nothing in a file that is not the volume's any more.
        sessions.iter().try_for_each(|session| self.data.verify(&session.images()))?;
        let behind = |session: &&Arc<Attached>| session.map.dirty() > 0 || !session.is_running();
        if let Some(session) = sessions.iter().find(behind).filter(|_| !force) {
            return Err(DataError::NotEquivalent(session.pair));
        }
        for session in &sessions {
            session.track();
            drop(session.busy.write());
        }
        drop(barrier);
        for session in &sessions {
            self.data.make_durable(session)?;
            self.data.save(session)?;
        }
        Ok(())
    }

    /// Turns the direction in which the bytes of a session that only tracks will flow. The map says of both sides what may
    /// differ, so it stays as it is.
    pub fn turn(&self, pair: Pair, reversed: bool) -> Result<(), DataError> {
        let session = self.data.session(pair)?;
        let _barrier = self.data.barrier(slice::from_ref(&session));
        let _still = session.busy.write();
        if session.is_running() {
            return Err(DataError::Running(pair));
        }
        session.set_reversed(reversed);
        Ok(())
    }

    /// Makes what was copied durable; a side that cannot be made so ends the run.
    pub fn secure(&self, pair: Pair) -> Result<(), DataError> {
        self.data.make_durable(&*self.data.session(pair)?)
    }

    /// From now on changes are only marked: the path is lost, or the array gave the copy up.
    pub fn track(&self, pair: Pair) -> Result<(), DataError> {
        self.data.stop(&self.data.session(pair)?);
        Ok(())
    }

    /// Ends a session. Both sides stay as they are.
    pub fn detach(&self, pair: Pair) -> Result<(), DataError> {
        let session = self.data.session(pair)?;
        self.data.stop(&session);
        // The session is gone whatever becomes of the bytes: whoever ended it is told, and nothing is mirrored any more.
        let durable = sync_both(&session).and_then(|()| self.data.verify(&session.images()));
        session.remove_file();
        self.data.forget(pair);
        durable
    }

    pub fn state(&self, pair: Pair) -> Option<CopyState> {
        Some(self.data.sessions.read().by_pair.get(&pair)?.state())
    }

    /// Bytes a second that each session, or this one, copies at most; `None`: as fast as it goes.
    pub fn set_rate(&self, rate: Option<u64>, pair: Option<Pair>) -> Result<(), DataError> {
        if let Some(pair) = pair {
            self.data.session(pair)?.set_rate(rate);
        } else {
            *self.data.rate.lock() = rate;
            self.data.sessions.read().by_pair.values().for_each(|session| session.set_rate(rate));
        }
        self.data.wake();
        Ok(())
    }

    /// Makes bytes of a volume unreadable until they are overwritten or healed.
    pub fn set_bad_blocks(&self, id: VolumeId, offset: u64, length: u64) -> Result<(), DataError> {
        let image = self.data.find(id)?;
        image.set_bad(offset..offset + length);
        Ok(())
    }

    pub fn heal(&self, id: VolumeId) -> Result<(), DataError> {
        let image = self.data.find(id)?;
        image.heal();
        image.set_failing(false);
        Ok(())
    }

    /// Whether a byte cannot be read.
    pub fn is_bad(&self, id: VolumeId, offset: u64) -> Result<bool, DataError> {
        Ok(self.data.find(id)?.is_bad(offset))
    }

    /// Makes a volume refuse writes.
    pub fn fail_target(&self, id: VolumeId, failing: bool) -> Result<(), DataError> {
        self.data.find(id)?.set_failing(failing);
        Ok(())
    }

    /// Marks bytes as differing.
    pub fn mark_dirty(&self, pair: Pair, offset: u64, length: u64) -> Result<(), DataError> {
        self.mark_ranges(pair, std::slice::from_ref(&(offset..offset + length)))
    }

    /// Marks ranges of bytes as differing, all at once.
    pub fn mark_ranges(&self, pair: Pair, ranges: &[std::ops::Range<u64>]) -> Result<(), DataError> {
        let session = self.data.session(pair)?;
        for range in ranges {
            session.map.set(range.clone());
        }
        self.data.save_while_copying(&session)
    }

    /// Makes all maps durable and starts the hot extents afresh.
    pub fn checkpoint(&self) -> Result<(), DataError> {
        self.data.checkpoint()
    }

    /// Whether host writes were marked since the last checkpoint.
    pub fn wants_checkpoint(&self) -> bool {
        self.data.logs.read().values().any(|log| log.is_hot())
    }

    /// Ends the copier threads after a last checkpoint. Sessions stay as they are on disk.
    pub fn shutdown(mut self) -> Result<(), DataError> {
        self.stop();
        self.data.checkpoint()
    }

    fn stop(&mut self) {
        self.data.alarm.state.lock().stop = true;
        self.data.alarm.rung.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        self.stop();
        // Volumes and their sessions hold each other: without an end to that, files and locks would outlast the plane.
        for volume in self.data.volumes.read().values() {
            *volume.known_in.write() = None;
        }
    }
}

fn in_range(id: VolumeId, image: &Image, offset: u64, length: usize) -> Result<std::ops::Range<u64>, DataError> {
    let size = image.blocks.bytes();
    let end = offset.saturating_add(length as u64);
    if end > size {
        return Err(DataError::OutOfRange { volume: id, offset, end, size });
    }
    Ok(offset..end)
}
