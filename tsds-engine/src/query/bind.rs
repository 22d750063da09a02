//! Binds filters to a schema: names become ids, literals take the column's type, exactly.
//!
//! A literal between two values of a column's type moves the comparison to its neighbours instead of being rounded, so
//! that `x > 2.5` on integers is `x >= 3`, and `x = 0.1` on 32-bit floats is false for every value.

use arrow_schema::DataType;
use tsds_traits::{
    Column, Comparison, Error, Predicate, Result, TableSchema, Value, ValueClass, refuse_payload, type_name,
};

use super::decimal;
use super::expr::{Expr, Literal, symbol};
use super::temporal::{self, Count};

/// Binds a filter.
pub(crate) fn bind(expr: &Expr, schema: &TableSchema) -> Result<Predicate> {
    let all = |parts: &[Expr]| parts.iter().map(|part| bind(part, schema)).collect::<Result<Vec<_>>>();
    Ok(match expr {
        Expr::Compare(column, comparison, literal) => {
            compare(comparable(schema, column)?, *comparison, literal)?
        }
        Expr::In(column, literals) => is_in(comparable(schema, column)?, literals)?,
        Expr::IsNull(column) => Predicate::IsNull(column_named(schema, column)?.id),
        Expr::IsNan(column) => Predicate::IsNan(comparable(schema, column)?.id),
        Expr::And(parts) => Predicate::And(all(parts)?),
        Expr::Or(parts) => Predicate::Or(all(parts)?),
        Expr::Not(inner) => Predicate::Not(Box::new(bind(inner, schema)?)),
        Expr::Constant(value) => Predicate::Constant(*value),
    })
}

/// The column of this name, or an error that lists the names there are.
pub(crate) fn column_named<'a>(schema: &'a TableSchema, name: &str) -> Result<&'a Column> {
    schema.column_named(name).ok_or_else(|| {
        let names: Vec<_> = schema.columns().iter().map(|column| column.name.as_str()).collect();
        Error::invalid_input("table has no such column").with("column", name).with("columns", names.join(","))
    })
}

/// The column of this name, whose values can be tested.
fn comparable<'a>(schema: &'a TableSchema, name: &str) -> Result<&'a Column> {
    let column = column_named(schema, name)?;
    refuse_payload(column, "a filter")?;
    Ok(column)
}

/// A number between two neighbours in a column's domain.
struct Bracket {
    /// The largest value of the domain that is not above the literal.
    low: Option<Value>,
    /// The smallest value of the domain that is not below the literal.
    high: Option<Value>,
    /// Whether the literal is in the domain; then both are the literal.
    exact: bool,
}

impl Bracket {
    fn exactly(value: Value) -> Self {
        Self { low: Some(value.clone()), high: Some(value), exact: true }
    }
}

/// A comparison of a column with a literal of any type that its type can be compared with.
pub(super) fn compare(column: &Column, comparison: Comparison, literal: &Literal) -> Result<Predicate> {
    if *literal == Literal::Null {
        return Ok(Predicate::Constant(None));
    }
    let bracket = bracket(column, literal, symbol(comparison))?;
    let with = |comparison, value: Option<Value>| {
        value.map(|value| Predicate::Compare { column: column.id, comparison, value })
    };
    let bound = match (comparison, bracket.exact) {
        (Comparison::Equal | Comparison::NotEqual, true) | (Comparison::Less | Comparison::Greater, true) => {
            with(comparison, bracket.low)
        }
        (Comparison::Equal | Comparison::NotEqual, false) => None,
        (Comparison::Less | Comparison::LessOrEqual, _) => with(Comparison::LessOrEqual, bracket.low),
        (Comparison::Greater | Comparison::GreaterOrEqual, _) => {
            with(Comparison::GreaterOrEqual, bracket.high)
        }
    };
    Ok(bound.unwrap_or_else(|| match comparison {
        Comparison::NotEqual => Predicate::Not(Box::new(never(column))),
        _ => never(column),
    }))
}

/// A list of literals that a column is compared with.
pub(super) fn is_in(column: &Column, literals: &[Literal]) -> Result<Predicate> {
    let mut values = Vec::with_capacity(literals.len());
    let mut has_null = false;
    for literal in literals {
        if *literal == Literal::Null {
            has_null = true;
            continue;
        }
        let bracket = bracket(column, literal, "IN")?;
        if bracket.exact {
            values.extend(bracket.low);
        }
    }
    Ok(match (values.is_empty(), has_null, literals.is_empty()) {
        (true, false, false) => never(column),
        (true, true, _) => Predicate::Constant(None),
        _ => Predicate::In { column: column.id, values, has_null },
    })
}

