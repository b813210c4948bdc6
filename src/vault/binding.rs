//! A sealed value's place, as additional authenticated data: a value that is moved elsewhere does not open there.

use smallvec::SmallVec;

use crate::types::AccountId;

/// On the stack for nearly every place, so that to open a value takes no memory for that.
type Encoded = SmallVec<[u8; 160]>;

/// Bytes of the length before a part.
const LENGTH: usize = 4;

/// The place of a value within its account: a list of parts, each with its length before it, so that no two lists have
/// the same encoding.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding(Encoded);

impl Binding {
    /// A place named by its parts, from the outermost inwards. Every kind of place has its own number of parts and its own
    /// words, decided by the caller.
    pub fn new(parts: &[&[u8]]) -> Self {
        let length = parts.iter().map(|part| LENGTH + part.len()).sum();
        let mut bytes = Encoded::from_elem(0, length);
        let mut rest = &mut *bytes;
        for part in parts {
            rest = put_part(rest, part);
        }
        Self(bytes)
    }

    /// The whole of what a value is bound to: format, account, data key, place.
    pub(super) fn authenticated(&self, format: u8, account: AccountId, key_id: &[u8]) -> Encoded {
        let account = account.0.to_be_bytes();
        let length = 1 + LENGTH + account.len() + LENGTH + key_id.len() + self.0.len();
        let mut bytes = Encoded::from_elem(0, length);
        let rest = put(&mut bytes, &[format]);
        let rest = put_part(rest, &account);
        let rest = put_part(rest, key_id);
        put(rest, &self.0);
        bytes
    }
}

/// Writes a part after its length in bytes, as a big-endian u32. Parts are far below 4 GiB. Returns the rest of the buffer.
fn put_part<'a>(bytes: &'a mut [u8], part: &[u8]) -> &'a mut [u8] {
    let length: [u8; LENGTH] = u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
    put(put(bytes, &length), part)
}

fn put<'a>(bytes: &'a mut [u8], part: &[u8]) -> &'a mut [u8] {
    let (place, rest) = bytes.split_at_mut(part.len());
    place.copy_from_slice(part);
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_additional_data_equals_that_of_stored_values() {
        let bytes = Binding::new(&[b"HIT", b"", "é".as_bytes()]).authenticated(1, AccountId(42), &7_u32.to_be_bytes());
        let header = [&[1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 42][..], &[0, 0, 0, 4, 0, 0, 0, 7]].concat();
        let place = [&b"\0\0\0\x03HIT"[..], b"\0\0\0\0", b"\0\0\0\x02\xc3\xa9"].concat();
        assert_eq!(bytes.as_slice(), [header, place].concat());
        let long = vec![7; 1000];
        let bytes = Binding::new(&[&long]).authenticated(1, AccountId(1), b"k");
        assert_eq!((bytes.len(), bytes.ends_with(&long)), (1 + 12 + 5 + 4 + 1000, true));
    }

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
