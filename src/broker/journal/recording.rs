//! Recordings: what goes well is noted, too, for the messages that a rule selects, until it has enough or its time is over.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::message::{Message, Position, QueueId};
use crate::protocol::content::Properties;
use crate::protocol::table::FieldValue;
use crate::time::Timestamp;

/// Rules that a virtual host may have at a time: each recorded message is compared with all of them.
pub const RULES_MAX: usize = 32;
/// Messages that a rule may ask for when it asks for the next so many: each is remembered until it is done with.
pub const NEXT_MAX: u64 = 10_000;
/// How long a rule holds that does not say it: nobody forgets one for ever.
pub const RECORDING_MS_DEFAULT: u64 = 3_600_000;

/// Which messages a rule selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// All of the virtual host.
    All,
    /// Those that are in this queue.
    Queue(String),
    /// Those that were published to this exchange.
    Exchange(String),
    /// Those with this header, whose value is this as text.
    Header {
        /// The header.
        name: String,
        /// The value.
        value: String,
    },
    /// Those with this message id.
    MessageId(String),
}

/// For the log.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all messages"),
            Self::Queue(name) => write!(f, "messages in queue {name:?}"),
            Self::Exchange(name) => write!(f, "messages published to exchange {name:?}"),
            Self::Header { name, value } => write!(f, "messages whose header {name:?} is {value:?}"),
            Self::MessageId(id) => write!(f, "messages with id {id:?}"),
        }
    }
}

/// What is to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which messages.
    pub selector: Selector,
    /// Only the next so many that come to a queue, at most [`NEXT_MAX`], each until it is done with.
    pub next: Option<u64>,
    /// Until then.
    pub until: Timestamp,
}

/// For the log, without the time.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.selector.fmt(f)?;
        self.next.map_or(Ok(()), |next| write!(f, ", the next {next}"))
    }
}

/// A rule that holds.
#[derive(Debug)]
pub struct Recording {
    /// Its number in the virtual host.
    pub id: u64,
    /// The rule.
    pub rule: Rule,
    /// Since when.
    pub since: Timestamp,
    messages: AtomicU64,
    events: AtomicU64,
    /// Of a rule for the next so many: publishes that were noted and are still on their way to a queue.
    on_their_way: AtomicU64,
    is_done: AtomicBool,
    /// Of a rule for the next so many: where those are that are not done with.
    followed: Mutex<HashSet<(QueueId, Position)>>,
}

/// There are [`RULES_MAX`] already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {RULES_MAX} recordings already")]
pub struct TooManyRecordings;

/// What is to be decided: whether what happened to a message is noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occasion<'a> {
    /// The queue's id and name, and the position there.
    pub(super) place: Option<(QueueId, &'a str, Position)>,
    pub(super) message: Option<&'a Message>,
    pub(super) stage: Stage,
}

/// Where a message is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It comes to a queue.
    Arrives,
    /// It is there.
    Stays,
    /// It is done with there.
    Leaves,
}

impl Recording {
    /// Messages that were recorded from when they came.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Events that were recorded.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Whether it ended by itself.
    fn is_over(&self, now: Timestamp) -> bool {
        self.is_done.load(Ordering::Relaxed) || self.rule.until <= now
    }

    /// Whether it selects all messages of the queues that it [covers](Self::covers_queue), as long as it holds.
    const fn takes_all(&self) -> bool {
        self.rule.next.is_none() && matches!(self.rule.selector, Selector::All | Selector::Queue(_))
    }

    /// Whether the exchange and the queues of a publish tell if it is selected.
    const fn goes_by_route(&self) -> bool {
        let selector = &self.rule.selector;
        self.rule.next.is_none()
            && matches!(selector, Selector::All | Selector::Queue(_) | Selector::Exchange(_))
    }

    /// Whether it may select messages of this queue.
    pub(super) fn covers_queue(&self, queue: &str) -> bool {
        !matches!(&self.rule.selector, Selector::Queue(name) if name != queue)
    }

    /// Whether an event is to be noted; counts it if so.
    fn wants(&self, occasion: &Occasion<'_>) -> bool {
        let wants = match self.rule.next {
            None => self.selects(occasion),
            Some(next) => self.follows(next, occasion),
        };
        if wants {
            self.events.fetch_add(1, Ordering::Relaxed);
            let is_new = occasion.stage == Stage::Arrives && occasion.place.is_some();
            if is_new {
                self.messages.fetch_add(1, Ordering::Relaxed);
                self.came(1);
            }
        }
        wants
    }

