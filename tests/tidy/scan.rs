//! One source file, parsed: its tokens with line numbers, its functions, and which of its lines are test code.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::paths::{self, PathUse};

/// A token of the flattened file: groups become their two delimiters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Ident(String),
    Punct(char),
    Open(Delimiter),
    Close,
    Literal,
}

/// A function's name, first line (of `fn`) and number of lines to its closing brace.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
}

/// What a name of a file means.
pub(super) enum Name {
    /// Something that is defined here.
    Defined,
    /// Something that was imported, with its path.
    Alias(Vec<String>),
}

/// What the rules look at.
pub(super) struct Scan {
    /// From the root, with `/`.
    pub(super) path: String,
    pub(super) lines: usize,
    pub(super) begins_with_doc: bool,
    pub(super) tokens: Vec<(Token, usize)>,
    pub(super) uses: Vec<PathUse>,
    pub(super) functions: Vec<Function>,
    /// Lines of items that are compiled for tests only.
    pub(super) test_items: Vec<RangeInclusive<usize>>,
    /// The whole file is test code.
    pub(super) test_file: bool,
    /// What the file's own module names, outside test code.
    pub(super) names: BTreeMap<String, Name>,
    /// Modules of which everything is imported.
    pub(super) globs: Vec<Vec<String>>,
    module: Vec<String>,
    inline_modules: Vec<(String, RangeInclusive<usize>)>,
    test_modules: Vec<Vec<String>>,
}

impl Scan {
    pub(super) fn new(path: &str, text: &str) -> syn::Result<Self> {
        let stream: TokenStream = text.parse()?;
        let file: syn::File = syn::parse_str(text)?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let mut scan = Self {
            path: path.to_owned(),
            lines: text.lines().count(),
            begins_with_doc: text.starts_with("//!"),
            uses: paths::all(&tokens),
            tokens,
            functions: Vec::new(),
            test_items: Vec::new(),
            test_file: in_tests_folder(path),
            names: BTreeMap::new(),
            globs: Vec::new(),
            module: module_of(path),
            inline_modules: Vec::new(),
            test_modules: Vec::new(),
        };
        scan.visit_file(&file);
        file.items.iter().for_each(|item| scan.note_names(item));
        Ok(scan)
    }

    /// The module that the file is, from the crate's root.
    pub(super) fn module(&self) -> &[String] {
        &self.module
    }

    fn note_names(&mut self, item: &syn::Item) {
        use syn::Item;
        let ident = match item {
            Item::Use(item) if !item.attrs.iter().any(is_for_tests) => {
                return self.note_imports(&item.tree, &[]);
            }
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Mod(item) if item.content.is_some() => &item.ident,
            _ => return,
        };
        self.names.insert(ident.to_string(), Name::Defined);
    }

    fn note_imports(&mut self, tree: &syn::UseTree, prefix: &[String]) {
        let path = |ident: &syn::Ident| prefix.iter().cloned().chain([ident.to_string()]).collect();
        match tree {
            syn::UseTree::Path(tree) => {
                let prefix: Vec<String> = path(&tree.ident);
                self.note_imports(&tree.tree, &prefix);
            }
            syn::UseTree::Name(tree) if tree.ident == "self" => {
                let name = prefix.last().cloned().unwrap_or_default();
                self.names.insert(name, Name::Alias(prefix.to_vec()));
            }
            syn::UseTree::Name(tree) => {
                self.names.insert(tree.ident.to_string(), Name::Alias(path(&tree.ident)));
            }
            syn::UseTree::Rename(tree) => {
                self.names.insert(tree.rename.to_string(), Name::Alias(path(&tree.ident)));
            }
            syn::UseTree::Glob(_) => self.globs.push(prefix.to_vec()),
            syn::UseTree::Group(tree) => tree.items.iter().for_each(|tree| self.note_imports(tree, prefix)),
        }
    }

