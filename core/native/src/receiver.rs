//! Receiving and opening tunnel datagrams: one recvmmsg(2) with UDP_GRO, then each datagram is opened from the library's
//! buffer straight into a slot of the caller's arena. One receiver serves all sessions of a process.

use crate::address::{Address, SocketAddress};
use crate::tunnel::{DATA, HEADER, Header, Keys, Opener, Refusal, TAG};
use crate::udp::{Control, NO_CONTROL, Told};
use crate::{Outcome, last_error, slice_mut};
use libc::{EINVAL, ENOBUFS, c_int};
use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::{size_of, zeroed};
use std::rc::Rc;
use std::slice::{from_raw_parts, from_raw_parts_mut};

/// Datagrams that one message may hold (UDP_GRO_CNT_MAX, net/ipv4/udp_offload.c).
const MAX_SEGMENTS: usize = 64;
/// Messages of one call. Coalesced ones have 64 KiB each, and should still be in the cache when they are opened.
const MAX_MESSAGES: usize = 16;
const MESSAGE_BYTES: usize = 65_536;
const MAX_AGE_MICROS: i64 = 1_000_000;
pub(crate) const NO_SESSION: u32 = u32::MAX;
const FIRST: u32 = 1;

/// One delivered datagram as it crosses.
#[repr(C)]
pub(crate) struct Record {
    pub(crate) slot: u32,
    pub(crate) length: u32,
    pub(crate) tag: u32,
    pub(crate) path: u32,
    pub(crate) counter: [u32; 2],
    pub(crate) wire_bytes: u32,
    pub(crate) tos: u32,
    pub(crate) age_micros: u32,
    pub(crate) remote: Address,
    pub(crate) local: Address,
    pub(crate) flags: u32,
}

const _: () = assert!(size_of::<Record>() == 20 * 4);

struct Session {
    opener: Rc<RefCell<Opener>>,
    tag: u32,
}

/// What was dropped since the start.
#[derive(Default, Clone, Copy)]
struct Counts {
    forged: u64,
    replayed: u64,
    unknown: u64,
    unfit: u64,
}

/// The buffers of recvmmsg, whose headers point into each other: made once, never moved.
struct Batch {
    bytes: Box<[u8]>,
    messages: Box<[libc::mmsghdr; MAX_MESSAGES]>,
    vectors: Box<[libc::iovec; MAX_MESSAGES]>,
    controls: Box<[Control; MAX_MESSAGES]>,
    remotes: Box<[libc::sockaddr_in6; MAX_MESSAGES]>,
}

impl Batch {
    fn new() -> Self {
        Batch {
            // Pages that nothing was received into cost nothing.
            bytes: vec![0; MAX_MESSAGES * MESSAGE_BYTES].into(),
            messages: Box::new(unsafe { zeroed() }),
            vectors: Box::new(unsafe { zeroed() }),
            controls: Box::new([NO_CONTROL; MAX_MESSAGES]),
            remotes: Box::new(unsafe { zeroed() }),
        }
    }

    /// Receives up to `most` messages.
    fn fill(&mut self, fd: c_int, most: usize) -> Result<usize, Outcome> {
        for index in 0..most {
            self.vectors[index] = libc::iovec {
                iov_base: self.bytes[index * MESSAGE_BYTES..].as_mut_ptr().cast(),
                iov_len: MESSAGE_BYTES,
            };
            let header = &mut self.messages[index].msg_hdr;
            header.msg_name = (&raw mut self.remotes[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in6>() as u32;
            header.msg_iov = &mut self.vectors[index];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[index].as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>();
            header.msg_flags = 0;
        }
        let messages = self.messages.as_mut_ptr();
        let flags = libc::MSG_DONTWAIT;
        let count =
            unsafe { libc::recvmmsg(fd, messages, most as u32, flags, std::ptr::null_mut()) };
        if count < 0 {
            Err(last_error())
        } else {
            Ok(count as usize)
        }
    }

    fn remote(&self, index: usize) -> Address {
        let mut remote = SocketAddress::empty();
        let from = self.remotes[index];
        unsafe { remote.as_mut_ptr().cast::<libc::sockaddr_in6>().write(from) };
        Address::from_socket(&remote)
    }
}

/// The caller's memory for one call.
struct Arena<'a> {
    bytes: &'a mut [u8],
    stride: usize,
    headroom: usize,
    free: &'a [i32],
    records: &'a mut [Record],
    taken: usize,
}

impl Arena<'_> {
    /// The next free slot, from the headroom on, if so many bytes fit.
    fn room(&mut self, length: usize) -> Option<&mut [u8]> {
        if length > self.stride - self.headroom {
            return None;
        }
        let slot = usize::try_from(*self.free.get(self.taken)?).ok()?;
        let start = slot.checked_mul(self.stride)? + self.headroom;
        self.bytes.get_mut(start..start + length)
    }

    /// Delivers what was put there.
    fn take(&mut self, record: Record) {
        let slot = self.free[self.taken] as u32;
        self.records[self.taken] = Record { slot, ..record };
        self.taken += 1;
    }
}

pub struct Receiver {
    sessions: HashMap<u32, Session>,
    counts: Counts,
    batch: Batch,
}

