//! BLAKE3, keyed for cookies and proofs and plain for names of keys, and comparison in constant time.

use crate::{Outcome, slice};

/// The keyed hash of the data under a key of 32 bytes, 32 bytes as well (BLAKE3 paper, section 2.3); without a key the plain
/// hash.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_mac(key: *const u8, data: *const u8, length: u32, out: *mut u8) {
    let (key, data) = unsafe { (key.cast::<[u8; 32]>().as_ref(), slice(data, length)) };
    let mac = match key {
        Some(key) => blake3::keyed_hash(key, data),
        None => blake3::hash(data),
    };
    unsafe { out.copy_from_nonoverlapping(mac.as_bytes().as_ptr(), 32) };
}

/// 1 when both have the same bytes, in a time that depends on the length alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_equal(one: *const u8, other: *const u8, length: u32) -> Outcome {
    let (one, other) = unsafe { (slice(one, length), slice(other, length)) };
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok() as Outcome
}
