//! The quick look that spares almost every file the lexer.

use crate::bytes::{in_word, is_blank, is_newline, skip};

const KEYWORD: &[u8; 7] = b"overlay";

/// Whether [`split`](crate::split) might find a declaration, misplaced ones included; false means certainly not.
///
/// `source` is the file as it stands, byte order mark and all, in any encoding that agrees with ASCII.
#[must_use]
pub fn may_declare(source: &[u8]) -> bool {
    let text = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    occurrences(text).any(|at| {
        let (before, after) = (&text[..at], &text[at + KEYWORD.len()..]);
        may_be_statement(before, after) || may_be_directive(before, after)
    })
}

/// The positions of `overlay`. Most blocks of text are passed over at a glance.
fn occurrences(text: &[u8]) -> impl Iterator<Item = usize> {
    (0..text.len())
        .step_by(BLOCK)
        .filter(|&block| may_hold_keyword(&text[block..]))
        .flat_map(|block| block..block + BLOCK)
        .filter(|&at| text.get(at..).is_some_and(|rest| rest.starts_with(KEYWORD)))
}

/// Bytes looked at in one go.
const BLOCK: usize = 64;

/// Whether the keyword may start within the first block of `text`: true wherever a `y` stands five bytes behind a `v`.
fn may_hold_keyword(text: &[u8]) -> bool {
    let Some(window) = text.first_chunk::<{ BLOCK + KEYWORD.len() }>() else {
        return true;
    };
    // Without a branch, so that the compiler makes vector instructions of it.
    let pairs = window[1..=BLOCK].iter().zip(&window[6..]);
    let hits = pairs.map(|(&v, &y)| u8::from(v == b'v') & u8::from(y == b'y'));
    hits.fold(0, |found, hit| found | hit) != 0
}

/// A statement may start here, and what follows is neither an operator nor a bracket.
fn may_be_statement(before: &[u8], after: &[u8]) -> bool {
    let opens = || match trim_blanks(before) {
        [] => true,
        [.., byte] => is_newline(*byte) || matches!(byte, b';' | b':'),
    };
    let blanks = skip(after, 0, is_blank);
    match after[blanks..] {
        [b'"' | b'\'', ..] | [b'.', b'0'..=b'9', ..] => opens(),
        [byte, ..] if in_word(byte) => blanks > 0 && opens(),
        _ => false,
    }
}

/// A `#` at the start of the line, or behind a form feed, which starts a line over.
fn may_be_directive(before: &[u8], after: &[u8]) -> bool {
    let unindented = || match trim_blanks(before) {
        [b'#'] => true,
        [.., byte, b'#'] => is_newline(*byte) || *byte == b'\x0c',
        _ => false,
    };
    after.first() == Some(&b':') && unindented()
}

fn trim_blanks(before: &[u8]) -> &[u8] {
    let end = before.iter().rposition(|&byte| !is_blank(byte)).map_or(0, |last| last + 1);
    &before[..end]
}