impl Receiver {
    fn receive(&mut self, fd: c_int, arena: &mut Arena) -> Result<(), Outcome> {
        let most = (arena.free.len() / MAX_SEGMENTS).min(MAX_MESSAGES);
        if most == 0 {
            return Err(-ENOBUFS);
        }
        let count = self.batch.fill(fd, most)?;
        let now = now();
        for index in 0..count {
            let length = self.batch.messages[index].msg_len as usize;
            if self.batch.messages[index].msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                // More than a whole IP packet: only with limits raised (ip-link(8), gro_max_size).
                self.counts.unfit += 1;
                continue;
            }
            let told = unsafe { Told::read(&self.batch.messages[index].msg_hdr, length) };
            let template = Record {
                slot: 0,
                length: 0,
                tag: NO_SESSION,
                path: 0,
                counter: [0; 2],
                wire_bytes: 0,
                tos: u32::from(told.tos),
                age_micros: told.stamp.map_or(0, |stamp| age(&now, &stamp)),
                remote: self.batch.remote(index),
                local: told.local,
                flags: 0,
            };
            let bytes = &self.batch.bytes[index * MESSAGE_BYTES..][..length];
            // An empty datagram is one too.
            let mut rest = Some(bytes);
            while let Some(bytes) = rest {
                let end = told.segment.clamp(1, bytes.len().max(1)).min(bytes.len());
                let (datagram, more) = bytes.split_at(end);
                rest = Some(more).filter(|more| !more.is_empty());
                let record = Record {
                    wire_bytes: datagram.len() as u32,
                    ..template
                };
                deliver(&self.sessions, &mut self.counts, datagram, record, arena);
            }
        }
        Ok(())
    }
}

/// Opens or copies one datagram into the next slot, or counts why not.
fn deliver(
    sessions: &HashMap<u32, Session>,
    counts: &mut Counts,
    datagram: &[u8],
    mut record: Record,
    arena: &mut Arena,
) {
    let head = match datagram.first_chunk::<HEADER>() {
        Some(head) if head[0] == DATA && datagram.len() >= HEADER + TAG => head,
        _ => {
            let Some(room) = arena.room(datagram.len()) else {
                counts.unfit += 1;
                return;
            };
            room.copy_from_slice(datagram);
            record.length = datagram.len() as u32;
            return arena.take(record);
        }
    };
    let header = Header::decode(head);
    let Some(session) = sessions.get(&header.receiver) else {
        counts.unknown += 1;
        return;
    };
    let length = datagram.len() - HEADER - TAG;
    let Some(room) = arena.room(length) else {
        counts.unfit += 1;
        return;
    };
    match session.opener.borrow_mut().open(&header, datagram, room) {
        Ok(first) => {
            record.length = length as u32;
            record.tag = session.tag;
            record.path = u32::from(header.path);
            record.counter = [header.counter as u32, (header.counter >> 32) as u32];
            record.flags = if first { FIRST } else { 0 };
            arena.take(record);
        }
        Err(Refusal::Forged) => counts.forged += 1,
        Err(Refusal::Replayed) => counts.replayed += 1,
    }
}

/// The clock that SO_TIMESTAMPNS is of.
fn now() -> libc::timespec {
    let mut time: libc::timespec = unsafe { zeroed() };
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut time) };
    time
}

fn age(now: &libc::timespec, stamp: &libc::timespec) -> u32 {
    let seconds = (now.tv_sec - stamp.tv_sec).clamp(-2, 2);
    let micros = seconds * 1_000_000 + (now.tv_nsec - stamp.tv_nsec) / 1000;
    micros.clamp(0, MAX_AGE_MICROS) as u32
}

#[unsafe(no_mangle)]
pub extern "C" fn otb_receiver_new() -> *mut Receiver {
    Box::into_raw(Box::new(Receiver {
        sessions: HashMap::new(),
        counts: Counts::default(),
        batch: Batch::new(),
    }))
}

/// Opens with these keys what comes for that index from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_receiver_add(
    receiver: *mut Receiver,
    index: u32,
    keys: *const Keys,
    tag: u32,
) -> Outcome {
    let (Some(receiver), Some(keys)) = (unsafe { (receiver.as_mut(), keys.as_ref()) }) else {
        return -EINVAL;
    };
    let opener = keys.opener.clone();
    receiver.sessions.insert(index, Session { opener, tag });
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_receiver_remove(receiver: *mut Receiver, index: u32) {
    if let Some(receiver) = unsafe { receiver.as_mut() } {
        receiver.sessions.remove(&index);
    }
}

/// Receives once; see ffi.ts. `records` has room for `free_count` records.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_receiver_receive(
    receiver: *mut Receiver,
    fd: c_int,
    arena: *mut u8,
    arena_len: u32,
    stride: u32,
    headroom: u32,
    free: *const i32,
    free_count: u32,
    records: *mut u32,
) -> Outcome {
    let Some(receiver) = (unsafe { receiver.as_mut() }) else {
        return -EINVAL;
    };
    if headroom >= stride || free_count == 0 {
        return if free_count == 0 { -ENOBUFS } else { -EINVAL };
    }
    let mut arena = unsafe {
        Arena {
            bytes: slice_mut(arena, arena_len),
            stride: stride as usize,
            headroom: headroom as usize,
            free: from_raw_parts(free, free_count as usize),
            records: from_raw_parts_mut(records.cast(), free_count as usize),
            taken: 0,
        }
    };
    match receiver.receive(fd, &mut arena) {
        Ok(()) => arena.taken as Outcome,
        Err(error) => error,
    }
}

/// Writes how many datagrams were dropped since the start: forged, replayed or too old, of no session, too large.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_receiver_counts(receiver: *const Receiver, out: *mut f64) {
    if let Some(receiver) = unsafe { receiver.as_ref() } {
        let counts = &receiver.counts;
        let all = [counts.forged, counts.replayed, counts.unknown, counts.unfit];
        for (index, count) in all.iter().enumerate() {
            unsafe { out.add(index).write(*count as f64) };
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_receiver_free(receiver: *mut Receiver) {
    if !receiver.is_null() {
        drop(unsafe { Box::from_raw(receiver) });
    }
}
