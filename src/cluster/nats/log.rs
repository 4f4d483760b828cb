//! The log on a stream.

use super::client::{Client, Refusal};
use super::error::NatsError;
use super::names::Names;
use super::setup::{MESSAGE_BYTES_MAX, StreamInfo, look, read_meta};
use crate::broker::Clock;
use crate::cluster::log::{AppendError, Bounds, Log, Sequence, Unreachable};
use crate::time::Time;
use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// An append takes this at most: a large frame is on its way to three disks.
const APPEND_MAX: Duration = Duration::from_secs(2);
/// All else.
const CALL_MAX: Duration = Duration::from_secs(1);
/// See [`Log::wait`].
const WAIT_MAX: Duration = Duration::from_millis(500);
/// A read that finds nothing waits so long for something, which costs less than asking again and again for the end of the log.
const READ_WAITS: Duration = Duration::from_millis(50);
/// A frame was appended, and the replica that is asked has it a little later.
const REPLICA_WAITS: Duration = Duration::from_millis(1);
/// So many frames are asked for at once.
const READS_MAX: u64 = 64;
/// For the headers of an append.
const HEADERS_BYTES: usize = 1024;
/// A server that led the stream and was cut off from the others gives up after ten seconds, and may say until then what the log was.
const BEHIND_MAX: Duration = Duration::from_secs(15);

/// The last sequence of the stream has to be this.
const EXPECTED: &str = "Nats-Expected-Last-Sequence";
const SEQUENCE: &str = "Nats-Sequence";

/// A client of the log; clones use the same connection.
///
/// Each call blocks, an append 2 s at most and the others 1 s. They may not be called on a thread that runs futures.
#[derive(Clone)]
pub struct NatsLog {
    client: Client,
    names: Arc<Names>,
    message_bytes_max: usize,
    shared: Arc<Shared>,
    /// How many frames to ask for when nobody said how many there are.
    window: u64,
    /// How large one was, about.
    frame_bytes: usize,
}

struct Shared {
    /// The last frame that somebody said was appended.
    announced: watch::Receiver<u64>,
    known: Mutex<Known>,
    clock: Clock,
}

/// What is known of the end of the log.
#[derive(Debug, Default)]
struct Known {
    /// It had at least these.
    last: u64,
    /// Since when a server says that it has less.
    shorter_since: Option<Time>,
    /// Since when there is no such stream.
    gone_since: Option<Time>,
    /// Whether the last call failed.
    is_silent: bool,
}

impl Known {
    /// Whether to believe that the stream is gone, or that it is there.
    fn is_gone(&mut self, is_there: bool, now: Time) -> bool {
        if is_there {
            self.gone_since = None;
        }
        !is_there && now.since(*self.gone_since.get_or_insert(now)) >= BEHIND_MAX
    }

    /// Whether to believe that this is the end of the log.
    fn believes(&mut self, last: u64, now: Time) -> bool {
        if last >= self.last {
            self.last = last;
            self.shorter_since = None;
            return true;
        }
        let since = *self.shorter_since.get_or_insert(now);
        now.since(since) >= BEHIND_MAX
    }
}

/// Hears what is appended, until the connection is closed.
async fn hear(mut subscriber: Subscriber, announced: watch::Sender<u64>) {
    while let Some(message) = subscriber.next().await {
        let said = std::str::from_utf8(&message.payload).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        announced.send_if_modified(|last| {
            let is_more = said > *last;
            *last = said.max(*last);
            is_more
        });
    }
}

impl NatsLog {
    pub(super) fn new(client: Client, names: Names, max_msg_size: i64, subscriber: Subscriber) -> Self {
        let (sender, announced) = watch::channel(0);
        // It ends with the connection.
        drop(client.spawn(hear(subscriber, sender)));
        let limit = usize::try_from(max_msg_size).ok().filter(|limit| *limit > 0);
        let shared = Shared { announced, known: Mutex::default(), clock: Clock::system() };
        Self {
            client,
            names: Arc::new(names),
            message_bytes_max: limit.unwrap_or(MESSAGE_BYTES_MAX).min(MESSAGE_BYTES_MAX),
            shared: Arc::new(shared),
            window: 1,
            frame_bytes: 0,
        }
    }

