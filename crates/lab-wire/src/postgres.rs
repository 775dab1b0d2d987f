//! PostgreSQL's protocol, as far as a reader of statements and results needs it.
//!
//! # Source
//!
//! PostgreSQL 16 manual, sections 55.2 "Message Flow" and 55.7 "Message Formats".

use std::collections::{HashMap, VecDeque};

use bytes::{Buf, Bytes, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{
    DataRowBody, Message, NOTIFICATION_RESPONSE_TAG, READY_FOR_QUERY_TAG,
};

use crate::protocol::{Heard, Protocol, Said};
use crate::statement::{Statement, Store};
use crate::value::{decode, readable};

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
    /// The first of them, and how many there are.
    rows: Vec<String>,
    rows_count: usize,
    outcome: Option<String>,
    executes: bool,
}

/// One connection, both ways.
#[derive(Default)]
pub(crate) struct Postgres {
    started: bool,
    prepared: HashMap<String, Prepared>,
    /// Messages that wait for their Sync.
    gathering: BytesMut,
    current: Awaited,
    statement: Option<Statement>,
    awaited: VecDeque<Awaited>,
    last_number: u64,
    pid: Option<i32>,
}

impl Protocol for Postgres {
    fn said(&mut self, buffer: &mut BytesMut) -> Option<Said> {
        let mut requests = ENCRYPTION_REQUESTS.iter();
        if !self.started && requests.any(|it| buffer.starts_with(it)) {
            buffer.advance(8);
            return Some(Said {
                bytes: Bytes::new(),
                statement: None,
                number: self.last_number,
                // It is asked for what it has: then the client goes on in the open.
                answer: Some(b"N"),
            });
        }
        while let Some(message) = next_message(buffer, usize::from(self.started)) {
            self.gathering.extend_from_slice(&message);
            // The first message has no type, and is answered at length, as a Sync is.
            let kind = match std::mem::replace(&mut self.started, true) {
                true => *message.first()?,
                false => b'S',
            };
            // What cannot be read is passed on, and shown as nothing.
            let _read = self.read_frontend(kind, message.get(5..)?);
            match kind {
                b'S' | b'Q' => {
                    self.last_number += 1;
                    let mut awaited = std::mem::take(&mut self.current);
                    awaited.number = self.last_number;
                    self.awaited.push_back(awaited);
                }
                // A password, a flush, a farewell.
                b'p' | b'H' | b'X' => {}
                _ => continue,
            }
            // A flush may come before the Sync with which the answer ends.
            let is_open = kind == b'H';
            let runs = !is_open || self.current.executes;
            return Some(Said {
                bytes: self.gathering.split().freeze(),
                statement: if runs { self.statement.take() } else { None },
                number: self.last_number + u64::from(is_open),
                answer: None,
            });
        }
        None
    }

    fn heard(&mut self, buffer: &mut BytesMut) -> Option<Heard> {
        let bytes = next_message(buffer, 1)?;
        let tag = *bytes.first()?;
        // What cannot be read is passed on, and shown as nothing.
        if let Ok(Some(message)) = Message::parse(&mut BytesMut::from(&*bytes)) {
            let _read = self.read_backend(&message);
        }
        let ended = match tag {
            READY_FOR_QUERY_TAG => self.awaited.pop_front(),
            _ => None,
        };
        let ended = ended.filter(|it| it.executes);
        Some(Heard {
            bytes,
            returned: ended.map(|it| (it.number, it.shown())),
            is_news: tag == NOTIFICATION_RESPONSE_TAG,
        })
    }

    fn pid(&self) -> Option<i32> {
        self.pid
    }
}

/// `SSLRequest` and `GSSENCRequest`, which come before the first message.
const ENCRYPTION_REQUESTS: [[u8; 8]; 2] =
    [[0, 0, 0, 8, 4, 210, 22, 47], [0, 0, 0, 8, 4, 210, 22, 48]];

/// Takes the first message, if it is complete; its length stands after its type.
fn next_message(buffer: &mut BytesMut, type_length: usize) -> Option<Bytes> {
    let length = buffer.get(type_length..)?.try_get_u32().ok()?;
    let length = usize::try_from(length).ok()? + type_length;
    (buffer.len() >= length).then(|| buffer.split_to(length).freeze())
}

impl Postgres {
    fn read_frontend(&mut self, kind: u8, mut body: &[u8]) -> Option<()> {
        match kind {
            b'Q' => {
                self.current.executes = true;
                self.run(text(&mut body)?, Vec::new());
            }
            b'P' => {
                let (name, sql) = (text(&mut body)?, text(&mut body)?);
                // Those that the client leaves open are described by the server.
                let count = body.try_get_u16().ok()?;
                let types = (0..count).map(|_| body.try_get_u32().ok());
                let prepared = Prepared {
                    sql,
                    parameter_types: types.collect::<Option<_>>()?,
                    ..Prepared::default()
                };
                self.prepared.insert(name, prepared);
            }
            b'D' if body.try_get_u8().ok()? == b'S' => {
                self.current.described = text(&mut body);
            }
            b'C' if body.try_get_u8().ok()? == b'S' => {
                self.prepared.remove(&text(&mut body)?);
            }
            b'B' => self.bind(body)?,
            b'E' => self.current.executes = true,
            _ => {}
        }
        Some(())
    }

