//! Adding an array to the configuration: its driver's dialogue, an examination, and only then the file. The first one
//! ([`init`]). Putting a copy in the catalogue's place ([`load`]).

pub mod init;
pub mod load;

use crate::config::{self, Config};
use crate::driver::DRIVERS;
use crate::driver::kind::NoExamination;
use crate::driver::set_up::{AddArguments, Asked, Person, SetUpError};
use crate::drivers;
use crate::engine::now;
use crate::model::check::{Check, Verdict};
use crate::model::identity::Name;
use crate::model::untrusted::path as shown;
use crate::process::instance::{self, private_folder};
use crate::process::paths::Home;
use std::fmt::Display;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Added {
    pub checks: Vec<Check>,
    /// What was written, and what is to be done next; `None` when a check is bad, and nothing was written.
    pub done: Option<String>,
}

/// Adds an array to a configuration file, which need not be there yet. `site`: its name, for a new file.
pub async fn add(
    home: &Home,
    file: &Path,
    site: Option<&Name>,
    array: &Name,
    arguments: &AddArguments,
    person: &dyn Person,
) -> Result<Added, SetUpError> {
    let before = read(file, site)?;
    let Prepared { checks, text } = prepare(home, file, &before, array, arguments, person).await?;
    let Some(text) = text else { return Ok(Added { checks, done: None }) };
    replace(file, &text)?;
    let pid = instance::pid_of(&home.engine());
    let running = pid.map_or_else(String::new, |pid| {
        format!(" The running engine reads it when it is started again: `kill {pid}`.")
    });
    let done = format!(
        "{array} is in {} now.{running}\n`ecdeck volume list` shows its volumes, `ecdeck volume add` registers them.\n",
        shown(file)
    );
    Ok(Added { checks, done: Some(done) })
}

/// What an array's dialogue and examination came to.
struct Prepared {
    checks: Vec<Check>,
    /// The configuration with the array; `None` when a check is bad.
    text: Option<String>,
}

/// Leads through the dialogue of a driver and examines the array. Nothing is written to the configuration.
async fn prepare(
    home: &Home,
    file: &Path,
    before: &str,
    array: &Name,
    arguments: &AddArguments,
    person: &dyn Person,
) -> Result<Prepared, SetUpError> {
    let config = Config::parse(before, file).map_err(input)?;
    if config.arrays.iter().any(|known| known.name == *array) {
        return Err(input(format!("{} has an array {array} already", shown(file))));
    }
    // One kind of driver has such a dialogue; with a second one the command line has to name it.
    let kind = DRIVERS.iter().find_map(|kind| Some((kind, kind.set_up()?)));
    let (kind, set_up) = kind.ok_or_else(|| input("no driver of this program can be set up so"))?;
    let asked = Asked { array, arguments, file };
    let new = set_up.ask(&asked, &mut drivers::connecting(home, &config, true), person).await?;
    let begun = new.config.examine(array, &mut drivers::connecting(home, &config, true), now());
    let checks = match begun {
        Ok(examined) => examined.await,
        Err(NoExamination::Needless(_)) => Vec::new(),
        Err(why) => return Err(input(why)),
    };
    if checks.iter().any(|check| check.verdict == Verdict::Bad) {
        return Ok(Prepared { checks, text: None });
    }
    let head = format!("[[array]]\nname = \"{array}\"\ndriver = \"{}\"\n", kind.name());
    let text = format!("{}\n\n{head}{}", before.trim_end(), new.lines);
    Config::parse(&text, file).map_err(|why| SetUpError::Failed(format!("{why}; nothing was written")))?;
    Ok(Prepared { checks, text: Some(text) })
}

fn input(why: impl Display) -> SetUpError {
    SetUpError::Input(why.to_string())
}

fn read(file: &Path, site: Option<&Name>) -> Result<String, SetUpError> {
    match config::text(file) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => match site {
            Some(site) => Ok(format!("site = \"{site}\"\n")),
            None => Err(input(format!("there is no {} yet: name the site with --site", shown(file)))),
        },
        Err(why) => Err(input(why)),
    }
}

/// Puts a file in the place of another, whole or not at all.
fn replace(file: &Path, text: &str) -> Result<(), SetUpError> {
    let failed = |why: std::io::Error| SetUpError::Failed(format!("{}: {why}", shown(file)));
    if let Some(folder) = file.parent()
        && !folder.exists()
    {
        private_folder(folder).map_err(|why| SetUpError::Failed(why.to_string()))?;
    }
    let beside = file.with_extension("toml.new");
    let mut out = std::fs::File::create(&beside).map_err(failed)?;
    // Whatever the umask: a configuration that others can write is not used.
    let before = std::fs::metadata(file).map_or_else(|_| Permissions::from_mode(0o644), |before| before.permissions());
    out.set_permissions(before).map_err(failed)?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, file).map_err(failed)
}
