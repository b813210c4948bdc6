//! A client's text as the value of a simple type.

use super::moment;
use crate::fault::Problem;
use crate::login::carried;
use crate::model::{Base, Simple};

/// The largest exponent of a JSON number that is written out as a decimal.
const LARGEST_EXPONENT: i32 = 40;

/// Turns a client's text into the value to send, or returns the problem with it. `also` has values that the schema's enumeration lacks.
pub(super) fn sent(simple: &Simple, text: &str, also: &[String]) -> Result<String, Problem> {
    if !text.chars().all(carried) {
        return Err(Problem::new("string_characters", "Input has a character that XML cannot carry"));
    }
    if let Some(values) = &simple.values {
        let trimmed = text.trim();
        if let Some(value) = values.matching(trimmed) {
            return Ok(value.to_owned());
        }
        if let Some(value) = also.iter().find(|value| value.eq_ignore_ascii_case(trimmed)) {
            return Ok(value.clone());
        }
        return if values.open && !trimmed.is_empty() { Ok(trimmed.to_uppercase()) } else { Err(one_of(&values.all)) };
    }
    match simple.base {
        Base::String | Base::Token | Base::AnyUri => length(simple, text).map(|()| text.to_owned()),
        Base::Int | Base::Integer => whole(simple, text.trim()),
        Base::Decimal => decimal(simple, text.trim()),
        Base::Double => double(text.trim()),
        Base::Boolean => boolean(text.trim()).map(str::to_owned),
        Base::Date => moment::date_of(text).ok_or_else(|| Problem::new("date_parsing", "Input should be a valid date")),
        Base::DateTime => {
            moment::date_time(text).ok_or_else(|| Problem::new("datetime_parsing", "Input should be a valid datetime"))
        }
    }
}

/// The problem of a value that is none of the allowed ones.
pub(super) fn one_of<'a>(values: impl IntoIterator<Item = &'a String>) -> Problem {
    let mut quoted: Vec<String> = values.into_iter().map(|value| format!("'{value}'")).collect();
    let last = quoted.pop().unwrap_or_default();
    let words = if quoted.is_empty() { last } else { format!("{} or {last}", quoted.join(", ")) };
    Problem::new("enum", format!("Input should be {words}"))
}

fn length(simple: &Simple, text: &str) -> Result<(), Problem> {
    let length = if simple.base == Base::String {
        text.chars().count()
    } else {
        // The blanks of a token collapse before it is measured.
        text.split_ascii_whitespace().map(|word| word.chars().count() + 1).sum::<usize>().saturating_sub(1)
    };
    let characters = |count: usize| if count == 1 { "1 character".to_owned() } else { format!("{count} characters") };
    if length < simple.min_length {
        let message = format!("String should have at least {}", characters(simple.min_length));
        return Err(Problem::new("string_too_short", message));
    }
    match simple.max_length {
        Some(most) if length > most => {
            Err(Problem::new("string_too_long", format!("String should have at most {}", characters(most))))
        }
        _ => Ok(()),
    }
}

fn whole(simple: &Simple, text: &str) -> Result<String, Problem> {
    let problem =
        || Problem::new("int_parsing", "Input should be a valid integer, unable to parse string as an integer");
    let number = plain(text).ok_or_else(problem)?;
    let (number, fraction) = number.split_once('.').unwrap_or((&number, ""));
    if !fraction.bytes().all(|digit| digit == b'0') {
        return Err(problem());
    }
    if simple.base == Base::Int && number.parse::<i32>().is_err() {
        return Err(Problem::new("int_parsing_size", "Input should be an integer of at most 32 bits"));
    }
    total_digits(simple, number)?;
    Ok(number.to_owned())
}

fn decimal(simple: &Simple, text: &str) -> Result<String, Problem> {
    let number = plain(text).ok_or_else(|| Problem::new("decimal_parsing", "Input should be a valid decimal"))?;
    total_digits(simple, &number)?;
    let fraction = number.split_once('.').map_or("", |(_, fraction)| fraction.trim_end_matches('0'));
    if let Some(most) = simple.fraction_digits.filter(|&most| fraction.len() > most) {
        let message = format!("Decimal input should have no more than {most} decimal places");
        return Err(Problem::new("decimal_max_places", message));
    }
    if simple.positive && (number.starts_with('-') || !number.bytes().any(|byte| (b'1'..=b'9').contains(&byte))) {
        return Err(Problem::new("greater_than", "Input should be greater than 0"));
    }
    Ok(number)
}

fn total_digits(simple: &Simple, number: &str) -> Result<(), Problem> {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    match simple.total_digits {
        Some(most) if digits > most => {
            Err(Problem::new("decimal_max_digits", format!("Input should have no more than {most} digits")))
        }
        _ => Ok(()),
    }
}

fn double(text: &str) -> Result<String, Problem> {
    text.parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())
        .map(|_| text.to_owned())
        .ok_or_else(|| Problem::new("float_parsing", "Input should be a valid number"))
}

/// Reads a boolean as clients write it.
pub(super) fn boolean(text: &str) -> Result<&'static str, Problem> {
    if text == "1" || text.eq_ignore_ascii_case("true") {
        Ok("true")
    } else if text == "0" || text.eq_ignore_ascii_case("false") {
        Ok("false")
    } else {
        Err(Problem::new("bool_parsing", "Input should be a valid boolean, unable to interpret input"))
    }
}

/// Writes a number without exponent and with all of its digits: `3.09e2` is `309`, `+5` is `5`, `.50` is `0.50`.
fn plain(text: &str) -> Option<String> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (digits, exponent) = match rest.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok().filter(|e| e.abs() <= LARGEST_EXPONENT)?),
        None => (rest, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut point = i32::try_from(whole.len()).ok()? + exponent;
    let mut digits = all;
    while point < 0 {
        digits.insert(0, '0');
        point += 1;
    }
    let point = usize::try_from(point).ok()?;
    while digits.len() < point {
        digits.push('0');
    }
    let (whole, fraction) = digits.split_at(point);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_digits() {
        for (given, sent) in [
            ("309.60", "309.60"),
            ("+5", "5"),
            ("-0", "-0"),
            (".50", "0.50"),
            ("5.", "5"),
            ("007", "7"),
            ("0", "0"),
            ("1e3", "1000"),
            ("1.25E-3", "0.00125"),
            ("12345678901234567890.123456789", "12345678901234567890.123456789"),
            ("3.09e2", "309"),
        ] {
            assert_eq!(plain(given).as_deref(), Some(sent), "{given}");
        }
        for given in ["", "-", ".", "1,5", "1e", "1e99", "0x1", "NaN", "1 2", "--1", "1.2.3", "٣"] {
            assert_eq!(plain(given), None, "{given}");
        }
    }
}
