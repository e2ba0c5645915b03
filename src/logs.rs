//! The log: files of limited size, never the terminal. What is kept for people is the audit; this is for finding faults.

use crate::config::Log;
use crate::model::units::iec;
use crate::model::untrusted;
use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Goes before the configured level: `debug`, or a filter like `warn,ecdeck::engine=trace`.
pub const LEVEL_VARIABLE: &str = "ECDECK_LOG";
/// Bytes of one event; the rest is left off.
const MAX_EVENT_BYTES: usize = 8 << 10;
/// Events that wait to be written; further ones are counted and dropped.
const MAX_WAITING: usize = 4_096;

#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error(
        "the log folder {folder} cannot be used: {why}; correct log.folder or its rights",
        folder = untrusted::path(.folder)
    )]
    Folder { folder: PathBuf, why: String },
    #[error("{LEVEL_VARIABLE} is {text:?}, which is no log filter ({why}); write a level like debug, or unset it")]
    Filter { text: String, why: String },
    #[error("logging was started twice in one process; this is a fault of the program: report it")]
    Twice,
}

/// Writes what is left when it is dropped: keep it as long as the process.
#[must_use]
#[derive(Debug)]
pub struct LogGuard {
    _worker: WorkerGuard,
}

/// Starts the log of this process: files `NAME.DATE.log` in `log.folder`, or in `usual` where none is configured.
pub fn start(log: &Log, usual: &Path, name: &str) -> Result<LogGuard, LogsError> {
    let variable = std::env::var_os(LEVEL_VARIABLE).filter(|text| !text.is_empty());
    let variable = variable.map(OsString::into_string).transpose().map_err(|text| LogsError::Filter {
        text: text.to_string_lossy().into_owned(),
        why: "it is not UTF-8 text".to_owned(),
    })?;
    let folder = log.folder.as_deref().unwrap_or(usual);
    let (writer, guard) = writer(folder, name, log)?;
    let subscriber = subscriber(filter(log, variable.as_deref())?, writer);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogsError::Twice)?;
    Ok(guard)
}

/// Others speak from warnings on: what the libraries do in detail is rarely what is looked for.
fn filter(log: &Log, variable: Option<&str>) -> Result<EnvFilter, LogsError> {
    let text = variable.map_or_else(|| format!("warn,ecdeck={}", log.level.word()), str::to_owned);
    EnvFilter::try_new(&text).map_err(|error| LogsError::Filter { text, why: untrusted::escaped(&error.to_string()) })
}

/// A full or hanging disk must not stop the engine, so lines are written by a thread of their own, and dropped when it
/// falls far behind.
fn writer(folder: &Path, name: &str, log: &Log) -> Result<(Lines, LogGuard), LogsError> {
    let failed = |why: io::Error| LogsError::Folder { folder: folder.to_owned(), why: why.to_string() };
    let mut files = Files::new(folder, name, log);
    // At the start, what is wrong with the folder is an error; later it is not allowed to stop the server.
    files.open_for(0).map_err(failed)?;
    let (inner, worker) = NonBlockingBuilder::default().buffered_lines_limit(MAX_WAITING).finish(files);
    Ok((Lines { inner, reported: Arc::default() }, LogGuard { _worker: worker }))
}

fn subscriber(filter: EnvFilter, writer: Lines) -> impl Subscriber + Send + Sync {
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false).finish()
}

/// One event as one line: escaped, and not longer than somebody reads.
fn line(event: &[u8]) -> Vec<u8> {
    let event = event.strip_suffix(b"\n").unwrap_or(event);
    let kept = &event[..event.len().min(MAX_EVENT_BYTES)];
    let mut line = untrusted::escaped(&String::from_utf8_lossy(kept));
    if kept.len() < event.len() {
        let _ = write!(line, "... ({} left off)", iec((event.len() - kept.len()) as u64));
    }
    line.push('\n');
    line.into_bytes()
}

/// The way of every event into the files: whatever it holds, a line without control characters comes out.
struct Lines {
    inner: NonBlocking,
    /// Dropped events that have been reported.
    reported: Arc<AtomicUsize>,
}

struct LineWriter {
    inner: NonBlocking,
    reported: Arc<AtomicUsize>,
}

