//! The bindings of a topic exchange: a trie by words. `*` and `#` are children of their own.
//!
//! Matching walks all nodes that the words so far may have led to, one word at a time, without recursion. A `#` node
//! stays active from the moment it is reached, and every other node is reached from its one parent: so no node is
//! visited twice per word, and the cost is bounded by (words x nodes reached), whatever the patterns. A `#` node is
//! asked no more when it can lead to nothing new: it has no children, or has led to all of them and all that comes of
//! those is another `#`, which stays.
//! An empty key has no words; `.` separates, so `a.` has the words `a` and ``.

use slab::Slab;

use super::edges::{Edge, IndexSet, Map, Matches, VecSet};

const ROOT: usize = 0;

#[derive(Debug, Default)]
struct Node {
    words: Map<Box<[u8]>, usize>,
    star: Option<usize>,
    hash: Option<usize>,
    edges: VecSet<Edge>,
}

impl Node {
    fn is_unused(&self) -> bool {
        self.edges.is_empty() && self.words.is_empty() && self.star.is_none() && self.hash.is_none()
    }

    /// Children other than `#`.
    fn ways_on(&self) -> usize {
        self.words.len() + usize::from(self.star.is_some())
    }

    /// Whether it is of use after it was reached: it ends a pattern or leads on by a word.
    fn is_of_use(&self) -> bool {
        !self.edges.is_empty() || self.ways_on() > 0
    }

    fn child(&self, word: &[u8]) -> Option<usize> {
        match word {
            b"*" => self.star,
            b"#" => self.hash,
            _ => self.words.get(word).copied(),
        }
    }

    fn set_child(&mut self, word: &[u8], child: usize) {
        match word {
            b"*" => self.star = Some(child),
            b"#" => self.hash = Some(child),
            _ => drop(self.words.insert(word.into(), child)),
        }
    }

    fn remove_child(&mut self, word: &[u8]) {
        match word {
            b"*" => self.star = None,
            b"#" => self.hash = None,
            _ => drop(self.words.remove(word)),
        }
    }
}

/// What matching needs besides the trie; reused from message to message.
#[derive(Debug, Default)]
pub(super) struct TrieScratch {
    active: Vec<usize>,
    next: Vec<usize>,
    /// The `#` nodes that were reached.
    hashes: IndexSet,
    /// Those of them that may lead on.
    open: Vec<OpenHash>,
    /// Nodes that were looked at since somebody asked.
    pub(super) steps: usize,
}

/// A `#` node that was reached and may lead on.
#[derive(Clone, Copy, Debug)]
struct OpenHash {
    node: usize,
    /// Children that it has not led to, and those that it can lead to again with another outcome.
    left: usize,
}

#[derive(Debug)]
pub(super) struct TopicTrie {
    nodes: Slab<Node>,
}

impl Default for TopicTrie {
    fn default() -> Self {
        let mut nodes = Slab::new();
        // The first key of a slab is 0: the root.
        nodes.insert(Node::default());
        Self { nodes }
    }
}

impl TopicTrie {
    pub fn insert(&mut self, pattern: &[u8], edge: Edge) {
        let mut at = ROOT;
        for word in words(pattern) {
            at = self.child_or_new(at, word);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.edges.insert(edge);
        }
    }

    pub fn remove(&mut self, pattern: &[u8], edge: Edge) {
        let mut path = Vec::new();
        let mut at = ROOT;
        for word in words(pattern) {
            let Some(child) = self.nodes.get(at).and_then(|node| node.child(word)) else { return };
            path.push((at, word, child));
            at = child;
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.edges.remove(edge);
        }
        self.prune(&path);
    }

    /// Adds the edges of all patterns that match `key`.
    pub fn matches(&self, key: &[u8], scratch: &mut TrieScratch, found: &mut Matches<'_>) {
        scratch.next.clear();
        scratch.open.clear();
        self.enter(ROOT, scratch);
        std::mem::swap(&mut scratch.active, &mut scratch.next);
        for word in words(key) {
            self.step(word, scratch);
        }
        for node in
            scratch.active.iter().chain(scratch.hashes.as_slice()).filter_map(|at| self.nodes.get(*at))
        {
            found.add_all(&node.edges);
        }
        scratch.hashes.clear();
    }

    fn step(&self, word: &[u8], scratch: &mut TrieScratch) {
        scratch.next.clear();
        // A `#` node that this word leads to has not seen the word: only those there before take part.
        let open_before = scratch.open.len();
        scratch.steps += open_before + scratch.active.len();
        let active = std::mem::take(&mut scratch.active);
        for at in &active {
            self.advance(*at, word, scratch);
        }
        scratch.active = active;
        let mut any_closed = false;
        for position in 0..open_before {
            let Some(OpenHash { node, left }) = scratch.open.get(position).copied() else { break };
            let done = self.advance(node, word, scratch);
            if let Some(open) = scratch.open.get_mut(position).filter(|_| done > 0) {
                open.left = left.saturating_sub(done);
                any_closed |= open.left == 0;
            }
        }
        if any_closed {
            scratch.open.retain(|open| open.left > 0);
        }
        std::mem::swap(&mut scratch.active, &mut scratch.next);
    }

