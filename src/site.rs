//! Which site a command works on: the configured one, or the demonstration site under rules that keep it from being taken
//! for the real one.

use crate::model::codes::Code;
use crate::process::paths::Home;
use crate::process::peer::user_name;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the command line and its surroundings say.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the surroundings")]
pub struct SiteChoice {
    /// `--demo`, or `ECDECK_DEMO=1`.
    pub demo: bool,
    /// `--config FILE`.
    pub named: Option<PathBuf>,
    pub changes: bool,
    /// Somebody sits there and sees that it is the demonstration: standard input and output are terminals.
    pub terminal: bool,
    /// This is an engine or an array server itself: it never falls back.
    pub serves: bool,
    /// Where the service of this host has its things; `None`: it is not looked for.
    pub service: Option<Home>,
}

/// The site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    Configured {
        home: Home,
        config: PathBuf,
    },
    /// The site of this host's service, for whoever has no site of his own: its engine is reached by its socket, and
    /// never started by a command.
    Service {
        home: Home,
        config: PathBuf,
    },
    Demonstration {
        home: Home,
    },
}

impl Site {
    pub fn home(&self) -> &Home {
        match self {
            Self::Configured { home, .. } | Self::Service { home, .. } | Self::Demonstration { home } => home,
        }
    }

    pub fn is_service(&self) -> bool {
        matches!(self, Self::Service { .. })
    }

    pub fn is_demonstration(&self) -> bool {
        matches!(self, Self::Demonstration { .. })
    }
}

/// Why there is no site to work on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSite {
    #[error("the configuration {0:?} is not there; check the name given with --config")]
    NamedMissing(PathBuf),
    /// What cannot be seen may be a real site: nothing takes its place.
    #[error("whether there is a site cannot be seen: {path:?}: {why}; {remedy}")]
    Unseen { path: PathBuf, why: String, remedy: String },
    #[error(
        "the configuration {config:?} is gone, but {catalogue:?} holds a real site; put it back: the demonstration site is no \
         substitute ({code})", code = Code::NOT_ON_DEMONSTRATION
    )]
    Lost { config: PathBuf, catalogue: PathBuf },
    #[error(
        "no site is configured: there is no {config:?}, and this would change something ({code})",
        code = Code::NOT_ON_DEMONSTRATION
    )]
    NotConfigured { config: PathBuf },
    /// A monitor or a cron job must not take the demonstration's data for those of a site.
    #[error(
        "no site is configured: there is no {config:?}. Without a terminal at standard input and output nobody would see \
         that the demonstration site answers: --demo says that it is meant ({code})",
        code = Code::NOT_ON_DEMONSTRATION
    )]
    Unwatched { config: PathBuf },
}

impl NoSite {
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::NamedMissing(_) | Self::Unseen { .. } => None,
            Self::Lost { .. } | Self::NotConfigured { .. } | Self::Unwatched { .. } => Some(Code::NOT_ON_DEMONSTRATION),
        }
    }
}

/// Chooses the site; looks at which files are there, nothing else.
pub fn choose(home: &Home, wish: &SiteChoice) -> Result<Site, NoSite> {
    if wish.demo {
        return Ok(Site::Demonstration { home: home.demonstration() });
    }
    if let Some(named) = &wish.named {
        let config = std::path::absolute(named).unwrap_or_else(|_| named.clone());
        return if is_there(&config)? {
            Ok(Site::Configured { home: home.clone(), config })
        } else {
            Err(NoSite::NamedMissing(config))
        };
    }
    let config = home.config_file();
    if is_there(&config)? {
        return Ok(Site::Configured { home: home.clone(), config });
    }
    if is_there(&home.catalogue_file())? {
        return Err(NoSite::Lost { config, catalogue: home.catalogue_file() });
    }
    if let Some(service) = wish.service.as_ref().filter(|_| !wish.serves && !home.is_moved())
        && is_installed(service)
    {
        return Ok(Site::Service { home: service.clone(), config: service.config_file() });
    }
    if wish.serves || (wish.changes && !wish.terminal) {
        return Err(NoSite::NotConfigured { config });
    }
    if !wish.terminal {
        return Err(NoSite::Unwatched { config });
    }
    Ok(Site::Demonstration { home: home.demonstration() })
}

/// Whether a host has the service. What may not be looked at is there.
fn is_installed(service: &Home) -> bool {
    let socket = service.engine().socket;
    [service.config_file(), socket].iter().any(|path| path.try_exists().unwrap_or(true))
}

/// Whether a file or folder is there; that one may not look is not "no".
pub fn is_there(path: &Path) -> Result<bool, NoSite> {
    path.try_exists().map_err(|error| NoSite::Unseen {
        path: path.to_owned(),
        why: error.to_string(),
        remedy: remedy(path, error.kind()),
    })
}

