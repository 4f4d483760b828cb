//! `--base-uri http://user:password@host:port`.

use percent_encoding::percent_decode_str;

use super::super::client::Tls;
use super::failure::Failure;
use super::session::Reach;

/// Fills in what the URI names; a path in it is not used.
pub fn apply(uri: &str, reach: &mut Reach) -> Result<(), Failure> {
    let wrong = || Failure::Usage(format!("'{uri}' is no URI like http://user:password@localhost:15672"));
    let (scheme, rest) = uri.split_once("://").ok_or_else(wrong)?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (login, place) =
        authority.rsplit_once('@').map_or((None, authority), |(login, place)| (Some(login), place));
    if let Some(login) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        reach.user = Some(decoded(user));
        reach.password = (!password.is_empty()).then(|| decoded(password)).or_else(|| reach.password.take());
    }
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().map_err(|_| wrong())?)),
        _ => (place, None),
    };
    if host.is_empty() {
        return Err(wrong());
    }
    reach.host = Some(host.to_owned());
    reach.port = port.or(reach.port);
    if scheme.eq_ignore_ascii_case("https") && reach.tls.is_none() {
        reach.tls = Some(Tls::default());
    }
    Ok(())
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_uri_names_is_taken() {
        let mut reach = Reach { password: Some("p".into()), port: Some(7), ..Reach::default() };
        apply("http://u%40:@[::1]/x", &mut reach).unwrap();
        assert_eq!((reach.user.as_deref(), reach.password.as_deref()), (Some("u@"), Some("p")));
        assert_eq!((reach.host(), reach.port), ("[::1]", Some(7)));
        apply("http://host:1", &mut reach).unwrap();
        assert_eq!((reach.host(), reach.port, &reach.tls), ("host", Some(1), &None));
        apply("https://host", &mut reach).unwrap();
        assert_eq!(reach.tls, Some(Tls::default()));
        for wrong in ["host:1", "http://", "http://host:x"] {
            assert!(apply(wrong, &mut reach).is_err(), "{wrong}");
        }
    }
}
