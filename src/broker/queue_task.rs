//! The task of one queue: drains its mailbox, hands the batch to the machine, carries out the effects.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::connections::{ConnectionHandle, Event};
use super::dead_lettering::{DeadLettering, publish};
use super::delayed_exchange::DueMessages;
use super::desk::Desk;
use super::feeding::{Intake, hand_over};
use super::firehose::{Firehose, Party};
use super::flow_control::FlowControl;
use super::journal::{QueueEvents, Surroundings, Why};
use super::mailbox::{Mail, MailReceiver, Mailbox};
use super::queue_machine::Machine;
use super::removal::forget_queue;
use super::shared::{Shared, Submitted, count_reason};
use super::stream_log;
use super::transfer::{Load as TransferLoad, Transfer};
use super::vhost::{QueueRecord, Vhost};
use super::world::{Alarm, InFlight, StepKind};
use crate::ledger::{Kind, Share};
use crate::queue::options::queue_type;
use crate::queue::{
    Command, ConnectionId, ConsumerKey, Deliveries, Effects, Ended, HappeningKind, Load, LoadedMessage,
    LogMissed, Moved, Page, QueueOptions, Range, Reply, StoreAppend, TimedOut,
};
use crate::statistics::QueueSum;
use crate::store::{self, Confirm, Join, Op, StoredMessage, Submission};
use crate::time::{Time, Timestamp};

/// Mail taken at a time: enough to pay for a wake-up many times over, little enough that deliveries don't wait long.
const BATCH_MAX: usize = 64;

/// How often a queue for which time stands still looks whether it goes on.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Happenings of a batch for which room is kept.
const HAPPENED_KEPT: usize = 1024;

/// Completes once, at its time.
type Pace = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A queue's task.
pub(super) struct QueueTask {
    shared: Arc<Shared>,
    vhost: Arc<Vhost>,
    record: Arc<QueueRecord>,
    /// Where what it counts is added to what all queues of its kind count.
    sum: Arc<QueueSum>,
    queue: Machine,
    mail: MailReceiver,
    desk: Desk,
    /// When the queue has to be looked at although there is no mail.
    alarm: Option<(Time, Alarm)>,
    /// The same by the system's clock, where the vhost has its own.
    pace: Option<(Time, Pace)>,
    /// It has work to carry out beside its mail, in a world.
    in_flight: Option<InFlight>,
    /// Ways to the connections this queue has to do with.
    connections: HashMap<ConnectionId, Arc<ConnectionHandle>>,
    /// What it has asked the store for and has yet to get.
    loads: usize,
    /// So much of what is yet to come is for what it was before a crash.
    stale_loads: usize,
    /// Those who wait for an answer that needs messages from the store, by ticket.
    waiting: HashMap<u64, oneshot::Sender<Reply>>,
    flow_control: FlowControl,
    /// Since when time stands still for the queue.
    stood_still_at: Option<Time>,
    /// What the queue takes in memory, beside the bytes of its messages.
    footprint: Share,
    /// What it has given to the store since it last waited for it.
    submitted: Submitted,
    /// Mailboxes that have to empty before more messages of a delayed exchange go there. No queue waits for this one.
    full: Vec<Mailbox>,
    events: QueueEvents,
    /// What it takes from a stream, if it is fed.
    intake: Option<Intake>,
}

impl QueueTask {
    /// A task to be [started](Self::spawn).
    pub(super) fn new(
        shared: Arc<Shared>,
        vhost: Arc<Vhost>,
        record: Arc<QueueRecord>,
        queue: Machine,
        mail: MailReceiver,
    ) -> Self {
        let sum = Arc::clone(shared.sums.of_queues(queue_type(&record.arguments)));
        let (desk, connections) = (Desk::default(), HashMap::new());
        let waiting = HashMap::new();
        let intake = queue.options().source.as_deref().map(Intake::new);
        // What an earlier run left may have expired.
        let in_flight = record.mailbox.begin();
        let footprint = Share::new(Arc::clone(&shared.ledger), Kind::Queues);
        Self {
            shared,
            vhost,
            record,
            sum,
            queue,
            mail,
            desk,
            alarm: None,
            pace: None,
            in_flight,
            connections,
            loads: 0,
            stale_loads: 0,
            waiting,
            flow_control: FlowControl::default(),
            stood_still_at: None,
            footprint,
            submitted: Submitted::default(),
            full: Vec::new(),
            events: QueueEvents::default(),
            intake,
        }
    }

