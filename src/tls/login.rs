//! Which user a client's certificate names, for the SASL mechanism EXTERNAL, as RabbitMQ's plugin rabbitmq_auth_mechanism_ssl reads it.

use super::certificate::Certificate;
use crate::config::TlsLogin;

/// Why a certificate names no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoName {
    /// There is none.
    #[error("the client presented no certificate")]
    NoCertificate,
    /// It has no name of the kind that the settings want.
    #[error("there is no name in the client's certificate where tls-login-from says")]
    NotFound,
}

/// The user that a certificate names.
///
/// # Errors
/// Why there is none.
pub(crate) fn login_name(certificate: Option<&Certificate>, from: TlsLogin) -> Result<String, NoName> {
    let certificate = certificate.ok_or(NoName::NoCertificate)?;
    let name = match from {
        TlsLogin::DistinguishedName => certificate.subject.clone(),
        // Several are joined, as in RabbitMQ.
        TlsLogin::CommonName => certificate.common_names.join(","),
        TlsLogin::AlternativeName { kind, index } => {
            let of_kind = certificate.alternative_names.iter().filter(|(of, _)| *of == kind);
            of_kind.map(|(_, name)| name).nth(index).cloned().unwrap_or_default()
        }
    };
    if name.is_empty() { Err(NoName::NotFound) } else { Ok(name) }
}
