//! Function bodies taken out of a module's code.
//!
//! Each function of the module's level and of its class bodies gives way to a marker, a tuple that no compiler makes:
//!
//! `(docstring or None, StopIteration, number of the body, name, qualified name)`
//!
//! Code that runs as soon as its function is made (comprehensions, the scopes of type parameters) stays.

use hashbrown::{HashMap, HashSet};

use super::graph::{CODE_CONSTS, CODE_FILENAME, CODE_NAME, CODE_QUALNAME, Graph};
use crate::FileError;

/// The form of the markers. To be changed with it: code that meets markers of another form must not run.
pub const MARKERS: u32 = 1;

/// A body smaller than this stays: its marker and its place in the directory would cost as much as they save.
const SMALLEST: usize = 90;

const OPTIMIZED: u32 = 0x1;
/// `CO_HAS_DOCSTRING`, from CPython 3.14 on.
const HAS_DOCSTRING: u32 = 0x400_0000;
const TYPE_PARAMETERS: &[u8] = b"<generic parameters of ";
const RUN_AT_ONCE: [&[u8]; 4] = [b"<listcomp>", b"<setcomp>", b"<dictcomp>", b"<genexpr>"];
const MARKER_LEN: &[u8] = &[5];

/// What is to be taken out.
#[derive(Clone, Copy, Debug)]
pub struct Bodies<'k> {
    /// The number of the first body; the others follow.
    pub first: u32,
    /// The numbers, in a hollow that keeps nothing, of the bodies to be kept.
    pub keep: &'k [u32],
    /// Whether a flag says that the first constant is a docstring (CPython 3.14), not its being a string.
    pub docstring_flag: bool,
}

/// A module's code without the bodies of its functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hollow {
    pub core: Vec<u8>,
    /// In the order of their numbers; each names no file, as that is its module's.
    pub bodies: Vec<Vec<u8>>,
}

/// The module code `marshalled`, in its one form, with function bodies taken out.
pub fn hollow(marshalled: &[u8], bodies: Bodies<'_>) -> Result<Hollow, FileError> {
    let graph = Graph::read(marshalled)?;
    let numbers: Vec<[u8; 4]> = (bodies.first..).map(u32::to_le_bytes).take(graph.nodes.len()).collect();
    let mut graph = graph;
    graph.order_frozensets();
    let Some(filename) = graph.child(0, CODE_FILENAME) else {
        return Ok(Hollow { core: graph.write(), bodies: Vec::new() });
    };
    let functions = graph.functions();
    let unnamed = graph.push(b'u', &[]);
    functions.iter().for_each(|function| graph.rename_file(function.code, filename, unnamed));
    let payloads = graph.write_each(functions.iter().map(|function| function.code));
    let mut taken = Vec::new();
    let mut large = bodies.first..;
    for (function, payload) in functions.iter().zip(payloads) {
        let is_kept = payload.len() < SMALLEST || large.next().is_none_or(|number| bodies.keep.contains(&number));
        if is_kept {
            graph.rename_file(function.code, unnamed, filename);
        } else {
            let marker = graph.marker(function.code, &numbers[taken.len()], bodies.docstring_flag);
            for (consts, place) in &function.places {
                graph.nodes[*consts as usize].children[*place] = marker;
            }
            taken.push(payload);
        }
    }
    Ok(Hollow { core: graph.write(), bodies: taken })
}

/// A function's code, and where it stands: in which tuples of constants, at which place there.
struct Function {
    code: u32,
    places: Vec<(u32, usize)>,
}

impl<'a> Graph<'a> {
    /// The functions that the module makes when it is imported, in the order of its constants.
    fn functions(&self) -> Vec<Function> {
        let mut functions: Vec<Function> = Vec::new();
        let mut numbers = HashMap::new();
        let mut scopes = vec![0];
        // Each tuple once: scopes that share theirs may be made to come by many ways.
        let mut seen = HashSet::new();
        while let Some(scope) = scopes.pop() {
            let Some(consts) = self.child(scope, CODE_CONSTS).filter(|consts| seen.insert(*consts)) else { continue };
            for (place, &code) in self.nodes[consts as usize].children.iter().enumerate() {
                match self.scope_of(code) {
                    Some(Scope::Function) => {
                        let number = *numbers.entry(code).or_insert(functions.len());
                        if number == functions.len() {
                            functions.push(Function { code, places: Vec::new() });
                        }
                        functions[number].places.push((consts, place));
                    }
                    Some(Scope::Run) => scopes.push(code),
                    Some(Scope::Left) | None => {}
                }
            }
        }
        functions
    }

    fn scope_of(&self, code: u32) -> Option<Scope> {
        let node = &self.nodes[code as usize];
        if node.kind != b'c' {
            return None;
        }
        let name = self.nodes[self.child(code, CODE_NAME)? as usize].data;
        Some(match self.flags(code) & OPTIMIZED {
            0 => Scope::Run,
            _ if name.starts_with(TYPE_PARAMETERS) => Scope::Run,
            _ if RUN_AT_ONCE.contains(&name) => Scope::Left,
            _ => Scope::Function,
        })
    }

    /// The last of the five numbers that a code object begins with.
    fn flags(&self, code: u32) -> u32 {
        let flags = self.nodes[code as usize].data.last_chunk();
        flags.map_or(0, |flags| u32::from_le_bytes(*flags))
    }

    fn child(&self, code: u32, place: usize) -> Option<u32> {
        let node = &self.nodes[code as usize];
        node.children.get(place).copied().filter(|_| node.kind == b'c')
    }

    /// Gives the code, and all code in it, another file name.
    fn rename_file(&mut self, code: u32, from: u32, to: u32) {
        let mut rest = vec![code];
        while let Some(code) = rest.pop() {
            if self.child(code, CODE_FILENAME) != Some(from) {
                continue;
            }
            self.nodes[code as usize].children[CODE_FILENAME] = to;
            if let Some(consts) = self.child(code, CODE_CONSTS) {
                rest.extend(&self.nodes[consts as usize].children);
            }
        }
    }

    fn marker(&mut self, code: u32, number: &'a [u8], docstring_flag: bool) -> u32 {
        let first = self.child(code, CODE_CONSTS).and_then(|consts| self.nodes[consts as usize].children.first());
        let doc = first.copied().filter(|&first| match docstring_flag {
            true => self.flags(code) & HAS_DOCSTRING != 0,
            false => self.nodes[first as usize].kind == b'u',
        });
        let names = [CODE_NAME, CODE_QUALNAME].map(|place| self.nodes[code as usize].children[place]);
        if names[0] != names[1] {
            // Looking for another such string would take longer than all else about the marker, and find none.
            self.nodes[names[1] as usize].interned = false;
        }
        let children = vec![
            doc.unwrap_or_else(|| self.push(b'N', &[])),
            self.push(b'S', &[]),
            self.push(b'i', number),
            names[0],
            names[1],
        ];
        let marker = self.push(b')', MARKER_LEN);
        self.nodes[marker as usize].children = children;
        marker
    }
}

/// What becomes of a code object among the constants of a scope.
enum Scope {
    /// It is called when somebody calls it.
    Function,
    /// It runs at once, and makes functions.
    Run,
    /// It runs at once.
    Left,
}
