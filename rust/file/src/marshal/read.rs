//! From a marshal stream to the graph of its objects.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::FLAG_REF;
use super::graph::{CODE_CHILDREN, CODE_CHILDREN_BEFORE_LINE, Graph, Node, is_singleton};
use crate::FileError;
use crate::fields::Fields;

impl<'a> Graph<'a> {
    /// Reads one object, which must be all there is.
    pub fn read(marshalled: &'a [u8]) -> Result<Graph<'a>, FileError> {
        let mut reader = Reader {
            fields: Fields(marshalled),
            nodes: Vec::new(),
            open: Vec::new(),
            numbered: Vec::new(),
            leaves: HashMap::new(),
        };
        let complete = reader.run().is_some() && reader.fields.0.is_empty();
        let offset = marshalled.len() - reader.fields.0.len();
        let nodes = reader.nodes;
        match complete {
            true => Ok(Graph { nodes }),
            false => Err(FileError::Marshal { offset }),
        }
    }
}

/// An object whose children are being read.
struct Open {
    node: usize,
    /// How many more there are; of a dictionary nobody knows.
    missing: Option<usize>,
}

struct Reader<'a> {
    fields: Fields<'a>,
    nodes: Vec<Node<'a>>,
    /// The innermost last. A stack of our own: no nesting exhausts the thread's.
    open: Vec<Open>,
    /// The objects that `r` can refer to, by number: in the order in which they start.
    numbered: Vec<u32>,
    /// The node of each leaf, by type and data.
    leaves: HashMap<(u8, &'a [u8]), u32>,
}

impl<'a> Reader<'a> {
    fn run(&mut self) -> Option<()> {
        let root = self.object()?;
        if self.is_null(root) {
            return None;
        }
        while let Some(open) = self.open.last_mut() {
            let parent = open.node;
            if open.missing == Some(0) {
                self.nodes[parent].open = false;
                self.open.pop();
                continue;
            }
            open.missing = open.missing.map(|missing| missing - 1);
            let node = &mut self.nodes[parent];
            if node.kind == b'c' && node.children.len() == CODE_CHILDREN_BEFORE_LINE {
                node.line = self.fields.bytes(4)?;
            }
            let child = self.object()?;
            if self.is_null(child) {
                self.end_dictionary()?;
            }
            self.nodes[parent].children.push(child);
        }
        Some(())
    }

    fn is_null(&self, node: u32) -> bool {
        self.nodes[node as usize].kind == b'0'
    }

    /// A NULL ends a dictionary, in the place of a key; elsewhere it is an error.
    fn end_dictionary(&mut self) -> Option<()> {
        let open = self.open.last_mut()?;
        let is_key = self.nodes[open.node].children.len() % 2 == 0;
        if open.missing.is_some() || !is_key {
            return None;
        }
        open.missing = Some(0);
        Some(())
    }

    /// Reads the start of an object, or a reference to one.
    fn object(&mut self) -> Option<u32> {
        let byte = self.fields.u8()?;
        let kind = byte & !FLAG_REF;
        let node = match kind {
            b'r' => {
                let number = self.fields.u32()?;
                let node = self.numbered.get(number as usize).copied()?;
                // No compiler makes an object that holds itself, and a walk through one would have no end.
                return (!self.nodes[node as usize].open).then_some(node);
            }
            _ if is_singleton(kind) => return self.once(kind, &[]),
            b'z' | b'Z' | b'a' | b'A' | b'u' | b't' => self.string(kind)?,
            b'(' | b')' | b'[' | b'<' | b'>' | b'{' | b'}' | b':' | b'c' => self.parent(kind)?,
            _ => self.leaf(kind)?,
        };
        if byte != kind {
            self.numbered.push(node);
        }
        Some(node)
    }

    fn string(&mut self, kind: u8) -> Option<u32> {
        let length = match kind {
            b'z' | b'Z' => self.fields.u8()?.into(),
            _ => self.size()?,
        };
        let data = self.fields.bytes(length)?;
        if !matches!(kind, b'u' | b't') && !data.is_ascii() {
            return None;
        }
        let node = self.once(b'u', data)?;
        self.nodes[node as usize].interned |= matches!(kind, b'Z' | b'A' | b't');
        Some(node)
    }

    /// A number or a bytes object.
    fn leaf(&mut self, kind: u8) -> Option<u32> {
        let before = self.fields.0;
        let length = match kind {
            b'i' => 4,
            b'g' => 8,
            b'y' => 16,
            b'f' => self.fields.u8()?.into(),
            b'x' => {
                let real = self.fields.u8()?;
                self.fields.bytes(real.into())?;
                self.fields.u8()?.into()
            }
            b's' => self.size()?,
            b'l' => self.digits()?.checked_mul(2)?,
            _ => return None,
        };
        self.fields.bytes(length)?;
        self.once(kind, self.since(before))
    }

    fn parent(&mut self, kind: u8) -> Option<u32> {
        let before = self.fields.0;
        let missing = match kind {
            b')' => Some(self.fields.u8()?.into()),
            b'{' | b'}' => None,
            b':' => Some(3),
            b'c' => {
                self.fields.bytes(5 * 4)?;
                Some(CODE_CHILDREN)
            }
            _ => Some(self.size()?),
        };
        let node = self.nodes.len();
        self.open.push(Open { node, missing });
        let number = self.push(kind, self.since(before))?;
        self.nodes[node].open = true;
        Some(number)
    }

    /// What has been read since there were these bytes before us.
    fn since(&self, before: &'a [u8]) -> &'a [u8] {
        &before[..before.len() - self.fields.0.len()]
    }

    /// The node of a leaf, a new one where there is none yet.
    fn once(&mut self, kind: u8, data: &'a [u8]) -> Option<u32> {
        match self.leaves.entry((kind, data)) {
            Entry::Occupied(node) => Some(*node.get()),
            Entry::Vacant(place) => {
                place.insert(u32::try_from(self.nodes.len()).ok()?);
                self.push(kind, data)
            }
        }
    }

    fn push(&mut self, kind: u8, data: &'a [u8]) -> Option<u32> {
        let node = u32::try_from(self.nodes.len()).ok()?;
        self.nodes.push(Node { kind, data, children: Vec::new(), line: &[], interned: false, open: false });
        Some(node)
    }

    /// A length, of 31 bits as `marshal` reads it.
    fn size(&mut self) -> Option<usize> {
        let size = i32::from_le_bytes(self.fields.array()?);
        usize::try_from(size).ok()
    }

    /// How many 15-bit digits an integer has; the stored number carries its sign.
    fn digits(&mut self) -> Option<usize> {
        let digits = i32::from_le_bytes(self.fields.array()?);
        usize::try_from(digits.unsigned_abs()).ok()
    }
}
