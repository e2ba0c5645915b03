//! One way to a terminal: what is printed goes through `cli::out`, which escapes what a terminal would act on.

use std::path::{Path, PathBuf};

/// Who may name the streams: the one way out, the pipe to whoever started a server, and a program of its own.
const WAYS_OUT: [&str; 3] = ["src/cli/out.rs", "src/process/instance.rs", "src/bin/ccm-emulation.rs"];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// The uses of standard output and standard error in a text, but those that only ask whether it is a terminal.
fn uses(text: &str) -> usize {
    let streams = ["stdout()", "stderr()"];
    let is_longer_name = |at: usize| text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let starts = streams.iter().flat_map(|stream| text.match_indices(stream));
    let named = starts.filter(|(at, _)| !is_longer_name(*at)).map(|(at, found)| at + found.len());
    named.filter(|end| !text[*end..].starts_with(".is_terminal()")).count()
}

#[test]
fn nothing_is_written_to_a_terminal_but_through_the_one_way_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    assert!(files.len() > 100);
    let mut wrong = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        if !WAYS_OUT.contains(&name.as_str()) && uses(&text) > 0 {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "these write past cli::out: {wrong:?}");
}

#[test]
fn a_use_is_found() {
    assert_eq!(uses("let _ = write!(std::io::stderr(), \"x\");"), 1);
    assert_eq!(uses("stdout().lock()"), 1);
    assert_eq!(uses("std::io::stdout().is_terminal()"), 0);
    assert_eq!(uses("if error.use_stderr() {}"), 0);
}
