//! A graph of objects as a marshal stream.

use super::FLAG_REF;
use super::graph::{CODE_CHILDREN_BEFORE_LINE, Graph, Node, is_singleton};

impl Graph<'_> {
    /// The stream that `marshal` would write if objects were flagged by use and strings had no
    /// history.
    pub fn write(&self) -> Vec<u8> {
        self.write_each([0]).pop().unwrap_or_default()
    }

    /// A stream for each of the `roots`, with all that belongs to it.
    pub fn write_each(&self, roots: impl IntoIterator<Item = u32>) -> Vec<Vec<u8>> {
        let mut writer = Writer {
            nodes: &self.nodes,
            uses: vec![0; self.nodes.len()],
            numbers: vec![None; self.nodes.len()],
            reached: Vec::new(),
            count: 0,
            out: Vec::new(),
            open: Vec::new(),
        };
        roots.into_iter().map(|root| writer.write(root)).collect()
    }
}

struct Writer<'g, 'a> {
    nodes: &'g [Node<'a>],
    /// How often each object occurs in the stream, 2 for more.
    uses: Vec<u8>,
    /// Of each object that is already written, and shared.
    numbers: Vec<Option<u32>>,
    /// The objects of the stream.
    reached: Vec<u32>,
    count: u32,
    out: Vec<u8>,
    /// Objects whose children are being written, each with the index of the next; the innermost
    /// last.
    open: Vec<(&'g Node<'a>, usize)>,
}

impl Writer<'_, '_> {
    fn write(&mut self, root: u32) -> Vec<u8> {
        self.count_uses(root);
        self.object(root as usize);
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
        self.count = 0;
        for number in self.reached.drain(..) {
            self.uses[number as usize] = 0;
            self.numbers[number as usize] = None;
        }
        std::mem::take(&mut self.out)
    }

    fn count_uses(&mut self, root: u32) {
        // The whole is used by whoever reads it: a reference to it from inside is its second use.
        self.uses[root as usize] = 1;
        self.reached.push(root);
        let mut next = 0;
        while let Some(&number) = self.reached.get(next) {
            next += 1;
            for &child in &self.nodes[number as usize].children {
                let uses = &mut self.uses[child as usize];
                if *uses == 0 {
                    self.reached.push(child);
                }
                *uses = (*uses + 1).min(2);
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
        if self.uses[number] > 1 && !is_singleton(node.kind) {
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
