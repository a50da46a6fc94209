// SPDX-License-Identifier: GPL-2.0

//! What a reader of CTF makes of a stream of packets; written from the format, not from the ring.

/// As the tests' rings have it.
pub(crate) const UUID: [u8; 16] = *b"0123456789abcdef";
pub(crate) const STREAM: u32 = 5;
pub(crate) const CPU: u32 = 3;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) time: u64,
    pub(crate) id: u32,
    pub(crate) fields: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) discarded: u64,
    pub(crate) number: u64,
    pub(crate) len: u64,
    pub(crate) events: Vec<Event>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn packet(bytes: &[u8]) -> Packet {
    assert!(bytes.len() >= 80, "a packet cut short");
    assert_eq!(u32_at(bytes, 0), 0xc1fc_1fc1);
    assert_eq!(bytes[4..20], UUID);
    assert_eq!(u32_at(bytes, 20), STREAM);
    assert_eq!(
        u64_at(bytes, 24),
        u64_at(bytes, 32),
        "no padding is handed out"
    );
    assert_eq!(u64_at(bytes, 32) % 8, 0);
    let len = u64_at(bytes, 32) / 8;
    assert_eq!((u32_at(bytes, 72), u32_at(bytes, 76)), (CPU, 0));
    assert!(bytes.len() as u64 >= len, "a packet cut short");
    let content = &bytes[..len as usize];
    let mut packet = Packet {
        begin: u64_at(bytes, 40),
        end: u64_at(bytes, 48),
        discarded: u64_at(bytes, 56),
        number: u64_at(bytes, 64),
        len,
        events: Vec::new(),
    };
    let (mut at, mut last) = (80, packet.begin);
    while at < content.len() {
        let start = at.next_multiple_of(8);
        assert!(content[at..start].iter().all(|&b| b == 0));
        assert!(
            start + 16 <= content.len(),
            "something behind the last event"
        );
        let event = Event {
            time: u64_at(content, start),
            id: u32_at(content, start + 8),
            fields: {
                let len = u32_at(content, start + 12) as usize;
                content[start + 16..start + 16 + len].to_vec()
            },
        };
        assert!((last..=packet.end).contains(&event.time), "time goes back");
        last = event.time;
        at = start + 16 + event.fields.len();
        packet.events.push(event);
    }
    assert!(!packet.events.is_empty(), "an empty packet");
    packet
}

/// Takes a stream apart, as far as one ring after the other wrote it.
pub(crate) fn parse_packets(mut stream: &[u8]) -> Vec<Packet> {
    let mut packets: Vec<Packet> = Vec::new();
    while !stream.is_empty() {
        let next = packet(stream);
        if let Some(last) = packets.last() {
            assert!(last.number < next.number, "packets out of order");
            assert!(last.end <= next.begin, "packets overlap");
            assert!(last.discarded <= next.discarded);
        }
        stream = &stream[next.len as usize..];
        packets.push(next);
    }
    packets
}

/// How many packets a reader of the stream would say are missing, if it began with number `first`.
pub(crate) fn missing(packets: &[Packet], first: u64) -> u64 {
    let last = packets.last().map_or(first, |packet| packet.number + 1);
    last - first - packets.len() as u64
}