/// False for every value, null for null: nothing is less than the least value.
fn never(column: &Column) -> Predicate {
    let least = match ValueClass::of(&column.data_type) {
        Some(ValueClass::Bool) => Value::Bool(false),
        Some(ValueClass::UInt) => Value::UInt(0),
        Some(ValueClass::F32) => Value::F32(f32::NEG_INFINITY),
        Some(ValueClass::F64) => Value::F64(f64::NEG_INFINITY),
        Some(ValueClass::Text) => Value::Text(String::new()),
        Some(ValueClass::Decimal) => Value::Decimal(i128::MIN),
        _ => Value::Int(i64::MIN),
    };
    Predicate::Compare { column: column.id, comparison: Comparison::Less, value: least }
}

fn bracket(column: &Column, literal: &Literal, operator: &str) -> Result<Bracket> {
    let mismatch = || {
        Error::invalid_input("filter compares a column with a literal of another type")
            .with("column", &column.name)
            .with("type", type_name(&column.data_type))
            .with("operator", operator)
            .with("literal", literal)
    };
    match temporal::count(&column.data_type, literal).map_err(|error| error.with("column", &column.name))? {
        Some(Count::Nanos { nanos, unit }) => return Ok(bracket_nanos(nanos, unit)),
        Some(Count::Mismatch) => return Err(mismatch()),
        Some(Count::Units) | None => {}
    }
    if let DataType::Decimal128(precision, scale) = &column.data_type {
        if let Literal::Float(value) = literal
            && value.is_nan()
        {
            return Ok(Bracket { low: None, high: None, exact: false });
        }
        let units = decimal::units(literal, scale.unsigned_abs().into())
            .map_err(|error| error.with("column", &column.name))?
            .ok_or_else(mismatch)?;
        let end = 10i128.checked_pow((*precision).into()).unwrap_or(i128::MAX);
        let domain = IntegerDomain { min: 1 - end, max: end - 1, value: Value::Decimal };
        return Ok(integer_bracket(units.floor, units.ceiling, &domain));
    }
    let class = ValueClass::of(&column.data_type).ok_or_else(mismatch)?;
    Ok(match (class, literal) {
        (ValueClass::Bool, Literal::Bool(value)) => Bracket::exactly(Value::Bool(*value)),
        (ValueClass::Text, Literal::Text(text)) => Bracket::exactly(Value::Text(text.clone())),
        (ValueClass::Int, Literal::Int(value)) => integer_bracket(*value, *value, &INT),
        (ValueClass::UInt, Literal::Int(value)) => integer_bracket(*value, *value, &UINT),
        (ValueClass::Int, Literal::Float(value)) => float_on_integers(*value, &INT),
        (ValueClass::UInt, Literal::Float(value)) => float_on_integers(*value, &UINT),
        (ValueClass::Int, Literal::Decimal(value, scale)) => decimal_on_integers(*value, *scale, &INT),
        (ValueClass::UInt, Literal::Decimal(value, scale)) => decimal_on_integers(*value, *scale, &UINT),
        (ValueClass::F64, Literal::Decimal(value, scale)) => {
            Bracket::exactly(Value::F64(decimal::to_f64(*value, *scale)))
        }
        (ValueClass::F32, Literal::Decimal(value, scale)) => f64_on_f32(decimal::to_f64(*value, *scale)),
        (ValueClass::F64, Literal::Float(value)) => Bracket::exactly(Value::F64(*value)),
        (ValueClass::F64, Literal::Int(value)) => integer_on_f64(*value),
        (ValueClass::F32, Literal::Float(value)) => f64_on_f32(*value),
        (ValueClass::F32, Literal::Int(value)) => integer_on_f32(*value),
        _ => return Err(mismatch()),
    })
}

/// A domain of integers.
struct IntegerDomain {
    min: i128,
    max: i128,
    value: fn(i128) -> Value,
}

const INT: IntegerDomain =
    IntegerDomain { min: i64::MIN as i128, max: i64::MAX as i128, value: |value| Value::Int(value as i64) };
