//! The variables of RabbitMQ's that are other words for keys of its configuration.

use super::entries::Entry;
use crate::cli::source::Origin;

/// Each variable and its key.
pub const VARIABLES: [(&str, &str); 12] = [
    ("RABBITMQ_SSL_CACERTFILE", "ssl_options.cacertfile"),
    ("RABBITMQ_SSL_CERTFILE", "ssl_options.certfile"),
    ("RABBITMQ_SSL_KEYFILE", "ssl_options.keyfile"),
    ("RABBITMQ_SSL_VERIFY", "ssl_options.verify"),
    ("RABBITMQ_SSL_FAIL_IF_NO_PEER_CERT", "ssl_options.fail_if_no_peer_cert"),
    ("RABBITMQ_SSL_DEPTH", "ssl_options.depth"),
    ("RABBITMQ_MANAGEMENT_SSL_CACERTFILE", "management.ssl.cacertfile"),
    ("RABBITMQ_MANAGEMENT_SSL_CERTFILE", "management.ssl.certfile"),
    ("RABBITMQ_MANAGEMENT_SSL_KEYFILE", "management.ssl.keyfile"),
    ("RABBITMQ_MANAGEMENT_SSL_VERIFY", "management.ssl.verify"),
    ("RABBITMQ_MANAGEMENT_SSL_FAIL_IF_NO_PEER_CERT", "management.ssl.fail_if_no_peer_cert"),
    ("RABBITMQ_MANAGEMENT_SSL_DEPTH", "management.ssl.depth"),
];

/// With arguments of the Erlang machine, three of which are known in the wild.
const ERL_ARGS: &str = "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS";

/// What they say.
pub fn entries(env: &impl Fn(&str) -> Option<String>) -> Vec<Entry> {
    let var = |name: &str| env(name).filter(|text| !text.is_empty());
    let entry = |name: &str, key: &str, value: String| Entry {
        key: key.to_owned(),
        value,
        origin: Origin::Env(name.to_owned()),
    };
    let given = |(name, key): &(&str, &str)| Some(entry(name, key, var(name)?));
    let mut entries: Vec<Entry> = VARIABLES.iter().filter_map(given).collect();
    let watermark = "RABBITMQ_VM_MEMORY_HIGH_WATERMARK";
    if let Some(text) = var(watermark) {
        let is_share = text.parse::<f64>().is_ok_and(|share| share <= 1.0);
        let kind = if is_share { "relative" } else { "absolute" };
        entries.push(entry(watermark, &format!("vm_memory_high_watermark.{kind}"), text));
    }
    let (ip, port) = (var("RABBITMQ_NODE_IP_ADDRESS"), var("RABBITMQ_NODE_PORT"));
    let name = if port.is_some() { "RABBITMQ_NODE_PORT" } else { "RABBITMQ_NODE_IP_ADDRESS" };
    match (ip, port) {
        (Some(ip), port) => {
            let port = port.unwrap_or_else(|| "5672".to_owned());
            entries.push(entry(name, "listeners.tcp.default", format!("{ip}:{port}")));
        }
        (None, Some(port)) => entries.push(entry(name, "listeners.tcp.default", port)),
        (None, None) => {}
    }
    // The variables alone switch TLS on, as they did in the images that had them.
    for (prefix, key, port) in [
        ("RABBITMQ_SSL", "listeners.ssl.default", "5671"),
        ("RABBITMQ_MANAGEMENT_SSL", "management.ssl.port", "15671"),
    ] {
        let name = format!("{prefix}_CERTFILE");
        if var(&name).is_some() {
            entries.push(entry(&name, key, port.to_owned()));
        }
    }
    let erl_args = var(ERL_ARGS).unwrap_or_default();
    entries.extend(erlang_arguments(&erl_args).into_iter().map(|(key, value)| entry(ERL_ARGS, &key, value)));
    entries
}

/// `-APPLICATION KEY VALUE` for the two applications that have keys here; all others are passed over.
fn erlang_arguments(text: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let known = |words: &[&str]| match words {
        ["-rabbitmq_management", "load_definitions", value] => {
            Some(("load_definitions".to_owned(), unquoted(value)))
        }
        [
            "-rabbit",
            key @ ("consumer_timeout" | "heartbeat" | "default_user" | "default_pass" | "default_vhost"),
            value,
        ] => Some(((*key).to_owned(), unquoted(value))),
        // The levels of categories have no equivalent.
        ["-rabbit", "log_levels", value] => {
            let level = value.split_once("{default,")?.1.split('}').next()?;
            Some(("log.default.level".to_owned(), level.to_owned()))
        }
        _ => None,
    };
    words.windows(3).filter_map(known).collect()
}

/// An Erlang string or binary by its text.
fn unquoted(value: &str) -> String {
    value.trim_matches(|c| matches!(c, '\'' | '"' | '<' | '>' | '\\')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(vars: &[(&str, &str)]) -> Vec<String> {
        let env = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        entries(&env)
            .iter()
            .map(|entry| format!("{} = {} ({})", entry.key, entry.value, entry.origin))
            .collect()
    }

    #[test]
    fn variables_become_keys() {
        assert_eq!(
            said(&[("RABBITMQ_NODE_PORT", "5673")]),
            ["listeners.tcp.default = 5673 (RABBITMQ_NODE_PORT)"]
        );
        assert_eq!(
            said(&[("RABBITMQ_NODE_PORT", "5673"), ("RABBITMQ_NODE_IP_ADDRESS", "::1")]),
            ["listeners.tcp.default = ::1:5673 (RABBITMQ_NODE_PORT)"]
        );
        assert_eq!(
            said(&[("RABBITMQ_NODE_IP_ADDRESS", "10.0.0.1")]),
            ["listeners.tcp.default = 10.0.0.1:5672 (RABBITMQ_NODE_IP_ADDRESS)"]
        );
        assert_eq!(
            said(&[("RABBITMQ_VM_MEMORY_HIGH_WATERMARK", "0.5")]),
            ["vm_memory_high_watermark.relative = 0.5 (RABBITMQ_VM_MEMORY_HIGH_WATERMARK)"]
        );
        assert_eq!(
            said(&[("RABBITMQ_VM_MEMORY_HIGH_WATERMARK", "1GB")]),
            ["vm_memory_high_watermark.absolute = 1GB (RABBITMQ_VM_MEMORY_HIGH_WATERMARK)"]
        );
        assert_eq!(
            said(&[("RABBITMQ_SSL_CERTFILE", "/c.pem"), ("RABBITMQ_SSL_VERIFY", "")]),
            [
                "ssl_options.certfile = /c.pem (RABBITMQ_SSL_CERTFILE)",
                "listeners.ssl.default = 5671 (RABBITMQ_SSL_CERTFILE)"
            ]
        );
    }

    #[test]
    fn three_forms_of_erlang_arguments_are_known() {
        let known = |text: &str| erlang_arguments(text);
        let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        assert_eq!(
            known("-rabbitmq_management load_definitions \"/etc/d.json\""),
            pair("load_definitions", "/etc/d.json")
        );
        assert_eq!(known("+S 2 -rabbit consumer_timeout 36000000 -x"), pair("consumer_timeout", "36000000"));
        assert_eq!(known("-rabbit consumer_timeout false"), pair("consumer_timeout", "false"));
        assert_eq!(known("-rabbit log_levels [{connection,error}]"), []);
        assert_eq!(
            known("-rabbit log_levels [{connection,error},{default,warning}]"),
            pair("log.default.level", "warning")
        );
        assert_eq!(known("-rabbit tcp_listeners [5672] -proto_dist inet6_tcp"), []);
    }
}
