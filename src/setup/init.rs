//! The first configuration of a site: arrays that are found, made for practice or added, examined, and only then the file.

use super::{Prepared, input, prepare};
use crate::config::{self, Config};
use crate::driver::DRIVERS;
use crate::driver::kind::{DriverKind, NoExamination};
use crate::driver::set_up::{AddArguments, Person, SetUp, SetUpError};
use crate::drivers;
use crate::engine::now;
use crate::model::check::{Check, Verdict};
use crate::model::identity::Name;
use crate::model::units::count;
use crate::model::untrusted::{escaped, path as shown};
use crate::process::instance::private_folder;
use crate::process::paths::Home;
use crate::process::ssh::{SshArgumentError, SshWord};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// An array that is there already, and the kind of driver that found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub driver: &'static str,
    pub name: Name,
}

/// The arguments of `array add` for an array of this name, with an option and its value.
pub type AddedBy<'a> = &'a (dyn Fn(&Name, Option<(&str, &str)>) -> Result<AddArguments, SetUpError> + Sync);

/// Refuses where a configuration is there: it is never overwritten.
pub fn is_first(file: &Path) -> Result<(), SetUpError> {
    match config::text(file) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(input(format!(
            "{} is there already and stays as it is: `ecdeck array add` adds an array, the key I of the console sets up volumes, \
             and `ecdeck site apply FILE` applies a site that is written down",
            shown(file)
        ))),
        Err(why) => Err(input(why)),
    }
}

/// The arrays that the kinds of drivers find by themselves. One that cannot look says so: what was not seen is not "none".
pub async fn find(home: &Home) -> Result<Vec<Found>, SetUpError> {
    let mut found = Vec::new();
    for kind in DRIVERS {
        let names = kind.find(home).await.map_err(SetUpError::NotReachable)?;
        found.extend(names.into_iter().map(|name| Found { driver: kind.name(), name }));
    }
    Ok(found)
}

/// The text of a configuration with these arrays.
pub fn text(site: &Name, arrays: &[Found]) -> String {
    header(site) + &arrays.iter().map(table).collect::<String>()
}

/// Wrong answers to one question before the set-up ends.
const MAX_ANSWERS: usize = 5;

fn header(site: &Name) -> String {
    format!("# config.example.toml explains every key.\nsite = \"{site}\"\n")
}

fn table(Found { driver, name }: &Found) -> String {
    format!("\n[[array]]\nname = \"{name}\"\ndriver = \"{driver}\"\n")
}

/// Asks for everything that the first configuration says, examines the arrays, and writes it.
pub async fn guide(home: &Home, file: &Path, added_by: AddedBy<'_>, person: &dyn Person) -> Result<(), SetUpError> {
    is_first(file)?;
    person.say("This sets up a site: its name, its arrays, its hosts, then in the console its volumes and policies.");
    let usual = usual_name();
    let site = named(person, "Name of the site", &usual)?;
    let text = arrays(home, file, header(&site), added_by, person).await?;
    let text = hosts(file, text, person)?;
    person.say(&format!("This is written to {}:\n\n{}", shown(file), indented(&text)));
    if !agrees(person, "Write it? [Y/n] ")? {
        return Err(input("nothing was written"));
    }
    write(file, &text)?;
    person.say("The configuration is written. The console chooses volumes, volume groups, policies and device maps next: its key is I.");
    Ok(())
}

/// The arrays, one after the other: each that is found is examined, and taken or left; more can be added.
async fn arrays(
    home: &Home,
    file: &Path,
    mut text: String,
    added_by: AddedBy<'_>,
    person: &dyn Person,
) -> Result<String, SetUpError> {
    let found = find(home).await?;
    let before = text.clone();
    match found.len() {
        0 => person.say("No array was found."),
        many => person.say(&format!("{}:", count(many, "array was found", "arrays were found"))),
    }
    for one in &found {
        person.say(&format!("  {} ({})", one.name, one.driver));
        if !all_usable(home, file, &(before.clone() + &table(one)), person).await? {
            person.say(&format!("{} cannot be used yet and is left out: `ecdeck array doctor` tells more", one.name));
        } else if agrees(person, &format!("Take {}? [Y/n] ", one.name))? {
            text += &table(one);
        }
    }
    if text == before {
        text = another_array(home, file, &text, added_by, person).await?;
    }
    while wants(person, "Add another array? [y/N] ")? {
        text = another_array(home, file, &text, added_by, person).await?;
    }
    Ok(text)
}

