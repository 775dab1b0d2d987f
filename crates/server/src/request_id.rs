//! The name of a request in its answer and in the log.

use actix_web::http::header::HeaderValue;
use uuid::Uuid;

/// The longest id that is taken from somebody else. Those of the usual proxies are shorter.
const MAX_LEN: usize = 128;

/// The id that the request came with, where it is sound, or one of our own.
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// Takes the id that a request came with, or makes one.
    pub(crate) fn of(sent: Option<&HeaderValue>) -> Self {
        match sent {
            Some(sent) if is_sound(sent.as_bytes()) => Self(sent.clone()),
            _ => Self::new(),
        }
    }

    fn new() -> Self {
        let mut buffer = Uuid::encode_buffer();
        let id = &*Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
        // A header may have all of its characters.
        Self(HeaderValue::from_str(id).unwrap_or(HeaderValue::from_static("-")))
    }

    pub(crate) fn as_str(&self) -> &str {
        // It consists of ASCII characters, see above and below.
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Nothing that could be taken for something else in a line of a log.
fn is_sound(id: &[u8]) -> bool {
    let sound = |c: &u8| c.is_ascii_alphanumeric() || b"._:-".contains(c);
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(sent: &str) -> bool {
        let value = HeaderValue::from_bytes(sent.as_bytes()).ok();
        RequestId::of(value.as_ref()).as_str() == sent
    }

    #[test]
    fn a_sound_id_is_kept_and_any_other_replaced() {
        for sent in ["7f3a", "019aae2e-5a40:edge.1_x", &"x".repeat(128)] {
            assert!(kept(sent), "{sent}");
        }
        for sent in ["", "a b", "a\"b", "a\tb", "é", &"x".repeat(129)] {
            assert!(!kept(sent), "{sent}");
        }
        assert_eq!(RequestId::of(None).as_str().len(), 36);
    }
}