    /// Whether the publish of a message to these queues is to be noted. One for the next so many notes no more publishes than there
    /// is room for messages.
    fn wants_publish(&self, message: &Message, to: &[Arc<str>]) -> bool {
        let copies = match &self.rule.selector {
            Selector::Queue(wanted) => to.iter().filter(|queue| ***queue == **wanted).count(),
            _ if self.selects(&Occasion { place: None, message: Some(message), stage: Stage::Arrives }) => {
                to.len()
            }
            _ => 0,
        };
        copies > 0 && self.has_room(copies as u64)
    }

    /// Whether so many more may be on their way; they are, if so.
    fn has_room(&self, copies: u64) -> bool {
        let Some(next) = self.rule.next else { return true };
        let more = |others: u64| (self.messages() + others < next).then_some(others + copies);
        self.on_their_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// So many are not on their way any more.
    fn came(&self, count: u64) {
        let fewer = |others: u64| Some(others.saturating_sub(count));
        // It always has a value to set.
        let _ = self.on_their_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
    }

    /// The next so many: each from when it comes to a queue until it leaves that.
    fn follows(&self, next: u64, occasion: &Occasion<'_>) -> bool {
        let is_full = self.messages() >= next;
        let Some((queue, _, position)) = occasion.place else {
            return !is_full && self.selects(occasion);
        };
        let mut followed = self.followed();
        match occasion.stage {
            Stage::Arrives if !is_full && self.selects(occasion) => followed.insert((queue, position)),
            Stage::Arrives => false,
            Stage::Stays => followed.contains(&(queue, position)),
            Stage::Leaves => {
                let was_there = followed.remove(&(queue, position));
                if is_full && followed.is_empty() {
                    self.is_done.store(true, Ordering::Relaxed);
                }
                was_there
            }
        }
    }

    fn selects(&self, occasion: &Occasion<'_>) -> bool {
        let of_message = |holds: &dyn Fn(&Message) -> bool| occasion.message.is_some_and(holds);
        match &self.rule.selector {
            Selector::All => true,
            Selector::Queue(wanted) => occasion.place.is_some_and(|(_, name, _)| name == wanted),
            Selector::Exchange(wanted) => of_message(&|message| message.exchange() == wanted.as_bytes()),
            Selector::MessageId(wanted) => of_message(&|message| {
                let properties = Properties::parse(message.properties()).ok();
                properties.and_then(|properties| properties.message_id()) == Some(wanted.as_bytes())
            }),
            Selector::Header { name, value } => of_message(&|message| has_header(message, name, value)),
        }
    }

    fn followed(&self) -> MutexGuard<'_, HashSet<(QueueId, Position)>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_header(message: &Message, name: &str, wanted: &str) -> bool {
    let properties = Properties::parse(message.properties()).ok();
    let headers = properties.and_then(|properties| properties.headers());
    match headers.and_then(|headers| headers.get(name.as_bytes())) {
        None => false,
        Some(FieldValue::LongString(text)) => text == wanted.as_bytes(),
        Some(FieldValue::Bool(value)) => wanted == if value { "true" } else { "false" },
        Some(other) => other.as_i64().is_some_and(|number| wanted.parse() == Ok(number)),
    }
}

/// Events that count for all rules of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    events: u64,
    messages: u64,
}

impl Counted {
    /// An event of a message in a queue.
    pub(super) fn add(&mut self, stage: Stage) {
        self.events += 1;
        self.messages += u64::from(stage == Stage::Arrives);
    }
}

/// The rules that hold in a batch.
#[derive(Clone, Debug, Default)]
pub(in crate::broker) struct Rules(Vec<Arc<Recording>>);

