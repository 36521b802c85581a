//! One direction of one link: a serialiser of a given rate with a queue before it and a delay line behind it.

use crate::packet::{Packet, Pool, Port};
use std::collections::VecDeque;

/// What a direction does to packets.
#[derive(Clone, Copy)]
pub struct Profile {
    pub bits_per_second: f64,
    pub delay_ns: u64,
    /// Up to this much is added to the delay of each packet; order is kept.
    pub jitter_ns: u64,
    /// 0 to 1.
    pub loss: f64,
    pub queue_bytes: u64,
}

/// Since the start, per direction.
#[derive(Clone, Copy, Default)]
pub struct Counters {
    pub packets: u64,
    pub bytes: u64,
    pub dropped_queue: u64,
    pub dropped_loss: u64,
    pub dropped_cut: u64,
}

pub enum Verdict {
    Queued,
    Dropped(Packet),
}

pub struct Shaper {
    pub profile: Profile,
    pub counters: Counters,
    /// When the last bit of the last accepted packet leaves the serialiser.
    free_ns: u64,
    /// Packets with the time they arrive at the other end; times never go back.
    line: VecDeque<(u64, Packet)>,
    random: u64,
}

impl Shaper {
    pub fn new(seed: u64) -> Self {
        let profile = Profile {
            bits_per_second: 1e9,
            delay_ns: 0,
            jitter_ns: 0,
            loss: 0.0,
            queue_bytes: 1 << 20,
        };
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Shaper {
            profile,
            counters: Counters::default(),
            free_ns: 0,
            line: VecDeque::new(),
            random,
        }
    }

    /// Accepts a packet that arrived at `now`, or hands it back dropped.
    pub fn offer(&mut self, packet: Packet, now: u64, cut: bool) -> Verdict {
        if cut {
            self.counters.dropped_cut += 1;
            return Verdict::Dropped(packet);
        }
        if self.profile.loss > 0.0 && self.draw() < self.profile.loss {
            self.counters.dropped_loss += 1;
            return Verdict::Dropped(packet);
        }
        let bytes = packet.ip_bytes();
        let waiting = self.free_ns.saturating_sub(now) as f64 * self.profile.bits_per_second / 8e9;
        if waiting + bytes as f64 > self.profile.queue_bytes as f64 {
            self.counters.dropped_queue += 1;
            return Verdict::Dropped(packet);
        }
        let serialise = (bytes as f64 * 8e9 / self.profile.bits_per_second) as u64;
        self.free_ns = self.free_ns.max(now) + serialise;
        let jitter = (self.draw() * self.profile.jitter_ns as f64) as u64;
        let earliest = self.line.back().map_or(0, |(at, _)| *at);
        self.line.push_back((
            (self.free_ns + self.profile.delay_ns + jitter).max(earliest),
            packet,
        ));
        Verdict::Queued
    }

    /// When the next packet is due.
    pub fn next_ns(&self) -> Option<u64> {
        self.line.front().map(|(at, _)| *at)
    }

    /// Sends everything that is due.
    pub fn deliver(&mut self, now: u64, port: &Port, pool: &mut Pool) {
        let due = self.line.iter().take_while(|(at, _)| *at <= now).count();
        if due == 0 {
            return;
        }
        let packets: Vec<Packet> = self.line.drain(..due).map(|(_, packet)| packet).collect();
        for packet in &packets {
            self.counters.packets += 1;
            self.counters.bytes += packet.ip_bytes();
        }
        port.send(&packets);
        for packet in packets {
            pool.give(packet);
        }
    }

    /// Loses what is under way, as a cut does.
    pub fn drop_all(&mut self, pool: &mut Vec<Packet>) {
        self.counters.dropped_cut += self.line.len() as u64;
        pool.extend(self.line.drain(..).map(|(_, packet)| packet));
        self.free_ns = 0;
    }

    /// Xorshift64*: the same seed gives the same losses.
    fn draw(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }
}
