//! What the kernel tells of TCP: one sock_diag(7) dump, and MPTCP_FULL_INFO of one connection. Records are plain bytes
//! of fixed size; ffi.ts decodes them.

use crate::address::{Address, SocketAddress};
use crate::socket::Owned;
use crate::{Outcome, last_error};
use libc::c_int;
use std::mem::{size_of, zeroed};

/// Bytes of `struct tcp_info` handed on; older kernels fill less.
const TCP_INFO: usize = 232;

// linux/inet_diag.h, linux/mptcp.h
const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_CONG: u16 = 4;
const INET_DIAG_ULP_INFO: u16 = 19;
const INET_ULP_INFO_NAME: u16 = 1;
const INET_ULP_INFO_MPTCP: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLA_TYPE_MASK: u16 = 0x3fff;
const SOL_MPTCP: c_int = 284;
const MPTCP_FULL_INFO: c_int = 4;

#[repr(C)]
#[derive(Clone, Copy)]
struct SocketId {
    source_port: u16,
    destination_port: u16,
    source: [u8; 16],
    destination: [u8; 16],
    interface: u32,
    cookie: [u32; 2],
}

#[repr(C)]
struct Request {
    header: libc::nlmsghdr,
    family: u8,
    protocol: u8,
    extensions: u8,
    pad: u8,
    states: u32,
    id: SocketId,
}

/// `struct inet_diag_msg`
#[repr(C)]
#[derive(Clone, Copy)]
struct Message {
    family: u8,
    state: u8,
    timer: u8,
    retransmits: u8,
    id: SocketId,
    expires: u32,
    read_queue: u32,
    write_queue: u32,
    uid: u32,
    inode: u32,
}

/// One socket as it crosses; the offsets are known to ffi.ts.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Record {
    local: Address,
    remote: Address,
    state: u8,
    is_mptcp: u8,
    id_local: u8,
    id_remote: u8,
    token_local: u32,
    token_remote: u32,
    flags: u32,
    congestion: [u8; 16],
    inode: u32,
    pad: u32,
    info: [u8; TCP_INFO],
}

const _: () = assert!(size_of::<Record>() == 80 + TCP_INFO && size_of::<Message>() == 72);

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .map_or(0, |two| u16::from_ne_bytes([two[0], two[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |four| {
        u32::from_ne_bytes([four[0], four[1], four[2], four[3]])
    })
}

/// Calls `each` with type and value of every netlink attribute.
fn attributes<'a>(mut bytes: &'a [u8], mut each: impl FnMut(u16, &'a [u8])) {
    while bytes.len() >= 4 {
        let length = u16_at(bytes, 0) as usize;
        if length < 4 || length > bytes.len() {
            return;
        }
        each(u16_at(bytes, 2) & NLA_TYPE_MASK, &bytes[4..length]);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
}

fn copy(from: &[u8], to: &mut [u8]) {
    let length = from.len().min(to.len());
    to[..length].copy_from_slice(&from[..length]);
}

/// MPTCP_SUBFLOW_ATTR_*
fn subflow(bytes: &[u8], record: &mut Record) {
    attributes(bytes, |kind, value| match kind {
        1 => record.token_remote = u32_at(value, 0),
        2 => record.token_local = u32_at(value, 0),
        8 => record.flags = u32_at(value, 0),
        9 => record.id_remote = value.first().copied().unwrap_or(0),
        10 => record.id_local = value.first().copied().unwrap_or(0),
        _ => {}
    });
}

fn address(message: &Message, bytes: [u8; 16], port: u16) -> Address {
    let port = u16::from_be(port);
    if c_int::from(message.family) == libc::AF_INET6 {
        Address::v6(bytes, port)
    } else {
        Address::v4([bytes[0], bytes[1], bytes[2], bytes[3]], port)
    }
}

fn parse(body: &[u8]) -> Option<Record> {
    let (head, rest) = body.split_at_checked(size_of::<Message>())?;
    let message = unsafe { head.as_ptr().cast::<Message>().read_unaligned() };
    let mut record: Record = unsafe { zeroed() };
    record.local = address(&message, message.id.source, message.id.source_port);
    record.remote = address(
        &message,
        message.id.destination,
        message.id.destination_port,
    );
    record.state = message.state;
    record.inode = message.inode;
    attributes(rest, |kind, value| match kind {
        INET_DIAG_INFO => copy(value, &mut record.info),
        INET_DIAG_CONG => copy(value, &mut record.congestion[..15]),
        INET_DIAG_ULP_INFO => attributes(value, |kind, value| match kind {
            INET_ULP_INFO_NAME => record.is_mptcp = value.starts_with(b"mptcp").into(),
            INET_ULP_INFO_MPTCP => subflow(value, &mut record),
            _ => {}
        }),
        _ => {}
    });
    Some(record)
}

fn dump(
    family: u32,
    local_port: u32,
    remote_port: u32,
    out: *mut Record,
    max: u32,
) -> Result<u32, Outcome> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG) };
    if fd < 0 {
        return Err(last_error());
    }
    let socket = Owned(fd);
    let mut request: Request = unsafe { zeroed() };
    request.header.nlmsg_len = size_of::<Request>() as u32;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    request.family = family as u8;
    request.protocol = libc::IPPROTO_TCP as u8;
    request.extensions = 1 << (INET_DIAG_INFO - 1) | 1 << (INET_DIAG_CONG - 1);
    request.states = u32::MAX;
    // A dump, too, is filtered by the ports of the request, where they are not 0.
    request.id.source_port = (local_port as u16).to_be();
    request.id.destination_port = (remote_port as u16).to_be();
    if unsafe {
        libc::send(
            socket.0,
            (&raw const request).cast(),
            size_of::<Request>(),
            0,
        )
    } < 0
    {
        return Err(last_error());
    }
    // Aligned as netlink wants it; on the stack, as the kernel sends at most 32 KiB at once.
    let mut buffer = [0u64; 4096];
    let mut count = 0;
    loop {
        let got = unsafe {
            libc::recv(
                socket.0,
                buffer.as_mut_ptr().cast(),
                size_of_val(&buffer),
                0,
            )
        };
        if got < 0 {
            match last_error() {
                error if error == -libc::EINTR => continue,
                error => return Err(error),
            }
        }
        let bytes =
            unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), got as usize) };
        let done = answer(bytes, |record| {
            // Counting goes on when the room is used up, so that the caller knows how much it takes.
            if count < max {
                unsafe { out.add(count as usize).write_unaligned(record) };
            }
            count += 1;
        })?;
        if done {
            return Ok(count);
        }
    }
}