impl Rules {
    /// Whether each of them wants every event of a message in the queue that they are [for](Self::for_queue).
    pub(super) fn take_all(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|recording| recording.takes_all())
    }

    /// Whether messages of one exchange that come to the same queues are wanted by the same of them.
    pub(super) fn go_by_route(&self) -> bool {
        self.0.iter().all(|recording| recording.goes_by_route())
    }

    /// Counts for each of them, and begins anew.
    pub(super) fn count_all(&self, counted: &mut Counted) {
        let Counted { events, messages } = std::mem::take(counted);
        if events > 0 {
            for recording in &self.0 {
                recording.events.fetch_add(events, Ordering::Relaxed);
                recording.messages.fetch_add(messages, Ordering::Relaxed);
            }
        }
    }

    /// Whether there are none.
    pub(in crate::broker) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that may select messages of this queue.
    pub(super) fn for_queue(mut self, queue: &str) -> Self {
        self.0.retain(|recording| recording.covers_queue(queue));
        self
    }

    /// Whether any of them wants an event. Each that does counts it.
    pub(super) fn want(&self, occasion: &Occasion<'_>) -> bool {
        // All of them are asked, not only up to the first.
        self.0.iter().filter(|recording| recording.wants(occasion)).count() > 0
    }

    /// Those that want the publish of a message to these queues to be noted. The event is yet to be [counted](Self::count).
    pub(super) fn of_publish(&self, message: &Message, to: &[Arc<str>]) -> Self {
        Self(self.0.iter().filter(|recording| recording.wants_publish(message, to)).map(Arc::clone).collect())
    }

    /// A queue did not take messages that were on their way there: others have their room.
    pub(super) fn note_turned_away(&self, queue: &str, message: Option<&Message>, count: u64) {
        // What selects by queue looks at the name alone.
        let place = Some((QueueId(0), queue, Position(0)));
        let occasion = Occasion { place, message, stage: Stage::Arrives };
        self.0
            .iter()
            .filter(|recording| recording.selects(&occasion))
            .for_each(|recording| recording.came(count));
    }

    /// Each has so many more events.
    pub(super) fn count(&self, events: u64) {
        self.count_all(&mut Counted { events, messages: 0 });
    }
}

/// The recordings of a virtual host.
#[derive(Debug, Default)]
pub struct Recordings {
    rules: RwLock<Vec<Arc<Recording>>>,
    /// Whether there are any: looked at once a batch.
    is_any: AtomicBool,
    last_id: AtomicU64,
}