/// The configuration with one more array: added by its driver's dialogue, or made for practice.
async fn another_array(
    home: &Home,
    file: &Path,
    before: &str,
    added_by: AddedBy<'_>,
    person: &dyn Person,
) -> Result<String, SetUpError> {
    let added = DRIVERS.iter().filter_map(|kind| Some(Way::Added(kind.set_up()?)));
    let practice = DRIVERS.iter().filter_map(|kind| Some(Way::Practice(*kind, kind.practice()?)));
    let ways: Vec<Way> = added.chain(practice).collect();
    for (number, way) in (1..).zip(&ways) {
        person.say(&format!("{number}  {}", way.title()));
    }
    let chosen = choose(person, &ways)?;
    match chosen {
        Way::Added(set_up) => {
            let name = named(person, "Name of the array", "DX1")?;
            let option = match set_up.first_question() {
                Some((question, option)) => {
                    Some((option, person.ask(question)?)).filter(|(_, value)| !value.is_empty())
                }
                None => None,
            };
            let arguments = added_by(&name, option.as_ref().map(|(option, value)| (*option, value.as_str())))?;
            let Prepared { checks, text } = prepare(home, file, before, &name, &arguments, person).await?;
            say_checks(person, &name, &checks);
            text.ok_or_else(|| {
                SetUpError::NotReachable("nothing was written: what is marked with ! comes first".to_owned())
            })
        }
        Way::Practice(kind, _) => {
            let name = named(person, "Name of the array", "LAB1")?;
            let text = before.to_owned() + &table(&Found { driver: kind.name(), name: name.clone() });
            // A name that is taken is found out before anything is made.
            Config::parse(&text, file).map_err(input)?;
            let made = kind.make_for_practice(home, &name);
            let made = made.ok_or_else(|| input("no array of this kind can be made to practise on"))?;
            person.say(&made.await.map_err(SetUpError::Failed)?);
            Ok(text)
        }
    }
}

/// The way of a number that is typed. Another answer is asked for again; input that has ended gives empty ones for ever.
fn choose<'a>(person: &dyn Person, ways: &'a [Way]) -> Result<&'a Way, SetUpError> {
    let numbers: Vec<String> = (1..=ways.len()).map(|number| number.to_string()).collect();
    for _ in 0..MAX_ANSWERS {
        let answer = person.ask(&format!("Which one? [{}] ", numbers.join("/")))?;
        match numbers.iter().position(|number| *number == answer).and_then(|at| ways.get(at)) {
            Some(way) => return Ok(way),
            None => person.say(&format!("Write one of {}. Ctrl-C ends the set-up.", numbers.join(", "))),
        }
    }
    Err(input("no array was chosen: nothing was written"))
}

/// The machines whose volume groups are backed up.
fn hosts(file: &Path, mut text: String, person: &dyn Person) -> Result<String, SetUpError> {
    person
        .say("Hosts with volume groups (LVM) are named here, one after the other. Enter: there is none, or no other.");
    loop {
        let typed = person.ask("Name of a host with volume groups [none]: ")?;
        if typed.is_empty() {
            return Ok(text);
        }
        let reached = person.ask("Reached by ssh, as USER@HOST; Enter: it is this machine: ")?;
        let by_sudo = wants(person, "Do lvm and dmsetup run by sudo there? [y/N] ")?;
        match host_table(&typed, &reached, by_sudo).and_then(|table| {
            let with = format!("{text}{table}");
            Config::parse(&with, file).map(|_| with).map_err(|why| why.to_string())
        }) {
            Ok(with) => text = with,
            Err(why) => person.say(&why),
        }
    }
}

/// `reached`: `USER@HOST`, `HOST`, or nothing for this machine.
fn host_table(name: &str, reached: &str, by_sudo: bool) -> Result<String, String> {
    let name: Name = name.parse().map_err(|why| format!("{why}"))?;
    let mut table = format!("\n[[host]]\nname = \"{name}\"\n");
    let (user, host) = match reached.rsplit_once('@') {
        Some((user, host)) => (Some(user), Some(host)),
        None => (None, Some(reached).filter(|host| !host.is_empty())),
    };
    for (key, word) in [("host", host), ("user", user)] {
        let Some(word) = word else { continue };
        let word: SshWord = word.parse().map_err(|why: SshArgumentError| why.to_string())?;
        // Writing to a `String` cannot fail.
        let _ = writeln!(table, "{key} = \"{word}\"");
    }
    if by_sudo {
        table += "sudo = true\n";
    }
    Ok(table)
}

