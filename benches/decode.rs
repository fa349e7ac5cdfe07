//! How fast MSRP is decoded, beside memmem and memcpy over the same octets in the same run: `cargo bench --bench decode`.
//!
//! A number alone says more about the machine than about the decoder; the shares carry over from one to another.
//! Each figure is the best of several rounds, for noise only ever makes a round slower.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use memchr::memmem::Finder;
use restante::msrp::{Decoder, Event};

/// Octets decoded in a round.
const ROUND_OCTETS: usize = 64 * 1024 * 1024;
const ROUNDS: usize = 7;
/// What a socket gives at once.
const READ_OCTETS: usize = 64 * 1024;

const GIB: f64 = (1u64 << 30) as f64;

fn main() {
    println!("best of {ROUNDS} rounds of {} MiB, read in pieces of {} KiB", ROUND_OCTETS >> 20, READ_OCTETS >> 10);
    report("64 KiB chunks, text", &stream(&text(64 * 1024)));
    report("64 KiB chunks, every line a CRLF and hyphens", &stream(&b"\r\n------ not yet".repeat(4096)));
    report("200 octets", &stream(&text(200)));
}

/// Without line breaks, as pictures and voices mostly are.
fn text(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| b'a' + (at % 26) as u8).collect()
}

/// A message in one chunk, again and again.
fn stream(body: &[u8]) -> Stream {
    let mut octets = Vec::with_capacity(ROUND_OCTETS);
    let mut messages = 0u64;
    while octets.len() < ROUND_OCTETS {
        messages += 1;
        let head = format!(
            "MSRP t{messages:015} SEND\r\n\
             To-Path: msrp://store.example.org:2855/s9Xk2vQ7;tcp\r\n\
             From-Path: msrp://phone.example.net:7654/p4Jd8wLm;tcp\r\n\
             Message-ID: m{messages:015}\r\n\
             Byte-Range: 1-{length}/{length}\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            length = body.len()
        );
        octets.extend_from_slice(head.as_bytes());
        octets.extend_from_slice(body);
        octets.extend_from_slice(format!("\r\n-------t{messages:015}$\r\n").as_bytes());
    }
    Stream { octets: octets.into(), messages, body: body.len() }
}

struct Stream {
    octets: Bytes,
    messages: u64,
    /// Octets of one body.
    body: usize,
}

fn report(name: &str, stream: &Stream) {
    let length = stream.octets.len();
    let decoded = best(|| decode(stream));
    let finder = Finder::new(b"\r\n-------");
    let found = best(|| {
        black_box(pieces(&stream.octets).map(|piece| finder.find_iter(&piece).count()).sum::<usize>());
    });
    let mut buffer = vec![0; READ_OCTETS];
    let copied = best(|| {
        for piece in pieces(&stream.octets) {
            buffer[..piece.len()].copy_from_slice(&piece);
            black_box(&mut buffer);
        }
    });
    let rate = |time: Duration| length as f64 / time.as_secs_f64() / GIB;
    let share = |base: Duration| 100.0 * base.as_secs_f64() / decoded.as_secs_f64();
    println!("\n{name}");
    println!(
        "  decoder {:8.2} GiB/s  {:>10.0} messages/s",
        rate(decoded),
        stream.messages as f64 / decoded.as_secs_f64()
    );
    println!("  memmem  {:8.2} GiB/s  the decoder has {:.0} % of it", rate(found), share(found));
    println!("  memcpy  {:8.2} GiB/s  the decoder has {:.0} % of it", rate(copied), share(copied));
}

fn pieces(octets: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    (0..octets.len()).step_by(READ_OCTETS).map(|at| octets.slice(at..octets.len().min(at + READ_OCTETS)))
}

fn decode(stream: &Stream) {
    let (mut decoder, mut messages, mut octets) = (Decoder::new(), 0, 0);
    for piece in pieces(&stream.octets) {
        decoder.push(piece);
        while let Some(event) = decoder.poll().expect("sound octets") {
            match event {
                Event::Body(body) => octets += black_box(body).len(),
                Event::End(_) => messages += 1,
                event => drop(black_box(event)),
            }
        }
    }
    assert_eq!((messages, octets), (stream.messages, stream.messages as usize * stream.body), "everything is decoded");
}

fn best(mut round: impl FnMut()) -> Duration {
    let timed = |_| {
        let begun = Instant::now();
        round();
        begun.elapsed()
    };
    (0..ROUNDS).map(timed).min().unwrap_or_default()
}