    /// Modules in files of their own that this file declares for tests only.
    pub(super) fn declared_test_modules(&self) -> Vec<Vec<String>> {
        self.test_modules.clone()
    }

    /// Marks a file of a module declared for tests, or below one.
    pub(super) fn mark_test_file(&mut self, test_modules: &BTreeSet<Vec<String>>) {
        self.test_file |= test_modules.iter().any(|test| self.module.starts_with(test));
    }

    /// The file below `src/` or the folder there that it is in; `None` outside `src/`.
    pub(super) fn layer(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        Some(below.split('/').next()?.trim_end_matches(".rs"))
    }

    pub(super) fn is_test(&self, line: usize) -> bool {
        self.test_file || self.test_items.iter().any(|lines| lines.contains(&line))
    }

    /// The module around a line, from the crate's root.
    pub(super) fn module_at(&self, line: usize) -> Vec<String> {
        let inline = self.inline_modules.iter().filter(|(_, lines)| lines.contains(&line));
        self.module.iter().cloned().chain(inline.map(|(name, _)| name.clone())).collect()
    }

    /// Whether an identifier stands at `index`, and which.
    pub(super) fn ident_at(&self, index: usize) -> Option<&str> {
        match self.tokens.get(index) {
            Some((Token::Ident(name), _)) => Some(name),
            _ => None,
        }
    }

    pub(super) fn token_at(&self, index: usize) -> Option<&Token> {
        self.tokens.get(index).map(|(token, _)| token)
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.fn_token.span.start().line;
        let last = block.brace_token.span.close().end().line;
        self.functions.push(Function { name: signature.ident.to_string(), line, lines: last - line + 1 });
    }

    /// Remembers an item that its attributes keep for tests.
    fn note_test(&mut self, attributes: &[syn::Attribute], span: Span) {
        if attributes.iter().any(is_for_tests) {
            self.test_items.push(span.start().line..=span.end().line);
        }
    }
}

impl<'ast> Visit<'ast> for Scan {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note_test(&item.attrs, item.span());
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note_test(&item.attrs, item.span());
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let span = item.span();
        self.note_test(&item.attrs, span);
        if item.content.is_some() {
            self.inline_modules.push((item.ident.to_string(), span.start().line..=span.end().line));
        } else if item.attrs.iter().any(is_for_tests) {
            let mut module = self.module_at(span.start().line);
            module.push(item.ident.to_string());
            self.test_modules.push(module);
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_test(&item.attrs, item.span());
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.note_test(&item.attrs, item.span());
        visit::visit_item_impl(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.note_test(&item.attrs, item.span());
        visit::visit_item_struct(self, item);
    }
}

/// `#[test]`, `#[x::test]`, `#[cfg(test)]` and `#[cfg(all(test, ..))]`.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let last = attribute.path().segments.last();
    if last.is_some_and(|segment| segment.ident == "test") {
        return true;
    }
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let condition: String = list.tokens.to_string().split_whitespace().collect();
    attribute.path().is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
}

fn in_tests_folder(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.starts_with("tests/") || path.contains("/tests/")
}

/// `src/a/b.rs` is `[a, b]`, `src/a/mod.rs` is `[a]`, `src/lib.rs` is the root.
fn module_of(path: &str) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    let mut names: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    match names.split_first() {
        Some((first, rest)) if first == "src" => rest.to_vec(),
        _ => names,
    }
}

fn flatten(stream: TokenStream, out: &mut Vec<(Token, usize)>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Ident(ident) => out.push((Token::Ident(ident.to_string()), line)),
            TokenTree::Punct(punct) => out.push((Token::Punct(punct.as_char()), line)),
            TokenTree::Literal(_) => out.push((Token::Literal, line)),
            TokenTree::Group(group) => {
                out.push((Token::Open(group.delimiter()), line));
                flatten(group.stream(), out);
                out.push((Token::Close, group.span_close().end().line));
            }
        }
    }
}
