//! Anchoring: the head of the audit chain goes outside the catalogue at every commit, so that a chain written anew shows.

use super::layer::Layer;
use super::{Catalogue, CatalogueError, EventRange, Outside};
use crate::model::audit::{AnchorReport, AuditReport};
use crate::model::event::{ChainHash, ChainHead, Event, NewEvent};
use crate::model::records::Change;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A place outside the catalogue. It must not wait: it stands behind every commit.
pub trait Anchor: Send + Sync {
    fn anchor(&self, head: &ChainHead) -> io::Result<()>;

    /// For the log, when it fails.
    fn name(&self) -> String;

    /// The heads that are kept there; `None` where a place only takes them.
    fn kept(&self) -> Option<io::Result<KeptHeads>> {
        None
    }
}

/// The heads of a place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptHeads {
    /// Oldest first.
    pub heads: Vec<ChainHead>,
    /// Lines that are no heads, other than a last one that a crash cut off.
    pub damaged: u64,
    /// Earlier heads are gone: the place was removed or replaced since this process opened it.
    pub removed: bool,
}

/// Heads in a file that only grows, one a line: sequence, blank, hash.
#[derive(Debug)]
pub struct FileAnchor {
    file: Mutex<File>,
    path: PathBuf,
    /// A write failed, perhaps in the middle of a line.
    torn: AtomicBool,
    /// The file was removed or replaced while this process wrote to it.
    removed: AtomicBool,
}

impl FileAnchor {
    /// Opens the file, or makes it with mode 0600.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)?;
        end_torn_line(&mut file)?;
        Ok(Self {
            file: Mutex::new(file),
            path: path.to_owned(),
            torn: AtomicBool::new(false),
            removed: AtomicBool::new(false),
        })
    }

    /// The heads in a file, oldest first. A part of a line that a crash left is left out.
    pub fn read(path: &Path) -> io::Result<KeptHeads> {
        let mut kept = KeptHeads::default();
        let mut reader = BufReader::new(File::open(path)?);
        let mut line = Vec::new();
        while reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            match parse_line(text.trim_end_matches('\n')) {
                Some(head) => kept.heads.push(head),
                None if is_cut_off(&text) => {}
                None => kept.damaged += 1,
            }
            line.clear();
        }
        Ok(kept)
    }

    /// The file that is written to, opened anew when the path no longer leads to it.
    fn opened(&self) -> io::Result<parking_lot::MutexGuard<'_, File>> {
        let mut file = self.file.lock();
        let ours = file.metadata()?;
        let there = std::fs::metadata(&self.path).is_ok_and(|at| (at.dev(), at.ino()) == (ours.dev(), ours.ino()));
        if !there {
            tracing::error!(file = %self.path.display(), "the file with the audit's heads was removed or replaced");
            let mut anew = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(&self.path)?;
            end_torn_line(&mut anew)?;
            *file = anew;
            self.removed.store(true, Ordering::Relaxed);
        }
        if self.torn.load(Ordering::Relaxed) {
            end_torn_line(&mut file)?;
            self.torn.store(false, Ordering::Relaxed);
        }
        Ok(file)
    }
}

/// How much of the end of a file surely holds its last whole line: a torn one may stand after it.
const TAIL: u64 = 1024;

impl FileAnchor {
    /// The last head in a file, which may be long; `None` where there is no file, or nothing in it.
    pub fn newest(path: &Path) -> io::Result<Option<ChainHead>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        let tail = String::from_utf8_lossy(&tail);
        let mut whole = tail.lines();
        // The first one may have lost its beginning.
        let skipped = usize::from(length > TAIL);
        Ok(whole.by_ref().skip(skipped).filter_map(parse_line).last())
    }
}

/// What a catalogue lacks of the chain that was anchored; `None` when it has the very event whose head that is.
pub async fn missing(catalogue: &dyn Catalogue, anchored: &ChainHead) -> Result<Option<String>, CatalogueError> {
    let head = catalogue.head().await?;
    if head.sequence < anchored.sequence {
        let has = if head.sequence == 0 { "is empty".to_owned() } else { format!("ends at event {}", head.sequence) };
        return Ok(Some(format!("it {has}, and the newest head is of event {}", anchored.sequence)));
    }
    let range = EventRange::From { sequence: anchored.sequence, most: 1 };
    let same = catalogue.links(range).await?.first().is_some_and(|link| link.hash == anchored.hash);
    Ok((!same).then(|| format!("its event {} is another than the one whose head is kept", anchored.sequence)))
}

/// Keeps a line that a crash cut off from swallowing the next one.
fn end_torn_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// Longer than any head's line.
const MAX_LINE_BYTES: u64 = 128;

/// What a crash leaves of a line: its beginning.
fn is_cut_off(line: &str) -> bool {
    let line = line.trim_end_matches('\n');
    let hex = |hash: &str| hash.len() < 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    line.split_once(' ').map_or(digits(line), |(sequence, hash)| digits(sequence) && hex(hash))
}

