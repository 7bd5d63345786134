//! Several streams as one.

use hashbrown::HashMap;

use super::graph::{Graph, Node, is_singleton};
use crate::FileError;

/// One tuple of what is in the streams. It keeps apart what was apart, but for interned strings, which are one in every
/// process: each is there once.
pub fn join(streams: &[&[u8]]) -> Result<Vec<u8>, FileError> {
    let count = i32::try_from(streams.len()).map_err(|_| FileError::TooLarge("tuple"))?.to_le_bytes();
    let mut whole = Graph { nodes: Vec::new() };
    whole.push(b'(', &count);
    let mut once: HashMap<(u8, &[u8]), u32> = HashMap::new();
    for stream in streams {
        let graph = Graph::read(stream)?;
        let mut places: Vec<u32> = Vec::with_capacity(graph.nodes.len());
        let first = whole.nodes.len();
        for node in graph.nodes {
            let next = u32::try_from(whole.nodes.len()).map_err(|_| FileError::TooLarge("tuple"))?;
            let is_shared = is_singleton(node.kind) || (node.kind == b'u' && node.interned);
            let place = if is_shared { *once.entry((node.kind, node.data)).or_insert(next) } else { next };
            if place == next {
                whole.nodes.push(node);
            }
            places.push(place);
        }
        for node in &mut whole.nodes[first..] {
            rename(node, &places);
        }
        let root = places.first().copied().unwrap_or_default();
        whole.nodes[0].children.push(root);
    }
    Ok(whole.write())
}

/// Gives the children the numbers that they have in the whole.
fn rename(node: &mut Node<'_>, places: &[u32]) {
    for child in &mut node.children {
        *child = places[*child as usize];
    }
}
