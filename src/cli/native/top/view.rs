//! What is looked at, and what keys do to that.

use crate::cli::native::queue_row::Sort;

/// The orders that `s` goes through.
const SORTS: [Sort; 7] =
    [Sort::Ready, Sort::Unacked, Sort::In, Sort::Out, Sort::Consumers, Sort::Memory, Sort::Name];

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    Enter,
    Escape,
    Backspace,
    /// Ctrl-C, Ctrl-D.
    Interrupt,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
}

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// What queues are sorted by.
    pub sort: Sort,
    /// The other way round.
    pub is_reversed: bool,
    /// Which queues.
    pub filter: String,
    /// Keys go into the filter.
    pub is_typing: bool,
    /// Nothing is looked at again.
    pub is_paused: bool,
    /// Rows above the first that is shown.
    pub scroll: usize,
}

impl View {
    /// From the top.
    pub fn new(sort: Sort, filter: String) -> Self {
        Self { sort, filter, ..Self::default() }
    }

    /// A key was pressed, while so many queues would be shown of which `rows` have room; whether it is the end.
    pub fn press(&mut self, key: Key, queues: usize, rows: usize) -> bool {
        if key == Key::Interrupt {
            return true;
        }
        if self.is_typing {
            self.edit(key);
            return false;
        }
        let last = queues.saturating_sub(rows);
        match key {
            Key::Char('q' | 'Q') => return true,
            Key::Char('s') => self.sort = next(self.sort),
            Key::Char('r') => self.is_reversed = !self.is_reversed,
            Key::Char(' ') => self.is_paused = !self.is_paused,
            Key::Char('/') => self.is_typing = true,
            Key::Escape => self.filter.clear(),
            Key::Up | Key::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            Key::Down | Key::Char('j') => self.scroll += 1,
            Key::PageUp => self.scroll = self.scroll.saturating_sub(rows),
            Key::PageDown => self.scroll += rows,
            Key::Home => self.scroll = 0,
            Key::End => self.scroll = last,
            Key::Char(_) | Key::Enter | Key::Backspace | Key::Interrupt => {}
        }
        self.scroll = self.scroll.min(last);
        false
    }

    fn edit(&mut self, key: Key) {
        match key {
            Key::Char(c) => self.filter.push(c),
            Key::Backspace => drop(self.filter.pop()),
            Key::Enter => self.is_typing = false,
            Key::Escape => {
                self.filter.clear();
                self.is_typing = false;
            }
            _ => {}
        }
        self.scroll = 0;
    }
}

fn next(sort: Sort) -> Sort {
    let place = SORTS.iter().position(|other| *other == sort).unwrap_or_default();
    SORTS.iter().copied().cycle().nth(place + 1).unwrap_or_default()
}

/// The keys that a terminal sent as these bytes (ECMA-48 and xterm's ctlseqs). What is not known is left out.
pub fn keys(bytes: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(bytes);
    let (mut keys, mut rest) = (Vec::new(), text.as_ref());
    while let Some(c) = rest.chars().next() {
        let (key, length) = match c {
            '\x1b' => escape(rest),
            '\r' | '\n' => (Some(Key::Enter), 1),
            '\x7f' | '\x08' => (Some(Key::Backspace), 1),
            '\x03' | '\x04' => (Some(Key::Interrupt), 1),
            c if c.is_control() => (None, 1),
            c => (Some(Key::Char(c)), c.len_utf8()),
        };
        keys.extend(key);
        rest = rest.get(length..).unwrap_or_default();
    }
    keys
}

/// A key that begins with an escape, and how long it is. Nothing behind it: the key Escape itself.
fn escape(text: &str) -> (Option<Key>, usize) {
    let Some(sequence) = text.get(1..).and_then(|rest| rest.strip_prefix(['[', 'O'])) else {
        return (Some(Key::Escape), 1);
    };
    let Some(end) = sequence.find(|c: char| ('@'..='~').contains(&c)) else { return (None, text.len()) };
    let key = match sequence.get(..=end).unwrap_or_default() {
        "A" => Some(Key::Up),
        "B" => Some(Key::Down),
        "5~" => Some(Key::PageUp),
        "6~" => Some(Key::PageDown),
        "H" | "1~" => Some(Key::Home),
        "F" | "4~" => Some(Key::End),
        _ => None,
    };
    (key, 2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_keys() {
        let found = keys("q\x1b[A\x1b[6~\x1bOB\x1b[1;5Cä\r\x7f\x03\x01\x1b".as_bytes());
        let expected = [
            Key::Char('q'),
            Key::Up,
            Key::PageDown,
            Key::Down,
            Key::Char('ä'),
            Key::Enter,
            Key::Backspace,
            Key::Interrupt,
            Key::Escape,
        ];
        assert_eq!(found, expected);
        assert!(keys(b"\x1b[").is_empty() && keys(b"\xff") == [Key::Char('\u{fffd}')]);
    }

    #[test]
    fn keys_move_within_what_there_is() {
        let mut view = View::new(Sort::Ready, String::new());
        for (key, scroll) in [
            (Key::Down, 1),
            (Key::PageDown, 6),
            (Key::PageDown, 7),
            (Key::Down, 7),
            (Key::Up, 6),
            (Key::Home, 0),
            (Key::Up, 0),
            (Key::End, 7),
        ] {
            assert!(!view.press(key, 12, 5));
            assert_eq!(view.scroll, scroll, "{key:?}");
        }
        view.press(Key::Char('s'), 3, 5);
        assert_eq!((view.sort, view.scroll), (Sort::Unacked, 0));
        assert!(view.press(Key::Char('q'), 3, 5) && view.press(Key::Interrupt, 3, 5));
    }

    #[test]
    fn a_filter_is_typed_and_left() {
        let mut view = View::new(Sort::Name, String::new());
        for key in keys(b"/qx\x7f") {
            assert!(!view.press(key, 3, 5));
        }
        assert_eq!((view.filter.as_str(), view.is_typing), ("q", true));
        view.press(Key::Enter, 3, 5);
        assert_eq!((view.filter.as_str(), view.is_typing), ("q", false));
        view.press(Key::Escape, 3, 5);
        assert_eq!(view.filter, "");
        assert_eq!(next(Sort::Name), Sort::Ready);
    }
}
