//! TUN devices with segmentation offload, on tun-rs: one read or write of the device carries up to 64 KiB of packets.

use crate::coalesce::{Coalescer, HEAD};
use crate::{Outcome, last_error, slice};
use libc::{EINVAL, EIO, ENODEV};
use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;
use std::slice::{from_raw_parts, from_raw_parts_mut};
use tun_rs::{DeviceBuilder, SyncDevice, VIRTIO_NET_HDR_LEN};

const OFFLOAD: u32 = 1;
const MULTI_QUEUE: u32 = 2;
const MAX_PACKETS: usize = 256;
/// The largest IP packet.
const MAX_PACKET: usize = 65_535;

/// Room for one read: virtio header and 64 KiB.
const READ: usize = 65_536 + VIRTIO_NET_HDR_LEN;

/// An open device with all it needs per call.
pub struct Tun {
    device: SyncDevice,
    name: CString,
    /// The kernel's number of it when it was opened.
    index: u32,
    read: Vec<u8>,
    coalescer: Coalescer,
    vectors: Vec<libc::iovec>,
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
    let name = CString::new(name)?;
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    Ok(Tun {
        device,
        name,
        index,
        read: vec![0; READ],
        coalescer: Coalescer::default(),
        vectors: Vec::new(),
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

/// 0 while the device is there as it was opened; -ENODEV once it was deleted, renamed, or moved to another namespace.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_tun_check(tun: *const Tun) -> Outcome {
    let Some(tun) = (unsafe { tun.as_ref() }) else {
        return -EINVAL;
    };
    let is_ours = tun
        .device
        .name()
        .is_ok_and(|name| name.as_bytes() == tun.name.as_bytes());
    if is_ours && unsafe { libc::if_nametoindex(tun.name.as_ptr()) } == tun.index {
        0
    } else {
        -ENODEV
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
    let (input, spans) = unsafe { (slice(input, room), from_raw_parts(spans, count)) };
    let mut packets: [&[u8]; MAX_PACKETS] = [&[]; MAX_PACKETS];
    for (packet, [offset, length]) in packets.iter_mut().zip(spans) {
        let (start, length) = (*offset as usize, *length as usize);
        match input.get(start..start + length) {
            Some(bytes) if length <= MAX_PACKET => *packet = bytes,
            _ => return -EINVAL,
        }
    }
    tun.send(&packets[..count])
}

fn vector(bytes: &[u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    }
}

impl Tun {
    /// Writes all packets, neighbours of one flow as one; the kernel copies them from where they are. Returns the bytes of
    /// the packets it took, or the last refusal.
    fn send(&mut self, packets: &[&[u8]]) -> Outcome {
        let fd = self.device.as_raw_fd();
        let offload = self.device.tcp_gso();
        if offload {
            self.coalescer.plan(packets, self.device.udp_gso());
        } else {
            self.coalescer.keep(packets);
        }
        let (mut taken, mut refusal) = (0, 0);
        let mut head = [0; HEAD];
        for run in &self.coalescer.runs {
            self.vectors.clear();
            if offload {
                let length = run.head(packets, &mut head);
                self.vectors.push(vector(&head[..length]));
            }
            let members = self.coalescer.members(run);
            let parts = members.map(|index| vector(&packets[index][run.payload()..]));
            self.vectors.extend(parts);
            let (vectors, count) = (self.vectors.as_ptr(), self.vectors.len() as i32);
            if unsafe { libc::writev(fd, vectors, count) } < 0 {
                refusal = last_error();
            } else {
                taken += run.bytes + (run.segments as usize - 1) * run.payload();
            }
        }
        if refusal < 0 {
            refusal
        } else {
            taken as Outcome
        }
    }
}
