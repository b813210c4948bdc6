//! Ranges of addresses: `10.0.0.0/8`, `2001:db8::/32`, or a lone address.

use std::net::IpAddr;

use ipnet::IpNet;

use super::text::InvalidText;

/// Reads a range. A v4 address in v6 clothes (`::ffff:10.0.0.1`) is taken as v4, as the peer's address will be.
pub fn parse_range(text: &str) -> Result<IpNet, InvalidText> {
    let range = match text.parse::<IpNet>() {
        Ok(range) => range,
        Err(_) => IpNet::from(text.parse::<IpAddr>().map_err(|_| InvalidText::NotARange)?),
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
        ] {
            assert_eq!(parse_range(text).unwrap().to_string(), range);
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0", "localhost", "::ffff:10.0.0.0/90"] {
            assert_eq!(parse_range(wrong), Err(InvalidText::NotARange), "{wrong}");
        }
    }
}