    /// Starts the task.
    pub(super) fn spawn(self) {
        tokio::spawn(Box::new(self).run());
    }

    /// In a box: a future that owns it by value has room for it three times, 10 kB.
    async fn run(mut self: Box<Self>) {
        if self.batch(Vec::new()).is_some() {
            self.finish().await;
            return;
        }
        while let Some(mail) = self.wake_up().await {
            if self.batch(mail).is_some() {
                self.finish().await;
                return;
            }
            self.shared.wait_for_store(std::mem::take(&mut self.submitted)).await;
            for mailbox in std::mem::take(&mut self.full) {
                mailbox.wait_for_room().await;
            }
        }
    }

    /// Waits for mail, or for the time to look after the queue without any; `None` when nobody can send mail any more.
    async fn wake_up(&mut self) -> Option<Vec<(usize, Mail)>> {
        self.set_alarms();
        self.mail.done();
        self.in_flight = None;
        let (alarm, pace) = (&mut self.alarm, &mut self.pace);
        tokio::select! {
            biased;
            mail = self.mail.receive(BATCH_MAX) => Some(mail).filter(|mail| !mail.is_empty()),
            in_flight = rung(alarm) => {
                self.alarm = None;
                self.in_flight = in_flight;
                Some(Vec::new())
            }
            () = rung(pace) => {
                self.pace = None;
                Some(Vec::new())
            }
        }
    }

    /// A queue with unacked messages always has something to be woken for, nearly always in half an hour, and each batch
    /// changes when: an alarm that rings too early is left as it is, because setting one costs more than waking up.
    fn set_alarms(&mut self) {
        let look_again = self.stood_still_at.map(|_| self.shared.clock.now() + LOOK_AGAIN);
        let paces = [look_again, self.flow_control.poll_timeout()].into_iter().flatten().min();
        let own = self.queue.poll_timeout().filter(|_| look_again.is_none());
        if self.vhost.clock.is_virtual() {
            return self.set_two_alarms(own, paces);
        }
        let Some(time) = own.into_iter().chain(paces).min() else { return };
        if self.alarm.as_ref().is_none_or(|(rings_at, _)| *rings_at > time) {
            self.alarm = Some((time, self.vhost.clock.alarm(time, &self.record.label)));
        }
    }

    /// With a clock of its own the vhost's time and the system's have nothing to do with each other. Here an alarm is set for its time
    /// exactly: whoever moves the clock wants to know it.
    fn set_two_alarms(&mut self, own: Option<Time>, paces: Option<Time>) {
        if self.alarm.as_ref().map(|(rings_at, _)| *rings_at) != own {
            self.alarm = own
                .filter(|time| *time != Time::NEVER)
                .map(|time| (time, self.vhost.clock.alarm(time, &self.record.label)));
        }
        if let Some(time) = paces
            && self.pace.as_ref().is_none_or(|(rings_at, _)| *rings_at > time)
        {
            let clock = self.shared.clock;
            self.pace = Some((time, Box::pin(async move { clock.wait_for(Some(time)).await })));
        }
    }

    /// The time for the queue. It stands still while the disk is nearly full, for a queue that moves messages when their time has
    /// come: what expires goes to a dead-letter queue, which takes room until the old place is given back.
    fn now(&mut self) -> Time {
        let now = self.vhost.clock.now();
        let options = self.queue.options();
        let moves = options.dead_letter_exchange.is_some() || options.delays;
        let stands_still = moves && self.shared.disk_is_nearly_full.load(Ordering::Relaxed);
        self.stood_still_at = stands_still.then(|| self.stood_still_at.unwrap_or(now));
        self.stood_still_at.unwrap_or(now)
    }

