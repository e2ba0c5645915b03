//! Which module may use which: the map at the top of `lib.rs`, checked against the `use` lines.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room with the rooms that it may look into. Tests inside a room may look anywhere.
const WALLS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("process", &["model"]),
    ("catalog", &["model", "process"]),
    ("config", &["model", "process"]),
    ("logs", &["model", "process", "config"]),
    ("driver", &["model", "process"]),
    ("engine", &["catalog", "driver", "model", "process"]),
    ("console", &["engine::client", "engine::protocol", "model"]),
];

#[test]
fn every_room_uses_only_what_the_house_allows() {
    let mut broken = Vec::new();
    for (room, allowed) in WALLS {
        for file in sources(room) {
            let text = fs::read_to_string(&file).unwrap();
            let production = text.split("#[cfg(test)]").next().unwrap_or_default();
            for path in crate_paths(production) {
                let fits = path.split("::").next() == Some(room)
                    || allowed.iter().any(|wall| path == *wall || path.starts_with(&format!("{wall}::")));
                if !fits {
                    broken.push(format!("{}: crate::{path}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "uses through a wall:\n{}", broken.join("\n"));
}

#[test]
fn the_model_does_no_input_or_output() {
    for file in sources("model") {
        let text = fs::read_to_string(&file).unwrap();
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["std::fs", "std::net", "std::time", "std::env", "std::process", "tokio", "SystemTime", "Instant"] {
            assert!(!production.contains(word), "{} names {word}", file.display());
        }
    }
}

/// The paths behind every `crate::` in a text, a braced group taken apart at its first level.
fn crate_paths(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (_, rest) in line.match_indices("crate::").map(|(at, found)| (at, &line[at + found.len()..])) {
            if let Some(group) = rest.strip_prefix('{') {
                paths.extend(group.split(',').map(|part| part.trim_matches([' ', '}', ';']).to_owned()));
            } else {
                paths.push(rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect());
            }
        }
    }
    paths.retain(|path| !path.is_empty());
    paths
}

/// The files of a room: `src/NAME.rs` or everything below `src/NAME/`.
fn sources(room: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let single = root.join(format!("{room}.rs"));
    if single.exists() {
        return vec![single];
    }
    let mut files = Vec::new();
    let mut folders = vec![root.join(room)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files
}