impl MakeWriter<'_> for Lines {
    type Writer = LineWriter;

    fn make_writer(&self) -> LineWriter {
        LineWriter { inner: self.inner.clone(), reported: Arc::clone(&self.reported) }
    }
}

impl Write for LineWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.inner.write_all(&line(event))?;
        let dropped = self.inner.error_counter().dropped_lines();
        let more = dropped.saturating_sub(self.reported.swap(dropped, Ordering::Relaxed));
        if more > 0 {
            self.inner.write_all(format!("{more} events were not logged: too many at once\n").as_bytes())?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The files of one process: `NAME.DATE.log`, and `NAME.DATE.2.log` and so on when one is full. All are of mode 0600.
struct Files {
    folder: PathBuf,
    name: String,
    /// Files that are kept, the present one included.
    keep: usize,
    /// Bytes of a file.
    size: u64,
    present: Option<Present>,
}

/// The file that is written now.
struct Present {
    file: File,
    path: PathBuf,
    day: String,
    written: u64,
}

impl Present {
    /// Whether the file is still where it was made: somebody may have moved it or its folder away.
    fn is_in_place(&self) -> bool {
        let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        match (fs::symlink_metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(ours)) => same(&there, &ours),
            _ => false,
        }
    }
}

impl Files {
    fn new(folder: &Path, name: &str, log: &Log) -> Self {
        let (keep, size) = (usize::from(log.keep), u64::from(log.file_mib) << 20);
        Self { folder: folder.to_owned(), name: name.to_owned(), keep, size, present: None }
    }

    /// The file for so many more bytes.
    fn open_for(&mut self, bytes: u64) -> io::Result<&mut Present> {
        #[expect(clippy::disallowed_methods, reason = "a file a day, by the days of the wall clock")]
        let today = Timestamp::now().strftime("%Y-%m-%d").to_string();
        let fits =
            |present: &Present| present.day == today && present.written + bytes <= self.size && present.is_in_place();
        let present = match self.present.take().filter(fits) {
            Some(present) => present,
            None => self.next_file(today, bytes)?,
        };
        Ok(self.present.insert(present))
    }

    fn next_file(&self, day: String, bytes: u64) -> io::Result<Present> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let newest = self.files()?.into_iter().rev().find(|(of, ..)| *of == day).map_or(1, |(_, number, _)| number);
        for number in newest.. {
            let end = if number == 1 { String::new() } else { format!(".{number}") };
            let path = self.folder.join(format!("{}.{day}{end}.log", self.name));
            let flags = OFlags::WRONLY
                | OFlags::APPEND
                | OFlags::CREATE
                | OFlags::NOFOLLOW
                | OFlags::NONBLOCK
                | OFlags::CLOEXEC;
            let file = File::from(rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?);
            let found = file.metadata()?;
            if !found.is_file() || found.len() + bytes > self.size.max(bytes) {
                continue;
            }
            rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
            self.remove_oldest()?;
            return Ok(Present { file, path, day, written: found.len() });
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let files = self.files()?;
        for (.., path) in files.iter().take(files.len().saturating_sub(self.keep)) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// The files of this name, by day and number, the oldest first.
    fn files(&self) -> io::Result<Vec<(String, u32, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let middle = name.strip_prefix(&format!("{}.", self.name)).and_then(|rest| rest.strip_suffix(".log"));
            let Some(middle) = middle else { continue };
            let (day, number) = match middle.split_once('.') {
                Some((day, number)) => (day, number.parse().ok()),
                None => (middle, Some(1)),
            };
            if let Some(number) = number {
                files.push((day.to_owned(), number, path));
            }
        }
        files.sort();
        Ok(files)
    }
}

impl Write for Files {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let bytes = line.len() as u64;
        let present = self.open_for(bytes)?;
        if let Err(error) = present.file.write_all(line) {
            self.present = None;
            return Err(error);
        }
        present.written += bytes;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogLevel;
    use std::os::unix::fs::PermissionsExt;

