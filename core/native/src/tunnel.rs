//! Keys of one epoch of one tunnel session, and sealing and sending with them. A datagram is a header of 16 bytes
//! (`u8 type = 4 | u8 path | u16 zero | u32 receiver index | u64 counter`, little-endian), ciphertext and tag: AES-256-GCM
//! with the header as associated data and `u32 path | u64 counter` as nonce, so that paths count on their own.

use crate::address::Address;
use crate::replay::Window;
use crate::udp::{Datagrams, send_datagrams};
use crate::{Outcome, slice};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use libc::{EINVAL, EMSGSIZE, EOVERFLOW, c_int};
use std::cell::RefCell;
use std::rc::Rc;
use std::slice::from_raw_parts;

pub const HEADER: usize = 16;
pub const TAG: usize = 16;
pub const DATA: u8 = 4;
pub(crate) const PATHS: usize = 8;
/// No counter gets there; far below what would wrap.
pub(crate) const MAX_COUNTER: u64 = 1 << 60;
/// UDP_MAX_SEGMENTS of kernels before 6.9 (linux/udp.h).
const MAX_SEGMENTS: usize = 64;
/// The largest payload of UDP over IPv4 without options, for one datagram and for one call with UDP_SEGMENT.
const MAX_BYTES: usize = 65_507;

thread_local! {
    /// Where datagrams are sealed into and sent from. One for all sessions: it is only used within a call.
    static STAGING: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_BYTES].into());
}

/// What a header says.
pub struct Header {
    pub path: u8,
    pub receiver: u32,
    pub counter: u64,
}

impl Header {
    fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = DATA;
        bytes[1] = self.path;
        bytes[4..8].copy_from_slice(&self.receiver.to_le_bytes());
        bytes[8..].copy_from_slice(&self.counter.to_le_bytes());
        bytes
    }

    /// Reads the header of something that has type and length of a data packet.
    pub fn decode(bytes: &[u8; HEADER]) -> Self {
        let [_, path, _, _, a, b, c, d, counter @ ..] = *bytes;
        Header {
            path,
            receiver: u32::from_le_bytes([a, b, c, d]),
            counter: u64::from_le_bytes(counter),
        }
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[0] = self.path;
        nonce[4..].copy_from_slice(&self.counter.to_le_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?))
}

/// The sending direction.
pub(crate) struct Sealer {
    key: LessSafeKey,
    receiver: u32,
    pub(crate) counters: [u64; PATHS],
    /// The sum of the counters with which it began.
    begun: u64,
}

impl Sealer {
    fn sum(&self) -> u64 {
        self.counters.iter().sum()
    }

    /// The next header of a path: a counter is given out once, whatever becomes of the packet.
    fn next(&mut self, path: u8) -> Result<Header, Outcome> {
        let slot = self.counters.get_mut(path as usize).ok_or(-EINVAL)?;
        let counter = *slot;
        if counter >= MAX_COUNTER {
            return Err(-EOVERFLOW);
        }
        *slot = counter + 1;
        Ok(Header {
            path,
            receiver: self.receiver,
            counter,
        })
    }

    /// Seals into `out`, which has room for exactly header, ciphertext and tag.
    pub(crate) fn seal(&mut self, path: u8, plain: &[u8], out: &mut [u8]) -> Result<(), Outcome> {
        let header = self.next(path)?;
        let (head, rest) = out.split_at_mut(HEADER);
        let (sealed, tag) = rest.split_at_mut(plain.len());
        let bytes = header.encode();
        head.copy_from_slice(&bytes);
        self.key
            .seal_out_of_place_scatter(header.nonce(), Aad::from(bytes), plain, sealed, &[], tag)
            .map_err(|_| -EINVAL)
    }
}

/// Why a data packet is not delivered.
#[derive(Debug, PartialEq)]
pub enum Refusal {
    Forged,
    Replayed,
}

