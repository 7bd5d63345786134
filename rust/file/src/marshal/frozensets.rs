//! The order of the elements of frozensets.

use std::cmp::Ordering;

use super::graph::{Graph, Node};

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
            children.sort_by(|one, other| self.compare(*one, *other));
            self.nodes[number].children = children;
        }
    }

    /// Compares the marshal data of two objects, without flags or references; of very large ones, the start.
    fn compare(&self, one: u32, other: u32) -> Ordering {
        let (mut ones, mut others) = (vec![one], vec![other]);
        // Every object may be there once; more would be a graph made to explode.
        for _ in 0..self.nodes.len() {
            let (Some(one), Some(other)) = (ones.pop(), others.pop()) else { break };
            let [one, other] = [one, other].map(|number| &self.nodes[number as usize]);
            if !std::ptr::eq(one, other) {
                match one.start().cmp(&other.start()) {
                    Ordering::Equal => {}
                    order => return order,
                }
            }
            ones.extend(one.children.iter().rev());
            others.extend(other.children.iter().rev());
        }
        Ordering::Equal
    }
}

impl Node<'_> {
    fn start(&self) -> Vec<u8> {
        let mut start = Vec::new();
        self.write_start(false, &mut start);
        start
    }
}
