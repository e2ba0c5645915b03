//! What reads of the terminal mean: keys, whether one came alone, and what time makes of what has begun. No I/O, no clock.

use super::super::keys::Key;
use super::super::messages::Msg;
use super::input::{Input, Parser};
use std::time::Duration;
use tokio::time::Instant;

/// A key came alone when nothing came in its read, nor for so long before it.
const ALONE: Duration = Duration::from_millis(50);
/// A paste that was given up may go on: for so long only keys that come alone are keys.
const PASTE_REST: Duration = Duration::from_mins(1);
/// Whatever swallows keys for so long is said.
const SWALLOWED: Duration = Duration::from_secs(2);

/// The parser with its clock and its memory of reads.
#[derive(Debug, Default)]
pub struct Keyboard {
    parser: Parser,
    last_read: Option<Instant>,
    /// Until then the rest of a paste may come that was given up.
    paste_rest_until: Option<Instant>,
    /// It has been said what swallows keys.
    said: bool,
}

impl Keyboard {
    /// Takes everything that could be read at once.
    pub fn read(&mut self, bytes: &[u8], now: Instant) -> Vec<Msg> {
        let quiet = self.last_read.is_none_or(|last| now.saturating_duration_since(last) >= ALONE);
        self.last_read = Some(now);
        self.said = false;
        let mut inputs = self.parser.feed(bytes);
        let alone = quiet && self.parser.was_one() && inputs.len() == 1;
        if self.paste_rest_until.is_some_and(|until| now < until) {
            let end = inputs.iter().rposition(|input| *input == Input::LatePasteEnd);
            let of_paste = end.unwrap_or(if alone { 0 } else { inputs.len() });
            let mut at = 0;
            inputs.retain(|input| {
                at += 1;
                at > of_paste || *input == Input::Key(Key::Ctrl('c'))
            });
            if end.is_some() {
                self.paste_rest_until = None;
            }
        }
        let message = |input| match input {
            Input::Key(key) if alone => Some(Msg::LoneKey(key)),
            Input::Key(key) => Some(Msg::Key(key)),
            Input::Paste(text) => Some(Msg::Paste(text)),
            Input::LatePasteEnd => None,
        };
        inputs.into_iter().filter_map(message).collect()
    }

    /// When time has to be told to [`Keyboard::pass`], if nothing is read before.
    pub fn due(&self) -> Option<Instant> {
        let last = self.last_read?;
        let said = self.parser.swallows().filter(|_| !self.said).map(|_| SWALLOWED);
        self.parser.timeout().into_iter().chain(said).min().map(|after| last + after)
    }

    /// Nothing was read until now.
    pub fn pass(&mut self, now: Instant) -> Vec<Msg> {
        let Some(last) = self.last_read else { return Vec::new() };
        let silent = now.saturating_duration_since(last);
        let mut messages = Vec::new();
        if let Some(why) = self.parser.swallows().filter(|_| !self.said && silent >= SWALLOWED) {
            self.said = true;
            messages.push(Msg::Swallowed(why));
        }
        if self.parser.timeout().is_some_and(|timeout| silent >= timeout) {
            if self.parser.is_pasting() {
                self.paste_rest_until = Some(now + PASTE_REST);
            }
            if let Some(Input::Key(key)) = self.parser.time_out() {
                messages.push(Msg::Key(key));
            }
        }
        messages
    }

