//! `tsds serve-metrics`: keeps a database open, and serves its metrics to Prometheus.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use tokio::signal::unix::{SignalKind, signal};
use tsds_engine::Database;

use super::closing;
use crate::arguments::ServeMetrics;
use crate::failure::{Failure, Result};
use crate::session::Session;

/// Upper bounds of the histograms, in seconds: from a sync of a fast disk to a query over everything.
const SECONDS: [f64; 13] = [1e-4, 5e-4, 1e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// How often what is a state is looked up.
const REFRESH: Duration = Duration::from_secs(5);

/// Serves until the process is told to stop.
pub(super) async fn run(session: &Session, arguments: &ServeMetrics) -> Result<()> {
    let builder = PrometheusBuilder::new().with_http_listener(arguments.listen);
    let built = builder
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".into()), &SECONDS)
        .and_then(PrometheusBuilder::build);
    let (recorder, exporter) = built.map_err(|error| cannot_listen(arguments, &error))?;
    if metrics::set_global_recorder(recorder).is_err() {
        return Err(Failure::failed("this program counts its metrics elsewhere already"));
    }
    let database = session.open_existing().await?;
    session.output.note(&format!("serving http://{}/metrics; stop it with Ctrl-C", arguments.listen));
    let served = match select(pin!(exporter), pin!(until_stopped(session, &database))).await {
        Either::Left((Ok(()), _)) => Ok(()),
        Either::Left((Err(_), _)) => Err(Failure::failed("the metrics cannot be served any more")),
        Either::Right((stopped, _)) => stopped,
    };
    closing(&database, served).await
}

fn cannot_listen(arguments: &ServeMetrics, error: &BuildError) -> Failure {
    Failure::failed("cannot serve metrics here")
        .value("listen", arguments.listen)
        .value("cause", error)
        .hint("give another address as --listen, such as 127.0.0.1:9188")
}

/// Keeps what is a state up to date, until the process is told to stop.
async fn until_stopped(session: &Session, database: &Database) -> Result<()> {
    let listen = |kind| signal(kind).map_err(|error| Failure::from(tsds_traits::Error::from(error)));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut stop = pin!(async move {
        let (interrupted, terminated) = (pin!(interrupt.recv()), pin!(terminate.recv()));
        select(interrupted, terminated).await;
    });
    loop {
        database.stats().await?;
        let pause = session.clock().sleep(REFRESH);
        if let Either::Left(_) = select(stop.as_mut(), pause).await {
            return Ok(());
        }
    }
}
