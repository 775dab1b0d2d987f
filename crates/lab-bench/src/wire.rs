//! The bytes of a request, of which only some digits change, and the few bytes of an
//! answer that matter.

use std::net::SocketAddr;

/// Digits of a number in a request.
const DIGITS: usize = 16;

/// Digits that tell the SKUs apart.
const SKU_DIGITS: usize = 4;

/// A purchase request; the next one differs in buyer, key and SKU only.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    sku_at: usize,
    key_at: usize,
    buyer_at: usize,
    skus: u64,
}

impl Template {
    pub(crate) fn new(address: SocketAddr, prefix: &str, skus: u64) -> Self {
        let zeros = "0".repeat(DIGITS);
        let body = format!(r#"{{"buyer_id":"b-{zeros}","units":1}}"#);
        let path = format!("POST /v1/skus/{prefix}-");
        let head = format!(
            "{path}0000/orders HTTP/1.1\r\nhost: {address}\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\nidempotency-key: k-",
            body.len()
        );
        let (sku_at, key_at) = (path.len(), head.len());
        let text = format!("{head}{zeros}\r\n\r\n{body}");
        let buyer_at = key_at + DIGITS + "\r\n\r\n{\"buyer_id\":\"b-".len();
        Self {
            bytes: text.into_bytes(),
            sku_at,
            key_at,
            buyer_at,
            skus: skus.max(1),
        }
    }

    /// The request of a buyer. Neighbors in number are far apart in name, as in life, so
    /// that no index is filled from one end.
    pub(crate) fn of_buyer(&mut self, number: u64) -> &[u8] {
        // An odd factor maps no two numbers to one.
        let name = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut digits = [0; DIGITS];
        write_digits(&mut digits, name, 16);
        self.bytes[self.key_at..self.key_at + DIGITS].copy_from_slice(&digits);
        self.bytes[self.buyer_at..self.buyer_at + DIGITS].copy_from_slice(&digits);
        if self.skus > 1 {
            let sku = &mut self.bytes[self.sku_at..self.sku_at + SKU_DIGITS];
            write_digits(sku, number % self.skus, 10);
        }
        &self.bytes
    }
}

/// Writes a number from its last digit to the left.
fn write_digits(place: &mut [u8], mut number: u64, base: u64) {
    for digit in place.iter_mut().rev() {
        let value = u8::try_from(number % base).unwrap_or_default();
        *digit = if value < 10 { b'0' } else { b'a' - 10 } + value;
        number /= base;
    }
}

/// What an answer says to a buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Accepted,
    Replayed,
    SoldOut,
    Busy,
    Other,
}

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// The answer has not come to its end.
    Partial,
    /// An answer and its length.
    Whole(Kind, usize),
    /// No answer with a length.
    Garbage,
}

/// Whether an answer has come to its end.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    matches!(parse(bytes), Parsed::Whole(..))
}

const END_OF_HEAD: &[u8] = b"\r\n\r\n";
const LENGTH: &[u8] = b"content-length:";

/// Reads as much of an answer as is needed to count it.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let Some(head_end) = position(bytes, END_OF_HEAD) else {
        return Parsed::Partial;
    };
    let head = &bytes[..head_end];
    let (Some(status), Some(length)) = (head.get(9..12), content_length(head)) else {
        return Parsed::Garbage;
    };
    let end = head_end + END_OF_HEAD.len() + length;
    let Some(body) = bytes.get(head_end..end) else {
        return Parsed::Partial;
    };
    let says = |code: &[u8]| position(body, code).is_some();
    let kind = match status {
        b"201" => Kind::Accepted,
        b"200" => Kind::Replayed,
        b"409" if says(br#""sold-out""#) => Kind::SoldOut,
        b"503" if says(br#""busy""#) => Kind::Busy,
        _ => Kind::Other,
    };
    Parsed::Whole(kind, end)
}

fn content_length(head: &[u8]) -> Option<usize> {
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| {
            line.get(..LENGTH.len())
                .is_some_and(|name| name.eq_ignore_ascii_case(LENGTH))
        })?
        .get(LENGTH.len()..)?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let found = bytes.get(from..)?.iter().position(|byte| *byte == first)?;
        if bytes[from + found..].starts_with(wanted) {
            return Some(from + found);
        }
        from += found + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(skus: u64) -> Template {
        Template::new("127.0.0.1:80".parse().expect("an address"), "b-1", skus)
    }

    #[test]
    fn a_request_says_how_long_its_body_is_and_names_its_buyer_twice() {
        let mut template = template(1);
        let text = String::from_utf8(template.of_buyer(1).to_vec()).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("POST /v1/skus/b-1-0000/orders HTTP/1.1\r\n"));
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        assert!(head.ends_with("idempotency-key: k-9e3779b97f4a7c15"));
        assert_eq!(body, r#"{"buyer_id":"b-9e3779b97f4a7c15","units":1}"#);
    }

    #[test]
    fn buyers_spread_over_all_skus() {
        let mut template = template(1_000);
        let text = String::from_utf8(template.of_buyer(12_345).to_vec()).expect("text");
        assert!(text.starts_with("POST /v1/skus/b-1-0345/orders "));
    }

    #[test]
    fn each_answer_has_its_kind() {
        for (status, body, kind) in [
            ("201 Created", "{}", Kind::Accepted),
            ("200 OK", "{}", Kind::Replayed),
            ("409 Conflict", r#"{"code":"sold-out"}"#, Kind::SoldOut),
            ("409 Conflict", r#"{"code":"limit-reached"}"#, Kind::Other),
            ("503 Service Unavailable", r#"{"code":"busy"}"#, Kind::Busy),
            (
                "503 Service Unavailable",
                r#"{"code":"outcome-unknown"}"#,
                Kind::Other,
            ),
        ] {
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\ndate: now\r\n\r\n{body}",
                body.len()
            );
            let whole = Parsed::Whole(kind, answer.len());
            assert_eq!(parse(answer.as_bytes()), whole, "{answer}");
        }
    }

    #[test]
    fn half_an_answer_is_waited_for_and_one_without_length_is_not() {
        let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}";
        for end in 0..answer.len() {
            assert_eq!(parse(&answer[..end]), Parsed::Partial, "{end}");
        }
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(parse(chunked), Parsed::Garbage);
    }
}
