//! One buyer: a connection that was opened before the clock starts.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;

use crate::wire::{Kind, parse};

/// No answer is longer.
pub(crate) const LONGEST_ANSWER: usize = 8_192;

/// An open connection with at most one request under way.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// When the request under way was due.
    pub(crate) due: Option<Instant>,
    /// What has come of its last answer.
    pub(crate) answer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            due: None,
            answer: Vec::new(),
        })
    }

    /// Sends a request that was due at a time. It always fits into the buffer of the
    /// kernel, because nothing else is under way.
    pub(crate) fn send(&mut self, request: &[u8], due: Instant) -> io::Result<()> {
        let written = self.stream.write(request)?;
        if written < request.len() {
            return Err(ErrorKind::WriteZero.into());
        }
        self.due = Some(due);
        self.answer.clear();
        Ok(())
    }

    /// Reads what has come; none while the answer is not complete.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<Kind>> {
        let length = match self.stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        self.answer
            .extend_from_slice(buffer.get(..length).unwrap_or_default());
        match parse(&self.answer)? {
            Some((kind, end)) if end == self.answer.len() => Ok(Some(kind)),
            None if self.answer.len() < LONGEST_ANSWER => Ok(None),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }
}
