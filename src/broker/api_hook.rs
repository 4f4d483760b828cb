//! The management API as other fronts can ask it, where it is built in: the test exchange passes requests on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A request to the management API in the name of whoever runs the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    /// `GET`, `POST`, ..
    pub method: &'static str,
    /// The path with its query, percent-encoded.
    pub path: String,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAnswer {
    /// The status.
    pub status: u16,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

type Answering = Pin<Box<dyn Future<Output = ApiAnswer> + Send>>;

type Answerer = Arc<dyn Fn(ApiRequest) -> Answering + Send + Sync>;

/// Where requests go; nowhere in a broker without the cargo feature `management`.
#[derive(Default)]
pub struct ApiHook(Mutex<Option<Answerer>>);

impl ApiHook {
    /// Says who answers, until [`clear`](Self::clear).
    #[cfg_attr(not(feature = "management"), allow(dead_code, reason = "there is nobody to answer"))]
    pub fn set(&self, answer: impl Fn(ApiRequest) -> Answering + Send + Sync + 'static) {
        *self.answerer() = Some(Arc::new(answer));
    }

    /// Nobody answers any more. Whoever did may hold the broker, and is let go.
    pub fn clear(&self) {
        *self.answerer() = None;
    }

    fn answerer(&self) -> MutexGuard<'_, Option<Answerer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks; 501 if there is nobody to answer.
    pub async fn ask(&self, request: ApiRequest) -> ApiAnswer {
        let answerer = self.answerer().clone();
        match answerer {
            Some(answer) => answer(request).await,
            None => {
                let body = br#"{"error":"not_implemented","reason":"this broker was built without its management API"}"#;
                ApiAnswer { status: 501, body: body.to_vec() }
            }
        }
    }
}

impl fmt::Debug for ApiHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiHook").field(&self.answerer().is_some()).finish()
    }
}
