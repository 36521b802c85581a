//! Data packets between two ends that have the keys: opened once each, and never when a bit was changed on the way.

use super::Input;
use crate::tunnel::{HEADER, Header, Keys, MAX_COUNTER, PATHS, Refusal, TAG};
use std::collections::HashSet;

fn open(keys: &Keys, datagram: &[u8]) -> Result<Vec<u8>, Refusal> {
    let header = Header::decode(datagram.first_chunk().unwrap());
    let mut out = vec![0; datagram.len() - HEADER - TAG];
    let mut opener = keys.opener.borrow_mut();
    opener.open(&header, datagram, &mut out).map(|_| out)
}

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut near = Keys::new(&[1; 32], &[2; 32], 7).unwrap();
    let far = Keys::new(&[2; 32], &[1; 32], 8).unwrap();
    let (mut sent, mut opened) = (Vec::new(), HashSet::new());
    while input.more() && sent.len() < 100 {
        let kind = input.byte();
        if kind & 3 == 0 || sent.is_empty() {
            let path = input.byte() % PATHS as u8;
            if kind & 0x40 != 0 {
                // Far ahead, up to where counters end.
                let far = u64::from_le_bytes(input.array()) % (MAX_COUNTER + 2);
                let counter = &mut near.sealer.counters[usize::from(path)];
                *counter = far.max(*counter);
            }
            let plain = input.bytes(usize::from(kind >> 2)).to_vec();
            let mut datagram = vec![0; plain.len() + HEADER + TAG];
            match near.sealer.seal(path, &plain, &mut datagram) {
                Ok(()) => sent.push((datagram, plain)),
                Err(_) => assert!(near.sealer.counters[usize::from(path)] >= MAX_COUNTER),
            }
            continue;
        }
        let index = input.below(sent.len());
        let (datagram, plain) = &sent[index];
        if kind & 3 == 1 {
            match open(&far, datagram) {
                Ok(out) => assert!(out == *plain && opened.insert(index)),
                // Seen, or too old: then another of the path is far ahead of it.
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::Replayed);
                    let ahead = |other: &usize| {
                        let [one, two] = [index, *other].map(|index| &sent[index].0);
                        let (one, two) = (counter(one), counter(two));
                        one.0 == two.0 && two.1 >= one.1 + crate::replay::WINDOW
                    };
                    assert!(opened.contains(&index) || opened.iter().any(ahead));
                }
            }
            continue;
        }
        let mut forged = datagram.clone();
        let at = input.below(forged.len());
        forged[at] ^= 1 << input.below(8);
        if kind & 3 == 3 {
            forged.truncate(HEADER + TAG + input.below(forged.len() - HEADER - TAG + 1));
        }
        assert!(forged == *datagram || open(&far, &forged).is_err());
        // What is ours is not for us.
        assert!(open(&near, datagram).is_err());
    }
}

fn counter(datagram: &[u8]) -> (u8, u64) {
    let header = Header::decode(datagram.first_chunk().unwrap());
    (header.path, header.counter)
}
