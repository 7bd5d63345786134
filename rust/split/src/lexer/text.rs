//! Where strings end, and where the replacement fields of f- and t-strings start and end.

use super::{Cause, Unlexable};
use crate::bytes::{after_newline, is_newline, skip};

/// A string literal, known by its opening quotes.
#[derive(Clone, Copy)]
pub struct Literal {
    at: usize,
    quote: u8,
    triple: bool,
}

impl Literal {
    /// The literal whose first quote stands at `at`.
    pub fn at(source: &[u8], at: usize) -> Self {
        let quote = source[at];
        Self { at, quote, triple: source[at..].starts_with(&[quote; 3]) }
    }

    /// The first position behind the opening quotes.
    pub fn body(self) -> usize {
        self.at + self.quotes()
    }

    /// Behind the closing quotes of a string without replacement fields.
    pub fn end(self, source: &[u8]) -> Result<usize, Unlexable> {
        let mut at = self.body();
        loop {
            at = skip(source, at, |byte| byte != self.quote && byte != b'\\' && (self.triple || !is_newline(byte)));
            match source.get(at) {
                Some(b'\\') => at = after_escape(source, at),
                Some(&byte) if byte == self.quote => match self.closed_by(source, at) {
                    Some(end) => return Ok(end),
                    None => at += 1,
                },
                _ => return Err(self.unclosed()),
            }
        }
    }

    pub fn unclosed(self) -> Unlexable {
        let triple = self.triple;
        Unlexable::new(Cause::UnclosedText { triple }, self.at)
    }

    fn quotes(self) -> usize {
        if self.triple { 3 } else { 1 }
    }

    /// Behind the closing quotes, if these stand at `at`.
    fn closed_by(self, source: &[u8], at: usize) -> Option<usize> {
        let end = at + self.quotes();
        source.get(at..end)?.iter().all(|&byte| byte == self.quote).then_some(end)
    }
}

/// Behind the backslash at `at` and what it escapes.
fn after_escape(source: &[u8], at: usize) -> usize {
    let escaped = (at + 1).min(source.len());
    match after_newline(source, escaped) {
        end if end == escaped => (escaped + 1).min(source.len()),
        end => end,
    }
}

/// An f- or t-string with nested fields (PEP 701), at some point of its text.
#[derive(Clone, Copy)]
pub struct Template {
    pub literal: Literal,
    raw: bool,
    /// In the format specification of a field rather than in the string's own text.
    in_spec: bool,
}

/// What ends a stretch of a template's text.
pub enum Mark {
    FieldStart,
    FieldEnd,
    /// The closing quotes.
    End,
    /// The end of a line that a format specification may not cross: its field goes on behind it.
    SpecBreak,
}

impl Template {
    pub fn new(literal: Literal, raw: bool) -> Self {
        Self { literal, raw, in_spec: false }
    }

    /// The format specification of a field of this text.
    pub fn spec(self) -> Self {
        Self { in_spec: true, ..self }
    }

    /// The first mark from `at` on, and the position behind it.
    pub fn next_mark(self, source: &[u8], mut at: usize) -> Result<(Mark, usize), Unlexable> {
        loop {
            at = skip(source, at, |byte| !self.may_mark(byte));
            let Some(&byte) = source.get(at) else {
                return Err(self.literal.unclosed());
            };
            let doubled = !self.in_spec && source.get(at + 1) == Some(&byte);
            match byte {
                b'{' | b'}' if doubled => at += 2,
                b'{' => return Ok((Mark::FieldStart, at + 1)),
                b'}' if self.in_spec => return Ok((Mark::FieldEnd, at + 1)),
                b'\\' => at = self.after_escape(source, at),
                b'\n' | b'\r' if self.in_spec => return Ok((Mark::SpecBreak, at)),
                _ if byte == self.literal.quote => match self.literal.closed_by(source, at) {
                    Some(end) if !self.in_spec => return Ok((Mark::End, end)),
                    Some(_) => return Err(self.literal.unclosed()),
                    None => at += 1,
                },
                _ => return Err(self.literal.unclosed()),
            }
        }
    }

    fn may_mark(self, byte: u8) -> bool {
        matches!(byte, b'{' | b'}' | b'\\') || byte == self.literal.quote || (!self.literal.triple && is_newline(byte))
    }

    /// A backslash hides no brace, but for the two of `\N{DIGIT ONE}`.
    fn after_escape(self, source: &[u8], at: usize) -> usize {
        match source[at + 1..] {
            [b'{' | b'}', ..] => at + 1,
            [b'N', b'{', ..] if !self.raw => {
                let end = skip(source, at + 3, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-'));
                end + usize::from(source.get(end) == Some(&b'}'))
            }
            _ => after_escape(source, at),
        }
    }
}
