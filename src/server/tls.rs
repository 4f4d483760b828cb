//! The broker's certificates: opened at the start, made where there are none and that is wanted, looked at again while it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sysinfo::System;
use tokio::task::JoinHandle;

use super::error::StartError;
use crate::broker::Clock;
use crate::broker::shared::{Shared, random_bytes, stopped};
use crate::config::{Config, TlsSettings};
use crate::tls::{Acceptor, DevelopmentAuthority, Reloaded, TimeSource, TlsError};

/// Between two looks at the files. Kubernetes exchanges them by itself, and so does certbot.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Where a data directory has what the broker made for itself.
const FOLDER: &str = "tls";

/// What makes the handshakes of a broker.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) amqp: Option<Arc<Acceptor>>,
    pub(super) http: Option<Arc<Acceptor>>,
    ca: Option<Arc<CaFile>>,
}

/// Whether AMQP and HTTP still want a certificate that the broker makes.
#[derive(Debug)]
pub(super) struct Given {
    tls: Tls,
    amqp_wants: bool,
    http_wants: bool,
}

impl Tls {
    /// By the files that the settings name, for what listens.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn given(config: &Config, clock: Clock) -> Result<Given, StartError> {
        let (for_amqp, for_http) =
            (!config.amqps.is_empty(), !config.https.is_empty() || !config.metrics_tls.is_empty());
        let is_made = |settings: &TlsSettings| config.tls_auto && settings.cert.is_none();
        let (amqp_wants, http_wants) =
            (for_amqp && is_made(&config.tls), for_http && is_made(&config.https_tls));
        let open = |settings: &TlsSettings| open(settings.clone(), None, clock);
        let amqp = if for_amqp && !amqp_wants { Some(open(&config.tls)?) } else { None };
        let http = match &amqp {
            _ if !for_http || http_wants => None,
            Some(same) if config.https_tls == config.tls => Some(Arc::clone(same)),
            _ => Some(open(&config.https_tls)?),
        };
        if config.tls_login.is_some() && !config.tls.verify_peer {
            tracing::warn!(
                "tls-login-from is set and clients are not asked for a certificate: nobody can log in by EXTERNAL; set tls-verify to peer"
            );
        }
        Ok(Given { tls: Self { amqp, http, ca: None }, amqp_wants, http_wants })
    }

    /// The authority's file, if the broker made one.
    pub(super) fn development_ca(&self) -> Option<&Path> {
        self.ca.as_ref().map(|ca| ca.path.as_path())
    }

    /// Looks at the files again every now and then.
    pub(super) fn watch(&self, shared: &Arc<Shared>) -> Option<JoinHandle<()>> {
        if self.acceptors().is_empty() {
            return None;
        }
        let (tls, shared) = (self.clone(), Arc::clone(shared));
        Some(tokio::spawn(async move {
            let mut stopping = shared.stopping.subscribe();
            tokio::select! {
                () = tls.look(shared.clock) => {}
                () = stopped(&mut stopping) => {}
            }
        }))
    }

    /// The same for ever.
    pub(super) async fn look(&self, clock: Clock) {
        let acceptors = self.acceptors();
        loop {
            clock.wait_for(Some(clock.now() + LOOK_AGAIN)).await;
            reload(&acceptors, false).await;
        }
    }

    /// Looks at the files again, and tells what is wrong with them even if it was told.
    pub(super) async fn reload(&self) {
        reload(&self.acceptors(), true).await;
    }

    /// Each once.
    fn acceptors(&self) -> Vec<Arc<Acceptor>> {
        let mut all: Vec<_> = self.amqp.iter().chain(&self.http).cloned().collect();
        all.dedup_by(|one, other| Arc::ptr_eq(one, other));
        all
    }
}

impl Given {
    /// Where nothing is missing.
    pub(super) const fn of(tls: Tls) -> Self {
        Self { tls, amqp_wants: false, http_wants: false }
    }

