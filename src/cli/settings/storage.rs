//! Where the broker keeps what it keeps.

use super::setting::{Group, Kind, Setting, one, put};
use crate::cli::value;

pub const STORAGE: Group = Group {
    heading: "Storage",
    settings: &[
        Setting {
            key: "data-dir",
            kind: Kind::Text,
            value_name: "DIR",
            help: "Keep everything that is to survive a restart in this directory.\n\n\
                   It is made if it does not exist, and locked while the broker runs.",
            default: Some("coney-data"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.data_dir, value::path(one(texts)).map(Some)),
        },
        Setting {
            key: "ephemeral",
            kind: Kind::Switch,
            value_name: "BOOL",
            help: "Keep everything in memory: nothing is read from or written to the disk.\n\n\
                   For tests. A restart begins empty.",
            default: Some("false"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                // Resolution drops this setting where a source above it names a directory.
                if value::parse_bool(one(texts))? {
                    draft.config.data_dir = None;
                }
                Ok(())
            },
        },
        Setting {
            key: "control-socket",
            kind: Kind::Text,
            value_name: "PATH",
            help: "Serve the management API without logins on a Unix socket there, for command line tools, or `none`.\n\n\
                   Only the broker's user and the superuser may open it. `auto`: control.sock in the data directory.",
            default: Some("auto"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.control_socket, value::control_socket(one(texts))),
        },
    ],
};
