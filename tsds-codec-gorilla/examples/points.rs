//! How small points become, and how they are stored.
//!
//! ```sh
//! cargo run --release -p tsds-codec-gorilla --example points                 # a sensor that is made up
//! cargo run --release -p tsds-codec-gorilla --example points -- series.csv   # lines `timestamp,value`, both numbers
//! ```
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "an example reads a file and prints")]

use std::error::Error;

use tsds_codec_gorilla::{Block, GorillaDecoder, GorillaEncoder};

fn main() -> Result<(), Box<dyn Error>> {
    let (times, values) = match std::env::args_os().nth(1) {
        Some(path) => read(&std::fs::read_to_string(path)?)?,
        None => made_up(),
    };

    let mut encoder = GorillaEncoder::new();
    encoder.append_all(&times, &values);
    let bytes = encoder.finish();

    let mut points = 0;
    for (point, (time, value)) in GorillaDecoder::new(&bytes).zip(times.iter().zip(&values)) {
        let point = point?;
        assert_eq!(
            (point.0, point.1.to_bits()),
            (*time, value.to_bits()),
            "point {points} came back otherwise"
        );
        points += 1;
    }
    assert_eq!(points, times.len(), "points are missing");

    let raw = 16 * points;
    println!("{points} points, {raw} bytes as they are");
    println!("{} bytes encoded: {:.2} a point", bytes.len(), bytes.len() as f64 / points.max(1) as f64);
    println!("{:.1} times smaller", raw as f64 / bytes.len().max(1) as f64);
    print_frames(&bytes)
}

/// What is in each frame: two lengths and two blocks.
fn print_frames(mut rest: &[u8]) -> Result<(), Box<dyn Error>> {
    println!("frame   points  times                   values");
    let mut frame = 0;
    while let Some((lengths, blocks)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, e, f, g, h] = *lengths;
        let (times, blocks) = blocks.split_at(u32::from_le_bytes([a, b, c, d]) as usize);
        let (values, next) = blocks.split_at(u32::from_le_bytes([e, f, g, h]) as usize);
        let column = |bytes: &[u8]| {
            Block::parse(bytes).map(|block| format!("{:11} {:8} B", block.mode().name(), bytes.len()))
        };
        println!("{frame:5} {:8}  {}  {}", Block::parse(times)?.rows(), column(times)?, column(values)?);
        frame += 1;
        rest = next;
    }
    Ok(())
}

/// A day of a thermometer that is read every second, at times a little late.
fn made_up() -> (Vec<i64>, Vec<f64>) {
    (0..86_400)
        .map(|second: i64| {
            let late = if second % 61 == 0 { second % 7 } else { 0 };
            let angle = second as f64 / 86_400.0 * std::f64::consts::TAU;
            let tenths = 185.0 - 60.0 * angle.cos() + (second * second % 5) as f64;
            (1_700_000_000_000 + second * 1000 + late, tenths.round() / 10.0)
        })
        .unzip()
}

/// Lines `timestamp,value`; a first line that holds no numbers is a heading.
fn read(text: &str) -> Result<(Vec<i64>, Vec<f64>), Box<dyn Error>> {
    let (mut times, mut values) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let (time, value) = line.split_once(',').ok_or(format!("line {number} has no comma"))?;
        match (time.trim().parse(), value.trim().parse()) {
            (Ok(time), Ok(value)) => {
                times.push(time);
                values.push(value);
            }
            _ if number == 1 => {}
            _ => return Err(format!("line {number} is not an integer, a comma and a number: {line}").into()),
        }
    }
    Ok((times, values))
}
