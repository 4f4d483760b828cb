//! What a broker answers a client until that opens a vhost: frames are told apart, and nothing of them is looked at but their method.

use crate::protocol::frame::FRAME_OVERHEAD;

/// Type, channel, size; then class and method.
const HEAD_BYTES: usize = 11;
/// Class `connection`, and its methods `start`, `secure` and `tune` (spec section 1.4).
const CONNECTION: u8 = 10;
const HANDSHAKE: [u8; 3] = [10, 20, TUNE];
const TUNE: u8 = 30;

/// What a broker has answered so far.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The beginning of a frame; when all is told, of the one that is none of the handshake's.
    pub(super) held: Vec<u8>,
    /// So much of a frame is to come.
    left: usize,
    is_tune: bool,
    answered: Answered,
}

/// What that comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The handshake goes on.
    #[default]
    Nothing,
    /// All of `connection.tune`: the login is accepted, and nothing more comes before the client opens a vhost.
    Tune,
    /// Something else: it is not.
    Other,
}

impl Answers {
    /// What it comes to.
    pub(crate) const fn answered(&self) -> Answered {
        self.answered
    }

    /// Whether nothing of the handshake is to come.
    pub(super) fn is_over(&self) -> bool {
        self.answered != Answered::Nothing
    }

    /// Takes of what the broker says what belongs to the handshake, and what it needs to know that something does not; how much.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while !self.is_over() && taken < bytes.len() {
            let rest = bytes.get(taken..).unwrap_or_default();
            let wanted = if self.left > 0 { self.left } else { HEAD_BYTES - self.held.len() };
            let some = rest.get(..wanted).unwrap_or(rest);
            taken += some.len();
            if self.left > 0 {
                self.left -= some.len();
            } else {
                self.held.extend(some);
                self.begin();
            }
            if self.left == 0 && self.is_tune {
                self.answered = Answered::Tune;
            }
        }
        taken
    }

    /// A frame's beginning may be there.
    fn begin(&mut self) {
        match *self.held.as_slice() {
            [1, 0, 0, a, b, c, d, 0, CONNECTION, 0, method] if HANDSHAKE.contains(&method) => {
                let payload = u32::from_be_bytes([a, b, c, d]) as usize;
                self.left = (payload + FRAME_OVERHEAD).saturating_sub(HEAD_BYTES);
                self.is_tune = method == TUNE;
                self.held.clear();
            }
            ref held if held.len() == HEAD_BYTES => self.answered = Answered::Other,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::FRAME_END;

    fn method(id: u8, arguments: &[u8]) -> Vec<u8> {
        let mut frame = vec![1, 0, 0];
        frame.extend((arguments.len() as u32 + 4).to_be_bytes());
        frame.extend([0, CONNECTION, 0, id]);
        frame.extend(arguments);
        frame.push(FRAME_END);
        frame
    }

    #[test]
    fn a_login_is_accepted_when_all_of_the_tune_is_there() {
        let (start, tune, close) = (method(10, &[3; 200]), method(30, &[0; 8]), method(50, &[0; 30]));
        for at_once in [1, 3, 11, 500] {
            let taken = |frames: &[&[u8]]| {
                let mut answers = Answers::default();
                frames.concat().chunks(at_once).for_each(|some| {
                    answers.take(some);
                });
                answers.answered()
            };
            assert_eq!(taken(&[&start]), Answered::Nothing);
            assert_eq!(taken(&[&start, &tune[..tune.len() - 1]]), Answered::Nothing);
            assert_eq!(taken(&[&start, &tune]), Answered::Tune);
            assert_eq!(taken(&[&start, &close]), Answered::Other);
        }
    }
}
