//! Finds the broker that a command is meant for: a control socket, else the management API of this machine.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::configured;
use super::connection::Client;
use super::error::ClientError;
use super::target::{Http, Target};

/// The control socket's name in a data directory.
pub const SOCKET_NAME: &str = coney::config::CONTROL_SOCKET_NAME;
/// Names the socket, for all tools.
pub const SOCKET_VARIABLE: &str = "CONEY_CONTROL_SOCKET";
/// Where a broker keeps its data if nothing says otherwise, by hand, in our packages and in RabbitMQ's image.
const DATA_DIRS: [&str; 4] =
    ["coney-data", "/var/lib/coney", "/var/lib/rabbitmq/mnesia/coney", "/var/lib/rabbitmq"];
/// Whom RabbitMQ's tools are if nothing says otherwise.
const GUEST: (&str, &str) = ("guest", "guest");

/// What a command line says about which broker is meant. The default is "the one of this machine".
#[derive(Debug, Default, Clone)]
pub struct Search {
    /// `--socket`: this one and no other.
    pub socket: Option<PathBuf>,
    /// `--data-dir`: the broker that has its data there, and no other one.
    pub data_dir: Option<PathBuf>,
    /// `--host` and the like: this management API, and no socket.
    pub http: Option<Http>,
    /// A user and a password, for the management API: no socket then.
    pub login: Option<(String, String)>,
}

/// Nothing was found.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotFound(String);

/// The first place where a broker answers. `variable` looks into the environment.
pub fn find(search: &Search, variable: impl Fn(&str) -> Option<OsString>) -> Result<Client, NotFound> {
    let login = search.login.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
    let named = Named::of(search, variable);
    let mut tried = Vec::new();
    for socket in named.sockets() {
        match connected(Target::Socket(socket), None) {
            Ok(client) => return Ok(client),
            Err(error) => tried.push(error),
        }
    }
    if !matches!(named, Named::Socket(_)) {
        let http = search.http.clone().unwrap_or_default();
        match connected(Target::Http(http), Some(login.unwrap_or(GUEST))) {
            Ok(client) => return Ok(client),
            Err(error) => tried.push(error),
        }
    }
    Err(NotFound(explain(&tried)))
}

/// The first control socket that answers, of those that may be meant.
pub fn find_socket(search: &Search, variable: impl Fn(&str) -> Option<OsString>) -> Option<Client> {
    let mut sockets = Named::of(search, variable).sockets();
    sockets.find_map(|socket| connected(Target::Socket(socket), None).ok())
}

/// What is named. A broker that is named is the one that is meant: if it does not answer, no other one is asked.
enum Named {
    /// This socket.
    Socket(PathBuf),
    /// The management API, or no socket.
    Http,
    /// Nothing: any broker of this machine.
    Nothing,
}

impl Named {
    fn of(search: &Search, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        if let Some(socket) = &search.socket {
            return Self::Socket(socket.clone());
        }
        if search.http.is_some() || search.login.is_some() {
            return Self::Http;
        }
        match variable(SOCKET_VARIABLE).filter(|value| !value.is_empty()) {
            Some(value) if value == "none" => Self::Http,
            Some(value) => Self::Socket(value.into()),
            None => search.data_dir.as_ref().map_or(Self::Nothing, |dir| Self::Socket(dir.join(SOCKET_NAME))),
        }
    }

    /// The sockets that may be meant, best first. Settings are read only when they are needed.
    fn sockets(&self) -> Box<dyn Iterator<Item = PathBuf>> {
        match self {
            Self::Socket(socket) => Box::new(std::iter::once(socket.clone())),
            Self::Http => Box::new(std::iter::empty()),
            Self::Nothing => {
                let usual = DATA_DIRS.iter().map(|dir| Path::new(dir).join(SOCKET_NAME));
                let mut seen = Vec::new();
                let all = std::iter::once_with(configured::sockets).flatten().chain(usual);
                Box::new(all.filter(move |socket| {
                    let is_new = !seen.contains(socket);
                    seen.push(socket.clone());
                    is_new && !belongs_to_another(socket)
                }))
            }
        }
    }
}

/// Whether it lies where the command happens to be called, and belongs to another user: whoever leads root into a directory of theirs
/// must not be told its passwords. One that is named is taken whoever it belongs to.
#[cfg(unix)]
fn belongs_to_another(socket: &Path) -> bool {
    is_not_of(rustix::process::geteuid().as_raw(), socket)
}

#[cfg(not(unix))]
fn belongs_to_another(_: &Path) -> bool {
    false
}

#[cfg(unix)]
fn is_not_of(user: u32, socket: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    socket.is_relative() && std::fs::symlink_metadata(socket).is_ok_and(|socket| socket.uid() != user)
}

fn connected(target: Target, login: Option<(&str, &str)>) -> Result<Client, ClientError> {
    let client = Client::new(target, login)?;
    client.connect().map(|()| client)
}

