//! Settings of TLS.

use std::fmt;
use std::path::PathBuf;

/// How many intermediate certificates may stand between a client's certificate and an authority, if nothing else is said: as in
/// Erlang, whose default RabbitMQ has.
pub const TLS_DEPTH_DEFAULT: u8 = 10;

/// A version of TLS. Older ones are not spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2 (RFC 5246).
    V1_2,
    /// 1.3 (RFC 8446).
    V1_3,
}

/// Who the broker is to clients that come over TLS, and who has to be who among them.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM file with the broker's certificate and those that lead from it to an authority, in this order.
    pub cert: Option<PathBuf>,
    /// PEM file with the certificate's key; if there is none, it is in the certificate's file.
    pub key: Option<PathBuf>,
    /// The key's password, if it is encrypted.
    pub key_password: Option<String>,
    /// PEM file with the authorities that clients' certificates have to come from.
    pub ca: Option<PathBuf>,
    /// Whether clients are asked for a certificate, which has to be in order if there is one.
    pub verify_peer: bool,
    /// Whether a client without a certificate is refused; it means something with `verify_peer` only.
    pub require_client_cert: bool,
    /// How many intermediate certificates may stand between a client's certificate and an authority.
    pub depth: u8,
    /// Versions that are spoken; not empty.
    pub versions: Vec<TlsVersion>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            cert: None,
            key: None,
            key_password: None,
            ca: None,
            verify_peer: false,
            require_client_cert: false,
            depth: TLS_DEPTH_DEFAULT,
            versions: vec![TlsVersion::V1_2, TlsVersion::V1_3],
        }
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("cert", &self.cert)
            .field("key", &self.key)
            .field("ca", &self.ca)
            .field("verify_peer", &self.verify_peer)
            .field("require_client_cert", &self.require_client_cert)
            .field("depth", &self.depth)
            .field("versions", &self.versions)
            .finish_non_exhaustive()
    }
}

/// Which name in a client's certificate is its user, for the SASL mechanism EXTERNAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsLogin {
    /// The whole subject, as RFC 4514 writes it: `CN=ann,O=Example`.
    DistinguishedName,
    /// Its common names, with commas between them.
    CommonName,
    /// An alternative name.
    AlternativeName {
        /// Of this kind.
        kind: AlternativeNameKind,
        /// After so many others of the kind.
        index: usize,
    },
}

/// What an alternative name of a certificate names (RFC 5280 section 4.2.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlternativeNameKind {
    /// A host.
    Dns,
    /// An IP address.
    Ip,
    /// An address of electronic mail.
    Email,
    /// Anything, by an URI.
    Uri,
}