    /// One batch. Replies leave last, so that whoever gets one finds the deliveries before it in its inbox.
    fn batch(&mut self, mail: Vec<(usize, Mail)>) -> Option<Ended> {
        let now = self.now();
        self.desk.effects().is_recording = self.events.begin_batch(&self.vhost, &self.record);
        let mut replies = Vec::new();
        for (_, mail) in mail {
            self.take(now, mail, &mut replies);
        }
        if std::mem::take(&mut self.desk.effects().missing) > 0 {
            self.set_unreadable(now, "some are missing in the store");
        }
        self.queue.settle_batch(now, self.desk.effects());
        self.footprint.set(self.queue.footprint());
        self.carry_out(None);
        replies.extend(self.late_replies());
        send_replies(replies);
        self.ask_source();
        // Publishers are held back in real time.
        let paced = if self.vhost.clock.is_virtual() { self.shared.clock.now() } else { now };
        self.control_flow(paced);
        let ended = self.desk.effects().ended.take();
        self.desk.leave();
        ended
    }

    fn ask_source(&mut self) {
        if let (Some(intake), Machine::Queue(queue)) = (&mut self.intake, &self.queue) {
            intake.ask(&self.vhost, &self.record, &queue.counts());
        }
    }

    fn control_flow(&mut self, now: Time) {
        let was_held = self.flow_control.is_held();
        let is_held = self.flow_control.look(now, self.queue.flow());
        if is_held != was_held {
            self.mail.hold(is_held);
        }
    }

    fn take(&mut self, now: Time, mail: Mail, replies: &mut Vec<(oneshot::Sender<Reply>, Reply)>) {
        if self.desk.effects().ended.is_some() {
            self.refuse(mail);
            return;
        }
        match mail {
            Mail::Tell(command) => {
                if matches!(command, Command::Configure(_)) {
                    // What died before it goes where the settings of that time say.
                    self.carry_out(None);
                    self.events.forget_settings();
                }
                self.note_gone(&command);
                if let (Command::SourceIsHere, Some(intake)) = (&command, &mut self.intake) {
                    intake.begin_anew();
                }
                // A TTL counts from when its message came.
                self.queue.apply(self.vhost.clock.now(), command, self.desk.effects());
            }
            Mail::Ask(command, reply_to) => {
                self.note_getter(&command);
                match self.queue.apply(now, command, self.desk.effects()) {
                    Reply::Deferred(ticket) => drop(self.waiting.insert(ticket, reply_to)),
                    reply => replies.push((reply_to, reply)),
                }
            }
            Mail::Loaded(..) if self.stale_loads > 0 => self.stale_loads -= 1,
            Mail::Loaded(_, Err(unreadable)) => self.set_unreadable(now, &unreadable.0),
            Mail::Loaded(id, Ok(messages)) => {
                self.loads = self.loads.saturating_sub(1);
                let (real, wall) = (self.vhost.clock.now(), self.vhost.clock.timestamp());
                let messages = messages.into_iter().map(|message| restored(message, real, wall)).collect();
                self.queue.apply(now, Command::Loaded(id, messages), self.desk.effects());
            }
            Mail::Crash(done) => {
                // One that does not wait any more needs no answer.
                let _ = done.send(self.crash(now));
            }
            Mail::Restore(left) => self.queue.restore(*left),
            Mail::Joined(join, commands) => {
                self.carry_out(None);
                for command in commands {
                    if let (Command::PublishFed(publishes, _), Some(intake)) = (&command, &mut self.intake) {
                        intake.took(publishes);
                    }
                    self.queue.apply(now, command, self.desk.effects());
                }
                self.carry_out(Some(join));
            }
        }
    }

    /// What is in memory is lost; the store has what it was told before.
    fn crash(&mut self, now: Time) -> bool {
        self.carry_out(None);
        let is_emptied = self.queue.empty(now);
        if is_emptied {
            // What is on its way from the store is for the queue as it was.
            self.stale_loads += std::mem::take(&mut self.loads);
            self.shared.store.forget_pages(self.record.id);
            self.waiting.clear();
            if let Some(intake) = &mut self.intake {
                intake.begin_anew();
            }
        }
        is_emptied
    }

    fn late_replies(&mut self) -> Vec<(oneshot::Sender<Reply>, Reply)> {
        let answers = std::mem::take(&mut self.desk.effects().deferred_replies).into_iter();
        let answers: Vec<_> =
            answers.filter_map(|(ticket, reply)| Some((self.waiting.remove(&ticket)?, reply))).collect();
        // Those whose connection is gone get no answer any more.
        self.waiting.retain(|_, reply_to| !reply_to.is_closed());
        answers
    }

