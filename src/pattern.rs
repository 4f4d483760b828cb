//! Patterns for names, as permissions and policies have them: Perl-compatible regular expressions in RabbitMQ.
//!
//! Most are plain, and are matched in linear time. Those with look-around, back-references, atomic groups or possessive
//! quantifiers are matched by backtracking, with a bound. What PCRE writes in another way than these crates is translated
//! first; where that changes nothing, the pattern stays byte for byte.

use std::iter::Peekable;
use std::str::Chars;

/// Steps back that one match may take. A name has 255 bytes at most, so that no sane pattern needs many; one that does
/// does not match, as in RabbitMQ, whose bound is higher.
const BACKTRACKS_MAX: usize = 100_000;

/// A pattern ready to be matched anywhere in a name.
#[derive(Clone, Debug)]
pub struct NamePattern(Matcher);

#[derive(Clone, Debug)]
enum Matcher {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

impl NamePattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is no regular expression, or uses what only Perl has (recursion, verbs); the text says what is wrong in one line.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let Translation { pattern, is_possessive } = Translation::of(pattern);
        let linear = if is_possessive { None } else { Some(regex::Regex::new(&pattern)) };
        if let Some(Ok(regex)) = linear {
            return Ok(Self(Matcher::Linear(regex)));
        }
        let mut builder = fancy_regex::RegexBuilder::new(&pattern);
        match builder.backtrack_limit(BACKTRACKS_MAX).build() {
            Ok(regex) => Ok(Self(Matcher::Backtracking(Box::new(regex)))),
            Err(error) => Err(match linear {
                // The plain parser's words, unless it only misses what it does not have.
                Some(Err(plain)) if !is_unsupported(&plain.to_string()) => one_line(&plain.to_string()),
                _ => one_line(&error.to_string()),
            }),
        }
    }

    /// Whether the pattern matches anywhere in the name.
    #[must_use]
    pub fn is_match(&self, name: &str) -> bool {
        match &self.0 {
            Matcher::Linear(regex) => regex.is_match(name),
            Matcher::Backtracking(regex) => regex.is_match(name).unwrap_or(false),
        }
    }
}

fn is_unsupported(error: &str) -> bool {
    ["look-around", "backreferences", "unrecognized flag"].iter().any(|missing| error.contains(missing))
}

