//! What there are rules for, in a few bits.

use std::ops::BitOr;

/// On which kinds of occasion there are rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Armed(u8);

impl Armed {
    /// None.
    pub const NOTHING: Self = Self(0);
    /// Connecting and opening.
    pub const ENTRANCE: Self = Self(1);
    /// Methods.
    pub const METHODS: Self = Self(2);
    /// Publishes.
    pub const PUBLISH: Self = Self(4);
    /// Confirms.
    pub const CONFIRM: Self = Self(8);
    /// Deliveries.
    pub const DELIVER: Self = Self(16);
    /// Acks, nacks and rejects.
    pub const SETTLE: Self = Self(32);
    /// What is always so.
    pub const STATE: Self = Self(64);

    /// Whether there are rules for any of these.
    #[must_use]
    pub const fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn of_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl BitOr for Armed {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
