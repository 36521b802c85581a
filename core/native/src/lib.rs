//! libotb_native: what TypeScript on Deno cannot do itself or not fast enough. This file only names the parts; the
//! interface is core/native/ffi.ts. All entry points start with `otb_`, take u32 lengths, return a count or a negative
//! errno, and borrow their buffers for the call only. Panics abort (`panic = "abort"`): none crosses the boundary.

mod address;
mod aead;
mod clock;
mod diag;
mod neighbour;
mod packet;
mod poll;
mod socket;
mod tun;
mod udp;

/// What entry points return: a count or descriptor, or a negative errno.
type Outcome = i32;

/// The errno of the last failed system call, negated.
fn last_error() -> Outcome {
    -std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

/// A system call's answer as an `Outcome`.
fn outcome(answer: isize) -> Outcome {
    if answer < 0 {
        last_error()
    } else {
        answer as Outcome
    }
}
