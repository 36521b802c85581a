//! Handshake messages changed on their way, made up, or read by who they were not meant for.

use super::{CANARY, Input};
use crate::noise::{Handshake, parse};
use libc::EINVAL;

const FIRST: usize = 96;
const SECOND: usize = 48;

/// A message with one change, and whether it differs from what was sent.
fn changed(message: &[u8], input: &mut Input) -> (Vec<u8>, bool) {
    let mut bytes = message.to_vec();
    match input.byte() & 7 {
        0 => {}
        1 => bytes.truncate(input.below(message.len() + 1)),
        2 => bytes.extend_from_slice(input.bytes(40)),
        3 => bytes = input.rest().to_vec(),
        4 => {
            // A public key of small order, or one that is not reduced.
            let at = input.below(message.len());
            let fill = [0, 1, 0xff, 0xed][input.below(4)];
            bytes[at..message.len().min(at + 32)].fill(fill);
        }
        _ => {
            let at = input.below(message.len());
            bytes[at] ^= 1 << input.below(8);
        }
    }
    let differs = bytes != message;
    (bytes, differs)
}

/// Reads into memory of which only the payload's part may be written.
fn read(into: &mut Handshake, message: &[u8], overhead: usize) -> Result<Vec<u8>, i32> {
    let length = message.len().saturating_sub(overhead);
    let mut out = vec![CANARY; length + 32];
    let result = into.read(message, &mut out[..length]);
    assert!(out[length..].iter().all(|byte| *byte == CANARY));
    result.map(|count| out[..count].to_vec())
}

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (ours, theirs, psk) = ([1u8; 32], [2u8; 32], [3u8; 32]);
    let (_, public) = parse(&theirs).unwrap();
    let (_, own) = parse(&ours).unwrap();
    let wrong = input.byte();
    let prologue = if wrong & 1 == 1 { b"other" } else { b"right" };
    let other = if wrong & 2 == 2 { [4; 32] } else { psk };
    let mut near = Handshake::new(&ours, Some(&public), Some(&psk), b"right").unwrap();
    let mut far = Handshake::new(&theirs, None, None, prologue).unwrap();
    let payload = input.bytes(usize::from(wrong >> 2));

    let mut message = vec![0; payload.len() + FIRST];
    assert_eq!(near.write(payload, &mut message), Ok(message.len()));
    let (sent, differs) = changed(&message, &mut input);
    let got = read(&mut far, &sent, FIRST);
    // The psk goes in only with the second message (IKpsk2).
    if differs || wrong & 1 == 1 {
        assert!(got.is_err());
        assert_eq!(far.remote_key(), None);
        assert!(far.split(7).is_none());
        return;
    }
    assert_eq!(got.as_deref(), Ok(payload));
    assert_eq!(far.remote_key(), Some(&own[..]));
    // Whose key it is, is known only now.
    assert_eq!(far.set_psk(&other), Ok(()));
    assert_eq!(far.read(&message, &mut [0; 512]), Err(-EINVAL));

    let mut message = vec![0; payload.len() + SECOND];
    assert_eq!(far.write(payload, &mut message), Ok(message.len()));
    let (sent, differs) = changed(&message, &mut input);
    let got = read(&mut near, &sent, SECOND);
    if differs || wrong & 2 == 2 {
        assert!(got.is_err());
        assert!(near.split(7).is_none());
        return;
    }
    assert_eq!(got.as_deref(), Ok(payload));
    assert!(near.split(7).is_some() && far.split(8).is_some());
}
