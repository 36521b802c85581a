//! The kernel's answers about sockets and neighbours, whose contents devices and peers choose in part.

use crate::{diag, neighbour};

pub fn run(data: &[u8]) {
    let mut sockets = 0;
    let done = diag::answer(data, |_| sockets += 1);
    assert!(sockets <= data.len() / 16);
    assert!(done.is_ok_and(|_| true) || done.is_err_and(|error| error < 0));
    assert!(neighbour::parse(data).map_or_else(|error| error < 0, |_| true));
}
