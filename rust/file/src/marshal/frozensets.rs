//! The order of the elements of frozensets.

use super::graph::Graph;

impl Graph<'_> {
    /// Gives every frozenset one order. Numbers hash the same in every process, and are never
    /// flagged by chance: a set of them keeps its order, so that it is iterated as it would be
    /// without us.
    pub fn order_frozensets(&mut self) {
        for number in 0..self.nodes.len() {
            let node = &self.nodes[number];
            let is_number = |child: &u32| b"ilfgxy".contains(&self.nodes[*child as usize].kind);
            if node.kind != b'>' || node.children.iter().all(is_number) {
                continue;
            }
            let mut children = node.children.clone();
            children.sort_by_cached_key(|child| self.without_flags(*child));
            self.nodes[number].children = children;
        }
    }

    /// The marshal data of an object without flags or references; of a very large one, the start.
    fn without_flags(&self, number: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = vec![number];
        // Every object may be there once; more would be a graph made to explode.
        for _ in 0..self.nodes.len() {
            let Some(number) = rest.pop() else { break };
            let node = &self.nodes[number as usize];
            node.write_start(false, &mut out);
            rest.extend(node.children.iter().rev());
        }
        out
    }
}
