//! Datagrams of anybody through a real socket into slots of an arena: only an authentic packet, once, is delivered as one
//! of a session; nothing outside the slots given is written; nothing is allocated for what did not prove itself.

use super::{CANARY, Input, allocations};
use crate::address::Address;
use crate::receiver::*;
use crate::tunnel::{HEADER, Keys, PATHS, TAG};
use crate::udp::{otb_udp_open, otb_udp_send};
use std::mem::{size_of, zeroed};

const SLOTS: usize = 1024;
const INDEX: u32 = 8;
const SESSION: u32 = 77;
/// UDP_GRO, the outer TOS byte, and the own address, as ffi.ts numbers them.
const FLAGS: u32 = 1 | 32 | 64;

/// Sockets and a receiver, kept for all inputs of this thread.
struct Place {
    from: i32,
    to: i32,
    address: [u8; 20],
    receiver: *mut Receiver,
    arena: Vec<u8>,
    records: Vec<Record>,
}

impl Place {
    fn new() -> Self {
        let mut any = [0; 20];
        unsafe { Address::v4([127, 0, 0, 1], 0).write(any.as_mut_ptr()) };
        let open = |flags| unsafe { otb_udp_open(any.as_ptr(), std::ptr::null(), 0, 0, 0, flags) };
        let (from, to) = (open(0), open(FLAGS));
        assert!(from >= 0 && to >= 0);
        let mut address = any;
        unsafe {
            let mut name: libc::sockaddr_in = zeroed();
            let mut size = size_of::<libc::sockaddr_in>() as u32;
            assert_eq!(libc::getsockname(to, (&raw mut name).cast(), &mut size), 0);
            let port = u16::from_be(name.sin_port);
            Address::v4([127, 0, 0, 1], port).write(address.as_mut_ptr());
        }
        Place {
            from,
            to,
            address,
            receiver: otb_receiver_new(),
            arena: Vec::new(),
            records: (0..SLOTS).map(|_| unsafe { zeroed() }).collect(),
        }
    }

    fn counts(&self) -> [f64; 4] {
        let mut counts = [0.0; 4];
        unsafe { otb_receiver_counts(self.receiver, counts.as_mut_ptr()) };
        counts
    }
}

thread_local! {
    static PLACE: std::cell::RefCell<Place> = std::cell::RefCell::new(Place::new());
}

/// One datagram and, when it is authentic and new, what it says.
struct Sent {
    bytes: Vec<u8>,
    says: Option<Vec<u8>>,
}

fn datagrams(input: &mut Input, near: &mut Keys) -> Vec<Sent> {
    let mut all: Vec<Sent> = Vec::new();
    while input.more() && all.len() < 12 {
        let [kind, more] = input.array();
        let plain = input.bytes(usize::from(more)).to_vec();
        let mut bytes = vec![0; plain.len() + HEADER + TAG];
        if kind & 3 != 3 && kind & 3 != 2 {
            near.sealer
                .seal(more % PATHS as u8, &plain, &mut bytes)
                .unwrap();
        }
        let mut says = None;
        match kind & 3 {
            0 => says = Some(plain),
            1 => {
                let at = input.below(bytes.len());
                // The two bytes between path and index are part of what is authentic too.
                bytes[at] ^= 1 << input.below(8);
            }
            2 if !all.is_empty() => bytes = all[input.below(all.len())].bytes.clone(),
            _ => bytes = plain,
        }
        // The same again, as one message of several (UDP_GRO) below.
        for _ in 0..1 + usize::from(kind >> 6) {
            all.push(Sent {
                bytes: bytes.clone(),
                says: says.take(),
            });
        }
    }
    all
}

pub fn run(data: &[u8]) {
    PLACE.with_borrow_mut(|place| unsafe { through(place, &mut Input(data)) });
}

