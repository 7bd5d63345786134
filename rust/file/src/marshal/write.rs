//! A graph of objects as a marshal stream.

use super::FLAG_REF;
use super::graph::{CODE_CHILDREN_BEFORE_LINE, Graph, Node, is_singleton};

impl Graph<'_> {
    /// The stream that `marshal` would write if objects were flagged by use and strings had no
    /// history.
    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer {
            nodes: &self.nodes,
            is_shared: self.shared(),
            numbers: vec![None; self.nodes.len()],
            count: 0,
            out: Vec::new(),
            open: Vec::new(),
        };
        writer.run();
        writer.out
    }

    /// Which objects occur more than once.
    fn shared(&self) -> Vec<bool> {
        let mut uses = vec![0u8; self.nodes.len()];
        for &child in self.nodes.iter().flat_map(|node| &node.children) {
            let uses = &mut uses[child as usize];
            *uses = uses.saturating_add(1);
        }
        // The whole is used by whoever reads it: a reference to it from inside is its second use.
        if let Some(root) = uses.first_mut() {
            *root = root.saturating_add(1);
        }
        uses.into_iter().map(|uses| uses > 1).collect()
    }
}

struct Writer<'g, 'a> {
    nodes: &'g [Node<'a>],
    is_shared: Vec<bool>,
    /// Of each object that is already written, and shared.
    numbers: Vec<Option<u32>>,
    count: u32,
    out: Vec<u8>,
    /// Objects whose children are being written, each with the index of the next; the innermost
    /// last.
    open: Vec<(&'g Node<'a>, usize)>,
}

impl Writer<'_, '_> {
    fn run(&mut self) {
        self.object(0);
        while let Some((node, next)) = self.open.last_mut() {
            let (node, index) = (*node, *next);
            *next += 1;
            if node.kind == b'c' && index == CODE_CHILDREN_BEFORE_LINE {
                self.out.extend_from_slice(node.line);
            }
            match node.children.get(index) {
                Some(child) => self.object(*child as usize),
                None => drop(self.open.pop()),
            }
        }
    }

    fn object(&mut self, number: usize) {
        if let Some(reference) = self.numbers[number] {
            self.out.push(b'r');
            self.out.extend(reference.to_le_bytes());
            return;
        }
        let node = &self.nodes[number];
        let start = self.out.len();
        node.write_start(node.is_interned(), &mut self.out);
        if self.is_shared[number] && !is_singleton(node.kind) {
            self.out[start] |= FLAG_REF;
            self.numbers[number] = Some(self.count);
            self.count += 1;
        }
        if !node.children.is_empty() {
            self.open.push((node, 0));
        }
    }
}

impl Node<'_> {
    /// Type and data, without `FLAG_REF`; a string in its form for interned ones or in the other.
    pub fn write_start(&self, interned: bool, out: &mut Vec<u8>) {
        match self.kind {
            b'u' => self.write_string_start(interned, out),
            kind => out.push(kind),
        }
        out.extend_from_slice(self.data);
    }

    /// Type and length, in the form that `marshal` chooses.
    fn write_string_start(&self, interned: bool, out: &mut Vec<u8>) {
        let either = |yes, no| if interned { yes } else { no };
        let length = self.data.len() as u32;
        match u8::try_from(length) {
            Ok(short) if self.data.is_ascii() => return out.extend([either(b'Z', b'z'), short]),
            _ if self.data.is_ascii() => out.push(either(b'A', b'a')),
            _ => out.push(either(b't', b'u')),
        }
        out.extend(length.to_le_bytes());
    }

    fn is_interned(&self) -> bool {
        let is_latin_1_character = matches!(self.data, [..0x80] | [0xC2 | 0xC3, _]);
        self.interned || is_latin_1_character
    }
}
