//! Confirms on which a rule hits. While there are rules for confirms, and on channels that lost one, each publish is confirmed by itself: one
//! for several would confirm what is to stay unconfirmed.

use crate::faults::{Action, Armed, Happening};
use crate::protocol::encode;
use crate::session::confirms::{Confirmation, SentConfirm};
use crate::session::machine::channel::Mode;
use crate::session::machine::session::Session;
use crate::session::watch::{Doom, LateConfirm};
use crate::time::Time;

impl Session {
    /// Sends the confirms that rules have a say in; the others are left.
    #[cold]
    pub(in crate::session::machine) fn send_confirms_watched(&mut self) {
        let numbers = std::mem::take(&mut self.connection.confirmed_channels);
        for number in numbers {
            if self.confirms_singly(number) {
                for (tag, refused) in self.taken_confirms(number) {
                    self.confirm_watched(number, tag, refused);
                }
            } else {
                self.connection.confirmed_channels.push(number);
            }
        }
    }

    fn confirms_singly(&self, number: u16) -> bool {
        let channel = self.channels.get(usize::from(number)).and_then(Option::as_ref);
        let has_gaps = channel.is_some_and(|channel| match &channel.mode {
            Mode::Confirm(confirms) => confirms.has_gaps(),
            _ => false,
        });
        has_gaps || self.connection.watch.as_ref().is_some_and(|watch| watch.armed().has(Armed::CONFIRM))
    }

    fn taken_confirms(&mut self, number: u16) -> Vec<(u64, bool)> {
        match self.channel(number).map(|channel| &mut channel.mode) {
            Some(Mode::Confirm(confirms)) => confirms.take_singly(),
            _ => Vec::new(),
        }
    }

    fn confirm_watched(&mut self, number: u16, tag: u64, refused: bool) {
        let incarnation = self.channel(number).map_or(0, |channel| channel.incarnation);
        let Some(watch) = &mut self.connection.watch else { return };
        let noted = watch.published.remove(&(number, tag));
        // The connection ends: nothing that comes after that is confirmed.
        if watch.doom.is_some() {
            return;
        }
        let is_asked = watch.armed().has(Armed::CONFIRM);
        let verdict = is_asked.then(|| watch.decide_on(Happening::Confirm, number, noted.as_ref())).flatten();
        match verdict.map(|verdict| verdict.action) {
            None => return self.send_confirm(number, tag, refused),
            Some(Action::Nack) => return self.send_confirm(number, tag, true),
            Some(Action::Delay(ms)) => {
                let due = watch.now.plus_ms(ms);
                watch.late.push(LateConfirm { channel: number, incarnation, tag, refused, due });
            }
            Some(Action::Drop) => {}
            Some(Action::Close(refusal)) => watch.doom = Some(Doom::Close(refusal)),
            Some(_) => watch.doom = Some(Doom::Reset),
        }
        if let Some(Mode::Confirm(confirms)) = self.channel(number).map(|channel| &mut channel.mode) {
            confirms.note_gap();
        }
    }

    fn send_confirm(&mut self, number: u16, tag: u64, refused: bool) {
        let Some(channel) = self.channels.get_mut(usize::from(number)).and_then(Option::as_mut) else {
            return;
        };
        let Mode::Confirm(confirms) = &channel.mode else { return };
        let confirmation =
            if refused { Confirmation::Nack { tag } } else { Confirmation::Ack { tag, multiple: false } };
        if let Some(sent) = &mut self.connection.sent_confirms {
            sent.push(SentConfirm::of(number, confirms.base(), confirmation));
        }
        if refused {
            encode::nack(&mut self.connection.out, number, tag, false, false);
            channel.counted.refused += 1;
        } else {
            encode::ack(&mut self.connection.out, number, tag, false);
            channel.counted.confirmed += 1;
        }
    }

    pub(super) fn confirm_due(&mut self, now: Time) {
        let Some(watch) = &mut self.connection.watch else { return };
        let due: Vec<LateConfirm> = watch.late.extract_if(.., |late| late.due <= now).collect();
        for LateConfirm { channel, incarnation, tag, refused, .. } in due {
            if self.channel(channel).is_some_and(|channel| channel.incarnation == incarnation) {
                self.note_channel(channel);
                self.send_confirm(channel, tag, refused);
            }
        }
    }
}
