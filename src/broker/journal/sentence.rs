//! What happened, in plain sentences: one for each event, for the person who wants to know why a message is where it is.
//!
//! Pure functions of the event. A sentence says who did what, how often it was tried, which setting was in play with its value and where that
//! comes from, and until when. It does not name the message: what it is about is said by whoever shows it.

use super::event::{About, Confirm, Event, EventKind, FaultTold, Why};
use super::wording::{
    Zone, counted, duration, named, ordinal, peer, setting_name, setting_value, short_duration, ways_told,
};

/// What the event says, in one sentence without a full stop.
#[must_use]
pub fn sentence(event: &Event, zone: Zone) -> String {
    let told = Told { event, zone };
    match event.kind {
        EventKind::Published => told.published(),
        EventKind::Confirmed => told.confirmed(),
        EventKind::Unroutable => {
            format!("published to {}{}; no binding matches, so it was dropped", told.address(), told.by())
        }
        EventKind::Returned => {
            let (address, by) = (told.address(), told.by());
            format!(
                "published to {address}{by}; no binding matches, so it went back to its publisher (mandatory)"
            )
        }
        EventKind::Refused => told.refused(),
        EventKind::Duplicate => told.duplicate(),
        EventKind::Enqueued => told.enqueued(),
        EventKind::Delivered => told.delivered(),
        EventKind::Acked => format!("acked by {}: done", told.consumer()),
        EventKind::PutBack => format!("looked at{} and left where it was", told.by()),
        EventKind::Requeued => format!("{}, which gave it back", told.delivered()),
        EventKind::Failed => format!("{}, which failed{}", told.delivered(), told.error()),
        EventKind::TimedOut => told.timed_out(),
        EventKind::ConsumerLost => {
            format!("{}; its channel was closed or it was cancelled before it acked", told.delivered())
        }
        EventKind::ConnectionLost if event.position.is_none() => told.connection_lost(),
        EventKind::ConnectionLost => format!("{}; its connection was lost before it acked", told.delivered()),
        EventKind::Delayed => told.delayed(),
        EventKind::Parked => told.parked(),
        EventKind::Released => told.released(),
        EventKind::DeadLettered => told.dead_lettered(),
        EventKind::Dropped => told.dropped(),
        EventKind::Moved => told.moved(),
        EventKind::Purged => format!("{}purged{}", told.run(), told.by()),
        EventKind::QueueEnded => told.queue_ended(),
        EventKind::Unreadable => {
            format!(
                "its messages cannot be read, and nothing is delivered until it is purged{}",
                told.error()
            )
        }
        EventKind::Connected => format!("{} connected", told.client()),
        EventKind::Closed => format!("the connection of {} was closed{}", told.client(), told.error()),
        EventKind::ChannelClosed => {
            format!("channel {} of {} was closed{}", event.channel, told.client(), told.error())
        }
        EventKind::ConsumerCancelled => {
            let by = if event.why == Some(Why::ByHand) { "by hand" } else { "by the broker" };
            format!("{} was cancelled {by}{}", told.consumer(), told.error())
        }
        EventKind::Blocked => {
            format!("{} may not publish for now{}{}", told.client(), told.shortage(), told.error())
        }
        EventKind::Unblocked => format!("{} may publish again", told.client()),
        EventKind::Fault => told.fault(),
    }
}

/// An event that is being told.
struct Told<'a> {
    event: &'a Event,
    zone: Zone,
}

