//! Made-up trades: prices walk at random with two decimals, symbols are traded more or less, time goes on.
//!
//! What a row holds depends on the mode, the first row of the run and the row's number alone: not on the size of batches.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tsds_traits::Result;

use super::tickers::{EXCHANGES, ORDER_TYPES, SIDES, SYMBOLS};

/// 2024-01-01T00:00:00Z.
const FIRST_TIME: i64 = 1_704_067_200 * 1_000_000_000;
/// Ten million rows a day.
const NANOS_PER_ROW: i64 = 8_640_000;
const SEED: u64 = 0x7464_7364_6465_6d6f;
const LEAST_CENTS: i64 = 100;
const CHOICES: usize = 4096;

/// Which columns the trades have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// timestamp, symbol, price, volume.
    #[default]
    Simple,
    /// timestamp, symbol, exchange, side, price, volume, `trade_id`, `order_type`.
    Trading,
}

impl Mode {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Trading => "trading",
        }
    }

    /// The table that holds such trades.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Simple => "demo_simple",
            Self::Trading => "demo_trading",
        }
    }

    /// The schema of that table.
    pub(crate) fn schema(self) -> SchemaRef {
        let text = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let field = |name: &str, data_type| Field::new(name, data_type, false);
        let (time, price, volume) = (
            field("timestamp", DataType::Timestamp(TimeUnit::Nanosecond, None)),
            field("price", DataType::Float64),
            field("volume", DataType::Int64),
        );
        Arc::new(Schema::new(match self {
            Self::Simple => vec![time, field("symbol", text()), price, volume],
            Self::Trading => vec![
                time,
                field("symbol", text()),
                field("exchange", text()),
                field("side", text()),
                price,
                volume,
                field("trade_id", DataType::Int64),
                field("order_type", text()),
            ],
        }))
    }

    /// How many bytes a row takes in plain columns: 8 for a number, 4 for a text.
    pub(crate) fn bytes_per_row(self) -> u64 {
        self.schema()
            .fields()
            .iter()
            .map(|field| if matches!(field.data_type(), DataType::Dictionary(..)) { 4 } else { 8 })
            .sum()
    }

    /// How many bytes a row takes in segments of `tsds.gorilla`, rounded up: `tsds stats` shows it.
    pub(crate) fn packed_bytes_per_row(self) -> u64 {
        match self {
            Self::Simple => 6,
            Self::Trading => 8,
        }
    }
}

/// The time at which the row of this number is traded, or less than one row's time before.
pub(crate) fn time_of_row(row: u64) -> i64 {
    i64::try_from(row).unwrap_or(i64::MAX).saturating_mul(NANOS_PER_ROW).saturating_add(FIRST_TIME)
}

/// A random source of 64 bits a call (splitmix64).
#[derive(Clone, Debug)]
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// What a few random bits choose.
#[derive(Debug)]
struct Choices {
    symbols: Box<[u8; CHOICES]>,
    volumes: Box<[i32; CHOICES]>,
    steps: [i8; 256],
    exchanges: [u8; 32],
    order_types: [u8; 16],
}

/// Makes trades.
#[derive(Debug)]
pub(crate) struct Generator {
    mode: Mode,
    schema: SchemaRef,
    bits: Bits,
    row: u64,
    cents: [i64; 256],
    choices: Choices,
    texts: Texts,
}

#[derive(Debug)]
struct Texts {
    symbols: ArrayRef,
    exchanges: ArrayRef,
    sides: ArrayRef,
    order_types: ArrayRef,
}

impl Generator {
    /// Makes trades from the row `first_row` on.
    pub(crate) fn new(mode: Mode, first_row: u64) -> Self {
        let mut start = Bits(SEED);
        let mut cents = [LEAST_CENTS; 256];
        for price in &mut cents {
            // Between 10 and 500, most of them low.
            let share = (start.next() >> 11) as f64 / (1u64 << 53) as f64;
            *price = (1_000.0 * 50f64.powf(share)) as i64;
        }
        let texts = |values: &[&str]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
        Self {
            mode,
            schema: mode.schema(),
            bits: Bits(Bits(SEED ^ first_row).next()),
            row: first_row,
            cents,
            choices: Choices::new(),
            texts: Texts {
                symbols: texts(&SYMBOLS),
                exchanges: texts(&EXCHANGES),
                sides: texts(&SIDES),
                order_types: texts(&ORDER_TYPES),
            },
        }
    }

