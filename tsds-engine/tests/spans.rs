//! What a program with a subscriber of its own can follow.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use support::{Row, batch, open, spec};
use tracing::span::{Attributes, Id};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tsds_io::SimWorld;

/// Names of the spans that were begun.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeSet<&'static str>>>);

impl Layer<Registry> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, Registry>) {
        self.0.lock().unwrap().insert(attributes.metadata().name());
    }
}

#[test]
fn writes_queries_and_what_moves_rows_are_spans() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    tracing::subscriber::with_default(subscriber, || {
        let machine = SimWorld::new(1);
        machine.block_on(async {
            let database = open(&machine).await.unwrap();
            let table = database.create_table(spec()).await.unwrap();
            for id in 0..40 {
                let row = |id| Row { time: id * 60_000, host: "a".into(), value: None, id };
                table.ingest(batch(&(id * 10..id * 10 + 10).map(row).collect::<Vec<_>>())).await.unwrap();
            }
            database.settle().await.unwrap();
            table.query().collect().await.unwrap();
            database.close().await.unwrap();
        });
    });
    let found = spans.0.lock().unwrap().clone();
    assert_eq!(found, BTreeSet::from(["ingest", "move", "query", "seal"]));
}
