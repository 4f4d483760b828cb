//! Answers that come a line at a time, such as messages and events.

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt as _;
use tokio::runtime::Runtime;

use super::error::ClientError;

/// The longest line that is taken: the largest message that a broker takes, encoded, and room for what stands beside it.
const LINE_BYTES_MAX: usize = 1 << 30;

/// The lines of an answer, as they come. There is no limit on the time between them.
pub struct Lines<'a> {
    runtime: &'a Runtime,
    target: String,
    body: BodyDataStream,
    /// What has come and was not handed out.
    pending: Vec<u8>,
    /// How much of it is known to have no end of a line.
    searched: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(runtime: &'a Runtime, target: String, body: Body) -> Self {
        Self { runtime, target, body: body.into_data_stream(), pending: Vec::new(), searched: 0 }
    }

    /// The next line, without its end; none when the answer is complete.
    pub fn next_line(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            if let Some(line) = self.line_at_hand() {
                return self.text(line).map(Some);
            }
            match self.runtime.block_on(self.body.next()) {
                Some(Ok(bytes)) => self.pending.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(self.broken(error.to_string())),
                None if self.pending.is_empty() => return Ok(None),
                None => {
                    let rest = std::mem::take(&mut self.pending);
                    return self.text(rest).map(Some);
                }
            }
            if self.pending.len() > LINE_BYTES_MAX {
                return Err(ClientError::TooLong { target: self.target.clone(), max_bytes: LINE_BYTES_MAX });
            }
        }
    }

    fn line_at_hand(&mut self) -> Option<Vec<u8>> {
        let new = self.pending.get(self.searched..).unwrap_or_default();
        let Some(end) = new.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.pending.len();
            return None;
        };
        let end = self.searched + end;
        let mut line = self.pending.split_off(end + 1);
        std::mem::swap(&mut line, &mut self.pending);
        line.truncate(end);
        self.searched = 0;
        Some(line)
    }

    fn text(&self, mut line: Vec<u8>) -> Result<String, ClientError> {
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_err(|_| self.broken("a line is not UTF-8".to_owned()))
    }

    fn broken(&self, reason: String) -> ClientError {
        ClientError::Broken { target: self.target.clone(), reason }
    }
}
