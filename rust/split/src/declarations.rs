//! Which words and comments declare overlays.

use std::ops::Range;

use crate::bytes::{indentation, line_end, skip};
use crate::fault::{self, Fault};
use crate::imports::Imports;
use crate::items::{self, Flaw};
use crate::lexer::{Grammar, Kind, Lexer, Token, Unlexable};
use crate::parts::{Form, Item};
use crate::words::continues_block;

/// All that a source declares, in its order.
#[derive(Default)]
pub struct Found {
    pub declared: Vec<Declaration>,
    /// Where the unindented `# overlay:` comments stand that declare nothing.
    pub ignored: Vec<usize>,
    pub imports: Imports,
}

pub struct Declaration {
    pub name: Item,
    pub form: Form,
    /// From its first character to the end of its line.
    pub span: Range<usize>,
}

/// Why a source has no parts.
#[derive(Debug)]
pub enum Stop {
    NotPython,
    Fault(Fault),
}

impl From<Unlexable> for Stop {
    fn from(_: Unlexable) -> Self {
        Self::NotPython
    }
}

pub fn find(source: &str, grammar: Grammar) -> Result<Found, Stop> {
    if source.as_bytes().contains(&0) {
        return Err(Stop::NotPython);
    }
    let lexer = Lexer::new(source.as_bytes(), 0, grammar);
    let mut finder = Finder {
        source,
        lexer,
        grammar,
        place: Place::LineStart,
        decorated: false,
        candidates: Vec::new(),
        found: Found::default(),
    };
    while let Some(token) = finder.lexer.next()? {
        finder.place = finder.take(token)?;
    }
    finder.settle(finder.decorated)?;
    Ok(finder.found)
}

struct Finder<'s> {
    source: &'s str,
    lexer: Lexer<'s>,
    grammar: Grammar,
    place: Place,
    /// The last logical line but for declarations was a decorator.
    decorated: bool,
    /// Declarations so long as the next logical line does not show that they stand inside a block.
    candidates: Vec<Candidate>,
    found: Found,
}

/// Where the next token stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    LineStart,
    /// At the start of a logical line that began with nothing but a backslash, at this position.
    JoinedLineStart(usize),
    /// Behind a `;` or a `:`, where a statement may start.
    StatementStart,
    Within,
}

struct Candidate {
    name: Result<Item, Flaw>,
    form: Form,
    span: Range<usize>,
}

impl Finder<'_> {
    /// Returns the place behind the token.
    fn take(&mut self, token: Token) -> Result<Place, Stop> {
        match (token.kind, self.place) {
            (Kind::Newline, _) => return Ok(Place::LineStart),
            (Kind::Join, Place::LineStart) => return Ok(Place::JoinedLineStart(token.start)),
            (Kind::Join, place) => return Ok(place),
            (Kind::Comment, Place::LineStart) => {
                self.comment(token);
                return Ok(Place::LineStart);
            }
            (Kind::Comment, place) => return Ok(place),
            (_, Place::LineStart) => self.logical_line(token, token.start)?,
            (_, Place::JoinedLineStart(at)) => self.logical_line(token, at)?,
            (_, Place::StatementStart) if self.is_statement(token) => {
                return Err(wrong(fault::MISPLACED, token));
            }
            (Kind::Word, Place::StatementStart) => {
                self.found.imports.statement(self.source.as_bytes(), token, self.grammar)?;
            }
            _ => {}
        }
        if token.kind == Kind::Word {
            self.found.imports.word(self.source.as_bytes(), token);
        }
        match token.kind {
            Kind::Op(b';' | b':') if !self.lexer.is_nested() => Ok(Place::StatementStart),
            _ => Ok(Place::Within),
        }
    }

    /// A logical line that starts with `token` and is indented as what stands at `at`.
    fn logical_line(&mut self, token: Token, at: usize) -> Result<(), Stop> {
        let source = self.source.as_bytes();
        let column = indentation(source, at);
        let indented = column > 0;
        let text = &source[token.start..token.end];
        let goes_on = token.kind == Kind::Word && continues_block(text);
        self.settle(indented || goes_on || self.decorated)?;
        self.found.imports.logical_line(text, column);
        self.found.imports.statement(source, token, self.grammar)?;
        if !self.is_statement(token) {
            self.decorated = token.kind == Kind::Op(b'@');
            return Ok(());
        }
        match (indented, at == token.start) {
            (false, true) => self.statement(token),
            (false, false) => Err(wrong(fault::NOT_ALONE, token)),
            (true, _) => Err(wrong(fault::MISPLACED, token)),
        }
    }

    fn is_statement(&self, token: Token) -> bool {
        let source = self.source.as_bytes();
        token.kind == Kind::Word && source[token.start..token.end] == *b"overlay" && items::follow(source, token.end)
    }

    fn statement(&mut self, word: Token) -> Result<(), Stop> {
        let form = Form::Statement;
        let name = items::parse(self.source, word.end, form);
        let name = Ok(name.map_err(|flaw| Stop::Fault(flaw.into_fault()))?);
        let span = word.start..line_end(self.source.as_bytes(), word.end);
        self.lexer.jump(span.end);
        self.candidates.push(Candidate { name, form, span });
        Ok(())
    }

    /// A comment that stands alone on its line.
    fn comment(&mut self, token: Token) {
        let source = self.source.as_bytes();
        let word = skip(source, token.start + 1, |byte| matches!(byte, b' ' | b'\t'));
        if source[word..].starts_with(b"overlay:") && indentation(source, token.start) == 0 {
            let form = Form::Directive;
            let name = items::parse(self.source, word + b"overlay:".len(), form);
            let span = token.start..token.end;
            self.candidates.push(Candidate { name, form, span });
        }
    }

    /// Decides on the candidates, now that it is known whether they stand inside a block.
    fn settle(&mut self, inside: bool) -> Result<(), Stop> {
        for Candidate { name, form, span } in self.candidates.drain(..) {
            match (form, name) {
                (Form::Statement, _) if inside => {
                    let word = span.start..span.start + b"overlay".len();
                    return Err(Stop::Fault(Fault::new(fault::MISPLACED, word)));
                }
                (Form::Directive, _) if inside => self.found.ignored.push(span.start),
                (Form::Directive, Err(Flaw::Prose(_))) => self.found.ignored.push(span.start),
                (_, Ok(name)) => self.found.declared.push(Declaration { name, form, span }),
                (_, Err(flaw)) => return Err(Stop::Fault(flaw.into_fault())),
            }
        }
        Ok(())
    }
}

fn wrong(message: &'static str, word: Token) -> Stop {
    Stop::Fault(Fault::new(message, word.start..word.end))
}
