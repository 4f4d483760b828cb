//! The arguments that say what becomes of messages that come back: delivery limit, delayed retries, parking, and how
//! long a consumer may keep a message without an answer. Names and meanings are RabbitMQ's where it has them
//! (<https://www.rabbitmq.com/docs/quorum-queues>, <https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout>).

use amq_protocol::types::{AMQPValue, FieldTable};

use super::arguments::{Arguments, OptionsError};
use super::policy_arguments::is_quorum;
use crate::protocol::value::as_integer;
use crate::queue::failure_policy::{
    CountMode, FailurePolicy, PARKING_TTL_MS, Parking, RetryPolicy, RetryType,
};

/// Delivery limit of a queue declared with x-queue-type=quorum, as in RabbitMQ from 4.0.
const QUORUM_DELIVERY_LIMIT: u32 = 20;
/// First delay of a queue that says only that it wants delays.
const RETRY_MIN_MS: u32 = 1000;
/// Longest delay of a queue that does not say.
const RETRY_MAX_MS: u32 = 60_000;
/// Delays beyond that many steps are the last step.
const RETRY_STEPS_MAX: usize = 100;
/// How long a message may be unacked where nothing says otherwise: half an hour, as in RabbitMQ.
const ACK_TIMEOUT_MS: u32 = 1_800_000;
/// A multiplier of 1 means the same delay each time; a thousandfold is surely a mistake.
const MULTIPLIER_PERCENT: std::ops::RangeInclusive<f64> = 100.0..=100_000.0;

/// What happens when a message was not acked in time (`x-consumer-timeout-action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutAction {
    /// `requeue`: that message comes back, as a failed attempt; a late ack for it is ignored.
    Requeue,
    /// `cancel`: the consumer is cancelled and all its messages come back.
    Cancel,
    /// `close`: its channel is closed with 406, as RabbitMQ does.
    Close,
}

/// How long a message may be unacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckTimeout {
    /// `x-consumer-timeout`, in ms.
    pub ms: u32,
    /// What happens then.
    pub action: TimeoutAction,
}

impl AckTimeout {
    /// The timeout of a queue by its arguments, where a broker has another default than RabbitMQ's; 0 ms for none.
    pub(in crate::queue) fn with_default(
        parsed: Option<Self>,
        arguments: &FieldTable,
        default_ms: u32,
    ) -> Option<Self> {
        if arguments.inner().contains_key("x-consumer-timeout") {
            return parsed;
        }
        let action = parsed.map_or(TimeoutAction::Close, |parsed| parsed.action);
        (default_ms > 0).then_some(Self { ms: default_ms, action })
    }
}

/// How long a consumer may keep a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnTimeout {
    /// As long as the queue says.
    #[default]
    TheQueues,
    /// That long; `None` for ever.
    Own(Option<AckTimeout>),
}

/// A consumer's own timeout from its arguments. `thing` names the queue in error texts.
///
/// # Errors
/// Values that are not allowed.
pub fn consumer_timeout(thing: &str, arguments: &FieldTable) -> Result<OwnTimeout, OptionsError> {
    let has = |key: &str| arguments.inner().contains_key(key);
    if !has("x-consumer-timeout") && !has("x-consumer-timeout-action") {
        return Ok(OwnTimeout::TheQueues);
    }
    Arguments { thing, table: arguments }.ack_timeout().map(OwnTimeout::Own)
}

