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
/// Each message tells its outer TOS byte and when the kernel received it.
const MARKS: u32 = 32;
const MAX_MESSAGES: usize = 64;

/// Room for the control messages of one message, aligned as cmsghdr wants it: UDP_GRO, TOS, and a time stamp.
pub type Control = [u64; 16];

/// One received message as it crosses.
#[repr(C)]
struct Meta {
    offset: u32,
    length: u32,
    segment: u32,
    remote: Address,
}

const _: () = assert!(size_of::<Meta>() == 32);

/// A buffer of the socket, beyond the system's limit where this process may (CAP_NET_ADMIN).
fn set_buffer(socket: &Owned, force: c_int, plain: c_int, bytes: u32) -> Result<(), Outcome> {
    let bytes = bytes.min(c_int::MAX as u32) as c_int;
    let forced = socket.set(libc::SOL_SOCKET, force, bytes);
    forced.or_else(|_| socket.set(libc::SOL_SOCKET, plain, bytes))
}

/// Opens a bound socket; `device` may be null, and 0 bytes leaves the buffers as they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_udp_open(
    local: *const u8,
    device: *const u8,
    device_len: u32,
    mark: u32,
    buffer_bytes: u32,
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
        if flags & MARKS != 0 {
            if local.is_ipv6() {
                socket.set(libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1)?;
            }
            socket.set(libc::IPPROTO_IP, libc::IP_RECVTOS, 1)?;
            socket.set(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        }
        if buffer_bytes != 0 {
            let (receive, send) = (libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE);
            set_buffer(&socket, receive, libc::SO_RCVBUF, buffer_bytes)?;
            set_buffer(&socket, send, libc::SO_SNDBUF, buffer_bytes)?;
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
        let mut control: Control = [0; 16];
        let mut message: libc::msghdr = zeroed();
        message.msg_name = to.as_mut_ptr().cast();
        message.msg_namelen = to.length;
        message.msg_iov = &mut vector;
        message.msg_iovlen = 1;
        if segment != 0 && segment < length {
            add_control(
                &mut message,
                &mut control,
                libc::SOL_UDP,
                libc::UDP_SEGMENT,
                segment as u16,
            );
        }
        outcome(libc::sendmsg(fd, &message, libc::MSG_NOSIGNAL))
    }
}

/// Appends one control message. `control` is the message's own, and has room.
unsafe fn add_control<T>(
    message: &mut libc::msghdr,
    control: &mut Control,
    level: c_int,
    kind: c_int,
    value: T,
) {
    let used = message.msg_controllen;
    let size = size_of::<T>() as u32;
    unsafe {
        let header = control.as_mut_ptr().byte_add(used).cast::<libc::cmsghdr>();
        (*header).cmsg_level = level;
        (*header).cmsg_type = kind;
        (*header).cmsg_len = libc::CMSG_LEN(size) as usize;
        libc::CMSG_DATA(header).cast::<T>().write_unaligned(value);
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = used + libc::CMSG_SPACE(size) as usize;
    }
}

/// Where and how datagrams go.
pub struct Datagrams {
    fd: c_int,
    to: SocketAddress,
    ipv6: bool,
    tos: u8,
}

impl Datagrams {
    pub fn new(fd: c_int, remote: Address, tos: u8) -> Self {
        Datagrams {
            fd,
            to: remote.to_socket(),
            ipv6: remote.is_ipv6(),
            tos,
        }
    }

    /// A message to there; vector and control must stay where they are while it is used.
    unsafe fn message(&self, vector: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
        unsafe {
            let mut message: libc::msghdr = zeroed();
            message.msg_name = self.to.as_ptr().cast_mut().cast();
            message.msg_namelen = self.to.length;
            message.msg_iov = vector;
            message.msg_iovlen = 1;
            if self.tos != 0 {
                let (level, kind) = match self.ipv6 {
                    true => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
                    false => (libc::IPPROTO_IP, libc::IP_TOS),
                };
                add_control(&mut message, control, level, kind, c_int::from(self.tos));
            }
            message
        }
    }
}

