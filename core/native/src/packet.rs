//! Packet sockets (packet(7)): whole Ethernet frames on one interface, chosen by a classic BPF filter. Frames are read
//! and written with `otb_read` and `otb_write`.

use crate::socket::Owned;
use crate::{Outcome, last_error};
use libc::c_int;
use std::mem::{size_of, zeroed};

const PACKET_IGNORE_OUTGOING: c_int = 23;
/// From ffi.ts.
const PROMISCUOUS: u32 = 1;

/// Opens a packet socket on the interface of that index; `filter` holds `count` instructions (struct sock_filter).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_packet_open(
    interface: u32,
    filter: *const libc::sock_filter,
    count: u32,
    flags: u32,
) -> Outcome {
    unsafe { open(interface, filter, count, flags) }.unwrap_or_else(|error| error)
}

unsafe fn open(
    interface: u32,
    filter: *const libc::sock_filter,
    count: u32,
    flags: u32,
) -> Result<c_int, Outcome> {
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // Protocol 0 hears nothing: what arrives before filter and interface are set would not be what was asked for.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    if fd < 0 {
        return Err(last_error());
    }
    let socket = Owned(fd);
    let program = libc::sock_fprog {
        len: count as u16,
        filter: filter.cast_mut(),
    };
    unsafe { set(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)? };
    socket.set(libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)?;
    if flags & PROMISCUOUS != 0 {
        let mut membership: libc::packet_mreq = unsafe { zeroed() };
        membership.mr_ifindex = interface as c_int;
        membership.mr_type = libc::PACKET_MR_PROMISC as u16;
        unsafe {
            set(
                &socket,
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                &membership,
            )?
        };
    }
    let mut local: libc::sockaddr_ll = unsafe { zeroed() };
    local.sll_family = libc::AF_PACKET as u16;
    local.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    local.sll_ifindex = interface as c_int;
    let size = size_of::<libc::sockaddr_ll>() as u32;
    if unsafe { libc::bind(socket.0, (&raw const local).cast(), size) } < 0 {
        return Err(last_error());
    }
    Ok(socket.release())
}

unsafe fn set<T>(socket: &Owned, level: c_int, name: c_int, value: &T) -> Result<(), Outcome> {
    let size = size_of::<T>() as u32;
    let answer = unsafe {
        libc::setsockopt(
            socket.0,
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size,
        )
    };
    if answer < 0 {
        Err(last_error())
    } else {
        Ok(())
    }
}
