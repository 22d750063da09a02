//! What the golden blocks hold. Never to be changed: a file in `v1/` has these values.

use tsds_codec_gorilla::{Column, Form, IntegersLayout, Kind, Layout, Mode, ModeChoice, encode};

/// A block, how it came about, and what is in it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    choice: ModeChoice,
    pub(crate) lanes: Vec<i64>,
    pub(crate) validity: Option<Vec<u64>>,
    /// Whether a block is what it is meant to be.
    pub(crate) shows: fn(&Layout<'_>) -> bool,
    /// Whether the encoder now writes other bytes for these values.
    pub(crate) retired: bool,
}

impl Case {
    fn new(name: &'static str, kind: Kind, mode: Mode, lanes: Vec<i64>) -> Self {
        let (choice, validity) = (ModeChoice::Only(mode), None);
        Self { name, kind, mode, choice, lanes, validity, shows: |_| true, retired: false }
    }

    fn choosing(self, choice: ModeChoice) -> Self {
        Self { choice, ..self }
    }

    fn showing(self, shows: fn(&Layout<'_>) -> bool) -> Self {
        Self { shows, ..self }
    }

    /// Every row is null for which `is_null` holds.
    fn with_nulls(self, is_null: fn(usize) -> bool) -> Self {
        let mut words = vec![0; self.lanes.len().div_ceil(64)];
        (0..self.lanes.len()).filter(|row| !is_null(*row)).for_each(|row| words[row / 64] |= 1 << (row % 64));
        Self { validity: Some(words), ..self }
    }

    pub(crate) fn file(&self) -> String {
        format!("{}.tsg", self.name)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let column = Column { kind: self.kind, lanes: &self.lanes, validity: self.validity.as_deref() };
        encode(column, self.choice, &mut bytes);
        bytes
    }

    pub(crate) fn values(&self) -> Vec<Option<i64>> {
        let is_valid = |row: usize| self.validity.as_ref().is_none_or(|words| is_set(words, row));
        self.lanes.iter().enumerate().map(|(row, lane)| is_valid(row).then_some(*lane)).collect()
    }
}

pub(crate) fn is_set(words: &[u64], row: usize) -> bool {
    words[row / 64] >> (row % 64) & 1 == 1
}

pub(crate) fn cases() -> Vec<Case> {
    let all = [
        examples(),
        raw(),
        progressions(),
        integers(),
        decimals(),
        dictionaries(),
        classic(),
        bits_and_nulls(),
    ];
    all.into_iter().flatten().collect()
}

/// Numbers that look random, by a generator that can be written down (Steele, Lea, Flood, "Fast splittable pseudorandom
/// number generators", OOPSLA 2014).
fn noise(row: i64) -> i64 {
    let mut z = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ z >> 31) as i64
}

/// Noise from 0 to `below` - 1.
fn small(row: i64, below: i64) -> i64 {
    noise(row).rem_euclid(below)
}

fn ints(rows: i64, value: impl Fn(i64) -> i64) -> Vec<i64> {
    (0..rows).map(value).collect()
}

fn walk(rows: i64, step: impl Fn(i64) -> i64) -> Vec<i64> {
    let mut place = 0;
    let next = |row| {
        place += step(row);
        place
    };
    (0..rows).map(next).collect()
}

fn doubles(rows: i64, value: impl Fn(i64) -> f64) -> Vec<i64> {
    (0..rows).map(|row| value(row).to_bits() as i64).collect()
}

fn singles(rows: i64, value: impl Fn(i64) -> f32) -> Vec<i64> {
    (0..rows).map(|row| i64::from(value(row).to_bits())).collect()
}

const SPECIAL: [u64; 8] = [
    0x8000_0000_0000_0000,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_1234,
    0xfff8_0000_0000_0001,
    0x0000_0000_0000_0001,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0001,
];

fn special(row: i64) -> f64 {
    f64::from_bits(SPECIAL[row.rem_euclid(8) as usize])
}

/// Those of `docs/formats/gorilla.md`, which takes them to pieces.
fn examples() -> Vec<Case> {
    let readings = [21.5, 21.6, 21.6, 21.4, f64::from_bits(0x7ff8_0000_0000_0000), 21.5, 21.7, 21.6];
    vec![
        Case::new(
            "example-integers",
            Kind::Int64,
            Mode::Integers,
            ints(10, |i| 1000 + 10 * i + 300 * (i / 6)),
        ),
        Case::new("example-decimal", Kind::Float64, Mode::Decimal, doubles(8, |i| readings[i as usize])),
    ]
}

