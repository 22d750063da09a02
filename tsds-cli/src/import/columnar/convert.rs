//! From the rows of a file to rows of the table.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, new_null_array};
use arrow_cast::cast;
use arrow_cast::display::array_value_to_string;
use arrow_schema::{ArrowError, DataType, SchemaRef};
use tsds_traits::{Error, Result, is_payload_type, type_name};

use super::super::plan::{Origin, Plan, Planned};
use super::contain::decoding;
use super::file::ColumnarFile;
use super::number::{fitted, in_unit, relabelled};
use super::text::{as_text, with_nulls};
use super::times::{Time, time_column, times};
use super::types::taken_type;

/// Which columns are converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To see what is wrong: only the columns with which anything can be.
    Check,
    /// To write the rows.
    Write,
}

/// Converts the rows of one file.
pub(super) struct Converter {
    plan: Arc<Plan>,
    file: String,
    stem: String,
    null: Option<String>,
    /// Which columns of the files are needed, in the order in which they are read.
    fields: Vec<usize>,
    steps: Vec<Step>,
}

/// Where a column of the table comes from.
enum Step {
    /// It is not needed.
    Nothing,
    Time,
    FileStem,
    Field {
        /// Its place among those that are read.
        at: usize,
        way: Way,
    },
}

/// How values of a file become those of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// As they are.
    Same,
    /// As text.
    Text,
    /// As another number, by way of this type.
    Number(DataType),
    /// As a time of another unit or zone.
    Instant,
    /// As payload in the table's layout.
    Payload,
    /// There are none.
    Nulls,
}

/// Rows of the table, some of them bad.
pub(super) struct Converted {
    /// The columns of the table; for [`Purpose::Check`] nobody needs them.
    pub(super) columns: Vec<ArrayRef>,
    /// The time of every row.
    pub(super) times: Vec<Time>,
    /// What is wrong, by row of the batch.
    pub(super) bad: BTreeMap<usize, String>,
}

impl Converter {
    /// # Errors
    ///
    /// `InvalidInput` for columns whose types do not go into those of the table.
    pub(super) fn new(file: &ColumnarFile, plan: &Arc<Plan>, purpose: Purpose) -> Result<Self> {
        let mut fields = plan.time().indices();
        let mut steps = Vec::with_capacity(plan.columns().len());
        let mut refused = Vec::new();
        for column in plan.columns() {
            steps.push(match column.origin {
                Origin::Time => Step::Time,
                Origin::FileStem => Step::FileStem,
                Origin::Field(index) => {
                    let field = file.field(index)?;
                    let to = column.data_type.as_ref().unwrap_or(&DataType::Utf8);
                    let from = taken_type(field).unwrap_or_else(|| field.data_type().clone());
                    match way(field.data_type(), &from, to) {
                        None => {
                            refused.push(format!(
                                "{} ({} into {})",
                                column.name,
                                type_name(field.data_type()),
                                type_name(to)
                            ));
                            Step::Nothing
                        }
                        Some(way) if purpose == Purpose::Write || can_fail(column, &from, to, &way) => {
                            let at = fields.iter().position(|field| *field == index).unwrap_or_else(|| {
                                fields.push(index);
                                fields.len() - 1
                            });
                            Step::Field { at, way }
                        }
                        Some(_) => Step::Nothing,
                    }
                }
            });
        }
        let (name, stem) = (file.input().name.clone(), file.input().stem.clone());
        if !refused.is_empty() {
            return Err(Error::invalid_input(
                "the file has columns whose values do not go into those of the table",
            )
            .with("columns", refused.join(", "))
            .with("file", name));
        }
        let null = file.null_text().map(str::to_owned);
        Ok(Self { plan: Arc::clone(plan), file: name, stem, null, fields, steps })
    }

    /// Which columns of the files it needs, in this order.
    pub(super) fn fields(&self) -> &[usize] {
        &self.fields
    }

    /// The file's name.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Converts rows.
    ///
    /// # Errors
    ///
    /// What is wrong with the file as such.
    pub(super) fn convert(&self, batch: &RecordBatch) -> Result<Converted> {
        decoding(&self.file, || self.convert_columns(batch))
    }

