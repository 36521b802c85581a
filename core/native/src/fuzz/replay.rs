//! Numbers in any order against the plain rule: new within the window and never seen, as a set of all numbers tells.

use super::Input;
use crate::replay::{WINDOW, Window};
use std::collections::HashSet;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (mut window, mut seen) = (Window::new(), HashSet::new());
    let mut highest = 0u64;
    while input.more() {
        let kind = input.byte();
        let far = u64::from(u16::from_le_bytes(input.array()));
        let number = match kind & 7 {
            0 => highest.saturating_add(far),
            1 => highest.saturating_sub(far),
            2 => highest.saturating_add(far * WINDOW),
            3 => highest.saturating_sub(WINDOW + 2).saturating_add(far & 3),
            4 => u64::from_le_bytes(input.array()).min(u64::MAX - 1),
            5 => (highest | 63).saturating_add(far & 1),
            6 => highest.saturating_add(1),
            _ => highest,
        }
        .min(u64::MAX - 1);
        let first = seen.is_empty();
        let inside = first || number > highest || highest - number < WINDOW;
        let expected = inside && !seen.contains(&number);
        assert_eq!(window.is_new(number), expected, "{number} of {highest}");
        // Asking changes nothing.
        assert_eq!(window.is_new(number), expected);
        if expected && kind & 0x80 == 0 {
            window.mark(number);
            seen.insert(number);
            highest = highest.max(number);
            assert!(!window.is_new(number));
        }
    }
}
