//! What a person leaves on this site, in their state folder and readable by nobody else: drafts of map sets and of the set-up,
//! one file each, which outlive a lost line; and when they looked last.

use super::screens::init;
use super::screens::maps::Draft;
use crate::model::identity::Name;
use crate::model::units::Timestamp;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const PREFIX: &str = "map-";
const SUFFIX: &str = ".json";
/// The moment of the last look, in milliseconds.
const LAST_LOOK: &str = "last-look";
/// The choice of the set-up.
const SET_UP: &str = "set-up.json";
/// Bytes of a draft that are read at most: more than the largest map set needs.
const MAX_BYTES: u64 = 64 << 20;

/// Where the drafts are.
#[derive(Debug, Clone)]
pub struct DraftStore {
    folder: PathBuf,
}

impl DraftStore {
    /// The folder is made when the first draft is kept.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every draft, by its file's name; and a sentence for each one that could not be read. A damaged one is put aside, so
    /// that it stops nothing and nothing overwrites it.
    pub fn load(&self) -> (Vec<(String, String)>, Vec<String>) {
        let (mut texts, mut faults) = (Vec::new(), Vec::new());
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (texts, faults),
            Err(error) => return (texts, vec![format!("drafts in {} cannot be read: {error}", self.folder.display())]),
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_draft(name))
            .collect();
        names.sort();
        for name in names {
            let path = self.folder.join(&name);
            match read(&path) {
                Ok(text) => match Draft::read(&text) {
                    Ok(_) => texts.push((name, text)),
                    Err(why) => faults.push(set_aside(&path, &why)),
                },
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    faults.push(set_aside(&path, &error.to_string()));
                }
                Err(error) => faults.push(format!("the draft {} cannot be read: {error}", path.display())),
            }
        }
        (texts, faults)
    }

    /// The choice of the set-up with its file's name, as [`Self::load`] has the drafts of map sets.
    pub fn load_set_up(&self) -> (Vec<(String, String)>, Vec<String>) {
        let path = self.folder.join(SET_UP);
        let text = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (Vec::new(), Vec::new()),
            Err(error) if error.kind() != io::ErrorKind::InvalidData => {
                return (Vec::new(), vec![format!("the draft {} cannot be read: {error}", path.display())]);
            }
            read => read.map_err(|error| error.to_string()),
        };
        match text.and_then(|text| init::read(&text).map(|_| text)) {
            Ok(text) => (vec![(SET_UP.to_owned(), text)], Vec::new()),
            Err(why) => (Vec::new(), vec![set_aside(&path, &why)]),
        }
    }

    /// Keeps the choice of the set-up, or removes it.
    ///
    /// # Errors
    /// As for [`Self::keep`].
    pub fn keep_set_up(&self, text: Option<&str>) -> Result<(), String> {
        let kept = self.put(&self.folder.join(SET_UP), text);
        kept.map_err(|error| format!("the set-up is not kept: {}: {error}", self.folder.display()))
    }

    /// Keeps a draft, or removes it. A reader finds the text as it was or as it is, never half of it.
    ///
    /// # Errors
    /// A sentence with the folder and what is wrong with it.
    pub fn keep(&self, name: &Name, text: Option<&str>) -> Result<(), String> {
        let path = self.folder.join(format!("{PREFIX}{name}{SUFFIX}"));
        let kept = self.put(&path, text);
        kept.map_err(|error| format!("the draft of {name} is not kept: {}: {error}", self.folder.display()))
    }

    fn put(&self, path: &Path, text: Option<&str>) -> io::Result<()> {
        match text {
            Some(text) => self.write(path, text),
            None => match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }

    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let (fresh, mut file) = self.create("new")?;
        // Not synced: a key waits for no disk. What a power failure tears is put aside as damaged.
        let moved = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&fresh, path));
        if moved.is_err() {
            // What is left behind is a private copy that no reader takes for a draft.
            let _ = std::fs::remove_file(&fresh);
        }
        moved
    }

    /// When this person looked at the site last; `None`: never, or the file tells nothing.
    pub fn last_look(&self) -> Option<Timestamp> {
        read(&self.folder.join(LAST_LOOK)).ok()?.trim().parse().ok().map(Timestamp)
    }

    /// Keeps when this person looked at the site last.
    ///
    /// # Errors
    /// A sentence with the folder and what is wrong with it.
    pub fn keep_last_look(&self, at: Timestamp) -> Result<(), String> {
        let kept = self.write(&self.folder.join(LAST_LOOK), &at.0.to_string());
        kept.map_err(|error| format!("the time of this look is not kept: {}: {error}", self.folder.display()))
    }

    /// A new private file of the folder, with a name of its own.
    fn create(&self, ending: &str) -> io::Result<(PathBuf, File)> {
        let mut tries = 0;
        loop {
            let path = self.folder.join(format!(".{:08x}.{ending}", fastrand::u32(..)));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 16 => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// A private file with a text, for an editor.
    ///
    /// # Errors
    /// When the folder takes no file.
    pub fn scratch(&self, text: &str) -> io::Result<PathBuf> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let (path, mut file) = self.create("map")?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }
}