    /// The next `rows` trades.
    ///
    /// # Errors
    ///
    /// None but a bug.
    pub(crate) fn batch(&mut self, rows: usize) -> Result<RecordBatch> {
        let mut times = Vec::with_capacity(rows);
        let mut symbols = Vec::with_capacity(rows);
        let mut prices = Vec::with_capacity(rows);
        let mut volumes = Vec::with_capacity(rows);
        let mut exchanges = Vec::new();
        let mut sides = Vec::new();
        let mut order_types = Vec::new();
        let first_time = time_of_row(self.row);
        let choices = &self.choices;
        let trade = |index: usize, bits: u64, cents: &mut [i64; 256]| {
            let jitter = ((bits >> 12 & 0xfff) as i64 * NANOS_PER_ROW) >> 12;
            let symbol = choices.symbols[(bits & 0xfff) as usize];
            let price = &mut cents[symbol as usize];
            *price = (*price + i64::from(choices.steps[(bits >> 24 & 0xff) as usize])).max(LEAST_CENTS);
            let time =
                first_time.wrapping_add((index as i64).wrapping_mul(NANOS_PER_ROW)).wrapping_add(jitter);
            let volume = choices.volumes[(bits >> 32 & 0xfff) as usize];
            (time, i32::from(symbol), *price as f64 / 100.0, i64::from(volume))
        };
        match self.mode {
            Mode::Simple => {
                for index in 0..rows {
                    let (time, symbol, price, volume) = trade(index, self.bits.next(), &mut self.cents);
                    times.push(time);
                    symbols.push(symbol);
                    prices.push(price);
                    volumes.push(volume);
                }
            }
            Mode::Trading => {
                exchanges.reserve_exact(rows);
                sides.reserve_exact(rows);
                order_types.reserve_exact(rows);
                for index in 0..rows {
                    let bits = self.bits.next();
                    let (time, symbol, price, volume) = trade(index, bits, &mut self.cents);
                    times.push(time);
                    symbols.push(symbol);
                    prices.push(price);
                    volumes.push(volume);
                    exchanges.push(i32::from(choices.exchanges[(bits >> 44 & 0x1f) as usize]));
                    sides.push((bits >> 49 & 1) as i32);
                    order_types.push(i32::from(choices.order_types[(bits >> 50 & 0xf) as usize]));
                }
            }
        }
        let first_id = i64::try_from(self.row).unwrap_or(i64::MAX);
        self.row = self.row.saturating_add(rows as u64);
        let time: ArrayRef = Arc::new(TimestampNanosecondArray::from(times));
        let symbol = dictionary(symbols, &self.texts.symbols)?;
        let price: ArrayRef = Arc::new(Float64Array::from(prices));
        let volume: ArrayRef = Arc::new(Int64Array::from(volumes));
        let columns = match self.mode {
            Mode::Simple => vec![time, symbol, price, volume],
            Mode::Trading => {
                let ids = (1..=rows as i64).map(|index| first_id.saturating_add(index));
                vec![
                    time,
                    symbol,
                    dictionary(exchanges, &self.texts.exchanges)?,
                    dictionary(sides, &self.texts.sides)?,
                    price,
                    volume,
                    Arc::new(Int64Array::from_iter_values(ids)),
                    dictionary(order_types, &self.texts.order_types)?,
                ]
            }
        };
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

fn dictionary(keys: Vec<i32>, texts: &ArrayRef) -> Result<ArrayRef> {
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(Int32Array::from(keys), Arc::clone(texts))?))
}

