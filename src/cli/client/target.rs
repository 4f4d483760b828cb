//! Where a broker is, and the connection to it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::ClientError;
use super::tls::Tls;

/// Where a broker takes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Its control socket, where no login is asked for.
    Socket(PathBuf),
    /// Its management API.
    Http(Http),
}

/// The management API of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// A name or an address; an IPv6 one without brackets.
    pub host: String,
    /// 15672 unless the broker is told otherwise.
    pub port: u16,
    /// What stands before `/api` in a path; empty, or begins with a slash.
    pub path_prefix: String,
    /// HTTPS, and how.
    pub tls: Option<Tls>,
}

impl Http {
    /// Without a prefix and without TLS.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, path_prefix: String::new(), tls: None }
    }

    /// Host and port, as the header `Host` has them.
    fn authority(&self) -> String {
        let host = bare(&self.host);
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new("127.0.0.1", 15672)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "the control socket {}", path.display()),
            Self::Http(http) => {
                let scheme = if http.tls.is_some() { "https" } else { "http" };
                write!(f, "{scheme}://{}{}", http.authority(), http.path_prefix)
            }
        }
    }
}

impl Target {
    /// The header `Host`.
    pub(super) fn host_header(&self) -> String {
        match self {
            Self::Socket(_) => "localhost".to_owned(),
            Self::Http(http) => http.authority(),
        }
    }

    /// A path of the API as it is asked for.
    pub(super) fn full_path(&self, path: &str) -> String {
        match self {
            Self::Socket(_) => path.to_owned(),
            Self::Http(http) => format!("{}{path}", http.path_prefix.trim_end_matches('/')),
        }
    }

    pub(super) async fn connect(&self) -> Result<Stream, ClientError> {
        let unreachable = |source| ClientError::Unreachable { target: self.to_string(), source };
        let Self::Http(Http { host, tls: Some(tls), .. }) = self else {
            return self.connect_plainly().await.map_err(unreachable);
        };
        let connector = TlsConnector::from(Arc::new(tls.config()?));
        let name = ServerName::try_from(bare(host).to_owned());
        let name = name.map_err(|_| ClientError::Unusable(format!("{host} is no host's name")))?;
        match self.connect_plainly().await.map_err(unreachable)? {
            Stream::Tcp(stream) => {
                let stream = connector.connect(name, stream).await.map_err(unreachable)?;
                Ok(Stream::Tls(Box::new(stream)))
            }
            other => Ok(other),
        }
    }

    async fn connect_plainly(&self) -> io::Result<Stream> {
        match self {
            #[cfg(unix)]
            Self::Socket(path) => Ok(Stream::Socket(UnixStream::connect(path).await?)),
            #[cfg(not(unix))]
            Self::Socket(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "there are no Unix sockets here"))
            }
            Self::Http(http) => {
                let stream = TcpStream::connect((bare(&http.host), http.port)).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

/// Without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

/// A connection to a broker.
pub(super) enum Stream {
    #[cfg(unix)]
    Socket(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Does the same to whichever stream it is.
macro_rules! either {
    ($self:expr, $stream:ident => $do:expr) => {
        match $self.get_mut() {
            #[cfg(unix)]
            Stream::Socket(stream) => {
                let $stream = Pin::new(stream);
                $do
            }
            Stream::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $do
            }
            Stream::Tls(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $do
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(cx))
    }
}