    /// Waits for something on this thread, and says in the process's log when NATS falls silent and when it answers again.
    fn ask<T>(&self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let answer = self.client.block(work).unwrap_or_else(|| Err("the connection was closed".into()));
        let mut known = self.known();
        match &answer {
            Ok(_) if known.is_silent => tracing::info!("the cluster's log answers again"),
            Err(why) if !known.is_silent => tracing::warn!("the cluster's log does not answer: {why}"),
            _ => {}
        }
        known.is_silent = answer.is_err();
        answer
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, last: u64) {
        let mut known = self.known();
        known.last = known.last.max(last);
    }

    async fn info(&self) -> Result<StreamInfo, String> {
        let info = self.client.api(format!("STREAM.INFO.{}", self.names.stream), json!({}), CALL_MAX);
        info.await.map_err(|refusal| refusal.why)
    }

    /// Which log there is; `None` if there is no stream.
    async fn found(&self) -> Result<Option<u64>, String> {
        let found = async {
            let Some(_) = look(&self.client, &self.names.stream).await? else { return Ok(None) };
            let meta = read_meta(&self.client, &self.names).await?;
            Ok::<_, NatsError>(meta.map(|meta| meta.log_id))
        };
        let found = timeout(CALL_MAX, found).await.map_err(|_| "no answer".to_owned())?;
        found.map_err(|error| error.to_string())
    }

    /// A frame, from whatever replica is asked; `None` if that has none of this number.
    async fn get(client: Client, stream: String, sequence: u64) -> Result<Option<Vec<u8>>, String> {
        let body = Bytes::from(json!({ "seq": sequence }).to_string());
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let message = client.request(subject, None, body, CALL_MAX).await?;
        match message.status.map(|status| status.as_u16()) {
            None => is_of(&message, sequence)
                .then(|| Some(message.payload.into()))
                .ok_or_else(|| "another frame".into()),
            Some(404) => Ok(None),
            Some(status) => Err(format!("status {status} {}", message.description.unwrap_or_default())),
        }
    }

    /// The frames after one, of so many that are asked for, until one is missing.
    async fn fetch(&self, after: u64, count: u64) -> Result<Vec<(Sequence, Vec<u8>)>, String> {
        let gets = (after + 1..=after + count)
            .filter_map(|at| {
                let get = Self::get(self.client.clone(), self.names.stream.clone(), at);
                self.client.spawn(get).map(|get| (at, get))
            })
            .collect::<Vec<_>>();
        let mut frames = Vec::new();
        for (at, get) in gets {
            match get.await.map_err(|error| error.to_string())? {
                Ok(Some(frame)) => frames.push((Sequence(at), frame)),
                Ok(None) => break,
                // What came before is good.
                Err(_) if !frames.is_empty() => break,
                Err(why) => return Err(why),
            }
        }
        Ok(frames)
    }

    /// How many frames to ask for.
    fn count(&self, after: u64, bytes_max: usize) -> u64 {
        let said = self.shared.announced.borrow().saturating_sub(after);
        let room = bytes_max.checked_div(self.frame_bytes).unwrap_or(1) as u64;
        said.max(self.window).min(room).clamp(1, READS_MAX)
    }

    async fn fetch_or_wait(&self, after: u64, count: u64) -> Result<Vec<(Sequence, Vec<u8>)>, String> {
        let announced = || *self.shared.announced.borrow();
        // Whoever has all that was announced need not ask whether there is more: somebody says so. If nobody does, because that was lost,
        // it is asked for after the wait, and from then on the frames that are read are ahead of what was announced.
        if count > 1 || announced() != after {
            let frames = self.fetch(after, count).await?;
            if !frames.is_empty() {
                return Ok(frames);
            }
        }
        if announced() <= after {
            self.wait_for(after, READ_WAITS).await;
        }
        self.pass(REPLICA_WAITS).await;
        self.fetch(after, 1).await
    }

    /// Waits until a frame after this one was announced.
    async fn wait_for(&self, after: u64, within: Duration) {
        let mut announced = self.shared.announced.clone();
        if *announced.borrow() > after {
            return self.pass(REPLICA_WAITS).await;
        }
        let heard = timeout(within, announced.wait_for(|last| *last > after)).await;
        if heard.is_ok_and(|heard| heard.is_err()) {
            // Nobody hears any more.
            self.pass(within).await;
        }
    }

    async fn pass(&self, time: Duration) {
        let clock = self.shared.clock;
        clock.wait_for(Some(clock.now() + time)).await;
    }
}

fn is_of(message: &Message, sequence: u64) -> bool {
    let headers = message.headers.as_ref();
    headers
        .and_then(|headers| headers.get(SEQUENCE))
        .is_some_and(|value| value.as_str() == sequence.to_string())
}

