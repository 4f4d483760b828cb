//! What a broker is for tests.

use super::setting::{Group, Kind, Setting, one, put};
use crate::cli::value;

pub const TESTING: Group = Group {
    heading: "Testing",
    settings: &[Setting {
        key: "test",
        kind: Kind::Switch,
        value_name: "BOOL",
        help: "Let tests control the broker: worlds with clocks that they move, and faults that they plan.\n\n\
               Not for production: whoever may log in can make confirmed messages vanish. See docs/testing.md.",
        default: Some("false"),
        rabbitmq_env: &[],
        set: |draft, texts| put(&mut draft.config.test, value::parse_bool(one(texts))),
    }],
};
