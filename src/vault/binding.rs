//! A sealed value's place, as additional authenticated data: a value that is moved elsewhere does not open there.

use smallvec::SmallVec;

use crate::types::AccountId;

/// Room for the parts of nearly every place, so that to open a value takes no memory for that.
type Encoded = SmallVec<[u8; 160]>;

/// The place of a value within its account: a list of parts, each with its length before it, so that no two lists have
/// the same encoding.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding(Encoded);

impl Binding {
    /// A place named by its parts, from the outermost inwards. Every kind of place has its own number of parts and its own
    /// words, decided by the caller.
    pub fn new(parts: &[&[u8]]) -> Self {
        let mut bytes = Encoded::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
        for part in parts {
            push(&mut bytes, part);
        }
        Self(bytes)
    }

    /// The whole of what a value is bound to: format, account, data key, place.
    pub(super) fn authenticated(&self, format: u8, account: AccountId, key_id: &[u8]) -> Encoded {
        let mut bytes = Encoded::with_capacity(self.0.len() + key_id.len() + 17);
        bytes.push(format);
        push(&mut bytes, &account.0.to_be_bytes());
        push(&mut bytes, key_id);
        bytes.extend_from_slice(&self.0);
        bytes
    }
}

/// Appends a part behind its length in bytes, as a big-endian u32. Parts are far below 4 GiB.
fn push(bytes: &mut Encoded, part: &[u8]) {
    bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn different_parts_never_encode_alike(
            a in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4), 0..5),
            b in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4), 0..5),
        ) {
            let encode = |parts: &[Vec<u8>]| Binding::new(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(a == b, encode(&a) == encode(&b));
        }
    }
}
