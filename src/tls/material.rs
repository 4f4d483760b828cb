//! From files to what rustls needs for a handshake.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WantsServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ConfigBuilder, Error, InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest as _, Sha256};

use super::certificate::Certificate;
use super::error::TlsError;
use super::key;
use super::pem;
use super::verifier::PeerVerifier;
use crate::config::{TlsSettings, TlsVersion};
use crate::time::Timestamp;

const CERT: &str = "tls-cert";
const KEY: &str = "tls-key";
const CA: &str = "tls-ca";

/// What says which time it is, for certificates hold for a while.
pub(crate) type TimeSource = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Texts of the files that the settings name.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Texts {
    /// The broker's certificates.
    pub(super) cert: String,
    /// The key, if it has a file of its own.
    pub(super) key: Option<String>,
    /// The authorities.
    pub(super) ca: Option<String>,
}

impl Texts {
    /// Reads them; `made` is a certificate and its key that are in no file.
    ///
    /// # Errors
    /// A file that cannot be read, or no certificate at all.
    pub(super) fn read(settings: &TlsSettings, made: Option<&(String, String)>) -> Result<Self, TlsError> {
        let ca = settings.ca.as_deref().map(|path| read(CA, path)).transpose()?;
        if let Some((cert, key)) = made {
            return Ok(Self { cert: cert.clone(), key: Some(key.clone()), ca });
        }
        let cert = settings.cert.as_deref().ok_or(TlsError::NoCertificateSetting)?;
        let key = settings.key.as_deref().map(|path| read(KEY, path)).transpose()?;
        Ok(Self { cert: read(CERT, cert)?, key, ca })
    }

    /// By which a change is seen.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for text in [Some(&self.cert), self.key.as_ref(), self.ca.as_ref()] {
            let text = text.map(String::as_bytes).unwrap_or_default();
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        }
        digest.finalize().into()
    }
}

/// A key file in another encoding than UTF-8 has its sections all the same.
fn read(setting: &'static str, path: &Path) -> Result<String, TlsError> {
    let bytes = fs::read(path).map_err(|source| TlsError::Read { setting, path: path.to_owned(), source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What handshakes are made with.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) config: Arc<ServerConfig>,
    /// The broker's certificate, and those that lead to an authority.
    pub(super) own: Vec<Certificate>,
    /// Those that clients' certificates have to come from.
    pub(super) authorities: Vec<Certificate>,
    /// Of the texts that it was made of.
    pub(super) digest: [u8; 32],
}

impl Material {
    /// # Errors
    /// What is wrong with a file.
    pub(super) fn new(settings: &TlsSettings, texts: &Texts, time: &TimeSource) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let files = Files::of(settings);
        let chain = certificates(CERT, &files.cert, &texts.cert)?;
        let authorities = match &texts.ca {
            Some(text) => certificates(CA, &files.ca, text)?,
            None => Vec::new(),
        };
        let certified =
            files.certified(settings, texts, &provider, chain.iter().map(|(der, _)| der.clone()))?;
        let config = builder(settings, &files, &authorities, &provider, time)?
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        let parsed =
            |list: Vec<(CertificateDer<'static>, Certificate)>| list.into_iter().map(|(_, c)| c).collect();
        Ok(Self {
            config: Arc::new(config),
            own: parsed(chain),
            authorities: parsed(authorities),
            digest: texts.digest(),
        })
    }
}

/// The files, as errors name them.
struct Files {
    cert: PathBuf,
    key: PathBuf,
    ca: PathBuf,
}

impl Files {
    fn of(settings: &TlsSettings) -> Self {
        let cert = settings.cert.clone().unwrap_or_else(|| PathBuf::from("what the broker made"));
        let key = settings.key.clone().unwrap_or_else(|| cert.clone());
        Self { cert, key, ca: settings.ca.clone().unwrap_or_default() }
    }

    /// The chain with its key, which is the right one.
    fn certified(
        &self,
        settings: &TlsSettings,
        texts: &Texts,
        provider: &CryptoProvider,
        chain: impl Iterator<Item = CertificateDer<'static>>,
    ) -> Result<CertifiedKey, TlsError> {
        let (setting, text) = match &texts.key {
            Some(text) => (KEY, text),
            None => (CERT, &texts.cert),
        };
        let key = key::read(setting, &self.key, text, settings.key_password.as_deref())?;
        let signer = provider.key_provider.load_private_key(key);
        let signer = signer.map_err(|_| TlsError::KeyKind { path: self.key.clone() })?;
        let certified = CertifiedKey::new(chain.collect(), signer);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(Error::InconsistentKeys(_)) => {
                Err(TlsError::KeyMismatch { cert: self.cert.clone(), key: self.key.clone() })
            }
            Err(source) => Err(TlsError::Refused { path: self.cert.clone(), source }),
        }
    }
}