    /// Forgets what is begun: somebody else had the terminal meanwhile.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Nothing is begun, so nothing of it is left for the shell.
    pub fn is_idle(&self) -> bool {
        self.parser.is_idle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A keyboard with a clock of its own.
    struct Bench {
        keyboard: Keyboard,
        now: Instant,
        messages: Vec<Msg>,
    }

    impl Bench {
        fn new() -> Self {
            Self { keyboard: Keyboard::default(), now: Instant::now(), messages: Vec::new() }
        }

        fn read(&mut self, bytes: &[u8]) {
            self.messages.extend(self.keyboard.read(bytes, self.now));
        }

        fn wait(&mut self, millis: u64) {
            let end = self.now + Duration::from_millis(millis);
            while let Some(due) = self.keyboard.due().filter(|due| *due <= end) {
                self.now = self.now.max(due);
                self.messages.extend(self.keyboard.pass(self.now));
            }
            self.now = end;
        }

        /// What has come since the last time; keys only.
        fn keys(&mut self) -> Vec<(Key, bool)> {
            let keys = self.messages.drain(..).filter_map(|msg| match msg {
                Msg::Key(key) => Some((key, false)),
                Msg::LoneKey(key) => Some((key, true)),
                _ => None,
            });
            keys.collect()
        }
    }

    const Y: Key = Key::Char('Y');

    #[test]
    fn a_key_is_alone_when_nothing_came_with_it_or_just_before_it() {
        let mut bench = Bench::new();
        bench.read(b"Y");
        assert_eq!(bench.keys(), [(Y, true)]);
        bench.wait(20);
        bench.read(b"Y");
        assert_eq!(bench.keys(), [(Y, false)], "a slow line brings a paste byte by byte");
        bench.wait(60);
        bench.read(b"\x1b[121;2u");
        assert_eq!(bench.keys(), [(Y, true)]);
        bench.wait(60);
        for bytes in [&b"YY"[..], b"\x1b[IY", b"Y\x1b", b"\xffY\x1b[", b"jY"] {
            bench.read(bytes);
            assert!(bench.keys().iter().all(|(_, alone)| !alone), "{}", bytes.escape_ascii());
            bench.read(b"A");
            bench.wait(100);
            bench.keys();
        }
    }

    #[test]
    fn a_paste_that_falls_silent_is_dropped_and_its_late_rest_is_no_keys() {
        let mut bench = Bench::new();
        bench.read(b"\x1b[200~first ");
        bench.wait(2_500);
        assert!(matches!(bench.messages[..], [Msg::Swallowed(_)]), "{:?}", bench.messages);
        bench.wait(5_000);
        assert_eq!(bench.keys(), []);
        bench.read(b"j");
        assert_eq!(bench.keys(), [(Key::Char('j'), true)], "keys count again");
        bench.wait(100);
        bench.read(b"sY");
        assert_eq!(bench.keys(), []);
        bench.wait(100);
        bench.read(b"sY\r\x1b[201~k");
        assert_eq!(bench.keys(), [(Key::Char('k'), false)]);
        bench.read(b"sk");
        assert_eq!(bench.keys().len(), 2, "the paste is over");
    }

    /// Whole sequences that encode no key.
    const SILENT: [&str; 18] = [
        "\x1b[<35;10;10M",
        "\x1b[M !!",
        "\x1b[32;10;10M",
        "\x1b[?62;1;22c",
        "\x1b[24;80R",
        "\x1b[0n",
        "\x1b[1;2R",
        "\x1b]11;rgb:0000/0000/0000\x1b\\",
        "\x1b]52;c;c1lZ\x07",
        "\x1bP>|sbY(380)\x1b\\",
        "\x1b_Gi=1;OK\x1b\\",
        "\x1b^sY\r\x1b\\",
        "\x1bXsYb\x1b\\",
        "\u{9b}?1;2c",
        "\x1b[I",
        "\x1b[15~",
        "\x1b[200~sYb\rY\x1b[201~",
        "\x1b[97;1:3u",
    ];

    proptest! {
        /// Cut anywhere, with pauses of up to seconds: nothing of a sequence is ever a key, but the Esc that a pause after
        /// its first byte makes; and the keys after it are there.
        #[test]
        fn no_part_of_a_sequence_acts(
            sequences in proptest::collection::vec(proptest::sample::select(SILENT.to_vec()), 1..5),
            cuts in proptest::collection::vec(proptest::option::of(0..4_500_u64), 128),
        ) {
            let mut bench = Bench::new();
            let whole = sequences.concat().into_bytes();
            let mut part = Vec::new();
            for (at, byte) in whole.iter().enumerate() {
                part.push(*byte);
                if let Some(pause) = cuts[at % cuts.len()] {
                    bench.read(&part);
                    bench.wait(pause);
                    part.clear();
                }
            }
            bench.read(&part);
            let keys = bench.keys();
            prop_assert!(keys.iter().all(|key| *key == (Key::Esc, false)), "{keys:?}");
            bench.wait(100);
            bench.read(b"j");
            prop_assert_eq!(bench.keys(), [(Key::Char('j'), true)]);
        }

        /// However they are cut, keys are the same as in one piece.
        #[test]
        fn pieces_mean_what_the_whole_means(parts in proptest::collection::vec(
            proptest::sample::select(vec!["\x1b[A", "\x1bOB", "\x1b[5~", "j", "業", "\r", "\x1b[200~p\x1b[201~", "\x1b]0;t\x07", "\x1bx"]),
            0..12), cuts in proptest::collection::vec(any::<bool>(), 64)) {
            let whole: Vec<u8> = parts.concat().into_bytes();
            let expected = Parser::default().feed(&whole);
            let mut parser = Parser::default();
            let mut got = Vec::new();
            for (index, byte) in whole.iter().enumerate() {
                got.extend(parser.feed(&[*byte]));
                if cuts[index % cuts.len()] {
                    got.extend(parser.feed(&[]));
                }
            }
            prop_assert_eq!(got, expected);
        }

        /// After any bytes, Ctrl-C counts, and then every key does.
        #[test]
        fn any_bytes_are_taken_and_ctrl_c_always_counts(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bench = Bench::new();
            bench.read(&bytes);
            bench.keys();
            bench.read(b"\x03");
            prop_assert_eq!(bench.keys().last().map(|(key, _)| *key), Some(Key::Ctrl('c')));
            bench.wait(100);
            bench.read(b"j");
            prop_assert_eq!(bench.keys(), [(Key::Char('j'), true)]);
        }
    }
}