fn vector(bytes: &[u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    }
}

/// Sends at most MAX_MESSAGES datagrams of `segment` bytes, of which the last may be shorter, and returns how many the
/// kernel took: with one call (UDP_SEGMENT), or one by one where it or the device cannot.
pub unsafe fn send_datagrams(
    to: &Datagrams,
    bytes: &[u8],
    segment: usize,
) -> Result<usize, Outcome> {
    let count = bytes.len().div_ceil(segment);
    unsafe {
        let mut control: Control = [0; 16];
        let mut whole = vector(bytes);
        let mut message = to.message(&mut whole, &mut control);
        if count > 1 {
            add_control(
                &mut message,
                &mut control,
                libc::SOL_UDP,
                libc::UDP_SEGMENT,
                segment as u16,
            );
        }
        let sent = outcome(libc::sendmsg(to.fd, &message, libc::MSG_NOSIGNAL));
        if sent >= 0 {
            return Ok(count);
        }
        // EIO: the device does no checksums, or IPsec. EINVAL, EMSGSIZE: a kernel without it, or a segment above the MTU:
        // each datagram is then told to be too long on its own, or fragmented.
        let unable = [
            -libc::EIO,
            -libc::EINVAL,
            -libc::EOPNOTSUPP,
            -libc::EMSGSIZE,
        ];
        if count == 1 || !unable.contains(&sent) {
            return Err(sent);
        }
        send_one_by_one(to, bytes, segment)
    }
}

/// sendmmsg(2), without UDP_SEGMENT.
unsafe fn send_one_by_one(to: &Datagrams, bytes: &[u8], segment: usize) -> Result<usize, Outcome> {
    unsafe {
        let mut messages: [libc::mmsghdr; MAX_MESSAGES] = zeroed();
        let mut vectors: [libc::iovec; MAX_MESSAGES] = zeroed();
        let mut controls: [Control; MAX_MESSAGES] = zeroed();
        let mut count = 0;
        for (index, datagram) in bytes.chunks(segment).take(MAX_MESSAGES).enumerate() {
            vectors[index] = vector(datagram);
            messages[index].msg_hdr = to.message(&mut vectors[index], &mut controls[index]);
            count += 1;
        }
        let sent = libc::sendmmsg(to.fd, messages.as_mut_ptr(), count, libc::MSG_NOSIGNAL);
        match outcome(sent as isize) {
            error if error < 0 => Err(error),
            sent => Ok(sent as usize),
        }
    }
}

/// What control messages tell of a received message.
pub struct Told {
    /// The size of the datagrams it is made of (UDP_GRO), else its whole length.
    pub segment: usize,
    pub tos: u8,
    /// When the kernel received it, by the system's clock.
    pub stamp: Option<libc::timespec>,
}

impl Told {
    pub unsafe fn read(message: &libc::msghdr, length: usize) -> Self {
        let mut told = Told {
            segment: length,
            tos: 0,
            stamp: None,
        };
        unsafe {
            let mut header = libc::CMSG_FIRSTHDR(message);
            while !header.is_null() {
                let data = libc::CMSG_DATA(header);
                match ((*header).cmsg_level, (*header).cmsg_type) {
                    (libc::SOL_UDP, libc::UDP_GRO) => {
                        told.segment = data.cast::<c_int>().read_unaligned() as usize;
                    }
                    (libc::IPPROTO_IP, libc::IP_TOS) => told.tos = data.read(),
                    (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                        told.tos = data.cast::<c_int>().read_unaligned() as u8;
                    }
                    (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                        told.stamp = Some(data.cast::<libc::timespec>().read_unaligned());
                    }
                    _ => {}
                }
                header = libc::CMSG_NXTHDR(message, header);
            }
        }
        told
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
                segment: Told::read(&messages[index].msg_hdr, length as usize).segment as u32,
                remote: Address::from_socket(&remote),
            };
            meta.cast::<Meta>().add(index).write_unaligned(record);
        }
        count
    }
}
