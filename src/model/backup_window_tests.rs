use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// Central Europe: forward at 01:00Z on 29 March 2026, back at 01:00Z on 25 October 2026.
fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn window(text: &str) -> BackupWindow {
    text.parse().unwrap()
}

#[test]
fn a_window_is_written_as_it_is_read() {
    for text in ["02:00-05:00", "22:00-05:30", "00:00-23:59"] {
        assert_eq!(window(text).to_string(), text);
        assert_eq!(serde_json::to_string(&window(text)).unwrap(), format!("{text:?}"));
    }
    assert_eq!(window(" 2:00 - 5:05"), window("02:00-05:05"));
    for wrong in [
        "",
        "02:00",
        "02:00-02:00",
        "24:00-01:00",
        "02:60-03:00",
        "02:0-03:00",
        "+2:00-03:00",
        "2-3",
        "02:00-03:00-04:00",
    ] {
        assert!(wrong.parse::<BackupWindow>().is_err(), "{wrong}");
    }
}

#[test]
fn a_window_over_midnight_ends_on_the_next_day() {
    let (last, next) = window("22:00-05:00").around(&zone(), at("2026-01-10T23:30:00Z")).unwrap();
    assert_eq!((next.start, next.end), (at("2026-01-10T21:00:00Z"), at("2026-01-11T04:00:00Z")));
    assert_eq!((last.start, last.end), (at("2026-01-09T21:00:00Z"), at("2026-01-10T04:00:00Z")));
    // At the end it is over.
    let (last, _) = window("22:00-05:00").around(&zone(), at("2026-01-11T04:00:00Z")).unwrap();
    assert_eq!(last.end, at("2026-01-11T04:00:00Z"));
}

#[test]
fn the_clocks_move_a_window_with_them() {
    let of = |text: &str, now: &str| {
        let (_, next) = window(text).around(&zone(), at(now)).unwrap();
        (next.start, next.end)
    };
    // Forward: one hour less, and a time that is left out is the moment of the change.
    assert_eq!(of("01:00-05:00", "2026-03-29T00:30:00Z"), (at("2026-03-29T00:00:00Z"), at("2026-03-29T03:00:00Z")));
    assert_eq!(of("02:30-05:00", "2026-03-29T00:30:00Z"), (at("2026-03-29T01:00:00Z"), at("2026-03-29T03:00:00Z")));
    assert_eq!(of("01:00-02:30", "2026-03-29T00:30:00Z"), (at("2026-03-29T00:00:00Z"), at("2026-03-29T01:00:00Z")));
    // All of it is left out: that night has none.
    assert_eq!(of("02:10-02:50", "2026-03-29T00:30:00Z"), (at("2026-03-30T00:10:00Z"), at("2026-03-30T00:50:00Z")));
    // Back: one hour more, from the first 02:30 to the last one.
    assert_eq!(of("01:00-05:00", "2026-10-25T00:30:00Z"), (at("2026-10-24T23:00:00Z"), at("2026-10-25T04:00:00Z")));
    assert_eq!(of("01:00-02:30", "2026-10-25T00:45:00Z"), (at("2026-10-24T23:00:00Z"), at("2026-10-25T01:30:00Z")));
    assert_eq!(of("02:30-05:00", "2026-10-25T00:45:00Z"), (at("2026-10-25T00:30:00Z"), at("2026-10-25T04:00:00Z")));
}