const UINT: IntegerDomain =
    IntegerDomain { min: 0, max: u64::MAX as i128, value: |value| Value::UInt(value as u64) };

fn decimal_on_integers(value: i128, scale: u8, domain: &IntegerDomain) -> Bracket {
    // A scale of at most 38 has a power of ten; beyond, only zero is no fraction.
    match 10i128.checked_pow(scale.into()) {
        Some(one) => {
            let floor = value.div_euclid(one);
            integer_bracket(floor, floor + i128::from(value.rem_euclid(one) != 0), domain)
        }
        None => integer_bracket(-i128::from(value < 0), i128::from(value > 0), domain),
    }
}

/// Brackets a literal whose floor and ceiling are known.
fn integer_bracket(floor: i128, ceiling: i128, domain: &IntegerDomain) -> Bracket {
    let low = (floor >= domain.min).then(|| (domain.value)(floor.min(domain.max)));
    let high = (ceiling <= domain.max).then(|| (domain.value)(ceiling.max(domain.min)));
    let exact = floor == ceiling && floor >= domain.min && floor <= domain.max;
    Bracket { low, high, exact }
}

fn float_on_integers(value: f64, domain: &IntegerDomain) -> Bracket {
    if value.is_nan() {
        return Bracket { low: None, high: None, exact: false };
    }
    // Saturating casts: beyond i128 is beyond every domain.
    integer_bracket(value.floor() as i128, value.ceil() as i128, domain)
}

fn integer_on_f64(value: i128) -> Bracket {
    let near = value as f64;
    let back = near as i128;
    match back.cmp(&value) {
        std::cmp::Ordering::Equal => Bracket::exactly(Value::F64(near)),
        std::cmp::Ordering::Less => neighbours(Value::F64(near), Value::F64(near.next_up())),
        std::cmp::Ordering::Greater => neighbours(Value::F64(near.next_down()), Value::F64(near)),
    }
}

fn f64_on_f32(value: f64) -> Bracket {
    let near = value as f32;
    let back = f64::from(near);
    if value.is_nan() || back == value {
        Bracket::exactly(Value::F32(near))
    } else if back < value {
        neighbours(Value::F32(near), Value::F32(near.next_up()))
    } else {
        neighbours(Value::F32(near.next_down()), Value::F32(near))
    }
}

fn integer_on_f32(value: i128) -> Bracket {
    let near = value as f32;
    // An f32 beyond i128 is infinite, and larger than every literal.
    let order = if near.is_infinite() { near.total_cmp(&0.0) } else { (near as i128).cmp(&value) };
    match order {
        std::cmp::Ordering::Equal => Bracket::exactly(Value::F32(near)),
        std::cmp::Ordering::Less => neighbours(Value::F32(near), Value::F32(near.next_up())),
        std::cmp::Ordering::Greater => neighbours(Value::F32(near.next_down()), Value::F32(near)),
    }
}

fn neighbours(low: Value, high: Value) -> Bracket {
    Bracket { low: Some(low), high: Some(high), exact: false }
}

