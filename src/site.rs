//! Which site a command works on: the configured one, or the demonstration site under rules that keep it from being taken
//! for the real one.

use crate::model::codes::Code;
use crate::process::paths::Home;
use std::path::PathBuf;

/// What the command line and its surroundings say.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the surroundings")]
pub struct Wish {
    /// `--demo`, or `ECDECK_DEMO=1`.
    pub demo: bool,
    /// `--config FILE`.
    pub named: Option<PathBuf>,
    pub changes: bool,
    /// Somebody sits there and sees that it is the demonstration.
    pub terminal: bool,
    /// This is an engine or an array server itself: it never falls back.
    pub serves: bool,
}

/// The site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    Configured { home: Home, config: PathBuf },
    Demonstration { home: Home },
}

impl Site {
    pub fn home(&self) -> &Home {
        match self {
            Self::Configured { home, .. } | Self::Demonstration { home } => home,
        }
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
    #[error(
        "the configuration {config:?} is gone, but {catalogue:?} holds a real site; put it back: the demonstration site is no \
         substitute ({code})", code = Code::NOT_ON_DEMONSTRATION
    )]
    Lost { config: PathBuf, catalogue: PathBuf },
    #[error(
        "no site is configured: there is no {config:?}, and this would change something; --demo or ECDECK_DEMO=1 means the \
         demonstration site ({code})", code = Code::NOT_ON_DEMONSTRATION
    )]
    NotConfigured { config: PathBuf },
}

impl NoSite {
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::NamedMissing(_) => None,
            Self::Lost { .. } | Self::NotConfigured { .. } => Some(Code::NOT_ON_DEMONSTRATION),
        }
    }
}

/// Chooses the site; looks at which files are there, nothing else.
pub fn choose(home: &Home, wish: &Wish) -> Result<Site, NoSite> {
    if wish.demo {
        return Ok(Site::Demonstration { home: home.demonstration() });
    }
    if let Some(named) = &wish.named {
        let config = std::path::absolute(named).unwrap_or_else(|_| named.clone());
        return if config.exists() {
            Ok(Site::Configured { home: home.clone(), config })
        } else {
            Err(NoSite::NamedMissing(config))
        };
    }
    let config = home.config_file();
    if config.exists() {
        return Ok(Site::Configured { home: home.clone(), config });
    }
    if home.catalogue_file().exists() {
        return Err(NoSite::Lost { config, catalogue: home.catalogue_file() });
    }
    if wish.serves || (wish.changes && !wish.terminal) {
        return Err(NoSite::NotConfigured { config });
    }
    Ok(Site::Demonstration { home: home.demonstration() })
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
        let site = choose(&place.home, &Wish::default()).unwrap();
        assert!(site.is_demonstration());
        assert_ne!(site.home().catalogue_file(), place.home.catalogue_file());
    }

    #[test]
    fn without_a_configuration_and_a_terminal_nothing_is_changed_unless_the_demonstration_is_meant() {
        let place = place();
        let wish = Wish { changes: true, ..Wish::default() };
        assert_eq!(choose(&place.home, &wish).unwrap_err().code(), Some(Code::NOT_ON_DEMONSTRATION));
        assert!(choose(&place.home, &Wish { demo: true, ..wish.clone() }).unwrap().is_demonstration());
        assert!(choose(&place.home, &Wish { terminal: true, ..wish }).unwrap().is_demonstration());
    }

    #[test]
    fn a_named_configuration_that_is_missing_is_an_error() {
        let place = place();
        let wish = Wish { named: Some("/nowhere/config.toml".into()), terminal: true, ..Wish::default() };
        assert_eq!(choose(&place.home, &wish), Err(NoSite::NamedMissing("/nowhere/config.toml".into())));
    }

    #[test]
    fn a_home_that_had_a_real_site_never_falls_back() {
        let place = place();
        std::fs::write(place.home.catalogue_file(), "").unwrap();
        let wish = Wish { terminal: true, ..Wish::default() };
        assert!(matches!(choose(&place.home, &wish), Err(NoSite::Lost { .. })));
        std::fs::write(place.home.config_file(), "").unwrap();
        assert!(!choose(&place.home, &wish).unwrap().is_demonstration());
    }
}
