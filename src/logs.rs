//! The log: a file a day, never the terminal. What is kept for people is the audit; this is for finding faults.

use crate::config::Log;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

/// Goes before the configured level: `debug`, or a filter like `warn,ecdeck::engine=trace`.
pub const LEVEL_VARIABLE: &str = "ECDECK_LOG";

#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error("the log folder {folder} cannot be used: {why}; correct log.folder or its rights", folder = .folder.display())]
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
    let variable = std::env::var(LEVEL_VARIABLE).ok().filter(|text| !text.is_empty());
    let folder = log.folder.as_deref().unwrap_or(usual);
    let (writer, guard) = writer(folder, name, log.keep)?;
    let subscriber = subscriber(filter(log, variable.as_deref())?, writer);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogsError::Twice)?;
    Ok(guard)
}

/// Others speak from warnings on: what the libraries do in detail is rarely what is looked for.
fn filter(log: &Log, variable: Option<&str>) -> Result<EnvFilter, LogsError> {
    let text = variable.map_or_else(|| format!("warn,ecdeck={}", log.level.word()), str::to_owned);
    EnvFilter::try_new(&text).map_err(|error| LogsError::Filter { text, why: error.to_string() })
}

/// A full or hanging disk must not stop the engine, so lines are written by a thread of their own, and dropped when it
/// falls far behind.
fn writer(folder: &Path, name: &str, keep: u16) -> Result<(NonBlocking, LogGuard), LogsError> {
    let failed = |why: String| LogsError::Folder { folder: folder.to_owned(), why };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(error.to_string()))?;
    let appender = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(name)
        .filename_suffix("log")
        .max_log_files(usize::from(keep))
        .build(folder)
        .map_err(|error| failed(error.to_string()))?;
    let private = PrivateFiles { appender, folder: folder.to_owned(), prefix: format!("{name}."), day: None };
    // The appender has made today's file already; a server that has nothing to say never writes a first line.
    private.make_private().map_err(|error| failed(error.to_string()))?;
    let (writer, worker) = tracing_appender::non_blocking(private);
    Ok((writer, LogGuard { _worker: worker }))
}

fn subscriber(filter: EnvFilter, writer: NonBlocking) -> impl Subscriber + Send + Sync {
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false).finish()
}

/// The appender makes each day's file as the umask says; here it gets mode 0600: at once, or with the first line of its day.
struct PrivateFiles {
    appender: RollingFileAppender,
    folder: PathBuf,
    prefix: String,
    day: Option<u64>,
}

impl PrivateFiles {
    fn make_private(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                fs::set_permissions(entry.path(), PermissionsExt::from_mode(0o600))?;
            }
        }
        Ok(())
    }
}

impl Write for PrivateFiles {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.appender.write(line)?;
        let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs() / 86_400);
        if self.day != Some(today) {
            self.make_private()?;
            self.day = Some(today);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.appender.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogLevel;

    fn logged(log: &Log, variable: Option<&str>, folder: &Path, work: impl FnOnce()) -> String {
        let (writer, guard) = writer(folder, "engine", log.keep).unwrap();
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
        let (_writer, _guard) = writer(home.path(), "arrays", 1).unwrap();
        let [file] = &files(home.path())[..] else { panic!("one file") };
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
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
        let error = writer(&file.join("log"), "engine", 1).unwrap_err().to_string();
        assert!(error.contains("file/log"), "{error}");
    }
}
