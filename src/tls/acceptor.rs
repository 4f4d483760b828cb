//! Handshakes with the certificate of the moment, which can be exchanged while the broker runs.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::certificate::Certificate;
use super::error::TlsError;
use super::material::{Material, Texts, TimeSource};
use super::secured::Secured;
use super::stream::{ReadAhead, TlsStream};
use crate::config::TlsSettings;
use crate::time::Timestamp;

/// A certificate that ends within this time is told of at the start.
const ENDS_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Makes handshakes.
pub(crate) struct Acceptor {
    settings: TlsSettings,
    /// A certificate and its key that are in no file.
    made: Option<(String, String)>,
    time: TimeSource,
    current: RwLock<Arc<Material>>,
    /// What could not be used when it was looked at last.
    refused: Mutex<Option<[u8; 32]>>,
}

/// What came of looking at the files again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reloaded {
    /// They are as they were.
    Unchanged,
    /// They have changed: new connections get what is in them now.
    Changed,
    /// They are wrong in the same way as before, which was told.
    StillWrong,
}

impl Acceptor {
    /// By settings, whose files are read now; with `made`, a certificate and its key in PEM, in place of the settings' own.
    ///
    /// # Errors
    /// What is wrong with the settings or a file.
    pub(crate) fn open(
        settings: TlsSettings,
        made: Option<(String, String)>,
        time: TimeSource,
    ) -> Result<Self, TlsError> {
        let texts = Texts::read(&settings, made.as_ref())?;
        let material = Material::new(&settings, &texts, &time)?;
        let current = RwLock::new(Arc::new(material));
        let acceptor = Self { settings, made, time, current, refused: Mutex::default() };
        acceptor.warn_of_end();
        Ok(acceptor)
    }

    /// Reads the files again. It blocks.
    ///
    /// # Errors
    /// What is wrong with a file: then everything stays as it is. The same texts are found wrong once only, unless it is `told` to tell.
    pub(crate) fn reload(&self, told: bool) -> Result<Reloaded, TlsError> {
        let texts = Texts::read(&self.settings, self.made.as_ref());
        // Files that cannot be read are wrong in one way.
        let digest = texts.as_ref().map(Texts::digest).unwrap_or_default();
        if digest == self.current().digest {
            *self.refused() = None;
            return Ok(Reloaded::Unchanged);
        }
        if self.refused().is_some_and(|refused| refused == digest) && !told {
            return Ok(Reloaded::StillWrong);
        }
        match texts.and_then(|texts| Material::new(&self.settings, &texts, &self.time)) {
            Ok(material) => {
                *self.refused() = None;
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(material);
                self.warn_of_end();
                Ok(Reloaded::Changed)
            }
            Err(error) => {
                *self.refused() = Some(digest);
                Err(error)
            }
        }
    }

    /// Makes the handshake on a socket.
    ///
    /// # Errors
    /// What the client did wrong, or the socket's end. What the client has to be told of it was written, if it could be.
    pub(crate) async fn accept<S>(&self, socket: S) -> std::io::Result<(TlsStream<S>, Secured)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = Arc::clone(&self.current().config);
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        let stream = acceptor.accept(ReadAhead::new(socket)).await?;
        let secured = Secured::of(stream.get_ref().1);
        Ok((TlsStream::new(stream), secured))
    }

    /// The file of the broker's certificate, if it is in one.
    pub(crate) fn cert_file(&self) -> Option<&Path> {
        self.settings.cert.as_deref()
    }

    /// The file of the authorities, if there is one.
    #[cfg_attr(not(feature = "management"), expect(dead_code, reason = "the management API shows it"))]
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.settings.ca.as_deref()
    }

    /// Certificates that end before a time: the broker's own with those that lead to an authority, and those of authorities.
    #[cfg_attr(not(feature = "management"), expect(dead_code, reason = "the management API shows it"))]
    pub(crate) fn ending_before(&self, time: Timestamp) -> (Vec<Certificate>, Vec<Certificate>) {
        let material = self.current();
        let ending = |certificates: &[Certificate]| {
            certificates.iter().filter(|certificate| certificate.not_after < time).cloned().collect()
        };
        (ending(&material.own), ending(&material.authorities))
    }

    fn current(&self) -> Arc<Material> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn refused(&self) -> MutexGuard<'_, Option<[u8; 32]>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The broker works with such a certificate, but clients will not.
    fn warn_of_end(&self) {
        let now = (self.time)();
        let file = self.cert_file().map(Path::display);
        let file = file.map_or_else(|| "what the broker made".to_owned(), |file| file.to_string());
        let material = self.current();
        let first_to_end = material.own.iter().min_by_key(|certificate| certificate.not_after);
        let Some(Certificate { subject, expires_on, not_before, not_after, .. }) = first_to_end else {
            return;
        };
        if *not_after < now {
            tracing::warn!(
                "the certificate of {subject} in {file} has expired on {expires_on} UTC: clients that verify it will not connect; put a \
                 new one in its place, the broker sees it by itself"
            );
        } else if not_after.as_millis().saturating_sub(now.as_millis()) < ENDS_SOON.as_millis() as u64 {
            tracing::warn!(
                "the certificate of {subject} in {file} expires on {expires_on} UTC; put a new one in its place before, the broker sees \
                 it by itself"
            );
        } else if *not_before > now {
            tracing::warn!("the certificate of {subject} in {file} is not yet valid: is the clock right?");
        }
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("settings", &self.settings).finish_non_exhaustive()
    }
}