impl Arguments<'_> {
    /// The rules for messages that come back.
    pub(in crate::queue) fn failure_policy(&self) -> Result<FailurePolicy, OptionsError> {
        Ok(FailurePolicy {
            delivery_limit: self.delivery_limit()?,
            count_mode: self.one_of(
                "x-delivery-count-mode",
                &[("all", CountMode::All), ("failed", CountMode::Failed)],
                CountMode::All,
            )?,
            retry: self.retry()?,
            parking: self.parking()?,
        })
    }

    /// `x-consumer-timeout`, 0 for none, and its action. Whoever sets a timeout gets the message back; without one it is
    /// RabbitMQ's.
    pub(in crate::queue) fn ack_timeout(&self) -> Result<Option<AckTimeout>, OptionsError> {
        let ms = self.within("x-consumer-timeout", 0, u32::MAX)?;
        let usual = if ms.is_some() { TimeoutAction::Requeue } else { TimeoutAction::Close };
        let actions = [
            ("requeue", TimeoutAction::Requeue),
            ("cancel", TimeoutAction::Cancel),
            ("close", TimeoutAction::Close),
        ];
        let action = self.one_of("x-consumer-timeout-action", &actions, usual)?;
        let ms = ms.unwrap_or(ACK_TIMEOUT_MS);
        Ok((ms > 0).then_some(AckTimeout { ms, action }))
    }

    /// `x-delivery-limit`; -1 is none.
    fn delivery_limit(&self) -> Result<Option<u32>, OptionsError> {
        const KEY: &str = "x-delivery-limit";
        let is_quorum = is_quorum(self.table);
        match self.integer(KEY)? {
            None => Ok(is_quorum.then_some(QUORUM_DELIVERY_LIMIT)),
            Some(-1) => Ok(None),
            Some(number) => u32::try_from(number).map(Some).map_err(|_| {
                self.invalid(KEY, format!("{number} is neither -1 (none) nor 0 to {}", u32::MAX))
            }),
        }
    }

    fn retry(&self) -> Result<Option<RetryPolicy>, OptionsError> {
        let kinds = [
            ("disabled", None),
            ("all", Some(RetryType::All)),
            ("failed", Some(RetryType::Failed)),
            ("returned", Some(RetryType::Returned)),
        ];
        let on = self.one_of("x-delayed-retry-type", &kinds, None)?;
        let min_ms = self.positive("x-delayed-retry-min", u32::MAX)?;
        let max_ms = self.positive("x-delayed-retry-max", u32::MAX)?;
        let steps_ms = self.steps()?;
        let multiplier_percent = self.multiplier()?;
        let jitter = self.within("x-delayed-retry-jitter", 0, 100)?;
        let Some(on) = on else { return Ok(None) };
        let lowest = min_ms.unwrap_or_else(|| max_ms.unwrap_or(RETRY_MIN_MS).min(RETRY_MIN_MS));
        let highest = max_ms.unwrap_or_else(|| lowest.max(RETRY_MAX_MS));
        if lowest > highest {
            return Err(self.invalid(
                "x-delayed-retry-min",
                format!("{lowest} is above x-delayed-retry-max, {highest}"),
            ));
        }
        let jitter_percent = jitter.and_then(|percent| u8::try_from(percent).ok()).unwrap_or(0);
        Ok(Some(RetryPolicy {
            on,
            min_ms: lowest,
            max_ms: highest,
            multiplier_percent,
            steps_ms,
            jitter_percent,
        }))
    }

    fn steps(&self) -> Result<Vec<u32>, OptionsError> {
        const KEY: &str = "x-delayed-retry-steps";
        let wrong = || {
            let most = u32::MAX;
            self.invalid(
                KEY,
                format!("expected an array of 1 to {RETRY_STEPS_MAX} numbers of ms from 1 to {most}"),
            )
        };
        let Some(value) = self.value(KEY) else { return Ok(Vec::new()) };
        let AMQPValue::FieldArray(steps) = value else { return Err(wrong()) };
        let positive = |step: &AMQPValue| {
            let ms = as_integer(step).and_then(|ms| u32::try_from(ms).ok());
            ms.filter(|ms| *ms > 0).ok_or_else(wrong)
        };
        let steps = steps.as_slice();
        if steps.is_empty() || steps.len() > RETRY_STEPS_MAX {
            return Err(wrong());
        }
        steps.iter().map(positive).collect()
    }

    fn multiplier(&self) -> Result<Option<u32>, OptionsError> {
        const KEY: &str = "x-delayed-retry-multiplier";
        let Some(value) = self.value(KEY) else { return Ok(None) };
        let number = match value {
            AMQPValue::Double(number) => Some(*number),
            AMQPValue::Float(number) => Some(f64::from(*number)),
            other => as_integer(other).map(|number| number as f64),
        };
        let percent =
            number.map(|number| number * 100.0).filter(|percent| MULTIPLIER_PERCENT.contains(percent));
        percent
            .map(|percent| Some(percent as u32))
            .ok_or_else(|| self.invalid(KEY, "expected a number from 1 to 1000"))
    }

    fn parking(&self) -> Result<Option<Parking>, OptionsError> {
        let ttl_ms = self.positive("x-parking-ttl", u32::MAX)?.unwrap_or(PARKING_TTL_MS);
        let limit = self.positive("x-parking-limit", u32::MAX)?;
        let after = self.positive("x-parking-after", u32::MAX)?;
        Ok(after.map(|after| Parking { after, ttl_ms, limit }))
    }

    fn positive(&self, key: &'static str, most: u32) -> Result<Option<u32>, OptionsError> {
        self.within(key, 1, most)
    }

    fn within(&self, key: &'static str, least: u32, most: u32) -> Result<Option<u32>, OptionsError> {
        let Some(number) = self.integer(key)? else { return Ok(None) };
        let fits = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
        fits.map(Some)
            .ok_or_else(|| self.invalid(key, format!("{number} is not a number from {least} to {most}")))
    }

    fn one_of<T: Copy>(
        &self,
        key: &'static str,
        allowed: &[(&str, T)],
        default: T,
    ) -> Result<T, OptionsError> {
        let Some(text) = self.string(key)? else { return Ok(default) };
        let found = allowed.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = allowed.iter().map(|(name, _)| *name).collect();
            self.invalid(key, format!("'{text}' is none of {}", names.join(", ")))
        })
    }
}