unsafe fn through(place: &mut Place, input: &mut Input) {
    let mut near = Keys::new(&[1; 32], &[2; 32], INDEX).unwrap();
    let far = Keys::new(&[2; 32], &[1; 32], 9).unwrap();
    let stride = 1 + input.below(600);
    let headroom = input.below(stride);
    let sent = datagrams(input, &mut near);
    unsafe { otb_receiver_add(place.receiver, INDEX, &far, SESSION) };
    let mut rest = &sent[..];
    while let [first, ..] = rest {
        // Equal ones go as one message (UDP_SEGMENT), which empty ones cannot.
        let equal = |next: &&Sent| next.bytes == first.bytes && !next.bytes.is_empty();
        let (group, more) = rest.split_at(rest.iter().take_while(equal).count().max(1));
        rest = more;
        let whole: Vec<u8> = group.iter().flat_map(|one| one.bytes.clone()).collect();
        let (length, segment) = (whole.len() as u32, first.bytes.len() as u32);
        let (to, any) = (place.address.as_ptr(), std::ptr::null());
        let bytes = whole.as_ptr();
        let answer = unsafe { otb_udp_send(place.from, to, any, bytes, 0, length, segment) };
        assert_eq!(answer, length as i32);
    }
    // Every other slot, from the end: the others belong to somebody.
    let free: Vec<i32> = (0..SLOTS as i32)
        .rev()
        .filter(|slot| slot & 1 == 0)
        .collect();
    let free = [&free[..], &free[..]].concat();
    place.arena.clear();
    place.arena.resize(SLOTS * stride, CANARY);
    let before = place.counts();
    let mut delivered = Vec::new();
    let mut used = vec![false; SLOTS];
    let mut handled = 0.0;
    while handled < sent.len() as f64 {
        let (made, count) = allocations(|| unsafe {
            otb_receiver_receive(
                place.receiver,
                place.to,
                place.arena.as_mut_ptr(),
                place.arena.len() as u32,
                stride as u32,
                headroom as u32,
                free[delivered.len()..].as_ptr(),
                SLOTS as u32 / 2,
                place.records.as_mut_ptr().cast(),
            )
        });
        assert!(count >= 0, "{count} after {handled} of {}", sent.len());
        let mut proved = 0;
        for record in &place.records[..count as usize] {
            let start = record.slot as usize * stride + headroom;
            let length = record.length as usize;
            assert!(!std::mem::replace(&mut used[record.slot as usize], true));
            assert!(length <= stride - headroom);
            proved += u64::from(record.tag == SESSION);
            // It came to the address that it was sent to.
            assert_eq!(record.local.bytes[..4], [127, 0, 0, 1]);
            let bytes = place.arena[start..start + length].to_vec();
            delivered.push((record.tag, bytes));
        }
        // A window for each path that was first heard of, at most.
        assert!(made <= proved, "{made} allocations for {proved} packets");
        let now = place.counts();
        handled = delivered.len() as f64 + (0..4).map(|at| now[at] - before[at]).sum::<f64>();
    }
    unsafe { otb_receiver_remove(place.receiver, INDEX) };
    check(place, &sent, &delivered, stride, headroom, &used, &free);
}

fn check(
    place: &Place,
    sent: &[Sent],
    delivered: &[(u32, Vec<u8>)],
    stride: usize,
    headroom: usize,
    used: &[bool],
    free: &[i32],
) {
    let fits = |length: usize| length <= stride - headroom;
    let mut sessions = delivered.iter().filter(|(tag, _)| *tag == SESSION);
    for says in sent.iter().filter_map(|one| one.says.as_ref()) {
        if fits(says.len()) {
            assert_eq!(sessions.next().map(|(_, bytes)| bytes), Some(says));
        }
    }
    assert!(sessions.next().is_none());
    for (tag, bytes) in delivered.iter().filter(|(tag, _)| *tag != SESSION) {
        assert_eq!(*tag, NO_SESSION);
        let data = bytes.first() == Some(&4) && bytes.len() >= HEADER + TAG;
        assert!(!data && sent.iter().any(|one| one.bytes == *bytes));
    }
    // A slot whose packet was then refused may be written to, and is the next to be used.
    let next = free
        .get(delivered.len())
        .map_or(SLOTS, |slot| *slot as usize);
    for (slot, memory) in place.arena.chunks_exact(stride).enumerate() {
        let untouched = if used[slot] || slot == next {
            headroom
        } else {
            stride
        };
        assert!(memory[..untouched].iter().all(|byte| *byte == CANARY));
    }
}