impl Recordings {
    /// Begins one; its number.
    ///
    /// # Errors
    /// There are too many.
    pub fn begin(&self, rule: Rule, now: Timestamp) -> Result<u64, TooManyRecordings> {
        let mut rules = self.write();
        rules.retain(|recording| !recording.is_over(now));
        if rules.len() >= RULES_MAX {
            return Err(TooManyRecordings);
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let rule = Rule { next: rule.next.map(|next| next.min(NEXT_MAX)), ..rule };
        rules.push(Arc::new(Recording {
            id,
            rule,
            since: now,
            messages: AtomicU64::new(0),
            events: AtomicU64::new(0),
            on_their_way: AtomicU64::new(0),
            is_done: AtomicBool::new(false),
            followed: Mutex::default(),
        }));
        self.is_any.store(true, Ordering::Release);
        Ok(id)
    }

    /// Ends one; whether it was there.
    pub fn end(&self, id: u64) -> bool {
        let mut rules = self.write();
        let before = rules.len();
        rules.retain(|recording| recording.id != id);
        self.is_any.store(!rules.is_empty(), Ordering::Release);
        rules.len() < before
    }

    /// Those that hold now, oldest first.
    #[must_use]
    pub fn all(&self, now: Timestamp) -> Vec<Arc<Recording>> {
        self.hold(now).0
    }

    /// Whether there are any.
    #[inline]
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Acquire)
    }

    /// The rules that hold now. Those that are over go.
    pub(super) fn hold(&self, now: Timestamp) -> Rules {
        if !self.is_any() {
            return Rules::default();
        }
        let rules = self.read();
        if !rules.iter().any(|recording| recording.is_over(now)) {
            return Rules(rules.clone());
        }
        drop(rules);
        let mut rules = self.write();
        rules.retain(|recording| !recording.is_over(now));
        self.is_any.store(!rules.is_empty(), Ordering::Release);
        Rules(rules.clone())
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Arc<Recording>>> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Arc<Recording>>> {
        self.rules.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Parts;
    use crate::protocol::content::replace_headers;
    use crate::protocol::table::TableWriter;

    const NOW: Timestamp = Timestamp::from_millis(1000);
    const LATER: Timestamp = Timestamp::from_millis(2000);

    fn begin(recordings: &Recordings, selector: Selector, next: Option<u64>) -> u64 {
        recordings.begin(Rule { selector, next, until: LATER }, NOW).unwrap()
    }

    fn message(exchange: &[u8]) -> Message {
        let mut table = Vec::new();
        let mut writer = TableWriter::new(&mut table);
        writer.entry(b"tenant", FieldValue::LongString(b"a"));
        writer.entry(b"number", FieldValue::I64(7));
        let properties = replace_headers(&[0, 0], &table).unwrap();
        Message::new(Parts { exchange, properties: &properties, ..Parts::default() })
    }

    fn wants(rules: &Rules, message: &Message, queue: &str, position: u64, stage: Stage) -> bool {
        let place = Some((QueueId(1), queue, Position(position)));
        rules.want(&Occasion { place, message: Some(message), stage })
    }

    #[test]
    fn each_selector_selects() {
        let header = |name: &str, value: &str| Selector::Header { name: name.into(), value: value.into() };
        let selectors = [
            (Selector::All, true),
            (Selector::Queue("q".into()), true),
            (Selector::Queue("other".into()), false),
            (Selector::Exchange("x".into()), true),
            (Selector::Exchange("".into()), false),
            (header("tenant", "a"), true),
            (header("tenant", "b"), false),
            (header("number", "7"), true),
            (header("nothing", "7"), false),
            (Selector::MessageId("1".into()), false),
        ];
        for (selector, wanted) in selectors {
            let recordings = Recordings::default();
            begin(&recordings, selector.clone(), None);
            let rules = recordings.hold(NOW);
            assert_eq!(wants(&rules, &message(b"x"), "q", 1, Stage::Stays), wanted, "{selector:?}");
        }
    }

    #[test]
    fn the_next_two_are_followed_to_their_end() {
        let recordings = Recordings::default();
        let id = begin(&recordings, Selector::All, Some(2));
        let (rules, message) = (recordings.hold(NOW), message(b"x"));
        let arrived: Vec<bool> = (1..=3).map(|at| wants(&rules, &message, "q", at, Stage::Arrives)).collect();
        assert_eq!(arrived, [true, true, false]);
        let delivered: Vec<bool> = (1..=3).map(|at| wants(&rules, &message, "q", at, Stage::Stays)).collect();
        assert_eq!(delivered, [true, true, false]);
        assert!(wants(&rules, &message, "q", 1, Stage::Leaves));
        assert_eq!(recordings.all(NOW).len(), 1, "one is still there");
        assert!(!wants(&rules, &message, "q", 1, Stage::Leaves), "it left before");
        assert!(wants(&rules, &message, "q", 2, Stage::Leaves));
        assert_eq!((rules.0[0].id, rules.0[0].messages(), rules.0[0].events()), (id, 2, 6));
        assert!(recordings.all(NOW).is_empty() && !recordings.is_any(), "it has enough");
    }

    #[test]
    fn no_more_publishes_are_noted_than_messages_are_wanted() {
        let recordings = Recordings::default();
        begin(&recordings, Selector::Queue("q".into()), Some(2));
        begin(&recordings, Selector::Queue("other".into()), None);
        let (rules, message) = (recordings.hold(NOW), message(b"x"));
        let to: [Arc<str>; 2] = ["q".into(), "elsewhere".into()];
        let published =
            |count: usize| (0..count).filter(|_| !rules.of_publish(&message, &to).is_empty()).count();
        // None of them has come to the queue yet.
        assert_eq!(published(5), 2);
        // The queue does not take one of them, so another has its room.
        rules.note_turned_away("elsewhere", Some(&message), 1);
        assert_eq!(published(5), 0);
        rules.note_turned_away("q", None, 1);
        assert_eq!(published(5), 1);
        assert!((1..=2).all(|position| wants(&rules, &message, "q", position, Stage::Arrives)));
        assert!(!wants(&rules, &message, "q", 3, Stage::Arrives) && published(5) == 0);
        assert_eq!((rules.0[0].messages(), rules.0[0].events()), (2, 2));
        // A message that comes to several queues is one for each.
        begin(&recordings, Selector::Exchange("x".into()), Some(2));
        assert_eq!(recordings.hold(NOW).of_publish(&message, &to).0.len(), 1);
        assert!(recordings.hold(NOW).of_publish(&message, &to).is_empty());
    }

    #[test]
    fn a_recording_ends_with_its_time_or_by_hand_and_there_are_not_too_many() {
        let recordings = Recordings::default();
        assert!(!recordings.is_any());
        let first = begin(&recordings, Selector::All, None);
        for _ in 1..RULES_MAX {
            begin(&recordings, Selector::All, None);
        }
        let rule = Rule { selector: Selector::All, next: None, until: Timestamp::from_millis(9000) };
        assert_eq!(recordings.begin(rule.clone(), NOW), Err(TooManyRecordings));
        assert!(recordings.end(first) && !recordings.end(first));
        assert!(recordings.begin(rule, NOW).is_ok());
        assert_eq!((recordings.all(NOW).len(), recordings.all(LATER).len()), (RULES_MAX, 1));
        assert!(recordings.all(Timestamp::from_millis(9000)).is_empty() && !recordings.is_any());
    }
}
