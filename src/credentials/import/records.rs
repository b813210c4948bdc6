//! Comma-separated values to the letter of RFC 4180, with line ends of either kind.
//!
//! To the letter, because what is read here are passwords: the readers at hand take `"a"b` for `ab` and a quote that is
//! never closed for the rest of the file. Text that is not CSV is refused, with its place. They serve as the oracle of the
//! tests instead.

use secrecy::SecretString;
use zeroize::Zeroizing;

/// A record, with the line on which it begins, from 1.
pub(super) struct Record<'a> {
    pub line: u64,
    pub fields: Vec<Field<'a>>,
}

/// A field as the file has it, without the quotes around it.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    text: &'a str,
    /// Whether quotes in it stand there twice.
    is_doubled: bool,
}

impl Field<'_> {
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether it is this text, which has no quotes.
    pub fn is(&self, text: &str) -> bool {
        self.text == text
    }

    /// Its text.
    pub fn text(&self) -> SecretString {
        if self.is_doubled {
            let text = Zeroizing::new(self.text.replace("\"\"", "\""));
            return text.as_str().into();
        }
        self.text.into()
    }
}

/// Why a line is not CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedRecord {
    /// A quote in a field that is not quoted.
    StrayQuote,
    /// Text after the closing quote of a field.
    TextBehindQuotes,
    /// A quote that is never closed.
    OpenQuote,
}

/// The records of a file, without its empty lines.
pub(super) struct Records<'a> {
    rest: &'a str,
    /// The line at which `rest` begins.
    line: u64,
}

/// The characters that end a field.
enum End {
    Comma,
    Record,
}

impl<'a> Records<'a> {
    pub fn new(file: &'a str) -> Self {
        // Excel marks UTF-8 so.
        Self { rest: file.strip_prefix('\u{feff}').unwrap_or(file), line: 1 }
    }

    fn field(&mut self) -> Result<(Field<'a>, End), MalformedRecord> {
        let Some(quoted) = self.rest.strip_prefix('"') else { return self.bare() };
        let (mut end, mut is_doubled) = (0, false);
        loop {
            end += quoted[end..].find('"').ok_or(MalformedRecord::OpenQuote)?;
            if !quoted[end + 1..].starts_with('"') {
                break;
            }
            is_doubled = true;
            end += 2;
        }
        let text = &quoted[..end];
        self.line += lines(text);
        self.rest = &quoted[end + 1..];
        let end = self.end().ok_or(MalformedRecord::TextBehindQuotes)?;
        Ok((Field { text, is_doubled }, end))
    }

    fn bare(&mut self) -> Result<(Field<'a>, End), MalformedRecord> {
        let length = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
        let is_last_of_crlf = self.rest[length..].starts_with('\n') && self.rest[..length].ends_with('\r');
        let (text, rest) = self.rest.split_at(length - usize::from(is_last_of_crlf));
        if text.contains('"') {
            return Err(MalformedRecord::StrayQuote);
        }
        self.rest = rest;
        // There is nothing else that it could stop at.
        Ok((Field { text, is_doubled: false }, self.end().unwrap_or(End::Record)))
    }

    /// Steps over what stands after a field, if that ends it.
    fn end(&mut self) -> Option<End> {
        if let Some(rest) = self.rest.strip_prefix(',') {
            self.rest = rest;
            return Some(End::Comma);
        }
        (self.rest.is_empty() || self.end_of_line()).then_some(End::Record)
    }

    /// Steps over a line end, if one stands here.
    fn end_of_line(&mut self) -> bool {
        let Some(rest) = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) else { return false };
        self.rest = rest;
        self.line += 1;
        true
    }

    /// Goes on with the next line: what comes after it may be in order.
    fn leave_line(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.line += 1;
    }
}

impl<'a> Iterator for Records<'a> {
    /// A record, or why there is none on a line.
    type Item = Result<Record<'a>, (u64, MalformedRecord)>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.end_of_line() {}
        if self.rest.is_empty() {
            return None;
        }
        let (line, mut fields) = (self.line, Vec::new());
        loop {
            match self.field() {
                Ok((field, End::Comma)) => fields.push(field),
                Ok((field, End::Record)) => {
                    fields.push(field);
                    return Some(Ok(Record { line, fields }));
                }
                Err(malformed) => {
                    if malformed == MalformedRecord::OpenQuote {
                        self.rest = "";
                    } else {
                        self.leave_line();
                    }
                    return Some(Err((line, malformed)));
                }
            }
        }
    }
}

