//! The stored forms of a wrapped data key (`data_keys.wrapped`), parsed before anything is done with them.
//!
//! ```text
//! by a key of the keyring      0x01 │ nonce (12) │ ciphertext (32) │ tag (16)
//! by the key service           0x02 │ "vault:v<version>:<base64>", as it came
//! ```

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::OpenError;
use super::sealed::{NONCE, TAG};

/// Format of a data key that a key of the keyring wrapped. Authenticated with it.
pub(super) const LOCAL: u8 = 1;
/// Format of a data key that the key service wrapped. Authenticated with it.
pub(super) const TRANSIT: u8 = 2;

/// A wrapped data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrapped {
    /// By a key of the keyring.
    Local {
        nonce: [u8; NONCE],
        /// The ciphertext of 32 bytes, and the tag.
        ciphertext: [u8; 32 + TAG],
    },
    /// By the key service.
    Transit(Ciphertext),
}

/// The key service's ciphertext of a plaintext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ciphertext {
    /// Version of the key.
    pub version: u32,
    /// The whole text, which goes back as it is.
    pub text: String,
}

impl Wrapped {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        let (format, rest) = bytes.split_first().ok_or(OpenError::Malformed)?;
        match *format {
            LOCAL => {
                let (nonce, rest) = rest.split_first_chunk().ok_or(OpenError::Malformed)?;
                let ciphertext = rest.try_into().map_err(|_| OpenError::Malformed)?;
                Ok(Self::Local { nonce: *nonce, ciphertext })
            }
            TRANSIT => {
                let text = std::str::from_utf8(rest).map_err(|_| OpenError::Malformed)?;
                Ciphertext::parse(text).map(Self::Transit).ok_or(OpenError::Malformed)
            }
            _ => Err(OpenError::UnknownFormat),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Wrapped::Local { nonce, ciphertext } => [&[LOCAL], nonce.as_slice(), ciphertext].concat(),
            Wrapped::Transit(ciphertext) => [&[TRANSIT], ciphertext.text.as_bytes()].concat(),
        }
    }
}

impl Ciphertext {
    /// Reads `vault:v<version>:<base64>`. `OpenBao` writes the same prefix.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (digits, base64) = text.strip_prefix("vault:v")?.split_once(':')?;
        if digits.starts_with(['0', '+']) || BASE64_STANDARD.decode(base64).is_ok_and(|bytes| bytes.is_empty()) {
            return None;
        }
        BASE64_STANDARD.decode(base64).ok()?;
        Some(Self { version: digits.parse().ok()?, text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_wrapped() -> impl Strategy<Value = Wrapped> {
        let local = (any::<[u8; NONCE]>(), proptest::collection::vec(any::<u8>(), 32 + TAG))
            .prop_map(|(nonce, ciphertext)| Wrapped::Local { nonce, ciphertext: ciphertext.try_into().unwrap() });
        let transit = (1_u32.., proptest::collection::vec(any::<u8>(), 1..200)).prop_map(|(version, bytes)| {
            let text = format!("vault:v{version}:{}", BASE64_STANDARD.encode(bytes));
            Wrapped::Transit(Ciphertext { version, text })
        });
        prop_oneof![local, transit]
    }

    proptest! {
        #[test]
        fn a_written_wrap_is_parsed_back(wrapped in any_wrapped()) {
            prop_assert_eq!(Wrapped::parse(&wrapped.to_bytes()), Ok(wrapped));
        }

        #[test]
        fn a_parsed_wrap_is_written_back(format in 0_u8..4, rest in proptest::collection::vec(any::<u8>(), 0..80)) {
            let bytes = [&[format], rest.as_slice()].concat();
            if let Ok(wrapped) = Wrapped::parse(&bytes) {
                prop_assert_eq!(wrapped.to_bytes(), bytes);
            }
        }

        #[test]
        fn texts_like_those_of_the_key_service_are_read_strictly(text in "(vault|bao)?:?v?[+0-9]{0,11}:?[A-Za-z0-9+/=]{0,8}") {
            if let Some(read) = Ciphertext::parse(&text) {
                let start = format!("vault:v{}:", read.version);
                prop_assert!(text.starts_with(&start));
                prop_assert_eq!(read.text, text);
            }
        }

        #[test]
        fn a_shortened_local_form_is_refused(wrapped in any_wrapped(), cut in 1_usize..61) {
            let bytes = wrapped.to_bytes();
            if matches!(wrapped, Wrapped::Local { .. }) {
                prop_assert!(Wrapped::parse(&bytes[..bytes.len() - cut]).is_err());
            }
        }
    }

    #[test]
    fn wrong_forms_are_distinguished() {
        assert_eq!(Wrapped::parse(&[]), Err(OpenError::Malformed));
        assert_eq!(Wrapped::parse(&[9; 61]), Err(OpenError::UnknownFormat));
        for text in
            ["", "vault:v1", "vault:v1:", "vault:v:AAAA", "vault:v0:AAAA", "vault:v+1:AAAA", "vault:v1:AAA", "AAAA"]
        {
            assert_eq!(Wrapped::parse(&[&[TRANSIT], text.as_bytes()].concat()), Err(OpenError::Malformed), "{text}");
        }
    }
}
