//! Numbers and texts in PostgreSQL's messages.

/// What is left of a message.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn int16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn int32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn int64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// The number of a type in `pg_type`.
    pub(crate) fn type_id(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// How many things follow.
    pub(crate) fn count(&mut self) -> Option<usize> {
        self.int16()?.try_into().ok()
    }

    pub(crate) fn int16_list(&mut self) -> Option<Vec<i16>> {
        (0..self.count()?).map(|_| self.int16()).collect()
    }

    /// A text that ends with a zero.
    pub(crate) fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.take(1)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// A value behind its length; a negative length is NULL.
    pub(crate) fn sized(&mut self) -> Option<Option<&'a [u8]>> {
        match usize::try_from(self.int32()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_negative) => Some(None),
        }
    }
}
