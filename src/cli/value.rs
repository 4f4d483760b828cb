//! Each kind of value, from text to a checked value. A failure is the rest of a sentence that begins with the
//! setting's name, and never shows a password.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

use coney::auth::{Permission, Rights};
use coney::config::{ControlSocketPath, LogFormat, MemoryLimit, NODE_PREFIX};

/// Reads a number of bytes: digits and perhaps a unit, in either case. `k`, `KiB`, `M`, `MiB`, `G`, `GiB` count by
/// 1024 and `kB`, `MB`, `GB` by 1000, as in RabbitMQ's configuration.
///
/// # Errors
/// Another unit, no digits, or more than 64 bits hold; the text says which is right.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is not a size: write a number of bytes, or one with a unit such as 16MiB");
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

/// A number of bytes within a range.
pub(super) fn bytes_within<T: TryFrom<u64>>(text: &str, range: RangeInclusive<u64>) -> Result<T, String> {
    let bytes = parse_bytes(text)?;
    let outside = || format!("{text} is outside {} to {} bytes", range.start(), range.end());
    if !range.contains(&bytes) {
        return Err(outside());
    }
    T::try_from(bytes).map_err(|_| outside())
}

/// A memory limit: `none`, a percentage, or a number of bytes.
pub(super) fn memory_limit(text: &str) -> Result<MemoryLimit, String> {
    if let Some(percent) = text.strip_suffix('%') {
        let percent = percent.trim().parse().ok().filter(|percent| (1..=100).contains(percent));
        return percent.map(MemoryLimit::Percent).ok_or_else(|| format!("{text:?} is not 1% to 100%"));
    }
    Ok(bytes_or_none(text)?.map_or(MemoryLimit::None, MemoryLimit::Bytes))
}

/// A number of bytes above 0, or `none`.
pub(super) fn bytes_or_none(text: &str) -> Result<Option<u64>, String> {
    if text == "none" {
        return Ok(None);
    }
    match parse_bytes(text)? {
        0 => Err("may not be 0; for no limit write none".into()),
        bytes => Ok(Some(bytes)),
    }
}

/// A number in a range.
pub(super) fn number_within<T: FromStr + PartialOrd + Display>(
    text: &str,
    range: RangeInclusive<T>,
    unit: &str,
) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        format!("{text:?} is not a number of {unit} from {} to {}", range.start(), range.end())
    })
}

/// A number of events.
pub(super) fn events(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number of events"))
}

/// Milliseconds above 0, or `none`, which is 0.
pub(super) fn ms_or_none(text: &str) -> Result<u32, String> {
    if text == "none" {
        return Ok(0);
    }
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{text:?} is not a number of milliseconds from 1 to {}, nor none", u32::MAX))
}

/// `true` or `false`, in the ways people write them in an environment.
pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// A text that is not empty, of at most `bytes_max` bytes. It may be a password, so no error shows it.
pub(super) fn non_empty(text: &str, bytes_max: usize) -> Result<String, String> {
    if text.is_empty() {
        return Err("may not be empty".into());
    }
    if text.len() > bytes_max {
        return Err(format!("is longer than {bytes_max} bytes"));
    }
    Ok(text.to_owned())
}

/// A path that is not empty. Whether it can be read or written is for its user to find out.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("may not be empty".into()) } else { Ok(text.into()) }
}

/// A path, `none`, or `auto`.
pub(super) fn control_socket(text: &str) -> Result<ControlSocketPath, String> {
    Ok(match text {
        "none" => ControlSocketPath::None,
        "auto" => ControlSocketPath::InDataDir,
        _ => ControlSocketPath::At(path(text)?),
    })
}

/// A filter that `tracing` understands.
pub(super) fn filter(text: &str) -> Result<String, String> {
    let parsed = EnvFilter::try_new(text);
    parsed.map(|_| text.to_owned()).map_err(|error| format!("{text:?} is not a log filter: {error}"))
}

/// `text` or `json`.
pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is neither text nor json")),
    }
}

/// A file to append to; `-` is the stream that the text went to without it.
pub(super) fn file_or_stream(text: &str) -> Result<Option<PathBuf>, String> {
    if text == "-" { Ok(None) } else { path(text).map(Some) }
}

/// The name of a node by its host, with or without another name before an `@`: tools take no other than `rabbit@`.
pub(super) fn node_name(text: &str) -> Result<String, String> {
    let host = text.rsplit('@').next().unwrap_or(text);
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(format!("{text:?} is not a node's name such as rabbit@host"));
    }
    Ok(format!("{NODE_PREFIX}{host}"))
}

