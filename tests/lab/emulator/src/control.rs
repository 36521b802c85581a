//! Commands as lines of words on a Unix socket; each is answered by one line, `ok ...` or `error ...`.
//!
//! - `set NAME up|down MBPS DELAY_MS JITTER_MS LOSS_PERCENT QUEUE_BYTES`
//! - `cut NAME`, `restore NAME`
//! - `counters`: for each link and direction `NAME DIRECTION PACKETS BYTES QUEUE LOSS CUT`, joined by `;`

use crate::{Epoll, Link, shaper::Profile};
use std::{
    collections::HashMap,
    io::{self, Read, Write},
    os::fd::AsRawFd,
    os::unix::net::{UnixListener, UnixStream},
};

/// Epoll tags from here on are clients.
pub const CLIENT_TAG: u64 = 1 << 32;
const MAX_LINE: usize = 4096;

pub struct Control {
    listener: UnixListener,
    clients: HashMap<u64, (UnixStream, Vec<u8>)>,
    next: u64,
}

impl Control {
    pub fn listen(path: &str) -> io::Result<Self> {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Control {
            listener,
            clients: HashMap::new(),
            next: CLIENT_TAG,
        })
    }

    pub fn fd(&self) -> i32 {
        self.listener.as_raw_fd()
    }

    /// Takes a new client.
    pub fn serve(&mut self, _links: &mut [Link], epoll: &Epoll) -> io::Result<()> {
        if let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true)?;
            epoll.add(stream.as_raw_fd(), self.next)?;
            self.clients.insert(self.next, (stream, Vec::new()));
            self.next += 1;
        }
        Ok(())
    }

    /// Reads a client's lines and answers them; a client that ends or says too much is forgotten.
    pub fn read(&mut self, tag: u64, links: &mut [Link]) -> io::Result<()> {
        let Some((stream, text)) = self.clients.get_mut(&tag) else {
            return Ok(());
        };
        let mut chunk = [0; MAX_LINE];
        let length = stream.read(&mut chunk).unwrap_or(0);
        text.extend_from_slice(&chunk[..length]);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let answer = match execute(&String::from_utf8_lossy(&line), links) {
                Ok(said) => format!("ok {said}\n"),
                Err(why) => format!("error {why}\n"),
            };
            if stream.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
        if length == 0 || text.len() > MAX_LINE {
            self.clients.remove(&tag);
        }
        Ok(())
    }
}

fn execute(line: &str, links: &mut [Link]) -> Result<String, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["set", name, direction, numbers @ ..] if numbers.len() == 5 => {
            let side = match *direction {
                "up" => 0,
                "down" => 1,
                other => return Err(format!("direction {other}")),
            };
            let mut values = [0.0; 5];
            for (value, word) in values.iter_mut().zip(numbers) {
                *value = word
                    .parse::<f64>()
                    .ok()
                    .filter(|value| value.is_finite() && *value >= 0.0)
                    .ok_or(format!("number {word}"))?;
            }
            if values[0] <= 0.0 {
                return Err("rate 0".into());
            }
            find(links, name)?.shapers[side].profile = Profile {
                bits_per_second: values[0] * 1e6,
                delay_ns: (values[1] * 1e6) as u64,
                jitter_ns: (values[2] * 1e6) as u64,
                loss: values[3] / 100.0,
                queue_bytes: values[4] as u64,
            };
            Ok(String::new())
        }
        [verb @ ("cut" | "restore"), name] => {
            let link = find(links, name)?;
            link.cut = *verb == "cut";
            if link.cut {
                let mut gone = Vec::new();
                link.shapers
                    .iter_mut()
                    .for_each(|shaper| shaper.drop_all(&mut gone));
            }
            Ok(String::new())
        }
        ["counters"] => Ok(links
            .iter()
            .flat_map(|link| {
                ["up", "down"]
                    .into_iter()
                    .zip(&link.shapers)
                    .map(move |(direction, shaper)| (link, direction, shaper))
            })
            .map(|(link, direction, shaper)| {
                let count = &shaper.counters;
                format!(
                    "{} {direction} {} {} {} {} {}",
                    link.name,
                    count.packets,
                    count.bytes,
                    count.dropped_queue,
                    count.dropped_loss,
                    count.dropped_cut
                )
            })
            .collect::<Vec<_>>()
            .join(";")),
        _ => Err(format!("command {}", line.trim())),
    }
}

fn find<'a>(links: &'a mut [Link], name: &str) -> Result<&'a mut Link, String> {
    links
        .iter_mut()
        .find(|link| link.name == name)
        .ok_or(format!("link {name}"))
}
