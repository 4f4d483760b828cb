//! Every `a::b::c` in a file's tokens, with `use` groups multiplied out. It works on tokens, because a parser does
//! not look into a macro's arguments.

use proc_macro2::Delimiter;

use super::scan::Token;

/// A path as it is written, from its first segment, and the line its last segment stands on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PathUse {
    /// `*` for a glob.
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// It stands in a `use` item, so that even a single segment names a crate.
    pub(super) imported: bool,
    /// It calls a macro.
    pub(super) is_macro: bool,
}

/// All paths, in order; a lone identifier is a path of one segment.
pub(super) fn all(tokens: &[(Token, usize)]) -> Vec<PathUse> {
    let mut reader = Reader { tokens, next: 0, found: Vec::new(), imported: false };
    while reader.next < tokens.len() {
        if reader.starts_path() {
            reader.path(&[]);
        } else {
            reader.next += 1;
        }
    }
    reader.found
}

struct Reader<'a> {
    tokens: &'a [(Token, usize)],
    next: usize,
    found: Vec<PathUse>,
    imported: bool,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.next + ahead).map(|(token, _)| token)
    }

    fn before(&self, back: usize) -> Option<&Token> {
        let index = self.next.checked_sub(back)?;
        self.tokens.get(index).map(|(token, _)| token)
    }

    /// An identifier does, but for a field, a method, and `b` in `<a>::b`.
    fn starts_path(&mut self) -> bool {
        if !matches!(self.peek(0), Some(Token::Ident(_))) {
            return false;
        }
        let colon = Some(&Token::Punct(':'));
        let mut first = 1;
        if self.before(1) == colon && self.before(2) == colon {
            if self.before(3) == Some(&Token::Punct('>')) {
                return false;
            }
            first = 3;
        }
        self.imported = self.before(first) == Some(&Token::Ident("use".into()));
        self.before(1) != Some(&Token::Punct('.'))
    }

    /// Reads a path or a branch of a `use` tree, which begins at an identifier.
    fn path(&mut self, prefix: &[String]) {
        let mut segments = prefix.to_vec();
        let mut line = self.line();
        while let Some(Token::Ident(name)) = self.peek(0) {
            segments.push(name.clone());
            line = self.line();
            self.next += 1;
            if !self.skip_colons() {
                break;
            }
            match self.peek(0) {
                Some(Token::Open(Delimiter::Brace)) => return self.group(&segments),
                Some(Token::Punct('*')) => segments.push("*".into()),
                _ => {}
            }
        }
        let is_macro =
            self.peek(0) == Some(&Token::Punct('!')) && matches!(self.peek(1), Some(Token::Open(_)));
        self.found.push(PathUse { segments, line, imported: self.imported, is_macro });
    }

    /// Reads `{a, b::c}` after a prefix.
    fn group(&mut self, prefix: &[String]) {
        self.next += 1;
        loop {
            match self.peek(0) {
                None => return,
                Some(Token::Close) => {
                    self.next += 1;
                    return;
                }
                Some(Token::Ident(name)) if name == "as" => self.next += 2,
                Some(Token::Ident(_)) => self.path(prefix),
                Some(_) => self.next += 1,
            }
        }
    }

    fn skip_colons(&mut self) -> bool {
        let colon = Some(&Token::Punct(':'));
        let both = self.peek(0) == colon && self.peek(1) == colon;
        if both {
            self.next += 2;
        }
        both
    }

    fn line(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |(_, line)| *line)
    }
}