    /// Enters the nodes that `word` leads to from the node `at`. Tells how many of them need not be entered from there again.
    fn advance(&self, at: usize, word: &[u8], scratch: &mut TrieScratch) -> usize {
        let Some(node) = self.nodes.get(at) else { return 0 };
        let mut done = 0;
        // Most nodes have children of one sort only, and an empty map need not hash the word.
        if !node.words.is_empty()
            && let Some(child) = node.words.get(word)
        {
            done += usize::from(self.enter(*child, scratch));
        }
        if let Some(child) = node.star {
            done += usize::from(self.enter(child, scratch));
        }
        done
    }

    /// Makes a node active, and with it the `#` nodes below it, which may stand for no word at all. Tells whether this was the
    /// first time, and all that comes of it stays.
    fn enter(&self, at: usize, scratch: &mut TrieScratch) -> bool {
        let Some(node) = self.nodes.get(at) else { return false };
        let is_of_use = node.is_of_use();
        if is_of_use {
            scratch.next.push(at);
        }
        let mut is_new = false;
        let mut below = node.hash;
        // If one is active already, then so are those below it.
        while let Some(hash) = below.filter(|hash| scratch.hashes.insert(*hash)) {
            is_new = true;
            let node = self.nodes.get(hash);
            let left = node.map_or(0, Node::ways_on);
            if left > 0 {
                scratch.open.push(OpenHash { node: hash, left });
            }
            below = node.and_then(|node| node.hash);
        }
        is_new && !is_of_use
    }

    fn child_or_new(&mut self, at: usize, word: &[u8]) -> usize {
        if let Some(child) = self.nodes.get(at).and_then(|node| node.child(word)) {
            return child;
        }
        let child = self.nodes.insert(Node::default());
        if let Some(node) = self.nodes.get_mut(at) {
            node.set_child(word, child);
        }
        child
    }

    /// Removes the nodes of a path that nothing needs any more, from the leaf up.
    fn prune(&mut self, path: &[(usize, &[u8], usize)]) {
        for (parent, word, child) in path.iter().rev() {
            if !self.nodes.get(*child).is_some_and(Node::is_unused) {
                return;
            }
            self.nodes.remove(*child);
            if let Some(node) = self.nodes.get_mut(*parent) {
                node.remove_child(word);
            }
        }
    }
}

