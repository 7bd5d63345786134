//! The names whose use at module level changes the code of functions.
//!
//! CPython compiles `name.attribute()` in another way where `name` is imported anywhere at module level, in whatever part
//! of the source, and `super()` where that word is used there: each part has to be compiled with the others in view.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use crate::bytes::in_word;
use crate::lexer::{Grammar, Kind, Lexer, Token, Unlexable};
use crate::parts::{Split, Text};

/// For each part, the core first: the names that it mentions, which other parts import and it does not.
#[must_use]
pub fn imported_elsewhere<'s>(source: &'s str, split: &Split) -> Vec<BTreeSet<&'s str>> {
    let names = |imports: &[Range<usize>]| -> HashSet<&[u8]> {
        imports.iter().map(|name| &source.as_bytes()[name.clone()]).collect()
    };
    let all = names(&split.imports);
    // Most words are passed over for their first byte.
    let mut starts_name = [false; 256];
    all.iter().for_each(|name| starts_name[usize::from(name[0])] = true);
    let elsewhere = |part: Text| {
        let own = names(imports_in(split, part));
        let words = source.as_bytes()[part.start..part.end].split(|&byte| !in_word(byte));
        let is_name = |word: &&[u8]| word.first().is_some_and(|&first| starts_name[usize::from(first)]);
        let foreign = words.filter(is_name).filter(|word| all.contains(word) && !own.contains(word));
        foreign.filter_map(|word| std::str::from_utf8(word).ok()).collect()
    };
    std::iter::once(split.core).chain(split.overlays.iter().map(|overlay| overlay.text)).map(elsewhere).collect()
}

fn imports_in(split: &Split, part: Text) -> &[Range<usize>] {
    let first = split.imports.partition_point(|name| name.start < part.start);
    let end = split.imports.partition_point(|name| name.start < part.end);
    &split.imports[first..end]
}

#[derive(Default)]
pub struct Imports {
    /// Where the names stand: statement by statement in the order of the source.
    pub names: Vec<Range<usize>>,
    /// The column of the `def` or `class` that the line stands in: what is imported there is not the module's.
    definition: Option<usize>,
    /// The next word but for keywords is the name of that definition: still the module's.
    awaits_name: bool,
}

impl Imports {
    /// Notes a logical line, indented to `column`, that starts with `word`.
    pub fn logical_line(&mut self, word: &[u8], column: usize) {
        let is_outside = self.definition.is_none_or(|outer| column <= outer);
        if is_outside {
            self.definition = is_definition(word).then_some(column);
        }
        self.awaits_name = is_outside && self.definition.is_some();
    }

    /// Notes a word on that line.
    pub fn word(&mut self, source: &[u8], word: Token) {
        let text = &source[word.start..word.end];
        if text == b"super" && (self.awaits_name || self.definition.is_none()) {
            self.names.push(word.start..word.end);
        }
        self.awaits_name &= is_definition(text);
    }

    /// Notes a statement on that line.
    pub fn statement(&mut self, source: &[u8], first: Token, grammar: Grammar) -> Result<(), Unlexable> {
        let may_import = matches!(&source[first.start..first.end], b"import" | b"from" | b"lazy");
        if may_import && self.definition.is_none() { self.take(source, first.start, grammar) } else { Ok(()) }
    }

    /// Takes the names that the statement at `at` binds, if it is an import.
    fn take(&mut self, source: &[u8], at: usize, grammar: Grammar) -> Result<(), Unlexable> {
        let mut lexer = Lexer::new(source, at, grammar);
        let (mut in_names, mut behind_dot, mut bound) = (false, false, None);
        while let Some(token) = lexer.next()? {
            match (token.kind, &source[token.start..token.end]) {
                (Kind::Word, word @ (b"import" | b"as")) => {
                    in_names |= word == b"import";
                    behind_dot = false;
                }
                (Kind::Word, _) => {
                    if in_names && !behind_dot {
                        bound = Some(token.start..token.end);
                    }
                    behind_dot = false;
                }
                (Kind::Op(b'.'), _) => behind_dot = true,
                (Kind::Op(b','), _) if in_names => self.names.extend(bound.take()),
                (Kind::Op(b'(' | b')' | b'*'), _) if in_names => {}
                (Kind::Comment | Kind::Join, _) => {}
                _ => break,
            }
        }
        self.names.extend(bound);
        Ok(())
    }
}

fn is_definition(word: &[u8]) -> bool {
    matches!(word, b"def" | b"class" | b"async")
}
