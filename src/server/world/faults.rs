//! Faults of a world, for the program that embeds the broker.

use super::handle::WorldHandle;
use crate::broker::operations;
use crate::faults::{Action, Field, Matcher, Occasion, Refusal, Rule, RuleError, RuleId, RuleInForce};

impl WorldHandle {
    /// Begins a rule for this occasion. It hits the first event that it means, if nothing else is said.
    pub fn on(&self, occasion: Occasion) -> FaultBuilder {
        let times = if matches!(occasion, Occasion::Always) { 0 } else { 1 };
        FaultBuilder {
            world: self.clone(),
            occasion,
            matcher: Matcher::default(),
            skip: 0,
            times,
            chance: (0, 0),
        }
    }

    /// Begins a rule for what is so until it is removed: [`block`](FaultBuilder::block), [`pause`](FaultBuilder::pause),
    /// [`slow`](FaultBuilder::slow), [`silence`](FaultBuilder::silence).
    pub fn always(&self) -> FaultBuilder {
        self.on(Occasion::Always)
    }

    /// Begins a rule for a method, named as in `queue.declare`, or `declare` for those of all classes.
    ///
    /// # Errors
    /// There is no such method that rules can be about.
    pub fn on_method(&self, name: &str) -> Result<FaultBuilder, RuleError> {
        Ok(self.on(Occasion::of_method(name)?))
    }

    /// The rules that are there, in the order in which they were made, with how many events each has seen and hit.
    #[must_use]
    pub fn faults(&self) -> Vec<RuleInForce> {
        operations::faults(self.at())
    }

    /// Puts a rule in force, until what this gives is dropped.
    pub fn add_fault(&self, rule: Rule) -> Fault {
        let id = operations::add_fault(&self.shared, self.at(), rule);
        Fault { world: self.clone(), id }
    }

    /// Removes all rules, and unblocks publishers that one blocked. How many rules they were.
    pub fn clear_faults(&self) -> usize {
        operations::clear_faults(&self.shared, self.at())
    }

    /// What a SIGKILL and a start of the broker would do, to this world alone: connections are reset, what does not outlast a crash
    /// goes, what was unacked comes back redelivered. Completes when clients can connect again.
    pub async fn restart(&self) {
        operations::restart_world(&self.shared, self.at()).await;
    }
}

/// A rule that is being made. An action ends it, and puts it in force.
#[derive(Clone, Debug)]
#[must_use = "a rule is in force when its action is said"]
pub struct FaultBuilder {
    world: WorldHandle,
    occasion: Occasion,
    matcher: Matcher,
    skip: u64,
    times: u64,
    chance: (u64, u64),
}

/// A rule that is in force, until this is dropped.
#[derive(Debug)]
#[must_use = "the rule goes when this is dropped"]
pub struct Fault {
    world: WorldHandle,
    id: RuleId,
}

impl FaultBuilder {
    /// Only for queues like this: `*` is any run of characters, `?` any one.
    pub fn queue(self, pattern: &str) -> Self {
        self.matching(Field::Queue, pattern)
    }

    /// Only for exchanges like this.
    pub fn exchange(self, pattern: &str) -> Self {
        self.matching(Field::Exchange, pattern)
    }

    /// Only for connections that their clients named like this, or with such an address.
    pub fn connection(self, pattern: &str) -> Self {
        self.matching(Field::Connection, pattern)
    }

    /// Only for what is like this there.
    pub fn matching(mut self, field: Field, pattern: &str) -> Self {
        self.matcher.require(field, pattern);
        self
    }

    /// Lets so many pass first.
    pub fn skip(self, events: u64) -> Self {
        Self { skip: events, ..self }
    }

    /// Hits so many; 0: all, until it is removed.
    pub fn times(self, events: u64) -> Self {
        Self { times: events, ..self }
    }

    /// Hits one in so many, by chance that begins with this seed.
    pub fn one_in(self, events: u64, seed: u64) -> Self {
        Self { chance: (events, seed), ..self }
    }

    /// The error with this code: of a channel or a connection, as the code says.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn refuse(self, code: u16, text: &str) -> Result<Fault, RuleError> {
        self.act(Action::Refuse(Refusal::new(code, text)?))
    }

    /// Closes the connection with 320 `CONNECTION_FORCED`.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn close(self) -> Result<Fault, RuleError> {
        self.act(Action::Close(Refusal::forced()))
    }

    /// Resets the connection's socket.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn reset(self) -> Result<Fault, RuleError> {
        self.act(Action::Reset)
    }

    /// Lets it happen so many ms later.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn delay_ms(self, ms: u64) -> Result<Fault, RuleError> {
        self.act(Action::Delay(ms))
    }

    /// Lets it not happen, and tells nobody.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn drop(self) -> Result<Fault, RuleError> {
        self.act(Action::Drop)
    }

    /// Tells the publisher that its message was refused.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn nack(self) -> Result<Fault, RuleError> {
        self.act(Action::Nack)
    }

    /// Lets it happen twice.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn duplicate(self) -> Result<Fault, RuleError> {
        self.act(Action::Duplicate)
    }

    /// Delivers an acked message again.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn redeliver(self) -> Result<Fault, RuleError> {
        self.act(Action::Redeliver)
    }

    /// Keeps the socket open, and reads and writes nothing.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn silence(self) -> Result<Fault, RuleError> {
        self.act(Action::Silence)
    }

    /// Blocks publishers, for this reason.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn block(self, reason: &str) -> Result<Fault, RuleError> {
        self.act(Action::Block(reason.to_owned()))
    }

    /// Lets queues deliver nothing.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn pause(self) -> Result<Fault, RuleError> {
        self.act(Action::Pause)
    }

    /// Reads and writes no more than so many bytes a second.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    pub fn slow(self, bytes_per_s: u64) -> Result<Fault, RuleError> {
        self.act(Action::Slow(bytes_per_s))
    }

    /// Puts the rule in force with this action.
    ///
    /// # Errors
    /// The action does not fit the occasion, or a number is out of bounds; the error says what fits.
    pub fn act(self, action: Action) -> Result<Fault, RuleError> {
        let Self { world, occasion, matcher, skip, times, chance: (one_in, seed) } = self;
        let rule = Rule { occasion, matcher, skip, times, one_in, seed, action }.check()?;
        Ok(world.add_fault(rule))
    }
}

impl Fault {
    /// Its id, as the journal and the API say it.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// How many events it has hit.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.world.world.faults.rules.get(self.id).map_or(0, |rule| rule.fired)
    }

    /// Completes when it has hit an event. Never, if somebody removed it before that.
    pub async fn fired(&self) {
        loop {
            let mut fired = std::pin::pin!(self.world.world.faults.fired.notified());
            fired.as_mut().enable();
            if self.count() > 0 {
                return;
            }
            fired.await;
        }
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        let _ = operations::remove_fault(&self.world.shared, self.world.at(), &self.id.to_string());
    }
}