    fn convert_columns(&self, batch: &RecordBatch) -> Result<Converted, ArrowError> {
        let at = |index| self.fields.iter().position(|field| *field == index);
        let times = times(&self.plan, batch, at)?;
        let mut bad: BTreeMap<usize, String> = BTreeMap::new();
        for (row, time) in times.iter().enumerate() {
            if let Err(message) = time {
                bad.insert(row, message.clone());
            }
        }
        let mut columns = Vec::with_capacity(self.steps.len());
        for (step, column) in self.steps.iter().zip(self.plan.columns()) {
            let mut wrong = |row: usize, message: String| {
                bad.entry(row).or_insert(message);
            };
            let to = column.data_type.as_ref();
            let array = match step {
                Step::Nothing => continue,
                Step::Time => {
                    // Before the types are known, every time fits.
                    let Some(to) = to else { continue };
                    let (array, further) = time_column(&times, to)?;
                    further.into_iter().for_each(|(row, message)| wrong(row, message));
                    columns.push(array);
                    continue;
                }
                Step::FileStem => {
                    let stems: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
                        &self.stem,
                        batch.num_rows(),
                    )));
                    packed(stems, to)?
                }
                Step::Field { at, way } => {
                    let array = batch
                        .columns()
                        .get(*at)
                        .ok_or_else(|| ArrowError::SchemaError("a batch has too few columns".into()))?;
                    self.column(array, way, column, &mut wrong)?
                }
            };
            if !column.is_nullable() && array.logical_null_count() > 0 {
                let nulls = array.logical_nulls();
                let rows = nulls.iter().flat_map(|nulls| (0..nulls.len()).filter(|row| nulls.is_null(*row)));
                rows.for_each(|row| wrong(row, column.null_refused()));
            }
            columns.push(array);
        }
        Ok(Converted { columns, times, bad })
    }

    fn column(
        &self,
        array: &ArrayRef,
        way: &Way,
        column: &Planned,
        wrong: &mut impl FnMut(usize, String),
    ) -> Result<ArrayRef, ArrowError> {
        let to = column.data_type.as_ref();
        let (fitted, misfits) = match (way, to) {
            (Way::Same, _) | (_, None) => return Ok(Arc::clone(array)),
            (Way::Payload, Some(to)) => return cast(array, to),
            (Way::Nulls, Some(to)) => return Ok(new_null_array(to, array.len())),
            (Way::Text, to) => {
                return packed(Arc::new(with_nulls(as_text(array)?, self.null.as_deref())), to);
            }
            (Way::Number(from), Some(to)) => fitted(&cast(array, from)?, to)?,
            (Way::Instant, Some(to)) => match to {
                DataType::Timestamp(unit, _) => in_unit(array, *unit, to)?,
                _ => return Err(ArrowError::CastError("a time goes into no such column".into())),
            },
        };
        for row in misfits {
            let value = shown(array, row)?;
            let to = type_name(fitted.data_type());
            wrong(row, format!("column {}: {value} does not fit {to}", column.name));
        }
        Ok(fitted)
    }

    /// The rows that are not bad.
    ///
    /// # Errors
    ///
    /// If the columns are not those of `schema`.
    pub(super) fn good_rows(&self, schema: &SchemaRef, converted: Converted) -> Result<RecordBatch> {
        let Converted { columns, bad, .. } = converted;
        let columns = if bad.is_empty() {
            columns
        } else {
            let rows = columns.first().map_or(0, |column| column.len());
            let good: BooleanArray = (0..rows).map(|row| Some(!bad.contains_key(&row))).collect();
            let kept = columns.iter().map(|column| arrow_select::filter::filter(column, &good));
            kept.collect::<Result<Vec<_>, _>>()?
        };
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

/// A value for people; times in UTC, since the names of zones mean nothing without their rules.
fn shown(array: &ArrayRef, row: usize) -> Result<String, ArrowError> {
    match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            array_value_to_string(&relabelled(array, &DataType::Timestamp(*unit, None))?, row)
        }
        _ => array_value_to_string(array, row),
    }
}

/// Text as the table has it.
fn packed(texts: ArrayRef, to: Option<&DataType>) -> Result<ArrayRef, ArrowError> {
    match to {
        Some(to @ DataType::Dictionary(..)) => cast(&texts, to),
        _ => Ok(texts),
    }
}

/// How values that the file has as `stored`, and that say `from`, become `to`; `None` if that makes no sense.
fn way(stored: &DataType, from: &DataType, to: &DataType) -> Option<Way> {
    let is_number = |data_type: &DataType| data_type.is_integer() || data_type.is_floating();
    Some(match (from, to) {
        (DataType::Null, _) => Way::Nulls,
        (DataType::Utf8, DataType::Utf8 | DataType::Dictionary(..)) => Way::Text,
        _ if stored == to => Way::Same,
        (from, to) if is_payload_type(to) && from == to => Way::Payload,
        (DataType::Boolean, DataType::Boolean) => Way::Number(DataType::Boolean),
        (from, to) if is_number(from) && is_number(to) => Way::Number(from.clone()),
        (DataType::Date32 | DataType::Date64, DataType::Date32 | DataType::Date64)
        | (DataType::Time32(_) | DataType::Time64(_), DataType::Time32(_) | DataType::Time64(_))
        | (DataType::Duration(_), DataType::Duration(_))
        | (DataType::Decimal128(..), DataType::Decimal128(..)) => Way::Number(from.clone()),
        (DataType::Timestamp(..), DataType::Timestamp(..)) => match stored {
            DataType::Dictionary(..) => return None,
            _ => Way::Instant,
        },
        _ => return None,
    })
}

/// Whether some value may not fit.
fn can_fail(column: &Planned, from: &DataType, to: &DataType, way: &Way) -> bool {
    let units_differ = |from: &DataType| match (from, to) {
        (DataType::Timestamp(a, _), DataType::Timestamp(b, _)) => a != b,
        _ => true,
    };
    !column.is_nullable()
        || match way {
            Way::Same | Way::Text | Way::Payload | Way::Nulls => false,
            Way::Number(_) => from != to,
            // A file may note seconds and hold milliseconds.
            Way::Instant => from != to && units_differ(from) || column.data_type.is_none(),
        }
}