fn parse_line(line: &str) -> Option<ChainHead> {
    let (sequence, hash) = line.split_once(' ')?;
    let whole = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let sequence = sequence.parse().ok()?;
    whole.then(|| ChainHead { sequence, hash: ChainHash::from_stored(hash.to_owned()) })
}

impl Anchor for FileAnchor {
    fn anchor(&self, head: &ChainHead) -> io::Result<()> {
        // One write a line: appends of two processes do not mix.
        let line = format!("{} {}\n", head.sequence, head.hash.as_str());
        let mut file = self.opened()?;
        file.write_all(line.as_bytes()).inspect_err(|_| self.torn.store(true, Ordering::Relaxed))
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn kept(&self) -> Option<io::Result<KeptHeads>> {
        let removed = self.removed.load(Ordering::Relaxed);
        Some(Self::read(&self.path).map(|kept| KeptHeads { removed, ..kept }))
    }
}

/// Heads to the system log, which usually goes to another host.
#[derive(Debug)]
pub struct SyslogAnchor {
    socket: UnixDatagram,
    path: PathBuf,
    site: String,
}

impl SyslogAnchor {
    /// Where the system log listens.
    pub const SOCKET: &str = "/dev/log";

    /// `None` where there is no system log.
    pub fn open(socket: &Path, site: &str) -> io::Result<Option<Self>> {
        if !socket.exists() {
            return Ok(None);
        }
        let datagram = UnixDatagram::unbound()?;
        datagram.set_nonblocking(true)?;
        Ok(Some(Self { socket: datagram, path: socket.to_owned(), site: site.to_owned() }))
    }
}

/// Facility authpriv, severity notice.
const SYSLOG_PRIORITY: u32 = 10 * 8 + 5;

impl Anchor for SyslogAnchor {
    fn anchor(&self, head: &ChainHead) -> io::Result<()> {
        let (pid, site) = (std::process::id(), &self.site);
        let (sequence, hash) = (head.sequence, head.hash.as_str());
        let message = format!("<{SYSLOG_PRIORITY}>ecdeck[{pid}]: site {site} audit head {sequence} {hash}");
        // Addressed anew each time, so that a log that was started again is found.
        self.socket.send_to(message.as_bytes(), &self.path).map(|_| ())
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// A catalogue that anchors its head after every commit.
pub struct Anchored {
    catalogue: Arc<dyn Catalogue>,
    anchors: Vec<Place>,
    /// Places that this host does not have.
    absent: Vec<String>,
}

/// An anchor, and why it does not work, while it does not.
struct Place {
    anchor: Box<dyn Anchor>,
    problem: Mutex<Option<String>>,
}

impl Anchored {
    pub fn new(catalogue: Arc<dyn Catalogue>, anchors: Vec<Box<dyn Anchor>>) -> Self {
        let anchors = anchors.into_iter().map(|anchor| Place { anchor, problem: Mutex::default() }).collect();
        Self { catalogue, anchors, absent: Vec::new() }
    }

    /// Says that this host lacks a place, so that a check of the audit can say so.
    #[must_use]
    pub fn without(mut self, place: impl Into<String>) -> Self {
        self.absent.push(place.into());
        self
    }

    /// Anchors the present head: at the start, where a commit may have been kept whose anchor was not.
    pub async fn anchor_now(&self) -> Result<(), CatalogueError> {
        let head = self.catalogue.head().await?;
        if head.sequence > 0 {
            self.anchor(&head);
        }
        Ok(())
    }

    /// What is committed stays committed: an anchor that fails is told once, and once when it works again.
    fn anchor(&self, head: &ChainHead) {
        for Place { anchor, problem } in &self.anchors {
            let result = anchor.anchor(head);
            let mut problem = problem.lock();
            match (result, problem.is_some()) {
                (Ok(()), true) => tracing::info!(anchor = anchor.name(), "the audit is anchored again"),
                (Err(error), false) => {
                    tracing::warn!(anchor = anchor.name(), %error, "the audit could not be anchored");
                    *problem = Some(error.to_string());
                    continue;
                }
                (Ok(()), false) | (Err(_), true) => continue,
            }
            *problem = None;
        }
    }

    /// What became of each place, and the heads that can be compared.
    fn look(&self) -> (Vec<AnchorReport>, Vec<ChainHead>) {
        let mut all = Vec::new();
        let mut reports = Vec::new();
        for Place { anchor, problem } in &self.anchors {
            let place = anchor.name();
            let failed = problem.lock().clone();
            let mut problem = failed.map(|why| format!("heads of the audit cannot be kept in {place}: {why}"));
            let (mut heads, kept) = (0, anchor.kept());
            let write_only = kept.is_none();
            match kept {
                None => {}
                Some(Err(error)) => {
                    problem = Some(format!("{place} cannot be read, its heads are not compared: {error}"));
                }
                Some(Ok(kept)) => {
                    heads = kept.heads.len() as u64;
                    all.extend(kept.heads);
                    if kept.damaged > 0 {
                        problem = Some(format!("{place} is damaged: {} lines are no heads", kept.damaged));
                    } else if kept.removed {
                        problem = Some(format!(
                            "{place} was removed or replaced while the engine ran: earlier heads are gone"
                        ));
                    } else if heads == 0 {
                        problem = Some(format!("{place} has no head: it was removed or emptied"));
                    }
                }
            }
            reports.push(AnchorReport { place, heads, write_only, present: true, problem });
        }
        let absent = self.absent.iter().cloned();
        reports.extend(absent.map(|place| AnchorReport {
            place,
            heads: 0,
            write_only: true,
            present: false,
            problem: None,
        }));
        (reports, all)
    }
}

impl Layer for Anchored {
    fn below(&self) -> &dyn Catalogue {
        &*self.catalogue
    }

    fn commit(&self, changes: Vec<Change>, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>> {
        Box::pin(async move {
            let kept = self.catalogue.commit(changes, events).await?;
            if let Some(last) = kept.last() {
                self.anchor(&ChainHead { sequence: last.sequence, hash: last.hash.clone() });
            }
            Ok(kept)
        })
    }

    fn verify(&self, mut outside: Outside) -> BoxFuture<'_, Result<AuditReport, CatalogueError>> {
        Box::pin(async move {
            let (anchors, heads) = self.look();
            outside.anchors.extend(heads);
            let report = self.catalogue.verify(outside).await?;
            Ok(AuditReport { anchors, ..report })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::chain::{ChainLink, verify};
    use crate::model::event::EventKind;
    use crate::model::units::Timestamp;
    use crate::testkit::catalogue::MemoryCatalogue;
    use std::os::unix::fs::PermissionsExt;

    fn commit(catalogue: &dyn Catalogue, version: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let event = NewEvent::by_engine(Timestamp(1), EventKind::EngineStarted { version: version.into() });
        runtime.block_on(catalogue.commit(Vec::new(), vec![event])).unwrap();
    }

    fn links(catalogue: &dyn Catalogue) -> Vec<ChainLink> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(catalogue.links(EventRange::From { sequence: 1, most: 100 })).unwrap()
    }

    #[test]
    fn every_commit_is_anchored_and_a_shorter_catalogue_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit-head");
        let anchored =
            Anchored::new(Arc::new(MemoryCatalogue::new()), vec![Box::new(FileAnchor::open(&path).unwrap())]);
        for version in ["1", "2", "3"] {
            commit(&anchored, version);
        }
        let links = links(&anchored);
        let heads = FileAnchor::read(&path).unwrap().heads;
        assert_eq!(heads.len(), 3);
        assert!(verify(&links, &heads).is_intact());
        assert!(!verify(&links[..2], &heads).is_intact());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_line_cut_off_by_a_crash_does_not_spoil_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit-head");
        let catalogue = Arc::new(MemoryCatalogue::new());
        commit(&Anchored::new(catalogue.clone(), vec![Box::new(FileAnchor::open(&path).unwrap())]), "1");
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        commit(&Anchored::new(catalogue, vec![Box::new(FileAnchor::open(&path).unwrap())]), "2");
        let heads = FileAnchor::read(&path).unwrap().heads;
        assert_eq!(heads.iter().map(|head| head.sequence).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_catalogue_that_does_not_have_the_newest_head_is_told_from_one_that_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit-head");
        assert_eq!(FileAnchor::newest(&path).unwrap(), None);
        let catalogue = Arc::new(MemoryCatalogue::new());
        let anchored = Anchored::new(catalogue.clone(), vec![Box::new(FileAnchor::open(&path).unwrap())]);
        assert_eq!(FileAnchor::newest(&path).unwrap(), None);
        (0..40).for_each(|version| commit(&anchored, &version.to_string()));
        let newest = FileAnchor::newest(&path).unwrap().unwrap();
        assert_eq!(newest.sequence, 40);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let missing = |catalogue: &dyn Catalogue| runtime.block_on(missing(catalogue, &newest)).unwrap();
        assert_eq!(missing(&*catalogue), None);
        // One commit more than was anchored is what a crash leaves.
        commit(&*catalogue, "unanchored");
        assert_eq!(missing(&*catalogue), None);
        let other = MemoryCatalogue::new();
        assert!(missing(&other).unwrap().contains("is empty"));
        (0..50).for_each(|version| commit(&other, &format!("other {version}")));
        assert!(missing(&other).unwrap().contains("another"));
        // A line that a crash cut off does not hide the one before it.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}41 0123")).unwrap();
        assert_eq!(FileAnchor::newest(&path).unwrap(), Some(newest.clone()));
    }

    #[test]
    fn the_system_log_gets_the_head_and_its_absence_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(SyslogAnchor::open(&path, "db01").unwrap().is_none());
        let log = UnixDatagram::bind(&path).unwrap();
        let anchor = SyslogAnchor::open(&path, "db01").unwrap().unwrap();
        let anchored = Anchored::new(Arc::new(MemoryCatalogue::new()), vec![Box::new(anchor)]);
        commit(&anchored, "1");
        let mut buffer = [0; 512];
        let length = log.recv(&mut buffer).unwrap();
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(message.starts_with("<85>ecdeck[") && message.contains("site db01 audit head 1 "), "{message}");
        drop(log);
        commit(&anchored, "2");
    }
}
