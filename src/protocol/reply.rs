//! Reply codes (spec section 1.2): what a close or a return says, and whether it takes the connection along.

/// A reply text is a short string: at most this many bytes (spec section 4.2.5.3).
pub const REPLY_TEXT_BYTES_MAX: usize = 255;

/// A reply code; `code as u16` is its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ReplyCode {
    /// All is well.
    Success = 200,
    /// The content is larger than allowed.
    ContentTooLarge = 311,
    /// A mandatory message could not be routed.
    NoRoute = 312,
    /// An immediate message found no consumer.
    NoConsumers = 313,
    /// An operator closed the connection.
    ConnectionForced = 320,
    /// Unknown virtual host, in the spec; RabbitMQ says 530.
    InvalidPath = 402,
    /// The client lacks the right.
    AccessRefused = 403,
    /// No such exchange or queue.
    NotFound = 404,
    /// The queue belongs to another connection.
    ResourceLocked = 405,
    /// A precondition does not hold.
    PreconditionFailed = 406,
    /// A frame could not be decoded.
    FrameError = 501,
    /// A frame holds an illegal value.
    SyntaxError = 502,
    /// A method out of sequence, or none that we know.
    CommandInvalid = 503,
    /// A method for a channel that is not open, or open already.
    ChannelError = 504,
    /// A frame out of sequence.
    UnexpectedFrame = 505,
    /// The server is short of something.
    ResourceError = 506,
    /// The client tried what it may not, whatever its rights.
    NotAllowed = 530,
    /// The broker does not do this.
    NotImplemented = 540,
    /// The broker made a mistake.
    InternalError = 541,
}

impl ReplyCode {
    /// The name as it stands in reply texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::ContentTooLarge => "CONTENT_TOO_LARGE",
            Self::NoRoute => "NO_ROUTE",
            Self::NoConsumers => "NO_CONSUMERS",
            Self::ConnectionForced => "CONNECTION_FORCED",
            Self::InvalidPath => "INVALID_PATH",
            Self::AccessRefused => "ACCESS_REFUSED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceLocked => "RESOURCE_LOCKED",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::FrameError => "FRAME_ERROR",
            Self::SyntaxError => "SYNTAX_ERROR",
            Self::CommandInvalid => "COMMAND_INVALID",
            Self::ChannelError => "CHANNEL_ERROR",
            Self::UnexpectedFrame => "UNEXPECTED_FRAME",
            Self::ResourceError => "RESOURCE_ERROR",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    /// Whether it closes the connection rather than a channel: a hard error (spec section 1.2).
    #[must_use]
    pub const fn closes_connection(self) -> bool {
        matches!(self as u16, 320 | 402 | 500..)
    }

    /// `NAME - detail`, or the name alone if there is no detail; cut to 255 bytes at a character.
    #[must_use]
    pub fn text(self, detail: &str) -> String {
        let separator = if detail.is_empty() { "" } else { " - " };
        let mut text = [self.name(), separator, detail].concat();
        text.truncate(cut(&text));
        text
    }
}

/// Where a text is cut to fit a short string.
fn cut(text: &str) -> usize {
    let mut end = text.len().min(REPLY_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_begin_with_the_name() {
        assert_eq!(ReplyCode::NotFound.text("no queue 'q'"), "NOT_FOUND - no queue 'q'");
        assert_eq!(ReplyCode::InternalError.text(""), "INTERNAL_ERROR");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let text = ReplyCode::NotFound.text(&"é".repeat(200));
        // 12 bytes before it, so that the 255th byte is the first of an é.
        assert_eq!(text.len(), 254);
        assert!(text.ends_with('é'));
        assert_eq!(ReplyCode::NotFound.text(&"e".repeat(300)).len(), 255);
    }

    #[test]
    fn hard_errors_close_the_connection() {
        use ReplyCode::*;
        for soft in [ContentTooLarge, NoRoute, NoConsumers, AccessRefused, NotFound, ResourceLocked] {
            assert!(!soft.closes_connection(), "{soft:?}");
        }
        assert!(!PreconditionFailed.closes_connection());
        for hard in [ConnectionForced, InvalidPath, FrameError, NotAllowed, NotImplemented, InternalError] {
            assert!(hard.closes_connection(), "{hard:?}");
        }
    }
}
