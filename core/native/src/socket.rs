//! TCP and MPTCP sockets, always nonblocking and close-on-exec.

use crate::address::{Address, SocketAddress};
use crate::{Outcome, last_error, outcome};
use libc::{c_int, c_void};
use std::mem::size_of;

const IPPROTO_MPTCP: c_int = 262;
const IP_BIND_ADDRESS_NO_PORT: c_int = 24;

/// Flags from ffi.ts.
const MPTCP: u32 = 1;
const TRANSPARENT: u32 = 2;
const REUSE_PORT: u32 = 4;
const RESET_ON_CLOSE: u32 = 8;

/// How `otb_close` ends a descriptor, from ffi.ts.
const ABORT: u32 = 1;
const IN_ORDER: u32 = 2;

/// Set in a returned descriptor when MPTCP was asked for and this kernel has it disabled.
const PLAIN_TCP: c_int = 0x4000_0000;

/// A descriptor that is closed unless it is handed over.
pub struct Owned(pub c_int);

impl Owned {
    pub fn release(self) -> c_int {
        let fd = self.0;
        std::mem::forget(self);
        fd
    }

    pub fn set(&self, level: c_int, name: c_int, value: c_int) -> Result<(), Outcome> {
        match otb_option_set(self.0, level, name, value) {
            0 => Ok(()),
            error => Err(error),
        }
    }

    /// SO_BINDTODEVICE, when a name is given.
    pub unsafe fn set_device(&self, name: *const u8, length: u32) -> Result<(), Outcome> {
        if name.is_null() || length == 0 {
            return Ok(());
        }
        let set = unsafe {
            libc::setsockopt(
                self.0,
                libc::SOL_SOCKET,
                libc::SO_BINDTODEVICE,
                name.cast(),
                length,
            )
        };
        if set < 0 { Err(last_error()) } else { Ok(()) }
    }

    pub fn bind(&self, address: Address) -> Result<(), Outcome> {
        let to = address.to_socket();
        let bound = unsafe { libc::bind(self.0, to.as_ptr(), to.length) };
        if bound < 0 { Err(last_error()) } else { Ok(()) }
    }

    /// Whatever closes it resets it (socket(7) SO_LINGER 1, 0), the end of a killed process included; what it accepts and
    /// its MPTCP subflows inherit that.
    fn set_reset_on_close(&self) -> Result<(), Outcome> {
        match linger(self.0, true) {
            0 => Ok(()),
            error => Err(error),
        }
    }

    /// Lets it use addresses that are not of this machine (ip(7) IP_TRANSPARENT).
    fn set_transparent(&self, ipv6: bool) -> Result<(), Outcome> {
        if ipv6 {
            self.set(libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT, 1)?;
        }
        self.set(libc::IPPROTO_IP, libc::IP_TRANSPARENT, 1)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        unsafe { libc::close(self.0) };
    }
}

fn linger(fd: c_int, reset: bool) -> Outcome {
    let linger = libc::linger {
        l_onoff: c_int::from(reset),
        l_linger: 0,
    };
    let size = size_of::<libc::linger>() as u32;
    outcome(unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size,
        )
    } as isize)
}

/// A new socket; with it PLAIN_TCP when MPTCP was wanted but is not to be had.
fn stream(family: c_int, mptcp: bool) -> Result<(Owned, c_int), Outcome> {
    let (socket, plain) = open(family, mptcp)?;
    // Urgent bytes stay in their place (RFC 6093 section 6); what a listener accepts inherits that. Left out of line, one that
    // nobody asks for is lost. Multipath TCP knows none, and may not know the option.
    let inline = socket.set(libc::SOL_SOCKET, libc::SO_OOBINLINE, 1);
    if !mptcp || plain != 0 {
        inline?;
    }
    Ok((socket, plain))
}

fn open(family: c_int, mptcp: bool) -> Result<(Owned, c_int), Outcome> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    unsafe {
        if mptcp {
            let fd = libc::socket(family, kind, IPPROTO_MPTCP);
            if fd >= 0 {
                return Ok((Owned(fd), 0));
            }
            // ENOPROTOOPT: net.mptcp.enabled=0. EPROTONOSUPPORT, EINVAL: a kernel without it.
            let error = last_error();
            if ![-libc::ENOPROTOOPT, -libc::EPROTONOSUPPORT, -libc::EINVAL].contains(&error) {
                return Err(error);
            }
        }
        let fd = libc::socket(family, kind, libc::IPPROTO_TCP);
        if fd < 0 {
            return Err(last_error());
        }
        Ok((Owned(fd), if mptcp { PLAIN_TCP } else { 0 }))
    }
}

