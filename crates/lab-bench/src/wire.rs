//! The bytes of a request, of which only some digits change, and the few bytes of an
//! answer that matter.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use httparse::{EMPTY_HEADER, Response, Status};
use memchr::memmem;

/// What stands where the digits of a number will.
const ZEROS: &str = "0000000000000000";

/// Digits that tell the SKUs apart.
const SKU_DIGITS: usize = 4;

/// No answer has more.
const HEADERS: usize = 64;

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
    pub(crate) fn new(address: SocketAddr, prefix: &str, skus: u16) -> Self {
        let path = format!("POST /v1/skus/{prefix}-");
        let body_start = r#"{"buyer_id":"b-"#;
        let body = format!(r#"{body_start}{ZEROS}","units":1}}"#);
        let head = format!(
            "{path}0000/orders HTTP/1.1\r\nhost: {address}\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\nidempotency-key: k-",
            body.len()
        );
        let until_body = format!("{head}{ZEROS}\r\n\r\n");
        Self {
            sku_at: path.len(),
            key_at: head.len(),
            buyer_at: until_body.len() + body_start.len(),
            bytes: (until_body + &body).into_bytes(),
            skus: skus.into(),
        }
    }

    /// The request of a buyer. Neighbors in number are far apart in name, as in life, so
    /// that no index is filled from one end.
    pub(crate) fn of_buyer(&mut self, number: u64) -> &[u8] {
        // An odd factor maps no two numbers to one.
        let name = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for at in [self.key_at, self.buyer_at] {
            write_digits(&mut self.bytes[at..at + ZEROS.len()], name, 16);
        }
        if self.skus > 1 {
            let sku = &mut self.bytes[self.sku_at..self.sku_at + SKU_DIGITS];
            write_digits(sku, number % self.skus, 10);
        }
        &self.bytes
    }
}

/// Writes a number from its last digit to the left: formatting takes six times as long.
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

/// Reads as much of an answer as is needed to count it, and how long it is; none while it
/// has not come to its end.
///
/// # Errors
///
/// No answer of HTTP that says how long it is.
pub(crate) fn parse(bytes: &[u8]) -> io::Result<Option<(Kind, usize)>> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut answer = Response::new(&mut headers);
    let Status::Complete(head) = answer.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let length = answer
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| str::from_utf8(header.value).ok()?.parse::<usize>().ok())
        .ok_or(ErrorKind::InvalidData)?;
    let Some(body) = bytes.get(head..head + length) else {
        return Ok(None);
    };
    let says = |code: &str| memmem::find(body, code.as_bytes()).is_some();
    let kind = match answer.code {
        Some(201) => Kind::Accepted,
        Some(200) => Kind::Replayed,
        Some(409) if says(r#""sold-out""#) => Kind::SoldOut,
        Some(503) if says(r#""busy""#) => Kind::Busy,
        _ => Kind::Other,
    };
    Ok(Some((kind, head + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_buyer_twice_and_buyers_spread_over_all_skus() {
        let address = "127.0.0.1:80".parse().expect("an address");
        let mut template = Template::new(address, "b-1", 1_000);
        let request = template.of_buyer(12_345).to_vec();
        let text = String::from_utf8(request).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("POST /v1/skus/b-1-0345/orders HTTP/1.1\r\n"));
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        assert!(
            head.ends_with("idempotency-key: k-a12ce22b4ed990ad"),
            "{head}"
        );
        assert_eq!(body, r#"{"buyer_id":"b-a12ce22b4ed990ad","units":1}"#);
    }

    #[test]
    fn each_answer_has_its_kind_once_it_is_whole_and_says_how_long_it_is() {
        for (status, body, kind) in [
            ("201 Created", "{}", Kind::Accepted),
            ("200 OK", "{}", Kind::Replayed),
            ("409 Conflict", r#"{"code":"sold-out"}"#, Kind::SoldOut),
            ("409 Conflict", r#"{"code":"limit-reached"}"#, Kind::Other),
            ("503 Busy", r#"{"code":"busy"}"#, Kind::Busy),
            ("503 Lost", r#"{"code":"outcome-unknown"}"#, Kind::Other),
        ] {
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}");
            let answer = format!("{head}\r\ndate: now\r\n\r\n{body}");
            let parsed = |end| parse(&answer.as_bytes()[..end]).expect("an answer");
            assert_eq!(parsed(answer.len()), Some((kind, answer.len())), "{answer}");
            for end in 0..answer.len() {
                assert_eq!(parsed(end), None, "{end}");
            }
        }
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(parse(chunked).is_err());
    }
}
