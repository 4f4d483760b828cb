//! TLS towards a broker: whom to trust, and who we are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::error::ClientError;

/// Where systems keep the authorities that they trust.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// What a command line says about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities to trust, PEM; those of the system where there are none.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, with what is between it and an authority, PEM.
    pub cert_file: Option<PathBuf>,
    /// Its key, PEM, without a password; in the file of the certificate where there is none.
    pub key_file: Option<PathBuf>,
    /// Take the certificate of another host.
    pub any_host: bool,
    /// Take any certificate.
    pub any_certificate: bool,
}

impl Tls {
    /// Reads the files.
    pub(super) fn config(&self) -> Result<ClientConfig, ClientError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
        let builder =
            builder.dangerous().with_custom_certificate_verifier(Arc::new(self.verifier(provider)?));
        let Some(cert_file) = &self.cert_file else { return Ok(builder.with_no_client_auth()) };
        let key_file = self.key_file.as_ref().unwrap_or(cert_file);
        let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| unreadable(key_file, &error))?;
        builder.with_client_auth_cert(certificates(cert_file)?, key).map_err(unusable)
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Verifier, ClientError> {
        let strict = match (self.any_certificate, &self.ca_file) {
            (true, _) => None,
            (false, Some(file)) => Some(strict(certificates(file)?, &provider)?),
            (false, None) => Some(strict(system_authorities()?, &provider)?),
        };
        Ok(Verifier { strict, any_host: self.any_host, provider })
    }
}

fn strict(
    authorities: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, ClientError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities);
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    verifier.build().map_err(|error| ClientError::Unusable(format!("no authority can be trusted: {error}")))
}

fn system_authorities() -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let file = SYSTEM_AUTHORITIES.iter().map(Path::new).find(|path| path.is_file());
    file.map(certificates).unwrap_or_else(|| {
        Err(ClientError::Unusable("this system has no list of authorities: name a file of them".to_owned()))
    })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match found.map_err(|error| unreadable(file, &error))? {
        none if none.is_empty() => {
            Err(ClientError::Unusable(format!("there is no certificate in {}", file.display())))
        }
        found => Ok(found),
    }
}

fn unreadable(file: &Path, error: &rustls::pki_types::pem::Error) -> ClientError {
    ClientError::Unusable(format!("cannot read {}: {error}", file.display()))
}

fn unusable(error: Error) -> ClientError {
    ClientError::Unusable(format!("TLS cannot be set up: {error}"))
}

/// Checks a certificate as strictly as the user wants it.
#[derive(Debug)]
struct Verifier {
    /// None where any certificate will do.
    strict: Option<Arc<WebPkiServerVerifier>>,
    any_host: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(strict) = &self.strict else { return Ok(ServerCertVerified::assertion()) };
        match strict.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_host => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