    fn bind(&mut self, mut body: &[u8]) -> Option<()> {
        let _portal = text(&mut body)?;
        let prepared = self.prepared.get(&text(&mut body)?)?;
        let formats = format_codes(&mut body)?;
        let mut parameters = Vec::new();
        for position in 0..usize::from(body.try_get_u16().ok()?) {
            let type_id = prepared.parameter_types.get(position).copied();
            // A negative length is NULL.
            let value = match usize::try_from(body.try_get_i32().ok()?) {
                Ok(length) => Some(body.split_off(..length)?),
                Err(_negative) => None,
            };
            let is_binary = format_of(&formats, position);
            parameters.push(decode(type_id.unwrap_or_default(), is_binary, value));
        }
        let result_formats = format_codes(&mut body)?;
        self.current.columns = prepared.columns.clone();
        for (position, column) in self.current.columns.iter_mut().enumerate() {
            column.is_binary = format_of(&result_formats, position);
        }
        let sql = prepared.sql.clone();
        self.run(sql, parameters);
        Some(())
    }

    fn run(&mut self, sql: String, parameters: Vec<String>) {
        let readable = readable(&sql, &parameters);
        let statement = Statement::new(Store::PostgreSQL, sql, parameters, readable);
        self.statement = Some(statement);
    }

    fn read_backend(&mut self, message: &Message) -> Option<()> {
        if let Message::BackendKeyData(body) = message {
            self.pid = Some(body.process_id());
            return Some(());
        }
        let awaited = self.awaited.front_mut()?;
        match message {
            Message::ParameterDescription(body) => {
                let prepared = self.prepared.get_mut(awaited.described.as_ref()?)?;
                prepared.parameter_types = body.parameters().collect().ok()?;
            }
            Message::RowDescription(body) => {
                let columns = body.fields().map(|it| {
                    Ok(Column {
                        name: it.name().to_owned(),
                        type_id: it.type_oid(),
                        is_binary: it.format() == 1,
                    })
                });
                awaited.columns = columns.collect().ok()?;
                if let Some(name) = &awaited.described {
                    let prepared = self.prepared.get_mut(name)?;
                    prepared.columns.clone_from(&awaited.columns);
                }
            }
            Message::DataRow(body) => {
                awaited.rows_count += 1;
                if awaited.rows_count <= ROWS_MAX {
                    awaited.rows.push(row(&awaited.columns, body)?);
                }
            }
            Message::CommandComplete(body) => {
                awaited.outcome = Some(body.tag().ok()?.to_owned());
            }
            Message::ErrorResponse(body) => {
                let field = body.fields().find(|it| Ok(it.type_() == b'M')).ok()??;
                let text = String::from_utf8_lossy(field.value_bytes());
                awaited.outcome = Some(format!("ERROR: {text}"));
            }
            _ => {}
        }
        Some(())
    }
}

/// A text that ends with a zero.
fn text(body: &mut &[u8]) -> Option<String> {
    let end = body.iter().position(|byte| *byte == 0)?;
    let text = String::from_utf8_lossy(body.split_off(..end)?).into_owned();
    body.advance(1);
    Some(text)
}

fn format_codes(body: &mut &[u8]) -> Option<Vec<i16>> {
    let count = body.try_get_u16().ok()?;
    (0..count).map(|_| body.try_get_i16().ok()).collect()
}

/// One format code stands for all, none for text.
fn format_of(formats: &[i16], position: usize) -> bool {
    match formats {
        [all] => *all == 1,
        each => each.get(position) == Some(&1),
    }
}

fn row(columns: &[Column], body: &DataRowBody) -> Option<String> {
    let ranges = body.ranges().collect::<Vec<_>>().ok()?;
    let fields = ranges.into_iter().zip(columns).map(|(range, column)| {
        let bytes = range.and_then(|range| body.buffer().get(range));
        let value = decode(column.type_id, column.is_binary, bytes);
        format!("{} = {value}", column.name)
    });
    Some(fields.collect::<Vec<_>>().join(", "))
}

impl Awaited {
    /// What came back, in one line.
    fn shown(mut self) -> String {
        let outcome = self.outcome.unwrap_or_default();
        match self.rows_count {
            _ if outcome == "SELECT 0" => "no row".to_owned(),
            0 => outcome,
            count => {
                let more = count.checked_sub(ROWS_MAX).filter(|it| *it > 0);
                self.rows.extend(more.map(|it| format!("{it} more")));
                self.rows.join("; ")
            }
        }
    }
}

#[cfg(test)]
mod tests;
