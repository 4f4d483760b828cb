//! Which setting of a queue made something happen, and where it comes from.

use std::sync::Arc;

use crate::broker::vhost::{QueueRecord, Vhost};
use crate::message::Message;
use crate::policy::{Origin, SettingInForce};
use crate::protocol::content::Properties;
use crate::queue::dead_letter::Reason;
use crate::queue::{Cause, Ended, HappeningKind};

const TTL: &str = "x-message-ttl";
const CONSUMER_TIMEOUT: &str = "x-consumer-timeout";
const DELIVERY_LIMIT: &str = "x-delivery-limit";
const LENGTH: [&str; 2] = ["x-max-length", "x-max-length-bytes"];

/// The settings of a queue that made something happen since it was last configured: looked up once each.
#[derive(Debug, Default)]
pub struct SettingsInForce {
    known: Vec<(&'static str, Option<Arc<SettingInForce>>)>,
}

/// A queue whose settings are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Configured<'a> {
    /// Its vhost.
    pub vhost: &'a Vhost,
    /// The queue.
    pub record: &'a QueueRecord,
    /// How often a message of it may come back, said or not.
    pub delivery_limit: Option<u32>,
}

impl SettingsInForce {
    /// Policies changed.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// What made this happen, if a setting did.
    pub fn of(
        &mut self,
        queue: Configured<'_>,
        kind: &HappeningKind,
        message: Option<&Message>,
    ) -> Option<Arc<SettingInForce>> {
        match kind {
            HappeningKind::CameBack(Cause::TimedOut(ms)) => Some(self.ack_timeout(queue, *ms)),
            HappeningKind::Delayed(_) => {
                self.first(queue, &["x-delayed-retry-steps", "x-delayed-retry-min", "x-delayed-retry-type"])
            }
            HappeningKind::Parked(_) => self.first(queue, &["x-parking-after"]),
            HappeningKind::Dropped(reason) => self.of_death(queue, *reason, message),
            HappeningKind::Refused => self.first(queue, &LENGTH),
            HappeningKind::Duplicate => self.first(queue, &["x-message-deduplication"]),
            HappeningKind::Ended(Ended::Expired) => self.first(queue, &["x-expires"]),
            _ => None,
        }
    }

    /// Why a message is dead, if a setting says so. One that was rejected is dead because its consumer says so.
    pub fn of_death(
        &mut self,
        queue: Configured<'_>,
        reason: Reason,
        message: Option<&Message>,
    ) -> Option<Arc<SettingInForce>> {
        match reason {
            Reason::Rejected => None,
            Reason::Maxlen => self.first(queue, &LENGTH),
            Reason::Expired => self.ttl(queue, message),
            Reason::DeliveryLimit => {
                let said = self.first(queue, &[DELIVERY_LIMIT, "x-parking-limit"]);
                said.or_else(|| Some(by_default(DELIVERY_LIMIT, queue.delivery_limit?)))
            }
        }
    }

    /// The shorter of both counts.
    fn ttl(&mut self, queue: Configured<'_>, message: Option<&Message>) -> Option<Arc<SettingInForce>> {
        let of_queue = self.first(queue, &[TTL]);
        let number = |text: &str| text.parse::<u64>().ok();
        let properties = message.and_then(|message| Properties::parse(message.properties()).ok());
        let own = properties.and_then(|properties| properties.expiration());
        let own = own.and_then(|text| std::str::from_utf8(text).ok()).and_then(number);
        let queues = of_queue.as_ref().and_then(|setting| number(&setting.value));
        match own.filter(|own| queues.is_none_or(|queues| *own < queues)) {
            Some(own) => Some(Arc::new(SettingInForce {
                name: "expiration",
                value: own.to_string(),
                origin: Origin::Message,
            })),
            None => of_queue,
        }
    }

    /// One that differs from the queue's is the consumer's own.
    fn ack_timeout(&mut self, queue: Configured<'_>, ms: u32) -> Arc<SettingInForce> {
        let said = self.first(queue, &[CONSUMER_TIMEOUT]);
        let value = ms.to_string();
        match said {
            Some(said) if said.value == value => said,
            None if queue.record.default_ack_timeout_ms == ms => by_default(CONSUMER_TIMEOUT, ms),
            _ => Arc::new(SettingInForce { name: CONSUMER_TIMEOUT, value, origin: Origin::Consumer }),
        }
    }

    /// The first of these that is set.
    fn first(&mut self, queue: Configured<'_>, names: &[&'static str]) -> Option<Arc<SettingInForce>> {
        names.iter().find_map(|name| self.in_force(queue, name))
    }

    fn in_force(&mut self, queue: Configured<'_>, name: &'static str) -> Option<Arc<SettingInForce>> {
        if let Some((_, known)) = self.known.iter().find(|(known, _)| *known == name) {
            return known.clone();
        }
        let found = queue.vhost.setting(queue.record, name).map(Arc::new);
        self.known.push((name, found.clone()));
        found
    }
}

fn by_default(name: &'static str, value: u32) -> Arc<SettingInForce> {
    Arc::new(SettingInForce { name, value: value.to_string(), origin: Origin::Default })
}
