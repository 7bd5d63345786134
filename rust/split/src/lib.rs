//! Finds the overlay declarations of a Python module's source and cuts the source at them.
//!
//! The way the data takes: [`may_declare`] looks at raw bytes and says no for almost every file; [`split`] lexes the
//! decoded text (`lexer`), picks out the declarations (`declarations`), reads their names (`items`) and cuts the text
//! into the core and the overlays (`parts`). Nothing here knows a Python interpreter: a literal in a name is handed on as
//! source text.

mod bytes;
mod declarations;
mod fault;
mod imports;
mod items;
mod lexer;
mod parts;
mod precheck;
mod words;

pub use fault::SplitError;
pub use imports::imported_elsewhere;
pub use lexer::Grammar;
pub use parts::{Declared, Form, Item, Split, Text, blank_statements};
pub use precheck::may_declare;

/// The parts of a module's source, or `None` when the whole of it is the core.
///
/// `source` is decoded and starts behind the byte order mark; lines end in `\n`, `\r\n` or `\r`. Source that is not
/// lexically Python is `None` too: compiling it whole gives the interpreter's own error.
///
/// # Errors
///
/// A declaration that is misplaced or malformed. What takes Python to see is left to the caller: a literal that does not
/// evaluate, the same name twice, a reserved name spelled with escapes or in a form that NFKC changes.
pub fn split(source: &str, grammar: Grammar) -> Result<Option<Split>, SplitError> {
    let found = match declarations::find(source, grammar) {
        Ok(found) => found,
        Err(declarations::Stop::NotPython) => return Ok(None),
        Err(declarations::Stop::Fault(fault)) => return Err(fault.in_source(source)),
    };
    Ok((!found.declared.is_empty()).then(|| parts::cut(source, found)))
}
