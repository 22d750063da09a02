//! Lists of column names on the command line: `a,b` or, for odd names, `"a,b",c`.

/// Splits a comma-separated list of names. A name in double quotes may hold commas; two double quotes in it are one.
///
/// # Errors
///
/// What is wrong with the list, as text for the user.
pub(crate) fn parse_names(text: &str) -> Result<Vec<String>, String> {
    let names = pieces(text)?.into_iter().map(|piece| {
        if piece.rest.is_empty() {
            Ok(piece.name)
        } else {
            Err(format!("unexpected {} after \"{}\"", piece.rest, piece.name))
        }
    });
    names.collect()
}

/// One column to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SortColumn {
    /// Its name.
    pub(crate) name: String,
    /// Whether the largest values come first.
    pub(crate) descending: bool,
}

/// Splits a list such as `time,price:desc`. `:asc` and `:desc` are directions only at the end of a name.
///
/// # Errors
///
/// What is wrong with the list, as text for the user.
pub(crate) fn parse_sort(text: &str) -> Result<Vec<SortColumn>, String> {
    let columns = pieces(text)?.into_iter().map(|piece| {
        let (name, direction) = match (piece.quoted, piece.name.rsplit_once(':')) {
            (true, _) => (piece.name, piece.rest.trim_start_matches(':').to_owned()),
            (false, Some((name, direction))) if !name.is_empty() => (name.to_owned(), direction.to_owned()),
            (false, _) => (piece.name, String::new()),
        };
        match direction.to_ascii_lowercase().as_str() {
            "" | "asc" => Ok(SortColumn { name, descending: false }),
            "desc" => Ok(SortColumn { name, descending: true }),
            _ => Err(format!("unknown direction {direction}: write {name}, {name}:asc or {name}:desc")),
        }
    });
    columns.collect()
}

struct Piece {
    name: String,
    quoted: bool,
    /// What stands between a closing quote and the next comma.
    rest: String,
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let quoted = chars.next_if_eq(&'"').is_some();
        let mut name = String::new();
        if quoted {
            loop {
                match chars.next() {
                    Some('"') if chars.next_if_eq(&'"').is_some() => name.push('"'),
                    Some('"') => break,
                    Some(c) => name.push(c),
                    None => return Err(format!("the double quote before {name} is never closed")),
                }
            }
        }
        let mut rest = String::new();
        while let Some(c) = chars.next_if(|c| *c != ',') {
            rest.push(c);
        }
        let rest = rest.trim().to_owned();
        let piece = if quoted {
            Piece { name, quoted, rest }
        } else {
            Piece { name: rest, quoted, rest: String::new() }
        };
        if piece.name.is_empty() {
            return Err("a name in the list is empty".into());
        }
        pieces.push(piece);
        if chars.next().is_none() {
            return Ok(pieces);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_commas_outside_quotes() {
        assert_eq!(parse_names("a, b ,PM2.5").unwrap(), ["a", "b", "PM2.5"]);
        assert_eq!(parse_names("\"a,b\",\"say \"\"hi\"\"\", c").unwrap(), ["a,b", "say \"hi\"", "c"]);
        assert_eq!(parse_names("sum(volume),count").unwrap(), ["sum(volume)", "count"]);
    }

    #[test]
    fn empty_names_and_open_quotes_are_refused() {
        for (text, message) in [
            ("", "a name in the list is empty"),
            ("a,,b", "a name in the list is empty"),
            ("a,", "a name in the list is empty"),
            ("\"a", "the double quote before a is never closed"),
            ("\"a\"b", "unexpected b after \"a\""),
        ] {
            assert_eq!(parse_names(text).unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn sort_columns_have_directions() {
        let sort = |name: &str, descending| SortColumn { name: name.into(), descending };
        assert_eq!(
            parse_sort("a,b:desc, sum(c):ASC,\"d:desc\",\"e,f\":desc").unwrap(),
            [
                sort("a", false),
                sort("b", true),
                sort("sum(c)", false),
                sort("d:desc", false),
                sort("e,f", true)
            ]
        );
    }

    #[test]
    fn an_unknown_direction_is_refused() {
        assert_eq!(
            parse_sort("price:down").unwrap_err(),
            "unknown direction down: write price, price:asc or price:desc"
        );
    }
}