    fn logged(log: &Log, variable: Option<&str>, folder: &Path, work: impl FnOnce()) -> String {
        let (writer, guard) = writer(folder, "engine", log).unwrap();
        tracing::subscriber::with_default(subscriber(filter(log, variable).unwrap(), writer), work);
        drop(guard);
        files(folder).iter().map(|file| fs::read_to_string(file).unwrap()).collect()
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn lines_go_to_a_private_file_of_the_day() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("log");
        let text = logged(&Log::default(), None, &folder, || {
            tracing::info!(array = "DX1", "read");
            tracing::debug!("too much");
            tracing::info!(target: "sqlx", "of a library");
        });
        assert!(text.contains("read") && text.contains("DX1"), "{text}");
        assert!(!text.contains("too much") && !text.contains("of a library") && !text.contains('\u{1b}'), "{text}");
        let [file] = &files(&folder)[..] else { panic!("one file") };
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("engine.20") && name.strip_suffix(".log").is_some(), "{name}");
    }

    #[test]
    fn a_log_without_a_line_is_private_too() {
        let home = tempfile::tempdir().unwrap();
        let (_writer, _guard) = writer(home.path(), "arrays", &Log::default()).unwrap();
        let [file] = &files(home.path())[..] else { panic!("one file") };
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_event_is_one_line_whatever_it_holds() {
        let home = tempfile::tempdir().unwrap();
        let text = logged(&Log::default(), None, home.path(), || {
            tracing::info!(name = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\rb", "first\nsecond \u{1b}[31m");
        });
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(text.trim_end().chars().all(|c| !untrusted::is_unsafe(c)), "{text:?}");
        let long = logged(&Log::default(), None, &home.path().join("long"), || {
            tracing::info!("{}", "x".repeat(20 << 20));
        });
        assert!(long.len() < MAX_EVENT_BYTES + 100 && long.contains("MiB left off)"), "{}", long.len());
    }

    fn small(folder: &Path, keep: u16) -> Files {
        let log = Log { keep, file_mib: 1, ..Log::default() };
        Files::new(folder, "engine", &log)
    }

    #[test]
    fn a_full_file_is_followed_by_the_next_and_the_oldest_one_goes() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("engine.2020-01-01.log"), "of an earlier release").unwrap();
        fs::write(home.path().join("arrays.2020-01-01.log"), "of another process").unwrap();
        let mut log = small(home.path(), 3);
        let block = vec![b'x'; 300 << 10];
        for _ in 0..20 {
            log.write_all(&block).unwrap();
        }
        let names: Vec<u32> = log.files().unwrap().into_iter().map(|(_, number, _)| number).collect();
        assert_eq!(names, [5, 6, 7]);
        assert!(home.path().join("arrays.2020-01-01.log").exists());
        let largest = files(home.path()).iter().map(|file| file.metadata().unwrap().len()).max().unwrap();
        assert!(largest <= 1 << 20, "{largest}");
        // The next process goes on in the newest file.
        small(home.path(), 3).write_all(b"more\n").unwrap();
        assert_eq!(log.files().unwrap().len(), 3);
    }

    #[test]
    fn a_folder_that_was_removed_is_made_again() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("log");
        let mut log = small(&folder, 3);
        log.write_all(b"one\n").unwrap();
        fs::remove_dir_all(&folder).unwrap();
        log.write_all(b"two\n").unwrap();
        fs::rename(&folder, home.path().join("moved")).unwrap();
        log.write_all(b"three\n").unwrap();
        let [file] = &files(&folder)[..] else { panic!("one file") };
        assert_eq!(fs::read_to_string(file).unwrap(), "three\n");
        // And goes on after a time in which it could not be made.
        fs::remove_dir_all(&folder).unwrap();
        fs::write(&folder, "in its place").unwrap();
        assert!(log.write_all(b"lost\n").is_err());
        fs::remove_file(&folder).unwrap();
        log.write_all(b"four\n").unwrap();
        assert_eq!(fs::read_to_string(&files(&folder)[0]).unwrap(), "four\n");
    }

    #[test]
    fn the_environment_goes_before_the_configured_level() {
        let home = tempfile::tempdir().unwrap();
        let quiet = Log { level: LogLevel::Error, ..Log::default() };
        let text = logged(&quiet, Some("ecdeck=debug"), home.path(), || tracing::debug!("seen"));
        assert!(text.contains("seen"), "{text}");
        let wrong = filter(&quiet, Some("ecdeck=loud")).unwrap_err().to_string();
        assert!(wrong.contains("ECDECK_LOG") && wrong.contains("ecdeck=loud"), "{wrong}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        let Err(error) = writer(&file.join("log"), "engine", &Log::default()) else { panic!("it is no folder") };
        assert!(error.to_string().contains("file/log"), "{error}");
    }
}
