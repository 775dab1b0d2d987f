//! PostgreSQL's protocol, as far as a reader of statements and results needs it.
//!
//! # Source
//!
//! PostgreSQL 16 manual, sections 55.2 "Message Flow" and 55.7 "Message Formats".

use std::collections::{HashMap, VecDeque};

use crate::bytes::Bytes;
use crate::statement::{Does, Statement, Store};
use crate::value::{self, Parameter};
use crate::wire::{Heard, Protocol, Said};

/// Rows of a result that are shown.
const ROWS_MAX: usize = 3;

/// A statement that was prepared under a name.
#[derive(Default, Clone)]
struct Prepared {
    sql: String,
    parameter_types: Vec<u32>,
    columns: Vec<Column>,
}

#[derive(Clone)]
struct Column {
    name: String,
    type_id: u32,
    is_binary: bool,
}

/// What the server still has to answer, up to its next `ReadyForQuery`.
#[derive(Default)]
struct Awaited {
    number: u64,
    /// The prepared statement that is described.
    described: Option<String>,
    /// The columns of the rows to come, and whether they come in binary.
    columns: Vec<Column>,
    rows: Vec<String>,
    outcome: Option<String>,
    executes: bool,
}

/// One connection, both ways.
#[derive(Default)]
pub(crate) struct Postgres {
    started: bool,
    prepared: HashMap<String, Prepared>,
    /// Messages that wait for their Sync.
    gathering: Vec<u8>,
    current: Awaited,
    statement: Option<Statement>,
    awaited: VecDeque<Awaited>,
    last_number: u64,
    pid: Option<i32>,
}

impl Protocol for Postgres {
    fn said(&mut self, buffer: &mut Vec<u8>) -> Option<Said> {
        if !self.started && asks_for_encryption(buffer) {
            buffer.drain(..ENCRYPTION_REQUEST);
            return Some(Said {
                bytes: Vec::new(),
                statement: None,
                number: self.last_number,
                // It is asked for what it has: then the client goes on in the open.
                answer: Some(b"N"),
            });
        }
        while let Some(message) = self.next_message(buffer) {
            let kind = self.started.then(|| message.first().copied()).flatten();
            self.gathering.extend_from_slice(&message);
            match kind {
                // The first message has no type, and is answered at length.
                None => self.started = true,
                Some(kind) => {
                    // What cannot be read is passed on, and shown as nothing.
                    let _read = self.read_frontend(kind, message.get(5..)?);
                }
            }
            match kind {
                None | Some(b'S' | b'Q') => {
                    self.last_number += 1;
                    let mut awaited = std::mem::take(&mut self.current);
                    awaited.number = self.last_number;
                    self.awaited.push_back(awaited);
                }
                // A password, a flush, a farewell.
                Some(b'p' | b'H' | b'X') => {}
                Some(_) => continue,
            }
            return Some(Said {
                bytes: std::mem::take(&mut self.gathering),
                statement: self.statement.take(),
                number: self.last_number,
                answer: None,
            });
        }
        None
    }

    fn heard(&mut self, buffer: &mut Vec<u8>) -> Option<Heard> {
        let length = typed_length(buffer)?;
        let bytes: Vec<u8> = buffer.drain(..length).collect();
        let kind = bytes.first().copied().unwrap_or_default();
        // What cannot be read is passed on, and shown as nothing.
        let _read = self.read_backend(kind, bytes.get(5..).unwrap_or_default());
        let mut returned = None;
        if kind == b'Z' {
            let awaited = self.awaited.pop_front();
            returned = awaited
                .filter(|it| it.executes)
                .map(|it| (it.number, it.shown()));
        }
        Some(Heard { bytes, returned })
    }

    fn pid(&self) -> Option<i32> {
        self.pid
    }
}

/// The length of `SSLRequest` and `GSSENCRequest`.
const ENCRYPTION_REQUEST: usize = 8;

/// Whether the first message is `SSLRequest` or `GSSENCRequest`.
fn asks_for_encryption(buffer: &[u8]) -> bool {
    let mut bytes = Bytes(buffer);
    bytes.int32() == Some(8) && matches!(bytes.int32(), Some(80_877_103 | 80_877_104))
}

/// The length of the first message, if it is complete.
fn typed_length(buffer: &[u8]) -> Option<usize> {
    let length = usize::try_from(Bytes(buffer.get(1..)?).int32()?).ok()? + 1;
    (buffer.len() >= length).then_some(length)
}

impl Postgres {
    fn next_message(&self, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
        let length = if self.started {
            typed_length(buffer)?
        } else {
            usize::try_from(Bytes(buffer).int32()?).ok()?
        };
        (buffer.len() >= length).then(|| buffer.drain(..length).collect())
    }

