//! What hostile input does to this library: one body per target, which takes any bytes and panics when something that must
//! hold does not. `./otb fuzz` runs them guided by coverage and under AddressSanitizer (../fuzz), the gate over the inputs
//! kept in ../testdata/fuzz and changes of them. Which input reaches what: tests/fuzz/README.md.

mod address;
mod aead;
mod coalesce;
mod netlink;
mod noise;
mod receiver;
mod replay;
mod tun;
mod tunnel;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Every target by its name; inputs that are kept lie in `testdata/fuzz/<name>.txt`, one a line in hex.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("address", address::run),
    ("aead", aead::run),
    ("coalesce", coalesce::run),
    ("netlink", netlink::run),
    ("noise", noise::run),
    ("receiver", receiver::run),
    ("replay", replay::run),
    ("tun", tun::run),
    ("tunnel", tunnel::run),
];

/// What a target reads its choices from; 0 and nothing once it is used up.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn more(&self) -> bool {
        !self.0.is_empty()
    }

    /// Up to so many bytes.
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.bytes(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// A number below the bound, of at most 65,536.
    fn below(&mut self, bound: usize) -> usize {
        usize::from(u16::from_le_bytes(self.array())) % bound.max(1)
    }

    fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }
}

/// Bytes that stand around what a function may write to.
const CANARY: u8 = 0xa5;

/// Counts this thread's allocations, so that a target can tell that there were none.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What the function allocated, as a count.
fn allocations<T>(run: impl FnOnce() -> T) -> (u64, T) {
    let before = ALLOCATIONS.get();
    let result = run();
    (ALLOCATIONS.get() - before, result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::{Duration, Instant};

    /// No target takes longer in the gate, however many inputs are kept; on a busy machine it sees fewer changed ones.
    const LONGEST: Duration = Duration::from_secs(1);
    const CHANGED: u64 = 3000;

    struct Random(u64);

    impl Random {
        /// xorshift64: repeatable.
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % bound.max(1) as u64) as usize
        }
    }

    fn kept(name: &str) -> Vec<Vec<u8>> {
        let path = format!("{}/testdata/fuzz/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).unwrap();
            u8::from_str_radix(pair, 16).unwrap()
        };
        text.lines()
            .map(|line| line.as_bytes().chunks(2).map(byte).collect())
            .collect()
    }

    /// A few changes as a fuzzer makes them.
    fn changed(kept: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
        let mut input = kept[random.below(kept.len())].clone();
        for _ in 0..1 + random.below(4) {
            let at = random.below(input.len() + 1);
            let interesting = [0, 1, 0x7f, 0x80, 0xff];
            match random.below(6) {
                0 if at < input.len() => input[at] ^= 1 << random.below(8),
                1 if at < input.len() => input[at] = interesting[random.below(5)],
                2 => input.truncate(at),
                3 => input.insert(at, random.below(256) as u8),
                4 => {
                    let other = &kept[random.below(kept.len())];
                    input.truncate(at);
                    input.extend_from_slice(&other[random.below(other.len() + 1)..]);
                }
                _ => {
                    let end = (at + random.below(16)).min(input.len());
                    input.drain(at..end);
                }
            }
        }
        input
    }

    #[test]
    fn every_target_holds_over_the_inputs_kept_and_changes_of_them() {
        let _alone = crate::MEMORY.lock();
        for (name, run) in TARGETS {
            let kept = kept(name);
            assert!(!kept.is_empty(), "{name}");
            let (begun, mut random) = (Instant::now(), Random(9));
            let changes = (0..CHANGED).map(|_| changed(&kept, &mut random));
            let mut ran = 0;
            for (index, input) in kept.iter().cloned().chain(changes).enumerate() {
                if index >= kept.len() && begun.elapsed() > LONGEST {
                    break;
                }
                let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
                let held = catch_unwind(AssertUnwindSafe(|| run(&input)));
                assert!(held.is_ok(), "{name} with {hex}");
                ran += 1;
            }
            println!("{name}: {ran} inputs in {:?}", begun.elapsed());
        }
    }

    #[test]
    fn allocations_are_seen() {
        assert_eq!(allocations(|| std::hint::black_box(Box::new(7))).0, 1);
        assert_eq!(allocations(|| std::hint::black_box(7)).0, 0);
    }
}
