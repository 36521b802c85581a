//! A stream of sealed frames that arrives in any pieces, changed on its way or made by an end that has the key and lies.

use super::Input;
use crate::aead::{HEAD, Session, TAG};
use libc::{EBADMSG, ENOBUFS};

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let method = u32::from(input.byte() & 1);
    let salt = [input.byte(); 32];
    let mut sealer = Session::new(method, &[1; 32], &salt).unwrap();
    let mut opener = Session::new(method, &[1; 32], &salt).unwrap();
    let (plain, mut stream) = (input.rest().to_vec(), Vec::new());
    let mut input = Input(data);
    // Frames as they should be, or with any length in their head.
    let (mut expected, mut honest) = (Vec::new(), true);
    for _ in 0..input.below(4) {
        let start = input.below(plain.len() + 1);
        let payload = &plain[start..];
        if input.byte() & 7 != 0 {
            let at = stream.len();
            stream.resize(
                at + payload.len() + payload.len().div_ceil(0x3fff) * (HEAD + TAG),
                0,
            );
            let length = sealer.seal_frames(payload, &mut stream[at..]).unwrap();
            stream.truncate(at + length);
            expected.extend_from_slice(if honest { payload } else { &[] });
        } else {
            let head: [u8; 2] = input.array();
            let length = usize::from(u16::from_be_bytes(head));
            let at = stream.len();
            stream.resize(at + HEAD + payload.len() + TAG, 0);
            sealer.seal(&head, &mut stream[at..at + HEAD]).unwrap();
            sealer.seal(payload, &mut stream[at + HEAD..]).unwrap();
            honest &= length == payload.len() && (method == 0 || length <= 0x3fff);
            expected.extend_from_slice(if honest { payload } else { &[] });
        }
    }
    let changed = input.byte() & 1 == 1 && !stream.is_empty();
    if changed {
        let at = input.below(stream.len());
        stream[at] ^= 1 << (input.byte() & 7);
    }
    let mut opened = Vec::new();
    let mut rest = &stream[..];
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(match input.byte() {
            0 => rest.len(),
            few => usize::from(few).min(rest.len()),
        });
        rest = more;
        let room = opener.pending.len() + piece.len();
        if room > 0 {
            // Refused for lack of room, nothing is used up: the same piece may come again.
            let mut small = vec![0; room - 1];
            assert_eq!(opener.open_frames(piece, &mut small), Err(-ENOBUFS));
        }
        let mut out = vec![0; room];
        match opener.open_frames(piece, &mut out) {
            Ok(length) => opened.extend_from_slice(&out[..length]),
            Err(error) => {
                assert_eq!(error, -EBADMSG);
                assert!(changed || !honest, "an honest stream was refused");
                // For good.
                assert_eq!(opener.open_frames(&[0; 40], &mut [0; 80]), Err(-EBADMSG));
                assert_eq!(opener.open_frames(&[], &mut [0; 80]), Err(-EBADMSG));
                return;
            }
        }
        assert!(opener.pending.len() < 0xffff + TAG);
        assert!(opened.len() <= plain.len() * 4);
        assert!(changed || !honest || expected.starts_with(&opened));
    }
    assert!(changed || !honest || opened == expected);
}