    fn note_gone(&mut self, command: &Command) {
        if let Command::ConnectionGone(connection) = command {
            self.connections.remove(connection);
            self.events.note_gone(*connection);
        }
    }

    /// What it gets may come back when it is gone: then nobody else knows who that was.
    fn note_getter(&mut self, command: &Command) {
        if let Command::Get { connection, no_ack: false, .. } | Command::Hold { connection, .. } = command {
            self.connection(*connection);
        }
    }

    /// Counts what the batch did before anybody hears of it: whoever has an answer finds it counted.
    fn count(&mut self) {
        let counted = std::mem::take(&mut self.desk.effects().counted);
        if !counted.is_zero() {
            self.record.statistics.add(self.shared.clock.now(), &counted);
            self.sum.add(&counted);
        }
    }

    fn carry_out(&mut self, join: Option<Join>) {
        self.note_steps();
        self.count();
        self.log_missed();
        self.note_happened();
        for deliveries in std::mem::take(&mut self.desk.effects().deliveries) {
            self.trace(&deliveries);
            let ConsumerKey { connection, number, .. } = deliveries.consumer;
            self.tell(connection, Event::Deliver(number, deliveries.deliveries));
        }
        for key in std::mem::take(&mut self.desk.effects().cancelled) {
            self.tell(key.connection, Event::Cancelled(key.number));
        }
        for key in std::mem::take(&mut self.desk.effects().dismissed) {
            self.tell(key.connection, Event::Dismissed(key.number));
        }
        for (refused, ranges) in [
            (false, std::mem::take(&mut self.desk.effects().confirms)),
            (true, std::mem::take(&mut self.desk.effects().refusals)),
        ] {
            for Range { connection, channel, first, last } in ranges {
                self.tell(connection, Event::Confirmed { channel, first, last, refused });
            }
        }
        for TimedOut { connection, channel, timeout_ms } in std::mem::take(&mut self.desk.effects().timed_out)
        {
            let in_flight = self.record.mailbox.begin();
            self.tell(connection, Event::TimedOut { channel, timeout_ms, in_flight });
        }
        for (connection, channel) in std::mem::take(&mut self.desk.effects().turns_passed_on) {
            self.tell(connection, Event::TurnPassedOn(channel));
        }
        let dropped = &self.shared.counters.dropped;
        dropped.duplicate.add(std::mem::take(&mut self.desk.effects().duplicates));
        dropped.out_of_turn.add(std::mem::take(&mut self.desk.effects().out_of_turn));
        self.shared.counters.ack_timeouts.add(std::mem::take(&mut self.desk.effects().timed_out_count));
        for (reason, count) in self.desk.effects().dropped.drain(..) {
            count_reason(&self.shared.counters.dropped.dead, reason, count as u64);
        }
        self.submit(join);
        self.confirm_duplicates();
        stream_log::ask(
            &mut self.desk.effects().log,
            &self.shared.store,
            self.record.id,
            &self.record.mailbox,
        );
        self.page();
        self.feed();
        self.publish_due();
        self.dead_letter();
        self.move_out();
        self.events.forget_gone();
    }

    /// What happened because its time had come, for whoever moves the clock of the world.
    fn note_steps(&mut self) {
        let Some(world) = self.vhost.world.as_ref().filter(|world| world.steps.is_on()) else { return };
        let Effects { counted, happened, due, log, timed_out_count, ended, .. } = self.desk.effects();
        let released = happened.iter().filter(|it| it.kind == HappeningKind::Released { by_hand: false });
        let (at, queue) = (self.vhost.clock.now(), &self.record.label);
        for (what, messages) in [
            (StepKind::Expired, counted.dead_lettered_expired + counted.dropped_expired),
            (StepKind::TimedOut, *timed_out_count),
            (StepKind::Released, released.map(|it| it.count).sum()),
            (StepKind::Due, due.len() as u64),
            (StepKind::Trimmed, u64::from(log.trim.is_some())),
            (StepKind::QueueExpired, u64::from(*ended == Some(Ended::Expired))),
        ] {
            world.steps.note(at, queue, what, messages);
        }
    }

