//! UDP in batches: UDP_SEGMENT to send, recvmmsg(2) with UDP_GRO to receive (udp(7)).

use crate::address::{Address, SocketAddress};
use crate::socket::Owned;
use crate::{Outcome, last_error, outcome};
use libc::{c_int, c_void};
use std::mem::{size_of, zeroed};

const GRO: u32 = 1;
const REUSE_PORT: u32 = 4;
/// ICMP echo requests and their replies instead of UDP (icmp(7)).
const ICMP: u32 = 8;
/// Datagrams go out whole or not at all, whatever the kernel believes the path to carry (ip(7), IP_PMTUDISC_PROBE).
const WHOLE: u32 = 16;
const MAX_MESSAGES: usize = 64;

/// Room for one control message of an int, aligned as cmsghdr wants it.
type Control = [u64; 4];

/// One received message as it crosses.
#[repr(C)]
struct Meta {
    offset: u32,
    length: u32,
    segment: u32,
    remote: Address,
}

const _: () = assert!(size_of::<Meta>() == 32);

/// Opens a bound socket; `device` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_udp_open(
    local: *const u8,
    device: *const u8,
    device_len: u32,
    mark: u32,
    flags: u32,
) -> Outcome {
    let local = unsafe { Address::read(local) };
    let family = c_int::from(local.family);
    let open = || -> Result<c_int, Outcome> {
        let fd = unsafe {
            libc::socket(
                family,
                libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
                match (flags & ICMP != 0, local.is_ipv6()) {
                    (false, _) => libc::IPPROTO_UDP,
                    (true, false) => libc::IPPROTO_ICMP,
                    (true, true) => libc::IPPROTO_ICMPV6,
                },
            )
        };
        if fd < 0 {
            return Err(last_error());
        }
        let socket = Owned(fd);
        if local.is_ipv6() {
            socket.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
        }
        if mark != 0 {
            socket.set(libc::SOL_SOCKET, libc::SO_MARK, mark as c_int)?;
        }
        if flags & REUSE_PORT != 0 {
            socket.set(libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        }
        unsafe { socket.set_device(device, device_len)? };
        if flags & WHOLE != 0 {
            let probe = libc::IP_PMTUDISC_PROBE;
            if local.is_ipv6() {
                socket.set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, probe)?;
            }
            // An IPv6 socket may carry IPv4 too.
            socket.set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, probe)?;
        }
        if flags & GRO != 0 {
            socket.set(libc::SOL_UDP, libc::UDP_GRO, 1)?;
        }
        socket.bind(local)?;
        Ok(socket.release())
    };
    open().unwrap_or_else(|error| error)
}

/// Sends bytes as datagrams of `segment` bytes (0: all as one).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_udp_send(
    fd: c_int,
    remote: *const u8,
    buffer: *const u8,
    offset: u32,
    length: u32,
    segment: u32,
) -> Outcome {
    unsafe {
        let remote = Address::read(remote);
        // An IPv6 socket takes IPv4 addresses as they are.
        let mut to = remote.to_socket();
        let mut vector = libc::iovec {
            iov_base: buffer.add(offset as usize) as *mut c_void,
            iov_len: length as usize,
        };
        let mut control: Control = [0; 4];
        let mut message: libc::msghdr = zeroed();
        message.msg_name = to.as_mut_ptr().cast();
        message.msg_namelen = to.length;
        message.msg_iov = &mut vector;
        message.msg_iovlen = 1;
        if segment != 0 && segment < length {
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(2) as usize;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_UDP;
            (*header).cmsg_type = libc::UDP_SEGMENT;
            (*header).cmsg_len = libc::CMSG_LEN(2) as usize;
            libc::CMSG_DATA(header)
                .cast::<u16>()
                .write_unaligned(segment as u16);
        }
        outcome(libc::sendmsg(fd, &message, libc::MSG_NOSIGNAL))
    }
}

/// The segment size that UDP_GRO told, else the whole length.
unsafe fn segment_size(message: &libc::msghdr, length: u32) -> u32 {
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_UDP && (*header).cmsg_type == libc::UDP_GRO {
                return libc::CMSG_DATA(header).cast::<c_int>().read_unaligned() as u32;
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
        length
    }
}

/// Receives up to `slots` messages into equal slots of the buffer and fills one Meta for each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_udp_receive(
    fd: c_int,
    buffer: *mut u8,
    room: u32,
    meta: *mut u8,
    slots: u32,
) -> Outcome {
    let slots = (slots as usize).min(MAX_MESSAGES);
    if slots == 0 {
        return -libc::EINVAL;
    }
    let size = room as usize / slots;
    unsafe {
        let mut messages: [libc::mmsghdr; MAX_MESSAGES] = zeroed();
        let mut vectors: [libc::iovec; MAX_MESSAGES] = zeroed();
        let mut controls: [Control; MAX_MESSAGES] = zeroed();
        let mut remotes: [libc::sockaddr_in6; MAX_MESSAGES] = zeroed();
        for index in 0..slots {
            vectors[index] = libc::iovec {
                iov_base: buffer.add(index * size).cast(),
                iov_len: size,
            };
            let header = &mut messages[index].msg_hdr;
            header.msg_name = (&raw mut remotes[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in6>() as u32;
            header.msg_iov = &mut vectors[index];
            header.msg_iovlen = 1;
            header.msg_control = controls[index].as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>();
        }
        let count = libc::recvmmsg(
            fd,
            messages.as_mut_ptr(),
            slots as u32,
            libc::MSG_DONTWAIT,
            std::ptr::null_mut(),
        );
        if count < 0 {
            return last_error();
        }
        for index in 0..count as usize {
            let mut remote = SocketAddress::empty();
            remote
                .as_mut_ptr()
                .cast::<libc::sockaddr_in6>()
                .write(remotes[index]);
            let length = messages[index].msg_len;
            let record = Meta {
                offset: (index * size) as u32,
                length,
                segment: segment_size(&messages[index].msg_hdr, length),
                remote: Address::from_socket(&remote),
            };
            meta.cast::<Meta>().add(index).write_unaligned(record);
        }
        count
    }
}
