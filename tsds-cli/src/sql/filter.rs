//! `--where`: from SQL to the engine's filter.

use sqlparser::ast::{
    BinaryOperator, Expr as Sql, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned, UnaryOperator,
};
use sqlparser::tokenizer::Span;
use tsds_traits::Comparison;

use super::complaint::Complaint;
use super::literal::literal;
use super::parse::parse_expression;
use tsds_engine::query::{Expr, Literal};

const SUPPORTED: &str = "a filter is made of =, <>, <, <=, >, >=, BETWEEN, IN, IS NULL, is_nan(column), AND, OR, NOT and \
                         parentheses, with a column on one side and a literal on the other";

/// A filter, and where it names columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    /// The filter itself.
    pub(crate) expr: Expr,
    /// Each mention of a column, in the order of the text.
    pub(crate) columns: Vec<(String, Span)>,
}

/// Parses a filter. Column names are taken exactly as typed; odd ones stand in double quotes.
pub(crate) fn parse_filter(text: &str) -> Result<Filter, Complaint> {
    let mut lowering = Lowering { columns: Vec::new() };
    let expr = lowering.condition(parse_expression(text)?)?;
    let mut columns = lowering.columns;
    columns.sort_by_key(|(_, span)| (span.start.line, span.start.column));
    Ok(Filter { expr, columns })
}

struct Lowering {
    columns: Vec<(String, Span)>,
}

impl Lowering {
    fn condition(&mut self, sql: Sql) -> Result<Expr, Complaint> {
        let span = sql.span();
        match sql {
            Sql::Nested(inner) => self.condition(*inner),
            Sql::BinaryOp { op: BinaryOperator::And, .. } => {
                Ok(Expr::And(self.chain(sql, &BinaryOperator::And)?))
            }
            Sql::BinaryOp { op: BinaryOperator::Or, .. } => {
                Ok(Expr::Or(self.chain(sql, &BinaryOperator::Or)?))
            }
            Sql::BinaryOp { left, op, right } => self.comparison(&left, &op, &right),
            Sql::UnaryOp { op: UnaryOperator::Not, expr } => Ok(Expr::Not(Box::new(self.condition(*expr)?))),
            Sql::Between { expr, negated, low, high } => {
                let column = self.column(&expr)?;
                let range = Expr::And(vec![
                    Expr::Compare(column.clone(), Comparison::GreaterOrEqual, literal_only(&low)?),
                    Expr::Compare(column, Comparison::LessOrEqual, literal_only(&high)?),
                ]);
                Ok(negate(range, negated))
            }
            Sql::InList { expr, list, negated } => {
                let column = self.column(&expr)?;
                let literals = list.iter().map(literal_only).collect::<Result<Vec<_>, _>>()?;
                Ok(negate(Expr::In(column, literals), negated))
            }
            Sql::IsNull(expr) => Ok(Expr::IsNull(self.column(&expr)?)),
            Sql::IsNotNull(expr) => Ok(negate(Expr::IsNull(self.column(&expr)?), true)),
            Sql::Function(function) => {
                let name = function.name.to_string();
                if !name.eq_ignore_ascii_case("is_nan") {
                    return Err(Complaint::new(
                        format!("there is no function {name} in filters"),
                        function.name.span(),
                    )
                    .hint(SUPPORTED));
                }
                match &function.args {
                    FunctionArguments::List(list) if list.clauses.is_empty() => match list.args.as_slice() {
                        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => {
                            Ok(Expr::IsNan(self.column(expr)?))
                        }
                        _ => Err(Complaint::new("is_nan takes one column", span)),
                    },
                    _ => Err(Complaint::new("is_nan takes one column", span)),
                }
            }
            Sql::Identifier(name) if name.value.eq_ignore_ascii_case("not") && name.quote_style.is_none() => {
                Err(Complaint::new("NOT needs a condition after it", name.span))
            }
            Sql::Identifier(name) => Err(Complaint::new("a column alone is no condition", name.span)
                .hint(format!("write {name} = TRUE, or compare it with something else"))),
            other => match literal(&other)? {
                Some(Literal::Bool(value)) => Ok(Expr::Constant(Some(value))),
                Some(Literal::Null) => Ok(Expr::Constant(None)),
                Some(_) => Err(Complaint::new("a literal alone is no condition", span).hint(SUPPORTED)),
                None => Err(Complaint::new("this is not supported in a filter", span).hint(SUPPORTED)),
            },
        }
    }

