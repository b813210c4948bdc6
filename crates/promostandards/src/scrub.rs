//! Takes a login out of what a supplier writes.

use std::borrow::Cow;

use memchr::memmem;
use zeroize::Zeroizing;

use crate::login::Login;

/// The text in place of a login.
const MASK: &str = "***";

/// The shortest password that is taken out of data too: a shorter one would be found in words that have nothing to do with it.
const SHORTEST: usize = 6;

/// The spellings of one login that are taken out of texts. They are wiped when it is dropped.
pub struct Scrub {
    /// Taken out wherever they stand, the longest first.
    anywhere: Vec<Zeroizing<String>>,
    /// Taken out of messages and log lines as whole words.
    words: Vec<Zeroizing<String>>,
}

impl Scrub {
    /// Prepares the spellings of a login.
    pub fn new(login: Login<'_>) -> Self {
        let mut scrub = Self { anywhere: Vec::new(), words: Vec::new() };
        for spelling in spellings(login.password) {
            let list = if spelling.chars().count() >= SHORTEST { &mut scrub.anywhere } else { &mut scrub.words };
            list.push(spelling);
        }
        scrub.words.extend(spellings(login.username));
        for list in [&mut scrub.anywhere, &mut scrub.words] {
            list.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.as_str().cmp(other.as_str())));
            list.dedup();
        }
        scrub
    }

    /// Scrubs the text of a fault, a message or a log line.
    pub fn text(&self, text: &str) -> String {
        self.message(text).into_owned()
    }

    /// Scrubs the text of a message.
    pub(crate) fn message<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = self.data(text);
        for word in &self.words {
            if let Some(scrubbed) = replaced(&text, word, true) {
                text = Cow::Owned(scrubbed);
            }
        }
        text
    }

    /// Scrubs a value.
    pub(crate) fn data<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for spelling in &self.anywhere {
            if let Some(scrubbed) = replaced(&text, spelling, false) {
                text = Cow::Owned(scrubbed);
            }
        }
        text
    }
}

impl std::fmt::Debug for Scrub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Scrub(..)")
    }
}

/// The forms in which a value comes back: as it is, as a schema's token, and each of them escaped for XML or JSON.
fn spellings(value: &str) -> Vec<Zeroizing<String>> {
    let mut plain = vec![Zeroizing::new(value.to_owned()), Zeroizing::new(value.trim().to_owned())];
    let mut token = Zeroizing::new(String::with_capacity(value.len()));
    for word in value.split_ascii_whitespace() {
        if !token.is_empty() {
            token.push(' ');
        }
        token.push_str(word);
    }
    plain.push(token);
    let mut all = Vec::new();
    for value in &plain {
        // `>`, `"` and `'` may stay as they are in the text of an element, and `'` has two names.
        for table in [
            &[('&', "&amp;"), ('<', "&lt;")][..],
            &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;")],
            &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;")],
            &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&apos;")],
            &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")],
            &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&#34;"), ('\'', "&#39;")],
            &[('\\', "\\\\"), ('"', "\\\"")],
        ] {
            all.push(escaped(value, table));
        }
        all.push(value.clone());
    }
    all.retain(|spelling| !spelling.trim().is_empty());
    all.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    all.dedup();
    all
}

fn escaped(value: &str, table: &[(char, &str)]) -> Zeroizing<String> {
    // Room for the longest name of each character, so that no copy is left by growing.
    let mut text = Zeroizing::new(String::with_capacity(value.len() * 6));
    for character in value.chars() {
        match table.iter().find(|(one, _)| *one == character) {
            Some((_, name)) => text.push_str(name),
            None => text.push(character),
        }
    }
    text
}

/// Replaces each `needle`, or returns none if there is none. A whole word has no letter and no digit next to it.
fn replaced(text: &str, needle: &str, word: bool) -> Option<String> {
    let mut out: Option<String> = None;
    let mut copied = 0;
    for at in memmem::find_iter(text.as_bytes(), needle.as_bytes()) {
        let end = at + needle.len();
        let touches = |beside: Option<char>| beside.is_some_and(char::is_alphanumeric);
        if word && (touches(text[..at].chars().next_back()) || touches(text[end..].chars().next())) {
            continue;
        }
        let out = out.get_or_insert_with(String::new);
        out.push_str(&text[copied..at]);
        out.push_str(MASK);
        copied = end;
    }
    out.map(|mut out| {
        out.push_str(&text[copied..]);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(username: &str, password: &str) -> Scrub {
        Scrub::new(Login { username, password })
    }

    #[test]
    fn a_password_of_six_characters_goes_from_data_too() {
        let scrub = scrub("acme", "s3cr&t<");
        assert_eq!(scrub.data("xs3cr&t<x and s3cr&amp;t&lt;"), "x***x and ***");
        assert_eq!(scrub.data("acme"), "acme");
        assert_eq!(scrub.text("for acme: s3cr&t<"), "for ***: ***");
        assert_eq!(scrub.text("acmeology"), "acmeology");
    }

    #[test]
    fn a_short_password_goes_from_messages_as_a_whole_word() {
        let scrub = scrub("u", "abc");
        assert_eq!(scrub.data("abc"), "abc");
        assert_eq!(scrub.text("abc, abcd, 'abc' u"), "***, abcd, '***' ***");
    }

    #[test]
    fn the_blanks_of_a_password_may_have_collapsed() {
        let scrub = scrub("", " two  words ");
        assert_eq!(scrub.data("[two words] [two  words]"), "[***] [***]");
        assert_eq!(scrub.data("\"quo\\\"ted"), "\"quo\\\"ted");
        assert_eq!(self::scrub("", "quo\"ted").data("quo\\\"ted quo&quot;ted"), "*** ***");
    }

    #[test]
    fn an_empty_login_takes_nothing_out() {
        assert_eq!(scrub("", "").text("a b"), "a b");
    }
}
