//! How the specification numbers methods: by class, and within the class.

/// A method's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MethodId {
    /// Its class.
    pub class: u16,
    /// Its number in the class.
    pub method: u16,
}

impl MethodId {
    /// connection.open.
    pub const CONNECTION_OPEN: Self = Self { class: 10, method: 40 };
    /// channel.open.
    pub const CHANNEL_OPEN: Self = Self { class: 20, method: 10 };
    /// basic.publish.
    pub const BASIC_PUBLISH: Self = Self { class: 60, method: 40 };
}

impl std::fmt::Display for MethodId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.class, self.method)
    }
}
