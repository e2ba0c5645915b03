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

#[cfg(test)]
mod tests {
    use super::*;

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
