//! No file imports another that imports it back, over however many steps: state and vocabulary are below, whoever acts on
//! them is above.
//!
//! An import leads to the file that defines what it names: re-exports are followed, so a `mod.rs` that only declares and
//! re-exports is in nobody's way. One that defines something is a file like any other.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::PathUse;
use super::rules::Finding;
use super::scan::{Name, Scan};

/// Aliases followed for one path: more than anybody writes, fewer than a chain of aliases that leads back to itself.
const ALIASES_MAX: usize = 16;

/// A crate's sources and its name, by which its own binary calls it.
const CRATES: [(&str, &str); 2] = [("src", "coney"), ("conformance/src", "conformance")];

/// Files by number, the imports between them, and where each was first written.
type Edges = BTreeMap<usize, BTreeMap<usize, usize>>;

/// A finding for each circle.
pub(super) fn check(scans: &[Scan]) -> Vec<Finding> {
    CRATES.iter().flat_map(|(folder, name)| Tree::new(scans, folder, name).circles()).collect()
}

/// The files of one crate.
struct Tree<'a> {
    files: Vec<&'a Scan>,
    by_module: BTreeMap<Vec<String>, usize>,
    root: Vec<String>,
    name: &'a str,
}

impl<'a> Tree<'a> {
    fn new(scans: &'a [Scan], folder: &str, name: &'a str) -> Self {
        let below = format!("{folder}/");
        let files: Vec<&Scan> =
            scans.iter().filter(|scan| scan.path.starts_with(&below) && !scan.test_file).collect();
        // A library comes before its binary: `crate` is the library's root in both, which names the same modules.
        let is_main = |scan: &Scan| scan.path == format!("{below}main.rs");
        let by_module = files
            .iter()
            .enumerate()
            .filter(|(_, scan)| !is_main(scan))
            .map(|(index, scan)| (scan.module().to_vec(), index))
            .collect();
        let root = if folder == "src" { Vec::new() } else { folder.split('/').map(str::to_owned).collect() };
        Self { files, by_module, root, name }
    }

    fn circles(&self) -> Vec<Finding> {
        let edges = self.edges();
        let circles = strongly_connected(self.files.len(), &edges);
        circles.into_iter().map(|circle| self.finding(&circle, &edges)).collect()
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (index, scan) in self.files.iter().enumerate() {
            for path in scan.uses.iter().filter(|path| is_import(path) && !scan.is_test(path.line)) {
                let to = self.file_of(&scan.module_at(path.line), &path.segments, ALIASES_MAX);
                if let Some(to) = to.filter(|to| *to != index) {
                    edges.entry(index).or_default().entry(to).or_insert(path.line);
                }
            }
        }
        edges
    }

    /// The file that defines what a path names; `None` for what is not of this crate, and for a module as such.
    fn file_of(&self, module: &[String], segments: &[String], aliases: usize) -> Option<usize> {
        let (first, rest) = segments.split_first()?;
        match first.as_str() {
            "crate" => self.descend(&self.root, rest, aliases),
            "self" => self.descend(module, rest, aliases),
            "super" => {
                let ups = segments.iter().take_while(|segment| *segment == "super").count();
                let kept = module.len().checked_sub(ups)?;
                self.descend(module.get(..kept)?, segments.get(ups..)?, aliases)
            }
            name if name == self.name => self.descend(&self.root, rest, aliases),
            name if self.names(module, name) => self.descend(module, segments, aliases),
            _ => None,
        }
    }

    /// Whether a name that stands alone means something of this module.
    fn names(&self, module: &[String], name: &str) -> bool {
        let named = |file: &usize| self.files[*file].names.contains_key(name);
        self.by_module.contains_key(&child(module, name)) || self.by_module.get(module).is_some_and(named)
    }

    /// Goes down modules for as long as the path names files, then to where its next name is defined.
    fn descend(&self, module: &[String], segments: &[String], aliases: usize) -> Option<usize> {
        let mut module = module.to_vec();
        for (index, segment) in segments.iter().enumerate() {
            let below = child(&module, segment);
            if !self.by_module.contains_key(&below) {
                return self.defined(&module, &segments[index..], aliases);
            }
            module = below;
        }
        // A module as a whole: what is used of it is a path of its own.
        None
    }

    fn defined(&self, module: &[String], segments: &[String], aliases: usize) -> Option<usize> {
        let file = self.nearest(module)?;
        let (name, rest) = segments.split_first()?;
        let aliases = aliases.checked_sub(1)?;
        if let Some(Name::Alias(target)) = self.files[file].names.get(name) {
            let path: Vec<String> = target.iter().chain(rest).cloned().collect();
            // What comes from another crate is this file's as far as we can tell.
            let is_itself = path.first() == Some(name);
            return if is_itself { None } else { self.file_of(module, &path, aliases) }.or(Some(file));
        }
        if self.files[file].names.contains_key(name) {
            return Some(file);
        }
        let glob = |target: &Vec<String>| {
            let to = self.file_of(module, target, aliases)?;
            self.files[to]
                .names
                .contains_key(name)
                .then(|| self.file_of(module, &extended(target, segments), aliases))?
        };
        self.files[file].globs.iter().find_map(glob).or(Some(file))
    }

    /// The file of a module, or of the one around it if it has none of its own.
    fn nearest(&self, module: &[String]) -> Option<usize> {
        (self.root.len()..=module.len()).rev().find_map(|len| self.by_module.get(module.get(..len)?).copied())
    }

    fn finding(&self, circle: &[usize], edges: &Edges) -> Finding {
        let mut arrows = Vec::new();
        let mut line = 1;
        for from in circle {
            for (to, at) in edges.get(from).into_iter().flatten().filter(|(to, _)| circle.contains(to)) {
                if arrows.is_empty() {
                    line = *at;
                }
                arrows.push(format!("{}:{at} -> {}", self.files[*from].path, self.files[*to].path));
            }
        }
        let text =
            format!("{} files import each other in a circle:\n  {}", circle.len(), arrows.join("\n  "));
        Finding::new(&self.files[circle[0]].path, line, text)
    }
}

/// A lone name is a local one, and macros are found by their own rules.
const fn is_import(path: &PathUse) -> bool {
    !path.is_macro && (path.imported || path.segments.len() > 1)
}

fn child(module: &[String], name: &str) -> Vec<String> {
    extended(module, &[name.to_owned()])
}

fn extended(path: &[String], more: &[String]) -> Vec<String> {
    path.iter().chain(more).cloned().collect()
}

/// Groups of more than one file in which each leads to each. The trees are small, so reachability is simply followed.
fn strongly_connected(count: usize, edges: &Edges) -> Vec<Vec<usize>> {
    let reach: Vec<BTreeSet<usize>> = (0..count).map(|from| reachable(from, edges)).collect();
    let mut seen = BTreeSet::new();
    let mut groups = Vec::new();
    for from in 0..count {
        let group: Vec<usize> = reach[from].iter().copied().filter(|to| reach[*to].contains(&from)).collect();
        if !group.is_empty() && seen.insert(group.clone()) {
            groups.push(group);
        }
    }
    groups
}

/// What can be reached from a file, itself only if over others.
fn reachable(from: usize, edges: &Edges) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        for to in edges.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(*to) {
                next.push(*to);
            }
        }
    }
    reached
}
