//! A marshal stream as a graph of objects.

/// How many children of a code object come before its first line number: from the bytecode to the
/// qualified name. Line table and exception table come after it.
pub(super) const CODE_CHILDREN_BEFORE_LINE: usize = 8;
pub(super) const CODE_CHILDREN: usize = CODE_CHILDREN_BEFORE_LINE + 2;
/// Where a code object has its constants and its names, among its children.
pub(super) const CODE_CONSTS: usize = 1;
pub(super) const CODE_FILENAME: usize = 5;
pub(super) const CODE_NAME: usize = 6;
pub(super) const CODE_QUALNAME: usize = 7;

/// One object. Every string has the type `u` here, whatever its form in the stream.
pub(super) struct Node<'a> {
    pub kind: u8,
    /// Of a string, what it holds; of any other object, all bytes between its type and its
    /// children.
    pub data: &'a [u8],
    pub children: Vec<u32>,
    /// Of a code object, the four bytes of its first line number.
    pub line: &'a [u8],
    /// Of a string, whether any of those equal to it was interned.
    pub interned: bool,
    /// Whether children are still missing.
    pub open: bool,
}

/// All objects; the first holds the others, and none holds itself. A string, a number or a bytes object is there once.
pub(super) struct Graph<'a> {
    pub nodes: Vec<Node<'a>>,
}

impl<'a> Graph<'a> {
    /// Adds an object without children.
    pub fn push(&mut self, kind: u8, data: &'a [u8]) -> u32 {
        self.nodes.push(Node { kind, data, children: Vec::new(), line: &[], interned: false, open: false });
        // A stream is too short for this many objects: each is a byte of it at least.
        self.nodes.len() as u32 - 1
    }
}

/// NULL, None, False, True, StopIteration, Ellipsis: written anew each time, never numbered.
pub(super) fn is_singleton(kind: u8) -> bool {
    matches!(kind, b'0' | b'N' | b'F' | b'T' | b'S' | b'.')
}
