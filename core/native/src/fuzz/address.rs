//! Addresses of senders, and what control messages tell of received datagrams: by the kernel, with bytes that anybody chose.

use super::Input;
use crate::address::{Address, SocketAddress};
use crate::udp::{Control, NO_CONTROL, Told};
use std::mem::{size_of, zeroed};

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    round_trip(&mut input);
    let mut control = NO_CONTROL;
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_control = control.as_mut_ptr().cast();
    let kinds = [
        (libc::SOL_UDP, libc::UDP_GRO, 4),
        (libc::IPPROTO_IP, libc::IP_TOS, 1),
        (libc::IPPROTO_IPV6, libc::IPV6_TCLASS, 4),
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, 16),
        (libc::IPPROTO_IP, libc::IP_PKTINFO, 12),
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, 20),
    ];
    // The kernel puts in what it knows, in any order, and leaves out what has no room.
    while input.more() {
        let (level, kind, size) = kinds[input.below(kinds.len())];
        let (used, space) = (message.msg_controllen, unsafe { libc::CMSG_SPACE(size) });
        if used + space as usize > size_of::<Control>() {
            break;
        }
        unsafe {
            let header = control.as_mut_ptr().byte_add(used).cast::<libc::cmsghdr>();
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            (*header).cmsg_len = libc::CMSG_LEN(size) as usize;
            let value = input.array::<20>();
            let data = libc::CMSG_DATA(header);
            data.copy_from_nonoverlapping(value.as_ptr(), size as usize);
        }
        message.msg_controllen = used + space as usize;
    }
    unsafe { Told::read(&message, data.len()) };
}

fn round_trip(input: &mut Input) {
    let mut socket = SocketAddress::empty();
    let bytes: [u8; 28] = input.array();
    unsafe {
        let storage = (&raw mut socket.storage).cast::<u8>();
        storage.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
    }
    let address = Address::from_socket(&socket);
    let again = Address::from_socket(&address.to_socket());
    assert_eq!(address.family, again.family);
    assert_eq!(address.port, again.port);
    assert_eq!(address.bytes, again.bytes);
}
