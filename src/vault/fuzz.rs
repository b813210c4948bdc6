//! Properties that hold for any bytes in a sealed value's place.

#![allow(clippy::missing_panics_doc, reason = "a panic is what a fuzzer looks for")]

use std::sync::LazyLock;

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::Binding;
use super::data_key::DataKey;
use super::sealed::Sealed;
use crate::types::AccountId;

const ACCOUNT: AccountId = AccountId(42);
const GENERATION: u32 = 7;

static DATA_KEY: LazyLock<DataKey> = LazyLock::new(|| DataKey::new(GENERATION, &Zeroizing::new([5; 32])));

/// Bytes are taken apart and put together again without loss; nobody makes up a value that opens; what was sealed opens
/// where it was sealed, and neither elsewhere nor with one bit turned.
pub fn check(input: &[u8]) {
    let place = |parts: &[&[u8]]| Binding::new(parts);
    if let Ok(sealed) = Sealed::parse(input.to_vec()) {
        assert_eq!(sealed.as_bytes(), input);
        let again = Sealed::assemble(sealed.generation(), &sealed.nonce(), sealed.ciphertext());
        assert!(again == sealed);
        assert!(DATA_KEY.open(ACCOUNT, &sealed, &place(&[b"made up"])).is_err());
    }

    // The first two bytes choose the bit, the rest is the value and its place.
    let (choice, text) = input.split_at(input.len().min(2));
    let bit = choice.iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte));
    let text = String::from_utf8_lossy(text);
    let here = place(&[b"here", text.as_bytes()]);
    let Ok(sealed) = DATA_KEY.seal(ACCOUNT, &text, &here) else { return };
    assert!(DATA_KEY.open(ACCOUNT, &sealed, &here).is_ok_and(|opened| opened.expose_secret() == text));
    assert!(DATA_KEY.open(AccountId(43), &sealed, &here).is_err());
    assert!(DATA_KEY.open(ACCOUNT, &sealed, &place(&[b"here", text.as_bytes(), b""])).is_err());
    let mut turned = sealed.as_bytes().to_vec();
    let bit = bit % (turned.len() * 8);
    turned[bit / 8] ^= 1 << (bit % 8);
    let opens = Sealed::parse(turned).is_ok_and(|turned| DATA_KEY.open(ACCOUNT, &turned, &here).is_ok());
    assert!(!opens, "bit {bit}");
}