    /// Says which consumers of a stream will never see what was there for them.
    fn log_missed(&mut self) {
        for LogMissed { consumer, first, next } in std::mem::take(&mut self.desk.effects().missed) {
            let (queue, vhost, messages) = (&*self.record.name, &*self.vhost.name, next - first);
            let (consumer, peer) = (&*consumer.tag, &*consumer.peer);
            self.shared.log_limits.missed.say(self.shared.clock.now(), || {
                tracing::warn!(
                    queue,
                    vhost,
                    consumer,
                    peer,
                    messages,
                    first,
                    "a consumer of a stream was so far behind that messages were gone before it came to them"
                );
            });
        }
    }

    /// Notes what happened before anybody hears of it.
    fn note_happened(&mut self) {
        if self.desk.effects().happened.is_empty() {
            return;
        }
        if self.vhost.journal.is_on() {
            let at = surroundings(&self.shared, &self.vhost, &self.record, self.queue.options());
            self.events.note(&at, &self.desk.effects().happened);
        }
        self.desk.effects().happened.clear();
        self.desk.effects().happened.shrink_to(HAPPENED_KEPT);
    }

    /// What consumers are given, if that is traced.
    #[inline]
    fn trace(&mut self, deliveries: &Deliveries) {
        if self.vhost.topology.is_traced() {
            self.trace_deliveries(deliveries);
        }
    }

    fn trace_deliveries(&mut self, Deliveries { consumer, deliveries }: &Deliveries) {
        let client = self.connection(consumer.connection).and_then(|handle| handle.client());
        let Some(firehose) = Firehose::of(&self.shared, &self.vhost) else { return };
        let (connection, user) =
            client.as_ref().map_or(("", ""), |client| (&client.connection, &client.user));
        let who = Party { connection, channel: consumer.channel, user };
        for delivery in deliveries {
            firehose.delivered(who, &self.record.name, &delivery.message, delivery.redelivered);
        }
    }

    /// Some of its messages cannot be read: it delivers nothing any more, and whoever asks is told why.
    fn set_unreadable(&mut self, now: Time, why: &str) {
        let (queue, vhost) = (&self.record.name, &self.vhost.name);
        tracing::error!(
            queue,
            vhost,
            "messages of this queue cannot be read: {why}. It delivers nothing until it is purged or deleted, which loses \
             what is in it; a stopped broker's messages that are whole are saved by `coney store salvage`"
        );
        self.queue.apply(now, Command::Unreadable(why.into()), self.desk.effects());
    }

    /// Messages out of memory and back. The store has to know of all messages that came in before it is asked for them.
    fn page(&mut self) {
        let (store, queue) = (&self.shared.store, self.record.id);
        if std::mem::take(&mut self.desk.effects().all_pages_forgotten) {
            store.forget_pages(queue);
        }
        for page in self.desk.effects().pages_forgotten.drain(..) {
            store.forget_page(queue, page);
        }
        if !self.desk.effects().pages.is_empty() {
            self.submitted.pages = true;
            let (now, wall) = (self.vhost.clock.now(), self.vhost.clock.timestamp_rounded_up());
            for Page { id, entries } in self.desk.effects().pages.drain(..) {
                let entries = entries.into_iter().map(|append| stored(append, now, wall));
                store.write_page(queue, id, entries.collect());
            }
        }
        for Load { id, positions, stored, paged, keeps_page } in self.desk.effects().loads.drain(..) {
            let mailbox = self.record.mailbox.clone();
            self.loads += 1;
            let in_flight = mailbox.begin();
            let done = Box::new(move |messages| {
                // A queue that is gone needs them no more.
                let _ = mailbox.send(Mail::Loaded(id, messages));
                drop(in_flight);
            });
            let page = paged.then_some(id);
            store.load(store::Load { queue, positions, stored, page, keeps_page, done });
        }
    }

    /// Looks a connection up once; most queues have to do with the same few all the time.
    fn connection(&mut self, id: ConnectionId) -> Option<&Arc<ConnectionHandle>> {
        if !self.connections.contains_key(&id) {
            let handle = self.shared.connections.get(&id)?.clone();
            self.connections.retain(|_, handle| !handle.events.is_closed());
            if let Some(client) = handle.client() {
                let connections = &self.connections;
                self.events.note_client(client, |id| connections.contains_key(&id), connections.len());
            }
            self.connections.insert(id, handle);
        }
        self.connections.get(&id)
    }

