//! Authenticates the messages of instances: a role that may only connect to the database can send anything on a channel.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::message::Message;

/// Bytes of the code in a message: half of a MAC, too many to be found by trying.
const LENGTH: usize = 16;

/// The key of the messages of one installation.
#[derive(Clone)]
pub(super) struct MessageKey(Hmac<Sha256>);

impl MessageKey {
    /// Takes MACs under a key that serves nothing else.
    pub fn new(macs: Hmac<Sha256>) -> Self {
        Self(macs)
    }

    /// Returns the message with its code before it.
    pub fn sign(&self, message: &Message) -> String {
        let text = message.to_string();
        format!("{} {text}", self.code(&text))
    }

    /// Reads a message that was signed under this key.
    pub fn read(&self, signed: &str) -> Option<Message> {
        let (code, text) = signed.split_once(' ')?;
        let code = BASE64_URL_SAFE_NO_PAD.decode(code).ok().filter(|code| code.len() == LENGTH)?;
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        mac.verify_truncated_left(&code).ok().map(|()| Message::parse(text))
    }

    fn code(&self, text: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..LENGTH])
    }
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_what_was_signed_under_the_key_is_read() {
        let key = |byte| MessageKey::new(Hmac::new_from_slice(&[byte; 32]).unwrap());
        let message = Message::Hold { change: Uuid::nil(), by: Uuid::nil(), changed: "\naccount 7\n".to_owned() };
        let signed = key(1).sign(&message);
        assert_eq!(key(1).read(&signed), Some(message.clone()));
        assert_eq!(key(2).read(&signed), None);
        let (code, text) = signed.split_once(' ').unwrap();
        for forged in [
            text.to_owned(),
            format!("{} {text}", &code[2..]),
            format!("{code}00 {text}"),
            format!("{code} {text}x"),
            format!(" {text}"),
            String::new(),
        ] {
            assert_eq!(key(1).read(&forged), None, "{forged}");
        }
    }
}
