//! A program that keeps its measurements in TSDS, without an async runtime and without the features that can be left out:
//! the codec `tsds.gorilla`, and tiers on devices. `default-features = true` brings the codec back and nothing else changes.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tsds_engine::TableSpec;
use tsds_engine::blocking::{Database, Table};
use tsds_engine::query::{Aggregation, col};
use tsds_engine::traits::{ErrorKind, Result};

/// The measurements of a building.
#[derive(Debug)]
pub struct Measurements {
    database: Database,
    table: Table,
}

/// One measurement: milliseconds since 1970, the room, and degrees Celsius.
pub type Measurement<'a> = (i64, &'a str, f64);

impl Measurements {
    /// Opens those in this directory, or begins new ones.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub fn open(path: &Path) -> Result<Self> {
        let database = Database::open(path)?;
        let table = match database.table("temperature") {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                database.create_table(TableSpec::new("temperature", schema(), "time").series(["room"]))?
            }
            found => found?,
        };
        Ok(Self { database, table })
    }

    /// Adds measurements; they survive a power cut when this returns.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub fn add(&self, measurements: &[Measurement<'_>]) -> Result<()> {
        let time = TimestampMillisecondArray::from_iter_values(measurements.iter().map(|one| one.0));
        let room = StringArray::from_iter_values(measurements.iter().map(|one| one.1));
        let celsius = Float64Array::from_iter_values(measurements.iter().map(|one| one.2));
        let batch = RecordBatch::try_new(schema(), vec![Arc::new(time), Arc::new(room), Arc::new(celsius)])?;
        self.table.ingest(batch)?;
        Ok(())
    }

    /// The highest temperature of a room; none if there is no measurement of it.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub fn highest(&self, room: &str) -> Result<Option<f64>> {
        let highest = Aggregation::new().max("celsius");
        let mut rows = self.table.rows(|query| query.filter(col("room").eq(room)).aggregate(highest))?;
        let batch = rows.next().transpose()?;
        Ok(batch.and_then(|batch| batch.column(0).as_primitive::<Float64Type>().iter().next().flatten()))
    }

    /// Closes the database.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub fn close(self) -> Result<()> {
        self.database.close()
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("room", DataType::Utf8, false),
        Field::new("celsius", DataType::Float64, true),
    ]))
}
