//! What `split` makes of Python source.

mod directives;
mod errors;
mod imports;
mod lines;
mod names;
mod precheck;
mod properties;
mod size;
mod soft_keyword;
mod strings;

use overlay_split::{Declared, Grammar, Item, Split, SplitError, Text};

const PYTHON_3_11: Grammar = Grammar { nested_fstrings: false, tstrings: false };
const PYTHON_3_12: Grammar = Grammar { nested_fstrings: true, tstrings: false };
const PYTHON_3_14: Grammar = Grammar { nested_fstrings: true, tstrings: true };
const PYTHONS: [Grammar; 3] = [PYTHON_3_11, PYTHON_3_12, PYTHON_3_14];

/// The outcome, which must be the same on every version.
fn split(source: &str) -> Result<Option<Split>, SplitError> {
    let outcomes = PYTHONS.map(|grammar| overlay_split::split(source, grammar));
    let [first, others @ ..] = outcomes;
    for other in others {
        assert_eq!(first, other, "{source:?}");
    }
    first
}

/// The parts of a source that declares something.
fn parts(source: &str) -> Split {
    match split(source) {
        Ok(Some(parts)) => parts,
        other => panic!("{source:?} gives {other:?}"),
    }
}

fn error(source: &str) -> SplitError {
    match split(source) {
        Err(error) => error,
        Ok(parts) => panic!("{source:?} gives {parts:?}"),
    }
}

/// The name that the only declaration gives.
fn name(source: &str) -> Item {
    let [Declared { name, .. }] = parts(source).overlays.try_into().expect("one declaration");
    name
}

fn declares_nothing(source: &str) -> bool {
    split(source).expect("no error").is_none()
}

fn text(source: &str, text: Text) -> &str {
    &source[text.start..text.end]
}

/// The core and the overlays, as text.
fn texts(source: &str) -> Vec<&str> {
    let parts = parts(source);
    let overlays = parts.overlays.iter().map(|overlay| overlay.text);
    std::iter::once(parts.core).chain(overlays).map(|part| text(source, part)).collect()
}

fn id(word: &str) -> Item {
    Item::Identifier(word.to_owned())
}

fn literal(text: &str) -> Item {
    Item::Literal(text.to_owned())
}
