//! What a new verb costs: the files of the product that name an existing one of its kind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rust sources below a folder, without those that are only tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The files that name one of these in code that is no test.
fn named_in(words: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let names = |text: &str| words.iter().any(|word| text.contains(word));
    let product = |path: &PathBuf| fs::read_to_string(path).unwrap().split("#[cfg(test)]").next().unwrap().to_owned();
    let found = files.iter().filter(|path| names(&product(path)));
    found.map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect()
}

#[test]
fn a_verb_of_one_generation_is_named_in_nine_files() {
    let words = ["::Hold ", "::Hold,", "::Hold)", "::Hold{", "HoldStep", "HoldGeneration", "    Hold {", "Hold("];
    let files = named_in(&words);
    let expected = [
        "catalog/sql/change.rs",
        "model/entity_change.rs",
        "model/plan/registry.rs",
        "model/plan/rules.rs",
        "model/records.rs",
        "model/request.rs",
        "model/step/generation.rs",
        "model/step/mod.rs",
        "model/verb.rs",
    ];
    assert_eq!(files, expected.map(str::to_owned).into());
}
