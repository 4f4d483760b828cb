//! What a case is, and what it is given.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

pub use crate::check::{Check, Stop, ensure, fail, same};
use crate::raw::Raw;
use crate::target::Target;

/// What a running case is.
pub type Running = Pin<Box<dyn Future<Output = Check> + Send>>;

/// A case.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name: `class.feature.what`, unique, stable.
    pub id: &'static str,
    /// What it does, in a line.
    pub title: &'static str,
    /// The section or document it checks.
    pub reference: &'static str,
    /// What a conforming broker does.
    pub expects: &'static str,
    /// Runs it.
    pub run: fn(Ctx) -> Running,
}

/// What a case is given: the broker, and names that no other case and no other run has.
#[derive(Clone)]
pub struct Ctx {
    /// The broker.
    pub target: Arc<Target>,
    prefix: String,
    names: Arc<Mutex<BTreeSet<String>>>,
}

impl Ctx {
    /// A case's context; `prefix` has to be unique.
    pub fn new(target: Arc<Target>, prefix: String) -> Self {
        Self { target, prefix, names: Arc::default() }
    }

    /// The unique name of `what`, the same each time. Queues and exchanges of these names are deleted afterwards.
    pub fn name(&self, what: &str) -> String {
        let name = format!("{}.{what}", self.prefix);
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        name
    }

    /// A text with `{q}` and `{x}` replaced by those names.
    pub fn expand(&self, text: &str) -> String {
        let vhost = &self.target.vhost;
        let text = text.replace("'/'", &format!("'{vhost}'"));
        text.replace("{q}", &self.name("q")).replace("{x}", &self.name("x"))
    }

    /// A raw connection before its protocol header.
    pub async fn socket(&self) -> Check<Raw> {
        Raw::connect(&self.target).await
    }

    /// A raw connection that is open, without a channel.
    pub async fn open(&self) -> Check<Raw> {
        Raw::open(&self.target).await
    }

    /// A raw connection with channel 1 open.
    pub async fn raw(&self) -> Check<Raw> {
        let mut raw = self.open().await?;
        raw.open_channel(1).await?;
        Ok(raw)
    }

    /// A lapin connection.
    pub async fn lapin(&self) -> Check<lapin::Connection> {
        let properties = lapin::ConnectionProperties::default();
        Ok(lapin::Connection::connect(&self.target.uri, properties).await?)
    }

    /// Deletes what the case may have left. Failures are ignored: the broker may be refusing everything.
    pub async fn clean_up(&self) {
        let names = std::mem::take(&mut *self.names.lock().unwrap_or_else(PoisonError::into_inner));
        if names.is_empty() {
            return;
        }
        let Ok(mut raw) = self.open().await else { return };
        for (name, channel) in names.iter().zip(1..) {
            if raw.open_channel(channel).await.is_ok() {
                raw.channel = channel;
                let _ = raw.call(crate::methods::exchange_delete(name, 0)).await;
                let _ = raw.call(crate::methods::queue_delete(name, 0)).await;
            }
        }
        raw.close().await;
    }
}

/// Declares a module's cases: id, title, reference, expectation, and the body, which may use `?`.
#[macro_export]
macro_rules! cases {
    ($($id:literal, $title:literal, $reference:expr, $expects:literal, |$ctx:ident| $body:block)*) => {
        /// The cases of this module.
        pub const CASES: &[$crate::case::Case] = &[$($crate::case::Case {
            id: $id,
            title: $title,
            reference: $reference,
            expects: $expects,
            run: |$ctx| Box::pin(async move { $body Ok(()) }),
        }),*];
    };
}

/// Declares cases where a client does something wrong on channel 1 and is closed: `channel` or `connection`, the code,
/// how the text begins (`{q}` and `{x}` are the case's names), and the method blamed.
#[macro_export]
macro_rules! error_cases {
    ($reference:expr; $($id:literal, $title:literal, $scope:ident $code:literal $text:literal $method:expr, |$ctx:ident, $raw:ident| $body:block)*) => {
        /// The cases of this module.
        pub const CASES: &[$crate::case::Case] = &[$($crate::case::Case {
            id: $id,
            title: $title,
            reference: $reference,
            expects: concat!("the ", stringify!($scope), " is closed: ", $code, " ", $text),
            run: |$ctx| Box::pin(async move {
                #[allow(unused_mut, reason = "some cases only pass it on")]
                let mut $raw = $ctx.raw().await?;
                let wanted = $crate::raw::Scope::$scope($code, $ctx.expand($text), $method);
                { $body }
                $raw.expect_closed(&wanted).await
            }),
        }),*];
    };
}
