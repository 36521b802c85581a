//! A link emulator between pairs of network interfaces: rate, delay, queue, loss, jitter and cut, each direction apart.
//!
//! `otb-link-emulator SOCKET NAME MODEM_IF INTERNET_IF [NAME MODEM_IF INTERNET_IF]...` moves packets until it is killed
//! and takes commands as lines on the Unix socket (control.rs). One thread, one epoll, a pool of packet buffers.

mod control;
mod packet;
mod shaper;

use control::Control;
use packet::{Pool, Port};
use shaper::{Shaper, Verdict};
use std::io;

/// One emulated link: `ports[0]` towards the modem, `ports[1]` towards the Internet.
pub struct Link {
    pub name: String,
    ports: [Port; 2],
    /// `[0]` carries what arrives from the modem (upstream), `[1]` what arrives from the Internet (downstream).
    pub shapers: [Shaper; 2],
    pub cut: bool,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.len() < 4 || !(args.len() - 1).is_multiple_of(3) {
        eprintln!("Usage: otb-link-emulator SOCKET NAME MODEM_IF INTERNET_IF ...");
        std::process::exit(2);
    }
    if let Err(error) = run(&args[0], &args[1..]) {
        eprintln!("otb-link-emulator: {error}");
        std::process::exit(1);
    }
}

fn run(socket: &str, words: &[String]) -> io::Result<()> {
    // Timers fire when asked, not up to 50 us later (prctl(2)).
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    let mut links = Vec::new();
    for (index, word) in words.chunks(3).enumerate() {
        links.push(Link {
            name: word[0].clone(),
            ports: [Port::open(&word[1])?, Port::open(&word[2])?],
            shapers: [
                Shaper::new(2 * index as u64 + 1),
                Shaper::new(2 * index as u64 + 2),
            ],
            cut: false,
        });
    }
    let mut control = Control::listen(socket)?;
    let epoll = Epoll::new()?;
    for (index, link) in links.iter().enumerate() {
        epoll.add(link.ports[0].fd(), 2 * index as u64)?;
        epoll.add(link.ports[1].fd(), 2 * index as u64 + 1)?;
    }
    epoll.add(control.fd(), u64::MAX)?;
    let mut pool = Pool::new();
    loop {
        let now = now_ns();
        let next = links
            .iter()
            .flat_map(|link| &link.shapers)
            .filter_map(Shaper::next_ns)
            .min();
        let mut ready = [0u64; 64];
        let count = epoll.wait(&mut ready, next.map(|at| at.saturating_sub(now)))?;
        for &tag in &ready[..count] {
            if tag == u64::MAX {
                control.serve(&mut links, &epoll)?;
            } else if tag >= control::CLIENT_TAG {
                control.read(tag, &mut links)?;
            } else {
                take(&mut links[tag as usize / 2], tag as usize % 2, &mut pool)?;
            }
        }
        let now = now_ns();
        for link in &mut links {
            for side in 0..2 {
                let Link { ports, shapers, .. } = link;
                shapers[side].deliver(now, &ports[1 - side], &mut pool);
            }
        }
    }
}

/// Reads what waits on one side into that side's shaper; bounded, so that no port starves the timers.
fn take(link: &mut Link, side: usize, pool: &mut Pool) -> io::Result<()> {
    for _ in 0..4 {
        let packets = link.ports[side].receive(pool)?;
        let now = now_ns();
        let full = packets.len() == packet::BATCH;
        for packet in packets {
            let verdict = link.shapers[side].offer(packet, now, link.cut);
            if let Verdict::Dropped(packet) = verdict {
                pool.give(packet);
            }
        }
        if !full {
            break;
        }
    }
    Ok(())
}

/// CLOCK_MONOTONIC in nanoseconds.
pub fn now_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// epoll(7) with nanosecond timeouts.
pub struct Epoll(i32);

impl Epoll {
    fn new() -> io::Result<Self> {
        check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Epoll)
    }

    pub fn add(&self, fd: i32, tag: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: tag,
        };
        check(unsafe { libc::epoll_ctl(self.0, libc::EPOLL_CTL_ADD, fd, &mut event) }).map(|_| ())
    }

    fn wait(&self, ready: &mut [u64; 64], timeout_ns: Option<u64>) -> io::Result<usize> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        let time = timeout_ns.map(|ns| libc::timespec {
            tv_sec: (ns / 1_000_000_000) as i64,
            tv_nsec: (ns % 1_000_000_000) as i64,
        });
        let pointer = time
            .as_ref()
            .map_or(std::ptr::null(), |time| time as *const _);
        let count = unsafe {
            libc::epoll_pwait2(self.0, events.as_mut_ptr(), 64, pointer, std::ptr::null())
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted {
                Ok(0)
            } else {
                Err(error)
            };
        }
        for (tag, event) in ready.iter_mut().zip(&events[..count as usize]) {
            *tag = event.u64;
        }
        Ok(count as usize)
    }
}

/// A libc result as a Rust one.
pub fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
