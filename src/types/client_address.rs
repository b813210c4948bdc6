//! The address of a client: an IP address, or what a proxy wrote in the place of one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

/// Longest unreadable address that is kept, in characters. The longest readable one has 70.
const MOST_CHARS: usize = 80;

/// Where a request comes from. An unreadable address is in no range, and is never taken for the address of somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientAddress {
    /// An IP address, in its canonical form.
    Known(IpAddr),
    /// Text that is no address, as it was: `unknown`, `_hidden`, nothing. Printable ASCII; the rest is escaped.
    Unreadable(Arc<str>),
}

impl ClientAddress {
    /// Reads an address as proxies write it: with or without a port, brackets, a zone, quotes.
    pub fn read(written: &[u8]) -> Self {
        let text = written.trim_ascii();
        match std::str::from_utf8(text).ok().and_then(address) {
            Some(address) => address.into(),
            None => ClientAddress::Unreadable(printable(text).into()),
        }
    }

    /// Whether one of these ranges has the address.
    pub fn is_in(&self, ranges: &[IpNet]) -> bool {
        match self {
            ClientAddress::Known(address) => ranges.iter().any(|range| range.contains(address)),
            ClientAddress::Unreadable(_) => false,
        }
    }

    /// Returns the part of the address that one client has for itself: an IPv4 address, the first half of an IPv6 address
    /// (RFC 6177), or the text of an unreadable one.
    #[must_use]
    pub fn network(&self) -> Self {
        match self {
            ClientAddress::Known(IpAddr::V6(v6)) => {
                let network = v6.to_bits() & !u128::from(u64::MAX);
                ClientAddress::Known(Ipv6Addr::from_bits(network).into())
            }
            other => other.clone(),
        }
    }
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        ClientAddress::Known(address.to_canonical())
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientAddress::Known(address) => address.fmt(f),
            ClientAddress::Unreadable(text) => f.write_str(text),
        }
    }
}

/// Keeps printable characters as they are and escapes the rest.
fn printable(text: &[u8]) -> String {
    let mut printable = String::new();
    for byte in text.iter().take(MOST_CHARS) {
        match byte {
            b' '..=b'~' => printable.push(char::from(*byte)),
            _ => printable.extend(byte.escape_ascii().map(char::from)),
        }
    }
    printable.truncate(MOST_CHARS);
    printable
}

/// Reads an address, and passes over its port and zone.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(text);
    if let Some(bracketed) = text.strip_prefix('[') {
        let (inner, rest) = bracketed.split_once(']')?;
        return (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)).then(|| v6(inner)).flatten();
    }
    match text.split_once(':') {
        None => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        Some((v4, port)) if is_port(port) && v4.contains('.') => v4.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        // Several colons without brackets: all of it is the address.
        Some(_) => v6(text),
    }
}

