//! TUN devices with segmentation offload, on tun-rs: one read or write of the device carries up to 64 KiB of packets.

use crate::Outcome;
use libc::{EINVAL, EIO};
use std::io;
use std::os::fd::AsRawFd;
use std::slice::{from_raw_parts, from_raw_parts_mut};
use tun_rs::{DeviceBuilder, ExpandBuffer, GROTable, SyncDevice, VIRTIO_NET_HDR_LEN};

const OFFLOAD: u32 = 1;
const MULTI_QUEUE: u32 = 2;
const MAX_PACKETS: usize = 128;

/// Room for one coalesced packet: header, 64 KiB, and what tun-rs wants spare.
const SLOT: usize = 65_536 + 2 * VIRTIO_NET_HDR_LEN;

/// A packet on its way to the device. Coalescing appends to the first of a flow, so each must have room for 64 KiB;
/// pages that were never written cost nothing.
struct Slot(Vec<u8>);

impl AsRef<[u8]> for Slot {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for Slot {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl ExpandBuffer for Slot {
    fn buf_capacity(&self) -> usize {
        self.0.capacity()
    }

    fn buf_resize(&mut self, length: usize, value: u8) {
        self.0.resize(length, value);
    }

    fn buf_extend_from_slice(&mut self, more: &[u8]) {
        self.0.extend_from_slice(more);
    }
}

/// An open device with all it needs per call.
pub struct Tun {
    device: SyncDevice,
    table: GROTable,
    slots: Vec<Slot>,
    read: Vec<u8>,
    sizes: [usize; MAX_PACKETS],
}

fn errno(error: &io::Error) -> Outcome {
    -error
        .raw_os_error()
        .unwrap_or(if error.kind() == io::ErrorKind::InvalidInput {
            EINVAL
        } else {
            EIO
        })
}

fn open(name: &str, mtu: u16, flags: u32) -> io::Result<Tun> {
    let device = DeviceBuilder::new()
        .name(name)
        .mtu(mtu)
        .offload(flags & OFFLOAD != 0)
        .multi_queue(flags & MULTI_QUEUE != 0)
        .build_sync()?;
    device.set_nonblocking(true)?;
    Ok(Tun {
        device,
        table: GROTable::default(),
        slots: Vec::with_capacity(MAX_PACKETS),
        read: vec![0; SLOT],
        sizes: [0; MAX_PACKETS],
    })
}

/// Opens a device and writes its descriptor, or a negative errno with a null pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_tun_open(
    name: *const u8,
    length: u32,
    mtu: u32,
    flags: u32,
    result: *mut i32,
) -> *mut Tun {
    let name = unsafe { from_raw_parts(name, length as usize) };
    let opened = match (std::str::from_utf8(name), u16::try_from(mtu)) {
        (Ok(name), Ok(mtu)) => open(name, mtu, flags),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    match opened {
        Ok(tun) => unsafe {
            result.write(tun.device.as_raw_fd());
            Box::into_raw(Box::new(tun))
        },
        Err(error) => unsafe {
            result.write(errno(&error));
            std::ptr::null_mut()
        },
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_tun_close(tun: *mut Tun) {
    if !tun.is_null() {
        drop(unsafe { Box::from_raw(tun) });
    }
}

/// Reads once and splits into `slots` slots of `stride` bytes, each packet after `headroom` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_tun_receive(
    tun: *mut Tun,
    out: *mut u8,
    stride: u32,
    headroom: u32,
    slots: u32,
    sizes: *mut u32,
) -> Outcome {
    let Some(tun) = (unsafe { tun.as_mut() }) else {
        return -EINVAL;
    };
    let (slots, stride) = ((slots as usize).min(MAX_PACKETS), stride as usize);
    if slots == 0 || stride == 0 {
        return -EINVAL;
    }
    let memory = unsafe { from_raw_parts_mut(out, slots * stride) };
    let mut rest = memory.chunks_exact_mut(stride);
    let mut packets: [&mut [u8]; MAX_PACKETS] =
        std::array::from_fn(|_| rest.next().unwrap_or_default());
    let (packets, lengths) = (&mut packets[..slots], &mut tun.sizes[..slots]);
    match tun
        .device
        .recv_multiple(&mut tun.read, packets, lengths, headroom as usize)
    {
        Ok(count) => {
            for (index, length) in lengths[..count].iter().enumerate() {
                unsafe { sizes.add(index).write(*length as u32) };
            }
            count as Outcome
        }
        Err(error) => errno(&error),
    }
}

/// Sends `count` packets, given as pairs of offset and length in the input.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_tun_send(
    tun: *mut Tun,
    input: *const u8,
    room: u32,
    spans: *const [u32; 2],
    count: u32,
) -> Outcome {
    let Some(tun) = (unsafe { tun.as_mut() }) else {
        return -EINVAL;
    };
    let count = count as usize;
    if count > MAX_PACKETS {
        return -EINVAL;
    }
    while tun.slots.len() < count {
        tun.slots.push(Slot(Vec::with_capacity(SLOT)));
    }
    let input = unsafe { from_raw_parts(input, room as usize) };
    let spans = unsafe { from_raw_parts(spans, count) };
    for (slot, [offset, length]) in tun.slots.iter_mut().zip(spans) {
        let (start, length) = (*offset as usize, *length as usize);
        let packet = match input.get(start..start + length) {
            Some(packet) if length <= SLOT - 2 * VIRTIO_NET_HDR_LEN => packet,
            _ => return -EINVAL,
        };
        slot.0.clear();
        slot.0.resize(VIRTIO_NET_HDR_LEN, 0);
        slot.0.extend_from_slice(packet);
    }
    match tun
        .device
        .send_multiple(&mut tun.table, &mut tun.slots[..count], VIRTIO_NET_HDR_LEN)
    {
        Ok(written) => written as Outcome,
        Err(error) => errno(&error),
    }
}
