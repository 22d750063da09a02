//! A naive model of a table whose columns change: cells by the ids of columns.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tsds_engine::{SchemaChange, TableSpec};

use super::support::TABLE;

pub const TIME: u32 = 1;
pub const HOST: u32 = 2;
pub const RACK: u32 = 3;
pub const TINY: u32 = 4;
pub const FLOAT: u32 = 5;
pub const ID: u32 = 6;

/// One value. Integers of every type are one, floats are by their bits.
#[derive(Clone, Debug)]
pub enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Cell {
    /// Null, or the value as text that tells bits apart.
    pub fn text(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => format!("{value:?} {:x}", value.to_bits()),
            Self::Text(value) => value.clone(),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// By the total order, nulls first.
    pub fn total_cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (a, b) => b.is_null().cmp(&a.is_null()),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ModelColumn {
    pub id: u32,
    pub name: String,
    pub data_type: DataType,
    /// What it was when it was made.
    pub first_type: DataType,
    /// It came later than the table.
    pub added: bool,
}

/// What the columns should be.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSchema {
    pub columns: Vec<ModelColumn>,
    next: u32,
}

/// A row: its cells by column. Columns that it lacks are null.
#[derive(Clone, Debug)]
pub struct ModelRow {
    pub cells: BTreeMap<u32, Cell>,
}

impl ModelRow {
    pub fn cell(&self, column: u32) -> &Cell {
        self.cells.get(&column).unwrap_or(&Cell::Null)
    }

    pub fn id(&self) -> i64 {
        match self.cell(ID) {
            Cell::Int(id) => *id,
            other => panic!("{other:?}"),
        }
    }

    /// By what breaks ties, but for arrival.
    pub fn tie_cmp(&self, other: &Self) -> Ordering {
        let by = |column: u32| self.cell(column).total_cmp(other.cell(column));
        by(HOST).then_with(|| by(RACK)).then_with(|| by(TIME))
    }
}

fn dictionary() -> DataType {
    DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into())
}

impl ModelSchema {
    pub fn new() -> Self {
        let columns = [
            (TIME, "time", DataType::Timestamp(TimeUnit::Millisecond, None)),
            (HOST, "host", dictionary()),
            (RACK, "rack", DataType::UInt8),
            (TINY, "tiny", DataType::Int8),
            (FLOAT, "float", DataType::Float32),
            (ID, "id", DataType::Int64),
        ];
        let columns = columns.into_iter().map(|(id, name, data_type)| ModelColumn {
            id,
            name: name.into(),
            first_type: data_type.clone(),
            data_type,
            added: false,
        });
        Self { columns: columns.collect(), next: 7 }
    }

    pub fn spec(&self) -> TableSpec {
        let schema = self.arrow(|_| true, |column| &column.data_type);
        TableSpec::new(TABLE, schema, "time").series(["host", "rack"]).chunk_interval("1h")
    }

