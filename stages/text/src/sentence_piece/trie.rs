//! Which of many keys a text begins with.

use std::collections::VecDeque;
use std::ops::Range;

/// A set of byte strings, each with a number, in which all prefixes of a text are found in one walk.
#[derive(Debug, Clone)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// The edges of all nodes, each node's together and in the order of their bytes.
    edges: Vec<(u8, usize)>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    edges: Range<usize>,
    value: Option<u32>,
}

impl Trie {
    /// The trie of these keys, none of them empty, none twice.
    pub(super) fn new(mut keys: Vec<(&[u8], u32)>) -> Self {
        keys.sort_unstable();
        let mut trie = Self {
            nodes: vec![Node::default()],
            edges: Vec::new(),
        };
        // A node, its depth, and the keys that pass through it.
        let mut open = VecDeque::from([(0, 0, 0..keys.len())]);
        while let Some((node, depth, mut range)) = open.pop_front() {
            if let Some((key, value)) = keys.get(range.start)
                && key.len() == depth
            {
                trie.nodes[node].value = Some(*value);
                range.start += 1;
            }
            let first_edge = trie.edges.len();
            let mut start = range.start;
            for group in keys[range].chunk_by(|(a, _), (b, _)| a.get(depth) == b.get(depth)) {
                let Some(byte) = group.first().and_then(|(key, _)| key.get(depth)) else {
                    continue;
                };
                trie.edges.push((*byte, trie.nodes.len()));
                open.push_back((trie.nodes.len(), depth + 1, start..start + group.len()));
                trie.nodes.push(Node::default());
                start += group.len();
            }
            trie.nodes[node].edges = first_edge..trie.edges.len();
        }
        trie
    }

    /// The keys that `text` begins with, shortest first: their lengths in bytes and their numbers.
    pub(super) fn prefixes<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, u32)> + 'a {
        let mut node = Some(0);
        text.iter()
            .enumerate()
            .map_while(move |(position, byte)| {
                node = node.and_then(|node| self.child(node, *byte));
                node.map(|node| self.nodes[node].value.map(|value| (position + 1, value)))
            })
            .flatten()
    }

    /// The length in bytes of the longest key that `text` begins with.
    pub(super) fn longest(&self, text: &[u8]) -> Option<usize> {
        self.prefixes(text).last().map(|(len, _)| len)
    }

    fn child(&self, node: usize, byte: u8) -> Option<usize> {
        let edges = &self.edges[self.nodes[node].edges.clone()];
        let edge = edges.binary_search_by_key(&byte, |(byte, _)| *byte).ok()?;
        Some(edges[edge].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_walk_finds_what_trying_every_key_finds(
            keys in proptest::collection::btree_set("[ab]{1,4}", 0..12), text in "[abc]{0,8}",
        ) {
            let keys: BTreeMap<String, u32> = keys.into_iter().zip(0..).collect();
            let trie = Trie::new(keys.iter().map(|(key, value)| (key.as_bytes(), *value)).collect());
            let mut tried: Vec<(usize, u32)> = keys
                .iter()
                .filter(|(key, _)| text.starts_with(key.as_str()))
                .map(|(key, value)| (key.len(), *value))
                .collect();
            tried.sort_unstable();
            let walked: Vec<_> = trie.prefixes(text.as_bytes()).collect();
            prop_assert_eq!(&walked, &tried);
            prop_assert_eq!(trie.longest(text.as_bytes()), tried.last().map(|(len, _)| *len));
        }
    }
}
