//! Packet sockets (packet(7)): whole Ethernet frames of one interface, of one kind, filtered in the kernel.

use crate::{Outcome, last_error};
use libc::c_int;

/// What a socket gets: DHCP to clients or servers, ARP, or router advertisements.
const DHCP: u32 = 1;
const ARP: u32 = 2;
const ROUTER_ADVERTISEMENT: u32 = 3;

/// Opens a nonblocking packet socket on an interface; read and write take whole frames.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_packet_open(name: *const u8, length: u32, kind: u32) -> Outcome {
    let Ok(name) =
        std::ffi::CString::new(unsafe { std::slice::from_raw_parts(name, length as usize) })
    else {
        return -libc::EINVAL;
    };
    let (protocol, filter) = match kind {
        DHCP => (libc::ETH_P_IP, dhcp_filter()),
        ARP => (libc::ETH_P_ARP, vec![accept()]),
        ROUTER_ADVERTISEMENT => (libc::ETH_P_IPV6, advertisement_filter()),
        _ => return -libc::EINVAL,
    };
    unsafe {
        let index = libc::if_nametoindex(name.as_ptr());
        if index == 0 {
            return -libc::ENODEV;
        }
        // Protocol 0: nothing arrives before the filter and the interface are set.
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let fd = libc::socket(libc::AF_PACKET, kind, 0);
        if fd < 0 {
            return last_error();
        }
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_ptr().cast_mut(),
        };
        let mut place: libc::sockaddr_ll = std::mem::zeroed();
        place.sll_family = libc::AF_PACKET as u16;
        place.sll_protocol = (protocol as u16).to_be();
        place.sll_ifindex = index as c_int;
        let attached = libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of_val(&program) as u32,
        );
        if attached < 0 || libc::bind(fd, (&raw const place).cast(), size_of_val(&place) as u32) < 0
        {
            let error = last_error();
            libc::close(fd);
            return error;
        }
        fd
    }
}

const fn op(code: u32, k: u32, yes: u8, no: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: yes,
        jf: no,
        k,
    }
}

const fn accept() -> libc::sock_filter {
    op(libc::BPF_RET | libc::BPF_K, 0xffff, 0, 0)
}

const fn drop() -> libc::sock_filter {
    op(libc::BPF_RET | libc::BPF_K, 0, 0, 0)
}

const BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;

/// Unfragmented UDP to port 67 or 68.
fn dhcp_filter() -> Vec<libc::sock_filter> {
    vec![
        op(BYTE, 23, 0, 0),
        op(EQUAL, libc::IPPROTO_UDP as u32, 0, 7),
        op(HALF, 20, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0x1fff, 5, 0),
        op(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 14, 0, 0),
        op(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 16, 0, 0),
        op(EQUAL, 68, 1, 0),
        op(EQUAL, 67, 0, 1),
        accept(),
        drop(),
    ]
}

/// ICMPv6 type 134 right behind the IPv6 header.
fn advertisement_filter() -> Vec<libc::sock_filter> {
    vec![
        op(BYTE, 20, 0, 0),
        op(EQUAL, libc::IPPROTO_ICMPV6 as u32, 0, 3),
        op(BYTE, 54, 0, 0),
        op(EQUAL, 134, 0, 1),
        accept(),
        drop(),
    ]
}