/// Brackets nanoseconds between units of so many.
fn bracket_nanos(nanos: i128, unit: i128) -> Bracket {
    let floor = nanos.div_euclid(unit);
    let ceiling = if nanos.rem_euclid(unit) == 0 { floor } else { floor + 1 };
    integer_bracket(floor, ceiling, &INT)
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::super::col;
    use super::*;
    use tsds_traits::{ColumnId, SchemaVersion, TableId};

    fn schema() -> TableSchema {
        let types = [
            ("time", DataType::Timestamp(TimeUnit::Millisecond, None)),
            ("i", DataType::Int64),
            ("u", DataType::UInt64),
            ("f", DataType::Float64),
            ("g", DataType::Float32),
            ("s", DataType::Utf8),
            ("b", DataType::Boolean),
            ("day", DataType::Date32),
            ("noon", DataType::Date64),
            ("at", DataType::Time32(TimeUnit::Second)),
            ("took", DataType::Duration(TimeUnit::Millisecond)),
            ("price", DataType::Decimal128(5, 2)),
        ];
        let columns = types.iter().enumerate().map(|(index, (name, data_type))| Column {
            id: ColumnId(index as u32 + 1),
            name: (*name).into(),
            data_type: data_type.clone(),
            nullable: index > 0,
        });
        TableSchema::new(TableId(1), SchemaVersion(1), columns.collect(), ColumnId(1), &[]).unwrap()
    }

    fn compared(comparison: Comparison, column: u32, value: Value) -> Predicate {
        Predicate::Compare { column: ColumnId(column), comparison, value }
    }

    fn bound(expr: Expr) -> Predicate {
        bind(&expr, &schema()).unwrap()
    }

    #[test]
    fn a_fraction_on_integers_moves_to_the_neighbour() {
        assert_eq!(bound(col("i").gt(2.5)), compared(Comparison::GreaterOrEqual, 2, Value::Int(3)));
        assert_eq!(bound(col("i").lt(-2.5)), compared(Comparison::LessOrEqual, 2, Value::Int(-3)));
        assert_eq!(bound(col("i").lt_eq(2.0)), compared(Comparison::LessOrEqual, 2, Value::Int(2)));
        assert_eq!(bound(col("i").lt(2.0)), compared(Comparison::Less, 2, Value::Int(2)));
    }

    #[test]
    fn a_literal_beyond_the_type_is_never_or_always_true_but_null_on_null() {
        let never = compared(Comparison::Less, 3, Value::UInt(0));
        assert_eq!(bound(col("u").lt(-1)), never);
        assert_eq!(bound(col("u").eq(-1)), never);
        assert_eq!(bound(col("u").not_eq(-1)), Predicate::Not(Box::new(never)));
        assert_eq!(bound(col("u").gt_eq(-1)), compared(Comparison::GreaterOrEqual, 3, Value::UInt(0)));
        assert_eq!(bound(col("i").lt(1e300)), compared(Comparison::LessOrEqual, 2, Value::Int(i64::MAX)));
    }

    #[test]
    fn a_decimal_on_f32_is_not_rounded() {
        assert_eq!(bound(col("g").eq(0.1)), compared(Comparison::Less, 5, Value::F32(f32::NEG_INFINITY)));
        let above = if f64::from(0.1f32) > 0.1 { 0.1f32 } else { 0.1f32.next_up() };
        assert_eq!(bound(col("g").gt(0.1)), compared(Comparison::GreaterOrEqual, 5, Value::F32(above)));
        assert_eq!(bound(col("g").eq(0.5)), compared(Comparison::Equal, 5, Value::F32(0.5)));
    }

    #[test]
    fn a_large_integer_on_f64_is_not_rounded() {
        let odd = (1i64 << 53) + 1;
        let below = (1i64 << 53) as f64;
        assert_eq!(bound(col("f").lt_eq(odd)), compared(Comparison::LessOrEqual, 4, Value::F64(below)));
        assert_eq!(bound(col("f").gt(odd)), compared(Comparison::GreaterOrEqual, 4, Value::F64(below + 2.0)));
    }

    #[test]
    fn times_are_utc_unless_they_have_a_zone_and_are_not_rounded() {
        let second = |n: i64| Value::Int(n * 1000);
        assert_eq!(
            bound(col("time").gt_eq("1970-01-01 00:00:10")),
            compared(Comparison::GreaterOrEqual, 1, second(10))
        );
        assert_eq!(
            bound(col("time").lt("1970-01-01T02:00:00+02:00")),
            compared(Comparison::Less, 1, second(0))
        );
        assert_eq!(bound(col("time").lt("1970-01-01")), compared(Comparison::Less, 1, second(0)));
        let between = bound(col("time").gt("1969-12-31T23:59:59.9995Z"));
        assert_eq!(between, compared(Comparison::GreaterOrEqual, 1, Value::Int(0)));
        assert!(bind(&col("time").gt("yesterday"), &schema()).is_err());
    }

    #[test]
    fn dates_times_of_day_and_durations_are_not_rounded() {
        let at_least = |column, value| compared(Comparison::GreaterOrEqual, column, Value::Int(value));
        assert_eq!(bound(col("day").gt_eq("1970-01-03")), at_least(8, 2));
        assert_eq!(bound(col("day").gt("1970-01-02T12:00:00")), at_least(8, 2));
        assert_eq!(bound(col("day").gt(Literal::Time(-1))), at_least(8, 0));
        assert_eq!(bound(col("day").eq("1970-01-02T12:00:00")), never_of(8));
        assert_eq!(bound(col("noon").gt_eq("1970-01-01T12:00:00")), at_least(9, 43_200_000));
        assert_eq!(bound(col("at").gt_eq("00:00:01.5")), at_least(10, 2));
        assert_eq!(bound(col("took").eq("1.5s")), compared(Comparison::Equal, 11, Value::Int(1_500)));
        assert_eq!(bound(col("took").gt_eq(7)), at_least(11, 7));
        assert_eq!(bound(col("took").gt("1500us")), at_least(11, 2));
        let error = bind(&col("took").gt("soon"), &schema()).unwrap_err();
        assert!(error.to_string().contains("column=took"), "{error}");
    }

    #[test]
    fn decimals_of_every_scale_are_compared_exactly() {
        let price = |comparison, value| compared(comparison, 12, Value::Decimal(value));
        let never = price(Comparison::Less, i128::MIN);
        assert_eq!(bound(col("price").eq("12.34")), price(Comparison::Equal, 1_234));
        assert_eq!(bound(col("price").eq("12.345")), never);
        assert_eq!(bound(col("price").not_eq("12.345")), Predicate::Not(Box::new(never.clone())));
        assert_eq!(bound(col("price").gt("12.345")), price(Comparison::GreaterOrEqual, 1_235));
        assert_eq!(bound(col("price").lt("-12.345")), price(Comparison::LessOrEqual, -1_235));
        assert_eq!(bound(col("price").lt(3)), price(Comparison::Less, 300));
        assert_eq!(bound(col("price").gt(0.5)), price(Comparison::Greater, 50));
        assert_eq!(bound(col("price").eq(0.1)), never, "the double 0.1 is no decimal of two digits");
        assert_eq!(bound(col("price").lt(1_000)), price(Comparison::LessOrEqual, 99_999), "all of them");
        assert_eq!(bound(col("price").gt(1_000)), never);
        assert_eq!(bound(col("price").eq(f64::NAN)), never);
        assert!(bind(&col("price").eq(true), &schema()).is_err());
        let error = bind(&col("price").eq("cheap"), &schema()).unwrap_err();
        assert!(error.to_string().contains("column=price"), "{error}");
    }

    #[test]
    fn decimal_literals_on_other_numbers_are_what_they_were_as_numbers() {
        let literal = |text: &str| Literal::decimal(text).unwrap();
        assert_eq!(bound(col("i").gt(literal("2.5"))), bound(col("i").gt(2.5)));
        assert_eq!(bound(col("u").lt(literal("-0.5"))), bound(col("u").lt(-0.5)));
        assert_eq!(bound(col("f").eq(literal("0.1"))), bound(col("f").eq(0.1)));
        assert_eq!(bound(col("g").eq(literal("0.1"))), bound(col("g").eq(0.1)));
        assert_eq!(literal("-0.05").to_string(), "-0.05");
        assert_eq!(literal("12").to_string(), "12");
    }

    fn never_of(column: u32) -> Predicate {
        compared(Comparison::Less, column, Value::Int(i64::MIN))
    }

    #[test]
    fn members_that_cannot_occur_leave_a_list_but_not_its_nulls() {
        let list = Expr::In("i".into(), vec![Literal::Float(1.5), Literal::Int(2), Literal::Null]);
        let two = Predicate::In { column: ColumnId(2), values: vec![Value::Int(2)], has_null: true };
        assert_eq!(bound(list), two);
        assert_eq!(bound(col("i").is_in([1.5])), compared(Comparison::Less, 2, Value::Int(i64::MIN)));
        let empty = Predicate::In { column: ColumnId(2), values: vec![], has_null: false };
        assert_eq!(bound(Expr::In("i".into(), vec![])), empty);
    }

    #[test]
    fn an_unknown_column_lists_the_known_ones() {
        let error = bind(&col("x").eq(1), &schema()).unwrap_err();
        assert!(error.to_string().contains("columns=time,i,u,f,g,s,b,day,noon,at,took,price"), "{error}");
    }

    #[test]
    fn a_type_mismatch_names_column_type_and_literal() {
        let error = bind(&col("s").gt(3), &schema()).unwrap_err();
        assert!(error.to_string().contains("column=s type=utf8 operator=> literal=3"), "{error}");
        let others = [col("day").gt(5), col("at").gt(5), col("took").eq(true), col("noon").eq(1.5)];
        for wrong in
            [col("time").gt(5), col("b").eq(1), col("i").eq("1"), col("f").eq(true)].into_iter().chain(others)
        {
            assert!(bind(&wrong, &schema()).is_err(), "{wrong}");
        }
    }
}
