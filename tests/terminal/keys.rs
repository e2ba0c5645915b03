//! Bytes that are no keys, on a real terminal with a real engine: whatever comes, nothing runs that nobody agreed to.

use crate::pty::Pty;
use crate::test_site::{PROGRAM, TestSite};
use std::time::Duration;

/// Longer than the console waits for what follows an escape. The pauses are what is tested.
const PAUSE: Duration = Duration::from_millis(120);

fn console(test_site: &TestSite, size: (u16, u16)) -> Pty {
    let environment = [("ECDECK_HOME", test_site.path().to_str().unwrap()), ("TZ", "UTC")];
    let pty = Pty::run(&[PROGRAM, "--demo"], &environment, size);
    pty.until("demo-ora01");
    pty
}

/// A console whose cursor is on a volume that could be started.
fn ready(test_site: &TestSite) -> Pty {
    let mut pty = console(test_site, (120, 40));
    pty.types("/");
    pty.until("Enter keeps");
    pty.types("demo-vg01\r");
    pty.until("1 of 10");
    pty
}

/// Types pieces, with a pause after each.
fn torn(pty: &mut Pty, pieces: &[&str]) {
    for piece in pieces {
        pty.types(piece);
        std::thread::sleep(PAUSE);
    }
}

/// Keys count: the help opens, and nothing else is there.
#[track_caller]
fn lives(pty: &mut Pty) {
    pty.types("?");
    pty.until("╭ Help");
    pty.types("\u{1b}");
    pty.until_gone("╭ Help");
}

#[track_caller]
fn nothing_ran(test_site: &TestSite) {
    let status = test_site.json("status --demo");
    assert_eq!(status["operations"].as_array().map(Vec::len), Some(0), "{status}");
    let volumes = status["transaction_volumes"].as_array().unwrap();
    assert!(volumes.iter().any(|volume| volume["name"] == "demo-vg01" && volume["state"] == "none"), "{status}");
}

#[test]
fn torn_sequences_and_pastes_run_nothing() {
    let test_site = TestSite::new();
    let mut pty = ready(&test_site);
    let cases: [&[&str]; 12] = [
        &["\u{1b}[20", "0~s", "Y", "Yes\u{1b}[201~"],
        &["\u{1b}", "[200~s", "Y\u{1b}", "[201~"],
        &["\u{1b}[?62;", "22c"],
        &["\u{1b}", "[?62;22c"],
        &["\u{1b}]11;rgb:00", "s", "Y", "00/0000/0000\u{1b}", "\\"],
        &["\u{1b}P>|s", "Y\u{1b}\\"],
        &["\u{1b}[<35;10", ";10M"],
        &["\u{1b}[M", "s", "YY"],
        &["\u{1b}O", "s"],
        &["\u{1b}_s", "Y", "\u{1b}\\"],
        &["\u{1b}[32;10", ";10M\u{1b}[24;80R"],
        &["\u{1b}[1", "1", "s"],
    ];
    for case in cases {
        torn(&mut pty, case);
        pty.types("\u{1b}");
        lives(&mut pty);
        assert!(!pty.text().contains("Start synchronization:"), "{case:?}: {}", pty.text());
    }
    nothing_ran(&test_site);
    pty.types("\u{3}");
    assert_eq!(pty.end(), 0);
    pty.is_sane();
}

#[test]
fn a_paste_of_any_length_is_no_command() {
    let test_site = TestSite::new();
    let mut pty = ready(&test_site);
    pty.types(&format!("\u{1b}[200~{}\u{1b}[201~", "sY\rb* xY".repeat(10_000)));
    lives(&mut pty);
    nothing_ran(&test_site);
    // Without its end it swallows keys for a while, and says so; Ctrl-C counts all the time.
    pty.types("\u{1b}[200~sY\r");
    pty.until("a paste has begun");
    pty.types("\u{3}");
    assert_eq!(pty.end(), 0);
    pty.is_sane();
    nothing_ran(&test_site);
}

