//! Which station has an address on an interface: one entry of the kernel's neighbour table (rtnetlink(7), RTM_GETNEIGH).

use crate::address::Address;
use crate::socket::Owned;
use crate::{Outcome, last_error};
use libc::{EINVAL, ENOENT, c_void};
use std::mem::size_of;

// linux/neighbour.h
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const MAC_BYTES: usize = 6;

#[repr(C)]
struct Request {
    header: libc::nlmsghdr,
    family: u8,
    pad: [u8; 3],
    interface: i32,
    state: u16,
    flags: u8,
    kind: u8,
    attribute_length: u16,
    attribute: u16,
    address: [u8; 16],
}

/// Writes the six bytes of who has the address, and returns their count; -ENOENT when nobody is known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_neighbour(
    address: *const u8,
    interface: u32,
    mac: *mut u8,
) -> Outcome {
    let address = unsafe { Address::read(address) };
    match look_up(&address, interface) {
        Ok(found) => {
            unsafe { mac.copy_from_nonoverlapping(found.as_ptr(), MAC_BYTES) };
            MAC_BYTES as Outcome
        }
        Err(error) => error,
    }
}

fn look_up(address: &Address, interface: u32) -> Result<[u8; MAC_BYTES], Outcome> {
    let fd = unsafe {
        libc::socket(
            libc::AF_NETLINK,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            libc::NETLINK_ROUTE,
        )
    };
    if fd < 0 {
        return Err(last_error());
    }
    let socket = Owned(fd);
    let address_bytes = if address.is_ipv6() { 16 } else { 4 };
    let length = size_of::<Request>() - 16 + address_bytes;
    let request = Request {
        header: libc::nlmsghdr {
            nlmsg_len: length as u32,
            nlmsg_type: libc::RTM_GETNEIGH,
            nlmsg_flags: libc::NLM_F_REQUEST as u16,
            nlmsg_seq: 1,
            nlmsg_pid: 0,
        },
        family: address.family as u8,
        pad: [0; 3],
        interface: interface as i32,
        state: 0,
        flags: 0,
        kind: 0,
        attribute_length: (4 + address_bytes) as u16,
        attribute: NDA_DST,
        address: address.bytes,
    };
    let mut answer = [0u8; 1024];
    let received = unsafe {
        if libc::send(socket.0, (&raw const request).cast::<c_void>(), length, 0) < 0 {
            return Err(last_error());
        }
        // The kernel answers within the call of send: nothing is waited for.
        libc::recv(
            socket.0,
            answer.as_mut_ptr().cast(),
            answer.len(),
            libc::MSG_DONTWAIT,
        )
    };
    if received < 0 {
        return Err(last_error());
    }
    parse(&answer[..received as usize])
}

/// The link-layer address in an answer.
pub(crate) fn parse(answer: &[u8]) -> Result<[u8; MAC_BYTES], Outcome> {
    let half = |at: usize| {
        answer
            .get(at..at + 2)
            .map(|two| u16::from_ne_bytes([two[0], two[1]]))
    };
    match half(4) {
        Some(libc::RTM_NEWNEIGH) => {}
        Some(kind) if i32::from(kind) == libc::NLMSG_ERROR => {
            let error = answer.get(16..20).ok_or(-EINVAL)?;
            return Err(i32::from_ne_bytes([error[0], error[1], error[2], error[3]]).min(-1));
        }
        _ => return Err(-EINVAL),
    }
    // Header and ndmsg come first.
    let mut at = 28;
    while let (Some(length), Some(kind)) = (half(at), half(at + 2)) {
        let length = length as usize;
        if length < 4 {
            break;
        }
        if kind == NDA_LLADDR && length == 4 + MAC_BYTES {
            let bytes = answer.get(at + 4..at + length).ok_or(-EINVAL)?;
            return bytes.try_into().map_err(|_| -EINVAL);
        }
        at += length.next_multiple_of(4);
    }
    Err(-ENOENT)
}
