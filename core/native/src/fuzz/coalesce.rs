//! Packets out of the tunnel on their way to the kernel as runs. What cuts them again is tun-rs, which knows nothing of
//! this code: every packet must come out as it was, once, and in the order of its flow.

use super::Input;
use crate::coalesce::made::{packet, seal};
use crate::coalesce::{Coalescer, HEAD, Shape};
use tun_rs::{VIRTIO_NET_HDR_LEN, VirtioNetHdr, gso_split};

const MOST: usize = 200;

fn packets(input: &mut Input) -> Vec<Vec<u8>> {
    let (mut made, mut sequences) = (Vec::new(), [0xffff_f000u32; 4]);
    while input.more() && made.len() < MOST {
        let [kind, more, length] = input.array();
        let flow = usize::from(kind & 3);
        let size = usize::from(length) * if more & 1 == 0 { 1 } else { 7 };
        let flags = 0x10 | if more & 2 == 0 { 0 } else { 0x08 };
        let (v6, tcp) = (kind & 4 != 0, kind & 8 != 0);
        let payload = vec![length ^ more; size];
        let mut bytes = packet(v6, tcp, flow as u16, sequences[flow], flags, &payload);
        sequences[flow] = sequences[flow].wrapping_add(size as u32);
        for _ in 0..more >> 6 {
            let at = input.below(bytes.len());
            bytes[at] = input.byte();
        }
        if more & 4 != 0 {
            bytes.truncate(input.below(bytes.len() + 1));
        }
        let header = if v6 { 40 } else { 20 };
        if more & 8 != 0 && bytes.len() >= header + 20 {
            seal_all(&mut bytes, tcp, header);
        }
        // Now and then one that is nothing at all.
        if kind & 0xf0 == 0xf0 {
            bytes = input.bytes(usize::from(length)).to_vec();
        }
        made.push(bytes);
    }
    made
}

/// Checksums that hold, whatever else is wrong.
fn seal_all(bytes: &mut [u8], tcp: bool, header: usize) {
    if header == 20 {
        bytes[10..12].fill(0);
        let sum = !tun_rs::checksum(&bytes[..20], 0);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    seal(bytes, tcp, header);
}

/// Without what the kernel may choose anew: the IPv4 identification (RFC 6864), and of checksums the two forms of zero.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut plain = bytes.to_vec();
    let transport = if bytes[0] >> 4 == 4 { 20 } else { 40 };
    let check = transport
        + if bytes[transport - if transport == 20 { 11 } else { 34 }] == 6 {
            16
        } else {
            6
        };
    if transport == 20 {
        plain[4..6].fill(0);
        plain[10..12].fill(0);
    }
    if plain[check..check + 2] == [0xff, 0xff] {
        plain[check..check + 2].fill(0);
    }
    plain
}

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let udp = input.byte() & 1 == 0;
    let made = packets(&mut input);
    let packets: Vec<&[u8]> = made.iter().map(Vec::as_slice).collect();
    let mut coalescer = Coalescer::default();
    coalescer.plan(&packets, udp);
    let mut order = Vec::new();
    let mut head = [0; HEAD];
    for run in &coalescer.runs {
        let members: Vec<usize> = coalescer.members(run).collect();
        assert_eq!(members.len(), usize::from(run.segments));
        let length = run.head(&packets, &mut head);
        let mut whole = head[VIRTIO_NET_HDR_LEN..length].to_vec();
        for index in &members {
            whole.extend_from_slice(&packets[*index][run.payload()..]);
        }
        assert_eq!(whole.len(), run.bytes);
        if let [only] = members[..] {
            assert_eq!(whole, packets[only]);
            assert!(head[..VIRTIO_NET_HDR_LEN].iter().all(|byte| *byte == 0));
        } else {
            assert!(whole.len() <= 65_535 && members.len() <= 64);
            let header = VirtioNetHdr::decode(&head).unwrap();
            let v6 = whole[0] >> 4 == 6;
            let mut cut = vec![vec![0; 2048]; members.len()];
            let mut sizes = vec![0; members.len()];
            let count = gso_split(&mut whole, header, &mut cut, &mut sizes, 0, v6).unwrap();
            assert_eq!(count, members.len());
            for (index, (bytes, size)) in members.iter().zip(cut.iter().zip(&sizes)) {
                assert_eq!(plain(&bytes[..*size]), plain(packets[*index]));
            }
        }
        order.extend(members);
    }
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..packets.len()));
    flows_keep_their_order(&packets, &order);
}

fn flows_keep_their_order(packets: &[&[u8]], order: &[usize]) {
    let mut last: Vec<(usize, Shape)> = Vec::new();
    for index in order {
        let Some(shape) = Shape::of(packets[*index]) else {
            continue;
        };
        let same = |(other, own): &&mut (usize, Shape)| {
            own.same_flow(packets[*other], shape, packets[*index])
        };
        match last.iter_mut().find(same) {
            Some(entry) => {
                assert!(entry.0 < *index);
                entry.0 = *index;
            }
            None => last.push((*index, shape)),
        }
    }
}
