//! The system's clock: who keeps it, and corrections of it (clock_adjtime(2)). Needs CAP_SYS_TIME for a correction.

use crate::{Outcome, outcome};

const LOOK: u32 = 0;
const STEP: u32 = 1;

/// Corrects the clock by microseconds: at once (1) or slewed by 500 ppm (2); 0 only looks. Returns the kernel's state of
/// the clock before a look and after a step; TIME_ERROR (5) means that no program keeps it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_clock_adjust(offset_micros: i64, how: u32) -> Outcome {
    // All zero is a valid timex that changes nothing.
    let mut change: libc::timex = unsafe { std::mem::zeroed() };
    if how == STEP {
        // Relative, in one system call: no time passes between reading the clock and setting it.
        change.modes = libc::ADJ_SETOFFSET;
        change.time.tv_sec = offset_micros.div_euclid(1_000_000);
        change.time.tv_usec = offset_micros.rem_euclid(1_000_000);
    } else if how != LOOK {
        change.modes = libc::ADJ_OFFSET_SINGLESHOT;
        change.offset = offset_micros;
    }
    outcome(unsafe { libc::clock_adjtime(libc::CLOCK_REALTIME, &mut change) } as isize)
}
