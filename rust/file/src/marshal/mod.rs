//! Marshal data in one form, so that equal code gives equal bytes.
//!
//! What `marshal.dumps` gives for a code object differs from process to process. Here it is read
//! into a graph (`read`) and written again (`write`), with all that depends on the process taken
//! out:
//!
//! - `FLAG_REF` ("may be referred to again") follows from reference counts. It stays on just those
//!   objects that are referred to.
//! - Which of two equal strings are one object, and which are interned, follows from what the
//!   process has interned before. Equal strings become one, interned if any of them was; a single
//!   Latin-1 character, of which a process has but one, always is. Equal numbers and equal bytes
//!   become one too: the compiler and `marshal.loads` do not agree on which are.
//! - The elements of a frozenset come in the order of their marshal data, flags included. They are
//!   put in the order of their marshal data without flags (`frozensets`); a set of numbers alone
//!   keeps the order that it has.
//!
//! `marshal.loads` makes an equal object of it. `hollow` takes function bodies out on the way.
//!
//! Source: `Python/marshal.c` of CPython 3.11 to 3.15 (versions 4 to 6 of the marshal format).

mod frozensets;
mod graph;
mod hollow;
mod join;
mod read;
mod write;

use crate::FileError;
use graph::Graph;
pub use hollow::{Bodies, Hollow, MARKERS, hollow};
pub use join::join;

/// On the type of an object: it has a number, by which `r` refers to it.
const FLAG_REF: u8 = 0x80;

/// `marshalled` in the one form for what it says.
pub fn canonical(marshalled: &[u8]) -> Result<Vec<u8>, FileError> {
    let mut graph = Graph::read(marshalled)?;
    graph.order_frozensets();
    Ok(graph.write())
}
