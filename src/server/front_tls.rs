//! What ends TLS in place of brokers where a node has several.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::door::Door;
use super::error::StartError;
use super::front::Front;
use super::sockets::Sockets;
use super::tls::{Given, Tls};
use crate::amqp::{Unshaken, shake as shake_amqp};
use crate::broker::Clock;
use crate::broker::log_limits::LogLimit;
use crate::broker::shared::ledger_of;
use crate::config::Config;
use crate::management::shake;
use crate::tls::{Acceptor, EndedTls, Socket};

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
        match Box::pin(shake_amqp(self.clock, socket, acceptor)).await {
            Ok(shaken) => return shaken.map(|(stream, _)| (Arc::new(stream.ended()), stream)),
            Err(Unshaken::NotTls(what)) => self.refused(peer, what),
            Err(Unshaken::Failed(why)) => self.refused(peer, &why),
        }
        None
    }

    fn refused(&self, peer: SocketAddr, why: &str) {
        self.refusals.say(self.clock.now(), || tracing::warn!(%peer, "TLS handshake failed: {why}"));
    }
}