    fn read_frontend(&mut self, kind: u8, body: &[u8]) -> Option<()> {
        let mut body = Bytes(body);
        match kind {
            b'Q' => {
                let sql = body.text()?;
                self.current.executes = true;
                self.statement = Some(statement(sql, Vec::new()));
            }
            b'P' => {
                let name = body.text()?;
                let sql = body.text()?;
                let prepared = Prepared {
                    sql,
                    ..Prepared::default()
                };
                self.prepared.insert(name, prepared);
            }
            b'D' if body.byte()? == b'S' => self.current.described = body.text(),
            b'C' if body.byte()? == b'S' => {
                self.prepared.remove(&body.text()?);
            }
            b'B' => self.bind(body)?,
            b'E' => self.current.executes = true,
            _ => {}
        }
        Some(())
    }

    fn bind(&mut self, mut body: Bytes<'_>) -> Option<()> {
        let _portal = body.text()?;
        let prepared = self.prepared.get(&body.text()?)?;
        let formats = body.int16_list()?;
        let count = body.count()?;
        let mut parameters = Vec::with_capacity(count);
        for position in 0..count {
            let type_id = prepared.parameter_types.get(position).copied();
            let is_binary = format_of(&formats, position);
            let bytes = body.sized()?;
            parameters.push(Parameter::decode(
                type_id.unwrap_or_default(),
                is_binary,
                bytes,
            ));
        }
        let result_formats = body.int16_list()?;
        self.current.columns = prepared.columns.clone();
        for (position, column) in self.current.columns.iter_mut().enumerate() {
            column.is_binary = format_of(&result_formats, position);
        }
        self.statement = Some(statement(prepared.sql.clone(), parameters));
        Some(())
    }

    fn read_backend(&mut self, kind: u8, body: &[u8]) -> Option<()> {
        let mut body = Bytes(body);
        if kind == b'K' {
            self.pid = body.int32();
            return Some(());
        }
        let awaited = self.awaited.front_mut()?;
        match kind {
            b't' => {
                let prepared = self.prepared.get_mut(awaited.described.as_ref()?)?;
                let count = body.count()?;
                prepared.parameter_types =
                    (0..count).map(|_| body.type_id()).collect::<Option<_>>()?;
            }
            b'T' => {
                let columns = columns(body)?;
                if let Some(name) = &awaited.described {
                    self.prepared.get_mut(name)?.columns.clone_from(&columns);
                }
                awaited.columns = columns;
            }
            b'D' => awaited.rows.push(row(&awaited.columns, body)?),
            b'C' => awaited.outcome = Some(body.text()?),
            b'E' => awaited.outcome = Some(format!("ERROR: {}", error_message(body)?)),
            _ => {}
        }
        Some(())
    }
}

/// One format code stands for all, none for text.
fn format_of(formats: &[i16], position: usize) -> bool {
    match formats {
        [all] => *all == 1,
        each => each.get(position) == Some(&1),
    }
}

fn statement(sql: String, parameters: Vec<Parameter>) -> Statement {
    Statement {
        store: Store::PostgreSQL,
        purpose: Does::of(Store::PostgreSQL, &sql).purpose(),
        readable: value::readable(&sql, &parameters),
        sql,
        parameters: parameters.into_iter().map(|it| it.shown).collect(),
    }
}

fn columns(mut body: Bytes<'_>) -> Option<Vec<Column>> {
    let count = body.count()?;
    let mut columns = Vec::with_capacity(count);
    for _ in 0..count {
        let name = body.text()?;
        let (_table, _number) = (body.int32()?, body.int16()?);
        let type_id = body.type_id()?;
        let (_size, _modifier) = (body.int16()?, body.int32()?);
        let is_binary = body.int16()? == 1;
        columns.push(Column {
            name,
            type_id,
            is_binary,
        });
    }
    Some(columns)
}

fn row(columns: &[Column], mut body: Bytes<'_>) -> Option<String> {
    let count = body.count()?;
    let mut fields = Vec::with_capacity(count);
    for position in 0..count {
        let bytes = body.sized()?;
        let column = columns.get(position)?;
        let value = Parameter::decode(column.type_id, column.is_binary, bytes);
        fields.push(format!("{} = {}", column.name, value.shown));
    }
    Some(fields.join(", "))
}

fn error_message(mut body: Bytes<'_>) -> Option<String> {
    loop {
        let field = body.byte()?;
        let text = body.text()?;
        if field == b'M' {
            return Some(text);
        }
    }
}

impl Awaited {
    /// What came back, in one line.
    fn shown(self) -> String {
        let outcome = self.outcome.unwrap_or_default();
        if outcome == "SELECT 0" {
            return "no row".to_owned();
        }
        if self.rows.is_empty() {
            return outcome;
        }
        let more = self.rows.len().saturating_sub(ROWS_MAX);
        let mut shown: Vec<_> = self.rows.into_iter().take(ROWS_MAX).collect();
        if more > 0 {
            shown.push(format!("{more} more"));
        }
        shown.join("; ")
    }
}

#[cfg(test)]
mod tests;