    /// The operands of a chain of ANDs or ORs. A long chain leans left as deeply as it is long, hence the loop.
    fn chain(&mut self, sql: Sql, operator: &BinaryOperator) -> Result<Vec<Expr>, Complaint> {
        let mut operands = Vec::new();
        let mut rest = sql;
        while let Sql::BinaryOp { left, op, right } = rest {
            if op != *operator {
                rest = Sql::BinaryOp { left, op, right };
                break;
            }
            operands.push(*right);
            rest = *left;
        }
        operands.push(rest);
        operands.into_iter().rev().map(|operand| self.condition(operand)).collect()
    }

    fn comparison(&mut self, left: &Sql, op: &BinaryOperator, right: &Sql) -> Result<Expr, Complaint> {
        let span = left.span().union(&right.span());
        let comparison = match op {
            BinaryOperator::Eq => Comparison::Equal,
            BinaryOperator::NotEq => Comparison::NotEqual,
            BinaryOperator::Lt => Comparison::Less,
            BinaryOperator::LtEq => Comparison::LessOrEqual,
            BinaryOperator::Gt => Comparison::Greater,
            BinaryOperator::GtEq => Comparison::GreaterOrEqual,
            _ => {
                return Err(Complaint::new(format!("the operator {op} is not supported in a filter"), span)
                    .hint(SUPPORTED));
            }
        };
        match (literal(left)?, literal(right)?) {
            (None, Some(value)) => Ok(Expr::Compare(self.column(left)?, comparison, value)),
            (Some(value), None) => Ok(Expr::Compare(self.column(right)?, mirrored(comparison), value)),
            (Some(_), Some(_)) => Err(Complaint::new("one side of a comparison must be a column", span)),
            (None, None) => {
                self.column(left)?;
                self.column(right)?;
                Err(Complaint::new("two columns cannot be compared with each other", right.span())
                    .hint("text goes in single quotes: 'AAPL'; in double quotes it names a column"))
            }
        }
    }

    fn column(&mut self, sql: &Sql) -> Result<String, Complaint> {
        match sql {
            Sql::Nested(inner) => self.column(inner),
            Sql::Identifier(name) => {
                self.columns.push((name.value.clone(), name.span));
                Ok(name.value.clone())
            }
            Sql::CompoundIdentifier(parts) => {
                let name: Vec<_> = parts.iter().map(|part| part.value.as_str()).collect();
                Err(Complaint::new("a column name with a dot goes in double quotes", sql.span())
                    .hint(format!("write \"{}\"", name.join("."))))
            }
            Sql::BinaryOp { op, .. } if is_comparison(op) => {
                Err(Complaint::new("a comparison cannot be compared again", sql.span())
                    .hint("write x > 1 AND x < 5, or x BETWEEN 1 AND 5"))
            }
            Sql::BinaryOp { .. } => {
                Err(Complaint::new("arithmetic is not supported in a filter", sql.span()).hint(SUPPORTED))
            }
            Sql::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, .. } => {
                Err(Complaint::new("arithmetic is not supported in a filter", sql.span()).hint(SUPPORTED))
            }
            other => Err(Complaint::new("expected a column here", other.span()).hint(SUPPORTED)),
        }
    }
}

fn literal_only(sql: &Sql) -> Result<Literal, Complaint> {
    literal(sql)?.ok_or_else(|| {
        let complaint = Complaint::new("expected a literal here", sql.span());
        match sql {
            Sql::Identifier(_) => complaint.hint("text goes in single quotes: 'AAPL'"),
            _ => complaint.hint(SUPPORTED),
        }
    })
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal | Comparison::NotEqual => comparison,
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
    }
}

fn negate(expr: Expr, negated: bool) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
