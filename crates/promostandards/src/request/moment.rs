//! Dates and times as clients write them, turned into those of XML Schema.

/// Reads a point in time: ISO 8601 with or without a zone, with a blank where a `+` was decoded, or only a date. The digits stay.
pub(super) fn date_time(text: &str) -> Option<String> {
    let text = text.trim();
    let day = date(text.get(..10)?)?;
    let rest = &text[10..];
    if rest.is_empty() {
        return Some(format!("{day}T00:00:00"));
    }
    if let Some(zone) = zone(rest).filter(|_| !rest.starts_with(' ')) {
        return Some(format!("{day}T00:00:00{zone}"));
    }
    let time = rest.strip_prefix(['T', 't', ' ', '_'])?;
    let (clock, zone_text) =
        time.split_at(time.find(|c: char| !c.is_ascii_digit() && !":.".contains(c)).unwrap_or(time.len()));
    let zone = if zone_text.is_empty() { String::new() } else { zone(zone_text)? };
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) if !fraction.is_empty() && digits(fraction) => (clock, format!(".{fraction}")),
        Some(_) => return None,
        None => (clock, String::new()),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let (hour, minute, second) = match parts[..] {
        [hour, minute, second] => (hour, minute, second),
        [hour, minute] if fraction.is_empty() => (hour, minute, "00"),
        _ => return None,
    };
    (below(hour, 24) && below(minute, 60) && below(second, 60))
        .then(|| format!("{day}T{hour}:{minute}:{second}{fraction}{zone}"))
}

/// Reads a date, also one with a time, which is left out.
pub(super) fn date_of(text: &str) -> Option<String> {
    let text = text.trim();
    let day = date(text.get(..10)?)?;
    date_time(text).map(|_| day.to_owned())
}

/// Reads `2024-02-29`, a day that exists.
fn date(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let parts = (text.get(..4)?, text.get(5..7)?, text.get(8..10)?);
    if bytes[4] != b'-' || bytes[7] != b'-' || ![parts.0, parts.1, parts.2].into_iter().all(digits) {
        return None;
    }
    let (year, month, day): (u32, u32, u32) = (parts.0.parse().ok()?, parts.1.parse().ok()?, parts.2.parse().ok()?);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    (year > 0 && (1..=last).contains(&day)).then_some(text)
}

/// Reads `Z`, `+01:00`, `+0100`, or ` 01:00`, whose `+` was decoded to a blank.
fn zone(text: &str) -> Option<String> {
    if text.eq_ignore_ascii_case("z") {
        return Some("Z".to_owned());
    }
    let sign = match text.as_bytes().first()? {
        b'+' | b' ' => '+',
        b'-' => '-',
        _ => return None,
    };
    let rest = &text[1..];
    let (hours, minutes) = match rest.len() {
        5 if rest.as_bytes()[2] == b':' => (rest.get(..2)?, rest.get(3..)?),
        4 => (rest.get(..2)?, rest.get(2..)?),
        2 => (rest, "00"),
        _ => return None,
    };
    let furthest = hours == "14" && minutes == "00";
    ((below(hours, 14) && below(minutes, 60)) || furthest).then(|| format!("{sign}{hours}:{minutes}"))
}

/// Reports whether the text is two digits below a bound.
fn below(text: &str, bound: u32) -> bool {
    text.len() == 2 && digits(text) && text.parse::<u32>().is_ok_and(|number| number < bound)
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_keeps_its_digits_and_its_zone() {
        for (given, sent) in [
            ("2024-01-01", "2024-01-01T00:00:00"),
            ("2024-01-01Z", "2024-01-01T00:00:00Z"),
            ("2024-02-29T10:20:30.1200", "2024-02-29T10:20:30.1200"),
            ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
            ("2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00+02:00"),
            ("2024-01-01T00:00:00 00:00", "2024-01-01T00:00:00+00:00"),
            ("2024-01-01T00:00:00-0530", "2024-01-01T00:00:00-05:30"),
            ("2024-01-01 12:30", "2024-01-01T12:30:00"),
            (" 2024-01-01T12:30:00.5z ", "2024-01-01T12:30:00.5Z"),
        ] {
            assert_eq!(date_time(given).as_deref(), Some(sent), "{given}");
        }
    }

    #[test]
    fn a_text_that_is_no_moment_is_refused() {
        for given in [
            "",
            "2024",
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "0000-01-01",
            "2024-01-32",
            "2024-1-01",
            "2024-01-01T",
            "2024-01-01T24:00:00",
            "2024-01-01T10",
            "2024-01-01T10:61:00",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00.5",
            "2024-01-01T10:00:00+15:00",
            "2024-01-01T10:00:00+1",
            "2024-01-01T10:00:00 x",
            "1704067200",
            "2024-01-01é",
            "yesterday, or so",
            "2024-01-0é",
            "20240101T000000",
        ] {
            assert_eq!(date_time(given), None, "{given}");
        }
    }

    #[test]
    fn of_a_date_only_the_day_goes_out() {
        assert_eq!(date_of("2024-01-01T10:00:00+02:00").as_deref(), Some("2024-01-01"));
        assert_eq!(date_of("2024-01-01").as_deref(), Some("2024-01-01"));
        assert_eq!(date_of("2024-01-01Tx"), None);
    }
}
