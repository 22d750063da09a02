//! `--agg`: a list of aggregate calls.

use sqlparser::ast::{
    Expr as Sql, Function as SqlFunction, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned,
};
use sqlparser::tokenizer::Span;
use tsds_traits::Function;

use super::complaint::Complaint;
use super::parse::parse_list;

const SUPPORTED: &str = "write a list of count, count(column), sum(column), min(column), max(column), avg(column), \
                         first(column) and last(column)";

/// One aggregate call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// What is computed.
    pub(crate) function: Function,
    /// Of which column, and where it is named; `None` counts rows.
    pub(crate) column: Option<(String, Span)>,
}

/// Parses a list of aggregate calls.
pub(crate) fn parse_calls(text: &str) -> Result<Vec<Call>, Complaint> {
    parse_list(text)?.iter().map(call).collect()
}

fn call(sql: &Sql) -> Result<Call, Complaint> {
    match sql {
        Sql::Nested(inner) => call(inner),
        Sql::Identifier(name) if name.value.eq_ignore_ascii_case("count") => {
            Ok(Call { function: Function::Count, column: None })
        }
        Sql::Identifier(name) => {
            Err(Complaint::new(format!("{name} is no aggregate"), name.span).hint(SUPPORTED))
        }
        Sql::Function(function) => called(function),
        other => Err(Complaint::new("this is no aggregate", other.span()).hint(SUPPORTED)),
    }
}

fn called(sql: &SqlFunction) -> Result<Call, Complaint> {
    let function = named(sql)?;
    let whole = sql.span();
    let plain = sql.filter.is_none()
        && sql.over.is_none()
        && sql.within_group.is_empty()
        && sql.null_treatment.is_none();
    let arguments = match &sql.args {
        FunctionArguments::List(list)
            if list.clauses.is_empty() && list.duplicate_treatment.is_none() && plain =>
        {
            &list.args
        }
        _ => return Err(Complaint::new("this form of a call is not supported", whole).hint(SUPPORTED)),
    };
    match (function, arguments.as_slice()) {
        (Function::Count, [] | [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]) => {
            Ok(Call { function, column: None })
        }
        (_, [FunctionArg::Unnamed(FunctionArgExpr::Expr(Sql::Identifier(column)))]) => {
            Ok(Call { function, column: Some((column.value.clone(), column.span)) })
        }
        (_, [FunctionArg::Unnamed(FunctionArgExpr::Expr(Sql::CompoundIdentifier(parts)))]) => {
            let name: Vec<_> = parts.iter().map(|part| part.value.as_str()).collect();
            Err(Complaint::new("a column name with a dot goes in double quotes", whole).hint(format!(
                "write {}(\"{}\")",
                function.name(),
                name.join(".")
            )))
        }
        _ => Err(Complaint::new(format!("{} takes one column", function.name()), whole).hint(SUPPORTED)),
    }
}

fn named(sql: &SqlFunction) -> Result<Function, Complaint> {
    use Function::{Avg, Count, First, Last, Max, Min, Sum};
    let name = sql.name.to_string();
    [Count, Sum, Min, Max, Avg, First, Last]
        .into_iter()
        .find(|function| function.name().eq_ignore_ascii_case(&name))
        .ok_or_else(|| Complaint::new(format!("{name} is no aggregate"), sql.name.span()).hint(SUPPORTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(text: &str) -> Vec<String> {
        let calls = parse_calls(text).unwrap();
        let show = |call: &Call| match &call.column {
            Some((column, _)) => format!("{}({column})", call.function.name()),
            None => call.function.name().to_owned(),
        };
        calls.iter().map(show).collect()
    }

    fn refusal(text: &str) -> (String, String) {
        let complaint = parse_calls(text).unwrap_err();
        (complaint.message.clone(), complaint.excerpt(text).unwrap_or_default())
    }

    #[test]
    fn every_function_is_known_in_any_case() {
        let text = "count, COUNT(*), count(), count(a), Sum(b), min(c), max(d), avg(e), first(f), last(g)";
        assert_eq!(
            calls(text),
            [
                "count", "count", "count", "count(a)", "sum(b)", "min(c)", "max(d)", "avg(e)", "first(f)",
                "last(g)"
            ]
        );
    }

    #[test]
    fn column_names_stay_as_typed_and_odd_ones_are_quoted() {
        assert_eq!(calls("sum(Volume), avg(\"PM2.5\")"), ["sum(Volume)", "avg(PM2.5)"]);
    }

    #[test]
    fn anything_else_is_refused_at_its_place() {
        let cases = [
            ("count, median(x)", "median is no aggregate", "count, median(x)\n       ^^^^^^"),
            ("volume", "volume is no aggregate", "volume\n^^^^^^"),
            ("sum(a + b)", "sum takes one column", "sum(a + b)\n^^^^^^^^^"),
            ("sum()", "sum takes one column", "sum()\n^^^"),
            ("min(*)", "min takes one column", "min(*)\n^^^"),
            ("max(a, b)", "max takes one column", "max(a, b)\n^^^^^^^^"),
            ("sum(PM2.5)", "expected ), found .5", "sum(PM2.5)\n       ^"),
            ("sum(DISTINCT a)", "this form of a call is not supported", "sum(DISTINCT a)\n^^^^^^^^^^^^^^"),
            ("count,", "expected an expression, found the end", "count,\n      ^"),
            ("", "the expression is empty", ""),
        ];
        for (text, message, excerpt) in cases {
            assert_eq!(refusal(text), (message.to_owned(), excerpt.to_owned()), "{text}");
        }
    }
}