/// Everything but the certificate.
fn builder(
    settings: &TlsSettings,
    files: &Files,
    authorities: &[(CertificateDer<'static>, Certificate)],
    provider: &Arc<CryptoProvider>,
    time: &TimeSource,
) -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, TlsError> {
    let refused = |source| TlsError::Refused { path: files.cert.clone(), source };
    let time = Arc::new(BrokerTime(Arc::clone(time)));
    let builder = ServerConfig::builder_with_details(Arc::clone(provider), time);
    let versions: Vec<&SupportedProtocolVersion> = settings.versions.iter().map(supported).collect();
    let builder = builder.with_protocol_versions(&versions).map_err(refused)?;
    if settings.require_client_cert && !settings.verify_peer {
        return Err(TlsError::RequiredUnverified);
    }
    if !settings.verify_peer {
        return Ok(builder.with_no_client_auth());
    }
    if authorities.is_empty() {
        return Err(TlsError::NoAuthority);
    }
    let mut store = RootCertStore::empty();
    for (index, (der, _)) in authorities.iter().enumerate() {
        let number = index + 1;
        let refused =
            |error: Error| TlsError::Authority { path: files.ca.clone(), number, reason: error.to_string() };
        store.add(der.clone()).map_err(refused)?;
    }
    let verifier = PeerVerifier::new(store, provider, settings.require_client_cert, settings.depth);
    Ok(builder.with_client_cert_verifier(Arc::new(verifier.map_err(refused)?)))
}

const fn supported(version: &TlsVersion) -> &'static SupportedProtocolVersion {
    match version {
        TlsVersion::V1_2 => &TLS12,
        TlsVersion::V1_3 => &TLS13,
    }
}

/// All certificates of a file, with what stands in them.
fn certificates(
    setting: &'static str,
    path: &Path,
    text: &str,
) -> Result<Vec<(CertificateDer<'static>, Certificate)>, TlsError> {
    let sections = pem::sections(text);
    let found = sections.iter().filter(|section| section.label.ends_with("CERTIFICATE"));
    let read = |(index, section): (usize, &pem::Section)| {
        let wrong =
            |reason| TlsError::Certificate { setting, path: path.to_owned(), number: index + 1, reason };
        let der = section.der.clone().ok_or_else(|| wrong("it is no base64".to_owned()))?;
        let der = CertificateDer::from(der);
        let parsed = Certificate::parse(&der).map_err(wrong)?;
        Ok((der, parsed))
    };
    let all: Vec<_> = found.enumerate().map(read).collect::<Result<_, TlsError>>()?;
    if all.is_empty() { Err(TlsError::NoCertificate { setting, path: path.to_owned() }) } else { Ok(all) }
}

/// The broker's clock, for rustls.
struct BrokerTime(TimeSource);

impl TimeProvider for BrokerTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis((self.0)().as_millis())))
    }
}

impl fmt::Debug for BrokerTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrokerTime")
    }
}
