//! Readers with a cursor, who come and go.

use std::collections::{BTreeMap, BTreeSet};

use super::At;
use super::publishing::publish;
use super::topology::{CURSORS, STREAMS, cursor_arguments};
use crate::simulation::client::{Client, Said, Settle};
use crate::simulation::ledger::{Shared, lock};
use crate::simulation::random::Random;
use crate::support::virtual_time::pass;

/// Reads with a cursor, goes, and comes again.
pub async fn reader(at: At, cursor: usize, mut random: Random) {
    while let Some(client) = at.client().await {
        let session = Session::new(client, at.ledger.clone(), cursor, random.fork());
        if session.run().await.is_none() {
            return;
        }
    }
}

/// A publish of a reader: what it acked before it is on the disk when it is confirmed.
struct Mark {
    id: u64,
    acked: Vec<u64>,
}

/// From a reader's coming to its going.
struct Session {
    client: Client,
    ledger: Shared,
    cursor: usize,
    stream: usize,
    number: usize,
    publisher: usize,
    prefetch: u64,
    held: Vec<(u64, u64)>,
    /// Acked since the last publish.
    acked: Vec<u64>,
    /// Acked, and not known to be on the disk.
    unheard: BTreeSet<u64>,
    marks: BTreeMap<u64, Mark>,
    sequence: u64,
    random: Random,
}

impl Session {
    fn new(client: Client, ledger: Shared, cursor: usize, mut random: Random) -> Self {
        let stream = CURSORS[cursor].stream;
        let (number, publisher) = {
            let streams = &mut lock(&ledger).streams;
            (streams.cursors[cursor].new_reader(), streams.logs[stream].new_publisher())
        };
        let (held, acked, unheard, marks) = (Vec::new(), Vec::new(), BTreeSet::new(), BTreeMap::new());
        let (prefetch, sequence) = (1 + random.below(6), 0);
        Self {
            client,
            ledger,
            cursor,
            stream,
            number,
            publisher,
            prefetch,
            held,
            acked,
            unheard,
            marks,
            sequence,
            random,
        }
    }

    /// `None` if the broker is gone.
    async fn run(mut self) -> Option<()> {
        let cursor = &CURSORS[self.cursor];
        self.client.confirm_select();
        let arguments = cursor_arguments(cursor);
        self.client.consume_with(STREAMS[cursor.stream].0, self.prefetch as u16, arguments).await?;
        for _ in 0..5 + self.random.below(60) {
            let said = self.client.next().await?;
            self.hear(said);
            self.say_something();
            self.client.flush().await?;
            pass(self.random.below(2)).await;
        }
        self.go().await
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Delivery { tag, redelivered, body, offset } => {
                let offset = offset.expect("what comes from a stream has an offset");
                let streams = &mut lock(&self.ledger).streams;
                streams.logs[self.stream].saw(offset, body);
                let book = &mut streams.cursors[self.cursor];
                book.delivered(self.number, self.prefetch, (offset, body, redelivered));
                self.held.push((tag, offset));
                assert!(self.held.len() as u64 <= self.prefetch, "more unacked than {}", self.prefetch);
            }
            Said::Confirm { tag, multiple, ack } => self.confirmed(tag, multiple, ack),
            Said::Method(_) => {}
        }
    }

    fn confirmed(&mut self, tag: u64, multiple: bool, ack: bool) {
        assert!(ack, "nothing is refused here");
        let first = if multiple { 0 } else { tag };
        let streams = &mut lock(&self.ledger).streams;
        for (_, Mark { id, acked }) in self.marks.extract_if(first..=tag, |_, _| true) {
            streams.logs[self.stream].confirmed(id);
            self.unheard.retain(|offset| !acked.contains(offset));
            streams.cursors[self.cursor].are_sure(acked);
        }
    }

    fn say_something(&mut self) {
        while self.held.len() as u64 == self.prefetch || (!self.held.is_empty() && self.random.one_in(3)) {
            self.settle_some();
        }
        if self.random.one_in(6) {
            let id = publish(&mut self.client, &self.ledger, self.stream, self.publisher);
            self.sequence += 1;
            let acked = std::mem::take(&mut self.acked);
            self.marks.insert(self.sequence, Mark { id, acked });
        }
    }

    fn settle_some(&mut self) {
        let at = self.random.below(self.held.len() as u64) as usize;
        let (tag, offset) = self.held[at];
        match self.random.below(8) {
            0 | 1 => {
                self.held.swap_remove(at);
                self.client.settle(tag, Settle::Requeue);
                lock(&self.ledger).streams.cursors[self.cursor].given_back(self.number, offset);
            }
            2 => {
                self.client.ack_up_to(tag);
                let acked: Vec<_> = self.held.extract_if(.., |(held, _)| *held <= tag).collect();
                acked.into_iter().for_each(|(_, offset)| self.note_acked(offset));
            }
            kind => {
                self.held.swap_remove(at);
                self.client.settle(tag, if kind == 3 { Settle::Reject } else { Settle::Ack });
                self.note_acked(offset);
            }
        }
    }

    fn note_acked(&mut self, offset: u64) {
        lock(&self.ledger).streams.cursors[self.cursor].acked(self.number, offset);
        self.acked.push(offset);
        self.unheard.insert(offset);
    }

    async fn go(mut self) -> Option<()> {
        match self.random.below(3) {
            0 => self.cancel().await?,
            1 => {}
            _ => {
                lock(&self.ledger).streams.cursors[self.cursor].is_lost(self.number, &self.unheard);
                return Some(());
            }
        }
        lock(&self.ledger).streams.cursors[self.cursor].ends(self.number);
        self.client.close_channel().await
    }

    /// Is given no more, and settles some of what it has.
    async fn cancel(&mut self) -> Option<()> {
        lock(&self.ledger).streams.cursors[self.cursor].leaves(self.number);
        self.client.cancel();
        self.client.flush().await?;
        loop {
            match self.client.next().await? {
                Said::Method(_) => break,
                said => self.hear(said),
            }
        }
        for _ in 0..self.random.below(4) {
            if !self.held.is_empty() {
                self.settle_some();
            }
        }
        self.client.flush().await
    }
}
