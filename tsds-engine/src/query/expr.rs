//! Filters as users write them: columns by name, literals as they come.

use std::fmt;

use tsds_traits::Comparison;

use super::decimal;

/// A filter. Build it from [`col`]:
///
/// ```
/// use tsds_engine::query::col;
///
/// let filter = col("price").gt(10.5).and(col("symbol").is_in(["A", "B"])).or(col("note").is_null());
/// assert_eq!(filter.to_string(), "price > 10.5 AND symbol IN ('A', 'B') OR note IS NULL");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A comparison of a column with a literal.
    Compare(String, Comparison, Literal),
    /// `column IN (…)`.
    In(String, Vec<Literal>),
    /// `column IS NULL`.
    IsNull(String),
    /// `is_nan(column)`.
    IsNan(String),
    /// All of them.
    And(Vec<Expr>),
    /// Any of them.
    Or(Vec<Expr>),
    /// Not this one.
    Not(Box<Expr>),
    /// The same for every row.
    Constant(Option<bool>),
}

/// A literal, before it meets a column's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Null: every comparison with it is null.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A floating-point number. On a column of decimals it counts with all the digits of the double that it is: write 0.1 as
    /// text there, or as [`Literal::decimal`].
    Float(f64),
    /// A decimal: so many units of a scale. 12.34 is 1234 at scale 2. On a column of floats it is the nearest double.
    Decimal(i128, u8),
    /// Text; for a time column, a time in ISO 8601, in UTC unless it has a zone; for other columns that count something, how they are
    /// written: `08:30:00`, `1500ms`, `12.34`.
    Text(String),
    /// An instant, in nanoseconds since 1970 UTC.
    Time(i128),
}

impl Literal {
    /// The decimal that some text is, such as `-12.34`; `None` for anything else, and for more than 38 digits behind the point or
    /// what 128 bits cannot hold.
    pub fn decimal(text: &str) -> Option<Self> {
        decimal::parse(text).map(|(value, scale)| Self::Decimal(value, scale))
    }
}

/// Names a column to compare.
pub fn col(name: impl Into<String>) -> ColumnRef {
    ColumnRef(name.into())
}

/// A column, waiting for a comparison.
#[derive(Clone, Debug)]
pub struct ColumnRef(String);

impl ColumnRef {
    fn compare(self, comparison: Comparison, literal: impl Into<Literal>) -> Expr {
        Expr::Compare(self.0, comparison, literal.into())
    }

    /// `column = literal`
    pub fn eq(self, literal: impl Into<Literal>) -> Expr {
        self.compare(Comparison::Equal, literal)
    }

    /// `column <> literal`
    pub fn not_eq(self, literal: impl Into<Literal>) -> Expr {
        self.compare(Comparison::NotEqual, literal)
    }

    /// `column < literal`
    pub fn lt(self, literal: impl Into<Literal>) -> Expr {
        self.compare(Comparison::Less, literal)
    }

    /// `column <= literal`
    pub fn lt_eq(self, literal: impl Into<Literal>) -> Expr {
        self.compare(Comparison::LessOrEqual, literal)
    }

    /// `column > literal`
    pub fn gt(self, literal: impl Into<Literal>) -> Expr {
        self.compare(Comparison::Greater, literal)
    }

    /// `column >= literal`
    pub fn gt_eq(self, literal: impl Into<Literal>) -> Expr {
        self.compare(Comparison::GreaterOrEqual, literal)
    }

    /// `column >= low AND column < high`
    pub fn in_range(self, low: impl Into<Literal>, high: impl Into<Literal>) -> Expr {
        self.clone().gt_eq(low).and(self.lt(high))
    }

    /// `column IN (…)`
    pub fn is_in<L: Into<Literal>>(self, literals: impl IntoIterator<Item = L>) -> Expr {
        Expr::In(self.0, literals.into_iter().map(Into::into).collect())
    }

    /// `column IS NULL`
    pub fn is_null(self) -> Expr {
        Expr::IsNull(self.0)
    }

    /// `column IS NOT NULL`
    pub fn is_not_null(self) -> Expr {
        Expr::IsNull(self.0).not()
    }

    /// `is_nan(column)`
    pub fn is_nan(self) -> Expr {
        Expr::IsNan(self.0)
    }
}

impl Expr {
    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut parts) => {
                parts.push(other);
                Self::And(parts)
            }
            first => Self::And(vec![first, other]),
        }
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Or(mut parts) => {
                parts.push(other);
                Self::Or(parts)
            }
            first => Self::Or(vec![first, other]),
        }
    }

    /// The opposite; null stays null.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "reads as the SQL operator in a chain of calls")]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

macro_rules! from_integers {
    ($($integer:ty),*) => {
        $(impl From<$integer> for Literal {
            fn from(value: $integer) -> Self {
                Self::Int(i128::from(value))
            }
        })*
    };
}

from_integers!(i8, i16, i32, i64, u8, u16, u32, u64);

impl From<f64> for Literal {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<f32> for Literal {
    fn from(value: f32) -> Self {
        Self::Float(f64::from(value))
    }
}

impl From<&str> for Literal {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Literal {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Decimal(value, 0) => write!(f, "{value}"),
            Self::Decimal(value, scale) => {
                let digits = format!("{:0width$}", value.unsigned_abs(), width = usize::from(*scale) + 1);
                let (whole, fraction) = digits.split_at(digits.len() - usize::from(*scale));
                write!(f, "{}{whole}.{fraction}", if *value < 0 { "-" } else { "" })
            }
            Self::Text(value) => write!(f, "'{}'", value.replace('\'', "''")),
            Self::Time(nanos) => write!(f, "time({nanos})"),
        }
    }
}

/// The SQL spelling of a comparison.
pub(super) fn symbol(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Self], joiner: &str, empty: &str| {
            if parts.is_empty() {
                return f.write_str(empty);
            }
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    f.write_str(joiner)?;
                }
                let loose = matches!(part, Self::Or(_)) || (joiner == " OR " && matches!(part, Self::Not(_)));
                if loose { write!(f, "({part})")? } else { write!(f, "{part}")? }
            }
            Ok(())
        };
        match self {
            Self::Compare(column, comparison, literal) => {
                write!(f, "{column} {} {literal}", symbol(*comparison))
            }
            Self::In(column, literals) => {
                let literals: Vec<_> = literals.iter().map(ToString::to_string).collect();
                write!(f, "{column} IN ({})", literals.join(", "))
            }
            Self::IsNull(column) => write!(f, "{column} IS NULL"),
            Self::IsNan(column) => write!(f, "is_nan({column})"),
            Self::And(parts) => list(f, parts, " AND ", "TRUE"),
            Self::Or(parts) => list(f, parts, " OR ", "FALSE"),
            Self::Not(inner) => write!(f, "NOT ({inner})"),
            Self::Constant(Some(value)) => write!(f, "{value}"),
            Self::Constant(None) => f.write_str("NULL"),
        }
    }
}
