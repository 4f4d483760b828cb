//! What a message itself, and its queue, remember of what happened to it: for the time before the journal begins.

use serde_json::Value;

use super::history::Step;
use super::wording::{counted, peer};
use crate::broker::properties_json;
use crate::message::Message;
use crate::queue::attempts::Attempts;
use crate::time::Timestamp;

/// A message as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The message, if it is in memory.
    pub message: Option<&'a Message>,
    /// What its queue noted of deliveries that failed.
    pub attempts: Option<&'a Attempts>,
}

/// The steps that `is_known` has not heard of: deaths, by queue and reason, from `x-death`, and the deliveries that the queue noted, if the
/// journal has none of them (`knows_deliveries`).
#[must_use]
pub fn remembered(now: Now<'_>, is_known: impl Fn(&str, &str) -> bool, knows_deliveries: bool) -> Vec<Step> {
    let message = now.message.filter(|message| message.is_dead_lettered());
    let properties = message.map(properties_json::write).unwrap_or_default();
    let deaths =
        properties.get("headers").and_then(|headers| headers.get("x-death")).and_then(Value::as_array);
    let deaths = deaths.into_iter().flatten().map(Death);
    let unknown = deaths.filter(|death| !is_known(death.text("queue"), death.text("reason")));
    let mut steps: Vec<Step> = unknown.map(|death| death.step()).collect();
    // The newest death comes first.
    steps.reverse();
    steps.sort_by_key(|step| step.at);
    steps.extend(now.attempts.filter(|_| !knows_deliveries).map(deliveries));
    steps
}

/// An entry of `x-death`.
struct Death<'a>(&'a Value);

impl Death<'_> {
    fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, key: &str) -> u64 {
        self.0.get(key).and_then(Value::as_u64).unwrap_or_default()
    }

    fn step(&self) -> Step {
        let times = match self.number("count") {
            0 | 1 => String::new(),
            count => format!("{} by now, first then, ", counted(count, "time")),
        };
        let why = match self.text("reason") {
            "rejected" => "a consumer rejected it".to_owned(),
            "expired" => "its time to live was over".to_owned(),
            "maxlen" => "the queue was full".to_owned(),
            "delivery_limit" => format!("it was delivered too often{}", self.attempts()),
            other => other.to_owned(),
        };
        let said = match self.text("error") {
            "" => String::new(),
            error => format!(", saying \"{error}\""),
        };
        let queue = self.text("queue");
        Step {
            at: Timestamp::from_millis(self.number("time").saturating_mul(1000)),
            what: "dead-lettered",
            sentence: format!(
                "dead-lettered {times}from '{queue}': {why}{said} (x-death tells; the journal does not go back so far)"
            ),
            events: Vec::new(),
            known_from: "x-death",
        }
    }

    fn attempts(&self) -> String {
        match self.number("attempts") {
            0 => String::new(),
            attempts => format!(", {}", counted(attempts, "time")),
        }
    }
}

fn deliveries(attempts: &Attempts) -> Step {
    let times = counted(attempts.acquired.into(), "time");
    let to = match (&attempts.consumer, &attempts.peer) {
        (Some(tag), Some(address)) => format!(", last to consumer '{tag}' at {}", peer(address)),
        (Some(tag), None) => format!(", last to consumer '{tag}'"),
        _ => String::new(),
    };
    let said = attempts.error.as_ref().map(|error| format!(", saying \"{error}\"")).unwrap_or_default();
    Step {
        at: attempts.last,
        what: "requeued",
        sentence: format!(
            "delivered {times} without an ack{to}{said} (the queue noted it; the journal does not go back so far)"
        ),
        events: Vec::new(),
        known_from: "attempts",
    }
}

#[cfg(test)]
mod tests {
    use amq_protocol::protocol::basic::AMQPProperties;

    use super::*;
    use crate::message::Parts;
    use crate::protocol::encode;
    use crate::queue::dead_letter::{Death as Died, Reason, with_death};

    fn died(
        message: &Message,
        queue: &str,
        reason: Reason,
        at_s: u64,
        attempts: Option<&Attempts>,
    ) -> Message {
        let at = Timestamp::from_millis(at_s * 1000);
        with_death(message, &Died { queue, reason, at, exchange: "dlx", routing_key: None, attempts })
    }

    fn attempts() -> Attempts {
        Attempts {
            acquired: 3,
            consumer: Some("worker".into()),
            peer: Some("1.2.3.4:5".into()),
            error: Some("no stock".into()),
            last: Timestamp::from_millis(9000),
            ..Attempts::default()
        }
    }

    #[test]
    fn deaths_and_deliveries_are_told_oldest_first_unless_they_are_known() {
        let properties = encode::properties(&AMQPProperties::default());
        let parts = Parts { exchange: b"x", routing_key: b"k", properties: &properties, ..Parts::default() };
        let published = Message::new(parts);
        let once = died(&published, "work", Reason::DeliveryLimit, 10, Some(&attempts()));
        let message = died(&once, "dead", Reason::Expired, 20, None);
        let now = Now { message: Some(&message), attempts: Some(&attempts()) };
        let told = remembered(now, |_, _| false, false);
        let told: Vec<_> =
            told.iter().map(|step| (step.at.as_secs(), step.known_from, &*step.sentence)).collect();
        let limit = "dead-lettered from 'work': it was delivered too often, 3 times, saying \"no stock\" (x-death tells; the journal does not go back so far)";
        let expired = "dead-lettered from 'dead': its time to live was over (x-death tells; the journal does not go back so far)";
        let noted = "delivered 3 times without an ack, last to consumer 'worker' at 1.2.3.4:5, saying \"no stock\" (the queue noted it; the journal does not go back so far)";
        assert_eq!(told, [(10, "x-death", limit), (20, "x-death", expired), (9, "attempts", noted)]);
        let rest = remembered(now, |queue, reason| (queue, reason) == ("dead", "expired"), true);
        assert_eq!(rest.len(), 1);
    }

    #[test]
    fn headers_that_a_publisher_made_up_count_for_nothing() {
        let properties = encode::properties(&AMQPProperties::default());
        let published = Message::new(Parts { properties: &properties, ..Parts::default() });
        let died = died(&published, "work", Reason::Rejected, 10, None);
        assert_eq!(remembered(Now { message: Some(&died), attempts: None }, |_, _| false, false).len(), 1);
        let again = Message::new(Parts { properties: died.properties(), ..Parts::default() });
        assert!(remembered(Now { message: Some(&again), attempts: None }, |_, _| false, false).is_empty());
    }
}