/// How many line ends are in a text.
pub(super) fn lines(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    type Read = Result<(u64, Vec<String>), (u64, MalformedRecord)>;

    fn read(file: &str) -> Vec<Read> {
        let text = |field: &Field<'_>| field.text().expose_secret().to_owned();
        Records::new(file)
            .map(|one| one.map(|record| (record.line, record.fields.iter().map(text).collect())))
            .collect()
    }

    #[allow(clippy::unnecessary_wraps, reason = "to be compared with what was read")]
    fn record(line: u64, fields: &[&str]) -> Read {
        Ok((line, fields.iter().map(|&field| field.to_owned()).collect()))
    }

    #[test]
    fn every_way_to_write_a_record_is_read() {
        assert_eq!(read("a,b\nc,d"), [record(1, &["a", "b"]), record(2, &["c", "d"])]);
        assert_eq!(read("\u{feff}a\r\nb\r\n"), [record(1, &["a"]), record(2, &["b"])]);
        assert_eq!(read("\n\r\na,\n\n,b\n"), [record(3, &["a", ""]), record(5, &["", "b"])]);
        assert_eq!(read(r#""a,b","","c""d","#), [record(1, &["a,b", "", "c\"d", ""])]);
        assert_eq!(read("\"a\nb\r\nc\",d\ne"), [record(1, &["a\nb\r\nc", "d"]), record(4, &["e"])]);
        assert_eq!(read(r#""""","""""""#), [record(1, &["\"", "\"\""])]);
        // A carriage return alone ends nothing, and nothing is trimmed.
        assert_eq!(read(" a ,b\rc\r"), [record(1, &[" a ", "b\rc\r"])]);
        assert_eq!(read(""), []);
        assert_eq!(read("\u{feff}"), []);
    }

    #[test]
    fn a_malformed_record_is_refused_and_the_next_ones_are_read() {
        assert_eq!(read("a\"b\nc"), [Err((1, MalformedRecord::StrayQuote)), record(2, &["c"])]);
        assert_eq!(read("\"a\"b,\"c\"\nd"), [Err((1, MalformedRecord::TextBehindQuotes)), record(2, &["d"])]);
        assert_eq!(read("a\n\"b\nc\nd"), [record(1, &["a"]), Err((2, MalformedRecord::OpenQuote))]);
        assert_eq!(read("\"a\nb\" \nc"), [Err((1, MalformedRecord::TextBehindQuotes)), record(3, &["c"])]);
    }

    /// The same file, read by another reader.
    fn oracle(file: &str) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file.as_bytes());
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    fn written(records: &[Vec<String>], ending: csv::Terminator, style: csv::QuoteStyle) -> String {
        let mut writer =
            csv::WriterBuilder::new().flexible(true).terminator(ending).quote_style(style).from_writer(Vec::new());
        for record in records {
            writer.write_record(record).unwrap();
        }
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn files_of_another_writer_are_read(
            records in proptest::collection::vec(proptest::collection::vec("[a,\"\n\r ß]{0,4}", 2..4), 0..6),
            crlf: bool,
            always: bool,
        ) {
            let ending = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
            let read: Option<Vec<_>> =
                read(&written(&records, ending, style)).into_iter().map(|one| Some(one.ok()?.1)).collect();
            prop_assert_eq!(read, Some(records));
        }

        #[test]
        fn any_file_is_read_as_by_another_reader(file in "[a,\"\nß]{0,16}") {
            let read: Result<Vec<_>, _> = read(&file).into_iter().map(|one| one.map(|(_, fields)| fields)).collect();
            if let Ok(read) = read {
                prop_assert_eq!(read, oracle(&file));
            }
        }

        #[test]
        fn each_record_is_on_its_line(file in "(a|b,c|\"d\ne\"|\n){0,1}(\n(a|b,c|\"d\ne\"|)){0,8}") {
            for (line, _) in read(&file).into_iter().flatten() {
                let before: Vec<_> = file.split('\n').take(usize::try_from(line - 1).unwrap()).collect();
                // An even number of quotes stands before it: no field is open there.
                prop_assert_eq!(before.join("\n").matches('"').count() % 2, 0);
            }
        }
    }
}
