//! Addresses as they cross the boundary, and as the kernel wants them.

use std::mem::{size_of, zeroed};

/// An address record: family 2 or 10, port in host order, IPv4 in the first four bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Address {
    pub family: u16,
    pub port: u16,
    pub bytes: [u8; 16],
}

const _: () = assert!(size_of::<Address>() == 20);

/// A kernel socket address with its length.
pub struct SocketAddress {
    pub storage: libc::sockaddr_storage,
    pub length: libc::socklen_t,
}

impl SocketAddress {
    /// Room for the kernel to fill.
    pub fn empty() -> Self {
        let length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        SocketAddress {
            storage: unsafe { zeroed() },
            length,
        }
    }

    pub fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub fn as_mut_ptr(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.storage).cast()
    }
}

impl Address {
    /// No address: family 0.
    pub const NONE: Address = Address {
        family: 0,
        port: 0,
        bytes: [0; 16],
    };

    /// Reads a record if there is one: neither a null pointer nor family 0.
    ///
    /// # Safety
    /// `pointer` must be null or readable for 20 bytes.
    pub unsafe fn read_some(pointer: *const u8) -> Option<Self> {
        let read = (!pointer.is_null()).then(|| unsafe { Address::read(pointer) });
        read.filter(|address| address.family != 0)
    }

    pub fn in_addr(&self) -> libc::in_addr {
        let [a, b, c, d, ..] = self.bytes;
        libc::in_addr {
            s_addr: u32::from_ne_bytes([a, b, c, d]),
        }
    }

    /// Reads a record of 20 bytes at any alignment.
    ///
    /// # Safety
    /// `pointer` must be readable for 20 bytes.
    pub unsafe fn read(pointer: *const u8) -> Self {
        unsafe { pointer.cast::<Address>().read_unaligned() }
    }

    /// Writes a record of 20 bytes at any alignment.
    ///
    /// # Safety
    /// `pointer` must be writable for 20 bytes.
    pub unsafe fn write(&self, pointer: *mut u8) {
        unsafe { pointer.cast::<Address>().write_unaligned(*self) }
    }

    pub fn is_ipv6(&self) -> bool {
        i32::from(self.family) == libc::AF_INET6
    }

    pub fn v4(bytes: [u8; 4], port: u16) -> Self {
        let mut address = Address {
            family: libc::AF_INET as u16,
            port,
            bytes: [0; 16],
        };
        address.bytes[..4].copy_from_slice(&bytes);
        address
    }

    /// An IPv6 address, or the IPv4 address mapped into it: callers should not care which socket it came from.
    pub fn v6(bytes: [u8; 16], port: u16) -> Self {
        const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        if bytes[..12] == MAPPED {
            return Address::v4([bytes[12], bytes[13], bytes[14], bytes[15]], port);
        }
        Address {
            family: libc::AF_INET6 as u16,
            port,
            bytes,
        }
    }

    pub fn from_socket(socket: &SocketAddress) -> Self {
        unsafe {
            if i32::from(socket.storage.ss_family) == libc::AF_INET6 {
                let six = &*(&raw const socket.storage).cast::<libc::sockaddr_in6>();
                Address::v6(six.sin6_addr.s6_addr, u16::from_be(six.sin6_port))
            } else {
                let four = &*(&raw const socket.storage).cast::<libc::sockaddr_in>();
                Address::v4(
                    four.sin_addr.s_addr.to_ne_bytes(),
                    u16::from_be(four.sin_port),
                )
            }
        }
    }

    /// The kernel's form.
    pub fn to_socket(self) -> SocketAddress {
        let mut socket = SocketAddress::empty();
        unsafe {
            if self.is_ipv6() {
                let six = &mut *(&raw mut socket.storage).cast::<libc::sockaddr_in6>();
                six.sin6_family = libc::AF_INET6 as u16;
                six.sin6_port = self.port.to_be();
                six.sin6_addr.s6_addr = self.bytes;
                socket.length = size_of::<libc::sockaddr_in6>() as u32;
            } else {
                let four = &mut *(&raw mut socket.storage).cast::<libc::sockaddr_in>();
                four.sin_family = libc::AF_INET as u16;
                four.sin_port = self.port.to_be();
                four.sin_addr = self.in_addr();
                socket.length = size_of::<libc::sockaddr_in>() as u32;
            }
        }
        socket
    }
}
