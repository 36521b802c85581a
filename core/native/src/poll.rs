//! Waiting for many descriptors: epoll(7) with an eventfd(2) to be woken by.

use crate::{Outcome, last_error, outcome};
use libc::{c_int, epoll_event};

/// The tag under which a wake-up is reported; ffi.ts has the same.
const WAKE_TAG: u32 = u32::MAX;
const MAX_EVENTS: usize = 256;

/// Creates an epoll set and writes the descriptor to wake it by.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_poll_create(wake_out: *mut c_int) -> Outcome {
    unsafe {
        let poll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
        if poll < 0 {
            return last_error();
        }
        let wake = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
        if wake < 0 {
            let error = last_error();
            libc::close(poll);
            return error;
        }
        // Edge-triggered: every wake is one event, and nobody has to drain the counter.
        otb_poll_set(poll, wake, (libc::EPOLLIN | libc::EPOLLET) as u32, WAKE_TAG);
        wake_out.write(wake);
        poll
    }
}

/// Adds a descriptor that is not in the set: one call where `otb_poll_set` may need two.
#[unsafe(no_mangle)]
pub extern "C" fn otb_poll_add(poll: c_int, fd: c_int, events: u32, tag: u32) -> Outcome {
    let mut event = epoll_event {
        events,
        u64: u64::from(tag),
    };
    outcome(unsafe { libc::epoll_ctl(poll, libc::EPOLL_CTL_ADD, fd, &mut event) } as isize)
}

/// Adds a descriptor or changes its events.
#[unsafe(no_mangle)]
pub extern "C" fn otb_poll_set(poll: c_int, fd: c_int, events: u32, tag: u32) -> Outcome {
    let mut event = epoll_event {
        events,
        u64: u64::from(tag),
    };
    unsafe {
        let changed = libc::epoll_ctl(poll, libc::EPOLL_CTL_MOD, fd, &mut event);
        if changed < 0 && last_error() == -libc::ENOENT {
            return outcome(libc::epoll_ctl(poll, libc::EPOLL_CTL_ADD, fd, &mut event) as isize);
        }
        outcome(changed as isize)
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn otb_poll_remove(poll: c_int, fd: c_int) -> Outcome {
    outcome(
        unsafe { libc::epoll_ctl(poll, libc::EPOLL_CTL_DEL, fd, std::ptr::null_mut()) } as isize,
    )
}

/// Writes up to `max` pairs of tag and events. Before it sleeps it gives way to other threads `yields` times and looks
/// again: while it does not sleep, nobody pays for waking it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_poll_wait(
    poll: c_int,
    out: *mut [u32; 2],
    max: u32,
    timeout_ms: c_int,
    yields: u32,
) -> Outcome {
    let mut events = [epoll_event { events: 0, u64: 0 }; MAX_EVENTS];
    let room = (max as usize).min(MAX_EVENTS) as c_int;
    unsafe {
        let mut wait = |timeout_ms| libc::epoll_wait(poll, events.as_mut_ptr(), room, timeout_ms);
        let mut count = 0;
        for _ in 0..yields {
            libc::sched_yield();
            count = wait(0);
            if count != 0 {
                break;
            }
        }
        if count == 0 {
            count = wait(timeout_ms);
        }
        if count < 0 {
            // A signal is no event: the caller's loop just goes round.
            let error = last_error();
            return if error == -libc::EINTR { 0 } else { error };
        }
        for (index, event) in events[..count as usize].iter().enumerate() {
            out.add(index).write([event.u64 as u32, event.events]);
        }
        count
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn otb_poll_wake(wake: c_int) -> Outcome {
    outcome(unsafe { libc::write(wake, (&raw const ONE).cast(), 8) })
}

static ONE: u64 = 1;