impl Told<'_> {
    fn published(&self) -> String {
        let to = self.targets().unwrap_or_else(|| "no queue".to_owned());
        format!("published to {}{}; routed to {to}{}", self.address(), self.by(), self.ways())
    }

    /// `fault f1 (on confirm of queue 'orders': reset) hit user 'anna' at worker-1`.
    fn fault(&self) -> String {
        let Some(FaultTold { id, rule, connection, user }) = self.event.fault() else {
            return "a fault was made".to_owned();
        };
        match connection.is_empty() {
            true => format!("fault {id} ({rule}) hit"),
            false => format!("fault {id} ({rule}) hit user '{user}' at {connection}"),
        }
    }

    /// ` by binding 'eu.#'`.
    fn ways(&self) -> String {
        let Some(ways) = self.event.ways() else { return String::new() };
        let exchange = self.event.about.as_ref().map_or("", About::exchange);
        ways_told(ways, exchange)
    }

    fn confirmed(&self) -> String {
        let Some(Confirm { delivery_tag, after_us }) = self.event.confirm() else {
            return format!("confirmed to {}", self.client());
        };
        let (client, after) = (self.client(), short_duration(after_us));
        match delivery_tag {
            Some(_) => format!("confirmed to {client}, {after} after it was published"),
            None => format!(
                "committed by {client}: its transaction was complete {after} after the commit was asked for"
            ),
        }
    }

    fn refused(&self) -> String {
        let setting = self.setting();
        let why = match self.event.why {
            Some(Why::Maxlen) => format!("the queue was full{setting}"),
            Some(Why::Memory) => format!("the broker was short of memory{setting}"),
            Some(Why::Disk) => format!("the broker was short of disk space{setting}"),
            Some(Why::Permission) => "the user has no permission".to_owned(),
            Some(Why::Gap) => format!("its publisher's number comes after a gap{setting}"),
            Some(Why::OldEpoch) => format!("its publisher's epoch is over{setting}"),
            other => format!("{}{setting}", other.map_or("the queue did not take it", Why::name)),
        };
        format!("{}refused{}: {why}{}", self.run(), self.by(), self.error())
    }

    fn duplicate(&self) -> String {
        let (run, by) = (self.run(), self.by());
        format!("{run}not taken in{by}: the queue has had a message with the same key{}", self.setting())
    }

    fn enqueued(&self) -> String {
        match &self.event.from {
            Some(from) => format!("came in from '{}' #{}", from.queue, from.position.0),
            None => format!("came in{}", self.by()),
        }
    }

    fn delivered(&self) -> String {
        match self.event.attempt {
            0 => format!("delivered to {}", self.consumer()),
            attempt => format!("delivered to {} for the {} time", self.consumer(), ordinal(attempt)),
        }
    }

    fn timed_out(&self) -> String {
        let within = match self.setting_ms() {
            Some(ms) => format!("within {}", duration(ms)),
            None => "in time".to_owned(),
        };
        let setting = self.event.setting.as_ref().map(|setting| format!(" ({})", setting_name(setting)));
        format!("{}; it did not ack {within}{}", self.delivered(), setting.unwrap_or_default())
    }

    fn connection_lost(&self) -> String {
        let unacked = match self.event.count {
            0 => String::new(),
            count => format!(", with {} unacked", counted(count, "message")),
        };
        format!("the connection of {} was lost{unacked}{}", self.client(), self.error())
    }

    /// The delivery of that number failed, so the one that it waits for is its retry of that number.
    fn delayed(&self) -> String {
        let retries_max = self.event.attempts_max.map(|deliveries| deliveries.saturating_sub(1));
        let retry = match (self.event.attempt, retries_max) {
            (0, _) => None,
            (attempt, Some(most)) => Some(format!("retry {attempt} of {most}")),
            (attempt, None) => Some(format!("retry {attempt}")),
        };
        format!("waits {}{}", self.until(), in_brackets([retry, self.setting_text()]))
    }

    fn parked(&self) -> String {
        let after = match self.event.attempt {
            0 => String::new(),
            attempts => format!(" after {}", counted(attempts.into(), "attempt")),
        };
        format!("parked{after}, {}{}", self.until(), self.setting())
    }

    fn released(&self) -> String {
        match self.event.why {
            Some(Why::ByHand) => format!("{}released by hand{}; ready again", self.run(), self.by()),
            _ => format!("{}ready again: the wait is over", self.run()),
        }
    }

    fn dead_lettered(&self) -> String {
        let (run, died) = (self.run(), self.death());
        match self.targets() {
            Some(to) => format!("{run}dead-lettered to {to}: {died}"),
            None => format!("{run}lost: {died}, and its dead-letter exchange led to no queue"),
        }
    }

    fn dropped(&self) -> String {
        match self.event.why {
            Some(Why::ByHand) => format!("{}dropped by hand{}", self.run(), self.by()),
            _ => format!("{}dropped: {}; there is no dead-letter exchange", self.run(), self.death()),
        }
    }

    /// Why it died.
    fn death(&self) -> String {
        let setting = self.setting();
        match self.event.why {
            Some(Why::Rejected) => format!("{} rejected it{}{setting}", self.consumer(), self.error()),
            Some(Why::Expired) => match (&self.event.setting, self.setting_ms()) {
                (Some(setting), Some(ms)) => {
                    format!("it was older than {} ({})", duration(ms), setting_name(setting))
                }
                _ => format!("its time to live was over{setting}"),
            },
            Some(Why::Maxlen) => format!("the queue was full{setting}"),
            Some(Why::DeliveryLimit) => {
                let times = match self.event.attempt {
                    0 => "too often".to_owned(),
                    attempts => counted(attempts.into(), "time"),
                };
                format!("it was delivered {times} without success{setting}{}", self.error())
            }
            other => format!("{}{setting}", other.map_or("why is not known", Why::name)),
        }
    }

    fn moved(&self) -> String {
        let (run, by) = (self.run(), self.by());
        let to = self.targets().unwrap_or_else(|| "no queue".to_owned());
        match self.event.why {
            Some(Why::Due) => format!("{run}its delay was over; routed to {to}"),
            _ => format!("{run}moved to {to}{by}"),
        }
    }

    fn queue_ended(&self) -> String {
        let why = match self.event.why {
            Some(Why::AutoDelete) => "went with its last consumer".to_owned(),
            Some(Why::Expired) => format!("was unused for too long{}", self.setting()),
            _ => format!("was deleted{}", self.by()),
        };
        match self.event.count {
            0 => format!("the queue {why}"),
            count => format!("the queue {why}, with {} in it", counted(count, "message")),
        }
    }
}

