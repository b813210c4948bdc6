//! Ranges of addresses: `10.0.0.0/8`, `2001:db8::/32`, or a lone address.

use std::net::IpAddr;

use ipnet::IpNet;

use super::text::InvalidText;

/// Reads a range. A v4 address in v6 clothes (`::ffff:10.0.0.1`) is taken as v4, as the peer's address will be. Like the
/// parts of an address, the length of a prefix has no leading zeros: some programs read them as octal.
pub fn parse_range(text: &str) -> Result<IpNet, InvalidText> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address = address.parse::<IpAddr>().map_err(|_| InvalidText::NotARange)?;
    let range = match length {
        None => IpNet::from(address),
        Some(length) if length.len() > 1 && length.starts_with('0') => return Err(InvalidText::NotARange),
        Some(_) => text.parse().map_err(|_| InvalidText::NotARange)?,
    };
    match range {
        IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => {
            // The first 96 of its bits are the clothes.
            let (addr, length) = (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96));
            let (addr, length) = addr.zip(length).ok_or(InvalidText::NotARange)?;
            IpNet::new(addr.into(), length).map_err(|_| InvalidText::NotARange)
        }
        range => Ok(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_both_families_and_lone_addresses_are_read() {
        for (text, range) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.1", "10.0.0.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("64:ff9b::192.0.2.1/96", "64:ff9b::c000:201/96"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(parse_range(text).unwrap().to_string(), range);
        }
        let wrong = ["", "10.0.0.0/33", "10.0.0", "localhost", "::ffff:10.0.0.0/90", "10.0.0.0/", "/8", "10.0.0.0/8/8"];
        let octal = ["10.0.0.0/08", "::/00", "::/032", "010.0.0.0/8", "010.0.0.1", "10.0.0.0/+8", "10.0.0.0/ 8"];
        for wrong in wrong.into_iter().chain(octal) {
            assert_eq!(parse_range(wrong), Err(InvalidText::NotARange), "{wrong}");
        }
    }
}
