//! A table of who took how long for what.

use std::collections::BTreeMap;
use std::time::Duration;

/// What somebody answered, so that answers can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Rows of the answer.
    pub(crate) rows: u64,
    /// Of a column of integers in it, or what else says that it is the same.
    pub(crate) sum: i64,
}

/// Operations in the order of their first measurement, by those who did them.
#[derive(Debug)]
pub(crate) struct Report {
    title: &'static str,
    unit: &'static str,
    who: Vec<String>,
    operations: Vec<String>,
    figures: BTreeMap<(String, String), String>,
    answers: BTreeMap<String, Answer>,
}

impl Report {
    pub(crate) fn new(title: &'static str, unit: &'static str) -> Self {
        Self {
            title,
            unit,
            who: vec![],
            operations: vec![],
            figures: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    /// # Panics
    ///
    /// If somebody else's answer was another one.
    pub(crate) fn add(&mut self, who: &str, operation: &str, took: Duration, answer: Answer) {
        let expected = *self.answers.entry(operation.to_owned()).or_insert(answer);
        assert_eq!(answer, expected, "{who} answers otherwise: {operation}");
        let figure = match self.unit {
            "ms" => format!("{:.1}", took.as_secs_f64() * 1e3),
            _ => format!("{:.2} M", answer.rows as f64 / took.as_secs_f64() / 1e6),
        };
        eprintln!("{who}: {operation}: {figure} {}", self.unit);
        for (known, name) in [(&mut self.who, who), (&mut self.operations, operation)] {
            if !known.iter().any(|known| known == name) {
                known.push(name.to_owned());
            }
        }
        self.figures.insert((operation.to_owned(), who.to_owned()), figure);
    }

    pub(crate) fn print(&self) {
        println!("\n{}, {}\n\n| | {} |", self.title, self.unit, self.who.join(" | "));
        println!("|---|{}", "---:|".repeat(self.who.len()));
        for operation in &self.operations {
            let figure = |who: &String| {
                self.figures.get(&(operation.clone(), who.clone())).map_or("–", String::as_str).to_owned()
            };
            let figures: Vec<String> = self.who.iter().map(figure).collect();
            println!("| {operation} | {} |", figures.join(" | "));
        }
    }
}
