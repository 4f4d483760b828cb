//! The web page: its files, and what the server does for it alone.

pub(super) mod cookie;
mod files;
pub(super) mod live;
mod login;
pub(super) mod origin;
pub(super) mod sessions;
mod watching;

pub(super) use files::file;
#[cfg(feature = "cluster")]
pub(crate) use origin::is_own as is_own_page;

use super::route::Route;

/// `/api/coney/session` and `/api/coney/live`.
pub(super) fn routes() -> Vec<Route> {
    login::routes().into_iter().chain(watching::routes()).collect()
}