/// The receiving direction: windows are made when a path is first used, as most keys use few.
pub struct Opener {
    key: LessSafeKey,
    windows: [Option<Box<Window>>; PATHS],
    used: bool,
}

impl Opener {
    /// Opens a whole datagram into `out`, which has the length of the plaintext; tells whether it is the first. Only an
    /// authentic packet moves the window.
    pub fn open(
        &mut self,
        header: &Header,
        datagram: &[u8],
        out: &mut [u8],
    ) -> Result<bool, Refusal> {
        let window = self
            .windows
            .get_mut(header.path as usize)
            .ok_or(Refusal::Forged)?;
        if header.counter >= MAX_COUNTER {
            return Err(Refusal::Forged);
        }
        if window
            .as_ref()
            .is_some_and(|window| !window.is_new(header.counter))
        {
            return Err(Refusal::Replayed);
        }
        let (head, rest) = datagram.split_at(HEADER);
        let (sealed, tag) = rest.split_at(rest.len() - TAG);
        self.key
            .open_separate_gather(header.nonce(), Aad::from(head), sealed, tag, out)
            .map_err(|_| Refusal::Forged)?;
        window
            .get_or_insert_with(|| Box::new(Window::new()))
            .mark(header.counter);
        Ok(!std::mem::replace(&mut self.used, true))
    }
}

/// One epoch of keys. The receiver shares the opening half, so that neither has to outlive the other.
pub struct Keys {
    pub(crate) sealer: Sealer,
    pub opener: Rc<RefCell<Opener>>,
}

impl Keys {
    pub fn new(send: &[u8; 32], receive: &[u8; 32], receiver: u32) -> Option<Self> {
        Some(Keys {
            sealer: Sealer {
                key: cipher(send)?,
                receiver,
                counters: [0; PATHS],
                begun: 0,
            },
            opener: Rc::new(RefCell::new(Opener {
                key: cipher(receive)?,
                windows: Default::default(),
                used: false,
            })),
        })
    }

    /// Counts on where the former keys of the session are, so that the receiver sees one row of numbers per path.
    fn follow(&mut self, former: &Keys) {
        self.sealer.counters = former.sealer.counters;
        self.sealer.begun = self.sealer.sum();
    }

    /// Seals and sends run by run, and returns how many packets the kernel took. Those of a run that it refused have used
    /// their counters: sealed again they are other packets.
    fn send(
        &mut self,
        to: &Datagrams,
        path: u8,
        arena: &[u8],
        items: &[[u32; 2]],
    ) -> Result<usize, Outcome> {
        STAGING.with_borrow_mut(|staging| {
            let mut sent = 0;
            while sent < items.len() {
                let taken = self.send_run(to, path, arena, &items[sent..], staging);
                match taken {
                    Ok((taken, length)) => {
                        sent += taken;
                        if taken < length {
                            break;
                        }
                    }
                    Err(error) if sent == 0 => return Err(error),
                    Err(_) => break,
                }
            }
            Ok(sent)
        })
    }

    /// Sends the first run of equal packets, and returns how many of how many were taken.
    fn send_run(
        &mut self,
        to: &Datagrams,
        path: u8,
        arena: &[u8],
        items: &[[u32; 2]],
        staging: &mut [u8],
    ) -> Result<(usize, usize), Outcome> {
        let size = |item: &[u32; 2]| item[1] as usize + HEADER + TAG;
        let segment = size(&items[0]);
        if segment > MAX_BYTES {
            return Err(-EMSGSIZE);
        }
        let (mut length, mut count) = (0, 0);
        for item in items.iter().take(MAX_SEGMENTS) {
            let more = size(item);
            if more > segment || length + more > MAX_BYTES {
                break;
            }
            let start = item[0] as usize;
            let plain = &arena[start..start + item[1] as usize];
            self.sealer
                .seal(path, plain, &mut staging[length..length + more])?;
            length += more;
            count += 1;
            if more < segment {
                break;
            }
        }
        let taken = unsafe { send_datagrams(to, &staging[..length], segment) };
        taken.map(|taken| (taken, count))
    }
}

