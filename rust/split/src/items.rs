//! The names of overlays: one grammar for the statement and the directive.

use std::ops::Range;

use crate::bytes::line_end;
use crate::fault::{self, Fault};
use crate::lexer::{Cause, Grammar, Kind, Lexer, Token, Unlexable};
use crate::parts::{Form, Item};
use crate::words::{is_identifier, is_keyword};

/// The same on every version: an f- or t-string is no constant, whatever is in it.
const GRAMMAR: Grammar = Grammar { nested_fstrings: false, tstrings: true };

/// As CPython's `MAXLEVEL`, so that no nesting exhausts the stack.
const MAX_NESTING: usize = 200;

/// Why a text is no list of items.
#[derive(Debug)]
pub enum Flaw {
    /// Reads as prose, which a comment may well be.
    Prose(Fault),
    Invalid(Fault),
}

impl Flaw {
    pub fn into_fault(self) -> Fault {
        match self {
            Self::Prose(fault) | Self::Invalid(fault) => fault,
        }
    }
}

/// Whether an item follows the word `overlay` that ends at `at`, so that the two make a statement.
pub fn follow(source: &[u8], at: usize) -> bool {
    let Ok(Some(token)) = Lexer::new(source, at, GRAMMAR).next() else {
        return false;
    };
    let is_hard_keyword = token.kind == Kind::Word && is_keyword(&source[token.start..token.end]);
    starts_item(token.kind) && !is_hard_keyword
}

/// The name that the rest of the line, from `at` on, spells.
pub fn parse(source: &str, at: usize, form: Form) -> Result<Item, Flaw> {
    let mut items = Items::new(source, at, form);
    let end = items.line.len();
    let Some(first) = items.token()? else {
        return Err(Flaw::Prose(Fault::new(fault::NO_NAME, at..end)));
    };
    let name = items.list(0)?;
    if is_reserved(&name) {
        return Err(invalid(fault::RESERVED, first.start..items.taken));
    }
    Ok(name)
}

/// A recursive-descent parser, one token ahead.
struct Items<'s> {
    /// The source up to the end of the declaration's line.
    line: &'s str,
    lexer: Lexer<'s>,
    ahead: Result<Option<Token>, Unlexable>,
    /// The end of the last token taken.
    taken: usize,
    form: Form,
}

impl<'s> Items<'s> {
    fn new(source: &'s str, at: usize, form: Form) -> Self {
        let line = &source[..line_end(source.as_bytes(), at)];
        let mut lexer = Lexer::new(line.as_bytes(), at, GRAMMAR);
        let ahead = next_but_comments(&mut lexer);
        Self { line, lexer, ahead, taken: at, form }
    }

    /// Items up to the end of the line or, in parentheses, up to the closing one.
    fn list(&mut self, nesting: usize) -> Result<Item, Flaw> {
        let mut items = Vec::new();
        let mut comma = false;
        while let Some(token) = self.token_of_list(nesting)? {
            self.advance();
            items.push(self.item(token, nesting)?);
            comma = self.comma(nesting)?;
        }
        match items.pop() {
            Some(only) if items.is_empty() && !comma => Ok(only),
            last => Ok(Item::Tuple(items.into_iter().chain(last).collect())),
        }
    }

    /// Takes the comma behind an item, unless the list ends there.
    fn comma(&mut self, nesting: usize) -> Result<bool, Flaw> {
        self.no_item_follows()?;
        match self.token_of_list(nesting)? {
            None => Ok(false),
            Some(token) if token.kind == Kind::Op(b',') => {
                self.advance();
                Ok(true)
            }
            Some(token) => Err(self.misfit(token)),
        }
    }

    /// Two items side by side, or the apostrophe of "don't": nobody who means a list writes that.
    fn no_item_follows(&self) -> Result<(), Flaw> {
        let fault = match self.ahead {
            Ok(Some(token)) if starts_item(token.kind) => Fault::new(fault::NO_COMMA, token.start..token.end),
            Err(stop) if matches!(stop.cause, Cause::UnclosedText { .. }) => self.unlexable(stop),
            _ => return Ok(()),
        };
        Err(Flaw::Prose(fault))
    }

    /// The item that starts with `token`.
    fn item(&mut self, token: Token, nesting: usize) -> Result<Item, Flaw> {
        match token.kind {
            Kind::Word => self.word(token),
            Kind::Number => Ok(self.literal(token.start, token.end)),
            Kind::Op(b'-' | b'+') => self.signed(token),
            Kind::Op(b'(') => self.parenthesised(token, nesting + 1),
            Kind::Text(kind) if kind.is_constant() => self.strings(token),
            _ => Err(self.misfit(token)),
        }
    }

    fn word(&self, token: Token) -> Result<Item, Flaw> {
        match &self.line[token.start..token.end] {
            "None" => Ok(Item::None),
            "True" => Ok(Item::True),
            "False" => Ok(Item::False),
            word if is_keyword(word.as_bytes()) => {
                self.no_item_follows()?;
                Err(self.misfit(token))
            }
            word if is_identifier(word) => Ok(Item::Identifier(word.to_owned())),
            // Typographic punctuation, say, which is part of a word to the lexer.
            _ => Err(Flaw::Prose(Fault::new(fault::NOT_CONSTANT, token.start..token.end))),
        }
    }

