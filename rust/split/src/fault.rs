//! What is wrong with a declaration, and where.

use std::fmt;
use std::ops::Range;

use crate::bytes::{LineCounter, line_end, line_start};

pub const MISPLACED: &str = "'overlay' is allowed only at module level, alone on its line";
pub const NOT_ALONE: &str = "an overlay statement must stand alone on its line";
pub const NOT_CONSTANT: &str = "an overlay name must be a hashable constant";
pub const NO_NAME: &str = "an overlay name is missing";
pub const NO_COMMA: &str = "overlay names must be separated by commas";
pub const RESERVED: &str = "overlay names that start with two underscores are reserved";
pub const TOO_NESTED: &str = "too many nested parentheses";
pub const UNCLOSED_BRACKET: &str = "'(' was never closed";
pub const UNCLOSED_STRING: &str = "unterminated string literal";

/// A declaration that no compiler may accept; the fields are those of Python's `SyntaxError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitError {
    pub message: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters, as `SyntaxError.offset`.
    pub column: u32,
    /// As `SyntaxError.end_offset`: the column behind the last character.
    pub end_column: u32,
    /// The physical line without its newline.
    pub text: String,
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}, column {})", self.message, self.line, self.column)
    }
}

impl std::error::Error for SplitError {}

/// A [`SplitError`] that knows only the bytes it is about, which lie on one line.
#[derive(Debug)]
pub struct Fault {
    pub message: &'static str,
    pub span: Range<usize>,
}

impl Fault {
    pub fn new(message: &'static str, span: Range<usize>) -> Self {
        Self { message, span }
    }

    pub fn in_source(self, source: &str) -> SplitError {
        let bytes = source.as_bytes();
        let start = line_start(bytes, self.span.start);
        let column = |at: usize| u32::try_from(source[start..at].chars().count() + 1).unwrap_or(u32::MAX);
        SplitError {
            line: LineCounter::new(bytes).line_of(self.span.start),
            column: column(self.span.start),
            end_column: column(self.span.end),
            text: source[start..line_end(bytes, start)].to_owned(),
            message: self.message.to_owned(),
        }
    }
}
