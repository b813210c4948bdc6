//! Origins of web pages (RFC 6454): the value that a browser sends for the page of a request.

use super::text::InvalidText;

/// An origin: scheme, host and, if it is not the scheme's own, port. `https://shop.example.com`, `http://localhost:3000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Takes an origin as browsers write it: in lower case, nothing after the port. A form that no browser sends could
    /// never match, so it is refused.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        super::text::check(text)?;
        let url = url::Url::parse(text).map_err(|_| InvalidText::NotAnOrigin)?;
        let origin = url.origin().ascii_serialization();
        if matches!(url.scheme(), "http" | "https") && origin == text {
            Ok(Self(origin))
        } else {
            Err(InvalidText::NotAnOrigin)
        }
    }

    /// As browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_that_a_browser_sends_is_an_origin() {
        for origin in ["https://shop.example.com", "http://localhost:3000", "https://[::1]:8443"] {
            assert_eq!(Origin::parse(origin).unwrap().as_str(), origin);
        }
        for wrong in
            ["*", "null", "https://shop.example.com/", "https://Shop.example.com", "https://a:443", "file:///", "a.b"]
        {
            assert_eq!(Origin::parse(wrong), Err(InvalidText::NotAnOrigin), "{wrong}");
        }
    }
}