/// A name that can stand in a key: letters, digits, `-` and `_`, 64 at most.
pub(super) fn word(text: &str) -> Result<String, String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_word) {
        return Err(format!("{text:?} is not a name of 1 to 64 letters, digits, - and _"));
    }
    Ok(text.to_owned())
}

/// URLs of NATS servers, at least one.
pub(super) fn log_servers(texts: &[String]) -> Result<Vec<String>, String> {
    urls(texts, &["nats://", "tls://"], "nats://host:4222")
}

/// URLs of their monitoring pages, at least one.
pub(super) fn log_monitors(texts: &[String]) -> Result<Vec<String>, String> {
    urls(texts, &["http://"], "http://host:8222")
}

/// URLs without a login: they are shown. What was written may have a password, so no error shows it.
fn urls(texts: &[String], schemes: &[&str], example: &str) -> Result<Vec<String>, String> {
    let is_url = |text: &String| {
        let host = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
        host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', '@']))
    };
    match texts.iter().position(|text| !is_url(text)) {
        Some(at) => Err(format!("URL number {} is none such as {example}, without a login", at + 1)),
        None if texts.is_empty() => Err(format!("needs at least one URL such as {example}")),
        None => Ok(texts.to_vec()),
    }
}

/// An address by which others reach this machine. Whether the name is known is found out when it is listened on.
pub(super) fn peer(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is not HOST:PORT such as node1.example:5680");
    if let Ok(address) = SocketAddr::from_str(text) {
        return match address.ip().is_unspecified() {
            true => Err(format!("{text:?} is no address that other machines can reach")),
            false => Ok(text.to_owned()),
        };
    }
    split_host_port(text).map(|_| text.to_owned()).map_err(|_| wrong())
}

/// A node's rank.
pub(super) fn rank(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|rank| *rank <= 100)
        .ok_or_else(|| format!("{text:?} is not a number from 0 to 100"))
}

/// Some text.
pub(super) fn filled(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("may not be empty".into()) } else { Ok(text.to_owned()) }
}

/// Tags of a user; `none` alone is the empty list.
pub(super) fn tags(tags: &[String]) -> Result<Vec<String>, String> {
    match tags {
        [only] if only == "none" => Ok(Vec::new()),
        _ if tags.iter().any(String::is_empty) => Err("a tag may not be empty; for none write none".into()),
        _ => Ok(tags.to_vec()),
    }
}

/// A regular expression for names; the empty one matches nothing.
pub(super) fn name_pattern(text: &str) -> Result<String, String> {
    let permission = Permission { configure: text.to_owned(), write: String::new(), read: String::new() };
    Rights::parse(&permission).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// User names; `none` alone is the empty list, as in RabbitMQ's configuration.
pub(super) fn users(names: &[String]) -> Result<Vec<String>, String> {
    if names.iter().any(String::is_empty) {
        return Err("a user name may not be empty; for no user at all write none".into());
    }
    match names {
        [only] if only == "none" => Ok(Vec::new()),
        _ => Ok(names.to_vec()),
    }
}

/// Sites as browsers name them, or `*`; `none` alone is the empty list. A slash at the end, which browsers do not send, is left out.
pub(super) fn origins(texts: &[String]) -> Result<Vec<String>, String> {
    match texts {
        [only] if only == "none" => Ok(Vec::new()),
        _ => texts.iter().map(|text| origin(text)).collect(),
    }
}

fn origin(text: &str) -> Result<String, String> {
    let origin = text.strip_suffix('/').unwrap_or(text);
    let host = origin.split_once("://").map(|(_, host)| host);
    let is_origin = host.is_some_and(|host| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte))
    });
    if origin == "*" || is_origin {
        return Ok(origin.to_owned());
    }
    Err(format!(
        "{text:?} is no site such as https://host or http://host:8080, without a path; * is every one"
    ))
}

/// What an answer of HTTP says by itself: whoever changes it breaks the answer.
const OWN_HEADERS: [&str; 14] = [
    "allow",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "keep-alive",
    "location",
    "set-cookie",
    "transfer-encoding",
    "upgrade",
    "vary",
    "www-authenticate",
];

/// Headers of answers, or `none`; of one that is there twice the last counts.
pub(super) fn headers(texts: &[String]) -> Result<Vec<(String, String)>, String> {
    match texts {
        [only] if only == "none" => Ok(Vec::new()),
        _ => texts.iter().map(|text| answer_header(text)).collect(),
    }
}

/// RFC 9110, 5.1 and 5.5.
fn answer_header(text: &str) -> Result<(String, String), String> {
    let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_said = |byte: u8| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t';
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    if name.is_empty() || value.is_empty() || !name.bytes().all(is_named) || !value.bytes().all(is_said) {
        return Err(format!("{text:?} is not a header such as `x-frame-options: DENY`"));
    }
    if OWN_HEADERS.contains(&name.as_str()) || name.starts_with("access-control-") {
        return Err(format!("the header {name} is the broker's to say"));
    }
    Ok((name, value.to_owned()))
}