fn raw() -> Vec<Case> {
    let case = |name, kind, lanes| Case::new(name, kind, Mode::Raw, lanes);
    vec![
        case("raw-int8", Kind::Int8, vec![-128, 127, 0, -1, 5]),
        case("raw-int16", Kind::Int16, vec![-32768, 32767, 0, -1, 5]),
        case("raw-int32", Kind::Int32, vec![i32::MIN.into(), i32::MAX.into(), 0, -1, 5]),
        case("raw-int64", Kind::Int64, vec![i64::MIN, i64::MAX, 0, -1, 5]),
        case("raw-uint8", Kind::UInt8, vec![255, 0, 128, 5]),
        case("raw-uint16", Kind::UInt16, vec![65535, 0, 32768, 5]),
        case("raw-uint32", Kind::UInt32, vec![u32::MAX.into(), 0, 1 << 31, 5]),
        case("raw-uint64", Kind::UInt64, vec![-1, 0, i64::MIN, 5]),
        case("raw-float32", Kind::Float32, vec![0x8000_0000, 0x7f80_0000, 0x7fc0_0123, 0x7f80_0001, 1]),
        case("raw-float64", Kind::Float64, doubles(8, special)),
        case("raw-no-rows", Kind::Int64, Vec::new()),
    ]
}

fn progressions() -> Vec<Case> {
    let case = |name, kind, lanes| Case::new(name, kind, Mode::Progression, lanes);
    vec![
        case("progression-int64", Kind::Int64, ints(300, |i| 1_700_000_000_000_000_000 + i * 60_000_000_000)),
        case("progression-int64-wraps", Kind::Int64, ints(40, |i| i64::MAX.wrapping_add(i * 3))),
        case("progression-uint32", Kind::UInt32, ints(20, |i| i64::from(u32::MAX) - 7 * i)),
        case("progression-float32", Kind::Float32, singles(20, |_| -0.0)),
        case("progression-float64", Kind::Float64, doubles(20, |_| special(3))),
    ]
}

fn has(layout: &Layout<'_>, holds: fn(&IntegersLayout) -> bool) -> bool {
    matches!(layout, Layout::Integers(layout) if holds(layout))
}

