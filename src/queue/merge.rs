//! Two sorted sequences as one.

use std::iter;

/// Both sequences, which are sorted by `key`, as one that is; where they tie, `first` comes first.
pub(super) fn merge_by_key<T, K: Ord>(
    first: impl Iterator<Item = T>,
    second: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> impl Iterator<Item = T> {
    let (mut first, mut second) = (first.peekable(), second.peekable());
    iter::from_fn(move || match (first.peek(), second.peek()) {
        (Some(one), Some(other)) if key(other) < key(one) => second.next(),
        (Some(_), _) => first.next(),
        (None, _) => second.next(),
    })
}
