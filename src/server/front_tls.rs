//! What ends TLS in place of brokers where a node has several.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::door::Door;
use super::error::StartError;
use super::front::Front;
use super::sockets::Sockets;
use super::tls::{Given, Tls};
use crate::amqp::explained;
use crate::broker::Clock;
use crate::broker::log_limits::LogLimit;
use crate::broker::shared::ledger_of;
use crate::config::Config;
use crate::management::shake;
use crate::tls::{Acceptor, EndedTls, Opening, Socket};

/// From the accepted socket to the end of TLS's handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Certificates that were looked at, and not made yet where there are none.
pub(crate) struct Certificates(Given);

impl Certificates {
    /// Reads those that the settings name.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn given(config: &Config, clock: Clock) -> Result<Self, StartError> {
        Tls::given(config, clock).map(Self)
    }

    /// Makes what is missing, in the data directory, which has to be this process's by now.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub(crate) fn front(
        self,
        sockets: Arc<Sockets>,
        config: &Config,
        clock: Clock,
    ) -> Result<Front, StartError> {
        let tls = self.0.or_make(config, clock)?;
        let ledger = Arc::new(ledger_of(config));
        Ok(Front { sockets, tls, ledger, clock, refusals: LogLimit::default() })
    }
}

impl Front {
    /// Looks at the certificates' files again every now and then, for ever.
    pub(crate) async fn watch(&self) {
        self.tls.look(self.clock).await;
    }

    /// Reads the certificates again, and tells what is wrong with them even if it was told.
    pub(crate) async fn reload(&self) {
        self.tls.reload().await;
    }

    /// Makes the handshake of TLS with a client that came to a door; `None` if there is no such client any more.
    pub(crate) async fn shake(
        &self,
        door: Door,
        socket: TcpStream,
        peer: SocketAddr,
    ) -> Option<(Socket, Arc<EndedTls>)> {
        let stream = match door {
            Door::Amqps => self.shake_amqp(self.tls.amqp.as_ref()?, socket, peer).await,
            _ => {
                let shaken = shake(self.clock, socket, &peer, self.tls.http.as_ref()?).await?;
                Some((Arc::new(shaken.ended()), shaken))
            }
        };
        stream.map(|(ended, stream)| (Socket::Tls(Box::new(stream)), ended))
    }

    async fn shake_amqp(
        &self,
        acceptor: &Acceptor,
        socket: TcpStream,
        peer: SocketAddr,
    ) -> Option<(Arc<EndedTls>, crate::tls::TlsStream<TcpStream>)> {
        let handshake = async {
            match Opening::of(&socket).await? {
                Opening::Tls => acceptor.accept(socket).await.map(Some),
                // A look at the port: load balancers do it every second.
                Opening::Nothing => Ok(None),
                other => {
                    Opening::refuse(&socket);
                    self.refused(peer, other.name());
                    Ok(None)
                }
            }
        };
        match self.clock.within(HANDSHAKE_MAX, Box::pin(handshake)).await {
            Some(Ok(shaken)) => return shaken.map(|(stream, _)| (Arc::new(stream.ended()), stream)),
            Some(Err(error)) => self.refused(peer, &explained(&error)),
            None => self.refused(peer, "it was not over in time"),
        }
        None
    }

    fn refused(&self, peer: SocketAddr, why: &str) {
        self.refusals.say(self.clock.now(), || tracing::warn!(%peer, "TLS handshake failed: {why}"));
    }
}
