//! What must be in no output: secrets of this side, control characters of the other.

use super::server::{CcmServer, Sshd};
use super::{logs, register, state};
use crate::pty::Pty;
use crate::test_site::{InTime, PROGRAM, Ran, TestSite};
use ecdeck::model::untrusted::is_unsafe;
use std::fs;
use std::path::Path;

/// In the environment of the engine, as a password for something else would be.
const SECRET: &str = "planted-secret-5b1f0c";
/// Clears the screen, turns the text round, begins a sequence in one byte, sets the title.
const PLANTED: &str = "\u{1b}[2J\u{202e}\u{9b}31m\u{1b}]0;title\u{7}planted";
/// As much of it as may stand in XML.
const IN_XML: &str = "\u{202e}\u{9b}31mplanted";

/// Everything that was said so far.
#[derive(Default)]
struct Said(Vec<(String, String)>);

impl Said {
    fn add(&mut self, ran: Ran) -> i32 {
        self.0.push((ran.words.escape_debug().to_string(), ran.out + &ran.err));
        ran.exit
    }

    fn run(&mut self, test_site: &TestSite, words: &[&str]) -> i32 {
        self.add(test_site.run_words(words))
    }
}

/// `acec` that says strange words while `strange` is there, and refuses a suspend in words that no terminal should see.
fn talk_strangely(ccm: &CcmServer) {
    let strange = ccm.traces().join("strange");
    let answer = format!(
        "<Response><ReturnCode>6</ReturnCode><Message/><ResultList><Result><Object>K1/0x0:K1/0x1</Object>\
         <Status>Failed</Status><Message>ccm4014 {IN_XML}</Message><Detail/></Result></ResultList></Response>"
    );
    fs::write(ccm.traces().join("stderr"), PLANTED).unwrap();
    fs::write(ccm.traces().join("refusal"), answer).unwrap();
    let traces = ccm.traces().display();
    ccm.replace(
        "acec",
        &format!(
            "cat {traces}/stderr >&2\n[ \"$1\" = suspend ] && {{ cat {traces}/refusal; exit 6; }}\n\
             [ -e {} ] || exec \"$REAL\" \"$@\"\n\"$REAL\" \"$@\" | sed 's/EC Executing/EC {IN_XML}/'",
            strange.display()
        ),
    );
}

#[test]
fn no_secret_and_no_control_character_is_in_any_output_log_or_screen() {
    let Some(sshd) = Sshd::start() else { return };
    let ccm = CcmServer::new(2);
    ccm.arrays.run_words(&["array", "create", "K1", "--size", "4MiB", "--label", PLANTED]).ends(0);
    talk_strangely(&ccm);
    let test_site = ccm.test_site(Some(&sshd), "");
    // The first command starts the engine, which inherits what the caller's environment has.
    let first = test_site.command(&["status"]).env("PGPASSWORD", SECRET).in_time();
    assert!(first.status.success(), "{first:?}");
    register(&test_site, &["K1/0x1"]);
    let mut said = Said::default();
    assert_eq!(said.run(&test_site, &["sync", "start", "tv", "--wait", "--yes", "--reason", PLANTED]), 0);

    fs::write(ccm.traces().join("strange"), "").unwrap();
    test_site.wait_for("words that nobody knows", |status| state(status) == "unknown");
    let console = {
        let environment = [("ECDECK_HOME", test_site.path().to_str().unwrap()), ("TZ", "UTC"), ("PGPASSWORD", SECRET)];
        let mut pty = Pty::run(&[PROGRAM], &environment, (160, 50));
        pty.until("tv");
        pty.types("i");
        pty.until("planted");
        pty.bytes()
    };
    let unknown = [
        &["backup", "tv", "--yes"][..],
        &["sync", "suspend", "tv", "--yes"],
        &["sync", "suspend", "tv", "--yes", "--json"],
    ];
    for words in unknown {
        assert_ne!(said.run(&test_site, words), 0);
    }
    for words in
        [&["status"][..], &["status", "--json"], &["array", "doctor", "K1"], &["array", "doctor", "K1", "--json"]]
    {
        said.run(&test_site, words);
    }

    fs::remove_file(ccm.traces().join("strange")).unwrap();
    test_site.wait_for("words that are known", |status| state(status) == "equivalent");
    assert_eq!(said.run(&test_site, &["sync", "suspend", "tv", "--yes"]), 1, "CCM refuses it: {:?}", said.0.last());
    for line in ["volume list", "history", "policy show tv", "audit show --last 1000", "status", "array list"] {
        let words: Vec<&str> = line.split(' ').collect();
        said.run(&test_site, &words);
        said.run(&test_site, &[&words[..], &["--json"]].concat());
    }
    said.run(&test_site, &["audit", "export"]);
    said.run(&test_site, &["volume", "add", "--backup", PLANTED, "--yes"]);
    said.run(&test_site, &["array", "doctor", PLANTED]);
    said.0.push(("the log".to_owned(), logs(&test_site)));

    for part in
        ["status", "array doctor K1", "volume list", "audit show --last 1000", "sync suspend tv --yes", "the log"]
    {
        let (_, text) = said.0.iter().rev().find(|(words, _)| words == part).unwrap();
        assert!(text.contains("planted") || part == "status", "{part} shows what was said, escaped: {text}");
    }
    for (words, text) in &said.0 {
        let wrong: Vec<char> = text.chars().filter(|c| is_unsafe(*c) && *c != '\n').collect();
        assert!(wrong.is_empty(), "{words}: {wrong:?} in {text}");
    }
    let screen = String::from_utf8_lossy(&console);
    assert!(screen.contains("planted"));
    for part in ["\u{202e}", "\u{9b}", "\u{1b}]0;title"] {
        assert!(!screen.contains(part), "{part:?} reached the terminal");
    }
    for secret in [SECRET.to_owned(), sshd.secret()] {
        for (words, text) in &said.0 {
            assert!(!text.contains(&secret), "{words}: {text}");
        }
        assert!(!screen.contains(&secret));
        assert_eq!(files_with(test_site.path(), &secret), Vec::<String>::new(), "it is kept nowhere");
    }
}

/// The files below a folder that have a text in them.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if path.is_file() && fs::read(&path).unwrap().windows(text.len()).any(|part| part == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}
