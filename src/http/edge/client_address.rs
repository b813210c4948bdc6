//! Finds out where a request comes from: its peer, or the address that a trusted proxy wrote into `X-Forwarded-For`. Anybody
//! can send that header, so it counts only from such a proxy.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::HeaderMap;
use ipnet::IpNet;

use crate::api_key::contains_key;
use crate::types::ClientAddress;

/// Names the header that proxies append to.
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Knows the proxies that are trusted.
pub(super) struct Proxies {
    trusted: Vec<IpNet>,
    /// Whether another one was named in the log.
    has_warned: AtomicBool,
}

impl Proxies {
    /// Trusts the proxies of these ranges.
    pub fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted, has_warned: AtomicBool::new(false) }
    }

    /// Returns the address of a request's client. Warns, once, of a peer that forwards requests and is not trusted to: all
    /// its clients have its address, and share its limits.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        if headers.contains_key(X_FORWARDED_FOR)
            && !ClientAddress::from(peer).is_in(&self.trusted)
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                %peer,
                "X-Forwarded-For of a peer that is not in CREDENZA_TRUSTED_PROXIES is not believed; \
                 if the peer is a proxy of yours, all its clients count as one"
            );
        }
        client_address(peer, headers, &self.trusted)
    }
}

/// Returns the client's address. Proxies append to `X-Forwarded-For`, so it is read from its end: every entry that a trusted
/// proxy wrote is believed, and the first that is no trusted proxy itself is the client. An entry that cannot be read is the
/// client as well: nobody, and never the proxy that wrote it.
pub(in crate::http) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> ClientAddress {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let mut entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let mut client = ClientAddress::from(peer);
    while client.is_in(trusted)
        && let Some(entry) = entries.next()
    {
        client = ClientAddress::read(entry);
    }
    match client {
        // It would stand in the audit.
        ClientAddress::Unreadable(text) if contains_key(text.as_bytes()) => ClientAddress::Unreadable("-".into()),
        client => client,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, value.parse().unwrap());
        }
        let trusted: Vec<_> = trusted.iter().map(|range| crate::types::parse_range(range).unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_from_the_end_of_the_list() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(client("192.0.2.1", &["198.51.100.7"], &["10.0.0.0/8"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["6.6.6.6, 198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "198.51.100.7, 10.0.0.2"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(client("::ffff:10.0.0.1", &["::ffff:198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["198.51.100.7:4711, 10.0.0.2:80"], &["10.0.0.0/8"]), "198.51.100.7");
    }

    #[test]
    fn an_unreadable_entry_is_nobody_and_never_the_proxy_that_wrote_it() {
        for entry in ["unknown", "_hidden", "", "nonsense", "10.0.0.9:x"] {
            assert_eq!(client("10.0.0.1", &[&format!("6.6.6.6, {entry}")], &["10.0.0.0/8"]), entry);
            assert_eq!(client("10.0.0.1", &[&format!("{entry}, 10.0.0.2")], &["10.0.0.0/8"]), entry);
            assert_eq!(client("10.0.0.1", &["6.6.6.6", entry, "10.0.0.2"], &["10.0.0.0/8"]), entry);
        }
        // Except what may be a key.
        assert_eq!(client("10.0.0.1", &["xczs_secret"], &["10.0.0.0/8"]), "-");
    }

    /// A hop of a chain: whether it is a proxy, as a proxy writes it, and as it is on record.
    fn hop() -> impl Strategy<Value = (bool, Vec<u8>, String)> {
        prop_oneof![
            (0u8..=255, proptest::option::of(any::<u16>())).prop_map(|(last, port)| {
                let address = format!("10.0.0.{last}");
                (true, port.map_or_else(|| address.clone(), |port| format!("{address}:{port}")).into_bytes(), address)
            }),
            (0u8..=255).prop_map(|last| (
                false,
                format!("[2001:db8::{last:x}]:80").into_bytes(),
                format!("2001:db8::{last:x}")
            )),
            "[a-z_]{0,9}".prop_map(|text| (false, text.clone().into_bytes(), text)),
            Just((false, b"\xe9t\xe9".to_vec(), "\\xe9t\\xe9".to_owned())),
        ]
    }

    proptest! {
        #[test]
        fn the_client_is_the_last_hop_that_is_no_trusted_proxy(hops in vec((hop(), any::<bool>()), 0..8)) {
            let mut lines: Vec<Vec<u8>> = vec![];
            for ((_, written, _), new_line) in &hops {
                match lines.last_mut() {
                    Some(line) if !new_line => line.extend([&b", "[..], written].concat()),
                    _ => lines.push(written.clone()),
                }
            }
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
            }
            let stranger = hops.iter().rev().find(|((is_proxy, _, _), _)| !is_proxy);
            let expected = stranger.or(hops.first()).map_or("10.9.9.9", |((_, _, address), _)| address);
            let found = client_address([10, 9, 9, 9].into(), &headers, &["10.0.0.0/8".parse().unwrap()]);
            prop_assert_eq!(found.to_string(), expected.replace("2001:db8::0", "2001:db8::"));
        }
    }
}
