//! What a client did wrong, as AMQP reports it: a reply code, a text, and the method that caused it.

use crate::protocol::method::MethodId;
use crate::protocol::reply::ReplyCode;

/// A channel or connection exception; the reply code decides which (spec section 1.2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {text}")]
pub struct Exception {
    /// The reply code.
    pub code: ReplyCode,
    /// The text, without the code's name before it.
    pub text: String,
    /// The method that caused it, if known.
    pub method: Option<MethodId>,
}

impl Exception {
    /// An exception whose method is filled in by whoever knows it.
    pub fn new(code: ReplyCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), method: None }
    }

    /// 404.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::NotFound, text)
    }

    /// 406.
    pub fn precondition_failed(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::PreconditionFailed, text)
    }

    /// 403.
    pub fn access_refused(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::AccessRefused, text)
    }

    /// 540: what Coney does not do, it says so.
    pub fn not_implemented(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::NotImplemented, text)
    }

    /// 505.
    pub fn unexpected_frame(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::UnexpectedFrame, text)
    }

    /// The same with the method that caused it, unless one is named already.
    #[must_use]
    pub fn caused_by(mut self, method: Option<MethodId>) -> Self {
        self.method = self.method.or(method);
        self
    }

    /// The reply text that goes over the wire.
    #[must_use]
    pub fn reply_text(&self) -> String {
        self.code.text(&self.text)
    }

    /// Class and method of the cause; 0.0 if unknown.
    #[must_use]
    pub fn ids(&self) -> (u16, u16) {
        self.method.map_or((0, 0), |id| (id.class, id.method))
    }
}
