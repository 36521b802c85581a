//! Which packets may go to a TUN device as one: neighbours of one flow become a run with one header, which the kernel
//! takes as if its own segmentation offload had not yet cut it (linux/virtio_net.h). Nothing is copied but headers.
//!
//! Packets come from a peer that is authentic and yet not trusted: whatever is not plainly a segment like the one before
//! goes alone and unchanged, for the kernel to judge. Checksums are proven before a run hides them.

const VIRTIO_HEADER: usize = 10;
/// IPv6 and TCP with all options.
const MAX_HEADER: usize = 40 + 60;
/// UDP_MAX_SEGMENTS of kernels before 6.9; TCP has no such limit, but 64 KiB are reached first.
const MAX_SEGMENTS: usize = 64;
/// The largest IP packet.
const MAX_BYTES: usize = 65_535;
/// Flows that are looked through for each packet, the latest first.
const MAX_OPEN: usize = 8;
/// Room for what `Run::head` writes.
pub const HEAD: usize = VIRTIO_HEADER + MAX_HEADER;
const NONE: u16 = u16::MAX;

const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

/// What is known of a whole TCP or UDP packet without IP options or fragments.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    v6: bool,
    tcp: bool,
    /// Where the transport header begins, and where it ends.
    transport: usize,
    header: usize,
    /// It may be a segment of a run.
    joins: bool,
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl Shape {
    pub(crate) fn of(packet: &[u8]) -> Option<Self> {
        let (v6, transport, protocol) = match packet.first()? >> 4 {
            // No options, all of it, no fragment, and a header that is right.
            4 if packet.len() >= 20
                && packet[0] == 0x45
                && usize::from(word(packet, 2)) == packet.len()
                && word(packet, 6) & 0x3fff == 0
                && fold(sum(&packet[..20])) == 0xffff =>
            {
                (false, 20, packet[9])
            }
            6 if packet.len() >= 40 && usize::from(word(packet, 4)) == packet.len() - 40 => {
                (true, 40, packet[6])
            }
            _ => return None,
        };
        let rest = packet.len() - transport;
        let (tcp, header, joins) = match protocol {
            6 if rest >= 20 => {
                let header = transport + usize::from(packet[transport + 12] >> 4) * 4;
                let flags = packet[transport + 13];
                let plain = flags & !PSH == ACK && packet[transport + 12] & 0x0f == 0;
                (true, header, plain && word(packet, transport + 18) == 0)
            }
            17 if rest >= 8 => {
                let whole = usize::from(word(packet, transport + 4)) == rest;
                (
                    false,
                    transport + 8,
                    whole && word(packet, transport + 6) != 0,
                )
            }
            _ => return None,
        };
        let least = transport + if tcp { 20 } else { 8 };
        Some(Shape {
            v6,
            tcp,
            transport,
            header,
            joins: joins && header >= least && header < packet.len(),
        })
    }

    fn addresses(self) -> std::ops::Range<usize> {
        if self.v6 { 8..40 } else { 12..20 }
    }

    pub(crate) fn same_flow(self, own: &[u8], other: Shape, others: &[u8]) -> bool {
        let ports = self.transport..self.transport + 4;
        self.v6 == other.v6
            && self.tcp == other.tcp
            && own[self.addresses()] == others[self.addresses()]
            && own[ports.clone()] == others[ports]
    }

    /// All that a header says except lengths, sequence, PSH and checksums; the IPv4 identification may differ, as the
    /// kernel numbers segments itself.
    fn same_header(self, one: &[u8], other: &[u8]) -> bool {
        let at = self.transport;
        let ip = if self.v6 {
            one[..4] == other[..4] && one[7] == other[7]
        } else {
            one[1] == other[1] && one[6..8] == other[6..8] && one[8] == other[8]
        };
        ip && (!self.tcp
            || one[at + 8..at + 13] == other[at + 8..at + 13]
                && one[at + 14..at + 16] == other[at + 14..at + 16]
                && one[at + 20..self.header] == other[at + 20..self.header])
    }

    /// The sum over the pseudo header (RFC 9293, section 3.1; RFC 8200, section 8.1).
    fn pseudo(self, packet: &[u8], length: usize) -> u64 {
        let protocol: u16 = if self.tcp { 6 } else { 17 };
        sum(&packet[self.addresses()])
            + u64::from(protocol.to_be())
            + u64::from((length as u16).to_be())
    }

    fn checksum_holds(self, packet: &[u8]) -> bool {
        let rest = &packet[self.transport..];
        fold(sum(rest) + self.pseudo(packet, rest.len())) == 0xffff
    }
}