    fn tell(&mut self, connection: ConnectionId, event: Event) {
        if let Some(handle) = self.connection(connection) {
            // A connection that is gone gives back what it had: its queues are told so.
            let _ = handle.events.send(event);
        }
    }

    /// What the batch has for the store, as one unit.
    fn submit(&mut self, join: Option<Join>) {
        let ops = self.store_ops();
        if ops.is_empty() && join.is_none() {
            return;
        }
        self.submitted.records = true;
        let ranges = std::mem::take(&mut self.desk.effects().append_confirms);
        let confirms = ranges.into_iter().filter_map(|range| self.confirm(range)).collect();
        self.shared.store.submit(Submission { ops, join, confirms, ..Submission::default() });
    }

    /// A duplicate is as safe as the first, which was submitted before, or is in a unit that still waits for its other parts.
    fn confirm_duplicates(&mut self) {
        let ranges = std::mem::take(&mut self.desk.effects().duplicate_confirms);
        if ranges.is_empty() {
            return;
        }
        let confirms = ranges.into_iter().filter_map(|range| self.confirm(range)).collect();
        let after = Some(self.record.id);
        self.shared.store.submit(Submission { confirms, after, ..Submission::default() });
    }

    fn confirm(&mut self, range: Range) -> Option<Confirm> {
        let sink = Arc::new(self.connection(range.connection)?.clone());
        Some(Confirm { sink, channel: range.channel, first: range.first, last: range.last })
    }

    fn store_ops(&mut self) -> Vec<Op> {
        let queue = self.record.id;
        let mut ops = Vec::new();
        if !self.desk.effects().appended.is_empty() {
            let (now, wall) = (self.vhost.clock.now(), self.vhost.clock.timestamp_rounded_up());
            let entries = self.desk.effects().appended.drain(..).map(|append| stored(append, now, wall));
            ops.push(Op::Append { queue, entries: entries.collect() });
        }
        ops.extend(stream_log::operations(&mut self.desk.effects().log, queue, &self.record.mailbox));
        // After what was published before it in the same batch; what came later lies at or above its bound.
        if let Some((before, keep)) = self.desk.effects().purged.take() {
            ops.push(Op::Purge { queue, before, keep });
        }
        if let Some(up_to) = self.desk.effects().delivered_up_to.take() {
            ops.push(Op::Delivered { queue, up_to });
        }
        for (position, attempts) in self.desk.effects().attempts.drain(..) {
            ops.push(Op::Note { queue, position, note: attempts.encode() });
        }
        for (key, value) in std::mem::take(&mut self.desk.effects().records) {
            ops.push(Op::Record { queue, key, value });
        }
        if !self.desk.effects().removed.is_empty() {
            ops.push(Op::Remove { queue, positions: std::mem::take(&mut self.desk.effects().removed) });
        }
        ops
    }

    fn publish_due(&mut self) {
        let due = std::mem::take(&mut self.desk.effects().due);
        if !due.is_empty() {
            self.submitted.records = true;
            let at = surroundings(&self.shared, &self.vhost, &self.record, self.queue.options());
            self.full.extend(DueMessages { at, events: &mut self.events }.carry_out(due));
        }
    }

    /// What a stream has for queues that are fed from it.
    fn feed(&mut self) {
        let fed = std::mem::take(&mut self.desk.effects().fed);
        if !fed.is_empty() {
            self.submitted.records = true;
            hand_over(&surroundings(&self.shared, &self.vhost, &self.record, self.queue.options()), fed);
        }
    }

    fn dead_letter(&mut self) {
        let letters = std::mem::take(&mut self.desk.effects().dead_letters);
        if !letters.is_empty() {
            self.submitted.records = true;
            let options = self.queue.options();
            let at = surroundings(&self.shared, &self.vhost, &self.record, options);
            DeadLettering { at, options, events: &mut self.events }.carry_out(letters);
        }
    }