/// Seals `count` packets, given as pairs of offset and length in the arena, and sends them, from `local` if that is not null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_tunnel_send(
    keys: *mut Keys,
    fd: c_int,
    remote: *const u8,
    local: *const u8,
    path: u32,
    tos: u32,
    arena: *const u8,
    room: u32,
    items: *const [u32; 2],
    count: u32,
) -> Outcome {
    let Some(keys) = (unsafe { keys.as_mut() }) else {
        return -EINVAL;
    };
    if path as usize >= PATHS || count == 0 {
        return if count == 0 { 0 } else { -EINVAL };
    }
    let (arena, items, remote, local) = unsafe {
        (
            slice(arena, room),
            from_raw_parts(items, count as usize),
            Address::read(remote),
            Address::read_some(local),
        )
    };
    let inside = |[offset, length]: &[u32; 2]| u64::from(*offset) + u64::from(*length);
    if items.iter().any(|item| inside(item) > u64::from(room)) {
        return -EINVAL;
    }
    let to = Datagrams::new(fd, remote, local, tos as u8);
    keys.send(&to, path as u8, arena, items)
        .map_or_else(|error| error, |sent| sent as Outcome)
}

/// Counts on from the former keys of the session; before anything is sealed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_tunnel_follow(keys: *mut Keys, former: *const Keys) -> Outcome {
    match unsafe { (keys.as_mut(), former.as_ref()) } {
        (Some(keys), Some(former)) if keys.sealer.sum() == keys.sealer.begun => {
            keys.follow(former);
            0
        }
        _ => -EINVAL,
    }
}

/// Packets sealed so far with these keys, over all paths; exact, as it stays below 2^53 in practice.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_tunnel_sealed(keys: *const Keys) -> f64 {
    match unsafe { keys.as_ref() } {
        Some(Keys { sealer, .. }) => (sealer.sum() - sealer.begun) as f64,
        None => 0.0,
    }
}

