//! TLS that ended elsewhere: a node of a cluster made the handshake, and tells the one that serves the client what was agreed on.

use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, ProtocolVersion, ServerConnection};

use super::secured::Secured;

/// Version and suite.
const FIXED_BYTES: usize = 4;

/// What was agreed on, and the client's certificate, which was verified there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedTls {
    version: ProtocolVersion,
    suite: CipherSuite,
    certificate: Option<CertificateDer<'static>>,
}

impl EndedTls {
    /// Of a connection whose handshake is over.
    pub(super) fn of(connection: &ServerConnection) -> Self {
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        let peer = connection.peer_certificates().and_then(<[_]>::first);
        Self {
            version: connection.protocol_version().unwrap_or(ProtocolVersion::TLSv1_3),
            suite: suite.unwrap_or(CipherSuite::TLS_NULL_WITH_NULL_NULL),
            certificate: peer.map(|der| der.clone().into_owned()),
        }
    }

    /// Its bytes: version and suite by their IANA numbers, and the certificate's DER.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = u16::from(self.version).to_be_bytes().to_vec();
        bytes.extend(u16::from(self.suite).to_be_bytes());
        bytes.extend(self.certificate.iter().flat_map(|der| der.iter()));
        bytes
    }

    /// Reads them; `None` if they are too few.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (fixed, der) = bytes.split_at_checked(FIXED_BYTES)?;
        let [a, b, c, d] = *fixed.first_chunk::<FIXED_BYTES>()?;
        let certificate = (!der.is_empty()).then(|| CertificateDer::from(der.to_vec()));
        Some(Self {
            version: u16::from_be_bytes([a, b]).into(),
            suite: u16::from_be_bytes([c, d]).into(),
            certificate,
        })
    }

    /// In words.
    pub(crate) fn secured(&self) -> Secured {
        Secured::new(Some(self.version), Some(self.suite), self.certificate.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for certificate in [None, Some(CertificateDer::from(vec![7; 300]))] {
            let version = ProtocolVersion::TLSv1_2;
            let suite = CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384;
            let ended = EndedTls { version, suite, certificate };
            assert_eq!(EndedTls::decode(&ended.encode()), Some(ended.clone()));
            let Secured { protocol, key_exchange, cipher, .. } = ended.secured();
            assert_eq!((protocol, key_exchange, cipher), ("tlsv1.2", "ecdhe_rsa", "aes_256_gcm"));
        }
        assert_eq!(EndedTls::decode(&[3, 4, 0]), None);
    }
}