/// A path to put before others: slashes at its beginning and end may be left out. `/` is none.
pub(super) fn path_prefix(text: &str) -> Result<String, String> {
    let path = text.trim_matches('/');
    let is_part = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        !part.is_empty() && !matches!(part, "." | "..") && part.bytes().all(is_plain)
    };
    if path.is_empty() {
        return Ok(String::new());
    }
    if path.split('/').all(is_part) {
        return Ok(format!("/{path}"));
    }
    Err(format!("{text:?} is not a path such as /coney, of letters, digits and -._~"))
}

/// Socket addresses, at least one and each once (port 0 may be repeated: every one picks its own). A port alone is on
/// every one of `interfaces`.
pub(super) fn addresses(texts: &[String], interfaces: &[IpAddr]) -> Result<Vec<SocketAddr>, String> {
    let mut all: Vec<SocketAddr> = Vec::with_capacity(texts.len());
    for text in texts {
        for address in addresses_of(text, interfaces)? {
            if address.port() != 0 && all.contains(&address) {
                return Err(format!("{address} is there twice"));
            }
            all.push(address);
        }
    }
    if all.is_empty() { Err("needs at least one ADDR:PORT".into()) } else { Ok(all) }
}

/// The same, or `none`.
pub(super) fn addresses_or_none(texts: &[String], interfaces: &[IpAddr]) -> Result<Vec<SocketAddr>, String> {
    match texts {
        [text] if text == "none" => Ok(Vec::new()),
        _ => addresses(texts, interfaces),
    }
}

/// Addresses of this machine, without ports; `all` is every one it has.
pub(super) fn interfaces(texts: &[String]) -> Result<Vec<IpAddr>, String> {
    let mut all = Vec::with_capacity(texts.len());
    for text in texts {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        match bare {
            "all" => all.push(Ipv6Addr::UNSPECIFIED.into()),
            "localhost" => all.extend(LOCALHOST),
            _ => all.push(bare.parse().map_err(|_| {
                format!("{text:?} is not an address such as 127.0.0.1 or ::1; all is every one")
            })?),
        }
    }
    if all.is_empty() { Err("needs at least one address".into()) } else { Ok(all) }
}

/// What `localhost` is, without asking a resolver.
pub(super) const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Of the addresses of a name other than `localhost` the first IPv4 one is taken, so that one name is one listener.
fn addresses_of(text: &str, interfaces: &[IpAddr]) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = SocketAddr::from_str(text) {
        return Ok(vec![address]);
    }
    if let Ok(port) = text.parse() {
        return Ok(on_each(interfaces, port));
    }
    let (host, port) = split_host_port(text)?;
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(on_each(&LOCALHOST, port));
    }
    let found =
        (host, port).to_socket_addrs().map_err(|error| format!("cannot look up {host:?}: {error}"))?;
    let found: Vec<SocketAddr> = found.collect();
    let chosen = found.iter().find(|address| address.is_ipv4()).or(found.first());
    chosen.map(|address| vec![*address]).ok_or_else(|| format!("{host:?} has no address"))
}

/// A free port is another one for each listener, so that a single one has to do.
fn on_each(interfaces: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    let count = if port == 0 { 1 } else { interfaces.len() };
    interfaces.iter().take(count).map(|ip| SocketAddr::new(*ip, port)).collect()
}

fn split_host_port(text: &str) -> Result<(&str, u16), String> {
    let wrong = || format!("{text:?} is not ADDR:PORT such as 127.0.0.1:5672 or [::1]:5672, nor a port");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    if host.is_empty() || host.contains([':', '/', '[', ' ']) {
        return Err(wrong());
    }
    Ok((host, port.parse().map_err(|_| wrong())?))
}

/// Whether `name` is a slip of the pen from `known`: as many edits as two, or one where the part after the first
/// `prefix` bytes is short.
pub(super) fn looks_like(name: &str, known: &str, prefix: usize) -> bool {
    let allowed = if known.len().saturating_sub(prefix) <= 4 { 1 } else { 2 };
    edit_distance(name, known) <= allowed
}

/// The one that `name` is most likely a slip of the pen of, if there is any.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.into_iter().map(|known| (edit_distance(name, known), known));
    let (distance, known) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 3 && distance * 3 <= known.len()).then_some(known)
}

/// Levenshtein's distance, in one row.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            left = (above + 1).min(left + 1).min(diagonal + usize::from(from != *to));
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
