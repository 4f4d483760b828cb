//! What a broker is for tests.

use coney::persona::UnknownPersona;

use super::setting::{Group, Kind, Setting, one, put};
use crate::cli::value;

pub const TESTING: Group = Group {
    heading: "Testing",
    settings: &[
        Setting {
            key: "test",
            kind: Kind::Switch,
            value_name: "BOOL",
            help: "Let tests control the broker: worlds with clocks that they move, and faults that they plan.\n\n\
                   Not for production: whoever may log in can make confirmed messages vanish. See docs/testing.md.",
            default: Some("false"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.test, value::parse_bool(one(texts))),
        },
        Setting {
            key: "persona",
            kind: Kind::Text,
            value_name: "NAME",
            help: "Refuse what another broker refuses: coney, rabbitmq-3.13, rabbitmq-4.0, rabbitmq-4.3 or lavinmq-2.\n\n\
                   Clients are told its product and version, unless server-product or server-version is set.\n\
                   See docs/testing-personas.md.",
            default: Some("coney"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(
                    &mut draft.config.persona,
                    one(texts).parse().map_err(|why: UnknownPersona| why.to_string()),
                )?;
                draft.announce_persona();
                Ok(())
            },
        },
        Setting {
            key: "lint",
            kind: Kind::Text,
            value_name: "FILE",
            help: "Write what clients do that other brokers do not take, or that is seldom wanted, to the end of this file.\n\n\
                   A JSON object a line, each thing when it is found first. GET /api/coney/lint has it in any case.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.lint, value::path(one(texts)).map(Some)),
        },
    ],
};