fn remedy(path: &Path, kind: ErrorKind) -> String {
    let own = "set ECDECK_HOME to a folder of your own";
    // The nearest folder that can be looked at is the one that may not be entered.
    let barred = path.ancestors().skip(1).find_map(|folder| Some((folder, folder.metadata().ok()?)));
    match barred.filter(|_| kind == ErrorKind::PermissionDenied) {
        Some((folder, found)) => {
            let owner = user_name(found.uid()).unwrap_or_else(|| format!("#{}", found.uid()));
            let folder = folder.display();
            format!("{folder} belongs to {owner}: repeat it with `sudo -u {owner}` before it, or {own}")
        }
        None => format!("correct that, or {own}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        _folder: tempfile::TempDir,
        home: Home,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::in_folder(folder.path());
        Place { _folder: folder, home }
    }

    #[test]
    fn without_a_configuration_reading_goes_to_the_demonstration_site() {
        let place = place();
        let unwatched = choose(&place.home, &SiteChoice::default()).unwrap_err();
        assert_eq!(unwatched.code(), Some(Code::NOT_ON_DEMONSTRATION));
        let site = choose(&place.home, &SiteChoice { terminal: true, ..SiteChoice::default() }).unwrap();
        assert!(site.is_demonstration());
        assert_ne!(site.home().catalogue_file(), place.home.catalogue_file());
    }

    #[test]
    fn without_a_configuration_and_a_terminal_nothing_is_changed_unless_the_demonstration_is_meant() {
        let place = place();
        let wish = SiteChoice { changes: true, ..SiteChoice::default() };
        assert_eq!(choose(&place.home, &wish).unwrap_err().code(), Some(Code::NOT_ON_DEMONSTRATION));
        assert!(choose(&place.home, &SiteChoice { demo: true, ..wish.clone() }).unwrap().is_demonstration());
        assert!(choose(&place.home, &SiteChoice { terminal: true, ..wish }).unwrap().is_demonstration());
    }

    #[test]
    fn whoever_has_no_site_takes_the_one_of_the_hosts_service() {
        let (own, service) = (tempfile::tempdir().unwrap(), place());
        let home = usual(own.path());
        let wish = SiteChoice { service: Some(service.home.clone()), changes: true, ..SiteChoice::default() };
        // Not installed.
        assert_eq!(choose(&home, &wish).unwrap_err().code(), Some(Code::NOT_ON_DEMONSTRATION));
        std::fs::write(service.home.config_file(), "").unwrap();
        let site = choose(&home, &wish).unwrap();
        assert!(site.is_service() && *site.home() == service.home);
        assert!(choose(&home, &SiteChoice { demo: true, ..wish.clone() }).unwrap().is_demonstration());
        // An engine never falls back to it, and a home that was named is the only one.
        assert!(choose(&home, &SiteChoice { serves: true, ..wish.clone() }).is_err());
        assert!(choose(&place().home, &wish).is_err());
        // A site of one's own goes before it.
        std::fs::create_dir_all(home.config_file().parent().unwrap()).unwrap();
        std::fs::write(home.config_file(), "").unwrap();
        assert!(matches!(choose(&home, &wish), Ok(Site::Configured { .. })));
    }

    /// As without `ECDECK_HOME`.
    fn usual(folder: &Path) -> Home {
        Home::of_user(&folder.join("config"), &folder.join("state"), &folder.join("run"))
    }

    #[test]
    fn a_named_configuration_that_is_missing_is_an_error() {
        let place = place();
        let wish = SiteChoice { named: Some("/nowhere/config.toml".into()), terminal: true, ..SiteChoice::default() };
        assert_eq!(choose(&place.home, &wish), Err(NoSite::NamedMissing("/nowhere/config.toml".into())));
    }

    #[test]
    fn a_home_that_cannot_be_looked_into_never_falls_back() {
        let place = place();
        let file = place.home.config_file();
        std::fs::write(&file, "").unwrap();
        let inside = Home::in_folder(&file.join("home"));
        let error = choose(&inside, &SiteChoice { terminal: true, ..SiteChoice::default() }).unwrap_err();
        assert!(matches!(error, NoSite::Unseen { .. }), "{error}");
        let named = SiteChoice { named: Some(file.join("config.toml")), ..SiteChoice::default() };
        assert!(matches!(choose(&place.home, &named), Err(NoSite::Unseen { .. })));
    }

    #[test]
    fn who_may_not_look_is_told_whose_folder_it_is() {
        let place = place();
        let file = place.home.config_file();
        let owner = user_name(rustix::process::geteuid().as_raw()).unwrap();
        let told = remedy(&file, ErrorKind::PermissionDenied);
        let folder = file.parent().unwrap().display();
        assert!(told.contains(&format!("{folder} belongs to {owner}: ")), "{told}");
        assert!(told.contains(&format!("`sudo -u {owner}`")) && told.contains("ECDECK_HOME"), "{told}");
    }

    #[test]
    fn a_home_that_had_a_real_site_never_falls_back() {
        let place = place();
        std::fs::write(place.home.catalogue_file(), "").unwrap();
        let wish = SiteChoice { terminal: true, ..SiteChoice::default() };
        assert!(matches!(choose(&place.home, &wish), Err(NoSite::Lost { .. })));
        std::fs::write(place.home.config_file(), "").unwrap();
        assert!(!choose(&place.home, &wish).unwrap().is_demonstration());
    }
}
