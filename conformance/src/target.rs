//! The broker under test: where it is and who it says it is.

use std::time::Duration;

/// How far behind AMQP's port RabbitMQ has that of its management API, unless it is told otherwise.
const MANAGEMENT_PORT_OFFSET: u16 = 10_000;

/// A broker.
#[derive(Clone, Debug)]
pub struct Target {
    /// The whole address, for lapin.
    pub uri: String,
    /// `host:port`
    pub address: String,
    /// `host:port` of its management API.
    pub management: String,
    /// The user.
    pub user: String,
    /// Their password.
    pub password: String,
    /// The vhost.
    pub vhost: String,
    /// How long one answer may take.
    pub patience: Duration,
}

impl Target {
    /// The same with the management API there: `host:port`.
    #[must_use]
    pub fn managed_at(self, management: String) -> Self {
        Self { management, ..self }
    }

    /// Reads `amqp://user:password@host:port/vhost`. Missing parts are guest, guest, 5672 and `/`.
    pub fn parse(uri: &str, patience: Duration) -> Result<Self, String> {
        let rest = uri.strip_prefix("amqp://").ok_or("the address has to begin with amqp://")?;
        let (login, place) = rest.rsplit_once('@').unwrap_or(("guest:guest", rest));
        let (user, password) = login.split_once(':').unwrap_or((login, "guest"));
        let (host, vhost) = place.split_once('/').unwrap_or((place, ""));
        let vhost = if vhost.is_empty() { "/" } else { vhost }.replace("%2f", "/").replace("%2F", "/");
        let address = if host.contains(':') { host.to_owned() } else { format!("{host}:5672") };
        let path = vhost.replace('/', "%2f");
        let uri = format!("amqp://{user}:{password}@{address}/{path}");
        let management = management(&address).ok_or("the port has to be a number")?;
        Ok(Self { uri, address, management, user: user.into(), password: password.into(), vhost, patience })
    }
}

fn management(address: &str) -> Option<String> {
    let (host, port) = address.rsplit_once(':')?;
    // There is none behind the highest ports, and what is asked there finds nothing.
    let port = port.parse::<u16>().ok()?.saturating_add(MANAGEMENT_PORT_OFFSET);
    Some(format!("{host}:{port}"))
}