/// Reads an IPv6 address, perhaps with a zone (RFC 4007 §11.2).
fn v6(text: &str) -> Option<IpAddr> {
    let is_zone = |zone: &str| {
        !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let address = match text.split_once('%') {
        None => text,
        Some((address, zone)) if is_zone(zone) => address,
        Some(_) => return None,
    };
    address.parse::<Ipv6Addr>().ok().map(IpAddr::from)
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_with_port_brackets_zone_and_quotes() {
        for (written, address) in [
            ("198.51.100.9", "198.51.100.9"),
            (" 198.51.100.9\t", "198.51.100.9"),
            ("198.51.100.9:4711", "198.51.100.9"),
            ("\"198.51.100.9:0\"", "198.51.100.9"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:db8::1:4711", "2001:db8::1:4711"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:DB8:0::1]:65535", "2001:db8::1"),
            ("\"[2001:db8::1]:80\"", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]:80", "fe80::1"),
            ("::ffff:198.51.100.9", "198.51.100.9"),
            ("[::ffff:198.51.100.9]:80", "198.51.100.9"),
            ("[::ffff:c633:6409%3]", "198.51.100.9"),
        ] {
            assert_eq!(
                ClientAddress::read(written.as_bytes()),
                ClientAddress::Known(address.parse().unwrap()),
                "{written}"
            );
        }
    }

    #[test]
    fn other_texts_are_kept_as_they_were_and_are_in_no_range() {
        let everywhere = ["0.0.0.0/0", "::/0"].map(|range| range.parse().unwrap());
        for written in [
            "",
            "unknown",
            "_hidden",
            "-",
            "localhost",
            "198.51.100",
            "198.51.100.9.1",
            "198.51.100.009",
            "198.51.100.9:",
            "198.51.100.9:65536",
            "198.51.100.9:+80",
            "198.51.100.9:80:80",
            "198.51.100.9 80",
            "198.51.100.9/32",
            "[198.51.100.9]",
            "[198.51.100.9]:80",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]80",
            "[2001:db8::1]:",
            "[[2001:db8::1]]",
            "fe80::1%",
            "fe80::1%a b",
            "198.51.100.9%eth0",
            "\"198.51.100.9",
            "unix:",
            "0x7f.1",
            ":80",
            "2130706433",
            "for=198.51.100.9",
        ] {
            let address = ClientAddress::read(written.as_bytes());
            assert!(matches!(address, ClientAddress::Unreadable(_)), "{written}");
            assert!(!address.is_in(&everywhere), "{written}");
            assert_eq!(address.to_string(), written, "{written}");
        }
        assert_eq!(ClientAddress::read(b"\xff\0").to_string(), "\\xff\\x00");
        assert_eq!(ClientAddress::read(&[b'x'; 500]).to_string().len(), MOST_CHARS);
    }

    proptest! {
        /// The oracle writes an address in one of the ways that proxies have, instead of reading it.
        #[test]
        fn an_address_that_was_written_is_read(
            v4 in proptest::option::of(any::<u32>()), v6 in any::<u128>(), port in proptest::option::of(any::<u16>()), zone in "(%[a-z0-9]{1,8})?",
            brackets: bool, quotes: bool, blanks in "[ \t]{0,3}",
        ) {
            let v6 = IpAddr::from(Ipv6Addr::from_bits(v6));
            let address = v4.map_or(v6, |v4| Ipv4Addr::from_bits(v4).into());
            let written = match (address, port) {
                (IpAddr::V4(v4), None) => v4.to_string(),
                (IpAddr::V4(v4), Some(port)) => format!("{v4}:{port}"),
                (IpAddr::V6(v6), None) if !brackets => format!("{v6}{zone}"),
                (IpAddr::V6(v6), None) => format!("[{v6}{zone}]"),
                (IpAddr::V6(v6), Some(port)) => format!("[{v6}{zone}]:{port}"),
            };
            let written = if quotes { format!("{blanks}\"{written}\"") } else { format!("{written}{blanks}") };
            prop_assert_eq!(ClientAddress::read(written.as_bytes()), ClientAddress::Known(address.to_canonical()));
        }

        /// Any text is read as an address that it contains, or as no address.
        #[test]
        fn no_address_is_made_up(text in "[0-9a-f:.%\\[\\]\" _-]{0,40}") {
            if let ClientAddress::Known(address) = ClientAddress::read(text.as_bytes()) {
                let bare = text.trim().trim_matches('"');
                let bare = bare.strip_prefix('[').map_or(bare, |inner| inner.split(']').next().unwrap_or_default());
                let without_zone = bare.split('%').next().unwrap_or_default();
                let without_port = without_zone.rsplit_once(':').map_or(without_zone, |(address, _)| address);
                let parsed = without_zone.parse::<IpAddr>().or_else(|_| without_port.parse());
                prop_assert_eq!(parsed.map(|address| address.to_canonical()), Ok(address));
            }
        }
    }
}
