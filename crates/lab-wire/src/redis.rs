//! Redis' protocol, as far as a reader of commands and answers needs it.
//!
//! # Source
//!
//! Redis serialization protocol specification, RESP2.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::protocol::{Heard, Protocol, Said};
use crate::statement::{Statement, Store};

/// The hash of a script is shown up to here.
const HASH_SHOWN: usize = 5;

/// One connection, both ways.
#[derive(Default)]
pub(crate) struct Redis {
    awaited: VecDeque<u64>,
    last_number: u64,
}

impl Protocol for Redis {
    fn said(&mut self, buffer: &mut BytesMut) -> Option<Said> {
        let (value, length) = parse(buffer)?;
        self.last_number += 1;
        self.awaited.push_back(self.last_number);
        Some(Said {
            bytes: buffer.split_to(length).freeze(),
            statement: Some(statement(value.words())),
            number: self.last_number,
            answer: None,
        })
    }

    fn heard(&mut self, buffer: &mut BytesMut) -> Option<Heard> {
        let (value, length) = parse(buffer)?;
        let number = self.awaited.pop_front();
        Some(Heard {
            bytes: buffer.split_to(length).freeze(),
            returned: number.map(|number| (number, value.shown())),
            is_news: false,
        })
    }
}

/// `EVALSHA hash 1 key arguments…`, with a short hash to read.
fn statement(mut words: Vec<String>) -> Statement {
    let sql = words.join(" ");
    if let [name, hash, ..] = words.as_mut_slice()
        && name == "EVALSHA"
    {
        *hash = hash.chars().take(HASH_SHOWN).chain(['…']).collect();
    }
    Statement::new(Store::Redis, sql, Vec::new(), words.join(" "))
}

/// What is said at once, as it is shown.
#[derive(Debug, PartialEq, Eq)]
enum Value {
    /// A string, a number, an error, or nothing.
    One(String),
    Array(Vec<String>),
}

impl Value {
    fn words(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Array(texts) => texts,
        }
    }

    fn shown(self) -> String {
        match self {
            Self::One(text) => text,
            Self::Array(texts) => format!("[{}]", texts.join(", ")),
        }
    }
}

/// Reads one value and its length in bytes, if it is complete.
fn parse(buffer: &[u8]) -> Option<(Value, usize)> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let end = buffer.windows(2).position(|bytes| bytes == b"\r\n")?;
    let line = text(buffer.get(1..end)?);
    let mut length = end + 2;
    let value = match (buffer.first()?, line.parse::<usize>()) {
        (b'$', Ok(size)) => {
            let bulk = buffer.get(length..length + size + 2)?.get(..size)?;
            length += size + 2;
            Value::One(text(bulk))
        }
        (b'*', Ok(count)) => {
            let mut texts = Vec::new();
            for _ in 0..count {
                let (value, size) = parse(buffer.get(length..)?)?;
                length += size;
                texts.push(value.shown());
            }
            Value::Array(texts)
        }
        // A negative length.
        (b'$' | b'*', Err(_)) => Value::One("nil".to_owned()),
        _ => Value::One(line),
    };
    Some((value, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_a_script_is_a_statement_and_its_answer_is_shown() {
        let mut redis = Redis::default();
        let mut up = BytesMut::from(
            &b"*2\r\n$4\r\nPING\r\n$1\r\nx\r\n*3\r\n$7\r\nEVALSHA\r\n$9\r\n\
               012345678\r\n$1\r\n1\r\n"[..],
        );
        let ping = redis.said(&mut up).expect("a command");
        let call = redis.said(&mut up).expect("a command");
        assert!(up.is_empty());
        let statement = call.statement.expect("a statement");
        assert_eq!(statement.sql, "EVALSHA 012345678 1");
        assert_eq!(statement.readable, "EVALSHA 01234… 1");

        let mut down = BytesMut::from("+PONG\r\n*2\r\n:7\r\n:0\r");
        let pong = redis.heard(&mut down).expect("an answer");
        assert_eq!(pong.returned, Some((ping.number, "PONG".to_owned())));
        assert!(redis.heard(&mut down).is_none());
        down.extend_from_slice(b"\n");
        let answer = redis.heard(&mut down).expect("an answer");
        assert_eq!(answer.returned, Some((call.number, "[7, 0]".to_owned())));
    }

    #[test]
    fn nothing_and_an_error_are_answers_too() {
        for (said, shown) in [("$-1", "nil"), ("*0", "[]"), ("-ERR no", "ERR no")] {
            let (value, length) = parse(format!("{said}\r\n").as_bytes()).expect(said);
            assert_eq!((value.shown().as_str(), length), (shown, said.len() + 2));
        }
        assert_eq!(parse(b"$5\r\nab"), None);
    }
}