fn is_draft(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

fn read(path: &Path) -> io::Result<String> {
    // A FIFO would wait for a writer.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file"));
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn set_aside(path: &Path, why: &str) -> String {
    let aside = path.with_extension("json.damaged");
    match std::fs::rename(path, &aside) {
        Ok(()) => format!("a draft was damaged ({why}): it is kept as {}", aside.display()),
        Err(error) => format!("the draft {} is damaged ({why}) and cannot be put aside: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn draft(name: &str) -> (Name, String) {
        let mut draft = Draft::new(name.parse().unwrap());
        draft.turn(Timestamp(1), &[crate::console::fixture::one(1)]);
        (draft.name().clone(), draft.text().unwrap())
    }

    #[test]
    fn a_draft_is_private_and_comes_back_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = DraftStore::new(folder.path().join("state/drafts"));
        assert_eq!(store.load(), (Vec::new(), Vec::new()));
        let (name, text) = draft("nightly");
        store.keep(&name, Some("old")).unwrap();
        store.keep(&name, Some(&text)).unwrap();
        let file = store.folder().join("map-nightly.json");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(store.folder())), (0o600, 0o700));
        assert_eq!(store.load(), (vec![("map-nightly.json".to_owned(), text)], Vec::new()));
        store.keep(&name, None).unwrap();
        store.keep(&name, None).unwrap();
        assert_eq!(std::fs::read_dir(store.folder()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn the_last_look_is_private_and_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let store = DraftStore::new(folder.path().join("state/drafts"));
        assert_eq!(store.last_look(), None);
        store.keep_last_look(Timestamp(7)).unwrap();
        store.keep_last_look(Timestamp(9)).unwrap();
        assert_eq!((store.last_look(), store.load()), (Some(Timestamp(9)), (Vec::new(), Vec::new())));
        let file = store.folder().join("last-look");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "torn\n").unwrap();
        assert_eq!(store.last_look(), None);
    }

    #[test]
    fn a_damaged_draft_is_named_put_aside_and_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = DraftStore::new(folder.path().to_owned());
        let (name, text) = draft("good");
        store.keep(&name, Some(&text)).unwrap();
        std::fs::write(folder.path().join("map-torn.json"), &text[..text.len() / 2]).unwrap();
        std::fs::write(folder.path().join("map-bytes.json"), b"\xff\xfe\0").unwrap();
        std::fs::create_dir(folder.path().join("map-folder.json")).unwrap();
        let (texts, faults) = store.load();
        assert_eq!(texts.len(), 1);
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults[2].contains("map-torn.json.damaged"), "{faults:?}");
        assert!(folder.path().join("map-torn.json.damaged").exists());
        assert_eq!(store.load().1.len(), 0, "it is said once");
    }
}
