//! Tables for a terminal, a page and a program.

use serde_json::{Value, json};

use crate::clock::Seconds;

#[derive(Clone, Debug)]
pub enum Cell {
    Text(String),
    Number {
        value: f64,
        decimals: usize,
    },
    /// GB/s, with its quartiles.
    Speed {
        low: f64,
        median: f64,
        high: f64,
    },
}

impl Cell {
    pub fn number(value: f64, decimals: usize) -> Self {
        Self::Number { value, decimals }
    }

    pub fn speed(bytes: usize, took: Seconds) -> Self {
        let speed = |seconds: f64| bytes as f64 / seconds / 1e9;
        Self::Speed { low: speed(took.high), median: speed(took.median), high: speed(took.low) }
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number { value, decimals } => format!("{value:.decimals$}"),
            Self::Speed { median, .. } if *median < 10.0 => format!("{median:.2}"),
            Self::Speed { median, .. } => format!("{median:.1}"),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number { value, .. } => json!(value),
            Self::Speed { low, median, high } => json!({ "low": low, "median": median, "high": high }),
        }
    }
}

pub struct Table {
    /// The name of the section, by which a page finds its place.
    pub name: &'static str,
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn new(
        name: &'static str,
        title: &str,
        columns: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        Self { name, title: title.to_owned(), columns, rows: Vec::new() }
    }

    pub fn text(&self) -> String {
        let mut lines = vec![self.columns.clone()];
        lines.extend(self.rows.iter().map(|row| row.iter().map(Cell::text).collect::<Vec<_>>()));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |cells: &Vec<String>| {
            let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            padded.collect::<Vec<_>>().join("  ")
        };
        format!("{}\n\n{}\n", self.title, lines.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("{}\n\n{}", self.title, line(self.columns.clone()));
        text += &format!("|---|{}\n", "---:|".repeat(self.columns.len() - 1));
        text.extend(self.rows.iter().map(|row| line(row.iter().map(Cell::text).collect())));
        text
    }
}

pub fn json(tables: &[Table]) -> Value {
    let row = |table: &Table, row: &Vec<Cell>| -> Value {
        table
            .columns
            .iter()
            .cloned()
            .zip(row.iter().map(Cell::json))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let table = |table: &Table| {
        json!({
            "section": table.name,
            "title": table.title,
            "rows": table.rows.iter().map(|cells| row(table, cells)).collect::<Vec<_>>(),
        })
    };
    Value::Array(tables.iter().map(table).collect())
}
