//! TLS: where it is spoken, with which certificate, and what clients have to show.

use coney::config::{AlternativeNameKind, TlsLogin, TlsSettings, TlsVersion};

use super::setting::{Draft, Group, Kind, Setting, one, put};
use crate::cli::value;

/// Where AMQP over TLS is in the development set-up.
const AMQPS_PORT: u16 = 5671;
/// Where the management API over TLS is.
const HTTPS_PORT: u16 = 15671;

pub const TLS: Group = Group {
    heading: "TLS",
    settings: &[
        Setting {
            key: "tls",
            kind: Kind::Text,
            value_name: "auto",
            help: "`auto` speaks TLS with a certificate that the broker makes for itself, for development.\n\n\
                   AMQP on port 5671 and the management API on port 15671 of --listen-on, unless --amqps and --https say\n\
                   otherwise. The authority that clients have to trust is in the data directory, in tls/ca.pem.",
            default: None,
            rabbitmq_env: &[],
            set: auto,
        },
        Setting {
            key: "amqps",
            kind: Kind::List,
            value_name: "ADDR:PORT",
            help: "Accept AMQP connections over TLS here (repeatable; port 0 picks a free one), or `none`.\n\n\
                   RabbitMQ's port is 5671. It takes a certificate: --tls-cert and --tls-key.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.amqps, value::addresses_or_none(texts, &draft.interfaces))
            },
        },
        Setting {
            key: "https",
            kind: Kind::List,
            value_name: "ADDR:PORT",
            help: "Serve the management API over TLS here (repeatable; port 0 picks a free one), or `none`.\n\n\
                   RabbitMQ's port is 15671.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.https, value::addresses_or_none(texts, &draft.interfaces))
            },
        },
        Setting {
            key: "metrics-tls",
            kind: Kind::List,
            value_name: "ADDR:PORT",
            help: "Serve metrics for Prometheus over TLS here (repeatable; port 0 picks a free one), or `none`.\n\n\
                   RabbitMQ's port is 15691. With the certificate of the management API.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.metrics_tls, value::addresses_or_none(texts, &draft.interfaces))
            },
        },
        Setting {
            key: "tls-cert",
            kind: Kind::Text,
            value_name: "FILE",
            help: "The broker's certificate in PEM, and after it those that lead to an authority.\n\n\
                   A change of the file is seen within 10 s; SIGHUP has it read at once.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| for_both(draft, |tls| put(&mut tls.cert, value::path(one(texts)).map(Some))),
        },
        Setting {
            key: "tls-key",
            kind: Kind::Text,
            value_name: "FILE",
            help: "The certificate's private key in PEM.\n\nWithout it the key is looked for in the certificate's file.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| for_both(draft, |tls| put(&mut tls.key, value::path(one(texts)).map(Some))),
        },
        Setting {
            key: "tls-key-password",
            kind: Kind::Secret,
            value_name: "PASSWORD",
            help: "What opens the private key, if it is encrypted.\n\n\
                   Other users of the machine can read command lines: better use the environment or the file.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                for_both(draft, |tls| put(&mut tls.key_password, Ok(Some(one(texts).to_owned()))))
            },
        },
        Setting {
            key: "tls-ca",
            kind: Kind::Text,
            value_name: "FILE",
            help: "The authorities that clients' certificates have to come from, in PEM.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| for_both(draft, |tls| put(&mut tls.ca, value::path(one(texts)).map(Some))),
        },
        Setting {
            key: "tls-verify",
            kind: Kind::Text,
            value_name: "none|peer",
            help: "`peer` asks clients for a certificate, and refuses one that is not in order.",
            default: Some("none"),
            rabbitmq_env: &[],
            set: |draft, texts| for_both(draft, |tls| put(&mut tls.verify_peer, verify(one(texts)))),
        },
        Setting {
            key: "tls-require-client-cert",
            kind: Kind::Switch,
            value_name: "BOOL",
            help: "Refuse clients without a certificate. It takes --tls-verify peer.",
            default: Some("false"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                for_both(draft, |tls| put(&mut tls.require_client_cert, value::parse_bool(one(texts))))
            },
        },
        Setting {
            key: "tls-depth",
            kind: Kind::Number,
            value_name: "CERTIFICATES",
            help: "Let so many intermediate certificates stand between a client's and an authority, 0 to 255.",
            default: Some("10"),
            rabbitmq_env: &[],
            set: |draft, texts| for_both(draft, |tls| put(&mut tls.depth, depth(one(texts)))),
        },
        Setting {
            key: "tls-versions",
            kind: Kind::List,
            value_name: "VERSIONS",
            help: "Speak these versions of TLS: 1.2, 1.3 or both.",
            default: Some("1.2,1.3"),
            rabbitmq_env: &[],
            set: |draft, texts| for_both(draft, |tls| put(&mut tls.versions, versions(texts))),
        },
        Setting {
            key: "tls-login-from",
            kind: Kind::Text,
            value_name: "NAME",
            help: "Let clients log in by their certificate (SASL EXTERNAL), as the user that this name in it names.\n\n\
                   distinguished_name, common_name or subject_alternative_name. It takes --tls-verify peer.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.tls_login, login_from(one(texts)).map(Some)),
        },
        Setting {
            key: "tls-login-san-type",
            kind: Kind::Text,
            value_name: "TYPE",
            help: "The type of that alternative name: dns, ip, email or uri.",
            default: Some("dns"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                let named = alternative_name_kind(one(texts))?;
                if let Some(TlsLogin::AlternativeName { kind, .. }) = &mut draft.config.tls_login {
                    *kind = named;
                }
                Ok(())
            },
        },
        Setting {
            key: "tls-login-san-index",
            kind: Kind::Number,
            value_name: "NUMBER",
            help: "Which of the alternative names of that type it is, from 0.",
            default: Some("0"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                let number = usize::from(value::number_within(one(texts), 0..=u16::MAX, "names")?);
                if let Some(TlsLogin::AlternativeName { index, .. }) = &mut draft.config.tls_login {
                    *index = number;
                }
                Ok(())
            },
        },
        Setting {
            key: "https-cert",
            kind: Kind::Text,
            value_name: "FILE",
            help: "Another certificate for the management API and metrics than --tls-cert.\n\n\
                   With it, clients are asked for a certificate if --https-verify says so, and not by --tls-verify.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                // A key for another certificate is none for this one; and RabbitMQ verifies nobody here unless it is said here.
                let tls = &mut draft.config.https_tls;
                (tls.key, tls.key_password) = (None, None);
                (tls.verify_peer, tls.require_client_cert) = (false, false);
                put(&mut tls.cert, value::path(one(texts)).map(Some))
            },
        },
        Setting {
            key: "https-key",
            kind: Kind::Text,
            value_name: "FILE",
            help: "Its private key.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.https_tls.key, value::path(one(texts)).map(Some)),
        },
        Setting {
            key: "https-key-password",
            kind: Kind::Secret,
            value_name: "PASSWORD",
            help: "What opens that key, if it is encrypted.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.https_tls.key_password, Ok(Some(one(texts).to_owned())))
            },
        },
        Setting {
            key: "https-ca",
            kind: Kind::Text,
            value_name: "FILE",
            help: "Other authorities for clients of the management API and metrics than --tls-ca.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.https_tls.ca, value::path(one(texts)).map(Some)),
        },
        Setting {
            key: "https-verify",
            kind: Kind::Text,
            value_name: "none|peer",
            help: "As --tls-verify, which holds for the management API and metrics unless this or --https-cert is set.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                let tls = &mut draft.config.https_tls;
                tls.verify_peer = verify(one(texts))?;
                tls.require_client_cert &= tls.verify_peer;
                Ok(())
            },
        },
        Setting {
            key: "https-require-client-cert",
            kind: Kind::Switch,
            value_name: "BOOL",
            help: "As --tls-require-client-cert, for the management API and metrics; in the same way.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.https_tls.require_client_cert, value::parse_bool(one(texts)))
            },
        },
    ],
};

