//! Where the broker listens, and what it offers clients.

use super::setting::{Group, Kind, Setting, one, put};
use crate::cli::value;

pub const NETWORK: Group = Group {
    heading: "Network",
    settings: &[
        Setting {
            key: "listen-on",
            kind: Kind::List,
            value_name: "ADDR",
            help: "Listen on these addresses wherever no address is given, or a port alone.\n\n\
                   `all` for every address of the machine.",
            default: Some("127.0.0.1,::1"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                draft.interfaces = value::interfaces(texts)?;
                let config = &mut draft.config;
                for listeners in [&mut config.listen, &mut config.http, &mut config.metrics] {
                    let port = listeners.first().map_or(0, |address| address.port());
                    *listeners = draft.interfaces.iter().map(|ip| (*ip, port).into()).collect();
                }
                Ok(())
            },
        },
        Setting {
            key: "amqp",
            kind: Kind::List,
            value_name: "ADDR:PORT",
            help: "Accept AMQP connections here (repeatable; port 0 picks a free one), or `none`.\n\n\
                   A port alone is on the addresses of --listen-on; localhost is 127.0.0.1 and [::1]. Another host\n\
                   name is looked up once; of several addresses the first IPv4 one is taken.",
            default: Some("5672"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.listen, value::addresses_or_none(texts, &draft.interfaces))
            },
        },
        Setting {
            key: "http",
            kind: Kind::List,
            value_name: "ADDR:PORT",
            help: "Serve the management API here (repeatable; port 0 picks a free one), or `none`.\n\n\
                   RabbitMQ's HTTP API, for its tools. Where the default address is taken, the broker starts without it.",
            default: Some("15672"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.http, value::addresses_or_none(texts, &draft.interfaces))
            },
        },
        Setting {
            key: "http-page",
            kind: Kind::Switch,
            value_name: "BOOL",
            help: "Serve the web page where the management API is.\n\n\
                   It asks for a login of its own. Off, there is the API alone.",
            default: Some("true"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.http_page, value::parse_bool(one(texts))),
        },
        Setting {
            key: "http-allow-origin",
            kind: Kind::List,
            value_name: "ORIGIN",
            help: "Let pages of this site use the management API in a browser (CORS; repeatable), or `none`.\n\n\
                   As browsers name it: https://host or https://host:port; `*` is every site. A page still has to send a\n\
                   name and a password: the session of the broker's own page is for that page alone.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.http_allowed_origins, value::origins(texts)),
        },
        Setting {
            key: "http-cors-max-age",
            kind: Kind::Number,
            value_name: "SECONDS",
            help: "Let browsers remember for this long which sites may, in seconds.",
            default: Some("1800"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(
                    &mut draft.config.http_cors_max_age_s,
                    value::number_within(one(texts), 0..=u32::MAX, "seconds"),
                )
            },
        },
        Setting {
            key: "http-header",
            kind: Kind::List,
            value_name: "NAME: VALUE",
            help: "Have this header in answers of the management API and the page (repeatable), or `none`.\n\n\
                   For what browsers are told: strict-transport-security, content-security-policy, x-frame-options.\n\
                   It takes the place of the broker's own of that name. One that has a meaning of its own, such as\n\
                   content-type, is refused. A value with a comma needs a configuration file.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.http_headers, value::headers(texts)),
        },
        Setting {
            key: "http-path-prefix",
            kind: Kind::Text,
            value_name: "PATH",
            help: "Serve the management API and the web page below this path, such as /coney.\n\n\
                   Not the metrics of --metrics, nor the control socket.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.http_path_prefix, value::path_prefix(one(texts))),
        },
        Setting {
            key: "metrics",
            kind: Kind::List,
            value_name: "ADDR:PORT",
            help: "Serve metrics for Prometheus here (repeatable; port 0 picks a free one), or `none`.\n\n\
                   They need no login. Where the default address is taken, the broker starts without them.",
            default: Some("15692"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.metrics, value::addresses_or_none(texts, &draft.interfaces))
            },
        },
        Setting {
            key: "heartbeat",
            kind: Kind::Number,
            value_name: "SECONDS",
            help: "Offer clients this heartbeat interval, in seconds; 0 for none.\n\n\
                   A client that stays silent for twice the interval agreed on is disconnected.",
            default: Some("60"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.heartbeat_s, value::number_within(one(texts), 0..=u16::MAX, "seconds"))
            },
        },
    ],
};