    fn move_out(&mut self) {
        let moved = std::mem::take(&mut self.desk.effects().moved);
        if moved.is_empty() {
            return;
        }
        self.submitted.records = true;
        let at = surroundings(&self.shared, &self.vhost, &self.record, self.queue.options());
        let (mut load, mut stored, mut noted) = (TransferLoad::default(), Vec::new(), Vec::new());
        for Moved { message, queues, position, stored: in_store } in moved {
            stored.extend(in_store);
            if at.vhost.journal.is_on() {
                noted.push(self.events.moved(&at, &message, position, Why::ByHand, &queues));
            }
            let message = message.for_queues(queues.len());
            for queue in queues {
                load.add(queue, publish(message.clone()), Some(at.place(position)));
            }
        }
        // Before a target can note anything of it.
        at.vhost.journal.note(noted);
        Transfer { shared: &self.shared, vhost: &self.vhost, from: self.record.id, as_new: false }
            .carry_out(load, stored);
    }

    /// The end of the queue. Its mailbox is closed first: whoever holds the vhost's lock finds that it is gone. Who had it deleted
    /// takes it out of sight as well, if they still wait for that.
    async fn finish(mut self: Box<Self>) {
        for (_, mail) in self.mail.close() {
            self.refuse(mail);
        }
        if self.record.durable {
            let ops = vec![Op::DeleteQueue { queue: self.record.id }];
            self.shared.store.submit(Submission { ops, ..Submission::default() });
        }
        if let Some(intake) = &self.intake {
            intake.end(&self.vhost, self.record.id);
        }
        self.shared.store.forget_pages(self.record.id);
        forget_queue(&self.shared, &self.vhost, &self.record).await;
    }

    /// Mail for a queue that is no more. Its publishes went nowhere, which is a confirm, as for any unroutable message, but not
    /// what a transaction was promised: there they are refused. Its part of a joined unit is empty.
    fn refuse(&mut self, mail: Mail) {
        match mail {
            Mail::Tell(command) => self.confirm_lost(&command, false),
            Mail::Joined(join, commands) => {
                commands.iter().for_each(|command| self.confirm_lost(command, true));
                self.shared.store.submit(Submission { join: Some(join), ..Submission::default() });
            }
            Mail::Ask(..) | Mail::Loaded(..) | Mail::Crash(_) | Mail::Restore(_) => {}
        }
    }

    fn confirm_lost(&mut self, command: &Command, refused: bool) {
        let (Command::Publish(connection, _) | Command::PublishDedup(connection, _)) = command else {
            return;
        };
        for publish in command.publishes().filter(|publish| publish.sequence != 0) {
            let (channel, sequence) = (publish.channel, publish.sequence);
            let event = Event::Confirmed { channel, first: sequence, last: sequence, refused };
            self.tell(*connection, event);
        }
    }
}

/// Completes when it rings; never if there is none.
async fn rung<T>(alarm: &mut Option<(Time, impl Future<Output = T> + Unpin)>) -> T {
    match alarm {
        Some((_, rings)) => rings.await,
        None => std::future::pending().await,
    }
}

const fn surroundings<'a>(
    shared: &'a Shared,
    vhost: &'a Vhost,
    record: &'a QueueRecord,
    options: &QueueOptions,
) -> Surroundings<'a> {
    Surroundings { shared, vhost, record, delivery_limit: options.failure.delivery_limit }
}

fn send_replies(replies: Vec<(oneshot::Sender<Reply>, Reply)>) {
    for (reply_to, reply) in replies {
        // Whoever asked may have gone; a message it got stays unacked until its connection is cleaned up.
        let _ = reply_to.send(reply);
    }
}

fn stored(append: StoreAppend, now: Time, wall: Timestamp) -> StoredMessage {
    let StoreAppend { position, message, level, expires } = append;
    // Rounded up, as the wall's time is: nothing dies early.
    let left_ms = expires.since(now).as_micros().div_ceil(1000) as u64;
    let expires_at =
        (expires != Time::NEVER).then(|| Timestamp::from_millis(wall.as_millis().saturating_add(left_ms)));
    StoredMessage { position, message, level, expires_at, redelivered: false }
}

fn restored(stored: StoredMessage, now: Time, wall: Timestamp) -> LoadedMessage {
    let StoredMessage { position, message, level, expires_at, .. } = stored;
    let left_ms = |at: Timestamp| at.as_millis().saturating_sub(wall.as_millis());
    let expires = expires_at.map_or(Time::NEVER, |at| now.plus_ms(left_ms(at)));
    LoadedMessage { position, message, expires, level }
}