impl Log for NatsLog {
    fn append(&mut self, after: Sequence, frame: &[u8]) -> Result<Sequence, AppendError> {
        let payload = Bytes::copy_from_slice(frame);
        let append = async {
            let expected = Some((EXPECTED, after.0));
            match self.client.publish(self.names.frames.clone(), expected, payload, APPEND_MAX).await {
                Ok(at) if at == after.next().0 => {
                    self.client.say(self.names.appended.clone(), at.to_string()).await;
                    Ok(Some(at))
                }
                Ok(at) => Err(format!("it went to {at}, not after {}", after.0)),
                Err(refusal) if refusal.is_wrong_last() => Ok(None),
                Err(Refusal { why, .. }) => Err(why),
            }
        };
        let at = self.ask(append).map_err(AppendError::Unknown)?.ok_or(AppendError::Fenced)?;
        self.knows(at);
        Ok(Sequence(at))
    }

    /// Waits a twentieth of a second for a frame if there is none.
    fn read(&mut self, after: Sequence, bytes_max: usize) -> Result<Vec<(Sequence, Vec<u8>)>, Unreachable> {
        self.knows(after.0);
        let count = self.count(after.0, bytes_max);
        let frames = self.ask(self.fetch_or_wait(after.0, count)).map_err(Unreachable)?;
        let len = frames.len() as u64;
        // Where somebody says how far it goes there is no need to try.
        let is_far = len == count && *self.shared.announced.borrow() < after.0 + len;
        self.window = if is_far { (2 * count).min(READS_MAX) } else { 1 };
        let bytes: usize = frames.iter().map(|(_, frame)| frame.len()).sum();
        self.frame_bytes = bytes.checked_div(frames.len()).unwrap_or(self.frame_bytes);
        Ok(frames)
    }

    fn bounds(&mut self) -> Result<Bounds, Unreachable> {
        let state = self.ask(self.info()).map_err(Unreachable)?.state;
        let last = Sequence(state.last_seq);
        if !self.known().believes(last.0, self.shared.clock.now()) {
            return Err(Unreachable(format!(
                "a server says that the log ends at {}, which it did before",
                last.0
            )));
        }
        let first = if state.messages == 0 { last.next() } else { Sequence(state.first_seq) };
        Ok(Bounds { first, last, bytes: state.bytes })
    }

    fn trim(&mut self, before: Sequence) -> Result<(), Unreachable> {
        // Past its end it would begin anew somewhere else.
        let before = before.min(self.bounds()?.last.next());
        let purge = async {
            let what = format!("STREAM.PURGE.{}", self.names.stream);
            let purged = self.client.api::<serde_json::Value>(what, json!({ "seq": before.0 }), CALL_MAX);
            purged.await.map_err(|refusal| refusal.why)
        };
        if before.0 <= 1 {
            return Ok(());
        }
        self.ask(purge).map(drop).map_err(Unreachable)
    }

    fn id(&mut self) -> Result<Option<u64>, Unreachable> {
        let found =
            self.client.block(self.found()).unwrap_or_else(|| Err("the connection was closed".into()));
        let found = found.map_err(Unreachable)?;
        // A server that has just started may not know of it yet.
        match (found, self.known().is_gone(found.is_some(), self.shared.clock.now())) {
            (None, true) => Ok(Some(0)),
            (None, false) => Err(Unreachable("there is no such stream".into())),
            known => Ok(known.0),
        }
    }

    fn wait(&mut self, after: Sequence) {
        // Whether anything is there the next read tells.
        self.client.block(self.wait_for(after.0, WAIT_MAX)).unwrap_or_default();
    }

    fn frame_bytes_max(&self) -> usize {
        self.message_bytes_max.min(self.client.payload_bytes_max()).saturating_sub(HEADERS_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_shorter_is_believed_when_it_stays_so() {
        let mut known = Known::default();
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        assert!(known.believes(10, at(0)));
        assert!(!known.believes(9, at(1)));
        assert!(!known.believes(9, at(15)));
        assert!(known.believes(10, at(15)));
        assert!(!known.believes(9, at(20)));
        assert!(known.believes(9, at(35)));
        assert!(
            !known.is_gone(false, at(40)) && !known.is_gone(true, at(54)) && !known.is_gone(false, at(56))
        );
        assert!(!known.is_gone(false, at(70)) && known.is_gone(false, at(71)));
    }
}
