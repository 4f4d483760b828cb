//! Methods by name, as rules say them: `queue.declare`, or `declare` for those of all classes.

use crate::protocol::method::MethodId;

/// Those that a rule can be about, beside the ones that have an occasion of their own.
const ALL: [(&str, u16, u16); 23] = [
    ("channel.open", 20, 10),
    ("channel.flow", 20, 20),
    ("channel.close", 20, 40),
    ("exchange.declare", 40, 10),
    ("exchange.delete", 40, 20),
    ("exchange.bind", 40, 30),
    ("exchange.unbind", 40, 40),
    ("queue.declare", 50, 10),
    ("queue.bind", 50, 20),
    ("queue.purge", 50, 30),
    ("queue.delete", 50, 40),
    ("queue.unbind", 50, 50),
    ("basic.qos", 60, 10),
    ("basic.consume", 60, 20),
    ("basic.cancel", 60, 30),
    ("basic.get", 60, 70),
    ("basic.recover-async", 60, 100),
    ("basic.recover", 60, 110),
    ("confirm.select", 85, 10),
    ("tx.select", 90, 10),
    ("tx.commit", 90, 20),
    ("tx.rollback", 90, 30),
    ("access.request", 30, 10),
];

/// One or several methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Methods {
    name: String,
    ids: Vec<MethodId>,
}

impl Methods {
    /// Those of this name, with the class or without; `None` if there are none. `open` alone is connection.open, which is an occasion of its own.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let is_meant =
            |full: &str| full == name || full.split_once('.').is_some_and(|(_, bare)| bare == name);
        let found = ALL.iter().filter(|(full, ..)| is_meant(full));
        let ids: Vec<MethodId> =
            found.map(|(_, class, method)| MethodId { class: *class, method: *method }).collect();
        (!ids.is_empty()).then(|| Self { name: name.to_owned(), ids })
    }

    /// The name as it was said.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is among them.
    #[must_use]
    pub fn has(&self, id: MethodId) -> bool {
        self.ids.contains(&id)
    }

    /// The full name of a method, if rules can be about it.
    #[must_use]
    pub fn name_of(id: MethodId) -> Option<&'static str> {
        ALL.iter()
            .find(|(_, class, method)| (*class, *method) == (id.class, id.method))
            .map(|(name, ..)| *name)
    }
}