fn integers() -> Vec<Case> {
    let case = |name, kind, lanes| Case::new(name, kind, Mode::Integers, lanes);
    vec![
        case("integers-flat", Kind::Int32, ints(300, |i| small(i, 1000) - 500))
            .showing(|layout| has(layout, |integers| integers.form == Form::Flat)),
        case("integers-delta", Kind::Int64, walk(300, |i| small(i, 2000) - 1000))
            .showing(|layout| has(layout, |integers| integers.form == Form::Delta && integers.centre == 0)),
        case("integers-delta-centre", Kind::Int64, ints(300, |i| i * 60_001 + small(i, 5)))
            .showing(|layout| has(layout, |integers| integers.form == Form::Delta && integers.centre != 0)),
        case("integers-delta-of-delta", Kind::Int64, ints(300, |i| i * i * i * 77 + i % 2))
            .showing(|layout| has(layout, |integers| integers.form == Form::DeltaOfDelta)),
        case("integers-scaled", Kind::Int64, ints(300, |i| 7 + (i * 60 + small(i, 3)) * 1_000_000_000))
            .showing(|layout| has(layout, |integers| integers.scale == (1_000_000_000, 7))),
        case("integers-scaled-delta-of-delta", Kind::Int64, ints(200, |i| (i * i * i + i % 2) * -250 - 1))
            .showing(|layout| {
                has(layout, |integers| integers.form == Form::DeltaOfDelta && integers.scale.0 > 1)
            }),
        case(
            "integers-patched",
            Kind::Int64,
            ints(300, |i| if i % 37 == 5 { noise(i) >> 20 } else { small(i, 8) }),
        )
        .showing(|layout| {
            has(layout, |integers| integers.minis.iter().any(|mini| (1..=18).contains(&mini.patches)))
        }),
        case(
            "integers-patched-bitmap",
            Kind::Int64,
            ints(300, |i| if i % 5 == 2 { small(i, 1 << 40) } else { small(i, 8) }),
        )
        .showing(|layout| has(layout, |integers| integers.minis.iter().any(|mini| mini.patches > 18))),
        case("integers-patched-from-nothing", Kind::Int64, ints(300, |i| i * 10 + 1000 * (i / 101))).showing(
            |layout| {
                has(layout, |integers| integers.minis.iter().any(|mini| mini.width == 0 && mini.patches > 0))
            },
        ),
        case("integers-whole", Kind::Int64, ints(500, |i| if i < 128 { noise(i) } else { small(i, 8) }))
            .showing(|layout| has(layout, |integers| integers.minis.iter().any(|mini| mini.width == 64))),
        case("integers-wide", Kind::Int64, ints(300, |i| small(i, 1 << 57)))
            .showing(|layout| has(layout, |integers| integers.minis.iter().any(|mini| mini.width > 50))),
        case("integers-wrap", Kind::Int64, ints(300, |i| i64::MAX.wrapping_add(small(i, 9) - 4))),
        case("integers-int8", Kind::Int8, ints(300, |i| i % 50 - 25 + small(i, 3))),
        case("integers-uint64", Kind::UInt64, ints(300, |i| i64::MIN + i * 3 + small(i, 3))),
        case(
            "integers-float32",
            Kind::Float32,
            singles(300, |i| 1.0 + (small(i, 4000) as f32) / 8_388_608.0),
        ),
        case(
            "integers-float64",
            Kind::Float64,
            doubles(300, |i| -1.0 + (small(i, 1 << 30) as f64) / (1i64 << 53) as f64),
        ),
        case(
            "integers-float64-signs",
            Kind::Float64,
            doubles(300, |i| f64::from_bits(small(i, 100) as u64) * if i % 2 == 0 { 1.0 } else { -1.0 }),
        ),
    ]
}

fn decimals() -> Vec<Case> {
    let case = |name, kind, lanes| Case::new(name, kind, Mode::Decimal, lanes);
    let tenths = |i: i64| (200 + i % 90 - small(i, 3)) as f64 / 10.0;
    vec![
        case("decimal", Kind::Float64, doubles(300, tenths)).showing(|layout| {
            matches!(
                layout,
                Layout::Decimal { divisor: 10.0, single: false, corrections: None, exceptions: [], .. }
            )
        }),
        case("decimal-many-places", Kind::Float64, doubles(300, |i| small(i, 1 << 50) as f64 / 1e18))
            .showing(|layout| matches!(layout, Layout::Decimal { divisor: 1e18, .. })),
        case("decimal-float32", Kind::Float32, singles(300, |i| ((1000 - i * 7 % 90) as f64 / 100.0) as f32))
            .showing(|layout| matches!(layout, Layout::Decimal { divisor: 100.0, single: true, .. })),
        case(
            "decimal-single",
            Kind::Float64,
            doubles(300, |i| f64::from((small(i, 9000) as f64 / 100.0) as f32)),
        )
        .showing(|layout| matches!(layout, Layout::Decimal { divisor: 100.0, single: true, .. })),
        case("decimal-corrections", Kind::Float64, doubles(300, |i| 0.1 * i as f64 + 0.2))
            .showing(|layout| matches!(layout, Layout::Decimal { corrections: Some(_), .. })),
        case("decimal-multiplier", Kind::Float64, doubles(300, |i| (600 + i * 7 % 400) as f64 / 30.0))
            .showing(|layout| matches!(layout, Layout::Decimal { divisor: 30.0, .. })),
        case(
            "decimal-exceptions",
            Kind::Float64,
            doubles(300, |i| if i % 23 == 4 { special(i) } else { tenths(i) }),
        )
        .showing(|layout| matches!(layout, Layout::Decimal { exceptions: [_, ..], .. })),
        case(
            "decimal-exceptions-nested",
            Kind::Float64,
            doubles(600, |i| match i % 11 {
                3 => f64::NAN,
                7 if i % 2 == 0 => (small(i, 5) as f64).sqrt() + 0.5,
                _ => tenths(i),
            }),
        )
        .showing(|layout| matches!(layout, Layout::Decimal { exceptions: [_, ..], .. })),
        case(
            "decimal-float32-exceptions",
            Kind::Float32,
            singles(
                300,
                |i| if i % 50 == 0 { f32::from_bits(0x7fc0_0123) } else { small(i, 1000) as f32 / 4.0 },
            ),
        )
        .showing(|layout| matches!(layout, Layout::Decimal { exceptions: [_, ..], single: true, .. })),
    ]
}