    /// Makes what is missing, in the data directory if there is one, which has to be the broker's by now.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub(super) fn or_make(self, config: &Config, clock: Clock) -> Result<Tls, StartError> {
        let Self { mut tls, amqp_wants, http_wants } = self;
        if !amqp_wants && !http_wants {
            return Ok(tls);
        }
        let made = Made::new(config.data_dir.as_deref(), clock)?;
        let open = |settings: &TlsSettings| {
            let TlsSettings { cert, key, .. } = made.settings.clone();
            open(TlsSettings { cert, key, ..settings.clone() }, made.pem.clone(), clock)
        };
        if amqp_wants {
            tls.amqp = Some(open(&config.tls)?);
        }
        if http_wants {
            let same = tls.amqp.clone().filter(|_| amqp_wants && config.https_tls == config.tls);
            tls.http = Some(same.map_or_else(|| open(&config.https_tls), Ok)?);
        }
        tracing::info!(
            "TLS with a certificate that the broker made for development: clients have to trust the authority in {}",
            made.ca.path.display()
        );
        tls.ca = Some(Arc::new(made.ca));
        Ok(tls)
    }
}

fn open(
    settings: TlsSettings,
    made: Option<(String, String)>,
    clock: Clock,
) -> Result<Arc<Acceptor>, TlsError> {
    let time: TimeSource = Arc::new(move || clock.timestamp());
    Acceptor::open(settings, made, time).map(Arc::new)
}

/// A certificate of the broker's own making, in files or not, and its authority's.
struct Made {
    settings: TlsSettings,
    pem: Option<(String, String)>,
    ca: CaFile,
}

impl Made {
    fn new(data_dir: Option<&Path>, clock: Clock) -> Result<Self, TlsError> {
        let (host, now) = (System::host_name().unwrap_or_default(), clock.timestamp());
        if let Some(dir) = data_dir {
            let (path, settings) = DevelopmentAuthority::keep_in(&dir.join(FOLDER), &host, now)?;
            return Ok(Self { settings, pem: None, ca: CaFile { path, is_temporary: false } });
        }
        let authority = DevelopmentAuthority::make(now)?;
        let pem = Some(authority.sign(&host, now)?);
        Ok(Self { settings: TlsSettings::default(), pem, ca: CaFile::temporary(&authority.pem)? })
    }
}

/// The file in which clients find the authority.
#[derive(Debug)]
struct CaFile {
    path: PathBuf,
    is_temporary: bool,
}

impl CaFile {
    /// A new file among the system's temporary ones. There is no secret in it.
    fn temporary(pem: &str) -> Result<Self, TlsError> {
        let random = random_bytes().map(u64::from_be_bytes).unwrap_or_default();
        let path = std::env::temp_dir().join(format!("coney-ca-{random:016x}.pem"));
        let written = fs::File::create_new(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, pem.as_bytes()));
        match written {
            Ok(()) => Ok(Self { path, is_temporary: true }),
            Err(source) => Err(TlsError::Write { path, source }),
        }
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        if self.is_temporary {
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn reload(acceptors: &[Arc<Acceptor>], told: bool) {
    for acceptor in acceptors {
        let of_task = Arc::clone(acceptor);
        let Ok(reloaded) = tokio::task::spawn_blocking(move || of_task.reload(told)).await else { continue };
        let file = acceptor.cert_file().map(|file| file.display().to_string()).unwrap_or_default();
        match reloaded {
            Ok(Reloaded::Changed) => {
                tracing::info!("{file} has been read again: new connections get what is in it now")
            }
            Ok(Reloaded::Unchanged) if told => {
                tracing::info!("{file} has been read again: nothing has changed")
            }
            Ok(Reloaded::Unchanged | Reloaded::StillWrong) => {}
            Err(error) => tracing::error!("TLS goes on with the certificate that it has: {error}"),
        }
    }
}
