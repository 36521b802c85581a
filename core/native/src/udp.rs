//! UDP in batches: UDP_SEGMENT to send, recvmmsg(2) with UDP_GRO to receive (udp(7)).

use crate::address::{Address, SocketAddress};
use crate::socket::Owned;
use crate::{Outcome, last_error, outcome};
use libc::c_int;
use std::mem::{size_of, zeroed};

const GRO: u32 = 1;
const REUSE_PORT: u32 = 4;
/// ICMP echo requests and their replies instead of UDP (icmp(7)).
const ICMP: u32 = 8;
/// Datagrams go out whole or not at all, whatever the kernel believes the path to carry (ip(7), IP_PMTUDISC_PROBE).
const WHOLE: u32 = 16;
/// Each message tells its outer TOS byte and when the kernel received it.
const MARKS: u32 = 32;
/// Each message tells the own address that it came to (ip(7), IP_PKTINFO), so that the answer leaves from there.
const LOCAL: u32 = 64;
const MAX_MESSAGES: usize = 64;
const CONTROL_WORDS: usize = 20;

/// Room for the control messages of one message, aligned as cmsghdr wants it: UDP_GRO or UDP_SEGMENT, TOS, a time stamp, the own
/// address.
pub type Control = [u64; CONTROL_WORDS];
pub const NO_CONTROL: Control = [0; CONTROL_WORDS];

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
        if flags & LOCAL != 0 {
            // To IPv6 sockets the first one tells IPv4 addresses too, mapped.
            match local.is_ipv6() {
                true => socket.set(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?,
                false => socket.set(libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
            }
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

/// Sends bytes as datagrams of `segment` bytes (0: all as one), from `local` if that is not null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_udp_send(
    fd: c_int,
    remote: *const u8,
    local: *const u8,
    buffer: *const u8,
    offset: u32,
    length: u32,
    segment: u32,
) -> Outcome {
    unsafe {
        let to = Datagrams::new(fd, Address::read(remote), Address::read_some(local), 0);
        let bytes = std::slice::from_raw_parts(buffer.add(offset as usize), length as usize);
        let segment = if segment < length { segment as u16 } else { 0 };
        to.send(bytes, segment)
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

/// Where, from where and how datagrams go.
pub struct Datagrams {
    fd: c_int,
    to: SocketAddress,
    from: Option<Address>,
    ipv6: bool,
    tos: u8,
}

/// What the kernel says when a source address is not this machine's any more: IPv4 ENETUNREACH (ip_route_output_key_hash_rcu,
/// net/ipv4/route.c), IPv6 EINVAL (ip6_datagram_send_ctl, net/ipv6/datagram.c), and EADDRNOTAVAIL where it has no route from there.
fn is_no_source(answer: Outcome) -> bool {
    [-libc::EINVAL, -libc::ENETUNREACH, -libc::EADDRNOTAVAIL].contains(&answer)
}

impl Datagrams {
    /// @param local the own address to send from, of the other end's family; otherwise the kernel chooses
    pub fn new(fd: c_int, remote: Address, local: Option<Address>, tos: u8) -> Self {
        Datagrams {
            fd,
            // An IPv6 socket takes IPv4 addresses as they are.
            to: remote.to_socket(),
            from: local.filter(|local| local.family == remote.family),
            ipv6: remote.is_ipv6(),
            tos,
        }
    }

    /// Sends with one call, in datagrams of `segment` bytes (0: as one). A source that went away gives way to the kernel's choice:
    /// the other end may be reached from there, and will say where it wants to be answered from.
    fn send(&self, bytes: &[u8], segment: u16) -> Outcome {
        let sent = unsafe { self.send_from(self.from, bytes, segment) };
        match self.from {
            Some(_) if is_no_source(sent) => unsafe { self.send_from(None, bytes, segment) },
            _ => sent,
        }
    }

    unsafe fn send_from(&self, from: Option<Address>, bytes: &[u8], segment: u16) -> Outcome {
        unsafe {
            let mut control = NO_CONTROL;
            let mut whole = vector(bytes);
            let mut message = self.message(from, &mut whole, &mut control);
            if segment != 0 {
                let (level, kind) = (libc::SOL_UDP, libc::UDP_SEGMENT);
                add_control(&mut message, &mut control, level, kind, segment);
            }
            outcome(libc::sendmsg(self.fd, &message, libc::MSG_NOSIGNAL))
        }
    }

    /// A message to there; vector and control must stay where they are while it is used.
    unsafe fn message(
        &self,
        from: Option<Address>,
        vector: &mut libc::iovec,
        control: &mut Control,
    ) -> libc::msghdr {
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
            match from {
                Some(from) if self.ipv6 => {
                    let mut info: libc::in6_pktinfo = zeroed();
                    info.ipi6_addr.s6_addr = from.bytes;
                    let (level, kind) = (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO);
                    add_control(&mut message, control, level, kind, info);
                }
                Some(from) => {
                    let mut info: libc::in_pktinfo = zeroed();
                    info.ipi_spec_dst = from.in_addr();
                    add_control(
                        &mut message,
                        control,
                        libc::IPPROTO_IP,
                        libc::IP_PKTINFO,
                        info,
                    );
                }
                None => {}
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
    let sent = to.send(bytes, if count > 1 { segment as u16 } else { 0 });
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
    match unsafe { send_one_by_one(to, to.from, bytes, segment) } {
        Err(error) if to.from.is_some() && is_no_source(error) => unsafe {
            send_one_by_one(to, None, bytes, segment)
        },
        sent => sent,
    }
}

/// sendmmsg(2), without UDP_SEGMENT.
unsafe fn send_one_by_one(
    to: &Datagrams,
    from: Option<Address>,
    bytes: &[u8],
    segment: usize,
) -> Result<usize, Outcome> {
    unsafe {
        let mut messages: [libc::mmsghdr; MAX_MESSAGES] = zeroed();
        let mut vectors: [libc::iovec; MAX_MESSAGES] = zeroed();
        let mut controls = [NO_CONTROL; MAX_MESSAGES];
        let mut count = 0;
        for (index, datagram) in bytes.chunks(segment).take(MAX_MESSAGES).enumerate() {
            vectors[index] = vector(datagram);
            messages[index].msg_hdr = to.message(from, &mut vectors[index], &mut controls[index]);
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
    /// The own address that it came to; the port is the socket's.
    pub local: Address,
}

impl Told {
    pub unsafe fn read(message: &libc::msghdr, length: usize) -> Self {
        let mut told = Told {
            segment: length,
            tos: 0,
            stamp: None,
            local: Address::NONE,
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
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                        told.local = Address::v4(info.ipi_addr.s_addr.to_ne_bytes(), 0);
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                        told.local = Address::v6(info.ipi6_addr.s6_addr, 0);
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
        let mut controls = [NO_CONTROL; MAX_MESSAGES];
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
