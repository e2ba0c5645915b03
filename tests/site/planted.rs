//! Bytes that a terminal would act on, planted wherever text comes from: none of them comes out, piped or on a terminal.

use super::array_lab::Lab;
use super::pty::Pty;
use super::test_site::{PROGRAM, TestSite};
use crate::test_site::InTime;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Command, Stdio};

/// ESC sequences, C1 as UTF-8, bidirectional, BEL, CR, DEL.
const PLANTED: &str = "a\u{1b}]0;planted\u{7}\u{9b}2J\u{202e}\r\u{7f}b";

/// The same with bytes that are not UTF-8, C1 among them.
fn raw() -> OsString {
    OsString::from_vec([b"x\x9b2J\xff\x1b[31m", PLANTED.as_bytes()].concat())
}

/// What a terminal would act on in some output; line ends are not.
fn active(bytes: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Some(format!("not UTF-8: {error}")),
    };
    let bad = text.chars().find(|c| *c != '\n' && ecdeck::model::untrusted::is_unsafe(*c))?;
    Some(format!("{bad:?} in {text:?}"))
}

/// Every way to type something that is wrong, with planted bytes in it.
fn typed() -> Vec<Vec<OsString>> {
    let plain = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let mut all = Vec::new();
    for planted in [OsString::from(PLANTED), raw()] {
        let option = OsString::from_vec([b"--", planted.as_bytes()].concat());
        let value = OsString::from_vec([b"--watch=", planted.as_bytes()].concat());
        all.extend([
            vec![planted.clone()],
            vec![option.clone()],
            [plain(&["status"]), vec![option]].concat(),
            [plain(&["status"]), vec![value]].concat(),
            [plain(&["explain"]), vec![planted.clone()]].concat(),
            [plain(&["completions"]), vec![planted.clone()]].concat(),
            [plain(&["backup"]), vec![planted.clone()], plain(&["--yes"])].concat(),
            [plain(&["backup", "t1", "--yes", "--time-limit"]), vec![planted.clone()]].concat(),
            [plain(&["sync", "start"]), vec![planted.clone()], plain(&["--dry-run"])].concat(),
            [plain(&["history"]), vec![planted.clone()]].concat(),
            [plain(&["volume", "add", "--transaction", "A1/0x1", "--yes", "--name"]), vec![planted.clone()]].concat(),
            [plain(&["array", "volumes"]), vec![planted.clone()]].concat(),
            [plain(&["array", "doctor"]), vec![planted.clone()]].concat(),
            [plain(&["array", "create"]), vec![planted.clone()]].concat(),
            [plain(&["array", "import", "A1/0x1"]), vec![planted.clone()]].concat(),
            [plain(&["array", "fault"]), vec![planted.clone()], plain(&["busy"])].concat(),
            [plain(&["status", "--config"]), vec![planted.clone()]].concat(),
            [plain(&["forced-command", "--role"]), vec![planted.clone()]].concat(),
        ]);
    }
    all
}

#[test]
fn nothing_that_was_typed_reaches_a_pipe_as_it_is() {
    let lab = Lab::of(1, 1, 1);
    for words in typed() {
        let output = lab.command::<&str>(&[]).args(&words).in_time();
        assert!(!output.status.success() || words[0] == "array", "{words:?}");
        assert!(!output.stderr.is_empty() || !output.stdout.is_empty(), "{words:?}");
        for stream in [&output.stdout, &output.stderr] {
            assert_eq!(active(stream), None, "{words:?}");
        }
    }
}

#[test]
fn nothing_that_was_typed_reaches_a_terminal_as_it_is() {
    let lab = Lab::of(1, 1, 1);
    for words in typed() {
        let argv: Vec<OsString> = std::iter::once(PROGRAM.into()).chain(words.iter().cloned()).collect();
        let home = lab.path().to_str().unwrap();
        let shown = Pty::run(&argv, &[("ECDECK_HOME", home)], (100, 40)).everything();
        let text = std::str::from_utf8(&shown).unwrap();
        // The terminal itself ends lines with CR and LF, and a line that is waited on is written anew.
        let text = text.replace("\r\n", "\n").replace("\r\u{1b}[K", "");
        assert_eq!(active(text.as_bytes()), None, "{words:?}");
    }
}

