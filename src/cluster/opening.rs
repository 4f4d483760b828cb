//! What an AMQP client says until it opens a vhost: frames are told apart, and nothing of them is looked at but the vhost's name. What is
//! no AMQP 0-9-1, or makes no sense, is a broker's to refuse.

/// What a client of AMQP 0-9-1 says first.
const PROTOCOL: &[u8; 8] = b"AMQP\0\0\x09\x01";
/// Type, channel, size.
const HEAD_BYTES: usize = 7;
const FRAME_END: u8 = 0xCE;
/// No client says more before it is in.
const SAID_BYTES_MAX: usize = 1024 * 1024;

/// All that a client has said so far.
#[derive(Debug, Default)]
pub(super) struct Opening {
    said: Vec<u8>,
    /// So much of it is understood, and to be passed on.
    passed: usize,
    /// So much of it has been asked for.
    given: usize,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The handshake goes on.
    Nothing,
    /// `connection.open` of this vhost, which is not passed on.
    Opens(String),
    /// Something that a broker has to answer; all of it is passed on.
    Other,
}

impl Opening {
    /// Takes what the client says.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Said {
        self.said.extend_from_slice(bytes);
        loop {
            let rest = self.said.get(self.passed..).unwrap_or_default();
            let len = match (self.passed, frame(rest)) {
                (0, _) if rest.len() < PROTOCOL.len() && PROTOCOL.starts_with(rest) => return Said::Nothing,
                (0, _) if rest.starts_with(PROTOCOL) => PROTOCOL.len(),
                (0, _) | (_, Frame::Wrong) => return self.other(),
                (_, Frame::Partial) if self.said.len() > SAID_BYTES_MAX => return self.other(),
                (_, Frame::Partial) => return Said::Nothing,
                (_, Frame::Whole(len)) => len,
            };
            match rest.get(..len).and_then(vhost) {
                Some(Some(vhost)) if self.passed > 0 => return Said::Opens(vhost),
                Some(None) if self.passed > 0 => return self.other(),
                _ => self.passed += len,
            }
        }
    }

    fn other(&mut self) -> Said {
        self.passed = self.said.len();
        Said::Other
    }

    /// What is to be passed on and was not asked for yet.
    pub(super) fn passed(&mut self) -> &[u8] {
        let from = std::mem::replace(&mut self.given, self.passed);
        self.said.get(from..self.passed).unwrap_or_default()
    }

    /// What has not been passed on: `connection.open`, and what came with it.
    pub(super) fn rest(&self) -> &[u8] {
        self.said.get(self.passed..).unwrap_or_default()
    }

    /// All of it.
    pub(super) fn into_said(self) -> Vec<u8> {
        self.said
    }
}

enum Frame {
    Partial,
    Whole(usize),
    Wrong,
}

fn frame(bytes: &[u8]) -> Frame {
    let Some(&[_, _, _, a, b, c, d]) = bytes.first_chunk::<HEAD_BYTES>() else { return Frame::Partial };
    let size = u32::from_be_bytes([a, b, c, d]) as usize;
    if size > SAID_BYTES_MAX {
        return Frame::Wrong;
    }
    let len = HEAD_BYTES + size + 1;
    match bytes.get(len - 1) {
        None => Frame::Partial,
        Some(&FRAME_END) => Frame::Whole(len),
        Some(_) => Frame::Wrong,
    }
}

/// The vhost of a `connection.open`; `Some(None)` if it is one that makes no sense, `None` if it is something else.
fn vhost(frame: &[u8]) -> Option<Option<String>> {
    let [1, 0, 0, _, _, _, _, 0, 10, 0, 40, name @ ..] = frame else { return None };
    let name = name.split_first().and_then(|(len, rest)| rest.get(..usize::from(*len)));
    Some(name.and_then(|name| String::from_utf8(name.to_vec()).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(id: u8, arguments: &[u8]) -> Vec<u8> {
        let mut frame = vec![1, 0, 0];
        frame.extend((arguments.len() as u32 + 4).to_be_bytes());
        frame.extend([0, 10, 0, id]);
        frame.extend(arguments);
        frame.push(FRAME_END);
        frame
    }

    #[test]
    fn everything_up_to_the_open_is_passed_on_however_it_comes() {
        let before = [PROTOCOL.to_vec(), method(11, &[1; 90]), method(31, &[2; 8])].concat();
        let open = [method(40, b"\x03a/b\0\0"), method(10, b"more")].concat();
        let all = [before.clone(), open.clone()].concat();
        for at_once in 1..all.len() {
            let (mut opening, mut passed, mut opens) = (Opening::default(), Vec::new(), None);
            for some in all.chunks(at_once) {
                if opens.is_some() {
                    break;
                }
                match opening.take(some) {
                    Said::Nothing => {}
                    Said::Opens(vhost) => opens = Some(vhost),
                    Said::Other => panic!("{at_once} at once"),
                }
                passed.extend(opening.passed());
            }
            assert_eq!((opens.as_deref(), &passed), (Some("a/b"), &before), "{at_once} at once");
            assert!(open.starts_with(opening.rest()) || opening.rest().starts_with(&open));
        }
    }

    #[test]
    fn what_makes_no_sense_is_passed_on_whole() {
        let opened = |arguments: &[u8]| [&PROTOCOL[..], &method(40, arguments)].concat();
        let broken = [&PROTOCOL[..], &[1, 0, 0, 0, 0, 0, 1, 7, 7]].concat();
        for wrong in [b"GET / HTTP/1.1".to_vec(), b"AMQP\x03\x01\0\0".to_vec(), broken, opened(b"\x09short")]
        {
            let mut opening = Opening::default();
            assert_eq!(opening.take(&wrong), Said::Other);
            let passed = opening.passed().to_vec();
            assert_eq!((&passed, opening.rest()), (&wrong, &[][..]));
        }
    }
}
