//! Several queues and one channel whose consumers share a prefetch: whatever the order in which the tasks of queues and
//! connection run, it holds, and nothing that could be delivered stays.

use std::collections::VecDeque;

use super::*;
use crate::message::QueueId;

const QUEUES: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Publish(usize, usize),
    Consume {
        queue: usize,
        prefetch: u16,
        no_ack: bool,
        priority: i32,
    },
    Cancel(usize),
    Qos(u16),
    Settle(usize, Settlement),
    Delete(usize),
    /// The task of a queue takes its mail.
    RunQueue(usize),
    /// The task of the connection takes its events.
    RunSession,
}

fn step() -> impl Strategy<Value = Step> {
    let queue = 0..QUEUES;
    let settlement = prop_oneof![4 => Just(Settlement::Ack), 1 => Just(Settlement::Requeue), 1 => Just(Settlement::Reject)];
    prop_oneof![
        6 => (queue.clone(), 1..8_usize).prop_map(|(queue, count)| Step::Publish(queue, count)),
        3 => (queue.clone(), prop_oneof![3 => Just(0_u16), 1 => 1..4_u16], 0..6_u8, -1..2_i32).prop_map(
            |(queue, prefetch, no_ack, priority)| Step::Consume { queue, prefetch, no_ack: no_ack == 0, priority }),
        1 => (0..8_usize).prop_map(Step::Cancel),
        2 => (0..6_u16).prop_map(Step::Qos),
        10 => (0..64_usize, settlement).prop_map(|(which, settlement)| Step::Settle(which, settlement)),
        8 => queue.clone().prop_map(Step::RunQueue),
        6 => Just(Step::RunSession),
        1 => (queue, 0..20_u8).prop_map(|(queue, rare)| if rare == 0 { Step::Delete(queue) } else { Step::RunSession }),
    ]
}

enum Event {
    Deliver(usize, ConsumerKey, Vec<Delivery>),
    TurnPassedOn,
}

struct Member {
    key: ConsumerKey,
    queue: usize,
    /// No limit of its own.
    takes_all: bool,
}

struct Task {
    queue: Queue,
    mail: VecDeque<Command>,
    ended: bool,
}

/// A connection with one channel, and the tasks of queues.
struct World {
    tasks: Vec<Task>,
    events: VecDeque<Event>,
    members: Vec<Member>,
    no_acks: BTreeSet<u32>,
    unacked: Vec<(usize, Handle, u32)>,
    prefetch: Option<Arc<ChannelPrefetch>>,
    limit: usize,
    made: u32,
    numbers: u32,
}

impl World {
    fn new() -> Self {
        let queue = || Queue::new(QueueOptions::default(), Position(1), Time::ZERO);
        let task = |_| Task { queue: queue(), mail: VecDeque::new(), ended: false };
        Self {
            tasks: (0..QUEUES).map(task).collect(),
            events: VecDeque::new(),
            members: Vec::new(),
            no_acks: BTreeSet::new(),
            unacked: Vec::new(),
            prefetch: None,
            limit: 0,
            made: 0,
            numbers: 0,
        }
    }

    fn share(&self, queue: usize) -> Option<PrefetchShare> {
        self.prefetch.clone().map(|prefetch| PrefetchShare::new(prefetch, QueueId(queue as u64)))
    }

