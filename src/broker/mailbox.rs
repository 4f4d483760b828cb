//! A queue's mailbox.
//!
//! It takes whatever it is given at once, so that a queue can write to another queue, or to itself, without waiting: that
//! way nothing can deadlock. What keeps it small is that connections look at its [`Gauge`] and stop reading from their
//! socket while it is over its mark.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Notify, oneshot};

use super::batch_channel::{Receiver, Sender, batch_channel};
use super::queue_machine::LeftInStore;
use super::world::{Activity, InFlight};
use crate::queue::{Command, Publish, Reply};
use crate::store::{Join, StoredMessage, Unreadable};

/// Above this many bytes a mailbox makes its publishers wait. A few socket reads of each of some dozen connections.
const HIGH_BYTES: usize = 1024 * 1024;
/// At this many bytes they go on.
const LOW_BYTES: usize = HIGH_BYTES / 2;
/// What a command counts for beside the messages in it.
const COMMAND_BYTES: usize = 64;

/// What a queue task gets.
#[derive(Debug)]
pub enum Mail {
    /// A command.
    Tell(Command),
    /// A command whose reply is waited for.
    Ask(Command, oneshot::Sender<Reply>),
    /// Commands whose store records are one part of an atomic unit over several queues.
    Joined(Join, Vec<Command>),
    /// Messages that the store was asked for under this id. What the queue asks for bounds them.
    Loaded(u64, Result<Vec<StoredMessage>, Unreadable>),
    /// A test wants it to lose what is in memory, as in a crash. It says whether it did, and so has to be told what the store has.
    Crash(oneshot::Sender<bool>),
    /// What the store has of it, after a crash.
    Restore(Box<LeftInStore>),
}

/// How full something is, and a place to wait for it to empty.
#[derive(Debug, Default)]
pub struct Gauge {
    bytes: AtomicUsize,
    /// Whether the queue itself wants publishers to wait, however empty its mailbox is.
    is_held: AtomicBool,
    emptied: Notify,
    /// Of a world: mail is under way until its batch is carried out.
    activity: Option<Arc<Activity>>,
}

impl Gauge {
    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    fn subtract(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if before > LOW_BYTES && before - bytes <= LOW_BYTES {
            self.emptied.notify_waiters();
        }
    }

    fn hold(&self, hold: bool) {
        if self.is_held.swap(hold, Ordering::AcqRel) && !hold {
            self.emptied.notify_waiters();
        }
    }

    fn is_over(&self, mark: usize) -> bool {
        self.bytes.load(Ordering::Acquire) > mark || self.is_held.load(Ordering::Acquire)
    }

    /// Returns when the low mark is reached and the queue holds nobody.
    async fn wait(&self) {
        loop {
            let emptied = self.emptied.notified();
            if !self.is_over(LOW_BYTES) {
                return;
            }
            emptied.await;
        }
    }
}

/// The sending end.
#[derive(Clone, Debug)]
pub struct Mailbox {
    sender: Sender<(usize, Mail)>,
    gauge: Arc<Gauge>,
}

impl Mailbox {
    /// A mailbox and its receiving end; in a world, with what is under way there.
    pub fn new(activity: Option<Arc<Activity>>) -> (Self, MailReceiver) {
        let (sender, receiver) = batch_channel();
        let gauge = Arc::new(Gauge { activity, ..Gauge::default() });
        let receiving = MailReceiver { receiver, gauge: Arc::clone(&gauge), carried_out: 0 };
        (Self { sender, gauge }, receiving)
    }

    /// Something that will send mail is under way, if anybody wants to know.
    pub fn begin(&self) -> Option<InFlight> {
        self.gauge.activity.as_ref().map(Activity::begin)
    }

    /// Puts mail in. The queue may be gone: then the mail comes back.
    pub fn send(&self, mail: Mail) -> Result<(), Mail> {
        let bytes = cost(&mail);
        self.gauge.add(bytes);
        let is_work = self.gauge.activity.as_ref().filter(|_| !is_look(&mail));
        if let Some(activity) = is_work {
            activity.add(1);
        }
        self.sender.send((bytes, mail)).map_err(|error| {
            if let Some(activity) = is_work {
                activity.subtract(1);
            }
            error.1
        })
    }