#[test]
fn a_mouse_that_a_dead_program_left_on_is_switched_off_and_chooses_nothing() {
    let test_site = TestSite::new();
    let mut pty = ready(&test_site);
    let bytes = pty.bytes();
    let start = String::from_utf8_lossy(&bytes);
    for mode in ["?9;1000;1001;1002;1003;1004;1005;1006;1015;1016;2031;2048l", "\u{1b}[=0u", "\u{1b}[>4m"] {
        assert!(start.contains(mode), "{mode}");
    }
    pty.types(":");
    pty.until("╭ Commands");
    pty.types("start");
    pty.until(": start");
    torn(&mut pty, &["\u{1b}[<35;10;10M", "\u{1b}[M !!", "\u{1b}[<0;3;3M\u{1b}[<0;3;3m", "\u{1b}[35;3;3M"]);
    assert!(pty.text().contains("╭ Commands"), "{}", pty.text());
    pty.types("\u{1b}");
    pty.until_gone("╭ Commands");
    nothing_ran(&test_site);
}

#[test]
fn keys_of_the_keyboard_protocols_are_keys() {
    let test_site = TestSite::new();
    let mut pty = ready(&test_site);
    pty.types("\u{1b}[115u");
    pty.until("Start synchronization: demo-vg01");
    pty.types("\u{1b}[27u");
    pty.until_gone("Start synchronization: demo-vg01");
    pty.types("\u{1b}[27;1;115~");
    pty.until("Y run");
    pty.types("\u{1b}[13u");
    pty.until_gone("Start synchronization: demo-vg01");
    nothing_ran(&test_site);
    pty.types("\u{1b}[99;5u");
    assert_eq!(pty.end(), 0);
}

#[test]
fn what_is_not_seen_is_not_agreed_to() {
    let test_site = TestSite::new();
    let mut pty = ready(&test_site);
    pty.resize((39, 24));
    pty.until("needs 40x8");
    torn(&mut pty, &["s", "Y"]);
    pty.resize((120, 40));
    pty.until("1 of 10");
    assert!(!pty.text().contains("Start synchronization:"), "{}", pty.text());
    nothing_ran(&test_site);
    // A batch that is longer than the screen: its end first.
    pty.types("\u{1b}");
    pty.until_gone("1 of 10");
    pty.resize((80, 14));
    pty.until("demo-ora01");
    pty.types("*");
    pty.until("10 marked");
    pty.types("s");
    pty.until("more, ");
    torn(&mut pty, &["Y"]);
    nothing_ran(&test_site);
    pty.types("G");
    pty.until("Y run");
    pty.types("\u{1b}");
    pty.until_gone("Y run");
}

/// A small random run: sequences that are no keys, cut and paused anywhere. Its seed is fixed, so that it is the same each time.
#[test]
fn random_cuts_and_pauses_run_nothing() {
    const SEQUENCES: [&str; 10] = [
        "\u{1b}[<35;10;10M",
        "\u{1b}[?62;1;22c",
        "\u{1b}[24;80R",
        "\u{1b}]11;rgb:0000/0000/0000\u{1b}\\",
        "\u{1b}P>|sYbY(380)\u{1b}\\",
        "\u{1b}_Gi=1;sY\u{1b}\\",
        "\u{1b}[200~sY\rbY\u{1b}[201~",
        "\u{1b}[M sY",
        "\u{1b}[I\u{1b}[O",
        "\u{1b}[97;1:3u",
    ];
    let test_site = TestSite::new();
    let mut pty = ready(&test_site);
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for _ in 0..60 {
        let sequence = SEQUENCES[next(SEQUENCES.len())];
        let (first, second) = sequence.split_at(next(sequence.len() + 1));
        pty.types(first);
        if next(2) == 0 {
            std::thread::sleep(PAUSE / 2 * u32::try_from(next(3)).unwrap());
        }
        pty.types(second);
    }
    lives(&mut pty);
    nothing_ran(&test_site);
    pty.types("\u{3}");
    assert_eq!(pty.end(), 0);
    pty.is_sane();
}
