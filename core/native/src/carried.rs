//! What network devices have carried, as the kernel counts it. Deno itself reads nothing below /proc for a plugin.

use crate::{Outcome, slice_mut};
use std::io::Read;

/// Writes as much of /proc/net/dev (proc_net(5)) of this network namespace as there is room for, and returns its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_carried(out: *mut u8, length: u32) -> Outcome {
    let out = unsafe { slice_mut(out, length) };
    let mut filled = 0;
    let read = std::fs::File::open("/proc/net/dev").and_then(|mut file| {
        while filled < out.len() {
            match file.read(&mut out[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(())
    });
    match read {
        Ok(()) => filled as Outcome,
        Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
    }
}