fn dictionaries() -> Vec<Case> {
    let case = |name, kind, lanes| Case::new(name, kind, Mode::Dictionary, lanes);
    vec![
        case("dictionary-int64", Kind::Int64, ints(300, |i| noise(small(i, 20)))),
        case("dictionary-uint16", Kind::UInt16, ints(300, |i| noise(small(i, 5)) & 0xffff)),
        case("dictionary-float32", Kind::Float32, singles(300, |i| small(i, 12) as f32 * 7.3 - 3.1)),
        case("dictionary-float64", Kind::Float64, doubles(300, |i| special(small(i, 8)))),
        // Of values that are decimals but for some, which are stored within values within values.
        case(
            "dictionary-nested",
            Kind::Float64,
            doubles(600, |i| match small(i, 64) {
                nested @ 0..9 => special(nested),
                number => number as f64 / 10.0,
            }),
        ),
    ]
}

fn classic() -> Vec<Case> {
    let case = |name, kind, lanes_log2, lanes| {
        Case::new(name, kind, Mode::Classic, lanes).choosing(ModeChoice::Classic { lanes_log2 })
    };
    let times = |rows| ints(rows, |i| 1_700_000_000_000 + i * 1000 + i % 17 / 16 * small(i, 5000));
    let values = |rows| doubles(rows, |i| (i / 3 * i % 50) as f64 * 0.25);
    let halves = |rows| singles(rows, |i| (i / 3 * i % 50) as f32 * 0.5);
    vec![
        case("classic-int64", Kind::Int64, 0, times(300))
            .showing(|layout| matches!(layout, Layout::Classic { lanes_log2: 0, .. })),
        case("classic-int64-8-lanes", Kind::Int64, 3, times(523))
            .showing(|layout| matches!(layout, Layout::Classic { lanes_log2: 3, .. })),
        case("classic-int32", Kind::Int32, 0, ints(300, |i| -i * 20 + small(i, 3))),
        case("classic-float64", Kind::Float64, 0, values(300)),
        case("classic-float64-8-lanes", Kind::Float64, 3, values(523)),
        case("classic-float64-16-lanes", Kind::Float64, 4, values(1031))
            .showing(|layout| matches!(layout, Layout::Classic { lanes_log2: 4, .. })),
        case("classic-float32", Kind::Float32, 0, halves(300)),
        case("classic-float32-8-lanes", Kind::Float32, 3, halves(523)),
        case("classic-float32-32-lanes", Kind::Float32, 5, halves(2049))
            .showing(|layout| matches!(layout, Layout::Classic { lanes_log2: 5, .. })),
    ]
}

fn bits_and_nulls() -> Vec<Case> {
    let bits = |name, lanes| Case::new(name, Kind::Boolean, Mode::Bits, lanes);
    vec![
        bits("bits", ints(300, |i| small(i, 2))),
        bits("bits-mostly-true", ints(300, |i| i64::from(i % 90 != 4))),
        bits("bits-nulls", ints(300, |i| i64::from(i % 90 == 4))).with_nulls(|row| row % 7 == 3),
        Case::new("nulls-progression", Kind::Int64, Mode::Progression, ints(300, |_| 5))
            .with_nulls(|row| row % 100 == 7),
        Case::new("nulls-integers", Kind::Int64, Mode::Integers, ints(300, |i| i * 10 + small(i, 5)))
            .with_nulls(|row| (40..190).contains(&row)),
        Case::new(
            "nulls-decimal",
            Kind::Float64,
            Mode::Decimal,
            doubles(300, |i| small(i, 400) as f64 / 10.0),
        )
        .with_nulls(|row| row % 3 == 0),
        Case::new("nulls-all", Kind::Float64, Mode::Progression, doubles(150, |_| 0.0)).with_nulls(|_| true),
    ]
}
