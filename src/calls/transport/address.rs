//! The addresses to which a call may go without a permission of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is one of the internet, and not of this machine, of a private network, of a cloud's metadata, or of a
/// purpose that no server has (IANA's registries of special-purpose addresses).
///
/// An IPv6 address that is an IPv4 address in another form is judged by the latter; forms that reach hosts by way of a tunnel
/// (6to4, Teredo) are refused.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        // This network, private, this machine, multicast, reserved, broadcast.
        [0 | 10 | 127 | 224..=255, ..]
            // Carriers' networks; link-local, with the metadata of clouds; private.
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            // Assignments of protocols, documentation, relays of 6to4, private, benchmarks, documentation.
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // ::ffff:0:0/96 is IPv4 in a socket of IPv6, and 64:ff9b::/96 IPv4 behind a translator (NAT64).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        // Protocols, with Teredo; documentation; 6to4.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast. All the rest is local, multicast, reserved or without use.
        [first, ..] => matches!(first, 0x2000..=0x3fff),
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        let public = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::",
            "2001:200::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
            "3fff:1000::",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ];
        for address in public {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        let forbidden = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::127.0.0.1",
            "::1.1.1.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1.1.1.1",
            "64:ff9b:0:1::1.1.1.1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:0101:0101::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
            "ffff::1",
        ];
        for address in forbidden {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    /// The blocks of IANA's registries of special-purpose addresses that are not global, with those of multicast and of
    /// obsolete forms, and the forms of IPv4 in IPv6.
    const SPECIAL: &[&str] = &[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    ];

    /// The same judgement by blocks, for the property below.
    fn is_public_by_blocks(address: IpAddr) -> bool {
        let within = |block: &str| block.parse::<IpNet>().unwrap().contains(&address);
        if let IpAddr::V6(v6) = address
            && ["::ffff:0:0/96", "64:ff9b::/96"].iter().any(|block| within(block))
        {
            let [.., a, b, c, d] = v6.octets();
            return is_public_by_blocks(IpAddr::V4(Ipv4Addr::new(a, b, c, d)));
        }
        (address.is_ipv4() || within("2000::/3")) && !SPECIAL.iter().any(|block| within(block))
    }

    /// Addresses at random, near the ends of the special blocks, and the same within the forms of IPv6.
    fn addresses() -> impl Strategy<Value = IpAddr> {
        let near = (prop::sample::select(SPECIAL), any::<bool>(), -2_i32..=2).prop_map(|(block, is_last, step)| {
            let block: IpNet = block.parse().unwrap();
            match if is_last { block.broadcast() } else { block.network() } {
                IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits().wrapping_add_signed(step))),
                IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits().wrapping_add_signed(step.into()))),
            }
        });
        let v4 = any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
        let v6 = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
        let global = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits >> 3 | 1 << 125)));
        let one = prop_oneof![near, v4, v6, global];
        let prefix = prop_oneof![Just(0xffff_0000_0000), Just(0x64_ff9b << 96), Just(0x64_ff9b_0001 << 80), Just(0)];
        (one, prefix, any::<bool>()).prop_map(|(address, prefix, is_wrapped)| match address {
            IpAddr::V4(v4) if is_wrapped => IpAddr::V6(Ipv6Addr::from_bits(prefix | u128::from(v4.to_bits()))),
            address => address,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn an_address_is_public_if_no_special_block_has_it(address in addresses()) {
            prop_assert_eq!(is_public(address), is_public_by_blocks(address));
        }
    }
}
