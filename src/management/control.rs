//! The control socket: the management API on a Unix socket, for command line tools on the same machine.
//!
//! Whoever may open it is the operator: no login is asked for. The socket's mode is 0600 before it has a name, so it is its owner's (and the
//! superuser's) from the first moment. A socket that a broker left behind is replaced; one that somebody listens on, and
//! whatever is no socket, a symbolic link for instance, is left alone. It has connections of its own, so that clients on the network cannot use them up.

use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net as std_net;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::serve::{Listener, Peer, accept_all, serve};
use super::site::Site;
use crate::broker::shared::{Shared, stopped};

/// Connections at a time. Tools open one each; those that follow something keep theirs.
const CONNECTIONS_MAX: usize = 32;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// The system has room for some hundred bytes.
    #[error("its path is longer than this system allows for a Unix socket ({} bytes)", path.as_os_str().len())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// There is a file of that name.
    #[error("there is something else of that name, which is left alone")]
    Occupied,
    /// Another process listens on it.
    #[error("another process listens on it")]
    InUse,
    /// Anything else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Bound, and removed when dropped.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    name: Name,
}

/// The socket's name in the file system, as long as it is this socket's.
#[derive(Debug)]
struct Name {
    path: PathBuf,
    file: FileId,
}

/// Device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId(u64, u64);

impl FileId {
    fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

impl ControlSocket {
    /// Binds it.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub(crate) fn bind(path: &Path) -> Result<Self, ControlError> {
        let address =
            SocketAddrUnix::new(path).map_err(|_| ControlError::TooLong { path: path.to_owned() })?;
        clear(path, &address)?;
        let socket = new_socket()?;
        let private = Mode::RUSR | Mode::WUSR;
        // The name gets the mode that the socket has. Where a system does not know that, its umask decides for the moment until the mode is set below.
        let _ = fchmod(&socket, private);
        bind(&socket, &address).map_err(io::Error::from)?;
        let made = path.symlink_metadata()?;
        let name = Name { path: path.to_owned(), file: FileId::of(&made) };
        if made.mode() & 0o777 != private.as_raw_mode() {
            rustix::fs::chmod(path, private).map_err(io::Error::from)?;
        }
        listen(&socket, BACKLOG).map_err(io::Error::from)?;
        let listener = UnixListener::from_std(std_net::UnixListener::from(socket))?;
        Ok(Self { listener, name })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.name.path
    }

    /// Answers until the broker stops, then lets the requests that are under way end.
    pub(crate) async fn run(self, shared: Arc<Shared>, site: Site) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let of_connections = Arc::clone(&shared);
        accept_all(&shared, self, &slots, |stream, peer| {
            let (site, mut stopping) = (site.clone(), of_connections.stopping.subscribe());
            async move { serve(stream, peer, site, stopped(&mut stopping)).await }
        })
        .await;
    }
}

impl Listener for ControlSocket {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.listener.accept().await?;
        Ok((stream, Peer::ControlSocket))
    }
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Makes way for the socket: one that nobody listens on any more goes.
fn clear(path: &Path, address: &SocketAddrUnix) -> Result<(), ControlError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
        Ok(found) if !found.file_type().is_socket() => Err(ControlError::Occupied),
        Ok(_) => match connect(&new_socket()?, address) {
            Err(Errno::CONNREFUSED) => Ok(std::fs::remove_file(path)?),
            // As many wait as may.
            Ok(()) | Err(Errno::AGAIN) => Err(ControlError::InUse),
            Err(error) => Err(io::Error::from(error).into()),
        },
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // Whoever took it away and put another there keeps that.
        if self.path.symlink_metadata().is_ok_and(|found| FileId::of(&found) == self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
