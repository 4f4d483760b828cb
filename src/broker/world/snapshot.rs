//! Snapshots of worlds: what there was in one, to be made again in a new one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::broker::message_lines;
use crate::message::Message;
use crate::queue::{Attempts, WaitKind};
use crate::time::Timestamp;

/// Bytes of messages that a snapshot may have.
pub const SNAPSHOT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Snapshots that are kept at a time.
pub const SNAPSHOTS_MAX: usize = 100;
/// The form of a snapshot's lines.
const VERSION: u64 = 1;

/// A world as it was.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What its clock showed.
    pub taken: Timestamp,
    /// Exchanges, queues, bindings and policies, in RabbitMQ's format.
    pub definitions: Value,
    /// Its messages, in the order in which their queues get them.
    pub messages: Vec<SnapshotMessage>,
}

/// A message as it was.
#[derive(Clone, Debug)]
pub struct SnapshotMessage {
    /// Where.
    pub place: SnapshotPlace,
    /// The message.
    pub message: Message,
    /// What else there was to know.
    pub state: SnapshotState,
}

/// Where a message was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotPlace {
    /// In a queue or a stream of this name.
    Queue(String),
    /// In a delayed exchange of this name.
    Exchange(String),
}

/// What there was to know of a message beside itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotState {
    /// Its priority.
    pub priority: u8,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// When it expires; in a delayed exchange: when it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// What it waits for, and until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<(WaitKind, Timestamp)>,
    /// The deliveries that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Attempts>,
}

impl Snapshot {
    /// It as lines of JSON: a first one with the definitions, and one a message.
    #[must_use]
    pub fn lines(&self) -> Vec<u8> {
        let head = serde_json::json!({
            "coney_snapshot": VERSION,
            "taken_ms": self.taken.as_millis(),
            "definitions": self.definitions,
        });
        let mut lines = head.to_string().into_bytes();
        lines.push(b'\n');
        for message in &self.messages {
            let mut line: Map<String, Value> =
                serde_json::from_slice(&message_lines::write(&message.message)).unwrap_or_default();
            line.insert("at".to_owned(), serde_json::to_value(&message.place).unwrap_or_default());
            line.insert("state".to_owned(), serde_json::to_value(&message.state).unwrap_or_default());
            lines.extend_from_slice(Value::Object(line).to_string().as_bytes());
            lines.push(b'\n');
        }
        lines
    }

    /// Reads what [`lines`](Self::lines) wrote.
    ///
    /// # Errors
    /// The first line that makes no sense, by its number, and why.
    pub fn read(lines: &[u8]) -> Result<Self, String> {
        let mut lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let head = lines.next().ok_or("it is empty")?;
        let head: Map<String, Value> =
            serde_json::from_slice(head).map_err(|error| format!("line 1: {error}"))?;
        if head.get("coney_snapshot").and_then(Value::as_u64) != Some(VERSION) {
            return Err(format!("line 1: no snapshot of version {VERSION}"));
        }
        let taken = head.get("taken_ms").and_then(Value::as_u64).ok_or("line 1: needs taken_ms")?;
        let definitions = head.get("definitions").cloned().ok_or("line 1: needs definitions")?;
        let messages = lines
            .zip(2..)
            .map(|(line, number)| SnapshotMessage::read(line).map_err(|why| format!("line {number}: {why}")));
        let messages = messages.collect::<Result<_, _>>()?;
        Ok(Self { taken: Timestamp::from_millis(taken), definitions, messages })
    }

    /// Bytes of its messages.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.messages.iter().map(|message| message.message.encoded_len()).sum()
    }
}

impl SnapshotMessage {
    fn read(line: &[u8]) -> Result<Self, String> {
        let fields: Map<String, Value> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let field = |key: &str| fields.get(key).cloned().unwrap_or_default();
        let place = serde_json::from_value(field("at")).map_err(|error| format!("at: {error}"))?;
        let state = serde_json::from_value(field("state")).map_err(|error| format!("state: {error}"))?;
        Ok(Self { place, message: message_lines::read(line)?, state })
    }
}

