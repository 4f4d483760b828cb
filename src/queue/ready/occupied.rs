//! Which levels have messages, so that nobody looks through 256 of them for the one that has.

const BITS: usize = u64::BITS as usize;

/// A set of levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Occupied([u64; 4]);

impl Occupied {
    #[inline]
    pub(super) fn set(&mut self, level: usize, is_occupied: bool) {
        let Some(word) = self.0.get_mut(level / BITS) else { return };
        let bit = 1 << (level % BITS);
        if is_occupied {
            *word |= bit;
        } else {
            *word &= !bit;
        }
    }

    #[inline]
    pub(super) fn highest(&self) -> Option<usize> {
        let (index, word) = self.0.iter().enumerate().rev().find(|(_, word)| **word != 0)?;
        Some(index * BITS + (BITS - 1) - word.leading_zeros() as usize)
    }

    #[inline]
    pub(super) fn lowest(&self) -> Option<usize> {
        let mut words = self.0.iter().enumerate();
        let (index, word) = words.find(|(_, word)| **word != 0)?;
        Some(index * BITS + word.trailing_zeros() as usize)
    }

    /// All of them, the lowest first.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(index, mut word)| {
            std::iter::from_fn(move || {
                let level = (word != 0).then(|| index * BITS + word.trailing_zeros() as usize);
                word &= word.wrapping_sub(1);
                level
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_the_ends_of_what_is_in_it() {
        let mut occupied = Occupied::default();
        assert_eq!((occupied.lowest(), occupied.highest()), (None, None));
        for level in [200, 3, 63, 64, 255, 0] {
            occupied.set(level, true);
        }
        assert_eq!(occupied.iter().collect::<Vec<_>>(), [0, 3, 63, 64, 200, 255]);
        assert_eq!((occupied.lowest(), occupied.highest()), (Some(0), Some(255)));
        for (gone, ends) in [(0, (3, 255)), (255, (3, 200)), (3, (63, 200)), (200, (63, 64)), (64, (63, 63))]
        {
            occupied.set(gone, false);
            assert_eq!((occupied.lowest(), occupied.highest()), (Some(ends.0), Some(ends.1)), "{gone}");
        }
        occupied.set(63, false);
        assert_eq!(occupied, Occupied::default());
    }
}