/// The words of a key or pattern.
fn words(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let none = key.is_empty();
    key.split(|byte| *byte == b'.').skip(usize::from(none))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::edges::Target;
    use super::*;
    use crate::message::QueueId;

    /// The definition, word by word; exponential in the number of `#`.
    fn naive(pattern: &[&[u8]], key: &[&[u8]]) -> bool {
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (Some((&b"#", rest)), None) => naive(rest, key),
            (Some((&b"#", rest)), Some((_, key_rest))) => naive(rest, key) || naive(pattern, key_rest),
            (Some((word, rest)), Some((first, key_rest))) => {
                (*word == b"*" || word == first) && naive(rest, key_rest)
            }
            _ => false,
        }
    }

    fn naive_matches(pattern: &str, key: &str) -> bool {
        let split = |text: &'static str| words(text.as_bytes()).collect::<Vec<_>>();
        // Leaking a few bytes keeps the helper short.
        naive(&split(pattern.to_owned().leak()), &split(key.to_owned().leak()))
    }

    fn edge(index: usize) -> Edge {
        Edge { binding: index, target: Target::Queue(QueueId(index as u64)) }
    }

    /// The indices of the patterns that match, each as often as it was found.
    fn found(trie: &TopicTrie, key: &str, scratch: &mut TrieScratch) -> Vec<u64> {
        let (mut queues, mut exchanges) = (Vec::new(), Vec::new());
        let mut matches = Matches { queues: &mut queues, exchanges: &mut exchanges, any: false };
        trie.matches(key.as_bytes(), scratch, &mut matches);
        assert_eq!(matches.any, !matches.queues.is_empty());
        let mut ids: Vec<_> = queues.iter().map(|id| id.0).collect();
        ids.sort_unstable();
        ids
    }

    fn trie_of(patterns: &[impl AsRef<str>]) -> TopicTrie {
        let mut trie = TopicTrie::default();
        for (index, pattern) in patterns.iter().enumerate() {
            trie.insert(pattern.as_ref().as_bytes(), edge(index));
        }
        trie
    }

    /// As RabbitMQ 3.10.8 routes them.
    #[test]
    fn corner_cases_match_as_in_rabbitmq() {
        let patterns = [
            "", "#", "*", "a.#.b", "#.#", "*.#", "#.*", "a.", ".a", "a..b", "a.*.b", "*.*", "a.#", "#.b",
            ".", "#.", ".#", "*.", "a#", "a.#b", "#.a.#", "*.a.*", "a", "**", "a.#.#.b", "a.#.*.b",
        ];
        let trie = trie_of(&patterns);
        let cases: [(&str, &[&str]); 12] = [
            ("", &["", "#", "#.#"]),
            (".", &["#", "#.#", "*.#", "#.*", "*.*", ".", "#.", ".#", "*."]),
            ("a", &["#", "*", "#.#", "*.#", "#.*", "a.#", "#.a.#", "a"]),
            ("a.b", &["#", "a.#.b", "#.#", "*.#", "#.*", "*.*", "a.#", "#.b", "#.a.#", "a.#.#.b"]),
            (
                "a..b",
                &[
                    "#", "a.#.b", "#.#", "*.#", "#.*", "a..b", "a.*.b", "a.#", "#.b", "#.a.#", "a.#.#.b",
                    "a.#.*.b",
                ],
            ),
            ("a.", &["#", "#.#", "*.#", "#.*", "a.", "*.*", "a.#", "#.", "*.", "#.a.#"]),
            ("..", &["#", "#.#", "*.#", "#.*", "#.", ".#"]),
            ("a#", &["#", "*", "#.#", "*.#", "#.*", "a#"]),
            ("a.#b", &["#", "#.#", "*.#", "#.*", "*.*", "a.#", "a.#b", "#.a.#"]),
            ("#", &["#", "*", "#.#", "*.#", "#.*"]),
            ("**", &["#", "*", "#.#", "*.#", "#.*", "**"]),
            ("x.a.y", &["#", "#.#", "*.#", "#.*", "#.a.#", "*.a.*"]),
        ];
        for (key, expected) in cases {
            let ids = found(&trie, key, &mut TrieScratch::default());
            let matched: Vec<_> = ids.iter().map(|id| patterns[*id as usize]).collect();
            assert_eq!(matched, expected, "key {key:?}");
        }
    }

    #[test]
    fn many_hashes_stay_fast() {
        let pattern = "#.a.".repeat(60) + "#";
        let trie = trie_of(&[pattern.as_str(), &(pattern.clone() + ".b"), &"#.".repeat(120)]);
        let key = "a.".repeat(127) + "a";
        let mut scratch = TrieScratch::default();
        // Tracking back would take longer than the universe has.
        for _ in 0..10 {
            assert_eq!(found(&trie, &key, &mut scratch), [0]);
        }
    }

    /// Each of very many patterns may have matched a piece of the key's beginning in many ways.
    #[test]
    fn many_patterns_with_many_hashes_are_asked_once() {
        let letters = ["a", "b", "c"];
        let pattern = |number: usize| {
            let words = (0..8).map(|place| letters[number / 3_usize.pow(place) % 3]);
            format!("#.{}.#", words.collect::<Vec<_>>().join(".#."))
        };
        let patterns: Vec<String> = (0..3_usize.pow(8)).map(pattern).collect();
        let trie = trie_of(&patterns);
        let mut scratch = TrieScratch::default();
        assert_eq!(found(&trie, &"a.b.c.".repeat(40), &mut scratch).len(), patterns.len());
        let left: usize = scratch.open.iter().map(|open| open.left).sum();
        assert_eq!(left, 0, "all of them have led to all that they can");
    }

    #[test]
    fn removing_leaves_nothing_behind() {
        let mut trie = trie_of(&["a.*.#.b", "a.*", "#", ""]);
        for (index, pattern) in ["a.*.#.b", "a.*", "#", ""].iter().enumerate() {
            trie.remove(pattern.as_bytes(), edge(index));
        }
        assert_eq!(trie.nodes.len(), 1);
        assert!(trie.nodes.get(ROOT).is_some_and(Node::is_unused));
        trie.remove(b"never.there", edge(0));
    }

    fn text(parts: &'static [&'static str]) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(parts), 0..7).prop_map(|words| words.join("."))
    }

    proptest! {
        #[test]
        fn the_trie_agrees_with_the_definition(
            patterns in prop::collection::vec(text(&["a", "b", "", "*", "#"]), 1..20),
            keys in prop::collection::vec(text(&["a", "b", "", "c", "#"]), 1..10),
            removed in prop::collection::vec(any::<bool>(), 20),
        ) {
            let mut trie = trie_of(&patterns);
            let mut scratch = TrieScratch::default();
            let mut check = |trie: &TopicTrie, gone: &[bool]| for key in &keys {
                let expected: Vec<_> = (0..patterns.len())
                    .filter(|index| !gone[*index] && naive_matches(&patterns[*index], key))
                    .map(|index| index as u64)
                    .collect();
                assert_eq!(found(trie, key, &mut scratch), expected, "key {key:?} in {patterns:?}");
            };
            check(&trie, &[false; 20]);
            for index in (0..patterns.len()).filter(|index| removed[*index]) {
                trie.remove(patterns[index].as_bytes(), edge(index));
            }
            check(&trie, &removed);
        }
    }
}