/// How a first array comes to a site.
enum Way {
    /// By the dialogue of a driver.
    Added(&'static dyn SetUp),
    Practice(&'static dyn DriverKind, &'static str),
}

impl Way {
    fn title(&self) -> &'static str {
        match self {
            Self::Added(set_up) => set_up.title(),
            Self::Practice(_, title) => title,
        }
    }
}

/// Examines every array of a configuration that is not written yet. A bad one ends it.
pub async fn examined(home: &Home, file: &Path, text: &str, person: &dyn Person) -> Result<(), SetUpError> {
    match first_unusable(home, file, text, person).await? {
        None => Ok(()),
        Some(name) => Err(SetUpError::NotReachable(format!("nothing was written: array {name} cannot be used yet"))),
    }
}

async fn all_usable(home: &Home, file: &Path, text: &str, person: &dyn Person) -> Result<bool, SetUpError> {
    Ok(first_unusable(home, file, text, person).await?.is_none())
}

/// What was found out is said, up to the first array that cannot be used.
async fn first_unusable(home: &Home, file: &Path, text: &str, person: &dyn Person) -> Result<Option<Name>, SetUpError> {
    let config = Config::parse(text, file).map_err(input)?;
    for array in &config.arrays {
        let begun = {
            let mut site = drivers::connecting(home, &config, true);
            array.control.array_config().examine(&array.name, &mut site, now())
        };
        let checks = match begun {
            Ok(checks) => checks.await,
            Err(NoExamination::Needless(_)) => Vec::new(),
            Err(why) => return Err(input(why)),
        };
        say_checks(person, &array.name, &checks);
        if checks.iter().any(|check| check.verdict == Verdict::Bad) {
            return Ok(Some(array.name.clone()));
        }
    }
    Ok(None)
}

fn say_checks(person: &dyn Person, array: &Name, checks: &[Check]) {
    for check in checks {
        let sign = if check.verdict == Verdict::Bad { "!" } else { "-" };
        person.say(&format!("  {sign} {array}: {}", escaped(&check.told)));
    }
}

/// Writes a configuration that only its owner reads, whole or not at all, and never over another one.
pub fn write(file: &Path, text: &str) -> Result<(), SetUpError> {
    Config::parse(text, file).map_err(|why| SetUpError::Failed(format!("{why}; nothing was written")))?;
    let failed = |why: std::io::Error| SetUpError::Failed(format!("{}: {why}", shown(file)));
    if let Some(folder) = file.parent().filter(|folder| !folder.exists()) {
        private_folder(folder).map_err(|why| SetUpError::Failed(why.to_string()))?;
    }
    let beside = file.with_extension(format!("new.{}", std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut out| {
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        // A link fails where the name is taken: somebody else may have been quicker.
        std::fs::hard_link(&beside, file)
    });
    let _ = std::fs::remove_file(&beside);
    match written {
        Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => is_first(file),
        written => written.map_err(failed),
    }
}

/// A name that is typed, or the usual one.
fn named(person: &dyn Person, what: &str, usual: &str) -> Result<Name, SetUpError> {
    loop {
        let typed = person.ask(&format!("{what} [{usual}]: "))?;
        let name = if typed.is_empty() { usual } else { typed.as_str() };
        match name.parse() {
            Ok(name) => return Ok(name),
            Err(why) => person.say(&format!("{why}")),
        }
    }
}

fn agrees(person: &dyn Person, question: &str) -> Result<bool, SetUpError> {
    Ok(matches!(person.ask(question)?.to_ascii_lowercase().as_str(), "" | "y" | "yes"))
}

fn wants(person: &dyn Person, question: &str) -> Result<bool, SetUpError> {
    Ok(matches!(person.ask(question)?.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The name of this machine, where it can be a site's.
pub fn usual_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let short = host.trim().split('.').next().unwrap_or_default().to_owned();
    if short.parse::<Name>().is_ok() { short } else { "site".to_owned() }
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_first_configuration_is_private_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        let file = folder.path().join("config.toml");
        let found = [Found { driver: "embedded", name: "A1".parse().unwrap() }];
        let text = text(&"lab".parse().unwrap(), &found);
        assert!(is_first(&file).is_ok());
        write(&file, &text).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Config::load(&file).unwrap().arrays.len(), 1);
        assert!(write(&file, "site = \"other\"\n").unwrap_err().to_string().contains("is there already"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(write(&folder.path().join("x.toml"), "site = 7").is_err());
        assert!(usual_name().parse::<Name>().is_ok());
    }
}
