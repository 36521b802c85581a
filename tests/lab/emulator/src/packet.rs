//! Raw packets in and out of one interface (packet(7)), with the checksum state that the kernel left undone.

use crate::check;
use std::{ffi::CString, io, mem};

/// Packets read in one system call.
pub const BATCH: usize = 64;
/// struct virtio_net_hdr comes before each packet: it says where a checksum is still to be filled in.
const HEADER: usize = 10;
const ETHERNET: usize = 14;
const CAPACITY: usize = HEADER + ETHERNET + 9000;

/// One packet with its virtio header.
pub struct Packet {
    bytes: Box<[u8; CAPACITY]>,
    length: usize,
}

impl Packet {
    /// Bytes of the IP packet: what a rate counts.
    pub fn ip_bytes(&self) -> u64 {
        self.length.saturating_sub(HEADER + ETHERNET) as u64
    }
}

/// Buffers to be used again.
pub struct Pool {
    free: Vec<Packet>,
}

impl Pool {
    pub fn new() -> Self {
        Pool { free: Vec::new() }
    }

    fn take(&mut self) -> Packet {
        self.free.pop().unwrap_or_else(|| Packet {
            bytes: Box::new([0; CAPACITY]),
            length: 0,
        })
    }

    pub fn give(&mut self, packet: Packet) {
        self.free.push(packet);
    }
}

/// A raw socket on one interface.
pub struct Port(i32);

impl Port {
    pub fn open(interface: &str) -> io::Result<Self> {
        let name = CString::new(interface)?;
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("no interface {interface}"),
            ));
        }
        let everything = (libc::ETH_P_ALL as u16).to_be();
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let fd = check(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
        let port = Port(fd);
        port.option(libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
        port.option(libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
        port.option(libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)?;
        port.option(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 32 << 20)?;
        port.option(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 32 << 20)?;
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = everything;
        address.sll_ifindex = index as i32;
        let length = mem::size_of::<libc::sockaddr_ll>() as u32;
        check(unsafe { libc::bind(fd, &address as *const _ as *const libc::sockaddr, length) })?;
        Ok(port)
    }

    pub fn fd(&self) -> i32 {
        self.0
    }

    fn option(&self, level: i32, name: i32, value: i32) -> io::Result<()> {
        let length = mem::size_of::<i32>() as u32;
        check(unsafe {
            libc::setsockopt(
                self.0,
                level,
                name,
                &value as *const i32 as *const _,
                length,
            )
        })
        .map(|_| ())
    }

    /// Up to `BATCH` packets that wait; larger ones than a jumbo frame are not for us.
    pub fn receive(&self, pool: &mut Pool) -> io::Result<Vec<Packet>> {
        let mut packets: Vec<Packet> = (0..BATCH).map(|_| pool.take()).collect();
        let mut vectors: [libc::iovec; BATCH] = unsafe { mem::zeroed() };
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        for index in 0..BATCH {
            vectors[index] = libc::iovec {
                iov_base: packets[index].bytes.as_mut_ptr() as *mut _,
                iov_len: CAPACITY,
            };
            messages[index].msg_hdr.msg_iov = &mut vectors[index];
            messages[index].msg_hdr.msg_iovlen = 1;
        }
        let flags = libc::MSG_DONTWAIT;
        let count = unsafe {
            libc::recvmmsg(
                self.0,
                messages.as_mut_ptr(),
                BATCH as u32,
                flags as _,
                std::ptr::null_mut(),
            )
        };
        let count = if count < 0 {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                // An interface that is switched off says so once; it may come back.
                Some(libc::EAGAIN) | Some(libc::EINTR) | Some(libc::ENETDOWN) => 0,
                _ => return Err(error),
            }
        } else {
            count as usize
        };
        for packet in packets.drain(count..) {
            pool.give(packet);
        }
        for (packet, message) in packets.iter_mut().zip(&messages) {
            packet.length = message.msg_len as usize;
        }
        Ok(packets)
    }

    /// Sends packets; what the kernel refuses is lost, as on a wire.
    pub fn send(&self, packets: &[Packet]) {
        for chunk in packets.chunks(BATCH) {
            let mut vectors: [libc::iovec; BATCH] = unsafe { mem::zeroed() };
            let mut messages: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
            for (index, packet) in chunk.iter().enumerate() {
                vectors[index] = libc::iovec {
                    iov_base: packet.bytes.as_ptr() as *mut _,
                    iov_len: packet.length,
                };
                messages[index].msg_hdr.msg_iov = &mut vectors[index];
                messages[index].msg_hdr.msg_iovlen = 1;
            }
            let mut sent = 0;
            while sent < chunk.len() {
                let count = unsafe {
                    libc::sendmmsg(
                        self.0,
                        messages[sent..].as_mut_ptr(),
                        (chunk.len() - sent) as u32,
                        0,
                    )
                };
                sent += if count <= 0 { 1 } else { count as usize };
            }
        }
    }
}