#[test]
fn an_image_and_a_label_with_planted_names_are_shown_escaped() {
    let lab = Lab::of(1, 1, 1);
    let file = lab.path().join(OsStr::from_bytes(raw().as_bytes()));
    std::fs::write(&file, vec![7; 1 << 20]).unwrap();
    let mut words: Vec<OsString> = ["array", "import", "A1/0x1"].map(OsString::from).to_vec();
    words.push(file.into());
    let output = lab.command::<&str>(&[]).args(&words).in_time();
    assert_eq!((active(&output.stdout), active(&output.stderr)), (None, None));
    let label = ["array", "create", "A1", "--size", "1MiB", "--label", PLANTED];
    let _ = lab.command(&label).in_time();
    for words in ["array volumes", "array volumes --json", "volume list", "volume list --json", "status", "array list"]
    {
        let output = lab.command(&words.split(' ').collect::<Vec<_>>()).in_time();
        assert_eq!((active(&output.stdout), active(&output.stderr)), (None, None), "{words}");
    }
}

#[test]
fn keys_and_values_of_a_configuration_are_shown_escaped() {
    let test_site = TestSite::new();
    let escape = r"\u001b]0;planted\u0007\u009b2J\u202e\r";
    for config in [
        format!("site = \"x\"\n\"{escape}\" = 1\n"),
        format!("site = \"{escape}\"\n"),
        format!("site = \"x\"\n[console]\ntheme = \"{escape}\"\n"),
        format!("site = \"x\"\n[console.keys]\n\"{escape}\" = []\n"),
        format!("site = \"x\"\n[log]\nfolder = \"{escape}\"\n"),
        format!("site = \"x\"\n[roles.viewers]\nusers = [\"{escape}\"]\n"),
        format!("site = \"x\"\n[engine]\ngroup = \"{escape}\"\n"),
        format!("site = \"x\"\n[[array]]\nname = \"{escape}\"\ndriver = \"embedded\"\n"),
        format!("site = \"x\"\n{PLANTED} = 1\n"),
    ] {
        std::fs::write(test_site.home().config_file(), &config).unwrap();
        for words in [&["status"][..], &["status", "--json"], &["serve"]] {
            let output = test_site.command(words).in_time();
            assert!(!output.status.success(), "{config:?}");
            assert_eq!((active(&output.stdout), active(&output.stderr)), (None, None), "{config:?}");
        }
    }
}

#[test]
fn surroundings_with_planted_bytes_are_shown_escaped() {
    let lab = Lab::of(1, 1, 1);
    let program = |variable: &str, value: &OsStr| {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("ECDECK_HOME", lab.path()).env(variable, value);
        command.stdin(Stdio::null());
        command
    };
    let raw = raw();
    for value in [OsStr::new(PLANTED), &raw] {
        for variable in
            ["ECDECK_HOME", "ECDECK_LOG", "ECDECK_DEMO", "TZ", "LANG", "LC_ALL", "TERM", "HOME", "XDG_RUNTIME_DIR"]
        {
            // A reading verb in another home would begin a demonstration there.
            let elsewhere = variable == "ECDECK_HOME";
            let looks: [&[&str]; 4] = [&["status"], &["history"], &["status", "--json"], &["array", "list"]];
            let changes: [&[&str]; 2] = [&["backup", "t1", "--yes"], &["backup", "t1", "--yes", "--json"]];
            for words in if elsewhere { &changes[..] } else { &looks[..] } {
                let output = program(variable, value).args(*words).current_dir(lab.path()).in_time();
                assert_eq!((active(&output.stdout), active(&output.stderr)), (None, None), "{variable}: {words:?}");
            }
        }
    }
    lab.kill_engine();
    for filter in [OsString::from(format!("ecdeck={PLANTED}")), raw] {
        let output = program("ECDECK_LOG", &filter).arg("serve").in_time();
        assert!(!output.status.success() && !output.stderr.is_empty());
        assert_eq!((active(&output.stdout), active(&output.stderr)), (None, None));
    }
    // And in the files of the log.
    for entry in std::fs::read_dir(lab.home().log_dir()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(active(&std::fs::read(&path).unwrap()), None, "{}", path.display());
    }
}