fn listen(local: Address, flags: u32, backlog: u32) -> Result<c_int, Outcome> {
    let family = c_int::from(local.family);
    let (socket, plain) = stream(family, flags & MPTCP != 0)?;
    socket.set(libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if flags & REUSE_PORT != 0 {
        socket.set(libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    if local.is_ipv6() {
        socket.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
    }
    if flags & TRANSPARENT != 0 {
        socket.set_transparent(local.is_ipv6())?;
    }
    if flags & RESET_ON_CLOSE != 0 {
        socket.set_reset_on_close()?;
    }
    socket.bind(local)?;
    if unsafe { libc::listen(socket.0, backlog as c_int) } < 0 {
        return Err(last_error());
    }
    Ok(socket.release() | plain)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_listen(local: *const u8, flags: u32, backlog: u32) -> Outcome {
    listen(unsafe { Address::read(local) }, flags, backlog).unwrap_or_else(|error| error)
}

/// Accepts one connection and fills the records of both its ends; that of the local one may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_accept(fd: c_int, peer_out: *mut u8, local_out: *mut u8) -> Outcome {
    let mut peer = SocketAddress::empty();
    unsafe {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let accepted = libc::accept4(fd, peer.as_mut_ptr(), &mut peer.length, flags);
        if accepted < 0 {
            return last_error();
        }
        Address::from_socket(&peer).write(peer_out);
        if local_out.is_null() {
            return accepted;
        }
        let named = otb_socket_name(accepted, 0, local_out);
        if named < 0 {
            libc::close(accepted);
            return named;
        }
        accepted
    }
}

/// Starts to connect; `source` and `device` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_connect(
    remote: *const u8,
    source: *const u8,
    device: *const u8,
    device_len: u32,
    mark: u32,
    flags: u32,
) -> Outcome {
    let remote = unsafe { Address::read(remote) };
    let family = c_int::from(remote.family);
    let start = || -> Result<c_int, Outcome> {
        let (socket, plain) = stream(family, flags & MPTCP != 0)?;
        if mark != 0 {
            socket.set(libc::SOL_SOCKET, libc::SO_MARK, mark as c_int)?;
        }
        unsafe { socket.set_device(device, device_len)? };
        if flags & TRANSPARENT != 0 {
            socket.set_transparent(remote.is_ipv6())?;
        }
        if flags & RESET_ON_CLOSE != 0 {
            socket.set_reset_on_close()?;
        }
        if !source.is_null() {
            let source = unsafe { Address::read(source) };
            if source.family != remote.family {
                return Err(-libc::EINVAL);
            }
            // The port is chosen at connect, per destination: a source can have more than 64 thousand connections.
            socket.set(libc::IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)?;
            socket.bind(source)?;
        }
        let to = remote.to_socket();
        if unsafe { libc::connect(socket.0, to.as_ptr(), to.length) } < 0 {
            let error = last_error();
            if error != -libc::EINPROGRESS {
                return Err(error);
            }
        }
        Ok(socket.release() | plain)
    };
    start().unwrap_or_else(|error| error)
}

/// Fills the record of the own (0) or the peer's (1) address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_socket_name(fd: c_int, peer: u32, out: *mut u8) -> Outcome {
    let mut name = SocketAddress::empty();
    unsafe {
        let call = if peer == 0 {
            libc::getsockname
        } else {
            libc::getpeername
        };
        if call(fd, name.as_mut_ptr(), &mut name.length) < 0 {
            return last_error();
        }
        Address::from_socket(&name).write(out);
    }
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_read(fd: c_int, buffer: *mut u8, offset: u32, length: u32) -> Outcome {
    outcome(unsafe { libc::recv(fd, buffer.add(offset as usize).cast(), length as usize, 0) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_write(
    fd: c_int,
    buffer: *const u8,
    offset: u32,
    length: u32,
) -> Outcome {
    unsafe { send(fd, buffer, offset, length, 0) }
}

/// The same for bytes that more, or the end, follows at once: they share its segment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_write_more(
    fd: c_int,
    buffer: *const u8,
    offset: u32,
    length: u32,
) -> Outcome {
    unsafe { send(fd, buffer, offset, length, libc::MSG_MORE) }
}

unsafe fn send(fd: c_int, buffer: *const u8, offset: u32, length: u32, flags: c_int) -> Outcome {
    outcome(unsafe {
        libc::send(
            fd,
            buffer.add(offset as usize).cast(),
            length as usize,
            libc::MSG_NOSIGNAL | flags,
        )
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn otb_shutdown(fd: c_int, how: u32) -> Outcome {
    outcome(unsafe { libc::shutdown(fd, how as c_int) } as isize)
}

/// Closes any descriptor: as it is, by ABORT dropping what is queued (RST, or MPTCP fast close), or IN_ORDER although it
/// would reset on close.
#[unsafe(no_mangle)]
pub extern "C" fn otb_close(fd: c_int, how: u32) -> Outcome {
    if how == ABORT || how == IN_ORDER {
        linger(fd, how == ABORT);
    }
    outcome(unsafe { libc::close(fd) } as isize)
}

/// Raises this process's limit of descriptors towards `wanted` as far as it may, and returns what it is (getrlimit(2)).
#[unsafe(no_mangle)]
pub extern "C" fn otb_descriptors(wanted: u32) -> Outcome {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) < 0 {
            return last_error();
        }
        let raised = |most: u64| libc::rlimit {
            rlim_cur: u64::from(wanted).clamp(limit.rlim_cur, most),
            rlim_max: most,
        };
        // Without CAP_SYS_RESOURCE the hard limit stays.
        for most in [limit.rlim_max.max(u64::from(wanted)), limit.rlim_max] {
            let next = raised(most);
            if libc::setrlimit(libc::RLIMIT_NOFILE, &next) == 0 {
                return next.rlim_cur.min(Outcome::MAX as u64) as Outcome;
            }
        }
    }
    limit.rlim_cur.min(Outcome::MAX as u64) as Outcome
}

/// The value of a whole-number option (never negative for those in use).
#[unsafe(no_mangle)]
pub extern "C" fn otb_option_get(fd: c_int, level: c_int, name: c_int) -> Outcome {
    let mut value: c_int = 0;
    let mut size = size_of::<c_int>() as u32;
    let got = unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &mut size) };
    if got < 0 { last_error() } else { value }
}

#[unsafe(no_mangle)]
pub extern "C" fn otb_option_set(fd: c_int, level: c_int, name: c_int, value: c_int) -> Outcome {
    let size = size_of::<c_int>() as u32;
    outcome(
        unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast::<c_void>(), size) }
            as isize,
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_congestion_set(fd: c_int, name: *const u8, length: u32) -> Outcome {
    outcome(unsafe {
        libc::setsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            name.cast(),
            length,
        )
    } as isize)
}

/// `struct tcp_info` as far as this kernel has it; the rest of `out` is zeroed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_tcp_info(fd: c_int, out: *mut u8, length: u32) -> Outcome {
    unsafe {
        std::ptr::write_bytes(out, 0, length as usize);
        let mut size = length;
        let got = libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, out.cast(), &mut size);
        if got < 0 { last_error() } else { 0 }
    }
}

/// Bytes in the send queue that were never sent (tcp(7) SIOCOUTQNSD).
#[unsafe(no_mangle)]
pub extern "C" fn otb_unsent(fd: c_int) -> Outcome {
    ask_queue(fd, 0x894b)
}

/// Bytes in the send queue that are not confirmed, those never sent included (tcp(7) SIOCOUTQ).
#[unsafe(no_mangle)]
pub extern "C" fn otb_unconfirmed(fd: c_int) -> Outcome {
    ask_queue(fd, libc::TIOCOUTQ)
}

fn ask_queue(fd: c_int, question: libc::c_ulong) -> Outcome {
    let mut value: c_int = 0;
    let got = unsafe { libc::ioctl(fd, question as _, &raw mut value) };
    if got < 0 { last_error() } else { value }
}
