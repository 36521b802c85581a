//! Which numbers of one sender were seen: a sliding window of 8192 over a ring of bits (RFC 6479).

/// Numbers that far behind the highest are too old.
pub(crate) const WINDOW: u64 = 8192;
const BITS: u64 = 64;
/// One block more than the window, so that a new block is cleared before numbers of its predecessor are too old.
const BLOCKS: usize = (WINDOW / BITS) as usize + 1;

pub struct Window {
    /// One above the highest number seen.
    next: u64,
    ring: [u64; BLOCKS],
}

impl Window {
    pub fn new() -> Self {
        Window {
            next: 0,
            ring: [0; BLOCKS],
        }
    }

    fn place(number: u64) -> (usize, u64) {
        let block = number / BITS;
        ((block % BLOCKS as u64) as usize, 1 << (number % BITS))
    }

    /// Neither seen nor too old. Changes nothing, as the number may be forged.
    pub fn is_new(&self, number: u64) -> bool {
        if number >= self.next {
            return true;
        }
        let (block, bit) = Self::place(number);
        self.next - 1 - number < WINDOW && self.ring[block] & bit == 0
    }

    /// Marks an authentic number as seen; it must be new.
    pub fn mark(&mut self, number: u64) {
        if number >= self.next {
            // Blocks between the old and the new highest hold numbers of a round before.
            let last = self.next.saturating_sub(1) / BITS;
            let steps = (number / BITS - last).min(BLOCKS as u64);
            for step in 1..=steps {
                self.ring[((last + step) % BLOCKS as u64) as usize] = 0;
            }
            self.next = number.saturating_add(1);
        }
        let (block, bit) = Self::place(number);
        self.ring[block] |= bit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn take(window: &mut Window, number: u64) -> bool {
        let new = window.is_new(number);
        if new {
            window.mark(number);
        }
        new
    }

    #[test]
    fn each_number_is_taken_once_and_within_the_window_in_any_order() {
        let mut window = Window::new();
        for number in (0..WINDOW).rev() {
            assert!(take(&mut window, number), "{number}");
        }
        for number in 0..WINDOW {
            assert!(!take(&mut window, number), "{number}");
        }
        assert!(take(&mut window, WINDOW));
        assert!(!window.is_new(0));
    }

    #[test]
    fn the_oldest_number_of_the_window_is_taken_and_the_one_before_is_not() {
        for highest in [WINDOW - 1, WINDOW, 3 * WINDOW + 17, 1 << 59, (1 << 59) + 63] {
            let mut window = Window::new();
            assert!(take(&mut window, highest));
            assert!(window.is_new(highest + 1 - WINDOW));
            assert!(highest < WINDOW || !window.is_new(highest - WINDOW));
            assert!(take(&mut window, highest + 1 - WINDOW));
            assert!(!take(&mut window, highest + 1 - WINDOW));
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut window = Window::new();
        assert!(take(&mut window, u64::MAX - 1));
        assert!(!take(&mut window, u64::MAX - 1));
        assert!(take(&mut window, u64::MAX - 2));
        assert!(!window.is_new(0));
    }

    #[test]
    fn it_agrees_with_a_set_of_all_numbers_seen() {
        let _alone = crate::MEMORY.lock();
        let mut seed = 1u64;
        let mut random = move |below: u64| {
            // xorshift64: repeatable, and good enough to jump about.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let (mut window, mut seen, mut highest) = (Window::new(), HashSet::new(), 0u64);
        for _ in 0..500_000 {
            let number = match random(50) {
                0 => highest + random(3 * WINDOW),
                1..=20 => highest + random(70),
                _ => highest.saturating_sub(random(WINDOW + 200)),
            };
            let expected = number + WINDOW > highest && seen.insert(number);
            assert_eq!(take(&mut window, number), expected, "{number} of {highest}");
            highest = highest.max(number);
        }
    }
}
