use proptest::prelude::*;

use super::*;

fn accepted(text: &str) -> String {
    match parse_filter(text) {
        Ok(filter) => filter.expr.to_string(),
        Err(complaint) => panic!("{text}: {}", complaint.message),
    }
}

fn refused(text: &str) -> String {
    let complaint = parse_filter(text).expect_err(text);
    format!("{}\n{}", complaint.message, complaint.excerpt(text).unwrap_or_default())
}

#[test]
fn every_comparison_is_taken_with_the_literal_on_either_side() {
    let cases = [
        ("a = 1", "a = 1"),
        ("a == 1", "a = 1"),
        ("a <> 1", "a <> 1"),
        ("a != 1", "a <> 1"),
        ("a < 1.5", "a < 1.5"),
        ("1.5 < a", "a > 1.5"),
        ("1 <= a", "a >= 1"),
        ("1 > a", "a < 1"),
        ("1 >= a", "a <= 1"),
        ("'x' = a", "a = 'x'"),
        ("(a) > -(5)", ""),
        ("a > -5", "a > -5"),
        ("a > +5", "a > 5"),
        ("a > -1e3", "a > -1000.0"),
        ("a = TRUE", "a = true"),
        ("a = NULL", "a = NULL"),
        ("a = 'it''s'", "a = 'it''s'"),
        ("a = 18446744073709551615", "a = 18446744073709551615"),
    ];
    for (text, expected) in cases {
        if !expected.is_empty() {
            assert_eq!(accepted(text), expected, "{text}");
        }
    }
}

#[test]
fn ranges_lists_and_tests_are_taken() {
    let cases = [
        ("a BETWEEN 1 AND 5", "a >= 1 AND a <= 5"),
        ("a NOT BETWEEN 1 AND 5", "NOT (a >= 1 AND a <= 5)"),
        ("a IN (1, -2, NULL)", "a IN (1, -2, NULL)"),
        ("a NOT IN ('x')", "NOT (a IN ('x'))"),
        ("a IS NULL", "a IS NULL"),
        ("a IS NOT NULL", "NOT (a IS NULL)"),
        ("is_nan(a)", "is_nan(a)"),
        ("NOT IS_NAN(a)", "NOT (is_nan(a))"),
        ("TRUE", "true"),
    ];
    for (text, expected) in cases {
        assert_eq!(accepted(text), expected, "{text}");
    }
}

#[test]
fn and_binds_tighter_than_or_and_not_tighter_than_and() {
    assert_eq!(
        accepted("a = 1 OR b = 2 AND NOT c = 3 AND d = 4"),
        "a = 1 OR b = 2 AND NOT (c = 3) AND d = 4"
    );
    assert_eq!(accepted("(a = 1 OR b = 2) AND c = 3"), "(a = 1 OR b = 2) AND c = 3");
    let Expr::And(parts) = parse_filter("a = 1 and b = 2 and c = 3").unwrap().expr else { panic!() };
    assert_eq!(parts.len(), 3);
}

#[test]
fn times_are_literals_of_their_own_or_text() {
    assert_eq!(accepted("t >= TIMESTAMP '1970-01-01T00:00:01Z'"), "t >= time(1000000000)");
    assert_eq!(accepted("t >= TIMESTAMP '1970-01-01 00:00:00.5'"), "t >= time(500000000)");
    assert_eq!(accepted("t >= timestamp '1970-01-01T01:00:01+01:00'"), "t >= time(1000000000)");
    assert_eq!(accepted("t >= DATE '1970-01-02'"), "t >= time(86400000000000)");
    assert_eq!(accepted("t >= '2024-01-31'"), "t >= '2024-01-31'");
}

#[test]
fn column_names_are_taken_exactly_as_typed() {
    assert_eq!(accepted("Price > 1 AND pRICE < 2"), "Price > 1 AND pRICE < 2");
    assert_eq!(parse_filter("\"PM2.5\" > 3").unwrap().expr, tsds_engine::query::col("PM2.5").gt(3));
    assert_eq!(
        parse_filter("\"a \"\"b\"\" c\" > 3").unwrap().expr,
        tsds_engine::query::col("a \"b\" c").gt(3)
    );
    for word in [
        "timestamp",
        "date",
        "time",
        "interval",
        "user",
        "order",
        "end",
        "case",
        "exists",
        "value",
        "row",
        "first",
    ] {
        assert_eq!(accepted(&format!("{word} > 3")), format!("{word} > 3"));
    }
}

#[test]
fn each_mention_of_a_column_is_kept_with_its_place() {
    let filter = parse_filter("(b > 1 OR 2 = a) AND b IN (3)").unwrap();
    let places: Vec<_> =
        filter.columns.iter().map(|(name, span)| (name.as_str(), span.start.column)).collect();
    assert_eq!(places, [("b", 2), ("a", 15), ("b", 22)]);
}

