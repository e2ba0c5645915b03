//! The emulation as a program: which command it is called as, and whose arrays it works on.

use super::profile::{PROFILE_FILE, Profile};
use super::{Emulation, Member, Store};
use crate::driver::ccm::names::NameError;
use crate::driver::emulated::admin::Admin;
use crate::driver::emulated::driver::Embedded;
use crate::driver::transport::RawReply;
use crate::process::paths::{DEMO_VARIABLE, Home};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The program's own name; under any other it is the command of that name.
const NAME: &str = "ccm-emulation";
/// A file beside the links that names the home whose arrays they work on: ssh and sudo pass no environment on.
pub const HOME_FILE: &str = "ccm-emulation.home";
/// The commands that links are made for.
const COMMANDS: [&str; 7] = ["acarray", "acinq", "acgroup", "acpair", "acec", "acopc", "accopy"];

/// A command line, and the folder of the link that it came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    words: Vec<String>,
    folder: Option<PathBuf>,
}

/// What is asked for; `None` when that is help.
pub fn command_of(words: &[OsString]) -> Option<Called> {
    let text = |word: &OsStr| word.to_string_lossy().into_owned();
    let own = words.first().map(PathBuf::from).unwrap_or_default();
    let name = own.file_name().map(text).unwrap_or_default();
    let folder = own.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned);
    let rest = words.iter().skip(1).map(|word| text(word));
    let words: Vec<String> = if name == NAME { rest.collect() } else { [name].into_iter().chain(rest).collect() };
    match words.first().map(String::as_str) {
        None | Some("-h" | "--help" | "help") => None,
        Some(_) => Some(Called { words, folder }),
    }
}

/// Runs it on the embedded arrays of the home, which must be running.
pub async fn run(called: &Called) -> Result<RawReply, String> {
    if let [verb, folder, home, rest @ ..] = called.words.as_slice()
        && verb == "install"
    {
        return install(Path::new(folder), Path::new(home), rest).map(|()| RawReply {
            exit: 0,
            stdout: format!("links in {folder}, arrays of {home}\n").into_bytes(),
            stderr: Vec::new(),
        });
    }
    let home = home(called)?;
    let profile = called.folder.as_deref().map(Profile::of_folder).transpose()?.unwrap_or_default();
    let emulation = of_home(&home).await?.with_profile(profile);
    if let [verb, from, to] = called.words.as_slice()
        && verb == "rename"
    {
        let done = format!("{from} is {to} now\n").into_bytes();
        return emulation.rename_group(from, to).map(|()| RawReply { exit: 0, stdout: done, stderr: Vec::new() });
    }
    Ok(emulation.run(&called.words).await)
}

fn home(called: &Called) -> Result<Home, String> {
    let beside = called.folder.as_ref().map(|folder| folder.join(HOME_FILE));
    if let Some(named) = beside.and_then(|file| std::fs::read_to_string(file).ok()) {
        return Ok(Home::in_folder(Path::new(named.trim())));
    }
    let home = Home::from_environment().map_err(|why| why.to_string())?;
    let demonstration = std::env::var_os(DEMO_VARIABLE).is_some_and(|value| value == "1");
    Ok(if demonstration { home.demonstration() } else { home })
}

/// An emulated CCM server that knows all embedded arrays of a home.
pub async fn of_home(home: &Home) -> Result<Emulation, String> {
    let overview = Admin::new(home.clone(), false).list().await.map_err(|why| why.to_string())?;
    let mut members = Vec::new();
    for array in overview.arrays {
        let driver = Embedded::new(home.clone(), array.name.to_string(), false);
        let name = array.name.as_str().parse().map_err(|wrong: NameError| wrong.to_string())?;
        members.push(Member { name, box_id: array.box_id, driver: Arc::new(driver) });
    }
    let store = Store::in_folder(&home.state_dir().join("ccm")).map_err(|why| why.to_string())?;
    Ok(Emulation::new(members, store))
}

/// Makes a folder with a link for each command, for the arrays of a home, and says in it how kind they are.
fn install(folder: &Path, home: &Path, profile: &[String]) -> Result<(), String> {
    Profile::parse(profile.iter().map(String::as_str))?;
    let wrong = |what: &Path, why: std::io::Error| format!("{}: {why}", what.display());
    let program = std::env::current_exe().map_err(|why| wrong(Path::new(NAME), why))?;
    let home = std::path::absolute(home).map_err(|why| wrong(home, why))?;
    std::fs::create_dir_all(folder).map_err(|why| wrong(folder, why))?;
    std::fs::write(folder.join(HOME_FILE), home.as_os_str().as_encoded_bytes()).map_err(|why| wrong(folder, why))?;
    let file = folder.join(PROFILE_FILE);
    std::fs::write(&file, profile.join(" ")).map_err(|why| wrong(&file, why))?;
    for command in COMMANDS {
        let link = folder.join(command);
        if link.symlink_metadata().is_ok() {
            std::fs::remove_file(&link).map_err(|why| wrong(&link, why))?;
        }
        std::os::unix::fs::symlink(&program, &link).map_err(|why| wrong(&link, why))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn it_is_the_command_that_it_is_called_as() {
        let called = command_of(&words("/opt/x/acec query -g G")).unwrap();
        assert_eq!((called.words[0].as_str(), called.folder), ("acec", Some(PathBuf::from("/opt/x"))));
        assert_eq!(command_of(&words("acec query")).unwrap().folder, None);
        assert_eq!(command_of(&words("target/ccm-emulation acarray list")).unwrap().words, ["acarray", "list"]);
        assert_eq!(command_of(&words("ccm-emulation")), None);
        assert_eq!(command_of(&words("ccm-emulation --help")), None);
    }
}
