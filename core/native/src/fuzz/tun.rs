//! What the kernel hands on from the LAN as one large packet, cut by tun-rs into our slots: whatever header comes with it.

use super::{CANARY, Input};
use tun_rs::{VIRTIO_NET_HDR_LEN, VirtioNetHdr, gso_split};

const SLOTS: usize = 16;
const STRIDE: usize = 512;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let headroom = usize::from(input.byte()) * 2;
    let header: [u8; VIRTIO_NET_HDR_LEN] = input.array();
    let mut header = VirtioNetHdr::decode(&header).unwrap();
    // Mostly as the kernel writes it: what follows it is what a device chose.
    let [like, longer] = input.array();
    if like & 3 != 0 {
        let (start, tcp) = (if like & 4 == 0 { 20 } else { 40 }, like & 8 == 0);
        header.gso_type = if !tcp {
            5
        } else if start == 20 {
            1
        } else {
            4
        };
        header.csum_start = start + u16::from(like >> 6) * 8;
        header.csum_offset = if tcp { 16 } else { 6 };
        header.hdr_len = header.csum_start
            + if tcp {
                20 + u16::from(longer & 0x7c)
            } else {
                8
            };
        header.gso_size %= 600;
    }
    let mut packet = input.rest().to_vec();
    let Some(first) = packet.first() else { return };
    let (v6, before) = (first >> 4 == 6, packet.clone());
    let mut memory = [[CANARY; STRIDE]; SLOTS];
    let mut slots: Vec<&mut [u8]> = memory.iter_mut().map(|slot| &mut slot[..]).collect();
    let mut sizes = [0; SLOTS];
    let Ok(count) = gso_split(&mut packet, header, &mut slots, &mut sizes, headroom, v6) else {
        assert!(memory.iter().flatten().all(|byte| *byte == CANARY));
        return;
    };
    let length = usize::from(header.hdr_len);
    let mut payload = Vec::new();
    for (index, slot) in memory.iter().enumerate() {
        let end = if index < count {
            headroom + sizes[index]
        } else {
            0
        };
        let start = if index < count { headroom } else { 0 };
        let outside = slot[..start].iter().chain(&slot[end..]);
        assert!(outside.into_iter().all(|byte| *byte == CANARY));
        if index < count {
            assert!(sizes[index] <= length + usize::from(header.gso_size));
            payload.extend_from_slice(&slot[start + length..end]);
        }
    }
    assert_eq!(payload, before[length..]);
}