/// The last line of the crate's message says what is wrong; those before it draw an arrow to the place.
fn one_line(error: &str) -> String {
    error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// A PCRE pattern in the syntax of these crates.
struct Translation {
    pattern: String,
    /// Has a possessive quantifier, which the plain parser would take for a repetition of a repetition.
    is_possessive: bool,
}

impl Translation {
    fn of(pattern: &str) -> Self {
        let mut translation = Self { pattern: String::with_capacity(pattern.len()), is_possessive: false };
        let mut rest = pattern.chars().peekable();
        let mut after_quantifier = false;
        while let Some(next) = rest.next() {
            let was_quantifier = std::mem::take(&mut after_quantifier);
            match next {
                '\\' => translation.escape(&mut rest),
                '[' => translation.class(&mut rest),
                '{' => match quantifier(rest.clone()) {
                    Some(quantifier) => {
                        translation.pattern.push('{');
                        translation.pattern.push_str(&quantifier);
                        rest.nth(quantifier.len() - 1);
                        after_quantifier = true;
                    }
                    None => translation.pattern.push_str("\\{"),
                },
                '}' => translation.pattern.push_str("\\}"),
                '+' if was_quantifier => {
                    translation.is_possessive = true;
                    translation.pattern.push('+');
                }
                // What opens a group with `?` is no quantifier.
                '(' if rest.peek() == Some(&'?') => {
                    translation.pattern.push_str("(?");
                    rest.next();
                }
                other => {
                    after_quantifier = matches!(other, '*' | '+' | '?') && !was_quantifier;
                    translation.pattern.push(other);
                }
            }
        }
        translation
    }

    /// What follows a backslash outside a class.
    fn escape(&mut self, rest: &mut Peekable<Chars<'_>>) {
        match rest.next() {
            // Names have no line breaks, so that both ends are one.
            Some('Z') => self.pattern.push_str("\\z"),
            Some('Q') => self.quoted(rest),
            // The end of a quotation that nobody began.
            Some('E') => {}
            Some('h') => self.pattern.push_str("[ \\t]"),
            Some('H') => self.pattern.push_str("[^ \\t]"),
            other => self.escape_anywhere(other),
        }
    }

    /// What follows a backslash where that means the same within a class and outside.
    fn escape_anywhere(&mut self, next: Option<char>) {
        match next {
            Some('e') => self.pattern.push_str("\\x1B"),
            Some(literal @ ('<' | '>')) => self.pattern.push(literal),
            other => {
                self.pattern.push('\\');
                self.pattern.extend(other);
            }
        }
    }

    /// All up to `\E` stands for itself.
    fn quoted(&mut self, rest: &mut Peekable<Chars<'_>>) {
        let mut text = String::new();
        while let Some(next) = rest.next() {
            if next == '\\' && rest.peek() == Some(&'E') {
                rest.next();
                break;
            }
            text.push(next);
        }
        self.pattern.push_str(&regex::escape(&text));
    }

    /// A class: what these crates take for nested classes and for operations on sets is text in PCRE.
    fn class(&mut self, rest: &mut Peekable<Chars<'_>>) {
        self.pattern.push('[');
        if rest.next_if_eq(&'^').is_some() {
            self.pattern.push('^');
        }
        if rest.next_if_eq(&']').is_some() {
            self.pattern.push_str("\\]");
        }
        while let Some(next) = rest.next() {
            match next {
                ']' => {
                    self.pattern.push(']');
                    return;
                }
                '[' if rest.peek() == Some(&':') => {
                    self.pattern.push('[');
                    for posix in rest.by_ref() {
                        self.pattern.push(posix);
                        if posix == ']' {
                            break;
                        }
                    }
                }
                '[' | '&' | '~' => {
                    self.pattern.push('\\');
                    self.pattern.push(next);
                }
                '\\' => self.escape_in_class(rest),
                other => self.pattern.push(other),
            }
        }
    }

    fn escape_in_class(&mut self, rest: &mut Peekable<Chars<'_>>) {
        match rest.next() {
            Some('h') => self.pattern.push_str(" \\t"),
            Some('b') => self.pattern.push_str("\\x08"),
            other => self.escape_anywhere(other),
        }
    }
}

/// What follows the brace of a quantifier, to its closing brace: `n}`, `n,}` or `n,m}`. PCRE takes any other brace for
/// itself.
fn quantifier(rest: impl Iterator<Item = char>) -> Option<String> {
    let mut text = String::new();
    for next in rest {
        match next {
            '0'..='9' => {}
            ',' if !text.is_empty() && !text.contains(',') => {}
            '}' if !text.is_empty() => return Some(text + "}"),
            _ => return None,
        }
        text.push(next);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        NamePattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).is_match(name)
    }

    fn is_linear(pattern: &str) -> bool {
        matches!(NamePattern::parse(pattern).unwrap().0, Matcher::Linear(_))
    }

    /// Pattern, names that it matches, names that it does not. Tried on RabbitMQ 4.0.5.
    const PCRE: &[(&str, &[&str], &[&str])] = &[
        ("^(?!amq\\.).*", &["orders", "xamq.x"], &["amq.gen"]),
        ("(?<=a)b", &["ab", "xaby"], &["b", "cb"]),
        ("(?<!a)b$", &["cb", "b"], &["ab"]),
        ("^(?=.*a)(?=.*b)", &["ab", "xbxa"], &["a", "b"]),
        ("^(a|b)\\1$", &["aa", "bb"], &["ab"]),
        ("^(?>a+)b", &["aab"], &["b"]),
        ("^(?>a|ab)c$", &["ac"], &["abc"]),
        ("^a++b$", &["aab"], &["b"]),
        ("^a++a$", &[], &["aa", "aaa"]),
        ("^a*+a$", &[], &["a", "aa"]),
        ("^a?+a$", &["aa"], &["a"]),
        ("^a{1,2}+a$", &["aaa"], &["aa"]),
        ("^a+?b$", &["aab"], &["b"]),
        ("^q\\Z", &["q"], &["qq"]),
        ("^\\Qa.b\\E$", &["a.b"], &["axb"]),
        ("^\\Qa.b", &["a.b", "a.bc"], &["axb"]),
        ("^x\\Q{1}\\E+$", &["x{1}", "x{1}}"], &["x"]),
        ("^a{b}$", &["a{b}"], &["ab", "a"]),
        ("^a{,2}$", &["a{,2}"], &["aa"]),
        ("^a{2}$", &["aa"], &["a", "a{2}"]),
        ("^a{2,}$", &["aaa"], &["a"]),
        ("^a}$", &["a}"], &["a"]),
        ("^[[]x$", &["[x"], &["x"]),
        ("^[]x]$", &["]", "x"], &["y"]),
        ("^[^]x]$", &["y"], &["]", "x"]),
        ("^[a&&b]$", &["a", "&", "b"], &["c"]),
        ("^[[:alpha:]_]+$", &["ab_c"], &["a1"]),
        ("^\\<x\\>$", &["<x>"], &["x"]),
        ("(?i)^ORDERS", &["orders"], &["xorders"]),
        ("^[\\w.-]+$", &["a.b-c_d"], &["a b"]),
        ("^a\\hb$", &["a b"], &["ab"]),
    ];

    #[test]
    fn patterns_of_rabbitmqs_match_as_there() {
        for (pattern, matched, others) in PCRE {
            for name in *matched {
                assert!(matches(pattern, name), "{pattern} {name}");
            }
            for name in *others {
                assert!(!matches(pattern, name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn plain_patterns_stay_plain() {
        for pattern in ["^app\\.", ".*", "^(orders|amq\\.gen.*)$", "^a{2,3}b+?$", "^\\Qa.b\\E\\Z", "a{b}"] {
            assert!(is_linear(pattern), "{pattern}");
        }
        for pattern in ["(?!x)", "a++", "(?>a)", "(a)\\1"] {
            assert!(!is_linear(pattern), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_so_in_one_line() {
        for (pattern, said) in
            [("a(b", "unclosed group"), ("(?!x", ""), ("[a", "unclosed"), ("*", "repetition")]
        {
            let error = NamePattern::parse(pattern).unwrap_err();
            assert!(error.contains(said) && !error.contains('\n') && !error.is_empty(), "{pattern}: {error}");
        }
    }

    /// A name that matches after more steps than that does not match.
    #[test]
    fn backtracking_has_a_bound() {
        let pattern = "^(?:(?:(a|aa)(?!c))+b|a+!)$";
        let name = |length: usize| "a".repeat(length) + "!";
        assert!(matches(pattern, &name(15)), "987 ways to read it");
        assert!(!matches(pattern, &name(26)), "196,418 ways");
        assert!(!matches("^(?=(a+)+$)", &name(250)));
    }
}