    fn send(&mut self, queue: usize, command: Command) {
        self.tasks[queue].mail.push_back(command);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(queue, count) => {
                let publish =
                    |_| Publish { message: message("m"), channel: 9, sequence: 0, ttl_ms: None, priority: 0 };
                self.send(queue, Command::Publish(PUBLISHER, (0..count).map(publish).collect()));
            }
            Step::Consume { queue, prefetch, no_ack, priority } => {
                self.numbers += 1;
                let (key, channel_prefetch) = (key(self.numbers), self.share(queue));
                self.no_acks.extend(no_ack.then_some(key.number));
                self.members.push(Member { key, queue, takes_all: no_ack || prefetch == 0 });
                self.send(
                    queue,
                    Command::Consume(Box::new(Consume {
                        prefetch,
                        no_ack,
                        priority,
                        channel_prefetch,
                        ..consume_as(key)
                    })),
                );
                // As over a connection, which waits for the answer.
                self.run_queue(queue);
            }
            Step::Cancel(which) => {
                let Some(index) = which.checked_rem(self.members.len()) else { return };
                let Member { key, queue, .. } = self.members.remove(index);
                self.send(queue, Command::Cancel(key));
                self.run_queue(queue);
            }
            Step::Qos(limit) => self.qos(limit),
            Step::Settle(which, settlement) => self.settle(which, settlement),
            Step::Delete(queue) => {
                self.send(queue, Command::Delete { if_unused: false, if_empty: false });
                self.members.retain(|member| member.queue != queue);
            }
            Step::RunQueue(queue) => self.run_queue(queue),
            Step::RunSession => self.run_session(),
        }
    }

    fn qos(&mut self, limit: u16) {
        self.limit = usize::from(limit);
        match &self.prefetch {
            Some(prefetch) if limit > 0 => {
                let turns = prefetch.set(limit);
                return self.tell(turns);
            }
            None if limit == 0 => return,
            Some(_) => self.prefetch = None,
            None => {
                self.made += 1;
                self.prefetch = Some(Arc::new(ChannelPrefetch::new(self.made, limit, self.unacked.len())));
            }
        }
        for queue in 0..QUEUES {
            let share = self.share(queue);
            self.send(queue, Command::SetChannelPrefetch(CONSUMER, 1, share));
        }
    }

    fn tell(&mut self, turns: Vec<QueueId>) {
        for queue in turns {
            self.send(queue.0 as usize, Command::TakeTurn(CONSUMER, 1));
        }
    }

    fn settle(&mut self, which: usize, settlement: Settlement) {
        let Some(index) = which.checked_rem(self.unacked.len()) else { return };
        let (queue, handle, _) = self.unacked.swap_remove(index);
        self.send(queue, Command::Settle(settlement, vec![handle]));
        if let Some(prefetch) = self.prefetch.clone() {
            self.tell(prefetch.give_back(1));
        }
    }

    fn run_queue(&mut self, index: usize) {
        let task = &mut self.tasks[index];
        let mut effects = Effects::default();
        for command in std::mem::take(&mut task.mail) {
            if !task.ended {
                task.queue.apply(Time::ZERO, command, &mut effects);
                task.ended |= effects.ended.is_some();
            }
        }
        task.queue.settle_batch(Time::ZERO, &mut effects);
        let taken = self.counted(effects.deliveries.iter().flat_map(|batch| &batch.deliveries));
        let took = effects.deliveries.into_iter();
        self.events.extend(took.map(|batch| Event::Deliver(index, batch.consumer, batch.deliveries)));
        self.events.extend(effects.turns_passed_on.into_iter().map(|_| Event::TurnPassedOn));
        if taken > 0 {
            let under_way = self.events.iter().map(|event| match event {
                Event::Deliver(_, _, deliveries) => self.counted(deliveries),
                Event::TurnPassedOn => 0,
            });
            let all = self.unacked.len() + under_way.sum::<usize>();
            assert!(all <= self.limit, "{all} are out with a limit of {}", self.limit);
        }
    }

    /// How many took of the credit that there is now.
    fn counted<'a>(&self, deliveries: impl IntoIterator<Item = &'a Delivery>) -> usize {
        let id = self.prefetch.as_ref().map(|prefetch| prefetch.id());
        deliveries.into_iter().filter(|delivery| id == Some(delivery.counted_by)).count()
    }

    fn run_session(&mut self) {
        while let Some(event) = self.events.pop_front() {
            match (event, self.prefetch.clone()) {
                (Event::Deliver(queue, consumer, deliveries), prefetch) => {
                    if self.no_acks.contains(&consumer.number) {
                        continue;
                    }
                    if let Some(prefetch) = prefetch {
                        prefetch.count(deliveries.iter().filter(|d| d.counted_by != prefetch.id()).count());
                    }
                    self.unacked.extend(deliveries.iter().map(|d| (queue, d.handle, consumer.number)));
                }
                (Event::TurnPassedOn, Some(prefetch)) => self.tell(prefetch.next_turns()),
                (Event::TurnPassedOn, None) => {}
            }
        }
    }

    /// Until nobody has anything to do.
    fn rest(&mut self) {
        while self.tasks.iter().any(|task| !task.mail.is_empty()) || !self.events.is_empty() {
            (0..QUEUES).for_each(|queue| self.run_queue(queue));
            self.run_session();
        }
        self.check_rest();
    }

    /// With credit left, nothing waits that somebody with credit of his own could have.
    fn check_rest(&self) {
        if self.limit > 0 && self.unacked.len() >= self.limit {
            return;
        }
        for (index, task) in self.tasks.iter().enumerate().filter(|(_, task)| !task.ended) {
            let takes_all = |member: &&Member| member.queue == index && member.takes_all;
            assert!(task.queue.within_prefetch());
            let waits = task.queue.counts().ready > 0 && self.members.iter().any(|m| takes_all(&m));
            assert!(!waits, "queue {index} has messages, a consumer and credit");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_channels_prefetch_holds_and_starves_no_queue(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.rest();
        while !world.unacked.is_empty() {
            world.settle(7, Settlement::Ack);
            world.rest();
        }
        for (index, task) in world.tasks.iter().enumerate().filter(|(_, task)| !task.ended) {
            let is_consumed = world.members.iter().any(|member| member.queue == index);
            prop_assert!(!is_consumed || task.queue.counts().ready == 0, "queue {index} starves");
        }
    }
}

#[test]
fn queues_of_a_channel_take_turns() {
    let mut world = World::new();
    world.qos(1);
    for queue in 0..QUEUES {
        world.step(Step::Publish(queue, 10));
        world.step(Step::Consume { queue, prefetch: 0, no_ack: false, priority: 0 });
    }
    let mut from = Vec::new();
    world.rest();
    while let Some((queue, ..)) = world.unacked.first() {
        from.push(*queue);
        world.settle(0, Settlement::Ack);
        world.rest();
    }
    // The first stood in line for its second before the others came, as in RabbitMQ.
    let rounds: Vec<usize> = (0..9).flat_map(|_| 0..QUEUES).collect();
    assert_eq!((from[0], &from[1..28], &from[28..]), (0, &rounds[..], &[1, 2][..]));
}

#[test]
fn consumers_of_a_channel_on_one_queue_take_turns() {
    let mut world = World::new();
    world.qos(2);
    world.step(Step::Publish(0, 9));
    for _ in 0..3 {
        world.step(Step::Consume { queue: 0, prefetch: 0, no_ack: false, priority: 0 });
    }
    let mut takers = Vec::new();
    world.rest();
    while !world.unacked.is_empty() {
        takers.push(world.unacked[0].2);
        world.unacked.rotate_left(1);
        world.settle(world.unacked.len() - 1, Settlement::Ack);
        world.rest();
    }
    // The first had two, and was held first, before the others came.
    assert_eq!(takers, [1, 1, 1, 2, 3, 1, 2, 3, 1]);
}