#[test]
fn what_is_no_filter_is_refused_at_its_place() {
    let cases = [
        (
            "price > 3 AND foo(x)",
            "there is no function foo in filters\nprice > 3 AND foo(x)\n              ^^^",
        ),
        ("a LIKE 'x'", "this is not supported in a filter\na LIKE 'x'\n^^^^^^^^^^"),
        ("a = \"b\"", "two columns cannot be compared with each other\na = \"b\"\n    ^^^"),
        ("PM2.5 > 3", "unexpected .5\nPM2.5 > 3\n   ^^"),
        ("a.b > 3", "a column name with a dot goes in double quotes\na.b > 3\n^^^"),
        ("1 < x < 5", "a comparison cannot be compared again\n1 < x < 5\n^^^^^"),
        ("a >", "expected an expression, found the end\na >\n   ^"),
        ("a >> 3", "the operator >> is not supported in a filter\na >> 3\n^^^^^^"),
        ("  ", "the expression is empty\n"),
        ("a = 'x", "unterminated string literal\na = 'x\n    ^"),
        ("a = 1 b = 2", "unexpected b\na = 1 b = 2\n      ^"),
        ("flag", "a column alone is no condition\nflag\n^^^^"),
        ("a = 1 AND NOT", "NOT needs a condition after it\na = 1 AND NOT\n          ^^^"),
        ("a + 1 > 3", "arithmetic is not supported in a filter\na + 1 > 3\n^^^^^"),
        ("a = -b", "arithmetic is not supported in a filter\na = -b\n     ^"),
        ("a IN (1, b)", "expected a literal here\na IN (1, b)\n         ^"),
        ("a IN ()", "expected an expression, found )\na IN ()\n      ^"),
        ("a BETWEEN 1 AND b", "expected a literal here\na BETWEEN 1 AND b\n                ^"),
        ("1 = 1", "one side of a comparison must be a column\n1 = 1\n^^^^^"),
        ("a = X'ff'", "this kind of literal is not supported\na = X'ff'\n    ^^^^^"),
        ("a = 1e999", "number is too large\na = 1e999\n    ^^^^^"),
        (
            "t > TIMESTAMP 'noon'",
            "not a time; write it like 2024-01-31T08:30:00Z\nt > TIMESTAMP 'noon'\n              ^^^^^^",
        ),
        ("a = 1)", "unexpected )\na = 1)\n     ^"),
        ("(a = 1", "expected ), found the end\n(a = 1\n      ^"),
        ("is_nan(a, b)", "is_nan takes one column\nis_nan(a, b)\n^^^^^^^^^^^"),
        ("a = 1; b = 2", "unexpected ;\na = 1; b = 2\n     ^"),
        ("a = ?", "this kind of literal is not supported\na = ?\n    ^"),
        ("3", "a literal alone is no condition\n3\n^"),
        ("a = 1 AND\n  b ~ 'x'", "the operator ~ is not supported in a filter\n  b ~ 'x'\n  ^^^^^^^"),
    ];
    for (text, expected) in cases {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn hints_say_what_to_write_instead() {
    let hint = |text: &str| parse_filter(text).expect_err(text).hint.unwrap_or_default();
    assert_eq!(hint("a.b > 3"), "write \"a.b\"");
    assert_eq!(hint("flag"), "write flag = TRUE, or compare it with something else");
    assert_eq!(hint("a = b"), "text goes in single quotes: 'AAPL'; in double quotes it names a column");
    assert_eq!(hint("PM2.5 > 3"), "a column name with a dot is written in double quotes, such as \"PM2.5\"");
}

#[test]
fn a_long_chain_is_taken_and_an_endless_one_refused() {
    let chain = |terms: usize| vec!["a = 1"; terms].join(" OR ");
    let Expr::Or(parts) = parse_filter(&chain(2_000)).unwrap().expr else { panic!() };
    assert_eq!(parts.len(), 2_000);
    assert!(refused(&chain(20_000)).starts_with("the expression has more than 5000 operators"));
    let list: Vec<_> = (0..20_000).map(|n| n.to_string()).collect();
    assert!(parse_filter(&format!("a IN ({})", list.join(","))).is_ok());
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("{}a = 1{}", "(".repeat(2_000), ")".repeat(2_000));
    assert_eq!(parse_filter(&text).unwrap_err().message, "the expression is nested too deeply");
    assert!(parse_filter(&format!("{} a = 1", "NOT ".repeat(2_000))).is_err());
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused_and_never_panics(text in "[a-z0-9 '\"<>=().,*%_+\\-\\\\\n]{0,60}|\\PC{0,40}") {
        if let Err(complaint) = parse_filter(&text) {
            prop_assert!(!complaint.message.is_empty());
            let _ = complaint.excerpt(&text);
        }
        let _ = super::super::parse_calls(&text);
    }

    #[test]
    fn what_the_engine_prints_parses_to_the_same_filter(
        column in "[a-z][a-z0-9_]{0,8}", whole in any::<i64>(), real in -1e300f64..1e300, text in "[a-zA-Z' ]{0,8}",
    ) {
        prop_assume!(!["and", "or", "not", "in", "is", "null", "true", "false", "like", "ilike", "between", "distinct"].contains(&column.as_str()));
        let c = || tsds_engine::query::col(column.clone());
        let expr = c().gt(whole).and(c().lt_eq(real)).or(c().is_in([text.as_str()])).or(c().is_null());
        prop_assert_eq!(parse_filter(&expr.to_string()).map(|filter| filter.expr.to_string()), Ok(expr.to_string()));
    }
}