/// aws-lc wipes the keys when they are freed; those to open with once the receiver has forgotten them too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_tunnel_free(keys: *mut Keys) {
    if !keys.is_null() {
        drop(unsafe { Box::from_raw(keys) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Keys, Keys) {
        let near = Keys::new(&[1; 32], &[2; 32], 7).unwrap();
        (near, Keys::new(&[2; 32], &[1; 32], 8).unwrap())
    }

    fn sealed(keys: &mut Keys, path: u8, plain: &[u8]) -> Vec<u8> {
        let mut out = vec![0; plain.len() + HEADER + TAG];
        keys.sealer.seal(path, plain, &mut out).unwrap();
        out
    }

    fn opened(keys: &Keys, datagram: &[u8]) -> Result<Vec<u8>, Refusal> {
        let header = Header::decode(datagram[..HEADER].try_into().unwrap());
        let mut out = vec![0; datagram.len() - HEADER - TAG];
        let mut opener = keys.opener.borrow_mut();
        opener.open(&header, datagram, &mut out).map(|_| out)
    }

    #[test]
    fn ten_million_seals_over_all_paths_never_repeat_a_path_and_counter() {
        let _alone = crate::MEMORY.lock();
        let (mut keys, _) = pair();
        let mut seen = vec![0u64; PATHS * 10_000_000 / 64];
        let mut seed = 1u32;
        for _ in 0..10_000_000 {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            let header = keys.sealer.next((seed % PATHS as u32) as u8).unwrap();
            let place = header.path as usize * 10_000_000 + header.counter as usize;
            assert_eq!(seen[place / 64] >> (place % 64) & 1, 0);
            seen[place / 64] |= 1 << (place % 64);
        }
        assert_eq!(unsafe { otb_tunnel_sealed(&keys) }, 1e7);
    }

    #[test]
    fn new_keys_count_on_from_the_former_ones_and_know_what_they_sealed_themselves() {
        let (mut former, _) = pair();
        for path in [0, 0, 3] {
            sealed(&mut former, path, &[0; 8]);
        }
        let (mut keys, far) = pair();
        assert_eq!(unsafe { otb_tunnel_follow(&mut keys, &former) }, 0);
        let datagram = sealed(&mut keys, 0, &[1; 8]);
        assert_eq!(datagram[8], 2);
        assert_eq!(opened(&far, &datagram), Ok(vec![1; 8]));
        assert_eq!(unsafe { otb_tunnel_sealed(&keys) }, 1.0);
        // Never back: a number that was used may not come again.
        assert_eq!(unsafe { otb_tunnel_follow(&mut keys, &former) }, -EINVAL);
    }

    #[test]
    fn a_spent_counter_refuses_and_other_paths_go_on() {
        let (mut keys, _) = pair();
        keys.sealer.counters[3] = MAX_COUNTER - 1;
        let mut out = [0; 40];
        assert_eq!(keys.sealer.seal(3, &[0; 8], &mut out), Ok(()));
        assert_eq!(keys.sealer.seal(3, &[0; 8], &mut out), Err(-EOVERFLOW));
        assert_eq!(keys.sealer.seal(3, &[0; 8], &mut out), Err(-EOVERFLOW));
        assert_eq!(keys.sealer.seal(2, &[0; 8], &mut out), Ok(()));
        assert_eq!(keys.sealer.seal(8, &[0; 8], &mut out), Err(-EINVAL));
    }

    #[test]
    fn numbers_go_on_beyond_32_bits_and_neither_a_packet_nor_its_number_comes_twice() {
        let (mut near, far) = pair();
        for start in [(1 << 32) - 2, (1 << 53) - 2, MAX_COUNTER - 4] {
            near.sealer.counters[0] = start;
            for step in 0..4 {
                let datagram = sealed(&mut near, 0, &[7; 8]);
                assert_eq!(datagram[8..16], (start + step).to_le_bytes());
                assert_eq!(opened(&far, &datagram), Ok(vec![7; 8]));
                assert_eq!(opened(&far, &datagram), Err(Refusal::Replayed));
            }
        }
    }

    #[test]
    fn a_forgery_with_a_far_counter_does_not_move_the_window() {
        let (mut near, far) = pair();
        let first = sealed(&mut near, 0, b"first");
        let mut forged = sealed(&mut near, 0, b"second");
        forged[8..16].copy_from_slice(&(MAX_COUNTER - 1).to_le_bytes());
        assert_eq!(opened(&far, &forged), Err(Refusal::Forged));
        assert_eq!(opened(&far, &first), Ok(b"first".to_vec()));
        assert_eq!(opened(&far, &first), Err(Refusal::Replayed));
        forged[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(opened(&far, &forged), Err(Refusal::Forged));
    }

    #[test]
    fn paths_have_windows_of_their_own() {
        let (mut near, far) = pair();
        for path in 0..PATHS as u8 {
            let datagram = sealed(&mut near, path, &[path]);
            assert_eq!(opened(&far, &datagram), Ok(vec![path]));
            assert_eq!(opened(&far, &datagram), Err(Refusal::Replayed));
        }
    }

    #[test]
    fn ten_thousand_keys_take_two_kilobytes_each_until_paths_are_used() {
        let _alone = crate::MEMORY.lock();
        let used = || unsafe { libc::mallinfo2() }.uordblks;
        let before = used();
        let kept: Vec<_> = (0..10_000).map(|_| Box::new(pair().0)).collect();
        let each = (used() - before) / kept.len();
        assert!((512..=2048).contains(&each), "{each} bytes each");
        println!("{each} bytes each");
    }
}
