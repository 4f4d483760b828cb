//! Which control socket there is to be, and whether a broker starts without it.

use std::path::{Path, PathBuf};

use super::error::StartError;
use crate::config::{CONTROL_SOCKET_NAME, Config, ControlSocketPath};

/// The control socket, if there is one: bound, and not yet served.
#[derive(Debug)]
pub(super) struct ControlListener(Option<bound::Bound>);

impl ControlListener {
    /// Binds what the settings say. The data directory has to be locked if it `holds_data_dir`: a socket in it that another broker left is
    /// replaced.
    ///
    /// # Errors
    /// `ControlSocket` for one that was asked for; without the usual one a broker starts, and says so in the log.
    pub(super) fn bind(config: &Config, holds_data_dir: bool) -> Result<Self, StartError> {
        let Some(path) = path(config, holds_data_dir) else { return Ok(Self(None)) };
        match bound::bind(&path) {
            Ok(socket) => Ok(Self(Some(socket))),
            Err(reason) if config.control_socket == ControlSocketPath::InDataDir => {
                tracing::warn!(
                    path = %path.display(),
                    "the broker starts without its control socket, so command line tools need a login: {reason}"
                );
                Ok(Self(None))
            }
            Err(reason) => Err(StartError::ControlSocket { path, reason }),
        }
    }
}

/// Whether there can be one.
const CAN_BE: bool = cfg!(all(unix, feature = "management"));

fn path(config: &Config, holds_data_dir: bool) -> Option<PathBuf> {
    match &config.control_socket {
        ControlSocketPath::At(path) => Some(path.clone()),
        ControlSocketPath::InDataDir if CAN_BE && holds_data_dir => {
            Some(config.data_dir.as_ref()?.join(CONTROL_SOCKET_NAME))
        }
        ControlSocketPath::InDataDir | ControlSocketPath::None => None,
    }
}

#[cfg(all(unix, feature = "management"))]
mod bound {
    //! Where there are Unix sockets.

    use std::sync::Arc;

    use tokio::task::JoinHandle;

    use super::{ControlListener, Path};
    use crate::broker::shared::Shared;
    use crate::management::{ControlError, ControlSocket, Site};

    pub(super) type Bound = ControlSocket;

    pub(super) fn bind(path: &Path) -> Result<Bound, String> {
        ControlSocket::bind(path).map_err(|error| match error {
            ControlError::TooLong { .. } => format!("{error}: set `control-socket` to a shorter path"),
            error => error.to_string(),
        })
    }

    impl ControlListener {
        /// Where it is.
        pub(crate) fn path(&self) -> Option<&Path> {
            self.0.as_ref().map(ControlSocket::path)
        }

        /// Serves it until the broker stops.
        pub(crate) fn serve(self, shared: &Arc<Shared>, site: Site) -> Option<JoinHandle<()>> {
            Some(tokio::spawn(self.0?.run(Arc::clone(shared), site)))
        }
    }
}

#[cfg(not(all(unix, feature = "management")))]
mod bound {
    //! Nothing to bind, and nothing missing unless it was asked for.

    use super::{ControlListener, Path};

    pub(super) type Bound = std::convert::Infallible;

    pub(super) fn bind(_: &Path) -> Result<Bound, String> {
        Err("this broker was built without control sockets".to_owned())
    }

    impl ControlListener {
        /// Nowhere.
        pub(crate) fn path(&self) -> Option<&Path> {
            None
        }
    }
}
