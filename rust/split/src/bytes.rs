//! Bytes as CPython's tokenizer classes them, and the lines they make.

/// May stand in an identifier. Every character outside ASCII may: the compiler checks them.
pub fn in_word(byte: u8) -> bool {
    WORD[usize::from(byte)]
}

/// May stand first in an identifier.
pub fn starts_word(byte: u8) -> bool {
    in_word(byte) && !byte.is_ascii_digit()
}

const WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte >= 0x80 || byte == b'_' as usize || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

pub fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0c')
}

pub fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The first position from `at` on whose byte is not one of `kind`.
pub fn skip(source: &[u8], at: usize, kind: impl Fn(u8) -> bool) -> usize {
    source[at..].iter().position(|&byte| !kind(byte)).map_or(source.len(), |run| at + run)
}

/// Behind the newline that stands at `at`; `at` itself where none stands.
pub fn after_newline(source: &[u8], at: usize) -> usize {
    match source[at..] {
        [b'\r', b'\n', ..] => at + 2,
        [b'\r' | b'\n', ..] => at + 1,
        _ => at,
    }
}

/// The start of the line that `at` lies on.
pub fn line_start(source: &[u8], at: usize) -> usize {
    source[..at].iter().rposition(|&byte| is_newline(byte)).map_or(0, |newline| newline + 1)
}

/// The end of the line that `at` lies on, its newline excluded.
pub fn line_end(source: &[u8], at: usize) -> usize {
    skip(source, at, |byte| !is_newline(byte))
}

/// The column of `at`, which only blanks precede on its line, as CPython counts indentation.
pub fn indentation(source: &[u8], at: usize) -> usize {
    source[line_start(source, at)..at].iter().fold(0, |column, byte| match byte {
        b'\t' => (column / 8 + 1) * 8,
        b'\x0c' => 0,
        _ => column + 1,
    })
}

/// Numbers lines, as CPython does, for positions asked in ascending order.
pub struct LineCounter<'s> {
    source: &'s [u8],
    at: usize,
    line: u32,
}

impl<'s> LineCounter<'s> {
    pub fn new(source: &'s [u8]) -> Self {
        Self { source, at: 0, line: 1 }
    }

    /// The 1-based number of the line that `at` lies on.
    pub fn line_of(&mut self, at: usize) -> u32 {
        let passed = &self.source[self.at..at];
        let ends_line = |(index, &byte): (usize, &u8)| match byte {
            b'\n' => true,
            b'\r' => self.source.get(self.at + index + 1) != Some(&b'\n'),
            _ => false,
        };
        self.line += u32::try_from(passed.iter().enumerate().filter(|&pair| ends_line(pair)).count()).unwrap_or(0);
        self.at = at;
        self.line
    }
}
