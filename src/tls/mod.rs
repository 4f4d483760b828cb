//! TLS (rustls with ring): certificates and keys from files or of the broker's own making, who clients have to be, the handshake,
//! and the stream behind it. It knows nothing of AMQP and HTTP.

mod acceptor;
mod certificate;
mod development;
mod distinguished_name;
#[cfg(feature = "cluster")]
mod ended;
mod error;
mod key;
mod login;
mod material;
mod opening;
mod pem;
mod secured;
mod socket;
mod stream;
mod traditional_pem;
mod verifier;

pub(crate) use acceptor::{Acceptor, Reloaded};
pub use certificate::Certificate;
pub(crate) use development::DevelopmentAuthority;
#[cfg(feature = "cluster")]
pub use ended::EndedTls;
pub use error::TlsError;
pub(crate) use login::{NoName, login_name};
pub(crate) use material::TimeSource;
pub(crate) use opening::Opening;
pub use secured::Secured;
pub(crate) use socket::Socket;
pub(crate) use stream::TlsStream;
