//! The handshake of TLS, before there is a connection.
//!
//! A client that says nothing costs what it costs without TLS: nothing is made for it before its first byte is there, its time is
//! limited, and it is one of the half-open connections, which make room for others.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, Error};
use tokio::net::TcpStream;

use super::admission::Admitted;
use super::connection::{self, Endpoints};
use super::connection_log;
use crate::auth::External;
use crate::broker::Clock;
use crate::broker::shared::{Shared, stopped};
use crate::ledger::Kind;
use crate::session::SessionConfig;
use crate::tls::{Acceptor, NoName, Opening, Secured, TlsStream, login_name};

/// From the accepted socket to the end of the handshake: as long as for AMQP's own handshake after it.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Runs a connection that begins with TLS to its end.
pub(super) async fn run(
    shared: Arc<Shared>,
    socket: TcpStream,
    endpoints: Endpoints,
    config: SessionConfig,
    mut admitted: Admitted,
    acceptor: Arc<Acceptor>,
) {
    if shared.ledger.refuses(Kind::Clients) {
        tracing::warn!(peer = %endpoints.peer, "no memory for another connection");
        return;
    }
    let peer = endpoints.peer;
    let mut stopping = shared.stopping.subscribe();
    let shaken = tokio::select! {
        shaken = Box::pin(shake_or_tell(&shared, socket, peer, &acceptor)) => shaken,
        Ok(()) = &mut admitted.eviction => {
            tracing::debug!(%peer, "a TLS handshake was not over, and had to make room");
            None
        }
        () = stopped(&mut stopping) => None,
    };
    let Some((stream, secured)) = shaken else { return };
    let external = external(&shared, &secured);
    let config = SessionConfig { external, ..config };
    let endpoints = Endpoints { secured: Some(Arc::new(secured)), ..endpoints };
    connection::run(shared, stream, endpoints, config, Some(admitted)).await;
}

/// Makes the handshake; the log says why it failed.
async fn shake_or_tell(
    shared: &Shared,
    socket: TcpStream,
    peer: SocketAddr,
    acceptor: &Acceptor,
) -> Option<(TlsStream<TcpStream>, Secured)> {
    match shake(shared.clock, socket, acceptor).await {
        Ok(shaken) => {
            let (stream, secured) = shaken?;
            let Secured { protocol, key_exchange, cipher, certificate, .. } = &secured;
            let client = certificate.as_ref().map(|certificate| certificate.subject.as_str());
            tracing::debug!(%peer, protocol, key_exchange, cipher, client, "TLS handshake complete");
            return Some((stream, secured));
        }
        Err(Unshaken::NotTls(what)) => connection_log::not_tls(shared, peer, what),
        Err(Unshaken::Failed(why)) => connection_log::tls_refused(shared, peer, &why),
    }
    None
}

/// Why there is no TLS with a client.
pub(crate) enum Unshaken {
    /// It began with something else: this.
    NotTls(&'static str),
    /// What went wrong and, where it can be told, what to do.
    Failed(String),
}

/// Makes the handshake with a client of AMQP; `None` if it left without a word.
pub(crate) async fn shake(
    clock: Clock,
    socket: TcpStream,
    acceptor: &Acceptor,
) -> Result<Option<(TlsStream<TcpStream>, Secured)>, Unshaken> {
    let handshake = async {
        Ok::<_, io::Error>(match Opening::of(&socket).await? {
            Opening::Tls => Ok(Some(acceptor.accept(socket).await?)),
            // A look at the port: load balancers do it every second.
            Opening::Nothing => Ok(None),
            other => {
                Opening::refuse(&socket);
                Err(Unshaken::NotTls(other.name()))
            }
        })
    };
    match clock.within(HANDSHAKE_MAX, handshake).await {
        Some(Ok(shaken)) => shaken,
        Some(Err(error)) => Err(Unshaken::Failed(explained(&error))),
        None => Err(Unshaken::Failed(format!("not over in {} s", HANDSHAKE_MAX.as_secs()))),
    }
}

/// Who EXTERNAL says that the client is, if it can be used.
pub(super) fn external(shared: &Shared, secured: &Secured) -> Option<External> {
    let login = shared.config.tls_login?;
    Some(match login_name(secured.certificate.as_ref(), login) {
        Ok(user) => External::User(user),
        Err(NoName::NoCertificate) => External::NoCertificate,
        Err(NoName::NotFound) => External::NoName,
    })
}

/// What went wrong and, where it can be told, what to do.
fn explained(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    let hint = match cause {
        Some(Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::BadCertificate,
        )) => {
            "the client does not trust the broker's certificate: it has to be given the certificate of the authority"
        }
        Some(Error::NoCertificatesPresented) => {
            "the client presented no certificate, and has to have one (tls-require-client-cert)"
        }
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "the client's certificate does not come from an authority in the file of tls-ca"
        }
        Some(Error::InvalidCertificate(_)) => "the client's certificate is not in order",
        Some(Error::PeerIncompatible(_)) => {
            "the client and the broker have no version or cipher in common: TLS 1.2 with ECDHE and an AEAD cipher, or 1.3 (tls-versions)"
        }
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the client closed its socket: does it trust the broker's certificate?"
        }
        _ => return error.to_string(),
    };
    format!("{hint} ({error})")
}
