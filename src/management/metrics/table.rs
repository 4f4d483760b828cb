//! Metrics that every thing of a kind has: each is a column, and a thing is a row.

use super::text::{Labels, Number, Text, Type};

/// Whose name a metric begins with: RabbitMQ's own, or ours for what RabbitMQ does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Rabbit,
    Coney,
}

/// A page of metrics has its own names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// `/metrics` and `/metrics/per-object`.
    Plain,
    /// `/metrics/detailed`.
    Detailed,
}

impl Page {
    /// A metric's name there.
    pub(super) fn name(self, owner: Owner, name: &str) -> String {
        let owner = if owner == Owner::Rabbit { "rabbitmq" } else { "coney" };
        match self {
            Self::Plain => format!("{owner}_{name}"),
            Self::Detailed => format!("{owner}_detailed_{name}"),
        }
    }
}

/// A metric of things of a kind.
#[derive(Debug)]
pub(super) struct Column<R> {
    /// RabbitMQ's names of the families that have it in `/metrics/detailed`.
    pub families: &'static [&'static str],
    pub owner: Owner,
    pub name: &'static str,
    pub kind: Type,
    pub help: &'static str,
    pub value: fn(&R) -> Number,
}

/// A thing, and its numbers.
#[derive(Debug)]
pub(super) struct Row<R> {
    pub labels: Labels,
    pub numbers: R,
}

impl<R> Column<R> {
    /// The metric with a sample for each thing.
    pub(super) fn write(&self, page: Page, rows: &[Row<R>], text: &mut Text) {
        let name = page.name(self.owner, self.name);
        text.family(&name, self.kind, self.help);
        for row in rows {
            text.sample(&name, &row.labels, (self.value)(&row.numbers));
        }
    }

    /// The metric of all things together, or of the only one.
    pub(super) fn write_sum(&self, page: Page, sum: &R, text: &mut Text) {
        text.single(&page.name(self.owner, self.name), self.kind, self.help, (self.value)(sum));
    }

    /// Whether one of these families has it.
    pub(super) fn is_in(&self, families: &[String]) -> bool {
        self.families.iter().any(|own| families.iter().any(|family| family == own))
    }
}

/// A table of columns: `NAME: ROW { "families" owner kind name "help" value; .. }`.
macro_rules! columns {
    ($(#[$doc:meta])* $table:ident: $row:ty {
        $($families:tt $owner:ident $kind:ident $name:literal $help:literal $value:expr;)+
    }) => {
        $(#[$doc])*
        pub(super) const $table: &[$crate::management::metrics::table::Column<$row>] = &[
            $($crate::management::metrics::table::Column {
                families: &$families,
                owner: $crate::management::metrics::table::Owner::$owner,
                name: $name,
                kind: $crate::management::metrics::text::Type::$kind,
                help: $help,
                value: |row: &$row| {
                    let value: fn(&$row) -> _ = $value;
                    value(row).into()
                },
            },)+
        ];
    };
}
pub(super) use columns;