/// Calls `each` with every socket of one part of a dump, and tells whether it was the last.
pub(crate) fn answer(mut bytes: &[u8], mut each: impl FnMut(Record)) -> Result<bool, Outcome> {
    while bytes.len() >= size_of::<libc::nlmsghdr>() {
        let length = u32_at(bytes, 0) as usize;
        if length < size_of::<libc::nlmsghdr>() || length > bytes.len() {
            return Err(-libc::EBADMSG);
        }
        let body = &bytes[size_of::<libc::nlmsghdr>()..length];
        match c_int::from(u16_at(bytes, 4)) {
            libc::NLMSG_DONE => return Ok(true),
            // An error that says none, or nothing, is one all the same: a count is not told from 0.
            libc::NLMSG_ERROR => return Err((u32_at(body, 0) as Outcome).min(-1)),
            _ => {
                if let Some(record) = parse(body) {
                    each(record);
                }
            }
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(false)
}

/// Dumps the TCP sockets of one family with these ports (0: any) and returns how many there are, maybe more than `max`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_tcp_diag(
    family: u32,
    local_port: u32,
    remote_port: u32,
    out: *mut u8,
    max: u32,
) -> Outcome {
    dump(family, local_port, remote_port, out.cast(), max)
        .map_or_else(|error| error, |count| count as Outcome)
}

/// `struct mptcp_subflow_info`
#[repr(C)]
struct SubflowInfo {
    id: u32,
    local: libc::sockaddr_storage,
    remote: libc::sockaddr_storage,
}

/// `struct mptcp_full_info`
#[repr(C)]
struct FullInfo {
    size_tcpinfo_kernel: u32,
    size_tcpinfo_user: u32,
    size_sfinfo_kernel: u32,
    size_sfinfo_user: u32,
    num_subflows: u32,
    size_arrays_user: u32,
    subflow_info: u64,
    tcp_info: u64,
    mptcp_info: [u8; 96],
}

const _: () = assert!(size_of::<SubflowInfo>() == 264);

const MAX_SUBFLOWS: usize = 16;

/// Writes 96 bytes of `struct mptcp_info`, then per subflow local, remote, u32 id, u32 0, tcp_info; returns the subflows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_mptcp_info(fd: c_int, out: *mut u8, room: u32) -> Outcome {
    const RECORD: usize = 48 + TCP_INFO;
    unsafe {
        let mut subflows: [SubflowInfo; MAX_SUBFLOWS] = zeroed();
        let mut infos = [[0u64; TCP_INFO / 8]; MAX_SUBFLOWS];
        let mut full: FullInfo = zeroed();
        full.size_tcpinfo_user = TCP_INFO as u32;
        full.size_sfinfo_user = size_of::<SubflowInfo>() as u32;
        full.size_arrays_user = MAX_SUBFLOWS as u32;
        full.subflow_info = subflows.as_mut_ptr() as u64;
        full.tcp_info = infos.as_mut_ptr() as u64;
        let mut size = size_of::<FullInfo>() as u32;
        if libc::getsockopt(
            fd,
            SOL_MPTCP,
            MPTCP_FULL_INFO,
            (&raw mut full).cast(),
            &mut size,
        ) < 0
        {
            return last_error();
        }
        if (room as usize) < 96 {
            return -libc::ENOBUFS;
        }
        out.copy_from_nonoverlapping(full.mptcp_info.as_ptr(), 96);
        let fits = (room as usize - 96) / RECORD;
        let count = (full.num_subflows as usize).min(MAX_SUBFLOWS).min(fits);
        for (index, subflow) in subflows[..count].iter().enumerate() {
            let at = out.add(96 + index * RECORD);
            let end = |storage| Address::from_socket(&SocketAddress { storage, length: 0 });
            end(subflow.local).write(at);
            end(subflow.remote).write(at.add(20));
            at.add(40)
                .cast::<[u32; 2]>()
                .write_unaligned([subflow.id, 0]);
            at.add(48)
                .copy_from_nonoverlapping(infos[index].as_ptr().cast(), TCP_INFO);
        }
        count as Outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_whatever_number_it_says() {
        for (number, expected) in [(-libc::EPERM, -libc::EPERM), (0, -1), (7, -1)] {
            let mut message = [0u8; 20];
            message[..4].copy_from_slice(&20u32.to_ne_bytes());
            message[4..6].copy_from_slice(&(libc::NLMSG_ERROR as u16).to_ne_bytes());
            message[16..].copy_from_slice(&number.to_ne_bytes());
            assert_eq!(answer(&message, |_| ()), Err(expected));
        }
    }
}
