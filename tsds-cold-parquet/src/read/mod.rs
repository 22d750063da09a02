//! Reading: verified bytes, decoded row groups, scans and aggregates over many files.

mod fetch;
mod footer;

pub(crate) use fetch::VerifiedFile;
pub(crate) use footer::Footer;

pub(crate) fn scan(
    _: std::sync::Arc<crate::tier::Shared>,
    _: tsds_traits::ScanRequest,
) -> futures::stream::BoxStream<'static, tsds_traits::Result<tsds_traits::SegmentBatch>> {
    Box::pin(futures::stream::empty())
}

pub(crate) fn aggregate(
    _: std::sync::Arc<crate::tier::Shared>,
    _: tsds_traits::AggregateRequest,
) -> futures::stream::BoxStream<'static, tsds_traits::Result<arrow_array::RecordBatch>> {
    Box::pin(futures::stream::empty())
}