/// The settings of AMQP are those of HTTP, too, until others are named.
fn for_both(draft: &mut Draft, set: impl Fn(&mut TlsSettings) -> Result<(), String>) -> Result<(), String> {
    set(&mut draft.config.tls)?;
    set(&mut draft.config.https_tls)
}

fn auto(draft: &mut Draft, texts: &[String]) -> Result<(), String> {
    match one(texts) {
        "auto" => {}
        "none" => return Ok(()),
        other => return Err(format!("expected auto or none, got `{other}`")),
    }
    let at = |port: u16| draft.interfaces.iter().map(|ip| (*ip, port).into()).collect();
    (draft.config.amqps, draft.config.https) = (at(AMQPS_PORT), at(HTTPS_PORT));
    draft.config.tls_auto = true;
    Ok(())
}

fn verify(text: &str) -> Result<bool, String> {
    match text {
        "none" | "verify_none" => Ok(false),
        "peer" | "verify_peer" => Ok(true),
        other => Err(format!("expected none or peer, got `{other}`")),
    }
}

fn depth(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| format!("expected a number from 0 to 255, got `{text}`"))
}

/// RabbitMQ writes them `tlsv1.2`.
fn versions(texts: &[String]) -> Result<Vec<TlsVersion>, String> {
    let version = |text: &String| match text.trim().trim_start_matches("tlsv") {
        "1.2" => Ok(TlsVersion::V1_2),
        "1.3" => Ok(TlsVersion::V1_3),
        "1" | "1.0" | "1.1" => Err(format!("`{text}` is out of use (RFC 8996): 1.2 and 1.3 can be spoken")),
        _ => Err(format!("expected 1.2 or 1.3, got `{text}`")),
    };
    let versions: Vec<TlsVersion> = texts.iter().map(version).collect::<Result<_, String>>()?;
    if versions.is_empty() { Err("expected 1.2, 1.3 or both".to_owned()) } else { Ok(versions) }
}

fn login_from(text: &str) -> Result<TlsLogin, String> {
    match text {
        "distinguished_name" => Ok(TlsLogin::DistinguishedName),
        "common_name" => Ok(TlsLogin::CommonName),
        "subject_alternative_name" | "subject_alt_name" => {
            Ok(TlsLogin::AlternativeName { kind: AlternativeNameKind::Dns, index: 0 })
        }
        other => Err(format!(
            "expected distinguished_name, common_name or subject_alternative_name, got `{other}`"
        )),
    }
}

fn alternative_name_kind(text: &str) -> Result<AlternativeNameKind, String> {
    match text {
        "dns" => Ok(AlternativeNameKind::Dns),
        "ip" => Ok(AlternativeNameKind::Ip),
        "email" => Ok(AlternativeNameKind::Email),
        "uri" => Ok(AlternativeNameKind::Uri),
        other => Err(format!("expected dns, ip, email or uri, got `{other}`")),
    }
}