/// Snapshots by their names, in memory.
#[derive(Debug, Default)]
pub struct Snapshots(Mutex<BTreeMap<String, Arc<Snapshot>>>);

impl Snapshots {
    /// Keeps one, in place of one of the same name.
    ///
    /// # Errors
    /// There are `SNAPSHOTS_MAX` of other names, or they take [`SNAPSHOT_BYTES_MAX`] together.
    pub fn put(&self, name: &str, snapshot: Snapshot) -> Result<(), String> {
        let mut all = self.lock();
        let others = all.iter().filter(|(other, _)| *other != name);
        let (count, bytes) =
            others.fold((0, 0), |(count, bytes), (_, other)| (count + 1, bytes + other.bytes()));
        if count >= SNAPSHOTS_MAX {
            return Err(format!("there are {SNAPSHOTS_MAX} snapshots already: delete some of them"));
        }
        if bytes + snapshot.bytes() > SNAPSHOT_BYTES_MAX {
            return Err(format!("all snapshots together may have {SNAPSHOT_BYTES_MAX} bytes of messages"));
        }
        all.insert(name.to_owned(), Arc::new(snapshot));
        Ok(())
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Snapshot>> {
        self.lock().get(name).cloned()
    }

    /// Forgets it; whether it was there.
    pub fn remove(&self, name: &str) -> bool {
        self.lock().remove(name).is_some()
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Arc<Snapshot>)> {
        self.lock().iter().map(|(name, snapshot)| (name.clone(), Arc::clone(snapshot))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Snapshot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Parts;

    #[test]
    fn lines_are_read_as_they_were() {
        let message =
            Message::new(Parts { routing_key: b"q", properties: &[0, 0], body: b"b\n", ..Parts::default() });
        let state = SnapshotState {
            priority: 3,
            redelivered: true,
            expires: Some(Timestamp::from_millis(5)),
            wait: Some((WaitKind::Parked, Timestamp::from_millis(9))),
            attempts: Some(Attempts { acquired: 2, ..Attempts::default() }),
        };
        let messages = vec![
            SnapshotMessage {
                place: SnapshotPlace::Queue("q".to_owned()),
                message: message.clone(),
                state: state.clone(),
            },
            SnapshotMessage {
                place: SnapshotPlace::Exchange("x".to_owned()),
                message: message.clone(),
                state: SnapshotState::default(),
            },
        ];
        let definitions = serde_json::json!({ "queues": [] });
        let snapshot =
            Snapshot { taken: Timestamp::from_millis(7), definitions: definitions.clone(), messages };
        let read = Snapshot::read(&snapshot.lines()).unwrap();
        assert_eq!((read.taken, &read.definitions, read.messages.len()), (snapshot.taken, &definitions, 2));
        assert_eq!((&read.messages[0].state, read.messages[0].message.body()), (&state, &b"b\n"[..]));
        assert_eq!(read.messages[1].place, SnapshotPlace::Exchange("x".to_owned()));
        for wrong in [
            "",
            "{}",
            "{\"coney_snapshot\":2}",
            "{\"coney_snapshot\":1,\"taken_ms\":1,\"definitions\":{}}\n{}",
        ] {
            assert!(Snapshot::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn there_are_not_too_many() {
        let empty =
            || Snapshot { taken: Timestamp::default(), definitions: Value::Null, messages: Vec::new() };
        let all = Snapshots::default();
        for number in 0..SNAPSHOTS_MAX {
            all.put(&number.to_string(), empty()).unwrap();
        }
        all.put("0", empty()).unwrap();
        assert!(all.put("another", empty()).is_err());
        assert!(all.remove("0") && !all.remove("0"));
        all.put("another", empty()).unwrap();
    }
}