/// What was tried, and what can be done. A socket that is not there is named in short.
fn explain(tried: &[ClientError]) -> String {
    let mut text = "no broker answers. Tried:".to_owned();
    for error in tried {
        let line = match error {
            ClientError::Unreachable { target, source } => format!("{target}: {}", why(source)),
            other => other.to_string(),
        };
        let _ = write!(text, "\n  {line}");
    }
    text + "\nIs it running? Name its data directory (--data-dir DIR or CONEY_DATA_DIR), its control socket \
            (--socket PATH or CONEY_CONTROL_SOCKET) or its management API (--url for coney's own commands, --host and --port for RabbitMQ's)."
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "not there".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied: only the user that runs the broker may use it (try sudo -u)".to_owned()
        }
        io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn no_variables(_: &str) -> Option<OsString> {
        None
    }

    /// An address where nobody listens.
    fn closed() -> Http {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Http::new("127.0.0.1", listener.local_addr().unwrap().port())
    }

    #[test]
    fn the_socket_of_the_configured_directory_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let _socket = UnixListener::bind(dir.path().join(SOCKET_NAME)).unwrap();
        let search = Search { data_dir: Some(dir.path().to_owned()), ..Search::default() };
        let client = find(&search, no_variables).unwrap();
        assert_eq!(client.target(), &Target::Socket(dir.path().join(SOCKET_NAME)));
    }

    #[test]
    fn the_variable_names_a_socket_and_a_flag_wins_over_it() {
        let dir = tempfile::tempdir().unwrap();
        let [by_variable, by_flag] = ["a.sock", "b.sock"].map(|name| dir.path().join(name));
        let _sockets = [&by_variable, &by_flag].map(|path| UnixListener::bind(path).unwrap());
        let variable = |name: &str| (name == SOCKET_VARIABLE).then(|| by_variable.clone().into());
        let mut search = Search::default();
        assert_eq!(find(&search, variable).unwrap().target(), &Target::Socket(by_variable.clone()));
        search.socket = Some(by_flag.clone());
        assert_eq!(find(&search, variable).unwrap().target(), &Target::Socket(by_flag));
    }

    #[test]
    fn a_host_or_a_login_means_the_management_api() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let http = Http::new("127.0.0.1", listener.local_addr().unwrap().port());
        let search = Search { http: Some(http.clone()), ..Search::default() };
        assert_eq!(find(&search, no_variables).unwrap().target(), &Target::Http(http));
        let login = Some(("u".to_owned(), "p".to_owned()));
        assert_eq!(Named::of(&Search { login, ..Search::default() }, no_variables).sockets().count(), 0);
        let none = |_: &str| Some("none".into());
        assert_eq!(Named::of(&Search::default(), none).sockets().count(), 0);
    }

    #[test]
    fn where_nothing_is_named_the_usual_places_are_tried_once_each() {
        let sockets: Vec<PathBuf> = Named::of(&Search::default(), no_variables).sockets().collect();
        assert!(sockets.contains(&PathBuf::from("/var/lib/coney/control.sock")), "{sockets:?}");
        let different: std::collections::BTreeSet<_> = sockets.iter().collect();
        assert_eq!(different.len(), sockets.len());
    }

    #[test]
    fn what_is_found_by_chance_has_to_be_ones_own() {
        use std::os::unix::fs::MetadataExt as _;
        let own = std::fs::metadata("Cargo.toml").unwrap().uid();
        assert!(!is_not_of(own, Path::new("Cargo.toml")));
        assert!(is_not_of(own + 1, Path::new("Cargo.toml")));
        // Absolute places are those of an installation.
        assert!(!is_not_of(own + 1, Path::new("/etc/passwd")));
        assert!(!is_not_of(own, Path::new("not/there")));
    }

    #[test]
    fn a_directory_that_is_named_is_the_only_one() {
        let dir = tempfile::tempdir().unwrap();
        let search = Search { data_dir: Some(dir.path().to_owned()), ..Search::default() };
        let text = find(&search, no_variables).err().unwrap().to_string();
        assert_eq!(text.matches("\n  ").count(), 1, "{text}");
        assert!(text.contains("control.sock: not there"), "{text}");
    }

    #[test]
    fn nothing_found_names_all_that_was_tried() {
        let dir = tempfile::tempdir().unwrap();
        let stale = dir.path().join(SOCKET_NAME);
        drop(UnixListener::bind(&stale).unwrap());
        let search = Search { socket: Some(stale.clone()), ..Search::default() };
        let text = find(&search, no_variables).err().unwrap().to_string();
        let line = format!("\n  the control socket {}: nobody listens there\n", stale.display());
        assert!(text.contains(&line) && text.contains("--socket PATH"), "{text}");
        let search = Search { http: Some(closed()), ..Search::default() };
        let text = find(&search, no_variables).err().unwrap().to_string();
        assert!(text.contains("  http://127.0.0.1:") && text.contains(": nobody listens there"), "{text}");
    }
}