/// The sum of all 16-bit words, in the order of this machine: the ones' complement sum does not care (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= 64 && std::is_x86_feature_detected!("avx2") {
        return unsafe { sum_avx2(bytes) };
    }
    sum_anywhere(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn sum_avx2(bytes: &[u8]) -> u64 {
    sum_anywhere(bytes)
}

#[inline(always)]
fn sum_anywhere(bytes: &[u8]) -> u64 {
    let mut lanes = [0u64; 16];
    let (blocks, rest) = bytes.as_chunks::<64>();
    for block in blocks {
        let (words, _) = block.as_chunks::<4>();
        for (lane, four) in lanes.iter_mut().zip(words) {
            *lane += u64::from(u32::from_ne_bytes(*four));
        }
    }
    let (words, last) = rest.as_chunks::<2>();
    let mut total: u64 = lanes.iter().sum();
    total += words
        .iter()
        .map(|two| u64::from(u16::from_ne_bytes(*two)))
        .sum::<u64>();
    match last {
        [byte] => total + u64::from(u16::from_ne_bytes([*byte, 0])),
        _ => total,
    }
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// Packets that go with one write.
pub struct Run {
    pub first: u16,
    last: u16,
    pub segments: u16,
    /// Of all segments with one header.
    pub bytes: usize,
    /// Payload of each segment but the last.
    size: usize,
    shape: Option<Shape>,
    open: bool,
    /// The checksum of the first packet was looked at and holds.
    proven: bool,
}

impl Run {
    fn new(index: usize, packet: &[u8], shape: Option<Shape>) -> Self {
        let open = |shape: Shape| shape.joins && !(shape.tcp && pushed(packet, shape));
        let header = shape.map_or(0, |shape| shape.header);
        Run {
            first: index as u16,
            last: index as u16,
            segments: 1,
            bytes: packet.len(),
            size: packet.len().saturating_sub(header),
            shape,
            open: shape.is_some_and(open),
            proven: false,
        }
    }

    /// Writes virtio header and packet header of a run of several segments, and returns their length.
    pub fn head(&self, packets: &[&[u8]], out: &mut [u8; HEAD]) -> usize {
        let Some(shape) = self.shape.filter(|_| self.segments > 1) else {
            out[..VIRTIO_HEADER].fill(0);
            return VIRTIO_HEADER;
        };
        let Shape {
            v6,
            tcp,
            transport,
            header,
            ..
        } = shape;
        let (first, last) = (packets[self.first as usize], packets[self.last as usize]);
        out[0] = 1; // VIRTIO_NET_HDR_F_NEEDS_CSUM
        out[1] = match (tcp, v6) {
            (true, false) => 1, // VIRTIO_NET_HDR_GSO_TCPV4
            (true, true) => 4,  // VIRTIO_NET_HDR_GSO_TCPV6
            (false, _) => 5,    // VIRTIO_NET_HDR_GSO_UDP_L4
        };
        let check = transport + if tcp { 16 } else { 6 };
        let numbers = [header, self.size, transport, check - transport];
        for (at, number) in numbers.iter().enumerate() {
            out[2 + 2 * at..4 + 2 * at].copy_from_slice(&(*number as u16).to_ne_bytes());
        }
        let ip = &mut out[VIRTIO_HEADER..VIRTIO_HEADER + header];
        ip.copy_from_slice(&first[..header]);
        let rest = self.bytes - transport;
        if v6 {
            ip[4..6].copy_from_slice(&(rest as u16).to_be_bytes());
        } else {
            ip[2..4].copy_from_slice(&(self.bytes as u16).to_be_bytes());
            ip[10..12].fill(0);
            let checksum = !fold(sum(&ip[..20]));
            ip[10..12].copy_from_slice(&checksum.to_ne_bytes());
        }
        if tcp {
            ip[transport + 13] |= last[transport + 13] & PSH;
        } else {
            ip[transport + 4..transport + 6].copy_from_slice(&(rest as u16).to_be_bytes());
        }
        // The kernel completes it from there on for each segment.
        let partial = fold(shape.pseudo(first, rest));
        ip[check..check + 2].copy_from_slice(&partial.to_ne_bytes());
        VIRTIO_HEADER + header
    }

    /// Where the part of its packets begins that goes after the head.
    pub fn payload(&self) -> usize {
        match self.shape {
            Some(shape) if self.segments > 1 => shape.header,
            _ => 0,
        }
    }

    /// Takes the packet as its next segment, if it is one.
    fn join(&mut self, packets: &[&[u8]], index: usize, shape: Shape) -> bool {
        let (first, packet) = (packets[self.first as usize], packets[index]);
        // A header may claim to be longer than its packet, which then joins nothing.
        let payload = packet.len().saturating_sub(shape.header);
        let Some(own) = self.shape else { return false };
        if !own.joins
            || !shape.joins
            || own.header != shape.header
            || payload > self.size
            || self.segments as usize >= MAX_SEGMENTS
            || self.bytes + payload > MAX_BYTES
            || !own.same_header(first, packet)
        {
            return false;
        }
        if own.tcp {
            // All before it are full, so the next number follows from their count.
            let at = own.transport + 4;
            let next = long(first, at).wrapping_add((self.bytes - own.header) as u32);
            if long(packet, at) != next {
                return false;
            }
        }
        if !self.proven && !own.checksum_holds(first) || !shape.checksum_holds(packet) {
            return false;
        }
        self.proven = true;
        self.last = index as u16;
        self.segments += 1;
        self.bytes += payload;
        self.open = payload == self.size && !(own.tcp && pushed(packet, own));
        true
    }
}

fn pushed(packet: &[u8], shape: Shape) -> bool {
    packet[shape.transport + 13] & PSH != 0
}

/// The runs of one batch; its memory is used again.
#[derive(Default)]
pub struct Coalescer {
    pub runs: Vec<Run>,
    /// The packet after each one in its run.
    next: Vec<u16>,
    open: Vec<usize>,
}

impl Coalescer {
    /// Finds the runs of at most 65,534 packets. Flows keep their order, each by itself.
    pub fn plan(&mut self, packets: &[&[u8]], udp: bool) {
        self.runs.clear();
        self.open.clear();
        self.next.clear();
        self.next.resize(packets.len(), NONE);
        for (index, packet) in packets.iter().enumerate() {
            let shape = Shape::of(packet).filter(|shape| shape.tcp || udp);
            if let Some(shape) = shape
                && let Some(place) = self.find(packets, packet, shape)
            {
                let run = &mut self.runs[self.open[place]];
                let before = run.last;
                let joined = run.open && run.join(packets, index, shape);
                if joined {
                    self.next[before as usize] = index as u16;
                }
                if joined && run.open {
                    continue;
                }
                // Whatever comes next of this flow must not overtake this packet.
                self.open.remove(place);
                if joined {
                    continue;
                }
            }
            let run = Run::new(index, packet, shape);
            if run.open {
                if self.open.len() == MAX_OPEN {
                    self.open.remove(0);
                }
                self.open.push(self.runs.len());
            }
            self.runs.push(run);
        }
    }

    /// Each packet alone, for a device without offload.
    pub fn keep(&mut self, packets: &[&[u8]]) {
        self.runs.clear();
        self.next.clear();
        self.next.resize(packets.len(), NONE);
        let alone = packets.iter().enumerate();
        self.runs
            .extend(alone.map(|(index, packet)| Run::new(index, packet, None)));
    }

    fn find(&self, packets: &[&[u8]], packet: &[u8], shape: Shape) -> Option<usize> {
        self.open.iter().rposition(|run| {
            let run = &self.runs[*run];
            run.shape
                .is_some_and(|own| own.same_flow(packets[run.first as usize], shape, packet))
        })
    }

    /// The packets of a run in order.
    pub fn members(&self, run: &Run) -> impl Iterator<Item = usize> {
        let mut at = run.first;
        std::iter::from_fn(move || {
            let index = at;
            at = *self.next.get(index as usize)?;
            Some(index as usize)
        })
    }
}

/// Packets made for tests and fuzzers.
#[cfg(any(test, fuzzing))]
pub(crate) mod made {
    use super::*;

    /// A packet with right lengths and checksums.
    pub(crate) fn packet(
        v6: bool,
        tcp: bool,
        port: u16,
        sequence: u32,
        flags: u8,
        payload: &[u8],
    ) -> Vec<u8> {
        let transport = if v6 { 40 } else { 20 };
        let header = transport + if tcp { 32 } else { 8 };
        let mut bytes = vec![0u8; header];
        bytes.extend_from_slice(payload);
        let (total, rest) = (bytes.len() as u16, (bytes.len() - transport) as u16);
        if v6 {
            bytes[0] = 0x60;
            bytes[4..6].copy_from_slice(&rest.to_be_bytes());
            (bytes[6], bytes[7]) = (if tcp { 6 } else { 17 }, 64);
            (bytes[23], bytes[39]) = (1, 2);
        } else {
            (bytes[0], bytes[6], bytes[8]) = (0x45, 0x40, 64);
            bytes[2..4].copy_from_slice(&total.to_be_bytes());
            bytes[9] = if tcp { 6 } else { 17 };
            bytes[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
            let checksum = !fold(sum(&bytes[..20]));
            bytes[10..12].copy_from_slice(&checksum.to_ne_bytes());
        }
        bytes[transport..transport + 2].copy_from_slice(&port.to_be_bytes());
        if tcp {
            bytes[transport + 4..transport + 8].copy_from_slice(&sequence.to_be_bytes());
            (bytes[transport + 12], bytes[transport + 13]) = (8 << 4, flags);
        } else {
            bytes[transport + 4..transport + 6].copy_from_slice(&rest.to_be_bytes());
        }
        seal(&mut bytes, tcp, transport);
        bytes
    }

    /// Makes the checksum of TCP or UDP right.
    pub(crate) fn seal(bytes: &mut [u8], tcp: bool, transport: usize) {
        let check = transport + if tcp { 16 } else { 6 };
        bytes[check..check + 2].fill(0);
        let shape = Shape {
            v6: transport == 40,
            tcp,
            transport,
            header: 0,
            joins: false,
        };
        let total = sum(&bytes[transport..]) + shape.pseudo(bytes, bytes.len() - transport);
        bytes[check..check + 2].copy_from_slice(&(!fold(total)).to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::made::{packet, seal};
    use super::*;

    struct Random(u64);

    impl Random {
        /// xorshift64: repeatable.
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }
    }

    /// What the kernel makes of a run: the head cut into segments again.
    fn segments(coalescer: &Coalescer, run: &Run, packets: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut head = [0; HEAD];
        let length = run.head(packets, &mut head);
        let mut whole = head[VIRTIO_HEADER..length].to_vec();
        for index in coalescer.members(run) {
            whole.extend_from_slice(&packets[index][run.payload()..]);
        }
        assert_eq!(whole.len(), run.bytes);
        if run.segments == 1 {
            assert_eq!(head[..VIRTIO_HEADER], [0; VIRTIO_HEADER]);
            return vec![whole];
        }
        let number = |at: usize| usize::from(u16::from_ne_bytes([head[at], head[at + 1]]));
        let (header, size, transport) = (number(2), number(4), number(6));
        let (tcp, v6) = (head[1] != 5, transport == 40);
        if !v6 {
            assert_eq!(fold(sum(&whole[..20])), 0xffff);
            assert_eq!(usize::from(word(&whole, 2)), whole.len());
        }
        let payload = whole[header..].to_vec();
        let chunks: Vec<_> = payload.chunks(size).collect();
        let cut = chunks.iter().enumerate().map(|(index, chunk)| {
            let last = index + 1 == chunks.len();
            let told = if tcp { whole[transport + 13] } else { 0 };
            let flags = told & if last { 0xff } else { !PSH };
            let sequence = long(&whole, transport + 4).wrapping_add((index * size) as u32);
            packet(v6, tcp, word(&whole, transport), sequence, flags, chunk)
        });
        cut.collect()
    }

    fn plan(packets: &[Vec<u8>]) -> (Coalescer, Vec<&[u8]>) {
        let slices: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
        let mut coalescer = Coalescer::default();
        coalescer.plan(&slices, true);
        (coalescer, slices)
    }

    fn counts(packets: &[Vec<u8>]) -> Vec<u16> {
        plan(packets)
            .0
            .runs
            .iter()
            .map(|run| run.segments)
            .collect()
    }

    #[test]
    fn the_kernel_cuts_every_run_into_the_packets_it_was_made_of() {
        let mut random = Random(7);
        let mut longest = 0;
        for _ in 0..3000 {
            let mut sequences = [0xffff_f000u32; 4];
            let packets: Vec<_> = (0..1 + random.below(100))
                .map(|_| {
                    let flow = random.below(4) as usize;
                    let size = [1, 400, 1400][random.below(20).saturating_sub(17) as usize];
                    let payload: Vec<u8> = (0..size).map(|_| random.below(256) as u8).collect();
                    let flags = if random.below(12) == 0 {
                        ACK | PSH
                    } else {
                        ACK
                    };
                    if random.below(30) == 0 {
                        sequences[flow] = sequences[flow].wrapping_add(9);
                    }
                    let (v6, tcp) = (flow & 1 == 1, flow < 2);
                    let made = packet(v6, tcp, flow as u16, sequences[flow], flags, &payload);
                    sequences[flow] = sequences[flow].wrapping_add(size as u32);
                    made
                })
                .collect();
            let (coalescer, slices) = plan(&packets);
            let mut seen = vec![false; packets.len()];
            for run in &coalescer.runs {
                longest = longest.max(run.segments);
                let members: Vec<_> = coalescer.members(run).collect();
                assert!(members.is_sorted());
                let cut = segments(&coalescer, run, &slices);
                assert_eq!(cut.len(), members.len());
                for (index, segment) in members.iter().zip(cut) {
                    assert_eq!(segment, packets[*index]);
                    assert!(!std::mem::replace(&mut seen[*index], true));
                }
            }
            assert!(seen.iter().all(|seen| *seen));
            // Each flow keeps its order.
            for flow in 0..4u16 {
                let order: Vec<_> = coalescer
                    .runs
                    .iter()
                    .flat_map(|run| coalescer.members(run))
                    .filter(|index| {
                        let bytes = &packets[*index];
                        word(bytes, if bytes[0] == 0x45 { 20 } else { 40 }) == flow
                    })
                    .collect();
                assert!(order.is_sorted());
            }
        }
        assert!(longest > 10, "{longest}");
    }

    #[test]
    fn whatever_differs_from_the_segment_before_goes_alone() {
        let next = |flags, change: &dyn Fn(&mut Vec<u8>)| {
            let one = packet(false, true, 1, 100, ACK, &[1; 50]);
            let mut two = packet(false, true, 1, 150, flags, &[2; 50]);
            change(&mut two);
            counts(&[one, two])
        };
        let fixed = |two: &mut Vec<u8>| {
            two[10..12].fill(0);
            let checksum = !fold(sum(&two[..20]));
            two[10..12].copy_from_slice(&checksum.to_ne_bytes());
            seal(two, true, 20);
        };
        assert_eq!(next(ACK, &|_| ()), [2]);
        assert_eq!(next(ACK | PSH, &|_| ()), [2]);
        for flags in [
            0,
            ACK | 1,
            ACK | 2,
            ACK | 4,
            ACK | 0x20,
            ACK | 0x40,
            ACK | 0x80,
        ] {
            assert_eq!(next(flags, &|_| ()), [1, 1], "flags {flags:x}");
        }
        // TOS, fragment bits, TTL, sequence, acknowledgement, reserved bits, window, urgent pointer, an option.
        for at in [1, 6, 7, 8, 24, 27, 28, 32, 34, 38, 40, 51] {
            let changed = |two: &mut Vec<u8>| {
                two[at] ^= 1;
                fixed(two);
            };
            assert_eq!(next(ACK, &changed), [1, 1], "byte {at}");
        }
        // A checksum that does not hold must not be hidden, nor one of the header.
        for at in [10, 36, 60] {
            assert_eq!(next(ACK, &|two| two[at] ^= 1), [1, 1], "byte {at}");
        }
        let mut broken = packet(false, true, 1, 100, ACK, &[1; 50]);
        broken[60] ^= 1;
        let after = packet(false, true, 1, 150, ACK, &[2; 50]);
        let more = packet(false, true, 1, 200, ACK, &[2; 50]);
        assert_eq!(counts(&[broken, after, more]), [1, 2]);
    }

    #[test]
    fn a_run_ends_at_64_segments_at_64_kilobytes_and_with_a_short_one() {
        let many = |size: usize, count: u32| -> Vec<_> {
            (0..count)
                .map(|index| packet(true, true, 1, index * size as u32, ACK, &vec![0; size]))
                .collect()
        };
        assert_eq!(counts(&many(10, 130)), [64, 64, 2]);
        assert_eq!(counts(&many(1400, 60)), [46, 14]);
        let udp = |size: usize| packet(false, false, 1, 0, 0, &vec![0; size]);
        assert_eq!(
            counts(&[udp(10), udp(10), udp(9), udp(10), udp(11), udp(11)]),
            [3, 1, 2]
        );
        assert_eq!(counts(&[udp(0), udp(0)]), [1, 1]);
    }

    #[test]
    fn random_and_lying_packets_never_crash() {
        let mut random = Random(3);
        let mut head = [0; HEAD];
        for _ in 0..20_000 {
            let packets: Vec<_> = (0..6)
                .map(|index| {
                    let (v6, tcp) = (random.below(2) == 0, random.below(2) == 0);
                    let payload = vec![0; random.below(40) as usize];
                    let mut bytes = packet(v6, tcp, 1, index * 20, ACK, &payload);
                    for _ in 0..random.below(4) {
                        let at = random.below(bytes.len() as u64) as usize;
                        bytes[at] = random.below(256) as u8;
                    }
                    bytes.truncate(random.below(120) as usize);
                    bytes
                })
                .collect();
            let (coalescer, slices) = plan(&packets);
            let mut members = 0;
            for run in &coalescer.runs {
                run.head(&slices, &mut head);
                members += coalescer.members(run).count();
            }
            assert_eq!(members, packets.len());
        }
    }
}
