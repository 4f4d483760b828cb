//! Where a reader of journals is: a number for one vhost, `vhost=number` pairs for several, since each counts its own events.

use std::collections::BTreeMap;

use form_urlencoded::Serializer;

/// Up to which event each journal was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Of vhosts that are not named.
    others: u64,
    by_vhost: BTreeMap<String, u64>,
}

impl Cursor {
    /// Of its text; `None` if that is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(others) = text.parse() {
            return Some(Self { others, by_vhost: BTreeMap::new() });
        }
        let pairs = form_urlencoded::parse(text.as_bytes());
        let numbers = pairs.map(|(vhost, number)| Some((vhost.into_owned(), number.parse().ok()?)));
        Some(Self { others: 0, by_vhost: numbers.collect::<Option<_>>()? })
    }

    /// Up to which event the journal of a vhost was read.
    pub(super) fn of(&self, vhost: &str) -> u64 {
        self.by_vhost.get(vhost).copied().unwrap_or(self.others)
    }

    /// It was read up to there.
    pub(super) fn set(&mut self, vhost: &str, number: u64) {
        self.by_vhost.insert(vhost.to_owned(), number);
    }

    /// The vhosts that are named, with where they were read up to.
    #[cfg(feature = "cluster")]
    pub(super) fn each(&self) -> impl Iterator<Item = (&str, u64)> {
        self.by_vhost.iter().map(|(vhost, number)| (vhost.as_str(), *number))
    }

    /// As text: for who reads a single vhost its number.
    pub(super) fn text(&self, is_of_one: bool) -> String {
        match self.by_vhost.values().next() {
            Some(number) if is_of_one => number.to_string(),
            _ => {
                let mut text = Serializer::new(String::new());
                self.by_vhost.iter().for_each(|(vhost, number)| {
                    text.append_pair(vhost, &number.to_string());
                });
                text.finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_leads_back() {
        let mut cursor = Cursor::default();
        cursor.set("/", 7);
        assert_eq!(cursor.text(true), "7");
        assert_eq!(Cursor::parse("7").unwrap().of("any"), 7);
        cursor.set("a&b=c", 9);
        assert_eq!(cursor.text(false), "%2F=7&a%26b%3Dc=9");
        assert_eq!(Cursor::parse(&cursor.text(false)), Some(cursor.clone()));
        assert_eq!([cursor.of("/"), cursor.of("a&b=c"), cursor.of("other")], [7, 9, 0]);
        assert_eq!(Cursor::parse(""), Some(Cursor::default()));
        assert_eq!([Cursor::parse("x"), Cursor::parse("a=b"), Cursor::parse("-1")], [None, None, None]);
    }
}