    fn signed(&mut self, sign: Token) -> Result<Item, Flaw> {
        match self.token()? {
            Some(number) if number.kind == Kind::Number => {
                self.advance();
                Ok(self.literal(sign.start, number.end))
            }
            _ => Err(self.misfit(sign)),
        }
    }

    fn parenthesised(&mut self, open: Token, nesting: usize) -> Result<Item, Flaw> {
        if nesting > MAX_NESTING {
            return Err(invalid(fault::TOO_NESTED, open.start..open.end));
        }
        let item = self.list(nesting)?;
        self.advance();
        Ok(item)
    }

    /// A string and those that adjoin it.
    fn strings(&mut self, first: Token) -> Result<Item, Flaw> {
        let mut end = first.end;
        while let Some(next) = self.string_ahead()? {
            end = next.end;
            self.advance();
        }
        Ok(self.literal(first.start, end))
    }

    fn string_ahead(&self) -> Result<Option<Token>, Flaw> {
        let Ok(Some(token)) = self.ahead else {
            return Ok(None);
        };
        match token.kind {
            Kind::Text(kind) if kind.is_constant() => Ok(Some(token)),
            Kind::Text(_) => Err(self.misfit(token)),
            _ => Ok(None),
        }
    }

    fn literal(&self, start: usize, end: usize) -> Item {
        Item::Literal(self.line[start..end].to_owned())
    }

    /// The token ahead; `None` at the end of the line.
    fn token(&self) -> Result<Option<Token>, Flaw> {
        self.ahead.map_err(|stop| Flaw::Invalid(self.unlexable(stop)))
    }

    /// The token ahead, unless it ends the list.
    fn token_of_list(&self, nesting: usize) -> Result<Option<Token>, Flaw> {
        let belongs = |token: &Token| nesting == 0 || token.kind != Kind::Op(b')');
        Ok(self.token()?.filter(belongs))
    }

    fn advance(&mut self) {
        if let Ok(Some(token)) = self.ahead {
            self.taken = token.end;
        }
        self.ahead = next_but_comments(&mut self.lexer);
    }

    /// A token that no list of constants has in this place.
    fn misfit(&self, token: Token) -> Flaw {
        let message = match (self.form, token.kind) {
            (Form::Statement, Kind::Op(b';')) => fault::MISPLACED,
            _ => fault::NOT_CONSTANT,
        };
        invalid(message, token.start..token.end)
    }

    fn unlexable(&self, stop: Unlexable) -> Fault {
        let end = self.line.len();
        let (message, span, goes_on) = match stop.cause {
            Cause::UnclosedText { triple } => {
                let goes_on = triple || self.line.ends_with('\\');
                (fault::UNCLOSED_STRING, stop.at..end, goes_on)
            }
            Cause::UnclosedBracket => (fault::UNCLOSED_BRACKET, stop.at..stop.at + 1, true),
            Cause::UnmatchedBracket => (fault::NOT_CONSTANT, stop.at..stop.at + 1, false),
            Cause::StrayBackslash => {
                let at_end = stop.at + 1 == end;
                (fault::NOT_CONSTANT, stop.at..stop.at + 1, at_end)
            }
        };
        if goes_on && self.form == Form::Statement {
            return Fault::new(fault::NOT_ALONE, stop.at..end);
        }
        Fault::new(message, span)
    }
}

fn invalid(message: &'static str, span: Range<usize>) -> Flaw {
    Flaw::Invalid(Fault::new(message, span))
}

fn starts_item(kind: Kind) -> bool {
    matches!(kind, Kind::Word | Kind::Number | Kind::Text(_))
}

/// A comment may end the line of items.
fn next_but_comments(lexer: &mut Lexer) -> Result<Option<Token>, Unlexable> {
    match lexer.next() {
        Ok(Some(token)) if token.kind == Kind::Comment => lexer.next(),
        token => token,
    }
}

fn is_reserved(name: &Item) -> bool {
    match name {
        Item::Tuple(items) => items.first().is_some_and(is_reserved_string),
        item => is_reserved_string(item),
    }
}

/// As far as the source shows it: the caller, who evaluates the literals, sees through escapes.
fn is_reserved_string(item: &Item) -> bool {
    match item {
        Item::Identifier(word) => word.starts_with("__"),
        Item::Literal(text) => string_body(text).is_some_and(|body| body.starts_with("__")),
        _ => false,
    }
}

/// What follows the opening quotes of a string that is not bytes.
fn string_body(literal: &str) -> Option<&str> {
    let quoted = literal.strip_prefix(['r', 'R', 'u', 'U']).unwrap_or(literal);
    ["\"\"\"", "'''", "\"", "'"].into_iter().find_map(|quotes| quoted.strip_prefix(quotes))
}
