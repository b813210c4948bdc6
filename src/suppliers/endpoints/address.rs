//! The URL of an endpoint.

use std::fmt;

use url::Url;

/// Most characters of a URL.
const LONGEST: usize = 2048;

/// A URL that calls may be sent to. The query belongs to it; only one that asks for the WSDL is taken off.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl(Url);

/// Why a URL cannot be an endpoint's. The sentence follows the name of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongUrl {
    /// It is empty or too long.
    #[error("must have 1 to {LONGEST} characters")]
    Length,
    /// It is none.
    #[error("must be a URL")]
    Unreadable,
    /// It is plain http, or something else, and the row does not allow private addresses.
    #[error("must begin with `https://`; `http://` only with allow_private")]
    Scheme,
    /// It has a user name or a password.
    #[error("must not contain a user name or a password")]
    Login,
    /// It has a fragment, which is never sent.
    #[error("must not contain a fragment (`#`)")]
    Fragment,
}

impl EndpointUrl {
    /// Reads a URL.
    pub fn parse(text: &str, allow_private: bool) -> Result<Self, WrongUrl> {
        if text.is_empty() || text.chars().count() > LONGEST {
            return Err(WrongUrl::Length);
        }
        let mut url = Url::parse(text).map_err(|_| WrongUrl::Unreadable)?;
        match url.scheme() {
            "https" => {}
            "http" if allow_private => {}
            _ => return Err(WrongUrl::Scheme),
        }
        if !url.has_host() {
            return Err(WrongUrl::Unreadable);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WrongUrl::Login);
        }
        if url.fragment().is_some() {
            return Err(WrongUrl::Fragment);
        }
        if url.query().is_some_and(|query| query.eq_ignore_ascii_case("wsdl")) {
            url.set_query(None);
        }
        Ok(Self(url))
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Shows nothing: an address of a supplier is in no message.
impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointUrl")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_belongs_to_the_url_unless_it_asks_for_the_wsdl() {
        for (given, kept) in [
            ("https://ppds.hitpromo.net/inventoryV2?ws=1", "https://ppds.hitpromo.net/inventoryV2?ws=1"),
            (
                "https://ws.sanmar.com:8080/promostandards/Inventory?WSDL",
                "https://ws.sanmar.com:8080/promostandards/Inventory",
            ),
            ("https://a.example/x?wsdl", "https://a.example/x"),
            ("https://a.example/x?wsdl=1", "https://a.example/x?wsdl=1"),
        ] {
            assert_eq!(EndpointUrl::parse(given, false).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn a_url_that_cannot_be_called_is_refused() {
        let long = format!("https://a.example/{}", "x".repeat(LONGEST));
        for (given, why) in [
            ("", WrongUrl::Length),
            (long.as_str(), WrongUrl::Length),
            ("a.example/x", WrongUrl::Unreadable),
            ("https://", WrongUrl::Unreadable),
            ("http://a.example/x", WrongUrl::Scheme),
            ("ftp://a.example/x", WrongUrl::Scheme),
            ("https://me:secret@a.example/x", WrongUrl::Login),
            ("https://me@a.example/x", WrongUrl::Login),
            ("https://a.example/x#y", WrongUrl::Fragment),
        ] {
            assert_eq!(EndpointUrl::parse(given, false).err(), Some(why), "{given}");
        }
        assert!(EndpointUrl::parse("http://127.0.0.1:9/x", true).is_ok());
        assert_eq!(EndpointUrl::parse("file:///etc/passwd", true).err(), Some(WrongUrl::Scheme));
    }
}