impl Choices {
    fn new() -> Self {
        let mut bits = Bits(SEED);
        let mut symbols = Box::new([0; CHOICES]);
        // The n-th symbol is traded about 1 / n^0.8 as often as the first.
        let weights: Vec<f64> = (1..=SYMBOLS.len()).map(|rank| (rank as f64).powf(-0.8)).collect();
        let total: f64 = weights.iter().sum();
        let mut upto = 0.0;
        let mut ends = weights.iter().map(|weight| {
            upto += weight / total;
            upto
        });
        let (mut symbol, mut end) = (0u8, ends.next().unwrap_or(1.0));
        for (index, choice) in symbols.iter_mut().enumerate() {
            while (index as f64 + 0.5) / CHOICES as f64 > end && usize::from(symbol) + 1 < SYMBOLS.len() {
                symbol += 1;
                end = ends.next().unwrap_or(1.0);
            }
            *choice = symbol;
        }
        let mut volumes = Box::new([0; CHOICES]);
        for volume in volumes.iter_mut() {
            let share = (bits.next() >> 11) as f64 / (1u64 << 53) as f64;
            let lot = bits.next() % 10;
            // Six in ten trades are of whole lots, the others smaller; large ones are rare.
            *volume =
                if lot < 6 { 100 * (1.0 / (0.02 + share)).ceil() as i32 } else { 1 + (99.0 * share) as i32 };
        }
        let mut steps = [0; 256];
        for step in &mut steps {
            let dice = bits.next();
            // Half of the trades repeat the last price; the others move by a few cents.
            let size = [0, 0, 0, 0, 1, 1, 2, 5][(dice & 7) as usize];
            *step = if dice & 8 == 0 { size } else { -size };
        }
        let mut exchanges = [0; 32];
        let busy = [
            0u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7,
        ];
        exchanges.copy_from_slice(&busy);
        let order_types = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3];
        Self { symbols, volumes, steps, exchanges, order_types }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
    use arrow_select::concat::concat_batches;

    #[test]
    fn rows_do_not_depend_on_the_size_of_batches() {
        for mode in [Mode::Simple, Mode::Trading] {
            let whole = Generator::new(mode, 7).batch(1_000).unwrap();
            let mut parts = Generator::new(mode, 7);
            let parts: Vec<_> = [1, 99, 0, 900].iter().map(|rows| parts.batch(*rows).unwrap()).collect();
            assert_eq!(concat_batches(&mode.schema(), &parts).unwrap(), whole);
        }
    }

    #[test]
    fn a_run_is_the_same_every_time() {
        let batch = Generator::new(Mode::Simple, 0).batch(3).unwrap();
        assert_eq!(batch, Generator::new(Mode::Simple, 0).batch(3).unwrap());
        assert_ne!(batch.column(2), Generator::new(Mode::Simple, 3).batch(3).unwrap().column(2));
    }

    #[test]
    fn time_goes_on_within_a_run_and_into_the_next() {
        let mut first = Generator::new(Mode::Simple, 0);
        let mut times = Vec::new();
        for batch in [first.batch(500).unwrap(), Generator::new(Mode::Simple, 500).batch(500).unwrap()] {
            times.extend_from_slice(batch.column(0).as_primitive::<TimestampNanosecondType>().values());
        }
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(
            times
                .iter()
                .enumerate()
                .all(|(row, time)| (time_of_row(row as u64)..time_of_row(row as u64 + 1)).contains(time))
        );
    }

    #[test]
    fn prices_have_two_decimals_and_move_a_little() {
        let batch = Generator::new(Mode::Simple, 0).batch(100_000).unwrap();
        let (prices, symbols) =
            (batch.column(2).as_primitive::<Float64Type>(), batch.column(1).as_dictionary::<Int32Type>());
        let mut last = [None; 100];
        for (price, symbol) in prices.values().iter().zip(symbols.keys().values()) {
            assert!((price * 100.0 - (price * 100.0).round()).abs() < 1e-6 && *price >= 1.0, "{price}");
            if let Some(before) = last[*symbol as usize].replace(*price) {
                assert!((price - before).abs() < 0.0501, "{before} {price}");
            }
        }
        assert!(last.iter().all(Option::is_some), "every symbol is traded");
    }

    #[test]
    fn symbols_are_skewed_and_volumes_positive() {
        let batch = Generator::new(Mode::Trading, 0).batch(100_000).unwrap();
        let mut counts = [0usize; 100];
        batch
            .column(1)
            .as_dictionary::<Int32Type>()
            .keys()
            .values()
            .iter()
            .for_each(|key| counts[*key as usize] += 1);
        assert!(counts[0] > 20 * counts[99] && counts[99] > 50, "{counts:?}");
        assert!(
            batch
                .column(5)
                .as_primitive::<Int64Type>()
                .values()
                .iter()
                .all(|volume| (1..=5_000).contains(volume))
        );
        let ids = batch.column(6).as_primitive::<Int64Type>();
        assert_eq!((ids.value(0), ids.value(99_999)), (1, 100_000));
    }

    #[test]
    fn symbols_are_distinct() {
        assert_eq!(SYMBOLS.iter().collect::<std::collections::HashSet<_>>().len(), 100);
    }

    #[test]
    fn a_row_has_the_bytes_of_its_columns() {
        assert_eq!((Mode::Simple.bytes_per_row(), Mode::Trading.bytes_per_row()), (28, 48));
    }
}
