//! The terminal's background: asked once at the start, by OSC 11. Who does not answer in time keeps the theme that the
//! environment suggested.

use std::time::Duration;

/// The question. A terminal that does not know it ignores it.
pub const QUESTION: &[u8] = b"\x1b]11;?\x1b\\";
/// An answer that comes later changes nothing: the person has begun to read.
pub const IN_TIME: Duration = Duration::from_millis(500);

/// What an answer begins with.
const BEGIN: &[u8] = b"\x1b]11;rgb:";
/// Bytes of an answer at most: four digits a part, and its end.
const MAX_ANSWER: usize = 32;

/// Looks for the answer in what is read. It takes nothing away: the parser of keys swallows the answer by itself.
#[derive(Debug, Default)]
pub struct Background {
    seen: Vec<u8>,
}

impl Background {
    /// Takes what was read; says whether the background is light once the whole answer has come.
    pub fn read(&mut self, bytes: &[u8]) -> Option<bool> {
        self.seen.extend(bytes);
        let found = self.seen.windows(BEGIN.len()).position(|window| window == BEGIN);
        let Some(at) = found else {
            let surplus = self.seen.len().saturating_sub(BEGIN.len());
            self.seen.drain(..surplus);
            return None;
        };
        self.seen.drain(..at);
        let answer = &self.seen[BEGIN.len()..];
        let Some(end) = answer.iter().position(|byte| matches!(byte, 0x07 | 0x1b)) else {
            self.seen.truncate(MAX_ANSWER);
            return None;
        };
        let light = is_light(&answer[..end]);
        self.seen.clear();
        light
    }
}

/// Of `RRRR/GGGG/BBBB`, with one to four digits a part.
fn is_light(color: &[u8]) -> Option<bool> {
    let parts = std::str::from_utf8(color).ok()?.split('/');
    let part = |text: &str| {
        let most =
            f64::from(16_u32.checked_pow(u32::try_from(text.len()).ok().filter(|len| (1..=4).contains(len))?)? - 1);
        Some(f64::from(u32::from_str_radix(text, 16).ok()?) / most)
    };
    let parts: Vec<f64> = parts.map(part).collect::<Option<_>>()?;
    let [red, green, blue] = parts[..] else { return None };
    Some(0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_understood_however_it_is_cut() {
        for (answer, light) in [
            (&b"\x1b]11;rgb:0000/0000/0000\x1b\\"[..], false),
            (b"\x1b]11;rgb:ffff/ffff/ffff\x07", true),
            (b"j\x1b]11;rgb:fd/f6/e3\x07k", true),
            (b"\x1b]11;rgb:1e1e/1e1e/1e1e\x07", false),
        ] {
            for cut in 0..answer.len() {
                let mut background = Background::default();
                let first = background.read(&answer[..cut]);
                assert_eq!(first.or_else(|| background.read(&answer[cut..])), Some(light), "{cut}");
            }
        }
    }

    #[test]
    fn what_is_no_answer_says_nothing() {
        let mut background = Background::default();
        for bytes in [&b"\x1b]11;?\x07"[..], b"\x1b]11;rgb:zz/00/00\x07", b"sbY", b"\x1b]11;rgb:00000/0/0\x07"] {
            assert_eq!(background.read(bytes), None);
        }
    }
}
