//! A tokenizer for Python that keeps to what declarations need: where logical lines start, what is a comment, what is text.
//!
//! It accepts more than CPython does; whatever it accepts wrongly the compiler rejects later.

mod number;
mod text;

use crate::bytes::{after_newline, in_word, is_blank, line_end, skip, starts_word};
use crate::words::{Kind as TextKind, Prefix};
use text::{Literal, Mark, Template};

/// What the tokenizer of the running Python version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grammar {
    /// PEP 701, Python 3.12: quotes, comments and newlines may stand in an f-string's replacement fields.
    pub nested_fstrings: bool,
    /// PEP 750, Python 3.14: `t"..."` is one token.
    pub tstrings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Word,
    Number,
    /// A whole string; with nested fields, what precedes the first of them.
    Text(TextKind),
    /// What follows a nested field in its string, up to the next field or the end.
    TextRest,
    /// One byte of an operator or a bracket.
    Op(u8),
    Comment,
    /// The newline that ends a logical line, or a blank one.
    Newline,
    /// A backslash and the newline it hides.
    Join,
}

/// Where source stops being Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlexable {
    pub cause: Cause,
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A string.
    UnclosedText {
        triple: bool,
    },
    UnclosedBracket,
    UnmatchedBracket,
    StrayBackslash,
}

impl Unlexable {
    fn new(cause: Cause, at: usize) -> Self {
        Self { cause, at }
    }
}

/// What waits for its closing byte.
#[derive(Clone, Copy)]
enum Open {
    Bracket {
        closer: u8,
        at: usize,
    },
    /// A replacement field, and the text that goes on behind it.
    Field(Template),
}

pub struct Lexer<'s> {
    source: &'s [u8],
    at: usize,
    grammar: Grammar,
    open: Vec<Open>,
}

impl<'s> Lexer<'s> {
    /// Starts at `at`, outside all brackets and strings.
    pub fn new(source: &'s [u8], at: usize, grammar: Grammar) -> Self {
        Self { source, at, grammar, open: Vec::new() }
    }

    /// Goes on at `at`, outside all brackets and strings.
    pub fn jump(&mut self, at: usize) {
        debug_assert!(self.open.is_empty());
        self.at = at;
    }

    /// Whether the last token stands, or started, inside brackets or a replacement field.
    pub fn is_nested(&self) -> bool {
        !self.open.is_empty()
    }

    /// The next token; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Token>, Unlexable> {
        loop {
            let start = skip(self.source, self.at, is_blank);
            self.at = start;
            let Some(&byte) = self.source.get(start) else {
                return self.finish();
            };
            let kind = match byte {
                _ if starts_word(byte) => self.word()?,
                b'\n' | b'\r' => {
                    self.at = after_newline(self.source, start);
                    if self.is_nested() {
                        continue;
                    }
                    Kind::Newline
                }
                b'"' | b'\'' => self.text(Prefix::NONE)?,
                b'#' => {
                    self.at = line_end(self.source, start);
                    Kind::Comment
                }
                b'0'..=b'9' => self.number(),
                b'.' if self.source.get(start + 1).is_some_and(u8::is_ascii_digit) => self.number(),
                b'\\' => self.join()?,
                _ => self.operator(byte)?,
            };
            return Ok(Some(Token { kind, start, end: self.at }));
        }
    }

    fn finish(&self) -> Result<Option<Token>, Unlexable> {
        match self.open.last() {
            None => Ok(None),
            Some(&Open::Bracket { at, .. }) => Err(Unlexable::new(Cause::UnclosedBracket, at)),
            Some(Open::Field(template)) => Err(template.literal.unclosed()),
        }
    }

    fn word(&mut self) -> Result<Kind, Unlexable> {
        let start = self.at;
        self.at = skip(self.source, start, in_word);
        let Some(b'"' | b'\'') = self.source.get(self.at) else {
            return Ok(Kind::Word);
        };
        match Prefix::of(&self.source[start..self.at]) {
            Some(prefix) if prefix.kind != TextKind::TString || self.grammar.tstrings => self.text(prefix),
            _ => Ok(Kind::Word),
        }
    }

    fn number(&mut self) -> Kind {
        self.at = number::end(self.source, self.at);
        Kind::Number
    }

    fn join(&mut self) -> Result<Kind, Unlexable> {
        let newline = self.at + 1;
        let end = after_newline(self.source, newline);
        if end == newline {
            return Err(Unlexable::new(Cause::StrayBackslash, self.at));
        }
        self.at = end;
        Ok(Kind::Join)
    }

    /// The string whose opening quote stands here.
    fn text(&mut self, prefix: Prefix) -> Result<Kind, Unlexable> {
        let literal = Literal::at(self.source, self.at);
        let has_fields = match prefix.kind {
            TextKind::Str | TextKind::Bytes => false,
            TextKind::FString => self.grammar.nested_fstrings,
            TextKind::TString => self.grammar.tstrings,
        };
        if has_fields {
            let template = Template::new(literal, prefix.raw);
            self.template(literal.body(), template)?;
        } else {
            self.at = literal.end(self.source)?;
        }
        Ok(Kind::Text(prefix.kind))
    }

    /// The text of a template from `at` up to the field that opens next, or to the end of it all.
    fn template(&mut self, mut at: usize, mut template: Template) -> Result<Kind, Unlexable> {
        loop {
            let (mark, end) = template.next_mark(self.source, at)?;
            self.at = end;
            match (mark, self.open.last()) {
                (Mark::FieldStart, _) => {
                    self.open.push(Open::Field(template));
                    return Ok(Kind::TextRest);
                }
                (Mark::FieldEnd, Some(&Open::Field(around))) => {
                    self.open.pop();
                    (at, template) = (end, around);
                }
                _ => return Ok(Kind::TextRest),
            }
        }
    }

    fn operator(&mut self, byte: u8) -> Result<Kind, Unlexable> {
        let at = self.at;
        self.at += 1;
        match (byte, self.open.last()) {
            (b'(', _) => self.open.push(Open::Bracket { closer: b')', at }),
            (b'[', _) => self.open.push(Open::Bracket { closer: b']', at }),
            (b'{', _) => self.open.push(Open::Bracket { closer: b'}', at }),
            (b':', Some(&Open::Field(field))) => return self.template(self.at, field.spec()),
            (b'}', Some(&Open::Field(around))) => {
                self.open.pop();
                return self.template(self.at, around);
            }
            (_, Some(&Open::Bracket { closer, .. })) if byte == closer => {
                self.open.pop();
            }
            (b')' | b']' | b'}', _) => return Err(Unlexable::new(Cause::UnmatchedBracket, at)),
            _ => {}
        }
        Ok(Kind::Op(byte))
    }
}
