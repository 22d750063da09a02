//! Literals as users write them.

use sqlparser::ast::{DataType, Expr, Spanned, TypedString, UnaryOperator, Value};
use sqlparser::tokenizer::Span;

use super::complaint::Complaint;
use tsds_engine::query::{Literal, parse_time};

/// The literal that an expression is; `None` if it is something else.
pub(super) fn literal(expr: &Expr) -> Result<Option<Literal>, Complaint> {
    Ok(Some(match expr {
        Expr::Nested(inner) => return literal(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => match &**inner {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => number(&format!("-{digits}"), value.span)?,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        },
        Expr::UnaryOp { op: UnaryOperator::Plus, expr: inner } => return literal(inner),
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => number(digits, value.span)?,
            Value::SingleQuotedString(text) => Literal::Text(text.clone()),
            Value::Boolean(value) => Literal::Bool(*value),
            Value::Null => Literal::Null,
            _ => {
                return Err(Complaint::new("this kind of literal is not supported", value.span)
                    .hint("write numbers, 'text', TRUE, FALSE, NULL or TIMESTAMP '2024-01-31T08:30:00Z'"));
            }
        },
        Expr::TypedString(typed) => time(typed)?,
        _ => return Ok(None),
    }))
}

fn number(digits: &str, span: Span) -> Result<Literal, Complaint> {
    if let Ok(whole) = digits.parse::<i128>() {
        return Ok(Literal::Int(whole));
    }
    // Exact, for columns of decimals; on any other it is what the number is.
    if let Some(decimal) = Literal::decimal(digits) {
        return Ok(decimal);
    }
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Literal::Float(value)),
        Ok(_) => Err(Complaint::new("number is too large", span)),
        Err(_) => Err(Complaint::new("not a number", span)),
    }
}

fn time(typed: &TypedString) -> Result<Literal, Complaint> {
    let span = typed.value.span();
    match (&typed.data_type, &typed.value.value) {
        (
            DataType::Timestamp(..) | DataType::Datetime(_) | DataType::Date,
            Value::SingleQuotedString(text),
        ) => {
            let nanos = parse_time(text).map_err(|error| Complaint::new(error.message(), span))?;
            Ok(Literal::Time(nanos))
        }
        (DataType::Time(..), Value::SingleQuotedString(text)) => Ok(Literal::Text(text.clone())),
        _ => Err(Complaint::new("this kind of literal is not supported", span)
            .hint("write a time as TIMESTAMP '2024-01-31T08:30:00Z'")),
    }
}
