//! Verifying clients' certificates: rustls' own verifier, and a limit to the chain's length.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

/// Verifies clients' certificates.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    inner: Arc<dyn ClientCertVerifier>,
    provider: Arc<CryptoProvider>,
    authorities: Arc<RootCertStore>,
    depth: usize,
}

/// There are more intermediate certificates between a client's and an authority than `tls-depth` allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chain has more intermediate certificates than tls-depth allows")]
struct TooDeep;

impl PeerVerifier {
    /// By these authorities. A client without a certificate is let in unless it is `required`.
    ///
    /// # Errors
    /// rustls refuses: there are no authorities.
    pub(super) fn new(
        authorities: RootCertStore,
        provider: &Arc<CryptoProvider>,
        required: bool,
        depth: u8,
    ) -> Result<Self, Error> {
        let authorities = Arc::new(authorities);
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&authorities), Arc::clone(provider));
        let builder = if required { builder } else { builder.allow_unauthenticated() };
        let inner = builder.build().map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { inner, provider: Arc::clone(provider), authorities, depth: usize::from(depth) })
    }

    /// Looks for a way to an authority that is short enough. The certificate is known to be in order.
    fn check_depth(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        // No way is longer than what the client sent.
        if intermediates.len() <= self.depth {
            return Ok(());
        }
        let is_short = |path: &VerifiedPath<'_>| match path.intermediate_certificates().count() {
            count if count <= self.depth => Ok(()),
            _ => Err(webpki::Error::MaximumPathDepthExceeded),
        };
        let too_deep = |_| Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(TooDeep))));
        let certificate = EndEntityCert::try_from(end_entity).map_err(too_deep)?;
        certificate
            .verify_for_usage(
                self.provider.signature_verification_algorithms.all,
                &self.authorities.roots,
                intermediates,
                now,
                KeyUsage::client_auth(),
                None,
                Some(&is_short),
            )
            .map(drop)
            .map_err(too_deep)
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        self.check_depth(end_entity, intermediates, now)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
