//! Certificates for tests of TLS: an authority, and what it signs. X.509 (RFC 5280) as far as such a test needs it, under
//! Ed25519 (RFC 8410), because a crate for it would change the features of crates that the program is built with.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// `AlgorithmIdentifier` of Ed25519.
const ED25519: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
/// 2.5.29.17, 2.5.29.19, 2.5.4.3
const SUBJECT_ALT_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x13];
const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];

/// The years between which certificates that are in order are valid.
pub const VALID: (u32, u32) = (2020, 2120);
/// The years of one that has expired.
pub const EXPIRED: (u32, u32) = (2020, 2021);

/// A certificate and its key, both DER.
pub struct Certificate {
    pub der: Vec<u8>,
    pub key: Vec<u8>,
}

impl Certificate {
    /// The certificate as a PEM file.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// The private key as a PEM file.
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }

    /// Writes both into a folder, as `<name>.pem` and `<name>.key`.
    pub fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), self.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), self.key_pem()).unwrap();
    }
}

/// Signs certificates.
pub struct Authority {
    pub certificate: Certificate,
    pair: Ed25519KeyPair,
    name: &'static str,
}

impl Authority {
    pub fn new(name: &'static str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref().to_vec();
        let pair = Ed25519KeyPair::from_pkcs8(&key).unwrap();
        let is_authority =
            sequence(&[BASIC_CONSTRAINTS, &[0x01, 0x01, 0xff], &octets(&sequence(&[&[0x01, 0x01, 0xff]]))]);
        let der = signed(&pair, name, &pair, name, VALID, &is_authority);
        Self { certificate: Certificate { der, key }, pair, name }
    }

    /// A certificate for `localhost`, as a server's or a client's.
    pub fn sign(&self, years: (u32, u32)) -> Certificate {
        self.sign_for("localhost", years)
    }

    /// A certificate for a host name.
    pub fn sign_for(&self, host: &str, (from, until): (u32, u32)) -> Certificate {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref().to_vec();
        let pair = Ed25519KeyPair::from_pkcs8(&key).unwrap();
        let names = sequence(&[SUBJECT_ALT_NAME, &octets(&sequence(&[&tlv(0x82, host.as_bytes())]))]);
        Certificate { der: signed(&self.pair, self.name, &pair, host, (from, until), &names), key }
    }
}

fn signed(
    issuer: &Ed25519KeyPair,
    issuer_name: &str,
    subject: &Ed25519KeyPair,
    subject_name: &str,
    (from, until): (u32, u32),
    extension: &[u8],
) -> Vec<u8> {
    let time = |year| tlv(0x18, format!("{year}0101000000Z").as_bytes());
    let serial = [&[0x01][..], &subject.public_key().as_ref()[..8]].concat();
    let to_be_signed = sequence(&[
        &tlv(0xa0, &[0x02, 0x01, 0x02]), // version 3
        &tlv(0x02, &serial),
        ED25519,
        &common_name(issuer_name),
        &sequence(&[&time(from), &time(until)]),
        &common_name(subject_name),
        &sequence(&[ED25519, &bits(subject.public_key().as_ref())]),
        &tlv(0xa3, &sequence(&[extension])),
    ]);
    sequence(&[&to_be_signed, ED25519, &bits(issuer.sign(&to_be_signed).as_ref())])
}

fn common_name(name: &str) -> Vec<u8> {
    let attribute = sequence(&[COMMON_NAME, &tlv(0x0c, name.as_bytes())]);
    sequence(&[&tlv(0x31, &attribute)])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn octets(content: &[u8]) -> Vec<u8> {
    tlv(0x04, content)
}

fn bits(content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], content].concat())
}

/// Tag, length, value (X.690).
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match (high, low) {
        (0, 0..0x80) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[tag][..], &length, content].concat()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}