/// The parts of sentences.
impl Told<'_> {
    /// `exchange 'e' with key 'k'`.
    fn address(&self) -> String {
        let Some(about) = &self.event.about else { return "an exchange".to_owned() };
        let exchange = match about.exchange() {
            "" => "the default exchange".to_owned(),
            name => format!("exchange '{name}'"),
        };
        format!("{exchange} with key '{}'", about.routing_key())
    }

    /// `user 'u' at 1.2.3.4:5`.
    fn client(&self) -> String {
        let Some(client) = &self.event.client else { return "a client".to_owned() };
        match (&*client.user, &*client.connection) {
            ("", connection) => peer(connection).to_owned(),
            (user, "") => format!("user '{user}'"),
            (user, connection) => format!("user '{user}' at {}", peer(connection)),
        }
    }

    /// ` by user 'u' at 1.2.3.4:5`.
    fn by(&self) -> String {
        if self.event.client.is_some() { format!(" by {}", self.client()) } else { String::new() }
    }

    /// Who had the message, or is to have it: `consumer 'worker-1' at 1.2.3.4:5`.
    fn consumer(&self) -> String {
        match (&self.event.consumer, &self.event.client) {
            (Some(tag), Some(client)) if !client.connection.is_empty() => {
                format!("consumer '{tag}' at {}", peer(&client.connection))
            }
            (Some(tag), _) => format!("consumer '{tag}'"),
            (None, Some(_)) => self.client(),
            (None, None) => "a consumer".to_owned(),
        }
    }

    /// `10,000 messages ` where the event stands for several.
    fn run(&self) -> String {
        match self.event.count {
            0 | 1 => String::new(),
            count => format!("{} ", counted(count, "message")),
        }
    }

    /// `'a', 'b'`; `None`: nowhere.
    fn targets(&self) -> Option<String> {
        named(&self.event.targets().collect::<Vec<_>>())
    }

    /// ` with "text"`.
    fn error(&self) -> String {
        self.event.error.as_ref().map(|error| format!(", saying \"{error}\"")).unwrap_or_default()
    }

    fn shortage(&self) -> &'static str {
        match self.event.why {
            Some(Why::Memory) => ": the broker is short of memory",
            Some(Why::Disk) => ": the broker is short of disk space",
            _ => "",
        }
    }

    /// `x-max-length = 5 of policy 'p'`.
    fn setting_text(&self) -> Option<String> {
        self.event.setting.as_deref().map(setting_value)
    }

    /// The same in brackets.
    fn setting(&self) -> String {
        in_brackets([self.setting_text(), None])
    }

    fn setting_ms(&self) -> Option<u64> {
        self.event.setting.as_ref()?.value.parse().ok()
    }

    /// `5 s, until 10:02:05 UTC`.
    fn until(&self) -> String {
        let Some(until) = self.event.until else { return "until it is released".to_owned() };
        let wait_ms = until.as_millis().saturating_sub(self.event.at.as_millis());
        format!("{}, until {}", duration(wait_ms), self.zone.clock(until, self.event.at))
    }
}

fn in_brackets(parts: [Option<String>; 2]) -> String {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

#[cfg(test)]
mod tests;
