//! Durations as people write them, in the configuration and on the command line: `500ms`, `30s`, `10m`, `2h`, `1d`.

/// Milliseconds of a whole number and a unit, without a blank or with one between them; a number alone is seconds.
pub fn millis(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a time: write a whole number with ms, s, m, h or d, as in \"30s\"");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit.trim_start() {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

/// A time in milliseconds for people, rounded down: seconds up to two minutes, minutes up to two hours, hours up to two
/// days, then days.
pub fn people(millis: i64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The same as [`millis`] reads it, in the largest unit that tells it exactly.
pub fn written(seconds: u32) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    match units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)) {
        Some((unit, word)) => format!("{}{word}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for seconds in [0, 1, 59, 60, 90, 3_600, 5_400, 86_400, 172_800, 31_622_400] {
            assert_eq!(millis(&written(seconds)), Ok(u64::from(seconds) * 1_000), "{seconds}");
        }
        assert_eq!(["0s", "90m", "2d"], [0, 5_400, 172_800].map(written).each_ref().map(String::as_str));
        let told = [0, 119_999, 120_000, 7_200_000, 172_800_000].map(people);
        assert_eq!(["0 s", "119 s", "2 min", "2 h", "2 days"], told.each_ref().map(String::as_str));
    }

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        assert_eq!(millis("500ms"), Ok(500));
        assert_eq!(millis("30s"), Ok(30_000));
        assert_eq!(millis("10 m"), Ok(600_000));
        assert_eq!(millis("2h"), Ok(7_200_000));
        assert_eq!(millis("3d"), Ok(259_200_000));
        assert_eq!(millis("90"), Ok(90_000));
        for wrong in
            ["", "m", "s", "-1s", "1.5s", "1 day", "1w", "1µ", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(millis(wrong).is_err(), "{wrong}");
        }
    }
}
