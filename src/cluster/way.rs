//! Which shards answer a request of the management API.

use axum::http::Method;
use percent_encoding::percent_decode_str;

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the meta shard.
    Meta,
    /// There, and the answer is given when the other shards know what was changed.
    Change,
    /// To the shard of this vhost.
    Vhost(String),
    /// To all, and the lists become one.
    Lists,
    /// To all: numbers are added.
    Overview,
    /// To all, and the vhosts' own shards say what is in them.
    Vhosts,
    /// To all: what each has is put together.
    Export,
    /// To all: each is given what is its own.
    Import,
    /// To all: what fails anywhere fails.
    Checks,
    /// To one after the other, until one has what is asked for.
    Any,
    /// To all, whatever they answer.
    Each,
    /// To all, of what only Coney has.
    Own(Own),
    /// To where the last one of this connection went: what was taken there is settled there.
    Same,
    /// To the shard that its body names.
    Move,
    /// Nobody answers it in a cluster with several shards.
    Missing,
}

/// What only Coney has, and what is not of one vhost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// Events of all vhosts' journals, once; they cannot be followed.
    Journal,
    /// What failed.
    Failures,
    /// What is wrong.
    Problems,
    /// What other brokers do not do alike.
    Lint,
}

impl Way {
    /// Of a request for a path, without the API's prefix.
    pub(super) fn of(method: &Method, path: &str) -> Self {
        if *method == Method::OPTIONS {
            return Self::Meta;
        }
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let Some((&"api", parts)) = parts.split_first() else { return Self::Meta };
        let vhost = |name: &str| Self::Vhost(percent_decode_str(name).decode_utf8_lossy().into_owned());
        match *parts {
            ["queues", "quorum", "replicas", ..] => Self::Meta,
            ["queues", "quorum", name, ..] | ["stream", _, name, ..] => vhost(name),
            ["queues"]
            | ["queues", "detailed"]
            | ["exchanges" | "bindings" | "consumers" | "connections" | "channels"]
            | ["policies" | "operator-policies" | "federation-links" | "shovels"]
            | ["stream", _]
                if is_read =>
            {
                Self::Lists
            }
            ["parameters"] | ["parameters", _] if is_read => Self::Lists,
            ["queues" | "exchanges" | "bindings" | "consumers" | "policies", name, ..]
            | ["operator-policies" | "aliveness-test" | "federation-links" | "shovels", name, ..] => {
                vhost(name)
            }
            ["parameters", "vhost-limits", ..] => Self::Change,
            ["parameters", _, name, ..] => vhost(name),
            ["definitions"] => {
                if is_read {
                    Self::Export
                } else {
                    Self::Import
                }
            }
            ["definitions", name] => vhost(name),
            ["overview"] => Self::Overview,
            ["vhosts"] if is_read => Self::Vhosts,
            ["vhosts", name] if is_read => vhost(name),
            ["vhosts", name, "connections" | "channels"] => vhost(name),
            ["connections", "username", _] => {
                if is_read {
                    Self::Lists
                } else {
                    Self::Each
                }
            }
            ["connections" | "channels", _, ..] => Self::Any,
            ["health", "checks", _, "vhost", name, ..] => vhost(name),
            ["health" | "healthchecks", ..] => Self::Checks,
            ["coney", ref rest @ ..] => Self::of_own(is_read, rest, vhost),
            ["reset", ..] => Self::Missing,
            _ if is_read => Self::Meta,
            _ => Self::Change,
        }
    }

    /// Whether other shards than the meta shard may have to answer.
    pub(super) const fn leaves_meta(&self) -> bool {
        !matches!(self, Self::Meta | Self::Change | Self::Missing)
    }

    /// What RabbitMQ does not have.
    fn of_own(is_read: bool, parts: &[&str], vhost: impl Fn(&str) -> Self) -> Self {
        match *parts {
            ["cluster", "move"] => Self::Move,
            ["leases" | "purges", ..] => Self::Same,
            [
                "queues" | "policies" | "failures" | "history" | "journal" | "recordings" | "routing",
                name,
                ..,
            ] => vhost(name),
            ["journal"] if is_read => Self::Own(Own::Journal),
            ["failures"] if is_read => Self::Own(Own::Failures),
            ["problems"] if is_read => Self::Own(Own::Problems),
            ["lint"] if is_read => Self::Own(Own::Lint),
            ["cluster" | "log" | "node" | "session" | "users", ..] if is_read => Self::Meta,
            ["cluster" | "log" | "node" | "session" | "users", ..] => Self::Change,
            _ => Self::Missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Way {
        Way::of(&Method::GET, path)
    }

    #[test]
    fn what_names_a_vhost_goes_to_its_shard() {
        let of = |name: &str| Way::Vhost(name.to_owned());
        for path in [
            "/api/queues/%2F/q",
            "/api/queues/%2f/q/get",
            "/api/exchanges/%2F/",
            "/api/bindings/%2F/e/x/q/y",
            "/api/definitions/%2F",
            "/api/parameters/shovel/%2F/s",
            "/api/vhosts/%2F/connections",
            "/api/vhosts/%2F",
            "/api/queues/quorum/%2F/q/status",
            "/api/coney/queues/%2F/q/messages",
            "/api/health/checks/quorum-queues-without-elected-leaders/vhost/%2F/pattern/x",
        ] {
            assert_eq!(get(path), of("/"), "{path}");
        }
        assert_eq!(Way::of(&Method::PUT, "/api/queues/a/b"), of("a"));
    }

    #[test]
    fn what_all_shards_share_is_the_meta_shards_and_what_none_has_is_refused() {
        for path in
            ["/", "/js/main.js", "/api/users", "/api/permissions/%2F/guest", "/api/whoami", "/api/nodes"]
        {
            assert_eq!(get(path), Way::Meta, "{path}");
        }
        for path in
            ["/api/users/u", "/api/vhosts/v", "/api/permissions/v/u", "/api/vhost-limits/v/max-queues"]
        {
            assert_eq!(Way::of(&Method::PUT, path), Way::Change, "{path}");
        }
        for path in ["/api/queues", "/api/queues/", "/api/connections", "/api/parameters/shovel"] {
            assert_eq!(get(path), Way::Lists, "{path}");
        }
        assert_eq!(Way::of(&Method::DELETE, "/api/connections/x"), Way::Any);
        assert_eq!(Way::of(&Method::DELETE, "/api/connections/username/u"), Way::Each);
        assert_eq!(get("/api/coney/journal"), Way::Own(Own::Journal));
        assert_eq!(get("/api/coney/journal/v"), Way::Vhost("v".to_owned()));
        assert_eq!(get("/api/coney/live"), Way::Missing);
        assert_eq!(Way::of(&Method::POST, "/api/coney/cluster/move"), Way::Move);
    }
}
