//! Numbers, as far as they reach: whether a number is well formed is for the compiler to say.

use crate::bytes::skip;

/// Behind the number that starts at `at` with a digit, or with a point and a digit.
pub fn end(source: &[u8], at: usize) -> usize {
    radix_digit(source, at).map_or_else(|| decimal(source, at), |is_digit| skip(source, at + 2, is_digit))
}

/// For `0x1f` and its like, what counts as a digit.
fn radix_digit(source: &[u8], at: usize) -> Option<fn(u8) -> bool> {
    let is_digit: fn(u8) -> bool = match source.get(at..at + 2)? {
        b"0x" | b"0X" => |byte| byte == b'_' || byte.is_ascii_hexdigit(),
        b"0o" | b"0O" => |byte| matches!(byte, b'_' | b'0'..=b'7'),
        b"0b" | b"0B" => |byte| matches!(byte, b'_' | b'0' | b'1'),
        _ => return None,
    };
    Some(is_digit)
}

fn decimal(source: &[u8], at: usize) -> usize {
    let mut end = digits(source, at);
    if source.get(end) == Some(&b'.') {
        end = digits(source, end + 1);
    }
    end = exponent(source, end).unwrap_or(end);
    match source.get(end) {
        Some(b'j' | b'J') => end + 1,
        _ => end,
    }
}

/// Behind the exponent at `at`; without a digit it is none: `1else` is a number and a word.
fn exponent(source: &[u8], at: usize) -> Option<usize> {
    let digit = match source.get(at..)? {
        [b'e' | b'E', b'+' | b'-', b'0'..=b'9', ..] => at + 2,
        [b'e' | b'E', b'0'..=b'9', ..] => at + 1,
        _ => return None,
    };
    Some(digits(source, digit))
}

fn digits(source: &[u8], at: usize) -> usize {
    skip(source, at, |byte| byte == b'_' || byte.is_ascii_digit())
}
