//! The address of a catalogue: a SQLite file or a PostgreSQL database, never with a password in it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A catalogue's address. Its `Display` has neither user nor parameters, so it fits into any message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CataloguePlace {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// An address of a PostgreSQL database, without a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

/// Why a text is no address. The text is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueUrlError {
    #[error("the url names no absolute path: write sqlite:/var/lib/ecdeck/catalogue.db")]
    Relative,
    #[error("the url begins with neither sqlite: nor postgres://")]
    Scheme,
    #[error(
        "the url has a password in it, where everybody reads it: take it out, and use peer authentication or a .pgpass file of mode 0600"
    )]
    Password,
}

impl PostgresUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and database only.
    fn shown(&self) -> String {
        let (_, rest) = self.0.split_once("://").unwrap_or(("", ""));
        let before_parameters = rest.split(['?', '#']).next().unwrap_or("");
        let (authority, database) = before_parameters.split_once('/').unwrap_or((before_parameters, ""));
        let host = authority.rsplit('@').next().unwrap_or("");
        let host = if host.is_empty() { "local" } else { host };
        format!("postgres://{host}/{database}")
    }
}

impl fmt::Display for CataloguePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => f.write_str(&url.shown()),
        }
    }
}

impl FromStr for CataloguePlace {
    type Err = CatalogueUrlError;

    /// `sqlite:PATH` with an absolute path, or `postgres://USER@HOST/DATABASE` without a password.
    fn from_str(text: &str) -> Result<Self, CatalogueUrlError> {
        if let Some(rest) = text.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            return if path.starts_with('/') {
                Ok(Self::Sqlite(PathBuf::from(path)))
            } else {
                Err(CatalogueUrlError::Relative)
            };
        }
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest = rest.ok_or(CatalogueUrlError::Scheme)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        let password = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
        if password || rest.contains("password=") {
            return Err(CatalogueUrlError::Password);
        }
        Ok(Self::Postgres(PostgresUrl(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_password_is_refused_and_not_repeated() {
        for url in ["postgres://ana:s3cret@db/ec", "postgresql://db/ec?password=s3cret", "postgres://a:s3cret@/ec"] {
            let error = url.parse::<CataloguePlace>().unwrap_err();
            assert_eq!(error, CatalogueUrlError::Password);
            assert!(!error.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn a_place_is_shown_without_user_and_parameters() {
        let shown = |url: &str| url.parse::<CataloguePlace>().unwrap().to_string();
        assert_eq!(shown("postgres://ana@db01:5433/ec?host=/run/pg"), "postgres://db01:5433/ec");
        assert_eq!(shown("postgres:///ec?host=/run/pg&user=ana"), "postgres://local/ec");
        assert_eq!(shown("sqlite:/var/lib/ecdeck/c.db"), "/var/lib/ecdeck/c.db");
        assert_eq!(shown("sqlite:///var/lib/ecdeck/c.db"), "/var/lib/ecdeck/c.db");
    }

    #[test]
    fn relative_and_foreign_urls_are_refused() {
        for url in ["", "catalogue.db", "sqlite:c.db", "sqlite://c.db", "mysql://db/ec"] {
            assert!(url.parse::<CataloguePlace>().is_err(), "{url}");
        }
    }
}