    /// Puts a command in and waits for its reply; `None` if the queue is gone.
    pub async fn ask(&self, command: Command) -> Option<Reply> {
        let (sender, receiver) = oneshot::channel();
        self.send(Mail::Ask(command, sender)).ok()?;
        receiver.await.ok()
    }

    /// Whether the queue is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether publishers should wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.gauge.is_over(HIGH_BYTES)
    }

    /// Whether publishers that wait have to wait on.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        !self.sender.is_closed() && self.gauge.is_over(LOW_BYTES)
    }

    /// Waits while the mailbox is too full. Only for those that the queue never waits on.
    pub async fn wait_for_room(&self) {
        if !self.sender.is_closed() {
            tokio::select! {
                () = self.gauge.wait() => {}
                () = self.sender.closed() => {}
            }
        }
    }
}

/// The receiving end.
#[derive(Debug)]
pub struct MailReceiver {
    receiver: Receiver<(usize, Mail)>,
    gauge: Arc<Gauge>,
    /// Mail that was taken and is under way until its batch is carried out; in a world alone.
    carried_out: usize,
}

impl MailReceiver {
    /// Waits for mail and takes up to `max` pieces of it, each with what it counted for; none: nobody can send any more.
    pub async fn receive(&mut self, max: usize) -> Vec<(usize, Mail)> {
        let taken = self.receiver.receive(max).await;
        self.account(&taken);
        taken
    }

    /// Makes publishers wait, or lets them go on.
    pub fn hold(&self, hold: bool) {
        self.gauge.hold(hold);
    }

    /// Takes what is there and lets no more in.
    pub fn close(&mut self) -> Vec<(usize, Mail)> {
        let taken = self.receiver.close();
        self.account(&taken);
        taken
    }

    /// What was taken is carried out, and when the queue has to be looked at next is known.
    #[inline]
    pub fn done(&mut self) {
        if let Some(activity) = &self.gauge.activity {
            activity.subtract(std::mem::take(&mut self.carried_out));
        }
    }

    fn account(&mut self, taken: &[(usize, Mail)]) {
        if self.gauge.activity.is_some() {
            self.carried_out += taken.iter().filter(|(_, mail)| !is_look(mail)).count();
        }
        self.gauge.subtract(taken.iter().map(|(bytes, _)| bytes).sum());
    }
}

/// What is left in the mailbox of a task that ends early will never be carried out.
impl Drop for MailReceiver {
    fn drop(&mut self) {
        if self.gauge.activity.is_some() {
            self.close();
            self.done();
        }
    }
}

/// Whether it changes nothing: whoever waits for a world to be quiet may look meanwhile.
const fn is_look(mail: &Mail) -> bool {
    matches!(mail, Mail::Ask(Command::Count | Command::Measure | Command::Describe | Command::Peek(_), _))
}

fn cost(mail: &Mail) -> usize {
    match mail {
        Mail::Tell(command) | Mail::Ask(command, _) => command_cost(command),
        Mail::Joined(_, commands) => commands.iter().map(command_cost).sum(),
        Mail::Loaded(..) | Mail::Crash(_) | Mail::Restore(_) => COMMAND_BYTES,
    }
}

fn command_cost(command: &Command) -> usize {
    let of = |publish: &Publish| publish.message.encoded_len() + COMMAND_BYTES;
    match command {
        Command::Publish(_, publishes)
        | Command::PublishDeadLettered(publishes, _)
        | Command::PublishDue(publishes, _) => publishes.iter().map(of).sum::<usize>() + COMMAND_BYTES,
        Command::PublishDedup(_, publishes) => {
            publishes.iter().map(|dedup| of(&dedup.publish) + COMMAND_BYTES).sum::<usize>() + COMMAND_BYTES
        }
        _ => COMMAND_BYTES,
    }
}
