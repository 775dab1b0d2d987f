//! Redis' protocol, as far as a reader of commands and answers needs it.
//!
//! # Source
//!
//! Redis serialization protocol specification, RESP2.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::protocol::{Heard, Protocol, Said};
use crate::statement::{Does, Statement, Store};

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
        let bytes = buffer.split_to(length).freeze();
        self.last_number += 1;
        self.awaited.push_back(self.last_number);
        Some(Said {
            bytes,
            statement: Some(statement(&value.words())),
            number: self.last_number,
            answer: None,
        })
    }

    fn heard(&mut self, buffer: &mut BytesMut) -> Option<Heard> {
        let (value, length) = parse(buffer)?;
        let bytes = buffer.split_to(length).freeze();
        let number = self.awaited.pop_front();
        Some(Heard {
            bytes,
            returned: number.map(|number| (number, value.shown())),
            is_news: false,
        })
    }
}

/// `EVALSHA hash 1 key arguments…`, with a short hash to read.
fn statement(words: &[String]) -> Statement {
    let readable: Vec<String> = match words {
        [name, hash, rest @ ..] if name == "EVALSHA" => {
            let short: String = hash.chars().take(HASH_SHOWN).collect();
            [name.clone(), format!("{short}…")]
                .into_iter()
                .chain(rest.iter().cloned())
                .collect()
        }
        words => words.to_vec(),
    };
    let sql = words.join(" ");
    Statement {
        store: Store::Redis,
        purpose: Does::of(Store::Redis, &sql).purpose(),
        sql,
        parameters: Vec::new(),
        readable: readable.join(" "),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Value {
    /// A simple string, a number or an error, as it stands in its line.
    Line(String),
    Bulk(String),
    Nil,
    Array(Vec<Value>),
}

impl Value {
    fn words(&self) -> Vec<String> {
        match self {
            Self::Array(values) => values.iter().map(Self::shown).collect(),
            single => vec![single.shown()],
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Line(text) | Self::Bulk(text) => text.clone(),
            Self::Nil => "nil".to_owned(),
            Self::Array(_) => format!("[{}]", self.words().join(", ")),
        }
    }
}

/// Reads one value and its length in bytes, if it is complete.
fn parse(buffer: &[u8]) -> Option<(Value, usize)> {
    let end = buffer.windows(2).position(|bytes| bytes == b"\r\n")?;
    let line = String::from_utf8_lossy(buffer.get(1..end)?).into_owned();
    let mut length = end + 2;
    let value = match buffer.first()? {
        b'$' => match line.parse::<usize>() {
            Ok(size) => {
                let bulk = buffer.get(length..length + size + 2)?.get(..size)?;
                length += size + 2;
                Value::Bulk(String::from_utf8_lossy(bulk).into_owned())
            }
            Err(_negative) => Value::Nil,
        },
        b'*' => match line.parse::<usize>() {
            Ok(count) => {
                let mut values = Vec::new();
                for _ in 0..count {
                    let (value, size) = parse(buffer.get(length..)?)?;
                    length += size;
                    values.push(value);
                }
                Value::Array(values)
            }
            Err(_negative) => Value::Nil,
        },
        _ => Value::Line(line),
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
        assert_eq!(parse(b"$-1\r\n"), Some((Value::Nil, 5)));
        assert_eq!(parse(b"*0\r\n"), Some((Value::Array(Vec::new()), 4)));
        let error = Value::Line("ERR no".to_owned());
        assert_eq!(parse(b"-ERR no\r\n"), Some((error, 9)));
        assert_eq!(parse(b"$5\r\nab"), None);
    }
}
