//! The broker that a command is about, and asking it.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;
use clap::Args;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::error::NativeError;
use crate::cli::client::find::{Search, find};
use crate::cli::client::{Client, ClientError, Http, Lines};

/// The port of the management API.
const PORT: u16 = 15672;

/// Which broker.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Broker")]
pub struct Place {
    /// Ask over this control socket [env CONEY_CONTROL_SOCKET]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Ask over the control socket in this data directory
    #[arg(long, value_name = "DIR", env = "CONEY_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// Ask the management API there: http://USER:PASSWORD@HOST:PORT
    #[arg(long, value_name = "URL", env = "CONEY_URL", hide_env_values = true)]
    url: Option<String>,
    /// As this user, over the management API
    #[arg(short = 'u', long, value_name = "NAME", env = "CONEY_USER", hide_env_values = true)]
    user: Option<String>,
    /// With this password
    #[arg(short = 'p', long, value_name = "PASSWORD", env = "CONEY_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

/// Which vhost.
#[derive(Args, Clone, Debug)]
pub struct Vhost {
    /// The virtual host
    #[arg(
        short = 'V',
        long = "vhost",
        value_name = "VHOST",
        default_value = "/",
        env = "CONEY_VHOST",
        hide_env_values = true
    )]
    pub name: String,
}

impl Vhost {
    /// A queue of it, for people.
    pub fn queue(&self, queue: &str) -> String {
        match self.name.as_str() {
            "/" => format!("queue {queue}"),
            vhost => format!("queue {queue} of vhost {vhost}"),
        }
    }
}

/// A broker that answers.
pub struct Broker(Client);

impl Place {
    /// Finds it.
    pub fn find(&self) -> Result<Broker, NativeError> {
        let search = self.search()?;
        Ok(Broker(find(&search, |name| std::env::var_os(name))?))
    }

    fn search(&self) -> Result<Search, NativeError> {
        let mut search =
            Search { socket: self.socket.clone(), data_dir: self.data_dir.clone(), ..Search::default() };
        if let Some(url) = &self.url {
            let (http, login) = parse_url(url).map_err(NativeError::Usage)?;
            search.http = Some(http);
            search.login = login;
        }
        if let Some(user) = &self.user {
            let password = self.password.clone().unwrap_or_else(|| user.clone());
            search.login = Some((user.clone(), password));
        } else if let Some(password) = &self.password {
            let user = search.login.map_or_else(|| "guest".to_owned(), |(user, _)| user);
            search.login = Some((user, password.clone()));
        }
        Ok(search)
    }
}

type Login = Option<(String, String)>;

/// Where a URL leads, and as whom.
fn parse_url(url: &str) -> Result<(Http, Login), String> {
    let text = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: Uri = text.parse().map_err(|error| format!("--url {url}: {error}"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("amqp" | "amqps") => {
            return Err(format!("--url {url}: the management API is meant, http://HOST:{PORT}"));
        }
        _ => {
            return Err(format!("--url {url}: only http:// is known here; use --socket on the same machine"));
        }
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(format!("--url {url}: it has no host"))?;
    let user_info = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    let login = user_info.map(|(user_info, _)| {
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        (decoded(user), decoded(password))
    });
    let mut http = Http::new(host, uri.port_u16().unwrap_or(PORT));
    http.path_prefix = uri.path().trim_end_matches('/').to_owned();
    Ok((http, login))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Broker {
    /// Answers may take this long from now on.
    pub const fn set_wait(&mut self, wait: Duration) {
        self.0.set_wait(wait);
    }

    /// What is there. `what` it is about is said when it fails, and the `hint` when there is no such thing.
    pub fn get(&self, path: &str, what: &str, hint: &str) -> Result<Value, NativeError> {
        self.0.get(path).map_err(|source| request(what, hint, source))
    }

    /// Posts a value, and answers with the answer's body.
    pub fn post(&self, path: &str, body: &Value, what: &str, hint: &str) -> Result<Value, NativeError> {
        let answer = self.0.post(path, body).map_err(|source| request(what, hint, source))?;
        Ok(answer.body)
    }

    /// Posts lines.
    pub fn post_text(&self, path: &str, body: String, what: &str, hint: &str) -> Result<Value, NativeError> {
        let answer = self.0.post_text(path, body).map_err(|source| request(what, hint, source))?;
        Ok(answer.body)
    }

    /// Puts a value there; whether it is new.
    pub fn put(&self, path: &str, body: &Value, what: &str) -> Result<bool, NativeError> {
        let answer = self.0.put(path, body).map_err(|source| request(what, "", source))?;
        Ok(answer.status == 201)
    }

    /// Deletes what is there.
    pub fn delete(&self, path: &str, what: &str, hint: &str) -> Result<(), NativeError> {
        self.0.delete(path).map(drop).map_err(|source| request(what, hint, source))
    }

    /// What is there, a line at a time.
    pub fn lines(&self, path: &str, what: &str, hint: &str) -> Result<Lines<'_>, NativeError> {
        self.0.stream(path).map_err(|source| request(what, hint, source))
    }
}

/// A failed request.
pub fn request(what: &str, hint: &str, source: ClientError) -> NativeError {
    NativeError::Request { what: what.to_owned(), source: Box::new(source), hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_host_port_prefix_and_login() {
        let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for (url, host, port, prefix, expected) in [
            ("http://h:1/", "h", 1, "", None),
            ("h", "h", 15672, "", None),
            ("http://u:p%40%2F@[::1]:2/mq/", "[::1]", 2, "/mq", login("u", "p@/")),
            ("u@h:3", "h", 3, "", login("u", "")),
        ] {
            let (http, login) = parse_url(url).unwrap();
            assert_eq!(
                (http.host.as_str(), http.port, http.path_prefix.as_str()),
                (host, port, prefix),
                "{url}"
            );
            assert_eq!(login, expected, "{url}");
        }
        for wrong in ["amqp://localhost:5672", "https://h", "http://", "http://a b"] {
            assert!(parse_url(wrong).unwrap_err().contains("--url"), "{wrong}");
        }
    }

    #[test]
    fn flags_win_over_what_the_url_says() {
        let place = |user: Option<&str>, password: Option<&str>| Place {
            url: Some("http://a:b@h".to_owned()),
            user: user.map(str::to_owned),
            password: password.map(str::to_owned),
            ..Place::default()
        };
        for (user, password, expected) in [
            (None, None, ("a", "b")),
            (Some("u"), None, ("u", "u")),
            (None, Some("p"), ("a", "p")),
            (Some("u"), Some("p"), ("u", "p")),
        ] {
            let login = place(user, password).search().unwrap().login.unwrap();
            assert_eq!((login.0.as_str(), login.1.as_str()), expected);
        }
    }
}
