//! What a split source consists of.

use std::ops::Range;

use crate::bytes::{LineCounter, after_newline, line_start};
use crate::declarations::Found;

/// A module's source, cut at its overlay declarations. Core, declaration lines and overlays, in this order, are the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What runs at import: everything before the first declaration's line.
    pub core: Text,
    /// In the order of the source; there is at least one.
    pub overlays: Vec<Declared>,
    /// Whether any declaration is a statement, so that stock Python cannot compile the whole.
    pub has_statements: bool,
    /// The names that import statements at module level bind, and `super` where it is used there, as byte offsets into
    /// the source, in its order.
    pub imports: Vec<Range<usize>>,
    /// The lines of unindented `# overlay:` comments that declare nothing: prose, or inside a block.
    pub ignored: Vec<u32>,
}

/// A run of whole lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// Byte offset into the source.
    pub start: usize,
    /// Byte offset behind the last newline.
    pub end: usize,
    /// 1-based, counted as CPython counts: a line ends in `\n`, `\r\n` or `\r`.
    pub first_line: u32,
}

/// One overlay: its name, where it was declared, and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    pub name: Item,
    pub form: Form,
    /// Bytes from the declaration's first character to the end of its line, the newline excluded.
    pub declaration: Range<usize>,
    /// The declaration's line, 1-based.
    pub line: u32,
    /// From the line after the declaration to the line before the next one.
    pub text: Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `overlay NAME`
    Statement,
    /// `# overlay: NAME`
    Directive,
}

/// An overlay name, or a part of one, as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Stands for its string, after NFKC.
    Identifier(String),
    /// A number with its sign, or adjacent strings: source text for `ast.literal_eval`, which may yet reject it.
    Literal(String),
    None,
    True,
    False,
    Tuple(Vec<Item>),
}

/// The whole source with each overlay statement overwritten by spaces: the same module, eager, line for line.
#[must_use]
pub fn blank_statements(source: &str, split: &Split) -> String {
    let mut eager = String::with_capacity(source.len());
    let mut copied = 0;
    for declared in &split.overlays {
        if declared.form == Form::Statement {
            eager.push_str(&source[copied..declared.declaration.start]);
            eager.extend(declared.declaration.clone().map(|_| ' '));
            copied = declared.declaration.end;
        }
    }
    eager.push_str(&source[copied..]);
    eager
}

/// Cuts `source` at the declarations found in it.
pub(crate) fn cut(source: &str, found: Found) -> Split {
    let bytes = source.as_bytes();
    let mut lines = LineCounter::new(bytes);
    let mut core = Text { start: 0, end: source.len(), first_line: 1 };
    let mut overlays: Vec<Declared> = Vec::with_capacity(found.declared.len());
    for declaration in found.declared {
        let previous = overlays.last_mut().map_or(&mut core, |overlay| &mut overlay.text);
        previous.end = line_start(bytes, declaration.span.start);
        let line = lines.line_of(declaration.span.start);
        let start = after_newline(bytes, declaration.span.end);
        overlays.push(Declared {
            name: declaration.name,
            form: declaration.form,
            declaration: declaration.span,
            line,
            text: Text { start, end: source.len(), first_line: line + 1 },
        });
    }
    let mut imports = found.imports.names;
    // The names of a statement are known at its start, a `super` within it only later.
    imports.sort_by_key(|name| name.start);
    let mut lines = LineCounter::new(bytes);
    Split {
        core,
        has_statements: overlays.iter().any(|overlay| overlay.form == Form::Statement),
        overlays,
        imports,
        ignored: found.ignored.into_iter().map(|at| lines.line_of(at)).collect(),
    }
}