    fn arrow(
        &self,
        wanted: impl Fn(&&ModelColumn) -> bool,
        data_type: impl Fn(&ModelColumn) -> &DataType,
    ) -> SchemaRef {
        let fields = self.columns.iter().filter(wanted).map(|column| {
            let nullable = ![TIME, HOST, ID].contains(&column.id);
            Field::new(&column.name, data_type(column).clone(), nullable)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    pub fn column(&self, id: u32) -> &ModelColumn {
        self.columns.iter().find(|column| column.id == id).unwrap()
    }

    pub fn name(&self, id: u32) -> &str {
        &self.column(id).name
    }

    /// The column at this place, around and around.
    pub fn at(&self, place: u8) -> &ModelColumn {
        &self.columns[usize::from(place) % self.columns.len()]
    }

    /// Does what the change says.
    pub fn apply(&mut self, change: &SchemaChange) {
        let find = |columns: &mut Vec<ModelColumn>, name: &str| {
            columns.iter().position(|column| column.name == name).unwrap()
        };
        match change {
            SchemaChange::AddColumn { name, data_type, .. } => {
                self.columns.push(ModelColumn {
                    id: self.next,
                    name: name.clone(),
                    data_type: data_type.clone(),
                    first_type: data_type.clone(),
                    added: true,
                });
                self.next += 1;
            }
            SchemaChange::Widen { column, data_type } => {
                let at = find(&mut self.columns, column);
                self.columns[at].data_type = data_type.clone();
            }
            SchemaChange::Rename { column, to } => {
                let at = find(&mut self.columns, column);
                self.columns[at].name = to.clone();
            }
            other => panic!("{other:?}"),
        }
    }

    /// Whether the database says the same.
    pub fn is(&self, found: &tsds_engine::traits::TableSchema) -> bool {
        let found = found.columns().iter().map(|column| (column.id.0, &column.name, &column.data_type));
        self.columns.iter().map(|column| (column.id, &column.name, &column.data_type)).eq(found)
    }

    /// Rows at (minute, host, rack, seed) places. With `old`, as a writer has them who knows only the first types, and of the
    /// columns that came later none.
    pub fn rows(&self, places: &[Place], old: bool, next_id: &mut i64) -> Vec<ModelRow> {
        let row = |(minute, host, rack, seed): &Place| {
            *next_id += 1;
            let cells = self.columns.iter().filter(|column| !(old && column.added)).map(|column| {
                let seed = seed.wrapping_mul(31).wrapping_add((column.id as u8).wrapping_mul(17));
                let cell = match column.id {
                    TIME => Cell::Int(minute * 60_000),
                    HOST => Cell::Text(format!("host-{host}")),
                    RACK => rack.map_or(Cell::Null, |rack| Cell::Int(rack.into())),
                    ID => Cell::Int(*next_id),
                    _ => cell_of(if old { &column.first_type } else { &column.data_type }, seed),
                };
                (column.id, cell)
            });
            ModelRow { cells: cells.collect() }
        };
        places.iter().map(row).collect()
    }

    /// The rows as a batch, in the shape in which they were made.
    pub fn batch(&self, rows: &[ModelRow], old: bool) -> RecordBatch {
        let wanted = |column: &&ModelColumn| !(old && column.added);
        let type_of = |column: &ModelColumn| {
            if old { column.first_type.clone() } else { column.data_type.clone() }
        };
        let arrays = self.columns.iter().filter(wanted).map(|column| {
            let cells: Vec<&Cell> = rows.iter().map(|row| row.cell(column.id)).collect();
            array_of(&cells, &type_of(column))
        });
        let schema = self.arrow(wanted, |column| if old { &column.first_type } else { &column.data_type });
        RecordBatch::try_new(schema, arrays.collect()).unwrap()
    }
}

/// Minute, host, rack and a seed for the other cells.
pub type Place = (i64, u8, Option<u8>, u8);

/// A cell that a type holds, and often one that narrower types do not.
fn cell_of(data_type: &DataType, seed: u8) -> Cell {
    if seed.is_multiple_of(6) {
        return Cell::Null;
    }
    let small = i64::from(seed % 11) - 5;
    let wide = seed.is_multiple_of(5);
    match data_type {
        DataType::Int8 => Cell::Int(if wide { [-128, 127][usize::from(seed % 2)] } else { small }),
        DataType::Int16 => Cell::Int(if wide { 300 } else { small }),
        DataType::Int32 => Cell::Int(if wide { 70_000 } else { small }),
        DataType::Int64 => Cell::Int(if wide { 5_000_000_000 } else { small }),
        DataType::UInt8 => Cell::Int(if wide { 255 } else { small.abs() }),
        DataType::UInt16 => Cell::Int(if wide { 65_535 } else { small.abs() }),
        DataType::UInt32 => Cell::Int(if wide { 4_000_000_000 } else { small.abs() }),
        DataType::UInt64 => Cell::Int(if wide { 5_000_000_000 } else { small.abs() }),
        // Tenths are no floats: those of 32 bits and of 64 bits differ.
        DataType::Float32 => Cell::Float(if small == 0 { -0.0 } else { f64::from(small as f32 / 10.0) }),
        // Exact in 64 bits and not in 32, and so are sums.
        DataType::Float64 => Cell::Float(small as f64 / 8.0 + if wide { 2f64.powi(-30) } else { 0.0 }),
        DataType::Boolean => Cell::Bool(seed.is_multiple_of(2)),
        DataType::Utf8 => Cell::Text(format!("t{}", seed % 3)),
        other => panic!("{other}"),
    }
}

fn array_of(cells: &[&Cell], data_type: &DataType) -> ArrayRef {
    let ints = || -> Int64Array {
        cells.iter().map(|cell| if let Cell::Int(value) = cell { Some(*value) } else { None }).collect()
    };
    let floats = || cells.iter().map(|cell| if let Cell::Float(value) = cell { Some(*value) } else { None });
    let texts = || -> StringArray {
        cells
            .iter()
            .map(|cell| if let Cell::Text(value) = cell { Some(value.as_str()) } else { None })
            .collect()
    };
    match data_type {
        DataType::Timestamp(_, _) => {
            Arc::new(TimestampMillisecondArray::new(ints().values().clone(), None)) as ArrayRef
        }
        DataType::Float32 => {
            Arc::new(floats().map(|value| value.map(|v| v as f32)).collect::<Float32Array>())
        }
        DataType::Float64 => Arc::new(floats().collect::<Float64Array>()),
        DataType::Utf8 => Arc::new(texts()),
        DataType::Dictionary(_, _) => arrow_cast::cast(&texts(), data_type).unwrap(),
        DataType::Boolean => {
            let bools =
                cells.iter().map(|cell| if let Cell::Bool(value) = cell { Some(*value) } else { None });
            Arc::new(bools.collect::<BooleanArray>())
        }
        integer => arrow_cast::cast(&ints(), integer).unwrap(),
    }
}

/// The cells of an array.
pub fn cells_of(array: &ArrayRef) -> Vec<Cell> {
    let or_null = |row: usize, cell: &dyn Fn() -> Cell| if array.is_null(row) { Cell::Null } else { cell() };
    let rows = 0..array.len();
    match array.data_type() {
        DataType::Boolean => {
            rows.map(|row| or_null(row, &|| Cell::Bool(array.as_boolean().value(row)))).collect()
        }
        DataType::Float32 => rows
            .map(|row| or_null(row, &|| Cell::Float(array.as_primitive::<Float32Type>().value(row).into())))
            .collect(),
        DataType::Float64 => rows
            .map(|row| or_null(row, &|| Cell::Float(array.as_primitive::<Float64Type>().value(row))))
            .collect(),
        DataType::UInt64 => rows
            .map(|row| or_null(row, &|| Cell::Int(array.as_primitive::<UInt64Type>().value(row) as i64)))
            .collect(),
        DataType::Utf8 | DataType::Dictionary(_, _) => {
            let text = arrow_cast::cast(array, &DataType::Utf8).unwrap();
            let text = text.as_string::<i32>();
            rows.map(|row| or_null(row, &|| Cell::Text(text.value(row).into()))).collect()
        }
        _ => {
            let ints = arrow_cast::cast(array, &DataType::Int64).unwrap();
            let ints = ints.as_primitive::<Int64Type>();
            rows.map(|row| or_null(row, &|| Cell::Int(ints.value(row)))).collect()
        }
    }
}

/// The rows of batches, their cells as text.
pub fn text_rows(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<Vec<Cell>> = batch.columns().iter().map(cells_of).collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|cells| cells[row].text()).collect::<Vec<_>>()),
        );
    }
    rows
}
