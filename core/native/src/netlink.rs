//! Netlink sockets (netlink(7)): what the kernel tells of its changes, and short questions to it. Messages are read and
//! written with `otb_read` and `otb_write`; -ENOBUFS says that some were lost.

use crate::socket::Owned;
use crate::{Outcome, last_error, slice};
use libc::{EINVAL, c_int};
use std::fs::File;
use std::mem::{size_of, zeroed};
use std::os::fd::AsRawFd;

/// Bursts wait here while the reader is busy: a full table of routes is some hundred kilobytes.
const BUFFER: c_int = 1 << 20;

/// Opens a socket of that protocol that hears `count` groups, in the network namespace that a path names, or in this one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_netlink_open(
    protocol: u32,
    groups: *const u8,
    count: u32,
    namespace: *const u8,
    length: u32,
) -> Outcome {
    let (groups, path) = unsafe { (slice(groups, count), slice(namespace, length)) };
    let Ok(path) = std::str::from_utf8(path) else {
        return -EINVAL;
    };
    if path.is_empty() {
        return open(protocol as c_int, groups).unwrap_or_else(|error| error);
    }
    // A socket stays where it was made: a thread of its own goes there, and ends.
    std::thread::scope(|scope| {
        let there = scope.spawn(|| {
            let file = File::open(path).map_err(|error| -error.raw_os_error().unwrap_or(EINVAL))?;
            if unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) } < 0 {
                return Err(last_error());
            }
            open(protocol as c_int, groups)
        });
        there
            .join()
            .unwrap_or(Err(-EINVAL))
            .unwrap_or_else(|error| error)
    })
}

fn open(protocol: c_int, groups: &[u8]) -> Result<c_int, Outcome> {
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) };
    if fd < 0 {
        return Err(last_error());
    }
    let socket = Owned(fd);
    socket.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, BUFFER)?;
    // One without an address of its own hears nothing of the kernel, whose address is 0 as well.
    let mut local: libc::sockaddr_nl = unsafe { zeroed() };
    local.nl_family = libc::AF_NETLINK as u16;
    let size = size_of::<libc::sockaddr_nl>() as u32;
    if unsafe { libc::bind(socket.0, (&raw const local).cast(), size) } < 0 {
        return Err(last_error());
    }
    for group in groups {
        socket.set(
            libc::SOL_NETLINK,
            libc::NETLINK_ADD_MEMBERSHIP,
            c_int::from(*group),
        )?;
    }
    Ok(socket.release())
}
