//! The words that CPython's tokenizer and grammar give a meaning of their own.

use unicode_ident::{is_xid_continue, is_xid_start};

/// Hard keywords but for `None`, `True` and `False`; soft ones (`match`, `case`, `type`, `_`) are identifiers.
const KEYWORDS: [&[u8]; 32] = [
    b"and",
    b"as",
    b"assert",
    b"async",
    b"await",
    b"break",
    b"class",
    b"continue",
    b"def",
    b"del",
    b"elif",
    b"else",
    b"except",
    b"finally",
    b"for",
    b"from",
    b"global",
    b"if",
    b"import",
    b"in",
    b"is",
    b"lambda",
    b"nonlocal",
    b"not",
    b"or",
    b"pass",
    b"raise",
    b"return",
    b"try",
    b"while",
    b"with",
    b"yield",
];

pub fn is_keyword(word: &[u8]) -> bool {
    KEYWORDS.contains(&word)
}

/// Before NFKC, which turns identifiers into identifiers.
pub fn is_identifier(word: &str) -> bool {
    let mut characters = word.chars();
    let starts = |first| first == '_' || is_xid_start(first);
    characters.next().is_some_and(starts) && characters.all(is_xid_continue)
}

/// Goes on with the compound statement above it, at that statement's indentation.
pub fn continues_block(word: &[u8]) -> bool {
    matches!(word, b"elif" | b"else" | b"except" | b"finally")
}

/// What the letters before a quote make of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    pub kind: Kind,
    pub raw: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Str,
    Bytes,
    /// PEP 498
    FString,
    /// PEP 750
    TString,
}

impl Kind {
    /// Whether the string stands for the same value wherever it stands.
    pub fn is_constant(self) -> bool {
        matches!(self, Self::Str | Self::Bytes)
    }
}

impl Prefix {
    pub const NONE: Self = Self { kind: Kind::Str, raw: false };

    /// `None` for a word that is no prefix: the quote then starts a string of its own.
    pub fn of(word: &[u8]) -> Option<Self> {
        let mut letters = [0; 2];
        letters.get_mut(..word.len())?.copy_from_slice(word);
        letters.make_ascii_lowercase();
        letters.sort_unstable();
        let (kind, raw) = match &letters {
            b"\0\0" | b"\0u" => (Kind::Str, false),
            b"\0r" => (Kind::Str, true),
            b"\0b" => (Kind::Bytes, false),
            b"br" => (Kind::Bytes, true),
            b"\0f" => (Kind::FString, false),
            b"fr" => (Kind::FString, true),
            b"\0t" => (Kind::TString, false),
            b"rt" => (Kind::TString, true),
            _ => return None,
        };
        Some(Self { kind, raw })
    }
}
