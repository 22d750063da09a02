//! From text to a syntax tree.

use sqlparser::ast::Expr;
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

use super::complaint::Complaint;

/// Operators nest: with more of them than this, walking the tree could run out of stack.
const MAX_OPERATORS: usize = 5_000;

/// Parses one expression that takes up the whole text.
pub(super) fn parse_expression(text: &str) -> Result<Expr, Complaint> {
    parse(text, |parser| parser.parse_expr())
}

/// Parses a list of expressions that takes up the whole text.
pub(super) fn parse_list(text: &str) -> Result<Vec<Expr>, Complaint> {
    parse(text, |parser| parser.parse_comma_separated(Parser::parse_expr))
}

fn parse<T>(
    text: &str,
    rule: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<T, Complaint> {
    let dialect = GenericDialect {};
    let mut tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| Complaint::new(lower_first(&error.message), point(error.location)))?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    free_names(&mut tokens);
    if tokens.iter().all(|token| token.token == Token::EOF) {
        return Err(Complaint::new("the expression is empty", Span::empty()));
    }
    if tokens.iter().filter(|token| nests(&token.token)).count() > MAX_OPERATORS {
        return Err(Complaint::new(
            format!("the expression has more than {MAX_OPERATORS} operators"),
            Span::empty(),
        )
        .hint("write a long list of alternatives as column IN (…)"));
    }
    let end = tokens.last().map_or(Location::new(1, 1), |token| token.span.end);
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let tree = rule(&mut parser).map_err(|error| syntax_error(&error, end))?;
    let rest = parser.peek_token();
    if rest.token == Token::EOF { Ok(tree) } else { Err(unexpected(&rest)) }
}

/// Takes the meaning from words that mean nothing here, so that columns may be called `interval`, `user` or `order`.
fn free_names(tokens: &mut [TokenWithSpan]) {
    for index in 0..tokens.len() {
        let before_text =
            tokens.get(index + 1).is_some_and(|next| matches!(next.token, Token::SingleQuotedString(_)));
        if let Some(TokenWithSpan { token: Token::Word(word), .. }) = tokens.get_mut(index) {
            use Keyword::{
                AND, BETWEEN, DATE, DATETIME, DISTINCT, FALSE, ILIKE, IN, IS, LIKE, NOT, NULL, OR, TIMESTAMP,
                TRUE,
            };
            word.keyword = match word.keyword {
                AND | BETWEEN | DISTINCT | FALSE | ILIKE | IN | IS | LIKE | NOT | NULL | OR | TRUE => {
                    continue;
                }
                TIMESTAMP | DATE | DATETIME if before_text => continue,
                _ => Keyword::NoKeyword,
            };
        }
    }
}

fn nests(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(word.keyword, Keyword::AND | Keyword::OR | Keyword::NOT | Keyword::IS),
        Token::Comma | Token::Number(..) | Token::SingleQuotedString(_) | Token::EOF => false,
        _ => true,
    }
}

fn unexpected(token: &TokenWithSpan) -> Complaint {
    let complaint = Complaint::new(format!("unexpected {}", token.token), token.span);
    match &token.token {
        Token::Number(number, _) if number.starts_with('.') => {
            complaint.hint("a column name with a dot is written in double quotes, such as \"PM2.5\"")
        }
        Token::Word(_) | Token::Number(..) | Token::SingleQuotedString(_) => {
            complaint.hint("combine conditions with AND or OR; odd column names go in double quotes")
        }
        _ => complaint,
    }
}

/// The parser puts the place into its message: ` at Line: 1, Column: 5`.
fn syntax_error(error: &ParserError, end: Location) -> Complaint {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            return Complaint::new("the expression is nested too deeply", Span::empty());
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, location(place)),
        None => (text.as_str(), None),
    };
    let place = if message.ends_with("found: EOF") { Some(end) } else { place };
    let message = message
        .replace("found: EOF", "found the end")
        .replace("found: ", "found ")
        .replace("Expected: ", "expected ");
    Complaint::new(lower_first(&message), place.map_or(Span::empty(), point))
}

fn location(text: &str) -> Option<Location> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(Location::new(line.trim().parse().ok()?, column.trim().parse().ok()?))
}

fn point(at: Location) -> Span {
    Span::new(at, at)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
