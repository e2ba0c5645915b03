//! The keys of pools: backup volumes that only some transaction volumes take.

use super::Array;
use super::hooks::known;
use crate::config_keys::{Fault, checked, closest, name};
use crate::model::identity::Name;
use crate::model::pool::{NamedPool, VolumeRange};
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolKeys {
    name: Spanned<String>,
    #[serde(default)]
    volumes: Vec<Spanned<String>>,
    #[serde(default)]
    hosts: Vec<Spanned<String>>,
}

pub(super) fn pools(written: &[PoolKeys], arrays: &[Array], hosts: &[Name]) -> Result<Vec<NamedPool>, Fault> {
    let mut pools: Vec<NamedPool> = Vec::with_capacity(written.len());
    for keys in written {
        let name = name(&keys.name)?;
        if pools.iter().any(|pool| pool.name == name) {
            return Err(Fault::at(&keys.name, format!("another pool is called {name}: give each its own name")));
        }
        if keys.volumes.is_empty() && keys.hosts.is_empty() {
            return Err(Fault::at(&keys.name, "the pool has nothing: give volumes, hosts or both"));
        }
        let mut pool = NamedPool { name, volumes: Vec::new(), hosts: Vec::new() };
        for place in &keys.volumes {
            let range: VolumeRange = checked(place)?;
            is_an_array(place, &range, arrays)?;
            for other in pools.iter().chain([&pool]) {
                if let Some(olu) = other.volumes.iter().find_map(|taken| taken.shared(&range)) {
                    let text =
                        format!("{}/{olu} is in pool {} already: a volume is in one pool", range.array, other.name);
                    return Err(Fault::at(place, text));
                }
            }
            pool.volumes.push(range);
        }
        for host in &keys.hosts {
            let known = known(host, hosts)?;
            if let Some(other) = pools.iter().chain([&pool]).find(|other| other.hosts.contains(&known)) {
                let text = format!("{known} is in pool {} already: the groups of a host are in one pool", other.name);
                return Err(Fault::at(host, text));
            }
            pool.hosts.push(known);
        }
        pools.push(pool);
    }
    Ok(pools)
}

fn is_an_array(place: &Spanned<String>, range: &VolumeRange, arrays: &[Array]) -> Result<(), Fault> {
    if arrays.iter().any(|array| array.name == range.array) {
        return Ok(());
    }
    let hint = match closest(range.array.as_str(), arrays.iter().map(|array| array.name.as_str())) {
        Some(close) => format!("did you mean {close}?"),
        None => "name one of the [[array]] tables".to_owned(),
    };
    Err(Fault::at(place, format!("there is no array {}; {hint}", range.array)))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use std::path::Path;

    fn parse(text: &str) -> Result<Config, String> {
        let text = format!(
            "site = \"x\"\n[[array]]\nname = \"DX1\"\ndriver = \"embedded\"\n[[host]]\nname = \"db03\"\n{text}\n"
        );
        Config::parse(&text, Path::new("/etc/ecdeck/config.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_pool_has_volumes_by_place_and_groups_by_host() {
        let config =
            parse("[[pool]]\nname = \"db02\"\nvolumes = [\"DX1/0x20\", \"DX1/0x30-0x3F\"]\nhosts = [\"db03\"]");
        let pool = config.unwrap().pools.remove(0);
        assert_eq!((pool.volumes.len(), pool.hosts[0].as_str()), (2, "db03"));
        assert!(parse("").unwrap().pools.is_empty(), "one pool for all, as ever");
    }

    #[test]
    fn a_wrong_pool_is_reported_with_its_line() {
        for (keys, part) in [
            ("", ":8: pool[1].name: the pool has nothing"),
            ("volumes = [\"db02\"]", ":9: pool[1].volumes[1]: \"db02\" is no place of volumes"),
            ("volumes = [\"DX2/0x20\"]", "there is no array DX2"),
            ("hosts = [\"db04\"]", "there is no host \"db04\"; did you mean db03?"),
            ("volumes = [\"DX1/0x20-0x2F\", \"DX1/0x2F\"]", "DX1/0x2F is in pool one already"),
            ("hosts = [\"db03\"]\n[[pool]]\nname = \"two\"\nhosts = [\"db03\"]", "db03 is in pool one already"),
            ("hosts = [\"db03\"]\n[[pool]]\nname = \"one\"\nhosts = [\"db03\"]", "another pool is called one"),
        ] {
            let why = parse(&format!("[[pool]]\nname = \"one\"\n{keys}")).unwrap_err();
            assert!(why.contains(part), "{keys}: {why}");
        }
    }
}
