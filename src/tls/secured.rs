//! What was agreed on in a handshake, in the words of Erlang's ssl application, which RabbitMQ's tools show.

use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, ProtocolVersion, ServerConnection};

use super::certificate::Certificate;

/// How a connection is secured, and who its client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// `tlsv1.3`.
    pub protocol: &'static str,
    /// `ecdhe_rsa`; with TLS 1.3 `any`, for the cipher suite does not say it.
    pub key_exchange: &'static str,
    /// `aes_256_gcm`.
    pub cipher: &'static str,
    /// The hash of the records' integrity: always `aead`, for the ciphers have it in them.
    pub hash: &'static str,
    /// The client's certificate, which was verified.
    pub certificate: Option<Certificate>,
}

impl Secured {
    /// Of a connection whose handshake is over.
    pub(super) fn of(connection: &ServerConnection) -> Self {
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        let peer = connection.peer_certificates().and_then(<[_]>::first);
        Self::new(connection.protocol_version(), suite, peer)
    }

    pub(super) fn new(
        version: Option<ProtocolVersion>,
        suite: Option<CipherSuite>,
        peer: Option<&CertificateDer<'_>>,
    ) -> Self {
        let (key_exchange, cipher) = suite.map_or(("unknown", "unknown"), parts);
        Self {
            protocol: match version {
                Some(ProtocolVersion::TLSv1_2) => "tlsv1.2",
                _ => "tlsv1.3",
            },
            key_exchange,
            cipher,
            hash: "aead",
            certificate: peer.and_then(|der| Certificate::parse(der).ok()),
        }
    }
}

/// How keys are exchanged in a cipher suite, and how records are encrypted.
const fn parts(suite: CipherSuite) -> (&'static str, &'static str) {
    match suite {
        CipherSuite::TLS13_AES_256_GCM_SHA384 => ("any", "aes_256_gcm"),
        CipherSuite::TLS13_AES_128_GCM_SHA256 => ("any", "aes_128_gcm"),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => ("any", "chacha20_poly1305"),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => ("ecdhe_ecdsa", "aes_256_gcm"),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => ("ecdhe_ecdsa", "aes_128_gcm"),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => ("ecdhe_ecdsa", "chacha20_poly1305"),
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => ("ecdhe_rsa", "aes_256_gcm"),
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => ("ecdhe_rsa", "aes_128_gcm"),
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => ("ecdhe_rsa", "chacha20_poly1305"),
        _ => ("unknown", "unknown"),
    }
}
