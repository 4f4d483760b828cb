//! Confirms of publishes, on their way from queues to the client.

use super::channel::Mode;
use super::session::Session;
use crate::protocol::encode;
use crate::session::confirms::{Confirmation, SentConfirm};

impl Session {
    /// Whether publishes wait for their confirms.
    #[must_use]
    pub fn has_unconfirmed(&self) -> bool {
        self.channels.iter().flatten().any(|channel| match &channel.mode {
            Mode::Confirm(confirms) => confirms.outstanding() > 0,
            _ => false,
        })
    }

    /// A queue's confirm or refusal of publishes came in; [`send_confirms`](Self::send_confirms) sends it. In a
    /// transaction refusals count, until [`is_commit_whole`](Self::is_commit_whole) asks.
    pub fn confirmed(&mut self, channel: u16, first: u64, last: u64, refused: bool) {
        self.note_channel(channel);
        let Some(channel) = self.channel(channel) else { return };
        let number = channel.number;
        match &mut channel.mode {
            Mode::Plain => return,
            Mode::Transaction(work) => return work.refused |= refused,
            Mode::Confirm(confirms) if refused => confirms.refused(first, last),
            Mode::Confirm(confirms) => confirms.confirmed(first, last),
        }
        self.connection.note_confirmed(number);
    }

    /// Whether no queue refused a publish of the channel's last commit.
    pub fn is_commit_whole(&mut self, channel: u16) -> bool {
        match self.channel(channel).map(|channel| &mut channel.mode) {
            Some(Mode::Transaction(work)) => !std::mem::take(&mut work.refused),
            _ => true,
        }
    }

    /// From now on it is noted which confirms were sent, or no longer.
    pub fn watch_confirms(&mut self, is_wanted: bool) {
        match is_wanted {
            true => drop(self.connection.sent_confirms.get_or_insert_default()),
            false => self.connection.sent_confirms = None,
        }
    }

    /// Takes those that were sent since the last call, while they are noted.
    pub fn take_sent_confirms(&mut self) -> Vec<SentConfirm> {
        self.connection.sent_confirms.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Writes the acks and nacks of all that was confirmed, coalesced per channel.
    pub fn send_confirms(&mut self) {
        if self.connection.watch.is_some() {
            self.send_confirms_watched();
        }
        for number in std::mem::take(&mut self.connection.confirmed_channels) {
            let Some(channel) = self.channels.get_mut(usize::from(number)).and_then(Option::as_mut) else {
                continue;
            };
            let Mode::Confirm(confirms) = &mut channel.mode else { continue };
            let (out, sent) = (&mut self.connection.out, &mut self.connection.sent_confirms);
            let (base, mut refused) = (confirms.base(), 0);
            let confirmed = confirms.take_confirmations(|confirmation| {
                if let Some(sent) = sent {
                    sent.push(SentConfirm::of(number, base, confirmation));
                }
                match confirmation {
                    Confirmation::Ack { tag, multiple } => encode::ack(out, number, tag, multiple),
                    Confirmation::Nack { tag } => {
                        refused += 1;
                        encode::nack(out, number, tag, false, false);
                    }
                }
            });
            channel.counted.confirmed += confirmed;
            channel.counted.refused += refused;
        }
    }
}
